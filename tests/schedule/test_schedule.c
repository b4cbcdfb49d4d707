/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * test_schedule [OPTION...] [NAMES...]
 *
 * Every interleaving of operations that run at the same time, up to a bound. NAMES are two to
 * four operations, fault/munmap, and perhaps a bound of their own, fault/munmap:3. Without NAMES:
 * all pairs, groups of three that wait for one lock, and the schedules that once found something.
 *
 * --bound N       take threads away from what they do N times (2)
 * --delays N      let N stores become visible late (1)
 * --limit N       try at most N schedules for each NAMES
 * --random N      N random ones for each NAMES; of none, for groups of three and four
 * --seed N        of the random ones
 * --replay LINE   one schedule, as it was printed: 'fault/munmap 12:1 40:0'
 * --trace         with --replay: print what each thread does
 *
 * Prints TAP, one line for each NAMES: schedules, those that were given up because another one
 * is the same, bound, seconds.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schedule/found.h"
#include "schedule/world.h"

struct options {
	struct search_bound bound;
	uint64_t nr_random, seed;
	const char *replay;
	bool is_traced;
};

/* Operations that run at the same time. */
struct group {
	const struct operation *operation[SCHEDULE_THREADS];
	unsigned nr, bound; /* bound 0: that of the options */
};

static struct options options = { .bound = { .max_preemptions = 2, .max_delays = 1 }, .seed = 1 };
static unsigned nr_cases, nr_failed;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct operation *find_operation(const char *name, size_t len)
{
	for (const struct operation *o = operations; o->name; o++) {
		if (strlen(o->name) == len && !strncmp(o->name, name, len))
			return o;
	}
	return NULL;
}

/* A/B or A/B:N, up to a space. @return false: it makes no sense */
static bool parse_group(const char *word, struct group *ret)
{
	*ret = (struct group){ .nr = 0 };
	while (*word && *word != ' ' && *word != ':') {
		size_t len = strcspn(word, "/: ");

		if (ret->nr == SCHEDULE_THREADS)
			return false;
		ret->operation[ret->nr] = find_operation(word, len);
		if (!ret->operation[ret->nr++])
			return false;
		word += len + (word[len] == '/');
	}
	if (*word == ':')
		ret->bound = (unsigned)strtoul(word + 1, NULL, 10);
	return ret->nr;
}

static void print_names(const struct group *group)
{
	for (unsigned i = 0; i < group->nr; i++)
		printf("%s%s", i ? "/" : "", group->operation[i]->name);
}

static void print_outcome(const struct group *group, bool is_right)
{
	nr_cases++;
	nr_failed += !is_right;
	printf("%s %u - ", is_right ? "ok" : "not ok", nr_cases);
	print_names(group);
}

static void print_failure(const struct group *group)
{
	printf("# %s\n# --replay '", schedule_failure());
	print_names(group);
	printf(" %s'\n", schedule_line());
}

static void try_group(const struct group *group)
{
	struct search_bound bound = options.bound;
	struct search_count count;
	double start = now();
	bool is_right;

	if (group->bound)
		bound.max_preemptions = group->bound;
	if (options.nr_random)
		bound.max_schedules = options.nr_random;
	world_make(group->operation, group->nr);
	is_right = options.nr_random ? search_pct(world_search(), &bound, options.seed, &count)
				     : search_all(world_search(), &bound, &count);
	print_outcome(group, is_right);
	printf(": %llu schedules, %llu cut, %llu choices, %u places, ",
	       (unsigned long long)count.nr_schedules, (unsigned long long)count.nr_cut,
	       (unsigned long long)count.nr_choices, count.nr_shared);
	if (options.nr_random)
		printf("seed %llu", (unsigned long long)options.seed);
	else
		printf("bound %u%s", bound.max_preemptions, count.is_complete ? "" : " cut off");
	printf(", %.2f s\n", now() - start);
	if (!is_right)
		print_failure(group);
	fflush(stdout);
}

static bool replay_line(const char *line, struct group *ret)
{
	const char *choices = strchr(line, ' ');
	struct schedule_driver *driver = schedule_parse(choices ? choices + 1 : "");

	if (!parse_group(line, ret) || !driver) {
		fprintf(stderr, "test_schedule: no such line: %s\n", line);
		exit(2);
	}
	driver->is_traced = options.is_traced;
	world_make(ret->operation, ret->nr);
	return search_one(world_search(), driver);
}

