/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include "analysis/direct_map.h"
#include "analysis/look.h"
#include "base/bits.h"

struct direct {
	const struct pgw_mm *mm;
	const struct pgw_geometry *geo;
	uint64_t mask[PGW_MAX_LEVELS];
	struct pgw_stats_direct *ret;
	struct pgw_extent last; /* the piece before */
	/* The slot of the level above that smaller leaves are in. */
	struct {
		bool is_open;
		uint64_t va;
		uint64_t bytes;
		uint8_t rights;
		uint64_t entry;
		bool differs;
	} slot;
};

static bool has_same_look(const struct direct *d, uint8_t rights, uint64_t entry,
			  const struct pgw_extent *extent)
{
	return rights == extent->rights && ((entry ^ extent->entry) & d->mask[extent->level]) == 0;
}

static void bar_add(struct direct *d, enum pgw_huge_bar bar, uint64_t nr, uint64_t bytes)
{
	d->ret->bar[bar].nr_tables += nr;
	d->ret->bar[bar].bytes += bytes;
}

static void slot_close(struct direct *d)
{
	if (!d->slot.is_open)
		return;
	bar_add(d,
		d->slot.bytes < BIT(d->geo->span_lg2[1]) ? PGW_HUGE_HOLES
		: d->slot.differs                        ? PGW_HUGE_RIGHTS
							 : PGW_HUGE_POSSIBLE,
		1, d->slot.bytes);
	d->slot.is_open = false;
}

/* Bytes of small leaves that lie in the slot at va. */
static void slot_add(struct direct *d, const struct pgw_extent *extent, uint64_t va, uint64_t bytes)
{
	if (!d->slot.is_open || d->slot.va != va) {
		slot_close(d);
		d->slot.is_open = true;
		d->slot.va = va;
		d->slot.bytes = 0;
		d->slot.rights = extent->rights;
		d->slot.entry = extent->entry;
		d->slot.differs = false;
	}
	d->slot.bytes += bytes;
	d->slot.differs |= !has_same_look(d, d->slot.rights, d->slot.entry, extent);
}

/* Of a long run, only the first and the last slot may have something else beside it. */
static void slots_add(struct direct *d, const struct pgw_extent *extent)
{
	uint64_t span = BIT(d->geo->span_lg2[1]), in_slot = span - 1;
	uint64_t first = extent->va_first & ~in_slot, last = extent->va_last & ~in_slot;

	if (first == last) {
		slot_add(d, extent, first, extent->va_last - extent->va_first + 1);
		return;
	}
	slot_add(d, extent, first, span - (extent->va_first & in_slot));
	slot_close(d);
	bar_add(d, PGW_HUGE_POSSIBLE, (last - first) / span - 1, last - first - span);
	slot_add(d, extent, last, (extent->va_last & in_slot) + 1);
}

static int direct_add(const struct pgw_extent *extent, void *arg)
{
	struct direct *d = (struct direct *)arg;
	struct pgw_stats_direct *ret = d->ret;
	uint64_t size = extent->va_last - extent->va_first + 1;

	if (extent->kind != PGW_ENTRY_LEAF || extent->va_first - extent->pa != ret->distance)
		return 0;
	if (!ret->bytes)
		ret->va_first = extent->va_first;
	if (!ret->bytes || extent->va_first != d->last.va_last + 1 ||
	    d->last.rights != extent->rights ||
	    (d->last.level == extent->level &&
	     !has_same_look(d, d->last.rights, d->last.entry, extent)))
		ret->nr_runs++;
	ret->va_last = extent->va_last;
	ret->bytes += size;
	ret->leaf_bytes[extent->leaf_lg2] += size;
	ret->rights_bytes[extent->rights & 7] += size;
	if (extent->level == 0 && d->geo->leaf_sizes >> d->geo->span_lg2[1] & 1)
		slots_add(d, extent);
	d->last = *extent;
	return 0;
}

int pgw_stats_direct(const struct pgw_image *image, struct pgw_mm *mm, struct pgw_stats_direct *ret)
{
	struct direct d = {
		.mm = mm,
		.geo = pgw_format_geometry(pgw_mm_format(mm)),
		.ret = ret,
	};
	struct direct_map map;
	uint64_t first, last;
	int status = direct_map_find(image, mm, &map);

	*ret = (struct pgw_stats_direct){ .is_found = map.is_found, .distance = map.distance };
	if (status || !map.is_found)
		return status;
	look_masks(pgw_mm_format(mm), d.mask);
	pgw_format_region_range(pgw_mm_format(mm), pgw_mm_region(mm)->kind, &first, &last);
	status = pgw_scan_extents(mm, first, last, direct_add, &d);
	slot_close(&d);
	return status;
}
