/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Radix-tree entries against the Power ISA, Book III "Radix Tree Translation": single entries from
 * a table, rights by brute force over every combination of the bits that could matter. The
 * manual's bit n is our 63 - n.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define MANUAL_BIT(n) BIT(63 - (n))
#define V MANUAL_BIT(0)
#define L MANUAL_BIT(1)
#define R MANUAL_BIT(55)
#define C MANUAL_BIT(56)
#define ATT(n) ((uint64_t)(n) << (63 - 59))
#define PRIVILEGED MANUAL_BIT(60)
#define READ MANUAL_BIT(61)
#define READ_WRITE MANUAL_BIT(62)
#define EXECUTE MANUAL_BIT(63)
#define NLS(n) ((uint64_t)(n))

/* The two formats differ in lowest tables alone: sizes of pages there, and items. */
static const struct row {
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa; /* of 4 KiB pages; those of 64 KiB lack the lowest bits */
	uint8_t size_lg2;
} rows[] = {
	/* nothing counts without V */
	{ 0, 0, PGW_ENTRY_EMPTY, 0, 0 },
	{ 0, 3, PGW_ENTRY_EMPTY, 0, 0 },
	{ L, 0, PGW_ENTRY_ABSENT, 0, 0 },
	{ L | 0x12345000 | R | C | READ, 0, PGW_ENTRY_ABSENT, 0, 0 },
	{ NLS(9) | 0x12345000, 1, PGW_ENTRY_ABSENT, 0, 0 },
	/* a page table entry: L; an EAA of 0 is a page that nobody may use */
	{ V | L | 0x12345000, 0, PGW_ENTRY_LEAF, 0x12345000, 12 },
	{ V | L | BITS(56, 12), 0, PGW_ENTRY_LEAF, BITS(56, 12), 12 },
	/* reserved and software's: 2 to 6, 52 to 54, 57 */
	{ V | L | BITS(61, 57) | BITS(11, 9) | BIT(6) | 0x12345000, 0, PGW_ENTRY_LEAF, 0x12345000,
	  12 },
	/* no directory below the fourth level, no leaf in the root */
	{ V | 0x12345000 | NLS(9), 0, PGW_ENTRY_MALFORMED, 0, 0 },
	{ V | 0x12345000 | NLS(5), 0, PGW_ENTRY_MALFORMED, 0, 0 },
	{ V | L, 3, PGW_ENTRY_MALFORMED, 0, 0 },
	/* larger pages: what is below their size does not count */
	{ V | L | 0x123fff000, 1, PGW_ENTRY_LEAF, 0x123e00000, 21 },
	{ V | L | 0x1fffff000, 2, PGW_ENTRY_LEAF, 0x1c0000000, 30 },
	/* a directory entry: its table is aligned to its size, 2^(NLS + 3) */
	{ V | 0x12345000 | NLS(9), 2, PGW_ENTRY_TABLE, 0x12345000, 0 },
	{ V | 0x12345f00 | NLS(9), 2, PGW_ENTRY_TABLE, 0x12345000, 0 },
	{ V | 0x12345000 | NLS(9), 3, PGW_ENTRY_TABLE, 0x12345000, 0 },
	{ V | BITS(61, 60) | BITS(7, 5) | 0x12345000 | NLS(9), 3, PGW_ENTRY_TABLE, 0x12345000, 0 },
	/* sizes that no CPU supports there */
	{ V | 0x12345000 | NLS(5), 2, PGW_ENTRY_MALFORMED, 0, 0 },
	{ V | 0x12345000 | NLS(5), 3, PGW_ENTRY_MALFORMED, 0, 0 },
	{ V | 0x12345000 | NLS(13), 3, PGW_ENTRY_MALFORMED, 0, 0 },
	{ V | 0x12345000, 2, PGW_ENTRY_MALFORMED, 0, 0 },
	{ V | 0x12345000 | NLS(31), 1, PGW_ENTRY_MALFORMED, 0, 0 },
	/* addresses that are wider than a leaf's can be */
	{ V | BIT(57) | NLS(9), 2, PGW_ENTRY_MALFORMED, 0, 0 },
	{ V | BIT(59) | NLS(9), 3, PGW_ENTRY_MALFORMED, 0, 0 },
};

static const char *const names[] = { "ppc64-radix", "ppc64-radix-4k" };

