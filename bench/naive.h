/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_NAIVE_H
#define BENCH_NAIVE_H

/*
 * What one writes on a free afternoon: x86-64, recursive, a table at a time,
 * one call an entry, no rights, no limits. To compare with.
 */

#include <pagewalk/phys.h>

/** Gets a leaf. */
typedef void naive_fn(uint64_t va, uint64_t pa, unsigned level, uint64_t entry, void *arg);

/** Visit every leaf of slots first to last of the top table. */
void naive_walk(const struct pgw_phys *phys, uint64_t root, unsigned top_level, unsigned first,
		unsigned last, naive_fn *fn, void *arg);

/** @return is va mapped? */
bool naive_translate(const struct pgw_phys *phys, uint64_t root, unsigned top_level, uint64_t va,
		     uint64_t *ret_pa);

/** Visit every table: its physical address. */
typedef void naive_table_fn(uint64_t pa, void *arg);
void naive_tables(const struct pgw_phys *phys, uint64_t root, unsigned top_level, unsigned first,
		  unsigned last, naive_table_fn *fn, void *arg);

#endif
