/* SPDX-License-Identifier: BSD-2-Clause */

/* Reclamation. E1 to E8 are the guarantees of docs/locking.md. */

#include "common/limit.h"
#include "base/epoch.h"

#include <pagewalk/hosted.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "common/arena.h"

/* ---- the platform under test: hosted, with threads and an epoch of its own ---- */

struct fixture {
	struct pgw_platform platform;
	struct pgw_epoch epoch;
	struct pgw_thread thread;  /* the test's own */
	_Atomic unsigned nr_parks; /* in a barrier */
};

static _Thread_local struct pgw_thread *this_thread;

static struct pgw_thread *current(void *ctx)
{
	(void)ctx;
	return this_thread;
}

static void counting_park(void *ctx, const uint32_t *word, uint32_t expected)
{
	struct fixture *f = ctx;

	f->nr_parks++;
	sched_yield();
	pgw_hosted_platform()->park(NULL, word, expected);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->platform = *pgw_hosted_platform();
	f->platform.ctx = f;
	f->platform.park = counting_park;
	f->platform.current = current;
	f->platform.epoch = &f->epoch;
	this_thread = &f->thread;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool is_left;

	pgw_thread_exit(&f->platform);
	is_left = f->epoch.threads || f->epoch.nr_emptying || f->epoch.guard;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(f->epoch.bag); i++)
		is_left |= f->epoch.bag[i] != NULL;
	free(f);
	return is_left ? -1 : 0;
}

/** Something that is deferred. */
struct object {
	struct pgw_deferred deferred;
	const struct pgw_platform *platform;
	_Atomic unsigned nr_calls;
};

static struct object *object_of(struct pgw_deferred *deferred)
{
	return pgw_container_of(deferred, struct object, deferred);
}

static void object_done(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	object_of(deferred)->platform = platform;
	object_of(deferred)->nr_calls++;
}

/** More tries to advance the epoch than any object could need. */
static void push(struct fixture *f)
{
	struct object objects[8];

	memset(objects, 0, sizeof(objects));
	for (size_t i = 0; i < PGW_ARRAY_SIZE(objects); i++)
		epoch_defer(&f->platform, &objects[i].deferred, object_done);
	/* They lie on this stack: take back those that were not called. */
	for (size_t i = 0; i < PGW_ARRAY_SIZE(f->epoch.bag); i++) {
		struct pgw_deferred **at = &f->epoch.bag[i];

		while (*at) {
			struct object *object = object_of(*at);

			if (object >= objects && object < objects + PGW_ARRAY_SIZE(objects))
				*at = (*at)->next;
			else
				at = &(*at)->next;
		}
	}
}

/* ---- a reader that does as it is told ---- */

struct reader {
	pthread_t thread;
	struct fixture *f;
	struct pgw_thread self;
	sem_t told, done;
	int what; /* how to change the nesting; 0: end */
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;

	this_thread = &r->self;
	for (;;) {
		limit_wait(&r->told);
		if (!r->what)
			break;
		for (; r->what > 0; r->what--)
			pgw_reader_enter(&r->f->platform);
		for (; r->what < 0; r->what++)
			pgw_reader_leave(&r->f->platform);
		sem_post(&r->done);
	}
	pgw_thread_exit(&r->f->platform);
	return NULL;
}

static void reader_tell(struct reader *r, int what)
{
	r->what = what;
	sem_post(&r->told);
	if (what)
		limit_wait(&r->done);
}

static void reader_start(struct reader *r, struct fixture *f)
{
	memset(r, 0, sizeof(*r));
	r->f = f;
	assert_int_equal(sem_init(&r->told, 0, 0) | sem_init(&r->done, 0, 0), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, reader_main, r), 0);
}

static void reader_end(struct reader *r)
{
	reader_tell(r, 0);
	assert_int_equal(pthread_join(r->thread, NULL), 0);
	sem_destroy(&r->told);
	sem_destroy(&r->done);
}

/* ---- one thing at a time ---- */

