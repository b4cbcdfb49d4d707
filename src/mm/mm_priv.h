/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_MM_PRIV_H
#define MM_MM_PRIV_H

/* An address space, as this layer sees it. */

#include <pagewalk/vma.h>

#include "base/step.h"
#include "mm/lock.h"
#include "pt/read/gather.h"
#include "pt/pt.h"
#include "pt/read/recall.h"

/** A common size of cache lines. Where they are larger, two locks share one. */
#define MM_CACHE_LINE 64

struct pgw_mm {
	/*
	 * The locks come first, each in a cache line of its own (mm_alloc()), as whoever takes one
	 * takes its line from the others.
	 */
	struct pgw_mmap_lock lock;
	unsigned char rest_of_line[MM_CACHE_LINE - sizeof(struct pgw_mmap_lock)];
	/* of a kernel mm: against those who free its tables; see kernel.h */
	struct pgw_mmap_lock hotplug;
	unsigned char rest_of_second[MM_CACHE_LINE - sizeof(struct pgw_mmap_lock)];

	void *memory; /* what was allocated; the mm begins less than a cache line later */
	const struct pgw_platform *platform;
	enum pgw_mm_kind kind;
	enum pgw_edit_policy policy;
	enum pgw_rules rules;
	struct pt pt;
	struct pt_edit
		page_edit; /* of an owned mm: by the caller alone; of pages, that need no gather */
	struct pt_pages pages;
	struct pt_recall recall;  /* a snapshot's: where its translations ended */
	struct pgw_mm *kernel_mm; /* of a user mm, or NULL */

	/* of an owned user mm, for mm_vma_rights(): by PGW_VMA_READ, WRITE and EXEC */
	uint8_t vma_rights[8];

	/* VMAs: an owned user mm's, or those that a snapshot was given; empty in others. */
	/* the tree, see vma_tree.h; read by readers, published under the write lock */
	struct vma_node *vma_root;
	size_t nr_vmas; /* guarded by lock */
	/*
	 * Changes when the lock is unlocked after write or downgraded, and so ends
	 * all VMAs' write locks; atomic. See vma_lock.c.
	 */
	uint64_t vma_seq;

	/*
	 * Operations that have cleared leaves or their accessed bits under the lock
	 * for read, and not flushed yet; atomic. See mm_flush_begin().
	 */
	uint32_t nr_unflushed;
	uint64_t nr_unlinked; /* tables so far, or moved; atomic. Those who remember ways ask */
	/* of a kernel mm: user mms with its root's entries in theirs; atomic */
	uint32_t nr_root_users;
};

/* Call the platform's step hook, for tests. */
static inline void mm_step(const struct pgw_mm *mm, enum pgw_step_point step)
{
	if (mm->platform->step)
		mm->platform->step(mm->platform->ctx, step, mm);
}

/* The policy of edits that the caller alone makes in a range. */
static inline enum pt_policy mm_policy(const struct pgw_mm *mm)
{
	return mm->policy == PGW_POLICY_SINGLE ? PT_SINGLE : PT_RANGE;
}

/*
 * Report the breach of a rule to the platform.
 * @return -PGW_EPERM, or -PGW_EDEADLK for recursion and wrong order
 */
int mm_violation(const struct pgw_mm *mm, enum pgw_rule rule, const char *function);

/* Report what lock.c refused, under the name of the rule behind it. @return what the caller is to return */
int mm_lock_refused(const struct pgw_mm *mm, int status, const char *function);

/* This thread holds the lock in any mode, or a violation of rule. A snapshot always passes. */
int mm_assert_locked(const struct pgw_mm *mm, enum pgw_rule rule, const char *function);
/* ... for write; a downgraded lock does not count. */
int mm_assert_write_locked(const struct pgw_mm *mm, enum pgw_rule rule, const char *function);

/*
 * The novma rule: a user mm needs its lock for write, a kernel mm at least for read; so does a
 * foreign one whose tables are ours, else for write, as its owner's lock cannot be seen.
 */
