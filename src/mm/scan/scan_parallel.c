/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/scan.h>

#include "base/mutex.h"
#include "base/step.h"
#include "mm/mm_priv.h"
#include "pt/read/scan_out.h"

/*
 * The scan is cut into many parts, and each worker takes the next part again and again.
 *
 * In order: if it is the part's turn, because all before are done, its extents are handed on at
 * once; else they are put by, and the worker goes on with another part. A part for which
 * there is no room, or for which the budget may not suffice, is scanned again when
 * its turn has come. So memory is bounded, and the budget ends the scan where it would end it
 * for one worker. A worker waits only for parts that were taken before its own, by workers
 * that run: so workers that run one after the other never wait.
 */

#define MAX_PARTS 16384
#define MIN_PARTS 128 /* of some 32 tables at least: less is done before a thread has started */
#define MAX_WORKERS 64
#define MAX_PUT_BY 16384 /* extents */
#define MAX_DONE 64      /* parts that are put by */

/** What our own extent functions return for "no room" and "the scan has ended". Never the result. */
#define STOP 1

struct worker;

struct job {
	struct pgw_mm *mm;
	const struct pgw_platform *platform;
	pgw_extents_fn *fn;            /* in order, or NULL */
	pgw_worker_extents_fn *any_fn; /* in no order */
	void *arg;
	struct worker *workers;
	size_t nr_parts;

	/* Atomics. */
	uint32_t next;       /* part to be taken */
	uint32_t turn;       /* part whose extents may be handed on; parked on */
	uint32_t nr_waiting; /* for a turn */
	uint32_t ended;

	/* Owned by the worker whose turn it is; unordered scans use guard. */
	uint32_t guard;
	int status;
	uint64_t nr_left; /* table visits of the budget */
	struct pgw_scan_stats stats;
	bool has_pending;
	struct pgw_extent pending; /* the last extent of a part, which the next part may continue */
	struct pgw_scan_part parts[MAX_PARTS];
};

/** A part that was scanned before its turn. */
struct done {
	size_t part;
	size_t first, nr; /* of the extents put by */
	struct pgw_scan_stats stats;
};

struct worker {
	struct job *job;
	unsigned index;
	int refused; /* in no order: fn's value */
	size_t nr_done, nr;
	struct done done[MAX_DONE];
	struct pgw_extent extents[MAX_PUT_BY];
};

static bool has_ended(const struct job *job)
{
	return step_load_n(&job->ended, __ATOMIC_ACQUIRE);
}

static bool take_part(struct job *job, size_t *ret)
{
	if (has_ended(job) || step_load_n(&job->next, __ATOMIC_RELAXED) >= job->nr_parts)
		return false;
	*ret = step_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
	return *ret < job->nr_parts;
}

static void count_part(struct job *job, const struct pgw_scan_stats *stats)
{
	job->nr_left -= stats->nr_tables < job->nr_left ? stats->nr_tables : job->nr_left;
	job->stats.nr_tables += stats->nr_tables;
	job->stats.nr_malformed += stats->nr_malformed;
}

/* The scan ends before va, or before another address that is lower. */
static void truncate_at(struct job *job, uint64_t va)
{
	if (!job->stats.truncated || va < job->stats.truncated_va)
		job->stats.truncated_va = va;
	job->stats.truncated = true;
}

/* ---- in order ---- */

/* Pre: it is the caller's turn. */
static int job_emit(struct job *job, const struct pgw_extent *extents, size_t nr)
{
	int status;

	if (!nr)
		return 0;
	for (size_t i = 0; i < nr; i++)
		pt_extent_count(&extents[i], &job->stats);
	status = job->fn(extents, nr, job->arg);
	if (status)
		truncate_at(job, extents[nr - 1].va_last + 1);
	return status;
}

static int job_flush(struct job *job)
{
	size_t nr = job->has_pending;

	job->has_pending = false;
	return job_emit(job, &job->pending, nr);
}

/* Only the first extent of a part may continue what is pending. */
static int job_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct job *job = arg;
	int status;

	if (job->has_pending && pgw_extent_follows(job->mm, &job->pending, extents)) {
		job->pending.va_last = extents->va_last;
		extents++;
		nr--;
	}
	if (!nr)
		return 0;
	status = job_flush(job);
	if (!status)
		status = job_emit(job, extents, nr - 1);
	job->pending = extents[nr - 1];
	job->has_pending = status == 0;
	return status;
}

static int put_by(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct worker *worker = arg;

	if (nr > MAX_PUT_BY - worker->nr)
		return STOP;
	__builtin_memcpy(worker->extents + worker->nr, extents, nr * sizeof(*extents));
	worker->nr += nr;
	return 0;
}

static bool is_turn(const struct job *job, size_t part)
{
	return step_load_n(&job->turn, __ATOMIC_ACQUIRE) == part;
}

