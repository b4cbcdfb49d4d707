/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_ARM_SHORT_H
#define PT_FMT_ARM_SHORT_H

/*
 * arm, 32 bits, short descriptors: a root of 4096 items of 4 bytes, for 1 MiB each, and tables of 256
 * items, for 4 KiB each, 1 KiB large.
 *
 * Sources: ARM Architecture Reference Manual, ARMv7-A (DDI 0406C) B3.5 "Short-descriptor translation
 * table format", B3.7 "Memory access control", B3.8 "Memory region attributes", B4.1.43 DACR.
 *
 *   bit     level 1: table   section, supersection     level 0: large page   small page
 *   1:0     01               1x                        01                    1x
 *   0                        PXN                                             XN
 *   2       PXN              B                         B                     B
 *   3       NS               C                         C                     C
 *   4       -                XN                        AP[0]                 AP[0]
 *   5       domain           domain; PA[36]            AP[1]                 AP[1]
 *   8:6     domain           domain; PA[39:37]         -                     TEX
 *   9       -                -                         AP[2]                 AP[2]
 *   10      address          AP[0]                     S                     S
 *   11      address          AP[1]                     nG                    nG
 *   14:12   address          TEX                       TEX                   address
 *   15      address          AP[2]                     XN                    address
 *   16      address          S                         address               address
 *   17      address          nG                        address               address
 *   18      address          0 section, 1 supersection address               address
 *   19      address          NS                        address               address
 *   23:20   address          address; PA[35:32]        address               address
 *   31:24   address          address                   address               address
 *
 * "-" is ignored. An entry with bits 1:0 = 00 is ignored whole. CPUs without PXN refuse sections with
 * bit 0 set, which no system makes there. A supersection (16 MiB) and a large page (64 KiB) are 16
 * equal items; a supersection's domain is 0.
 *
 * TTBCR.N: the lowest 2^(32-N) addresses are TTBR0's, whose table has 4096 >> N items; others are
 * TTBR1's, whose table has 4096, of which the first are not used. With N = 0 TTBR0 has all.
 */

#include "pt/pt_defs.h"

#define ARM_SHORT_TYPE BITS(1, 0)
#define ARM_SHORT_TABLE UINT64_C(1)
#define ARM_SHORT_LARGE UINT64_C(1) /* level 0 */
#define ARM_SHORT_LEAF BIT(1)       /* sections, small pages */
#define ARM_SHORT_B BIT(2)
#define ARM_SHORT_C BIT(3)
#define ARM_SHORT_DOMAIN BITS(8, 5)
#define ARM_SHORT_DOMAIN_SHIFT 5
#define ARM_SHORT_TABLE_PXN BIT(2)
#define ARM_SHORT_TABLE_NS BIT(3)
#define ARM_SHORT_SECTION_PXN BIT(0)
#define ARM_SHORT_SECTION_XN BIT(4)
#define ARM_SHORT_SECTION_S BIT(16)
#define ARM_SHORT_SECTION_NG BIT(17)
#define ARM_SHORT_SUPER BIT(18)
#define ARM_SHORT_SECTION_NS BIT(19)
#define ARM_SHORT_SMALL_XN BIT(0)
#define ARM_SHORT_LARGE_XN BIT(15)
#define ARM_SHORT_S BIT(10)
#define ARM_SHORT_NG BIT(11)

#define ARM_SHORT_GRANULE_LG2 12u
#define ARM_SHORT_LARGE_LG2 16u
#define ARM_SHORT_SUPER_LG2 24u
#define ARM_SHORT_PAGE_SLOTS_LG2 8u
#define ARM_SHORT_ROOT_SLOTS_LG2 12u
#define ARM_SHORT_SPAN_LG2(level)                                                                  \
	(ARM_SHORT_GRANULE_LG2 + ((level) ? ARM_SHORT_PAGE_SLOTS_LG2 : 0u) +                       \
	 ((level) > 1 ? ARM_SHORT_ROOT_SLOTS_LG2 : 0u))
#define ARM_SHORT_PA_BITS 40
#define ARM_SHORT_SUPER_35_32 BITS(23, 20)
#define ARM_SHORT_SUPER_39_36 BITS(8, 5)

_Static_assert(ARM_SHORT_SPAN_LG2(1) == 20 && ARM_SHORT_SPAN_LG2(2) == 32, "1 MiB; 4 GiB");
_Static_assert(4u << ARM_SHORT_PAGE_SLOTS_LG2 == 1024 && 4u << ARM_SHORT_ROOT_SLOTS_LG2 == 16384,
	       "1 KiB, 16 KiB");
