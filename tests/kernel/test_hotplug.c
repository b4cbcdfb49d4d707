/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Memory that comes and goes (docs/locking.md: K5), and the hotplug lock (G15, K11);
 * one thread, every format.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/world.h"

static struct world *world_new(const char *format)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_init(w, format);
	return w;
}

static void world_delete(struct world *w)
{
	world_fini(w);
	free(w);
}

static int count_extent(const struct pgw_extent *extent, void *arg)
{
	*(uint64_t *)arg +=
		extent->kind == PGW_ENTRY_LEAF ? extent->va_last - extent->va_first + 1 : 0;
	return 0;
}

/* How many bytes are mapped at all. */
static uint64_t nr_mapped(struct world *w)
{
	uint64_t first, last, ret = 0;

	pgw_format_region_range(w->format, PGW_REGION_KERNEL, &first, &last);
	assert_int_equal(pgw_scan_extents(w->mmu, first, last, count_extent, &ret), 0);
	return ret;
}

static uint64_t block_desc_size(const struct world *w)
{
	return UINT64_C(1) << w->geo->span_lg2[1];
}

/* Every page of both maps goes where it should, with the largest leaves there can be. */
static void check_block(struct world *w, size_t block, bool self_hosted)
{
	uint64_t pa = world_block(w, block);

	for (uint64_t at = 0; at < w->block_size; at += w->block_size / 64) {
		struct pgw_translation t = world_see(w, w->args.linear_va + pa + at);

		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
		assert_int_equal(t.pa, pa + at);
		assert_int_equal(t.rights, w->args.linear_rights);
		assert_true(t.leaf_lg2 >= w->geo->span_lg2[1]);
	}
	for (size_t k = 0; k < block_desc_size(w) >> w->page_lg2; k++) {
		struct pgw_translation t = world_see(w, world_desc_va(w, pa, k));

		assert_int_equal(t.kind, PGW_ENTRY_LEAF);
		assert_int_equal(t.rights, w->args.desc_rights);
		if (self_hosted)
			assert_int_equal(t.pa, pa + (k << w->page_lg2));
	}
}

static void test_hotplug__memory_comes_and_goes_whole(void **state)
{
	(void)state;
	for_each_world_format(format)
	{
		for (uint8_t shift = 0; shift < 2; shift++) {
			struct world *w = world_new(*format);
			struct world_count before;

			/* Descriptors in one leaf, or in pages. */
			w->frames.max_lg2 = shift ? w->page_lg2 : w->geo->span_lg2[1];
			/* What is above stays from now on: another block needs it. */
			assert_int_equal(world_hot_add(w, 2, 0), 0);
			before = world_count(w);
			assert_int_equal(world_hot_add(w, 0, 0), 0);
			check_block(w, 0, false);
			assert_int_equal(
				world_see(w, world_desc_va(w, world_block(w, 0), 0)).leaf_lg2 >
					w->page_lg2,
				!shift);
			world_watch(w, world_desc_va(w, world_block(w, 0), 0), 512);
			assert_int_equal(world_count(w).pages,
					 before.pages + (long)(block_desc_size(w) >> w->page_lg2));
			assert_int_equal(world_hot_remove(w, 0), 0);
			assert_true(world_tlb_is_right(w));
			assert_true(world_count_equal(world_count(w), before));
			assert_int_equal(nr_mapped(w), w->block_size + block_desc_size(w));
			check_block(w, 2, false);
			assert_int_equal(world_hot_remove(w, 2), 0);
			assert_int_equal(nr_mapped(w), 0);
			world_delete(w);
		}
	}
}

/*
 *    block of memory:  |  one half  |  the other |
 *    its descriptors:  |<------ one leaf ------->|  after the collapse
 */
