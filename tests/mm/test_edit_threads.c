/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Two threads change the same tables: each its own range of them (PT_RANGE), or
 * both the same range (PT_SHARED). Also under the thread sanitizer.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <pagewalk/hosted.h>

#include "common/arena.h"
#include "mm/mm_priv.h"
#include "pt/read/gather.h"

#define PAGE UINT64_C(4096)
#define MIB(n) ((uint64_t)(n) << 20)
#define BASE (UINT64_C(1) << 30)
#define NR_PAGES 48
#define RIGHTS (PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W)

struct shared {
	struct pgw_mm *mm;
	const struct pt_edit_ops *ops;
	enum pt_policy policy;
	uint64_t seed;
	unsigned nr_rounds;
	int balance[NR_PAGES]; /* maps that succeeded minus unmaps that did; atomic */
	pthread_barrier_t barrier;
	uint32_t done;     /* atomic */
	uint32_t nr_wrong; /* atomic: cmocka's asserts are for the main thread */
};

struct worker {
	struct shared *shared;
	unsigned number;
};

/* The hosted one, which lets the other thread run at the moments that matter. */
static struct pgw_platform platform;

static void give_way(void *ctx, enum pgw_step_point step, const struct pgw_mm *mm)
{
	(void)ctx, (void)mm;
	if (step == PGW_STEP_LEAF_FROZEN || step == PGW_STEP_SPLIT_READY)
		usleep(20);
}

static struct shared shared_init(const char *format, enum pt_policy policy, unsigned nr_rounds)
{
	struct pgw_mm_new_args args = { .platform = &platform,
					.format = pgw_format_by_name(format) };
	struct shared s = { .policy = policy, .nr_rounds = nr_rounds, .seed = test_seed() };

	platform = *pgw_hosted_platform();
	platform.step = give_way;
	assert_int_equal(pgw_mm_new(&args, &s.mm), 0);
	s.ops = args.format->edit;
	assert_int_equal(pthread_barrier_init(&s.barrier, NULL, 2), 0);
	return s;
}

static void shared_run(struct shared *s, void *(*first)(void *), void *(*second)(void *))
{
	struct worker workers[2] = { { s, 0 }, { s, 1 } };
	pthread_t threads[2];

	assert_int_equal(pthread_create(&threads[0], NULL, first, &workers[0]), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, second, &workers[1]), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(s->nr_wrong, 0);
	assert_true(s->ops->validate(&s->mm->pt));
}

static void shared_fini(struct shared *s)
{
	pthread_barrier_destroy(&s->barrier);
	pgw_reclaim_barrier(pgw_hosted_platform());
	pgw_mm_free(s->mm);
}

static void expect(struct shared *s, bool condition)
{
	if (!condition)
		__atomic_fetch_add(&s->nr_wrong, 1, __ATOMIC_RELAXED);
}

static struct pt_edit begin(struct shared *s, struct pt_gather *gather)
{
	gather_init(gather, &s->mm->pt, s->policy);
	pgw_reader_enter(pgw_hosted_platform());
	return (struct pt_edit){ .pt = &s->mm->pt, .policy = s->policy, .gather = gather };
}

static void end(struct pt_gather *gather)
{
	pgw_reader_leave(pgw_hosted_platform());
	gather_flush(gather);
}

static struct pgw_translation translate(struct shared *s, uint64_t va)
{
	struct pgw_translation ret;

	pt_ops(&s->mm->pt)->translate(&s->mm->pt, va, &ret, NULL);
	return ret;
}

/* ---- neighbours ---- */

/* Thread 0 owns the first MiB of each of four lowest tables, thread 1 the second. */
static void *neighbour(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;
	uint64_t random = s->seed + w->number;

	for (unsigned i = 0; i < s->nr_rounds; i++) {
		uint64_t r = test_random(&random);
		uint64_t first = BASE + MIB(2) * (r % 4) + MIB(w->number) + PAGE * ((r >> 8) % 200);
		uint64_t last = first + PAGE * (1 + (r >> 16) % 56) - 1;
		struct pgw_map_args args = {
			.first = first, .last = last, .pa = first, .rights = RIGHTS
		};
		struct pt_gather gather;
		struct pt_edit edit = begin(s, &gather);

		expect(s, s->ops->map(&edit, &args) == 0);
		expect(s, s->ops->map(&edit, &args) == -PGW_EEXIST);
		expect(s, translate(s, last).pa == last);
		expect(s, s->ops->protect(&edit, first, last, PGW_KERNEL_R | PGW_USER_R) == 0);
		expect(s, s->ops->unmap(&edit, first, last, PGW_UNMAP_EXACT) == 0);
		expect(s, translate(s, first).kind == PGW_ENTRY_EMPTY);
		end(&gather);
	}
	return NULL;
}

