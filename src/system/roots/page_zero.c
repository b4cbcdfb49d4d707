/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/machine/page_items.h"

#include <stdatomic.h>

/*
 * The C library has asked the CPU when the program started. To ask again is to leave a virtual
 * machine each time, and what compilers bring for it asks ten times in each program that has it.
 */
#if defined(__x86_64__) && __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS_AVX512F CPU_FEATURE_ACTIVE(AVX512F)
#define HAS_AVX2 CPU_FEATURE_ACTIVE(AVX2)
#elif defined(__x86_64__)
#define HAS_AVX512F __builtin_cpu_supports("avx512f")
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define HAS_AVX512F false
#define HAS_AVX2 false
#endif

unsigned image_vector_size(void)
{
	static atomic_uint known;
	unsigned size = atomic_load_explicit(&known, memory_order_relaxed);

	if (pgw_unlikely(!size)) {
		size = HAS_AVX512F ? 64 : HAS_AVX2 ? 32 : 16;
		atomic_store_explicit(&known, size, memory_order_relaxed);
	}
	return size;
}

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
