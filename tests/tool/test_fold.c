/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a dump folds, written out again, is what it reports without folding: range by range,
 * after neighbours of which one goes on from one copy of a table into the next were joined here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define PAGE UINT64_C(0x1000)
#define P UINT64_C(0x001)
#define RW UINT64_C(0x002)
#define US UINT64_C(0x004)
#define PS UINT64_C(0x080)
#define MALFORMED_LARGE (PS | P | UINT64_C(0x2000))
#define OUTSIDE UINT64_C(0x100000)

/* Page n of this memory is at physical address n pages; a few tables for each level. */
#define NR_LEVELS 4
#define NR_TABLES 3
#define NR_PAGES (NR_LEVELS * NR_TABLES)
#define LAST_USER UINT64_C(0x00007fffffffffff)
#define MAX_EXTENTS (1 << 20)

struct list {
	struct pgw_extent *extents;
	size_t nr;
};

struct fixture {
	_Alignas(4096) uint64_t page[NR_PAGES][512];
	struct pgw_phys_memory memory;
	struct pgw_phys_ops copy_ops; /* the same bytes, never pointed at: read by windows */
	struct pgw_phys copy_phys;
	struct pgw_mm *mm;
	struct pgw_dump_args args;
	struct list folded, plain; /* joined */
	size_t nr_reports;
	struct pgw_repeats repeats; /* of the last report that had any */
};

static uint64_t *table(struct fixture *f, unsigned level, unsigned index)
{
	return f->page[(NR_LEVELS - 1 - level) * NR_TABLES + index];
}

static uint64_t table_pa(unsigned level, unsigned index)
{
	return ((NR_LEVELS - 1 - level) * NR_TABLES + index) * PAGE;
}

static void list_add(struct list *list, const struct pgw_extent *extent)
{
	assert_true(list->nr < MAX_EXTENTS);
	list->extents[list->nr++] = *extent;
}

static int note(const struct pgw_extent *extent, void *arg)
{
	struct fixture *f = (struct fixture *)arg;

	f->nr_reports++;
	list_add(&f->folded, extent);
	return 0;
}

static int note_plain(const struct pgw_extent *extent, void *arg)
{
	struct fixture *f = (struct fixture *)arg;

	list_add(&f->plain, extent);
	return 0;
}

/* Write it out, the outermost repeat first. */
static void expand(struct list *list, struct pgw_extent extent, const struct pgw_repeat *by,
		   unsigned nr)
{
	if (!nr) {
		list_add(list, &extent);
		return;
	}
	for (uint64_t i = 0; i < by[nr - 1].nr; i++) {
		expand(list, extent, by, nr - 1);
		extent.va_first += by[nr - 1].step;
		extent.va_last += by[nr - 1].step;
	}
}

static int note_repeated(const struct pgw_extent *extent, const struct pgw_repeats *repeats,
			 void *arg)
{
	struct fixture *f = (struct fixture *)arg;

	f->nr_reports++;
	f->repeats = *repeats;
	assert_true(repeats->nr > 0 && repeats->nr <= PGW_MAX_LEVELS);
	for (unsigned i = 0; i < repeats->nr; i++)
		assert_true(repeats->by[i].nr > 1);
	expand(&f->folded, *extent, repeats->by, repeats->nr);
	assert_true(f->folded.extents[f->folded.nr - 1].va_last == repeats->va_last);
	return 0;
}

static int by_va(const void *a, const void *b)
{
	const struct pgw_extent *x = (const struct pgw_extent *)a;
	const struct pgw_extent *y = (const struct pgw_extent *)b;

	return x->va_first < y->va_first ? -1 : x->va_first > y->va_first;
}

/* The definition of a range in analysis.h, once more. */
static bool goes_on(const struct pgw_format *format, const struct pgw_extent *a,
		    const struct pgw_extent *b)
{
	if (a->va_last + 1 != b->va_first || a->kind != b->kind || a->level != b->level)
		return false;
	return a->kind != PGW_ENTRY_LEAF ||
	       (a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights &&
		a->pa + (a->va_last - a->va_first) + 1 == b->pa &&
		((a->entry ^ b->entry) & pgw_format_attr_mask(format, a->level)) == 0);
}

