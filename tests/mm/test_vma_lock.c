/* SPDX-License-Identifier: BSD-2-Clause */

/* VMAs' own locks. V6 to V12 are the guarantees of docs/locking.md. */

#include <pagewalk/hosted.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limit.h"
#include "base/epoch.h"
#include "common/arena.h"
#include "mm/mm_priv.h"
#include "mm/vma/vma_lock.h"
#include "mm/vma/vma_tree.h"

/* ---- an mm with two VMAs, 0x1000 to 0x5000 and 0x8000 to 0x9000 ---- */

struct fixture {
	struct pgw_platform platform;
	struct pgw_epoch epoch;
	struct pgw_mm mm;
	struct pgw_vma *low, *high;
	struct pgw_violation violation;
	unsigned nr_violations;
	const uint32_t *watched; /* post asleep when a thread parks here */
	sem_t asleep;
	void (*on_step)(struct fixture *f); /* at PGW_STEP_FAULT_FOUND, once */
};

static _Thread_local struct pgw_thread this_thread;

static struct pgw_thread *current(void *ctx)
{
	(void)ctx;
	return &this_thread;
}

static void record(void *ctx, const struct pgw_violation *violation)
{
	struct fixture *f = ctx;

	f->violation = *violation;
	f->nr_violations++;
}

static void park(void *ctx, const uint32_t *word, uint32_t expected)
{
	struct fixture *f = ctx;

	if (word == f->watched)
		sem_post(&f->asleep);
	pgw_hosted_platform()->park(NULL, word, expected);
}

static void step(void *ctx, enum pgw_step_point at, const struct pgw_mm *mm)
{
	struct fixture *f = ctx;
	void (*action)(struct fixture * f) = f->on_step;

	(void)mm;
	if (at != PGW_STEP_FAULT_FOUND || !action)
		return;
	f->on_step = NULL;
	action(f);
}

static struct pgw_vma *vma_make(struct fixture *f, uint64_t start, uint64_t end)
{
	struct pgw_vma *vma = calloc(1, sizeof(*vma));

	vma->start = start;
	vma->end = end;
	vma->mm = &f->mm;
	vma_lock_init(vma);
	return vma;
}

/* By the holder of the mmap lock for write. */
static void tree_replace(struct fixture *f, const struct pgw_vma *old, struct pgw_vma *vma)
{
	struct vma_tree_change change;

	vma_tree_begin(&change, &f->platform, f->mm.vma_root);
	assert_int_equal(vma_tree_replace(&change, old->start, old->end, &vma, vma != NULL), 0);
	vma_tree_commit(&change, &f->mm.vma_root);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->platform = *pgw_hosted_platform();
	f->platform.ctx = f;
	f->platform.current = current;
	f->platform.epoch = &f->epoch;
	f->platform.park = park;
	f->platform.step = step;
	f->platform.violation = record;
	f->mm = (struct pgw_mm){ .platform = &f->platform,
				 .kind = PGW_MM_OWNED,
				 .pt.region.kind = PGW_REGION_USER };
	sem_init(&f->asleep, 0, 0);
	f->low = vma_make(f, 0x1000, 0x5000);
	f->high = vma_make(f, 0x8000, 0x9000);
	tree_replace(f, f->low, f->low);
	tree_replace(f, f->high, f->high);
	f->mm.nr_vmas = 2;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pgw_reclaim_barrier(&f->platform);
	vma_tree_free(&f->platform, f->mm.vma_root);
	free(f->low);
	free(f->high);
	pgw_thread_exit(&f->platform);
	sem_destroy(&f->asleep);
	free(f);
	return 0;
}

static void write_lock(struct fixture *f)
{
	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
}

static void write_unlock(struct fixture *f)
{
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
}

static bool can_read_lock(struct fixture *f, uint64_t va)
{
	struct pgw_vma *vma = pgw_vma_read_lock(&f->mm, va);

	if (vma)
		pgw_vma_read_unlock(vma);
	return vma;
}

