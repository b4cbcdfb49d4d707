/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"

static const struct {
	const char *name;
	const char *text;
} rules[] = {
	[PGW_RULE_NOVMA_USER_WRITE] = {
		"novma-user-write",
		"a user address space walked without VMAs needs its mmap lock for write",
	},
	[PGW_RULE_NOVMA_KERNEL_READ] = {
		"novma-kernel-read",
		"a kernel address space walked needs its mmap lock at least for read",
	},
	[PGW_RULE_DEBUG_WRITE] = {
		"debug-write",
		"a debug walk needs the mmap lock for write",
	},
	[PGW_RULE_DEBUG_KERNEL_WRITE] = {
		"debug-kernel-write",
		"a debug walk needs the kernel address space's mmap lock for write too",
	},
	[PGW_RULE_MMAP_LOCKED] = {
		"mmap-locked",
		"the caller must hold the mmap lock",
	},
	[PGW_RULE_MMAP_WRITE_LOCKED] = {
		"mmap-write-locked",
		"the caller must hold the mmap lock for write",
	},
	[PGW_RULE_MMAP_RECURSION] = {
		"mmap-recursion",
		"a thread may take an mmap lock only once",
	},
	[PGW_RULE_MMAP_NOT_HELD] = {
		"mmap-not-held",
		"a lock is released or downgraded only by a thread that holds it in that mode",
	},
	[PGW_RULE_MMAP_TOO_MANY] = {
		"mmap-too-many",
		"a thread may hold at most PGW_MAX_HELD locks",
	},
	[PGW_RULE_MMAP_ORDER] = {
		"mmap-order",
		"user address spaces' mmap locks are taken before kernel ones', and these before "
		"i_mmap locks",
	},
	[PGW_RULE_VMA_LOCKED] = {
		"vma-locked",
		"the VMA must be locked",
	},
	[PGW_RULE_VMA_WRITE_LOCKED] = {
		"vma-write-locked",
		"the VMA must be locked for write",
	},
	[PGW_RULE_HOTPLUG_ORDER] = {
		"hotplug-order",
		"the hotplug lock is taken before any mmap lock",
	},
	[PGW_RULE_I_MMAP_LOCKED] = {
		"i-mmap-locked",
		"the caller must hold the mapping's i_mmap lock",
	},
	[PGW_RULE_I_MMAP_RECURSION] = {
		"i-mmap-recursion",
		"a thread may take an i_mmap lock only once",
	},
	[PGW_RULE_I_MMAP_NOT_HELD] = {
		"i-mmap-not-held",
		"an i_mmap lock is released only by a thread that holds it in that mode",
	},
};
_Static_assert(sizeof(rules) / sizeof(rules[0]) == _PGW_RULE_MAX, "a rule has no name");

/* Report the rest of a breach, of which whose lock it is is filled in. */
static int report(const struct pgw_platform *platform, const struct pgw_mmap_lock *lock,
		  struct pgw_violation *violation)
{
	enum pgw_rule rule = violation->rule;

	violation->rule_name = rules[rule].name;
	violation->rule_text = rules[rule].text;
	violation->mode = mmap_lock_mode(lock, platform);
	violation->lock_taken = mmap_lock_is_taken(lock, platform);
	platform->violation(platform->ctx, violation);
	return rule == PGW_RULE_MMAP_RECURSION || rule == PGW_RULE_MMAP_ORDER ||
			       rule == PGW_RULE_HOTPLUG_ORDER || rule == PGW_RULE_I_MMAP_RECURSION
		       ? -PGW_EDEADLK
		       : -PGW_EPERM;
}

int mm_violation(const struct pgw_mm *mm, enum pgw_rule rule, const char *function)
{
	struct pgw_violation violation = {
		.rule = rule,
		.function = function,
		.mm = mm,
		.kind = mm->kind,
		.region = mm->pt.region.kind,
	};

	return report(mm->platform, &mm->lock, &violation);
}

int mapping_violation(const struct pgw_mapping *mapping, enum pgw_rule rule, const char *function)
{
	struct pgw_violation violation = {
		.rule = rule,
		.function = function,
		.mapping = mapping,
		.kind = PGW_MM_OWNED,
		.region = PGW_REGION_USER,
	};

	return report(mapping->platform, &mapping->lock, &violation);
}
