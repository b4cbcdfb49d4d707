/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/walk.h>

#include "base/bits.h"
#include "base/step.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/mapping_tree.h"
#include "mm/vma/vma_lock.h"
#include "mm/vma/vma_tree.h"

/*
 * Walks through VMAs. The mmap lock, a VMA's own, or the i_mmap lock of its file keeps
 * the VMA, and the VMA keeps the tables; so what has no VMA has no tables that one may look at.
 */

/* An owned mm, or a snapshot that was given some: else nobody knows of any. */
static bool has_vmas(const struct pgw_mm *mm)
{
	return mm->kind == PGW_MM_OWNED || (mm->kind == PGW_MM_SNAPSHOT && mm->vma_root);
}

/* A walk of a user mm that has VMAs; how it locks is one of the four ways. */
static int check_vma_walk(const struct pgw_mm *mm, uint64_t start, uint64_t end,
			  const struct pgw_mm_walk_ops *ops)
{
	if (!mm || !ops || start >= end || !has_vmas(mm) || mm->pt.region.kind != PGW_REGION_USER)
		return -PGW_EINVAL;
	/* What a walk installs would be evidence that is changed. */
	if (mm->kind == PGW_MM_SNAPSHOT && ops->install_pte)
		return -PGW_EINVAL;
	if (!mm_covers(mm, start, end - 1) || (unsigned)ops->walk_lock > PGW_WALK_VMA_RDLOCK_VERIFY)
		return -PGW_EINVAL;
	return 0;
}

/* What walk_lock wants of the mmap lock. */
static int assert_walk_lock(const struct pgw_mm *mm, enum pgw_walk_lock lock, const char *function)
{
	switch (lock) {
	case PGW_WALK_RDLOCK:
		return mm_assert_locked(mm, PGW_RULE_MMAP_LOCKED, function);
	case PGW_WALK_WRLOCK:
	case PGW_WALK_WRLOCK_VERIFY:
		return mm_assert_write_locked(mm, PGW_RULE_MMAP_WRITE_LOCKED, function);
	case PGW_WALK_VMA_RDLOCK_VERIFY:
		break;
	}
	return 0;
}

/* What walk_lock wants of a VMA's lock. */
static int take_walk_lock(struct pgw_vma *vma, enum pgw_walk_lock lock, const char *function)
{
	/* As its mmap lock, a snapshot's VMAs count as locked. */
	if (vma->mm->kind == PGW_MM_SNAPSHOT)
		return 0;
	switch (lock) {
	case PGW_WALK_RDLOCK:
		break;
	case PGW_WALK_WRLOCK:
		vma_lock_write(vma);
		break;
	case PGW_WALK_WRLOCK_VERIFY:
		if (!vma_lock_is_write_locked(vma))
			return mm_violation(vma->mm, PGW_RULE_VMA_WRITE_LOCKED, function);
		break;
	case PGW_WALK_VMA_RDLOCK_VERIFY:
		if (!vma_lock_is_read_locked(vma) &&
		    !(vma_lock_is_write_locked(vma) &&
		      pgw_mmap_lock_mode(vma->mm) == PGW_LOCK_WRITE))
			return mm_violation(vma->mm, PGW_RULE_VMA_LOCKED, function);
		break;
	}
	return 0;
}

/* What the public may ask of a walk. */
static bool is_safe(const struct pgw_mm_walk_ops *ops)
{
	return ops && !ops->install_pte;
}

/* Who cleared what is filled now may not have flushed it yet. */
static void flush_installed(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	struct pt_gather gather;

	if (!step_load_n(&mm->nr_unflushed, __ATOMIC_ACQUIRE))
		return;
	gather_init(&gather, &mm->pt, PT_SHARED);
	gather_range(&gather, start, end - 1);
	gather_flush(&gather);
}

/* What is below pre_vma and post_vma. Nothing of a hugetlb VMA is shown but by its own callback. */
static int walk_entries(struct pgw_mm_walk *walk, uint64_t start, uint64_t end)
{
	const struct pt *pt = &walk->mm->pt;

	if (!(walk->vma->flags & PGW_VMA_HUGETLB))
		return pt_ops(pt)->walk(pt, pt->root_pa, start, end, walk);
	return walk->ops->hugetlb_entry ? mm_walk_hugetlb(walk, start, end) : 0;
}

/* The tables of a part of walk->vma. post_vma answers every pre_vma that agreed. */
static int walk_vma_tables(struct pgw_mm_walk *walk, uint64_t start, uint64_t end)
{
	int err = 0;

	if (walk->ops->install_pte && (walk->vma->flags & PGW_VMA_HUGETLB))
		return -PGW_EINVAL;
	if (walk->ops->pre_vma)
		err = walk->ops->pre_vma(start, end, walk);
	if (err)
		return err;
	err = walk_entries(walk, start, end);
	if (walk->ops->install_pte)
		flush_installed(walk->mm, start, end);
	if (walk->ops->post_vma)
		walk->ops->post_vma(walk);
	return err;
}

/* Shall walk->vma be walked? 0 yes, negative: an error, positive: no. */
static int test_vma(struct pgw_mm_walk *walk, uint64_t start, uint64_t end)
{
	const struct pgw_mm_walk_ops *ops = walk->ops;
	int err;

	if (ops->test_walk)
		return ops->test_walk(start, end, walk);
	if (!(walk->vma->flags & PGW_VMA_PFNMAP))
		return 0;
	err = ops->pte_hole ? ops->pte_hole(start, end, -1, walk) : 0;
	return err < 0 ? err : 1;
}

