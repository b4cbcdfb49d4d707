/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_ARM64_H
#define PT_FMT_ARM64_H

/*
 * arm64 stage 1 translation of the EL1&0 regime, VMSAv8-64. The includer
 * defines ARM64_GRANULE_LG2 as 12, 14 or 16.
 *
 * Source: Arm ARM (DDI 0487) section D8: D8.2 "Translation process", D8.3
 * "Translation table descriptor formats", D8.4 "Memory access control", D8.5
 * "Memory region attributes", D8.6 "Other descriptor fields". Our levels count
 * from the leaves: 0 is Arm's level 3.
 *
 *   bit    table                     block, page
 *   0      valid                     valid
 *   1      1                         0 block, 1 page (at level 0: 0 is reserved)
 *   4:2    -                         AttrIndx
 *   5      -                         NS
 *   6      -                         AP[1]: EL0 may access
 *   7      -                         AP[2]: read-only
 *   9:8    -, LPA2: PA[51:50]        SH, LPA2: PA[51:50]
 *   10     -                         AF
 *   11     -                         nG
 *   15:12  address; 64K: PA[51:48]   address; 64K: PA[51:48]
 *   16     address                   block: nT; page: address
 *   47:17  address                   address
 *   49:48  0, LPA2: PA[49:48]        0, LPA2: PA[49:48]
 *   50     -                         GP
 *   51     -                         DBM
 *   52     -                         Contiguous
 *   53     -                         PXN
 *   54     -                         UXN
 *   58:55  -                         software; 55: dirty, see below
 *   59     PXNTable                  -
 *   60     UXNTable                  -
 *   61     APTable[0]: no EL0        -
 *   62     APTable[1]: read-only     -
 *   63     NSTable                   -
 *
 * Bits of the address below the size of a block are RES0, and ignored here as
 * by every MMU seen.
 *
 * Dirty (D8.5.7 "Hardware management of the dirty state"): a leaf counts as
 * dirty if AP[2] is 0, or if bit 55 is set. With TCR_EL1.HD a clean leaf has DBM
 * = 1 and AP[2] = 1, and hardware clears AP[2] at the first write; so dirty is
 * what was written. Without HD hardware says nothing, and every leaf that may be
 * written counts as dirty, always: it cannot be made clean. What makes a
 * dirty leaf read-only sets bit 55, so that the state is kept.
 *
 * FROZEN, not valid and not zero: break-before-make is under way in this item.
 * Nobody else may write this value. Bit 0 is 0, so the MMU ignores the rest (D8.3).
 */

#include "pt/pt_defs.h"

#define ARM64_VALID BIT(0)
#define ARM64_TABLE BIT(1)
#define ARM64_ATTRINDX BITS(4, 2)
#define ARM64_NS BIT(5)
#define ARM64_AP_EL0 BIT(6)
#define ARM64_AP_RO BIT(7)
#define ARM64_SH BITS(9, 8)
#define ARM64_SH_OUTER (UINT64_C(2) << 8)
#define ARM64_SH_INNER (UINT64_C(3) << 8)
#define ARM64_AF BIT(10)
#define ARM64_NG BIT(11)
#define ARM64_GP BIT(50)
#define ARM64_DBM BIT(51)
#define ARM64_CONT BIT(52)
#define ARM64_PXN BIT(53)
#define ARM64_UXN BIT(54)
#define ARM64_SW_DIRTY BIT(55)
#define ARM64_FROZEN (UINT64_C(0xf0e2) << 48)
#define ARM64_PXNTABLE BIT(59)
#define ARM64_UXNTABLE BIT(60)
#define ARM64_APTABLE_NO_EL0 BIT(61)
#define ARM64_APTABLE_RO BIT(62)
#define ARM64_TABLE_CONTROLS                                                                       \
	(ARM64_PXNTABLE | ARM64_UXNTABLE | ARM64_APTABLE_NO_EL0 | ARM64_APTABLE_RO)

#define ARM64_SLOTS_LG2 (ARM64_GRANULE_LG2 - 3)
#define ARM64_SPAN_LG2(level) (ARM64_GRANULE_LG2 + ARM64_SLOTS_LG2 * (level))

