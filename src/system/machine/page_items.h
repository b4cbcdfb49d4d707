/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_PAGE_ITEMS_H
#define SYSTEM_PAGE_ITEMS_H

/*
 * All items of a page at once: what a survey asks of every page that is not zero. Most pages hold
 * nothing that is looked for. So the loops have no branch, take a few operations for a vector, and
 * go over so many vectors at once that results do not wait for each other.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "system/roots/survey.h"

typedef uint64_t page_items __attribute__((vector_size(64)));
typedef uint64_t page_items_in_memory __attribute__((vector_size(64), aligned(1), may_alias));

#define PAGE_ITEMS 8   /* in a vector */
#define PAGE_VECTORS 2 /* at once */
#define PAGE_STEP (PAGE_VECTORS * sizeof(page_items))

static PGW_ALWAYS_INLINE bool page_items_any(const page_items any[PAGE_VECTORS])
{
	page_items all = any[0] | any[1];

	return ((all[0] | all[1]) | (all[2] | all[3])) | ((all[4] | all[5]) | (all[6] | all[7]));
}

/* Is any item, little-endian, this value in these bits? @param lanes all set in the items that count */
static PGW_ALWAYS_INLINE bool page_has_item_in(const uint8_t *page, uint64_t mask, uint64_t value,
					       const page_items *lanes)
{
	uint64_t mask_le = load_le64(&mask), value_le = load_le64(&value);
	page_items any[PAGE_VECTORS] = { 0 };

	for (size_t at = 0; at < IMAGE_PAGE; at += PAGE_STEP) {
		const page_items_in_memory *from = (const page_items_in_memory *)(page + at);

		for (unsigned i = 0; i < PAGE_VECTORS; i++)
			any[i] |= (page_items)((from[i] & mask_le) == value_le);
	}
	for (unsigned i = 0; i < PAGE_VECTORS; i++)
		any[i] &= *lanes;
	return page_items_any(any);
}

static PGW_ALWAYS_INLINE bool page_has_item(const uint8_t *page, uint64_t mask, uint64_t value)
{
	const page_items lanes = ~(page_items){ 0 };

	return page_has_item_in(page, mask, value, &lanes);
}

/** Of the CPU's widest vectors, in bytes; 16 if they are no wider than what each CPU has. */
unsigned image_vector_size(void);

/* The function NAME by the widest vectors that the CPU has, of NAME_any, which is always inlined. */
#if defined(__x86_64__)
#define PAGE_LOOK_BY_CPU(type, name)                                                               \
	__attribute__((target("avx512f"))) static type name##_avx512(const uint8_t *page)          \
	{                                                                                          \
		return name##_any(page);                                                           \
	}                                                                                          \
	__attribute__((target("avx2"))) static type name##_avx2(const uint8_t *page)               \
	{                                                                                          \
		return name##_any(page);                                                           \
	}                                                                                          \
	static type name(const uint8_t *page)                                                      \
	{                                                                                          \
		unsigned size = image_vector_size();                                               \
                                                                                                   \
		return size == 64   ? name##_avx512(page)                                          \
		       : size == 32 ? name##_avx2(page)                                            \
				    : name##_any(page);                                            \
	}
#else
#define PAGE_LOOK_BY_CPU(type, name)                                                               \
	static type name(const uint8_t *page)                                                      \
	{                                                                                          \
		return name##_any(page);                                                           \
	}
#endif

#endif
