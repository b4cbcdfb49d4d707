/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "sharing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <pagewalk/pagewalk.h>

enum {
	MAX_SHARERS = 16,
	NR_SHARER_WIDTHS = 5, /* numbers of threads: 1, 2, 4, 8, 16 */
	TIMES_PER_LOOK = 64,
	SHARED_MS = 10,  /* a run of threads that have a CPU each */
	CROWDED_MS = 40, /* a run of more threads than CPUs */
	NR_WAITS = 1000, /* that are measured in a round */
	WRITE_EVERY_NS = 23000,
};
enum sharing { SHARE_MM, SHARE_NOTHING, SHARE_RWLOCK, NR_SHARINGS };

#define PAGE UINT64_C(4096)
#define VMALLOC_VA UINT64_C(0xffffc90000000000)
#define MEMORY (UINT64_C(1) << 32)

/** What threads use: one page of a kernel mm. */
struct shared_mm {
	_Alignas(128) struct pgw_mm *mm;
	pthread_rwlock_t rwlock;
};

/** What threads do with it, and what is wanted of that. */
struct row {
	const char *name, *json;
	bool walks;                    /* the page, with the lock; or do nothing with it */
	unsigned permille;             /* of the times that are for write */
	bool against_one;              /* the goal is beside one thread, not beside an mm each */
	double goal[NR_SHARER_WIDTHS]; /* at least; 0: none */
	unsigned nr_widths;
};

struct sharer {
	_Alignas(128) struct shared_mm *shared;
	const struct row *row;
	enum sharing how;
	uint32_t random;
	uint64_t nr;
	double ns;      /* that it took */
	long nr_sleeps; /* and other times that it gave its CPU away by itself */
	bool *is_over;  /* atomic */
	pthread_barrier_t *start;
};

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int count_leaf(uint64_t *pte, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)va, (void)next;
	*(uint64_t *)walk->arg += pgw_item_load(pte) != 0;
	return 0;
}

/* ---- once, with a lock ---- */

static const struct pgw_mm_walk_ops walk_ops = { .pte_entry = count_leaf };

PGW_NO_THREAD_SAFETY_ANALYSIS static void use_mm(struct pgw_mm *mm, bool walks, bool writes)
{
	uint64_t nr = 0;

	if (writes)
		pgw_mmap_write_lock(mm);
	else
		pgw_mmap_read_lock(mm);
	if (walks)
		pgw_walk_kernel_page_table_range(mm, VMALLOC_VA, VMALLOC_VA + PAGE, &walk_ops, NULL,
						 &nr);
	if (writes)
		pgw_mmap_write_unlock(mm);
	else
		pgw_mmap_read_unlock(mm);
}

static void use_rwlock(struct shared_mm *shared, bool walks, bool writes)
{
	uint64_t nr = 0;

	if (writes)
		pthread_rwlock_wrlock(&shared->rwlock);
	else
		pthread_rwlock_rdlock(&shared->rwlock);
	if (walks)
		pgw_walk_kernel_page_table_range_lockless(shared->mm, VMALLOC_VA, VMALLOC_VA + PAGE,
							  &walk_ops, NULL, &nr);
	pthread_rwlock_unlock(&shared->rwlock);
}

/* ---- rates ---- */

static bool next_writes(struct sharer *sharer)
{
	if (!sharer->row->permille)
		return false;
	sharer->random = sharer->random * 1664525 + 1013904223;
	return (sharer->random >> 16) % 1000 < sharer->row->permille;
}

static long nr_sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void *sharer_main(void *arg)
{
	struct sharer *sharer = arg;
	bool walks = sharer->row->walks;
	double start;
	long before;

	pthread_barrier_wait(sharer->start);
	start = now_ns();
	before = nr_sleeps();
	while (!__atomic_load_n(sharer->is_over, __ATOMIC_RELAXED)) {
		for (unsigned i = 0; i < TIMES_PER_LOOK; i++) {
			bool writes = next_writes(sharer);

			if (sharer->how == SHARE_RWLOCK)
				use_rwlock(sharer->shared, walks, writes);
			else
				use_mm(sharer->shared->mm, walks, writes);
		}
		sharer->nr += TIMES_PER_LOOK;
	}
	sharer->nr_sleeps = nr_sleeps() - before;
	sharer->ns = now_ns() - start;
	return NULL;
}

/** What a run showed, of all threads. */
struct rate {
	double rate;   /* times a second */
	double sleeps; /* for a thousand times */
};

