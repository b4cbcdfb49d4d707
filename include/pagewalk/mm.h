/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_MM_H
#define PAGEWALK_MM_H

/**
 * @file
 * Address spaces and their lock.
 *
 * An mm is {how its tables are read, which region it covers, its lock}. It
 * covers one region: a root that holds two is attached twice, as a user mm that
 * points to its kernel mm. docs/locking.md has the rules.
 */

#include <pagewalk/annotate.h>
#include <pagewalk/format.h>
#include <pagewalk/phys.h>
#include <pagewalk/platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The default budget of table visits of one operation on foreign tables. */
#define PGW_BUDGET_DEFAULT (UINT64_C(1) << 26)

/** What pgw_mm_attach() needs. Fields not named are 0. */
struct pgw_mm_attach_args {
	const struct pgw_platform *platform;
	const struct pgw_format *format;
	const struct pgw_phys *phys; /**< borrowed until pgw_mm_free() */
	struct pgw_root root;
	enum pgw_region_kind region;
	/** what is known; the rest is assumed, see pgw_control_assume() */
	struct pgw_control control;
	struct pgw_mm *kernel_mm; /**< of a user mm: the kernel mm beside it, or NULL; borrowed */
	/** table visits an operation may make; 0 = PGW_BUDGET_DEFAULT, UINT64_MAX = any */
	uint64_t budget;
	/**
	 * Of a format whose operating system chooses (struct pgw_region, is_chosen): the first address of
	 * the kernel's region, which ends the user's; 0 = the format's.
	 */
	uint64_t kernel_first;
	/** the machine runs: an mm of kind PGW_MM_LIVE; phys may have pause(), resume() and generation() */
	bool is_live;
	enum pgw_rules rules; /**< 0 = the newest */
};

/**
 * An mm over foreign tables. Its lock is a snapshot's: always held; or, if is_live, a real
 * one, which stops the machine while it is held for write.
 * The root is not read here; a root that is not there shows as unreadable.
 *
 * @param ret the caller's, to be freed with pgw_mm_free()
 * @return 0, -PGW_ENOMEM, or -PGW_EINVAL: a required argument is missing, the
 *         root is not aligned to a table or wider than the format allows, or
 *         kernel_mm is not a kernel mm of the same format, or kernel_mm is
 *         set and the region is not the user's, or lies in the kernel mm's, or the
 *         format has no such region, or nobody chooses it, or it has no root of nr_items,
 *         or rules is none of enum pgw_rules
 */
PGW_API int pgw_mm_attach(const struct pgw_mm_attach_args *args, struct pgw_mm **ret);

/** Who else may be at the tables of an owned mm while they change. */
enum pgw_edit_policy {
	PGW_POLICY_RANGE, /**< others, in other ranges; readers everywhere */
	PGW_POLICY_SINGLE, /**< nobody: boot code, tools. No atomics, tables are freed at once; no VMAs */
};

/** What pgw_mm_new() needs. Fields not named are 0. */
struct pgw_mm_new_args {
	const struct pgw_platform *platform;
	const struct pgw_format *format;
	enum pgw_region_kind region;
	struct pgw_control control;
	struct pgw_mm *kernel_mm; /**< as in pgw_mm_attach_args; owned too */
	enum pgw_edit_policy policy;
	enum pgw_rules rules; /**< 0 = the newest */
	/**
	 * Of a format whose root is several tables side by side (struct pgw_geometry,
	 * is_root_concatenated): the items of all of them, a power of two; they are what the mm covers.
	 * 0 = as many as there can be
	 */
	uint32_t nr_root_items;
};

/**
 * An mm with tables of its own, empty but for the root table.
 *
 * A user mm with a kernel mm has the kernel's region in its own root, where the
 * format keeps both in one root (x86_64, riscv): entries of the root
 * are shared, for as long as both live. For that the kernel mm gets a table
 * in every empty slot of its root, once, which stay.
 * Locking: of a kernel_mm no lock may be held for write by another thread.
 * @return as pgw_mm_attach(), -PGW_EINVAL also of nr_root_items that the format does not have, or
 *         -PGW_EOPNOTSUPP: the control bits name an
 *         encryption bit, or tables of the format can only be read (pgw_format_is_editable())
 */
PGW_API int pgw_mm_new(const struct pgw_mm_new_args *args, struct pgw_mm **ret);

/**
 * Free an mm, and if it owns its tables, those. NULL is fine. Nobody may use
 * the mm or hold its lock any more; user mms go before their kernel mm.
 */
PGW_API void pgw_mm_free(struct pgw_mm *mm) PGW_EXCLUDES(mm);

