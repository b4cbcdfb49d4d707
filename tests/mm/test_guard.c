/* SPDX-License-Identifier: BSD-2-Clause */

/* Guarded pages: what puts them there, what takes them away, and all that does not. */

#include "walk_fixture.h"

#include <pagewalk/mapping.h>

#include "base/bits.h"
#include "mm/mm_priv.h"

#define FAR 16 /* VMAs begin so many spans of a pmd up */

/* ---- what backs the VMAs ---- */

static struct fixture *current;
static uint64_t nr_mapped, nr_released; /* pages */

static int fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	(void)vma;
	fault->pa = span(current, 1);
	fault->level = fault->max_level < 1 ? fault->max_level : 1;
	nr_mapped +=
		UINT64_C(1) << (current->geo->span_lg2[fault->level] - current->geo->granule_lg2);
	return 0;
}

static void release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	(void)vma;
	nr_released += frames->size >> current->geo->granule_lg2;
}

static const struct pgw_vma_ops vma_ops = { .fault = fault, .release = release };

static void make_backed(struct fixture *f, uint64_t start, uint64_t end, uint32_t flags)
{
	const struct pgw_mmap_args args = { .start = start,
					    .end = end,
					    .flags = flags | PGW_VMA_READ | PGW_VMA_WRITE,
					    .ops = &vma_ops };

	current = f;
	nr_mapped = nr_released = 0;
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

static bool is_guarded(struct fixture *f, uint64_t va)
{
	struct pgw_translation at;
	bool is;

	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_translate(f->mm, va, &at), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	is = at.level == 0 && at.entry == pgw_mm_guard_entry(f->mm);
	/* An access says the same. */
	if (is) {
		assert_int_equal(at.kind, PGW_ENTRY_ABSENT);
		assert_int_equal(pgw_mm_fault(f->mm, va, PGW_VMA_READ), -PGW_EACCES);
		assert_int_equal(pgw_mm_fault(f->mm, va, PGW_VMA_WRITE), -PGW_EACCES);
	}
	return is;
}

/* Exactly these pages of a VMA are guarded. */
static void check_guards(struct fixture *f, uint64_t start, uint64_t end, uint64_t first,
			 uint64_t last)
{
	for (uint64_t va = start; va < end; va += page(f))
		assert_int_equal(is_guarded(f, va), va >= first && va <= last);
	check_mm(f);
}

/* ---- cases ---- */

static void installs(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s, guard = pgw_mm_guard_entry(f->mm);

	assert_int_equal(kind_of(f, guard, 0), PGW_ENTRY_ABSENT);
	make_backed(f, at, at + 2 * s, 0);
	assert_int_equal(pgw_mm_guard_install(f->mm, at + p, at + 3 * p), 0);
	check_guards(f, at, at + 8 * p, at + p, at + 3 * p - 1);
	assert_int_equal(desc_of(f, slot_at(f, at, 0), 0)->nr_live, 2);
	/* Beside it life goes on, but not by a leaf that would cover it. */
	assert_int_equal(pgw_mm_fault(f->mm, at, PGW_VMA_READ), 0);
	assert_int_equal(nr_mapped, 1);
	/* Again, and more: fine. What is mapped there goes. */
	assert_int_equal(pgw_mm_guard_install(f->mm, at, at + 4 * p), 0);
	assert_int_equal(nr_released, 1);
	check_guards(f, at, at + 8 * p, at, at + 4 * p - 1);
	/* To fault a range in stops at a guard. */
	assert_int_equal(pgw_mm_populate(f->mm, at, at + s), -PGW_EACCES);
	assert_int_equal(pgw_mm_populate(f->mm, at + 4 * p, at + s), 0);
	assert_int_equal(nr_mapped, nr_slots(f, 0) - 3);
	/* Removed: what is mapped stays, what was guarded faults. */
	assert_int_equal(pgw_mm_guard_remove(f->mm, at + p, at + 8 * p), 0);
	check_guards(f, at, at + 8 * p, at, at + p - 1);
	assert_int_equal(nr_released, 1);
	assert_int_equal(pgw_mm_fault(f->mm, at + p, PGW_VMA_WRITE), 0);
	assert_int_equal(pgw_mm_guard_remove(f->mm, at, at + 2 * s), 0);
	assert_int_equal(pgw_mm_munmap(f->mm, at, at + 2 * s), 0);
	assert_int_equal(nr_released, nr_mapped);
	check_mm(f);
}

/* A large leaf of which a part is guarded: the rest of it stays mapped. */
static void drops_large_leaves(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;

	make_backed(f, at, at + 3 * s, 0);
	assert_int_equal(pgw_mm_populate(f->mm, at, at + 3 * s), 0);
	assert_int_equal(pgw_mm_guard_install(f->mm, at + s - p, at + 2 * s + p), 0);
	check_guards(f, at + s - 4 * p, at + s + 4 * p, at + s - p, at + s + 4 * p);
	check_guards(f, at + 2 * s - 4 * p, at + 2 * s + 4 * p, at, at + 2 * s + p - 1);
	assert_int_equal(nr_released, nr_slots(f, 0) + 2);
	assert_int_equal(pa_of(f, at), s);
	assert_int_equal(pa_of(f, at + 2 * s + p), s + p);
	/* Nothing was split only to be dropped. */
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 0);
}

