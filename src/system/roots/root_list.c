/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

int image_roots_add(struct image_roots *roots, const struct pgw_root_info *root)
{
	if (source_array_grow((void **)&roots->items, roots->nr, sizeof(*root)))
		return -PGW_ENOMEM;
	roots->items[roots->nr++] = *root;
	return 0;
}

int image_roots_compare(const void *a, const void *b)
{
	const struct pgw_root_info *x = a, *y = b;

	return (x->root.pa > y->root.pa) - (x->root.pa < y->root.pa);
}

void image_roots_merge(struct image_roots *roots)
{
	size_t nr = 0;

	if (roots->nr)
		qsort(roots->items, roots->nr, sizeof(roots->items[0]), image_roots_compare);
	for (size_t i = 0; i < roots->nr; i++) {
		const struct pgw_root_info *from = &roots->items[i];
		struct pgw_root_info *to = nr ? &roots->items[nr - 1] : NULL;

		if (!to || to->root.pa != from->root.pa) {
			roots->items[nr++] = *from;
			continue;
		}
		to->found |= from->found;
		to->cpus |= from->cpus;
		if (!to->evidence)
			to->evidence = from->evidence;
		if (from->has_pidr) {
			to->has_pidr = true;
			to->pidr = from->pidr;
		}
		if (from->has_twin) {
			to->has_twin = true;
			to->twin = from->twin;
			to->is_kpti_user = from->is_kpti_user;
		}
	}
	roots->nr = nr;
}
