/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_ARM64_S2_H
#define PT_FMT_ARM64_S2_H

/*
 * arm64 stage 2 translation: a guest's physical addresses, or a device's behind an SMMU. Addresses,
 * sizes and contiguous runs are arm64.h's.
 *
 * Source: Arm ARM D8.2.3 "Translation stages" (concatenated tables: "The VMSAv8-64 stage 2
 * translation lookup level and concatenation"), D8.3.1.2 and D8.3.2 (stage 2 descriptors), D8.4.1.2
 * "Stage 2 direct permissions", D8.5.5 "Stage 2 memory type and Cacheability attributes".
 *
 *   bit    table                     block, page
 *   0      valid                     valid
 *   1      1                         0 block, 1 page
 *   5:2    -                         MemAttr
 *   6      -                         S2AP[0]: may be read
 *   7      -                         S2AP[1]: may be written
 *   9:8    -, DS: PA[51:50]          SH, DS: PA[51:50]
 *   10     -                         AF
 *   11     -                         FnXS
 *   49:12  as stage 1                as stage 1
 *   51     -                         DBM
 *   52     -                         Contiguous
 *   54:53  -                         XN: 0 may be executed, 2 not; with FEAT_XNX 1 at EL0 only, 3 at EL1
 *                                    only; else bit 53 is 0
 *   58:55  -                         software
 *   63:59  -                         - (64: NSE and others of realms)
 *
 * Dirty: as of stage 1 (arm64.h), with S2AP[1] in the place of AP[2], and 1 for what may be written. So
 * with VTCR_EL2.HD a clean leaf has DBM = 1 and S2AP[1] = 0.
 *
 * Tables restrict nothing. The lookup begins at the level that VTCR_EL2 says, with 1 to 16 tables side
 * by side; a format has as many slots as 16 have, and the root says how many there are.
 */

#include "pt/fmt/arm64.h"
#include "pt/fmt/foreign.h"

#define ARM64_S2_MEMATTR BITS(5, 2)
#define ARM64_S2_MEMATTR_SHIFT 2
#define ARM64_S2_R BIT(6)
#define ARM64_S2_W BIT(7)
#define ARM64_S2_FNXS BIT(11)
#define ARM64_S2_XN BITS(54, 53)
#define ARM64_S2_XN_SHIFT 53
#define ARM64_S2_CONCAT_LG2 4 /* 16 tables */

static PGW_ALWAYS_INLINE struct pt_env arm64_s2_pt_env_init(const struct pgw_format *format,
							    const struct pgw_control *control)
{
	struct pt_env env = arm64_pt_env_init(format, control);

	env.rights_mask = ARM64_S2_R | ARM64_S2_W | ARM64_DBM | ARM64_S2_XN;
	env.acc_flip = 0;
	return env;
}

static PGW_ALWAYS_INLINE pt_acc_t arm64_s2_pt_acc_root(const struct pt_env *env,
						       enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return 0;
}

static PGW_ALWAYS_INLINE uint64_t arm64_s2_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return UINT64_MAX;
}

static PGW_ALWAYS_INLINE pt_acc_t arm64_s2_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
							uint64_t entry)
{
	(void)env, (void)entry;
	return acc;
}

/* Who may execute: bit 0 EL1, bit 1 EL0. */
static PGW_ALWAYS_INLINE unsigned arm64_s2_executors(const struct pt_env *env, uint64_t entry)
{
	unsigned xn = (unsigned)((entry & ARM64_S2_XN) >> ARM64_S2_XN_SHIFT);

	if (!(env->ctl & PGW_CTL_ARM64_XNX))
		return xn & 2 ? 0 : 3;
	return xn == 0 ? 3 : xn == 1 ? 2 : xn == 3 ? 1 : 0;
}

