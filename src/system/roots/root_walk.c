/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <string.h>

#include "base/bits.h"
#include "pt/read/iter.h"
#include "system/roots/root.h"

size_t image_formats(const struct pgw_image *image, const struct pgw_format **ret)
{
	const struct pgw_format *format;
	size_t nr = 0;

	for (unsigned level = PGW_MAX_LEVELS; level--;) {
		for (size_t i = 0; (format = pgw_format_at(i)) && nr < IMAGE_MAX_FORMATS; i++) {
			if (strcmp(pgw_format_arch(format), image->arch->name) == 0 &&
			    pgw_format_geometry(format)->top_level == level)
				ret[nr++] = format;
		}
	}
	return nr;
}

bool image_root_is_aligned(const struct pgw_root_info *root)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);

	return pt_root_is_aligned(geo, root->root.pa);
}

void image_tree(const struct pgw_image *image, const struct pgw_root_info *root,
		const struct pgw_region *region, struct pt *ret)
{
	*ret = (struct pt){
		.format = root->format,
		.control = pgw_control_assume(root->format, &root->control),
		.root_pa = root->root.pa,
		.region = *region,
		.budget = IMAGE_TREE_BUDGET,
		.phys = &image->phys,
	};
	pt_prepare(ret);
}

bool image_root_translate(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t va, struct pgw_translation *ret)
{
	const struct pgw_region *region = pgw_format_region_of(root->format, va);
	struct pt tree;

	if (!region)
		return false;
	image_tree(image, root, region, &tree);
	pt_ops(&tree)->translate(&tree, va, ret, NULL);
	return ret->kind == PGW_ENTRY_LEAF;
}

bool image_root_count_slots(const struct pgw_image *image, const struct pgw_root_info *root,
			    unsigned ret[_PGW_REGION_MAX])
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	struct pt_iter it;
	struct pt pt;

	pt_reader_init(&pt, &image->phys, root->format, NULL);
	for (unsigned kind = 0; kind < _PGW_REGION_MAX; kind++) {
		const struct pgw_region *region = pgw_format_region(root->format, kind);
		unsigned nr, first;

		ret[kind] = 0;
		if (!region)
			continue;
		first = pt_region_slots(geo, region, &nr);
		pt_iter_begin(&it, &pt, root->root.pa, geo->top_level, first, nr);
		while (pt_iter_next(&it)) {
			if (it.nr_unreadable)
				return false;
			ret[kind]++;
		}
	}
	return true;
}

const struct pgw_format *image_format(const struct pgw_image *image, unsigned nr_levels)
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		if (image->arch && strcmp(pgw_format_arch(format), image->arch->name) == 0 &&
		    pgw_format_geometry(format)->top_level + 1u == nr_levels)
			return format;
	}
	return NULL;
}

const struct pgw_format *image_format_of(const struct pgw_image *image, unsigned granule_lg2,
					 unsigned va_bits)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);

	for (size_t i = 0; i < nr; i++) {
		const struct pgw_geometry *geo = pgw_format_geometry(formats[i]);

		if (geo->granule_lg2 == granule_lg2 && geo->va_bits == va_bits)
			return formats[i];
	}
	return NULL;
}

bool image_root_is_missing(const struct pgw_image *image, const struct pgw_root_info *root)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	size_t size = pt_table_size(geo, geo->top_level);
	uint8_t part[64];
	size_t at = 0, n;

	if (!source_has(&image->source, SOURCE_DESCRIBED, root->root.pa))
		return false;
	for (; at < size; at += n) {
		n = size - at < sizeof(part) ? size - at : sizeof(part);
		if (pgw_phys_read(&image->phys, root->root.pa + at, part, n))
			return true;
	}
	return false;
}

bool image_root_is_lost(const struct pgw_image *image, const struct pgw_root_info *root)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	size_t size = pt_table_size(geo, geo->top_level);
	uint8_t part[64];
	size_t n;

	if (image_root_is_missing(image, root))
		return true;
	for (size_t at = 0; at < size; at += n) {
		n = size - at < sizeof(part) ? size - at : sizeof(part);
		if (pgw_phys_read(&image->phys, root->root.pa + at, part, n))
			return false;
		for (size_t i = 0; i < n; i++) {
			if (part[i])
				return false;
		}
	}
	return true;
}

struct self_search {
	struct pgw_image *image;
	const struct pgw_root_info *root;
	uint64_t pa; /* that is to be mapped */
	uint64_t page_size;
	uint64_t first;
	uint64_t last; /* inclusive */
	uint64_t va;
};

/* Does va lead to the page, through tables that are as the kernel makes them? */
static bool self_search_maps(const struct self_search *search, uint64_t va)
{
	bool (*is_table)(uint64_t) = search->image->arch->ops->is_table;
	struct pgw_translation at;
	struct pgw_path path = { 0 };
	struct pt tree;

	image_tree(search->image, search->root,
		   pgw_format_region(search->root->format, PGW_REGION_KERNEL), &tree);
	pt_ops(&tree)->translate(&tree, va, &at, &path);
	for (unsigned i = 0; is_table && i < path.nr_steps; i++) {
		if (path.step[i].kind == PGW_ENTRY_TABLE && !is_table(path.step[i].entry))
			return false;
	}
	return at.kind == PGW_ENTRY_LEAF && at.pa == search->pa;
}

/*
 * Memory is mapped in long runs that cracks divide: what is one's offset may
 * well be all's. A page alone says nothing: if the granule is wrong, no two
 * pages follow each other.
 */
static int self_search_extent(const struct pgw_extent *extent, void *arg)
{
	struct self_search *search = arg;
	uint64_t va = extent->va_first + (search->pa - extent->pa);

	if (extent->kind != PGW_ENTRY_LEAF ||
	    extent->va_last - extent->va_first < search->page_size || va < search->first ||
	    va > search->last)
		return 0;
	if (!image_search_spend(search->image, 1))
		return -PGW_E2BIG;
	if (!self_search_maps(search, va))
		return 0;
	search->va = va;
	return 1;
}

bool image_root_find_va(struct pgw_image *image, const struct pgw_root_info *root, uint64_t pa,
			uint64_t first, uint64_t *ret_va)
{
	struct self_search search = {
		.image = image,
		.root = root,
		.pa = pa,
		.page_size = BIT(pgw_format_geometry(root->format)->granule_lg2),
		.first = first,
	};
	struct pgw_scan_stats stats = { 0 };
	const struct pgw_region *region = pgw_format_region(root->format, PGW_REGION_KERNEL);
	struct pt tree;
	int status;

	image_tree(image, root, region, &tree);
	if (tree.budget > image->search_left)
		tree.budget = image->search_left;
	search.last = region->last;
	if (search.first < region->first)
		search.first = region->first;
	status = pt_ops(&tree)->scan(&tree, search.first, search.last, self_search_extent, &search,
				     &stats);
	image_search_spend(image, stats.nr_tables);
	if (status <= 0)
		return false;
	*ret_va = search.va;
	return true;
}
