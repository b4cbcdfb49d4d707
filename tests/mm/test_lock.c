/* SPDX-License-Identifier: BSD-2-Clause */

/* The mmap lock and its assertions. G1 to G15 and V9 are the guarantees of docs/locking.md. */

#include <pagewalk/hosted.h>

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limit.h"
#include "base/bits.h"
#include "common/arena.h"
#include "mm/lock_slots.h"
#include "mm/mm_priv.h"

/* ---- the platform under test: hosted, but breaches are recorded and sleeping is watched ---- */

struct fixture {
	struct pgw_platform platform;
	struct pgw_mm mm; /* owned, user */
	struct pgw_violation violation;
	_Atomic unsigned nr_violations;
	_Atomic unsigned nr_early; /* every other park() returns early, if not 0 */
	_Atomic unsigned nr_barriers;
	bool is_plain; /* workers pretend that nobody has written for long */
	uint64_t data; /* guarded by mm's mmap lock */
};

/** A thread of a scripted test: takes the lock, says so, and keeps it until told. */
struct actor {
	pthread_t thread;
	struct fixture *f;
	uint64_t seen; /* f->data, when it had the lock */
	sem_t guarded; /* posted when it sleeps on the queue's guard */
	sem_t queued;  /* posted when it first sleeps in the queue */
	sem_t entered; /* posted when it has the lock */
	sem_t leave;   /* it waits for this before it unlocks */
	int status;
	bool write;
	bool is_queued; /* its thread's: queued was posted */
	_Atomic bool is_inside;
};

static _Thread_local struct actor *this_actor;

static void record_violation(void *ctx, const struct pgw_violation *violation)
{
	struct fixture *f = ctx;

	f->violation = *violation;
	f->nr_violations++;
}

static void watched_park(void *ctx, const uint32_t *word, uint32_t expected)
{
	struct fixture *f = ctx;
	struct actor *actor = this_actor;

	if (actor && word == &f->mm.lock.guard) {
		sem_post(&actor->guarded);
	} else if (actor && !actor->is_queued) {
		actor->is_queued = true;
		sem_post(&actor->queued);
	}
	if (f->nr_early && f->nr_early++ % 2)
		return;
	pgw_hosted_platform()->park(NULL, word, expected);
}

static struct pgw_thread *this_thread(void)
{
	return pgw_hosted_platform()->current(NULL);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->platform = *pgw_hosted_platform();
	f->platform.ctx = f;
	f->platform.violation = record_violation;
	f->platform.park = watched_park;
	f->mm.platform = &f->platform;
	f->mm.kind = PGW_MM_OWNED;
	f->mm.pt.region.kind = PGW_REGION_USER;
	*state = f;
	return 0;
}

/** Whoever holds it and waits, but for which readers need not be counted. */
static uint64_t state_of(const struct fixture *f)
{
	return __atomic_load_n(&f->mm.lock.state, __ATOMIC_RELAXED) & ~MMAP_LOCK_UNCOUNTED;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool clean = !this_thread()->held && !state_of(f) && !f->mm.lock.head;

	free(f);
	return clean ? 0 : -1;
}

static uint64_t nr_readers(const struct fixture *f)
{
	return (state_of(f) & MMAP_LOCK_READERS) / MMAP_LOCK_READER;
}

static bool has_writer(const struct fixture *f)
{
	return (state_of(f) & MMAP_LOCK_WRITER) != 0;
}

/* ---- one thread: every operation in every mode ---- */

static int op_assert_locked(struct pgw_mm *mm)
{
	return pgw_mmap_assert_locked(mm);
}

static int op_assert_write_locked(struct pgw_mm *mm)
{
	return pgw_mmap_assert_write_locked(mm);
}

static const struct {
	const char *name;
	int (*fn)(struct pgw_mm *mm);
} ops[] = {
	{ "pgw_mmap_read_lock", pgw_mmap_read_lock },
	{ "pgw_mmap_read_trylock", pgw_mmap_read_trylock },
	{ "pgw_mmap_read_unlock", pgw_mmap_read_unlock },
	{ "pgw_mmap_write_lock", pgw_mmap_write_lock },
	{ "pgw_mmap_write_trylock", pgw_mmap_write_trylock },
	{ "pgw_mmap_write_unlock", pgw_mmap_write_unlock },
	{ "pgw_mmap_write_downgrade", pgw_mmap_write_downgrade },
	{ "pgw_mmap_assert_locked", op_assert_locked },
	{ "pgw_mmap_assert_write_locked", op_assert_write_locked },
};

/** By mode before and operation: the name of the mode after it, or of the rule that it breaks. */
static const char *const outcomes[_PGW_LOCK_MODE_MAX][PGW_ARRAY_SIZE(ops)] = {
	[PGW_LOCK_NONE] = {
		"read", "read", "mmap-not-held",
		"write", "write", "mmap-not-held", "mmap-not-held",
		"mmap-locked", "mmap-write-locked",
	},
	[PGW_LOCK_READ] = {
		"mmap-recursion", "mmap-recursion", "none",
		"mmap-recursion", "mmap-recursion", "mmap-not-held", "mmap-not-held",
		"read", "mmap-write-locked",
	},
	[PGW_LOCK_WRITE] = {
		"mmap-recursion", "mmap-recursion", "mmap-not-held",
		"mmap-recursion", "mmap-recursion", "none", "downgraded",
		"write", "write",
	},
	[PGW_LOCK_DOWNGRADED] = {
		"mmap-recursion", "mmap-recursion", "none",
		"mmap-recursion", "mmap-recursion", "mmap-not-held", "mmap-not-held",
		"downgraded", "mmap-write-locked",
	},
};

static bool is_breach(const char *outcome)
{
	return !strncmp(outcome, "mmap-", 5);
}

static void enter_mode(struct pgw_mm *mm, enum pgw_lock_mode mode)
{
	if (mode == PGW_LOCK_READ)
		assert_int_equal(pgw_mmap_read_lock(mm), 0);
	if (mode == PGW_LOCK_WRITE || mode == PGW_LOCK_DOWNGRADED)
		assert_int_equal(pgw_mmap_write_lock(mm), 0);
	if (mode == PGW_LOCK_DOWNGRADED)
		assert_int_equal(pgw_mmap_write_downgrade(mm), 0);
	assert_int_equal(pgw_mmap_lock_mode(mm), mode);
}

