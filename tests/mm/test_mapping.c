/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Files' mappings with nobody else about: their lock, the VMAs that they know, walks
 * of them, faults, and taking pages out. As in test_walk.c names carry the numbers of the
 * assertions that they show. What threads do to each other is in test_mapping_race.c.
 */

#include "mm/file_fixture.h"

#include "common/arena.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/mapping_tree.h"

#define NR_MMS 3
#define MAX_EVENTS 4096
#define RW (PGW_VMA_READ | PGW_VMA_WRITE)

enum event_kind { TEST, PRE, POST, PTE, HOLE };

struct event {
	enum event_kind kind;
	const struct pgw_mm *mm;
	const struct pgw_vma *vma;
	uint64_t addr, next;
	int depth;
	bool present;
};

struct fixture {
	struct arena arena; /* first: the platform's ctx */
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_mm *mm[NR_MMS];
	struct test_file file, other;
	uint64_t page, table; /* bytes that a page, a lowest table spans */
	struct event event[MAX_EVENTS];
	size_t nr;
	size_t stop_at; /* the event that returns stop_value, counting from 1; 0 = none */
	int stop_value;
	unsigned nr_holes; /* of the cases */
};

static struct fixture *fixture_new(const char *format)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_new_args args = { .format = pgw_format_by_name(format) };

	assert_non_null(f);
	assert_non_null(args.format);
	arena_init(&f->arena, 16u << 20);
	f->format = args.format;
	f->geo = pgw_format_geometry(f->format);
	f->page = UINT64_C(1) << f->geo->granule_lg2;
	f->table = UINT64_C(1) << f->geo->span_lg2[1];
	args.platform = &f->arena.platform;
	for (size_t i = 0; i < NR_MMS; i++)
		assert_int_equal(pgw_mm_new(&args, &f->mm[i]), 0);
	file_init(&f->file, &f->arena.platform, f->geo->granule_lg2, FILE_PAGES);
	file_init(&f->other, &f->arena.platform, f->geo->granule_lg2, FILE_PAGES);
	return f;
}

/* Everything about the file's VMAs and tables is as it should be. */
static void check(struct fixture *f)
{
	size_t nr;

	assert_true(mapping_tree_validate(f->file.mapping->root, &nr));
	assert_int_equal(nr, f->file.mapping->nr_vmas);
	for (size_t i = 0; i < NR_MMS; i++) {
		const char *what = "";

		assert_int_equal(pgw_mmap_write_lock(f->mm[i]), 0);
		if (pgw_mm_validate(f->mm[i], &what))
			fail_msg("%s", what);
		assert_int_equal(pgw_mmap_write_unlock(f->mm[i]), 0);
	}
}

static void fixture_free(struct fixture *f)
{
	check(f);
	assert_int_equal(f->arena.nr_violations, 0);
	assert_int_equal(f->arena.thread.held, 0);
	for (size_t i = 0; i < NR_MMS; i++)
		pgw_mm_free(f->mm[i]);
	assert_int_equal(f->file.mapping->nr_vmas, 0);
	file_fini(&f->file);
	file_fini(&f->other);
	arena_fini(&f->arena);
	free(f);
}

/* Show nr pages of a file from pgoff on at this page of an mm. */
static int try_show(struct fixture *f, size_t mm, uint64_t at, struct test_file *file,
		    uint64_t pgoff, uint64_t nr, uint32_t flags)
{
	const struct pgw_mmap_args args = { .start = at * f->page,
					    .end = (at + nr) * f->page,
					    .flags = flags,
					    .pgoff = pgoff,
					    .mapping = file->mapping };

	return pgw_mm_mmap(f->mm[mm], &args);
}

static void show(struct fixture *f, size_t mm, uint64_t at, uint64_t pgoff, uint64_t nr)
{
	assert_int_equal(try_show(f, mm, at, &f->file, pgoff, nr, RW), 0);
}

static int fault(struct fixture *f, size_t mm, uint64_t at)
{
	return pgw_mm_fault(f->mm[mm], at * f->page, PGW_VMA_READ);
}

static void populate(struct fixture *f, size_t mm, uint64_t at, uint64_t nr)
{
	assert_int_equal(pgw_mm_populate(f->mm[mm], at * f->page, (at + nr) * f->page), 0);
}

static bool is_mapped(struct fixture *f, size_t mm, uint64_t at)
{
	struct pgw_translation t;

	assert_int_equal(pgw_mmap_write_lock(f->mm[mm]), 0);
	assert_int_equal(pgw_translate(f->mm[mm], at * f->page, &t), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm[mm]), 0);
	return t.kind == PGW_ENTRY_LEAF;
}

static size_t nr_vmas(struct fixture *f)
{
	size_t nr;

	assert_int_equal(pgw_mapping_read_lock(f->file.mapping), 0);
	nr = pgw_mapping_nr_vmas(f->file.mapping);
	assert_int_equal(pgw_mapping_read_unlock(f->file.mapping), 0);
	return nr;
}

/* ---- recording ---- */

static int record(struct pgw_mm_walk *walk, struct event event)
{
	struct fixture *f = walk->arg;

	assert_true(f->nr < MAX_EVENTS);
	event.mm = walk->mm;
	event.vma = walk->vma;
	assert_ptr_equal(walk->vma->mm, walk->mm);
	f->event[f->nr++] = event;
	return f->nr == f->stop_at ? f->stop_value : 0;
}

static int record_test(uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	return record(walk, (struct event){ .kind = TEST, .addr = addr, .next = next });
}

static int record_pre(uint64_t start, uint64_t end, struct pgw_mm_walk *walk)
{
	return record(walk, (struct event){ .kind = PRE, .addr = start, .next = end });
}

static void record_post(struct pgw_mm_walk *walk)
{
	record(walk, (struct event){ .kind = POST });
}

static int record_pte(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	return record(walk, (struct event){ .kind = PTE,
					    .addr = addr,
					    .next = next,
					    .present = pgw_item_load(pte) != 0 });
}

