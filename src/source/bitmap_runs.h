/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_BITMAP_RUNS_H
#define SOURCE_BITMAP_RUNS_H

/*
 * Bitmaps of pages whose lowest bit comes first in each byte, behind which dumps have those pages,
 * in order, as they are.
 */

#include "source/source_priv.h"

/** A run of bits that are set. Not 0 ends the look, which returns the value. */
typedef int source_bitmap_fn(uint64_t first, uint64_t nr, void *arg);

/** All runs, ascending, each as long as it is. @return 0, fn's value, or -PGW_EIO */
int source_bitmap_runs(const struct source_map *map, uint64_t offset, uint64_t nr_bits,
		       source_bitmap_fn *fn, void *arg);

#endif
