/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>

#include "base/bits.h"

/* Table visits that may be made to tell what all the roots are for. */
#define ROOTS_BUDGET (UINT64_C(1) << 24)

int image_roots_add(struct image_roots *roots, const struct pgw_root_info *root)
{
	if (image_array_grow((void **)&roots->items, roots->nr, sizeof(*root)))
		return -PGW_ENOMEM;
	roots->items[roots->nr++] = *root;
	return 0;
}

static int root_compare(const void *a, const void *b)
{
	const struct pgw_root_info *x = a, *y = b;

	return (x->root.pa > y->root.pa) - (x->root.pa < y->root.pa);
}

/* Sort, and make one of those that were found in several ways. */
static void roots_merge(struct image_roots *roots)
{
	size_t nr = 0;

	if (roots->nr)
		qsort(roots->items, roots->nr, sizeof(roots->items[0]), root_compare);
	for (size_t i = 0; i < roots->nr; i++) {
		const struct pgw_root_info *from = &roots->items[i];
		struct pgw_root_info *to = nr ? &roots->items[nr - 1] : NULL;

		if (!to || to->root.pa != from->root.pa) {
			roots->items[nr++] = *from;
			continue;
		}
		to->found |= from->found;
		to->cpus |= from->cpus;
		if (from->has_twin) {
			to->has_twin = true;
			to->twin = from->twin;
			to->is_kpti_user = from->is_kpti_user;
		}
	}
	roots->nr = nr;
}

static int roots_add_claims(struct image_roots *roots)
{
	const struct pgw_image *image = roots->image;
	struct image_swapper claim;
	struct pgw_root_info root;
	int status = 0;

	for (size_t i = 0; i < image->nr_cpus && !status; i++) {
		if (image_cpu_loaded(image, i, &root))
			status = image_roots_add(roots, &root);
	}
	for (size_t i = 0; i < image->nr_texts && !status; i++) {
		if (image_claim_of_text(image, &image->texts[i], &claim))
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
	roots_merge(roots);
	return status;
}

static void roots_describe(struct image_roots *roots, const struct image_swapper *swapper)
{
	uint64_t budget = ROOTS_BUDGET;

	/* Ascending, and a pair's kernel root has the lower address: it comes right before its
	 * twin. */
	for (size_t i = 0; i < roots->nr; i++) {
		struct pgw_root_info *root = &roots->items[i];
		uint32_t pair_found = root->found;

		image_root_set_halves(root);
		if (root->is_kpti_user) {
			root->proof = PGW_PROOF_NONE;
			root->state = root[-1].state;
			root->cpus = root[-1].cpus;
			continue;
		}
		if (root->has_twin)
			pair_found |= root[1].found;
		root->proof = image_root_prove(roots->image, swapper, root);
		if (root->proof == PGW_PROOF_PASSED)
			root->found |= PGW_ROOT_FROM_SELF_MAP;
		root->state = image_root_state(roots->image, swapper, root,
					       pair_found & PGW_ROOT_FROM_CPU, &budget);
	}
}

static int roots_find(struct image_roots *roots)
{
	struct pgw_image *image = roots->image;
	struct image_swapper swapper;
	int status = image_survey(image);
	bool has_swapper;

	if (status)
		return status;
	has_swapper = image_kernel_best(image, &swapper);
	status = roots_add_claims(roots);
	if (!status && has_swapper)
		status = image_roots_add(roots, &swapper.root);
	if (!status && has_swapper && swapper.root.proof == PGW_PROOF_PASSED)
		status = image->arch->ops->process_roots(roots, &swapper);
	roots_merge(roots);
	if (!status)
		status = roots_add_twins(roots);
	if (!status)
		roots_describe(roots, has_swapper ? &swapper : NULL);
	return status;
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