static int record_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	return record(walk,
		      (struct event){ .kind = HOLE, .addr = addr, .next = next, .depth = depth });
}

static const struct pgw_mm_walk_ops bounds_ops = { .test_walk = record_test,
						   .pre_vma = record_pre,
						   .post_vma = record_post };
static const struct pgw_mm_walk_ops page_ops = { .pte_entry = record_pte, .pte_hole = record_hole };

static int walk(struct fixture *f, uint64_t first, uint64_t nr, const struct pgw_mm_walk_ops *ops)
{
	int err;

	f->nr = 0;
	assert_int_equal(pgw_mapping_read_lock(f->file.mapping), 0);
	err = pgw_walk_page_mapping(f->file.mapping, first, nr, ops, f);
	assert_int_equal(pgw_mapping_read_unlock(f->file.mapping), 0);
	return err;
}

/* The nth event is this VMA part's, in pages. */
static void assert_event(const struct fixture *f, size_t n, enum event_kind kind, size_t mm,
			 uint64_t start, uint64_t end)
{
	assert_true(n < f->nr);
	assert_int_equal(f->event[n].kind, kind);
	assert_ptr_equal(f->event[n].mm, f->mm[mm]);
	assert_int_equal(f->event[n].addr, start * f->page);
	assert_int_equal(f->event[n].next, end * f->page);
}

/* ---- arguments ---- */

static void test_mapping__wrong_arguments_are_refused(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48");
	struct pgw_platform elsewhere = f->arena.platform;
	struct pgw_mapping_args args = { .platform = &elsewhere, .page_lg2 = 12 };
	struct pgw_mmap_args where = { .start = f->page, .end = 2 * f->page, .flags = RW };
	struct pgw_mapping *mapping = NULL;

	(void)state;
	assert_int_equal(pgw_mapping_new(NULL, &mapping), -PGW_EINVAL);
	assert_int_equal(pgw_mapping_new(&args, NULL), -PGW_EINVAL);
	args.page_lg2 = 0;
	assert_int_equal(pgw_mapping_new(&args, &mapping), -PGW_EINVAL);
	args.page_lg2 = 64;
	assert_int_equal(pgw_mapping_new(&args, &mapping), -PGW_EINVAL);
	args.page_lg2 = 12;
	args.platform = NULL;
	assert_int_equal(pgw_mapping_new(&args, &mapping), -PGW_EINVAL);
	args.platform = &elsewhere;
	f->arena.fail_after = 0;
	assert_int_equal(pgw_mapping_new(&args, &mapping), -PGW_ENOMEM);
	f->arena.fail_after = -1;
	assert_null(mapping);
	pgw_mapping_free(NULL);
	/* Of another platform; of other pages. */
	assert_int_equal(pgw_mapping_new(&args, &where.mapping), 0);
	assert_int_equal(pgw_mm_mmap(f->mm[0], &where), -PGW_EINVAL);
	pgw_mapping_free(where.mapping);
	args.platform = &f->arena.platform;
	args.page_lg2 = 14;
	assert_int_equal(pgw_mapping_new(&args, &where.mapping), 0);
	assert_int_equal(pgw_mm_mmap(f->mm[0], &where), -PGW_EINVAL);
	pgw_mapping_free(where.mapping);
	assert_int_equal(pgw_walk_page_mapping(NULL, 0, 1, &page_ops, f), -PGW_EINVAL);
	assert_int_equal(walk(f, 0, 1, NULL), -PGW_EINVAL);
	fixture_free(f);
}

/* ---- the lock ---- */

static void expect_breach(struct fixture *f, const char *rule, const char *function,
			  const struct pgw_mm *mm)
{
	const struct pgw_violation *v = &f->arena.violation;

	assert_int_equal(f->arena.nr_violations, 1);
	assert_string_equal(v->rule_name, rule);
	assert_string_equal(v->function, function);
	assert_ptr_equal(v->mm, mm);
	assert_ptr_equal(v->mapping, mm ? NULL : f->file.mapping);
	f->arena.nr_violations = 0;
}

static void test_mapping__walks_want_the_i_mmap_lock(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39");
	struct pgw_mapping *mapping = f->file.mapping;

	(void)state;
	show(f, 0, 8, 0, 4);
	/* No lock of an mm will do. */
	assert_int_equal(pgw_mmap_write_lock(f->mm[0]), 0);
	assert_int_equal(pgw_walk_page_mapping(mapping, 0, 4, &page_ops, f), -PGW_EPERM);
	expect_breach(f, "i-mmap-locked", "pgw_walk_page_mapping", NULL);
	assert_int_equal(f->arena.violation.mode, PGW_LOCK_NONE);
	assert_false(f->arena.violation.lock_taken);
	assert_int_equal(pgw_mapping_nr_vmas(mapping), 0);
	expect_breach(f, "i-mmap-locked", "pgw_mapping_nr_vmas", NULL);
	assert_int_equal(pgw_mapping_assert_locked(mapping), -PGW_EPERM);
	expect_breach(f, "i-mmap-locked", "pgw_mapping_assert_locked", NULL);
	assert_int_equal(pgw_mmap_write_unlock(f->mm[0]), 0);
	assert_int_equal(f->nr, 0);
	/* In either mode; and what walk_lock says is not looked at. */
	for (int lock = PGW_WALK_RDLOCK; lock <= PGW_WALK_VMA_RDLOCK_VERIFY; lock++) {
		struct pgw_mm_walk_ops ops = bounds_ops;

		ops.walk_lock = (enum pgw_walk_lock)lock;
		assert_int_equal(walk(f, 0, 4, &ops), 0);
		assert_int_equal(f->nr, 3);
		assert_int_equal(pgw_mapping_write_lock(mapping), 0);
		assert_int_equal(pgw_mapping_assert_locked(mapping), 0);
		assert_int_equal(pgw_walk_page_mapping(mapping, 0, 4, &ops, f), 0);
		assert_int_equal(pgw_mapping_write_unlock(mapping), 0);
		assert_int_equal(f->nr, 6);
	}
	fixture_free(f);
}