/* One VMA of a range, from start to end. */
static int walk_one_vma(struct pgw_mm_walk *walk, uint64_t start, uint64_t end)
{
	int err = test_vma(walk, start, end);

	if (err)
		return err < 0 ? err : 0;
	return walk_vma_tables(walk, start, end);
}

/* No VMA: tables there may be about to be freed, and are not looked at. */
static int walk_gap(struct pgw_mm_walk *walk, uint64_t start, uint64_t end)
{
	walk->vma = NULL;
	return walk->ops->pte_hole ? walk->ops->pte_hole(start, end, -1, walk) : 0;
}

static uint64_t min_va(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int walk_vmas(struct pgw_mm *mm, uint64_t start, uint64_t end,
		     const struct pgw_mm_walk_ops *ops, void *arg, const char *function)
{
	struct pgw_mm_walk walk = { .ops = ops, .mm = mm, .arg = arg };
	struct pgw_vma *vma, *next_vma;
	uint64_t next;
	int err = check_vma_walk(mm, start, end, ops);

	/* The lock of one VMA does not keep the next one. */
	if (!err && ops->walk_lock == PGW_WALK_VMA_RDLOCK_VERIFY)
		err = -PGW_EINVAL;
	if (!err)
		err = assert_walk_lock(mm, ops->walk_lock, function);
	if (err)
		return err;
	for (vma = vma_tree_find(mm->vma_root, start); start < end && !err; start = next) {
		if (!vma || start < vma->start) {
			next = vma ? min_va(end, vma->start) : end;
			err = walk_gap(&walk, start, next);
			continue;
		}
		err = take_walk_lock(vma, ops->walk_lock, function);
		if (err)
			break;
		walk.vma = vma;
		next = min_va(end, vma->end);
		/* Before any callback, which may change this VMA. */
		next_vma = vma_tree_find(mm->vma_root, vma->end);
		err = walk_one_vma(&walk, start, next);
		vma = next_vma;
	}
	return err;
}

int pgw_walk_page_range(struct pgw_mm *mm, uint64_t start, uint64_t end,
			const struct pgw_mm_walk_ops *ops, void *arg)
{
	return is_safe(ops) ? walk_vmas(mm, start, end, ops, arg, __func__) : -PGW_EINVAL;
}

int pgw_walk_page_range_mm_unsafe(struct pgw_mm *mm, uint64_t start, uint64_t end,
				  const struct pgw_mm_walk_ops *ops, void *arg)
{
	return walk_vmas(mm, start, end, ops, arg, __func__);
}

static int walk_in_vma(struct pgw_vma *vma, uint64_t start, uint64_t end,
		       const struct pgw_mm_walk_ops *ops, void *arg, const char *function)
{
	struct pgw_mm_walk walk = { .ops = ops, .mm = vma->mm, .vma = vma, .arg = arg };
	int err = check_vma_walk(vma->mm, start, end, ops);

	if (!err && (start < vma->start || end > vma->end))
		err = -PGW_EINVAL;
	if (!err)
		err = assert_walk_lock(vma->mm, ops->walk_lock, function);
	if (!err)
		err = take_walk_lock(vma, ops->walk_lock, function);
	return err ? err : walk_vma_tables(&walk, start, end);
}

int pgw_walk_page_range_vma(struct pgw_vma *vma, uint64_t start, uint64_t end,
			    const struct pgw_mm_walk_ops *ops, void *arg)
{
	return vma && is_safe(ops) ? walk_in_vma(vma, start, end, ops, arg, __func__) : -PGW_EINVAL;
}

int pgw_walk_page_range_vma_unsafe(struct pgw_vma *vma, uint64_t start, uint64_t end,
				   const struct pgw_mm_walk_ops *ops, void *arg)
{
	return vma ? walk_in_vma(vma, start, end, ops, arg, __func__) : -PGW_EINVAL;
}

int pgw_walk_page_vma(struct pgw_vma *vma, const struct pgw_mm_walk_ops *ops, void *arg)
{
	return vma && is_safe(ops) ? walk_in_vma(vma, vma->start, vma->end, ops, arg, __func__)
				   : -PGW_EINVAL;
}

/* Pages first..last of a file, in all VMAs. What test_walk says of one VMA, it says of the walk. */
static int walk_file(struct pgw_mm_walk *walk, const struct pgw_mapping *mapping, uint64_t first,
		     uint64_t last)
{
	struct file_vma *f = mapping_tree_first(mapping->root, first, last);
	uint64_t start, end;
	int err = 0;

	for (; f && !err; f = mapping_tree_next(f, first, last)) {
		walk->vma = &f->vma;
		walk->mm = f->vma.mm;
		err = test_vma(walk, f->vma.start, f->vma.end);
		if (err)
			return err < 0 ? err : 0;
		mapping_clip(f, first, last, &start, &end);
		err = walk_vma_tables(walk, start, end);
	}
	return err;
}

int pgw_walk_page_mapping(struct pgw_mapping *mapping, uint64_t first, uint64_t nr,
			  const struct pgw_mm_walk_ops *ops, void *arg)
{
	struct pgw_mm_walk walk = { .ops = ops, .arg = arg };
	uint64_t last;
	int err;

	if (!mapping || !is_safe(ops))
		return -PGW_EINVAL;
	err = mapping_assert_locked(mapping, __func__);
	if (err || !nr)
		return err;
	if (add_overflows(first, nr - 1, &last))
		last = UINT64_MAX;
	return walk_file(&walk, mapping, first, last);
}
