/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * arm-short and arm-lpae entries against the manual (DDI 0406C B3.5 to B3.8): single entries from a
 * table, rights by brute force over every combination of the bits that could matter.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define EMPTY PGW_ENTRY_EMPTY
#define ABSENT PGW_ENTRY_ABSENT
#define TABLE PGW_ENTRY_TABLE
#define LEAF PGW_ENTRY_LEAF
#define MALFORMED PGW_ENTRY_MALFORMED

#define CLIENTS UINT32_C(0x55555555)

struct row {
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa;      /* table or leaf */
	uint8_t size_lg2; /* leaf */
	uint8_t pa_bits;  /* 0 = unknown */
};

static void check_rows(const char *name, const struct row *rows, size_t nr)
{
	const struct pgw_format *format = pgw_format_by_name(name);

	for (size_t i = 0; i < nr; i++) {
		const struct row *row = &rows[i];
		struct pgw_control known = { .pa_bits = row->pa_bits };
		struct pgw_control control = pgw_control_assume(format, &known);
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2)
			fail_msg("%s, row %zu: kind %d pa %#llx size 2^%u", name, i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

/* B3.5.1, figures B3-4 and B3-5. */
static void test_arm_short_decode__rows_of_the_manual(void **state)
{
	static const struct row rows[] = {
		{ 0, 0, EMPTY, 0, 0, 0 },
		{ 0, 1, EMPTY, 0, 0, 0 },
		{ 0xfffffffc, 0, ABSENT, 0, 0, 0 },
		{ 0xfffffffc, 1, ABSENT, 0, 0, 0 },
		/* a table of 1 KiB: PXN, NS, domain, bits 4 and 9 are not address */
		{ 0x12345401, 1, TABLE, 0x12345400, 0, 0 },
		{ 0xfffffffd, 1, TABLE, 0xfffffc00, 0, 0 },
		/* a section, with PXN too; bit 9 is the implementation's */
		{ 0x12300002, 1, LEAF, 0x12300000, 20, 0 },
		{ 0xfffbffff, 1, LEAF, 0xfff00000, 20, 0 },
		{ 0x0010000a, 1, LEAF, 0x00100000, 20, 0 },
		/* a supersection: bits 23:20 are PA[35:32], 8:5 PA[39:36] */
		{ 0x12040002, 1, LEAF, 0x12000000, 24, 0 },
		{ 0x12340002, 1, LEAF, 0x0312000000, 24, 0 },
		{ 0x12040022, 1, LEAF, 0x1012000000, 24, 0 },
		{ 0xffffffff, 1, LEAF, 0xffff000000, 24, 0 },
		{ 0x12340002, 1, MALFORMED, 0, 0, 32 },
		{ 0x12040022, 1, MALFORMED, 0, 0, 36 },
		{ 0x12340002, 1, LEAF, 0x0312000000, 24, 36 },
		/* a large page: bits 15:12 are XN and TEX */
		{ 0x12345001, 0, LEAF, 0x12340000, 16, 0 },
		{ 0xfffffffd, 0, LEAF, 0xffff0000, 16, 0 },
		/* a small page, with XN and without */
		{ 0x12345002, 0, LEAF, 0x12345000, 12, 0 },
		{ 0xffffffff, 0, LEAF, 0xfffff000, 12, 0 },
	};

	(void)state;
	check_rows("arm-short", rows, PGW_ARRAY_SIZE(rows));
}

/* B3.6.1, figures B3-14 to B3-17; levels 1 to 3 of the manual are 2 to 0 here. */
static void test_arm_lpae_decode__rows_of_the_manual(void **state)
{
	static const struct row rows[] = {
		{ 0, 2, EMPTY, 0, 0, 0 },
		{ UINT64_MAX - 1, 0, ABSENT, 0, 0, 0 },
		{ UINT64_MAX - 1, 2, ABSENT, 0, 0, 0 },
		{ 0x1234567003, 2, TABLE, 0x1234567000, 0, 0 },
		{ 0x1234567003, 1, TABLE, 0x1234567000, 0, 0 },
		/* what Linux puts into a process's root: bit 55 is software's */
		{ 0x80000040207003, 2, TABLE, 0x40207000, 0, 0 },
		{ 0xff00000000000003 | BITS(39, 12), 2, TABLE, BITS(39, 12), 0, 0 },
		/* blocks of 1 GiB and 2 MiB; bits below their size are ignored */
		{ 0x1240000001, 2, LEAF, 0x1240000000, 30, 0 },
		{ 0x1200200001, 1, LEAF, 0x1200200000, 21, 0 },
		{ 0x12003ff001, 1, LEAF, 0x1200200000, 21, 0 },
		{ 0x1234567003, 0, LEAF, 0x1234567000, 12, 0 },
		{ 0x1234567001, 0, MALFORMED, 0, 0, 0 },
		/* contiguous: 64 KiB, 32 MiB */
		{ BIT(52) | 0x1234560003, 0, LEAF, 0x1234560000, 16, 0 },
		{ BIT(52) | 0x1202000001, 1, LEAF, 0x1202000000, 25, 0 },
		{ BIT(52) | 0x1240000001, 2, LEAF, 0x1240000000, 30, 0 },
		/* bits 47:40 are no address */
		{ BIT(40) | 3, 0, MALFORMED, 0, 0, 0 },
		{ BIT(47) | 3, 2, MALFORMED, 0, 0, 0 },
		{ BIT(36) | 3, 0, MALFORMED, 0, 0, 36 },
		{ BIT(35) | 3, 0, LEAF, BIT(35), 12, 36 },
	};

	(void)state;
	check_rows("arm-lpae", rows, PGW_ARRAY_SIZE(rows));
}

/* Tables B3-8 and B3-9, as the manual has them: who may read, who may write. */
struct access {
	bool pl1_r, pl1_w, pl0_r, pl0_w;
};

static const struct access by_ap[8] = {
	{ 0, 0, 0, 0 }, { 1, 1, 0, 0 }, { 1, 1, 1, 0 }, { 1, 1, 1, 1 },
	{ 0, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 0, 1, 0 }, { 1, 0, 1, 0 },
};

static const struct access by_ap21[4] = {
	{ 1, 1, 0, 0 },
	{ 1, 1, 1, 1 },
	{ 1, 0, 0, 0 },
	{ 1, 0, 1, 0 },
};

static unsigned rights_of(struct access a, bool xn, bool pxn, uint32_t ctl)
{
	bool wxn = ctl & PGW_CTL_ARM_WXN, uwxn = ctl & PGW_CTL_ARM_UWXN;
	unsigned rights = 0;

	rights |= a.pl1_r ? PGW_KERNEL_R : 0;
	rights |= a.pl1_w ? PGW_KERNEL_W : 0;
	rights |= a.pl0_r ? PGW_USER_R : 0;
	rights |= a.pl0_w ? PGW_USER_W : 0;
	if (!xn && !pxn && a.pl1_r && !(wxn && a.pl1_w) && !(uwxn && a.pl0_w))
		rights |= PGW_KERNEL_X;
	if (!xn && a.pl0_r && !(wxn && a.pl0_w))
		rights |= PGW_USER_X;
	return rights;
}

/* The shapes of a leaf: a section, a supersection, a large page, a small one. */
enum shape { SECTION, SUPER, LARGE, SMALL, _SHAPES };

static uint64_t short_leaf(enum shape shape, unsigned ap, bool xn, bool pxn, unsigned domain)
{
	uint64_t low = ap & 3, high = ap >> 2;

	switch (shape) {
	case SECTION:
		return 2 | low << 10 | high << 15 | (xn ? BIT(4) : 0) | (pxn ? 1 : 0) |
		       (uint64_t)domain << 5;
	case SUPER:
		return 2 | BIT(18) | low << 10 | high << 15 | (xn ? BIT(4) : 0) | (pxn ? 1 : 0);
	case LARGE:
		return 1 | low << 4 | high << 9 | (xn ? BIT(15) : 0);
	default:
		return 2 | low << 4 | high << 9 | (xn ? 1 : 0);
	}
}

/* A domain of each kind, of each shape, with every AP, XN, PXN and SCTLR. */
static void test_arm_short_rights__every_combination(void **state)
{
	const uint32_t bits[] = { PGW_CTL_ARM_WXN, PGW_CTL_ARM_UWXN, PGW_CTL_ARM_AFE };
	struct chain chain;

	(void)state;
	chain_init(&chain, "arm-short", PGW_REGION_USER);
	for (unsigned i = 0; i < 8 * 4 * 4 * 4 * 8; i++) {
		unsigned ap = i % 8, dacr = i / 128 % 4, domain = i / 128 / 4 % 8 * 2 + 1;
		bool xn = i / 8 % 2, pxn = i / 16 % 2;
		enum shape shape = i / 32 % _SHAPES;
		struct pgw_translation got;
		struct pgw_control known = { .known = UINT32_MAX };
		unsigned expected;

		for (unsigned k = 0; k < PGW_ARRAY_SIZE(bits); k++)
			known.set |= i * 7 >> (3 + k) & 1 ? bits[k] : 0;
		if (shape == SUPER)
			domain = 0;
		known.domains = dacr << 2 * domain | (~dacr & 3) << 2 * (domain ^ 2);
		chain_put(&chain, 1,
			  shape < LARGE ? short_leaf(shape, ap, xn, pxn, domain)
					: 1 | (uint64_t)domain << 5 | (pxn ? BIT(2) : 0),
			  shape < LARGE ? 0 : CHAIN_TABLE(0));
		if (shape >= LARGE)
			chain_put(&chain, 0, short_leaf(shape, ap, xn, pxn, domain), CHAIN_PAGE);
		got = chain_translate(&chain, &known);
		expected = rights_of(known.set & PGW_CTL_ARM_AFE ? by_ap21[ap >> 1] : by_ap[ap], xn,
				     pxn, known.set);
		expected = dacr == 1 ? expected : dacr == 3 ? _PGW_RIGHT_ALL : 0;
		assert_int_equal(got.kind, PGW_ENTRY_LEAF);
		assert_int_equal(got.rights, expected);
		assert_int_equal(got.leaf_lg2, shape == SECTION ? 20
					       : shape == SUPER ? 24
					       : shape == LARGE ? 16
								: 12);
	}
}

/* B3.7.1: each level above takes away, for long descriptors. */
static void test_arm_lpae_rights__every_combination(void **state)
{
	const uint64_t table_bits[] = { BIT(59), BIT(60), BIT(61), BIT(62) };
	struct chain chain;

	(void)state;
	chain_init(&chain, "arm-lpae", PGW_REGION_USER);
	for (unsigned i = 0; i < 4 * 4 * 16 * 16 * 4; i++) {
		unsigned ap = i % 4, t1 = i / 16 % 16, t2 = i / 256 % 16;
		bool xn = i / 4 % 2, pxn = i / 8 % 2;
		struct pgw_control known = { .known = UINT32_MAX };
		uint64_t tables[2] = { 3, 3 };
		struct pgw_translation got;

		known.set = (i / 4096 % 2 ? PGW_CTL_ARM_WXN : 0u) |
			    (i / 8192 % 2 ? PGW_CTL_ARM_UWXN : 0u);
		for (unsigned k = 0; k < 4; k++) {
			tables[0] |= t1 >> k & 1 ? table_bits[k] : 0;
			tables[1] |= t2 >> k & 1 ? table_bits[k] : 0;
		}
		chain_put(&chain, 2, tables[1], CHAIN_TABLE(1));
		chain_put(&chain, 1, tables[0], CHAIN_TABLE(0));
		chain_put(&chain, 0,
			  3 | (uint64_t)ap << 6 | (xn ? BIT(54) : 0) | (pxn ? BIT(53) : 0),
			  CHAIN_PAGE);
		got = chain_translate(&chain, &known);
		t1 |= t2;
		/* APTable: bit 0 keeps PL0 off, bit 1 makes read-only. */
		ap = (t1 >> 2 & 1 ? ap & 2 : ap) | (t1 >> 3 & 1 ? 2 : 0);
		assert_int_equal(got.kind, PGW_ENTRY_LEAF);
		assert_int_equal(got.rights, rights_of(by_ap21[ap], xn || (t1 >> 1 & 1),
						       pxn || (t1 & 1), known.set));
	}
}

/* B3.8.2, table B3-10, and with TRE B3.8.3, by Linux's PRRR and NMRR. */
static void test_arm_types__by_tex_and_by_mair(void **state)
{
	static const struct {
		uint32_t set;
		uint64_t entry;
		unsigned level;
		const char *type;
	} rows[] = {
		{ 0, 2, 0, "strongly-ordered" },
		{ 0, 2 | BIT(2), 0, "device" },
		{ 0, 2 | BIT(3), 0, "normal-wt" },
		{ 0, 2 | BITS(3, 2), 0, "normal" },
		{ 0, 2 | BIT(6), 0, "normal-nc" },
		{ 0, 2 | BIT(6) | BITS(3, 2), 0, "normal" },
		{ 0, 2 | BIT(7), 0, "device" },
		{ 0, 2 | BIT(12), 1, "normal-nc" },
		{ 0, 2 | BIT(13), 1, "device" },
		{ 0, 2 | BIT(14), 1, "normal-nc" },
		{ 0, 2 | BIT(12) | BITS(3, 2), 1, "normal" },
		{ PGW_CTL_ARM_TRE, 2, 0, "strongly-ordered" },
		{ PGW_CTL_ARM_TRE, 2 | BIT(2), 0, "normal-nc" },
		{ PGW_CTL_ARM_TRE, 2 | BIT(3), 0, "normal-wt" },
		{ PGW_CTL_ARM_TRE, 2 | BITS(3, 2), 0, "normal" },
		{ PGW_CTL_ARM_TRE, 2 | BIT(6), 0, "device" },
		{ PGW_CTL_ARM_TRE, 2 | BIT(6) | BITS(3, 2), 0, "normal" },
		{ PGW_CTL_ARM_TRE, 0x1141e, 1, "normal" },
		/* bits 8:7 of a small page, 14:13 of a section say nothing then */
		{ PGW_CTL_ARM_TRE, 2 | BITS(8, 7), 0, "strongly-ordered" },
		{ PGW_CTL_ARM_TRE, 2 | BITS(14, 13), 1, "strongly-ordered" },
	};
	const struct pgw_format *format = pgw_format_by_name("arm-short");
	const struct pgw_format *lpae = pgw_format_by_name("arm-lpae");
	struct pgw_control none = { 0 };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		struct pgw_control known = { .known = PGW_CTL_ARM_TRE, .set = rows[i].set };
		struct pgw_control control = pgw_control_assume(format, &known);
		const char *type =
			pgw_format_memory_type(format, &control, rows[i].entry, rows[i].level);

		if (strcmp(type, rows[i].type) != 0)
			fail_msg("row %zu: %s", i, type);
	}
	none = pgw_control_assume(lpae, &none);
	assert_string_equal(pgw_format_memory_type(lpae, &none, 3, 0), "strongly-ordered");
	assert_string_equal(pgw_format_memory_type(lpae, &none, 3 | 1 << 2, 0), "normal-nc");
	assert_string_equal(pgw_format_memory_type(lpae, &none, 3 | 2 << 2, 0), "normal-wt");
	assert_string_equal(pgw_format_memory_type(lpae, &none, 3 | 3 << 2, 0), "normal");
	assert_string_equal(pgw_format_memory_type(lpae, &none, 3 | 4 << 2, 0), "device");
	assert_string_equal(pgw_format_memory_type(lpae, &none, 3 | 7 << 2, 0), "normal");
}

/* The first extent; the scan ends then. */
static int keep_first(const struct pgw_extent *extent, void *arg)
{
	*(struct pgw_extent *)arg = *extent;
	return 1;
}

/* The items of a large leaf are equal; each is looked at by itself. */
static void test_arm_short_runs__each_item_says_what_it_maps(void **state)
{
	static const struct {
		uint64_t entry, step;
		unsigned nr_extents;
		uint8_t leaf_lg2;
	} rows[] = {
		{ 0x10000001 | 3 << 4, 0, 1, 16 },
		/* bits 14:12 of the items count up, and XN after them: no address does */
		{ 0x10000001 | 3 << 4, 0x1000, 2, 16 },
		{ 0x10000002 | 3 << 4, 0x1000, 1, 12 },
		{ 0x10000002 | 3 << 4, 0, 16, 12 },
	};
	const struct pgw_control known = { .known = PGW_CTL_ARM_DOMAINS, .domains = CLIENTS };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		uint8_t *items = (uint8_t *)chain_memory[0];
		struct pgw_scan_stats stats = { 0 };
		struct pgw_extent last;
		struct chain chain;
		unsigned nr = 0;

		chain_init(&chain, "arm-short", PGW_REGION_USER);
		chain_put(&chain, 1, 1, CHAIN_TABLE(0));
		for (unsigned k = 0; k < 16; k++) {
			uint32_t entry = (uint32_t)(rows[i].entry + k * rows[i].step);

			for (unsigned b = 0; b < 4; b++)
				items[4 * k + b] = (uint8_t)(entry >> 8 * b);
		}
		chain.pt.control = pgw_control_assume(chain.pt.format, &known);
		pt_prepare(&chain.pt);
		for (uint64_t va = 0; va < 0x10000; nr++) {
			assert_int_equal(pt_ops(&chain.pt)->scan(&chain.pt, va, 0xffff, keep_first,
								 &last, &stats),
					 1);
			assert_int_equal(last.leaf_lg2, rows[i].leaf_lg2);
			assert_int_equal(last.va_first, va);
			va = last.va_last + 1;
		}
		assert_int_equal(nr, rows[i].nr_extents);
	}
}