static void *run_on_thread(void *arg)
{
	struct fixture *f = arg;
	void (*action)(struct fixture * f) = f->on_step;

	f->on_step = NULL;
	action(f);
	pgw_thread_exit(&f->platform);
	return NULL;
}

/* Let another thread do something, and wait for it. */
static void on_other_thread(struct fixture *f, void (*action)(struct fixture *f))
{
	pthread_t thread;

	f->on_step = action;
	assert_int_equal(pthread_create(&thread, NULL, run_on_thread, f), 0);
	pthread_join(thread, NULL);
}

/* ---- finding ---- */

static void test_vma__found_by_the_lock_holder_and_by_readers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	assert_ptr_equal(pgw_vma_find(&f->mm, 0), f->low);
	assert_ptr_equal(pgw_vma_find(&f->mm, 0x4fff), f->low);
	assert_ptr_equal(pgw_vma_find(&f->mm, 0x5000), f->high);
	assert_null(pgw_vma_find(&f->mm, 0x9000));
	assert_null(pgw_vma_lookup(&f->mm, 0xfff));
	assert_ptr_equal(pgw_vma_lookup(&f->mm, 0x1000), f->low);
	assert_null(pgw_vma_lookup(&f->mm, 0x5000));
	assert_int_equal(pgw_vma_count(&f->mm), 2);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	pgw_reader_enter(&f->platform);
	assert_ptr_equal(pgw_vma_lookup(&f->mm, 0x8fff), f->high);
	pgw_reader_leave(&f->platform);
	assert_int_equal(f->nr_violations, 0);
}

static void test_vma__found_by_nobody_else(void **state)
{
	struct fixture *f = *state;

	assert_null(pgw_vma_find(&f->mm, 0));
	assert_int_equal(f->nr_violations, 1);
	assert_int_equal(f->violation.rule, PGW_RULE_MMAP_LOCKED);
	assert_string_equal(f->violation.function, "pgw_vma_find");
	assert_null(pgw_vma_lookup(&f->mm, 0x1000));
	assert_string_equal(f->violation.function, "pgw_vma_lookup");
	pgw_reader_enter(&f->platform);
	assert_int_equal(pgw_vma_count(&f->mm), 0); /* which readers may not ask */
	pgw_reader_leave(&f->platform);
	assert_string_equal(f->violation.function, "pgw_vma_count");
	assert_int_equal(f->nr_violations, 3);
}

/* ---- the lock, step by step ---- */

static void test_vma_lock__new_vma_is_not_locked(void **state) /* V8 */
{
	struct fixture *f = *state;
	const uint64_t seqs[] = { 0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX - 1 };

	for (unsigned i = 0; i < 5; i++) {
		struct pgw_vma *vma;

		f->mm.vma_seq = seqs[i];
		vma = vma_make(f, 0, 1);
		assert_false(vma_lock_is_write_locked(vma));
		assert_false(vma_lock_is_read_locked(vma));
		assert_true(vma_lock_read_try(vma));
		vma_lock_read_unlock(vma);
		vma_lock_end_writes(&f->mm);
		assert_false(vma_lock_is_write_locked(vma));
		free(vma);
	}
}

static void test_vma_lock__reader_gets_the_vma_that_holds_the_address(void **state) /* V6 */
{
	struct fixture *f = *state;
	struct pgw_vma *vma = pgw_vma_read_lock(&f->mm, 0x1000);

	assert_ptr_equal(vma, f->low);
	assert_ptr_equal(pgw_vma_read_lock(&f->mm, 0x4fff), f->low);
	assert_true(vma_lock_is_read_locked(vma));
	assert_false(vma_lock_is_read_locked(f->high));
	pgw_vma_read_unlock(vma);
	assert_true(vma_lock_is_read_locked(vma));
	pgw_vma_read_unlock(vma);
	assert_false(vma_lock_is_read_locked(vma));
	assert_null(pgw_vma_read_lock(&f->mm, 0xfff));
	assert_null(pgw_vma_read_lock(&f->mm, 0x5000));
	assert_null(pgw_vma_read_lock(&f->mm, 0x9000));
	/* It is no reader any more: the lock alone keeps the VMA. */
	assert_false(epoch_is_reader(&f->platform));
}

