/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_FREE_H
#define PT_TMPL_EDIT_FREE_H

/* Take tables out of the tree; count what is in those that stay. */

#include "base/step.h"
#include "pt/edit/tmpl_edit.h"

/*
 * Clear the cursor's slot, which points to desc's table: nobody finds it any
 * more. Who stands on it may stay until the gather's grace period has passed.
 */
static void edit_unlink(struct edit_cursor *c, struct pgw_ptdesc *desc)
{
	uint64_t va = c->va & ~low_bits(c->geo->span_lg2[c->level]);

	edit_store(c, cursor_item(c), 0);
	cursor_count(c, c->level, -1);
	gather_table(c->edit->gather, desc, va, va | low_bits(c->geo->span_lg2[c->level]));
}

/* The tables of one level. One that is not empty hangs on something outside the range. */
static void free_range_level(struct edit_cursor *c, unsigned level, uint64_t first, uint64_t last,
			     uint64_t floor, uint64_t ceiling)
{
	uint64_t va = first;

	for (;;) {
		uint64_t slot_first, slot_last;
		struct pgw_ptdesc *desc;

		cursor_find(c, va, level + 1);
		slot_first = va & ~low_bits(c->geo->span_lg2[c->level]);
		slot_last = va | low_bits(c->geo->span_lg2[c->level]);
		desc = c->level == level + 1 && slot_first >= floor && slot_last <= ceiling
			       ? cursor_child(c)
			       : NULL;
		if (desc && !step_load_n(&desc->nr_live, __ATOMIC_RELAXED)) {
			edit_unlink(c, desc);
			edit_step(c, PGW_STEP_TABLE_UNLINKED);
		}
		if (slot_last >= last)
			return;
		va = slot_last + 1;
	}
}

/* From the lowest level up, so that tables are empty when it is their turn. */
static void pt_free_range(const struct pt_edit *edit, uint64_t first, uint64_t last, uint64_t floor,
			  uint64_t ceiling)
{
	for (unsigned level = 0; level < edit->pt->format->geometry.top_level; level++) {
		struct edit_cursor c;

		cursor_init(&c, edit, first);
		free_range_level(&c, level, first, last, floor, ceiling);
	}
}

/* Both locks are held: is the table still there, and empty? */
static bool trim_unlink(struct edit_cursor *c, struct pgw_ptdesc *desc)
{
	if (cursor_child(c) != desc || step_load_n(&desc->nr_live, __ATOMIC_RELAXED))
		return false;
	edit_unlink(c, desc);
	desc->detached = 1;
	return true;
}

static void pt_trim_table(const struct pt_edit *edit, uint64_t va)
{
	struct pgw_ptdesc *desc;
	struct edit_cursor c;
	bool unlinked;

	cursor_init(&c, edit, va);
	do {
		cursor_find(&c, va, 1);
		desc = c.level == 1 ? cursor_child(&c) : NULL;
		if (!desc || step_load_n(&desc->nr_live, __ATOMIC_RELAXED))
			return;
	} while (!cursor_lock(&c));
	pt_table_lock(c.pt, desc);
	unlinked = trim_unlink(&c, desc);
	pt_table_unlock(c.pt, desc);
	cursor_unlock(&c);
	if (unlinked)
		edit_step(&c, PGW_STEP_TABLE_UNLINKED);
}

/* The slots of a root that belong to the tree's region; of other tables all. */
static void edit_slots(const struct pt *pt, unsigned level, size_t *ret_first, size_t *ret_end)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	unsigned first = 0, nr = 1u << geo->slots_lg2[level];

	if (level == geo->top_level)
		first = pt_region_slots(geo, &pt->region, &nr);
	*ret_first = first;
	*ret_end = first + nr;
}

/* A visit of all tables of a region, children before parents, with the path in place of a stack. */
struct edit_visit {
	const struct pt *pt;
	const struct pt_env *env;
	unsigned level;
	struct {
		uint64_t *table;
		size_t index, end;
	} path[PGW_MAX_LEVELS];
};

static void visit_enter(struct edit_visit *v, unsigned level, uint64_t table_pa)
{
	v->level = level;
	v->path[level].table = pt_host_table(v->pt, table_pa);
	edit_slots(v->pt, level, &v->path[level].index, &v->path[level].end);
}

static void visit_begin(struct edit_visit *v, const struct pt *pt)
{
	v->pt = pt;
	v->env = &pt->env;
	visit_enter(v, pt->format->geometry.top_level, pt->root_pa);
}

/* Go on to the next table that all below was seen of: v->level, v->path[v->level].table. */
static void visit_next(struct edit_visit *v)
{
	while (v->level && v->path[v->level].index != v->path[v->level].end) {
		uint64_t entry = pt_owner_item(&v->path[v->level].table[v->path[v->level].index++]);

		if (pt_entry_kind(v->env, entry, v->level) == PGW_ENTRY_TABLE)
			visit_enter(v, v->level - 1, pt_table_pa(v->env, entry));
	}
}

static void pt_free_tables(const struct pt *pt)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct edit_visit v;

	for (visit_begin(&v, pt);; v.level++) {
		bool is_root;

		visit_next(&v);
		is_root = v.level == geo->top_level;
		pt->platform->table_free(pt->platform->ctx, v.path[v.level].table,
					 is_root ? pt_root_size(pt) : pt_table_size(geo, v.level));
		if (is_root)
			return;
	}
}

static bool validate_table(const struct edit_visit *v)
{
	const struct pgw_platform *platform = v->pt->platform;
	uint64_t *table = v->path[v->level].table;
	struct pgw_ptdesc *desc = platform->table_desc(platform->ctx, table);
	size_t index, end;
	uint32_t nr_live = 0;

	edit_slots(v->pt, v->level, &index, &end);
	for (; index < end; index++) {
		uint64_t entry = step_load_n(&table[index], __ATOMIC_RELAXED);

		if (pt_frozen() && entry == pt_frozen())
			return false;
		nr_live += entry != 0;
	}
	if (v->level != v->pt->format->geometry.top_level && desc->level != v->level)
		return false;
	return nr_live == step_load_n(&desc->nr_live, __ATOMIC_RELAXED) && !desc->detached;
}

static bool pt_validate(const struct pt *pt)
{
	struct edit_visit v;

	for (visit_begin(&v, pt);; v.level++) {
		visit_next(&v);
		if (!validate_table(&v))
			return false;
		if (v.level == pt->format->geometry.top_level)
			return true;
	}
}

#endif
