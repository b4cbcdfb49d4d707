/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_WALK_H
#define PT_TMPL_WALK_H

/*
 * The walker with callbacks. Its levels are Linux's: 4 = pgd down to 0 = pte.
 * The pgd is the format's top table; a format with fewer levels folds those
 * right below the pgd: they have one slot, the pgd's own.
 *
 * One function walks the slots of a table, one handles a slot. Depth is
 * bounded by the five levels. The owner's slots are live; the reader's are in
 * a window of copies in each table's frame.
 *
 * Under a VMA (owner only) there are others at the same slots: leaves are
 * split, filled and cleared, and lowest tables freed. What a slot holds is then
 * decided by one snapshot, and what does not hold still is evaluated again.
 */

#include "pt/read/live.h"
#include "pt/read/loader.h"
#include "pt/read/walk_item.h"

#define WALK_PGD 4u
#define WALK_P4D 3u
#define WALK_PTE 0u

typedef int pt_walk_entry_fn(uint64_t *item, uint64_t addr, uint64_t next,
			     struct pgw_mm_walk *walk);

struct pt_walk {
	const struct pt *pt;
	struct pgw_mm_walk *walk;
	pt_walk_entry_fn *entry[PGW_MAX_LEVELS];
	bool wants_below[PGW_MAX_LEVELS]; /* some callback wants what is below this level */
	bool has_vma;
};

/** Where a slot is, so that the reader can read it again. */
struct pt_walk_slot {
	uint64_t *item;
	uint64_t pa; /* reader */
};

static int walk_table(struct pt_walk *w, unsigned level, uint64_t table_pa,
		      const struct pt_parent *parent, uint64_t addr, uint64_t end);

/* The level is folded: it has no table of its own. */
static bool walk_is_folded(const struct pt_walk *w, unsigned level)
{
	return level < WALK_PGD && level >= w->pt->format->geometry.top_level;
}

/* The format's level whose table holds a slot of this level. */
static unsigned walk_table_level(const struct pt_walk *w, unsigned level)
{
	unsigned top = w->pt->format->geometry.top_level;

	return level < top ? level : top;
}

/* Linux's depth: 0 for pgd; for a folded level that of the level which holds its slot. */
static int walk_depth(const struct pt_walk *w, unsigned level)
{
	while (walk_is_folded(w, level))
		level++;
	return (int)(WALK_PGD - level);
}

/* min(boundary, end) where the boundary may wrap to 0. */
static uint64_t walk_next(uint64_t addr, uint64_t end, unsigned span_lg2)
{
	uint64_t boundary = (addr | low_bits(span_lg2)) + 1;

	return boundary - 1 < end - 1 ? boundary : end;
}

static PGW_ONE_COPY int walk_hole(struct pt_walk *w, unsigned level, uint64_t addr, uint64_t next)
{
	struct pgw_mm_walk *walk = w->walk;

	return walk->ops->pte_hole ? walk->ops->pte_hole(addr, next, walk_depth(w, level), walk)
				   : 0;
}

static PGW_ONE_COPY int walk_malformed(struct pt_walk *w, unsigned level, uint64_t entry,
				       uint64_t addr, uint64_t next)
{
	struct pgw_mm_walk *walk = w->walk;
	int err = 0;

	walk->nr_malformed++;
	if (walk->ops->malformed)
		err = walk->ops->malformed(entry, addr, next, walk_depth(w, level), walk);
	return err ? err : walk_hole(w, level, addr, next);
}

static PGW_ONE_COPY int walk_unreadable(struct pt_walk *w, unsigned level, bool is_torn,
					uint64_t addr, uint64_t next)
{
	struct pgw_mm_walk *walk = w->walk;
	int (*fn)(uint64_t, uint64_t, int, struct pgw_mm_walk *) =
		is_torn ? walk->ops->torn : walk->ops->unreadable;

	walk->nr_torn += is_torn;
	walk->nr_unreadable += !is_torn;
	return fn ? fn(addr, next, walk_depth(w, level), walk) : 0;
}

