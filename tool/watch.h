/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WATCH_H
#define WATCH_H

/* --watch: a command once more every few seconds, and what changed of its answer. */

#include "command.h"

/**
 * Each round is a process of its own: what it takes of memory goes with it, and a machine that it
 * stopped runs.
 * @param is_by_lines each line of the answer stands for itself: those that went and came are shown;
 *        else the whole answer is, once something changed
 * @return enum tool_status: of a round that failed, else of the last
 */
int watch_run(const struct command *command, const struct options *opts, bool is_by_lines);

#endif