PGW_API const struct pgw_format *pgw_mm_format(const struct pgw_mm *mm);
/** What the mm covers; lives as long as the mm. */
PGW_API const struct pgw_region *pgw_mm_region(const struct pgw_mm *mm);
PGW_API enum pgw_mm_kind pgw_mm_get_kind(const struct pgw_mm *mm);
PGW_API struct pgw_root pgw_mm_root(const struct pgw_mm *mm);
PGW_API struct pgw_mm *pgw_mm_kernel_mm(const struct pgw_mm *mm);
/** The control bits that the mm goes by, known or assumed. */
PGW_API const struct pgw_control *pgw_mm_control(const struct pgw_mm *mm);

/*
 * The mmap lock. On a snapshot every function here succeeds and does nothing.
 *
 * Fair: who waits is served in the order of arrival, readers that wait side by
 * side together; a new reader queues behind a waiting writer. Not recursive: a
 * thread that takes a lock it holds breaks PGW_RULE_MMAP_RECURSION. A thread
 * that takes several takes a user mm's before any kernel mm's, or else breaks
 * PGW_RULE_MMAP_ORDER; the trylocks may come in any order.
 */

/** @return 0; -PGW_EDEADLK or -PGW_EPERM after a violation whose handler returned */
PGW_API int pgw_mmap_read_lock(struct pgw_mm *mm) PGW_ACQUIRE_SHARED(mm);
/** Never waits. @return 0, -PGW_EBUSY, or as pgw_mmap_read_lock() */
PGW_API int pgw_mmap_read_trylock(struct pgw_mm *mm) PGW_TRY_ACQUIRE_SHARED(0, mm);
/** Release a lock held for read or downgraded. @return 0 or -PGW_EPERM */
PGW_API int pgw_mmap_read_unlock(struct pgw_mm *mm) PGW_RELEASE_SHARED(mm);
/** @return as pgw_mmap_read_lock() */
PGW_API int pgw_mmap_write_lock(struct pgw_mm *mm) PGW_ACQUIRE(mm);
/** @return as pgw_mmap_read_trylock() */
PGW_API int pgw_mmap_write_trylock(struct pgw_mm *mm) PGW_TRY_ACQUIRE(0, mm);
/** @return 0 or -PGW_EPERM */
PGW_API int pgw_mmap_write_unlock(struct pgw_mm *mm) PGW_RELEASE(mm);
/**
 * Turn a write lock into a read lock without a moment in between: other
 * readers may enter, no writer has been in. @return 0 or -PGW_EPERM
 */
PGW_API int pgw_mmap_write_downgrade(struct pgw_mm *mm) PGW_RELEASE(mm) PGW_ACQUIRE_SHARED(mm);

/**
 * Assert that this thread holds the lock in any mode.
 * @return 0, or -PGW_EPERM after a violation whose handler returned
 */
PGW_API int pgw_mmap_assert_locked(const struct pgw_mm *mm) PGW_ASSERT_HELD_SHARED(mm);
/** Assert that this thread holds the lock for write; a downgraded lock does not count. */
PGW_API int pgw_mmap_assert_write_locked(const struct pgw_mm *mm) PGW_ASSERT_HELD(mm);

/** How this thread holds the lock; a snapshot's is always PGW_LOCK_WRITE. */
PGW_API enum pgw_lock_mode pgw_mmap_lock_mode(const struct pgw_mm *mm);

/**
 * Map one leaf of an owned mm, making the tables above it.
 *
 * Locking: a user mm's mmap lock for write; a kernel or foreign mm's for read suffices if
 * the caller owns the range (tables are installed by compare-and-swap).
 * @return 0, -PGW_EEXIST (something that is not empty is in the way; nothing
 *         changed but tables that now exist), -PGW_ENOMEM, -PGW_EINVAL,
 *         -PGW_EOPNOTSUPP (rights or level that the format does not have; user
 *         rights in the kernel region; not an owned mm), -PGW_EPERM (lock),
 *         -PGW_EOVERFLOW (a new table lies where entries cannot point)
 */
PGW_API int pgw_mm_map_leaf(struct pgw_mm *mm, const struct pgw_leaf *leaf) PGW_REQUIRES_SHARED(mm);

/**
 * Clear the leaf that maps va on an owned mm, and flush. Tables stay.
 *
 * Locking: as pgw_mm_map_leaf().
 * @return 0, -PGW_ENOENT (no leaf there), -PGW_EINVAL, -PGW_EOPNOTSUPP, -PGW_EPERM
 */
PGW_API int pgw_mm_unmap_leaf(struct pgw_mm *mm, uint64_t va) PGW_REQUIRES_SHARED(mm);

#ifdef __cplusplus
}
#endif

#endif
