/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Foreign tables as nobody sane writes them, for every format and both halves:
 * loops, trees without end, nonsense, tables that are not there or cut off.
 * Every operation ends within its budget, asks for no memory (a scan may, and does
 * without), and says so if it did not see all.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limit.h"

#define BUDGET 100
#define TABLES_PA UINT64_C(0x40000000)
#define TABLE_MAX (64 << 10)
/* One table a level, and one more. */
#define NR_TABLES (PGW_MAX_LEVELS + 1)
#define OUTSIDE_PA UINT64_C(0x80000000)

struct fixture {
	struct arena arena;
	struct pgw_phys_memory memory;
	struct pgw_phys_ops copy_ops; /* the same bytes, never pointed at */
	struct pgw_phys copy_phys;
	unsigned char *bytes;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_control control;
	enum pgw_region_kind region;
	uint64_t first, last; /* of the half */
};

/* What the operations on one tree met. */
struct met {
	struct pgw_scan_stats stats;
	int status;               /* the scan's */
	uint64_t covered;         /* addresses in extents, less one if that is all of them */
	uint64_t next_va;         /* after the last extent */
	struct pgw_extent extent; /* the last one */
	uint64_t nr_extents;
	uint64_t walk_tables;
};

static void fixture_init(struct fixture *f, const struct pgw_format *format,
			 enum pgw_region_kind half)
{
	memset(f, 0, sizeof(*f));
	arena_init(&f->arena, TABLE_MAX);
	f->bytes = calloc(NR_TABLES, TABLE_MAX);
	assert_non_null(f->bytes);
	f->format = format;
	f->geo = pgw_format_geometry(format);
	f->region = half;
	pgw_format_region_range(format, half, &f->first, &f->last);
	assert_int_equal(
		pgw_phys_memory_init(&f->memory, TABLES_PA, f->bytes, NR_TABLES * TABLE_MAX), 0);
	f->copy_ops = *f->memory.phys.ops;
	f->copy_ops.map = NULL;
	f->copy_phys = (struct pgw_phys){ &f->copy_ops, &f->memory };
}

static void fixture_fini(struct fixture *f)
{
	free(f->bytes);
	assert_int_equal(f->arena.nr_violations, 0);
	arena_fini(&f->arena);
}

/* The table for a level: the root's comes first, level 0's last but one. */
static uint64_t table_pa(const struct fixture *f, unsigned level)
{
	return TABLES_PA + (uint64_t)(f->geo->top_level - level) * TABLE_MAX;
}

static unsigned nr_slots(const struct fixture *f, unsigned level)
{
	return 1u << f->geo->slots_lg2[level];
}

static void store(const struct fixture *f, uint64_t pa, unsigned slot, uint64_t entry)
{
	unsigned char *to = f->bytes + (pa - TABLES_PA) + (size_t)slot * 8;

	for (unsigned i = 0; i < 8; i++)
		to[i] = (unsigned char)(entry >> (8 * i));
}

/* An entry that points to a table, if the level has such; at level 0 whatever it means there. */
static uint64_t entry_to(const struct fixture *f, uint64_t pa)
{
	const char *arch = pgw_format_arch(f->format);

	if (strcmp(arch, "x86_64") == 0)
		return pa | 7;
	if (strcmp(arch, "arm64") == 0)
		return pa | 3;
	assert_string_equal(arch, "riscv64");
	return pa >> 2 | 1;
}

/* All slots of the level's table point to one table; a small root's page is full all the same. */
static void fill(const struct fixture *f, unsigned level, uint64_t pa)
{
	for (unsigned slot = 0; slot < 1u << (f->geo->granule_lg2 - 3); slot++)
		store(f, table_pa(f, level), slot, entry_to(f, pa));
}

/* The slots of a root that belong to the region. */
static void root_slots(const struct fixture *f, unsigned *ret_first, unsigned *ret_nr)
{
	unsigned nr = nr_slots(f, f->geo->top_level);
	bool is_split = pgw_format_is_split(f->format);

	*ret_nr = is_split ? nr : nr / 2;
	*ret_first = is_split || f->region == PGW_REGION_USER ? 0 : nr / 2;
}

/* Only the way to the level's table, by the first slots of the half. */
static void path_to(const struct fixture *f, unsigned level)
{
	unsigned slot, nr;

	root_slots(f, &slot, &nr);
	memset(f->bytes, 0, (size_t)NR_TABLES * TABLE_MAX);
	for (unsigned above = f->geo->top_level; above > level; above--) {
		store(f, table_pa(f, above), slot, entry_to(f, table_pa(f, above - 1)));
		slot = 0;
	}
}

