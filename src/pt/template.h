/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TEMPLATE_H
#define PT_TEMPLATE_H

/*
 * Included once by each inst_<format>.c after the format's header: compiles
 * the algorithms for it. The format's primitives are checked against these
 * prototypes, a missing one or a wrong signature is an error.
 */

#include "pt/pt_defs.h"

static struct pt_env pt_env_init(const struct pgw_control *control);
static enum pgw_entry_kind pt_entry_kind(const struct pt_env *env, uint64_t entry, unsigned level);
static uint64_t pt_table_pa(uint64_t entry);
static uint64_t pt_leaf_pa(uint64_t entry, unsigned level);
static unsigned pt_leaf_lg2(uint64_t entry, unsigned level);
static uint64_t pt_addr_mask(unsigned level);
static pt_acc_t pt_acc_root(const struct pt_env *env);
static pt_acc_t pt_acc_table(pt_acc_t acc, uint64_t entry);
static uint8_t pt_rights(const struct pt_env *env, pt_acc_t acc, uint64_t entry, unsigned level);
static uint64_t pt_table_encode(uint64_t pa, enum pgw_half half);
static bool pt_leaf_encode(const struct pt_env *env, const struct pgw_leaf *leaf, uint64_t *ret);

#include "pt/tmpl_decode.h"
#include "pt/tmpl_edit.h"
#include "pt/tmpl_scan.h"
#include "pt/tmpl_translate.h"
#include "pt/tmpl_walk.h"

/* What a format's struct pgw_format takes from here. */
static const struct pt_ops pt_reader_ops = {
	.scan = pt_scan_reader,
	.translate = pt_translate_reader,
	.walk = pt_walk,
};

static const struct pt_ops pt_owner_ops = {
	.scan = pt_scan_owner,
	.translate = pt_translate_owner,
	.walk = pt_walk,
};

static const struct pt_edit_ops pt_edit_ops = {
	.map_leaf = pt_map_leaf,
	.unmap_leaf = pt_unmap_leaf,
	.free_tables = pt_free_tables,
};

#endif
