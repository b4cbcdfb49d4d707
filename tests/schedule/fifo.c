/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/step_hooks.h" /* first: the limits are those of the stepped library */

#include "schedule/fifo.h"

#include <stdlib.h>
#include <string.h>

#include "base/mutex.h"
#include "mm/lock.h"
#include "schedule/coroutine.h"

void fifo_add(struct fifo *fifo, const struct pgw_mmap_lock *lock, const char *name)
{
	if (fifo->nr_queues == FIFO_LOCKS)
		abort();
	fifo->queue[fifo->nr_queues++] =
		(struct fifo_queue){ .lock = lock, .name = name, .guard = SCHEDULE_NONE };
}

static uint32_t holders(uint32_t state)
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

static void state_changes(struct fifo_queue *q, uint32_t value)
{
	uint32_t before = q->lock->state;

	if (value == (before | MMAP_LOCK_QUEUED))
		waiter_comes(q);
	else if (holders(value) > holders(before) && (before & MMAP_LOCK_OPEN))
		newcomer_comes(q);
	else if (holders(value) > holders(before))
		holder_comes(q);
}

static void guard_changes(struct fifo_queue *q, uint32_t value)
{
	if (value == MUTEX_FREE)
		q->guard = SCHEDULE_NONE;
	else if (q->lock->guard == MUTEX_FREE)
		q->guard = schedule_thread();
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
			state_changes(q, (uint32_t)value);
		else if (at == &q->lock->guard)
			guard_changes(q, (uint32_t)value);
		else if (is_told)
			waiter_learns(q, thread);
	}
}
