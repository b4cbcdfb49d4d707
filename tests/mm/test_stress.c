/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads that map, unmap, protect, fault, drop, harvest and walk at random for
 * a while: no walker sees a freed table, every frame comes back once, and at
 * the end everything is as it should be. tests/mm/test_race.c is the same step by step.
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
#define SECONDS 0.25 /* a format */
#define NR_FRAMES 65536
#define FRAMES_PA (UINT64_C(1) << 33)

struct stress;

/** VMAs of different owners never merge, and each gets its own frames back. */
struct owner {
	struct stress *s;
	uint32_t id;
};

#define NR_OWNERS 4

struct stress {
	struct quarantine q; /* first: the platform's ctx */
	struct pgw_mm *mm;
	const struct pgw_geometry *geo;
	uint64_t page, table_span;
	struct timespec end;
	uint32_t *frame; /* by number: how often it is out; atomic */
	uint32_t *whose; /* by number: the owner's id; atomic */
	struct owner owner[NR_OWNERS];
	uint64_t next_frame;
	uint64_t nr_done, nr_bad; /* atomic */
	long nr_open;
};

struct worker {
	struct stress *s;
	pthread_t thread;
	uint64_t random;
	uint64_t own_page; /* nobody else maps or unmaps it, but it shares a table with others' */
};

static struct stress *stress_of(const struct pgw_vma *vma)
{
	return ((const struct owner *)vma->private_data)->s;
}

static void bad(struct stress *s)
{
	__atomic_fetch_add(&s->nr_bad, 1, __ATOMIC_RELAXED);
}

/* A frame number is used again and again, but only by one mapping at a time. */
static int ops_fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	const struct owner *owner = vma->private_data;
	struct stress *s = owner->s;
	uint64_t nr_pages, first;

	fault->level = fault->max_level && (fault->pgoff & 1) ? 1 : 0;
	nr_pages = UINT64_C(1) << (s->geo->span_lg2[fault->level] - s->geo->granule_lg2);
	first = __atomic_fetch_add(&s->next_frame, 2 * nr_pages, __ATOMIC_RELAXED);
	first = (first + nr_pages - 1) & ~(nr_pages - 1);
	first %= NR_FRAMES;
	for (uint64_t i = 0; i < nr_pages; i++) {
		if (!__atomic_fetch_add(&s->frame[first + i], 1, __ATOMIC_RELAXED)) {
			__atomic_store_n(&s->whose[first + i], owner->id, __ATOMIC_RELAXED);
			continue;
		}
		/* Still out: not a fault of the library's, there are not enough frames. */
		do
			__atomic_fetch_sub(&s->frame[first + i], 1, __ATOMIC_RELAXED);
		while (i--);
		return -PGW_ENOMEM;
	}
	fault->pa = FRAMES_PA + first * s->page;
	fault->read_only = fault->access != PGW_VMA_WRITE && (fault->pgoff & 2);
	return 0;
}

static void ops_release(struct pgw_vma *vma, const struct pgw_frames *frames)
{
	const struct owner *owner = vma->private_data;
	struct stress *s = owner->s;
	uint64_t first = (frames->pa - FRAMES_PA) / s->page;

	for (uint64_t i = 0; i < frames->size / s->page; i++) {
		if (__atomic_load_n(&s->whose[first + i], __ATOMIC_RELAXED) != owner->id)
			bad(s);
		if (__atomic_fetch_sub(&s->frame[first + i], 1, __ATOMIC_RELAXED) != 1)
			bad(s);
	}
}

static int ops_open(struct pgw_vma *vma)
{
	__atomic_fetch_add(&stress_of(vma)->nr_open, 1, __ATOMIC_RELAXED);
	return 0;
}

static void ops_close(struct pgw_vma *vma)
{
	__atomic_fetch_sub(&stress_of(vma)->nr_open, 1, __ATOMIC_RELAXED);
}

static const struct pgw_vma_ops vma_ops = {
	.fault = ops_fault,
	.release = ops_release,
	.open = ops_open,
	.close = ops_close,
};

/* A few tables' worth of addresses, so that ranges meet, share tables and leave some empty. */
static void random_range(struct worker *w, uint64_t *start, uint64_t *end)
{
	const struct stress *s = w->s;
	uint64_t table = test_random(&w->random) % 6, n = test_random(&w->random) % 4;
	uint64_t from = test_random(&w->random) % 24;

	*start = (4 + table) * s->table_span + from * s->page - 12 * s->page;
	*end = *start + (1 + test_random(&w->random) % 16) * s->page;
	if (n == 0)
		*end = *start + s->table_span + 4 * s->page;
}

