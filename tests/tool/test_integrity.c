/* SPDX-License-Identifier: BSD-2-Clause */

/* What is counted of a tree, each table once, and the list of its tables, in cores with tables of every format. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/analysis.h>

#include "image/mkelf.h"

#define TABLES_PA UINT64_C(0x40000000)
#define TABLE_MAX (64 << 10)
#define NR_TABLES (PGW_MAX_LEVELS + 1)
#define OUTSIDE_PA UINT64_C(0x80000000)
#define MACHINE_RISCV 243

struct fixture {
	struct mkelf elf;
	struct pgw_image *image;
	unsigned char *bytes;
	uint64_t size;      /* of the memory that the file holds */
	uint64_t described; /* and says that there is */
	struct pgw_root_info root;
	const struct pgw_geometry *geo;
};

static void fixture_init(struct fixture *f, const struct pgw_format *format)
{
	memset(f, 0, sizeof(*f));
	f->size = f->described = (uint64_t)NR_TABLES * TABLE_MAX;
	f->bytes = calloc(1, f->size);
	assert_non_null(f->bytes);
	f->root = (struct pgw_root_info){ .root = { .pa = TABLES_PA }, .format = format };
	f->geo = pgw_format_geometry(format);
}

static void fixture_fini(struct fixture *f)
{
	free(f->bytes);
}

/* The table for a level, the root's first; the one after level 0's is free. */
static uint64_t table_pa(const struct fixture *f, unsigned level)
{
	return TABLES_PA + (uint64_t)(f->geo->top_level - level) * TABLE_MAX;
}

static uint64_t spare_pa(const struct fixture *f)
{
	return table_pa(f, 0) + TABLE_MAX;
}

static unsigned nr_slots(const struct fixture *f, unsigned level)
{
	return 1u << f->geo->slots_lg2[level];
}

static void store(struct fixture *f, uint64_t pa, unsigned slot, uint64_t entry)
{
	unsigned char *to = f->bytes + (pa - TABLES_PA) + (size_t)slot * 8;

	for (unsigned i = 0; i < 8; i++)
		to[i] = (unsigned char)(entry >> (8 * i));
}

static bool is_arch(const struct fixture *f, const char *arch)
{
	return strcmp(pgw_format_arch(f->root.format), arch) == 0;
}

static uint64_t entry_to(const struct fixture *f, uint64_t pa)
{
	if (is_arch(f, "x86_64"))
		return pa | 7;
	return is_arch(f, "arm64") ? pa | 3 : pa >> 2 | 1;
}

/* A leaf at level 0. */
static uint64_t page_at(const struct fixture *f, uint64_t pa)
{
	return is_arch(f, "riscv64") ? entry_to(f, pa) | 0xce : entry_to(f, pa) | 1 << 10;
}

/* A table a level, by the first slots. */
static void chain(struct fixture *f)
{
	for (unsigned level = f->geo->top_level; level > 0; level--)
		store(f, table_pa(f, level), 0, entry_to(f, table_pa(f, level - 1)));
}

static void image_open(struct fixture *f)
{
	mkelf_init(&f->elf, is_arch(f, "x86_64")  ? MKELF_X86_64
			    : is_arch(f, "arm64") ? MKELF_AARCH64
						  : MACHINE_RISCV);
	mkelf_segment(&f->elf, TABLES_PA, f->bytes, f->size, f->described);
	assert_int_equal(pgw_image_open(mkelf_save(&f->elf), NULL, &f->image, NULL), 0);
}

static void image_close(struct fixture *f)
{
	pgw_image_close(f->image);
	mkelf_fini(&f->elf);
}

static struct pgw_integrity check(struct fixture *f, uint64_t budget, int expected)
{
	struct pgw_integrity met = { 0 };

	image_open(f);
	assert_int_equal(pgw_integrity(f->image, &f->root, budget, &met), expected);
	image_close(f);
	return met;
}

static void assert_met(const struct pgw_integrity *met, const struct pgw_integrity *expected)
{
	assert_int_equal(met->nr_tables, expected->nr_tables);
	assert_int_equal(met->nr_malformed, expected->nr_malformed);
	assert_int_equal(met->nr_outside, expected->nr_outside);
	assert_int_equal(met->nr_shared, expected->nr_shared);
	assert_int_equal(met->nr_loops, expected->nr_loops);
	assert_int_equal(met->nr_unreadable, expected->nr_unreadable);
	assert_int_equal(met->truncated, expected->truncated);
}

typedef void test_fn(struct fixture *f);

