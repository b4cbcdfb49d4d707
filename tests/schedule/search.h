/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_SEARCH_H
#define TESTS_SCHEDULE_SEARCH_H

/*
 * Which schedules are tried.
 *
 * search_all(): each that takes a thread away from what it could go on with at most
 * max_preemptions times, and keeps back at most max_delays stores. One is left out when it
 * differs from another that is tried by the order of operations that do not conflict: after a
 * thread was taken away in front of an operation, and nothing that conflicts with it has
 * happened, the thread may not go on (it sleeps); for then it could as well have been taken away
 * after it, with as many preemptions.
 *
 * search_pct(): random ones. Each thread has a random priority, the highest that can goes on;
 * at max_preemptions random moments who runs becomes the lowest (Burckhardt and others, 2010).
 */

#include "schedule/schedule.h"

struct search_bound {
	unsigned max_preemptions, max_delays;
	uint64_t max_schedules; /* then it ends without being complete; 0: no limit */
};

struct search_count {
	uint64_t nr_schedules; /* to their end */
	uint64_t nr_cut;       /* given up: another one is the same */
	uint64_t nr_choices;   /* states at which there was something to choose */
	unsigned nr_shared;    /* places */
	bool is_complete;
};

/** Puts the world back; then, after a run that ended well, looks whether all is right. */
struct search_world {
	void (*restore)(void *arg);
	void (*check)(void *arg); /* calls schedule_fail() */
	struct schedule_program program;
};

/** @return false: schedule_failure() and schedule_line() say what went wrong */
bool search_all(const struct search_world *world, const struct search_bound *bound,
		struct search_count *count);
bool search_pct(const struct search_world *world, const struct search_bound *bound, uint64_t seed,
		struct search_count *count);
/** One schedule. */
bool search_one(const struct search_world *world, const struct schedule_driver *driver);

#endif
