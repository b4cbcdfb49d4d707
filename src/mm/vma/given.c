/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * VMAs of a snapshot, as whoever had the address space kept them: the same tree and the same walks
 * as for mms of our own, but nothing else: no faults, no changes, no locks, as nothing can change.
 */

#include <pagewalk/vma.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_change.h"

/* Walked as what their tables say, so a size of pages is neither needed nor believed. */
#define GIVEN_FLAGS ((uint32_t)_PGW_VMA_ALL & ~(uint32_t)PGW_VMA_HUGETLB)

static int given_check(const struct pgw_mm *mm, const struct pgw_mmap_args *args)
{
	uint64_t granule_lg2 = mm->pt.format->geometry.granule_lg2, pgoff_end;

	if (args->start >= args->end ||
	    ((args->start | args->end) & low_bits((unsigned)granule_lg2)) ||
	    !mm_covers(mm, args->start, args->end - 1))
		return -PGW_EINVAL;
	if ((args->flags & ~GIVEN_FLAGS) || args->page_lg2 || args->mapping || args->ops)
		return -PGW_EINVAL;
	return add_overflows(args->pgoff, (args->end - args->start) >> granule_lg2, &pgoff_end)
		       ? -PGW_EINVAL
		       : 0;
}

int pgw_mm_give_vma(struct pgw_mm *mm, const struct pgw_mmap_args *args)
{
	struct pgw_vma fresh;
	int err;

	if (!mm || !args)
		return -PGW_EINVAL;
	if (mm->kind != PGW_MM_SNAPSHOT || mm->pt.region.kind != PGW_REGION_USER)
		return -PGW_EOPNOTSUPP;
	err = given_check(mm, args);
	if (err)
		return err;
	fresh = (struct pgw_vma){
		.start = args->start,
		.end = args->end,
		.flags = args->flags,
		.pgoff = args->pgoff,
		.private_data = args->private_data,
		.mm = mm,
	};
	return mm_mmap_locked(mm, &fresh);
}

void mm_forget_vmas(struct pgw_mm *mm)
{
	const uint64_t first = mm->pt.region.first, last = mm->pt.region.last;
	struct vma_change change;

	if (!mm->vma_root)
		return;
	vma_change_begin(&change, mm);
	vma_change_take(&change, first, last + 1);
	vma_change_finish(&change);
	vma_tree_free(mm->platform, mm->vma_root);
	mm->vma_root = NULL;
}