static struct rate share(struct shared_mm *mms, const struct row *row, enum sharing how,
			 unsigned nr_threads, unsigned ms, sharing_place_fn *place)
{
	const struct timespec time = { .tv_nsec = (long)ms * 1000000 };
	static struct sharer sharers[MAX_SHARERS];
	pthread_t threads[MAX_SHARERS];
	pthread_barrier_t start;
	bool is_over = false;
	double nr = 0, sleeps = 0, rate = 0;

	bench_require(!pthread_barrier_init(&start, NULL, nr_threads + 1), "a barrier");
	for (unsigned i = 0; i < nr_threads; i++) {
		sharers[i] = (struct sharer){ .shared = &mms[how == SHARE_NOTHING ? i : 0],
					      .row = row,
					      .how = how,
					      .random = i,
					      .is_over = &is_over,
					      .start = &start };
		bench_require(!pthread_create(&threads[i], NULL, sharer_main, &sharers[i]),
			      "a thread");
		place(threads[i], i);
	}
	pthread_barrier_wait(&start);
	nanosleep(&time, NULL);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < nr_threads; i++) {
		pthread_join(threads[i], NULL);
		nr += (double)sharers[i].nr;
		sleeps += (double)sharers[i].nr_sleeps;
		rate += (double)sharers[i].nr / sharers[i].ns * 1e9;
	}
	pthread_barrier_destroy(&start);
	return (struct rate){ rate, sleeps / nr * 1e3 };
}

/* ---- rows ---- */

/** A row's runs, by round, of one number of threads. */
struct runs {
	double rate[NR_SHARINGS][BENCH_MAX_ROUNDS];
	double of_own[BENCH_MAX_ROUNDS], of_one[BENCH_MAX_ROUNDS], sleeps[BENCH_MAX_ROUNDS];
};

static void print_runs(const struct bench *bench, const struct row *row, unsigned width,
		       struct runs *runs)
{
	unsigned nr = bench->nr_rounds;
	double of_own = bench_median(runs->of_own, nr), of_one = bench_median(runs->of_one, nr);
	double sleeps = bench_median(runs->sleeps, nr), median[NR_SHARINGS];
	double goal = row->goal[width], seen = row->against_one ? of_one : of_own;

	for (unsigned how = 0; how < NR_SHARINGS; how++)
		median[how] = bench_median(runs->rate[how], nr);
	if (bench->is_json) {
		printf("{\"bench\":\"bench_contention_%s\",\"threads\":%u,\"clock\":\"wall\","
		       "\"rate\":%.0f,\"own\":%.0f,\"rwlock\":%.0f,\"ratio\":%.4f,"
		       "\"of_one\":%.4f,\"sleeps\":%.4f,\"goal\":%.2f}\n",
		       row->json, 1U << width, median[SHARE_MM], median[SHARE_NOTHING],
		       median[SHARE_RWLOCK], of_own, of_one, sleeps, goal);
		return;
	}
	printf("  %7u  %8.2f  %8.2f  %8.2f  x %.2f  x %.2f  %8.3f", 1U << width,
	       median[SHARE_MM] / 1e6, median[SHARE_NOTHING] / 1e6, median[SHARE_RWLOCK] / 1e6,
	       of_own, of_one, sleeps);
	if (goal > 0)
		printf("  of %s", row->against_one ? "one" : "own");
	bench_print_goal(bench, seen, goal, true);
	printf("\n");
}

static void measure_width(const struct bench *bench, struct shared_mm *mms, const struct row *row,
			  unsigned width, sharing_place_fn *place)
{
	static struct runs runs;
	unsigned ms = bench->is_smoke ? 1U : width > 1 ? CROWDED_MS : SHARED_MS;

	for (unsigned i = 0; i < bench->nr_rounds; i++) {
		struct rate rates[NR_SHARINGS], one;

		for (unsigned how = 0; how < NR_SHARINGS; how++) {
			rates[how] = share(mms, row, (enum sharing)how, 1U << width, ms, place);
			runs.rate[how][i] = rates[how].rate;
		}
		one = share(mms, row, SHARE_MM, 1, ms, place);
		runs.of_own[i] = rates[SHARE_MM].rate / rates[SHARE_NOTHING].rate;
		runs.of_one[i] = rates[SHARE_MM].rate / one.rate;
		runs.sleeps[i] = rates[SHARE_MM].sleeps;
	}
	print_runs(bench, row, width, &runs);
}

/* ---- how long a writer waits ---- */

struct waits {
	double ns[BENCH_MAX_ROUNDS * NR_WAITS];
	unsigned nr;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void write_now_and_then(struct pgw_mm *mm, struct waits *waits, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		double start = now_ns();

		bench_require(!pgw_mmap_write_lock(mm), "the lock");
		waits->ns[waits->nr++] = now_ns() - start;
		bench_require(!pgw_mmap_write_unlock(mm), "the lock");
		while (now_ns() < start + WRITE_EVERY_NS)
			;
	}
}

