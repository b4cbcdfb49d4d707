/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Many threads at a kernel's tables at once, all of them with the kernel mm's lock
 * for read: the split race, optimising and restoring beside walkers, dumps, hot-add
 * and hot-remove, and owners of neighbouring ranges. docs/locking.md: K1, K6 to K8, K10.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/limit.h"
#include "kernel/crowd.h"

#define RW (PGW_KERNEL_R | PGW_KERNEL_W)
#define NR_WORKERS 4u
#define NR_EACH 6u
#define NR_ROUNDS 12u
#define NR_RANGE_ROUNDS 60u

struct stage {
	struct crowd *c;
	struct pgw_huge_page pages[NR_WORKERS][NR_EACH];
	uint64_t seed;
	uint32_t nr_wrong; /* atomic: cmocka's asserts are for the main thread */
	uint32_t done;     /* atomic */
	uint64_t nr_splits;
	bool may_fail; /* pages run out now and then */
};

struct actor {
	struct stage *stage;
	unsigned number;
};

static void expect(struct stage *s, bool condition)
{
	if (!condition)
		__atomic_fetch_add(&s->nr_wrong, 1, __ATOMIC_RELAXED);
}

static bool is_done(struct stage *s)
{
	return __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);
}

/*
 * Block 0's descriptors in leaves and runs as large as max_lg2 says; the workers' huge
 * pages alternate, so that each shares its leaf or run with another's.
 */
static void stage_init(struct stage *s, const char *format, uint8_t max_lg2)
{
	struct world *w;

	*s = (struct stage){ .c = crowd_new(format), .seed = test_seed() };
	w = &s->c->w;
	w->frames.max_lg2 = max_lg2;
	assert_int_equal(world_hot_add(w, 0, 0), 0);
	for (unsigned i = 0; i < NR_WORKERS * NR_EACH; i++) {
		struct pgw_huge_page *page = &s->pages[i % NR_WORKERS][i / NR_WORKERS];

		*page = (struct pgw_huge_page){ .pa = world_block(w, 0) + i * w->huge,
						.size_lg2 = w->huge_lg2 };
		world_fill(w, page);
	}
}

static void stage_fini(struct stage *s)
{
	struct world *w = &s->c->w;

	assert_int_equal(s->nr_wrong, 0);
	assert_int_equal(quarantine_nr_poison(&s->c->q), 0);
	for (unsigned i = 0; i < NR_WORKERS * NR_EACH; i++) {
		const struct pgw_huge_page *page = &s->pages[i % NR_WORKERS][i / NR_WORKERS];

		assert_false(page->is_optimised);
		assert_true(world_is_private(w, page) && world_is_filled(w, page));
	}
	assert_int_equal(world_hot_remove(w, 0), 0);
	crowd_delete(s->c);
}

/* ---- 42: the split race, step by step ---- */

static void *optimise_one(void *arg)
{
	struct actor *a = arg;
	struct pgw_hvo_stats stats;

	crowd_role = a->number ? ROLE_NONE : ROLE_SPLITTER;
	expect(a->stage,
	       !pgw_hvo_optimise(a->stage->c->w.kernel, a->stage->pages[a->number], 1, &stats));
	expect(a->stage, stats.nr_splits == a->number); /* number 1 wins */
	return NULL;
}

static void *restore_one(void *arg)
{
	struct actor *a = arg;

	expect(a->stage,
	       !pgw_hvo_restore(a->stage->c->w.kernel, a->stage->pages[a->number], 1, NULL));
	return NULL;
}

static void test_threads__42_the_loser_of_a_split_race_frees_its_table(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		struct stage s;
		struct actor a[2] = { { &s, 0 }, { &s, 1 } };
		struct pgw_translation t;
		pthread_t threads[2];
		long nr_live;

		stage_init(&s, *format, 63);
		nr_live = s.c->q.nr_live;
		gate_arm(&s.c->gate[ROLE_SPLITTER], PGW_STEP_SPLIT_READY, 1);
		assert_int_equal(pthread_create(&threads[0], NULL, optimise_one, &a[0]), 0);
		gate_wait(&s.c->gate[ROLE_SPLITTER]);
		/* Its table is full, the leaf is still there. */
		t = world_see(&s.c->w, world_desc_va(&s.c->w, s.pages[1][0].pa, 0));
		assert_int_equal(t.leaf_lg2, s.c->w.geo->span_lg2[1]);
		assert_int_equal(s.c->q.nr_live, nr_live + 1);
		assert_int_equal(pthread_create(&threads[1], NULL, optimise_one, &a[1]), 0);
		pthread_join(threads[1], NULL);
		assert_int_equal(s.c->q.nr_live, nr_live + 2);
		assert_true(world_is_shared(&s.c->w, &s.pages[1][0]));
		gate_open(&s.c->gate[ROLE_SPLITTER]);
		pthread_join(threads[0], NULL);
		assert_int_equal(s.c->q.nr_live, nr_live + 1);
		assert_int_equal(s.c->q.nr_freed, 1);
		assert_true(world_is_shared(&s.c->w, &s.pages[0][0]));
		restore_one(&a[0]);
		restore_one(&a[1]);
		stage_fini(&s);
	}
}

