/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/schedule_priv.h"

#include <stdlib.h>
#include <string.h>

#include "schedule/coroutine.h"
#include "schedule/memory.h"
#include "schedule/race.h"
#include "schedule/step_hooks.h"

/* So many looks at what does not change, with nothing in between, and a thread waits for a change. */
#define MAX_LOOKS 8
#define STACK_GRAINS (COROUTINE_STACK / MEMORY_GRAIN)
#define MAX_PLACES (1U << 18)

/* Which threads have been at a place: bit n, thread n has looked; bit n + 4, has written. */
static uint8_t visits[MAX_PLACES];
static unsigned nr_shared;
/* Those that count as shared, while they are kept. */
static bool kept[MAX_PLACES];
static bool is_kept;

/* ---- places ---- */

uint32_t place_of(const volatile void *at)
{
	unsigned id;
	size_t offset;

	if (memory_has(at))
		return memory_grain(at);
	if (!coroutine_find(at, &id, &offset))
		schedule_fail("an atomic access outside of all memory: %p",
			      (const void *)(uintptr_t)at);
	return (uint32_t)(memory_nr_grains() + id * STACK_GRAINS + offset / MEMORY_GRAIN);
}

static bool is_shared(uint8_t visit)
{
	unsigned writers = visit >> 4, all = (visit & 15) | writers;

	return writers && (all & (all - 1));
}

bool place_visit(uint32_t place, uint32_t nr, unsigned thread, bool is_write)
{
	uint8_t bit = (uint8_t)(1U << (is_write ? thread + 4 : thread));
	bool any = false;

	for (uint32_t i = place; i < place + nr; i++) {
		if (!(visits[i] & bit)) {
			nr_shared -= is_shared(visits[i]);
			visits[i] |= bit;
			nr_shared += is_shared(visits[i]);
		}
		any |= is_kept ? kept[i] : is_shared(visits[i]);
	}
	return any;
}

static size_t nr_places(void)
{
	return memory_nr_grains() + SCHEDULE_THREADS * STACK_GRAINS;
}

void schedule_keep_places(void)
{
	for (size_t i = 0; i < nr_places(); i++)
		kept[i] = is_shared(visits[i]);
	is_kept = true;
}

void schedule_forget_places(void)
{
	memset(visits, 0, nr_places());
	nr_shared = 0;
	is_kept = false;
}

unsigned schedule_nr_shared(void)
{
	return nr_shared;
}

/* ---- memory ---- */

static uint64_t raw_load(const volatile void *at, unsigned size)
{
	switch (size) {
	case 1:
		return *(const volatile uint8_t *)at;
	case 4:
		return *(const volatile uint32_t *)at;
	case 8:
		return *(const volatile uint64_t *)at;
	default:
		abort();
	}
}

static void raw_store(volatile void *at, unsigned size, uint64_t value)
{
	switch (size) {
	case 1:
		*(volatile uint8_t *)at = (uint8_t)value;
		return;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)value;
		return;
	case 8:
		*(volatile uint64_t *)at = value;
		return;
	default:
		abort();
	}
}

/* What others see from now on. */
static void publish(volatile void *at, unsigned size, uint64_t value)
{
	run_trace("write", at, value);
	run.program->before_write(run.program->arg, at, value);
	raw_store(at, size, value);
}

/* What is used after it was freed, or after the function that it belonged to has returned. */
static void check_alive(const volatile void *at)
{
	unsigned id;
	size_t offset;

	if (memory_has(at)) {
		if (memory_state(at) != MEMORY_LIVE)
			schedule_fail("thread %u looks at a freed %s", run.current,
				      memory_is_table(at) ? "table" : "object");
	} else if (coroutine_find(at, &id, &offset) && id != run.current &&
		   offset < coroutine_depth(id)) {
		schedule_fail("thread %u looks at what thread %u had on its stack", run.current,
			      id);
	}
}

static void begin(const volatile void *at, unsigned size, bool is_write)
{
	run_before(at, size, is_write);
	check_alive(at);
}

/* ---- stores that are kept back ---- */

