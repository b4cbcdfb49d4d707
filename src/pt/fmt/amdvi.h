/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_AMDVI_H
#define PT_FMT_AMDVI_H

/*
 * Host (v1) page tables of AMD's IOMMU: the number of levels, 1 to 6, is the mode of the device
 * table entry. Every entry says of which level the next table is.
 *
 * Source: AMD I/O Virtualization Technology (IOMMU) Specification (48882), 2.2.3 "I/O Page Tables for
 * Host Translations": tables of page translation entries and page directory entries, "Next Level",
 * "Example Page Size Encodings". The manual's level n is our n - 1.
 *
 *   bit    table                      leaf
 *   0      PR                         PR: present
 *   4:1    -                          -
 *   5      -                          A
 *   6      -                          D
 *   8:7    -                          -
 *   11:9   next level, 1 up to this   0: of the level's own size; 7: the address says the size
 *          level - 1
 *   51:12  addr                       addr
 *   58:52  0                          0
 *   59     0                          U
 *   60     0                          FC: coherent
 *   61     IR                         IR: may be read
 *   62     IW                         IW: may be written
 *   63     -                          -
 *
 * Levels may be skipped: the next level is less than one down. The bits of the device's address that
 * would have chosen a slot there must be 0, so such a table has the first addresses of the slot alone.
 * What does not descend is malformed.
 *
 * Next level 7: the lowest 0 of the address, at bit n from 12 up, says 2^(n+1) bytes; the bits below it,
 * which are 1, are no address. There are as many such entries in a row, all the same, as it takes. A
 * size that is not above the level's own, or not below the next level's, or more than there can be of
 * memory, is malformed. So is a leaf of the highest level's own size, which that does not have.
 *
 * Owners skip no level, and make runs of 16 items alone, where tables are of our levels 0 to 2: 64 KiB,
 * 32 MiB, 16 GiB. Their tables allow all. What they change needs an INVALIDATE_IOMMU_PAGES afterwards, as
 * the platform's tlb_flush is asked for, and nothing in between; with NpCache (capability header) a map
 * does, too, which asks for none: that is the caller's.
 *
 * A bit of the address below the size of a leaf of the level's own size is ignored, as by the
 * emulators seen.
 */

#include "pt/fmt/foreign.h"
#include "pt/fmt/x86_64.h"

#define AMDVI_PR BIT(0)
#define AMDVI_A BIT(5)
#define AMDVI_D BIT(6)
#define AMDVI_NEXT BITS(11, 9)
#define AMDVI_NEXT_SHIFT 9
#define AMDVI_NEXT_SIZED 7
#define AMDVI_MAX_LEAF_LEVEL 4u
#define AMDVI_U BIT(59)
#define AMDVI_FC BIT(60)
#define AMDVI_IR BIT(61)
#define AMDVI_IW BIT(62)
#define AMDVI_RESERVED BITS(58, 52)
#define AMDVI_TABLE_RESERVED (AMDVI_U | AMDVI_FC)

static PGW_ALWAYS_INLINE unsigned amdvi_next(uint64_t entry)
{
	return (unsigned)((entry & AMDVI_NEXT) >> AMDVI_NEXT_SHIFT);
}

static PGW_ALWAYS_INLINE struct pt_env amdvi_pt_env_init(const struct pgw_format *format,
							 const struct pgw_control *control)
{
	unsigned width = control->pa_bits;
	uint64_t above = width < X86_MAX_PA_BITS ? BITS(X86_MAX_PA_BITS - 1, width) : 0;
	uint64_t reserved = AMDVI_RESERVED | above;

	(void)format;
	/* What is plain of a table depends on its level: there are no lanes, so no addr_mask. */
	return (struct pt_env){
		.reserved = reserved,
		.table_mask = AMDVI_PR | reserved,
		.table_value = AMDVI_PR,
		.kind_mask = ~X86_ADDR | above,
		.leaf_mask = AMDVI_PR | AMDVI_NEXT | reserved,
		.leaf_value = AMDVI_PR,
		.rights_mask = AMDVI_IR | AMDVI_IW,
		.ctl = control->set,
	};
}