/* ---- the actors ---- */

/* Now and then the next page but a few is refused. */
static void maybe_fail(struct stage *s, uint64_t *random)
{
	if (!s->may_fail)
		return;
	pthread_mutex_lock(&s->c->w.frames.lock);
	s->c->w.frames.fail_after = (long)(test_random(random) % 40);
	pthread_mutex_unlock(&s->c->w.frames.lock);
}

static void check_list(struct stage *s, const struct pgw_huge_page *pages, bool optimised)
{
	for (unsigned i = 0; i < NR_EACH; i++) {
		int status = pages[i].status;

		expect(s, !status || (s->may_fail &&
				      (status == -PGW_ENOMEM || status == -PGW_EINVAL)));
		if (!status)
			expect(s, pages[i].is_optimised == optimised);
	}
}

static void *worker(void *arg)
{
	struct actor *a = arg;
	struct stage *s = a->stage;
	struct pgw_huge_page *pages = s->pages[a->number];
	struct pgw_kernel *kernel = s->c->w.kernel;
	uint64_t random = s->seed + a->number;
	struct pgw_hvo_stats stats;

	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		maybe_fail(s, &random);
		pgw_hvo_optimise(kernel, pages, NR_EACH, &stats);
		__atomic_fetch_add(&s->nr_splits, stats.nr_splits, __ATOMIC_RELAXED);
		check_list(s, pages, true);
		maybe_fail(s, &random);
		pgw_hvo_restore(kernel, pages, NR_EACH, &stats);
		check_list(s, pages, false);
		/* What failed half way is tried alone: nothing may be lost by then. */
		for (unsigned i = 0; i < NR_EACH; i++) {
			while (pages[i].is_optimised && pgw_hvo_restore(kernel, &pages[i], 1, NULL))
				expect(s, pages[i].status == -PGW_ENOMEM);
		}
	}
	return NULL;
}

/* 42: under the lock for read every descriptor is mapped at every moment, by a leaf or through a table. */
static void *reader(void *arg)
{
	struct stage *s = ((struct actor *)arg)->stage;
	const struct world *w = &s->c->w;
	uint64_t first = world_desc_va(w, world_block(w, 0), 0), random = s->seed ^ 1;
	uint64_t end = first + NR_WORKERS * NR_EACH * WORLD_DESC_PAGES * w->page;

	while (!is_done(s)) {
		expect(s, !pgw_mmap_read_lock(w->mm));
		expect(s, !pgw_walk_page_range_novma(w->mm, first, end, &quarantine_walk_ops, NULL,
						     &s->c->q));
		for (int i = 0; i < 50; i++) {
			uint64_t va = first + test_random(&random) % (end - first);
			struct pgw_translation t;

			expect(s, !pgw_translate(w->mm, va, &t) && t.kind == PGW_ENTRY_LEAF);
		}
		expect(s, !pgw_mmap_read_unlock(w->mm));
	}
	return NULL;
}

/* Everything, by the rule: the hotplug lock, then the kernel mm's for write. */
static void *dumper(void *arg)
{
	struct stage *s = ((struct actor *)arg)->stage;
	const struct world *w = &s->c->w;
	uint64_t first = w->args.linear_va;
	uint64_t last = world_desc_va(w, world_block(w, 2), 0);

	while (!is_done(s)) {
		expect(s, !pgw_hotplug_read_lock(w->mm));
		expect(s, !pgw_mmap_write_lock(w->mm));
		expect(s, !pgw_walk_page_range_debug(w->mm, first, last, &quarantine_walk_ops, NULL,
						     &s->c->q));
		expect(s, !pgw_mmap_write_unlock(w->mm));
		expect(s, !pgw_hotplug_read_unlock(w->mm));
	}
	return NULL;
}

/* Another block comes and goes, its descriptors beside those of block 0. */
static void *plugger(void *arg)
{
	struct stage *s = ((struct actor *)arg)->stage;

	while (!is_done(s)) {
		int err = world_hot_add(&s->c->w, 1, PGW_HOT_ADD_SELF_HOSTED);

		expect(s, !err);
		expect(s, err || !world_hot_remove(&s->c->w, 1));
	}
	return NULL;
}

