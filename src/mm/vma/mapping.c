/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A file's mapping: its lock, its VMAs as they come and go, and taking pages out of them.
 *
 * Why a fault does not bring back what was taken out. A fault notes nr_unmaps,
 * asks the owner for a frame, locks the table where the leaf goes, looks at nr_unmaps
 * again, and puts the leaf there. Whoever unmaps increments nr_unmaps and then locks
 * each table of the range and clears what is in it. One of the two is
 * first at a table's lock: is it the fault, the leaf is found and cleared; is it the
 * other, the fault sees what that one did before, and asks again. But a table that
 * is not there has no lock: who unmaps sees an empty slot above, and the fault
 * fills that slot without a lock. For this both have a fence between their two steps
 * (unmap: increment, look at slots; fault: look at or fill slots, look at nr_unmaps): whichever
 * fence is first, the other's second step sees the first step before it.
 */

#include <pagewalk/mapping.h>

#include "base/bits.h"
#include "base/step.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/mapping_tree.h"

/* What the analysis of locks takes for granted. */
#define PRIMITIVE PGW_NO_THREAD_SAFETY_ANALYSIS

int pgw_mapping_new(const struct pgw_mapping_args *args, struct pgw_mapping **ret)
{
	const struct pgw_platform *platform;
	struct pgw_mapping *mapping;

	if (!args || !ret || !args->platform || args->page_lg2 < 1 || args->page_lg2 > 63)
		return -PGW_EINVAL;
	platform = args->platform;
	mapping = platform->obj_alloc(platform->ctx, sizeof(*mapping));
	if (!mapping)
		return -PGW_ENOMEM;
	mapping->platform = platform;
	mapping->ops = args->ops;
	mapping->arg = args->arg;
	mapping->page_lg2 = args->page_lg2;
	mapping->nr_pages = args->nr_pages;
	*ret = mapping;
	return 0;
}

void pgw_mapping_free(struct pgw_mapping *mapping)
{
	if (mapping)
		mapping->platform->obj_free(mapping->platform->ctx, mapping, sizeof(*mapping));
}

void *pgw_mapping_arg(const struct pgw_mapping *mapping)
{
	return mapping->arg;
}

uint64_t pgw_mapping_nr_pages(const struct pgw_mapping *mapping)
{
	return step_load_n(&mapping->nr_pages, __ATOMIC_RELAXED);
}

size_t pgw_mapping_nr_vmas(const struct pgw_mapping *mapping)
{
	return mapping_assert_locked(mapping, __func__) ? 0 : mapping->nr_vmas;
}

bool mapping_fits(const struct pgw_mapping *mapping, const struct pgw_mm *mm)
{
	return mapping->platform == mm->platform &&
	       mapping->page_lg2 == mm->pt.format->geometry.granule_lg2;
}

/* ---- the lock ---- */

/* What lock.c said, with a breach reported under the name of the rule behind it. */
static int outcome(const struct pgw_mapping *mapping, int status, const char *function)
{
	switch (status) {
	case -PGW_EDEADLK:
		return mapping_violation(mapping, PGW_RULE_I_MMAP_RECURSION, function);
	case -PGW_E2BIG:
		return mapping_violation(mapping, PGW_RULE_MMAP_TOO_MANY, function);
	case -PGW_EPERM:
		return mapping_violation(mapping, PGW_RULE_I_MMAP_NOT_HELD, function);
	default:
		return status; /* busy is an answer; no lock comes after this one */
	}
}

PRIMITIVE int pgw_mapping_read_lock(struct pgw_mapping *mapping)
{
	return outcome(mapping,
		       mmap_lock_read(&mapping->lock, mapping->platform, LOCK_RANK_MAPPING),
		       __func__);
}

PRIMITIVE int pgw_mapping_read_trylock(struct pgw_mapping *mapping)
{
	return outcome(mapping,
		       mmap_lock_read_try(&mapping->lock, mapping->platform, LOCK_RANK_MAPPING),
		       __func__);
}

PRIMITIVE int pgw_mapping_read_unlock(struct pgw_mapping *mapping)
{
	return outcome(mapping, mmap_lock_read_unlock(&mapping->lock, mapping->platform), __func__);
}

PRIMITIVE int pgw_mapping_write_lock(struct pgw_mapping *mapping)
{
	return outcome(mapping,
		       mmap_lock_write(&mapping->lock, mapping->platform, LOCK_RANK_MAPPING),
		       __func__);
}

PRIMITIVE int pgw_mapping_write_trylock(struct pgw_mapping *mapping)
{
	return outcome(mapping,
		       mmap_lock_write_try(&mapping->lock, mapping->platform, LOCK_RANK_MAPPING),
		       __func__);
}

