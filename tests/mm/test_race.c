/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * munmap against walkers, with every interleaving that matters made to happen
 * by the platform's step hook: the rule of docs/locking.md, both ways. Tests
 * whose walker breaks the rule pass because it saw a freed table.
 *
 * What epochs have to do with it: a table that was unlinked is not freed before all who
 * were readers then (pgw_reader_enter()) have left. Walks through VMAs are
 * readers only around a lowest table, which pgw_mm_dontneed() may free under
 * the VMA; what keeps the tables above is the VMA and its lock. A walk without VMAs is
 * never a reader: its write lock must do. So it is not the epoch that makes
 * the rule unnecessary; a walker that breaks it and is a reader by accident reads
 * no freed memory, but what it reports is of tables that are not the mm's any more.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sched.h>

#include "common/limit.h"
#include "mm/mm_priv.h"
#include "mm/quarantine.h"
#include "mm/vma/vma_lock.h"

#define NR_REPEATS 20
#define X86_ACCESSED UINT64_C(0x20)

/* Three VMAs, so far apart that the tables of one are its own alone, up to the root's child. */
#define FAR (UINT64_C(1) << 30)
#define VMA_SIZE UINT64_C(0x4000)
#define LEFT FAR
#define MIDDLE (3 * FAR)
#define RIGHT (5 * FAR)
#define END (6 * FAR)

enum role { ROLE_NONE, ROLE_WALKER, ROLE_UNMAPPER, _ROLE_MAX };

/** Where a thread of a role stops: at the nth time that it comes to a step. */
struct gate {
	enum pgw_step_point step;
	int nth; /* 0 = nowhere */
	sem_t arrived, go;
};

struct race {
	struct quarantine q; /* first: the platform's ctx */
	struct pgw_mm *mm;
	struct gate gate[_ROLE_MAX];
	bool is_reader;                       /* the walker, where it stopped */
	int order;                            /* counts events; atomic */
	int detached_at, freed_at, walked_at; /* orders; 0 = not yet */
	int nr_stops;                         /* of the walker */
	int nr_holes;
	uint64_t hole_start, hole_end;
};

static _Thread_local enum role role;

static int happens(struct race *r)
{
	return __atomic_add_fetch(&r->order, 1, __ATOMIC_ACQ_REL);
}

static void gate_arm(struct gate *gate, enum pgw_step_point step, int nth)
{
	gate->step = step;
	gate->nth = nth;
}

static void gate_pass(struct gate *gate, enum pgw_step_point step)
{
	if (!gate->nth || gate->step != step || --gate->nth)
		return;
	sem_post(&gate->arrived);
	limit_wait(&gate->go);
}

/* Wait until the other one stands at its gate; let it go on. */
static void gate_wait(struct gate *gate)
{
	limit_wait(&gate->arrived);
}

static void gate_open(struct gate *gate)
{
	sem_post(&gate->go);
}

static void step(void *ctx, enum pgw_step_point point, const struct pgw_mm *mm)
{
	struct race *r = ctx;

	(void)mm;
	if (role == ROLE_WALKER && point == PGW_STEP_WALK_TABLE) {
		r->nr_stops++;
		r->is_reader = r->q.platform.current(ctx)->nr_readers;
	}
	if (role == ROLE_UNMAPPER && point == PGW_STEP_MUNMAP_DETACHED)
		__atomic_store_n(&r->detached_at, happens(r), __ATOMIC_RELAXED);
	if (role == ROLE_UNMAPPER && point == PGW_STEP_MUNMAP_FREED) {
		/* Deferred is not freed. Who is a reader would be waited for, for ever. */
		if (!r->is_reader)
			pgw_reclaim_barrier(&r->q.platform);
		r->freed_at = happens(r);
	}
	if (role != ROLE_NONE)
		gate_pass(&r->gate[role], point);
}

static int next_pa_fault(struct pgw_vma *vma, struct pgw_fault *fault)
{
	fault->pa = UINT64_C(0x100000) + fault->pgoff * 0x1000;
	if (!strcmp(pgw_format_arch(pgw_mm_format(vma->mm)), "x86_64"))
		fault->attrs = X86_ACCESSED;
	return 0;
}

static const struct pgw_vma_ops vma_ops = { .fault = next_pa_fault };

static void map_vma(struct race *r, uint64_t start, uint64_t size)
{
	const struct pgw_mmap_args args = { .start = start,
					    .end = start + size,
					    .flags = PGW_VMA_READ | PGW_VMA_WRITE,
					    .pgoff = start >> 12,
					    .ops = &vma_ops };

	assert_int_equal(pgw_mm_mmap(r->mm, &args), 0);
	assert_int_equal(pgw_mm_populate(r->mm, start, start + size), 0);
}

