/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_RANGES_H
#define ANALYSIS_RANGES_H

/* A set of addresses, as ranges: first all are added, then they are sorted, then asked. */

#include <pagewalk/image.h>

struct ranges {
	struct pgw_pa_range *list;
	size_t nr, max;
};

/* @return 0 or -PGW_ENOMEM */
int ranges_add(struct ranges *ranges, uint64_t first, uint64_t last);

/* Sort, and make one of those that overlap or touch. */
void ranges_sort(struct ranges *ranges);

/* Pre: sorted. The first one that ends at or above the address; NULL: there is none. */
const struct pgw_pa_range *ranges_next(const struct ranges *ranges, uint64_t address);

/* Pre: sorted. Is the whole of it in the set? */
bool ranges_cover(const struct ranges *ranges, uint64_t first, uint64_t last);

/* Pre: sorted. Is any of it? */
bool ranges_meet(const struct ranges *ranges, uint64_t first, uint64_t last);

/*
 * Pre: both sorted. Take others away, each widened to whole multiples of a power of two.
 * @return 0 or -PGW_ENOMEM (then the set is as it was)
 */
int ranges_take_away(struct ranges *ranges, const struct ranges *others, uint64_t granule);

void ranges_fini(struct ranges *ranges);

#endif