static void remove_half_of_a_leaf(struct world *w)
{
	uint64_t half = w->block_size / 2, pa = world_block(w, 0), desc = world_desc_va(w, pa, 0);
	long nr_pages = (long)(block_desc_size(w) >> w->page_lg2);

	w->frames.max_lg2 = w->page_lg2;
	assert_int_equal(pgw_kernel_hot_add(w->kernel, pa, pa + half - 1, 0), 0);
	assert_int_equal(pgw_kernel_hot_add(w->kernel, pa + half, pa + 2 * half - 1, 0), 0);
	assert_int_equal(pgw_kernel_collapse(w->mm, desc, desc + block_desc_size(w) - 1, NULL), 0);
	assert_int_equal(world_see(w, desc).leaf_lg2, w->geo->span_lg2[1]);

	w->arena.fail_after = 0;
	assert_int_equal(pgw_kernel_hot_remove(w->kernel, pa, pa + half - 1), -PGW_ENOMEM);
	w->arena.fail_after = -1;
	check_block(w, 0, false);

	assert_int_equal(pgw_kernel_hot_remove(w->kernel, pa, pa + half - 1), 0);
	assert_int_equal(world_count(w).pages, nr_pages / 2);
	assert_int_equal(nr_mapped(w), half + block_desc_size(w) / 2);
	for (long k = nr_pages / 2; k < nr_pages; k++)
		assert_int_equal(world_see(w, world_desc_va(w, pa, (size_t)k)).kind,
				 PGW_ENTRY_LEAF);
	assert_int_equal(pgw_kernel_hot_remove(w->kernel, pa + half, pa + 2 * half - 1), 0);
	assert_int_equal(nr_mapped(w), 0);
}

static void test_hotplug__a_leaf_that_two_blocks_share_is_split(void **state)
{
	(void)state;
	for_each_world_format(format)
	{
		struct world *w = world_new(*format);

		remove_half_of_a_leaf(w);
		world_delete(w);
	}
}

static void test_hotplug__self_hosted_memory_needs_no_pages(void **state)
{
	(void)state;
	for_each_world_format(format)
	{
		struct world *w = world_new(*format);

		w->frames.max_taken = 0;
		assert_int_equal(world_hot_add(w, 0, 0), -PGW_ENOMEM);
		assert_int_equal(world_hot_add(w, 0, PGW_HOT_ADD_SELF_HOSTED), 0);
		check_block(w, 0, true);
		assert_int_equal(world_hot_remove(w, 0), 0);
		assert_int_equal(nr_mapped(w), 0);
		world_delete(w);
	}
}

static void test_hotplug__what_cannot_be_is_refused(void **state)
{
	(void)state;
	for_each_world_format(format)
	{
		struct world *w = world_new(*format);
		uint64_t first = world_block(w, 0), last = first + (w->block_size - 1);
		uint64_t unit = UINT64_C(1) << w->unit_lg2, va = world_desc_va(w, first, 1);
		struct pgw_map_args args = { .first = va,
					     .last = va + (w->page - 1),
					     .pa = FRAMES_PA,
					     .rights = PGW_KERNEL_R };
		struct pgw_huge_page page = { .pa = first, .size_lg2 = w->huge_lg2 };
		struct world_count before;

		assert_int_equal(pgw_kernel_hot_add(w->kernel, last, first, 0), -PGW_EINVAL);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, first + unit / 2, last, 0),
				 -PGW_EINVAL);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, first, last - unit / 2, 0),
				 -PGW_EINVAL);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, first, last, 2), -PGW_EINVAL);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, 0, UINT64_MAX, 0), -PGW_EINVAL);
		assert_int_equal(pgw_kernel_hot_add(NULL, first, last, 0), -PGW_EINVAL);
		assert_int_equal(pgw_kernel_hot_remove(w->kernel, first, last), -PGW_ENOENT);

		/* Something of somebody else's where descriptors would be. */
		assert_int_equal(pgw_vmap(w->mm, &args), 0);
		before = world_count(w);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, first, last, 0), -PGW_EEXIST);
		assert_int_equal(nr_mapped(w), w->page);
		assert_int_equal(world_count(w).pages, before.pages);
		assert_int_equal(world_count(w).objs, before.objs);
		assert_int_equal(pgw_vunmap(w->mm, va, va + (w->page - 1)), 0);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, first, last, 0), 0);

		before = world_count(w);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, first, last, 0), -PGW_EEXIST);
		assert_int_equal(pgw_kernel_hot_add(w->kernel, last + 1 - unit, last + unit, 0),
				 -PGW_EEXIST);
		assert_int_equal(pgw_kernel_hot_remove(w->kernel, first, last - unit), -PGW_ENOENT);
		assert_true(world_count_equal(world_count(w), before));

		/* 43: not while a huge page shares. */
		assert_int_equal(pgw_hvo_optimise(w->kernel, &page, 1, NULL), 0);
		before = world_count(w);
		assert_int_equal(pgw_kernel_hot_remove(w->kernel, first, last), -PGW_EBUSY);
		assert_true(world_count_equal(world_count(w), before));
		assert_true(world_is_shared(w, &page));
		assert_int_equal(pgw_hvo_restore(w->kernel, &page, 1, NULL), 0);
		assert_int_equal(pgw_kernel_hot_remove(w->kernel, first, last), 0);
		assert_int_equal(nr_mapped(w), 0);
		world_delete(w);
	}
}

