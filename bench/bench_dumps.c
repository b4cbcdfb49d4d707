/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kdump-compressed dumps, made of the image that is given, of each compression: from a file's name
 * to all roots on all CPUs, beside reading and unpacking its pages on as many; all leaves of the
 * kernel; and `pagewalk info` of a machine of 64 GiB.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dumpfile.h"
#include "harness.h"
#include "wall.h"

#define ROOTS_GOAL 1.15
#define INFO_GOAL_MS 50
#define INFO_GOAL_KIB 16384
#define LARGE_PAGES (UINT64_C(64) << 30 >> 12)
#define LARGE_HELD (UINT64_C(100) * 1000 * 1000 / DUMPFILE_DESCRIPTOR)

static size_t find_roots(const char *path, const struct pgw_scan_workers *workers)
{
	const struct pgw_image_options options = { .workers = workers };
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	size_t nr = 0;

	bench_require(!pgw_image_open(path, &options, &image, NULL), "cannot open a dump");
	bench_require(!pgw_image_roots(image, &roots, &nr) && nr, "no roots in a dump");
	pgw_image_close(image);
	return nr;
}

struct leaves {
	uint64_t nr;
};

static int count_leaves(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct leaves *leaves = arg;

	for (size_t i = 0; i < nr; i++) {
		if (extents[i].kind == PGW_ENTRY_LEAF)
			leaves->nr += ((extents[i].va_last - extents[i].va_first) >>
				       extents[i].leaf_lg2) +
				      1;
	}
	return 0;
}

/* Of the kernel; the image was just opened. */
static uint64_t find_leaves(const char *path, struct bench_times *times, unsigned round)
{
	struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform() };
	struct leaves leaves = { 0 };
	struct pgw_root_info root;
	struct pgw_image *image;
	struct pgw_mm *mm;

	bench_require(!pgw_image_open(path, NULL, &image, NULL), "cannot open a dump");
	bench_times_begin(times, round);
	bench_require(!pgw_image_kernel_root(image, &root, NULL), "no kernel in a dump");
	args.format = root.format;
	args.phys = pgw_image_phys(image);
	args.root = root.root;
	args.control = root.control;
	args.region = PGW_REGION_KERNEL;
	bench_require(!pgw_mm_attach(&args, &mm), "cannot attach a root");
	bench_require(
		!pgw_scan_blocks(mm, 0xffff800000000000, UINT64_MAX, count_leaves, &leaves, NULL),
		"cannot scan a dump");
	bench_times_end(times, round);
	pgw_mm_free(mm);
	pgw_image_close(image);
	return leaves.nr;
}

static void measure(const struct bench *bench, const char *elf, enum packing packing)
{
	const struct pgw_scan_workers workers = pgw_hosted_workers(0);
	struct bench_times plain = { 0 }, roots = { 0 }, leaves = { 0 };
	struct dumpfile file;
	uint64_t nr_leaves = 0;
	size_t nr_roots = 0;
	char set[64];

	snprintf(set, sizeof(set), "bench_dumps__%s",
		 packing < _PACKING_MAX ? packing_name(packing) : "not_packed");
	dumpfile_make(&file, elf, packing, 0, 0);
	bench_peak_reset();
	for (unsigned i = 0; i < bench->nr_rounds; i++) {
		bench_times_begin(&plain, i);
		bench_require(dumpfile_unpack(&file, workers.n) == file.nr_packed,
			      "pages are missing");
		bench_times_end(&plain, i);
		bench_times_begin(&roots, i);
		nr_roots = find_roots(file.path, &workers);
		bench_times_end(&roots, i);
		nr_leaves = find_leaves(file.path, &leaves, i);
	}
	if (!bench->is_json)
		printf("%s (%llu pages, %llu of them not zero, %llu bytes; %zu roots, %llu leaves; "
		       "%u threads)\n",
		       set, (unsigned long long)file.nr_held, (unsigned long long)file.nr_packed,
		       (unsigned long long)file.size, nr_roots, (unsigned long long)nr_leaves,
		       workers.n);
	bench_times_print(bench, set, "read and unpack all pages", &plain, &plain, 0);
	bench_times_print(bench, set, "all roots", &roots, &plain, ROOTS_GOAL);
	bench_times_print(bench, set, "the kernel's leaves", &leaves, &plain, 0);
	bench_print_peak(bench, set, "all of this", bench_peak_kib(), 0);
	dumpfile_remove(&file);
}

static void measure_info(const struct bench *bench, const char *elf)
{
	const char *set = "bench_dumps__64_GiB";
	struct bench_times times = { 0 };
	struct dumpfile file;
	const char *argv[] = { "pagewalk", "info", file.path, NULL };

	dumpfile_make(&file, elf, packing_is_there(PACKING_ZSTD) ? PACKING_ZSTD : PACKING_ZLIB,
		      bench->is_smoke ? 0 : LARGE_HELD, bench->is_smoke ? 0 : LARGE_PAGES);
	for (unsigned i = 0; i < bench->nr_rounds; i++)
		bench_times_command(&times, i, argv);
	if (!bench->is_json)
		printf("%s (%llu pages in the file, %llu of them not zero)\n", set,
		       (unsigned long long)file.nr_held, (unsigned long long)file.nr_packed);
	bench_times_print_ms(bench, set, "pagewalk info", &times, INFO_GOAL_MS);
	bench_print_peak(bench, set, "pagewalk info", times.peak_kib, INFO_GOAL_KIB);
	dumpfile_remove(&file);
}

int main(int argc, char **argv)
{
	cpu_set_t allowed;
	struct bench bench;
	int first;

	bench_require(!sched_getaffinity(0, sizeof(allowed), &allowed), "no CPUs");
	first = bench_init(&bench, argc, argv);
	/* All CPUs are what is measured. */
	bench_require(!sched_setaffinity(0, sizeof(allowed), &allowed), "no CPUs");
	for (int i = first; i < argc && i < first + 1; i++) {
		for (unsigned packing = 0; packing <= _PACKING_MAX; packing++) {
			if (packing == _PACKING_MAX || packing_is_there(packing))
				measure(&bench, argv[argc - 1], packing);
		}
		measure_info(&bench, argv[argc - 1]);
	}
	return bench_done(&bench);
}
