/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_DIFF_WATCH_H
#define TOOL_DIFF_WATCH_H

#include "options.h"

/**
 * diff of a machine that runs and itself, some seconds later, again and again: what its tables were and
 * are, each of one moment, as snapshot copies them into a folder of temporary files.
 * @return enum tool_status; of the last comparison
 */
int diff_watch(const struct options *opts);

#endif
