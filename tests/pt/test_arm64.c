/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * arm64 descriptors against the manual: single descriptors from a table,
 * rights by brute force over every combination of the bits that could matter.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define VALID BIT(0)
#define TYPE BIT(1) /* a table above the lowest level, a page there */
#define PAGE (VALID | TYPE)
#define TABLE (VALID | TYPE)
#define BLOCK VALID
#define AP_EL0 BIT(6) /* AP[1] */
#define AP_RO BIT(7)  /* AP[2] */
#define DBM BIT(51)
#define CONT BIT(52)
#define PXN BIT(53)
#define UXN BIT(54)
#define PXNTABLE BIT(59)
#define UXNTABLE BIT(60)
#define APTABLE_EL0 BIT(61) /* APTable[0] */
#define APTABLE_RO BIT(62)  /* APTable[1] */

#define WXN PGW_CTL_ARM64_WXN
#define HD PGW_CTL_ARM64_HD
#define HPD0 PGW_CTL_ARM64_HPD0
#define HPD1 PGW_CTL_ARM64_HPD1

static const struct row {
	const char *format;
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa;      /* table or leaf */
	uint8_t size_lg2; /* leaf */
	uint8_t pa_bits;  /* of the CPU; 0 = not known */
} rows[] = {
	/* D8.3: bit 0 clear is an invalid descriptor, whatever the rest */
	{ "arm64-4k-48", 0, 0, PGW_ENTRY_EMPTY, 0, 0, 0 },
	{ "arm64-4k-48", ~VALID, 0, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ "arm64-4k-48", ~VALID, 3, PGW_ENTRY_ABSENT, 0, 0, 0 },
	/* bits 1:0 = 01 is a block where there are blocks, and reserved elsewhere */
	{ "arm64-4k-48", PAGE | 0x12345000, 0, PGW_ENTRY_LEAF, 0x12345000, 12, 0 },
	{ "arm64-4k-48", BLOCK | 0x12345000, 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ "arm64-4k-48", BLOCK | 0x12200000, 1, PGW_ENTRY_LEAF, 0x12200000, 21, 0 },
	{ "arm64-4k-48", BLOCK | 0x40000000, 2, PGW_ENTRY_LEAF, 0x40000000, 30, 0 },
	{ "arm64-4k-48", BLOCK, 3, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ "arm64-4k-52-lpa2", BLOCK | BIT(39), 3, PGW_ENTRY_LEAF, BIT(39), 39, 0 },
	{ "arm64-4k-52-lpa2", BLOCK, 4, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ "arm64-16k-48", BLOCK | BIT(25), 1, PGW_ENTRY_LEAF, BIT(25), 25, 0 },
	{ "arm64-16k-48", BLOCK, 2, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ "arm64-16k-52-lpa2", BLOCK | BIT(36), 2, PGW_ENTRY_LEAF, BIT(36), 36, 0 },
	{ "arm64-64k-48", BLOCK | BIT(29), 1, PGW_ENTRY_LEAF, BIT(29), 29, 0 },
	{ "arm64-64k-52-lpa", BLOCK | BIT(42), 2, PGW_ENTRY_LEAF, BIT(42), 42, 0 },
	{ "arm64-4k-48", TABLE | 0x12345000, 1, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ "arm64-4k-48", TABLE | 0x12345000, 3, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	/* PA[51:48] and PA[51:50] */
	{ "arm64-64k-52-lpa", PAGE | BITS(15, 12), 0, PGW_ENTRY_LEAF, BITS(51, 48), 16, 0 },
	{ "arm64-4k-52-lpa2", PAGE | BITS(9, 8), 0, PGW_ENTRY_LEAF, BITS(51, 50), 12, 0 },
	{ "arm64-4k-52-lpa2", PAGE | BITS(49, 48), 0, PGW_ENTRY_LEAF, BITS(49, 48), 12, 0 },
	{ "arm64-4k-52-lpa2", TABLE | BITS(9, 8), 1, PGW_ENTRY_TABLE, BITS(51, 50), 0, 0 },
	/* D8.2: an output address beyond the implemented size is an address size fault */
	{ "arm64-4k-48", PAGE | BIT(39), 0, PGW_ENTRY_LEAF, BIT(39), 12, 40 },
	{ "arm64-4k-48", PAGE | BIT(40), 0, PGW_ENTRY_MALFORMED, 0, 0, 40 },
	{ "arm64-4k-48", TABLE | BIT(40), 1, PGW_ENTRY_MALFORMED, 0, 0, 40 },
	{ "arm64-4k-52-lpa2", PAGE | BIT(9), 0, PGW_ENTRY_MALFORMED, 0, 0, 48 },
	/* D8.6.1: contiguous runs, by granule and level */
	{ "arm64-4k-48", PAGE | CONT | 0x12345000, 0, PGW_ENTRY_LEAF, 0x12340000, 16, 0 },
	{ "arm64-4k-48", BLOCK | CONT | 0x12200000, 1, PGW_ENTRY_LEAF, 0x12000000, 25, 0 },
	{ "arm64-16k-48", PAGE | CONT | 0x12344000, 0, PGW_ENTRY_LEAF, 0x12200000, 21, 0 },
	{ "arm64-16k-48", BLOCK | CONT | BIT(25), 1, PGW_ENTRY_LEAF, 0, 30, 0 },
	{ "arm64-64k-48", PAGE | CONT | 0x12340000, 0, PGW_ENTRY_LEAF, 0x12200000, 21, 0 },
	/*
	 * What is software's, RES0 or a later extension's is no reason to refuse: bit 10
	 * of a table is AF (FEAT_HAFT), 16 of a block nT (FEAT_BBM), 50 GP (FEAT_BTI), 52
	 * Protected (FEAT_THE), 58:55 software, 62:59 PBHA (FEAT_HPDS2), AttrIndx[3]
	 * (FEAT_AIE) or POIndex (FEAT_S1POE), 63 AMEC (FEAT_MEC).
	 */
	{ "arm64-4k-48", PAGE | BITS(63, 53) | BITS(51, 48), 0, PGW_ENTRY_LEAF, 0, 12, 0 },
	{ "arm64-4k-48", BLOCK | BIT(16) | BITS(63, 53), 1, PGW_ENTRY_LEAF, 0, 21, 0 },
	{ "arm64-4k-48", TABLE | BITS(11, 2) | BITS(63, 48), 1, PGW_ENTRY_TABLE, 0, 0, 0 },
	{ "arm64-4k-48", TABLE | BIT(10), 3, PGW_ENTRY_TABLE, 0, 0, 0 },
};

static void test_arm64_decode__rows_of_the_manual(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		const struct pgw_format *format = pgw_format_by_name(row->format);
		struct pgw_control known = { .pa_bits = row->pa_bits };
		struct pgw_control control = pgw_control_assume(format, &known);
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2)
			fail_msg("row %zu: kind %d pa %#llx size 2^%u", i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

/* Rights of single leaves, written down from the manual's tables: kernel, then user. */
static const struct rights_row {
	uint64_t bits, table_bits;
	uint32_t set;
	const char *rights;
} rights_rows[] = {
	/* D8.4.1, AP[2:1]; without XN bits, EL0 may execute what it may not read */
	{ 0, 0, 0, "rwx/--x" },
	{ AP_EL0, 0, 0, "rw-/rwx" }, /* EL1 never executes what EL0 may write */
	{ AP_RO, 0, 0, "r-x/--x" },
	{ AP_RO | AP_EL0, 0, 0, "r-x/r-x" },
	{ PXN, 0, 0, "rw-/--x" },
	{ UXN, 0, 0, "rwx/---" },
	{ AP_EL0 | PXN | UXN, 0, 0, "rw-/rw-" },
	{ AP_EL0 | UXN, 0, 0, "rw-/rw-" },
	/* WXN: what may be written is not executed, by each as far as he may write */
	{ 0, 0, WXN, "rw-/--x" },
	{ AP_EL0, 0, WXN, "rw-/rw-" },
	{ AP_RO | AP_EL0, 0, WXN, "r-x/r-x" },
	/* D8.4.3: tables take away */
	{ AP_EL0, APTABLE_RO, 0, "r-x/r-x" },
	{ AP_EL0, APTABLE_EL0, 0, "rwx/--x" },
	{ AP_EL0, APTABLE_EL0 | APTABLE_RO, 0, "r-x/--x" },
	{ 0, PXNTABLE, 0, "rw-/--x" },
	{ 0, UXNTABLE, 0, "rwx/---" },
	/* ... unless TCR_EL1.HPD0, which is of the user half only */
	{ AP_EL0, APTABLE_RO | PXNTABLE | UXNTABLE, HPD0, "rw-/rwx" },
	{ AP_EL0, APTABLE_RO | PXNTABLE | UXNTABLE, HPD1, "r--/r--" },
	/* D8.5.7: with TCR_EL1.HD, DBM means that the read-only leaf may be written */
	{ AP_RO | AP_EL0 | DBM, 0, 0, "r-x/r-x" },
	{ AP_RO | AP_EL0 | DBM, 0, HD, "rw-/rwx" },
	{ AP_RO | AP_EL0 | DBM, APTABLE_RO, HD, "r-x/r-x" },
	{ AP_RO | AP_EL0, 0, HD, "r-x/r-x" },
};

static const char *rights_text(unsigned rights)
{
	static char text[8];

	for (unsigned i = 0; i < 7; i++)
		text[i] = '-';
	for (unsigned i = 0; i < 6; i++)
		if (rights & (1u << i))
			text[i + i / 3] = "rwx"[i % 3];
	text[3] = '/';
	return text;
}

/* One lowest leaf under three tables, of which entries[1..3] are the further bits. */
static unsigned rights_of(struct chain *chain, const uint64_t entries[4], uint32_t set)
{
	struct pgw_control known = { .known = WXN | HD | HPD0 | HPD1, .set = set };
	struct pgw_translation got;

	chain_put(chain, 0, PAGE | entries[0], CHAIN_PAGE);
	for (unsigned level = 1; level < 4; level++)
		chain_put(chain, level, TABLE | entries[level], CHAIN_TABLE(level - 1));
	got = chain_translate(chain, &known);
	assert_int_equal(got.kind, PGW_ENTRY_LEAF);
	assert_int_equal(got.pa, CHAIN_PAGE);
	return got.rights;
}

static void test_arm64_rights__rows_of_the_manual(void **state)
{
	struct chain chain;

	(void)state;
	chain_init(&chain, "arm64-4k-48", PGW_REGION_USER);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rights_rows); i++) {
		const struct rights_row *row = &rights_rows[i];

		for (unsigned level = 1; level < 4; level++) {
			uint64_t entries[4] = { row->bits };

			entries[level] = row->table_bits;
			assert_string_equal(rights_text(rights_of(&chain, entries, row->set)),
					    row->rights);
		}
	}
}

