/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_VTD_SECOND_H
#define PT_FMT_VTD_SECOND_H

/*
 * Second-stage tables of Intel's VT-d, 3 to 5 levels. Addresses are where x86-64 has them.
 *
 * Source: Intel Virtualization Technology for Directed I/O, Architecture Specification: 3.7
 * "Second-Stage Translation", 9.8 "Second-Stage Paging Entries".
 *
 *   bit    table       leaf above level 0   leaf at level 0
 *   0      R           R                    R
 *   1      W           W                    W
 *   2      X, or -: execution is asked for by no device seen
 *   6:3    -           - (memory type and ignore PAT, where the hardware has them)
 *   7      0           1                    -
 *   8      A           A                    A     (with SSADE)
 *   9      -           D                    D     (with SSADE)
 *   10     -           -                    -
 *   11     -           SNP                  SNP: snooped
 *   M-1:12 addr        addr; 0 below size   addr
 *   51:M   0           0                    0
 *   62:52  -           -; 62 is TM, transient mapping
 *   63     -           -                    -
 *
 * What owners change needs an invalidation of the IOTLB afterwards (6.5), as the platform's tlb_flush is
 * asked for, and nothing in between. Hardware that caches what is not present (CAP_REG.CM) wants one
 * after a map, too, which asks for none: that is the caller's.
 *
 * An entry without R and W is not present. W alone is a mapping that the device may only write to.
 */

#include "pt/fmt/foreign.h"
#include "pt/fmt/x86_64.h"

#define VTD_R BIT(0)
#define VTD_W BIT(1)
#define VTD_LARGE BIT(7)
#define VTD_A BIT(8)
#define VTD_D BIT(9)
#define VTD_SNP BIT(11)

