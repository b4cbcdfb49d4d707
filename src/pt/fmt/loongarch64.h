/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_LOONGARCH64_H
#define PT_FMT_LOONGARCH64_H

/*
 * LoongArch, 64 bits: two to four levels of tables, each a page of the smallest size, as CSR.PWCL and
 * CSR.PWCH say. The includer defines LA64_GRANULE_LG2 as 12, 14 or 16.
 *
 * Source: LoongArch Reference Manual, volume 1, "Virtual Address Space and Address Translation
 * Mode", "Multi-level Page Table Structure Supported by Page Walking"; "PWCL", "PWCH", "PGDL", "PGDH",
 * "DMW"; of bits 7 and 8 "Hardware Page Table Walker" (HPTW, PWCH bit 24).
 *
 *   bit          directory: table         leaf (huge)          page
 *   0            0                        V                    V
 *   1            0                        D                    D
 *   3:2          0                        PLV                  PLV
 *   5:4          0                        MAT                  MAT
 *   6            H=0                      H=1                  G
 *   7            0                        P                    P
 *   8            0                        W                    W
 *   11:9         0                        software's           software's
 *   12           address                  G                    address
 *   PALEN-1:13   address                  address              address
 *   60:PALEN     -                        software's           software's
 *   61           -                        NR                   NR
 *   62           -                        NX                   NX
 *   63           -                        RPLV                 RPLV
 *
 * Linux writes addresses of a direct mapped window into directories: what is above PALEN is ignored.
 * It does not leave entries empty, but leads them to tables that all empty ones share, down to a
 * page table whose items are 0, or G alone. An entry of 0 is empty here; the CPU would take the
 * table at physical address 0.
 *
 * Without HPTW software loads entries into the TLB as they are: what is not V is not valid, what is
 * not D cannot be written. With it P and W say so, and the CPU sets V and D as a page is used.
 *
 * PLV is the lowest privilege that may use the page, with RPLV the only one. Linux has the kernel in
 * PLV 0 and users in PLV 3. No table restricts what is below it. Addresses that a direct mapped
 * window (DMW) has are in no table, and no address of these regions.
 */

#include "pt/pt_defs.h"

#ifndef LA64_GRANULE_LG2
#error "the includer defines LA64_GRANULE_LG2"
#endif

#define LA64_V BIT(0)
#define LA64_D BIT(1)
#define LA64_PLV BITS(3, 2)
#define LA64_PLV_SHIFT 2
#define LA64_MAT BITS(5, 4)
#define LA64_MAT_SHIFT 4
#define LA64_G BIT(6) /* level 0 */
#define LA64_H BIT(6) /* above it */
#define LA64_P BIT(7)
#define LA64_W BIT(8)
#define LA64_HUGE_G BIT(12)
#define LA64_NR BIT(61)
#define LA64_NX BIT(62)
#define LA64_RPLV BIT(63)
#define LA64_LOW BITS(11, 0)

#define LA64_SLOTS_LG2 (LA64_GRANULE_LG2 - 3)
#define LA64_SPAN_LG2(level) (LA64_GRANULE_LG2 + LA64_SLOTS_LG2 * (level))
#define LA64_MAX_PA_BITS 48
#define LA64_HALF_BITS 47 /* of VALEN: the top bit of 48 chooses PGDL or PGDH */

_Static_assert(LA64_GRANULE_LG2 >= 12 && 1 << LA64_GRANULE_LG2 == 8 << LA64_SLOTS_LG2,
	       "a table is a page, and has its flags below its address");

static PGW_ALWAYS_INLINE struct pt_env la64_pt_env_init(const struct pgw_format *format,
							const struct pgw_control *control)
{
	bool has_ptw = control->set & PGW_CTL_LOONGARCH_PTW;
	struct pt_env env = {
		.reserved = low_bits(control->pa_bits) & ~LA64_LOW, /* the address */
		.table_mask = LA64_H,
		.ctl = control->set,
	};

	(void)format;
	env.leaf_mask = env.leaf_value = has_ptw ? LA64_P : LA64_V;
	env.rights_mask = LA64_PLV | LA64_NR | LA64_NX | LA64_RPLV | (has_ptw ? LA64_W : LA64_D);
	env.kind_mask = ~env.reserved;
	return env;
}

static PGW_ALWAYS_INLINE bool la64_pt_is_table(const struct pt_env *env, uint64_t entry,
					       unsigned level)
{
	(void)env, (void)level;
	return entry && !(entry & LA64_LOW);
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind la64_pt_entry_kind(const struct pt_env *env,
								uint64_t entry, unsigned level)
{
	if (!entry)
		return PGW_ENTRY_EMPTY;
	if (level && !(entry & LA64_H))
		return la64_pt_is_table(env, entry, level) ? PGW_ENTRY_TABLE : PGW_ENTRY_MALFORMED;
	if (entry & env->leaf_mask)
		return PGW_ENTRY_LEAF;
	return entry == LA64_G ? PGW_ENTRY_EMPTY : PGW_ENTRY_ABSENT;
}

static PGW_ALWAYS_INLINE uint64_t la64_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	return entry & env->reserved;
}