static void test_vma_lock__write_excludes_readers_until_unlock(void **state) /* V7, V9 */
{
	struct fixture *f = *state;

	write_lock(f);
	assert_true(can_read_lock(f, 0x1000)); /* the mmap lock alone keeps nobody out */
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
	assert_true(vma_lock_is_write_locked(f->low));
	assert_false(can_read_lock(f, 0x1000));
	assert_true(can_read_lock(f, 0x8000));
	write_unlock(f);
	assert_false(vma_lock_is_write_locked(f->low));
	assert_true(can_read_lock(f, 0x1000));
}

/* What others can do while this thread holds the lock downgraded. */
static void try_beside_downgraded(struct fixture *f)
{
	assert_int_equal(pgw_mmap_write_trylock(&f->mm), -PGW_EBUSY);
	assert_int_equal(pgw_mmap_read_trylock(&f->mm), 0);
	assert_true(can_read_lock(f, 0x1000));
	assert_true(can_read_lock(f, 0x8000));
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
}

/* Assertion 37 of the walker's contract. */
static void test_vma_lock__37_downgrade_ends_all_write_locks(void **state) /* V9; G2, G4 */
{
	struct fixture *f = *state;

	write_lock(f);
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
	assert_int_equal(pgw_vma_write_lock(f->high), 0);
	assert_false(can_read_lock(f, 0x1000));
	assert_false(can_read_lock(f, 0x8000));
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);
	assert_false(vma_lock_is_write_locked(f->low));
	assert_false(vma_lock_is_write_locked(f->high));
	/* A second downgraded holder would be a writer first; a reader is let in. */
	on_other_thread(f, try_beside_downgraded);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	assert_int_equal(f->nr_violations, 0);
}

static void try_to_end_it(struct fixture *f)
{
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), -PGW_EPERM);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), -PGW_EPERM);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), -PGW_EPERM);
	assert_int_equal(pgw_mmap_read_trylock(&f->mm), -PGW_EBUSY);
	assert_int_equal(pgw_mmap_write_trylock(&f->mm), -PGW_EBUSY);
}

static void test_vma_lock__refused_unlock_and_downgrade_end_nothing(void **state) /* V9; G7 */
{
	struct fixture *f = *state;

	write_lock(f);
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
	on_other_thread(f, try_to_end_it);
	assert_int_equal(f->nr_violations, 3);
	assert_true(vma_lock_is_write_locked(f->low));
	assert_false(can_read_lock(f, 0x1000));
	write_unlock(f);
}

static void test_vma_lock__ended_lock_is_taken_anew(void **state) /* V7, V9 */
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++) {
		write_lock(f);
		assert_false(vma_lock_is_write_locked(f->low));
		assert_int_equal(pgw_vma_write_lock(f->low), 0);
		assert_false(can_read_lock(f, 0x1000));
		write_unlock(f);
		assert_true(can_read_lock(f, 0x1000));
	}
}

static void test_vma_lock__detached_is_never_locked_again(void **state) /* V10 */
{
	struct fixture *f = *state;

	write_lock(f);
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
	vma_lock_detach(f->low);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);
	/* Although the tree still has it. */
	assert_false(can_read_lock(f, 0x1000));
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	assert_false(can_read_lock(f, 0x1000));
	assert_false(vma_lock_is_read_locked(f->low));
	assert_true(can_read_lock(f, 0x8000));
}

static void detach_low(struct fixture *f)
{
	write_lock(f);
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
	tree_replace(f, f->low, NULL);
	vma_lock_detach(f->low);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
}

static void detach_low_meanwhile(struct fixture *f)
{
	on_other_thread(f, detach_low);
}

