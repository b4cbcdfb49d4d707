/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The state machine of the kernel's way to dump, on tables of our own.
 * Numbers in comments are assertions of the walker's specification.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define PAGE UINT64_C(0x1000)
#define P UINT64_C(0x001)
#define RW UINT64_C(0x002)
#define US UINT64_C(0x004)
#define PS UINT64_C(0x080)
#define NX (UINT64_C(1) << 63)
#define SOFTWARE (UINT64_C(1) << 58)
#define RESERVED (UINT64_C(1) << 13) /* of large leaves */
#define PML4E_RESERVED PS

#define KERNEL_START UINT64_C(0xffff880000000000)

/* Tables are written by hand: page n of this memory is at physical address n pages. */
#define NR_PAGES 16
#define ROOT 1

struct fixture {
	_Alignas(4096) uint64_t page[NR_PAGES][512];
	struct pgw_phys_memory memory;
	struct pgw_mm *kernel_mm, *user_mm;
	char lines[64][120];
	unsigned nr_lines, stop_at;
	bool show_entries;
};

static void fixture_init_format(struct fixture *f, const char *format)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name(format),
		.phys = &f->memory.phys,
		.root.pa = ROOT * PAGE,
		.region = PGW_REGION_KERNEL,
	};

	memset(f, 0, sizeof(*f));
	assert_int_equal(pgw_phys_memory_init(&f->memory, 0, f->page, sizeof(f->page)), 0);
	assert_int_equal(pgw_mm_attach(&args, &f->kernel_mm), 0);
	args.region = PGW_REGION_USER;
	args.kernel_mm = f->kernel_mm;
	assert_int_equal(pgw_mm_attach(&args, &f->user_mm), 0);
}

static void fixture_init(struct fixture *f)
{
	fixture_init_format(f, "x86_64-la48");
}

static void fixture_fini(struct fixture *f)
{
	pgw_mm_free(f->user_mm);
	pgw_mm_free(f->kernel_mm);
}

/* A path of tables to the lowest 2 MiB of the user half; returns the page table. */
static uint64_t *map_low_tables(struct fixture *f, uint64_t upper_flags)
{
	f->page[ROOT][0] = 2 * PAGE | P | RW | US;
	f->page[2][0] = 3 * PAGE | P | RW | US;
	f->page[3][0] = 4 * PAGE | upper_flags;
	return f->page[4];
}

static int note(const struct pgw_ptdump_line *line, void *arg)
{
	struct fixture *f = (struct fixture *)arg;
	char *text = f->lines[f->nr_lines];
	const size_t size = sizeof(f->lines[0]);
	static const char *const odd[] = { [PGW_PTDUMP_MALFORMED] = " malformed",
					   [PGW_PTDUMP_UNREADABLE] = " unreadable",
					   [PGW_PTDUMP_SERIES] = "" };

	assert_true(f->nr_lines < 64);
	f->nr_lines++;
	switch (line->kind) {
	case PGW_PTDUMP_BANNER:
		snprintf(text, size, "-- %s", line->name);
		break;
	case PGW_PTDUMP_SKIPPED:
		snprintf(text, size, "skipped %llu", (unsigned long long)line->nr_skipped);
		break;
	default:
		snprintf(text, size, "%llx-%llx %d %llx%s", (unsigned long long)line->start,
			 (unsigned long long)line->end, line->depth, (unsigned long long)line->prot,
			 odd[line->kind]);
		if (f->show_entries)
			snprintf(text + strlen(text), size - strlen(text), " entry %llx",
				 (unsigned long long)line->entry);
	}
	return f->stop_at && f->nr_lines == f->stop_at ? 42 : 0;
}

static int dump(struct fixture *f, struct pgw_mm *mm, const struct pgw_marker *markers, size_t nr)
{
	struct pgw_ptdump_args args = { mm, markers, nr, note, f };

	f->nr_lines = 0;
	return pgw_ptdump(&args);
}

static void assert_lines(const struct fixture *f, const char *const *expected)
{
	unsigned nr = 0;

	for (; expected[nr]; nr++) {
		assert_true(nr < f->nr_lines);
		assert_string_equal(f->lines[nr], expected[nr]);
	}
	assert_int_equal(f->nr_lines, nr);
}

