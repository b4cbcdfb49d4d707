/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_ANNOTATE_H
#define PAGEWALK_ANNOTATE_H

/**
 * @file
 * Which function takes, needs or gives up which lock, for the thread-safety
 * analysis of Clang (-Wthread-safety); nothing for other compilers.
 *
 * The lock is that of the mm or mapping which the attribute names. The analysis knows
 * nothing of an mm's kind and region: of what needs the lock for read on some mms
 * and for write on others it demands it for read, and the rest is caught at run
 * time. So are locks whose owner it cannot tell: a VMA's, and that of vma->mm.
 *
 * To the analysis a lock function that returns has taken the lock. Who has a
 * violation handler that returns, and looks at the status, tells it to look
 * away: PGW_NO_THREAD_SAFETY_ANALYSIS. pgw_mmap_assert_locked() tells it that
 * the lock is held, on a snapshot for instance.
 */

#if defined(__clang__)
#define PGW_ATTRIBUTE(x) __attribute__((x))
#else
#define PGW_ATTRIBUTE(x)
#endif

/** The type is a lock, or has one. */
#define PGW_CAPABILITY(name) PGW_ATTRIBUTE(capability(name))

struct PGW_CAPABILITY("mmap lock") pgw_mm;
struct PGW_CAPABILITY("i_mmap lock") pgw_mapping;

/** The function takes the lock, for write or for read, which the caller does not hold. */
#define PGW_ACQUIRE(...) PGW_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define PGW_ACQUIRE_SHARED(...) PGW_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
/** ... if it returns the value that comes first, a constant. */
#define PGW_TRY_ACQUIRE(...) PGW_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define PGW_TRY_ACQUIRE_SHARED(...) PGW_ATTRIBUTE(try_acquire_shared_capability(__VA_ARGS__))
/** The function releases the lock, which the caller holds so. */
#define PGW_RELEASE(...) PGW_ATTRIBUTE(release_capability(__VA_ARGS__))
#define PGW_RELEASE_SHARED(...) PGW_ATTRIBUTE(release_shared_capability(__VA_ARGS__))

/** The caller holds the lock for write; in any mode; not at all. */
#define PGW_REQUIRES(...) PGW_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define PGW_REQUIRES_SHARED(...) PGW_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))
#define PGW_EXCLUDES(...) PGW_ATTRIBUTE(locks_excluded(__VA_ARGS__))

/** After the call the lock is known to be held for write; in any mode. */
#define PGW_ASSERT_HELD(...) PGW_ATTRIBUTE(assert_capability(__VA_ARGS__))
#define PGW_ASSERT_HELD_SHARED(...) PGW_ATTRIBUTE(assert_shared_capability(__VA_ARGS__))

/** The analysis does not look into the function. */
#define PGW_NO_THREAD_SAFETY_ANALYSIS PGW_ATTRIBUTE(no_thread_safety_analysis)

#endif
