/* SPDX-License-Identifier: BSD-2-Clause */

/* The lock of four bytes for readers or a writer. */

#include <pagewalk/hosted.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/limit.h"
#include "base/rwlock.h"

struct fixture {
	struct pgw_platform platform;
	uint32_t word;
	sem_t parked; /* posted by every park() before it sleeps */
	sem_t entered, go;
	uint64_t data[2]; /* equal, but for a writer */
	_Atomic unsigned nr_torn;
};

static void counting_park(void *ctx, const uint32_t *word, uint32_t expected)
{
	struct fixture *f = ctx;

	assert_ptr_equal(word, &f->word);
	sem_post(&f->parked);
	pgw_hosted_platform()->park(NULL, word, expected);
}

static void hosted_wake(void *ctx, const uint32_t *word)
{
	(void)ctx;
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
	f->platform.wake = hosted_wake;
	*state = f;
	return sem_init(&f->parked, 0, 0) || sem_init(&f->entered, 0, 0) || sem_init(&f->go, 0, 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool is_free = f->word == 0;

	sem_destroy(&f->parked);
	sem_destroy(&f->entered);
	sem_destroy(&f->go);
	free(f);
	return is_free ? 0 : -1;
}

static void *read_and_wait(void *arg)
{
	struct fixture *f = arg;

	rwlock_read_lock(&f->word, &f->platform);
	sem_post(&f->entered);
	limit_wait(&f->go);
	rwlock_read_unlock(&f->word, &f->platform);
	return NULL;
}

static void *write_and_wait(void *arg)
{
	struct fixture *f = arg;

	rwlock_write_lock(&f->word, &f->platform);
	sem_post(&f->entered);
	limit_wait(&f->go);
	rwlock_write_unlock(&f->word, &f->platform);
	return NULL;
}

static void test_rwlock__readers_are_together_and_a_writer_waits(void **state)
{
	struct fixture *f = *state;
	pthread_t reader[2], writer, late;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&reader[i], NULL, read_and_wait, f), 0);
	limit_wait(&f->entered);
	limit_wait(&f->entered);
	assert_int_equal(f->word, 2);
	assert_int_equal(pthread_create(&writer, NULL, write_and_wait, f), 0);
	limit_wait(&f->parked);
	assert_int_equal(__atomic_load_n(&f->word, __ATOMIC_RELAXED), RWLOCK_WAITS | 2);
	/* Who comes now waits behind the writer. */
	assert_int_equal(pthread_create(&late, NULL, read_and_wait, f), 0);
	limit_wait(&f->parked);
	assert_int_equal(__atomic_load_n(&f->word, __ATOMIC_RELAXED), RWLOCK_WAITS | 2);
	sem_post(&f->go);
	sem_post(&f->go);
	limit_wait(&f->entered); /* the writer */
	assert_true(__atomic_load_n(&f->word, __ATOMIC_RELAXED) & RWLOCK_WRITER);
	sem_post(&f->go);
	limit_wait(&f->entered); /* the late reader */
	assert_int_equal(__atomic_load_n(&f->word, __ATOMIC_RELAXED), 1);
	sem_post(&f->go);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(reader[i], NULL), 0);
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(pthread_join(late, NULL), 0);
}

static void test_rwlock__writers_wait_for_each_other(void **state)
{
	struct fixture *f = *state;
	pthread_t writer[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&writer[i], NULL, write_and_wait, f), 0);
	for (int i = 0; i < 3; i++) {
		limit_wait(&f->entered);
		assert_int_equal(sem_trywait(&f->entered), -1);
		sem_post(&f->go);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(writer[i], NULL), 0);
}

#define NR_WORKERS 4
#define NR_ROUNDS 20000

static void *read_and_write(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < NR_ROUNDS; i++) {
		if (i % 4) {
			rwlock_read_lock(&f->word, &f->platform);
			f->nr_torn += f->data[0] != f->data[1];
			rwlock_read_unlock(&f->word, &f->platform);
			continue;
		}
		rwlock_write_lock(&f->word, &f->platform);
		f->data[0]++;
		f->data[1]++;
		rwlock_write_unlock(&f->word, &f->platform);
	}
	return NULL;
}

static void test_rwlock__stress_loses_no_update(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[NR_WORKERS];

	for (int i = 0; i < NR_WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_and_write, f), 0);
	for (int i = 0; i < NR_WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(f->data[0], NR_WORKERS * NR_ROUNDS / 4);
	assert_int_equal(f->nr_torn, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_rwlock__readers_are_together_and_a_writer_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rwlock__writers_wait_for_each_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_rwlock__stress_loses_no_update, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
