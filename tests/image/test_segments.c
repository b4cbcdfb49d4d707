/* SPDX-License-Identifier: BSD-2-Clause */
/* Which bytes are where, when segments overlap, lie about their size or come in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <pagewalk/image.h>

#include "common/arena.h"
#include "image/mkelf.h"

static struct pgw_image *open_image(struct mkelf *elf)
{
	struct pgw_image *image;

	assert_int_equal(pgw_image_open(mkelf_save(elf), NULL, &image, NULL), 0);
	return image;
}

static void check_read(const struct pgw_image *image, uint64_t pa, size_t len, const char *expected)
{
	char buf[64];

	assert_true(len <= sizeof(buf));
	if (!expected) {
		assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, buf, len), -PGW_EIO);
	} else {
		assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, buf, len), 0);
		assert_memory_equal(buf, expected, len);
	}
}

static void check_range(const struct pgw_image *image, uint64_t pa, uint64_t first, uint64_t last)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t ret_first, ret_last;

	assert_true(phys->ops->next_range(phys, pa, &ret_first, &ret_last));
	assert_int_equal(ret_first, first);
	assert_int_equal(ret_last, last);
}

static void check_no_range(const struct pgw_image *image, uint64_t pa)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t first, last;

	assert_false(phys->ops->next_range(phys, pa, &first, &last));
}

static void test_read__missing_bytes_are_unreadable_never_zero(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x1000, "abcd", 4, 8);
	image = open_image(&elf);
	check_read(image, 0x1000, 4, "abcd");
	check_read(image, 0x1003, 1, "d");
	check_read(image, 0x1004, 1, NULL);
	check_read(image, 0x1007, 1, NULL);
	check_read(image, 0x1000, 5, NULL);
	check_read(image, 0xfff, 1, NULL);
	check_read(image, 0xfff, 2, NULL);
	check_read(image, UINT64_MAX, 1, NULL);
	check_read(image, UINT64_MAX, 2, NULL);
	check_read(image, 0x5000, 0, "");
	check_range(image, 0, 0x1000, 0x1003);
	check_range(image, 0x1003, 0x1000, 0x1003);
	check_no_range(image, 0x1004);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, 4);
	assert_int_equal(pgw_image_get_info(image)->unreadable_bytes, 4);
	assert_null(pgw_image_phys(image)->ops->map);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_read__more_file_than_memory_is_cut(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x1000, "abcdefgh", 8, 3);
	image = open_image(&elf);
	check_read(image, 0x1000, 3, "abc");
	check_read(image, 0x1003, 1, NULL);
	assert_int_equal(pgw_image_get_info(image)->nr_segments, 1);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_read__earlier_segment_wins(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x1004, "1111", 4, 4);
	mkelf_segment(&elf, 0x1000, "222222222222", 12, 12);
	mkelf_segment(&elf, 0x100a, "3333", 4, 4);
	mkelf_segment(&elf, 0x1005, "44", 2, 2);
	image = open_image(&elf);
	check_read(image, 0x1000, 14, "22221111222233");
	check_range(image, 0, 0x1000, 0x100d);
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, 1);
	assert_int_equal(pgw_image_get_info(image)->nr_overlaps, 3);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, 14);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_read__held_bytes_win_over_missing_ones(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x1000, "1111", 4, 12);
	mkelf_segment(&elf, 0x1002, "2222", 4, 4);
	mkelf_segment(&elf, 0x1008, "33", 2, 2);
	image = open_image(&elf);
	check_read(image, 0x1000, 6, "111122");
	check_read(image, 0x1006, 1, NULL);
	check_read(image, 0x1008, 2, "33");
	check_read(image, 0x100a, 1, NULL);
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, 2);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, 8);
	assert_int_equal(pgw_image_get_info(image)->unreadable_bytes, 4);
	assert_int_equal(pgw_image_get_info(image)->nr_overlaps, 2);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_read__unsorted_neighbours_are_one_range(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x1008, "cccc", 4, 4);
	mkelf_segment(&elf, 0x2000, "zz", 2, 2);
	mkelf_segment(&elf, 0x1000, "aaaa", 4, 4);
	mkelf_segment(&elf, 0x3000, "", 0, 0);
	mkelf_segment(&elf, 0x1004, "bbbb", 4, 4);
	image = open_image(&elf);
	check_read(image, 0x1000, 12, "aaaabbbbcccc");
	check_read(image, 0x1003, 6, "abbbbc");
	check_read(image, 0x1000, 13, NULL);
	check_range(image, 0x1005, 0x1000, 0x100b);
	check_range(image, 0x100c, 0x2000, 0x2001);
	check_no_range(image, 0x2002);
	assert_int_equal(pgw_image_get_info(image)->nr_segments, 5);
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, 2);
	assert_int_equal(pgw_image_get_info(image)->nr_overlaps, 0);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_read__offset_outside_the_file_is_truncated(void **state)
{
	static const uint64_t offsets[] = { 0x100000, UINT64_MAX, UINT64_MAX - 3 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct pgw_image *image;
		struct mkelf elf;

		mkelf_init(&elf, MKELF_X86_64);
		mkelf_segment(&elf, 0x1000, "aaaa", 4, 4);
		mkelf_segment(&elf, 0x2000, "bbbb", 4, 4);
		mkelf_build(&elf);
		mkelf_put(&elf, mkelf_ph(1) + 8, 8, offsets[i]);
		image = open_image(&elf);
		assert_true(pgw_image_get_info(image)->truncated);
		check_read(image, 0x1000, 1, NULL);
		check_read(image, 0x2000, 4, "bbbb");
		pgw_image_close(image);
		mkelf_fini(&elf);
	}
}

static void test_read__no_segments_is_no_memory(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	image = open_image(&elf);
	check_no_range(image, 0);
	check_read(image, 0, 1, NULL);
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, 0);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

/* At and around 64 KiB reads change from the mapping to the file; ranges lie at odd offsets. */
static void test_read__all_sizes_read_the_same(void **state)
{
	size_t size = 3 * 65536 + 17;
	uint8_t *bytes = malloc(size), *buf = malloc(size);
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x10000 + 100001, bytes + 100001, size - 100001, size - 100001);
	mkelf_segment(&elf, 0x10000, bytes, 100001, 100001);
	image = open_image(&elf);
	for (size_t len = 65530; len < 65543; len++) {
		for (size_t at = 34000; at + len <= size && at < 110000; at += 4001) {
			assert_int_equal(
				pgw_phys_read(pgw_image_phys(image), 0x10000 + at, buf, len), 0);
			assert_memory_equal(buf, bytes + at, len);
		}
	}
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x10000, buf, size), 0);
	assert_memory_equal(buf, bytes, size);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x10001, buf, size), -PGW_EIO);
	pgw_image_close(image);
	mkelf_fini(&elf);
	free(bytes);
	free(buf);
}

