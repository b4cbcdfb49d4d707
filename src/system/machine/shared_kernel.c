/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

#include "base/bits.h"
#include "system/roots/root.h"

/*
 * What machines have in common whose roots hold both regions (x86_64, riscv64): Linux links the
 * kernel at LINUX_KERNEL_MAP, and gives every process's root the kernel's part of the tree.
 */

/* Tables that are linked together lie within fewer pages. */
#define BESIDE_PAGES 16

/* Whose trees are counted, where tables are missing. */
#define MAX_CPUS_TRIED 16

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
	unsigned best = 0, slots[_PGW_REGION_MAX];
	uint64_t best_distance = UINT64_MAX;

	for (size_t i = 0; i < pages->nr && image_search_spend(image, 1); i++) {
		struct image_swapper claim = {
			.root = { .root = { .pa = pages->pa[i] }, .format = format },
		};

		image_encryption_control(image, &claim.root.control);
		if (!maps_anchor(image, &claim.root, anchor) ||
		    !image_root_count_slots(image, &claim.root, slots) || slots[PGW_REGION_USER] ||
		    slots[PGW_REGION_KERNEL] < best ||
		    (slots[PGW_REGION_KERNEL] == best &&
		     distance(pages->pa[i], anchor) >= best_distance) ||
		    !image_root_find_va(image, &claim.root, claim.root.root.pa, LINUX_KERNEL_MAP,
					&claim.va))
			continue;
		best = slots[PGW_REGION_KERNEL];
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

/*
 * Where tables are missing, no root can map itself; but all of one kernel lead
 * to the same table that is missing. Those that do agree.
 */
struct agreement {
	struct pgw_image *image;
	const struct image_swapper *hint;
	const struct pgw_format *format;
	uint64_t va;    /* of the kernel's image */
	uint64_t lacks; /* as image_root_lacks() */
	uint64_t nr;    /* roots that agree */
	uint64_t score; /* of the best of them: how much of the kernel's half can be read */
	struct image_swapper best;
};

static uint64_t agreement_lacks(const struct agreement *agreement, uint64_t pa)
{
	struct pgw_root_info root = { .root = { .pa = pa }, .format = agreement->format };

	return image_root_is_aligned(&root)
		       ? image_root_lacks(agreement->image, &root, agreement->va)
		       : 0;
}

static int compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The most frequent of some tables, of which 0 is none; at least two must agree. */
static uint64_t most_frequent(uint64_t *list, size_t nr)
{
	uint64_t best = 0;
	size_t best_nr = 1;

	qsort(list, nr, sizeof(list[0]), compare_u64);
	for (size_t i = 0, first = 0; i < nr; i++) {
		if (list[i] != list[first])
			first = i;
		if (list[i] && i - first + 1 > best_nr) {
			best_nr = i - first + 1;
			best = list[i];
		}
	}
	return best;
}

/* What is known to be a root decides; else the most of all pages that may be one. */
static uint64_t agreement_choose(const struct agreement *agreement)
{
	const struct image_pages *pages = image_pages(agreement->image, IMAGE_PAGE_ROOT);
	uint64_t lacks = agreement->hint->root.format
				 ? agreement_lacks(agreement, agreement->hint->root.root.pa)
				 : 0;
	struct pgw_root_info cpu;
	uint64_t *list;

	for (size_t i = 0; i < agreement->image->nr_cpus && !lacks; i++) {
		if (!image_cpu_loaded(agreement->image, i, &cpu) || cpu.format != agreement->format)
			continue;
		image_root_use_kernel_twin(agreement->image, &cpu);
		lacks = agreement_lacks(agreement, cpu.root.pa);
	}
	list = lacks ? NULL : calloc(pages->nr + 1, sizeof(*list));
	if (!list)
		return lacks;
	for (size_t i = 0; i < pages->nr && image_search_spend(agreement->image, 1); i++)
		list[i] = agreement_lacks(agreement, pages->pa[i]);
	lacks = most_frequent(list, pages->nr);
	free(list);
	return lacks;
}

/* The best is the one of which most can be read; the first of several. */
static void agreement_offer(struct agreement *agreement, uint64_t pa, bool is_other)
{
	struct image_swapper claim = {
		.va = agreement->va,
		.root = { .root = { .pa = pa }, .format = agreement->format },
		.lacks = agreement->lacks,
		.is_other = is_other,
	};
	struct image_count count;

	if (agreement_lacks(agreement, pa) != agreement->lacks ||
	    image_root_count(agreement->image, &claim.root, IMAGE_REGION(PGW_REGION_KERNEL),
			     &agreement->image->search_left, &count) ||
	    count.nr_leaves <= count.nr_malformed ||
	    count.nr_leaves - count.nr_malformed <= agreement->score)
		return;
	agreement->score = count.nr_leaves - count.nr_malformed;
	agreement->best = claim;
}

/*
 * Of all that agree, the one that looks most like the kernel's own: it maps no user, the most of
 * the kernel, and lies nearest to the anchor.
 */
static void agreement_offer_by_looks(struct agreement *agreement)
{
	const struct image_pages *pages = image_pages(agreement->image, IMAGE_PAGE_ROOT);
	const struct image_pages *anchors = image_pages(agreement->image, IMAGE_PAGE_ANCHOR);
	uint64_t anchor = anchors->nr ? anchors->pa[0] : 0, best_pa = 0;
	unsigned slots[_PGW_REGION_MAX], best_slots = 0, nr_empty = 0;
	bool is_empty = false;

	for (size_t i = 0; i < pages->nr && image_search_spend(agreement->image, 1); i++) {
		struct pgw_root_info root = { .root = { .pa = pages->pa[i] },
					      .format = agreement->format };
		bool better;

		if (agreement_lacks(agreement, pages->pa[i]) != agreement->lacks ||
		    !image_root_count_slots(agreement->image, &root, slots))
			continue;
		agreement->nr++;
		nr_empty += !slots[PGW_REGION_USER];
		better = !slots[PGW_REGION_USER] != is_empty ? !slots[PGW_REGION_USER]
			 : slots[PGW_REGION_KERNEL] != best_slots
				 ? slots[PGW_REGION_KERNEL] > best_slots
				 : distance(pages->pa[i], anchor) < distance(best_pa, anchor);
		if (agreement->nr > 1 && !better)
			continue;
		is_empty = !slots[PGW_REGION_USER];
		best_slots = slots[PGW_REGION_KERNEL];
		best_pa = pages->pa[i];
	}
	if (agreement->nr)
		agreement_offer(agreement, best_pa,
				agreement->hint->root.format || !is_empty ||
					(nr_empty > 1 && !anchors->nr));
}

/* In the order of trust: what a text names, what CPUs run on, what looks like it. */
static bool agreement_find(struct agreement *agreement)
{
	const struct image_swapper *hint = agreement->hint;
	struct pgw_root_info cpu;

	agreement->lacks = agreement_choose(agreement);
	if (!agreement->lacks)
		return false;
	if (hint->root.format)
		agreement_offer(agreement, hint->root.root.pa, false);
	for (size_t i = 0; i < agreement->image->nr_cpus && i < MAX_CPUS_TRIED; i++) {
		if (!image_cpu_loaded(agreement->image, i, &cpu))
			continue;
		image_root_use_kernel_twin(agreement->image, &cpu);
		agreement_offer(agreement, cpu.root.pa,
				!hint->root.format || cpu.root.pa != hint->root.root.pa);
	}
	agreement_offer_by_looks(agreement);
	agreement->best.root.nr_agree = agreement->nr;
	return agreement->score > 0;
}

bool image_shared_kernel_partial(struct pgw_image *image, const struct image_swapper *hint,
				 struct image_swapper *ret)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);
	uint64_t best = 0;

	for (size_t i = 0; i < nr; i++) {
		struct agreement agreement = {
			.image = image,
			.hint = hint,
			.format = formats[i],
			.va = hint->va ? hint->va : LINUX_KERNEL_MAP,
		};

		if ((hint->root.format && hint->root.format != formats[i]) ||
		    !agreement_find(&agreement) || agreement.score <= best)
			continue;
		best = agreement.score;
		*ret = agreement.best;
	}
	return best > 0;
}

int image_shared_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	const struct image_pages *pages = image_pages(roots->image, IMAGE_PAGE_ROOT);
	struct pgw_root_info root;
	int status = 0;

	/* What a process's root has in common with the kernel's is all that it is known by. */
	if (!swapper)
		return 0;
	root = swapper->root;
	root.found = swapper->lacks ? PGW_ROOT_FROM_AGREEMENT : PGW_ROOT_FROM_SELF_MAP;
	root.cpus = 0;
	for (size_t i = 0; i < pages->nr && !status; i++) {
		enum pgw_root_proof proof;

		root.root.pa = pages->pa[i];
		proof = image_root_prove(roots->image, swapper, &root);
		if (proof == PGW_PROOF_PASSED || proof == PGW_PROOF_PARTIAL)
			status = image_roots_add(roots, &root);
	}
	return status || !pages->is_cut ? status : -PGW_E2BIG;
}
