/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a cursor remembers never shows: it says what pgw_translate() says, whatever happened since its last
 * use, and wants the lock that pgw_translate() wants. That it does so for all kinds of tables is
 * tested where these are (common/ways.h).
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/hosted.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/ways.h"

#define USER_RW (PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W)
#define KERNEL_RW (PGW_KERNEL_R | PGW_KERNEL_W)

struct fixture {
	struct arena arena;
	const struct pgw_format *format;
	struct pgw_mm *mm;
	struct pgw_translate_cursor cursor;
	uint64_t va, span; /* what a lowest table maps, and how much that is */
};

static void fixture_init(struct fixture *f, const struct pgw_format *format,
			 enum pgw_region_kind region)
{
	struct pgw_mm_new_args args = { .format = format, .region = region };
	uint64_t first, last;

	memset(f, 0, sizeof(*f));
	arena_init(&f->arena, 16 << 20);
	args.platform = &f->arena.platform;
	f->format = format;
	f->span = BIT(pgw_format_geometry(format)->span_lg2[1]);
	pgw_format_region_range(format, region, &first, &last);
	f->va = first + 3 * f->span;
	assert_int_equal(pgw_mm_new(&args, &f->mm), 0);
	assert_int_equal(pgw_translate_cursor_init(&f->cursor, f->mm), 0);
}

static void fixture_fini(struct fixture *f)
{
	pgw_mm_free(f->mm);
	arena_fini(&f->arena);
}

/* A lowest table's leaves in a row, to be collapsed into one. */
static void map_small(struct fixture *f, uint64_t va, uint64_t pa, uint8_t rights)
{
	const struct pgw_map_args args = {
		.first = va,
		.last = va + f->span - 1,
		.pa = pa,
		.rights = rights,
		.sizes = BIT(pgw_format_geometry(f->format)->granule_lg2),
	};

	assert_int_equal(pgw_mm_map(f->mm, &args), 0);
}

static void expect(struct fixture *f, uint64_t va, uint64_t pa, unsigned level)
{
	struct pgw_translation at;

	assert_true(ways_agree(f->mm, &f->cursor, va, &at));
	assert_int_equal(at.kind, PGW_ENTRY_LEAF);
	assert_true(at.pa == pa);
	assert_int_equal(at.level, level);
}

static void expect_nothing(struct fixture *f, uint64_t va)
{
	struct pgw_translation at;

	assert_true(ways_agree(f->mm, &f->cursor, va, &at));
	assert_int_equal(at.kind, PGW_ENTRY_EMPTY);
}

/* A table that the cursor stands on goes, and its memory comes back as another's. */
static void check_gone(const struct pgw_format *format)
{
	const uint8_t span_lg2 = (uint8_t)pgw_format_geometry(format)->span_lg2[1];
	struct fixture f;
	uint64_t pa;

	fixture_init(&f, format, PGW_REGION_USER);
	pa = 8 * f.span;
	assert_int_equal(pgw_mmap_write_lock(f.mm), 0);
	map_small(&f, f.va, pa, USER_RW);
	expect(&f, f.va + 5, pa + 5, 0);
	assert_int_equal(pgw_mm_collapse(f.mm, f.va, span_lg2), 0);
	pgw_reclaim_barrier(&f.arena.platform);
	map_small(&f, f.va + f.span, 2 * pa, USER_RW);
	expect(&f, f.va + 5, pa + 5, 1);
	expect(&f, f.va + f.span + 5, 2 * pa + 5, 0);
	assert_int_equal(pgw_mm_split(f.mm, f.va, f.va + f.span - 1, (uint8_t)(span_lg2 - 1)), 0);
	assert_int_equal(pgw_mm_unmap(f.mm, f.va, f.va + f.span - 1, PGW_UNMAP_SPLIT), 0);
	expect_nothing(&f, f.va + 5);
	expect(&f, f.va + f.span + 5, 2 * pa + 5, 0);
	assert_int_equal(pgw_mmap_write_unlock(f.mm), 0);
	assert_int_equal(f.arena.nr_violations, 0);
	fixture_fini(&f);
}

static void test_cursor__forgets_tables_that_are_gone(void **state)
{
	const struct pgw_format *format;

	(void)state;
	for (size_t i = 0; (format = test_editable_format(i)) != NULL; i++)
		check_gone(format);
}

