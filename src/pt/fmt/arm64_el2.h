/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_ARM64_EL2_H
#define PT_FMT_ARM64_EL2_H

/*
 * arm64 stage 1 of the EL2 regime (HCR_EL2.E2H = 0): a hypervisor's own tables, by TTBR0_EL2. Entries
 * are arm64.h's, for one range of addresses and one privilege level: AP[1] is 1 and says nothing, XN
 * is where UXN is, PXN and nG are 0; of tables APTable[0] and PXNTable say nothing.
 *
 * Source: Arm ARM D8.4 "Memory access control", of translation regimes that support a single
 * privilege level. Control bits are those of SCTLR_EL2, TCR_EL2 (HPD for HPD0, TBI for TBI0, HD) and
 * MAIR_EL2.
 */

#include "pt/fmt/arm64.h"
#include "pt/fmt/foreign.h"

static PGW_ALWAYS_INLINE uint8_t arm64_el2_pt_rights(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry, unsigned level)
{
	bool clean = (entry & ARM64_DBM) && (env->ctl & PGW_CTL_ARM64_HD);
	bool write = (!(entry & ARM64_AP_RO) || clean) && (acc & ARM64_APTABLE_RO);
	bool wxn = env->ctl & PGW_CTL_ARM64_WXN;
	unsigned rights = PGW_KERNEL_R | (write ? PGW_KERNEL_W : 0u);

	(void)level;
	if (!(entry & ARM64_UXN) && (acc & ARM64_UXNTABLE) && !(wxn && write))
		rights |= PGW_KERNEL_X;
	return (uint8_t)rights;
}

/* AP[1] is 1, PXN and nG are 0. */
static PGW_ALWAYS_INLINE bool arm64_el2_pt_leaf_encode(const struct pt_env *env,
						       const struct pgw_leaf *leaf, uint64_t *ret)
{
	unsigned level = leaf->level;
	uint64_t entry = arm64_addr_put(env, leaf->pa) | leaf->attrs | ARM64_VALID | ARM64_AP_EL0 |
			 (level ? 0 : ARM64_TABLE) |
			 (leaf->rights & PGW_KERNEL_W ? 0 : ARM64_AP_RO) |
			 (leaf->rights & PGW_KERNEL_X ? 0 : ARM64_UXN);

	if ((leaf->attrs & ~(arm64_attr_bits(env) & ~ARM64_NG)) ||
	    arm64_addr_get(env, entry) != leaf->pa ||
	    ((leaf->attrs & ARM64_CONT) && !arm64_cont_lg2(level)))
		return false;
	/* What cannot be said comes out different from what was asked for. */
	if (arm64_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    arm64_el2_pt_rights(env, arm64_pt_acc_root(env, PGW_REGION_FOREIGN), entry, level) !=
		    leaf->rights)
		return false;
	*ret = entry;
	return true;
}

#undef pt_rights
#undef pt_leaf_encode
#define pt_rights arm64_el2_pt_rights
#define pt_leaf_encode arm64_el2_pt_leaf_encode

#define ARM64_EL2_ATTR_MASK_LPA2                                                                   \
	(ARM64_ATTRINDX | ARM64_NS | ARM64_AP_RO | ARM64_AF | ARM64_GP | ARM64_DBM | ARM64_CONT |  \
	 ARM64_UXN)
#define ARM64_EL2_ATTR_MASK (ARM64_EL2_ATTR_MASK_LPA2 | ARM64_SH)

extern const struct pgw_control_bit arm64_el2_controls[];

/* TCR_EL2.TBI: of the whole range. */
static PGW_MAYBE_UNUSED uint64_t arm64_el2_tag_bits(const struct pgw_geometry *geo,
						    const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)va;
	return control->set & PGW_CTL_ARM64_TBI0 ? BITS(63, 56) : 0;
}

#define ARM64_EL2_FORMAT(format_name, format_alias, va, pa, attrs_array, mask)                     \
	{                                                                                          \
		.name = (format_name), .alias = (format_alias), .arch = "arm64-el2",               \
		.geometry = ARM64_GEOMETRY(va, pa),                                                \
		.regions = PT_REGION_FOREIGN("hypervisor", va, "el2", NULL),                       \
		.table_names = arm64_table_names, .attrs = (attrs_array),                          \
		.later_bits = foreign_no_later_bits,                                               \
		.attr_mask = { (mask), (mask), (mask), (mask), (mask) },                           \
		.controls = arm64_el2_controls,                                                    \
		.control_bits = PGW_CTL_ARM64_WXN | PGW_CTL_ARM64_HPD0 | PGW_CTL_ARM64_HD |        \
				PGW_CTL_ARM64_TBI0 | PGW_CTL_MEMORY_TYPES,                         \
		.tag_bits = arm64_el2_tag_bits,                                                    \
		.assume_memory_types = UINT64_C(0x000000040044ffff), .min_pa_bits = 32,            \
		.memory_type = arm64_memory_type, .decode = pt_decode, .advance = pt_advance,      \
		.env_init = pt_env_fill, .ops = &pt_format_ops, .edit = &ARM64_EL2_EDIT_OPS,       \
	}

#endif
