/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks that nobody waits for: the mmap lock and an epoch's readers, beside pthread_rwlock. */
#include <pthread.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"

enum { NR_PAIRS = 4096 };

struct job {
	struct pgw_mm *mm;
	pthread_rwlock_t rwlock;
};

static uint64_t rwlock_read(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pthread_rwlock_rdlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t rwlock_write(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pthread_rwlock_wrlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock))
			return 0;
	}
	return NR_PAIRS;
}

/* It cannot be downgraded: a writer may come in between. */
static uint64_t rwlock_write_then_read(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pthread_rwlock_wrlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock) ||
		    pthread_rwlock_rdlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t mmap_read(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pgw_mmap_read_lock(job->mm) || pgw_mmap_read_unlock(job->mm))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t mmap_write(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pgw_mmap_write_lock(job->mm) || pgw_mmap_write_unlock(job->mm))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t mmap_downgrade(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pgw_mmap_write_lock(job->mm) || pgw_mmap_write_downgrade(job->mm) ||
		    pgw_mmap_read_unlock(job->mm))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t reader_pair(void *arg)
{
	const struct pgw_platform *platform = pgw_hosted_platform();

	(void)arg;
	for (unsigned i = 0; i < NR_PAIRS; i++) {
		pgw_reader_enter(platform);
		pgw_reader_leave(platform);
	}
	return NR_PAIRS;
}

int main(int argc, char **argv)
{
	const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					      .format = pgw_format_by_name("x86_64-la48"),
					      .region = PGW_REGION_USER };
	struct job job = { .mm = NULL };
	const struct bench_set sets[] = {
		{ .name = "bench_lock_read",
		  .unit = "pair",
		  .nr_cases = 3,
		  .cases = { { "pthread_rwlock", rwlock_read, &job },
			     { "mmap lock", mmap_read, &job },
			     { "reader of an epoch", reader_pair, &job } } },
		{ .name = "bench_lock_write",
		  .unit = "pair",
		  .nr_cases = 2,
		  .cases = { { "pthread_rwlock", rwlock_write, &job },
			     { "mmap lock", mmap_write, &job } } },
		{ .name = "bench_lock_downgrade",
		  .unit = "time",
		  .nr_cases = 2,
		  .cases = { { "pthread_rwlock, write then read", rwlock_write_then_read, &job },
			     { "mmap lock, downgrade", mmap_downgrade, &job } } },
	};
	struct bench bench;

	bench_init(&bench, argc, argv);
	bench_require(!pgw_mm_new(&args, &job.mm) && !pthread_rwlock_init(&job.rwlock, NULL),
		      "cannot make the locks");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		bench_run(&bench, &sets[i]);
	pthread_rwlock_destroy(&job.rwlock);
	pgw_mm_free(job.mm);
	return bench_done(&bench);
}
