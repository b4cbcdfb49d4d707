/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How time and memory grow: with leaves, with roots, with the size of an image. No
 * reference: what counts is that time is a straight line and memory a flat one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"
#include "rawfile.h"

#define PAGE UINT64_C(4096)
#define SLOTS 512
#define USED UINT64_C(0x67) /* present, writable, user, accessed, dirty */
#define NO_EXEC (UINT64_C(1) << 63)
#define KERNEL_SLOT 256
#define KERNEL_VA UINT64_C(0xffff800000000000)

#define NR_REPEATS 5
#define LONG_NS 1e9 /* what takes so long is not repeated */

/** One point of a curve. */
struct point {
	const char *curve;
	const char *unit;
	uint64_t nr; /* of units */
	/** Does it all once. @return how many units it did */
	uint64_t (*fn)(void *arg);
	void *arg;
};

static double cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The least of some times, and the most memory that came on top of what was there before. */
static void measure(const struct bench *bench, const struct point *point)
{
	unsigned nr_repeats = bench->is_smoke ? 1 : NR_REPEATS;
	double best = 0;
	uint64_t before, grown;

	bench_peak_reset();
	before = bench_peak_kib();
	for (unsigned i = 0; i < nr_repeats; i++) {
		double start = cpu_ns(), ns;

		bench_require(point->fn(point->arg) == point->nr, point->curve);
		ns = cpu_ns() - start;
		if (!i || ns < best)
			best = ns;
		if (ns > LONG_NS)
			break;
	}
	grown = bench_peak_kib() - before;
	if (bench->is_json)
		printf("{\"bench\":\"bench_growth_%s\",\"unit\":\"%s\",\"units\":%" PRIu64
		       ",\"ns\":%.0f,\"grown_kib\":%" PRIu64 "}\n",
		       point->curve, point->unit, point->nr, best, grown);
	else
		printf("  %-14s %11" PRIu64 " %-5s %12.3f ms %12.2f ns/%s %7" PRIu64
		       " KiB more resident\n",
		       point->curve, point->nr, point->unit, best / 1e6, best / (double)point->nr,
		       point->unit, grown);
	fflush(stdout);
}

/* Tables, from the start of one block of memory. */
struct tables {
	uint64_t *block;
	uint64_t nr, nr_most;
	struct pgw_phys_memory memory;
};

static void tables_init(struct tables *tables, uint64_t nr_most)
{
	*tables = (struct tables){ .nr_most = nr_most };
	tables->block = aligned_alloc(PAGE, nr_most * PAGE);
	bench_require(tables->block != NULL, "no memory");
	memset(tables->block, 0, nr_most * PAGE);
	bench_require(!pgw_phys_memory_init(&tables->memory, 0, tables->block, nr_most * PAGE),
		      "memory");
}

/* @return its address; the table is empty */
static uint64_t table_new(struct tables *tables)
{
	bench_require(tables->nr < tables->nr_most, "too few tables");
	return tables->nr++ * PAGE;
}

static void table_set(struct tables *tables, uint64_t table, uint64_t slot, uint64_t entry)
{
	tables->block[table / 8 + slot] = entry;
}

/* A lowest table whose leaves map pages in a row. */
static uint64_t leaves_new(struct tables *tables, uint64_t pa, unsigned nr)
{
	uint64_t table = table_new(tables);

	for (unsigned i = 0; i < nr; i++)
		table_set(tables, table, i, (pa + i * PAGE) | USED | NO_EXEC);
	return table;
}

/* Slots first to last of a new table all lead to the same one. */
static uint64_t table_over(struct tables *tables, uint64_t below, unsigned first, unsigned last)
{
	uint64_t table = table_new(tables);

	for (unsigned i = first; i <= last; i++)
		table_set(tables, table, i, below | USED);
	return table;
}

/* A root of one lowest table, shared all over the kernel's half. */
static uint64_t make_shared(struct tables *tables)
{
	uint64_t below = leaves_new(tables, 0, SLOTS);

	for (unsigned level = 1; level < 3; level++)
		below = table_over(tables, below, 0, SLOTS - 1);
	return table_over(tables, below, KERNEL_SLOT, SLOTS - 1);
}