static void leave_mode(struct pgw_mm *mm)
{
	enum pgw_lock_mode mode = pgw_mmap_lock_mode(mm);

	if (mode == PGW_LOCK_WRITE)
		assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	else if (mode != PGW_LOCK_NONE)
		assert_int_equal(pgw_mmap_read_unlock(mm), 0);
	assert_int_equal(pgw_mmap_lock_mode(mm), PGW_LOCK_NONE);
}

/** A breach: reported once, by name, with the facts; and nothing has changed. G7, G13 */
static void check_breach(struct fixture *f, const char *function, enum pgw_lock_mode mode,
			 const char *rule_name)
{
	const struct pgw_violation *v = &f->violation;

	assert_int_equal(f->nr_violations, 1);
	assert_string_equal(v->rule_name, rule_name);
	assert_non_null(v->rule_text);
	assert_string_equal(v->function, function);
	assert_ptr_equal(v->mm, &f->mm);
	assert_int_equal(v->kind, PGW_MM_OWNED);
	assert_int_equal(v->region, f->mm.pt.region.kind);
	assert_int_equal(v->mode, mode);
	assert_int_equal(v->lock_taken, mode != PGW_LOCK_NONE);
	assert_int_equal(pgw_mmap_lock_mode(&f->mm), mode);
}

static void check_transition(struct fixture *f, enum pgw_lock_mode mode, size_t op)
{
	const char *outcome = outcomes[mode][op];
	bool is_recursion = !strcmp(outcome, "mmap-recursion");
	uint64_t word;
	int status;

	enter_mode(&f->mm, mode);
	word = state_of(f);
	f->nr_violations = 0;
	status = ops[op].fn(&f->mm);
	if (is_breach(outcome)) {
		assert_int_equal(status, is_recursion ? -PGW_EDEADLK : -PGW_EPERM);
		assert_int_equal(state_of(f), word);
		check_breach(f, ops[op].name, mode, outcome);
	} else {
		enum pgw_lock_mode after = pgw_mmap_lock_mode(&f->mm);

		assert_int_equal(status, 0);
		assert_int_equal(f->nr_violations, 0);
		assert_string_equal(pgw_lock_mode_name(after), outcome);
		assert_int_equal(mmap_lock_is_taken(&f->mm.lock, &f->platform),
				 after != PGW_LOCK_NONE);
	}
	leave_mode(&f->mm);
	assert_int_equal(state_of(f), 0);
}

/* G6, G7, G12, G13 */
static void test_mmap_lock__every_operation_in_every_mode_moves_or_is_refused(void **state)
{
	struct fixture *f = *state;

	for (int half = 0; half <= PGW_REGION_KERNEL; half++) {
		f->mm.pt.region.kind = (enum pgw_region_kind)half;
		for (int mode = 0; mode < _PGW_LOCK_MODE_MAX; mode++) {
			for (size_t op = 0; op < PGW_ARRAY_SIZE(ops); op++)
				check_transition(f, (enum pgw_lock_mode)mode, op);
		}
	}
}

static void test_mm_violation__every_rule_has_its_own_name_and_text(void **state)
{
	struct fixture *f = *state;
	const char *names[_PGW_RULE_MAX];

	for (int rule = 0; rule < _PGW_RULE_MAX; rule++) {
		int status = mm_violation(&f->mm, (enum pgw_rule)rule, "f");

		bool is_deadlock = rule == PGW_RULE_MMAP_RECURSION || rule == PGW_RULE_MMAP_ORDER ||
				   rule == PGW_RULE_HOTPLUG_ORDER ||
				   rule == PGW_RULE_I_MMAP_RECURSION;

		assert_int_equal(status, is_deadlock ? -PGW_EDEADLK : -PGW_EPERM);
		assert_int_equal(f->violation.rule, rule);
		assert_non_null(f->violation.rule_text);
		names[rule] = f->violation.rule_name;
		assert_non_null(names[rule]);
		for (int other = 0; other < rule; other++)
			assert_string_not_equal(names[rule], names[other]);
	}
	assert_string_equal(names[PGW_RULE_NOVMA_USER_WRITE], "novma-user-write");
	assert_string_equal(names[PGW_RULE_NOVMA_KERNEL_READ], "novma-kernel-read");
	assert_string_equal(names[PGW_RULE_DEBUG_WRITE], "debug-write");
	assert_string_equal(names[PGW_RULE_DEBUG_KERNEL_WRITE], "debug-kernel-write");
}

static void test_mm_assert__unlocked_reports_the_callers_rule_and_name(void **state)
{
	struct fixture *f = *state;
	const enum pgw_rule rule = PGW_RULE_NOVMA_USER_WRITE;

	assert_int_equal(mm_assert_locked(&f->mm, PGW_RULE_NOVMA_KERNEL_READ, "walk"), -PGW_EPERM);
	check_breach(f, "walk", PGW_LOCK_NONE, "novma-kernel-read");
	f->nr_violations = 0;
	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	assert_int_equal(mm_assert_write_locked(&f->mm, rule, "walk"), -PGW_EPERM);
	check_breach(f, "walk", PGW_LOCK_READ, "novma-user-write");
	assert_int_equal(mm_assert_locked(&f->mm, rule, "walk"), 0);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
}

/* G14 */
static void test_mmap_lock__snapshot_counts_as_held_and_does_nothing(void **state)
{
	struct fixture *f = *state;

	f->mm.kind = PGW_MM_SNAPSHOT;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t op = 0; op < PGW_ARRAY_SIZE(ops); op++) {
			assert_int_equal(ops[op].fn(&f->mm), 0);
			assert_int_equal(pgw_mmap_lock_mode(&f->mm), PGW_LOCK_WRITE);
			assert_int_equal(state_of(f), 0);
			assert_int_equal(this_thread()->held, 0);
		}
	}
	assert_int_equal(mm_assert_locked(&f->mm, PGW_RULE_NOVMA_KERNEL_READ, "f"), 0);
	assert_int_equal(mm_assert_write_locked(&f->mm, PGW_RULE_DEBUG_WRITE, "f"), 0);
	assert_int_equal(f->nr_violations, 0);
}

