/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of pages one by one under the lock of their VMA, without the mmap lock: by one thread,
 * beside a store a page; by two, in VMAs of one mm, beside two with an mm each. Threads' CPU time,
 * which leaves out what the machine does beside: nobody waits here, but for cache lines.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"

#define PAGE UINT64_C(4096)
#define APART (UINT64_C(1) << 30) /* VMAs: in lowest tables of their own */
#define NR_PAGES 65536
#define NR_PAGES_SMOKE 1024
/* 0.6 of what it was at 409e956, measured with this program; and of two threads with an mm each. */
#define GOAL_ONE 258.0
#define GOAL_TWO 0.9

struct faulter {
	struct pgw_mm *mm;
	uint64_t start, nr_pages;
	int cpu;
	pthread_barrier_t *barrier;
	double ns; /* a page */
};

static double thread_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Every second frame lies elsewhere. */
static int fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	(void)vma;
	fault->pa = ((fault->pgoff << 1) | (fault->pgoff & 1)) * PAGE + (UINT64_C(1) << 32);
	return 0;
}

static const struct pgw_vma_ops vma_ops = { .fault = fault };

static void vma_make(const struct faulter *f)
{
	const struct pgw_mmap_args args = { .start = f->start,
					    .end = f->start + f->nr_pages * PAGE,
					    .flags = PGW_VMA_READ | PGW_VMA_WRITE,
					    .pgoff = f->start / PAGE,
					    .ops = &vma_ops };

	bench_require(!pgw_mm_mmap(f->mm, &args), "mmap");
}

static void vma_drop(const struct faulter *f)
{
	bench_require(!pgw_mm_munmap(f->mm, f->start, f->start + f->nr_pages * PAGE), "munmap");
}

static void *fault_all(void *arg)
{
	struct faulter *f = arg;
	cpu_set_t cpu;
	double start;

	CPU_ZERO(&cpu);
	CPU_SET((size_t)f->cpu, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	pthread_barrier_wait(f->barrier);
	start = thread_ns();
	for (uint64_t i = 0; i < f->nr_pages; i++)
		bench_require(!pgw_mm_fault(f->mm, f->start + i * PAGE, PGW_VMA_READ), "fault");
	f->ns = (thread_ns() - start) / (double)f->nr_pages;
	return NULL;
}

/* @return ns a page, of the slowest thread */
static double measure(struct faulter *faulters, unsigned nr)
{
	pthread_t threads[2];
	pthread_barrier_t barrier;
	double ns = 0;

	pthread_barrier_init(&barrier, NULL, nr);
	for (unsigned i = 0; i < nr; i++) {
		faulters[i].barrier = &barrier;
		vma_make(&faulters[i]);
	}
	for (unsigned i = 0; i < nr; i++)
		bench_require(!pthread_create(&threads[i], NULL, fault_all, &faulters[i]),
			      "a thread");
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(threads[i], NULL);
		ns = faulters[i].ns > ns ? faulters[i].ns : ns;
	}
	for (unsigned i = 0; i < nr; i++)
		vma_drop(&faulters[i]);
	pthread_barrier_destroy(&barrier);
	pgw_reclaim_barrier(pgw_hosted_platform());
	return ns;
}

/* The least of some times: it is over soon. */
static double store_words(uint64_t *words, uint64_t nr)
{
	double least = 0;

	for (unsigned round = 0; round < 8; round++) {
		double start = thread_ns(), ns;

		for (uint64_t i = 0; i < nr; i++)
			((volatile uint64_t *)words)[i] = i;
		ns = (thread_ns() - start) / (double)nr;
		least = !round || ns < least ? ns : least;
	}
	return least;
}

static void print(const struct bench *bench, const char *what, double *ns, double *ratio,
		  const char *reference, double goal, bool at_least)
{
	double middle = bench_median(ns, bench->nr_rounds);
	double of = bench_median(ratio, bench->nr_rounds);

	if (bench->is_json)
		printf("{\"bench\":\"bench_fault__x86_64\",\"case\":\"%s\",\"unit\":\"page\","
		       "\"clock\":\"thread\",\"ns\":%.2f,\"reference\":\"%s\",\"ratio\":%.4f,"
		       "\"goal\":%.2f}\n",
		       what, middle, reference, of, goal);
	else
		printf("  %-40s %8.2f ns/page  x %.2f of %s", what, middle, of, reference);
	bench_print_goal(bench, of, goal, at_least);
	if (!bench->is_json)
		printf("\n");
}

/* Two CPUs that the program may use, or one twice. */
static void choose_cpus(const cpu_set_t *all, int *ret)
{
	unsigned nr = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE && nr < 2; cpu++) {
		if (CPU_ISSET((size_t)cpu, all))
			ret[nr++] = cpu;
	}
	if (nr == 1)
		ret[1] = ret[0];
}

int main(int argc, char **argv)
{
	struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					.format = pgw_format_by_name("x86_64-la48") };
	double one[BENCH_MAX_ROUNDS], shared[BENCH_MAX_ROUNDS], own[BENCH_MAX_ROUNDS];
	double of_words[BENCH_MAX_ROUNDS], of_own[BENCH_MAX_ROUNDS], of_one[BENCH_MAX_ROUNDS];
	struct pgw_mm *mms[2];
	struct bench bench;
	int cpus[2] = { 0, 0 };
	uint64_t *words, nr;
	cpu_set_t all;

	bench_require(!sched_getaffinity(0, sizeof(all), &all), "the CPUs");
	choose_cpus(&all, cpus);
	bench_init(&bench, argc, argv);
	nr = bench.is_smoke ? NR_PAGES_SMOKE : NR_PAGES;
	words = calloc(nr, sizeof(*words));
	bench_require(words && !pgw_mm_new(&args, &mms[0]) && !pgw_mm_new(&args, &mms[1]),
		      "no memory");
	for (unsigned i = 0; i < bench.nr_rounds; i++) {
		struct faulter apart[2] = {
			{ .mm = mms[0], .start = APART, .nr_pages = nr, .cpu = cpus[1] },
			{ .mm = mms[0], .start = 3 * APART, .nr_pages = nr, .cpu = cpus[0] },
		};

		of_words[i] = store_words(words, nr);
		one[i] = measure(apart, 1);
		of_words[i] = one[i] / of_words[i];
		shared[i] = measure(apart, 2);
		apart[1].mm = mms[1];
		own[i] = measure(apart, 2);
		of_own[i] = own[i] / shared[i];
		of_one[i] = own[i] / one[i];
	}
	if (!bench.is_json)
		printf("bench_fault__x86_64 (%llu pages)\n", (unsigned long long)nr);
	print(&bench, "one thread", one, of_words, "a store", GOAL_ONE, false);
	print(&bench, "two threads, an mm each", own, of_one, "one thread's time", 0, false);
	print(&bench, "two threads, one mm", shared, of_own, "the rate of an mm each", GOAL_TWO,
	      true);
	for (unsigned i = 0; i < 2; i++)
		pgw_mm_free(mms[i]);
	free(words);
	return bench_done(&bench);
}
