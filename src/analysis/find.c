/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>

#include "analysis/find_index.h"
#include "analysis/forest.h"
#include "base/bits.h"
#include "pt/read/iter.h"
#include "system/tell.h"

/* Slots that may be looked at below all roots: many roots and addresses may lead to one table. */
#define FIND_VISITS (UINT64_C(1) << 28)
#define TELL_EVERY (UINT64_C(1) << 16)

struct find {
	const struct pgw_find_args *args;
	struct forest forest;
	bool *leads; /* of each table: somewhere below it is what is looked for */
	uint64_t max_leads;
	struct pgw_found found; /* held back, for the next one to be joined; if has_found */
	bool has_found;
	bool is_refused;    /* fn wants no more */
	uint64_t nr_visits; /* that are left */
	struct pgw_find_sums *sums;
};

/* A root's region that is gone through. */
struct descent {
	struct find *find;
	size_t root;
	const struct pgw_region *region;
	struct pgw_mm *mm;
};

static int find_table(uint32_t table, void *arg)
{
	struct find *find = (struct find *)arg;

	if (table >= find->max_leads) {
		uint64_t max = find->max_leads ? find->max_leads * 2 : 1024;
		void *grown = reallocarray(find->leads, max, sizeof(find->leads[0]));

		if (!grown)
			return -PGW_ENOMEM;
		find->leads = grown;
		find->max_leads = max;
	}
	find->leads[table] = false;
	return 0;
}

/* Does the leaf map some of it? */
static bool is_wanted(const struct find *find, const struct pgw_entry *entry)
{
	return entry->kind == PGW_ENTRY_LEAF && entry->pa <= find->args->pa_last &&
	       (entry->pa | low_bits(entry->size_lg2)) >= find->args->pa_first;
}

static int find_item(uint32_t table, unsigned slot, uint64_t raw, const struct pgw_entry *entry,
		     void *arg)
{
	struct find *find = (struct find *)arg;

	(void)slot;
	(void)raw;
	find->leads[table] |= is_wanted(find, entry);
	return 0;
}

/* A table's level is below that of those that lead to it. */
static void find_leads(struct find *find)
{
	const struct forest *f = &find->forest;

	for (unsigned level = 1; level < PGW_MAX_LEVELS; level++) {
		for (uint64_t i = 0; i < f->nr_tables; i++) {
			uint64_t end = forest_edges_end(f, (uint32_t)i);

			if (f->tables[i].level != level)
				continue;
			for (uint64_t edge = f->tables[i].edge; edge < end; edge++)
				find->leads[i] |= find->leads[f->edges[edge].table];
		}
	}
}

static int found_flush(struct find *find)
{
	int status;

	if (!find->has_found)
		return 0;
	if (find->args->max_found && find->sums->nr_found == find->args->max_found)
		return -PGW_E2BIG;
	find->has_found = false;
	find->sums->nr_found++;
	find->sums->bytes += find->found.va_last - find->found.va_first + 1;
	status = find->args->fn(&find->found, find->args->arg);
	find->is_refused = status;
	return status;
}

/* What is held back was found, too, whatever has ended the search but whoever takes it. */
static int found_finish(struct find *find, int status)
{
	int flushed = find->is_refused ? 0 : found_flush(find);

	return status ? status : flushed;
}

static int found_add(struct find *find, const struct pgw_found *found)
{
	struct pgw_found *last = &find->found;
	int status;

	if (find->has_found && last->root == found->root && last->region == found->region &&
	    last->va_last + 1 == found->va_first &&
	    last->pa + (found->va_first - last->va_first) == found->pa &&
	    last->rights == found->rights && last->leaf_lg2 == found->leaf_lg2 &&
	    last->level == found->level) {
		last->va_last = found->va_last;
		return 0;
	}
	status = found_flush(find);
	find->found = *found;
	find->has_found = true;
	return status;
}

/* The part of a leaf that maps what is looked for. Pre: some of it does. */
static void found_clip(const struct pgw_find_args *args, struct pgw_found *found)
{
	uint64_t last = found->pa + (found->va_last - found->va_first);

	if (last > args->pa_last)
		found->va_last -= last - args->pa_last;
	if (found->pa < args->pa_first) {
		found->va_first += args->pa_first - found->pa;
		found->pa = args->pa_first;
	}
}

