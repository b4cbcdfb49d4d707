/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the rule is worth: threads that walk kernel tables each in a range of its own, with the
 * kernel mm's lock taken for write, as if it were a user's, and for read, which is enough. And
 * how long a reader waits while somebody unmaps, with and without the downgrade.
 *
 * All on the wall, because waiting is what is measured. So what else runs disturbs: threads have a
 * CPU each where there are as many, and runs in which these were given to others are repeated.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"
#include "sharing.h"

enum {
	MAX_THREADS = 8,
	NR_WIDTHS = 4, /* numbers of threads: 1, 2, 4, 8 */
	NR_LIST = 16,  /* huge pages of a thread */
	NR_TAILS = 7,  /* pages of descriptors that a huge page can do without */
	NR_DESC_PAGES = MAX_THREADS * NR_LIST * (NR_TAILS + 1),
	NR_SPARE = 512,  /* more pages, for who needs some before others give them back */
	SPIN_NS = 50000, /* that a thread may look for the lock before it sleeps */
	FLUSH_NS = 2000, /* of the flush that is not free: an interrupt to other CPUs */
	RUN_MS = 10,     /* a run of threads that have a CPU each */
	CROWDED_MS = 40, /* a run of more threads than CPUs */
	MAX_TRIES = 8,
	NR_UNMAPS = 5, /* rounds of the longest wait */
	MAX_PROJECTED = 64,
};

#define PAGE UINT64_C(4096)
#define HUGE_LG2 21
#define LINEAR_VA UINT64_C(0xffff888000000000)
#define VMEMMAP_VA UINT64_C(0xffffea0000000000)
#define VMALLOC_VA UINT64_C(0xffffc90000000000)
#define MEMORY (UINT64_C(1) << 32) /* where the huge pages are */
#define GOAL 1.8                   /* read to write, two threads on two CPUs */
#define MAX_LOST 0.03              /* of a run's time, to other programs */

static double clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* ---- who works ---- */

struct world;

/** One thread's work and what is its own; nobody else's cache lines. */
struct worker {
	_Alignas(128) struct world *world;
	struct pgw_huge_page list[NR_LIST];
	uint64_t walk_va;                   /* 2 MiB of small leaves */
	uint64_t pages[NR_LIST * NR_TAILS]; /* frames that it was given back */
	size_t nr_pages;

	/* Of one run. */
	uint64_t nr_units, nr_flushes;
	double waited_ns, slept_ns, cpu_ns, start, end;

	/* With has_profile: the time that it holds locks, from what the library asks for. */
	bool has_profile;
	bool is_holding;
	double maybe_locked_at, last_asked_at, held_ns;
};

/** The worker that this thread is; in main() none. */
static _Thread_local struct worker *self;

/** A kernel and its lock, for write or for read. */
struct world {
	struct pgw_platform platform; /* its ctx is the world */
	struct pgw_mm *mm;
	struct pgw_kernel *kernel;
	bool writes;
	double flush_ns, spin_ns;
	unsigned char *arena; /* physical memory from 0 on: pages for descriptors */
	uint64_t nr_arena;    /* of its pages, those that were handed out; atomic */
	struct worker workers[MAX_THREADS];
};

/* ---- hooks ---- */

static const struct pgw_platform *hosted;

static void park(void *ctx, const uint32_t *word, uint32_t expected)
{
	const struct world *world = ctx;
	double start = now_ns(), now = start;

	while (now < start + world->spin_ns && __atomic_load_n(word, __ATOMIC_RELAXED) == expected)
		now = now_ns();
	if (__atomic_load_n(word, __ATOMIC_RELAXED) == expected)
		hosted->park(ctx, word, expected);
	if (!self)
		return;
	self->slept_ns += now_ns() - now;
	self->waited_ns += now_ns() - start;
}

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	const struct world *world = ctx;
	double end = world->flush_ns > 0 ? now_ns() + world->flush_ns : 0;

	(void)mm, (void)first, (void)last;
	if (self)
		self->nr_flushes++;
	while (end > 0 && now_ns() < end)
		;
}

