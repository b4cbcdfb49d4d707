/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "system/roots/root.h"

void image_kernels_learn_encryption(struct pgw_image *image, struct image_kernels *kernels)
{
	if (!image_kernels_are_proved(kernels))
		return;
	image_encryption_learn_shared(image, &kernels->list[0].swapper.root);
	for (size_t i = 0; i < kernels->nr; i++)
		image_encryption_control(image, &kernels->list[i].swapper.root.control);
}

/* Does what a CPU runs on map the claimed kernel where it is claimed to be? */
static bool claim_is_running(const struct pgw_image *image, const struct image_swapper *claim)
{
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!image_cpu_kernel_root(image, i, &cpu))
			continue;
		if (image_root_prove(image, claim, &cpu) == PGW_PROOF_PASSED)
			return true;
	}
	return false;
}

/* How far a text is trusted: by where it is, and by whether a CPU runs what it speaks of. */
static enum image_trust text_trust(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
				   const struct image_swapper *claim)
{
	if (claim->root.proof != PGW_PROOF_PASSED)
		return TRUST_CLAIM;
	if (info->source == PGW_VMCOREINFO_GIVEN)
		return TRUST_GIVEN;
	if (info->source == PGW_VMCOREINFO_NOTE)
		return claim_is_running(image, claim) ? TRUST_NOTE_RUNNING : TRUST_NOTE;
	return claim_is_running(image, claim) ? TRUST_TEXT_RUNNING : TRUST_TEXT;
}

/* Of the first so many texts: those of notes and options come first. */
static void collect_by_texts(const struct pgw_image *image, size_t nr_texts,
			     struct image_kernels *kernels)
{
	for (size_t i = 0; i < nr_texts; i++) {
		const struct pgw_vmcoreinfo *info = &image->texts[i];
		struct image_kernel kernel = { .order = (unsigned)i, .text = i + 1 };

		if (!image_claim_of_text(image, info, &kernel.swapper))
			continue;
		kernel.trust = text_trust(image, info, &kernel.swapper);
		image_kernels_add(kernels, &kernel);
	}
}

/* Does the root map one of the kernels where it is? */
static bool maps_one_of(const struct pgw_image *image, const struct image_kernels *kernels,
			const struct pgw_root_info *root)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		if (image_root_prove(image, &kernels->list[i].swapper, root) == PGW_PROOF_PASSED)
			return true;
	}
	return false;
}

/* What a CPU runs on that is known raises what is known; else it leads to a kernel that is not. */
static void collect_of_cpu(struct pgw_image *image, unsigned index, const struct pgw_root_info *cpu,
			   struct image_kernels *kernels)
{
	struct image_kernel found = { .trust = TRUST_CPU, .order = index };

	if (image_claim_of_cpu(image, cpu, &found.swapper) &&
	    found.swapper.root.proof == PGW_PROOF_PASSED)
		image_kernels_add(kernels, &found);
}

/*
 * Of CPUs that run on one kernel, the first stands for all, and none is needed to tell one that is
 * trusted more. A budget of their own: what others may spend does not depend on who was first.
 */
static void collect_by_cpus(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_kernels known = { 0 };
	uint64_t left = image->search_left;
	struct pgw_root_info cpu;

	for (size_t i = 0; i < kernels->nr; i++) {
		if (kernels->list[i].trust > TRUST_CPU)
			image_kernels_add(&known, &kernels->list[i]);
	}
	image->search_left = IMAGE_SEARCH_BY_CPU_BUDGET;
	for (size_t i = 0; i < image->nr_cpus && image->search_left; i++) {
		if (!image_cpu_kernel_root(image, i, &cpu))
			continue;
		if (!maps_one_of(image, &known, &cpu))
			collect_of_cpu(image, (unsigned)i, &cpu, &known);
	}
	image->search_left = left;
	for (size_t i = 0; i < known.nr; i++)
		image_kernels_add(kernels, &known.list[i]);
}

/* Was the kernel with its root at this address found already? */
static bool has_va(const struct image_kernels *kernels, uint64_t va)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		if (image_kernel_is_sound(&kernels->list[i]) && kernels->list[i].swapper.va == va)
			return true;
	}
	return false;
}

/* Is there a root of a paravirtual guest? Then texts may speak of addresses that are not these. */
static bool has_paravirtual(struct pgw_image *image)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr_formats = image_formats(image, formats);

	for (size_t i = 0; i < pages->nr && image_search_spend(image, 1); i++) {
		for (size_t j = 0; j < nr_formats; j++) {
			struct pgw_root_info root = { .root = { .pa = pages->pa[i] },
						      .format = formats[j] };

			if (image_root_is_paravirtual(image, &root))
				return true;
		}
	}
	return false;
}