/* ---- every allocation fails ---- */

static void every_allocation_fails(const char *format, bool frames, bool in_pages, uint32_t flags)
{
	struct world *w = world_new(format);
	long *fail_after = frames ? &w->frames.fail_after : &w->arena.fail_after;
	struct world_count before;
	long nth = 0;
	int err;

	if (in_pages)
		w->frames.max_lg2 = w->page_lg2;
	assert_int_equal(world_hot_add(w, 2, flags), 0);
	before = world_count(w);
	do {
		*fail_after = nth++;
		err = world_hot_add(w, 0, flags);
		if (!err)
			break;
		assert_int_equal(err, -PGW_ENOMEM);
		assert_int_equal(*fail_after, -1);
		assert_true(world_count_equal(world_count(w), before));
		check_block(w, 2, flags);
	} while (nth < 100000);
	/* A large piece that is refused comes as smaller ones: all went well though one failed. */
	assert_true(nth > 1 || (frames && !in_pages));
	*fail_after = -1;
	check_block(w, 0, flags);
	assert_int_equal(world_hot_remove(w, 0), 0);
	assert_true(world_count_equal(world_count(w), before));
	assert_int_equal(world_hot_remove(w, 2), 0);
	world_delete(w);
}

static void test_hotplug__every_allocation_that_fails_leaves_nothing(void **state)
{
	(void)state;
	for_each_world_format(format)
	{
		every_allocation_fails(*format, false, false, 0);
		every_allocation_fails(*format, false, true, 0);
		every_allocation_fails(*format, false, false, PGW_HOT_ADD_SELF_HOSTED);
		every_allocation_fails(*format, true, false, 0);
	}
	/* One for each page of descriptors. */
	every_allocation_fails("x86_64-la48", true, true, 0);
	every_allocation_fails("arm64-16k-47", true, true, 0);
}

/* ---- the lock ---- */

static void check_violation(struct world *w, const char *rule, int err, int expected)
{
	assert_int_equal(err, expected);
	assert_int_equal(w->arena.nr_violations, 1);
	assert_string_equal(w->arena.violation.rule_name, rule);
	w->arena.nr_violations = 0;
}

