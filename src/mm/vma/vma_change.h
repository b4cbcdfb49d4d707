/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_VMA_CHANGE_H
#define MM_VMA_CHANGE_H

/*
 * One change of an mm's VMAs: some go, others come in their place, and nobody
 * ever sees a VMA change. On the stack of the holder of the mmap lock for write.
 *
 *	vma_change_begin()
 *	vma_change_take()     which go: they are locked for write, so that nobody faults in them any more
 *	vma_change_put()      which come; can fail
 *	vma_change_prepare()  tree nodes, may the files' locks be taken, open; can fail
 *	vma_change_commit()   visible, cannot fail; or vma_change_abort() in its place
 *	vma_change_finish()   close; the old ones are freed when readers have left
 *
 * Counting open and close: an old VMA and a new one that share an address stand
 * for one another, as one pair each. A new VMA without a partner is opened, an
 * old one without is closed.
 */

#include "mm/vma/vma_tree.h"

struct vma_change {
	struct pgw_mm *mm;
	struct vma_tree_change tree;
	struct pgw_vma *old, *old_last;     /* that go; ascending, by next */
	struct pgw_vma *fresh, *fresh_last; /* that come; ascending, by next */
	size_t nr_old, nr_fresh;
	/* Other VMAs, which stay, may lie below this address and above what goes and comes below it; or 0. */
	uint64_t apart;
	struct pgw_mapping
		*held; /* its i_mmap lock is held for write already; see mapping_hold() */
	/*
	 * What old VMAs show at these addresses stays in their files when the change is
	 * committed, until mapping_leave(); exclusive, nothing at first.
	 */
	uint64_t leaving_start, leaving_end;
};

void vma_change_begin(struct vma_change *change, struct pgw_mm *mm);

/** The VMAs that intersect start..end go; the first call takes the lowest. Waits for their readers. */
void vma_change_take(struct vma_change *change, uint64_t start, uint64_t end);

/**
 * A VMA comes, above those that were put before: what like says of start, but
 * with other flags. Goes into the one before if they may merge.
 * @return 0, -PGW_ENOMEM, or -PGW_EINVAL: a hugetlb VMA's part that is no whole pages
 */
int vma_change_put(struct vma_change *change, const struct pgw_vma *like, uint64_t start,
		   uint64_t end, uint32_t flags);

/** All that can fail. @return 0, -PGW_ENOMEM, what open returned, or -PGW_EDEADLK or -PGW_EPERM (i_mmap locks) */
int vma_change_prepare(struct vma_change *change);

/**
 * The new VMAs are in the tree, locked for write; the old ones are detached and in
 * the list. The same in the trees of their files.
 */
void vma_change_commit(struct vma_change *change);
void vma_change_abort(struct vma_change *change);
void vma_change_finish(struct vma_change *change);

/** Does one of those that go show a file? Then others may take pages out, by the i_mmap lock alone. */
bool vma_change_has_file(const struct vma_change *change);

/** A VMA of the same kind, backed by the same, at other addresses and with other flags. */
struct pgw_vma vma_like(const struct pgw_vma *like, uint64_t start, uint64_t end, uint32_t flags);

/** May b follow a in one VMA, if it had these flags? */
bool vma_change_may_merge(const struct pgw_vma *a, const struct pgw_vma *b, uint32_t b_flags);

#endif