/*
 * The tables of D8.4: AP[2:1] as the leaf, the dirty state's management and then the
 * tables above leave it, says who reads and writes; XN bits, the rule for what
 * EL0 may write, and WXN then say who executes.
 */
static unsigned rights_by_the_manual(const uint64_t entries[4], enum pgw_region_kind half,
				     uint32_t set)
{
	static const unsigned data[4] = {
		PGW_KERNEL_R | PGW_KERNEL_W,
		PGW_KERNEL_R | PGW_KERNEL_W | PGW_USER_R | PGW_USER_W,
		PGW_KERNEL_R,
		PGW_KERNEL_R | PGW_USER_R,
	};
	bool hpd = set & (half == PGW_REGION_USER ? HPD0 : HPD1);
	uint64_t tables = hpd ? 0 : entries[1] | entries[2] | entries[3];
	unsigned ap = (entries[0] & AP_EL0 ? 1 : 0) | (entries[0] & AP_RO ? 2 : 0);
	bool el1_executes, el0_executes;

	if ((set & HD) && (entries[0] & DBM))
		ap &= 1;
	if (tables & APTABLE_RO)
		ap |= 2;
	if (tables & APTABLE_EL0)
		ap &= 2;
	el1_executes = !(entries[0] & PXN) && !(tables & PXNTABLE) && ap != 1;
	el0_executes = !(entries[0] & UXN) && !(tables & UXNTABLE);
	if ((set & WXN) && (data[ap] & PGW_KERNEL_W))
		el1_executes = false;
	if ((set & WXN) && (data[ap] & PGW_USER_W))
		el0_executes = false;
	return data[ap] | (el1_executes ? PGW_KERNEL_X : 0) | (el0_executes ? PGW_USER_X : 0);
}

