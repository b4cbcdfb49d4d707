/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_AREAS_H
#define TOOL_AREAS_H

/* The areas of one process: what dump --pid goes by. */

#include "target.h"

struct areas {
	uint32_t pid;
	struct pgw_area *list; /* with names of their own */
	size_t nr, size;
	size_t name_bytes; /* of all names */
	bool is_odd;       /* not all of them hold together, or are there */
};

/**
 * Those of the process that --pid names, and its root and half in place of those of the options.
 * @return enum tool_status; to be closed with areas_close() in any case
 */
int areas_open(struct areas *areas, struct target *target, struct options *opts);
void areas_close(struct areas *areas);

/** Tell the attached user mm of them. @return as pgw_mm_give_vma() */
int areas_give(const struct areas *areas, struct target *target);

/** What a dump by areas met. */
struct areas_met {
	uint64_t nr_beyond; /* extents that may be written or executed, though their area may not */
	uint64_t nr_outside; /* extents where no area is */
};

/**
 * What is mapped in each area, behind a line or record of the area, and then what is mapped in none.
 * @param args    first and last bound it; fn gets the extents
 * @return as pgw_dump()
 */
int areas_dump(const struct areas *areas, const struct report *report,
	       const struct pgw_dump_args *args, struct pgw_dump_summary *summary,
	       struct areas_met *met);

#endif
