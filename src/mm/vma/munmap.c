/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * munmap, in Linux's order. Each step is a function:
 *
 *	split     the edges, of VMAs and of leaves; all that can fail       mmap lock: write
 *	detach    the VMAs leave the tree: the first visible change                 write
 *	downgrade                                                                   read
 *	zap       the leaves, after the lowest tables that lie in a VMA were unlinked and flushed;
 *	          the VMAs leave their files
 *	free      unlink the tables that nobody needs any more
 *	flush     the TLBs; then release the frames and, once readers
 *	          have left, free the tables
 *
 * Why nobody is at the tables that are unlinked while others hold the lock for
 * read too: their whole span lies between the end of the VMA before (floor) and
 * the start of the one after (ceiling), both looked up while the lock was held for
 * write. In there
 *	- is no VMA: those that were are detached, after their readers had left
 *	  (vma_lock_write() waited), and nobody can lock a detached VMA;
 *	- looks nobody who found a VMA by its file: they have left the file, when nobody
 *	  held its i_mmap lock (mapping_leave() waited);
 *	- comes no VMA: mmap, expand and mprotect need the lock for write, and wait;
 *	- goes nobody through a VMA beside it: a table on the way to an address
 *	  of that VMA spans the address, and so does not lie between floor and ceiling;
 *	- looks nobody who follows the rules: gaps are answered from the VMAs, and
 *	  walks without VMAs hold the lock for write.
 * The tables above those are shared with the neighbours, who may fault and drop
 * pages meanwhile: they change other slots, by atomic operations, as this does.
 *
 * What zap looks at is more: a lowest table across floor or ceiling may be
 * unlinked under it by pgw_mm_dontneed() of the neighbour, once it is empty. So
 * zapping is done as a reader; what it then finds in the table is empty.
 *
 * As long as a file's pages are mapped, or TLBs know them, whoever looks for them by the file
 * has to find them. So the VMAs stay in the file until that is over; zapping is done with
 * tables' locks, as others may take pages out meanwhile.
 */

#include <pagewalk/vma.h>

#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/vma_change.h"

struct munmap {
	struct pgw_mm *mm;
	uint64_t start, end;     /* the range; after split, of what is mapped in it */
	uint64_t floor, ceiling; /* nobody else's VMAs are in here; inclusive */
	struct vma_change change;
	struct pt_gather gather;
	struct pt_edit edit;
	struct pgw_vma *released; /* whose frames are being released */
};

/* Frames come in ascending order, and so do the VMAs that they were in. */
static void munmap_release(struct pt_gather *gather, const struct pgw_frames *frames)
{
	struct munmap *m = gather->arg;
	struct pgw_vma *vma = m->released;

	while (frames->va >= vma->end)
		vma = vma->next;
	m->released = vma;
	if (vma->ops && vma->ops->release && !(vma->flags & PGW_VMA_PFNMAP))
		vma->ops->release(vma, frames);
}

static void munmap_init(struct munmap *m, struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	m->mm = mm;
	m->start = start;
	m->end = end;
	m->edit = (struct pt_edit){ .pt = &mm->pt, .policy = PT_SHARED, .gather = &m->gather };
	gather_init(&m->gather, &mm->pt, PT_RANGE);
	m->gather.release = munmap_release;
	m->gather.arg = m;
	vma_change_begin(&m->change, mm);
}

/*
 * Cut what sticks out off: of leaves and of VMAs. Whoever would fault in these VMAs waits from
 * here on. Nothing that others see has changed.
 */
static int munmap_split(struct munmap *m)
{
	const struct pt_edit_ops *ops = m->mm->pt.format->edit;
	struct pgw_vma *first, *last;
	int err = 0;

	vma_change_take(&m->change, m->start, m->end);
	first = m->change.old;
	last = m->change.old_last;
	if (!first)
		return 0;
	if (first->start < m->start) {
		err = vma_change_put(&m->change, first, first->start, m->start, first->flags);
		if (!err)
			err = ops->split_at(&m->edit, m->start);
	} else {
		m->start = first->start;
	}
	if (last->end <= m->end) {
		m->end = last->end;
	} else if (!err) {
		err = vma_change_put(&m->change, last, m->end, last->end, last->flags);
		if (!err)
			err = ops->split_at(&m->edit, m->end);
	}
	return err ? err : vma_change_prepare(&m->change);
}

