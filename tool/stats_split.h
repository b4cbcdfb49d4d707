/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_STATS_SPLIT_H
#define TOOL_STATS_SPLIT_H

/* For whom the kernel's direct map was split. */

#include "report/record.h"
#include "target.h"

/** There is more than is told, which was said. */
#define STATS_SPLIT_CUT 4

/**
 * A list of a record: the parts of the direct map that have other rights than most of it, by what
 * the kernel has there, as far as symbols, modules or its own table of boundaries tell.
 * @return 0, STATS_SPLIT_CUT, or negative: as pgw_stats_direct_pieces()
 */
int stats_split(struct target *target, struct pgw_mm *mm, const struct pgw_root_info *root,
		const struct pgw_stats_direct *direct, struct record *record);

#endif
