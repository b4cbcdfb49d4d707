/* SPDX-License-Identifier: BSD-2-Clause */

/* VMAs of large pages of one size: their second lock, and how walks go through them. */

#include <pagewalk/vma.h>
#include <pagewalk/walk.h>

#include "base/bits.h"
#include "base/rwlock.h"
#include "mm/mm_priv.h"

void pgw_hugetlb_vma_lock_read(struct pgw_vma *vma)
{
	rwlock_read_lock(&vma->hugetlb_lock, vma->mm->platform);
}

void pgw_hugetlb_vma_unlock_read(struct pgw_vma *vma)
{
	rwlock_read_unlock(&vma->hugetlb_lock, vma->mm->platform);
}

/* Of one page, addr up to next. */
static int walk_page(struct pgw_mm_walk *walk, uint64_t addr, uint64_t next)
{
	const struct pgw_mm_walk_ops *ops = walk->ops;
	const struct pt *pt = &walk->mm->pt;
	uint8_t lg2 = walk->vma->page_lg2;
	uint64_t *item = pt->format->edit->find_item(pt, addr, lg2);

	if (item)
		return ops->hugetlb_entry(item, ~low_bits(lg2), addr, next, walk);
	return ops->pte_hole ? ops->pte_hole(addr, next, -1, walk) : 0;
}

/* Runs of smallest leaves are in lowest tables, which others may free under their own VMAs. */
static int walk_pages(struct pgw_mm_walk *walk, uint64_t start, uint64_t end)
{
	const struct pgw_platform *platform = walk->mm->platform;
	uint8_t lg2 = walk->vma->page_lg2;
	bool is_lowest = lg2 < walk->mm->pt.format->geometry.span_lg2[1];
	uint64_t next;
	int err;

	do {
		next = (start | low_bits(lg2)) + 1;
		next = next < end ? next : end;
		if (is_lowest)
			pgw_reader_enter(platform);
		err = walk_page(walk, start, next);
		if (is_lowest)
			pgw_reader_leave(platform);
		start = next;
	} while (!err && start != end);
	return err;
}

int mm_walk_hugetlb(struct pgw_mm_walk *walk, uint64_t start, uint64_t end)
{
	struct pgw_vma *vma = walk->vma;
	int err;

	pgw_hugetlb_vma_lock_read(vma);
	err = walk_pages(walk, start, end);
	pgw_hugetlb_vma_unlock_read(vma);
	return err;
}
