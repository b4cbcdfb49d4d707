/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_NPT_H
#define PT_FMT_NPT_H

/*
 * Nested page tables of AMD's SVM: x86-64 entries (x86_64.h), as many levels as the host's own
 * tables have.
 *
 * Source: AMD APM vol. 2, 15.25 "Nested Paging": 15.25.5 "Nested Table Walk" (all accesses through
 * nested tables are user accesses, so U/S must be 1 at every level; R/W counts whatever the guest's
 * CR0.WP is; NX counts if the host has EFER.NXE).
 *
 * Entries that stand for nothing, as who manages such tables writes them:
 *
 *   all zero, or bit 63 alone   empty
 *   P and bit 51                absent: reserved bits make an access to it fault, as one to MMIO that
 *                               is to be emulated. It is not looked at any further. Where addresses
 *                               have 52 bits, or bit 51 is the one that encrypts, it is none.
 */

#include "pt/fmt/foreign.h"
#include "pt/fmt/x86_64.h"

#define NPT_MARK BIT(51)
#define NPT_ASSUME_PA_BITS 51 /* so that the mark is one */

static PGW_ALWAYS_INLINE enum pgw_entry_kind npt_pt_entry_kind(const struct pt_env *env,
							       uint64_t entry, unsigned level)
{
	if (!(entry & X86_P))
		return entry & ~X86_XD ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (entry & env->reserved & NPT_MARK)
		return PGW_ENTRY_ABSENT;
	return x86_64_pt_entry_kind(env, entry, level);
}

static PGW_ALWAYS_INLINE uint8_t npt_pt_rights(const struct pt_env *env, pt_acc_t acc,
					       uint64_t entry, unsigned level)
{
	pt_acc_t all = x86_64_pt_acc_table(env, acc, entry);

	(void)level;
	if (!(all & X86_US))
		return 0;
	return (uint8_t)(PGW_KERNEL_R | (all & X86_RW ? PGW_KERNEL_W : 0u) |
			 (all & X86_XD ? PGW_KERNEL_X : 0u));
}

/* All accesses are users'. */
static PGW_ALWAYS_INLINE uint64_t npt_pt_table_encode(const struct pt_env *env, uint64_t pa,
						      unsigned level, enum pgw_region_kind kind)
{
	(void)kind;
	return x86_64_pt_table_encode(env, pa, level, PGW_REGION_USER);
}

static PGW_ALWAYS_INLINE uint64_t npt_attr_bits(unsigned level)
{
	return X86_PWT | X86_PCD | X86_A | X86_D | (level == 0 ? X86_PAT_SMALL : X86_PAT_LARGE);
}

/* Neither the host's CR0.WP nor its CR4.SMEP plays a part. */
static PGW_ALWAYS_INLINE bool npt_pt_leaf_encode(const struct pt_env *env,
						 const struct pgw_leaf *leaf, uint64_t *ret)
{
	unsigned level = leaf->level;
	uint64_t entry = leaf->pa | leaf->attrs | X86_P | X86_US | (level ? X86_PS : 0) |
			 (leaf->rights & PGW_KERNEL_W ? X86_RW : 0) |
			 (leaf->rights & PGW_KERNEL_X ? 0 : X86_XD);

	if (level > X86_MAX_LEAF_LEVEL || (leaf->attrs & ~npt_attr_bits(level)) ||
	    (leaf->pa & ~x86_64_pt_addr_mask(env, level)))
		return false;
	/* What cannot be said comes out different from what was asked for. */
	if (npt_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    npt_pt_rights(env, x86_64_pt_acc_root(env, PGW_REGION_FOREIGN), entry, level) !=
		    leaf->rights)
		return false;
	*ret = entry;
	return true;
}

#undef pt_entry_kind
#undef pt_rights
#undef pt_table_encode
#undef pt_leaf_encode
#define pt_entry_kind npt_pt_entry_kind
#define pt_rights npt_pt_rights
#define pt_table_encode npt_pt_table_encode
#define pt_leaf_encode npt_pt_leaf_encode

static const struct pgw_attr npt_attrs[] = {
	{ .name = "a", .mask = X86_A, .value = X86_A, .level_last = 4 },
	{ .name = "d", .mask = X86_D, .value = X86_D, .level_last = 2 },
	{ .name = "pwt", .mask = X86_PWT, .value = X86_PWT, .level_last = 4 },
	{ .name = "pcd", .mask = X86_PCD, .value = X86_PCD, .level_last = 4 },
	{ .name = "pat", .mask = X86_PAT_SMALL, .value = X86_PAT_SMALL },
	{ .name = "pat",
	  .mask = X86_PAT_LARGE,
	  .value = X86_PAT_LARGE,
	  .level_first = 1,
	  .level_last = 2 },
	{ .name = NULL },
};

#define NPT_ATTR_MASK (X86_RW | X86_US | X86_PWT | X86_PCD | X86_A | X86_D | X86_XD)

#endif