_Static_assert(ARM64_GRANULE_LG2 == 12 || ARM64_GRANULE_LG2 == 14 || ARM64_GRANULE_LG2 == 16,
	       "4K, 16K, 64K");
_Static_assert((ARM64_FROZEN & (BIT(63) | ARM64_VALID)) == BIT(63), "frozen: not valid, not zero");

/* The low 48 bits of an address, where a table or page holds them. */
#define ARM64_ADDR_LOW BITS(47, ARM64_GRANULE_LG2)

/* Where an entry keeps its address: D8.3.1, tables of descriptor formats. */
static PGW_ALWAYS_INLINE uint64_t arm64_addr_field(const struct pt_env *env)
{
	if (!env->wide)
		return ARM64_ADDR_LOW;
	return ARM64_ADDR_LOW |
	       (ARM64_GRANULE_LG2 == 16 ? BITS(15, 12) : BITS(49, 48) | BITS(9, 8));
}

static PGW_ALWAYS_INLINE uint64_t arm64_addr_get(const struct pt_env *env, uint64_t entry)
{
	uint64_t pa = entry & ARM64_ADDR_LOW;

	if (!env->wide)
		return pa;
	if (ARM64_GRANULE_LG2 == 16)
		return pa | ((entry & BITS(15, 12)) << 36);
	return pa | (entry & BITS(49, 48)) | ((entry & BITS(9, 8)) << 42);
}

static PGW_ALWAYS_INLINE uint64_t arm64_addr_put(const struct pt_env *env, uint64_t pa)
{
	uint64_t entry = pa & ARM64_ADDR_LOW;

	if (!env->wide)
		return entry;
	if (ARM64_GRANULE_LG2 == 16)
		return entry | ((pa & BITS(51, 48)) >> 36);
	return entry | (pa & BITS(49, 48)) | ((pa & BITS(51, 50)) >> 42);
}

static PGW_ALWAYS_INLINE struct pt_env arm64_pt_env_init(const struct pgw_format *format,
							 const struct pgw_control *control)
{
	struct pt_env env = {
		/* An output address beyond the implemented size is an address size fault (D8.2). */
		.reserved = control->pa_bits ? ~low_bits(control->pa_bits) : 0,
		.ctl = control->set,
		.wide = format->geometry.max_pa_bits > 48,
	};
	uint64_t reserved = arm64_addr_put(&env, env.reserved);

	env.table_mask = ARM64_VALID | ARM64_TABLE | reserved;
	env.table_value = ARM64_VALID | ARM64_TABLE;
	env.kind_mask = ~arm64_addr_field(&env) | reserved;
	env.leaf_mask = env.table_mask | ARM64_CONT;
	env.leaf_value = env.table_value;
	env.rights_mask = ARM64_AP_EL0 | ARM64_AP_RO | ARM64_DBM | ARM64_PXN | ARM64_UXN;
	env.acc_flip = ARM64_TABLE_CONTROLS;
	env.addr_mask = env.wide ? 0 : ARM64_ADDR_LOW;
	return env;
}

/* D8.2: blocks at level 1 always; the next two as the granule and LPA2 give them. */
#define ARM64_CAN_HAVE_LEAF(is_wide, level)                                                        \
	((level) <= 1 || ((level) == 2 && (ARM64_GRANULE_LG2 == 12 || (is_wide))) ||               \
	 ((level) == 3 && ARM64_GRANULE_LG2 == 12 && (is_wide)))

static PGW_ALWAYS_INLINE enum pgw_entry_kind arm64_pt_entry_kind(const struct pt_env *env,
								 uint64_t entry, unsigned level)
{
	if (!(entry & ARM64_VALID))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (arm64_addr_get(env, entry) & env->reserved)
		return PGW_ENTRY_MALFORMED;
	if (level && (entry & ARM64_TABLE))
		return PGW_ENTRY_TABLE;
	if (level ? !ARM64_CAN_HAVE_LEAF(env->wide, level) : !(entry & ARM64_TABLE))
		return PGW_ENTRY_MALFORMED;
	return PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	return arm64_addr_get(env, entry);
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	return arm64_addr_put(env, ~low_bits(ARM64_SPAN_LG2(level)));
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						   unsigned level, uint64_t va)
{
	uint64_t span = low_bits(ARM64_SPAN_LG2(level));

	return (arm64_addr_get(env, entry) & ~span) | (va & span);
}

