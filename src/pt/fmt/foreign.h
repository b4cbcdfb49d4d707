/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_FMT_FOREIGN_H
#define PT_FMT_FOREIGN_H

/* What the tables of hypervisors and IOMMUs have in common. */

#include "pt/pt_defs.h"

/** The one region of a root that maps 2^bits addresses. */
#define PT_REGION_FOREIGN(region_name, bits, first_actor, second_actor)                            \
	((const struct pgw_region[]){ { .name = (region_name),                                     \
					.last = BITS((bits)-1, 0),                                 \
					.kind = PGW_REGION_FOREIGN,                                \
					.actor = { (first_actor), (second_actor) } },              \
				      { .name = NULL } })

/** All bits of such an address count. */
static PGW_MAYBE_UNUSED uint64_t foreign_tag_bits(const struct pgw_geometry *geo,
						  const struct pgw_control *control, uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

static PGW_MAYBE_UNUSED const struct pgw_control_bit foreign_no_controls[] = { { .name = NULL } };
static PGW_MAYBE_UNUSED const struct pgw_later_bits foreign_no_later_bits[] = { { .bits = NULL } };

#endif
