/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_EDIT_H
#define PAGEWALK_EDIT_H

/**
 * @file
 * Changes to the tables of an owned mm, over ranges: for programs that build
 * tables themselves. Those of VMAs are in vma.h; what kernels do with their own
 * tables and must be careful with, in kernel.h.
 *
 * Locking, all functions here: a user mm's mmap lock for write; a kernel mm's, or a foreign one's
 * (a guest's, a device's), for read suffices if the caller owns the range: nobody else may change
 * anything in it, others may change other ranges of the same tables, and look.
 * An mm of PGW_POLICY_SINGLE must not be looked at by anybody else meanwhile.
 *
 * TLBs are flushed through the platform's hook before a function returns; on
 * formats that need it (arm64) a live entry is broken before a different one
 * is made. Tables stay, unless a comment says otherwise.
 *
 * A leaf in the root of a kernel mm that user mms have in their roots too
 * (riscv) cannot change any more: -PGW_EBUSY.
 */

#include <pagewalk/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is to be mapped. Fields not named are 0. */
struct pgw_map_args {
	uint64_t first, last; /**< inclusive; aligned to the smallest leaf */
	uint64_t pa;          /**< of first; the rest follows */
	uint8_t rights;       /**< enum pgw_right */
	/** further bits of the entries, as in a smallest leaf; not those of a contiguous run */
	uint64_t attrs;
	/** bit n: leaves and runs of 2^n bytes may be used; 0 = all that the format has */
	uint64_t sizes;
};

/**
 * Map a range with the largest leaves and contiguous runs that fit. All or
 * nothing: after an error nothing of it is mapped, but tables may be new.
 * @return as pgw_mm_map_leaf(); -PGW_EINVAL if sizes cannot cover the range
 */
PGW_API int pgw_mm_map(struct pgw_mm *mm, const struct pgw_map_args *args) PGW_REQUIRES_SHARED(mm);

/**
 * The entry that pgw_mm_map_leaf() would put into a slot, for install_pte (walk.h). No lock is needed.
 * @return 0, -PGW_EINVAL, -PGW_EOPNOTSUPP
 */
PGW_API int pgw_mm_leaf_encode(const struct pgw_mm *mm, const struct pgw_leaf *leaf, uint64_t *ret);

/** What to do with a leaf of which only a part is in the range. */
enum pgw_unmap_how {
	PGW_UNMAP_EXACT, /**< refuse: -PGW_EINVAL, and nothing has changed */
	PGW_UNMAP_SPLIT, /**< split it, and unmap the part */
	PGW_UNMAP_WHOLE, /**< unmap all of it */
};

/**
 * Clear the leaves of a range; holes are fine.
 * @return 0, -PGW_EINVAL, -PGW_ENOMEM (of a split; nothing has changed but the
 *         size of leaves), -PGW_EOPNOTSUPP, -PGW_EPERM
 */
PGW_API int pgw_mm_unmap(struct pgw_mm *mm, uint64_t first, uint64_t last, enum pgw_unmap_how how)
	PGW_REQUIRES_SHARED(mm);

/**
 * Give the leaves of a range these rights; leaves that stick out are split.
 * Accessed and dirty bits are kept.
 * @return 0, -PGW_EINVAL, -PGW_ENOMEM (nothing has changed but the size of
 *         leaves), -PGW_EOPNOTSUPP (the format cannot express the rights; …), -PGW_EPERM
 */
PGW_API int pgw_mm_protect(struct pgw_mm *mm, uint64_t first, uint64_t last, uint8_t rights)
	PGW_REQUIRES_SHARED(mm);

/**
 * Split the leaves and runs of a range until none is larger than 2^max_lg2
 * bytes. Every translation stays as it is at every moment.
 * @return 0, -PGW_EINVAL, -PGW_ENOMEM (some are split), -PGW_EOPNOTSUPP, -PGW_EPERM
 */
PGW_API int pgw_mm_split(struct pgw_mm *mm, uint64_t first, uint64_t last, uint8_t max_lg2)
	PGW_REQUIRES_SHARED(mm);

/**
 * Put one leaf or run of 2^size_lg2 bytes in the place of those that map va's
 * aligned range, if they are consecutive and alike (accessed and dirty bits
 * apart, which are combined), and free the tables below it. User and foreign mms, for which it
 * needs the lock for write, and PGW_POLICY_SINGLE only; kernel mms: kernel.h.
 * @return 0, -PGW_ENOENT (a hole), -PGW_EBUSY (not alike, not consecutive; a file's
 *         VMA begins or ends in it),
 *         -PGW_EINVAL (no such size), -PGW_EOPNOTSUPP, -PGW_EPERM
 */
PGW_API int pgw_mm_collapse(struct pgw_mm *mm, uint64_t va, uint8_t size_lg2)
	PGW_REQUIRES_SHARED(mm);

/** A run of frames that is not mapped any more. */
struct pgw_frames {
	uint64_t va; /**< where they were mapped */
	uint64_t pa;
	uint64_t size; /**< bytes */
	bool dirty;    /**< by the leaves' dirty bits */
	bool young;    /**< by their accessed bits */
};

enum pgw_harvest_flag {
	PGW_HARVEST_YOUNG = 1 << 0, /**< leaves with the accessed bit */
	PGW_HARVEST_DIRTY = 1 << 1, /**< leaves with the dirty bit */
	PGW_HARVEST_CLEAR = 1 << 2, /**< and clear these bits, and flush */
};

/** One leaf that was accessed or dirty. Not 0 ends the harvest, which returns the value. */
typedef int pgw_harvest_fn(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg);

#ifdef __cplusplus
}
#endif

#endif
