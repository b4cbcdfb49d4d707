/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The kernel's way to dump, where tables repeat: the same lines as a plain model that looks at
 * every entry, and the work of the tables that differ.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define PAGE UINT64_C(0x1000)
#define P UINT64_C(0x001)
#define RW UINT64_C(0x002)
#define PS UINT64_C(0x080)
#define NX (UINT64_C(1) << 63)
#define ADDRESS UINT64_C(0x000ffffffffff000)
#define KERNEL_START UINT64_C(0xffff880000000000)
#define SLOT UINT64_C(0x8000000000) /* of the root */

#define NR_LEVELS 4
#define NR_TABLES 3
#define NR_PAGES (NR_LEVELS * NR_TABLES)
#define MAX_LINES (1 << 20)

struct lines {
	struct pgw_ptdump_line *line;
	size_t nr;
};

struct fixture {
	_Alignas(4096) uint64_t page[NR_PAGES][512];
	struct pgw_phys_memory memory;
	struct pgw_mm *mm;
	struct pgw_marker markers[3];
	size_t nr_markers;
	struct lines actual, expected;
	/* The model's. */
	struct pgw_ptdump_line series;
	uint64_t effective;
	size_t marker; /* markers that were passed */
	uint64_t nr_since;
};

static uint64_t *table(struct fixture *f, unsigned level, unsigned index)
{
	return f->page[(NR_LEVELS - 1 - level) * NR_TABLES + index];
}

static uint64_t table_pa(unsigned level, unsigned index)
{
	return ((NR_LEVELS - 1 - level) * NR_TABLES + index) * PAGE;
}

static void lines_add(struct lines *lines, const struct pgw_ptdump_line *line)
{
	assert_true(lines->nr < MAX_LINES);
	lines->line[lines->nr++] = *line;
}

static int note(const struct pgw_ptdump_line *line, void *arg)
{
	lines_add(&((struct fixture *)arg)->actual, line);
	return 0;
}

/* ---- the model: Linux's mm/ptdump.c and arch/x86/mm/dump_pagetables.c as one reads them ---- */

static uint64_t max_lines(const struct fixture *f)
{
	return f->marker ? f->markers[f->marker - 1].max_lines : 0;
}

static void model_skipped(struct fixture *f)
{
	if (max_lines(f) && f->nr_since > max_lines(f))
		lines_add(&f->expected, &(struct pgw_ptdump_line){
						.kind = PGW_PTDUMP_SKIPPED,
						.nr_skipped = f->nr_since - max_lines(f),
					});
}

static void model_print(struct fixture *f, uint64_t end)
{
	f->series.end = end;
	if (!max_lines(f) || f->nr_since++ < max_lines(f))
		lines_add(&f->expected, &f->series);
}

static void model_banner(struct fixture *f)
{
	f->nr_since = 0;
	lines_add(&f->expected, &(struct pgw_ptdump_line){
					.kind = PGW_PTDUMP_BANNER,
					.name = f->markers[f->marker++].name,
				});
}

static void model_note(struct fixture *f, uint64_t va, int depth, uint64_t entry,
		       uint64_t effective)
{
	bool at_marker = f->marker < f->nr_markers && va >= f->markers[f->marker].va;

	if (va != KERNEL_START) {
		if (!at_marker && f->series.depth == depth &&
		    f->series.prot == (entry & ~ADDRESS) && f->effective == effective)
			return;
		model_print(f, va);
		if (at_marker)
			model_skipped(f);
	}
	if (at_marker)
		model_banner(f);
	f->series = (struct pgw_ptdump_line){ .kind = PGW_PTDUMP_SERIES,
					      .start = va,
					      .depth = depth,
					      .prot = entry & ~ADDRESS,
					      .entry = entry };
	f->effective = effective;
}

