/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"

/*
 * Linux's MAIR_EL1, from its arch/arm64/include/asm/memory.h: what AttrIndx 0 to 7 mean, the
 * lowest byte first. 5.10 put normal memory first, for tagged memory ("arm64: mte: Use Normal
 * Tagged attributes for the linear map"); 5.14 dropped two types that nobody used.
 */
static const struct {
	unsigned major, minor; /* since this release */
	uint64_t mair;
} orders[] = {
	/* normal, tagged, non-cacheable, nGnRnE, nGnRE */
	{ 5, 14, UINT64_C(0x000000040044f0ff) },
	/* normal, tagged, non-cacheable, write-through, nGnRnE, nGnRE, GRE */
	{ 5, 10, UINT64_C(0x000c0400bb44f0ff) },
	/* nGnRnE, nGnRE, GRE, non-cacheable, normal, write-through */
	{ 0, 0, UINT64_C(0x0000bbff440c0400) },
};

/* Cached memory, tagged or not, as RAM is mapped. */
static bool is_normal(uint64_t mair, uint64_t leaf)
{
	uint8_t type = (uint8_t)(mair >> 8 * (leaf >> 2 & 7));

	return type == 0xff || type == 0xf0;
}

static bool is_since(const struct pgw_linux *kernel, unsigned major, unsigned minor)
{
	return kernel->major > major || (kernel->major == major && kernel->minor >= minor);
}

bool image_arm64_memory_types(const struct pgw_linux *kernel, uint64_t leaf, uint64_t *ret)
{
	unsigned nr = 0;

	for (size_t i = 0; kernel->is_known && i < PGW_ARRAY_SIZE(orders); i++) {
		if (!is_since(kernel, orders[i].major, orders[i].minor))
			continue;
		*ret = orders[i].mair;
		if (is_normal(*ret, leaf))
			return true;
		break;
	}
	/* Distributions move such changes to other releases: memory is right. */
	for (size_t i = 0; i < PGW_ARRAY_SIZE(orders); i++) {
		if (!is_normal(orders[i].mair, leaf))
			continue;
		*ret = orders[i].mair;
		nr++;
	}
	return nr == 1;
}
