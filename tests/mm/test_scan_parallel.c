/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Scans by several workers: what they report is what one reports, whether they run at
 * once or one after the other, and also when fn or the budget ends the scan.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <pagewalk/hosted.h>

#include "common/arena.h"

#define PAGE UINT64_C(4096)
#define NR_LOWEST 24
#define NR_MIDDLE 12 /* tables of level 1, each with 512 lowest ones */
#define NR_TABLES (2 + NR_MIDDLE + NR_LOWEST)
#define LAST ((UINT64_C(1) << 47) - 1)
#define MAX_WORKERS 3
#define MALFORMED (UINT64_C(1) << 13 | 0x83) /* 2 MiB that begin in their midst */

struct fixture {
	struct pgw_platform platform; /* an arena's is for one thread */
	int fail_after;               /* allocations; atomic */
	struct pgw_phys_memory memory;
	uint64_t *tables;
	uint64_t random;
	struct pgw_mm *mm;
};

/** What a scan reported; the order matters to the hash alone, joins to no sum. */
struct sum {
	uint64_t hash, nr, leaves, nr_leaves, malformed;
	uint64_t stop_at; /* after so many extents; 0: never */
	uint64_t next_va;
	bool lets_run;    /* the first call takes long: other workers get ahead */
	uint32_t is_busy; /* a call is going on; atomic */
};

static void fill_lowest(struct fixture *f, uint64_t *table)
{
	uint64_t entry = 0;
	unsigned left = 0;

	for (unsigned i = 0; i < 512; i++, left--, entry += entry ? PAGE : 0) {
		if (!left) {
			left = 1 + (unsigned)(test_random(&f->random) % 60);
			entry = test_random(&f->random) % 4
					? (test_random(&f->random) % 65536) * PAGE | 0x63
					: 0;
		}
		table[i] = entry;
	}
	/* From one table to the next there is a run. */
	table[511] = 7 * PAGE | 0x63;
	table[0] = 8 * PAGE | 0x63;
	if (test_random(&f->random) % 4 == 0)
		table[7] = 0;
}

static uint64_t seed;

static void *alloc_or_fail(void *ctx, size_t size)
{
	struct fixture *f = ctx;

	if (__atomic_fetch_sub(&f->fail_after, 1, __ATOMIC_RELAXED) == 0)
		return NULL;
	return calloc(1, size);
}

static void fixture_init(struct fixture *f, uint64_t budget)
{
	struct pgw_mm_attach_args args = { .platform = &f->platform,
					   .format = pgw_format_by_name("x86_64-la48"),
					   .phys = &f->memory.phys,
					   .region = PGW_REGION_USER,
					   .budget = budget };

	memset(f, 0, sizeof(*f));
	f->platform = *pgw_hosted_platform();
	f->platform.ctx = f;
	f->platform.obj_alloc = alloc_or_fail;
	f->fail_after = -1;
	if (!seed)
		seed = test_seed();
	f->random = seed;
	f->tables = aligned_alloc(PAGE, NR_TABLES * PAGE);
	assert_non_null(f->tables);
	memset(f->tables, 0, NR_TABLES * PAGE);
	assert_int_equal(pgw_phys_memory_init(&f->memory, 0, f->tables, NR_TABLES * PAGE), 0);
	f->tables[5] = PAGE | 7;
	for (uint64_t i = 0; i < NR_MIDDLE; i++) {
		uint64_t *middle = f->tables + (2 + i) * 512;

		f->tables[512 + 40 * i] = (2 + i) * PAGE | 7;
		for (unsigned slot = 0; slot < 512; slot++) {
			uint64_t lowest = test_random(&f->random) % NR_LOWEST;

			middle[slot] = (2 + NR_MIDDLE + lowest) * PAGE | 7;
			if (test_random(&f->random) % 16 == 0)
				middle[slot] = MALFORMED;
		}
	}
	for (uint64_t i = 0; i < NR_LOWEST; i++)
		fill_lowest(f, f->tables + (2 + NR_MIDDLE + i) * 512);
	assert_int_equal(pgw_mm_attach(&args, &f->mm), 0);
}

static void fixture_fini(struct fixture *f)
{
	pgw_mm_free(f->mm);
	free(f->tables);
}

