/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_LEAF_SIZE_H
#define PT_LEAF_SIZE_H

/*
 * Which size of leaf to use where: pure arithmetic on a bitmap of sizes (bit n:
 * 2^n bytes; contiguous runs are sizes like others).
 */

#include "base/bits.h"

/**
 * The largest size that fits: va and pa are aligned to it, and it is no longer
 * than what is left.
 * @param left bytes, more than 0
 * @return its log2, or 0: none fits
 */
static PGW_ALWAYS_INLINE unsigned pt_best_size(uint64_t sizes, uint64_t va, uint64_t pa,
					       uint64_t left)
{
	unsigned longest = 63u - (unsigned)__builtin_clzll(left);
	unsigned aligned = va | pa ? (unsigned)__builtin_ctzll(va | pa) : 63;

	sizes &= low_bits((aligned < longest ? aligned : longest) + 1);
	return sizes ? 63u - (unsigned)__builtin_clzll(sizes) : 0;
}

/**
 * How many leaves of the best size, 2^size_lg2, follow until a larger one becomes
 * possible. It is enough to ask for the next larger one: where one larger
 * still fits, that fits too.
 */
static PGW_ALWAYS_INLINE uint64_t pt_best_size_count(uint64_t sizes, uint64_t va, uint64_t pa,
						     uint64_t left, unsigned size_lg2)
{
	uint64_t larger = sizes & ~low_bits(size_lg2 + 1);
	unsigned larger_lg2 = larger ? (unsigned)__builtin_ctzll(larger) : 0;
	uint64_t until;

	if (!larger || ((va ^ pa) & low_bits(larger_lg2)))
		return left >> size_lg2;
	until = -va & low_bits(larger_lg2);
	return (until <= left && left - until >= BIT(larger_lg2) ? until : left) >> size_lg2;
}

#endif