/* E1, E4 */
static void test_epoch__without_readers_is_called_once_by_later_calls(void **state)
{
	struct fixture *f = *state;
	struct object object = { .nr_calls = 0 };

	epoch_defer(&f->platform, &object.deferred, object_done);
	assert_int_equal(object.nr_calls, 0);
	push(f);
	assert_int_equal(object.nr_calls, 1);
	assert_ptr_equal(object.platform, &f->platform);
	pgw_reclaim_barrier(&f->platform);
	assert_int_equal(object.nr_calls, 1);
}

/* E1 */
static void test_epoch__reader_that_was_there_keeps_what_is_deferred(void **state)
{
	struct fixture *f = *state;
	struct object object = { .nr_calls = 0 };
	struct reader r;

	reader_start(&r, f);
	reader_tell(&r, 1);
	epoch_defer(&f->platform, &object.deferred, object_done);
	push(f);
	assert_int_equal(object.nr_calls, 0);
	reader_tell(&r, -1);
	pgw_reclaim_barrier(&f->platform);
	assert_int_equal(object.nr_calls, 1);
	reader_end(&r);
}

/* E1: whichever epoch the reader stands in, as it may have come at any time. */
static void test_epoch__readers_of_every_epoch_keep_what_is_deferred(void **state)
{
	struct fixture *f = *state;

	for (int nr_before = 0; nr_before < 6; nr_before++) {
		struct object object = { .nr_calls = 0 };
		struct object before[6];
		struct reader r[2];

		memset(before, 0, sizeof(before));
		reader_start(&r[0], f);
		reader_start(&r[1], f);
		for (int i = 0; i < nr_before; i++)
			epoch_defer(&f->platform, &before[i].deferred, object_done);
		reader_tell(&r[0], 1);
		epoch_defer(&f->platform, &object.deferred, object_done);
		/* One who comes while the first stays does not take over for it. */
		reader_tell(&r[1], 1);
		reader_tell(&r[1], -1);
		push(f);
		assert_int_equal(object.nr_calls, 0);
		reader_tell(&r[0], -1);
		push(f);
		assert_int_equal(object.nr_calls, 1);
		pgw_reclaim_barrier(&f->platform);
		reader_end(&r[0]);
		reader_end(&r[1]);
	}
}

/* E2 */
static void test_epoch__nested_reader_stays_until_the_last_leave(void **state)
{
	struct fixture *f = *state;
	struct object object = { .nr_calls = 0 };
	struct reader r;

	reader_start(&r, f);
	assert_false(epoch_is_reader(&f->platform));
	reader_tell(&r, 3);
	assert_false(epoch_is_reader(&f->platform)); /* another thread's does not count */
	epoch_defer(&f->platform, &object.deferred, object_done);
	for (int i = 0; i < 2; i++) {
		reader_tell(&r, -1);
		push(f);
		assert_int_equal(object.nr_calls, 0);
	}
	/* Nesting anew does not move the reader to a newer epoch. */
	reader_tell(&r, 1);
	push(f);
	assert_int_equal(object.nr_calls, 0);
	reader_tell(&r, -2);
	push(f);
	assert_int_equal(object.nr_calls, 1);
	reader_end(&r);
}

static void test_epoch__is_reader_follows_the_nesting(void **state)
{
	struct fixture *f = *state;

	pgw_reader_enter(&f->platform);
	pgw_reader_enter(&f->platform);
	assert_true(epoch_is_reader(&f->platform));
	pgw_reader_leave(&f->platform);
	assert_true(epoch_is_reader(&f->platform));
	pgw_reader_leave(&f->platform);
	assert_false(epoch_is_reader(&f->platform));
}

static size_t nr_threads(const struct fixture *f)
{
	size_t nr = 0;

	for (const struct pgw_thread *t = f->epoch.threads; t; t = t->next)
		nr++;
	return nr;
}