/* A slot at va with a leaf; what it allows is what the way to it allows. */
static int find_leaf(const struct descent *d, uint64_t va)
{
	struct pgw_found found = { .root = d->root, .region = d->region };
	const struct pgw_find_args *args = d->find->args;
	struct pgw_translation to;
	int status = pgw_translate(d->mm, va, &to);

	/* The slots of a run are told one by one and joined: not all of them need be of it. */
	if (status || to.kind != PGW_ENTRY_LEAF)
		return status;
	found.va_first = va;
	found.va_last =
		va | low_bits(pgw_format_geometry(pgw_mm_format(d->mm))->span_lg2[to.level]);
	found.pa = to.pa;
	if (found.pa > args->pa_last || found.pa + (found.va_last - va) < args->pa_first)
		return 0;
	found.entry = to.entry;
	found.level = to.level;
	found.leaf_lg2 = to.leaf_lg2;
	found.rights = to.rights;
	found_clip(args, &found);
	return found_add(d->find, &found);
}

/* A table on the way down, and what is still to be looked at of it. */
struct find_step {
	struct pt_iter it;
	uint64_t edge, edge_end; /* edges of slots that come later */
	uint32_t table;
	uint64_t va;
	unsigned first; /* the slot that is at va */
};

static void step_begin(struct find *find, const struct pt *pt, struct find_step *step,
		       uint32_t index)
{
	const struct forest_table *table = &find->forest.tables[index];

	find->forest.look.nr_tables++;
	step->table = index;
	step->edge = table->edge;
	step->edge_end = forest_edges_end(&find->forest, index);
	pt_iter_begin(&step->it, pt, table->pa, table->level, table->slot_first,
		      table->slot_last - table->slot_first + 1u);
}

/* The table that the slot leads to, if what is looked for is below it. */
static bool step_below(const struct find *find, struct find_step *step, uint32_t *ret)
{
	const struct forest_edge *edges = find->forest.edges;

	while (step->edge < step->edge_end && edges[step->edge].slot < step->it.slot)
		step->edge++;
	if (step->edge == step->edge_end || edges[step->edge].slot != step->it.slot)
		return false;
	*ret = edges[step->edge].table;
	return find->leads[*ret];
}

/* Is the slot a leaf of what is looked for? */
static bool step_leaf(const struct find *find, const struct find_step *step)
{
	struct pgw_entry entry;

	if (step->it.nr_unreadable)
		return false;
	pt_iter_decode(&step->it, &entry);
	return is_wanted(find, &entry);
}

/* The root's slots that are of the region. */
static bool is_in_region(const struct find_step *top, const struct pgw_geometry *geo,
			 const struct pgw_region *region)
{
	uint64_t va = (uint64_t)(top->it.slot - top->first) << geo->span_lg2[geo->top_level];

	return top->it.slot >= top->first && va <= region->last - region->first;
}

/* Go down from a root to all that is looked for, in ascending order. */
static int descend(const struct descent *d, const struct pt *pt, uint32_t root)
{
	const struct pgw_geometry *geo = pgw_format_geometry(pt->format);
	struct find_step *steps = malloc(PGW_MAX_LEVELS * sizeof(*steps));
	unsigned top = geo->top_level, level = top;
	int status = steps ? 0 : -PGW_ENOMEM;

	if (!status) {
		steps[top].va = d->region->first;
		steps[top].first = (unsigned)(d->region->first >> geo->span_lg2[top] &
					      low_bits(geo->slots_lg2[top]));
		step_begin(d->find, pt, &steps[top], root);
	}
	while (!status && level <= top) {
		struct find_step *step = &steps[level];
		uint32_t below;
		uint64_t va;

		if (!pt_iter_next(&step->it)) {
			level++;
			continue;
		}
		if (!d->find->nr_visits--)
			status = -PGW_E2BIG;
		else if (d->find->nr_visits % TELL_EVERY == 0)
			status = image_tell_look(d->find->args->image, &d->find->forest.look);
		if (status || (level == top && !is_in_region(step, geo, d->region)))
			continue;
		va = step->va + ((uint64_t)(step->it.slot - step->first) << geo->span_lg2[level]);
		if (level && step_below(d->find, step, &below)) {
			/* Of levels that are skipped there is nothing to look at. */
			while (--level > d->find->forest.tables[below].level)
				pt_iter_begin(&steps[level].it, pt, 0, level, 0, 0);
			steps[level].va = va;
			steps[level].first = 0;
			step_begin(d->find, pt, &steps[level], below);
		} else if (step_leaf(d->find, step)) {
			status = find_leaf(d, va);
		}
	}
	free(steps);
	return status;
}

