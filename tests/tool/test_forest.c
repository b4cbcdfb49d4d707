/* SPDX-License-Identifier: BSD-2-Clause */

/* What is asked of the tables of many roots at once, of roots that are made up. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/analysis.h>
#include <pagewalk/hosted.h>

#include "image/mkelf.h"

#define MEMORY UINT64_C(0x100000)

/* A root and a table of s390x, four pages each, and a page table. */
#define ROOT_SHORT UINT64_C(0x0)
#define ROOT_LONG UINT64_C(0x4000)
#define SEGMENTS UINT64_C(0x8000)
#define PAGES UINT64_C(0xc000)
#define FRAME UINT64_C(0x7b000)

/* z/Architecture, "Region-Table Entries": invalid; type of a region-third table; length. */
#define REGION_3 UINT64_C(4)
#define LENGTH(units) ((uint64_t)(units)-1)

struct found {
	size_t nr;
	struct pgw_found last;
};

static void store_be(unsigned char *bytes, uint64_t pa, unsigned slot, uint64_t entry)
{
	for (unsigned i = 0; i < 8; i++)
		bytes[pa + slot * 8 + i] = (unsigned char)(entry >> (56 - 8 * i));
}

/* Tables in which no entry is valid. */
static void fill(unsigned char *bytes, uint64_t pa, unsigned nr, uint64_t entry)
{
	for (unsigned slot = 0; slot < nr; slot++)
		store_be(bytes, pa, slot, entry);
}

static int take(const struct pgw_found *found, void *arg)
{
	struct found *all = (struct found *)arg;

	all->nr++;
	all->last = *found;
	return 0;
}

/*
 * One segment table of which the first root's entry says that a quarter of it is there, and the
 * second one's that all is: what the last quarter maps is the second one's alone.
 */
static void test_forest__slots_that_another_entry_left_out_are_read(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("s390x-42");
	struct pgw_root_info roots[2] = {
		{ .root.pa = ROOT_SHORT, .format = format, .has_user = true },
		{ .root.pa = ROOT_LONG, .format = format, .has_user = true },
	};
	struct pgw_find_args args = { .platform = pgw_hosted_platform(),
				      .roots = roots,
				      .nr_roots = 2,
				      .pa_first = FRAME,
				      .pa_last = FRAME + 0xfff,
				      .max_tables = 100,
				      .fn = take };
	unsigned char *bytes = calloc(1, MEMORY);
	struct found found = { 0 };
	struct pgw_find_sums sums;
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	assert_non_null(bytes);
	fill(bytes, ROOT_SHORT, 2048, 1 << 5 | REGION_3);
	fill(bytes, ROOT_LONG, 2048, 1 << 5 | REGION_3);
	fill(bytes, SEGMENTS, 2048, 1 << 5);
	fill(bytes, PAGES, 256, 1 << 10);
	store_be(bytes, ROOT_SHORT, 0, SEGMENTS | REGION_3 | LENGTH(1));
	store_be(bytes, ROOT_LONG, 0, SEGMENTS | REGION_3 | LENGTH(4));
	store_be(bytes, SEGMENTS, 2000, PAGES);
	store_be(bytes, PAGES, 7, FRAME);
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0, bytes, MEMORY, MEMORY);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	args.image = image;
	args.arg = &found;
	assert_int_equal(pgw_find(&args, &sums), 0);
	assert_int_equal(found.nr, 1);
	assert_int_equal(found.last.root, 1);
	assert_int_equal(found.last.va_first, UINT64_C(2000) << 20 | 7 << 12);
	assert_int_equal(found.last.pa, FRAME);
	pgw_image_close(image);
	mkelf_fini(&elf);
	free(bytes);
}

#define HUGE UINT64_C(0x200000)
#define X86_LEAF UINT64_C(0x67) /* present, writable, user's, accessed, dirty */

static void store_le(unsigned char *bytes, uint64_t pa, unsigned slot, uint64_t entry)
{
	for (unsigned i = 0; i < 8; i++)
		bytes[pa + slot * 8 + i] = (unsigned char)(entry >> (8 * i));
}

/*
 * Windows of 2 MiB from address 0 on, each with a page table but the last one, which is a huge leaf:
 * 0 could be huge; 1 has a hole; 2 a page that may not be written; 3 two pages that changed places;
 * 4 begins a page off; 5 is as 0, and so is 6.
 */