static void test_mmap_lock__user_and_kernel_mm_are_held_independently(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm kernel = { .platform = &f->platform, .pt.region.kind = PGW_REGION_KERNEL };

	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	assert_int_equal(pgw_mmap_read_lock(&kernel), 0);
	assert_int_equal(pgw_mmap_lock_mode(&f->mm), PGW_LOCK_WRITE);
	assert_int_equal(pgw_mmap_lock_mode(&kernel), PGW_LOCK_READ);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	assert_int_equal(pgw_mmap_lock_mode(&f->mm), PGW_LOCK_NONE);
	assert_int_equal(pgw_mmap_lock_mode(&kernel), PGW_LOCK_READ);
	assert_int_equal(pgw_mmap_read_unlock(&kernel), 0);
	assert_int_equal(f->nr_violations, 0);
}

/* G15: a user mm's lock comes first, whatever the modes and whosever the kernel mm is. */
static void test_mmap_lock__user_after_kernel_is_refused(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm kernel = { .platform = &f->platform, .pt.region.kind = PGW_REGION_KERNEL };

	for (int mode = PGW_LOCK_READ; mode < _PGW_LOCK_MODE_MAX; mode++) {
		enter_mode(&kernel, (enum pgw_lock_mode)mode);
		f->nr_violations = 0;
		assert_int_equal(pgw_mmap_read_lock(&f->mm), -PGW_EDEADLK);
		check_breach(f, "pgw_mmap_read_lock", PGW_LOCK_NONE, "mmap-order");
		f->nr_violations = 0;
		assert_int_equal(pgw_mmap_write_lock(&f->mm), -PGW_EDEADLK);
		check_breach(f, "pgw_mmap_write_lock", PGW_LOCK_NONE, "mmap-order");
		assert_int_equal(state_of(f), 0);
		leave_mode(&kernel);
	}
	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
}

/* G15: the order asks what is held, not what came when; and has none among equals. */
static void test_mmap_lock__order_is_that_of_what_is_held(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm kernel = { .platform = &f->platform, .pt.region.kind = PGW_REGION_KERNEL };
	struct pgw_mm other = { .platform = &f->platform, .pt.region.kind = PGW_REGION_USER };

	f->nr_violations = 0;
	assert_int_equal(pgw_mmap_read_lock(&other), 0);
	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	assert_int_equal(pgw_mmap_write_lock(&kernel), 0);
	/* What it has anyway is recursion, not disorder. */
	assert_int_equal(pgw_mmap_read_lock(&f->mm), -PGW_EDEADLK);
	check_breach(f, "pgw_mmap_read_lock", PGW_LOCK_WRITE, "mmap-recursion");
	f->nr_violations = 0;
	/* The kernel mm's given back, the users' in any order again. */
	assert_int_equal(pgw_mmap_write_unlock(&kernel), 0);
	assert_int_equal(pgw_mmap_read_unlock(&other), 0);
	assert_int_equal(pgw_mmap_read_lock(&other), 0);
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
	assert_int_equal(pgw_mmap_read_unlock(&other), 0);
	assert_int_equal(f->nr_violations, 0);
}

/* G15 */
static void test_mmap_lock__trylock_may_come_in_any_order_but_counts_as_held(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm kernel = { .platform = &f->platform, .pt.region.kind = PGW_REGION_KERNEL };

	assert_int_equal(pgw_mmap_write_trylock(&kernel), 0);
	assert_int_equal(pgw_mmap_write_trylock(&f->mm), 0);
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
	assert_int_equal(pgw_mmap_read_trylock(&f->mm), 0);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	assert_int_equal(f->nr_violations, 0);
	assert_int_equal(pgw_mmap_read_lock(&f->mm), -PGW_EDEADLK);
	check_breach(f, "pgw_mmap_read_lock", PGW_LOCK_NONE, "mmap-order");
	assert_int_equal(pgw_mmap_write_unlock(&kernel), 0);
}

/* G15, G14: a snapshot's lock is never waited for, and so has no place in the order. */
static void test_mmap_lock__snapshots_have_no_order(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm kernel = { .platform = &f->platform, .pt.region.kind = PGW_REGION_KERNEL };

	kernel.kind = PGW_MM_SNAPSHOT;
	assert_int_equal(pgw_mmap_write_lock(&kernel), 0);
	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
	kernel.kind = PGW_MM_OWNED;
	f->mm.kind = PGW_MM_SNAPSHOT;
	assert_int_equal(pgw_mmap_write_lock(&kernel), 0);
	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	assert_int_equal(pgw_mmap_write_unlock(&kernel), 0);
	assert_int_equal(f->nr_violations, 0);
}

/* V9, G7: what ends a write lock ends those of VMAs; nothing else does, a refused call least of all. */
static void test_mmap_lock__end_of_writing_ends_vma_writes(void **state)
{
	struct fixture *f = *state;

	for (int half = 0; half <= PGW_REGION_KERNEL; half++) {
		f->mm.pt.region.kind = (enum pgw_region_kind)half;
		for (int mode = 0; mode < _PGW_LOCK_MODE_MAX; mode++) {
			for (size_t op = 0; op < PGW_ARRAY_SIZE(ops); op++) {
				bool ends = half == PGW_REGION_USER && mode == PGW_LOCK_WRITE &&
					    (ops[op].fn == pgw_mmap_write_unlock ||
					     ops[op].fn == pgw_mmap_write_downgrade);
				uint64_t before;

				enter_mode(&f->mm, (enum pgw_lock_mode)mode);
				before = f->mm.vma_seq;
				ops[op].fn(&f->mm);
				assert_int_equal(f->mm.vma_seq - before, ends);
				leave_mode(&f->mm);
			}
		}
	}
}

/** Locks for write, looks at the number, and leaves by unlock. */
static void *look_at_seq(void *arg)
{
	struct actor *a = arg;

	a->status = pgw_mmap_write_lock(&a->f->mm);
	a->seen = a->f->mm.vma_seq;
	pgw_mmap_write_unlock(&a->f->mm);
	return NULL;
}

