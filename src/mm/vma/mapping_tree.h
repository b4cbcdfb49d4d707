/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_MAPPING_TREE_H
#define MM_MAPPING_TREE_H

/*
 * The VMAs of a file, by the pages of it that they show: an AVL tree in the VMAs
 * themselves, ordered by first page, in which every VMA knows the largest last
 * page at and below it. So VMAs that show one of some pages are found
 * in steps that are the logarithm of all, for the first and for each further one.
 *
 * Changed in place, with the i_mmap lock held for write, and looked at with the
 * lock held in any mode. Nothing is allocated, nothing can fail.
 */

#include <pagewalk/vma.h>

/** Put in a VMA that is in no tree. Its pgoff and file_last, not less, are set. */
void mapping_tree_insert(struct pgw_vma **root, struct pgw_vma *vma);
void mapping_tree_remove(struct pgw_vma **root, struct pgw_vma *vma);

/**
 * The first VMA, by first page, that shows one of first..last, inclusive; the next
 * one after a VMA that does. NULL: there is none. Those of one first page come
 * in the order in which they were put in.
 */
struct pgw_vma *mapping_tree_first(struct pgw_vma *root, uint64_t first, uint64_t last);
struct pgw_vma *mapping_tree_next(struct pgw_vma *vma, uint64_t first, uint64_t last);

/** Is the VMA in the tree? By its links alone. */
bool mapping_tree_has(const struct pgw_vma *root, const struct pgw_vma *vma);

/** Order, links, balance and last pages; the number of VMAs. */
bool mapping_tree_validate(struct pgw_vma *root, size_t *ret_nr);

#endif