/* E6 */
static void test_epoch__thread_exits_and_enters_again(void **state)
{
	struct fixture *f = *state;
	struct object object = { .nr_calls = 0 };
	struct reader r[3];

	pgw_thread_exit(&f->platform); /* of a thread that never entered */
	for (int i = 0; i < 3; i++) {
		reader_start(&r[i], f);
		reader_tell(&r[i], 1);
		reader_tell(&r[i], -1);
	}
	pgw_reader_enter(&f->platform);
	pgw_reader_leave(&f->platform);
	assert_int_equal(nr_threads(f), 4);
	/* From the middle, the front and the end of the list. */
	reader_end(&r[1]);
	assert_int_equal(nr_threads(f), 3);
	pgw_thread_exit(&f->platform);
	pgw_thread_exit(&f->platform);
	reader_end(&r[0]);
	assert_int_equal(nr_threads(f), 1);
	assert_ptr_equal(f->epoch.threads, &r[2].self);

	pgw_reader_enter(&f->platform);
	assert_int_equal(nr_threads(f), 2);
	epoch_defer(&f->platform, &object.deferred, object_done);
	push(f);
	assert_int_equal(object.nr_calls, 0);
	pgw_reader_leave(&f->platform);
	pgw_reclaim_barrier(&f->platform);
	assert_int_equal(object.nr_calls, 1);
	reader_end(&r[2]);
}

/** Defers itself again until it was called so often. */
static void defer_again(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	if (++object_of(deferred)->nr_calls < 3)
		epoch_defer(platform, deferred, defer_again);
}

/* E5 */
static void test_epoch__deferred_function_may_defer(void **state)
{
	struct fixture *f = *state;
	struct object object = { .nr_calls = 0 };

	epoch_defer(&f->platform, &object.deferred, defer_again);
	for (unsigned i = 1; i <= 3; i++) {
		pgw_reclaim_barrier(&f->platform);
		assert_true(object.nr_calls >= i);
	}
	assert_int_equal(object.nr_calls, 3);
}

/* ---- the barrier ---- */

struct barrier {
	pthread_t thread;
	struct fixture *f;
	struct pgw_thread self;
	_Atomic bool has_returned;
};

static void *barrier_main(void *arg)
{
	struct barrier *b = arg;

	this_thread = &b->self;
	pgw_reclaim_barrier(&b->f->platform);
	b->has_returned = true;
	return NULL;
}

static void barrier_start(struct barrier *b, struct fixture *f)
{
	memset(b, 0, sizeof(*b));
	b->f = f;
	assert_int_equal(pthread_create(&b->thread, NULL, barrier_main, b), 0);
}

/** The barrier has had time, and has tried more often than it would need to. */
static void barrier_is_stuck(struct barrier *b)
{
	unsigned before = b->f->nr_parks;

	while (b->f->nr_parks < before + 50 && !b->has_returned)
		sched_yield();
	assert_false(b->has_returned);
}

/* E3 */
static void test_epoch__barrier_waits_for_readers(void **state)
{
	struct fixture *f = *state;
	struct object object = { .nr_calls = 0 };
	struct barrier b;
	struct reader r;

	reader_start(&r, f);
	reader_tell(&r, 1);
	epoch_defer(&f->platform, &object.deferred, object_done);
	barrier_start(&b, f);
	barrier_is_stuck(&b);
	assert_int_equal(object.nr_calls, 0);
	reader_tell(&r, -1);
	assert_int_equal(pthread_join(b.thread, NULL), 0);
	assert_int_equal(object.nr_calls, 1);
	reader_end(&r);
}

/* E3: nobody has advanced the epoch since, so that the barrier has all of it to do. */
static void test_epoch__barrier_alone_suffices(void **state)
{
	struct fixture *f = *state;
	struct object before = { .nr_calls = 0 };
	struct object object = { .nr_calls = 0 };
	struct reader r;

	reader_start(&r, f);
	reader_tell(&r, 1);
	epoch_defer(&f->platform, &before.deferred, object_done);
	epoch_defer(&f->platform, &object.deferred, object_done);
	reader_tell(&r, -1);
	pgw_reclaim_barrier(&f->platform);
	assert_int_equal(before.nr_calls, 1);
	assert_int_equal(object.nr_calls, 1);
	reader_end(&r);
}

/** An object whose function waits. */
struct slow {
	struct object object;
	sem_t started, go_on;
	_Atomic bool is_done;
};

static void slow_done(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	struct slow *slow = pgw_container_of(object_of(deferred), struct slow, object);

	(void)platform;
	sem_post(&slow->started);
	limit_wait(&slow->go_on);
	slow->is_done = true;
}

