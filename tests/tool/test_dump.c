/* SPDX-License-Identifier: BSD-2-Clause */

/* Merging and filtering of runs, on tables of our own. */

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
#define A UINT64_C(0x020)
#define D UINT64_C(0x040)
#define PS UINT64_C(0x080)
#define NX (UINT64_C(1) << 63)
#define SOFTWARE (UINT64_C(1) << 9)
#define MALFORMED_LARGE (PS | P | UINT64_C(0x2000))

/* Page n of this memory is at physical address n pages. */
#define NR_PAGES 8
#define ROOT 1
#define LAST_USER UINT64_C(0x00007fffffffffff)

struct fixture {
	_Alignas(4096) uint64_t page[NR_PAGES][512];
	struct pgw_phys_memory memory;
	struct pgw_mm *mm;
	uint64_t *pd, *pt; /* of the lowest addresses */
	struct pgw_dump_args args;
	struct pgw_dump_summary summary;
	char lines[64][120];
	unsigned nr_lines, stop_at;
};

static int note(const struct pgw_extent *extent, void *arg)
{
	struct fixture *f = (struct fixture *)arg;
	static const char *const kinds[_PGW_ENTRY_MAX] = {
		[PGW_ENTRY_LEAF] = "leaf",
		[PGW_ENTRY_ABSENT] = "absent",
		[PGW_ENTRY_MALFORMED] = "malformed",
		[PGW_ENTRY_UNREADABLE] = "unreadable",
	};

	assert_true(f->nr_lines < 64);
	assert_non_null(kinds[extent->kind]);
	snprintf(f->lines[f->nr_lines++], sizeof(f->lines[0]), "%llx-%llx %s %u %llx %llx %x",
		 (unsigned long long)extent->va_first, (unsigned long long)extent->va_last,
		 kinds[extent->kind], extent->level, (unsigned long long)extent->pa,
		 (unsigned long long)extent->entry, extent->rights);
	return f->stop_at && f->nr_lines == f->stop_at ? 42 : 0;
}

static void fixture_init(struct fixture *f)
{
	struct pgw_mm_attach_args attach = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = &f->memory.phys,
		.root.pa = ROOT * PAGE,
		.region = PGW_REGION_USER,
	};

	memset(f, 0, sizeof(*f));
	f->page[ROOT][0] = 2 * PAGE | P | RW | US;
	f->page[2][0] = 3 * PAGE | P | RW | US;
	f->page[3][0] = 4 * PAGE | P | RW | US;
	f->pd = f->page[3];
	f->pt = f->page[4];
	assert_int_equal(pgw_phys_memory_init(&f->memory, 0, f->page, sizeof(f->page)), 0);
	assert_int_equal(pgw_mm_attach(&attach, &f->mm), 0);
	f->args = (struct pgw_dump_args){ .mm = f->mm, .last = LAST_USER, .fn = note, .arg = f };
}

static void fixture_fini(struct fixture *f)
{
	pgw_mm_free(f->mm);
}

static int dump(struct fixture *f)
{
	f->nr_lines = 0;
	f->summary = (struct pgw_dump_summary){ 0 };
	return pgw_dump(&f->args, &f->summary);
}

static void assert_lines(struct fixture *f, const char *const *expected)
{
	unsigned nr = 0;

	assert_int_equal(dump(f), 0);
	for (; expected[nr]; nr++) {
		assert_true(nr < f->nr_lines);
		assert_string_equal(f->lines[nr], expected[nr]);
	}
	assert_int_equal(f->nr_lines, nr);
}

#define ASSERT_DUMP(f, ...) assert_lines(f, (const char *const[]){ __VA_ARGS__, NULL })

static void test_dump__neighbours_that_look_the_same_are_one_range(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	f.pt[0] = 0x10000 | P | NX;
	f.pt[1] = 0x11000 | P | NX | SOFTWARE; /* the MMU does not look at it */
	f.pt[2] = 0x12000 | P | NX | A;        /* an attribute */
	f.pt[3] = 0x13000 | P | NX | A | RW;   /* rights */
	f.pt[4] = 0x13000 | P | NX | A | RW;   /* another address */
	f.pt[6] = 0x15000 | P | NX | A | RW;   /* a hole before it */
	ASSERT_DUMP(&f, "0-1fff leaf 0 10000 8000000000010001 1",
		    "2000-2fff leaf 0 12000 8000000000012021 1",
		    "3000-3fff leaf 0 13000 8000000000013023 3",
		    "4000-4fff leaf 0 13000 8000000000013023 3",
		    "6000-6fff leaf 0 15000 8000000000015023 3");
	assert_int_equal(f.summary.nr_ranges, 5);
	assert_int_equal(f.summary.nr_leaves, 6);
	assert_int_equal(f.summary.level_leaves[0], 6);
	assert_int_equal(f.summary.bytes, 6 * PAGE);
	assert_int_equal(f.summary.scan.nr_leaves, 6);
	assert_int_equal(f.summary.scan.nr_tables, 4);

	f.args.merge = PGW_DUMP_RUNS;
	ASSERT_DUMP(&f, "0-fff leaf 0 10000 8000000000010001 1",
		    "1000-1fff leaf 0 11000 8000000000011201 1",
		    "2000-2fff leaf 0 12000 8000000000012021 1",
		    "3000-3fff leaf 0 13000 8000000000013023 3",
		    "4000-4fff leaf 0 13000 8000000000013023 3",
		    "6000-6fff leaf 0 15000 8000000000015023 3");
	fixture_fini(&f);
}

