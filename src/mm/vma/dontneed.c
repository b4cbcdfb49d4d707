/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Changes to leaves under VMAs that stay, with the mmap lock held for read: others
 * may do the same and fault, in the same range.
 */

#include <pagewalk/vma.h>

#include "base/bits.h"
#include "base/rwlock.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_tree.h"

struct dontneed {
	struct pgw_mm *mm;
	struct pt_gather gather;
	struct pt_edit edit;
};

static void dontneed_init(struct dontneed *d, struct pgw_mm *mm)
{
	d->mm = mm;
	d->edit = (struct pt_edit){ .pt = &mm->pt, .policy = PT_SHARED, .gather = &d->gather };
	gather_init(&d->gather, &mm->pt, PT_SHARED);
}

static void dontneed_release(struct pt_gather *gather, const struct pgw_frames *frames)
{
	struct pgw_vma *vma = gather->arg;

	vma->ops->release(vma, frames);
}

/* Unlink the lowest tables of a part of a VMA that are empty; looked at as a reader. */
static void dontneed_trim(struct dontneed *d, uint64_t first, uint64_t last)
{
	const struct pt *pt = &d->mm->pt;
	const struct pgw_geometry *geo = &pt->format->geometry;
	uint64_t table_span = low_bits(geo->top_level ? geo->span_lg2[1] : 63);

	for (uint64_t va = first;;) {
		struct pgw_translation at;

		pgw_reader_enter(d->mm->platform);
		pt_ops(pt)->translate(pt, va, &at, NULL);
		if (at.level == 0) {
			pt->format->edit->trim_table(&d->edit, va);
			at.va_last = va | table_span;
		}
		pgw_reader_leave(d->mm->platform);
		if (at.va_last >= last)
			return;
		va = at.va_last + 1;
	}
}

/*
 * A part of one VMA. Flushed before the next one, because its frames are released as this VMA's.
 * @return 0 or -PGW_ENOMEM: a leaf could not be split
 */
static int dontneed_vma(struct dontneed *d, struct pgw_vma *vma, uint64_t first, uint64_t last)
{
	bool has_release = vma->ops && vma->ops->release && !(vma->flags & PGW_VMA_PFNMAP);
	int err;

	d->gather.release = has_release ? dontneed_release : NULL;
	d->gather.arg = vma;
	if (vma->flags & PGW_VMA_HUGETLB)
		rwlock_write_lock(&vma->hugetlb_lock, d->mm->platform);
	mm_flush_begin(d->mm);
	pgw_reader_enter(d->mm->platform);
	err = d->mm->pt.format->edit->unmap(&d->edit, first, last, PGW_UNMAP_SPLIT);
	pgw_reader_leave(d->mm->platform);
	if (vma->flags & PGW_VMA_HUGETLB)
		rwlock_write_unlock(&vma->hugetlb_lock, d->mm->platform);
	dontneed_trim(d, first, last);
	mm_flush_end(d->mm, &d->gather, first, last);
	return err;
}

int mm_zap_vma(struct pgw_vma *vma, uint64_t first, uint64_t last)
{
	struct dontneed d;

	dontneed_init(&d, vma->mm);
	return dontneed_vma(&d, vma, first, last);
}

static bool has_locked_vma(const struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	const struct pgw_vma *vma;

	for (vma = vma_tree_find(mm->vma_root, start); vma && vma->start < end;
	     vma = vma_tree_find(mm->vma_root, vma->end)) {
		if (vma->flags & PGW_VMA_LOCKED)
			return true;
	}
	return false;
}

/* Outside a VMA tables may be about to be freed, and no leaf sticks out there. */
static int split_inside(struct dontneed *d, uint64_t va)
{
	const struct pgw_vma *vma = vma_tree_find(d->mm->vma_root, va);

	return vma && vma->start < va ? d->mm->pt.format->edit->split_at(&d->edit, va) : 0;
}

/*
 * Only at the ends of the range can leaves stick out; split them before anything is dropped. (Others
 * may make new ones that do, which are then split one by one.)
 */
