/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_STATS_TASKS_H
#define TOOL_STATS_TASKS_H

/* What stats says of processes, where the image tells which there are. */

#include "owners.h"
#include "report/record.h"
#include "target.h"

/** The processes, by their roots. */
struct stats_tasks;

/**
 * @param budget of visits of tables for what is mapped in areas, of all processes together
 * @return NULL: none are known. To be closed with stats_tasks_close()
 */
struct stats_tasks *stats_tasks_open(struct target *target, uint64_t budget);
/** Has the budget run out? Records of processes say so, too. */
bool stats_tasks_cut(const struct stats_tasks *tasks);
/** @return NULL if tasks is */
const struct owners *stats_tasks_owners(const struct stats_tasks *tasks);
/** NULL is fine. */
void stats_tasks_close(struct stats_tasks *tasks);

/** Whose root it is: pid and name, if that is known. */
void stats_tasks_name(const struct stats_tasks *tasks, const struct pgw_root_info *root,
		      struct record *record);
/** A record of the process: its areas, what of them is mapped and how, its tables. */
void stats_tasks_record(struct stats_tasks *tasks, const struct pgw_stats_root *root,
			struct record *record);

/** Items of a list: what larger leaves of this size could map, by what is in the way. */
void stats_bars(struct record *record, uint64_t size, const struct pgw_stats_bar *bars);

#endif