static void list_join(struct list *list, const struct pgw_format *format)
{
	size_t nr = 0;

	qsort(list->extents, list->nr, sizeof(list->extents[0]), by_va);
	for (size_t i = 0; i < list->nr; i++) {
		struct pgw_extent *last = list->extents + nr - 1;

		if (nr && goes_on(format, last, &list->extents[i]))
			last->va_last = list->extents[i].va_last;
		else
			list->extents[nr++] = list->extents[i];
	}
	list->nr = nr;
}

static void fixture_init(struct fixture *f)
{
	struct list folded = f->folded, plain = f->plain;

	memset(f, 0, sizeof(*f));
	f->folded.extents =
		folded.extents ? folded.extents : calloc(MAX_EXTENTS, sizeof(*plain.extents));
	f->plain.extents =
		plain.extents ? plain.extents : calloc(MAX_EXTENTS, sizeof(*plain.extents));
	assert_true(f->folded.extents && f->plain.extents);
	assert_int_equal(pgw_phys_memory_init(&f->memory, 0, f->page, sizeof(f->page)), 0);
	f->copy_ops = *f->memory.phys.ops;
	f->copy_ops.map = NULL;
	f->copy_phys = (struct pgw_phys){ &f->copy_ops, &f->memory };
	f->args = (struct pgw_dump_args){ .last = LAST_USER, .arg = f };
}

/* The source of the memory. */
static void attach(struct fixture *f, const struct pgw_phys *phys)
{
	struct pgw_mm_attach_args attach = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = phys,
		.root.pa = table_pa(3, 0),
		.half = PGW_HALF_USER,
	};

	assert_int_equal(pgw_mm_attach(&attach, &f->mm), 0);
	f->args.mm = f->mm;
}

static void dump_folded(struct fixture *f, struct pgw_dump_summary *ret)
{
	f->folded.nr = f->nr_reports = 0;
	*ret = (struct pgw_dump_summary){ 0 };
	f->args.fn = note;
	f->args.repeated_fn = note_repeated;
	assert_int_equal(pgw_dump(&f->args, ret), 0);
}

static void assert_same_extent(const struct pgw_extent *a, const struct pgw_extent *b)
{
	assert_true(a->va_first == b->va_first && a->va_last == b->va_last);
	assert_true(a->pa == b->pa && a->entry == b->entry && a->kind == b->kind);
	assert_true(a->level == b->level && a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights);
}

static void assert_same(struct fixture *f)
{
	const struct pgw_format *format = pgw_mm_format(f->mm);
	struct pgw_dump_summary folded, plain = { 0 };

	dump_folded(f, &folded);
	f->plain.nr = 0;
	f->args.fn = note_plain;
	f->args.repeated_fn = NULL;
	assert_int_equal(pgw_dump(&f->args, &plain), 0);

	list_join(&f->folded, format);
	assert_int_equal(f->folded.nr, f->plain.nr);
	for (size_t i = 0; i < f->plain.nr; i++)
		assert_same_extent(&f->folded.extents[i], &f->plain.extents[i]);
	assert_int_equal(folded.nr_ranges, plain.nr_ranges);
	assert_int_equal(folded.nr_leaves, plain.nr_leaves);
	assert_int_equal(folded.bytes, plain.bytes);
	assert_memory_equal(folded.level_leaves, plain.level_leaves, sizeof(plain.level_leaves));
	assert_int_equal(folded.scan.nr_leaves, plain.scan.nr_leaves);
	assert_int_equal(folded.scan.nr_malformed, plain.scan.nr_malformed);
	assert_int_equal(folded.scan.nr_unreadable, plain.scan.nr_unreadable);
	assert_true(folded.scan.nr_tables <= plain.scan.nr_tables);
}

/* KASAN's early shadow: every table's slots lead to one table, down to one page. */
static void test_fold__a_shadow_of_one_page_is_one_report(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary;

	(void)state;
	fixture_init(&f);
	for (unsigned i = 0; i < 512; i++) {
		table(&f, 2, 0)[i] = table_pa(1, 0) | P | RW;
		table(&f, 1, 0)[i] = table_pa(0, 0) | P | RW;
		table(&f, 0, 0)[i] = 0x7000 | P;
	}
	for (unsigned i = 8; i < 40; i++)
		table(&f, 3, 0)[i] = table_pa(2, 0) | P | RW;
	attach(&f, &f.copy_phys);
	f.args.fn = note;
	f.args.repeated_fn = note_repeated;
	f.folded.nr = 0;
	/* 2^32 leaves are not to be written out: one copy alone. */
	f.args.first = UINT64_C(8) << 39;
	f.args.last = f.args.first + (UINT64_C(1) << 30) - 1;
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 1);
	assert_int_equal(f.repeats.nr, 1);
	assert_int_equal(f.repeats.by[0].nr, 1 << 18);
	assert_int_equal(f.repeats.by[0].step, PAGE);
	assert_int_equal(summary.nr_leaves, 1 << 18);
	assert_int_equal(summary.nr_ranges, 1 << 18);
	assert_int_equal(summary.nr_lines, 1);
	assert_int_equal(summary.scan.nr_tables, 4);
	assert_same(&f);
	pgw_mm_free(f.mm);
}

