/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/kernel_priv.h"

/* The lock against those who free a kernel mm's tables: another mmap lock, that comes before all of them. */

static int outcome(const struct pgw_mm *mm, int status, const char *function)
{
	if (pgw_likely(!status))
		return 0;
	if (status == -PGW_EINVAL)
		return mm_violation(mm, PGW_RULE_HOTPLUG_ORDER, function);
	return mm_lock_refused(mm, status, function);
}

static int check(const struct pgw_mm *mm)
{
	return mm && mm->pt.region.kind == PGW_REGION_KERNEL ? 0 : -PGW_EINVAL;
}

int pgw_hotplug_read_lock(struct pgw_mm *mm)
{
	int err = check(mm);

	if (err || mm->kind != PGW_MM_OWNED)
		return err;
	return outcome(mm, mmap_lock_read(&mm->hotplug, mm->platform, LOCK_RANK_HOTPLUG), __func__);
}

int pgw_hotplug_read_unlock(struct pgw_mm *mm)
{
	int err = check(mm);

	if (err || mm->kind != PGW_MM_OWNED)
		return err;
	return outcome(mm, mmap_lock_read_unlock(&mm->hotplug, mm->platform), __func__);
}

int pgw_hotplug_write_lock(struct pgw_mm *mm)
{
	int err = check(mm);

	if (err || mm->kind != PGW_MM_OWNED)
		return err;
	return outcome(mm, mmap_lock_write(&mm->hotplug, mm->platform, LOCK_RANK_HOTPLUG),
		       __func__);
}

int pgw_hotplug_write_unlock(struct pgw_mm *mm)
{
	int err = check(mm);

	if (err || mm->kind != PGW_MM_OWNED)
		return err;
	return outcome(mm, mmap_lock_write_unlock(&mm->hotplug, mm->platform), __func__);
}
