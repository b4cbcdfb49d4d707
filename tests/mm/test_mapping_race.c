/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A file, shown by two mms, whose pages threads walk, fault in, take out and
 * truncate while others make, change and remove its VMAs. First step by step, then at
 * random. F1 to F8 are the guarantees of docs/locking.md.
 */

#include "mm/file_fixture.h"

#include <sched.h>

#include "base/mutex.h"
#include "common/arena.h"
#include "common/limit.h"
#include "mm/quarantine.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/mapping_tree.h"

#define RW (PGW_VMA_READ | PGW_VMA_WRITE)
#define FAR (UINT64_C(1) << 30)
#define PAGE UINT64_C(4096)

/* ---- step by step ---- */

/* A walk of the file in one thread, that stops where it is about to go to a table; then another thread. */
struct race {
	struct quarantine q; /* first: the platform's ctx */
	struct pgw_mm *mm;
	struct test_file file;
	sem_t arrived, go;
	int nr_tables;     /* before the walk stops; -1 = it did */
	bool has_detached; /* atomic */
	int nr_present, err;
	sem_t locked, unlock;    /* a walk has a lowest table's lock; it may go on */
	struct pgw_ptdesc *desc; /* of that table */
	bool stops_munmap;       /* when it has detached the VMA, and nothing more */
};

static _Thread_local bool is_walker, is_mover;

static void step(void *ctx, enum pgw_step_point point, const struct pgw_mm *mm)
{
	struct race *r = ctx;

	(void)mm;
	if (r->stops_munmap && point == PGW_STEP_MUNMAP_DOWNGRADED) {
		sem_post(&r->arrived);
		limit_wait(&r->go);
	}
	if (point == PGW_STEP_MUNMAP_DETACHED)
		__atomic_store_n(&r->has_detached, true, __ATOMIC_RELAXED);
	if (is_mover && point == PGW_STEP_MREMAP_COMMITTED) {
		sem_post(&r->arrived);
		limit_wait(&r->go);
	}
	if (!is_walker || point != PGW_STEP_WALK_TABLE || r->nr_tables-- != 0)
		return;
	sem_post(&r->arrived);
	limit_wait(&r->go);
}

/* The file's first pages at FAR, whose tables but the root are theirs alone. */
static void race_init(struct race *r)
{
	const struct pgw_mm_new_args args = { .platform = &r->q.platform,
					      .format = pgw_format_by_name("x86_64-la48") };
	struct pgw_mmap_args where = { .start = FAR, .end = FAR + 512 * PAGE, .flags = RW };

	memset(r, 0, sizeof(*r));
	quarantine_init(&r->q, 1024);
	r->q.platform.step = step;
	sem_init(&r->arrived, 0, 0);
	sem_init(&r->go, 0, 0);
	sem_init(&r->locked, 0, 0);
	sem_init(&r->unlock, 0, 0);
	assert_int_equal(pgw_mm_new(&args, &r->mm), 0);
	file_init(&r->file, &r->q.platform, 12, 512);
	where.mapping = r->file.mapping;
	assert_int_equal(pgw_mm_mmap(r->mm, &where), 0);
	assert_int_equal(pgw_mm_populate(r->mm, FAR, FAR + 512 * PAGE), 0);
}

static void race_fini(struct race *r)
{
	pgw_mm_free(r->mm);
	file_fini(&r->file);
	sem_destroy(&r->arrived);
	sem_destroy(&r->go);
	sem_destroy(&r->locked);
	sem_destroy(&r->unlock);
	quarantine_fini(&r->q);
}

static int count_present(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct race *r = walk->arg;

	(void)addr, (void)next;
	r->nr_present += quarantine_look(&r->q, pte) != 0;
	return 0;
}

static void *walker(void *arg)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = count_present };
	struct race *r = arg;

	is_walker = true;
	r->err = pgw_mapping_read_lock(r->file.mapping);
	if (!r->err)
		r->err = pgw_walk_page_mapping(r->file.mapping, 0, 512, &ops, r);
	if (pgw_mapping_read_unlock(r->file.mapping))
		abort();
	return NULL;
}