/* @return false: the scan has ended before */
static bool wait_turn(struct job *job, size_t part)
{
	uint32_t turn;

	if (is_turn(job, part))
		return !has_ended(job);
	/* Either this look at the turn or end_turn()'s look at the number comes second. */
	step_fetch_add(&job->nr_waiting, 1, __ATOMIC_SEQ_CST);
	while ((turn = step_load_n(&job->turn, __ATOMIC_SEQ_CST)) != part && !has_ended(job))
		job->platform->park(job->platform->ctx, &job->turn, turn);
	step_fetch_sub(&job->nr_waiting, 1, __ATOMIC_SEQ_CST);
	return !has_ended(job);
}

static void end_turn(struct job *job, int status)
{
	if (status) {
		job->status = status;
		step_store_n(&job->ended, 1, __ATOMIC_RELEASE);
	}
	step_fetch_add(&job->turn, 1, __ATOMIC_SEQ_CST);
	if (step_load_n(&job->nr_waiting, __ATOMIC_SEQ_CST))
		job->platform->wake(job->platform->ctx, &job->turn);
}

/* Pre: it is the part's turn. */
static int scan_now(struct job *job, const struct pgw_scan_part *part)
{
	struct pgw_scan_stats stats;
	int status = mm_scan_part(job->mm, part, job->nr_left, job_extents, job, &stats);

	count_part(job, &stats);
	if (status == -PGW_E2BIG && stats.truncated && !job->stats.truncated)
		truncate_at(job, stats.truncated_va);
	return status;
}

/* Pre: it is the part's turn. */
static int hand_on(struct job *job, const struct worker *worker, const struct done *done)
{
	int status = 0;

	if (done->stats.nr_tables > job->nr_left)
		return scan_now(job, &job->parts[done->part]);
	if (done->nr)
		status = job_extents(&worker->extents[done->first], done->nr, job);
	count_part(job, &done->stats);
	return status;
}

/* Hand on what was put by, as far as it is its turn, or wait for that. @return false: the scan has ended */
static bool hand_on_done(struct job *job, struct worker *worker, bool waits)
{
	size_t i = 0;
	int status = 0;

	for (; i < worker->nr_done && !status; i++) {
		const struct done *done = &worker->done[i];

		if (!waits && !is_turn(job, done->part))
			break;
		if (!wait_turn(job, done->part))
			return false;
		status = hand_on(job, worker, done);
		end_turn(job, status);
	}
	worker->nr_done -= i;
	__builtin_memmove(worker->done, worker->done + i,
			  worker->nr_done * sizeof(worker->done[0]));
	if (!worker->nr_done)
		worker->nr = 0;
	return status == 0;
}

/* @return was there room for the part's extents? */
static bool put_part_by(struct job *job, struct worker *worker, size_t part)
{
	struct done done = { .part = part, .first = worker->nr };

	if (worker->nr_done == MAX_DONE ||
	    mm_scan_part(job->mm, &job->parts[part], UINT64_MAX, put_by, worker, &done.stats)) {
		worker->nr = done.first;
		return false;
	}
	done.nr = worker->nr - done.first;
	worker->done[worker->nr_done++] = done;
	return true;
}

/* @return false: the scan has ended */
static bool work_part(struct job *job, struct worker *worker, size_t part)
{
	int status;

	if (!hand_on_done(job, worker, false))
		return false;
	if (!is_turn(job, part) && put_part_by(job, worker, part))
		return true;
	if (!hand_on_done(job, worker, true) || !wait_turn(job, part))
		return false;
	status = scan_now(job, &job->parts[part]);
	end_turn(job, status);
	return status == 0;
}

static void work_in_order(void *arg, unsigned index)
{
	struct job *job = arg;
	struct worker *worker = &job->workers[index];
	size_t part;

	while (take_part(job, &part)) {
		if (!work_part(job, worker, part))
			return;
	}
	hand_on_done(job, worker, true);
}

/* ---- in no order ---- */

static int any_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct worker *worker = arg;
	struct job *job = worker->job;

	worker->refused = job->any_fn(worker->index, extents, nr, job->arg);
	if (worker->refused)
		step_store_n(&job->ended, 1, __ATOMIC_RELEASE);
	return worker->refused ? worker->refused : has_ended(job) ? STOP : 0;
}

/* Add up a part that was scanned. If several workers end the scan, the first one's status counts. */
static void any_count(struct job *job, struct worker *worker, const struct pgw_scan_stats *stats,
		      int status)
{
	mutex_lock(&job->guard, job->platform);
	count_part(job, stats);
	job->stats.nr_leaves += stats->nr_leaves;
	job->stats.nr_unreadable += stats->nr_unreadable;
	if (stats->truncated)
		truncate_at(job, stats->truncated_va);
	if (!job->status)
		job->status = worker->refused ? worker->refused : status != STOP ? status : 0;
	mutex_unlock(&job->guard, job->platform);
	if (status)
		step_store_n(&job->ended, 1, __ATOMIC_RELEASE);
}

