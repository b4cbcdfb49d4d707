/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_EPT_H
#define PT_FMT_EPT_H

/*
 * Extended page tables of Intel's VMX, 4 or 5 levels. Addresses are where x86-64 has them.
 *
 * Source: Intel SDM vol. 3C chapter 29 "VMX support for address translation": 29.3.2 "EPT
 * translation mechanism" (tables of entry formats), 29.3.3.1 "EPT misconfigurations", 29.3.3.2 "EPT
 * violations", 29.3.5 "Accessed and dirty flags for EPT", 29.3.7 "EPT and memory typing".
 *
 *   bit    table                leaf above level 0   leaf at level 0
 *   0      R                    R                    R
 *   1      W                    W                    W
 *   2      X                    X                    X     (of supervisors, with MBEC)
 *   5:3    0                    memory type          memory type (2, 3, 7 are reserved)
 *   6      0                    ignore PAT           ignore PAT
 *   7      0                    1                    -
 *   8      A                    A                    A     (with EPTP.AD)
 *   9      -                    D                    D     (with EPTP.AD)
 *   10     X of users, with MBEC: all three
 *   11     -                    -                    -
 *   M-1:12 addr                 addr; 0 below size   addr
 *   51:M   0                    0                    0
 *   56:52  -                    -                    -
 *   57     -                    verify guest paging  (all the rest are of leaves)
 *   58     -                    paging-write access
 *   60     -                    supervisor shadow stack
 *   61     -                    -                    sub-page write
 *   63     -                    suppress #VE         suppress #VE
 *
 * Owners' tables allow all. What they change needs an INVEPT afterwards (29.4.3.4), as the platform's
 * tlb_flush is asked for, and nothing in between: until then translations are the old or the new ones.
 * Sub-page write permissions are in tables of their own, and are not written.
 *
 * An entry without R, W and X (with MBEC, X of users) is not present. Of those, empty is all zero or
 * bit 63 alone. W without R is a misconfiguration, as reserved bits are. One of them, W and X without
 * R, is what who manages such tables writes where MMIO is to be emulated: it is absent, not malformed.
 */

#include "pt/fmt/foreign.h"
#include "pt/fmt/x86_64.h"

#define EPT_R BIT(0)
#define EPT_W BIT(1)
#define EPT_X BIT(2)
#define EPT_MEMTYPE BITS(5, 3)
#define EPT_MEMTYPE_SHIFT 3
#define EPT_MEMTYPE_WB (UINT64_C(6) << EPT_MEMTYPE_SHIFT)
#define EPT_IPAT BIT(6)
#define EPT_LARGE BIT(7)
#define EPT_A BIT(8)
#define EPT_D BIT(9)
#define EPT_XU BIT(10)
#define EPT_VGP BIT(57)
#define EPT_PW BIT(58)
#define EPT_SSS BIT(60)
#define EPT_SPP BIT(61)
#define EPT_SUPPRESS_VE BIT(63)
#define EPT_RWX (EPT_R | EPT_W | EPT_X)
#define EPT_TABLE_RESERVED BITS(7, 3)

_Static_assert((EPT_TABLE_RESERVED & EPT_LARGE) == EPT_LARGE, "a table is no leaf");

static PGW_ALWAYS_INLINE struct pt_env ept_pt_env_init(const struct pgw_format *format,
						       const struct pgw_control *control)
{
	unsigned width = control->pa_bits;
	uint64_t above = width < X86_MAX_PA_BITS ? BITS(X86_MAX_PA_BITS - 1, width) : 0;

	(void)format;
	/* Tables that allow all, and leaves of write-back memory that may be read, are plain. */
	return (struct pt_env){
		.reserved = above,
		.table_mask = EPT_RWX | EPT_TABLE_RESERVED | above,
		.table_value = EPT_RWX,
		.kind_mask = ~X86_ADDR | above,
		.leaf_mask = EPT_R | EPT_MEMTYPE | above,
		.leaf_value = EPT_R | EPT_MEMTYPE_WB,
		.rights_mask = EPT_RWX | EPT_XU,
		.addr_mask = X86_ADDR,
		.ctl = control->set,
	};
}

