/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/forest.h"

#include <stdlib.h>

#include "base/bits.h"
#include "pt/read/iter.h"
#include "system/tell.h"

#define TELL_EVERY 256 /* tables */
#define SEEN_FIRST_LG2 8
#define MAX_READINGS 255
/* Entries that lead to tables: what they take is 16 bytes each. */
#define MAX_EDGES (UINT64_C(1) << 28)

/* Bits that say what is an address change nothing of how tables are read. */
static uint32_t reading_bits(const struct pgw_format *format)
{
	uint32_t bits = UINT32_MAX;

	for (const struct pgw_control_bit *bit = pgw_format_control_bits(format); bit->name; bit++)
		bits &= bit->is_tag ? ~bit->bit : UINT32_MAX;
	return bits;
}

static bool controls_read_alike(const struct pgw_format *format, const struct pgw_control *a,
				const struct pgw_control *b)
{
	return ((a->set ^ b->set) & reading_bits(format)) == 0 && a->pa_bits == b->pa_bits &&
	       a->memory_types == b->memory_types && a->domains == b->domains &&
	       a->encryption_bit == b->encryption_bit;
}

/* @return the index, or -1 */
static int reading_find(const struct forest *f, const struct pgw_format *format,
			const struct pgw_control *control)
{
	for (unsigned i = 0; i < f->nr_readings; i++) {
		if (f->readings[i].format == format &&
		    controls_read_alike(format, &f->readings[i].control, control))
			return (int)i;
	}
	return -1;
}

/* @return the index, or negative */
static int reading_of(struct forest *f, const struct pgw_root_info *root)
{
	struct pgw_control control = pgw_control_assume(root->format, &root->control);
	int found = reading_find(f, root->format, &control);
	void *grown;

	if (found >= 0)
		return found;
	if (f->nr_readings == MAX_READINGS)
		return -PGW_E2BIG;
	grown = reallocarray(f->readings, f->nr_readings + 1, sizeof(f->readings[0]));
	if (!grown)
		return -PGW_ENOMEM;
	f->readings = grown;
	f->readings[f->nr_readings] =
		(struct forest_reading){ .format = root->format, .control = control };
	return (int)f->nr_readings++;
}

static uint64_t table_hash(const struct forest_table *table)
{
	return (table->pa ^ (uint64_t)table->level << 1 ^ (uint64_t)table->reading << 52) *
	       UINT64_C(0x9e3779b97f4a7c15);
}

/* Where the table is, or the empty slot where it belongs. Never full. */
static uint32_t *seen_find(const struct forest *f, const struct forest_table *table)
{
	uint64_t i = table_hash(table) >> (64 - f->seen_lg2);

	for (;; i = (i + 1) & low_bits(f->seen_lg2)) {
		const struct forest_table *other;

		if (!f->seen[i])
			return &f->seen[i];
		other = &f->tables[f->seen[i] - 1];
		if (other->pa == table->pa && other->level == table->level &&
		    other->reading == table->reading && other->slot_first == table->slot_first &&
		    other->slot_last == table->slot_last)
			return &f->seen[i];
	}
}

/* Make room for one more: at least half of the slots stay empty. */
static int seen_grow(struct forest *f)
{
	unsigned lg2 = f->seen ? f->seen_lg2 + 1 : SEEN_FIRST_LG2;
	uint32_t *grown;

	if (f->seen && f->nr_tables < BIT(f->seen_lg2) / 2)
		return 0;
	grown = calloc(BIT(lg2), sizeof(*grown));
	if (!grown)
		return -PGW_ENOMEM;
	free(f->seen);
	f->seen = grown;
	f->seen_lg2 = lg2;
	for (uint64_t i = 0; i < f->nr_tables; i++)
		*seen_find(f, &f->tables[i]) = (uint32_t)i + 1;
	return 0;
}

/* Make room for one more in an array. @return 0 or -PGW_ENOMEM */
static int array_grow(void *array, uint64_t nr, uint64_t *max, size_t size)
{
	void **pointer = (void **)array, *grown;
	uint64_t more = *max ? *max * 2 : 256;

	if (nr < *max)
		return 0;
	grown = reallocarray(*pointer, more, size);
	if (!grown)
		return -PGW_ENOMEM;
	*pointer = grown;
	*max = more;
	return 0;
}