#define ASSERT_LINES(f, ...) assert_lines(f, (const char *const[]){ __VA_ARGS__, NULL })

/* 46: the last series is printed at the end, with end address 0. */
static void test_ptdump__46_empty_root_is_one_series_to_the_top(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "0-0 0 0");
	assert_int_equal(dump(&f, f.kernel_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "ffff880000000000-0 0 0");
	fixture_fini(&f);
}

/* 46: equal neighbours are one series, whatever they map to; any flag breaks it, shown or not. */
static void test_ptdump__46_flags_break_and_addresses_do_not(void **state)
{
	static struct fixture f;
	uint64_t *pt;

	(void)state;
	fixture_init(&f);
	pt = map_low_tables(&f, P | RW | US);
	pt[0] = 0x7000 | P | RW | NX;
	pt[1] = 0x5000 | P | RW | NX;
	pt[2] = 0x5000 | P | RW | NX | SOFTWARE;
	pt[3] = 0x5000 | P | NX;
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "0-2000 4 8000000000000003", "2000-3000 4 8400000000000003",
		     "3000-4000 4 8000000000000001", "4000-200000 4 0", "200000-40000000 3 0",
		     "40000000-8000000000 2 0", "8000000000-0 0 0");
	fixture_fini(&f);
}

/* 46: so does a difference that only the levels above make. */
static void test_ptdump__46_effective_protection_breaks_a_series(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	map_low_tables(&f, P | RW | US);
	f.page[3][1] = 5 * PAGE | P | US; /* read-only from here */
	for (int i = 0; i < 512; i++)
		f.page[4][i] = f.page[5][i] = 0x7000 | P | RW;
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	assert_string_equal(f.lines[0], "0-200000 4 3");
	assert_string_equal(f.lines[1], "200000-400000 4 3");
	f.page[3][1] |= RW;
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	assert_string_equal(f.lines[0], "0-400000 4 3");
	fixture_fini(&f);
}

/* 47: what an upper level takes away is gone below it, however long the path is. */
static void test_ptdump__47_restriction_high_up_reaches_the_leaf(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	map_low_tables(&f, P | RW | US);
	f.page[2][511] = 3 * PAGE | P | RW | US;
	for (int i = 0; i < 512; i++) {
		f.page[3][i] = 4 * PAGE | P | RW | US;
		f.page[4][i] = 0x7000 | P | RW;
	}
	f.page[ROOT][1] = 2 * PAGE | P | RW | US | NX;
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "0-40000000 4 3", "40000000-7fc0000000 2 0", "7fc0000000-8000000000 4 3",
		     "8000000000-8040000000 4 3", "8040000000-ffc0000000 2 0",
		     "ffc0000000-10000000000 4 3", "10000000000-0 0 0");
	fixture_fini(&f);
}

static void test_ptdump__large_leaf_ends_the_descent(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	map_low_tables(&f, P | RW);
	f.page[3][0] = PS | P | RW;
	f.page[3][1] = UINT64_C(0x200000) | PS | RW;            /* kept, but nobody may access it */
	f.page[3][2] = UINT64_C(0x400000) | PS | P | RW | PAGE; /* PAT is not compared */
	f.page[3][3] = UINT64_C(0x600000) | PS | P | RW;
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "0-200000 3 83", "200000-400000 3 82", "400000-800000 3 83",
		     "800000-40000000 3 0", "40000000-8000000000 2 0", "8000000000-0 0 0");
	fixture_fini(&f);
}

