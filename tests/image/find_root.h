/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_IMAGE_FIND_ROOT_H
#define TESTS_IMAGE_FIND_ROOT_H

#include <pagewalk/image.h>

/** The root at pa of all that the image has, which must come in rising order; NULL: it is not one. */
const struct pgw_root_info *find_root(struct pgw_image *image, uint64_t pa);
size_t nr_roots(struct pgw_image *image);

#endif