_Static_assert(ARM_SHORT_SUPER_35_32 << 12 == BITS(35, 32) &&
		       ARM_SHORT_SUPER_39_36 << 31 == BITS(39, 36),
	       "where a supersection keeps the top of its address");

/* The items of a large leaf are all the same. */
#define PT_RUN_OF_COPIES 1

static PGW_ALWAYS_INLINE struct pt_env arm_short_pt_env_init(const struct pgw_format *format,
							     const struct pgw_control *control)
{
	(void)format;
	return (struct pt_env){
		.reserved = ~low_bits(control->pa_bits),
		.table_mask = ARM_SHORT_TYPE,
		.table_value = ARM_SHORT_TABLE,
		.kind_mask = ~BITS(31, 12),
		.leaf_mask = ARM_SHORT_LEAF,
		.leaf_value = ARM_SHORT_LEAF,
		.rights_mask = ARM_SHORT_SMALL_XN | BITS(5, 4) | BIT(9),
		.ctl = control->set,
		.domains = control->domains,
	};
}

static PGW_ALWAYS_INLINE bool arm_short_is_super(uint64_t entry, unsigned level)
{
	return level && (entry & ARM_SHORT_SUPER);
}

/* At level 0, of a leaf. */
static PGW_ALWAYS_INLINE bool arm_short_is_large(uint64_t entry, unsigned level)
{
	return !level && !(entry & ARM_SHORT_LEAF);
}

static PGW_ALWAYS_INLINE uint64_t arm_short_super_pa(uint64_t entry)
{
	return (entry & BITS(31, 24)) | (entry & ARM_SHORT_SUPER_35_32) << 12 |
	       (entry & ARM_SHORT_SUPER_39_36) << 31;
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind arm_short_pt_entry_kind(const struct pt_env *env,
								     uint64_t entry, unsigned level)
{
	if (!(entry & ARM_SHORT_TYPE))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (level && (entry & ARM_SHORT_TYPE) == ARM_SHORT_TABLE)
		return PGW_ENTRY_TABLE;
	if (arm_short_is_super(entry, level) && (arm_short_super_pa(entry) & env->reserved))
		return PGW_ENTRY_MALFORMED;
	return PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE uint64_t arm_short_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	(void)env;
	return entry & BITS(31, 10);
}

static PGW_ALWAYS_INLINE uint64_t arm_short_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	(void)env;
	return BITS(31, level ? 20 : 12);
}

static PGW_ALWAYS_INLINE unsigned arm_short_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
							unsigned level)
{
	(void)env;
	if (arm_short_is_super(entry, level))
		return ARM_SHORT_SUPER_LG2;
	return arm_short_is_large(entry, level) ? ARM_SHORT_LARGE_LG2 : ARM_SHORT_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t arm_short_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						       unsigned level, uint64_t va)
{
	uint64_t inside = low_bits(arm_short_pt_leaf_lg2(env, entry, level));

	if (arm_short_is_super(entry, level))
		return arm_short_super_pa(entry) | (va & inside);
	return (entry & BITS(31, 0) & ~inside) | (va & inside);
}

static PGW_ALWAYS_INLINE uint64_t arm_short_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2);
}

static PGW_ALWAYS_INLINE uint64_t arm_short_pt_entry_advance(const struct pt_env *env,
							     uint64_t entry, unsigned level,
							     uint64_t bytes)
{
	uint64_t inside = low_bits(arm_short_pt_leaf_lg2(env, entry, level));
	uint64_t pa = arm_short_pt_leaf_pa(env, entry, level, 0) + (bytes & ~inside);

	if (!arm_short_is_super(entry, level))
		return (entry & (inside | ~BITS(31, 0))) | (pa & BITS(31, 0));
	return (entry & ~(BITS(31, 24) | ARM_SHORT_SUPER_35_32 | ARM_SHORT_SUPER_39_36)) |
	       (pa & BITS(31, 24)) | (pa >> 12 & ARM_SHORT_SUPER_35_32) |
	       (pa >> 31 & ARM_SHORT_SUPER_39_36);
}

/* A page's domain and PXN are in the entry of its table; a section has its own. */
#define ARM_SHORT_ACC (ARM_SHORT_DOMAIN | ARM_SHORT_TABLE_PXN)

static PGW_ALWAYS_INLINE pt_acc_t arm_short_pt_acc_root(const struct pt_env *env,
							enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return 0;
}

static PGW_ALWAYS_INLINE uint64_t arm_short_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return 0;
}

static PGW_ALWAYS_INLINE pt_acc_t arm_short_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
							 uint64_t entry)
{
	(void)env, (void)acc;
	return entry & ARM_SHORT_ACC;
}