static void test_mapping__the_lock_is_taken_once_and_last(void **state) /* G6, G7, G15 */
{
	struct fixture *f = fixture_new("riscv-sv39");
	struct pgw_mapping *mapping = f->file.mapping;

	(void)state;
	assert_int_equal(pgw_mapping_read_unlock(mapping), -PGW_EPERM);
	expect_breach(f, "i-mmap-not-held", "pgw_mapping_read_unlock", NULL);
	assert_int_equal(pgw_mapping_write_trylock(mapping), 0);
	assert_int_equal(pgw_mapping_read_trylock(mapping), -PGW_EDEADLK);
	expect_breach(f, "i-mmap-recursion", "pgw_mapping_read_trylock", NULL);
	assert_int_equal(pgw_mapping_read_unlock(mapping), -PGW_EPERM);
	expect_breach(f, "i-mmap-not-held", "pgw_mapping_read_unlock", NULL);
	assert_int_equal(pgw_mapping_write_unlock(mapping), 0);
	assert_int_equal(pgw_mapping_read_trylock(mapping), 0);
	assert_int_equal(pgw_mapping_read_lock(mapping), -PGW_EDEADLK);
	expect_breach(f, "i-mmap-recursion", "pgw_mapping_read_lock", NULL);
	assert_int_equal(pgw_mapping_write_unlock(mapping), -PGW_EPERM);
	expect_breach(f, "i-mmap-not-held", "pgw_mapping_write_unlock", NULL);
	assert_int_equal(pgw_mapping_unmap(mapping, 0, 1), -PGW_EDEADLK);
	expect_breach(f, "i-mmap-recursion", "pgw_mapping_read_lock", NULL);
	assert_int_equal(pgw_mapping_truncate(mapping, 5), -PGW_EDEADLK);
	expect_breach(f, "i-mmap-recursion", "pgw_mapping_read_lock", NULL);
	assert_int_equal(pgw_mapping_nr_pages(mapping), FILE_PAGES);
	/* The mmap lock comes before it. */
	assert_int_equal(pgw_mmap_read_lock(f->mm[0]), -PGW_EDEADLK);
	expect_breach(f, "mmap-order", "pgw_mmap_read_lock", f->mm[0]);
	assert_int_equal(pgw_mm_munmap(f->mm[0], 0, f->page), -PGW_EDEADLK);
	expect_breach(f, "mmap-order", "pgw_mmap_write_lock", f->mm[0]);
	assert_int_equal(pgw_mapping_read_unlock(mapping), 0);
	fixture_free(f);
}

/* By trylocks one may come to hold both; what changes the file's VMAs is refused before it has changed any. */
static void test_mapping__a_holder_of_the_lock_changes_no_vma(void **state) /* M1 */
{
	struct fixture *f = fixture_new("riscv-sv39");
	struct pgw_mapping *mapping = f->file.mapping;

	(void)state;
	show(f, 0, 8, 0, 4);
	populate(f, 0, 8, 4);
	assert_int_equal(pgw_mapping_read_lock(mapping), 0);
	assert_int_equal(pgw_mmap_write_trylock(f->mm[0]), 0);
	assert_int_equal(pgw_mm_munmap_locked(f->mm[0], 9 * f->page, 10 * f->page), -PGW_EDEADLK);
	expect_breach(f, "i-mmap-recursion", "pgw_mapping_write_lock", NULL);
	assert_int_equal(pgw_mmap_write_unlock(f->mm[0]), 0);
	assert_int_equal(pgw_mapping_read_unlock(mapping), 0);
	assert_int_equal(nr_vmas(f), 1);
	assert_true(is_mapped(f, 0, 9));
	fixture_free(f);
}

/* ---- walks ---- */

/*
 * pages of the file   0    5    10   15   20
 * mm 0, at page 100   [0 ......... 10)
 * mm 1, at page 200        [5 ........... 18)
 * mm 1, at page 300                        [20 25)
 * another file, in mm 2, at page 400: the same pages
 */
static void show_three(struct fixture *f)
{
	show(f, 1, 300, 20, 5);
	show(f, 1, 200, 5, 13);
	show(f, 0, 100, 0, 10);
	assert_int_equal(try_show(f, 2, 400, &f->other, 0, 25, RW), 0);
}

static void test_mapping_walk__each_vma_is_clipped_to_the_pages(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48");

	(void)state;
	show_three(f);
	/* All of it. */
	assert_int_equal(walk(f, 0, 100, &bounds_ops), 0);
	assert_int_equal(f->nr, 9);
	assert_event(f, 0, TEST, 0, 100, 110);
	assert_event(f, 1, PRE, 0, 100, 110);
	assert_event(f, 3, TEST, 1, 200, 213);
	assert_event(f, 4, PRE, 1, 200, 213);
	assert_event(f, 6, TEST, 1, 300, 305);
	assert_event(f, 7, PRE, 1, 300, 305);
	/* Test gets the whole VMA, the rest the part. */
	assert_int_equal(walk(f, 7, 14, &bounds_ops), 0);
	assert_int_equal(f->nr, 9);
	assert_event(f, 0, TEST, 0, 100, 110);
	assert_event(f, 1, PRE, 0, 107, 110);
	assert_event(f, 3, TEST, 1, 200, 213);
	assert_event(f, 4, PRE, 1, 202, 213);
	assert_event(f, 6, TEST, 1, 300, 305);
	assert_event(f, 7, PRE, 1, 300, 301);
	/* One page of the middle of two. */
	assert_int_equal(walk(f, 9, 1, &bounds_ops), 0);
	assert_int_equal(f->nr, 6);
	assert_event(f, 1, PRE, 0, 109, 110);
	assert_event(f, 4, PRE, 1, 204, 205);
	/* The hole between, the ends, nothing. */
	assert_int_equal(walk(f, 18, 2, &bounds_ops), 0);
	assert_int_equal(f->nr, 0);
	assert_int_equal(walk(f, 25, UINT64_MAX, &bounds_ops), 0);
	assert_int_equal(f->nr, 0);
	assert_int_equal(walk(f, 24, UINT64_MAX, &bounds_ops), 0);
	assert_int_equal(f->nr, 3);
	assert_int_equal(walk(f, 7, 0, &bounds_ops), 0);
	assert_int_equal(walk(f, 0, 0, &bounds_ops), 0);
	assert_int_equal(f->nr, 0);
	fixture_free(f);
}

