/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_AUDIT_SARIF_H
#define TOOL_AUDIT_SARIF_H

/*
 * An audit as SARIF 2.1.0 (OASIS), which what shows or keeps findings of other tools reads: one run,
 * the rules, what is not checked as notifications of the tool, then the findings.
 */

#include <pagewalk/audit.h>

#include "report/json_put.h"

struct sarif {
	struct json json;
	const char *image; /**< its path */
	bool has_results;  /**< they have begun */
};

/** How a finding stands beside what is known. */
struct sarif_standing {
	enum pgw_audit_level level;
	const char *key;   /**< that finds it again */
	bool has_baseline; /**< there is one; is_known then says whether the finding is in it */
	bool is_known;
	bool is_allowed;
	const char *reason; /**< why it is; or NULL */
};

void sarif_begin(struct sarif *sarif, struct out *out, const char *image);
/** All of these come before any finding. */
void sarif_unchecked(struct sarif *sarif, enum pgw_audit_rule rule, const char *why);
void sarif_finding(struct sarif *sarif, const struct pgw_audit_finding *finding,
		   const struct sarif_standing *standing);
/** @param is_whole all could be looked at */
void sarif_end(struct sarif *sarif, bool is_whole);

#endif