static int count(const struct pgw_extent *extent, void *arg)
{
	(void)extent;
	++*(size_t *)arg;
	return 0;
}

static int count_repeated(const struct pgw_extent *extent, const struct pgw_repeats *repeats,
			  void *arg)
{
	assert_int_equal(extent->va_first, UINT64_C(8) << 39);
	assert_int_equal(repeats->nr, 1);
	assert_true(repeats->by[0].nr == UINT64_C(1) << 32);
	assert_true(repeats->by[0].step == PAGE);
	assert_true(repeats->va_last == (UINT64_C(40) << 39) - 1);
	return count(extent, arg);
}

/* All of it: 2^32 leaves by 4 visits, whatever the filter. */
static void test_fold__time_goes_by_tables(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary = { 0 };
	size_t nr = 0;

	(void)state;
	fixture_init(&f);
	for (unsigned i = 0; i < 512; i++) {
		table(&f, 2, 0)[i] = table_pa(1, 0) | P | RW;
		table(&f, 1, 0)[i] = table_pa(0, 0) | P | RW;
		table(&f, 0, 0)[i] = 0x7000 | P;
	}
	for (unsigned i = 8; i < 40; i++)
		table(&f, 3, 0)[i] = table_pa(2, 0) | P | RW;
	attach(&f, &f.copy_phys);
	f.args.fn = count;
	f.args.repeated_fn = count_repeated;
	f.args.arg = &nr;
	assert_int_equal(pgw_dump(&f.args, &summary), 0);
	assert_int_equal(nr, 1);
	assert_true(summary.nr_leaves == UINT64_C(1) << 32);
	assert_true(summary.bytes == UINT64_C(1) << 44);
	assert_int_equal(summary.scan.nr_tables, 4);
	f.args.filter.rights_all = PGW_KERNEL_W;
	summary = (struct pgw_dump_summary){ 0 };
	assert_int_equal(pgw_dump(&f.args, &summary), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(summary.nr_leaves, 0);
	assert_int_equal(summary.scan.nr_tables, 4);
	pgw_mm_free(f.mm);
}

/* ESPFIX: a page in every 16th slot, of tables that repeat. */
static void test_fold__equal_distances_go_on_through_tables(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary;

	(void)state;
	fixture_init(&f);
	table(&f, 3, 0)[0] = table_pa(2, 0) | P | RW;
	for (unsigned i = 0; i < 4; i++)
		table(&f, 2, 0)[i] = table_pa(1, 0) | P | RW;
	for (unsigned i = 0; i < 512; i++)
		table(&f, 1, 0)[i] = table_pa(0, 0) | P | RW;
	for (unsigned i = 7; i < 512; i += 16)
		table(&f, 0, 0)[i] = 0x7000 | P;
	attach(&f, &f.copy_phys);
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 1);
	assert_int_equal(f.repeats.nr, 1);
	assert_int_equal(f.repeats.by[0].nr, 65536);
	assert_int_equal(f.repeats.by[0].step, 16 * PAGE);
	assert_int_equal(f.repeats.va_last, (UINT64_C(1) << 32) - 8 * PAGE - 1);
	assert_same(&f);

	/* One slot with other rights divides the tables before and after it. */
	table(&f, 1, 0)[100] = table_pa(0, 0) | P | US;
	assert_same(&f);
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 3);
	assert_int_equal(f.repeats.nr, 2);
	assert_int_equal(f.repeats.by[0].nr, 32 * 411);
	assert_int_equal(f.repeats.by[1].nr, 4);
	assert_int_equal(f.repeats.by[1].step, 1 << 30);
	pgw_mm_free(f.mm);
}