static void test_mapping_walk__pages_of_all_mms_are_seen(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39");

	(void)state;
	show_three(f);
	assert_int_equal(fault(f, 0, 106), 0);
	assert_int_equal(fault(f, 1, 201), 0);
	/* Page 6 is there twice. */
	assert_int_equal(walk(f, 6, 1, &page_ops), 0);
	assert_int_equal(f->nr, 2);
	assert_event(f, 0, PTE, 0, 106, 107);
	assert_event(f, 1, PTE, 1, 201, 202);
	assert_true(f->event[0].present && f->event[1].present);
	/* Page 7 is in the same tables. Those of mm 1 do not go as far as page 20. */
	assert_int_equal(walk(f, 7, 1, &page_ops), 0);
	assert_int_equal(f->nr, 2);
	assert_false(f->event[0].present || f->event[1].present);
	/* A VMA's tables need not be there. */
	show(f, 2, 1000, 6, 1);
	assert_int_equal(walk(f, 6, 1, &page_ops), 0);
	assert_int_equal(f->nr, 3);
	assert_event(f, 2, HOLE, 2, 1000, 1001);
	assert_int_equal(f->event[2].depth, 0);
	fixture_free(f);
}

static void test_mapping_walk__22_positive_test_ends_the_walk_with_0(void **state)
{
	struct fixture *f = fixture_new("x86_64-la57");

	(void)state;
	show_three(f);
	f->stop_at = 4; /* of the second VMA */
	f->stop_value = 7;
	assert_int_equal(walk(f, 0, 100, &bounds_ops), 0);
	assert_int_equal(f->nr, 4);
	f->stop_value = -PGW_EBUSY;
	assert_int_equal(walk(f, 0, 100, &bounds_ops), -PGW_EBUSY);
	assert_int_equal(f->nr, 4);
	/* Other callbacks' values are the walk's. pre_vma's keep post_vma from being called. 21, 23 */
	f->stop_at = 5;
	f->stop_value = 7;
	assert_int_equal(walk(f, 0, 100, &bounds_ops), 7);
	assert_int_equal(f->nr, 5);
	f->stop_at = 0;
	/* The default test says the same of PFNMAP, after its hole; whose positive value is lost. */
	assert_int_equal(try_show(f, 2, 800, &f->file, 1, 4, RW | PGW_VMA_PFNMAP), 0);
	assert_int_equal(walk(f, 0, 100, &page_ops), 0);
	assert_int_equal(f->nr, 2);
	assert_event(f, 0, HOLE, 0, 100, 110);
	assert_event(f, 1, HOLE, 2, 800, 804);
	assert_int_equal(f->event[1].depth, -1);
	f->stop_at = 2;
	assert_int_equal(walk(f, 0, 100, &page_ops), 0);
	f->stop_value = -PGW_EBUSY;
	assert_int_equal(walk(f, 0, 100, &page_ops), -PGW_EBUSY);
	f->stop_at = 0;
	/* With a test of one's own it is a VMA like others. */
	assert_int_equal(walk(f, 0, 100, &bounds_ops), 0);
	assert_int_equal(f->nr, 12);
	fixture_free(f);
}

static void test_mapping_walk__large_leaves_are_split_on_the_way(void **state)
{
	struct fixture *f = fixture_new("arm64-4k");
	uint64_t large = f->table / f->page;

	(void)state;
	f->file.want_large = true;
	show(f, 0, large, 0, large);
	show(f, 1, 3 * large, 0, 2 * large);
	assert_int_equal(fault(f, 0, large + 5), 0);
	assert_int_equal(fault(f, 1, 3 * large + 5), 0);
	assert_int_equal(file_mapped(&f->file), 2 * (long)large);
	assert_int_equal(walk(f, 3, 2, &page_ops), 0);
	assert_int_equal(f->nr, 4);
	assert_event(f, 1, PTE, 0, large + 4, large + 5);
	assert_event(f, 2, PTE, 1, 3 * large + 3, 3 * large + 4);
	assert_true(f->event[1].present && f->event[2].present);
	assert_int_equal(file_mapped(&f->file), 2 * (long)large);
	fixture_free(f);
}

/* ---- VMAs that split, merge and go ---- */

