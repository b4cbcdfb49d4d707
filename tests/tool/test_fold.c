/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a dump folds, written out again, is what it reports without folding: range by range,
 * after neighbours of which one goes on from one copy of a table into the next were joined here.
 * Without folding, it is what a plain scan gives and the filter, written here once more, leaves.
 * Time is the number of reads.
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
	struct pgw_phys_fault counter; /* the same, counting its reads; none fails */
	struct pgw_mm *mm;
	struct pgw_dump_args args;
	struct list folded, plain; /* joined */
	struct list runs;          /* that pass the filter; then joined */
	size_t nr_reports;
	struct pgw_repeats repeats; /* of the last report that had any */
	struct pgw_extent last;     /* of the last report by note_last() */
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

/* The part of a run that the filter's physical addresses leave, if any. */
static bool clip_run(const struct fixture *f, struct pgw_extent *run)
{
	const struct pgw_dump_filter *filter = &f->args.filter;
	const uint64_t in_leaf = (UINT64_C(1) << run->leaf_lg2) - 1;
	uint64_t pa_last = run->pa + (run->va_last - run->va_first), lo, hi;

	lo = run->pa > (filter->pa_first & ~in_leaf) ? run->pa : filter->pa_first & ~in_leaf;
	hi = pa_last < (filter->pa_last | in_leaf) ? pa_last : filter->pa_last | in_leaf;
	if (lo > hi)
		return false;
	run->va_last -= pa_last - hi;
	run->va_first += lo - run->pa;
	run->entry += (lo & ~in_leaf) - (run->pa & ~in_leaf);
	run->pa = lo;
	return true;
}

