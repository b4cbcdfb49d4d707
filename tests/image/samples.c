/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/samples.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "image/mkqemu.h"
#include "image/mkxen.h"

#define LIME_HEADER 32

static void mark(struct sample_file *file, uint64_t offset)
{
	assert(file->nr_marks < SAMPLE_MARKS);
	file->marks[file->nr_marks++] = offset;
}

static bool make_elf(struct sample_file *file, const struct mkelf *elf)
{
	struct mkelf copy = *elf;

	copy.file = NULL;
	mkelf_build(&copy);
	file->bytes = (struct mkkdump){ .file = copy.file, .size = copy.size };
	for (size_t i = 0; i <= elf->nr_segments && i < 8; i++)
		mark(file, mkelf_ph(i));
	mark(file, mkelf_notes_offset(&copy));
	return true;
}

static bool make_flat_elf(struct sample_file *file, const struct mkelf *elf)
{
	make_elf(file, elf);
	mkkdump_flatten(&file->bytes, 2);
	file->nr_marks = 0;
	return true;
}

static bool make_packed(struct sample_file *file, const struct mkelf *elf, enum packing packing)
{
	const struct mkkdump_how how = { .version = 6, .is_packed = true, .packing = packing };

	if (!packing_is_there(packing))
		return false;
	mkkdump_build(&file->bytes, elf, &how);
	mark(file, mkkdump_header_at(&how, 0));
	mark(file, 4096);
	mark(file, 4096 + 104);
	mark(file, file->bytes.map);
	mark(file, (file->bytes.map + file->bytes.descriptors) / 2);
	mark(file, file->bytes.descriptors);
	mark(file, file->bytes.descriptors + 24);
	mark(file, file->bytes.data);
	mark(file, file->bytes.data + 4096);
	return true;
}

static bool make_zlib(struct sample_file *file, const struct mkelf *elf)
{
	return make_packed(file, elf, PACKING_ZLIB);
}

static bool make_lzo(struct sample_file *file, const struct mkelf *elf)
{
	return make_packed(file, elf, PACKING_LZO);
}

static bool make_snappy(struct sample_file *file, const struct mkelf *elf)
{
	return make_packed(file, elf, PACKING_SNAPPY);
}

static bool make_zstd(struct sample_file *file, const struct mkelf *elf)
{
	return make_packed(file, elf, PACKING_ZSTD);
}

static bool make_kdump(struct sample_file *file, const struct mkelf *elf)
{
	const struct mkkdump_how how = { .version = 6 };

	mkkdump_build(&file->bytes, elf, &how);
	mark(file, file->bytes.descriptors);
	mark(file, file->bytes.data);
	return true;
}

static bool make_flat_kdump(struct sample_file *file, const struct mkelf *elf)
{
	if (!make_zlib(file, elf))
		return false;
	mkkdump_flatten(&file->bytes, 1);
	file->nr_marks = 0;
	mark(file, 16);
	mark(file, 4096);
	mark(file, 4096 + 16);
	mark(file, file->bytes.size - 16);
	return true;
}

/* Segment by segment, the last one first. */
static bool make_lime(struct sample_file *file, const struct mkelf *elf)
{
	struct mkkdump *bytes = &file->bytes;

	for (size_t i = elf->nr_segments; i--;) {
		const struct mkelf_segment *segment = &elf->segments[i];
		uint64_t at = bytes->size;

		bytes->size += LIME_HEADER + segment->file_size;
		bytes->file = realloc(bytes->file, bytes->size);
		assert(bytes->file);
		memset(bytes->file + at, 0, LIME_HEADER);
		memcpy(bytes->file + at, "EMiL", 4);
		mkkdump_put(bytes, at + 4, 4, 1);
		mkkdump_put(bytes, at + 8, 8, segment->pa);
		mkkdump_put(bytes, at + 16, 8, segment->pa + segment->file_size - 1);
		memcpy(bytes->file + at + LIME_HEADER, segment->bytes, segment->file_size);
		if (file->nr_marks < SAMPLE_MARKS - 1) {
			mark(file, at);
			mark(file, at + LIME_HEADER);
		}
		if (file->nr_silent < SAMPLE_MARKS)
			file->silent[file->nr_silent++] = bytes->size;
	}
	return true;
}

