/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * vmemmap optimisation, one thread, every format: assertions 42, 43 and 45 (docs/locking.md:
 * K6, K7, K9, K10), on descriptors in large leaves, in contiguous runs and in pages. All the time an MMU
 * looks on; see world.h.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/world.h"

#define NR_SMALL 6u /* huge pages of the lesser size */
#define NR_LARGE 2u
#define NR (NR_SMALL + NR_LARGE)

/* The largest piece of memory that descriptors come in: a leaf, a run if there are any, a page. */
static size_t pieces(const struct world *w, uint8_t ret[3])
{
	uint64_t runs = w->geo->leaf_sizes & ((UINT64_C(1) << w->geo->span_lg2[1]) - 1) & ~w->page;
	size_t nr = 0;

	ret[nr++] = w->geo->span_lg2[1];
	if (runs)
		ret[nr++] = (uint8_t)(63 - __builtin_clzll(runs));
	ret[nr++] = w->page_lg2;
	return nr;
}

typedef void case_fn(struct world *w, struct pgw_huge_page *pages);

/* Huge pages of two sizes in block 0, filled and watched. */
static void setup(struct world *w, const char *format, size_t piece, struct pgw_huge_page *pages)
{
	uint64_t pa;
	uint8_t lg2[3];

	world_init(w, format);
	w->splits_first = true;
	if (piece < pieces(w, lg2))
		w->frames.max_lg2 = lg2[piece];
	assert_int_equal(world_hot_add(w, 0, 0), 0);
	pa = world_block(w, 0);
	for (size_t i = 0; i < NR; i++) {
		uint8_t size_lg2 = i < NR_SMALL ? w->huge_lg2 : w->huge_lg2 + 2;

		pa = (pa + ((UINT64_C(1) << size_lg2) - 1)) & ~((UINT64_C(1) << size_lg2) - 1);
		pages[i] = (struct pgw_huge_page){ .pa = pa, .size_lg2 = size_lg2 };
		world_fill(w, &pages[i]);
		world_watch(w, world_desc_va(w, pa, 0), (size_t)1 << (size_lg2 - w->unit_lg2));
		pa += UINT64_C(1) << size_lg2;
	}
}

static void teardown(struct world *w)
{
	assert_int_equal(world_hot_remove(w, 0), 0);
	world_fini(w);
}

static void for_each_case(case_fn *fn)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	for_each_world_format(format)
	{
		for (size_t piece = 0; piece < 3; piece++) {
			struct pgw_huge_page pages[NR];

			setup(w, *format, piece, pages);
			fn(w, pages);
			teardown(w);
		}
	}
	free(w);
}

static uint64_t nr_tails(void)
{
	return NR_SMALL * (WORLD_DESC_PAGES - 1) + NR_LARGE * (4 * WORLD_DESC_PAGES - 1);
}

/* 45: what a list may flush at most. */
static void check_flushes(const struct world *w, const struct pgw_hvo_stats *stats,
			  unsigned nr_flushes, uint64_t nr_retries)
{
	assert_int_equal(stats->nr_flushes, w->arena.nr_flushes - nr_flushes);
	if (w->breaks)
		assert_in_range(stats->nr_flushes, 1, 1 + nr_retries + stats->nr_splits);
	else
		assert_in_range(stats->nr_flushes, 1, 2 + nr_retries);
}

/* ---- 43, 45 ---- */

static void optimise_and_restore(struct world *w, struct pgw_huge_page *pages)
{
	long nr_pages = w->frames.nr_taken;
	struct pgw_hvo_stats stats;
	unsigned nr_flushes = w->arena.nr_flushes;

	assert_int_equal(pgw_hvo_optimise(w->kernel, pages, NR, &stats), 0);
	assert_int_equal(stats.nr_pages_freed, nr_tails());
	assert_int_equal(stats.nr_pages_taken, 2); /* the shared ones */
	assert_int_equal(w->frames.nr_taken, nr_pages - (long)nr_tails() + 2);
	check_flushes(w, &stats, nr_flushes, 0);
	assert_true(world_tlb_is_right(w));
	for (size_t i = 0; i < NR; i++) {
		assert_true(pages[i].is_optimised);
		assert_true(world_is_shared(w, &pages[i]));
		assert_true(world_is_filled(w, &pages[i]));
	}

	nr_flushes = w->arena.nr_flushes;
	assert_int_equal(pgw_hvo_restore(w->kernel, pages, NR, &stats), 0);
	assert_int_equal(stats.nr_pages_freed, 0);
	assert_int_equal(stats.nr_pages_taken, nr_tails());
	assert_int_equal(w->frames.nr_taken, nr_pages + 2);
	assert_int_equal(stats.nr_splits, 0);
	assert_int_equal(stats.nr_flushes, 1);
	check_flushes(w, &stats, nr_flushes, 0);
	assert_true(world_tlb_is_right(w));
	for (size_t i = 0; i < NR; i++) {
		assert_false(pages[i].is_optimised);
		assert_true(world_is_private(w, &pages[i]));
		assert_true(world_is_filled(w, &pages[i]));
	}
}

