/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A whole format in a test (toy_format.h): nothing of the library knows it, and every operation
 * that looks at tables takes it. What is expected is said by hand, from what the test wrote.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "mm/toy_format.h"
#include "pt/pt.h"
#include "pt/read/template.h"

#define PAGE UINT64_C(0x1000)
#define LARGE UINT64_C(0x10000) /* what an item of the root spans */
#define ROOT UINT64_C(0x2040)   /* a multiple of 64, as the table's size */
#define TABLE UINT64_C(0x2100)
#define LAST UINT64_C(0xfffff)

static uint64_t no_tag(const struct pgw_geometry *geo, const struct pgw_control *control,
		       uint64_t va)
{
	(void)geo, (void)control, (void)va;
	return 0;
}

static const char *const table_names[PGW_MAX_LEVELS] = { "page", "root" };
static const struct pgw_attr attrs[] = { { .name = NULL } };
static const struct pgw_later_bits later_bits[] = { { .bits = NULL } };
static const struct pgw_control_bit controls[] = { { .name = NULL } };
static const struct pgw_region regions[] = {
	{ .name = "device", .last = LAST, .kind = PGW_REGION_FOREIGN },
	{ .name = NULL },
};

static const struct pgw_format toy = {
	.name = "toy",
	.arch = "toy",
	.geometry = { .top_level = 1,
		      .granule_lg2 = TOY_GRANULE_LG2,
		      .va_bits = TOY_SPAN_LG2(2),
		      .max_pa_bits = 34,
		      .item_lg2 = 2,
		      .is_big_endian = true,
		      .span_lg2 = { TOY_SPAN_LG2(0), TOY_SPAN_LG2(1) },
		      .slots_lg2 = { TOY_SLOTS_LG2, TOY_SLOTS_LG2 },
		      .leaf_sizes = BIT(TOY_SPAN_LG2(0)) | BIT(TOY_SPAN_LG2(1)) },
	.table_names = table_names,
	.attrs = attrs,
	.later_bits = later_bits,
	.regions = regions,
	.controls = controls,
	.min_pa_bits = 34,
	.tag_bits = no_tag,
	.decode = pt_decode,
	.advance = pt_advance,
	.env_init = pt_env_fill,
	.ops = &pt_format_ops,
};

struct fixture {
	struct arena arena;
	struct pgw_phys_memory memory;
	unsigned char bytes[0x3000];
	struct pgw_mm *mm;
};

static void put(struct fixture *f, uint64_t pa, uint32_t item)
{
	for (unsigned i = 0; i < 4; i++)
		f->bytes[pa + i] = (unsigned char)(item >> (24 - 8 * i));
}

/* An empty root and an empty table, which nothing leads to yet. */
static struct fixture *fixture_new(bool is_live)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_attach_args args = {
		.format = &toy, .region = PGW_REGION_FOREIGN, .root.pa = ROOT, .is_live = is_live
	};

	assert_non_null(f);
	arena_init(&f->arena, 64 << 10);
	assert_int_equal(pgw_phys_memory_init(&f->memory, 0, f->bytes, sizeof(f->bytes)), 0);
	for (unsigned i = 0; i < 16; i++) {
		put(f, ROOT + 4 * i, 0x80000001);
		put(f, TABLE + 4 * i, 0x80000000);
	}
	args.platform = &f->arena.platform;
	args.phys = &f->memory.phys;
	assert_int_equal(pgw_mm_attach(&args, &f->mm), 0);
	return f;
}

static void fixture_free(struct fixture *f)
{
	pgw_mm_free(f->mm);
	arena_fini(&f->arena);
	free(f);
}

/*
 * Root: 0 a table, 1 a large leaf at 0x50000, 2 zero, which is a leaf at 0, 3 reserved, 4 absent,
 * 15 the table again. Table: 0 to 2 a run from 0x7000, 3 the next page, read-only, 4 zero, 6 of
 * the table's kind, 9 absent.
 */
static void fill(struct fixture *f)
{
	put(f, ROOT + 4 * 0, 0x40000000 | TABLE >> 6);
	put(f, ROOT + 4 * 1, 0x50000 >> 6);
	put(f, ROOT + 4 * 2, 0);
	put(f, ROOT + 4 * 3, 0x10000000);
	put(f, ROOT + 4 * 4, 0x80001234);
	put(f, ROOT + 4 * 15, 0x40000000 | TABLE >> 6);
	for (unsigned i = 0; i < 3; i++)
		put(f, TABLE + 4 * i, (uint32_t)((0x7000 + i * PAGE) >> 6));
	put(f, TABLE + 4 * 3, 0x20000000 | 0xa000 >> 6);
	put(f, TABLE + 4 * 4, 0);
	put(f, TABLE + 4 * 6, 0x40000000);
	put(f, TABLE + 4 * 9, 0x80000001);
}