/* More segments than 16 bits count, all of them inside each other: the first wins everywhere. */
static void test_read__many_nested_segments_end_in_time(void **state)
{
	uint32_t nr = 70000;
	uint8_t *bytes = malloc(nr);
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	memset(bytes, 'x', nr);
	mkelf_init(&elf, MKELF_X86_64);
	for (uint32_t i = 0; i < nr; i++)
		mkelf_segment(&elf, 0x100000 - i, bytes, 1, 2 * (uint64_t)i + 1);
	image = open_image(&elf);
	assert_int_equal(pgw_image_get_info(image)->nr_segments, nr);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, nr);
	assert_int_equal(pgw_image_get_info(image)->unreadable_bytes, nr - 1);
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, 1);
	check_range(image, 0, 0x100000 - (nr - 1), 0x100000);
	check_read(image, 0x100000 - 1234, 1, "x");
	pgw_image_close(image);
	mkelf_fini(&elf);
	free(bytes);
}

static void test_read__many_separate_segments_are_found(void **state)
{
	uint32_t nr = 60000;
	uint32_t *bytes = malloc(nr * sizeof(*bytes)), value;
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	for (uint32_t i = 0; i < nr; i++) {
		bytes[i] = i;
		/* 7919 has no factor in common with nr: every place once, in disorder */
		mkelf_segment(&elf, (uint64_t)(i * 7919 % nr) * 8, &bytes[i], 4, 4);
	}
	image = open_image(&elf);
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, nr);
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t pa = (uint64_t)(i * 7919 % nr) * 8;

		assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, &value, 4), 0);
		assert_int_equal(value, i);
		check_range(image, pa, pa, pa + 3);
	}
	pgw_image_close(image);
	mkelf_fini(&elf);
	free(bytes);
}

/* The model: one cell an address. */
#define MODEL_SIZE 200
#define MODEL_SEGMENTS 12

struct model {
	int owner[MODEL_SIZE]; /* the segment; -1 none, -2 - n: segment n, missing */
	uint64_t pa[MODEL_SEGMENTS], file_size[MODEL_SEGMENTS], mem_size[MODEL_SEGMENTS];
	uint8_t bytes[MODEL_SEGMENTS][MODEL_SIZE];
	int nr;
};

