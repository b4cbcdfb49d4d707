/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_ZAP_H
#define PT_TMPL_EDIT_ZAP_H

/*
 * Clear a range that nobody can reach any more, and that nobody else changes. A lowest table that
 * lies in it is taken out first, then all TLBs forget what it spans, then its items are cleared:
 * by then hardware sets no more states in them, so no item is exchanged, and no frame has to wait
 * for a flush. There is one for so many tables.
 */

#include "base/step.h"
#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_unmap.h"

#define ZAP_TABLES 16

/* Clear the items of a leaf or run of a table that was taken out. */
static PGW_ALWAYS_INLINE struct pgw_frames zap_leaf(const struct pt_env *env, uint64_t *items,
						    unsigned nr, uint64_t va)
{
	uint64_t entry = step_load_n(items, __ATOMIC_RELAXED);
	struct pgw_frames frames = {
		.va = va,
		.pa = pt_leaf_pa(env, entry, 0, va),
		.size = (uint64_t)nr << PT_GRANULE_LG2,
		.dirty = pt_entry_dirty(entry),
		.young = pt_entry_young(entry),
	};

	step_store_n(items, 0, __ATOMIC_RELAXED);
	for (unsigned i = 1; i < nr; i++) {
		entry = step_load_n(&items[i], __ATOMIC_RELAXED);
		frames.dirty |= pt_entry_dirty(entry);
		frames.young |= pt_entry_young(entry);
		step_store_n(&items[i], 0, __ATOMIC_RELAXED);
	}
	return frames;
}

/* Clear a table that was taken out, and flushed, and release its frames. */
static void zap_table(const struct edit_cursor *c, struct pgw_ptdesc *desc, uint64_t va)
{
	struct pt_gather *gather = c->edit->gather;
	const struct pt_env *env = &c->pt->env;
	struct pgw_frames run = { .size = 0 }, frames;
	unsigned nr = 1u << PT_SLOTS_LG2_AT(0), n;
	uint64_t *items = desc->table;

	for (unsigned i = 0; i < nr; i += n, va += (uint64_t)n << PT_GRANULE_LG2) {
		uint64_t entry = step_load_n(&items[i], __ATOMIC_RELAXED);

		n = 1;
		if (pgw_unlikely(pt_entry_kind(env, entry, 0) != PGW_ENTRY_LEAF)) {
			step_store_n(&items[i], 0, __ATOMIC_RELAXED);
			continue;
		}
		n = 1u << (pt_leaf_lg2(env, entry, 0) - PT_GRANULE_LG2);
		frames = zap_leaf(env, &items[i], n, va);
		if (run.size && edit_merge_frames(&run, &frames))
			continue;
		if (run.size)
			gather->release(gather, &run);
		run = frames;
	}
	if (run.size)
		gather->release(gather, &run);
	step_store_n(&desc->nr_live, 0, __ATOMIC_RELAXED);
}

/* Take the tables out that a row of level 1 begins with, as far as they lie in the range. */
static unsigned zap_unlink(struct edit_cursor *c, const struct edit_row *row,
			   struct pgw_ptdesc *descs[ZAP_TABLES])
{
	const struct edit_unmap *u = pgw_container_of(c, struct edit_unmap, c);
	uint64_t *items = c->table[1] + row->index, va = row->va, span = BIT(PT_SPAN_LG2(1));
	unsigned nr = 0;

	for (; nr < row->nr && nr < ZAP_TABLES; nr++, va += span) {
		uint64_t entry = pt_owner_item(&items[nr]);

		if (va < u->first || va + (span - 1) > u->last ||
		    pt_entry_kind(c->env, entry, 1) != PGW_ENTRY_TABLE)
			break;
		descs[nr] = pt_table_desc(c->pt, pt_table_pa(c->env, entry));
		edit_store(c, &items[nr], 0);
		edit_step(c, PGW_STEP_TABLE_UNLINKED);
	}
	if (nr) {
		gather_forget_ways(c->edit->gather);
		cursor_count(c, 1, -(int)nr);
	}
	return nr;
}

/* A row above the lowest level. */
static enum edit_outcome zap_items(struct edit_cursor *c, struct edit_row *row)
{
	const struct edit_unmap *u = pgw_container_of(c, struct edit_unmap, c);
	uint64_t span = BIT(PT_SPAN_LG2(1)), entry = pt_owner_item(c->table[c->level] + row->index);
	struct pgw_ptdesc *descs[ZAP_TABLES];
	struct edit_unmap part;
	unsigned nr;

	if (c->level != 1 || pt_entry_kind(c->env, entry, 1) != PGW_ENTRY_TABLE)
		return edit_zap_items(c, row);
	nr = zap_unlink(c, row, descs);
	if (nr) {
		gather_range(c->edit->gather, row->va, row->va + (nr * span - 1));
		gather_flush(c->edit->gather);
		for (unsigned i = 0; i < nr; i++) {
			zap_table(c, descs[i], row->va + i * span);
			gather_table_flushed(c->edit->gather, descs[i]);
		}
		row->nr = nr;
		return EDIT_DONE;
	}
	part = *u;
	row->nr = 1;
	return edit_each(&part.c, row->va < u->first ? u->first : row->va,
			 row->va + (span - 1) > u->last ? u->last : row->va + (span - 1),
			 edit_zap_items);
}

static void pt_zap(const struct pt_edit *edit, uint64_t first, uint64_t last)
{
	struct edit_unmap u = { .first = first, .last = last };

	if (edit->policy == PT_SHARED || !edit->pt->format->geometry.top_level) {
		pt_unmap(edit, first, last, PGW_UNMAP_WHOLE);
		return;
	}
	cursor_init(&u.c, edit, first);
	edit_each_above(&u.c, first, last, 1, zap_items);
}

#endif