static const struct {
	uint64_t va, pa;
	enum pgw_entry_kind kind;
	uint8_t leaf_lg2, rights;
} rows[] = {
	{ 0x00010, 0x7010, PGW_ENTRY_LEAF, 12, PGW_USER_R | PGW_USER_W },
	{ 0x02fff, 0x9fff, PGW_ENTRY_LEAF, 12, PGW_USER_R | PGW_USER_W },
	{ 0x03000, 0xa000, PGW_ENTRY_LEAF, 12, PGW_USER_R },
	{ 0x04008, 0x0008, PGW_ENTRY_LEAF, 12, PGW_USER_R | PGW_USER_W },
	{ 0x05000, 0, PGW_ENTRY_EMPTY, 0, 0 },
	{ 0x06000, 0, PGW_ENTRY_MALFORMED, 0, 0 },
	{ 0x09000, 0, PGW_ENTRY_ABSENT, 0, 0 },
	{ 0x1abcd, 0x5abcd, PGW_ENTRY_LEAF, 16, PGW_USER_R | PGW_USER_W },
	{ 0x20004, 0x00004, PGW_ENTRY_LEAF, 16, PGW_USER_R | PGW_USER_W },
	{ 0x30000, 0, PGW_ENTRY_MALFORMED, 0, 0 },
	{ 0x40000, 0, PGW_ENTRY_ABSENT, 0, 0 },
	{ 0x50000, 0, PGW_ENTRY_EMPTY, 0, 0 },
	{ 0xf1001, 0x8001, PGW_ENTRY_LEAF, 12, PGW_USER_R | PGW_USER_W },
};

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

static void check_row(const struct pgw_translation *at, size_t i)
{
	assert_int_equal(at->kind, rows[i].kind);
	assert_int_equal(at->pa, rows[i].pa);
	assert_int_equal(at->leaf_lg2, rows[i].leaf_lg2);
	assert_int_equal(at->rights, rows[i].rights);
}

static void test_toy__translations(void **state)
{
	struct fixture *f = fixture_new(false);
	struct pgw_translation at, batch[NR_ROWS];
	uint64_t va[NR_ROWS];

	(void)state;
	fill(f);
	for (size_t i = 0; i < NR_ROWS; i++) {
		va[i] = rows[i].va;
		assert_int_equal(pgw_translate(f->mm, va[i], &at), 0);
		check_row(&at, i);
	}
	assert_int_equal(pgw_translate_batch(f->mm, va, batch, NR_ROWS), NR_ROWS);
	for (size_t i = 0; i < NR_ROWS; i++)
		check_row(&batch[i], i);
	/* No region has what is beyond. */
	assert_int_equal(pgw_translate(f->mm, LAST + 1, &at), 0);
	assert_int_equal(at.kind, PGW_ENTRY_NONCANONICAL);
	assert_int_equal(at.va_first, LAST + 1);
	assert_int_equal(at.va_last, UINT64_MAX);
	fixture_free(f);
}

static const struct pgw_extent extents[] = {
	{ 0x00000, 0x02fff, 0x7000, 0x1c0, PGW_ENTRY_LEAF, 0, 12, PGW_USER_R | PGW_USER_W },
	{ 0x03000, 0x03fff, 0xa000, 0x20000280, PGW_ENTRY_LEAF, 0, 12, PGW_USER_R },
	{ 0x04000, 0x04fff, 0, 0, PGW_ENTRY_LEAF, 0, 12, PGW_USER_R | PGW_USER_W },
	{ 0x06000, 0x06fff, 0, 0x40000000, PGW_ENTRY_MALFORMED, 0, 0, 0 },
	{ 0x10000, 0x1ffff, 0x50000, 0x1400, PGW_ENTRY_LEAF, 1, 16, PGW_USER_R | PGW_USER_W },
	{ 0x20000, 0x2ffff, 0, 0, PGW_ENTRY_LEAF, 1, 16, PGW_USER_R | PGW_USER_W },
	{ 0x30000, 0x3ffff, 0, 0x10000000, PGW_ENTRY_MALFORMED, 1, 0, 0 },
	{ 0xf0000, 0xf2fff, 0x7000, 0x1c0, PGW_ENTRY_LEAF, 0, 12, PGW_USER_R | PGW_USER_W },
	{ 0xf3000, 0xf3fff, 0xa000, 0x20000280, PGW_ENTRY_LEAF, 0, 12, PGW_USER_R },
	{ 0xf4000, 0xf4fff, 0, 0, PGW_ENTRY_LEAF, 0, 12, PGW_USER_R | PGW_USER_W },
	{ 0xf6000, 0xf6fff, 0, 0x40000000, PGW_ENTRY_MALFORMED, 0, 0, 0 },
};