static int add(struct sum *sum, const struct pgw_extent *extents, size_t nr)
{
	assert_int_equal(__atomic_exchange_n(&sum->is_busy, 1, __ATOMIC_RELAXED), 0);
	assert_true(nr > 0);
	if (sum->lets_run)
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	sum->lets_run = false;
	for (const struct pgw_extent *e = extents; e < extents + nr; e++) {
		uint64_t n = (e->va_last - e->va_first + 1) / PAGE;
		const uint64_t words[] = { e->va_first, e->va_last, e->pa,
					   e->entry,    e->kind,    e->rights };

		assert_true(e->va_first >= sum->next_va);
		sum->next_va = e->va_last + 1;
		sum->nr++;
		for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			sum->hash = (sum->hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		if (e->kind == PGW_ENTRY_MALFORMED) {
			sum->malformed += n * e->va_first + PAGE * (n * (n - 1) / 2);
		} else {
			sum->nr_leaves += n;
			/* Each leaf's va and pa, and what else its entry says. */
			sum->leaves += n * (3 * e->va_first + 5 * e->pa + 7 * (e->entry % PAGE)) +
				       8 * PAGE * (n * (n - 1) / 2);
		}
		if (sum->stop_at && sum->nr >= sum->stop_at)
			break;
	}
	__atomic_store_n(&sum->is_busy, 0, __ATOMIC_RELAXED);
	return sum->stop_at && sum->nr >= sum->stop_at ? 1 : 0;
}

static int add_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	return add(arg, extents, nr);
}

static int add_by_worker(unsigned worker, const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct sum *sums = arg;

	assert_true(worker < MAX_WORKERS);
	return add(&sums[worker], extents, nr);
}

static void run_in_turn(void *ctx, unsigned n, void (*job)(void *arg, unsigned index), void *arg)
{
	(void)ctx;
	for (unsigned i = n; i; i--)
		job(arg, i - 1);
}

static struct pgw_scan_workers workers_of(unsigned n, bool at_once)
{
	if (at_once)
		return pgw_hosted_workers(n);
	return (struct pgw_scan_workers){ .n = n, .run = run_in_turn };
}

static void check_all(struct fixture *f, struct pgw_scan_workers workers)
{
	struct sum want = { 0 }, got = { 0 }, parts[MAX_WORKERS] = { 0 }, all = { 0 };
	struct pgw_scan_stats want_stats, stats;

	assert_int_equal(pgw_scan_blocks(f->mm, 0, LAST, add_extents, &want, &want_stats), 0);
	assert_true(want.nr > 10000 && want.nr_leaves == want_stats.nr_leaves);
	assert_true(want.malformed && want_stats.nr_malformed > 100);
	assert_int_equal(pgw_scan_parallel(f->mm, 0, LAST, &workers, add_extents, &got, &stats), 0);
	assert_memory_equal(&got, &want, sizeof(got));
	assert_memory_equal(&stats, &want_stats, sizeof(stats));
	assert_int_equal(pgw_scan_unordered(f->mm, 0, LAST, &workers, add_by_worker, parts, &stats),
			 0);
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		all.leaves += parts[i].leaves;
		all.nr_leaves += parts[i].nr_leaves;
		all.malformed += parts[i].malformed;
	}
	assert_true(all.leaves == want.leaves && all.nr_leaves == want.nr_leaves);
	assert_int_equal(all.malformed, want.malformed);
	assert_memory_equal(&stats, &want_stats, sizeof(stats));
}

static void test_scan_parallel__workers_report_what_one_reports(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 0);
	for (unsigned n = 1; n <= MAX_WORKERS; n++) {
		check_all(&f, workers_of(n, true));
		check_all(&f, workers_of(n, false));
	}
	fixture_fini(&f);
}

static void test_scan_parallel__fn_ends_the_scan(void **state)
{
	struct pgw_scan_stats stats;
	struct fixture f;

	(void)state;
	fixture_init(&f, 0);
	for (uint64_t stop_at = 1; stop_at < 60000; stop_at = 7 * stop_at + 1) {
		struct pgw_scan_workers workers = workers_of(2, stop_at % 2);
		struct sum got = { .stop_at = stop_at }, want = got;
		struct sum parts[MAX_WORKERS] = { { .stop_at = stop_at }, { .stop_at = stop_at } };

		assert_int_equal(pgw_scan_blocks(f.mm, 0, LAST, add_extents, &want, NULL), 1);
		assert_int_equal(
			pgw_scan_parallel(f.mm, 0, LAST, &workers, add_extents, &got, &stats), 1);
		assert_memory_equal(&got, &want, sizeof(got));
		assert_true(stats.truncated && stats.truncated_va >= got.next_va);
		assert_int_equal(
			pgw_scan_unordered(f.mm, 0, LAST, &workers, add_by_worker, parts, &stats),
			1);
		assert_true(stats.truncated && stats.nr_leaves >= parts[0].nr_leaves);
		assert_true(parts[0].nr == stop_at || parts[1].nr == stop_at);
	}
	fixture_fini(&f);
}

