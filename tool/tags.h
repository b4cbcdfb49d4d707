/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_TAGS_H
#define TOOL_TAGS_H

/* Which bits of a pointer the CPU ignores: what --tags can say, and what follows. */

#include <pagewalk/format.h>

#include "report/report.h"

/** A scheme of tags, of the architecture whose control bits it has. */
struct tags {
	const char *name;
	const char *arch; /**< NULL: any */
	uint32_t set;     /**< control bits */
};

/** All schemes; a NULL name ends them. */
extern const struct tags tags_list[];

/** Take the scheme for known. Pre: it is of the format's architecture. */
void tags_apply(const struct tags *tags, const struct pgw_format *format,
		struct pgw_control *control);

/**
 * Fill in what is about the tag of translation->va.
 * @param control what is known, not complete
 */
void tags_look(const struct pgw_format *format, const struct pgw_control *control,
	       struct report_translation *translation);

#endif
