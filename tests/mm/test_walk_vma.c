/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The walker's contract, walks through VMAs, with nobody else at the tables. As in
 * test_walk.c the names carry the numbers of the assertions that they show.
 */

#include "walk_fixture.h"

#include "base/bits.h"
#include "base/mutex.h"

/* ---- arguments ---- */

static void arguments(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1), first, last;
	struct pgw_vma *vma;

	pgw_format_region_range(f->format, PGW_REGION_KERNEL, &first, &last);
	make_vma(f, 2 * s, 4 * s, 0);
	vma = vma_at(f, 2 * s);
	assert_int_equal(walk(f, s, s, &all_ops), -PGW_EINVAL);
	assert_int_equal(walk(f, s, s - 1, &all_ops), -PGW_EINVAL);
	assert_int_equal(walk(f, 0, s, NULL), -PGW_EINVAL);
	assert_int_equal(walk(f, first, first + s, &all_ops), -PGW_EINVAL);
	assert_int_equal(walk(f, 0, UINT64_MAX, &all_ops), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range(NULL, 0, s, &all_ops, &f->record), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_vma(NULL, 0, s, &all_ops, &f->record), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_vma(NULL, &all_ops, &f->record), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_vma(vma, NULL, &f->record), -PGW_EINVAL);
	/* One VMA's lock does not keep the next. */
	ops.walk_lock = PGW_WALK_VMA_RDLOCK_VERIFY;
	assert_int_equal(walk(f, 2 * s, 4 * s, &ops), -PGW_EINVAL);
	ops.walk_lock = (enum pgw_walk_lock)4;
	assert_int_equal(walk(f, 2 * s, 4 * s, &ops), -PGW_EINVAL);
	assert_int_equal(f->record.nr, 0);
}

static void test_walk_vma__1_2_wrong_arguments_give_einval(void **state)
{
	(void)state;
	for_each_format(arguments);
}

static void other_mms(struct fixture *f)
{
	struct pgw_mm_new_args own = { .platform = &f->arena.platform,
				       .format = f->format,
				       .region = PGW_REGION_KERNEL };
	struct pgw_mm_attach_args args = { .platform = &f->arena.platform,
					   .format = f->format,
					   .phys = &f->arena.memory.phys,
					   .root = pgw_mm_root(f->mm) };
	struct pgw_mm *mm;
	uint64_t first, last;

	pgw_format_region_range(f->format, PGW_REGION_KERNEL, &first, &last);
	assert_int_equal(pgw_mm_new(&own, &mm), 0);
	assert_int_equal(pgw_walk_page_range(mm, first, last, &all_ops, &f->record), -PGW_EINVAL);
	pgw_mm_free(mm);
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(pgw_walk_page_range(mm, 0, page(f), &all_ops, &f->record), -PGW_EINVAL);
	pgw_mm_free(mm);
	assert_int_equal(f->record.nr, 0);
}

static void test_walk_vma__only_owned_user_mms_have_vmas(void **state)
{
	(void)state;
	for_each_format(other_mms);
}

static int install_nothing(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	(void)addr;
	(void)next;
	(void)walk;
	*ret = 0;
	return 0;
}

/* What a snapshot may be told, and what not. */
static void give_refused(struct fixture *f, struct pgw_mm *snapshot)
{
	uint64_t s = span(f, 1);
	struct pgw_mmap_args args = { .start = 3 * s, .end = 5 * s, .flags = PGW_VMA_READ };

	assert_int_equal(pgw_mm_give_vma(snapshot, &args), -PGW_EEXIST);
	assert_int_equal(pgw_mm_give_vma(f->mm, &args), -PGW_EOPNOTSUPP);
	assert_int_equal(pgw_mm_give_vma(NULL, &args), -PGW_EINVAL);
	assert_int_equal(pgw_mm_give_vma(snapshot, NULL), -PGW_EINVAL);
	args.start = 4 * s;
	args.flags = PGW_VMA_HUGETLB;
	assert_int_equal(pgw_mm_give_vma(snapshot, &args), -PGW_EINVAL);
	args.flags = 0;
	args.start++;
	assert_int_equal(pgw_mm_give_vma(snapshot, &args), -PGW_EINVAL);
	args.start = args.end;
	assert_int_equal(pgw_mm_give_vma(snapshot, &args), -PGW_EINVAL);
}

