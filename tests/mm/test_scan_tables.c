/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What scans make of single tables. Of one that several entries share they remember the leaves,
 * but the same table under other rights is another one, and bytes that were missing may be there
 * the next time. Of one that memory has a part of they find that part, to the item.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limit.h"

#define P UINT64_C(1)
#define RW UINT64_C(2)
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define SLOTS 512
#define NR_TABLES 5 /* PML4, PDPT, PD, two PTs */
#define TABLE_PA(n) (KIB(64) + (uint64_t)(n)*KIB(4))

#define MAX_FOUND 16

struct scanned {
	struct arena arena;
	struct pgw_phys phys;
	struct pgw_phys_ops ops;
	struct pgw_mm *mm;
	uint64_t tables[NR_TABLES][SLOTS];
	unsigned nr_missing; /* reads of table 3 that fail, from now on */
	/* The bytes that there are, inclusive. */
	uint64_t first, last;
	struct pgw_extent found[MAX_FOUND];
	unsigned nr_found;
	struct pgw_scan_stats stats;
};

static int tables_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	struct scanned *s = phys->ctx;

	if (pa < s->first || pa > s->last || s->last - pa < len - 1)
		return -PGW_EIO;
	if (pa - TABLE_PA(3) < KIB(4) && s->nr_missing) {
		s->nr_missing--;
		return -PGW_EIO;
	}
	memcpy(buf, (char *)s->tables + (pa - TABLE_PA(0)), len);
	return 0;
}

static bool tables_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			      uint64_t *ret_last)
{
	const struct scanned *s = phys->ctx;

	*ret_first = s->first;
	*ret_last = s->last;
	return pa <= *ret_last;
}

/* A user mm whose first GiB has a PD of its own, which the test fills in. */
static struct scanned *scanned_new(void)
{
	struct scanned *s = calloc(1, sizeof(*s));
	struct pgw_mm_attach_args args = { .format = pgw_format_by_name("x86_64-la48"),
					   .region = PGW_REGION_USER };

	assert_non_null(s);
	arena_init(&s->arena, 64 << 10);
	s->ops = (struct pgw_phys_ops){ .read = tables_read, .next_range = tables_next_range };
	s->phys = (struct pgw_phys){ &s->ops, s };
	s->first = TABLE_PA(0);
	s->last = TABLE_PA(NR_TABLES) - 1;
	s->tables[0][0] = TABLE_PA(1) | RW | P;
	s->tables[1][0] = TABLE_PA(2) | RW | P;
	args.platform = &s->arena.platform;
	args.phys = &s->phys;
	args.root.pa = TABLE_PA(0);
	assert_int_equal(pgw_mm_attach(&args, &s->mm), 0);
	return s;
}

static void scanned_free(struct scanned *s)
{
	pgw_mm_free(s->mm);
	arena_fini(&s->arena);
	free(s);
}

static int keep(const struct pgw_extent *extent, void *arg)
{
	struct scanned *s = arg;

	assert_true(s->nr_found < MAX_FOUND);
	s->found[s->nr_found++] = *extent;
	return 0;
}

static void scan(struct scanned *s)
{
	s->nr_found = 0;
	assert_int_equal(pgw_scan(s->mm, 0, MIB(1024) - 1, keep, s, &s->stats), 0);
}

/* Four slots share a table: at the third its leaves are remembered, at the fourth it is read-only. */
static void test_memo__of_a_table_is_for_the_same_rights_only(void **state)
{
	struct scanned *s = scanned_new();

	(void)state;
	s->tables[3][7] = MIB(16) | RW | P;
	for (unsigned i = 0; i < 4; i++)
		s->tables[2][i] = TABLE_PA(3) | P | (i < 3 ? RW : 0);
	scan(s);
	assert_int_equal(s->nr_found, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(s->found[i].va_first, MIB(2) * i + KIB(28));
		assert_int_equal(s->found[i].pa, MIB(16));
		assert_int_equal(s->found[i].rights & PGW_KERNEL_W, i < 3 ? PGW_KERNEL_W : 0);
	}
	scanned_free(s);
}

