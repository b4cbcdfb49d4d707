/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/machine/page_items.h"

/* Most pages that are not zero begin with something else. */
static PGW_ALWAYS_INLINE bool is_zero_any(const uint8_t *page)
{
	for (size_t at = 0; at < IMAGE_PAGE; at += PAGE_STEP) {
		const page_items_in_memory *from = (const page_items_in_memory *)(page + at);
		const page_items any[PAGE_VECTORS] = { from[0], from[1] };

		if (page_items_any(any))
			return false;
	}
	return true;
}

PAGE_LOOK_BY_CPU(bool, is_zero)

bool image_page_is_zero(const uint8_t *page)
{
	return is_zero(page);
}
