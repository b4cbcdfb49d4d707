/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Entries of hypervisors' and IOMMUs' tables against the manuals, by rows; and what tables and leaves
 * allow together. What is expected is said by hand.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pt/chain.h"

#define R PGW_KERNEL_R
#define W PGW_KERNEL_W
#define X PGW_KERNEL_X
#define RWX (R | W | X)
#define BOTH(rights) ((rights) | (rights) << 3)
#define EMPTY PGW_ENTRY_EMPTY
#define ABSENT PGW_ENTRY_ABSENT
#define TABLE PGW_ENTRY_TABLE
#define LEAF PGW_ENTRY_LEAF
#define MALFORMED PGW_ENTRY_MALFORMED

struct row {
	const char *format;
	uint64_t entry;
	unsigned level;
	enum pgw_entry_kind kind;
	uint64_t pa;      /* table or leaf */
	uint8_t size_lg2; /* leaf */
	unsigned rights;  /* leaf */
	const char *type; /* of memory, or NULL */
	uint32_t set;     /* control bits that differ from what is assumed: these are set, ... */
	uint32_t clear;   /* ... and these are not */
};

#define AMD_NEXT(level) ((uint64_t)(level) << 9)
#define AMD_R BIT(61)
#define AMD_W BIT(62)

static const struct row rows[] = {
	/* EPT: bits 2:0 say whether it is there; bit 63 alone is nothing, other bits are somebody's */
	{ "ept-4", 0, 0, EMPTY, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", BIT(63), 3, EMPTY, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", BIT(63) | 0x1000, 0, ABSENT, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x12345007, 1, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x12345001, 3, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x12345004, 3, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x12345037, 0, LEAF, 0x12345000, 12, BOTH(RWX), "wb", 0, 0 },
	{ "ept-4", 0x12345031, 0, LEAF, 0x12345000, 12, BOTH(R), "wb", 0, 0 },
	{ "ept-4", 0x12345034, 0, LEAF, 0x12345000, 12, BOTH(X), "wb", 0, 0 },
	{ "ept-4", 0x12345034, 0, MALFORMED, 0, 0, 0, NULL, 0, PGW_CTL_EPT_XO },
	{ "ept-4", 0x12345003, 0, LEAF, 0x12345000, 12, BOTH(R | W), "uc", 0, 0 },
	{ "ept-4", 0x122000b7, 1, LEAF, 0x12200000, 21, BOTH(RWX), "wb", 0, 0 },
	{ "ept-4", 0x400000b7, 2, LEAF, 0x40000000, 30, BOTH(RWX), "wb", 0, 0 },
	/* misconfigurations: W without R; memory types 2, 3, 7; bits of tables; a large PML4E */
	{ "ept-4", 0x12345032, 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x12345036, 0, ABSENT, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x12345017, 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x1234501f, 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x1234503f, 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x1234500f, 1, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x12345047, 2, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x000000b7, 3, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "ept-4", 0x122010b7, 1, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	/* mode-based execute: bit 2 is for supervisors, bit 10 for users, and makes an entry present */
	{ "ept-4", 0x12345035, 0, LEAF, 0x12345000, 12, R | X | R << 3, "wb", PGW_CTL_EPT_MBEC, 0 },
	{ "ept-4", 0x12345431, 0, LEAF, 0x12345000, 12, R | (R | X) << 3, "wb", PGW_CTL_EPT_MBEC,
	  0 },
	{ "ept-4", 0x12345430, 0, LEAF, 0x12345000, 12, X << 3, "wb", PGW_CTL_EPT_MBEC, 0 },
	{ "ept-4", 0x12345430, 0, ABSENT, 0, 0, 0, NULL, 0, 0 },
	{ "ept-5", 0x12345007, 4, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "ept-5", 0x12345087, 4, MALFORMED, 0, 0, 0, NULL, 0, 0 },

	/* NPT: U must be set; bit 63 alone is nothing; a present entry with bit 51 is a mark */
	{ "npt-48", 0, 0, EMPTY, 0, 0, 0, NULL, 0, 0 },
	{ "npt-48", BIT(63), 2, EMPTY, 0, 0, 0, NULL, 0, 0 },
	{ "npt-48", BIT(63) | 2, 0, ABSENT, 0, 0, 0, NULL, 0, 0 },
	{ "npt-48", 0x80000d00000b7, 0, ABSENT, 0, 0, 0, NULL, 0, 0 },
	{ "npt-48", 0x28e7e67, 0, LEAF, 0x28e7000, 12, RWX, NULL, 0, 0 },
	{ "npt-48", 0x28e8825, 0, LEAF, 0x28e8000, 12, R | X, NULL, 0, 0 },
	{ "npt-48", 0x28e8063, 0, LEAF, 0x28e8000, 12, 0, NULL, 0, 0 },
	{ "npt-48", BIT(63) | 0x28e8027, 0, LEAF, 0x28e8000, 12, R | W, NULL, 0, 0 },
	{ "npt-48", BIT(63) | 0x28e8027, 0, MALFORMED, 0, 0, 0, NULL, 0, PGW_CTL_X86_NXE },
	{ "npt-48", 0x7400ee7, 1, LEAF, 0x7400000, 21, RWX, NULL, 0, 0 },
	{ "npt-57", 0x66cb827, 4, TABLE, 0x66cb000, 0, 0, NULL, 0, 0 },

	/* VT-d: R or W makes an entry, and bit 7 a large leaf, at levels 1 and 2 only */
	{ "vtd-second-3", 0, 0, EMPTY, 0, 0, 0, NULL, 0, 0 },
	{ "vtd-second-3", 0x12345004, 0, ABSENT, 0, 0, 0, NULL, 0, 0 },
	{ "vtd-second-3", 3, 0, LEAF, 0, 12, R | W, NULL, 0, 0 },
	{ "vtd-second-3", 0x12345001, 0, LEAF, 0x12345000, 12, R, NULL, 0, 0 },
	{ "vtd-second-3", 0x12345002, 0, LEAF, 0x12345000, 12, W, NULL, 0, 0 },
	{ "vtd-second-3", 0x12345083, 0, LEAF, 0x12345000, 12, R | W, NULL, 0, 0 },
	{ "vtd-second-3", 0x12345403, 2, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "vtd-second-3", 0x12345001, 1, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "vtd-second-3", 0x12200083, 1, LEAF, 0x12200000, 21, R | W, NULL, 0, 0 },
	{ "vtd-second-3", 0x12201083, 1, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "vtd-second-4", 0x40000082, 2, LEAF, 0x40000000, 30, W, NULL, 0, 0 },
	{ "vtd-second-4", 0x83, 3, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "vtd-second-5", 0x12345003, 4, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "vtd-first", 0x12345067, 0, LEAF, 0x12345000, 12, R | W, NULL, 0, 0 },
	{ "vtd-first", 0x12345025, 0, LEAF, 0x12345000, 12, R, NULL, 0, 0 },
	{ "vtd-first", 0x12345023, 0, LEAF, 0x12345000, 12, 0, NULL, 0, 0 },
	{ "vtd-first", 0x122000e7, 1, LEAF, 0x12200000, 21, R | W, NULL, 0, 0 },
	{ "vtd-first", 0x12345227, 3, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },

	/* AMD-Vi: the entry says the level of the next table, which must be lower */
	{ "amdvi-4", 0, 0, EMPTY, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", 0x6000000012345000, 0, ABSENT, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | AMD_W | 0x12345001 | AMD_NEXT(3), 3, TABLE, 0x12345000, 0, 0, NULL, 0,
	  0 },
	{ "amdvi-4", AMD_R | AMD_W | 0x12345001 | AMD_NEXT(1), 3, TABLE, 0x12345000, 0, 0, NULL, 0,
	  0 },
	{ "amdvi-4", AMD_R | 0x12345001 | AMD_NEXT(4), 3, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x12345001 | AMD_NEXT(6), 3, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x12345001 | AMD_NEXT(1), 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | AMD_W | BIT(60) | 0x12345001, 0, LEAF, 0x12345000, 12, R | W, NULL, 0,
	  0 },
	{ "amdvi-4", AMD_W | 0x12345001, 0, LEAF, 0x12345000, 12, W, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x12200001, 1, LEAF, 0x12200000, 21, R, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | AMD_W | 1, 3, LEAF, 0, 39, R | W, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | BIT(52) | 1, 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", BIT(60) | 0x12345001 | AMD_NEXT(1), 1, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	/* ... and 7 that the address says the size: above the level's own, below the next level's */
	{ "amdvi-4", AMD_R | 0x12344001 | AMD_NEXT(7), 0, LEAF, 0x12344000, 13, R, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x12347001 | AMD_NEXT(7), 0, LEAF, 0x12340000, 16, R, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x1237f001 | AMD_NEXT(7), 0, LEAF, 0x12300000, 20, R, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x122ff001 | AMD_NEXT(7), 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x120ff001 | AMD_NEXT(7), 1, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | 0x121ff001 | AMD_NEXT(7), 1, LEAF, 0x12000000, 22, R, NULL, 0, 0 },
	{ "amdvi-4", AMD_R | BITS(51, 12) | 1 | AMD_NEXT(7), 3, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-5", AMD_R | BITS(50, 12) | 1 | AMD_NEXT(7), 4, LEAF, 0, 52, R, NULL, 0, 0 },
	{ "amdvi-5", AMD_R | BITS(51, 12) | 1 | AMD_NEXT(7), 4, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-1", AMD_R | AMD_W | 0x12345001, 0, LEAF, 0x12345000, 12, R | W, NULL, 0, 0 },
	{ "amdvi-1", AMD_R | 0x12347001 | AMD_NEXT(7), 0, LEAF, 0x12340000, 16, R, NULL, 0, 0 },
	{ "amdvi-1", AMD_R | 0x12345001 | AMD_NEXT(1), 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	/* mode 6: a directory alone; tables of any level below it */
	{ "amdvi-6", AMD_R | 0x12345001 | AMD_NEXT(5), 5, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "amdvi-6", AMD_R | 0x12345001 | AMD_NEXT(1), 5, TABLE, 0x12345000, 0, 0, NULL, 0, 0 },
	{ "amdvi-6", AMD_R | 0x12345001 | AMD_NEXT(6), 5, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-6", AMD_R | 1, 5, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-6", AMD_R | BITS(51, 12) | 1 | AMD_NEXT(7), 5, MALFORMED, 0, 0, 0, NULL, 0, 0 },
	{ "amdvi-6", AMD_R | 1, 4, LEAF, 0, 48, R, NULL, 0, 0 },

	/* riscv G stage: without U nothing is allowed */
	{ "riscv-sv57x4", 0x203cb4df, 0, LEAF, 0x80f2d000, 12, RWX, NULL, 0, 0 },
	{ "riscv-sv57x4", 0x203cb4db, 0, LEAF, 0x80f2d000, 12, R | X, NULL, 0, 0 },
	{ "riscv-sv57x4", 0x203cb4cf, 0, LEAF, 0x80f2d000, 12, 0, NULL, 0, 0 },
	{ "riscv-sv39x4", 0x20cb0401, 2, TABLE, 0x832c1000, 0, 0, NULL, 0, 0 },
	{ "riscv-sv48x4", 0x203cb4d5, 0, MALFORMED, 0, 0, 0, NULL, 0, 0 },

	/* arm64 stage 2: as the images have them, and the memory type by FWB */
	{ "arm64-s2-4k-l1", 0x004000004279a7ff, 0, LEAF, 0x4279a000, 12, BOTH(R | W), "normal", 0,
	  0 },
	{ "arm64-s2-4k-l1", 0x4279a7ff, 0, LEAF, 0x4279a000, 12, BOTH(RWX), "normal", 0,
	  PGW_CTL_ARM64_FWB },
	{ "arm64-s2-4k-l1", 0x4279a7db, 0, LEAF, 0x4279a000, 12, BOTH(RWX), "normal", 0, 0 },
	{ "arm64-s2-4k-l1", 0x4279a7db, 0, LEAF, 0x4279a000, 12, BOTH(RWX), "normal-other", 0,
	  PGW_CTL_ARM64_FWB },
	{ "arm64-s2-4k-l1", 0x400000080407c7, 0, LEAF, 0x8040000, 12, BOTH(R | W), "device-nGnRE",
	  0, 0 },
	{ "arm64-s2-4k-l1", 0x4279a75b, 0, LEAF, 0x4279a000, 12, BOTH(R | X), "normal", 0, 0 },
	{ "arm64-s2-4k-l1", 0x4279a7bf, 0, LEAF, 0x4279a000, 12, BOTH(W | X), "normal", 0, 0 },
	{ "arm64-s2-4k-l1", BIT(53) | 0x4279a7ff, 0, LEAF, 0x4279a000, 12, R | W | RWX << 3,
	  "normal", 0, 0 },
	{ "arm64-s2-4k-l1", BIT(53) | 0x4279a7ff, 0, LEAF, 0x4279a000, 12, BOTH(RWX), "normal", 0,
	  PGW_CTL_ARM64_XNX },
	{ "arm64-s2-4k-l1", BITS(54, 53) | 0x4279a7ff, 0, LEAF, 0x4279a000, 12, RWX | (R | W) << 3,
	  "normal", 0, 0 },
	{ "arm64-s2-4k-l1", BIT(51) | 0x4279a77f, 0, LEAF, 0x4279a000, 12, BOTH(R | X), "normal", 0,
	  0 },
	{ "arm64-s2-4k-l1", BIT(51) | 0x4279a77f, 0, LEAF, 0x4279a000, 12, BOTH(RWX), "normal",
	  PGW_CTL_ARM64_HD, 0 },
	{ "arm64-s2-4k-l1", BIT(52) | 0x4279a7ff, 0, LEAF, 0x42790000, 16, BOTH(RWX), "normal", 0,
	  0 },
	{ "arm64-s2-4k-l1", 0x448007d9, 1, LEAF, 0x44800000, 21, BOTH(RWX), "normal", 0, 0 },
	/* with DS bits 9:8 are OA[51:50] */
	{ "arm64-s2-4k-l1-lpa2", 0x4279a4db, 0, LEAF, 0x4279a000, 12, BOTH(RWX), "normal", 0, 0 },
	{ "arm64-s2-4k-l1-lpa2", 0x4279a7db, 0, LEAF, BITS(51, 50) | 0x4279a000, 12, BOTH(RWX),
	  "normal", 0, 0 },
	{ "arm64-s2-4k-l1", 0x4279b003, 2, TABLE, 0x4279b000, 0, 0, NULL, 0, 0 },
	/* EL2: XN is bit 54, AP[2] bit 7, nobody else */
	{ "arm64-el2-4k", 0x4279a743, 0, LEAF, 0x4279a000, 12, RWX, "normal", 0, 0 },
	{ "arm64-el2-4k", 0x4279a7c3, 0, LEAF, 0x4279a000, 12, R | X, "normal", 0, 0 },
	{ "arm64-el2-4k", 0x0040000042700743, 0, LEAF, 0x42700000, 12, R | W, "normal", 0, 0 },
	{ "arm64-el2-4k", 0x4279a743, 0, LEAF, 0x4279a000, 12, R | W, "normal", PGW_CTL_ARM64_WXN,
	  0 },
};

static struct pgw_control row_control(const struct pgw_format *format, const struct row *row)
{
	struct pgw_control known = { .known = row->set | row->clear, .set = row->set };

	return pgw_control_assume(format, &known);
}

static void test_foreign_decode__rows_of_the_manuals(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		const struct pgw_format *format = pgw_format_by_name(row->format);
		struct pgw_control control;
		struct pgw_entry got;
		const char *type;

		assert_non_null(format);
		control = row_control(format, row);
		pgw_entry_decode(format, &control, row->entry, row->level, &got);
		type = got.kind == LEAF ? pgw_format_memory_type(format, &control, row->entry, row->level)
					: NULL;
		if (got.kind != row->kind || got.pa != row->pa || got.size_lg2 != row->size_lg2 ||
		    got.rights != row->rights || !type != !row->type ||
		    (type && strcmp(type, row->type) != 0))
			fail_msg("row %zu, %s %#llx: kind %d pa %#llx size 2^%u rights %#x type %s",
				 i, row->format, (unsigned long long)row->entry, (int)got.kind,
				 (unsigned long long)got.pa, got.size_lg2, got.rights,
				 type ? type : "none");
	}
}

/* Tables that take something away, each at each level above a leaf that allows all. */
static const struct {
	const char *format;
	uint64_t table, restricted, leaf;
	unsigned rights, with_restricted;
} chains[] = {
	{ "ept-4", 7, 1, 0x37, BOTH(RWX), BOTH(R) },
	{ "ept-4", 7, 4, 0x37, BOTH(RWX), BOTH(X) },
	{ "ept-5", 7, 5, 0x37, BOTH(RWX), BOTH(R | X) },
	{ "npt-48", 0x827, 0x825, 0xe67, RWX, R | X },
	{ "npt-57", 0x827, 0x823, 0xe67, RWX, 0 },
	{ "npt-48", 0x827, BIT(63) | 0x827, 0xe67, RWX, R | W },
	{ "vtd-second-3", 3, 1, 3, R | W, R },
	{ "vtd-second-4", 0x403, 2, 3, R | W, W },
	{ "vtd-second-5", 3, 2, 1, R, 0 },
	{ "vtd-first", 0x227, 0x225, 0x67, R | W, R },
	{ "riscv-sv57x4", 1, 1, 0xdf, RWX, RWX },
	{ "arm64-s2-4k-l1", 3, BITS(63, 59) | 3, 0x7ff, BOTH(RWX), BOTH(RWX) },
	{ "arm64-el2-4k", 3, BIT(62) | 3, 0x743, RWX, R | X },
	{ "arm64-el2-4k", 3, BIT(60) | 3, 0x743, RWX, R | W },
	{ "arm64-el2-4k", 3, BIT(61) | BIT(59) | 3, 0x743, RWX, RWX },
};

static uint64_t address_bits(const char *format, uint64_t pa)
{
	return strncmp(format, "riscv", 5) == 0 ? pa >> 2 : pa;
}

static void test_foreign_rights__what_a_table_takes_away_is_gone(void **state)
{
	const struct pgw_control known = { 0 };
	struct chain chain;

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(chains); i++) {
		const char *format = chains[i].format;
		unsigned top = pgw_format_geometry(pgw_format_by_name(format))->top_level;

		for (unsigned where = 0; where <= top; where++) {
			struct pgw_translation got;

			chain_init(&chain, format, PGW_REGION_FOREIGN);
			for (unsigned level = top; level; level--)
				chain_put(&chain, level,
					  level == where ? chains[i].restricted : chains[i].table,
					  address_bits(format, CHAIN_TABLE(level - 1)));
			chain_put(&chain, 0, chains[i].leaf, address_bits(format, CHAIN_PAGE));
			got = chain_translate(&chain, &known);
			assert_int_equal(got.kind, LEAF);
			assert_int_equal(got.pa, CHAIN_PAGE);
			if (got.rights != (where ? chains[i].with_restricted : chains[i].rights))
				fail_msg("chain %zu, %s: rights %#x with table %u", i, format,
					 got.rights, where);
		}
	}
}

/* AMD-Vi's device table entry restricts as a table does. */
static void test_amdvi_rights__the_device_table_restricts(void **state)
{
	const struct pgw_control known = { .known = PGW_CTL_AMDVI_IR | PGW_CTL_AMDVI_IW,
					   .set = PGW_CTL_AMDVI_IW };
	struct chain chain;

	(void)state;
	chain_init(&chain, "amdvi-2", PGW_REGION_FOREIGN);
	chain_put(&chain, 1, AMD_R | AMD_W | AMD_NEXT(1) | 1, CHAIN_TABLE(0));
	chain_put(&chain, 0, AMD_R | AMD_W | 1, CHAIN_PAGE);
	assert_int_equal(chain_translate(&chain, &known).rights, W);
}

/* What is seen of a tree: extents, and translations of some addresses. */
struct seen {
	struct pgw_extent extent[8];
	size_t nr;
};

static int see(const struct pgw_extent *extent, void *arg)
{
	struct seen *seen = arg;

	assert_true(seen->nr < PGW_ARRAY_SIZE(seen->extent));
	seen->extent[seen->nr++] = *extent;
	return 0;
}

static struct pgw_translation translate(const struct chain *chain, uint64_t va)
{
	struct pgw_translation alone, batch[2];
	struct pgw_path path;
	uint64_t vas[2] = { va, va };

	pt_ops(&chain->pt)->translate(&chain->pt, va, &alone, NULL);
	pt_ops(&chain->pt)->translate_batch(&chain->pt, vas, batch, 2);
	assert_int_equal(batch[1].kind, alone.kind);
	assert_int_equal(batch[1].pa, alone.pa);
	assert_int_equal(batch[1].va_first, alone.va_first);
	assert_int_equal(batch[1].va_last, alone.va_last);
	pt_ops(&chain->pt)->translate(&chain->pt, va, &batch[0], &path);
	assert_int_equal(batch[0].kind, alone.kind);
	assert_int_equal(batch[0].pa, alone.pa);
	return alone;
}

static void scan(struct chain *chain, struct seen *seen)
{
	const struct pgw_control known = { 0 };
	struct pgw_scan_stats stats = { 0 };

	chain->pt.control = pgw_control_assume(chain->pt.format, &known);
	pt_prepare(&chain->pt);
	seen->nr = 0;
	assert_int_equal(pt_ops(&chain->pt)
				 ->scan(&chain->pt, chain->pt.region.first, chain->pt.region.last,
					see, seen, &stats),
			 0);
}

#define GIB UINT64_C(0x40000000)

/* The largest slot that the address is in, and the table is not. */
static void expect_hole(const struct chain *chain, uint64_t va, uint64_t size)
{
	struct pgw_translation got = translate(chain, va);

	assert_int_equal(got.kind, EMPTY);
	assert_int_equal(got.va_first, va & ~(size - 1));
	assert_int_equal(got.va_last, va | (size - 1));
}

/* From level 4 to a lowest table: it has the first 2 MiB of the slot, and all after them is a hole. */
static void test_amdvi_skip__a_table_has_the_first_addresses_of_its_slot(void **state)
{
	const uint64_t slot = 512 * GIB; /* the root's second */
	struct chain chain;
	struct seen seen;

	(void)state;
	chain_init(&chain, "amdvi-4", PGW_REGION_FOREIGN);
	chain.va = slot;
	chain_put(&chain, 3, AMD_R | AMD_W | AMD_NEXT(1) | 1, CHAIN_TABLE(0));
	chain.va = slot + 0x3000;
	chain_put(&chain, 0, AMD_R | 1, CHAIN_PAGE);
	scan(&chain, &seen);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.extent[0].va_first, slot + 0x3000);
	assert_int_equal(seen.extent[0].va_last, slot + 0x3fff);
	assert_int_equal(seen.extent[0].pa, CHAIN_PAGE);
	assert_int_equal(translate(&chain, slot + 0x3123).pa, CHAIN_PAGE + 0x123);
	/* Bits of the levels that are skipped must be 0. */
	expect_hole(&chain, slot + 0x200000 + 0x3123, 0x200000);
	expect_hole(&chain, slot + GIB + 0x3123, GIB);
	expect_hole(&chain, slot + slot - 1, GIB);
	assert_int_equal(translate(&chain, 0x3123).kind, EMPTY);
}

/* One that leads to itself, and says that it is lower: it is looked at as often as there are levels. */
static void test_amdvi_loop__ends_at_the_lowest_level(void **state)
{
	const struct pgw_control known = { 0 };
	struct chain chain;
	struct seen seen;

	(void)state;
	chain_init(&chain, "amdvi-5", PGW_REGION_FOREIGN);
	for (unsigned level = 4; level; level--) {
		chain_put(&chain, 4, AMD_R | AMD_NEXT(level) | 1, CHAIN_TABLE(4));
		scan(&chain, &seen);
		/* At the next level the entry is the same, and does not descend from there. */
		assert_int_equal(seen.nr, 1);
		assert_int_equal(seen.extent[0].kind, MALFORMED);
		assert_int_equal(chain_translate(&chain, &known).kind, MALFORMED);
	}
}

/* Mode 1 is a lowest table alone; mode 6 has six levels, and addresses of 64 bits, or fewer tables below it. */
static void test_amdvi_modes__from_one_level_to_six(void **state)
{
	const struct pgw_control known = { 0 };
	struct chain chain;
	struct seen seen;

	(void)state;
	chain_init(&chain, "amdvi-1", PGW_REGION_FOREIGN);
	assert_int_equal(chain.pt.region.last, BITS(20, 0));
	chain.va = 0x1ff000;
	chain_put(&chain, 0, AMD_R | AMD_W | 1, CHAIN_PAGE);
	assert_int_equal(chain_translate(&chain, &known).pa, CHAIN_PAGE);
	chain.va = 0;
	assert_int_equal(chain_translate(&chain, &known).kind, EMPTY);
	chain_init(&chain, "amdvi-6", PGW_REGION_FOREIGN);
	assert_int_equal(chain.pt.region.last, UINT64_MAX);
	chain.va = UINT64_MAX & ~UINT64_C(0xfff);
	for (unsigned level = 5; level; level--)
		chain_put(&chain, level, AMD_R | AMD_NEXT(level) | 1, CHAIN_TABLE(level - 1));
	chain_put(&chain, 0, AMD_R | 1, CHAIN_PAGE);
	assert_int_equal(chain_translate(&chain, &known).pa, CHAIN_PAGE);
	chain.va = BIT(63);
	chain_put(&chain, 5, AMD_R | AMD_NEXT(1) | 1, CHAIN_TABLE(0));
	chain.va |= 0x3000;
	chain_put(&chain, 0, AMD_R | 1, CHAIN_PAGE + 0x1000);
	assert_int_equal(chain_translate(&chain, &known).pa, CHAIN_PAGE + 0x1000);
	expect_hole(&chain, BIT(63) + BIT(48), BIT(48));
	scan(&chain, &seen);
	/* Two pages of the lowest table, which both lead to. */
	assert_int_equal(seen.nr, 4);
	assert_int_equal(seen.extent[0].va_first, BIT(63) + 0x3000);
	assert_int_equal(seen.extent[3].va_last, UINT64_MAX);
	/* An entry of level 6 that skips level 5 is not one of level 5: it has the addresses without bit 48. */
	chain.va = 0;
	chain_put(&chain, 5, AMD_R | AMD_NEXT(4) | 1, CHAIN_TABLE(3));
	for (unsigned level = 3; level; level--)
		chain_put(&chain, level, AMD_R | AMD_NEXT(level) | 1, CHAIN_TABLE(level - 1));
	chain_put(&chain, 0, AMD_R | 1, CHAIN_PAGE);
	pt_prepare(&chain.pt);
	assert_int_equal(translate(&chain, 0).pa, CHAIN_PAGE);
	assert_int_equal(translate(&chain, BIT(48)).kind, EMPTY);
	/* And one of the lowest level leads nowhere. */
	chain_init(&chain, "amdvi-1", PGW_REGION_FOREIGN);
	chain.va = 0;
	chain_put(&chain, 0, AMD_R | AMD_NEXT(1) | 1, CHAIN_TABLE(0));
	assert_int_equal(chain_translate(&chain, &known).kind, MALFORMED);
	assert_int_equal(translate(&chain, 0).kind, MALFORMED);
}

/* Eight items of one entry are one leaf of 32 KiB; the same eight with a gap are not. */
static void test_amdvi_sized__items_of_a_run_are_one_leaf(void **state)
{
	const uint64_t run = AMD_R | AMD_W | AMD_NEXT(7) | 1;
	struct chain chain;
	struct seen seen;

	(void)state;
	chain_init(&chain, "amdvi-2", PGW_REGION_FOREIGN);
	chain_put(&chain, 1, AMD_R | AMD_W | AMD_NEXT(1) | 1, CHAIN_TABLE(0));
	for (unsigned i = 8; i < 16; i++) {
		chain.va = i * UINT64_C(0x1000);
		chain_put(&chain, 0, run, 0x6813000);
	}
	scan(&chain, &seen);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.extent[0].va_first, 0x8000);
	assert_int_equal(seen.extent[0].va_last, 0xffff);
	assert_int_equal(seen.extent[0].pa, 0x6810000);
	assert_int_equal(seen.extent[0].leaf_lg2, 15);
	assert_int_equal(translate(&chain, 0xd123).pa, 0x6815123);
	/* The next item's number is the next page's: another size, not a longer run. */
	chain.va = 0x10000;
	chain_put(&chain, 0, run, 0x6814000);
	scan(&chain, &seen);
	assert_int_equal(seen.nr, 2);
	assert_int_equal(seen.extent[1].leaf_lg2, 13);
	assert_int_equal(seen.extent[1].pa, 0x6814000);
	assert_int_equal(translate(&chain, 0x10010).pa, 0x6814010);
}

/* Sixteen tables side by side: the last slot of the last one, and no more than the root says. */
static void test_arm64_s2_root__has_as_many_tables_as_it_says(void **state)
{
	const struct pgw_geometry *geo = pgw_format_geometry(pgw_format_by_name("arm64-s2-4k-l1"));
	struct chain chain;
	struct seen seen;

	(void)state;
	assert_true(geo->is_root_concatenated);
	assert_int_equal(geo->va_bits, 43);
	chain_init(&chain, "arm64-s2-4k-l1", PGW_REGION_FOREIGN);
	assert_int_equal(chain.pt.region.last, BITS(42, 0));
	chain.va = chain.pt.region.last & ~UINT64_C(0xfff);
	chain_put(&chain, 2, 3, CHAIN_TABLE(1));
	chain_put(&chain, 1, 3, CHAIN_TABLE(0));
	chain_put(&chain, 0, 0x7ff, CHAIN_PAGE);
	scan(&chain, &seen);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.extent[0].va_last, BITS(42, 0));
	assert_int_equal(translate(&chain, BITS(42, 0)).pa, CHAIN_PAGE + 0xfff);
	assert_int_equal(translate(&chain, BITS(39, 0)).kind, EMPTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_foreign_decode__rows_of_the_manuals),
		cmocka_unit_test(test_foreign_rights__what_a_table_takes_away_is_gone),
		cmocka_unit_test(test_amdvi_rights__the_device_table_restricts),
		cmocka_unit_test(test_amdvi_skip__a_table_has_the_first_addresses_of_its_slot),
		cmocka_unit_test(test_amdvi_loop__ends_at_the_lowest_level),
		cmocka_unit_test(test_amdvi_modes__from_one_level_to_six),
		cmocka_unit_test(test_amdvi_sized__items_of_a_run_are_one_leaf),
		cmocka_unit_test(test_arm64_s2_root__has_as_many_tables_as_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
