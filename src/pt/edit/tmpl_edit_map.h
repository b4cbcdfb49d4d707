/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_MAP_H
#define PT_TMPL_EDIT_MAP_H

/* Fill items that are empty. */

#include "base/step.h"
#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_unmap.h"

/* An item above the lowest level may get a table at any moment under PT_SHARED. */
static PGW_ALWAYS_INLINE bool edit_fill(const struct edit_cursor *c, uint64_t *item, uint64_t entry)
{
	uint64_t seen = 0;

	if (pgw_unlikely(c->edit->policy == PT_SHARED && c->level))
		return edit_replace(c, item, &seen, entry);
	edit_store(c, item, entry);
	return true;
}

/* Write nr items of the cursor's table that map on from entry: all of them or none. */
static int edit_put(struct edit_cursor *c, unsigned nr, uint64_t entry)
{
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level];
	uint64_t *items = cursor_item(c);

	for (unsigned i = 0; i < nr; i++) {
		if (step_load_n(&items[i], __ATOMIC_RELAXED))
			return -PGW_EEXIST;
	}
	for (unsigned i = 0; i < nr; i++) {
		uint64_t bytes = (uint64_t)i << span_lg2;

		if (pgw_likely(
			    edit_fill(c, &items[i], pt_entry_advance(c->env, entry, level, bytes))))
			continue;
		while (i--)
			edit_store(c, &items[i], 0);
		return -PGW_EEXIST;
	}
	cursor_count(c, level, (int)nr);
	return 0;
}

/* A kernel's tables keep users out, whatever a leaf says. */
static bool edit_can_have_rights(const struct pt *pt, uint8_t rights)
{
	return pt->region.kind != PGW_REGION_KERNEL ||
	       !(rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X));
}

static int pt_encode(const struct pt *pt, const struct pgw_leaf *leaf, uint64_t *ret)
{
	uint64_t inside;

	if (!pt_leaf_encode(&pt->env, leaf, ret) || !edit_can_have_rights(pt, leaf->rights))
		return -PGW_EOPNOTSUPP;
	inside = low_bits(pt_leaf_lg2(&pt->env, *ret, leaf->level));
	/* A run may be more than a root of few items has. */
	return (leaf->va | leaf->pa) & inside || (leaf->va | inside) > pt->region.last ? -PGW_EINVAL
										       : 0;
}

static int pt_map_leaf(const struct pt_edit *edit, const struct pgw_leaf *leaf)
{
	struct edit_cursor c;
	uint64_t entry;
	unsigned nr;
	int err = pt_encode(edit->pt, leaf, &entry);

	if (err)
		return err;
	cursor_init(&c, edit, leaf->va);
	nr = edit_nr_items(&c, entry, leaf->level);
	do {
		err = cursor_make(&c, leaf->va, leaf->level);
		if (err)
			return err;
	} while (!cursor_lock(&c));
	err = edit_put(&c, nr, entry);
	cursor_unlock(&c);
	return err;
}

/* A range to map. */
struct edit_map {
	struct edit_cursor c;
	uint64_t first, last, pa;
	uint64_t entry; /* a smallest leaf at first */
	uint64_t sizes; /* that may be used */
};

/* Items of the cursor's table that are leaves of one size. */
struct edit_map_row {
	unsigned nr;
	bool run; /* contiguous runs */
};

/* Where a size is: in items of which level, alone or in a run. */
static unsigned edit_size_level(const struct edit_cursor *c, unsigned size_lg2, bool *ret_run)
{
	unsigned level = c->geo->top_level;

	while (level && c->geo->span_lg2[level] > size_lg2)
		level--;
	*ret_run = c->geo->span_lg2[level] != size_lg2;
	return level;
}

/* The sizes of leaves and runs in tables up to a level: what the geometry has and the control bits allow. */
static uint64_t edit_sizes(const struct edit_cursor *c, unsigned max_level)
{
	uint64_t sizes = 0;

	for (unsigned level = 0; level <= max_level; level++) {
		unsigned span_lg2 = c->geo->span_lg2[level];
		unsigned contig_lg2 = pt_contig_lg2(c->env, level);

		sizes |= BIT(span_lg2);
		/* A small root may have fewer slots than a run. */
		if (contig_lg2 && contig_lg2 <= c->geo->slots_lg2[level])
			sizes |= BIT(span_lg2 + contig_lg2);
	}
	return sizes & c->geo->leaf_sizes;
}

static uint64_t pt_sizes(const struct pt *pt)
{
	const struct pt_edit edit = { .pt = pt, .policy = PT_SHARED };
	struct edit_cursor c;

	cursor_init(&c, &edit, 0);
	return edit_sizes(&c, c.geo->top_level);
}

static uint64_t *pt_find_item(const struct pt *pt, uint64_t va, unsigned size_lg2)
{
	const struct pt_edit edit = { .pt = pt, .policy = PT_SHARED };
	struct edit_cursor c;
	unsigned level;
	bool run;

	va &= ~low_bits(size_lg2);
	cursor_init(&c, &edit, va);
	level = edit_size_level(&c, size_lg2, &run);
	cursor_find(&c, va, level);
	return c.level == level ? cursor_item(&c) : NULL;
}

