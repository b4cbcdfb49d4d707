/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_VEC_H
#define PT_VEC_H

/*
 * Questions about many items at once, answered with the vector registers that
 * the platform allows, or in plain C. The items are aligned host words that
 * others may be changing. A vector load reads each word whole: the architectures that
 * have a vector unit here do so with aligned words. Each answer is made from one
 * look at each word; only spread() looks twice.
 */

#include <stdint.h>

#include <pagewalk/scan.h>

/**
 * Items of a lowest table whose short runs are to become extents, and what is known of those
 * that are alike: (item ^ known) & fixed == 0 means that the item is a leaf of one page, which lies
 * at pa + (item << pa_shift), and that its extent ends with tail. Items of another kind are the
 * caller's.
 *
 * An example: Sv39, whose items are a page's number << 10 and flags (0xcf). known is 0x200040cf,
 * a leaf at 0x80010000, so that pa is 0x80010000 - (0x200040cf << 2), which is -0x33c;
 * fixed has all bits but 53:10, pa_shift is 2, step is 0x400 and va is 0x40000000.
 *
 *     item    0          1          2          3          4
 *             200040cf   200044cf   200000cf   20000ccf   200010cf ...
 *
 * Item 1 is item 0 and step, and 4 is 3 and step: so 1, 2 and, say, 4 end a run. Out come
 *
 *     va_first   va_last    pa          entry      the rest
 *     40000000   40001fff   80010000    200040cf   tail
 *     40002000   40002fff   80000000    200000cf   tail
 *     40003000   40004fff   80003000    20000ccf   tail
 */
struct pt_vec_row {
	const uint64_t *items;
	unsigned nr; /* items */
	unsigned granule_lg2, pa_shift;
	uint64_t va;   /* of item 0 */
	uint64_t step; /* from an item to the next of a run */
	uint64_t known, fixed;
	uint64_t pa;
	uint64_t tail; /* the last eight bytes of each extent: kind, level, leaf_lg2, rights */
};

/** How far a row was looked through. Begins as { .i = the first item }. */
struct pt_vec_at {
	unsigned i; /* the first item of the next run */
	/* spread()'s: bit n of ends says that item from + n ends a run; 0 if it has to look again. */
	unsigned from;
	uint64_t ends;
};

struct pt_vec {
	/** How many of nr items, from the first on, are 0? */
	unsigned (*zeros)(const uint64_t *items, unsigned nr);
	/** How many of nr items, from the first on, are entry, entry + step, entry + 2 * step, ...? */
	unsigned (*run)(const uint64_t *items, unsigned nr, uint64_t entry, uint64_t step);
	/**
	 * Where do 64 pairs of neighbours (65 items) break? Bit i: item i + 1 does not
	 * follow item i by step with the same bits of mask, and not both are 0.
	 */
	uint64_t (*breaks)(const uint64_t *items, uint64_t step, uint64_t mask);
	/**
	 * Make extents of the row's runs, from at->i on, while all items are like row->known: those
	 * of 64 items, with the one after them, are looked for at once. An extent is made
	 * of one more look at its first item; if that is not like known any more, the 64 items
	 * yield no extents. Pre: row->nr > 64. NULL: no faster than the plain way.
	 * @return extents; if fewer than max, the row has no more
	 */
	unsigned (*spread)(const struct pt_vec_row *row, struct pt_vec_at *at,
			   struct pgw_extent *ret, unsigned max);
};

/** @param cpu_features of struct pgw_platform; what this build does not know is ignored */
const struct pt_vec *pt_vec_choose(uint32_t cpu_features);

#endif