static void test_dump__sizes_of_leaves_do_not_mix(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	for (unsigned i = 0; i < 512; i++)
		f.pt[i] = (UINT64_C(0x400000) + i * PAGE) | P | RW;
	f.pd[1] = UINT64_C(0x600000) | PS | P | RW;
	f.pd[2] = UINT64_C(0x800000) | PS | P | RW | SOFTWARE;
	ASSERT_DUMP(&f, "0-1fffff leaf 0 400000 400003 7", "200000-5fffff leaf 1 600000 600083 7");
	assert_int_equal(f.summary.level_leaves[0], 512);
	assert_int_equal(f.summary.level_leaves[1], 2);
	fixture_fini(&f);
}

static void test_dump__odd_runs_divide_ranges_and_pass_every_filter(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	f.pd[0] = P | PS | RW;
	f.pd[1] = MALFORMED_LARGE;
	f.pd[2] = UINT64_C(0x400000) | PS | P | RW;
	f.pd[3] = 100 * PAGE | P | RW;
	f.args.filter.rights_all = PGW_USER_X;
	ASSERT_DUMP(&f, "200000-3fffff malformed 1 0 2081 0",
		    "600000-7fffff unreadable 0 0 64000 0");
	assert_int_equal(f.summary.nr_ranges, 0);
	assert_int_equal(f.summary.scan.nr_leaves, 2);
	assert_int_equal(f.summary.scan.nr_malformed, 1);
	assert_int_equal(f.summary.scan.nr_unreadable, 1);
	f.args.filter.rights_all = 0;
	ASSERT_DUMP(&f, "0-1fffff leaf 1 0 83 7", "200000-3fffff malformed 1 0 2081 0",
		    "400000-5fffff leaf 1 400000 400083 7", "600000-7fffff unreadable 0 0 64000 0");
	fixture_fini(&f);
}

#define PROT_NONE UINT64_C(0x120)
#define INVERTED(pa) (~UINT64_C(pa) & UINT64_C(0xffffffffff000))
/* Type 2 and this offset, by pgtable_64.h's __swp_entry(). */
#define SWAP(offset) (~(uint64_t)(offset) << 14 >> 5 | UINT64_C(2) << 59)

static void absent_init(struct fixture *f, const struct pgw_linux *kernel)
{
	fixture_init(f);
	f->pt[0] = INVERTED(0x7000) | PROT_NONE;
	f->pt[1] = INVERTED(0x8000) | PROT_NONE;
	f->pt[2] = 0x9000 | P | NX;
	f->pt[3] = INVERTED(0xa000) | PROT_NONE;
	f->pt[5] = SWAP(16);
	f->pt[6] = SWAP(17);
	f->pt[7] = SWAP(19);
	f->pd[1] = INVERTED(0x600000) | PROT_NONE | PS;
	f->pd[2] = INVERTED(0x800000) | PROT_NONE | PS;
	f->args.absent = kernel;
}

static void test_dump__what_is_absent_is_told_if_asked_for(void **state)
{
	static const struct pgw_linux kernel = { .is_known = true, .major = 6, .minor = 12 };
	static struct fixture f;

	(void)state;
	absent_init(&f, NULL);
	ASSERT_DUMP(&f, "2000-2fff leaf 0 9000 8000000000009001 1");
	f.args.absent = &kernel;
	ASSERT_DUMP(&f, "0-1fff absent 0 7000 fffffffff8120 0",
		    "2000-2fff leaf 0 9000 8000000000009001 1",
		    "3000-3fff absent 0 a000 fffffffff5120 0",
		    "5000-6fff absent 0 0 17ffffffffffde00 0",
		    "7000-7fff absent 0 0 17ffffffffffd800 0",
		    "200000-5fffff absent 1 600000 fffffff9ff1a0 0");
	assert_int_equal(f.summary.nr_absent, 8);
	assert_int_equal(f.summary.nr_leaves, 1);
	assert_int_equal(f.summary.scan.nr_leaves, 1);
	f.args.merge = PGW_DUMP_RUNS;
	f.args.last = 0x3fffff;
	ASSERT_DUMP(&f, "0-fff absent 0 7000 fffffffff8120 0",
		    "1000-1fff absent 0 8000 fffffffff7120 0",
		    "2000-2fff leaf 0 9000 8000000000009001 1",
		    "3000-3fff absent 0 a000 fffffffff5120 0",
		    "5000-5fff absent 0 0 17ffffffffffde00 0",
		    "6000-6fff absent 0 0 17ffffffffffdc00 0",
		    "7000-7fff absent 0 0 17ffffffffffd800 0",
		    "200000-3fffff absent 1 600000 fffffff9ff1a0 0");
	f.stop_at = 2;
	assert_int_equal(dump(&f), 42);
	assert_int_equal(f.summary.scan.truncated_va, 0x2000);
	fixture_fini(&f);
}