static void test_vma_lock__vma_detached_after_it_was_found_is_refused(void **state) /* V10 */
{
	struct fixture *f = *state;

	f->on_step = detach_low_meanwhile;
	assert_null(pgw_vma_read_lock(&f->mm, 0x2000));
	assert_null(f->on_step);
	assert_false(vma_lock_is_read_locked(f->low));
	assert_false(epoch_is_reader(&f->platform));
}

static void lock_low_for_write(struct fixture *f)
{
	write_lock(f);
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
}

static void test_vma_lock__vma_locked_after_it_was_found_is_refused(void **state) /* V7 */
{
	struct fixture *f = *state;

	f->on_step = lock_low_for_write;
	assert_null(pgw_vma_read_lock(&f->mm, 0x2000));
	write_unlock(f);
	assert_true(can_read_lock(f, 0x2000));
}

static void test_vma_lock__more_readers_than_can_be_counted_are_refused(void **state)
{
	struct fixture *f = *state;

	f->low->lock = VMA_LOCK_READERS - 1;
	assert_ptr_equal(pgw_vma_read_lock(&f->mm, 0x1000), f->low);
	assert_null(pgw_vma_read_lock(&f->mm, 0x1000));
	pgw_vma_read_unlock(f->low);
	assert_true(can_read_lock(f, 0x1000));
	assert_int_equal(f->low->lock, VMA_LOCK_READERS - 1);
}

/* ---- the writer waits ---- */

struct writer {
	struct fixture *f;
	pthread_t thread;
	sem_t done;
};

static void *writer_main(void *arg)
{
	struct writer *writer = arg;
	struct fixture *f = writer->f;

	pgw_mmap_write_lock(&f->mm);
	pgw_vma_write_lock(f->low);
	sem_post(&writer->done);
	pgw_mmap_write_unlock(&f->mm);
	pgw_thread_exit(&f->platform);
	return NULL;
}

static void
test_vma_lock__writer_waits_for_all_readers_and_keeps_new_ones_out(void **state) /* V7 */
{
	struct fixture *f = *state;
	struct writer writer = { .f = f };
	int nr_done;

	sem_init(&writer.done, 0, 0);
	f->watched = &f->low->lock;
	assert_ptr_equal(pgw_vma_read_lock(&f->mm, 0x1000), f->low);
	assert_ptr_equal(pgw_vma_read_lock(&f->mm, 0x1000), f->low);
	assert_int_equal(pthread_create(&writer.thread, NULL, writer_main, &writer), 0);
	limit_wait(&f->asleep);
	assert_false(can_read_lock(f, 0x1000));
	assert_true(can_read_lock(f, 0x8000));
	pgw_vma_read_unlock(f->low);
	/* One reader is left. */
	for (unsigned i = 0; i < 100; i++)
		sched_yield();
	sem_getvalue(&writer.done, &nr_done);
	assert_int_equal(nr_done, 0);
	assert_false(vma_lock_is_write_locked(f->low));
	assert_false(can_read_lock(f, 0x1000));
	pgw_vma_read_unlock(f->low);
	limit_wait(&writer.done);
	pthread_join(writer.thread, NULL);
	assert_true(can_read_lock(f, 0x1000));
	sem_destroy(&writer.done);
}

/* ---- assertions ---- */

static void assert_broken(struct fixture *f, int status, enum pgw_rule rule, const char *function)
{
	assert_int_equal(status, -PGW_EPERM);
	assert_int_equal(f->nr_violations, 1);
	assert_int_equal(f->violation.rule, rule);
	assert_string_equal(f->violation.function, function);
	assert_ptr_equal(f->violation.mm, &f->mm);
	f->nr_violations = 0;
}

static void assert_locks_of_others(struct fixture *f)
{
	assert_broken(f, pgw_vma_assert_locked(f->low), PGW_RULE_VMA_LOCKED,
		      "pgw_vma_assert_locked");
	assert_broken(f, pgw_vma_assert_write_locked(f->low), PGW_RULE_VMA_WRITE_LOCKED,
		      "pgw_vma_assert_write_locked");
	assert_broken(f, pgw_vma_write_lock(f->low), PGW_RULE_MMAP_WRITE_LOCKED,
		      "pgw_vma_write_lock");
}