static void fill_windows(unsigned char *bytes)
{
	store_le(bytes, 0x1000, 0, 0x2067);
	store_le(bytes, 0x2000, 0, 0x3067);
	for (unsigned w = 0; w < 7; w++) {
		uint64_t table = 0x10000 + (uint64_t)w * 0x1000;

		store_le(bytes, 0x3000, w, table | 0x67);
		for (unsigned slot = 0; slot < 512; slot++)
			store_le(bytes, table, slot,
				 ((4 + w) * HUGE + slot * UINT64_C(0x1000)) | X86_LEAF);
	}
	store_le(bytes, 0x11000, 100, 0);
	store_le(bytes, 0x12000, 100, (6 * HUGE + 100 * UINT64_C(0x1000)) | (X86_LEAF ^ 2));
	store_le(bytes, 0x13000, 100, (7 * HUGE + 101 * UINT64_C(0x1000)) | X86_LEAF);
	store_le(bytes, 0x13000, 101, (7 * HUGE + 100 * UINT64_C(0x1000)) | X86_LEAF);
	for (unsigned slot = 0; slot < 512; slot++)
		store_le(bytes, 0x14000, slot,
			 (8 * HUGE + (slot + 1) * UINT64_C(0x1000)) | X86_LEAF);
	store_le(bytes, 0x3000, 7, (11 * HUGE) | X86_LEAF | 0x80);
}

static void test_stats_areas__what_keeps_each_window_from_being_huge(void **state)
{
	const struct pgw_stats_area areas[] = {
		{ .start = 0, .end = 5 * HUGE },
		{ .start = 5 * HUGE, .end = 6 * HUGE, .has_file = true, .offset = 0x1000 },
		{ .start = 6 * HUGE, .end = 6 * HUGE + HUGE / 2 },
		{ .start = 6 * HUGE + HUGE / 2, .end = 7 * HUGE },
		{ .start = 7 * HUGE, .end = 9 * HUGE },
	};
	static const struct pgw_stats_bar expected[_PGW_HUGE_BAR_MAX] = {
		[PGW_HUGE_POSSIBLE] = { 1, HUGE },      [PGW_HUGE_HOLES] = { 1, HUGE - 0x1000 },
		[PGW_HUGE_RIGHTS] = { 1, HUGE },        [PGW_HUGE_SCATTERED] = { 1, HUGE },
		[PGW_HUGE_ALIGNMENT] = { 2, 2 * HUGE }, [PGW_HUGE_AREA] = { 2, HUGE },
	};
	struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform(),
					   .format = pgw_format_by_name("x86_64-la48"),
					   .root.pa = 0x1000,
					   .region = PGW_REGION_USER };
	unsigned char *bytes = calloc(1, MEMORY);
	struct pgw_stats_areas sums;
	struct pgw_image *image;
	struct pgw_mm *mm;
	struct mkelf elf;

	(void)state;
	assert_non_null(bytes);
	fill_windows(bytes);
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0, bytes, MEMORY, MEMORY);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	args.phys = pgw_image_phys(image);
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(pgw_stats_areas(mm, areas, 5, &sums), 0);
	assert_int_equal(sums.bytes, 9 * HUGE);
	assert_int_equal(sums.mapped_bytes, 8 * HUGE - 0x1000);
	assert_int_equal(sums.huge_size, HUGE);
	assert_int_equal(sums.huge_bytes, HUGE);
	for (int bar = 0; bar < _PGW_HUGE_BAR_MAX; bar++) {
		assert_int_equal(sums.bar[bar].nr_tables, expected[bar].nr_tables);
		assert_int_equal(sums.bar[bar].bytes, expected[bar].bytes);
	}
	assert_int_equal(
		pgw_stats_areas(mm, &(struct pgw_stats_area){ .start = 1, .end = 1 }, 1, &sums),
		-PGW_EINVAL);
	pgw_mm_free(mm);
	pgw_image_close(image);
	mkelf_fini(&elf);
	free(bytes);
}

struct looked {
	unsigned nr;
	unsigned stop_at; /* 0: never */
	bool stops_memory;
	struct pgw_look last;
};

static int look(void *arg, const struct pgw_look *now)
{
	struct looked *looked = (struct looked *)arg;

	if (!now->nr_all)
		return looked->stops_memory ? 7 : 0;
	assert_true(now->nr_tables >= looked->last.nr_tables);
	assert_true(now->nr_done >= looked->last.nr_done && now->nr_done <= now->nr_all);
	looked->last = *now;
	return ++looked->nr == looked->stop_at ? 7 : 0;
}

static int ignore_root(const struct pgw_stats_root *root, void *arg)
{
	(void)root;
	(void)arg;
	return 0;
}

