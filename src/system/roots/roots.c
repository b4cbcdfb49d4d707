/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

#include "base/bits.h"
#include "system/roots/root.h"

/* Table visits that may be made to tell what all the roots are for. */
#define ROOTS_BUDGET (UINT64_C(1) << 24)
/* Tables that may be met to tell how many all the roots lack. */
#define MISSING_BUDGET (UINT64_C(1) << 22)

struct roots_budget {
	uint64_t state, missing;
};

/* Is the place that the text names no root, but a kernel known that it is of, at another? */
static bool is_meant_otherwise(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			       const struct image_swapper *claim)
{
	return claim->root.proof != PGW_PROOF_PASSED &&
	       pgw_image_vmcoreinfo_fit(image, info) == PGW_FIT_YES;
}

static int roots_add_claims(struct image_roots *roots)
{
	struct pgw_image *image = roots->image;
	struct image_swapper claim;
	struct pgw_root_info root;
	int status = 0;

	for (size_t i = 0; i < image->nr_cpus && !status; i++) {
		if (image_cpu_loaded(image, i, &root))
			status = image_roots_add(roots, &root);
		if (!status && image_cpu_user_loaded(image, i, &root))
			status = image_roots_add(roots, &root);
	}
	for (size_t i = 0; i < image->nr_texts && !status; i++) {
		if (image_claim_of_text(image, &image->texts[i], &claim) &&
		    !is_meant_otherwise(image, &image->texts[i], &claim))
			status = image_roots_add(roots, &claim.root);
	}
	return status;
}

static int roots_add_twins(struct image_roots *roots)
{
	size_t nr = roots->nr;
	int status = 0;

	for (size_t i = 0; i < nr && !status; i++) {
		struct pgw_root_info *root = &roots->items[i], twin;

		image_root_find_twin(roots->image, root);
		if (!root->has_twin)
			continue;
		twin = *root; /* its CPUs too: a pair runs where one of it does */
		twin.root = root->twin;
		twin.twin = root->root;
		twin.is_kpti_user = !root->is_kpti_user;
		twin.found = PGW_ROOT_FROM_KPTI;
		status = image_roots_add(roots, &twin);
	}
	image_roots_merge(roots);
	return status;
}

/*
 * Whose root is it? One that maps a kernel is that kernel's. A process's that does not is the
 * only kernel's; of several, that of the only one that maps its page.
 */
static unsigned root_kernel(struct pgw_image *image, const struct pgw_root_info *root)
{
	size_t nr = image_kernels_sound(image);
	unsigned found = 0;
	uint64_t va;

	for (unsigned i = 0; i < nr; i++) {
		const struct image_swapper *kernel = &image_kernels(image)->list[i].swapper;
		enum pgw_root_proof proof = image_root_prove(image, kernel, root);

		if (proof == PGW_PROOF_PASSED || proof == PGW_PROOF_PARTIAL)
			return i + 1;
		if (root->has_kernel || !(root->found & PGW_ROOT_FROM_TABLE_BITS) ||
		    (nr > 1 &&
		     !image_root_find_va(image, &kernel->root,
					 root->root.pa & ~(uint64_t)(IMAGE_PAGE - 1), 0, &va)))
			continue;
		if (found)
			return 0;
		found = i + 1;
	}
	return found;
}

/* The tables that the image lacks of both halves; a budget bounds what all roots together take. */
static void root_find_missing(const struct pgw_image *image, struct pgw_root_info *root,
			      uint64_t *budget)
{
	struct image_count count;
	int status;

	if (!image->info.unreadable_bytes)
		return;
	root->nr_missing = 1;
	if (image_root_is_missing(image, root))
		return;
	status = image_root_count(image, root, IMAGE_ALL_REGIONS, budget, &count);
	root->nr_missing = count.nr_missing - count.nr_outside;
	root->missing_is_cut = status && status != -PGW_EINVAL;
}

static void root_describe_one(struct pgw_image *image, struct pgw_root_info *root,
			      uint32_t pair_found, struct roots_budget *budget)
{
	const struct image_kernels *kernels = image_kernels(image);
	const struct image_swapper *kernel = NULL;

	root->kernel = root_kernel(image, root);
	if (kernels->nr)
		kernel = &kernels->list[root->kernel ? root->kernel - 1 : 0].swapper;
	root->proof = image_root_prove(image, kernel, root);
	if (root->proof == PGW_PROOF_PASSED)
		root->found |= image_root_proved_by(image);
	root->nr_agree = root->proof == PGW_PROOF_PARTIAL ? kernel->root.nr_agree : 0;
	root->state = image_root_state(image, kernel, root, pair_found & PGW_ROOT_FROM_CPU,
				       &budget->state);
	root_find_missing(image, root, &budget->missing);
}

