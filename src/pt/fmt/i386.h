/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_I386_H
#define PT_FMT_I386_H

/*
 * x86 without long mode: "32-bit paging", two levels of 1024 items of 4 bytes, and "PAE paging",
 * three levels of items of 8 bytes. The includer defines I386_PAE as 0 or 1.
 *
 * Sources: Intel SDM vol. 3A 4.3 "32-bit Paging" (tables 4-4 to 4-6), 4.4 "PAE Paging"
 * (tables 4-8 to 4-11), 4.6 "Access Rights", 4.9 "Paging and Memory Typing"; AMD APM vol. 2
 * sections 5.2 and 5.4 to 5.6.
 *
 * 32-bit paging:
 *
 *   bit    PDE table            PDE leaf (4 MiB)     PTE
 *   0      P                    P                    P
 *   1      R/W                  R/W                  R/W
 *   2      U/S                  U/S                  U/S
 *   3      PWT                  PWT                  PWT
 *   4      PCD                  PCD                  PCD
 *   5      A                    A                    A
 *   6      -                    D                    D
 *   7      PS=0 (- if !CR4.PSE) PS=1                 PAT
 *   8      -                    G                    G
 *   11:9   -                    -                    -
 *   12     addr                 PAT                  addr
 *   20:13  addr                 PA[39:32] (PSE-36)   addr
 *   21     addr                 0                    addr
 *   31:22  addr                 addr                 addr
 *
 * Of PA[39:32], what lies at or above the physical address width M is 0.
 *
 * PAE paging:
 *
 *   bit    PDPTE     PDE table   PDE leaf (2 MiB)   PTE
 *   0      P         P           P                  P
 *   1      0         R/W         R/W                R/W
 *   2      0         U/S         U/S                U/S
 *   3      PWT       PWT         PWT                PWT
 *   4      PCD       PCD         PCD                PCD
 *   5      0, see    A           A                  A
 *   6      0         -           D                  D
 *   7      0         PS=0        PS=1               PAT
 *   8      0         -           G                  G
 *   11:9   -         -           -                  -
 *   12     addr      addr        PAT                addr
 *   20:13  addr      addr        0                  addr
 *   M-1:21 addr      addr        addr               addr
 *   62:M   0         0           0                  0
 *   63     0         XD          XD                 XD     (0 if !EFER.NXE)
 *
 * A CPU loads the four PDPTEs with CR3 and refuses bits that are reserved there and then. QEMU's
 * TCG reads them at each walk, and sets bit 5 as if it were A; images of such a machine have it,
 * so it is accepted.
 *
 * "-" is ignored, 0 is reserved. An entry with P = 0 is ignored whole.
 */

#include "pt/pt_defs.h"

#ifndef I386_PAE
#error "the includer defines I386_PAE"
#endif

#define I386_P BIT(0)
#define I386_RW BIT(1)
#define I386_US BIT(2)
#define I386_PWT BIT(3)
#define I386_PCD BIT(4)
#define I386_A BIT(5)
#define I386_D BIT(6)
#define I386_PS BIT(7)        /* level 1 */
#define I386_PAT_SMALL BIT(7) /* level 0 */
#define I386_G BIT(8)
#define I386_PAT_LARGE BIT(12) /* leaves at level 1 */
#define I386_XD BIT(63)
/* PAE: of a PDPTE, reserved; bit 5 is not among them. */
#define I386_PDPTE_RESERVED (BITS(8, 6) | I386_RW | I386_US | I386_XD)
#define I386_HIGH BITS(20, 13) /* of a leaf of 4 MiB: PA[39:32] */
#define I386_HIGH_SHIFT (32 - 13)

#define I386_TOP_LEVEL (I386_PAE ? 2 : 1)
#define I386_ITEM_LG2 (I386_PAE ? 3 : 2)
#define I386_SLOTS_LG2 (I386_PAE ? 9 : 10)
#define I386_ROOT_SLOTS_LG2 (I386_PAE ? 2 : 10)
#define I386_MAX_PA_BITS (I386_PAE ? 52 : 40)
#define I386_MIN_PA_BITS 32
#define I386_GRANULE_LG2 12
#define I386_SPAN_LG2(level) (I386_GRANULE_LG2 + I386_SLOTS_LG2 * (level))
#define I386_ADDR (I386_PAE ? BITS(51, 12) : BITS(31, 12))
/* The root of PAE is not a page: bits 31:5 of CR3 (SDM 4.4.1). */
#define I386_ROOT_ALIGN_LG2 (I386_PAE ? 5 : 12)

