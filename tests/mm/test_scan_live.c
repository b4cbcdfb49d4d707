/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Foreign tables that change while they are read, as a guest's do: what is made of an
 * entry is made of one look at it. A thread takes entries away and puts them back, while
 * scans and translations must not report a leaf whose entry is not one.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <pagewalk/hosted.h>
#include <pagewalk/pagewalk.h>

#define PAGE UINT64_C(4096)
#define SLOTS 512
#define ADDRESS UINT64_C(0x000ffffffffff000)
#define LAST ((UINT64_C(1) << 21) - 1)
#define NR_BATCH 64
#define RUN_MS 300

struct live {
	uint64_t tables[4][SLOTS];
	struct pgw_phys_memory memory;
	struct pgw_mm *mm;
	uint32_t is_over; /* atomic */
	uint64_t nr_seen;
};

static void *take_and_put_back(void *arg)
{
	struct live *live = arg;
	unsigned i = 0;

	while (!__atomic_load_n(&live->is_over, __ATOMIC_RELAXED)) {
		uint64_t *item = &live->tables[3][i = (i * 5 + 7) % SLOTS];
		uint64_t entry = __atomic_exchange_n(item, 0, __ATOMIC_RELAXED);

		for (unsigned wait = 0; wait < 20; wait++)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
		__atomic_store_n(item, entry, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void check_leaf(struct live *live, uint64_t entry, uint64_t pa)
{
	assert_true(entry & 1);
	assert_int_equal(pa, entry & ADDRESS);
	live->nr_seen++;
}

static int check_extent(const struct pgw_extent *extent, void *arg)
{
	if (extent->kind == PGW_ENTRY_LEAF)
		check_leaf(arg, extent->entry, extent->pa);
	return 0;
}

static void check_batch(struct live *live)
{
	struct pgw_translation at[NR_BATCH];
	uint64_t va[NR_BATCH];

	for (unsigned i = 0; i < NR_BATCH; i++)
		va[i] = i * 37 % SLOTS * PAGE;
	assert_int_equal(pgw_translate_batch(live->mm, va, at, NR_BATCH), NR_BATCH);
	for (unsigned i = 0; i < NR_BATCH; i++) {
		if (at[i].kind == PGW_ENTRY_LEAF)
			check_leaf(live, at[i].entry, at[i].pa);
	}
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Every run is of one or two leaves. */
static void live_init(struct live *live, const struct pgw_platform *platform)
{
	struct pgw_mm_attach_args args = { .platform = platform,
					   .format = pgw_format_by_name("x86_64-la48"),
					   .phys = &live->memory.phys,
					   .region = PGW_REGION_USER };

	for (unsigned level = 0; level < 3; level++)
		live->tables[level][0] = (level + 1) * PAGE | 0x67;
	for (unsigned i = 0; i < SLOTS; i++)
		live->tables[3][i] = (i * 3 + (i >> 1 & 1) + 16) * PAGE | 0x67;
	assert_int_equal(pgw_phys_memory_init(&live->memory, 0, live->tables, sizeof(live->tables)),
			 0);
	assert_int_equal(pgw_mm_attach(&args, &live->mm), 0);
}

static void run(const struct pgw_platform *platform)
{
	struct live *live = aligned_alloc(PAGE, (sizeof(*live) + PAGE - 1) & ~(PAGE - 1));
	uint64_t end = now_ms() + RUN_MS;
	pthread_t thread;

	assert_non_null(live);
	*live = (struct live){ .is_over = 0 };
	live_init(live, platform);
	assert_int_equal(pthread_create(&thread, NULL, take_and_put_back, live), 0);
	while (now_ms() < end) {
		for (unsigned i = 0; i < 100; i++) {
			assert_int_equal(pgw_scan_extents(live->mm, 0, LAST, check_extent, live),
					 0);
			check_batch(live);
		}
	}
	__atomic_store_n(&live->is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(live->nr_seen > 0);
	pgw_mm_free(live->mm);
	free(live);
}

static void test_scan_live__leaves_are_of_one_look(void **state)
{
	(void)state;
	run(pgw_hosted_platform());
}

static void test_scan_live__leaves_are_of_one_look_in_plain_c(void **state)
{
	struct pgw_platform plain = *pgw_hosted_platform();

	(void)state;
	plain.cpu_features = 0;
	run(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan_live__leaves_are_of_one_look),
		cmocka_unit_test(test_scan_live__leaves_are_of_one_look_in_plain_c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
