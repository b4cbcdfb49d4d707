/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Kernel ranges that their caller owns (docs/locking.md: K1 to K3), every format: vmap with
 * promotion, vunmap, rights, collapse. Another thread that holds the kernel mm's lock is played by another
 * struct pgw_thread; the platform's park hook aborts, so nothing here ever waits.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/world.h"

#define RW (PGW_KERNEL_R | PGW_KERNEL_W)

struct range {
	uint64_t first, last, size;
};

/* As much as nr leaves of level 1 map, aligned so that leaves of level 2 do not fit. */
static struct range range_of(const struct world *w, unsigned nr)
{
	uint64_t leaf = UINT64_C(1) << w->geo->span_lg2[1];
	struct range ret = { .size = nr * leaf };

	ret.first = w->args.linear_va + 3 * leaf;
	ret.last = ret.first + (ret.size - 1);
	return ret;
}

static int map_range(struct world *w, const struct range *r, uint64_t sizes)
{
	const struct pgw_map_args args = { .first = r->first,
					   .last = r->last,
					   .pa = UINT64_C(3) << w->geo->span_lg2[1],
					   .rights = RW,
					   .sizes = sizes };

	return pgw_vmap(w->mm, &args);
}

/* All of it is there; with leaves of this size. */
static void check_range(const struct world *w, const struct range *r, uint8_t leaf_lg2)
{
	for (uint64_t at = 0; at < r->size; at += w->page) {
		struct pgw_translation t = world_see(w, r->first + at);

		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
		assert_int_equal(t.pa, (UINT64_C(3) << w->geo->span_lg2[1]) + at);
		if (leaf_lg2)
			assert_int_equal(t.leaf_lg2, leaf_lg2);
	}
}

static long nr_tables(struct world *w)
{
	return world_count(w).tables;
}

typedef void case_fn(struct world *w, const struct range *r);

static void for_each_format(case_fn *fn)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	for_each_world_format(format)
	{
		struct range r;

		world_init(w, *format);
		r = range_of(w, 2);
		fn(w, &r);
		world_fini(w);
	}
	free(w);
}

static void map_and_unmap(struct world *w, const struct range *r)
{
	struct range inner = { r->first + w->page, r->last - w->page, r->size - 2 * w->page };
	long before;

	assert_int_equal(map_range(w, r, 0), 0);
	check_range(w, r, w->geo->span_lg2[1]);
	assert_int_equal(map_range(w, r, 0), -PGW_EEXIST);
	check_range(w, r, w->geo->span_lg2[1]);
	world_watch(w, r->first, 64);

	/* What sticks out is split; the tables of the split stay. */
	before = nr_tables(w);
	assert_int_equal(pgw_vunmap(w->mm, inner.first, inner.last), 0);
	assert_true(world_tlb_is_right(w));
	assert_int_equal(nr_tables(w), before + 2);
	assert_int_equal(world_see(w, r->first).kind, PGW_ENTRY_LEAF);
	assert_int_equal(world_see(w, r->last).kind, PGW_ENTRY_LEAF);
	assert_int_equal(world_see(w, inner.first).kind, PGW_ENTRY_EMPTY);
	assert_int_equal(world_see(w, inner.last).kind, PGW_ENTRY_EMPTY);
	assert_int_equal(pgw_vunmap(w->mm, r->first, r->last), 0);
	assert_int_equal(world_see(w, r->first).kind, PGW_ENTRY_EMPTY);
	assert_int_equal(nr_tables(w), before + 2);
}

static void test_vmap__largest_leaves_and_unmap_keeps_tables(void **state)
{
	(void)state;
	for_each_format(map_and_unmap);
}

/* ---- promotion ---- */

/* Empty lowest tables, left by small pages. */
static void leave_tables(struct world *w, const struct range *r)
{
	assert_int_equal(map_range(w, r, w->page), 0);
	check_range(w, r, w->page_lg2);
	assert_int_equal(pgw_vunmap(w->mm, r->first, r->last), 0);
}

static void promote(struct world *w, const struct range *r)
{
	struct range inner = { r->first + w->page, r->last, r->size - w->page };
	long before;

	leave_tables(w, r);
	before = nr_tables(w);
	assert_int_equal(map_range(w, r, 0), 0);
	check_range(w, r, w->geo->span_lg2[1]);
	assert_int_equal(nr_tables(w), before - 2);
	assert_int_equal(pgw_vunmap(w->mm, r->first, r->last), 0);

	/* A range of which the first table is not all: that table stays. */
	leave_tables(w, r);
	before = nr_tables(w);
	assert_int_equal(
		pgw_vmap(w->mm, &(struct pgw_map_args){ .first = inner.first,
							.last = inner.last,
							.pa = (UINT64_C(3) << w->geo->span_lg2[1]) +
							      w->page,
							.rights = RW }),
		0);
	assert_int_equal(nr_tables(w), before - 1);
	assert_int_equal(world_see(w, r->last).leaf_lg2, w->geo->span_lg2[1]);
	assert_int_equal(pgw_vunmap(w->mm, r->first, r->last), 0);

	/* Not where a larger leaf is not wanted or does not fit. */
	leave_tables(w, r);
	before = nr_tables(w);
	assert_int_equal(map_range(w, r, w->page), 0);
	assert_int_equal(nr_tables(w), before);
}

