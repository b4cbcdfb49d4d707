/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_PPC64_RADIX_H
#define PT_FMT_PPC64_RADIX_H

/*
 * Power ISA radix trees: four levels of tables of 2^13, 2^9, 2^9 and 2^5 (pages of 64 KiB) or 2^9
 * (of 4 KiB) items. The includer defines PPC64_64K as 1 or 0. Items are big-endian, whatever the
 * byte order of the kernel.
 *
 * Sources: Power ISA 3.0B and 3.1, Book III, "Radix Tree Translation": "Radix Tree Page Directory
 * Entry", "Radix Tree Page Table Entry"; "Effective Address Space Structure When MSR(HV)=0 or
 * LPIDR=0", "Radix Tree Effective Address Space"; POWER9 Processor User's Manual, 4.10.4.1
 * "Supported Radix Tree Configurations". Bits are counted here from the right, as everywhere in
 * this library: the manual's bit n is our bit 63 - n.
 *
 *   bit    directory entry              page table entry
 *   63     V                            V
 *   62     L=0                          L=1
 *   61     -                            software's
 *   60:57  (60: -) address              -
 *   56:12  address                      address
 *   11:9   address                      software's
 *   8      address                      R
 *   7      -                            C
 *   6      -                            -
 *   5:4    -; NLS                       ATT: normal, SAO, I/O (not idempotent), I/O (tolerant)
 *   3:0    NLS                          EAA: privileged, R, RW, X
 *
 * An entry with V = 0 is ignored whole, "-" is ignored by the CPU.
 *
 * NLS, bits 4:0, is log2 of the items of the next table, so a tree could have any shape. CPUs
 * support this one (POWER9 and POWER10 User's Manuals), and take another size, a leaf in the root, or
 * a table below the fourth level for an unsupported configuration: malformed. Both sizes of a lowest
 * table are supported within one tree; Linux has one, and the other is malformed here.
 *
 * EAA: "privileged" takes all rights from problem state; else both have what the other bits say.
 * RW gives reading, too. Nothing is executed from I/O that is not idempotent. Of pages that are not
 * privileged the AMR (key 0) may take reading and writing from the kernel while it runs (KUAP),
 * which does not count here, and the IAMR executing (KUEP), which is a control bit. No table
 * restricts what is below it. R and C are set by the CPU.
 *
 * Bits 63:62 of an address say its quadrant: 0 is the process's (PIDR), 3 process 0's, which is the
 * kernel. 1 and 2 are for hypervisors that run a guest's, and here nobody's. Bits 61:52 are 0.
 */

#include "pt/pt_defs.h"

#ifndef PPC64_64K
#error "the includer defines PPC64_64K"
#endif

#define PPC64_V BIT(63)
#define PPC64_L BIT(62)
#define PPC64_RPN BITS(56, 12)
#define PPC64_NLB BITS(59, 8)
#define PPC64_NLS BITS(4, 0)
#define PPC64_R BIT(8)
#define PPC64_C BIT(7)
#define PPC64_ATT BITS(5, 4)
#define PPC64_ATT_SHIFT 4
#define PPC64_ATT_IO BIT(5) /* not idempotent; with bit 4 it is tolerant */
#define PPC64_EAA_PRIVILEGED BIT(3)
#define PPC64_EAA_R BIT(2)
#define PPC64_EAA_RW BIT(1)
#define PPC64_EAA_X BIT(0)
#define PPC64_EAA BITS(3, 0)

#define PPC64_GRANULE_LG2 (PPC64_64K ? 16 : 12)
#define PPC64_PAGE_SLOTS_LG2 (PPC64_64K ? 5 : 9)
#define PPC64_SLOTS_LG2 9 /* of tables between */
#define PPC64_ROOT_SLOTS_LG2 13
#define PPC64_TOP_LEVEL 3
#define PPC64_MAX_LEAF_LEVEL 2
#define PPC64_VA_BITS 52
#define PPC64_MAX_PA_BITS 57
#define PPC64_SPAN_LG2(level)                                                                      \
	((level) > PPC64_TOP_LEVEL                                                                 \
		 ? PPC64_VA_BITS                                                                   \
		 : PPC64_GRANULE_LG2 + ((level) ? PPC64_PAGE_SLOTS_LG2 + 9 * ((level)-1) : 0))

_Static_assert(PPC64_SPAN_LG2(1) == 21 && PPC64_SPAN_LG2(2) == 30 && PPC64_SPAN_LG2(3) == 39,
	       "2 MiB, 1 GiB, 512 GiB");
_Static_assert(PPC64_SPAN_LG2(3) + PPC64_ROOT_SLOTS_LG2 == PPC64_SPAN_LG2(4), "4 PiB");
_Static_assert(BIT(PPC64_MAX_PA_BITS) - 1 == (PPC64_RPN | 0xfff), "the widest address");

/* log2 of the items of the table that an entry of this level leads to. */
static PGW_ALWAYS_INLINE unsigned ppc64_next_lg2(unsigned level)
{
	return level == 1 ? PPC64_PAGE_SLOTS_LG2 : PPC64_SLOTS_LG2;
}

