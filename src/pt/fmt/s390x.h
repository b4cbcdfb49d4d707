/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_S390X_H
#define PT_FMT_S390X_H

/*
 * z/Architecture dynamic address translation: page tables of 256 items, above them one to four
 * levels of tables of 2048 (segment, region-third, region-second, region-first), as the
 * designation-type control of the address-space-control element (ASCE) says.
 *
 * Source: z/Architecture Principles of Operation (SA22-7832), chapter 3, "Dynamic Address
 * Translation": "Address-Space-Control Element", "Region-Table Entries", "Segment-Table Entries",
 * "Page-Table Entries", "Translation Process". Bits are counted here from the right, as
 * everywhere in this library: the manual's bit n is our bit 63 - n.
 *
 *   bit    region, segment: table        segment leaf      region-third leaf   page
 *                                        (1 MiB, EDAT-1)   (2 GiB, EDAT-2)
 *   1:0    TL; segment: -                -                 -                   software's
 *   3:2    TT: the table's level - 1     TT: 0             TT: 1               software's
 *   4      -; segment: CS                CS                CR                  software's
 *   5      I                             I                 I                   software's
 *   7:6    TF; segment: -                -                 -                   software's
 *   8      -                             IEP               IEP                 IEP
 *   9      P (region: with EDAT-1)       P                 P                   P
 *   10     FC=0                          FC=1              FC=1                I
 *   11     origin of page table, else -  F if AV           F if AV             0
 *   15:12  origin                        ACC if AV         ACC if AV           address
 *   16     origin                        AV                AV                  address
 *   19:17  origin                        -                 -                   address
 *   30:20  origin                        address           -                   address
 *   63:31  origin                        address           address             address
 *
 * I says that the entry is not valid, and what is beside it is software's; an entry of zeros is a
 * valid one. "Empty" is I alone, in a region table with the table type, as Linux writes it.
 *
 * TF and TL, units of 512 items, say which part of the table that an entry leads to there is;
 * an address in another part gives the exception that an invalid entry would. Of the root the
 * ASCE says where it ends. TT of a valid entry must be the level's. CS or CR in a space that is
 * private (P of the ASCE) is a specification exception. IEP takes effect if CR0 allows it. What
 * "-" says is reserved and not checked by the CPU.
 *
 * Frames of 4 KiB have a real address, larger ones an absolute one: prefixing, which swaps the
 * first 8 KiB with those at the CPU's prefix, is not an entry's matter, and not done here.
 * There is no bit for users: who may use a space is up to the one who loads the control registers.
 */

#include "pt/pt_defs.h"

#define S390X_TL BITS(1, 0)
#define S390X_TT BITS(3, 2)
#define S390X_TT_SHIFT 2
#define S390X_CS BIT(4) /* level 1; CR in leaves at level 2 */
#define S390X_I BIT(5)  /* above level 0 */
#define S390X_TF BITS(7, 6)
#define S390X_TF_SHIFT 6
#define S390X_IEP BIT(8)
#define S390X_P BIT(9)
#define S390X_FC BIT(10)     /* levels 1 and 2 */
#define S390X_PAGE_I BIT(10) /* level 0 */
#define S390X_F BIT(11)      /* leaves above level 0, if AV */
#define S390X_PAGE_ZERO BIT(11)
#define S390X_ACC BITS(15, 12)
#define S390X_ACC_SHIFT 12
#define S390X_AV BIT(16)

#define S390X_GRANULE_LG2 12
#define S390X_PAGE_SLOTS_LG2 8
#define S390X_SLOTS_LG2 11 /* of all but page tables */
#define S390X_PART_LG2 9   /* the slots of one unit of TF and TL */
#define S390X_MAX_LEAF_LEVEL 2
#define S390X_SPAN_LG2(level)                                                                      \
	(S390X_GRANULE_LG2 + ((level) ? S390X_PAGE_SLOTS_LG2 + S390X_SLOTS_LG2 * ((level)-1) : 0))
#define S390X_PAGE_TABLE BITS(63, 11) /* a segment's page-table origin */
#define S390X_TABLE BITS(63, 12)

_Static_assert(S390X_SPAN_LG2(1) == 20 && S390X_SPAN_LG2(2) == 31 && S390X_SPAN_LG2(3) == 42 &&
		       S390X_SPAN_LG2(4) == 53,
	       "1 MiB, 2 GiB, 4 TiB, 8 PiB");
_Static_assert(S390X_SPAN_LG2(4) + S390X_SLOTS_LG2 == 64, "all of the address space");
_Static_assert((S390X_PAGE_TABLE | S390X_FC | S390X_P | S390X_IEP | S390X_TF | S390X_I | S390X_CS |
		S390X_TT | S390X_TL) == UINT64_MAX,
	       "every bit has a meaning");