static void test_edit__neighbours_share_tables_under_range(void **state)
{
	static const char *const formats[] = { "x86_64-la48", "arm64-4k", "riscv-sv48" };

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct shared s = shared_init(formats[i], PT_RANGE, 1500);

		shared_run(&s, neighbour, neighbour);
		shared_fini(&s);
	}
}

/* ---- what a page holds ---- */

#define NR_FILLED 64

/* What is written to a page before it is mapped; no atomics: the leaf is what hands it over. */
static uint64_t filled[NR_FILLED];

static void *filler(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;

	for (unsigned i = 0; i < NR_FILLED; i++) {
		struct pgw_leaf leaf = { .va = BASE + i * PAGE, .pa = i * PAGE, .rights = RIGHTS };
		struct pt_gather gather;
		struct pt_edit edit = begin(s, &gather);

		filled[i] = i + 1;
		expect(s, s->ops->map_leaf(&edit, &leaf) == 0);
		end(&gather);
		usleep(20);
	}
	return NULL;
}

static void *reader_of_pages(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;

	for (unsigned i = 0; i < NR_FILLED;) {
		struct pgw_translation t;

		pgw_reader_enter(pgw_hosted_platform());
		t = translate(s, BASE + i * PAGE);
		pgw_reader_leave(pgw_hosted_platform());
		if (t.kind != PGW_ENTRY_LEAF)
			continue;
		expect(s, filled[t.pa / PAGE] == i + 1);
		i++;
	}
	return NULL;
}

/* Whoever finds a page mapped finds what was written to it before. */
static void test_map__hands_over_what_was_written_before(void **state)
{
	static const enum pt_policy policies[] = { PT_RANGE, PT_SHARED };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct shared s = shared_init("x86_64-la48", policies[i], 0);

		shared_run(&s, filler, reader_of_pages);
		shared_fini(&s);
	}
}

/* ---- the same range ---- */

/* The pages lie on both sides of the border between two lowest tables. */
#define FIRST_PAGE (BASE + MIB(2) - NR_PAGES / 2 * PAGE)

/* Each page that was unmapped is released once. */
static void count_released(struct pt_gather *gather, const struct pgw_frames *frames)
{
	struct shared *s = gather->arg;
	uint64_t page = (frames->va - FIRST_PAGE) / PAGE;

	for (uint64_t i = 0; i < frames->size / PAGE; i++)
		__atomic_fetch_sub(&s->balance[page + i], 1, __ATOMIC_RELAXED);
}

/* Map, unmap and trim at random; count what succeeded. */
static void *rival(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;
	uint64_t random = s->seed + w->number;

	for (unsigned i = 0; i < s->nr_rounds; i++) {
		uint64_t r = test_random(&random), page = r % NR_PAGES, nr = 1 + (r >> 8) % 24;
		uint64_t va = FIRST_PAGE + page * PAGE;
		struct pgw_leaf leaf = { .va = va, .pa = va, .rights = RIGHTS };
		struct pt_gather gather;
		struct pt_edit edit = begin(s, &gather);

		gather.release = count_released;
		gather.arg = s;
		nr = nr < NR_PAGES - page ? nr : NR_PAGES - page;
		switch ((r >> 32) % 4) {
		case 0:
		case 1:
			if (!s->ops->map_leaf(&edit, &leaf))
				__atomic_fetch_add(&s->balance[page], 1, __ATOMIC_RELAXED);
			break;
		case 2:
			expect(s, !s->ops->unmap(&edit, va, va + nr * PAGE - 1, PGW_UNMAP_SPLIT));
			break;
		default:
			s->ops->trim_table(&edit, va);
			break;
		}
		end(&gather);
	}
	return NULL;
}

