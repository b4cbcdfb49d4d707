/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Those who free kernel tables against walkers, with every interleaving that
 * matters made to happen: assertions 40 and 41 (docs/locking.md: K4), both ways. Tests whose walker, or
 * whose freer, breaks the rule pass because the walker saw a freed table.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sched.h>

#include "common/limit.h"
#include "kernel/crowd.h"
#include "mm/mm_priv.h"

#define RW (PGW_KERNEL_R | PGW_KERNEL_W)

/* What a walker holds. */
enum { HOTPLUG_READ = 1, MM_READ = 2, MM_WRITE = 4 };

struct race {
	struct crowd *c;
	uint64_t first, last; /* what is walked, and freed; one lowest table */
	int holds;
	int (*free_tables)(struct race *r);
	int walk_err, free_err;
};

static void must(int err)
{
	if (err)
		abort();
}

/* ---- the walker: of a range that is not its own ---- */

static void *walker(void *arg)
{
	struct race *r = arg;
	struct pgw_mm *mm = r->c->w.mm;

	if (r->holds & HOTPLUG_READ)
		must(pgw_hotplug_read_lock(mm));
	if (r->holds & (MM_READ | MM_WRITE))
		must(r->holds & MM_WRITE ? pgw_mmap_write_lock(mm) : pgw_mmap_read_lock(mm));
	crowd_role = ROLE_WALKER;
	if (r->holds & MM_WRITE)
		r->walk_err = pgw_walk_page_range_debug(mm, r->first, r->last + 1,
							&quarantine_walk_ops, NULL, &r->c->q);
	else
		r->walk_err = pgw_walk_page_range_novma(mm, r->first, r->last + 1,
							&quarantine_walk_ops, NULL, &r->c->q);
	if (r->holds & (MM_READ | MM_WRITE))
		must(r->holds & MM_WRITE ? pgw_mmap_write_unlock(mm) : pgw_mmap_read_unlock(mm));
	if (r->holds & HOTPLUG_READ)
		must(pgw_hotplug_read_unlock(mm));
	return NULL;
}

/* ---- those who free ---- */

static int hot_remove(struct race *r)
{
	return world_hot_remove(&r->c->w, 0);
}

static int vmap_range(struct race *r, uint64_t sizes)
{
	const struct pgw_map_args args = { .first = r->first,
					   .last = r->last,
					   .pa = UINT64_C(1) << r->c->w.geo->span_lg2[1],
					   .rights = RW,
					   .sizes = sizes };

	return pgw_vmap(r->c->w.mm, &args);
}

static int promote(struct race *r)
{
	return vmap_range(r, 0);
}

/* As Linux did before it took the lock: free the empty table under no lock at all. */
static int promote_by_the_old_rule(struct race *r)
{
	struct pgw_mm *mm = r->c->w.mm;
	struct pt_gather gather;
	struct pt_edit edit = { .pt = &mm->pt, .policy = PT_RANGE, .gather = &gather };

	gather_init(&gather, &mm->pt, PT_RANGE);
	mm->pt.format->edit->free_range(&edit, r->first, r->last, r->first, r->last);
	gather_flush(&gather);
	return vmap_range(r, 0);
}

static int collapse(struct race *r)
{
	return pgw_kernel_collapse(r->c->w.mm, r->first, r->last, NULL);
}

static void *freer(void *arg)
{
	struct race *r = arg;

	crowd_role = ROLE_FREER;
	r->free_err = r->free_tables(r);
	pgw_reclaim_barrier(&r->c->q.platform);
	return NULL;
}

/* ---- the scenes ---- */

/* The block's descriptors are pages below one lowest table. */
static void setup_hotplug(struct race *r, const char *format)
{
	r->c = crowd_new(format);
	r->c->w.frames.max_lg2 = r->c->w.page_lg2;
	assert_int_equal(world_hot_add(&r->c->w, 0, 0), 0);
	r->first = world_desc_va(&r->c->w, world_block(&r->c->w, 0), 0);
	r->last = r->first + ((UINT64_C(1) << r->c->w.geo->span_lg2[1]) - 1);
	r->free_tables = hot_remove;
}

/* A range with an empty lowest table, or with one of small pages that can be collapsed. */
static void setup_range(struct race *r, const char *format, int (*free_tables)(struct race *r))
{
	r->c = crowd_new(format);
	r->first = r->c->w.args.linear_va;
	r->last = r->first + ((UINT64_C(1) << r->c->w.geo->span_lg2[1]) - 1);
	r->free_tables = free_tables;
	assert_int_equal(vmap_range(r, r->c->w.page), 0);
	if (free_tables != collapse)
		assert_int_equal(pgw_vunmap(r->c->w.mm, r->first, r->last), 0);
}

/* A writer waits for the lock that the walker holds. */
static void wait_for_queue(struct pgw_mmap_lock *lock)
{
	while (!(__atomic_load_n(&lock->state, __ATOMIC_RELAXED) & MMAP_LOCK_QUEUED))
		sched_yield();
}

/*
 * The walker stops where it is about to go to the lowest table. The freer
 * does its work, or, if it has to wait, waits; the walker goes on.
 */