static void race_init(struct race *r, const char *format)
{
	struct pgw_mm_new_args args = { .format = pgw_format_by_name(format) };

	memset(r, 0, sizeof(*r));
	quarantine_init(&r->q, 1024);
	r->q.platform.step = step;
	args.platform = &r->q.platform;
	for (int i = 0; i < _ROLE_MAX; i++) {
		sem_init(&r->gate[i].arrived, 0, 0);
		sem_init(&r->gate[i].go, 0, 0);
	}
	assert_int_equal(pgw_mm_new(&args, &r->mm), 0);
	map_vma(r, LEFT, VMA_SIZE);
	map_vma(r, MIDDLE, VMA_SIZE);
	map_vma(r, RIGHT, VMA_SIZE);
}

static void race_fini(struct race *r)
{
	const char *what = "";

	assert_int_equal(pgw_mmap_write_lock(r->mm), 0);
	if (pgw_mm_validate(r->mm, &what))
		fail_msg("%s", what);
	assert_int_equal(pgw_mmap_write_unlock(r->mm), 0);
	pgw_mm_free(r->mm);
	for (int i = 0; i < _ROLE_MAX; i++) {
		sem_destroy(&r->gate[i].arrived);
		sem_destroy(&r->gate[i].go);
	}
	quarantine_fini(&r->q);
}

static void *unmapper(void *arg)
{
	struct race *r = arg;

	role = ROLE_UNMAPPER;
	if (pgw_mm_munmap(r->mm, MIDDLE, MIDDLE + VMA_SIZE))
		abort();
	return NULL;
}

typedef int walk_fn(struct race *r);

struct walker {
	struct race *r;
	walk_fn *fn;
	bool write;
	int err;
};

static void *walker(void *arg)
{
	struct walker *w = arg;
	struct race *r = w->r;
	int err = w->write ? pgw_mmap_write_lock(r->mm) : pgw_mmap_read_lock(r->mm);

	role = ROLE_WALKER;
	if (!err)
		w->err = w->fn(r);
	__atomic_store_n(&r->walked_at, happens(r), __ATOMIC_RELAXED);
	err = err ? err : w->write ? pgw_mmap_write_unlock(r->mm) : pgw_mmap_read_unlock(r->mm);
	if (err)
		abort();
	return NULL;
}

/*
 * munmap has detached and downgraded; the walker takes its read lock, walks, and
 * stops where it is about to go to its nth table; munmap frees; the walker goes on.
 * @return the poison that it saw
 */
static uint64_t race_read(const char *format, walk_fn *fn, int nth, struct race *r)
{
	pthread_t threads[2];
	struct walker w = { .r = r, .fn = fn };
	uint64_t nr_poison;

	race_init(r, format);
	gate_arm(&r->gate[ROLE_UNMAPPER], PGW_STEP_MUNMAP_DOWNGRADED, 1);
	gate_arm(&r->gate[ROLE_WALKER], PGW_STEP_WALK_TABLE, nth);
	assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
	gate_wait(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_create(&threads[1], NULL, walker, &w), 0);
	gate_wait(&r->gate[ROLE_WALKER]);
	gate_open(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	gate_open(&r->gate[ROLE_WALKER]);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_int_equal(w.err, 0);
	pgw_reclaim_barrier(&r->q.platform);
	assert_true(r->q.nr_freed >= 2);
	nr_poison = quarantine_nr_poison(&r->q);
	race_fini(r);
	return nr_poison;
}

static const char *const formats[] = { "x86_64-la48", "x86_64-la57", "arm64-4k", "riscv-sv39",
				       "riscv-sv57" };
#define for_each_format(f) for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++)

/* ---- the walkers ---- */

static int record_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct race *r = walk->arg;

	if (depth != -1)
		return 0;
	r->nr_holes++;
	if (addr <= MIDDLE && next > MIDDLE) {
		r->hole_start = addr;
		r->hole_end = next;
	}
	return 0;
}

static int look(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct race *r = walk->arg;

	(void)addr, (void)next;
	quarantine_look(&r->q, item);
	return 0;
}

static const struct pgw_mm_walk_ops look_ops = {
	.pgd_entry = look,
	.p4d_entry = look,
	.pud_entry = look,
	.pmd_entry = look,
	.pte_entry = look,
	.pte_hole = record_hole,
};

