/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads at one VMA of large pages, beside VMAs of small ones in the same tables: a page that
 * hugetlb_entry was shown stays while the VMA's second lock is held, no freed table is seen,
 * and every frame comes back once.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sched.h>

#include "common/arena.h"
#include "mm/quarantine.h"

#define NR_THREADS 4
#define NR_PAGES 4
#define NR_ROUNDS 3000
#define MAX_FRAMES 65536

struct race {
	struct quarantine q; /* first: the platform's ctx */
	struct pgw_mm *mm;
	uint64_t huge, page, base;
	uint8_t lg2;
	uint32_t next_frame;
	uint8_t out[MAX_FRAMES];  /* by number, of large frames; atomic */
	uint64_t nr_bad, nr_seen; /* atomic */
};

struct worker {
	struct race *r;
	uint64_t random;
};

static int fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	struct race *r = vma->private_data;
	uint32_t frame;

	if (!fault->page_lg2)
		return -PGW_EFAULT;
	frame = __atomic_fetch_add(&r->next_frame, 1, __ATOMIC_RELAXED);
	if (frame >= MAX_FRAMES)
		return -PGW_ENOMEM;
	__atomic_store_n(&r->out[frame], 1, __ATOMIC_RELAXED);
	fault->pa = frame * r->huge;
	return 0;
}

static void release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	struct race *r = vma->private_data;

	for (uint64_t pa = frames->pa; pa < frames->pa + frames->size; pa += r->huge) {
		if (__atomic_exchange_n(&r->out[pa / r->huge], 0, __ATOMIC_RELAXED) != 1)
			__atomic_fetch_add(&r->nr_bad, 1, __ATOMIC_RELAXED);
	}
}

static const struct pgw_vma_ops vma_ops = { .fault = fault, .release = release };

/* What is there stays, but for its accessed and dirty bits, which nobody sets here. */
static int look_twice(uint64_t *pte, uint64_t hmask, uint64_t addr, uint64_t next,
		      struct pgw_mm_walk *walk)
{
	struct race *r = walk->arg;
	uint64_t seen = quarantine_look(&r->q, pte);

	(void)hmask, (void)addr, (void)next;
	sched_yield();
	if (seen && quarantine_look(&r->q, pte) != seen)
		__atomic_fetch_add(&r->nr_bad, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&r->nr_seen, seen != 0, __ATOMIC_RELAXED);
	return 0;
}

static int walk_all(struct race *r)
{
	static const struct pgw_mm_walk_ops ops = { .hugetlb_entry = look_twice };
	int err = pgw_mmap_read_lock(r->mm);

	if (!err)
		err = pgw_walk_page_range(r->mm, 0, r->base + 8 * r->huge, &ops, r);
	pgw_mmap_read_unlock(r->mm);
	return err;
}

static int walk_vma(struct race *r, uint64_t va)
{
	static const struct pgw_mm_walk_ops ops = { .hugetlb_entry = look_twice,
						    .walk_lock = PGW_WALK_VMA_RDLOCK_VERIFY };
	struct pgw_vma *vma = pgw_vma_read_lock(r->mm, va);
	int err;

	if (!vma)
		return 0;
	err = pgw_walk_page_vma(vma, &ops, r);
	pgw_vma_read_unlock(vma);
	return err;
}

static int map_huge(struct race *r)
{
	const struct pgw_mmap_args args = {
		.start = r->base,
		.end = r->base + NR_PAGES * r->huge,
		.flags = PGW_VMA_HUGETLB | PGW_VMA_READ | PGW_VMA_WRITE,
		.page_lg2 = r->lg2,
		.ops = &vma_ops,
		.private_data = r,
	};

	return pgw_mm_mmap(r->mm, &args);
}

/* A guard in a VMA beside it comes and goes, and with it perhaps the table. */
static int use_neighbour(struct race *r)
{
	uint64_t va = r->base - r->page;
	int err = pgw_mm_guard_install(r->mm, va, r->base);

	if (!err)
		err = pgw_mm_guard_remove(r->mm, va, r->base);
	return err ? err : pgw_mm_dontneed(r->mm, va, r->base);
}

static int random_op(struct worker *w)
{
	struct race *r = w->r;
	uint64_t va = r->base + test_random(&w->random) % NR_PAGES * r->huge;

	switch (test_random(&w->random) % 12) {
	case 0:
	case 1:
		return walk_all(r);
	case 2:
	case 3:
		return walk_vma(r, va);
	case 4:
	case 5:
		return pgw_mm_dontneed(r->mm, va, va + r->huge);
	case 6:
		return use_neighbour(r);
	case 7:
		if (test_random(&w->random) % 8)
			return 0;
		return pgw_mm_munmap(r->mm, va, va + r->huge);
	case 8:
		return map_huge(r);
	default:
		return pgw_mm_fault(r->mm, va + r->page, PGW_VMA_WRITE);
	}
}

static bool is_fine(int err)
{
	return !err || err == -PGW_EEXIST || err == -PGW_ENOENT || err == -PGW_EFAULT ||
	       err == -PGW_ENOMEM;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < NR_ROUNDS; i++) {
		if (!is_fine(random_op(w)))
			__atomic_fetch_add(&w->r->nr_bad, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void race_format(const char *name, uint8_t lg2, uint64_t seed)
{
	const struct pgw_format *format = pgw_format_by_name(name);
	struct race *r = calloc(1, sizeof(*r));
	struct pgw_mm_new_args args = { .format = format };
	struct pgw_mmap_args beside = { .flags = PGW_VMA_READ };
	struct worker worker[NR_THREADS];
	pthread_t thread[NR_THREADS];
	const char *what = "";

	assert_non_null(r);
	quarantine_init(&r->q, 4096);
	r->page = UINT64_C(1) << pgw_format_geometry(format)->granule_lg2;
	r->lg2 = lg2;
	r->huge = UINT64_C(1) << lg2;
	r->base = 64 * r->huge;
	args.platform = &r->q.platform;
	assert_int_equal(pgw_mm_new(&args, &r->mm), 0);
	beside.end = r->base;
	beside.start = r->base - r->page;
	assert_int_equal(pgw_mm_mmap(r->mm, &beside), 0);
	assert_int_equal(map_huge(r), 0);
	for (uint64_t i = 0; i < NR_THREADS; i++) {
		worker[i] = (struct worker){ r, seed + i };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
	}
	for (int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(r->nr_bad, 0);
	assert_int_equal(quarantine_nr_poison(&r->q), 0);
	assert_true(r->nr_seen > 0);
	assert_int_equal(pgw_mmap_write_lock(r->mm), 0);
	if (pgw_mm_validate(r->mm, &what))
		fail_msg("%s: %s", name, what);
	assert_int_equal(pgw_mmap_write_unlock(r->mm), 0);
	pgw_mm_free(r->mm);
	for (size_t i = 0; i < MAX_FRAMES; i++)
		assert_int_equal(r->out[i], 0);
	quarantine_fini(&r->q);
	free(r);
}

static void test_hugetlb_race__pages_stay_while_the_lock_is_held(void **state)
{
	static const struct {
		const char *format;
		uint8_t lg2;
	} runs[] = { { "x86_64-la48", 21 },
		     { "x86_64-la48", 30 },
		     { "arm64-4k", 16 },
		     { "arm64-4k", 25 },
		     { "riscv-sv39", 21 } };
	uint64_t seed = test_seed();

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		race_format(runs[i].format, runs[i].lg2, seed + 100 * i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hugetlb_race__pages_stay_while_the_lock_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