/* V9: the next writer sees that they are ended. */
static void test_mmap_lock__next_writer_finds_vma_writes_ended(void **state)
{
	struct fixture *f = *state;
	struct actor a = { .f = f };
	uint64_t before;

	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	before = f->mm.vma_seq;
	assert_int_equal(pthread_create(&a.thread, NULL, look_at_seq, &a), 0);
	while (!(__atomic_load_n(&f->mm.lock.state, __ATOMIC_RELAXED) & MMAP_LOCK_QUEUED))
		sched_yield();
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
	assert_int_equal(pthread_join(a.thread, NULL), 0);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.seen, before + 1);
}

/* G10 */
static void test_mmap_lock__one_lock_too_many_is_refused(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm mms[PGW_MAX_HELD];

	memset(mms, 0, sizeof(mms));
	for (int i = 0; i < PGW_MAX_HELD; i++) {
		mms[i].platform = &f->platform;
		assert_int_equal(pgw_mmap_read_lock(&mms[i]), 0);
	}
	for (size_t op = 0; op < PGW_ARRAY_SIZE(ops); op++) {
		if (is_breach(outcomes[PGW_LOCK_NONE][op]))
			continue;
		f->nr_violations = 0;
		assert_int_equal(ops[op].fn(&f->mm), -PGW_EPERM);
		check_breach(f, ops[op].name, PGW_LOCK_NONE, "mmap-too-many");
		assert_int_equal(state_of(f), 0);
	}
	/* One that it holds is recursion all the same; and any one given back makes room. */
	assert_int_equal(pgw_mmap_read_lock(&mms[3]), -PGW_EDEADLK);
	assert_int_equal(pgw_mmap_read_unlock(&mms[3]), 0);
	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
	for (int i = 0; i < PGW_MAX_HELD; i++) {
		if (i != 3)
			assert_int_equal(pgw_mmap_read_unlock(&mms[i]), 0);
	}
}

/* ---- the hosted platform's handler ---- */