static PGW_ALWAYS_INLINE unsigned arm_short_domain(pt_acc_t acc, uint64_t entry, unsigned level)
{
	if (arm_short_is_super(entry, level))
		return 0;
	return (unsigned)(((level ? entry : acc) & ARM_SHORT_DOMAIN) >> ARM_SHORT_DOMAIN_SHIFT);
}

/*
 * Rights to data by AP[2:0], a byte each: table B3-8. 100 is reserved. With AFE AP[0] is the access
 * flag (table B3-9), which software sets at the first access.
 */
#define ARM_SHORT_AP UINT64_C(0x090901001b0b0300)
#define ARM_SHORT_AP_AFE UINT64_C(0x090901011b1b0303)

_Static_assert((PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W) == 0x1b &&
		       (PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R) == 0x0b &&
		       (PGW_KERNEL_R | PGW_USER_R) == 0x09 && (PGW_KERNEL_R | PGW_KERNEL_W) == 3,
	       "the bytes above");

/* B3.7.2: what may be executed can be read. WXN and UWXN as with long descriptors. */
static PGW_ALWAYS_INLINE unsigned arm_short_with_exec(const struct pt_env *env, unsigned rights,
						      bool xn, bool pxn)
{
	bool wxn = env->ctl & PGW_CTL_ARM_WXN;

	if (xn)
		return rights;
	pxn |= (rights & PGW_USER_W) && (env->ctl & PGW_CTL_ARM_UWXN);
	if ((rights & PGW_KERNEL_R) && !pxn && !(wxn && (rights & PGW_KERNEL_W)))
		rights |= PGW_KERNEL_X;
	if ((rights & PGW_USER_R) && !(wxn && (rights & PGW_USER_W)))
		rights |= PGW_USER_X;
	return rights;
}

/*
 * B3.7.3 "Domains, Short-descriptor format only": 01 is a client, who is checked; 11 a manager, of
 * whom neither permissions nor XN are; others have no access.
 */
static PGW_ALWAYS_INLINE uint8_t arm_short_pt_rights(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry, unsigned level)
{
	unsigned domain = env->domains >> 2 * arm_short_domain(acc, entry, level) & 3;
	uint64_t ap =
		level ? (entry >> 10 & 3) | (entry >> 13 & 4) : (entry >> 4 & 3) | (entry >> 7 & 4);
	bool xn = entry & (level                              ? ARM_SHORT_SECTION_XN
			   : arm_short_is_large(entry, level) ? ARM_SHORT_LARGE_XN
							      : ARM_SHORT_SMALL_XN);
	bool pxn = level ? entry & ARM_SHORT_SECTION_PXN : acc & ARM_SHORT_TABLE_PXN;
	uint64_t table = env->ctl & PGW_CTL_ARM_AFE ? ARM_SHORT_AP_AFE : ARM_SHORT_AP;

	if (domain != 1)
		return domain == 3 ? _PGW_RIGHT_ALL : 0;
	return (uint8_t)arm_short_with_exec(env, (uint8_t)(table >> 8 * ap), xn, pxn);
}

#define pt_env_init arm_short_pt_env_init
#define pt_entry_kind arm_short_pt_entry_kind
#define pt_table_pa arm_short_pt_table_pa
#define pt_leaf_pa arm_short_pt_leaf_pa
#define pt_leaf_lg2 arm_short_pt_leaf_lg2
#define pt_addr_mask arm_short_pt_addr_mask
#define pt_item_step arm_short_pt_item_step
#define pt_entry_advance arm_short_pt_entry_advance
#define pt_acc_root arm_short_pt_acc_root
#define pt_acc_keep arm_short_pt_acc_keep
#define pt_acc_table arm_short_pt_acc_table
#define pt_rights arm_short_pt_rights

#define PT_READ_ONLY
#define PT_GRANULE_LG2 ARM_SHORT_GRANULE_LG2
#define PT_SLOTS_LG2 ARM_SHORT_PAGE_SLOTS_LG2
#define PT_SPAN_LG2 ARM_SHORT_SPAN_LG2
#define PT_ITEM_LG2 2
#define PT_MAX_TOP_LEVEL 1

