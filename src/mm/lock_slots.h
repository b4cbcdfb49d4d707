/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_LOCK_SLOTS_H
#define MM_LOCK_SLOTS_H

/*
 * Readers of the mmap lock that write nothing to it. A thread's slot says which lock it holds, or
 * is about to hold; the lock's state says by a bit whose threads are looked for there. Who wants to
 * write clears all these bits and counts the readers that it finds, who are then readers as any.
 *
 * - A bit is set only by a thread that holds the lock and is counted, while nobody waits and nobody
 *   writes. So a bit says: no writer, no queue.
 * - A reader writes its slot, then looks at the bit; who wants to write clears the bit, then looks
 *   at the slot. All four are sequentially consistent: one of the two sees the other.
 * - A reader takes its slot back with an exchange, and so learns whether it was counted. It was
 *   counted before the slot said so. A slot that says so is not counted again.
 * - Who counts is counted itself meanwhile, as a reader: nobody else finds the lock free.
 */

#include "mm/lock.h"

/* In a slot beside the lock's address. */
#define SLOT_ANNOUNCED ((uintptr_t)1) /* a reader that nobody has counted, or about to be one */
#define SLOT_COUNTED ((uintptr_t)2)   /* holds the lock as the lock's state says */
#define SLOT_BITS ((uintptr_t)3)

_Static_assert(_Alignof(struct pgw_mmap_lock) > SLOT_BITS, "a slot's bits are a lock's address");

/** One that waits for nobody else is counted in the state. */
#define MMAP_LOCK_READER BIT(32)

/**
 * Announce the thread in a free slot of its own, if the lock lets it.
 * @return whether it now holds the lock for read
 */
static PGW_ALWAYS_INLINE bool slot_announce(const struct pgw_mmap_lock *lock,
					    const struct pgw_platform *platform,
					    struct pgw_thread *thread, unsigned i)
{
	uintptr_t slot = (uintptr_t)lock | SLOT_ANNOUNCED;

	if (!(step_load_n(&lock->state, __ATOMIC_RELAXED) & thread->class_bit) ||
	    pgw_unlikely(thread->epoch != platform->epoch))
		return false;
	step_exchange_n(&thread->slot[i], slot, __ATOMIC_SEQ_CST);
	if (pgw_likely(step_load_n(&lock->state, __ATOMIC_SEQ_CST) & thread->class_bit))
		return true;
	/* Counted meanwhile? Then it has the lock. */
	return !step_compare_exchange_n(&thread->slot[i], &slot, 0, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE);
}

/** Does the thread, the one that asks, hold the lock in this slot, which is 0 while it is not in use? */
static PGW_ALWAYS_INLINE bool slot_holds(const struct pgw_thread *thread, unsigned i,
					 const struct pgw_mmap_lock *lock)
{
	/* Others change the bits of a slot that is in use, and nothing else. */
	return (step_load_n(&thread->slot[i], __ATOMIC_RELAXED) & ~SLOT_BITS) == (uintptr_t)lock;
}

/** Take the slot back. @return whether the thread is counted, and has to be taken off */
static PGW_ALWAYS_INLINE bool slot_leave(struct pgw_thread *thread, unsigned i)
{
	if (step_load_n(&thread->slot[i], __ATOMIC_RELAXED) & SLOT_COUNTED) {
		step_store_n(&thread->slot[i], 0, __ATOMIC_RELEASE);
		return true;
	}
	return step_exchange_n(&thread->slot[i], 0, __ATOMIC_ACQ_REL) & SLOT_COUNTED;
}

/** The thread has taken the lock for read and is counted: next time its class may do without. */
void slot_allow(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		struct pgw_thread *thread);

/**
 * Count the readers of these classes that are still there. The classes' bits were just cleared, by
 * a sequentially consistent access, and the caller is counted.
 */
void slots_count(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, uint64_t classes);

/** Has a thread of these classes announced itself? */
bool slots_announced(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		     uint64_t classes);

#endif
