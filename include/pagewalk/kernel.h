/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_KERNEL_H
#define PAGEWALK_KERNEL_H

/**
 * @file
 * What kernels do with their own page tables, on an owned kernel mm.
 *
 * Kernel tables are normally never freed, so a walker of a range that it owns
 * needs the kernel mm's mmap lock only for read. The exceptions are all here,
 * each with the lock that keeps it away from a walker:
 *
 *   promotion, collapse   free lower tables, holding the kernel mm's lock for
 *                         read by trylock: a walker of ranges that it does not
 *                         own holds it for write
 *   hot-remove            frees holding the hotplug lock exclusively: a walker
 *                         of ranges that it does not own holds it shared
 *
 * Lock order: hotplug, user mm, kernel mm; asserted. docs/locking.md.
 */

#include <pagewalk/edit.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the hotplug lock: one for each kernel mm. On a snapshot always held. ---- */

/** Shared: walkers of what they do not own. @return 0; -PGW_EDEADLK or -PGW_EPERM after a violation */
PGW_API int pgw_hotplug_read_lock(struct pgw_mm *kernel_mm);
PGW_API int pgw_hotplug_read_unlock(struct pgw_mm *kernel_mm);
/** Exclusive: hot-remove and hot-add, which take it themselves. */
PGW_API int pgw_hotplug_write_lock(struct pgw_mm *kernel_mm);
PGW_API int pgw_hotplug_write_unlock(struct pgw_mm *kernel_mm);

/* ---- ranges that their caller owns ---- */

/**
 * Map a range with the largest leaves that fit and sizes allows. Where a larger
 * leaf fits over an empty lower table that earlier mappings left, that table
 * is freed (promotion) if the kernel mm's lock can be had for read without
 * waiting; else smaller leaves are used.
 *
 * Locking: the caller owns the range; it must not hold the kernel mm's lock.
 * @return as pgw_mm_map(); -PGW_EINVAL if not an owned kernel mm
 */
PGW_API int pgw_vmap(struct pgw_mm *kernel_mm, const struct pgw_map_args *args);

/** Clear the leaves of a range, splitting what sticks out; tables stay. Locking: as pgw_vmap(). @return as pgw_mm_unmap() */
PGW_API int pgw_vunmap(struct pgw_mm *kernel_mm, uint64_t first, uint64_t last);

/**
 * Change the rights of a range; leaves that stick out are split. Takes the
 * kernel mm's lock for read. @return as pgw_mm_protect(), or -PGW_EDEADLK
 */
PGW_API int pgw_kernel_set_rights(struct pgw_mm *kernel_mm, uint64_t first, uint64_t last,
				  uint8_t rights);

/**
 * Put large leaves in the place of small ones wherever a range has them
 * consecutive and alike; frees the tables below. Each under the kernel mm's lock
 * for read by trylock; what cannot be done now is left as it is.
 * @param ret_nr how many tables were freed; may be NULL
 * @return 0, -PGW_EINVAL, -PGW_EOPNOTSUPP
 */
PGW_API int pgw_kernel_collapse(struct pgw_mm *kernel_mm, uint64_t first, uint64_t last,
				size_t *ret_nr);

/* ---- memory: the linear map and the descriptors of its frames ---- */

/**
 * Where the pages of descriptors come from and go to. Called from several threads
 * at once, with locks of the library held, perhaps while leaves of the caller's huge
 * pages cannot be used: must not call the library, and not look at these huge pages' descriptors.
 */
struct pgw_kernel_ops {
	/**
	 * 2^size_lg2 bytes, aligned to that, contents undefined. More than a page of
	 * the format's granule may be refused: then less is asked for.
	 * @return 0 or -PGW_ENOMEM
	 */
	int (*page_alloc)(void *ctx, uint8_t size_lg2, uint64_t *ret_pa);
	/** One page, perhaps of a larger allocation, is not mapped any more, and no TLB knows it. */
	void (*page_free)(void *ctx, uint64_t pa);
	/** Where the library can read and write the page's bytes; never NULL. */
	void *(*page_access)(void *ctx, uint64_t pa);
};

/** The layout of a kernel's memory. */
struct pgw_kernel_args {
	struct pgw_mm *kernel_mm; /**< owned; borrowed until pgw_kernel_free() */
	const struct pgw_kernel_ops *ops;
	void *ctx;             /**< for ops */
	uint64_t linear_va;    /**< where physical address 0 is (or would be) mapped */
	uint64_t vmemmap_va;   /**< where the descriptor of frame 0 is (or would be) */
	uint8_t desc_lg2;      /**< log2 of a descriptor's size; Linux: 6 */
	uint8_t linear_rights; /**< enum pgw_right, of the linear map */
	uint8_t desc_rights;   /**< enum pgw_right, of the vmemmap; writable */
	uint8_t shared_rights; /**< enum pgw_right, of descriptors that are shared; not writable */
	uint64_t attrs;        /**< further bits of all leaves, as in struct pgw_leaf */
	bool write_lock;       /**< optimise and restore under the kernel mm's lock for write,
	                                *   as if the rule were not there: to measure what it is worth */
};

