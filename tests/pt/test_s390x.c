/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * s390x entries against the Principles of Operation, chapter 3 "Dynamic Address
 * Translation": single entries from a table, rights by brute force over every
 * combination of the bits that could matter. The manual's bit n is our 63 - n.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define MANUAL_BIT(n) BIT(63 - (n))
#define AV MANUAL_BIT(47)
#define ACC(n) ((uint64_t)(n) << (63 - 51))
#define F MANUAL_BIT(52)
#define FC MANUAL_BIT(53)
#define PAGE_I MANUAL_BIT(53)
#define P MANUAL_BIT(54)
#define IEP MANUAL_BIT(55)
#define TF(n) ((uint64_t)(n) << (63 - 57))
#define I MANUAL_BIT(58)
#define CS MANUAL_BIT(59)
#define TT(n) ((uint64_t)(n) << (63 - 61))
#define TL(n) ((uint64_t)(n))

#define EDAT1 PGW_CTL_S390X_EDAT1
#define EDAT2 PGW_CTL_S390X_EDAT2
#define PRIVATE PGW_CTL_S390X_PRIVATE
#define ALL (EDAT1 | EDAT2 | PGW_CTL_S390X_IEP | PRIVATE)

/* The control bits that differ from what is assumed: all but PRIVATE are set. */
static const struct row {
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa;      /* table or leaf */
	uint8_t size_lg2; /* leaf */
	uint32_t differ;
} rows[] = {
	/* a page: I is bit 53, bit 52 must be 0, zero is a frame like any other */
	{ 0, 0, PGW_ENTRY_LEAF, 0, 12, 0 },
	{ 0x12345000, 0, PGW_ENTRY_LEAF, 0x12345000, 12, 0 },
	{ ~(F | PAGE_I), 0, PGW_ENTRY_LEAF, ~UINT64_C(0xfff), 12, 0 },
	{ F, 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ PAGE_I, 0, PGW_ENTRY_EMPTY, 0, 0, 0 },
	{ PAGE_I | P, 0, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ PAGE_I | F, 0, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ PAGE_I | 0x12345000, 0, PGW_ENTRY_ABSENT, 0, 0, 0 },
	/* a segment: I is bit 58; its page table begins at any 2 KiB; CS is bit 59 */
	{ 0, 1, PGW_ENTRY_TABLE, 0, 0, 0 },
	{ 0x12345800, 1, PGW_ENTRY_TABLE, 0x12345800, 0, 0 },
	{ 0x12345800 | P | CS | TF(3) | TL(3) | IEP, 1, PGW_ENTRY_TABLE, 0x12345800, 0, 0 },
	{ I, 1, PGW_ENTRY_EMPTY, 0, 0, 0 },
	{ I | 0x12345800, 1, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ I | TT(1), 1, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ 0x12345800 | TT(1), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ 0x12345800 | TT(3), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	/* ... or, with EDAT-1, a frame of 1 MiB */
	{ FC | 0x12300000, 1, PGW_ENTRY_LEAF, 0x12300000, 20, 0 },
	{ FC | 0x123e0000 | BITS(63, 32), 1, PGW_ENTRY_LEAF, 0x12300000 | BITS(63, 32), 20, 0 },
	{ FC | AV | ACC(15) | F | P | IEP | CS | 0x12300000, 1, PGW_ENTRY_LEAF, 0x12300000, 20, 0 },
	{ FC | 0x12300000, 1, PGW_ENTRY_LEAF, 0x12300000, 20, EDAT2 },
	{ FC | 0x12345800, 1, PGW_ENTRY_TABLE, 0x12345800, 0, EDAT1 },
	{ FC | TT(1), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	/* a region-third: TT 1; its table begins at any 4 KiB */
	{ 0x12345000 | TT(1) | TL(3), 2, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ 0x12345800 | TT(1) | P | TF(1) | TL(2), 2, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ I | TT(1), 2, PGW_ENTRY_EMPTY, 0, 0, 0 },
	{ I, 2, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ I | TT(1) | TL(3), 2, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ 0x12345000 | TL(3), 2, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ 0, 2, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	/* ... or, with both EDATs, a frame of 2 GiB */
	{ FC | TT(1) | BIT(31), 2, PGW_ENTRY_LEAF, BIT(31), 31, 0 },
	{ FC | TT(1) | AV | ACC(3) | F | BITS(40, 17), 2, PGW_ENTRY_LEAF, BITS(40, 31), 31, 0 },
	{ FC | TT(1) | 0x12345000, 2, PGW_ENTRY_TABLE, 0x12345000, 0, EDAT2 },
	{ FC | TT(1) | 0x12345000, 2, PGW_ENTRY_TABLE, 0x12345000, 0, EDAT1 },
	/* a region-second and a region-first: TT 2 and 3; bit 53 means nothing */
	{ 0x12345000 | TT(2) | TL(3), 3, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ 0x12345000 | TT(2) | FC, 3, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ I | TT(2), 3, PGW_ENTRY_EMPTY, 0, 0, 0 },
	{ 0x12345000 | TT(1) | TL(3), 3, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ ~UINT64_C(0xfff) | TT(3), 4, PGW_ENTRY_TABLE, ~UINT64_C(0xfff), 0, 0 },
	{ 0x12345000 | TT(3) | FC, 4, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ I | TT(3), 4, PGW_ENTRY_EMPTY, 0, 0, 0 },
	{ 0x12345000 | TT(2), 4, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	/* no common segment or region in a private space */
	{ CS, 1, PGW_ENTRY_MALFORMED, 0, 0, PRIVATE },
	{ CS | FC, 1, PGW_ENTRY_MALFORMED, 0, 0, PRIVATE },
	{ CS | FC | TT(1), 2, PGW_ENTRY_LEAF, 0, 31, 0 },
	{ CS | FC | TT(1), 2, PGW_ENTRY_MALFORMED, 0, 0, PRIVATE },
	{ CS | TT(1), 2, PGW_ENTRY_TABLE, 0, 0, PRIVATE },
	{ CS | TT(2), 3, PGW_ENTRY_TABLE, 0, 0, PRIVATE },
	{ CS | I, 1, PGW_ENTRY_ABSENT, 0, 0, PRIVATE },
};

static struct pgw_control control_that_differs(const struct pgw_format *format, uint32_t differ)
{
	struct pgw_control known = { .known = ALL, .set = (ALL & ~PRIVATE) ^ differ };

	return pgw_control_assume(format, &known);
}

static void test_s390x_decode__rows_of_the_manual(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("s390x-64");

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct pgw_control control = control_that_differs(format, row->differ);
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2)
			fail_msg("row %zu: kind %d pa %#llx size 2^%u", i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

/* "Protection": P of any level, with EDAT-1 of regions too; IEP of the leaf. */
static unsigned rights_by_the_manual(const uint64_t entries[PGW_MAX_LEVELS], unsigned leaf_level,
				     unsigned top, uint32_t set, bool is_user)
{
	unsigned rights = PGW_KERNEL_R;
	bool is_protected = entries[leaf_level] & P;

	for (unsigned level = leaf_level + 1; level <= top; level++)
		is_protected =
			is_protected || ((entries[level] & P) && (level == 1 || (set & EDAT1)));
	if (!is_protected)
		rights |= PGW_KERNEL_W;
	if (!(set & PGW_CTL_S390X_IEP) || !(entries[leaf_level] & IEP))
		rights |= PGW_KERNEL_X;
	return is_user ? rights | rights << 3 : rights;
}

static void check_rights(struct chain *chain, unsigned leaf_level, unsigned i, bool is_user)
{
	unsigned top = pgw_format_geometry(chain->pt.format)->top_level;
	uint64_t entries[PGW_MAX_LEVELS] = { 0 };
	struct pgw_control known = { .known = ALL };
	struct pgw_translation got;

	known.set = (i & 1 ? PGW_CTL_S390X_IEP : 0) | (i & 2 || leaf_level ? EDAT1 : 0) |
		    (leaf_level == 2 ? EDAT2 : 0);
	for (unsigned level = leaf_level; level <= top; level++) {
		entries[level] = (i >> (2 + level) & 1 ? P : 0) | (i & 128 ? IEP : 0) |
				 (level ? TT(level - 1) : 0);
		if (level > leaf_level)
			chain_put(chain, level, entries[level] | (level > 1 ? TL(3) : 0),
				  CHAIN_TABLE(level - 1));
		else
			chain_put(chain, level, entries[level] | (level ? FC : 0),
				  level ? 0 : CHAIN_PAGE);
	}
	got = chain_translate(chain, &known);
	assert_int_equal(got.kind, PGW_ENTRY_LEAF);
	assert_int_equal(got.level, leaf_level);
	assert_int_equal(got.rights,
			 rights_by_the_manual(entries, leaf_level, top, known.set, is_user));
}

static void test_s390x_rights__every_combination_at_every_level(void **state)
{
	static const char *const names[] = { "s390x-31", "s390x-42", "s390x-53", "s390x-64" };

	(void)state;
	for (size_t k = 0; k < 2 * PGW_ARRAY_SIZE(names); k++) {
		bool is_user = k % 2;
		struct chain chain;

		chain_init(&chain, names[k / 2], is_user ? PGW_REGION_USER : PGW_REGION_KERNEL);
		for (unsigned leaf_level = 0; leaf_level < (k / 2 ? 3 : 2); leaf_level++) {
			for (unsigned i = 0; i < 256; i++)
				check_rights(&chain, leaf_level, i, is_user);
		}
	}
}

/*
 * "Table Offset", "Table Length": of the table that a region entry leads to, parts of 512
 * entries that there are not give the exception of an invalid entry there.
 */
static void test_s390x_translate__parts_that_a_table_lacks_are_holes(void **state)
{
	struct pgw_control unknown = { 0 };
	struct chain chain;

	(void)state;
	chain_init(&chain, "s390x-53", PGW_REGION_KERNEL);
	for (unsigned i = 0; i < 4 * 4 * 4 * 2; i++) {
		unsigned offset = i % 4, length = i / 4 % 4, part = i / 16 % 4;
		unsigned level = i / 64 ? 3 : 2; /* of the entry */
		struct pgw_translation got;
		uint64_t bits;

		chain.va = (uint64_t)part << (9 + (level == 3 ? 31 : 20));
		bits = TF(offset) | TL(length);
		chain_put(&chain, 3, TT(2) | (level == 3 ? bits : TL(3)), CHAIN_TABLE(2));
		chain_put(&chain, 2, TT(1) | (level == 2 ? bits : TL(3)), CHAIN_TABLE(1));
		chain_put(&chain, 1, 0, CHAIN_TABLE(0));
		chain_put(&chain, 0, 0, CHAIN_PAGE);
		got = chain_translate(&chain, &unknown);
		if (part >= offset && part <= length) {
			assert_int_equal(got.kind, PGW_ENTRY_LEAF);
			continue;
		}
		assert_int_equal(got.kind, PGW_ENTRY_EMPTY);
		assert_int_equal(got.level, level - 1);
	}
}

struct extents {
	struct pgw_extent list[8];
	unsigned nr;
};

static int keep_extents(const struct pgw_extent *extent, void *arg)
{
	struct extents *extents = arg;

	assert_true(extents->nr < PGW_ARRAY_SIZE(extents->list));
	extents->list[extents->nr++] = *extent;
	return 0;
}

/* The scan does not pass over a leaf without any bit set: as the first, and after an odd one. */
static void test_s390x_scan__an_entry_of_zeroes_is_a_leaf(void **state)
{
	static const uint64_t items[] = { 0, 0x9000, F, 0x12000, PAGE_I, 0x13000, P | 0x14000 };
	static const uint64_t firsts[] = { 0, 1, 2, 3, 5, 6 };
	struct extents extents = { .nr = 0 };
	struct pgw_scan_stats stats = { 0 };
	struct pgw_control unknown = { 0 };
	struct chain chain;

	(void)state;
	chain_init(&chain, "s390x-31", PGW_REGION_USER);
	chain_put(&chain, 1, 0, CHAIN_TABLE(0));
	for (unsigned i = 0; i < 256; i++) {
		chain.va = (uint64_t)i << 12;
		chain_put(&chain, 0, i < PGW_ARRAY_SIZE(items) ? items[i] : PAGE_I, 0);
	}
	chain.pt.control = pgw_control_assume(chain.pt.format, &unknown);
	pt_prepare(&chain.pt);
	assert_int_equal(
		pt_ops(&chain.pt)->scan(&chain.pt, 0, 0xfffff, keep_extents, &extents, &stats), 0);
	assert_int_equal(extents.nr, PGW_ARRAY_SIZE(firsts));
	for (unsigned i = 0; i < extents.nr; i++) {
		assert_int_equal(extents.list[i].va_first, firsts[i] << 12);
		assert_int_equal(extents.list[i].entry, items[firsts[i]]);
	}
	assert_int_equal(stats.nr_leaves, 5);
	assert_int_equal(stats.nr_malformed, 1);
}

static void test_s390x_control__unknown_bits_are_assumed(void **state)
{
	struct pgw_control none = { 0 };
	struct pgw_control got = pgw_control_assume(pgw_format_by_name("s390x"), &none);

	(void)state;
	assert_int_equal(got.set, ALL & ~PRIVATE);
	assert_int_equal(got.pa_bits, 64);
}

static void test_s390x_regions__have_a_root_each(void **state)
{
	static const struct {
		const char *name;
		uint64_t last;
	} formats[] = { { "s390x-31", 0x7fffffff },
			{ "s390x-42", 0x3ffffffffff },
			{ "s390x-53", 0x1fffffffffffff },
			{ "s390x-64", UINT64_MAX } };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(formats); i++) {
		const struct pgw_region *region =
			pgw_format_regions(pgw_format_by_name(formats[i].name));

		for (unsigned n = 0; n < 2; n++) {
			assert_int_equal(region[n].first, 0);
			assert_int_equal(region[n].last, formats[i].last);
			assert_int_equal(region[n].root, n);
		}
		assert_null(region[2].name);
	}
	assert_ptr_equal(pgw_format_by_name("s390x"), pgw_format_by_name("s390x-42"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_s390x_decode__rows_of_the_manual),
		cmocka_unit_test(test_s390x_rights__every_combination_at_every_level),
		cmocka_unit_test(test_s390x_translate__parts_that_a_table_lacks_are_holes),
		cmocka_unit_test(test_s390x_scan__an_entry_of_zeroes_is_a_leaf),
		cmocka_unit_test(test_s390x_control__unknown_bits_are_assumed),
		cmocka_unit_test(test_s390x_regions__have_a_root_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