static void test_arm_advance__a_leaf_goes_on_behind_the_last(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("arm-short");

	(void)state;
	assert_int_equal(pgw_entry_advance(format, 0x12345032, 0, 0x3000), 0x12348032);
	/* a large page's items are equal: the next page is 64 KiB on */
	assert_int_equal(pgw_entry_advance(format, 0x1234f031, 0, 0x3000), 0x1234f031);
	assert_int_equal(pgw_entry_advance(format, 0x1234f031, 0, 0x10000), 0x1235f031);
	assert_int_equal(pgw_entry_advance(format, 0x12305c0e, 1, 0x200000), 0x12505c0e);
	/* a supersection's top is in bits 23:20 and 8:5 */
	assert_int_equal(pgw_entry_advance(format, 0xff040c02, 1, 0x100000), 0xff040c02);
	assert_int_equal(pgw_entry_advance(format, 0xff040c02, 1, 0x1000000), 0x00140c02);
	assert_int_equal(pgw_entry_advance(format, 0xfff40c02, 1, 0x1000000), 0x00040c22);
}

static void test_arm_control__what_linux_has_is_assumed(void **state)
{
	struct pgw_control none = { 0 };
	struct pgw_control got = pgw_control_assume(pgw_format_by_name("arm-short"), &none);

	(void)state;
	assert_int_equal(got.set, PGW_CTL_ARM_TRE);
	assert_int_equal(got.domains, CLIENTS);
	assert_int_equal(got.pa_bits, 40);
	got = pgw_control_assume(pgw_format_by_name("arm-lpae-30"), &none);
	assert_int_equal(got.set, 0);
	assert_int_equal(got.pa_bits, 40);
}