static PGW_ALWAYS_INLINE struct pt_env ppc64_pt_env_init(const struct pgw_format *format,
							 const struct pgw_control *control)
{
	struct pt_env env = {
		/* What is not there gives a machine check. 60:57 are no address of a leaf. */
		.reserved = BITS(59, 8) & ~low_bits(control->pa_bits),
		.table_mask = PPC64_V | PPC64_L,
		.table_value = PPC64_V,
		.ctl = control->set,
	};

	(void)format;
	env.leaf_mask = PPC64_V | PPC64_L | (env.reserved & PPC64_RPN);
	env.leaf_value = PPC64_V | PPC64_L;
	env.rights_mask = PPC64_ATT | PPC64_EAA;
	env.kind_mask = env.leaf_mask | env.rights_mask;
	return env;
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind ppc64_pt_entry_kind(const struct pt_env *env,
								 uint64_t entry, unsigned level)
{
	if (!(entry & PPC64_V))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (entry & PPC64_L)
		return level > PPC64_MAX_LEAF_LEVEL || (entry & env->reserved & PPC64_RPN)
			       ? PGW_ENTRY_MALFORMED
			       : PGW_ENTRY_LEAF;
	if (level == 0 || (entry & env->reserved) || (entry & PPC64_NLS) != ppc64_next_lg2(level))
		return PGW_ENTRY_MALFORMED;
	return PGW_ENTRY_TABLE;
}

static PGW_ALWAYS_INLINE bool ppc64_pt_is_table(const struct pt_env *env, uint64_t entry,
						unsigned level)
{
	return (entry & (PPC64_V | PPC64_L | PPC64_NLS | env->reserved)) ==
	       (PPC64_V | ppc64_next_lg2(level));
}

/* A table is aligned to its size; what is below that is ignored. */
static PGW_ALWAYS_INLINE uint64_t ppc64_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	(void)env;
	return entry & PPC64_NLB & ~low_bits((unsigned)(entry & PPC64_NLS) + 3);
}

static PGW_ALWAYS_INLINE uint64_t ppc64_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	(void)env;
	return PPC64_RPN & ~low_bits(PPC64_SPAN_LG2(level));
}

static PGW_ALWAYS_INLINE uint64_t ppc64_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						   unsigned level, uint64_t va)
{
	return (entry & ppc64_pt_addr_mask(env, level)) | (va & low_bits(PPC64_SPAN_LG2(level)));
}

static PGW_ALWAYS_INLINE unsigned ppc64_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						    unsigned level)
{
	(void)env, (void)entry;
	return PPC64_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t ppc64_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2);
}

static PGW_ALWAYS_INLINE uint64_t ppc64_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							 unsigned level, uint64_t bytes)
{
	(void)env, (void)level;
	return entry + bytes;
}

static PGW_ALWAYS_INLINE pt_acc_t ppc64_pt_acc_root(const struct pt_env *env,
						    enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return 0;
}

static PGW_ALWAYS_INLINE uint64_t ppc64_pt_acc_keep(pt_acc_t acc)
{
	(void)acc;
	return UINT64_MAX;
}

static PGW_ALWAYS_INLINE pt_acc_t ppc64_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry)
{
	(void)env, (void)entry;
	return acc;
}

_Static_assert(PGW_USER_R == PGW_KERNEL_R << 3 && PGW_USER_W == PGW_KERNEL_W << 3 &&
		       PGW_USER_X == PGW_KERNEL_X << 3,
	       "users' rights are the kernel's, three up");

static PGW_ALWAYS_INLINE uint8_t ppc64_pt_rights(const struct pt_env *env, pt_acc_t acc,
						 uint64_t entry, unsigned level)
{
	unsigned rights = 0;

	(void)acc, (void)level;
	if (entry & (PPC64_EAA_R | PPC64_EAA_RW))
		rights |= PGW_KERNEL_R;
	if (entry & PPC64_EAA_RW)
		rights |= PGW_KERNEL_W;
	if ((entry & PPC64_EAA_X) && (entry & PPC64_ATT) != PPC64_ATT_IO)
		rights |= PGW_KERNEL_X;
	if (entry & PPC64_EAA_PRIVILEGED)
		return (uint8_t)rights;
	rights |= rights << 3;
	if (env->ctl & PGW_CTL_PPC64_KUEP)
		rights &= ~(unsigned)PGW_KERNEL_X;
	return (uint8_t)rights;
}

#define pt_env_init ppc64_pt_env_init
#define pt_entry_kind ppc64_pt_entry_kind
#define pt_is_table ppc64_pt_is_table
#define pt_table_pa ppc64_pt_table_pa
#define pt_leaf_pa ppc64_pt_leaf_pa
#define pt_leaf_lg2 ppc64_pt_leaf_lg2
#define pt_addr_mask ppc64_pt_addr_mask
#define pt_item_step ppc64_pt_item_step
#define pt_entry_advance ppc64_pt_entry_advance
#define pt_acc_root ppc64_pt_acc_root
#define pt_acc_keep ppc64_pt_acc_keep
#define pt_acc_table ppc64_pt_acc_table
#define pt_rights ppc64_pt_rights

