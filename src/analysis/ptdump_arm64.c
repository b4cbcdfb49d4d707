/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/ptdump_priv.h"

#include "base/bits.h"

/* Arm ARM D8.3, as src/pt/fmt/arm64.h has it. */
#define ARM64_VALID BIT(0)
#define ARM64_TABLE BIT(1)
#define ARM64_ATTRINDX BITS(4, 2)
#define ARM64_AP BITS(7, 6)
#define ARM64_SH BITS(9, 8)
#define ARM64_AF BIT(10)
#define ARM64_NG BIT(11)
#define ARM64_GP BIT(50)
#define ARM64_CONT BIT(52)
#define ARM64_XN BITS(54, 53)

/* Linux's software bit of a leaf that nobody may access. */
#define LINUX_PROT_NONE BIT(58)

/* The kernel looks at the same bits at every level; NS, DBM and software bits are not among them.
 */
static uint64_t arm64_prot(uint64_t entry)
{
	return entry & (ARM64_VALID | ARM64_TABLE | ARM64_ATTRINDX | ARM64_AP | ARM64_SH |
			ARM64_AF | ARM64_NG | ARM64_GP | ARM64_CONT | ARM64_XN);
}

static bool arm64_is_leaf(uint64_t entry, unsigned level)
{
	if (level > 2)
		return false;
	if (!(entry & (ARM64_VALID | LINUX_PROT_NONE)))
		return false;
	return (entry & (ARM64_VALID | ARM64_TABLE)) != (ARM64_VALID | ARM64_TABLE);
}

/* It passes one marker when it prints a line, and one more behind it. */
const struct ptdump_arch ptdump_arm64 = {
	.name = "arm64",
	.prot = arm64_prot,
	.is_leaf = arm64_is_leaf,
	.unfolds_leaves = true,
	.max_markers = 2,
};
