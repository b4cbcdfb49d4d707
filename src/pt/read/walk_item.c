/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/walk_item.h"

#include "base/step.h"
#include "pt/read/gather.h"

/* The slot is empty: it gets a table, or somebody else was faster. */
static enum walk_outcome make_table(struct pt_walk *w, const struct walk_at *at)
{
	const struct pt *pt = w->pt;
	const struct pt_edit edit = { .pt = pt, .policy = PT_SHARED };
	int err = pt->format->edit->make_table(&edit, pt_host_table(pt, at->table_pa), at->level,
					       at->addr);

	return err ? walk_stop_if(w, err) : WALK_AGAIN;
}

enum walk_outcome pt_walk_hole(struct pt_walk *w, const struct walk_at *at)
{
	struct pgw_mm_walk *walk = w->walk;

	if (walk->ops->install_pte)
		return make_table(w, at);
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
	if (!step_compare_exchange_n(item, &seen, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	step_fetch_sub(&pt_table_desc(pt, table_pa)->nr_live, 1, __ATOMIC_RELAXED);
	return true;
}

/* Some callback for entries is of a lower name than the slot's last one. */
static bool has_entry_below(const struct pt_walk *w, unsigned level)
{
	while (level--) {
		if (w->entry[level])
			return true;
	}
	return false;
}

enum walk_outcome pt_walk_split(struct pt_walk *w, const struct walk_at *at)
{
	const struct pt *pt = w->pt;
	const struct pgw_platform *platform = pt->platform;
	struct pt_gather gather;
	int err;

	if (!has_entry_below(w, at->level))
		return WALK_ON;
	gather_init(&gather, pt, PT_SHARED);
	err = pt->format->edit->split_item(
		&(struct pt_edit){ .pt = pt, .policy = PT_SHARED, .gather = &gather },
		pt_host_table(pt, at->table_pa), at->level, at->addr);
	gather_flush(&gather);
	if (err)
		return walk_stop_if(w, err);
	w->showed_absent = false; /* it was a leaf meanwhile: what it is now is to be shown */
	if (platform->step)
		platform->step(platform->ctx, PGW_STEP_WALK_SPLIT, pt->mm);
	return WALK_BELOW;
}

/* One slot. @return 1: it is not empty any more */
static uint32_t install_one(struct pt_walk *w, uint64_t *item, uint64_t addr, uint64_t next)
{
	struct pgw_mm_walk *walk = w->walk;
	uint64_t entry = 0;

	w->value = 0;
	if (pgw_item_load(item)) {
		if (w->entry[WALK_PTE])
			w->value = w->entry[WALK_PTE](item, addr, next, walk);
		return 0;
	}
	w->value = walk->ops->install_pte(addr, next, &entry, walk);
	if (w->value || !entry)
		return 0;
	step_store_n(item, entry, __ATOMIC_RELEASE);
	return 1;
}

enum walk_outcome pt_walk_install(struct pt_walk *w, const struct walk_at *at)
{
	unsigned page_lg2 = w->pt->format->geometry.granule_lg2;
	uint64_t addr = at->addr, *item = at->item;
	uint32_t nr_new = 0;

	do {
		nr_new += install_one(w, item++, addr, addr + BIT(page_lg2));
		addr = walk_boundary(addr, at->next, page_lg2);
	} while (!w->value && addr != at->next);
	step_fetch_add(&pt_table_desc(w->pt, at->table_pa)->nr_live, nr_new, __ATOMIC_RELAXED);
	return w->value ? WALK_STOP : WALK_ON;
}

struct pgw_ptdesc *pt_walk_lock(const struct pt *pt, const uint64_t *item, uint64_t seen,
				uint64_t table_pa)
{
	return pt_map_lock(pt, item, seen, table_pa);
}
