/* SPDX-License-Identifier: BSD-2-Clause */

/* The lock of four bytes. */

#include <pagewalk/hosted.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/limit.h"
#include "base/mutex.h"

struct fixture {
	struct pgw_platform platform;
	uint32_t word;
	_Atomic unsigned nr_parks, nr_wakes;
	_Atomic bool returns_early; /* every park() */
	sem_t parked;               /* posted by every park() before it sleeps */
	uint64_t data;              /* guarded by word */
};

static void counting_park(void *ctx, const uint32_t *word, uint32_t expected)
{
	struct fixture *f = ctx;

	assert_ptr_equal(word, &f->word);
	assert_int_equal(expected, MUTEX_CONTENDED);
	f->nr_parks++;
	sem_post(&f->parked);
	if (!f->returns_early)
		pgw_hosted_platform()->park(NULL, word, expected);
}

static void counting_wake(void *ctx, const uint32_t *word)
{
	struct fixture *f = ctx;

	f->nr_wakes++;
	pgw_hosted_platform()->wake(NULL, word);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->platform = *pgw_hosted_platform();
	f->platform.ctx = f;
	f->platform.park = counting_park;
	f->platform.wake = counting_wake;
	*state = f;
	return sem_init(&f->parked, 0, 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool is_free = f->word == MUTEX_FREE;

	sem_destroy(&f->parked);
	free(f);
	return is_free ? 0 : -1;
}

static void test_mutex__alone_never_sleeps_and_wakes_nobody(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		assert_false(mutex_is_taken(&f->word));
		mutex_lock(&f->word, &f->platform);
		assert_true(mutex_is_taken(&f->word));
		mutex_unlock(&f->word, &f->platform);
	}
	assert_int_equal(f->nr_parks, 0);
	assert_int_equal(f->nr_wakes, 0);
}

static void *add_one(void *arg)
{
	struct fixture *f = arg;

	mutex_lock(&f->word, &f->platform);
	f->data++;
	mutex_unlock(&f->word, &f->platform);
	return NULL;
}

#define NR_SLEEPERS 3

static void test_mutex__taken_makes_others_sleep_until_each_got_it(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[NR_SLEEPERS];

	mutex_lock(&f->word, &f->platform);
	for (int i = 0; i < NR_SLEEPERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_one, f), 0);
	for (int i = 0; i < NR_SLEEPERS; i++)
		limit_wait(&f->parked);
	assert_int_equal(f->data, 0);
	assert_int_equal(__atomic_load_n(&f->word, __ATOMIC_RELAXED), MUTEX_CONTENDED);
	mutex_unlock(&f->word, &f->platform);
	for (int i = 0; i < NR_SLEEPERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(f->data, NR_SLEEPERS);
	assert_true(f->nr_wakes >= 1);
}

static void test_mutex__park_returning_early_does_not_give_it_away(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	f->returns_early = true;
	mutex_lock(&f->word, &f->platform);
	assert_int_equal(pthread_create(&thread, NULL, add_one, f), 0);
	for (int i = 0; i < 5; i++)
		limit_wait(&f->parked);
	assert_int_equal(f->data, 0);
	mutex_unlock(&f->word, &f->platform);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(f->data, 1);
}

#define NR_WORKERS 4
#define NR_ROUNDS 30000

static void *add_many(void *arg)
{
	for (int i = 0; i < NR_ROUNDS; i++)
		add_one(arg);
	return NULL;
}

static void test_mutex__stress_loses_no_update(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[NR_WORKERS];

	for (int i = 0; i < NR_WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, f), 0);
	for (int i = 0; i < NR_WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(f->data, NR_WORKERS * NR_ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mutex__alone_never_sleeps_and_wakes_nobody,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_mutex__taken_makes_others_sleep_until_each_got_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_mutex__park_returning_early_does_not_give_it_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mutex__stress_loses_no_update, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