static void test_mapping__splits_and_merges_are_the_files_too(void **state)
{
	struct fixture *f = fixture_new("riscv-sv48");
	const uint64_t page = f->page;

	(void)state;
	/* Neighbours that go on, in the file too, are one. */
	show(f, 0, 100, 10, 10);
	show(f, 0, 110, 20, 10);
	show(f, 0, 90, 0, 10);
	assert_int_equal(nr_vmas(f), 1);
	/* Not what does not go on, nor another file, nor no file. */
	show(f, 0, 120, 31, 9);
	assert_int_equal(try_show(f, 0, 129, &f->other, 40, 1, RW), 0);
	assert_int_equal(nr_vmas(f), 2);
	assert_int_equal(walk(f, 0, 100, &bounds_ops), 0);
	assert_event(f, 0, TEST, 0, 90, 120);
	assert_event(f, 3, TEST, 0, 120, 129);
	/* The middle gets other rights, and its own again. */
	assert_int_equal(pgw_mm_mprotect(f->mm[0], 100 * page, 110 * page, PGW_VMA_READ), 0);
	assert_int_equal(nr_vmas(f), 4);
	assert_int_equal(walk(f, 9, 12, &bounds_ops), 0);
	assert_int_equal(f->nr, 9);
	assert_event(f, 1, PRE, 0, 99, 100);
	assert_event(f, 4, PRE, 0, 100, 110);
	assert_event(f, 7, PRE, 0, 110, 111);
	check(f);
	assert_int_equal(pgw_mm_mprotect(f->mm[0], 90 * page, 129 * page, RW), 0);
	assert_int_equal(nr_vmas(f), 2);
	/* A hole in the middle; from one file into the other; all of it. */
	assert_int_equal(pgw_mm_munmap(f->mm[0], 95 * page, 97 * page), 0);
	assert_int_equal(nr_vmas(f), 3);
	assert_int_equal(walk(f, 5, 2, &bounds_ops), 0);
	assert_int_equal(f->nr, 0);
	assert_int_equal(pgw_mm_munmap(f->mm[0], 125 * page, 130 * page), 0);
	assert_int_equal(nr_vmas(f), 3);
	assert_int_equal(f->other.mapping->nr_vmas, 0);
	check(f);
	assert_int_equal(pgw_mm_munmap(f->mm[0], 0, 200 * page), 0);
	assert_int_equal(nr_vmas(f), 0);
	assert_null(f->file.mapping->root);
	fixture_free(f);
}

static void test_mapping__a_stack_of_a_file_grows_in_it(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39");

	(void)state;
	assert_int_equal(try_show(f, 0, 100, &f->file, 10, 5, RW | PGW_VMA_GROWSDOWN), 0);
	assert_int_equal(pgw_mm_expand(f->mm[0], 96 * f->page), 0);
	assert_int_equal(nr_vmas(f), 1);
	assert_int_equal(walk(f, 0, 100, &bounds_ops), 0);
	assert_event(f, 0, TEST, 0, 96, 105);
	assert_int_equal(walk(f, 6, 1, &bounds_ops), 0);
	assert_event(f, 1, PRE, 0, 96, 97);
	fixture_free(f);
}

/* Each allocation fails once: nothing has changed, in the file neither. */
static void test_mapping__what_fails_leaves_the_file_as_it_was(void **state) /* M1 */
{
	struct fixture *f = fixture_new("riscv-sv39");
	const uint64_t page = f->page;
	int err;

	(void)state;
	show(f, 0, 100, 10, 10);
	for (long n = 0;; n++) {
		f->arena.fail_after = n;
		err = pgw_mm_munmap(f->mm[0], 103 * page, 105 * page);
		f->arena.fail_after = -1;
		if (!err)
			break;
		assert_int_equal(err, -PGW_ENOMEM);
		assert_int_equal(nr_vmas(f), 1);
		check(f);
		f->arena.fail_after = n;
		err = pgw_mm_mprotect(f->mm[0], 103 * page, 105 * page, PGW_VMA_READ);
		f->arena.fail_after = -1;
		assert_int_equal(err, -PGW_ENOMEM);
		assert_int_equal(nr_vmas(f), 1);
		check(f);
	}
	assert_int_equal(nr_vmas(f), 2);
	fixture_free(f);
}

/* ---- faults ---- */

static void test_mapping_fault__the_files_owner_is_asked_for_its_page(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48");
	struct pgw_translation t;

	(void)state;
	show(f, 0, 100, 10, 10);
	assert_int_equal(fault(f, 0, 103), 0);
	assert_int_equal(f->file.mapcount[13], 1);
	assert_int_equal(pgw_mmap_write_lock(f->mm[0]), 0);
	assert_int_equal(pgw_translate(f->mm[0], 103 * f->page, &t), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm[0]), 0);
	assert_int_equal(t.pa, file_pa(&f->file, 13));
	fixture_free(f);
}

static void test_mapping_fault__what_the_file_does_not_have_is_efault(void **state)
{
	struct fixture *f = fixture_new("arm64-4k");
	uint64_t large = f->table / f->page;

	(void)state;
	assert_int_equal(pgw_mapping_truncate(f->file.mapping, large + 3), 0);
	assert_int_equal(pgw_mapping_nr_pages(f->file.mapping), large + 3);
	f->file.want_large = true;
	show(f, 0, large, 0, 2 * large);
	assert_int_equal(fault(f, 0, 2 * large + 3), -PGW_EFAULT);
	assert_int_equal(f->file.nr_asked, 0);
	assert_int_equal(fault(f, 0, 2 * large + 2), 0);
	/* A leaf beyond the end would show what is not the file's. */
	assert_int_equal(f->file.nr_asked, 1);
	assert_int_equal(file_mapped(&f->file), 1);
	assert_int_equal(fault(f, 0, large), 0);
	assert_int_equal(file_mapped(&f->file), 1 + (long)large);
	assert_int_equal(pgw_mm_populate(f->mm[0], 2 * large * f->page, 3 * large * f->page),
			 -PGW_EFAULT);
	assert_int_equal(file_mapped(&f->file), 3 + (long)large);
	assert_int_equal(pgw_mapping_truncate(f->file.mapping, 2 * large), 0);
	populate(f, 0, large, 2 * large);
	assert_int_equal(file_mapped(&f->file), 2 * (long)large);
	fixture_free(f);
}

static void truncate_meanwhile(struct test_file *file)
{
	file_forget(file, 4, FILE_PAGES - 4);
	assert_int_equal(pgw_mapping_truncate(file->mapping, 4), 0);
}

static void unmap_meanwhile(struct test_file *file)
{
	file_forget(file, 5, 1);
	assert_int_equal(pgw_mapping_unmap(file->mapping, 5, 1), 0);
}

static void unmap_another_meanwhile(struct test_file *file)
{
	assert_int_equal(pgw_mapping_unmap(file->mapping, 1000, 1), 0);
}