static uint64_t walk_load(const struct pt_walk *w, const struct pt_walk_slot *slot)
{
	return w->pt->phys ? *slot->item : pt_owner_item(slot->item);
}

/* What a slot's entry is; level is the walker's. Asked in many places, and not small. */
static PGW_ONE_COPY enum pgw_entry_kind walk_kind(const struct pt_walk *w, uint64_t entry,
						  unsigned level)
{
	return pt_entry_kind(&w->pt->env, entry, walk_table_level(w, level));
}

/* What Linux calls bad at pgd and p4d: neither empty, nor a table, nor a leaf. */
static int walk_bad(struct pt_walk *w, unsigned level, const struct pt_walk_slot *slot,
		    uint64_t entry, uint64_t addr, uint64_t next)
{
	if (!w->pt->phys && !w->walk->root)
		pt_walk_clear(w->pt, slot->item, walk_table_level(w, level), entry);
	return walk_malformed(w, level, entry, addr, next);
}

static int walk_slot(struct pt_walk *w, unsigned level, const struct pt_walk_slot *slot,
		     uint64_t addr, uint64_t next);

/* For tests: about to go to a table. */
static void walk_step(const struct pt_walk *w)
{
	const struct pgw_platform *platform = w->pt->platform;

	if (pgw_unlikely(!w->pt->phys && platform->step))
		platform->step(platform->ctx, PGW_STEP_WALK_TABLE, w->pt->mm);
}

/* Walk the lowest table that a slot pointed to a moment ago, with its lock held. */
static int walk_locked(struct pt_walk *w, const struct pt_walk_slot *slot, uint64_t entry,
		       uint64_t addr, uint64_t next, bool *again)
{
	uint64_t table_pa = pt_table_pa(&w->pt->env, entry);
	struct pgw_ptdesc *desc = pt_walk_lock(w->pt, slot->item, entry, table_pa);
	int err;

	*again = !desc;
	if (!desc)
		return 0;
	err = walk_table(w, WALK_PTE, table_pa, NULL, addr, next);
	pt_table_unlock(w->pt, desc);
	return err;
}

/*
 * Go below a slot under a VMA, by one snapshot of it.
 * Pre: the caller is a reader, if what is below is a lowest table.
 */
static int walk_descend_snapshot(struct pt_walk *w, unsigned level, const struct pt_walk_slot *slot,
				 uint64_t addr, uint64_t next, bool *again)
{
	uint64_t entry = walk_load(w, slot);

	switch (walk_kind(w, entry, level)) {
	case PGW_ENTRY_TABLE:
		walk_step(w);
		if (level - 1 == WALK_PTE)
			return walk_locked(w, slot, entry, addr, next, again);
		return walk_table(w, level - 1, pt_table_pa(&w->pt->env, entry), NULL, addr, next);
	case PGW_ENTRY_ABSENT:
		return 0; /* it has been shown, and there is nothing to split */
	case PGW_ENTRY_MALFORMED:
		if (pt_walk_clear(w->pt, slot->item, walk_table_level(w, level), entry))
			return walk_malformed(w, level, entry, addr, next);
		break;
	default:
		break;
	}
	*again = true; /* it is not what its callback was shown */
	return 0;
}

/*
 * Go below a slot under a VMA. A leaf in it is split first. Tables above the
 * lowest stay as long as the VMA does; a lowest one as long as there is a reader.
 */
static PGW_ONE_COPY int walk_descend_vma(struct pt_walk *w, unsigned level,
					 const struct pt_walk_slot *slot, uint64_t addr,
					 uint64_t next, bool *again)
{
	int err;

	if (walk_kind(w, walk_load(w, slot), level) == PGW_ENTRY_LEAF) {
		err = pt_walk_split(w->pt, slot->item, walk_table_level(w, level), addr);
		if (err)
			return err;
	}
	if (level - 1 != WALK_PTE)
		return walk_descend_snapshot(w, level, slot, addr, next, again);
	pgw_reader_enter(w->pt->platform);
	err = walk_descend_snapshot(w, level, slot, addr, next, again);
	pgw_reader_leave(w->pt->platform);
	return err;
}

