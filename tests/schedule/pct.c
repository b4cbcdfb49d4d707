/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "schedule/search.h"

#define MAX_CHANGES 8
#define DELAY_ONE_IN 16

struct pct {
	const struct search_bound *bound;
	uint64_t random;
	unsigned priority[SCHEDULE_THREADS], lowest;
	unsigned change_at[MAX_CHANGES]; /* choices */
	unsigned nr_choices, most_choices, nr_delays;
};

/* splitmix64 */
static uint64_t random_next(struct pct *p)
{
	uint64_t z = p->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned highest(const struct pct *p, unsigned enabled)
{
	unsigned best = SCHEDULE_NONE;

	for (unsigned i = 0; i < SCHEDULE_THREADS; i++) {
		if ((enabled >> i & 1) &&
		    (best == SCHEDULE_NONE || p->priority[i] > p->priority[best]))
			best = i;
	}
	return best;
}

static unsigned pct_next(void *ctx, unsigned enabled, unsigned current)
{
	struct pct *p = ctx;

	p->nr_choices++;
	for (unsigned i = 0; i < p->bound->max_preemptions && i < MAX_CHANGES; i++) {
		if (p->change_at[i] == p->nr_choices && current != SCHEDULE_NONE)
			p->priority[current] = p->lowest--;
	}
	return highest(p, enabled);
}

static void pct_yields(void *ctx, unsigned thread)
{
	struct pct *p = ctx;

	p->priority[thread] = p->lowest--;
}

static bool pct_delays(void *ctx)
{
	struct pct *p = ctx;

	if (p->nr_delays == p->bound->max_delays || random_next(p) % DELAY_ONE_IN)
		return false;
	p->nr_delays++;
	return true;
}

static void pct_begin(struct pct *p, unsigned nr_threads)
{
	if (p->nr_choices > p->most_choices)
		p->most_choices = p->nr_choices;
	p->nr_choices = p->nr_delays = 0;
	p->lowest = 1000000;
	for (unsigned i = 0; i < nr_threads; i++)
		p->priority[i] = 1000001 + (unsigned)(random_next(p) % 1000000) * 4 + i;
	for (unsigned i = 0; i < MAX_CHANGES; i++)
		p->change_at[i] = 1 + (unsigned)(random_next(p) % (p->most_choices + 1));
}

bool search_pct(const struct search_world *world, const struct search_bound *bound, uint64_t seed,
		struct search_count *count)
{
	struct pct p = { .bound = bound, .random = seed };
	const struct schedule_driver driver = {
		.next = pct_next,
		.delays = pct_delays,
		.yields = pct_yields,
		.ctx = &p,
	};

	memset(count, 0, sizeof(*count));
	while (count->nr_schedules < bound->max_schedules) {
		pct_begin(&p, world->program.nr_threads);
		count->nr_schedules++;
		if (!search_one(world, &driver))
			return false;
		count->nr_choices += p.nr_choices;
	}
	count->nr_shared = schedule_nr_shared();
	return true;
}
