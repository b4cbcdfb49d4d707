/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_AUDIT_POLICY_H
#define TOOL_AUDIT_POLICY_H

/*
 * What of an audit counts, and how much: a file of JSON, read by jansson. pagewalk-audit(1) has the
 * form.
 */

#include <pagewalk/audit.h>
#include <pagewalk/symbols.h>

/** Of a rule that the policy does not name. */
#define POLICY_AS_IT_IS _PGW_AUDIT_LEVEL_MAX
/** Of a rule that it turns off. */
#define POLICY_OFF (_PGW_AUDIT_LEVEL_MAX + 1)

/** Findings that are allowed: those for which all holds that is given. */
struct policy_allow {
	int rule;                             /**< enum pgw_audit_rule; -1 = any */
	const char *region, *symbol, *reason; /**< or NULL */
	uint64_t first, last;
};

struct audit_policy {
	int level[_PGW_AUDIT_RULE_MAX]; /**< enum pgw_audit_level, POLICY_AS_IT_IS or POLICY_OFF */
	struct policy_allow *allow;
	size_t nr_allow;
	void *json; /**< whose texts those are */
};

/** The rule that a text names, or -1. */
int audit_rule_by_id(const char *id, size_t len);

/** @return enum tool_status; after a message if it is not TOOL_DONE. To be closed in any case */
int audit_policy_open(struct audit_policy *policy, const char *path);
void audit_policy_close(struct audit_policy *policy);

/** The level that a finding gets; POLICY_OFF: it is not told. */
int audit_policy_level(const struct audit_policy *policy, const struct pgw_audit_finding *finding);

/**
 * @param symbols or NULL: what is allowed by a symbol is not
 * @return what allows it, or NULL
 */
const struct policy_allow *audit_policy_allows(const struct audit_policy *policy,
					       const struct pgw_symbols *symbols,
					       const struct pgw_audit_finding *finding);

#endif
