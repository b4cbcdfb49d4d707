/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_H
#define PT_TMPL_EDIT_H

/*
 * What all changes of owned tables are made of: a cursor, that keeps the tables
 * of its path on the stack and so need not begin at the root again; new tables;
 * items by policy (see enum pt_policy); break-before-make.
 *
 * The rules of docs/locking.md that this code keeps:
 * - a table is installed by compare-and-swap, acq_rel: its zeroes are
 *   released, the winner's are acquired by the loser;
 * - PT_SHARED changes an item that is not empty only with its table's lock held, after a
 *   look whether the table was detached; an empty one above the lowest level is filled
 *   by compare-and-swap, because others install tables there without the lock;
 * - a table's live count is changed by whoever fills or empties its items.
 */

#include "base/step.h"
#include "pt/read/gather.h"
#include "pt/leaf_size.h"
#include "pt/read/loader.h"
#include "pt/edit/table_lock.h"

struct edit_cursor {
	const struct pt_edit *edit;
	const struct pt *pt;
	const struct pgw_geometry *geo;
	const struct pt_env *env;
	unsigned level;                          /* of the table that it stands in */
	uint64_t va;                             /* an address that this table spans */
	uint64_t *table[PGW_MAX_LEVELS];         /* the path, from the top level to level */
	struct pgw_ptdesc *desc[PGW_MAX_LEVELS]; /* of these tables; NULL: not asked for yet */
	int err;                                 /* of EDIT_STOPPED */
};

/* What a step of an edit came to. */
enum edit_outcome {
	/* Nothing is left of it to do. Others may have done it: what is there now is to be seen. */
	EDIT_DONE,
	/* The cursor's table was detached before its lock could be had; the cursor has gone up. */
	EDIT_GONE,
	/* A leaf sticks out of the range that was not there when that was chosen. All before it is done. */
	EDIT_CROSSES,
	/* It ends here: the cursor's err is a status or a callback's value. */
	EDIT_STOPPED,
};

static PGW_ALWAYS_INLINE enum edit_outcome edit_stop_if(struct edit_cursor *c, int err)
{
	c->err = err;
	return err ? EDIT_STOPPED : EDIT_DONE;
}

/* Stand in a table of this level that spans va. What is above it is not known. */
static void cursor_init_at(struct edit_cursor *c, const struct pt_edit *edit, uint64_t va,
			   uint64_t *table, unsigned level)
{
	c->edit = edit;
	c->pt = edit->pt;
	c->geo = &edit->pt->format->geometry;
	c->env = &edit->pt->env;
	c->level = level;
	c->va = va;
	c->table[level] = table;
	c->desc[level] = NULL;
	c->err = 0;
}

static void cursor_init(struct edit_cursor *c, const struct pt_edit *edit, uint64_t va)
{
	cursor_init_at(c, edit, va, pt_host_table(edit->pt, edit->pt->root_pa),
		       edit->pt->format->geometry.top_level);
}

static PGW_ALWAYS_INLINE bool edit_is_single(const struct edit_cursor *c)
{
	return c->edit->policy == PT_SINGLE;
}

static PGW_ALWAYS_INLINE void edit_step(const struct edit_cursor *c, enum pgw_step_point step)
{
	const struct pgw_platform *platform = c->pt->platform;

	if (pgw_unlikely(platform->step != NULL))
		platform->step(platform->ctx, step, c->pt->mm);
}

/* log2 of what the whole table of a level spans; 64 or more only for the root's. */
static PGW_ALWAYS_INLINE unsigned edit_table_lg2(const struct edit_cursor *c, unsigned level)
{
	return (unsigned)c->geo->span_lg2[level] + c->geo->slots_lg2[level];
}

/* The slot of the cursor's address. */
static PGW_ALWAYS_INLINE uint64_t *cursor_item(const struct edit_cursor *c)
{
	return c->table[c->level] + pt_index(c->geo, c->va, c->level);
}

static PGW_ALWAYS_INLINE struct pgw_ptdesc *cursor_desc(struct edit_cursor *c, unsigned level)
{
	if (!c->desc[level])
		c->desc[level] = c->pt->platform->table_desc(c->pt->platform->ctx, c->table[level]);
	return c->desc[level];
}

/* nr items of the path's table at this level became live, or, if negative, empty. */
static PGW_ALWAYS_INLINE void cursor_count(struct edit_cursor *c, unsigned level, int nr)
{
	struct pgw_ptdesc *desc = cursor_desc(c, level);

	if (edit_is_single(c))
		desc->nr_live += (uint32_t)nr;
	else
		step_fetch_add(&desc->nr_live, (uint32_t)nr, __ATOMIC_RELAXED);
}

/*
 * Go to va: up to the lowest table of the path that spans it, then down as far
 * as there are tables, but not below to_level. Stops at an item that was no
 * table when it was read, or at to_level.
 */
