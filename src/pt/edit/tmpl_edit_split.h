/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_SPLIT_H
#define PT_TMPL_EDIT_SPLIT_H

/*
 * Smaller leaves in the place of a large one. All translations stay; so do the
 * accessed and dirty states that hardware sets meanwhile.
 */

#include "pt/edit/tmpl_edit.h"

static bool edit_is_one_leaf(const struct edit_cursor *c, uint64_t entry)
{
	return pt_entry_kind(c->env, entry, c->level) == PGW_ENTRY_LEAF &&
	       edit_nr_items(c, entry, c->level) == 1;
}

/* Fill a new table with what a leaf of the level above it maps, in runs if these are small enough. */
static void split_fill(const struct edit_cursor *c, const struct edit_table *table, uint64_t entry,
		       unsigned max_lg2)
{
	unsigned level = c->level - 1, span_lg2 = c->geo->span_lg2[level];
	unsigned nr = 1u << c->geo->slots_lg2[level], contig_lg2 = pt_contig_lg2(c->env, level);
	uint64_t va = c->va & ~low_bits(c->geo->span_lg2[c->level]);
	bool run = contig_lg2 && span_lg2 + contig_lg2 <= max_lg2;

	for (unsigned i = 0; i < nr; i++, va += BIT(span_lg2))
		table->items[i] = pt_leaf_resize(c->env, entry, c->level, va, level, run);
	table->desc->nr_live = nr;
}

/*
 * Put a table that was filled from an entry in its place. @return false: others
 * were faster. Until the item is frozen or replaced hardware may change the entry; then
 * the table is filled again.
 */
static bool split_install(struct edit_cursor *c, const struct edit_table *table, uint64_t filled,
			  unsigned max_lg2)
{
	uint64_t va = c->va & ~low_bits(c->geo->span_lg2[c->level]);
	uint64_t *item = cursor_item(c), seen = pt_owner_item(item);
	bool breaks = false, done = false;

	while (!done) {
		if (!edit_is_one_leaf(c, seen))
			return false;
		if (seen != filled)
			split_fill(c, table, seen, max_lg2);
		filled = seen;
		breaks = pt_needs_break(c->env, seen, table->entry);
		if (breaks)
			done = edit_break(c, item, 1, va, &seen);
		else
			done = edit_replace(c, item, &seen, table->entry);
	}
	c->edit->gather->nr_splits++;
	if (breaks)
		edit_store(c, item, table->entry);
	else
		gather_range(c->edit->gather, va, va | low_bits(c->geo->span_lg2[c->level]));
	return true;
}

/*
 * Split the leaf, not a run, in the cursor's slot one level down.
 * The table is made without any lock. @return not EDIT_CROSSES
 */
static enum edit_outcome edit_split_leaf(struct edit_cursor *c, uint64_t entry, unsigned max_lg2)
{
	struct edit_table table;
	bool locked, installed;
	int err = edit_table_new(c, c->level - 1, &table);

	if (err)
		return edit_stop_if(c, err);
	split_fill(c, &table, entry, max_lg2);
	edit_step(c, PGW_STEP_SPLIT_READY);
	locked = cursor_lock(c);
	installed = locked && split_install(c, &table, entry, max_lg2);
	if (locked)
		cursor_unlock(c);
	if (!installed)
		edit_table_free(c, &table);
	return locked ? EDIT_DONE : EDIT_GONE;
}

/* Rewrite a run item by item, without a break; states found in one item go to all. */
static void split_run_softly(struct edit_cursor *c, uint64_t *items, unsigned nr, uint64_t va,
			     uint64_t all)
{
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level];

	c->edit->gather->nr_splits++;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t seen = pt_owner_item(&items[i]), new;

		do {
			new = pt_leaf_resize(c->env, seen, level, va + ((uint64_t)i << span_lg2),
					     level, false);
		} while (!edit_replace(c, &items[i], &seen, new));
		all = pt_entry_combine(c->env, all, seen);
	}
	/* No run is left that hardware could set a state of in another item's place. */
	for (unsigned i = 0; i < nr; i++) {
		uint64_t seen = pt_owner_item(&items[i]), new;

		do {
			new = pt_entry_combine(c->env, seen, all);
		} while (new != seen && !edit_replace(c, &items[i], &seen, new));
	}
	gather_range(c->edit->gather, va, va + (((uint64_t)nr << span_lg2) - 1));
}

