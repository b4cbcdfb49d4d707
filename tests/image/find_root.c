/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "image/find_root.h"

const struct pgw_root_info *find_root(struct pgw_image *image, uint64_t pa)
{
	const struct pgw_root_info *list, *found = NULL;
	size_t nr;

	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	for (size_t i = 0; i < nr; i++) {
		if (i)
			assert_true(list[i - 1].root.pa < list[i].root.pa);
		if (list[i].root.pa == pa)
			found = &list[i];
	}
	return found;
}

size_t nr_roots(struct pgw_image *image)
{
	const struct pgw_root_info *list;
	size_t nr;

	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	return nr;
}