static void cursor_find(struct edit_cursor *c, uint64_t va, unsigned to_level)
{
	unsigned top = c->geo->top_level;

	while (c->level < top &&
	       (c->level < to_level || (va ^ c->va) >> edit_table_lg2(c, c->level)))
		c->level++;
	c->va = va;
	while (c->level > to_level) {
		uint64_t entry = pt_owner_item(cursor_item(c));

		if (pt_entry_kind(c->env, entry, c->level) != PGW_ENTRY_TABLE)
			break;
		c->level--;
		c->table[c->level] = pt_host_table(c->pt, pt_table_pa(c->env, entry));
		c->desc[c->level] = NULL;
	}
}

/* The table that the cursor's slot points to. @return NULL: the slot holds something else */
static struct pgw_ptdesc *cursor_child(const struct edit_cursor *c)
{
	uint64_t entry = pt_owner_item(cursor_item(c));

	if (pt_entry_kind(c->env, entry, c->level) != PGW_ENTRY_TABLE)
		return NULL;
	return pt_table_desc(c->pt, pt_table_pa(c->env, entry));
}

/*
 * PT_SHARED: lock the cursor's table.
 * @return false: it is linked no more, and the cursor has gone up
 */
static bool cursor_lock(struct edit_cursor *c)
{
	struct pgw_ptdesc *desc;

	if (c->edit->policy != PT_SHARED)
		return true;
	desc = cursor_desc(c, c->level);
	pt_table_lock(c->pt, desc);
	if (pgw_likely(!desc->detached))
		return true;
	pt_table_unlock(c->pt, desc);
	c->level += c->level < c->geo->top_level;
	return false;
}

static void cursor_unlock(struct edit_cursor *c)
{
	if (c->edit->policy == PT_SHARED)
		pt_table_unlock(c->pt, cursor_desc(c, c->level));
}

/* Store what is known to replace nothing that others may change meanwhile. */
static PGW_ALWAYS_INLINE void edit_store(const struct edit_cursor *c, uint64_t *item,
					 uint64_t entry)
{
	if (edit_is_single(c))
		*item = entry;
	else
		step_store_n(item, entry, __ATOMIC_RELEASE);
}

/* Take what is there, with the bits that hardware has set until then. */
static PGW_ALWAYS_INLINE uint64_t edit_exchange(const struct edit_cursor *c, uint64_t *item,
						uint64_t entry)
{
	uint64_t old;

	if (!edit_is_single(c))
		return step_exchange_n(item, entry, __ATOMIC_ACQ_REL);
	old = *item;
	*item = entry;
	return old;
}

/* Replace what was seen. @return false: it has changed, and *seen is what is there now */
static PGW_ALWAYS_INLINE bool edit_replace(const struct edit_cursor *c, uint64_t *item,
					   uint64_t *seen, uint64_t entry)
{
	if (!edit_is_single(c))
		return step_compare_exchange_n(item, seen, entry, false, __ATOMIC_ACQ_REL,
					       __ATOMIC_ACQUIRE);
	*item = entry;
	return true;
}

/* The items of a leaf that an item of this level belongs to: one, or those of a contiguous run. */
static PGW_ALWAYS_INLINE unsigned edit_nr_items(const struct edit_cursor *c, uint64_t entry,
						unsigned level)
{
	return 1u << (pt_leaf_lg2(c->env, entry, level) - c->geo->span_lg2[level]);
}

/* A table that nobody knows yet. */
struct edit_table {
	uint64_t *items;
	struct pgw_ptdesc *desc;
	uint64_t entry; /* that will point to it */
};

static void edit_table_free(const struct edit_cursor *c, const struct edit_table *table)
{
	c->pt->platform->table_free(c->pt->platform->ctx, table->items,
				    (size_t)1 << table->desc->size_lg2);
}

/* @return 0, -PGW_ENOMEM, or -PGW_EOVERFLOW: an entry cannot point there */
static int edit_table_new(const struct edit_cursor *c, unsigned level, struct edit_table *ret)
{
	const struct pgw_platform *platform = c->pt->platform;
	size_t size = pt_table_size(c->geo, level);
	uint64_t pa;

	ret->items = platform->table_alloc(platform->ctx, size);
	if (!ret->items)
		return -PGW_ENOMEM;
	ret->desc = platform->table_desc(platform->ctx, ret->items);
	ret->desc->table = ret->items;
	ret->desc->level = (uint8_t)level;
	ret->desc->size_lg2 = (uint8_t)__builtin_ctzll(size);
	pa = (uint64_t)(uintptr_t)ret->items - c->pt->host_offset;
	ret->entry = pt_table_encode(c->env, pa, level, c->pt->region.kind);
	if (pt_table_pa(c->env, ret->entry) == pa &&
	    pt_entry_kind(c->env, ret->entry, level + 1) == PGW_ENTRY_TABLE)
		return 0;
	edit_table_free(c, ret);
	return -PGW_EOVERFLOW;
}