static void test_dump__filters_of_what_is_absent(void **state)
{
	static const struct pgw_linux kernel = { .is_known = true, .major = 6, .minor = 12 };
	static struct fixture f;

	(void)state;
	absent_init(&f, &kernel);
	f.args.filter =
		(struct pgw_dump_filter){ .has_pa = true, .pa_first = 0x8abc, .pa_last = 0x9000 };
	ASSERT_DUMP(&f, "1000-1fff absent 0 8000 fffffffff7120 0",
		    "2000-2fff leaf 0 9000 8000000000009001 1");
	f.args.filter = (struct pgw_dump_filter){ .levels = 1 << 1 };
	ASSERT_DUMP(&f, "200000-5fffff absent 1 600000 fffffff9ff1a0 0");
	f.args.filter = (struct pgw_dump_filter){ .sizes = UINT64_C(1) << 21 };
	ASSERT_DUMP(&f, "200000-5fffff absent 1 600000 fffffff9ff1a0 0");
	f.args.filter = (struct pgw_dump_filter){ .rights_none = PGW_USER_X };
	ASSERT_DUMP(&f, "2000-2fff leaf 0 9000 8000000000009001 1");
	f.args.filter = (struct pgw_dump_filter){ 0 };
	f.args.first = 0x1800;
	f.args.last = 0x4007ff;
	ASSERT_DUMP(&f, "1800-1fff absent 0 8800 fffffffff7120 0",
		    "2000-2fff leaf 0 9000 8000000000009001 1",
		    "3000-3fff absent 0 a000 fffffffff5120 0",
		    "5000-6fff absent 0 0 17ffffffffffde00 0",
		    "7000-7fff absent 0 0 17ffffffffffd800 0",
		    "200000-4007ff absent 1 600000 fffffff9ff1a0 0");
	fixture_fini(&f);
}

/* Shared tables come from a memo, at their own addresses. */
static void test_dump__absent_entries_of_shared_tables(void **state)
{
	static const struct pgw_linux kernel = { .is_known = true, .major = 6, .minor = 12 };
	static struct fixture f;

	(void)state;
	absent_init(&f, &kernel);
	for (unsigned i = 0; i < 512; i++)
		f.pd[i] = f.pd[0];
	assert_int_equal(f.pt[4], 0);
	f.args.first = UINT64_C(300) << 21;
	f.args.last = (UINT64_C(301) << 21) - 1;
	ASSERT_DUMP(&f, "25800000-25801fff absent 0 7000 fffffffff8120 0",
		    "25802000-25802fff leaf 0 9000 8000000000009001 1",
		    "25803000-25803fff absent 0 a000 fffffffff5120 0",
		    "25805000-25806fff absent 0 0 17ffffffffffde00 0",
		    "25807000-25807fff absent 0 0 17ffffffffffd800 0");
	f.args.first = 0;
	f.args.last = LAST_USER;
	f.args.filter = (struct pgw_dump_filter){ .has_pa = true,
						  .pa_first = UINT64_C(1) << 40,
						  .pa_last = UINT64_C(1) << 40 };
	assert_int_equal(dump(&f), 0);
	assert_int_equal(f.nr_lines, 0);
	f.args.filter =
		(struct pgw_dump_filter){ .has_pa = true, .pa_first = 0xa000, .pa_last = 0xa000 };
	f.stop_at = 60;
	assert_int_equal(dump(&f), 42);
	for (unsigned i = 0; i < 60; i++) {
		char expected[100];

		snprintf(expected, sizeof(expected), "%llx-%llx absent 0 a000 fffffffff5120 0",
			 (unsigned long long)((UINT64_C(0x200000) * i) + 0x3000),
			 (unsigned long long)((UINT64_C(0x200000) * i) + 0x3fff));
		assert_string_equal(f.lines[i], expected);
	}
	fixture_fini(&f);
}