/* D8.4.1.2. To execute, no right to read is needed. */
static PGW_ALWAYS_INLINE uint8_t arm64_s2_pt_rights(const struct pt_env *env, pt_acc_t acc,
						    uint64_t entry, unsigned level)
{
	bool clean = (entry & ARM64_DBM) && (env->ctl & PGW_CTL_ARM64_HD);
	unsigned executors = arm64_s2_executors(env, entry), rights = 0;

	(void)acc, (void)level;
	if (entry & ARM64_S2_R)
		rights |= PGW_KERNEL_R | PGW_USER_R;
	if ((entry & ARM64_S2_W) || clean)
		rights |= PGW_KERNEL_W | PGW_USER_W;
	rights |= (executors & 1 ? PGW_KERNEL_X : 0u) | (executors & 2 ? PGW_USER_X : 0u);
	return (uint8_t)rights;
}

/* ---- for owners ---- */

static PGW_ALWAYS_INLINE uint64_t arm64_s2_xn(uint8_t rights)
{
	static const uint8_t xn[] = { 2, 3, 1, 0 }; /* by who executes: 1 EL1, 2 EL0 */
	unsigned who = (rights & PGW_KERNEL_X ? 1u : 0u) | (rights & PGW_USER_X ? 2u : 0u);

	return (uint64_t)xn[who] << ARM64_S2_XN_SHIFT;
}

static PGW_ALWAYS_INLINE bool arm64_s2_pt_leaf_encode(const struct pt_env *env,
						      const struct pgw_leaf *leaf, uint64_t *ret)
{
	uint64_t attrs = ARM64_S2_MEMATTR | ARM64_AF | ARM64_S2_FNXS | ARM64_DBM | ARM64_CONT |
			 (env->wide && ARM64_GRANULE_LG2 != 16 ? 0 : ARM64_SH);
	unsigned level = leaf->level;
	uint64_t entry = arm64_addr_put(env, leaf->pa) | leaf->attrs | ARM64_VALID |
			 (level ? 0 : ARM64_TABLE) | arm64_s2_xn(leaf->rights) |
			 (leaf->rights & PGW_KERNEL_R ? ARM64_S2_R : 0) |
			 (leaf->rights & PGW_KERNEL_W ? ARM64_S2_W : 0);

	if ((leaf->attrs & ~attrs) || arm64_addr_get(env, entry) != leaf->pa ||
	    ((leaf->attrs & ARM64_CONT) && !arm64_cont_lg2(level)))
		return false;
	/* What cannot be said comes out different from what was asked for. */
	if (arm64_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    arm64_s2_pt_rights(env, 0, entry, level) != leaf->rights)
		return false;
	*ret = entry;
	return true;
}

static PGW_ALWAYS_INLINE uint64_t arm64_s2_pt_rights_mask(void)
{
	return ARM64_S2_R | ARM64_S2_W | ARM64_S2_XN;
}

static PGW_ALWAYS_INLINE bool arm64_s2_pt_entry_dirty(uint64_t entry)
{
	return entry & (ARM64_S2_W | ARM64_SW_DIRTY);
}

static PGW_ALWAYS_INLINE uint64_t arm64_s2_pt_leaf_protect(const struct pt_env *env, uint64_t entry,
							   uint64_t bits)
{
	bool dirty = arm64_s2_pt_entry_dirty(entry), hd = env->ctl & PGW_CTL_ARM64_HD;
	uint64_t new = (entry & ~(arm64_s2_pt_rights_mask() | ARM64_SW_DIRTY)) | bits;

	if (hd)
		new = bits &ARM64_S2_W ? new | ARM64_DBM : new & ~ARM64_DBM;
	if (!(bits & ARM64_S2_W))
		return dirty ? new | ARM64_SW_DIRTY : new;
	return hd && !dirty ? new & ~ARM64_S2_W : new;
}

static PGW_ALWAYS_INLINE uint64_t arm64_s2_pt_entry_clear(const struct pt_env *env, uint64_t entry,
							  bool young, bool dirty)
{
	if (young)
		entry &= ~ARM64_AF;
	if (!dirty)
		return entry;
	entry &= ~ARM64_SW_DIRTY;
	return (entry & ARM64_DBM) && (env->ctl & PGW_CTL_ARM64_HD) ? entry & ~ARM64_S2_W : entry;
}