/* How the lock may be held: as for pgw_translate(). */
static void check_lock(struct fixture *f, bool may_read)
{
	struct pgw_translation at;

	expect(f, f->va, 8 * f->span, 0);
	assert_int_equal(pgw_mmap_write_downgrade(f->mm), 0);
	assert_int_equal(pgw_translate_by(&f->cursor, f->va, &at), may_read ? 0 : -PGW_EPERM);
	assert_int_equal(f->arena.nr_violations, may_read ? 0 : 1);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	f->arena.nr_violations = 0;
	assert_int_equal(pgw_translate_by(&f->cursor, f->va, &at), -PGW_EPERM);
	assert_int_equal(f->arena.nr_violations, 1);
	assert_string_equal(f->arena.violation.function, "pgw_translate_by");
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	f->arena.nr_violations = 0;
	assert_int_equal(pgw_translate_by(&f->cursor, f->va, &at), may_read ? 0 : -PGW_EPERM);
	assert_int_equal(f->arena.nr_violations, may_read ? 0 : 1);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
}

/* The lock is in another of the thread's slots than before. */
static void check_slots(struct fixture *f)
{
	struct pgw_mm_new_args args = { .platform = &f->arena.platform,
					.format = f->format,
					.region = PGW_REGION_USER };
	struct pgw_mm *other;

	assert_int_equal(pgw_mm_new(&args, &other), 0);
	assert_int_equal(pgw_mmap_read_lock(other), 0);
	assert_int_equal(pgw_mmap_write_trylock(f->mm), 0);
	expect(f, f->va + 1, 8 * f->span + 1, 0);
	assert_int_equal(pgw_mmap_read_unlock(other), 0);
	expect(f, f->va + 2, 8 * f->span + 2, 0);
	assert_int_equal(pgw_mmap_write_unlock(f->mm), 0);
	assert_int_equal(f->arena.nr_violations, 0);
	pgw_mm_free(other);
}

static void test_cursor__wants_the_lock(void **state)
{
	static const enum pgw_region_kind regions[] = { PGW_REGION_USER, PGW_REGION_KERNEL };
	struct fixture f;

	(void)state;
	for (unsigned i = 0; i < PGW_ARRAY_SIZE(regions); i++) {
		bool is_kernel = regions[i] == PGW_REGION_KERNEL;

		fixture_init(&f, pgw_format_by_name("x86_64-la48"), regions[i]);
		assert_int_equal(pgw_mmap_write_lock(f.mm), 0);
		map_small(&f, f.va, 8 * f.span, is_kernel ? KERNEL_RW : USER_RW);
		check_lock(&f, is_kernel);
		f.arena.nr_violations = 0;
		check_slots(&f);
		fixture_fini(&f);
	}
}

static void test_cursor__knows_addresses_that_are_not_its_mm_s(void **state)
{
	struct pgw_translate_cursor cursor;
	struct pgw_translation at;
	struct fixture f;

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"), PGW_REGION_KERNEL);
	assert_int_equal(pgw_translate_cursor_init(NULL, f.mm), -PGW_EINVAL);
	assert_int_equal(pgw_translate_cursor_init(&cursor, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_mmap_write_lock(f.mm), 0);
	map_small(&f, f.va, 8 * f.span, KERNEL_RW);
	expect(&f, f.va, 8 * f.span, 0);
	assert_int_equal(pgw_translate_by(&f.cursor, f.va, NULL), -PGW_EINVAL);
	assert_int_equal(pgw_translate_by(NULL, f.va, &at), -PGW_EINVAL);
	/* The user's half is another mm's. */
	assert_int_equal(pgw_translate_by(&f.cursor, 0x1000, &at), -PGW_EINVAL);
	assert_int_equal(pgw_translate_by(&f.cursor, UINT64_C(1) << 50, &at), 0);
	assert_int_equal(at.kind, PGW_ENTRY_NONCANONICAL);
	expect(&f, f.va, 8 * f.span, 0);
	/* A copy knows what it knew, and goes its own way. */
	cursor = f.cursor;
	expect_nothing(&f, f.va + 7 * f.span);
	assert_int_equal(pgw_translate_by(&cursor, f.va + 3, &at), 0);
	assert_true(at.pa == 8 * f.span + 3);
	assert_int_equal(pgw_mmap_write_unlock(f.mm), 0);
	fixture_fini(&f);
}

/* ---- several threads, each with a cursor ---- */

#define NR_THREADS 4
#define NR_ROUNDS 300
#define RACE_SPAN (UINT64_C(2) << 20)
#define RACE_VA (16 * RACE_SPAN)
#define RACE_PA (32 * RACE_SPAN)

struct racer {
	struct pgw_mm *mm;
	bool changes;
	uint64_t random;
	unsigned nr_wrong;
};

/* The same leaves in one piece or in many: the table comes and goes, what is mapped stays. */
static void change(struct racer *r)
{
	r->nr_wrong += pgw_mm_collapse(r->mm, RACE_VA, 21) != 0;
	if (test_random(&r->random) % 2)
		r->nr_wrong += pgw_mm_split(r->mm, RACE_VA, RACE_VA + RACE_SPAN - 1, 12) != 0;
}

/* Of what is mapped always: it is there, at its place, however large its leaf is just now. */
static void look(struct racer *r, struct pgw_translate_cursor *cursor)
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t offset = test_random(&r->random) % (2 * RACE_SPAN);
		struct pgw_translation at;

		r->nr_wrong += !ways_agree(r->mm, cursor, RACE_VA + offset, &at) ||
			       at.kind != PGW_ENTRY_LEAF || at.pa != RACE_PA + offset;
	}
}