/* The size that a leaf's address says. Of one that is 1 throughout it is more than any level's. */
static PGW_ALWAYS_INLINE unsigned amdvi_sized_lg2(uint64_t entry)
{
	return (unsigned)__builtin_ctzll(~(entry | low_bits(12)) | BIT(63)) + 1;
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind amdvi_pt_entry_kind(const struct pt_env *env,
								 uint64_t entry, unsigned level)
{
	unsigned next = amdvi_next(entry), size_lg2 = amdvi_sized_lg2(entry);

	if (!(entry & AMDVI_PR))
		return entry ? PGW_ENTRY_ABSENT : PGW_ENTRY_EMPTY;
	if (entry & AMDVI_RESERVED)
		return PGW_ENTRY_MALFORMED;
	if (next == AMDVI_NEXT_SIZED) {
		if (size_lg2 <= X86_SPAN_LG2(level) || size_lg2 >= X86_SPAN_LG2(level + 1) ||
		    size_lg2 > X86_MAX_PA_BITS)
			return PGW_ENTRY_MALFORMED;
		return entry & env->reserved & ~low_bits(size_lg2) ? PGW_ENTRY_MALFORMED
								   : PGW_ENTRY_LEAF;
	}
	if (entry & env->reserved)
		return PGW_ENTRY_MALFORMED;
	if (!next)
		return level <= AMDVI_MAX_LEAF_LEVEL ? PGW_ENTRY_LEAF : PGW_ENTRY_MALFORMED;
	return next > level || (entry & AMDVI_TABLE_RESERVED) ? PGW_ENTRY_MALFORMED
							      : PGW_ENTRY_TABLE;
}

/* Plainly: one level down. */
static PGW_ALWAYS_INLINE bool amdvi_pt_is_table(const struct pt_env *env, uint64_t entry,
						unsigned level)
{
	return (entry & (AMDVI_PR | AMDVI_NEXT | AMDVI_TABLE_RESERVED | env->reserved)) ==
		       (AMDVI_PR | (uint64_t)level << AMDVI_NEXT_SHIFT) &&
	       level;
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	(void)env;
	return entry & X86_ADDR;
}

static PGW_ALWAYS_INLINE unsigned amdvi_pt_table_level(const struct pt_env *env, uint64_t entry,
						       unsigned level)
{
	(void)env, (void)level;
	return amdvi_next(entry) - 1;
}

static PGW_ALWAYS_INLINE void amdvi_pt_table_slots(const struct pt_env *env, uint64_t entry,
						   unsigned level, unsigned *ret_first,
						   unsigned *ret_last)
{
	(void)env, (void)entry, (void)level;
	*ret_first = 0;
	*ret_last = (1u << X86_SLOTS_LG2) - 1;
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	(void)env, (void)level;
	return X86_ADDR;
}

static PGW_ALWAYS_INLINE unsigned amdvi_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						    unsigned level)
{
	(void)env;
	return amdvi_next(entry) == AMDVI_NEXT_SIZED ? amdvi_sized_lg2(entry) : X86_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						   unsigned level, uint64_t va)
{
	uint64_t inside = low_bits(amdvi_pt_leaf_lg2(env, entry, level));

	return (entry & X86_ADDR & ~inside) | (va & inside);
}

/* The items of a run are all the same. */
static PGW_ALWAYS_INLINE uint64_t amdvi_pt_entry_advance(const struct pt_env *env, uint64_t entry,
							 unsigned level, uint64_t bytes)
{
	bytes &= ~low_bits(amdvi_pt_leaf_lg2(env, entry, level));
	return (entry & ~X86_ADDR) | ((entry + bytes) & X86_ADDR);
}

static PGW_ALWAYS_INLINE pt_acc_t amdvi_pt_acc_root(const struct pt_env *env,
						    enum pgw_region_kind kind)
{
	(void)kind;
	return (env->ctl & PGW_CTL_AMDVI_IR ? AMDVI_IR : 0) |
	       (env->ctl & PGW_CTL_AMDVI_IW ? AMDVI_IW : 0);
}