static int walk_by_vmas(struct race *r)
{
	return pgw_walk_page_range(r->mm, 0, END, &look_ops, r);
}

/* pgw_walk_page_range_novma() without the assertion. */
static int walk_without_vmas(struct race *r)
{
	struct pgw_mm_walk walk = { .ops = &look_ops, .mm = r->mm, .no_vma = true, .arg = r };
	const struct pt *pt = &r->mm->pt;

	return pt_ops(pt)->walk(pt, pt->root_pa, 0, END, &walk);
}

static int walk_without_vmas_as_reader(struct race *r)
{
	int err;

	pgw_reader_enter(&r->q.platform);
	err = walk_without_vmas(r);
	pgw_reader_leave(&r->q.platform);
	return err;
}

/* As Linux did before 8782fb61cc84: VMAs are followed, but gaps are looked for in the tables. */
static int walk_gaps_in_tables(struct race *r)
{
	const struct pt *pt = &r->mm->pt;
	uint64_t start = 0;
	int err = 0;

	while (!err && start < END) {
		struct pgw_vma *vma = pgw_vma_find(r->mm, start);
		uint64_t next = vma ? (vma->start > start ? vma->start : vma->end) : END;
		struct pgw_mm_walk walk = { .ops = &look_ops, .mm = r->mm, .arg = r };

		walk.vma = vma && vma->start <= start ? vma : NULL;
		err = pt_ops(pt)->walk(pt, pt->root_pa, start, next, &walk);
		start = next;
	}
	return err;
}

/* The number of times that a walk goes to a table, with nobody else there. */
static int count_stops(const char *format, walk_fn *fn)
{
	struct race *r = calloc(1, sizeof(*r));
	struct walker w = { .r = r, .fn = fn };
	int nr;

	assert_non_null(r);
	race_init(r, format);
	walker(&w);
	role = ROLE_NONE;
	assert_int_equal(w.err, 0);
	nr = r->nr_stops;
	race_fini(r);
	free(r);
	return nr;
}

/* ---- (a) ---- */

static void test_race__36a_a_vma_walk_under_the_read_lock_is_clean(void **state) /* M2 */
{
	struct race *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for_each_format(f)
	{
		/* LEFT and RIGHT are walked; MIDDLE has gone already. */
		int nr = count_stops(formats[f], walk_by_vmas) * 2 / 3;

		for (int nth = 1; nth <= nr; nth++) {
			assert_int_equal(race_read(formats[f], walk_by_vmas, nth, r), 0);
			/* 13: a gap before, between, and after: one hole each */
			assert_int_equal(r->nr_holes, 3);
			assert_int_equal(r->hole_start, LEFT + VMA_SIZE);
			assert_int_equal(r->hole_end, RIGHT);
			assert_true(r->freed_at < r->walked_at);
		}
	}
	free(r);
}

/* ---- (b) ---- */

/*
 * Stops of a walk without VMAs: the way down to LEFT's lowest table, to MIDDLE's, to
 * RIGHT's; they share what is above. The last stop before MIDDLE's lowest table:
 */
static int stop_at_middle(const char *format)
{
	const struct pgw_geometry *geo = pgw_format_geometry(pgw_format_by_name(format));

	/* LEFT: one for each level below the root; MIDDLE shares all but the lowest two tables. */
	return geo->top_level + 2;
}

static void test_race__36b_a_walk_without_vmas_under_the_read_lock_sees_freed_tables(void **state)
{
	struct race *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for_each_format(f)
	{
		/* About to go to MIDDLE's upper table, or to its lowest. */
		for (int i = 0; i < NR_REPEATS; i++) {
			int nth = stop_at_middle(formats[f]) - i % 2;

			assert_true(race_read(formats[f], walk_without_vmas, nth, r) > 0);
			assert_true(r->freed_at < r->walked_at);
		}
	}
	free(r);
}

