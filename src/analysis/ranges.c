/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/ranges.h"

#include <stdlib.h>

int ranges_add(struct ranges *ranges, uint64_t first, uint64_t last)
{
	if (ranges->nr == ranges->max) {
		size_t max = ranges->max ? ranges->max * 2 : 64;
		void *grown = reallocarray(ranges->list, max, sizeof(ranges->list[0]));

		if (!grown)
			return -PGW_ENOMEM;
		ranges->list = grown;
		ranges->max = max;
	}
	ranges->list[ranges->nr++] = (struct pgw_pa_range){ first, last };
	return 0;
}

static int range_compare(const void *a, const void *b)
{
	const struct pgw_pa_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void ranges_sort(struct ranges *ranges)
{
	size_t nr = 0;

	if (ranges->nr)
		qsort(ranges->list, ranges->nr, sizeof(ranges->list[0]), range_compare);
	for (size_t i = 0; i < ranges->nr; i++) {
		struct pgw_pa_range *from = &ranges->list[i];
		struct pgw_pa_range *to = nr ? &ranges->list[nr - 1] : NULL;

		if (!to || (to->last != UINT64_MAX && from->first > to->last + 1))
			ranges->list[nr++] = *from;
		else if (to->last < from->last)
			to->last = from->last;
	}
	ranges->nr = nr;
}

const struct pgw_pa_range *ranges_next(const struct ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->list[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ranges->nr ? &ranges->list[low] : NULL;
}

bool ranges_cover(const struct ranges *ranges, uint64_t first, uint64_t last)
{
	const struct pgw_pa_range *range = ranges_next(ranges, first);

	return range && range->first <= first && range->last >= last;
}

bool ranges_meet(const struct ranges *ranges, uint64_t first, uint64_t last)
{
	const struct pgw_pa_range *range = ranges_next(ranges, first);

	return range && range->first <= last;
}

/* Add to left what of a range is in none of the others. */
static int range_rest(struct ranges *left, const struct pgw_pa_range *range,
		      const struct ranges *others, uint64_t granule)
{
	uint64_t at = range->first, in_granule = granule - 1;

	for (;;) {
		const struct pgw_pa_range *other = ranges_next(others, at & ~in_granule);
		uint64_t first = other ? other->first & ~in_granule : 0;
		int status;

		if (!other || first > range->last)
			return ranges_add(left, at, range->last);
		status = first > at ? ranges_add(left, at, first - 1) : 0;
		if (status || (other->last | in_granule) >= range->last)
			return status;
		at = (other->last | in_granule) + 1;
	}
}

int ranges_take_away(struct ranges *ranges, const struct ranges *others, uint64_t granule)
{
	struct ranges left = { 0 };
	int status = 0;

	for (size_t i = 0; i < ranges->nr && !status; i++)
		status = range_rest(&left, &ranges->list[i], others, granule);
	ranges_fini(status ? &left : ranges);
	if (!status)
		*ranges = left;
	return status;
}

void ranges_fini(struct ranges *ranges)
{
	free(ranges->list);
	*ranges = (struct ranges){ 0 };
}
