/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks that nobody waits for: the mmap lock and an epoch's readers, beside pthread_rwlock; and all
 * that it takes to look at one kernel page with the lock.
 */
#include <pthread.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"

enum { NR_PAIRS = 4096, NR_LEVELS = 4, NR_ITEMS = 512 };

#define PAGE UINT64_C(4096)
#define VMALLOC_VA UINT64_C(0xffffc90000000000)

struct job {
	struct pgw_mm *mm;
	pthread_rwlock_t rwlock;
	struct pgw_mm *kernel_mm; /* with a page at VMALLOC_VA */
	uint64_t *root;           /* of tables whose items are just pointers */
	void (*seen)(uint64_t item, uint64_t *nr);
	uint64_t nr_seen;
};

static uint64_t rwlock_read(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pthread_rwlock_rdlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t rwlock_write(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pthread_rwlock_wrlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock))
			return 0;
	}
	return NR_PAIRS;
}

/* It cannot be downgraded: a writer may come in between. */
static uint64_t rwlock_write_then_read(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pthread_rwlock_wrlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock) ||
		    pthread_rwlock_rdlock(&job->rwlock) || pthread_rwlock_unlock(&job->rwlock))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t mmap_read(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pgw_mmap_read_lock(job->mm) || pgw_mmap_read_unlock(job->mm))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t mmap_write(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pgw_mmap_write_lock(job->mm) || pgw_mmap_write_unlock(job->mm))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t mmap_downgrade(void *arg)
{
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pgw_mmap_write_lock(job->mm) || pgw_mmap_write_downgrade(job->mm) ||
		    pgw_mmap_read_unlock(job->mm))
			return 0;
	}
	return NR_PAIRS;
}

static uint64_t reader_pair(void *arg)
{
	const struct pgw_platform *platform = pgw_hosted_platform();

	(void)arg;
	for (unsigned i = 0; i < NR_PAIRS; i++) {
		pgw_reader_enter(platform);
		pgw_reader_leave(platform);
	}
	return NR_PAIRS;
}

/* ---- a kernel page ---- */

static int count_leaf(uint64_t *pte, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)va, (void)next;
	*(uint64_t *)walk->arg += pgw_item_load(pte) != 0;
	return 0;
}

static void count_item(uint64_t item, uint64_t *nr)
{
	*nr += item != 0;
}

/* What no walk can do without: four loads, each of which waits for the one before, and a call. One after the other. */
static uint64_t four_loads(void *arg)
{
	struct job *job = arg;
	uint64_t item = 0;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		uint64_t *table = job->root + (item >> 63); /* which is 0 */

		for (unsigned level = NR_LEVELS; level-- > 0;) {
			item = __atomic_load_n(
				&table[VMALLOC_VA >> (12 + 9 * level) & (NR_ITEMS - 1)],
				__ATOMIC_ACQUIRE);
			table = (uint64_t *)(uintptr_t)item; // NOLINT(performance-no-int-to-ptr)
		}
		job->seen(item, &job->nr_seen);
	}
	return NR_PAIRS;
}

static uint64_t walk_one(void *arg)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = count_leaf };
	struct job *job = arg;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		if (pgw_mmap_read_lock(job->kernel_mm) ||
		    pgw_walk_kernel_page_table_range(job->kernel_mm, VMALLOC_VA, VMALLOC_VA + PAGE,
						     &ops, NULL, &job->nr_seen) ||
		    pgw_mmap_read_unlock(job->kernel_mm))
			return 0;
	}
	return NR_PAIRS;
}

static void kernel_init(struct job *job)
{
	static uint64_t tables[NR_LEVELS][NR_ITEMS];
	const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					      .format = pgw_format_by_name("x86_64-la48"),
					      .region = PGW_REGION_KERNEL };
	const struct pgw_map_args map = { .first = VMALLOC_VA,
					  .last = VMALLOC_VA + PAGE - 1,
					  .pa = UINT64_C(1) << 32,
					  .rights = PGW_KERNEL_R,
					  .sizes = PAGE };

	bench_require(!pgw_mm_new(&args, &job->kernel_mm) && !pgw_vmap(job->kernel_mm, &map),
		      "cannot map");
	for (unsigned level = 0; level < NR_LEVELS; level++) {
		for (unsigned i = 0; i < NR_ITEMS; i++)
			tables[level][i] = level ? (uintptr_t)tables[level - 1] : 1;
	}
	job->root = tables[NR_LEVELS - 1];
	job->seen = count_item;
}

int main(int argc, char **argv)
{
	const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					      .format = pgw_format_by_name("x86_64-la48"),
					      .region = PGW_REGION_USER };
	struct job job = { .mm = NULL };
	/* Two plain stores are less than half of what two changes of a shared word cost. */
	double read_goal = pgw_hosted_platform()->cpu_barrier ? 0.6 : 1.0;
	const struct bench_set sets[] = {
		{ .name = "bench_lock_read",
		  .unit = "pair",
		  .nr_cases = 3,
		  .cases = { { "pthread_rwlock", rwlock_read, &job },
			     { "mmap lock", mmap_read, &job },
			     { "reader of an epoch", reader_pair, &job } },
		  .goal = { 0, read_goal } },
		{ .name = "bench_lock_write",
		  .unit = "pair",
		  .nr_cases = 2,
		  .cases = { { "pthread_rwlock", rwlock_write, &job },
			     { "mmap lock", mmap_write, &job } } },
		{ .name = "bench_lock_downgrade",
		  .unit = "time",
		  .nr_cases = 2,
		  .cases = { { "pthread_rwlock, write then read", rwlock_write_then_read, &job },
			     { "mmap lock, downgrade", mmap_downgrade, &job } } },
		{ .name = "bench_lock_walk__x86_64-la48_page",
		  .unit = "walk",
		  .nr_cases = 2,
		  .cases = { { "four loads and a call", four_loads, &job },
			     { "lock, walk, callback, unlock", walk_one, &job } },
		  .goal = { 0, 6 } },
	};
	struct bench bench;

	bench_init(&bench, argc, argv);
	bench_require(!pgw_mm_new(&args, &job.mm) && !pthread_rwlock_init(&job.rwlock, NULL),
		      "cannot make the locks");
	kernel_init(&job);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		bench_run(&bench, &sets[i]);
	pthread_rwlock_destroy(&job.rwlock);
	pgw_mm_free(job.kernel_mm);
	pgw_mm_free(job.mm);
	return bench_done(&bench);
}