/* Until somebody waits for the i_mmap lock. */
static void wait_for_waiter(struct race *r)
{
	while (!(__atomic_load_n(&r->file.mapping->lock.state, __ATOMIC_RELAXED) &
		 MMAP_LOCK_QUEUED))
		sched_yield();
}

static void *freer(void *arg);

/*
 * The walk stands at its nth table when another thread begins, which has to wait for it.
 * All pages are there to be seen, unless the mm ends, whose tables stay all the same.
 */
static void walk_keeps_out(struct race *r, int nth, void *(*other)(void *))
{
	pthread_t threads[2];

	r->nr_tables = nth;
	assert_int_equal(pthread_create(&threads[0], NULL, walker, r), 0);
	limit_wait(&r->arrived);
	assert_int_equal(pthread_create(&threads[1], NULL, other, r), 0);
	wait_for_waiter(r);
	assert_false(__atomic_load_n(&r->has_detached, __ATOMIC_RELAXED));
	if (other != freer)
		assert_int_equal(file_mapped(&r->file), 512);
	sem_post(&r->go);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_int_equal(r->err, 0);
	if (other != freer)
		assert_int_equal(r->nr_present, 512);
	pgw_reclaim_barrier(&r->q.platform);
	assert_int_equal(quarantine_nr_poison(&r->q), 0);
}

static void *unmapper(void *arg)
{
	struct race *r = arg;

	if (pgw_mm_munmap(r->mm, FAR, FAR + 512 * PAGE))
		abort();
	return NULL;
}

static void *middle_unmapper(void *arg)
{
	struct race *r = arg;

	if (pgw_mm_munmap(r->mm, FAR + 100 * PAGE, FAR + 200 * PAGE))
		abort();
	return NULL;
}

static void *protector(void *arg)
{
	struct race *r = arg;

	if (pgw_mm_mprotect(r->mm, FAR + PAGE, FAR + 2 * PAGE, PGW_VMA_READ))
		abort();
	return NULL;
}

static void *collapser(void *arg)
{
	struct race *r = arg;

	if (pgw_mmap_write_lock(r->mm) || pgw_mm_collapse(r->mm, FAR, 21) ||
	    pgw_mmap_write_unlock(r->mm))
		abort();
	return NULL;
}

static void *mover(void *arg)
{
	const struct pgw_mremap_args args = { FAR, FAR + 512 * PAGE, 3 * FAR,
					      3 * FAR + 512 * PAGE };
	struct race *r = arg;

	if (pgw_mm_mremap(r->mm, &args))
		abort();
	return NULL;
}

static void *freer(void *arg)
{
	struct race *r = arg;
	const struct pgw_mm_new_args args = { .platform = &r->q.platform,
					      .format = pgw_format_by_name("x86_64-la48") };

	pgw_mm_free(r->mm);
	if (pgw_mm_new(&args, &r->mm))
		abort();
	return NULL;
}

/* Whoever frees tables, or changes VMAs, waits for the walk wherever it stands. */
static void test_mapping_race__a_walk_keeps_vmas_and_tables(void **state) /* F1, F2 */
{
	static void *(*const others[])(void *) = { unmapper, protector, mover, collapser, freer };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		for (int nth = 0; nth < 3; nth++) {
			struct race *r = calloc(1, sizeof(*r));

			assert_non_null(r);
			race_init(r);
			walk_keeps_out(r, nth, others[i]);
			race_fini(r);
			free(r);
		}
	}
}

static void *stopping_mover(void *arg)
{
	is_mover = true;
	return mover(arg);
}

