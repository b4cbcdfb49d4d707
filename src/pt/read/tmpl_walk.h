/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_WALK_H
#define PT_TMPL_WALK_H

/*
 * The walker with callbacks.
 *
 * Levels are the format's, as everywhere. Linux's, 4 = pgd down to 0 = pte, are names
 * that a slot goes by: the one of its level; and where a format has fewer levels, a
 * slot of the top table, which is the pgd, by those of the folded levels too, from pgd
 * down. A name chooses the callback; nothing else asks for it.
 *
 * One function walks the slots of a table, one handles a slot. Depth is
 * bounded by the five levels. The owner's slots are live; the reader's are in
 * a window of copies in each table's frame.
 *
 * Under a VMA (owner only) there are others at the same slots: leaves are
 * split, filled and cleared, and lowest tables freed. What a slot holds is then
 * decided by one snapshot, and what does not hold still is evaluated again.
 */

#include "pt/read/loader.h"
#include "pt/read/walk_item.h"

static enum walk_outcome walk_table(struct pt_walk *w, struct walk_at *at);

static uint64_t walk_load(const struct pt_walk *w, const struct walk_at *at)
{
	return w->pt->phys ? *at->item : pt_owner_item(at->item);
}

/* What a slot's entry is. */
static PGW_ALWAYS_INLINE enum pgw_entry_kind walk_kind(const struct pt_walk *w,
						       const struct walk_at *at, uint64_t entry)
{
	return pt_kind_at(&w->pt->env, entry, at->level);
}

/* What Linux calls bad at pgd and p4d: neither empty, nor a table, nor a leaf. */
static enum walk_outcome walk_bad(struct pt_walk *w, const struct walk_at *at, uint64_t entry)
{
	if (!w->pt->phys && !w->walk->root)
		pt_walk_clear(w->pt, at->table_pa, at->item, entry);
	return pt_walk_malformed(w, at, entry);
}

/* For tests: about to go to a table. */
static void walk_step(const struct pt_walk *w)
{
	const struct pgw_platform *platform = w->pt->platform;

	if (pgw_unlikely(!w->pt->phys && platform->step))
		platform->step(platform->ctx, PGW_STEP_WALK_TABLE, w->pt->mm);
}

/*
 * The table below an entry of a table of this level has some of the entry's addresses; others are
 * holes. table is as if it had all.
 */
static enum walk_outcome walk_part(struct pt_walk *w, const struct walk_at *table, unsigned level)
{
	const struct pgw_geometry *geo = &w->pt->format->geometry;
	unsigned span_lg2 = geo->span_lg2[table->level], first, last;
	uint64_t base = table->addr & ~low_bits(geo->span_lg2[level]), from, to;
	struct walk_at part = *table, hole = *table;
	enum walk_outcome outcome = WALK_ON;

	hole.level = level - 1; /* where levels are skipped, holes are of the first of them */
	pt_table_slots(&w->pt->env, table->parent.entry, level, &first, &last);
	from = base + ((uint64_t)first << span_lg2);
	to = base + ((uint64_t)last << span_lg2) + low_bits(span_lg2); /* inclusive */
	if (first > last || table->next - 1 < from || table->addr > to)
		return pt_walk_hole(w, &hole);
	if (table->addr < from) {
		hole.next = from;
		outcome = pt_walk_hole(w, &hole);
		part.addr = from;
	}
	part.next = table->next - 1 > to ? to + 1 : table->next;
	/* A table far below the slot may be of a level that no callback is for. */
	if (outcome == WALK_ON && w->wants_below[table->level + 1])
		outcome = walk_table(w, &part);
	if (outcome == WALK_ON && part.next != table->next) {
		hole.addr = part.next;
		hole.next = table->next;
		outcome = pt_walk_hole(w, &hole);
	}
	return outcome;
}

/* Walk the table that a slot's entry points to. */
static PGW_ONE_COPY enum walk_outcome walk_below(struct pt_walk *w, const struct walk_at *at,
						 uint64_t entry)
{
	struct walk_at table = {
		.level = pt_table_level(&w->pt->env, entry, at->level),
		.table_pa = pt_table_pa(&w->pt->env, entry),
		.parent = { at->item_pa, entry },
		.addr = at->addr,
		.next = at->next,
	};

	return PT_HAS_PARTS ? walk_part(w, &table, at->level) : walk_table(w, &table);
}

/* Walk the lowest table that a slot pointed to a moment ago, with its lock held. */
static enum walk_outcome walk_below_locked(struct pt_walk *w, const struct walk_at *at,
					   uint64_t entry)
{
	struct pgw_ptdesc *desc =
		pt_walk_lock(w->pt, at->item, entry, pt_table_pa(&w->pt->env, entry));
	enum walk_outcome outcome;

	if (!desc)
		return WALK_AGAIN;
	outcome = walk_below(w, at, entry);
	pt_table_unlock(w->pt, desc);
	return outcome;
}

