/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_UNMAP_H
#define PT_TMPL_EDIT_UNMAP_H

/*
 * Clear items. What is not empty goes: absent and malformed entries too. Guards stay where others
 * may be at the leaves (PT_SHARED): pages are dropped there, and their VMA is not.
 */

#include "base/step.h"
#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_split.h"

struct edit_unmap {
	struct edit_cursor c;
	uint64_t first, last; /* what no leaf may stick out of */
};

/* Nobody wants the frames, and so nobody the bits that hardware may be setting. */
static enum edit_outcome edit_clear_items(struct edit_cursor *c, struct edit_row *row)
{
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level];
	unsigned i, first = 0, last = 0, cleared = 0;
	uint64_t *items = c->table[level] + row->index;

	for (i = 0; i < row->nr; i++) {
		uint64_t entry = step_load_n(&items[i], __ATOMIC_RELAXED);

		if (!entry)
			continue;
		if (level && pt_entry_kind(c->env, entry, level) == PGW_ENTRY_TABLE)
			break;
		edit_store(c, &items[i], 0);
		if (!cleared++)
			first = i;
		last = i;
	}
	row->nr = i;
	if (!cleared)
		return EDIT_DONE;
	cursor_count(c, level, -(int)cleared);
	gather_range(c->edit->gather, row->va + ((uint64_t)first << span_lg2),
		     (row->va + ((uint64_t)last << span_lg2)) | low_bits(span_lg2));
	return EDIT_DONE;
}

/* Take the items of a leaf or run. Its states are those of any of its items: hardware chooses one. */
static struct pgw_frames edit_take_leaf(const struct edit_cursor *c, uint64_t *items, unsigned nr,
					uint64_t va)
{
	uint64_t entry = edit_exchange(c, items, 0);
	struct pgw_frames frames = {
		.va = va,
		.pa = pt_leaf_pa(c->env, entry, c->level, va),
		.size = (uint64_t)nr << c->geo->span_lg2[c->level],
		.dirty = pt_entry_dirty(entry),
		.young = pt_entry_young(entry),
	};

	for (unsigned i = 1; i < nr; i++) {
		entry = edit_exchange(c, &items[i], 0);
		frames.dirty |= pt_entry_dirty(entry);
		frames.young |= pt_entry_young(entry);
	}
	return frames;
}

/* @return false: they do not go on where run ends, or differ */
static bool edit_merge_frames(struct pgw_frames *run, const struct pgw_frames *frames)
{
	if (run->va + run->size != frames->va || run->pa + run->size != frames->pa ||
	    run->dirty != frames->dirty || run->young != frames->young)
		return false;
	run->size += frames->size;
	return true;
}

static bool unmap_crosses(const struct edit_unmap *u, uint64_t va, unsigned lg2)
{
	return (va & ~low_bits(lg2)) < u->first || (va | low_bits(lg2)) > u->last;
}

static bool edit_keeps(const struct edit_cursor *c, uint64_t entry)
{
	return entry == PT_GUARD && !c->level && c->edit->policy == PT_SHARED;
}

/* As edit_clear_items(), with the frames. Stops when the gather might become full. */
static enum edit_outcome edit_zap_items(struct edit_cursor *c, struct edit_row *row)
{
	const struct edit_unmap *u = pgw_container_of(c, struct edit_unmap, c);
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level], i, n, cleared = 0;
	uint64_t *items = c->table[level] + row->index;
	enum edit_outcome outcome = EDIT_DONE;
	struct pgw_frames run = { .size = 0 };

	for (i = 0; i < row->nr && !edit_gather_is_full(c); i += n) {
		uint64_t entry = pt_owner_item(&items[i]);
		uint64_t item_va = row->va + ((uint64_t)i << span_lg2);
		enum pgw_entry_kind kind = pt_entry_kind(c->env, entry, level);
		struct pgw_frames frames;

		n = 1;
		if (kind == PGW_ENTRY_EMPTY)
			continue;
		if (kind == PGW_ENTRY_TABLE)
			break;
		if (edit_keeps(c, entry))
			continue;
		if (kind != PGW_ENTRY_LEAF) {
			edit_store(c, &items[i], 0);
			gather_range(c->edit->gather, item_va, item_va | low_bits(span_lg2));
			cleared++;
			continue;
		}
		n = edit_nr_items(c, entry, level);
		if (unmap_crosses(u, item_va, pt_leaf_lg2(c->env, entry, level))) {
			outcome = EDIT_CROSSES;
			break;
		}
		frames = edit_take_leaf(c, &items[i], n, item_va);
		cleared += n;
		if (run.size && edit_merge_frames(&run, &frames))
			continue;
		if (run.size)
			gather_frames(c->edit->gather, &run);
		run = frames;
	}
	if (run.size)
		gather_frames(c->edit->gather, &run);
	if (cleared)
		cursor_count(c, level, -(int)cleared);
	row->nr = i;
	return outcome;
}

