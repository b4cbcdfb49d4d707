/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/direct_map.h"

#include <stdlib.h>

#include <pagewalk/scan.h>

#include "base/bits.h"

/* Distances that may be compared: vmalloc and the like have many, which run over few pages. */
#define MAX_DISTANCES 4096
/* Shorter pieces say nothing: so many leaves of the smallest size. */
#define PIECE_LG2 4

struct distance {
	uint64_t distance;
	uint64_t bytes;
	uint64_t first, last; /* virtual addresses */
};

struct election {
	const struct pgw_image *image;
	uint64_t piece;             /* bytes: shorter ones have no vote */
	struct distance *distances; /* a hash table; bytes 0: empty */
	unsigned nr_distances;
	struct pgw_pa_range memory; /* where the last leaf was */
};

static bool is_memory(struct election *e, uint64_t pa)
{
	if (pa >= e->memory.first && pa <= e->memory.last)
		return true;
	if (!pgw_image_next_described(e->image, pa, &e->memory)) {
		e->memory = (struct pgw_pa_range){ UINT64_MAX, 0 };
		return false;
	}
	return pa >= e->memory.first;
}

static uint64_t extent_size(const struct pgw_extent *extent)
{
	return extent->va_last - extent->va_first + 1;
}

/* Whatever its address: of tables that are met again and again, as KASAN's shadow, one is enough. */
static bool has_vote(const struct pgw_extent *extent, void *arg)
{
	const struct election *e = (const struct election *)arg;

	return extent->kind == PGW_ENTRY_LEAF && extent_size(extent) >= e->piece;
}

static void vote(struct election *e, const struct pgw_extent *extent)
{
	uint64_t distance = extent->va_first - extent->pa;
	uint64_t i = (distance * UINT64_C(0x9e3779b97f4a7c15)) >> 51;
	struct distance *of;

	i %= 2 * MAX_DISTANCES;
	while (e->distances[i].bytes && e->distances[i].distance != distance)
		i = (i + 1) % (2 * MAX_DISTANCES);
	of = &e->distances[i];
	if (!of->bytes && e->nr_distances++ >= MAX_DISTANCES)
		return;
	if (!of->bytes)
		of->first = extent->va_first;
	of->distance = distance;
	of->bytes += extent_size(extent);
	of->last = extent->va_last;
}

static int votes_met(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct election *e = (struct election *)arg;

	for (size_t i = 0; i < nr; i++) {
		if (has_vote(&extents[i], e) && is_memory(e, extents[i].pa))
			vote(e, &extents[i]);
	}
	return 0;
}

/* The distance that most memory has. */
static void elect(const struct election *e, struct direct_map *ret)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < 2 * MAX_DISTANCES; i++) {
		const struct distance *of = &e->distances[i];

		if (of->bytes <= bytes)
			continue;
		bytes = of->bytes;
		*ret = (struct direct_map){ true, of->distance, of->first, of->last };
	}
}

int direct_map_find(const struct pgw_image *image, struct pgw_mm *mm, struct direct_map *ret)
{
	const struct pgw_scan_ops ops = { .extents = votes_met, .wanted = has_vote };
	struct election e = {
		.image = image,
		.piece = BIT(pgw_format_geometry(pgw_mm_format(mm))->granule_lg2) << PIECE_LG2,
		.distances = calloc(2 * MAX_DISTANCES, sizeof(*e.distances)),
		.memory = { UINT64_MAX, 0 },
	};
	uint64_t first, last;
	int status;

	*ret = (struct direct_map){ 0 };
	if (!e.distances)
		return -PGW_ENOMEM;
	pgw_format_region_range(pgw_mm_format(mm), pgw_mm_region(mm)->kind, &first, &last);
	status = pgw_scan_with(mm, first, last, &ops, &e, NULL);
	elect(&e, ret);
	free(e.distances);
	return status;
}
