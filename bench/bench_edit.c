/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes to tables that exist: map and unmap again, protect; a page a call, or all
 * in one call. The reference stores to as many words and clears them.
 */
#include <stdlib.h>
#include <string.h>

#include <pagewalk/edit.h>
#include <pagewalk/hosted.h>

#include "harness.h"
#include "mm/mm_priv.h"

#define PAGE UINT64_C(4096)
#define VA UINT64_C(0xffff900000000000)
#define NR_ONE_BY_ONE 256
#define NR_MOST 262144 /* 1 GiB */
/* Times a store and a clearing: of a page a call; others may change the same range, or what is beside it. */
#define GOAL_ALONE 20
#define GOAL_BESIDE 30
#define GOAL_PROTECT 20

struct edit_bench {
	struct pgw_mm *mm;
	uint64_t nr_pages;
	uint64_t *words;
	uint8_t rights;
};

static uint64_t plain_stores(void *arg)
{
	struct edit_bench *b = arg;
	volatile uint64_t *words = b->words;

	for (uint64_t i = 0; i < b->nr_pages; i++)
		words[i] = VA + i * PAGE;
	for (uint64_t i = 0; i < b->nr_pages; i++)
		words[i] = 0;
	return b->nr_pages;
}

static bool map_pages(const struct edit_bench *b, uint64_t first, uint64_t nr)
{
	struct pgw_map_args args = {
		.first = VA + first * PAGE,
		.last = VA + (first + nr) * PAGE - 1,
		.pa = first * PAGE,
		.rights = PGW_KERNEL_R | PGW_KERNEL_W,
		.sizes = PAGE,
	};

	return pgw_mm_map(b->mm, &args) == 0;
}

static bool unmap_pages(const struct edit_bench *b, uint64_t first, uint64_t nr)
{
	return pgw_mm_unmap(b->mm, VA + first * PAGE, VA + (first + nr) * PAGE - 1,
			    PGW_UNMAP_EXACT) == 0;
}

static uint64_t map_each(void *arg)
{
	const struct edit_bench *b = arg;
	bool ok = true;

	for (uint64_t i = 0; i < b->nr_pages; i++)
		ok &= map_pages(b, i, 1);
	for (uint64_t i = 0; i < b->nr_pages; i++)
		ok &= unmap_pages(b, i, 1);
	return ok ? b->nr_pages : 0;
}

static uint64_t map_all(void *arg)
{
	const struct edit_bench *b = arg;

	return map_pages(b, 0, b->nr_pages) && unmap_pages(b, 0, b->nr_pages) ? b->nr_pages : 0;
}

/* Each call changes the rights: back and forth. The pages lie behind those that are mapped and unmapped. */
static bool protect_pages(struct edit_bench *b, uint64_t first, uint64_t nr)
{
	uint64_t va = VA + (NR_MOST + first) * PAGE;

	return pgw_mm_protect(b->mm, va, va + nr * PAGE - 1, b->rights) == 0;
}

static uint64_t protect_each(void *arg)
{
	struct edit_bench *b = arg;
	bool ok = true;

	b->rights ^= PGW_KERNEL_W;
	for (uint64_t i = 0; i < b->nr_pages; i++)
		ok &= protect_pages(b, i, 1);
	return ok ? b->nr_pages : 0;
}

static uint64_t protect_all(void *arg)
{
	struct edit_bench *b = arg;

	b->rights ^= PGW_KERNEL_W;
	return protect_pages(b, 0, b->nr_pages) ? b->nr_pages : 0;
}

/* As faults and dontneed() change pages, with their table's lock; a reader all along. */

static struct pt_edit shared_edit(const struct edit_bench *b)
{
	return (struct pt_edit){ .pt = &b->mm->pt, .policy = PT_SHARED };
}

static uint64_t map_each_shared(void *arg)
{
	const struct edit_bench *b = arg;
	const struct pt_edit_ops *ops = b->mm->pt.format->edit;
	const struct pt_edit edit = shared_edit(b);
	int err = 0;

	for (uint64_t i = 0; i < b->nr_pages; i++) {
		struct pgw_map_args args = { .first = VA + i * PAGE,
					     .last = VA + (i + 1) * PAGE - 1,
					     .pa = i * PAGE,
					     .rights = PGW_KERNEL_R | PGW_KERNEL_W,
					     .sizes = PAGE };

		err |= ops->map_page(&edit, &args);
	}
	for (uint64_t i = 0; i < b->nr_pages; i++)
		err |= ops->unmap_page(&edit, VA + i * PAGE);
	return err ? 0 : b->nr_pages;
}

