/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * munmap of many pages, with the mmap lock held for write all the time and with
 * the downgrade: how long others are kept out, and how long a reader waited at
 * most. On the wall, because waiting is what is measured.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"

#define START (UINT64_C(1) << 30)
#define PAGE UINT64_C(4096)
#define MAX_ROUNDS 15

/** What one round of one way showed, in ns. */
struct result {
	double whole[MAX_ROUNDS];     /* the call */
	double exclusive[MAX_ROUNDS]; /* of it, the time that the lock is held for write */
	double waited[MAX_ROUNDS];    /* the longest that a reader waited for the lock */
};

/* The call beside a read and clear of as many words: 0.35 of what that was at 409e956. */
#define GOAL_WORDS 8.0

struct job {
	struct pgw_platform platform; /* first: its ctx */
	struct pgw_mm *mm;
	uint64_t size;
	double downgraded_at;
	cpu_set_t cpus;    /* that the reader may run on */
	int running;       /* atomic */
	uint64_t nr_reads; /* the reader's; atomic */
	double waited;     /* the reader's */
};

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void step(void *ctx, enum pgw_step_point point, const struct pgw_mm *mm)
{
	struct job *job = ctx;

	(void)mm;
	if (point == PGW_STEP_MUNMAP_DOWNGRADED)
		job->downgraded_at = now_ns();
}

/* Every second frame lies elsewhere, so that they do not form one run. */
static int fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	(void)vma;
	fault->pa = ((fault->pgoff << 1) | (fault->pgoff & 1)) * PAGE + (UINT64_C(1) << 32);
	return 0;
}

/* The frames' owner: as cheap as can be. */
static void release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	*(uint64_t *)vma->private_data += frames->size / PAGE;
}

static const struct pgw_vma_ops vma_ops = { .fault = fault, .release = release };