/* Two readers, of which one is on the writer's CPU if there are two. */
static void write_beside_readers(struct shared_mm *mms, const struct row *row, struct waits *waits,
				 unsigned nr, sharing_place_fn *place)
{
	struct sharer readers[2];
	pthread_t threads[2];
	pthread_barrier_t start;
	bool is_over = false;

	bench_require(!pthread_barrier_init(&start, NULL, 3), "a barrier");
	for (unsigned i = 0; i < 2; i++) {
		readers[i] = (struct sharer){ .shared = mms,
					      .row = row,
					      .how = SHARE_MM,
					      .is_over = &is_over,
					      .start = &start };
		bench_require(!pthread_create(&threads[i], NULL, sharer_main, &readers[i]),
			      "a thread");
		place(threads[i], i + 1);
	}
	pthread_barrier_wait(&start);
	write_now_and_then(mms->mm, waits, nr);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
}

static void measure_waits(const struct bench *bench, struct shared_mm *mms, sharing_place_fn *place)
{
	static const struct row row = { .walks = true };
	static struct waits waits;
	double p50, p99;

	waits.nr = 0;
	for (unsigned round = 0; round < bench->nr_rounds; round++)
		write_beside_readers(mms, &row, &waits, bench->is_smoke ? 10 : NR_WAITS, place);
	qsort(waits.ns, waits.nr, sizeof(waits.ns[0]), compare);
	p50 = waits.ns[waits.nr / 2] / 1e3;
	p99 = waits.ns[waits.nr - 1 - waits.nr / 100] / 1e3;
	if (bench->is_json)
		printf("{\"bench\":\"bench_contention_writer\",\"clock\":\"wall\",\"p50_us\":%.2f,"
		       "\"p99_us\":%.2f}\n",
		       p50, p99);
	else
		printf("a writer every %d us beside two readers: waits p50 %.2f us (goal 1: %s), "
		       "p99 "
		       "%.2f us (goal 20: %s)\n",
		       WRITE_EVERY_NS / 1000, p50, p50 > 1 ? "MISSED" : "met", p99,
		       p99 > 20 ? "MISSED" : "met");
}

/* ---- all of it ---- */

static void mms_init(struct shared_mm *mms)
{
	struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					.format = pgw_format_by_name("x86_64-la48"),
					.region = PGW_REGION_KERNEL };
	struct pgw_map_args map = { .first = VMALLOC_VA,
				    .last = VMALLOC_VA + PAGE - 1,
				    .pa = MEMORY,
				    .rights = PGW_KERNEL_R,
				    .sizes = PAGE };

	for (unsigned i = 0; i < MAX_SHARERS; i++)
		bench_require(!pgw_mm_new(&args, &mms[i].mm) && !pgw_vmap(mms[i].mm, &map) &&
				      !pthread_rwlock_init(&mms[i].rwlock, NULL),
			      "cannot make mms");
}

static void mms_fini(struct shared_mm *mms)
{
	for (unsigned i = 0; i < MAX_SHARERS; i++) {
		pthread_rwlock_destroy(&mms[i].rwlock);
		pgw_mm_free(mms[i].mm);
	}
}

void measure_sharing(const struct bench *bench, sharing_place_fn *place)
{
	static const struct row rows[] = {
		{ "lock pair", "pair", false, 0, false, { 0, 0.95 }, NR_SHARER_WIDTHS },
		{ "walk of 1 page", "walk1", true, 0, false, { 0, 0.95 }, NR_SHARER_WIDTHS },
		{ "walk of 1 page, 0.1 % for write", "walk1_w1", true, 1, false, { 0, 0.95 }, 2 },
		{ "walk of 1 page, 1 % for write", "walk1_w10", true, 10, false, { 0, 0.75 }, 2 },
		{ "walk of 1 page, 10 % for write", "walk1_w100", true, 100, false, { 0 }, 2 },
		{ "walk of 1 page, 99 % for write", "walk1_w990", true, 990, false, { 0 }, 1 },
		{ "walk of 1 page, all for write",
		  "walk1_write",
		  true,
		  1000,
		  true,
		  { 0, 0.8, 0.75, 0.7 },
		  NR_SHARER_WIDTHS },
	};
	static struct shared_mm mms[MAX_SHARERS];

	mms_init(mms);
	if (!bench->is_json)
		printf("millions a second: one mm; an mm each; one pthread_rwlock; x: one mm / an "
		       "mm "
		       "each; x: one mm / one thread; sleeps of threads in 1000 times\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!bench->is_json)
			printf("%s\n", rows[i].name);
		for (unsigned width = 0; width < rows[i].nr_widths; width++)
			measure_width(bench, mms, &rows[i], width, place);
	}
	measure_waits(bench, mms, place);
	mms_fini(mms);
}
