/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_PRIMITIVES_H
#define PT_PRIMITIVES_H

/*
 * The format's primitives are checked against these prototypes: a missing one
 * or a wrong signature is an error. Included after the format's header.
 */

#include "pt/pt_defs.h"

/* What most formats have in common; others define their own. */

#ifndef PT_ITEM_LG2
#define PT_ITEM_LG2 3
#endif

/** log2 of what an item spans; of the level above the top, of what the root does. */
#ifndef PT_SPAN_LG2
#define PT_SPAN_LG2(level) (PT_GRANULE_LG2 + PT_SLOTS_LG2 * (level))
#endif

/** log2 of the slots of a table below the top. */
#define PT_SLOTS_LG2_AT(level) (PT_SPAN_LG2((level) + 1) - PT_SPAN_LG2(level))

/** The item of a table below the top for va. */
static PGW_ALWAYS_INLINE PGW_MAYBE_UNUSED uint64_t translate_item_pa(uint64_t table_pa, uint64_t va,
								     unsigned level)
{
	return table_pa + ((va >> (PT_SPAN_LG2(level) - PT_ITEM_LG2)) &
			   (low_bits(PT_SLOTS_LG2_AT(level)) << PT_ITEM_LG2));
}

#ifndef pt_empty
static PGW_ALWAYS_INLINE PGW_MAYBE_UNUSED uint64_t pt_empty(unsigned level)
{
	(void)level;
	return 0;
}
#endif

/*
 * Bit 0 says "valid" or "present" in all that can be edited, and what is frozen is something else.
 */
#ifndef PT_GUARD
#define PT_GUARD (UINT64_C(0x6472617567) << 8) /* "guard" */
#endif

#ifndef PT_RUN_OF_COPIES
#define PT_RUN_OF_COPIES 0
#endif

#ifndef pt_is_table
static PGW_ALWAYS_INLINE PGW_MAYBE_UNUSED bool pt_is_table(const struct pt_env *env, uint64_t entry,
							   unsigned level)
{
	(void)level;
	return (entry & env->table_mask) == env->table_value;
}
#endif

/* A constant: where all tables are whole, nobody asks for their slots. */
#ifndef pt_table_level
static PGW_ALWAYS_INLINE PGW_MAYBE_UNUSED unsigned pt_table_level(const struct pt_env *env,
								  uint64_t entry, unsigned level)
{
	(void)env, (void)entry;
	return level - 1;
}
#endif

#ifdef pt_table_slots
#define PT_HAS_PARTS 1
static void pt_table_slots(const struct pt_env *env, uint64_t entry, unsigned level,
			   unsigned *ret_first, unsigned *ret_last);
#else
#define PT_HAS_PARTS 0
static PGW_ALWAYS_INLINE PGW_MAYBE_UNUSED void pt_table_slots(const struct pt_env *env,
							      uint64_t entry, unsigned level,
							      unsigned *ret_first,
							      unsigned *ret_last)
{
	(void)env, (void)entry;
	*ret_first = 0;
	*ret_last = (1u << PT_SLOTS_LG2_AT(level - 1)) - 1;
}
#endif

/* What serves owners alone is left out of formats that nobody owns tables of. */
#ifdef PT_READ_ONLY
#define PT_CAN_BE_OWNED 0
#else
#define PT_CAN_BE_OWNED 1
#endif

static struct pt_env pt_env_init(const struct pgw_format *format,
				 const struct pgw_control *control);
static enum pgw_entry_kind pt_entry_kind(const struct pt_env *env, uint64_t entry, unsigned level);
static uint64_t pt_table_pa(const struct pt_env *env, uint64_t entry);
static uint64_t pt_leaf_pa(const struct pt_env *env, uint64_t entry, unsigned level, uint64_t va);
static unsigned pt_leaf_lg2(const struct pt_env *env, uint64_t entry, unsigned level);
static uint64_t pt_addr_mask(const struct pt_env *env, unsigned level);
static uint64_t pt_item_step(unsigned span_lg2);
static uint64_t pt_entry_advance(const struct pt_env *env, uint64_t entry, unsigned level,
				 uint64_t bytes);
static pt_acc_t pt_acc_root(const struct pt_env *env, enum pgw_region_kind kind);
static uint64_t pt_acc_keep(pt_acc_t acc);
static pt_acc_t pt_acc_table(const struct pt_env *env, pt_acc_t acc, uint64_t entry);
static uint8_t pt_rights(const struct pt_env *env, pt_acc_t acc, uint64_t entry, unsigned level);
#ifndef PT_READ_ONLY
static uint64_t pt_table_encode(const struct pt_env *env, uint64_t pa, unsigned level,
				enum pgw_region_kind kind);
static bool pt_leaf_encode(const struct pt_env *env, const struct pgw_leaf *leaf, uint64_t *ret);

/* For edits only, as the two above. */
static unsigned pt_contig_lg2(const struct pt_env *env, unsigned level);
static uint64_t pt_leaf_resize(const struct pt_env *env, uint64_t entry, unsigned level,
			       uint64_t va, unsigned to_level, bool run);
static uint64_t pt_rights_mask(void);
static uint64_t pt_leaf_protect(const struct pt_env *env, uint64_t entry, uint64_t bits);
static bool pt_entry_young(uint64_t entry);
static bool pt_entry_dirty(uint64_t entry);
static uint64_t pt_entry_clear(const struct pt_env *env, uint64_t entry, bool young, bool dirty);
static uint64_t pt_entry_combine(const struct pt_env *env, uint64_t entry, uint64_t other);
static bool pt_needs_break(const struct pt_env *env, uint64_t old, uint64_t new);
static uint64_t pt_frozen(void);
#endif

#endif