static int ignore_bytes(const void *bytes, size_t size, void *arg)
{
	(void)bytes;
	(void)size;
	(void)arg;
	return 0;
}

/* Whoever opened the image is asked, and may end it; what was read until then is told. */
static void test_forest__a_look_at_tables_ends_when_it_is_told_to(void **state)
{
	const struct pgw_find_index_of of = { 0 };
	struct looked looked = { .stop_at = 1 };
	const struct pgw_image_options options = { .look = look, .progress_arg = &looked };
	struct pgw_find_args args = { .platform = pgw_hosted_platform(),
				      .max_tables = 1 << 20,
				      .fn = take };
	const char *tree = getenv("PGW_SOURCE_ROOT");
	struct pgw_stats_sums stats;
	struct pgw_find_sums sums;
	struct found found = { 0 };
	struct pgw_image *image;
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/data/x86_64-la48-pti.small.elf", tree ? tree : ".");
	assert_int_equal(pgw_image_open(path, &options, &image, NULL), 0);
	args.image = image;
	args.arg = &found;
	looked.stops_memory = true;
	assert_int_equal(pgw_image_roots(image, &args.roots, &args.nr_roots), -PGW_EINTR);
	looked.stops_memory = false;
	assert_int_equal(pgw_image_roots(image, &args.roots, &args.nr_roots), 0);
	assert_true(args.nr_roots > 1);
	assert_int_equal(pgw_find(&args, &sums), 7);
	looked = (struct looked){ .stop_at = 1 };
	assert_int_equal(pgw_find_index_write(&args, &of, ignore_bytes, NULL), 7);
	looked = (struct looked){ .stop_at = 1 };
	assert_int_equal(
		pgw_stats(image, args.roots, args.nr_roots, 1 << 20, ignore_root, NULL, &stats), 7);
	assert_int_equal(stats.nr_roots, 0);
	looked = (struct looked){ 0 };
	assert_int_equal(
		pgw_stats(image, args.roots, args.nr_roots, 1 << 20, ignore_root, NULL, &stats), 0);
	assert_true(looked.nr > 0 && looked.last.nr_all == 2 * args.nr_roots);
	pgw_image_close(image);
}

/* More roots than can be compared with each other; every second one is there again. */
#define MANY 300000

static void test_diff_match__many_roots_are_matched_by_place_in_time(void **state)
{
	struct pgw_root_info *list = calloc(2 * MANY, sizeof(*list));
	size_t *match = calloc(MANY, sizeof(*match));
	struct pgw_diff_roots before = { .list = list, .nr = MANY };
	struct pgw_diff_roots after = { .list = list + MANY, .nr = MANY };

	(void)state;
	assert_non_null(list);
	assert_non_null(match);
	for (size_t i = 0; i < MANY; i++) {
		list[i].root.pa = i << 13;
		list[MANY + i].root.pa = i << 14;
		list[i].format = list[MANY + i].format = pgw_format_by_name("x86_64-la48");
		list[i].state = list[MANY + i].state = PGW_ROOT_MAPPED;
	}
	assert_int_equal(pgw_diff_match(&before, &after, match), 0);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(match[i], i % 2 ? PGW_DIFF_NO_MATCH : i / 2);
	free(match);
	free(list);
}

/* The kernel's own root may have moved to where a process's was: that one has no other then. */
static void test_diff_match__kernels_come_before_places(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("x86_64-la48");
	struct pgw_root_info a[2] = {
		{ .root.pa = 0x1000, .format = format, .state = PGW_ROOT_KERNEL },
		{ .root.pa = 0x2000, .format = format, .state = PGW_ROOT_MAPPED },
	};
	struct pgw_root_info b[2] = {
		{ .root.pa = 0x1000, .format = format, .state = PGW_ROOT_MAPPED },
		{ .root.pa = 0x2000, .format = format, .state = PGW_ROOT_KERNEL },
	};
	struct pgw_diff_roots before = { .list = a, .nr = 2 }, after = { .list = b, .nr = 2 };
	size_t match[2];

	(void)state;
	assert_int_equal(pgw_diff_match(&before, &after, match), 0);
	assert_int_equal(match[0], 1);
	assert_int_equal(match[1], PGW_DIFF_NO_MATCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forest__slots_that_another_entry_left_out_are_read),
		cmocka_unit_test(test_stats_areas__what_keeps_each_window_from_being_huge),
		cmocka_unit_test(test_forest__a_look_at_tables_ends_when_it_is_told_to),
		cmocka_unit_test(test_diff_match__many_roots_are_matched_by_place_in_time),
		cmocka_unit_test(test_diff_match__kernels_come_before_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
