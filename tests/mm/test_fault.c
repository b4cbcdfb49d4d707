/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A source whose Nth read goes wrong, N = 0, 1, 2, ... until nothing does any
 * more: every error path of scan, walk and translate, for every format. What
 * was not hit must be right, and what was must be reported, not passed over.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define NR_LEAVES 12

struct fixture {
	struct arena arena;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_phys_fault fault;
	struct pgw_mm *owned, *mm; /* mm reads through the fault */
	uint64_t first, last;
	struct pgw_leaf leaf[NR_LEAVES];
};

/* Leaves far apart and side by side, so that several tables of each level are read. */
static void fixture_map(struct fixture *f)
{
	unsigned top = f->geo->top_level;

	for (unsigned i = 0; i < NR_LEAVES; i++) {
		struct pgw_leaf *leaf = &f->leaf[i];
		uint64_t page = UINT64_C(1) << f->geo->granule_lg2;
		uint64_t far = UINT64_C(1) << f->geo->span_lg2[top > 1 && i >= 8 ? 2 : 1];

		*leaf = (struct pgw_leaf){ .va = f->first + i / 4 * far + i % 4 * 100 * page,
					   .pa = 0x100000000 + i * 7 * page,
					   .rights = PGW_KERNEL_R };
		assert_int_equal(pgw_mm_map_leaf(f->owned, leaf), 0);
	}
}

/* A new mm, which remembers nothing of what was read. */
static void attach(struct fixture *f)
{
	const struct pgw_mm_attach_args args = {
		.platform = &f->arena.platform,
		.format = f->format,
		.region = PGW_REGION_KERNEL,
		.phys = &f->fault.phys,
		.root = pgw_mm_root(f->owned),
		.budget = 300, /* corrupt tables may lead anywhere */
	};

	pgw_mm_free(f->mm);
	assert_int_equal(pgw_mm_attach(&args, &f->mm), 0);
}

static struct fixture *fixture_new(const struct pgw_format *format)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_new_args args = { .format = format, .region = PGW_REGION_KERNEL };

	assert_non_null(f);
	arena_init(&f->arena, 4u << 20);
	f->format = format;
	f->geo = pgw_format_geometry(format);
	pgw_format_region_range(format, PGW_REGION_KERNEL, &f->first, &f->last);
	args.platform = &f->arena.platform;
	assert_int_equal(pgw_mm_new(&args, &f->owned), 0);
	pgw_phys_fault_init(&f->fault, &f->arena.memory.phys, PGW_FAULT_FAIL, UINT64_MAX);
	attach(f);
	assert_int_equal(pgw_mmap_write_lock(f->owned), 0);
	fixture_map(f);
	return f;
}

static void fixture_free(struct fixture *f)
{
	assert_int_equal(pgw_mmap_write_unlock(f->owned), 0);
	pgw_mm_free(f->mm);
	pgw_mm_free(f->owned);
	arena_fini(&f->arena);
	free(f);
}

/* Arm the fault; true while the last run was hit by it. */
static void arm(struct fixture *f, enum pgw_phys_fault_kind kind, uint64_t nth)
{
	pgw_phys_fault_init(&f->fault, &f->arena.memory.phys, kind, nth);
}

static bool was_hit(const struct fixture *f)
{
	return f->fault.nr_reads > f->fault.nth;
}

struct seen {
	const struct fixture *f;
	unsigned nr_right; /* leaves that are where they should be */
	unsigned nr_unreadable;
	bool covered[NR_LEAVES]; /* a leaf's address was found, or said to be unreadable */
};

static void saw_range(struct seen *seen, uint64_t first, uint64_t last, bool is_leaf, uint64_t pa)
{
	for (unsigned i = 0; i < NR_LEAVES; i++) {
		const struct pgw_leaf *leaf = &seen->f->leaf[i];

		if (leaf->va < first || leaf->va > last)
			continue;
		seen->covered[i] = true;
		if (is_leaf && pa + (leaf->va - first) == leaf->pa)
			seen->nr_right++;
	}
}

static int see_extent(const struct pgw_extent *extent, void *arg)
{
	struct seen *seen = arg;

	seen->nr_unreadable += extent->kind == PGW_ENTRY_UNREADABLE;
	saw_range(seen, extent->va_first, extent->va_last, extent->kind == PGW_ENTRY_LEAF,
		  extent->pa);
	return 0;
}

static void check_fail(const struct fixture *f, const struct seen *seen)
{
	if (!was_hit(f)) {
		assert_int_equal(seen->nr_right, NR_LEAVES);
		assert_int_equal(seen->nr_unreadable, 0);
		return;
	}
	/* One read failed: what it held is unreadable, the rest is right. */
	assert_true(seen->nr_unreadable >= 1);
	for (unsigned i = 0; i < NR_LEAVES; i++)
		assert_true(seen->covered[i]);
}

static void scan_with_faults(struct fixture *f)
{
	uint64_t n = 0;

	do {
		struct seen seen = { .f = f };
		struct pgw_scan_stats stats;

		arm(f, PGW_FAULT_FAIL, n);
		assert_int_equal(pgw_scan(f->mm, f->first, f->last, see_extent, &seen, &stats), 0);
		check_fail(f, &seen);
		assert_int_equal(stats.nr_unreadable, seen.nr_unreadable);
		n++;
	} while (was_hit(f));
	assert_true(n > 10);
}

