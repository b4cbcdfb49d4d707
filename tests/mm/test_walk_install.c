/* SPDX-License-Identifier: BSD-2-Clause */

/* Walks that fill what is empty: install_pte. */

#include "walk_fixture.h"

#include "base/bits.h"
#include "base/mutex.h"
#include "mm/mm_priv.h"

#define INSTALLED (-1) /* an event level: install_pte was called */

static struct fixture *fixture_of(struct pgw_mm_walk *walk)
{
	return pgw_container_of((struct record *)walk->arg, struct fixture, record);
}

/* A leaf whose frame is that of f->word plus the address. */
static int install_leaf(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	struct fixture *f = fixture_of(walk);

	*ret = pgw_entry_advance(f->format, f->word, 0, addr & (span(f, 1) - 1) & ~(page(f) - 1));
	return record_event(walk, (struct event){ .level = INSTALLED, .addr = addr, .next = next });
}

static int install_nothing(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	(void)ret;
	return record_event(walk, (struct event){ .level = INSTALLED, .addr = addr, .next = next });
}

/* The entry of a leaf whose frame is 0. */
static uint64_t leaf_word(struct fixture *f)
{
	struct pgw_leaf leaf = { .va = 0,
				 .rights = PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W };
	uint64_t word;

	assert_int_equal(pgw_mm_leaf_encode(f->mm, &leaf, &word), 0);
	return word;
}

static struct pgw_mm_walk_ops install_ops(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;

	f->word = leaf_word(f);
	ops.install_pte = install_leaf;
	return ops;
}

static int install(struct fixture *f, uint64_t start, uint64_t end,
		   const struct pgw_mm_walk_ops *ops)
{
	int err;

	begin(f);
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	err = pgw_walk_page_range_mm_unsafe(f->mm, start, end, ops, &f->record);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	return err;
}

/* Live counts and all else is right. */
static void check_mm(struct fixture *f)
{
	const char *what = "";

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	if (pgw_mm_validate(f->mm, &what))
		fail_msg("%s: %s", pgw_format_name(f->format), what);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
}