static void test_vmap__40_promotion_frees_empty_lower_tables(void **state)
{
	(void)state;
	for_each_format(promote);
}

static void promote_beside_a_reader(struct world *w, const struct range *r)
{
	struct pgw_thread other = { .held = 0 };
	long before;

	leave_tables(w, r);
	before = nr_tables(w);
	world_become(w, &other);
	assert_int_equal(pgw_mmap_read_lock(w->mm), 0);
	world_become(w, NULL);
	assert_int_equal(map_range(w, r, 0), 0);
	check_range(w, r, w->geo->span_lg2[1]);
	assert_int_equal(nr_tables(w), before - 2);
	world_become(w, &other);
	assert_int_equal(pgw_mmap_read_unlock(w->mm), 0);
	pgw_thread_exit(w->platform);
	world_become(w, NULL);
}

static void test_vmap__40_beside_a_reader_it_promotes(void **state)
{
	(void)state;
	for_each_format(promote_beside_a_reader);
}

static void fall_back_beside_a_writer(struct world *w, const struct range *r)
{
	struct pgw_thread other = { .held = 0 };
	size_t nr = 7;
	long before;

	leave_tables(w, r);
	before = nr_tables(w);
	world_become(w, &other);
	assert_int_equal(pgw_mmap_write_lock(w->mm), 0);
	world_become(w, NULL);
	assert_int_equal(map_range(w, r, 0), 0);
	check_range(w, r, 0);
	assert_true(world_see(w, r->first).leaf_lg2 < w->geo->span_lg2[1]);
	assert_int_equal(pgw_kernel_collapse(w->mm, r->first, r->last, &nr), 0);
	assert_int_equal(nr, 0);
	assert_int_equal(nr_tables(w), before);

	/* The writer has gone: what is there becomes large. */
	world_become(w, &other);
	assert_int_equal(pgw_mmap_write_unlock(w->mm), 0);
	assert_int_equal(pgw_mmap_read_lock(w->mm), 0);
	world_become(w, NULL);
	assert_int_equal(pgw_kernel_collapse(w->mm, r->first, r->last, &nr), 0);
	assert_int_equal(nr, 2);
	check_range(w, r, w->geo->span_lg2[1]);
	assert_int_equal(nr_tables(w), before - 2);
	world_become(w, &other);
	assert_int_equal(pgw_mmap_read_unlock(w->mm), 0);
	pgw_thread_exit(w->platform);
	world_become(w, NULL);
}

static void test_vmap__40_beside_a_writer_it_uses_small_leaves_and_never_waits(void **state)
{
	(void)state;
	for_each_format(fall_back_beside_a_writer);
}

/* 40, its end: no read within a read, whatever waits for write. */
static void nested(struct world *w, const struct range *r)
{
	long before;

	leave_tables(w, r);
	before = nr_tables(w);
	assert_int_equal(pgw_mmap_read_lock(w->mm), 0);
	assert_int_equal(map_range(w, r, 0), 0);
	assert_int_equal(w->arena.nr_violations, 1);
	assert_string_equal(w->arena.violation.rule_name, "mmap-recursion");
	assert_int_equal(pgw_kernel_set_rights(w->mm, r->first, r->last, PGW_KERNEL_R),
			 -PGW_EDEADLK);
	assert_int_equal(w->arena.nr_violations, 2);
	assert_int_equal(world_see(w, r->first).rights, RW);
	w->arena.nr_violations = 0;
	assert_int_equal(nr_tables(w), before);
	assert_int_equal(pgw_mmap_read_unlock(w->mm), 0);
}

static void test_vmap__40_a_read_within_a_read_is_refused(void **state)
{
	(void)state;
	for_each_format(nested);
}

/* ---- rights and collapse ---- */