/* Leaves in VMAs are shown, one that lies beside them is not, and nothing is changed. */
static void given(struct fixture *f)
{
	struct pgw_mm_attach_args args = { .platform = &f->arena.platform,
					   .format = f->format,
					   .phys = &f->arena.memory.phys,
					   .root = pgw_mm_root(f->mm) };
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1);
	struct pgw_mmap_args vmas[] = {
		{ .start = 3 * s, .end = 4 * s, .private_data = &args },
		{ .start = 2 * s, .end = 3 * s, .flags = PGW_VMA_READ },
	};
	struct pgw_mm *mm;

	make_vma(f, s, 8 * s, 0);
	map(f, 2 * s, 0);
	map(f, 5 * s, 0);
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(vmas); i++)
		assert_int_equal(pgw_mm_give_vma(mm, &vmas[i]), 0);
	assert_int_equal(pgw_vma_count(mm), 2);
	give_refused(f, mm);
	begin(f);
	ops.walk_lock = PGW_WALK_WRLOCK_VERIFY;
	assert_int_equal(pgw_walk_page_range(mm, 0, 6 * s, &ops, &f->record), 0);
	assert_int_equal(count_level(f, PRE), 2);
	assert_int_equal(count_level(f, 0), s / page(f));
	assert_int_equal(nth_of_level(f, 0, 0)->addr, 2 * s);
	assert_true(nth_of_level(f, 0, 0)->entry != 0);
	assert_ptr_equal(nth_of_level(f, PRE, 1)->vma->private_data, &args);
	assert_int_equal(nth_of_level(f, HOLE, 0)->depth, -1);
	assert_int_equal(nth_of_level(f, HOLE, 0)->next, 2 * s);
	ops.install_pte = install_nothing;
	assert_int_equal(pgw_walk_page_range_mm_unsafe(mm, 0, 6 * s, &ops, &f->record),
			 -PGW_EINVAL);
	pgw_mm_free(mm);
}

static void test_walk_vma__a_snapshot_is_walked_by_what_it_was_given(void **state)
{
	(void)state;
	for_each_format(given);
}

static int walk_in_vma(struct fixture *f, struct pgw_vma *vma, uint64_t start, uint64_t end)
{
	int err;

	begin(f);
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	err = pgw_walk_page_range_vma(vma, start, end, &all_ops, &f->record);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	return err;
}

static void vma_bounds(struct fixture *f)
{
	uint64_t s = span(f, 1);
	struct pgw_vma *vma;

	make_vma(f, 2 * s, 4 * s, 0);
	vma = vma_at(f, 2 * s);
	assert_int_equal(walk_in_vma(f, vma, 2 * s - 1, 4 * s), -PGW_EINVAL);
	assert_int_equal(walk_in_vma(f, vma, 2 * s, 4 * s + 1), -PGW_EINVAL);
	assert_int_equal(walk_in_vma(f, vma, s, 2 * s), -PGW_EINVAL);
	assert_int_equal(walk_in_vma(f, vma, 3 * s, 3 * s), -PGW_EINVAL);
	assert_int_equal(f->record.nr, 0);
	assert_int_equal(walk_in_vma(f, vma, 2 * s, 4 * s), 0);
	assert_int_equal(nth_of_level(f, PRE, 0)->addr, 2 * s);
	assert_int_equal(nth_of_level(f, PRE, 0)->next, 4 * s);
	assert_int_equal(count_level(f, POST), 1);
	assert_int_equal(walk_in_vma(f, vma, 3 * s - 1, 3 * s), 0);
	assert_int_equal(nth_of_level(f, PRE, 0)->addr, 3 * s - 1);
	assert_ptr_equal(nth_of_level(f, PRE, 0)->vma, vma);
}

static void test_walk_vma__3_a_range_outside_the_vma_is_refused(void **state)
{
	(void)state;
	for_each_format(vma_bounds);
}

static void whole_vma(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1);
	struct pgw_vma *vma;

	/* A PFNMAP one: neither test_walk nor its default is asked. */
	make_vma(f, 2 * s, 4 * s, PGW_VMA_PFNMAP);
	vma = vma_at(f, 2 * s);
	map(f, 3 * s, 0);
	ops.test_walk = record_test;
	begin(f);
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	assert_int_equal(pgw_walk_page_vma(vma, &ops, &f->record), 0);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	assert_int_equal(count_level(f, TEST), 0);
	assert_int_equal(f->record.event[0].level, PRE);
	assert_int_equal(f->record.event[f->record.nr - 1].level, POST);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
	assert_int_equal(nth_of_level(f, HOLE, 0)->addr, 2 * s);
	assert_int_equal(nth_of_level(f, HOLE, 0)->next, 3 * s);
}