/* How often a tree is visited in which every slot above level 0 is a table. */
static uint64_t full_visits(const struct fixture *f)
{
	uint64_t visits = 1, of_level;
	unsigned slot, nr;

	root_slots(f, &slot, &nr);
	of_level = nr;
	for (unsigned level = f->geo->top_level; level-- > 0;) {
		visits += of_level;
		of_level *= nr_slots(f, level);
	}
	return visits;
}

static int met_extent(const struct pgw_extent *extent, void *arg)
{
	struct met *met = arg;

	/* Ascending, without overlap. */
	assert_true(extent->va_first <= extent->va_last);
	assert_true(extent->va_first >= met->next_va);
	met->covered += extent->va_last - extent->va_first + 1;
	met->next_va = extent->va_last + 1;
	met->extent = *extent;
	met->nr_extents++;
	return 0;
}

static void scan_all(struct fixture *f, struct pgw_mm *mm, struct met *met)
{
	memset(met, 0, sizeof(*met));
	met->next_va = f->first;
	met->status = pgw_scan(mm, f->first, f->last, met_extent, met, &met->stats);
	assert_true(met->status == 0 || met->status == -PGW_E2BIG);
	assert_int_equal(met->stats.truncated, met->status == -PGW_E2BIG);
	assert_true(met->stats.nr_tables <= BUDGET);
	if (met->stats.truncated) {
		assert_int_equal(met->stats.nr_tables, BUDGET);
		assert_true(met->stats.truncated_va >= met->next_va);
	}
}

static int note_tables(struct pgw_mm_walk *walk)
{
	struct met *met = walk->arg;

	assert_true(walk->nr_tables <= BUDGET);
	met->walk_tables = walk->nr_tables;
	return 0;
}

static int walk_entry(uint64_t *entry, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)entry;
	(void)addr;
	(void)next;
	return note_tables(walk);
}

static int walk_gap(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	(void)addr;
	(void)next;
	assert_in_range(depth, 0, 4);
	return note_tables(walk);
}

static int walk_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			  struct pgw_mm_walk *walk)
{
	assert_true(entry != 0);
	return walk_gap(addr, next, depth, walk);
}

static void walk_all(struct fixture *f, struct pgw_mm *mm, struct met *met)
{
	static const struct pgw_mm_walk_ops ops = {
		.pgd_entry = walk_entry,
		.pte_entry = walk_entry,
		.pte_hole = walk_gap,
		.malformed = walk_malformed,
		.unreadable = walk_gap,
	};
	int status = pgw_walk_page_range_novma(
		mm, f->first, f->last == UINT64_MAX ? f->last : f->last + 1, &ops, NULL, met);

	/* The two count the same tables, so the budget ends both or none. */
	assert_int_equal(status, met->status);
	assert_int_equal(met->walk_tables, met->stats.nr_tables);
}

static void translate_some(struct fixture *f, struct pgw_mm *mm, uint64_t *random)
{
	for (unsigned i = 0; i < 64; i++) {
		uint64_t va = f->first + (test_random(random) & (f->last - f->first));
		struct pgw_translation at;
		struct pgw_path path;

		if (i == 0)
			va = f->first;
		if (i == 1)
			va = f->last;
		assert_int_equal(pgw_translate_path(mm, va, &at, &path), 0);
		assert_int_not_equal(at.kind, PGW_ENTRY_TABLE);
		assert_true(at.va_first <= va && va <= at.va_last);
		assert_in_range(path.nr_steps, 1, f->geo->top_level + 1u);
	}
}

/* How shared tables are remembered: nothing of it may show. */
enum memo_way { MEMO_NONE, MEMO_DENIED, MEMO_GIVEN, NR_MEMO_WAYS };

static void run_once(struct fixture *f, const struct pgw_phys *phys, enum memo_way way,
		     struct met *met)
{
	struct pgw_mm_attach_args args = {
		.platform = &f->arena.platform,
		.format = f->format,
		.phys = phys,
		.root = { .pa = table_pa(f, f->geo->top_level) },
		.region = f->region,
		.control = f->control,
		.budget = BUDGET,
	};
	uint64_t random = 1;
	struct pgw_mm *mm;

	f->arena.platform.no_memo = way == MEMO_NONE;
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	f->arena.fail_after = way == MEMO_GIVEN ? -1 : 0;
	scan_all(f, mm, met);
	if (way == MEMO_DENIED)
		f->arena.fail_after = 0;
	walk_all(f, mm, met);
	translate_some(f, mm, &random);
	/* Nobody asked for memory. */
	assert_int_equal(f->arena.fail_after, way == MEMO_GIVEN ? -1 : 0);
	f->arena.fail_after = -1;
	pgw_mm_free(mm);
}

