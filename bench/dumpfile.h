/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_DUMPFILE_H
#define BENCH_DUMPFILE_H

/* kdump-compressed dumps of the memory of an image, as large as wanted. x86-64. */

#include <pagewalk/pagewalk.h>

#include "source/unpack.h"

#define DUMPFILE_PAGE 4096u
#define DUMPFILE_DESCRIPTOR 24

struct dumpfile {
	char path[64];
	int fd;
	enum packing packing; /* _PACKING_MAX: none */
	uint64_t nr_pages;    /* of the machine */
	uint64_t nr_held;     /* in the file, zeroes too */
	uint64_t nr_packed;   /* of these, those that are not zeroes */
	uint64_t size;
	uint64_t descriptors; /* in the file */
	uint64_t zeroes;      /* what all pages of zeroes share */
};

/**
 * Make a file in TMPDIR: the image's memory, with pages of zeroes behind it.
 * @param elf      the file of the image, whose notes are taken
 * @param nr_held  at least so many pages are in it, zeroes behind the image's memory
 * @param nr_pages at least so many pages the machine had
 */
void dumpfile_make(struct dumpfile *file, const char *elf, enum packing packing, uint64_t nr_held,
		   uint64_t nr_pages);
void dumpfile_remove(struct dumpfile *file);

/** Read and unpack all pages but zeroes, by so many threads. @return how many there were */
uint64_t dumpfile_unpack(const struct dumpfile *file, unsigned nr_threads);

#endif
