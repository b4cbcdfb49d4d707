/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include "base/bits.h"

/*
 * What is common to machines whose roots hold both halves (x86_64, riscv64):
 * Linux links the kernel into the last 2 GiB, and gives every process's root
 * the kernel's part of the tree.
 */
#define LINUX_KERNEL_MAP UINT64_C(0xffffffff80000000)

#define MAX_TABLE_ITEMS 512

/* Tables that are linked together lie within fewer pages. */
#define BESIDE_PAGES 16

/* The table's used slots in each half; false if it cannot be read. */
static bool count_slots(const struct pgw_image *image, const struct pgw_root_info *root,
			unsigned ret[_PGW_HALF_MAX])
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	size_t nr = (size_t)1 << geo->slots_lg2[geo->top_level];
	uint64_t table[MAX_TABLE_ITEMS];

	ret[PGW_HALF_USER] = ret[PGW_HALF_KERNEL] = 0;
	if (nr > MAX_TABLE_ITEMS ||
	    pgw_phys_read(&image->phys, root->root.pa, table, nr * sizeof(table[0])))
		return false;
	for (size_t i = 0; i < nr; i++)
		ret[i < nr / 2 ? PGW_HALF_USER : PGW_HALF_KERNEL] += table[i] != 0;
	return true;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a < b ? b - a : a - b;
}

/*
 * Of the roots that map an anchor, the kernel's: it lies in the kernel's image,
 * so that it maps itself there, maps no user, and maps the most of the kernel.
 * A process's root may be all that, in a part of the image that was given back:
 * but the kernel's and the anchor were linked together.
 */
static bool choose_kernel(struct pgw_image *image, const struct image_pages *pages,
			  const struct pgw_format *format, image_anchor_fn *maps_anchor,
			  uint64_t anchor, struct image_swapper *ret)
{
	unsigned best = 0, slots[_PGW_HALF_MAX];
	uint64_t best_distance = UINT64_MAX;

	for (size_t i = 0; i < pages->nr && image_search_spend(image, 1); i++) {
		struct image_swapper claim = {
			.root = { .root = { pages->pa[i] }, .format = format },
		};

		image_encryption_control(image, &claim.root.control);
		if (!maps_anchor(image, &claim.root, anchor) ||
		    !count_slots(image, &claim.root, slots) || slots[PGW_HALF_USER] ||
		    slots[PGW_HALF_KERNEL] < best ||
		    (slots[PGW_HALF_KERNEL] == best &&
		     distance(pages->pa[i], anchor) >= best_distance) ||
		    !image_root_find_va(image, &claim.root, claim.root.root.pa, LINUX_KERNEL_MAP,
					&claim.va))
			continue;
		best = slots[PGW_HALF_KERNEL];
		best_distance = distance(pages->pa[i], anchor);
		*ret = claim;
	}
	return best > 0;
}

bool image_shared_kernel_search(struct pgw_image *image, image_anchor_fn *maps_anchor,
				struct image_swapper *ret)
{
	const struct image_pages *anchors = image_pages(image, IMAGE_PAGE_ANCHOR);
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);

	/* Deepest first: the inner tables of a deep tree are the roots of a shallow one. */
	for (size_t i = 0; i < nr; i++) {
		for (size_t j = 0; j < anchors->nr && j < IMAGE_MAX_ANCHORS; j++) {
			if (choose_kernel(image, image_pages(image, IMAGE_PAGE_ROOT), formats[i],
					  maps_anchor, anchors->pa[j], ret))
				return true;
		}
	}
	return false;
}

bool image_shared_kernel_beside(struct pgw_image *image, const struct pgw_format *format,
				image_anchor_fn *maps_anchor, uint64_t anchor,
				struct image_swapper *ret)
{
	uint64_t pa[2 * BESIDE_PAGES];
	struct image_pages pages = { .pa = pa };

	/* Addresses that wrap hold no memory. */
	for (; pages.nr < PGW_ARRAY_SIZE(pa); pages.nr++)
		pa[pages.nr] = anchor + (pages.nr - BESIDE_PAGES) * IMAGE_PAGE;
	return choose_kernel(image, &pages, format, maps_anchor, anchor, ret);
}

int image_shared_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	const struct image_pages *pages = image_pages(roots->image, IMAGE_PAGE_ROOT);
	struct pgw_root_info root = swapper->root;
	int status = 0;

	root.found = PGW_ROOT_FROM_SELF_MAP;
	root.cpus = 0;
	for (size_t i = 0; i < pages->nr && !status; i++) {
		root.root.pa = pages->pa[i];
		if (image_root_prove(roots->image, swapper, &root) == PGW_PROOF_PASSED)
			status = image_roots_add(roots, &root);
	}
	return status || !pages->is_cut ? status : -PGW_E2BIG;
}
