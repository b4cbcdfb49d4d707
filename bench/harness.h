/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

/*
 * Times of things that do the same in different ways. All cases of a set are
 * measured round by round, one after the other, on one CPU; so what disturbs a
 * round disturbs all of them, and the ratio of a case to the set's reference is
 * taken within each round.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The most rounds; the number of them that is usual. */
#define BENCH_MAX_ROUNDS 15

/** The most cases of a set. */
#define BENCH_MAX_CASES 8

/** Does the work once. @return how many units it did, 0 = it failed */
typedef uint64_t bench_fn(void *arg);

struct bench_case {
	const char *name;
	bench_fn *fn; /* NULL: left out */
	void *arg;
};

/** Things to compare. All do the same number of units, or the program ends. */
struct bench_set {
	const char *name;   /* bench_<what>__<format>_<shape> */
	const char *unit;   /* "leaf" */
	bool has_children;  /**< other processes work for it: their CPU time counts too */
	unsigned reference; /* index of a case */
	unsigned nr_cases;
	struct bench_case cases[BENCH_MAX_CASES];
	double goal[BENCH_MAX_CASES]; /**< of a case: the ratio that is wanted at most; 0 = none */
	double goal_ns[BENCH_MAX_CASES]; /**< ... the time of a unit; 0 = none */
};

struct bench {
	bool is_json, is_smoke;
	unsigned nr_rounds;
	double min_ns; /* that a case runs in a round */
	bool has_failed;
};

/**
 * Read the options --json, --smoke (everything once, to see that it works) and --quick (few
 * rounds), pin the program to a CPU and print what it runs on.
 * @return the index of the first argument that is no option; ends the program on a wrong one
 */
int bench_init(struct bench *bench, int argc, char **argv);

/** Measure and print. */
void bench_run(struct bench *bench, const struct bench_set *set);

/**
 * Print in text, behind a ratio, what was wanted and whether it is met: at most this, or, of things
 * that are to be as fast as several, at least. Nothing if goal is 0.
 */
void bench_print_goal(const struct bench *bench, double ratio, double goal, bool at_least);

/** The median; the values are sorted. */
double bench_median(double *values, unsigned nr);
/** The median absolute deviation: half of the values are no farther from the median. */
double bench_deviation(const double *values, unsigned nr, double median);

/** From here on, bench_peak_kib() counts anew. */
void bench_peak_reset(void);
/** The most memory that was resident, mapped files too, in KiB; 0 if the system does not tell. */
uint64_t bench_peak_kib(void);
/** Print the most memory that something took, and what it is to take at most (0 = nothing said). */
void bench_print_peak(const struct bench *bench, const char *set, const char *what, uint64_t kib,
		      uint64_t goal_kib);

/** @return the program's exit status */
int bench_done(const struct bench *bench);

/** Say why and end the program if a condition does not hold. */
void bench_require(bool condition, const char *what);

#endif