static void for_each_format(test_fn *fn)
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		struct fixture f;

		if (!pgw_format_is_editable(format) || !pgw_format_region(format, PGW_REGION_USER))
			continue;
		fixture_init(&f, format);
		fn(&f);
		fixture_fini(&f);
	}
}

static void sound(struct fixture *f)
{
	struct pgw_integrity expected = { .nr_tables = f->geo->top_level + 1u, .nr_outside = 2 };
	uint64_t page = UINT64_C(1) << f->geo->granule_lg2;
	struct pgw_integrity met;

	chain(f);
	f->described += page;
	store(f, table_pa(f, 0), 0, page_at(f, TABLES_PA));
	store(f, table_pa(f, 0), 1, page_at(f, TABLES_PA + f->described - page));
	store(f, table_pa(f, 0), 2, page_at(f, TABLES_PA + f->described));
	store(f, table_pa(f, 0), 3, page_at(f, TABLES_PA - page));
	met = check(f, 1000, 0);
	assert_met(&met, &expected);
}

static void test_integrity__frames_outside_are_those_of_no_memory_described(void **state)
{
	(void)state;
	for_each_format(sound);
}

static void shared(struct fixture *f)
{
	struct pgw_integrity expected = { .nr_tables = f->geo->top_level + 1u, .nr_shared = 1 };
	struct pgw_integrity met;

	/* Two slots of one table. */
	chain(f);
	store(f, table_pa(f, 1), 7, entry_to(f, table_pa(f, 0)));
	store(f, table_pa(f, 1), 9, entry_to(f, table_pa(f, 0)));
	met = check(f, 1000, 0);
	assert_met(&met, &expected);
	/* And a slot of another parent, at the same level. */
	if (f->geo->top_level < 2)
		return;
	store(f, table_pa(f, 2), 1, entry_to(f, spare_pa(f)));
	store(f, spare_pa(f), 0, entry_to(f, table_pa(f, 0)));
	expected.nr_tables++;
	met = check(f, 1000, 0);
	assert_met(&met, &expected);
}

static void test_integrity__a_table_of_several_parents_is_shared_once(void **state)
{
	(void)state;
	for_each_format(shared);
}

static void loops(struct fixture *f)
{
	unsigned top = f->geo->top_level;
	/* The root is there once a level, and every slot of it leads back but at level 0. */
	struct pgw_integrity expected = { .nr_tables = top + 1u };
	struct pgw_integrity met;

	for (unsigned slot = 0; slot < 1u << (f->geo->granule_lg2 - 3); slot++)
		store(f, TABLES_PA, slot, entry_to(f, TABLES_PA));
	for (unsigned level = top; level > 0; level--) {
		expected.nr_loops += nr_slots(f, level);
		expected.nr_shared++;
	}
	if (is_arch(f, "riscv64"))
		expected.nr_malformed = nr_slots(f, 0); /* a pointer at level 0 */
	met = check(f, 1000, 0);
	assert_met(&met, &expected);
}

static void test_integrity__a_tree_without_end_is_looked_at_once(void **state)
{
	(void)state;
	for_each_format(loops);
}

static void to_parent(struct fixture *f)
{
	struct pgw_integrity expected = { .nr_tables = f->geo->top_level + 1u, .nr_loops = 1 };
	struct pgw_integrity met;

	/* The table of level 1 points to itself, which is then of level 0 and reads as such. */
	chain(f);
	store(f, table_pa(f, 1), 0, entry_to(f, table_pa(f, 1)));
	met = check(f, 1000, 0);
	expected.nr_malformed = is_arch(f, "riscv64");
	assert_met(&met, &expected);
}

static void test_integrity__an_entry_that_leads_back_is_a_loop(void **state)
{
	(void)state;
	for_each_format(to_parent);
}

static void unreadable(struct fixture *f)
{
	struct pgw_integrity expected = { .nr_tables = f->geo->top_level + 2u, .nr_unreadable = 1 };
	struct pgw_integrity met;

	chain(f);
	store(f, table_pa(f, 1), 1, entry_to(f, OUTSIDE_PA));
	met = check(f, 1000, 0);
	assert_met(&met, &expected);
	/* The file ends inside an item of the last table. */
	f->size = table_pa(f, 0) - TABLES_PA + 8 * 8 + 3;
	expected.nr_unreadable = 2;
	met = check(f, 1000, 0);
	assert_met(&met, &expected);
	/* It ends before the root. */
	f->root.root.pa = OUTSIDE_PA;
	met = check(f, 1000, 0);
	assert_met(&met, &(struct pgw_integrity){ .nr_tables = 1, .nr_unreadable = 1 });
}