static void test_walk_vma__one_vma_is_walked_without_test_walk(void **state)
{
	(void)state;
	for_each_format(whole_vma);
}

/* ---- order ---- */

static void order(struct fixture *f)
{
	static const int expected[] = { HOLE, TEST, PRE, POST, HOLE, TEST, PRE, POST, HOLE };
	struct pgw_mm_walk_ops ops = { .test_walk = record_test,
				       .pre_vma = record_pre,
				       .post_vma = record_post,
				       .pte_hole = record_hole };
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 4 * s, 0);
	make_vma(f, 6 * s, 7 * s, 0);
	map(f, 2 * s, 0);
	map(f, 6 * s, 0);
	assert_int_equal(walk(f, s, 9 * s, &ops), 0);
	assert_int_equal(f->record.nr, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < f->record.nr; i++)
		assert_int_equal(f->record.event[i].level, expected[i]);
	/* The range is clipped to each VMA, and the walk knows which it is. */
	assert_int_equal(f->record.event[1].addr, 2 * s);
	assert_int_equal(f->record.event[1].next, 4 * s);
	assert_ptr_equal(f->record.event[1].vma, vma_at(f, 2 * s));
	assert_ptr_equal(f->record.event[6].vma, vma_at(f, 6 * s));
	/* Neighbours of different flags have no gap between them; a range may start inside. */
	make_vma(f, 4 * s, 6 * s, PGW_VMA_SHARED);
	assert_int_equal(walk(f, 3 * s, 7 * s, &ops), 0);
	assert_int_equal(count_level(f, HOLE), 0);
	assert_int_equal(count_level(f, PRE), 3);
	assert_int_equal(nth_of_level(f, PRE, 0)->addr, 3 * s);
}

static void test_walk_vma__test_pre_tables_post_in_that_order(void **state)
{
	(void)state;
	for_each_format(order);
}

/* The holder of the write lock does away with what it has seen. */
static void post_unmaps(struct pgw_mm_walk *walk)
{
	uint64_t start = walk->vma->start, end = walk->vma->end;

	struct fixture *f = pgw_container_of((struct record *)walk->arg, struct fixture, record);

	record_post(walk);
	assert_int_equal(pgw_mm_munmap_locked(walk->mm, start, end), 0);
	pgw_reclaim_barrier(&f->arena.platform);
}

static void vmas_unmapped(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 3 * s, 0);
	make_vma(f, 3 * s, 4 * s, PGW_VMA_SHARED);
	make_vma(f, 5 * s, 6 * s, 0);
	map(f, 5 * s, 0);
	ops.post_vma = post_unmaps;
	ops.walk_lock = PGW_WALK_WRLOCK;
	begin(f);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_walk_page_range(f->mm, 2 * s, 6 * s, &ops, &f->record), 0);
	assert_int_equal(pgw_vma_count(f->mm), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(count_level(f, PRE), 3);
	assert_int_equal(nth_of_level(f, PRE, 1)->addr, 3 * s);
	assert_int_equal(nth_of_level(f, PRE, 2)->addr, 5 * s);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
}

static void test_walk_vma__a_vma_may_be_gone_after_its_post_vma(void **state)
{
	(void)state;
	for_each_format(vmas_unmapped);
}

static void last_page(struct fixture *f)
{
	uint64_t first, last;

	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	make_vma(f, last + 1 - span(f, 1), last + 1, 0);
	map(f, last + 1 - page(f), 0);
	assert_int_equal(walk(f, last + 1 - 2 * page(f), last + 1, &all_ops), 0);
	assert_int_equal(count_level(f, 0), 2);
	assert_int_equal(nth_of_level(f, 0, 1)->next, last + 1);
	/* Part of a page is the page. */
	assert_int_equal(walk(f, last, last + 1, &all_ops), 0);
	assert_int_equal(count_level(f, 0), 1);
}

static void test_walk_vma__29_30_the_half_ends_with_its_last_page(void **state)
{
	(void)state;
	for_each_format(last_page);
}

/* ---- gaps ---- */