/* A read that fails twice: what could not be read is looked for each time. */
static void test_memo__has_nothing_that_could_not_be_read(void **state)
{
	struct scanned *s = scanned_new();
	unsigned nr_leaves = 0;

	(void)state;
	s->tables[3][7] = MIB(16) | RW | P;
	for (unsigned i = 0; i < 5; i++)
		s->tables[2][i] = TABLE_PA(3) | RW | P;
	/* A failed read is asked about once, and tried once more. */
	s->nr_missing = 2;
	scan(s);
	for (unsigned i = 0; i < s->nr_found; i++)
		nr_leaves += s->found[i].kind == PGW_ENTRY_LEAF;
	assert_int_equal(s->nr_missing, 0);
	assert_int_equal(s->found[0].kind, PGW_ENTRY_UNREADABLE);
	assert_int_equal(s->stats.nr_leaves, nr_leaves);
	/* One or two slots are unreadable; in the others the leaf is there. */
	assert_in_range(nr_leaves, 3, 4);
	scanned_free(s);
}

/* Two pages side by side, of two tables, in memory as well: one can be written, by its table. */
static void test_scan__joins_no_leaves_of_other_rights(void **state)
{
	struct scanned *s = scanned_new();

	(void)state;
	s->tables[2][0] = TABLE_PA(3) | RW | P;
	s->tables[2][1] = TABLE_PA(4) | P;
	s->tables[3][SLOTS - 1] = MIB(16) | RW | P;
	s->tables[4][0] = (MIB(16) + KIB(4)) | RW | P;
	scan(s);
	assert_int_equal(s->nr_found, 2);
	assert_int_equal(s->found[0].va_last, MIB(2) - 1);
	assert_int_equal(s->found[1].va_first, MIB(2));
	assert_true(s->found[0].rights & PGW_KERNEL_W);
	assert_false(s->found[1].rights & PGW_KERNEL_W);
	/* With the same rights they are one. */
	s->tables[2][1] |= RW;
	scan(s);
	assert_int_equal(s->nr_found, 1);
	scanned_free(s);
}

/* Memory ends inside item 5 of a table: five leaves, and all else cannot be read. */
static void test_scan__of_a_table_ends_where_memory_does(void **state)
{
	struct scanned *s = scanned_new();

	(void)state;
	s->tables[2][0] = TABLE_PA(4) | RW | P;
	for (unsigned i = 0; i < 7; i++)
		s->tables[4][i] = (MIB(16) + i * KIB(4)) | RW | P;
	s->last = TABLE_PA(4) + 5 * 8 + 2;
	scan(s);
	assert_int_equal(s->nr_found, 2);
	assert_int_equal(s->found[0].kind, PGW_ENTRY_LEAF);
	assert_int_equal(s->found[0].va_last, KIB(20) - 1);
	assert_int_equal(s->found[1].kind, PGW_ENTRY_UNREADABLE);
	assert_int_equal(s->found[1].va_first, KIB(20));
	assert_int_equal(s->found[1].va_last, MIB(2) - 1);
	scanned_free(s);
}

/* Memory begins with item 4 of a root, or inside it: what is whole is found, and no less. */
static void test_scan__of_a_table_begins_where_memory_does(void **state)
{
	(void)state;
	for (unsigned inside = 0; inside < 2; inside++) {
		struct scanned *s = scanned_new();
		uint64_t first = inside ? UINT64_C(5) << 39 : UINT64_C(4) << 39;
		const struct pgw_region *region = pgw_mm_region(s->mm);

		for (unsigned i = 0; i < 8; i++)
			s->tables[0][i] = TABLE_PA(1) | RW | P;
		s->tables[1][0] = UINT64_C(7) << 30 | 0x80 | RW | P; /* a leaf of 1 GiB */
		s->first = TABLE_PA(0) + 4 * 8 + inside;
		assert_int_equal(pgw_scan(s->mm, region->first, region->last, keep, s, &s->stats),
				 0);
		assert_int_equal(s->nr_found, inside ? 4 : 5);
		assert_int_equal(s->found[0].kind, PGW_ENTRY_UNREADABLE);
		assert_int_equal(s->found[0].va_first, 0);
		assert_int_equal(s->found[0].va_last, first - 1);
		assert_int_equal(s->found[1].kind, PGW_ENTRY_LEAF);
		assert_int_equal(s->found[1].va_first, first);
		scanned_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memo__of_a_table_is_for_the_same_rights_only),
		cmocka_unit_test(test_memo__has_nothing_that_could_not_be_read),
		cmocka_unit_test(test_scan__joins_no_leaves_of_other_rights),
		limited_unit_test(test_scan__of_a_table_ends_where_memory_does),
		cmocka_unit_test(test_scan__of_a_table_begins_where_memory_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