static void test_dump__rights_must_all_be_there_and_none_of_the_others(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	f.pt[0] = 0x10000 | P | NX;      /* r-- --- */
	f.pt[1] = 0x11000 | P | RW | NX; /* rw- --- */
	f.pt[2] = 0x12000 | P | RW;      /* rwx --- */
	f.pt[3] = 0x13000 | P | US;      /* r-- r-x: SMEP */
	f.args.filter.rights_all = PGW_KERNEL_W;
	ASSERT_DUMP(&f, "1000-1fff leaf 0 11000 8000000000011003 3",
		    "2000-2fff leaf 0 12000 12003 7");
	f.args.filter.rights_none = PGW_KERNEL_X;
	ASSERT_DUMP(&f, "1000-1fff leaf 0 11000 8000000000011003 3");
	f.args.filter.rights_all = 0;
	ASSERT_DUMP(&f, "0-fff leaf 0 10000 8000000000010001 1",
		    "1000-1fff leaf 0 11000 8000000000011003 3", "3000-3fff leaf 0 13000 13005 29");
	f.args.filter.rights_all = PGW_USER_R | PGW_USER_X;
	ASSERT_DUMP(&f, "3000-3fff leaf 0 13000 13005 29");
	fixture_fini(&f);
}

static void test_dump__levels_are_a_set(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	f.pt[511] = 0x10000 | P;
	f.pd[1] = UINT64_C(0x600000) | PS | P;
	f.page[2][1] = UINT64_C(0x40000000) | PS | P;
	f.args.filter.levels = 1 << 1;
	ASSERT_DUMP(&f, "200000-3fffff leaf 1 600000 600081 5");
	f.args.filter.levels = 1 << 0 | 1 << 2;
	ASSERT_DUMP(&f, "1ff000-1fffff leaf 0 10000 10001 5",
		    "40000000-7fffffff leaf 2 40000000 40000081 5");
	fixture_fini(&f);
}

/* Leaves of one level in two sizes: a size is one of them, a level both. */
static void test_dump__sizes_are_a_set(void **state)
{
	static struct fixture f;
	struct pgw_mm_attach_args attach = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("riscv-sv48"),
		.phys = &f.memory.phys,
		.root.pa = ROOT * PAGE,
		.region = PGW_REGION_USER,
	};

	(void)state;
	fixture_init(&f);
	for (unsigned level = ROOT; level < 4; level++)
		f.page[level][0] = (level + 1) * PAGE >> 2 | P;
	for (unsigned i = 0; i < 16; i++)
		f.pt[16 + i] = (UINT64_C(1) << 63) | UINT64_C(0x28) << 10 | 7; /* 64K at 0x20000 */
	f.pt[32] = UINT64_C(0x30000) >> 2 | 7;
	f.pd[1] = UINT64_C(0x200000) >> 2 | 7;
	assert_int_equal(pgw_mm_attach(&attach, &f.args.mm), 0);
	f.args.filter.sizes = UINT64_C(1) << 16;
	ASSERT_DUMP(&f, "10000-1ffff leaf 0 20000 800000000000a007 3");
	assert_int_equal(f.summary.nr_leaves, 1);
	f.args.filter.sizes |= UINT64_C(1) << 21;
	ASSERT_DUMP(&f, "10000-1ffff leaf 0 20000 800000000000a007 3",
		    "200000-3fffff leaf 1 200000 80007 3");
	f.args.filter.sizes = UINT64_C(1) << 12;
	ASSERT_DUMP(&f, "20000-20fff leaf 0 30000 c007 3");
	f.args.filter.sizes = UINT64_C(1) << 21;
	f.args.filter.levels = 1 << 0;
	ASSERT_DUMP(&f, "10000-1ffff leaf 0 20000 800000000000a007 3",
		    "20000-20fff leaf 0 30000 c007 3", "200000-3fffff leaf 1 200000 80007 3");
	pgw_mm_free(f.args.mm);
	fixture_fini(&f);
}

/* The sizes of leaves that can be mapped at a level with these attributes; bit n: 2^n bytes. */
static uint64_t mappable_size(const struct pgw_format *format, unsigned level, uint64_t attrs)
{
	struct pgw_mm_new_args args = {
		.platform = pgw_hosted_platform(),
		.format = format,
		.region = PGW_REGION_KERNEL,
	};
	struct pgw_leaf leaf = { .level = (uint8_t)level, .rights = PGW_KERNEL_R, .attrs = attrs };
	struct pgw_translation at;
	uint64_t last, size = 0;
	struct pgw_mm *mm;

	pgw_format_region_range(format, PGW_REGION_KERNEL, &leaf.va, &last);
	assert_int_equal(pgw_mm_new(&args, &mm), 0);
	assert_int_equal(pgw_mmap_write_lock(mm), 0);
	if (pgw_mm_map_leaf(mm, &leaf) == 0) {
		assert_int_equal(pgw_translate(mm, leaf.va, &at), 0);
		assert_int_equal(at.kind, PGW_ENTRY_LEAF);
		size = UINT64_C(1) << at.leaf_lg2;
	}
	assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	pgw_mm_free(mm);
	return size;
}