/*
 * The library asks who the thread is when it takes a lock and when it releases one. So the
 * last time that it asked before the thread had a lock, and the last while it had,
 * are the beginning and the end of holding it, if nobody waits.
 */
static void note_held(struct worker *worker, bool is_holding)
{
	double now = now_ns();

	if (!is_holding) {
		if (worker->is_holding)
			worker->held_ns += worker->last_asked_at - worker->maybe_locked_at;
		worker->maybe_locked_at = now;
	}
	worker->is_holding = is_holding;
	worker->last_asked_at = now;
}

static struct pgw_thread *current(void *ctx)
{
	struct pgw_thread *thread = hosted->current(ctx);

	if (self && self->has_profile)
		note_held(self, thread->held != 0);
	return thread;
}

/* Each worker keeps the pages that it gets: an allocator that does not contend. */
static int page_alloc(void *ctx, uint8_t size_lg2, uint64_t *ret_pa)
{
	struct world *world = ctx;
	uint64_t nr = (UINT64_C(1) << size_lg2) / PAGE, at;

	if (nr == 1 && self && self->nr_pages) {
		*ret_pa = self->pages[--self->nr_pages];
		return 0;
	}
	at = __atomic_fetch_add(&world->nr_arena, nr, __ATOMIC_RELAXED);
	if (at + nr > NR_DESC_PAGES + NR_SPARE)
		return -PGW_ENOMEM;
	*ret_pa = at * PAGE;
	return at % nr ? -PGW_ENOMEM : 0;
}

static void page_free(void *ctx, uint64_t pa)
{
	(void)ctx;
	if (self && self->nr_pages < NR_LIST * NR_TAILS)
		self->pages[self->nr_pages++] = pa;
}

static void *page_access(void *ctx, uint64_t pa)
{
	const struct world *world = ctx;

	return world->arena + pa;
}

static const struct pgw_kernel_ops kernel_ops = { .page_alloc = page_alloc,
						  .page_free = page_free,
						  .page_access = page_access };

/* ---- worlds ---- */

static void worker_init(struct world *world, unsigned slot)
{
	struct worker *worker = &world->workers[slot];
	struct pgw_map_args map = { .pa = MEMORY, .rights = PGW_KERNEL_R, .sizes = PAGE };

	worker->world = world;
	for (unsigned i = 0; i < NR_LIST; i++) {
		worker->list[i].pa = MEMORY + ((uint64_t)(slot * NR_LIST + i) << HUGE_LG2);
		worker->list[i].size_lg2 = HUGE_LG2;
	}
	worker->walk_va = VMALLOC_VA + ((uint64_t)slot << HUGE_LG2);
	map.first = worker->walk_va;
	map.last = map.first + ((UINT64_C(1) << HUGE_LG2) - 1);
	bench_require(!pgw_vmap(world->mm, &map), "cannot map");
}

static void world_init(struct world *world, bool writes)
{
	struct pgw_mm_new_args mm_args = { .platform = &world->platform,
					   .format = pgw_format_by_name("x86_64-la48"),
					   .region = PGW_REGION_KERNEL };
	struct pgw_kernel_args args = { .ops = &kernel_ops,
					.ctx = world,
					.linear_va = LINEAR_VA,
					.vmemmap_va = VMEMMAP_VA,
					.desc_lg2 = 6,
					.linear_rights = PGW_KERNEL_R | PGW_KERNEL_W,
					.desc_rights = PGW_KERNEL_R | PGW_KERNEL_W,
					.shared_rights = PGW_KERNEL_R,
					.write_lock = writes };
	uint64_t last = MEMORY + ((uint64_t)(MAX_THREADS * NR_LIST) << HUGE_LG2) - 1;
	size_t size = (NR_DESC_PAGES + NR_SPARE) * PAGE;

	world->writes = writes;
	world->platform = *hosted;
	world->platform.ctx = world;
	world->platform.park = park;
	world->platform.tlb_flush = tlb_flush;
	world->platform.current = current;
	world->arena = malloc(size);
	bench_require(world->arena && !pgw_mm_new(&mm_args, &world->mm), "not enough memory");
	memset(world->arena, 0x5a, size);
	args.kernel_mm = world->mm;
	bench_require(!pgw_kernel_new(&args, &world->kernel) &&
			      !pgw_kernel_hot_add(world->kernel, MEMORY, last, 0),
		      "cannot add memory");
	for (unsigned i = 0; i < MAX_THREADS; i++)
		worker_init(world, i);
}