static void test_mapping_fault__loses_against_a_truncation_meanwhile(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39");

	(void)state;
	show(f, 0, 100, 0, 10);
	/* Whether tables are there already or not. */
	for (int round = 0; round < 2; round++) {
		f->file.meanwhile = truncate_meanwhile;
		f->file.nr_asked = 0;
		assert_int_equal(fault(f, 0, 105), -PGW_EFAULT);
		assert_int_equal(f->file.nr_asked, 1);
		assert_int_equal(file_mapped(&f->file), round);
		assert_false(is_mapped(f, 0, 105));
		assert_int_equal(fault(f, 0, 103), 0);
		assert_int_equal(pgw_mapping_truncate(f->file.mapping, FILE_PAGES), 0);
	}
	fixture_free(f);
}

static void test_mapping_fault__asks_again_if_pages_were_taken_out_meanwhile(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39");
	uint64_t before = file_pa(&f->file, 5);

	(void)state;
	show(f, 0, 100, 0, 10);
	f->file.meanwhile = unmap_meanwhile;
	assert_int_equal(fault(f, 0, 105), 0);
	assert_int_equal(f->file.nr_asked, 2);
	assert_int_equal(f->file.mapcount[5], 1);
	assert_int_not_equal(file_pa(&f->file, 5), before);
	f->file.meanwhile = unmap_another_meanwhile;
	assert_int_equal(fault(f, 0, 106), 0);
	assert_int_equal(f->file.mapcount[6], 1);
	assert_true(is_mapped(f, 0, 105) && is_mapped(f, 0, 106));
	fixture_free(f);
}

/* A fault that wants a right, alone with the mmap lock for write: a file's pages can go all the same. */
static void test_mapping_fault__a_fault_for_a_right_may_lose_its_page(void **state) /* M7 */
{
	struct fixture *f = fixture_new("riscv-sv39");
	const uint64_t va = 105 * UINT64_C(4096);

	(void)state;
	f->file.want_read_only = true;
	show(f, 0, 100, 0, 10);
	/* As it should be: the same page, counted once. */
	assert_int_equal(fault(f, 0, 105), 0);
	assert_int_equal(pgw_mm_fault(f->mm[0], va, PGW_VMA_WRITE), 0);
	assert_int_equal(f->file.mapcount[5], 1);
	/* It got another frame meanwhile, which comes in its place. */
	assert_int_equal(pgw_mapping_unmap(f->file.mapping, 5, 1), 0);
	assert_int_equal(fault(f, 0, 105), 0);
	file_forget(&f->file, 5, 1);
	assert_int_equal(pgw_mm_fault(f->mm[0], va, PGW_VMA_WRITE), 0);
	assert_int_equal(f->file.mapcount[5], 1);
	/* It is gone when the owner has answered: there is no frame more than what is mapped then. */
	for (int round = 0; round < 2; round++) {
		assert_int_equal(pgw_mapping_unmap(f->file.mapping, 5, 1), 0);
		assert_int_equal(fault(f, 0, 105), 0);
		f->file.nr_asked = 0;
		f->file.meanwhile = round ? unmap_meanwhile : truncate_meanwhile;
		assert_int_equal(pgw_mm_fault(f->mm[0], va, PGW_VMA_WRITE),
				 round ? 0 : -PGW_EFAULT);
		assert_int_equal(f->file.nr_asked, 1 + round);
		assert_int_equal(f->file.mapcount[5], round);
		assert_int_equal(pgw_mapping_truncate(f->file.mapping, FILE_PAGES), 0);
	}
	fixture_free(f);
}

/* ---- taking pages out ---- */

static void test_mapping_unmap__pages_go_from_all_vmas_and_tables_stay(void **state)
{
	struct fixture *f = fixture_new("x86_64-la48");
	long nr_tables;

	(void)state;
	show_three(f);
	populate(f, 0, 100, 10);
	populate(f, 1, 200, 13);
	populate(f, 1, 300, 5);
	populate(f, 2, 400, 25);
	nr_tables = f->arena.nr_tables;
	f->arena.nr_flushes = 0;
	assert_int_equal(pgw_mapping_unmap(f->file.mapping, 9, 12), 0);
	/* One flush for each VMA that had some. */
	assert_int_equal(f->arena.nr_flushes, 3);
	for (uint64_t page = 0; page < 25; page++) {
		bool is_gone = page >= 9 && page < 21;

		if (page < 10)
			assert_int_equal(is_mapped(f, 0, 100 + page), !is_gone);
		if (page >= 5 && page < 18)
			assert_int_equal(is_mapped(f, 1, 195 + page), !is_gone);
		if (page >= 20)
			assert_int_equal(is_mapped(f, 1, 280 + page), !is_gone);
		assert_true(is_mapped(f, 2, 400 + page));
	}
	assert_int_equal(file_mapped(&f->file), 9 + 4 + 4);
	assert_int_equal(file_mapped(&f->other), 25);
	pgw_reclaim_barrier(&f->arena.platform);
	assert_int_equal(f->arena.nr_tables, nr_tables);
	assert_int_equal(nr_vmas(f), 3);
	/* Nothing is nothing; too much is all. */
	assert_int_equal(pgw_mapping_unmap(f->file.mapping, 0, 0), 0);
	assert_int_equal(pgw_mapping_unmap(f->file.mapping, 100, UINT64_MAX), 0);
	assert_int_equal(file_mapped(&f->file), 9 + 4 + 4);
	assert_int_equal(pgw_mapping_unmap(f->file.mapping, 1, UINT64_MAX), 0);
	assert_int_equal(file_mapped(&f->file), 1);
	fixture_free(f);
}

