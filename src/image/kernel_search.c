/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <string.h>

#include "base/bits.h"

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

	return !(root->root.pa & (pt_table_size(geo, geo->top_level) - 1));
}

/* A symbol, and no more: which page maps itself there? */
static bool search_by_symbol(struct pgw_image *image, uint64_t va, struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);

	for (size_t i = 0; i < nr; i++) {
		for (size_t j = 0; j < pages->nr && image_search_spend(image, 1); j++) {
			struct image_swapper claim = {
				.va = va,
				.root = { .root = { pages->pa[j] }, .format = formats[i] },
			};

			if (!image_root_is_aligned(&claim.root) ||
			    image_root_prove(image, &claim, &claim.root) != PGW_PROOF_PASSED)
				continue;
			*ret = claim;
			return true;
		}
	}
	return false;
}

static bool search_by_symbols(struct pgw_image *image, struct image_swapper *ret)
{
	struct image_swapper claim;

	for (size_t i = 0; i < image->nr_texts; i++) {
		const struct pgw_vmcoreinfo *info = &image->texts[i];

		if (image->arch->ops->swapper(image, info, &claim) && !claim.root.format &&
		    search_by_symbol(image, claim.va, ret)) {
			ret->root.found = image_text_found(info);
			return true;
		}
	}
	return false;
}

static bool search_by_cpu(struct pgw_image *image, struct image_swapper *ret)
{
	const struct image_arch_ops *ops = image->arch->ops;
	uint64_t left = image->search_left;
	struct pgw_root_info cpu;
	bool is_found;

	/* A budget of its own: what others may spend does not depend on who was first. */
	image->search_left = IMAGE_SEARCH_BY_CPU_BUDGET;
	is_found = ops->kernel_by_cpu && image_cpu_first_root(image, &cpu) &&
		   ops->kernel_by_cpu(image, &cpu, ret);
	image->search_left = left;
	if (!is_found)
		return false;
	image_root_take_control(image, &ret->root);
	ret->root.proof = image_root_prove(image, ret, &ret->root);
	return ret->root.proof == PGW_PROOF_PASSED;
}

/* Once, and the same whatever else has been found. */
static bool find_by_cpu(struct pgw_image *image, struct image_swapper *ret)
{
	if (!image->cpu_kernel_searched) {
		image->has_cpu_kernel = search_by_cpu(image, &image->cpu_kernel);
		image->cpu_kernel_searched = true;
	}
	if (image->has_cpu_kernel)
		*ret = image->cpu_kernel;
	return image->has_cpu_kernel;
}

bool image_kernel_find_soon(struct pgw_image *image, struct image_swapper *ret)
{
	struct image_swapper found;
	bool is_proved = image_swapper_find(image, ret) && ret->root.proof == PGW_PROOF_PASSED;

	if ((is_proved && (ret->root.found & PGW_ROOT_FROM_VMCOREINFO_NOTE)) ||
	    !find_by_cpu(image, &found))
		return is_proved;
	/* A text that says the same says more. */
	if (!is_proved || ret->root.root.pa != found.root.root.pa)
		*ret = found;
	return true;
}

/* In falling order of trust. A claim that did not prove itself is better than none. */
static bool kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	struct image_swapper found;
	bool has_claim;

	if (image_kernel_find_soon(image, ret))
		return true;
	has_claim = image_swapper_find(image, ret);
	if (!search_by_symbols(image, &found) && !image->arch->ops->kernel_search(image, &found))
		return has_claim;
	image_root_take_control(image, &found.root);
	found.root.proof = image_root_prove(image, &found, &found.root);
	*ret = found;
	return true;
}

bool image_kernel_find(struct pgw_image *image, struct image_swapper *ret)
{
	if (!image->arch)
		return false;
	if (!image->kernel_searched) {
		image->has_kernel = kernel_search(image, &image->kernel);
		image->kernel_searched = true;
	}
	if (image->has_kernel)
		*ret = image->kernel;
	return image->has_kernel;
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

	image_tree(search->image, search->root, &tree);
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
	uint64_t half_first;
	struct pt tree;
	int status;

	image_tree(image, root, &tree);
	if (tree.budget > image->search_left)
		tree.budget = image->search_left;
	pgw_format_half_range(root->format, PGW_HALF_KERNEL, &half_first, &search.last);
	if (search.first < half_first)
		search.first = half_first;
	status = pt_ops(&tree)->scan(&tree, search.first, search.last, self_search_extent, &search,
				     &stats);
	image_search_spend(image, stats.nr_tables);
	if (status <= 0)
		return false;
	*ret_va = search.va;
	return true;
}