static void gaps(struct fixture *f)
{
	static const uint64_t gap[][2] = { { 1, 2 }, { 4, 6 }, { 7, 9 } };
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1), *slot, word;

	make_vma(f, 2 * s, 4 * s, 0);
	make_vma(f, 6 * s, 7 * s, 0);
	/* In the gaps there is what a munmap may be about to free; a look at the pmd would clear it. */
	map(f, 5 * s, 0);
	map(f, 8 * s, 0);
	slot = slot_at(f, 5 * s, 1);
	word = *slot;
	*slot = pgw_entry_advance(f->format, word, 0, UINT64_C(1) << (PA_BITS + 1));
	assert_int_equal(walk(f, s + 5, 9 * s - 5, &all_ops), 0);
	assert_int_equal(count_level(f, 0), 0);
	assert_int_equal(count_level(f, MALFORMED), 0);
	for (size_t i = 0, n = 0; i < f->record.nr; i++) {
		const struct event *e = &f->record.event[i];

		if (e->level != HOLE || e->depth != -1)
			continue;
		assert_true(n < 3);
		assert_null(e->vma);
		assert_int_equal(e->addr, n == 0 ? s + 5 : gap[n][0] * s);
		assert_int_equal(e->next, n == 2 ? 9 * s - 5 : gap[n][1] * s);
		n++;
	}
	/* Nothing but gap: no table was gone to, not even the root's slot was shown. */
	ops.pmd_entry = NULL;
	assert_int_equal(walk(f, 4 * s, 6 * s, &ops), 0);
	assert_int_equal(f->record.nr, 1);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_TABLE], 0);
	assert_int_equal(walk(f, 7 * s + page(f), 9 * s, &ops), 0);
	assert_int_equal(f->record.nr, 1);
	/* The next VMA is beyond the end. */
	assert_int_equal(walk(f, 4 * s, 5 * s, &ops), 0);
	assert_int_equal(f->record.nr, 1);
	assert_int_equal(f->record.event[0].next, 5 * s);
	*slot = word;
}

static void test_walk_vma__13_gaps_are_answered_from_the_vmas_alone(void **state)
{
	(void)state;
	for_each_format(gaps);
}

static void no_vmas(struct fixture *f)
{
	uint64_t first, last;

	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	map(f, 0, 0);
	assert_int_equal(walk(f, 0, last + 1, &all_ops), 0);
	assert_int_equal(f->record.nr, 1);
	assert_int_equal(f->record.event[0].depth, -1);
	assert_int_equal(f->record.event[0].next, last + 1);
}

static void test_walk_vma__an_mm_without_vmas_is_one_gap(void **state)
{
	(void)state;
	for_each_format(no_vmas);
}

static void zapped_leaf(struct fixture *f)
{
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 4 * s, 0);
	map(f, 2 * s, 1);
	map(f, 3 * s, 1);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_unmap_leaf(f->mm, 3 * s), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(walk(f, 3 * s, 4 * s, &all_ops), 0);
	assert_int_equal(count_level(f, HOLE), 1);
	assert_int_equal(nth_of_level(f, HOLE, 0)->addr, 3 * s);
	assert_int_equal(nth_of_level(f, HOLE, 0)->depth, f->geo->top_level == 1 ? 0 : 3);
	assert_ptr_equal(nth_of_level(f, HOLE, 0)->vma, vma_at(f, 3 * s));
}

static void test_walk_vma__a_zapped_large_leaf_is_a_hole(void **state)
{
	(void)state;
	for_each_format(zapped_leaf);
}