static void rights(struct world *w, const struct range *r)
{
	uint64_t middle = r->first + r->size / 2;
	size_t nr = 0;
	long before;

	assert_int_equal(map_range(w, r, 0), 0);
	before = nr_tables(w);
	world_watch(w, middle - 8 * w->page, 16);
	assert_int_equal(pgw_kernel_set_rights(w->mm, middle - w->page, middle + (w->page - 1),
					       PGW_KERNEL_R),
			 0);
	assert_true(world_tlb_is_right(w));
	check_range(w, r, 0);
	assert_int_equal(nr_tables(w), before + 2);
	assert_int_equal(world_see(w, middle - w->page - 1).rights, RW);
	assert_int_equal(world_see(w, middle - w->page).rights, PGW_KERNEL_R);
	assert_int_equal(world_see(w, middle).rights, PGW_KERNEL_R);
	assert_int_equal(world_see(w, middle + w->page).rights, RW);

	/* Not alike: it stays as it is. Runs may form. */
	assert_int_equal(pgw_kernel_collapse(w->mm, r->first, r->last, &nr), 0);
	assert_int_equal(nr, 0);
	assert_int_equal(nr_tables(w), before + 2);
	assert_int_equal(pgw_kernel_set_rights(w->mm, r->first, r->last, RW), 0);
	assert_int_equal(pgw_kernel_collapse(w->mm, r->first, r->last, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(nr_tables(w), before);
	assert_true(world_tlb_is_right(w));
	check_range(w, r, w->geo->span_lg2[1]);

	assert_int_equal(pgw_kernel_set_rights(w->mm, r->first, r->last, PGW_USER_R),
			 -PGW_EOPNOTSUPP);
	assert_int_equal(pgw_kernel_collapse(w->mm, r->first, r->last, NULL), 0);
}

static void test_vmap__rights_split_and_collapse_joins(void **state)
{
	(void)state;
	for_each_format(rights);
}

/* Part of a large leaf, in the middle of tables that have others: the sizes in order. */
static void collapse_part(struct world *w, const struct range *r)
{
	struct range half = { r->first + r->size / 2, r->last, r->size / 2 };
	size_t nr = 0;

	assert_int_equal(map_range(w, r, w->page), 0);
	assert_int_equal(pgw_kernel_collapse(w->mm, half.first - w->page, half.last, &nr), 0);
	assert_int_equal(nr, 1);
	check_range(w, r, 0);
	assert_int_equal(world_see(w, half.first).leaf_lg2, w->geo->span_lg2[1]);
	assert_int_equal(world_see(w, half.first - 1).leaf_lg2, w->page_lg2);
}

static void test_vmap__collapse_stays_inside_its_range(void **state)
{
	(void)state;
	for_each_format(collapse_part);
}

/* ---- arguments, failures ---- */

static void refuse(struct world *w, const struct range *r)
{
	const struct pgw_mm_new_args user_args = { .platform = &w->arena.platform,
						   .format = w->format };
	struct pgw_map_args args = { .first = r->first, .last = r->last, .rights = RW };
	struct pgw_mm *user;

	assert_int_equal(pgw_mm_new(&user_args, &user), 0);
	assert_int_equal(pgw_vmap(user, &args), -PGW_EINVAL);
	assert_int_equal(pgw_vmap(w->mmu, &args), -PGW_EINVAL);
	assert_int_equal(pgw_vmap(NULL, &args), -PGW_EINVAL);
	assert_int_equal(pgw_vmap(w->mm, NULL), -PGW_EINVAL);
	args.last--;
	assert_int_equal(pgw_vmap(w->mm, &args), -PGW_EINVAL);
	args.last = w->page - 1;
	assert_int_equal(pgw_vmap(w->mm, &args), -PGW_EINVAL);
	args.first = 0;
	assert_int_equal(pgw_vmap(w->mm, &args), -PGW_EINVAL);
	assert_int_equal(pgw_vunmap(w->mm, r->first + 1, r->last), -PGW_EINVAL);
	assert_int_equal(pgw_vunmap(user, 0, w->page - 1), -PGW_EINVAL);
	assert_int_equal(pgw_kernel_set_rights(w->mm, 0, w->page - 1, RW), -PGW_EINVAL);
	assert_int_equal(pgw_kernel_set_rights(w->mm, r->first, r->last, 0x80), -PGW_EINVAL);
	assert_int_equal(pgw_kernel_collapse(w->mm, r->first, r->last - 1, NULL), -PGW_EINVAL);
	pgw_mm_free(user);
}

static void test_vmap__wrong_arguments_are_refused(void **state)
{
	(void)state;
	for_each_format(refuse);
}

static void fail_each(struct world *w, const struct range *r)
{
	struct range inner = { r->first + w->page, r->last - w->page, r->size - 2 * w->page };

	for (long nth = 0;; nth++) {
		int err;

		w->arena.fail_after = nth;
		err = map_range(w, r, 0);
		if (!err)
			err = pgw_vunmap(w->mm, inner.first, inner.last);
		if (!err)
			break;
		assert_int_equal(err, -PGW_ENOMEM);
		if (world_see(w, r->first).kind == PGW_ENTRY_LEAF)
			check_range(w, r, 0);
		w->arena.fail_after = -1;
		assert_int_equal(pgw_vunmap(w->mm, r->first, r->last), 0);
	}
	w->arena.fail_after = -1;
}

static void test_vmap__every_allocation_that_fails_leaves_all_or_nothing(void **state)
{
	(void)state;
	for_each_format(fail_each);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmap__largest_leaves_and_unmap_keeps_tables),
		cmocka_unit_test(test_vmap__40_promotion_frees_empty_lower_tables),
		cmocka_unit_test(test_vmap__40_beside_a_reader_it_promotes),
		cmocka_unit_test(
			test_vmap__40_beside_a_writer_it_uses_small_leaves_and_never_waits),
		cmocka_unit_test(test_vmap__40_a_read_within_a_read_is_refused),
		cmocka_unit_test(test_vmap__rights_split_and_collapse_joins),
		cmocka_unit_test(test_vmap__collapse_stays_inside_its_range),
		cmocka_unit_test(test_vmap__wrong_arguments_are_refused),
		cmocka_unit_test(test_vmap__every_allocation_that_fails_leaves_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
