/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A schedule as one line: at which moment another thread went on than the obvious one (who runs
 * goes on; else the first who can), or a store was kept back. "120:1 144:d": at moment 120
 * thread 1, at moment 144 a store is kept back.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/schedule_priv.h"

#define MAX_LINE 4096

struct choice {
	unsigned clock, thread;
};

static struct choice made[SCHEDULE_MAX_LOG], wanted[SCHEDULE_MAX_LOG];
static unsigned nr_made, nr_wanted, nr_done;

void line_begin(void)
{
	nr_made = nr_done = 0;
}

void line_add(unsigned clock, unsigned thread)
{
	if (nr_made < SCHEDULE_MAX_LOG)
		made[nr_made] = (struct choice){ clock, thread };
	nr_made++;
}

const char *schedule_line(void)
{
	static char line[MAX_LINE];
	int at = 0;

	line[0] = '\0';
	for (unsigned i = 0; i < nr_made && i < SCHEDULE_MAX_LOG; i++) {
		int room = (int)sizeof(line) - at;

		if (made[i].thread == LINE_DELAY)
			at += snprintf(line + at, (size_t)room, "%s%u:d", i ? " " : "",
				       made[i].clock);
		else
			at += snprintf(line + at, (size_t)room, "%s%u:%u", i ? " " : "",
				       made[i].clock, made[i].thread);
	}
	return nr_made > SCHEDULE_MAX_LOG ? "(too long)" : line;
}

static bool is_now(unsigned *ret)
{
	if (nr_done == nr_wanted || wanted[nr_done].clock != run.clock)
		return false;
	*ret = wanted[nr_done++].thread;
	return true;
}

static unsigned replay_next(void *ctx, unsigned enabled, unsigned current)
{
	unsigned thread;

	(void)ctx;
	if (is_now(&thread) && thread < SCHEDULE_THREADS && (enabled >> thread & 1))
		return thread;
	return current != SCHEDULE_NONE ? current : (unsigned)__builtin_ctz(enabled);
}

static bool replay_delays(void *ctx)
{
	unsigned thread;

	(void)ctx;
	return is_now(&thread) && thread == LINE_DELAY;
}

struct schedule_driver *schedule_parse(const char *line)
{
	static struct schedule_driver driver = {
		.next = replay_next,
		.delays = replay_delays,
		.at_all_places = true,
	};

	for (nr_wanted = 0; *line && nr_wanted < SCHEDULE_MAX_LOG; nr_wanted++) {
		struct choice *choice = &wanted[nr_wanted];
		char *end;

		choice->clock = (unsigned)strtoul(line, &end, 10);
		if (end == line || *end != ':')
			return NULL;
		line = end + 1;
		if (*line == 'd') {
			choice->thread = LINE_DELAY;
			line++;
		} else {
			choice->thread = (unsigned)strtoul(line, &end, 10);
			if (end == line)
				return NULL;
			line = end;
		}
		line += *line == ' ';
	}
	return *line ? NULL : &driver;
}
