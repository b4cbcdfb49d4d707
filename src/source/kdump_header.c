/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <string.h>

#include "base/bits.h"

#define HEADER_SIZE 464
#define SUB_HEADER_SIZE 104
#define VERSION_AT 8
#define MAX_VERSION 6
#define MACHINE_AT (12 + 4 * 65) /* the fifth text of struct new_utsname */
#define MACHINE_SIZE 65

enum kdump_field {
	/* of the header */
	KH_STATUS,
	KH_BLOCK_SIZE,
	KH_SUB_HDR_SIZE,
	KH_BITMAP_BLOCKS,
	KH_MAX_MAPNR,
	/* of the sub-header */
	KS_SPLIT,
	KS_START_PFN,
	KS_END_PFN,
	KS_VMCOREINFO,
	KS_VMCOREINFO_SIZE,
	KS_NOTE,
	KS_NOTE_SIZE,
	KS_ERASEINFO,
	KS_ERASEINFO_SIZE,
	KS_START_PFN_64,
	KS_END_PFN_64,
	KS_MAX_MAPNR_64,
	_KDUMP_FIELD_MAX,
};

/* Where each is: in files of 32-bit x86, of other 32-bit machines, of 64-bit machines. */
static const struct {
	uint16_t at_32, at_padded, at_64;
	uint8_t size_32, size_64;
	uint8_t since; /* version of the header */
} fields[_KDUMP_FIELD_MAX] = {
	[KH_STATUS] = { 412, 412, 424, 4, 4, 0 },
	[KH_BLOCK_SIZE] = { 416, 416, 428, 4, 4, 0 },
	[KH_SUB_HDR_SIZE] = { 420, 420, 432, 4, 4, 0 },
	[KH_BITMAP_BLOCKS] = { 424, 424, 436, 4, 4, 0 },
	[KH_MAX_MAPNR] = { 428, 428, 440, 4, 4, 0 },
	[KS_SPLIT] = { 8, 8, 12, 4, 4, 2 },
	[KS_START_PFN] = { 12, 12, 16, 4, 8, 2 },
	[KS_END_PFN] = { 16, 16, 24, 4, 8, 2 },
	[KS_VMCOREINFO] = { 20, 24, 32, 8, 8, 3 },
	[KS_VMCOREINFO_SIZE] = { 28, 32, 40, 4, 8, 3 },
	[KS_NOTE] = { 32, 40, 48, 8, 8, 4 },
	[KS_NOTE_SIZE] = { 40, 48, 56, 4, 8, 4 },
	[KS_ERASEINFO] = { 44, 56, 64, 8, 8, 5 },
	[KS_ERASEINFO_SIZE] = { 52, 64, 72, 4, 8, 5 },
	[KS_START_PFN_64] = { 56, 72, 80, 8, 8, 6 },
	[KS_END_PFN_64] = { 64, 80, 88, 8, 8, 6 },
	[KS_MAX_MAPNR_64] = { 72, 88, 96, 8, 8, 6 },
};

struct loading {
	const struct source_map *map;
	struct kdump_header *header;
	struct pgw_error *err;
	uint8_t bytes[HEADER_SIZE];
	uint8_t sub[SUB_HEADER_SIZE];
};

uint64_t kdump_number(const struct kdump_form *form, const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | bytes[form->is_big_endian ? i : size - 1 - i];
	return value;
}

static unsigned field_at(const struct kdump_form *form, enum kdump_field field)
{
	return !form->is_32      ? fields[field].at_64
	       : form->is_padded ? fields[field].at_padded
				 : fields[field].at_32;
}

/* One that the header's version does not have is 0. */
static uint64_t field_get(const struct loading *load, enum kdump_field field)
{
	const struct kdump_header *header = load->header;
	const uint8_t *bytes = field >= KS_SPLIT ? load->sub : load->bytes;

	if (header->version < fields[field].since)
		return 0;
	return kdump_number(&header->form, bytes + field_at(&header->form, field),
			    header->form.is_32 ? fields[field].size_32 : fields[field].size_64);
}

