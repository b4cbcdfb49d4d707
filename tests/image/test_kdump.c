/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kdump-compressed dumps: in each layout and compression they are the image that an ELF core
 * of the same memory is; cut or hostile ones are refused by a line, or lack what they lack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/machine.h"
#include "image/mkkdump.h"
#include "image/same_image.h"
#include "source/source.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define SUB UINT64_C(0x1000) /* where the sub-header is, if blocks have 4 KiB */

static struct machine machine;
static struct pgw_image *core; /* the machine as an ELF core */

/* With two processes, one of them on a CPU, and some pages that do not pack. */
static int set_up(void **state)
{
	uint32_t random = 1;

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, 0x20000);
	machine_map(&machine, 0x20000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	machine_process(&machine, 0x21000);
	machine_map(&machine, 0x21000, 0x600000, MACHINE_USER_PAGE, PTE_P | PTE_U);
	machine_cpu(&machine, 0x21000);
	for (uint64_t pa = 0x70000; pa < 0x74000; pa++) {
		random = random * 1664525 + 1013904223;
		machine.ram[pa] = (uint8_t)(random >> 24);
	}
	core = machine_open(&machine);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	machine_fini_image(&machine, core);
	return 0;
}

/* @return what is said of a file that does not open; "" if it does */
static const char *open_said(const char *path, struct pgw_image **ret)
{
	static char text[400];
	struct pgw_error err;

	*ret = NULL;
	*text = 0;
	if (pgw_image_open(path, NULL, ret, &err))
		pgw_error_format(&err, text, sizeof(text));
	return text;
}

static void check_how(const struct mkkdump_how *how)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	struct mkkdump kdump;

	mkkdump_build(&kdump, &machine.elf, how);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "kdump");
	assert_string_equal(info->arch, "x86_64");
	assert_int_equal(info->nr_segments, 1);
	assert_int_equal(info->nr_ranges, 1);
	assert_int_equal(info->readable_bytes, RAM);
	assert_int_equal(info->unreadable_bytes, 0);
	assert_false(info->truncated);
	assert_int_equal(info->nr_cpus, how->version >= 4 && !how->is_big_endian ? 1 : 0);
	if (info->nr_cpus)
		same_image(core, image);
	pgw_image_close(image);
	mkkdump_fini(&kdump);
}

static void test_kdump__each_compression_gives_what_a_core_gives(void **state)
{
	(void)state;
	for (unsigned lg2 = 12; lg2 <= 16; lg2++) {
		check_how(&(struct mkkdump_how){ .version = 6, .block_lg2 = lg2 });
		for (enum packing packing = 0; packing < _PACKING_MAX; packing++) {
			if (packing_is_there(packing))
				check_how(&(struct mkkdump_how){ .version = 6,
								 .block_lg2 = lg2,
								 .is_packed = true,
								 .packing = packing });
		}
	}
}

/* Of versions before 4 there are no notes; where numbers are big-endian, so would be the notes. */
static void test_kdump__each_layout_gives_what_a_core_gives(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6 * 12; i++) {
		struct mkkdump_how how = {
			.version = 1 + i % 6,
			.is_32 = i / 6 % 3,
			.is_padded = i / 6 % 3 == 2,
			.is_big_endian = i / 18 % 2,
			.has_one_bitmap = i / 36,
		};

		check_how(&how);
	}
}

static int sink_write(const void *bytes, size_t size, void *arg)
{
	struct mkkdump *sink = arg;

	sink->file = realloc(sink->file, sink->size + size);
	assert_non_null(sink->file);
	memcpy(sink->file + sink->size, bytes, size);
	sink->size += size;
	return 0;
}

