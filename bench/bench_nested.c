/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of a guest by both stages, as a multiple of the same tables by one. The guest maps 1 GiB by pages
 * of 4 KiB, as its host does for it; its tables lie in pieces of 64 KiB of the host's memory. "dump": of memory that
 * is read and never pointed at, as that of files is; "memory": of memory that is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/virt.h>

#include "harness.h"

#define PAGE UINT64_C(4096)
#define ITEMS 512u
#define NR_LEAVES (ITEMS * ITEMS)
#define NR_ADDRESSES 65536u
#define NR_PAGES 4096u /* of the host's memory */
#define NR_TABLES (ITEMS + 3u)
#define GUEST_PAGES 1024u /* of those, the guest's, from GUEST_PAGES on */
#define STAGE2_PAGES (3u * GUEST_PAGES)
#define PIECE 16u /* pages */
#define TABLE UINT64_C(0x67)
#define LEAF UINT64_C(0x67)
#define GOAL 3

struct job {
	uint64_t (*words)[ITEMS];
	struct pgw_phys_memory host, plain; /* plain: the guest's memory by itself */
	struct pgw_phys_ops read_ops;       /* of memory that is not pointed at */
	struct pgw_nested *nested;
	struct pgw_mm *single, *stage1, *stage2;
	uint64_t *va;
};

/* Where the host has a page of the guest's. */
static unsigned host_page(unsigned page)
{
	return GUEST_PAGES + page / PIECE * 7 % (GUEST_PAGES / PIECE) * PIECE + page % PIECE;
}

static unsigned same_page(unsigned page)
{
	return page;
}

static unsigned stage2_page(unsigned page)
{
	return STAGE2_PAGES + page;
}

static uint64_t leaf_of(unsigned i)
{
	return (GUEST_PAGES + (uint64_t)(i ^ 1)) * PAGE;
}

/* Four levels for 1 GiB: tables 0 to 2, and the lowest ones after them. */
static void make_tables(const struct job *job, unsigned (*place)(unsigned page), uint64_t first,
			uint64_t bits, uint64_t (*pa)(unsigned i))
{
	for (unsigned i = 0; i < 2; i++)
		job->words[place(i)][0] = first + (i + 1) * PAGE + TABLE;
	for (unsigned i = 0; i < ITEMS; i++)
		job->words[place(2)][i] = first + (i + 3) * PAGE + TABLE;
	for (unsigned i = 0; i < NR_LEAVES; i++)
		job->words[place(3 + i / ITEMS)][i % ITEMS] = pa(i) | bits;
}

/* The guest's memory, and behind it what is only led to. */
static uint64_t stage2_leaf(unsigned i)
{
	return i < GUEST_PAGES ? host_page(i) * PAGE : (NR_PAGES + (uint64_t)(i ^ 5)) * PAGE;
}

static struct pgw_mm *attach(const char *format, const struct pgw_phys *phys, uint64_t root,
			     enum pgw_region_kind region)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name(format),
		.phys = phys,
		.root.pa = root,
		.region = region,
	};
	struct pgw_mm *mm;

	bench_require(!pgw_mm_attach(&args, &mm), "cannot attach");
	return mm;
}

static void make(struct job *job, bool is_dump)
{
	job->words = aligned_alloc(PAGE, NR_PAGES * PAGE);
	job->va = calloc(NR_ADDRESSES, sizeof(*job->va));
	bench_require(job->words && job->va, "no memory");
	memset(job->words, 0, NR_PAGES * PAGE);
	make_tables(job, same_page, 0, LEAF, leaf_of);
	make_tables(job, host_page, 0, LEAF, leaf_of);
	make_tables(job, stage2_page, STAGE2_PAGES * PAGE, LEAF, stage2_leaf);
	bench_require(!pgw_phys_memory_init(&job->host, 0, job->words, NR_PAGES * PAGE) &&
			      !pgw_phys_memory_init(&job->plain, 0, job->words, NR_TABLES * PAGE),
		      "no source");
	job->read_ops = *job->host.phys.ops;
	job->read_ops.map = NULL;
	if (is_dump)
		job->host.phys.ops = job->plain.phys.ops = &job->read_ops;
	job->stage2 = attach("npt-48", &job->host.phys, STAGE2_PAGES * PAGE, PGW_REGION_FOREIGN);
	bench_require(!pgw_nested_new(job->stage2, &job->host.phys, &job->nested), "no guest");
	job->single = attach("x86_64-la48", &job->plain.phys, 0, PGW_REGION_USER);
	job->stage1 =
		attach("x86_64-la48", pgw_nested_phys(job->nested), 0, PGW_REGION_USER);
}

static uint64_t one_stage(void *arg)
{
	enum { BATCH = 256 };
	struct pgw_translation got[BATCH];
	const struct job *job = arg;
	uint64_t nr = 0;

	for (unsigned i = 0; i < NR_ADDRESSES; i += BATCH)
		nr += pgw_translate_batch(job->single, job->va + i, got, BATCH);
	return nr;
}

static uint64_t two_stages(void *arg)
{
	enum { BATCH = 256 };
	struct pgw_nested_translation got[BATCH];
	const struct job *job = arg;
	uint64_t nr = 0;

	for (unsigned i = 0; i < NR_ADDRESSES; i += BATCH) {
		nr += pgw_translate_nested_batch(job->stage1, job->stage2, job->va + i, got, BATCH);
		bench_require(got[BATCH - 1].kind == PGW_ENTRY_LEAF, "it is mapped");
	}
	return nr;
}

static uint64_t one_by_one(void *arg)
{
	struct pgw_nested_translation got;
	const struct job *job = arg;
	uint64_t nr = 0;

	for (unsigned i = 0; i < NR_ADDRESSES; i++)
		nr += pgw_translate_nested(job->stage1, job->stage2, job->va[i], &got, NULL) == 0;
	return nr;
}

static void measure(struct bench *bench, struct job *job, const char *order, bool is_dump)
{
	char name[64];
	struct bench_set set = {
		.name = name,
		.unit = "address",
		.nr_cases = 3,
		.cases = {
			{ "one stage, batch", one_stage, job },
			{ "two stages, batch", two_stages, job },
			{ "two stages, one by one", one_by_one, job },
		},
		.goal = { 0, GOAL, 0 },
	};

	snprintf(name, sizeof(name), "bench_nested_%s__%s", order, is_dump ? "dump" : "memory");
	bench_run(bench, &set);
}

static void measure_all(struct bench *bench, bool is_dump)
{
	/* Stage 2 maps 1 GiB: of the guest's, all but the last 4 MiB lead there. */
	const uint64_t nr = NR_LEAVES - GUEST_PAGES;
	struct job job = { 0 };
	uint64_t state = 1;

	make(&job, is_dump);
	for (unsigned i = 0; i < NR_ADDRESSES; i++)
		job.va[i] = i * (nr / NR_ADDRESSES) * PAGE + 8;
	measure(bench, &job, "ascending", is_dump);
	for (unsigned i = 0; i < NR_ADDRESSES; i++) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		job.va[i] = (state >> 33) % nr * PAGE + 8;
	}
	measure(bench, &job, "random", is_dump);
	pgw_mm_free(job.stage1);
	pgw_mm_free(job.single);
	pgw_nested_free(job.nested);
	pgw_mm_free(job.stage2);
	free(job.va);
	free(job.words);
}

int main(int argc, char **argv)
{
	struct bench bench;

	bench_init(&bench, argc, argv);
	measure_all(&bench, true);
	measure_all(&bench, false);
	return bench_done(&bench);
}
