/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "image/mkkdump.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SUB_SIZE 104
#define DESCRIPTOR 24

static const uint32_t flags[_PACKING_MAX] = { 1, 2, 4, 0x20 };

static uint64_t block_of(const struct mkkdump *kdump)
{
	return UINT64_C(1) << kdump->how.block_lg2;
}

void mkkdump_put(struct mkkdump *kdump, uint64_t offset, unsigned size, uint64_t value)
{
	assert(offset + size <= kdump->size);
	for (unsigned i = 0; i < size; i++, value >>= 8)
		kdump->file[offset + (kdump->how.is_big_endian ? size - 1 - i : i)] =
			(uint8_t)value;
}

static void resize(struct mkkdump *kdump, uint64_t size)
{
	kdump->file = realloc(kdump->file, size);
	assert(kdump->file);
	memset(kdump->file + kdump->size, 0, size - kdump->size);
	kdump->size = size;
}

uint64_t mkkdump_header_at(const struct mkkdump_how *how, unsigned index)
{
	return (how->is_32 ? 412 : 424) + 4 * (uint64_t)index;
}

static void put_header(struct mkkdump *kdump, unsigned index, uint64_t value)
{
	mkkdump_put(kdump, mkkdump_header_at(&kdump->how, index), 4, value);
}

/* Numbers of the sub-header, one after the other, as a compiler would lay them out. */
struct layout {
	struct mkkdump *kdump;
	uint64_t at;
};

static void put_number(struct layout *layout, unsigned size, uint64_t value)
{
	const struct mkkdump_how *how = &layout->kdump->how;
	unsigned align = how->is_32 && !how->is_padded && size > 4 ? 4 : size;

	layout->at = (layout->at + align - 1) & ~((uint64_t)align - 1);
	mkkdump_put(layout->kdump, layout->at, size, value);
	layout->at += size;
}

static void put_sub_header(struct mkkdump *kdump, uint64_t notes_size)
{
	const struct mkkdump_how *how = &kdump->how;
	struct layout layout = { kdump, block_of(kdump) };
	unsigned size = how->is_32 ? 4 : 8;
	uint64_t text_size = how->text ? strlen(how->text) : 0;
	uint64_t notes = block_of(kdump) + SUB_SIZE;

	put_number(&layout, size, 0x1000000); /* phys_base */
	put_number(&layout, 4, 31);           /* dump_level */
	put_number(&layout, 4, how->is_split);
	put_number(&layout, size, how->first_page);
	put_number(&layout, size, how->end_page);
	if (how->version < 3)
		return;
	put_number(&layout, 8, text_size ? notes + notes_size : 0);
	put_number(&layout, size, text_size);
	if (how->version < 4)
		return;
	put_number(&layout, 8, notes_size ? notes : 0);
	put_number(&layout, size, notes_size);
	if (how->version < 5)
		return;
	put_number(&layout, 8, 0);
	put_number(&layout, size, 0);
	if (how->version < 6)
		return;
	put_number(&layout, 8, how->first_page);
	put_number(&layout, 8, how->end_page);
	put_number(&layout, 8, kdump->nr_pages);
}

static const uint8_t *page_of(const struct mkkdump *kdump, const struct mkelf *elf, uint64_t page)
{
	uint64_t pa = page << kdump->how.block_lg2;

	for (size_t i = 0; i < elf->nr_segments; i++) {
		const struct mkelf_segment *segment = &elf->segments[i];

		if (pa >= segment->pa && pa - segment->pa < segment->file_size)
			return (const uint8_t *)segment->bytes + (pa - segment->pa);
	}
	return NULL;
}

static void set_bit(struct mkkdump *kdump, uint64_t map, uint64_t page)
{
	kdump->file[map + page / 8] |= (uint8_t)(1u << page % 8);
}

