/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Translations of a snapshot whose tables are copied: what is remembered of earlier ones never
 * shows but in how much is read. The expectation is pgw_translate_path(), which remembers nothing.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/hosted.h>

#include "common/arena.h"

#define PAGE UINT64_C(4096)
#define TABLE 0x63u /* present, writable, accessed, dirty */
#define LARGE (TABLE | 0x80)
#define LARGE_SPAN (UINT64_C(2) << 20)

/* More lowest tables than blocks, and more stretches than slots: see pt/read/recall.h. */
#define NR_LOWEST 700u
#define NR_MIDDLE 12u
#define NR_STRETCHES (NR_MIDDLE * 512u)
#define NR_TABLES (2 + NR_MIDDLE + NR_LOWEST)

/* A source that cannot be pointed at, and counts. */
struct counted {
	struct pgw_phys phys;
	struct pgw_phys_ops ops;
	struct pgw_phys_memory memory;
	uint64_t nr_reads;   /* atomic */
	uint64_t fails_from; /* physical addresses that cannot be read; 0: none */
};

struct fixture {
	struct pgw_platform platform;
	struct counted source;
	uint64_t *tables;
	uint64_t random;
	int64_t nr_bytes; /* of objects that live; atomic */
	int fail_after;   /* objects; atomic */
	struct pgw_mm *mm;
};

static int counted_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	struct counted *c = (struct counted *)(uintptr_t)phys->ctx;

	__atomic_fetch_add(&c->nr_reads, 1, __ATOMIC_RELAXED);
	if (c->fails_from && pa + len > c->fails_from)
		return -PGW_EIO;
	return pgw_phys_read(&c->memory.phys, pa, buf, len);
}

static bool counted_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *first,
			       uint64_t *last)
{
	const struct counted *c = phys->ctx;

	return c->memory.phys.ops->next_range(&c->memory.phys, pa, first, last);
}

static void *object_alloc(void *ctx, size_t size)
{
	struct fixture *f = ctx;

	if (__atomic_fetch_sub(&f->fail_after, 1, __ATOMIC_RELAXED) == 0)
		return NULL;
	__atomic_fetch_add(&f->nr_bytes, (int64_t)size, __ATOMIC_RELAXED);
	return calloc(1, size);
}

static void object_free(void *ctx, void *object, size_t size)
{
	struct fixture *f = ctx;

	__atomic_fetch_sub(&f->nr_bytes, (int64_t)size, __ATOMIC_RELAXED);
	free(object);
}

static uint64_t lowest_pa(uint64_t random)
{
	return (2 + NR_MIDDLE + random % NR_LOWEST) * PAGE;
}

/* One entry of a middle table: a lowest one, a large leaf, a hole, nonsense. */
static uint64_t middle_entry(struct fixture *f)
{
	uint64_t random = test_random(&f->random);

	switch (random % 16) {
	case 0:
		return 0;
	case 1:
		return (random >> 8) % 1024 * LARGE_SPAN | LARGE;
	case 2:
		return LARGE_SPAN / 2 | LARGE; /* not aligned: malformed */
	default:
		return lowest_pa(random >> 8) | TABLE;
	}
}

static void fill_tables(struct fixture *f)
{
	f->tables[256] = PAGE | TABLE;
	for (unsigned i = 0; i < NR_MIDDLE; i++) {
		uint64_t *middle = f->tables + (2 + i) * 512;

		/* Rights of the levels above differ. */
		f->tables[512 + 7 * i] = (2 + i) * PAGE | (i % 2 ? TABLE : TABLE & ~2u);
		for (unsigned slot = 0; slot < 512; slot++)
			middle[slot] = middle_entry(f);
	}
	for (unsigned i = 0; i < NR_LOWEST; i++) {
		uint64_t *lowest = f->tables + (2 + NR_MIDDLE + i) * 512;

		for (unsigned slot = 0; slot < 512; slot++) {
			uint64_t random = test_random(&f->random);

			lowest[slot] = random % 4
					       ? random % (UINT64_C(1) << 30) / PAGE * PAGE | TABLE
					       : random >> 8 << 1; /* absent, or nothing */
		}
	}
}

static void attach(struct fixture *f)
{
	const struct pgw_mm_attach_args args = {
		.platform = &f->platform,
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = &f->source.phys,
		.region = PGW_REGION_KERNEL,
	};

	pgw_mm_free(f->mm);
	assert_int_equal(pgw_mm_attach(&args, &f->mm), 0);
}

static void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->platform = *pgw_hosted_platform();
	f->platform.ctx = f;
	f->platform.obj_alloc = object_alloc;
	f->platform.obj_free = object_free;
	f->fail_after = -1;
	f->random = test_seed();
	f->tables = aligned_alloc(PAGE, NR_TABLES * PAGE);
	assert_non_null(f->tables);
	memset(f->tables, 0, NR_TABLES * PAGE);
	fill_tables(f);
	assert_int_equal(pgw_phys_memory_init(&f->source.memory, 0, f->tables, NR_TABLES * PAGE),
			 0);
	f->source.ops =
		(struct pgw_phys_ops){ .read = counted_read, .next_range = counted_next_range };
	f->source.phys = (struct pgw_phys){ &f->source.ops, &f->source };
	attach(f);
}

static void fixture_fini(struct fixture *f)
{
	pgw_mm_free(f->mm);
	assert_int_equal(f->nr_bytes, 0);
	free(f->tables);
}