static void test_integrity__tables_that_lack_bytes_are_counted(void **state)
{
	(void)state;
	for_each_format(unreadable);
}

static void budget(struct fixture *f)
{
	struct pgw_integrity met;

	chain(f);
	for (uint64_t n = 1; n <= f->geo->top_level; n++) {
		met = check(f, n, -PGW_E2BIG);
		assert_met(&met, &(struct pgw_integrity){ .nr_tables = n, .truncated = true });
	}
	met = check(f, f->geo->top_level + 1u, 0);
	assert_false(met.truncated);
}

static void test_integrity__the_budget_ends_it_and_it_says_so(void **state)
{
	(void)state;
	for_each_format(budget);
}

static void test_integrity__a_root_where_none_can_be_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"));
	f.root.root.pa = TABLES_PA + 8;
	check(&f, 1000, -PGW_EINVAL);
	fixture_fini(&f);
}

/* So many tables that the set of those seen grows. */
static void test_integrity__every_table_of_many_counts_once(void **state)
{
	static const unsigned nr = 3000;
	struct pgw_integrity met;
	struct fixture f;

	(void)state;
	fixture_init(&f, pgw_format_by_name("x86_64-la48"));
	free(f.bytes);
	f.size = f.described = UINT64_C(4096) * (nr + 10);
	f.bytes = calloc(1, f.size);
	assert_non_null(f.bytes);
	/* Pages: root, level 2, six of level 1, then the others, each of which two slots lead to. */
	store(&f, TABLES_PA, 0, entry_to(&f, TABLES_PA + 0x1000));
	for (unsigned i = 0; i < 6; i++)
		store(&f, TABLES_PA + 0x1000, i, entry_to(&f, TABLES_PA + 0x2000 + i * 0x1000));
	for (unsigned i = 0; i < 6 * 512; i++)
		store(&f, TABLES_PA + 0x2000, i,
		      entry_to(&f, TABLES_PA + 0x8000 + i % nr * 0x1000));
	met = check(&f, 10000, 0);
	assert_met(&met, &(struct pgw_integrity){ .nr_tables = nr + 8, .nr_shared = 6 * 512 - nr });
	fixture_fini(&f);
}

/* ---- the list ---- */

#define MAX_LISTED 16

struct listed {
	struct pgw_table tables[MAX_LISTED];
	uint64_t nr_visits;
	unsigned nr;
	int status;
};

static struct pgw_tables_args all_of(const struct fixture *f)
{
	return (struct pgw_tables_args){
		.image = f->image,
		.root = &f->root,
		.region = pgw_format_regions(f->root.format)->kind,
		.last = UINT64_MAX,
		.level_last = PGW_MAX_LEVELS - 1,
	};
}

static void list(const struct pgw_tables_args *args, struct listed *ret)
{
	struct pgw_tables *tables;
	bool is_end = false;

	*ret = (struct listed){ 0 };
	assert_int_equal(pgw_tables_open(args, &tables), 0);
	while (ret->nr < MAX_LISTED) {
		ret->status = pgw_tables_next(tables, &ret->tables[ret->nr], &is_end);
		if (is_end)
			break;
		ret->nr++;
	}
	ret->nr_visits = pgw_tables_visited(tables);
	pgw_tables_close(tables);
}

/* Two leaves at the far end of a chain, and a second way to the lowest table. */
static void listing(struct fixture *f)
{
	const struct pgw_region *region = pgw_format_regions(f->root.format);
	const unsigned top = f->geo->top_level;
	const uint64_t span = UINT64_C(1) << f->geo->span_lg2[1];
	struct pgw_tables_args args;
	struct listed listed;

	chain(f);
	store(f, table_pa(f, 0), 3, page_at(f, TABLES_PA));
	store(f, table_pa(f, 0), 4, page_at(f, TABLES_PA));
	store(f, table_pa(f, 1), 2, entry_to(f, table_pa(f, 0)));
	image_open(f);
	args = all_of(f);
	list(&args, &listed);
	assert_int_equal(listed.status, 0);
	assert_int_equal(listed.nr, top + 2);
	for (unsigned i = 0; i <= top; i++) {
		const struct pgw_table *table = &listed.tables[i];
		const unsigned level = top - i;

		assert_int_equal(table->pa, table_pa(f, level));
		assert_int_equal(table->level, level);
		assert_int_equal(table->va_first, region->first);
		assert_int_equal(table->parent, i ? table_pa(f, level + 1) : 0);
		assert_int_equal(table->nr_tables, level == 1 ? 2 : level > 0);
		assert_int_equal(table->nr_leaves, level ? 0 : 2);
		assert_int_equal(table->slot_last, nr_slots(f, level) - 1);
	}
	assert_int_equal(listed.tables[top + 1].pa, table_pa(f, 0));
	assert_int_equal(listed.tables[top + 1].va_first, region->first + 2 * span);
	assert_int_equal(listed.tables[top + 1].va_last, region->first + 3 * span - 1);

	args.first = args.last = region->first + 2 * span + 5;
	list(&args, &listed);
	assert_int_equal(listed.nr, top + 1);
	assert_int_equal(listed.tables[top].va_first, region->first + 2 * span);
	args.level_first = args.level_last = 1;
	list(&args, &listed);
	assert_int_equal(listed.nr, 1);
	assert_int_equal(listed.nr_visits, top);
	assert_int_equal(listed.tables[0].pa, table_pa(f, 1));
	image_close(f);
}