static void optimise_twice(struct world *w, struct pgw_huge_page *pages)
{
	optimise_and_restore(w, pages);
	for (int i = 0; i < 2; i++) {
		struct pgw_hvo_stats stats;

		assert_int_equal(pgw_hvo_optimise(w->kernel, pages, NR, &stats), 0);
		assert_int_equal(stats.nr_splits, 0);
		assert_int_equal(stats.nr_flushes, 1);
		assert_int_equal(pgw_hvo_restore(w->kernel, pages, NR, NULL), 0);
	}
}

static void test_hvo__43_tails_share_a_read_only_page_and_come_back_private(void **state)
{
	(void)state;
	for_each_case(optimise_and_restore);
}

static void test_hvo__45_a_list_again_needs_one_flush_and_no_split(void **state)
{
	(void)state;
	for_each_case(optimise_twice);
}

/* ---- 42 ---- */

/* Tails that differ from the shared page: everything is split, nothing is remapped. */
static void split_only(struct world *w, struct pgw_huge_page *pages)
{
	struct pgw_hvo_stats stats;

	assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 1, NULL), 0);
	assert_int_equal(pgw_hvo_restore(w->kernel, pages, 1, NULL), 0);
	for (size_t i = 1; i < NR_SMALL; i++)
		world_bytes(w, world_desc_va(w, pages[i].pa, 1))[3] ^= 1;
	w->same_pa = true;
	w->nr_looks = 0;
	assert_int_equal(pgw_hvo_optimise(w->kernel, pages + 1, NR_SMALL - 1, &stats), -PGW_EBUSY);
	w->same_pa = false;
	assert_true(w->nr_looks > 0);
	for (size_t i = 1; i < NR_SMALL; i++) {
		assert_int_equal(pages[i].status, -PGW_EBUSY);
		assert_false(pages[i].is_optimised);
		assert_true(world_is_private(w, &pages[i]));
	}
	assert_int_equal(stats.nr_pages_freed, 0);
	assert_true(world_tlb_is_right(w));
}

static void test_hvo__42_a_split_keeps_every_translation(void **state)
{
	(void)state;
	for_each_case(split_only);
}

/* ---- lists ---- */

static void odd_ones_in_a_list(struct world *w, struct pgw_huge_page *pages)
{
	struct pgw_huge_page list[] = {
		pages[0],
		pages[0], /* twice */
		pages[1],
		{ .pa = pages[1].pa, .size_lg2 = w->huge_lg2 + 1 }, /* the same memory */
		{ .pa = pages[2].pa + w->page, .size_lg2 = w->huge_lg2 },
		{ .pa = pages[2].pa, .size_lg2 = w->unit_lg2 }, /* one page of descriptors */
		{ .pa = pages[2].pa, .size_lg2 = 64 },
		{ .pa = world_block(w, 1), .size_lg2 = w->huge_lg2 }, /* is not there */
		{ .pa = pages[2].pa, .size_lg2 = w->huge_lg2, .is_optimised = true },
	};
	static const int expected[] = { 0,           -PGW_EBUSY,  0,
					-PGW_EBUSY,  -PGW_EINVAL, -PGW_EINVAL,
					-PGW_EINVAL, -PGW_EINVAL, -PGW_EINVAL };
	const size_t nr = sizeof(list) / sizeof(list[0]);
	struct pgw_huge_page other = pages[0];

	/* pages[1] may not be aligned to twice its size: then its overlap is refused as such. */
	assert_int_equal(pgw_hvo_optimise(w->kernel, list, nr, NULL), -PGW_EBUSY);
	for (size_t i = 0; i < nr; i++) {
		if (i == 3 && (list[i].pa & w->huge))
			assert_int_equal(list[i].status, -PGW_EINVAL);
		else
			assert_int_equal(list[i].status, expected[i]);
		assert_int_equal(list[i].is_optimised, !expected[i] || i == 8);
	}
	assert_true(world_is_shared(w, &pages[0]) && world_is_shared(w, &pages[1]));
	assert_true(world_is_private(w, &pages[2]));

	/* Not a second time; not as another size; and restoring one twice is refused too. */
	assert_int_equal(pgw_hvo_optimise(w->kernel, &other, 1, NULL), -PGW_EBUSY);
	other.is_optimised = true;
	other.size_lg2++;
	assert_int_not_equal(pgw_hvo_restore(w->kernel, &other, 1, NULL), 0);
	list[1] = list[0];
	assert_int_equal(pgw_hvo_restore(w->kernel, list, 3, NULL), -PGW_EBUSY);
	assert_int_equal(list[0].status, 0);
	assert_int_equal(list[1].status, -PGW_EBUSY);
	assert_int_equal(list[2].status, 0);
	assert_true(world_is_private(w, &pages[0]) && world_is_private(w, &pages[1]));
	assert_true(world_is_filled(w, &pages[0]) && world_is_filled(w, &pages[1]));
}

