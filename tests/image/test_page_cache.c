/* SPDX-License-Identifier: BSD-2-Clause */
/* The page cache: what it gives is what was loaded, once, within its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/base.h>

#include "common/arena.h"
#include "common/limit.h"
#include "source/page_cache.h"

#define PAGE 256
#define NR_PAGES 64
#define NR_THREADS 4

/* Bytes that are a function of where they are. */
struct world {
	struct page_cache *cache;
	atomic_uint nr_loads[NR_PAGES];
	atomic_int nr_to_fail[NR_PAGES]; /* loads of the page that are to fail yet */
	sem_t is_loading, may_end;       /* of the loads of gated pages */
	uint64_t gated;                  /* or NR_PAGES */
};

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 0x9e3779b1 >> 16 ^ offset >> 3);
}

static int world_load(void *ctx, uint64_t page, void *buf)
{
	struct world *world = ctx;
	uint8_t *bytes = buf;

	if (page >= NR_PAGES)
		return -PGW_EIO;
	atomic_fetch_add(&world->nr_loads[page], 1);
	if (page == world->gated) {
		sem_post(&world->is_loading);
		limit_wait(&world->may_end);
	}
	/* Half of it, and it fails: nobody may see these. */
	memset(bytes, 0xee, PAGE / 2);
	if (atomic_fetch_sub(&world->nr_to_fail[page], 1) > 0)
		return -PGW_ENOENT;
	for (unsigned i = 0; i < PAGE; i++)
		bytes[i] = byte_at(page * PAGE + i);
	return 0;
}

static struct world *world_new(unsigned nr_pages_kept)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->gated = NR_PAGES;
	sem_init(&world->is_loading, 0, 0);
	sem_init(&world->may_end, 0, 0);
	world->cache = page_cache_new(PAGE, (size_t)nr_pages_kept * PAGE, world_load, world);
	assert_non_null(world->cache);
	return world;
}

static void world_free(struct world *world)
{
	page_cache_free(world->cache);
	sem_destroy(&world->is_loading);
	sem_destroy(&world->may_end);
	free(world);
}

/* @return false if a byte is not what it should be */
static bool bytes_are_right(uint64_t offset, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != byte_at(offset + i))
			return false;
	}
	return true;
}

/* Against a model that knows which pages fail, with caches of one page to more than all. */
static void test_read__gives_what_was_loaded_within_the_bound(void **state)
{
	static const unsigned kept[] = { 0, 1, 2, 7, 33, 200 };
	uint64_t seed = test_seed();

	(void)state;
	for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++) {
		struct world *world = world_new(kept[k]);
		size_t bound = (kept[k] ? kept[k] : 1) * (size_t)PAGE;

		for (unsigned round = 0; round < 20000; round++) {
			uint8_t bytes[3 * PAGE];
			uint64_t offset = test_random(&seed) % (NR_PAGES * PAGE + PAGE);
			size_t len = test_random(&seed) % sizeof(bytes);
			bool is_look = kept[k] < NR_PAGES && test_random(&seed) % 2;
			int status = (is_look ? page_cache_look
					      : page_cache_read)(world->cache, offset, bytes, len);

			if (!len || offset + len <= NR_PAGES * PAGE) {
				assert_int_equal(status, 0);
				assert_true(bytes_are_right(offset, bytes, len));
			} else {
				assert_int_equal(status, -PGW_EIO);
			}
			assert_true(page_cache_held(world->cache) <= bound);
		}
		if (kept[k] > NR_PAGES * 2) {
			for (unsigned page = 0; page < NR_PAGES; page++)
				assert_int_equal(world->nr_loads[page], 1);
		}
		world_free(world);
	}
}

