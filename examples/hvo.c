/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * hvo [FORMAT]: vmemmap optimisation. Every page frame has a descriptor; those of a huge
 * page fill eight pages, seven of which hold the same. Threads map these seven to one
 * page that all share, each for huge pages of its own, and later take that back.
 *
 * The machine is made up: its page tables and the pages that hold its descriptors are this
 * program's, its memory itself is not there.
 */

#include <pagewalk/pagewalk.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NR_HUGE = 192,     /* huge pages of memory */
	NR_OPTIMISED = 96, /* of which the first are optimised */
	NR_THREADS = 4,
	NR_DESC_PAGES = 8, /* that hold the descriptors of a huge page */
	NR_POOL = 2048,    /* pages for descriptors, from physical address 0 on */
	NR_SHOWN = 5,      /* ranges of a dump */
};

/* ---- pages for descriptors ---- */

struct pool {
	pthread_mutex_t lock;
	unsigned granule_lg2;
	unsigned char *memory;
	bool is_used[NR_POOL];
	size_t nr_used;
};

static int pool_alloc(void *ctx, uint8_t size_lg2, uint64_t *ret_pa)
{
	struct pool *pool = ctx;
	size_t nr = (size_t)1 << (size_lg2 - pool->granule_lg2), at, i = 0;

	pthread_mutex_lock(&pool->lock);
	for (at = 0; at + nr <= NR_POOL; at += nr) {
		for (i = 0; i < nr && !pool->is_used[at + i]; i++)
			;
		if (i == nr)
			break;
	}
	if (at + nr <= NR_POOL) {
		memset(pool->is_used + at, true, nr);
		pool->nr_used += nr;
		*ret_pa = (uint64_t)at << pool->granule_lg2;
	}
	pthread_mutex_unlock(&pool->lock);
	return at + nr <= NR_POOL ? 0 : -PGW_ENOMEM;
}

static void pool_free(void *ctx, uint64_t pa)
{
	struct pool *pool = ctx;

	pthread_mutex_lock(&pool->lock);
	pool->is_used[pa >> pool->granule_lg2] = false;
	pool->nr_used--;
	pthread_mutex_unlock(&pool->lock);
}

static void *pool_access(void *ctx, uint64_t pa)
{
	const struct pool *pool = ctx;

	return pool->memory + pa;
}

static const struct pgw_kernel_ops pool_ops = {
	.page_alloc = pool_alloc,
	.page_free = pool_free,
	.page_access = pool_access,
};

/* ---- the machine ---- */

struct machine {
	struct pool pool;
	struct pgw_mm *mm;
	struct pgw_kernel *kernel;
	unsigned huge_lg2;
	uint64_t pa_first, pa_last; /* its memory */
	uint64_t desc_va;           /* where the descriptors of that are */
	size_t page_size, desc_size;
};

static void require(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "hvo: %s: %s\n", what, pgw_status_text(err));
	exit(1);
}

static void machine_init(struct machine *m, const struct pgw_format *format)
{
	unsigned granule_lg2 = pgw_format_geometry(format)->granule_lg2;
	const struct pgw_mm_new_args mm_args = { .platform = pgw_hosted_platform(),
						 .format = format,
						 .region = PGW_REGION_KERNEL };
	struct pgw_kernel_args args = { .ops = &pool_ops,
					.ctx = &m->pool,
					.desc_lg2 = 6,
					.linear_rights = PGW_KERNEL_R | PGW_KERNEL_W,
					.desc_rights = PGW_KERNEL_R | PGW_KERNEL_W,
					.shared_rights = PGW_KERNEL_R };
	uint64_t half_last;

	m->page_size = (size_t)1 << granule_lg2;
	m->desc_size = NR_HUGE * NR_DESC_PAGES * m->page_size;
	m->huge_lg2 = 2 * granule_lg2 - 3;
	m->pa_first = UINT64_C(256) << m->huge_lg2;
	m->pa_last = m->pa_first + ((uint64_t)NR_HUGE << m->huge_lg2) - 1;
	m->pool.granule_lg2 = granule_lg2;
	m->pool.memory = calloc(NR_POOL, m->page_size);
	require(pthread_mutex_init(&m->pool.lock, NULL) || !m->pool.memory ? -PGW_ENOMEM : 0,
		"pages for descriptors");
	require(pgw_mm_new(&mm_args, &m->mm), "kernel mm");

	args.kernel_mm = m->mm;
	pgw_format_region_range(format, PGW_REGION_KERNEL, &args.linear_va, &half_last);
	args.vmemmap_va = args.linear_va + (half_last - args.linear_va) / 2 + 1;
	m->desc_va = args.vmemmap_va + (m->pa_first >> granule_lg2 << args.desc_lg2);
	require(pgw_kernel_new(&args, &m->kernel), "kernel");
	require(pgw_kernel_hot_add(m->kernel, m->pa_first, m->pa_last, 0), "memory");
}