void sample_fini(struct sample_file *file)
{
	mkkdump_fini(&file->bytes);
	*file = (struct sample_file){ .nr_marks = 0 };
}

/* The memory that is in one piece. */
static void put_pages(struct sample_file *file, struct mkqemu *stream, const struct mkelf *elf)
{
	for (size_t i = 0; i < elf->nr_segments; i++) {
		const struct mkelf_segment *segment = &elf->segments[i];

		mark(file, stream->size);
		for (uint64_t at = 0; at < segment->file_size; at += MKQEMU_PAGE)
			mkqemu_page(stream, i + at ? NULL : "pc.ram", segment->pa + at,
				    (const uint8_t *)segment->bytes + at);
	}
}

/* What comes behind the memory is not read, so nothing shows that it was cut. */
static bool make_qemu(struct sample_file *file, const struct mkelf *elf)
{
	const struct mkelf_segment *last = &elf->segments[elf->nr_segments - 1];
	const struct mkqemu_block block = { "pc.ram", last->pa + last->file_size };
	struct mkqemu stream = { 0 };

	mkqemu_begin(&stream, "pc-q35-7.2");
	mark(file, stream.size);
	mkqemu_blocks(&stream, &block, 1);
	mark(file, stream.size);
	mkqemu_part(&stream, 3);
	put_pages(file, &stream, elf);
	mark(file, stream.size);
	mkqemu_part_end(&stream);
	mark(file, stream.size);
	mkqemu_devices(&stream);
	file->bytes.file = stream.file;
	file->bytes.size = stream.size;
	return true;
}

static bool make_xen(struct sample_file *file, const struct mkelf *elf)
{
	struct mkxen xen = { .nr_cpus = 0 };
	struct mkxen_page *pages;
	size_t nr = 0;

	for (size_t i = 0; i < elf->nr_segments; i++)
		nr += elf->segments[i].file_size / 4096;
	pages = calloc(nr, sizeof(*pages));
	assert(pages);
	for (size_t i = 0; i < elf->nr_segments; i++) {
		const struct mkelf_segment *segment = &elf->segments[i];

		for (uint64_t at = 0; at < segment->file_size; at += 4096)
			pages[xen.nr_pages++] =
				(struct mkxen_page){ (segment->pa + at) / 4096, 0,
						     (const uint8_t *)segment->bytes + at };
	}
	xen.pages = pages;
	mkxen_build(&xen);
	free(pages);
	file->bytes.file = xen.file;
	file->bytes.size = xen.size;
	for (enum mkxen_section i = MKXEN_NAMES; i < _MKXEN_SECTION_MAX; i++) {
		mark(file, mkxen_header(i));
		mark(file, mkxen_offset(&xen, i));
	}
	return true;
}

const struct sample samples[] = {
	{ "ELF core", "elf-core", .make = make_elf },
	{ "flattened ELF core", "elf-core", .has_drafts = true, .make = make_flat_elf },
	{ "kdump", "kdump", .make = make_kdump },
	{ "kdump, zlib", "kdump", .make = make_zlib },
	{ "kdump, LZO", "kdump", .make = make_lzo },
	{ "kdump, snappy", "kdump", .make = make_snappy },
	{ "kdump, zstd", "kdump", .make = make_zstd },
	{ "flattened kdump, zlib", "kdump", .has_drafts = true, .make = make_flat_kdump },
	{ "LiME", "lime", .lacks_notes = true, .make = make_lime },
	{ "Xen core", "xen", .lacks_notes = true, .make = make_xen },
	{ "QEMU migration stream", "qemu-migration", .lacks_notes = true, .needs_all = true,
	  .make = make_qemu },
};

const size_t nr_samples = sizeof(samples) / sizeof(samples[0]);
