/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * test_schedule [--bound N] [--delays N] [--limit N] [--trace] [NAMES... | --replay LINE]
 *
 * Every interleaving of operations (A/B, or with a bound of their own A/B:3), up to a bound;
 * without names, of all pairs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schedule/world.h"

struct options {
	struct search_bound bound;
	bool is_traced;
	const char *replay;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The operations that a word A/B/... names. @return how many; 0: it makes no sense */
static unsigned parse_names(const char *word, const struct operation **operation)
{
	unsigned nr = 0;

	while (*word && *word != ' ' && *word != ':' && nr < SCHEDULE_THREADS) {
		size_t len = strcspn(word, "/: ");

		operation[nr] = NULL;
		for (const struct operation *o = operations; o->name; o++) {
			if (strlen(o->name) == len && !strncmp(o->name, word, len))
				operation[nr] = o;
		}
		if (!operation[nr++])
			return 0;
		word += len + (word[len] == '/');
	}
	return nr;
}

static void print_names(const struct operation *const *operation, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		printf("%s%s", i ? "/" : "", operation[i]->name);
}

static bool try_all(const struct operation *const *operation, unsigned nr,
		    const struct search_bound *bound)
{
	struct search_count count;
	double start = now();
	bool is_right;

	world_make(operation, nr);
	is_right = search_all(world_search(), bound, &count);
	print_names(operation, nr);
	printf(": %llu schedules, %llu cut, %llu choices, %u places, bound %u, %.2f s%s\n",
	       (unsigned long long)count.nr_schedules, (unsigned long long)count.nr_cut,
	       (unsigned long long)count.nr_choices, count.nr_shared, bound->max_preemptions,
	       now() - start, count.is_complete ? "" : ", not complete");
	if (!is_right) {
		printf("# %s\n# --replay '", schedule_failure());
		print_names(operation, nr);
		printf(" %s'\n", schedule_line());
	}
	fflush(stdout);
	return is_right;
}

static int replay(const struct options *options)
{
	const struct operation *operation[SCHEDULE_THREADS];
	unsigned nr = parse_names(options->replay, operation);
	const char *line = strchr(options->replay, ' ');
	struct schedule_driver *driver = schedule_parse(line ? line + 1 : "");

	if (!nr || !driver) {
		fprintf(stderr, "test_schedule: no such line: %s\n", options->replay);
		return 2;
	}
	driver->is_traced = options->is_traced;
	world_make(operation, nr);
	if (search_one(world_search(), driver)) {
		printf("nothing is wrong\n");
		return 0;
	}
	printf("%s\n", schedule_failure());
	return 1;
}

static bool try_every_pair(const struct search_bound *bound)
{
	bool is_right = true;

	for (const struct operation *a = operations; a->name; a++) {
		for (const struct operation *b = a; b->name; b++)
			is_right &= try_all((const struct operation *const[]){ a, b }, 2, bound);
	}
	return is_right;
}

static unsigned number(char **argv, int *i)
{
	return argv[*i + 1] ? (unsigned)strtoul(argv[++*i], NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	struct options options = { .bound = { .max_preemptions = 2, .max_delays = 1 } };
	bool is_right = true;
	int i = 1;

	schedule_init();
	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strcmp(argv[i], "--bound"))
			options.bound.max_preemptions = number(argv, &i);
		else if (!strcmp(argv[i], "--delays"))
			options.bound.max_delays = number(argv, &i);
		else if (!strcmp(argv[i], "--limit"))
			options.bound.max_schedules = number(argv, &i);
		else if (!strcmp(argv[i], "--trace"))
			options.is_traced = true;
		else if (!strcmp(argv[i], "--replay"))
			options.replay = argv[++i];
	}
	if (options.replay)
		return replay(&options);
	if (i == argc)
		return !try_every_pair(&options.bound);
	for (; i < argc; i++) {
		const struct operation *operation[SCHEDULE_THREADS];
		unsigned nr = parse_names(argv[i], operation);
		struct search_bound bound;

		if (!nr)
			fprintf(stderr, "test_schedule: no such operations: %s\n", argv[i]);
		bound = options.bound;
		if (strchr(argv[i], ':'))
			bound.max_preemptions = (unsigned)atoi(strchr(argv[i], ':') + 1);
		is_right &= nr && try_all(operation, nr, &bound);
	}
	return !is_right;
}