static uint64_t protect_each_shared(void *arg)
{
	struct edit_bench *b = arg;
	const struct pt_edit_ops *ops = b->mm->pt.format->edit;
	const struct pt_edit edit = shared_edit(b);
	int err = 0;

	b->rights ^= PGW_KERNEL_W;
	for (uint64_t i = 0; i < b->nr_pages; i++)
		err |= ops->protect_page(&edit, VA + (NR_MOST + i) * PAGE, b->rights);
	return err ? 0 : b->nr_pages;
}

static void bench_begin(struct edit_bench *b, enum pgw_edit_policy policy)
{
	struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					.format = pgw_format_by_name("x86_64-la48"),
					.region = PGW_REGION_KERNEL,
					.policy = policy };

	b->rights = PGW_KERNEL_R | PGW_KERNEL_W;
	b->words = calloc(b->nr_pages, sizeof(*b->words));
	bench_require(b->words && !pgw_mm_new(&args, &b->mm), "no memory");
	pgw_mmap_write_lock(b->mm);
	/* All tables are there. */
	bench_require(map_pages(b, 0, b->nr_pages) && unmap_pages(b, 0, b->nr_pages) &&
			      map_pages(b, NR_MOST, b->nr_pages),
		      "cannot map");
}

static void bench_end(const struct edit_bench *b)
{
	pgw_mmap_write_unlock(b->mm);
	pgw_mm_free(b->mm);
	free(b->words);
}

static void measure_shared(struct bench *bench)
{
	struct edit_bench b = { .nr_pages = NR_ONE_BY_ONE };
	const struct bench_set set = {
		.name = "bench_edit__x86_64_shared_256",
		.unit = "page",
		.nr_cases = 3,
		.cases = {
			{ "store and clear a word", plain_stores, &b },
			{ "map, unmap: a page a call", map_each_shared, &b },
			{ "protect: a page a call", protect_each_shared, &b },
		},
		.goal = { 0, GOAL_BESIDE, GOAL_PROTECT },
	};

	bench_begin(&b, PGW_POLICY_RANGE);
	pgw_reader_enter(pgw_hosted_platform());
	bench_run(bench, &set);
	pgw_reader_leave(pgw_hosted_platform());
	bench_end(&b);
}

static void measure(struct bench *bench, const char *name, uint64_t nr_pages,
		    enum pgw_edit_policy policy)
{
	struct edit_bench b = { .nr_pages = nr_pages };
	bool one_by_one = nr_pages <= NR_ONE_BY_ONE;
	struct bench_set set = {
		.name = name,
		.unit = "page",
		.reference = 0,
		.nr_cases = 5,
		.cases = {
			{ "store and clear a word", plain_stores, &b },
			{ "map, unmap: a page a call", one_by_one ? map_each : NULL, &b },
			{ "map, unmap: one call each", map_all, &b },
			{ "protect: a page a call", one_by_one ? protect_each : NULL, &b },
			{ "protect: one call", protect_all, &b },
		},
		.goal = { 0, policy == PGW_POLICY_SINGLE ? GOAL_ALONE : GOAL_BESIDE, 0,
			  GOAL_PROTECT },
	};

	bench_begin(&b, policy);
	bench_run(bench, &set);
	bench_end(&b);
}

int main(int argc, char **argv)
{
	struct bench bench;

	bench_init(&bench, argc, argv);
	measure(&bench, "bench_edit__x86_64_range_256", NR_ONE_BY_ONE, PGW_POLICY_RANGE);
	measure(&bench, "bench_edit__x86_64_single_256", NR_ONE_BY_ONE, PGW_POLICY_SINGLE);
	measure_shared(&bench);
	measure(&bench, "bench_edit__x86_64_range_1g", NR_MOST, PGW_POLICY_RANGE);
	measure(&bench, "bench_edit__x86_64_single_1g", NR_MOST, PGW_POLICY_SINGLE);
	return bench_done(&bench);
}