/* E3: another thread's barrier has taken the object out of its bag and is not done with it. */
static void test_epoch__barrier_waits_for_functions_that_run_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct slow slow = { .is_done = false };
	struct barrier first, second;

	assert_int_equal(sem_init(&slow.started, 0, 0) | sem_init(&slow.go_on, 0, 0), 0);
	epoch_defer(&f->platform, &slow.object.deferred, slow_done);
	barrier_start(&first, f);
	limit_wait(&slow.started);
	barrier_start(&second, f);
	barrier_is_stuck(&second);
	assert_false(first.has_returned);
	sem_post(&slow.go_on);
	assert_int_equal(pthread_join(second.thread, NULL), 0);
	assert_true(slow.is_done);
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	sem_destroy(&slow.started);
	sem_destroy(&slow.go_on);
}

/* ---- several threads, all at once: what is done with turns to poison ---- */

#define NR_READERS 3
#define NR_WRITERS 2
#define NR_SLOTS 4
#define NR_OBJECTS 64
#define NR_LOOKS 100000
#define LIVE UINT64_C(0x600d600d600d600d)
#define POISON UINT64_C(0xdeaddeaddeaddead)

/* Plain memory: that readers are done before it turns to poison is the epoch's promise alone. */
struct node {
	struct pgw_deferred deferred;
	volatile uint64_t words[4];
	_Atomic bool is_free;
};

struct stress {
	struct fixture *f;
	struct node *slots[NR_SLOTS]; /* atomic */
	_Atomic unsigned nr_reading;  /* readers that have not seen enough */
	uint64_t seed;
};

struct worker {
	pthread_t thread;
	struct pgw_thread self;
	struct stress *stress;
	uint64_t random;
	uint64_t nr_looks, nr_poisoned, nr_swaps;
	struct node nodes[NR_OBJECTS];
};

static void node_done(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	struct node *node = pgw_container_of(deferred, struct node, deferred);

	(void)platform;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(node->words); i++)
		node->words[i] = POISON;
	node->is_free = true;
}

static void look_once(struct worker *w)
{
	const struct pgw_platform *platform = &w->stress->f->platform;
	uint64_t dice = test_random(&w->random);
	const struct node *node;

	pgw_reader_enter(platform);
	node = __atomic_load_n(&w->stress->slots[dice % NR_SLOTS], __ATOMIC_ACQUIRE);
	if (dice / 16 % 16 == 0)
		sched_yield();
	for (size_t i = 0; node && i < PGW_ARRAY_SIZE(node->words); i++)
		w->nr_poisoned += node->words[i] != LIVE;
	w->nr_looks += node != NULL;
	pgw_reader_leave(platform);
	if (dice / 256 % 64 == 0)
		pgw_thread_exit(platform);
}

static void *stress_read(void *arg)
{
	struct worker *w = arg;

	this_thread = &w->self;
	while (w->nr_looks < NR_LOOKS)
		look_once(w);
	w->stress->nr_reading--;
	pgw_thread_exit(&w->stress->f->platform);
	return NULL;
}

static struct node *node_take(struct worker *w)
{
	for (;;) {
		for (size_t i = 0; i < NR_OBJECTS; i++) {
			if (w->nodes[i].is_free) {
				w->nodes[i].is_free = false;
				return &w->nodes[i];
			}
		}
		pgw_reclaim_barrier(&w->stress->f->platform);
	}
}

static void *stress_write(void *arg)
{
	struct worker *w = arg;

	this_thread = &w->self;
	for (size_t i = 0; i < NR_OBJECTS; i++)
		w->nodes[i].is_free = true;
	for (; w->stress->nr_reading; w->nr_swaps++) {
		struct node **slot = &w->stress->slots[test_random(&w->random) % NR_SLOTS];
		struct node *node = node_take(w);

		for (size_t i = 0; i < PGW_ARRAY_SIZE(node->words); i++)
			node->words[i] = LIVE;
		node = __atomic_exchange_n(slot, node, __ATOMIC_ACQ_REL);
		if (node)
			epoch_defer(&w->stress->f->platform, &node->deferred, node_done);
	}
	pgw_thread_exit(&w->stress->f->platform);
	return NULL;
}

