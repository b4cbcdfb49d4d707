/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_LOADER_H
#define PT_LOADER_H

/*
 * How items are read. The owner's are host memory that others may be changing:
 * atomic loads, acquire, because what an entry points to is read next. The
 * reader's come in windows of some items: pointed at where the source allows
 * it, else copied, so that one evaluation sees one snapshot.
 */

#include "base/bits.h"
#include "pt/pt.h"

#define PT_WINDOW_ITEMS 64

/** Some items of a table, in a row. */
struct pt_window {
	unsigned first; /* index in the table */
	unsigned nr;
	bool readable;     /* else these items cannot be read */
	const void *items; /* reader: unaligned, little-endian; owner: uint64_t */
	uint64_t copy[PT_WINDOW_ITEMS];
};

static inline uint64_t *pt_host_table(const struct pt *pt, uint64_t table_pa)
{
	return (uint64_t *)(uintptr_t)(table_pa + pt->host_offset);
}

/*
 * The read of a window failed; nr items were wanted from pa on. Ask the source
 * where it has memory, and cut the window to what can be read or to all that
 * cannot, so that a missing table costs one step and not one an item.
 */
static PGW_NOINLINE void pt_window_load_partly(const struct pt *pt, uint64_t pa, unsigned nr,
					       struct pt_window *win)
{
	uint64_t first, last;

	win->readable = false;
	if (!pt->phys->ops->next_range(pt->phys, pa, &first, &last)) {
		win->nr = nr;
	} else if (first > pa) {
		win->nr = first - pa >= (uint64_t)nr * 8 ? nr : (unsigned)((first - pa + 7) / 8);
	} else if (last - pa < 7) {
		win->nr = 1; /* memory ends inside the item */
	} else if (last - pa < (uint64_t)win->nr * 8 - 1) {
		win->nr = (unsigned)((last - pa + 1) / 8);
		win->readable = pgw_phys_read(pt->phys, pa, win->copy, (size_t)win->nr * 8) == 0;
	}
	/* Else the source has these bytes and cannot give them. */
}

/**
 * Load a window of at most nr items from index on; at least one.
 * @param private_copy the caller wants win->items == win->copy
 */
static PGW_ALWAYS_INLINE void pt_window_load(const struct pt *pt, bool private_copy,
					     uint64_t table_pa, unsigned index, unsigned nr,
					     struct pt_window *win)
{
	uint64_t pa = table_pa + (uint64_t)index * 8;

	win->first = index;
	win->readable = true;
	if (!private_copy && pt->phys->ops->map) {
		win->nr = nr;
		win->items = pt->phys->ops->map(pt->phys, pa, (size_t)nr * 8);
		if (pgw_likely(win->items != NULL))
			return;
	}
	win->nr = nr < PT_WINDOW_ITEMS ? nr : PT_WINDOW_ITEMS;
	win->items = win->copy;
	if (pgw_unlikely(pgw_phys_read(pt->phys, pa, win->copy, (size_t)win->nr * 8) != 0))
		pt_window_load_partly(pt, pa, nr, win);
}

/** One item of the owner's. */
static PGW_ALWAYS_INLINE uint64_t pt_owner_item(const uint64_t *item)
{
	return __atomic_load_n(item, __ATOMIC_ACQUIRE);
}

/** Item i of a window. */
static PGW_ALWAYS_INLINE uint64_t pt_window_item(bool owner, const void *items, unsigned i)
{
	return owner ? pt_owner_item((const uint64_t *)items + i)
		     : load_le64((const uint8_t *)items + (size_t)i * 8);
}

/** One item by address; false if it cannot be read. */
static PGW_ALWAYS_INLINE bool pt_load_item(const struct pt *pt, bool owner, uint64_t table_pa,
					   unsigned index, uint64_t *ret)
{
	uint64_t raw;

	if (owner) {
		*ret = pt_owner_item(pt_host_table(pt, table_pa) + index);
		return true;
	}
	if (pt->phys->ops->map) {
		const void *item = pt->phys->ops->map(pt->phys, table_pa + (uint64_t)index * 8, 8);

		if (pgw_likely(item != NULL)) {
			*ret = load_le64(item);
			return true;
		}
	}
	if (pgw_phys_read(pt->phys, table_pa + (uint64_t)index * 8, &raw, sizeof(raw)))
		return false;
	*ret = load_le64(&raw);
	return true;
}

/** The index of va in a table of this level. */
static PGW_ALWAYS_INLINE unsigned pt_index(const struct pgw_geometry *geo, uint64_t va,
					   unsigned level)
{
	return (unsigned)((va >> geo->span_lg2[level]) & low_bits(geo->slots_lg2[level]));
}

#endif
