/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
/*
 * How near is the library to what the memory can do? Scans of 512 MiB of x86-64 tables beside a
 * read of them, by one thread and by two; single addresses beside the loads that
 * no translation can do without; many roots beside what they consist of.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"

#define PAGE UINT64_C(4096)
#define SLOTS 512
#define TABLE_ENTRY 0x67
#define LEAF_ENTRY 0x63
#define ADDRESS UINT64_C(0x000ffffffffff000)
#define NR_ADDRESSES 65536
#define NR_ROOTS 1000
#define NR_PARALLEL_ROUNDS 9

/*
 * A root, a table of level 2 below its slot 0, its nr_middle tables, and their
 * nr_lowest ones, one after the other; slot 256 of the root has the same as slot 0.
 */
struct tree {
	uint64_t *tables;
	size_t nr_lowest, nr_middle, nr_tables;
	struct pgw_phys_memory memory;
	struct pgw_platform plain; /* without vectors */
	struct pgw_mm *mm, *plain_mm;
	uint64_t last;
	uint64_t va[NR_ADDRESSES];
};

typedef uint64_t make_leaf(uint64_t page);

static uint64_t *table_of(const struct tree *tree, size_t n)
{
	return tree->tables + n * SLOTS;
}

static uint64_t *lowest_of(const struct tree *tree)
{
	return table_of(tree, 2 + tree->nr_middle);
}

static uint64_t dense(uint64_t page)
{
	return page * PAGE | LEAF_ENTRY;
}

/* Runs of two. */
static uint64_t every_other(uint64_t page)
{
	return (page ^ 2) * PAGE | LEAF_ENTRY;
}

/* Runs of one. */
static uint64_t every_one(uint64_t page)
{
	return (page ^ 1) * PAGE | LEAF_ENTRY;
}

static uint64_t one_in_512(uint64_t page)
{
	return page % SLOTS == 77 ? dense(page) : 0;
}

static void tree_fill(struct tree *tree, make_leaf *leaf)
{
	uint64_t *items = lowest_of(tree);

	for (size_t i = 0; i < tree->nr_lowest * SLOTS; i++)
		items[i] = leaf(i);
}

static void attach(struct tree *tree, const struct pgw_platform *platform, struct pgw_mm **ret)
{
	struct pgw_mm_attach_args args = { .platform = platform,
					   .format = pgw_format_by_name("x86_64-la48"),
					   .phys = &tree->memory.phys,
					   .region = PGW_REGION_USER };

	bench_require(!pgw_mm_attach(&args, ret), "cannot attach");
}

static void tree_make(struct tree *tree, size_t nr_lowest, size_t nr_more)
{
	uint64_t state = 1;

	*tree = (struct tree){ .nr_lowest = nr_lowest,
			       .nr_middle = (nr_lowest + SLOTS - 1) / SLOTS };
	tree->nr_tables = 2 + tree->nr_middle + nr_lowest + nr_more;
	tree->tables = aligned_alloc((size_t)2 << 20, (tree->nr_tables * PAGE + (2u << 20) - 1) &
							      ~(size_t)((2u << 20) - 1));
	bench_require(tree->tables, "no memory");
	memset(tree->tables, 0, tree->nr_tables * PAGE);
	tree->tables[0] = tree->tables[SLOTS / 2] = PAGE | TABLE_ENTRY;
	for (size_t i = 0; i < tree->nr_middle; i++)
		table_of(tree, 1)[i] = (2 + i) * PAGE | TABLE_ENTRY;
	for (size_t i = 0; i < nr_lowest; i++)
		table_of(tree, 2)[i] = (2 + tree->nr_middle + i) * PAGE | TABLE_ENTRY;
	bench_require(!pgw_phys_memory_init(&tree->memory, 0, tree->tables, tree->nr_tables * PAGE),
		      "memory");
	tree->last = nr_lowest * SLOTS * PAGE - 1;
	tree->plain = *pgw_hosted_platform();
	tree->plain.cpu_features = 0;
	attach(tree, pgw_hosted_platform(), &tree->mm);
	attach(tree, &tree->plain, &tree->plain_mm);
	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		tree->va[i] = (state >> 20) % (nr_lowest * SLOTS) * PAGE + 8;
	}
	tree_fill(tree, dense);
}