static uint64_t race_both(struct race *walks, struct race *r, struct pgw_mmap_lock *waits_for)
{
	struct gate *gate = &r->c->gate[ROLE_WALKER];
	pthread_t threads[2];

	gate_arm(gate, PGW_STEP_WALK_TABLE, r->c->w.geo->top_level);
	assert_int_equal(pthread_create(&threads[0], NULL, walker, walks), 0);
	gate_wait(gate);
	assert_int_equal(pthread_create(&threads[1], NULL, freer, r), 0);
	if (waits_for)
		wait_for_queue(waits_for);
	else
		pthread_join(threads[1], NULL);
	gate_open(gate);
	pthread_join(threads[0], NULL);
	if (waits_for)
		pthread_join(threads[1], NULL);
	assert_int_equal(walks->walk_err, 0);
	assert_int_equal(r->free_err, 0);
	return quarantine_nr_poison(&r->c->q);
}

static uint64_t race_run(struct race *r, struct pgw_mmap_lock *waits_for)
{
	return race_both(r, r, waits_for);
}

/* ---- 41: hot-remove ---- */

static void test_race__41_a_walk_without_the_hotplug_lock_sees_freed_tables(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		/* The kernel mm's lock is no help, not even for write. */
		for (int holds = MM_READ; holds <= MM_WRITE; holds *= 2) {
			struct race r = { .holds = holds };

			setup_hotplug(&r, *format);
			assert_true(race_run(&r, NULL) > 0);
			assert_true(r.c->q.nr_freed > 0);
			crowd_delete(r.c);
		}
	}
}

static void test_race__41_a_walk_with_the_hotplug_lock_is_clean(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		for (int holds = MM_READ; holds <= MM_WRITE; holds *= 2) {
			struct race r = { .holds = HOTPLUG_READ | holds };

			setup_hotplug(&r, *format);
			assert_int_equal(race_run(&r, &r.c->w.mm->hotplug), 0);
			assert_true(r.c->q.nr_freed > 0);
			crowd_delete(r.c);
		}
	}
}

/* ---- 40: promotion and collapse ---- */

typedef int free_fn(struct race *r);

static uint64_t run_range(const char *format, free_fn *free_tables, int holds, long *ret_nr_freed)
{
	struct race r = { .holds = holds };
	uint64_t nr_poison;

	setup_range(&r, format, free_tables);
	nr_poison = race_run(&r, NULL);
	*ret_nr_freed = r.c->q.nr_freed;
	crowd_delete(r.c);
	return nr_poison;
}

static void test_race__40_a_dump_for_read_sees_tables_that_promotion_frees(void **state)
{
	long nr_freed;

	(void)state;
	for_each_crowd_format(format)
	{
		assert_true(run_range(*format, promote, MM_READ, &nr_freed) > 0);
		assert_int_equal(nr_freed, 1);
		assert_true(run_range(*format, collapse, MM_READ, &nr_freed) > 0);
		assert_int_equal(nr_freed, 1);
	}
}

static void test_race__40_a_dump_for_write_is_clean_by_the_new_rule(void **state)
{
	long nr_freed;

	(void)state;
	for_each_crowd_format(format)
	{
		assert_int_equal(run_range(*format, promote, MM_WRITE, &nr_freed), 0);
		assert_int_equal(nr_freed, 0); /* it did not wait: small leaves */
		assert_int_equal(run_range(*format, collapse, MM_WRITE, &nr_freed), 0);
		assert_int_equal(nr_freed, 0);
	}
}

static void test_race__40_a_dump_for_write_sees_freed_tables_by_the_old_rule(void **state)
{
	long nr_freed;

	(void)state;
	for_each_crowd_format(format)
	{
		assert_true(run_range(*format, promote_by_the_old_rule, MM_WRITE, &nr_freed) > 0);
		assert_int_equal(nr_freed, 1);
	}
}

/* A walker of a range of its own needs no more than the lock for read. */
static void test_race__40_a_walk_of_ones_own_range_is_clean_beside_promotion(void **state)
{
	(void)state;
	for_each_crowd_format(format)
	{
		struct race r = { .holds = MM_READ };
		struct race own;
		uint64_t size;

		setup_range(&r, *format, promote);
		own = r;
		size = r.last - r.first + 1;
		own.first += size;
		own.last += size;
		assert_int_equal(vmap_range(&own, r.c->w.page), 0);
		assert_int_equal(race_both(&own, &r, NULL), 0);
		assert_int_equal(r.c->q.nr_freed, 1);
		crowd_delete(r.c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		limited_unit_test(test_race__41_a_walk_without_the_hotplug_lock_sees_freed_tables),
		limited_unit_test(test_race__41_a_walk_with_the_hotplug_lock_is_clean),
		limited_unit_test(test_race__40_a_dump_for_read_sees_tables_that_promotion_frees),
		limited_unit_test(test_race__40_a_dump_for_write_is_clean_by_the_new_rule),
		limited_unit_test(test_race__40_a_dump_for_write_sees_freed_tables_by_the_old_rule),
		limited_unit_test(test_race__40_a_walk_of_ones_own_range_is_clean_beside_promotion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
