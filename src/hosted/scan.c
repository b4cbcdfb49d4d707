/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/hosted.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The scan is cut into many parts. Each thread takes the next part. If it is the part's turn,
 * because all before are done, its extents are handed on at once; else they are put
 * by, and the thread goes on with another part. A part for which there is no room,
 * or for which the budget may not suffice, is scanned again when its turn has come. So memory is bounded,
 * and the budget ends the scan where it would end it for one thread.
 */

#define MAX_PARTS 16384
#define MIN_PARTS 128 /* of some 32 tables at least: less is done before a thread has started */
#define MAX_THREADS 16
#define MAX_PUT_BY 16384 /* extents */
#define MAX_DONE 64      /* parts that are put by */

/** fn's value for "no room": no other value of ours gets into the scan's result. */
#define NO_ROOM 1

struct job {
	struct pgw_mm *mm;
	pgw_extent_fn *fn;
	void *arg;
	struct pgw_scan_part parts[MAX_PARTS];
	size_t nr_parts;

	pthread_mutex_t guard;
	pthread_cond_t turned;
	size_t next; /* part to be taken; guarded */
	size_t turn; /* part whose extents may be handed on; guarded */
	bool ended;  /* guarded */

	/* Whose turn it is has these. */
	int status;
	uint64_t nr_left; /* table visits of the budget */
	struct pgw_scan_stats stats;
	bool has_pending;
	struct pgw_extent pending; /* the last extent of a part, which the next part may continue */
};

/** A part that was scanned before its turn. */
struct done {
	size_t part;
	size_t first, nr; /* of the extents put by */
	struct pgw_scan_stats stats;
};

struct worker {
	struct job *job;
	size_t nr_done, nr;
	struct done done[MAX_DONE];
	struct pgw_extent extents[MAX_PUT_BY];
};

/* Pre: it is the caller's turn. */
static int job_flush(struct job *job)
{
	const struct pgw_extent *p = &job->pending;
	int status;

	if (!job->has_pending)
		return 0;
	job->has_pending = false;
	if (p->kind == PGW_ENTRY_LEAF)
		job->stats.nr_leaves +=
			(p->va_last >> p->leaf_lg2) - (p->va_first >> p->leaf_lg2) + 1;
	job->stats.nr_unreadable += p->kind == PGW_ENTRY_UNREADABLE;
	status = job->fn(p, job->arg);
	if (status) {
		job->stats.truncated = true;
		job->stats.truncated_va = p->va_last + 1;
	}
	return status;
}

static int job_extent(const struct pgw_extent *extent, void *arg)
{
	struct job *job = arg;
	int status;

	if (job->has_pending && job->pending.va_last + 1 == extent->va_first &&
	    pgw_extent_follows(job->mm, &job->pending, extent)) {
		job->pending.va_last = extent->va_last;
		return 0;
	}
	status = job_flush(job);
	job->pending = *extent;
	job->has_pending = status == 0;
	return status;
}

/* What a part met, but for what job_flush() counts. */
static void job_count(struct job *job, const struct pgw_scan_stats *stats)
{
	job->nr_left -= stats->nr_tables < job->nr_left ? stats->nr_tables : job->nr_left;
	job->stats.nr_tables += stats->nr_tables;
	job->stats.nr_malformed += stats->nr_malformed;
}

static int put_by(const struct pgw_extent *extent, void *arg)
{
	struct worker *worker = arg;

	if (worker->nr == MAX_PUT_BY)
		return NO_ROOM;
	worker->extents[worker->nr++] = *extent;
	return 0;
}

static bool is_turn(struct job *job, size_t part)
{
	bool ret;

	pthread_mutex_lock(&job->guard);
	ret = job->turn == part;
	pthread_mutex_unlock(&job->guard);
	return ret;
}

/* @return false: the scan has ended before */
static bool wait_turn(struct job *job, size_t part)
{
	bool ended;

	pthread_mutex_lock(&job->guard);
	while (job->turn != part && !job->ended)
		pthread_cond_wait(&job->turned, &job->guard);
	ended = job->ended;
	pthread_mutex_unlock(&job->guard);
	return !ended;
}

static void end_turn(struct job *job, int status)
{
	pthread_mutex_lock(&job->guard);
	job->status = status;
	job->ended = status != 0;
	job->turn++;
	pthread_cond_broadcast(&job->turned);
	pthread_mutex_unlock(&job->guard);
}

/* Pre: it is the part's turn. */
static int scan_now(struct job *job, const struct pgw_scan_part *part)
{
	struct pgw_scan_stats stats;
	int status = pgw_scan_part(job->mm, part, job->nr_left, job_extent, job, &stats);

	job_count(job, &stats);
	if (status == -PGW_E2BIG && stats.truncated && !job->stats.truncated) {
		job->stats.truncated = true;
		job->stats.truncated_va = stats.truncated_va;
	}
	return status;
}