static PGW_ALWAYS_INLINE uint64_t arm64_s2_pt_entry_combine(const struct pt_env *env,
							    uint64_t entry, uint64_t other)
{
	entry |= other & ARM64_AF;
	if (!arm64_s2_pt_entry_dirty(other) || arm64_s2_pt_entry_dirty(entry))
		return entry;
	if ((entry & ARM64_DBM) && (env->ctl & PGW_CTL_ARM64_HD))
		return entry | ARM64_S2_W;
	return entry | ARM64_SW_DIRTY;
}

/* D8.16.1, as arm64_pt_needs_break(): the memory type is MemAttr's, and there is no nG. */
static PGW_ALWAYS_INLINE bool arm64_s2_pt_needs_break(const struct pt_env *env, uint64_t old,
						      uint64_t new)
{
	if (!(old & new &ARM64_VALID))
		return false;
	if (old & ARM64_CONT)
		return old != new;
	return (old ^ new) &
	       (arm64_addr_field(env) | ARM64_TABLE | ARM64_CONT | ARM64_S2_MEMATTR | ARM64_SH);
}

#undef pt_env_init
#undef pt_acc_root
#undef pt_acc_keep
#undef pt_acc_table
#undef pt_rights
#undef pt_leaf_encode
#undef pt_rights_mask
#undef pt_leaf_protect
#undef pt_entry_dirty
#undef pt_entry_clear
#undef pt_entry_combine
#undef pt_needs_break
#define pt_env_init arm64_s2_pt_env_init
#define pt_acc_root arm64_s2_pt_acc_root
#define pt_acc_keep arm64_s2_pt_acc_keep
#define pt_acc_table arm64_s2_pt_acc_table
#define pt_rights arm64_s2_pt_rights
#define pt_leaf_encode arm64_s2_pt_leaf_encode
#define pt_rights_mask arm64_s2_pt_rights_mask
#define pt_leaf_protect arm64_s2_pt_leaf_protect
#define pt_entry_dirty arm64_s2_pt_entry_dirty
#define pt_entry_clear arm64_s2_pt_entry_clear
#define pt_entry_combine arm64_s2_pt_entry_combine
#define pt_needs_break arm64_s2_pt_needs_break

/* The shapes: by the level that the lookup begins at, ours, and the slots of all its tables. */

#define ARM64_S2_SLOTS_AT(top, slots, level) ((level) == (top) ? (slots) : ARM64_SLOTS_LG2)

#define ARM64_S2_GEOMETRY(top, slots, pa)                                                          \
	{                                                                                          \
		.top_level = (top), .granule_lg2 = ARM64_GRANULE_LG2,                              \
		.va_bits = ARM64_SPAN_LG2(top) + (slots), .max_pa_bits = (pa), .item_lg2 = 3,      \
		.root_align_lg2 = 6, .is_root_concatenated = true,                                 \
		.span_lg2 = { ARM64_SPAN_AT(0), ARM64_SPAN_AT(1), ARM64_SPAN_AT(2),                \
			      ARM64_SPAN_AT(3), ARM64_SPAN_AT(4) },                                \
		.slots_lg2 = { ARM64_S2_SLOTS_AT(top, slots, 0), ARM64_S2_SLOTS_AT(top, slots, 1), \
			       ARM64_S2_SLOTS_AT(top, slots, 2), ARM64_S2_SLOTS_AT(top, slots, 3), \
			       ARM64_S2_SLOTS_AT(top, slots, 4) },                                 \
		.leaf_sizes = ARM64_S2_SIZES(top, pa),                                             \
	}