#define LG2(n) (UINT64_C(1) << (n))
#define ARM64_4K (LG2(12) | LG2(16) | LG2(21) | LG2(25) | LG2(30) | LG2(34))
#define ARM64_16K (LG2(14) | LG2(21) | LG2(25) | LG2(30))
#define ARM64_64K (LG2(16) | LG2(21) | LG2(29) | LG2(34))
#define RISCV (LG2(12) | LG2(16) | LG2(21) | LG2(30))
#define X86_64 (LG2(12) | LG2(21) | LG2(30))
#define AMDVI(most) (2 * LG2(most) - LG2(12)) /* every power of two */

/* As the manuals have it: the granule, blocks, and contiguous runs of both. */
static const struct {
	const char *format;
	uint64_t sizes;
} leaf_sizes[] = {
	{ "x86_64-la48", X86_64 },
	{ "x86_64-la57", X86_64 },
	{ "arm64-4k-36", ARM64_4K },
	{ "arm64-4k-39", ARM64_4K },
	{ "arm64-4k-42", ARM64_4K },
	{ "arm64-4k-47", ARM64_4K },
	{ "arm64-4k-48", ARM64_4K },
	{ "arm64-4k-52-lpa2", ARM64_4K | LG2(39) },
	{ "arm64-16k-36", ARM64_16K },
	{ "arm64-16k-47", ARM64_16K },
	{ "arm64-16k-48", ARM64_16K },
	{ "arm64-16k-52-lpa2", ARM64_16K | LG2(36) },
	{ "arm64-64k-42", ARM64_64K },
	{ "arm64-64k-48", ARM64_64K | LG2(42) },
	{ "arm64-64k-52-lpa", ARM64_64K | LG2(42) },
	{ "riscv-sv39", RISCV },
	{ "riscv-sv48", RISCV | LG2(39) },
	{ "riscv-sv57", RISCV | LG2(39) | LG2(48) },
	{ "i386", LG2(12) | LG2(22) },
	{ "i386-pae", LG2(12) | LG2(21) },
	{ "s390x-31", LG2(12) | LG2(20) },
	{ "s390x-42", LG2(12) | LG2(20) | LG2(31) },
	{ "s390x-53", LG2(12) | LG2(20) | LG2(31) },
	{ "s390x-64", LG2(12) | LG2(20) | LG2(31) },
	{ "ppc64-radix", LG2(16) | LG2(21) | LG2(30) },
	{ "ppc64-radix-4k", LG2(12) | LG2(21) | LG2(30) },
	{ "loongarch64-4k-39", LG2(12) | LG2(21) | LG2(30) },
	{ "loongarch64-4k-48", LG2(12) | LG2(21) | LG2(30) | LG2(39) },
	{ "loongarch64-16k-36", LG2(14) | LG2(25) },
	{ "loongarch64-16k-47", LG2(14) | LG2(25) | LG2(36) },
	{ "loongarch64-64k-42", LG2(16) | LG2(29) },
	{ "loongarch64-64k-55", LG2(16) | LG2(29) | LG2(42) },
	{ "npt-48", X86_64 },
	{ "npt-57", X86_64 },
	{ "ept-4", X86_64 },
	{ "ept-5", X86_64 },
	{ "riscv-sv39x4", RISCV },
	{ "riscv-sv48x4", RISCV | LG2(39) },
	{ "riscv-sv57x4", RISCV | LG2(39) | LG2(48) },
	{ "arm64-s2-4k-l2", LG2(12) | LG2(16) | LG2(21) | LG2(25) },
	{ "arm64-s2-4k-l1", ARM64_4K },
	{ "arm64-s2-4k-l0", ARM64_4K },
	{ "arm64-s2-4k-l2-lpa2", LG2(12) | LG2(16) | LG2(21) | LG2(25) },
	{ "arm64-s2-4k-l1-lpa2", ARM64_4K },
	{ "arm64-s2-4k-l0-lpa2", ARM64_4K | LG2(39) },
	{ "arm64-s2-4k-l-1-lpa2", ARM64_4K | LG2(39) },
	{ "arm64-s2-16k-l2", ARM64_16K },
	{ "arm64-s2-16k-l1", ARM64_16K },
	{ "arm64-s2-16k-l0", ARM64_16K },
	{ "arm64-s2-16k-l2-lpa2", ARM64_16K },
	{ "arm64-s2-16k-l1-lpa2", ARM64_16K | LG2(36) },
	{ "arm64-s2-16k-l0-lpa2", ARM64_16K | LG2(36) },
	{ "arm64-s2-64k-l2", ARM64_64K },
	{ "arm64-s2-64k-l1", ARM64_64K | LG2(42) },
	{ "arm64-el2-4k-39", ARM64_4K },
	{ "arm64-el2-4k-48", ARM64_4K },
	{ "arm64-el2-4k-52-lpa2", ARM64_4K | LG2(39) },
	{ "arm64-el2-16k-47", ARM64_16K },
	{ "arm64-el2-16k-48", ARM64_16K },
	{ "arm64-el2-16k-52-lpa2", ARM64_16K | LG2(36) },
	{ "arm64-el2-64k-42", ARM64_64K },
	{ "arm64-el2-64k-48", ARM64_64K | LG2(42) },
	{ "arm64-el2-64k-52-lpa", ARM64_64K | LG2(42) },
	{ "vtd-first-48", X86_64 },
	{ "vtd-first-57", X86_64 },
	{ "vtd-second-3", X86_64 },
	{ "vtd-second-4", X86_64 },
	{ "vtd-second-5", X86_64 },
	{ "amdvi-1", AMDVI(20) },
	{ "amdvi-2", AMDVI(29) },
	{ "amdvi-3", AMDVI(38) },
	{ "amdvi-4", AMDVI(47) },
	{ "amdvi-5", AMDVI(52) },
	{ "amdvi-6", AMDVI(52) },
	{ "arm-short", LG2(12) | LG2(16) | LG2(20) | LG2(24) },
	{ "arm-lpae", LG2(12) | LG2(16) | LG2(21) | LG2(25) | LG2(30) },
	{ "arm-lpae-31", LG2(12) | LG2(16) | LG2(21) | LG2(25) | LG2(30) },
	{ "arm-lpae-30", LG2(12) | LG2(16) | LG2(21) | LG2(25) },
	{ "riscv-sv32", LG2(12) | LG2(22) },
};

