/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds for the machine as a whole: what is off that could keep faults harmless. */
#include "analysis/audit_priv.h"

/* A control bit of the roots' registers. */
struct control_rule {
	enum pgw_audit_rule rule;
	enum audit_arch arch;
	uint32_t bit;
	const char *why; /* it is not checked */
};

static const struct control_rule control_rules[] = {
	{ PGW_AUDIT_NO_SMEP, AUDIT_X86_64, PGW_CTL_X86_SMEP, "the image does not have CR4" },
	{ PGW_AUDIT_NO_WP, AUDIT_X86_64, PGW_CTL_X86_WP, "the image does not have CR0" },
	{ PGW_AUDIT_NO_WXN, AUDIT_ARM64, PGW_CTL_ARM64_WXN, "the image does not have SCTLR_EL1" },
};

/* The first root that a CPU has and whose register has the bit clear tells. */
static int control_check(struct audit *a, const struct control_rule *rule)
{
	bool is_known = false;

	for (size_t i = 0; i < a->nr_list; i++) {
		const struct pgw_control *control = &a->list[i].control;
		struct pgw_audit_finding finding;

		if (a->roots[i].is_out || !a->list[i].cpus || !(control->known & rule->bit))
			continue;
		is_known = true;
		if (control->set & rule->bit)
			continue;
		finding = audit_finding(a, rule->rule, i);
		return audit_add(a, &finding);
	}
	if (!is_known)
		audit_uncheck(a, rule->rule, rule->why);
	return 0;
}

bool audit_kernel_root(const struct audit *a, size_t *ret)
{
	for (size_t i = 0; i < a->nr_list; i++) {
		if (!a->roots[i].is_out && a->facts.has_kernel &&
		    a->list[i].root.pa == a->facts.kernel.root.pa) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/*
 * x86: the kernel's root has a twin for programs. arm64: with KPTI all leaves of the kernel are of an
 * ASID (nG), without it none are. riscv64 has no such thing.
 */
static bool has_kpti(const struct audit *a, size_t kernel)
{
	if (a->facts.arch == AUDIT_X86_64)
		return a->list[kernel].has_twin;
	return a->has_private_kernel && !a->has_global_kernel;
}

int audit_machine(struct audit *a)
{
	static const char no_kernel[] = "no kernel of Linux proves itself";
	struct pgw_audit_finding finding;
	int status = 0;
	size_t kernel;

	for (size_t i = 0; i < sizeof(control_rules) / sizeof(control_rules[0]) && !status; i++) {
		if (control_rules[i].arch == a->facts.arch)
			status = control_check(a, &control_rules[i]);
	}
	if (status || a->facts.arch == AUDIT_OTHER)
		return status;
	if (!audit_kernel_root(a, &kernel)) {
		if (a->facts.arch != AUDIT_RISCV64)
			audit_uncheck(a, PGW_AUDIT_NO_KPTI, no_kernel);
		audit_uncheck(a, PGW_AUDIT_NO_NX, no_kernel);
		return 0;
	}
	if ((a->facts.arch == AUDIT_X86_64 || a->facts.arch == AUDIT_ARM64) &&
	    !has_kpti(a, kernel)) {
		finding = audit_finding(a, PGW_AUDIT_NO_KPTI, kernel);
		status = audit_add(a, &finding);
	}
	if (!status && !a->has_nx) {
		finding = audit_finding(a, PGW_AUDIT_NO_NX, kernel);
		status = audit_add(a, &finding);
	}
	return status;
}