static void test_mapping_truncate__behind_the_end_nothing_is_mapped(void **state)
{
	struct fixture *f = fixture_new("arm64-16k");

	(void)state;
	show_three(f);
	populate(f, 0, 100, 10);
	populate(f, 1, 200, 13);
	assert_int_equal(pgw_mapping_truncate(f->file.mapping, 7), 0);
	assert_int_equal(file_mapped(&f->file), 7 + 2);
	assert_int_equal(fault(f, 0, 107), -PGW_EFAULT);
	assert_int_equal(fault(f, 0, 106), 0);
	/* Longer again: what was behind the end is not there, but can be had. */
	assert_int_equal(pgw_mapping_truncate(f->file.mapping, 9), 0);
	assert_false(is_mapped(f, 0, 107));
	assert_int_equal(fault(f, 0, 107), 0);
	assert_int_equal(fault(f, 0, 109), -PGW_EFAULT);
	assert_int_equal(pgw_mapping_truncate(f->file.mapping, 0), 0);
	assert_int_equal(file_mapped(&f->file), 0);
	fixture_free(f);
}

static void test_mapping_truncate__a_large_leaf_goes_whole_and_comes_back_small(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39");
	uint64_t large = f->table / f->page;

	(void)state;
	f->file.want_large = true;
	show(f, 0, large, 0, 2 * large);
	populate(f, 0, large, 2 * large);
	assert_int_equal(f->file.nr_asked, 2);
	/* No memory is needed, so it cannot fail. */
	f->arena.fail_after = 0;
	assert_int_equal(pgw_mapping_truncate(f->file.mapping, large + 3), 0);
	f->arena.fail_after = -1;
	assert_int_equal(file_mapped(&f->file), (long)large);
	assert_int_equal(fault(f, 0, 2 * large + 2), 0);
	assert_int_equal(file_mapped(&f->file), (long)large + 1);
	fixture_free(f);
}

/* ---- collapse ---- */

static void test_mapping__collapse_keeps_to_one_vma_of_a_file(void **state)
{
	struct fixture *f = fixture_new("riscv-sv39");
	uint64_t large = f->table / f->page, va = f->table;
	unsigned lg2 = f->geo->span_lg2[1];

	(void)state;
	show(f, 0, large, 0, large);
	populate(f, 0, large, large);
	assert_int_equal(pgw_mmap_write_lock(f->mm[0]), 0);
	assert_int_equal(pgw_mm_collapse(f->mm[0], va, (uint8_t)lg2), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm[0]), 0);
	assert_int_equal(f->arena.thread.held, 0);
	assert_int_equal(file_mapped(&f->file), (long)large);
	/* Two VMAs of one file, and alike otherwise. */
	assert_int_equal(pgw_mm_mprotect(f->mm[0], va, va + f->page, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mm_mprotect(f->mm[0], va, va + f->table, PGW_VMA_READ), 0);
	assert_int_equal(pgw_mm_mprotect(f->mm[0], va, va + f->page, RW), 0);
	assert_int_equal(pgw_mmap_write_lock(f->mm[0]), 0);
	assert_int_equal(pgw_mm_collapse(f->mm[0], va, (uint8_t)lg2), -PGW_EBUSY);
	assert_int_equal(pgw_mmap_write_unlock(f->mm[0]), 0);
	fixture_free(f);
}

/* ---- flushes ---- */

/* The flush since the count was 0 covers a page. */
static void assert_flushed(struct fixture *f, uint64_t at)
{
	assert_true(f->arena.nr_flushes > 0);
	assert_true(f->arena.flush_first <= at * f->page);
	assert_true(f->arena.flush_last >= at * f->page + f->page - 1);
	f->arena.nr_flushes = 0;
}

/* What somebody else has cleared and not flushed yet must be flushed by who finds it cleared. */
static void test_mapping__what_another_cleared_is_flushed_before_the_return(void **state) /* M6 */
{
	struct fixture *f = fixture_new("riscv-sv39");
	struct pgw_mm *mm = f->mm[0];

	(void)state;
	f->file.want_read_only = true;
	show(f, 0, 100, 0, 10);
	populate(f, 0, 100, 2);
	mm->nr_unflushed = 1;
	f->arena.nr_flushes = 0;
	assert_int_equal(pgw_mapping_unmap(f->file.mapping, 5, 1), 0);
	assert_flushed(f, 105);
	assert_int_equal(pgw_mm_mprotect(mm, 106 * f->page, 107 * f->page, PGW_VMA_READ), 0);
	assert_flushed(f, 106);
	assert_int_equal(fault(f, 0, 107), 0);
	assert_flushed(f, 107);
	/* A frame that comes in the place of another, which may be gone by then. */
	file_forget(&f->file, 1, 1);
	assert_int_equal(pgw_mm_fault(mm, 101 * f->page, PGW_VMA_WRITE), 0);
	assert_flushed(f, 101);
	assert_int_equal(pgw_mm_munmap(mm, 108 * f->page, 109 * f->page), 0);
	assert_flushed(f, 108);
	assert_int_equal(mm->nr_unflushed, 1);
	mm->nr_unflushed = 0;
	/* Nobody: nothing was cleared, nothing is flushed. */
	assert_int_equal(pgw_mapping_unmap(f->file.mapping, 5, 1), 0);
	assert_int_equal(f->arena.nr_flushes, 0);
	fixture_free(f);
}

/* ---- at random ---- */

/* A VMA of the file has this part; it was not seen before. */
static void see_part(struct fixture *f, const struct event *pre, uint64_t first, uint64_t last,
		     uint64_t *pgoff)
{
	const struct pgw_vma *vma = pre->vma;
	uint64_t from = vma->pgoff > first ? vma->pgoff : first;
	uint64_t to = vma->pgoff + (vma->end - vma->start) / f->page - 1;

	to = to < last ? to : last;
	assert_ptr_equal(vma->mapping, f->file.mapping);
	assert_int_equal(pre->addr, vma->start + (from - vma->pgoff) * f->page);
	assert_int_equal(pre->next, vma->start + (to + 1 - vma->pgoff) * f->page);
	assert_true(vma->pgoff >= *pgoff);
	*pgoff = vma->pgoff;
}

