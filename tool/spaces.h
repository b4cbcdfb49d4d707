/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_SPACES_H
#define TOOL_SPACES_H

/* All address spaces of an image: its roots, and the tables of virtual machines and devices. */

#include "report/record.h"
#include "target.h"

struct spaces {
	struct pgw_root_info *roots; /**< the image's own ones, ascending; then the others, each once */
	size_t nr, nr_own;
	const struct pgw_foreign **whose; /**< of roots[nr_own + i]: the first that has it */
	uint64_t *nr_users;               /**< ... and how many have it */
	uint64_t nr_pass_through; /**< devices that reach all memory, without tables */
	uint64_t nr_unknown;      /**< those whose tables are not read */
	bool is_incomplete;       /**< virtual machines and devices were looked for in vain, which was said */
};

/**
 * Find them. Of a machine that runs, those of virtual machines and devices are not looked for, which is
 * said.
 * @param with_foreign else the image's own roots alone
 * @param ret to be closed with spaces_close() also on failure
 * @return 0, or negative: as pgw_image_roots()
 */
int spaces_open(struct target *target, bool with_foreign, struct spaces *ret);
void spaces_close(struct spaces *spaces);

/** Whose a root is, if it is a virtual machine's or a device's. @return NULL: neither */
const struct pgw_foreign *spaces_whose(const struct spaces *spaces, size_t index);
/** "vm" or "device", and how many have the root. */
void spaces_record(const struct spaces *spaces, size_t index, struct record *record);

#endif
