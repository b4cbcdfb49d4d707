/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/step_hooks.h" /* first: the limits are those of the stepped library */

#include "schedule/fifo.h"

#include <stdlib.h>
#include <string.h>

#include "base/mutex.h"
#include "mm/lock.h"
#include "schedule/coroutine.h"

void fifo_add(struct fifo *fifo, const struct pgw_mmap_lock *lock, const uint32_t *registry,
	      const char *name)
{
	if (fifo->nr_queues == FIFO_LOCKS)
		abort();
	fifo->queue[fifo->nr_queues++] = (struct fifo_queue){ .lock = lock,
							      .registry = registry,
							      .name = name,
							      .guard = SCHEDULE_NONE,
							      .registrar = SCHEDULE_NONE };
}

static uint64_t holders(uint64_t state)
{
	return state & (MMAP_LOCK_WRITER | MMAP_LOCK_READERS);
}

/* Who leaves the state as it is but for the queue has seen that it has to wait, and joins. */
static void waiter_comes(struct fifo_queue *q)
{
	if (q->nr_waiters == SCHEDULE_THREADS)
		schedule_fail("%s: a thread waits twice", q->name);
	q->waiter[q->nr_waiters++] = (uint8_t)schedule_thread();
}

/* A newcomer takes an open lock: so often it may. */
static void newcomer_comes(struct fifo_queue *q)
{
	if (++q->nr_passes > MMAP_LOCK_PASSES_MANY)
		schedule_fail("%s: thread %u is the %uth to overtake thread %u, which waits",
			      q->name, schedule_thread(), q->nr_passes, q->waiter[q->nr_admitted]);
}

/* A thread that waits is told that it has the lock. Readers that enter together in any order. */
static void waiter_learns(struct fifo_queue *q, unsigned thread)
{
	unsigned i = 0;

	while (i < q->nr_waiters && q->waiter[i] != thread)
		i++;
	if (i == q->nr_waiters)
		return;
	if (i >= q->nr_admitted)
		schedule_fail("%s: thread %u is served, and it is not its turn", q->name, thread);
	q->nr_waiters--;
	q->nr_admitted--;
	memmove(&q->waiter[i], &q->waiter[i + 1], q->nr_waiters - i);
}

/* A holder more: the first that waits, or the current thread if nobody does. */
static void holder_comes(struct fifo_queue *q)
{
	unsigned self = schedule_thread();
	bool waits = q->nr_admitted < q->nr_waiters;

	/* Who takes the lock for itself has to have seen that nobody waits. */
	if (!(q->lock->state & MMAP_LOCK_QUEUED) && !waits)
		return;
	if (!waits)
		schedule_fail("%s is given to a thread that does not wait", q->name);
	if (q->guard != self)
		schedule_fail("%s: thread %u overtakes thread %u, which waits", q->name, self,
			      q->waiter[q->nr_admitted]);
	q->nr_admitted++;
	q->nr_passes = 0;
	if (q->waiter[q->nr_admitted - 1] == self)
		waiter_learns(q, self);
}

/*
 * Who clears classes' bits is counted as a reader from then on, until it has counted others, as the
 * one that has the registry's guard: none of these is a holder that comes.
 */
static bool is_counting(const struct fifo_queue *q, uint64_t value)
{
	return (q->lock->state & ~value & MMAP_LOCK_CLASSES) || q->registrar == schedule_thread();
}

static void state_changes(struct fifo_queue *q, uint64_t value)
{
	uint64_t before = q->lock->state, cleared = before & ~value & MMAP_LOCK_CLASSES;

	if ((value & ~before & MMAP_LOCK_CLASSES) &&
	    (value & (MMAP_LOCK_WRITER | MMAP_LOCK_QUEUED)))
		schedule_fail("%s: readers need not be counted, though somebody waits or writes",
			      q->name);
	if ((value & MMAP_LOCK_QUEUED) && (cleared || value == (before | MMAP_LOCK_QUEUED)))
		waiter_comes(q);
	else if (holders(value) <= holders(before) || is_counting(q, value))
		return;
	else if (before & MMAP_LOCK_OPEN)
		newcomer_comes(q);
	else
		holder_comes(q);
}

static void guard_changes(const uint32_t *guard, unsigned *holder, uint64_t value)
{
	if ((uint32_t)value == MUTEX_FREE)
		*holder = SCHEDULE_NONE;
	else if (*guard == MUTEX_FREE)
		*holder = schedule_thread();
}

void fifo_before_write(struct fifo *fifo, const volatile void *at, uint64_t value)
{
	size_t offset;
	unsigned thread;
	bool is_told = value == MMAP_WAITER_GRANTED && coroutine_find(at, &thread, &offset) &&
		       thread != schedule_thread();

	for (unsigned i = 0; i < fifo->nr_queues; i++) {
		struct fifo_queue *q = &fifo->queue[i];

		if (at == &q->lock->state)
			state_changes(q, value);
		else if (at == &q->lock->guard)
			guard_changes(&q->lock->guard, &q->guard, value);
		else if (at == q->registry)
			guard_changes(q->registry, &q->registrar, value);
		else if (is_told)
			waiter_learns(q, thread);
	}
}