static void test_guard__pages_are_guarded_until_removed(void **state)
{
	(void)state;
	for_each_format(installs);
	for_each_format(drops_large_leaves);
}

static void refusals(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;
	struct pgw_mm_walk_ops ops = { .pmd_entry = record_pmd };

	make_backed(f, at, at + s, 0);
	make_backed(f, at + s, at + 2 * s, PGW_VMA_PFNMAP);
	make_backed(f, at + 3 * s, at + 4 * s, PGW_VMA_LOCKED);
	assert_int_equal(pgw_mm_guard_install(f->mm, at, at), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_install(f->mm, at + 1, at + p), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_install(NULL, at, at + p), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_remove(NULL, at, at + p), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_remove(f->mm, at, at + 1), -PGW_EINVAL);
	/* One VMA of these, and nothing is done. */
	assert_int_equal(pgw_mm_guard_install(f->mm, at, at + 2 * s), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_install(f->mm, at + 3 * s, at + 4 * s), -PGW_EINVAL);
	assert_int_equal(walk(f, at, at + s, &ops), 0);
	assert_int_equal(f->record.nr, 0);
	assert_int_equal(pgw_mm_guard_remove(f->mm, at, at + 2 * s), -PGW_EINVAL);
	assert_int_equal(pgw_mm_guard_remove(f->mm, at + 3 * s, at + 4 * s), 0);
	/* Holes: the rest is done. */
	assert_int_equal(pgw_mm_guard_install(f->mm, at - p, at + p), -PGW_ENOENT);
	assert_true(is_guarded(f, at));
	assert_int_equal(pgw_mm_guard_remove(f->mm, at - p, at + p), -PGW_ENOENT);
	assert_false(is_guarded(f, at));
	assert_int_equal(pgw_mm_guard_install(f->mm, 0, p), -PGW_ENOENT);
}

static void test_guard__what_is_refused(void **state)
{
	(void)state;
	for_each_format(refusals);
}

/* What changes VMAs and drops pages leaves them; what unmaps takes them along. */
static void others(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;
	struct pgw_mm_walk_ops ops = all_ops;

	make_backed(f, at, at + s, 0);
	assert_int_equal(pgw_mm_guard_install(f->mm, at + 2 * p, at + 5 * p), 0);
	assert_int_equal(pgw_mm_fault(f->mm, at + p, PGW_VMA_WRITE), 0);
	assert_int_equal(pgw_mm_dontneed(f->mm, at, at + s), 0);
	assert_int_equal(nr_released, 1);
	check_guards(f, at, at + 8 * p, at + 2 * p, at + 5 * p - 1);
	/* The VMA is split across them, and made whole again. */
	assert_int_equal(pgw_mm_mprotect(f->mm, at + 3 * p, at + 4 * p, PGW_VMA_READ), 0);
	assert_int_equal(
		pgw_mm_mprotect(f->mm, at + 3 * p, at + 4 * p, PGW_VMA_READ | PGW_VMA_WRITE), 0);
	check_guards(f, at, at + 8 * p, at + 2 * p, at + 5 * p - 1);
	/* Walkers are shown what stands there, as any slot. */
	assert_int_equal(walk(f, at, at + 8 * p, &ops), 0);
	assert_int_equal(nth_of_level(f, 0, 2)->entry, pgw_mm_guard_entry(f->mm));
	assert_int_equal(nth_of_level(f, 0, 5)->entry, 0);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_collapse(f->mm, at, f->geo->span_lg2[1]), -PGW_ENOENT);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(pgw_mm_munmap(f->mm, at + 3 * p, at + 4 * p), 0);
	check_mm(f);
	make_backed(f, at + 3 * p, at + 4 * p, 0);
	assert_false(is_guarded(f, at + 3 * p));
	assert_true(is_guarded(f, at + 4 * p));
	assert_int_equal(pgw_mm_munmap(f->mm, at, at + s), 0);
	check_mm(f);
}

