/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMAs: finding one by an address in no order, locking it, and taking one out
 * and putting it back; beside the plainest thing that can find ranges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/hosted.h>

#include "harness.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_lock.h"
#include "mm/vma/vma_tree.h"

#define NR_ADDRESSES 100000
#define STRIDE UINT64_C(0x10000)
#define SIZE UINT64_C(0xa000)

struct range {
	uint64_t start, end;
	struct pgw_vma *vma;
};

struct job {
	struct pgw_mm mm;
	struct pgw_vma *vmas;
	struct range *ranges; /* the same, sorted in an array */
	size_t nr_vmas;
	uint64_t *addresses; /* each inside some VMA */
	uint64_t nr_pairs;
};

/* ---- the reference ---- */

static size_t array_find(const struct range *ranges, size_t nr, uint64_t va)
{
	size_t low = 0;

	while (nr > 0) {
		size_t half = nr / 2;
		bool is_behind = ranges[low + half].end <= va;

		low = is_behind ? low + half + 1 : low;
		nr = is_behind ? nr - half - 1 : half;
	}
	return low;
}

static uint64_t lookup_array(void *arg)
{
	const struct job *job = arg;
	uint64_t nr = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		size_t at = array_find(job->ranges, job->nr_vmas, job->addresses[i]);

		nr += at < job->nr_vmas && job->ranges[at].vma->start <= job->addresses[i];
	}
	return nr;
}

/* ---- finding and locking ---- */

static uint64_t lookup_tree(void *arg)
{
	struct job *job = arg;
	uint64_t nr = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		const struct pgw_vma *vma = vma_tree_find(job->mm.vma_root, job->addresses[i]);

		nr += vma && vma->start <= job->addresses[i];
	}
	return nr;
}

static uint64_t lookup_public(void *arg)
{
	struct job *job = arg;
	uint64_t nr = 0;

	pgw_reader_enter(job->mm.platform);
	for (size_t i = 0; i < NR_ADDRESSES; i++)
		nr += pgw_vma_lookup(&job->mm, job->addresses[i]) != NULL;
	pgw_reader_leave(job->mm.platform);
	return nr;
}

static uint64_t lookup_reader(void *arg)
{
	struct job *job = arg;
	uint64_t nr = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		pgw_reader_enter(job->mm.platform);
		nr += pgw_vma_lookup(&job->mm, job->addresses[i]) != NULL;
		pgw_reader_leave(job->mm.platform);
	}
	return nr;
}

static uint64_t lookup_mmap_lock(void *arg)
{
	struct job *job = arg;
	uint64_t nr = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		pgw_mmap_read_lock(&job->mm);
		nr += pgw_vma_lookup(&job->mm, job->addresses[i]) != NULL;
		pgw_mmap_read_unlock(&job->mm);
	}
	return nr;
}

static uint64_t lookup_and_lock(void *arg)
{
	struct job *job = arg;
	uint64_t nr = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++) {
		struct pgw_vma *vma = pgw_vma_read_lock(&job->mm, job->addresses[i]);

		if (!vma)
			return 0;
		nr++;
		pgw_vma_read_unlock(vma);
	}
	return nr;
}

/* ---- changing ---- */

static uint64_t replace_array(void *arg)
{
	struct job *job = arg;

	for (uint64_t i = 0; i < job->nr_pairs; i++) {
		size_t at = array_find(job->ranges, job->nr_vmas, job->addresses[i]);
		size_t behind = job->nr_vmas - at - 1;
		struct range range = job->ranges[at];

		memmove(job->ranges + at, job->ranges + at + 1, behind * sizeof(range));
		memmove(job->ranges + at + 1, job->ranges + at, behind * sizeof(range));
		job->ranges[at] = range;
	}
	return job->nr_pairs;
}

static bool replace_one(struct job *job, const struct pgw_vma *old, struct pgw_vma *vma)
{
	struct vma_tree_change change;

	vma_tree_begin(&change, job->mm.platform, job->mm.vma_root);
	if (vma_tree_replace(&change, old->start, old->end, &vma, vma != NULL)) {
		vma_tree_abort(&change);
		return false;
	}
	vma_tree_commit(&change, &job->mm.vma_root);
	return true;
}

