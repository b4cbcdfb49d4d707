/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_SANDBOX_FILTER_H
#define TOOL_SANDBOX_FILTER_H

/*
 * The filter of system calls, as sandbox_filter.c made it when this was built, or the empty one of
 * sandbox_filter_none.c.
 */

#include <linux/filter.h>

extern const struct sock_filter sandbox_filter[];
extern const unsigned short sandbox_filter_nr; /**< 0: there is none */
/** What stands in it for the number of the process that it is for. */
extern const unsigned sandbox_filter_own_pid;

#endif
