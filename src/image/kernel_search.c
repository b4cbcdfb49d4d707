/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

/* What was found by a text. */
static uint32_t text_found(const struct pgw_vmcoreinfo *info)
{
	return info->source == PGW_VMCOREINFO_NOTE ? PGW_ROOT_FROM_VMCOREINFO_NOTE
						   : PGW_ROOT_FROM_VMCOREINFO_RAM;
}

/* Where the kernel maps its own root, it maps memory. */
static void claim_learn_control(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
				struct image_swapper *claim)
{
	const struct image_arch_ops *ops = image->arch->ops;
	struct pgw_translation self;
	struct pgw_linux kernel;

	if (!ops->learn_control || claim->root.proof != PGW_PROOF_PASSED ||
	    !image_root_translate(image, &claim->root, claim->va, &self))
		return;
	image_linux_release(image, info, &kernel);
	ops->learn_control(&kernel, self.entry, &claim->root.control);
}

/*
 * Whatever it was claimed by, it is read as the CPUs read their tables, and proved alike.
 * info is the text that it is in, or NULL.
 */
static void claim_prove(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			struct image_swapper *claim)
{
	image_root_take_control(image, &claim->root);
	claim->root.proof = image_root_prove(image, claim, &claim->root);
	claim_learn_control(image, info, claim);
}

bool image_claim_of_text(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret)
{
	if (!image->arch || !image->arch->ops->swapper(image, info, ret) || !ret->root.format)
		return false;
	ret->root.found = text_found(info);
	claim_prove(image, info, ret);
	return true;
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

bool image_claim_by_symbols(struct pgw_image *image, struct image_swapper *ret)
{
	struct image_swapper claim;

	for (size_t i = 0; i < image->nr_texts; i++) {
		const struct pgw_vmcoreinfo *info = &image->texts[i];

		if (image->arch->ops->swapper(image, info, &claim) && !claim.root.format &&
		    search_by_symbol(image, claim.va, ret)) {
			ret->root.found = text_found(info);
			claim_prove(image, info, ret);
			return true;
		}
	}
	return false;
}

bool image_claim_of_cpu(struct pgw_image *image, struct image_swapper *ret)
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
	if (is_found)
		claim_prove(image, NULL, ret);
	return is_found;
}

bool image_claim_by_looks(struct pgw_image *image, struct image_swapper *ret)
{
	if (!image->arch->ops->kernel_search(image, ret))
		return false;
	claim_prove(image, NULL, ret);
	return true;
}