static void tree_free(struct tree *tree)
{
	pgw_mm_free(tree->mm);
	pgw_mm_free(tree->plain_mm);
	free(tree->tables);
}

/* ---- scans ---- */

static int take_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	*(uint64_t *)arg += nr + extents->pa;
	return 0;
}

static int take_by_worker(unsigned worker, const struct pgw_extent *extents, size_t nr, void *arg)
{
	/* A cache line each. */
	return take_extents(extents, nr, (uint64_t *)arg + (size_t)worker * 8);
}

static uint64_t scan_by(const struct tree *tree, struct pgw_mm *mm)
{
	uint64_t sum = 0;

	return pgw_scan_blocks(mm, 0, tree->last, take_extents, &sum, NULL) || !sum
		       ? 0
		       : tree->nr_lowest * SLOTS;
}

static uint64_t scan_vector(void *arg)
{
	const struct tree *tree = arg;

	return scan_by(tree, tree->mm);
}

static uint64_t scan_plain(void *arg)
{
	const struct tree *tree = arg;

	return scan_by(tree, tree->plain_mm);
}

typedef uint64_t words __attribute__((vector_size(32)));

/* As wide as the CPU's loads, four sums, so that none waits for another. */
#ifdef __x86_64__
__attribute__((target("avx2")))
#endif
static uint64_t
read_words(const uint64_t *items, size_t nr)
{
	words sum[4] = { { 0 } };

	for (size_t i = 0; i < nr; i += 16) {
		for (size_t j = 0; j < 4; j++)
			sum[j] += *(const words *)(items + i + 4 * j);
	}
	sum[0] += sum[1] + sum[2] + sum[3];
	return sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
}

static uint64_t plain_read(void *arg)
{
	const struct tree *tree = arg;
	volatile uint64_t sum = read_words(lowest_of(tree), tree->nr_lowest * SLOTS);

	(void)sum;
	return tree->nr_lowest * SLOTS;
}

static void measure_scan(struct bench *bench, struct tree *tree, const char *name, make_leaf *leaf,
			 double goal)
{
	struct bench_set set = {
		.name = name,
		.unit = "PTE",
		.nr_cases = 3,
		.cases = { { "vector read", plain_read, tree },
			   { "scan", scan_vector, tree },
			   { "scan, plain C", scan_plain, tree } },
		.goal = { 0, goal, leaf == dense ? 3.5 : 0 },
	};

	tree_fill(tree, leaf);
	bench_run(bench, &set);
}

/* ---- two threads ---- */

static double wall_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double time_threads(const struct tree *tree, unsigned nr, bool in_order)
{
	struct pgw_scan_workers workers = pgw_hosted_workers(nr);
	uint64_t sums[2 * 8] = { 0 };
	double start = wall_ns();
	int err = in_order ? pgw_scan_parallel(tree->mm, 0, tree->last, &workers, take_extents,
					       sums, NULL)
			   : pgw_scan_unordered(tree->mm, 0, tree->last, &workers, take_by_worker,
						sums, NULL);

	bench_require(!err, "cannot scan");
	return wall_ns() - start;
}

/** The lowest tables in two halves, for two threads. */
struct halves {
	const uint64_t *items;
	size_t nr; /* of both */
	uint64_t sums[2 * 8];
};

static void read_half(void *arg, unsigned index)
{
	struct halves *halves = arg;

	halves->sums[(size_t)index * 8] =
		read_words(halves->items + index * (halves->nr / 2), halves->nr / 2);
}