/* A root whose first nr leaves have tables of their own. */
static uint64_t make_own(struct tables *tables, uint64_t nr)
{
	uint64_t root = table_new(tables), pud = table_new(tables), pmd = 0;

	table_set(tables, root, KERNEL_SLOT, pud | USED);
	for (uint64_t i = 0; i * SLOTS < nr; i++) {
		if (i % SLOTS == 0) {
			pmd = table_new(tables);
			table_set(tables, pud, i / SLOTS, pmd | USED);
		}
		table_set(tables, pmd, i % SLOTS,
			  leaves_new(tables, i * SLOTS * PAGE, SLOTS) | USED);
	}
	return root;
}

static int take_extent(const struct pgw_extent *extent, void *arg)
{
	*(volatile uint64_t *)arg = extent->va_first;
	return 0;
}

/* @return how many leaves [first, last] of a half has */
static uint64_t scan_half(const struct pgw_phys *phys, uint64_t root, enum pgw_region_kind half,
			  uint64_t first, uint64_t last)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = phys,
		.root = { .pa = root },
		.region = half,
	};
	struct pgw_scan_stats stats;
	struct pgw_mm *mm;
	uint64_t any;

	bench_require(!pgw_mm_attach(&args, &mm), "cannot attach");
	bench_require(!pgw_scan(mm, first, last, take_extent, &any, &stats), "cannot scan");
	pgw_mm_free(mm);
	return stats.nr_leaves;
}

struct leaves {
	const struct tables *tables;
	uint64_t root;
	uint64_t nr;
};

static uint64_t scan_leaves(void *arg)
{
	const struct leaves *leaves = arg;

	return scan_half(&leaves->tables->memory.phys, leaves->root, PGW_REGION_KERNEL, KERNEL_VA,
			 KERNEL_VA + leaves->nr * PAGE - 1);
}

static void grow_leaves(const struct bench *bench, const char *curve, struct tables *tables,
			uint64_t root, uint64_t most)
{
	for (uint64_t nr = 1000; nr <= most; nr *= 10) {
		struct leaves leaves = { tables, root, nr };

		measure(bench, &(struct point){ curve, "leaf", nr, scan_leaves, &leaves });
	}
}

static void grow_with_leaves(const struct bench *bench)
{
	const uint64_t most_own = bench->is_smoke ? 10000 : 10000000;
	const uint64_t most_shared = bench->is_smoke ? 10000 : 1000000000;
	struct tables tables;

	tables_init(&tables, most_own / SLOTS + most_own / SLOTS / SLOTS + 8);
	grow_leaves(bench, "own_tables", &tables, make_own(&tables, most_own), most_own);
	free(tables.block);
	tables_init(&tables, 8);
	grow_leaves(bench, "shared_tables", &tables, make_shared(&tables), most_shared);
	free(tables.block);
}

#define KERNEL_LEAVES (8 * SLOTS)
#define USER_LEAVES 64

struct roots {
	const struct tables *tables;
	uint64_t *root;
	uint64_t nr;
};

/* Every root's both halves, one root after the other. */
static uint64_t scan_roots(void *arg)
{
	const struct roots *roots = arg;
	const struct pgw_phys *phys = &roots->tables->memory.phys;
	uint64_t nr_done = 0;

	for (uint64_t i = 0; i < roots->nr; i++) {
		uint64_t user = scan_half(phys, roots->root[i], PGW_REGION_USER, 0,
					  (UINT64_C(1) << 47) - 1);
		uint64_t kernel =
			scan_half(phys, roots->root[i], PGW_REGION_KERNEL, KERNEL_VA, UINT64_MAX);

		nr_done += user == USER_LEAVES && kernel == KERNEL_LEAVES;
	}
	return nr_done;
}