static int count_leaf(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	(void)va, (void)pa, (void)size_lg2, (void)what, (void)arg;
	return 0;
}

static int walk_read_locked(struct stress *s, uint64_t start, uint64_t end)
{
	int err = pgw_mmap_read_lock(s->mm);

	if (err)
		return err;
	err = pgw_walk_page_range(s->mm, start, end, &quarantine_walk_ops, s);
	if (pgw_mmap_read_unlock(s->mm))
		bad(s);
	return err;
}

static int walk_vma_locked(struct stress *s, uint64_t va)
{
	struct pgw_mm_walk_ops ops = quarantine_walk_ops;
	struct pgw_vma *vma = pgw_vma_read_lock(s->mm, va);
	int err;

	if (!vma)
		return 0;
	if (va < vma->start || va >= vma->end)
		bad(s);
	ops.walk_lock = PGW_WALK_VMA_RDLOCK_VERIFY;
	err = pgw_walk_page_vma(vma, &ops, s);
	pgw_vma_read_unlock(vma);
	return err;
}

static int walk_write_locked(struct stress *s, uint64_t start, uint64_t end)
{
	int err = pgw_mmap_write_lock(s->mm);

	if (err)
		return err;
	err = pgw_walk_page_range_novma(s->mm, start, end, &quarantine_walk_ops, NULL, s);
	if (pgw_mmap_write_unlock(s->mm))
		bad(s);
	return err;
}

static int count_pte(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	*(int *)walk->arg += pgw_item_load(pte) != 0;
	return 0;
}

/*
 * A page of the thread's own, in a table that others fill, empty and trim: what
 * is mapped there stays mapped.
 */
static int use_own_page(struct worker *w)
{
	const struct pgw_mm_walk_ops ops = { .pte_entry = count_pte };
	struct stress *s = w->s;
	const struct pgw_mmap_args args = { .start = w->own_page,
					    .end = w->own_page + s->page,
					    .flags = PGW_VMA_READ | PGW_VMA_WRITE,
					    .pgoff = w->own_page / s->page,
					    .ops = &vma_ops,
					    .private_data = &s->owner[0] };
	int nr = 0, faulted;

	if (pgw_mm_mmap(s->mm, &args))
		return 0; /* no memory */
	faulted = !pgw_mm_fault(s->mm, w->own_page, PGW_VMA_WRITE);
	sched_yield();
	if (pgw_mmap_read_lock(s->mm) ||
	    pgw_walk_page_range(s->mm, args.start, args.end, &ops, &nr) ||
	    pgw_mmap_read_unlock(s->mm) || nr != faulted)
		bad(s);
	while (pgw_mm_munmap(s->mm, args.start, args.end) == -PGW_ENOMEM)
		sched_yield();
	return 0;
}

/* Statuses that a race against others may give. */
static bool is_fine(int err)
{
	return !err || err == -PGW_EEXIST || err == -PGW_ENOENT || err == -PGW_EFAULT ||
	       err == -PGW_ENOMEM || err == -PGW_EINVAL || err == -PGW_EACCES;
}

static int random_mremap(struct worker *w, uint64_t start, uint64_t end)
{
	struct pgw_mremap_args args = { .start = start, .end = end };

	random_range(w, &args.new_start, &args.new_end);
	/* Sometimes whole tables, of the same size at least. */
	if (test_random(&w->random) % 2) {
		args.new_start = start ^ (1 + test_random(&w->random) % 3) * w->s->table_span;
		args.new_end = args.new_start + (end - start);
	}
	return pgw_mm_mremap(w->s->mm, &args);
}