/* What the memory gives: nothing that looks at each entry can be faster. */
static double time_reads(const struct tree *tree, unsigned nr)
{
	struct pgw_scan_workers workers = pgw_hosted_workers(nr);
	struct halves halves = { lowest_of(tree), tree->nr_lowest * SLOTS, { 0 } };
	double start = wall_ns();

	if (nr == 2) {
		workers.run(workers.ctx, 2, read_half, &halves);
	} else {
		read_half(&halves, 0);
		read_half(&halves, 1);
	}
	bench_require(halves.sums[0] + halves.sums[8], "nothing read");
	return wall_ns() - start;
}

/* The least of some rounds: what is wanted is both CPUs, which others use too. */
static void measure_threads(struct bench *bench, struct tree *tree, const char *name,
			    make_leaf *leaf)
{
	enum { ONE, TWO, ORDERED, READ_ONE, READ_TWO, NR };
	double least[NR] = { 1e18, 1e18, 1e18, 1e18, 1e18 };
	unsigned nr_rounds = bench->is_smoke ? 1 : NR_PARALLEL_ROUNDS;

	tree_fill(tree, leaf);
	for (unsigned i = 0; i < nr_rounds; i++) {
		double t[NR] = { time_threads(tree, 1, false), time_threads(tree, 2, false),
				 time_threads(tree, 2, true), time_reads(tree, 1),
				 time_reads(tree, 2) };

		for (unsigned j = 0; j < NR; j++)
			least[j] = t[j] < least[j] ? t[j] : least[j];
	}
	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"one_ns\":%.0f,\"two_ns\":%.0f,\"two_ordered_ns\":%.0f,"
		       "\"read_one_ns\":%.0f,\"read_two_ns\":%.0f}\n",
		       name, least[ONE], least[TWO], least[ORDERED], least[READ_ONE],
		       least[READ_TWO]);
	else
		printf("%s: one thread %.1f ms, two %.1f ms: %.2f times as fast, goal 1.70%s; "
		       "in order %.1f ms: %.2f; vector read by one %.1f ms, by two %.1f ms: %.2f\n",
		       name, least[ONE] / 1e6, least[TWO] / 1e6, least[ONE] / least[TWO],
		       least[ONE] / least[TWO] < 1.7 ? ": MISSED" : "", least[ORDERED] / 1e6,
		       least[ONE] / least[ORDERED], least[READ_ONE] / 1e6, least[READ_TWO] / 1e6,
		       least[READ_ONE] / least[READ_TWO]);
	fflush(stdout);
}

/* ---- single addresses ---- */

static uint64_t translate(void *arg)
{
	const struct tree *tree = arg;
	struct pgw_translation at;
	uint64_t nr = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++)
		nr += !pgw_translate(tree->mm, tree->va[i], &at) && at.kind == PGW_ENTRY_LEAF;
	return nr;
}

static uint64_t translate_batches(struct pgw_mm *mm, const uint64_t *va)
{
	enum { BATCH = 16 };
	struct pgw_translation at[BATCH];
	uint64_t nr = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i += BATCH)
		nr += pgw_translate_batch(mm, va + i, at, BATCH);
	return nr;
}

static uint64_t translate_batch(void *arg)
{
	const struct tree *tree = arg;

	return translate_batches(tree->mm, tree->va);
}

static uint64_t load(const struct tree *tree, uint64_t table_pa, uint64_t va, unsigned level)
{
	const uint64_t *items =
		(const uint64_t *)(const void *)((const uint8_t *)tree->tables + table_pa);

	return __atomic_load_n(items + (va >> (12 + 9 * level)) % SLOTS, __ATOMIC_RELAXED);
}

/* The way down and nothing else. */
static uint64_t dependent_loads(void *arg)
{
	const struct tree *tree = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		uint64_t va = tree->va[i];
		uint64_t entry = load(tree, 0, va, 3);

		entry = load(tree, entry & ADDRESS, va, 2);
		entry = load(tree, entry & ADDRESS, va, 1);
		sum += load(tree, entry & ADDRESS, va, 0);
	}
	return sum ? NR_ADDRESSES : 0;
}