/* Pre: it is the part's turn. */
static int hand_on(struct job *job, const struct worker *worker, const struct done *done)
{
	int status = 0;

	if (done->stats.nr_tables > job->nr_left)
		return scan_now(job, &job->parts[done->part]);
	for (size_t i = 0; i < done->nr && !status; i++)
		status = job_extent(&worker->extents[done->first + i], job);
	job_count(job, &done->stats);
	return status;
}

/* Hand on what was put by, as far as it is its turn, or wait for that. @return false: the scan has ended */
static bool hand_on_done(struct job *job, struct worker *worker, bool waits)
{
	size_t i = 0;
	bool goes_on = true;

	for (; i < worker->nr_done && goes_on; i++) {
		const struct done *done = &worker->done[i];
		int status;

		if (!waits && !is_turn(job, done->part))
			break;
		if (!wait_turn(job, done->part))
			return false;
		status = hand_on(job, worker, done);
		end_turn(job, status);
		goes_on = status == 0;
	}
	worker->nr_done -= i;
	memmove(worker->done, worker->done + i, worker->nr_done * sizeof(worker->done[0]));
	if (!worker->nr_done)
		worker->nr = 0;
	return goes_on;
}

/* @return was there room for the part's extents? */
static bool put_part_by(struct job *job, struct worker *worker, size_t part)
{
	struct done done = { .part = part, .first = worker->nr };

	if (worker->nr_done == MAX_DONE ||
	    pgw_scan_part(job->mm, &job->parts[part], UINT64_MAX, put_by, worker, &done.stats)) {
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

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct job *job = worker->job;
	bool goes_on = true;

	while (goes_on) {
		size_t index;

		pthread_mutex_lock(&job->guard);
		goes_on = !job->ended && job->next < job->nr_parts;
		index = job->next;
		job->next += goes_on;
		pthread_mutex_unlock(&job->guard);
		if (goes_on && !work_part(job, worker, index))
			return NULL;
	}
	hand_on_done(job, worker, true);
	return NULL;
}

/* The calling thread works too, so that it suffices if no other one can be started. */
static void job_run(struct job *job, struct worker *workers, unsigned nr_threads)
{
	pthread_t threads[MAX_THREADS];
	unsigned nr = 0;

	for (unsigned i = 0; i < nr_threads; i++) {
		workers[i].job = job;
		workers[i].nr_done = 0;
		workers[i].nr = 0;
	}
	while (nr < nr_threads - 1 && !pthread_create(&threads[nr], NULL, work, &workers[nr + 1]))
		nr++;
	work(&workers[0]);
	while (nr)
		pthread_join(threads[--nr], NULL);
}

static int job_end(struct job *job, struct pgw_scan_stats *stats)
{
	int status = job_flush(job);

	if (!status)
		status = job->status;
	if (stats)
		*stats = job->stats;
	return status;
}

static unsigned count_threads(unsigned wanted)
{
	const char *paths = getenv("PAGEWALK_PATHS");
	long nr = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);

	/* For tests, see docs/testing.md. */
	if (paths && strstr(paths, "threads="))
		nr = strtol(strstr(paths, "threads=") + strlen("threads="), NULL, 10);
	return nr < 1 ? 1 : nr > MAX_THREADS ? MAX_THREADS : (unsigned)nr;
}

int pgw_hosted_scan(struct pgw_mm *mm, uint64_t first, uint64_t last, unsigned nr_threads,
		    pgw_extent_fn *fn, void *arg, struct pgw_scan_stats *stats)
{
	struct worker *workers = NULL;
	struct job *job = NULL;
	int status = -1;

	nr_threads = count_threads(nr_threads);
	if (mm && fn && nr_threads > 1 && pgw_mm_get_kind(mm) == PGW_MM_SNAPSHOT)
		job = calloc(1, sizeof(*job));
	if (job)
		status = pgw_scan_split(mm, first, last, job->parts, MAX_PARTS, &job->nr_parts);
	/* Not zeroed: what is not used takes no memory. */
	if (!status && job->nr_parts >= MIN_PARTS)
		workers = malloc(nr_threads * sizeof(*workers));
	if (!workers) {
		free(job);
		return pgw_scan(mm, first, last, fn, arg, stats);
	}
	job->mm = mm;
	job->fn = fn;
	job->arg = arg;
	job->nr_left = pgw_mm_budget(mm);
	pthread_mutex_init(&job->guard, NULL);
	pthread_cond_init(&job->turned, NULL);
	job_run(job, workers, nr_threads);
	status = job_end(job, stats);
	pthread_cond_destroy(&job->turned);
	pthread_mutex_destroy(&job->guard);
	free(workers);
	free(job);
	return status;
}
