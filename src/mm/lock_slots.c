/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/lock_slots.h"

#include "base/epoch.h"
#include "base/mutex.h"

/* A write costs the readers that come next some hundred ns: not for one or two of them. */
#define READS_TO_ALLOW STEP_LIMIT(4)

void slot_allow(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		struct pgw_thread *thread)
{
	uint32_t nr_reads = step_load_n(&lock->nr_reads, __ATOMIC_RELAXED) + 1;
	uint64_t state;

	step_store_n(&lock->nr_reads, nr_reads, __ATOMIC_RELAXED);
	if (nr_reads < READS_TO_ALLOW || !platform->epoch)
		return;
	if (!thread->epoch)
		epoch_join(platform, thread);
	if (thread->epoch != platform->epoch)
		return;
	state = step_load_n(&lock->state, __ATOMIC_RELAXED);
	do {
		if (state & (MMAP_LOCK_QUEUED | thread->class_bit))
			return;
	} while (!step_compare_exchange_n(&lock->state, &state, state | thread->class_bit, true,
					  __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

/* The first thread of the lowest of these classes. */
static struct pgw_thread *class_first(const struct pgw_epoch *epoch, uint64_t classes)
{
	return epoch->of_class[__builtin_ctzll(classes)];
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

void slots_count(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, uint64_t classes)
{
	struct pgw_epoch *epoch = platform->epoch;

	mutex_lock(&epoch->guard, platform);
	for (; classes; classes &= classes - 1) {
		struct pgw_thread *thread = class_first(epoch, classes);

		for (; thread; thread = thread->next_of_class) {
			for (unsigned i = 0; i < PGW_MAX_HELD; i++)
				slot_count(lock, &thread->slot[i]);
		}
	}
	mutex_unlock(&epoch->guard, platform);
}

static bool thread_announced(const struct pgw_thread *thread, const struct pgw_mmap_lock *lock)
{
	for (unsigned i = 0; i < PGW_MAX_HELD; i++) {
		if (step_load_n(&thread->slot[i], __ATOMIC_RELAXED) ==
		    ((uintptr_t)lock | SLOT_ANNOUNCED))
			return true;
	}
	return false;
}

bool slots_announced(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		     uint64_t classes)
{
	struct pgw_epoch *epoch = platform->epoch;
	bool is_there = false;

	mutex_lock(&epoch->guard, platform);
	for (; classes; classes &= classes - 1) {
		const struct pgw_thread *thread = class_first(epoch, classes);

		for (; thread && !is_there; thread = thread->next_of_class)
			is_there = thread_announced(thread, lock);
	}
	mutex_unlock(&epoch->guard, platform);
	return is_there;
}