/** Run fn in a child with the hosted platform; return its wait status and what it printed. */
static int run_child(int (*fn)(struct pgw_mm *mm), char *text, size_t size)
{
	struct pgw_mm mm = { .platform = pgw_hosted_platform(),
			     .pt.region.kind = PGW_REGION_KERNEL };
	size_t used = 0;
	ssize_t n;
	int fds[2];
	int status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		fn(&mm);
		_exit(0);
	}
	close(fds[1]);
	while (used < size - 1 && (n = read(fds[0], text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int lock_twice(struct pgw_mm *mm)
{
	int err = pgw_mmap_read_lock(mm);

	return err ? err : pgw_mmap_read_lock(mm);
}

static int lock_once(struct pgw_mm *mm)
{
	int err = pgw_mmap_read_lock(mm);

	return err ? err : pgw_mmap_assert_locked(mm);
}

/* G13 */
static void test_violation_handler__default_names_the_rule_and_aborts(void **state)
{
	char text[1024];
	int status;

	(void)state;
	status = run_child(lock_twice, text, sizeof(text));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_string_equal(text, "locking rule mmap-recursion broken in pgw_mmap_read_lock: "
				  "a thread may take an mmap lock only once "
				  "(owned kernel mm, lock held: read)\n");

	status = run_child(op_assert_write_locked, text, sizeof(text));
	assert_true(WIFSIGNALED(status));
	assert_string_equal(text, "locking rule mmap-write-locked broken in "
				  "pgw_mmap_assert_write_locked: "
				  "the caller must hold the mmap lock for write "
				  "(owned kernel mm, lock held: none)\n");

	status = run_child(lock_once, text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_string_equal(text, "");
}

/* ---- several threads, step by step ---- */

static void *actor_main(void *arg)
{
	struct actor *a = arg;
	struct pgw_mm *mm = &a->f->mm;

	this_actor = a;
	a->status = a->write ? pgw_mmap_write_lock(mm) : pgw_mmap_read_lock(mm);
	a->seen = a->f->data;
	a->is_inside = true;
	sem_post(&a->entered);
	limit_wait(&a->leave);
	a->is_inside = false;
	if (!a->status)
		a->status = a->write ? pgw_mmap_write_unlock(mm) : pgw_mmap_read_unlock(mm);
	return NULL;
}

static void actor_start(struct actor *a, struct fixture *f, bool write)
{
	memset(a, 0, sizeof(*a));
	a->f = f;
	a->write = write;
	sem_init(&a->guarded, 0, 0);
	sem_init(&a->queued, 0, 0);
	sem_init(&a->entered, 0, 0);
	sem_init(&a->leave, 0, 0);
	assert_int_equal(pthread_create(&a->thread, NULL, actor_main, a), 0);
}

/** Start a thread that has to wait; on return it is the last of the queue. */
static void actor_queue(struct actor *a, struct fixture *f, bool write)
{
	actor_start(a, f, write);
	limit_wait(&a->queued);
}

/** Start a thread that gets the lock; on return it has it. */
static void actor_enter(struct actor *a, struct fixture *f, bool write)
{
	actor_start(a, f, write);
	limit_wait(&a->entered);
}

static void actor_leave(struct actor *a)
{
	sem_post(&a->leave);
	assert_int_equal(pthread_join(a->thread, NULL), 0);
	assert_int_equal(a->status, 0);
	sem_destroy(&a->guarded);
	sem_destroy(&a->queued);
	sem_destroy(&a->entered);
	sem_destroy(&a->leave);
}

/** The actors first..last, and nobody else, have the lock. */
static void check_inside(struct fixture *f, struct actor *actors, unsigned nr, unsigned first,
			 unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		limit_wait(&actors[i].entered);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(actors[i].is_inside, i >= first && i <= last);
	/* The state says that nobody is on the way in either. */
	assert_int_equal(has_writer(f), actors[first].write);
	assert_int_equal(nr_readers(f), actors[first].write ? 0 : last - first + 1);
}

/* G1, G2, G5 */
static void test_mmap_lock__queue_is_served_in_order_and_reader_groups_together(void **state)
{
	static const bool write[] = { false, false, true, true, false, true, false, false, false };
	static const struct {
		unsigned first, last;
	} groups[] = { { 0, 1 }, { 2, 2 }, { 3, 3 }, { 4, 4 }, { 5, 5 }, { 6, 8 } };
	struct fixture *f = *state;
	struct actor actors[PGW_ARRAY_SIZE(write)];
	const unsigned nr = PGW_ARRAY_SIZE(write);

	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	for (unsigned i = 0; i < nr; i++)
		actor_queue(&actors[i], f, write[i]);
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);

	for (unsigned g = 0; g < PGW_ARRAY_SIZE(groups); g++) {
		check_inside(f, actors, nr, groups[g].first, groups[g].last);
		for (unsigned i = groups[g].first; i <= groups[g].last; i++)
			actor_leave(&actors[i]);
	}
	assert_int_equal(f->nr_violations, 0);
}

/* G5, G9 */
static void test_mmap_lock__reader_behind_a_queued_writer_waits(void **state)
{
	struct fixture *f = *state;
	struct actor reader, writer, late;

	actor_enter(&reader, f, false);
	actor_queue(&writer, f, true);
	assert_int_equal(pgw_mmap_read_trylock(&f->mm), -PGW_EBUSY);
	actor_queue(&late, f, false);
	assert_int_equal(nr_readers(f), 1);

	actor_leave(&reader);
	limit_wait(&writer.entered);
	assert_true(has_writer(f));
	assert_int_equal(nr_readers(f), 0);
	assert_false(late.is_inside);

	actor_leave(&writer);
	limit_wait(&late.entered);
	actor_leave(&late);
}

/* G6: without the refusal this would hang. */
static void test_mmap_lock__nested_read_with_a_queued_writer_is_refused(void **state)
{
	struct fixture *f = *state;
	struct actor writer;

	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	actor_queue(&writer, f, true);
	assert_int_equal(pgw_mmap_read_lock(&f->mm), -PGW_EDEADLK);
	check_breach(f, "pgw_mmap_read_lock", PGW_LOCK_READ, "mmap-recursion");
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	limit_wait(&writer.entered);
	actor_leave(&writer);
}

/* G3: what every walk without VMAs stands on. */
static void test_mmap_lock__downgrade_lets_readers_in_but_no_writer(void **state)
{
	struct fixture *f = *state;
	struct actor actors[5];

	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	actor_queue(&actors[0], f, false);
	actor_queue(&actors[1], f, false);
	actor_queue(&actors[2], f, true);
	actor_queue(&actors[3], f, false);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);

	limit_wait(&actors[0].entered);
	limit_wait(&actors[1].entered);
	assert_false(has_writer(f));
	assert_int_equal(nr_readers(f), 3);
	assert_int_equal(pgw_mmap_lock_mode(&f->mm), PGW_LOCK_DOWNGRADED);

	/* A newcomer queues behind the writer, although only readers are inside. */
	actor_queue(&actors[4], f, false);
	actor_leave(&actors[0]);
	actor_leave(&actors[1]);
	assert_int_equal(nr_readers(f), 1);
	assert_false(actors[2].is_inside || actors[3].is_inside || actors[4].is_inside);

	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	check_inside(f, actors + 2, 3, 0, 0);
	actor_leave(&actors[2]);
	check_inside(f, actors + 3, 2, 0, 1);
	actor_leave(&actors[3]);
	actor_leave(&actors[4]);
}

/* G3 */
static void test_mmap_lock__downgrade_with_a_writer_in_front_lets_nobody_in(void **state)
{
	struct fixture *f = *state;
	struct actor writer, reader;

	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	actor_queue(&writer, f, true);
	actor_queue(&reader, f, false);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);
	assert_false(has_writer(f));
	assert_int_equal(nr_readers(f), 1);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	limit_wait(&writer.entered);
	assert_int_equal(nr_readers(f), 0);
	actor_leave(&writer);
	limit_wait(&reader.entered);
	actor_leave(&reader);
}

/** Try both locks in another thread; give back what was got. */
struct attempt {
	struct pgw_mm *mm;
	int read;
	int write;
};

static void *attempt_main(void *arg)
{
	struct attempt *a = arg;

	a->read = pgw_mmap_read_trylock(a->mm);
	if (!a->read)
		pgw_mmap_read_unlock(a->mm);
	a->write = pgw_mmap_write_trylock(a->mm);
	if (!a->write)
		pgw_mmap_write_unlock(a->mm);
	return NULL;
}

static void check_attempt_only(struct fixture *f, int read, int write)
{
	struct attempt a = { .mm = &f->mm };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, attempt_main, &a), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(a.read, read);
	assert_int_equal(a.write, write);
	assert_int_equal(f->nr_violations, 0);
}

static void check_attempt(struct fixture *f, int read, int write)
{
	uint64_t word = state_of(f);

	check_attempt_only(f, read, write);
	assert_int_equal(state_of(f), word);
}

/*
 * G1, G2, G4, G9. To become a second downgraded holder a thread would have to
 * be a writer first, which it cannot be.
 */
static void test_mmap_lock__trylock_succeeds_only_beside_holders_that_allow_it(void **state)
{
	struct fixture *f = *state;
	struct actor writer;

	check_attempt(f, 0, 0);
	enter_mode(&f->mm, PGW_LOCK_READ);
	check_attempt(f, 0, -PGW_EBUSY);
	actor_queue(&writer, f, true);
	check_attempt(f, -PGW_EBUSY, -PGW_EBUSY);
	leave_mode(&f->mm);
	limit_wait(&writer.entered);
	check_attempt(f, -PGW_EBUSY, -PGW_EBUSY);
	actor_leave(&writer);
	enter_mode(&f->mm, PGW_LOCK_WRITE);
	check_attempt(f, -PGW_EBUSY, -PGW_EBUSY);
	assert_int_equal(pgw_mmap_write_downgrade(&f->mm), 0);
	check_attempt(f, 0, -PGW_EBUSY);
	leave_mode(&f->mm);
	check_attempt(f, 0, 0);
}

/** Let readers of this thread be found by their slots. */
static void announce(struct pgw_mm *mm)
{
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(pgw_mmap_read_lock(mm), 0);
		assert_int_equal(pgw_mmap_read_unlock(mm), 0);
	}
}