/*
 * Go below a slot under a VMA, by one snapshot of it.
 * Pre: the caller is a reader, if what is below is a lowest table.
 */
static enum walk_outcome walk_descend_snapshot(struct pt_walk *w, const struct walk_at *at)
{
	uint64_t entry = walk_load(w, at);

	switch (walk_kind(w, at, entry)) {
	case PGW_ENTRY_TABLE:
		walk_step(w);
		if (at->level == 1)
			return walk_below_locked(w, at, entry);
		return walk_below(w, at, entry);
	case PGW_ENTRY_ABSENT:
		/* There is nothing to split. If it was not this that was shown, it is to be. */
		return w->showed_absent ? WALK_ON : WALK_AGAIN;
	case PGW_ENTRY_MALFORMED:
		if (pt_walk_clear(w->pt, at->table_pa, at->item, entry))
			return pt_walk_malformed(w, at, entry);
		break;
	default:
		break;
	}
	return WALK_AGAIN;
}

/*
 * Go below a slot under a VMA. A leaf in it is split first. Tables above the
 * lowest stay as long as the VMA does; a lowest one as long as there is a reader.
 */
static PGW_ONE_COPY enum walk_outcome walk_descend_vma(struct pt_walk *w, const struct walk_at *at)
{
	enum walk_outcome outcome = WALK_BELOW;

	if (walk_kind(w, at, walk_load(w, at)) == PGW_ENTRY_LEAF)
		outcome = pt_walk_split(w, at);
	if (outcome != WALK_BELOW)
		return outcome;
	if (at->level != 1)
		return walk_descend_snapshot(w, at);
	pgw_reader_enter(w->pt->platform);
	outcome = walk_descend_snapshot(w, at);
	pgw_reader_leave(w->pt->platform);
	return outcome;
}

/* Go below a slot, whose entry is evaluated anew: its callback may have changed it. */
static enum walk_outcome walk_descend(struct pt_walk *w, const struct walk_at *at)
{
	uint64_t entry;

	if (w->has_vma)
		return walk_descend_vma(w, at);
	entry = walk_load(w, at);
	switch (walk_kind(w, at, entry)) {
	case PGW_ENTRY_TABLE:
		walk_step(w);
		return walk_below(w, at, entry);
	case PGW_ENTRY_MALFORMED:
		return pt_walk_malformed(w, at, entry);
	default:
		/* Leaves and absent entries have been shown; without a VMA nothing splits them. */
		return WALK_ON;
	}
}

/*
 * One evaluation of a slot above the lowest level, by one of its names.
 * Whether it is empty is asked by its last name, so the callbacks of folded levels see
 * empty slots too.
 * WALK_AGAIN is this name's own wish: what callbacks below leave in walk->action, and what
 * slots below wish, must not repeat it.
 */
static enum walk_outcome walk_name(struct pt_walk *w, const struct walk_at *at, unsigned name)
{
	struct pgw_mm_walk *walk = w->walk;
	int value = 0;

	walk->action = PGW_ACTION_SUBTREE;
	if (name == walk_last_name(at->level)) {
		uint64_t entry = walk_load(w, at);
		enum pgw_entry_kind kind = walk_kind(w, at, entry);

		w->showed_absent = kind == PGW_ENTRY_ABSENT;
		if (kind == PGW_ENTRY_EMPTY)
			return pt_walk_hole(w, at);
		if (name >= WALK_P4D && (kind == PGW_ENTRY_MALFORMED || kind == PGW_ENTRY_ABSENT))
			return walk_bad(w, at, entry);
	}
	if (w->entry[name])
		value = w->entry[name](at->item, at->addr, at->next, walk);
	if (value)
		return walk_stop_if(w, value);
	/* Only pud and pmd may ask for something else than to go on. */
	if (name < WALK_P4D && walk->action != PGW_ACTION_SUBTREE)
		return walk->action == PGW_ACTION_AGAIN ? WALK_AGAIN : WALK_ON;
	return w->wants_below[name] ? WALK_BELOW : WALK_ON;
}

/* A slot by all its names, from the first to the last; then what is below it. */
static PGW_ONE_COPY enum walk_outcome walk_slot(struct pt_walk *w, const struct walk_at *at)
{
	unsigned name = walk_first_name(w, at->level);

	for (;;) {
		enum walk_outcome outcome = walk_name(w, at, name);

		if (outcome == WALK_BELOW && name > at->level) {
			name--;
			continue;
		}
		if (outcome == WALK_BELOW)
			outcome = walk_descend(w, at);
		if (outcome != WALK_AGAIN)
			return outcome;
		if (w->pt->phys && !pt_load_far(w->pt, at->item_pa, at->item))
			return pt_walk_unreadable(w, at, false);
	}
}

