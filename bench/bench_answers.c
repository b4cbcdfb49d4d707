/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is asked of all roots of an image, beside one look at the tables of each root: the commands'
 * library calls, without finding the roots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/analysis.h>
#include <pagewalk/audit.h>
#include <pagewalk/hosted.h>

#include "harness.h"

#define BUDGET (UINT64_C(1) << 22)

struct subject {
	struct pgw_image *image;
	const struct pgw_root_info *roots;
	size_t nr;
	uint64_t nr_tables; /* distinct ones */
	struct pgw_find_index *index;
};

struct kernel {
	struct pgw_mm *mm;
	uint64_t nr_pages;
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

static int ignore_found(const struct pgw_found *found, void *arg)
{
	(void)found;
	(void)arg;
	return 0;
}

static struct pgw_find_args find_args(const struct subject *subject)
{
	return (struct pgw_find_args){ .platform = pgw_hosted_platform(),
				       .image = subject->image,
				       .roots = subject->roots,
				       .nr_roots = subject->nr,
				       .pa_first = subject->roots[0].root.pa,
				       .pa_last = subject->roots[0].root.pa,
				       .max_tables = BUDGET,
				       .fn = ignore_found };
}

/* Who maps the kernel's first root page. */
static uint64_t find(void *arg)
{
	const struct subject *subject = arg;
	struct pgw_find_args args = find_args(subject);
	struct pgw_find_sums sums;

	return pgw_find(&args, &sums) ? 0 : sums.nr_tables;
}

/* The same of every root's page. */
static uint64_t find_each(const struct subject *subject, const struct pgw_find_index *index)
{
	struct pgw_find_args args = find_args(subject);
	struct pgw_find_sums sums;

	args.index = index;
	for (size_t i = 0; i < subject->nr; i++) {
		args.pa_first = args.pa_last = subject->roots[i].root.pa;
		if (pgw_find(&args, &sums) || !sums.nr_found)
			return 0;
	}
	return subject->nr;
}

static uint64_t find_without(void *arg)
{
	return find_each(arg, NULL);
}

static uint64_t find_with(void *arg)
{
	const struct subject *subject = arg;

	return find_each(subject, subject->index);
}

static int take_bytes(const void *bytes, size_t size, void *arg)
{
	FILE *file = arg;

	if (!file)
		return 0;
	return fwrite(bytes, 1, size, file) == size ? 0 : -PGW_EIO;
}

static const struct pgw_find_index_of bench_of = { 1, 1 };

static uint64_t make_index(void *arg)
{
	const struct subject *subject = arg;
	struct pgw_find_args args = find_args(subject);

	return pgw_find_index_write(&args, &bench_of, take_bytes, NULL) ? 0 : subject->nr_tables;
}

static void open_index(struct subject *subject)
{
	struct pgw_find_args args = find_args(subject);
	char path[] = "/tmp/bench_answers.XXXXXX";
	int fd = mkstemp(path);
	FILE *file;

	bench_require(fd >= 0, "no temporary file");
	file = fdopen(fd, "w");
	bench_require(file && !pgw_find_index_write(&args, &bench_of, take_bytes, file) &&
			      !fclose(file) &&
			      !pgw_find_index_open(path, &args, &bench_of, &subject->index, NULL),
		      "no index");
	unlink(path);
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

static void measure_index(struct bench *bench, struct subject *subject, const char *shown)
{
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "distinct table",
		.nr_cases = 2,
		.cases = {
			{ "stats, which reads each once", stats, subject },
			{ "an index of find is made", make_index, subject },
		},
		.goal = { 0, 3.0 },
	};
	struct bench_set lookups = {
		.name = name,
		.unit = "lookup",
		.nr_cases = 2,
		.cases = {
			{ "find", find_without, subject },
			{ "find with an index", find_with, subject },
		},
		.goal = { 0, 0.02 },
		.goal_ns = { 0, 20e3 },
	};

	snprintf(name, sizeof(name), "bench_answers_index__%s", shown);
	open_index(subject);
	bench_run(bench, &set);
	snprintf(name, sizeof(name), "bench_answers_lookup__%s", shown);
	bench_run(bench, &lookups);
	pgw_find_index_close(subject->index);
}

/* Bytes that the kernel's tables map; both sides are the same. */
static uint64_t diff(void *arg)
{
	const struct kernel *kernel = arg;
	struct pgw_diff_args args = { .before = kernel->mm, .after = kernel->mm };
	struct pgw_diff_summary sums = { 0 };

	pgw_format_region_range(pgw_mm_format(kernel->mm), PGW_REGION_KERNEL, &args.first,
				&args.last);
	return pgw_diff(&args, &sums) ? 0 : sums.same_bytes >> 12;
}

static int ignore_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	(void)extents;
	(void)nr;
	(void)arg;
	return 0;
}