/* Every slot of every table leads to the same one of the next level, as Linux has it of loongarch64. */
static void neighbours(struct fixture *f)
{
	const struct pgw_region *region = pgw_format_regions(f->root.format);
	const unsigned top = f->geo->top_level;
	struct pgw_tables_args args;
	struct listed listed;

	for (unsigned level = top; level > 0; level--) {
		for (unsigned slot = 0; slot < nr_slots(f, level); slot++)
			store(f, table_pa(f, level), slot, entry_to(f, table_pa(f, level - 1)));
	}
	image_open(f);
	args = all_of(f);
	list(&args, &listed);
	assert_int_equal(listed.nr, top + 1);
	assert_int_equal(listed.tables[1].va_last, region->last);
	for (unsigned i = 2; i <= top; i++) {
		assert_int_equal(listed.tables[i].nr_times, nr_slots(f, top - i + 1));
		assert_int_equal(listed.tables[i].va_first, region->first);
		assert_int_equal(listed.tables[i].va_last - region->first,
				 (UINT64_C(1) << f->geo->span_lg2[top - i + 2]) - 1);
	}
	/* The last copy of the first one, and nothing below it. */
	args.first = region->last;
	list(&args, &listed);
	assert_int_equal(listed.nr, 2);
	image_close(f);
}

static void test_tables__of_neighbouring_slots_are_one(void **state)
{
	(void)state;
	for_each_format(neighbours);
}

static void test_tables__are_listed_where_they_are_asked_for(void **state)
{
	(void)state;
	for_each_format(listing);
}

static void without_end(struct fixture *f)
{
	struct pgw_tables_args args;
	struct pgw_tables *tables;
	struct pgw_table table;
	bool is_end = false;
	unsigned nr = 0;
	int status = 0;

	for (unsigned slot = 0; slot < nr_slots(f, f->geo->top_level); slot += 2)
		store(f, TABLES_PA, slot, entry_to(f, TABLES_PA));
	image_open(f);
	args = all_of(f);
	args.budget = 1000;
	assert_int_equal(pgw_tables_open(&args, &tables), 0);
	for (; !is_end; nr += !is_end)
		status = pgw_tables_next(tables, &table, &is_end);
	/* A tree of two levels ends before. */
	assert_true(status == -PGW_E2BIG ? nr == 1000 : nr < 1000);
	pgw_tables_close(tables);
	args.root = &(struct pgw_root_info){ .root.pa = TABLES_PA + 4, .format = f->root.format };
	assert_int_equal(pgw_tables_open(&args, &tables), -PGW_EINVAL);
	image_close(f);
}

static void test_tables__a_tree_without_end_ends_with_the_budget(void **state)
{
	(void)state;
	for_each_format(without_end);
}

