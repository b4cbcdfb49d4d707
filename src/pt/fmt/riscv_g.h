/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_RISCV_G_H
#define PT_FMT_RISCV_G_H

/*
 * RISC-V G-stage tables of the hypervisor extension: Sv39x4, Sv48x4, Sv57x4. The entries are riscv.h's;
 * the root has four times the slots, 16 KiB, for two more bits of guest physical address.
 *
 * Source: The RISC-V Instruction Set Manual, volume II, "Hypervisor" Extension: "Hypervisor Guest
 * Address Translation and Protection Register (hgatp)", "Guest Physical Address Translation". All
 * accesses count as U-mode's, so a leaf without U allows nothing. MXR counts as set, as elsewhere. G
 * is software's to leave 0. There are no shadow stacks here.
 */

#include "pt/fmt/foreign.h"
#include "pt/fmt/riscv.h"

#define RISCV_G_ROOT_SLOTS_LG2 (RISCV_SLOTS_LG2 + 2)
#define RISCV_G_RIGHTS (PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X) /* the guest's */

static PGW_ALWAYS_INLINE uint8_t riscv_g_pt_rights(const struct pt_env *env, pt_acc_t acc,
						   uint64_t entry, unsigned level)
{
	return riscv_pt_rights(env, acc, entry, level) >> 3;
}

_Static_assert(PGW_USER_R >> 3 == PGW_KERNEL_R && PGW_USER_X >> 3 == PGW_KERNEL_X,
	       "users' rights, which are the guest's");

/* As of a page of U-mode's, which S-mode with SUM may read and write, too. */
static PGW_ALWAYS_INLINE bool riscv_g_pt_leaf_encode(const struct pt_env *env,
						     const struct pgw_leaf *leaf, uint64_t *ret)
{
	struct pgw_leaf page = *leaf;

	if ((leaf->rights & ~RISCV_G_RIGHTS) || (leaf->attrs & RISCV_G))
		return false;
	page.rights = (uint8_t)(leaf->rights << 3 | (leaf->rights & ~PGW_KERNEL_X));
	return riscv_pt_leaf_encode(env, &page, ret);
}

#undef pt_rights
#undef pt_leaf_encode
#define pt_rights riscv_g_pt_rights
#define pt_leaf_encode riscv_g_pt_leaf_encode

#define RISCV_G_SLOTS_AT(top, level) ((level) == (top) ? RISCV_G_ROOT_SLOTS_LG2 : RISCV_SLOTS_LG2)

#define RISCV_G_VA_BITS(top) (RISCV_SPAN_LG2(top) + RISCV_G_ROOT_SLOTS_LG2)

#define RISCV_G_GEOMETRY(top)                                                                      \
	{                                                                                          \
		.top_level = (top), .granule_lg2 = RISCV_GRANULE_LG2,                              \
		.va_bits = RISCV_G_VA_BITS(top), .max_pa_bits = RISCV_PA_BITS, .item_lg2 = 3,      \
		.span_lg2 = { RISCV_SPAN_LG2(0), RISCV_SPAN_LG2(1), RISCV_SPAN_LG2(2),             \
			      RISCV_SPAN_LG2(3), RISCV_SPAN_LG2(4) },                              \
		.slots_lg2 = { RISCV_G_SLOTS_AT(top, 0), RISCV_G_SLOTS_AT(top, 1),                 \
			       RISCV_G_SLOTS_AT(top, 2), RISCV_G_SLOTS_AT(top, 3),                 \
			       RISCV_G_SLOTS_AT(top, 4) },                                         \
		.leaf_sizes = RISCV_LEAF_SIZES & BITS(RISCV_SPAN_LG2(top), 0),                     \
	}

_Static_assert(RISCV_G_VA_BITS(2) == 41 && RISCV_G_VA_BITS(3) == 50 && RISCV_G_VA_BITS(4) == 59,
	       "two bits more than Sv39, Sv48, Sv57");

#endif