/* A core that is written of it has the note. */
static void check_text_of_core(const struct pgw_image *image, const char *text)
{
	struct mkkdump core_of_it = { .size = 0 };
	const struct pgw_image_writing what = { .fn = sink_write, .arg = &core_of_it };
	const struct pgw_vmcoreinfo *texts;
	struct pgw_image *written;
	size_t nr;

	assert_int_equal(pgw_image_write(image, &what), 0);
	assert_string_equal(open_said(mkkdump_save(&core_of_it), &written), "");
	assert_int_equal(pgw_image_vmcoreinfo(written, &texts, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(texts[0].source, PGW_VMCOREINFO_NOTE);
	assert_int_equal(texts[0].size, strlen(text));
	assert_memory_equal(texts[0].text, text, texts[0].size);
	pgw_image_close(written);
	mkkdump_fini(&core_of_it);
}

static void test_kdump__a_text_without_its_note_counts(void **state)
{
	const struct mkkdump_how how = { .version = 3, .text = machine_text(&machine) };
	const struct pgw_vmcoreinfo *texts;
	struct pgw_image *image;
	struct mkkdump kdump;
	size_t nr;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(texts[0].source, PGW_VMCOREINFO_NOTE);
	assert_int_equal(texts[0].size, strlen(how.text));
	assert_memory_equal(texts[0].text, how.text, texts[0].size);
	check_text_of_core(image, how.text);
	pgw_image_close(image);
	mkkdump_fini(&kdump);
}

/* QEMU calls most machines "Unknown": then it is the one whose CPUs have such notes. */
static void test_kdump__a_machine_without_a_name_is_known_by_its_notes(void **state)
{
	static const struct {
		uint16_t size;
		const char *arch;
	} rows[] = { { 336, "x86_64" }, { 392, "arm64" }, { 376, "riscv64" } };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct mkkdump_how how = { .version = 6, .machine = "Unknown" };
		static uint8_t prstatus[512];
		struct pgw_image *image;
		struct mkkdump kdump;
		struct mkelf elf;

		mkelf_init(&elf, 0);
		mkelf_note(&elf, "CORE", 1, prstatus, rows[i].size);
		mkelf_segment(&elf, 0x8000, machine.ram, 0x4000, 0x4000);
		mkkdump_build(&kdump, &elf, &how);
		assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
		assert_string_equal(pgw_image_get_info(image)->arch, rows[i].arch);
		assert_int_equal(pgw_image_get_info(image)->nr_cpus, 1);
		pgw_image_close(image);
		mkkdump_fini(&kdump);
		mkelf_fini(&elf);
	}
}

/* Without either, it is the one whose kernel proves itself, as of raw memory. */
static void test_kdump__a_machine_that_nothing_names_proves_itself(void **state)
{
	const struct mkkdump_how how = { .version = 2, .machine = "Unknown" };
	struct pgw_root_info root;
	struct pgw_image *image;
	struct mkkdump kdump;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
	assert_string_equal(pgw_image_get_info(image)->arch, "x86_64");
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	pgw_image_close(image);
	mkkdump_fini(&kdump);
}

static bool is_excluded(uint64_t page)
{
	return (page >= 0x70 && page < 0x74) || page == 0x76;
}

static void test_kdump__excluded_pages_are_described_and_counted(void **state)
{
	const struct mkkdump_how how = { .version = 6, .is_excluded = is_excluded };
	const struct pgw_image_info *info;
	const struct pgw_root_info *roots;
	struct pgw_pa_range range;
	struct pgw_image *image;
	struct mkkdump kdump;
	uint8_t byte;
	size_t nr;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
	info = pgw_image_get_info(image);
	assert_int_equal(info->readable_bytes, RAM - 5 * MACHINE_PAGE);
	assert_int_equal(info->unreadable_bytes, 5 * MACHINE_PAGE);
	assert_int_equal(info->excluded_bytes, 5 * MACHINE_PAGE);
	assert_int_equal(info->nr_ranges, 3);
	assert_int_equal(info->nr_segments, 1);
	for (uint64_t page = 0; page < MACHINE_PAGES; page++)
		assert_int_equal(
			pgw_phys_read(pgw_image_phys(image), page * MACHINE_PAGE, &byte, 1),
			is_excluded(page) ? -PGW_EIO : 0);
	assert_true(pgw_image_next_described(image, 0x72000, &range));
	assert_true(range.first <= 0x72000 && range.last == RAM - 1);
	assert_false(pgw_image_next_described(image, RAM, &range));
	assert_int_equal(pgw_image_roots(image, &roots, &nr), 0);
	assert_int_equal(nr, 3);
	pgw_image_close(image);
	mkkdump_fini(&kdump);
}

/* Memory far away, with chunks of the bitmaps that are full, empty, and neither. */
static void test_kdump__memory_has_gaps(void **state)
{
	static const struct pgw_pa_range ranges[] = {
		{ 0x5000, 0x5fff },         { 0x40000, 0x40040fff },    { 0x50001000, 0x50003fff },
		{ 0x7fff0000, 0x8000ffff }, { 0xfffff000, 0xffffffff },
	};
	const struct mkkdump_how how = { .version = 6 };
	uint8_t *zeroes = calloc(1, 0x40001000);
	const struct pgw_phys *phys;
	struct pgw_image *image;
	struct mkkdump kdump;
	struct mkelf elf;
	uint64_t pa = 0;

	(void)state;
	assert_non_null(zeroes);
	mkelf_init(&elf, 0);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(ranges); i++) {
		uint64_t size = ranges[i].last - ranges[i].first + 1;

		mkelf_segment(&elf, ranges[i].first, zeroes, size, size);
	}
	mkkdump_build(&kdump, &elf, &how);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, PGW_ARRAY_SIZE(ranges));
	phys = pgw_image_phys(image);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(ranges); i++) {
		uint64_t first, last;
		uint8_t byte;

		assert_true(phys->ops->next_range(phys, pa, &first, &last));
		assert_int_equal(first, ranges[i].first);
		assert_int_equal(last, ranges[i].last);
		assert_int_equal(pgw_phys_read(phys, first, &byte, 1), 0);
		assert_int_equal(pgw_phys_read(phys, last, &byte, 1), 0);
		assert_int_equal(pgw_phys_read(phys, last + 1, &byte, 1), -PGW_EIO);
		pa = last + 1;
	}
	pgw_image_close(image);
	mkkdump_fini(&kdump);
	mkelf_fini(&elf);
	free(zeroes);
}