/* --level goes by what the formats say. */
static void test_dump__formats_name_the_sizes_that_can_be_mapped(void **state)
{
	const size_t nr = sizeof(leaf_sizes) / sizeof(leaf_sizes[0]);

	(void)state;
	assert_null(pgw_format_at(nr));
	for (size_t i = 0; i < nr; i++) {
		const struct pgw_format *format = pgw_format_by_name(leaf_sizes[i].format);
		const struct pgw_geometry *geo = pgw_format_geometry(format);
		uint64_t sizes = 0;

		print_message("%s\n", leaf_sizes[i].format);
		assert_true(geo->leaf_sizes == leaf_sizes[i].sizes);
		if (!pgw_format_is_editable(format) || !pgw_format_region(format, PGW_REGION_USER))
			continue;
		for (unsigned level = 0; level <= geo->top_level; level++) {
			const struct pgw_attr *attr = pgw_format_attrs(format);

			sizes |= mappable_size(format, level, 0);
			for (; attr->name; attr++)
				sizes |= mappable_size(format, level, attr->value);
		}
		assert_true(sizes == leaf_sizes[i].sizes);
	}
}

static void test_dump__physical_range_cuts_at_leaf_boundaries(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	for (unsigned i = 0; i < 8; i++)
		f.pt[i] = (0x10000 + i * PAGE) | P;
	f.pt[100] = 0x12000 | P;
	f.pd[1] = UINT64_C(0) | PS | P; /* 0 to 1fffff */
	f.pd[2] = UINT64_C(0x200000) | PS | P;
	f.args.filter.has_pa = true;
	f.args.filter.pa_first = 0x12345;
	f.args.filter.pa_last = 0x14000;
	ASSERT_DUMP(&f, "2000-4fff leaf 0 12000 12001 5", "64000-64fff leaf 0 12000 12001 5",
		    "200000-3fffff leaf 1 0 81 5");
	assert_int_equal(f.summary.nr_leaves, 5);
	f.args.filter.pa_first = f.args.filter.pa_last = 0x10fff;
	ASSERT_DUMP(&f, "0-fff leaf 0 10000 10001 5", "200000-3fffff leaf 1 0 81 5");
	f.args.filter.pa_first = 0x200000;
	f.args.filter.pa_last = UINT64_MAX;
	ASSERT_DUMP(&f, "400000-5fffff leaf 1 200000 200081 5");
	f.args.filter.pa_first = UINT64_C(1) << 51;
	ASSERT_DUMP(&f, NULL);
	fixture_fini(&f);
}

/* A range that begins inside a leaf: addresses stay congruent, and the leaf counts. */
static void test_dump__virtual_range_cuts_to_the_byte(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	f.pd[1] = UINT64_C(0x600000) | PS | P;
	f.pd[2] = UINT64_C(0x800000) | PS | P;
	f.args.first = 0x312345;
	f.args.last = 0x412344;
	ASSERT_DUMP(&f, "312345-412344 leaf 1 712345 600081 5");
	assert_int_equal(f.summary.nr_leaves, 2);
	assert_int_equal(f.summary.bytes, 0x100000);
	f.args.filter.has_pa = true;
	f.args.filter.pa_first = 0x800000;
	f.args.filter.pa_last = 0x8fffff;
	ASSERT_DUMP(&f, "400000-412344 leaf 1 800000 800081 5");
	f.args.filter.pa_first = 0x600000;
	f.args.filter.pa_last = 0x7fffff;
	ASSERT_DUMP(&f, "312345-3fffff leaf 1 712345 600081 5");
	fixture_fini(&f);
}