/* Put a fresh table into the cursor's empty slot; if another thread was faster, forget ours. */
static int cursor_install(struct edit_cursor *c)
{
	uint64_t *item = cursor_item(c), seen = 0;
	struct edit_table table;
	int err = edit_table_new(c, c->level - 1, &table);

	if (err)
		return err;
	if (edit_replace(c, item, &seen, table.entry))
		cursor_count(c, c->level, 1);
	else
		edit_table_free(c, &table);
	return 0;
}

/* Go to va and down to a level, making the tables on the way. @return also -PGW_EEXIST */
static int cursor_make(struct edit_cursor *c, uint64_t va, unsigned to_level)
{
	for (;;) {
		uint64_t entry;
		int err = 0;

		cursor_find(c, va, to_level);
		if (c->level == to_level)
			return 0;
		entry = pt_owner_item(cursor_item(c));
		if (!entry)
			err = cursor_install(c);
		else if (pt_entry_kind(c->env, entry, c->level) != PGW_ENTRY_TABLE)
			err = -PGW_EEXIST;
		if (err)
			return err;
	}
}

/* The leaf that maps va. @return false: there is none */
static bool cursor_leaf(struct edit_cursor *c, uint64_t va, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t entry;
	unsigned lg2;

	do {
		cursor_find(c, va, 0);
		entry = pt_owner_item(cursor_item(c));
	} while (pt_entry_kind(c->env, entry, c->level) == PGW_ENTRY_TABLE);
	if (pt_entry_kind(c->env, entry, c->level) != PGW_ENTRY_LEAF)
		return false;
	lg2 = pt_leaf_lg2(c->env, entry, c->level);
	*ret_first = va & ~low_bits(lg2);
	*ret_last = va | low_bits(lg2);
	return true;
}

/* Items of the cursor's table, side by side. */
struct edit_row {
	uint64_t va; /* of the first */
	unsigned index, nr;
};

/*
 * Handle a row, with the table's lock under PT_SHARED. Stop before a table.
 * If that is done, row->nr becomes how many were handled; 0 is fine.
 */
typedef enum edit_outcome edit_items_fn(struct edit_cursor *c, struct edit_row *row);

/* Room for what an edit_items_fn() may add before it looks again. */
static bool edit_gather_is_full(const struct edit_cursor *c)
{
	const struct pt_gather *gather = c->edit->gather;

	return gather->release && gather->nr_frames + 2 > PT_GATHER_FRAMES;
}

/*
 * Call fn for all items of a range that are no tables, or tables of a level to_level - 1, in order,
 * a row of a table at a time. Releasing frames waits until no lock is held.
 * @return EDIT_DONE, or with what else fn has ended it
 */
static enum edit_outcome edit_each_above(struct edit_cursor *c, uint64_t first, uint64_t last,
					 unsigned to_level, edit_items_fn *fn)
{
	struct edit_row row = { .va = first };

	for (;;) {
		enum edit_outcome outcome;
		unsigned span_lg2;
		uint64_t left;

		cursor_find(c, row.va, to_level);
		if (!cursor_lock(c))
			continue;
		span_lg2 = c->geo->span_lg2[c->level];
		row.va &= ~low_bits(span_lg2);
		row.index = pt_index(c->geo, row.va, c->level);
		row.nr = (1u << c->geo->slots_lg2[c->level]) - row.index;
		left = (last - row.va) >> span_lg2; /* items after the first one */
		if (left < row.nr)
			row.nr = (unsigned)left + 1;
		outcome = fn(c, &row);
		cursor_unlock(c);
		if (outcome != EDIT_DONE)
			return outcome;
		if (edit_gather_is_full(c))
			gather_flush(c->edit->gather);
		if (row.nr > left)
			return EDIT_DONE;
		row.va += (uint64_t)row.nr << span_lg2;
	}
}

/* All items that are no tables. */
static enum edit_outcome edit_each(struct edit_cursor *c, uint64_t first, uint64_t last,
				   edit_items_fn *fn)
{
	return edit_each_above(c, first, last, 0, fn);
}

/*
 * Break-before-make: freeze nr items from va on, which must be alike, let all TLBs forget
 * them. The first decides who does it, the rest follows without a race.
 * @param seen in: the first item; out: with all items' accessed and dirty states, or
 *             what is there now
 * @return false: the first item has changed
 */
static bool edit_break(struct edit_cursor *c, uint64_t *items, unsigned nr, uint64_t va,
		       uint64_t *seen)
{
	uint64_t bytes = (uint64_t)nr << c->geo->span_lg2[c->level];
	uint64_t all = *seen;

	if (!edit_replace(c, items, seen, pt_frozen()))
		return false;
	for (unsigned i = 1; i < nr; i++)
		all = pt_entry_combine(c->env, all, edit_exchange(c, &items[i], pt_frozen()));
	gather_flush_now(c->edit->gather, va, va + (bytes - 1));
	edit_step(c, PGW_STEP_LEAF_FROZEN);
	*seen = all;
	return true;
}

#endif