/* Two changes, as munmap and mmap make them. */
static uint64_t replace_tree(void *arg)
{
	struct job *job = arg;

	for (uint64_t i = 0; i < job->nr_pairs; i++) {
		struct pgw_vma *vma = vma_tree_find(job->mm.vma_root, job->addresses[i]);

		if (!replace_one(job, vma, NULL) || !replace_one(job, vma, vma))
			return 0;
	}
	return job->nr_pairs;
}

/* One change, as mprotect makes it. */
static uint64_t replace_tree_at_once(void *arg)
{
	struct job *job = arg;

	for (uint64_t i = 0; i < job->nr_pairs; i++) {
		struct pgw_vma *vma = vma_tree_find(job->mm.vma_root, job->addresses[i]);

		if (!replace_one(job, vma, vma))
			return 0;
	}
	return job->nr_pairs;
}

/* ---- sizes ---- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ (z >> 31);
}

/* VMAs made one after the other, each a change, in no order. */
static void job_init(struct job *job, size_t nr_vmas)
{
	size_t stride = 7919; /* a prime that divides neither size */
	uint64_t seed = 1;

	*job = (struct job){ .nr_vmas = nr_vmas };
	job->mm.platform = pgw_hosted_platform();
	job->mm.kind = PGW_MM_OWNED;
	job->mm.pt.region.kind = PGW_REGION_USER;
	job->vmas = calloc(nr_vmas, sizeof(*job->vmas));
	job->ranges = calloc(nr_vmas, sizeof(*job->ranges));
	job->addresses = calloc(NR_ADDRESSES, sizeof(*job->addresses));
	bench_require(job->vmas && job->ranges && job->addresses, "not enough memory");
	for (size_t i = 0; i < nr_vmas; i++) {
		size_t at = i * stride % nr_vmas;
		struct pgw_vma *vma = &job->vmas[at];

		vma->start = at * STRIDE;
		vma->end = at * STRIDE + SIZE;
		vma->mm = &job->mm;
		vma_lock_init(vma);
		job->ranges[at] = (struct range){ vma->start, vma->end, vma };
		bench_require(replace_one(job, vma, vma), "not enough memory");
	}
	for (size_t i = 0; i < NR_ADDRESSES; i++)
		job->addresses[i] =
			next_random(&seed) % nr_vmas * STRIDE + next_random(&seed) % SIZE;
}

static void job_fini(struct job *job)
{
	pgw_reclaim_barrier(job->mm.platform);
	vma_tree_free(job->mm.platform, job->mm.vma_root);
	free(job->vmas);
	free(job->ranges);
	free(job->addresses);
}

static void measure(struct bench *bench, size_t nr_vmas)
{
	char lookup_name[64], replace_name[64];
	struct job job;
	struct bench_set lookup = {
		.name = lookup_name,
		.unit = "lookup",
		.nr_cases = 6,
		.cases = {
			{ "binary search in an array", lookup_array, &job },
			{ "the tree alone", lookup_tree, &job },
			{ "lookup, a reader all along", lookup_public, &job },
			{ "reader, lookup", lookup_reader, &job },
			{ "mmap read lock, lookup", lookup_mmap_lock, &job },
			{ "VMA read lock", lookup_and_lock, &job },
		},
	};
	struct bench_set replace = {
		.name = replace_name,
		.unit = "pair",
		.nr_cases = 3,
		.cases = {
			{ "memmove in an array", replace_array, &job },
			{ "remove, then put back", replace_tree, &job },
			{ "replace in one change", replace_tree_at_once, &job },
		},
	};

	snprintf(lookup_name, sizeof(lookup_name), "bench_vma_lookup__%zu_random", nr_vmas);
	snprintf(replace_name, sizeof(replace_name), "bench_vma_replace__%zu_random", nr_vmas);
	job_init(&job, nr_vmas);
	job.nr_pairs = bench->is_smoke ? 10 : 1000;
	bench_run(bench, &lookup);
	bench_run(bench, &replace);
	job_fini(&job);
}

int main(int argc, char **argv)
{
	struct bench bench;

	bench_init(&bench, argc, argv);
	measure(&bench, 1000);
	measure(&bench, 100000);
	return bench_done(&bench);
}