/* Every operation, on bytes that are pointed at and on copied ones; all give the same. */
static void run_all(struct fixture *f, struct met *ret)
{
	const struct pgw_phys *sources[] = { &f->memory.phys, &f->copy_phys };
	struct met met;

	for (unsigned i = 0; i < 2 * NR_MEMO_WAYS; i++) {
		run_once(f, sources[i % 2], (enum memo_way)(i / 2), &met);
		if (i == 0)
			*ret = met;
		assert_int_equal(ret->nr_extents, met.nr_extents);
		assert_int_equal(ret->covered, met.covered);
		assert_memory_equal(&ret->stats, &met.stats, sizeof(met.stats));
	}
}

/* A tree without a hole, larger than the budget or not. */
static void check_full(struct fixture *f)
{
	uint64_t visits = full_visits(f);
	struct met met;

	run_all(f, &met);
	assert_int_equal(met.stats.truncated, visits > BUDGET);
	assert_int_equal(met.stats.nr_tables, visits > BUDGET ? BUDGET : visits);
	/* What was seen has no hole: the extents reach up to where it was cut short. */
	assert_int_equal(met.covered,
			 (met.stats.truncated ? met.stats.truncated_va : f->last + 1) - f->first);
}

typedef void test_fn(struct fixture *f);

static void for_each_format(test_fn *fn)
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		for (int half = 0; half <= PGW_REGION_KERNEL; half++) {
			struct fixture f;

			fixture_init(&f, format, (enum pgw_region_kind)half);
			fn(&f);
			fixture_fini(&f);
		}
	}
}

/* All slots of each table above this level point to the next one. */
static void fill_above(const struct fixture *f, unsigned level)
{
	for (unsigned above = f->geo->top_level; above > level; above--)
		fill(f, above, table_pa(f, above - 1));
}

static void self_loops(struct fixture *f)
{
	for (unsigned level = 0; level <= f->geo->top_level; level++) {
		fill_above(f, level);
		fill(f, level, table_pa(f, level));
		check_full(f);
	}
}

static void test_hostile__tables_that_point_to_themselves_end_by_the_budget(void **state)
{
	(void)state;
	for_each_format(self_loops);
}

static void parent_loops(struct fixture *f)
{
	for (unsigned level = 0; level < f->geo->top_level; level++) {
		fill_above(f, level);
		fill(f, level, table_pa(f, level + 1));
		check_full(f);
	}
}

static void test_hostile__tables_that_point_to_their_parent_end_by_the_budget(void **state)
{
	(void)state;
	for_each_format(parent_loops);
}

static void one_table_a_level(struct fixture *f)
{
	fill_above(f, 0);
	fill(f, 0, OUTSIDE_PA);
	check_full(f);
}

static void test_hostile__all_slots_to_one_table_at_each_level_end_by_the_budget(void **state)
{
	(void)state;
	for_each_format(one_table_a_level);
}

static void outside(struct fixture *f)
{
	for (unsigned level = 1; level <= f->geo->top_level; level++) {
		struct met met;

		path_to(f, level);
		fill(f, level, OUTSIDE_PA);
		run_all(f, &met);
		/* One run: the slots of all these tables follow each other. */
		assert_int_equal(met.nr_extents, 1);
		assert_int_equal(met.extent.kind, PGW_ENTRY_UNREADABLE);
		assert_int_equal(met.extent.level, level - 1);
		assert_int_equal(met.extent.entry, OUTSIDE_PA);
		assert_int_equal(met.stats.nr_unreadable, 1);
		assert_int_equal(met.stats.nr_leaves, 0);
	}
}

static void test_hostile__tables_outside_memory_are_unreadable(void **state)
{
	(void)state;
	for_each_format(outside);
}

/* A word that is malformed at this level, if there is any; found by trying. */
static bool find_malformed(const struct fixture *f, unsigned level, uint64_t *ret)
{
	struct pgw_control control = pgw_control_assume(f->format, &f->control);
	uint64_t random = level + 1;

	for (unsigned i = 0; i < 10000; i++) {
		struct pgw_entry entry;

		*ret = test_random(&random);
		pgw_entry_decode(f->format, &control, *ret, level, &entry);
		if (entry.kind == PGW_ENTRY_MALFORMED)
			return true;
	}
	return false;
}

