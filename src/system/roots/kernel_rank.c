/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

bool image_kernel_is_sound(const struct image_kernel *kernel)
{
	return kernel->trust > TRUST_CLAIM;
}

bool image_kernels_are_proved(const struct image_kernels *kernels)
{
	return kernels->nr && kernels->list[0].swapper.root.proof == PGW_PROOF_PASSED;
}

static bool comes_before(const struct image_kernel *a, const struct image_kernel *b)
{
	return a->trust != b->trust ? a->trust > b->trust : a->order < b->order;
}

void image_kernels_rank(struct image_kernels *kernels)
{
	for (size_t i = 1; i < kernels->nr; i++) {
		struct image_kernel kernel = kernels->list[i];
		size_t at = i;

		for (; at && comes_before(&kernel, &kernels->list[at - 1]); at--)
			kernels->list[at] = kernels->list[at - 1];
		kernels->list[at] = kernel;
	}
}

void image_kernels_add(struct image_kernels *kernels, const struct image_kernel *kernel)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		struct image_kernel *same = &kernels->list[i];

		if (same->swapper.root.root.pa != kernel->swapper.root.root.pa)
			continue;
		if (!image_kernel_is_sound(same) && image_kernel_is_sound(kernel))
			*same = *kernel;
		if (comes_before(kernel, same)) {
			same->trust = kernel->trust;
			same->order = kernel->order;
		}
		if (!same->text)
			same->text = kernel->text;
		return;
	}
	if (kernels->nr < IMAGE_MAX_KERNELS && (image_kernel_is_sound(kernel) || !kernels->nr))
		kernels->list[kernels->nr++] = *kernel;
}

void image_kernels_drop_claims(struct image_kernels *kernels)
{
	size_t nr = 0;

	for (size_t i = 0; i < kernels->nr; i++) {
		if (image_kernel_is_sound(&kernels->list[i]))
			kernels->list[nr++] = kernels->list[i];
	}
	kernels->nr = nr;
}
