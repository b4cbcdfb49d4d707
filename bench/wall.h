/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_WALL_H
#define BENCH_WALL_H

/*
 * Times of what works on all CPUs, in this process or in the command: on the wall, which is what one
 * waits for, and of all CPUs, which tells when the machine had other work.
 */

#include "harness.h"

struct bench_times {
	double wall[BENCH_MAX_ROUNDS], cpu[BENCH_MAX_ROUNDS]; /* ns */
	uint64_t peak_kib; /* of the command: the most that was resident */
};

/** Around a round, all threads of this process. */
void bench_times_begin(struct bench_times *times, unsigned round);
void bench_times_end(struct bench_times *times, unsigned round);

/**
 * A round of the command that PGW_TOOL names, from its start to its end, its output thrown away.
 * @param argv "pagewalk" and the rest; ended by NULL. A status of 2 or more ends the program
 */
void bench_times_command(struct bench_times *times, unsigned round, const char *const *argv);

/**
 * Print what a case took, and as a multiple of the reference's in the same rounds. A goal is met if
 * either clock says so: work of others lengthens the one, a second thread's start the other.
 * @param goal 0: none
 */
void bench_times_print(const struct bench *bench, const char *set, const char *name,
		       struct bench_times *times, const struct bench_times *reference, double goal);

/** The same of what shall take so many ms, whatever else takes. */
void bench_times_print_ms(const struct bench *bench, const char *set, const char *name,
			  struct bench_times *times, double goal_ms);

#endif
