/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * mremap: what moves as a table, what page by page, what goes along, and when it is flushed. Against
 * a model and with every failure: tests/mm/test_ops_random.c.
 */

#include "walk_fixture.h"

#include "base/bits.h"
#include "common/ways.h"
#include "mm/mm_priv.h"

static struct fixture *current;
static uint64_t nr_released; /* pages */
static int nr_open;
static bool is_small;                      /* faults map small pages */
static struct pgw_translate_cursor cursor; /* of current, kept over all that happens */

/* The frame says which page of the VMA's object it is. */
static int fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	(void)vma;
	fault->level = !is_small && fault->max_level ? 1 : 0;
	fault->pa = (fault->pgoff * page(current)) & ~(span(current, fault->level) - 1);
	return 0;
}

static void release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	assert_true(frames->va >= vma->start && frames->va + frames->size <= vma->end);
	nr_released += frames->size >> current->geo->granule_lg2;
}

static int open(struct pgw_vma *vma)
{
	(void)vma;
	nr_open++;
	return 0;
}

static void close(struct pgw_vma *vma)
{
	(void)vma;
	nr_open--;
}

static const struct pgw_vma_ops vma_ops = {
	.fault = fault, .release = release, .open = open, .close = close
};

/* A VMA whose pages are numbered by their first address. */
static void make_backed(struct fixture *f, uint64_t start, uint64_t end, uint32_t flags)
{
	const struct pgw_mmap_args args = { .start = start,
					    .end = end,
					    .flags = flags | PGW_VMA_READ | PGW_VMA_WRITE,
					    .pgoff = start / page(f),
					    .ops = &vma_ops };

	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
}

static void check_mm(struct fixture *f)
{
	const char *what = "";

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	if (pgw_mm_validate(f->mm, &what))
		fail_msg("%s: %s", pgw_format_name(f->format), what);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
}

static int mremap(struct fixture *f, uint64_t start, uint64_t end, uint64_t new_start,
		  uint64_t new_end)
{
	const struct pgw_mremap_args args = { start, end, new_start, new_end };

	return pgw_mm_mremap(f->mm, &args);
}

static int move(struct fixture *f, uint64_t start, uint64_t end, uint64_t to)
{
	return mremap(f, start, end, to, to + (end - start));
}

static struct pgw_translation at_va(struct fixture *f, uint64_t va)
{
	struct pgw_translation at;

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_true(ways_agree(f->mm, &cursor, va, &at));
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	return at;
}

static bool is_empty(struct fixture *f, uint64_t va)
{
	return at_va(f, va).kind == PGW_ENTRY_EMPTY;
}

static void setup(struct fixture *f)
{
	current = f;
	assert_int_equal(pgw_translate_cursor_init(&cursor, f->mm), 0);
	nr_released = 0;
	nr_open = 0;
	is_small = false;
}

/* ---- tables ---- */

/* The table of the pages is the same afterwards, and nothing in it was touched. */
static void whole_tables(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 9 * s;
	struct pgw_ptdesc *desc;

	setup(f);
	is_small = true;
	make_backed(f, from, from + 2 * s, 0);
	assert_int_equal(pgw_mm_fault(f->mm, from + 3 * p, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mm_fault(f->mm, from + s + 5 * p, PGW_VMA_READ), 0);
	desc = desc_of(f, slot_at(f, from + 3 * p, 0), 0);
	/* The cursor is at the table. */
	assert_int_equal(at_va(f, from + 3 * p).pa, from + 3 * p);
	assert_int_equal(move(f, from, from + 2 * s, to), 0);
	assert_true(is_empty(f, from + 3 * p));
	check_mm(f);
	assert_ptr_equal(desc_of(f, slot_at(f, to + 3 * p, 0), 0), desc);
	assert_int_equal(pa_of(f, to + 3 * p), from + 3 * p);
	assert_int_equal(pa_of(f, to + s + 5 * p), from + s + 5 * p);
	assert_true(is_empty(f, from + 3 * p));
	assert_int_equal(vma_at(f, to)->pgoff, from / p);
	assert_int_equal(nr_released, 0);
	assert_int_equal(nr_open, 1);
	/* No table was made or freed but those that the way to the new place needs. */
	assert_int_equal(f->nr_steps[PGW_STEP_TABLE_UNLINKED], 0);
	assert_int_equal(pgw_mm_munmap(f->mm, to, to + 2 * s), 0);
	assert_int_equal(nr_released, 2);
	assert_int_equal(nr_open, 0);
	check_mm(f);
}

/* Tables above: with three levels or more a pmd table goes as one. */
static void upper_tables(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), u;
	struct pgw_ptdesc *desc;

	if (f->geo->top_level < 2 || f->geo->span_lg2[2] > PA_BITS - 3)
		return;
	u = span(f, 2);
	setup(f);
	make_backed(f, u, 2 * u, 0);
	assert_int_equal(pgw_mm_fault(f->mm, u + 7 * s, PGW_VMA_READ), 0);
	desc = desc_of(f, slot_at(f, u + 7 * s, 1), 1);
	assert_int_equal(move(f, u, 2 * u, 3 * u), 0);
	assert_ptr_equal(desc_of(f, slot_at(f, 3 * u + 7 * s, 1), 1), desc);
	assert_int_equal(pa_of(f, 3 * u + 7 * s + p), u + 7 * s + p);
	check_mm(f);
	/* A part of it goes by what is below. */
	assert_int_equal(move(f, 3 * u + 7 * s, 3 * u + 8 * s, 2 * u), 0);
	assert_ptr_not_equal(desc_of(f, slot_at(f, 2 * u, 1), 1), desc);
	assert_int_equal(at_va(f, 2 * u).leaf_lg2, f->geo->span_lg2[1]);
	check_mm(f);
}