static int random_op(struct worker *w)
{
	static const uint32_t access[] = { PGW_VMA_READ, PGW_VMA_WRITE, PGW_VMA_EXEC };
	struct stress *s = w->s;
	struct pgw_mmap_args args = { .ops = &vma_ops };

	random_range(w, &args.start, &args.end);
	args.private_data = &s->owner[test_random(&w->random) % NR_OWNERS];
	args.pgoff = args.start / s->page;
	args.flags = (uint32_t)(test_random(&w->random) % 8) | PGW_VMA_READ;
	switch (test_random(&w->random) % 18) {
	case 0:
	case 1:
	case 2:
		return pgw_mm_mmap(s->mm, &args);
	case 3:
		return pgw_mm_munmap(s->mm, args.start, args.end);
	case 4:
		return pgw_mm_mprotect(s->mm, args.start, args.end, args.flags);
	case 5:
		return pgw_mm_dontneed(s->mm, args.start, args.end);
	case 6:
		return pgw_mm_harvest(s->mm, args.start, args.end,
				      PGW_HARVEST_YOUNG | PGW_HARVEST_DIRTY | PGW_HARVEST_CLEAR,
				      count_leaf, NULL);
	case 7:
		return pgw_mm_populate(s->mm, args.start, args.end);
	case 8:
		return walk_read_locked(s, 0, 16 * s->table_span);
	case 9:
		return walk_vma_locked(s, args.start);
	case 11:
		return use_own_page(w);
	case 10:
		return walk_write_locked(s, args.start, args.end);
	case 12:
		return pgw_mm_guard_install(s->mm, args.start, args.end);
	case 14:
		return random_mremap(w, args.start, args.end);
	case 13:
		return pgw_mm_guard_remove(s->mm, args.start, args.end);
	default:
		return pgw_mm_fault(s->mm, args.start, access[test_random(&w->random) % 3]);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct stress *s = w->s;

	for (;;) {
		struct timespec now;

		for (int i = 0; i < 16; i++) {
			if (!is_fine(random_op(w)))
				bad(s);
		}
		__atomic_fetch_add(&s->nr_done, 16, __ATOMIC_RELAXED);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > s->end.tv_sec ||
		    (now.tv_sec == s->end.tv_sec && now.tv_nsec >= s->end.tv_nsec))
			return NULL;
	}
}

static void stress_end_in(struct stress *s, double seconds)
{
	long ns = (long)(seconds * 1e9);

	clock_gettime(CLOCK_MONOTONIC, &s->end);
	s->end.tv_nsec += ns;
	s->end.tv_sec += s->end.tv_nsec / 1000000000;
	s->end.tv_nsec %= 1000000000;
}

static void check_at_rest(struct stress *s)
{
	const char *what = "";

	assert_int_equal(s->nr_bad, 0);
	assert_int_equal(quarantine_nr_poison(&s->q), 0);
	assert_int_equal(pgw_mmap_write_lock(s->mm), 0);
	if (pgw_mm_validate(s->mm, &what))
		fail_msg("%s: %s", pgw_format_name(pgw_mm_format(s->mm)), what);
	assert_int_equal(s->nr_open, pgw_vma_count(s->mm));
	assert_int_equal(pgw_mmap_write_unlock(s->mm), 0);
	assert_int_equal(s->mm ? pgw_mmap_lock_mode(s->mm) : 0, PGW_LOCK_NONE);
}

static void stress_format(const struct pgw_format *format, uint64_t seed)
{
	struct stress *s = calloc(1, sizeof(*s));
	struct pgw_mm_new_args args = { .format = format };
	struct worker worker[NR_THREADS];

	assert_non_null(s);
	quarantine_init(&s->q, 4096);
	s->geo = pgw_format_geometry(format);
	s->page = UINT64_C(1) << s->geo->granule_lg2;
	s->table_span = UINT64_C(1) << s->geo->span_lg2[1];
	s->frame = calloc(NR_FRAMES, sizeof(*s->frame));
	s->whose = calloc(NR_FRAMES, sizeof(*s->whose));
	for (uint32_t i = 0; i < NR_OWNERS; i++)
		s->owner[i] = (struct owner){ s, i };
	args.platform = &s->q.platform;
	assert_int_equal(pgw_mm_new(&args, &s->mm), 0);
	stress_end_in(s, SECONDS);
	for (int i = 0; i < NR_THREADS; i++) {
		worker[i] = (struct worker){ .s = s, .random = seed + (uint64_t)i };
		worker[i].own_page = 4 * s->table_span - (20 + (uint64_t)i) * s->page;
		assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
	}
	for (int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_join(worker[i].thread, NULL), 0);
	check_at_rest(s);
	printf("# %s: %llu operations, %ld tables freed\n", pgw_format_name(format),
	       (unsigned long long)s->nr_done, s->q.nr_freed);
	assert_true(s->nr_done > 0 && s->q.nr_freed > 0);
	pgw_mm_free(s->mm);
	assert_int_equal(s->nr_open, 0);
	for (size_t i = 0; i < NR_FRAMES; i++)
		assert_int_equal(s->frame[i], 0);
	quarantine_fini(&s->q);
	free(s->frame);
	free(s->whose);
	free(s);
}

static void test_stress__random_operations_of_many_threads(void **state)
{
	static const char *const formats[] = { "x86_64-la48", "arm64-4k", "riscv-sv39",
					       "arm64-4k-39" };
	uint64_t seed = test_seed();

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		stress_format(pgw_format_by_name(formats[i]), seed + 100 * i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stress__random_operations_of_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