#define NR_EXTENTS (sizeof(extents) / sizeof(extents[0]))

static int check_extent(const struct pgw_extent *extent, void *arg)
{
	size_t *nr = arg;

	assert_true(*nr < NR_EXTENTS);
	assert_int_equal(extent->va_first, extents[*nr].va_first);
	assert_int_equal(extent->va_last, extents[*nr].va_last);
	assert_int_equal(extent->pa, extents[*nr].pa);
	assert_int_equal(extent->entry, extents[*nr].entry);
	assert_int_equal(extent->kind, extents[*nr].kind);
	assert_int_equal(extent->level, extents[*nr].level);
	assert_int_equal(extent->rights, extents[*nr].rights);
	++*nr;
	return 0;
}

static void test_toy__extents(void **state)
{
	struct fixture *f = fixture_new(false);
	struct pgw_scan_stats stats;
	size_t nr = 0;

	(void)state;
	fill(f);
	assert_int_equal(pgw_scan(f->mm, 0, LAST, check_extent, &nr, &stats), 0);
	assert_int_equal(nr, NR_EXTENTS);
	assert_int_equal(stats.nr_leaves, 12);
	assert_int_equal(stats.nr_malformed, 3);
	assert_int_equal(stats.nr_tables, 3);
	fixture_free(f);
}

struct walked {
	uint64_t pages; /* bit n: a valid item of page n of a table */
	unsigned nr_holes, nr_malformed, nr_large;
};

static int see_pte(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct walked *walked = walk->arg;

	assert_int_equal(next - addr, PAGE);
	if (!(*pte & TOY_I))
		walked->pages |= BIT(addr / PAGE % 16);
	return 0;
}

/* The root is the format's one table above the lowest: Linux's pgd, with all below it folded. */
static int see_pmd(uint64_t *pmd, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	struct walked *walked = walk->arg;

	assert_int_equal(next - addr, LARGE);
	walked->nr_large += !(*pmd & (TOY_I | TOY_T | TOY_RESERVED));
	return 0;
}

static int see_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	struct walked *walked = walk->arg;

	(void)addr, (void)next, (void)depth;
	walked->nr_holes++;
	return 0;
}

static int see_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			 struct pgw_mm_walk *walk)
{
	struct walked *walked = walk->arg;

	(void)addr, (void)next, (void)depth;
	assert_int_equal(entry, 0x10000000);
	walked->nr_malformed++;
	return 0;
}

static void test_toy__walk(void **state)
{
	static const struct pgw_mm_walk_ops ops = { .pmd_entry = see_pmd,
						    .pte_entry = see_pte,
						    .pte_hole = see_hole,
						    .malformed = see_malformed };
	struct fixture *f = fixture_new(false);
	struct walked walked = { 0 };

	(void)state;
	fill(f);
	assert_int_equal(pgw_walk_page_range_novma(f->mm, 0, LAST + 1, &ops, NULL, &walked), 0);
	assert_int_equal(walked.pages, 0x5f); /* 0 to 4, and 6 */
	assert_int_equal(walked.nr_large, 2);
	assert_int_equal(walked.nr_malformed, 1);
	/* Ten empty slots of the root, and the one that is malformed. */
	assert_int_equal(walked.nr_holes, 11);
	fixture_free(f);
}

/* Whose lock cannot be seen: a live one's tables want it for write. */
static void test_toy__is_a_foreign_region_and_read_only(void **state)
{
	struct fixture *f = fixture_new(true);
	struct pgw_mm_new_args args = { .platform = &f->arena.platform,
					.format = &toy,
					.region = PGW_REGION_FOREIGN };
	struct pgw_translation at;
	struct pgw_mm *mm;

	(void)state;
	assert_false(pgw_format_is_editable(&toy));
	assert_int_equal(pgw_mm_new(&args, &mm), -PGW_EOPNOTSUPP);
	args.region = PGW_REGION_KERNEL; /* which it has not */
	assert_int_equal(pgw_mm_new(&args, &mm), -PGW_EINVAL);
	assert_int_equal(pgw_mmap_read_lock(f->mm), 0);
	assert_int_equal(pgw_translate(f->mm, 0, &at), -PGW_EPERM);
	assert_int_equal(f->arena.violation.region, PGW_REGION_FOREIGN);
	assert_int_equal(pgw_mmap_read_unlock(f->mm), 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toy__translations),
		cmocka_unit_test(test_toy__extents),
		cmocka_unit_test(test_toy__walk),
		cmocka_unit_test(test_toy__is_a_foreign_region_and_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