/* All pages: what can be read is what the machine has. @return how many */
static uint64_t check_pages(struct pgw_image *image)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	uint64_t nr = 0;

	for (uint64_t pa = 0; pa < RAM; pa += MACHINE_PAGE) {
		const struct pgw_phys *phys = pgw_image_phys(image);
		uint8_t page[MACHINE_PAGE];
		uint64_t first, last;
		bool is_held = phys->ops->next_range(phys, pa, &first, &last) && first <= pa;

		assert_int_equal(pgw_phys_read(phys, pa, page, sizeof(page)),
				 is_held ? 0 : -PGW_EIO);
		if (!is_held)
			continue;
		assert_memory_equal(page, machine.ram + pa, sizeof(page));
		nr++;
	}
	assert_int_equal(info->readable_bytes, nr * MACHINE_PAGE);
	return nr;
}

/* Of a file that was cut anywhere, what is there is read, and that it was cut is said. */
static void test_kdump__a_cut_file_has_what_it_has(void **state)
{
	const struct mkkdump_how how = { .version = 6, .is_packed = packing_is_there(0) };
	struct mkkdump kdump;
	uint64_t size, nr_last = 0;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	size = kdump.size;
	for (kdump.size = 1; kdump.size < size; kdump.size += 61) {
		struct pgw_image *image;
		const char *said = open_said(mkkdump_save(&kdump), &image);
		uint64_t nr;

		if (kdump.size < kdump.descriptors - (SUB - RAM / MACHINE_PAGE / 8)) {
			assert_null(image);
			assert_true(kdump.size < 8 || strstr(said, "expected"));
			continue;
		}
		assert_string_equal(said, "");
		assert_true(pgw_image_get_info(image)->truncated);
		assert_true(pgw_image_get_info(image)->said_size > kdump.size);
		nr = check_pages(image);
		assert_true(nr >= nr_last && nr < MACHINE_PAGES);
		nr_last = nr;
		pgw_image_close(image);
	}
	assert_true(nr_last > MACHINE_PAGES / 2);
	kdump.size = size;
	mkkdump_fini(&kdump);
}

/* The disk was full: descriptors that were not written are zeroes. */
static void test_kdump__an_incomplete_dump_has_what_it_has(void **state)
{
	const struct mkkdump_how how = { .version = 6 };
	struct pgw_image *image;
	struct mkkdump kdump;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	mkkdump_put(&kdump, mkkdump_header_at(&how, 0), 4, 8);
	for (uint64_t page = 40; page < MACHINE_PAGES; page++)
		mkkdump_put(&kdump, kdump.descriptors + 24 * page, 8, 0);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
	assert_true(pgw_image_get_info(image)->truncated);
	assert_int_equal(pgw_image_get_info(image)->excluded_bytes, 0);
	assert_int_equal(check_pages(image), 40);
	pgw_image_close(image);
	mkkdump_fini(&kdump);
}

static void test_kdump__a_library_that_is_missing_is_named(void **state)
{
	(void)state;
	for (enum packing packing = 0; packing < _PACKING_MAX; packing++) {
		const struct mkkdump_how how = { .version = 6,
						 .is_packed = true,
						 .packing = packing };
		struct pgw_image *image;
		struct mkkdump kdump;
		const char *said;

		mkkdump_build(&kdump, &machine.elf, &how);
		said = open_said(mkkdump_save(&kdump), &image);
		if (packing_is_there(packing))
			assert_string_equal(said, "");
		else
			assert_non_null(strstr(said, "a build with"));
		pgw_image_close(image);
		mkkdump_fini(&kdump);
	}
}

#define NR_PARTS 3

