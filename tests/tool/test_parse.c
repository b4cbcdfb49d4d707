/* SPDX-License-Identifier: BSD-2-Clause */

/* The small languages of the command line, and how numbers are written. */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "parse.h"
#include "report/out.h"

#define NR(a) (sizeof(a) / sizeof((a)[0]))

static void test_parse_hex__takes_64_bits_and_nothing_else(void **state)
{
	static const char *const wrong[] = { "",
					     "0x",
					     "g",
					     "1g",
					     " 1",
					     "1 ",
					     "+1",
					     "-1",
					     "0x0x1",
					     "10000000000000000",
					     "0x1ffffffffffffffff",
					     "1_0" };
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < NR(wrong); i++)
		assert_false(parse_hex(wrong[i], &value));
	assert_int_equal(value, 7);
	assert_true(parse_hex("0", &value));
	assert_int_equal(value, 0);
	assert_true(parse_hex("0XaBcDeF", &value));
	assert_int_equal(value, 0xabcdef);
	assert_true(parse_hex("ffffffffffffffff", &value));
	assert_true(value == UINT64_MAX);
	assert_true(parse_hex("0000000000000000000000010", &value));
	assert_int_equal(value, 16);
}

static void test_parse_dec__takes_64_bits_and_nothing_else(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(parse_dec("18446744073709551615", &value));
	assert_true(value == UINT64_MAX);
	assert_false(parse_dec("18446744073709551616", &value));
	assert_false(parse_dec("99999999999999999999999", &value));
	assert_false(parse_dec("a", &value));
	assert_false(parse_dec("", &value));
}

static void test_parse_range__both_forms_are_inclusive(void **state)
{
	static const struct {
		const char *text;
		uint64_t first, last;
	} right[] = {
		{ "0-0", 0, 0 },
		{ "1000-1fff", 0x1000, 0x1fff },
		{ "0-ffffffffffffffff", 0, UINT64_MAX },
		{ "0x1000+1000", 0x1000, 0x1fff },
		{ "0x1000+0x10", 0x1000, 0x100f },
		{ "1000+10K", 0x1000, 0x37ff },
		{ "0+2M", 0, 0x1fffff },
		{ "0+1G", 0, 0x3fffffff },
		{ "0+3T", 0, 0x2ffffffffff },
		{ "ffffffffffffffff+1", UINT64_MAX, UINT64_MAX },
		{ "fffffffffffff000+4K", UINT64_MAX - 0xfff, UINT64_MAX },
	};
	static const char *const wrong[] = { "",
					     "-",
					     "+",
					     "1",
					     "1-",
					     "-1",
					     "2-1",
					     "1+",
					     "1+0",
					     "1+0K",
					     "1--2",
					     "1-2-3",
					     "1+2K3",
					     "1+K",
					     "1+1P",
					     "1+0x1K",
					     "ffffffffffffffff+2",
					     "1+16777216T",
					     "1+99999999999999T" };
	uint64_t first, last;

	(void)state;
	for (size_t i = 0; i < NR(right); i++) {
		assert_true(parse_range(right[i].text, &first, &last));
		assert_true(first == right[i].first && last == right[i].last);
	}
	for (size_t i = 0; i < NR(wrong); i++)
		assert_false(parse_range(wrong[i], &first, &last));
}

static void test_parse_part__a_size_is_optional(void **state)
{
	static const struct {
		const char *text;
		uint64_t offset, size;
	} right[] = { { "0", 0, 0 },
		      { "0x1000", 0x1000, 0 },
		      { "d0000000+10000000", 0xd0000000, 0x10000000 },
		      { "10+1", 16, 1 },
		      { "0+256M", 0, UINT64_C(256) << 20 },
		      { "ffffffffffffffff", UINT64_MAX, 0 } };
	static const char *const wrong[] = { "",
					     "x",
					     "+1",
					     "10+",
					     "10+0",
					     "10+0K",
					     "10+1x",
					     "10-20",
					     "10 ",
					     "10+1+1",
					     "10K",
					     "10+1KB",
					     "-1",
					     "0x",
					     "ffffffffffffffff+1",
					     "1+99999999999999T" };
	uint64_t offset = 7, size = 7;

	(void)state;
	for (size_t i = 0; i < NR(wrong); i++)
		assert_false(parse_part(wrong[i], &offset, &size));
	assert_true(offset == 7 && size == 7);
	for (size_t i = 0; i < NR(right); i++) {
		assert_true(parse_part(right[i].text, &offset, &size));
		assert_true(offset == right[i].offset && size == right[i].size);
	}
}

static void test_parse_rights__lists_add_up(void **state)
{
	static const struct {
		const char *text;
		uint8_t all, none;
	} right[] = {
		{ "k:r", PGW_KERNEL_R, 0 },
		{ "k:wx", PGW_KERNEL_W | PGW_KERNEL_X, 0 },
		{ "u:!r", 0, PGW_USER_R },
		{ "u:r!w!x", PGW_USER_R, PGW_USER_W | PGW_USER_X },
		{ "ku:x", PGW_KERNEL_X | PGW_USER_X, 0 },
		{ "ku:!w,k:r", PGW_KERNEL_R, PGW_KERNEL_W | PGW_USER_W },
		{ "k:x,u:!x", PGW_KERNEL_X, PGW_USER_X },
		{ "k:rr", PGW_KERNEL_R, 0 },
	};
	static const char *const wrong[] = { "",      "k",     "k:",        ":r",   "u:y",
					     "uk:r",  "kk:r",  "k:r,",      ",k:r", "k:!",
					     "k:!!r", "k:r!r", "k:r,ku:!r", "K:r",  "k: r" };
	struct parse_rights rights;

	(void)state;
	for (size_t i = 0; i < NR(right); i++) {
		assert_true(parse_rights(right[i].text, &rights));
		assert_int_equal(rights.all, right[i].all);
		assert_int_equal(rights.none, right[i].none);
	}
	for (size_t i = 0; i < NR(wrong); i++)
		assert_false(parse_rights(wrong[i], &rights));
}

