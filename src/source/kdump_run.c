/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <stdlib.h>

#include "base/bits.h"
#include "source/page_cache.h"

/*
 * Many pages in a row, for who looks through memory: their descriptors follow each other, and
 * mostly their bytes do too. So a row is found and read at once, and unpacked to where it is wanted.
 */
#define ROW_PAGES 32
#define ROW_BYTES ((size_t)64 << 10) /* at least a block */

struct row {
	const struct kdump *kdump;
	const struct kdump_part *part;
	uint64_t page;
	unsigned nr;
	struct kdump_descriptor descriptors[ROW_PAGES];
	uint8_t *packed; /* ROW_BYTES */
};

static bool row_read_descriptors(struct row *row, uint64_t rank)
{
	const struct kdump_part *part = row->part;
	uint64_t at = part->descriptors + (rank - part->first_rank) * KDUMP_DESCRIPTOR_SIZE;
	uint8_t bytes[ROW_PAGES * KDUMP_DESCRIPTOR_SIZE];

	if (!source_map_read(part->map, at, bytes, (size_t)row->nr * KDUMP_DESCRIPTOR_SIZE))
		return false;
	for (unsigned i = 0; i < row->nr; i++) {
		kdump_descriptor_decode(&row->kdump->header.form,
					bytes + (size_t)i * KDUMP_DESCRIPTOR_SIZE,
					&row->descriptors[i]);
		if (!kdump_descriptor_is_sound(row->kdump, part, &row->descriptors[i]))
			return false;
	}
	return true;
}

/* How many, from one on, have their bytes one behind the other, and in the buffer. */
static unsigned row_together(const struct row *row, unsigned first, size_t *ret_size)
{
	const struct kdump_descriptor *start = &row->descriptors[first];
	unsigned i = first;
	size_t size = 0;

	while (i < row->nr && row->descriptors[i].offset == start->offset + size &&
	       size + row->descriptors[i].size <= ROW_BYTES)
		size += row->descriptors[i++].size;
	*ret_size = size;
	return i - first;
}

static int row_unpack_page(struct row *row, unsigned index, const uint8_t *packed, uint8_t *page)
{
	/* What was read as a table is not unpacked once more. */
	if (page_cache_peek(row->kdump->cache, row->page + index, page))
		return 0;
	return kdump_unpack_bytes(row->kdump, &row->descriptors[index], packed, page);
}

static int row_unpack(struct row *row, uint8_t *to)
{
	size_t block = (size_t)1 << row->kdump->header.block_lg2;
	unsigned done = 0;
	int status = 0;

	while (done < row->nr && !status) {
		uint64_t start = row->descriptors[done].offset;
		size_t size;
		unsigned nr = row_together(row, done, &size);

		if (!source_map_pread(row->part->map, start, row->packed, size))
			return -PGW_EIO;
		for (unsigned end = done + nr; done < end && !status; done++)
			status = row_unpack_page(
				row, done, row->packed + (row->descriptors[done].offset - start),
				to + done * block);
	}
	return status;
}

/* A row that is no part of the dump as a whole is an error here. */
static int row_load(struct row *row, uint8_t *to)
{
	const struct kdump *kdump = row->kdump;
	uint64_t rank;

	row->part = kdump_part_find(kdump, row->page);
	if (!row->part || row->part->end_page < row->page + row->nr ||
	    kdump_pages_find_row(&kdump->pages, row->page, row->nr, &rank) ||
	    !row_read_descriptors(row, rank))
		return -PGW_EIO;
	return row_unpack(row, to);
}

int kdump_look(const struct kdump *kdump, uint64_t page, uint64_t nr, uint8_t *buf)
{
	struct row row = { .kdump = kdump, .packed = malloc(ROW_BYTES) };
	int status = row.packed ? 0 : -PGW_ENOMEM;

	while (nr && !status) {
		row.page = page;
		row.nr = nr < ROW_PAGES ? (unsigned)nr : ROW_PAGES;
		status = row_load(&row, buf);
		page += row.nr;
		nr -= row.nr;
		buf += (size_t)row.nr << kdump->header.block_lg2;
	}
	free(row.packed);
	return status;
}