static void model_table(struct fixture *f, unsigned level, uint64_t pa, uint64_t va,
			uint64_t effective)
{
	const uint64_t *items = f->page[pa / PAGE];
	uint64_t span = PAGE << 9 * level;
	int depth = level == 3 ? 0 : 4 - (int)level;

	for (unsigned i = va == KERNEL_START && level == 3 ? 272 : 0; i < 512; i++, va += span) {
		uint64_t entry = items[i], prot = entry & ~ADDRESS, below = prot;

		if (level < 3)
			below = (effective & prot & RW) | ((effective | prot) & NX);
		if (level && entry && !(entry & PS))
			model_table(f, level - 1, entry & ADDRESS, va, below);
		else
			model_note(f, va, depth, entry, entry ? below : 0);
	}
}

static void model_run(struct fixture *f)
{
	f->expected.nr = f->marker = f->nr_since = 0;
	model_table(f, 3, table_pa(3, 0), KERNEL_START, 0);
	model_print(f, 0);
	model_skipped(f);
}

/* ---- both ---- */

static void fixture_init(struct fixture *f)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = pgw_format_by_name("x86_64-la48"),
		.phys = &f->memory.phys,
		.root.pa = table_pa(3, 0),
		.region = PGW_REGION_KERNEL,
		.budget = 1000000,
	};
	struct lines actual = f->actual, expected = f->expected;

	memset(f, 0, sizeof(*f));
	f->actual.line = actual.line ? actual.line : calloc(MAX_LINES, sizeof(*actual.line));
	f->expected.line = expected.line ? expected.line : calloc(MAX_LINES, sizeof(*actual.line));
	assert_true(f->actual.line && f->expected.line);
	assert_int_equal(pgw_phys_memory_init(&f->memory, 0, f->page, sizeof(f->page)), 0);
	assert_int_equal(pgw_mm_attach(&args, &f->mm), 0);
}

static void dump(struct fixture *f)
{
	struct pgw_ptdump_args args = { f->mm, f->markers, f->nr_markers, note, f };

	f->actual.nr = 0;
	assert_int_equal(pgw_ptdump(&args), 0);
}

static void assert_same(struct fixture *f)
{
	dump(f);
	model_run(f);
	assert_int_equal(f->actual.nr, f->expected.nr);
	for (size_t i = 0; i < f->expected.nr; i++) {
		const struct pgw_ptdump_line *a = &f->actual.line[i], *e = &f->expected.line[i];

		assert_int_equal(a->kind, e->kind);
		assert_true(a->start == e->start && a->end == e->end && a->prot == e->prot);
		assert_true(a->depth == e->depth && a->entry == e->entry);
		assert_true(a->nr_skipped == e->nr_skipped && a->name == e->name);
	}
}

static void fill(uint64_t *items, unsigned first, unsigned nr, uint64_t item)
{
	for (unsigned i = first; i < first + nr; i++)
		items[i] = item;
}

/* 16 TiB that lead to one page are one line, and no 2^32 entries are looked at. */
static void test_ptdump_repeat__a_shadow_of_one_page(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	fill(table(&f, 0, 0), 0, 512, 0x7000 | P | NX);
	fill(table(&f, 1, 0), 0, 512, table_pa(0, 0) | P | RW);
	fill(table(&f, 2, 0), 0, 512, table_pa(1, 0) | P | RW);
	fill(table(&f, 3, 0), 472, 32, table_pa(2, 0) | P | RW);
	dump(&f);
	assert_int_equal(f.actual.nr, 3);
	assert_true(f.actual.line[1].start == UINT64_C(0xffffec0000000000));
	assert_true(f.actual.line[1].end == UINT64_C(0xfffffc0000000000));
	assert_int_equal(f.actual.line[1].depth, 4);
	assert_true(f.actual.line[1].prot == (P | NX));

	/* A marker in the middle of it, inside a table. */
	f.markers[0] = (struct pgw_marker){ .va = KERNEL_START, .name = "first" };
	f.markers[1] = (struct pgw_marker){ .va = UINT64_C(0xfffff01234567000), .name = "second" };
	f.nr_markers = 2;
	dump(&f);
	assert_int_equal(f.actual.nr, 6);
	assert_true(f.actual.line[2].end == f.markers[1].va);
	assert_int_equal(f.actual.line[3].kind, PGW_PTDUMP_BANNER);
	assert_true(f.actual.line[4].start == f.markers[1].va);
	assert_true(f.actual.line[4].end == UINT64_C(0xfffffc0000000000));
	pgw_mm_free(f.mm);
}