/* Where it is in the list, if it is there. */
static const struct pgw_root_info *roots_find_twin(const struct image_roots *roots,
						   const struct pgw_root_info *root)
{
	const struct pgw_root_info sought = { .root = root->twin };

	return root->has_twin ? bsearch(&sought, roots->items, roots->nr, sizeof(sought),
					image_roots_compare)
			      : NULL;
}

static void roots_describe(struct image_roots *roots)
{
	struct roots_budget budget = { ROOTS_BUDGET, MISSING_BUDGET };

	/* Ascending: of a pair, the kernel's root has the lower address and has been described. */
	for (size_t i = 0; i < roots->nr; i++) {
		struct pgw_root_info *root = &roots->items[i];
		const struct pgw_root_info *twin;
		uint32_t pair_found = root->found;

		image_root_set_halves(root);
		twin = roots_find_twin(roots, root);
		if (root->is_kpti_user && twin && twin < root) {
			root->proof = PGW_PROOF_NONE;
			root->state = twin->state;
			root->cpus = twin->cpus;
			root->kernel = twin->kernel;
			root_find_missing(roots->image, root, &budget.missing);
			continue;
		}
		if (twin)
			pair_found |= twin->found;
		root_describe_one(roots->image, root, pair_found, &budget);
	}
}

/* Does a look for one kernel's processes find another's too? Where they do not map the kernel. */
static bool is_same_search(const struct image_swapper *a, const struct image_swapper *b)
{
	return a->root.format == b->root.format && pgw_format_is_split(a->root.format);
}

/*
 * Are processes found by it? By the format alone, where they do not map the
 * kernel and its root is lost.
 */
static bool tells_processes(const struct pgw_image *image, const struct image_swapper *kernel,
			    bool is_sound)
{
	return is_sound || (pgw_format_is_split(kernel->root.format) &&
			    image_root_is_lost(image, &kernel->root));
}

/* The kernels' and their processes'. */
static int roots_add_kernels(struct image_roots *roots)
{
	struct pgw_image *image = roots->image;
	const struct image_kernels *kernels = image_kernels(image);
	size_t nr_sound = image_kernels_sound(image);
	int status = 0;

	if (image->arch && !kernels->nr)
		return image->arch->ops->process_roots(roots, NULL);
	for (size_t i = 0; i < kernels->nr && !status; i++) {
		const struct image_swapper *kernel = &kernels->list[i].swapper;
		bool is_done = !tells_processes(image, kernel, i < nr_sound);

		for (size_t j = 0; j < i; j++)
			is_done |= is_same_search(&kernels->list[j].swapper, kernel);
		status = image_roots_add(roots, &kernel->root);
		if (!status && !is_done)
			status = image->arch->ops->process_roots(roots, kernel);
	}
	return status;
}

/* Those of the kernel that the options name. */
static void roots_keep_kernel(struct image_roots *roots, unsigned number)
{
	size_t nr = 0;

	for (size_t i = 0; i < roots->nr; i++) {
		if (roots->items[i].kernel == number)
			roots->items[nr++] = roots->items[i];
	}
	roots->nr = nr;
}

/* The default where no kernel is proved; those that CPUs have loaded are there already. */
static int roots_add_other(struct image_roots *roots)
{
	struct pgw_root_info root;
	int status = image_other_root(roots->image, &root);

	if (status)
		return status == -PGW_ENOENT ? 0 : status;
	return root.found & PGW_ROOT_FROM_IDENTITY_MAP ? image_roots_add(roots, &root) : 0;
}

static int roots_find(struct image_roots *roots)
{
	struct pgw_image *image = roots->image;
	unsigned number = 0;
	int status = image_survey(image);

	if (!status)
		status = image_kernel_meant(image, &number, NULL);
	if (!status)
		status = roots_add_claims(roots);
	if (!status)
		status = roots_add_kernels(roots);
	if (!status && image->arch && !image_kernels_sound(image))
		status = roots_add_other(roots);
	image_roots_merge(roots);
	if (!status)
		status = roots_add_twins(roots);
	if (status)
		return status;
	roots_describe(roots);
	if (image->options.kernel)
		roots_keep_kernel(roots, number);
	return 0;
}

int pgw_image_roots(struct pgw_image *image, const struct pgw_root_info **ret_list, size_t *ret_nr)
{
	if (!image->roots_searched) {
		struct image_roots roots = { .image = image };
		int status = roots_find(&roots);

		if (status) {
			free(roots.items);
			return status;
		}
		image->roots = roots.items;
		image->nr_roots = roots.nr;
		image->roots_searched = true;
	}
	*ret_list = image->roots;
	*ret_nr = image->nr_roots;
	return 0;
}
