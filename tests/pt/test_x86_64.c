/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * x86-64 entries against the manuals: single entries from a table, rights by
 * brute force over every combination of the bits at every level.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pt/chain.h"

#define P BIT(0)
#define W BIT(1)
#define U BIT(2)
#define A BIT(5)
#define D BIT(6)
#define PS BIT(7)
#define PAT_LARGE BIT(12)
#define XD BIT(63)
#define NO_NXE 1u

static const struct row {
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa;      /* table or leaf */
	uint8_t size_lg2; /* leaf */
	uint8_t pa_bits;  /* of the CPU; 0 = not known */
	unsigned flags;
} rows[] = {
	/* nothing, and nothing the MMU looks at */
	{ 0, 0, PGW_ENTRY_EMPTY, 0, 0, 0, 0 },
	{ 0, 4, PGW_ENTRY_EMPTY, 0, 0, 0, 0 },
	{ ~P, 0, PGW_ENTRY_ABSENT, 0, 0, 0, 0 },
	{ ~P, 3, PGW_ENTRY_ABSENT, 0, 0, 0, 0 },
	/* leaves at the three levels that have them; PAT is bit 7, then bit 12 */
	{ P | 0x12345000, 0, PGW_ENTRY_LEAF, 0x12345000, 12, 0, 0 },
	{ P | PS | 0x12345000, 0, PGW_ENTRY_LEAF, 0x12345000, 12, 0, 0 },
	{ P | PS | 0x12200000, 1, PGW_ENTRY_LEAF, 0x12200000, 21, 0, 0 },
	{ P | PS | PAT_LARGE | 0x12200000, 1, PGW_ENTRY_LEAF, 0x12200000, 21, 0, 0 },
	{ P | PS | 0x1c0000000, 2, PGW_ENTRY_LEAF, 0x1c0000000, 30, 0, 0 },
	{ P | PS | PAT_LARGE | 0x1c0000000, 2, PGW_ENTRY_LEAF, 0x1c0000000, 30, 0, 0 },
	{ P | BITS(51, 12), 0, PGW_ENTRY_LEAF, BITS(51, 12), 12, 0, 0 },
	/* address bits below the size of a large leaf are reserved */
	{ P | PS | BIT(13), 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
	{ P | PS | BIT(20), 1, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
	{ P | PS | BIT(21), 1, PGW_ENTRY_LEAF, BIT(21), 21, 0, 0 },
	{ P | PS | BIT(13), 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
	{ P | PS | BIT(29), 2, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
	{ P | PS | BIT(30), 2, PGW_ENTRY_LEAF, BIT(30), 30, 0, 0 },
	/* tables; no large leaves above 1 GiB */
	{ P | 0x12345000, 1, PGW_ENTRY_TABLE, 0x12345000, 0, 0, 0 },
	{ P | W | U | A | D | 0x12345000, 4, PGW_ENTRY_TABLE, 0x12345000, 0, 0, 0 },
	{ P | PS, 3, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
	{ P | PS, 4, PGW_ENTRY_MALFORMED, 0, 0, 0, 0 },
	/* bits above the physical address width are reserved at every level */
	{ P | BIT(40), 0, PGW_ENTRY_LEAF, BIT(40), 12, 41, 0 },
	{ P | BIT(41), 0, PGW_ENTRY_MALFORMED, 0, 0, 41, 0 },
	{ P | BIT(51), 3, PGW_ENTRY_MALFORMED, 0, 0, 51, 0 },
	{ P | BIT(51), 3, PGW_ENTRY_TABLE, BIT(51), 0, 52, 0 },
	/* ignored bits; protection keys */
	{ P | BITS(11, 9) | BITS(62, 52), 0, PGW_ENTRY_LEAF, 0, 12, 40, 0 },
	{ P | BITS(11, 8) | BITS(62, 52), 2, PGW_ENTRY_TABLE, 0, 0, 40, 0 },
	/* XD is reserved unless EFER.NXE */
	{ P | XD, 0, PGW_ENTRY_LEAF, 0, 12, 0, 0 },
	{ P | XD, 0, PGW_ENTRY_MALFORMED, 0, 0, 0, NO_NXE },
	{ P | XD, 3, PGW_ENTRY_MALFORMED, 0, 0, 0, NO_NXE },
	{ XD, 3, PGW_ENTRY_ABSENT, 0, 0, 0, NO_NXE },
};

static void test_x86_64_decode__rows_of_the_manual(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("x86_64-la57");

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct pgw_control known = { .pa_bits = row->pa_bits };
		struct pgw_control control;
		struct pgw_entry got;

		if (row->flags & NO_NXE)
			known.known |= PGW_CTL_X86_NXE;
		control = pgw_control_assume(format, &known);
		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2)
			fail_msg("row %zu: kind %d pa %#llx size 2^%u", i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

/* SDM 4.6.1, word by word, for one leaf under three tables. */
static unsigned rights_by_the_manual(const uint64_t entries[4], uint32_t ctl)
{
	bool user_mode = true, writable = true, xd = false;
	unsigned rights =
		PGW_KERNEL_R; /* "data may be read from any address" (SMAP: AC permissive) */

	for (int i = 0; i < 4; i++) {
		user_mode = user_mode && (entries[i] & U);
		writable = writable && (entries[i] & W);
		xd = xd || (entries[i] & XD);
	}
	if (ctl & PGW_CTL_X86_WP ? writable : true)
		rights |= PGW_KERNEL_W;
	if (user_mode) {
		if (!(ctl & PGW_CTL_X86_SMEP) && !xd)
			rights |= PGW_KERNEL_X;
		rights |= PGW_USER_R;
		if (writable)
			rights |= PGW_USER_W;
		if (!xd)
			rights |= PGW_USER_X;
	} else if (!xd) {
		rights |= PGW_KERNEL_X;
	}
	return rights;
}

static uint64_t flags_of(unsigned combination)
{
	return (combination & 1 ? W : 0) | (combination & 2 ? U : 0) | (combination & 4 ? XD : 0);
}

static int keep_extent(const struct pgw_extent *extent, void *arg)
{
	*(struct pgw_extent *)arg = *extent;
	return 0;
}

static void test_x86_64_rights__every_combination_at_every_level(void **state)
{
	static uint64_t memory[4][512];
	struct pgw_phys_memory source;
	struct pgw_control known = { .known = PGW_CTL_X86_WP | PGW_CTL_X86_SMEP };
	struct pt pt = { .format = pgw_format_by_name("x86_64-la48"),
			 .root_pa = 0x3000,
			 .budget = 100,
			 .phys = &source.phys };

	(void)state;
	assert_int_equal(pgw_phys_memory_init(&source, 0, memory, sizeof(memory)), 0);
	for (unsigned i = 0; i < 8 * 8 * 8 * 8 * 4; i++) {
		uint64_t entries[4];
		struct pgw_translation got;
		struct pgw_scan_stats stats = { 0 };
		struct pgw_extent extent = { 0 };

		known.set = (i & 1 ? PGW_CTL_X86_WP : 0) | (i & 2 ? PGW_CTL_X86_SMEP : 0);
		pt.control = pgw_control_assume(pt.format, &known);
		for (unsigned level = 0; level < 4; level++) {
			entries[level] = P | flags_of(i >> (2 + 3 * level));
			memory[level][0] = entries[level] | (level ? (level - 1) * 0x1000 : 0x7000);
		}
		pt_prepare(&pt);
		pt_ops(&pt)->translate(&pt, 0x123, &got, NULL);
		assert_int_equal(got.kind, PGW_ENTRY_LEAF);
		assert_int_equal(got.pa, 0x7123);
		assert_int_equal(got.rights, rights_by_the_manual(entries, known.set));
		assert_int_equal(pt_ops(&pt)->scan(&pt, 0, 0xfff, keep_extent, &extent, &stats), 0);
		assert_int_equal(extent.rights, got.rights);
		assert_int_equal(extent.pa, 0x7000);
	}
}

/* SDM tables 4-16 and 4-18: bit 12 of a large leaf is PAT, and no part of what it leads to. */
static void test_x86_64_translate__pat_of_a_large_leaf_is_no_address(void **state)
{
	static uint64_t memory[4][512];
	struct pgw_phys_memory source;
	struct pgw_control unknown = { .known = 0 };
	struct pt pt = { .format = pgw_format_by_name("x86_64-la48"),
			 .root_pa = 0x3000,
			 .budget = 100,
			 .phys = &source.phys };

	(void)state;
	assert_int_equal(pgw_phys_memory_init(&source, 0, memory, sizeof(memory)), 0);
	pt.control = pgw_control_assume(pt.format, &unknown);
	for (unsigned level = 1; level <= 2; level++) {
		uint64_t frame = level == 1 ? BIT(21) : BIT(30);
		struct pgw_scan_stats stats = { 0 };
		struct pgw_extent extent = { 0 };
		struct pgw_translation got;

		memory[3][0] = P | 0x2000;
		memory[2][0] = level == 2 ? P | PS | PAT_LARGE | frame : P | 0x1000;
		memory[1][0] = P | PS | PAT_LARGE | frame;
		pt_prepare(&pt);
		pt_ops(&pt)->translate(&pt, 0x2345, &got, NULL);
		assert_int_equal(got.kind, PGW_ENTRY_LEAF);
		assert_int_equal(got.pa, frame + 0x2345);
		assert_int_equal(pt_ops(&pt)->scan(&pt, 0, 0xfff, keep_extent, &extent, &stats), 0);
		assert_int_equal(extent.pa, frame);
	}
}

static void test_x86_64_control__unknown_bits_are_assumed(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("x86_64-la48");
	struct pgw_control none = { 0 }, some = { .known = PGW_CTL_X86_SMEP | PGW_CTL_X86_PKE,
						  .set = PGW_CTL_X86_PKE,
						  .pa_bits = 99 };
	struct pgw_control got = pgw_control_assume(format, &none);

	(void)state;
	assert_int_equal(got.set, PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_SMEP);
	assert_int_equal(got.pa_bits, 52);
	got = pgw_control_assume(format, &some);
	assert_int_equal(got.set, PGW_CTL_X86_WP | PGW_CTL_X86_NXE | PGW_CTL_X86_PKE);
	assert_int_equal(got.pa_bits, 52);
}

/* AMD APM vol. 2, 7.10.2: the C-bit is no part of an address, and narrower addresses leave it alone. */
static void test_x86_64_encryption__the_bit_is_no_address(void **state)
{
	static const struct {
		uint64_t entry;
		unsigned level;
		uint8_t bit;
		bool is_shared_bit;
		enum pgw_entry_kind kind;
		uint64_t pa;
		const char *encryption;
	} cases[] = {
		{ P | BIT(51) | 0x12345000, 0, 51, false, PGW_ENTRY_LEAF, 0x12345000, "encrypted" },
		{ P | 0x12345000, 0, 51, false, PGW_ENTRY_LEAF, 0x12345000, "shared" },
		{ P | BIT(51) | 0x12345000, 0, 51, true, PGW_ENTRY_LEAF, 0x12345000, "shared" },
		{ P | 0x12345000, 0, 51, true, PGW_ENTRY_LEAF, 0x12345000, "encrypted" },
		{ P | PS | BIT(47) | BIT(30), 2, 47, false, PGW_ENTRY_LEAF, BIT(30), "encrypted" },
		{ P | BIT(47) | 0x12345000, 3, 47, false, PGW_ENTRY_TABLE, 0x12345000,
		  "encrypted" },
		/* another bit above the CPU's addresses is reserved as ever */
		{ P | BIT(46) | 0x12345000, 0, 47, false, PGW_ENTRY_MALFORMED, 0, "shared" },
		{ P | BIT(51) | 0x12345000, 0, 0, false, PGW_ENTRY_MALFORMED, 0, NULL },
		/* what can be no such bit is none */
		{ P | BIT(51) | 0x12345000, 0, 31, false, PGW_ENTRY_MALFORMED, 0, NULL },
		{ P | BIT(51) | 0x12345000, 0, 52, false, PGW_ENTRY_MALFORMED, 0, NULL },
	};
	const struct pgw_format *format = pgw_format_by_name("x86_64-la48");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct pgw_control given = {
			.known = PGW_CTL_X86_ENCRYPTION | PGW_CTL_X86_SHARED_BIT,
			.set = cases[i].is_shared_bit ? PGW_CTL_X86_SHARED_BIT : 0,
			.pa_bits = 40,
			.encryption_bit = cases[i].bit,
		};
		struct pgw_control control = pgw_control_assume(format, &given);
		const char *encryption = pgw_format_encryption(format, &control, cases[i].entry);
		struct pgw_entry entry;

		pgw_entry_decode(format, &control, cases[i].entry, cases[i].level, &entry);
		assert_int_equal(entry.kind, cases[i].kind);
		assert_int_equal(entry.pa, cases[i].pa);
		if (cases[i].encryption)
			assert_string_equal(encryption, cases[i].encryption);
		else
			assert_null(encryption);
	}
}

static void test_x86_64_halves__are_canonical(void **state)
{
	uint64_t first, last;

	(void)state;
	pgw_format_region_range(pgw_format_by_name("x86_64-la48"), PGW_REGION_USER, &first, &last);
	assert_int_equal(first, 0);
	assert_int_equal(last, UINT64_C(0x00007fffffffffff));
	pgw_format_region_range(pgw_format_by_name("x86_64-la48"), PGW_REGION_KERNEL, &first,
				&last);
	assert_int_equal(first, UINT64_C(0xffff800000000000));
	assert_int_equal(last, UINT64_MAX);
	pgw_format_region_range(pgw_format_by_name("x86_64-la57"), PGW_REGION_KERNEL, &first,
				&last);
	assert_int_equal(first, UINT64_C(0xff00000000000000));
	assert_null(pgw_format_by_name("x86_64-la49"));
	assert_null(pgw_format_by_name("x86_64-la4"));
	assert_null(pgw_format_by_name(""));
}

struct runs {
	struct pgw_extent extent[16];
	size_t nr;
	int stop_value;
};

static int keep_run(const struct pgw_extent *extent, void *arg)
{
	struct runs *runs = arg;

	assert_true(runs->nr < 16);
	runs->extent[runs->nr++] = *extent;
	return runs->stop_value;
}

/* Two page tables side by side; the last entry of one and the first of the other run on. */
static void test_x86_64_scan__runs_join_across_tables_and_break_on_bits(void **state)
{
	static uint64_t memory[5][512];
	struct pgw_phys_memory source;
	struct pgw_control none = { 0 };
	struct pt pt = { .format = pgw_format_by_name("x86_64-la48"),
			 .root_pa = 0x4000,
			 .budget = 100,
			 .phys = &source.phys };
	struct pgw_scan_stats stats = { 0 };
	struct runs runs = { .nr = 0 };

	(void)state;
	pt.control = pgw_control_assume(pt.format, &none);
	assert_int_equal(pgw_phys_memory_init(&source, 0, memory, sizeof(memory)), 0);
	pt_prepare(&pt);
	memory[4][0] = 0x3000 | P | W | U;
	memory[3][0] = 0x2000 | P | W | U;
	memory[2][0] = 0x0000 | P | W | U;
	memory[2][1] = 0x1000 | P | W | U;
	for (unsigned i = 0; i < 1024; i++)
		memory[i / 512][i % 512] = (UINT64_C(0x100000) + i * 0x1000) | P | W;
	memory[0][10] |= A;              /* an attribute: one leaf apart */
	memory[0][20] |= BIT(9);         /* a software bit: the raw entries do not follow */
	memory[1][100] = 0x5000 | P;     /* elsewhere */
	memory[1][511] |= BIT(52);       /* and the last */
	memory[2][3] = P | PS | BIT(13); /* malformed */
	memory[2][4] = BIT(50) | P;      /* a table outside memory */
	memory[2][5] = BIT(50) | BIT(12) | P;
	assert_int_equal(pt_ops(&pt)->scan(&pt, 0, BIT(47) - 1, keep_run, &runs, &stats), 0);
	assert_int_equal(runs.nr, 10);
	assert_int_equal(runs.extent[4].va_first, 21 * 0x1000);
	assert_int_equal(runs.extent[4].va_last, 0x1000 * (512 + 100) - 1);
	assert_int_equal(runs.extent[8].kind, PGW_ENTRY_MALFORMED);
	assert_int_equal(runs.extent[8].va_first, 3 << 21);
	assert_int_equal(runs.extent[8].va_last, (4 << 21) - 1);
	assert_int_equal(runs.extent[9].kind, PGW_ENTRY_UNREADABLE);
	assert_int_equal(runs.extent[9].va_first, 4 << 21);
	assert_int_equal(runs.extent[9].va_last, (6 << 21) - 1);
	assert_int_equal(stats.nr_leaves, 1024);
	assert_int_equal(stats.nr_malformed, 1);
	assert_int_equal(stats.nr_unreadable, 1);
	assert_int_equal(stats.nr_tables, 7);
	assert_false(stats.truncated);

	/* The budget: what was met before is reported, and where it stopped is said. */
	runs.nr = 0;
	pt.budget = 4;
	stats = (struct pgw_scan_stats){ 0 };
	assert_int_equal(pt_ops(&pt)->scan(&pt, 0, BIT(47) - 1, keep_run, &runs, &stats),
			 -PGW_E2BIG);
	assert_true(stats.truncated);
	assert_int_equal(stats.truncated_va, 512 * 0x1000);
	assert_int_equal(runs.extent[runs.nr - 1].va_last, 512 * 0x1000 - 1);

	/* The callback's value ends the scan. */
	runs = (struct runs){ .stop_value = 42 };
	pt.budget = 100;
	stats = (struct pgw_scan_stats){ 0 };
	assert_int_equal(pt_ops(&pt)->scan(&pt, 0, BIT(47) - 1, keep_run, &runs, &stats), 42);
	assert_int_equal(runs.nr, 1);
	assert_true(stats.truncated);
	assert_int_equal(stats.truncated_va, 10 * 0x1000);
}

/* Memory that ends inside a table, and inside an item. */
static void test_x86_64_scan__a_table_cut_short_is_read_as_far_as_it_goes(void **state)
{
	static uint64_t memory[4][512];
	static const unsigned keep[] = { 0, 4, 8, 12, 512, 520, 4088, 4092 };
	struct pgw_control none = { 0 };
	struct pt pt = { .format = pgw_format_by_name("x86_64-la48"), .root_pa = 0, .budget = 100 };

	(void)state;
	pt.control = pgw_control_assume(pt.format, &none);
	for (unsigned i = 0; i < 3; i++)
		memory[i][0] = (i + 1) * 0x1000u | P;
	for (unsigned i = 0; i < 512; i++)
		memory[3][i] = (BIT(30) + i * 0x1000) | P;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(keep); i++) {
		struct pgw_phys_memory source;
		struct pgw_scan_stats stats = { 0 };
		struct runs runs = { .nr = 0 };
		struct pgw_phys_ops ops;
		struct pgw_phys phys;
		size_t items = keep[i] / 8;

		assert_int_equal(pgw_phys_memory_init(&source, 0, memory, 0x3000 + keep[i]), 0);
		ops = *source.phys.ops;
		ops.map = NULL;
		phys = (struct pgw_phys){ &ops, &source };
		pt.phys = &phys;
		pt_prepare(&pt);
		assert_int_equal(pt_ops(&pt)->scan(&pt, 0, BIT(21) - 1, keep_run, &runs, &stats),
				 0);
		assert_int_equal(stats.nr_leaves, items);
		assert_int_equal(runs.nr, items ? 2 : 1);
		assert_int_equal(runs.extent[runs.nr - 1].kind, PGW_ENTRY_UNREADABLE);
		assert_int_equal(runs.extent[runs.nr - 1].va_first, items * 0x1000);
		assert_int_equal(runs.extent[runs.nr - 1].va_last, BIT(21) - 1);
		assert_int_equal(stats.nr_unreadable, 1);
	}
}

/* SDM "Linear-Address Masking": bit 63 stays, and says whose LAM counts. */
static void test_x86_64_untag__lam_leaves_bit_63(void **state)
{
	static const struct untag_row tagged[] = {
		{ "x86_64-la48", PGW_CTL_X86_LAM_U57, 0x7e00000000400010, 0x400010, 0x3f },
		{ "x86_64-la48", PGW_CTL_X86_LAM_U57, 0x7f00000000400010, 0x7f00000000400010, 0 },
		{ "x86_64-la48", PGW_CTL_X86_LAM_U48, 0x7fff000000400010, 0x400010, 0x7fff },
		{ "x86_64-la48", PGW_CTL_X86_LAM_U48, 0x0001800000400010, 0x7fff800000400010, 1 },
		{ "x86_64-la48", PGW_CTL_X86_LAM_U48 | PGW_CTL_X86_LAM_U57, 0x0201000000400010,
		  0x0001000000400010, 1 },
		{ "x86_64-la57", PGW_CTL_X86_LAM_U57, 0x02aa000000400010, 0x00aa000000400010, 1 },
		{ "x86_64-la48", PGW_CTL_X86_LAM_U57, 0xfbff880000000000, 0xfbff880000000000, 0 },
		{ "x86_64-la48", PGW_CTL_X86_LAM_SUP, 0x8001880000000000, 0xffff880000000000, 1 },
		{ "x86_64-la57", PGW_CTL_X86_LAM_SUP, 0x81ff880000000000, 0xffff880000000000, 0 },
		{ "x86_64-la48", PGW_CTL_X86_LAM_SUP, 0x7e00000000400010, 0x7e00000000400010, 0 },
		{ "x86_64-la48", 0, 0x7e00000000400010, 0x7e00000000400010, 0 },
	};

	(void)state;
	check_untag(tagged, PGW_ARRAY_SIZE(tagged));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86_64_untag__lam_leaves_bit_63),
		cmocka_unit_test(test_x86_64_decode__rows_of_the_manual),
		cmocka_unit_test(test_x86_64_rights__every_combination_at_every_level),
		cmocka_unit_test(test_x86_64_translate__pat_of_a_large_leaf_is_no_address),
		cmocka_unit_test(test_x86_64_control__unknown_bits_are_assumed),
		cmocka_unit_test(test_x86_64_encryption__the_bit_is_no_address),
		cmocka_unit_test(test_x86_64_halves__are_canonical),
		cmocka_unit_test(test_x86_64_scan__runs_join_across_tables_and_break_on_bits),
		cmocka_unit_test(test_x86_64_scan__a_table_cut_short_is_read_as_far_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