static void *race(void *arg)
{
	struct pgw_translate_cursor cursor;
	struct racer *r = arg;

	/* Kept over all rounds, while others have the lock. */
	r->nr_wrong += pgw_translate_cursor_init(&cursor, r->mm) != 0;
	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		r->nr_wrong += pgw_mmap_write_lock(r->mm) != 0;
		if (r->changes && i % 4 == 0)
			change(r);
		look(r, &cursor);
		r->nr_wrong += pgw_mmap_write_unlock(r->mm) != 0;
	}
	return NULL;
}

static void run_race(struct pgw_mm *mm, bool changes)
{
	struct racer racers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < NR_THREADS; i++) {
		racers[i] = (struct racer){ mm, changes, seed + i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(racers[i].nr_wrong, 0);
	}
}

static struct pgw_mm *race_mm(void)
{
	const struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					      .format = pgw_format_by_name("x86_64-la48"),
					      .region = PGW_REGION_USER };
	const struct pgw_map_args map = { .first = RACE_VA,
					  .last = RACE_VA + 2 * RACE_SPAN - 1,
					  .pa = RACE_PA,
					  .rights = USER_RW,
					  .sizes = BIT(12) };
	struct pgw_mm *mm;

	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	assert_int_equal(pgw_mm_map(mm, &map), 0);
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	return mm;
}

static void test_cursor__threads_change_the_tables_of_others(void **state)
{
	struct pgw_mm *mm = race_mm();

	(void)state;
	run_race(mm, true);
	pgw_mm_free(mm);
}

/* All memory of the process is the source: where the owner's tables are. */
static int process_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	(void)phys;
	memcpy(buf, (const void *)(uintptr_t)pa, len);
	return 0;
}

static bool process_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *first,
			       uint64_t *last)
{
	(void)phys, (void)pa;
	*first = 0;
	*last = UINT64_MAX >> 12;
	return true;
}

/* A snapshot's copies are shared by all its cursors. */
static void test_cursor__threads_share_a_snapshot(void **state)
{
	static const struct pgw_phys_ops ops = { .read = process_read,
						 .next_range = process_next_range };
	const struct pgw_phys phys = { &ops, NULL };
	struct pgw_mm *owned = race_mm(), *mm;
	const struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform(),
						 .format = pgw_format_by_name("x86_64-la48"),
						 .phys = &phys,
						 .root = pgw_mm_root(owned),
						 .region = PGW_REGION_USER };

	(void)state;
	if (sizeof(void *) < 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		skip();
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	run_race(mm, false);
	pgw_mm_free(mm);
	pgw_mm_free(owned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursor__forgets_tables_that_are_gone),
		cmocka_unit_test(test_cursor__wants_the_lock),
		cmocka_unit_test(test_cursor__knows_addresses_that_are_not_its_mm_s),
		cmocka_unit_test(test_cursor__threads_change_the_tables_of_others),
		cmocka_unit_test(test_cursor__threads_share_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