static void test_parse_levels__numbers_names_and_sizes(void **state)
{
	static const char *const wrong[] = {
		"",     ",",  "6",         "0,",
		",0",   "-1", "ptes",      "PTE",
		"3K",   "0K", "K",         "4k",
		"4096", "1P", "20000000T", "000000000000000000000000000000001"
	};
	struct parse_levels levels;

	(void)state;
	assert_true(parse_levels("0,pmd,4", &levels));
	assert_int_equal(levels.levels, 1 << 0 | 1 << 1 | 1 << 4);
	assert_true(!levels.top && !levels.sizes);
	assert_true(parse_levels("pte,pud,p4d,pgd", &levels));
	assert_int_equal(levels.levels, 1 << 0 | 1 << 2 | 1 << 3);
	assert_true(levels.top);
	assert_true(parse_levels("4K,2M,1G", &levels));
	assert_true(levels.sizes == (1 << 12 | 1 << 21 | 1 << 30));
	for (size_t i = 0; i < NR(wrong); i++)
		assert_false(parse_levels(wrong[i], &levels));
}

/* What a function writes, read back through a pipe. */
static void assert_written(struct out *out, int fd, const char *expected)
{
	char text[256];
	ssize_t len;

	out_flush(out);
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	assert_string_equal(text, expected);
}

static void test_out__numbers_are_printf_s(void **state)
{
	static struct out out;
	uint64_t random = test_seed();
	char expected[128];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	out_init(&out, fds[1], false);
	for (int i = 0; i < 500; i++) {
		uint64_t value = i == 0   ? 0
				 : i == 1 ? UINT64_MAX
					  : test_random(&random) >> (i % 64);

		snprintf(expected, sizeof(expected),
			 "0x%016" PRIx64 " 0x%" PRIx64 " %" PRIu64 " %9" PRIu64, value, value,
			 value, value);
		out_hex(&out, value);
		out_char(&out, ' ');
		out_hex_short(&out, value);
		out_char(&out, ' ');
		out_dec(&out, value);
		out_char(&out, ' ');
		out_dec_padded(&out, value, 9);
		assert_written(&out, fds[0], expected);
	}
	close(fds[0]);
	close(fds[1]);
}

static void test_out__sizes_keep_every_byte(void **state)
{
	static struct out out;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	out_init(&out, fds[1], false);
	out_size(&out, 0, 0);
	out_size(&out, 1023, 6);
	out_size(&out, 1024, 3);
	out_size(&out, 1025 * 1024, 0);
	out_size(&out, UINT64_C(3) << 20, 0);
	out_size(&out, UINT64_C(512) << 30, 0);
	out_size(&out, UINT64_C(1) << 60, 0);
	out_size(&out, UINT64_C(1) << 63, 0);
	assert_written(&out, fds[0], "0B 1023B 1K1025K3M512G1E8E");
	out_untrusted(&out, "a\033[1m\n\x80~", 8);
	assert_written(&out, fds[0], "a\\x1b[1m\\x0a\\x80~");
	close(fds[0]);
	close(fds[1]);
}

/* More than a block, in pieces of every size up to two blocks, arrives whole and in order. */
static void test_out__blocks_are_seamless(void **state)
{
	static struct out out;
	static char piece[2 * OUT_BLOCK + 1], back[2 * OUT_BLOCK + 1];
	uint64_t random = test_seed();
	FILE *file = tmpfile();
	long total = 0, checked = 0;

	(void)state;
	assert_non_null(file);
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char)('a' + i % 26);
	out_init(&out, fileno(file), false);
	for (int i = 0; i < 60; i++) {
		size_t len = test_random(&random) % (i % 3 ? 100 : sizeof(piece));

		/* The text goes on where it stopped, modulo the alphabet. */
		out_bytes(&out, piece + total % 26, len > 26 ? len - 26 : len);
		total += (long)(len > 26 ? len - 26 : len);
	}
	out_flush(&out);
	assert_false(out_failed(&out));
	rewind(file);
	while (checked < total) {
		size_t len = fread(back, 1, sizeof(back) - 26, file);

		assert_true(len > 0);
		assert_memory_equal(back, piece + checked % 26, len);
		checked += (long)len;
	}
	assert_int_equal(checked, total);
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
}

static void test_out__first_error_sticks(void **state)
{
	static struct out out;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	out_init(&out, fds[0], false); /* the end that cannot be written */
	out_str(&out, "text");
	assert_false(out_failed(&out));
	out_flush(&out);
	assert_true(out_failed(&out));
	for (int i = 0; i < OUT_BLOCK; i++)
		out_str(&out, "more");
	assert_true(out_failed(&out));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_hex__takes_64_bits_and_nothing_else),
		cmocka_unit_test(test_parse_dec__takes_64_bits_and_nothing_else),
		cmocka_unit_test(test_parse_range__both_forms_are_inclusive),
		cmocka_unit_test(test_parse_part__a_size_is_optional),
		cmocka_unit_test(test_parse_rights__lists_add_up),
		cmocka_unit_test(test_parse_levels__numbers_names_and_sizes),
		cmocka_unit_test(test_out__numbers_are_printf_s),
		cmocka_unit_test(test_out__sizes_keep_every_byte),
		cmocka_unit_test(test_out__blocks_are_seamless),
		cmocka_unit_test(test_out__first_error_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