static void *taker(void *arg)
{
	struct race *r = arg;

	r->err = pgw_mapping_unmap(r->file.mapping, 0, 512);
	__atomic_store_n(&r->has_detached, true, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * In Linux's rmap walks a page that moved was missed: the old place was looked at after it had
 * gone, the new one before it had come.
 */
static void test_mapping_race__no_page_is_missed_while_it_moves(void **state) /* F7, M8 */
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t threads[2];

	(void)state;
	assert_non_null(r);
	race_init(r);
	assert_int_equal(pthread_create(&threads[0], NULL, stopping_mover, r), 0);
	limit_wait(&r->arrived);
	assert_int_equal(pthread_create(&threads[1], NULL, taker, r), 0);
	/* It waits; or, were it wrong, is through. */
	while (!(__atomic_load_n(&r->file.mapping->lock.state, __ATOMIC_RELAXED) &
		 MMAP_LOCK_QUEUED) &&
	       !__atomic_load_n(&r->has_detached, __ATOMIC_ACQUIRE))
		sched_yield();
	sem_post(&r->go);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_int_equal(r->err, 0);
	assert_int_equal(file_mapped(&r->file), 0);
	race_fini(r);
	free(r);
}

/*
 * munmap has detached the middle of a VMA, and its pages are still mapped: the file finds
 * them, once each, and they go when they are taken out of it.
 */
static void
test_mapping_race__pages_that_munmap_has_still_mapped_are_found(void **state) /* F3, F7 */
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t thread;

	(void)state;
	assert_non_null(r);
	race_init(r);
	r->stops_munmap = true;
	r->nr_tables = -1;
	assert_int_equal(pthread_create(&thread, NULL, middle_unmapper, r), 0);
	limit_wait(&r->arrived);
	walker(r);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->nr_present, 512);
	assert_int_equal(pgw_mapping_unmap(r->file.mapping, 99, 12), 0);
	assert_int_equal(file_mapped(&r->file), 500);
	assert_int_equal(pgw_mapping_truncate(r->file.mapping, 0), 0);
	assert_int_equal(file_mapped(&r->file), 0);
	sem_post(&r->go);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r->file.mapping->nr_vmas, 2);
	is_walker = false;
	race_fini(r);
	free(r);
}

static int stop_with_the_lock(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct race *r = walk->arg;

	(void)addr, (void)next;
	r->desc = r->q.platform.table_desc(&r->q, (void *)((uintptr_t)pte & ~(uintptr_t)4095));
	sem_post(&r->locked);
	limit_wait(&r->unlock);
	return 0;
}

static void *locker(void *arg)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = stop_with_the_lock };
	struct race *r = arg;

	if (pgw_mapping_read_lock(r->file.mapping) ||
	    pgw_walk_page_mapping(r->file.mapping, 0, 1, &ops, r) ||
	    pgw_mapping_read_unlock(r->file.mapping))
		abort();
	return NULL;
}

/* Others may be at the leaves that munmap zaps: it wants the table's lock for each. */
static void test_mapping_race__munmap_zaps_with_the_tables_lock(void **state) /* F8 */
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t threads[2];

	(void)state;
	assert_non_null(r);
	race_init(r);
	r->stops_munmap = true;
	r->nr_tables = -1;
	assert_int_equal(pthread_create(&threads[0], NULL, middle_unmapper, r), 0);
	limit_wait(&r->arrived);
	assert_int_equal(pthread_create(&threads[1], NULL, locker, r), 0);
	limit_wait(&r->locked);
	sem_post(&r->go);
	while (__atomic_load_n(&r->desc->lock, __ATOMIC_RELAXED) != MUTEX_CONTENDED &&
	       file_mapped(&r->file) == 512)
		sched_yield();
	assert_int_equal(file_mapped(&r->file), 512);
	sem_post(&r->unlock);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(file_mapped(&r->file), 412);
	race_fini(r);
	free(r);
}

/* ---- at random ---- */

#define NR_THREADS 4
#define SECONDS 0.3 /* a format */
/* Pages of the file: the first are shown and hidden; those in the middle always; behind them is the end. */
#define NR_LOOSE 600
#define FIXED 1000
#define NR_FIXED 16
#define NR_ALL 1100

struct stress {
	struct quarantine q; /* first: the platform's ctx */
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_mm *mm[2];
	struct test_file file;
	uint64_t page, fixed; /* bytes; the address of the pages that are always shown */
	struct timespec end;
	uint64_t nr_done, nr_bad; /* atomic */
};