_Static_assert(8 << S390X_PAGE_SLOTS_LG2 == 2048 && 8 << S390X_PART_LG2 == 4096,
	       "page tables of 2 KiB; a unit of other tables is 4 KiB");

/* The table type of a level's entries. */
static PGW_ALWAYS_INLINE uint64_t s390x_table_type(unsigned level)
{
	return (uint64_t)(level - 1) << S390X_TT_SHIFT;
}

/* Which entries can be leaves, if FC says so. */
static PGW_ALWAYS_INLINE bool s390x_has_large(const struct pt_env *env, unsigned level)
{
	if (level == 1)
		return env->ctl & PGW_CTL_S390X_EDAT1;
	/* "Enhanced-DAT facility 2": it applies where the first does. */
	return level == 2 && (env->ctl & PGW_CTL_S390X_EDAT1) && (env->ctl & PGW_CTL_S390X_EDAT2);
}

static PGW_ALWAYS_INLINE bool s390x_is_large(const struct pt_env *env, uint64_t entry,
					     unsigned level)
{
	return (entry & S390X_FC) && s390x_has_large(env, level);
}

static PGW_ALWAYS_INLINE struct pt_env s390x_pt_env_init(const struct pgw_format *format,
							 const struct pgw_control *control)
{
	struct pt_env env = {
		/* What is not there gives an addressing exception. */
		.reserved = ~low_bits(control->pa_bits),
		.ctl = control->set,
	};

	(void)format;
	env.kind_mask = ~S390X_TABLE | env.reserved;
	env.leaf_mask = S390X_PAGE_I | S390X_PAGE_ZERO | env.reserved;
	env.rights_mask = S390X_P;
	if (control->set & PGW_CTL_S390X_IEP)
		env.rights_mask |= S390X_IEP;
	env.table_mask = S390X_I | S390X_TT | env.reserved;
	return env;
}

/* Whole tables are plain to see; the rest is pt_entry_kind()'s, and pt_table_slots()'s. */
static PGW_ALWAYS_INLINE bool s390x_pt_is_table(const struct pt_env *env, uint64_t entry,
						unsigned level)
{
	if ((entry & env->table_mask) != s390x_table_type(level) ||
	    s390x_is_large(env, entry, level))
		return false;
	if (level == 1)
		return !(entry & S390X_CS) || !(env->ctl & PGW_CTL_S390X_PRIVATE);
	return (entry & (S390X_TF | S390X_TL)) == S390X_TL;
}

static PGW_ALWAYS_INLINE uint64_t s390x_pt_empty(unsigned level)
{
	return level ? S390X_I | s390x_table_type(level) : S390X_PAGE_I;
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind s390x_page_kind(const struct pt_env *env,
							     uint64_t entry)
{
	if (entry & S390X_PAGE_I)
		return entry == s390x_pt_empty(0) ? PGW_ENTRY_EMPTY : PGW_ENTRY_ABSENT;
	return entry & (S390X_PAGE_ZERO | env->reserved) ? PGW_ENTRY_MALFORMED : PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind s390x_pt_entry_kind(const struct pt_env *env,
								 uint64_t entry, unsigned level)
{
	bool is_large = s390x_is_large(env, entry, level);

	if (level == 0)
		return s390x_page_kind(env, entry);
	if (entry & S390X_I)
		return entry == s390x_pt_empty(level) ? PGW_ENTRY_EMPTY : PGW_ENTRY_ABSENT;
	if ((entry & S390X_TT) != s390x_table_type(level) || (entry & env->reserved))
		return PGW_ENTRY_MALFORMED;
	if ((entry & S390X_CS) && (level == 1 || is_large) && (env->ctl & PGW_CTL_S390X_PRIVATE))
		return PGW_ENTRY_MALFORMED;
	return is_large ? PGW_ENTRY_LEAF : PGW_ENTRY_TABLE;
}

/* Only segments, of type 0, lead to page tables. */
static PGW_ALWAYS_INLINE uint64_t s390x_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	(void)env;
	return entry & (entry & S390X_TT ? S390X_TABLE : S390X_PAGE_TABLE);
}

static PGW_ALWAYS_INLINE void s390x_pt_table_slots(const struct pt_env *env, uint64_t entry,
						   unsigned level, unsigned *ret_first,
						   unsigned *ret_last)
{
	unsigned offset = (unsigned)((entry & S390X_TF) >> S390X_TF_SHIFT);
	unsigned length = (unsigned)(entry & S390X_TL);

	(void)env;
	if (level == 1) {
		*ret_first = 0;
		*ret_last = (1u << S390X_PAGE_SLOTS_LG2) - 1;
		return;
	}
	/* Where the offset is more than the length, first is more than last: there is none. */
	*ret_first = offset << S390X_PART_LG2;
	*ret_last = ((length + 1) << S390X_PART_LG2) - 1;
}

static PGW_ALWAYS_INLINE uint64_t s390x_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	(void)env;
	return ~low_bits(S390X_SPAN_LG2(level));
}