static void test_arm_regions__by_the_bits_of_an_address(void **state)
{
	static const struct {
		const char *name;
		uint64_t user_last, kernel_first;
		bool is_split;
		uint8_t top_level;
	} rows[] = {
		{ "arm-short", 0xbfffffff, 0xc0000000, false, 1 },
		{ "arm-lpae", 0xbfffffff, 0xc0000000, false, 2 },
		{ "arm-lpae-31", 0x7fffffff, 0x80000000, true, 2 },
		{ "arm-lpae-30", 0x3fffffff, 0xc0000000, true, 1 },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct pgw_format *format = pgw_format_by_name(rows[i].name);
		const struct pgw_region *region = pgw_format_regions(format);

		assert_int_equal(region[0].first, 0);
		assert_int_equal(region[0].last, rows[i].user_last);
		assert_int_equal(region[1].first, rows[i].kernel_first);
		assert_int_equal(region[1].last, 0xffffffff);
		assert_int_equal(region[0].is_chosen, !rows[i].is_split);
		assert_int_equal(pgw_format_is_split(format), rows[i].is_split);
		assert_int_equal(pgw_format_geometry(format)->top_level, rows[i].top_level);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arm_short_decode__rows_of_the_manual),
		cmocka_unit_test(test_arm_lpae_decode__rows_of_the_manual),
		cmocka_unit_test(test_arm_short_rights__every_combination),
		cmocka_unit_test(test_arm_lpae_rights__every_combination),
		cmocka_unit_test(test_arm_types__by_tex_and_by_mair),
		cmocka_unit_test(test_arm_short_runs__each_item_says_what_it_maps),
		cmocka_unit_test(test_arm_advance__a_leaf_goes_on_behind_the_last),
		cmocka_unit_test(test_arm_control__what_linux_has_is_assumed),
		cmocka_unit_test(test_arm_regions__by_the_bits_of_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