static void test_dump__sums_add_up_over_calls(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	f.pt[0] = 0x10000 | P;
	assert_int_equal(dump(&f), 0);
	assert_int_equal(pgw_dump(&f.args, &f.summary), 0);
	assert_int_equal(f.summary.nr_ranges, 2);
	assert_int_equal(f.summary.bytes, 2 * PAGE);
	assert_int_equal(f.summary.scan.nr_tables, 8);
	fixture_fini(&f);
}

/* What was seen before the budget ran out is reported, held back or not. */
static void test_dump__budget_cuts_short_and_says_where(void **state)
{
	static struct fixture f;
	struct pgw_mm_attach_args attach = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = &f.memory.phys,
		.root.pa = ROOT * PAGE,
		.region = PGW_REGION_USER,
		.budget = 4,
	};

	(void)state;
	fixture_init(&f);
	f.pt[0] = 0x10000 | P;
	f.pd[1] = 4 * PAGE | P;
	assert_int_equal(pgw_mm_attach(&attach, &f.args.mm), 0);
	assert_int_equal(dump(&f), -PGW_E2BIG);
	assert_int_equal(f.nr_lines, 1);
	assert_string_equal(f.lines[0], "0-fff leaf 0 10000 10001 5");
	assert_true(f.summary.scan.truncated);
	assert_int_equal(f.summary.scan.truncated_va, 0x200000);
	pgw_mm_free(f.args.mm);
	fixture_fini(&f);
}

static void test_dump__callback_value_ends_it(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	f.pt[0] = 0x10000 | P;
	f.pd[1] = MALFORMED_LARGE;
	f.pd[2] = UINT64_C(0x600000) | PS | P;
	for (int merge = PGW_DUMP_RANGES; merge <= PGW_DUMP_RUNS; merge++) {
		f.args.merge = (enum pgw_dump_merge)merge;
		for (f.stop_at = 1; f.stop_at <= 3; f.stop_at++) {
			assert_int_equal(dump(&f), 42);
			assert_int_equal(f.nr_lines, f.stop_at);
			assert_true(f.summary.scan.truncated);
		}
		f.stop_at = 0;
		assert_int_equal(dump(&f), 0);
		assert_int_equal(f.nr_lines, 3);
		assert_false(f.summary.scan.truncated);
	}
	fixture_fini(&f);
}

/** What a callback got. */
struct got {
	size_t nr, stop_at;
	struct pgw_extent extents[32768];
};

static int get(const struct pgw_extent *extent, void *arg)
{
	struct got *got = (struct got *)arg;

	assert_true(got->nr < sizeof(got->extents) / sizeof(got->extents[0]));
	/* By fields: what is between them may be anything. */
	got->extents[got->nr].va_first = extent->va_first;
	got->extents[got->nr].va_last = extent->va_last;
	got->extents[got->nr].pa = extent->pa;
	got->extents[got->nr].entry = extent->entry;
	got->extents[got->nr].kind = extent->kind;
	got->extents[got->nr].level = extent->level;
	got->extents[got->nr].leaf_lg2 = extent->leaf_lg2;
	got->extents[got->nr++].rights = extent->rights;
	return got->stop_at && got->nr == got->stop_at ? 42 : 0;
}

static void assert_got(const struct got *got, const struct got *expected)
{
	assert_int_equal(got->nr, expected->nr);
	assert_memory_equal(got->extents, expected->extents, got->nr * sizeof(got->extents[0]));
}

/* 508 lowest tables, all the same one: runs of one leaf, many of which look alike; and what is odd. */
static void fill(struct fixture *f)
{
	for (uint64_t i = 0; i < 512; i++) {
		f->pd[i] = 4 * PAGE | P | RW | US;
		if (i < 60 && i % 9)
			f->pt[i] = i * PAGE | P | (i % 2 ? SOFTWARE : 0) | (i % 20 ? 0 : RW);
	}
	f->pd[77] = MALFORMED_LARGE;
	f->pd[300] = UINT64_C(0x40000000) | P; /* not in the memory */
	f->pd[301] = 0;
	f->pd[511] = UINT64_C(0x600000) | PS | P;
}

static void check_workers(struct fixture *f, const struct pgw_scan_workers *workers, size_t stop_at)
{
	static struct got alone, together;
	struct pgw_dump_summary of_alone = { 0 }, of_together = { 0 };
	int status = stop_at ? 42 : 0;

	alone.nr = together.nr = 0;
	alone.stop_at = together.stop_at = stop_at;
	f->args.fn = get;
	f->args.arg = &alone;
	f->args.workers = NULL;
	assert_int_equal(pgw_dump(&f->args, &of_alone), status);
	assert_true(stop_at ? alone.nr == stop_at : alone.nr > 1000);
	f->args.arg = &together;
	f->args.workers = workers;
	assert_int_equal(pgw_dump(&f->args, &of_together), status);
	assert_got(&together, &alone);
	/* How much more the scan met is not said. */
	if (stop_at) {
		of_alone.scan.nr_tables = of_together.scan.nr_tables;
		of_alone.scan.nr_malformed = of_together.scan.nr_malformed;
	}
	assert_memory_equal(&of_together, &of_alone, sizeof(of_alone));
}

