/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/vma.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_change.h"

#define RWX ((uint32_t)(PGW_VMA_READ | PGW_VMA_WRITE | PGW_VMA_EXEC))

struct mprotect {
	struct pgw_mm *mm;
	uint64_t start, end;
	uint32_t flags; /* of RWX */
	struct vma_change change;
	struct pt_gather gather;
	struct pt_edit edit;
};

static uint32_t new_flags(const struct mprotect *p, const struct pgw_vma *vma)
{
	return (vma->flags & ~RWX) | p->flags;
}

/* @return 0: nothing to do; 1: there is; -PGW_ENOENT: a hole */
static int mprotect_look(const struct mprotect *p)
{
	uint64_t at = p->start;
	int found = 0;

	while (at < p->end) {
		const struct pgw_vma *vma = vma_tree_find(p->mm->vma_root, at);

		if (!vma || vma->start > at)
			return -PGW_ENOENT;
		if (vma->flags != new_flags(p, vma))
			found = 1;
		at = vma->end;
	}
	return found;
}

/* The VMAs of the range go, and the neighbours with which what comes can merge. */
static void mprotect_take(struct mprotect *p)
{
	struct vma_node *root = p->mm->vma_root;
	struct pgw_vma *first = vma_tree_find(root, p->start);
	struct pgw_vma *last = vma_tree_find(root, p->end - 1);
	struct pgw_vma *before = vma_tree_find_before(root, first->start);
	struct pgw_vma *after = vma_tree_find(root, last->end);
	uint64_t start = first->start, end = last->end;

	if (before && start == p->start && vma_change_may_merge(before, first, before->flags) &&
	    before->flags == new_flags(p, first))
		start = before->start;
	if (after && end == p->end && vma_change_may_merge(last, after, last->flags) &&
	    after->flags == new_flags(p, last))
		end = after->end;
	vma_change_take(&p->change, start, end);
}

static uint64_t clamp(uint64_t va, uint64_t low, uint64_t high)
{
	return va < low ? low : va > high ? high : va;
}

/* Of each VMA: what lies before the range, in it, behind it. */
static int mprotect_put(struct mprotect *p)
{
	for (const struct pgw_vma *vma = p->change.old; vma; vma = vma->next) {
		uint64_t start = clamp(p->start, vma->start, vma->end);
		uint64_t end = clamp(p->end, vma->start, vma->end);
		int err = vma_change_put(&p->change, vma, vma->start, start, vma->flags);

		if (!err)
			err = vma_change_put(&p->change, vma, start, end, new_flags(p, vma));
		if (!err)
			err = vma_change_put(&p->change, vma, end, vma->end, vma->flags);
		if (err)
			return err;
	}
	return 0;
}

static int mprotect_prepare(struct mprotect *p)
{
	const struct pt_edit_ops *ops = p->mm->pt.format->edit;
	int err;

	mprotect_take(p);
	p->edit.policy = vma_change_has_file(&p->change) ? PT_SHARED : PT_RANGE;
	err = mprotect_put(p);
	if (!err)
		err = ops->split_at(&p->edit, p->start);
	if (!err)
		err = ops->split_at(&p->edit, p->end);
	return err ? err : vma_change_prepare(&p->change);
}

/*
 * Leaves never get the right to write here: the frame may be one that the VMA's
 * owner wants to be asked about first. The next fault does that.
 */
static void mprotect_leaves(struct mprotect *p, uint8_t rights)
{
	for (const struct pgw_vma *vma = p->change.old; vma; vma = vma->next) {
		uint64_t start = clamp(p->start, vma->start, vma->end);
		uint64_t end = clamp(p->end, vma->start, vma->end);
		uint32_t flags = new_flags(p, vma);
		uint32_t differ = vma->flags ^ flags;

		if (start == end || !(differ & ~(flags & PGW_VMA_WRITE)))
			continue;
		/* Cannot fail: the format has these rights, and no leaf sticks out. */
		p->mm->pt.format->edit->protect(&p->edit, start, end - 1, rights);
	}
}

static int mprotect_locked(struct mprotect *p)
{
	uint8_t rights, full;
	int err = mprotect_look(p);

	if (err <= 0)
		return err;
	if (!mm_vma_rights(p->mm, p->flags, &full) ||
	    !mm_vma_rights(p->mm, p->flags & ~(uint32_t)PGW_VMA_WRITE, &rights))
		return -PGW_EOPNOTSUPP;
	p->edit = (struct pt_edit){ .pt = &p->mm->pt, .policy = PT_RANGE, .gather = &p->gather };
	gather_init(&p->gather, &p->mm->pt, PT_RANGE);
	vma_change_begin(&p->change, p->mm);
	err = mprotect_prepare(p);
	if (err) {
		gather_flush(&p->gather); /* of leaves that were split */
		vma_change_abort(&p->change);
		return err;
	}
	vma_change_commit(&p->change);
	mm_flush_begin(p->mm);
	mprotect_leaves(p, rights);
	mm_flush_end(p->mm, &p->gather, p->start, p->end - 1);
	vma_change_finish(&p->change);
	return 0;
}

int pgw_mm_mprotect(struct pgw_mm *mm, uint64_t start, uint64_t end, uint32_t flags)
{
	struct mprotect p;
	int err = mm_check_vmas(mm, start, end);

	if (!err && (flags & ~RWX))
		err = -PGW_EINVAL;
	if (!err)
		err = pgw_mmap_write_lock(mm);
	if (err)
		return err;
	p.mm = mm;
	p.start = start;
	p.end = end;
	p.flags = flags;
	err = mprotect_locked(&p);
	pgw_mmap_write_unlock(mm);
	return err;
}
