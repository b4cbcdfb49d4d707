/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/layout.h"

#include <stdlib.h>
#include <string.h>

#define MAX_RANGES ((size_t)1 << 20)

static bool is_kernels(const struct pgw_layout *layout, uint64_t va)
{
	const struct pgw_region *region = pgw_format_region_of(layout->format, va);

	return region && region->kind == PGW_REGION_KERNEL;
}

int layout_add(struct pgw_layout *layout, uint64_t first, uint64_t last, const char *name,
	       const char *detail, enum pgw_layout_source source)
{
	struct pgw_layout_range *range;
	char *copy = NULL;

	if (last < first)
		return 0;
	if (!is_kernels(layout, first) || !is_kernels(layout, last)) {
		layout->met.nr_torn++;
		return 0;
	}
	if (layout->nr == MAX_RANGES) {
		layout->met.truncated = true;
		return 0;
	}
	if (layout->nr == layout->size) {
		size_t size = layout->size ? 2 * layout->size : 256;

		range = realloc(layout->list, size * sizeof(*range));
		if (!range)
			return -PGW_ENOMEM;
		layout->list = range;
		layout->size = size;
	}
	if (*detail) {
		copy = strdup(detail);
		if (!copy)
			return -PGW_ENOMEM;
	}
	layout->list[layout->nr++] = (struct pgw_layout_range){
		.first = first, .last = last, .name = name, .detail = copy, .source = source
	};
	return 0;
}
