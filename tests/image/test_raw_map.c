/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw memory by its map: what a map says is there, and what is wrong with one is said by a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/machine.h"
#include "image/same_image.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define MAGIC "# pagewalk memory map 1\n"

static struct machine machine;
static struct pgw_image *core;
static char folder[] = "/tmp/pgw-raw-map-XXXXXX";
static char map_path[64];

static void save(const char *name, const void *bytes, size_t size)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	machine_init(&machine, 4);
	core = machine_open(&machine);
	if (!mkdtemp(folder))
		return -1;
	snprintf(map_path, sizeof(map_path), "%s/map", folder);
	save("ram", machine.ram, RAM);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "map", "ram", "empty", NULL };

	(void)state;
	for (size_t i = 0; names[i]; i++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	machine_fini(&machine);
	return rmdir(folder);
}

/* @return what is said of a map that does not open; "" if it does */
static const char *open_said(const char *map, struct pgw_image **ret)
{
	static char text[400];
	struct pgw_error err;

	*ret = NULL;
	*text = 0;
	save("map", map, strlen(map));
	if (pgw_image_open(map_path, NULL, ret, &err))
		pgw_error_format(&err, text, sizeof(text));
	return text;
}

static void test_raw_map__memory_is_where_it_says(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;

	(void)state;
	assert_string_equal(open_said(MAGIC "# a remark\n"
					    "# machine 62\n"
					    "0x40000=ram@0x40000+0x40000\n"
					    "0x0=ram@0x0+0x40000\n"
					    "# end\nnothing more is read",
				      &image),
			    "");
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "raw-map");
	assert_string_equal(info->arch, "x86_64");
	assert_int_equal(info->file_size, RAM);
	assert_int_equal(info->placement, PGW_PLACEMENT_GIVEN);
	assert_false(info->truncated);
	same_image(core, image);
	pgw_image_close(image);
}

static void test_raw_map__the_kernel_tells_the_machine(void **state)
{
	struct pgw_image *image;

	(void)state;
	assert_string_equal(
		open_said(MAGIC "# placement guessed\n0x0=ram@0x0+0x80000\n# end\n", &image), "");
	assert_string_equal(pgw_image_get_info(image)->arch, "x86_64");
	assert_int_equal(pgw_image_get_info(image)->placement, PGW_PLACEMENT_GUESSED);
	pgw_image_close(image);
}

static void test_raw_map__what_is_missing_is_unreadable(void **state)
{
	static const struct {
		const char *map;
		uint64_t readable, unreadable;
	} rows[] = {
		/* The end is missing; the last line, too. */
		{ MAGIC "0x0=ram@0x0+0x1000\n", 0x1000, 0 },
		{ MAGIC "0x0=ram@0x0+0x1000\n0x2000=ram@0x1000+0x10", 0x1000, 0 },
		/* The file ends in a piece, at one, before one. */
		{ MAGIC "0x0=ram@0x7f000+0x2000\n# end\n", 0x1000, 0x1000 },
		{ MAGIC "0x0=ram@0x80000+0x1000\n# end\n", 0, 0x1000 },
		{ MAGIC "0x0=ram@0xf000000000000000+0x1000\n# end\n", 0, 0x1000 },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct pgw_image_info *info;
		struct pgw_image *image;

		assert_string_equal(open_said(rows[i].map, &image), "");
		info = pgw_image_get_info(image);
		assert_true(info->truncated);
		assert_int_equal(info->readable_bytes, rows[i].readable);
		assert_int_equal(info->unreadable_bytes, rows[i].unreadable);
		pgw_image_close(image);
	}
}

#define FORM "PA=NAME@OFFSET+SIZE, the numbers hexadecimal with 0x"
#define GOOD "0x0=ram@0x0+0x1000\n"

static const struct {
	const char *lines;
	const char *said;
} hostile[] = {
	{ "0=ram@0x0+0x1000\n", "offset 0x18: expected " FORM },
	{ "0x=ram@0x0+0x1000\n", "offset 0x18: expected " FORM },
	{ "0x-1=ram@0x0+0x1000\n", "offset 0x18: expected " FORM },
	{ "0x00000000000000000=ram@0x0+0x1000\n", "offset 0x18: expected " FORM },
	{ "0x0=ram@0x0\n", "offset 0x18: expected " FORM },
	{ "0x0=ram@0x0+0x1000 \n", "offset 0x18: expected " FORM },
	{ "@0x0=ram\n", "offset 0x18: expected " FORM },
	{ "\n", "offset 0x18: expected " FORM },
	{ GOOD "0x0\n", "offset 0x2b: expected " FORM },
	{ "0x0=@0x0+0x1000\n",
	  "offset 0x18: expected the name of a file in the folder of the map" },
	{ "0x0=/etc/passwd@0x0+0x1000\n",
	  "offset 0x18: expected the name of a file in the folder of the map" },
	{ "0x0=../x@0x0+0x1000\n",
	  "offset 0x18: expected the name of a file in the folder of the map" },
	{ "0x0=..@0x0+0x1000\n",
	  "offset 0x18: expected a file of this name beside the map, that can be read" },
	{ "0x0=none@0x0+0x1000\n",
	  "offset 0x18: expected a file of this name beside the map, that can be read" },
	{ "0x0=empty@0x0+0x1000\n", "expected a file that is not empty" },
	{ GOOD "0x1000=map@0x0+0x1000\n", "offset 0x2b: expected the same file in each line" },
	{ "0x0=ram@0x0+0x0\n",
	  "offset 0x18: expected a piece of memory that is not empty and ends below 2^64" },
	{ "0xffffffffffffffff=ram@0x0+0x1\n",
	  "offset 0x18: expected a piece of memory that is not empty and ends below 2^64" },
	{ "0x0=ram@0xffffffffffffffff+0x1\n",
	  "offset 0x18: expected a piece of the file that ends below 2^64" },
	{ "# machine 65536\n", "offset 0x18: expected ELF's number of a machine" },
	{ "# machine x\n", "offset 0x18: expected ELF's number of a machine" },
};

static void test_raw_map__hostile_lines_are_refused_by_a_line(void **state)
{
	(void)state;
	save("empty", "", 0);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(hostile); i++) {
		struct pgw_image *image;
		char map[200];

		snprintf(map, sizeof(map), MAGIC "%s# end\n", hostile[i].lines);
		assert_string_equal(open_said(map, &image), hostile[i].said);
		assert_null(image);
	}
}

static void test_raw_map__a_line_has_an_end(void **state)
{
	static char map[1000] = MAGIC;
	struct pgw_image *image;

	(void)state;
	memset(map + strlen(MAGIC), '#', sizeof(map) - 1 - strlen(MAGIC));
	assert_string_equal(open_said(map, &image),
			    "offset 0x18: expected a line of at most 319 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw_map__memory_is_where_it_says),
		cmocka_unit_test(test_raw_map__the_kernel_tells_the_machine),
		cmocka_unit_test(test_raw_map__what_is_missing_is_unreadable),
		cmocka_unit_test(test_raw_map__hostile_lines_are_refused_by_a_line),
		cmocka_unit_test(test_raw_map__a_line_has_an_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
