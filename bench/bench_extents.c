/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of leaves, the bulk path: pgw_scan(). Per leaf, so that shapes compare. */
#include <stdio.h>

#include "harness.h"
#include "naive.h"
#include "subject.h"

static int take_extent(const struct pgw_extent *extent, void *arg)
{
	*(volatile uint64_t *)arg = extent->va_first;
	return 0;
}

static uint64_t scan(const struct subject *subject, struct pgw_mm *mm)
{
	struct pgw_scan_stats stats;
	uint64_t last;

	return pgw_scan(mm, subject->va_first, subject->va_last, take_extent, &last, &stats)
		       ? 0
		       : stats.nr_leaves;
}

static int take_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	*(volatile uint64_t *)arg = extents[nr - 1].va_first;
	return 0;
}

static uint64_t scan_blocks(void *arg)
{
	const struct subject *subject = arg;
	struct pgw_scan_stats stats;
	uint64_t last;

	return pgw_scan_blocks(subject->attached, subject->va_first, subject->va_last, take_extents,
			       &last, &stats)
		       ? 0
		       : stats.nr_leaves;
}

static uint64_t scan_attached(void *arg)
{
	const struct subject *subject = arg;

	return scan(subject, subject->attached);
}

static uint64_t scan_owned(void *arg)
{
	const struct subject *subject = arg;

	return scan(subject, subject->owned);
}

/* Joins what follows in va, pa and flags, as one does by hand. */
struct runs {
	uint64_t nr_leaves, nr_runs;
	uint64_t next_va, next_pa, flags;
};

static void join(uint64_t va, uint64_t pa, unsigned level, uint64_t entry, void *arg)
{
	const uint64_t size = UINT64_C(4096) << 9 * level;
	struct runs *runs = arg;

	runs->nr_leaves++;
	runs->nr_runs +=
		va != runs->next_va || pa != runs->next_pa || (entry & 0xfff) != runs->flags;
	runs->next_va = va + size;
	runs->next_pa = pa + size;
	runs->flags = entry & 0xfff;
}

static uint64_t naive(void *arg)
{
	const struct subject *subject = arg;
	struct runs runs = { 0 };

	naive_walk(&subject->tree, join, &runs);
	return runs.nr_runs ? runs.nr_leaves : 0;
}

static void measure(struct subject *subject, void *arg)
{
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "leaf",
		.reference = 0,
		.nr_cases = 5,
		.cases = {
			{ "naive walk", naive, subject },
			{ "scan, attached", scan_attached, subject },
			{ "scan by blocks, attached", scan_blocks, subject },
			{ "scan, owned", subject->owned ? scan_owned : NULL, subject },
			{ "plain read of the tables", subject_read, subject },
		},
	};

	snprintf(name, sizeof(name), "bench_extents__%s", subject->name);
	bench_run(arg, &set);
}

int main(int argc, char **argv)
{
	return subject_main(argc, argv, measure);
}
