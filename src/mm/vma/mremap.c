/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * mremap: a range that goes elsewhere. Each step is a function:
 *
 *	change    which VMAs go and come
 *	prepare   leaves are cut, tables are made at the new place: all that can fail
 *	commit    the VMAs, both places at once; all of them locked for write
 *	move      the entries, or the tables that they are in
 *	zap       what has no counterpart, because the range has become smaller
 *	free      the tables that nobody needs any more at the old place
 *	flush     the TLBs; then frames are released, and tables freed once readers have left
 *
 * The mmap lock is held for write to the end, and the VMAs are locked for write, so nobody
 * stands on a table that moves, and what is moved can be dropped at its new place only after
 * no TLB knows the old one: a frame is not used for something else while it is still written
 * to through the old address. Of a file's VMA the i_mmap lock is held for write, too: who takes
 * pages out of the file would else look at the new place before they are there, and at the
 * old one after they have gone. (Linux had both wrong: it flushed after it had unlocked
 * the tables; and a table was moved that collapse had taken away meanwhile.)
 */

#include <pagewalk/vma.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/vma_change.h"

struct mremap {
	struct pgw_mm *mm;
	struct pgw_mremap_args args;
	uint64_t move_end; /* of what has a counterpart: start up to here */
	struct pgw_vma *vma;
	struct vma_change change;
	struct pt_gather gather;
	struct pt_edit edit;
};

static void mremap_release(struct pt_gather *gather, const struct pgw_frames *frames)
{
	struct mremap *r = gather->arg;

	if (r->vma->ops && r->vma->ops->release && !(r->vma->flags & PGW_VMA_PFNMAP))
		r->vma->ops->release(r->vma, frames);
}

static uint64_t pgoff_at(const struct pgw_vma *vma, uint64_t va)
{
	return vma->pgoff + ((va - vma->start) >> vma->mm->pt.format->geometry.granule_lg2);
}

/* The VMA at the new place. */
static struct pgw_vma mremap_target(const struct mremap *r)
{
	struct pgw_vma target = vma_like(r->vma, r->args.start, r->args.end, r->vma->flags);

	target.start = r->args.new_start;
	target.end = r->args.new_end;
	return target;
}

/* The old VMA goes, what is left of it comes. */
static int change_source(struct mremap *r)
{
	const struct pgw_vma *vma = r->vma;
	int err;

	vma_change_take(&r->change, vma->start, vma->end);
	err = vma_change_put(&r->change, vma, vma->start, r->args.start, vma->flags);
	return err ? err : vma_change_put(&r->change, vma, r->args.end, vma->end, vma->flags);
}

/* The new one comes, and merges with what lies beside it. */
static int change_target(struct mremap *r, const struct pgw_vma *target, struct pgw_vma *before,
			 struct pgw_vma *after)
{
	int err = 0;

	if (before) {
		vma_change_take(&r->change, before->start, before->end);
		err = vma_change_put(&r->change, before, before->start, before->end, before->flags);
	}
	if (!err)
		err = vma_change_put(&r->change, target, target->start, target->end, target->flags);
	if (!err && after) {
		vma_change_take(&r->change, after->start, after->end);
		err = vma_change_put(&r->change, after, after->start, after->end, after->flags);
	}
	return err;
}

/* @return 0, -PGW_EEXIST, or as vma_change_put() */
static int mremap_change(struct mremap *r)
{
	const struct pgw_vma target = mremap_target(r);
	struct pgw_vma *before = vma_tree_find_before(r->mm->vma_root, target.start);
	struct pgw_vma *after = vma_tree_find(r->mm->vma_root, target.start);
	int err;

	if (after && after->start < target.end)
		return -PGW_EEXIST;
	/* What is left of the old VMA lies elsewhere in what backs it. */
	if (before == r->vma || (before && !vma_change_may_merge(before, &target, target.flags)))
		before = NULL;
	if (after == r->vma || (after && !vma_change_may_merge(&target, after, after->flags)))
		after = NULL;
	if (target.start > r->vma->start) {
		r->change.apart = before ? before->start : target.start;
		err = change_source(r);
		return err ? err : change_target(r, &target, before, after);
	}
	r->change.apart = r->vma->start;
	err = change_target(r, &target, before, after);
	return err ? err : change_source(r);
}

/* Free the empty tables that a range of addresses without VMAs has left. */
static void mremap_free(struct mremap *r, uint64_t start, uint64_t end)
{
	const struct pgw_vma *before = vma_tree_find_before(r->mm->vma_root, start);
	const struct pgw_vma *after = vma_tree_find(r->mm->vma_root, end);

	r->mm->pt.format->edit->free_range(&r->edit, start, end - 1,
					   before ? before->end : r->mm->pt.region.first,
					   after ? after->start - 1 : r->mm->pt.region.last);
}