static void model_fill(struct model *model, uint64_t *random)
{
	model->nr = 1 + (int)(test_random(random) % MODEL_SEGMENTS);
	for (int i = 0; i < model->nr; i++) {
		model->pa[i] = test_random(random) % MODEL_SIZE;
		model->mem_size[i] = test_random(random) % (MODEL_SIZE - model->pa[i]);
		model->file_size[i] = test_random(random) % (model->mem_size[i] + 1);
		if (test_random(random) % 2)
			model->file_size[i] = model->mem_size[i];
		for (int j = 0; j < MODEL_SIZE; j++)
			model->bytes[i][j] = (uint8_t)test_random(random);
	}
	for (int a = 0; a < MODEL_SIZE; a++) {
		model->owner[a] = -1;
		for (int i = model->nr; i-- > 0;) {
			if ((uint64_t)a - model->pa[i] < model->mem_size[i])
				model->owner[a] = -2 - i;
		}
		for (int i = model->nr; i-- > 0;) {
			if ((uint64_t)a - model->pa[i] < model->file_size[i])
				model->owner[a] = i;
		}
	}
}

static void model_check_info(const struct model *model, const struct pgw_image_info *info)
{
	uint64_t won[MODEL_SEGMENTS] = { 0 }, nr_overlaps = 0, nr_ranges = 0;
	uint64_t readable = 0, unreadable = 0;

	for (int a = 0; a < MODEL_SIZE; a++) {
		int owner = model->owner[a];

		readable += owner >= 0;
		unreadable += owner < -1;
		nr_ranges += owner >= 0 && (a == 0 || model->owner[a - 1] < 0);
		if (owner != -1)
			won[owner >= 0 ? owner : -2 - owner]++;
	}
	for (int i = 0; i < model->nr; i++)
		nr_overlaps += won[i] < model->mem_size[i];
	assert_int_equal(info->readable_bytes, readable);
	assert_int_equal(info->unreadable_bytes, unreadable);
	assert_int_equal(info->nr_ranges, nr_ranges);
	assert_int_equal(info->nr_overlaps, nr_overlaps);
}

static void model_check_reads(const struct model *model, const struct pgw_image *image)
{
	const struct pgw_phys *phys = pgw_image_phys(image);

	for (uint64_t first = 0; first < MODEL_SIZE; first++) {
		uint8_t expected[MODEL_SIZE], buf[MODEL_SIZE];
		uint64_t a = first, ret_first, ret_last;

		for (; a < MODEL_SIZE && model->owner[a] >= 0; a++) {
			int owner = model->owner[a];

			expected[a - first] = model->bytes[owner][a - model->pa[owner]];
		}
		assert_int_equal(pgw_phys_read(phys, first, buf, a - first), 0);
		assert_memory_equal(buf, expected, a - first);
		assert_int_equal(pgw_phys_read(phys, first, buf, a - first + 1), -PGW_EIO);
		if (a > first) {
			assert_true(phys->ops->next_range(phys, first, &ret_first, &ret_last));
			assert_true(ret_first <= first);
			assert_int_equal(ret_last, a - 1);
		}
	}
}

static void test_read__random_segments_match_model(void **state)
{
	uint64_t random = test_seed();

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct pgw_image *image;
		struct model model;
		struct mkelf elf;

		model_fill(&model, &random);
		mkelf_init(&elf, MKELF_X86_64);
		for (int j = 0; j < model.nr; j++)
			mkelf_segment(&elf, model.pa[j], model.bytes[j], model.file_size[j],
				      model.mem_size[j]);
		image = open_image(&elf);
		model_check_info(&model, pgw_image_get_info(image));
		model_check_reads(&model, image);
		pgw_image_close(image);
		mkelf_fini(&elf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read__missing_bytes_are_unreadable_never_zero),
		cmocka_unit_test(test_read__more_file_than_memory_is_cut),
		cmocka_unit_test(test_read__earlier_segment_wins),
		cmocka_unit_test(test_read__held_bytes_win_over_missing_ones),
		cmocka_unit_test(test_read__unsorted_neighbours_are_one_range),
		cmocka_unit_test(test_read__offset_outside_the_file_is_truncated),
		cmocka_unit_test(test_read__no_segments_is_no_memory),
		cmocka_unit_test(test_read__all_sizes_read_the_same),
		cmocka_unit_test(test_read__many_nested_segments_end_in_time),
		cmocka_unit_test(test_read__many_separate_segments_are_found),
		cmocka_unit_test(test_read__random_segments_match_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
