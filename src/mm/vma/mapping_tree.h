/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_MAPPING_TREE_H
#define MM_MAPPING_TREE_H

/*
 * The VMAs of a file, by the pages of it that they show: an AVL tree in the VMAs
 * themselves (which are larger than others), ordered by first page, in which every VMA knows the largest last
 * page at and below it. So VMAs that show one of some pages are found
 * in steps that are the logarithm of all, for the first and for each further one.
 *
 * Changed in place, with the i_mmap lock held for write, and looked at with the
 * lock held in any mode. Nothing is allocated, nothing can fail.
 */

#include <pagewalk/vma.h>

/** A VMA of a file: every one that has a mapping. */
struct file_vma {
	struct pgw_vma vma;
	struct file_vma *up, *child[2];
	uint64_t first,
		last; /* pages of the file that it is found by: all that it shows, or that go */
	uint64_t max; /* the largest last page at and below it in the tree */
	uint32_t height;
};

/** Put in a VMA that is in no tree. Its first and last page are set. */
void mapping_tree_insert(struct file_vma **root, struct file_vma *node);
void mapping_tree_remove(struct file_vma **root, struct file_vma *node);

/**
 * The first VMA, by first page, that shows one of first..last, inclusive; the next
 * one after a VMA that does. NULL: there is none. Those of one first page come
 * in the order in which they were put in.
 */
struct file_vma *mapping_tree_first(struct file_vma *root, uint64_t first, uint64_t last);
struct file_vma *mapping_tree_next(struct file_vma *node, uint64_t first, uint64_t last);

/** Is the VMA in the tree? By its links alone. */
bool mapping_tree_has(const struct file_vma *root, const struct file_vma *node);

/** Order, links, balance and last pages; the number of VMAs. */
bool mapping_tree_validate(struct file_vma *root, size_t *ret_nr);

#endif