static void test_mremap__tables_are_moved_where_both_sides_are_aligned(void **state)
{
	(void)state;
	for_each_format(whole_tables);
	for_each_format(upper_tables);
}

/* ---- pages ---- */

static void page_by_page(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 9 * s + p;

	setup(f);
	make_backed(f, from, from + 2 * s, 0);
	is_small = true;
	assert_int_equal(pgw_mm_fault(f->mm, from + 3 * p, PGW_VMA_READ), 0);
	is_small = false;
	assert_int_equal(pgw_mm_fault(f->mm, from + s, PGW_VMA_READ), 0);
	assert_int_equal(at_va(f, from + s).leaf_lg2, f->geo->span_lg2[1]);
	assert_int_equal(move(f, from, from + 2 * s, to), 0);
	check_mm(f);
	assert_int_equal(pa_of(f, to + 3 * p), from + 3 * p);
	/* The large leaf is split: it has no place there as one. */
	assert_int_equal(at_va(f, to + s).leaf_lg2 < f->geo->span_lg2[1], true);
	for (uint64_t va = to + s; va < to + 2 * s; va += p)
		assert_int_equal(pa_of(f, va), from + (va - to));
	assert_true(is_empty(f, to + 4 * p));
	assert_true(is_empty(f, from + s));
	assert_int_equal(nr_released, 0);
}

/* What lies beside the range in its table stays; what lies beside it there, too. */
static void beside(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 6 * s;

	setup(f);
	is_small = true;
	make_backed(f, from, from + 8 * p, 0);
	make_backed(f, to, to + 4 * p, 0);
	assert_int_equal(pgw_mm_populate(f->mm, from, from + 8 * p), 0);
	assert_int_equal(pgw_mm_populate(f->mm, to, to + 4 * p), 0);
	assert_int_equal(move(f, from + 2 * p, from + 4 * p, to + 4 * p), 0);
	check_mm(f);
	assert_int_equal(nr_open, 4);
	for (unsigned i = 0; i < 8; i++) {
		bool moved = i == 2 || i == 3;

		if (moved)
			assert_true(is_empty(f, from + i * p));
		else
			assert_int_equal(pa_of(f, from + i * p), from + i * p);
	}
	assert_int_equal(pa_of(f, to + 3 * p), to + 3 * p);
	assert_int_equal(pa_of(f, to + 4 * p), from + 2 * p);
	/* And back, where it becomes one VMA again. */
	assert_int_equal(move(f, to + 4 * p, to + 6 * p, from + 2 * p), 0);
	check_mm(f);
	assert_int_equal(vma_at(f, from)->end, from + 8 * p);
	assert_int_equal(nr_open, 2);
	assert_int_equal(nr_released, 0);
}

static void test_mremap__pages_go_one_by_one_where_they_must(void **state)
{
	(void)state;
	for_each_format(page_by_page);
	for_each_format(beside);
}