/* Seven leaves are seven lines, eight are one; two at any distance do not hide eight behind them. */
static void test_fold__few_leaves_are_not_folded(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary;
	uint64_t *pte;

	(void)state;
	fixture_init(&f);
	table(&f, 3, 0)[0] = table_pa(2, 0) | P | RW;
	table(&f, 2, 0)[0] = table_pa(1, 0) | P | RW;
	table(&f, 1, 0)[0] = table_pa(0, 0) | P | RW;
	pte = table(&f, 0, 0);
	attach(&f, &f.memory.phys);
	for (unsigned i = 0; i < 70; i += 10)
		pte[i] = 0x7000 | P;
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 7);
	pte[70] = 0x7000 | P;
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 1);
	pte[70] = 0x8000 | P; /* another page */
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 8);
	pte[70] = 0x7000 | P | RW;
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 8);
	pte[70] = 0;
	for (unsigned i = 100; i < 108; i++)
		pte[i] = 0x7000 | P;
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 8);
	assert_int_equal(f.repeats.by[0].nr, 8);
	assert_int_equal(summary.nr_lines, 8);
	assert_int_equal(summary.nr_ranges, 15);
	assert_same(&f);
	pgw_mm_free(f.mm);
}

/* A range that goes on from the end of a table to the start of its next copy is one. */
static void test_fold__ranges_that_leave_a_copy_count_once(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary;

	(void)state;
	fixture_init(&f);
	table(&f, 3, 0)[0] = table_pa(2, 0) | P | RW;
	table(&f, 2, 0)[0] = table_pa(1, 0) | P | RW;
	for (unsigned i = 0; i < 3; i++)
		table(&f, 1, 0)[1 + i] = table_pa(0, 0) | P | RW;
	for (unsigned i = 0; i < 512; i++)
		table(&f, 0, 0)[i] = (0x20000 + (i + 256) % 512 * PAGE) | P;
	attach(&f, &f.memory.phys);
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 2);
	/* Each copy has two; two pairs are one range. */
	assert_int_equal(summary.nr_ranges, 4 + 2 - 2);
	assert_same(&f);
	pgw_mm_free(f.mm);
}

static void test_fold__the_limit_bounds_lines_and_says_where(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary = { 0 };
	uint64_t *pte;

	(void)state;
	fixture_init(&f);
	table(&f, 3, 0)[0] = table_pa(2, 0) | P | RW;
	table(&f, 2, 0)[0] = table_pa(1, 0) | P | RW;
	table(&f, 1, 0)[0] = table_pa(0, 0) | P | RW;
	pte = table(&f, 0, 0);
	for (unsigned i = 0; i < 10; i++)
		pte[i] = (0x7000 + i * PAGE) | P;
	pte[20] = pte[22] = 0x7000 | P;
	attach(&f, &f.memory.phys);
	f.args.fn = note;
	f.args.max_lines = 3;
	assert_int_equal(pgw_dump(&f.args, &summary), 0);
	assert_false(summary.scan.truncated);
	assert_int_equal(f.folded.nr, 3);

	f.args.max_lines = 2;
	f.folded.nr = 0;
	for (int folds = 0; folds < 2; folds++) {
		summary = (struct pgw_dump_summary){ 0 };
		f.args.repeated_fn = folds ? note_repeated : NULL;
		f.folded.nr = 0;
		assert_int_equal(pgw_dump(&f.args, &summary), -PGW_E2BIG);
		assert_true(summary.scan.truncated && summary.out_of_lines);
		assert_int_equal(summary.scan.truncated_va, 22 * PAGE);
		assert_int_equal(f.folded.nr, 2);
		assert_int_equal(summary.nr_ranges, 2);
		assert_int_equal(summary.nr_leaves, 11);
	}

	/* Of a run, as many leaves as may be. */
	f.args.merge = PGW_DUMP_RUNS;
	f.args.max_lines = 4;
	f.args.first = 0x800;
	f.folded.nr = 0;
	summary = (struct pgw_dump_summary){ 0 };
	assert_int_equal(pgw_dump(&f.args, &summary), -PGW_E2BIG);
	assert_int_equal(f.folded.nr, 1);
	assert_int_equal(f.folded.extents[0].va_last, 0x3fff);
	assert_int_equal(summary.scan.truncated_va, 0x4000);
	assert_int_equal(summary.nr_leaves, 4);
	f.args.max_lines = 12;
	summary = (struct pgw_dump_summary){ 0 };
	assert_int_equal(pgw_dump(&f.args, &summary), 0);
	pgw_mm_free(f.mm);
}

/* ---- anything ---- */

static unsigned below(uint64_t *seed, unsigned n)
{
	return (unsigned)(test_random(seed) % n);
}

