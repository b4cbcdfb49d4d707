/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_LOCK_SLOTS_H
#define MM_LOCK_SLOTS_H

/*
 * Readers of the mmap lock that write nothing to it. A thread's slot says which lock it holds, or
 * is about to hold; the lock's state says by a bit whose threads are looked for there. Who wants to
 * write clears all these bits and counts the readers that it finds, who are then readers as any.
 *
 * - A bit is set only by a thread that holds the lock for read, while nobody waits. So a bit says:
 *   no writer, no queue.
 * - A reader writes its slot, then looks at the bit; who wants to write clears the bit, then looks
 *   at the slot. One of the two sees the other.
 * - Who counts is counted itself meanwhile, as a reader: nobody else finds the lock free.
 *
 * In one of two forms, which the slot tells:
 *
 * - By exchange. All four accesses above are sequentially consistent. The reader takes its slot
 *   back with an exchange, and so learns whether it was counted. It was counted before the slot
 *   said so. A slot that says so is not counted again.
 * - By a plain store, if the platform can run a barrier on all CPUs and MMAP_LOCK_PLAIN is set when
 *   the reader looks at the bit. Who wants to write clears that too, tells the threads to look
 *   whether they are counted (SLOTS_LOOKED_AT), runs the barrier, and then looks at the slots. It
 *   counts in the thread's word, as the slot is the reader's alone to write. The reader takes its
 *   slot back with a store, then looks at that word: zero says that it was not counted, or else it
 *   looks again with the guard, when who counts has come to its end. tests/model/plainslots.pml.
 *
 * That barrier costs some microseconds, in all threads: MMAP_LOCK_PLAIN is set when a lock has been
 * read a few thousand times without a write.
 */

#include "mm/lock.h"

/* In a slot beside the lock's address. */
#define SLOT_ANNOUNCED ((uintptr_t)1) /* a reader that nobody has counted, or about to be one */
#define SLOT_COUNTED ((uintptr_t)2)   /* holds the lock as the lock's state says */
#define SLOT_PLAIN ((uintptr_t)3)     /* as SLOT_ANNOUNCED; counted if the thread's word says so */
#define SLOT_BITS ((uintptr_t)3)

_Static_assert(_Alignof(struct pgw_mmap_lock) > SLOT_BITS, "a slot's bits are a lock's address");

/* What a thread's held has of a slot: the rank of the lock, and how it is held. */
#define HELD_BITS 8
#define HELD_MASK UINT64_C(0xff)
#define HELD_MODE UINT64_C(3)
#define HELD(rank, mode) ((uint64_t)(rank) << 2 | (uint64_t)(mode))

_Static_assert(_PGW_LOCK_MODE_MAX <= HELD_MODE + 1, "a mode has two bits");
_Static_assert(HELD_BITS *PGW_MAX_HELD <= 64, "held has room for all slots");

/* In a thread's counted, beside a bit for each slot: somebody may be about to set one. */
#define SLOTS_LOOKED_AT (UINT32_C(1) << PGW_MAX_HELD)

/** One that waits for nobody else is counted in the state. */
#define MMAP_LOCK_READER BIT(32)

/** What is cleared by who wants to write. */
#define MMAP_LOCK_UNCOUNTED (MMAP_LOCK_CLASSES | MMAP_LOCK_PLAIN)

/** One of this many reads that nobody counts stands for all of them; prime, for threads that read by turns. */
#define READS_PER_SAMPLE STEP_LIMIT(67)

/** What has become of an announcement. */
enum slot_outcome {
	SLOT_REFUSED, /* there is none: the thread has to be counted */
	SLOT_HELD,    /* it holds the lock for read */
	SLOT_SAMPLE,  /* the same, and slot_sample() is due */
	SLOT_LATE,    /* it may not have been seen, and slot_withdraw() is due */
};

/** @param allow the bits of the state that say that the thread may */
static PGW_ALWAYS_INLINE enum slot_outcome slot_announce_plainly(const struct pgw_mmap_lock *lock,
								 uintptr_t *slot, uint64_t allow)
{
	step_store_n(slot, (uintptr_t)lock | SLOT_PLAIN, __ATOMIC_RELEASE);
	step_signal_fence(__ATOMIC_SEQ_CST);
	return pgw_likely(!(~step_load_n(&lock->state, __ATOMIC_ACQUIRE) & allow)) ? SLOT_HELD
										   : SLOT_LATE;
}

