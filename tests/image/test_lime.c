/* SPDX-License-Identifier: BSD-2-Clause */
/* LiME's files are the image that an ELF core of the same memory is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/machine.h"
#include "image/mkkdump.h"
#include "image/same_image.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define HEADER 32

static struct machine machine;
static struct pgw_image *core; /* the machine as an ELF core */

static int set_up(void **state)
{
	(void)state;
	core = machine_init_simple(&machine);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	machine_fini_image(&machine, core);
	return 0;
}

/* A file in the making; the dumps' has what is needed of one. */
static void add_range(struct mkkdump *file, uint64_t first, uint64_t last)
{
	uint64_t at = file->size, size = last - first + 1;

	file->size += HEADER + size;
	file->file = realloc(file->file, file->size);
	assert_non_null(file->file);
	memset(file->file + at, 0, HEADER);
	memcpy(file->file + at, "EMiL", 4);
	mkkdump_put(file, at + 4, 4, 1);
	mkkdump_put(file, at + 8, 8, first);
	mkkdump_put(file, at + 16, 8, last);
	memcpy(file->file + at + HEADER, machine.ram + first, size);
}

/* All of the memory in ranges that are in no order, one of which ends within a page. */
static void make_file(struct mkkdump *file)
{
	*file = (struct mkkdump){ .size = 0 };
	add_range(file, 0x20000, 0x3fbff);
	add_range(file, 0x0, 0xfff);
	add_range(file, 0x3fc00, RAM - 1);
	add_range(file, 0x1000, 0x1ffff);
}

/* @return what is said of a file that does not open; "" if it does */
static const char *open_said(struct mkkdump *file, struct pgw_image **ret)
{
	static char text[400];
	struct pgw_error err;

	*ret = NULL;
	*text = 0;
	if (pgw_image_open(mkkdump_save(file), NULL, ret, &err))
		pgw_error_format(&err, text, sizeof(text));
	return text;
}

static void test_lime__gives_what_a_core_gives(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	struct mkkdump file;

	(void)state;
	make_file(&file);
	assert_string_equal(open_said(&file, &image), "");
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "lime");
	assert_string_equal(info->arch, "x86_64");
	assert_int_equal(info->nr_segments, 4);
	assert_int_equal(info->readable_bytes, RAM);
	assert_int_equal(info->said_size, file.size);
	assert_false(info->truncated);
	same_image(core, image);
	pgw_image_close(image);
	mkkdump_fini(&file);
}

static void check_cut(struct mkkdump *file, const uint8_t *memory)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	uint64_t nr = 0;

	if (file->size < HEADER) {
		assert_string_not_equal(open_said(file, &image), "");
		return;
	}
	assert_string_equal(open_said(file, &image), "");
	info = pgw_image_get_info(image);
	/* Between two ranges nothing shows that there were more. */
	assert_int_equal(info->truncated, info->said_size > info->file_size);
	for (uint64_t pa = 0; pa < RAM; pa++) {
		uint8_t byte;

		if (pgw_phys_read(pgw_image_phys(image), pa, &byte, 1))
			continue;
		assert_int_equal(byte, memory[pa]);
		nr++;
	}
	assert_int_equal(nr, info->readable_bytes);
	pgw_image_close(image);
}

static void test_lime__a_cut_file_has_what_it_has(void **state)
{
	static const uint64_t sizes[] = { 5,
					  31,
					  32,
					  33,
					  HEADER + 0x1fc00,
					  HEADER + 0x1fc01,
					  0x1fc00 + 63,
					  0x1fc00 + 64,
					  0x1fc00 + 2 * HEADER + 0x1000,
					  0x40000,
					  0x80000 + 127 };
	struct mkkdump file;

	(void)state;
	make_file(&file);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(sizes); i++) {
		assert_true(sizes[i] < file.size);
		file.size = sizes[i];
		check_cut(&file, machine.ram);
		file.size = 4 * HEADER + RAM;
	}
	mkkdump_fini(&file);
}

struct row {
	const char *name;
	uint64_t offset;
	unsigned size;
	uint64_t value;
	const char *text;
};

#define SECOND (HEADER + UINT64_C(0x1fc00))

static const struct row rows[] = {
	{ "version", 4, 4, 2, "offset 0x4: expected a LiME range of version 1, found 0x2" },
	{ "second version", SECOND + 4, 4, 0,
	  "offset 0x1fc24: expected a LiME range of version 1, found 0x0" },
	{ "second magic", SECOND, 4, 0,
	  "offset 0x1fc20: expected the header of a LiME range, found 0x0" },
	{ "end before start", 16, 8, 0x1ffff,
	  "offset 0x10: expected the end of a range, behind its start, below 2^64, found 0x1ffff" },
	{ "all addresses", 16, 8, UINT64_MAX,
	  "offset 0x10: expected the end of a range, behind its start, below 2^64, found "
	  "0xffffffffffffffff" },
	{ "nearly all addresses", 16, 8, UINT64_MAX - 1, "" },
	{ "shorter", 16, 8, 0x20fff,
	  "offset 0x1020: expected the header of a LiME range, found 0x0" },
};

static void test_lime__hostile_headers_are_refused_by_a_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		struct pgw_image *image;
		struct mkkdump file;

		make_file(&file);
		if (strcmp(rows[i].name, "shorter") == 0)
			memset(file.file + HEADER + 0x1000, 0, 4);
		mkkdump_put(&file, rows[i].offset, rows[i].size, rows[i].value);
		assert_string_equal(open_said(&file, &image), rows[i].text);
		if (image)
			assert_true(pgw_image_get_info(image)->truncated);
		pgw_image_close(image);
		mkkdump_fini(&file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lime__gives_what_a_core_gives),
		cmocka_unit_test(test_lime__a_cut_file_has_what_it_has),
		cmocka_unit_test(test_lime__hostile_headers_are_refused_by_a_line),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
