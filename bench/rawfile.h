/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_RAWFILE_H
#define BENCH_RAWFILE_H

/* Raw memory, made of what images hold: a file without headers, notes or registers. */

#include <stddef.h>
#include <stdint.h>

#include <pagewalk/image.h>

struct rawfile {
	char path[64]; /* a temporary file */
	int fd;
	uint64_t size;
	uint64_t used; /* from the start, what was filled */
};

void rawfile_make(struct rawfile *file, uint64_t size);
/**
 * Append an image's memory, from its first byte up to a large hole, as far as it fits.
 * @return its size with small holes
 */
uint64_t rawfile_add(struct rawfile *file, const struct pgw_image *image);
/** Write bytes at an offset. */
void rawfile_put(struct rawfile *file, uint64_t offset, const void *bytes, size_t size);
/** All is on the disk, and nothing is left to be written back while times are taken. */
void rawfile_settle(struct rawfile *file);
void rawfile_resize(struct rawfile *file, uint64_t size);
void rawfile_remove(struct rawfile *file);

/** The size of an image's memory that rawfile_add() takes. */
uint64_t rawfile_memory_size(const struct pgw_image *image);

/** Read all of a file, through a buffer of 1 MiB. @return its size */
uint64_t rawfile_read(const char *path);

#endif
