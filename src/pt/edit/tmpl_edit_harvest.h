/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_HARVEST_H
#define PT_TMPL_EDIT_HARVEST_H

/* Report leaves that are young or dirty, and make them old and clean. */

#include "pt/edit/tmpl_edit.h"

struct edit_harvest {
	struct edit_cursor c;
	uint32_t flags;
	pgw_harvest_fn *fn;
	void *arg;
};

/* What one item shows of what is asked for; taken away, if that is asked for. */
static uint32_t harvest_item(const struct edit_harvest *h, uint64_t *item)
{
	uint64_t seen = pt_owner_item(item), new;
	uint32_t what;

	do {
		what = (pt_entry_young(seen) ? PGW_HARVEST_YOUNG : 0u) |
		       (pt_entry_dirty(seen) ? PGW_HARVEST_DIRTY : 0u);
		what &= h->flags;
		new = pt_entry_clear(h->c.env, seen, what & PGW_HARVEST_YOUNG,
				     what & PGW_HARVEST_DIRTY);
	} while ((h->flags & PGW_HARVEST_CLEAR) && new != seen &&
		 !edit_replace(&h->c, item, &seen, new));
	return what;
}

/* A leaf or run: its state is that of all its items. */
static int harvest_leaf(const struct edit_harvest *h, uint64_t entry, uint64_t *items, uint64_t va)
{
	const struct edit_cursor *c = &h->c;
	unsigned lg2 = pt_leaf_lg2(c->env, entry, c->level);
	unsigned nr = edit_nr_items(c, entry, c->level);
	uint32_t what = 0;

	for (unsigned i = 0; i < nr; i++)
		what |= harvest_item(h, &items[i]);
	if (!what)
		return 0;
	if (h->flags & PGW_HARVEST_CLEAR)
		gather_range(c->edit->gather, va, va | low_bits(lg2));
	return h->fn(va, pt_leaf_pa(c->env, pt_owner_item(items), c->level, va), (uint8_t)lg2, what,
		     h->arg);
}

static enum edit_outcome harvest_items(struct edit_cursor *c, struct edit_row *row)
{
	struct edit_harvest *h = pgw_container_of(c, struct edit_harvest, c);
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level], i, n;

	for (i = 0; i < row->nr; i += n) {
		uint64_t *item = c->table[level] + row->index + i, entry = pt_owner_item(item);
		enum pgw_entry_kind kind = pt_entry_kind(c->env, entry, level);
		unsigned before;
		int value;

		n = 1;
		if (kind == PGW_ENTRY_TABLE)
			break;
		if (kind != PGW_ENTRY_LEAF)
			continue;
		/* A run is looked at whole, wherever the range begins and ends in it. */
		n = edit_nr_items(c, entry, level);
		before = (row->index + i) & (n - 1);
		value = harvest_leaf(h, pt_owner_item(item - before), item - before,
				     row->va + ((uint64_t)i << span_lg2) -
					     ((uint64_t)before << span_lg2));
		if (value)
			return edit_stop_if(c, value);
		n -= before;
	}
	row->nr = i;
	return EDIT_DONE;
}

static int pt_harvest(const struct pt_edit *edit, uint64_t first, uint64_t last, uint32_t flags,
		      pgw_harvest_fn *fn, void *arg)
{
	struct edit_harvest h = { .flags = flags, .fn = fn, .arg = arg };

	cursor_init(&h.c, edit, first);
	return edit_each(&h.c, first, last, harvest_items) == EDIT_STOPPED ? h.c.err : 0;
}

#endif