static void test_vma_lock__assertions_name_the_rule(void **state) /* V11 */
{
	struct fixture *f = *state;

	assert_locks_of_others(f);
	assert_false(vma_lock_is_write_locked(f->low));
	/* The mmap lock, in whatever mode, is not the VMA's. */
	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	assert_locks_of_others(f);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	write_lock(f);
	assert_broken(f, pgw_vma_assert_locked(f->low), PGW_RULE_VMA_LOCKED,
		      "pgw_vma_assert_locked");
	assert_broken(f, pgw_vma_assert_write_locked(f->low), PGW_RULE_VMA_WRITE_LOCKED,
		      "pgw_vma_assert_write_locked");
	assert_int_equal(pgw_vma_write_lock(f->low), 0);
	assert_int_equal(pgw_vma_assert_locked(f->low), 0);
	assert_int_equal(pgw_vma_assert_write_locked(f->low), 0);
	assert_int_equal(f->nr_violations, 0);
	/* Another thread's write lock is no excuse. */
	on_other_thread(f, assert_locks_of_others);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);
	assert_locks_of_others(f);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
}

static void test_vma_lock__read_lock_satisfies_the_weaker_assertion(void **state) /* V11 */
{
	struct fixture *f = *state;

	assert_ptr_equal(pgw_vma_read_lock(&f->mm, 0x1000), f->low);
	assert_int_equal(pgw_vma_assert_locked(f->low), 0);
	assert_int_equal(f->nr_violations, 0);
	assert_broken(f, pgw_vma_assert_write_locked(f->low), PGW_RULE_VMA_WRITE_LOCKED,
		      "pgw_vma_assert_write_locked");
	assert_broken(f, pgw_vma_assert_locked(f->high), PGW_RULE_VMA_LOCKED,
		      "pgw_vma_assert_locked");
	pgw_vma_read_unlock(f->low);
}

/* ---- under load ---- */

#define NR_READERS 3
#define FREED 0xee

/*
 * What VMAs' locks protect, in plain memory: the writer makes the two numbers
 * differ and equal again, and says when the VMA is dead.
 */
struct guarded {
	struct pgw_vma vma; /* first */
	uint64_t a, b;
	bool is_dead;
};

struct load {
	struct fixture *f;
	uint32_t is_done, nr_wrong;     /* atomic */
	uint64_t nr_locked[NR_READERS]; /* atomic */
};

struct load_reader {
	struct load *load;
	pthread_t thread;
	unsigned number;
};

static void look(struct load *load, const struct guarded *guarded)
{
	uint64_t a = guarded->a;
	bool is_right;

	if (a % 4 == 0)
		sched_yield();
	is_right = !guarded->is_dead && guarded->b == a && guarded->a == a &&
		   guarded->vma.start == 0x1000;
	if (!is_right && __atomic_fetch_add(&load->nr_wrong, 1, __ATOMIC_RELAXED) == 0)
		print_error("a reader of a VMA saw its writer at work, or one that was detached\n");
}

static void *load_reader_main(void *arg)
{
	struct load_reader *reader = arg;
	struct load *load = reader->load;
	struct fixture *f = load->f;

	while (!__atomic_load_n(&load->is_done, __ATOMIC_ACQUIRE)) {
		struct pgw_vma *vma = pgw_vma_read_lock(&f->mm, 0x1000 + reader->number);

		if (!vma) {
			sched_yield();
			continue;
		}
		look(load, (struct guarded *)vma);
		pgw_vma_read_unlock(vma);
		__atomic_fetch_add(&load->nr_locked[reader->number], 1, __ATOMIC_RELAXED);
	}
	pgw_thread_exit(&f->platform);
	return NULL;
}

static void guarded_free(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	char *vma = (char *)deferred - offsetof(struct pgw_vma, deferred);

	(void)platform;
	memset(vma, FREED, sizeof(struct guarded));
	free(vma);
}

static struct pgw_vma *guarded_make(struct fixture *f)
{
	struct guarded *guarded = calloc(1, sizeof(*guarded));