/* @return is it in the dump? */
static bool put_bits(struct mkkdump *kdump, uint64_t half, uint64_t page)
{
	const struct mkkdump_how *how = &kdump->how;
	bool is_in = !how->is_excluded || !how->is_excluded(page);

	if (!how->has_one_bitmap || is_in)
		set_bit(kdump, kdump->map, page);
	if (!how->has_one_bitmap && is_in)
		set_bit(kdump, kdump->map + half, page);
	return is_in && (!how->is_split || (page >= how->first_page && page < how->end_page));
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	return !bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* The first bytes behind the descriptors are a page of zeroes, which all such pages share. */
static void put_page(struct mkkdump *kdump, uint64_t index, const uint8_t *bytes)
{
	static uint8_t packed[PACK_MAX];
	uint64_t block = block_of(kdump), at = kdump->descriptors + index * DESCRIPTOR;
	uint64_t offset = kdump->size, size = block;
	size_t n = kdump->how.is_packed ? pack(kdump->how.packing, bytes, block, packed) : 0;
	bool is_packed = n && n < block;

	if (is_zero(bytes, block)) {
		offset = kdump->data;
		is_packed = false;
	} else {
		size = is_packed ? n : block;
		resize(kdump, offset + size);
		memcpy(kdump->file + offset, is_packed ? packed : bytes, size);
	}
	mkkdump_put(kdump, at, 8, offset);
	mkkdump_put(kdump, at + 8, 4, size);
	mkkdump_put(kdump, at + 12, 4, is_packed ? flags[kdump->how.packing] : 0);
}

static void put_pages(struct mkkdump *kdump, const struct mkelf *elf, uint64_t half)
{
	uint64_t nr = 0, index = 0;

	for (uint64_t page = 0; page < kdump->nr_pages; page++)
		nr += page_of(kdump, elf, page) && put_bits(kdump, half, page);
	kdump->data = kdump->descriptors + nr * DESCRIPTOR;
	resize(kdump, kdump->data + block_of(kdump));
	for (uint64_t page = 0; page < kdump->nr_pages; page++) {
		const uint8_t *bytes = page_of(kdump, elf, page);

		if (bytes && put_bits(kdump, half, page))
			put_page(kdump, index++, bytes);
	}
}

static void put_texts(struct mkkdump *kdump, const struct mkelf *elf, uint64_t notes_size)
{
	uint8_t *at = kdump->file + block_of(kdump) + SUB_SIZE;

	if (notes_size)
		memcpy(at, elf->notes, notes_size);
	if (kdump->how.text)
		memcpy(at + notes_size, kdump->how.text, strlen(kdump->how.text));
}

void mkkdump_build(struct mkkdump *kdump, const struct mkelf *elf, const struct mkkdump_how *how)
{
	uint64_t block, map_blocks, sub_blocks;
	uint64_t notes_size = how->version < 4 || how->is_big_endian ? 0 : elf->notes_size;

	*kdump = (struct mkkdump){ .how = *how };
	kdump->how.block_lg2 = how->block_lg2 ? how->block_lg2 : 12;
	block = block_of(kdump);
	for (size_t i = 0; i < elf->nr_segments; i++) {
		uint64_t end = (elf->segments[i].pa + elf->segments[i].file_size) / block;

		kdump->nr_pages = end > kdump->nr_pages ? end : kdump->nr_pages;
	}
	sub_blocks =
		(SUB_SIZE + notes_size + (how->text ? strlen(how->text) : 0) + block - 1) / block;
	map_blocks = ((kdump->nr_pages + 7) / 8 + block - 1) / block;
	kdump->map = (1 + sub_blocks) * block;
	kdump->descriptors = kdump->map + (how->has_one_bitmap ? 1 : 2) * map_blocks * block;
	resize(kdump, kdump->descriptors);
	memcpy(kdump->file, "KDUMP   ", 8);
	mkkdump_put(kdump, 8, 4, how->version);
	strcpy((char *)kdump->file + 12 + 4 * 65, how->machine ? how->machine : "x86_64");
	put_header(kdump, 0, how->is_packed ? flags[how->packing] : 0);
	put_header(kdump, 1, block);
	put_header(kdump, 2, sub_blocks);
	put_header(kdump, 3, (how->has_one_bitmap ? 1 : 2) * map_blocks);
	put_header(kdump, 4, kdump->nr_pages);
	put_sub_header(kdump, notes_size);
	put_texts(kdump, elf, notes_size);
	put_pages(kdump, elf, map_blocks * block);
}

/* Records of a flattened file that is made. */
struct flattening {
	const struct mkkdump *from;
	struct mkkdump to;
	uint32_t random;
};

static uint32_t next_random(struct flattening *flattening)
{
	flattening->random = flattening->random * 1664525 + 1013904223;
	return flattening->random >> 8;
}

static void put_record(struct flattening *flattening, uint64_t offset, uint64_t size, bool is_right)
{
	struct mkkdump *to = &flattening->to;
	uint64_t at = to->size;

	resize(to, at + 16 + size);
	mkkdump_put(to, at, 8, offset);
	mkkdump_put(to, at + 8, 8, size);
	if (is_right)
		memcpy(to->file + at + 16, flattening->from->file + offset, size);
	else
		memset(to->file + at + 16, 0xcc, size);
}

/*
 * The middle first, then what is below, then what is above; zeroes may be left out if nothing
 * else was written there.
 */
static void put_records(struct flattening *flattening, uint64_t offset, uint64_t size,
			bool is_clean)
{
	uint64_t n = 1 + next_random(flattening) % 3000, before;

	if (!size || (is_clean && size < 256 && is_zero(flattening->from->file + offset, size)))
		return;
	n = n < size ? n : size;
	before = next_random(flattening) % (size - n + 1);
	if (next_random(flattening) % 4 == 0) {
		put_record(flattening, offset + before / 2, n, false);
		is_clean = false;
	}
	put_records(flattening, offset, before, is_clean);
	put_record(flattening, offset + before, n, true);
	put_records(flattening, offset + before + n, size - before - n, is_clean);
}

void mkkdump_flatten(struct mkkdump *kdump, uint32_t random)
{
	struct flattening flattening = {
		.from = kdump,
		.to = { .how.is_big_endian = true },
		.random = random,
	};

	resize(&flattening.to, 4096);
	strcpy((char *)flattening.to.file, "makedumpfile");
	mkkdump_put(&flattening.to, 16, 8, 1);
	mkkdump_put(&flattening.to, 24, 8, 1);
	put_records(&flattening, 0, kdump->size, true);
	/* So that the whole has the same size. */
	put_record(&flattening, kdump->size - 1, 1, true);
	resize(&flattening.to, flattening.to.size + 16);
	memset(flattening.to.file + flattening.to.size - 16, 0xff, 16);
	free(kdump->file);
	kdump->file = flattening.to.file;
	kdump->size = flattening.to.size;
}

const char *mkkdump_save(struct mkkdump *kdump)
{
	size_t done = 0;

	if (!*kdump->path) {
		kdump->fd = memfd_create("kdump", MFD_CLOEXEC);
		assert(kdump->fd >= 0);
		snprintf(kdump->path, sizeof(kdump->path), "/proc/self/fd/%d", kdump->fd);
	}
	if (ftruncate(kdump->fd, 0))
		abort();
	while (done < kdump->size) {
		ssize_t n = pwrite(kdump->fd, kdump->file + done, kdump->size - done, (off_t)done);

		assert(n > 0);
		done += (size_t)n;
	}
	return kdump->path;
}

void mkkdump_fini(struct mkkdump *kdump)
{
	if (*kdump->path)
		close(kdump->fd);
	free(kdump->file);
	*kdump = (struct mkkdump){ .size = 0 };
}