/* Slots of a lowest table, side by side from the place's item on. */
static enum walk_outcome walk_ptes(struct pt_walk *w, const struct walk_at *at)
{
	unsigned page_lg2 = w->pt->format->geometry.granule_lg2;
	uint64_t addr = at->addr, *item = at->item;
	int value;

	if (w->walk->ops->install_pte)
		return pt_walk_install(w, at);
	do {
		value = w->entry[WALK_PTE](item++, addr, addr + BIT(page_lg2), w->walk);
		addr = walk_boundary(addr, at->next, page_lg2);
	} while (!value && addr != at->next);
	return walk_stop_if(w, value);
}

/*
 * Find the slot of the place's address, in the window that holds it. Copies are words
 * of the host, as the owner's items are: callbacks read them all in one way.
 * @return the slots from it on that are at hand; or, if the window is not readable, that are not
 */
static unsigned walk_find(const struct pt_walk *w, struct walk_at *at, struct pt_window *win)
{
	const struct pgw_geometry *geo = &w->pt->format->geometry;
	unsigned index = pt_index(geo, at->addr, at->level);
	unsigned nr_slots = 1u << geo->slots_lg2[at->level];

	if (!w->pt->phys) {
		at->item = pt_host_table(w->pt, at->table_pa) + index;
		return nr_slots - index;
	}
	if (index - win->first >= win->nr)
		pt_window_load(w->pt, at->table_pa, &at->parent, index, nr_slots - index, win);
	at->item = win->copy + (index - win->first);
	at->item_pa = at->table_pa + ((uint64_t)index << PT_ITEM_LG2);
	return win->first + win->nr - index;
}

/*
 * Walk the slots that a part of a table covers.
 * Pre: the part lies within what the table spans.
 * Stops at its end, at a callback's non-zero value, or when the reader's
 * budget of table visits is used up.
 * @param at goes from slot to slot, and next ends where it began; a copy would wait for its stores
 */
static PGW_ONE_COPY enum walk_outcome walk_table(struct pt_walk *w, struct walk_at *at)
{
	unsigned span_lg2 = w->pt->format->geometry.span_lg2[at->level];
	bool is_lowest = walk_first_name(w, at->level) == WALK_PTE;
	struct pt_window win; /* of the reader; its items are not to be zeroed for each table */
	const uint64_t end = at->next;
	enum walk_outcome outcome;

	win.first = win.nr = 0;
	win.readable = true;
	win.torn = false;
	if (w->pt->phys && w->walk->nr_tables == w->pt->budget)
		return walk_stop_if(w, -PGW_E2BIG);
	w->walk->nr_tables++;
	do {
		unsigned nr = walk_find(w, at, &win);

		/* One by one, but for pages and what cannot be read. */
		if (win.readable && !is_lowest)
			nr = 1;
		at->next = walk_boundary(at->addr + ((uint64_t)(nr - 1) << span_lg2), end,
					span_lg2);
		if (!win.readable)
			outcome = pt_walk_unreadable(w, at, win.torn);
		else if (is_lowest)
			outcome = walk_ptes(w, at);
		else
			outcome = walk_slot(w, at);
		at->addr = at->next;
	} while (outcome == WALK_ON && at->next != end);
	return outcome;
}

/*
 * Go down to the table to begin with: those above it have the whole range in one slot, and nobody is
 * called for slots there, so that this is all that is to be done.
 * Pre: an owner's tree, without a VMA; pages are what is wanted.
 */
static PGW_NOINLINE void walk_skip(struct pt_walk *w, struct walk_at *table)
{
	const struct pgw_geometry *geo = &w->pt->format->geometry;
	uint64_t differ = table->addr ^ (table->next - 1);

	while (table->level && !(differ >> geo->span_lg2[table->level])) {
		uint64_t entry = pt_owner_item(pt_host_table(w->pt, table->table_pa) +
					       pt_index(geo, table->addr, table->level));

		if (walk_kind(w, table, entry) != PGW_ENTRY_TABLE)
			return;
		walk_step(w);
		w->walk->nr_tables++;
		table->level = pt_table_level(&w->pt->env, entry, table->level);
		table->table_pa = pt_table_pa(&w->pt->env, entry);
		table->parent.entry = entry;
	}
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
		.wants_below = { ops->install_pte != NULL },
		.has_vma = walk->vma != NULL && !pt->phys,
	};
	struct walk_at begin = {
		.level = pt->format->geometry.top_level,
		.table_pa = root_pa,
		.addr = start,
		.next = end,
	};

	for (unsigned name = 1; name < PGW_MAX_LEVELS; name++)
		w.wants_below[name] = w.wants_below[name - 1] || w.entry[name - 1];
	if (PT_CAN_BE_OWNED && !PT_HAS_PARTS && !pt->phys && !w.has_vma && w.entry[WALK_PTE] &&
	    !(ops->pmd_entry || ops->pud_entry || ops->p4d_entry || ops->pgd_entry))
		walk_skip(&w, &begin);
	walk_table(&w, &begin);
	return w.value;
}

#endif
