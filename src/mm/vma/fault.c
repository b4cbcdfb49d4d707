/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Page faults, one at a time and ahead of time.
 *
 * A fault into a hole is resolved under the VMA's lock or the mmap lock, for read:
 * others may fault there too, and drop what is there. The frame goes in by a
 * compare-and-swap under the lowest table's lock; whoever loses gives his frame back and
 * looks again.
 *
 * A fault on a leaf that is there and lacks the right (a write, after
 * mprotect gave it, or where the owner wanted to be asked) is rare, and may put another
 * frame there, which must not overwrite what a third one put there meanwhile.
 * So that is done with the mmap lock held for write, and the VMA locked: alone.
 *
 * Not even then is a fault in a file's VMA alone: its pages are taken out by the i_mmap
 * lock (mapping.c). It finds that out under the table's lock, and looks again.
 */

#include <pagewalk/vma.h>

#include "base/bits.h"
#include "base/step.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/vma_lock.h"
#include "mm/vma/vma_tree.h"

/* What fault_resolve() returns when it has to be alone. */
#define FAULT_ALONE 1

/** One fault, in a VMA that stays. */
struct fault {
	struct pgw_mm *mm;
	struct pgw_vma *vma;
	uint64_t va; /* of the page */
	uint8_t access;
	bool is_alone;
	struct pgw_translation at; /* what is there */
	uint64_t nr_unmaps;        /* of the file, before the owner was asked */
};

static const struct pgw_geometry *fault_geometry(const struct fault *f)
{
	return &f->mm->pt.format->geometry;
}

/* Look at what is there. As a reader, because lowest tables may be freed under the VMA. */
static void fault_look(struct fault *f)
{
	pgw_reader_enter(f->mm->platform);
	pt_ops(&f->mm->pt)->translate(&f->mm->pt, f->va, &f->at, NULL);
	pgw_reader_leave(f->mm->platform);
}

static bool leaf_allows(const struct fault *f)
{
	static const struct {
		uint8_t access, right;
	} table[] = {
		{ PGW_VMA_READ, PGW_USER_R },
		{ PGW_VMA_WRITE, PGW_USER_W },
		{ PGW_VMA_EXEC, PGW_USER_X },
	};

	for (size_t i = 0; i < PGW_ARRAY_SIZE(table); i++) {
		if ((f->access & table[i].access) && !(f->at.rights & table[i].right))
			return false;
	}
	return true;
}

/* log2 of a leaf's bytes: a hugetlb VMA's say all the same. */
static unsigned leaf_lg2(const struct fault *f, uint8_t level)
{
	return f->vma->page_lg2 ? f->vma->page_lg2 : fault_geometry(f)->span_lg2[level];
}

static uint64_t pgoff_at(const struct fault *f, uint64_t va)
{
	return f->vma->pgoff + ((va - f->vma->start) >> fault_geometry(f)->granule_lg2);
}

static bool file_has(const struct fault *f, uint64_t va)
{
	return !f->vma->mapping || pgoff_at(f, va) < pgw_mapping_nr_pages(f->vma->mapping);
}

/* The largest leaf that fits between the VMA's bounds and into what is empty. */
static uint8_t largest_level(const struct fault *f)
{
	const struct pgw_geometry *geo = fault_geometry(f);
	uint8_t best = 0;

	if (f->vma->page_lg2) {
		while (best < geo->top_level && geo->span_lg2[best + 1] <= f->vma->page_lg2)
			best++;
		return best;
	}
	for (uint8_t level = 1; level <= f->at.level; level++) {
		uint64_t span = low_bits(geo->span_lg2[level]);

		if ((f->va & ~span) < f->vma->start || (f->va | span) >= f->vma->end ||
		    !file_has(f, f->va | span))
			break;
		if (geo->leaf_sizes & (span + 1))
			best = level;
	}
	return best;
}

static struct pgw_frames answer_frames(const struct fault *f, const struct pgw_fault *answer)
{
	uint64_t span = low_bits(leaf_lg2(f, answer->level));

	return (struct pgw_frames){ .va = f->va & ~span, .pa = answer->pa, .size = span + 1 };
}

