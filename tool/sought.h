/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_SOUGHT_H
#define TOOL_SOUGHT_H

/* What find looks for: some memory, or that which an address of the kernel or of a process maps. */

#include "target.h"

struct sought {
	const char *text; /**< of the command line */
	bool is_address;  /**< @NAME or PID:VA: va is meant, and leads to one byte */
	bool has_pid;
	uint32_t pid;
	uint64_t va;
	uint64_t root_pa; /**< of an address: whose it is */
	uint64_t pa_first;
	uint64_t pa_last; /**< inclusive */
};

/** Read PA, FIRST-LAST, FIRST+SIZE, PID:VA or @NAME. @return false after a message */
bool sought_parse(const char *text, struct sought *ret);

/**
 * Find what an address leads to.
 * @return enum tool_status; after a message, if it is not TOOL_DONE: TOOL_FINDING if it leads to
 *         no memory
 */
int sought_resolve(struct sought *sought, struct target *target, const struct options *opts);

#endif