static void world_fini(struct world *world)
{
	uint64_t last = MEMORY + ((uint64_t)(MAX_THREADS * NR_LIST) << HUGE_LG2) - 1;

	bench_require(!pgw_kernel_hot_remove(world->kernel, MEMORY, last), "cannot remove memory");
	pgw_kernel_free(world->kernel);
	pgw_mm_free(world->mm);
	free(world->arena);
}

/* ---- work; each returns its units ---- */

typedef uint64_t work_fn(struct worker *worker);

static uint64_t work_hvo(struct worker *worker)
{
	struct pgw_kernel *kernel = worker->world->kernel;

	bench_require(!pgw_hvo_optimise(kernel, worker->list, NR_LIST, NULL), "cannot optimise");
	bench_require(!pgw_hvo_restore(kernel, worker->list, NR_LIST, NULL), "cannot restore");
	return NR_LIST;
}

static int count_leaf(uint64_t *pte, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)va, (void)next;
	*(uint64_t *)walk->arg += pgw_item_load(pte) != 0;
	return 0;
}

/* Which lock it is depends: the analysis of locks looks away. */
PGW_NO_THREAD_SAFETY_ANALYSIS static uint64_t work_walk(struct worker *worker)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = count_leaf };
	struct pgw_mm *mm = worker->world->mm;
	uint64_t nr = 0;
	int err;

	if (worker->world->writes)
		pgw_mmap_write_lock(mm);
	else
		pgw_mmap_read_lock(mm);
	err = pgw_walk_kernel_page_table_range(
		mm, worker->walk_va, worker->walk_va + (UINT64_C(1) << HUGE_LG2), &ops, NULL, &nr);
	if (worker->world->writes)
		pgw_mmap_write_unlock(mm);
	else
		pgw_mmap_read_unlock(mm);
	bench_require(!err && nr == 512, "a walk went wrong");
	return 1;
}

/* ---- runs ---- */

/** Threads that do the same for some time. */
struct run {
	work_fn *work;
	unsigned nr_threads;
	bool is_smoke;
	bool has_profile;
	bool is_over; /* atomic */
	pthread_barrier_t start;
};

/** What a run showed. */
struct outcome {
	double rate;    /* units a second, all threads together */
	double waited;  /* the share of the threads' time that they slept for locks */
	double flushes; /* for a unit */
	double lost;    /* the share of the threads' time that they neither ran nor slept */
	double held_ns, whole_ns; /* of a round of work; held_ns with has_profile only */
};

struct thread_arg {
	struct run *run;
	struct worker *worker;
};

static void *thread_main(void *arg)
{
	const struct thread_arg *its = arg;
	struct worker *worker = its->worker;
	double cpu_start;

	self = worker;
	worker->nr_units = worker->nr_flushes = 0;
	worker->waited_ns = worker->slept_ns = worker->held_ns = 0;
	worker->is_holding = false;
	worker->has_profile = its->run->has_profile;
	pthread_barrier_wait(&its->run->start);
	worker->start = now_ns();
	cpu_start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	do
		worker->nr_units += its->run->work(worker);
	while (!__atomic_load_n(&its->run->is_over, __ATOMIC_RELAXED));
	worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
	worker->end = now_ns();
	worker->has_profile = false;
	return NULL;
}

