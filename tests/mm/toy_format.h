/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_TOY_FORMAT_H
#define TESTS_TOY_FORMAT_H

/*
 * A format that no machine has, and that breaks what one might take for granted: two levels
 * of 16 big-endian items of four bytes, one region that is a device's, zero is a leaf, and
 * what is empty differs by level. It is all that a format consists of; see CONTRIBUTING.md.
 *
 *   bit    table         leaf
 *   31     I = 0         I = 0       1: not valid
 *   30     T = 1         T = 0       level 0: reserved
 *   29     -             RO          read-only
 *   28     0             0           reserved
 *   27:0   address >> 6  address >> 6
 */

#include "pt/pt_defs.h"

#define TOY_I BIT(31)
#define TOY_T BIT(30)
#define TOY_RO BIT(29)
#define TOY_RESERVED BIT(28)
#define TOY_ADDR BITS(27, 0)
#define TOY_ADDR_SHIFT 6
#define TOY_GRANULE_LG2 12
#define TOY_SLOTS_LG2 4
#define TOY_SPAN_LG2(level) (TOY_GRANULE_LG2 + TOY_SLOTS_LG2 * (level))

static PGW_ALWAYS_INLINE struct pt_env toy_pt_env_init(const struct pgw_format *format,
						       const struct pgw_control *control)
{
	(void)format;
	return (struct pt_env){
		.table_mask = TOY_I | TOY_T | TOY_RESERVED,
		.table_value = TOY_T,
		.kind_mask = ~TOY_ADDR,
		.leaf_mask = TOY_I | TOY_T | TOY_RESERVED,
		.rights_mask = TOY_RO,
		.ctl = control->set,
	};
}

static PGW_ALWAYS_INLINE uint64_t toy_pt_empty(unsigned level)
{
	return TOY_I | level;
}

static PGW_ALWAYS_INLINE uint64_t toy_pt_addr_mask(const struct pt_env *env, unsigned level)
{
	(void)env;
	return TOY_ADDR & ~low_bits(TOY_SPAN_LG2(level) - TOY_ADDR_SHIFT);
}

static PGW_ALWAYS_INLINE enum pgw_entry_kind toy_pt_entry_kind(const struct pt_env *env,
							       uint64_t entry, unsigned level)
{
	if (entry & TOY_I)
		return entry == toy_pt_empty(level) ? PGW_ENTRY_EMPTY : PGW_ENTRY_ABSENT;
	if (entry & TOY_RESERVED)
		return PGW_ENTRY_MALFORMED;
	if (entry & TOY_T)
		return level ? PGW_ENTRY_TABLE : PGW_ENTRY_MALFORMED;
	return entry & TOY_ADDR & ~toy_pt_addr_mask(env, level) ? PGW_ENTRY_MALFORMED
								: PGW_ENTRY_LEAF;
}

static PGW_ALWAYS_INLINE uint64_t toy_pt_table_pa(const struct pt_env *env, uint64_t entry)
{
	(void)env;
	return (entry & TOY_ADDR) << TOY_ADDR_SHIFT;
}

static PGW_ALWAYS_INLINE uint64_t toy_pt_leaf_pa(const struct pt_env *env, uint64_t entry,
						 unsigned level, uint64_t va)
{
	return (entry & toy_pt_addr_mask(env, level)) << TOY_ADDR_SHIFT |
	       (va & low_bits(TOY_SPAN_LG2(level)));
}

static PGW_ALWAYS_INLINE unsigned toy_pt_leaf_lg2(const struct pt_env *env, uint64_t entry,
						  unsigned level)
{
	(void)env, (void)entry;
	return TOY_SPAN_LG2(level);
}

static PGW_ALWAYS_INLINE uint64_t toy_pt_item_step(unsigned span_lg2)
{
	return BIT(span_lg2 - TOY_ADDR_SHIFT);
}

static PGW_ALWAYS_INLINE uint64_t toy_pt_entry_advance(const struct pt_env *env, uint64_t entry,
						       unsigned level, uint64_t bytes)
{
	(void)env, (void)level;
	return entry + (bytes >> TOY_ADDR_SHIFT);
}

static PGW_ALWAYS_INLINE pt_acc_t toy_pt_acc_root(const struct pt_env *env,
						  enum pgw_region_kind kind)
{
	(void)env, (void)kind;
	return TOY_RO;
}

static PGW_ALWAYS_INLINE uint64_t toy_pt_acc_keep(pt_acc_t acc)
{
	return acc ? UINT64_MAX : 0;
}

static PGW_ALWAYS_INLINE pt_acc_t toy_pt_acc_table(const struct pt_env *env, pt_acc_t acc,
						   uint64_t entry)
{
	(void)env, (void)entry;
	return acc;
}

static PGW_ALWAYS_INLINE uint8_t toy_pt_rights(const struct pt_env *env, pt_acc_t acc,
					       uint64_t entry, unsigned level)
{
	(void)env, (void)acc, (void)level;
	return entry & TOY_RO ? PGW_USER_R : PGW_USER_R | PGW_USER_W;
}

#define pt_env_init toy_pt_env_init
#define pt_entry_kind toy_pt_entry_kind
#define pt_empty toy_pt_empty
#define pt_table_pa toy_pt_table_pa
#define pt_leaf_pa toy_pt_leaf_pa
#define pt_leaf_lg2 toy_pt_leaf_lg2
#define pt_addr_mask toy_pt_addr_mask
#define pt_item_step toy_pt_item_step
#define pt_entry_advance toy_pt_entry_advance
#define pt_acc_root toy_pt_acc_root
#define pt_acc_keep toy_pt_acc_keep
#define pt_acc_table toy_pt_acc_table
#define pt_rights toy_pt_rights

#define PT_READ_ONLY
#define PT_GRANULE_LG2 TOY_GRANULE_LG2
#define PT_SLOTS_LG2 TOY_SLOTS_LG2
#define PT_ITEM_LG2 2
#define PT_MAX_TOP_LEVEL 1

#endif
