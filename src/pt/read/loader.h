/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_LOADER_H
#define PT_LOADER_H

/*
 * How items are read. The owner's are host memory that others may be changing:
 * atomic loads, acquire, because what an entry points to is read next. The
 * reader's are looked at in the same way where the source can point at them,
 * else in copies of some items, so that one evaluation sees one snapshot.
 */

#include "base/bits.h"
#include "base/step.h"
#include "pt/pt.h"
#include "pt/read/live.h"

#define PT_WINDOW_ITEMS 64

/** Some entries of a foreign table, in a row. */
struct pt_window {
	unsigned first; /* index in the table */
	unsigned nr;
	bool readable; /* else these items cannot be read */
	bool torn;     /* ... because they change (read/live.h) */
	uint64_t copy[PT_WINDOW_ITEMS];
};

static inline uint64_t *pt_host_table(const struct pt *pt, uint64_t table_pa)
{
	return (uint64_t *)(uintptr_t)(table_pa + pt->host_offset);
}

/**
 * One item of the owner's. A frozen one (break-before-make) is waited for, so
 * that nobody takes it for a hole; in formats that never freeze that is nothing.
 */
static PGW_ALWAYS_INLINE uint64_t pt_owner_item(const uint64_t *item)
{
	uint64_t entry = step_load_n(item, __ATOMIC_ACQUIRE);

#ifdef pt_frozen /* compiled for a format */
	while (pgw_unlikely(pt_frozen() && entry == pt_frozen()))
		entry = step_load_n(item, __ATOMIC_ACQUIRE);
#endif
	return entry;
}

/** The address of an item. */
static PGW_ALWAYS_INLINE uint64_t pt_item_pa(const struct pgw_geometry *geo, uint64_t table_pa,
					     unsigned index)
{
	return table_pa + ((uint64_t)index << geo->item_lg2);
}

/** Bytes of so many items. */
static PGW_ALWAYS_INLINE size_t pt_items_size(const struct pgw_geometry *geo, unsigned nr)
{
	return (size_t)nr << geo->item_lg2;
}

/**
 * Copy items from pa on as entries, at most nr and at most max, at least one.
 * @param ret_nr how many it were, or how many cannot be read
 */
bool pt_copy_items(const struct pt *pt, uint64_t pa, unsigned nr, uint64_t *copy, unsigned max,
		   unsigned *ret_nr);

/**
 * The read of *nr items failed, of wanted that there are to read at all. Reads what can be read of them.
 * @return these *nr were read, as they are; else *nr of the wanted cannot be
 */
bool pt_copy_partly(const struct pt *pt, uint64_t pa, unsigned wanted, uint64_t *copy,
		    unsigned *nr);

/** Are entries what pgw_phys_read() gives: words of the host, which do not change? */
static PGW_ALWAYS_INLINE bool pt_is_read_plainly(const struct pt *pt)
{
	return pt->is_native && !pt->is_live;
}

/** Load a window of at most nr items from index on; at least one. */
void pt_window_load(const struct pt *pt, uint64_t table_pa, const struct pt_parent *parent,
		    unsigned index, unsigned nr, struct pt_window *win);

/** All of bytes from pa on, not 0, can be pointed at. */
static PGW_ALWAYS_INLINE bool pt_is_near(const struct pt *pt, uint64_t pa, uint64_t bytes)
{
	uint64_t offset = pa - pt->near_first;

	return offset < pt->near_size && bytes <= pt->near_size - offset;
}

static PGW_ALWAYS_INLINE const uint64_t *pt_near_items(const struct pt *pt, uint64_t pa)
{
	return (const uint64_t *)(uintptr_t)(pa + pt->near_offset);
}

/** An item that can be pointed at, if what it points to is not looked at. May be frozen. */
static PGW_ALWAYS_INLINE uint64_t pt_near_item(const uint64_t *item)
{
	return step_load_n(item, __ATOMIC_RELAXED);
}

/** The same, if it is. */
static PGW_ALWAYS_INLINE uint64_t pt_near_entry(const uint64_t *item)
{
	return step_load_n(item, __ATOMIC_ACQUIRE);
}

/**
 * The owner's item is being changed, break before make: it is no hole. Asked only
 * of what looks like one.
 */
static PGW_ALWAYS_INLINE bool pt_is_frozen(const struct pt *pt, uint64_t entry)
{
#ifdef pt_frozen /* compiled for a format */
	return pt_frozen() && entry == pt_frozen() && !pt->phys;
#else
	(void)pt, (void)entry;
	return false;
#endif
}

/** An item of the reader's that is no word of the host. Slow for other reasons: compiled once. */
bool pt_load_far(const struct pt *pt, uint64_t item_pa, uint64_t *ret);

/** The entry of one item of the reader's; false if it cannot be read. */
static PGW_ALWAYS_INLINE bool pt_load_foreign(const struct pt *pt, uint64_t item_pa, uint64_t *ret)
{
	if (pgw_likely(pt->is_native))
		return pgw_phys_read(pt->phys, item_pa, ret, sizeof(*ret)) == 0;
	return pt_load_far(pt, item_pa, ret);
}

/** The same of the owner's, too. */
static PGW_ALWAYS_INLINE bool pt_load_item(const struct pt *pt, uint64_t item_pa, uint64_t *ret)
{
	if (pt->phys)
		return pt_load_foreign(pt, item_pa, ret);
	*ret = pt_owner_item(pt_host_table(pt, item_pa));
	return true;
}

#endif