/* 48, in x86's way: one marker a break, and no line in the wrong place for long. */
static void test_ptdump__break_passes_one_marker(void **state)
{
	static const struct pgw_marker markers[] = {
		{ .va = 0, .name = "User" },
		{ .va = 0x1000, .name = "One" },
		{ .va = 0x3000, .name = "Three" },
		{ .va = UINT64_C(0x50000000), .name = "Far" },
	};
	static struct fixture f;
	uint64_t *pt;

	(void)state;
	fixture_init(&f);
	pt = map_low_tables(&f, P | RW | US);
	for (int i = 0; i < 5; i++)
		pt[i] = 0x7000 | P;
	assert_int_equal(dump(&f, f.user_mm, markers, 4), 0);
	ASSERT_LINES(&f, "-- User", "0-1000 4 1", "-- One", "1000-3000 4 1", "-- Three",
		     "3000-5000 4 1", "5000-200000 4 0", "200000-40000000 3 0",
		     "40000000-80000000 2 0", "-- Far", "80000000-8000000000 2 0",
		     "8000000000-0 0 0");

	/* Two markers inside one slot: the first break passes the first, the next one the second.
	 */
	memset(pt, 0, sizeof(f.page[0]));
	pt[4] = 0x7000 | P;
	f.page[3][0] = 0;
	assert_int_equal(dump(&f, f.user_mm, markers, 4), 0);
	ASSERT_LINES(&f, "-- User", "0-200000 3 0", "-- One", "200000-400000 3 0", "-- Three",
		     "400000-40000000 3 0", "40000000-80000000 2 0", "-- Far",
		     "80000000-8000000000 2 0", "8000000000-0 0 0");
	fixture_fini(&f);
}

static void test_ptdump__first_banner_is_of_the_first_address(void **state)
{
	static const struct pgw_marker markers[] = {
		{ .va = 0, .name = "User" },
		{ .va = UINT64_C(0x8000000000000000), .name = "Kernel" },
		{ .va = UINT64_C(0xffffff8000000000), .name = "Top" },
	};
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(dump(&f, f.kernel_mm, markers, 3), 0);
	ASSERT_LINES(&f, "-- Kernel", "ffff880000000000-ffffff8000000000 0 0", "-- Top",
		     "ffffff8000000000-0 0 0");
	assert_int_equal(dump(&f, f.kernel_mm, markers + 2, 1), 0);
	ASSERT_LINES(&f, "ffff880000000000-ffffff8000000000 0 0", "-- Top",
		     "ffffff8000000000-0 0 0");
	fixture_fini(&f);
}

static void test_ptdump__limit_of_lines_skips_the_rest(void **state)
{
	static const struct pgw_marker markers[] = {
		{ .va = 0, .name = "User", .max_lines = 2 },
		{ .va = 0x7000, .name = "Seven", .max_lines = 1 },
	};
	static struct fixture f;
	uint64_t *pt;

	(void)state;
	fixture_init(&f);
	pt = map_low_tables(&f, P | RW | US);
	for (int i = 0; i < 10; i++)
		pt[i] = 0x7000 | P | (i % 2 ? RW : 0);
	assert_int_equal(dump(&f, f.user_mm, markers, 2), 0);
	/* Nothing but the end follows the last marker; its rest is counted there. */
	ASSERT_LINES(&f, "-- User", "0-1000 4 1", "1000-2000 4 3", "skipped 5", "-- Seven",
		     "7000-8000 4 3", "skipped 6");
	fixture_fini(&f);
}

static void test_ptdump__odd_tables_have_lines_of_their_own(void **state)
{
	static struct fixture f;
	uint64_t *pt;

	(void)state;
	fixture_init(&f);
	pt = map_low_tables(&f, P | RW | US);
	for (int i = 0; i < 512; i++)
		pt[i] = 0x7000 | P | RW;
	f.page[3][1] = 100 * PAGE | P | RW | US; /* not in memory */
	f.page[3][2] = UINT64_C(0x400000) | PS | P | RW | RESERVED;
	f.page[3][3] = 4 * PAGE | P | RW | US;
	f.page[ROOT][2] = 2 * PAGE | P | RW | PML4E_RESERVED;
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "0-200000 4 3", "200000-400000 4 0 unreadable",
		     "400000-600000 3 0 malformed", "600000-800000 4 3", "800000-40000000 3 0",
		     "40000000-8000000000 2 0", "8000000000-10000000000 0 0",
		     "10000000000-18000000000 0 0 malformed", "18000000000-0 0 0");
	fixture_fini(&f);
}

