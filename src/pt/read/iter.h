/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_ITER_H
#define PT_ITER_H

/*
 * The entries of one table, one after the other, of any format: for all that goes over tables
 * and is not the bulk path. Searches for roots, visits of each table once, and cuts of a scan
 * descend with one of these a level.
 *
 *	struct pt_iter it;
 *
 *	pt_iter_begin(&it, pt, table_pa, level, 0, nr_slots);
 *	while (pt_iter_next(&it)) {
 *		if (it.nr_unreadable)
 *			...
 *		pt_iter_decode(&it, &entry);
 *	}
 *
 * Where a table can be pointed at it is looked at in place; else some of its items are copied at
 * once, so that a big table takes no more of the stack than a small one.
 */

#include "pt/read/loader.h"

struct pt_iter {
	const struct pt *pt;
	uint64_t table_pa;
	unsigned level;
	/* Where it stands. */
	unsigned slot;
	uint64_t entry; /* in that slot, not a 0 that stands for nothing; 0 if it cannot be read */
	unsigned nr_unreadable; /* not 0: so many slots from that one on cannot be read */
	/* The rest is its own. */
	bool skips_zeros;
	unsigned next, end; /* slots that are still to be looked at: end - next */
	unsigned nr_items;  /* that are at hand from next on */
	const uint64_t *items;
	struct pt_window window;
};

/**
 * Stand before slot first of a table, and end after nr slots.
 * @param pt constant meanwhile; prepared, or from pt_reader_init()
 */
void pt_iter_begin(struct pt_iter *it, const struct pt *pt, uint64_t table_pa, unsigned level,
		   unsigned first, unsigned nr);

/**
 * Go on to the next slot whose item is not a 0 that stands for nothing, or to the next row of
 * slots that cannot be read. Other entries that stand for nothing are met: see pt_iter_decode().
 * @return false: there is none
 */
bool pt_iter_next(struct pt_iter *it);

/** What the entry means. Pre: it can be read. */
void pt_iter_decode(const struct pt_iter *it, struct pgw_entry *ret);

/**
 * Is the entry a table, where, and of which level? The same as decoding, but mostly two comparisons. Of
 * formats where these do not tell (EPT, VT-d, s390x), tables that restrict something are passed over.
 * Pre: pt is prepared, and the entry can be read.
 */
bool pt_iter_table(const struct pt_iter *it, uint64_t *ret_pa, unsigned *ret_level);

#endif