/* Each root has a user's half of its own, and all share the kernel's. */
static void grow_with_roots(const struct bench *bench)
{
	const uint64_t most = bench->is_smoke ? 100 : 10000;
	uint64_t pud, pmd, *list = calloc(most, sizeof(*list));
	struct tables tables;

	bench_require(list != NULL, "no memory");
	tables_init(&tables, 16 + 4 * most);
	pmd = table_new(&tables);
	pud = table_over(&tables, pmd, 0, 0);
	for (unsigned i = 0; i < KERNEL_LEAVES / SLOTS; i++)
		table_set(&tables, pmd, i, leaves_new(&tables, i * SLOTS * PAGE, SLOTS) | USED);
	for (uint64_t i = 0; i < most; i++) {
		uint64_t below = leaves_new(&tables, i * PAGE, USER_LEAVES);

		below = table_over(&tables, below, 0, 0);
		below = table_over(&tables, below, 0, 0);
		list[i] = table_over(&tables, below, 0, 0);
		table_set(&tables, list[i], KERNEL_SLOT, pud | USED);
	}
	for (uint64_t nr = 1; nr <= most; nr *= 10) {
		struct roots roots = { &tables, list, nr };

		measure(bench, &(struct point){ "roots_walked", "root", nr, scan_roots, &roots });
	}
	free(tables.block);
	free(list);
}

struct search {
	const char *path;
	uint64_t nr_roots; /* that must be found, at least */
	uint64_t nr_units;
};

static uint64_t find_roots(void *arg)
{
	const struct search *search = arg;
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	uint64_t nr_units = 0;
	size_t nr;

	if (pgw_image_open(search->path, NULL, &image, NULL))
		return 0;
	if (!pgw_image_roots(image, &roots, &nr) && nr >= search->nr_roots)
		nr_units = search->nr_units;
	pgw_image_close(image);
	return nr_units;
}

/* An image's memory, raw: made longer and longer, then with more and more roots in it. */
static void grow_raw(const struct bench *bench, const char *path)
{
	const uint64_t most_roots = bench->is_smoke ? 100 : 10000;
	const unsigned nr_sizes = bench->is_smoke ? 1 : 4;
	static uint64_t page[SLOTS];
	struct search search;
	struct rawfile raw;
	struct pgw_root_info root;
	struct pgw_image *image;

	if (pgw_image_open(path, NULL, &image, NULL))
		return;
	rawfile_make(&raw, rawfile_memory_size(image));
	rawfile_add(&raw, image);
	bench_require(!pgw_image_kernel_root(image, &root, NULL), "no kernel root");
	bench_require(!pgw_phys_read(pgw_image_phys(image), root.root.pa, page, PAGE), "no root");
	pgw_image_close(image);
	rawfile_settle(&raw);
	search = (struct search){ .path = raw.path, .nr_roots = 1 };
	for (unsigned i = 0; i < nr_sizes; i++) {
		rawfile_resize(&raw, raw.used << i);
		search.nr_units = rawfile_read(raw.path); /* so that it is in the page cache */
		measure(bench,
			&(struct point){ "image_size", "byte", raw.size, find_roots, &search });
	}
	rawfile_resize(&raw, raw.used << 1);
	for (uint64_t nr = 1, i = 0; nr <= most_roots; nr *= 10) {
		/* Copies of the kernel's root map the kernel as processes' roots do. */
		for (; i < nr; i++)
			rawfile_put(&raw, raw.used + 2 * i * PAGE, page, PAGE);
		rawfile_settle(&raw);
		search.nr_roots = search.nr_units = nr;
		measure(bench, &(struct point){ "roots_found", "root", nr, find_roots, &search });
	}
	rawfile_remove(&raw);
}

int main(int argc, char **argv)
{
	struct bench bench;
	int first = bench_init(&bench, argc, argv);

	if (!bench.is_json)
		printf("bench_growth (the least of %d times)\n", NR_REPEATS);
	grow_with_leaves(&bench);
	grow_with_roots(&bench);
	if (first < argc)
		grow_raw(&bench, argv[first]);
	return bench_done(&bench);
}