/* G1, G9, G13: a reader that nobody has counted is a holder as any. */
static void test_mmap_lock__reader_in_a_slot_keeps_writers_out(void **state)
{
	struct fixture *f = *state;
	struct actor writer;

	announce(&f->mm);
	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	assert_int_equal(state_of(f), 0);
	assert_true(mmap_lock_is_taken(&f->mm.lock, &f->platform));
	check_attempt_only(f, 0, -PGW_EBUSY);
	/* It was counted by who tried, and is not counted again. */
	assert_int_equal(nr_readers(f), 1);
	check_attempt(f, 0, -PGW_EBUSY);
	actor_queue(&writer, f, true);
	assert_int_equal(nr_readers(f), 1);
	assert_false(writer.is_inside);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	limit_wait(&writer.entered);
	actor_leave(&writer);
	assert_false(mmap_lock_is_taken(&f->mm.lock, &f->platform));
}

/** Let readers be found by slots that they have stored to, which they are after many reads. */
static void announce_plainly(struct pgw_mm *mm)
{
	unsigned nr = 0;

	for (;
	     nr < 20000 && !(__atomic_load_n(&mm->lock.state, __ATOMIC_RELAXED) & MMAP_LOCK_PLAIN);
	     nr++) {
		assert_int_equal(pgw_mmap_read_lock(mm), 0);
		assert_int_equal(pgw_mmap_read_unlock(mm), 0);
	}
	assert_in_range(nr, 8000, 9000);
}

static void count_barrier(void *ctx)
{
	struct fixture *f = ctx;

	f->nr_barriers++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (pgw_hosted_platform()->cpu_barrier)
		pgw_hosted_platform()->cpu_barrier(NULL);
}

/* The same after many reads: the barrier is run by who wants to write, once for many reads. */
static void test_mmap_lock__reader_in_a_plain_slot_keeps_writers_out(void **state)
{
	struct fixture *f = *state;
	struct actor writer;

	f->platform.cpu_barrier = count_barrier;
	announce_plainly(&f->mm);
	assert_int_equal(f->nr_barriers, 0);
	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	assert_int_equal(state_of(f), 0);
	assert_int_equal(this_thread()->slot[0] & SLOT_BITS, SLOT_PLAIN);
	assert_true(mmap_lock_is_taken(&f->mm.lock, &f->platform));
	check_attempt_only(f, 0, -PGW_EBUSY);
	assert_int_equal(f->nr_barriers, 1);
	/* It was counted by who tried, and is not counted again. */
	assert_int_equal(nr_readers(f), 1);
	check_attempt(f, 0, -PGW_EBUSY);
	actor_queue(&writer, f, true);
	assert_int_equal(nr_readers(f), 1);
	assert_false(writer.is_inside);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	limit_wait(&writer.entered);
	actor_leave(&writer);
	assert_int_equal(f->nr_barriers, 1);
	assert_int_equal(this_thread()->counted, 0);
	assert_false(mmap_lock_is_taken(&f->mm.lock, &f->platform));
}

