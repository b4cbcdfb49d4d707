/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MKQEMU_H
#define TESTS_MKQEMU_H

/*
 * QEMU's migration streams, made piece by piece, as docs/devel/migration.rst and QEMU's own
 * streams have them. After that any field can be overwritten.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MKQEMU_PAGE ((size_t)4096)

struct mkqemu {
	uint8_t *file;
	size_t size, room;
	int fd; /* after mkqemu_save() */
	char path[64];
};

struct mkqemu_block {
	const char *name;
	uint64_t size;
};

/** Frees all; the saved file goes. */
void mkqemu_fini(struct mkqemu *stream);
void mkqemu_bytes(struct mkqemu *stream, const void *bytes, size_t size);
/** A number of size bytes, big-endian. */
void mkqemu_number(struct mkqemu *stream, unsigned size, uint64_t value);
/** Overwrite one. */
void mkqemu_put(struct mkqemu *stream, uint64_t offset, unsigned size, uint64_t value);
/** A text behind its length of one byte. */
void mkqemu_name(struct mkqemu *stream, const char *name);

/** Magic, version and configuration. */
void mkqemu_begin(struct mkqemu *stream, const char *machine);
/** The head of a section that is the first of its number (type 1), or the only one (4). */
void mkqemu_section(struct mkqemu *stream, unsigned type, uint32_t number, const char *name,
		    uint32_t version);
void mkqemu_footer(struct mkqemu *stream, uint32_t number);
/** The section of the memory that lists blocks; its number is 2. */
void mkqemu_blocks(struct mkqemu *stream, const struct mkqemu_block *blocks, size_t nr);
/** The beginning of one with pages: type 2, or 3 for the last. */
void mkqemu_part(struct mkqemu *stream, unsigned type);
/** The end of one. */
void mkqemu_part_end(struct mkqemu *stream);
/** A page; block NULL: of the same block as the one before. Zeroes are sent as such. */
void mkqemu_page(struct mkqemu *stream, const char *block, uint64_t offset, const uint8_t *bytes);
/** A page that is full of a byte. */
void mkqemu_fill(struct mkqemu *stream, const char *block, uint64_t offset, uint8_t fill);
/** Some of the state of a device, and the end of the stream. */
void mkqemu_devices(struct mkqemu *stream);

/** @return the path of a file with these bytes, the same every time */
const char *mkqemu_save(struct mkqemu *stream);

#endif