/* The table's index, whether it is new or not. */
static int table_add(struct forest *f, const struct forest_table *table, uint32_t *ret)
{
	uint32_t *slot;
	int status = seen_grow(f);

	if (status)
		return status;
	slot = seen_find(f, table);
	if (*slot) {
		*ret = *slot - 1;
		return 0;
	}
	if (f->nr_tables >= f->budget || f->nr_tables >= INT32_MAX)
		return -PGW_E2BIG;
	status = array_grow(&f->tables, f->nr_tables, &f->max_tables, sizeof(f->tables[0]));
	if (status)
		return status;
	*ret = (uint32_t)f->nr_tables;
	f->tables[f->nr_tables++] = *table;
	*slot = *ret + 1;
	return f->table ? f->table(*ret, f->arg) : 0;
}

static int edge_add(struct forest *f, uint32_t from, unsigned slot, const struct pgw_entry *entry)
{
	const struct forest_table child = {
		.pa = entry->pa,
		.level = entry->table_level,
		.reading = f->tables[from].reading,
		.slot_first = entry->slot_first,
		.slot_last = entry->slot_last,
	};
	struct forest_edge edge = { .slot = slot };
	int status = table_add(f, &child, &edge.table);

	if (status)
		return status;
	if (f->nr_edges == MAX_EDGES)
		return -PGW_E2BIG;
	status = array_grow(&f->edges, f->nr_edges, &f->max_edges, sizeof(f->edges[0]));
	if (!status)
		f->edges[f->nr_edges++] = edge;
	return status;
}

static int item_read(struct forest *f, uint32_t index, const struct pt_iter *it)
{
	struct pgw_entry entry;

	pt_iter_decode(it, &entry);
	if (entry.kind == PGW_ENTRY_TABLE) {
		int status = f->link ? f->link(index, it->slot, it->entry, f->arg) : 0;

		return status ? status : edge_add(f, index, it->slot, &entry);
	}
	if (entry.kind == PGW_ENTRY_EMPTY || !f->item)
		return 0;
	return f->item(index, it->slot, it->entry, &entry, f->arg);
}

/* Post: all of the table's edges are the last ones. */
static int table_read(struct forest *f, uint32_t index)
{
	const struct forest_reading *reading = &f->readings[f->tables[index].reading];
	const struct forest_table table = f->tables[index];
	struct pt_iter it;
	struct pt pt;
	int status = 0;

	pt_reader_init(&pt, f->phys, reading->format, &reading->control);
	f->tables[index].edge = f->nr_edges;
	pt_iter_begin(&it, &pt, table.pa, table.level, table.slot_first,
		      table.slot_last - table.slot_first + 1u);
	while (!status && pt_iter_next(&it)) {
		if (it.nr_unreadable)
			f->tables[index].flags |= FOREST_UNREADABLE;
		else
			status = item_read(f, index, &it);
	}
	return status;
}

int forest_add(struct forest *f, const struct pgw_root_info *root, uint32_t *ret_table)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	struct forest_table table = {
		.pa = root->root.pa,
		.level = geo->top_level,
		.slot_last = pt_root_items(geo, root->root) - 1,
	};
	uint64_t next = f->nr_tables;
	int status = reading_of(f, root);

	if (status < 0)
		return status;
	table.reading = (uint8_t)status;
	if (!pt_root_is_aligned(geo, root->root.pa))
		return -PGW_EINVAL;
	status = table_add(f, &table, ret_table);
	for (; !status && next < f->nr_tables; next++) {
		f->look.nr_tables = next;
		status = !f->image || next % TELL_EVERY ? 0 : image_tell_look(f->image, &f->look);
		if (!status)
			status = table_read(f, (uint32_t)next);
	}
	/* After a failure: what was met and not read has no edges. */
	for (; next < f->nr_tables; next++)
		f->tables[next].edge = f->nr_edges;
	f->look.nr_done += !status;
	return status;
}

int64_t forest_find(const struct forest *f, const struct forest_table *table)
{
	return f->seen ? (int64_t)*seen_find(f, table) - 1 : -1;
}