/* Present, or not: what no bit of it alone says. */
static PGW_ALWAYS_INLINE bool ept_is_present(const struct pt_env *env, uint64_t entry)
{
	return entry & (EPT_RWX | (env->ctl & PGW_CTL_EPT_MBEC ? EPT_XU : 0));
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind ept_leaf_kind(uint64_t entry, unsigned level)
{
	unsigned type = (unsigned)((entry & EPT_MEMTYPE) >> EPT_MEMTYPE_SHIFT);

	if (level > X86_MAX_LEAF_LEVEL || type == 2 || type == 3 || type == 7 ||
	    (level && (entry & BITS(X86_SPAN_LG2(level) - 1u, X86_GRANULE_LG2))))
		return PGW_ENTRY_MALFORMED;
	return PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind ept_pt_entry_kind(const struct pt_env *env,
							       uint64_t entry, unsigned level)
{
	if (!ept_is_present(env, entry))
		return entry & ~EPT_SUPPRESS_VE ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if ((entry & EPT_RWX) == (EPT_W | EPT_X))
		return PGW_ENTRY_ABSENT;
	if ((entry & (EPT_R | EPT_W)) == EPT_W || (entry & env->reserved))
		return PGW_ENTRY_MALFORMED;
	/* 29.3.3.1: bits 2:0 are 100, or with MBEC bit 10 makes 0 as much as 1 of bit 2. */
	if (!(entry & EPT_R) && !(env->ctl & PGW_CTL_EPT_XO))
		return PGW_ENTRY_MALFORMED;
	if (!level || (entry & EPT_LARGE))
		return ept_leaf_kind(entry, level);
	return entry & EPT_TABLE_RESERVED ? PGW_ENTRY_MALFORMED : PGW_ENTRY_TABLE;
}

static PGW_ALWAYS_INLINE bool ept_pt_is_table(const struct pt_env *env, uint64_t entry,
					      unsigned level)
{
	return (entry & env->table_mask) == env->table_value ||
	       (level && ept_pt_entry_kind(env, entry, level) == PGW_ENTRY_TABLE);
}

static PGW_ALWAYS_INLINE pt_acc_t ept_pt_acc_root(const struct pt_env *env,
						  enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return EPT_RWX | EPT_XU;
}

static PGW_ALWAYS_INLINE pt_acc_t ept_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						   uint64_t entry)
{
	(void)env;
	return acc & entry;
}

/* 29.3.3.2. Of a guest's supervisor and its user; without MBEC they are the same. */
static PGW_ALWAYS_INLINE uint8_t ept_pt_rights(const struct pt_env *env, pt_acc_t acc,
					       uint64_t entry, unsigned level)
{
	uint64_t all = acc & entry, user_x = env->ctl & PGW_CTL_EPT_MBEC ? EPT_XU : EPT_X;
	unsigned rights = 0;

	(void)level;
	if (all & EPT_R)
		rights |= PGW_KERNEL_R | PGW_USER_R;
	if (all & EPT_W)
		rights |= PGW_KERNEL_W | PGW_USER_W;
	if (all & EPT_X)
		rights |= PGW_KERNEL_X;
	if (all & user_x)
		rights |= PGW_USER_X;
	return (uint8_t)rights;
}

/* ---- for owners ---- */

/* What is plain in neither of bits 2:0 nor, with MBEC, of bit 10. */
#define PT_GUARD (UINT64_C(0x6472617567) << 12) /* "guard" */

_Static_assert(!(PT_GUARD & (EPT_RWX | EPT_XU)), "a guard is not present");

/* Accessed, so that hardware need not write that. */
static PGW_ALWAYS_INLINE uint64_t ept_pt_table_encode(const struct pt_env *env, uint64_t pa,
						      unsigned level, enum pgw_region_kind kind)
{
	(void)level, (void)kind;
	return pa | EPT_RWX | (env->ctl & PGW_CTL_EPT_MBEC ? EPT_XU : 0) |
	       (env->ctl & PGW_CTL_EPT_AD ? EPT_A : 0);
}

#define EPT_LEAF_ATTRS                                                                             \
	(EPT_MEMTYPE | EPT_IPAT | EPT_A | EPT_D | EPT_VGP | EPT_PW | EPT_SSS | EPT_SUPPRESS_VE)

static PGW_ALWAYS_INLINE bool ept_pt_leaf_encode(const struct pt_env *env,
						 const struct pgw_leaf *leaf, uint64_t *ret)
{
	unsigned level = leaf->level;
	uint64_t entry = leaf->pa | leaf->attrs | (level ? EPT_LARGE : 0) |
			 (leaf->rights & PGW_KERNEL_R ? EPT_R : 0) |
			 (leaf->rights & PGW_KERNEL_W ? EPT_W : 0) |
			 (leaf->rights & PGW_KERNEL_X ? EPT_X : 0);

	if ((leaf->rights & PGW_USER_X) && (env->ctl & PGW_CTL_EPT_MBEC))
		entry |= EPT_XU;
	if (level > X86_MAX_LEAF_LEVEL || (leaf->attrs & ~EPT_LEAF_ATTRS) ||
	    (leaf->pa & ~x86_64_pt_addr_mask(env, level)))
		return false;
	/* What cannot be said comes out different from what was asked for. */
	if (ept_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    ept_pt_rights(env, ept_pt_acc_root(env, PGW_REGION_FOREIGN), entry, level) !=
		    leaf->rights)
		return false;
	*ret = entry;
	return true;
}

static PGW_ALWAYS_INLINE uint64_t ept_pt_leaf_resize(const struct pt_env *env, uint64_t entry,
						     unsigned level, uint64_t va, unsigned to_level,
						     bool run)
{
	uint64_t pa = x86_64_pt_leaf_pa(env, entry, level, va) & x86_64_pt_addr_mask(env, to_level);

	(void)run;
	return (entry & ~(env->addr_mask | EPT_LARGE)) | pa | (to_level ? EPT_LARGE : 0);
}

static PGW_ALWAYS_INLINE uint64_t ept_pt_rights_mask(void)
{
	return EPT_RWX | EPT_XU;
}

static PGW_ALWAYS_INLINE uint64_t ept_pt_leaf_protect(const struct pt_env *env, uint64_t entry,
						      uint64_t bits)
{
	(void)env;
	return (entry & ~ept_pt_rights_mask()) | bits;
}

/* 29.3.5. Without EPTP.AD these bits are what software put there. */
static PGW_ALWAYS_INLINE bool ept_pt_entry_young(uint64_t entry)
{
	return entry & EPT_A;
}

static PGW_ALWAYS_INLINE bool ept_pt_entry_dirty(uint64_t entry)
{
	return entry & EPT_D;
}

static PGW_ALWAYS_INLINE uint64_t ept_pt_entry_clear(const struct pt_env *env, uint64_t entry,
						     bool young, bool dirty)
{
	(void)env;
	return entry & ~((young ? EPT_A : 0) | (dirty ? EPT_D : 0));
}

static PGW_ALWAYS_INLINE uint64_t ept_pt_entry_combine(const struct pt_env *env, uint64_t entry,
						       uint64_t other)
{
	(void)env;
	return entry | (other & (EPT_A | EPT_D));
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
#define pt_env_init ept_pt_env_init
#define pt_entry_kind ept_pt_entry_kind
#define pt_is_table ept_pt_is_table
#define pt_acc_root ept_pt_acc_root
#define pt_acc_table ept_pt_acc_table
#define pt_rights ept_pt_rights
#define pt_table_encode ept_pt_table_encode
#define pt_leaf_encode ept_pt_leaf_encode
#define pt_leaf_resize ept_pt_leaf_resize
#define pt_rights_mask ept_pt_rights_mask
#define pt_leaf_protect ept_pt_leaf_protect
#define pt_entry_young ept_pt_entry_young
#define pt_entry_dirty ept_pt_entry_dirty
#define pt_entry_clear ept_pt_entry_clear
#define pt_entry_combine ept_pt_entry_combine

#define EPT_ATTR(attr_name, bits, last, control)                                                   \
	{                                                                                          \
		.name = (attr_name), .mask = (bits), .value = (bits), .level_last = (last),        \
		.needs = (control)                                                                 \
	}

static const struct pgw_attr ept_attrs[] = {
	EPT_ATTR("a", EPT_A, 4, PGW_CTL_EPT_AD),
	EPT_ATTR("d", EPT_D, 2, PGW_CTL_EPT_AD),
	EPT_ATTR("ipat", EPT_IPAT, 2, 0),
	EPT_ATTR("vgp", EPT_VGP, 2, 0),
	EPT_ATTR("pw", EPT_PW, 2, 0),
	EPT_ATTR("sss", EPT_SSS, 2, 0),
	EPT_ATTR("spp", EPT_SPP, 0, 0),
	EPT_ATTR("sve", EPT_SUPPRESS_VE, 2, 0),
	{ .name = NULL },
};

#define EPT_ATTR_MASK                                                                              \
	(EPT_RWX | EPT_MEMTYPE | EPT_IPAT | EPT_A | EPT_D | EPT_XU | EPT_VGP | EPT_PW | EPT_SSS |  \
	 EPT_SPP | EPT_SUPPRESS_VE)

static PGW_MAYBE_UNUSED const char *ept_memory_type(const struct pgw_control *control,
						    uint64_t entry, unsigned level)
{
	(void)level;
	static const char *const names[] = { "uc", "wc", "reserved", "reserved",
					     "wt", "wp", "wb",       "reserved" };

	(void)control;
	return names[(entry & EPT_MEMTYPE) >> EPT_MEMTYPE_SHIFT];
}

#endif
