/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/mm_priv.h"

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
		"a thread may hold at most PGW_MAX_HELD mmap locks",
	},
	[PGW_RULE_MMAP_ORDER] = {
		"mmap-order",
		"a user address space's mmap lock is taken before its kernel address space's",
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
};
_Static_assert(sizeof(rules) / sizeof(rules[0]) == _PGW_RULE_MAX, "a rule has no name");

int mm_violation(const struct pgw_mm *mm, enum pgw_rule rule, const char *function)
{
	const struct pgw_violation violation = {
		.rule = rule,
		.rule_name = rules[rule].name,
		.rule_text = rules[rule].text,
		.function = function,
		.mm = mm,
		.kind = mm->kind,
		.region = mm->pt.region.kind,
		.mode = mmap_lock_mode(&mm->lock, mm->platform),
		.lock_taken = mmap_lock_is_taken(&mm->lock),
	};

	mm->platform->violation(mm->platform->ctx, &violation);
	return rule == PGW_RULE_MMAP_RECURSION || rule == PGW_RULE_MMAP_ORDER ||
			       rule == PGW_RULE_HOTPLUG_ORDER
		       ? -PGW_EDEADLK
		       : -PGW_EPERM;
}