/* Make a run that begins at va and was seen as entry into leaves of one item each. */
static void split_run(struct edit_cursor *c, uint64_t *items, unsigned nr, uint64_t va)
{
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level];
	uint64_t entry = pt_owner_item(items), single;

	for (;;) {
		if (pt_entry_kind(c->env, entry, level) != PGW_ENTRY_LEAF ||
		    edit_nr_items(c, entry, level) != nr)
			return; /* others were faster */
		single = pt_leaf_resize(c->env, entry, level, va, level, false);
		if (!pt_needs_break(c->env, entry, single)) {
			split_run_softly(c, items, nr, va, entry);
			return;
		}
		if (edit_break(c, items, nr, va, &entry))
			break;
		entry = pt_owner_item(items); /* perhaps frozen by others */
	}
	c->edit->gather->nr_splits++;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t bytes = (uint64_t)i << span_lg2;

		single = pt_entry_advance(c->env, entry, level, bytes);
		edit_store(c, &items[i],
			   pt_leaf_resize(c->env, single, level, va + bytes, level, false));
	}
}

/*
 * Split what is in the cursor's slot once, if it is a leaf or run larger than
 * 2^max_lg2: a run into its items, a leaf into a table of the largest that are
 * small enough. @return not EDIT_CROSSES
 */
static enum edit_outcome edit_split_once(struct edit_cursor *c, unsigned max_lg2)
{
	uint64_t entry = pt_owner_item(cursor_item(c)), va;
	unsigned nr, lg2, index;

	if (pt_entry_kind(c->env, entry, c->level) != PGW_ENTRY_LEAF)
		return EDIT_DONE;
	lg2 = pt_leaf_lg2(c->env, entry, c->level);
	if (lg2 <= max_lg2)
		return EDIT_DONE;
	nr = edit_nr_items(c, entry, c->level);
	if (nr == 1)
		return edit_split_leaf(c, entry, max_lg2);
	if (!cursor_lock(c))
		return EDIT_GONE;
	va = c->va & ~low_bits(lg2);
	index = pt_index(c->geo, va, c->level);
	split_run(c, c->table[c->level] + index, nr, va);
	cursor_unlock(c);
	return EDIT_DONE;
}

/* Split what crosses va until nothing does. */
static int edit_split_at(struct edit_cursor *c, uint64_t va)
{
	uint64_t first, last;

	/* Nothing crosses the end of all addresses, or of the tree's: a root may have no slot behind it. */
	if (!va || va > c->pt->region.last)
		return 0;
	while (cursor_leaf(c, va, &first, &last) && first < va) {
		unsigned lg2 = (unsigned)__builtin_ctzll(last - first + 1);

		if (edit_split_once(c, lg2 - 1) == EDIT_STOPPED)
			return c->err;
	}
	return 0;
}

static int pt_split_at(const struct pt_edit *edit, uint64_t va)
{
	struct edit_cursor c;

	cursor_init(&c, edit, va);
	return edit_split_at(&c, va);
}

static int pt_split(const struct pt_edit *edit, uint64_t first, uint64_t last, uint8_t max_lg2)
{
	struct edit_cursor c;
	uint64_t va = first;

	cursor_init(&c, edit, first);
	if (max_lg2 < c.geo->granule_lg2)
		return -PGW_EINVAL;
	for (;;) {
		uint64_t leaf_first, leaf_last;

		if (!cursor_leaf(&c, va, &leaf_first, &leaf_last)) {
			leaf_last = va | low_bits(c.geo->span_lg2[c.level]);
		} else if (leaf_last - leaf_first > low_bits(max_lg2)) {
			if (edit_split_once(&c, max_lg2) == EDIT_STOPPED)
				return c.err;
			continue;
		}
		if (leaf_last >= last)
			return 0;
		va = leaf_last + 1;
	}
}

static int pt_split_item(const struct pt_edit *edit, uint64_t *table, unsigned level, uint64_t va)
{
	enum edit_outcome outcome;
	struct edit_cursor c;

	cursor_init_at(&c, edit, va, table, level);
	do {
		uint64_t entry = pt_owner_item(cursor_item(&c));

		if (pt_entry_kind(c.env, entry, level) != PGW_ENTRY_LEAF ||
		    pt_leaf_lg2(c.env, entry, level) <= c.geo->granule_lg2)
			return 0;
		outcome = edit_split_once(&c,
					  level ? c.geo->span_lg2[level] - 1u : c.geo->granule_lg2);
	} while (outcome == EDIT_DONE);
	/* A table that has gone has nothing to split. */
	return outcome == EDIT_STOPPED ? c.err : 0;
}

#endif
