/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_REGIONS_H
#define TOOL_REGIONS_H

/* What the kernel uses its addresses for. */

#include "target.h"

/** Addresses of one region, ascending, disjoint. */
struct regions {
	struct regions_span {
		uint64_t first, last; /**< inclusive */
	} * spans;
	size_t nr;
};

/**
 * Read the kernel's layout; with --regions the report says it of each line, and with --region those
 * of that name are chosen.
 * @param ret to be freed with regions_free() in any case
 * @return enum tool_status
 */
int regions_get(struct target *target, const struct options *opts, struct report *report,
		struct regions *ret);
void regions_free(struct regions *regions);

/** Dump the regions, as far as args has their addresses. @return as pgw_dump() */
int regions_dump(const struct regions *regions, const struct pgw_dump_args *args,
		 struct pgw_dump_summary *summary);

#endif