static int harvested(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	(void)va, (void)pa, (void)size_lg2, (void)what, (void)arg;
	return 7;
}

static void harvest_passes_over(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;

	make_backed(f, at, at + s, 0);
	assert_int_equal(pgw_mm_guard_install(f->mm, at, at + p), 0);
	assert_int_equal(pgw_mm_harvest(f->mm, at, at + s,
					PGW_HARVEST_YOUNG | PGW_HARVEST_DIRTY | PGW_HARVEST_CLEAR,
					harvested, NULL),
			 0);
	assert_true(is_guarded(f, at));
}

/* A file's VMA is unmapped with its tables' locks held, as what stays is: but it does not stay. */
static void files_go_too(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;
	const struct pgw_mapping_args args = { .platform = f->mm->platform,
					       .page_lg2 = f->geo->granule_lg2,
					       .nr_pages = 8 };
	struct pgw_mmap_args map = { .start = at,
				     .end = at + 8 * p,
				     .flags = PGW_VMA_READ | PGW_VMA_WRITE };

	assert_int_equal(pgw_mapping_new(&args, &map.mapping), 0);
	assert_int_equal(pgw_mm_mmap(f->mm, &map), 0);
	make_backed(f, at + 8 * p, at + 16 * p, 0); /* another one's, beside it */
	assert_int_equal(pgw_mm_guard_install(f->mm, at + 2 * p, at + 10 * p), 0);
	assert_int_equal(pgw_mm_munmap(f->mm, at, at + 9 * p), 0);
	check_mm(f);
	assert_false(is_guarded(f, at + 2 * p));
	assert_false(is_guarded(f, at + 8 * p));
	assert_true(is_guarded(f, at + 9 * p));
	assert_int_equal(pgw_mm_munmap(f->mm, at, at + s), 0);
	check_mm(f);
	pgw_mapping_free(map.mapping);
}

static void test_guard__only_munmap_takes_guards_along(void **state)
{
	(void)state;
	for_each_format(others);
	for_each_format(harvest_passes_over);
	for_each_format(files_go_too);
}

/* What a fork does: each slot of one mm is looked at, and the other's gets the same. */
struct copy {
	struct pgw_mm *to;
	uint64_t entry;
};

static int copy_into(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	const struct copy *copy = walk->arg;

	(void)addr, (void)next;
	*ret = copy->entry;
	return 0;
}

static int copy_guards(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	static const struct pgw_mm_walk_ops into = { .install_pte = copy_into };
	struct copy *copy = walk->arg;

	copy->entry = pgw_item_load(pte);
	if (copy->entry != pgw_mm_guard_entry(walk->mm))
		return 0; /* faulted in by the copy, from what backs the VMA */
	return pgw_walk_page_range_mm_unsafe(copy->to, addr, next, &into, copy);
}

