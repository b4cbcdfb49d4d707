/* SPDX-License-Identifier: BSD-2-Clause */

/* VMAs of large pages of one size: what may be done with them, and walks through them. */

#include "walk_fixture.h"

#include "base/bits.h"
#include "base/rwlock.h"
#include "mm/mm_priv.h"

#define HUGE (-2) /* an event level: hugetlb_entry */
#define NR_PAGES 4

/* Of the case: the size of pages, and where the VMA begins. */
static unsigned lg2;
static uint64_t huge, base;
static uint64_t nr_mapped, nr_released; /* bytes */
static uint64_t misaligned;
static struct pgw_fault asked;

static int fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	(void)vma;
	asked = *fault;
	fault->pa = huge + misaligned;
	fault->level = 77; /* not looked at */
	fault->read_only = fault->access != PGW_VMA_WRITE;
	nr_mapped += huge;
	return 0;
}

static void release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	(void)vma;
	nr_released += frames->size;
}

static const struct pgw_vma_ops vma_ops = { .fault = fault, .release = release };

static struct pgw_mmap_args vma_args(void)
{
	return (struct pgw_mmap_args){ .start = base,
				       .end = base + NR_PAGES * huge,
				       .flags = PGW_VMA_HUGETLB | PGW_VMA_READ | PGW_VMA_WRITE,
				       .page_lg2 = (uint8_t)lg2,
				       .pgoff = 7,
				       .ops = &vma_ops };
}

static void make_huge(struct fixture *f)
{
	const struct pgw_mmap_args args = vma_args();

	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
	nr_mapped = nr_released = 0;
}

static unsigned level_of(const struct fixture *f)
{
	unsigned level = f->geo->top_level;

	while (f->geo->span_lg2[level] > lg2)
		level--;
	return level;
}

/* Run a case, with a fixture of its own, for each format and each size of large pages that it has. */
static void (*case_of_size)(struct fixture *f);

static void for_each_size(struct fixture *f)
{
	for (lg2 = f->geo->granule_lg2 + 1u; lg2 < PA_BITS - 2; lg2++) {
		struct pgw_mmap_args args;

		huge = UINT64_C(1) << lg2;
		base = 4 * huge;
		misaligned = 0;
		args = vma_args();
		if (!(f->mm->pt.format->edit->sizes(&f->mm->pt) >> lg2 & 1)) {
			assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
			continue;
		}
		if (base + (NR_PAGES + 2) * huge - 1 > pgw_mm_region(f->mm)->last)
			continue;
		case_of_size(f);
		f->on_step = NULL;
		f->record.stop_at = 0;
		assert_int_equal(pgw_mm_munmap(f->mm, 0, base + (NR_PAGES + 2) * huge), 0);
	}
}

static void for_each_format_and_size(void (*run)(struct fixture *f))
{
	case_of_size = run;
	for_each_format(for_each_size);
}

static void check_mm(struct fixture *f)
{
	const char *what = "";

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	if (pgw_mm_validate(f->mm, &what))
		fail_msg("%s: %s", pgw_format_name(f->format), what);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
}

static struct pgw_translation at_va(struct fixture *f, uint64_t va)
{
	struct pgw_translation at;

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_translate(f->mm, va, &at), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	return at;
}

/* ---- making and changing ---- */

static void which_vmas(struct fixture *f)
{
	struct pgw_mmap_args args = vma_args();
	const struct pgw_mmap_args good = args;

	args.page_lg2 = 0;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args.page_lg2 = f->geo->granule_lg2;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args.page_lg2 = 64;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args = good;
	args.start += page(f);
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args = good;
	args.end -= page(f);
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args = good;
	args.flags |= PGW_VMA_PFNMAP;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args = good;
	args.flags |= PGW_VMA_GROWSDOWN;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	args = good;
	args.flags &= ~(uint32_t)PGW_VMA_HUGETLB;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), -PGW_EINVAL);
	make_huge(f);
	/* A neighbour of small pages does not merge, one of the same kind does. */
	args = good;
	args.start = good.end;
	args.end = good.end + huge;
	args.pgoff += (good.end - good.start) / page(f);
	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
	assert_int_equal(vma_at(f, base)->end, args.end);
	assert_int_equal(vma_at(f, base)->page_lg2, lg2);
	args.start = args.end;
	args.end = args.start + huge;
	args.pgoff += huge / page(f);
	args.flags &= ~(uint32_t)PGW_VMA_HUGETLB;
	args.page_lg2 = 0;
	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
	assert_int_equal(vma_at(f, base)->end, args.start);
	check_mm(f);
}