/* The last part is the smallest; all that is in it are the last pages. */
static void make_parts(struct mkkdump *parts, unsigned version)
{
	static const uint64_t ends[NR_PARTS + 1] = { 0, 0x13, 0x70, MACHINE_PAGES };

	for (unsigned i = 0; i < NR_PARTS; i++) {
		const struct mkkdump_how how = {
			.version = version,
			.is_packed = packing_is_there(0),
			.is_excluded = is_excluded,
			.is_split = true,
			.first_page = ends[i],
			.end_page = ends[i + 1],
		};

		mkkdump_build(&parts[i], &machine.elf, &how);
	}
}

static void test_split__parts_make_a_whole(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * NR_PARTS; i++) {
		struct mkkdump parts[NR_PARTS];
		const char *paths[NR_PARTS];
		const struct pgw_image_options opts = { .parts = paths, .nr_parts = NR_PARTS };
		struct pgw_image *image;

		make_parts(parts, i < NR_PARTS ? 2 : 6);
		for (unsigned j = 0; j < NR_PARTS; j++)
			paths[NR_PARTS - 1 - j] = mkkdump_save(&parts[j]);
		assert_int_equal(pgw_image_open(paths[i % NR_PARTS], &opts, &image, NULL), 0);
		assert_int_equal(pgw_image_get_info(image)->nr_parts, NR_PARTS);
		assert_false(pgw_image_get_info(image)->lacks_part);
		assert_false(pgw_image_get_info(image)->truncated);
		assert_int_equal(check_pages(image), MACHINE_PAGES - 5);
		pgw_image_close(image);
		for (unsigned j = 0; j < NR_PARTS; j++)
			mkkdump_fini(&parts[j]);
	}
}

/* makedumpfile makes them, too, if there is little memory; they may begin where others do. */
static void test_split__a_part_may_be_empty(void **state)
{
	static const struct pgw_pa_range ranges[NR_PARTS] = { { MACHINE_PAGES, MACHINE_PAGES },
							      { 0, MACHINE_PAGES },
							      { 0, 0 } };
	struct mkkdump parts[NR_PARTS];
	const char *paths[NR_PARTS];
	const struct pgw_image_options opts = { .parts = paths, .nr_parts = NR_PARTS };

	(void)state;
	for (unsigned i = 0; i < NR_PARTS; i++) {
		const struct mkkdump_how how = {
			.version = 6,
			.is_split = true,
			.first_page = ranges[i].first,
			.end_page = ranges[i].last,
		};

		mkkdump_build(&parts[i], &machine.elf, &how);
		paths[i] = mkkdump_save(&parts[i]);
	}
	for (unsigned i = 0; i < NR_PARTS; i++) {
		struct pgw_image *image;

		assert_int_equal(pgw_image_open(paths[i], &opts, &image, NULL), 0);
		assert_false(pgw_image_get_info(image)->lacks_part);
		assert_false(pgw_image_get_info(image)->truncated);
		assert_int_equal(check_pages(image), MACHINE_PAGES);
		pgw_image_close(image);
	}
	for (unsigned i = 0; i < NR_PARTS; i++)
		mkkdump_fini(&parts[i]);
}

static const char *path_in(const char *folder, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* Files with names; what is not there has none. */
static void write_parts(const struct mkkdump *parts, const char *folder, const char *const *names)
{
	for (unsigned i = 0; i < NR_PARTS; i++) {
		FILE *file = names[i] ? fopen(path_in(folder, names[i]), "wb") : NULL;

		if (!names[i])
			continue;
		assert_non_null(file);
		assert_int_equal(fwrite(parts[i].file, 1, parts[i].size, file), parts[i].size);
		assert_int_equal(fclose(file), 0);
	}
}

struct named {
	const char *names[NR_PARTS];
	const char *missing; /* NULL: none; "": without a name */
	uint64_t first, last;
};

static const struct named named[] = {
	{ { "vmcore.1", "vmcore.2", "vmcore.3" }, NULL, 0, 0 },
	{ { "vmcore_0", "vmcore_1", "vmcore_2" }, NULL, 0, 0 },
	{ { "d08.kdump", "d09.kdump", "d10.kdump" }, NULL, 0, 0 },
	{ { "4-9", "4-10", "4-11" }, NULL, 0, 0 },
	{ { "vmcore.1", NULL, "vmcore.3" }, "vmcore.2", 0x13000, 0x6ffff },
	{ { NULL, "d09.kdump", "d10.kdump" }, "d08.kdump", 0, 0x12fff },
	{ { "a2", "a3", NULL }, "a4", 0x70000, 0x7ffff },
	{ { NULL, "x0", "x1" }, "", 0, 0x12fff },
	{ { "x", NULL, NULL }, "", 0x13000, 0x7ffff },
};

/* @param path of one of them */
static void check_named(const struct named *row, const char *folder, const char *path)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;

	assert_string_equal(open_said(path, &image), "");
	info = pgw_image_get_info(image);
	assert_int_equal(info->nr_parts, !!row->names[0] + !!row->names[1] + !!row->names[2]);
	assert_int_equal(info->lacks_part, row->missing != NULL);
	assert_int_equal(info->missing_part != NULL, row->missing && *row->missing);
	if (info->missing_part)
		assert_string_equal(info->missing_part, path_in(folder, row->missing));
	assert_int_equal(info->missing_part_first, row->first);
	assert_int_equal(info->missing_part_last, row->last);
	check_pages(image);
	pgw_image_close(image);
}

