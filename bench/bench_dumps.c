/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kdump-compressed dumps, made of the image that is given, of each compression: from a file's name
 * to all roots on all CPUs, beside reading and unpacking its pages on as many; all leaves of the
 * kernel; and `pagewalk info` of a machine of 64 GiB.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dumpfile.h"
#include "harness.h"

#define ROOTS_GOAL 1.15
#define INFO_GOAL_MS 50
#define INFO_GOAL_KIB 16384
#define LARGE_PAGES (UINT64_C(64) << 30 >> 12)
#define LARGE_HELD (UINT64_C(100) * 1000 * 1000 / DUMPFILE_DESCRIPTOR)

static double now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* All threads of this process, on the wall and in CPU time. */
struct times {
	double wall[BENCH_MAX_ROUNDS], cpu[BENCH_MAX_ROUNDS];
};

static void times_begin(struct times *times, unsigned round)
{
	times->wall[round] = now_ns(CLOCK_MONOTONIC);
	times->cpu[round] = now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void times_end(struct times *times, unsigned round)
{
	times->wall[round] = now_ns(CLOCK_MONOTONIC) - times->wall[round];
	times->cpu[round] = now_ns(CLOCK_PROCESS_CPUTIME_ID) - times->cpu[round];
}

static void print_times(const struct bench *bench, const char *set, const char *name,
			struct times *times, const struct times *reference, double goal)
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
		       set, name, bench_median(times->wall, nr), bench_median(times->cpu, nr),
		       wall_ratio, cpu_ratio, goal);
	else
		printf("  %-28s %8.2f ms on the wall, %8.2f of CPUs  x %.2f, of CPUs %.2f%s\n",
		       name, bench_median(times->wall, nr) / 1e6,
		       bench_median(times->cpu, nr) / 1e6, wall_ratio, cpu_ratio,
		       goal > 0 && wall_ratio > goal && cpu_ratio > goal ? ": MISSED" : "");
	fflush(stdout);
}

static size_t find_roots(const char *path, const struct pgw_scan_workers *workers)
{
	const struct pgw_image_options options = { .workers = workers };
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	size_t nr = 0;

	bench_require(!pgw_image_open(path, &options, &image, NULL), "cannot open a dump");
	bench_require(!pgw_image_roots(image, &roots, &nr) && nr, "no roots in a dump");
	pgw_image_close(image);
	return nr;
}

struct leaves {
	uint64_t nr;
};

static int count_leaves(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct leaves *leaves = arg;

	for (size_t i = 0; i < nr; i++) {
		if (extents[i].kind == PGW_ENTRY_LEAF)
			leaves->nr += ((extents[i].va_last - extents[i].va_first) >>
				       extents[i].leaf_lg2) +
				      1;
	}
	return 0;
}

/* Of the kernel; the image was just opened. */
static uint64_t find_leaves(const char *path, struct times *times, unsigned round)
{
	struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform() };
	struct leaves leaves = { 0 };
	struct pgw_root_info root;
	struct pgw_image *image;
	struct pgw_mm *mm;

	bench_require(!pgw_image_open(path, NULL, &image, NULL), "cannot open a dump");
	times_begin(times, round);
	bench_require(!pgw_image_kernel_root(image, &root, NULL), "no kernel in a dump");
	args.format = root.format;
	args.phys = pgw_image_phys(image);
	args.root = root.root;
	args.control = root.control;
	args.region = PGW_REGION_KERNEL;
	bench_require(!pgw_mm_attach(&args, &mm), "cannot attach a root");
	bench_require(
		!pgw_scan_blocks(mm, 0xffff800000000000, UINT64_MAX, count_leaves, &leaves, NULL),
		"cannot scan a dump");
	times_end(times, round);
	pgw_mm_free(mm);
	pgw_image_close(image);
	return leaves.nr;
}