struct worker {
	struct stress *s;
	pthread_t thread;
	uint64_t random;
	unsigned number;
};

/* What a walk expects of the pages that it sees. */
struct view {
	struct stress *s;
	uint64_t nr_pages;          /* shown, by any VMA */
	bool wants_none, wants_new; /* mapped pages are wrong; those of older frames are */
};

static void bad_at(struct stress *s, int line)
{
	if (!__atomic_fetch_add(&s->nr_bad, 1, __ATOMIC_RELAXED))
		fprintf(stderr, "# line %d\n", line);
}

#define bad(s) bad_at(s, __LINE__)

static int view_vma(uint64_t start, uint64_t end, struct pgw_mm_walk *walk)
{
	struct view *view = walk->arg;

	view->nr_pages += (end - start) / view->s->page;
	return 0;
}

static int view_pte(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct view *view = walk->arg;
	struct stress *s = view->s;
	uint64_t raw = quarantine_look(&s->q, pte);
	uint64_t page = walk->vma->pgoff + (addr - walk->vma->start) / s->page;
	struct pgw_entry entry;

	(void)next;
	if (!raw)
		return 0;
	pgw_entry_decode(s->format, pgw_mm_control(walk->mm), raw, 0, &entry);
	entry.pa += addr & ((UINT64_C(1) << entry.size_lg2) - 1) & ~(s->page - 1);
	if (entry.kind != PGW_ENTRY_LEAF || file_page_of(&s->file, entry.pa) != page)
		bad(s);
	if (view->wants_none || (view->wants_new && entry.pa != file_pa(&s->file, page)))
		bad(s);
	return 0;
}

static void view_pages(struct view *view, uint64_t first, uint64_t nr)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = view_pte, .pre_vma = view_vma };
	struct stress *s = view->s;
	int err;

	if (pgw_mapping_read_lock(s->file.mapping))
		bad(s);
	err = pgw_walk_page_mapping(s->file.mapping, first, nr, &ops, view);
	if (pgw_mapping_read_unlock(s->file.mapping) || (err && err != -PGW_ENOMEM))
		bad(s);
}

/* One thread alone changes the file; what it says is so from when the call has returned. F7 */
static void change_file(struct worker *w)
{
	struct stress *s = w->s;
	struct view view = { .s = s, .wants_new = true };
	uint64_t first = test_random(&w->random) % NR_ALL;
	uint64_t nr = 1 + test_random(&w->random) % 64;

	/* Now and then all: then there can be large leaves again. */
	if (test_random(&w->random) % 8 == 0) {
		first = 0;
		nr = NR_ALL;
	}
	if (test_random(&w->random) % 4) {
		file_forget(&s->file, first, nr);
		if (pgw_mapping_unmap(s->file.mapping, first, nr))
			bad(s);
		view_pages(&view, first, nr);
		return;
	}
	file_forget(&s->file, first, NR_ALL);
	if (pgw_mapping_truncate(s->file.mapping, first))
		bad(s);
	view.wants_none = true;
	for (int i = 0; i < 4; i++) {
		view_pages(&view, first, FILE_PAGES);
		sched_yield();
	}
	if (pgw_mapping_truncate(s->file.mapping, NR_ALL))
		bad(s);
}

/* One page of an mm, kept for a moment, is what the VMA says. */
static void look_at_page(struct worker *w, struct pgw_mm *mm, uint64_t va)
{
	struct stress *s = w->s;
	struct pgw_page_walk found;
	struct pgw_vma *vma;

	if (pgw_mmap_read_lock(mm))
		bad(s);
	vma = pgw_vma_lookup(mm, va);
	if (vma && !pgw_page_walk_start(vma, va, 0, &found)) {
		if (file_page_of(&s->file, found.pa) != vma->pgoff + (va - vma->start) / s->page)
			bad(s);
		if ((found.entry ^ pgw_item_load(found.item)) & ~UINT64_C(0xfff))
			bad(s);
		pgw_page_walk_end(&found, vma);
	}
	if (pgw_mmap_read_unlock(mm))
		bad(s);
}

