/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * vmemmap optimisation that fails: assertion 44 (K8), a tail page in the way at each
 * place, and 45's retries (K9), with every allocation failing in turn. Every format, and an
 * MMU that looks on; see world.h.
 */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/world.h"

#define NR 5u
#define NR_TAILS (WORLD_DESC_PAGES - 1)

static void setup(struct world *w, const char *format, struct pgw_huge_page *pages)
{
	world_init(w, format);
	assert_int_equal(world_hot_add(w, 0, 0), 0);
	for (size_t i = 0; i < NR; i++) {
		pages[i] = (struct pgw_huge_page){ .pa = world_block(w, 0) + i * w->huge,
						   .size_lg2 = w->huge_lg2 };
		world_fill(w, &pages[i]);
		world_watch(w, world_desc_va(w, pages[i].pa, 0), WORLD_DESC_PAGES);
	}
}

static void teardown(struct world *w)
{
	world_unwatch(w);
	assert_int_equal(world_hot_remove(w, 0), 0);
	world_fini(w);
}

/* ---- 44: the k-th tail page ---- */

/* Where the tails are mapped to, and how. */
struct tails {
	struct pgw_translation t[NR_TAILS];
};

static struct tails see_tails(const struct world *w, const struct pgw_huge_page *page)
{
	struct tails ret;

	for (size_t k = 0; k < NR_TAILS; k++)
		ret.t[k] = world_see(w, world_desc_va(w, page->pa, k + 1));
	return ret;
}

static void check_tails(const struct world *w, const struct pgw_huge_page *page,
			const struct tails *before)
{
	for (size_t k = 0; k < NR_TAILS; k++) {
		struct pgw_translation now = world_see(w, world_desc_va(w, page->pa, k + 1));

		assert_int_equal(now.kind, before->t[k].kind);
		assert_int_equal(now.pa, before->t[k].pa);
		assert_int_equal(now.rights, before->t[k].rights);
	}
}

/* Page 1 of three fails with err and is as it was; the others are done, and then undone. */
static void fails_alone(struct world *w, struct pgw_huge_page *pages, bool restores, int err)
{
	int (*run)(struct pgw_kernel *, struct pgw_huge_page *, size_t, struct pgw_hvo_stats *) =
		restores ? pgw_hvo_restore : pgw_hvo_optimise;
	int (*back)(struct pgw_kernel *, struct pgw_huge_page *, size_t, struct pgw_hvo_stats *) =
		restores ? pgw_hvo_optimise : pgw_hvo_restore;
	struct tails before = see_tails(w, &pages[1]);
	long nr_pages = w->frames.nr_taken;
	struct pgw_hvo_stats stats;

	assert_int_equal(run(w->kernel, pages, 3, &stats), err);
	assert_int_equal(pages[0].status, 0);
	assert_int_equal(pages[1].status, err);
	assert_int_equal(pages[2].status, 0);
	assert_int_equal(pages[1].is_optimised, restores);
	check_tails(w, &pages[1], &before);
	assert_true(world_tlb_is_right(w));
	assert_int_equal(w->frames.nr_taken,
			 nr_pages + (long)stats.nr_pages_taken - (long)stats.nr_pages_freed);
	assert_int_equal(back(w->kernel, &pages[0], 1, NULL), 0);
	assert_int_equal(back(w->kernel, &pages[2], 1, NULL), 0);
	check_tails(w, &pages[1], &before);
	assert_int_equal(w->frames.nr_taken, nr_pages);
}

static void test_hvo__44_a_kth_page_that_differs_leaves_all_as_it_was(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format)
	{
		struct pgw_huge_page pages[NR];

		setup(w, *format, pages);
		/* The shared page exists from here on, and the tails of two are pages. */
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 2, NULL), 0);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, 2, NULL), 0);
		for (size_t k = 1; k <= NR_TAILS; k++) {
			unsigned char *bytes = world_bytes(w, world_desc_va(w, pages[1].pa, k));

			bytes[w->page - 1] ^= 1;
			fails_alone(w, pages, false, -PGW_EBUSY);
			assert_true(world_is_private(w, &pages[1]));
			assert_false(world_is_filled(w, &pages[1]));
			bytes[w->page - 1] ^= 1;
			assert_true(world_is_filled(w, &pages[1]));
		}
		teardown(w);
	}
	free(w);
}

/* Unmap the page of descriptors at va; what it was mapped to is returned. */
static struct pgw_translation make_hole(struct world *w, uint64_t va)
{
	struct pgw_translation t = world_see(w, va);

	assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	assert_int_equal(pgw_vunmap(w->mm, va, va + (w->page - 1)), 0);
	return t;
}