static void test_hvo__a_list_with_odd_ones_does_the_others(void **state)
{
	(void)state;
	for_each_case(odd_ones_in_a_list);
}

/* One that is refused does not decide what the shared page holds. */
static void odd_one_first(struct world *w, struct pgw_huge_page *pages)
{
	unsigned char *odd = world_bytes(w, world_desc_va(w, pages[0].pa, 1));

	odd[17] ^= 1;
	assert_int_equal(pgw_hvo_optimise(w->kernel, pages, 2, NULL), -PGW_EBUSY);
	assert_int_equal(pages[0].status, -PGW_EBUSY);
	assert_int_equal(pages[1].status, 0);
	assert_true(world_is_shared(w, &pages[1]) && world_is_filled(w, &pages[1]));
	assert_true(world_is_private(w, &pages[0]));
	odd = world_bytes(w, world_desc_va(w, pages[0].pa, 1));
	odd[17] ^= 1;
	assert_true(world_is_filled(w, &pages[0]));
	assert_int_equal(pgw_hvo_restore(w->kernel, &pages[1], 1, NULL), 0);
}

static void test_hvo__an_odd_one_that_comes_first_is_refused_alone(void **state)
{
	(void)state;
	for_each_case(odd_one_first);
}

static void test_hvo__wrong_arguments_are_refused(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct pgw_huge_page page = { .size_lg2 = 21 };
	struct pgw_kernel_args args;
	struct pgw_kernel *kernel;

	(void)state;
	assert_non_null(w);
	world_init(w, "x86_64-la48");
	assert_int_equal(pgw_hvo_optimise(NULL, &page, 1, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_hvo_optimise(w->kernel, NULL, 1, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_hvo_optimise(w->kernel, &page, 0, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_hvo_optimise(w->kernel, &page, SIZE_MAX / 8, NULL), -PGW_EINVAL);
	args = w->args;
	args.shared_rights = PGW_KERNEL_R | PGW_KERNEL_W;
	assert_int_equal(pgw_kernel_new(&args, &kernel), -PGW_EINVAL);
	args = w->args;
	args.desc_rights = PGW_KERNEL_R;
	assert_int_equal(pgw_kernel_new(&args, &kernel), -PGW_EINVAL);
	args = w->args;
	args.shared_rights = PGW_USER_R;
	assert_int_equal(pgw_kernel_new(&args, &kernel), -PGW_EINVAL);
	args = w->args;
	args.desc_lg2 = w->page_lg2;
	assert_int_equal(pgw_kernel_new(&args, &kernel), -PGW_EINVAL);
	args = w->args;
	args.kernel_mm = w->mmu;
	assert_int_equal(pgw_kernel_new(&args, &kernel), -PGW_EINVAL);
	world_fini(w);
	free(w);
}

/* ---- self-hosted ---- */

static void test_hvo__self_hosted_descriptors_are_refused_and_left_alone(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for_each_world_format(format)
	{
		struct pgw_huge_page page;
		struct world_count before;
		struct pgw_hvo_stats stats;
		uint64_t va;

		world_init(w, *format);
		assert_int_equal(world_hot_add(w, 0, PGW_HOT_ADD_SELF_HOSTED), 0);
		page = (struct pgw_huge_page){ .pa = world_block(w, 0), .size_lg2 = w->huge_lg2 };
		va = world_desc_va(w, page.pa, 1);
		assert_int_equal(world_see(w, va).pa, page.pa + w->page);
		assert_int_equal(world_see(w, va).leaf_lg2, w->geo->span_lg2[1]);
		before = world_count(w);
		assert_int_equal(pgw_hvo_optimise(w->kernel, &page, 1, &stats), -PGW_EOPNOTSUPP);
		assert_int_equal(stats.nr_splits, 0);
		assert_int_equal(world_see(w, va).leaf_lg2, w->geo->span_lg2[1]);

		/* The same in pages. */
		assert_int_equal(pgw_mmap_read_lock(w->mm), 0);
		assert_int_equal(pgw_mm_split(w->mm, va - w->page,
					      va - w->page + (WORLD_DESC_PAGES * w->page - 1),
					      w->page_lg2),
				 0);
		assert_int_equal(pgw_mmap_read_unlock(w->mm), 0);
		assert_int_equal(pgw_hvo_optimise(w->kernel, &page, 1, &stats), -PGW_EOPNOTSUPP);
		assert_int_equal(world_see(w, va).pa, page.pa + w->page);
		assert_int_equal(world_see(w, va).rights, w->args.desc_rights);
		assert_true(world_count(w).pages == before.pages);
		assert_int_equal(world_hot_remove(w, 0), 0);
		world_fini(w);
	}
	free(w);
}

/* ---- the lock ---- */

struct lock_watch {
	struct world *w;
	enum pgw_lock_mode mode;
	unsigned nr;
};

static void note_mode(void *arg)
{
	struct lock_watch *l = arg;

	l->mode = pgw_mmap_lock_mode(l->w->mm);
	l->nr++;
}

static void test_hvo__the_lock_is_held_for_read_or_if_asked_for_write(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (int write = 0; write < 2; write++) {
		struct lock_watch watch = { .w = w };
		struct pgw_huge_page page;

		world_init(w, "x86_64-la48");
		pgw_kernel_free(w->kernel);
		w->args.write_lock = write;
		assert_int_equal(pgw_kernel_new(&w->args, &w->kernel), 0);
		assert_int_equal(world_hot_add(w, 0, 0), 0);
		page = (struct pgw_huge_page){ .pa = world_block(w, 0), .size_lg2 = w->huge_lg2 };
		w->frames.on_access = note_mode;
		w->frames.on_free = NULL;
		w->frames.arg = &watch;
		assert_int_equal(pgw_hvo_optimise(w->kernel, &page, 1, NULL), 0);
		assert_int_equal(watch.mode, write ? PGW_LOCK_WRITE : PGW_LOCK_READ);
		assert_true(watch.nr > 0);
		assert_int_equal(pgw_hvo_restore(w->kernel, &page, 1, NULL), 0);
		assert_int_equal(watch.mode, write ? PGW_LOCK_WRITE : PGW_LOCK_READ);
		assert_int_equal(pgw_mmap_lock_mode(w->mm), PGW_LOCK_NONE);
		assert_int_equal(world_hot_remove(w, 0), 0);
		world_fini(w);
	}
	free(w);
}

/* 40, its end: a read within a read could wait for a writer that waits for it. */
static void test_hvo__40_under_the_callers_read_lock_it_is_refused(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct pgw_huge_page page;

	(void)state;
	assert_non_null(w);
	world_init(w, "x86_64-la48");
	assert_int_equal(world_hot_add(w, 0, 0), 0);
	page = (struct pgw_huge_page){ .pa = world_block(w, 0), .size_lg2 = w->huge_lg2 };
	assert_int_equal(pgw_mmap_read_lock(w->mm), 0);
	assert_int_equal(pgw_hvo_optimise(w->kernel, &page, 1, NULL), -PGW_EDEADLK);
	assert_int_equal(page.status, -PGW_EDEADLK);
	assert_false(page.is_optimised);
	assert_int_equal(w->arena.nr_violations, 1);
	assert_string_equal(w->arena.violation.rule_name, "mmap-recursion");
	w->arena.nr_violations = 0;
	assert_int_equal(pgw_mmap_read_unlock(w->mm), 0);
	/* It is still anybody's. */
	assert_int_equal(pgw_hvo_optimise(w->kernel, &page, 1, NULL), 0);
	assert_int_equal(pgw_hvo_restore(w->kernel, &page, 1, NULL), 0);
	assert_int_equal(world_hot_remove(w, 0), 0);
	world_fini(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hvo__43_tails_share_a_read_only_page_and_come_back_private),
		cmocka_unit_test(test_hvo__45_a_list_again_needs_one_flush_and_no_split),
		cmocka_unit_test(test_hvo__42_a_split_keeps_every_translation),
		cmocka_unit_test(test_hvo__a_list_with_odd_ones_does_the_others),
		cmocka_unit_test(test_hvo__an_odd_one_that_comes_first_is_refused_alone),
		cmocka_unit_test(test_hvo__wrong_arguments_are_refused),
		cmocka_unit_test(test_hvo__self_hosted_descriptors_are_refused_and_left_alone),
		cmocka_unit_test(test_hvo__the_lock_is_held_for_read_or_if_asked_for_write),
		cmocka_unit_test(test_hvo__40_under_the_callers_read_lock_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