/* The epoch keeps the memory, not the mm: the reader walks tables that are unlinked. */
static void test_race__36b_a_reader_sees_unlinked_tables_and_no_freed_ones(void **state)
{
	struct race *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for_each_format(f)
	{
		int nth = stop_at_middle(formats[f]);
		pthread_t threads[2];
		struct walker w = { .r = r, .fn = walk_without_vmas_as_reader };

		race_init(r, formats[f]);
		gate_arm(&r->gate[ROLE_UNMAPPER], PGW_STEP_MUNMAP_DOWNGRADED, 1);
		gate_arm(&r->gate[ROLE_WALKER], PGW_STEP_WALK_TABLE, nth);
		assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
		gate_wait(&r->gate[ROLE_UNMAPPER]);
		assert_int_equal(pthread_create(&threads[1], NULL, walker, &w), 0);
		gate_wait(&r->gate[ROLE_WALKER]);
		assert_true(r->is_reader);
		gate_open(&r->gate[ROLE_UNMAPPER]);
		assert_int_equal(pthread_join(threads[0], NULL), 0);
		/* Unlinked, and the walker stands before them; not freed, for it is a reader. */
		assert_int_equal(r->q.nr_freed, 0);
		gate_open(&r->gate[ROLE_WALKER]);
		assert_int_equal(pthread_join(threads[1], NULL), 0);
		assert_int_equal(quarantine_nr_poison(&r->q), 0);
		pgw_reclaim_barrier(&r->q.platform);
		assert_true(r->q.nr_freed >= 2);
		race_fini(r);
	}
	free(r);
}

/* ---- (c) ---- */

/* Until a thread waits for the mmap lock; or, were it wrong, is done without. */
static void wait_for_waiter(struct race *r)
{
	while (!(__atomic_load_n(&r->mm->lock.state, __ATOMIC_RELAXED) & MMAP_LOCK_QUEUED) &&
	       !__atomic_load_n(&r->walked_at, __ATOMIC_RELAXED))
		sched_yield();
}

static int walk_novma(struct race *r)
{
	return pgw_walk_page_range_novma(r->mm, 0, END, &look_ops, NULL, r);
}

/* The walker is first: munmap cannot even detach before it is done. */
static void test_race__36c_a_walk_without_vmas_under_the_write_lock_is_clean(void **state)
{
	struct race *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for_each_format(f)
	{
		int nr = count_stops(formats[f], walk_without_vmas);

		for (int nth = 1; nth <= nr; nth++) {
			pthread_t threads[2];
			struct walker w = { .r = r, .fn = walk_novma, .write = true };

			race_init(r, formats[f]);
			gate_arm(&r->gate[ROLE_WALKER], PGW_STEP_WALK_TABLE, nth);
			assert_int_equal(pthread_create(&threads[1], NULL, walker, &w), 0);
			gate_wait(&r->gate[ROLE_WALKER]);
			assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
			wait_for_waiter(r);
			gate_open(&r->gate[ROLE_WALKER]);
			assert_int_equal(pthread_join(threads[0], NULL), 0);
			assert_int_equal(pthread_join(threads[1], NULL), 0);
			assert_int_equal(w.err, 0);
			assert_int_equal(quarantine_nr_poison(&r->q), 0);
			assert_true(r->walked_at < r->detached_at);
			race_fini(r);
		}
	}
	free(r);
}

/* munmap is first, and has downgraded: the walker gets the lock when the tables are freed. */
static void test_race__36c_the_write_lock_waits_for_a_downgraded_munmap(void **state)
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t threads[2];
	struct walker w = { .r = r, .fn = walk_novma, .write = true };

	(void)state;
	assert_non_null(r);
	race_init(r, "x86_64-la48");
	gate_arm(&r->gate[ROLE_UNMAPPER], PGW_STEP_MUNMAP_DOWNGRADED, 1);
	assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
	gate_wait(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_create(&threads[1], NULL, walker, &w), 0);
	wait_for_waiter(r);
	gate_open(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_int_equal(quarantine_nr_poison(&r->q), 0);
	assert_true(r->freed_at < r->walked_at);
	race_fini(r);
	free(r);
}

/* ---- (d) ---- */

static void test_race__36d_gaps_answered_from_tables_see_freed_ones(void **state)
{
	struct race *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for_each_format(f)
	{
		unsigned top = pgw_format_geometry(pgw_format_by_name(formats[f]))->top_level;
		/*
		 * The gap before LEFT: as far as there are tables, whose slots span FAR. LEFT: to its
		 * lowest table. The gap between LEFT and RIGHT: there again, then MIDDLE's two.
		 */
		int nth = (int)((top - 2) + top + (top + 2));

		for (int i = 0; i < NR_REPEATS; i++) {
			assert_true(race_read(formats[f], walk_gaps_in_tables, nth - i % 2, r) > 0);
			assert_true(r->freed_at < r->walked_at);
		}
	}
	free(r);
}

/* ---- others wait ---- */

static void *mapper(void *arg)
{
	struct race *r = arg;

	map_vma(r, MIDDLE + 0x1000, 0x1000);
	__atomic_store_n(&r->walked_at, happens(r), __ATOMIC_RELAXED);
	return NULL;
}

