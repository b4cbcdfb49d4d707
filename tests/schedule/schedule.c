/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/schedule_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/coroutine.h"
#include "schedule/memory.h"
#include "schedule/race.h"

/* So often may all threads look in vain, one after the other. */
#define MAX_IDLE 50

struct run run;

_Noreturn void run_end(enum schedule_result result)
{
	run.result = result;
	run.is_running = false;
	coroutine_leave();
	abort();
}

void schedule_fail(const char *format, ...)
{
	va_list args;

	if (!run.has_failed) {
		va_start(args, format);
		vsnprintf(run.failure, sizeof(run.failure), format, args);
		va_end(args);
		run.has_failed = true;
	}
	if (run.is_running)
		run_end(SCHEDULE_FAILED);
}

const char *schedule_failure(void)
{
	return run.has_failed ? run.failure : NULL;
}

void run_trace(const char *what, const volatile void *at, uint64_t value)
{
	if (run.driver->is_traced)
		printf("%6u thread %u: %-8s place %u = %#llx\n", run.clock, run.current, what,
		       place_of(at), (unsigned long long)value);
}

unsigned schedule_thread(void)
{
	return run.is_running ? run.current : SCHEDULE_NONE;
}

unsigned schedule_clock(void)
{
	return run.clock;
}

const struct schedule_op *schedule_pending(unsigned thread)
{
	return run.thread[thread].status == THREAD_NEW ? NULL : &run.thread[thread].op;
}

static unsigned enabled_threads(void)
{
	unsigned enabled = 0;

	for (unsigned i = 0; i < run.program->nr_threads; i++) {
		if (run.thread[i].status == THREAD_NEW || run.thread[i].status == THREAD_READY)
			enabled |= 1U << i;
	}
	return enabled;
}

/* Nobody can go on. Who only looked in vain may look again, a few times. */
static unsigned enable_idle(void)
{
	unsigned nr_ended = 0;

	if (++run.nr_idle > MAX_IDLE)
		schedule_fail("threads look in vain for ever");
	for (unsigned i = 0; i < run.program->nr_threads; i++) {
		if (run.thread[i].status == THREAD_YIELDS || run.thread[i].status == THREAD_SPINS)
			run.thread[i].status = THREAD_READY;
		nr_ended += run.thread[i].status == THREAD_ENDED;
	}
	if (nr_ended == run.program->nr_threads)
		run_end(SCHEDULE_DONE);
	if (!enabled_threads())
		schedule_fail("nobody can go on: %u of %u threads sleep or wait for ever",
			      run.program->nr_threads - nr_ended, run.program->nr_threads);
	return enabled_threads();
}

static void go_to(unsigned next)
{
	struct thread *thread = &run.thread[next];

	if (next == run.current)
		return;
	run.current = next;
	run.nr_switches++;
	if (thread->status == THREAD_NEW) {
		thread->status = THREAD_READY;
		coroutine_begin(next);
	} else {
		coroutine_switch(next);
	}
}

static unsigned obvious(unsigned enabled, unsigned current)
{
	return current != SCHEDULE_NONE ? current : (unsigned)__builtin_ctz(enabled);
}

/* Somebody goes on: current, if it can, or another. */
static void decide(unsigned enabled, unsigned current)
{
	unsigned next;

	run.clock++;
	next = run.driver->next(run.driver->ctx, enabled, current);
	if (next == SCHEDULE_NONE)
		run_end(SCHEDULE_GIVEN_UP);
	if (next != obvious(enabled, current))
		line_add(run.clock, next);
	go_to(next);
}

/* The current thread is about to do its op. */
static void run_op(bool others_may_mind)
{
	struct thread *thread = &run.thread[run.current];
	unsigned self = run.current;

	if (++run.nr_ops > run.program->max_ops)
		schedule_fail("more than %u operations: it does not end", run.program->max_ops);
	if (others_may_mind || run.driver->at_all_places)
		decide(enabled_threads(), self);
	else
		run.clock++;
	if (run.driver->does)
		run.driver->does(run.driver->ctx, self, &thread->op);
}

void run_before(const volatile void *at, size_t size, bool is_write)
{
	struct schedule_op *op = &run.thread[run.current].op;
	unsigned self = run.current;

	*op = (struct schedule_op){ place_of(at), (uint32_t)((size + 7) / 8), is_write };
	run_op(place_visit(op->place, op->nr, self, is_write));
	if (is_write)
		run_wrote(self, at);
}

void run_before_all(void)
{
	run.thread[run.current].op = (struct schedule_op){ 0, UINT32_MAX, true };
	run_op(true);
}

void run_block(void)
{
	unsigned self = run.current;

	while (run.thread[self].status != THREAD_READY) {
		unsigned enabled = enabled_threads();

		decide(enabled ? enabled : enable_idle(), SCHEDULE_NONE);
	}
}

void run_wrote(unsigned thread, const volatile void *at)
{
	run.nr_idle = 0;
	for (unsigned i = 0; i < run.program->nr_threads; i++) {
		struct thread *other = &run.thread[i];

		if (i != thread && (other->status == THREAD_YIELDS ||
				    (other->status == THREAD_SPINS && other->waits_on == at)))
			other->status = THREAD_READY;
	}
}

void schedule_park(const uint32_t *word, uint32_t expected)
{
	struct thread *self = &run.thread[run.current];
	uint32_t seen;

	if (!run.is_running)
		return;
	access_settle();
	run_before(word, sizeof(*word), true);
	seen = __atomic_load_n(word, __ATOMIC_RELAXED);
	run_trace("park", word, seen);
	if (seen == expected) {
		self->status = THREAD_PARKED;
		self->waits_on = word;
	} else {
		if (self->passed_at == word && self->passed == seen) {
			self->status = THREAD_YIELDS;
			if (run.driver->yields)
				run.driver->yields(run.driver->ctx, run.current);
		}
		self->passed_at = word;
		self->passed = seen;
	}
	self->looked_at = NULL;
	run_block();
}

void schedule_wake(const uint32_t *word)
{
	if (!run.is_running)
		return;
	access_settle();
	run_before(word, sizeof(*word), true);
	run_trace("wake", word, 0);
	for (unsigned i = 0; i < run.program->nr_threads; i++) {
		struct thread *other = &run.thread[i];

		if (other->status == THREAD_PARKED && other->waits_on == word)
			other->status = THREAD_READY;
	}
}

void schedule_touch(const volatile void *at, size_t size, bool is_write)
{
	if (!run.is_running)
		return;
	run_before(at, size, is_write);
	run_trace(is_write ? "hook" : "look", at, size);
}

static void thread_body(unsigned id)
{
	run.program->run(run.program->arg, id);
	access_settle();
	run.thread[id].status = THREAD_ENDED;
	run_wrote(id, NULL);
	run_block();
}

void schedule_init(void)
{
	coroutine_init(thread_body);
}

enum schedule_result schedule_run(const struct schedule_program *program,
				  const struct schedule_driver *driver)
{
	for (unsigned i = 0; i < program->nr_threads; i++) {
		struct thread *thread = &run.thread[i];

		thread->status = THREAD_NEW;
		thread->nr_delayed = 0;
		thread->looked_at = thread->passed_at = NULL;
		thread->nr_looks = 0;
	}
	run.program = program;
	run.driver = driver;
	run.has_failed = false;
	run.clock = run.nr_ops = run.nr_switches = run.nr_idle = 0;
	run.current = SCHEDULE_NONE;
	line_begin();
	race_begin();
	run.is_running = true;
	decide(enabled_threads(), SCHEDULE_NONE);
	return run.result;
}