/* The same items, but where they are is known: none waits for another. */
static uint64_t independent_loads(void *arg)
{
	const struct tree *tree = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		uint64_t va = tree->va[i];

		sum += load(tree, 0, va, 3) + load(tree, PAGE, va, 2) +
		       load(tree, 2 * PAGE + (va >> 30) * PAGE, va, 1) +
		       load(tree, (2 + tree->nr_middle) * PAGE + (va >> 21) * PAGE, va, 0);
	}
	return sum ? NR_ADDRESSES : 0;
}

static uint64_t eight_chains(void *arg)
{
	enum { CHAINS = 8 };
	const struct tree *tree = arg;
	uint64_t entry[CHAINS], sum = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i += CHAINS) {
		for (unsigned c = 0; c < CHAINS; c++)
			entry[c] = 0;
		for (unsigned level = 4; level-- > 0;) {
			for (unsigned c = 0; c < CHAINS; c++)
				entry[c] = load(tree, entry[c] & ADDRESS, tree->va[i + c], level);
		}
		for (unsigned c = 0; c < CHAINS; c++)
			sum += entry[c];
	}
	return sum ? NR_ADDRESSES : 0;
}

/* Without vectors, that is, without lanes. */
static uint64_t translate_batch_plain(void *arg)
{
	const struct tree *tree = arg;

	return translate_batches(tree->plain_mm, tree->va);
}

static void measure_translate(struct bench *bench, const char *name, size_t nr_lowest,
			      bool is_random)
{
	static struct tree tree;
	struct bench_set set = {
		.name = name,
		.unit = "address",
		.nr_cases = 5,
		.cases = { { "dependent loads", dependent_loads, &tree },
			   { "translate", translate, &tree },
			   { "translate, batch of 16", translate_batch, &tree },
			   { "independent loads", independent_loads, &tree },
			   { "8 chains of loads", eight_chains, &tree } },
		.goal = { 0, 1.3 },
	};
	struct bench_set batch = {
		.name = name,
		.unit = "address",
		.nr_cases = 3,
		.cases = { { "translate", translate, &tree },
			   { "translate, batch of 16", translate_batch, &tree },
			   { "batch of 16, without lanes", translate_batch_plain, &tree } },
		.goal = { 0, is_random ? 0.6 : 0 },
	};

	tree_make(&tree, nr_lowest, 0);
	if (is_random)
		set.cases[0] = (struct bench_case){ "independent loads", independent_loads, &tree };
	if (is_random)
		set.cases[3] = (struct bench_case){ "dependent loads", dependent_loads, &tree };
	bench_run(bench, &set);
	bench_run(bench, &batch);
	tree_free(&tree);
}

/* ---- many roots ---- */

struct roots {
	struct tree tree;
	struct pgw_mm *user[NR_ROOTS], *kernel[NR_ROOTS];
};

static int many_extent(size_t index, const struct pgw_extent *extent, void *arg)
{
	*(uint64_t *)arg += 1 + index + extent->pa;
	return 0;
}

static int many_shared(size_t index, uint64_t first, uint64_t last, size_t same, void *arg)
{
	(void)last;
	*(uint64_t *)arg += index + first + same;
	return 0;
}

static uint64_t scan_halves(struct pgw_mm *const *mms, size_t nr)
{
	static const struct pgw_scan_many_ops ops = { many_extent, many_shared };
	uint64_t sum = 0;

	return !pgw_scan_many(mms, nr, &ops, &sum, NULL) && sum;
}

static uint64_t private_and_one_half(void *arg)
{
	const struct roots *roots = arg;

	return scan_halves(roots->user, NR_ROOTS) && scan_halves(roots->kernel, 1) ? NR_ROOTS : 0;
}