static int dontneed_split(struct dontneed *d, uint64_t start, uint64_t end)
{
	int err;

	pgw_reader_enter(d->mm->platform);
	err = split_inside(d, start);
	if (!err)
		err = split_inside(d, end);
	pgw_reader_leave(d->mm->platform);
	gather_flush(&d->gather);
	return err;
}

/*
 * Of a hugetlb VMA whole pages are dropped: a range may end inside one, which stays, as in
 * Linux, so that nobody loses what he did not name; it may not begin there.
 */
static int dontneed_whole_pages(const struct pgw_mm *mm, uint64_t start, uint64_t *end)
{
	const struct pgw_vma *first = vma_tree_find(mm->vma_root, start);
	const struct pgw_vma *last = vma_tree_find(mm->vma_root, *end - 1);

	if (first && first->start <= start && (start & low_bits(first->page_lg2)))
		return -PGW_EINVAL;
	if (last && last->start < *end)
		*end &= ~low_bits(last->page_lg2);
	return 0;
}

static int dontneed_locked(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	struct dontneed d;
	uint64_t at = start;
	bool has_hole = false;
	int err;

	if (has_locked_vma(mm, start, end))
		return -PGW_EINVAL;
	err = dontneed_whole_pages(mm, start, &end);
	if (err || end == start)
		return err;
	dontneed_init(&d, mm);
	err = dontneed_split(&d, start, end);
	while (!err && at < end) {
		struct pgw_vma *vma = vma_tree_find(mm->vma_root, at);
		uint64_t next;

		if (!vma || vma->start >= end)
			return -PGW_ENOENT;
		if (vma->start > at) {
			has_hole = true;
			at = vma->start;
		}
		next = vma->end < end ? vma->end : end;
		err = dontneed_vma(&d, vma, at, next - 1);
		at = next;
	}
	if (err)
		return err;
	return has_hole ? -PGW_ENOENT : 0;
}

int pgw_mm_dontneed(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	int err = mm_check_vmas(mm, start, end);

	if (!err)
		err = pgw_mmap_read_lock(mm);
	if (err)
		return err;
	err = dontneed_locked(mm, start, end);
	pgw_mmap_read_unlock(mm);
	return err;
}

/* Gaps are skipped: tables there may be about to be freed. */
static int harvest_locked(struct pgw_mm *mm, uint64_t start, uint64_t end, uint32_t flags,
			  pgw_harvest_fn *fn, void *arg)
{
	const struct pgw_vma *vma;
	struct dontneed d;
	int err = 0;

	dontneed_init(&d, mm);
	mm_flush_begin(mm);
	pgw_reader_enter(mm->platform);
	for (vma = vma_tree_find(mm->vma_root, start); !err && vma && vma->start < end;
	     vma = vma_tree_find(mm->vma_root, vma->end)) {
		uint64_t from = vma->start > start ? vma->start : start;
		uint64_t to = vma->end < end ? vma->end : end;

		err = mm->pt.format->edit->harvest(&d.edit, from, to - 1, flags, fn, arg);
	}
	pgw_reader_leave(mm->platform);
	mm_flush_end(mm, &d.gather, start, end - 1);
	return err;
}

int pgw_mm_harvest(struct pgw_mm *mm, uint64_t start, uint64_t end, uint32_t flags,
		   pgw_harvest_fn *fn, void *arg)
{
	const uint32_t what = PGW_HARVEST_YOUNG | PGW_HARVEST_DIRTY;
	int err = mm_check_vmas(mm, start, end);

	if (!err && (!fn || !(flags & what) || (flags & ~(what | PGW_HARVEST_CLEAR))))
		err = -PGW_EINVAL;
	if (!err)
		err = pgw_mmap_read_lock(mm);
	if (err)
		return err;
	err = harvest_locked(mm, start, end, flags, fn, arg);
	pgw_mmap_read_unlock(mm);
	return err;
}