static void test_read__a_failed_load_is_never_data(void **state)
{
	struct world *world = world_new(4);
	uint8_t bytes[PAGE];

	(void)state;
	world->nr_to_fail[5] = 2;
	assert_int_equal(page_cache_read(world->cache, 5 * PAGE, bytes, PAGE), -PGW_ENOENT);
	assert_int_equal(page_cache_read(world->cache, 4 * PAGE + 1, bytes, PAGE), -PGW_ENOENT);
	assert_int_equal(page_cache_read(world->cache, 5 * PAGE, bytes, PAGE), 0);
	assert_true(bytes_are_right(5 * PAGE, bytes, PAGE));
	assert_int_equal(page_cache_read(world->cache, 5 * PAGE, bytes, PAGE), 0);
	assert_int_equal(world->nr_loads[5], 3);
	assert_int_equal(world->nr_loads[4], 1);
	world_free(world);
}

static void test_read__what_is_read_again_stays(void **state)
{
	struct world *world = world_new(4);
	uint8_t byte;

	(void)state;
	for (unsigned page = 1; page < NR_PAGES; page++) {
		assert_int_equal(page_cache_read(world->cache, 0, &byte, 1), 0);
		assert_int_equal(page_cache_read(world->cache, page * PAGE, &byte, 1), 0);
	}
	assert_int_equal(world->nr_loads[0], 1);
	world_free(world);
}

/* By whole pages, and by halves of them. */
static void test_look__tables_stay(void **state)
{
	enum { TABLES = 11, KEPT = 15 }; /* one shard */

	(void)state;
	for (size_t len = PAGE / 2; len <= PAGE; len += PAGE / 2) {
		struct world *world = world_new(KEPT);
		uint8_t bytes[PAGE];

		for (unsigned page = 0; page < TABLES; page++)
			assert_int_equal(page_cache_read(world->cache, page * PAGE, bytes, 8), 0);
		for (uint64_t at = 0; at < NR_PAGES * PAGE; at += len) {
			assert_int_equal(page_cache_look(world->cache, at, bytes, len), 0);
			assert_true(bytes_are_right(at, bytes, len));
		}
		for (unsigned page = 0; page < TABLES; page++)
			assert_int_equal(page_cache_read(world->cache, page * PAGE, bytes, 8), 0);
		for (unsigned page = 0; page < NR_PAGES; page++)
			assert_int_equal(world->nr_loads[page], 1);
		world_free(world);
	}
}

/* What only a look has read makes room for tables. */
static void test_look__gives_way_to_tables(void **state)
{
	enum { KEPT = 8 };
	struct world *world = world_new(KEPT);
	uint8_t bytes[PAGE];

	(void)state;
	assert_int_equal(page_cache_read(world->cache, 0, bytes, 1), 0);
	for (unsigned page = 1; page < KEPT; page++)
		assert_int_equal(page_cache_look(world->cache, page * PAGE, bytes, PAGE), 0);
	assert_int_equal(page_cache_read(world->cache, 1 * PAGE, bytes, 1), 0);
	for (unsigned page = KEPT; page < KEPT + 4; page++)
		assert_int_equal(page_cache_read(world->cache, page * PAGE, bytes, 1), 0);
	assert_true(page_cache_peek(world->cache, 0, bytes));
	assert_true(bytes_are_right(0, bytes, PAGE));
	assert_true(page_cache_peek(world->cache, 1, bytes));
	assert_true(bytes_are_right(PAGE, bytes, PAGE));
	assert_false(page_cache_peek(world->cache, NR_PAGES - 1, bytes));
	world_free(world);
}

static void test_read__no_bytes_wrap_around(void **state)
{
	struct world *world = world_new(4);
	uint8_t bytes[2];

	(void)state;
	assert_int_equal(page_cache_read(world->cache, UINT64_MAX, bytes, 2), -PGW_EOVERFLOW);
	assert_int_equal(page_cache_read(world->cache, UINT64_MAX - 1, bytes, 1), -PGW_EIO);
	assert_int_equal(page_cache_read(world->cache, UINT64_MAX, bytes, 0), 0);
	world_free(world);
}