/* Accessed and dirty bits, rights, guards. */
static void all_goes_along(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 6 * s + 2 * p, word;

	setup(f);
	is_small = true;
	make_backed(f, from, from + 4 * p, 0);
	assert_int_equal(pgw_mm_populate(f->mm, from, from + 4 * p), 0);
	assert_int_equal(pgw_mm_guard_install(f->mm, from + p, from + 2 * p), 0);
	assert_int_equal(pgw_mm_mprotect(f->mm, from + 2 * p, from + 3 * p, PGW_VMA_READ), 0);
	word = *slot_at(f, from + 2 * p, 0);
	assert_int_equal(move(f, from + 2 * p, from + 3 * p, to + 2 * p), 0);
	assert_int_equal(*slot_at(f, to + 2 * p, 0), word);
	assert_int_equal(pgw_mm_fault(f->mm, to + 2 * p, PGW_VMA_WRITE), -PGW_EFAULT);
	nr_released = 0;
	assert_int_equal(move(f, from, from + 2 * p, to), 0);
	assert_int_equal(pgw_mm_fault(f->mm, to + p, PGW_VMA_READ), -PGW_EACCES);
	assert_int_equal(*slot_at(f, to + p, 0), pgw_mm_guard_entry(f->mm));
	assert_int_equal(nr_released, 0);
	check_mm(f);
}

static void sizes(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 6 * s;

	setup(f);
	is_small = true;
	make_backed(f, from, from + 4 * p, 0);
	assert_int_equal(pgw_mm_populate(f->mm, from, from + 4 * p), 0);
	/* Larger in place, smaller in place, the same. */
	assert_int_equal(mremap(f, from, from + 4 * p, from, from + 6 * p), 0);
	assert_int_equal(vma_at(f, from)->end, from + 6 * p);
	assert_int_equal(pgw_mm_fault(f->mm, from + 5 * p, PGW_VMA_READ), 0);
	assert_int_equal(pa_of(f, from + 5 * p), from + 5 * p);
	assert_int_equal(mremap(f, from + p, from + 6 * p, from + p, from + 5 * p), 0);
	assert_int_equal(nr_released, 1);
	assert_int_equal(vma_at(f, from)->end, from + 5 * p);
	assert_int_equal(move(f, from, from + 5 * p, from), 0);
	/* Elsewhere: what has no counterpart goes, what is new is empty. */
	assert_int_equal(mremap(f, from, from + 5 * p, to, to + 2 * p), 0);
	assert_int_equal(nr_released, 3);
	assert_int_equal(vma_at(f, to)->end, to + 2 * p);
	assert_int_equal(mremap(f, to, to + 2 * p, from, from + 3 * p), 0);
	assert_int_equal(pa_of(f, from + p), from + p);
	assert_true(is_empty(f, from + 2 * p));
	assert_int_equal(nr_open, 1);
	check_mm(f);
}

/* A large leaf in which the old range ends, far behind what moves: the rest of it stays mapped. */
static void ends_inside_a_leaf(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 8 * s, end = from + s + 4 * p;

	setup(f);
	make_backed(f, from, from + 2 * s, 0);
	assert_int_equal(pgw_mm_populate(f->mm, from, from + 2 * s), 0);
	assert_int_equal(at_va(f, from + s).leaf_lg2, f->geo->span_lg2[1]);
	assert_int_equal(mremap(f, from, end, to, to + p), 0);
	assert_int_equal(nr_released, nr_slots(f, 0) + 3);
	assert_int_equal(pa_of(f, to), from);
	assert_true(is_empty(f, end - p));
	assert_int_equal(pa_of(f, end), end);
	check_mm(f);
}

/* A VMA that is locked in memory has its new part there at once. */
static void locked_grows(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 6 * s;

	setup(f);
	is_small = true;
	make_backed(f, from, from + 2 * p, PGW_VMA_LOCKED);
	assert_int_equal(mremap(f, from, from + 2 * p, to, to + 4 * p), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pa_of(f, to + i * p), from + i * p);
	assert_int_equal(mremap(f, to, to + 4 * p, to, to + 5 * p), 0);
	assert_int_equal(pa_of(f, to + 4 * p), from + 4 * p);
	assert_int_equal(pgw_mmap_lock_mode(f->mm), PGW_LOCK_NONE);
}