/* [addr, next) is not empty. The table below the entry has some of its slots; others are holes. */
static int walk_part(struct pt_walk *w, unsigned level, const struct pt_parent *parent,
		     uint64_t addr, uint64_t next)
{
	const uint64_t entry = parent->entry;
	const struct pgw_geometry *geo = &w->pt->format->geometry;
	unsigned table_level = walk_table_level(w, level), first, last;
	uint64_t base = addr & ~low_bits(geo->span_lg2[table_level]), from, to;
	unsigned below_lg2 = geo->span_lg2[table_level - 1];
	int err = 0;

	pt_table_slots(&w->pt->env, entry, table_level, &first, &last);
	from = base + ((uint64_t)first << below_lg2);
	to = base + ((uint64_t)last << below_lg2) + low_bits(below_lg2); /* inclusive */
	if (first > last || next - 1 < from || addr > to)
		return walk_hole(w, level - 1, addr, next);
	if (addr < from)
		err = walk_hole(w, level - 1, addr, from);
	if (!err)
		err = walk_table(w, level - 1, pt_table_pa(&w->pt->env, entry), parent,
				 addr < from ? from : addr, next - 1 > to ? to + 1 : next);
	if (!err && next - 1 > to)
		err = walk_hole(w, level - 1, to + 1, next);
	return err;
}

static int walk_below(struct pt_walk *w, unsigned level, const struct pt_parent *parent,
		      uint64_t addr, uint64_t next)
{
	if (PT_HAS_PARTS)
		return walk_part(w, level, parent, addr, next);
	return walk_table(w, level - 1, pt_table_pa(&w->pt->env, parent->entry), parent, addr,
			  next);
}

/* Go below a slot, whose entry is evaluated anew: its callback may have changed it. */
static int walk_descend(struct pt_walk *w, unsigned level, const struct pt_walk_slot *slot,
			uint64_t addr, uint64_t next, bool *again)
{
	uint64_t entry;

	if (walk_is_folded(w, level - 1))
		return walk_slot(w, level - 1, slot, addr, next);
	if (w->has_vma)
		return walk_descend_vma(w, level, slot, addr, next, again);
	entry = walk_load(w, slot);
	switch (walk_kind(w, entry, level)) {
	case PGW_ENTRY_TABLE:
		walk_step(w);
		return walk_below(w, level, &(struct pt_parent){ slot->pa, entry }, addr, next);
	case PGW_ENTRY_MALFORMED:
		return walk_malformed(w, level, entry, addr, next);
	default:
		/* Leaves and absent entries have been shown; without a VMA nothing splits them. */
		return 0;
	}
}

/*
 * One evaluation of a slot above the lowest level.
 * Whether it is empty is asked at the lowest level that shares the slot, so
 * folded levels' parents see empty slots too.
 * again is this slot's own wish: what callbacks below leave in walk->action,
 * and what slots below wish, must not repeat it.
 */
static int walk_slot_once(struct pt_walk *w, unsigned level, const struct pt_walk_slot *slot,
			  uint64_t addr, uint64_t next, bool *again)
{
	struct pgw_mm_walk *walk = w->walk;
	int err = 0;

	*again = false;
	walk->action = PGW_ACTION_SUBTREE;
	if (!walk_is_folded(w, level - 1)) {
		uint64_t entry = walk_load(w, slot);
		enum pgw_entry_kind kind = walk_kind(w, entry, level);

		if (kind == PGW_ENTRY_EMPTY)
			return walk_hole(w, level, addr, next);
		if (level >= WALK_P4D && (kind == PGW_ENTRY_MALFORMED || kind == PGW_ENTRY_ABSENT))
			return walk_bad(w, level, slot, entry, addr, next);
	}
	if (w->entry[level])
		err = w->entry[level](slot->item, addr, next, walk);
	if (err)
		return err;
	/* Only pud and pmd may ask for something else than to go on. */
	if (level < WALK_P4D && walk->action != PGW_ACTION_SUBTREE) {
		*again = walk->action == PGW_ACTION_AGAIN;
		return 0;
	}
	return w->wants_below[level] ? walk_descend(w, level, slot, addr, next, again) : 0;
}