static void public_functions(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = install_ops(f);
	uint64_t s = span(f, 1);
	struct pgw_vma *vma;

	make_vma(f, 2 * s, 3 * s, 0);
	vma = vma_at(f, 2 * s);
	begin(f);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_walk_page_range(f->mm, s, 4 * s, &ops, &f->record), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_vma(vma, 2 * s, 3 * s, &ops, &f->record), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_vma(vma, &ops, &f->record), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_novma(f->mm, s, 4 * s, &ops, NULL, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_debug(f->mm, s, 4 * s, &ops, NULL, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(f->record.nr, 0);
	assert_int_equal(
		pgw_walk_page_range_vma_unsafe(vma, 2 * s, 2 * s + page(f), &ops, &f->record), 0);
	assert_int_equal(count_level(f, INSTALLED), 1);
	assert_int_equal(
		pgw_walk_page_range_vma_unsafe(vma, 2 * s, 3 * s + page(f), &ops, &f->record),
		-PGW_EINVAL);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(install(f, 2 * s, 2 * s + 2 * page(f), &ops), 0);
	assert_int_equal(install(f, 2 * s, 2 * s, &ops), -PGW_EINVAL);
	assert_int_equal(install(f, 2 * s, 3 * s, NULL), -PGW_EINVAL);
}

static void kernel_functions(struct fixture *f)
{
	struct pgw_mm_new_args args = { .platform = &f->arena.platform,
					.format = f->format,
					.region = PGW_REGION_KERNEL };
	struct pgw_mm_walk_ops ops = install_ops(f);
	uint64_t first, last;
	struct pgw_mm *mm;

	pgw_format_region_range(f->format, PGW_REGION_KERNEL, &first, &last);
	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	f->on_step = NULL;
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	assert_int_equal(pgw_walk_kernel_page_table_range(mm, first, first + 1, &ops, NULL, NULL),
			 -PGW_EINVAL);
	assert_int_equal(
		pgw_walk_kernel_page_table_range_lockless(mm, first, first + 1, &ops, NULL, NULL),
		-PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_debug(mm, first, first + 1, &ops, NULL, NULL),
			 -PGW_EINVAL);
	/* Kernel tables have no VMAs, and no such function. */
	assert_int_equal(pgw_walk_page_range_mm_unsafe(mm, first, first + 1, &ops, NULL),
			 -PGW_EINVAL);
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	pgw_mm_free(mm);
}

static void test_walk_install__4_install_pte_is_for_the_unsafe_functions(void **state)
{
	(void)state;
	for_each_format(public_functions);
	for_each_format(kernel_functions);
}

/* Slots, one of which is filled, of a VMA whose tables are not all there. */
static void fills(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = install_ops(f);
	uint64_t s = span(f, 1), filled = 3 * s + 5 * page(f), word;

	make_vma(f, 2 * s, 5 * s, 0);
	map(f, filled, 0);
	word = *slot_at(f, filled, 0);
	assert_int_equal(install(f, s, 4 * s, &ops), 0);
	/* 8, the other half: what is filled goes to pte_entry, and nothing else does. */
	assert_int_equal(count_level(f, 0), 1);
	assert_int_equal(nth_of_level(f, 0, 0)->addr, filled);
	assert_int_equal(nth_of_level(f, 0, 0)->entry, word);
	assert_int_equal(count_level(f, INSTALLED), 2 * nr_slots(f, 0) - 1);
	assert_int_equal(nth_of_level(f, INSTALLED, 0)->next, 2 * s + page(f));
	/* The gap is a hole, as ever; no slot is, and each new table is shown as one. */
	assert_int_equal(count_level(f, HOLE), 1);
	assert_int_equal(nth_of_level(f, HOLE, 0)->depth, -1);
	assert_int_equal(count_level(f, 1), 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(kind_of(f, nth_of_level(f, 1, i)->entry, 1), PGW_ENTRY_TABLE);
	assert_int_equal(pa_of(f, 3 * s + page(f)), page(f));
	assert_int_equal(pa_of(f, filled), page(f));
	check_mm(f);
	/* Once more: all is filled. */
	assert_int_equal(install(f, 2 * s, 4 * s, &ops), 0);
	assert_int_equal(count_level(f, INSTALLED), 0);
	assert_int_equal(count_level(f, 0), 2 * nr_slots(f, 0));
	/* The rest of the VMA is as it was. */
	assert_int_equal(walk(f, 4 * s, 5 * s, &all_ops), 0);
	assert_int_equal(count_level(f, HOLE), 1);
}

static void test_walk_install__8_empty_slots_are_filled_others_are_shown(void **state)
{
	(void)state;
	for_each_format(fills);
}

/* Without callbacks for what is below, a leaf stays; with pte_entry it is split. */
static void leaf_stays(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = { .install_pte = install_leaf, .pmd_entry = record_pmd };
	uint64_t s = span(f, 1);

	f->word = leaf_word(f);
	make_vma(f, 2 * s, 4 * s, 0);
	map(f, 2 * s, 1);
	assert_int_equal(install(f, 2 * s, 4 * s, &ops), 0);
	assert_int_equal(count_level(f, INSTALLED), nr_slots(f, 0));
	assert_int_equal(count_level(f, 1), 2);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 0);
	assert_int_equal(kind_of(f, *slot_at(f, 2 * s, 1), 1), PGW_ENTRY_LEAF);
	/* Filled slots without a pte_entry are left. */
	assert_int_equal(install(f, 3 * s, 4 * s, &ops), 0);
	assert_int_equal(count_level(f, INSTALLED), 0);
	ops = install_ops(f);
	assert_int_equal(install(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 1);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
	assert_int_equal(count_level(f, INSTALLED), 0);
	check_mm(f);
}

static void test_walk_install__leaves_are_not_split_only_to_install(void **state)
{
	(void)state;
	for_each_format(leaf_stays);
}

static void stops(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = { .install_pte = install_leaf, .post_vma = record_post };
	uint64_t s = span(f, 1);

	f->word = leaf_word(f);
	make_vma(f, 2 * s, 3 * s, 0);
	f->record.stop_at = 3;
	f->record.stop_value = 7;
	assert_int_equal(install(f, 2 * s, 3 * s, &ops), 7);
	assert_int_equal(count_level(f, INSTALLED), 3);
	assert_int_equal(count_level(f, POST), 1);
	/* What was installed stays, the last one's value was not. */
	assert_int_equal(desc_of(f, slot_at(f, 2 * s, 0), 0)->nr_live, 2);
	f->record.stop_at = 0;
	ops.install_pte = install_nothing;
	assert_int_equal(install(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(count_level(f, INSTALLED), nr_slots(f, 0) - 2);
	assert_int_equal(desc_of(f, slot_at(f, 2 * s, 0), 0)->nr_live, 2);
	check_mm(f);
}

/* Each allocation that can fail does: an error, and all is as it should be. */
static void no_memory(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = install_ops(f);
	uint64_t s = span(f, 1);
	long fails = 0;
	int err;

	make_vma(f, 2 * s, 3 * s, 0);
	do {
		f->arena.fail_after = fails++;
		err = install(f, 2 * s, 3 * s, &ops);
		f->arena.fail_after = -1;
		check_mm(f);
		assert_true(!err || err == -PGW_ENOMEM);
		assert_int_equal(count_level(f, HOLE), 0);
		if (err)
			assert_int_equal(count_level(f, INSTALLED), 0);
		assert_int_equal(pgw_mm_munmap(f->mm, 2 * s, 3 * s), 0);
		make_vma(f, 2 * s, 3 * s, 0);
	} while (err);
	assert_int_equal(fails, f->geo->top_level + 1);
}

static void test_walk_install__errors_end_it(void **state)
{
	(void)state;
	for_each_format(stops);
	for_each_format(no_memory);
}

static int check_lock(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	struct fixture *f = fixture_of(walk);

	(void)addr, (void)next;
	assert_int_equal(desc_below(f, *f->slot, 1)->lock, MUTEX_TAKEN);
	assert_int_equal(f->arena.thread.nr_readers, 1);
	*ret = f->word;
	return 1;
}

static void locked(struct fixture *f)
{
	const struct pgw_mm_walk_ops ops = { .install_pte = check_lock };
	uint64_t s = span(f, 1);

	f->word = leaf_word(f);
	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 3 * s - page(f), 0);
	f->slot = slot_at(f, 2 * s, 1);
	assert_int_equal(install(f, 2 * s, 3 * s, &ops), 1);
}

static void test_walk_install__38_install_pte_has_its_tables_lock(void **state)
{
	(void)state;
	for_each_format(locked);
}

/* The new table goes before it can be locked: dontneed of others frees it, because it is empty. */
static void drop_new_table(struct fixture *f, enum pgw_step_point point)
{
	struct pt_gather gather;
	const struct pt_edit edit = { .pt = &f->mm->pt, .policy = PT_SHARED, .gather = &gather };

	if (point != PGW_STEP_PTE_MAPPED || f->times++)
		return;
	f->on_step = NULL;
	gather_init(&gather, &f->mm->pt, PT_SHARED);
	f->mm->pt.format->edit->trim_table(&edit, 2 * span(f, 1));
	gather_flush(&gather);
	f->on_step = drop_new_table;
}

static void new_table_goes(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = install_ops(f);
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 3 * s, 0);
	f->on_step = drop_new_table;
	assert_int_equal(install(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(f->times, 2);
	assert_int_equal(f->nr_steps[PGW_STEP_TABLE_UNLINKED], 1);
	assert_int_equal(count_level(f, INSTALLED), nr_slots(f, 0));
	f->on_step = NULL;
	check_mm(f);
}

/* What is malformed under the VMA is cleared, and filled. */
static void malformed_is_filled(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = install_ops(f);
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 4 * s, 0);
	map(f, 2 * s, 1);
	map(f, 3 * s, 0);
	f->slot = slot_at(f, 2 * s, 1);
	*f->slot |= UINT64_C(1) << (PA_BITS + 1); /* beyond what the machine has */
	if (kind_of(f, *f->slot, 1) != PGW_ENTRY_MALFORMED)
		*f->slot |= UINT64_C(1) << (PA_BITS - 1);
	assert_int_equal(kind_of(f, *f->slot, 1), PGW_ENTRY_MALFORMED);
	assert_int_equal(install(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(count_level(f, MALFORMED), 1);
	assert_int_equal(count_level(f, HOLE), 0);
	assert_int_equal(count_level(f, INSTALLED), nr_slots(f, 0));
	check_mm(f);
}

static void test_walk_install__27_what_vanishes_is_made_again(void **state)
{
	(void)state;
	for_each_format(new_table_goes);
	for_each_format(malformed_is_filled);
}

/* Somebody has cleared pages and not flushed yet: the fresh ones are not to be missed by a TLB. */
static void flushes(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = install_ops(f);
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 3 * s, 0);
	f->arena.nr_flushes = 0;
	assert_int_equal(install(f, 2 * s, 2 * s + page(f), &ops), 0);
	assert_int_equal(f->arena.nr_flushes, 0);
	mm_flush_begin(f->mm);
	assert_int_equal(install(f, 2 * s, 2 * s + 2 * page(f), &ops), 0);
	assert_int_equal(f->arena.nr_flushes, 1);
	assert_int_equal(f->arena.flush_first, 2 * s);
	f->mm->nr_unflushed--;
}

static void test_walk_install__no_stale_translation(void **state)
{
	(void)state;
	for_each_format(flushes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_install__4_install_pte_is_for_the_unsafe_functions),
		cmocka_unit_test(test_walk_install__8_empty_slots_are_filled_others_are_shown),
		cmocka_unit_test(test_walk_install__leaves_are_not_split_only_to_install),
		cmocka_unit_test(test_walk_install__errors_end_it),
		cmocka_unit_test(test_walk_install__38_install_pte_has_its_tables_lock),
		cmocka_unit_test(test_walk_install__27_what_vanishes_is_made_again),
		cmocka_unit_test(test_walk_install__no_stale_translation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