static void pfnmap(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 4 * s, PGW_VMA_PFNMAP);
	map(f, 2 * s, 0);
	assert_int_equal(walk(f, 2 * s + 1, 3 * s, &ops), 0);
	assert_int_equal(f->record.nr, 1);
	assert_int_equal(f->record.event[0].depth, -1);
	assert_int_equal(f->record.event[0].addr, 2 * s + 1);
	assert_int_equal(f->record.event[0].next, 3 * s);
	/* Here the walk is in a VMA, in a gap it is not. */
	assert_non_null(f->record.event[0].vma);
	ops.pte_hole = NULL;
	assert_int_equal(walk(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(f->record.nr, 0);
	/* A test_walk replaces the default completely. */
	ops.pte_hole = record_hole;
	ops.test_walk = record_test;
	assert_int_equal(walk(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(count_level(f, TEST), 1);
	assert_int_equal(count_level(f, HOLE), 0);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
}

static void test_walk_vma__17_pfnmap_is_skipped_and_one_hole(void **state)
{
	(void)state;
	for_each_format(pfnmap);
}

static void positive_holes(struct fixture *f)
{
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 3 * s, PGW_VMA_PFNMAP);
	make_vma(f, 4 * s, 5 * s, 0);
	f->record.stop_at = 1;
	f->record.stop_value = 9;
	assert_int_equal(walk(f, s, 3 * s, &all_ops), 9); /* a gap */
	assert_int_equal(f->record.nr, 1);
	assert_int_equal(walk(f, 2 * s, 4 * s, &all_ops), 0); /* the default for PFNMAP */
	assert_int_equal(f->record.nr, 2);
	f->record.stop_value = -9;
	assert_int_equal(walk(f, 2 * s, 4 * s, &all_ops), -9);
	assert_int_equal(f->record.nr, 1);
	/* An empty slot of a table. */
	assert_int_equal(walk(f, 4 * s, 5 * s, &all_ops), -9);
	for (size_t i = 1; i < 8; i++) {
		int err;

		f->record.stop_at = i;
		f->record.stop_value = 9;
		err = walk(f, 4 * s, 5 * s, &all_ops);
		if (f->record.event[i - 1].level == HOLE) {
			assert_int_equal(err, 9);
			assert_int_equal(f->record.nr, i + 1); /* post_vma */
			return;
		}
	}
	fail_msg("no hole");
}

static void test_walk_vma__18_positive_holes_end_all_but_pfnmap(void **state)
{
	(void)state;
	for_each_format(positive_holes);
}

/* ---- values ---- */

static void values_of_test_walk(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 3 * s, 0);
	make_vma(f, 4 * s, 5 * s, 0);
	ops.test_walk = record_test;
	f->record.stop_at = 1;
	f->record.stop_value = 1;
	assert_int_equal(walk(f, 2 * s, 5 * s, &ops), 0);
	assert_int_equal(count_level(f, TEST), 2);
	assert_int_equal(count_level(f, PRE), 1); /* of the second */
	assert_int_equal(nth_of_level(f, PRE, 0)->addr, 4 * s);
	f->record.stop_value = -1;
	assert_int_equal(walk(f, 2 * s, 5 * s, &ops), -1);
	assert_int_equal(f->record.nr, 1);
	/* The last one's "skip" is not the walk's value either. */
	f->record.stop_value = 1;
	assert_int_equal(walk(f, 4 * s, 5 * s, &ops), 0);
	assert_int_equal(f->record.nr, 1);
}

static void test_walk_vma__22_positive_test_skips_negative_ends(void **state)
{
	(void)state;
	for_each_format(values_of_test_walk);
}

static void pre_and_post(struct fixture *f)
{
	uint64_t s = span(f, 1);
	size_t nr;

	make_vma(f, 2 * s, 3 * s, 0);
	make_vma(f, 4 * s, 5 * s, 0);
	map(f, 2 * s, 0);
	f->record.stop_at = 1;
	for (int value = -5; value <= 5; value += 10) {
		f->record.stop_value = value;
		assert_int_equal(walk(f, 2 * s, 5 * s, &all_ops), value);
		assert_int_equal(f->record.nr, 1);
		assert_int_equal(f->record.event[0].level, PRE);
	}
	/* 21: any callback below: nothing more is called but post_vma, once. */
	f->record.stop_at = 0;
	assert_int_equal(walk(f, 2 * s, 3 * s, &all_ops), 0);
	nr = f->record.nr;
	for (size_t i = 2; i < nr && i < 40; i++) {
		f->record.stop_at = i;
		f->record.stop_value = i & 1 ? 5 : -5;
		assert_int_equal(walk(f, 2 * s, 5 * s, &all_ops), f->record.stop_value);
		assert_int_equal(f->record.nr, i + 1);
		assert_int_equal(f->record.event[i].level, POST);
		assert_int_equal(f->arena.thread.nr_readers, 0);
		assert_int_equal(desc_below(f, *slot_at(f, 2 * s, 1), 1)->lock, MUTEX_FREE);
	}
}

static void test_walk_vma__21_23_post_follows_a_walk_that_failed(void **state)
{
	(void)state;
	for_each_format(pre_and_post);
}

/* ---- leaves ---- */

static void leaf_kept(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1), *slot, word;

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s, 1);
	slot = slot_at(f, 2 * s, 1);
	word = *slot;
	ops.pte_entry = NULL;
	assert_int_equal(walk(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(count_level(f, 1), 1);
	assert_int_equal(nth_of_level(f, 1, 0)->entry, word);
	assert_int_equal(count_level(f, HOLE), 0);
	assert_int_equal(*slot, word);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 0);
}