static void test_dump__workers_report_what_one_reports(void **state)
{
	static struct fixture f;
	struct pgw_scan_workers workers = pgw_hosted_workers(3);
	static const size_t stops[] = { 0, 1, 2, 31, 32, 33, 500, 1001 };

	(void)state;
	fixture_init(&f);
	fill(&f);
	workers.even_few = true;
	for (int merge = PGW_DUMP_RANGES; merge <= PGW_DUMP_RUNS; merge++) {
		f.args.merge = (enum pgw_dump_merge)merge;
		for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
			check_workers(&f, &workers, stops[i]);
	}
	fixture_fini(&f);
}

/* Blocks of extents do not show: a dump of runs that is ended has seen what a scan has. */
static void test_dump__runs_are_those_of_a_scan(void **state)
{
	static struct fixture f;
	static struct got scan, runs;
	struct pgw_scan_stats stats;

	(void)state;
	fixture_init(&f);
	fill(&f);
	f.args.merge = PGW_DUMP_RUNS;
	f.args.fn = get;
	f.args.arg = &runs;
	for (size_t stop_at = 0; stop_at < 200; stop_at++) {
		struct pgw_dump_summary summary = { 0 };

		scan.nr = runs.nr = 0;
		scan.stop_at = runs.stop_at = stop_at;
		assert_int_equal(pgw_scan(f.mm, 0, LAST_USER, get, &scan, &stats),
				 stop_at ? 42 : 0);
		assert_int_equal(pgw_dump(&f.args, &summary), stop_at ? 42 : 0);
		assert_got(&runs, &scan);
		assert_memory_equal(&summary.scan, &stats, sizeof(stats));
	}
	fixture_fini(&f);
}

static void test_dump__wrong_arguments_are_refused(void **state)
{
	static struct fixture f;
	struct pgw_dump_args args;

	(void)state;
	fixture_init(&f);
	assert_int_equal(pgw_dump(NULL, &f.summary), -PGW_EINVAL);
	assert_int_equal(pgw_dump(&f.args, NULL), -PGW_EINVAL);
	args = f.args;
	args.mm = NULL;
	assert_int_equal(pgw_dump(&args, &f.summary), -PGW_EINVAL);
	args = f.args;
	args.fn = NULL;
	assert_int_equal(pgw_dump(&args, &f.summary), -PGW_EINVAL);
	args = f.args;
	args.last = LAST_USER + 1;
	assert_int_equal(pgw_dump(&args, &f.summary), -PGW_EINVAL);
	args = f.args;
	args.first = 1;
	args.last = 0;
	assert_int_equal(pgw_dump(&args, &f.summary), -PGW_EINVAL);
	args = f.args;
	args.merge = (enum pgw_dump_merge)2;
	assert_int_equal(pgw_dump(&args, &f.summary), -PGW_EINVAL);
	args = f.args;
	args.filter.has_pa = true;
	args.filter.pa_first = 1;
	assert_int_equal(pgw_dump(&args, &f.summary), -PGW_EINVAL);
	assert_int_equal(f.nr_lines, 0);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump__neighbours_that_look_the_same_are_one_range),
		cmocka_unit_test(test_dump__sizes_of_leaves_do_not_mix),
		cmocka_unit_test(test_dump__odd_runs_divide_ranges_and_pass_every_filter),
		cmocka_unit_test(test_dump__what_is_absent_is_told_if_asked_for),
		cmocka_unit_test(test_dump__filters_of_what_is_absent),
		cmocka_unit_test(test_dump__absent_entries_of_shared_tables),
		cmocka_unit_test(test_dump__rights_must_all_be_there_and_none_of_the_others),
		cmocka_unit_test(test_dump__levels_are_a_set),
		cmocka_unit_test(test_dump__sizes_are_a_set),
		cmocka_unit_test(test_dump__formats_name_the_sizes_that_can_be_mapped),
		cmocka_unit_test(test_dump__physical_range_cuts_at_leaf_boundaries),
		cmocka_unit_test(test_dump__virtual_range_cuts_to_the_byte),
		cmocka_unit_test(test_dump__sums_add_up_over_calls),
		cmocka_unit_test(test_dump__budget_cuts_short_and_says_where),
		cmocka_unit_test(test_dump__callback_value_ends_it),
		cmocka_unit_test(test_dump__workers_report_what_one_reports),
		cmocka_unit_test(test_dump__runs_are_those_of_a_scan),
		cmocka_unit_test(test_dump__wrong_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