static void *reader(void *arg)
{
	struct job *job = arg;

	pthread_setaffinity_np(pthread_self(), sizeof(job->cpus), &job->cpus);
	while (__atomic_load_n(&job->running, __ATOMIC_RELAXED)) {
		double start = now_ns(), waited;

		bench_require(!pgw_mmap_read_lock(job->mm), "the lock");
		waited = now_ns() - start;
		if (waited > job->waited)
			job->waited = waited;
		bench_require(!pgw_mmap_read_unlock(job->mm), "the lock");
		__atomic_fetch_add(&job->nr_reads, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Unmap all. @return the time that the lock was held for write */
static double unmap(struct job *job, bool downgrades, double *ret_whole)
{
	uint64_t end = START + job->size;
	double start, exclusive;

	if (downgrades) {
		start = now_ns();
		bench_require(!pgw_mm_munmap(job->mm, START, end), "munmap");
		*ret_whole = now_ns() - start;
		return job->downgraded_at - start;
	}
	start = now_ns();
	bench_require(!pgw_mmap_write_lock(job->mm), "the lock");
	bench_require(!pgw_mm_munmap_locked(job->mm, START, end), "munmap");
	exclusive = now_ns() - start;
	bench_require(!pgw_mmap_write_unlock(job->mm), "the lock");
	*ret_whole = now_ns() - start;
	return exclusive;
}

static void map(struct job *job, uint64_t *nr_released)
{
	const struct pgw_mmap_args args = { .start = START,
					    .end = START + job->size,
					    .flags = PGW_VMA_READ | PGW_VMA_WRITE,
					    .pgoff = START / PAGE,
					    .ops = &vma_ops,
					    .private_data = nr_released };

	bench_require(!pgw_mm_mmap(job->mm, &args), "mmap");
	bench_require(!pgw_mm_populate(job->mm, args.start, args.end), "populate");
}

static void round_of(struct job *job, bool downgrades, bool has_reader, struct result *ret,
		     unsigned round)
{
	uint64_t nr_released = 0;
	pthread_t thread;

	map(job, &nr_released);
	job->waited = 0;
	job->running = 1;
	job->nr_reads = 0;
	if (has_reader)
		bench_require(!pthread_create(&thread, NULL, reader, job), "a thread");
	while (has_reader && __atomic_load_n(&job->nr_reads, __ATOMIC_RELAXED) < 1000)
		sched_yield();
	ret->exclusive[round] = unmap(job, downgrades, &ret->whole[round]);
	__atomic_store_n(&job->running, 0, __ATOMIC_RELAXED);
	if (has_reader)
		pthread_join(thread, NULL);
	ret->waited[round] = job->waited;
	bench_require(nr_released == job->size / PAGE, "all frames come back");
	pgw_reclaim_barrier(&job->platform);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double median(const double *values, unsigned nr)
{
	double sorted[MAX_ROUNDS];

	memcpy(sorted, values, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), compare);
	return sorted[nr / 2];
}

/* The median of the rounds, and of the ratios within each round. */
static void print(const struct bench *bench, const char *set, const char *what,
		  const double *values, const double *reference)
{
	double ratio[MAX_ROUNDS];

	for (unsigned i = 0; i < bench->nr_rounds; i++)
		ratio[i] = values[i] / reference[i];
	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"%s\",\"clock\":\"wall\",\"ns\":%.0f,"
		       "\"ratio\":%.6f}\n",
		       set, what, median(values, bench->nr_rounds),
		       median(ratio, bench->nr_rounds));
	else
		printf("  %-40s %12.1f us  x %.5f\n", what, median(values, bench->nr_rounds) / 1e3,
		       median(ratio, bench->nr_rounds));
}

/* What has to be done to clear the tables, and no more; warm, as they are. */
static double clear_words(uint64_t *words, uint64_t nr, uint64_t *sum)
{
	double start;

	for (uint64_t i = 0; i < nr; i++)
		words[i] = i;
	start = now_ns();
	for (uint64_t i = 0; i < nr; i++) {
		*sum += ((volatile uint64_t *)words)[i];
		((volatile uint64_t *)words)[i] = 0;
	}
	return now_ns() - start;
}

static void print_words(const struct bench *bench, const char *set, double *words,
			const double *whole, double goal)
{
	double ratio[MAX_ROUNDS], of_words;

	for (unsigned i = 0; i < bench->nr_rounds; i++)
		ratio[i] = whole[i] / words[i];
	of_words = bench_median(ratio, bench->nr_rounds);
	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"the call, of reading and clearing as many "
		       "words\","
		       "\"clock\":\"wall\",\"ns\":%.0f,\"ratio\":%.6f,\"goal\":%.2f}\n",
		       set, median(words, bench->nr_rounds), of_words, goal);
	else
		printf("  %-40s %12.1f us; the call x %.2f of it", "read and clear as many words",
		       median(words, bench->nr_rounds) / 1e3, of_words);
	bench_print_goal(bench, of_words, goal, false);
	if (!bench->is_json)
		printf("\n");
}

static void measure(const struct bench *bench, struct job *job, const char *set, double goal)
{
	static struct result held, downgraded, unused;
	uint64_t nr_pages = job->size / PAGE, sum = 0;
	uint64_t *items = calloc(nr_pages, sizeof(*items));
	double words[MAX_ROUNDS];

	bench_require(items, "no memory");
	for (unsigned round = 0; round < bench->nr_rounds; round++) {
		words[round] = clear_words(items, nr_pages, &sum);
		/* Without a reader first: whom nobody waits for is not slowed by the other. */
		round_of(job, false, false, &held, round);
		round_of(job, true, false, &downgraded, round);
		round_of(job, false, true, &unused, round);
		held.waited[round] = unused.waited[round];
		round_of(job, true, true, &unused, round);
		downgraded.waited[round] = unused.waited[round];
	}
	if (!bench->is_json)
		printf("%s (%llu pages; x: times the same with the lock held for write)\n", set,
		       (unsigned long long)(job->size / PAGE));
	print(bench, set, "the call, held for write", held.whole, held.whole);
	print_words(bench, set, words, held.whole, goal);
	print(bench, set, "the call, downgraded", downgraded.whole, held.whole);
	print(bench, set, "exclusive, held for write", held.exclusive, held.exclusive);
	print(bench, set, "exclusive, downgraded", downgraded.exclusive, held.exclusive);
	print(bench, set, "longest wait of a reader, held for write", held.waited, held.waited);
	print(bench, set, "longest wait of a reader, downgraded", downgraded.waited, held.waited);
	fflush(stdout);
	free(items);
}

/* The reader runs beside the unmapping thread, where there is another CPU. */
static void choose_cpus(struct job *job, const cpu_set_t *all)
{
	cpu_set_t pinned;

	job->cpus = *all;
	if (CPU_COUNT(all) < 2 || sched_getaffinity(0, sizeof(pinned), &pinned))
		return;
	CPU_XOR(&job->cpus, all, &pinned);
}

int main(int argc, char **argv)
{
	struct pgw_mm_new_args args = { .format = pgw_format_by_name("x86_64-la48") };
	struct bench bench;
	struct job job = { .size = 0 };
	cpu_set_t all;

	bench_require(!sched_getaffinity(0, sizeof(all), &all), "the CPUs");
	bench_init(&bench, argc, argv);
	choose_cpus(&job, &all);
	job.platform = *pgw_hosted_platform();
	job.platform.ctx = &job;
	job.platform.step = step;
	args.platform = &job.platform;
	bench_require(!pgw_mm_new(&args, &job.mm), "an mm");
	job.size = UINT64_C(16) << 20;
	measure(&bench, &job, "bench_munmap__x86_64_16MiB", 0);
	job.size = UINT64_C(1) << 30;
	measure(&bench, &job, "bench_munmap__x86_64_1GiB", GOAL_WORDS);
	pgw_mm_free(job.mm);
	return bench_done(&bench);
}
