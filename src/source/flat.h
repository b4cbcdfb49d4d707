/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_FLAT_H
#define SOURCE_FLAT_H

/*
 * Flattened files: makedumpfile -F and QEMU write them where they cannot seek.
 * Big-endian, by makedumpfile.h:
 *
 *   0     "makedumpfile", 4 zeroes; type 1; version 1 (8 bytes each); zeroes to 4096
 *   4096  records {offset, size, size bytes}: the bytes belong at offset
 *   ...   ended by {-1, -1}
 *
 * Records are in no order. What no record has is zeroes, if all records are there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/image.h>

/** Bytes of the whole file, and where they are in the flattened one. */
struct flat_piece {
	uint64_t first;
	uint64_t end;
	uint64_t at;
};

struct source_flat {
	struct flat_piece *pieces; /* ascending, no overlap */
	size_t nr_pieces;
	bool is_cut; /* records are missing at the end */
};

/* flat_index.c */

/**
 * Put records in order. Where they overlap, the later one wins, as if they were written.
 * @param records in the order of the file, none is empty; taken, also on failure
 * @return 0 or -PGW_ENOMEM
 */
int source_flat_sort(struct source_flat *flat, struct flat_piece *records, size_t nr);
/** The piece that has offset, or else the next; NULL if there is none. */
const struct flat_piece *source_flat_find(const struct source_flat *flat, uint64_t offset);
/** NULL is fine. */
void source_flat_free(struct source_flat *flat);

/* flat.c */

struct source_map;

/**
 * If the file is flattened, let the map be of the file that it holds.
 * @return 0, also if it is not; -PGW_EOPNOTSUPP, -PGW_EOVERFLOW, -PGW_EIO, -PGW_ENOMEM
 */
int source_flat_open(struct source_map *map, struct pgw_error *err);

#endif
