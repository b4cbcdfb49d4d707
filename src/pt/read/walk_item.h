/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_WALK_ITEM_H
#define PT_WALK_ITEM_H

/*
 * What a walk does to slots of owned tables. The same for all formats, and
 * rare enough to be called: it is compiled once, and keeps the templates small.
 */

#include "pt/edit/table_lock.h"

/**
 * A malformed entry in a slot of this table becomes empty, by compare-and-swap.
 * @return false: the slot holds something else by now
 */
bool pt_walk_clear(const struct pt *pt, uint64_t table_pa, uint64_t *item, uint64_t seen);

/**
 * Split the leaf or run in the slot of va, in this table of this level, one level down, if
 * that is what it still holds. The caller has to look at the slot again.
 * @return 0 or -PGW_ENOMEM
 */
int pt_walk_split(const struct pt *pt, uint64_t table_pa, unsigned level, uint64_t va);

/** pt_map_lock(), called. */
struct pgw_ptdesc *pt_walk_lock(const struct pt *pt, const uint64_t *item, uint64_t seen,
				uint64_t table_pa);

#endif
