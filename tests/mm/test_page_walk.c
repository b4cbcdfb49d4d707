/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One page, found with its table's lock: at each level of each format, what is and what
 * is not found, and what others do to the slot meanwhile.
 */

#include "walk_fixture.h"

#include "base/bits.h"
#include "base/mutex.h"

/* To every format an entry that is not valid and not empty. */
#define ABSENT UINT64_C(0x5eadbeef5eadbe00)
#define ALL_FLAGS ((uint32_t)(PGW_PAGE_WALK_ZERO | PGW_PAGE_WALK_MIGRATION))
#define MOVED_TO UINT64_C(0x123456000)

static struct pgw_page_walk found;

/* With the mmap lock for read, which is kept if the page is found. */
static int start(struct fixture *f, uint64_t va, uint32_t flags)
{
	struct pgw_page_walk before;
	int err;

	memset(&found, 0x5a, sizeof(found));
	before = found;
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	err = pgw_page_walk_start(pgw_vma_lookup(f->mm, va), va, flags, &found);
	assert_int_equal(f->arena.thread.nr_readers, 0);
	if (err) {
		assert_memory_equal(&found, &before, sizeof(found));
		assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	}
	return err;
}

static void end(struct fixture *f, uint64_t va)
{
	struct pgw_ptdesc *desc = found.desc;

	assert_true(mutex_is_taken(&desc->lock));
	pgw_page_walk_end(&found, pgw_vma_lookup(f->mm, va));
	assert_false(mutex_is_taken(&desc->lock));
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
}

/* A VMA for a case, with these ops. */
static void make(struct fixture *f, uint64_t first, uint64_t size, uint32_t flags,
		 const struct pgw_vma_ops *ops)
{
	const struct pgw_mmap_args args = { .start = first,
					    .end = first + size,
					    .flags = flags | PGW_VMA_READ | PGW_VMA_WRITE,
					    .ops = ops };

	assert_int_equal(pgw_mm_mmap(f->mm, &args), 0);
}

static void unmake(struct fixture *f, uint64_t first, uint64_t size)
{
	assert_int_equal(pgw_mm_munmap(f->mm, first, first + size), 0);
}

/* ---- levels ---- */

static void one_level(struct fixture *f, unsigned level)
{
	uint64_t s = span(f, level), va = 2 * s + s / 2 + 123;
	struct pgw_ptdesc *root;

	make(f, 2 * s, s, 0, NULL);
	map(f, 2 * s, level);
	root = desc_of(f, slot_at(f, 2 * s, f->geo->top_level), f->geo->top_level);
	assert_int_equal(start(f, va, 0), 0);
	assert_int_equal(found.level, level);
	assert_int_equal(found.size_lg2, f->geo->span_lg2[level]);
	assert_int_equal(found.kind, PGW_PAGE_NORMAL);
	assert_int_equal(found.entry, pgw_item_load(found.item));
	/* Of the page, not of the leaf; and a page is never cut. */
	assert_int_equal(found.pa, (level < 2 ? s : 0) + ((va - 2 * s) & ~(page(f) - 1)));
	/* The lock of the table that the slot is in, and no other. */
	assert_ptr_equal(found.desc, desc_of(f, found.item, level));
	assert_true(root == found.desc || !mutex_is_taken(&root->lock));
	end(f, va);
	assert_int_equal(start(f, 2 * s, 0), 0);
	assert_int_equal(found.pa, level < 2 ? s : 0);
	end(f, 2 * s);
	unmake(f, 2 * s, s);
}

static void levels(struct fixture *f)
{
	for (unsigned level = 0; level <= f->geo->top_level; level++) {
		if (has_leaf(f, level))
			one_level(f, level);
	}
}

static void test_page_walk__finds_the_page_at_each_level(void **state)
{
	(void)state;
	for_each_format(levels);
}

