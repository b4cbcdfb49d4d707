/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/lock.h"

#include "base/bits.h"
#include "base/mutex.h"
#include "base/step.h"

/*
 * Who changes the state word:
 * - without MMAP_LOCK_QUEUED: anybody who takes or releases the lock;
 * - with it: only holders, when they release or downgrade, and whoever has the
 *   guard. So the lock is handed to the head of the queue and never taken past
 *   it, and one thread at most, the last that released, has to do that.
 * It is changed by read-modify-writes only. They make one release sequence (C11
 * 5.1.2.4), so that acquiring from it sees what every earlier holder released.
 *
 * MMAP_LOCK_QUEUED is set and cleared with the guard held, and so equals "the
 * queue is not empty" for whoever has the guard.
 */
#define READER UINT32_C(1)

/* No lock has a higher rank: whoever asks with it may hold any lock. */
#define RANK_HIGHEST (~0U)

/**
 * A thread in the queue; on its stack. It may be gone as soon as granted is
 * set, so that is the last that others do with it.
 */
struct mmap_waiter {
	struct mmap_waiter *next;
	uint32_t granted;        /* 1: the lock is this thread's; atomic */
	enum pgw_lock_mode mode; /* read or write */
};

/* ---- the state word and the queue ---- */

/** What a thread that takes the lock adds to the state. */
static PGW_ALWAYS_INLINE uint32_t mode_step(enum pgw_lock_mode mode)
{
	return mode == PGW_LOCK_WRITE ? MMAP_LOCK_WRITER : READER;
}

/** The holders that keep a thread from the lock. */
static PGW_ALWAYS_INLINE uint32_t mode_conflicts(enum pgw_lock_mode mode)
{
	return mode == PGW_LOCK_WRITE ? MMAP_LOCK_WRITER | MMAP_LOCK_READERS : MMAP_LOCK_WRITER;
}

