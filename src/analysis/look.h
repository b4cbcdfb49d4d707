/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_LOOK_H
#define ANALYSIS_LOOK_H

/* What is to be seen of a leaf whatever happened to it: all but that it was accessed or written. */

#include <string.h>

#include <pagewalk/format.h>

/* The bits of entries, by level. */
static inline void look_masks(const struct pgw_format *format, uint64_t mask[PGW_MAX_LEVELS])
{
	for (unsigned level = 0; level <= pgw_format_geometry(format)->top_level; level++) {
		mask[level] = pgw_format_attr_mask(format, level);
		for (const struct pgw_attr *attr = pgw_format_attrs(format); attr->name; attr++) {
			if (strcmp(attr->name, "a") == 0 || strcmp(attr->name, "af") == 0 ||
			    strcmp(attr->name, "d") == 0)
				mask[level] &= ~attr->mask;
		}
	}
}

#endif
