/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_LIVE_H
#define PT_LIVE_H

/*
 * Reading the tables of a machine that runs. Nothing keeps a table where it is, and none of its
 * items what it is; so items are copied, and then asked about once more: does the item that led here
 * still say what it said, and are these still the same? If the source's generation has not
 * changed meanwhile, nothing has. What does not hold still is tried again, a few times, and then called torn.
 *
 * What is taken is thus what its tables said at one moment, each with the one above it; two
 * tables may be of different moments.
 */

#include "pt/pt.h"

/** The item that led to a table, and what it said. item_pa 0 and entry 0: a root's. */
struct pt_parent {
	uint64_t item_pa;
	uint64_t entry;
};

enum pt_copied {
	PT_COPIED,
	PT_COPIED_NOT,  /* they cannot be read */
	PT_COPIED_TORN, /* they change, or the table has gone */
};

/**
 * pt_copy_items() of a live machine.
 * @param ret_nr how many items the answer is about
 */
enum pt_copied pt_copy_live(const struct pt *pt, uint64_t pa, unsigned nr, uint64_t *copy,
			    const struct pt_parent *parent, unsigned *ret_nr);

/** translate() of struct pt_ops of a live machine: the way must still be there at its end. */
int pt_translate_live(const struct pt *pt, uint64_t va, struct pgw_translation *ret,
		      struct pgw_path *path);

#endif
