/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a file's name to its roots: open, find, close. Of each image as it is, and
 * of 1 GiB of raw memory that is made of them, the largest first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/image.h>
#include <pagewalk/virt.h>

#include "harness.h"
#include "rawfile.h"

#define RAW_SIZE (UINT64_C(1) << 30)
#define RAW_GOAL 1.5
#define ALL_GOAL 1.3
#define MIN_GOAL_SIZE (UINT64_C(64) << 20)
#define PEAK_GOAL_KIB 16384

struct file {
	const char *path;
	uint64_t size;
};

static uint64_t find_roots(void *arg)
{
	const struct file *file = arg;
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	size_t nr;

	if (pgw_image_open(file->path, NULL, &image, NULL))
		return 0;
	if (pgw_image_roots(image, &roots, &nr))
		nr = 0;
	pgw_image_close(image);
	return nr ? file->size : 0;
}

/* Those of virtual machines and devices, too. */
static uint64_t find_all_roots(void *arg)
{
	const struct file *file = arg;
	const struct pgw_foreign *foreign;
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	uint64_t nr_blocked;
	size_t nr;

	if (pgw_image_open(file->path, NULL, &image, NULL))
		return 0;
	if (pgw_image_foreign(image, &foreign, &nr, &nr_blocked) ||
	    pgw_image_roots(image, &roots, &nr))
		nr = 0;
	pgw_image_close(image);
	return nr ? file->size : 0;
}

static uint64_t find_kernel_root(void *arg)
{
	const struct file *file = arg;
	struct pgw_root_info root;
	struct pgw_image *image;
	int status;

	if (pgw_image_open(file->path, NULL, &image, NULL))
		return 0;
	status = pgw_image_kernel_root(image, &root, NULL);
	pgw_image_close(image);
	return status ? 0 : file->size;
}

static uint64_t plain_read(void *arg)
{
	const struct file *file = arg;

	return rawfile_read(file->path);
}

static void measure(struct bench *bench, const char *path, const char *shown, double goal)
{
	struct file file = { .path = path, .size = rawfile_read(path) };
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "byte",
		.nr_cases = 4,
		.cases = {
			{ "plain read of the file", plain_read, &file },
			{ "roots", find_roots, &file },
			{ "the kernel's root", find_kernel_root, &file },
			{ "roots, machines' and devices', too", find_all_roots, &file },
		},
		.goal = { 0, goal, 0, goal > 0 || file.size < MIN_GOAL_SIZE ? 0 : ALL_GOAL },
	};

	snprintf(name, sizeof(name), "bench_roots__%s", shown);
	bench_peak_reset();
	bench_run(bench, &set);
	bench_print_peak(bench, name, "all of this", bench_peak_kib(), PEAK_GOAL_KIB);
}

struct source {
	struct pgw_image *image;
	uint64_t size;
};

/* Images of one size stay in the order they are given in: sorting is by insertion. */
static void sort_sources(struct source *sources, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		for (size_t j = i; j && sources[j - 1].size < sources[j].size; j--) {
			struct source t = sources[j];

			sources[j] = sources[j - 1];
			sources[j - 1] = t;
		}
	}
}

static void fill(struct rawfile *raw, char **paths, size_t nr)
{
	struct source *sources = calloc(nr, sizeof(*sources));

	bench_require(sources != NULL, "no memory");
	for (size_t i = 0; i < nr; i++) {
		bench_require(!pgw_image_open(paths[i], NULL, &sources[i].image, NULL),
			      "cannot open an image");
		sources[i].size = rawfile_memory_size(sources[i].image);
	}
	sort_sources(sources, nr);
	for (size_t i = 0; i < nr && raw->used < raw->size; i++)
		rawfile_add(raw, sources[i].image);
	for (size_t i = 0; i < nr; i++)
		pgw_image_close(sources[i].image);
	free(sources);
	rawfile_settle(raw);
}

int main(int argc, char **argv)
{
	struct bench bench;
	int first = bench_init(&bench, argc, argv);
	struct rawfile raw;

	for (int i = first; i < argc; i++) {
		const char *slash = strrchr(argv[i], '/');

		measure(&bench, argv[i], slash ? slash + 1 : argv[i], 0);
	}
	if (first < argc) {
		rawfile_make(&raw, RAW_SIZE);
		fill(&raw, argv + first, (size_t)(argc - first));
		measure(&bench, raw.path, "raw_1G", RAW_GOAL);
		rawfile_remove(&raw);
	}
	return bench_done(&bench);
}
