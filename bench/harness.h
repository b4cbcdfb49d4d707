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
	bool is_wall;       /**< others work for it: time on the wall, not of this program's CPU */
	unsigned reference; /* index of a case */
	unsigned nr_cases;
	struct bench_case cases[6];
};

struct bench {
	bool is_json, is_smoke;
	unsigned nr_rounds;
	double min_ns; /* that a case runs in a round */
	bool has_failed;
};

/**
 * Read the options --json and --smoke (everything once, to see that it works), pin the
 * program to a CPU and print what it runs on.
 * @return the index of the first argument that is no option; ends the program on a wrong one
 */
int bench_init(struct bench *bench, int argc, char **argv);

/** Measure and print. */
void bench_run(struct bench *bench, const struct bench_set *set);

/** @return the program's exit status */
int bench_done(const struct bench *bench);

/** Say why and end the program if a condition does not hold. */
void bench_require(bool condition, const char *what);

#endif
