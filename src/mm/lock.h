/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_LOCK_H
#define MM_LOCK_H

/*
 * The mmap lock: a fair reader-writer lock whose writer can become a reader. The
 * hotplug lock and files' i_mmap locks are others of its kind.
 * It knows threads and the platform, but no mm, and reports nothing.
 * What it guarantees: docs/locking.md.
 */

#include "base/bits.h"
#include "base/step.h"

#include <pagewalk/platform.h>

/** Bits of the state word. */
#define MMAP_LOCK_WRITER BIT(63)       /* a thread holds it for write */
#define MMAP_LOCK_QUEUED BIT(62)       /* the queue is not empty */
#define MMAP_LOCK_OPEN BIT(61)         /* free, though there is a queue */
#define MMAP_LOCK_DEMAND BIT(60)       /* the head of the queue wants to be next */
#define MMAP_LOCK_READERS BITS(59, 32) /* how many hold it for read or downgraded and are counted */
#define MMAP_LOCK_PLAIN BIT(31)       /* who need not be counted says so by a store: lock_slots.h */
#define MMAP_LOCK_CLASSES BITS(30, 0) /* whose threads need not be counted: lock_slots.h */

/** So often newcomers may take the lock past who is the first to wait: alone; before others. */
#define MMAP_LOCK_PASSES STEP_LIMIT(64)
#define MMAP_LOCK_PASSES_MANY STEP_LIMIT(1024)

/** The order in which locks are taken. */
enum {
	LOCK_RANK_HOTPLUG,
	LOCK_RANK_USER_MM,
	LOCK_RANK_KERNEL_MM,
	LOCK_RANK_MAPPING, /* i_mmap locks */
};

struct mmap_waiter;
struct pgw_thread;

/** What a thread in the queue is told; it sleeps on it. */
enum { MMAP_WAITER_WAITS, MMAP_WAITER_HEADS, MMAP_WAITER_GRANTED };

/** All zero is a free lock; there is nothing to destroy. */
struct pgw_mmap_lock {
	uint64_t state;           /* MMAP_LOCK_*, atomic; see lock.c for who may change it */
	struct mmap_waiter *head; /* the queue, first come first; see lock.c */
	struct mmap_waiter *tail; /* guarded by guard; valid while head is not NULL */
	uint32_t guard;           /* of the queue; base/mutex.h */
	uint32_t passes;          /* newcomers since there is this head; who holds the lock alone */
	uint32_t nr_reads;        /* since the last write, about; atomic; see lock_slots.c */
};

/**
 * Take the lock, waiting for it.
 * @param rank the lock's place in the order of locks: those of a higher one are taken after it
 * @return 0, -PGW_EDEADLK (this thread holds it), -PGW_EINVAL (this thread holds
 *         one of a higher rank), -PGW_E2BIG (this thread holds PGW_MAX_HELD locks)
 */
int mmap_lock_read(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, unsigned rank);
int mmap_lock_write(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, unsigned rank);

/** The same of the calling thread, whose struct pgw_thread the caller has looked up. */
int mmap_lock_read_by(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		      struct pgw_thread *thread, unsigned rank);
int mmap_lock_read_unlock_by(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
			     struct pgw_thread *thread);

/** A reader has taken slot i back, see slot_leave(), and may be counted: then the lock is released. */
void mmap_lock_read_left(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
			 struct pgw_thread *thread, unsigned i, uintptr_t how);

/** The same without waiting, -PGW_EBUSY, and so in any order. */
int mmap_lock_read_try(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		       unsigned rank);
int mmap_lock_write_try(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
			unsigned rank);

/** Would mmap_lock_read() and mmap_lock_write() be refused? @return what they would return then, or 0 */
int mmap_lock_may_wait(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		       unsigned rank);

/**
 * Release the lock; turn a write lock into a read lock.
 * @return 0, or -PGW_EPERM: this thread does not hold it so, nothing changed
 */
int mmap_lock_read_unlock(struct pgw_mmap_lock *lock, const struct pgw_platform *platform);
int mmap_lock_write_unlock(struct pgw_mmap_lock *lock, const struct pgw_platform *platform);
int mmap_lock_downgrade(struct pgw_mmap_lock *lock, const struct pgw_platform *platform);

/** How this thread holds the lock. */
enum pgw_lock_mode mmap_lock_mode(const struct pgw_mmap_lock *lock,
				  const struct pgw_platform *platform);

/** In which of its slots the thread, the calling one, holds the lock; PGW_MAX_HELD: in none. */
unsigned mmap_lock_held_slot(const struct pgw_mmap_lock *lock, const struct pgw_thread *thread);

/** Does any thread hold it? By the time the caller looks at the answer it may have changed. */
bool mmap_lock_is_taken(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform);

#endif