/* The bits of i, from bit 0 up, as the flags in a list. */
static uint64_t pick(const uint64_t *flags, unsigned nr, unsigned i)
{
	uint64_t ret = 0;

	for (unsigned n = 0; n < nr; n++)
		ret |= i & (1u << n) ? flags[n] : 0;
	return ret;
}

/* Every leaf, under every pair of levels with every bit of tables, with every control bit. */
static void check_every_combination(struct chain *chain, enum pgw_region_kind half, unsigned plain)
{
	static const uint64_t leaf[] = { AP_EL0, AP_RO, DBM, PXN, UXN };
	static const uint64_t table[] = { PXNTABLE, UXNTABLE, APTABLE_EL0, APTABLE_RO };
	static const uint64_t control[] = { WXN, HD, HPD0, HPD1 };

	for (unsigned i = 0; i < 1u << (4 + 5 + 4 + 4); i++) {
		uint32_t set = (uint32_t)pick(control, 4, i);
		uint64_t entries[4] = { pick(leaf, 5, i >> 4) };
		unsigned shift = 9;

		for (unsigned level = 1; level < 4; level++) {
			if (level == plain)
				continue;
			entries[level] = pick(table, 4, i >> shift);
			shift += 4;
		}
		assert_int_equal(rights_of(chain, entries, set),
				 rights_by_the_manual(entries, half, set));
	}
}