static void measure(const struct bench *bench, const char *elf, enum packing packing)
{
	const struct pgw_scan_workers workers = pgw_hosted_workers(0);
	struct times plain = { 0 }, roots = { 0 }, leaves = { 0 };
	struct dumpfile file;
	uint64_t nr_leaves = 0;
	size_t nr_roots = 0;
	char set[64];

	snprintf(set, sizeof(set), "bench_dumps__%s",
		 packing < _PACKING_MAX ? packing_name(packing) : "not_packed");
	dumpfile_make(&file, elf, packing, 0, 0);
	bench_peak_reset();
	for (unsigned i = 0; i < bench->nr_rounds; i++) {
		times_begin(&plain, i);
		bench_require(dumpfile_unpack(&file, workers.n) == file.nr_packed,
			      "pages are missing");
		times_end(&plain, i);
		times_begin(&roots, i);
		nr_roots = find_roots(file.path, &workers);
		times_end(&roots, i);
		nr_leaves = find_leaves(file.path, &leaves, i);
	}
	if (!bench->is_json)
		printf("%s (%llu pages, %llu of them not zero, %llu bytes; %zu roots, %llu leaves; "
		       "%u threads)\n",
		       set, (unsigned long long)file.nr_held, (unsigned long long)file.nr_packed,
		       (unsigned long long)file.size, nr_roots, (unsigned long long)nr_leaves,
		       workers.n);
	print_times(bench, set, "read and unpack all pages", &plain, &plain, 0);
	print_times(bench, set, "all roots", &roots, &plain, ROOTS_GOAL);
	print_times(bench, set, "the kernel's leaves", &leaves, &plain, 0);
	bench_print_peak(bench, set, "all of this", bench_peak_kib(), 0);
	dumpfile_remove(&file);
}

/* The command, from its start to its end. */
static void run_info(const char *path, struct times *times, unsigned round, uint64_t *peak_kib)
{
	const char *tool = getenv("PGW_TOOL");
	struct rusage usage;
	int status;
	pid_t pid;

	times->wall[round] = now_ns(CLOCK_MONOTONIC);
	pid = fork();
	if (!pid) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execl(tool ? tool : "build/pagewalk", "pagewalk", "info", path, (char *)NULL);
		_exit(127);
	}
	bench_require(pid > 0 && wait4(pid, &status, 0, &usage) == pid && WIFEXITED(status) &&
			      WEXITSTATUS(status) < 2,
		      "pagewalk info failed (PGW_TOOL)");
	times->wall[round] = now_ns(CLOCK_MONOTONIC) - times->wall[round];
	times->cpu[round] = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
			    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
	if (*peak_kib < (uint64_t)usage.ru_maxrss)
		*peak_kib = (uint64_t)usage.ru_maxrss;
}

static void measure_info(const struct bench *bench, const char *elf)
{
	const char *set = "bench_dumps__64_GiB";
	struct times times = { 0 };
	struct dumpfile file;
	uint64_t peak = 0;
	double cpu, wall;

	dumpfile_make(&file, elf, packing_is_there(PACKING_ZSTD) ? PACKING_ZSTD : PACKING_ZLIB,
		      bench->is_smoke ? 0 : LARGE_HELD, bench->is_smoke ? 0 : LARGE_PAGES);
	for (unsigned i = 0; i < bench->nr_rounds; i++)
		run_info(file.path, &times, i, &peak);
	if (!bench->is_json)
		printf("%s (%llu pages in the file, %llu of them not zero)\n", set,
		       (unsigned long long)file.nr_held, (unsigned long long)file.nr_packed);
	cpu = bench_median(times.cpu, bench->nr_rounds) / 1e6;
	wall = bench_median(times.wall, bench->nr_rounds) / 1e6;
	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"info\",\"unit\":\"run\",\"clock\":\"wall\","
		       "\"ns\":%.0f,\"cpu_ns\":%.0f,\"goal_ms\":%d}\n",
		       set, wall * 1e6, cpu * 1e6, INFO_GOAL_MS);
	else
		printf("  %-28s %8.2f ms on the wall, %8.2f of CPUs, goal %d ms%s\n",
		       "pagewalk info", wall, cpu, INFO_GOAL_MS,
		       wall > INFO_GOAL_MS && cpu > INFO_GOAL_MS ? ": MISSED" : "");
	bench_print_peak(bench, set, "pagewalk info", peak, INFO_GOAL_KIB);
	dumpfile_remove(&file);
}

int main(int argc, char **argv)
{
	cpu_set_t allowed;
	struct bench bench;
	int first;

	bench_require(!sched_getaffinity(0, sizeof(allowed), &allowed), "no CPUs");
	first = bench_init(&bench, argc, argv);
	/* All CPUs are what is measured. */
	bench_require(!sched_setaffinity(0, sizeof(allowed), &allowed), "no CPUs");
	for (int i = first; i < argc && i < first + 1; i++) {
		for (unsigned packing = 0; packing <= _PACKING_MAX; packing++) {
			if (packing == _PACKING_MAX || packing_is_there(packing))
				measure(&bench, argv[argc - 1], packing);
		}
		measure_info(&bench, argv[argc - 1]);
	}
	return bench_done(&bench);
}
