/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_X86_64_H
#define PT_FMT_X86_64_H

/*
 * x86-64 long-mode paging, 4 levels (LA48) or 5 (LA57).
 *
 * Sources: Intel SDM vol. 3A chapter 4 (4.5 "4-level paging and 5-level
 * paging", tables 4-14 to 4-20; 4.6 "Access rights"; 4.9 "Paging and memory
 * typing"; 4.10.2.4 for G); AMD APM vol. 2 section 5.3 to 5.6.
 *
 *   bit    PML5E PML4E PDPTE/PDE table   PDPTE/PDE leaf      PTE
 *   0      P     P     P                 P                   P
 *   1      R/W   R/W   R/W               R/W                 R/W
 *   2      U/S   U/S   U/S               U/S                 U/S
 *   3      PWT   PWT   PWT               PWT                 PWT
 *   4      PCD   PCD   PCD               PCD                 PCD
 *   5      A     A     A                 A                   A
 *   6      -     -     -                 D                   D
 *   7      0     0     PS=0              PS=1                PAT
 *   8      -     -     -                 G                   G
 *   11:9   -     -     -                 -                   -
 *   12     addr  addr  addr              PAT                 addr
 *   M-1:13 addr  addr  addr              addr; 0 below size  addr
 *   51:M   0     0     0                 0                   0
 *   58:52  -     -     -                 -                   -
 *   62:59  -     -     -                 PK if CR4.PKE       PK if CR4.PKE
 *   63     XD    XD    XD                XD                  XD     (0 if !EFER.NXE)
 *
 * With memory encryption one bit of the address field is none: AMD's C-bit (APM vol. 2, 7.10.2
 * and 15.34.1), or the shared bit of Intel's TDX. Which one is a control bit.
 *
 * M is the physical address width, "-" is ignored, 0 is reserved. An entry
 * with P = 0 is ignored whole.
 */

#include "pt/pt_defs.h"

#define X86_P BIT(0)
#define X86_RW BIT(1)
#define X86_US BIT(2)
#define X86_PWT BIT(3)
#define X86_PCD BIT(4)
#define X86_A BIT(5)
#define X86_D BIT(6)
#define X86_PS BIT(7)        /* levels 1, 2 */
#define X86_PAT_SMALL BIT(7) /* level 0 */
#define X86_G BIT(8)
#define X86_PAT_LARGE BIT(12) /* leaves at levels 1, 2 */
#define X86_ADDR BITS(51, 12)
#define X86_PK BITS(62, 59)
#define X86_XD BIT(63)

#define X86_MAX_PA_BITS 52
#define X86_MIN_PA_BITS 32
#define X86_GRANULE_LG2 12
#define X86_SLOTS_LG2 9
#define X86_MAX_LEAF_LEVEL 2
#define X86_SPAN_LG2(level) (X86_GRANULE_LG2 + X86_SLOTS_LG2 * (level))

_Static_assert((X86_ADDR | BITS(11, 0) | BITS(63, 52)) == UINT64_MAX, "every bit has a meaning");
_Static_assert((X86_ADDR & X86_PAT_LARGE) == X86_PAT_LARGE,
	       "PAT of large leaves is in the address");
_Static_assert(X86_SPAN_LG2(1) == 21 && X86_SPAN_LG2(2) == 30 && X86_SPAN_LG2(3) == 39 &&
		       X86_SPAN_LG2(4) == 48,
	       "2 MiB, 1 GiB, 512 GiB, 256 TiB");
_Static_assert((X86_PK >> 59) == 15, "sixteen protection keys");

/*
 * SDM 4.6.1: an access is a user's if U/S is 1 at every level, may write if
 * R/W is 1 at every level, may execute if XD is 0 at every level.
 */