static PGW_ALWAYS_INLINE uint64_t la64_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	return env->reserved & ~low_bits(LA64_SPAN_LG2(level));
}

static PGW_ALWAYS_INLINE uint64_t la64_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						  unsigned level, uint64_t va)
{
	return (entry & la64_pt_addr_mask(env, level)) | (va & low_bits(LA64_SPAN_LG2(level)));
}

static PGW_ALWAYS_INLINE unsigned la64_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						   unsigned level)
{
	(void)env, (void)entry;
	return LA64_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t la64_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2);
}

static PGW_ALWAYS_INLINE uint64_t la64_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							unsigned level, uint64_t bytes)
{
	(void)env, (void)level;
	return entry + bytes;
}

static PGW_ALWAYS_INLINE pt_acc_t la64_pt_acc_root(const struct pt_env *env,
						   enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return 0;
}

static PGW_ALWAYS_INLINE uint64_t la64_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return UINT64_MAX;
}

static PGW_ALWAYS_INLINE pt_acc_t la64_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						    uint64_t entry)
{
	(void)env, (void)entry;
	return acc;
}

_Static_assert(PGW_USER_R == PGW_KERNEL_R << 3 && PGW_USER_W == PGW_KERNEL_W << 3 &&
		       PGW_USER_X == PGW_KERNEL_X << 3,
	       "users' rights are the kernel's, three up");

static PGW_ALWAYS_INLINE uint8_t la64_pt_rights(const struct pt_env *env, pt_acc_t acc,
						uint64_t entry, unsigned level)
{
	unsigned plv = (unsigned)((entry & LA64_PLV) >> LA64_PLV_SHIFT), rights = 0;
	bool is_kernels = plv == 0 || !(entry & LA64_RPLV);

	(void)acc, (void)level;
	if (!(entry & LA64_NR))
		rights |= PGW_KERNEL_R;
	if (entry & (env->ctl & PGW_CTL_LOONGARCH_PTW ? LA64_W : LA64_D))
		rights |= PGW_KERNEL_W;
	if (!(entry & LA64_NX))
		rights |= PGW_KERNEL_X;
	return (uint8_t)((is_kernels ? rights : 0) | (plv == 3 ? rights << 3 : 0));
}

#define pt_env_init la64_pt_env_init
#define pt_entry_kind la64_pt_entry_kind
#define pt_is_table la64_pt_is_table
#define pt_table_pa la64_pt_table_pa
#define pt_leaf_pa la64_pt_leaf_pa
#define pt_leaf_lg2 la64_pt_leaf_lg2
#define pt_addr_mask la64_pt_addr_mask
#define pt_item_step la64_pt_item_step
#define pt_entry_advance la64_pt_entry_advance
#define pt_acc_root la64_pt_acc_root
#define pt_acc_keep la64_pt_acc_keep
#define pt_acc_table la64_pt_acc_table
#define pt_rights la64_pt_rights

#define PT_READ_ONLY
#define PT_GRANULE_LG2 LA64_GRANULE_LG2
#define PT_SLOTS_LG2 LA64_SLOTS_LG2
#define PT_SPAN_LG2 LA64_SPAN_LG2
#define PT_MAX_TOP_LEVEL 3

#define LA64_SPAN_IF(top, level) ((level) <= (top) ? LA64_SPAN_LG2(level) : 0)
#define LA64_SLOTS_IF(top, level) ((level) <= (top) ? LA64_SLOTS_LG2 : 0)
#define LA64_SIZE_IF(top, level) ((level) <= (top) ? BIT(LA64_SPAN_LG2(level)) : 0)

#define LA64_GEOMETRY(top)                                                                         \
	{                                                                                          \
		.top_level = (top), .granule_lg2 = LA64_GRANULE_LG2,                               \
		.va_bits = LA64_SPAN_LG2((top) + 1), .max_pa_bits = LA64_MAX_PA_BITS,              \
		.item_lg2 = 3,                                                                     \
		.span_lg2 = { LA64_SPAN_LG2(0), LA64_SPAN_LG2(1), LA64_SPAN_IF(top, 2),            \
			      LA64_SPAN_IF(top, 3) },                                              \
		.slots_lg2 = { LA64_SLOTS_LG2, LA64_SLOTS_LG2, LA64_SLOTS_IF(top, 2),              \
			       LA64_SLOTS_IF(top, 3) },                                            \
		.leaf_sizes = BIT(LA64_SPAN_LG2(0)) | BIT(LA64_SPAN_LG2(1)) |                      \
			      LA64_SIZE_IF(top, 2) | LA64_SIZE_IF(top, 3),                         \
	}