static void test_split__parts_are_found_by_their_names(void **state)
{
	struct mkkdump parts[NR_PARTS];

	(void)state;
	make_parts(parts, 6);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(named); i++) {
		char folder[] = "/tmp/pgw-split-XXXXXX";
		const struct named *row = &named[i];

		assert_non_null(mkdtemp(folder));
		write_parts(parts, folder, row->names);
		for (unsigned j = 0; j < NR_PARTS; j++) {
			if (row->names[j])
				check_named(row, folder, path_in(folder, row->names[j]));
		}
		for (unsigned j = 0; j < NR_PARTS; j++)
			unlink(row->names[j] ? path_in(folder, row->names[j]) : "");
		assert_int_equal(rmdir(folder), 0);
	}
	for (unsigned i = 0; i < NR_PARTS; i++)
		mkkdump_fini(&parts[i]);
}

/* A part of another dump, or what is no dump, is not taken for one; if it was asked for, it is said. */
static void test_split__other_files_are_no_parts(void **state)
{
	static const char *const names[NR_PARTS] = { "vmcore.1", "vmcore.2", "vmcore.3" };
	char folder[] = "/tmp/pgw-split-XXXXXX", path[64];
	const char *const list[] = { path };
	const struct pgw_image_options opts = { .parts = list, .nr_parts = 1 };
	struct mkkdump parts[NR_PARTS];
	struct pgw_image *image;
	struct pgw_error err;

	(void)state;
	make_parts(parts, 6);
	mkkdump_put(&parts[1], 100, 1, 'x'); /* another host's name */
	memset(parts[2].file, 0, 8);
	assert_non_null(mkdtemp(folder));
	write_parts(parts, folder, names);
	assert_string_equal(open_said(path_in(folder, names[0]), &image), "");
	assert_int_equal(pgw_image_get_info(image)->nr_parts, 1);
	assert_string_equal(pgw_image_get_info(image)->missing_part, path_in(folder, names[1]));
	pgw_image_close(image);
	for (unsigned i = 1; i < NR_PARTS; i++) {
		strcpy(path, path_in(folder, names[i]));
		assert_int_equal(pgw_image_open(path_in(folder, names[0]), &opts, &image, &err),
				 i == 1 ? -PGW_EINVAL : -PGW_ENOEXEC);
		assert_ptr_equal(err.file, path);
	}
	for (unsigned i = 0; i < NR_PARTS; i++) {
		unlink(path_in(folder, names[i]));
		mkkdump_fini(&parts[i]);
	}
	assert_int_equal(rmdir(folder), 0);
}

struct row {
	const char *name;
	uint64_t offset;
	unsigned size;
	uint64_t value;
	const char *text; /* "": it opens */
};

