/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/ptdump_priv.h"

#include "base/bits.h"

/* Intel SDM vol. 3A, tables 4-14 to 4-20. */
#define X86_PRESENT BIT(0)
#define X86_WRITE BIT(1)
#define X86_USER BIT(2)
#define X86_PAGE_SIZE BIT(7)
#define X86_ADDRESS BITS(51, 12)
#define X86_NO_EXEC BIT(63)

/*
 * The kernel takes bits 51:12 for the address at every level: the PAT bit of
 * large leaves, bit 12, is neither compared nor shown.
 */
static uint64_t x86_prot(uint64_t entry)
{
	return entry & ~X86_ADDRESS;
}

/*
 * At pmd level an entry with PS is a leaf to Linux even if it is not present:
 * that is how it keeps a huge page that nobody may access.
 */
static bool x86_is_leaf(uint64_t entry, unsigned level)
{
	if (!(entry & X86_PAGE_SIZE))
		return false;
	return level == 1 || (level == 2 && (entry & X86_PRESENT));
}

static uint64_t x86_effective(uint64_t parent, uint64_t prot)
{
	return (parent & prot & (X86_USER | X86_WRITE)) | ((parent | prot) & X86_NO_EXEC);
}

const struct ptdump_arch ptdump_x86_64 = {
	.name = "x86_64",
	.prot = x86_prot,
	.is_leaf = x86_is_leaf,
	.effective = x86_effective,
	.nr_guard_slots = 16, /* left to hypervisors */
	.max_markers = 1,
};
