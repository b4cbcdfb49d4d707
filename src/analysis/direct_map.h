/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_DIRECT_MAP_H
#define ANALYSIS_DIRECT_MAP_H

/* Where a kernel maps its memory one to one. */

#include <pagewalk/image.h>
#include <pagewalk/mm.h>

struct direct_map {
	bool is_found;
	uint64_t distance; /* va - pa, modulo 2^64, that most memory has */
	uint64_t first;    /* of the first and the last piece of it, short ones aside */
	uint64_t last;     /* inclusive */
};

/*
 * @param mm a kernel mm
 * @return as pgw_scan(); also -PGW_ENOMEM. *ret is set in any case, by what was met until then
 */
int direct_map_find(const struct pgw_image *image, struct pgw_mm *mm, struct direct_map *ret)
	PGW_REQUIRES_SHARED(mm);

#endif