/* The frame is not mapped, and never was. */
static void give_back(const struct fault *f, const struct pgw_fault *answer)
{
	const struct pgw_vma_ops *ops = f->vma->ops;
	struct pgw_frames frames = answer_frames(f, answer);

	if (ops->release && !(f->vma->flags & PGW_VMA_PFNMAP))
		ops->release(f->vma, &frames);
}

static int fault_ask(struct fault *f, struct pgw_fault *answer)
{
	const struct pgw_geometry *geo = fault_geometry(f);
	uint64_t va = f->vma->page_lg2 ? f->va & ~low_bits(f->vma->page_lg2) : f->va;
	int err;

	if (f->vma->mapping)
		f->nr_unmaps = mapping_nr_unmaps(f->vma->mapping);
	if (!f->vma->ops || !f->vma->ops->fault || !file_has(f, f->va))
		return -PGW_EFAULT;
	*answer = (struct pgw_fault){
		.va = va,
		.access = f->access,
		.max_level = largest_level(f),
		.page_lg2 = f->vma->page_lg2,
		.pgoff = pgoff_at(f, va),
		.is_mapped = f->at.kind == PGW_ENTRY_LEAF,
		.pa = f->at.kind == PGW_ENTRY_LEAF ? f->at.pa : 0,
	};
	err = f->vma->ops->fault(f->vma, answer);
	if (err)
		return err;
	if (f->vma->page_lg2)
		answer->level = answer->max_level;
	if (answer->level > answer->max_level ||
	    !(geo->leaf_sizes & BIT(leaf_lg2(f, answer->level))) ||
	    (answer->pa & low_bits(leaf_lg2(f, answer->level))))
		return -PGW_EINVAL;
	return 0;
}

/* The leaf that an answer asks for. @return false: it would not allow the access */
static bool answer_leaf(const struct fault *f, const struct pgw_fault *answer, struct pgw_leaf *ret)
{
	uint32_t flags = f->vma->flags;

	if (answer->read_only)
		flags &= ~(uint32_t)PGW_VMA_WRITE;
	if ((f->access & ~flags) || !mm_vma_rights(f->mm, flags, &ret->rights))
		return false;
	ret->va = f->va & ~low_bits(leaf_lg2(f, answer->level));
	ret->pa = answer->pa;
	ret->level = answer->level;
	ret->attrs = answer->attrs;
	return true;
}

/* By one leaf of just this size: attributes cannot make a run of it that sticks out of the VMA. */
static struct pgw_map_args leaf_args(const struct fault *f, const struct pgw_leaf *leaf)
{
	uint64_t size = BIT(leaf_lg2(f, leaf->level));

	return (struct pgw_map_args){
		.first = leaf->va,
		.last = leaf->va + (size - 1),
		.pa = leaf->pa,
		.rights = leaf->rights,
		.attrs = leaf->attrs,
		.sizes = size,
	};
}

/* map() or map_page(), as a reader: a lowest table that is empty may be unlinked before the leaf is in it. */
static int map_answer(const struct fault *f, const struct pt_edit *edit,
		      const struct pgw_map_args *args,
		      int (*map)(const struct pt_edit *edit, const struct pgw_map_args *args))
{
	int err;

	pgw_reader_enter(f->mm->platform);
	err = map(edit, args);
	pgw_reader_leave(f->mm->platform);
	return err;
}

/* Under the table's lock: may what the owner answered still be mapped? */
static bool fault_may_map(const struct pt_edit *edit)
{
	const struct fault *f = edit->arg;

	return mapping_may_map(f->vma->mapping, f->nr_unmaps);
}

/* @param gather NULL: there will be nothing to gather */
static struct pt_edit fault_edit(struct fault *f, enum pt_policy policy, struct pt_gather *gather)
{
	if (gather)
		gather_init(gather, &f->mm->pt, policy);
	return (struct pt_edit){ .pt = &f->mm->pt,
				 .policy = policy,
				 .gather = gather,
				 .may_map = f->vma->mapping ? fault_may_map : NULL,
				 .arg = f };
}

/* A page was mapped, or not. Who cleared it a moment ago may not have flushed it yet. */
static void fault_flush(const struct fault *f, int err)
{
	if (pgw_unlikely(!err && step_load_n(&f->mm->nr_unflushed, __ATOMIC_ACQUIRE)))
		pt_flush(&f->mm->pt, f->va, f->va | f->mm->pt.page_mask);
}

