/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/walk_item.h"

#include "pt/read/gather.h"

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