/* The highest level that has contiguous runs, at 4K. */
#ifndef ARM64_4K_CONT_LEVEL
#define ARM64_4K_CONT_LEVEL 2
#endif

/* D8.6.1: the items of a contiguous run; 0 where the bit means nothing. */
#define ARM64_CONT_LG2(level)                                                                      \
	(ARM64_GRANULE_LG2 == 12   ? ((level) <= ARM64_4K_CONT_LEVEL ? 4 : 0)                      \
	 : ARM64_GRANULE_LG2 == 14 ? ((level) == 0   ? 7                                           \
				      : (level) == 1 ? 5                                           \
						     : 0)                                          \
				   : ((level) <= 1 ? 5 : 0))

static PGW_ALWAYS_INLINE unsigned arm64_cont_lg2(unsigned level)
{
	return ARM64_CONT_LG2(level);
}

static PGW_ALWAYS_INLINE unsigned arm64_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						    unsigned level)
{
	(void)env;
	return ARM64_SPAN_LG2(level) + (entry & ARM64_CONT ? arm64_cont_lg2(level) : 0);
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2);
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							 unsigned level, uint64_t bytes)
{
	uint64_t field = arm64_pt_addr_mask(env, level);

	return (entry & ~field) | (arm64_addr_put(env, arm64_addr_get(env, entry) + bytes) & field);
}

/*
 * D8.4.3 "Hierarchical control of data access permissions": each level may
 * take away. Accumulated are these bits of table descriptors, inverted, so that the
 * levels combine by AND; bit 0 says that TCR_EL1.HPDn turns them off.
 */
static PGW_ALWAYS_INLINE pt_acc_t arm64_pt_acc_root(const struct pt_env *env,
						    enum pgw_region_kind kind)
{
	uint32_t hpd = kind == PGW_REGION_KERNEL ? PGW_CTL_ARM64_HPD1 : PGW_CTL_ARM64_HPD0;

	return ARM64_TABLE_CONTROLS | (env->ctl & hpd ? 1 : 0);
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_acc_keep(pt_acc_t acc)
{
	return acc & 1 ? UINT64_MAX : 0;
}

static PGW_ALWAYS_INLINE pt_acc_t arm64_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry)
{
	return acc & ((entry ^ env->acc_flip) | arm64_pt_acc_keep(acc));
}

/*
 * D8.4.1, D8.4.2. EL0 may execute what it may not read. EL1 never executes
 * what EL0 may write; with WXN nobody executes what he may write. A read-only
 * leaf with DBM is writable where TCR_EL1.HD lets hardware make it so.
 */