/* Walks of the file; the pages in the middle are shown once, whatever becomes of their VMAs. F2 */
static void walk_file(struct worker *w)
{
	struct view view = { .s = w->s };

	view_pages(&view, FIXED, NR_FIXED);
	if (view.nr_pages != NR_FIXED)
		bad(w->s);
	view_pages(&view, test_random(&w->random) % NR_ALL, test_random(&w->random) % 300);
}

static void fixed_op(struct worker *w)
{
	struct stress *s = w->s;
	uint64_t from = test_random(&w->random) % NR_FIXED;
	uint64_t nr = 1 + test_random(&w->random) % (NR_FIXED - from);
	uint32_t flags = test_random(&w->random) % 2 ? PGW_VMA_READ : RW;

	pgw_mm_mprotect(s->mm[1], s->fixed + from * s->page, s->fixed + (from + nr) * s->page,
			flags);
	pgw_mm_fault(s->mm[1], s->fixed + from * s->page, PGW_VMA_READ);
	pgw_mm_fault(s->mm[1], s->fixed + from * s->page, PGW_VMA_WRITE);
}

/* Pages go elsewhere, sometimes in whole tables; the file still knows them all. */
static int move_pages(struct worker *w, struct pgw_mm *mm, uint64_t start, uint64_t end)
{
	struct stress *s = w->s;
	uint64_t table = UINT64_C(1) << s->geo->span_lg2[1];
	struct pgw_mremap_args args = { .start = start, .end = end };
	int err;

	args.new_start = start % table + (4 + test_random(&w->random) % 10) * table;
	if (test_random(&w->random) % 2)
		args.new_start += test_random(&w->random) % 64 * s->page;
	args.new_end = args.new_start + (end - start);
	err = pgw_mm_mremap(mm, &args);
	return err == -PGW_EINVAL ? 0 : err; /* of several VMAs, or to where it is */
}

/* The file's pages lie in each mm around a boundary between two tables, more than once. */
static int random_op(struct worker *w)
{
	struct stress *s = w->s;
	struct pgw_mm *mm = s->mm[test_random(&w->random) % 2];
	uint64_t table = UINT64_C(1) << s->geo->span_lg2[1];
	uint64_t at = test_random(&w->random) % NR_LOOSE, nr = 1 + test_random(&w->random) % 40;
	uint64_t copy = (1 + test_random(&w->random) % 3) * 4 * table;
	struct pgw_mmap_args args = { .start = copy + at * s->page,
				      .end = copy + (at + nr) * s->page,
				      .flags = test_random(&w->random) % 3 ? RW : PGW_VMA_READ,
				      .pgoff = at,
				      .mapping = s->file.mapping };

	switch (test_random(&w->random) % 18) {
	case 0:
	case 1:
		return pgw_mm_mmap(mm, &args);
	case 2:
		args.start = copy;
		args.end = copy + NR_LOOSE * s->page;
		args.pgoff = 0;
		return pgw_mm_mmap(mm, &args);
	case 3:
		return pgw_mm_munmap(mm, args.start, args.end);
	case 4:
		return pgw_mm_munmap(mm, copy, args.end);
	case 5:
		return pgw_mm_mprotect(mm, args.start, args.end, args.flags);
	case 6:
		return pgw_mm_dontneed(mm, args.start, args.end);
	case 7:
	case 8:
		return pgw_mm_populate(mm, args.start, args.end);
	case 9:
		look_at_page(w, mm, args.start);
		return 0;
	case 10:
		fixed_op(w);
		return 0;
	case 13:
		return move_pages(w, mm, args.start, args.end);
	case 14:
		return move_pages(w, mm, copy, copy + NR_LOOSE * s->page);
	case 11:
	case 12:
		return pgw_mm_fault(mm, args.start, PGW_VMA_WRITE);
	default:
		return pgw_mm_fault(mm, args.start, PGW_VMA_READ);
	}
}

/* Statuses that a race against others may give. */
static bool is_fine(int err)
{
	return !err || err == -PGW_EEXIST || err == -PGW_ENOENT || err == -PGW_EFAULT ||
	       err == -PGW_ENOMEM;
}

