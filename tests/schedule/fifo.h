/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_FIFO_H
#define TESTS_SCHEDULE_FIFO_H

/*
 * Locks of the mmap lock's kind are had in the order in which threads queued (G5 of
 * docs/locking.md). This does not read the lock's own queue. It sees the writes to the state:
 * who leaves it as it is, with MMAP_LOCK_QUEUED, has queued; a holder more that comes
 * while threads wait has to be for the first of them, and is given by who has the guard, or it has
 * taken an open lock, which happens to the first a few times only; and the
 * thread that is told, by a write to its stack, has to be one of those whom the lock was given to.
 */

#include <stdbool.h>
#include <stdint.h>

#include "schedule/schedule.h"

struct pgw_mmap_lock;

#define FIFO_LOCKS 4

struct fifo_queue {
	const struct pgw_mmap_lock *lock;
	const uint32_t *registry; /* the guard of the list of threads */
	const char *name;
	unsigned guard;                   /* the thread that has the lock's guard; SCHEDULE_NONE */
	unsigned registrar;               /* the same of the list of threads */
	uint8_t waiter[SCHEDULE_THREADS]; /* threads that have not been told, by arrival */
	unsigned nr_waiters, nr_admitted; /* the first of them, that the lock was given to */
	unsigned nr_passes;               /* that overtook the first to whom it was not */
};

struct fifo {
	struct fifo_queue queue[FIFO_LOCKS];
	unsigned nr_queues;
};

/** @param registry the guard of the list of threads */
void fifo_add(struct fifo *fifo, const struct pgw_mmap_lock *lock, const uint32_t *registry,
	      const char *name);
/** The current thread is about to make a value visible. */
void fifo_before_write(struct fifo *fifo, const volatile void *at, uint64_t value);

#endif
