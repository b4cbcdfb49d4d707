/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_STATS_COUNTED_H
#define TOOL_STATS_COUNTED_H

/* What Linux counts as its page tables: PageTables of /proc/meminfo. */

#include "owners.h"
#include "report/record.h"
#include "spaces.h"
#include "target.h"

/**
 * A record, if the kernel's struct pages can be read. PageTables has each page that the kernel has marked
 * as a table, no other, and lags behind by what CPUs have not yet passed on. Such pages are tables that roots
 * lead to, and one for each transparent huge page, put aside for the time when it is split.
 * @param owners NULL: processes are not known
 * @return 0, TARGET_STOPPED, -PGW_E2BIG (too many tables: there is no record), or other negative ones:
 *         as pgw_table_users_new()
 */
int stats_counted(struct target *target, const struct spaces *spaces, const struct owners *owners,
		  uint64_t budget, struct record *record);

#endif