static void fill_hole(struct world *w, uint64_t va, const struct pgw_translation *t)
{
	const struct pgw_map_args args = { .first = va,
					   .last = va + (w->page - 1),
					   .pa = t->pa,
					   .rights = t->rights,
					   .sizes = w->page };

	assert_int_equal(pgw_vmap(w->mm, &args), 0);
}

static void holes(struct world *w, struct pgw_huge_page *pages, bool restores)
{
	for (size_t k = 1; k <= NR_TAILS; k++) {
		uint64_t va = world_desc_va(w, pages[1].pa, k);
		struct pgw_translation t = make_hole(w, va);

		fails_alone(w, pages, restores, -PGW_ENOENT);
		fill_hole(w, va, &t);
	}
}

static void test_hvo__44_a_hole_at_the_kth_page_leaves_all_as_it_was(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format)
	{
		struct pgw_huge_page pages[NR];

		setup(w, *format, pages);
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 2, NULL), 0);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, 2, NULL), 0);
		holes(w, pages, false);
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 3, NULL), 0);
		holes(w, pages, true);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, 3, NULL), 0);
		for (size_t i = 0; i < 3; i++)
			assert_true(world_is_private(w, &pages[i]) &&
				    world_is_filled(w, &pages[i]));
		teardown(w);
	}
	free(w);
}

/* Restoring leaves alone what is not shared any more (walker.md 5.2). */
static void test_hvo__44_restore_leaves_alone_what_is_not_shared(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format)
	{
		struct pgw_huge_page pages[NR];
		struct pgw_hvo_stats stats;
		struct pgw_translation t;
		uint64_t va, pa;

		setup(w, *format, pages);
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 1, NULL), 0);
		va = world_desc_va(w, pages[0].pa, 3);
		t = make_hole(w, va);
		assert_int_equal(frames_ops.page_alloc(&w->frames, w->page_lg2, &pa), 0);
		t.pa = pa;
		t.rights = w->args.desc_rights;
		fill_hole(w, va, &t);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, 1, &stats), 0);
		assert_int_equal(stats.nr_pages_taken, NR_TAILS);
		assert_int_equal(stats.nr_pages_freed, 1); /* that was not needed */
		assert_int_equal(world_see(w, va).pa, pa);
		assert_true(world_is_private(w, &pages[0]));
		teardown(w);
	}
	free(w);
}

/* ---- every allocation fails ---- */

/* After a run in which one allocation failed, or none. */
static void check_list(struct world *w, struct pgw_huge_page *pages, bool optimised)
{
	for (size_t i = 0; i < NR; i++) {
		bool is_shared = pages[i].status ? !optimised : optimised;

		assert_true(pages[i].status == 0 || pages[i].status == -PGW_ENOMEM);
		assert_int_equal(pages[i].is_optimised, is_shared);
		if (is_shared)
			assert_true(world_is_shared(w, &pages[i]));
		else
			assert_true(world_is_private(w, &pages[i]));
		assert_true(world_is_filled(w, &pages[i]));
	}
	assert_true(world_tlb_is_right(w));
}

/* The pages of a list that are not in a state are brought there. */
static void finish_list(struct world *w, struct pgw_huge_page *pages, bool optimised)
{
	for (size_t i = 0; i < NR; i++) {
		if (pages[i].is_optimised == optimised)
			continue;
		assert_int_equal(optimised ? pgw_hvo_optimise(w->kernel, &pages[i], 1, NULL)
					   : pgw_hvo_restore(w->kernel, &pages[i], 1, NULL),
				 0);
	}
}

struct fault_result {
	bool fired;   /* there was such an allocation */
	bool retried; /* and the list was done all the same */
};

/* Optimise, or restore, with the nth allocation of a kind failing. */
static struct fault_result run_with_fault(struct world *w, struct pgw_huge_page *pages,
					  long *fail_after, long nth, bool restores)
{
	struct fault_result ret;
	struct pgw_hvo_stats stats = { .nr_flushes = 0 };
	long nr_pages = w->frames.nr_taken;
	unsigned nr_flushes = w->arena.nr_flushes;
	int err;

	for (size_t i = 0; i < NR; i++)
		pages[i].status = -PGW_ENOMEM;
	*fail_after = nth;
	err = restores ? pgw_hvo_restore(w->kernel, pages, NR, &stats)
		       : pgw_hvo_optimise(w->kernel, pages, NR, &stats);
	ret.fired = *fail_after < 0;
	ret.retried = ret.fired && !err;
	*fail_after = -1;
	assert_true(err == 0 || err == -PGW_ENOMEM);
	assert_true(ret.fired || !err);
	assert_int_equal(w->frames.nr_taken,
			 nr_pages + (long)stats.nr_pages_taken - (long)stats.nr_pages_freed);
	assert_int_equal(w->arena.nr_flushes - nr_flushes, stats.nr_flushes);
	if (w->breaks)
		assert_true(stats.nr_flushes <= 1 + ret.retried + stats.nr_splits);
	else
		assert_true(stats.nr_flushes <= 2u + ret.retried);
	check_list(w, pages, !restores);
	return ret;
}