PRIMITIVE int pgw_mapping_write_unlock(struct pgw_mapping *mapping)
{
	return outcome(mapping, mmap_lock_write_unlock(&mapping->lock, mapping->platform),
		       __func__);
}

int mapping_assert_locked(const struct pgw_mapping *mapping, const char *function)
{
	if (mmap_lock_mode(&mapping->lock, mapping->platform) != PGW_LOCK_NONE)
		return 0;
	return mapping_violation(mapping, PGW_RULE_I_MMAP_LOCKED, function);
}

PRIMITIVE int pgw_mapping_assert_locked(const struct pgw_mapping *mapping)
{
	return mapping_assert_locked(mapping, __func__);
}

/* ---- VMAs that come and go ---- */

/* The VMAs of a change, old and fresh, in the order of addresses. */
struct change_list {
	struct pgw_vma *old, *fresh;
};

static struct pgw_vma *change_next(struct change_list *list, bool *ret_is_fresh)
{
	bool is_fresh = !list->old || (list->fresh && list->fresh->start < list->old->start);
	struct pgw_vma **from = is_fresh ? &list->fresh : &list->old;
	struct pgw_vma *vma = *from;

	if (vma)
		*from = vma->next;
	*ret_is_fresh = is_fresh;
	return vma;
}

PRIMITIVE int mapping_hold(struct vma_change *change, struct pgw_mapping *mapping)
{
	int err = mapping ? pgw_mapping_write_lock(mapping) : 0;

	if (!err)
		change->held = mapping;
	return err;
}

PRIMITIVE void mapping_let_go(struct vma_change *change)
{
	if (change->held)
		pgw_mapping_write_unlock(change->held);
	change->held = NULL;
}

int mapping_check_change(const struct vma_change *change)
{
	struct change_list list = { change->old, change->fresh };
	const struct pgw_mapping *checked = NULL;
	const struct pgw_vma *vma;
	bool is_fresh;
	int err = 0;

	while (!err && (vma = change_next(&list, &is_fresh))) {
		const struct pgw_mapping *mapping = vma->mapping;

		if (!mapping || mapping == checked || mapping == change->held)
			continue;
		err = outcome(
			mapping,
			mmap_lock_may_wait(&mapping->lock, mapping->platform, LOCK_RANK_MAPPING),
			"pgw_mapping_write_lock");
		checked = mapping;
	}
	return err;
}

/* The page of the file that a VMA shows at an address. */
static uint64_t page_at(const struct pgw_vma *vma, uint64_t va)
{
	return vma->pgoff + ((va - vma->start) >> vma->mapping->page_lg2);
}

/* A VMA is found by what it shows at start to end, exclusive. */
static void mapping_put(struct pgw_mapping *mapping, struct file_vma *f, uint64_t start,
			uint64_t end)
{
	f->first = page_at(&f->vma, start);
	f->last = page_at(&f->vma, end) - 1;
	mapping_tree_insert(&mapping->root, f);
	mapping->nr_vmas++;
}

static void mapping_take(struct pgw_mapping *mapping, struct file_vma *f)
{
	mapping_tree_remove(&mapping->root, f);
	mapping->nr_vmas--;
}

/* An old VMA goes, but for what is leaving of it. */
static void mapping_change_old(struct pgw_mapping *mapping, struct pgw_vma *vma,
			       const struct vma_change *change)
{
	uint64_t start = change->leaving_start, end = change->leaving_end;

	start = start > vma->start ? start : vma->start;
	end = end < vma->end ? end : vma->end;
	mapping_take(mapping, file_vma_of(vma));
	if (start < end)
		mapping_put(mapping, file_vma_of(vma), start, end);
}

/*
 * Go from a file to another one, or none, with the lock for write; but for the lock that the
 * change's maker holds all the while.
 */
PRIMITIVE static void mapping_relock(const struct vma_change *change, struct pgw_mapping **locked,
				     struct pgw_mapping *mapping)
{
	if (*locked == mapping)
		return;
	if (*locked && *locked != change->held)
		pgw_mapping_write_unlock(*locked);
	if (mapping && mapping != change->held)
		pgw_mapping_write_lock(mapping);
	*locked = mapping;
}

/* Neighbours of one file under one lock: of them nothing is missing in between, nor there twice. */
void mapping_apply_change(const struct vma_change *change)
{
	struct change_list list = { change->old, change->fresh };
	struct pgw_mapping *locked = NULL;
	struct pgw_vma *vma;
	bool is_fresh;

	while ((vma = change_next(&list, &is_fresh))) {
		mapping_relock(change, &locked, vma->mapping);
		if (locked && is_fresh)
			mapping_put(locked, file_vma_of(vma), vma->start, vma->end);
		else if (locked)
			mapping_change_old(locked, vma, change);
	}
	mapping_relock(change, &locked, NULL);
}