/** Take the lock if nobody holds it against us and nobody waits. */
static PGW_ALWAYS_INLINE bool state_take(struct pgw_mmap_lock *lock, enum pgw_lock_mode mode)
{
	uint32_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);

	do {
		if (state & (mode_conflicts(mode) | MMAP_LOCK_QUEUED))
			return false;
	} while (!step_compare_exchange_n(&lock->state, &state, state + mode_step(mode), true,
					  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

/**
 * Take the lock, or else say that the queue is not empty. These are one step,
 * so that the holder who is in the way sees the queue when it releases.
 */
static bool state_take_or_queue(struct pgw_mmap_lock *lock, enum pgw_lock_mode mode)
{
	uint32_t blocked = mode_conflicts(mode) | MMAP_LOCK_QUEUED;
	uint32_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);
	uint32_t next;

	do {
		next = state & blocked ? state | MMAP_LOCK_QUEUED : state + mode_step(mode);
	} while (!step_compare_exchange_n(&lock->state, &state, next, true, __ATOMIC_ACQUIRE,
					  __ATOMIC_RELAXED));
	return !(state & blocked);
}

/** Wait for the lock, in the queue. */
static PGW_NOINLINE void queue_wait(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
				    enum pgw_lock_mode mode)
{
	struct mmap_waiter self = { .mode = mode };

	mutex_lock(&lock->guard, platform);
	if (state_take_or_queue(lock, mode)) {
		mutex_unlock(&lock->guard, platform);
		return;
	}
	if (lock->head)
		lock->tail->next = &self;
	else
		lock->head = &self;
	lock->tail = &self;
	mutex_unlock(&lock->guard, platform);

	while (!step_load_n(&self.granted, __ATOMIC_ACQUIRE))
		platform->park(platform->ctx, &self.granted, 0);
}

/**
 * Make holders of those at the head of the queue who can be: a writer if
 * nobody holds the lock, or readers up to the next writer if no writer does.
 * Needs the guard.
 * @return the new holders, who do not know it yet
 */
static struct mmap_waiter *queue_take(struct pgw_mmap_lock *lock)
{
	struct mmap_waiter *first = lock->head;
	struct mmap_waiter *last = NULL;

	while (lock->head) {
		enum pgw_lock_mode mode = lock->head->mode;

		if (step_load_n(&lock->state, __ATOMIC_RELAXED) & mode_conflicts(mode))
			break;
		step_fetch_add(&lock->state, mode_step(mode), __ATOMIC_ACQUIRE);
		last = lock->head;
		lock->head = last->next;
	}
	if (!lock->head)
		step_fetch_and(&lock->state, ~MMAP_LOCK_QUEUED, __ATOMIC_RELAXED);
	if (!last)
		return NULL;
	last->next = NULL;
	return first;
}

/**
 * Hand the lock on. The new holders learn it only after the guard is free: from
 * then on nothing here touches the lock, which they may release and free.
 */
static PGW_NOINLINE void queue_grant(struct pgw_mmap_lock *lock,
				     const struct pgw_platform *platform)
{
	struct mmap_waiter *waiter;

	mutex_lock(&lock->guard, platform);
	waiter = queue_take(lock);
	mutex_unlock(&lock->guard, platform);

	while (waiter) {
		struct mmap_waiter *next = waiter->next;

		step_store_n(&waiter->granted, 1, __ATOMIC_RELEASE);
		/* The waiter may have seen that and be gone: wake() gets an address, no more. */
		platform->wake(platform->ctx, &waiter->granted);
		waiter = next;
	}
}

static PGW_ALWAYS_INLINE void state_release(struct pgw_mmap_lock *lock,
					    const struct pgw_platform *platform,
					    enum pgw_lock_mode mode)
{
	uint32_t step = mode_step(mode);
	uint32_t state = step_fetch_sub(&lock->state, step, __ATOMIC_RELEASE) - step;

	/* Free, and somebody waits. Otherwise that was the last look at the lock. */
	if (pgw_unlikely(state == MMAP_LOCK_QUEUED))
		queue_grant(lock, platform);
}

/* ---- what a thread holds ---- */

static struct pgw_thread *current_thread(const struct pgw_platform *platform)
{
	return platform->current(platform->ctx);
}

/** The index of a lock in the thread's list; nr_held if it is not there. */
static uint32_t held_find(const struct pgw_thread *thread, const struct pgw_mmap_lock *lock)
{
	uint32_t i = 0;

	while (i < thread->nr_held && thread->held[i].lock != lock)
		i++;
	return i;
}

static bool held_is(const struct pgw_thread *thread, uint32_t i, enum pgw_lock_mode mode)
{
	return i < thread->nr_held && thread->held[i].mode == mode;
}

/** May the thread wait for the lock? Not if it holds it, or one that comes after it. */
static int held_check(const struct pgw_thread *thread, const struct pgw_mmap_lock *lock,
		      unsigned rank)
{
	int err = thread->nr_held < PGW_MAX_HELD ? 0 : -PGW_E2BIG;

	for (uint32_t i = 0; i < thread->nr_held; i++) {
		if (thread->held[i].lock == lock)
			return -PGW_EDEADLK;
		if (thread->held[i].rank > rank)
			err = -PGW_EINVAL;
	}
	return err;
}

static void held_add(struct pgw_thread *thread, const struct pgw_mmap_lock *lock, unsigned rank,
		     enum pgw_lock_mode mode)
{
	thread->held[thread->nr_held].lock = lock;
	thread->held[thread->nr_held].mode = mode;
	thread->held[thread->nr_held].rank = rank;
	thread->nr_held++;
}

static void held_remove(struct pgw_thread *thread, uint32_t i)
{
	uint32_t last = --thread->nr_held;

	if (i != last)
		thread->held[i] = thread->held[last];
}

/* ---- the lock ---- */

static PGW_ALWAYS_INLINE int lock_take(struct pgw_mmap_lock *lock,
				       const struct pgw_platform *platform, unsigned rank,
				       enum pgw_lock_mode mode)
{
	struct pgw_thread *thread = current_thread(platform);
	int err = held_check(thread, lock, rank);

	if (pgw_unlikely(err))
		return err;
	if (pgw_unlikely(!state_take(lock, mode)))
		queue_wait(lock, platform, mode);
	held_add(thread, lock, rank, mode);
	return 0;
}

/* Who does not wait is in nobody's way: every order will do. */
static PGW_ALWAYS_INLINE int lock_try(struct pgw_mmap_lock *lock,
				      const struct pgw_platform *platform, unsigned rank,
				      enum pgw_lock_mode mode)
{
	struct pgw_thread *thread = current_thread(platform);
	int err = held_check(thread, lock, RANK_HIGHEST);

	if (pgw_unlikely(err))
		return err;
	if (!state_take(lock, mode))
		return -PGW_EBUSY;
	held_add(thread, lock, rank, mode);
	return 0;
}

int mmap_lock_read(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, unsigned rank)
{
	return lock_take(lock, platform, rank, PGW_LOCK_READ);
}

int mmap_lock_write(struct pgw_mmap_lock *lock, const struct pgw_platform *platform, unsigned rank)
{
	return lock_take(lock, platform, rank, PGW_LOCK_WRITE);
}

int mmap_lock_may_wait(const struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		       unsigned rank)
{
	return held_check(current_thread(platform), lock, rank);
}

int mmap_lock_read_try(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
		       unsigned rank)
{
	return lock_try(lock, platform, rank, PGW_LOCK_READ);
}

int mmap_lock_write_try(struct pgw_mmap_lock *lock, const struct pgw_platform *platform,
			unsigned rank)
{
	return lock_try(lock, platform, rank, PGW_LOCK_WRITE);
}

int mmap_lock_read_unlock(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	struct pgw_thread *thread = current_thread(platform);
	uint32_t i = held_find(thread, lock);

	if (!held_is(thread, i, PGW_LOCK_READ) && !held_is(thread, i, PGW_LOCK_DOWNGRADED))
		return -PGW_EPERM;
	held_remove(thread, i);
	state_release(lock, platform, PGW_LOCK_READ);
	return 0;
}

int mmap_lock_write_unlock(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	struct pgw_thread *thread = current_thread(platform);
	uint32_t i = held_find(thread, lock);

	if (!held_is(thread, i, PGW_LOCK_WRITE))
		return -PGW_EPERM;
	held_remove(thread, i);
	state_release(lock, platform, PGW_LOCK_WRITE);
	return 0;
}

int mmap_lock_downgrade(struct pgw_mmap_lock *lock, const struct pgw_platform *platform)
{
	struct pgw_thread *thread = current_thread(platform);
	uint32_t i = held_find(thread, lock);
	uint32_t state;

	if (!held_is(thread, i, PGW_LOCK_WRITE))
		return -PGW_EPERM;
	thread->held[i].mode = PGW_LOCK_DOWNGRADED;
	state = step_fetch_sub(&lock->state, MMAP_LOCK_WRITER - READER, __ATOMIC_RELEASE);
	if (state & MMAP_LOCK_QUEUED)
		queue_grant(lock, platform);
	return 0;
}

enum pgw_lock_mode mmap_lock_mode(const struct pgw_mmap_lock *lock,
				  const struct pgw_platform *platform)
{
	const struct pgw_thread *thread = current_thread(platform);
	uint32_t i = held_find(thread, lock);

	return i < thread->nr_held ? thread->held[i].mode : PGW_LOCK_NONE;
}

bool mmap_lock_is_taken(const struct pgw_mmap_lock *lock)
{
	uint32_t state = step_load_n(&lock->state, __ATOMIC_RELAXED);

	return state & (MMAP_LOCK_WRITER | MMAP_LOCK_READERS);
}