static int edit_map_check(struct edit_map *m, const struct pgw_map_args *args)
{
	struct pgw_leaf leaf = { .va = args->first, .rights = args->rights, .attrs = args->attrs };
	uint64_t pa_last, entry;

	m->sizes = edit_sizes(&m->c, m->c.geo->top_level);
	if (args->sizes)
		m->sizes &= args->sizes;
	if (!m->sizes || ((args->first | args->pa | (args->last + 1)) &
			  low_bits((unsigned)__builtin_ctzll(m->sizes))))
		return -PGW_EINVAL;
	if (!edit_can_have_rights(m->c.pt, args->rights) ||
	    add_overflows(args->pa, args->last - args->first, &pa_last))
		return -PGW_EOPNOTSUPP;
	/* The bits above the physical address width are reserved: the last page says it all. */
	leaf.pa = pa_last & ~low_bits(m->c.geo->granule_lg2);
	if (!pt_leaf_encode(m->c.env, &leaf, &entry))
		return -PGW_EOPNOTSUPP;
	leaf.pa = args->pa;
	if (!pt_leaf_encode(m->c.env, &leaf, &m->entry))
		return -PGW_EOPNOTSUPP;
	/* Runs are made here, not asked for by attributes. */
	return pt_leaf_lg2(m->c.env, m->entry, 0) == m->c.geo->granule_lg2 ? 0 : -PGW_EINVAL;
}

/* Of nr items from the cursor's slot on, how many come before the first table. */
static unsigned map_before_table(const struct edit_cursor *c, unsigned nr)
{
	const uint64_t *items = cursor_item(c);
	unsigned i = 0;

	if (!c->level)
		return nr;
	while (i < nr &&
	       pt_entry_kind(c->env, pt_owner_item(&items[i]), c->level) != PGW_ENTRY_TABLE)
		i++;
	return i;
}

/*
 * Choose the leaves at va: the largest size that fits, as many as follow in one
 * table; and go to that table. Where there is a table already, be it empty, larger
 * leaves than those in it are out of the question.
 * @return 0, or as cursor_make()
 */
static int map_choose(struct edit_map *m, uint64_t va, struct edit_map_row *ret)
{
	uint64_t left = m->last - va + 1, pa = m->pa + (va - m->first), sizes = m->sizes, nr;
	struct edit_cursor *c = &m->c;

	do {
		unsigned size_lg2, level, span_lg2, slots;
		int err;

		cursor_find(c, va, 0);
		sizes &= edit_sizes(c, c->level);
		size_lg2 = sizes ? pt_best_size(sizes, va, pa, left) : 0;
		if (!size_lg2)
			return -PGW_EEXIST;
		level = edit_size_level(c, size_lg2, &ret->run);
		err = cursor_make(c, va, level);
		if (err)
			return err;
		span_lg2 = c->geo->span_lg2[level];
		slots = (1u << c->geo->slots_lg2[level]) - pt_index(c->geo, va, level);
		nr = pt_best_size_count(sizes, va, pa, left, size_lg2) << (size_lg2 - span_lg2);
		nr = map_before_table(c, nr < slots ? (unsigned)nr : slots);
		nr &= ~low_bits(size_lg2 - span_lg2);
		sizes &= low_bits(size_lg2);
	} while (!nr);
	ret->nr = (unsigned)nr;
	return 0;
}

/* What was there or came meanwhile may be in the way, without being in the slots. */
static PGW_ALWAYS_INLINE bool edit_may_map(const struct pt_edit *edit)
{
	return pgw_likely(!edit->may_map) || edit->may_map(edit);
}

/* Map a row of leaves of one size. *ret_bytes is 0 if it has to be tried again. */
static int edit_map_some(struct edit_map *m, uint64_t va, uint64_t *ret_bytes)
{
	struct edit_cursor *c = &m->c;
	struct edit_map_row row;
	uint64_t entry;
	int err = map_choose(m, va, &row);

	if (err)
		return err;
	*ret_bytes = 0;
	if (!cursor_lock(c))
		return 0;
	entry = pt_entry_advance(c->env, m->entry, 0, va - m->first);
	err = -PGW_EEXIST;
	if (edit_may_map(c->edit))
		err = edit_put(c, row.nr, pt_leaf_resize(c->env, entry, 0, va, c->level, row.run));
	*ret_bytes = (uint64_t)row.nr << c->geo->span_lg2[c->level];
	cursor_unlock(c);
	return err;
}

static int pt_map(const struct pt_edit *edit, const struct pgw_map_args *args)
{
	struct edit_map m = { .first = args->first, .last = args->last, .pa = args->pa };
	uint64_t va = args->first, bytes;
	int err;

	cursor_init(&m.c, edit, va);
	err = edit_map_check(&m, args);
	if (err)
		return err;
	for (;;) {
		err = edit_map_some(&m, va, &bytes);
		if (err)
			break;
		if (bytes && bytes - 1 == args->last - va)
			return 0;
		va += bytes;
	}
	/* Nobody gets the frames: they are the caller's, who was told that they are not mapped. */
	if (va != args->first)
		edit_each(&m.c, args->first, va - 1, edit_clear_items);
	return err;
}

static int pt_make_table(const struct pt_edit *edit, uint64_t *table, unsigned level, uint64_t va)
{
	struct edit_cursor c;

	cursor_init_at(&c, edit, va, table, level);
	return pt_owner_item(cursor_item(&c)) ? 0 : cursor_install(&c);
}

static int pt_fill_root(const struct pt_edit *edit)
{
	unsigned top = edit->pt->format->geometry.top_level;
	const uint64_t first = edit->pt->region.first, last = edit->pt->region.last;
	struct edit_cursor c;

	cursor_init(&c, edit, first);
	for (uint64_t va = first;; va += BIT(c.geo->span_lg2[top])) {
		int err = cursor_make(&c, va, top - 1);

		/* A leaf is no table, but not empty either. */
		if (err && err != -PGW_EEXIST)
			return err;
		if (va + (BIT(c.geo->span_lg2[top]) - 1) == last)
			return 0;
	}
}

#endif