static const struct row rows[] = {
	{ "version 0", 8, 4, 0,
	  "offset 0x8: expected a kdump header of version 1 to 6, found 0x0" },
	{ "version 7", 8, 4, 7,
	  "offset 0x8: expected a kdump header of version 1 to 6, found 0x7" },
	{ "no block size", 428, 4, 0,
	  "offset 0x1ac: expected blocks of 4 KiB to 64 KiB, a power of two, found 0x0" },
	{ "odd block size", 428, 4, 0x1800,
	  "offset 0x1ac: expected blocks of 4 KiB to 64 KiB, a power of two, found 0x1800" },
	{ "huge blocks", 428, 4, 0x20000,
	  "offset 0x1ac: expected blocks of 4 KiB to 64 KiB, a power of two, found 0x20000" },
	{ "no sub-header", 432, 4, 0,
	  "offset 0x1b0: expected a sub-header of a block or more, found 0x0" },
	{ "huge sub-header", 432, 4, UINT32_MAX,
	  "offset 0x100000001000: expected a bitmap inside the file, which may have been cut, "
	  "found 0x" },
	{ "no bitmap", 436, 4, 0,
	  "offset 0x1b4: expected a bitmap with a bit for each page, found 0x0" },
	{ "huge bitmaps", 436, 4, UINT32_MAX,
	  "offset 0x80000001800: expected a bitmap inside the file, which may have been cut, "
	  "found 0x" },
	{ "no pages", SUB + 96, 8, 0, "" }, /* the header's number counts */
	{ "more pages than bits", SUB + 96, 8, 0x20000,
	  "offset 0x1b4: expected a bitmap with a bit for each page, found 0x2" },
	{ "too many pages", SUB + 96, 8, UINT64_C(1) << 37,
	  "offset 0x1060: expected a number of pages from 1 to 2^36, found 0x2000000000" },
	{ "all pages", SUB + 96, 8, UINT64_MAX,
	  "offset 0x1060: expected a number of pages from 1 to 2^36, found 0xffffffffffffffff" },
	{ "notes in the header", SUB + 48, 8, 8,
	  "offset 0x1030: expected a place behind the header, found 0x8" },
	{ "notes behind the end", SUB + 48, 8, UINT64_MAX, "" },
	{ "many notes", SUB + 56, 8, UINT64_C(1) << 40,
	  "offset 0x1038: expected at most 64 MiB, found 0x10000000000" },
	{ "a text in the header", SUB + 40, 8, 1,
	  "offset 0x1020: expected a place behind the header, found 0x0" },
	{ "erase info", SUB + 72, 8, UINT64_MAX,
	  "offset 0x1040: expected a place behind the header, found 0x0" },
	{ "a part of nothing", SUB + 12, 4, 1, "" },
};

static const char *name_of(const struct row *row, const char *said)
{
	if (*row->text ? !strncmp(said, row->text, strlen(row->text)) : !*said)
		return row->name;
	print_message("%s: %s\n", row->name, said);
	return said;
}

static void test_kdump__hostile_headers_are_refused_by_a_line(void **state)
{
	const struct mkkdump_how how = { .version = 6 };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		struct pgw_image *image;
		struct mkkdump kdump;
		const char *said;

		mkkdump_build(&kdump, &machine.elf, &how);
		mkkdump_put(&kdump, rows[i].offset, rows[i].size, rows[i].value);
		said = open_said(mkkdump_save(&kdump), &image);
		assert_string_equal(name_of(&rows[i], said), rows[i].name);
		pgw_image_close(image);
		mkkdump_fini(&kdump);
	}
}

/* Whatever a field says: no crash, nothing that is not memory, no more memory than there is. */
static void check_field(struct mkkdump *kdump, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t before[8];
	struct pgw_image *image;

	memcpy(before, kdump->file + offset, size);
	mkkdump_put(kdump, offset, size, value);
	open_said(mkkdump_save(kdump), &image);
	if (image) {
		const struct pgw_root_info *roots;
		uint64_t pa = 0, first, last;
		size_t nr;
		int status;

		while (pgw_image_phys(image)->ops->next_range(pgw_image_phys(image), pa, &first,
							      &last)) {
			assert_true(first >= pa && first <= last && last < UINT64_MAX);
			pa = last + 1;
		}
		status = pgw_image_roots(image, &roots, &nr);
		/* A flag may say that a page is packed by what this build lacks. */
		if (packing_is_there(PACKING_ZLIB) || status != -PGW_EOPNOTSUPP)
			assert_int_equal(status, 0);
	}
	pgw_image_close(image);
	memcpy(kdump->file + offset, before, size);
}

static void test_kdump__every_field_may_be_anything(void **state)
{
	static const uint64_t values[] = { 0,          1,          0x7f,       0x1000,   0xffff,
					   0x7fffffff, 0xffffffff, UINT64_MAX, INT64_MAX };
	const struct mkkdump_how how = { .version = 6, .is_packed = packing_is_there(0) };
	struct mkkdump kdump;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(values); i++) {
		for (uint64_t at = 424; at < 464; at += 4)
			check_field(&kdump, at, 4, values[i]);
		for (uint64_t at = SUB; at < SUB + 104; at += 8)
			check_field(&kdump, at, 8, values[i]);
		for (uint64_t at = 0; at < 24; at += at < 8 ? 8 : 4) {
			check_field(&kdump, kdump.descriptors + at, at ? 4 : 8, values[i]);
			check_field(&kdump, kdump.descriptors + 24 * UINT64_C(18) + at, at ? 4 : 8,
				    values[i]);
		}
	}
	mkkdump_fini(&kdump);
}

static bool is_zero_page(uint64_t page)
{
	static const uint8_t zeroes[MACHINE_PAGE];

	return memcmp(machine.ram + page * MACHINE_PAGE, zeroes, MACHINE_PAGE) == 0;
}

