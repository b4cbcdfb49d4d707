/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * i386 and i386-pae entries against the SDM: single entries from a table, rights by
 * brute force over every combination of the bits that could matter.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define P BIT(0)
#define W BIT(1)
#define U BIT(2)
#define PWT BIT(3)
#define PCD BIT(4)
#define A BIT(5)
#define D BIT(6)
#define PS BIT(7)
#define PAT BIT(7)
#define G BIT(8)
#define PAT_LARGE BIT(12)
#define XD BIT(63)

struct row {
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa;      /* table or leaf */
	uint8_t size_lg2; /* leaf */
	uint8_t pa_bits;  /* 0 = unknown */
	uint32_t without; /* control bits that are known to be 0 */
};

static void check_rows(const char *name, const struct row *rows, size_t nr)
{
	const struct pgw_format *format = pgw_format_by_name(name);

	for (size_t i = 0; i < nr; i++) {
		const struct row *row = &rows[i];
		struct pgw_control known = { .known = row->without, .pa_bits = row->pa_bits };
		struct pgw_control control = pgw_control_assume(format, &known);
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2)
			fail_msg("%s, row %zu: kind %d pa %#llx size 2^%u", name, i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

/* SDM tables 4-4 to 4-6. */
static void test_i386_decode__rows_of_the_manual(void **state)
{
	static const struct row rows[] = {
		{ 0, 0, PGW_ENTRY_EMPTY, 0, 0, 0, 0 },
		{ 0xfffffffe, 0, PGW_ENTRY_ABSENT, 0, 0, 0, 0 },
		{ 0xfffffffe, 1, PGW_ENTRY_ABSENT, 0, 0, 0, 0 },
		/* a page: bit 7 is PAT, nothing is reserved */
		{ 0x12345000 | P, 0, PGW_ENTRY_LEAF, 0x12345000, 12, 0, 0 },
		{ 0xffffffff, 0, PGW_ENTRY_LEAF, 0xfffff000, 12, 0, 0 },
		{ 0xffffffff, 0, PGW_ENTRY_LEAF, 0xfffff000, 12, 32, 0 },
		/* a page table: bits 11:8 and 6 are ignored */
		{ 0x12345000 | P, 1, PGW_ENTRY_TABLE, 0x12345000, 0, 0, 0 },
		{ 0xffffff7f, 1, PGW_ENTRY_TABLE, 0xfffff000, 0, 0, 0 },
		{ 0xffffff7f, 1, PGW_ENTRY_TABLE, 0xfffff000, 0, 32, 0 },
		/* 4 MiB: bit 12 is PAT, 20:13 are address bits 39:32, 21 is reserved */
		{ 0x12400000 | P | PS, 1, PGW_ENTRY_LEAF, 0x12400000, 22, 0, 0 },
		{ 0x12400000 | P | PS | PAT_LARGE, 1, PGW_ENTRY_LEAF, 0x12400000, 22, 0, 0 },
		{ P | PS | BIT(13), 1, PGW_ENTRY_LEAF, BIT(32), 22, 0, 0 },
		{ P | PS | BIT(20), 1, PGW_ENTRY_LEAF, BIT(39), 22, 0, 0 },
		{ 0xffdfffff, 1, PGW_ENTRY_LEAF, 0xffffc00000, 22, 0, 0 },
		{ P | PS | BIT(21), 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ 0xffffffff, 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		/* ... of which 20:M-19 are reserved where addresses have M bits */
		{ P | PS | BITS(16, 13), 1, PGW_ENTRY_LEAF, BITS(35, 32), 22, 36, 0 },
		{ P | PS | BIT(17), 1, PGW_ENTRY_MALFORMED, 0, 0, 36, 0 },
		{ P | PS | BIT(17), 1, PGW_ENTRY_LEAF, BIT(36), 22, 37, 0 },
		{ P | PS | BIT(20), 1, PGW_ENTRY_MALFORMED, 0, 0, 39, 0 },
		{ P | PS | BIT(13), 1, PGW_ENTRY_MALFORMED, 0, 0, 32, 0 },
		{ P | PS | BIT(20), 1, PGW_ENTRY_LEAF, BIT(39), 22, 52, 0 },
		/* without CR4.PSE bit 7 is ignored, and so is what it would have made reserved */
		{ 0x12745000 | P | PS, 1, PGW_ENTRY_TABLE, 0x12745000, 0, 0, PGW_CTL_X86_PSE },
		{ 0xffffffff, 1, PGW_ENTRY_TABLE, 0xfffff000, 0, 32, PGW_CTL_X86_PSE },
	};

	(void)state;
	check_rows("i386", rows, PGW_ARRAY_SIZE(rows));
}

/* SDM tables 4-8 to 4-11. */
static void test_i386_pae_decode__rows_of_the_manual(void **state)
{
	static const struct row rows[] = {
		{ 0, 2, PGW_ENTRY_EMPTY, 0, 0, 0, 0 },
		{ ~P, 0, PGW_ENTRY_ABSENT, 0, 0, 0, 0 },
		{ ~P, 2, PGW_ENTRY_ABSENT, 0, 0, 36, 0 },
		/* a page */
		{ P | 0x123456789000, 0, PGW_ENTRY_LEAF, 0x123456789000, 12, 0, 0 },
		{ P | BITS(51, 1), 0, PGW_ENTRY_LEAF, BITS(51, 12), 12, 0, 0 },
		{ P | XD, 0, PGW_ENTRY_LEAF, 0, 12, 0, 0 },
		/* 2 MiB: bit 12 is PAT, 20:13 are reserved; CR4.PSE makes no difference */
		{ P | PS | 0x12200000, 1, PGW_ENTRY_LEAF, 0x12200000, 21, 0, 0 },
		{ P | PS | 0x12200000, 1, PGW_ENTRY_LEAF, 0x12200000, 21, 0, PGW_CTL_X86_PSE },
		{ P | PS | PAT_LARGE | XD, 1, PGW_ENTRY_LEAF, 0, 21, 0, 0 },
		{ P | PS | BIT(13), 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | PS | BIT(20), 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | PS | BIT(51), 1, PGW_ENTRY_LEAF, BIT(51), 21, 0, 0 },
		/* a page table */
		{ P | W | U | BITS(11, 8) | A | D | XD | 0x12345000, 1, PGW_ENTRY_TABLE, 0x12345000,
		  0, 0, 0 },
		/* a page directory: only PWT, PCD and 11:9 are free; bit 5 is QEMU's */
		{ P | 0x2cde000, 2, PGW_ENTRY_TABLE, 0x2cde000, 0, 0, 0 },
		{ P | PWT | PCD | BITS(11, 9), 2, PGW_ENTRY_TABLE, 0, 0, 0, 0 },
		{ 0x2cde021, 2, PGW_ENTRY_TABLE, 0x2cde000, 0, 0, 0 },
		{ P | W, 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | U, 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | D, 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | PS, 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | G, 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | XD, 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		/* bits 62:52 are reserved at every level, 51:M too */
		{ P | BIT(52), 0, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | BIT(62), 0, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | BIT(52), 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | PS | BIT(62), 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | BIT(52), 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
		{ P | BIT(36), 0, PGW_ENTRY_MALFORMED, 0, 0, 36, 0 },
		{ P | BIT(35), 0, PGW_ENTRY_LEAF, BIT(35), 12, 36, 0 },
		{ P | BIT(36), 1, PGW_ENTRY_MALFORMED, 0, 0, 36, 0 },
		{ P | BIT(36), 2, PGW_ENTRY_MALFORMED, 0, 0, 36, 0 },
		/* XD is reserved unless EFER.NXE */
		{ P | XD, 0, PGW_ENTRY_MALFORMED, 0, 0, 0, PGW_CTL_X86_NXE },
		{ P | XD, 1, PGW_ENTRY_MALFORMED, 0, 0, 0, PGW_CTL_X86_NXE },
		{ P | PS | XD, 1, PGW_ENTRY_MALFORMED, 0, 0, 0, PGW_CTL_X86_NXE },
	};

	(void)state;
	check_rows("i386-pae", rows, PGW_ARRAY_SIZE(rows));
}

/* SDM 4.6.1 and table 4-8, word by word: what the root of PAE says counts for nothing. */
static unsigned rights_by_the_manual(uint64_t leaf, uint64_t table, uint32_t ctl)
{
	bool user_mode = (leaf & U) && (table & U), writable = (leaf & W) && (table & W);
	bool xd = (leaf & XD) || (table & XD);
	unsigned rights = PGW_KERNEL_R;

	if (!(ctl & PGW_CTL_X86_WP) || writable)
		rights |= PGW_KERNEL_W;
	if (!xd && !(user_mode && (ctl & PGW_CTL_X86_SMEP)))
		rights |= PGW_KERNEL_X;
	if (user_mode)
		rights |= PGW_USER_R | (writable ? PGW_USER_W : 0) | (xd ? 0 : PGW_USER_X);
	return rights;
}

static uint64_t flags_of(unsigned combination)
{
	return (combination & 1 ? W : 0) | (combination & 2 ? U : 0) | (combination & 4 ? XD : 0);
}

/* Leaves of both sizes, with all rights that a format has bits for, of both regions. */
static void check_rights(struct chain *chain, unsigned nr, uint64_t root_bits)
{
	unsigned top = pgw_format_geometry(chain->pt.format)->top_level;
	struct pgw_control known = { .known = PGW_CTL_X86_WP | PGW_CTL_X86_SMEP };

	for (unsigned i = 0; i < nr * nr * 2 * 4; i++) {
		uint64_t leaf = flags_of(i % nr), table = flags_of(i / nr % nr);
		bool is_large = i / nr / nr % 2;
		struct pgw_translation got;

		known.set = (i / nr / nr / 2 & 1 ? PGW_CTL_X86_WP : 0) |
			    (i / nr / nr / 2 & 2 ? PGW_CTL_X86_SMEP : 0);
		if (top == 2)
			chain_put(chain, 2, P | root_bits, CHAIN_TABLE(1));
		chain_put(chain, 1, P | (is_large ? PS | leaf : table),
			  is_large ? UINT64_C(0x40000000) : CHAIN_TABLE(0));
		chain_put(chain, 0, P | leaf, CHAIN_PAGE);
		got = chain_translate(chain, &known);
		assert_int_equal(got.kind, PGW_ENTRY_LEAF);
		assert_int_equal(got.level, is_large);
		assert_int_equal(got.rights,
				 rights_by_the_manual(leaf, is_large ? leaf : table, known.set));
	}
}

static void test_i386_rights__every_combination_at_every_level(void **state)
{
	static const enum pgw_region_kind kinds[] = { PGW_REGION_USER, PGW_REGION_KERNEL };
	static const uint64_t root_bits[] = { 0, A, PWT | PCD | BITS(11, 9) };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(kinds); i++) {
		struct chain chain;

		chain_init(&chain, "i386", kinds[i]);
		check_rights(&chain, 4, 0);
		chain_init(&chain, "i386-pae", kinds[i]);
		for (size_t k = 0; k < PGW_ARRAY_SIZE(root_bits); k++)
			check_rights(&chain, 8, root_bits[k]);
	}
}

/* PSE-36: the next leaf of 4 MiB after the last below 4 GiB. */
static void test_i386_advance__a_large_leaf_goes_on_above_4_gib(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("i386");
	const uint64_t last = 0xffc00000 | P | PS | W | PAT_LARGE;

	(void)state;
	assert_int_equal(pgw_entry_advance(format, last, 1, 4 << 20),
			 P | PS | W | PAT_LARGE | BIT(13));
	assert_int_equal(pgw_entry_advance(format, last | BIT(13), 1, 4 << 20),
			 P | PS | W | PAT_LARGE | BIT(14));
	assert_int_equal(pgw_entry_advance(format, 0x12345000 | P | PAT, 0, 0x3000),
			 0x12348000 | P | PAT);
}

static void test_i386_control__unknown_bits_are_assumed(void **state)
{
	struct pgw_control none = { 0 };
	struct pgw_control got = pgw_control_assume(pgw_format_by_name("i386"), &none);

	(void)state;
	assert_int_equal(got.set, PGW_CTL_X86_WP | PGW_CTL_X86_SMEP | PGW_CTL_X86_PSE);
	assert_int_equal(got.pa_bits, 40);
	got = pgw_control_assume(pgw_format_by_name("i386-pae"), &none);
	assert_int_equal(got.set, PGW_CTL_X86_WP | PGW_CTL_X86_SMEP | PGW_CTL_X86_NXE);
	assert_int_equal(got.pa_bits, 52);
}

static void test_i386_regions__share_a_root_of_4_gib(void **state)
{
	static const char *const names[] = { "i386", "i386-pae" };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		const struct pgw_region *region = pgw_format_regions(pgw_format_by_name(names[i]));

		assert_string_equal(region[0].name, "user");
		assert_int_equal(region[0].first, 0);
		assert_int_equal(region[0].last, 0xbfffffff);
		assert_string_equal(region[1].name, "kernel");
		assert_int_equal(region[1].first, 0xc0000000);
		assert_int_equal(region[1].last, 0xffffffff);
		assert_int_equal(region[0].root, region[1].root);
		assert_true(region[0].is_chosen && region[1].is_chosen);
		assert_null(region[2].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_i386_decode__rows_of_the_manual),
		cmocka_unit_test(test_i386_pae_decode__rows_of_the_manual),
		cmocka_unit_test(test_i386_rights__every_combination_at_every_level),
		cmocka_unit_test(test_i386_advance__a_large_leaf_goes_on_above_4_gib),
		cmocka_unit_test(test_i386_control__unknown_bits_are_assumed),
		cmocka_unit_test(test_i386_regions__share_a_root_of_4_gib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