/* How many VMAs of all mms show one of the pages, by looking at all. */
static size_t count_parts(struct fixture *f, uint64_t first, uint64_t last)
{
	size_t nr = 0;

	for (size_t i = 0; i < NR_MMS; i++) {
		const struct pgw_vma *vma;

		assert_int_equal(pgw_mmap_read_lock(f->mm[i]), 0);
		for (vma = pgw_vma_find(f->mm[i], 0); vma; vma = pgw_vma_find(f->mm[i], vma->end))
			nr += vma->mapping == f->file.mapping && vma->pgoff <= last &&
			      vma->pgoff + (vma->end - vma->start) / f->page > first;
		assert_int_equal(pgw_mmap_read_unlock(f->mm[i]), 0);
	}
	return nr;
}

static void check_walk(struct fixture *f, uint64_t first, uint64_t nr)
{
	const struct pgw_mm_walk_ops ops = { .pre_vma = record_pre };
	uint64_t pgoff = 0;

	assert_int_equal(walk(f, first, nr, &ops), 0);
	assert_int_equal(f->nr, count_parts(f, first, first + nr - 1));
	for (size_t i = 0; i < f->nr; i++) {
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(f->event[i].vma, f->event[k].vma);
		see_part(f, &f->event[i], first, first + nr - 1, &pgoff);
	}
}

/* Every present entry of the file is a page that is out, and the other way round. */
static void check_pages(struct fixture *f)
{
	const struct pgw_mm_walk_ops ops = { .pte_entry = record_pte };
	long nr = 0;

	assert_int_equal(walk(f, 0, FILE_PAGES, &ops), 0);
	for (size_t i = 0; i < f->nr; i++)
		nr += f->event[i].present;
	assert_int_equal(nr, file_mapped(&f->file));
	for (uint64_t page = pgw_mapping_nr_pages(f->file.mapping); page < FILE_PAGES; page++)
		assert_int_equal(f->file.mapcount[page], 0);
}

static void random_op(struct fixture *f, uint64_t *random)
{
	size_t mm = test_random(random) % NR_MMS;
	uint64_t at = test_random(random) % 100, nr = 1 + test_random(random) % 20;
	uint64_t start = at * f->page, end = (at + nr) * f->page;
	/* Mostly what goes on: page n of the file at page n or n + 40. */
	uint64_t pgoff = test_random(random) % 8 ? at + 40 * (test_random(random) % 2) : nr;
	uint32_t flags = test_random(random) % 3 ? RW : PGW_VMA_READ;

	switch (test_random(random) % 12) {
	case 0:
	case 1:
	case 2:
	case 3:
		try_show(f, mm, at, test_random(random) % 8 ? &f->file : &f->other, pgoff, nr,
			 flags);
		break;
	case 4:
		pgw_mm_munmap(f->mm[mm], start, end);
		break;
	case 5:
		pgw_mm_mprotect(f->mm[mm], start, end, flags);
		break;
	case 6:
		pgw_mm_dontneed(f->mm[mm], start, end);
		break;
	case 7:
		file_forget(&f->file, at, nr);
		assert_int_equal(pgw_mapping_unmap(f->file.mapping, at, nr), 0);
		break;
	case 8:
		file_forget(&f->file, at, FILE_PAGES);
		assert_int_equal(pgw_mapping_truncate(f->file.mapping, at + nr), 0);
		break;
	case 9:
		pgw_mm_fault(f->mm[mm], start, PGW_VMA_WRITE);
		break;
	default:
		pgw_mm_populate(f->mm[mm], start, end);
		break;
	}
}

static void test_mapping__random_operations_agree_with_a_look_at_all(void **state)
{
	static const char *const formats[] = { "x86_64-la48", "arm64-64k", "riscv-sv57" };
	uint64_t random = test_seed();

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct fixture *f = fixture_new(formats[i]);

		f->file.want_read_only = true;
		for (int round = 0; round < 3000; round++) {
			random_op(f, &random);
			check_walk(f, test_random(&random) % 150, 1 + test_random(&random) % 40);
			if (round % 8 == 0)
				check_pages(f);
			if (round % 64 == 0)
				check(f);
		}
		fixture_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapping__wrong_arguments_are_refused),
		cmocka_unit_test(test_mapping__walks_want_the_i_mmap_lock),
		cmocka_unit_test(test_mapping__the_lock_is_taken_once_and_last),
		cmocka_unit_test(test_mapping__a_holder_of_the_lock_changes_no_vma),
		cmocka_unit_test(test_mapping_walk__each_vma_is_clipped_to_the_pages),
		cmocka_unit_test(test_mapping_walk__pages_of_all_mms_are_seen),
		cmocka_unit_test(test_mapping_walk__22_positive_test_ends_the_walk_with_0),
		cmocka_unit_test(test_mapping_walk__large_leaves_are_split_on_the_way),
		cmocka_unit_test(test_mapping__splits_and_merges_are_the_files_too),
		cmocka_unit_test(test_mapping__a_stack_of_a_file_grows_in_it),
		cmocka_unit_test(test_mapping__what_fails_leaves_the_file_as_it_was),
		cmocka_unit_test(test_mapping_fault__the_files_owner_is_asked_for_its_page),
		cmocka_unit_test(test_mapping_fault__what_the_file_does_not_have_is_efault),
		cmocka_unit_test(test_mapping_fault__loses_against_a_truncation_meanwhile),
		cmocka_unit_test(test_mapping_fault__asks_again_if_pages_were_taken_out_meanwhile),
		cmocka_unit_test(test_mapping_fault__a_fault_for_a_right_may_lose_its_page),
		cmocka_unit_test(test_mapping_unmap__pages_go_from_all_vmas_and_tables_stay),
		cmocka_unit_test(test_mapping_truncate__behind_the_end_nothing_is_mapped),
		cmocka_unit_test(
			test_mapping_truncate__a_large_leaf_goes_whole_and_comes_back_small),
		cmocka_unit_test(test_mapping__collapse_keeps_to_one_vma_of_a_file),
		cmocka_unit_test(test_mapping__what_another_cleared_is_flushed_before_the_return),
		cmocka_unit_test(test_mapping__random_operations_agree_with_a_look_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
