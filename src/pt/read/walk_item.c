/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/walk_item.h"

#include "pt/read/gather.h"

enum walk_outcome pt_walk_hole(struct pt_walk *w, const struct walk_at *at)
{
	struct pgw_mm_walk *walk = w->walk;

	if (!walk->ops->pte_hole)
		return WALK_ON;
	return walk_stop_if(
		w, walk->ops->pte_hole(at->addr, at->next, walk_depth(w, at->level), walk));
}

enum walk_outcome pt_walk_malformed(struct pt_walk *w, const struct walk_at *at, uint64_t entry)
{
	struct pgw_mm_walk *walk = w->walk;
	int value = 0;

	walk->nr_malformed++;
	if (walk->ops->malformed)
		value = walk->ops->malformed(entry, at->addr, at->next, walk_depth(w, at->level),
					     walk);
	return value ? walk_stop_if(w, value) : pt_walk_hole(w, at);
}

enum walk_outcome pt_walk_unreadable(struct pt_walk *w, const struct walk_at *at, bool is_torn)
{
	struct pgw_mm_walk *walk = w->walk;
	int (*fn)(uint64_t, uint64_t, int, struct pgw_mm_walk *) =
		is_torn ? walk->ops->torn : walk->ops->unreadable;

	walk->nr_torn += is_torn;
	walk->nr_unreadable += !is_torn;
	return fn ? walk_stop_if(w, fn(at->addr, at->next, walk_depth(w, at->level), walk))
		  : WALK_ON;
}

bool pt_walk_clear(const struct pt *pt, uint64_t table_pa, uint64_t *item, uint64_t seen)
{
	if (!__atomic_compare_exchange_n(item, &seen, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	__atomic_fetch_sub(&pt_table_desc(pt, table_pa)->nr_live, 1, __ATOMIC_RELAXED);
	return true;
}

int pt_walk_split(const struct pt *pt, uint64_t table_pa, unsigned level, uint64_t va)
{
	const struct pgw_platform *platform = pt->platform;
	struct pt_gather gather;
	int err;

	gather_init(&gather, pt, PT_SHARED);
	err = pt->format->edit->split_item(&(struct pt_edit){ pt, PT_SHARED, &gather },
					   pt_host_table(pt, table_pa), level, va);
	gather_flush(&gather);
	if (!err && platform->step)
		platform->step(platform->ctx, PGW_STEP_WALK_SPLIT, pt->mm);
	return err;
}

struct pgw_ptdesc *pt_walk_lock(const struct pt *pt, const uint64_t *item, uint64_t seen,
				uint64_t table_pa)
{
	return pt_map_lock(pt, item, seen, table_pa);
}
