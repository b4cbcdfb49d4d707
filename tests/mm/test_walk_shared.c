/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The walker's contract, walks through VMAs: locks, and what others do to the
 * tables meanwhile. They do it at the walk's steps, by the same thread and
 * directly: that is what makes it happen every time.
 */

#include "walk_fixture.h"

#include "base/bits.h"
#include "base/epoch.h"
#include "base/mutex.h"

/* ---- what others do meanwhile ---- */

/* What collapsing does: the table under f->slot is unlinked, and whoever gets its lock is told. */
static struct pgw_ptdesc *detach_table(struct fixture *f, uint64_t entry)
{
	struct pgw_ptdesc *desc = desc_below(f, *f->slot, f->level);

	*f->slot = entry;
	if (!entry)
		desc_of(f, f->slot, f->level)->nr_live--;
	desc->detached = 1;
	desc->table = f->arena.block + (desc - f->arena.descs) * ARENA_TABLE_MIN;
	/* Nobody looks at it any more, but for a walker that had it. */
	memset(desc->table, 0xee, (size_t)1 << desc->size_lg2);
	return desc;
}

static void free_detached(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	struct pgw_ptdesc *desc = pgw_container_of(deferred, struct pgw_ptdesc, deferred);

	platform->table_free(platform->ctx, desc->table, (size_t)1 << desc->size_lg2);
}

static void defer_free(struct fixture *f, struct pgw_ptdesc *desc)
{
	epoch_defer(&f->arena.platform, &desc->deferred, free_detached);
}

/* Between split and descent somebody puts the leaf back, once. */
static void recreate_leaf(struct fixture *f, enum pgw_step_point point)
{
	if (point == PGW_STEP_WALK_SPLIT && f->times++ == 0)
		defer_free(f, detach_table(f, f->word));
}

static void leaf_recreated(struct fixture *f)
{
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s, 1);
	f->slot = slot_at(f, 2 * s, 1);
	f->level = 1;
	f->word = *f->slot;
	f->on_step = recreate_leaf;
	assert_int_equal(walk(f, 2 * s, 3 * s, &all_ops), 0);
	/* Shown again, split again, walked once. Its frame is no memory: as a table it would fault. */
	assert_int_equal(count_level(f, 1), 2);
	assert_int_equal(nth_of_level(f, 1, 1)->entry, f->word);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 2);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
	assert_int_equal(kind_of(f, *f->slot, 1), PGW_ENTRY_TABLE);
}

static void upper_leaf_recreated(struct fixture *f)
{
	uint64_t s;

	if (!has_leaf(f, 2))
		return;
	s = span(f, 2);
	make_vma(f, s, 2 * s, 0);
	map(f, s, 2);
	f->slot = slot_at(f, s, 2);
	f->level = 2;
	f->word = *f->slot;
	f->on_step = recreate_leaf;
	assert_int_equal(walk(f, s, s + page(f), &all_ops), 0);
	assert_int_equal(count_level(f, 2), 2);
	assert_int_equal(count_level(f, 1), 1);
	assert_int_equal(count_level(f, 0), 1);
	assert_int_equal(pa_of(f, s), 0);
}

static void test_walk_shared__28_a_leaf_that_came_back_is_noticed(void **state)
{
	(void)state;
	for_each_format(leaf_recreated);
	for_each_format(upper_leaf_recreated);
}

#define ABSENT (UINT64_C(0xab) << 8) /* in all formats */

/* Between split and descent somebody puts something there that is not valid. */
static void leaf_to_absent(struct fixture *f, enum pgw_step_point point)
{
	if (point == PGW_STEP_WALK_SPLIT && f->times++ == 0)
		defer_free(f, detach_table(f, ABSENT));
}

static void leaf_turned_absent_at(struct fixture *f, unsigned level)
{
	uint64_t s;

	if (!has_leaf(f, level))
		return;
	s = span(f, level);
	make_vma(f, s, 2 * s, 0);
	map(f, s, level);
	f->slot = slot_at(f, s, level);
	f->level = level;
	f->word = *f->slot;
	f->on_step = leaf_to_absent;
	assert_int_equal(walk(f, s, 2 * s, &all_ops), 0);
	/* Shown again as what it is now; and then there is no third time. */
	assert_int_equal(count_level(f, (int)level), 2);
	assert_int_equal(nth_of_level(f, (int)level, 0)->entry, f->word);
	assert_int_equal(nth_of_level(f, (int)level, 1)->entry, ABSENT);
	assert_int_equal(f->nr_steps[PGW_STEP_WALK_SPLIT], 1);
	assert_int_equal(count_level(f, 0), 0);
	assert_int_equal(count_level(f, HOLE), 0);
	/* What was absent from the start is shown once. */
	assert_int_equal(walk(f, s, 2 * s, &all_ops), 0);
	assert_int_equal(count_level(f, (int)level), 1);
}

