/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_RISCV_H
#define PT_FMT_RISCV_H

/*
 * RISC-V Sv39, Sv48, Sv57 with Svnapot, Svpbmt, Svrsw60t59b and the shadow
 * stacks of Zicfiss; and Sv32, whose entries of 4 bytes end with bit 31, if the includer
 * defines RISCV_XLEN as 32: addresses have 34 bits there, tables 1024 items.
 *
 * Source: The RISC-V Instruction Set Manual, volume II: chapter "Supervisor-
 * Level ISA", 4.3.1 to 4.3.2 (the entry and the translation process, by Sv32),
 * 4.4 to 4.6 (Sv39, Sv48, Sv57), "Svnapot", "Svpbmt", "Svrsw60t59b", "Shadow
 * Stack Memory Protection".
 *
 *   bit    pointer (R = W = X = 0)   leaf
 *   0      V                         V
 *   1      R = 0                     R
 *   2      W = 0                     W      (W without R is reserved; with SSE
 *                                           and X = 0: a shadow stack)
 *   3      X = 0                     X
 *   4      reserved                  U
 *   5      G                         G
 *   6      reserved                  A
 *   7      reserved                  D
 *   9:8    RSW                       RSW
 *   53:10  PPN                       PPN; the part below the leaf's size is 0
 *   58:54  reserved                  reserved
 *   60:59  software                  software (without Svrsw60t59b: reserved)
 *   62:61  reserved                  PBMT   (3 is reserved)
 *   63     reserved                  N      (level 0 and PPN[3:0] = 8: 64 KiB)
 */

#include "pt/pt_defs.h"

#define RISCV_V BIT(0)
#define RISCV_R BIT(1)
#define RISCV_W BIT(2)
#define RISCV_X BIT(3)
#define RISCV_U BIT(4)
#define RISCV_G BIT(5)
#define RISCV_A BIT(6)
#define RISCV_D BIT(7)
#ifndef RISCV_XLEN
#define RISCV_XLEN 64
#endif
#define RISCV_PPN (RISCV_XLEN == 32 ? BITS(31, 10) : BITS(53, 10))
/* Of Sv32 it is what no item has. */
#define RISCV_RESERVED (RISCV_XLEN == 32 ? BITS(58, 32) : BITS(58, 54))
#define RISCV_RSW_HIGH BITS(60, 59)
#define RISCV_PBMT BITS(62, 61)
#define RISCV_PBMT_NC (UINT64_C(1) << 61)
#define RISCV_PBMT_IO (UINT64_C(2) << 61)
#define RISCV_N BIT(63)

#define RISCV_GRANULE_LG2 12
#define RISCV_SLOTS_LG2 (RISCV_XLEN == 32 ? 10 : 9)
#define RISCV_PA_BITS (RISCV_XLEN == 32 ? 34 : 56)
#define RISCV_PPN_SHIFT 2 /* from bit 10 of the entry to bit 12 of the address */
#define RISCV_NAPOT_LG2 16
#define RISCV_NAPOT_MASK (BITS(3, 0) << 10) /* PPN[3:0], which say the size */
#define RISCV_NAPOT_64K (UINT64_C(8) << 10)
#define RISCV_SPAN_LG2(level) (RISCV_GRANULE_LG2 + RISCV_SLOTS_LG2 * (level))

_Static_assert((RISCV_PPN | RISCV_RESERVED | RISCV_RSW_HIGH | RISCV_PBMT | RISCV_N | BITS(9, 0)) ==
		       UINT64_MAX,
	       "every bit has a meaning");
_Static_assert((RISCV_PPN << RISCV_PPN_SHIFT) == BITS(RISCV_PA_BITS - 1, RISCV_GRANULE_LG2),
	       "the PPN is the address, two bits lower");

