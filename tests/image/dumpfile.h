/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_DUMPFILE_H
#define TESTS_DUMPFILE_H

/* A dump in the making, of any little-endian kind, and what every kind of dump has to do. */

#include <stddef.h>
#include <stdint.h>

#include <pagewalk/image.h>

struct dumpfile {
	uint8_t *bytes;
	size_t size;
	char folder[64]; /* once it is saved */
	char path[128];
};

/** Append. @param bytes NULL: zeroes @return where they are */
uint64_t dumpfile_add(struct dumpfile *file, const void *bytes, size_t size);
uint64_t dumpfile_add_number(struct dumpfile *file, unsigned size, uint64_t value);
/** Append zeroes up to this size. */
void dumpfile_fill(struct dumpfile *file, size_t size);
/** Overwrite. */
void dumpfile_put(struct dumpfile *file, uint64_t offset, unsigned size, uint64_t value);
/** Put it into a folder of its own. @param name of the file; the last one's if NULL @return its path */
const char *dumpfile_save(struct dumpfile *file, const char *name);
/** Put another file beside it, which is saved. */
void dumpfile_save_beside(const struct dumpfile *file, const struct dumpfile *other,
			  const char *name);
/** Frees all; the folder goes. */
void dumpfile_fini(struct dumpfile *file);

/** Save and open it. @return what is said if that fails; "" if not, and the image */
const char *dumpfile_open(struct dumpfile *file, struct pgw_image **ret);

/**
 * Asserts that the image has no byte that the memory has not, as many as it says, and was cut only
 * if it says so.
 */
void dumpfile_check_part(struct pgw_image *image, const uint8_t *memory, uint64_t size);

/**
 * Cut it to these sizes, one after the other: each is refused with a line, or has a part of the
 * memory and is truncated.
 * @param min_size below which it is refused
 */
void dumpfile_check_cuts(struct dumpfile *file, const uint64_t *sizes, size_t nr, uint64_t min_size,
			 const uint8_t *memory, uint64_t memory_size);

/** A field that holds what it should not. */
struct dumpfile_row {
	const char *name;
	uint64_t offset;
	unsigned size;
	uint64_t value;
	const char *text; /* what is said; "": it opens */
};

/** Each alone in a file that make() makes. An image that opens is gone over and closed. */
void dumpfile_check_rows(void (*make)(struct dumpfile *ret), const struct dumpfile_row *rows,
			 size_t nr);

#endif