#define PT_READ_ONLY
#define PT_GRANULE_LG2 PPC64_GRANULE_LG2
#define PT_SLOTS_LG2 PPC64_SLOTS_LG2
#define PT_SPAN_LG2 PPC64_SPAN_LG2
#define PT_MAX_TOP_LEVEL PPC64_TOP_LEVEL

#define PPC64_GEOMETRY                                                                             \
	{                                                                                          \
		.top_level = PPC64_TOP_LEVEL, .granule_lg2 = PPC64_GRANULE_LG2,                    \
		.va_bits = PPC64_VA_BITS, .max_pa_bits = PPC64_MAX_PA_BITS, .item_lg2 = 3,         \
		.is_big_endian = true,                                                             \
		.span_lg2 = { PPC64_SPAN_LG2(0), PPC64_SPAN_LG2(1), PPC64_SPAN_LG2(2),             \
			      PPC64_SPAN_LG2(3) },                                                 \
		.slots_lg2 = { PPC64_PAGE_SLOTS_LG2, PPC64_SLOTS_LG2, PPC64_SLOTS_LG2,             \
			       PPC64_ROOT_SLOTS_LG2 },                                             \
		.leaf_sizes =                                                                      \
			BIT(PPC64_SPAN_LG2(0)) | BIT(PPC64_SPAN_LG2(1)) | BIT(PPC64_SPAN_LG2(2)),  \
	}

/* Quadrants 0 and 3. */
#define PPC64_REGIONS                                                                              \
	((const struct pgw_region[]){                                                              \
		{ .name = "user", .last = BITS(51, 0), .kind = PGW_REGION_USER },                  \
		{ .name = "kernel",                                                                \
		  .first = BITS(63, 62),                                                           \
		  .last = BITS(63, 62) | BITS(51, 0),                                              \
		  .kind = PGW_REGION_KERNEL,                                                       \
		  .root = 1 },                                                                     \
		{ .name = NULL } })

/* The manual numbers directories from the root on. */
static const char *const ppc64_table_names[PGW_MAX_LEVELS] = { "page table", "directory 3",
							       "directory 2", "root directory" };

static const struct pgw_attr ppc64_attrs[] = {
	{ .name = "r",
	  .mask = PPC64_L | PPC64_R,
	  .value = PPC64_L | PPC64_R,
	  .level_last = PPC64_MAX_LEAF_LEVEL },
	{ .name = "c",
	  .mask = PPC64_L | PPC64_C,
	  .value = PPC64_L | PPC64_C,
	  .level_last = PPC64_MAX_LEAF_LEVEL },
	{ .name = NULL },
};

/* Nothing that the manual's first edition of radix trees (3.0) leaves out was taken since. */
static const struct pgw_later_bits ppc64_later_bits[] = {
	{ .bits = NULL },
};

/* ATT; "normal" is what goes without saying. */
static PGW_MAYBE_UNUSED const char *ppc64_memory_type(const struct pgw_control *control,
						      uint64_t entry, unsigned level)
{
	(void)level;
	static const char *const names[] = { NULL, "sao", "io", "io-tolerant" };

	(void)control;
	return names[(entry & PPC64_ATT) >> PPC64_ATT_SHIFT];
}

/* All of an address counts. */
static PGW_MAYBE_UNUSED uint64_t ppc64_tag_bits(const struct pgw_geometry *geo,
						const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

#define PPC64_ATTR_MASK (PPC64_R | PPC64_C | PPC64_ATT | PPC64_EAA)

/* What differs between the two formats is all in here. */
#define PPC64_FORMAT(format_name, other_name)                                                      \
	{                                                                                          \
		.name = (format_name), .alias = (other_name), .arch = "ppc64",                     \
		.geometry = PPC64_GEOMETRY, .regions = PPC64_REGIONS,                              \
		.table_names = ppc64_table_names, .attrs = ppc64_attrs,                            \
		.later_bits = ppc64_later_bits,                                                    \
		.attr_mask = { PPC64_ATTR_MASK, PPC64_ATTR_MASK, PPC64_ATTR_MASK },                \
		.controls = ppc64_controls, .control_bits = PGW_CTL_PPC64_KUEP,                    \
		.control_assume = PGW_CTL_PPC64_KUEP, .min_pa_bits = 40,                           \
		.memory_type = ppc64_memory_type, .tag_bits = ppc64_tag_bits, .decode = pt_decode, \
		.advance = pt_advance, .env_init = pt_env_fill, .ops = &pt_format_ops,             \
	}

static const struct pgw_control_bit ppc64_controls[] = {
	{ .name = "KUEP", .bit = PGW_CTL_PPC64_KUEP },
	{ .name = NULL },
};

#endif