#define X86_RIGHTS(wp, smep, write, user, exec)                                                    \
	(PGW_KERNEL_R | ((write) || !(wp) ? PGW_KERNEL_W : 0) |                                    \
	 ((exec) && !((user) && (smep)) ? PGW_KERNEL_X : 0) |                                      \
	 ((user) ? PGW_USER_R | ((write) ? PGW_USER_W : 0) | ((exec) ? PGW_USER_X : 0) : 0))
#define X86_RIGHTS_TABLE(wp, smep)                                                                 \
	{                                                                                          \
		X86_RIGHTS(wp, smep, 0, 0, 0), X86_RIGHTS(wp, smep, 1, 0, 0),                      \
			X86_RIGHTS(wp, smep, 0, 1, 0), X86_RIGHTS(wp, smep, 1, 1, 0),              \
			X86_RIGHTS(wp, smep, 0, 0, 1), X86_RIGHTS(wp, smep, 1, 0, 1),              \
			X86_RIGHTS(wp, smep, 0, 1, 1), X86_RIGHTS(wp, smep, 1, 1, 1),              \
	}

/* By CR0.WP, CR4.SMEP, and 1 for write, 2 for user, 4 for execute. */
static const uint8_t x86_64_rights[2][2][8] = {
	{ X86_RIGHTS_TABLE(0, 0), X86_RIGHTS_TABLE(0, 1) },
	{ X86_RIGHTS_TABLE(1, 0), X86_RIGHTS_TABLE(1, 1) },
};

static PGW_ALWAYS_INLINE struct pt_env x86_64_pt_env_init(const struct pgw_format *format,
							  const struct pgw_control *control)
{
	unsigned width = control->pa_bits;
	uint64_t encryption = control->encryption_bit ? BIT(control->encryption_bit) : 0;
	uint64_t above = width < X86_MAX_PA_BITS ? BITS(X86_MAX_PA_BITS - 1, width) : 0;
	uint64_t addr = X86_ADDR & ~encryption;

	(void)format;
	above &= ~encryption;
	/* SDM 4.5.4: with EFER.NXE = 0, bit 63 is reserved. */
	if (!(control->set & PGW_CTL_X86_NXE))
		above |= X86_XD;
	return (struct pt_env){
		.reserved = above,
		.table_mask = X86_P | X86_PS | above,
		.table_value = X86_P,
		.kind_mask = ~addr | above,
		.leaf_mask = X86_P | above,
		.leaf_value = X86_P,
		.rights_mask = X86_RW | X86_US | X86_XD,
		.acc_flip = X86_XD,
		.addr_mask = addr,
		.rights = x86_64_rights[!!(control->set & PGW_CTL_X86_WP)]
				       [!!(control->set & PGW_CTL_X86_SMEP)],
		.ctl = control->set,
	};
}

/* The address bits below the size of a large leaf, which are reserved; bit 12 is PAT. */
static PGW_ALWAYS_INLINE uint64_t x86_64_large_reserved(unsigned level)
{
	return BITS(X86_SPAN_LG2(level) - 1u, 13);
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind x86_64_pt_entry_kind(const struct pt_env *env,
								  uint64_t entry, unsigned level)
{
	if (!(entry & X86_P))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (entry & env->reserved)
		return PGW_ENTRY_MALFORMED;
	if (level == 0)
		return PGW_ENTRY_LEAF;
	if (!(entry & X86_PS))
		return PGW_ENTRY_TABLE;
	if (level > X86_MAX_LEAF_LEVEL || (entry & x86_64_large_reserved(level)))
		return PGW_ENTRY_MALFORMED;
	return PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	return entry & env->addr_mask;
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	return env->addr_mask & ~low_bits(X86_SPAN_LG2(level));
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						    unsigned level, uint64_t va)
{
	return (entry & x86_64_pt_addr_mask(env, level)) | (va & low_bits(X86_SPAN_LG2(level)));
}

static PGW_ALWAYS_INLINE unsigned x86_64_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						     unsigned level)
{
	(void)env, (void)entry;
	return X86_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2);
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							  unsigned level, uint64_t bytes)
{
	(void)env, (void)level;
	return entry + bytes;
}