/* A look through memory leaves out pages that share zeroes, and no others. */
static void test_kdump__shared_zeroes_are_not_sought(void **state)
{
	const struct pgw_image_options opts = { .nr_ram = 0 };
	uint64_t nr_zero = 0, nr_sought = 0, nr_shared;

	(void)state;
	for (nr_shared = 0; nr_shared < 2; nr_shared++) {
		const struct mkkdump_how how = { .version = 6 };
		struct mkkdump kdump;
		struct source source;

		mkkdump_build(&kdump, &machine.elf, &how);
		/* Bytes that are no zeroes may be shared, too. */
		if (nr_shared)
			memset(kdump.file + kdump.data, 0x11, MACHINE_PAGE);
		assert_int_equal(source_open(source_kinds, source_nr_kinds, mkkdump_save(&kdump),
					     &opts, &source, NULL),
				 0);
		for (uint64_t page = 0; page < MACHINE_PAGES; page++) {
			bool is_sought = source_has(&source, SOURCE_HELD, page * MACHINE_PAGE);

			assert_true(source_has(&source, SOURCE_READABLE, page * MACHINE_PAGE));
			assert_true(is_sought || (is_zero_page(page) && !nr_shared));
			nr_zero += is_zero_page(page);
			nr_sought += is_sought && is_zero_page(page);
		}
		source_close(&source);
		mkkdump_fini(&kdump);
		if (!nr_shared)
			assert_true(nr_zero > 20 && nr_sought < 3);
	}
}

/* All memory in ranges of pages, by looks and by reads, with a table in the cache or without. */
static void check_looks(struct source *source)
{
	static uint8_t looked[RAM], read[RAM];
	struct pgw_pa_range range = { 0 };
	uint64_t pa = 0;

	while (source_next_range(source, SOURCE_READABLE, pa, &range) && range.first < RAM) {
		size_t size = (size_t)(range.last - range.first) + 1;

		memset(looked, 0xee, sizeof(looked));
		assert_int_equal(source_look(source, range.first, looked, size), 0);
		assert_int_equal(pgw_phys_read(&source->phys, range.first, read, size), 0);
		assert_memory_equal(looked, read, size);
		assert_int_equal(source_look(source, range.first, looked, size), 0);
		assert_memory_equal(looked, read, size);
		assert_int_equal(source_look(source, range.first + 24, looked, size - 48), 0);
		assert_memory_equal(looked, read + 24, size - 48);
		pa = range.last + 1;
		/* One page more, which is not there. */
		if (size + MACHINE_PAGE <= RAM && !source_has(source, SOURCE_READABLE, pa))
			assert_int_equal(
				source_look(source, range.first, looked, size + MACHINE_PAGE),
				-PGW_EIO);
	}
}

static void test_look__is_what_reads_give(void **state)
{
	const struct pgw_image_options opts = { .nr_ram = 0 };

	(void)state;
	for (unsigned i = 0; i < 4 * (_PACKING_MAX + 1); i++) {
		const struct mkkdump_how how = {
			.version = 6,
			.block_lg2 = i % 2 ? 14 : 12,
			.is_packed = i / 4 < _PACKING_MAX && packing_is_there(i / 4),
			.packing = i / 4 < _PACKING_MAX ? i / 4 : 0,
			.is_excluded = i % 4 < 2 ? is_excluded : NULL,
		};
		struct mkkdump kdump;
		struct source source;

		mkkdump_build(&kdump, &machine.elf, &how);
		assert_int_equal(source_open(source_kinds, source_nr_kinds, mkkdump_save(&kdump),
					     &opts, &source, NULL),
				 0);
		check_looks(&source);
		source_close(&source);
		mkkdump_fini(&kdump);
	}
}

#define FAR_PAGE (UINT64_C(1) << 35)
#define FAR_PAGES (UINT64_C(1) << 36)

