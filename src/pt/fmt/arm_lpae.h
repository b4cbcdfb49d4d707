/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_ARM_LPAE_H
#define PT_FMT_ARM_LPAE_H

/*
 * arm, 32 bits, the long descriptors of LPAE: stage 1 of the PL1&0 regime. Entries are those that
 * arm64.h has with a granule of 4 KiB, of which they are the origin, with addresses of 40 bits. Their
 * levels 1 to 3 are ours from 2 to 0. What differs:
 *
 *   bit    table       block, page
 *   47:40  0           0 (ARMv7: should be 0; ARMv8: else an address size fault)
 *   50     -           -
 *   51     -           -
 *   54     -           XN: nobody executes it; PL1 neither
 *   60     XNTable     -
 *
 * Sources: ARM Architecture Reference Manual, ARMv7-A (DDI 0406C) B3.6 "Long-descriptor translation
 * table format", B3.7 "Memory access control"; Arm ARM (DDI 0487) G5.5 and G5.8.
 *
 * TTBCR.T0SZ and T1SZ say how many bits an address has: a root of 32 or 31 bits is of Arm's level 1
 * and has 4 or 2 items, one of 30 to 25 bits is of level 2 (B3.6.6). With both 0 TTBR0 has all
 * addresses. The lowest 2^bits are TTBR0's, the highest TTBR1's.
 */

#define ARM64_GRANULE_LG2 12
#define ARM64_4K_CONT_LEVEL 1 /* there are no 16 blocks of 1 GiB */
#include "pt/fmt/arm64.h"

#define ARM_LPAE_PA_BITS 40

/*
 * B3.7.1, B3.7.2: what may be executed can be read. UWXN: PL1 executes nothing that PL0 may write.
 * WXN: nobody executes what he may write.
 */
static PGW_ALWAYS_INLINE uint8_t arm_lpae_pt_rights(const struct pt_env *env, pt_acc_t acc,
						    uint64_t entry, unsigned level)
{
	bool write = !(entry & ARM64_AP_RO) && (acc & ARM64_APTABLE_RO);
	bool user = (entry & ARM64_AP_EL0) && (acc & ARM64_APTABLE_NO_EL0);
	bool exec = !(entry & ARM64_UXN) && (acc & ARM64_UXNTABLE) &&
		    !(write && (env->ctl & PGW_CTL_ARM_WXN));
	bool pxn = (entry & ARM64_PXN) || !(acc & ARM64_PXNTABLE) ||
		   (user && write && (env->ctl & PGW_CTL_ARM_UWXN));
	unsigned rights = PGW_KERNEL_R;

	(void)level;
	if (write)
		rights |= PGW_KERNEL_W;
	if (exec && !pxn)
		rights |= PGW_KERNEL_X;
	if (user)
		rights |= PGW_USER_R | (write ? PGW_USER_W : 0u) | (exec ? PGW_USER_X : 0u);
	return (uint8_t)rights;
}

_Static_assert((uint32_t)PGW_CTL_ARM_WXN == (uint32_t)PGW_CTL_ARM64_WXN &&
		       !((uint32_t)(PGW_CTL_ARM_UWXN | PGW_CTL_ARM_AFE | PGW_CTL_ARM_TRE) &
			 (uint32_t)(PGW_CTL_ARM64_HPD0 | PGW_CTL_ARM64_HPD1 | PGW_CTL_ARM64_HD)),
	       "what arm64.h asks for is there, or never set");

#undef pt_rights
#define pt_rights arm_lpae_pt_rights

#define PT_READ_ONLY
#undef PT_MAX_TOP_LEVEL
#define PT_MAX_TOP_LEVEL 2

#define ARM_LPAE_ATTR_MASK                                                                         \
	(ARM64_ATTRINDX | ARM64_NS | ARM64_AP_EL0 | ARM64_AP_RO | ARM64_SH | ARM64_AF | ARM64_NG | \
	 ARM64_CONT | ARM64_PXN | ARM64_UXN)

#define ARM_LPAE_ATTR(attr_name, bits, is)                                                         \
	{                                                                                          \
		.name = (attr_name), .mask = (bits), .value = (is), .level_last = 2                \
	}

static const struct pgw_attr arm_lpae_attrs[] = {
	ARM_LPAE_ATTR("af", ARM64_AF, ARM64_AF),
	ARM_LPAE_ATTR("ng", ARM64_NG, ARM64_NG),
	ARM_LPAE_ATTR("cont", ARM64_CONT, ARM64_CONT),
	ARM_LPAE_ATTR("ns", ARM64_NS, ARM64_NS),
	ARM_LPAE_ATTR("ish", ARM64_SH, ARM64_SH_INNER),
	ARM_LPAE_ATTR("osh", ARM64_SH, ARM64_SH_OUTER),
	{ .name = NULL },
};

/* Both of one root: TTBR0 has all addresses. Linux's PAGE_OFFSET, where it is not built otherwise. */
#define ARM_LPAE_REGIONS                                                                           \
	((const struct pgw_region[]){ { .name = "user",                                            \
					.last = 0xbfffffff,                                        \
					.kind = PGW_REGION_USER,                                   \
					.is_chosen = true },                                       \
				      { .name = "kernel",                                          \
					.first = 0xc0000000,                                       \
					.last = 0xffffffff,                                        \
					.kind = PGW_REGION_KERNEL,                                 \
					.is_chosen = true },                                       \
				      { .name = NULL } })

#define ARM_LPAE_REGIONS_OF_TWO_ROOTS(bits)                                                        \
	((const struct pgw_region[]){                                                              \
		{ .name = "user", .last = BITS((bits)-1, 0), .kind = PGW_REGION_USER },            \
		{ .name = "kernel",                                                                \
		  .first = BITS(31, bits),                                                         \
		  .last = 0xffffffff,                                                              \
		  .kind = PGW_REGION_KERNEL,                                                       \
		  .root = 1 },                                                                     \
		{ .name = NULL } })

/* All of an address counts. */
static PGW_MAYBE_UNUSED uint64_t arm_lpae_tag_bits(const struct pgw_geometry *geo,
						   const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

_Static_assert(ARM64_TOP_LEVEL(32) == 2 && ARM64_SLOTS_AT(32, 2) == 2 && ARM64_TOP_LEVEL(31) == 2 &&
		       ARM64_SLOTS_AT(31, 2) == 1 && ARM64_TOP_LEVEL(30) == 1 &&
		       ARM64_SLOTS_AT(30, 1) == 9,
	       "Arm's level 1 for 32 and 31 bits, level 2 for 30");

#endif