static int replay(void)
{
	struct group group;

	if (replay_line(options.replay, &group)) {
		printf("nothing is wrong\n");
		return 0;
	}
	printf("%s\n", schedule_failure());
	return 1;
}

/* Schedules that showed a fault, which was mended. */
static void try_found(void)
{
	for (size_t i = 0; found_lines[i]; i++) {
		struct group group;
		bool is_right = replay_line(found_lines[i], &group);

		nr_cases++;
		nr_failed += !is_right;
		printf("%s %u - found once: %s\n", is_right ? "ok" : "not ok", nr_cases,
		       found_lines[i]);
		if (!is_right)
			print_failure(&group);
	}
}

static void try_every_pair(void)
{
	for (const struct operation *a = operations; a->name; a++) {
		for (const struct operation *b = a; b->name; b++) {
			if (a->is_lock == b->is_lock)
				try_group(&(struct group){ .operation = { a, b }, .nr = 2 });
		}
	}
}

static void try_list(const char *const *names, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct group group;

		if (!parse_group(names[i], &group))
			abort();
		try_group(&group);
	}
}

/* Three that want one lock: with fewer, no two wait. */
static void try_every_queue(void)
{
	static const char *const queues[] = {
		"novma/novma/novma",
		"walk/novma/folio",
		"walk/munmap/novma",
		"write-often/write-often/read-often",
		"write-then-read/write-often/try",
		"read-plain/read-plain/try-then-write",
		"read-plain/write-often/try",
	};

	try_list(queues, sizeof(queues) / sizeof(queues[0]));
}

/* Groups of three and four, of those that have most to do with each other. */
static void try_every_crowd(void)
{
	static const char *const crowds[] = {
		"fault/munmap/truncate",
		"fault-anon/dontneed/dontneed",
		"fault-anon/dontneed/guard",
		"walk/dontneed/fault-anon",
		"mapping/munmap/fault",
		"fault/mremap/truncate",
		"fault-moved/mremap/munmap",
		"novma/munmap/fault",
		"folio/truncate/collapse",
		"protect/fault-anon/dontneed",
		"vmap/kernel-collapse/dump",
		"optimise/restore/hot-remove",
		"novma/novma/novma",
		"walk/munmap/novma/fault",
		"fault/fault/truncate/munmap",
		"fault-anon/fault-anon/dontneed/dontneed",
		"optimise/restore/vmap/dump",
		"write-often/read-often/write-then-read/try",
		"write-often/write-often/write-often/read-often",
		"read-plain/read-plain/try-then-write/try",
		"read-plain/write-then-read/write-often/try",
	};

	try_list(crowds, sizeof(crowds) / sizeof(crowds[0]));
}

static uint64_t number(const char *word)
{
	return word ? strtoull(word, NULL, 10) : 0;
}

/* @return the index of the first word that is no option */
static int parse_options(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		const char *name = argv[i] + 2;

		if (!strcmp(name, "trace"))
			options.is_traced = true;
		else if (!strcmp(name, "replay"))
			options.replay = argv[++i];
		else if (!strcmp(name, "bound"))
			options.bound.max_preemptions = (unsigned)number(argv[++i]);
		else if (!strcmp(name, "delays"))
			options.bound.max_delays = (unsigned)number(argv[++i]);
		else if (!strcmp(name, "limit"))
			options.bound.max_schedules = number(argv[++i]);
		else if (!strcmp(name, "random"))
			options.nr_random = number(argv[++i]);
		else if (!strcmp(name, "seed"))
			options.seed = number(argv[++i]);
		else
			i = argc + 1;
	}
	if (i > argc) {
		fprintf(stderr, "test_schedule: no such option\n");
		exit(2);
	}
	return i;
}

int main(int argc, char **argv)
{
	int i = parse_options(argc, argv);

	schedule_init();
	if (options.replay)
		return replay();
	if (i == argc && options.nr_random) {
		try_every_crowd();
	} else if (i == argc) {
		try_found();
		try_every_pair();
		try_every_queue();
	}
	for (; i < argc; i++) {
		struct group group;

		if (!parse_group(argv[i], &group)) {
			fprintf(stderr, "test_schedule: no such operations: %s\n", argv[i]);
			return 2;
		}
		try_group(&group);
	}
	printf("1..%u\n", nr_cases);
	return nr_failed != 0;
}
