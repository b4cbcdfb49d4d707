/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "harness.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>

#define QUICK_ROUNDS 3
#define MIN_NS 10e6

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* A case's rounds: ns for one unit, and as a multiple of the reference's in the same round. */
struct sample {
	uint64_t nr_units, nr_runs;
	double ns[BENCH_MAX_ROUNDS], ratio[BENCH_MAX_ROUNDS];
};

void bench_require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* The value of a line "key : value" of /proc/cpuinfo. */
static void read_cpu_model(char *ret, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256], *colon;

	snprintf(ret, size, "unknown CPU");
	while (file && fgets(line, sizeof(line), file)) {
		colon = strchr(line, ':');
		if (!colon || strncmp(line, "model name", 10) != 0)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(ret, size, "%s", colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

/* The last one that may be used. @return its number, or -1 */
static int pin(void)
{
	cpu_set_t allowed, one;
	size_t cpu = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -1;
	while (cpu > 0 && !CPU_ISSET(cpu, &allowed))
		cpu--;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -1 : (int)cpu;
}

static void print_machine(const struct bench *bench)
{
	struct utsname name;
	double load = 0;
	char model[128];
	int cpu = pin();

	read_cpu_model(model, sizeof(model));
	uname(&name);
	getloadavg(&load, 1);
	if (bench->is_json)
		printf("{\"machine\":\"%s\",\"arch\":\"%s\",\"kernel\":\"%s\",\"compiler\":\"%s\","
		       "\"flags\":\"%s\",\"pinned_cpu\":%d,\"load\":%.2f,\"rounds\":%u}\n",
		       model, name.machine, name.release, COMPILER, BENCH_FLAGS, cpu, load,
		       bench->nr_rounds);
	else
		printf("# %s, %s, Linux %s, %s, %s, CPU %d, load %.2f\n", model, name.machine,
		       name.release, COMPILER, BENCH_FLAGS, cpu, load);
}

int bench_init(struct bench *bench, int argc, char **argv)
{
	int i = 1;

	*bench = (struct bench){ .nr_rounds = BENCH_MAX_ROUNDS, .min_ns = MIN_NS };
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			bench->is_json = true;
		} else if (strcmp(argv[i], "--smoke") == 0) {
			bench->is_smoke = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			bench->nr_rounds = QUICK_ROUNDS;
		} else {
			fprintf(stderr, "usage: %s [--json] [--smoke] [--quick] [IMAGE]...\n",
				argv[0]);
			exit(2);
		}
	}
	if (bench->is_smoke) {
		bench->nr_rounds = 1;
		bench->min_ns = 0;
	}
	print_machine(bench);
	return i;
}

static double timeval_ns(const struct timeval *time)
{
	return (double)time->tv_sec * 1e9 + (double)time->tv_usec * 1e3;
}

/* CPU time leaves out what the machine does beside. */
static double now_ns(const struct bench_set *set)
{
	struct timespec time;
	struct rusage usage = { 0 };

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	if (set->has_children)
		getrusage(RUSAGE_CHILDREN, &usage);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec + timeval_ns(&usage.ru_utime) +
	       timeval_ns(&usage.ru_stime);
}

/* One round of a case. @return ns for a unit */
static double time_case(const struct bench_set *set, const struct bench_case *c,
			const struct sample *sample)
{
	double start = now_ns(set);

	for (uint64_t i = 0; i < sample->nr_runs; i++)
		bench_require(c->fn(c->arg) == sample->nr_units,
			      "a case did something else this time");
	return (now_ns(set) - start) / (double)(sample->nr_runs * sample->nr_units);
}

