/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include "analysis/look.h"
#include "base/bits.h"

/* What a huge leaf would span: some of it is mapped by smaller ones. */
struct window {
	bool is_open;
	uint64_t va;
	uint64_t bytes;
	uint64_t first_pa, next_pa;
	uint64_t entry;
	uint8_t rights;
	bool differs, is_scattered;
};

struct areas {
	uint64_t mask[PGW_MAX_LEVELS];
	uint64_t span; /* of a huge leaf */
	const struct pgw_stats_area *area;
	struct window window;
	struct pgw_stats_areas *ret;
};

/* What is in the way, of several the first: whoever owns the area cannot change what comes before. */
static enum pgw_huge_bar window_bar(const struct areas *a)
{
	const struct pgw_stats_area *area = a->area;
	const struct window *window = &a->window;

	if (window->va < area->start || window->va + a->span - 1 > area->end - 1)
		return PGW_HUGE_AREA;
	if (area->has_file && (area->start - area->offset) & (a->span - 1))
		return PGW_HUGE_ALIGNMENT;
	if (window->bytes < a->span)
		return PGW_HUGE_HOLES;
	if (window->differs)
		return PGW_HUGE_RIGHTS;
	if (window->is_scattered)
		return PGW_HUGE_SCATTERED;
	return window->first_pa & (a->span - 1) ? PGW_HUGE_ALIGNMENT : PGW_HUGE_POSSIBLE;
}

static void window_close(struct areas *a)
{
	struct pgw_stats_bar *bar = &a->ret->bar[window_bar(a)];

	if (!a->window.is_open)
		return;
	bar->nr_tables++;
	bar->bytes += a->window.bytes;
	a->window.is_open = false;
}

/* Bytes of small leaves from va on, all in one window. */
static void window_add(struct areas *a, const struct pgw_extent *extent, uint64_t va,
		       uint64_t bytes)
{
	struct window *window = &a->window;
	uint64_t pa = extent->pa + (va - extent->va_first);

	if (!window->is_open || window->va != (va & ~(a->span - 1))) {
		window_close(a);
		*window = (struct window){
			.is_open = true,
			.va = va & ~(a->span - 1),
			.first_pa = pa,
			.next_pa = pa,
			.entry = extent->entry,
			.rights = extent->rights,
		};
	}
	window->differs |= window->rights != extent->rights ||
			   ((window->entry ^ extent->entry) & a->mask[extent->level]) != 0;
	window->is_scattered |= window->next_pa != pa;
	window->next_pa = pa + bytes;
	window->bytes += bytes;
}

static int areas_extent(const struct pgw_extent *extent, void *arg)
{
	struct areas *a = (struct areas *)arg;
	uint64_t va = extent->va_first;

	if (extent->kind != PGW_ENTRY_LEAF)
		return 0;
	a->ret->mapped_bytes += extent->va_last - va + 1;
	if (UINT64_C(1) << extent->leaf_lg2 >= a->span) {
		a->ret->huge_bytes += extent->va_last - va + 1;
		return 0;
	}
	while (va <= extent->va_last) {
		uint64_t last = va | (a->span - 1);

		if (last > extent->va_last)
			last = extent->va_last;
		window_add(a, extent, va, last - va + 1);
		if (last == UINT64_MAX)
			break;
		va = last + 1;
	}
	return 0;
}

int pgw_stats_areas(struct pgw_mm *mm, const struct pgw_stats_area *areas, size_t nr,
		    struct pgw_stats_areas *ret)
{
	const struct pgw_geometry *geo = pgw_format_geometry(pgw_mm_format(mm));
	struct areas a = { .ret = ret };
	struct pgw_scan_stats stats;
	struct pgw_scan_part part;
	uint64_t budget = pgw_mm_budget(mm);
	int status = 0;

	*ret = (struct pgw_stats_areas){ 0 };
	if (geo->top_level && geo->leaf_sizes >> geo->span_lg2[1] & 1)
		ret->huge_size = BIT(geo->span_lg2[1]);
	/* Where there are none, all that is mapped is in a window that no leaf can be of. */
	a.span = ret->huge_size ? ret->huge_size : BIT(63);
	look_masks(pgw_mm_format(mm), a.mask);
	for (size_t i = 0; i < nr && !status; i++) {
		if (areas[i].start >= areas[i].end)
			return -PGW_EINVAL;
		a.area = &areas[i];
		part = (struct pgw_scan_part){ areas[i].start, areas[i].end - 1, 0 };
		ret->bytes += areas[i].end - areas[i].start;
		/* A budget of UINT64_MAX is any, and stays so. */
		status = pgw_scan_part(mm, &part, budget, areas_extent, &a, &stats);
		budget -= budget == UINT64_MAX ? 0 : stats.nr_tables;
		ret->nr_visits += stats.nr_tables;
		window_close(&a);
	}
	return status;
}