struct reader {
	struct world *world;
	pthread_t thread;
	uint64_t page;
	int status;
	bool is_right;
};

static void *read_one(void *arg)
{
	struct reader *reader = arg;
	uint8_t bytes[PAGE];

	reader->status = page_cache_read(reader->world->cache, reader->page * PAGE, bytes, PAGE);
	reader->is_right = bytes_are_right(reader->page * PAGE, bytes, PAGE);
	return NULL;
}

/* Others come while it is being loaded, and read another page meanwhile. */
static void test_read__a_page_is_loaded_once_for_all(void **state)
{
	struct world *world = world_new(200);
	struct reader readers[NR_THREADS];
	uint8_t byte;

	(void)state;
	world->gated = 3;
	for (unsigned i = 0; i < NR_THREADS; i++) {
		readers[i] = (struct reader){ .world = world, .page = 3 };
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_one, &readers[i]),
				 0);
	}
	limit_wait(&world->is_loading);
	for (unsigned page = 10; page < NR_PAGES; page++)
		assert_int_equal(page_cache_read(world->cache, page * PAGE, &byte, 1), 0);
	sem_post(&world->may_end);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].status, 0);
		assert_true(readers[i].is_right);
	}
	assert_int_equal(world->nr_loads[3], 1);
	world_free(world);
}

struct crowd {
	struct world *world;
	pthread_t thread;
	uint64_t seed;
	unsigned nr_pages;
	unsigned nr_wrong;
};

static void *read_many(void *arg)
{
	struct crowd *crowd = arg;

	for (unsigned round = 0; round < 4000; round++) {
		uint64_t page = test_random(&crowd->seed) % crowd->nr_pages;
		uint8_t bytes[PAGE];
		int status;

		if (test_random(&crowd->seed) % 8 == 0)
			atomic_store(&crowd->world->nr_to_fail[page], 1);
		if (test_random(&crowd->seed) % 2)
			status = page_cache_read(crowd->world->cache, page * PAGE, bytes, PAGE);
		else
			status = page_cache_look(crowd->world->cache, page * PAGE, bytes, PAGE);
		if (status ? status != -PGW_ENOENT : !bytes_are_right(page * PAGE, bytes, PAGE))
			crowd->nr_wrong++;
	}
	return NULL;
}

/* Fewer slots than threads, loads that fail: everybody gets an answer, and a right one. */
static void test_read__many_threads_get_right_answers(void **state)
{
	static const unsigned kept[] = { 1, 2, 3, 40 };
	uint64_t seed = test_seed();

	(void)state;
	for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++) {
		struct world *world = world_new(kept[k]);
		struct crowd crowd[NR_THREADS];

		for (unsigned i = 0; i < NR_THREADS; i++) {
			crowd[i] = (struct crowd){
				.world = world,
				.seed = test_random(&seed),
				.nr_pages = kept[k] < 4 ? 4 : NR_PAGES,
			};
			assert_int_equal(
				pthread_create(&crowd[i].thread, NULL, read_many, &crowd[i]), 0);
		}
		for (unsigned i = 0; i < NR_THREADS; i++) {
			assert_int_equal(pthread_join(crowd[i].thread, NULL), 0);
			assert_int_equal(crowd[i].nr_wrong, 0);
		}
		assert_true(page_cache_held(world->cache) <= kept[k] * (size_t)PAGE);
		world_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read__gives_what_was_loaded_within_the_bound),
		cmocka_unit_test(test_read__a_failed_load_is_never_data),
		cmocka_unit_test(test_read__what_is_read_again_stays),
		cmocka_unit_test(test_look__tables_stay),
		cmocka_unit_test(test_look__gives_way_to_tables),
		cmocka_unit_test(test_read__no_bytes_wrap_around),
		limited_unit_test(test_read__a_page_is_loaded_once_for_all),
		limited_unit_test(test_read__many_threads_get_right_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
