/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_FOLD_H
#define ANALYSIS_FOLD_H

/*
 * What repeats, told once. A scan says where a subtree begins and ends that is there several
 * times; here the ranges in it are counted as often as they are there, and reported with all their
 * repeats, from the innermost on. The same leaf, or absent entry, again and again at equal distances repeats too.
 *
 * Memory does not grow with what comes: the sums of each subtree that is open, and one range.
 */

#include <pagewalk/analysis.h>

/** What is in a stretch of addresses, every copy counted. */
struct fold_sum {
	uint64_t nr_ranges; /* of leaves */
	uint64_t nr_leaves;
	uint64_t bytes;
	uint64_t level_leaves[PGW_MAX_LEVELS];
	uint64_t nr_unreadable; /* ranges */
	uint64_t nr_absent;     /* entries */
	bool has_any;
	struct pgw_extent first, last; /* ranges, if there are any */
};

/** A subtree that repeats. */
struct fold_open {
	struct pgw_repeat by;
	struct fold_sum sum; /* of one copy */
};

/** Gets an extent and how it repeats; not 0 ends all. */
typedef int fold_report_fn(const struct pgw_extent *extent, const struct pgw_repeats *repeats,
			   void *arg);

struct fold {
	const uint64_t *attr_mask; /* by level: the bits of an entry that can be seen */
	fold_report_fn *fn;
	void *arg;
	/* A range that was not reported yet, and how often it was there at equal distances: 0: none. */
	struct pgw_extent held;
	struct pgw_repeat held_by;
	unsigned depth;
	struct fold_open open[PGW_MAX_LEVELS + 1]; /* [0]: all */
};

/** Does b go on where a ends, in va, in pa and in all that can be seen? */
bool fold_continues(const uint64_t *attr_mask, const struct pgw_extent *a,
		    const struct pgw_extent *b);

/** A range, in ascending order. @return 0 or fn's value, as the others */
int fold_add(struct fold *fold, const struct pgw_extent *extent);
int fold_begin(struct fold *fold, uint64_t nr, uint64_t step);
int fold_end(struct fold *fold);
/** Report what is held back. */
int fold_flush(struct fold *fold);
/** Close what is open, if fn ended all, and give the sum. */
const struct fold_sum *fold_finish(struct fold *fold);

#endif