static int descent_begin(struct descent *d)
{
	const struct pgw_root_info *root = &d->find->args->roots[d->root];
	const struct pgw_mm_attach_args attach = {
		.platform = d->find->args->platform,
		.format = root->format,
		.phys = pgw_image_phys(d->find->args->image),
		.root = root->root,
		.region = d->region->kind,
		.control = root->control,
	};

	return pgw_mm_attach(&attach, &d->mm);
}

static int find_region(struct find *find, size_t index, uint32_t table,
		       const struct pgw_region *region)
{
	const struct forest_reading *reading =
		&find->forest.readings[find->forest.tables[table].reading];
	struct descent d = { .find = find, .root = index, .region = region };
	struct pt pt;
	int status = descent_begin(&d);

	if (status)
		return status;
	pt_reader_init(&pt, find->forest.phys, reading->format, &reading->control);
	status = descend(&d, &pt, table);
	pgw_mm_free(d.mm);
	return status;
}

static int find_roots(struct find *find, const uint32_t *tables)
{
	const struct pgw_find_args *args = find->args;
	int status = 0;

	for (size_t i = 0; i < args->nr_roots && !status; i++) {
		const struct pgw_root_info *root = &args->roots[i];
		const struct pgw_region *region = pgw_format_regions(root->format);

		if (root->state == PGW_ROOT_GUEST || !find->leads[tables[i]])
			continue;
		for (; region->name && !status; region++) {
			if (forest_root_has(root, region))
				status = find_region(find, i, tables[i], region);
		}
		find->forest.look.nr_done++;
	}
	return found_finish(find, status);
}

/* The distinct tables, and which of them lead to what is looked for. */
static int find_read(struct find *find, uint32_t *tables)
{
	const struct pgw_find_args *args = find->args;
	const struct forest *f = &find->forest;
	int status = 0;

	for (size_t i = 0; i < args->nr_roots && !status; i++) {
		if (args->roots[i].state == PGW_ROOT_GUEST)
			continue;
		status = forest_add(&find->forest, &args->roots[i], &tables[i]);
		find->sums->nr_roots += !status;
	}
	find->sums->nr_tables = f->nr_tables;
	for (uint64_t i = 0; i < f->nr_tables; i++)
		find->sums->nr_unreadable += f->tables[i].flags & FOREST_UNREADABLE ? 1 : 0;
	if (!status)
		find_leads(find);
	return status;
}

static int find_in_tables(const struct pgw_find_args *args, struct pgw_find_sums *ret)
{
	struct find find = { .args = args,
			     .forest = { .image = args->image,
					 .phys = pgw_image_phys(args->image),
					 .look.nr_all = 2 * (uint64_t)args->nr_roots,
					 .budget = args->max_tables,
					 .item = find_item,
					 .table = find_table },
			     .nr_visits = FIND_VISITS,
			     .sums = ret };
	uint32_t *tables = calloc(args->nr_roots + 1, sizeof(*tables));
	int status = -PGW_ENOMEM;

	find.forest.arg = &find;
	if (tables)
		status = find_read(&find, tables);
	if (!status)
		status = find_roots(&find, tables);
	free(tables);
	free(find.leads);
	forest_fini(&find.forest);
	return status;
}

/* Each address that the index gives is looked up; they come in the order of all that is found. */
static int find_indexed(const struct pgw_find_args *args, const struct index_hits *hits,
			struct pgw_find_sums *sums)
{
	struct find find = { .args = args, .sums = sums };
	struct descent d = { .find = &find };
	int status = 0;

	index_sums(args->index, sums);
	for (size_t i = 0; i < hits->nr && !status; i++) {
		const struct index_hit *hit = &hits->list[i];
		const struct pgw_root_info *root = &args->roots[hit->root];
		const struct pgw_region *region = &pgw_format_regions(root->format)[hit->region];

		if (!forest_root_has(root, region))
			continue;
		if (!d.mm || d.root != hit->root || d.region != region) {
			pgw_mm_free(d.mm);
			d = (struct descent){ .find = &find, .root = hit->root, .region = region };
			status = descent_begin(&d);
		}
		if (!status)
			status = find_leaf(&d, hit->va);
	}
	pgw_mm_free(d.mm);
	return found_finish(&find, status);
}

int pgw_find(const struct pgw_find_args *args, struct pgw_find_sums *ret)
{
	struct index_hits hits = { 0 };
	int status = -PGW_E2BIG;

	*ret = (struct pgw_find_sums){ 0 };
	if (args->index)
		status = index_look(args, &hits);
	if (!status)
		status = find_indexed(args, &hits, ret);
	else if (status == -PGW_E2BIG)
		status = find_in_tables(args, ret);
	free(hits.list);
	return status;
}
