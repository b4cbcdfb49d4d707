/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_OWNERS_H
#define TOOL_OWNERS_H

/* Which process has which root, where an image says it: one lookup takes no longer the more there are. */

#include "report/record.h"
#include "target.h"

struct owners;

/** @return NULL: no process is known */
struct owners *owners_open(struct target *target);
/** NULL is fine. */
void owners_close(struct owners *owners);

/** @return NULL if owners is */
struct pgw_tasks *owners_tasks(const struct owners *owners);

/**
 * The process with the lowest pid that has the root, or its twin of a KPTI pair.
 * @param owners may be NULL
 * @param ret_nr how many have it
 * @return NULL: none that is known
 */
const struct pgw_task *owners_find(const struct owners *owners, const struct pgw_root_info *root,
				   uint64_t *ret_nr);

/** Its pid and name, if there is one. */
void owners_name(const struct owners *owners, const struct pgw_root_info *root,
		 struct record *record);

#endif
