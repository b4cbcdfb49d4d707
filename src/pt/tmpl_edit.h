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
	struct pt_env env = pt_env_init(pt->format, &pt->control);
	uint64_t entry = pt_table_encode(&env, pa, half);

	if (!table)
		return -PGW_ENOMEM;
	if (pt_table_pa(&env, entry) != pa || pt_entry_kind(&env, entry, level) != PGW_ENTRY_TABLE) {
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

/* The items of one leaf: one, or those of a contiguous run. */
static unsigned edit_nr_items(const struct pgw_geometry *geo, unsigned leaf_lg2, unsigned level)
{
	return 1u << (leaf_lg2 - geo->span_lg2[level]);
}

/* Write a leaf's items, all or none. */
static int edit_set_leaf(const struct pt_env *env, uint64_t *items, unsigned nr, unsigned span_lg2,
			 uint64_t entry, unsigned level)
{
	for (unsigned i = 0; i < nr; i++) {
		uint64_t expected = 0;

		if (__atomic_compare_exchange_n(
			    &items[i], &expected,
			    pt_entry_advance(env, entry, level, (uint64_t)i << span_lg2), false,
			    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			continue;
		while (i--)
			__atomic_store_n(&items[i], 0, __ATOMIC_RELAXED);
		return -PGW_EEXIST;
	}
	return 0;
}

/* Descend to the table of a level, making the tables on the way. */
static int edit_descend(const struct pt *pt, const struct pgw_platform *platform, uint64_t va,
			unsigned to_level, uint64_t **ret_table)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(pt->format, &pt->control);
	uint64_t *table = pt_host_table(pt, pt->root_pa);

	for (unsigned level = geo->top_level; level > to_level; level--) {
		uint64_t *item = table + pt_index(geo, va, level);
		uint64_t seen = pt_owner_item(item);
		int err;

		if (!seen) {
			err = edit_install(pt, platform, item, level, pt_half_of(va), &seen);
			if (err)
				return err;
		}
		if (pt_entry_kind(&env, seen, level) != PGW_ENTRY_TABLE)
			return -PGW_EEXIST;
		table = pt_host_table(pt, pt_table_pa(&env, seen));
	}
	*ret_table = table;
	return 0;
}

static int pt_map_leaf(const struct pt *pt, const struct pgw_platform *platform,
		       const struct pgw_leaf *leaf)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(pt->format, &pt->control);
	uint64_t entry, *table;
	unsigned leaf_lg2;
	int err;

	if (!pt_leaf_encode(&env, leaf, &entry))
		return -PGW_EOPNOTSUPP;
	/* A kernel half's tables keep users out, whatever a leaf says. */
	if (pt_half_of(leaf->va) == PGW_HALF_KERNEL &&
	    (leaf->rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X)))
		return -PGW_EOPNOTSUPP;
	leaf_lg2 = pt_leaf_lg2(&env, entry, leaf->level);
	if ((leaf->va | leaf->pa) & low_bits(leaf_lg2))
		return -PGW_EINVAL;
	err = edit_descend(pt, platform, leaf->va, leaf->level, &table);
	if (err)
		return err;
	return edit_set_leaf(&env, table + pt_index(geo, leaf->va, leaf->level),
			     edit_nr_items(geo, leaf_lg2, leaf->level), geo->span_lg2[leaf->level],
			     entry, leaf->level);
}

static int pt_unmap_leaf(const struct pt *pt, uint64_t va, uint8_t *ret_lg2)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(pt->format, &pt->control);
	uint64_t *table = pt_host_table(pt, pt->root_pa);

	for (unsigned level = geo->top_level;; level--) {
		uint64_t entry = pt_owner_item(table + pt_index(geo, va, level));
		enum pgw_entry_kind kind = pt_entry_kind(&env, entry, level);
		unsigned leaf_lg2;

		if (kind == PGW_ENTRY_TABLE) {
			table = pt_host_table(pt, pt_table_pa(&env, entry));
			continue;
		}
		if (kind != PGW_ENTRY_LEAF)
			return -PGW_ENOENT;
		leaf_lg2 = pt_leaf_lg2(&env, entry, level);
		table += pt_index(geo, va & ~low_bits(leaf_lg2), level);
		/* Exchanges, because hardware may set A and D meanwhile. */
		for (unsigned i = 0; i < edit_nr_items(geo, leaf_lg2, level); i++)
			__atomic_exchange_n(&table[i], 0, __ATOMIC_ACQ_REL);
		*ret_lg2 = (uint8_t)leaf_lg2;
		return 0;
	}
}

/* Post-order over the tree, with the path in place of a stack. */
static void pt_free_tables(const struct pt *pt, const struct pgw_platform *platform)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(pt->format, &pt->control);
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
		path[level].table = pt_host_table(pt, pt_table_pa(&env, entry));
		path[level].index = 0;
	}
}

#endif