/* Neighbours that would merge, were their pages of one size. */
static void two_sizes(struct fixture *f)
{
	struct pgw_mmap_args args = vma_args();
	uint64_t sizes =
		f->mm->pt.format->edit->sizes(&f->mm->pt) & (huge - 1) & ~(2 * page(f) - 1);

	if (!sizes)
		return;
	make_huge(f);
	args.start = args.end;
	args.end += huge;
	args.pgoff += NR_PAGES * huge / page(f);
	args.page_lg2 = (uint8_t)__builtin_ctzll(sizes);
	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
	assert_int_equal(vma_at(f, base)->end, args.start);
	assert_int_equal(vma_at(f, args.start)->page_lg2, args.page_lg2);
	check_mm(f);
}

static void test_hugetlb__vmas_are_made_of_whole_pages(void **state)
{
	(void)state;
	for_each_format_and_size(two_sizes);
	for_each_format_and_size(which_vmas);
}

static void faults(struct fixture *f)
{
	struct pgw_translation at;

	make_huge(f);
	assert_int_equal(pgw_mm_fault(f->mm, base + huge + page(f), PGW_VMA_READ), 0);
	assert_int_equal(asked.va, base + huge);
	assert_int_equal(asked.page_lg2, lg2);
	assert_int_equal(asked.max_level, level_of(f));
	assert_int_equal(asked.pgoff, 7 + huge / page(f));
	/* One leaf, or run, of just this size. */
	at = at_va(f, base + 2 * huge - page(f));
	assert_int_equal(at.kind, PGW_ENTRY_LEAF);
	assert_int_equal(at.leaf_lg2, lg2);
	assert_int_equal(at.va_first, base + huge);
	assert_int_equal(at.pa, 2 * huge - page(f));
	assert_int_equal(at_va(f, base).kind, PGW_ENTRY_EMPTY);
	assert_int_equal(at_va(f, base + 2 * huge).kind, PGW_ENTRY_EMPTY);
	check_mm(f);
	/* To write, the owner is asked once more: the same frame, or another one. */
	assert_int_equal(pgw_mm_fault(f->mm, base + huge, PGW_VMA_WRITE), 0);
	nr_mapped -= huge;
	at = at_va(f, base + huge);
	assert_int_equal(at.leaf_lg2, lg2);
	assert_true(at.rights & PGW_USER_W);
	assert_int_equal(nr_released, 0);
	misaligned = page(f);
	assert_int_equal(pgw_mm_fault(f->mm, base, PGW_VMA_READ), -PGW_EINVAL);
	misaligned = 0;
	nr_mapped -= huge;
	assert_int_equal(pgw_mm_populate(f->mm, base, base + NR_PAGES * huge), 0);
	assert_int_equal(nr_mapped, NR_PAGES * huge);
	check_mm(f);
	assert_int_equal(pgw_mm_munmap(f->mm, base, base + NR_PAGES * huge), 0);
	assert_int_equal(nr_released, nr_mapped);
	check_mm(f);
}

static void replaced(struct fixture *f)
{
	make_huge(f);
	assert_int_equal(pgw_mm_fault(f->mm, base, PGW_VMA_READ), 0);
	misaligned = 2 * huge; /* another frame */
	assert_int_equal(pgw_mm_fault(f->mm, base, PGW_VMA_WRITE), 0);
	assert_int_equal(nr_released, huge);
	assert_int_equal(at_va(f, base).leaf_lg2, lg2);
	assert_int_equal(at_va(f, base).pa, 3 * huge);
	check_mm(f);
}