	guarded->vma.start = 0x1000;
	guarded->vma.end = 0x5000;
	guarded->vma.mm = &f->mm;
	vma_lock_init(&guarded->vma);
	return &guarded->vma;
}

static void guarded_change(struct pgw_vma *vma)
{
	struct guarded *guarded = (struct guarded *)vma;

	pgw_vma_write_lock(vma);
	guarded->a++;
	if (guarded->a % 3 == 0)
		sched_yield();
	guarded->b++;
}

/* Put a new one in its place; the old one ends as munmap ends it. */
static void guarded_detach(struct fixture *f)
{
	struct guarded *old = (struct guarded *)f->low;
	struct pgw_vma *vma = guarded_make(f);

	pgw_vma_write_lock(&old->vma);
	tree_replace(f, &old->vma, vma);
	vma_lock_detach(&old->vma);
	old->is_dead = true;
	f->low = vma;
	epoch_defer(&f->platform, &old->vma.deferred, guarded_free);
}

static bool is_enough(struct load *load, unsigned round)
{
	for (unsigned i = 0; i < NR_READERS; i++) {
		if (__atomic_load_n(&load->nr_locked[i], __ATOMIC_RELAXED) < 500)
			return false;
	}
	return round > 1500;
}

static void load_change(struct fixture *f, uint64_t random)
{
	pgw_mmap_write_lock(&f->mm);
	if (random % 2)
		guarded_change(f->low);
	if (random % 16 < 6)
		guarded_detach(f);
	if (random & 64) {
		pgw_mmap_write_unlock(&f->mm);
		return;
	}
	pgw_mmap_write_downgrade(&f->mm);
	if (random & 128)
		sched_yield();
	pgw_mmap_read_unlock(&f->mm);
}

static void test_vma_lock__excludes_under_load(void **state) /* V6, V7, V9, V10, V12 */
{
	struct fixture *f = *state;
	struct load load = { .f = f };
	struct load_reader reader[NR_READERS];
	struct pgw_vma *plain = f->low;
	uint64_t seed = test_seed();

	write_lock(f);
	f->low = guarded_make(f);
	tree_replace(f, plain, f->low);
	write_unlock(f);
	free(plain);
	for (unsigned i = 0; i < NR_READERS; i++) {
		reader[i] = (struct load_reader){ .load = &load, .number = i };
		assert_int_equal(
			pthread_create(&reader[i].thread, NULL, load_reader_main, &reader[i]), 0);
	}
	for (unsigned round = 0; !is_enough(&load, round); round++)
		load_change(f, test_random(&seed));
	__atomic_store_n(&load.is_done, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < NR_READERS; i++)
		pthread_join(reader[i].thread, NULL);
	assert_int_equal(load.nr_wrong, 0);
	assert_int_equal(f->nr_violations, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_vma##name, setup, teardown)
		TEST(__found_by_the_lock_holder_and_by_readers),
		TEST(__found_by_nobody_else),
		TEST(_lock__new_vma_is_not_locked),
		TEST(_lock__reader_gets_the_vma_that_holds_the_address),
		TEST(_lock__write_excludes_readers_until_unlock),
		TEST(_lock__37_downgrade_ends_all_write_locks),
		TEST(_lock__refused_unlock_and_downgrade_end_nothing),
		TEST(_lock__ended_lock_is_taken_anew),
		TEST(_lock__detached_is_never_locked_again),
		TEST(_lock__vma_detached_after_it_was_found_is_refused),
		TEST(_lock__vma_locked_after_it_was_found_is_refused),
		TEST(_lock__more_readers_than_can_be_counted_are_refused),
		TEST(_lock__writer_waits_for_all_readers_and_keeps_new_ones_out),
		TEST(_lock__assertions_name_the_rule),
		TEST(_lock__read_lock_satisfies_the_weaker_assertion),
		TEST(_lock__excludes_under_load),
	};

	return cmocka_run_group_tests_name("vma_lock", tests, NULL, NULL);
}