static void test_mremap__all_goes_along_as_far_as_both_ranges_go(void **state)
{
	(void)state;
	for_each_format(all_goes_along);
	for_each_format(sizes);
	for_each_format(ends_inside_a_leaf);
	for_each_format(locked_grows);
}

/* ---- refusals ---- */

static void refusals(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 6 * s, first, last;

	setup(f);
	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	make_backed(f, from, from + 4 * p, 0);
	make_backed(f, from + 4 * p, from + 6 * p, PGW_VMA_SHARED);
	make_backed(f, to, to + p, PGW_VMA_PFNMAP);
	assert_int_equal(pgw_mm_mremap(f->mm, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_mm_mremap(NULL, &(struct pgw_mremap_args){ 0, p, s, s + p }),
			 -PGW_EINVAL);
	assert_int_equal(move(f, from, from, to), -PGW_EINVAL);
	assert_int_equal(move(f, from + 1, from + p + 1, to + s), -PGW_EINVAL);
	assert_int_equal(move(f, from, from + p, to + s + 1), -PGW_EINVAL);
	assert_int_equal(move(f, from, from + 2 * p, from + p), -PGW_EINVAL);
	assert_int_equal(move(f, from + p, from + 3 * p, from), -PGW_EINVAL);
	assert_int_equal(move(f, from, from + 2 * p, last + 1 - p), -PGW_EINVAL);
	assert_int_equal(move(f, from - p, from + p, to + s), -PGW_ENOENT);
	assert_int_equal(move(f, from + p, from + 5 * p, to + s), -PGW_EINVAL);
	assert_int_equal(move(f, from, from + 2 * p, to), -PGW_EEXIST);
	assert_int_equal(move(f, from, from + 2 * p, to - p), -PGW_EEXIST);
	assert_int_equal(mremap(f, from, from + p, from, from + 2 * p), -PGW_EINVAL);
	assert_int_equal(mremap(f, from, from + 4 * p, from, from + 5 * p), -PGW_EEXIST);
	assert_int_equal(mremap(f, to, to + p, to, to + 2 * p), -PGW_EINVAL);
	assert_int_equal(move(f, to, to + p, to + 2 * p), 0);
	assert_int_equal(vma_at(f, from)->end, from + 4 * p);
	assert_int_equal(nr_open, 3);
	check_mm(f);
}

/* A kernel's range, or an entry that is nobody's, in the way of the tables. */
static void something_is_there(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s, to = 6 * s;

	setup(f);
	is_small = true;
	make_backed(f, from, from + p, 0);
	assert_int_equal(pgw_mm_populate(f->mm, from, from + p), 0);
	map(f, to, 0);
	assert_int_equal(move(f, from, from + p, to), -PGW_EEXIST);
	assert_int_equal(pa_of(f, from), from);
	assert_int_equal(nr_open, 1);
}

static void test_mremap__what_is_refused(void **state)
{
	(void)state;
	for_each_format(refusals);
	for_each_format(something_is_there);
}

static void no_memory(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), from = 4 * s;
	uint64_t to = f->geo->top_level > 1 ? span(f, 2) + 3 * s + p : 9 * s + p;
	long fails = 0;
	int err;

	setup(f);
	make_backed(f, from, from + 2 * s, 0);
	assert_int_equal(pgw_mm_populate(f->mm, from, from + 2 * s), 0);
	do {
		f->arena.fail_after = fails++;
		err = move(f, from + p, from + s + 3 * p, to);
		f->arena.fail_after = -1;
		assert_true(!err || err == -PGW_ENOMEM);
		check_mm(f);
		if (!err)
			break;
		for (uint64_t va = from; va < from + 2 * s; va += p)
			assert_int_equal(pa_of(f, va), va);
		assert_int_equal(nr_open, 1);
	} while (err);
	assert_true(fails > 5);
	for (uint64_t va = from + p; va < from + s + 3 * p; va += p)
		assert_int_equal(pa_of(f, to + (va - from - p)), va);
	assert_int_equal(nr_open, 3);
	assert_int_equal(nr_released, 0);
}

static void test_mremap__nothing_has_changed_if_memory_ends(void **state)
{
	(void)state;
	for_each_format(no_memory);
}

/* ---- the two races that it must not bring ---- */

static bool is_flushed_late, saw_flush;