/* A few pages at each end of bitmaps of 8 GiB, which are a hole between them. */
static void test_kdump__bitmaps_may_be_holes(void **state)
{
	const struct mkkdump_how how = { .version = 6 };
	uint64_t map, descriptors, half = FAR_PAGES / 8;
	struct mkkdump kdump, sparse = { .fd = -1 };
	uint8_t far = 1, page[MACHINE_PAGE], descriptor[24];
	const struct pgw_image_info *info;
	struct pgw_image *image;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	mkkdump_put(&kdump, mkkdump_header_at(&how, 3), 4, 2 * half / MACHINE_PAGE);
	mkkdump_put(&kdump, SUB + 96, 8, FAR_PAGES);
	mkkdump_put(&kdump, SUB + 88, 8, FAR_PAGES);
	map = kdump.map;
	descriptors = map + 2 * half;
	for (uint64_t i = 0; i < MACHINE_PAGES; i++) {
		uint64_t at = kdump.descriptors + 24 * i;

		mkkdump_put(&kdump, at, 8,
			    load_le64(kdump.file + at) - kdump.descriptors + descriptors + 24);
	}
	memcpy(descriptor, kdump.file + kdump.descriptors + 24 * UINT64_C(18), 24);
	mkkdump_save(&sparse);
	assert_int_equal(pwrite(sparse.fd, kdump.file, map, 0), map);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pwrite(sparse.fd, kdump.file + map, MACHINE_PAGES / 8,
					(off_t)(map + i * half)),
				 MACHINE_PAGES / 8);
		assert_int_equal(pwrite(sparse.fd, &far, 1, (off_t)(map + i * half + FAR_PAGE / 8)),
				 1);
	}
	assert_int_equal(pwrite(sparse.fd, kdump.file + kdump.descriptors, 24 * MACHINE_PAGES,
				(off_t)descriptors),
			 24 * MACHINE_PAGES);
	assert_int_equal(
		pwrite(sparse.fd, descriptor, 24, (off_t)(descriptors + 24 * MACHINE_PAGES)), 24);
	assert_int_equal(pwrite(sparse.fd, kdump.file + kdump.data, kdump.size - kdump.data,
				(off_t)(descriptors + 24 * MACHINE_PAGES + 24)),
			 kdump.size - kdump.data);
	assert_string_equal(open_said(sparse.path, &image), "");
	info = pgw_image_get_info(image);
	assert_int_equal(info->readable_bytes, (MACHINE_PAGES + 1) * MACHINE_PAGE);
	assert_int_equal(info->nr_segments, 2);
	assert_int_equal(info->nr_ranges, 2);
	assert_false(info->truncated);
	for (uint64_t i = 0; i < MACHINE_PAGES; i++) {
		assert_int_equal(
			pgw_phys_read(pgw_image_phys(image), i * MACHINE_PAGE, page, sizeof(page)),
			0);
		assert_memory_equal(page, machine.ram + i * MACHINE_PAGE, sizeof(page));
	}
	assert_int_equal(
		pgw_phys_read(pgw_image_phys(image), FAR_PAGE * MACHINE_PAGE, page, sizeof(page)),
		0);
	assert_memory_equal(page, machine.ram + 18 * MACHINE_PAGE, sizeof(page));
	pgw_image_close(image);
	mkkdump_fini(&sparse);
	mkkdump_fini(&kdump);
}

static void *read_all(void *image)
{
	for (unsigned i = 0; i < 20; i++)
		check_pages(image);
	return NULL;
}

static void test_kdump__threads_read_at_once(void **state)
{
	const struct mkkdump_how how = {
		.version = 6,
		.is_packed = packing_is_there(0),
		.is_excluded = is_excluded,
	};
	struct pgw_image *image;
	struct mkkdump kdump;
	pthread_t threads[4];

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, image), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pgw_image_close(image);
	mkkdump_fini(&kdump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kdump__each_compression_gives_what_a_core_gives),
		cmocka_unit_test(test_kdump__each_layout_gives_what_a_core_gives),
		cmocka_unit_test(test_kdump__a_text_without_its_note_counts),
		cmocka_unit_test(test_kdump__a_machine_without_a_name_is_known_by_its_notes),
		cmocka_unit_test(test_kdump__a_machine_that_nothing_names_proves_itself),
		cmocka_unit_test(test_kdump__excluded_pages_are_described_and_counted),
		cmocka_unit_test(test_kdump__memory_has_gaps),
		cmocka_unit_test(test_kdump__a_cut_file_has_what_it_has),
		cmocka_unit_test(test_kdump__an_incomplete_dump_has_what_it_has),
		cmocka_unit_test(test_split__parts_make_a_whole),
		cmocka_unit_test(test_split__a_part_may_be_empty),
		cmocka_unit_test(test_split__parts_are_found_by_their_names),
		cmocka_unit_test(test_split__other_files_are_no_parts),
		cmocka_unit_test(test_kdump__a_library_that_is_missing_is_named),
		cmocka_unit_test(test_kdump__hostile_headers_are_refused_by_a_line),
		cmocka_unit_test(test_kdump__every_field_may_be_anything),
		cmocka_unit_test(test_kdump__shared_zeroes_are_not_sought),
		cmocka_unit_test(test_look__is_what_reads_give),
		cmocka_unit_test(test_kdump__bitmaps_may_be_holes),
		cmocka_unit_test(test_kdump__threads_read_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