/* Whatever the answer is, and whatever is missing above it. */
static PGW_NOINLINE int fill_any(struct fault *f, const struct pgw_map_args *args)
{
	struct pt_gather gather;
	const struct pt_edit edit = fault_edit(f, PT_SHARED, &gather);
	int err = map_answer(f, &edit, args, f->mm->pt.format->edit->map);

	gather_flush(&gather);
	return err;
}

/* Fill a hole. @return -PGW_EEXIST: look again */
static int fault_fill(struct fault *f)
{
	const struct pt_edit page = fault_edit(f, PT_SHARED, NULL);
	struct pgw_fault answer;
	struct pgw_leaf leaf;
	int err = fault_ask(f, &answer);

	if (err)
		return err;
	err = -PGW_EFAULT;
	if (answer_leaf(f, &answer, &leaf)) {
		const struct pgw_map_args args = leaf_args(f, &leaf);

		err = PT_OTHERWISE;
		if (args.last - args.first == f->mm->pt.page_mask)
			err = map_answer(f, &page, &args, f->mm->pt.format->edit->map_page);
		if (err == PT_OTHERWISE)
			err = fill_any(f, &args);
	}
	fault_flush(f, err);
	if (err)
		give_back(f, &answer);
	return err;
}

static void release_replaced(struct pt_gather *gather, const struct pgw_frames *frames)
{
	const struct fault *f = gather->arg;

	if (f->vma->ops->release && !(f->vma->flags & PGW_VMA_PFNMAP))
		f->vma->ops->release(f->vma, frames);
}

/* Put another frame in the place of what is mapped there. */
static int replace_frame(const struct fault *f, const struct pgw_leaf *leaf, struct pt_edit *edit)
{
	const struct pt_edit_ops *ops = f->mm->pt.format->edit;
	const struct pgw_map_args args = leaf_args(f, leaf);

	ops->unmap(edit, args.first, args.last, PGW_UNMAP_WHOLE);
	gather_flush(edit->gather); /* break, then make */
	return map_answer(f, edit, &args, ops->map);
}

/* The right to the frame that is there; a file's may be gone by now, which nobody was told. */
static int give_rights(const struct fault *f, const struct pgw_leaf *leaf, struct pt_edit *edit)
{
	uint64_t span = low_bits(leaf_lg2(f, leaf->level));
	int err = f->mm->pt.format->edit->protect(edit, leaf->va, leaf->va | span, leaf->rights);

	if (!err && f->vma->mapping && !mapping_may_map(f->vma->mapping, f->nr_unmaps))
		err = -PGW_EEXIST;
	return err;
}

/*
 * Give a leaf the rights that the owner agrees to; or replace it, if he has another
 * frame. Nobody else is here, but whoever takes pages out of a file. What the answer does
 * not speak of, of a larger leaf, is split off. @return -PGW_EEXIST: look again
 */
static int fault_replace(struct fault *f)
{
	const struct pt_edit_ops *ops = f->mm->pt.format->edit;
	struct pgw_fault answer;
	struct pt_gather gather;
	struct pt_edit edit;
	struct pgw_leaf leaf;
	uint64_t span;
	bool is_same;
	int err = fault_ask(f, &answer);

	if (err)
		return err;
	span = low_bits(leaf_lg2(f, answer.level));
	is_same = answer.pa == (f->at.pa & ~span);
	edit = fault_edit(f, f->vma->mapping ? PT_SHARED : PT_RANGE, &gather);
	gather.release = release_replaced;
	gather.arg = f;
	err = answer_leaf(f, &answer, &leaf) ? 0 : -PGW_EFAULT;
	if (!err)
		err = ops->split_at(&edit, leaf.va);
	if (!err)
		err = ops->split_at(&edit, leaf.va + span + 1);
	if (!err)
		err = is_same ? give_rights(f, &leaf, &edit) : replace_frame(f, &leaf, &edit);
	fault_flush(f, err);
	gather_flush(&gather);
	if (err && !is_same)
		give_back(f, &answer);
	return err;
}

/* What an access gets where there is neither a leaf nor nothing. */
static int fault_refuse(const struct fault *f)
{
	if (f->at.level == 0 && f->at.entry == f->mm->pt.format->edit->guard)
		return -PGW_EACCES;
	return -PGW_EFAULT; /* somebody keeps something there that is not ours */
}

