/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is asked of all roots of an image, beside one look at the tables of each root: the commands'
 * library calls, without finding the roots.
 */
#include <stdio.h>
#include <string.h>

#include <pagewalk/analysis.h>

#include "harness.h"

#define BUDGET (UINT64_C(1) << 22)

struct subject {
	struct pgw_image *image;
	const struct pgw_root_info *roots;
	size_t nr;
	uint64_t nr_tables; /* distinct ones */
};

static uint64_t look(void *arg)
{
	const struct subject *subject = arg;

	for (size_t i = 0; i < subject->nr; i++) {
		struct pgw_integrity integrity;

		if (pgw_integrity(subject->image, &subject->roots[i], BUDGET, &integrity))
			return 0;
	}
	return subject->nr_tables;
}

static int ignore(const struct pgw_stats_root *root, void *arg)
{
	(void)root;
	(void)arg;
	return 0;
}

static uint64_t stats(void *arg)
{
	struct subject *subject = arg;
	struct pgw_stats_sums sums;

	if (pgw_stats(subject->image, subject->roots, subject->nr, BUDGET, ignore, NULL, &sums))
		return 0;
	subject->nr_tables = 0;
	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		subject->nr_tables += sums.nr_tables[level];
	return subject->nr_tables;
}

static void measure(struct bench *bench, const char *path)
{
	const char *shown = strrchr(path, '/');
	struct subject subject;
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "distinct table",
		.nr_cases = 2,
		.cases = {
			{ "a look at each root's tables", look, &subject },
			{ "stats", stats, &subject },
		},
		.goal = { 0, 1.0 },
	};

	snprintf(name, sizeof(name), "bench_answers__%s", shown ? shown + 1 : path);
	bench_require(!pgw_image_open(path, NULL, &subject.image, NULL), "cannot open an image");
	bench_require(!pgw_image_roots(subject.image, &subject.roots, &subject.nr) &&
			      stats(&subject),
		      "no roots");
	bench_run(bench, &set);
	pgw_image_close(subject.image);
}

int main(int argc, char **argv)
{
	struct bench bench;
	int first = bench_init(&bench, argc, argv);

	for (int i = first; i < argc; i++)
		measure(&bench, argv[i]);
	return bench_done(&bench);
}