static PGW_ALWAYS_INLINE pt_acc_t amdvi_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						     uint64_t entry)
{
	(void)env;
	return acc & entry;
}

static PGW_ALWAYS_INLINE uint8_t amdvi_pt_rights(const struct pt_env *env, pt_acc_t acc,
						 uint64_t entry, unsigned level)
{
	uint64_t all = acc & entry;

	(void)env, (void)level;
	return (uint8_t)((all & AMDVI_IR ? PGW_KERNEL_R : 0u) |
			 (all & AMDVI_IW ? PGW_KERNEL_W : 0u));
}

/* ---- for owners ---- */

#define AMDVI_RUN_LG2 4
#define AMDVI_RUN_LEVEL 2 /* the highest that has runs */

static PGW_ALWAYS_INLINE unsigned amdvi_pt_contig_lg2(const struct pt_env *env, unsigned level)
{
	(void)env;
	return level <= AMDVI_RUN_LEVEL ? AMDVI_RUN_LG2 : 0;
}

/* The address of a run's items, which says its size. */
static PGW_ALWAYS_INLINE uint64_t amdvi_run_address(uint64_t pa, unsigned level)
{
	unsigned size_lg2 = X86_SPAN_LG2(level) + AMDVI_RUN_LG2;

	return (pa & X86_ADDR & ~low_bits(size_lg2)) | BITS(size_lg2 - 2, X86_GRANULE_LG2);
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_table_encode(const struct pt_env *env, uint64_t pa,
							unsigned level, enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return pa | AMDVI_PR | AMDVI_IR | AMDVI_IW | (uint64_t)(level + 1) << AMDVI_NEXT_SHIFT;
}

static PGW_ALWAYS_INLINE bool amdvi_pt_leaf_encode(const struct pt_env *env,
						   const struct pgw_leaf *leaf, uint64_t *ret)
{
	const uint64_t attrs = AMDVI_A | AMDVI_D | AMDVI_U | AMDVI_FC | AMDVI_NEXT;
	unsigned level = leaf->level;
	uint64_t entry = leaf->pa | leaf->attrs | AMDVI_PR |
			 (leaf->rights & PGW_KERNEL_R ? AMDVI_IR : 0) |
			 (leaf->rights & PGW_KERNEL_W ? AMDVI_IW : 0);

	if ((leaf->attrs & ~attrs) || (leaf->pa & ~X86_ADDR))
		return false;
	if (leaf->attrs & AMDVI_NEXT) {
		if (level > AMDVI_RUN_LEVEL)
			return false;
		entry = (entry & ~X86_ADDR) | amdvi_run_address(leaf->pa, level);
	}
	/* What cannot be said comes out different from what was asked for. */
	if (amdvi_pt_entry_kind(env, entry, level) != PGW_ENTRY_LEAF ||
	    amdvi_pt_rights(env, amdvi_pt_acc_root(env, PGW_REGION_FOREIGN), entry, level) !=
		    leaf->rights)
		return false;
	*ret = entry;
	return true;
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_leaf_resize(const struct pt_env *env, uint64_t entry,
						       unsigned level, uint64_t va,
						       unsigned to_level, bool run)
{
	uint64_t pa = amdvi_pt_leaf_pa(env, entry, level, va) & ~low_bits(X86_SPAN_LG2(to_level));
	uint64_t resized = entry & ~(X86_ADDR | AMDVI_NEXT);

	return run ? resized | AMDVI_NEXT | amdvi_run_address(pa, to_level) : resized | pa;
}

_Static_assert((uint64_t)AMDVI_NEXT_SIZED << AMDVI_NEXT_SHIFT == AMDVI_NEXT, "all bits of it");

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_rights_mask(void)
{
	return AMDVI_IR | AMDVI_IW;
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_leaf_protect(const struct pt_env *env, uint64_t entry,
							uint64_t bits)
{
	(void)env;
	return (entry & ~amdvi_pt_rights_mask()) | bits;
}

/* By DTE.HAD; without it these bits are what software put there. */
static PGW_ALWAYS_INLINE bool amdvi_pt_entry_young(uint64_t entry)
{
	return entry & AMDVI_A;
}

static PGW_ALWAYS_INLINE bool amdvi_pt_entry_dirty(uint64_t entry)
{
	return entry & AMDVI_D;
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_entry_clear(const struct pt_env *env, uint64_t entry,
						       bool young, bool dirty)
{
	(void)env;
	return entry & ~((young ? AMDVI_A : 0) | (dirty ? AMDVI_D : 0));
}

static PGW_ALWAYS_INLINE uint64_t amdvi_pt_entry_combine(const struct pt_env *env, uint64_t entry,
							 uint64_t other)
{
	(void)env;
	return entry | (other & (AMDVI_A | AMDVI_D));
}

#undef pt_env_init
#undef pt_entry_kind
#undef pt_table_pa
#undef pt_addr_mask
#undef pt_leaf_lg2
#undef pt_leaf_pa
#undef pt_entry_advance
#undef pt_acc_root
#undef pt_acc_table
#undef pt_rights
#undef pt_table_encode
#undef pt_leaf_encode
#undef pt_contig_lg2
#undef pt_leaf_resize
#undef pt_rights_mask
#undef pt_leaf_protect
#undef pt_entry_young
#undef pt_entry_dirty
#undef pt_entry_clear
#undef pt_entry_combine
#define pt_env_init amdvi_pt_env_init
#define pt_entry_kind amdvi_pt_entry_kind
#define pt_is_table amdvi_pt_is_table
#define pt_table_pa amdvi_pt_table_pa
#define pt_table_level amdvi_pt_table_level
#define pt_table_slots amdvi_pt_table_slots
#define pt_addr_mask amdvi_pt_addr_mask
#define pt_leaf_lg2 amdvi_pt_leaf_lg2
#define pt_leaf_pa amdvi_pt_leaf_pa
#define pt_entry_advance amdvi_pt_entry_advance
#define pt_acc_root amdvi_pt_acc_root
#define pt_acc_table amdvi_pt_acc_table
#define pt_rights amdvi_pt_rights
#define pt_table_encode amdvi_pt_table_encode
#define pt_leaf_encode amdvi_pt_leaf_encode
#define pt_contig_lg2 amdvi_pt_contig_lg2
#define pt_leaf_resize amdvi_pt_leaf_resize
#define pt_rights_mask amdvi_pt_rights_mask
#define pt_leaf_protect amdvi_pt_leaf_protect
#define pt_entry_young amdvi_pt_entry_young
#define pt_entry_dirty amdvi_pt_entry_dirty
#define pt_entry_clear amdvi_pt_entry_clear
#define pt_entry_combine amdvi_pt_entry_combine

/* The manual numbers its levels from 1. */
static const char *const amdvi_table_names[PGW_MAX_LEVELS] = { "L1", "L2", "L3", "L4", "L5", "L6" };

#define AMDVI_ATTR(attr_name, bits)                                                                \
	{                                                                                          \
		.name = (attr_name), .mask = (bits), .value = (bits), .level_last = 5              \
	}

static const struct pgw_attr amdvi_attrs[] = {
	AMDVI_ATTR("a", AMDVI_A),
	AMDVI_ATTR("d", AMDVI_D),
	AMDVI_ATTR("u", AMDVI_U),
	AMDVI_ATTR("fc", AMDVI_FC),
	{ .name = "sized",
	  .mask = AMDVI_NEXT,
	  .value = (uint64_t)AMDVI_NEXT_SIZED << AMDVI_NEXT_SHIFT,
	  .level_last = 5 },
	{ .name = NULL },
};

#define AMDVI_ATTR_MASK (AMDVI_A | AMDVI_D | AMDVI_NEXT | AMDVI_U | AMDVI_FC | AMDVI_IR | AMDVI_IW)

#endif