static void pmd_turned_absent(struct fixture *f)
{
	leaf_turned_absent_at(f, 1);
}

static void pud_turned_absent(struct fixture *f)
{
	if (f->geo->top_level > 2)
		leaf_turned_absent_at(f, 2);
}

static void test_walk_shared__24_a_leaf_that_turned_absent_is_shown_again(void **state)
{
	(void)state;
	for_each_format(pmd_turned_absent);
	for_each_format(pud_turned_absent);
}

/* Between the look at the pmd and the lock of its table, the table goes. */
static void vanish(struct fixture *f, enum pgw_step_point point)
{
	if (point == PGW_STEP_PTE_MAPPED && f->times-- == 0)
		defer_free(f, detach_table(f, 0));
}

static void table_vanished(struct fixture *f)
{
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 4 * s, 0);
	map(f, 2 * s, 0);
	map(f, 3 * s, 0);
	f->slot = slot_at(f, 2 * s, 1);
	f->level = 1;
	f->on_step = vanish;
	assert_int_equal(walk(f, 2 * s, 4 * s, &all_ops), 0);
	assert_int_equal(count_level(f, HOLE), 1);
	assert_int_equal(nth_of_level(f, HOLE, 0)->addr, 2 * s);
	assert_int_equal(nth_of_level(f, HOLE, 0)->next, 3 * s);
	assert_int_equal(count_level(f, 1), 2);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0)); /* of the other one */
	assert_int_equal(nth_of_level(f, 0, 0)->addr, 3 * s);
}

static void test_walk_shared__27_a_table_that_vanished_is_a_hole(void **state)
{
	(void)state;
	for_each_format(table_vanished);
}

/* Put a table with the same leaves in the place of the one that the walker is about to lock. */
static void replace_table(struct fixture *f)
{
	size_t size = 8 * nr_slots(f, 0);
	struct pgw_ptdesc *old = desc_below(f, *f->slot, 1);
	unsigned char *old_table = f->arena.block + (old - f->arena.descs) * ARENA_TABLE_MIN;
	unsigned char *new_table = f->arena.platform.table_alloc(&f->arena, size);
	struct pgw_ptdesc *new_desc = f->arena.platform.table_desc(&f->arena, new_table);

	assert_non_null(new_table);
	memcpy(new_table, old_table, size);
	new_desc->nr_live = old->nr_live;
	new_desc->level = old->level;
	f->desc[0] = detach_table(
		f, pgw_entry_advance(f->format, *f->slot, 0, (uint64_t)(new_table - old_table)));
	f->desc[1] = new_desc;
	defer_free(f, f->desc[0]);
}

static void swap_tables(struct fixture *f, enum pgw_step_point point)
{
	bool first = f->times == 0;

	/* The walker is about to go to the last of the tables on its way. */
	if (point == f->swap_at && first && f->nr_steps[PGW_STEP_WALK_TABLE] == f->geo->top_level)
		replace_table(f);
	if (point != PGW_STEP_PTE_LOCKED)
		return;
	/* 39: the lock is that of the table which was seen, not of what is there by now. */
	assert_int_equal(f->desc[0]->lock, first ? MUTEX_TAKEN : MUTEX_FREE);
	assert_int_equal(f->desc[1]->lock, first ? MUTEX_FREE : MUTEX_TAKEN);
	f->times++;
}

static void table_swapped_at(struct fixture *f, enum pgw_step_point point)
{
	uint64_t s = span(f, 1), leaf;

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s + 5 * page(f), 0);
	leaf = *slot_at(f, 2 * s + 5 * page(f), 0);
	f->slot = slot_at(f, 2 * s, 1);
	f->level = 1;
	f->on_step = swap_tables;
	f->swap_at = point;
	assert_int_equal(walk(f, 2 * s, 3 * s, &all_ops), 0);
	assert_int_equal(f->times, 2);
	assert_int_equal(count_level(f, 1), 2);
	assert_int_equal(count_level(f, HOLE), 0);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
	for (size_t i = 0; i < nr_slots(f, 0); i++)
		assert_int_equal(nth_of_level(f, 0, i)->entry, i == 5 ? leaf : 0);
}

