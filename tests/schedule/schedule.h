/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_SCHEDULE_H
#define TESTS_SCHEDULE_SCHEDULE_H

/*
 * Threads of which one runs at a time, until a driver says that another goes on. Each atomic
 * access of the library (base/step.h) and each hook of the platform is an operation on a place;
 * before one the driver may choose. A schedule is what it chose, and nothing else decides what
 * happens: the same choices give the same run.
 *
 * Memory is sequentially consistent, with one exception. A store, or the store of a
 * read-modify-write, that is relaxed or release may be kept back in a buffer of its thread
 * (SCHEDULE_BUFFER entries), where the thread itself sees it and others do not. It becomes
 * visible before the thread's next release, fence, wake or park, before it or another thread
 * changes what was read there, when the buffer is full, when the thread ends, and when any thread
 * runs the platform's cpu_barrier; no sooner, as others that go on meanwhile show the same. So later loads, acquiring ones and relaxed stores
 * overtake it, as C11 allows. Loads are not made early, and plain accesses are not delayed.
 *
 * A place is shared when one thread has written there and another has been there too, in any
 * schedule since schedule_forget_places(). Before operations on other places nobody chooses:
 * they commute with all that others do.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/platform.h>

#define SCHEDULE_THREADS 4
#define SCHEDULE_BUFFER 4
#define SCHEDULE_NONE (~0U)
#define SCHEDULE_MAX_LOG 400

/** What a thread does, or is about to do: to nr grains of memory from place on. */
struct schedule_op {
	uint32_t place, nr;
	bool is_write;
};

struct schedule_driver {
	/**
	 * Who goes on. @param enabled bit n: thread n can
	 * @param current who was about to do something, or SCHEDULE_NONE: it cannot go on
	 * @return one that is enabled; SCHEDULE_NONE: give the schedule up
	 */
	unsigned (*next)(void *ctx, unsigned enabled, unsigned current);
	/** Is the store that the current thread is about to make kept back? */
	bool (*delays)(void *ctx);
	/** A thread waits in a loop: others first, for once. Optional. */
	void (*yields)(void *ctx, unsigned thread);
	/** A thread does what it was about to do. Optional. */
	void (*does)(void *ctx, unsigned thread, const struct schedule_op *op);
	void *ctx;
	/** Give up a schedule whose delayed store nobody could miss: another one is the same. */
	bool is_search;
	/** Ask before operations on all places. */
	bool at_all_places;
	/** Print what each thread does. */
	bool is_traced;
};

struct schedule_program {
	unsigned nr_threads;
	void (*run)(void *arg, unsigned thread);
	/** What lies here is about to change, to everybody, to this value. */
	void (*before_write)(void *arg, const volatile void *at, uint64_t value);
	void *arg;
	unsigned max_ops; /* more is a failure: it does not end */
};

enum schedule_result { SCHEDULE_DONE, SCHEDULE_GIVEN_UP, SCHEDULE_FAILED };

void schedule_init(void);
enum schedule_result schedule_run(const struct schedule_program *program,
				  const struct schedule_driver *driver);

/** Something is wrong: the schedule ends here, if one runs. The first one counts. */
void schedule_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** What was wrong in the last run; NULL: nothing. */
const char *schedule_failure(void);

/** The thread that runs; SCHEDULE_NONE outside of a run. */
unsigned schedule_thread(void);
/** Operations in this run up to now: a clock. */
unsigned schedule_clock(void);
/** What a thread is about to do; NULL: unknown, it has not begun. */
const struct schedule_op *schedule_pending(unsigned thread);

/** The choices of the last run that were not the obvious ones, as words for schedule_parse(). */
const char *schedule_line(void);
/** A driver that makes the choices of a line. @return NULL: the line makes no sense */
struct schedule_driver *schedule_parse(const char *line);

void schedule_forget_places(void);
/** Until the next such call those that are shared now count as it, and no others. */
void schedule_keep_places(void);
unsigned schedule_nr_shared(void);

/** An operation that is no access of memory: of a hook. It does to a place as said. */
void schedule_touch(const volatile void *at, size_t size, bool is_write);
/** The platform's hooks. */
void schedule_park(const uint32_t *word, uint32_t expected);
void schedule_wake(const uint32_t *word);
/** All that the current thread has kept back becomes visible. */
void schedule_fence(int order);
/** All that all threads have kept back becomes visible. */
void schedule_cpu_barrier(void);

#endif
