/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * LoongArch entries against the reference manual, volume 1, "Multi-level Page Table Structure
 * Supported by Page Walking": single entries from a table, rights by brute force over every
 * combination of the bits that could matter.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define V BIT(0)
#define D BIT(1)
#define PLV(n) ((uint64_t)(n) << 2)
#define MAT(n) ((uint64_t)(n) << 4)
#define G BIT(6)
#define H BIT(6)
#define P BIT(7)
#define W BIT(8)
#define HUGE_G BIT(12)
#define NR BIT(61)
#define NX BIT(62)
#define RPLV BIT(63)
#define PTW PGW_CTL_LOONGARCH_PTW
#define WINDOW UINT64_C(0x9000000000000000)

static const char *const names[] = { "loongarch64-4k-39",  "loongarch64-4k-48",
				     "loongarch64-16k-36", "loongarch64-16k-47",
				     "loongarch64-64k-42", "loongarch64-64k-55" };

/* Of pages of 16 KiB, three levels. */
static const struct row {
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind; /* with HPTW */
	enum pgw_entry_kind kind_without;
	uint64_t pa;
	uint8_t size_lg2;
} rows[] = {
	/* P or V says what is valid */
	{ P | V | 0x12344000, 0, PGW_ENTRY_LEAF, PGW_ENTRY_LEAF, 0x12344000, 14 },
	{ P | 0x12344000, 0, PGW_ENTRY_LEAF, PGW_ENTRY_ABSENT, 0x12344000, 14 },
	{ V | 0x12344000, 0, PGW_ENTRY_ABSENT, PGW_ENTRY_LEAF, 0x12344000, 14 },
	{ P | V | BITS(60, 48) | BITS(11, 9) | 0x12347000, 0, PGW_ENTRY_LEAF, PGW_ENTRY_LEAF,
	  0x12344000, 14 },
	{ P | V | BITS(47, 14), 0, PGW_ENTRY_LEAF, PGW_ENTRY_LEAF, BITS(47, 14), 14 },
	/* nothing, and the kernel's nothing */
	{ 0, 0, PGW_ENTRY_EMPTY, PGW_ENTRY_EMPTY, 0, 0 },
	{ G, 0, PGW_ENTRY_EMPTY, PGW_ENTRY_EMPTY, 0, 0 },
	{ W | 0x12344000, 0, PGW_ENTRY_ABSENT, PGW_ENTRY_ABSENT, 0, 0 },
	{ BIT(10), 0, PGW_ENTRY_ABSENT, PGW_ENTRY_ABSENT, 0, 0 },
	/* a directory entry: what is above PALEN, a window's number, is no address */
	{ 0x12344000, 1, PGW_ENTRY_TABLE, PGW_ENTRY_TABLE, 0x12344000, 0 },
	{ WINDOW | 0x12344000, 2, PGW_ENTRY_TABLE, PGW_ENTRY_TABLE, 0x12344000, 0 },
	{ BITS(63, 48) | 0x12344000, 1, PGW_ENTRY_TABLE, PGW_ENTRY_TABLE, 0x12344000, 0 },
	{ 0, 2, PGW_ENTRY_EMPTY, PGW_ENTRY_EMPTY, 0, 0 },
	{ WINDOW, 2, PGW_ENTRY_TABLE, PGW_ENTRY_TABLE, 0, 0 },
	{ WINDOW | P | V | 0x12344000, 1, PGW_ENTRY_MALFORMED, PGW_ENTRY_MALFORMED, 0, 0 },
	/* H: a leaf, whose G is bit 12 */
	{ H | P | V | 0x12000000, 1, PGW_ENTRY_LEAF, PGW_ENTRY_LEAF, 0x12000000, 25 },
	{ H | P | V | HUGE_G | 0x13fff000, 1, PGW_ENTRY_LEAF, PGW_ENTRY_LEAF, 0x12000000, 25 },
	{ H | P | V | BIT(36), 2, PGW_ENTRY_LEAF, PGW_ENTRY_LEAF, BIT(36), 36 },
	{ H | P | 0x12000000, 1, PGW_ENTRY_LEAF, PGW_ENTRY_ABSENT, 0x12000000, 25 },
	{ H | 0x12000000, 1, PGW_ENTRY_ABSENT, PGW_ENTRY_ABSENT, 0, 0 },
};