/* The point of no return. */
static void munmap_detach(struct munmap *m)
{
	struct pgw_vma *vma;

	m->change.leaving_start = m->start;
	m->change.leaving_end = m->end;
	vma_change_commit(&m->change);
	m->released = m->change.old;
	m->floor = m->mm->pt.region.first;
	m->ceiling = m->mm->pt.region.last;
	vma = vma_tree_find_before(m->mm->vma_root, m->start);
	if (vma)
		m->floor = vma->end;
	vma = vma_tree_find(m->mm->vma_root, m->end);
	if (vma)
		m->ceiling = vma->start - 1;
	mm_step(m->mm, PGW_STEP_MUNMAP_DETACHED);
}

static void munmap_zap(struct munmap *m)
{
	const struct pt_edit_ops *ops = m->mm->pt.format->edit;
	bool has_file = vma_change_has_file(&m->change);

	if (has_file)
		mm_flush_begin(m->mm);
	else
		m->edit.policy = PT_RANGE;

	for (const struct pgw_vma *vma = m->change.old; vma; vma = vma->next) {
		uint64_t start = vma->start > m->start ? vma->start : m->start;
		uint64_t end = vma->end < m->end ? vma->end : m->end;

		pgw_reader_enter(m->mm->platform);
		ops->zap(&m->edit, start, end - 1);
		if (has_file) /* with locks it leaves guards, and these go with their VMA */
			ops->clear_guards(&m->edit, start, end - 1);
		pgw_reader_leave(m->mm->platform);
	}
	if (!has_file)
		return;
	mm_flush_end(m->mm, &m->gather, m->start, m->end - 1);
	mapping_leave(&m->change);
	m->edit.policy = PT_RANGE;
}

static void munmap_free(struct munmap *m)
{
	m->mm->pt.format->edit->free_range(&m->edit, m->start, m->end - 1, m->floor, m->ceiling);
}

static void munmap_flush(struct munmap *m)
{
	gather_flush(&m->gather);
	vma_change_finish(&m->change);
	mm_step(m->mm, PGW_STEP_MUNMAP_FREED);
}

/* The steps, under the mmap lock, which is held for read afterwards if it may be downgraded. */
static int munmap_steps(struct pgw_mm *mm, uint64_t start, uint64_t end, bool may_downgrade)
{
	struct munmap m;
	int err;

	munmap_init(&m, mm, start, end);
	err = munmap_split(&m);
	if (err) {
		gather_flush(&m.gather); /* of leaves that were split */
		vma_change_abort(&m.change);
	}
	if (!err && m.change.old)
		munmap_detach(&m);
	if (may_downgrade)
		pgw_mmap_write_downgrade(mm);
	if (err || !m.change.old)
		return err;
	if (may_downgrade)
		mm_step(mm, PGW_STEP_MUNMAP_DOWNGRADED);
	munmap_zap(&m);
	munmap_free(&m);
	munmap_flush(&m);
	return 0;
}

int pgw_mm_munmap(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	int err = mm_check_vmas(mm, start, end);

	if (!err)
		err = pgw_mmap_write_lock(mm);
	if (err)
		return err;
	err = munmap_steps(mm, start, end, true);
	pgw_mmap_read_unlock(mm);
	return err;
}

int pgw_mm_munmap_locked(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	int err = mm_check_vmas(mm, start, end);

	if (!err)
		err = mm_assert_write_locked(mm, PGW_RULE_MMAP_WRITE_LOCKED, __func__);
	return err ? err : munmap_steps(mm, start, end, false);
}

void mm_free_vmas(struct pgw_mm *mm)
{
	struct munmap m;
	const uint64_t first = mm->pt.region.first, last = mm->pt.region.last;

	if (!mm->vma_root)
		return;
	munmap_init(&m, mm, first, last + 1);
	vma_change_take(&m.change, first, last + 1);
	m.released = m.change.old;
	m.start = first;
	munmap_zap(&m);
	gather_flush(&m.gather);
	vma_change_finish(&m.change);
	vma_tree_free(mm->platform, mm->vma_root);
	mm->vma_root = NULL;
}