/* A root of fewer items (TTBCR.N) is aligned to its size: 128 bytes at least. */
#define ARM_SHORT_GEOMETRY                                                                         \
	{                                                                                          \
		.top_level = 1, .granule_lg2 = ARM_SHORT_GRANULE_LG2, .va_bits = 32,               \
		.max_pa_bits = ARM_SHORT_PA_BITS, .item_lg2 = PT_ITEM_LG2, .root_align_lg2 = 7,    \
		.span_lg2 = { ARM_SHORT_SPAN_LG2(0), ARM_SHORT_SPAN_LG2(1) },                      \
		.slots_lg2 = { ARM_SHORT_PAGE_SLOTS_LG2, ARM_SHORT_ROOT_SLOTS_LG2 },               \
		.leaf_sizes = BIT(ARM_SHORT_SPAN_LG2(0)) | BIT(ARM_SHORT_LARGE_LG2) |              \
			      BIT(ARM_SHORT_SPAN_LG2(1)) | BIT(ARM_SHORT_SUPER_LG2),               \
	}

/* One root has both; Linux's PAGE_OFFSET, where it is not built otherwise (VMSPLIT). */
#define ARM_SHORT_REGIONS                                                                          \
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

static const char *const arm_short_table_names[PGW_MAX_LEVELS] = { "L2", "L1" };

/* Of level 1: sections' alone. Bit 4 is AP[0] of a page, which is its access flag with AFE. */
#define ARM_SHORT_SECTION_ATTR(attr_name, bit)                                                     \
	{                                                                                          \
		.name = (attr_name), .mask = ARM_SHORT_LEAF | (bit),                               \
		.value = ARM_SHORT_LEAF | (bit), .level_first = 1, .level_last = 1                 \
	}
#define ARM_SHORT_DOMAIN_ATTR(n)                                                                   \
	{                                                                                          \
		.name = "domain" #n, .mask = ARM_SHORT_LEAF | ARM_SHORT_SUPER | ARM_SHORT_DOMAIN,  \
		.value = ARM_SHORT_LEAF | (uint64_t)(n) << ARM_SHORT_DOMAIN_SHIFT,                 \
		.level_first = 1, .level_last = 1                                                  \
	}

static const struct pgw_attr arm_short_attrs[] = {
	{ .name = "af", .mask = BIT(4), .value = BIT(4), .needs = PGW_CTL_ARM_AFE },
	{ .name = "ng", .mask = ARM_SHORT_NG, .value = ARM_SHORT_NG },
	{ .name = "s", .mask = ARM_SHORT_S, .value = ARM_SHORT_S },
	{ .name = "af",
	  .mask = ARM_SHORT_LEAF | BIT(10),
	  .value = ARM_SHORT_LEAF | BIT(10),
	  .level_first = 1,
	  .level_last = 1,
	  .needs = PGW_CTL_ARM_AFE },
	ARM_SHORT_SECTION_ATTR("ng", ARM_SHORT_SECTION_NG),
	ARM_SHORT_SECTION_ATTR("s", ARM_SHORT_SECTION_S),
	ARM_SHORT_SECTION_ATTR("ns", ARM_SHORT_SECTION_NS),
	ARM_SHORT_DOMAIN_ATTR(1),
	ARM_SHORT_DOMAIN_ATTR(2),
	ARM_SHORT_DOMAIN_ATTR(3),
	ARM_SHORT_DOMAIN_ATTR(4),
	ARM_SHORT_DOMAIN_ATTR(5),
	ARM_SHORT_DOMAIN_ATTR(6),
	ARM_SHORT_DOMAIN_ATTR(7),
	ARM_SHORT_DOMAIN_ATTR(8),
	ARM_SHORT_DOMAIN_ATTR(9),
	ARM_SHORT_DOMAIN_ATTR(10),
	ARM_SHORT_DOMAIN_ATTR(11),
	ARM_SHORT_DOMAIN_ATTR(12),
	ARM_SHORT_DOMAIN_ATTR(13),
	ARM_SHORT_DOMAIN_ATTR(14),
	ARM_SHORT_DOMAIN_ATTR(15),
	{ .name = NULL },
};

static const struct pgw_later_bits arm_short_later_bits[] = {
	{ .bits = "0 of sections",
	  .extension = "PXN",
	  .taken_for = "privileged execute-never",
	  .mask = ARM_SHORT_SECTION_PXN | ARM_SHORT_LEAF,
	  .value = ARM_SHORT_SECTION_PXN | ARM_SHORT_LEAF,
	  .in_leaves = true,
	  .level_first = 1,
	  .level_last = 1 },
	{ .bits = NULL },
};

/* All of an address counts. */
static PGW_MAYBE_UNUSED uint64_t arm_short_tag_bits(const struct pgw_geometry *geo,
						    const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

/* A small page's: of a large one bits 15:12, XN and TEX, are where that has its address. */
#define ARM_SHORT_ATTR_MASK_SMALL (ARM_SHORT_TYPE | BITS(11, 2))
#define ARM_SHORT_ATTR_MASK_LARGE (ARM_SHORT_TYPE | BITS(19, 2))

#endif