static PGW_ALWAYS_INLINE struct pt_env riscv_pt_env_init(const struct pgw_format *format,
							 const struct pgw_control *control)
{
	uint64_t reserved = RISCV_RESERVED;

	(void)format;
	if (!(control->set & PGW_CTL_RISCV_SVPBMT))
		reserved |= RISCV_PBMT;
	if (!(control->set & PGW_CTL_RISCV_SVNAPOT))
		reserved |= RISCV_N;
	if (!(control->set & PGW_CTL_RISCV_SVRSW60T59B))
		reserved |= RISCV_RSW_HIGH;
	if (control->pa_bits < RISCV_PA_BITS)
		reserved |= (~low_bits(control->pa_bits) >> RISCV_PPN_SHIFT) & RISCV_PPN;
	return (struct pt_env){
		.reserved = reserved,
		.table_mask = reserved | RISCV_V | RISCV_R | RISCV_W | RISCV_X | RISCV_U | RISCV_A |
			      RISCV_D | RISCV_PBMT | RISCV_N,
		.table_value = RISCV_V,
		.kind_mask = ~RISCV_PPN | reserved,
		.leaf_mask = reserved | RISCV_V | RISCV_R | RISCV_PBMT | RISCV_N,
		.leaf_value = RISCV_V | RISCV_R,
		.rights_mask = RISCV_R | RISCV_W | RISCV_X | RISCV_U,
		.addr_mask = RISCV_PPN,
		.addr_shift = RISCV_PPN_SHIFT,
		.ctl = control->set,
	};
}

/* Zicfiss: all may read it; what writes it is not a store. Neither MXR nor X counts. */
static PGW_ALWAYS_INLINE bool riscv_is_shadow_stack(const struct pt_env *env, uint64_t entry)
{
	return (entry & (RISCV_R | RISCV_W | RISCV_X)) == RISCV_W && (env->ctl & PGW_CTL_RISCV_SSE);
}

/* 4.3.2 steps 3 to 6. */
static PGW_ALWAYS_INLINE enum pgw_entry_kind riscv_pt_entry_kind(const struct pt_env *env,
								 uint64_t entry, unsigned level)
{
	if (!(entry & RISCV_V))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (entry & env->reserved)
		return PGW_ENTRY_MALFORMED;
	if (!(entry & (RISCV_R | RISCV_W | RISCV_X))) {
		if (!level || (entry & (RISCV_U | RISCV_A | RISCV_D | RISCV_PBMT | RISCV_N)))
			return PGW_ENTRY_MALFORMED;
		return PGW_ENTRY_TABLE;
	}
	if ((entry & (RISCV_R | RISCV_W)) == RISCV_W && !riscv_is_shadow_stack(env, entry))
		return PGW_ENTRY_MALFORMED;
	if ((entry & RISCV_PBMT) == RISCV_PBMT)
		return PGW_ENTRY_MALFORMED;
	if (entry & RISCV_N)
		return !level && (entry & RISCV_NAPOT_MASK) == RISCV_NAPOT_64K
			       ? PGW_ENTRY_LEAF
			       : PGW_ENTRY_MALFORMED;
	/* A misaligned superpage. */
	if ((entry & RISCV_PPN) << RISCV_PPN_SHIFT & low_bits(RISCV_SPAN_LG2(level)))
		return PGW_ENTRY_MALFORMED;
	return PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	(void)env;
	return (entry & RISCV_PPN) << RISCV_PPN_SHIFT;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	(void)env, (void)level;
	return RISCV_PPN;
}

static PGW_ALWAYS_INLINE unsigned riscv_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						    unsigned level)
{
	(void)env;
	return entry & RISCV_N ? RISCV_NAPOT_LG2 : RISCV_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						   unsigned level, uint64_t va)
{
	uint64_t inside = low_bits(riscv_pt_leaf_lg2(env, entry, level));

	return (riscv_pt_table_pa(env, entry) & ~inside) | (va & inside);
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2 - RISCV_PPN_SHIFT);
}

/* The items of a NAPOT leaf are all the same. */
static PGW_ALWAYS_INLINE uint64_t riscv_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							 unsigned level, uint64_t bytes)
{
	bytes &= ~low_bits(riscv_pt_leaf_lg2(env, entry, level));
	return (entry & ~RISCV_PPN) | ((entry + (bytes >> RISCV_PPN_SHIFT)) & RISCV_PPN);
}