/* Before the walker asks for the table's lock. */
static void table_swapped_unlocked(struct fixture *f)
{
	table_swapped_at(f, PGW_STEP_PTE_MAPPED);
}

/* Right after it has read the pmd. */
static void table_swapped_early(struct fixture *f)
{
	table_swapped_at(f, PGW_STEP_WALK_TABLE);
}

static void test_walk_shared__27_39_another_table_is_locked_and_walked(void **state)
{
	(void)state;
	for_each_format(table_swapped_unlocked);
	for_each_format(table_swapped_early);
}

/* The last pmd of a pud's table, or just one where there are no more than these. */
static uint64_t last_pmd(const struct fixture *f)
{
	unsigned lg2 = f->geo->span_lg2[1] + f->geo->slots_lg2[1];

	return f->geo->top_level == 1 ? 2 * span(f, 1) : (UINT64_C(2) << lg2) - span(f, 1);
}

static void last_pmd_again(struct fixture *f)
{
	uint64_t s = span(f, 1), va = last_pmd(f);

	make_vma(f, va - s, va + 2 * s, 0);
	map(f, va - s, 0);
	map(f, va, 0);
	f->slot = slot_at(f, va, 1);
	f->level = 1;
	f->on_step = vanish;
	f->times = 1; /* not the table before */
	assert_int_equal(walk(f, va - s, va + 2 * s, &all_ops), 0);
	assert_int_equal(nth_of_level(f, HOLE, 0)->addr, va);
	/* What lies before it is seen once: the smaps that counted memory twice. */
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
	assert_int_equal(count_level(f, 1), 2);
	for (size_t i = 1; i < count_level(f, 2); i++)
		assert_true(nth_of_level(f, 2, i)->addr > nth_of_level(f, 2, i - 1)->addr);
}

static int pmd_empties_and_says_again(uint64_t *item, uint64_t addr, uint64_t next,
				      struct pgw_mm_walk *walk)
{
	struct fixture *f = pgw_container_of((struct record *)walk->arg, struct fixture, record);

	if (item == f->slot) {
		defer_free(f, detach_table(f, 0));
		walk->action = PGW_ACTION_AGAIN;
		return 0;
	}
	return record_pmd(item, addr, next, walk);
}

static void last_pmd_again_by_callback(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1), va = last_pmd(f);

	make_vma(f, va - s, va + s, 0);
	map(f, va - s, 0);
	map(f, va, 0);
	f->slot = slot_at(f, va, 1);
	f->level = 1;
	ops.pmd_entry = pmd_empties_and_says_again;
	assert_int_equal(walk(f, va - s, va + s, &ops), 0);
	assert_int_equal(count_level(f, HOLE), 1);
	assert_int_equal(count_level(f, 0), nr_slots(f, 0));
	assert_int_equal(count_level(f, 1), 1);
}

static void test_walk_shared__24_25_again_on_the_last_pmd_stays_there(void **state)
{
	(void)state;
	for_each_format(last_pmd_again);
	for_each_format(last_pmd_again_by_callback);
}

/* ---- locks ---- */

static int pte_looks_at_locks(uint64_t *item, uint64_t addr, uint64_t next,
			      struct pgw_mm_walk *walk)
{
	struct fixture *f = pgw_container_of((struct record *)walk->arg, struct fixture, record);
	struct pgw_ptdesc *desc = desc_of(f, item, 0);

	(void)next;
	assert_int_equal(desc->lock, walk->no_vma ? MUTEX_FREE : MUTEX_TAKEN);
	/* It is the table that the pmd points to; the other's and the pmd's are free. */
	assert_ptr_equal(desc, f->desc[addr >= 3 * span(f, 1)]);
	assert_int_equal(f->desc[addr < 3 * span(f, 1)]->lock, MUTEX_FREE);
	assert_int_equal(desc_of(f, f->slot, 1)->lock, MUTEX_FREE);
	assert_int_equal(f->arena.thread.nr_readers, walk->no_vma ? 0 : 1);
	f->times++;
	return 0;
}