/* Of what was accumulated: no table was seen yet, and the root's entries say no rights. */
#define I386_ACC_ROOT BIT(62)

_Static_assert(I386_SPAN_LG2(1) == (I386_PAE ? 21 : 22), "2 MiB, 4 MiB");
_Static_assert(I386_SPAN_LG2(I386_TOP_LEVEL) + I386_ROOT_SLOTS_LG2 == 32, "4 GiB");
_Static_assert((I386_HIGH << I386_HIGH_SHIFT) == BITS(39, 32), "PSE-36");
_Static_assert((1 << (I386_ROOT_SLOTS_LG2 + I386_ITEM_LG2)) == (I386_PAE ? 32 : 4096),
	       "the size of a root");
_Static_assert(!(I386_ACC_ROOT & (I386_RW | I386_US | I386_XD)), "not a right");

/*
 * What an entry may not have set. pt_env.reserved: at every level; of 32-bit paging, of
 * leaves of 4 MiB only, as no other entry has reserved bits.
 */
static PGW_ALWAYS_INLINE uint64_t i386_reserved(const struct pgw_control *control)
{
	unsigned width = control->pa_bits;
	uint64_t above = width < I386_MAX_PA_BITS ? BITS(I386_MAX_PA_BITS - 1, width) : 0;

	if (!I386_PAE)
		return BIT(21) | above >> I386_HIGH_SHIFT;
	above |= BITS(62, 52);
	return control->set & PGW_CTL_X86_NXE ? above : above | I386_XD;
}

static PGW_ALWAYS_INLINE struct pt_env i386_pt_env_init(const struct pgw_format *format,
							const struct pgw_control *control)
{
	uint64_t reserved = i386_reserved(control);
	/* What every table and every leaf of a page wants to be 0. */
	uint64_t zero = I386_PAE ? reserved : 0;
	/* SDM 4.3: without CR4.PSE there are no leaves of 4 MiB, and PS is ignored. */
	bool has_large = I386_PAE || (control->set & PGW_CTL_X86_PSE);

	(void)format;
	return (struct pt_env){
		.reserved = reserved,
		.table_mask = I386_P | zero | (has_large ? I386_PS : 0),
		.table_value = I386_P,
		.kind_mask = ~I386_ADDR | zero,
		.leaf_mask = I386_P | zero,
		.leaf_value = I386_P,
		.rights_mask = I386_RW | I386_US | (I386_PAE ? I386_XD : 0),
		.acc_flip = I386_PAE ? I386_XD : 0,
		/* PAE: what a PDPTE adds to the rights is not what others do. */
		.addr_mask = I386_PAE ? 0 : I386_ADDR,
		.ctl = control->set,
	};
}

static PGW_ALWAYS_INLINE bool i386_pt_is_table(const struct pt_env *env, uint64_t entry,
					       unsigned level)
{
	if (I386_PAE && level == 2 && (entry & I386_PDPTE_RESERVED))
		return false;
	return (entry & env->table_mask) == env->table_value;
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind i386_pt_entry_kind(const struct pt_env *env,
								uint64_t entry, unsigned level)
{
	if (!(entry & I386_P))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (I386_PAE && (entry & env->reserved))
		return PGW_ENTRY_MALFORMED;
	if (level == 0)
		return PGW_ENTRY_LEAF;
	if (level == 2)
		return entry & I386_PDPTE_RESERVED ? PGW_ENTRY_MALFORMED : PGW_ENTRY_TABLE;
	if (!(entry & I386_PS) || (!I386_PAE && !(env->ctl & PGW_CTL_X86_PSE)))
		return PGW_ENTRY_TABLE;
	return entry & (I386_PAE ? BITS(20, 13) : env->reserved) ? PGW_ENTRY_MALFORMED
								 : PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE uint64_t i386_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	(void)env;
	return entry & I386_ADDR;
}

static PGW_ALWAYS_INLINE uint64_t i386_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	(void)env;
	return (I386_ADDR & ~low_bits(I386_SPAN_LG2(level))) |
	       (!I386_PAE && level == 1 ? I386_HIGH : 0);
}

