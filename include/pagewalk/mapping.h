/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_MAPPING_H
#define PAGEWALK_MAPPING_H

/**
 * @file
 * A file's mapping (Linux: struct address_space): all VMAs, of any number of mms,
 * that show pages of one file, and the lock that keeps them: the i_mmap lock.
 *
 * Whoever owns the file makes its mapping and gives it to pgw_mm_mmap(); the
 * library then finds the VMAs of any of its pages. pgw_walk_page_mapping() (walk.h) walks
 * them, pgw_mapping_truncate() and pgw_mapping_unmap() take pages out of all.
 *
 * Pages are counted in smallest leaves, from 0, and so is pgoff of a VMA.
 *
 * The i_mmap lock is taken after any mmap lock and any VMA's own lock, and
 * before the locks of tables; else it is like the mmap lock (mm.h): fair, not
 * recursive. While it is held, in either mode, no VMA comes to the mapping or leaves
 * it, and no table that spans a page of such a VMA is freed, but for empty lowest ones
 * (pgw_mm_dontneed()). Leaves may come and go. docs/locking.md has the rule.
 */

#include <pagewalk/vma.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_mapping;

/** What pgw_mapping_new() needs. Fields not named are 0. */
struct pgw_mapping_args {
	const struct pgw_platform *platform; /**< that of all mms with VMAs of the file */
	uint8_t page_lg2;                    /**< log2 of the smallest leaf of these mms' formats */
	uint64_t nr_pages;                   /**< of the file; faults behind them fail */
	/** of VMAs that are made without ops of their own; their fault supplies the pages; or NULL */
	const struct pgw_vma_ops *ops;
	void *arg; /**< the owner's */
};

/** The mapping of a file that nobody shows yet. @return 0, -PGW_EINVAL, -PGW_ENOMEM */
PGW_API int pgw_mapping_new(const struct pgw_mapping_args *args, struct pgw_mapping **ret);
/** Free a mapping that has no VMAs any more, and that nobody else uses. NULL is fine. */
PGW_API void pgw_mapping_free(struct pgw_mapping *mapping) PGW_EXCLUDES(mapping);

/** arg of pgw_mapping_args. */
PGW_API void *pgw_mapping_arg(const struct pgw_mapping *mapping);
/** The pages of the file. Without a lock: it may be changing. */
PGW_API uint64_t pgw_mapping_nr_pages(const struct pgw_mapping *mapping);
/** The VMAs that show pages of the file. Locking: the i_mmap lock in any mode. */
PGW_API size_t pgw_mapping_nr_vmas(const struct pgw_mapping *mapping) PGW_REQUIRES_SHARED(mapping);

/* ---- the i_mmap lock ---- */

/** @return 0; -PGW_EDEADLK or -PGW_EPERM after a violation whose handler returned */
PGW_API int pgw_mapping_read_lock(struct pgw_mapping *mapping) PGW_ACQUIRE_SHARED(mapping);
/** Never waits. @return 0, -PGW_EBUSY, or as pgw_mapping_read_lock() */
PGW_API int pgw_mapping_read_trylock(struct pgw_mapping *mapping)
	PGW_TRY_ACQUIRE_SHARED(0, mapping);
/** @return 0 or -PGW_EPERM */
PGW_API int pgw_mapping_read_unlock(struct pgw_mapping *mapping) PGW_RELEASE_SHARED(mapping);
/** @return as pgw_mapping_read_lock() */
PGW_API int pgw_mapping_write_lock(struct pgw_mapping *mapping) PGW_ACQUIRE(mapping);
/** Never waits. @return 0, -PGW_EBUSY, or as pgw_mapping_read_lock() */
PGW_API int pgw_mapping_write_trylock(struct pgw_mapping *mapping) PGW_TRY_ACQUIRE(0, mapping);
/** @return 0 or -PGW_EPERM */
PGW_API int pgw_mapping_write_unlock(struct pgw_mapping *mapping) PGW_RELEASE(mapping);
/**
 * Assert that this thread holds the i_mmap lock in any mode.
 * @return 0, or -PGW_EPERM after a violation whose handler returned
 */
PGW_API int pgw_mapping_assert_locked(const struct pgw_mapping *mapping)
	PGW_ASSERT_HELD_SHARED(mapping);

/* ---- taking pages out of all VMAs; under the i_mmap lock for read, which they take ---- */

/**
 * Unmap pages of the file from all VMAs of all mms: leaves go, VMAs and tables
 * stay, and the next access faults. Of a larger leaf that sticks out of the
 * range the whole goes.
 *
 * The VMA's release gets the frames, after the flush, with the i_mmap lock held. No fault that
 * asked for its frame before the call maps it afterwards: it gives it back and asks
 * again. So the owner first forgets the pages, then calls this, and then nobody
 * has what he had handed out for them.
 * @return 0 (also: no VMA shows one), or as pgw_mapping_read_lock(): nothing has changed
 */
PGW_API int pgw_mapping_unmap(struct pgw_mapping *mapping, uint64_t first, uint64_t nr_pages)
	PGW_EXCLUDES(mapping);

/**
 * Give the file another size, and unmap what lies behind it, as
 * pgw_mapping_unmap(): when it returns, no VMA maps such a page and no fault will.
 * A larger size unmaps nothing. Who changes the size calls it for one at a time.
 * @return as pgw_mapping_unmap()
 */
PGW_API int pgw_mapping_truncate(struct pgw_mapping *mapping, uint64_t nr_pages)
	PGW_EXCLUDES(mapping);

#ifdef __cplusplus
}
#endif

#endif
