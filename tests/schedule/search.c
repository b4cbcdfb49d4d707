/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/search.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_DEPTH 4096

/* A choice that was made, and how many there were. */
struct branch {
	uint8_t nr, at;
};

struct search {
	const struct search_bound *bound;
	struct branch branch[MAX_DEPTH];
	unsigned nr_branches; /* that this schedule begins with; then those that it adds */
	unsigned depth;       /* of these have been made */
	unsigned nr_preemptions, nr_delays;
	unsigned asleep; /* threads */
	struct schedule_op sleeps_before[SCHEDULE_THREADS];
	uint64_t nr_choices;
};

/* The next choice among nr, which are the same each time that the schedule begins so. */
static unsigned choose(struct search *s, unsigned nr)
{
	struct branch *branch = &s->branch[s->depth];

	if (nr == 1)
		return 0;
	if (s->depth == s->nr_branches) {
		if (s->nr_branches == MAX_DEPTH) {
			schedule_fail("more than %d choices in one schedule", MAX_DEPTH);
			return 0;
		}
		*branch = (struct branch){ .nr = (uint8_t)nr };
		s->nr_branches++;
		s->nr_choices++;
	} else if (branch->nr != nr) {
		fprintf(stderr, "search: the same choices give another run\n");
		abort();
	}
	s->depth++;
	return branch->at;
}

static unsigned search_next(void *ctx, unsigned enabled, unsigned current)
{
	struct search *s = ctx;
	unsigned option[SCHEDULE_THREADS], nr = 0, next;
	bool can_stay = current != SCHEDULE_NONE;

	if (can_stay)
		option[nr++] = current;
	for (unsigned i = 0; i < SCHEDULE_THREADS; i++) {
		if (!(enabled >> i & 1) || (s->asleep >> i & 1) || i == current)
			continue;
		if (!can_stay || s->nr_preemptions < s->bound->max_preemptions)
			option[nr++] = i;
	}
	if (!nr)
		return SCHEDULE_NONE;
	next = option[choose(s, nr)];
	if (can_stay && next != current) {
		s->nr_preemptions++;
		s->asleep |= 1U << current;
		s->sleeps_before[current] = *schedule_pending(current);
	}
	return next;
}

static bool search_delays(void *ctx)
{
	struct search *s = ctx;

	if (s->nr_delays == s->bound->max_delays || !choose(s, 2))
		return false;
	s->nr_delays++;
	return true;
}

static bool conflict(const struct schedule_op *a, const struct schedule_op *b)
{
	return (a->is_write || b->is_write) && a->place < b->place + b->nr &&
	       b->place < a->place + a->nr;
}

static void search_does(void *ctx, unsigned thread, const struct schedule_op *op)
{
	struct search *s = ctx;

	for (unsigned i = 0; s->asleep >> i; i++) {
		if (i != thread && (s->asleep >> i & 1) && conflict(&s->sleeps_before[i], op))
			s->asleep &= ~(1U << i);
	}
}

/* Go back to the last choice that has another way. @return false: there is none */
static bool backtrack(struct search *s)
{
	while (s->nr_branches) {
		struct branch *last = &s->branch[s->nr_branches - 1];

		if (++last->at < last->nr)
			return true;
		s->nr_branches--;
	}
	return false;
}

bool search_one(const struct search_world *world, const struct schedule_driver *driver)
{
	world->restore(world->program.arg);
	if (schedule_run(&world->program, driver) == SCHEDULE_DONE)
		world->check(world->program.arg);
	return !schedule_failure();
}

/* Once through all, with the places that are known to be shared so far, and become it. */
static bool pass(const struct search_world *world, struct search *s, struct search_count *count)
{
	const struct schedule_driver driver = {
		.next = search_next,
		.delays = search_delays,
		.does = search_does,
		.ctx = s,
		.is_search = true,
	};

	s->nr_branches = 0;
	do {
		if (s->bound->max_schedules &&
		    count->nr_schedules + count->nr_cut >= s->bound->max_schedules) {
			count->is_complete = false;
			return true;
		}
		s->depth = s->nr_preemptions = s->nr_delays = s->asleep = 0;
		world->restore(world->program.arg);
		switch (schedule_run(&world->program, &driver)) {
		case SCHEDULE_DONE:
			world->check(world->program.arg);
			count->nr_schedules++;
			break;
		case SCHEDULE_GIVEN_UP:
			count->nr_cut++;
			break;
		default:
			count->nr_schedules++;
			break;
		}
		if (schedule_failure())
			return false;
		/* What was added after a choice that is now made otherwise has not happened. */
		s->nr_branches = s->depth;
	} while (backtrack(s));
	return true;
}

bool search_all(const struct search_world *world, const struct search_bound *bound,
		struct search_count *count)
{
	static struct search s;
	bool is_right;
	unsigned nr_shared;

	*count = (struct search_count){ .is_complete = true };
	s.bound = bound;
	s.nr_choices = 0;
	/* A place that turns out to be shared late may have been passed by before. */
	do {
		nr_shared = schedule_nr_shared();
		schedule_keep_places();
		is_right = pass(world, &s, count);
	} while (is_right && count->is_complete && schedule_nr_shared() != nr_shared);
	count->nr_choices = s.nr_choices;
	count->nr_shared = schedule_nr_shared();
	return is_right;
}