static PGW_ALWAYS_INLINE uint64_t i386_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						  unsigned level, uint64_t va)
{
	uint64_t inside = low_bits(I386_SPAN_LG2(level));
	uint64_t pa = (entry & I386_ADDR & ~inside) | (va & inside);

	(void)env;
	if (!I386_PAE && level == 1)
		pa |= (entry & I386_HIGH) << I386_HIGH_SHIFT;
	return pa;
}

static PGW_ALWAYS_INLINE unsigned i386_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						   unsigned level)
{
	(void)env, (void)entry;
	return I386_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t i386_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2);
}

/* What does not fit into 4 bytes is in PSE-36's bits, where there are any. */
static PGW_ALWAYS_INLINE uint64_t i386_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							unsigned level, uint64_t bytes)
{
	uint64_t mask = i386_pt_addr_mask(env, level);
	uint64_t pa = i386_pt_leaf_pa(env, entry, level, 0) + bytes;

	if (I386_PAE || level == 0)
		return (entry & ~mask) | (pa & mask);
	return (entry & ~mask) | (pa & BITS(31, 22)) | (pa >> I386_HIGH_SHIFT & I386_HIGH);
}

/* R/W, U/S and XD, which is kept inverted, so that the levels combine by AND. */
static PGW_ALWAYS_INLINE pt_acc_t i386_pt_acc_root(const struct pt_env *env,
						   enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return I386_RW | I386_US | I386_XD | (I386_PAE ? I386_ACC_ROOT : 0);
}

static PGW_ALWAYS_INLINE uint64_t i386_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return 0;
}

/* SDM table 4-8: a PDPTE has neither R/W nor U/S nor XD. */
static PGW_ALWAYS_INLINE pt_acc_t i386_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						    uint64_t entry)
{
	if (acc & I386_ACC_ROOT)
		return acc & ~I386_ACC_ROOT;
	return acc & (entry ^ env->acc_flip);
}

/*
 * SDM 4.6.1: an access is a user's if U/S is 1 at every level, may write if R/W is 1 at every
 * level; 32-bit paging has no XD. CR4.SMEP needs none.
 */
static PGW_ALWAYS_INLINE uint8_t i386_pt_rights(const struct pt_env *env, pt_acc_t acc,
						uint64_t entry, unsigned level)
{
	pt_acc_t all = acc & (entry ^ env->acc_flip);
	bool user = all & I386_US, write = all & I386_RW;
	bool exec = !I386_PAE || (all & I386_XD);
	unsigned rights = PGW_KERNEL_R;

	(void)level;
	if (write || !(env->ctl & PGW_CTL_X86_WP))
		rights |= PGW_KERNEL_W;
	if (exec && !(user && (env->ctl & PGW_CTL_X86_SMEP)))
		rights |= PGW_KERNEL_X;
	if (user)
		rights |= PGW_USER_R | (write ? PGW_USER_W : 0u) | (exec ? PGW_USER_X : 0u);
	return (uint8_t)rights;
}

#define pt_env_init i386_pt_env_init
#define pt_entry_kind i386_pt_entry_kind
#define pt_is_table i386_pt_is_table
#define pt_table_pa i386_pt_table_pa
#define pt_leaf_pa i386_pt_leaf_pa
#define pt_leaf_lg2 i386_pt_leaf_lg2
#define pt_addr_mask i386_pt_addr_mask
#define pt_item_step i386_pt_item_step
#define pt_entry_advance i386_pt_entry_advance
#define pt_acc_root i386_pt_acc_root
#define pt_acc_keep i386_pt_acc_keep
#define pt_acc_table i386_pt_acc_table
#define pt_rights i386_pt_rights

#define PT_READ_ONLY
#define PT_GRANULE_LG2 I386_GRANULE_LG2
#define PT_SLOTS_LG2 I386_SLOTS_LG2
#define PT_SPAN_LG2 I386_SPAN_LG2
#define PT_ITEM_LG2 I386_ITEM_LG2
#define PT_MAX_TOP_LEVEL I386_TOP_LEVEL