static void malformed(struct fixture *f)
{
	/* A CPU without no-execute, and with fewer address bits than entries hold, refuses more. */
	f->control.pa_bits = 40;
	if (strcmp(pgw_format_arch(f->format), "x86_64") == 0)
		f->control.known = PGW_CTL_X86_NXE;
	for (unsigned level = 0; level <= f->geo->top_level; level++) {
		unsigned nr = nr_slots(f, level), slot;
		uint64_t entry = 0;
		struct met met;

		assert_true(find_malformed(f, level, &entry));
		path_to(f, level);
		for (slot = 0; slot < nr; slot++)
			store(f, table_pa(f, level), slot, entry);
		if (level == f->geo->top_level)
			root_slots(f, &slot, &nr);
		run_all(f, &met);
		assert_int_equal(met.status, 0);
		assert_int_equal(met.nr_extents, 1);
		assert_int_equal(met.extent.kind, PGW_ENTRY_MALFORMED);
		assert_int_equal(met.extent.entry, entry);
		assert_int_equal(met.stats.nr_malformed, nr);
		assert_int_equal(met.covered, (uint64_t)nr << f->geo->span_lg2[level]);
	}
}

static void test_hostile__malformed_entries_are_counted_at_every_level(void **state)
{
	(void)state;
	for_each_format(malformed);
}

static void all_ones(struct fixture *f)
{
	struct met met;

	memset(f->bytes, 0xff, (size_t)NR_TABLES * TABLE_MAX);
	run_all(f, &met);
	/* Leaf, malformed or a table that is not there: nothing of it is a hole. */
	assert_int_equal(met.covered,
			 (met.stats.truncated ? met.stats.truncated_va : f->last + 1) - f->first);
}

static void test_hostile__all_ones_are_no_hole(void **state)
{
	(void)state;
	for_each_format(all_ones);
}

/* A third of the slots empty, a third tables of ours, the rest anything. */
static void random_tables(struct fixture *f, uint64_t *random)
{
	for (size_t i = 0; i < (size_t)NR_TABLES * TABLE_MAX / 8; i++) {
		uint64_t r = test_random(random), entry = 0;

		if (r % 3 == 1)
			entry = entry_to(f, TABLES_PA + (r >> 32) % NR_TABLES * TABLE_MAX);
		else if (r % 3 == 2)
			entry = test_random(random);
		store(f, TABLES_PA, (unsigned)i, entry);
	}
}

static uint64_t seed;

static void random_bytes(struct fixture *f)
{
	for (unsigned round = 0; round < 4; round++) {
		struct met met;

		random_tables(f, &seed);
		run_all(f, &met);
	}
}

static void test_hostile__random_tables_end_and_agree(void **state)
{
	(void)state;
	seed = test_seed();
	for_each_format(random_bytes);
}

/* Memory ends inside an item of the level's table; what was before it is empty. */
static void cut_off(struct fixture *f)
{
	for (unsigned level = 0; level <= f->geo->top_level; level++) {
		unsigned slot = 0, nr = nr_slots(f, level), cut;
		struct met met;

		path_to(f, level);
		if (level == f->geo->top_level)
			root_slots(f, &slot, &nr);
		cut = slot + nr / 2;
		f->memory.size = table_pa(f, level) - TABLES_PA + cut * 8 + 3;
		run_all(f, &met);
		assert_int_equal(met.status, 0);
		assert_int_equal(met.nr_extents, 1);
		assert_int_equal(met.extent.kind, PGW_ENTRY_UNREADABLE);
		assert_int_equal(met.extent.level, level);
		assert_int_equal(met.extent.entry, table_pa(f, level));
		assert_int_equal(met.extent.va_first,
				 f->first + ((uint64_t)(cut - slot) << f->geo->span_lg2[level]));
		assert_int_equal(met.covered, (uint64_t)(slot + nr - cut)
						      << f->geo->span_lg2[level]);
	}
}

static void test_hostile__a_table_over_the_end_of_memory_is_read_as_far_as_it_goes(void **state)
{
	(void)state;
	for_each_format(cut_off);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		limited_unit_test(test_hostile__tables_that_point_to_themselves_end_by_the_budget),
		limited_unit_test(
			test_hostile__tables_that_point_to_their_parent_end_by_the_budget),
		limited_unit_test(
			test_hostile__all_slots_to_one_table_at_each_level_end_by_the_budget),
		cmocka_unit_test(test_hostile__tables_outside_memory_are_unreadable),
		cmocka_unit_test(test_hostile__malformed_entries_are_counted_at_every_level),
		cmocka_unit_test(test_hostile__all_ones_are_no_hole),
		cmocka_unit_test(test_hostile__random_tables_end_and_agree),
		cmocka_unit_test(
			test_hostile__a_table_over_the_end_of_memory_is_read_as_far_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
