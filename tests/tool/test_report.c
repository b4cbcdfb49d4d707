/* SPDX-License-Identifier: BSD-2-Clause */
/* A line says the same whatever was written before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "report/report.h"

#define NR_EXTENTS 20000

static const struct pgw_format *format;
static struct pgw_control control;

/* Few different ones, so that neighbours are often equal and often differ in one thing. */
static struct pgw_extent some_extent(uint64_t *random)
{
	static const uint64_t bits[] = { 0x63, 0x67, 0x163, UINT64_C(1) << 63 | 0x63, 0xe3 };
	uint64_t choice = test_random(random), page = test_random(random) % 1024 * 0x200000;
	uint8_t level = choice >> 8 & 3 ? 0 : 1;
	struct pgw_extent extent = {
		.va_first = UINT64_C(0xffff800000000000) + page,
		.pa = page ^ 0x40000000,
		.kind = choice % 50 ? PGW_ENTRY_LEAF : PGW_ENTRY_UNREADABLE,
		.level = level,
		.leaf_lg2 = level ? 21 : 12,
		.rights = choice >> 16 & 3 ? PGW_KERNEL_R
					   : PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X,
	};

	extent.entry = extent.pa | bits[(choice >> 24) % (choice >> 32 & 1 ? 1 : 5)];
	extent.va_last =
		extent.va_first +
		(UINT64_C(1) << extent.leaf_lg2) * (choice >> 40 & 3 ? 1 : 1 + (choice >> 48) % 3) -
		1;
	return extent;
}

static struct report *report_new(struct out *out, const struct renderer *renderer)
{
	struct report *report = calloc(1, sizeof(*report));

	assert_non_null(report);
	report->renderer = renderer;
	report->out = out;
	report->format = format;
	report->control = &control;
	report->root_pa = 0x1000;
	return report;
}

static void read_all(FILE *file, char **ret, size_t *ret_size)
{
	*ret_size = (size_t)lseek(fileno(file), 0, SEEK_END);
	*ret = malloc(*ret_size + 1);
	assert_non_null(*ret);
	assert_int_equal(pread(fileno(file), *ret, *ret_size, 0), *ret_size);
}

/** The same lines, written in two ways. */
static struct out one_out, each_out;
static FILE *one, *each;

static void open_both(bool color)
{
	one = tmpfile();
	each = tmpfile();
	assert_non_null(one);
	assert_non_null(each);
	out_init(&one_out, fileno(one), color);
	out_init(&each_out, fileno(each), color);
}

static void close_both(void)
{
	char *one_text, *each_text;
	size_t one_size, each_size;

	out_flush(&one_out);
	out_flush(&each_out);
	read_all(one, &one_text, &one_size);
	read_all(each, &each_text, &each_size);
	assert_int_equal(one_size, each_size);
	assert_true(one_size > 2 * OUT_BLOCK);
	assert_memory_equal(one_text, each_text, one_size);
	free(one_text);
	free(each_text);
	fclose(one);
	fclose(each);
}

/* By a new report, which knows of no line before. */
static void write_alone(const struct renderer *renderer, const struct pgw_extent *extent)
{
	struct report *report = report_new(&each_out, renderer);

	renderer->extent(report, extent);
	free(report);
}

/* Once by one report for all lines, once by a new one for each. */
static void check(const struct renderer *renderer, bool color, uint64_t seed)
{
	struct report *report;

	open_both(color);
	report = report_new(&one_out, renderer);
	for (int i = 0; i < NR_EXTENTS; i++) {
		struct pgw_extent extent = some_extent(&seed);

		renderer->extent(report, &extent);
		write_alone(renderer, &extent);
	}
	free(report);
	close_both();
}

static void test_report__lines_do_not_depend_on_those_before(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	format = pgw_format_by_name("x86_64-la48");
	control = pgw_control_assume(format, &(struct pgw_control){ 0 });
	for (int color = 0; color < 2; color++) {
		check(&renderer_text, color, seed);
		check(&renderer_json, color, seed);
	}
}

static void write_leaves_alone(const struct renderer *renderer, const struct pgw_extent *extent)
{
	uint64_t size = UINT64_C(1) << extent->leaf_lg2, va = extent->va_first;

	while (va <= extent->va_last) {
		struct pgw_extent leaf = *extent;

		leaf.va_first = va;
		leaf.va_last = va | (size - 1);
		if (leaf.va_last > extent->va_last)
			leaf.va_last = extent->va_last;
		leaf.pa += va - extent->va_first;
		leaf.entry += (va & -size) - (extent->va_first & -size);
		write_alone(renderer, &leaf);
		va = leaf.va_last + 1;
	}
}

static void check_leaves(const struct renderer *renderer, uint64_t seed)
{
	struct report *report;

	open_both(false);
	report = report_new(&one_out, renderer);
	for (int i = 0; i < NR_EXTENTS; i++) {
		struct pgw_extent extent = some_extent(&seed);

		/* Some are cut by a range that begins or ends inside a leaf. */
		if (i % 5 == 0) {
			extent.va_first += 0x123;
			extent.pa += 0x123;
		}
		if (i % 7 == 0)
			extent.va_last -= 0x456;
		report_leaves(report, &extent);
		if (extent.kind == PGW_ENTRY_LEAF)
			write_leaves_alone(renderer, &extent);
		else
			write_alone(renderer, &extent);
	}
	free(report);
	close_both();
}

static void test_report__runs_are_written_leaf_by_leaf(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	format = pgw_format_by_name("x86_64-la48");
	control = pgw_control_assume(format, &(struct pgw_control){ 0 });
	check_leaves(&renderer_text, seed);
	check_leaves(&renderer_json, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report__lines_do_not_depend_on_those_before),
		cmocka_unit_test(test_report__runs_are_written_leaf_by_leaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