/* G6, G7, G10 of such slots: which of them are counted is by slot. */
static void test_mmap_lock__plain_slots_are_given_back_in_any_order(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm mms[3];

	f->platform.cpu_barrier = count_barrier;
	memset(mms, 0, sizeof(mms));
	for (unsigned i = 0; i < 3; i++) {
		mms[i].platform = &f->platform;
		announce_plainly(&mms[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pgw_mmap_read_lock(&mms[i]), 0);
	for (unsigned k = 0; k < 3; k++) {
		struct pgw_mm *mm = &mms[(k * 2 + 1) % 3];
		struct attempt a = { .mm = mm };
		pthread_t thread;

		assert_int_equal(pgw_mmap_read_lock(mm), -PGW_EDEADLK);
		assert_int_equal(pthread_create(&thread, NULL, attempt_main, &a), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(a.write, -PGW_EBUSY);
		assert_int_equal(pgw_mmap_read_unlock(mm), 0);
		assert_int_equal(pgw_mmap_lock_mode(mm), PGW_LOCK_NONE);
		assert_int_equal(pgw_mmap_write_trylock(mm), 0);
		assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	}
	assert_int_equal(this_thread()->counted, 0);
	assert_int_equal(f->nr_barriers, 3);
}

/* Without a barrier no slot is stored plainly, however often the lock is read. */
static void test_mmap_lock__without_a_barrier_slots_are_exchanged(void **state)
{
	struct fixture *f = *state;

	f->platform.cpu_barrier = NULL;
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
		assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
	}
	assert_false(f->mm.lock.state & MMAP_LOCK_PLAIN);
	assert_true(f->mm.lock.state & MMAP_LOCK_CLASSES);
}

/* G6, G7, G10: locks held in slots, given back in any order. */
static void test_mmap_lock__slots_are_given_back_in_any_order(void **state)
{
	struct fixture *f = *state;
	struct pgw_mm mms[PGW_MAX_HELD];

	memset(mms, 0, sizeof(mms));
	for (unsigned i = 0; i < PGW_MAX_HELD; i++) {
		mms[i].platform = &f->platform;
		announce(&mms[i]);
	}
	for (unsigned i = 0; i < PGW_MAX_HELD; i++)
		assert_int_equal(pgw_mmap_read_lock(&mms[i]), 0);
	for (unsigned k = 0; k < PGW_MAX_HELD; k++) {
		unsigned i = (k * 3 + 1) % PGW_MAX_HELD;

		assert_int_equal(pgw_mmap_read_lock(&mms[i]), -PGW_EDEADLK);
		assert_int_equal(pgw_mmap_read_unlock(&mms[i]), 0);
		assert_int_equal(pgw_mmap_lock_mode(&mms[i]), PGW_LOCK_NONE);
		assert_false(mmap_lock_is_taken(&mms[i].lock, &f->platform));
		assert_int_equal(pgw_mmap_write_lock(&mms[i]), 0);
		assert_int_equal(pgw_mmap_write_unlock(&mms[i]), 0);
	}
}

/* An embedder's RCU and no list of threads: readers share the lock's word. */
static void test_mmap_lock__without_an_epoch_readers_are_counted(void **state)
{
	struct fixture *f = *state;

	f->platform.epoch = NULL;
	announce(&f->mm);
	assert_int_equal(pgw_mmap_read_lock(&f->mm), 0);
	assert_int_equal(nr_readers(f), 1);
	assert_int_equal(f->mm.lock.state & MMAP_LOCK_CLASSES, 0);
	check_attempt(f, 0, -PGW_EBUSY);
	assert_int_equal(pgw_mmap_read_unlock(&f->mm), 0);
}

/* G7, G12: that somebody else holds the lock is no excuse. */
static void test_mmap_lock__held_by_another_thread_does_not_count(void **state)
{
	struct fixture *f = *state;
	char line[512];
	struct actor writer;

	actor_enter(&writer, f, true);
	for (size_t op = 0; op < PGW_ARRAY_SIZE(ops); op++) {
		if (!is_breach(outcomes[PGW_LOCK_NONE][op]))
			continue;
		f->nr_violations = 0;
		assert_int_equal(ops[op].fn(&f->mm), -PGW_EPERM);
		assert_int_equal(f->nr_violations, 1);
		assert_string_equal(f->violation.rule_name, outcomes[PGW_LOCK_NONE][op]);
		assert_int_equal(f->violation.mode, PGW_LOCK_NONE);
		assert_true(f->violation.lock_taken);
		assert_int_equal(state_of(f), MMAP_LOCK_WRITER);
	}
	pgw_violation_format(&f->violation, line, sizeof(line));
	assert_non_null(strstr(line, "(owned user mm, lock held: none; another thread holds it)"));
	actor_leave(&writer);
}

/* G11 */
static void test_mmap_lock__park_returns_early_and_order_is_kept(void **state)
{
	struct fixture *f = *state;

	f->nr_early = 1;
	test_mmap_lock__queue_is_served_in_order_and_reader_groups_together(state);
	assert_true(f->nr_early > 9);
}

/** Stand for a thread that is busy with the queue. */
static void guard_grab(struct fixture *f)
{
	uint32_t old = __atomic_exchange_n(&f->mm.lock.guard, 1, __ATOMIC_SEQ_CST);

	assert_int_equal(old, 0);
}

/** Let go of it and wake one of those who sleep on it. Orders nothing. */
static void guard_drop(struct fixture *f)
{
	uint32_t *word = &f->mm.lock.guard;
	uint32_t old = __atomic_exchange_n(word, 0, __ATOMIC_RELAXED);

	assert_int_equal(old, 2);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void test_mmap_lock__queue_busy_newcomers_sleep_and_wake_each_other(void **state)
{
	struct fixture *f = *state;
	struct actor actors[3];

	assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
	guard_grab(f);
	for (unsigned i = 0; i < PGW_ARRAY_SIZE(actors); i++) {
		actor_start(&actors[i], f, false);
		limit_wait(&actors[i].guarded);
	}
	/* The guard orders nothing, so those who wait for it may be thought to write at the same time. */
	assert_false(__atomic_load_n(&f->mm.lock.state, __ATOMIC_RELAXED) & MMAP_LOCK_QUEUED);
	guard_drop(f);
	for (unsigned i = 0; i < PGW_ARRAY_SIZE(actors); i++)
		limit_wait(&actors[i].queued);
	assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
	check_inside(f, actors, PGW_ARRAY_SIZE(actors), 0, PGW_ARRAY_SIZE(actors) - 1);
	for (unsigned i = 0; i < PGW_ARRAY_SIZE(actors); i++)
		actor_leave(&actors[i]);
}

/* G8: the lock's state alone shows the newcomer what the writer wrote. */
static void test_mmap_lock__freed_before_the_newcomer_queues_is_taken_at_once(void **state)
{
	struct fixture *f = *state;

	for (int write = 0; write < 2; write++) {
		struct actor a;

		assert_int_equal(pgw_mmap_write_lock(&f->mm), 0);
		guard_grab(f);
		actor_start(&a, f, write);
		limit_wait(&a.guarded);
		f->data++;
		assert_int_equal(pgw_mmap_write_unlock(&f->mm), 0);
		guard_drop(f);
		limit_wait(&a.entered);
		assert_int_equal(a.seen, f->data);
		assert_false(a.is_queued);
		check_attempt(f, write ? -PGW_EBUSY : 0, -PGW_EBUSY);
		actor_leave(&a);
	}
}

/* ---- several threads, all at once ---- */

#define NR_WORKERS 4
#define NR_ROUNDS 2000

/** The data that the lock protects: a writer makes the two equal again before it lets go. */
struct pair {
	uint64_t a;
	uint64_t b;
};

struct worker {
	pthread_t thread;
	struct fixture *f;
	struct pair *pair;
	uint64_t random;
	uint64_t nr_writes;
	uint64_t nr_torn; /* times that the pair was not as the lock promises */
	uint64_t nr_failed;
	uint64_t nr_busy;
};

static void dawdle(struct worker *w)
{
	if (test_random(&w->random) % 4 == 0)
		sched_yield();
}

static void write_pair(struct worker *w)
{
	struct pair *p = w->pair;

	w->nr_torn += p->a != p->b;
	p->a++;
	dawdle(w);
	p->b++;
	w->nr_writes++;
}

static void read_pair(struct worker *w)
{
	uint64_t a = w->pair->a;

	dawdle(w);
	w->nr_torn += w->pair->b != a || w->pair->a != a;
}

/** Write, downgrade, and find nothing changed by anybody until the unlock. */
static int write_then_downgrade(struct worker *w)
{
	uint64_t a;
	int err;

	write_pair(w);
	a = w->pair->a;
	err = pgw_mmap_write_downgrade(&w->f->mm);
	dawdle(w);
	read_pair(w);
	w->nr_torn += w->pair->a != a;
	return err | pgw_mmap_read_unlock(&w->f->mm);
}

/** Have the lock and this thread think that nobody has written for long. */
static void pretend_reads(struct fixture *f)
{
	__atomic_store_n(&f->mm.lock.nr_reads, 1000000, __ATOMIC_RELAXED);
	this_thread()->until_sample = 0;
}

static int work_once(struct worker *w)
{
	struct pgw_mm *mm = &w->f->mm;
	uint64_t dice = test_random(&w->random);
	bool write = dice % (w->f->is_plain ? 16 : 3) == 0;
	bool try = dice / 3 % 4 == 0;
	int err;

	if (w->f->is_plain)
		pretend_reads(w->f);
	if (try)
		err = write ? pgw_mmap_write_trylock(mm) : pgw_mmap_read_trylock(mm);
	else
		err = write ? pgw_mmap_write_lock(mm) : pgw_mmap_read_lock(mm);
	if (try && err == -PGW_EBUSY) {
		w->nr_busy++;
		return 0;
	}
	if (err)
		return err;
	if (!write) {
		read_pair(w);
		return pgw_mmap_read_unlock(mm);
	}
	if (dice / 12 % 2)
		return write_then_downgrade(w);
	write_pair(w);
	return pgw_mmap_write_unlock(mm);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < NR_ROUNDS; i++)
		w->nr_failed += work_once(w) != 0;
	return NULL;
}

static void run_workers(struct fixture *f, struct pair *pair, uint64_t seed)
{
	struct worker workers[NR_WORKERS];
	uint64_t nr_writes = 0;
	uint64_t nr_busy = 0;

	memset(workers, 0, sizeof(workers));
	for (unsigned i = 0; i < NR_WORKERS; i++) {
		workers[i].f = f;
		workers[i].pair = pair;
		workers[i].random = seed + i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_WORKERS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_int_equal(workers[i].nr_failed, 0);
		assert_int_equal(workers[i].nr_torn, 0);
		nr_writes += workers[i].nr_writes;
		nr_busy += workers[i].nr_busy;
	}
	assert_int_equal(pair->a, nr_writes);
	assert_int_equal(pair->b, nr_writes);
	assert_int_equal(f->nr_violations, 0);
	printf("# %llu writes, %llu times busy\n", (unsigned long long)nr_writes,
	       (unsigned long long)nr_busy);
}

/* G1, G2, G3, G8; under the thread sanitizer, that the atomics alone order it all. */
static void test_mmap_lock__stress_keeps_the_pair_whole(void **state)
{
	struct fixture *f = *state;
	struct pair pair = { 0, 0 };

	run_workers(f, &pair, test_seed());
}

/* G11 */
static void test_mmap_lock__stress_with_early_returns_keeps_the_pair_whole(void **state)
{
	struct fixture *f = *state;
	struct pair pair = { 0, 0 };

	f->nr_early = 1;
	run_workers(f, &pair, test_seed());
}

/* The same with slots that are stored plainly, most of the time. */
static void test_mmap_lock__stress_of_plain_slots_keeps_the_pair_whole(void **state)
{
	struct fixture *f = *state;
	struct pair pair = { 0, 0 };

	if (!f->platform.cpu_barrier)
		skip();
	f->platform.cpu_barrier = count_barrier;
	f->is_plain = true;
	run_workers(f, &pair, test_seed());
	assert_true(f->nr_barriers > 0);
	printf("# %u barriers\n", f->nr_barriers);
}

#define LOCK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOCK_TEST(test_violation_handler__default_names_the_rule_and_aborts),
		LOCK_TEST(test_mmap_lock__every_operation_in_every_mode_moves_or_is_refused),
		LOCK_TEST(test_mm_violation__every_rule_has_its_own_name_and_text),
		LOCK_TEST(test_mm_assert__unlocked_reports_the_callers_rule_and_name),
		LOCK_TEST(test_mmap_lock__snapshot_counts_as_held_and_does_nothing),
		LOCK_TEST(test_mmap_lock__user_and_kernel_mm_are_held_independently),
		LOCK_TEST(test_mmap_lock__user_after_kernel_is_refused),
		LOCK_TEST(test_mmap_lock__order_is_that_of_what_is_held),
		LOCK_TEST(test_mmap_lock__trylock_may_come_in_any_order_but_counts_as_held),
		LOCK_TEST(test_mmap_lock__snapshots_have_no_order),
		LOCK_TEST(test_mmap_lock__end_of_writing_ends_vma_writes),
		LOCK_TEST(test_mmap_lock__next_writer_finds_vma_writes_ended),
		LOCK_TEST(test_mmap_lock__one_lock_too_many_is_refused),
		LOCK_TEST(test_mmap_lock__queue_is_served_in_order_and_reader_groups_together),
		LOCK_TEST(test_mmap_lock__reader_behind_a_queued_writer_waits),
		LOCK_TEST(test_mmap_lock__nested_read_with_a_queued_writer_is_refused),
		LOCK_TEST(test_mmap_lock__downgrade_lets_readers_in_but_no_writer),
		LOCK_TEST(test_mmap_lock__downgrade_with_a_writer_in_front_lets_nobody_in),
		LOCK_TEST(test_mmap_lock__trylock_succeeds_only_beside_holders_that_allow_it),
		LOCK_TEST(test_mmap_lock__reader_in_a_slot_keeps_writers_out),
		LOCK_TEST(test_mmap_lock__reader_in_a_plain_slot_keeps_writers_out),
		LOCK_TEST(test_mmap_lock__plain_slots_are_given_back_in_any_order),
		LOCK_TEST(test_mmap_lock__without_a_barrier_slots_are_exchanged),
		LOCK_TEST(test_mmap_lock__slots_are_given_back_in_any_order),
		LOCK_TEST(test_mmap_lock__without_an_epoch_readers_are_counted),
		LOCK_TEST(test_mmap_lock__held_by_another_thread_does_not_count),
		LOCK_TEST(test_mmap_lock__park_returns_early_and_order_is_kept),
		LOCK_TEST(test_mmap_lock__queue_busy_newcomers_sleep_and_wake_each_other),
		LOCK_TEST(test_mmap_lock__freed_before_the_newcomer_queues_is_taken_at_once),
		LOCK_TEST(test_mmap_lock__stress_keeps_the_pair_whole),
		LOCK_TEST(test_mmap_lock__stress_of_plain_slots_keeps_the_pair_whole),
		LOCK_TEST(test_mmap_lock__stress_with_early_returns_keeps_the_pair_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