static int fail_field(const struct loading *load, enum kdump_field field, const char *expected)
{
	uint64_t block = UINT64_C(1) << load->header->block_lg2;
	uint64_t at = field_at(&load->header->form, field);

	return source_fail_at(load->err, -PGW_EOVERFLOW, field >= KS_SPLIT ? block + at : at,
			      field_get(load, field), expected);
}

/* A power of two within bounds; 0 if not. */
static unsigned block_lg2(uint64_t size)
{
	for (unsigned lg2 = KDUMP_MIN_BLOCK_LG2; lg2 <= KDUMP_MAX_BLOCK_LG2; lg2++) {
		if (size == BIT(lg2))
			return lg2;
	}
	return 0;
}

/*
 * Nothing says whether longs have 4 or 8 bytes. What a 64-bit file has where a
 * 32-bit one has its block size and sub_hdr_size are the microseconds of a
 * time, which never come to both.
 */
static bool is_32(struct loading *load)
{
	load->header->form.is_32 = true;
	return block_lg2(field_get(load, KH_BLOCK_SIZE)) && field_get(load, KH_SUB_HDR_SIZE) &&
	       field_get(load, KH_BITMAP_BLOCKS);
}

static int load_form(struct loading *load)
{
	struct kdump_header *header = load->header;
	struct kdump_form *form = &header->form;
	const uint8_t *at = load->bytes + VERSION_AT;

	header->version = (uint32_t)kdump_number(form, at, 4);
	if (!header->version || header->version > MAX_VERSION) {
		form->is_big_endian = true;
		header->version = (uint32_t)kdump_number(form, at, 4);
	}
	if (!header->version || header->version > MAX_VERSION)
		return source_fail_at(load->err, -PGW_EOPNOTSUPP, VERSION_AT, load_le32(at),
				      "a kdump header of version 1 to 6");
	form->is_32 = is_32(load);
	header->block_lg2 = block_lg2(field_get(load, KH_BLOCK_SIZE));
	if (!header->block_lg2)
		return fail_field(load, KH_BLOCK_SIZE, "blocks of 4 KiB to 64 KiB, a power of two");
	header->status = (uint32_t)field_get(load, KH_STATUS);
	memcpy(header->machine, load->bytes + MACHINE_AT, MACHINE_SIZE);
	return 0;
}

static bool is_inside(const struct source_map *map, uint64_t offset, uint64_t size)
{
	return offset <= map->size && size <= map->size - offset;
}

/* In files of 32-bit machines other than x86 a number of padding comes first: see where texts lie. */
static bool is_padded(const struct loading *load)
{
	const enum kdump_field places[] = { KS_VMCOREINFO, KS_NOTE };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(places); i++) {
		uint64_t offset = field_get(load, places[i]);
		uint64_t size = field_get(load, places[i] + 1);

		if ((size || offset) &&
		    (offset < BIT(load->header->block_lg2) || !is_inside(load->map, offset, size)))
			return true;
	}
	return false;
}

static int load_sub_header(struct loading *load)
{
	struct kdump_form *form = &load->header->form;
	uint64_t block = BIT(load->header->block_lg2);

	if (!field_get(load, KH_SUB_HDR_SIZE))
		return fail_field(load, KH_SUB_HDR_SIZE, "a sub-header of a block or more");
	if (!source_map_read(load->map, block, load->sub, sizeof(load->sub)))
		return source_fail_at(load->err, -PGW_EOVERFLOW, block, load->map->size,
				      "a sub-header inside the file, which may have been cut");
	if (form->is_32 && is_padded(load)) {
		form->is_padded = true;
		form->is_padded = !is_padded(load);
	}
	return 0;
}