/* A contiguous run is one leaf in several slots. */
static void run(struct fixture *f)
{
	uint64_t first = 4 * span(f, 1), size = 0;
	struct pgw_map_args args = {
		.first = first, .rights = PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W
	};

	for (unsigned lg2 = f->geo->granule_lg2 + 1u; !size && lg2 < f->geo->span_lg2[1]; lg2++) {
		if (f->geo->leaf_sizes >> lg2 & 1)
			size = UINT64_C(1) << lg2;
	}
	if (!size)
		return;
	args.last = first + size - 1;
	args.pa = 8 * size;
	args.sizes = size;
	make(f, first, size, 0, NULL);
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_mm_map(f->mm, &args), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	for (uint64_t offset = 0; offset < size; offset += size - page(f)) {
		assert_int_equal(start(f, first + offset, 0), 0);
		assert_int_equal(found.level, 0);
		assert_int_equal(UINT64_C(1) << found.size_lg2, size);
		assert_int_equal(found.pa, args.pa + offset);
		end(f, first + offset);
	}
	unmake(f, first, size);
}

static void test_page_walk__a_run_is_one_leaf_of_several_pages(void **state)
{
	(void)state;
	for_each_format(run);
}

/* ---- what is not found ---- */

static void holes(struct fixture *f)
{
	for (unsigned level = 0; level <= f->geo->top_level && f->geo->span_lg2[level] < 40;
	     level++) {
		uint64_t s = span(f, level), va = 4 * s;

		/* The neighbour makes the tables down to this level. */
		make(f, va, 2 * s, 0, NULL);
		if (has_leaf(f, level)) {
			map(f, va + s, level);
			assert_int_equal(start(f, va, ALL_FLAGS), -PGW_ENOENT);
			assert_false(mutex_is_taken(
				&desc_of(f, slot_at(f, va + s, level), level)->lock));
		}
		unmake(f, va, 2 * s);
		make(f, va, 2 * s, 0, NULL);
		assert_int_equal(start(f, va, ALL_FLAGS), -PGW_ENOENT);
		unmake(f, va, 2 * s);
	}
}

static void test_page_walk__finds_nothing_in_holes(void **state)
{
	(void)state;
	for_each_format(holes);
}

/* ---- what the owner says ---- */

static struct {
	enum pgw_page_kind kind; /* the answer */
	unsigned nr_asked;
	uint64_t entry, pa; /* that were asked for */
	unsigned level;
} owner;

static enum pgw_page_kind page_kind(struct pgw_vma *vma, uint64_t entry, unsigned level,
				    uint64_t *pa)
{
	(void)vma;
	owner.nr_asked++;
	owner.entry = entry;
	owner.level = level;
	owner.pa = *pa;
	if (owner.kind == PGW_PAGE_MIGRATING)
		*pa = MOVED_TO;
	return owner.kind;
}

static const struct pgw_vma_ops owner_ops = { .page_kind = page_kind };

/* Of each kind that the owner says, with which flags it is found: a bit for each. */
static void kinds_of_slot(struct fixture *f, uint64_t va, unsigned level, const uint8_t *expected)
{
	uint64_t entry = pgw_item_load(slot_at(f, va, level));

	for (unsigned kind = PGW_PAGE_NORMAL; kind <= PGW_PAGE_SPECIAL; kind++) {
		for (uint32_t flags = 0; flags <= ALL_FLAGS; flags++) {
			bool is_found = expected[kind] >> flags & 1;

			owner.kind = (enum pgw_page_kind)kind;
			owner.nr_asked = 0;
			assert_int_equal(start(f, va, flags), is_found ? 0 : -PGW_ENOENT);
			assert_int_equal(owner.nr_asked, 1);
			assert_int_equal(owner.entry, entry);
			assert_int_equal(owner.level, level);
			if (!is_found)
				continue;
			assert_int_equal(found.kind, kind);
			assert_int_equal(found.size_lg2, f->geo->span_lg2[level]);
			assert_int_equal(found.pa,
					 kind == PGW_PAGE_MIGRATING ? MOVED_TO : owner.pa);
			end(f, va);
		}
	}
}