/*
 * Clear a range. Frames go to the gather if it wants them.
 * @return EDIT_DONE or, PT_SHARED only, EDIT_CROSSES
 */
static enum edit_outcome edit_clear(struct edit_unmap *u, uint64_t first, uint64_t last)
{
	const struct pt_edit *edit = u->c.edit;
	bool carefully = edit->gather->release || edit->policy == PT_SHARED;

	u->first = first;
	u->last = last;
	return edit_each(&u->c, first, last, carefully ? edit_zap_items : edit_clear_items);
}

/* @return 0, -PGW_EINVAL, or of a split */
static int unmap_bounds(struct edit_cursor *c, uint64_t *first, uint64_t *last,
			enum pgw_unmap_how how)
{
	uint64_t leaf_first, leaf_last, from = *first, to = *last;
	int err;

	if (how == PGW_UNMAP_SPLIT) {
		err = edit_split_at(c, from);
		return err ? err : edit_split_at(c, to + 1);
	}
	if (cursor_leaf(c, from, &leaf_first, &leaf_last))
		*first = leaf_first;
	if (cursor_leaf(c, to, &leaf_first, &leaf_last))
		*last = leaf_last;
	return how == PGW_UNMAP_EXACT && (*first != from || *last != to) ? -PGW_EINVAL : 0;
}

static int pt_unmap(const struct pt_edit *edit, uint64_t first, uint64_t last,
		    enum pgw_unmap_how how)
{
	struct edit_unmap u;

	cursor_init(&u.c, edit, first);
	do {
		int err = unmap_bounds(&u.c, &first, &last, how);

		if (err)
			return err;
	} while (edit_clear(&u, first, last) == EDIT_CROSSES);
	return 0;
}

static enum edit_outcome clear_guard_items(struct edit_cursor *c, struct edit_row *row)
{
	uint64_t *items = c->table[c->level] + row->index;
	unsigned i, cleared = 0;

	for (i = 0; i < row->nr; i++) {
		uint64_t entry = pt_owner_item(&items[i]);

		if (c->level && pt_entry_kind(c->env, entry, c->level) == PGW_ENTRY_TABLE)
			break;
		if (!edit_keeps(c, entry))
			continue;
		/* No TLB remembers what is not valid. */
		edit_store(c, &items[i], 0);
		cleared++;
	}
	if (cleared)
		cursor_count(c, c->level, -(int)cleared);
	row->nr = i;
	return EDIT_DONE;
}

static void pt_clear_guards(const struct pt_edit *edit, uint64_t first, uint64_t last)
{
	struct edit_cursor c;

	cursor_init(&c, edit, first);
	edit_each(&c, first, last, clear_guard_items);
}

static int pt_unmap_leaf(const struct pt_edit *edit, uint64_t va)
{
	uint64_t first, last;
	struct edit_unmap u;

	cursor_init(&u.c, edit, va);
	do {
		if (!cursor_leaf(&u.c, va, &first, &last))
			return -PGW_ENOENT;
	} while (edit_clear(&u, first, last) == EDIT_CROSSES);
	return 0;
}

#endif