static void test_ptdump__callback_value_ends_it(void **state)
{
	static const struct pgw_marker marker = { .va = 0, .name = "User" };
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	map_low_tables(&f, P | RW | US)[1] = 0x7000 | P;
	for (f.stop_at = 1; f.stop_at <= 7; f.stop_at++) {
		assert_int_equal(dump(&f, f.user_mm, &marker, 1), 42);
		assert_int_equal(f.nr_lines, f.stop_at);
	}
	assert_int_equal(dump(&f, f.user_mm, &marker, 1), 0);
	assert_int_equal(f.nr_lines, 7);
	fixture_fini(&f);
}

static void test_ptdump__budget_ends_it_with_what_was_seen(void **state)
{
	static struct fixture f;
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = &f.memory.phys,
		.root.pa = ROOT * PAGE,
		.region = PGW_REGION_USER,
		.budget = 4,
	};
	struct pgw_mm *mm;

	(void)state;
	fixture_init(&f);
	map_low_tables(&f, P | RW | US)[0] = 0x7000 | P;
	f.page[3][1] = 4 * PAGE | P | RW | US;
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(dump(&f, mm, NULL, 0), -PGW_E2BIG);
	ASSERT_LINES(&f, "0-1000 4 1", "1000-200000 4 0");
	pgw_mm_free(mm);
	fixture_fini(&f);
}

static void test_ptdump__five_levels_know_p4d(void **state)
{
	static struct fixture f;
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la57"),
		.phys = &f.memory.phys,
		.root.pa = ROOT * PAGE,
		.region = PGW_REGION_KERNEL,
	};
	struct pgw_mm *mm;

	(void)state;
	fixture_init(&f);
	f.page[ROOT][511] = 2 * PAGE | P | RW;
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(dump(&f, mm, NULL, 0), 0);
	ASSERT_LINES(&f, "ff10000000000000-ffff000000000000 0 0", "ffff000000000000-0 1 0");
	pgw_mm_free(mm);
	fixture_fini(&f);
}

/* Markers close together, seen from slots of 2 MiB and 1 GiB. */
static const struct pgw_marker close_markers[] = {
	{ .va = UINT64_C(0xffff800000000000), .name = "Start" },
	{ .va = UINT64_C(0xffff800000001000), .name = "A" },
	{ .va = UINT64_C(0xffff800000002000), .name = "B" },
	{ .va = UINT64_C(0xffff800000003000), .name = "C" },
	{ .va = UINT64_C(0xffff800000300000), .name = "D" },
};

#define ARM64_VALID UINT64_C(1)
#define ARM64_TABLE UINT64_C(3)
#define ARM64_PAGE UINT64_C(3)
#define ARM64_NS (UINT64_C(1) << 5)
#define ARM64_RO (UINT64_C(1) << 7)
#define ARM64_AF (UINT64_C(1) << 10)
#define ARM64_DBM (UINT64_C(1) << 51)
#define ARM64_CONT (UINT64_C(1) << 52)
#define ARM64_PROT_NONE (UINT64_C(1) << 58)

/* 48, in arm64's way: a break passes two. */
static void test_ptdump__arm64_break_passes_two_markers(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init_format(&f, "arm64-4k-47");
	f.page[ROOT][0] = 2 * PAGE | ARM64_TABLE;
	f.page[2][0] = 3 * PAGE | ARM64_TABLE;
	assert_int_equal(dump(&f, f.kernel_mm, close_markers, 5), 0);
	ASSERT_LINES(&f, "-- Start", "ffff800000000000-ffff800000200000 3 0", "-- A", "-- B",
		     "ffff800000200000-ffff800000400000 3 0", "-- C", "-- D",
		     "ffff800000400000-ffff800040000000 3 0",
		     "ffff800040000000-ffff808000000000 2 0", "ffff808000000000-0 0 0");
	fixture_fini(&f);
}

