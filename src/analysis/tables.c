/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>

#include "base/bits.h"
#include "pt/read/iter.h"
#include "system/tell.h"

#define TELL_EVERY 256 /* tables */

/* A table on the way, of which some slots are still to be looked at. */
struct step {
	struct pt_iter it;
	uint64_t va; /* of its slot 0, were that in the region; modulo 2^64 */
	unsigned told; /* slots before this one were told with one before them */
	unsigned end;  /* after its last slot */
};

/*
 * The steps from the root's table down to the one at hand: each is of a lower level than the one
 * before, so there are no more than levels, whatever the tables say.
 */
struct pgw_tables {
	struct pgw_tables_args args;
	const struct pgw_geometry *geo;
	const struct pgw_region *region;
	struct pt pt;
	struct step steps[PGW_MAX_LEVELS];
	unsigned nr_steps;
	uint64_t nr_visits;
	bool is_begun;
	bool has_next; /* the next one that is asked for was met */
};

int pgw_tables_open(const struct pgw_tables_args *args, struct pgw_tables **ret)
{
	const struct pgw_format *format = args->root->format;
	const struct pgw_geometry *geo = pgw_format_geometry(format);
	const struct pgw_region *region = pgw_format_region(format, args->region);
	struct pgw_control control;
	struct pgw_tables *tables;

	if (!region || !pt_root_is_aligned(geo, args->root->root.pa) ||
	    args->root->state == PGW_ROOT_GUEST)
		return -PGW_EINVAL;
	tables = calloc(1, sizeof(*tables));
	if (!tables)
		return -PGW_ENOMEM;
	tables->args = *args;
	if (!args->budget)
		tables->args.budget = PGW_BUDGET_DEFAULT;
	tables->geo = geo;
	tables->region = region;
	control = pgw_control_assume(format, &args->root->control);
	pt_reader_init(&tables->pt, pgw_image_phys(args->image), format, &control);
	*ret = tables;
	return 0;
}

void pgw_tables_close(struct pgw_tables *tables)
{
	free(tables);
}

uint64_t pgw_tables_visited(const struct pgw_tables *tables)
{
	return tables->nr_visits;
}

/* Count what its slots hold. */
static void table_count(const struct pgw_tables *tables, struct pgw_table *table)
{
	struct pt_iter it;

	pt_iter_begin(&it, &tables->pt, table->pa, table->level, table->slot_first,
		      table->slot_last - table->slot_first + 1u);
	while (pt_iter_next(&it)) {
		struct pgw_entry entry;

		table->nr_unreadable += it.nr_unreadable;
		if (it.nr_unreadable)
			continue;
		pt_iter_decode(&it, &entry);
		table->nr_tables += entry.kind == PGW_ENTRY_TABLE;
		table->nr_leaves += entry.kind == PGW_ENTRY_LEAF;
		table->nr_malformed += entry.kind == PGW_ENTRY_MALFORMED;
		table->nr_absent += entry.kind == PGW_ENTRY_ABSENT;
	}
}

/* *ret has it then if it is asked for, else what is below may be. @return as pgw_tables_next() */
static int table_visit(struct pgw_tables *tables, struct pgw_table *table, struct pgw_table *ret)
{
	const struct pgw_look look = { .nr_tables = tables->nr_visits };
	int status;

	if (tables->nr_visits == tables->args.budget)
		return -PGW_E2BIG;
	if (++tables->nr_visits % TELL_EVERY == 0) {
		status = image_tell_look(tables->args.image, &look);
		if (status)
			return status;
	}
	if (table->level > tables->args.level_last || table->level < tables->args.level_first)
		return 0;
	table_count(tables, table);
	*ret = *table;
	tables->has_next = true;
	return 0;
}

