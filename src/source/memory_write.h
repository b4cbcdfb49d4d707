/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_MEMORY_WRITE_H
#define SOURCE_MEMORY_WRITE_H

/* Between the files of src/source that write files: what all of them do with memory. */

#include "source/source_priv.h"

/* Bytes are handed on in blocks of at most this size. */
#define WRITE_BLOCK ((size_t)64 << 10)

/** A file in the making. */
struct memory_write {
	const struct source *source;
	const struct pgw_pa_range *keep; /* ascending, without overlap */
	size_t nr_keep;
	pgw_write_fn *fn;
	void *arg;
	uint8_t *block; /* WRITE_BLOCK bytes */
};

/**
 * Prepare; a block is made.
 * @return 0, -PGW_EINVAL (what is to be kept is out of order), -PGW_ENOMEM
 */
int memory_write_init(struct memory_write *write, const struct source *source,
		      const struct source_writing *what);
/** One that is all zero is fine. */
void memory_write_fini(struct memory_write *write);

/** The first memory from pa on that is to be kept and can be read. @return false: there is none */
bool memory_write_next(const struct memory_write *write, uint64_t pa, struct pgw_pa_range *ret);

/* Hand bytes on. @return 0, fn's value, or -PGW_EIO */

int memory_write_range(const struct memory_write *write, uint64_t pa, uint64_t size);
/** Bytes of file 0. */
int memory_write_file(const struct memory_write *write, uint64_t offset, uint64_t size);
/** Pre: size is at most WRITE_BLOCK. */
int memory_write_zeroes(const struct memory_write *write, size_t size);

#endif