/* Where both bitmaps are. Nothing overflows: there are at most 2^33 blocks of 64 KiB before any. */
static int load_bitmaps(struct loading *load)
{
	struct kdump_header *header = load->header;
	uint64_t block = BIT(header->block_lg2);
	uint64_t nr_blocks = field_get(load, KH_BITMAP_BLOCKS), nr_needed;
	bool is_64 = field_get(load, KS_MAX_MAPNR_64);

	header->nr_pages = field_get(load, is_64 ? KS_MAX_MAPNR_64 : KH_MAX_MAPNR);
	if (!header->nr_pages || header->nr_pages > KDUMP_MAX_PAGES)
		return fail_field(load, is_64 ? KS_MAX_MAPNR_64 : KH_MAX_MAPNR,
				  "a number of pages from 1 to 2^36");
	header->map_size = (header->nr_pages + 7) / 8;
	nr_needed = (header->map_size + block - 1) / block;
	if (nr_blocks < nr_needed)
		return fail_field(load, KH_BITMAP_BLOCKS, "a bitmap with a bit for each page");
	header->machine_map = (1 + field_get(load, KH_SUB_HDR_SIZE)) * block;
	header->descriptors = header->machine_map + nr_blocks * block;
	header->dump_map = header->machine_map;
	if (nr_blocks >= 2 * nr_needed)
		header->dump_map += nr_blocks * block / 2;
	/* Bitmaps are written whole: a flattened file cannot claim them with nothing in it. */
	if (!is_inside(load->map, header->dump_map, header->map_size) ||
	    header->map_size > load->map->mapped)
		return source_fail_at(load->err, -PGW_EOVERFLOW, header->dump_map, load->map->size,
				      "a bitmap inside the file, which may have been cut");
	return 0;
}

static int load_split(struct loading *load)
{
	struct kdump_header *header = load->header;
	bool is_64 = header->version >= 6;
	enum kdump_field end = is_64 ? KS_END_PFN_64 : KS_END_PFN;

	header->is_split = field_get(load, KS_SPLIT);
	header->end_page = header->nr_pages;
	if (!header->is_split)
		return 0;
	header->first_page = field_get(load, is_64 ? KS_START_PFN_64 : KS_START_PFN);
	header->end_page = field_get(load, end);
	if (header->end_page > header->nr_pages || header->first_page > header->end_page)
		return fail_field(load, end, "the end of a part, behind its start, in the dump");
	return 0;
}

static int load_place(const struct loading *load, enum kdump_field field, uint64_t max,
		      struct source_notes *ret)
{
	uint64_t offset = field_get(load, field), size = field_get(load, field + 1);

	if (!size)
		return 0;
	if (offset < BIT(load->header->block_lg2))
		return fail_field(load, field, "a place behind the header");
	if (size > max)
		return fail_field(load, field + 1, "at most 64 MiB");
	*ret = (struct source_notes){ offset, size };
	return 0;
}

int kdump_header_load(const struct source_map *map, struct kdump_header *ret, struct pgw_error *err)
{
	struct loading load = { .map = map, .header = ret, .err = err };
	int status;

	*ret = (struct kdump_header){ .version = 0 };
	if (!source_map_read(map, 0, load.bytes, sizeof(load.bytes)))
		return source_fail_at(err, -PGW_EOVERFLOW, 0, map->size,
				      "a kdump header of 464 bytes");
	status = load_form(&load);
	if (!status)
		status = load_sub_header(&load);
	if (!status)
		status = load_bitmaps(&load);
	if (!status)
		status = load_split(&load);
	if (!status)
		status = load_place(&load, KS_VMCOREINFO, SOURCE_MAX_NOTE_BYTES, &ret->vmcoreinfo);
	if (!status)
		status = load_place(&load, KS_NOTE, SOURCE_MAX_NOTE_BYTES, &ret->notes);
	if (!status)
		status = load_place(&load, KS_ERASEINFO, SOURCE_MAX_NOTE_BYTES, &ret->erase_info);
	return status;
}
