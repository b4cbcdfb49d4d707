/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings are kept, made one where several roots have the same, and told. */
#include "analysis/audit_priv.h"

#include <stdlib.h>
#include <string.h>

struct pgw_audit_finding audit_finding(const struct audit *a, enum pgw_audit_rule rule, size_t root)
{
	const struct audit_root *of = &a->roots[root];
	struct pgw_audit_finding finding = {
		.rule = rule,
		.level = pgw_audit_rule_info(rule)->level,
		.root = &a->list[root],
		.count = 1,
		.nr_roots = 1,
		.is_suspect = of->trust != AUDIT_SURE,
	};

	/* What was freed may have been written by anybody since. */
	if (of->trust == AUDIT_STALE)
		finding.level = PGW_AUDIT_NOTE;
	return finding;
}

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Does b go on where a ends? */
static bool finding_follows(const struct pgw_audit_finding *a, const struct pgw_audit_finding *b)
{
	return a->root == b->root && a->region && a->region == b->region && a->level == b->level &&
	       a->is_suspect == b->is_suspect && b->va_first == a->va_last + 1 && b->va_first &&
	       texts_equal(a->detail, b->detail);
}

static int findings_grow(struct audit *a)
{
	size_t max = a->max_findings ? a->max_findings * 2 : 64;
	void *grown;

	if (a->nr_findings < a->max_findings)
		return 0;
	grown = reallocarray(a->findings, max, sizeof(a->findings[0]));
	if (!grown)
		return -PGW_ENOMEM;
	a->findings = grown;
	a->max_findings = max;
	return 0;
}

int audit_add(struct audit *a, const struct pgw_audit_finding *finding)
{
	size_t before = a->last_of_rule[finding->rule];
	int status;

	if (before && finding_follows(&a->findings[before - 1], finding)) {
		a->findings[before - 1].va_last = finding->va_last;
		a->findings[before - 1].count += finding->count;
		return 0;
	}
	/* Each rule has room of its own: the first ones of a flood do not hide another rule's. */
	if (a->nr_of_rule[finding->rule] == a->args->max_findings) {
		a->sums->full_rules |= UINT32_C(1) << finding->rule;
		return 0;
	}
	status = findings_grow(a);
	if (status)
		return status;
	a->findings[a->nr_findings++] = *finding;
	a->last_of_rule[finding->rule] = a->nr_findings;
	a->nr_of_rule[finding->rule]++;
	return 0;
}

void audit_uncheck(struct audit *a, enum pgw_audit_rule rule, const char *why)
{
	for (size_t i = 0; i < a->nr_unchecked; i++) {
		if (a->unchecked[i].rule == rule && strcmp(a->unchecked[i].why, why) == 0)
			return;
	}
	if (a->nr_unchecked == AUDIT_MAX_UNCHECKED)
		return;
	a->unchecked[a->nr_unchecked].rule = rule;
	a->unchecked[a->nr_unchecked++].why = why;
}

#define COMPARE(x, y) (((x) > (y)) - ((x) < (y)))

/* Equal but for the root: what several roots have. */
static int finding_compare_what(const struct pgw_audit_finding *a,
				const struct pgw_audit_finding *b)
{
	int order = COMPARE(a->rule, b->rule);

	order = order ? order : COMPARE(a->va_first, b->va_first);
	order = order ? order : COMPARE(a->va_last, b->va_last);
	order = order ? order : COMPARE(a->pa, b->pa);
	order = order ? order : COMPARE(a->entry, b->entry);
	order = order ? order : COMPARE(a->count, b->count);
	return order;
}

static int finding_compare(const void *x, const void *y)
{
	const struct pgw_audit_finding *a = x, *b = y;
	int order = finding_compare_what(a, b);

	return order ? order : COMPARE(a->root->root.pa, b->root->root.pa);
}

/* Sort, and make one of what several roots have. */
static void findings_join(struct audit *a)
{
	size_t nr = 0;

	if (a->nr_findings)
		qsort(a->findings, a->nr_findings, sizeof(a->findings[0]), finding_compare);
	for (size_t i = 0; i < a->nr_findings; i++) {
		struct pgw_audit_finding *to = nr ? &a->findings[nr - 1] : NULL;
		const struct pgw_audit_finding *from = &a->findings[i];

		if (!to || finding_compare_what(to, from)) {
			a->findings[nr++] = *from;
			continue;
		}
		to->nr_roots++;
		to->is_suspect &= from->is_suspect;
		if (to->level < from->level)
			to->level = from->level;
	}
	a->nr_findings = nr;
}

int audit_tell(struct audit *a)
{
	int status = 0;

	a->sums->nr_unchecked = a->nr_unchecked;
	for (size_t i = 0; i < a->nr_unchecked && !status && a->args->unchecked; i++)
		status =
			a->args->unchecked(a->unchecked[i].rule, a->unchecked[i].why, a->args->arg);
	findings_join(a);
	for (size_t i = 0; i < a->nr_findings && !status; i++) {
		a->sums->nr_findings++;
		status = a->args->finding(&a->findings[i], a->args->arg);
	}
	return status;
}
