/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TABLE_LOCK_H
#define PT_TABLE_LOCK_H

/*
 * The lock of one owned table's items (Linux: ptl), in its ptdesc. Order: a
 * table's before that of a table below it.
 */

#include "base/mutex.h"
#include "pt/read/loader.h"

static PGW_ALWAYS_INLINE struct pgw_ptdesc *pt_table_desc(const struct pt *pt, uint64_t table_pa)
{
	return pt->platform->table_desc(pt->platform->ctx, pt_host_table(pt, table_pa));
}

static PGW_ALWAYS_INLINE void pt_table_lock(const struct pt *pt, struct pgw_ptdesc *desc)
{
	mutex_lock(&desc->lock, pt->platform);
}

static PGW_ALWAYS_INLINE void pt_table_unlock(const struct pt *pt, struct pgw_ptdesc *desc)
{
	mutex_unlock(&desc->lock, pt->platform);
}

/*
 * Lock the lowest table that a live slot points to, by the entry that was read
 * there (Linux: pte_offset_map_lock()). The caller is a reader, so the table
 * exists; whether it still is the slot's is asked again with its lock held:
 * who unlinks it holds that lock too.
 * @return NULL: the slot has changed, evaluate it again
 */
static inline struct pgw_ptdesc *pt_map_lock(const struct pt *pt, const uint64_t *item,
					     uint64_t seen, uint64_t table_pa)
{
	const struct pgw_platform *platform = pt->platform;
	struct pgw_ptdesc *desc = pt_table_desc(pt, table_pa);

	if (pgw_unlikely(platform->step != NULL))
		platform->step(platform->ctx, PGW_STEP_PTE_MAPPED, pt->mm);
	pt_table_lock(pt, desc);
	if (pgw_unlikely(platform->step != NULL))
		platform->step(platform->ctx, PGW_STEP_PTE_LOCKED, pt->mm);
	if (pgw_likely(pt_owner_item(item) == seen && !desc->detached))
		return desc;
	pt_table_unlock(pt, desc);
	return NULL;
}

#endif
