/* SPDX-License-Identifier: BSD-2-Clause */

/* New VMAs, and such that grow. */

#include <pagewalk/vma.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/vma_change.h"

int mm_mmap_locked(struct pgw_mm *mm, const struct pgw_vma *fresh)
{
	struct pgw_vma *before = vma_tree_find_before(mm->vma_root, fresh->start);
	struct pgw_vma *after = vma_tree_find(mm->vma_root, fresh->start);
	struct vma_change change;
	int err = 0;

	if (after && after->start < fresh->end)
		return -PGW_EEXIST;
	if (before && !vma_change_may_merge(before, fresh, fresh->flags))
		before = NULL;
	if (after && !vma_change_may_merge(fresh, after, after->flags))
		after = NULL;
	vma_change_begin(&change, mm);
	if (before) {
		vma_change_take(&change, before->start, before->end);
		err = vma_change_put(&change, before, before->start, before->end, before->flags);
	}
	if (!err)
		err = vma_change_put(&change, fresh, fresh->start, fresh->end, fresh->flags);
	if (!err && after) {
		vma_change_take(&change, after->start, after->end);
		err = vma_change_put(&change, after, after->start, after->end, after->flags);
	}
	if (!err)
		err = vma_change_prepare(&change);
	if (err) {
		vma_change_abort(&change);
		return err;
	}
	vma_change_commit(&change);
	vma_change_finish(&change);
	return 0;
}

void mm_mmap_unlock(struct pgw_mm *mm, int err, const struct pgw_vma *fresh)
{
	if (err || !(fresh->flags & PGW_VMA_LOCKED)) {
		pgw_mmap_write_unlock(mm);
		return;
	}
	pgw_mmap_write_downgrade(mm);
	mm_populate_locked(mm, fresh->start, fresh->end); /* best effort */
	pgw_mmap_read_unlock(mm);
}

/* A hugetlb VMA has a size of pages that the format has, is made of whole ones, and is nothing else. */
static bool page_size_fits(const struct pgw_mm *mm, const struct pgw_mmap_args *args)
{
	uint8_t granule_lg2 = mm->pt.format->geometry.granule_lg2;

	if (!(args->flags & PGW_VMA_HUGETLB))
		return !args->page_lg2;
	return args->page_lg2 > granule_lg2 && args->page_lg2 < 64 &&
	       (mm->pt.format->edit->sizes(&mm->pt) & BIT(args->page_lg2)) &&
	       !((args->start | args->end) & low_bits(args->page_lg2)) &&
	       !(args->flags & (PGW_VMA_PFNMAP | PGW_VMA_GROWSDOWN)) && !args->mapping;
}

/* @return 0, -PGW_EINVAL, -PGW_EOPNOTSUPP */
static int mmap_check(const struct pgw_mm *mm, const struct pgw_mmap_args *args)
{
	uint64_t pgoff_end;
	uint8_t rights;
	int err;

	if (!args || (args->flags & ~(uint32_t)_PGW_VMA_ALL))
		return -PGW_EINVAL;
	err = mm_check_vmas(mm, args->start, args->end);
	if (err)
		return err;
	if (!page_size_fits(mm, args))
		return -PGW_EINVAL;
	if (add_overflows(args->pgoff,
			  (args->end - args->start) >> mm->pt.format->geometry.granule_lg2,
			  &pgoff_end))
		return -PGW_EINVAL;
	if (args->mapping && !mapping_fits(args->mapping, mm))
		return -PGW_EINVAL;
	return mm_vma_rights(mm, args->flags, &rights) ? 0 : -PGW_EOPNOTSUPP;
}

int pgw_mm_mmap(struct pgw_mm *mm, const struct pgw_mmap_args *args)
{
	struct pgw_vma fresh;
	int err = mmap_check(mm, args);

	if (err)
		return err;
	fresh = (struct pgw_vma){
		.start = args->start,
		.end = args->end,
		.flags = args->flags,
		.page_lg2 = args->page_lg2,
		.pgoff = args->pgoff,
		.ops = !args->ops && args->mapping ? args->mapping->ops : args->ops,
		.private_data = args->private_data,
		.mapping = args->mapping,
		.mm = mm,
	};
	err = pgw_mmap_write_lock(mm);
	if (err)
		return err;
	err = mm_mmap_locked(mm, &fresh);
	mm_mmap_unlock(mm, err, &fresh);
	return err;
}

/*
 * What to put before the VMA above va, so that the VMA starts there.
 * @return 0, a status, or 1: va has a VMA already
 */
static int expand_find(struct pgw_mm *mm, uint64_t va, struct pgw_vma *ret)
{
	struct pgw_vma *vma = vma_tree_find(mm->vma_root, va);
	uint64_t nr_pages;

	if (vma && vma->start <= va)
		return 1;
	if (!vma || !(vma->flags & PGW_VMA_GROWSDOWN))
		return -PGW_ENOENT;
	nr_pages = (vma->start - va) >> mm->pt.format->geometry.granule_lg2;
	if (nr_pages > vma->pgoff)
		return -PGW_ENOMEM;
	*ret = vma_like(vma, vma->start, vma->start, vma->flags);
	ret->start = va;
	ret->pgoff -= nr_pages;
	return 0;
}

int pgw_mm_expand(struct pgw_mm *mm, uint64_t va)
{
	struct pgw_vma fresh;
	uint64_t granule;
	int err;

	if (!mm)
		return -PGW_EINVAL;
	granule = BIT(mm->pt.format->geometry.granule_lg2);
	va &= ~(granule - 1);
	err = mm_check_vmas(mm, va, va + granule);
	if (err)
		return err;
	err = pgw_mmap_write_lock(mm);
	if (err)
		return err;
	err = expand_find(mm, va, &fresh);
	if (!err)
		err = mm_mmap_locked(mm, &fresh);
	else
		fresh.flags = 0;
	mm_mmap_unlock(mm, err, &fresh);
	return err > 0 ? 0 : err;
}