/* R/W, U/S and XD, which is kept inverted, so that the levels combine by AND. */
static PGW_ALWAYS_INLINE pt_acc_t x86_64_pt_acc_root(const struct pt_env *env,
						     enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return X86_RW | X86_US | X86_XD;
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return 0;
}

static PGW_ALWAYS_INLINE pt_acc_t x86_64_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						      uint64_t entry)
{
	(void)env;
	return acc & (entry ^ X86_XD);
}

static PGW_ALWAYS_INLINE uint8_t x86_64_pt_rights(const struct pt_env *env, pt_acc_t acc,
						  uint64_t entry, unsigned level)
{
	pt_acc_t all = x86_64_pt_acc_table(env, acc, entry);

	(void)level;
	return env->rights[((all & (X86_US | X86_RW)) >> 1) | (all & X86_XD) >> 61];
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_table_encode(const struct pt_env *env, uint64_t pa,
							 unsigned level, enum pgw_region_kind kind)
{
	(void)env, (void)level;
	return pa | X86_P | X86_RW | X86_A | (kind == PGW_REGION_USER ? X86_US : 0);
}

static PGW_ALWAYS_INLINE uint64_t x86_64_attr_bits(unsigned level)
{
	return X86_PWT | X86_PCD | X86_A | X86_D | X86_G | X86_PK |
	       (level == 0 ? X86_PAT_SMALL : X86_PAT_LARGE);
}

static PGW_ALWAYS_INLINE bool x86_64_pt_leaf_encode(const struct pt_env *env,
						    const struct pgw_leaf *leaf, uint64_t *ret)
{
	unsigned level = leaf->level;
	uint64_t entry;

	if (level > X86_MAX_LEAF_LEVEL || (leaf->attrs & ~x86_64_attr_bits(level)) ||
	    (leaf->pa & ~x86_64_pt_addr_mask(env, level)))
		return false;
	entry = leaf->pa | leaf->attrs | X86_P | (level ? X86_PS : 0);
	/* Without CR0.WP the kernel writes to what users may only read: they decide. */
	if (leaf->rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X))
		entry |= X86_US | (leaf->rights & PGW_USER_W ? X86_RW : 0);
	else if (leaf->rights & PGW_KERNEL_W)
		entry |= X86_RW;
	if (!(leaf->rights & (PGW_KERNEL_X | PGW_USER_X)))
		entry |= X86_XD;
	/* What cannot be said comes out different from what was asked for. */
	if (x86_64_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    x86_64_pt_rights(env, x86_64_pt_acc_root(env, PGW_REGION_USER), entry, level) !=
		    leaf->rights)
		return false;
	*ret = entry;
	return true;
}

/* ---- for edits only ---- */

static PGW_ALWAYS_INLINE unsigned x86_64_pt_contig_lg2(const struct pt_env *env, unsigned level)
{
	(void)env, (void)level;
	return 0;
}