static uint64_t random_leaf(uint64_t *seed, unsigned level)
{
	const uint64_t pages = UINT64_C(1) << 9 * level;
	uint64_t pa = (64 + below(seed, 3)) * pages * PAGE;

	return pa | (below(seed, 3) ? P | RW : P) | (level ? PS : 0);
}

static uint64_t random_item(uint64_t *seed, unsigned level)
{
	/* The upper levels mostly lead on. */
	switch (below(seed, level > 1 ? 30 : 8)) {
	case 0:
		return 0;
	case 1:
		return level == 3 ? 0 : random_leaf(seed, level > 1 ? 1 : level);
	case 2:
		return level == 1 ? MALFORMED_LARGE : 0;
	case 3:
		return level ? OUTSIDE | P | RW : 0;
	default:
		if (!level)
			return random_leaf(seed, 0);
		return table_pa(level - 1, below(seed, NR_TABLES)) | P | US |
		       (below(seed, 4) ? RW : 0);
	}
}

/* Stretches of the same item, of consecutive leaves, of a pattern; nothing in the others. */
static void fill(struct fixture *f, uint64_t *seed, unsigned level, unsigned index)
{
	static const unsigned most[NR_LEVELS] = { 512, 100, 4, 2 };
	uint64_t *items = table(f, level, index);
	unsigned i = level > 1 || below(seed, 2) ? 0 : below(seed, 60);
	unsigned end = i + 1 + below(seed, most[level]);

	while (i < end && i < 512) {
		uint64_t item = random_item(seed, level);
		uint64_t step = level || below(seed, 3) ? 0 : PAGE;
		unsigned stride = level || below(seed, 2) ? 1 : 1 + below(seed, 9);
		unsigned n = 1 + below(seed, level > 1 ? 3 : 90);

		for (; n && i < end && i < 512; n--, i += stride, item += item ? step : 0)
			items[i] = item;
	}
}

static void choose_filter(struct fixture *f, uint64_t *seed)
{
	struct pgw_dump_filter *filter = &f->args.filter;

	*filter = (struct pgw_dump_filter){ 0 };
	f->args.first = 0;
	f->args.last = LAST_USER;
	switch (below(seed, 5)) {
	case 0:
		filter->rights_all = PGW_KERNEL_W;
		break;
	case 1:
		filter->levels = (uint8_t)below(seed, 4);
		break;
	case 2:
		filter->has_pa = true;
		filter->pa_first = 64 * PAGE + test_random(seed) % (8 * PAGE);
		filter->pa_last = filter->pa_first + test_random(seed) % (64 * PAGE);
		break;
	case 3: /* through what repeats, at slots or inside */
		f->args.first = test_random(seed) % (UINT64_C(1) << 31);
		f->args.last = f->args.first + test_random(seed) % (UINT64_C(1) << 40);
		if (below(seed, 2)) {
			f->args.first &= ~((UINT64_C(1) << 21) - 1);
			f->args.last |= (UINT64_C(1) << 21) - 1;
		}
		break;
	default:
		break;
	}
}

static void test_fold__random_trees(void **state)
{
	static struct fixture f;
	uint64_t seed = test_seed();
	uint64_t nr_folded = 0;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct pgw_dump_summary summary;

		fixture_init(&f);
		for (unsigned level = 0; level < NR_LEVELS; level++)
			for (unsigned i = 0; i < NR_TABLES; i++)
				fill(&f, &seed, level, i);
		attach(&f, round % 2 ? &f.copy_phys : &f.memory.phys);
		for (unsigned i = 0; i < 4; i++) {
			choose_filter(&f, &seed);
			assert_same(&f);
			dump_folded(&f, &summary);
			nr_folded += summary.nr_ranges > summary.nr_lines;
		}
		pgw_mm_free(f.mm);
	}
	assert_true(nr_folded > 300);
	free(f.folded.extents);
	free(f.plain.extents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold__a_shadow_of_one_page_is_one_report),
		cmocka_unit_test(test_fold__time_goes_by_tables),
		cmocka_unit_test(test_fold__equal_distances_go_on_through_tables),
		cmocka_unit_test(test_fold__few_leaves_are_not_folded),
		cmocka_unit_test(test_fold__ranges_that_leave_a_copy_count_once),
		cmocka_unit_test(test_fold__the_limit_bounds_lines_and_says_where),
		cmocka_unit_test(test_fold__random_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