static bool is_release(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* The oldest becomes visible. Its thread need not be the one that runs. */
static void commit_oldest(unsigned id)
{
	struct thread *thread = &run.thread[id];
	struct delayed d = thread->buffer[0];

	if (run.driver->is_search && d.switches == run.nr_switches)
		run_end(SCHEDULE_GIVEN_UP);
	memmove(&thread->buffer[0], &thread->buffer[1],
		--thread->nr_delayed * sizeof(thread->buffer[0]));
	check_alive(d.at);
	publish(d.at, d.size, d.value);
	if (run.driver->does) {
		const struct schedule_op op = { place_of(d.at), 1, true };

		run.driver->does(run.driver->ctx, id, &op);
	}
	run_wrote(id, d.at);
}

void access_settle(void)
{
	while (run.thread[run.current].nr_delayed)
		commit_oldest(run.current);
}

/* Up to the last one at a place. */
static void settle_place(unsigned id, const volatile void *at, bool rmw_only)
{
	struct thread *thread = &run.thread[id];

	for (unsigned i = thread->nr_delayed; i-- > 0;) {
		if (thread->buffer[i].at != at || (rmw_only && !thread->buffer[i].is_rmw))
			continue;
		for (unsigned k = 0; k <= i; k++)
			commit_oldest(id);
		return;
	}
}

/* What is read here is also changed: so what was read before at this place has to be there. */
static void settle_for_rmw(const volatile void *at, int order)
{
	if (is_release(order))
		access_settle();
	for (unsigned i = 0; i < run.program->nr_threads; i++)
		settle_place(i, at, i != run.current);
}

static bool may_delay(const volatile void *at, int order, bool is_write)
{
	if (order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE)
		return false;
	run.clock++;
	if (!place_visit(place_of(at), 1, run.current, is_write) && !run.driver->at_all_places)
		return false;
	if (!run.driver->delays(run.driver->ctx))
		return false;
	line_add(run.clock, LINE_DELAY);
	return true;
}

static void delay(volatile void *at, unsigned size, uint64_t value, bool is_rmw)
{
	struct thread *self = &run.thread[run.current];

	run_trace("delay", at, value);
	if (self->nr_delayed == SCHEDULE_BUFFER)
		commit_oldest(run.current);
	self->buffer[self->nr_delayed++] = (struct delayed){
		.at = at,
		.size = size,
		.value = value,
		.is_rmw = is_rmw,
		.switches = run.nr_switches,
	};
}

/* What the current thread sees. */
static uint64_t see(const volatile void *at, unsigned size)
{
	const struct thread *self = &run.thread[run.current];

	for (unsigned i = self->nr_delayed; i-- > 0;) {
		if (self->buffer[i].at == at)
			return self->buffer[i].value;
	}
	return raw_load(at, size);
}

/* ---- what base/step.h asks for ---- */

uint64_t schedule_load(const volatile void *at, unsigned size, int order)
{
	struct thread *self = &run.thread[run.current];
	uint64_t value;

	if (!run.is_running)
		return raw_load(at, size);
	if (order == __ATOMIC_SEQ_CST)
		access_settle();
	begin(at, size, false);
	race_atomic(at, order, true, false);
	value = see(at, size);
	run_trace("load", at, value);
	if (self->looked_at != at || self->looked != value)
		self->nr_looks = 0;
	self->looked_at = at;
	self->looked = value;
	if (++self->nr_looks < MAX_LOOKS)
		return value;
	self->status = THREAD_SPINS;
	self->waits_on = at;
	self->nr_looks = 0;
	run_block();
	race_atomic(at, order, true, false);
	return see(at, size);
}

void schedule_store(volatile void *at, unsigned size, uint64_t value, int order)
{
	if (!run.is_running) {
		raw_store(at, size, value);
		return;
	}
	run.thread[run.current].looked_at = NULL;
	if (may_delay(at, order, true)) {
		check_alive(at);
		race_atomic(at, order, false, true);
		delay(at, size, value, false);
		return;
	}
	if (is_release(order))
		access_settle();
	settle_place(run.current, at, false);
	begin(at, size, true);
	settle_for_rmw(at, __ATOMIC_RELAXED); /* what was read for a change is not overwritten */
	race_atomic(at, order, false, true);
	publish(at, size, value);
	if (order == __ATOMIC_SEQ_CST)
		access_settle();
}

static uint64_t change(enum step_rmw what, uint64_t before, uint64_t value)
{
	switch (what) {
	case STEP_ADD:
		return before + value;
	case STEP_SUB:
		return before - value;
	case STEP_AND:
		return before & value;
	case STEP_OR:
		return before | value;
	default:
		return value;
	}
}

static uint64_t truncate_to(uint64_t value, unsigned size)
{
	return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

uint64_t schedule_rmw(volatile void *at, unsigned size, enum step_rmw what, uint64_t value,
		      int order)
{
	uint64_t before;
	bool is_late;

	if (!run.is_running) {
		before = raw_load(at, size);
		raw_store(at, size, change(what, before, value));
		return before;
	}
	run.thread[run.current].looked_at = NULL;
	is_late = may_delay(at, order, true);
	if (!is_late)
		settle_for_rmw(at, order);
	begin(at, size, true);
	settle_for_rmw(at, __ATOMIC_RELAXED); /* others may have come before */
	race_atomic(at, order, true, true);
	before = raw_load(at, size);
	value = truncate_to(change(what, before, value), size);
	if (is_late)
		delay(at, size, value, true);
	else
		publish(at, size, value);
	return before;
}

bool schedule_cas(volatile void *at, void *expected, unsigned size, uint64_t value, int order,
		  int order_failed)
{
	bool is_running = run.is_running, is_equal;
	uint64_t before;

	if (is_running) {
		run.thread[run.current].looked_at = NULL;
		settle_for_rmw(at, order);
		begin(at, size, true);
		settle_for_rmw(at, __ATOMIC_RELAXED);
	}
	before = raw_load(at, size);
	is_equal = before == raw_load(expected, size);
	if (is_running)
		race_atomic(at, is_equal ? order : order_failed, true, is_equal);
	if (is_equal) {
		if (is_running)
			publish(at, size, truncate_to(value, size));
		else
			raw_store(at, size, truncate_to(value, size));
		return true;
	}
	raw_store(expected, size, before);
	return false;
}

void schedule_cpu_barrier(void)
{
	if (!run.is_running)
		return;
	access_settle();
	run_before_all();
	for (unsigned i = 0; i < run.program->nr_threads; i++) {
		while (run.thread[i].nr_delayed)
			commit_oldest(i);
	}
}

void schedule_fence(int order)
{
	if (!run.is_running || !is_release(order))
		return;
	access_settle();
	race_fence();
}