static int see_pte(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct pgw_entry entry;

	(void)next;
	pgw_entry_decode(pgw_mm_format(walk->mm), pgw_mm_control(walk->mm), *item, 0, &entry);
	if (entry.kind == PGW_ENTRY_LEAF)
		saw_range(walk->arg, addr, addr, true, entry.pa);
	return 0;
}

static int see_unreadable(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct seen *seen = walk->arg;

	assert_in_range(depth, 0, 4);
	seen->nr_unreadable++;
	saw_range(seen, addr, next == UINT64_MAX ? next : next - 1, false, 0);
	return 0;
}

static const struct pgw_mm_walk_ops ops = { .pte_entry = see_pte, .unreadable = see_unreadable };

static void walk_with_faults(struct fixture *f)
{
	uint64_t n = 0;

	do {
		struct seen seen = { .f = f };

		arm(f, PGW_FAULT_FAIL, n);
		assert_int_equal(
			pgw_walk_page_range_novma(f->mm, f->first, UINT64_MAX, &ops, NULL, &seen),
			0);
		check_fail(f, &seen);
		n++;
	} while (was_hit(f));
	assert_true(n > 10);
}

static void translate_with_faults(struct fixture *f)
{
	for (unsigned i = 0; i < NR_LEAVES; i++) {
		uint64_t n = 0;

		for (;; n++) {
			struct pgw_translation got;
			struct pgw_path path;

			arm(f, PGW_FAULT_FAIL, n);
			assert_int_equal(pgw_translate_path(f->mm, f->leaf[i].va, &got, &path), 0);
			if (!was_hit(f)) {
				assert_int_equal(got.kind, PGW_ENTRY_LEAF);
				assert_int_equal(got.pa, f->leaf[i].pa);
				break;
			}
			assert_int_equal(got.kind, PGW_ENTRY_UNREADABLE);
			assert_int_equal(got.entry, 0);
			assert_int_equal(got.level, f->geo->top_level - n);
			assert_int_equal(path.nr_steps, n + 1);
		}
		assert_int_equal(n, f->geo->top_level + 1u);
	}
}

/* Each address twice: the second one takes over what was read for the first, but not that it could not be. */
static void batch_with_faults(struct fixture *f)
{
	enum { NR = 2 * NR_LEAVES };
	struct pgw_translation got[NR];
	uint64_t va[NR], n = 0;

	for (unsigned i = 0; i < NR; i++)
		va[i] = f->leaf[i / 2].va;
	do {
		unsigned nr_unreadable = 0;

		attach(f);
		arm(f, PGW_FAULT_FAIL, n);
		assert_int_equal(pgw_translate_batch(f->mm, va, got, NR), NR);
		for (unsigned i = 0; i < NR; i++) {
			if (got[i].kind == PGW_ENTRY_UNREADABLE) {
				assert_true(got[i].entry == 0 && got[i].pa == 0);
				nr_unreadable++;
				continue;
			}
			assert_int_equal(got[i].kind, PGW_ENTRY_LEAF);
			assert_int_equal(got[i].pa, f->leaf[i / 2].pa);
		}
		assert_int_equal(nr_unreadable, was_hit(f));
		n++;
	} while (was_hit(f));
	assert_true(n > NR_LEAVES);
}

/* Wrong bytes may mean anything, but nothing must crash, hang or go unfinished. */
static void corrupt_reads(struct fixture *f)
{
	uint64_t n = 0;

	do {
		struct seen seen = { .f = f };
		struct pgw_scan_stats stats;
		int err;

		arm(f, PGW_FAULT_CORRUPT, n);
		err = pgw_scan(f->mm, f->first, f->last, see_extent, &seen, &stats);
		assert_true(err == 0 || err == -PGW_E2BIG);
		assert_int_equal(stats.truncated, err != 0);
		if (!was_hit(f))
			assert_int_equal(seen.nr_right, NR_LEAVES);
		arm(f, PGW_FAULT_CORRUPT, n);
		err = pgw_walk_page_range_novma(f->mm, f->first, UINT64_MAX, &ops, NULL, &seen);
		assert_true(err == 0 || err == -PGW_E2BIG);
		n++;
	} while (was_hit(f));
}

static void for_each_format(void (*run)(struct fixture *f))
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = test_editable_format(i)) != NULL; i++) {
		struct fixture *f = fixture_new(format);

		run(f);
		fixture_free(f);
	}
}

static void test_fault__scan_reports_what_it_could_not_read(void **state)
{
	(void)state;
	for_each_format(scan_with_faults);
}

static void test_fault__walk_reports_what_it_could_not_read(void **state)
{
	(void)state;
	for_each_format(walk_with_faults);
}

static void test_fault__translate_says_at_which_level(void **state)
{
	(void)state;
	for_each_format(translate_with_faults);
}

static void test_fault__one_address_of_a_batch_is_unreadable(void **state)
{
	(void)state;
	for_each_format(batch_with_faults);
}

static void test_fault__corrupt_tables_end(void **state)
{
	(void)state;
	for_each_format(corrupt_reads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault__scan_reports_what_it_could_not_read),
		cmocka_unit_test(test_fault__walk_reports_what_it_could_not_read),
		cmocka_unit_test(test_fault__translate_says_at_which_level),
		cmocka_unit_test(test_fault__one_address_of_a_batch_is_unreadable),
		cmocka_unit_test(test_fault__corrupt_tables_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