/** Does the thread, the one that asks, hold the lock in this slot, which is 0 while it is not in use? */
static PGW_ALWAYS_INLINE bool slot_holds(const struct pgw_thread *thread, unsigned i,
					 const struct pgw_mmap_lock *lock)
{
	/* Others change the bits of a slot that is in use, and nothing else. */
	return (step_load_n(&thread->slot[i], __ATOMIC_RELAXED) & ~SLOT_BITS) == (uintptr_t)lock;
}

/** How it holds it. */
static PGW_ALWAYS_INLINE enum pgw_lock_mode slot_mode(const struct pgw_thread *thread, unsigned i)
{
	return (enum pgw_lock_mode)(thread->held >> i * HELD_BITS & HELD_MODE);
}

static PGW_ALWAYS_INLINE enum slot_outcome
slot_announce_by_exchange(const struct pgw_mmap_lock *lock, struct pgw_thread *thread,
			  uintptr_t *slot)
{
	step_exchange_n(slot, (uintptr_t)lock | SLOT_ANNOUNCED, __ATOMIC_SEQ_CST);
	if (pgw_unlikely(!(step_load_n(&lock->state, __ATOMIC_SEQ_CST) & thread->class_bit)))
		return SLOT_LATE;
	return pgw_likely(thread->until_sample--) ? SLOT_HELD : SLOT_SAMPLE;
}

/** Announce the thread in a free slot of its own, if the lock lets it. */
static PGW_ALWAYS_INLINE enum slot_outcome slot_announce(const struct pgw_mmap_lock *lock,
							 const struct pgw_platform *platform,
							 struct pgw_thread *thread, unsigned i)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);
	uint64_t class_bit = thread->class_bit;

	if (!(state & class_bit) || pgw_unlikely(thread->epoch != platform->epoch))
		return SLOT_REFUSED;
	return pgw_likely(state & MMAP_LOCK_PLAIN)
		       ? slot_announce_plainly(lock, &thread->slot[i], MMAP_LOCK_PLAIN | class_bit)
		       : slot_announce_by_exchange(lock, thread, &thread->slot[i]);
}

/** The thread holds the lock and is one of so many that nobody has counted. */
void slot_sample(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		 struct pgw_thread *thread);

/** The thread has announced itself too late. @return whether it holds the lock: others have counted it */
bool slot_withdraw(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		   struct pgw_thread *thread, unsigned i);

/** All of that. @return whether the thread holds the lock */
bool slot_enter(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		struct pgw_thread *thread, unsigned i);

/** A plain slot was taken back: was it counted? Then the thread has to be taken off. */
bool slot_was_counted(const struct pgw_platform *platform, struct pgw_thread *thread, unsigned i);

/**
 * Take the slot back, in which the lock is held for read.
 * @return false: the thread may be counted: slot_was_counted() or, in another form, it is
 */
static PGW_ALWAYS_INLINE bool slot_leave(struct pgw_thread *thread, unsigned i, uintptr_t how)
{
	if (how == SLOT_PLAIN) {
		step_store_n(&thread->slot[i], 0, __ATOMIC_RELEASE);
		step_signal_fence(__ATOMIC_SEQ_CST);
		return pgw_likely(!step_load_n(&thread->counted, __ATOMIC_RELAXED));
	}
	if (how == SLOT_ANNOUNCED)
		return !(step_exchange_n(&thread->slot[i], 0, __ATOMIC_ACQ_REL) & SLOT_COUNTED);
	step_store_n(&thread->slot[i], 0, __ATOMIC_RELEASE);
	return false;
}

/** The thread has taken the lock for read and is counted: next time its class may do without. */
void slot_allow(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		struct pgw_thread *thread);

/**
 * Count the readers that are still there. Their bits, MMAP_LOCK_UNCOUNTED, were just cleared, by
 * a sequentially consistent access, and the caller is counted.
 */
void slots_count(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, uint64_t bits);

/** Has a thread of these classes announced itself? */
bool slots_announced(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		     uint64_t classes);

#endif