void forest_fini(struct forest *f)
{
	free(f->tables);
	free(f->edges);
	free(f->readings);
	free(f->seen);
	*f = (struct forest){ 0 };
}

/* A step down: the edges of a table that are still to be gone along. */
struct visit_step {
	uint64_t edge, end;
	uint64_t va;
	unsigned slot_first; /* which is at va */
};

static struct visit_step step_into(const struct forest *f, uint32_t table, uint64_t va)
{
	return (struct visit_step){
		.edge = f->tables[table].edge,
		.end = forest_edges_end(f, table),
		.va = va,
	};
}

/* The root's first slot that is of the region. */
static unsigned region_slot(const struct pgw_geometry *geo, uint64_t va)
{
	return (unsigned)(va >> geo->span_lg2[geo->top_level] &
			  low_bits(geo->slots_lg2[geo->top_level]));
}

struct forest_edges forest_root_edges(const struct forest *f, uint32_t root,
				      const struct pgw_region *region)
{
	const struct pgw_geometry *geo = forest_geometry(f, root);
	unsigned first = region_slot(geo, region->first), last = region_slot(geo, region->last);
	uint64_t from = f->tables[root].edge, to = forest_edges_end(f, root);

	while (from < to && f->edges[from].slot < first)
		from++;
	while (from < to && f->edges[to - 1].slot > last)
		to--;
	/* Without edges there is no array. */
	if (from == to)
		return (struct forest_edges){ f->edges, 0 };
	return (struct forest_edges){ f->edges + from, to - from };
}

/* The root's edges that are of the region. */
static struct visit_step step_into_root(const struct forest_walk *walk)
{
	const struct forest *f = walk->forest;
	struct forest_edges edges = forest_root_edges(f, walk->root, walk->region);

	return (struct visit_step){
		.edge = (uint64_t)(edges.first - f->edges),
		.end = (uint64_t)(edges.first - f->edges) + edges.nr,
		.va = walk->region->first,
		.slot_first = region_slot(forest_geometry(f, walk->root), walk->region->first),
	};
}

int forest_visit(const struct forest_walk *walk)
{
	const struct forest *f = walk->forest;
	const struct pgw_geometry *geo = forest_geometry(f, walk->root);
	struct visit_step steps[PGW_MAX_LEVELS];
	unsigned level = geo->top_level;

	steps[level] = step_into_root(walk);
	while (level <= geo->top_level) {
		struct visit_step *step = &steps[level];
		const struct forest_edge *edge;
		bool is_again;
		uint64_t va;
		int status;

		if (step->edge == step->end) {
			level++;
			continue;
		}
		edge = &f->edges[step->edge++];
		va = step->va + ((uint64_t)(edge->slot - step->slot_first) << geo->span_lg2[level]);
		is_again = walk->marks[edge->table] == walk->mark;
		if (is_again && !walk->again)
			continue;
		walk->marks[edge->table] = walk->mark;
		status = (is_again ? walk->again : walk->fn)(edge->table, va, walk->arg);
		if (status)
			return status;
		if (is_again)
			continue;
		/* Of levels that are skipped there is nothing to look at. */
		while (--level > f->tables[edge->table].level)
			steps[level] = (struct visit_step){ 0 };
		steps[level] = step_into(f, edge->table, va);
	}
	return 0;
}

bool forest_root_has(const struct pgw_root_info *root, const struct pgw_region *region)
{
	if (!pgw_format_is_split(root->format))
		return true;
	return region->kind == PGW_REGION_USER ? root->has_user : root->has_kernel;
}

uint32_t forest_root_user(const struct pgw_root_info *roots, size_t nr, size_t index)
{
	/* A pair is two pages side by side: in an ascending list neighbours, which are looked at first. */
	if (roots[index].has_twin && index + 1 < nr &&
	    roots[index + 1].root.pa == roots[index].twin.pa)
		return (uint32_t)index + 1;
	for (size_t i = index; roots[index].has_twin && i-- > 0;) {
		if (roots[i].root.pa == roots[index].twin.pa)
			return (uint32_t)i + 1;
	}
	return (uint32_t)index + 1;
}
