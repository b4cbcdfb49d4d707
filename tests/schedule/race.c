/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/race.h"

#include <stdbool.h>
#include <string.h>

#include "schedule/memory.h"
#include "schedule/schedule_priv.h"

#define CELL 4u /* bytes that are told apart */
#define MAX_CELLS (1U << 18)
#define MAX_TABLES 128u
#define N SCHEDULE_THREADS

/* The last accesses of each thread, by its own clock then; of this run, or there were none. */
struct cell {
	uint32_t run;
	uint16_t users,
		writers; /* threads that have been here, that have written; so that most need no more */
	uint32_t plain_write[N], plain_read[N], atomic_write[N], atomic[N];
};

/* What who acquires from here gets to know. */
struct sync {
	uint32_t run;
	uint32_t clock[N];
};

/* Of tables as a whole, whose items are atomic: who made it, who has been there. */
struct table {
	uint32_t run;
	uint32_t made[N], seen[N];
};

static struct cell cells[MAX_CELLS];
static struct sync syncs[MAX_CELLS];
static struct table tables[MAX_TABLES];
static uint32_t clock_of[N][N], fences[N];
static uint32_t this_run;

void race_begin(void)
{
	this_run++;
	memset(fences, 0, sizeof(fences));
	memset(clock_of, 0, sizeof(clock_of));
	for (unsigned i = 0; i < N; i++)
		clock_of[i][i] = 1;
}

/* The first thread that did something which did not happen before what the current one does. */
static unsigned unordered(const uint32_t *did)
{
	const uint32_t *known = clock_of[run.current];

	for (unsigned i = 0; i < run.program->nr_threads; i++) {
		if (did[i] > known[i])
			return i;
	}
	return SCHEDULE_NONE;
}

static void check(const uint32_t *did, const char *what, const char *other, const volatile void *at)
{
	unsigned thread = unordered(did);

	if (thread != SCHEDULE_NONE)
		schedule_fail("a race: thread %u %s where thread %u %s, place %u", run.current,
			      what, thread, other, place_of(at));
}

static void join(uint32_t *to, const uint32_t *from)
{
	for (unsigned i = 0; i < N; i++)
		to[i] = to[i] > from[i] ? to[i] : from[i];
}

static struct cell *cell_at(const volatile void *at)
{
	struct cell *cell = &cells[memory_grain(at) * (MEMORY_GRAIN / CELL) +
				   ((uintptr_t)at % MEMORY_GRAIN) / CELL];

	if (cell->run != this_run) {
		memset(cell, 0, sizeof(*cell));
		cell->run = this_run;
	}
	return cell;
}

static struct table *table_at(const volatile void *at)
{
	struct table *table = &tables[memory_table_index(at)];

	if (table->run != this_run) {
		memset(table, 0, sizeof(*table));
		table->run = this_run;
	}
	return table;
}

/* ---- atomic accesses ---- */

