/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "harness.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#define NR_ROUNDS 15
#define MIN_NS 10e6
#define MAX_CASES 6

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* A case's rounds: ns for one unit, and as a multiple of the reference's in the same round. */
struct sample {
	uint64_t nr_units, nr_runs;
	double ns[NR_ROUNDS], ratio[NR_ROUNDS];
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

	*bench = (struct bench){ .nr_rounds = NR_ROUNDS, .min_ns = MIN_NS };
	for (; i < argc && argv[i][0] == '-'; i++) {
		bench->is_json |= strcmp(argv[i], "--json") == 0;
		bench->is_smoke |= strcmp(argv[i], "--smoke") == 0;
		if (strcmp(argv[i], "--json") != 0 && strcmp(argv[i], "--smoke") != 0) {
			fprintf(stderr, "usage: %s [--json] [--smoke] [IMAGE]...\n", argv[0]);
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

/* CPU time leaves out what the machine does beside. */
static double now_ns(const struct bench_set *set)
{
	struct timespec time;

	clock_gettime(set->is_wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
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

static double median(double *values, unsigned nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return nr % 2 ? values[nr / 2] : (values[nr / 2 - 1] + values[nr / 2]) / 2;
}

/* Median absolute deviation: half of the rounds were no farther from the median. */
static double deviation(const double *values, unsigned nr, double middle)
{
	double away[NR_ROUNDS];

	for (unsigned i = 0; i < nr; i++)
		away[i] = values[i] > middle ? values[i] - middle : middle - values[i];
	return median(away, nr);
}

static void print_case(const struct bench *bench, const struct bench_set *set,
		       const struct bench_case *c, struct sample *sample)
{
	double ns = median(sample->ns, bench->nr_rounds);
	double ratio = median(sample->ratio, bench->nr_rounds);
	double away = deviation(sample->ns, bench->nr_rounds, ns);
	double least = sample->ns[0], most = sample->ns[bench->nr_rounds - 1];

	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"%s\",\"unit\":\"%s\",\"clock\":\"%s\","
		       "\"units\":%" PRIu64
		       ",\"ns\":%.4f,\"mad\":%.4f,\"min\":%.4f,\"max\":%.4f,\"reference\":\"%s\","
		       "\"ratio\":%.4f}\n",
		       set->name, c->name, set->unit, set->is_wall ? "wall" : "cpu",
		       sample->nr_units, ns, away, least, most, set->cases[set->reference].name,
		       ratio);
	else
		printf("  %-28s %11.2f ns/%s +- %.2f (%.2f to %.2f)  x %.2f\n", c->name, ns,
		       set->unit, away, least, most, ratio);
}

void bench_run(struct bench *bench, const struct bench_set *set)
{
	struct sample samples[MAX_CASES] = { 0 };

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
			print_case(bench, set, &set->cases[i], &samples[i]);
	}
	fflush(stdout);
}

int bench_done(const struct bench *bench)
{
	return bench->has_failed;
}
