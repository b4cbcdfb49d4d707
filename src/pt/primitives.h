/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_PRIMITIVES_H
#define PT_PRIMITIVES_H

/*
 * The format's primitives are checked against these prototypes: a missing one
 * or a wrong signature is an error. Included after the format's header.
 */

#include "pt/pt_defs.h"

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
static uint64_t pt_table_encode(const struct pt_env *env, uint64_t pa, enum pgw_region_kind kind);
static bool pt_leaf_encode(const struct pt_env *env, const struct pgw_leaf *leaf, uint64_t *ret);

/* For edits only. */
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
