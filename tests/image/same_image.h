/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SAME_IMAGE_H
#define TESTS_SAME_IMAGE_H

/* Two images of one machine, whatever their kinds: what they say of it must be the same. */

#include <pagewalk/image.h>

/** Asserts that ranges, bytes, roots, and the leaves of each root are the same. */
void same_image(struct pgw_image *a, struct pgw_image *b);

/** The same of ranges and bytes alone. */
void same_memory(struct pgw_image *a, struct pgw_image *b);

/** The leaves of a root that are in this region, counted, and as a hash. */
struct leaves {
	uint64_t nr;
	uint64_t hash;
};
struct leaves leaves_of(struct pgw_image *image, const struct pgw_root_info *root);

#endif
