/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What all operations on VMAs ask before they begin; finding VMAs; and their locks as the
 * public sees them.
 */

#include "base/bits.h"
#include "base/epoch.h"
#include "base/step.h"
#include "mm/vma/vma_lock.h"
#include "mm/vma/vma_tree.h"

int mm_check_vmas(const struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	if (!mm)
		return -PGW_EINVAL;
	if (mm->kind != PGW_MM_OWNED || mm->pt.region.kind != PGW_REGION_USER ||
	    mm->policy == PGW_POLICY_SINGLE)
		return -PGW_EOPNOTSUPP;
	if (start >= end || ((start | end) & low_bits(mm->pt.format->geometry.granule_lg2)) ||
	    !mm_covers(mm, start, end - 1))
		return -PGW_EINVAL;
	return 0;
}

void mm_prepare_vma_rights(struct pgw_mm *mm)
{
	for (uint32_t flags = 0; flags < PGW_ARRAY_SIZE(mm->vma_rights); flags++) {
		uint8_t *rights = &mm->vma_rights[flags], wanted = 0;

		if (flags & PGW_VMA_READ)
			wanted |= PGW_USER_R;
		if (flags & PGW_VMA_WRITE)
			wanted |= PGW_USER_W;
		if (flags & PGW_VMA_EXEC)
			wanted |= PGW_USER_X;
		if (!mm->pt.format->edit->user_rights(&mm->pt, wanted, 0, rights))
			*rights = UINT8_MAX;
	}
}

static struct vma_node *tree_root(const struct pgw_mm *mm)
{
	return step_load_n(&mm->vma_root, __ATOMIC_ACQUIRE);
}

static bool may_look(const struct pgw_mm *mm, const char *function)
{
	return epoch_is_reader(mm->platform) ||
	       mm_assert_locked(mm, PGW_RULE_MMAP_LOCKED, function) == 0;
}

/* NULL if the first VMA that ends above va does not hold it. */
static struct pgw_vma *vma_at(const struct pgw_mm *mm, uint64_t va)
{
	struct pgw_vma *vma = vma_tree_find(tree_root(mm), va);

	return vma && vma->start <= va ? vma : NULL;
}

struct pgw_vma *pgw_vma_find(struct pgw_mm *mm, uint64_t va)
{
	return may_look(mm, __func__) ? vma_tree_find(tree_root(mm), va) : NULL;
}

struct pgw_vma *pgw_vma_lookup(struct pgw_mm *mm, uint64_t va)
{
	return may_look(mm, __func__) ? vma_at(mm, va) : NULL;
}

size_t pgw_vma_count(struct pgw_mm *mm)
{
	return mm_assert_locked(mm, PGW_RULE_MMAP_LOCKED, __func__) ? 0 : mm->nr_vmas;
}

struct pgw_vma *pgw_vma_read_lock(struct pgw_mm *mm, uint64_t va)
{
	struct pgw_vma *vma;

	pgw_reader_enter(mm->platform);
	vma = vma_at(mm, va);
	if (vma) {
		mm_step(mm, PGW_STEP_FAULT_FOUND);
		/*
		 * It may be gone from the tree by now, but not freed. It still holds
		 * va, for ranges never change; and what is detached refuses.
		 */
		if (!vma_lock_read_try(vma))
			vma = NULL;
	}
	pgw_reader_leave(mm->platform);
	return vma;
}

void pgw_vma_read_unlock(struct pgw_vma *vma)
{
	vma_lock_read_unlock(vma);
}

int pgw_vma_write_lock(struct pgw_vma *vma)
{
	int err = mm_assert_write_locked(vma->mm, PGW_RULE_MMAP_WRITE_LOCKED, __func__);

	if (!err)
		vma_lock_write(vma);
	return err;
}

/* For write, and by this thread. */
static bool is_ours_for_write(const struct pgw_vma *vma)
{
	return pgw_mmap_lock_mode(vma->mm) == PGW_LOCK_WRITE && vma_lock_is_write_locked(vma);
}

int pgw_vma_assert_locked(const struct pgw_vma *vma)
{
	if (vma_lock_is_read_locked(vma) || is_ours_for_write(vma))
		return 0;
	return mm_violation(vma->mm, PGW_RULE_VMA_LOCKED, __func__);
}

int pgw_vma_assert_write_locked(const struct pgw_vma *vma)
{
	return is_ours_for_write(vma) ? 0
				      : mm_violation(vma->mm, PGW_RULE_VMA_WRITE_LOCKED, __func__);
}