/* A run of a plain scan: keep what passes the filter, as analysis.h has it. */
static int note_run(const struct pgw_extent *extent, void *arg)
{
	struct fixture *f = (struct fixture *)arg;
	const struct pgw_dump_filter *filter = &f->args.filter;
	struct pgw_extent run = *extent;

	if (run.kind == PGW_ENTRY_LEAF) {
		if (filter->levels && !(filter->levels & (1u << run.level)))
			return 0;
		if ((run.rights & filter->rights_all) != filter->rights_all)
			return 0;
		if (filter->has_pa && !clip_run(f, &run))
			return 0;
	}
	list_add(&f->runs, &run);
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

static const struct pgw_linux unknown_linux;

static void decode(const struct pgw_format *format, const struct pgw_extent *extent,
		   struct pgw_absent *ret)
{
	pgw_linux_absent(&unknown_linux, format, PGW_REGION_USER, extent->level, extent->entry,
			 ret);
	ret->pa = extent->pa;
}

/* The definition of a range in analysis.h, once more. */
static bool goes_on(const struct pgw_format *format, const struct pgw_extent *a,
		    const struct pgw_extent *b)
{
	if (a->va_last + 1 != b->va_first || a->kind != b->kind || a->level != b->level)
		return false;
	if (a->kind == PGW_ENTRY_ABSENT) {
		struct pgw_absent one, next;

		decode(format, a, &one);
		decode(format, b, &next);
		return pgw_absent_continues(format, &one, &next, b->va_first - a->va_first);
	}
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
	struct list folded = f->folded, plain = f->plain, runs = f->runs;

	memset(f, 0, sizeof(*f));
	f->folded.extents =
		folded.extents ? folded.extents : calloc(MAX_EXTENTS, sizeof(*plain.extents));
	f->plain.extents =
		plain.extents ? plain.extents : calloc(MAX_EXTENTS, sizeof(*plain.extents));
	f->runs.extents = runs.extents ? runs.extents : calloc(MAX_EXTENTS, sizeof(*runs.extents));
	assert_true(f->folded.extents && f->plain.extents && f->runs.extents);
	assert_int_equal(pgw_phys_memory_init(&f->memory, 0, f->page, sizeof(f->page)), 0);
	f->copy_ops = *f->memory.phys.ops;
	f->copy_ops.map = NULL;
	f->copy_phys = (struct pgw_phys){ &f->copy_ops, &f->memory };
	pgw_phys_fault_init(&f->counter, &f->memory.phys, PGW_FAULT_FAIL, UINT64_MAX);
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
		.region = PGW_REGION_USER,
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

static void assert_same_list(const struct list *a, const struct list *b)
{
	assert_int_equal(a->nr, b->nr);
	for (size_t i = 0; i < a->nr; i++)
		assert_same_extent(&a->extents[i], &b->extents[i]);
}

static void dump_plain(struct fixture *f, enum pgw_dump_merge merge, struct pgw_dump_summary *ret)
{
	f->plain.nr = 0;
	*ret = (struct pgw_dump_summary){ 0 };
	f->args.fn = note_plain;
	f->args.repeated_fn = NULL;
	f->args.merge = merge;
	assert_int_equal(pgw_dump(&f->args, ret), 0);
	f->args.merge = PGW_DUMP_RANGES;
}

/* Without folding, a dump tells the runs that pass the filter, and counts all leaves. */
static void assert_unfolded(struct fixture *f)
{
	struct pgw_scan_stats stats;
	struct pgw_dump_summary summary;

	f->runs.nr = 0;
	assert_int_equal(pgw_scan(f->mm, f->args.first, f->args.last, note_run, f, &stats), 0);
	dump_plain(f, PGW_DUMP_RUNS, &summary);
	assert_same_list(&f->plain, &f->runs);
	assert_int_equal(summary.scan.nr_leaves, stats.nr_leaves);
	assert_int_equal(summary.scan.nr_malformed, stats.nr_malformed);
	assert_int_equal(summary.scan.nr_unreadable, stats.nr_unreadable);
	assert_true(summary.scan.nr_tables <= stats.nr_tables);
	list_join(&f->runs, pgw_mm_format(f->mm));
}

static void assert_same(struct fixture *f)
{
	const struct pgw_format *format = pgw_mm_format(f->mm);
	struct pgw_dump_summary folded, plain;

	if (!f->args.absent)
		assert_unfolded(f);
	dump_folded(f, &folded);
	dump_plain(f, PGW_DUMP_RANGES, &plain);
	if (!f->args.absent)
		assert_same_list(&f->plain, &f->runs);
	list_join(&f->folded, format);
	assert_same_list(&f->folded, &f->plain);
	assert_int_equal(folded.nr_ranges, plain.nr_ranges);
	assert_int_equal(folded.nr_leaves, plain.nr_leaves);
	assert_int_equal(folded.bytes, plain.bytes);
	assert_int_equal(folded.nr_absent, plain.nr_absent);
	assert_memory_equal(folded.level_leaves, plain.level_leaves, sizeof(plain.level_leaves));
	assert_int_equal(folded.scan.nr_leaves, plain.scan.nr_leaves);
	assert_int_equal(folded.scan.nr_malformed, plain.scan.nr_malformed);
	assert_int_equal(folded.scan.nr_unreadable, plain.scan.nr_unreadable);
	if (!f->args.filter.rights_all && !f->args.filter.levels && !f->args.filter.has_pa)
		assert_true(folded.scan.nr_tables <= plain.scan.nr_tables);
}

/* 32 slots of the root lead to one table, all of its to the next, and so on; the lowest all hold the item. */
static void make_shadow(struct fixture *f, uint64_t item)
{
	for (unsigned i = 0; i < 512; i++) {
		table(f, 2, 0)[i] = table_pa(1, 0) | P | RW;
		table(f, 1, 0)[i] = table_pa(0, 0) | P | RW;
		table(f, 0, 0)[i] = item;
	}
	for (unsigned i = 8; i < 40; i++)
		table(f, 3, 0)[i] = table_pa(2, 0) | P | RW;
}

/* KASAN's early shadow: every table's slots lead to one table, down to one page. */
static void test_fold__a_shadow_of_one_page_is_one_report(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary;

	(void)state;
	fixture_init(&f);
	make_shadow(&f, 0x7000 | P);
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
	make_shadow(&f, 0x7000 | P);
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

/* The dump of the fixture's filter ends by so few reads, and tells nr_leaves of some 2^32. */
static void assert_few_reads(struct fixture *f, uint64_t nr_leaves)
{
	static const enum pgw_dump_merge merges[] = { PGW_DUMP_RANGES, PGW_DUMP_RUNS };

	for (unsigned i = 0; i < 2; i++) {
		struct pgw_dump_summary summary;

		f->counter.nr_reads = 0;
		dump_plain(f, merges[i], &summary);
		/* Some 1024 tables are visited before any is remembered, if neighbours differ. */
		assert_in_range(f->counter.nr_reads, 4, 2000);
		assert_in_range(summary.scan.nr_tables, 4, 8192);
		assert_int_equal(summary.nr_leaves, nr_leaves);
		assert_int_equal(f->plain.nr, nr_leaves);
		if (!f->args.absent)
			assert_true(summary.scan.nr_leaves >> 32 == 1);
	}
}

/* Each filter, and nothing folded. */
static void assert_filters_take_few_reads(struct fixture *f)
{
	f->args.filter = (struct pgw_dump_filter){ .rights_all = PGW_KERNEL_W };
	assert_few_reads(f, 1);
	assert_int_equal(f->plain.extents[0].va_first, UINT64_C(50) << 39);
	assert_int_equal(f->plain.extents[0].pa, 0x40000000);
	f->args.filter = (struct pgw_dump_filter){ .levels = 1 << 1 };
	assert_few_reads(f, 0);
	f->args.filter = (struct pgw_dump_filter){ .sizes = 1 << 30 };
	assert_few_reads(f, 1);
	f->args.filter = (struct pgw_dump_filter){ .has_pa = true,
						   .pa_first = 0x40003000,
						   .pa_last = 0x40003000 };
	assert_few_reads(f, 1);
	/* One page in a range that cuts the shadow at each level. */
	f->args.filter = (struct pgw_dump_filter){ .rights_all = PGW_KERNEL_W };
	f->args.first = (UINT64_C(7) << 39) + 0x12345678;
	assert_few_reads(f, 1);
	f->args.first = 0;
}

/* A filter is asked once about a table that is there again and again, next to itself or not. */
static void test_fold__a_filter_is_asked_by_tables(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	make_shadow(&f, 0x7000 | P);
	table(&f, 3, 0)[50] = table_pa(2, 2) | P | RW;
	table(&f, 2, 2)[0] = 0x40000000 | PS | P | RW;
	attach(&f, &f.counter.phys);
	assert_filters_take_few_reads(&f);

	/* A table, and in memory behind it one of the level below. */
	memcpy(table(&f, 1, 2), table(&f, 1, 0), PAGE);
	for (unsigned i = 0; i < 512; i++)
		table(&f, 2, 0)[i] = table_pa(1, 2) | P | RW;
	assert_int_equal(table_pa(1, 2) + PAGE, table_pa(0, 0));
	assert_filters_take_few_reads(&f);

	/* Two tables of each level in turn. */
	for (unsigned i = 0; i < 512; i++) {
		table(&f, 2, 0)[i] = table_pa(1, i % 2) | P | RW;
		for (unsigned j = 0; j < 2; j++)
			table(&f, 1, j)[i] = table_pa(0, i % 2) | P | RW;
		table(&f, 0, 1)[i] = 0x8000 | P;
	}
	for (unsigned i = 8; i < 40; i++)
		table(&f, 3, 0)[i] = table_pa(2, i % 2) | P | RW;
	memcpy(table(&f, 2, 1), table(&f, 2, 0), PAGE);
	assert_filters_take_few_reads(&f);
	pgw_mm_free(f.mm);
}

/* Where something passes, each copy is told; the rest of it costs nothing. */
static void test_fold__what_passes_is_told_in_each_copy(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary;

	(void)state;
	fixture_init(&f);
	make_shadow(&f, 0x7000 | P);
	memcpy(table(&f, 1, 1), table(&f, 1, 0), PAGE);
	memcpy(table(&f, 0, 1), table(&f, 0, 0), PAGE);
	table(&f, 2, 0)[100] = table_pa(1, 1) | P | RW;
	table(&f, 1, 1)[200] = table_pa(0, 1) | P | RW;
	table(&f, 0, 1)[300] = 0x9000 | P | RW;
	attach(&f, &f.counter.phys);
	f.args.filter.rights_all = PGW_KERNEL_W;
	for (unsigned merge = 0; merge < 2; merge++) {
		f.counter.nr_reads = 0;
		dump_plain(&f, merge ? PGW_DUMP_RUNS : PGW_DUMP_RANGES, &summary);
		assert_in_range(f.counter.nr_reads, 7, 1000);
		assert_int_equal(f.plain.nr, 32);
		assert_int_equal(summary.nr_ranges, 32);
		for (unsigned i = 0; i < 32; i++) {
			const struct pgw_extent *leaf = &f.plain.extents[i];

			assert_true(leaf->va_first == ((uint64_t)(8 + i) << 39) +
							      (UINT64_C(100) << 30) + (200u << 21) +
							      300 * PAGE);
			assert_true(leaf->va_last == leaf->va_first + PAGE - 1);
			assert_int_equal(leaf->entry, 0x9000 | P | RW);
		}
	}
	f.args.max_lines = 5;
	f.plain.nr = 0;
	summary = (struct pgw_dump_summary){ 0 };
	assert_int_equal(pgw_dump(&f.args, &summary), -PGW_E2BIG);
	assert_true(summary.out_of_lines);
	assert_int_equal(f.plain.nr, 5);
	assert_true(summary.scan.truncated_va == f.plain.extents[4].va_first + (UINT64_C(1) << 39));
	pgw_mm_free(f.mm);
}

/* Two trees in turn, whose tables repeat: once it is known what is in them, it is told the same. */
static void test_fold__what_is_known_repeats_too(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary;

	(void)state;
	fixture_init(&f);
	for (unsigned i = 0; i < 512; i++) {
		table(&f, 2, 0)[i] = table_pa(1, i % 2) | P | RW;
		for (unsigned j = 0; j < 2; j++)
			table(&f, 1, j)[i] = table_pa(0, j) | P | RW;
	}
	memcpy(table(&f, 2, 1), table(&f, 2, 0), PAGE);
	table(&f, 0, 0)[3] = 0x7000 | P;
	table(&f, 0, 1)[5] = 0x9000 | P;
	for (unsigned i = 0; i < 2; i++)
		table(&f, 3, 0)[i] = table_pa(2, i) | P | RW;
	attach(&f, &f.counter.phys);
	assert_same(&f);
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 1024);
	assert_int_equal(f.repeats.by[0].nr, 512);

	for (unsigned i = 2; i < 32; i++)
		table(&f, 3, 0)[i] = table_pa(2, i % 2) | P | RW;
	f.args.filter.rights_all = PGW_KERNEL_W;
	dump_folded(&f, &summary);
	assert_int_equal(f.nr_reports, 0);
	assert_int_equal(summary.scan.nr_leaves, 32 << 18);
	assert_in_range(summary.scan.nr_tables, 5, 4000);
	pgw_mm_free(f.mm);
}

/* Without writing it out. */
static int note_last(const struct pgw_extent *extent, const struct pgw_repeats *repeats, void *arg)
{
	struct fixture *f = (struct fixture *)arg;

	f->nr_reports++;
	f->last = *extent;
	f->repeats = *repeats;
	return 0;
}

/* What is absent folds and is filtered as leaves are. */
static void test_fold__absent_entries_fold(void **state)
{
	static struct fixture f;
	struct pgw_dump_summary summary = { 0 };

	(void)state;
	fixture_init(&f);
	make_shadow(&f, 0x7000);
	table(&f, 0, 0)[511] = 0x9000;
	attach(&f, &f.counter.phys);
	f.args.absent = &unknown_linux;
	f.args.fn = note;
	f.args.repeated_fn = note_last;
	assert_int_equal(pgw_dump(&f.args, &summary), 0);
	assert_int_equal(f.nr_reports, 2);
	assert_int_equal(f.last.kind, PGW_ENTRY_ABSENT);
	assert_int_equal(f.last.entry, 0x9000);
	assert_true(f.last.va_first == (UINT64_C(8) << 39) + 511 * PAGE);
	assert_int_equal(f.repeats.nr, 1);
	assert_int_equal(f.repeats.by[0].nr, 1 << 23);
	assert_int_equal(f.repeats.by[0].step, 512 * PAGE);
	assert_true(f.repeats.va_last == (UINT64_C(40) << 39) - 1);
	assert_true(summary.nr_absent == UINT64_C(1) << 32);
	assert_int_equal(summary.scan.nr_tables, 4);
	assert_int_equal(summary.nr_lines, 0);

	table(&f, 3, 0)[50] = table_pa(2, 2) | P | RW;
	table(&f, 2, 2)[0] = 0x40000000 | PS | P | RW;
	assert_filters_take_few_reads(&f);
	f.args.filter = (struct pgw_dump_filter){ .levels = 1 << 1 };
	table(&f, 2, 2)[1] = table_pa(1, 2) | P | RW;
	table(&f, 1, 2)[0] = 0x5000;
	dump_plain(&f, PGW_DUMP_RANGES, &summary);
	assert_int_equal(f.plain.nr, 1);
	assert_int_equal(f.plain.extents[0].entry, 0x5000);
	assert_int_equal(summary.nr_absent, 1);
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

/* Pages that are PROT_NONE, or swapped out, if what is absent is wanted. */
static uint64_t random_absent(uint64_t *seed, unsigned level)
{
	return level > 1 ? 0
			 : random_leaf(seed, level) ^ P ^ (below(seed, 2) ? 0 : UINT64_C(1) << 8);
}

static uint64_t random_item(uint64_t *seed, unsigned level)
{
	/* The upper levels mostly lead on. */
	switch (below(seed, level > 1 ? 30 : 8)) {
	case 0:
		return below(seed, 2) ? 0 : random_absent(seed, level);
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
	uint64_t nr_folded = 0, nr_absent = 0;

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
			f.args.absent = below(&seed, 3) ? NULL : &unknown_linux;
			assert_same(&f);
			nr_absent += f.args.absent && f.plain.nr;
			dump_folded(&f, &summary);
			nr_folded += summary.nr_ranges > summary.nr_lines;
		}
		pgw_mm_free(f.mm);
	}
	assert_true(nr_folded > 300 && nr_absent > 100);
	free(f.folded.extents);
	free(f.plain.extents);
	free(f.runs.extents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold__a_shadow_of_one_page_is_one_report),
		cmocka_unit_test(test_fold__time_goes_by_tables),
		cmocka_unit_test(test_fold__a_filter_is_asked_by_tables),
		cmocka_unit_test(test_fold__what_passes_is_told_in_each_copy),
		cmocka_unit_test(test_fold__what_is_known_repeats_too),
		cmocka_unit_test(test_fold__absent_entries_fold),
		cmocka_unit_test(test_fold__equal_distances_go_on_through_tables),
		cmocka_unit_test(test_fold__few_leaves_are_not_folded),
		cmocka_unit_test(test_fold__ranges_that_leave_a_copy_count_once),
		cmocka_unit_test(test_fold__the_limit_bounds_lines_and_says_where),
		cmocka_unit_test(test_fold__random_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