/* An address of the stretch with this number; some lie where no middle table is. */
static uint64_t address_of(unsigned stretch, uint64_t random)
{
	uint64_t giga = stretch / 512 * 7 + (random >> 40) % 64 / 63, large = stretch % 512;

	return UINT64_C(0xffff800000000000) + (giga << 30) + large * LARGE_SPAN +
	       random % LARGE_SPAN;
}

static void assert_same(const struct pgw_translation *a, const struct pgw_translation *b)
{
	/* One assertion: there are a million of these. */
	assert_true(a->kind == b->kind && a->level == b->level && a->leaf_lg2 == b->leaf_lg2 &&
		    a->rights == b->rights && a->pa == b->pa && a->entry == b->entry &&
		    a->va_first == b->va_first && a->va_last == b->va_last);
}

static void check_one(struct pgw_mm *mm, uint64_t va)
{
	struct pgw_translation got, wanted;
	struct pgw_path path;

	assert_int_equal(pgw_translate(mm, va, &got), 0);
	assert_int_equal(pgw_translate_path(mm, va, &wanted, &path), 0);
	assert_same(&got, &wanted);
}

static void check_batch(struct pgw_mm *mm, const uint64_t *va, size_t n)
{
	struct pgw_translation got[64], wanted;
	struct pgw_path path;

	assert_true(n <= 64);
	assert_int_equal(pgw_translate_batch(mm, va, got, n), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pgw_translate_path(mm, va[i], &wanted, &path), 0);
		assert_same(&got[i], &wanted);
	}
}

/* Addresses in rows and in no order, in few stretches and in more than there is place for. */
static void check_many(struct fixture *f, unsigned nr_stretches, unsigned rounds, uint64_t random)
{
	uint64_t va[64];

	for (unsigned round = 0; round < rounds; round++) {
		unsigned n = 1 + (unsigned)(test_random(&random) % 64);
		uint64_t step = test_random(&random) % 2 ? PAGE : 0;

		for (unsigned i = 0; i < n; i++) {
			uint64_t next = test_random(&random);

			va[i] = step && i ? va[i - 1] + step
					  : address_of((unsigned)(next >> 33) % nr_stretches, next);
			check_one(f->mm, va[i]);
		}
		check_batch(f->mm, va, n);
	}
}

static void test_recall__nothing_of_it_shows(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	check_many(&f, 3, 200, test_random(&f.random));
	check_many(&f, 300, 500, test_random(&f.random));
	check_many(&f, NR_STRETCHES, 1000, test_random(&f.random));
	fixture_fini(&f);
}

/* A table that is translated through often is read once, whole, and those above it no more. */
static void test_recall__few_reads_for_many_addresses(void **state)
{
	struct pgw_translation at;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	f.tables[2 * 512 + 5] = lowest_pa(1) | TABLE;
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(pgw_translate(f.mm, address_of(5, 0) + i % 512 * PAGE, &at), 0);
	/* 32 long ways of four items, and the table's 512 items by 64. */
	assert_in_range(f.source.nr_reads, 8, 32 * 4 + 8 + 16);
	fixture_fini(&f);
}

/* One translation is not worth any memory. */
static void test_recall__memory_comes_late_and_is_bounded(void **state)
{
	struct pgw_translation at;
	struct fixture f;
	int64_t bytes;

	(void)state;
	fixture_init(&f);
	bytes = f.nr_bytes;
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(pgw_translate(f.mm, address_of(i, 0), &at), 0);
	assert_int_equal(f.nr_bytes, bytes);
	check_many(&f, NR_STRETCHES, 1000, test_random(&f.random));
	assert_in_range(f.nr_bytes, bytes + (1 << 20), bytes + (3 << 20));
	fixture_fini(&f);
}

/* Each allocation fails in its turn, and all after it. */
static void test_recall__without_memory_it_goes_the_long_way(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (int after = 0; after < 12; after++) {
		f.fail_after = -1;
		attach(&f);
		f.fail_after = after;
		check_many(&f, 40, 40, test_random(&f.random));
	}
	fixture_fini(&f);
}

/* What could not be read is not remembered, and what is beside it is not taken for it. */
static void test_recall__what_cannot_be_read_stays_so(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	/* In the middle of a lowest table. */
	f.source.fails_from = (2 + NR_MIDDLE + NR_LOWEST / 2) * PAGE + 1000;
	check_many(&f, 300, 500, test_random(&f.random));
	/* A source may fail once; a snapshot that can be read again is. */
	f.source.fails_from = 0;
	check_many(&f, 300, 300, test_random(&f.random));
	fixture_fini(&f);
}

struct worker {
	struct fixture *f;
	uint64_t random;
};

static void *work(void *arg)
{
	struct worker *worker = arg;

	/* Slots and blocks are replaced all the time. */
	check_many(worker->f, NR_STRETCHES, 400, worker->random);
	check_many(worker->f, 8, 100, worker->random + 1);
	return NULL;
}

static void test_recall__threads_share_it(void **state)
{
	struct worker workers[4];
	pthread_t threads[4];
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (unsigned i = 0; i < 4; i++) {
		workers[i] = (struct worker){ &f, test_random(&f.random) };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recall__nothing_of_it_shows),
		cmocka_unit_test(test_recall__few_reads_for_many_addresses),
		cmocka_unit_test(test_recall__memory_comes_late_and_is_bounded),
		cmocka_unit_test(test_recall__without_memory_it_goes_the_long_way),
		cmocka_unit_test(test_recall__what_cannot_be_read_stays_so),
		cmocka_unit_test(test_recall__threads_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