/* Only leaves say what is allowed. */
static PGW_ALWAYS_INLINE pt_acc_t riscv_pt_acc_root(const struct pt_env *env,
						    enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return 0;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return UINT64_MAX;
}

static PGW_ALWAYS_INLINE pt_acc_t riscv_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry)
{
	(void)env, (void)entry;
	return acc;
}

/*
 * 4.3.1: with MXR what may be executed may be read; with SUM S-mode may read
 * and write U pages. Both count as set. S-mode never executes U pages.
 */
static PGW_ALWAYS_INLINE uint8_t riscv_pt_rights(const struct pt_env *env, pt_acc_t acc,
						 uint64_t entry, unsigned level)
{
	bool shadow = riscv_is_shadow_stack(env, entry);
	bool read = (entry & (RISCV_R | RISCV_X)) || shadow;
	bool write = (entry & RISCV_W) && !shadow;
	bool exec = entry & RISCV_X;
	bool user = entry & RISCV_U;
	unsigned rights = 0;

	(void)acc, (void)level;
	rights |= (read ? PGW_KERNEL_R : 0u) | (write ? PGW_KERNEL_W : 0u) |
		  (exec && !user ? PGW_KERNEL_X : 0u);
	if (user)
		rights |= (read ? PGW_USER_R : 0u) | (write ? PGW_USER_W : 0u) |
			  (exec ? PGW_USER_X : 0u);
	return (uint8_t)rights;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_table_encode(const struct pt_env *env, uint64_t pa,
							unsigned level, enum pgw_region_kind kind)
{
	(void)env, (void)level, (void)kind;
	return ((pa >> RISCV_PPN_SHIFT) & RISCV_PPN) | RISCV_V;
}

#define RISCV_ATTR_BITS (RISCV_G | RISCV_A | RISCV_D | RISCV_PBMT | RISCV_N)

static PGW_ALWAYS_INLINE bool riscv_pt_leaf_encode(const struct pt_env *env,
						   const struct pgw_leaf *leaf, uint64_t *ret)
{
	uint64_t entry = ((leaf->pa >> RISCV_PPN_SHIFT) & RISCV_PPN) | leaf->attrs | RISCV_V;

	if ((leaf->attrs & ~RISCV_ATTR_BITS) || riscv_pt_table_pa(env, entry) != leaf->pa)
		return false;
	if (leaf->rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X))
		entry |= RISCV_U;
	if (leaf->rights & PGW_KERNEL_W)
		entry |= RISCV_W;
	if (leaf->rights & (PGW_KERNEL_X | PGW_USER_X))
		entry |= RISCV_X;
	/* Read is implied by execute, MXR permitting; it is asked for all the same. */
	if (leaf->rights & PGW_KERNEL_R)
		entry |= RISCV_R;
	if (leaf->attrs & RISCV_N)
		entry = (entry & ~RISCV_NAPOT_MASK) | RISCV_NAPOT_64K;
	if (riscv_pt_entry_kind(env, entry, leaf->level) != PGW_ENTRY_LEAF ||
	    riscv_pt_rights(env, 0, entry, leaf->level) != leaf->rights)
		return false;
	*ret = entry;
	return true;
}

/* ---- for edits only ---- */