static void every_allocation_fails(struct world *w, const char *format, bool frames)
{
	struct pgw_huge_page pages[NR];
	bool fired = true, retried = false;

	setup(w, format, pages);
	for (long nth = 0; fired; nth++) {
		struct world_count before;
		struct fault_result optimised, restored;
		long *fail_after = frames ? &w->frames.fail_after : &w->arena.fail_after;

		/* New tables each time: the splits' allocations are among those that fail. */
		world_unwatch(w);
		assert_int_equal(world_hot_remove(w, 0), 0);
		assert_int_equal(world_hot_add(w, 0, 0), 0);
		before = world_count(w);
		for (size_t i = 0; i < NR; i++) {
			world_fill(w, &pages[i]);
			world_watch(w, world_desc_va(w, pages[i].pa, 0), WORLD_DESC_PAGES);
		}
		optimised = run_with_fault(w, pages, fail_after, nth, false);
		finish_list(w, pages, true);
		restored = run_with_fault(w, pages, fail_after, nth, true);
		finish_list(w, pages, false);
		fired = optimised.fired || restored.fired;
		retried |= optimised.retried;
		/* Of the shared page and the split there is one each at most. */
		assert_in_range(w->frames.nr_taken, before.pages, before.pages + 1);
		assert_in_range(w->arena.nr_tables, before.tables, before.tables + 1);
		assert_int_equal(w->arena.nr_objs, before.objs);
	}
	/* The shared page is the only frame that optimising needs, and comes first. */
	assert_true(retried || frames);
	teardown(w);
}

static void test_hvo__44_every_allocation_of_objects_and_tables_fails_once(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format) every_allocation_fails(w, *format, false);
	free(w);
}

static void test_hvo__44_every_allocation_of_pages_fails_once(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format) every_allocation_fails(w, *format, true);
	free(w);
}

/* 45: the second of three meets a shortage that ends when the first one's pages are free. */
static void test_hvo__45_memory_that_runs_out_costs_one_flush_more(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format)
	{
		struct pgw_huge_page pages[NR];
		struct pgw_hvo_stats plain, short_of;

		setup(w, *format, pages);
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, NR, NULL), 0);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, NR, NULL), 0);
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 3, &plain), 0);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, 3, NULL), 0);
		w->arena.fail_after = 2; /* the list, the first one's entries, the second one's */
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 3, &short_of), 0);
		assert_int_equal(w->arena.fail_after, -1);
		assert_int_equal(short_of.nr_flushes, plain.nr_flushes + 1);
		assert_int_equal(short_of.nr_pages_freed, plain.nr_pages_freed);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, 3, NULL), 0);
		teardown(w);
	}
	free(w);
}

/* Pages for one huge page and a half: the first comes back, the others stay optimised. */
static void test_hvo__44_a_lasting_shortage_fails_the_rest_of_the_list(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format)
	{
		struct pgw_huge_page pages[NR];
		struct pgw_hvo_stats stats;

		setup(w, *format, pages);
		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, NR, NULL), 0);
		w->frames.max_taken = w->frames.nr_taken + NR_TAILS + NR_TAILS / 2;
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, NR, &stats), -PGW_ENOMEM);
		assert_int_equal(stats.nr_pages_taken - stats.nr_pages_freed, NR_TAILS);
		assert_int_equal(pages[0].status, 0);
		for (size_t i = 1; i < NR; i++)
			assert_int_equal(pages[i].status, -PGW_ENOMEM);
		check_list(w, pages, false);
		w->frames.max_taken = LONG_MAX;
		finish_list(w, pages, false);
		check_list(w, pages, false);
		teardown(w);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hvo__44_a_kth_page_that_differs_leaves_all_as_it_was),
		cmocka_unit_test(test_hvo__44_a_hole_at_the_kth_page_leaves_all_as_it_was),
		cmocka_unit_test(test_hvo__44_restore_leaves_alone_what_is_not_shared),
		cmocka_unit_test(test_hvo__44_every_allocation_of_objects_and_tables_fails_once),
		cmocka_unit_test(test_hvo__44_every_allocation_of_pages_fails_once),
		cmocka_unit_test(test_hvo__45_memory_that_runs_out_costs_one_flush_more),
		cmocka_unit_test(test_hvo__44_a_lasting_shortage_fails_the_rest_of_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