static void survives_a_copy(struct fixture *f)
{
	static const struct pgw_mm_walk_ops from = { .pte_entry = copy_guards };
	struct pgw_mm_new_args args = { .platform = &f->arena.platform,
					.format = f->format,
					.region = PGW_REGION_USER,
					.control.pa_bits = PA_BITS };
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;
	struct pgw_mm *parent = f->mm, *child;
	struct copy copy;

	f->arena.platform.step = NULL;
	make_backed(f, at, at + s, 0);
	assert_int_equal(pgw_mm_guard_install(parent, at + p, at + 3 * p), 0);
	assert_int_equal(pgw_mm_fault(parent, at, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mm_new(&args, &child), 0);
	f->mm = child;
	make_backed(f, at, at + s, 0);
	copy.to = child;
	assert_int_equal(pgw_mmap_read_lock(parent), 0);
	assert_int_equal(pgw_mmap_read_lock(child), 0);
	assert_int_equal(pgw_walk_page_range(parent, at, at + s, &from, &copy), 0);
	assert_int_equal(pgw_mmap_read_unlock(child), 0);
	assert_int_equal(pgw_mmap_read_unlock(parent), 0);
	check_guards(f, at, at + 8 * p, at + p, at + 3 * p - 1);
	/* From here on each has its own. */
	assert_int_equal(pgw_mm_guard_remove(child, at + p, at + 3 * p), 0);
	assert_false(is_guarded(f, at + p));
	f->mm = parent;
	assert_true(is_guarded(f, at + p));
	pgw_mm_free(child);
}

static void test_guard__guards_can_be_copied_like_a_fork_does(void **state)
{
	(void)state;
	for_each_format(survives_a_copy);
}

/* Each time the walk comes to the table, somebody has faulted a page in there. */
static void fault_it_in(struct fixture *f, enum pgw_step_point point)
{
	if (point != PGW_STEP_PTE_MAPPED)
		return;
	f->on_step = NULL;
	/* Who has the lock for write keeps faults out. */
	if (pgw_mmap_lock_mode(f->mm) == PGW_LOCK_READ) {
		struct pgw_vma *vma = pgw_vma_read_lock(f->mm, f->word);

		assert_non_null(vma);
		pgw_vma_read_unlock(vma);
		assert_int_equal(pgw_mm_fault(f->mm, f->word, PGW_VMA_READ), 0);
		f->times++;
	} else {
		assert_null(pgw_vma_read_lock(f->mm, f->word));
	}
	f->on_step = fault_it_in;
}

static void faults_go_on(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;

	make_backed(f, at, at + s, 0);
	assert_int_equal(pgw_mm_guard_install(f->mm, at, at + p), 0);
	f->word = at + 2 * p;
	f->on_step = fault_it_in;
	assert_int_equal(pgw_mm_guard_install(f->mm, at, at + 4 * p), 0);
	f->on_step = NULL;
	assert_int_equal(f->times, 3);
	check_guards(f, at, at + 8 * p, at, at + 4 * p - 1);
	assert_int_equal(nr_released, nr_mapped);
}

static void test_guard__who_loses_against_faults_comes_back_alone(void **state)
{
	(void)state;
	for_each_format(faults_go_on);
}

static void no_memory(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;
	long fails = 0;
	int err;

	do {
		make_backed(f, at, at + 2 * s, 0);
		assert_int_equal(pgw_mm_populate(f->mm, at + s, at + 2 * s), 0);
		f->arena.fail_after = fails++;
		err = pgw_mm_guard_install(f->mm, at + s - p, at + s + p);
		f->arena.fail_after = -1;
		assert_true(!err || err == -PGW_ENOMEM);
		check_mm(f);
		assert_int_equal(pgw_mm_munmap(f->mm, at, at + 2 * s), 0);
		assert_int_equal(nr_released, nr_mapped);
	} while (err);
	assert_int_equal(fails, 3); /* a table, and one for a split */
}

static void test_guard__without_memory_all_is_as_it_should_be(void **state)
{
	(void)state;
	for_each_format(no_memory);
}

/* Validation finds a guard that is nobody's. */
static void stray_guard(struct fixture *f)
{
	uint64_t s = span(f, 1), p = page(f), at = FAR * s;
	const char *what = "";

	make_backed(f, at, at + p, 0);
	assert_int_equal(pgw_mm_guard_install(f->mm, at, at + p), 0);
	*(slot_at(f, at, 0) + 1) = pgw_mm_guard_entry(f->mm);
	desc_of(f, slot_at(f, at, 0), 0)->nr_live++;
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_validate(f->mm, &what), -PGW_EIO);
	assert_string_equal(what, "a guard outside every VMA");
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
}

static void test_guard__validation_finds_one_that_is_nobodys(void **state)
{
	(void)state;
	for_each_format(stray_guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guard__pages_are_guarded_until_removed),
		cmocka_unit_test(test_guard__what_is_refused),
		cmocka_unit_test(test_guard__only_munmap_takes_guards_along),
		cmocka_unit_test(test_guard__guards_can_be_copied_like_a_fork_does),
		cmocka_unit_test(test_guard__who_loses_against_faults_comes_back_alone),
		cmocka_unit_test(test_guard__without_memory_all_is_as_it_should_be),
		cmocka_unit_test(test_guard__validation_finds_one_that_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
