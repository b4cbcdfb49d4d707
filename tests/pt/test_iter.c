/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * pt_iter meets the items that are not nothing, in the format's own width and order, and says
 * which slots cannot be read; whether tables are pointed at or copied.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/format.h>
#include <pagewalk/phys.h>

#include "base/bits.h"
#include "pt/read/iter.h"

#define TABLE_PA UINT64_C(0x10000)

/* A table of 4 KiB, of which the first bytes are there. */
struct fixture {
	_Alignas(8) uint8_t bytes[4096];
	struct pgw_phys_memory memory;
	struct pt pt;
};

static void fixture_init(struct fixture *f, const char *format, uint64_t size)
{
	memset(f->bytes, 0, sizeof(f->bytes));
	assert_int_equal(pgw_phys_memory_init(&f->memory, TABLE_PA, f->bytes, size), 0);
	pt_reader_init(&f->pt, &f->memory.phys, pgw_format_by_name(format), NULL);
}

/* Let the table be pointed at. */
static void fixture_prepare(struct fixture *f)
{
	f->pt.root_pa = TABLE_PA;
	f->pt.region = pgw_format_regions(f->pt.format)[0];
	pt_prepare(&f->pt);
	assert_true(pt_is_near(&f->pt, TABLE_PA, f->memory.size));
}

static void assert_next(struct pt_iter *it, unsigned slot, uint64_t entry)
{
	assert_true(pt_iter_next(it));
	assert_int_equal(it->nr_unreadable, 0);
	assert_int_equal(it->slot, slot);
	assert_int_equal(it->entry, entry);
}

static void check_x86(struct fixture *f)
{
	uint64_t items[512] = {
		[0] = 0x2003, [63] = 0x3003, [64] = 0x83, [300] = 0x4003, [511] = 0x5003
	};
	struct pgw_entry entry;
	struct pt_iter it;

	memcpy(f->bytes, items, sizeof(items));
	pt_iter_begin(&it, &f->pt, TABLE_PA, 1, 0, 512);
	assert_next(&it, 0, 0x2003);
	pt_iter_decode(&it, &entry);
	assert_int_equal(entry.kind, PGW_ENTRY_TABLE);
	assert_int_equal(entry.pa, 0x2000);
	assert_next(&it, 63, 0x3003);
	assert_next(&it, 64, 0x83);
	pt_iter_decode(&it, &entry);
	assert_int_equal(entry.kind, PGW_ENTRY_LEAF);
	assert_next(&it, 300, 0x4003);
	assert_next(&it, 511, 0x5003);
	assert_false(pt_iter_next(&it));
	assert_false(pt_iter_next(&it));
	/* Only some of the slots. */
	pt_iter_begin(&it, &f->pt, TABLE_PA, 1, 1, 299);
	assert_next(&it, 63, 0x3003);
	assert_next(&it, 64, 0x83);
	assert_false(pt_iter_next(&it));
	pt_iter_begin(&it, &f->pt, TABLE_PA, 1, 300, 1);
	assert_next(&it, 300, 0x4003);
	assert_false(pt_iter_next(&it));
	pt_iter_begin(&it, &f->pt, TABLE_PA, 1, 300, 0);
	assert_false(pt_iter_next(&it));
}

static void test_iter__meets_what_is_there_copied(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, "x86_64-la48", sizeof(f.bytes));
	check_x86(&f);
}

static void test_iter__meets_what_is_there_in_place(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, "x86_64-la48", sizeof(f.bytes));
	fixture_prepare(&f);
	check_x86(&f);
}

/* Slots that are missing are one answer, and those before them are met. */
static void test_iter__says_which_slots_are_missing(void **state)
{
	const uint64_t item = 0x2003;
	struct fixture f;

	(void)state;
	for (int is_prepared = 0; is_prepared < 2; is_prepared++) {
		struct pt_iter it;

		fixture_init(&f, "x86_64-la48", 100 * sizeof(uint64_t));
		memcpy(f.bytes + 99 * sizeof(item), &item, sizeof(item));
		if (is_prepared)
			fixture_prepare(&f);
		pt_iter_begin(&it, &f.pt, TABLE_PA, 3, 0, 512);
		assert_next(&it, 99, item);
		assert_true(pt_iter_next(&it));
		assert_int_equal(it.slot, 100);
		assert_int_equal(it.nr_unreadable, 412);
		assert_false(pt_iter_next(&it));
	}
}

#define HOLE_FIRST (TABLE_PA + 800)
#define HOLE_END (TABLE_PA + 1600)

static int holed_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	if (pa < TABLE_PA || pa + len > TABLE_PA + 4096 || (pa < HOLE_END && pa + len > HOLE_FIRST))
		return -PGW_EIO;
	memcpy(buf, (const uint8_t *)phys->ctx + (pa - TABLE_PA), len);
	return 0;
}

