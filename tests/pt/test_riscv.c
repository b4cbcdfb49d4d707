/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * riscv entries against the manual: single entries from a table, rights by
 * brute force over every combination of the bits that could matter.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define V BIT(0)
#define R BIT(1)
#define W BIT(2)
#define X BIT(3)
#define U BIT(4)
#define G BIT(5)
#define A BIT(6)
#define D BIT(7)
#define RSW BITS(9, 8)
#define PPN(pa) ((uint64_t)(pa) >> 2)
#define PBMT(n) ((uint64_t)(n) << 61)
#define N BIT(63)

#define SVNAPOT PGW_CTL_RISCV_SVNAPOT
#define SVPBMT PGW_CTL_RISCV_SVPBMT
#define SVRSW PGW_CTL_RISCV_SVRSW60T59B
#define SSE PGW_CTL_RISCV_SSE
#define ALL (SVNAPOT | SVPBMT | SVRSW | SSE)

static const struct row {
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa;      /* table or leaf */
	uint8_t size_lg2; /* leaf */
	uint32_t without; /* the extension that the CPU lacks */
} rows[] = {
	/* 4.3.2 step 3: V = 0 is not looked at any further */
	{ 0, 0, PGW_ENTRY_EMPTY, 0, 0, 0 },
	{ ~V, 0, PGW_ENTRY_ABSENT, 0, 0, 0 },
	{ ~V, 4, PGW_ENTRY_ABSENT, 0, 0, 0 },
	/* leaves at every level; a superpage's low PPN bits are 0 */
	{ V | R | PPN(0x12345000), 0, PGW_ENTRY_LEAF, 0x12345000, 12, 0 },
	{ V | R | PPN(0x12200000), 1, PGW_ENTRY_LEAF, 0x12200000, 21, 0 },
	{ V | R | PPN(0x12201000), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | PPN(0x40000000), 2, PGW_ENTRY_LEAF, 0x40000000, 30, 0 },
	{ V | R | PPN(0x40200000), 2, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | PPN(0x8000000000), 3, PGW_ENTRY_LEAF, 0x8000000000, 39, 0 },
	{ V | R | PPN(0x8040000000), 3, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | PPN(BIT(48)), 4, PGW_ENTRY_LEAF, BIT(48), 48, 0 },
	{ V | R | PPN(BIT(47)), 4, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | BITS(53, 10), 0, PGW_ENTRY_LEAF, BITS(55, 12), 12, 0 },
	/* pointers: D, A and U are reserved, and so are the leaves' PBMT and N */
	{ V | PPN(0x12345000), 1, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ V | G | RSW | PPN(0x12345000), 4, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
	{ V | U, 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | A, 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | D, 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | PBMT(1), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | PBMT(2), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | N, 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	/* step 4: no pointers in the lowest table */
	{ V | PPN(0x12345000), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	/* bits 58:54 belong to no extension, 60:59 to software with Svrsw60t59b */
	{ V | R | BIT(54), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | BIT(58), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | BIT(54), 2, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | BIT(58), 2, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | BIT(59), 0, PGW_ENTRY_LEAF, 0, 12, 0 },
	{ V | R | BIT(60), 2, PGW_ENTRY_LEAF, 0, 30, 0 },
	{ V | BITS(60, 59), 2, PGW_ENTRY_TABLE, 0, 0, 0 },
	{ V | R | BIT(59), 0, PGW_ENTRY_MALFORMED, 0, 0, SVRSW },
	{ V | R | BIT(60), 0, PGW_ENTRY_MALFORMED, 0, 0, SVRSW },
	{ V | BIT(59), 2, PGW_ENTRY_MALFORMED, 0, 0, SVRSW },
	{ V | BIT(60), 2, PGW_ENTRY_MALFORMED, 0, 0, SVRSW },
	/* Svpbmt: 3 is reserved */
	{ V | R | PBMT(1), 0, PGW_ENTRY_LEAF, 0, 12, 0 },
	{ V | R | PBMT(2), 0, PGW_ENTRY_LEAF, 0, 12, 0 },
	{ V | R | PBMT(3), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | W | X | U | A | D | PBMT(3), 2, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | PBMT(1), 0, PGW_ENTRY_MALFORMED, 0, 0, SVPBMT },
	{ V | R | PBMT(2), 1, PGW_ENTRY_MALFORMED, 0, 0, SVPBMT },
	/* Svnapot: PPN[3:0] = 1000 at the lowest level is the only encoding */
	{ V | R | N | PPN(0x12348000), 0, PGW_ENTRY_LEAF, 0x12340000, 16, 0 },
	{ V | R | N | PPN(0x12340000), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | N | PPN(0x12349000), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | N | PPN(0x1234c000), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | N | PPN(0x12200000), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | R | N | PPN(0x12348000), 0, PGW_ENTRY_MALFORMED, 0, 0, SVNAPOT },
	/* W without R: reserved with X, a shadow stack without it where menvcfg.SSE = 1 */
	{ V | W | X, 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | W | X | U | A | D, 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ V | W | U | A | D, 0, PGW_ENTRY_LEAF, 0, 12, 0 },
	{ V | W, 2, PGW_ENTRY_LEAF, 0, 30, 0 },
	{ V | W | U | A | D, 0, PGW_ENTRY_MALFORMED, 0, 0, SSE },
	{ V | W, 2, PGW_ENTRY_MALFORMED, 0, 0, SSE },
};

static void test_riscv_decode__rows_of_the_manual(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("riscv-sv57");

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct pgw_control known = { .known = row->without };
		struct pgw_control control = pgw_control_assume(format, &known);
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2)
			fail_msg("row %zu: kind %d pa %#llx size 2^%u", i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

/* Every bit above the PPN, set alone, for a leaf and a pointer, with and without each extension. */
static void test_riscv_decode__high_bits_without_each_extension(void **state)
{
	const struct pgw_format *format = pgw_format_by_name("riscv-sv39");
	static const uint32_t owner[64] = {
		[59] = SVRSW, [60] = SVRSW, [61] = SVPBMT, [62] = SVPBMT, [63] = SVNAPOT
	};

	(void)state;
	for (uint32_t set = 0; set <= ALL; set++) {
		struct pgw_control known = { .known = ALL, .set = set };
		struct pgw_control control = pgw_control_assume(format, &known);

		if (set & ~(uint32_t)ALL)
			continue;
		for (unsigned bit = 54; bit < 64; bit++) {
			bool is_known = owner[bit] & set;
			struct pgw_entry leaf, table;

			/* PPN[3:0] = 8, which N wants. */
			pgw_entry_decode(format, &control, V | R | PPN(0x8000) | BIT(bit), 0,
					 &leaf);
			pgw_entry_decode(format, &control, V | BIT(bit), 1, &table);
			assert_int_equal(leaf.kind,
					 is_known ? PGW_ENTRY_LEAF : PGW_ENTRY_MALFORMED);
			assert_int_equal(table.kind, is_known && owner[bit] == SVRSW
							     ? PGW_ENTRY_TABLE
							     : PGW_ENTRY_MALFORMED);
		}
	}
}

/*
 * 4.3.1, "Encoding of PTE R/W/X fields", by X, W, R from the high bit down. SUM
 * and MXR count as set: S-mode reads and writes U pages, and loads read what
 * may be executed. "Irrespective of SUM, the supervisor may not execute code on
 * pages with U=1." A shadow stack (Zicfiss) is read by all loads, written by no store.
 */
static const struct rwx {
	bool is_leaf;
	unsigned any, fetch; /* bits of R, W and X: who may at all, and who may fetch */
} encodings[8] = {
	[0] = { false, 0, 0 },    /* pointer */
	[1] = { true, 1, 0 },     /* read-only */
	[2] = { true, 1, 0 },     /* shadow stack, else reserved */
	[3] = { true, 1 | 2, 0 }, /* read-write */
	[4] = { true, 1, 4 },     /* execute-only, MXR */
	[5] = { true, 1, 4 },     /* read-execute */
	[6] = { false, 0, 0 },    /* reserved */
	[7] = { true, 1 | 2, 4 }, /* read-write-execute */
};

static void check_rights(struct chain *chain, unsigned level, uint64_t bits, uint32_t set)
{
	const struct rwx *expected = &encodings[bits >> 1 & 7];
	struct pgw_control known = { .known = ALL, .set = set };
	bool is_shadow = (bits >> 1 & 7) == 2;
	struct pgw_translation got;
	unsigned rights;

	chain_put(chain, level, V | bits,
		  level ? PPN(UINT64_C(1) << (12 + 9 * level)) : PPN(CHAIN_PAGE));
	got = chain_translate(chain, &known);
	if (!expected->is_leaf || (is_shadow && !(set & SSE))) {
		assert_int_equal(got.kind, PGW_ENTRY_MALFORMED);
		return;
	}
	assert_int_equal(got.kind, PGW_ENTRY_LEAF);
	if (bits & U)
		rights = expected->any | (expected->any | expected->fetch) << 3;
	else
		rights = expected->any | expected->fetch;
	assert_int_equal(got.rights, rights);
}

/* All of R, W, X, U, G, A, D and RSW in the leaf, under tables with and without G and RSW. */
static void test_riscv_rights__every_combination_at_every_level(void **state)
{
	_Static_assert(PGW_KERNEL_R == 1 && PGW_KERNEL_W == 2 && PGW_KERNEL_X == 4 &&
			       PGW_USER_R == 8,
		       "as in struct rwx");

	(void)state;
	for (int half = 0; half <= PGW_REGION_KERNEL; half++) {
		struct chain chain;

		chain_init(&chain, "riscv-sv48", (enum pgw_region_kind)half);
		for (unsigned level = 0; level < 4; level++) {
			for (uint64_t i = 0; i < 512 * 2 * 2; i++) {
				uint64_t bits = (i & 511) << 1, table = i & 512 ? G | RSW : 0;

				/* What tells a pointer from a leaf there is in the rows. */
				if (!(bits & (R | W | X)))
					continue;
				for (unsigned above = level + 1; above < 4; above++)
					chain_put(&chain, above, V | table,
						  PPN(CHAIN_TABLE(above - 1)));
				check_rights(&chain, level, bits, i & 1024 ? ALL : ALL & ~SSE);
			}
		}
	}
}

static void test_riscv_control__nothing_is_reserved_that_an_extension_uses(void **state)
{
	struct pgw_control none = { 0 };
	struct pgw_control got = pgw_control_assume(pgw_format_by_name("riscv-sv39"), &none);

	(void)state;
	assert_int_equal(got.known, ALL | PGW_CTL_RISCV_PMLEN7 | PGW_CTL_RISCV_PMLEN16);
	assert_int_equal(got.set, ALL);
	assert_int_equal(got.pa_bits, 56);
}

/* "Pointer Masking": PMLEN upper bits become the bit below them. */
static void test_riscv_untag__pmlen_bits_are_sign_extended(void **state)
{
	static const struct untag_row tagged[] = {
		{ "riscv-sv39", PGW_CTL_RISCV_PMLEN7, 0xa400000000400010, 0x400010, 0x52 },
		{ "riscv-sv39", PGW_CTL_RISCV_PMLEN7, 0x05ffffc000000000, 0xffffffc000000000, 2 },
		{ "riscv-sv39", PGW_CTL_RISCV_PMLEN16, 0xabcd000000400010, 0x400010, 0xabcd },
		{ "riscv-sv39", PGW_CTL_RISCV_PMLEN16, 0x0000ffc000000000, 0xffffffc000000000, 0 },
		{ "riscv-sv57", PGW_CTL_RISCV_PMLEN16, 0x00ff000000400010, 0x400010, 0xff },
		{ "riscv-sv39", 0, 0xa400000000400010, 0xa400000000400010, 0 },
	};

	(void)state;
	check_untag(tagged, PGW_ARRAY_SIZE(tagged));
}

/* 4.3.1, figure "Sv32 page table entry": all 32 bits have a meaning, and none is reserved but in pointers. */
static void test_riscv_sv32__rows_of_the_manual(void **state)
{
	static const struct row sv32_rows[] = {
		{ 0, 0, PGW_ENTRY_EMPTY, 0, 0, 0 },
		{ 0xfffffffe, 1, PGW_ENTRY_ABSENT, 0, 0, 0 },
		{ 0xffffffff, 0, PGW_ENTRY_LEAF, BITS(33, 12), 12, 0 },
		{ V | R | 0xfff00000, 1, PGW_ENTRY_LEAF, BITS(33, 22), 22, 0 },
		{ V | R | 0xfff00400, 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
		{ V | PPN(0x312345000), 1, PGW_ENTRY_TABLE, 0x312345000, 0, 0 },
		{ V | G | RSW | PPN(0x12345000), 1, PGW_ENTRY_TABLE, 0x12345000, 0, 0 },
		{ V | PPN(0x12345000), 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
		{ V | A | PPN(0x12345000), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
		{ V | D | PPN(0x12345000), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
		{ V | U | PPN(0x12345000), 1, PGW_ENTRY_MALFORMED, 0, 0, 0 },
		{ V | W | X, 0, PGW_ENTRY_MALFORMED, 0, 0, 0 },
		{ V | W, 0, PGW_ENTRY_LEAF, 0, 12, 0 },
		{ V | W, 0, PGW_ENTRY_MALFORMED, 0, 0, SSE },
	};
	const struct pgw_format *format = pgw_format_by_name("riscv-sv32");

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(sv32_rows); i++) {
		const struct row *row = &sv32_rows[i];
		struct pgw_control known = { .known = row->without };
		struct pgw_control control = pgw_control_assume(format, &known);
		struct pgw_entry got;

		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2)
			fail_msg("row %zu: kind %d pa %#llx size 2^%u", i, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_riscv_sv32__rows_of_the_manual),
		cmocka_unit_test(test_riscv_untag__pmlen_bits_are_sign_extended),
		cmocka_unit_test(test_riscv_decode__rows_of_the_manual),
		cmocka_unit_test(test_riscv_decode__high_bits_without_each_extension),
		cmocka_unit_test(test_riscv_rights__every_combination_at_every_level),
		cmocka_unit_test(test_riscv_control__nothing_is_reserved_that_an_extension_uses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
