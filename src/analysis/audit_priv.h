/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_AUDIT_PRIV_H
#define ANALYSIS_AUDIT_PRIV_H

/*
 * An audit: what is known (audit_facts.h), then the tables (audit_tables.c), then the leaves
 * (audit_leaves.c), then what holds for the machine as a whole (audit_machine.c), what virtual
 * machines and devices can reach of it (audit_foreign.c), and what is marked as a table and is none of
 * those (audit_lost.c). Findings are kept, made one where several roots have the same, and told at the end.
 */

#include <pagewalk/audit.h>

#include "analysis/audit_facts.h"
#include "analysis/forest.h"
#include "system/tell.h"

/* Parts of rules that are not checked: a few for each. */
#define AUDIT_MAX_UNCHECKED 64

/* How sure it is that a root is one that is in use. */
enum audit_trust {
	AUDIT_SURE,  /* the kernel's, a CPU's, a task's, or the twin of one */
	AUDIT_LOOKS, /* it looks like a process's */
	AUDIT_STALE, /* it maps no program: freed perhaps */
};

struct audit_root {
	uint32_t table;     /* its own */
	uint8_t trust;      /* enum audit_trust */
	bool is_out;        /* not looked at */
	bool is_efi;        /* the kernel's for calls of firmware (efi_mm) */
	bool shares_kernel; /* its kernel region is the kernel's own root's */
	uint32_t user;      /* its number, or that of the root it makes a pair with */
};

/* What is kept of a table. */
struct audit_table {
	uint64_t owner_va; /* where its owner has it */
	uint32_t owner; /* the root in whose own part it is, as struct audit_root's user; 0: none */
	uint8_t trust;
	bool has_bad;   /* items that are malformed */
	bool is_uneven; /* two items that are not alike; set by whoever asked before */
	bool is_even;   /* all slots have the same item, which gives no right to write */
};

struct audit {
	const struct pgw_audit_args *args;
	struct pgw_audit_sums *sums;
	struct audit_facts facts;
	struct forest forest;
	struct audit_table *tables; /* of the forest's */
	uint64_t max_tables;
	struct pgw_root_info *list; /* the roots of args, then those of tasks beside them */
	size_t nr_list;
	struct audit_root *roots; /* of the list's */
	uint32_t *marks;
	uint32_t mark;
	uint64_t visits_left;
	struct ranges sure_tables, looks_tables; /* frames of tables of such roots */

	struct pgw_audit_finding *findings;
	size_t nr_findings, max_findings;
	uint64_t nr_of_rule[_PGW_AUDIT_RULE_MAX];
	size_t last_of_rule[_PGW_AUDIT_RULE_MAX]; /* index, plus 1 */
	struct {
		enum pgw_audit_rule rule;
		const char *why;
	} unchecked[AUDIT_MAX_UNCHECKED];
	size_t nr_unchecked;
	void *foreign_trees; /* has the roots of findings of audit_foreign() */

	/* Of the kernel's own leaves. */
	bool has_nx, has_global_kernel, has_private_kernel;
};

/* What the root is called that has the finding; level, region and is_suspect follow from it. */
struct pgw_audit_finding audit_finding(const struct audit *audit, enum pgw_audit_rule rule,
				       size_t root);

/*
 * Keep a finding, or let the one before go on if this one follows it.
 * @return 0 (also if there is no room for more of the rule: the sums say so), -PGW_ENOMEM
 */
int audit_add(struct audit *audit, const struct pgw_audit_finding *finding);

/* Say, once, that something is not checked. why is static. */
void audit_uncheck(struct audit *audit, enum pgw_audit_rule rule, const char *why);

/* Tell what is not checked, then the findings. @return 0 or a callback's value */
int audit_tell(struct audit *audit);

/* Table visits between two questions whether to go on. */
#define AUDIT_LOOK_EVERY (UINT64_C(1) << 12)

/* Count a visit of a table. @return 0, -PGW_E2BIG, or what ends the audit */
static inline int audit_visit(struct audit *audit)
{
	if (!audit->visits_left)
		return -PGW_E2BIG;
	return --audit->visits_left % AUDIT_LOOK_EVERY
		       ? 0
		       : image_tell_look(audit->args->image, &audit->forest.look);
}

/* @return 0, what ends the audit (above 0), -PGW_EINVAL, -PGW_ENOMEM; budgets that run out are in sums */
int audit_tables(struct audit *audit);
int audit_leaves(struct audit *audit);
int audit_machine(struct audit *audit);
int audit_foreign(struct audit *audit);
int audit_lost(struct audit *audit);

/* The kernel's own root in the list, which a finding about the machine names. */
bool audit_kernel_root(const struct audit *audit, size_t *ret);

/* Slots of a region in a root's table, inclusive. */
struct audit_slots {
	unsigned first, last;
};

static inline struct audit_slots audit_region_slots(const struct pgw_geometry *geo,
						    const struct pgw_region *region)
{
	unsigned lg2 = geo->span_lg2[geo->top_level];
	uint64_t mask = (UINT64_C(1) << geo->slots_lg2[geo->top_level]) - 1;

	return (struct audit_slots){ (unsigned)(region->first >> lg2 & mask),
				     (unsigned)(region->last >> lg2 & mask) };
}

#endif
