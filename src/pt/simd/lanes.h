/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_LANES_H
#define PT_LANES_H

/*
 * Sixteen translations side by side in vector registers, of any format whose addresses
 * are simple (struct pt_env, addr_mask). They go down as long as all sixteen meet tables
 * that can be pointed at, and then leaves of one item. Where one meets something else, the
 * format's template (tmpl_batch.h) goes on from that level, and looks at those items anew. A result
 * is made of one atomic load of each item.
 */

#include "pt/pt.h"

#define PT_LANES 16

/** The way to an address: the tables that it went through, from the top to level. */
struct pt_way {
	uint64_t va;
	uint64_t acc_keep; /* pt_acc_keep(), which is the same on the whole way */
	unsigned level;
	uint64_t table_pa[PGW_MAX_LEVELS];
	pt_acc_t acc[PGW_MAX_LEVELS];
};

/** How far they came. */
struct pt_lanes {
	bool is_done;     /* all are at their leaves, else before their items of this level */
	bool same_rights; /* done: all have the acc and the leaf's env->rights_mask of the first */
	unsigned level;
	uint64_t item_pa[PT_LANES]; /* not done */
	uint64_t entry[PT_LANES];   /* done */
	pt_acc_t acc[PT_LANES];
};

struct pt_lanes_ops {
	/**
	 * Begin at the lowest table that the way and all addresses have in common.
	 * @param way in: of any address; out: of the last one, as far as they came
	 */
	void (*descend)(const struct pt *pt, const uint64_t *va, struct pt_way *way,
			struct pt_lanes *ret);
	/**
	 * Write the results of lanes that are done.
	 * @param head of each result, or of all if they have the same rights: the bytes before the pa
	 */
	void (*store)(const struct pt *pt, const uint64_t *va, const struct pt_lanes *lanes,
		      const uint64_t *head, struct pgw_translation *ret);
};

/** For a tree that is prepared otherwise. @return NULL: not for this build, this CPU or this tree */
const struct pt_lanes_ops *pt_lanes_choose(const struct pt *pt, uint32_t cpu_features);

/** Shorten the way to the lowest table that has all addresses in it that differ from its own in these bits. */
static PGW_ALWAYS_INLINE void pt_way_shorten(const struct pt *pt, struct pt_way *way,
					     uint64_t differ)
{
	const struct pgw_geometry *geo = &pt->format->geometry;

	while (way->level < geo->top_level && differ >> geo->span_lg2[way->level + 1])
		way->level++;
}

#endif
