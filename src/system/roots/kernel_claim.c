/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "system/roots/root.h"

/* What was found by a text. */
static uint32_t text_found(const struct pgw_vmcoreinfo *info)
{
	static const uint32_t found[_PGW_VMCOREINFO_SOURCE_MAX] = {
		[PGW_VMCOREINFO_NOTE] = PGW_ROOT_FROM_VMCOREINFO_NOTE,
		[PGW_VMCOREINFO_RAM] = PGW_ROOT_FROM_VMCOREINFO_RAM,
		[PGW_VMCOREINFO_GIVEN] = PGW_ROOT_FROM_VMCOREINFO_GIVEN,
	};

	return found[info->source];
}

/* Control bits as a CPU has them that runs with this kernel; others may run a guest's code. */
static void claim_take_control(const struct pgw_image *image, struct image_swapper *claim)
{
	bool is_known = false, is_running = false;
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus && !is_running; i++) {
		enum pgw_root_proof proof;

		if (!image_cpu_kernel_root(image, i, &cpu))
			continue;
		proof = image_root_prove(image, claim, &cpu);
		is_running = proof == PGW_PROOF_PASSED || proof == PGW_PROOF_PARTIAL;
		if (!is_known || is_running)
			claim->root.control = cpu.control;
		is_known = true;
	}
	image_encryption_control(image, &claim->root.control);
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
	claim_take_control(image, claim);
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

/* Which pages, as roots of this format, map themselves at the symbol's address? */
static size_t search_format(struct pgw_image *image, const struct pgw_format *format, uint64_t va,
			    struct image_swapper *ret, size_t max)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);
	size_t nr = 0;

	for (size_t i = 0; i < pages->nr && nr < max && image_search_spend(image, 1); i++) {
		struct image_swapper claim = {
			.va = va,
			.root = { .root = { .pa = pages->pa[i] }, .format = format },
		};

		if (image_root_is_aligned(&claim.root) &&
		    image_root_prove(image, &claim, &claim.root) == PGW_PROOF_PASSED)
			ret[nr++] = claim;
	}
	return nr;
}

size_t image_claims_by_symbol(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			      struct image_swapper *ret, size_t max)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr_formats = image_formats(image, formats), nr = 0;
	struct image_swapper claim;

	if (!image->arch->ops->swapper(image, info, &claim))
		return 0;
	/* Deepest first: inner tables of a deep tree are the roots of a shallow one. */
	for (size_t i = 0; i < nr_formats && !nr; i++)
		nr = search_format(image, formats[i], claim.va, ret, max);
	for (size_t i = 0; i < nr; i++) {
		ret[i].root.found = text_found(info);
		claim_prove(image, info, &ret[i]);
	}
	return nr;
}

bool image_root_is_paravirtual(const struct pgw_image *image, const struct pgw_root_info *root)
{
	const struct image_arch_ops *ops = image->arch->ops;
	uint64_t first;

	return ops->is_paravirtual && ops->is_paravirtual(image, root, &first);
}

bool image_kernel_owns_text(struct pgw_image *image, const struct image_swapper *kernel,
			    const struct pgw_vmcoreinfo *info)
{
	const struct image_arch_ops *ops = image->arch->ops;
	uint64_t first, va;

	if (!ops->is_paravirtual || !ops->is_paravirtual(image, &kernel->root, &first))
		return false;
	return info->source != PGW_VMCOREINFO_RAM ||
	       image_root_find_va(image, &kernel->root, info->pa & ~(uint64_t)(IMAGE_PAGE - 1),
				  first, &va);
}

bool image_claim_of_cpu(struct pgw_image *image, const struct pgw_root_info *cpu,
			struct image_swapper *ret)
{
	const struct image_arch_ops *ops = image->arch->ops;

	if (!ops->kernel_by_cpu || !ops->kernel_by_cpu(image, cpu, ret))
		return false;
	claim_prove(image, NULL, ret);
	return true;
}

bool image_claim_by_looks(struct pgw_image *image, struct image_swapper *ret)
{
	if (!image->arch->ops->kernel_search(image, ret))
		return false;
	claim_prove(image, NULL, ret);
	return true;
}

bool image_claim_partial(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret)
{
	struct image_swapper hint = { 0 };

	if (!image->arch->ops->kernel_partial)
		return false;
	if (info && !image->arch->ops->swapper(image, info, &hint))
		return false;
	if (!image->arch->ops->kernel_partial(image, &hint, ret))
		return false;
	claim_take_control(image, ret);
	ret->root.proof = PGW_PROOF_PARTIAL;
	ret->root.found |= PGW_ROOT_FROM_AGREEMENT;
	if (info && !ret->is_other)
		ret->root.found |= text_found(info);
	return true;
}