static bool acquires(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME ||
	       order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* A store begins a release sequence, or ends one; a read-modify-write goes on with it. */
static void synchronize(const volatile void *at, int order, bool is_read, bool is_write)
{
	struct sync *sync = &syncs[place_of(at)];
	uint32_t *self = clock_of[run.current];

	if (sync->run != this_run) {
		memset(sync, 0, sizeof(*sync));
		sync->run = this_run;
	}
	if (is_read && acquires(order))
		join(self, sync->clock);
	if (is_write && !is_read)
		memset(sync->clock, 0, sizeof(sync->clock));
	if (!is_write || !releases(order))
		return;
	join(sync->clock, self);
	self[run.current]++;
}

static void visit_table(const volatile void *at)
{
	struct table *table = table_at(at);

	check(table->made, "looks at a table", "made it", at);
	table->seen[run.current] = clock_of[run.current][run.current];
}

void race_atomic(const volatile void *at, int order, int is_read, int is_write)
{
	uint32_t now = clock_of[run.current][run.current];
	uint16_t self = (uint16_t)(1U << run.current);
	struct cell *cell;

	if (!run.is_running)
		return;
	if (memory_has(at) && memory_is_table(at)) {
		visit_table(at);
	} else if (memory_has(at)) {
		cell = cell_at(at);
		if (cell->users & ~self) {
			check(cell->plain_write, "is", "has written plainly", at);
			if (is_write)
				check(cell->plain_read, "writes", "has read plainly", at);
		}
		cell->users |= self;
		cell->writers |= is_write ? self : 0;
		cell->atomic[run.current] = now;
		if (is_write)
			cell->atomic_write[run.current] = now;
	}
	synchronize(at, order, is_read, is_write);
}

void race_fence(void)
{
	uint32_t *self = clock_of[run.current];

	if (!run.is_running)
		return;
	join(self, fences);
	join(fences, self);
	self[run.current]++;
}

/* ---- memory ---- */

void race_alloc(const void *at, size_t size)
{
	const char *byte = at;
	uint32_t now = clock_of[run.current][run.current];

	if (!run.is_running)
		return;
	if (memory_is_table(at)) {
		table_at(at)->made[run.current] = now;
		return;
	}
	for (size_t i = 0; i < size; i += CELL) {
		struct cell *cell = cell_at(byte + i);

		cell->plain_write[run.current] = now;
		cell->users = cell->writers = (uint16_t)(1U << run.current);
	}
}

void race_free(const void *at, size_t size)
{
	const char *byte = at;

	if (!run.is_running)
		return;
	if (memory_is_table(at)) {
		check(table_at(at)->seen, "frees a table", "may still look", at);
		return;
	}
	for (size_t i = 0; i < size; i += CELL) {
		struct cell *cell = cell_at(byte + i);

		check(cell->plain_write, "frees", "may still write", byte + i);
		check(cell->plain_read, "frees", "may still read", byte + i);
		check(cell->atomic, "frees", "may still look", byte + i);
	}
}

/* ---- plain accesses ---- */

static void check_freed(const volatile void *at)
{
	if (memory_state(at) != MEMORY_LIVE)
		schedule_fail("thread %u looks at a freed %s", run.current,
			      memory_is_table(at) ? "table" : "object");
}

static void plain_cell(const volatile void *at, bool is_write)
{
	uint32_t now = clock_of[run.current][run.current];
	uint16_t self = (uint16_t)(1U << run.current);
	struct cell *cell = cell_at(at);
	const char *what = is_write ? "writes" : "reads";

	if (cell->writers & ~self) {
		check(cell->plain_write, what, "has written", at);
		check(cell->atomic_write, what, "has written", at);
	}
	cell->users |= self;
	if (!is_write) {
		cell->plain_read[run.current] = now;
		return;
	}
	if (cell->users & ~self) {
		check(cell->plain_read, what, "has read", at);
		check(cell->atomic, what, "has looked", at);
	}
	cell->writers |= self;
	cell->plain_write[run.current] = now;
}

static void __attribute__((noinline))
plain_access(const volatile void *at, size_t size, bool is_write)
{
	const volatile char *byte = at;

	check_freed(at);
	if (memory_is_table(at)) {
		visit_table(at);
		return;
	}
	for (size_t i = 0; i < size; i += CELL)
		plain_cell(byte + i, is_write);
}

/* Most calls end here: of stacks, and of the oracles when the run is over. */
static inline void plain(const volatile void *at, size_t size, bool is_write)
{
	if (run.is_running && memory_has(at))
		plain_access(at, size, is_write);
}

void race_plain(const volatile void *at, size_t size, bool is_write)
{
	plain(at, size, is_write);
}

/* What the compiler calls. */
#define CALL(name, size, is_write)                                                                 \
	void __tsan_##name(void *at);                                                              \
	void __tsan_##name(void *at)                                                               \
	{                                                                                          \
		plain(at, size, is_write);                                                         \
	}
#define CALLS(size)                                                                                \
	CALL(read##size, size, false)                                                              \
	CALL(write##size, size, true)                                                              \
	CALL(read_write##size, size, true)                                                         \
	CALL(unaligned_read##size, size, false)                                                    \
	CALL(unaligned_write##size, size, true)                                                    \
	CALL(unaligned_read_write##size, size, true)

CALLS(1)
CALLS(2)
CALLS(4)
CALLS(8)
CALLS(16)

void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);
void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memset(void *at, int byte, size_t size);
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);

void __tsan_read_range(void *at, size_t size)
{
	plain(at, size, false);
}

void __tsan_write_range(void *at, size_t size)
{
	plain(at, size, true);
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
	return __tsan_memmove(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
	plain(from, size, false);
	plain(to, size, true);
	return memmove(to, from, size);
}

void *__tsan_memset(void *at, int byte, size_t size)
{
	plain(at, size, true);
	return memset(at, byte, size);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void)
{
}