/* SDM tables 4-16 to 4-20: PAT is bit 7 of a PTE, which says PS above, and bit 12 there. */
static PGW_ALWAYS_INLINE uint64_t x86_64_pt_leaf_resize(const struct pt_env *env, uint64_t entry,
							unsigned level, uint64_t va,
							unsigned to_level, bool run)
{
	uint64_t pa = x86_64_pt_leaf_pa(env, entry, level, va) & x86_64_pt_addr_mask(env, to_level);
	uint64_t to_pat = to_level ? X86_PAT_LARGE : X86_PAT_SMALL;
	bool pat = entry & (level ? X86_PAT_LARGE : X86_PAT_SMALL);

	(void)run;
	return (entry & ~(env->addr_mask | X86_PS)) | pa | (to_level ? X86_PS : 0) |
	       (pat ? to_pat : 0);
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_rights_mask(void)
{
	return X86_RW | X86_US | X86_XD;
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_leaf_protect(const struct pt_env *env, uint64_t entry,
							 uint64_t bits)
{
	(void)env;
	return (entry & ~x86_64_pt_rights_mask()) | bits;
}

/* SDM 4.8 "Accessed and dirty flags". */
static PGW_ALWAYS_INLINE bool x86_64_pt_entry_young(uint64_t entry)
{
	return entry & X86_A;
}

static PGW_ALWAYS_INLINE bool x86_64_pt_entry_dirty(uint64_t entry)
{
	return entry & X86_D;
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_entry_clear(const struct pt_env *env, uint64_t entry,
							bool young, bool dirty)
{
	(void)env;
	return entry & ~((young ? X86_A : 0) | (dirty ? X86_D : 0));
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_entry_combine(const struct pt_env *env, uint64_t entry,
							  uint64_t other)
{
	(void)env;
	return entry | (other & (X86_A | X86_D));
}

/* SDM 4.10.4: stale translations may be used until the flush, old or new, never something else. */
static PGW_ALWAYS_INLINE bool x86_64_pt_needs_break(const struct pt_env *env, uint64_t old,
						    uint64_t new)
{
	(void)env, (void)old, (void)new;
	return false;
}

static PGW_ALWAYS_INLINE uint64_t x86_64_pt_frozen(void)
{
	return 0;
}

#define pt_env_init x86_64_pt_env_init
#define pt_entry_kind x86_64_pt_entry_kind
#define pt_table_pa x86_64_pt_table_pa
#define pt_leaf_pa x86_64_pt_leaf_pa
#define pt_leaf_lg2 x86_64_pt_leaf_lg2
#define pt_addr_mask x86_64_pt_addr_mask
#define pt_item_step x86_64_pt_item_step
#define pt_entry_advance x86_64_pt_entry_advance
#define pt_acc_root x86_64_pt_acc_root
#define pt_acc_keep x86_64_pt_acc_keep
#define pt_acc_table x86_64_pt_acc_table
#define pt_rights x86_64_pt_rights
#define pt_table_encode x86_64_pt_table_encode
#define pt_leaf_encode x86_64_pt_leaf_encode
#define pt_contig_lg2 x86_64_pt_contig_lg2
#define pt_leaf_resize x86_64_pt_leaf_resize
#define pt_rights_mask x86_64_pt_rights_mask
#define pt_leaf_protect x86_64_pt_leaf_protect
#define pt_entry_young x86_64_pt_entry_young
#define pt_entry_dirty x86_64_pt_entry_dirty
#define pt_entry_clear x86_64_pt_entry_clear
#define pt_entry_combine x86_64_pt_entry_combine
#define pt_needs_break x86_64_pt_needs_break
#define pt_frozen x86_64_pt_frozen

#define PT_GRANULE_LG2 X86_GRANULE_LG2
#define PT_SLOTS_LG2 X86_SLOTS_LG2
#define PT_MAX_TOP_LEVEL 4

/* The shapes and names of the two formats. */

#define X86_64_GEOMETRY(top)                                                                       \
	{                                                                                          \
		.top_level = (top), .granule_lg2 = X86_GRANULE_LG2,                                \
		.va_bits = X86_SPAN_LG2((top) + 1), .max_pa_bits = X86_MAX_PA_BITS, .item_lg2 = 3, \
		.span_lg2 = { X86_SPAN_LG2(0), X86_SPAN_LG2(1), X86_SPAN_LG2(2), X86_SPAN_LG2(3),  \
			      X86_SPAN_LG2(4) },                                                   \
		.slots_lg2 = { X86_SLOTS_LG2, X86_SLOTS_LG2, X86_SLOTS_LG2, X86_SLOTS_LG2,         \
			       X86_SLOTS_LG2 },                                                    \
		.leaf_sizes = BIT(X86_SPAN_LG2(0)) | BIT(X86_SPAN_LG2(1)) | BIT(X86_SPAN_LG2(2)),  \
	}

/*
 * SDM vol. 1 "Linear-Address Pre-Processing": bit 63 says whose pointer it is, and
 * stays; the tag becomes what bit 47 or 56 is, and what is not canonical then never was.
 */
static PGW_MAYBE_UNUSED uint64_t x86_64_tag_bits(const struct pgw_geometry *geo,
						 const struct pgw_control *control, uint64_t va)
{
	bool la57 = geo->va_bits == 57;

	if (va >> 63)
		return !(control->set & PGW_CTL_X86_LAM_SUP) ? 0 : BITS(62, la57 ? 57 : 48);
	if (control->set & PGW_CTL_X86_LAM_U57)
		return BITS(62, 57);
	return control->set & PGW_CTL_X86_LAM_U48 ? BITS(62, 48) : 0;
}

static const char *const x86_64_table_names[PGW_MAX_LEVELS] = { "PT", "PD", "PDPT", "PML4",
								"PML5" };

#define X86_64_PK(n)                                                                               \
	{                                                                                          \
		.name = "pk" #n, .mask = X86_PK, .value = (uint64_t)(n) << 59, .level_last = 2,    \
		.needs = PGW_CTL_X86_PKE                                                           \
	}

static const struct pgw_attr x86_64_attrs[] = {
	{ .name = "g", .mask = X86_G, .value = X86_G, .level_last = 2 },
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
	X86_64_PK(1),
	X86_64_PK(2),
	X86_64_PK(3),
	X86_64_PK(4),
	X86_64_PK(5),
	X86_64_PK(6),
	X86_64_PK(7),
	X86_64_PK(8),
	X86_64_PK(9),
	X86_64_PK(10),
	X86_64_PK(11),
	X86_64_PK(12),
	X86_64_PK(13),
	X86_64_PK(14),
	X86_64_PK(15),
	{ .name = NULL },
};

static const struct pgw_later_bits x86_64_later_bits[] = {
	{ .bits = "6 without 1",
	  .extension = "CET",
	  .taken_for = "read-only",
	  .mask = X86_D | X86_RW,
	  .value = X86_D,
	  .in_leaves = true,
	  .level_last = 2 },
	{ .bits = "11",
	  .extension = "HLAT",
	  .taken_for = "ignored",
	  .mask = BIT(11),
	  .value = BIT(11),
	  .in_tables = true,
	  .in_leaves = true,
	  .level_last = 4 },
	/* How many of them are a key, CPUID and IA32_TME_ACTIVATE tell. */
	{ .bits = "51:37",
	  .extension = "MKTME, SME, TDX",
	  .taken_for = "address",
	  .mask = BITS(51, 37),
	  .value = BITS(51, 37),
	  .in_tables = true,
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "62:59",
	  .extension = "PKS",
	  .taken_for = "no restriction",
	  .mask = X86_PK,
	  .value = X86_PK,
	  .in_leaves = true,
	  .level_last = 2 },
	/* This one alone is for nested tables, too: X86_64_LATER_BITS_NXE. */
	{ .bits = "63",
	  .extension = "NXE",
	  .taken_for = "execute-disable",
	  .mask = X86_XD,
	  .value = X86_XD,
	  .in_tables = true,
	  .in_leaves = true,
	  .level_last = 4,
	  .control = PGW_CTL_X86_NXE },
	{ .bits = NULL },
};

#define X86_64_LATER_BITS_NXE (&x86_64_later_bits[PGW_ARRAY_SIZE(x86_64_later_bits) - 2])

#define X86_64_ATTR_MASK_SMALL                                                                     \
	(X86_RW | X86_US | X86_PWT | X86_PCD | X86_A | X86_D | X86_PAT_SMALL | X86_G | X86_PK |    \
	 X86_XD)
#define X86_64_ATTR_MASK_LARGE ((X86_64_ATTR_MASK_SMALL & ~X86_PAT_SMALL) | X86_PAT_LARGE)

#endif