/* Run it until it is warm and it is known how often it has to run. */
static void warm_up(const struct bench *bench, const struct bench_set *set,
		    const struct bench_case *c, struct sample *sample)
{
	double start, ns;

	sample->nr_units = c->fn(c->arg);
	start = now_ns(set);
	if (!bench->is_smoke && sample->nr_units)
		c->fn(c->arg);
	ns = now_ns(set) - start;
	sample->nr_runs = ns < bench->min_ns ? (uint64_t)(bench->min_ns / (ns + 1)) + 1 : 1;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

double bench_median(double *values, unsigned nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return nr % 2 ? values[nr / 2] : (values[nr / 2 - 1] + values[nr / 2]) / 2;
}

double bench_deviation(const double *values, unsigned nr, double middle)
{
	double away[BENCH_MAX_ROUNDS];

	for (unsigned i = 0; i < nr; i++)
		away[i] = values[i] > middle ? values[i] - middle : middle - values[i];
	return bench_median(away, nr);
}

void bench_print_goal(const struct bench *bench, double ratio, double goal, bool at_least)
{
	bool is_met = at_least ? ratio >= goal : ratio <= goal;

	if (!bench->is_json && goal > 0)
		printf(", goal %s %.2f: %s", at_least ? ">=" : "<=", goal,
		       is_met ? "met" : "MISSED");
}

static void print_case(const struct bench *bench, const struct bench_set *set, unsigned index,
		       struct sample *sample)
{
	const struct bench_case *c = &set->cases[index];
	double goal = set->goal[index];
	double ns = bench_median(sample->ns, bench->nr_rounds);
	double ratio = bench_median(sample->ratio, bench->nr_rounds);
	double away = bench_deviation(sample->ns, bench->nr_rounds, ns);
	double least = sample->ns[0], most = sample->ns[bench->nr_rounds - 1];

	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"%s\",\"unit\":\"%s\",\"clock\":\"%s\","
		       "\"units\":%" PRIu64
		       ",\"ns\":%.4f,\"mad\":%.4f,\"min\":%.4f,\"max\":%.4f,\"reference\":\"%s\","
		       "\"ratio\":%.4f,\"goal\":%.2f}\n",
		       set->name, c->name, set->unit,
		       set->has_children ? "cpu with children" : "cpu", sample->nr_units, ns, away,
		       least, most, set->cases[set->reference].name, ratio, goal);
	else
		printf("  %-28s %11.2f ns/%s +- %.2f (%.2f to %.2f)  x %.2f", c->name, ns,
		       set->unit, away, least, most, ratio);
	bench_print_goal(bench, ratio, goal, false);
	if (!bench->is_json && set->goal_ns[index] > 0)
		printf(", goal <= %.0f us: %s", set->goal_ns[index] / 1e3,
		       ns <= set->goal_ns[index] ? "met" : "MISSED");
	if (!bench->is_json)
		printf("\n");
}

void bench_run(struct bench *bench, const struct bench_set *set)
{
	struct sample samples[BENCH_MAX_CASES] = { 0 };

	for (unsigned i = 0; i < set->nr_cases; i++) {
		if (!set->cases[i].fn)
			continue;
		warm_up(bench, set, &set->cases[i], &samples[i]);
		if (samples[i].nr_units && samples[i].nr_units == samples[set->reference].nr_units)
			continue;
		fprintf(stderr, "bench: %s: %s did %" PRIu64 " units, %s %" PRIu64 "\n", set->name,
			set->cases[i].name, samples[i].nr_units, set->cases[set->reference].name,
			samples[set->reference].nr_units);
		bench->has_failed = true;
		return;
	}
	for (unsigned round = 0; round < bench->nr_rounds; round++) {
		for (unsigned i = 0; i < set->nr_cases; i++) {
			if (set->cases[i].fn)
				samples[i].ns[round] = time_case(set, &set->cases[i], &samples[i]);
		}
		for (unsigned i = 0; i < set->nr_cases; i++)
			samples[i].ratio[round] =
				samples[i].ns[round] / samples[set->reference].ns[round];
	}
	if (!bench->is_json)
		printf("%s (%" PRIu64 "; x: times %s)\n", set->name,
		       samples[set->reference].nr_units, set->cases[set->reference].name);
	for (unsigned i = 0; i < set->nr_cases; i++) {
		if (set->cases[i].fn)
			print_case(bench, set, i, &samples[i]);
	}
	fflush(stdout);
}

void bench_peak_reset(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "w");

	if (!file)
		return;
	fputs("5", file);
	fclose(file);
}

uint64_t bench_peak_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	uint64_t kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file) &&
	       sscanf(line, "VmHWM: %" SCNu64, &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib;
}

void bench_print_peak(const struct bench *bench, const char *set, const char *what, uint64_t kib,
		      uint64_t goal_kib)
{
	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"%s\",\"peak_kib\":%" PRIu64
		       ",\"goal_kib\":%" PRIu64 "}\n",
		       set, what, kib, goal_kib);
	else
		printf("  %-28s %11" PRIu64 " KiB resident at most%s\n", what, kib,
		       goal_kib && kib > goal_kib ? ": MISSED" : "");
	fflush(stdout);
}

int bench_done(const struct bench *bench)
{
	return bench->has_failed;
}
