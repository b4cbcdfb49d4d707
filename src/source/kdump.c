/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/flat.h"
#include "source/page_cache.h"

/* How many descriptors at the end are looked at, to see whether the file was cut. */
#define TAIL_PAGES (UINT64_C(1) << 18)

#define NT_PRSTATUS 1

static bool kdump_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[8];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       memcmp(magic, KDUMP_MAGIC, sizeof(magic)) == 0;
}

static int kdump_load_page(void *ctx, uint64_t page, void *buf)
{
	const struct kdump *kdump = ctx;
	const struct kdump_part *part = kdump_part_find(kdump, page);
	struct kdump_descriptor descriptor;
	uint64_t rank;

	if (!part || kdump_pages_find(&kdump->pages, page, &rank) ||
	    !kdump_descriptor_read(kdump, part, rank - part->first_rank, &descriptor) ||
	    !kdump_descriptor_is_sound(kdump, part, &descriptor))
		return -PGW_EIO;
	return kdump_unpack(kdump, part, &descriptor, buf);
}

static int kdump_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	const struct kdump *kdump = source->state;
	int status = page_cache_read(kdump->cache, pa, buf, len);

	return status && status != -PGW_ENOMEM ? -PGW_EIO : status;
}

/* Parts of pages, where these are large, are wanted one after the other. */
static int kdump_look_at(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	const struct kdump *kdump = source->state;
	unsigned lg2 = kdump->header.block_lg2;
	int status;

	if ((pa | len) & (BIT(lg2) - 1)) {
		status = page_cache_look(kdump->cache, pa, buf, len);
		return status && status != -PGW_ENOMEM ? -PGW_EIO : status;
	}
	return kdump_look(kdump, pa >> lg2, len >> lg2, buf);
}

static bool kdump_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			     struct pgw_pa_range *ret)
{
	static const enum kdump_which which[] = {
		[SOURCE_HELD] = KDUMP_SOUGHT,
		[SOURCE_READABLE] = KDUMP_HELD,
		[SOURCE_DESCRIBED] = KDUMP_DESCRIBED,
	};
	struct kdump *kdump = source->state;
	unsigned lg2 = kdump->header.block_lg2;

	if (extent == SOURCE_HELD)
		kdump_zeroes_find(kdump);
	if (!kdump_pages_next(&kdump->pages, which[extent], pa >> lg2, ret))
		return false;
	ret->first <<= lg2;
	ret->last = (ret->last << lg2) + (BIT(lg2) - 1);
	return true;
}

/* What is missing of a dump: found out page by page, by those who know that something is. */
struct losing {
	const struct kdump *kdump;
	uint64_t rank; /* of the next page */
	uint64_t end;  /* of all bytes that descriptors tell of */
	struct kdump_block block;
};

static bool lose_page(void *arg, uint64_t page)
{
	struct losing *losing = arg;
	const struct kdump_part *part = kdump_part_find(losing->kdump, page);
	uint64_t rank = losing->rank++, end;
	struct kdump_descriptor descriptor;

	if (!part || !kdump_block_read(&losing->block, losing->kdump, part, rank - part->first_rank,
				       &descriptor))
		return true;
	if (!add_overflows(descriptor.offset, descriptor.size, &end) && end > losing->end)
		losing->end = end;
	return !kdump_descriptor_is_sound(losing->kdump, part, &descriptor);
}

/*
 * Was the file cut, or not written to its end? Bytes of pages come in the order
 * of descriptors, but all pages of zeroes may share the first: the last ones tell.
 */
static bool part_is_cut(struct losing *losing, const struct kdump_part *part, uint64_t nr)
{
	const struct kdump *kdump = losing->kdump;
	struct kdump_block *block = &losing->block;
	struct kdump_descriptor last, descriptor;

	if ((part->status & KDUMP_INCOMPLETE) || (part->map->flat && part->map->flat->is_cut))
		return true;
	if (!nr)
		return false;
	if (!kdump_block_read(block, kdump, part, nr - 1, &last) ||
	    !kdump_descriptor_is_sound(kdump, part, &last))
		return true;
	for (uint64_t i = 2; i <= nr && i <= TAIL_PAGES; i++) {
		if (!kdump_block_read(block, kdump, part, nr - i, &descriptor) ||
		    !kdump_descriptor_is_sound(kdump, part, &descriptor))
			return true;
		if (descriptor.offset != last.offset)
			break;
	}
	return false;
}

