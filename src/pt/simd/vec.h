/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_VEC_H
#define PT_VEC_H

/*
 * Questions about many items at once, answered with the vector registers that
 * the platform allows, or in plain C. The items are aligned host words that
 * others may be changing: a vector load reads each of its words whole, as an
 * aligned word is on the architectures that have one here, and every answer is
 * made from one look at each word, but for spread()'s.
 */

#include <stdint.h>

#include <pagewalk/scan.h>

/** Items in a row, short runs of which are to become extents. */
struct pt_vec_row {
	const uint64_t *items;
	unsigned nr; /* items */
	unsigned i;  /* the first item of the next run */
	uint64_t va; /* of item 0 */
	unsigned granule_lg2;
	unsigned pa_shift;
	uint64_t step;  /* from an item to the next of a run */
	uint64_t known; /* items that have these bits of fixed ... */
	uint64_t fixed;
	uint64_t pa;   /* ... map to this and the item, shifted left, */
	uint64_t tail; /* and have this in the last eight bytes of an extent */
	/* Of spread(): bit n: item from + n ends a run. 0 at first */
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
	 * Make extents of short runs of items like known, as long as there are: 64 items with the
	 * one after them are looked at at once. What becomes an extent is one more look at its first
	 * item; where that is not like known any more, none of the 64 do. Pre: row->nr > 64.
	 * NULL: nothing is faster than any other code.
	 * @return extents; if fewer than max, the row has no more
	 */
	unsigned (*spread)(struct pt_vec_row *row, struct pgw_extent *ret, unsigned max);
};

/** @param cpu_features of struct pgw_platform; what this build does not know is ignored */
const struct pt_vec *pt_vec_choose(uint32_t cpu_features);

#endif