static uint64_t any_left(struct job *job)
{
	uint64_t ret;

	mutex_lock(&job->guard, job->platform);
	ret = job->nr_left;
	mutex_unlock(&job->guard, job->platform);
	return ret;
}

static void work_in_no_order(void *arg, unsigned index)
{
	struct job *job = arg;
	struct worker *worker = &job->workers[index];
	struct pgw_scan_stats stats;
	size_t part;
	int status;

	while (take_part(job, &part)) {
		status = mm_scan_part(job->mm, &job->parts[part], any_left(job), any_extents,
				      worker, &stats);
		any_count(job, worker, &stats, status);
	}
}

/* ---- both ---- */

static void job_free(struct job *job, unsigned nr_workers)
{
	const struct pgw_platform *platform = job->platform;

	if (job->workers)
		platform->obj_free(platform->ctx, job->workers, nr_workers * sizeof(struct worker));
	platform->obj_free(platform->ctx, job, sizeof(*job));
}

static struct job *job_alloc(struct pgw_mm *mm, unsigned nr_workers)
{
	const struct pgw_platform *platform = mm->platform;
	struct job *job = platform->obj_alloc(platform->ctx, sizeof(*job));

	if (!job)
		return NULL;
	job->mm = mm;
	job->platform = platform;
	job->nr_left = mm->pt.budget;
	job->workers = platform->obj_alloc(platform->ctx, nr_workers * sizeof(struct worker));
	if (!job->workers) {
		job_free(job, nr_workers);
		return NULL;
	}
	for (unsigned i = 0; i < nr_workers; i++) {
		job->workers[i].job = job;
		job->workers[i].index = i;
	}
	return job;
}

/* @return a job, or NULL: threads do not pay, or there is no memory for them */
static struct job *job_new(struct pgw_mm *mm, uint64_t first, uint64_t last,
			   const struct pgw_scan_workers *workers, unsigned nr_workers)
{
	struct job *job;

	/* All threads hold a snapshot's lock, and no other mm's. */
	if (!mm || mm->kind != PGW_MM_SNAPSHOT || nr_workers < 2)
		return NULL;
	job = job_alloc(mm, nr_workers);
	if (job && (pgw_scan_split(mm, first, last, job->parts, MAX_PARTS, &job->nr_parts) ||
		    (job->nr_parts < MIN_PARTS && !workers->even_few))) {
		job_free(job, nr_workers);
		return NULL;
	}
	return job;
}

static int job_end(struct job *job, unsigned nr_workers, struct pgw_scan_stats *stats)
{
	int status = job->fn ? job_flush(job) : 0;

	/* In no order, the parts that nobody took any more are missing too. */
	if (!job->fn && job->status && job->next < job->nr_parts)
		truncate_at(job, job->parts[job->next].first);
	if (!status)
		status = job->status;
	if (stats)
		*stats = job->stats;
	job_free(job, nr_workers);
	return status;
}

static unsigned count_workers(const struct pgw_scan_workers *workers)
{
	if (!workers || !workers->run)
		return 1;
	return workers->n < MAX_WORKERS ? workers->n : MAX_WORKERS;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters of pgw_scan_blocks(), and workers */
int pgw_scan_parallel(struct pgw_mm *mm, uint64_t first, uint64_t last,
		      const struct pgw_scan_workers *workers, pgw_extents_fn *fn, void *arg,
		      struct pgw_scan_stats *stats)
{
	unsigned nr_workers = count_workers(workers);
	struct job *job = fn ? job_new(mm, first, last, workers, nr_workers) : NULL;

	if (!job)
		return pgw_scan_blocks(mm, first, last, fn, arg, stats);
	job->fn = fn;
	job->arg = arg;
	workers->run(workers->ctx, nr_workers, work_in_order, job);
	return job_end(job, nr_workers, stats);
}

/** An unordered scan that its caller does alone. */
struct alone {
	pgw_worker_extents_fn *fn;
	void *arg;
};

static int alone_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	const struct alone *alone = arg;

	return alone->fn(0, extents, nr, alone->arg);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters of pgw_scan_blocks(), and workers */
int pgw_scan_unordered(struct pgw_mm *mm, uint64_t first, uint64_t last,
		       const struct pgw_scan_workers *workers, pgw_worker_extents_fn *fn, void *arg,
		       struct pgw_scan_stats *stats)
{
	struct alone alone = { fn, arg };
	unsigned nr_workers = count_workers(workers);
	struct job *job = fn ? job_new(mm, first, last, workers, nr_workers) : NULL;

	if (!job)
		return pgw_scan_blocks(mm, first, last, fn ? alone_extents : NULL, &alone, stats);
	job->any_fn = fn;
	job->arg = arg;
	workers->run(workers->ctx, nr_workers, work_in_no_order, job);
	return job_end(job, nr_workers, stats);
}
