/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_MARKERS_H
#define TOOL_MARKERS_H

#include <pagewalk/image.h>

/**
 * The file of --markers: lines of ADDRESS [LINES] NAME, in the kernel's order,
 * which is mostly ascending; empty lines and those that begin with # do not
 * count. ADDRESS is hexadecimal, LINES decimal; a NAME begins with something
 * else than a digit.
 */
struct markers {
	struct pgw_marker *list;
	size_t nr;
	char *text; /**< what the names point into */
};

/** @return an enum tool_status, after a message if it is not TOOL_DONE */
int markers_read(const char *path, struct markers *ret);
void markers_free(struct markers *markers);

#endif
