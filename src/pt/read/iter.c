/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/iter.h"

static void decode(const struct pt_iter *it, uint64_t entry, struct pgw_entry *ret)
{
	pt_decode_entry(it->pt, entry, it->level, ret);
}

void pt_iter_begin(struct pt_iter *it, const struct pt *pt, uint64_t table_pa, unsigned level,
		   unsigned first, unsigned nr)
{
	struct pgw_entry zero;

	/* Not an initializer: the window's buffer needs no zeroes. */
	it->pt = pt;
	it->table_pa = table_pa;
	it->level = level;
	it->next = first;
	it->end = first + nr;
	it->nr_items = 0;
	/* Most items are 0, and to decode them takes its time. */
	decode(it, 0, &zero);
	it->skips_zeros = zero.kind == PGW_ENTRY_EMPTY;
}

/* @return false: it->nr_unreadable slots from it->next on cannot be read */
static bool iter_load(struct pt_iter *it)
{
	const struct pgw_geometry *geo = &it->pt->format->geometry;
	uint64_t pa = pt_item_pa(geo, it->table_pa, it->next);
	unsigned nr = it->end - it->next;

	it->nr_items = nr;
	if (pt_is_near(it->pt, pa, pt_items_size(geo, nr))) {
		it->items = pt_near_items(it->pt, pa);
		return true;
	}
	pt_window_load(it->pt, it->table_pa, NULL, it->next, nr, &it->window);
	it->items = it->window.copy;
	it->nr_items = it->window.readable ? it->window.nr : 0;
	it->nr_unreadable = it->window.readable ? 0 : it->window.nr;
	return it->window.readable;
}

/* How many of the items at hand to pass over: zeros that stand for nothing, as most items do. */
static PGW_ALWAYS_INLINE unsigned count_zeros(const struct pt_iter *it)
{
	const uint64_t *items = it->items;
	unsigned nr = it->nr_items, i = 0;

	if (!it->skips_zeros)
		return 0;
	while (i + 4 <= nr && !(pt_near_item(items + i) | pt_near_item(items + i + 1) |
				pt_near_item(items + i + 2) | pt_near_item(items + i + 3)))
		i += 4;
	while (i < nr && !pt_near_item(items + i))
		i++;
	return i;
}

static PGW_ALWAYS_INLINE void iter_pass(struct pt_iter *it, unsigned nr)
{
	it->items += nr;
	it->next += nr;
	it->nr_items -= nr;
}

bool pt_iter_next(struct pt_iter *it)
{
	it->nr_unreadable = 0;
	while (it->next < it->end) {
		if (!it->nr_items && !iter_load(it)) {
			it->slot = it->next;
			it->entry = 0;
			it->next += it->nr_unreadable;
			return true;
		}
		iter_pass(it, count_zeros(it));
		if (!it->nr_items)
			continue;
		it->slot = it->next;
		it->entry = pt_near_entry(it->items);
		iter_pass(it, 1);
		/* It may have become one since it was counted. */
		if (it->entry || !it->skips_zeros)
			return true;
	}
	return false;
}

void pt_iter_decode(const struct pt_iter *it, struct pgw_entry *ret)
{
	decode(it, it->entry, ret);
}

bool pt_iter_table(const struct pt_iter *it, uint64_t *ret_pa, unsigned *ret_level)
{
	const struct pt_env *env = &it->pt->env;
	struct pgw_entry entry;

	if ((it->entry & env->table_mask) != env->table_value)
		return false;
	if (pgw_likely(env->addr_mask)) {
		*ret_pa = (it->entry & env->addr_mask) << env->addr_shift;
		*ret_level = it->level - 1;
		return true;
	}
	pt_iter_decode(it, &entry);
	*ret_pa = entry.pa;
	*ret_level = entry.table_level;
	return entry.kind == PGW_ENTRY_TABLE;
}
