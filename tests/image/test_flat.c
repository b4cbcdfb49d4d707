/* SPDX-License-Identifier: BSD-2-Clause */
/* Flattened files are the image of the file that they hold, whatever the order of their records. */
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
#include "image/mkkdump.h"
#include "image/same_image.h"
#include "source/flat.h"
#include "source/source_priv.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)

static struct machine machine;
static struct pgw_image *core; /* the machine as an ELF core */

static int set_up(void **state)
{
	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, 0x20000);
	machine_map(&machine, 0x20000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	machine_cpu(&machine, 0x20000);
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

static const struct mkkdump_how packed = { .version = 6, .is_packed = true };

static void test_flat__a_kdump_gives_what_a_core_gives(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 8; random++) {
		struct mkkdump_how how = packed;
		struct pgw_image *image;
		struct mkkdump kdump;
		size_t size;

		how.is_packed = packing_is_there(how.packing);
		mkkdump_build(&kdump, &machine.elf, &how);
		size = kdump.size;
		mkkdump_flatten(&kdump, random);
		assert_string_equal(open_said(mkkdump_save(&kdump), &image), "");
		assert_string_equal(pgw_image_get_info(image)->kind, "kdump");
		assert_true(pgw_image_get_info(image)->flattened);
		assert_false(pgw_image_get_info(image)->truncated);
		assert_int_equal(pgw_image_get_info(image)->file_size, size);
		same_image(core, image);
		pgw_image_close(image);
		mkkdump_fini(&kdump);
	}
}

/* As makedumpfile -F -E writes it. */
static void test_flat__an_elf_core_gives_what_a_core_gives(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 8; random++) {
		struct mkkdump flat = { .file = malloc(machine.elf.size),
					.size = machine.elf.size };
		struct pgw_image *image;

		assert_non_null(flat.file);
		memcpy(flat.file, machine.elf.file, flat.size);
		mkkdump_flatten(&flat, random);
		assert_string_equal(open_said(mkkdump_save(&flat), &image), "");
		assert_string_equal(pgw_image_get_info(image)->kind, "elf-core");
		assert_true(pgw_image_get_info(image)->flattened);
		same_image(core, image);
		pgw_image_close(image);
		mkkdump_fini(&flat);
	}
}

/* All pages: what can be read is what the machine has. */
static uint64_t check_pages(struct pgw_image *image)
{
	uint64_t nr = 0;

	for (uint64_t pa = 0; pa < RAM; pa += MACHINE_PAGE) {
		uint8_t page[MACHINE_PAGE];

		if (pgw_phys_read(pgw_image_phys(image), pa, page, sizeof(page)))
			continue;
		/* One that was written anew later, and not to the end, is what it was. */
		if (memchr(page, 0xcc, sizeof(page)))
			continue;
		assert_memory_equal(page, machine.ram + pa, sizeof(page));
		nr++;
	}
	return nr;
}

static void test_flat__a_cut_file_has_what_it_has(void **state)
{
	const struct mkkdump_how how = { .version = 6 };
	struct mkkdump kdump;
	uint64_t size, nr_opened = 0;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	mkkdump_flatten(&kdump, 7);
	size = kdump.size;
	for (kdump.size = 1; kdump.size < size; kdump.size += 1021) {
		struct pgw_image *image;
		const char *said = open_said(mkkdump_save(&kdump), &image);

		if (!image) {
			assert_true(*said);
			continue;
		}
		assert_true(pgw_image_get_info(image)->truncated);
		nr_opened++;
		check_pages(image);
		pgw_image_close(image);
	}
	assert_true(nr_opened);
	kdump.size = size;
	mkkdump_fini(&kdump);
}

struct row {
	const char *name;
	uint64_t offset;
	uint64_t value;
	const char *text; /* the message begins so */
};

static const struct row rows[] = {
	{ "type", 16, 2, "offset 0x10: expected a flattened file of type 1, found 0x2" },
	{ "version", 24, 3, "offset 0x18: expected a flattened file of version 1, found 0x3" },
	{ "an offset that is negative", 4096, INT64_MAX,
	  "offset 0x1000: expected a record that ends below 2^63, found 0x7fffffffffffffff" },
	{ "an offset that wraps", 4096, UINT64_MAX,
	  "offset 0x1000: expected a record that ends below 2^63, found 0xffffffffffffffff" },
	{ "no bytes", 4104, 0, "offset 0x1008: expected a record of a byte or more, found 0x0" },
	{ "a size that is negative", 4104, UINT64_MAX,
	  "offset 0x1008: expected a record of a byte or more, found 0xffffffffffffffff" },
	/* Cut then; what is there is nothing that is known. */
	{ "more than there is", 4104, INT64_MAX / 2, "" },
};