/*
 * Everything below the address where it ended was reported. The first call of the ordered scan lets
 * others put parts by, in the midst of which the budget runs out.
 */
static void check_budget(uint64_t budget, struct pgw_scan_workers workers)
{
	struct sum want = { 0 }, got = { .lets_run = true }, below = { 0 };
	struct sum parts[MAX_WORKERS] = { 0 };
	struct pgw_scan_stats want_stats, stats;
	struct fixture f, unlimited;
	uint64_t nr_leaves = 0;

	fixture_init(&f, budget);
	fixture_init(&unlimited, 0);
	assert_int_equal(pgw_scan_blocks(f.mm, 0, LAST, add_extents, &want, &want_stats),
			 -PGW_E2BIG);
	assert_int_equal(pgw_scan_parallel(f.mm, 0, LAST, &workers, add_extents, &got, &stats),
			 -PGW_E2BIG);
	got.lets_run = false; /* if there was no call */
	assert_memory_equal(&got, &want, sizeof(got));
	assert_memory_equal(&stats, &want_stats, sizeof(stats));
	assert_int_equal(pgw_scan_unordered(f.mm, 0, LAST, &workers, add_by_worker, parts, &stats),
			 -PGW_E2BIG);
	assert_true(stats.truncated && stats.truncated_va > 0);
	for (unsigned i = 0; i < MAX_WORKERS; i++)
		nr_leaves += parts[i].nr_leaves;
	assert_int_equal(nr_leaves, stats.nr_leaves);
	assert_int_equal(
		pgw_scan_blocks(unlimited.mm, 0, stats.truncated_va - 1, add_extents, &below, NULL),
		0);
	assert_true(nr_leaves >= below.nr_leaves);
	fixture_fini(&f);
	fixture_fini(&unlimited);
}

static void test_scan_parallel__a_budget_ends_it_where_it_ends_one(void **state)
{
	(void)state;
	for (uint64_t budget = 1; budget < NR_MIDDLE * 500; budget = 5 * budget + 3) {
		check_budget(budget, workers_of(2, true));
		check_budget(budget, workers_of(3, false));
	}
}

static void test_scan_parallel__without_memory_it_is_done_by_one(void **state)
{
	struct pgw_scan_workers workers = workers_of(2, true);
	struct sum want = { 0 };
	struct fixture f;

	(void)state;
	fixture_init(&f, 0);
	assert_int_equal(pgw_scan_blocks(f.mm, 0, LAST, add_extents, &want, NULL), 0);
	for (int nth = 0; nth < 2; nth++) {
		struct sum got = { 0 }, parts[MAX_WORKERS] = { 0 };

		f.fail_after = nth;
		assert_int_equal(
			pgw_scan_parallel(f.mm, 0, LAST, &workers, add_extents, &got, NULL), 0);
		assert_memory_equal(&got, &want, sizeof(got));
		f.fail_after = nth;
		assert_int_equal(
			pgw_scan_unordered(f.mm, 0, LAST, &workers, add_by_worker, parts, NULL), 0);
		assert_int_equal(parts[0].hash, want.hash);
	}
	fixture_fini(&f);
}

static void test_scan_parallel__wrong_arguments_are_refused(void **state)
{
	struct pgw_scan_workers workers = workers_of(2, true);
	struct pgw_scan_stats stats;
	struct sum sum = { 0 };
	struct fixture f;

	(void)state;
	fixture_init(&f, 0);
	assert_int_equal(pgw_scan_parallel(NULL, 0, LAST, &workers, add_extents, &sum, &stats),
			 -PGW_EINVAL);
	assert_int_equal(pgw_scan_parallel(f.mm, 0, LAST, &workers, NULL, &sum, &stats),
			 -PGW_EINVAL);
	assert_int_equal(pgw_scan_parallel(f.mm, 1, 0, &workers, add_extents, &sum, &stats),
			 -PGW_EINVAL);
	assert_int_equal(
		pgw_scan_unordered(f.mm, 0, LAST + 1, &workers, add_by_worker, &sum, &stats),
		-PGW_EINVAL);
	assert_int_equal(pgw_scan_unordered(f.mm, 0, LAST, &workers, NULL, &sum, &stats),
			 -PGW_EINVAL);
	assert_int_equal(sum.nr, 0);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan_parallel__workers_report_what_one_reports),
		cmocka_unit_test(test_scan_parallel__fn_ends_the_scan),
		cmocka_unit_test(test_scan_parallel__a_budget_ends_it_where_it_ends_one),
		cmocka_unit_test(test_scan_parallel__without_memory_it_is_done_by_one),
		cmocka_unit_test(test_scan_parallel__wrong_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