/* Floor and ceiling hold because nobody maps into the hole before munmap is done. */
static void test_race__mmap_into_the_hole_waits_until_the_tables_are_freed(void **state) /* M2 */
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t threads[2];

	(void)state;
	assert_non_null(r);
	race_init(r, "x86_64-la48");
	gate_arm(&r->gate[ROLE_UNMAPPER], PGW_STEP_MUNMAP_DOWNGRADED, 1);
	assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
	gate_wait(&r->gate[ROLE_UNMAPPER]);
	/* Neighbours fault meanwhile, and share the tables above. (Once a writer waits, readers do too.) */
	assert_int_equal(pgw_mm_dontneed(r->mm, LEFT, LEFT + VMA_SIZE), 0);
	assert_int_equal(pgw_mm_fault(r->mm, LEFT, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mm_fault(r->mm, MIDDLE, PGW_VMA_READ), -PGW_EFAULT);
	assert_int_equal(pthread_create(&threads[1], NULL, mapper, r), 0);
	wait_for_waiter(r);
	gate_open(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_true(r->freed_at < r->walked_at);
	race_fini(r);
	free(r);
}

static int count_leaf(uint64_t va, uint64_t pa, uint8_t size_lg2, uint32_t what, void *arg)
{
	(void)pa, (void)size_lg2, (void)what;
	*(unsigned *)arg += va >= MIDDLE && va < MIDDLE + VMA_SIZE ? 1000 : 1;
	return 0;
}

/* What munmap is about to zap has no VMA any more: who follows VMAs does not go there. */
static void test_race__detached_ranges_are_left_alone(void **state) /* M2 */
{
	struct race *r = calloc(1, sizeof(*r));
	struct pgw_translation t;
	pthread_t thread;
	unsigned nr = 0;

	(void)state;
	assert_non_null(r);
	race_init(r, "x86_64-la48");
	gate_arm(&r->gate[ROLE_UNMAPPER], PGW_STEP_MUNMAP_DOWNGRADED, 1);
	assert_int_equal(pthread_create(&thread, NULL, unmapper, r), 0);
	gate_wait(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pgw_mm_harvest(r->mm, 0, END, PGW_HARVEST_YOUNG, count_leaf, &nr), 0);
	assert_int_equal(nr, 2 * VMA_SIZE / 0x1000);
	assert_int_equal(pgw_mm_dontneed(r->mm, 0, END), -PGW_ENOENT);
	assert_int_equal(pgw_mm_populate(r->mm, MIDDLE, MIDDLE + 0x1000), -PGW_ENOENT);
	pt_ops(&r->mm->pt)->translate(&r->mm->pt, MIDDLE, &t, NULL);
	assert_int_equal(t.kind, PGW_ENTRY_LEAF);
	pt_ops(&r->mm->pt)->translate(&r->mm->pt, LEFT, &t, NULL);
	assert_int_equal(t.kind, PGW_ENTRY_EMPTY);
	gate_open(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	race_fini(r);
	free(r);
}

static void *grower(void *arg)
{
	struct race *r = arg;

	if (pgw_mm_expand(r->mm, MIDDLE + VMA_SIZE - 0x1000))
		abort();
	__atomic_store_n(&r->walked_at, happens(r), __ATOMIC_RELAXED);
	return NULL;
}

/* In Linux a stack grew into the tables that munmap was freeing (2020). */
static void test_race__expand_into_the_hole_waits_until_the_tables_are_freed(void **state) /* M2 */
{
	const struct pgw_mmap_args stack = { .start = MIDDLE + VMA_SIZE,
					     .end = MIDDLE + 2 * VMA_SIZE,
					     .flags = PGW_VMA_READ | PGW_VMA_GROWSDOWN,
					     .pgoff = 100,
					     .ops = &vma_ops };
	struct race *r = calloc(1, sizeof(*r));
	pthread_t threads[2];

	(void)state;
	assert_non_null(r);
	race_init(r, "x86_64-la48");
	assert_int_equal(pgw_mm_mmap(r->mm, &stack), 0);
	gate_arm(&r->gate[ROLE_UNMAPPER], PGW_STEP_MUNMAP_DOWNGRADED, 1);
	assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
	gate_wait(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_create(&threads[1], NULL, grower, r), 0);
	wait_for_waiter(r);
	gate_open(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_true(r->freed_at < r->walked_at);
	assert_int_equal(pgw_mm_fault(r->mm, MIDDLE + VMA_SIZE - 0x1000, PGW_VMA_READ), 0);
	race_fini(r);
	free(r);
}

/* RIGHT goes to where MIDDLE was. */
static void *mover(void *arg)
{
	const struct pgw_mremap_args args = { RIGHT, RIGHT + VMA_SIZE, MIDDLE, MIDDLE + VMA_SIZE };
	struct race *r = arg;

	if (pgw_mm_mremap(r->mm, &args))
		abort();
	__atomic_store_n(&r->walked_at, happens(r), __ATOMIC_RELAXED);
	return NULL;
}

/* The same as with expand: tables are made, or put, where munmap frees them. */
static void test_race__mremap_into_the_hole_waits_until_the_tables_are_freed(void **state) /* M2 */
{
	struct race *r = calloc(1, sizeof(*r));
	struct pgw_translation t;
	pthread_t threads[2];

	(void)state;
	assert_non_null(r);
	race_init(r, "x86_64-la48");
	gate_arm(&r->gate[ROLE_UNMAPPER], PGW_STEP_MUNMAP_DOWNGRADED, 1);
	assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
	gate_wait(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_create(&threads[1], NULL, mover, r), 0);
	wait_for_waiter(r);
	gate_open(&r->gate[ROLE_UNMAPPER]);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_true(r->freed_at < r->walked_at);
	assert_int_equal(pgw_mmap_write_lock(r->mm), 0);
	assert_int_equal(pgw_translate(r->mm, MIDDLE, &t), 0);
	assert_int_equal(t.pa, 0x100000 + RIGHT);
	assert_int_equal(pgw_mmap_write_unlock(r->mm), 0);
	race_fini(r);
	free(r);
}

static void *mover_away(void *arg)
{
	const struct pgw_mremap_args args = { MIDDLE, MIDDLE + VMA_SIZE, 4 * FAR,
					      4 * FAR + VMA_SIZE };
	struct race *r = arg;

	if (pgw_mm_mremap(r->mm, &args))
		abort();
	__atomic_store_n(&r->detached_at, happens(r), __ATOMIC_RELAXED);
	return NULL;
}

/* Who holds the VMA stands on tables that mremap would move: it waits, and nothing has moved yet. */
static void test_race__mremap_waits_for_the_vmas_reader(void **state) /* M8 */
{
	const struct pgw_mm_walk_ops ops = { .pte_entry = look,
					     .walk_lock = PGW_WALK_VMA_RDLOCK_VERIFY };
	struct race *r = calloc(1, sizeof(*r));
	struct pgw_vma *vma;
	pthread_t thread;
	int unlocked_at;

	(void)state;
	assert_non_null(r);
	race_init(r, "arm64-4k");
	vma = pgw_vma_read_lock(r->mm, MIDDLE);
	assert_non_null(vma);
	assert_int_equal(pthread_create(&thread, NULL, mover_away, r), 0);
	while (!(__atomic_load_n(&vma->lock, __ATOMIC_RELAXED) & VMA_LOCK_WRITER) &&
	       !__atomic_load_n(&r->detached_at, __ATOMIC_RELAXED))
		sched_yield();
	assert_int_equal(pgw_walk_page_vma(vma, &ops, r), 0);
	unlocked_at = happens(r);
	pgw_vma_read_unlock(vma);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(unlocked_at < r->detached_at);
	assert_null(pgw_vma_read_lock(r->mm, MIDDLE));
	assert_int_equal(quarantine_nr_poison(&r->q), 0);
	race_fini(r);
	free(r);
}

/* A VMA's reader keeps it: munmap waits with the write lock, and then nobody can lock the VMA. */
static void test_race__munmap_waits_for_the_vmas_reader(void **state) /* M2 */
{
	struct race *r = calloc(1, sizeof(*r));
	struct pgw_vma *vma;
	pthread_t thread;
	int unlocked_at;

	(void)state;
	assert_non_null(r);
	race_init(r, "arm64-4k");
	vma = pgw_vma_read_lock(r->mm, MIDDLE);
	assert_non_null(vma);
	assert_int_equal(pthread_create(&thread, NULL, unmapper, r), 0);
	/* Until it waits for this reader; or, were it wrong, has not waited. */
	while (!(__atomic_load_n(&vma->lock, __ATOMIC_RELAXED) & VMA_LOCK_WRITER) &&
	       !__atomic_load_n(&r->detached_at, __ATOMIC_RELAXED))
		sched_yield();
	assert_int_equal(pgw_walk_page_vma(vma,
					   &(struct pgw_mm_walk_ops){
						   .pte_entry = look,
						   .walk_lock = PGW_WALK_VMA_RDLOCK_VERIFY },
					   r),
			 0);
	unlocked_at = happens(r);
	pgw_vma_read_unlock(vma);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(unlocked_at < r->detached_at);
	assert_null(pgw_vma_read_lock(r->mm, MIDDLE));
	assert_int_equal(quarantine_nr_poison(&r->q), 0);
	race_fini(r);
	free(r);
}

/* Found by the epoch alone, then detached: the fault is refused and looks again. */
static void *faulter(void *arg)
{
	struct race *r = arg;

	role = ROLE_WALKER;
	if (pgw_mm_fault(r->mm, MIDDLE, PGW_VMA_READ) != -PGW_EFAULT)
		abort();
	__atomic_store_n(&r->walked_at, happens(r), __ATOMIC_RELAXED);
	return NULL;
}

static void test_race__a_fault_that_found_a_detached_vma_looks_again(void **state) /* M2 */
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t threads[2];

	(void)state;
	assert_non_null(r);
	race_init(r, "x86_64-la48");
	r->is_reader = true; /* the faulter is one, so munmap must not wait for it */
	gate_arm(&r->gate[ROLE_WALKER], PGW_STEP_FAULT_FOUND, 1);
	assert_int_equal(pthread_create(&threads[1], NULL, faulter, r), 0);
	gate_wait(&r->gate[ROLE_WALKER]);
	assert_int_equal(pthread_create(&threads[0], NULL, unmapper, r), 0);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	gate_open(&r->gate[ROLE_WALKER]);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	race_fini(r);
	free(r);
}

/* ---- flushes of others ---- */

struct flushes {
	sem_t arrived, go;
	uint64_t first, last; /* by the thread that is not the walker */
	int nr;
};

static struct flushes flushes;

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	(void)ctx, (void)mm;
	if (role == ROLE_WALKER) {
		sem_post(&flushes.arrived);
		limit_wait(&flushes.go);
		return;
	}
	flushes.first = first;
	flushes.last = last;
	flushes.nr++;
}

static void *dropper(void *arg)
{
	struct race *r = arg;

	role = ROLE_WALKER;
	if (pgw_mm_dontneed(r->mm, MIDDLE, MIDDLE + VMA_SIZE))
		abort();
	return NULL;
}

/*
 * Linux flushed too little when gathers nested: who finds pages cleared by
 * another, whose flush is still to come, must not return before they are flushed.
 */
static void test_race__what_another_cleared_is_flushed_before_the_return(void **state) /* M6 */
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t thread;

	(void)state;
	assert_non_null(r);
	race_init(r, "x86_64-la48");
	memset(&flushes, 0, sizeof(flushes));
	sem_init(&flushes.arrived, 0, 0);
	sem_init(&flushes.go, 0, 0);
	r->q.platform.tlb_flush = tlb_flush;
	assert_int_equal(pthread_create(&thread, NULL, dropper, r), 0);
	limit_wait(&flushes.arrived);
	assert_int_equal(pgw_mm_dontneed(r->mm, MIDDLE + 0x1000, MIDDLE + 0x2000), 0);
	assert_int_equal(flushes.nr, 1);
	assert_true(flushes.first <= MIDDLE + 0x1000 && flushes.last >= MIDDLE + 0x1fff);
	assert_int_equal(pgw_mm_fault(r->mm, MIDDLE, PGW_VMA_READ), 0);
	assert_int_equal(flushes.nr, 2);
	assert_true(flushes.first <= MIDDLE && flushes.last >= MIDDLE + 0xfff);
	sem_post(&flushes.go);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* Nobody else is at it now: nothing to flush where nothing was. */
	assert_int_equal(pgw_mm_dontneed(r->mm, MIDDLE + 0x1000, MIDDLE + 0x2000), 0);
	assert_int_equal(flushes.nr, 2);
	r->q.platform.tlb_flush = NULL;
	sem_destroy(&flushes.arrived);
	sem_destroy(&flushes.go);
	race_fini(r);
	free(r);
}