static uint64_t two_scans(void *arg)
{
	const struct kernel *kernel = arg;
	uint64_t first, last;

	pgw_format_region_range(pgw_mm_format(kernel->mm), PGW_REGION_KERNEL, &first, &last);
	for (int i = 0; i < 2; i++) {
		if (pgw_scan_blocks(kernel->mm, first, last, ignore_extents, NULL, NULL))
			return 0;
	}
	return kernel->nr_pages;
}

static void measure_diff(struct bench *bench, struct pgw_image *image, const char *shown)
{
	struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform(),
					   .phys = pgw_image_phys(image),
					   .region = PGW_REGION_KERNEL };
	struct pgw_root_info root;
	struct kernel kernel;
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "mapped page",
		.nr_cases = 2,
		.cases = {
			{ "two scans", two_scans, &kernel },
			{ "diff", diff, &kernel },
		},
		.goal = { 0, 3.0 },
	};

	snprintf(name, sizeof(name), "bench_answers_diff__%s", shown);
	bench_require(!pgw_image_kernel_root(image, &root, NULL), "no kernel");
	args.format = root.format;
	args.root = root.root;
	args.control = root.control;
	bench_require(!pgw_mm_attach(&args, &kernel.mm), "no mm");
	kernel.nr_pages = 1;
	kernel.nr_pages = diff(&kernel);
	bench_run(bench, &set);
	pgw_mm_free(kernel.mm);
}

/* ---- audit, beside a dump of all roots ---- */

static int count_extent(const struct pgw_extent *extent, void *arg)
{
	uint64_t *nr = (uint64_t *)arg;

	(void)extent;
	++*nr;
	return 0;
}

static bool dump_region(const struct subject *subject, size_t index,
			const struct pgw_region *region)
{
	const struct pgw_root_info *root = &subject->roots[index];
	const struct pgw_mm_attach_args attach = { .platform = pgw_hosted_platform(),
						   .format = root->format,
						   .phys = pgw_image_phys(subject->image),
						   .root = root->root,
						   .region = region->kind,
						   .control = root->control };
	uint64_t nr = 0;
	struct pgw_dump_args args = {
		.first = region->first, .last = region->last, .fn = count_extent, .arg = &nr
	};
	struct pgw_dump_summary summary = { 0 };
	bool is_done;

	if (pgw_mm_attach(&attach, &args.mm))
		return false;
	is_done = !pgw_dump(&args, &summary);
	pgw_mm_free(args.mm);
	return is_done;
}

static uint64_t dump_all(void *arg)
{
	const struct subject *subject = arg;

	for (size_t i = 0; i < subject->nr; i++) {
		const struct pgw_root_info *root = &subject->roots[i];
		const struct pgw_region *region = pgw_format_regions(root->format);

		for (; region->name; region++) {
			bool has =
				region->kind == PGW_REGION_USER ? root->has_user : root->has_kernel;

			if (has && !dump_region(subject, i, region))
				return 0;
		}
	}
	return subject->nr_tables;
}

static int ignore_finding(const struct pgw_audit_finding *finding, void *arg)
{
	(void)finding;
	(void)arg;
	return 0;
}

static uint64_t audit(void *arg)
{
	const struct subject *subject = arg;
	const struct pgw_audit_args args = { .platform = pgw_hosted_platform(),
					     .image = subject->image,
					     .roots = subject->roots,
					     .nr_roots = subject->nr,
					     .max_tables = BUDGET,
					     .max_findings = 1000,
					     .finding = ignore_finding };
	struct pgw_audit_sums sums;

	return pgw_audit(&args, &sums) ? 0 : sums.nr_tables;
}

static void measure_audit(struct bench *bench, struct subject *subject, const char *shown)
{
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "distinct table",
		.nr_cases = 2,
		.cases = {
			{ "dumps of all roots", dump_all, subject },
			{ "audit", audit, subject },
		},
		.goal = { 0, 5.0 },
	};

	snprintf(name, sizeof(name), "bench_answers_audit__%s", shown);
	bench_run(bench, &set);
}

static void measure(struct bench *bench, const char *path)
{
	const char *shown = strrchr(path, '/');
	struct subject subject;
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "distinct table",
		.nr_cases = 3,
		.cases = {
			{ "a look at each root's tables", look, &subject },
			{ "stats", stats, &subject },
			{ "find", find, &subject },
		},
		.goal = { 0, 1.0, 1.0 },
	};

	snprintf(name, sizeof(name), "bench_answers__%s", shown ? shown + 1 : path);
	bench_require(!pgw_image_open(path, NULL, &subject.image, NULL), "cannot open an image");
	bench_require(!pgw_image_roots(subject.image, &subject.roots, &subject.nr) &&
			      stats(&subject),
		      "no roots");
	bench_run(bench, &set);
	measure_index(bench, &subject, shown ? shown + 1 : path);
	measure_diff(bench, subject.image, shown ? shown + 1 : path);
	measure_audit(bench, &subject, shown ? shown + 1 : path);
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