void mapping_leave(const struct vma_change *change)
{
	struct pgw_mapping *locked = NULL;

	for (struct pgw_vma *vma = change->old; vma; vma = vma->next) {
		mapping_relock(change, &locked, vma->mapping);
		if (locked)
			mapping_take(locked, file_vma_of(vma));
	}
	mapping_relock(change, &locked, NULL);
}

/* ---- faults ---- */

uint64_t mapping_nr_unmaps(const struct pgw_mapping *mapping)
{
	return step_load_n(&mapping->nr_unmaps, __ATOMIC_ACQUIRE);
}

bool mapping_may_map(const struct pgw_mapping *mapping, uint64_t nr_unmaps)
{
	step_thread_fence(__ATOMIC_SEQ_CST); /* see above; pairs with unmap_begin() */
	return step_load_n(&mapping->nr_unmaps, __ATOMIC_RELAXED) == nr_unmaps;
}

/* ---- taking pages out ---- */

static void unmap_release(struct pt_gather *gather, const struct pgw_frames *frames)
{
	struct pgw_vma *vma = gather->arg;

	vma->ops->release(vma, frames);
}

/*
 * Addresses of a VMA that its mapping keeps, with its tables but the lowest:
 * these are looked at as a reader. Others fault, drop and split there meanwhile.
 */
static void unmap_in_vma(struct pgw_vma *vma, uint64_t start, uint64_t end)
{
	struct pgw_mm *mm = vma->mm;
	struct pt_gather gather;
	const struct pt_edit edit = { .pt = &mm->pt, .policy = PT_SHARED, .gather = &gather };

	gather_init(&gather, &mm->pt, PT_SHARED);
	if (vma->ops && vma->ops->release && !(vma->flags & PGW_VMA_PFNMAP))
		gather.release = unmap_release;
	gather.arg = vma;
	mm_flush_begin(mm);
	pgw_reader_enter(mm->platform);
	mm->pt.format->edit->unmap(&edit, start, end - 1, PGW_UNMAP_WHOLE);
	pgw_reader_leave(mm->platform);
	mm_flush_end(mm, &gather, start, end - 1);
}

/* Faults that asked before this do not map any more, unless who unmaps finds what they mapped. */
static void unmap_begin(struct pgw_mapping *mapping)
{
	step_fetch_add(&mapping->nr_unmaps, 1, __ATOMIC_RELEASE);
	step_thread_fence(__ATOMIC_SEQ_CST); /* see above; pairs with mapping_may_map() */
}

void mapping_clip(const struct file_vma *f, uint64_t first, uint64_t last, uint64_t *ret_start,
		  uint64_t *ret_end)
{
	const struct pgw_vma *vma = &f->vma;
	unsigned lg2 = vma->mapping->page_lg2;

	first = first > f->first ? first : f->first;
	last = last < f->last ? last : f->last;
	*ret_start = vma->start + ((first - vma->pgoff) << lg2);
	*ret_end = vma->start + ((last + 1 - vma->pgoff) << lg2);
}

/* Pages first..last from all VMAs. The i_mmap lock is held. */
static void unmap_pages(struct pgw_mapping *mapping, uint64_t first, uint64_t last)
{
	struct file_vma *f = mapping_tree_first(mapping->root, first, last);

	for (; f; f = mapping_tree_next(f, first, last)) {
		uint64_t start, end;

		mapping_clip(f, first, last, &start, &end);
		unmap_in_vma(&f->vma, start, end);
	}
}

int pgw_mapping_unmap(struct pgw_mapping *mapping, uint64_t first, uint64_t nr_pages)
{
	uint64_t end;
	int err;

	if (!nr_pages)
		return 0;
	err = pgw_mapping_read_lock(mapping);
	if (err)
		return err;
	unmap_begin(mapping);
	unmap_pages(mapping, first, add_overflows(first, nr_pages, &end) ? UINT64_MAX : end - 1);
	pgw_mapping_read_unlock(mapping);
	return 0;
}

int pgw_mapping_truncate(struct pgw_mapping *mapping, uint64_t nr_pages)
{
	bool is_shorter;
	int err = pgw_mapping_read_lock(mapping);

	if (err)
		return err;
	is_shorter = nr_pages < step_exchange_n(&mapping->nr_pages, nr_pages, __ATOMIC_RELAXED);
	if (is_shorter) {
		unmap_begin(mapping);
		unmap_pages(mapping, nr_pages, UINT64_MAX);
	}
	pgw_mapping_read_unlock(mapping);
	return 0;
}