static int mremap_prepare(struct mremap *r)
{
	const struct pt_edit_ops *ops = r->mm->pt.format->edit;
	int err = ops->split_at(&r->edit, r->args.end);

	if (!err)
		err = ops->move_prepare(&r->edit, r->args.start, r->move_end - 1,
					r->args.new_start);
	if (!err)
		err = vma_change_prepare(&r->change);
	if (err)
		mremap_free(r, r->args.new_start, r->args.new_end);
	return err;
}

static void mremap_commit(struct mremap *r)
{
	const struct pt_edit_ops *ops = r->mm->pt.format->edit;

	vma_change_commit(&r->change);
	mm_step(r->mm, PGW_STEP_MREMAP_COMMITTED);
	ops->move(&r->edit, r->args.start, r->move_end - 1, r->args.new_start);
	if (r->move_end != r->args.end)
		ops->unmap(&r->edit, r->move_end, r->args.end - 1, PGW_UNMAP_WHOLE);
	mremap_free(r, r->args.start, r->args.end);
	gather_flush(&r->gather);
	mapping_let_go(&r->change);
	vma_change_finish(&r->change);
}

static int mremap_elsewhere(struct mremap *r)
{
	int err;

	r->edit = (struct pt_edit){ .pt = &r->mm->pt, .policy = PT_RANGE, .gather = &r->gather };
	gather_init(&r->gather, &r->mm->pt, PT_RANGE);
	r->gather.release = mremap_release;
	r->gather.arg = r;
	vma_change_begin(&r->change, r->mm);
	err = mremap_change(r);
	if (!err)
		err = mapping_hold(&r->change, r->vma->mapping);
	if (!err)
		err = mremap_prepare(r);
	if (err) {
		gather_flush(&r->gather); /* of leaves that were split, and tables that were made */
		mapping_let_go(&r->change);
		vma_change_abort(&r->change);
		return err;
	}
	mremap_commit(r);
	return 0;
}

static int mremap_in_place(struct mremap *r)
{
	struct pgw_vma more;

	if (r->args.new_end < r->args.end)
		return pgw_mm_munmap_locked(r->mm, r->args.new_end, r->args.end);
	if (r->args.new_end == r->args.end)
		return 0;
	if (r->args.end != r->vma->end)
		return -PGW_EINVAL;
	more = vma_like(r->vma, r->args.end, r->args.new_end, r->vma->flags);
	return mm_mmap_locked(r->mm, &more);
}

/* Find the VMA, and what it refuses. */
static int mremap_find(struct mremap *r)
{
	const struct pgw_mremap_args *args = &r->args;
	uint64_t size = args->new_end - args->new_start, pgoff_end;

	r->vma = vma_tree_find(r->mm->vma_root, args->start);
	if (!r->vma || r->vma->start > args->start)
		return -PGW_ENOENT;
	if (args->end > r->vma->end)
		return -PGW_EINVAL;
	if (size > args->end - args->start &&
	    ((r->vma->flags & (PGW_VMA_PFNMAP | PGW_VMA_HUGETLB)) ||
	     add_overflows(pgoff_at(r->vma, args->start),
			   size >> r->mm->pt.format->geometry.granule_lg2, &pgoff_end)))
		return -PGW_EINVAL;
	return (args->start | args->new_start | args->end | args->new_end) &
			       low_bits(r->vma->page_lg2)
		       ? -PGW_EINVAL
		       : 0;
}

static int mremap_locked(struct mremap *r)
{
	struct pgw_mremap_args *args = &r->args;
	uint64_t size = args->new_end - args->new_start;
	int err = mremap_find(r);

	if (err)
		return err;
	r->move_end = size < args->end - args->start ? args->start + size : args->end;
	return args->new_start == args->start ? mremap_in_place(r) : mremap_elsewhere(r);
}

static int mremap_check(const struct pgw_mm *mm, const struct pgw_mremap_args *args)
{
	int err = args ? mm_check_vmas(mm, args->start, args->end) : -PGW_EINVAL;

	if (!err)
		err = mm_check_vmas(mm, args->new_start, args->new_end);
	if (!err && args->new_start != args->start && args->new_start < args->end &&
	    args->start < args->new_end)
		err = -PGW_EINVAL;
	return err;
}

int pgw_mm_mremap(struct pgw_mm *mm, const struct pgw_mremap_args *args)
{
	struct pgw_vma more = { .flags = 0 };
	struct mremap r = { .mm = mm };
	int err = mremap_check(mm, args);

	if (err)
		return err;
	r.args = *args;
	err = pgw_mmap_write_lock(mm);
	if (err)
		return err;
	err = mremap_locked(&r);
	if (!err && args->new_end - args->new_start > args->end - args->start) {
		/* What is locked in memory is so with its new part. */
		more.start = args->new_start + (args->end - args->start);
		more.end = args->new_end;
		more.flags = vma_tree_find(mm->vma_root, more.start)->flags;
	}
	mm_mmap_unlock(mm, err, &more);
	return err;
}