/* losing->end is raised to the descriptors' end. */
static int part_prepare(struct source *source, struct losing *losing, struct kdump_part *part,
			bool *is_cut)
{
	const struct kdump_pages *pages = &losing->kdump->pages;
	uint64_t end_rank, end;
	int status;

	part->map = &source->files[part->file];
	status = kdump_pages_rank(pages, part->first_page, &part->first_rank);
	if (!status)
		status = kdump_pages_rank(pages, part->end_page, &end_rank);
	if (status)
		return status;
	end = part->descriptors + (end_rank - part->first_rank) * KDUMP_DESCRIPTOR_SIZE;
	if (losing->end < end)
		losing->end = end;
	*is_cut |= part_is_cut(losing, part, end_rank - part->first_rank);
	return 0;
}

/* Pages of a part that is missing, and what files have lost. */
static int kdump_find_lost(struct source *source, struct kdump *kdump)
{
	struct losing *losing = calloc(1, sizeof(*losing));
	bool is_cut = false;
	int status = losing ? 0 : -PGW_ENOMEM;

	if (losing)
		losing->kdump = kdump;
	for (size_t i = 0; i < kdump->parts.nr && !status; i++)
		status = part_prepare(source, losing, &kdump->parts.list[i], &is_cut);
	source->info.truncated |= is_cut;
	if (!status && (is_cut || source->info.lacks_part)) {
		status = kdump_pages_mark(&kdump->pages, &kdump->pages.lost, lose_page, losing);
		/* Of several files, which was cut is not what this can say. */
		if (is_cut && kdump->parts.nr == 1)
			source->info.said_size = losing->end;
	}
	free(losing);
	return status;
}

/* Which machines write this, by utsname. QEMU says "Unknown" of most. */
static unsigned machine_by_name(const char *name)
{
	static const struct {
		const char *name;
		uint16_t machine;
	} names[] = {
		{ "x86_64", 62 },  { "aarch64", 183 }, { "riscv64", 243 }, { "s390x", 22 },
		{ "i386", 3 },     { "i486", 3 },      { "i586", 3 },      { "i686", 3 },
		{ "ppc64", 21 },   { "ppc64le", 21 },  { "ppc", 20 },      { "armv7l", 40 },
		{ "arm", 40 },     { "mips64", 8 },    { "mips", 8 },      { "loongarch64", 258 },
		{ "sparc64", 43 },
	};

	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		if (strcmp(names[i].name, name) == 0)
			return names[i].machine;
	}
	return 0;
}

struct finding {
	const struct kdump_form *form;
	unsigned machine;
};

/* By the size of what Linux writes of each CPU (struct elf_prstatus), which has its registers. */
static int find_machine(const struct source_note *note, void *arg)
{
	static const struct {
		uint16_t size;
		bool is_32, is_big_endian;
		uint16_t machine;
	} sizes[] = {
		{ 336, false, false, 62 }, { 392, false, false, 183 }, { 376, false, false, 243 },
		{ 336, false, true, 22 },  { 144, true, false, 3 },    { 148, true, false, 40 },
		{ 504, false, false, 21 }, { 504, false, true, 21 },
	};
	struct finding *finding = arg;

	if (strcmp(note->name, "CORE") != 0 || note->type != NT_PRSTATUS || finding->machine)
		return 0;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(sizes); i++) {
		if (sizes[i].size == note->desc_size && sizes[i].is_32 == finding->form->is_32 &&
		    sizes[i].is_big_endian == finding->form->is_big_endian)
			finding->machine = sizes[i].machine;
	}
	return 0;
}

/* The part of a stretch that the file has. */
static void clip(struct source *source, struct source_notes *place)
{
	uint64_t size = source->files[0].size;
	uint64_t left = place->offset < size ? size - place->offset : 0;

	if (place->size <= left)
		return;
	place->size = left;
	source->info.truncated = true;
}