static void test_ppc64_decode__rows_of_the_manual(void **state)
{
	const struct pgw_control unknown = { 0 };

	(void)state;
	for (size_t i = 0; i < 2 * PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i / 2];
		const struct pgw_format *format = pgw_format_by_name(names[i % 2]);
		struct pgw_control control = pgw_control_assume(format, &unknown);
		uint8_t size_lg2 = row->size_lg2 == 12 && i % 2 == 0 ? 16 : row->size_lg2;
		uint64_t pa = row->size_lg2 == 12 ? row->pa & ~low_bits(size_lg2) : row->pa;
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != pa || got.size_lg2 != size_lg2)
			fail_msg("row %zu: kind %d pa %#llx size 2^%u", i / 2, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

/* The one entry whose meaning the page size decides: a lowest table of 2^5 or of 2^9 items. */
static void test_ppc64_decode__a_lowest_table_has_one_size(void **state)
{
	const struct pgw_control unknown = { 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct pgw_format *format = pgw_format_by_name(names[i % 2]);
		struct pgw_control control = pgw_control_assume(format, &unknown);
		unsigned nls = i / 2 ? 9 : 5;
		struct pgw_entry got;

		pgw_entry_decode(format, &control, V | 0x12345f00 | nls, 1, &got);
		if (i % 2 != i / 2) {
			assert_int_equal(got.kind, PGW_ENTRY_MALFORMED);
			continue;
		}
		assert_int_equal(got.kind, PGW_ENTRY_TABLE);
		assert_int_equal(got.pa, i / 2 ? 0x12345000 : 0x12345f00);
		assert_int_equal(got.slot_last, (1u << nls) - 1);
	}
}

static void test_ppc64_decode__an_address_is_no_wider_than_the_machines(void **state)
{
	struct pgw_control control = { .pa_bits = 51 };
	const struct pgw_format *format = pgw_format_by_name("ppc64-radix");
	struct pgw_entry got;

	(void)state;
	control = pgw_control_assume(format, &control);
	pgw_entry_decode(format, &control, V | L | BIT(50), 0, &got);
	assert_int_equal(got.kind, PGW_ENTRY_LEAF);
	pgw_entry_decode(format, &control, V | L | BIT(51), 0, &got);
	assert_int_equal(got.kind, PGW_ENTRY_MALFORMED);
	pgw_entry_decode(format, &control, V | BIT(51) | NLS(9), 2, &got);
	assert_int_equal(got.kind, PGW_ENTRY_MALFORMED);
}

/* "Encoded Access Authority", "Virtual Storage Protection": AMR permissive, IAMR as given. */
static unsigned rights_by_the_manual(uint64_t entry, bool has_kuep)
{
	bool may_execute = (entry & EXECUTE) && (entry & ATT(3)) != ATT(2);
	unsigned rights = 0;

	if (entry & (READ | READ_WRITE))
		rights |= PGW_KERNEL_R | PGW_USER_R;
	if (entry & READ_WRITE)
		rights |= PGW_KERNEL_W | PGW_USER_W;
	if (may_execute)
		rights |= PGW_KERNEL_X | PGW_USER_X;
	if (entry & PRIVILEGED)
		return rights & (PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X);
	return has_kuep ? rights & ~(unsigned)PGW_KERNEL_X : rights;
}

static void check_rights(struct chain *chain, unsigned leaf_level, unsigned i, bool is_64k)
{
	struct pgw_control known = { .known = PGW_CTL_PPC64_KUEP };
	uint64_t entry = V | L | (i & (ATT(3) | PRIVILEGED | READ | READ_WRITE | EXECUTE));
	struct pgw_translation got;

	known.set = i & 64 ? PGW_CTL_PPC64_KUEP : 0;
	for (unsigned level = leaf_level; level < 4; level++) {
		if (level == leaf_level)
			chain_put(chain, level, entry, level ? 0 : CHAIN_PAGE);
		else
			chain_put(chain, level, V | NLS(level == 1 && is_64k ? 5 : 9),
				  CHAIN_TABLE(level - 1));
	}
	got = chain_translate(chain, &known);
	assert_int_equal(got.kind, PGW_ENTRY_LEAF);
	assert_int_equal(got.level, leaf_level);
	assert_int_equal(got.rights, rights_by_the_manual(entry, i & 64));
}

static void test_ppc64_rights__every_combination_at_every_level(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2 * PGW_ARRAY_SIZE(names); k++) {
		struct chain chain;

		chain_init(&chain, names[k / 2], k % 2 ? PGW_REGION_USER : PGW_REGION_KERNEL);
		for (unsigned leaf_level = 0; leaf_level < 3; leaf_level++) {
			for (unsigned i = 0; i < 128; i++)
				check_rights(&chain, leaf_level, i, k < 2);
		}
	}
}

static void test_ppc64_memory_type__is_att(void **state)
{
	static const char *const types[] = { NULL, "sao", "io", "io-tolerant" };
	const struct pgw_format *format = pgw_format_by_name("ppc64-radix");
	const struct pgw_control control = { 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const char *got = pgw_format_memory_type(format, &control, V | L | ATT(i), 0);

		if (types[i])
			assert_string_equal(got, types[i]);
		else
			assert_null(got);
	}
}

/* Quadrants 0 and 3, 52 bits of each; the kernel's has a root of its own, which is process 0's. */
static void test_ppc64_regions__are_two_quadrants(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		const struct pgw_format *format = pgw_format_by_name(names[i]);
		const struct pgw_region *region = pgw_format_regions(format);

		assert_int_equal(region[0].first, 0);
		assert_int_equal(region[0].last, 0xfffffffffffff);
		assert_int_equal(region[1].first, 0xc000000000000000);
		assert_int_equal(region[1].last, 0xc00fffffffffffff);
		assert_int_equal(region[1].root, 1);
		assert_null(region[2].name);
		assert_null(pgw_format_region_of(format, 0x0010000000000000));
		assert_null(pgw_format_region_of(format, 0x4000000000000000));
		assert_null(pgw_format_region_of(format, 0x8000000000000000));
		assert_null(pgw_format_region_of(format, 0xc010000000000000));
	}
	assert_ptr_equal(pgw_format_by_name("ppc64-radix-64k"), pgw_format_by_name("ppc64-radix"));
}

static void test_ppc64_control__unknown_bits_are_assumed(void **state)
{
	const struct pgw_control none = { 0 };
	struct pgw_control got = pgw_control_assume(pgw_format_by_name("ppc64-radix"), &none);

	(void)state;
	assert_int_equal(got.set, PGW_CTL_PPC64_KUEP);
	assert_int_equal(got.pa_bits, 57);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ppc64_decode__rows_of_the_manual),
		cmocka_unit_test(test_ppc64_decode__a_lowest_table_has_one_size),
		cmocka_unit_test(test_ppc64_decode__an_address_is_no_wider_than_the_machines),
		cmocka_unit_test(test_ppc64_rights__every_combination_at_every_level),
		cmocka_unit_test(test_ppc64_memory_type__is_att),
		cmocka_unit_test(test_ppc64_regions__are_two_quadrants),
		cmocka_unit_test(test_ppc64_control__unknown_bits_are_assumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
