/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_VMA_TREE_H
#define MM_VMA_TREE_H

/*
 * The VMAs of an mm, sorted, in a B+ tree whose nodes never change once
 * readers can see them. A change makes new nodes from the root down to the
 * leaves concerned, and is published by one store of the root: readers see all
 * of it or nothing. The old nodes are freed when readers have left.
 *
 * One writer at a time (the mmap lock for write); readers need nothing but to
 * be readers (pgw_reader_enter()) or to hold the mmap lock.
 */

#include <pagewalk/vma.h>

struct vma_node;

/** The first VMA that ends above va, or NULL. root may be NULL: an empty tree. */
struct pgw_vma *vma_tree_find(struct vma_node *root, uint64_t va);

/** The last VMA that starts below va, or NULL. */
struct pgw_vma *vma_tree_find_before(struct vma_node *root, uint64_t va);

/** A change that is not visible yet. On the writer's stack. */
struct vma_tree_change {
	const struct pgw_platform *platform;
	struct vma_node *root;       /* what the root will be */
	struct vma_node *fresh;      /* nodes made for it: nobody else sees them */
	struct vma_node *fresh_last; /* valid while fresh is not NULL */
	struct vma_node *spare;      /* made for it and not needed any more: used again */
	struct vma_node *stale;      /* nodes of the old tree that are not in the new one */
};

void vma_tree_begin(struct vma_tree_change *change, const struct pgw_platform *platform,
		    struct vma_node *root);

/**
 * Put nr VMAs (sorted, disjoint, adjacent to or inside the range) in the place of
 * all those that intersect start..end (exclusive, not empty). None may overlap
 * others that stay. May be called again for the same change. Costs one path,
 * and what is put in and taken out.
 * @return 0, or -PGW_ENOMEM: the change must be aborted
 */
int vma_tree_replace(struct vma_tree_change *change, uint64_t start, uint64_t end,
		     struct pgw_vma *const *vma, size_t nr);

/**
 * Publish: store the root (release), and free the old nodes once readers have
 * left, in one deferred call. Cannot fail.
 */
void vma_tree_commit(struct vma_tree_change *change, struct vma_node **root);

/** Forget the change: frees what was made for it. */
void vma_tree_abort(struct vma_tree_change *change);

/** Free all nodes; nobody looks at them any more. VMAs are not touched. */
void vma_tree_free(const struct pgw_platform *platform, struct vma_node *root);

/** Order, bounds, fill and depth of every node; the number of VMAs. NULL is a valid tree of 0. */
bool vma_tree_validate(struct vma_node *root, size_t *ret_nr);

#endif