/* "Svnapot": 64 KiB is the only size yet. */
static PGW_ALWAYS_INLINE unsigned riscv_pt_contig_lg2(const struct pt_env *env, unsigned level)
{
	return !level && (env->ctl & PGW_CTL_RISCV_SVNAPOT) ? RISCV_NAPOT_LG2 - RISCV_GRANULE_LG2
							    : 0;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_leaf_resize(const struct pt_env *env, uint64_t entry,
						       unsigned level, uint64_t va,
						       unsigned to_level, bool run)
{
	uint64_t pa = riscv_pt_leaf_pa(env, entry, level, va) & ~low_bits(RISCV_SPAN_LG2(to_level));
	uint64_t resized = (entry & ~(RISCV_PPN | RISCV_N)) | ((pa >> RISCV_PPN_SHIFT) & RISCV_PPN);

	return run ? (resized & ~RISCV_NAPOT_MASK) | RISCV_NAPOT_64K | RISCV_N : resized;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_rights_mask(void)
{
	return RISCV_R | RISCV_W | RISCV_X | RISCV_U;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_leaf_protect(const struct pt_env *env, uint64_t entry,
							uint64_t bits)
{
	(void)env;
	return (entry & ~riscv_pt_rights_mask()) | bits;
}

/* 4.3.1: A and D, by hardware with Svadu, else by whoever handles the fault. */
static PGW_ALWAYS_INLINE bool riscv_pt_entry_young(uint64_t entry)
{
	return entry & RISCV_A;
}

static PGW_ALWAYS_INLINE bool riscv_pt_entry_dirty(uint64_t entry)
{
	return entry & RISCV_D;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_entry_clear(const struct pt_env *env, uint64_t entry,
						       bool young, bool dirty)
{
	(void)env;
	return entry & ~((young ? RISCV_A : 0) | (dirty ? RISCV_D : 0));
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_entry_combine(const struct pt_env *env, uint64_t entry,
							 uint64_t other)
{
	(void)env;
	return entry | (other & (RISCV_A | RISCV_D));
}

/*
 * 4.2.1 "Supervisor Memory-Management Fence Instruction": until the fence,
 * translations of the old or the new entries are used, unpredictably, and
 * "Svnapot" says the same of the items of a run. Both are right here.
 */
static PGW_ALWAYS_INLINE bool riscv_pt_needs_break(const struct pt_env *env, uint64_t old,
						   uint64_t new)
{
	(void)env, (void)old, (void)new;
	return false;
}

static PGW_ALWAYS_INLINE uint64_t riscv_pt_frozen(void)
{
	return 0;
}

#define pt_env_init riscv_pt_env_init
#define pt_entry_kind riscv_pt_entry_kind
#define pt_table_pa riscv_pt_table_pa
#define pt_leaf_pa riscv_pt_leaf_pa
#define pt_leaf_lg2 riscv_pt_leaf_lg2
#define pt_addr_mask riscv_pt_addr_mask
#define pt_item_step riscv_pt_item_step
#define pt_entry_advance riscv_pt_entry_advance
#define pt_acc_root riscv_pt_acc_root
#define pt_acc_keep riscv_pt_acc_keep
#define pt_acc_table riscv_pt_acc_table
#define pt_rights riscv_pt_rights
#define pt_table_encode riscv_pt_table_encode
#define pt_leaf_encode riscv_pt_leaf_encode
#define pt_contig_lg2 riscv_pt_contig_lg2
#define pt_leaf_resize riscv_pt_leaf_resize
#define pt_rights_mask riscv_pt_rights_mask
#define pt_leaf_protect riscv_pt_leaf_protect
#define pt_entry_young riscv_pt_entry_young
#define pt_entry_dirty riscv_pt_entry_dirty
#define pt_entry_clear riscv_pt_entry_clear
#define pt_entry_combine riscv_pt_entry_combine
#define pt_needs_break riscv_pt_needs_break
#define pt_frozen riscv_pt_frozen

#define PT_GRANULE_LG2 RISCV_GRANULE_LG2
#define PT_SLOTS_LG2 RISCV_SLOTS_LG2
#define PT_MAX_TOP_LEVEL (RISCV_XLEN == 32 ? 1 : 4)
#define PT_ITEM_LG2 (RISCV_XLEN == 32 ? 2 : 3)

/* Leaves at every level, and the runs of Svnapot. */
#define RISCV_LEAF_SIZES                                                                           \
	(BIT(RISCV_SPAN_LG2(0)) | BIT(RISCV_NAPOT_LG2) | BIT(RISCV_SPAN_LG2(1)) |                  \
	 BIT(RISCV_SPAN_LG2(2)) | BIT(RISCV_SPAN_LG2(3)) | BIT(RISCV_SPAN_LG2(4)))

#define RISCV_GEOMETRY(top)                                                                        \
	{                                                                                          \
		.top_level = (top), .granule_lg2 = RISCV_GRANULE_LG2,                              \
		.va_bits = RISCV_SPAN_LG2((top) + 1), .max_pa_bits = RISCV_PA_BITS, .item_lg2 = 3, \
		.span_lg2 = { RISCV_SPAN_LG2(0), RISCV_SPAN_LG2(1), RISCV_SPAN_LG2(2),             \
			      RISCV_SPAN_LG2(3), RISCV_SPAN_LG2(4) },                              \
		.slots_lg2 = { RISCV_SLOTS_LG2, RISCV_SLOTS_LG2, RISCV_SLOTS_LG2, RISCV_SLOTS_LG2, \
			       RISCV_SLOTS_LG2 },                                                  \
		.leaf_sizes = RISCV_LEAF_SIZES & BITS(RISCV_SPAN_LG2(top), 0),                     \
	}

/* "Pointer Masking": of PMLEN bits, sign-extended from the one below. */
static PGW_MAYBE_UNUSED uint64_t riscv_tag_bits(const struct pgw_geometry *geo,
						const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)va;
	if (control->set & PGW_CTL_RISCV_PMLEN16)
		return BITS(63, 48);
	return control->set & PGW_CTL_RISCV_PMLEN7 ? BITS(63, 57) : 0;
}

/* The manual numbers its levels as we do. */
static const char *const riscv_table_names[PGW_MAX_LEVELS] = { "L0", "L1", "L2", "L3", "L4" };

static const struct pgw_attr riscv_attrs[] = {
	{ .name = "g", .mask = RISCV_G, .value = RISCV_G, .level_last = 4 },
	{ .name = "a", .mask = RISCV_A, .value = RISCV_A, .level_last = 4 },
	{ .name = "d", .mask = RISCV_D, .value = RISCV_D, .level_last = 4 },
	{ .name = "ss",
	  .mask = RISCV_R | RISCV_W | RISCV_X,
	  .value = RISCV_W,
	  .level_last = 4,
	  .needs = PGW_CTL_RISCV_SSE },
	{ .name = "napot", .mask = RISCV_N, .value = RISCV_N, .needs = PGW_CTL_RISCV_SVNAPOT },
	{ .name = NULL },
};

/* The first row is not for tables of guests. */
static const struct pgw_later_bits riscv_later_bits[] = {
	{ .bits = "2 without 1",
	  .extension = "Zicfiss",
	  .taken_for = "shadow stack",
	  .mask = RISCV_R | RISCV_W | RISCV_X,
	  .value = RISCV_W,
	  .in_leaves = true,
	  .level_last = 4,
	  .control = PGW_CTL_RISCV_SSE },
	{ .bits = "60:59",
	  .extension = "Svrsw60t59b",
	  .taken_for = "software's",
	  .mask = RISCV_RSW_HIGH,
	  .value = RISCV_RSW_HIGH,
	  .in_tables = true,
	  .in_leaves = true,
	  .level_last = 4,
	  .control = PGW_CTL_RISCV_SVRSW60T59B },
	{ .bits = "62:61",
	  .extension = "Svpbmt",
	  .taken_for = "memory type",
	  .mask = RISCV_PBMT,
	  .value = RISCV_PBMT_NC,
	  .in_leaves = true,
	  .level_last = 4,
	  .control = PGW_CTL_RISCV_SVPBMT },
	{ .bits = "63",
	  .extension = "Svnapot",
	  .taken_for = "run of 64K",
	  .mask = RISCV_N | RISCV_NAPOT_MASK,
	  .value = RISCV_N | RISCV_NAPOT_64K,
	  .in_leaves = true,
	  .control = PGW_CTL_RISCV_SVNAPOT },
	{ .bits = NULL },
};

#define RISCV_ATTR_MASK (RISCV_ATTR_BITS | RISCV_R | RISCV_W | RISCV_X | RISCV_U)

static PGW_MAYBE_UNUSED const char *riscv_memory_type(const struct pgw_control *control,
						      uint64_t entry, unsigned level)
{
	(void)level;
	/* PBMT 0: what the platform says of the address, as without the extension. */
	static const char *const names[] = { NULL, "nc", "io", "reserved" };

	return control->set & PGW_CTL_RISCV_SVPBMT ? names[(entry & RISCV_PBMT) >> 61] : NULL;
}

#endif