static void test_flat__hostile_records_are_refused_by_a_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct mkkdump_how how = { .version = 6 };
		struct pgw_image *image;
		struct mkkdump kdump;
		const char *said;

		mkkdump_build(&kdump, &machine.elf, &how);
		mkkdump_flatten(&kdump, 1);
		kdump.how.is_big_endian = true;
		mkkdump_put(&kdump, rows[i].offset, 8, rows[i].value);
		said = open_said(mkkdump_save(&kdump), &image);
		if (strncmp(said, rows[i].text, strlen(rows[i].text)) != 0)
			assert_string_equal(said, rows[i].text);
		assert_null(image);
		mkkdump_fini(&kdump);
	}
}

static void test_flat__no_records_are_no_file(void **state)
{
	const struct mkkdump_how how = { .version = 6 };
	struct pgw_image *image;
	struct mkkdump kdump;

	(void)state;
	mkkdump_build(&kdump, &machine.elf, &how);
	mkkdump_flatten(&kdump, 1);
	memset(kdump.file + 4096, 0xff, 16);
	assert_string_equal(open_said(mkkdump_save(&kdump), &image),
			    "offset 0x1000: expected records in the flattened file, found 0x0");
	kdump.size = 4000;
	assert_string_equal(
		open_said(mkkdump_save(&kdump), &image),
		"offset 0x0: expected a flattened file's header of 4096 bytes, found 0xfa0");
	mkkdump_fini(&kdump);
}

/* Nothing is read behind a file, where nothing may be mapped: its neighbour there is gone. */
static void test_map__bytes_behind_the_end_are_not_looked_at(void **state)
{
	char path[] = "/tmp/pgw-map-XXXXXX";
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct source_map above = { .fd = -1 }, map = { .fd = -1 };
	uint8_t *bytes = malloc(4 * page);
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && bytes);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(source_map_open(path, &above, NULL), 0);
	assert_int_equal(source_map_open(path, &map, NULL), 0);
	source_map_close(&above);
	assert_true(source_map_read(&map, 4, bytes, 6));
	assert_memory_equal(bytes, "456789", 6);
	assert_true(source_map_read(&map, 10, bytes, 0));
	assert_false(source_map_read(&map, 4, bytes, 7));
	assert_false(source_map_read(&map, 11, bytes, 0));
	assert_false(source_map_read(&map, 4, bytes, 4 * page - 4));
	assert_true(source_map_has(&map, 4, 6));
	assert_false(source_map_has(&map, 4, 7));
	assert_false(source_map_has(&map, UINT64_MAX, 2));
	source_map_close(&map);
	free(bytes);
	close(fd);
	unlink(path);
}

#define SPACE 300

/* Random records, by a byte for each that they write: the index has the last of each. */
static void test_flat_index__the_later_record_wins(void **state)
{
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		size_t nr = round % 24;
		struct flat_piece *records = calloc(nr + 1, sizeof(*records));
		struct source_flat *flat = calloc(1, sizeof(*flat));
		uint64_t expected[SPACE] = { 0 }, at = 1000;

		assert_true(records && flat);
		for (size_t i = 0; i < nr; i++) {
			random = random * 1664525 + 1013904223;
			records[i].first = (random >> 8) % (SPACE - 60);
			records[i].end = records[i].first + 1 + (random >> 20) % 50;
			records[i].at = at;
			for (uint64_t j = records[i].first; j < records[i].end; j++)
				expected[j] = at++;
			at += 16;
		}
		assert_int_equal(source_flat_sort(flat, records, nr), 0);
		for (uint64_t j = 0; j < SPACE; j++) {
			const struct flat_piece *piece = source_flat_find(flat, j);
			bool is_there = piece && piece->first <= j;

			assert_int_equal(is_there ? piece->at + (j - piece->first) : 0,
					 expected[j]);
		}
		for (size_t i = 1; i < flat->nr_pieces; i++)
			assert_true(flat->pieces[i].first >= flat->pieces[i - 1].end);
		source_flat_free(flat);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flat__a_kdump_gives_what_a_core_gives),
		cmocka_unit_test(test_flat__an_elf_core_gives_what_a_core_gives),
		cmocka_unit_test(test_flat__a_cut_file_has_what_it_has),
		cmocka_unit_test(test_flat__hostile_records_are_refused_by_a_line),
		cmocka_unit_test(test_flat__no_records_are_no_file),
		cmocka_unit_test(test_map__bytes_behind_the_end_are_not_looked_at),
		cmocka_unit_test(test_flat_index__the_later_record_wins),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
