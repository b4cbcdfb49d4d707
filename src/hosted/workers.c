/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include <pagewalk/hosted.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 64

struct thread {
	pthread_t id;
	void (*job)(void *arg, unsigned index);
	void *arg;
	unsigned index;
};

static void *thread_main(void *arg)
{
	const struct thread *thread = arg;

	thread->job(thread->arg, thread->index);
	return NULL;
}

/* The calling thread does the first job, and then those for which no thread could be started. */
static void run(void *ctx, unsigned n, void (*job)(void *arg, unsigned index), void *arg)
{
	struct thread threads[MAX_THREADS];
	unsigned nr = 1;

	(void)ctx;
	for (; nr < n && nr < MAX_THREADS; nr++) {
		threads[nr] = (struct thread){ .job = job, .arg = arg, .index = nr };
		if (pthread_create(&threads[nr].id, NULL, thread_main, &threads[nr]))
			break;
	}
	job(arg, 0);
	for (unsigned i = nr; i < n; i++)
		job(arg, i);
	while (nr > 1)
		pthread_join(threads[--nr].id, NULL);
}

/* CPUs that this thread may run on: a container or taskset may leave few of many. */
static long nr_cpus(void)
{
	cpu_set_t allowed;

	/* Fails where there are more CPUs than the set has room for. */
	return sched_getaffinity(0, sizeof(allowed), &allowed) ? sysconf(_SC_NPROCESSORS_ONLN)
							       : CPU_COUNT(&allowed);
}

struct pgw_scan_workers pgw_hosted_workers(unsigned nr_threads)
{
	const char *paths = getenv("PAGEWALK_PATHS");
	const char *wanted = paths ? strstr(paths, "threads=") : NULL;
	long nr = nr_threads ? (long)nr_threads : nr_cpus();

	/* For tests, see docs/testing.md. */
	if (wanted)
		nr = strtol(wanted + strlen("threads="), NULL, 10);
	return (struct pgw_scan_workers){
		.n = nr < 1             ? 1
		     : nr > MAX_THREADS ? MAX_THREADS
					: (unsigned)nr,
		.run = run,
		.even_few = wanted != NULL,
	};
}