static void kinds(struct fixture *f)
{
	/* Flags 0; ZERO; MIGRATION; both. */
	static const uint8_t leaf[] = { 0xf, 0xa, 0, 0 }, absent[] = { 0, 0, 0xc, 0 };
	uint64_t *slot, word;

	for (unsigned level = 0; level < 2; level++) {
		uint64_t s = span(f, level), va = 6 * s;

		make(f, va, s, 0, &owner_ops);
		map(f, va, level);
		kinds_of_slot(f, va, level, leaf);
		slot = slot_at(f, va, level);
		word = *slot;
		*slot = ABSENT;
		kinds_of_slot(f, va, level, absent);
		assert_int_equal(owner.pa, 0);
		*slot = word;
		unmake(f, va, s);
		/* Nobody to be asked: what is not valid is nothing. */
		make(f, va, s, 0, NULL);
		map(f, va, level);
		slot = slot_at(f, va, level);
		word = *slot;
		*slot = ABSENT;
		assert_int_equal(start(f, va, ALL_FLAGS), -PGW_ENOENT);
		*slot = word;
		unmake(f, va, s);
	}
}

static void test_page_walk__other_pages_are_found_by_their_flag(void **state)
{
	(void)state;
	for_each_format(kinds);
}

static void pfnmap(struct fixture *f)
{
	uint64_t va = 6 * page(f);

	make(f, va, page(f), PGW_VMA_PFNMAP, &owner_ops);
	map(f, va, 0);
	owner.nr_asked = 0;
	assert_int_equal(start(f, va, ALL_FLAGS), -PGW_ENOENT);
	assert_int_equal(owner.nr_asked, 0);
	unmake(f, va, page(f));
}

static void test_page_walk__nothing_is_found_in_pfnmap(void **state)
{
	(void)state;
	for_each_format(pfnmap);
}

/* ---- arguments, the lock ---- */

