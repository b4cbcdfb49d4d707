/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_COLLAPSE_H
#define PT_TMPL_EDIT_COLLAPSE_H

/*
 * One large leaf or run in the place of small ones that map the same. From the lowest
 * level up: each table of like and consecutive leaves becomes a leaf of the table
 * above; at last leaves side by side become a run.
 */

#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_map.h"

struct edit_collapse {
	struct edit_cursor c;
	uint64_t first, last;
	uint64_t entry; /* the first leaf's, as collapse_likeness() says; 0: not seen yet */
	uint64_t pa;    /* of first */
};

/* What leaves that become one must have in common: all but size, address and states. */
static uint64_t collapse_likeness(const struct pt_env *env, uint64_t entry, unsigned level,
				  uint64_t va)
{
	uint64_t small = pt_leaf_resize(env, entry, level, va, 0, false);

	return pt_entry_clear(env, small, true, true) & ~pt_addr_mask(env, 0);
}

/* Look at the leaf that item i maps va by. @return 0, -PGW_ENOENT or -PGW_EBUSY */
static int collapse_look(struct edit_collapse *l, uint64_t entry, unsigned level, uint64_t va)
{
	const struct pt_env *env = l->c.env;
	uint64_t likeness, pa;

	if (pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF)
		return pt_entry_kind(env, entry, level) == PGW_ENTRY_EMPTY ? -PGW_ENOENT
									   : -PGW_EBUSY;
	likeness = collapse_likeness(env, entry, level, va);
	pa = pt_leaf_pa(env, entry, level, va);
	if (!l->entry) {
		l->entry = likeness;
		l->pa = pa - (va - l->first);
	}
	return likeness == l->entry && pa == l->pa + (va - l->first) ? 0 : -PGW_EBUSY;
}

static enum edit_outcome collapse_check_items(struct edit_cursor *c, struct edit_row *row)
{
	struct edit_collapse *l = pgw_container_of(c, struct edit_collapse, c);
	unsigned i;

	for (i = 0; i < row->nr; i++) {
		uint64_t entry = pt_owner_item(c->table[c->level] + row->index + i);
		int err;

		if (pt_entry_kind(c->env, entry, c->level) == PGW_ENTRY_TABLE)
			break;
		err = collapse_look(l, entry, c->level,
				    row->va + ((uint64_t)i << c->geo->span_lg2[c->level]));
		if (err)
			return edit_stop_if(c, err);
	}
	row->nr = i;
	return EDIT_DONE;
}

/* Check a lowest-but-one table's child again, with both locks, and combine its states into *all. */
static int collapse_check_child(struct edit_collapse *l, const uint64_t *items, uint64_t va,
				uint64_t *all)
{
	struct edit_cursor *c = &l->c;
	unsigned level = c->level - 1;

	for (unsigned i = 0; i < 1u << c->geo->slots_lg2[level]; i++) {
		uint64_t entry = pt_owner_item(&items[i]);
		int err = collapse_look(l, entry, level,
					va + ((uint64_t)i << c->geo->span_lg2[level]));

		if (err)
			return err;
		if (!i)
			*all = pt_leaf_resize(c->env, entry, level, va, c->level, false);
		*all = pt_entry_combine(c->env, *all, entry);
	}
	return 0;
}

/* Add the states that hardware has set in the unlinked table until it was flushed. */
static void collapse_states(struct edit_cursor *c, uint64_t *item, const uint64_t *items,
			    bool broken, uint64_t leaf)
{
	uint64_t all = leaf, seen = leaf;

	for (unsigned i = 0; i < 1u << c->geo->slots_lg2[c->level - 1]; i++)
		all = pt_entry_combine(c->env, all, pt_owner_item(&items[i]));
	if (broken) {
		edit_store(c, item, all);
		return;
	}
	while (pt_entry_combine(c->env, seen, all) != seen &&
	       !edit_replace(c, item, &seen, pt_entry_combine(c->env, seen, all)))
		;
}

/* The table under the cursor's slot becomes a leaf. Both tables are locked. @return 0 or why not */
static int collapse_replace(struct edit_collapse *l, struct pgw_ptdesc *desc)
{
	struct edit_cursor *c = &l->c;
	uint64_t va = c->va & ~low_bits(c->geo->span_lg2[c->level]), leaf = 0;
	uint64_t last = va | low_bits(c->geo->span_lg2[c->level]);
	uint64_t *item = cursor_item(c), seen = pt_owner_item(item);
	const uint64_t *items = desc->table;
	bool breaks;
	int err;

	if (pt_entry_kind(c->env, seen, c->level) != PGW_ENTRY_TABLE ||
	    pt_table_desc(c->pt, pt_table_pa(c->env, seen)) != desc)
		return -PGW_EBUSY;
	err = collapse_check_child(l, items, va, &leaf);
	if (err)
		return err;
	breaks = pt_needs_break(c->env, seen, leaf);
	edit_store(c, item, breaks ? pt_frozen() : leaf);
	gather_flush_now(c->edit->gather, va, last);
	if (breaks)
		edit_step(c, PGW_STEP_LEAF_FROZEN);
	collapse_states(c, item, items, breaks, leaf);
	desc->detached = c->edit->policy == PT_SHARED;
	gather_table(c->edit->gather, desc, va, last);
	return 0;
}