/* The old place is flushed with all locks held, so before anybody can drop the page at the new one. */
static void flush_is_early(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	(void)ctx;
	if (first > 4 * span(current, 1) || last < 4 * span(current, 1))
		return;
	saw_flush = true;
	is_flushed_late |= pgw_mmap_lock_mode(mm) != PGW_LOCK_WRITE;
	assert_null(pgw_vma_read_lock(current->mm, 6 * span(current, 1)));
}

static void flushed_before_it_can_go(struct fixture *f)
{
	uint64_t s = span(f, 1), from = 4 * s, to = 6 * s;

	setup(f);
	is_small = true;
	make_backed(f, from, from + s, 0);
	assert_int_equal(pgw_mm_fault(f->mm, from, PGW_VMA_READ), 0);
	f->arena.platform.tlb_flush = flush_is_early;
	saw_flush = is_flushed_late = false;
	assert_int_equal(move(f, from, from + s, to), 0);
	assert_true(saw_flush);
	assert_false(is_flushed_late);
	f->arena.platform.tlb_flush = NULL;
}

static void test_mremap__the_old_place_is_flushed_before_a_page_can_go(void **state)
{
	(void)state;
	for_each_format(flushed_before_it_can_go);
}

/* Who holds either VMA keeps the tables where they are. Here: what is looked for is locked or gone. */
static void vmas_are_locked(struct fixture *f)
{
	uint64_t s = span(f, 1), from = 4 * s, to = 6 * s;
	struct pgw_vma *old;

	setup(f);
	is_small = true;
	make_backed(f, from, from + s, 0);
	make_backed(f, to + s, to + 2 * s, 0);
	old = vma_at(f, from);
	assert_int_equal(pgw_mm_fault(f->mm, from, PGW_VMA_READ), 0);
	pgw_reader_enter(&f->arena.platform);
	assert_int_equal(move(f, from, from + s, to), 0);
	/* A reader that found it before can lock it no more. */
	assert_true(__atomic_load_n(&old->lock, __ATOMIC_RELAXED) >> 31);
	pgw_reader_leave(&f->arena.platform);
	assert_int_equal(pgw_mm_fault(f->mm, from, PGW_VMA_READ), -PGW_EFAULT);
}

static void test_mremap__the_old_vma_can_be_locked_no_more(void **state)
{
	(void)state;
	for_each_format(vmas_are_locked);
}

/* ---- large pages ---- */

static int huge_fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	(void)vma;
	fault->pa = span(current, 1) << 2;
	return 0;
}

static const struct pgw_vma_ops huge_ops = { .fault = huge_fault };

static void huge(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f);
	const struct pgw_mmap_args args = { .start = 4 * s,
					    .end = 6 * s,
					    .flags = PGW_VMA_HUGETLB | PGW_VMA_READ,
					    .page_lg2 = f->geo->span_lg2[1],
					    .ops = &huge_ops };

	setup(f);
	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
	assert_int_equal(pgw_mm_fault(f->mm, 4 * s, PGW_VMA_READ), 0);
	assert_int_equal(move(f, 4 * s, 4 * s + p, 9 * s), -PGW_EINVAL);
	assert_int_equal(move(f, 4 * s, 5 * s, 9 * s + p), -PGW_EINVAL);
	assert_int_equal(mremap(f, 4 * s, 6 * s, 9 * s, 12 * s), -PGW_EINVAL);
	assert_int_equal(move(f, 4 * s, 5 * s, 9 * s), 0);
	assert_int_equal(at_va(f, 9 * s).leaf_lg2, f->geo->span_lg2[1]);
	assert_int_equal(vma_at(f, 9 * s)->page_lg2, f->geo->span_lg2[1]);
	check_mm(f);
}

static void test_mremap__large_pages_go_whole(void **state)
{
	(void)state;
	for_each_format(huge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mremap__tables_are_moved_where_both_sides_are_aligned),
		cmocka_unit_test(test_mremap__pages_go_one_by_one_where_they_must),
		cmocka_unit_test(test_mremap__all_goes_along_as_far_as_both_ranges_go),
		cmocka_unit_test(test_mremap__what_is_refused),
		cmocka_unit_test(test_mremap__nothing_has_changed_if_memory_ends),
		cmocka_unit_test(test_mremap__the_old_place_is_flushed_before_a_page_can_go),
		cmocka_unit_test(test_mremap__the_old_vma_can_be_locked_no_more),
		cmocka_unit_test(test_mremap__large_pages_go_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