static PGW_ALWAYS_INLINE uint64_t s390x_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						   unsigned level, uint64_t va)
{
	uint64_t mask = s390x_pt_addr_mask(env, level);

	return (entry & mask) | (va & ~mask);
}

static PGW_ALWAYS_INLINE unsigned s390x_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						    unsigned level)
{
	(void)env, (void)entry;
	return S390X_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t s390x_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2);
}

static PGW_ALWAYS_INLINE uint64_t s390x_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							 unsigned level, uint64_t bytes)
{
	(void)env, (void)level;
	return entry + bytes;
}

#define S390X_ACC_USER                                                                             \
	BIT(0) /* the space is a user's: its code runs there, and so may the kernel's */

/* The kernel's space is its home space, which no user gets at. P is kept inverted. */
static PGW_ALWAYS_INLINE pt_acc_t s390x_pt_acc_root(const struct pt_env *env,
						    enum pgw_region_kind kind)
{
	(void)env;
	return S390X_P | (kind == PGW_REGION_KERNEL ? 0 : S390X_ACC_USER);
}

static PGW_ALWAYS_INLINE uint64_t s390x_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return 0;
}

/* P of a region counts with EDAT-1 only; a segment, of type 0, has it always. */
static PGW_ALWAYS_INLINE pt_acc_t s390x_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry)
{
	if ((entry & S390X_P) && (!(entry & S390X_TT) || (env->ctl & PGW_CTL_S390X_EDAT1)))
		return acc & ~S390X_P;
	return acc;
}

/*
 * "Protection": "DAT protection", "Instruction-Execution Protection". Storage keys, which are not
 * in tables, and ACC and F of large leaves take no right away: what they mean depends on the
 * PSW's key. Low-address protection neither.
 */
static PGW_ALWAYS_INLINE uint8_t s390x_pt_rights(const struct pt_env *env, pt_acc_t acc,
						 uint64_t entry, unsigned level)
{
	unsigned rights = PGW_KERNEL_R;

	(void)level;
	if ((acc & S390X_P) && !(entry & S390X_P))
		rights |= PGW_KERNEL_W;
	if (!(entry & S390X_IEP) || !(env->ctl & PGW_CTL_S390X_IEP))
		rights |= PGW_KERNEL_X;
	if (acc & S390X_ACC_USER)
		rights |= rights << 3;
	return (uint8_t)rights;
}

_Static_assert(PGW_USER_R == PGW_KERNEL_R << 3 && PGW_USER_W == PGW_KERNEL_W << 3 &&
		       PGW_USER_X == PGW_KERNEL_X << 3,
	       "users' rights are the kernel's, three up");

#define pt_env_init s390x_pt_env_init
#define pt_entry_kind s390x_pt_entry_kind
#define pt_empty s390x_pt_empty
#define pt_is_table s390x_pt_is_table
#define pt_table_pa s390x_pt_table_pa
#define pt_table_slots s390x_pt_table_slots
#define pt_leaf_pa s390x_pt_leaf_pa
#define pt_leaf_lg2 s390x_pt_leaf_lg2
#define pt_addr_mask s390x_pt_addr_mask
#define pt_item_step s390x_pt_item_step
#define pt_entry_advance s390x_pt_entry_advance
#define pt_acc_root s390x_pt_acc_root
#define pt_acc_keep s390x_pt_acc_keep
#define pt_acc_table s390x_pt_acc_table
#define pt_rights s390x_pt_rights

#define PT_READ_ONLY
#define PT_GRANULE_LG2 S390X_GRANULE_LG2
#define PT_SLOTS_LG2 S390X_SLOTS_LG2
#define PT_SPAN_LG2 S390X_SPAN_LG2
#define PT_ITEM_BIG_ENDIAN 1
#define PT_MAX_TOP_LEVEL 4

/* The shapes and names of the four formats. */

#define S390X_LEAF_SIZES(top)                                                                      \
	(BIT(S390X_SPAN_LG2(0)) | BIT(S390X_SPAN_LG2(1)) |                                         \
	 ((top) >= S390X_MAX_LEAF_LEVEL ? BIT(S390X_SPAN_LG2(2)) : 0))