static void test_ptdump__arm64_compares_what_it_shows(void **state)
{
	static struct fixture f;
	uint64_t *pt = f.page[4];

	(void)state;
	fixture_init_format(&f, "arm64-4k-48");
	f.page[ROOT][0] = 2 * PAGE | ARM64_TABLE;
	f.page[2][0] = 3 * PAGE | ARM64_TABLE | UINT64_C(1) << 59; /* upper levels do not count */
	f.page[3][0] = 4 * PAGE | ARM64_TABLE | UINT64_C(1) << 62;
	pt[0] = 0x7000 | ARM64_PAGE | ARM64_AF;
	pt[1] = 0x5000 | ARM64_PAGE | ARM64_AF | ARM64_DBM | ARM64_NS;
	pt[2] = 0x5000 | ARM64_PAGE | ARM64_AF | ARM64_CONT;
	pt[3] = 0x5000 | ARM64_PAGE | ARM64_AF | ARM64_RO;
	pt[4] = 0x5000 | ARM64_TABLE | ARM64_AF | ARM64_RO;
	assert_int_equal(dump(&f, f.kernel_mm, NULL, 0), 0);
	assert_string_equal(f.lines[0], "ffff000000000000-ffff000000002000 4 403");
	assert_string_equal(f.lines[1], "ffff000000002000-ffff000000003000 4 10000000000403");
	assert_string_equal(f.lines[2], "ffff000000003000-ffff000000005000 4 483");
	assert_string_equal(f.lines[3], "ffff000000005000-ffff000000200000 4 0");
	fixture_fini(&f);
}

static void test_ptdump__arm64_block_ends_the_descent(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init_format(&f, "arm64-4k-48");
	f.page[ROOT][0] = 2 * PAGE | ARM64_TABLE;
	f.page[2][0] = 3 * PAGE | ARM64_TABLE;
	f.page[2][1] = UINT64_C(0x40000000) | ARM64_VALID | ARM64_AF;
	f.page[3][0] = UINT64_C(0x200000) | ARM64_VALID | ARM64_AF;
	f.page[3][1] = UINT64_C(0x200000) | ARM64_AF | ARM64_PROT_NONE;
	assert_int_equal(dump(&f, f.kernel_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "ffff000000000000-ffff000000200000 3 401",
		     "ffff000000200000-ffff000000400000 3 400",
		     "ffff000000400000-ffff000040000000 3 0",
		     "ffff000040000000-ffff000080000000 2 401",
		     "ffff000080000000-ffff008000000000 2 0", "ffff008000000000-0 0 0");
	fixture_fini(&f);
}

static void test_ptdump__arm64_halves_are_what_was_attached(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init_format(&f, "arm64-4k-39");
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "0-0 0 0");
	assert_int_equal(dump(&f, f.kernel_mm, NULL, 0), 0);
	ASSERT_LINES(&f, "ffffff8000000000-0 0 0");
	fixture_fini(&f);
}

#define RISCV_V UINT64_C(0x01)
#define RISCV_RW UINT64_C(0x06)
#define RISCV_A UINT64_C(0x40)
#define RISCV_RSW UINT64_C(0x100)
#define RISCV_NAPOT_64K (UINT64_C(1) << 63 | UINT64_C(8) << 10)
#define RISCV_NC (UINT64_C(1) << 61)
#define RISCV_PPN(pa) ((pa) >> 2)

/* 48, in riscv's way: a break passes all, and there are no lines for holes. */
static void test_ptdump__48_riscv_break_passes_every_marker(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init_format(&f, "riscv-sv48");
	f.page[ROOT][256] = RISCV_PPN(2 * PAGE) | RISCV_V;
	f.page[2][0] = RISCV_PPN(3 * PAGE) | RISCV_V;
	assert_int_equal(dump(&f, f.kernel_mm, close_markers, 5), 0);
	ASSERT_LINES(&f, "-- Start", "-- A", "-- B", "-- C", "-- D");
	f.page[3][1] = RISCV_PPN(UINT64_C(0x200000)) | RISCV_V | RISCV_RW;
	assert_int_equal(dump(&f, f.kernel_mm, close_markers, 5), 0);
	ASSERT_LINES(&f, "-- Start", "-- A", "-- B", "-- C",
		     "ffff800000200000-ffff800000400000 3 7", "-- D");
	fixture_fini(&f);
}