int mm_assert_novma(const struct pgw_mm *mm, const char *function);

/* pgw_scan_part() by blocks. */
int mm_scan_part(struct pgw_mm *mm, const struct pgw_scan_part *part, uint64_t budget,
		 pgw_extents_fn *fn, void *arg, struct pgw_scan_stats *stats);

/* As far as a root goes that may have fewer items. @return false: the region does not begin at its first */
bool mm_region_of_root(const struct pgw_geometry *geo, struct pgw_root root,
		       struct pgw_region *region);

/* first..last lies inside the mm's region. */
static inline bool mm_covers(const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	return first <= last && first >= mm->pt.region.first && last <= mm->pt.region.last;
}

/*
 * first..last of a kernel mm holds a leaf in the root itself, whose entries user
 * mms have copies of: it cannot change any more.
 */
bool mm_root_leaf_is_shared(const struct pgw_mm *mm, uint64_t first, uint64_t last);

/*
 * The arguments of an operation on VMAs; end is exclusive.
 * @return 0, -PGW_EINVAL, -PGW_EOPNOTSUPP
 */
int mm_check_vmas(const struct pgw_mm *mm, uint64_t start, uint64_t end);

/* What users may do with the leaves of a VMA with these flags. @return false: the format cannot say it */
static inline bool mm_vma_rights(const struct pgw_mm *mm, uint32_t flags, uint8_t *ret)
{
	*ret = mm->vma_rights[flags & (PGW_VMA_READ | PGW_VMA_WRITE | PGW_VMA_EXEC)];
	return *ret <= _PGW_RIGHT_ALL;
}

/* Of a new owned mm. */
void mm_prepare_vma_rights(struct pgw_mm *mm);

/*
 * Drop the leaves of a part of a VMA, and flush; the mmap lock is held.
 * @return 0 or -PGW_ENOMEM: a leaf could not be split
 */
int mm_zap_vma(struct pgw_vma *vma, uint64_t first, uint64_t last);

/*
 * The pages of a part of a PGW_VMA_HUGETLB VMA, walk->vma.
 * Pre: walk->ops has hugetlb_entry.
 */
int mm_walk_hugetlb(struct pgw_mm_walk *walk, uint64_t start, uint64_t end);

/*
 * Put a VMA into a hole, and let it merge with what lies beside it. fresh is on the
 * caller's stack and says what is wanted. The mmap lock is held for write.
 */
int mm_mmap_locked(struct pgw_mm *mm, const struct pgw_vma *fresh);
/* Unlock after fresh was made, or not; what is locked in memory is faulted in first. */
void mm_mmap_unlock(struct pgw_mm *mm, int err, const struct pgw_vma *fresh);

/* Unmap all VMAs of an mm that nobody uses any more. */
void mm_free_vmas(struct pgw_mm *mm);
/* The VMAs that a snapshot was given go; its tables are left as they are. */
void mm_forget_vmas(struct pgw_mm *mm);

/* Fault in what is not mapped; the mmap lock is held for read. @return as pgw_mm_populate() */
int mm_populate_locked(struct pgw_mm *mm, uint64_t start, uint64_t end);

/*
 * Around an edit with PT_SHARED that clears something, its gather's flush
 * included. Several may be at one range together, all with the lock for read: what one
 * finds cleared already by another is not flushed yet, and its caller must
 * not be told that it is gone. mm_flush_end() flushes all of first..last then.
 */
static inline void mm_flush_begin(struct pgw_mm *mm)
{
	step_fetch_add(&mm->nr_unflushed, 1, __ATOMIC_ACQ_REL);
}

static inline void mm_flush_end(struct pgw_mm *mm, struct pt_gather *gather, uint64_t first,
				uint64_t last)
{
	if (step_load_n(&mm->nr_unflushed, __ATOMIC_ACQUIRE) > 1)
		gather_range(gather, first, last);
	gather_flush(gather);
	step_fetch_sub(&mm->nr_unflushed, 1, __ATOMIC_ACQ_REL);
}

#endif