#define S390X_GEOMETRY(top)                                                                        \
	{                                                                                          \
		.top_level = (top), .granule_lg2 = S390X_GRANULE_LG2,                              \
		.va_bits = S390X_SPAN_LG2(top) + S390X_SLOTS_LG2, .max_pa_bits = 64,               \
		.item_lg2 = 3, .is_big_endian = true, .root_align_lg2 = 12,                        \
		.span_lg2 = { S390X_SPAN_LG2(0), S390X_SPAN_LG2(1), S390X_SPAN_LG2(2),             \
			      S390X_SPAN_LG2(3), S390X_SPAN_LG2(4) },                              \
		.slots_lg2 = { S390X_PAGE_SLOTS_LG2, S390X_SLOTS_LG2, S390X_SLOTS_LG2,             \
			       S390X_SLOTS_LG2, S390X_SLOTS_LG2 },                                 \
		.leaf_sizes = S390X_LEAF_SIZES(top),                                               \
	}

/* Two spaces of all addresses: the primary of users' (CR1, CR7), the home space (CR13). */
#define S390X_LAST_VA(top) (UINT64_MAX >> (64 - S390X_SPAN_LG2(top) - S390X_SLOTS_LG2))
#define S390X_REGIONS(top)                                                                         \
	((const struct pgw_region[]){                                                              \
		{ .name = "user", .last = S390X_LAST_VA(top), .kind = PGW_REGION_USER },           \
		{ .name = "kernel",                                                                \
		  .last = S390X_LAST_VA(top),                                                      \
		  .kind = PGW_REGION_KERNEL,                                                       \
		  .root = 1 },                                                                     \
		{ .name = NULL } })

static const char *const s390x_table_names[PGW_MAX_LEVELS] = { "page", "segment", "region-third",
							       "region-second", "region-first" };

#define S390X_LARGE (S390X_FC | S390X_AV)
#define S390X_ACC_ATTR(n)                                                                          \
	{                                                                                          \
		.name = "acc" #n, .mask = S390X_LARGE | S390X_ACC,                                 \
		.value = S390X_LARGE | (uint64_t)(n) << S390X_ACC_SHIFT, .level_first = 1,         \
		.level_last = S390X_MAX_LEAF_LEVEL, .needs = PGW_CTL_S390X_EDAT1                   \
	}

/* Of a table these bits are its address. */
static const struct pgw_attr s390x_attrs[] = {
	{ .name = "cs", .mask = S390X_CS, .value = S390X_CS, .level_first = 1, .level_last = 1 },
	{ .name = "cr",
	  .mask = S390X_FC | S390X_CS,
	  .value = S390X_FC | S390X_CS,
	  .level_first = 2,
	  .level_last = 2,
	  .needs = PGW_CTL_S390X_EDAT2 },
	{ .name = "f",
	  .mask = S390X_LARGE | S390X_F,
	  .value = S390X_LARGE | S390X_F,
	  .level_first = 1,
	  .level_last = S390X_MAX_LEAF_LEVEL,
	  .needs = PGW_CTL_S390X_EDAT1 },
	S390X_ACC_ATTR(0),
	S390X_ACC_ATTR(1),
	S390X_ACC_ATTR(2),
	S390X_ACC_ATTR(3),
	S390X_ACC_ATTR(4),
	S390X_ACC_ATTR(5),
	S390X_ACC_ATTR(6),
	S390X_ACC_ATTR(7),
	S390X_ACC_ATTR(8),
	S390X_ACC_ATTR(9),
	S390X_ACC_ATTR(10),
	S390X_ACC_ATTR(11),
	S390X_ACC_ATTR(12),
	S390X_ACC_ATTR(13),
	S390X_ACC_ATTR(14),
	S390X_ACC_ATTR(15),
	{ .name = NULL },
};

/*
 * Without EDAT-1 and IEP bit 8 of a page is 0; with EDAT-1 it was "change-recording override".
 * The first row is not for s390x-31, which has no regions.
 */
static const struct pgw_later_bits s390x_later_bits[] = {
	{ .bits = "9",
	  .extension = "EDAT-1",
	  .taken_for = "read-only",
	  .mask = S390X_P,
	  .value = S390X_P,
	  .in_tables = true,
	  .level_first = 2,
	  .level_last = 4 },
	{ .bits = "8",
	  .extension = "IEP",
	  .taken_for = "execute-disable",
	  .mask = S390X_IEP,
	  .value = S390X_IEP,
	  .in_leaves = true },
	{ .bits = NULL },
};

#define S390X_LATER_BITS(top) (&s390x_later_bits[(top) == 1])

/* All of an address counts. */
static PGW_MAYBE_UNUSED uint64_t s390x_tag_bits(const struct pgw_geometry *geo,
						const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

#define S390X_ATTR_MASK_SMALL (S390X_P | S390X_IEP)
#define S390X_ATTR_MASK_LARGE (S390X_ATTR_MASK_SMALL | S390X_CS | S390X_AV | S390X_ACC | S390X_F)

#endif
