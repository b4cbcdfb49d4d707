/* SPDX-License-Identifier: BSD-2-Clause */
/* Every leaf by a callback: the contract walker. */
#include <stdio.h>

#include "harness.h"
#include "naive.h"
#include "subject.h"

#define PRESENT UINT64_C(1)
#define LARGE UINT64_C(0x81)

static int count_page(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	*(uint64_t *)walk->arg += pgw_item_load(pte) & PRESENT;
	return 0;
}

static int count_large(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	*(uint64_t *)walk->arg += (pgw_item_load(item) & LARGE) == LARGE;
	return 0;
}

static uint64_t walk(const struct subject *subject, struct pgw_mm *mm)
{
	static const struct pgw_mm_walk_ops ops = {
		.pud_entry = count_large,
		.pmd_entry = count_large,
		.pte_entry = count_page,
	};
	uint64_t nr = 0;

	return pgw_walk_kernel_page_table_range(mm, subject->va_first, UINT64_MAX, &ops, NULL, &nr)
		       ? 0
		       : nr;
}

static uint64_t walk_attached(void *arg)
{
	const struct subject *subject = arg;

	return walk(subject, subject->attached);
}

static uint64_t walk_owned(void *arg)
{
	const struct subject *subject = arg;

	return walk(subject, subject->owned);
}

static void count_leaf(uint64_t va, uint64_t pa, unsigned level, uint64_t entry, void *arg)
{
	(void)va, (void)pa, (void)level, (void)entry;
	++*(uint64_t *)arg;
}

static uint64_t naive(void *arg)
{
	const struct subject *subject = arg;
	uint64_t nr = 0;

	naive_walk(&subject->tree, count_leaf, &nr);
	return nr;
}

static void measure(struct subject *subject, void *arg)
{
	char name[128];
	struct bench_set set = {
		.name = name,
		.unit = "leaf",
		.reference = 0,
		.nr_cases = 4,
		.cases = {
			{ "naive walk", naive, subject },
			{ "walk, attached", walk_attached, subject },
			{ "walk, owned", subject->owned ? walk_owned : NULL, subject },
			{ "plain read of the tables", subject_read, subject },
		},
	};

	snprintf(name, sizeof(name), "bench_leaves__%s", subject->name);
	bench_run(arg, &set);
}

int main(int argc, char **argv)
{
	return subject_main(argc, argv, measure);
}