static int pmd_looks_at_locks(uint64_t *item, uint64_t addr, uint64_t next,
			      struct pgw_mm_walk *walk)
{
	struct fixture *f = pgw_container_of((struct record *)walk->arg, struct fixture, record);

	(void)item, (void)addr, (void)next;
	assert_int_equal(f->desc[0]->lock, MUTEX_FREE);
	assert_int_equal(f->desc[1]->lock, MUTEX_FREE);
	assert_int_equal(desc_of(f, f->slot, 1)->lock, MUTEX_FREE);
	return 0;
}

static void table_locks(struct fixture *f)
{
	static const struct pgw_mm_walk_ops ops = { .pmd_entry = pmd_looks_at_locks,
						    .pte_entry = pte_looks_at_locks };
	uint64_t s = span(f, 1);

	make_vma(f, 2 * s, 4 * s, 0);
	map(f, 2 * s, 0);
	map(f, 3 * s, 0);
	f->slot = slot_at(f, 2 * s, 1);
	f->desc[0] = desc_below(f, *f->slot, 1);
	f->desc[1] = desc_below(f, *slot_at(f, 3 * s, 1), 1);
	assert_int_equal(walk(f, 2 * s, 4 * s, &ops), 0);
	assert_int_equal(f->times, 2 * nr_slots(f, 0));
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_walk_page_range_novma(f->mm, 2 * s, 4 * s, &ops, NULL, &f->record), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(f->times, 4 * nr_slots(f, 0));
	assert_int_equal(f->desc[0]->lock, MUTEX_FREE);
	assert_int_equal(f->desc[1]->lock, MUTEX_FREE);
}

static void test_walk_shared__38_pte_entry_has_exactly_its_tables_lock(void **state)
{
	(void)state;
	for_each_format(table_locks);
}

static void lock_as(struct pgw_mm *mm, enum pgw_lock_mode mode)
{
	if (mode == PGW_LOCK_READ)
		assert_int_equal(pgw_mmap_read_lock(mm), 0);
	else if (mode != PGW_LOCK_NONE)
		assert_int_equal(pgw_mmap_write_lock(mm), 0);
	if (mode == PGW_LOCK_DOWNGRADED)
		assert_int_equal(pgw_mmap_write_downgrade(mm), 0);
}

static void unlock_as(struct pgw_mm *mm, enum pgw_lock_mode mode)
{
	if (mode == PGW_LOCK_WRITE)
		assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	else if (mode != PGW_LOCK_NONE)
		assert_int_equal(pgw_mmap_read_unlock(mm), 0);
}

enum call { RANGE, RANGE_VMA, WHOLE_VMA, _CALL_MAX };

static int make_call(struct fixture *f, enum call call, struct pgw_vma *vma,
		     enum pgw_walk_lock walk_lock)
{
	struct pgw_mm_walk_ops ops = all_ops;

	ops.walk_lock = walk_lock;
	begin(f);
	f->arena.nr_violations = 0;
	if (call == RANGE)
		return pgw_walk_page_range(f->mm, vma->start, vma->end, &ops, &f->record);
	if (call == RANGE_VMA)
		return pgw_walk_page_range_vma(vma, vma->start, vma->end, &ops, &f->record);
	return pgw_walk_page_vma(vma, &ops, &f->record);
}

/* The call breaks a rule, and does nothing; or none: _PGW_RULE_MAX. */
static void check_call(struct fixture *f, enum call call, struct pgw_vma *vma,
		       enum pgw_walk_lock walk_lock, enum pgw_rule rule)
{
	static const char *const name[] = { "pgw_walk_page_range", "pgw_walk_page_range_vma",
					    "pgw_walk_page_vma" };
	int err = make_call(f, call, vma, walk_lock);

	assert_int_equal(err, rule == _PGW_RULE_MAX ? 0 : -PGW_EPERM);
	assert_int_equal(f->arena.nr_violations, rule != _PGW_RULE_MAX);
	if (rule != _PGW_RULE_MAX) {
		assert_int_equal(f->record.nr, 0);
		assert_int_equal(f->arena.violation.rule, rule);
		assert_string_equal(f->arena.violation.function, name[call]);
		assert_ptr_equal(f->arena.violation.mm, f->mm);
	}
	f->arena.nr_violations = 0;
}