static void machine_fini(struct machine *m)
{
	require(pgw_kernel_hot_remove(m->kernel, m->pa_first, m->pa_last), "removing memory");
	pgw_kernel_free(m->kernel);
	pgw_mm_free(m->mm);
	printf("memory removed: %zu pages left in use\n", m->pool.nr_used);
	free(m->pool.memory);
	pthread_mutex_destroy(&m->pool.lock);
}

/* A page of descriptors, as the tables say. */
static unsigned char *desc_page(struct machine *m, size_t i)
{
	struct pgw_translation t;

	pgw_mmap_read_lock(m->mm);
	require(pgw_translate(m->mm, m->desc_va + i * m->page_size, &t), "translating");
	pgw_mmap_read_unlock(m->mm);
	require(t.kind == PGW_ENTRY_LEAF ? 0 : -PGW_ENOENT, "descriptors");
	return pool_access(&m->pool, t.pa);
}

/* The first page of a huge page's descriptors is its own; the others are all alike. */
static void fill_descs(struct machine *m, unsigned char *copy)
{
	for (size_t i = 0; i < NR_HUGE * NR_DESC_PAGES; i++) {
		unsigned char *page = desc_page(m, i);

		for (size_t j = 0; j < m->page_size; j++)
			page[j] = (unsigned char)(i % NR_DESC_PAGES ? j / 3 : j + i);
		memcpy(copy + i * m->page_size, page, m->page_size);
	}
}

static bool has_same_descs(struct machine *m, const unsigned char *copy)
{
	size_t i = 0;

	while (i < NR_HUGE * NR_DESC_PAGES &&
	       memcmp(copy + i * m->page_size, desc_page(m, i), m->page_size) == 0)
		i++;
	return i == NR_HUGE * NR_DESC_PAGES;
}

/* ---- what the tables look like ---- */

/** Ranges that are mapped alike, wherever to. */
struct ranges {
	struct {
		uint64_t first, last;
		uint8_t leaf_lg2, rights;
	} of[NR_HUGE * NR_DESC_PAGES];
	size_t nr;
};

/** A dump of the kernel mm. */
struct dump {
	struct ranges leaves; /* of equal rights and size */
	struct ranges areas;  /* of equal rights; leaf_lg2 is 0 */
};

static int join(struct ranges *ranges, const struct pgw_extent *extent, uint8_t leaf_lg2)
{
	size_t n = ranges->nr;

	if (n && ranges->of[n - 1].last + 1 == extent->va_first &&
	    ranges->of[n - 1].rights == extent->rights && ranges->of[n - 1].leaf_lg2 == leaf_lg2) {
		ranges->of[n - 1].last = extent->va_last;
		return 0;
	}
	if (n == sizeof(ranges->of) / sizeof(ranges->of[0]))
		return -PGW_E2BIG;
	ranges->of[n].first = extent->va_first;
	ranges->of[n].last = extent->va_last;
	ranges->of[n].leaf_lg2 = leaf_lg2;
	ranges->of[n].rights = extent->rights;
	ranges->nr++;
	return 0;
}

static int add_range(const struct pgw_extent *extent, void *arg)
{
	struct dump *dump = arg;
	int err = join(&dump->leaves, extent, extent->leaf_lg2);

	return err ? err : join(&dump->areas, extent, 0);
}

static void print_ranges(const struct ranges *ranges)
{
	for (size_t i = 0; i < ranges->nr && i < NR_SHOWN; i++) {
		unsigned long long first = ranges->of[i].first, last = ranges->of[i].last;

		printf("  %#llx-%#llx %8lluK in leaves of %lluK  r%c\n", first, last,
		       (last - first + 1) >> 10, 1ULL << ranges->of[i].leaf_lg2 >> 10,
		       ranges->of[i].rights & PGW_KERNEL_W ? 'w' : '-');
	}
	if (ranges->nr > NR_SHOWN)
		printf("  ... and %zu more\n", ranges->nr - NR_SHOWN);
}