#if I386_PAE

#define I386_GEOMETRY                                                                              \
	{                                                                                          \
		.top_level = 2, .granule_lg2 = I386_GRANULE_LG2, .va_bits = 32,                    \
		.max_pa_bits = I386_MAX_PA_BITS, .item_lg2 = I386_ITEM_LG2,                        \
		.root_align_lg2 = I386_ROOT_ALIGN_LG2,                                             \
		.span_lg2 = { I386_SPAN_LG2(0), I386_SPAN_LG2(1), I386_SPAN_LG2(2) },              \
		.slots_lg2 = { I386_SLOTS_LG2, I386_SLOTS_LG2, I386_ROOT_SLOTS_LG2 },              \
		.leaf_sizes = BIT(I386_SPAN_LG2(0)) | BIT(I386_SPAN_LG2(1)),                       \
	}

#else

#define I386_GEOMETRY                                                                              \
	{                                                                                          \
		.top_level = 1, .granule_lg2 = I386_GRANULE_LG2, .va_bits = 32,                    \
		.max_pa_bits = I386_MAX_PA_BITS, .item_lg2 = I386_ITEM_LG2,                        \
		.span_lg2 = { I386_SPAN_LG2(0), I386_SPAN_LG2(1) },                                \
		.slots_lg2 = { I386_SLOTS_LG2, I386_ROOT_SLOTS_LG2 },                              \
		.leaf_sizes = BIT(I386_SPAN_LG2(0)) | BIT(I386_SPAN_LG2(1)),                       \
	}

#endif

/* One root has both; Linux's PAGE_OFFSET, where it is not built otherwise (VMSPLIT). */
#define I386_REGIONS                                                                               \
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

static const char *const i386_table_names[PGW_MAX_LEVELS] = { "PT", "PD",
							      I386_PAE ? "PDPT" : NULL };

static const struct pgw_attr i386_attrs[] = {
	{ .name = "g", .mask = I386_G, .value = I386_G, .level_last = 1 },
	{ .name = "a", .mask = I386_A, .value = I386_A, .level_last = 1 },
	{ .name = "d", .mask = I386_D, .value = I386_D, .level_last = 1 },
	{ .name = "pwt", .mask = I386_PWT, .value = I386_PWT, .level_last = 2 },
	{ .name = "pcd", .mask = I386_PCD, .value = I386_PCD, .level_last = 2 },
	{ .name = "pat", .mask = I386_PAT_SMALL, .value = I386_PAT_SMALL },
	{ .name = "pat",
	  .mask = I386_PAT_LARGE,
	  .value = I386_PAT_LARGE,
	  .level_first = 1,
	  .level_last = 1 },
	{ .name = NULL },
};

static const struct pgw_later_bits i386_later_bits[] = {
	{ .bits = "6 without 1",
	  .extension = "CET",
	  .taken_for = "read-only",
	  .mask = I386_D | I386_RW,
	  .value = I386_D,
	  .in_leaves = true,
	  .level_last = 1 },
#if I386_PAE
	{ .bits = "51:37",
	  .extension = "MKTME, SME, TDX",
	  .taken_for = "address",
	  .mask = BITS(51, 37),
	  .value = BITS(51, 37),
	  .in_tables = true,
	  .in_leaves = true,
	  .level_last = 2 },
	{ .bits = "63",
	  .extension = "NXE",
	  .taken_for = "execute-disable",
	  .mask = I386_XD,
	  .value = I386_XD,
	  .in_tables = true,
	  .in_leaves = true,
	  .level_last = 1,
	  .control = PGW_CTL_X86_NXE },
#endif
	{ .bits = NULL },
};

/* All of an address counts: LAM is long mode's. */
static PGW_MAYBE_UNUSED uint64_t i386_tag_bits(const struct pgw_geometry *geo,
					       const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

#define I386_ATTR_MASK_SMALL                                                                       \
	(I386_RW | I386_US | I386_PWT | I386_PCD | I386_A | I386_D | I386_PAT_SMALL | I386_G |     \
	 (I386_PAE ? I386_XD : 0))
#define I386_ATTR_MASK_LARGE ((I386_ATTR_MASK_SMALL & ~I386_PAT_SMALL) | I386_PAT_LARGE)

#endif