static bool holed_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			     uint64_t *ret_last)
{
	(void)phys;
	*ret_first = pa < HOLE_FIRST ? TABLE_PA : HOLE_END;
	*ret_last = pa < HOLE_FIRST ? HOLE_FIRST - 1 : TABLE_PA + 4095;
	return pa < TABLE_PA + 4096;
}

/* ... and those behind them are met, from the first one on. */
static void test_iter__goes_on_behind_missing_slots(void **state)
{
	static const struct pgw_phys_ops ops = { .read = holed_read,
						 .next_range = holed_next_range };
	uint64_t items[512] = { [99] = 0x2003, [100] = 0x3003, [199] = 0x3003, [200] = 0x4003 };
	const struct pgw_phys phys = { .ops = &ops, .ctx = items };
	struct pt_iter it;
	struct pt pt;

	(void)state;
	pt_reader_init(&pt, &phys, pgw_format_by_name("x86_64-la48"), NULL);
	pt_iter_begin(&it, &pt, TABLE_PA, 3, 0, 512);
	assert_next(&it, 99, 0x2003);
	assert_true(pt_iter_next(&it));
	assert_int_equal(it.slot, 100);
	assert_int_equal(it.nr_unreadable, 100);
	assert_int_equal(it.entry, 0);
	assert_next(&it, 200, 0x4003);
	assert_false(pt_iter_next(&it));
}

/* Items of four bytes, and one of an order that may not be the host's, where 0 is a leaf. */
static void test_iter__loads_items_as_the_format_has_them(void **state)
{
	static const uint8_t i386_item[] = { 0x67, 0x50, 0x34, 0x12 };
	static const uint8_t s390x_items[] = {
		0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x04, 0
	};
	struct pgw_entry entry;
	struct pt_iter it;
	struct fixture f;

	(void)state;
	fixture_init(&f, "i386", sizeof(f.bytes));
	memcpy(f.bytes + 1000 * sizeof(i386_item), i386_item, sizeof(i386_item));
	pt_iter_begin(&it, &f.pt, TABLE_PA, 0, 0, 1024);
	assert_next(&it, 1000, 0x12345067);
	assert_false(pt_iter_next(&it));

	fixture_init(&f, "s390x-53", sizeof(f.bytes));
	memcpy(f.bytes, s390x_items, sizeof(s390x_items));
	pt_iter_begin(&it, &f.pt, TABLE_PA, 0, 0, 3);
	assert_next(&it, 0, 0x4000);
	assert_next(&it, 1, 0x400); /* invalid, and nothing */
	pt_iter_decode(&it, &entry);
	assert_int_equal(entry.kind, PGW_ENTRY_EMPTY);
	assert_next(&it, 2, 0); /* the frame at 0 */
	pt_iter_decode(&it, &entry);
	assert_int_equal(entry.kind, PGW_ENTRY_LEAF);
	assert_false(pt_iter_next(&it));
}

/* What two comparisons say of a table is what the whole decoding says. */
static void test_iter__tables_are_those_of_decoding(void **state)
{
	static const char *const names[] = { "x86_64-la48",       "riscv-sv48",       "arm64-4k-48",
					     "arm64-16k-52-lpa2", "arm64-64k-52-lpa", "amdvi-4" };
	/* Low bytes of tables and leaves of these formats. */
	static const uint8_t low[] = { 0x01, 0x03, 0x41, 0x63, 0x67, 0x83, 0xcf };
	struct fixture f;

	(void)state;
	srand(1);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		unsigned nr_tables = 0;
		struct pt_iter it;

		fixture_init(&f, names[i], sizeof(f.bytes));
		for (size_t at = 0; at < sizeof(f.bytes); at++)
			f.bytes[at] = at % 8 ? (uint8_t)(rand() % 3 ? 0 : rand())
					     : low[rand() % (int)sizeof(low)];
		fixture_prepare(&f);
		pt_iter_begin(&it, &f.pt, TABLE_PA, 1, 0, 512);
		while (pt_iter_next(&it)) {
			struct pgw_entry entry;
			unsigned level = 1;
			uint64_t pa = 0;
			bool is_table = pt_iter_table(&it, &pa, &level);

			pt_iter_decode(&it, &entry);
			/* A malformed one is passed over only by decoding. */
			if (entry.kind == PGW_ENTRY_MALFORMED)
				continue;
			assert_int_equal(is_table, entry.kind == PGW_ENTRY_TABLE);
			if (is_table) {
				assert_int_equal(pa, entry.pa);
				assert_int_equal(level, entry.table_level);
			}
			nr_tables += is_table;
		}
		assert_true(nr_tables > 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iter__meets_what_is_there_copied),
		cmocka_unit_test(test_iter__meets_what_is_there_in_place),
		cmocka_unit_test(test_iter__says_which_slots_are_missing),
		cmocka_unit_test(test_iter__goes_on_behind_missing_slots),
		cmocka_unit_test(test_iter__loads_items_as_the_format_has_them),
		cmocka_unit_test(test_iter__tables_are_those_of_decoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