static void mmap_locks(struct fixture *f)
{
	uint64_t s = span(f, 1);
	struct pgw_vma *vma;

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s, 0);
	vma = vma_at(f, 2 * s);
	for (int mode = 0; mode < _PGW_LOCK_MODE_MAX; mode++) {
		bool write = mode == PGW_LOCK_WRITE;

		for (int call = 0; call < _CALL_MAX; call++) {
			lock_as(f->mm, (enum pgw_lock_mode)mode);
			check_call(f, (enum call)call, vma, PGW_WALK_RDLOCK,
				   mode == PGW_LOCK_NONE ? PGW_RULE_MMAP_LOCKED : _PGW_RULE_MAX);
			/* Not for write, or then the VMA not yet; which the next walk does. */
			check_call(f, (enum call)call, vma, PGW_WALK_WRLOCK_VERIFY,
				   write ? PGW_RULE_VMA_WRITE_LOCKED : PGW_RULE_MMAP_WRITE_LOCKED);
			check_call(f, (enum call)call, vma, PGW_WALK_WRLOCK,
				   write ? _PGW_RULE_MAX : PGW_RULE_MMAP_WRITE_LOCKED);
			check_call(f, (enum call)call, vma, PGW_WALK_WRLOCK_VERIFY,
				   write ? _PGW_RULE_MAX : PGW_RULE_MMAP_WRITE_LOCKED);
			unlock_as(f->mm, (enum pgw_lock_mode)mode);
		}
	}
}

static void test_walk_shared__31_32_walks_want_the_mmap_lock(void **state)
{
	(void)state;
	for_each_format(mmap_locks);
}

static bool is_write_locked(struct fixture *f, const struct pgw_vma *vma)
{
	bool is_locked = !pgw_vma_assert_write_locked(vma);

	assert_int_equal(f->arena.nr_violations, !is_locked);
	f->arena.nr_violations = 0;
	return is_locked;
}

static void visited_vmas(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;
	uint64_t s = span(f, 1);
	struct pgw_vma *vma[3];

	for (unsigned i = 0; i < 3; i++) {
		make_vma(f, (2 * i + 2) * s, (2 * i + 3) * s, 0);
		vma[i] = vma_at(f, (2 * i + 2) * s);
	}
	ops.walk_lock = PGW_WALK_WRLOCK;
	ops.test_walk = record_test;
	f->record.stop_at = 1; /* the first one is skipped: locked all the same */
	f->record.stop_value = 1;
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	begin(f);
	assert_int_equal(pgw_walk_page_range(f->mm, 2 * s, 5 * s, &ops, &f->record), 0);
	assert_true(is_write_locked(f, vma[0]));
	assert_true(is_write_locked(f, vma[1]));
	assert_false(is_write_locked(f, vma[2]));
	/* With these locks, VERIFY gets as far as the third. */
	f->record.stop_at = 0;
	ops.walk_lock = PGW_WALK_WRLOCK_VERIFY;
	begin(f);
	assert_int_equal(pgw_walk_page_range(f->mm, 2 * s, 7 * s, &ops, &f->record), -PGW_EPERM);
	assert_int_equal(f->arena.violation.rule, PGW_RULE_VMA_WRITE_LOCKED);
	assert_int_equal(count_level(f, PRE), 2);
	f->arena.nr_violations = 0;
	/* The end of the write lock is the end of the VMAs'. */
	assert_int_equal(pgw_mmap_write_downgrade(f->mm), 0);
	assert_false(is_write_locked(f, vma[0]));
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
}

static void test_walk_shared__32_wrlock_leaves_visited_vmas_locked(void **state)
{
	(void)state;
	for_each_format(visited_vmas);
}

static void vma_locks(struct fixture *f)
{
	uint64_t s = span(f, 1);
	struct pgw_vma *vma;

	make_vma(f, 2 * s, 3 * s, 0);
	map(f, 2 * s, 1);
	vma = vma_at(f, 2 * s);
	for (int call = RANGE_VMA; call < _CALL_MAX; call++) {
		for (int mode = 0; mode < _PGW_LOCK_MODE_MAX; mode++) {
			lock_as(f->mm, (enum pgw_lock_mode)mode);
			check_call(f, (enum call)call, vma, PGW_WALK_VMA_RDLOCK_VERIFY,
				   PGW_RULE_VMA_LOCKED);
			if (mode == PGW_LOCK_WRITE)
				assert_int_equal(pgw_vma_write_lock(vma), 0);
			else
				assert_ptr_equal(pgw_vma_read_lock(f->mm, 2 * s), vma);
			check_call(f, (enum call)call, vma, PGW_WALK_VMA_RDLOCK_VERIFY,
				   _PGW_RULE_MAX);
			assert_int_equal(count_level(f, 0), nr_slots(f, 0));
			if (mode != PGW_LOCK_WRITE)
				pgw_vma_read_unlock(vma);
			unlock_as(f->mm, (enum pgw_lock_mode)mode);
		}
	}
}