static void test_arm64_rights__every_combination_at_every_level(void **state)
{
	(void)state;
	for (int half = 0; half <= PGW_REGION_KERNEL; half++) {
		struct chain chain;

		chain_init(&chain, "arm64-4k-48", (enum pgw_region_kind)half);
		for (unsigned plain = 1; plain < 4; plain++)
			check_every_combination(&chain, (enum pgw_region_kind)half, plain);
	}
}

/* Blocks, and the pages of the other granules, say the same by the same bits. */
static void test_arm64_rights__are_one_in_all_formats_and_levels(void **state)
{
	static const uint64_t leaf[] = { AP_EL0, AP_RO, DBM, PXN, UXN };
	const struct pgw_format *format;

	(void)state;
	for (size_t n = 0; (format = pgw_format_at(n)); n++) {
		const struct pgw_geometry *geo = pgw_format_geometry(format);

		for (unsigned level = 0; level <= geo->top_level; level++) {
			struct pgw_control known = { 0 }, control;
			struct pgw_entry got;

			if (strcmp(pgw_format_arch(format), "arm64") != 0 ||
			    !(geo->leaf_sizes & BIT(geo->span_lg2[level])))
				continue;
			control = pgw_control_assume(format, &known);
			for (unsigned i = 0; i < 32; i++) {
				uint64_t entries[4] = { pick(leaf, 5, i) };

				pgw_entry_decode(format, &control,
						 entries[0] | (level ? BLOCK : PAGE), level, &got);
				assert_int_equal(got.kind, PGW_ENTRY_LEAF);
				assert_int_equal(got.rights,
						 rights_by_the_manual(entries, PGW_REGION_USER, 0));
			}
		}
	}
}

/* D8.8: bit 55 says which half's TBI counts, and becomes the top byte. */
static void test_arm64_untag__the_top_byte_is_of_the_half_that_bit_55_says(void **state)
{
	static const struct untag_row tagged[] = {
		{ "arm64-4k-39", PGW_CTL_ARM64_TBI0, 0xb400000000400010, 0x400010, 0xb4 },
		{ "arm64-4k-39", PGW_CTL_ARM64_TBI1, 0xf4ffff8000123456, 0xffffff8000123456, 0xf4 },
		{ "arm64-4k-39", PGW_CTL_ARM64_TBI1, 0x00ffff8000123456, 0xffffff8000123456, 0 },
		{ "arm64-4k-39", PGW_CTL_ARM64_TBI1, 0xb400000000400010, 0xb400000000400010, 0 },
		{ "arm64-4k-39", PGW_CTL_ARM64_TBI0, 0xf4ffff8000123456, 0xf4ffff8000123456, 0 },
		{ "arm64-4k-39", PGW_CTL_ARM64_TBI0, 0x0000000000400010, 0x400010, 0 },
		{ "arm64-4k-48", PGW_CTL_ARM64_TBI0, 0xff0000000000ff10, 0xff10, 0xff },
		/* Not the top byte: no half has it, with a tag or without. */
		{ "arm64-4k-39", PGW_CTL_ARM64_TBI0, 0xb401000000400010, 0x0001000000400010, 0xb4 },
	};

	(void)state;
	check_untag(tagged, PGW_ARRAY_SIZE(tagged));
}

static void test_arm64_control__unknown_bits_are_assumed(void **state)
{
	struct pgw_control none = { 0 };
	struct pgw_control got = pgw_control_assume(pgw_format_by_name("arm64-4k-48"), &none);

	(void)state;
	assert_int_equal(got.set, PGW_CTL_ARM64_TBI0 | PGW_CTL_ARM64_TBI1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arm64_untag__the_top_byte_is_of_the_half_that_bit_55_says),
		cmocka_unit_test(test_arm64_control__unknown_bits_are_assumed),
		cmocka_unit_test(test_arm64_decode__rows_of_the_manual),
		cmocka_unit_test(test_arm64_rights__rows_of_the_manual),
		cmocka_unit_test(test_arm64_rights__every_combination_at_every_level),
		cmocka_unit_test(test_arm64_rights__are_one_in_all_formats_and_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
