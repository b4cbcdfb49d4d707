/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Guarded pages. A guard is an entry that is not valid in the slot of its page: it
 * needs no VMA of its own. It goes into an empty slot by a walk with install_pte. Whatever
 * that walk finds mapped is dropped, and the walk begins again, as in Linux. Others may
 * fault pages in between; who has lost against them some times comes back alone, with
 * the mmap lock for write.
 */

#include <pagewalk/vma.h>
#include <pagewalk/walk.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_lock.h"
#include "mm/vma/vma_tree.h"

#define GUARD_TRIES 3

/* What a walk's callbacks, and what is made of walks, return if something is mapped. */
#define GUARD_IN_THE_WAY 1

static int guard_upper(const struct pgw_mm_walk *walk, const uint64_t *item, uint8_t name)
{
	const struct pgw_format *format = walk->mm->pt.format;
	uint8_t top = format->geometry.top_level;
	struct pgw_entry entry;

	pt_decode_entry(&walk->mm->pt, pgw_item_load(item), name < top ? name : top, &entry);
	return entry.kind == PGW_ENTRY_LEAF ? GUARD_IN_THE_WAY : 0;
}

static int guard_pud(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	return guard_upper(walk, item, 2);
}

static int guard_pmd(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	return guard_upper(walk, item, 1);
}

static int guard_pte(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	return pgw_item_load(item) == pgw_mm_guard_entry(walk->mm) ? 0 : GUARD_IN_THE_WAY;
}

static int guard_fill(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	*ret = pgw_mm_guard_entry(walk->mm);
	return 0;
}

static const struct pgw_mm_walk_ops guard_ops = {
	.pud_entry = guard_pud,
	.pmd_entry = guard_pmd,
	.pte_entry = guard_pte,
	.install_pte = guard_fill,
};

/* @return 0, GUARD_IN_THE_WAY: others were faster, time after time; or a status */
static int install_in_vma(struct pgw_vma *vma, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < GUARD_TRIES; i++) {
		int err = pgw_walk_page_range_vma_unsafe(vma, start, end, &guard_ops, NULL);

		if (err == GUARD_IN_THE_WAY)
			err = mm_zap_vma(vma, start, end - 1);
		else
			return err;
		if (err)
			return err;
	}
	return GUARD_IN_THE_WAY;
}

/* The mmap lock is held for write: nobody is faster. */
static int install_alone(struct pgw_vma *vma, uint64_t start, uint64_t end)
{
	vma_lock_write(vma);
	return install_in_vma(vma, start, end);
}

static int remove_in_vma(struct pgw_vma *vma, uint64_t start, uint64_t end)
{
	struct pt_gather gather;
	const struct pt_edit edit = { .pt = &vma->mm->pt, .policy = PT_SHARED, .gather = &gather };

	gather_init(&gather, &vma->mm->pt, PT_SHARED);
	pgw_reader_enter(vma->mm->platform);
	vma->mm->pt.format->edit->clear_guards(&edit, start, end - 1);
	pgw_reader_leave(vma->mm->platform);
	return 0;
}

static bool has_vma_with(const struct pgw_mm *mm, uint64_t start, uint64_t end, uint32_t flags)
{
	const struct pgw_vma *vma;

	for (vma = vma_tree_find(mm->vma_root, start); vma && vma->start < end;
	     vma = vma_tree_find(mm->vma_root, vma->end)) {
		if (vma->flags & flags)
			return true;
	}
	return false;
}

/*
 * Call fn for the part of each VMA that the range has; the mmap lock is held.
 * @return -PGW_EINVAL: a VMA has one of refused; -PGW_ENOENT: a hole, the rest is done; or fn's
 */
static int for_each_part(struct pgw_mm *mm, uint64_t start, uint64_t end, uint32_t refused,
			 int (*fn)(struct pgw_vma *vma, uint64_t start, uint64_t end))
{
	uint64_t at = start;
	int err = 0, hole = 0;

	if (has_vma_with(mm, start, end, refused))
		return -PGW_EINVAL;
	while (!err && at < end) {
		struct pgw_vma *vma = vma_tree_find(mm->vma_root, at);
		uint64_t next;

		if (!vma || vma->start >= end)
			return -PGW_ENOENT;
		if (vma->start > at) {
			hole = -PGW_ENOENT;
			at = vma->start;
		}
		next = vma->end < end ? vma->end : end;
		err = fn(vma, at, next);
		at = next;
	}
	return err ? err : hole;
}

#define REFUSED_TO_INSTALL (PGW_VMA_PFNMAP | PGW_VMA_LOCKED | PGW_VMA_HUGETLB)
#define REFUSED_TO_REMOVE (PGW_VMA_PFNMAP | PGW_VMA_HUGETLB)

int pgw_mm_guard_install(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	int err = mm_check_vmas(mm, start, end);

	if (!err)
		err = pgw_mmap_read_lock(mm);
	if (err)
		return err;
	err = for_each_part(mm, start, end, REFUSED_TO_INSTALL, install_in_vma);
	pgw_mmap_read_unlock(mm);
	if (err != GUARD_IN_THE_WAY)
		return err;
	err = pgw_mmap_write_lock(mm);
	if (err)
		return err;
	err = for_each_part(mm, start, end, REFUSED_TO_INSTALL, install_alone);
	pgw_mmap_write_unlock(mm);
	return err;
}

int pgw_mm_guard_remove(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	int err = mm_check_vmas(mm, start, end);

	if (!err)
		err = pgw_mmap_read_lock(mm);
	if (err)
		return err;
	err = for_each_part(mm, start, end, REFUSED_TO_REMOVE, remove_in_vma);
	pgw_mmap_read_unlock(mm);
	return err;
}

uint64_t pgw_mm_guard_entry(const struct pgw_mm *mm)
{
	return mm->pt.format->edit ? mm->pt.format->edit->guard : 0;
}