/*
 * May a search find the kernel that the text is of? Of one that has a symbol and no more, and of
 * one that names a place where no root is, if that place may be meant otherwise.
 */
static bool is_to_be_searched(struct pgw_image *image, const struct image_kernels *kernels,
			      const struct image_swapper *claim)
{
	struct image_swapper placed = *claim;

	if (!claim->root.format)
		return !has_va(kernels, claim->va);
	placed.root.proof = image_root_prove(image, &placed, &placed.root);
	return image->arch->ops->is_paravirtual && placed.root.proof != PGW_PROOF_PASSED &&
	       has_paravirtual(image);
}

/* A search finds all kernels that have the symbol at one address. */
static void collect_by_symbol(struct pgw_image *image, size_t index, bool is_placed,
			      struct image_kernels *kernels)
{
	const struct pgw_vmcoreinfo *info = &image->texts[index];
	bool is_given = info->source == PGW_VMCOREINFO_GIVEN;
	struct image_swapper list[IMAGE_MAX_KERNELS];
	size_t nr = image_claims_by_symbol(image, info, list, IMAGE_MAX_KERNELS);

	for (size_t i = 0; i < nr; i++) {
		const struct image_kernel kernel = {
			.swapper = list[i],
			.trust = is_given ? TRUST_GIVEN : TRUST_SEARCH,
			.order = (unsigned)index,
			/* Whose text it is of several shows when it is asked for. */
			.text = is_placed && !is_given ? 0 : index + 1,
		};

		if (is_placed && !image_root_is_paravirtual(image, &list[i].root))
			continue;
		if (is_placed)
			image_kernels_drop_claims(kernels);
		image_kernels_add(kernels, &kernel);
	}
}

static void collect_by_symbols(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_swapper claims[IMAGE_MAX_TEXTS];

	for (size_t i = 0; i < image->nr_texts; i++) {
		bool is_done = !image->arch->ops->swapper(image, &image->texts[i], &claims[i]);

		for (size_t j = 0; j < i && !is_done; j++)
			is_done = claims[j].va == claims[i].va;
		if (!is_done && is_to_be_searched(image, kernels, &claims[i]))
			collect_by_symbol(image, i, claims[i].root.format, kernels);
	}
}

/* Where nothing proves itself: the root of which most is there, with a text's help or without. */
static void collect_partial(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_kernel kernel = { .trust = TRUST_PARTIAL };
	bool is_found = false;

	for (size_t i = 0; i < image->nr_texts && !is_found; i++) {
		is_found = image_claim_partial(image, &image->texts[i], &kernel.swapper);
		kernel.text = i + 1;
	}
	if (!is_found) {
		is_found = image_claim_partial(image, NULL, &kernel.swapper);
		kernel.text = 0;
	}
	if (!is_found)
		return;
	kernels->nr = 0; /* what was only claimed */
	image_kernels_add(kernels, &kernel);
}

void image_kernels_collect(struct pgw_image *image, struct image_kernels *kernels)
{
	struct image_kernel by_looks = { .trust = TRUST_SEARCH, .order = UINT32_MAX };

	image_encryption_learn(image);
	collect_by_texts(image, image->nr_texts, kernels);
	image_kernels_rank(kernels);
	collect_by_cpus(image, kernels);
	if (image->is_surveyed)
		collect_by_symbols(image, kernels);
	image_kernels_rank(kernels);
	if (image->is_surveyed && !image_kernels_are_proved(kernels)) {
		if (image_claim_by_looks(image, &by_looks.swapper))
			image_kernels_add(kernels, &by_looks);
		else
			collect_partial(image, kernels);
		image_kernels_rank(kernels);
	}
	image_kernels_learn_encryption(image, kernels);
}

void image_kernels_without_a_look(struct pgw_image *image, struct image_kernels *ret)
{
	*ret = (struct image_kernels){ 0 };
	collect_by_texts(image, image->nr_note_texts, ret);
	image_kernels_rank(ret);
	collect_by_cpus(image, ret);
	image_kernels_rank(ret);
}

bool image_texts_settle(struct pgw_image *image, void *arg)
{
	struct image_kernels *kernels = arg;
	struct pgw_root_info cpu;

	*kernels = (struct image_kernels){ 0 };
	image_encryption_learn(image);
	collect_by_texts(image, image->nr_texts, kernels);
	image_kernels_rank(kernels);
	if (!kernels->nr || kernels->list[0].trust < TRUST_TEXT)
		return false;
	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!image_cpu_kernel_root(image, i, &cpu))
			continue;
		if (!maps_one_of(image, kernels, &cpu))
			return false;
	}
	return true;
}
