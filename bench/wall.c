/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "wall.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

void bench_times_begin(struct bench_times *times, unsigned round)
{
	times->wall[round] = now_ns(CLOCK_MONOTONIC);
	times->cpu[round] = now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_times_end(struct bench_times *times, unsigned round)
{
	times->wall[round] = now_ns(CLOCK_MONOTONIC) - times->wall[round];
	times->cpu[round] = now_ns(CLOCK_PROCESS_CPUTIME_ID) - times->cpu[round];
}

static double cpu_ns(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e9 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e3;
}

void bench_times_command(struct bench_times *times, unsigned round, const char *const *argv)
{
	const char *tool = getenv("PGW_TOOL");
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	times->wall[round] = now_ns(CLOCK_MONOTONIC);
	status = posix_spawn(&pid, tool ? tool : "build/pagewalk", &actions, NULL,
			     (char *const *)(uintptr_t)argv, environ);
	bench_require(!status && wait4(pid, &status, 0, &usage) == pid && WIFEXITED(status) &&
			      WEXITSTATUS(status) < 2,
		      "the command failed (PGW_TOOL)");
	times->wall[round] = now_ns(CLOCK_MONOTONIC) - times->wall[round];
	times->cpu[round] = cpu_ns(&usage);
	posix_spawn_file_actions_destroy(&actions);
	if (times->peak_kib < (uint64_t)usage.ru_maxrss)
		times->peak_kib = (uint64_t)usage.ru_maxrss;
}

/* Rounds stay as they are: those of others are held against them. */
static double median_of(const double *values, unsigned nr)
{
	double copy[BENCH_MAX_ROUNDS];

	memcpy(copy, values, nr * sizeof(*values));
	return bench_median(copy, nr);
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

void bench_times_print(const struct bench *bench, const char *set, const char *name,
		       struct bench_times *times, const struct bench_times *reference, double goal)
{
	double wall[BENCH_MAX_ROUNDS], cpu[BENCH_MAX_ROUNDS];
	unsigned nr = bench->nr_rounds;
	double wall_ratio, cpu_ratio;

	for (unsigned i = 0; i < nr; i++) {
		wall[i] = times->wall[i] / reference->wall[i];
		cpu[i] = times->cpu[i] / reference->cpu[i];
	}
	wall_ratio = bench_median(wall, nr);
	cpu_ratio = bench_median(cpu, nr);
	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"%s\",\"unit\":\"run\",\"clock\":\"wall\","
		       "\"ns\":%.0f,\"cpu_ns\":%.0f,\"ratio\":%.4f,\"cpu_ratio\":%.4f,"
		       "\"goal\":%.2f}\n",
		       set, name, median_of(times->wall, nr), median_of(times->cpu, nr),
		       wall_ratio, cpu_ratio, goal);
	else
		printf("  %-28s %8.2f ms on the wall, %8.2f of CPUs  x %.2f, of CPUs %.2f", name,
		       median_of(times->wall, nr) / 1e6, median_of(times->cpu, nr) / 1e6,
		       wall_ratio, cpu_ratio);
	bench_print_goal(bench, least(wall_ratio, cpu_ratio), goal, false);
	if (!bench->is_json)
		printf("\n");
	fflush(stdout);
}

void bench_times_print_ms(const struct bench *bench, const char *set, const char *name,
			  struct bench_times *times, double goal_ms)
{
	double cpu = median_of(times->cpu, bench->nr_rounds) / 1e6;
	double wall = median_of(times->wall, bench->nr_rounds) / 1e6;

	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"%s\",\"unit\":\"run\",\"clock\":\"wall\","
		       "\"ns\":%.0f,\"cpu_ns\":%.0f,\"goal_ms\":%.0f}\n",
		       set, name, wall * 1e6, cpu * 1e6, goal_ms);
	else
		printf("  %-28s %8.2f ms on the wall, %8.2f of CPUs", name, wall, cpu);
	bench_print_goal(bench, least(wall, cpu), goal_ms, false);
	if (!bench->is_json)
		printf("\n");
	fflush(stdout);
}