/*
 * Both halves of 48 bits (VALEN); of tables for fewer, Linux uses the first part of each, and
 * the CPU does not look at the bits between.
 */
#define LA64_HALF_LAST(top)                                                                        \
	(LA64_SPAN_LG2((top) + 1) < LA64_HALF_BITS ? BIT(LA64_SPAN_LG2((top) + 1)) - 1             \
						   : BITS(LA64_HALF_BITS - 1, 0))
#define LA64_REGIONS(top)                                                                          \
	((const struct pgw_region[]){                                                              \
		{ .name = "user", .last = LA64_HALF_LAST(top), .kind = PGW_REGION_USER },          \
		{ .name = "kernel",                                                                \
		  .first = BITS(63, LA64_HALF_BITS),                                               \
		  .last = BITS(63, LA64_HALF_BITS) | LA64_HALF_LAST(top),                          \
		  .kind = PGW_REGION_KERNEL,                                                       \
		  .root = 1 },                                                                     \
		{ .name = NULL } })

/* The manual numbers directories from the page table up. */
static const char *const la64_table_names[PGW_MAX_LEVELS] = { "PT", "Dir1", "Dir2", "Dir3" };

static const struct pgw_attr la64_attrs[] = {
	{ .name = "g", .mask = LA64_G, .value = LA64_G },
	{ .name = "g",
	  .mask = LA64_H | LA64_HUGE_G,
	  .value = LA64_H | LA64_HUGE_G,
	  .level_first = 1,
	  .level_last = 3 },
	{ .name = "v", .mask = LA64_V, .value = LA64_V, .level_last = 3 },
	{ .name = "d", .mask = LA64_D, .value = LA64_D, .level_last = 3 },
	{ .name = "plv1", .mask = LA64_PLV, .value = BIT(2), .level_last = 3 },
	{ .name = "plv2", .mask = LA64_PLV, .value = BIT(3), .level_last = 3 },
	{ .name = "rplv", .mask = LA64_RPLV, .value = LA64_RPLV },
	{ .name = "rplv",
	  .mask = LA64_H | LA64_RPLV,
	  .value = LA64_H | LA64_RPLV,
	  .level_first = 1,
	  .level_last = 3 },
	{ .name = NULL },
};

static const struct pgw_later_bits la64_later_bits[] = {
	{ .bits = NULL },
};

/* MAT; coherent cached is what goes without saying. */
static PGW_MAYBE_UNUSED const char *la64_memory_type(const struct pgw_control *control,
						     uint64_t entry, unsigned level)
{
	(void)level;
	static const char *const names[] = { "suc", NULL, "wuc", "reserved" };

	(void)control;
	return names[(entry & LA64_MAT) >> LA64_MAT_SHIFT];
}

/* All of an address counts. */
static PGW_MAYBE_UNUSED uint64_t la64_tag_bits(const struct pgw_geometry *geo,
					       const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

#define LA64_ATTR_MASK                                                                             \
	(LA64_V | LA64_D | LA64_PLV | LA64_MAT | LA64_P | LA64_W | LA64_NR | LA64_NX | LA64_RPLV)
#define LA64_ATTR_MASK_SMALL (LA64_ATTR_MASK | LA64_G)
#define LA64_ATTR_MASK_LARGE (LA64_ATTR_MASK | LA64_HUGE_G)

static const struct pgw_control_bit la64_controls[] = {
	{ .name = "HPTW", .bit = PGW_CTL_LOONGARCH_PTW },
	{ .name = NULL },
};

#define LA64_FORMAT(format_name, other_name, top)                                                  \
	{                                                                                          \
		.name = (format_name), .alias = (other_name), .arch = "loongarch64",               \
		.geometry = LA64_GEOMETRY(top), .regions = LA64_REGIONS(top),                      \
		.table_names = la64_table_names, .attrs = la64_attrs,                              \
		.later_bits = la64_later_bits,                                                     \
		.attr_mask = { LA64_ATTR_MASK_SMALL, LA64_ATTR_MASK_LARGE,                         \
			       (top) >= 2 ? LA64_ATTR_MASK_LARGE : 0,                              \
			       (top) >= 3 ? LA64_ATTR_MASK_LARGE : 0 },                            \
		.controls = la64_controls, .control_bits = PGW_CTL_LOONGARCH_PTW,                  \
		.control_assume = PGW_CTL_LOONGARCH_PTW, .min_pa_bits = 32,                        \
		.memory_type = la64_memory_type, .tag_bits = la64_tag_bits, .decode = pt_decode,   \
		.advance = pt_advance, .env_init = pt_env_fill, .ops = &pt_format_ops,             \
	}

#endif