/** A kernel's memory: its linear map and vmemmap. */
struct pgw_kernel;

/** @return 0, -PGW_EINVAL (also: rights that the format does not have), -PGW_ENOMEM */
PGW_API int pgw_kernel_new(const struct pgw_kernel_args *args, struct pgw_kernel **ret);
/** All memory must be removed. Gives the shared pages back. NULL is fine. */
PGW_API void pgw_kernel_free(struct pgw_kernel *kernel);

enum pgw_hot_add_flag {
	PGW_HOT_ADD_SELF_HOSTED =
		1 << 0, /**< the descriptors lie at the beginning of the memory itself */
};

/**
 * Add memory: map it in the linear map with the largest leaves, and its
 * descriptors (from page_alloc, in the largest pieces that there are, or from
 * the memory itself) in the vmemmap. Takes the hotplug lock exclusively.
 * @param first,last physical, inclusive, aligned so that the descriptors fill whole pages
 * @param flags      enum pgw_hot_add_flag
 * @return 0, -PGW_EINVAL, -PGW_EEXIST (something is mapped there), -PGW_ENOMEM, -PGW_EDEADLK;
 *         after an error nothing is mapped, and no table that it alone would use is left
 */
PGW_API int pgw_kernel_hot_add(struct pgw_kernel *kernel, uint64_t first, uint64_t last,
			       uint32_t flags);

/**
 * Remove memory that was added: unmap it and its descriptors, free the tables
 * that it shares with no other, give the descriptors' pages back. Takes the hotplug lock
 * exclusively, and nothing else: the tables go away under walkers that hold only the kernel
 * mm's lock.
 * @param first,last as they were added
 * @return 0, -PGW_EINVAL, -PGW_ENOENT (no memory was added so), -PGW_EBUSY (a huge page in it
 *         is optimised, or in a list just now), -PGW_EDEADLK
 */
PGW_API int pgw_kernel_hot_remove(struct pgw_kernel *kernel, uint64_t first, uint64_t last);

/* ---- vmemmap optimisation (Linux: HVO) ---- */

/** A huge page whose descriptors are optimised or restored. The caller's, its state the library's. */
struct pgw_huge_page {
	uint64_t pa;
	uint8_t size_lg2;  /**< more than the descriptors of one page cover */
	bool is_optimised; /**< its tail descriptors share pages */
	int status;        /**< out: 0 or a negative pgw_status */
};

/** What optimising or restoring did. */
struct pgw_hvo_stats {
	uint64_t nr_pages_freed; /**< given to page_free */
	uint64_t nr_pages_taken; /**< from page_alloc */
	uint64_t nr_flushes;
	uint64_t nr_splits; /* large leaves and runs, of which others may have a part too */
};

/**
 * Remap the tail pages of each huge page's descriptors to one shared read-only
 * page (one for each size of huge page), and give the pages that this frees to
 * page_free, after the flush. The tail pages must hold what the shared page
 * holds, which is what the first huge page's held; one whose do not is refused
 * with -PGW_EBUSY. One whose descriptors are in the memory that they describe
 * (the first entry is looked at) is refused with -PGW_EOPNOTSUPP.
 *
 * Two flushes for the whole list, after the splits and after the remapping, and one
 * more for each time memory ran out half way: then what is done is flushed and freed, and the
 * huge page tried once more. Where the format wants break-before-make, each split has a
 * flush of its own in place of the first, and all leaves of the list are broken together:
 * walkers there wait for them.
 *
 * Under the kernel mm's lock for read, taken here: any number of threads may do this at
 * once, for different huge pages. One that is, or of which a part is, in another list, earlier
 * in this one, or in the other state, is refused with -PGW_EBUSY. Each huge page's result is in its
 * status; one that failed maps what it did before, perhaps by smaller leaves.
 * @return 0, or the first huge page's status that is not 0 (-PGW_EINVAL, -PGW_ENOENT: a hole,
 *         -PGW_ENOMEM, -PGW_EDEADLK, …); -PGW_EINVAL or -PGW_ENOMEM before anything is done
 */
PGW_API int pgw_hvo_optimise(struct pgw_kernel *kernel, struct pgw_huge_page *pages, size_t nr,
			     struct pgw_hvo_stats *stats);

/** The reverse: private pages with the shared contents, writable; one flush for the list. @return as pgw_hvo_optimise() */
PGW_API int pgw_hvo_restore(struct pgw_kernel *kernel, struct pgw_huge_page *pages, size_t nr,
			    struct pgw_hvo_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
