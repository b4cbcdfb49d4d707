/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

#include "system/roots/root.h"

/*
 * Linux maps all of memory in one place, with one offset from virtual to
 * physical addresses. It maps the kernel's root there too, and in the kernel's
 * image, so the offset is one at which the root is mapped: the one with the
 * most memory.
 */
#define MAX_OFFSETS 8

/* So much above the end of the file's memory is to be the direct map's alone. */
#define WINDOW_ROOM (UINT64_C(4) << 30)

/* A table of the lowest level maps no less. */
#define BYTES_A_TABLE (UINT64_C(1) << 21)

struct look {
	uint64_t root_pa;
	uint64_t offset[MAX_OFFSETS]; /* from physical to virtual */
	uint64_t bytes[MAX_OFFSETS];  /* that are mapped with it */
	unsigned nr;
	uint64_t direct; /* the one that is chosen */
	uint64_t first;  /* where nothing but memory is to be mapped, with this offset */
	uint64_t last;
	uint64_t *budget;
	struct image_direct_map *ret;
};

static int find_offset(const struct pgw_extent *extent, void *arg)
{
	struct look *look = arg;
	uint64_t offset = extent->va_first - extent->pa;

	if (extent->kind != PGW_ENTRY_LEAF || look->root_pa < extent->pa ||
	    look->root_pa - extent->pa > extent->va_last - extent->va_first)
		return 0;
	for (unsigned i = 0; i < look->nr; i++) {
		if (look->offset[i] == offset)
			return 0;
	}
	if (look->nr < MAX_OFFSETS)
		look->offset[look->nr++] = offset;
	return 0;
}

static int sum_offset(const struct pgw_extent *extent, void *arg)
{
	struct look *look = arg;

	for (unsigned i = 0; i < look->nr && extent->kind == PGW_ENTRY_LEAF; i++) {
		if (look->offset[i] == extent->va_first - extent->pa)
			look->bytes[i] += extent->va_last - extent->va_first + 1;
	}
	return 0;
}

static int take_extent(const struct pgw_extent *extent, void *arg)
{
	struct look *look = arg;
	struct image_direct_map *map = look->ret;

	if (extent->kind == PGW_ENTRY_UNREADABLE)
		map->is_complete = false;
	else if (extent->kind == PGW_ENTRY_LEAF && extent->va_first - extent->pa == look->direct)
		image_ram_runs_add(&map->ram, extent->pa,
				   extent->pa + (extent->va_last - extent->va_first));
	else if (extent->va_first >= look->first && extent->va_first <= look->last)
		map->is_odd = true;
	return 0;
}

/* @return 0, or -PGW_E2BIG if there are too many tables */
static int look_scan(const struct pgw_image *view, const struct pgw_root_info *root,
		     struct pgw_pa_range va, pgw_extent_fn *fn, struct look *look)
{
	struct pgw_scan_stats stats = { 0 };
	const struct pgw_region *region = pgw_format_region(root->format, PGW_REGION_KERNEL);
	struct pt tree;
	int status;

	if (va.first < region->first)
		va.first = region->first;
	if (va.last > region->last)
		va.last = region->last;
	if (va.first > va.last)
		return 0;
	image_tree(view, root, region, &tree);
	tree.budget += view->info.readable_bytes / BYTES_A_TABLE;
	if (tree.budget > *look->budget)
		tree.budget = *look->budget;
	status = pt_ops(&tree)->scan(&tree, va.first, va.last, fn, look, &stats);
	*look->budget -= stats.nr_tables < *look->budget ? stats.nr_tables : *look->budget;
	return status;
}

/* What lies behind the direct map may be without end: of it, what can be seen will do. */
static void look_take(const struct pgw_image *view, const struct pgw_root_info *root,
		      struct look *look)
{
	const struct pgw_pa_range window = { look->first, look->last };
	const struct pgw_pa_range rest = { look->last + 1, UINT64_MAX };

	if (look_scan(view, root, window, take_extent, look))
		look->ret->is_complete = false;
	if (look->last < UINT64_MAX)
		look_scan(view, root, rest, take_extent, look);
}

void image_direct_map_find(const struct pgw_image *view, const struct image_swapper *kernel,
			   uint64_t *budget, struct image_direct_map *ret)
{
	const struct pgw_pa_range all = { 0, UINT64_MAX };
	uint64_t end = source_last(&view->source);
	struct look look = { .root_pa = kernel->root.root.pa, .budget = budget, .ret = ret };
	unsigned best = 0;

	*ret = (struct image_direct_map){ 0 };
	look_scan(view, &kernel->root, all, find_offset, &look);
	look_scan(view, &kernel->root, all, sum_offset, &look);
	if (!look.nr)
		return;
	for (unsigned i = 1; i < look.nr; i++)
		best = look.bytes[i] > look.bytes[best] ? i : best;
	look.direct = look.first = look.offset[best];
	look.last = look.first + end + WINDOW_ROOM;
	if (look.last < look.first)
		look.last = UINT64_MAX;
	/* If the direct map's tables cannot be read, the kernel's image alone is mapped. */
	ret->is_complete = look.nr > 1 || look.direct != kernel->va - kernel->root.root.pa;
	look_take(view, &kernel->root, &look);
}