static void arguments(struct fixture *f)
{
	uint64_t va = 6 * page(f);
	struct pgw_vma *vma;

	make(f, va, page(f), 0, NULL);
	map(f, va, 0);
	vma = vma_at(f, va);
	assert_int_equal(pgw_page_walk_start(NULL, va, 0, &found), -PGW_EINVAL);
	assert_int_equal(pgw_page_walk_start(vma, va, 0, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_page_walk_start(vma, va - 1, 0, &found), -PGW_EINVAL);
	assert_int_equal(pgw_page_walk_start(vma, va + page(f), 0, &found), -PGW_EINVAL);
	assert_int_equal(pgw_page_walk_start(vma, va, ALL_FLAGS + 1, &found), -PGW_EINVAL);
	assert_int_equal(f->arena.nr_violations, 0);
	/* Nor will the VMA's lock do. */
	vma = pgw_vma_read_lock(f->mm, va);
	assert_int_equal(pgw_page_walk_start(vma, va, 0, &found), -PGW_EPERM);
	pgw_vma_read_unlock(vma);
	assert_int_equal(f->arena.nr_violations, 1);
	assert_string_equal(f->arena.violation.rule_name, "mmap-locked");
	assert_string_equal(f->arena.violation.function, "pgw_page_walk_start");
	f->arena.nr_violations = 0;
	/* To the last byte of the VMA; and for write is as good. */
	assert_int_equal(pgw_mmap_write_lock(f->mm), 0);
	assert_int_equal(pgw_page_walk_start(vma, va + page(f) - 1, 0, &found), 0);
	pgw_page_walk_end(&found, vma);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	unmake(f, va, page(f));
}

static void test_page_walk__wants_the_mmap_lock(void **state)
{
	(void)state;
	for_each_format(arguments);
}

/* ---- others meanwhile ---- */

/* What the slot above the lowest table holds after the look and before the lock. */
static void swap_slot(struct fixture *f, enum pgw_step_point point)
{
	/* The table may be freed under the VMA until its lock is had. */
	if (point == PGW_STEP_PTE_MAPPED)
		assert_int_equal(f->arena.thread.nr_readers, 1);
	if (point != f->swap_at || f->times++)
		return;
	*f->slot = f->word;
}

/* A table that is a leaf, or nothing, by the time that its lock is had. */
static void table_vanishes(struct fixture *f)
{
	static const enum pgw_step_point steps[] = { PGW_STEP_PTE_MAPPED, PGW_STEP_PTE_LOCKED };
	uint64_t s = span(f, 1), table, leaf;

	make(f, 2 * s, 2 * s, 0, NULL);
	map(f, 2 * s, 1);
	map(f, 3 * s, 0);
	leaf = *slot_at(f, 2 * s, 1);
	f->slot = slot_at(f, 3 * s, 1);
	table = *f->slot;
	f->on_step = swap_slot;
	for (size_t i = 0; i < 2; i++) {
		f->swap_at = steps[i];
		f->times = 0;
		f->word = leaf;
		assert_int_equal(start(f, 3 * s, 0), 0);
		assert_int_equal(found.level, 1);
		assert_ptr_equal(found.item, f->slot);
		end(f, 3 * s);
		*f->slot = table;
		f->times = 0;
		f->word = 0;
		assert_int_equal(start(f, 3 * s, 0), -PGW_ENOENT);
		assert_false(mutex_is_taken(&desc_below(f, table, 1)->lock));
		*f->slot = table;
	}
	f->on_step = NULL;
	unmake(f, 2 * s, 2 * s);
}

static void test_page_walk__looks_again_if_the_table_is_another(void **state)
{
	(void)state;
	for_each_format(table_vanishes);
}

static struct pgw_ptdesc *(*arena_desc)(void *ctx, void *table);

static struct pgw_ptdesc *desc_after_a_swap(void *ctx, void *table)
{
	struct fixture *f = pgw_container_of((struct arena *)ctx, struct fixture, arena);

	if (!f->times++)
		*f->slot = f->word;
	return arena_desc(ctx, table);
}

/* A leaf that is a table, or nothing, by the time that the lock of its own table is had. */
static void leaf_vanishes(struct fixture *f)
{
	uint64_t s = span(f, 1), table, leaf;

	make(f, 2 * s, 2 * s, 0, NULL);
	map(f, 2 * s, 1);
	map(f, 3 * s, 0);
	leaf = *slot_at(f, 2 * s, 1);
	f->slot = slot_at(f, 3 * s, 1);
	table = *f->slot;
	arena_desc = f->arena.platform.table_desc;
	f->arena.platform.table_desc = desc_after_a_swap;
	*f->slot = leaf;
	f->times = 0;
	f->word = table;
	assert_int_equal(start(f, 3 * s, 0), 0);
	assert_int_equal(found.level, 0);
	end(f, 3 * s);
	*f->slot = leaf;
	f->times = 0;
	f->word = 0;
	assert_int_equal(start(f, 3 * s, 0), -PGW_ENOENT);
	assert_false(mutex_is_taken(&desc_of(f, f->slot, 1)->lock));
	*f->slot = table;
	f->arena.platform.table_desc = arena_desc;
	unmake(f, 2 * s, 2 * s);
}

static void test_page_walk__looks_again_if_the_leaf_is_a_table(void **state)
{
	(void)state;
	for_each_format(leaf_vanishes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_walk__finds_the_page_at_each_level),
		cmocka_unit_test(test_page_walk__a_run_is_one_leaf_of_several_pages),
		cmocka_unit_test(test_page_walk__finds_nothing_in_holes),
		cmocka_unit_test(test_page_walk__other_pages_are_found_by_their_flag),
		cmocka_unit_test(test_page_walk__nothing_is_found_in_pfnmap),
		cmocka_unit_test(test_page_walk__wants_the_mmap_lock),
		cmocka_unit_test(test_page_walk__looks_again_if_the_table_is_another),
		cmocka_unit_test(test_page_walk__looks_again_if_the_leaf_is_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
