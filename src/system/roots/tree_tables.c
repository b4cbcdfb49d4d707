/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/roots/tree_tables.h"

#include <stdlib.h>

#include "base/bits.h"
#include "pt/read/iter.h"

/* The smallest table has two slots, so four low bits of its address are free. */
#define SEEN_LEVEL BITS(2, 0)
#define SEEN_AGAIN BIT(3)
#define SEEN_NONE UINT64_MAX
#define SEEN_FIRST_LG2 8

_Static_assert(PGW_MAX_LEVELS <= SEEN_LEVEL + 1, "a level fits");

/* The tables on the way from the root, for loops: by level. */
struct way {
	const struct pt *pt;
	uint64_t pa[PGW_MAX_LEVELS];
	unsigned first, last; /* the slots of the lowest one, inclusive */
};

static bool is_same(const struct table_seen *seen, const struct table_seen *sought)
{
	return (seen->key & ~SEEN_AGAIN) == sought->key && seen->first == sought->first &&
	       seen->last == sought->last;
}

/* Where it is, or the empty slot where it belongs. Never full. */
static struct table_seen *seen_find(const struct tables *t, const struct table_seen *sought)
{
	uint64_t mask = low_bits(t->seen_lg2);
	uint64_t i = (sought->key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - t->seen_lg2);

	while (t->seen[i].key != SEEN_NONE && !is_same(&t->seen[i], sought))
		i = (i + 1) & mask;
	return &t->seen[i];
}

/* Make room for one more: at least half of the slots stay empty. */
static int seen_grow(struct tables *t)
{
	struct table_seen *old = t->seen;
	uint64_t nr_old = old ? BIT(t->seen_lg2) : 0;
	unsigned lg2 = old ? t->seen_lg2 + 1 : SEEN_FIRST_LG2;

	if (t->met.nr_tables < nr_old / 2)
		return 0;
	t->seen = malloc(sizeof(*t->seen) << lg2);
	if (!t->seen) {
		t->seen = old;
		return -PGW_ENOMEM;
	}
	t->seen_lg2 = lg2;
	for (uint64_t i = 0; i < BIT(lg2); i++)
		t->seen[i].key = SEEN_NONE;
	for (uint64_t i = 0; i < nr_old; i++) {
		struct table_seen seen = old[i];

		if (seen.key == SEEN_NONE)
			continue;
		seen.key &= ~SEEN_AGAIN;
		*seen_find(t, &seen) = old[i];
	}
	free(old);
	return 0;
}

/* @return 1 if it is new, 0, or negative */
static int seen_add(struct tables *t, unsigned level, const struct way *way)
{
	const struct table_seen seen = { way->pa[level] | level, way->first, way->last };
	struct table_seen *slot;
	int status = seen_grow(t);

	if (status)
		return status;
	slot = seen_find(t, &seen);
	if (slot->key != SEEN_NONE) {
		t->met.nr_shared += !(slot->key & SEEN_AGAIN);
		slot->key |= SEEN_AGAIN;
		return 0;
	}
	if (t->met.nr_tables == t->budget) {
		t->met.truncated = true;
		return -PGW_E2BIG;
	}
	*slot = seen;
	t->met.nr_tables++;
	return 1;
}

static int visit_table(struct tables *t, unsigned level, struct way *way);

static int visit_below(struct tables *t, const struct pgw_entry *entry, unsigned from,
		       struct way *way)
{
	const unsigned level = entry->table_level;
	uint64_t pa = entry->pa;
	bool is_loop = false;
	int status;

	for (unsigned skipped = level + 1; skipped < from; skipped++)
		way->pa[skipped] = SEEN_NONE;
	for (unsigned above = level + 1; above < PGW_MAX_LEVELS; above++)
		is_loop |= way->pa[above] == pa;
	t->met.nr_loops += is_loop;
	way->pa[level] = pa;
	way->first = entry->slot_first;
	way->last = entry->slot_last;
	status = seen_add(t, level, way);
	return status > 0 ? visit_table(t, level, way) : status;
}

static int visit_item(struct tables *t, const struct pt_iter *it, unsigned level, struct way *way)
{
	struct pgw_entry entry;

	pt_iter_decode(it, &entry);
	switch (entry.kind) {
	case PGW_ENTRY_TABLE:
		return visit_below(t, &entry, level, way);
	case PGW_ENTRY_LEAF:
		return t->leaf ? t->leaf(&entry, t->arg) : 0;
	case PGW_ENTRY_MALFORMED:
		t->met.nr_malformed++;
		return 0;
	default:
		return 0;
	}
}

static bool is_skipped(const struct tables *t, unsigned slot)
{
	return slot - t->skip_first < t->nr_skip;
}

/*
 * Pre: the table was not seen before; way has it and those above.
 * Stops when a callback says so or the budget ran out. Depth is bounded by the
 * levels: at level 0 no entry is a table.
 */
static int visit_table(struct tables *t, unsigned level, struct way *way)
{
	const struct pgw_geometry *geo = pgw_format_geometry(t->format);
	const uint64_t pa = way->pa[level];
	bool is_unreadable = false;
	struct pt_iter it;
	int status = t->table ? t->table(pa, pt_items_size(geo, way->last + 1), t->arg) : 0;

	if (level == 0 && t->are_lowest_passed)
		return status;
	pt_iter_begin(&it, way->pt, pa, level, way->first, way->last - way->first + 1);
	while (!status && pt_iter_next(&it)) {
		if (it.nr_unreadable)
			is_unreadable = true;
		else if (level < geo->top_level || !is_skipped(t, it.slot))
			status = visit_item(t, &it, level, way);
	}
	t->met.nr_unreadable += is_unreadable;
	return status;
}

int tables_visit(struct tables *t, struct pgw_root root)
{
	const struct pgw_geometry *geo = pgw_format_geometry(t->format);
	struct pt pt;
	struct way way = { .pt = &pt };
	int status;

	if (!pt_root_is_aligned(geo, root.pa))
		return -PGW_EINVAL;
	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		way.pa[level] = SEEN_NONE;
	pt_reader_init(&pt, t->phys, t->format, &t->control);
	way.pa[geo->top_level] = root.pa;
	way.first = 0;
	way.last = pt_root_items(geo, root) - 1;
	status = seen_add(t, geo->top_level, &way);
	return status > 0 ? visit_table(t, geo->top_level, &way) : status;
}

void tables_fini(struct tables *t)
{
	free(t->seen);
	t->seen = NULL;
	t->seen_lg2 = 0;
}