/* The same without pgw_scan_many(): each root's halves by themselves. */
static uint64_t each_alone(void *arg)
{
	const struct roots *roots = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < 2 * NR_ROOTS; i++) {
		struct pgw_mm *mm = i % 2 ? roots->kernel[i / 2] : roots->user[i / 2];
		const struct pgw_region *region = pgw_mm_region(mm);

		if (pgw_scan_blocks(mm, region->first, region->last, take_extents, &sum, NULL))
			return 0;
	}
	return sum ? NR_ROOTS : 0;
}

static uint64_t all_roots(void *arg)
{
	const struct roots *roots = arg;

	return scan_halves(roots->user, NR_ROOTS) && scan_halves(roots->kernel, NR_ROOTS) ? NR_ROOTS
											  : 0;
}

/* Each root has three tables of its own below slot 0, and the kernel's half in slot 256. */
static void measure_roots(struct bench *bench)
{
	static struct roots roots;
	struct tree *tree = &roots.tree;
	struct bench_set set = { .name = "bench_scan_roots__x86_64_la48",
				 .unit = "root",
				 .nr_cases = 3,
				 .cases = { { "private parts, one half", private_and_one_half,
					      &roots },
					    { "1,000 roots", all_roots, &roots },
					    { "each root alone", each_alone, &roots } },
				 .goal = { 0, 1.2 } };

	tree_make(tree, 512, 4 * NR_ROOTS);
	for (size_t i = 0; i < NR_ROOTS; i++) {
		size_t n = tree->nr_tables - 4 * (i + 1);
		struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform(),
						   .format = pgw_format_by_name("x86_64-la48"),
						   .phys = &tree->memory.phys,
						   .root = { .pa = n * PAGE },
						   .region = PGW_REGION_USER };

		table_of(tree, n)[SLOTS / 2] = PAGE | TABLE_ENTRY;
		for (size_t level = 0; level < 3; level++)
			table_of(tree, n + level)[0] = (n + level + 1) * PAGE | TABLE_ENTRY;
		for (size_t slot = 0; slot < SLOTS; slot += 3)
			table_of(tree, n + 3)[slot] = slot * PAGE | LEAF_ENTRY;
		bench_require(!pgw_mm_attach(&args, &roots.user[i]), "cannot attach");
		args.region = PGW_REGION_KERNEL;
		bench_require(!pgw_mm_attach(&args, &roots.kernel[i]), "cannot attach");
	}
	bench_run(bench, &set);
	for (size_t i = 0; i < NR_ROOTS; i++) {
		pgw_mm_free(roots.user[i]);
		pgw_mm_free(roots.kernel[i]);
	}
	tree_free(tree);
}

static void measure_scans(struct bench *bench, const cpu_set_t *cpus)
{
	static struct tree tree;
	cpu_set_t one;

	tree_make(&tree, bench->is_smoke ? 8192 : 131072, 0);
	measure_scan(bench, &tree, "bench_scan__x86_64_la48_512M_dense", dense, 1.33);
	measure_scan(bench, &tree, "bench_scan__x86_64_la48_512M_every_other", every_other, 3.3);
	measure_scan(bench, &tree, "bench_scan__x86_64_la48_512M_every_one", every_one, 0);
	measure_scan(bench, &tree, "bench_scan__x86_64_la48_512M_one_in_512", one_in_512, 1.7);
	sched_getaffinity(0, sizeof(one), &one);
	sched_setaffinity(0, sizeof(*cpus), cpus);
	measure_threads(bench, &tree, "bench_scan_threads__x86_64_la48_512M_dense", dense);
	measure_threads(bench, &tree, "bench_scan_threads__x86_64_la48_512M_every_other",
			every_other);
	sched_setaffinity(0, sizeof(one), &one);
	tree_free(&tree);
}

int main(int argc, char **argv)
{
	struct bench bench;
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	bench_init(&bench, argc, argv);
	measure_scans(&bench, &cpus);
	measure_translate(&bench, "bench_scan_translate__64K", 16, false);
	measure_translate(&bench, "bench_scan_translate__2M", 512, false);
	measure_translate(&bench, "bench_scan_translate__128M", 32768, true);
	measure_roots(&bench);
	return bench_done(&bench);
}