/* ---- (e) ---- */

#define NR_OWNERS 3

struct owner {
	struct quarantine *q;
	struct pgw_mm *mm;
	uint64_t start; /* of its range */
	int err;
};

static int count_mapped(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	*(unsigned *)walk->arg += pgw_item_load(pte) != 0;
	return 0;
}

/* What is the owner's is there, whatever the neighbours do. @return 0 or an error */
static int owner_sees_its_pages(struct owner *o, uint64_t end)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = count_mapped };
	unsigned nr = 0;
	int err = pgw_walk_kernel_page_table_range(o->mm, o->start, end, &ops, NULL, &nr);

	return err ? err : nr == 16 ? 0 : -PGW_ENOENT;
}

/* Map and unmap the owner's pages, and walk them in between. */
static void *owner(void *arg)
{
	struct owner *o = arg;

	for (int i = 0; i < 300 && !o->err; i++) {
		uint64_t end = o->start + 16 * UINT64_C(0x201000);

		o->err = pgw_mmap_read_lock(o->mm);
		for (uint64_t va = o->start; !o->err && va < end; va += 0x201000) {
			struct pgw_leaf leaf = { .va = va,
						 .pa = va & 0xffff000,
						 .rights = PGW_KERNEL_R | PGW_KERNEL_W };

			o->err = pgw_mm_map_leaf(o->mm, &leaf);
		}
		if (!o->err)
			o->err = pgw_walk_kernel_page_table_range(o->mm, o->start, end,
								  &quarantine_walk_ops, NULL, o->q);
		if (!o->err)
			o->err = owner_sees_its_pages(o, end);
		for (uint64_t va = o->start; !o->err && va < end; va += 0x201000)
			o->err = pgw_mm_unmap_leaf(o->mm, va);
		if (!o->err)
			o->err = pgw_mmap_read_unlock(o->mm);
	}
	return NULL;
}