static PGW_ALWAYS_INLINE struct pt_env vtd_second_pt_env_init(const struct pgw_format *format,
							      const struct pgw_control *control)
{
	unsigned width = control->pa_bits;
	uint64_t above = width < X86_MAX_PA_BITS ? BITS(X86_MAX_PA_BITS - 1, width) : 0;

	(void)format;
	/* Tables that allow both, and leaves that may be read, are plain. */
	return (struct pt_env){
		.reserved = above,
		.table_mask = VTD_R | VTD_W | VTD_LARGE | above,
		.table_value = VTD_R | VTD_W,
		.kind_mask = ~X86_ADDR | above,
		.leaf_mask = VTD_R | above,
		.leaf_value = VTD_R,
		.rights_mask = VTD_R | VTD_W,
		.addr_mask = X86_ADDR,
		.ctl = control->set,
	};
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind
vtd_second_pt_entry_kind(const struct pt_env *env, uint64_t entry, unsigned level)
{
	if (!(entry & (VTD_R | VTD_W)))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (entry & env->reserved)
		return PGW_ENTRY_MALFORMED;
	if (!level)
		return PGW_ENTRY_LEAF;
	if (!(entry & VTD_LARGE))
		return PGW_ENTRY_TABLE;
	if (level > X86_MAX_LEAF_LEVEL || (entry & BITS(X86_SPAN_LG2(level) - 1u, X86_GRANULE_LG2)))
		return PGW_ENTRY_MALFORMED;
	return PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE bool vtd_second_pt_is_table(const struct pt_env *env, uint64_t entry,
						     unsigned level)
{
	(void)level;
	return (entry & (VTD_R | VTD_W)) && !(entry & (VTD_LARGE | env->reserved));
}

static PGW_ALWAYS_INLINE pt_acc_t vtd_second_pt_acc_root(const struct pt_env *env,
							 enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return VTD_R | VTD_W;
}

static PGW_ALWAYS_INLINE pt_acc_t vtd_second_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
							  uint64_t entry)
{
	(void)env;
	return acc & entry;
}

static PGW_ALWAYS_INLINE uint8_t vtd_second_pt_rights(const struct pt_env *env, pt_acc_t acc,
						      uint64_t entry, unsigned level)
{
	uint64_t all = acc & entry;

	(void)env, (void)level;
	return (uint8_t)((all & VTD_R ? PGW_KERNEL_R : 0u) | (all & VTD_W ? PGW_KERNEL_W : 0u));
}

/* ---- for owners ---- */

static PGW_ALWAYS_INLINE uint64_t vtd_second_pt_table_encode(const struct pt_env *env, uint64_t pa,
							     unsigned level,
							     enum pgw_region_kind kind)
{
	(void)level, (void)kind;
	return pa | VTD_R | VTD_W | (env->ctl & PGW_CTL_VTD_SSADE ? VTD_A : 0);
}

static PGW_ALWAYS_INLINE bool vtd_second_pt_leaf_encode(const struct pt_env *env,
							const struct pgw_leaf *leaf, uint64_t *ret)
{
	unsigned level = leaf->level;
	uint64_t entry = leaf->pa | leaf->attrs | (level ? VTD_LARGE : 0) |
			 (leaf->rights & PGW_KERNEL_R ? VTD_R : 0) |
			 (leaf->rights & PGW_KERNEL_W ? VTD_W : 0);

	if (level > X86_MAX_LEAF_LEVEL || (leaf->attrs & ~(VTD_A | VTD_D | VTD_SNP)) ||
	    (leaf->pa & ~x86_64_pt_addr_mask(env, level)))
		return false;
	/* What cannot be said comes out different from what was asked for. */
	if (vtd_second_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    vtd_second_pt_rights(env, VTD_R | VTD_W, entry, level) != leaf->rights)
		return false;
	*ret = entry;
	return true;
}

static PGW_ALWAYS_INLINE uint64_t vtd_second_pt_leaf_resize(const struct pt_env *env,
							    uint64_t entry, unsigned level,
							    uint64_t va, unsigned to_level,
							    bool run)
{
	uint64_t pa = x86_64_pt_leaf_pa(env, entry, level, va) & x86_64_pt_addr_mask(env, to_level);

	(void)run;
	return (entry & ~(env->addr_mask | VTD_LARGE)) | pa | (to_level ? VTD_LARGE : 0);
}

static PGW_ALWAYS_INLINE uint64_t vtd_second_pt_rights_mask(void)
{
	return VTD_R | VTD_W;
}

static PGW_ALWAYS_INLINE uint64_t vtd_second_pt_leaf_protect(const struct pt_env *env,
							     uint64_t entry, uint64_t bits)
{
	(void)env;
	return (entry & ~vtd_second_pt_rights_mask()) | bits;
}

/* 3.7.2. Without SSADE these bits are what software put there. */
static PGW_ALWAYS_INLINE bool vtd_second_pt_entry_young(uint64_t entry)
{
	return entry & VTD_A;
}

static PGW_ALWAYS_INLINE bool vtd_second_pt_entry_dirty(uint64_t entry)
{
	return entry & VTD_D;
}

static PGW_ALWAYS_INLINE uint64_t vtd_second_pt_entry_clear(const struct pt_env *env,
							    uint64_t entry, bool young, bool dirty)
{
	(void)env;
	return entry & ~((young ? VTD_A : 0) | (dirty ? VTD_D : 0));
}

static PGW_ALWAYS_INLINE uint64_t vtd_second_pt_entry_combine(const struct pt_env *env,
							      uint64_t entry, uint64_t other)
{
	(void)env;
	return entry | (other & (VTD_A | VTD_D));
}

#undef pt_env_init
#undef pt_entry_kind
#undef pt_acc_root
#undef pt_acc_table
#undef pt_rights
#undef pt_table_encode
#undef pt_leaf_encode
#undef pt_leaf_resize
#undef pt_rights_mask
#undef pt_leaf_protect
#undef pt_entry_young
#undef pt_entry_dirty
#undef pt_entry_clear
#undef pt_entry_combine
#define pt_env_init vtd_second_pt_env_init
#define pt_entry_kind vtd_second_pt_entry_kind
#define pt_is_table vtd_second_pt_is_table
#define pt_acc_root vtd_second_pt_acc_root
#define pt_acc_table vtd_second_pt_acc_table
#define pt_rights vtd_second_pt_rights
#define pt_table_encode vtd_second_pt_table_encode
#define pt_leaf_encode vtd_second_pt_leaf_encode
#define pt_leaf_resize vtd_second_pt_leaf_resize
#define pt_rights_mask vtd_second_pt_rights_mask
#define pt_leaf_protect vtd_second_pt_leaf_protect
#define pt_entry_young vtd_second_pt_entry_young
#define pt_entry_dirty vtd_second_pt_entry_dirty
#define pt_entry_clear vtd_second_pt_entry_clear
#define pt_entry_combine vtd_second_pt_entry_combine

static const struct pgw_attr vtd_second_attrs[] = {
	{ .name = "a", .mask = VTD_A, .value = VTD_A, .level_last = 4, .needs = PGW_CTL_VTD_SSADE },
	{ .name = "d", .mask = VTD_D, .value = VTD_D, .level_last = 2, .needs = PGW_CTL_VTD_SSADE },
	{ .name = "snp", .mask = VTD_SNP, .value = VTD_SNP, .level_last = 2 },
	{ .name = NULL },
};

#define VTD_SECOND_ATTR_MASK (VTD_R | VTD_W | VTD_A | VTD_D | VTD_SNP)

#endif