/* A page that was mapped and not unmapped is there: none went into a table that was unlinked. */
static void test_edit__rivals_lose_no_page_under_shared(void **state)
{
	static const char *const formats[] = { "x86_64-la48", "arm64-4k", "riscv-sv48" };

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct shared s = shared_init(formats[i], PT_SHARED, 8000);

		shared_run(&s, rival, rival);
		for (unsigned page = 0; page < NR_PAGES; page++) {
			struct pgw_translation t = translate(&s, FIRST_PAGE + page * PAGE);

			assert_in_range(s.balance[page], 0, 1);
			assert_int_equal(t.kind == PGW_ENTRY_LEAF, s.balance[page]);
		}
		shared_fini(&s);
	}
}

/* ---- splits ---- */

/* Both split the same leaves at the same moment, until only the smallest are left. */
static void *splitter(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;

	for (unsigned i = 0; i < s->nr_rounds; i++) {
		struct pgw_map_args args = {
			.first = BASE, .last = BASE + MIB(32) - 1, .pa = BASE, .rights = RIGHTS
		};
		struct pt_gather gather;
		struct pt_edit edit = begin(s, &gather);

		if (!w->number)
			expect(s, s->ops->map(&edit, &args) == 0);
		pthread_barrier_wait(&s->barrier);
		expect(s, s->ops->split_at(&edit, BASE + MIB(6) + PAGE) == 0);
		expect(s, translate(s, BASE + MIB(6) + PAGE).leaf_lg2 == 12);
		expect(s, translate(s, BASE + MIB(6) + PAGE).pa == BASE + MIB(6) + PAGE);
		pthread_barrier_wait(&s->barrier);
		if (!w->number) {
			expect(s, s->ops->validate(&s->mm->pt));
			s->ops->unmap(&edit, BASE, args.last, PGW_UNMAP_EXACT);
			s->ops->free_range(&edit, BASE, args.last, BASE, args.last);
		}
		pthread_barrier_wait(&s->barrier);
		end(&gather);
	}
	return NULL;
}

static void test_split__has_one_winner(void **state)
{
	static const enum pt_policy policies[] = { PT_RANGE, PT_SHARED };
	static const char *const formats[] = { "x86_64-la48", "arm64-4k", "riscv-sv48" };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct shared s = shared_init(formats[i % 3], policies[i / 3], 200);

		shared_run(&s, splitter, splitter);
		shared_fini(&s);
	}
}

static void *resizer(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;

	for (unsigned i = 0; i < s->nr_rounds; i++) {
		struct pt_gather gather;
		struct pt_edit edit = begin(s, &gather);

		expect(s, s->ops->split(&edit, BASE, BASE + MIB(32) - 1, 12) == 0);
		expect(s, s->ops->collapse(&edit, BASE, 21) == 0);
		end(&gather);
	}
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Whoever looks sees a leaf of one size or the other, and never a hole. */
static void *looker(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;
	uint64_t random = s->seed;

	while (!__atomic_load_n(&s->done, __ATOMIC_ACQUIRE)) {
		uint64_t va = BASE + (test_random(&random) & (MIB(32) - 1));
		struct pgw_translation t;

		pgw_reader_enter(pgw_hosted_platform());
		t = translate(s, va);
		pgw_reader_leave(pgw_hosted_platform());
		expect(s, t.kind == PGW_ENTRY_LEAF && t.pa == va && t.rights == RIGHTS);
	}
	return NULL;
}

static void test_split__is_never_a_hole_for_readers(void **state)
{
	static const char *const formats[] = { "x86_64-la48", "arm64-4k", "riscv-sv48" };
	struct pgw_map_args args = {
		.first = BASE, .last = BASE + MIB(32) - 1, .pa = BASE, .rights = RIGHTS
	};

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct shared s = shared_init(formats[i], PT_SHARED, 150);
		struct pt_gather gather;
		struct pt_edit edit = begin(&s, &gather);

		assert_int_equal(s.ops->map(&edit, &args), 0);
		end(&gather);
		shared_run(&s, resizer, looker);
		shared_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map__hands_over_what_was_written_before),
		cmocka_unit_test(test_edit__neighbours_share_tables_under_range),
		cmocka_unit_test(test_edit__rivals_lose_no_page_under_shared),
		cmocka_unit_test(test_split__has_one_winner),
		cmocka_unit_test(test_split__is_never_a_hole_for_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