#define ARM64_S2_SIZES_AT(top, pa, level)                                                          \
	((level) <= (top) && ARM64_CAN_HAVE_LEAF((pa) > 48, level)                                 \
		 ? BIT(ARM64_SPAN_AT(level)) | BIT(ARM64_SPAN_AT(level) + ARM64_CONT_LG2(level))   \
		 : 0)
#define ARM64_S2_SIZES(top, pa)                                                                    \
	(ARM64_S2_SIZES_AT(top, pa, 0) | ARM64_S2_SIZES_AT(top, pa, 1) |                           \
	 ARM64_S2_SIZES_AT(top, pa, 2) | ARM64_S2_SIZES_AT(top, pa, 3))

#define ARM64_S2_ATTR(attr_name, bits)                                                             \
	{                                                                                          \
		.name = (attr_name), .mask = (bits), .value = (bits), .level_last = 3              \
	}

#define ARM64_S2_ATTRS                                                                             \
	ARM64_S2_ATTR("af", ARM64_AF), ARM64_S2_ATTR("cont", ARM64_CONT),                          \
		ARM64_S2_ATTR("dbm", ARM64_DBM), ARM64_S2_ATTR("fnxs", ARM64_S2_FNXS)

static const struct pgw_attr arm64_s2_attrs[] = {
	ARM64_S2_ATTRS,
	{ .name = "ish", .mask = ARM64_SH, .value = ARM64_SH_INNER, .level_last = 3 },
	{ .name = "osh", .mask = ARM64_SH, .value = ARM64_SH_OUTER, .level_last = 3 },
	{ .name = NULL },
};

#if ARM64_GRANULE_LG2 != 16
static const struct pgw_attr arm64_s2_attrs_lpa2[] = {
	ARM64_S2_ATTRS,
	{ .name = NULL },
};
#endif

#define ARM64_S2_ATTR_MASK_LPA2                                                                    \
	(ARM64_S2_MEMATTR | ARM64_S2_R | ARM64_S2_W | ARM64_AF | ARM64_S2_FNXS | ARM64_DBM |       \
	 ARM64_CONT | ARM64_S2_XN)
#define ARM64_S2_ATTR_MASK (ARM64_S2_ATTR_MASK_LPA2 | ARM64_SH)

/* arm64.c */
const char *arm64_s2_memory_type(const struct pgw_control *control, uint64_t entry, unsigned level);
struct pt_typed;
const char *arm64_s2_combined_type(const struct pt_typed *stage1, const struct pt_typed *stage2);
extern const struct pgw_control_bit arm64_s2_controls[];

/* XNX and FWB are assumed: what they take is 0 or reserved without them. */
#define ARM64_S2_FORMAT(format_name, format_alias, top, slots, pa, attrs_array, mask)              \
	{                                                                                          \
		.name = (format_name), .alias = (format_alias), .arch = "arm64-s2",                \
		.geometry = ARM64_S2_GEOMETRY(top, slots, pa),                                     \
		.regions =                                                                         \
			PT_REGION_FOREIGN("guest", ARM64_SPAN_LG2(top) + (slots), "el1", "el0"),   \
		.table_names = arm64_table_names, .attrs = (attrs_array),                          \
		.later_bits = foreign_no_later_bits,                                               \
		.attr_mask = { (mask), (mask), (mask), (mask), (mask) },                           \
		.controls = arm64_s2_controls,                                                     \
		.control_bits = PGW_CTL_ARM64_HD | PGW_CTL_ARM64_FWB | PGW_CTL_ARM64_XNX,          \
		.control_assume = PGW_CTL_ARM64_FWB | PGW_CTL_ARM64_XNX,                           \
		.tag_bits = foreign_tag_bits, .min_pa_bits = 32,                                   \
		.memory_type = arm64_s2_memory_type, .combined_type = arm64_s2_combined_type,      \
		.decode = pt_decode, .advance = pt_advance, .env_init = pt_env_fill,               \
		.ops = &pt_format_ops, .edit = &ARM64_S2_EDIT_OPS,                                 \
	}

#endif