static int walk_slot(struct pt_walk *w, unsigned level, const struct pt_walk_slot *slot,
		     uint64_t addr, uint64_t next)
{
	for (;;) {
		bool again;
		int err = walk_slot_once(w, level, slot, addr, next, &again);

		if (err || !again)
			return err;
		if (w->pt->phys && !pt_load_far(w->pt, slot->pa, slot->item))
			return walk_unreadable(w, level, false, addr, next);
	}
}

static int walk_pte(struct pt_walk *w, const struct pt_walk_slot *slot, uint64_t addr)
{
	uint64_t page = BIT(w->pt->format->geometry.granule_lg2);

	return w->entry[WALK_PTE](slot->item, addr, addr + page, w->walk);
}

/*
 * Load the window that holds slot index, and say where the slot is. Copies are words
 * of the host, as the owner's items are: callbacks read them all in one way.
 */
static struct pt_walk_slot walk_load_slot(struct pt_walk *w, unsigned table_level,
					  uint64_t table_pa, const struct pt_parent *parent,
					  unsigned index, struct pt_window *win)
{
	unsigned nr_slots = 1u << w->pt->format->geometry.slots_lg2[table_level];

	if (!w->pt->phys)
		return (struct pt_walk_slot){ .item = pt_host_table(w->pt, table_pa) + index };
	if (index - win->first >= win->nr) {
		pt_window_load(w->pt, table_pa, parent, index, nr_slots - index, win);
	}
	return (struct pt_walk_slot){
		.item = win->copy + (index - win->first),
		.pa = table_pa + ((uint64_t)index << PT_ITEM_LG2),
	};
}

/*
 * Walk the slots of a table that [addr, end) covers.
 * Pre: the range is not empty and lies within what the table spans.
 * Stops at its end, at a callback's non-zero value, or when the reader's
 * budget of table visits is used up.
 */
static PGW_ONE_COPY int walk_table(struct pt_walk *w, unsigned level, uint64_t table_pa,
				   const struct pt_parent *parent, uint64_t addr, uint64_t end)
{
	const struct pgw_geometry *geo = &w->pt->format->geometry;
	unsigned table_level = walk_table_level(w, level);
	unsigned span_lg2 = geo->span_lg2[table_level];
	struct pt_window win = { .nr = 0, .readable = true };
	uint64_t next;
	int err;

	if (w->pt->phys && w->walk->nr_tables == w->pt->budget)
		return -PGW_E2BIG;
	w->walk->nr_tables++;
	do {
		unsigned index = pt_index(geo, addr, table_level);
		struct pt_walk_slot slot =
			walk_load_slot(w, table_level, table_pa, parent, index, &win);

		next = walk_next(addr, end, span_lg2);
		if (!win.readable) {
			uint64_t slot_va = addr & ~low_bits(span_lg2);
			uint64_t run = (uint64_t)(win.first + win.nr - index) << span_lg2;

			next = slot_va + run - 1 < end - 1 ? slot_va + run : end;
			err = walk_unreadable(w, level, win.torn, addr, next);
		} else if (level == WALK_PTE) {
			err = walk_pte(w, &slot, addr);
		} else {
			err = walk_slot(w, level, &slot, addr, next);
		}
		addr = next;
	} while (!err && next != end);
	return err;
}

static int pt_walk(const struct pt *pt, uint64_t root_pa, uint64_t start, uint64_t end,
		   struct pgw_mm_walk *walk)
{
	const struct pgw_mm_walk_ops *ops = walk->ops;
	struct pt_walk w = {
		.pt = pt,
		.walk = walk,
		.entry = { ops->pte_entry, ops->pmd_entry, ops->pud_entry, ops->p4d_entry,
			   ops->pgd_entry },
		.has_vma = walk->vma != NULL,
	};

	for (unsigned level = 1; level < PGW_MAX_LEVELS; level++)
		w.wants_below[level] = w.wants_below[level - 1] || w.entry[level - 1];
	return walk_table(&w, WALK_PGD, root_pa, NULL, start, end);
}

#endif