static PGW_ALWAYS_INLINE uint8_t arm64_pt_rights(const struct pt_env *env, pt_acc_t acc,
						 uint64_t entry, unsigned level)
{
	bool clean = (entry & ARM64_DBM) && (env->ctl & PGW_CTL_ARM64_HD);
	bool write = (!(entry & ARM64_AP_RO) || clean) && (acc & ARM64_APTABLE_RO);
	bool user = (entry & ARM64_AP_EL0) && (acc & ARM64_APTABLE_NO_EL0);
	bool wxn = env->ctl & PGW_CTL_ARM64_WXN;
	unsigned rights = PGW_KERNEL_R;

	(void)level;
	if (write)
		rights |= PGW_KERNEL_W;
	if (user)
		rights |= PGW_USER_R | (write ? PGW_USER_W : 0u);
	if (!(entry & ARM64_PXN) && (acc & ARM64_PXNTABLE) && !(user && write) && !(wxn && write))
		rights |= PGW_KERNEL_X;
	if (!(entry & ARM64_UXN) && (acc & ARM64_UXNTABLE) && !(wxn && user && write))
		rights |= PGW_USER_X;
	return (uint8_t)rights;
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_table_encode(const struct pt_env *env, uint64_t pa,
							unsigned level, enum pgw_region_kind kind)
{
	(void)level;
	uint64_t entry = arm64_addr_put(env, pa) | ARM64_VALID | ARM64_TABLE;

	/* A kernel's tables keep users out. */
	return kind == PGW_REGION_KERNEL ? entry | ARM64_UXNTABLE | ARM64_APTABLE_NO_EL0 : entry;
}

static PGW_ALWAYS_INLINE uint64_t arm64_attr_bits(const struct pt_env *env)
{
	return ARM64_ATTRINDX | ARM64_NS | ARM64_AF | ARM64_NG | ARM64_GP | ARM64_DBM | ARM64_CONT |
	       (env->wide && ARM64_GRANULE_LG2 != 16 ? 0 : ARM64_SH);
}

static PGW_ALWAYS_INLINE bool arm64_pt_leaf_encode(const struct pt_env *env,
						   const struct pgw_leaf *leaf, uint64_t *ret)
{
	unsigned level = leaf->level;
	uint64_t entry = arm64_addr_put(env, leaf->pa) | leaf->attrs | ARM64_VALID |
			 (level ? 0 : ARM64_TABLE);

	if ((leaf->attrs & ~arm64_attr_bits(env)) || arm64_addr_get(env, entry) != leaf->pa ||
	    ((leaf->attrs & ARM64_CONT) && !arm64_cont_lg2(level)))
		return false;
	if (leaf->rights & PGW_USER_R)
		entry |= ARM64_AP_EL0;
	if (!(leaf->rights & PGW_KERNEL_W))
		entry |= ARM64_AP_RO;
	if (!(leaf->rights & PGW_KERNEL_X))
		entry |= ARM64_PXN;
	if (!(leaf->rights & PGW_USER_X))
		entry |= ARM64_UXN;
	/* What cannot be said comes out different from what was asked for. */
	if (arm64_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    arm64_pt_rights(env, arm64_pt_acc_root(env, PGW_REGION_USER), entry, level) !=
		    leaf->rights)
		return false;
	*ret = entry;
	return true;
}

/* ---- for edits only ---- */

static PGW_ALWAYS_INLINE unsigned arm64_pt_contig_lg2(const struct pt_env *env, unsigned level)
{
	(void)env;
	return arm64_cont_lg2(level);
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_leaf_resize(const struct pt_env *env, uint64_t entry,
						       unsigned level, uint64_t va,
						       unsigned to_level, bool run)
{
	uint64_t pa = arm64_pt_leaf_pa(env, entry, level, va) & ~low_bits(ARM64_SPAN_LG2(to_level));

	return (entry & ~(arm64_addr_field(env) | ARM64_TABLE | ARM64_CONT)) |
	       arm64_addr_put(env, pa) | (to_level ? 0 : ARM64_TABLE) | (run ? ARM64_CONT : 0);
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_rights_mask(void)
{
	return ARM64_AP_EL0 | ARM64_AP_RO | ARM64_PXN | ARM64_UXN;
}

static PGW_ALWAYS_INLINE bool arm64_pt_entry_young(uint64_t entry)
{
	return entry & ARM64_AF;
}

static PGW_ALWAYS_INLINE bool arm64_pt_entry_dirty(uint64_t entry)
{
	return !(entry & ARM64_AP_RO) || (entry & ARM64_SW_DIRTY);
}

/* With HD, DBM says "may be written" and AP[2] "has not been": a clean leaf stays clean. */
static PGW_ALWAYS_INLINE uint64_t arm64_pt_leaf_protect(const struct pt_env *env, uint64_t entry,
							uint64_t bits)
{
	bool dirty = arm64_pt_entry_dirty(entry), hd = env->ctl & PGW_CTL_ARM64_HD;
	uint64_t new = (entry & ~(arm64_pt_rights_mask() | ARM64_SW_DIRTY)) | bits;

	if (hd)
		new = bits &ARM64_AP_RO ? new & ~ARM64_DBM : new | ARM64_DBM;
	if (bits & ARM64_AP_RO)
		return dirty ? new | ARM64_SW_DIRTY : new;
	return hd && !dirty ? new | ARM64_AP_RO : new;
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_entry_clear(const struct pt_env *env, uint64_t entry,
						       bool young, bool dirty)
{
	if (young)
		entry &= ~ARM64_AF;
	if (!dirty)
		return entry;
	entry &= ~ARM64_SW_DIRTY;
	return (entry & ARM64_DBM) && (env->ctl & PGW_CTL_ARM64_HD) ? entry | ARM64_AP_RO : entry;
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_entry_combine(const struct pt_env *env, uint64_t entry,
							 uint64_t other)
{
	entry |= other & ARM64_AF;
	if (!arm64_pt_entry_dirty(other) || arm64_pt_entry_dirty(entry))
		return entry;
	if ((entry & ARM64_DBM) && (env->ctl & PGW_CTL_ARM64_HD))
		return entry & ~ARM64_AP_RO;
	return entry | ARM64_SW_DIRTY;
}

/*
 * D8.16.1 "Using break-before-make when updating translation table entries",
 * with FEAT_BBM level 0 assumed: a change of size, of the output address, of the Contiguous
 * bit, of memory type, shareability or nG; and of anything in one item of a
 * contiguous run, because all must agree.
 */
static PGW_ALWAYS_INLINE bool arm64_pt_needs_break(const struct pt_env *env, uint64_t old,
						   uint64_t new)
{
	if (!(old & new &ARM64_VALID))
		return false;
	if (old & ARM64_CONT)
		return old != new;
	return (old ^ new) & (arm64_addr_field(env) | ARM64_TABLE | ARM64_CONT | ARM64_ATTRINDX |
			      ARM64_SH | ARM64_NG);
}

static PGW_ALWAYS_INLINE uint64_t arm64_pt_frozen(void)
{
	return ARM64_FROZEN;
}

#define pt_env_init arm64_pt_env_init
#define pt_entry_kind arm64_pt_entry_kind
#define pt_table_pa arm64_pt_table_pa
#define pt_leaf_pa arm64_pt_leaf_pa
#define pt_leaf_lg2 arm64_pt_leaf_lg2
#define pt_addr_mask arm64_pt_addr_mask
#define pt_item_step arm64_pt_item_step
#define pt_entry_advance arm64_pt_entry_advance
#define pt_acc_root arm64_pt_acc_root
#define pt_acc_keep arm64_pt_acc_keep
#define pt_acc_table arm64_pt_acc_table
#define pt_rights arm64_pt_rights
#define pt_table_encode arm64_pt_table_encode
#define pt_leaf_encode arm64_pt_leaf_encode
#define pt_contig_lg2 arm64_pt_contig_lg2
#define pt_leaf_resize arm64_pt_leaf_resize
#define pt_rights_mask arm64_pt_rights_mask
#define pt_leaf_protect arm64_pt_leaf_protect
#define pt_entry_young arm64_pt_entry_young
#define pt_entry_dirty arm64_pt_entry_dirty
#define pt_entry_clear arm64_pt_entry_clear
#define pt_entry_combine arm64_pt_entry_combine
#define pt_needs_break arm64_pt_needs_break
#define pt_frozen arm64_pt_frozen

#define PT_GRANULE_LG2 ARM64_GRANULE_LG2
#define PT_SLOTS_LG2 ARM64_SLOTS_LG2
#define PT_MAX_TOP_LEVEL (ARM64_GRANULE_LG2 == 12 ? 4 : ARM64_GRANULE_LG2 == 14 ? 3 : 2)

/* The shapes. The top table has as many slots as the address bits above it need. */

#define ARM64_TOP_LEVEL(va) (((va)-ARM64_GRANULE_LG2 - 1) / ARM64_SLOTS_LG2)
#define ARM64_SLOTS_AT(va, level)                                                                  \
	((level) == ARM64_TOP_LEVEL(va) ? ((va)-ARM64_SPAN_LG2(level)) & 63 : ARM64_SLOTS_LG2)
#define ARM64_SPAN_AT(level) (ARM64_SPAN_LG2(level) < 64 ? ARM64_SPAN_LG2(level) : 63)

#define ARM64_SIZES_AT(va, pa, level)                                                              \
	((level) <= ARM64_TOP_LEVEL(va) && ARM64_CAN_HAVE_LEAF((pa) > 48, level)                   \
		 ? BIT(ARM64_SPAN_AT(level)) | BIT(ARM64_SPAN_AT(level) + ARM64_CONT_LG2(level))   \
		 : 0)

#define ARM64_GEOMETRY(va, pa)                                                                     \
	{                                                                                          \
		.top_level = ARM64_TOP_LEVEL(va), .granule_lg2 = ARM64_GRANULE_LG2,                \
		.va_bits = (va), .max_pa_bits = (pa), .item_lg2 = 3,                               \
		.span_lg2 = { ARM64_SPAN_AT(0), ARM64_SPAN_AT(1), ARM64_SPAN_AT(2),                \
			      ARM64_SPAN_AT(3), ARM64_SPAN_AT(4) },                                \
		.slots_lg2 = { ARM64_SLOTS_AT(va, 0), ARM64_SLOTS_AT(va, 1),                       \
			       ARM64_SLOTS_AT(va, 2), ARM64_SLOTS_AT(va, 3),                       \
			       ARM64_SLOTS_AT(va, 4) },                                            \
		.leaf_sizes = ARM64_SIZES_AT(va, pa, 0) | ARM64_SIZES_AT(va, pa, 1) |              \
			      ARM64_SIZES_AT(va, pa, 2) | ARM64_SIZES_AT(va, pa, 3),               \
	}

_Static_assert(ARM64_GRANULE_LG2 != 12 || (ARM64_TOP_LEVEL(39) == 2 && ARM64_TOP_LEVEL(48) == 3 &&
					   ARM64_TOP_LEVEL(52) == 4 && ARM64_SLOTS_AT(52, 4) == 4),
	       "4K: three levels for 39 bits, four for 48, five for 52");
_Static_assert(ARM64_GRANULE_LG2 != 14 || (ARM64_TOP_LEVEL(36) == 1 && ARM64_TOP_LEVEL(47) == 2 &&
					   ARM64_TOP_LEVEL(48) == 3 && ARM64_SLOTS_AT(48, 3) == 1),
	       "16K: two levels for 36 bits, three for 47, four for 48");
_Static_assert(ARM64_GRANULE_LG2 != 16 || (ARM64_TOP_LEVEL(42) == 1 && ARM64_TOP_LEVEL(48) == 2 &&
					   ARM64_SLOTS_AT(52, 2) == 10),
	       "64K: two levels for 42 bits, three for 48 and 52");

/* Arm's numbers, by our level. */
static const char *const arm64_table_names[PGW_MAX_LEVELS] = { "L3", "L2", "L1", "L0", "L-1" };

#define ARM64_ATTR(attr_name, bits)                                                                \
	{                                                                                          \
		.name = (attr_name), .mask = (bits), .value = (bits), .level_last = 3              \
	}

static const struct pgw_attr arm64_attrs[] = {
	ARM64_ATTR("af", ARM64_AF),
	ARM64_ATTR("ng", ARM64_NG),
	ARM64_ATTR("cont", ARM64_CONT),
	ARM64_ATTR("dbm", ARM64_DBM),
	ARM64_ATTR("gp", ARM64_GP),
	ARM64_ATTR("ns", ARM64_NS),
	/* The last two only where bits 9:8 are not address: arm64_attrs_wide ends before them. */
	{ .name = "ish", .mask = ARM64_SH, .value = ARM64_SH_INNER, .level_last = 3 },
	{ .name = "osh", .mask = ARM64_SH, .value = ARM64_SH_OUTER, .level_last = 3 },
	{ .name = NULL },
};

#if ARM64_GRANULE_LG2 != 16
static const struct pgw_attr arm64_attrs_lpa2[] = {
	ARM64_ATTR("af", ARM64_AF),
	ARM64_ATTR("ng", ARM64_NG),
	ARM64_ATTR("cont", ARM64_CONT),
	ARM64_ATTR("dbm", ARM64_DBM),
	ARM64_ATTR("gp", ARM64_GP),
	ARM64_ATTR("ns", ARM64_NS),
	{ .name = NULL },
};
#endif

#define ARM64_ATTR_MASK_LPA2                                                                       \
	(ARM64_ATTRINDX | ARM64_NS | ARM64_AP_EL0 | ARM64_AP_RO | ARM64_AF | ARM64_NG | ARM64_GP | \
	 ARM64_DBM | ARM64_CONT | ARM64_PXN | ARM64_UXN)
#define ARM64_ATTR_MASK (ARM64_ATTR_MASK_LPA2 | ARM64_SH)

/* arm64.c: what all granules have in common, and nobody needs inline. */
const char *arm64_memory_type(const struct pgw_control *control, uint64_t entry, unsigned level);
extern const struct pgw_control_bit arm64_controls[];
uint64_t arm64_tag_bits(const struct pgw_geometry *geo, const struct pgw_control *control,
			uint64_t va);

static const struct pgw_later_bits arm64_later_bits[] = {
	{ .bits = "10 of tables",
	  .extension = "FEAT_HAFT",
	  .taken_for = "ignored",
	  .mask = BIT(10),
	  .value = BIT(10),
	  .in_tables = true,
	  .level_first = 1,
	  .level_last = 4 },
	{ .bits = "16 of blocks",
	  .extension = "FEAT_BBM",
	  .taken_for = "ignored",
	  .mask = BIT(16),
	  .value = BIT(16),
	  .in_leaves = true,
	  .level_first = 1,
	  .level_last = 3 },
	{ .bits = "50",
	  .extension = "FEAT_BTI",
	  .taken_for = "shown as gp",
	  .mask = ARM64_GP,
	  .value = ARM64_GP,
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "51",
	  .extension = "FEAT_HAFDBS",
	  .taken_for = "writable with HD only",
	  .mask = ARM64_DBM,
	  .value = ARM64_DBM,
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "52",
	  .extension = "FEAT_THE",
	  .taken_for = "Contiguous",
	  .mask = ARM64_CONT,
	  .value = ARM64_CONT,
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "6, 51, 53, 54",
	  .extension = "FEAT_S1PIE, FEAT_GCS",
	  .taken_for = "direct permissions",
	  .mask = ARM64_AP_EL0 | ARM64_DBM | ARM64_PXN | ARM64_UXN,
	  .value = ARM64_AP_EL0 | ARM64_DBM | ARM64_UXN,
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "7",
	  .extension = "FEAT_S1PIE",
	  .taken_for = "read-only",
	  .mask = ARM64_AP_RO,
	  .value = ARM64_AP_RO,
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "59",
	  .extension = "FEAT_AIE, FEAT_HPDS2",
	  .taken_for = "ignored",
	  .mask = BIT(59),
	  .value = BIT(59),
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "62:60",
	  .extension = "FEAT_S1POE, FEAT_HPDS2",
	  .taken_for = "ignored",
	  .mask = BITS(62, 60),
	  .value = BITS(62, 60),
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = "63",
	  .extension = "FEAT_MEC",
	  .taken_for = "ignored",
	  .mask = BIT(63),
	  .value = BIT(63),
	  .in_leaves = true,
	  .level_last = 4 },
	{ .bits = NULL },
};

#define ARM64_FORMAT(format_name, format_alias, va, pa, attrs_array, mask)                         \
	{                                                                                          \
		.name = (format_name), .alias = (format_alias), .arch = "arm64",                   \
		.geometry = ARM64_GEOMETRY(va, pa), .regions = PT_REGIONS_OF_TWO_ROOTS(va),        \
		.table_names = arm64_table_names, .attrs = (attrs_array),                          \
		.later_bits = arm64_later_bits,                                                    \
		.attr_mask = { (mask), (mask), (mask), (mask), (mask) },                           \
		.controls = arm64_controls,                                                        \
		.control_bits = PGW_CTL_ARM64_WXN | PGW_CTL_ARM64_HPD0 | PGW_CTL_ARM64_HPD1 |      \
				PGW_CTL_ARM64_HD | PGW_CTL_ARM64_TBI0 | PGW_CTL_ARM64_TBI1 |       \
				PGW_CTL_MEMORY_TYPES,                                              \
		.control_assume = PGW_CTL_ARM64_TBI0 | PGW_CTL_ARM64_TBI1,                         \
		.tag_bits = arm64_tag_bits, .assume_memory_types = UINT64_C(0x000000040044f0ff),   \
		.min_pa_bits = 32, .memory_type = arm64_memory_type, .decode = pt_decode,          \
		.advance = pt_advance, .env_init = pt_env_fill, .ops = &pt_format_ops,             \
		.edit = &ARM64_EDIT_OPS,                                                           \
	}

#endif