/* The table that the cursor's slot pointed to a moment ago becomes a leaf. @return 0 or why not */
static int collapse_table(struct edit_collapse *l, struct pgw_ptdesc *desc)
{
	struct edit_cursor *c = &l->c;
	bool shared = c->edit->policy == PT_SHARED;
	int err;

	if (!cursor_lock(c))
		return -PGW_EBUSY;
	if (shared)
		pt_table_lock(c->pt, desc);
	err = collapse_replace(l, desc);
	if (shared)
		pt_table_unlock(c->pt, desc);
	cursor_unlock(c);
	if (!err)
		edit_step(c, PGW_STEP_TABLE_UNLINKED);
	return err;
}

/* Where tables of this level point to tables, these become leaves. @return 0 or why one does not */
static int collapse_level(struct edit_collapse *l, unsigned level)
{
	uint64_t va = l->first;

	for (;;) {
		struct pgw_ptdesc *desc;
		int err;

		cursor_find(&l->c, va, level);
		desc = l->c.level == level ? cursor_child(&l->c) : NULL;
		err = desc ? collapse_table(l, desc) : 0;
		if (err)
			return err;
		va |= low_bits(l->c.geo->span_lg2[l->c.level]);
		if (va >= l->last)
			return 0;
		va++;
	}
}

/* Leaves of one item each become a run. The table is locked. */
static int collapse_run_locked(struct edit_collapse *l, uint64_t *items, unsigned nr)
{
	struct edit_cursor *c = &l->c;
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level];
	uint64_t all = pt_owner_item(items), run;
	bool breaks;

	for (unsigned i = 0; i < nr; i++) {
		uint64_t va = l->first + ((uint64_t)i << span_lg2);
		int err = collapse_look(l, pt_owner_item(&items[i]), level, va);

		if (err)
			return err;
	}
	run = pt_leaf_resize(c->env, all, level, l->first, level, true);
	breaks = pt_needs_break(c->env, all, run);
	while (breaks && !edit_break(c, items, nr, l->first, &all))
		;
	run = pt_leaf_resize(c->env, all, level, l->first, level, true);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t bytes = (uint64_t)i << span_lg2, seen;

		if (breaks) {
			edit_store(c, &items[i], pt_entry_advance(c->env, run, level, bytes));
			continue;
		}
		seen = pt_owner_item(&items[i]);
		while (!edit_replace(
			c, &items[i], &seen,
			pt_leaf_resize(c->env, seen, level, l->first + bytes, level, true)))
			;
	}
	gather_range(c->edit->gather, l->first, l->last);
	return 0;
}

static int collapse_run(struct edit_collapse *l, unsigned level, unsigned nr)
{
	struct edit_cursor *c = &l->c;
	int err;

	cursor_find(c, l->first, level);
	if (c->level != level || !cursor_lock(c))
		return -PGW_EBUSY;
	err = collapse_run_locked(l, cursor_item(c), nr);
	cursor_unlock(c);
	return err;
}

static int pt_collapse(const struct pt_edit *edit, uint64_t va, uint8_t size_lg2)
{
	struct edit_collapse l = { .entry = 0 };
	uint64_t leaf_first, leaf_last;
	unsigned level;
	bool run;
	int err = 0;

	cursor_init(&l.c, edit, va);
	if (size_lg2 > 63 || !(edit_sizes(&l.c, l.c.geo->top_level) & BIT(size_lg2)) ||
	    (va | low_bits(size_lg2)) > edit->pt->region.last)
		return -PGW_EINVAL;
	level = edit_size_level(&l.c, size_lg2, &run);
	l.first = va & ~low_bits(size_lg2);
	l.last = va | low_bits(size_lg2);
	/* Nothing changes unless all of it can. */
	if (edit_each(&l.c, l.first, l.last, collapse_check_items) == EDIT_STOPPED)
		return l.c.err;
	if (l.pa & low_bits(size_lg2))
		return -PGW_EBUSY;
	if (cursor_leaf(&l.c, va, &leaf_first, &leaf_last) &&
	    leaf_last - leaf_first >= low_bits(size_lg2))
		return 0;
	for (unsigned i = 1; i <= level && !err; i++)
		err = collapse_level(&l, i);
	if (!err && run)
		err = collapse_run(&l, level, 1u << (size_lg2 - l.c.geo->span_lg2[level]));
	return err;
}

#endif