/* E1, E6, E7; under the thread sanitizer, that functions run after all that readers did. */
static void test_epoch__stress_shows_no_reader_any_poison(void **state)
{
	struct stress stress = { .f = *state, .nr_reading = NR_READERS, .seed = test_seed() };
	struct worker *workers = calloc(NR_READERS + NR_WRITERS, sizeof(*workers));
	uint64_t nr_swaps = 0;

	assert_non_null(workers);
	for (unsigned i = 0; i < NR_READERS + NR_WRITERS; i++) {
		workers[i].stress = &stress;
		workers[i].random = stress.seed + i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
						i < NR_WRITERS ? stress_write : stress_read,
						&workers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_READERS + NR_WRITERS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	pgw_reclaim_barrier(&stress.f->platform);
	for (unsigned i = 0; i < NR_READERS + NR_WRITERS; i++) {
		assert_int_equal(workers[i].nr_poisoned, 0);
		nr_swaps += workers[i].nr_swaps;
	}
	printf("# %llu objects were replaced\n", (unsigned long long)nr_swaps);
	assert_true(nr_swaps > NR_OBJECTS);
	free(workers);
}

/* ---- an embedder's own RCU ---- */

struct fake {
	struct pgw_platform platform;
	int nesting;
	unsigned nr_defers, nr_barriers;
	struct pgw_deferred *deferred;
	const struct pgw_platform *given;
};

static void fake_enter(void *ctx)
{
	((struct fake *)ctx)->nesting++;
}

static void fake_leave(void *ctx)
{
	((struct fake *)ctx)->nesting--;
}

static void fake_defer(void *ctx, const struct pgw_platform *platform,
		       struct pgw_deferred *deferred)
{
	struct fake *fake = ctx;

	fake->nr_defers++;
	fake->given = platform;
	fake->deferred = deferred;
}

static void fake_barrier(void *ctx)
{
	struct fake *fake = ctx;

	fake->nr_barriers++;
	fake->deferred->fn(fake->given, fake->deferred);
}

/* E8: current and the epoch are not there, and not asked for. */
static void test_epoch__embedders_own_rcu_takes_its_place(void **state)
{
	struct object object = { .nr_calls = 0 };
	struct fake fake = {
		.platform = {
			.ctx = &fake,
			.reader_enter = fake_enter,
			.reader_leave = fake_leave,
			.defer = fake_defer,
			.barrier = fake_barrier,
		},
	};

	(void)state;
	pgw_reader_enter(&fake.platform);
	pgw_reader_enter(&fake.platform);
	assert_int_equal(fake.nesting, 2);
	assert_true(epoch_is_reader(&fake.platform));
	epoch_defer(&fake.platform, &object.deferred, object_done);
	assert_int_equal(fake.nr_defers, 1);
	assert_ptr_equal(fake.deferred, &object.deferred);
	assert_int_equal(object.nr_calls, 0);
	pgw_reader_leave(&fake.platform);
	pgw_reader_leave(&fake.platform);
	assert_int_equal(fake.nesting, 0);
	pgw_reclaim_barrier(&fake.platform);
	assert_int_equal(fake.nr_barriers, 1);
	assert_int_equal(object.nr_calls, 1);
	assert_ptr_equal(object.platform, &fake.platform);
}

#define EPOCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EPOCH_TEST(test_epoch__without_readers_is_called_once_by_later_calls),
		EPOCH_TEST(test_epoch__reader_that_was_there_keeps_what_is_deferred),
		EPOCH_TEST(test_epoch__readers_of_every_epoch_keep_what_is_deferred),
		EPOCH_TEST(test_epoch__nested_reader_stays_until_the_last_leave),
		EPOCH_TEST(test_epoch__is_reader_follows_the_nesting),
		EPOCH_TEST(test_epoch__thread_exits_and_enters_again),
		EPOCH_TEST(test_epoch__deferred_function_may_defer),
		EPOCH_TEST(test_epoch__barrier_waits_for_readers),
		EPOCH_TEST(test_epoch__barrier_alone_suffices),
		EPOCH_TEST(test_epoch__barrier_waits_for_functions_that_run_elsewhere),
		EPOCH_TEST(test_epoch__stress_shows_no_reader_any_poison),
		limited_unit_test(test_epoch__embedders_own_rcu_takes_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