static void test_walk_vma__10_without_pte_entry_leaves_stay(void **state)
{
	(void)state;
	for_each_format(leaf_kept);
}

static int pud_continue(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	walk->action = PGW_ACTION_CONTINUE;
	return record_pud(item, addr, next, walk);
}

static int pmd_continue(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	walk->action = PGW_ACTION_CONTINUE;
	return record_pmd(item, addr, next, walk);
}

static void leaf_split(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1), *slot, word, pa;

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s, 1);
	slot = slot_at(f, 2 * s, 1);
	word = *slot;
	pa = pa_of(f, 2 * s);
	ops.pmd_entry = pmd_continue;
	assert_int_equal(walk(f, 2 * s, 3 * s, &ops), 0);
	assert_int_equal(*slot, word);
	assert_int_equal(count_level(f, 0), 0);
	assert_int_equal(walk(f, 2 * s, 3 * s, &all_ops), 0);
	assert_int_equal(kind_of(f, *slot, 1), PGW_ENTRY_TABLE);
	assert_int_equal(count_level(f, 1), 1);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
	for (size_t i = 0; i < nr_slots(f, 0); i += 7)
		assert_int_equal(pa_of(f, 2 * s + i * page(f)), pa + i * page(f));
}

static void upper_leaf_split(struct fixture *f, unsigned level)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, level), *slot, word;

	make_vma(f, s, 2 * s, 0);
	map(f, s, level);
	slot = slot_at(f, s, level);
	word = *slot;
	if (level == 2) {
		ops.pud_entry = pud_continue;
		assert_int_equal(walk(f, s, 2 * s, &ops), 0);
		assert_int_equal(*slot, word);
	}
	/* Leaf by leaf down to the page that is asked for, and nothing beside it. */
	assert_int_equal(walk(f, s + 3 * page(f), s + 4 * page(f), &all_ops), 0);
	assert_int_equal(count_level(f, 0), 1);
	assert_int_equal(count_level(f, HOLE), 0);
	assert_int_equal(pa_of(f, s + 3 * page(f)), 3 * page(f));
	assert_int_equal(pa_of(f, 2 * s - page(f)), s - page(f));
	for (unsigned at = level; at > 0; at--)
		assert_int_equal(kind_of(f, *slot_at(f, s + 3 * page(f), at), at), PGW_ENTRY_TABLE);
	assert_int_equal(kind_of(f, *slot_at(f, s + span(f, level - 1), level - 1), level - 1),
			 PGW_ENTRY_LEAF);
}

static void leaves_split(struct fixture *f)
{
	leaf_split(f);
	for (unsigned level = 2; level <= f->geo->top_level; level++) {
		if (has_leaf(f, level))
			upper_leaf_split(f, level);
	}
}

static void test_walk_vma__11_with_pte_entry_leaves_are_split(void **state)
{
	(void)state;
	for_each_format(leaves_split);
}

static void split_fails(struct fixture *f)
{
	uint64_t s = span(f, 1), *slot, word;

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s, 1);
	slot = slot_at(f, 2 * s, 1);
	word = *slot;
	f->arena.fail_after = 0;
	assert_int_equal(walk(f, 2 * s, 3 * s, &all_ops), -PGW_ENOMEM);
	assert_int_equal(f->record.event[f->record.nr - 1].level, POST);
	assert_int_equal(*slot, word);
	assert_int_equal(count_level(f, 0), 0);
}

static void test_walk_vma__a_split_without_memory_ends_the_walk(void **state)
{
	(void)state;
	for_each_format(split_fails);
}

/* Valid for no MMU, but with every bit that makes a leaf. */
static uint64_t absent_word(const struct fixture *f, uint64_t leaf)
{
	uint64_t word = leaf & ~UINT64_C(1);

	assert_int_equal(kind_of(f, word, 1), PGW_ENTRY_ABSENT);
	return word;
}

