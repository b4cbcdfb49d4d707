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
#include "pt/pt.h"

#define PT_WINDOW_ITEMS 64

/* Of the format that includes this. */
#define PT_SPAN_LG2(level) (PT_GRANULE_LG2 + PT_SLOTS_LG2 * (level))

/** Some items of a foreign table, in a row; little-endian. */
struct pt_window {
	unsigned first; /* index in the table */
	unsigned nr;
	bool readable;     /* else these items cannot be read */
	const void *items; /* may be unaligned */
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
	uint64_t entry = __atomic_load_n(item, __ATOMIC_ACQUIRE);

#ifdef pt_frozen /* compiled for a format */
	while (pgw_unlikely(pt_frozen() && entry == pt_frozen()))
		entry = __atomic_load_n(item, __ATOMIC_ACQUIRE);
#endif
	return entry;
}

/**
 * The read of *nr items failed. Ask the source where it has memory, and cut
 * them to what can be read or to all that cannot, so that a missing table costs
 * one step and not one an item. Rare, so compiled once for all formats.
 * @param wanted how many there are to read at all
 * @return they were read; else *nr of them cannot be
 */
bool pt_copy_partly(const struct pt *pt, uint64_t pa, unsigned wanted, uint64_t *copy,
		    unsigned *nr);

/**
 * Copy items from pa on, at most nr and at most max, at least one.
 * @param ret_nr how many it were, or how many cannot be read
 */
static PGW_ALWAYS_INLINE bool pt_copy_items(const struct pt *pt, uint64_t pa, unsigned nr,
					    uint64_t *copy, unsigned max, unsigned *ret_nr)
{
	*ret_nr = nr < max ? nr : max;
	return pgw_likely(pgw_phys_read(pt->phys, pa, copy, (size_t)*ret_nr * 8) == 0) ||
	       pt_copy_partly(pt, pa, nr, copy, ret_nr);
}

/** Copied items, as words of the host: for who looks at them as such. */
static PGW_ALWAYS_INLINE void pt_items_to_host(uint64_t *copy, unsigned nr)
{
	for (unsigned i = 0; __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && i < nr; i++)
		copy[i] = load_le64(&copy[i]);
}

/**
 * Load a window of at most nr items from index on; at least one.
 * @param private_copy the caller wants win->items == win->copy
 */
void pt_window_load(const struct pt *pt, bool private_copy, uint64_t table_pa, unsigned index,
		    unsigned nr, struct pt_window *win);

/** Item i of a window. */
static PGW_ALWAYS_INLINE uint64_t pt_window_item(bool owner, const void *items, unsigned i)
{
	return owner ? pt_owner_item((const uint64_t *)items + i)
		     : load_le64((const uint8_t *)items + (size_t)i * 8);
}

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
	return __atomic_load_n(item, __ATOMIC_RELAXED);
}

/** The same, if it is. */
static PGW_ALWAYS_INLINE uint64_t pt_near_entry(const uint64_t *item)
{
	return __atomic_load_n(item, __ATOMIC_ACQUIRE);
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

/** One item by address; false if it cannot be read. */
static PGW_ALWAYS_INLINE bool pt_load_item(const struct pt *pt, uint64_t table_pa, unsigned index,
					   uint64_t *ret)
{
	uint64_t raw;

	if (!pt->phys) {
		*ret = pt_owner_item(pt_host_table(pt, table_pa) + index);
		return true;
	}
	if (pgw_phys_read(pt->phys, table_pa + (uint64_t)index * 8, &raw, sizeof(raw)))
		return false;
	*ret = load_le64(&raw);
	return true;
}

#endif