static void test_race__36e_kernel_walks_and_owners_share_the_read_lock(void **state)
{
	struct owner owners[NR_OWNERS];
	pthread_t threads[NR_OWNERS];
	struct quarantine q;
	struct pgw_mm_new_args args = { .platform = &q.platform,
					.format = pgw_format_by_name("x86_64-la48"),
					.region = PGW_REGION_KERNEL };
	struct pgw_mm *mm, *user;
	uint64_t first, last;

	(void)state;
	quarantine_init(&q, 2048);
	pgw_format_region_range(args.format, PGW_REGION_KERNEL, &first, &last);
	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	args.region = PGW_REGION_USER;
	args.kernel_mm = mm;
	assert_int_equal(pgw_mm_new(&args, &user), 0);
	for (size_t i = 0; i < NR_OWNERS; i++) {
		/* Neighbours, so that they need the same new tables. */
		owners[i] = (struct owner){ &q, mm, first + i * 16 * UINT64_C(0x201000), 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, owner, &owners[i]), 0);
	}
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pgw_mmap_read_lock(mm), 0);
		assert_int_equal(pgw_walk_page_range_novma(mm, first, first + (UINT64_C(1) << 31),
							   &quarantine_walk_ops, NULL, &q),
				 0);
		assert_int_equal(pgw_mmap_read_unlock(mm), 0);
	}
	for (size_t i = 0; i < NR_OWNERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(owners[i].err, 0);
	}
	assert_int_equal(quarantine_nr_poison(&q), 0);
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	assert_int_equal(pgw_mm_validate(mm, NULL), 0);
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	pgw_mm_free(user);
	pgw_mm_free(mm);
	quarantine_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		limited_unit_test(test_race__36a_a_vma_walk_under_the_read_lock_is_clean),
		limited_unit_test(
			test_race__36b_a_walk_without_vmas_under_the_read_lock_sees_freed_tables),
		limited_unit_test(test_race__36b_a_reader_sees_unlinked_tables_and_no_freed_ones),
		limited_unit_test(test_race__36c_a_walk_without_vmas_under_the_write_lock_is_clean),
		limited_unit_test(test_race__36c_the_write_lock_waits_for_a_downgraded_munmap),
		limited_unit_test(test_race__36d_gaps_answered_from_tables_see_freed_ones),
		limited_unit_test(test_race__36e_kernel_walks_and_owners_share_the_read_lock),
		limited_unit_test(test_race__mmap_into_the_hole_waits_until_the_tables_are_freed),
		limited_unit_test(test_race__expand_into_the_hole_waits_until_the_tables_are_freed),
		limited_unit_test(test_race__mremap_into_the_hole_waits_until_the_tables_are_freed),
		limited_unit_test(test_race__mremap_waits_for_the_vmas_reader),
		limited_unit_test(test_race__detached_ranges_are_left_alone),
		limited_unit_test(test_race__munmap_waits_for_the_vmas_reader),
		limited_unit_test(test_race__a_fault_that_found_a_detached_vma_looks_again),
		limited_unit_test(test_race__what_another_cleared_is_flushed_before_the_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