static int kdump_load_notes(struct source *source, struct kdump *kdump, struct pgw_error *err)
{
	struct kdump_header *header = &kdump->header;
	struct finding finding = { &header->form, machine_by_name(header->machine) };
	int status = 0;

	clip(source, &header->notes);
	clip(source, &header->vmcoreinfo);
	clip(source, &header->erase_info);
	source->vmcoreinfo = header->vmcoreinfo;
	source->info.erase_info_bytes = header->erase_info.size;
	if (header->notes.size) {
		if (source_array_grow((void **)&source->notes, 0, sizeof(*source->notes)))
			return source_fail(err, -PGW_ENOMEM, NULL);
		source->notes[source->nr_notes++] = header->notes;
		status = source_notes_parse(source, &header->notes, find_machine, &finding,
					    &source->info.truncated, err);
	}
	source->has_machine = finding.machine;
	source->info.elf_machine = finding.machine;
	source->info.machine = source_machine_name(finding.machine);
	return status;
}

/* Pages whose flags say what the header does not are unreadable, and said to be so. */
static int check_packings(const struct kdump *kdump, struct pgw_error *err)
{
	int status = 0;

	for (uint32_t flag = 1; flag <= KDUMP_ZSTD && !status; flag <<= 1) {
		enum packing packing = kdump_packing(kdump->header.status & flag);

		if (packing != _PACKING_MAX)
			status = packing_check(packing, err);
	}
	return status;
}

static int kdump_count(struct source *source, struct kdump *kdump)
{
	unsigned lg2 = kdump->header.block_lg2;
	struct pgw_image_info *info = &source->info;
	struct kdump_counts counts;
	int status = kdump_pages_count(&kdump->pages, &counts);

	if (status)
		return status;
	info->nr_segments = counts.nr_described_runs;
	info->nr_ranges = counts.nr_held_runs;
	info->readable_bytes = counts.nr_held << lg2;
	info->unreadable_bytes = (counts.nr_described - counts.nr_held) << lg2;
	info->excluded_bytes = counts.nr_excluded << lg2;
	return 0;
}

static int kdump_load_pages(struct source *source, struct kdump *kdump, struct pgw_error *err)
{
	const struct kdump_header *header = &kdump->header;
	size_t block = (size_t)1 << header->block_lg2;
	int status;

	kdump->unpacker = unpacker_new();
	kdump->cache = page_cache_new(block, PAGE_CACHE_BYTES, kdump_load_page, kdump);
	if (!kdump->unpacker || !kdump->cache)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = kdump_pages_init(&kdump->pages, &source->files[0], header);
	if (!status)
		status = kdump_find_lost(source, kdump);
	if (!status)
		status = kdump_count(source, kdump);
	return status ? source_fail(err, status, NULL) : 0;
}

static int kdump_open(struct source *source, const struct pgw_image_options *options,
		      struct pgw_error *err)
{
	struct kdump *kdump = source->state = calloc(1, sizeof(*kdump));
	int status;

	if (!kdump)
		return source_fail(err, -PGW_ENOMEM, NULL);
	pthread_mutex_init(&kdump->lock, NULL);
	status = kdump_header_load(&source->files[0], &kdump->header, err);
	if (status)
		return status;
	source->has_places = source->is_packed = true;
	source->is_big_endian = kdump->header.form.is_big_endian;
	status = check_packings(kdump, err);
	if (!status)
		status = kdump_load_notes(source, kdump, err);
	if (!status)
		status = kdump_parts_collect(source, options, &kdump->header, &kdump->parts, err);
	return status ? status : kdump_load_pages(source, kdump, err);
}

static void kdump_close(struct source *source)
{
	struct kdump *kdump = source->state;

	if (!kdump)
		return;
	page_cache_free(kdump->cache);
	unpacker_free(kdump->unpacker);
	kdump_pages_fini(&kdump->pages);
	kdump_parts_fini(&kdump->parts);
	pthread_mutex_destroy(&kdump->lock);
	free(kdump);
}

const struct source_ops source_kdump_ops = {
	.name = "kdump",
	.probe = kdump_probe,
	.open = kdump_open,
	.close = kdump_close,
	.read = kdump_read,
	.look = kdump_look_at,
	.next_range = kdump_next_range,
};