static void absent(struct fixture *f)
{
	uint64_t s = span(f, 1), *slot, leaf;

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s, 1);
	slot = slot_at(f, 2 * s, 1);
	leaf = *slot;
	*slot = absent_word(f, leaf);
	assert_int_equal(walk(f, 2 * s, 3 * s, &all_ops), 0);
	assert_int_equal(count_level(f, 1), 1);
	assert_int_equal(nth_of_level(f, 1, 0)->entry, absent_word(f, leaf));
	assert_int_equal(count_level(f, 0), 0);
	assert_int_equal(count_level(f, HOLE), 0);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 0);
	*slot = leaf;
}

static void test_walk_vma__absent_entries_are_neither_split_nor_repeated(void **state)
{
	(void)state;
	for_each_format(absent);
}

/* A slot of this level, that pointed to a table. */
static void bad_entry(struct fixture *f, unsigned level)
{
	uint64_t s = span(f, 1), *slot, old, word;
	struct pgw_ptdesc *desc;
	uint32_t nr_live;
	size_t at;

	slot = slot_at(f, 2 * s, level);
	desc = desc_of(f, slot, level);
	nr_live = desc->nr_live;
	old = *slot;
	word = *slot = pgw_entry_advance(f->format, old, 0, UINT64_C(1) << (PA_BITS + 1));
	assert_int_equal(kind_of(f, word, level), PGW_ENTRY_MALFORMED);
	assert_int_equal(walk(f, 2 * s, 3 * s, &all_ops), 0);
	assert_int_equal(count_level(f, (int)level), 1);
	assert_int_equal(count_level(f, (int)level - 1), 0);
	for (at = 0; f->record.event[at].level != (int)level; at++)
		;
	assert_int_equal(f->record.event[at].entry, word);
	assert_int_equal(f->record.event[at + 1].level, MALFORMED);
	assert_int_equal(f->record.event[at + 1].entry, word);
	assert_int_equal(f->record.event[at + 2].level, HOLE);
	assert_int_equal(f->record.event[at + 2].addr, 2 * s);
	assert_int_equal(f->record.event[at + 3].level, POST);
	/* Empty now, and counted so. */
	assert_int_equal(*slot, 0);
	assert_int_equal(desc->nr_live, nr_live - 1);
	*slot = old;
	desc->nr_live = nr_live;
}

static void bad_entries(struct fixture *f)
{
	make_vma(f, 2 * span(f, 1), 3 * span(f, 1), 0);
	map(f, 2 * span(f, 1), 0);
	bad_entry(f, 1);
	if (f->geo->top_level >= 2)
		bad_entry(f, 2);
}

static void test_walk_vma__19_a_bad_pmd_is_shown_then_a_hole(void **state)
{
	(void)state;
	for_each_format(bad_entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_vma__1_2_wrong_arguments_give_einval),
		cmocka_unit_test(test_walk_vma__only_owned_user_mms_have_vmas),
		cmocka_unit_test(test_walk_vma__a_snapshot_is_walked_by_what_it_was_given),
		cmocka_unit_test(test_walk_vma__3_a_range_outside_the_vma_is_refused),
		cmocka_unit_test(test_walk_vma__one_vma_is_walked_without_test_walk),
		cmocka_unit_test(test_walk_vma__test_pre_tables_post_in_that_order),
		cmocka_unit_test(test_walk_vma__a_vma_may_be_gone_after_its_post_vma),
		cmocka_unit_test(test_walk_vma__29_30_the_half_ends_with_its_last_page),
		cmocka_unit_test(test_walk_vma__13_gaps_are_answered_from_the_vmas_alone),
		cmocka_unit_test(test_walk_vma__an_mm_without_vmas_is_one_gap),
		cmocka_unit_test(test_walk_vma__a_zapped_large_leaf_is_a_hole),
		cmocka_unit_test(test_walk_vma__17_pfnmap_is_skipped_and_one_hole),
		cmocka_unit_test(test_walk_vma__18_positive_holes_end_all_but_pfnmap),
		cmocka_unit_test(test_walk_vma__22_positive_test_skips_negative_ends),
		cmocka_unit_test(test_walk_vma__21_23_post_follows_a_walk_that_failed),
		cmocka_unit_test(test_walk_vma__10_without_pte_entry_leaves_stay),
		cmocka_unit_test(test_walk_vma__11_with_pte_entry_leaves_are_split),
		cmocka_unit_test(test_walk_vma__a_split_without_memory_ends_the_walk),
		cmocka_unit_test(test_walk_vma__absent_entries_are_neither_split_nor_repeated),
		cmocka_unit_test(test_walk_vma__19_a_bad_pmd_is_shown_then_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