static void test_walk_shared__33_the_vmas_own_lock_is_enough_for_it(void **state)
{
	(void)state;
	for_each_format(vma_locks);
}

/* ---- contiguous runs ---- */

static uint64_t run_bit(const struct fixture *f)
{
	for (const struct pgw_attr *a = pgw_format_attrs(f->format); a->name; a++) {
		if (!strcmp(a->name, "cont") || !strcmp(a->name, "napot"))
			return a->mask;
	}
	return 0;
}

/* Map a run of this level at its own size, if the format has such runs. @return its size or 0 */
static uint64_t map_run(struct fixture *f, unsigned level)
{
	struct pgw_leaf leaf = { .level = (uint8_t)level,
				 .attrs = run_bit(f),
				 .rights = PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W };

	for (unsigned lg2 = f->geo->span_lg2[level] + 1; leaf.attrs && lg2 < PA_BITS - 1; lg2++) {
		int err;

		if (!(f->geo->leaf_sizes >> lg2 & 1) || lg2 == f->geo->span_lg2[level + 1])
			continue;
		leaf.va = UINT64_C(1) << lg2;
		assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
		err = pgw_mm_map_leaf(f->mm, &leaf);
		assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
		return err ? 0 : leaf.va;
	}
	return 0;
}

static void lowest_run(struct fixture *f)
{
	uint64_t size = map_run(f, 0), word;

	if (!size)
		return;
	make_vma(f, size, 2 * size, 0);
	word = *slot_at(f, size, 0);
	assert_int_equal(walk(f, size, 2 * size, &all_ops), 0);
	assert_int_equal(count_level(f, 0), size / page(f));
	for (size_t i = 0; i < size / page(f); i++)
		assert_int_equal(nth_of_level(f, 0, i)->entry,
				 pgw_entry_advance(f->format, word, 0, i * page(f)));
	assert_int_equal(*slot_at(f, size, 0), word);
}

static void pmd_run(struct fixture *f)
{
	uint64_t size = f->geo->top_level > 1 ? map_run(f, 1) : 0, s = span(f, 1);

	if (!size)
		return;
	make_vma(f, size, 2 * size, 0);
	/* One of its pmds: shown whole, then below; the others stay leaves. */
	assert_int_equal(walk(f, size + s, size + s + page(f), &all_ops), 0);
	assert_int_equal(count_level(f, 0), 1);
	assert_int_equal(kind_of(f, *slot_at(f, size + s, 1), 1), PGW_ENTRY_TABLE);
	assert_int_equal(kind_of(f, *slot_at(f, size, 1), 1), PGW_ENTRY_LEAF);
	for (uint64_t at = 0; at < size; at += s / 2)
		assert_int_equal(pa_of(f, size + at), at);
}

static void test_walk_shared__runs_are_leaves_of_their_level(void **state)
{
	(void)state;
	for_each_format(lowest_run);
	for_each_format(pmd_run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_shared__28_a_leaf_that_came_back_is_noticed),
		cmocka_unit_test(test_walk_shared__24_a_leaf_that_turned_absent_is_shown_again),
		cmocka_unit_test(test_walk_shared__27_a_table_that_vanished_is_a_hole),
		cmocka_unit_test(test_walk_shared__27_39_another_table_is_locked_and_walked),
		cmocka_unit_test(test_walk_shared__24_25_again_on_the_last_pmd_stays_there),
		cmocka_unit_test(test_walk_shared__38_pte_entry_has_exactly_its_tables_lock),
		cmocka_unit_test(test_walk_shared__31_32_walks_want_the_mmap_lock),
		cmocka_unit_test(test_walk_shared__32_wrlock_leaves_visited_vmas_locked),
		cmocka_unit_test(test_walk_shared__33_the_vmas_own_lock_is_enough_for_it),
		cmocka_unit_test(test_walk_shared__runs_are_leaves_of_their_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