/* The frame stays, and all of it may be written: each item of a contiguous run. */
static void granted(struct fixture *f)
{
	uint64_t item = UINT64_C(1) << f->geo->span_lg2[level_of(f)];

	make_huge(f);
	assert_int_equal(pgw_mm_fault(f->mm, base, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mm_fault(f->mm, base + huge - page(f), PGW_VMA_WRITE), 0);
	for (uint64_t va = base; va < base + huge; va += item) {
		struct pgw_translation at = at_va(f, va);

		assert_int_equal(at.leaf_lg2, lg2);
		assert_int_equal(at.pa, huge + (va - base));
		assert_true(at.rights & PGW_USER_W);
	}
	assert_int_equal(nr_released, 0);
	check_mm(f);
}

static void test_hugetlb__faults_map_pages_of_that_size(void **state)
{
	(void)state;
	for_each_format_and_size(faults);
	for_each_format_and_size(granted);
	for_each_format_and_size(replaced);
}

static void changes(struct fixture *f)
{
	make_huge(f);
	assert_int_equal(pgw_mm_populate(f->mm, base, base + NR_PAGES * huge), 0);
	assert_int_equal(pgw_mm_munmap(f->mm, base + page(f), base + huge), -PGW_EINVAL);
	assert_int_equal(pgw_mm_munmap(f->mm, base, base + page(f)), -PGW_EINVAL);
	assert_int_equal(pgw_mm_munmap(f->mm, 0, base + huge + huge / 2), -PGW_EINVAL);
	assert_int_equal(pgw_mm_mprotect(f->mm, base, base + huge / 2, PGW_VMA_READ), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_install(f->mm, base, base + huge), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_remove(f->mm, base, base + huge), -PGW_EINVAL);
	/* None of them has done anything. */
	assert_int_equal(nr_released, 0);
	assert_int_equal(vma_at(f, base)->end, base + NR_PAGES * huge);
	for (uint64_t va = base; va < base + NR_PAGES * huge; va += huge)
		assert_int_equal(at_va(f, va).leaf_lg2, lg2);
	check_mm(f);
	assert_int_equal(pgw_mm_mprotect(f->mm, base + huge, base + 2 * huge, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mm_munmap(f->mm, base, base + huge), 0);
	assert_int_equal(nr_released, huge);
	assert_int_equal(vma_at(f, base + huge)->end, base + 2 * huge);
	assert_int_equal(vma_at(f, base + 2 * huge)->page_lg2, lg2);
	assert_int_equal(at_va(f, base + huge).leaf_lg2, lg2);
	check_mm(f);
}

static void drops(struct fixture *f)
{
	make_huge(f);
	assert_int_equal(pgw_mm_populate(f->mm, base, base + NR_PAGES * huge), 0);
	assert_int_equal(pgw_mm_dontneed(f->mm, base + page(f), base + 2 * huge), -PGW_EINVAL);
	assert_int_equal(pgw_mm_dontneed(f->mm, base, base + huge - page(f)), 0);
	assert_int_equal(nr_released, 0);
	/* The page in which the range ends stays. */
	assert_int_equal(pgw_mm_dontneed(f->mm, base, base + 2 * huge - page(f)), 0);
	assert_int_equal(nr_released, huge);
	assert_int_equal(at_va(f, base).kind, PGW_ENTRY_EMPTY);
	assert_int_equal(at_va(f, base + huge).leaf_lg2, lg2);
	assert_int_equal(vma_at(f, base)->hugetlb_lock, 0);
	check_mm(f);
}

static void test_hugetlb__a_part_of_a_page_is_refused(void **state)
{
	(void)state;
	for_each_format_and_size(changes);
	for_each_format_and_size(drops);
}

/* ---- walks ---- */

static int record_huge(uint64_t *pte, uint64_t hmask, uint64_t addr, uint64_t next,
		       struct pgw_mm_walk *walk)
{
	assert_int_equal(hmask, ~(huge - 1));
	assert_int_equal(walk->vma->hugetlb_lock, 1);
	return record_event(walk, (struct event){ .level = HUGE,
						  .addr = addr,
						  .next = next,
						  .entry = pgw_item_load(pte) });
}

/* Each page is a hole or an entry; nothing else is called. */
static void check_pages(struct fixture *f, unsigned nr_holes, unsigned nr_pages)
{
	assert_int_equal(count_level(f, HOLE), nr_holes);
	assert_int_equal(count_level(f, HUGE), nr_pages);
	assert_int_equal(count_level(f, PRE), 1);
	assert_int_equal(count_level(f, POST), 1);
	assert_int_equal(f->record.nr, nr_holes + nr_pages + 2);
}

static void walked(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t end = base + NR_PAGES * huge, word;
	bool is_root = level_of(f) == f->geo->top_level;

	make_huge(f);
	ops.hugetlb_entry = record_huge;
	assert_int_equal(walk(f, base, end, &ops), 0);
	if (!is_root) {
		check_pages(f, NR_PAGES, 0);
		for (unsigned i = 0; i < NR_PAGES; i++) {
			assert_int_equal(nth_of_level(f, HOLE, i)->depth, -1);
			assert_int_equal(nth_of_level(f, HOLE, i)->addr, base + i * huge);
			assert_int_equal(nth_of_level(f, HOLE, i)->next, base + (i + 1) * huge);
		}
	} else {
		check_pages(f, 0, NR_PAGES);
	}
	/* With the table there, empty slots are shown as they are. */
	assert_int_equal(pgw_mm_fault(f->mm, base + huge, PGW_VMA_READ), 0);
	word = *slot_at(f, base + huge, level_of(f));
	assert_int_equal(walk(f, base, end, &ops), 0);
	check_pages(f, 0, NR_PAGES);
	for (unsigned i = 0; i < NR_PAGES; i++) {
		assert_int_equal(nth_of_level(f, HUGE, i)->addr, base + i * huge);
		assert_int_equal(nth_of_level(f, HUGE, i)->entry, i == 1 ? word : 0);
	}
	/* Clipped to the range; the slot is the page's all the same. */
	assert_int_equal(walk(f, base + huge + page(f), base + huge + 2 * page(f), &ops), 0);
	check_pages(f, 0, 1);
	assert_int_equal(nth_of_level(f, HUGE, 0)->addr, base + huge + page(f));
	assert_int_equal(nth_of_level(f, HUGE, 0)->next, base + huge + 2 * page(f));
	assert_int_equal(nth_of_level(f, HUGE, 0)->entry, word);
	assert_int_equal(vma_at(f, base)->hugetlb_lock, 0);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 0);
}

/* Without its callback nothing is called but pre_vma and post_vma; not even for holes. */
static void not_walked(struct fixture *f)
{
	make_huge(f);
	assert_int_equal(walk(f, base, base + NR_PAGES * huge, &all_ops), 0);
	check_pages(f, 0, 0);
	assert_int_equal(pgw_mm_fault(f->mm, base, PGW_VMA_READ), 0);
	assert_int_equal(walk(f, base, base + NR_PAGES * huge, &all_ops), 0);
	check_pages(f, 0, 0);
	assert_int_equal(at_va(f, base).leaf_lg2, lg2);
}

static void test_hugetlb__16_pages_without_a_table_are_holes_of_no_depth(void **state)
{
	(void)state;
	for_each_format_and_size(walked);
	for_each_format_and_size(not_walked);
}

static void walk_stops(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;

	make_huge(f);
	assert_int_equal(pgw_mm_populate(f->mm, base, base + NR_PAGES * huge), 0);
	ops.hugetlb_entry = record_huge;
	f->record.stop_at = 3; /* pre_vma, one page, the second */
	f->record.stop_value = 9;
	assert_int_equal(walk(f, base, base + NR_PAGES * huge, &ops), 9);
	check_pages(f, 0, 2);
	assert_int_equal(vma_at(f, base)->hugetlb_lock, 0);
}

static void test_hugetlb__21_a_callbacks_value_ends_the_walk(void **state)
{
	(void)state;
	for_each_format_and_size(walk_stops);
}

static int never(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next, (void)ret, (void)walk;
	fail_msg("install_pte of a hugetlb VMA");
	return 0;
}

static void not_installed(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;

	make_huge(f);
	ops.hugetlb_entry = record_huge;
	ops.install_pte = never;
	begin(f);
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	assert_int_equal(pgw_walk_page_range_mm_unsafe(f->mm, base, base + huge, &ops, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_vma_unsafe(pgw_vma_lookup(f->mm, base), base,
							base + huge, &ops, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(f->record.nr, 0);
	/* The gap before it has been shown by then. */
	assert_int_equal(
		pgw_walk_page_range_mm_unsafe(f->mm, base - huge, base + huge, &ops, &f->record),
		-PGW_EINVAL);
	assert_int_equal(f->record.nr, 1);
	assert_int_equal(count_level(f, HOLE), 1);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
}

static void test_hugetlb__5_nothing_is_installed_there(void **state)
{
	(void)state;
	for_each_format_and_size(not_installed);
}

/* A callback that lets go of the lock and takes it again. */
static int let_go(uint64_t *pte, uint64_t hmask, uint64_t addr, uint64_t next,
		  struct pgw_mm_walk *walk)
{
	(void)pte, (void)hmask, (void)addr, (void)next;
	pgw_hugetlb_vma_unlock_read(walk->vma);
	assert_int_equal(walk->vma->hugetlb_lock, 0);
	assert_int_equal(pgw_mm_fault(walk->mm, addr, PGW_VMA_READ), 0);
	pgw_hugetlb_vma_lock_read(walk->vma);
	++*(unsigned *)walk->arg;
	return 0;
}

static void lets_go(struct fixture *f)
{
	const struct pgw_mm_walk_ops ops = { .hugetlb_entry = let_go,
					     .walk_lock = PGW_WALK_VMA_RDLOCK_VERIFY };
	struct pgw_vma *vma;
	unsigned nr = 0;

	make_huge(f);
	assert_int_equal(pgw_mm_fault(f->mm, base, PGW_VMA_READ), 0);
	vma = pgw_vma_read_lock(f->mm, base);
	assert_int_equal(pgw_walk_page_range_vma(vma, base, base + 2 * huge, &ops, &nr), 0);
	assert_int_equal(vma->hugetlb_lock, 0);
	pgw_vma_read_unlock(vma);
	assert_int_equal(nr, 2);
	assert_int_equal(at_va(f, base + huge).leaf_lg2, lg2);
}

static void test_hugetlb__a_callback_may_let_go_of_the_lock(void **state)
{
	(void)state;
	for_each_format_and_size(lets_go);
}

/* Validation notices pages of another size. */
static void split_page(struct fixture *f)
{
	const char *what = "";

	make_huge(f);
	assert_int_equal(pgw_mm_fault(f->mm, base, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_split(f->mm, base, base + huge - 1, (uint8_t)(lg2 - 1)), 0);
	assert_int_equal(pgw_mm_validate(f->mm, &what), -PGW_EIO);
	assert_string_equal(what, "a leaf of another size than its hugetlb VMA's");
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
}

static void test_hugetlb__validation_notices_other_sizes(void **state)
{
	(void)state;
	for_each_format_and_size(split_page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hugetlb__vmas_are_made_of_whole_pages),
		cmocka_unit_test(test_hugetlb__faults_map_pages_of_that_size),
		cmocka_unit_test(test_hugetlb__a_part_of_a_page_is_refused),
		cmocka_unit_test(test_hugetlb__16_pages_without_a_table_are_holes_of_no_depth),
		cmocka_unit_test(test_hugetlb__21_a_callbacks_value_ends_the_walk),
		cmocka_unit_test(test_hugetlb__5_nothing_is_installed_there),
		cmocka_unit_test(test_hugetlb__a_callback_may_let_go_of_the_lock),
		cmocka_unit_test(test_hugetlb__validation_notices_other_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