/* ESPFIX: the lines past max_lines are counted, not made. Holes of three depths are lines too. */
static void test_ptdump_repeat__lines_that_are_not_printed(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_init(&f);
	for (unsigned i = 7; i < 512; i += 16)
		table(&f, 0, 0)[i] = 0x7000 | P | NX;
	fill(table(&f, 1, 0), 0, 512, table_pa(0, 0) | P | RW);
	fill(table(&f, 2, 0), 312, 4, table_pa(1, 0) | P | RW);
	table(&f, 3, 0)[510] = table_pa(2, 0) | P | RW;
	assert_same(&f);
	assert_true(f.actual.nr > 131072);
	f.markers[0] = (struct pgw_marker){ .va = UINT64_C(0xffffff0000000000),
					    .name = "ESPfix Area",
					    .max_lines = 16 };
	f.nr_markers = 1;
	assert_same(&f);
	assert_int_equal(f.actual.nr, 19);
	assert_int_equal(f.actual.line[18].nr_skipped, 2 + 65536 + 65537 + 1 - 16);
	/* All slots of two levels above: 2^27 lines that nobody is to make. */
	fill(table(&f, 2, 0), 0, 512, table_pa(1, 0) | P | RW);
	fill(table(&f, 3, 0), 511, 1, table_pa(2, 0) | P | RW);
	dump(&f);
	assert_int_equal(f.actual.line[f.actual.nr - 1].nr_skipped, 1024 * 512 * 64 + 1 - 16);
	pgw_mm_free(f.mm);
}

static unsigned below(uint64_t *seed, unsigned n)
{
	return (unsigned)(test_random(seed) % n);
}

static uint64_t random_item(uint64_t *seed, unsigned level)
{
	uint64_t flags = P | (below(seed, 4) ? RW : 0) | (below(seed, 4) ? 0 : NX);

	if (level < 2 && below(seed, 4) == 0)
		return 0;
	if (!level)
		return below(seed, 3) * PAGE | flags;
	if (level == 1 && below(seed, 6) == 0)
		return flags | PS;
	return table_pa(level - 1, below(seed, NR_TABLES)) | flags;
}

static void test_ptdump_repeat__random_trees(void **state)
{
	static const unsigned most[NR_LEVELS] = { 400, 60, 4, 3 };
	static struct fixture f;
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		fixture_init(&f);
		for (unsigned n = 0; n < NR_PAGES; n++) {
			unsigned level = NR_LEVELS - 1 - n / NR_TABLES;
			unsigned nr = 1 + below(&seed, most[level]);
			unsigned first = level == 3 ? 300 : below(&seed, 512 - nr);

			for (unsigned done = 0, run; done < nr; done += run) {
				run = 1 + below(&seed, nr - done);
				fill(f.page[n], first + done, run, random_item(&seed, level));
			}
		}
		f.nr_markers = below(&seed, 4);
		f.markers[0] = (struct pgw_marker){ .va = KERNEL_START, .name = "a" };
		for (unsigned i = 1; i < 3; i++)
			f.markers[i] = (struct pgw_marker){
				.va = KERNEL_START + (28 + i) * SLOT +
				      test_random(&seed) % SLOT / PAGE * PAGE,
				.name = i == 1 ? "b" : "c",
				.max_lines = below(&seed, 2) ? 5 : 0,
			};
		assert_same(&f);
		pgw_mm_free(f.mm);
	}
	free(f.actual.line);
	free(f.expected.line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ptdump_repeat__a_shadow_of_one_page),
		cmocka_unit_test(test_ptdump_repeat__lines_that_are_not_printed),
		cmocka_unit_test(test_ptdump_repeat__random_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
