/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MKKDUMP_H
#define TESTS_MKKDUMP_H

/*
 * kdump-compressed dumps, made to order of the same memory and notes that an
 * ELF core is made of. After that any field can be overwritten.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/mkelf.h"
#include "image/pack.h"

/** How; all zero but version is a 64-bit little-endian file with blocks of 4 KiB, not packed. */
struct mkkdump_how {
	unsigned version;   /* 1 to 6 */
	unsigned block_lg2; /* 0: 12 */
	bool is_packed;
	enum packing packing;                 /* of pages that get smaller by it */
	bool is_32, is_padded, is_big_endian; /* without notes, which are little-endian */
	bool has_one_bitmap;
	const char *machine; /* NULL: "x86_64" */
	const char *text;    /* VMCOREINFO, without a note */
	/* Of a split dump: what this file has. */
	bool is_split;
	uint64_t first_page, end_page;
	/* Pages that are left out; NULL: none. */
	bool (*is_excluded)(uint64_t page);
};

struct mkkdump {
	struct mkkdump_how how;
	uint8_t *file;
	size_t size;
	uint64_t map, descriptors, data; /* where they are */
	uint64_t nr_pages;               /* of the bitmaps */
	int fd;                          /* after mkkdump_save() */
	char path[64];
};

/** Make a file in memory. Segments must be whole blocks. */
void mkkdump_build(struct mkkdump *kdump, const struct mkelf *elf, const struct mkkdump_how *how);
/** Overwrite size bytes at offset, in the file's byte order. */
void mkkdump_put(struct mkkdump *kdump, uint64_t offset, unsigned size, uint64_t value);
/** @return the path of a file with these bytes, the same every time */
const char *mkkdump_save(struct mkkdump *kdump);
/** Frees all; the saved file goes. */
void mkkdump_fini(struct mkkdump *kdump);

/**
 * Replace the file by what makedumpfile -F writes of it: records of many sizes, in no order, a
 * few of them twice, of which the first is wrong.
 * @param random another one for each number
 */
void mkkdump_flatten(struct mkkdump *kdump, uint32_t random);

/** Where the header has block_size, status and so on: the first is status, of 4 bytes each. */
uint64_t mkkdump_header_at(const struct mkkdump_how *how, unsigned index);

#endif
