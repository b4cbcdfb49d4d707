/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_AUDIT_BASELINE_H
#define TOOL_AUDIT_BASELINE_H

/*
 * Findings that are known: a file of lines, one a finding, that says what and where it is: RULE
 * REGION PLACE+SIZE. The place is an address, or if the kernel has a name for it @NAME+OFFSET, which
 * is the same after the next start.
 */

#include <pagewalk/audit.h>
#include <pagewalk/symbols.h>

#include "new_file.h"

#define BASELINE_KEY 1400 /* bytes that a line takes */

struct audit_baseline {
	char *bytes;
	const char **lines; /**< sorted */
	size_t nr;
	struct new_file new; /**< what is written, if writes */
	bool writes;
};

/** @return enum tool_status; after a message if it is not TOOL_DONE. To be closed in any case */
int audit_baseline_open(struct audit_baseline *baseline, const char *path);
void audit_baseline_close(struct audit_baseline *baseline);

/** The finding's line, without a newline. @param symbols or NULL */
void audit_baseline_key(const struct pgw_symbols *symbols, const struct pgw_audit_finding *finding,
			char key[BASELINE_KEY]);

bool audit_baseline_has(const struct audit_baseline *baseline, const char *key);

/** Begin one. @return false after a message */
bool audit_baseline_create(struct audit_baseline *baseline, const char *path, bool replaces);
bool audit_baseline_add(struct audit_baseline *baseline, const char *key);
/** @return false after a message: nothing is left of it */
bool audit_baseline_commit(struct audit_baseline *baseline);

#endif