/* Two roots, of which the second leads to the first one's lowest table alone. */
static void users(struct fixture *f)
{
	const unsigned top = f->geo->top_level;
	struct pgw_root_info roots[2] = { f->root, f->root };
	struct pgw_table_users *users;
	struct pgw_tables_args args;
	struct listed listed;

	if (top != 2)
		return;
	chain(f);
	roots[1].root.pa = spare_pa(f) + TABLE_MAX;
	roots[0].has_user = roots[1].has_user = true;
	store(f, roots[1].root.pa, 0, entry_to(f, spare_pa(f)));
	store(f, spare_pa(f), 1, entry_to(f, table_pa(f, 0)));
	image_open(f);
	args = all_of(f);
	list(&args, &listed);
	assert_int_equal(pgw_table_users_new(f->image, roots, 2, 6, &users), 0);
	assert_int_equal(pgw_table_users_of(users, &roots[0], &listed.tables[0]), 1);
	assert_int_equal(pgw_table_users_of(users, &roots[0], &listed.tables[1]), 1);
	assert_int_equal(pgw_table_users_of(users, &roots[1], &listed.tables[2]), 2);
	listed.tables[0].pa += TABLE_MAX;
	assert_int_equal(pgw_table_users_of(users, &roots[0], &listed.tables[0]), 0);
	pgw_table_users_free(users);
	/* Of one the width of addresses is known: it is read in another way, and counts all the same. */
	roots[1].control.pa_bits = 44;
	assert_int_equal(pgw_table_users_new(f->image, roots, 2, 10, &users), 0);
	assert_int_equal(pgw_table_users_of(users, &roots[0], &listed.tables[1]), 1);
	assert_int_equal(pgw_table_users_of(users, &roots[1], &listed.tables[2]), 2);
	pgw_table_users_free(users);
	roots[1].control.pa_bits = 0;
	/* A pair is one. */
	roots[0].has_twin = roots[1].has_twin = true;
	roots[0].twin = roots[1].root;
	roots[1].twin = roots[0].root;
	assert_int_equal(pgw_table_users_new(f->image, roots, 2, 6, &users), 0);
	assert_int_equal(pgw_table_users_of(users, &roots[1], &listed.tables[2]), 1);
	pgw_table_users_free(users);
	assert_int_equal(pgw_table_users_new(f->image, roots, 2, 4, &users), -PGW_E2BIG);
	image_close(f);
}

static void test_tables__know_how_many_roots_lead_to_them(void **state)
{
	(void)state;
	for_each_format(users);
}

static void store_be(struct fixture *f, uint64_t pa, unsigned slot, uint64_t entry)
{
	store(f, pa, slot, __builtin_bswap64(entry));
}

/*
 * s390x (Principles of Operation, "Region-Table Entries"): two entries lead to one segment table, of which
 * one means the slots 0 to 511, the other (TF 1, TL 1) those from 512 to 1023, where a page table is.
 */
static void test_integrity__slots_that_another_entry_means_are_looked_at(void **state)
{
	const struct pgw_integrity expected = { .nr_tables = 4, .nr_outside = 1 };
	const uint64_t segments = TABLES_PA + TABLE_MAX, pages = segments + TABLE_MAX;
	struct pgw_integrity met;
	struct fixture f;

	(void)state;
	fixture_init(&f, pgw_format_by_name("s390x-42"));
	store_be(&f, TABLES_PA, 0, segments | 0x4);
	store_be(&f, TABLES_PA, 1, segments | 0x4 | 1 << 6 | 1);
	store_be(&f, segments, 600, pages);
	for (unsigned slot = 0; slot < 256; slot++)
		store_be(&f, pages, slot, slot == 3 ? OUTSIDE_PA : 0x400);
	for (unsigned slot = 0; slot < 2048; slot++) {
		if (slot > 1)
			store_be(&f, TABLES_PA, slot, 0x24);
		if (slot != 600)
			store_be(&f, segments, slot, 0x20);
	}
	mkelf_init(&f.elf, MKELF_X86_64);
	mkelf_segment(&f.elf, TABLES_PA, f.bytes, f.size, f.described);
	assert_int_equal(pgw_image_open(mkelf_save(&f.elf), NULL, &f.image, NULL), 0);
	assert_int_equal(pgw_integrity(f.image, &f.root, 1000, &met), 0);
	assert_met(&met, &expected);
	image_close(&f);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integrity__frames_outside_are_those_of_no_memory_described),
		cmocka_unit_test(test_integrity__a_table_of_several_parents_is_shared_once),
		cmocka_unit_test(test_integrity__a_tree_without_end_is_looked_at_once),
		cmocka_unit_test(test_integrity__an_entry_that_leads_back_is_a_loop),
		cmocka_unit_test(test_integrity__tables_that_lack_bytes_are_counted),
		cmocka_unit_test(test_integrity__the_budget_ends_it_and_it_says_so),
		cmocka_unit_test(test_integrity__a_root_where_none_can_be_is_refused),
		cmocka_unit_test(test_integrity__every_table_of_many_counts_once),
		cmocka_unit_test(test_integrity__slots_that_another_entry_means_are_looked_at),
		cmocka_unit_test(test_tables__are_listed_where_they_are_asked_for),
		cmocka_unit_test(test_tables__of_neighbouring_slots_are_one),
		cmocka_unit_test(test_tables__a_tree_without_end_ends_with_the_budget),
		cmocka_unit_test(test_tables__know_how_many_roots_lead_to_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
