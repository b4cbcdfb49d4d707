/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/lock_slots.h"

#include "base/epoch.h"
#include "base/mutex.h"

/* A write costs the readers that come next some hundred ns: not for one or two of them. */
#define READS_TO_ALLOW STEP_LIMIT(4)
/* And by a barrier of all CPUs several us, to everybody. */
#define READS_TO_BE_PLAIN (STEP_LIMIT(8192) + 1)

/* ---- what readers may do without ---- */

/* The calling thread holds the lock for read. */
static void allow(struct pgw_mmap_lock *lock, uint64_t bits)
{
	uint64_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);

	do {
		if ((state & MMAP_LOCK_QUEUED) || !(~state & bits))
			return;
	} while (!step_compare_exchange_n(&lock->state, &state, state | bits, true,
					  __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

/* @return how many reads since the last write or look at the slots that was one of, about */
static uint32_t add_reads(struct pgw_mmap_lock *lock, uint32_t nr)
{
	uint32_t nr_reads = step_load_n(&lock->nr_reads, __ATOMIC_RELAXED) + nr;

	step_store_n(&lock->nr_reads, nr_reads, __ATOMIC_RELAXED);
	return nr_reads;
}

void slot_allow(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		struct pgw_thread *thread)
{
	if (add_reads(lock, 1) < READS_TO_ALLOW || !platform->epoch)
		return;
	if (!thread->epoch)
		epoch_join(platform, thread);
	if (thread->epoch == platform->epoch)
		allow(lock, thread->class_bit);
}

void slot_sample(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		 struct pgw_thread *thread)
{
	thread->until_sample = READS_PER_SAMPLE - 1;
	if (platform->cpu_barrier && add_reads(lock, READS_PER_SAMPLE) >= READS_TO_BE_PLAIN)
		allow(lock, MMAP_LOCK_PLAIN | thread->class_bit);
}

PGW_NOINLINE bool slot_withdraw(const struct pgw_mmap_lock *lock,
				const struct pgw_platform *platform, struct pgw_thread *thread,
				unsigned i)
{
	uintptr_t *slot = &thread->slot[i];
	uintptr_t seen = (uintptr_t)lock | SLOT_ANNOUNCED;

	if (step_load_n(slot, __ATOMIC_RELAXED) != ((uintptr_t)lock | SLOT_PLAIN))
		return !step_compare_exchange_n(slot, &seen, 0, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE);
	if (slot_leave(thread, i, SLOT_PLAIN) || !slot_was_counted(platform, thread, i))
		return false;
	step_store_n(slot, (uintptr_t)lock | SLOT_COUNTED, __ATOMIC_RELEASE);
	return true;
}

bool slot_enter(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		struct pgw_thread *thread, unsigned i)
{
	enum slot_outcome outcome = slot_announce(lock, platform, thread, i);

	if (outcome == SLOT_LATE)
		return slot_withdraw(lock, platform, thread, i);
	if (outcome == SLOT_SAMPLE)
		slot_sample(lock, platform, thread);
	return outcome != SLOT_REFUSED;
}

/* ---- who counts them ---- */

/* The thread after last, or the first; classes: those that are still to come. Needs the guard. */
static struct pgw_thread *class_next(const struct pgw_epoch *epoch, uint64_t *classes,
				     const struct pgw_thread *last)
{
	struct pgw_thread *thread = last ? last->next_of_class : NULL;

	for (; !thread && *classes; *classes &= *classes - 1)
		thread = epoch->of_class[__builtin_ctzll(*classes)];
	return thread;
}

/* First the count, then the slot: the reader may leave as soon as that says that it is counted. */
static void slot_count(struct pgw_mmap_lock *lock, uintptr_t *slot)
{
	uintptr_t seen = (uintptr_t)lock | SLOT_ANNOUNCED;

	if (step_load_n(slot, __ATOMIC_SEQ_CST) != seen)
		return;
	step_fetch_add(&lock->state, MMAP_LOCK_READER, __ATOMIC_RELAXED);
	if (!step_compare_exchange_n(slot, &seen, (uintptr_t)lock | SLOT_COUNTED, false,
				     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		step_fetch_sub(&lock->state, MMAP_LOCK_READER, __ATOMIC_RELAXED);
}

/* The same of slots that were stored plainly: the reader waits for the guard before it leaves. */
static void thread_count_plain(struct pgw_mmap_lock *lock, struct pgw_thread *thread)
{
	uint32_t counted = step_load_n(&thread->counted, __ATOMIC_RELAXED) & ~SLOTS_LOOKED_AT;

	for (unsigned i = 0; i < PGW_MAX_HELD; i++) {
		if ((counted >> i & 1) || step_load_n(&thread->slot[i], __ATOMIC_ACQUIRE) !=
						  ((uintptr_t)lock | SLOT_PLAIN))
			continue;
		step_fetch_add(&lock->state, MMAP_LOCK_READER, __ATOMIC_RELAXED);
		counted |= UINT32_C(1) << i;
	}
	step_store_n(&thread->counted, counted, __ATOMIC_RELAXED);
}

/* What these threads stored before is there, and who leaves a slot from now on looks if it is counted. */
static void threads_settle(const struct pgw_platform *platform, uint64_t classes)
{
	const struct pgw_epoch *epoch = platform->epoch;
	struct pgw_thread *thread = NULL;

	while ((thread = class_next(epoch, &classes, thread)))
		step_fetch_or(&thread->counted, SLOTS_LOOKED_AT, __ATOMIC_RELAXED);
	platform->cpu_barrier(platform->ctx);
}

void slots_count(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, uint64_t bits)
{
	struct pgw_epoch *epoch = platform->epoch;
	uint64_t classes = bits & MMAP_LOCK_CLASSES;
	struct pgw_thread *thread = NULL;

	step_store_n(&lock->nr_reads, 0, __ATOMIC_RELAXED);
	mutex_lock(&epoch->guard, platform);
	if (bits & MMAP_LOCK_PLAIN)
		threads_settle(platform, classes);
	while ((thread = class_next(epoch, &classes, thread))) {
		for (unsigned i = 0; i < PGW_MAX_HELD; i++)
			slot_count(lock, &thread->slot[i]);
		if (bits & MMAP_LOCK_PLAIN)
			thread_count_plain(lock, thread);
	}
	mutex_unlock(&epoch->guard, platform);
}

PGW_NOINLINE bool slot_was_counted(const struct pgw_platform *platform, struct pgw_thread *thread,
				   unsigned i)
{
	uint32_t bit = UINT32_C(1) << i, counted;

	/* Who sets a bit has the guard from before it says that it looks. */
	mutex_lock(&platform->epoch->guard, platform);
	counted = step_load_n(&thread->counted, __ATOMIC_RELAXED);
	step_store_n(&thread->counted, counted & ~bit, __ATOMIC_RELAXED);
	mutex_unlock(&platform->epoch->guard, platform);
	return counted & bit;
}

/* ---- a look from outside ---- */

static bool thread_announced(const struct pgw_thread *thread, const struct pgw_mmap_lock *lock)
{
	for (unsigned i = 0; i < PGW_MAX_HELD; i++) {
		uintptr_t slot = step_load_n(&thread->slot[i], __ATOMIC_RELAXED) ^ (uintptr_t)lock;

		if (slot == SLOT_ANNOUNCED || slot == SLOT_PLAIN)
			return true;
	}
	return false;
}

bool slots_announced(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		     uint64_t classes)
{
	struct pgw_epoch *epoch = platform->epoch;
	struct pgw_thread *thread = NULL;
	bool is_there = false;

	mutex_lock(&epoch->guard, platform);
	while (!is_there && (thread = class_next(epoch, &classes, thread)))
		is_there = thread_announced(thread, lock);
	mutex_unlock(&epoch->guard, platform);
	return is_there;
}