static void dump_tables(struct machine *m, const char *when, struct dump *dump)
{
	struct pgw_dump_summary summary = { .nr_ranges = 0 };
	struct pgw_dump_args args = {
		.mm = m->mm, .merge = PGW_DUMP_RANGES, .fn = add_range, .arg = dump
	};

	pgw_format_region_range(pgw_mm_format(m->mm), PGW_REGION_KERNEL, &args.first, &args.last);
	memset(dump, 0, sizeof(*dump));
	printf("%s:\n", when);
	pgw_hotplug_read_lock(m->mm); /* all ranges, whoever owns them: none may go, */
	pgw_mmap_write_lock(m->mm);   /* and no table be freed by promotion */
	require(pgw_dump(&args, &summary), "dump");
	pgw_mmap_write_unlock(m->mm);
	pgw_hotplug_read_unlock(m->mm);
	print_ranges(&dump->leaves);
	printf("  %llu leaves in %llu tables; %zu pages hold descriptors\n",
	       (unsigned long long)summary.nr_leaves, (unsigned long long)summary.scan.nr_tables,
	       m->pool.nr_used);
}

/* ---- threads ---- */

typedef int job_fn(struct pgw_kernel *, struct pgw_huge_page *, size_t, struct pgw_hvo_stats *);

struct job {
	struct pgw_kernel *kernel;
	job_fn *fn;
	struct pgw_huge_page pages[NR_OPTIMISED / NR_THREADS]; /* every fourth one */
	struct pgw_hvo_stats stats;
	int err;
};

static void *run_job(void *arg)
{
	struct job *job = arg;

	job->err = job->fn(job->kernel, job->pages, NR_OPTIMISED / NR_THREADS, &job->stats);
	return NULL;
}

/* All threads at once, each with its own list. */
static struct pgw_hvo_stats run(struct job *jobs, job_fn *fn, const char *what)
{
	struct pgw_hvo_stats sum = { .nr_flushes = 0 };
	pthread_t threads[NR_THREADS];

	for (size_t i = 0; i < NR_THREADS; i++) {
		jobs[i].fn = fn;
		require(pthread_create(&threads[i], NULL, run_job, &jobs[i]) ? -PGW_ENOMEM : 0,
			"thread");
	}
	for (size_t i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], NULL);
		require(jobs[i].err, what);
		sum.nr_pages_freed += jobs[i].stats.nr_pages_freed;
		sum.nr_pages_taken += jobs[i].stats.nr_pages_taken;
	}
	return sum;
}

static void init_jobs(const struct machine *m, struct job *jobs)
{
	for (size_t i = 0; i < NR_OPTIMISED; i++) {
		jobs[i % NR_THREADS].kernel = m->kernel;
		jobs[i % NR_THREADS].pages[i / NR_THREADS] =
			(struct pgw_huge_page){ .pa = m->pa_first + ((uint64_t)i << m->huge_lg2),
						.size_lg2 = (uint8_t)m->huge_lg2 };
	}
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "x86_64-la48";
	const struct pgw_format *format = pgw_format_by_name(name);
	static struct dump before, meanwhile, after;
	static struct job jobs[NR_THREADS];
	static struct machine m;
	struct pgw_hvo_stats stats;
	unsigned char *copy;
	bool is_same;

	require(format ? 0 : -PGW_EINVAL, name);
	machine_init(&m, format);
	init_jobs(&m, jobs);
	copy = malloc(m.desc_size);
	require(copy ? 0 : -PGW_ENOMEM, "copy of the descriptors");
	fill_descs(&m, copy);
	dump_tables(&m, "before", &before);

	stats = run(jobs, pgw_hvo_optimise, "optimising");
	printf("%d threads optimise %d huge pages of %lluK: %llu of %d pages are free\n",
	       NR_THREADS, NR_OPTIMISED, 1ULL << m.huge_lg2 >> 10,
	       (unsigned long long)stats.nr_pages_freed, NR_OPTIMISED * NR_DESC_PAGES);
	dump_tables(&m, "optimised", &meanwhile);
	is_same = has_same_descs(&m, copy);
	printf("descriptors read %s\n", is_same ? "the same" : "DIFFERENT");

	stats = run(jobs, pgw_hvo_restore, "restoring");
	printf("%d threads restore them: %llu pages are taken\n", NR_THREADS,
	       (unsigned long long)stats.nr_pages_taken);
	dump_tables(&m, "restored", &after);
	is_same = is_same && has_same_descs(&m, copy) &&
		  memcmp(&before.areas, &after.areas, sizeof(before.areas)) == 0;
	printf("addresses, rights and descriptors are %s\n", is_same ? "as before" : "DIFFERENT");
	free(copy);
	machine_fini(&m);
	return is_same ? 0 : 1;
}
