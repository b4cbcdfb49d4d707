/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_VTD_FIRST_H
#define PT_FMT_VTD_FIRST_H

/*
 * First-stage tables of Intel's VT-d: x86-64 entries (x86_64.h), 4 or 5 levels.
 *
 * Source: Intel Virtualization Technology for Directed I/O, Architecture Specification: 3.6
 * "First-Stage Translation", 9.7 "First-Stage Paging Entries". Bit 10 is EA, extended accessed. Input
 * addresses must be canonical; of the upper half, which only shared virtual memory could have,
 * nothing is said here: the region is the lower one.
 *
 * The rights are those of requests with user privilege, which all are without PASID, and nearly all
 * with one. Requests to execute are of no device seen.
 */

#include "pt/fmt/foreign.h"
#include "pt/fmt/x86_64.h"

#define VTD_FIRST_EA BIT(10)

static PGW_ALWAYS_INLINE uint8_t vtd_first_pt_rights(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry, unsigned level)
{
	pt_acc_t all = x86_64_pt_acc_table(env, acc, entry);

	(void)level;
	if (!(all & X86_US))
		return 0;
	return (uint8_t)(PGW_KERNEL_R | (all & X86_RW ? PGW_KERNEL_W : 0u));
}

/* All requests are users'. */
static PGW_ALWAYS_INLINE uint64_t vtd_first_pt_table_encode(const struct pt_env *env, uint64_t pa,
							    unsigned level,
							    enum pgw_region_kind kind)
{
	(void)kind;
	return x86_64_pt_table_encode(env, pa, level, PGW_REGION_USER);
}

/* Who may read may execute, as far as anybody asks. */
static PGW_ALWAYS_INLINE bool vtd_first_pt_leaf_encode(const struct pt_env *env,
						       const struct pgw_leaf *leaf, uint64_t *ret)
{
	unsigned level = leaf->level;
	uint64_t entry = leaf->pa | leaf->attrs | X86_P | X86_US | (level ? X86_PS : 0) |
			 (leaf->rights & PGW_KERNEL_W ? X86_RW : 0);

	if (level > X86_MAX_LEAF_LEVEL || (leaf->attrs & ~(X86_A | VTD_FIRST_EA | X86_D)) ||
	    (leaf->pa & ~x86_64_pt_addr_mask(env, level)))
		return false;
	/* What cannot be said comes out different from what was asked for. */
	if (x86_64_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    vtd_first_pt_rights(env, x86_64_pt_acc_root(env, PGW_REGION_FOREIGN), entry, level) !=
		    leaf->rights)
		return false;
	*ret = entry;
	return true;
}

#undef pt_rights
#undef pt_table_encode
#undef pt_leaf_encode
#define pt_rights vtd_first_pt_rights
#define pt_table_encode vtd_first_pt_table_encode
#define pt_leaf_encode vtd_first_pt_leaf_encode

static const struct pgw_attr vtd_first_attrs[] = {
	{ .name = "a", .mask = X86_A, .value = X86_A, .level_last = 4 },
	{ .name = "ea", .mask = VTD_FIRST_EA, .value = VTD_FIRST_EA, .level_last = 4 },
	{ .name = "d", .mask = X86_D, .value = X86_D, .level_last = 2 },
	{ .name = NULL },
};

#define VTD_FIRST_ATTR_MASK (X86_RW | X86_US | X86_A | VTD_FIRST_EA | X86_D)

#endif