static void run(struct stage *s)
{
	static void *(*const others[])(void *) = { reader, reader, dumper, plugger };
	struct actor all = { s, 0 }, workers[NR_WORKERS];
	pthread_t threads[NR_WORKERS + 4];
	const size_t nr_others = sizeof(others) / sizeof(others[0]);

	for (size_t i = 0; i < nr_others; i++)
		assert_int_equal(pthread_create(&threads[NR_WORKERS + i], NULL, others[i], &all),
				 0);
	for (unsigned i = 0; i < NR_WORKERS; i++) {
		workers[i] = (struct actor){ s, i };
		assert_int_equal(pthread_create(&threads[i], NULL, worker, &workers[i]), 0);
	}
	for (unsigned i = 0; i < NR_WORKERS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < nr_others; i++)
		pthread_join(threads[NR_WORKERS + i], NULL);
}

/* ---- optimise and restore ---- */

static void test_threads__43_neighbours_share_a_large_leaf_and_nothing_is_lost(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		struct stage s;

		stage_init(&s, *format, 63);
		run(&s);
		assert_int_equal(s.nr_splits, 1); /* by whoever was first */
		stage_fini(&s);
	}
}

static void test_threads__43_neighbours_share_runs_and_nothing_is_lost(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		struct stage s;

		stage_init(&s, *format, 16); /* runs of 64 KiB, where there are any */
		run(&s);
		stage_fini(&s);
	}
}

static void test_threads__44_pages_run_out_and_nothing_is_lost(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		struct stage s;

		stage_init(&s, *format, 63);
		s.may_fail = true;
		run(&s);
		s.c->w.frames.fail_after = -1;
		stage_fini(&s);
	}
}

/* ---- owners of neighbouring ranges ---- */

static void *owner(void *arg)
{
	struct actor *a = arg;
	struct stage *s = a->stage;
	const struct world *w = &s->c->w;
	uint64_t size = UINT64_C(1) << w->geo->span_lg2[1], random = s->seed + a->number;
	uint64_t first = w->args.linear_va + 2 * w->block_size + a->number * size;
	uint64_t last = first + (size - 1), pa = (a->number + 1) * size;

	for (unsigned i = 0; i < NR_RANGE_ROUNDS; i++) {
		struct pgw_map_args args = { .first = first, .last = last, .pa = pa, .rights = RW };
		uint64_t page = first + (test_random(&random) % (size >> w->page_lg2)) * w->page;
		struct pgw_translation t;

		args.sizes = i % 2 ? w->page : 0;
		expect(s, !pgw_vmap(w->mm, &args));
		expect(s, !pgw_kernel_set_rights(w->mm, page, page + (w->page - 1), PGW_KERNEL_R));
		expect(s, !pgw_mmap_read_lock(w->mm));
		expect(s, !pgw_walk_page_range_novma(w->mm, first, last + 1, &quarantine_walk_ops,
						     NULL, &s->c->q));
		expect(s, !pgw_translate(w->mm, page, &t) && t.pa == pa + (page - first) &&
				  t.rights == PGW_KERNEL_R);
		expect(s, !pgw_mmap_read_unlock(w->mm));
		expect(s, !pgw_kernel_set_rights(w->mm, first, last, RW));
		expect(s, !pgw_kernel_collapse(w->mm, first, last, NULL));
		expect(s, !pgw_vunmap(w->mm, first, last));
	}
	return NULL;
}

static void test_threads__owners_of_neighbouring_ranges_do_not_meet(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		struct actor actors[NR_WORKERS], all;
		pthread_t threads[NR_WORKERS + 1];
		struct stage s;

		stage_init(&s, *format, 63);
		all = (struct actor){ &s, 0 };
		assert_int_equal(pthread_create(&threads[NR_WORKERS], NULL, dumper, &all), 0);
		for (unsigned i = 0; i < NR_WORKERS; i++) {
			actors[i] = (struct actor){ &s, i };
			assert_int_equal(pthread_create(&threads[i], NULL, owner, &actors[i]), 0);
		}
		for (unsigned i = 0; i < NR_WORKERS; i++)
			pthread_join(threads[i], NULL);
		__atomic_store_n(&s.done, 1, __ATOMIC_RELEASE);
		pthread_join(threads[NR_WORKERS], NULL);
		stage_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		limited_unit_test(test_threads__42_the_loser_of_a_split_race_frees_its_table),
		limited_unit_test(
			test_threads__43_neighbours_share_a_large_leaf_and_nothing_is_lost),
		limited_unit_test(test_threads__43_neighbours_share_runs_and_nothing_is_lost),
		limited_unit_test(test_threads__44_pages_run_out_and_nothing_is_lost),
		limited_unit_test(test_threads__owners_of_neighbouring_ranges_do_not_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
