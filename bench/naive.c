/* SPDX-License-Identifier: BSD-2-Clause */
#include "naive.h"

#define PRESENT UINT64_C(1)
#define LARGE UINT64_C(0x80)
#define ADDRESS UINT64_C(0x000ffffffffff000)
#define SLOTS 512

struct naive {
	const struct pgw_phys *phys;
	naive_fn *fn;
	naive_table_fn *table_fn;
	void *arg;
};

static void walk(const struct naive *naive, uint64_t table, unsigned level, uint64_t va,
		 unsigned first, unsigned last)
{
	uint64_t entries[SLOTS];

	if (pgw_phys_read(naive->phys, table, entries, sizeof(entries)))
		return;
	if (naive->table_fn)
		naive->table_fn(table, naive->arg);
	for (uint64_t i = first; i <= last; i++) {
		uint64_t at = va + (i << (12 + 9 * level)), pa = entries[i] & ADDRESS;

		if (!(entries[i] & PRESENT))
			continue;
		if (level > 0 && !(entries[i] & LARGE))
			walk(naive, pa, level - 1, at, 0, SLOTS - 1);
		else if (naive->fn)
			naive->fn(at, pa, level, entries[i], naive->arg);
	}
}

static void walk_tree(const struct naive *naive, const struct naive_tree *tree)
{
	/* The upper half of the addresses has its upper bits set. */
	uint64_t base =
		tree->first >= SLOTS / 2 ? UINT64_MAX << (12 + 9 * (tree->top_level + 1)) : 0;

	walk(naive, tree->root, tree->top_level, base, tree->first, tree->last);
}

void naive_walk(const struct naive_tree *tree, naive_fn *fn, void *arg)
{
	walk_tree(&(struct naive){ .phys = tree->phys, .fn = fn, .arg = arg }, tree);
}

void naive_tables(const struct naive_tree *tree, naive_table_fn *fn, void *arg)
{
	walk_tree(&(struct naive){ .phys = tree->phys, .table_fn = fn, .arg = arg }, tree);
}

bool naive_translate(const struct naive_tree *tree, uint64_t va, uint64_t *ret_pa)
{
	uint64_t table = tree->root, entry;

	for (unsigned level = tree->top_level;; level--) {
		uint64_t index = (va >> (12 + 9 * level)) & (SLOTS - 1);
		uint64_t in_page = (UINT64_C(1) << (12 + 9 * level)) - 1;

		if (pgw_phys_read(tree->phys, table + 8 * index, &entry, 8) || !(entry & PRESENT))
			return false;
		table = entry & ADDRESS;
		if (level > 0 && !(entry & LARGE))
			continue;
		*ret_pa = (table & ~in_page) | (va & in_page);
		return true;
	}
}
