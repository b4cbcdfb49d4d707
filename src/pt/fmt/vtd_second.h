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

#undef pt_env_init
#undef pt_entry_kind
#undef pt_acc_root
#undef pt_acc_table
#undef pt_rights
#define pt_env_init vtd_second_pt_env_init
#define pt_entry_kind vtd_second_pt_entry_kind
#define pt_is_table vtd_second_pt_is_table
#define pt_acc_root vtd_second_pt_acc_root
#define pt_acc_table vtd_second_pt_acc_table
#define pt_rights vtd_second_pt_rights

static const struct pgw_attr vtd_second_attrs[] = {
	{ .name = "a", .mask = VTD_A, .value = VTD_A, .level_last = 4, .needs = PGW_CTL_VTD_SSADE },
	{ .name = "d", .mask = VTD_D, .value = VTD_D, .level_last = 2, .needs = PGW_CTL_VTD_SSADE },
	{ .name = "snp", .mask = VTD_SNP, .value = VTD_SNP, .level_last = 2 },
	{ .name = NULL },
};

#define VTD_SECOND_ATTR_MASK (VTD_R | VTD_W | VTD_A | VTD_D | VTD_SNP)

#endif
