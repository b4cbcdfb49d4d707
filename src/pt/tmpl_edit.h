/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_H
#define PT_TMPL_EDIT_H

/*
 * Changes to owned tables, one leaf at a time. Safe against others that map
 * and unmap elsewhere in the same tree: a table is installed by
 * compare-and-swap, and no table is freed but by pt_free_tables().
 */

#include "pt/loader.h"

/**
 * Put a fresh table into an empty item; if another thread was faster, use its.
 * @param seen in: 0; out: the item's entry
 */
static int edit_install(const struct pt *pt, const struct pgw_platform *platform, uint64_t *item,
			unsigned level, enum pgw_half half, uint64_t *seen)
{
	size_t size = pt_table_size(&pt->format->geometry, level - 1);
	void *table = platform->table_alloc(platform->ctx, size);
	uint64_t pa = (uint64_t)(uintptr_t)table - pt->host_offset;
	uint64_t entry = pt_table_encode(pa, half);
	struct pt_env env = pt_env_init(&pt->control);

	if (!table)
		return -PGW_ENOMEM;
	if (pt_table_pa(entry) != pa || pt_entry_kind(&env, entry, level) != PGW_ENTRY_TABLE) {
		platform->table_free(platform->ctx, table, size);
		return -PGW_EOVERFLOW;
	}
	/* acq_rel: release what the table holds; acquire the winner's, if we lose. */
	if (__atomic_compare_exchange_n(item, seen, entry, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		*seen = entry;
	else
		platform->table_free(platform->ctx, table, size);
	return 0;
}

static int pt_map_leaf(const struct pt *pt, const struct pgw_platform *platform,
		       const struct pgw_leaf *leaf)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(&pt->control);
	uint64_t table_pa = pt->root_pa, entry, expected = 0;
	enum pgw_half half;
	uint64_t *item;

	if (!pt_leaf_encode(&env, leaf, &entry))
		return -PGW_EOPNOTSUPP;
	if (!pt_va_half(pt->format, leaf->va, &half))
		return -PGW_EINVAL;
	/* A kernel half's tables keep users out, whatever a leaf says. */
	if (half == PGW_HALF_KERNEL && (leaf->rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X)))
		return -PGW_EOPNOTSUPP;
	for (unsigned level = geo->top_level; level > leaf->level; level--) {
		uint64_t seen;
		int err;

		item = pt_host_table(pt, table_pa) + pt_index(geo, leaf->va, level);
		seen = pt_owner_item(item);
		if (!seen) {
			err = edit_install(pt, platform, item, level, half, &seen);
			if (err)
				return err;
		}
		if (pt_entry_kind(&env, seen, level) != PGW_ENTRY_TABLE)
			return -PGW_EEXIST;
		table_pa = pt_table_pa(seen);
	}
	item = pt_host_table(pt, table_pa) + pt_index(geo, leaf->va, leaf->level);
	if (!__atomic_compare_exchange_n(item, &expected, entry, false, __ATOMIC_RELEASE,
					 __ATOMIC_RELAXED))
		return -PGW_EEXIST;
	return 0;
}

static int pt_unmap_leaf(const struct pt *pt, uint64_t va, uint8_t *ret_lg2)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(&pt->control);
	uint64_t table_pa = pt->root_pa;

	for (unsigned level = geo->top_level;; level--) {
		uint64_t *item = pt_host_table(pt, table_pa) + pt_index(geo, va, level);
		uint64_t entry = pt_owner_item(item);
		enum pgw_entry_kind kind = pt_entry_kind(&env, entry, level);

		if (kind == PGW_ENTRY_TABLE) {
			table_pa = pt_table_pa(entry);
			continue;
		}
		if (kind != PGW_ENTRY_LEAF)
			return -PGW_ENOENT;
		/* An exchange, because hardware may set A and D meanwhile. */
		__atomic_exchange_n(item, 0, __ATOMIC_ACQ_REL);
		*ret_lg2 = (uint8_t)pt_leaf_lg2(entry, level);
		return 0;
	}
}

/* Post-order over the tree, with the path in place of a stack. */
static void pt_free_tables(const struct pt *pt, const struct pgw_platform *platform)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(&pt->control);
	struct {
		uint64_t *table;
		size_t index;
	} path[PGW_MAX_LEVELS];
	unsigned level = geo->top_level;

	path[level].table = pt_host_table(pt, pt->root_pa);
	path[level].index = 0;
	for (;;) {
		size_t nr = (size_t)1 << geo->slots_lg2[level];
		uint64_t entry;

		if (path[level].index == nr || level == 0) {
			platform->table_free(platform->ctx, path[level].table,
					     pt_table_size(geo, level));
			if (level == geo->top_level)
				return;
			level++;
			continue;
		}
		entry = path[level].table[path[level].index++];
		if (pt_entry_kind(&env, entry, level) != PGW_ENTRY_TABLE)
			continue;
		level--;
		path[level].table = pt_host_table(pt, pt_table_pa(entry));
		path[level].index = 0;
	}
}

#endif