static void test_ptdump__riscv_series_has_its_first_entry(void **state)
{
	static struct fixture f;
	uint64_t *pt = f.page[4];

	(void)state;
	fixture_init_format(&f, "riscv-sv48");
	f.page[ROOT][0] = RISCV_PPN(2 * PAGE) | RISCV_V;
	f.page[2][0] = RISCV_PPN(3 * PAGE) | RISCV_V;
	f.page[2][1] = RISCV_PPN(UINT64_C(0x40000000)) | RISCV_V | RISCV_RW;
	f.page[3][0] = RISCV_PPN(4 * PAGE) | RISCV_V;
	pt[0] = RISCV_PPN(7 * PAGE) | RISCV_V | RISCV_RW;
	pt[1] = RISCV_PPN(5 * PAGE) | RISCV_V | RISCV_RW; /* addresses do not count */
	pt[2] = RISCV_PPN(5 * PAGE) | RISCV_V | RISCV_RW | RISCV_RSW;
	pt[4] = RISCV_A; /* not valid, but not nothing */
	for (int i = 16; i < 32; i++)
		pt[i] = RISCV_NAPOT_64K | RISCV_V | RISCV_RW;
	pt[32] = RISCV_PPN(PAGE) | RISCV_V | RISCV_RW | RISCV_NC;
	f.show_entries = true;
	assert_int_equal(dump(&f, f.user_mm, NULL, 0), 0);
	f.show_entries = false;
	ASSERT_LINES(&f, "0-2000 4 7 entry 1c07", "2000-3000 4 107 entry 1507",
		     "4000-5000 4 40 entry 40",
		     "10000-20000 4 8000000000000007 entry 8000000000002007",
		     "20000-21000 4 2000000000000007 entry 2000000000000407",
		     "40000000-80000000 2 7 entry 10000007");
	fixture_fini(&f);
}

static void test_ptdump__wrong_arguments_are_refused(void **state)
{
	static struct fixture f;
	struct pgw_ptdump_args args;

	(void)state;
	fixture_init(&f);
	args = (struct pgw_ptdump_args){ f.user_mm, NULL, 0, NULL, NULL };
	assert_int_equal(pgw_ptdump(NULL), -PGW_EINVAL);
	assert_int_equal(pgw_ptdump(&args), -PGW_EINVAL);
	args.fn = note;
	args.nr_markers = 1;
	assert_int_equal(pgw_ptdump(&args), -PGW_EINVAL);
	args.nr_markers = 0;
	args.mm = NULL;
	assert_int_equal(pgw_ptdump(&args), -PGW_EINVAL);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ptdump__46_empty_root_is_one_series_to_the_top),
		cmocka_unit_test(test_ptdump__46_flags_break_and_addresses_do_not),
		cmocka_unit_test(test_ptdump__46_effective_protection_breaks_a_series),
		cmocka_unit_test(test_ptdump__47_restriction_high_up_reaches_the_leaf),
		cmocka_unit_test(test_ptdump__large_leaf_ends_the_descent),
		cmocka_unit_test(test_ptdump__break_passes_one_marker),
		cmocka_unit_test(test_ptdump__first_banner_is_of_the_first_address),
		cmocka_unit_test(test_ptdump__limit_of_lines_skips_the_rest),
		cmocka_unit_test(test_ptdump__odd_tables_have_lines_of_their_own),
		cmocka_unit_test(test_ptdump__callback_value_ends_it),
		cmocka_unit_test(test_ptdump__budget_ends_it_with_what_was_seen),
		cmocka_unit_test(test_ptdump__five_levels_know_p4d),
		cmocka_unit_test(test_ptdump__arm64_break_passes_two_markers),
		cmocka_unit_test(test_ptdump__arm64_compares_what_it_shows),
		cmocka_unit_test(test_ptdump__arm64_block_ends_the_descent),
		cmocka_unit_test(test_ptdump__arm64_halves_are_what_was_attached),
		cmocka_unit_test(test_ptdump__48_riscv_break_passes_every_marker),
		cmocka_unit_test(test_ptdump__riscv_series_has_its_first_entry),
		cmocka_unit_test(test_ptdump__wrong_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