static bool is_over(const struct stress *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > s->end.tv_sec ||
	       (now.tv_sec == s->end.tv_sec && now.tv_nsec >= s->end.tv_nsec);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!is_over(w->s)) {
		for (int i = 0; i < 8; i++) {
			if (w->number == 0)
				change_file(w);
			else if (w->number == 1 && i % 2)
				walk_file(w);
			else if (!is_fine(random_op(w)))
				bad(w->s);
		}
		__atomic_fetch_add(&w->s->nr_done, 8, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void stress_init(struct stress *s, const struct pgw_format *format)
{
	struct pgw_mm_new_args args = { .format = format };
	struct pgw_mmap_args where = { .flags = RW, .pgoff = FIXED };

	quarantine_init(&s->q, 4096);
	s->format = format;
	s->geo = pgw_format_geometry(format);
	s->page = UINT64_C(1) << s->geo->granule_lg2;
	s->fixed = 20 * (UINT64_C(1) << s->geo->span_lg2[1]) - NR_FIXED / 2 * s->page;
	args.platform = &s->q.platform;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pgw_mm_new(&args, &s->mm[i]), 0);
	file_init(&s->file, &s->q.platform, s->geo->granule_lg2, NR_ALL);
	s->file.want_large = s->file.want_read_only = true;
	where.start = s->fixed;
	where.end = s->fixed + NR_FIXED * s->page;
	where.mapping = s->file.mapping;
	assert_int_equal(pgw_mm_mmap(s->mm[1], &where), 0);
	clock_gettime(CLOCK_MONOTONIC, &s->end);
	s->end.tv_nsec += (long)(SECONDS * 1e9);
	s->end.tv_sec += s->end.tv_nsec / 1000000000;
	s->end.tv_nsec %= 1000000000;
}

static void check_at_rest(struct stress *s)
{
	const char *what = "";
	size_t nr;

	assert_int_equal(s->nr_bad, 0);
	assert_int_equal(quarantine_nr_poison(&s->q), 0);
	assert_true(mapping_tree_validate(s->file.mapping->root, &nr));
	assert_int_equal(nr, s->file.mapping->nr_vmas);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pgw_mmap_write_lock(s->mm[i]), 0);
		if (pgw_mm_validate(s->mm[i], &what))
			fail_msg("%s: %s", pgw_format_name(s->format), what);
		assert_int_equal(pgw_mmap_write_unlock(s->mm[i]), 0);
	}
}

static void stress_format(const struct pgw_format *format, uint64_t seed)
{
	struct stress *s = calloc(1, sizeof(*s));
	struct worker worker[NR_THREADS];

	assert_non_null(s);
	stress_init(s, format);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		worker[i] = (struct worker){ .s = s, .random = seed + i, .number = i };
		assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_join(worker[i].thread, NULL), 0);
	check_at_rest(s);
	printf("# %s: %llu operations, %u faults asked, %ld tables freed\n",
	       pgw_format_name(format), (unsigned long long)s->nr_done, s->file.nr_asked,
	       s->q.nr_freed);
	assert_true(s->nr_done > 0 && s->q.nr_freed > 0);
	for (size_t i = 0; i < 2; i++)
		pgw_mm_free(s->mm[i]);
	file_fini(&s->file);
	quarantine_fini(&s->q);
	free(s);
}

static void test_mapping_race__random_operations_of_many_threads(void **state) /* F1 to F8 */
{
	static const char *const formats[] = { "x86_64-la48", "arm64-4k", "riscv-sv39" };
	uint64_t seed = test_seed();

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		stress_format(pgw_format_by_name(formats[i]), seed + 100 * i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		limited_unit_test(test_mapping_race__a_walk_keeps_vmas_and_tables),
		limited_unit_test(test_mapping_race__no_page_is_missed_while_it_moves),
		limited_unit_test(test_mapping_race__pages_that_munmap_has_still_mapped_are_found),
		limited_unit_test(test_mapping_race__munmap_zaps_with_the_tables_lock),
		limited_unit_test(test_mapping_race__random_operations_of_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