/* Its slots that are of the region are the first step. Of several regions, the first one has it. */
static int root_visit(struct pgw_tables *tables, struct pgw_table *ret)
{
	const struct pgw_root_info *root = tables->args.root;
	const struct pgw_geometry *geo = tables->geo;
	const struct pgw_region *regions = pgw_format_regions(root->format), *end = regions;
	const unsigned nr_items = pt_root_items(geo, root->root);
	struct pgw_table table = { .pa = root->root.pa,
				   .level = geo->top_level,
				   .slot_last = nr_items - 1,
				   .nr_times = 1,
				   .va_first = tables->region->first,
				   .va_last = tables->region->last };
	unsigned nr, first = pt_region_slots(geo, tables->region, &nr);
	struct step *step = &tables->steps[tables->nr_steps++];

	step->va = table.va_first - ((uint64_t)first << geo->span_lg2[table.level]);
	if (first >= nr_items)
		nr = 0;
	else if (nr > nr_items - first)
		nr = nr_items - first;
	step->told = 0;
	step->end = first + nr;
	pt_iter_begin(&step->it, &tables->pt, table.pa, table.level, first, nr);
	if (pgw_format_is_split(root->format))
		return table_visit(tables, &table, ret);
	while (end[1].name)
		end++;
	table.va_first = regions->first;
	table.va_last = end->last;
	return tables->region == regions ? table_visit(tables, &table, ret) : 0;
}

/*
 * How many slots from the step's on have the same entry. What Linux has for empty slots of loongarch64, or
 * for a shadow of memory that is not there, is one table in thousands of them.
 */
static unsigned run_of(const struct pgw_tables *tables, const struct step *step)
{
	const unsigned next = step->it.slot + 1;
	unsigned nr = 1;
	struct pt_iter it;

	pt_iter_begin(&it, &tables->pt, step->it.table_pa, step->it.level, next, step->end - next);
	while (pt_iter_next(&it) && !it.nr_unreadable && it.slot == step->it.slot + nr &&
	       it.entry == step->it.entry)
		nr++;
	return nr;
}

static void step_into(struct pgw_tables *tables, const struct pgw_table *table)
{
	struct step *step = &tables->steps[tables->nr_steps++];
	unsigned nr = table->slot_last - table->slot_first + 1;

	/* What is below is of no interest. */
	if (table->level <= tables->args.level_first)
		nr = 0;
	step->va = table->va_first;
	step->told = 0;
	step->end = table->slot_first + nr;
	pt_iter_begin(&step->it, &tables->pt, table->pa, table->level, table->slot_first, nr);
}

/* The slot at which the last step stands. @return as table_visit() */
static int slot_visit(struct pgw_tables *tables, struct pgw_table *ret)
{
	struct step *step = &tables->steps[tables->nr_steps - 1];
	const struct pgw_geometry *geo = tables->geo;
	const unsigned span_lg2 = geo->span_lg2[step->it.level];
	uint64_t va = step->va + ((uint64_t)step->it.slot << span_lg2);
	struct pgw_table table = { .parent = step->it.table_pa, .entry = step->it.entry };
	struct pgw_entry entry;

	if (step->it.nr_unreadable || step->it.slot < step->told || va > tables->args.last)
		return 0;
	pt_iter_decode(&step->it, &entry);
	if (entry.kind != PGW_ENTRY_TABLE || entry.table_level < tables->args.level_first)
		return 0;
	table.nr_times = run_of(tables, step);
	step->told = step->it.slot + table.nr_times;
	table.pa = entry.pa;
	table.level = entry.table_level;
	table.slot_first = entry.slot_first;
	table.slot_last = entry.slot_last;
	table.va_first = va;
	table.va_last = (va | low_bits(geo->span_lg2[table.level] + geo->slots_lg2[table.level])) +
			((uint64_t)(table.nr_times - 1) << span_lg2);
	if (table.va_last < tables->args.first)
		return 0;
	step_into(tables, &table);
	return table_visit(tables, &table, ret);
}

int pgw_tables_next(struct pgw_tables *tables, struct pgw_table *ret, bool *ret_is_end)
{
	int status = 0;

	tables->has_next = false;
	if (!tables->is_begun) {
		tables->is_begun = true;
		status = root_visit(tables, ret);
	}
	while (!status && !tables->has_next && tables->nr_steps) {
		if (pt_iter_next(&tables->steps[tables->nr_steps - 1].it))
			status = slot_visit(tables, ret);
		else
			tables->nr_steps--;
	}
	*ret_is_end = !tables->has_next;
	return status;
}
