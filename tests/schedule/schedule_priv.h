/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_SCHEDULE_PRIV_H
#define TESTS_SCHEDULE_SCHEDULE_PRIV_H

/* What schedule.c (who runs), access.c (memory and its buffers) and replay.c share. */

#include "schedule/schedule.h"

enum thread_status {
	THREAD_NEW,
	THREAD_READY,
	THREAD_PARKED, /* until a wake */
	THREAD_SPINS,  /* until what it looks at changes */
	THREAD_YIELDS, /* until anybody else writes */
	THREAD_ENDED,
};

/* A store that is kept back. */
struct delayed {
	volatile void *at;
	unsigned size;
	uint64_t value;
	bool is_rmw;
	unsigned switches; /* when it was made */
};

struct thread {
	enum thread_status status;
	const volatile void *waits_on;
	struct schedule_op op;
	struct delayed buffer[SCHEDULE_BUFFER];
	unsigned nr_delayed;
	/* The last look, to notice that a thread looks again and again. */
	const volatile void *looked_at;
	uint64_t looked;
	unsigned nr_looks;
	/* The last park that did not sleep: one more of the kind lets others run. */
	const volatile void *passed_at;
	uint32_t passed;
};

struct run {
	const struct schedule_program *program;
	const struct schedule_driver *driver;
	enum schedule_result result;
	bool is_running, has_failed;
	unsigned current, clock, nr_ops, nr_switches, nr_idle;
	struct thread thread[SCHEDULE_THREADS];
	char failure[256];
};

extern struct run run;

/* The run is over. Does not return, in a thread. */
_Noreturn void run_end(enum schedule_result result);
/* The current thread is about to do this: others may come first. */
void run_before(const volatile void *at, size_t size, bool is_write);
/* The same of what concerns all places. */
void run_before_all(void);
/* The current thread cannot go on as long as its status is not THREAD_READY. */
void run_block(void);
/* A thread has written: who waits for that can go on. */
void run_wrote(unsigned thread, const volatile void *at);

uint32_t place_of(const volatile void *at);
/* Note that a thread is there. @return whether the place is shared */
bool place_visit(uint32_t place, uint32_t nr, unsigned thread, bool is_write);

/* All that the current thread has kept back becomes visible. */
void access_settle(void);

/* For --trace: what the current thread does. */
void run_trace(const char *what, const volatile void *at, uint64_t value);

void line_begin(void);
void line_add(unsigned clock, unsigned thread);
#define LINE_DELAY SCHEDULE_THREADS

#endif