/* @return 0: a leaf is there that allows the access; FAULT_ALONE; or a status */
static int fault_resolve(struct fault *f)
{
	int err;

	if (f->access & ~f->vma->flags)
		return -PGW_EFAULT;
	do {
		fault_look(f);
		if (f->at.kind == PGW_ENTRY_LEAF && leaf_allows(f))
			return 0;
		if (f->at.kind == PGW_ENTRY_LEAF && !f->is_alone)
			return FAULT_ALONE;
		if (f->at.kind == PGW_ENTRY_LEAF)
			err = fault_replace(f);
		else if (f->at.kind == PGW_ENTRY_EMPTY)
			err = fault_fill(f);
		else
			return fault_refuse(f);
	} while (err == -PGW_EEXIST);
	return err;
}

/* Under the mmap lock, in any mode. */
static int fault_locked(struct pgw_mm *mm, uint64_t va, uint32_t access, bool is_alone)
{
	struct fault f = { .mm = mm, .va = va, .access = (uint8_t)access, .is_alone = is_alone };

	f.vma = vma_tree_find(mm->vma_root, va);
	if (!f.vma || f.vma->start > va)
		return -PGW_EFAULT;
	if (is_alone)
		vma_lock_write(f.vma);
	return fault_resolve(&f);
}

static int fault_shared(struct pgw_mm *mm, uint64_t va, uint32_t access)
{
	struct fault f = { .mm = mm, .va = va, .access = (uint8_t)access };
	int err;

	f.vma = pgw_vma_read_lock(mm, va);
	if (f.vma) {
		err = fault_resolve(&f);
		pgw_vma_read_unlock(f.vma);
		return err;
	}
	err = pgw_mmap_read_lock(mm);
	if (err)
		return err;
	err = fault_locked(mm, va, access, false);
	pgw_mmap_read_unlock(mm);
	return err;
}

static int fault_alone(struct pgw_mm *mm, uint64_t va, uint32_t access)
{
	int err = pgw_mmap_write_lock(mm);

	if (err)
		return err;
	err = fault_locked(mm, va, access, true);
	pgw_mmap_write_unlock(mm);
	return err;
}

int pgw_mm_fault(struct pgw_mm *mm, uint64_t va, uint32_t access)
{
	uint64_t granule;
	int err;

	if (!mm || (access != PGW_VMA_READ && access != PGW_VMA_WRITE && access != PGW_VMA_EXEC))
		return -PGW_EINVAL;
	granule = BIT(mm->pt.format->geometry.granule_lg2);
	va &= ~(granule - 1);
	err = mm_check_vmas(mm, va, va + granule);
	if (err)
		return err;
	err = fault_shared(mm, va, access);
	return err == FAULT_ALONE ? fault_alone(mm, va, access) : err;
}

/* What a VMA allows, to fault its pages in with; to write last, which the owner may not want yet. */
static uint8_t any_access(const struct pgw_vma *vma)
{
	if (vma->flags & PGW_VMA_READ)
		return PGW_VMA_READ;
	return vma->flags & PGW_VMA_EXEC ? PGW_VMA_EXEC : (uint8_t)(vma->flags & PGW_VMA_WRITE);
}

int mm_populate_locked(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	struct fault f = { .mm = mm, .va = start };

	while (f.va < end) {
		int err;

		f.vma = vma_tree_find(mm->vma_root, f.va);
		if (!f.vma || f.vma->start > f.va)
			return -PGW_ENOENT;
		f.access = any_access(f.vma);
		if (!f.access)
			return -PGW_EFAULT;
		fault_look(&f);
		if (f.at.kind == PGW_ENTRY_LEAF) {
			f.va = f.at.va_last + 1;
			continue;
		}
		err = f.at.kind == PGW_ENTRY_EMPTY ? fault_fill(&f) : fault_refuse(&f);
		if (err && err != -PGW_EEXIST)
			return err;
	}
	return 0;
}

int pgw_mm_populate(struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	int err = mm_check_vmas(mm, start, end);

	if (!err)
		err = pgw_mmap_read_lock(mm);
	if (err)
		return err;
	err = mm_populate_locked(mm, start, end);
	pgw_mmap_read_unlock(mm);
	return err;
}