static void test_hotplug__41_the_lock_comes_before_all_mmap_locks(void **state)
{
	struct world *w = world_new("x86_64-la48");
	const struct pgw_mm_new_args user_args = { .platform = &w->arena.platform,
						   .format = w->format,
						   .kernel_mm = w->mm };
	struct world_count before;
	struct pgw_mm *user;

	(void)state;
	assert_int_equal(pgw_mm_new(&user_args, &user), 0);
	before = world_count(w);
	for (int i = 0; i < 2; i++) {
		struct pgw_mm *held = i ? user : w->mm;

		assert_int_equal(pgw_mmap_read_lock(held), 0);
		check_violation(w, "hotplug-order", pgw_hotplug_read_lock(w->mm), -PGW_EDEADLK);
		assert_string_equal(w->arena.violation.function, "pgw_hotplug_read_lock");
		check_violation(w, "hotplug-order", pgw_hotplug_write_lock(w->mm), -PGW_EDEADLK);
		check_violation(w, "hotplug-order", world_hot_add(w, 0, 0), -PGW_EDEADLK);
		check_violation(w, "hotplug-order", world_hot_remove(w, 0), -PGW_EDEADLK);
		assert_int_equal(pgw_mmap_read_unlock(held), 0);
	}
	assert_true(world_count_equal(world_count(w), before));

	/* hotplug, user mm, kernel mm: in this order all is well. */
	assert_int_equal(pgw_hotplug_read_lock(w->mm), 0);
	assert_int_equal(pgw_mmap_write_lock(user), 0);
	assert_int_equal(pgw_mmap_write_lock(w->mm), 0);
	assert_int_equal(pgw_mmap_write_unlock(w->mm), 0);
	assert_int_equal(pgw_mmap_write_unlock(user), 0);
	assert_int_equal(pgw_hotplug_read_unlock(w->mm), 0);
	assert_int_equal(w->arena.nr_violations, 0);
	pgw_mm_free(user);
	world_delete(w);
}

static void test_hotplug__the_lock_is_taken_once_and_released_by_its_holder(void **state)
{
	struct world *w = world_new("x86_64-la48");
	const struct pgw_mm_new_args user_args = { .platform = &w->arena.platform,
						   .format = w->format };
	struct pgw_mm *user;

	(void)state;
	check_violation(w, "mmap-not-held", pgw_hotplug_read_unlock(w->mm), -PGW_EPERM);
	check_violation(w, "mmap-not-held", pgw_hotplug_write_unlock(w->mm), -PGW_EPERM);
	assert_int_equal(pgw_hotplug_read_lock(w->mm), 0);
	check_violation(w, "mmap-recursion", pgw_hotplug_read_lock(w->mm), -PGW_EDEADLK);
	check_violation(w, "mmap-recursion", world_hot_add(w, 0, 0), -PGW_EDEADLK);
	check_violation(w, "mmap-not-held", pgw_hotplug_write_unlock(w->mm), -PGW_EPERM);
	assert_int_equal(pgw_hotplug_read_unlock(w->mm), 0);

	/* A dump's is always held; a user mm has none. */
	assert_int_equal(pgw_hotplug_write_lock(w->mmu), 0);
	assert_int_equal(pgw_hotplug_read_lock(w->mmu), 0);
	assert_int_equal(pgw_hotplug_read_unlock(w->mmu), 0);
	assert_int_equal(pgw_hotplug_write_unlock(w->mmu), 0);
	assert_int_equal(pgw_mm_new(&user_args, &user), 0);
	assert_int_equal(pgw_hotplug_read_lock(user), -PGW_EINVAL);
	assert_int_equal(pgw_hotplug_write_lock(NULL), -PGW_EINVAL);
	pgw_mm_free(user);
	world_delete(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hotplug__memory_comes_and_goes_whole),
		cmocka_unit_test(test_hotplug__a_leaf_that_two_blocks_share_is_split),
		cmocka_unit_test(test_hotplug__self_hosted_memory_needs_no_pages),
		cmocka_unit_test(test_hotplug__what_cannot_be_is_refused),
		cmocka_unit_test(test_hotplug__every_allocation_that_fails_leaves_nothing),
		cmocka_unit_test(test_hotplug__41_the_lock_comes_before_all_mmap_locks),
		cmocka_unit_test(test_hotplug__the_lock_is_taken_once_and_released_by_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