/** The CPUs that the program may use. */
static struct {
	cpu_set_t cpus;
	unsigned nr;
} machine;

/* The CPU of a thread by its number. */
static void place(pthread_t thread, unsigned i)
{
	cpu_set_t one;
	size_t cpu = 0;

	for (i %= machine.nr; !CPU_ISSET(cpu, &machine.cpus) || i--; cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(thread, sizeof(one), &one);
}

static struct outcome sum_up(const struct world *world, unsigned nr_threads)
{
	struct outcome ret = { .rate = 0 };
	double waited_ns = 0, used_ns = 0, first = world->workers[0].start, last = 0;
	uint64_t nr_units = 0, nr_flushes = 0;

	for (unsigned i = 0; i < nr_threads; i++) {
		const struct worker *worker = &world->workers[i];

		first = worker->start < first ? worker->start : first;
		last = worker->end > last ? worker->end : last;
		ret.whole_ns += worker->end - worker->start;
		ret.held_ns += worker->held_ns;
		waited_ns += worker->waited_ns;
		used_ns += worker->cpu_ns + worker->slept_ns;
		nr_units += worker->nr_units;
		nr_flushes += worker->nr_flushes;
	}
	ret.rate = (double)nr_units / (last - first) * 1e9;
	ret.waited = waited_ns / ret.whole_ns;
	ret.lost = used_ns < ret.whole_ns ? 1 - used_ns / ret.whole_ns : 0;
	ret.flushes = (double)nr_flushes / (double)nr_units;
	ret.held_ns /= (double)nr_units;
	ret.whole_ns /= (double)nr_units;
	return ret;
}

static struct outcome try_run(struct world *world, struct run *run)
{
	double ms = run->is_smoke ? 1 : run->nr_threads <= machine.nr ? RUN_MS : CROWDED_MS;
	struct timespec time = { .tv_nsec = (long)(ms * 1e6) };
	struct thread_arg args[MAX_THREADS];
	pthread_t threads[MAX_THREADS];

	run->is_over = false;
	bench_require(!pthread_barrier_init(&run->start, NULL, run->nr_threads + 1), "a barrier");
	for (unsigned i = 0; i < run->nr_threads; i++) {
		args[i] = (struct thread_arg){ run, &world->workers[i] };
		bench_require(!pthread_create(&threads[i], NULL, thread_main, &args[i]),
			      "a thread");
		place(threads[i], i);
	}
	pthread_barrier_wait(&run->start);
	nanosleep(&time, NULL);
	__atomic_store_n(&run->is_over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < run->nr_threads; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&run->start);
	return sum_up(world, run->nr_threads);
}

/* Threads that are more than the CPUs wait for these in any case: that cannot be told apart. */
static struct outcome run_world(struct world *world, struct run *run)
{
	struct outcome best = try_run(world, run);

	for (unsigned i = 1; i < MAX_TRIES && !run->is_smoke; i++) {
		struct outcome other;

		if (run->nr_threads > machine.nr || best.lost <= MAX_LOST)
			break;
		other = try_run(world, run);
		if (other.lost < best.lost)
			best = other;
	}
	return best;
}

/* ---- the rule: write lock and read lock ---- */

struct contention {
	const char *name;
	const char *unit;
	work_fn *work;
	double flush_ns, spin_ns;
	double goal; /* of two threads; 0: none */
};

/** By whether the lock is taken for read, by the number of threads, by round. */
static struct outcome outcomes[2][NR_WIDTHS][BENCH_MAX_ROUNDS];

enum outcome_field { RATE, WAITED, FLUSHES, LOST };

/** A figure's median over the rounds, and how far the rounds are from it. */
struct figure {
	double median, away, least, most;
};

static struct figure figure_of(double *values, unsigned nr)
{
	struct figure figure = { .median = bench_median(values, nr) };

	figure.least = values[0];
	figure.most = values[nr - 1];
	figure.away = bench_deviation(values, nr, figure.median);
	return figure;
}

static struct figure outcome_figure(const struct outcome *of, unsigned nr, enum outcome_field field)
{
	double values[BENCH_MAX_ROUNDS];

	for (unsigned i = 0; i < nr; i++)
		values[i] = field == RATE      ? of[i].rate
			    : field == WAITED  ? of[i].waited
			    : field == FLUSHES ? of[i].flushes
					       : of[i].lost;
	return figure_of(values, nr);
}

/* What readers do in a round, beside writers of another number. */
static struct figure ratio_figure(unsigned width, unsigned width_of_writers, unsigned nr)
{
	double values[BENCH_MAX_ROUNDS];

	for (unsigned i = 0; i < nr; i++)
		values[i] =
			outcomes[true][width][i].rate / outcomes[false][width_of_writers][i].rate;
	return figure_of(values, nr);
}

static void print_json(const struct bench *bench, const struct contention *c, unsigned width,
		       bool reads, double ratio, double ratio_to_one)
{
	const struct outcome *of = outcomes[reads][width];
	struct figure rate = outcome_figure(of, bench->nr_rounds, RATE);

	printf("{\"bench\":\"%s\",\"case\":\"%s, %u threads\",\"unit\":\"%s\",\"clock\":\"wall\","
	       "\"lock\":\"%s\",\"threads\":%u,\"rate\":%.0f,\"mad\":%.0f,\"min\":%.0f,"
	       "\"max\":%.0f,\"ns\":%.2f,\"waited\":%.4f,\"flushes\":%.4f,\"lost\":%.4f,\"ratio\":%"
	       ".4f,\"ratio_to_one\":%"
	       ".4f,"
	       "\"goal\":%.2f}\n",
	       c->name, reads ? "read" : "write", 1U << width, c->unit, reads ? "read" : "write",
	       1U << width, rate.median, rate.away, rate.least, rate.most, 1e9 / rate.median,
	       outcome_figure(of, bench->nr_rounds, WAITED).median,
	       outcome_figure(of, bench->nr_rounds, FLUSHES).median,
	       outcome_figure(of, bench->nr_rounds, LOST).median, ratio, ratio_to_one,
	       reads && width == 1 ? c->goal : 0);
}

static void print_width(const struct bench *bench, const struct contention *c, unsigned width)
{
	struct figure ratio = ratio_figure(width, width, bench->nr_rounds);
	struct figure to_one = ratio_figure(width, 0, bench->nr_rounds);

	if (bench->is_json) {
		print_json(bench, c, width, false, 1, 1);
		print_json(bench, c, width, true, ratio.median, to_one.median);
		return;
	}
	printf("  %7u", 1U << width);
	for (int reads = 0; reads < 2; reads++) {
		const struct outcome *of = outcomes[reads][width];
		struct figure rate = outcome_figure(of, bench->nr_rounds, RATE);

		printf("  %9.0f +- %2.0f%% %5.1f%% %7.3f", rate.median,
		       100 * rate.away / rate.median,
		       100 * outcome_figure(of, bench->nr_rounds, WAITED).median,
		       outcome_figure(of, bench->nr_rounds, FLUSHES).median);
	}
	printf("  x %.2f +- %.2f (%.2f to %.2f), x %.2f of one writer", ratio.median, ratio.away,
	       ratio.least, ratio.most, to_one.median);
	if (width == 1)
		bench_print_goal(bench, ratio.median, c->goal, true);
	printf("\n");
}

/* ---- the projection: see docs/performance.md, "Contention" ---- */

/*
 * Rounds of work a ns of n threads that think and then hold a lock one at a time, served in
 * turn: a closed network of one queue, by mean value analysis.
 */
static double exclusive_rate(double held, double think, unsigned n)
{
	double queue = 0, rate = 0;

	for (unsigned i = 1; i <= n; i++) {
		double response = held * (1 + queue);

		rate = i / (think + response);
		queue = rate * response;
	}
	return rate;
}

/*
 * What n threads do beside one, when two did speedup times as much: Amdahl's law, with
 * everything that was lost at two taken for serial, whatever it was.
 */
static double shared_speedup(double speedup, unsigned n)
{
	double serial = speedup < 2 ? 2 / speedup - 1 : 0;

	return n / (1 + serial * (n - 1));
}

static void print_projection(const struct bench *bench, const struct contention *c, double *held,
			     double *whole)
{
	double hold = bench_median(held, bench->nr_rounds);
	double cycle = bench_median(whole, bench->nr_rounds);
	double speedups[BENCH_MAX_ROUNDS], speedup;

	for (unsigned i = 0; i < bench->nr_rounds; i++)
		speedups[i] = outcomes[true][1][i].rate / outcomes[true][0][i].rate;
	speedup = bench_median(speedups, bench->nr_rounds);
	if (!bench->is_json)
		printf("  projection, no measurement: held %.2f us of %.2f us (%.1f%%), two "
		       "readers "
		       "do %.2f times as much as one\n",
		       hold / 1e3, cycle / 1e3, 100 * hold / cycle, speedup);
	for (unsigned n = 2; n <= MAX_PROJECTED; n *= 2) {
		double write = exclusive_rate(hold, cycle - hold, n) * cycle;
		double read = shared_speedup(speedup, n);

		if (bench->is_json)
			printf("{\"bench\":\"%s\",\"projected_cpus\":%u,\"hold_ns\":%.1f,"
			       "\"cycle_ns\":%.1f,\"read_speedup_2\":%.4f,\"write\":%.4f,"
			       "\"read\":%.4f,\"read_ideal\":%u}\n",
			       c->name, n, hold, cycle, speedup, write, read, n);
		else
			printf("  %4u CPUs: write x %.2f, read x %.2f to %u of one thread; "
			       "read/write %.1f to %.1f\n",
			       n, write, read, n, read / write, n / write);
	}
}

static void measure_contention(const struct bench *bench, struct world *worlds[2],
			       const struct contention *c)
{
	double held[BENCH_MAX_ROUNDS], whole[BENCH_MAX_ROUNDS];
	struct run run = { .work = c->work, .is_smoke = bench->is_smoke };

	worlds[0]->flush_ns = worlds[1]->flush_ns = c->flush_ns;
	worlds[0]->spin_ns = worlds[1]->spin_ns = c->spin_ns;
	for (unsigned round = 0; round < bench->nr_rounds; round++) {
		struct outcome profile;

		for (unsigned width = 0; width < NR_WIDTHS; width++) {
			run.nr_threads = 1U << width;
			/* Now the one first, now the other. */
			for (unsigned i = 0; i < 2; i++) {
				unsigned reads = (i + round) % 2;

				outcomes[reads][width][round] = run_world(worlds[reads], &run);
			}
		}
		run.nr_threads = 1;
		run.has_profile = true;
		profile = run_world(worlds[0], &run);
		run.has_profile = false;
		held[round] = profile.held_ns;
		whole[round] = profile.whole_ns;
	}
	if (!bench->is_json)
		printf("%s (%ss a second; waited: of the threads' time; flushes: for each; x: "
		       "read/write)\n"
		       "  threads          write        waited flushes           read        "
		       "waited "
		       "flushes\n",
		       c->name, c->unit);
	for (unsigned width = 0; width < NR_WIDTHS; width++)
		print_width(bench, c, width);
	if (!bench->is_json)
		printf("  lost to other programs, one and two threads: %.1f%%, %.1f%%\n",
		       100 * outcome_figure(outcomes[true][0], bench->nr_rounds, LOST).median,
		       100 * outcome_figure(outcomes[true][1], bench->nr_rounds, LOST).median);
	print_projection(bench, c, held, whole);
	fflush(stdout);
}

/* ---- the downgrade: the longest wait of a reader ---- */

#define USER_VA (UINT64_C(1) << 32)

struct unmap {
	struct pgw_mm *mm;
	uint64_t size;
	bool is_over;      /* atomic */
	uint64_t nr_reads; /* atomic */
	bool has_parked;   /* the reader, for the lock */
	double waited_ns;  /* the reader's longest wait */
};

/** What the reader waits for; in other threads NULL. */
static _Thread_local struct unmap *reads;

static void reader_park(void *ctx, const uint32_t *word, uint32_t expected)
{
	if (reads)
		reads->has_parked = true;
	hosted->park(ctx, word, expected);
}

/* How often this thread lost its CPU to another. */
static long nr_preempted(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

/* Who had to wait has parked; else it was another program that made it look so. */
static void *reader(void *arg)
{
	struct unmap *unmap = arg;
	long before = nr_preempted();

	reads = unmap;
	while (!__atomic_load_n(&unmap->is_over, __ATOMIC_RELAXED)) {
		double start = now_ns(), waited;

		unmap->has_parked = false;
		bench_require(!pgw_mmap_read_lock(unmap->mm), "the lock");
		waited = now_ns() - start;
		if (waited > unmap->waited_ns) {
			long now = nr_preempted();

			if (unmap->has_parked || now == before)
				unmap->waited_ns = waited;
			before = now;
		}
		bench_require(!pgw_mmap_read_unlock(unmap->mm), "the lock");
		__atomic_fetch_add(&unmap->nr_reads, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void fill(struct unmap *unmap)
{
	const struct pgw_mmap_args args = { .start = USER_VA,
					    .end = USER_VA + unmap->size,
					    .flags =
						    PGW_VMA_READ | PGW_VMA_WRITE | PGW_VMA_PFNMAP };
	const struct pgw_map_args map = { .first = args.start,
					  .last = args.end - 1,
					  .rights = PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R |
						    PGW_USER_W,
					  .sizes = PAGE };

	bench_require(!pgw_mm_mmap(unmap->mm, &args), "mmap");
	bench_require(!pgw_mmap_write_lock(unmap->mm), "the lock");
	bench_require(!pgw_mm_map(unmap->mm, &map), "cannot map");
	bench_require(!pgw_mmap_write_unlock(unmap->mm), "the lock");
}

enum unmap_how { UNMAP_HELD, UNMAP_DOWNGRADED, UNMAP_NOTHING, NR_UNMAP_HOWS };

static void unmap_all(struct unmap *unmap, enum unmap_how how, double idle_ns)
{
	uint64_t end = USER_VA + unmap->size;
	const struct timespec idle = { .tv_nsec = (long)idle_ns };

	if (how == UNMAP_NOTHING) {
		nanosleep(&idle, NULL);
	} else if (how == UNMAP_DOWNGRADED) {
		bench_require(!pgw_mm_munmap(unmap->mm, USER_VA, end), "munmap");
	} else {
		bench_require(!pgw_mmap_write_lock(unmap->mm), "the lock");
		bench_require(!pgw_mm_munmap_locked(unmap->mm, USER_VA, end), "munmap");
		bench_require(!pgw_mmap_write_unlock(unmap->mm), "the lock");
	}
}

/* @return the time that it took; *ret_waited the reader's longest wait meanwhile */
static double unmap_once(struct unmap *unmap, enum unmap_how how, double idle_ns,
			 double *ret_waited)
{
	pthread_t thread;
	double start;

	if (how != UNMAP_NOTHING)
		fill(unmap);
	unmap->is_over = false;
	unmap->nr_reads = 0;
	unmap->waited_ns = 0;
	bench_require(!pthread_create(&thread, NULL, reader, unmap), "a thread");
	place(thread, 1);
	while (__atomic_load_n(&unmap->nr_reads, __ATOMIC_RELAXED) < 1000)
		sched_yield();
	start = now_ns();
	unmap_all(unmap, how, idle_ns);
	start = now_ns() - start;
	__atomic_store_n(&unmap->is_over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	*ret_waited = unmap->waited_ns;
	pgw_reclaim_barrier(hosted);
	return start;
}

static void print_unmap(const struct bench *bench, const char *what, const struct figure *call,
			const struct figure *waited)
{
	static const char set[] = "bench_contention_reader__x86_64-la48_64GiB";

	if (bench->is_json)
		printf("{\"bench\":\"%s\",\"case\":\"%s\",\"clock\":\"wall\",\"call_ns\":%.0f,"
		       "\"ns\":%.0f,\"min\":%.0f,\"max\":%.0f}\n",
		       set, what, call->median, waited->median, waited->least, waited->most);
	else
		printf("  %-34s %8.1f ms  longest wait %10.1f us (%.1f to %.1f)\n", what,
		       call->median / 1e6, waited->median / 1e3, waited->least / 1e3,
		       waited->most / 1e3);
}

static void measure_unmap(const struct bench *bench)
{
	static const char *const name[] = { "munmap, held for write", "munmap, downgraded",
					    "nobody unmaps for as long" };
	double call[NR_UNMAP_HOWS][NR_UNMAPS], waited[NR_UNMAP_HOWS][NR_UNMAPS];
	unsigned nr = bench->nr_rounds < NR_UNMAPS ? bench->nr_rounds : NR_UNMAPS;
	struct pgw_platform platform = *hosted;
	const struct pgw_mm_new_args args = { .platform = &platform,
					      .format = pgw_format_by_name("x86_64-la48"),
					      .region = PGW_REGION_USER };
	struct unmap unmap = { .size = UINT64_C(1) << (bench->is_smoke ? 26 : 36) };

	platform.park = reader_park;
	bench_require(!pgw_mm_new(&args, &unmap.mm), "an mm");
	for (unsigned round = 0; round < nr; round++) {
		for (unsigned how = 0; how < NR_UNMAP_HOWS; how++)
			call[how][round] = unmap_once(&unmap, (enum unmap_how)how, call[0][round],
						      &waited[how][round]);
	}
	pgw_mm_free(unmap.mm);
	if (!bench->is_json)
		printf("bench_contention_reader__x86_64-la48_64GiB (%llu pages; a reader that "
		       "locks "
		       "and unlocks all the time)\n",
		       (unsigned long long)(unmap.size / PAGE));
	for (unsigned how = 0; how < NR_UNMAP_HOWS; how++) {
		struct figure whole = figure_of(call[how], nr);
		struct figure longest = figure_of(waited[how], nr);

		print_unmap(bench, name[how], &whole, &longest);
	}
}

int main(int argc, char **argv)
{
	static struct world write_world, read_world;
	struct world *worlds[2] = { &write_world, &read_world };
	static const struct contention sets[] = {
		{ "bench_contention_hvo__x86_64-la48_sleep", "huge page", work_hvo, 0, 0, GOAL },
		{ "bench_contention_hvo__x86_64-la48_spin", "huge page", work_hvo, 0, SPIN_NS,
		  GOAL },
		{ "bench_contention_hvo__x86_64-la48_sleep-flush2us", "huge page", work_hvo,
		  FLUSH_NS, 0, GOAL },
		{ "bench_contention_walk__x86_64-la48_sleep", "walk", work_walk, 0, 0, 0 },
		{ "bench_contention_walk__x86_64-la48_spin", "walk", work_walk, 0, SPIN_NS, 0 },
	};
	struct bench bench;

	bench_require(!sched_getaffinity(0, sizeof(machine.cpus), &machine.cpus), "the CPUs");
	machine.nr = (unsigned)CPU_COUNT(&machine.cpus);
	bench_init(&bench, argc, argv);
	place(pthread_self(), 0);
	hosted = pgw_hosted_platform();
	world_init(&write_world, true);
	world_init(&read_world, false);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		measure_contention(&bench, worlds, &sets[i]);
	world_fini(&write_world);
	world_fini(&read_world);
	measure_unmap(&bench);
	measure_sharing(&bench, place);
	return bench_done(&bench);
}
