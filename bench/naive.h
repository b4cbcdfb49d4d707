/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_NAIVE_H
#define BENCH_NAIVE_H

/*
 * What one writes on a free afternoon: x86-64, recursive, a table at a time,
 * one call an entry, no rights, no limits. To compare with.
 */

#include <pagewalk/phys.h>

/** A tree, or the half of one: slots first to last of the top table. */
struct naive_tree {
	const struct pgw_phys *phys;
	uint64_t root;
	unsigned top_level;
	unsigned first, last;
};

/** Gets a leaf. */
typedef void naive_fn(uint64_t va, uint64_t pa, unsigned level, uint64_t entry, void *arg);

/** Visit every leaf. */
void naive_walk(const struct naive_tree *tree, naive_fn *fn, void *arg);

/** @return is va mapped? */
bool naive_translate(const struct naive_tree *tree, uint64_t va, uint64_t *ret_pa);

/** Visit every table: its physical address. */
typedef void naive_table_fn(uint64_t pa, void *arg);
void naive_tables(const struct naive_tree *tree, naive_table_fn *fn, void *arg);

#endif