static void test_loongarch64_decode__rows_of_the_manual(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("loongarch64");

	(void)state;
	for (size_t i = 0; i < 2 * PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i / 2];
		struct pgw_control known = { .known = PTW, .set = i % 2 ? 0 : PTW };
		struct pgw_control control = pgw_control_assume(format, &known);
		enum pgw_entry_kind kind = i % 2 ? row->kind_without : row->kind;
		bool has_pa = kind == PGW_ENTRY_LEAF || kind == PGW_ENTRY_TABLE;
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != kind || got.pa != (has_pa ? row->pa : 0) ||
		    got.size_lg2 != (has_pa ? row->size_lg2 : 0))
			fail_msg("row %zu: kind %d pa %#llx size 2^%u", i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

static void test_loongarch64_decode__what_is_above_palen_is_no_address(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("loongarch64");
	struct pgw_control control = { .pa_bits = 40 };
	struct pgw_entry got;

	(void)state;
	control = pgw_control_assume(format, &control);
	pgw_entry_decode(format, &control, P | V | BITS(47, 14), 0, &got);
	assert_int_equal(got.pa, BITS(39, 14));
	pgw_entry_decode(format, &control, WINDOW | BITS(47, 14), 2, &got);
	assert_int_equal(got.pa, BITS(39, 14));
}

/* "Table 7-1, 7-2": PLV, RPLV, NR, NX; D, or with HPTW W. The kernel is PLV 0, users PLV 3. */
static unsigned rights_by_the_manual(uint64_t entry, bool has_ptw)
{
	unsigned rights = 0;

	for (unsigned plv = 0; plv <= 3; plv += 3) {
		unsigned page_plv = (unsigned)(entry >> 2 & 3), mine = 0;

		if (entry & RPLV ? plv != page_plv : plv > page_plv)
			continue;
		if (!(entry & NR))
			mine |= PGW_KERNEL_R;
		if (entry & (has_ptw ? W : D))
			mine |= PGW_KERNEL_W;
		if (!(entry & NX))
			mine |= PGW_KERNEL_X;
		rights |= plv ? mine << 3 : mine;
	}
	return rights;
}

static void check_rights(struct chain *chain, unsigned leaf_level, unsigned i)
{
	unsigned top = pgw_format_geometry(chain->pt.format)->top_level;
	struct pgw_control known = { .known = PTW, .set = i & 1 ? PTW : 0 };
	uint64_t entry = P | V | (i & 2 ? D : 0) | PLV(i >> 2 & 3) | (i & 16 ? W : 0) |
			 (i & 32 ? NR : 0) | (i & 64 ? NX : 0) | (i & 128 ? RPLV : 0);
	struct pgw_translation got;

	for (unsigned level = leaf_level; level <= top; level++) {
		if (level == leaf_level)
			chain_put(chain, level, entry | (level ? H : 0), level ? 0 : CHAIN_PAGE);
		else
			chain_put(chain, level, WINDOW, CHAIN_TABLE(level - 1));
	}
	got = chain_translate(chain, &known);
	assert_int_equal(got.kind, PGW_ENTRY_LEAF);
	assert_int_equal(got.level, leaf_level);
	assert_int_equal(got.rights, rights_by_the_manual(entry, i & 1));
}

static void test_loongarch64_rights__every_combination_at_every_level(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2 * PGW_ARRAY_SIZE(names); k++) {
		struct chain chain;
		unsigned top;

		chain_init(&chain, names[k / 2], k % 2 ? PGW_REGION_USER : PGW_REGION_KERNEL);
		top = pgw_format_geometry(chain.pt.format)->top_level;
		for (unsigned leaf_level = 0; leaf_level <= top; leaf_level++) {
			for (unsigned i = 0; i < 256; i++)
				check_rights(&chain, leaf_level, i);
		}
	}
}

static void test_loongarch64_memory_type__is_mat(void **state)
{
	static const char *const types[] = { "suc", NULL, "wuc", "reserved" };
	const struct pgw_format *format = pgw_format_by_name("loongarch64");
	const struct pgw_control control = { 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const char *got = pgw_format_memory_type(format, &control, P | V | MAT(i), 0);

		if (types[i])
			assert_string_equal(got, types[i]);
		else
			assert_null(got);
	}
}

/* Halves of 48 bits; tables for fewer bits have the first part of each. */
static void test_loongarch64_regions__have_a_root_each(void **state)
{
	static const uint64_t last[] = { BITS(38, 0), BITS(46, 0), BITS(35, 0),
					 BITS(46, 0), BITS(41, 0), BITS(46, 0) };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		const struct pgw_region *region = pgw_format_regions(pgw_format_by_name(names[i]));

		assert_int_equal(region[0].first, 0);
		assert_int_equal(region[0].last, last[i]);
		assert_int_equal(region[1].first, 0xffff800000000000);
		assert_int_equal(region[1].last, 0xffff800000000000 | last[i]);
		assert_int_equal(region[1].root, 1);
		assert_null(region[2].name);
	}
	assert_ptr_equal(pgw_format_by_name("loongarch64"),
			 pgw_format_by_name("loongarch64-16k-47"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loongarch64_decode__rows_of_the_manual),
		cmocka_unit_test(test_loongarch64_decode__what_is_above_palen_is_no_address),
		cmocka_unit_test(test_loongarch64_rights__every_combination_at_every_level),
		cmocka_unit_test(test_loongarch64_memory_type__is_mat),
		cmocka_unit_test(test_loongarch64_regions__have_a_root_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
