/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>
#include <string.h>

#include "analysis/forest.h"
#include "base/bits.h"
#include "system/tell.h"

/* A table is sparse if at most one slot in so many is used. */
#define SPARSE_LG2 4

/* A table is visited once for each root that has it, or rather for those that do not begin alike. */
#define STATS_VISITS (UINT64_C(1) << 28)
#define TELL_EVERY (UINT64_C(1) << 16)

/* Bits of an entry that say what happened to a leaf; 0: the format has none. */
struct history {
	uint64_t accessed;
	uint64_t dirty;
};

/* What is kept of a table, of its own items. */
struct table_sums {
	uint32_t nr_used;
	uint32_t nr_leaves;
	uint32_t nr_accessed;
	uint32_t nr_dirty;
	uint32_t nr_malformed;
	uint32_t nr_absent;
	uint32_t nr_contiguous; /* slots of leaves that are runs */
	uint32_t nr_users;      /* roots that lead here; a pair is one */
	uint32_t last_user;     /* the last one that did, plus 1 */
	uint8_t contiguous_lg2; /* a format has one such size at a level */
	uint8_t bar;
	/* The last leaf, for the next one to be compared with. */
	uint64_t entry, pa, first_pa;
};

struct stats {
	struct forest forest;
	struct table_sums *sums; /* of each table */
	uint64_t max_sums;
	uint32_t *marks;
	uint32_t mark;
	struct part *parts; /* in the order of roots */
	size_t nr_parts;
	uint64_t nr_visits; /* that are left */
	/* Of the last table's reading. */
	const struct pgw_format *format;
	unsigned reading; /* if there is a format */
	struct history history;
};

/* Software's bits say nothing here: Linux's dirty bit of arm64 is one of those. */
static struct history history_of(const struct pgw_format *format, const struct pgw_control *control)
{
	struct history history = { 0 };

	for (const struct pgw_attr *attr = pgw_format_attrs(format); attr->name; attr++) {
		if (attr->needs & ~control->set)
			continue;
		if (strcmp(attr->name, "a") == 0 || strcmp(attr->name, "af") == 0)
			history.accessed |= attr->mask;
		else if (strcmp(attr->name, "d") == 0)
			history.dirty |= attr->mask;
	}
	return history;
}

static int stats_table(uint32_t table, void *arg)
{
	struct stats *s = (struct stats *)arg;

	if (table >= s->max_sums) {
		uint64_t max = s->max_sums ? s->max_sums * 2 : 256;
		void *grown = reallocarray(s->sums, max, sizeof(s->sums[0]));

		if (!grown)
			return -PGW_ENOMEM;
		s->sums = grown;
		s->max_sums = max;
	}
	s->sums[table] = (struct table_sums){ 0 };
	return 0;
}

static void bar_raise(struct table_sums *sums, enum pgw_huge_bar bar)
{
	if (sums->bar == PGW_HUGE_POSSIBLE || sums->bar > bar)
		sums->bar = (uint8_t)bar;
}

/* Does the leaf go on where the one before ends? */
static void stats_compare(const struct stats *s, unsigned level, struct table_sums *sums,
			  uint64_t raw, uint64_t pa, uint64_t span)
{
	uint64_t mask =
		pgw_format_attr_mask(s->format, level) & ~(s->history.accessed | s->history.dirty);

	if ((sums->entry ^ raw) & mask)
		bar_raise(sums, PGW_HUGE_RIGHTS);
	if (pa != sums->pa + span)
		bar_raise(sums, PGW_HUGE_SCATTERED);
}

static void stats_leaf(const struct stats *s, uint32_t table, unsigned slot, uint64_t raw,
		       const struct pgw_entry *entry)
{
	const struct pgw_geometry *geo = forest_geometry(&s->forest, table);
	unsigned level = s->forest.tables[table].level;
	uint64_t span = BIT(geo->span_lg2[level]);
	struct table_sums *sums = &s->sums[table];
	/* Of a run that the format tells as one: where this slot's part of it is. */
	uint64_t pa = entry->pa;

	if (entry->size_lg2 > geo->span_lg2[level]) {
		uint64_t in_run = low_bits(entry->size_lg2 - geo->span_lg2[level]);

		sums->nr_contiguous++;
		sums->contiguous_lg2 = entry->size_lg2;
		pa = (pa & ~low_bits(entry->size_lg2)) + (slot & in_run) * span;
	}
	if (sums->nr_leaves)
		stats_compare(s, level, sums, raw, pa, span);
	else
		sums->first_pa = pa;
	sums->nr_leaves++;
	sums->nr_accessed += (raw & s->history.accessed) != 0;
	sums->nr_dirty += (raw & s->history.dirty) != 0;
	sums->entry = raw;
	sums->pa = pa;
}

static int stats_item(uint32_t table, unsigned slot, uint64_t raw, const struct pgw_entry *entry,
		      void *arg)
{
	struct stats *s = (struct stats *)arg;
	const unsigned index = s->forest.tables[table].reading;

	if (!s->format || s->reading != index) {
		const struct forest_reading *reading = &s->forest.readings[index];

		s->reading = index;
		s->format = reading->format;
		s->history = history_of(reading->format, &reading->control);
	}
	s->sums[table].nr_used++;
	if (entry->kind == PGW_ENTRY_LEAF)
		stats_leaf(s, table, slot, raw, entry);
	else if (entry->kind == PGW_ENTRY_MALFORMED)
		s->sums[table].nr_malformed++;
	else
		s->sums[table].nr_absent++;
	return 0;
}

/* When all items of all tables were met. */
static void stats_settle(struct stats *s)
{
	for (uint64_t i = 0; i < s->forest.nr_tables; i++) {
		const struct pgw_geometry *geo = forest_geometry(&s->forest, (uint32_t)i);
		const struct forest_table *table = &s->forest.tables[i];
		struct table_sums *sums = &s->sums[i];
		unsigned span_lg2 = geo->span_lg2[table->level] + geo->slots_lg2[table->level];

		sums->nr_used +=
			(uint32_t)(forest_edges_end(&s->forest, (uint32_t)i) - table->edge);
		if (sums->nr_leaves < BIT(geo->slots_lg2[table->level]))
			sums->bar = PGW_HUGE_HOLES;
		else if (sums->first_pa & low_bits(span_lg2))
			bar_raise(sums, PGW_HUGE_ALIGNMENT);
	}
}

/*
 * One region of a root. Processes have the kernel in common, so of regions that begin with the same
 * tables the first one is looked at for all.
 */
struct part {
	const struct pgw_region *region;
	uint32_t root;  /* index in the list */
	uint32_t table; /* the root's own */
	uint32_t user;
	uint32_t like;                 /* index of the first part that is equal: perhaps this one */
	bool has_others;               /* parts are like this one, of other users */
	struct pgw_stats_region *sums; /* of the first one, if others are like it */
};

struct use {
	struct stats *stats;
	const struct part *part;
};

static int stats_use(uint32_t table, uint64_t va, void *arg)
{
	const struct use *use = (const struct use *)arg;
	struct table_sums *sums = &use->stats->sums[table];
	int status;

	(void)va;
	if (!use->stats->nr_visits--)
		return -PGW_E2BIG;
	if (use->stats->nr_visits % TELL_EVERY == 0 &&
	    (status = image_tell_look(use->stats->forest.image, &use->stats->forest.look)))
		return status;
	if (use->part->has_others)
		sums->nr_users += 2;
	else
		sums->nr_users += sums->last_user != use->part->user;
	sums->last_user = use->part->user;
	return 0;
}

/* One region of a root that is summed up. */
struct gather {
	struct stats *stats;
	struct pgw_stats_region *region;
};

static bool is_sparser(const struct pgw_stats_table *a, const struct pgw_stats_table *b)
{
	return a->nr_used < b->nr_used;
}

/* The list stays sorted; of equals, those that were met first stay. */
static void gather_sparsest(struct pgw_stats_region *region, const struct pgw_stats_table *table)
{
	unsigned at = region->nr_sparsest;

	if (at == PGW_STATS_NR_SPARSEST) {
		if (!is_sparser(table, &region->sparsest[at - 1]))
			return;
		at--;
	} else {
		region->nr_sparsest++;
	}
	for (; at && is_sparser(table, &region->sparsest[at - 1]); at--)
		region->sparsest[at] = region->sparsest[at - 1];
	region->sparsest[at] = *table;
}

static void gather_leaves(struct pgw_stats_region *region, const struct table_sums *sums,
			  const struct pgw_geometry *geo, unsigned level)
{
	unsigned lg2 = geo->span_lg2[level];
	uint64_t contiguous = (uint64_t)sums->nr_contiguous << lg2;

	region->leaf_bytes[lg2] += (uint64_t)(sums->nr_leaves - sums->nr_contiguous) << lg2;
	region->leaf_bytes[sums->contiguous_lg2 & 63] += contiguous;
	region->contiguous_bytes += contiguous;
	region->bytes += (uint64_t)sums->nr_leaves << lg2;
	region->accessed_bytes += (uint64_t)sums->nr_accessed << lg2;
	region->dirty_bytes += (uint64_t)sums->nr_dirty << lg2;
}

static void gather_bar(struct pgw_stats_region *region, const struct table_sums *sums,
		       const struct pgw_geometry *geo, unsigned level)
{
	unsigned above_lg2 = geo->span_lg2[level] + geo->slots_lg2[level];

	if (!sums->nr_leaves || level == geo->top_level || !(geo->leaf_sizes >> above_lg2 & 1))
		return;
	region->bar[level][sums->bar].nr_tables++;
	region->bar[level][sums->bar].bytes += (uint64_t)sums->nr_leaves << geo->span_lg2[level];
}

/* A table's own items, but for a root's: those are of more than one region. */
static void gather_items(const struct gather *gather, uint32_t index, uint64_t va)
{
	const struct forest_table *table = &gather->stats->forest.tables[index];
	const struct pgw_geometry *geo = forest_geometry(&gather->stats->forest, index);
	const struct table_sums *sums = &gather->stats->sums[index];
	const struct pgw_stats_table sparse = { table->pa, va, sums->nr_used, table->level };

	gather->region->nr_malformed += sums->nr_malformed;
	gather->region->nr_absent += sums->nr_absent;
	gather_leaves(gather->region, sums, geo, table->level);
	gather_bar(gather->region, sums, geo, table->level);
	gather->region->nr_sparse +=
		sums->nr_used << SPARSE_LG2 <= BIT(geo->slots_lg2[table->level]);
	gather_sparsest(gather->region, &sparse);
}

static void gather_table(const struct gather *gather, uint32_t index)
{
	const struct forest_table *table = &gather->stats->forest.tables[index];
	bool is_shared = gather->stats->sums[index].nr_users > 1;

	gather->region->nr_tables[table->level]++;
	gather->region->nr_private[table->level] += !is_shared;
	gather->region->nr_unreadable += table->flags & FOREST_UNREADABLE ? 1 : 0;
}

static int stats_gather(uint32_t table, uint64_t va, void *arg)
{
	const struct gather *gather = (const struct gather *)arg;

	gather->region->is_shared &= gather->stats->sums[table].nr_users > 1;
	gather_table(gather, table);
	gather_items(gather, table, va);
	return 0;
}

/* Leaves in the root itself, of the first region alone if there are several. */
static void gather_root(const struct gather *gather, uint32_t index)
{
	const struct table_sums *sums = &gather->stats->sums[index];
	const struct pgw_geometry *geo = forest_geometry(&gather->stats->forest, index);

	gather_table(gather, index);
	gather->region->nr_malformed += sums->nr_malformed;
	gather->region->nr_absent += sums->nr_absent;
	gather_leaves(gather->region, sums, geo, geo->top_level);
}

static bool has_tables_below(const struct pgw_stats_region *region, const struct pgw_format *format)
{
	for (unsigned level = 0; level < pgw_format_geometry(format)->top_level; level++) {
		if (region->nr_tables[level])
			return true;
	}
	return false;
}

static struct forest_walk part_walk(struct stats *s, const struct part *part, forest_visit_fn *fn,
				    void *arg)
{
	return (struct forest_walk){
		.forest = &s->forest,
		.root = part->table,
		.region = part->region,
		.marks = s->marks,
		.mark = ++s->mark,
		.fn = fn,
		.arg = arg,
	};
}

/* Sum a part up, without the root's own table; *ret is all 0. */
static void part_sum(struct stats *s, struct part *part, struct pgw_stats_region *ret)
{
	struct part *like = &s->parts[part->like];
	struct gather gather = { s, ret };
	const struct forest_walk walk = part_walk(s, part, stats_gather, &gather);

	if (like->sums) {
		*ret = *like->sums;
		return;
	}
	ret->is_shared = true;
	forest_visit(&walk);
	ret->is_shared &= has_tables_below(
		ret, s->forest.readings[s->forest.tables[part->table].reading].format);
	/* For those to come; if there is no memory, they are summed up again. */
	if (like->has_others) {
		like->sums = malloc(sizeof(*like->sums));
		if (like->sums)
			*like->sums = *ret;
	}
}

/* Pre: part is the root's first one. @return the first one of the next root */
static size_t stats_root(struct stats *s, size_t part, const struct pgw_root_info *root,
			 struct pgw_stats_root *ret)
{
	const struct pgw_control control = pgw_control_assume(root->format, &root->control);
	const struct history history = history_of(root->format, &control);
	const size_t first = part;

	*ret = (struct pgw_stats_root){
		.info = root,
		.knows_accessed = history.accessed != 0,
		.knows_dirty = history.dirty != 0,
	};
	for (; part < s->nr_parts && s->parts[part].root == s->parts[first].root; part++) {
		struct pgw_stats_region *region = &ret->region[s->parts[part].region->kind];
		const struct gather gather = { s, region };

		part_sum(s, &s->parts[part], region);
		region->is_there = true;
		if (part == first)
			gather_root(&gather, s->parts[part].table);
	}
	return part;
}

static bool parts_are_equal(const struct forest *f, const struct part *a, const struct part *b)
{
	struct forest_edges x = forest_root_edges(f, a->table, a->region);
	struct forest_edges y = forest_root_edges(f, b->table, b->region);

	if (a->region != b->region || x.nr != y.nr ||
	    f->tables[a->table].reading != f->tables[b->table].reading)
		return false;
	for (uint64_t i = 0; i < x.nr; i++) {
		if (x.first[i].table != y.first[i].table || x.first[i].slot != y.first[i].slot)
			return false;
	}
	return true;
}

static uint64_t part_hash(const struct forest *f, const struct part *part)
{
	struct forest_edges edges = forest_root_edges(f, part->table, part->region);
	uint64_t hash = (uint64_t)part->region->kind + 1;

	for (uint64_t i = 0; i < edges.nr; i++)
		hash = (hash ^ edges.first[i].table ^ (uint64_t)edges.first[i].slot << 32) *
		       UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* Find for each part the first one that is equal, by a hash set of those. */
static int parts_compare(struct stats *s)
{
	unsigned lg2 = 4;
	uint32_t *first;

	while (BIT(lg2) < 2 * s->nr_parts)
		lg2++;
	first = calloc(BIT(lg2), sizeof(*first));
	if (!first)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < s->nr_parts; i++) {
		struct part *part = &s->parts[i];
		uint64_t at = part_hash(&s->forest, part) & low_bits(lg2);

		while (first[at] && !parts_are_equal(&s->forest, part, &s->parts[first[at] - 1]))
			at = (at + 1) & low_bits(lg2);
		if (!first[at])
			first[at] = (uint32_t)i + 1;
		part->like = first[at] - 1;
		s->parts[part->like].has_others |= s->parts[part->like].user != part->user;
	}
	free(first);
	return 0;
}

static int parts_make(struct stats *s, const struct pgw_root_info *roots, size_t nr,
		      const uint32_t *tables)
{
	s->parts = calloc(nr + 1, _PGW_REGION_MAX * sizeof(s->parts[0]));
	if (!s->parts)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		const struct pgw_region *region = pgw_format_regions(roots[i].format);

		if (roots[i].state == PGW_ROOT_GUEST)
			continue;
		for (; region->name; region++) {
			if (!forest_root_has(&roots[i], region))
				continue;
			s->parts[s->nr_parts++] = (struct part){
				.region = region,
				.root = (uint32_t)i,
				.table = tables[i],
				.user = forest_root_user(roots, nr, i),
			};
		}
	}
	return parts_compare(s);
}

/* Which tables have several users. */
static int stats_users(struct stats *s)
{
	int status = 0;

	for (size_t i = 0; i < s->nr_parts && !status; i++) {
		struct use use = { s, &s->parts[i] };
		const struct forest_walk walk = part_walk(s, use.part, stats_use, &use);

		if (use.part->like == i)
			status = forest_visit(&walk);
	}
	/* A root's own table: of parts that are alike, each has its own. */
	for (size_t i = 0; i < s->nr_parts; i++) {
		struct table_sums *sums = &s->sums[s->parts[i].table];

		sums->nr_users += sums->last_user != s->parts[i].user;
		sums->last_user = s->parts[i].user;
	}
	return status;
}

static void stats_sum(const struct stats *s, struct pgw_stats_sums *sums)
{
	for (uint64_t i = 0; i < s->forest.nr_tables; i++) {
		const struct forest_table *table = &s->forest.tables[i];

		sums->nr_tables[table->level]++;
		sums->table_bytes +=
			forest_table_size(forest_geometry(&s->forest, (uint32_t)i), table->level);
		sums->nr_unreadable += table->flags & FOREST_UNREADABLE ? 1 : 0;
		sums->nr_malformed += s->sums[i].nr_malformed;
	}
}

static int stats_read(struct stats *s, const struct pgw_root_info *roots, size_t nr,
		      uint32_t *tables, struct pgw_stats_sums *sums)
{
	int status = 0;

	for (size_t i = 0; i < nr && !status; i++) {
		if (roots[i].state == PGW_ROOT_GUEST)
			continue;
		status = forest_add(&s->forest, &roots[i], &tables[i]);
		sums->nr_roots += !status;
	}
	stats_sum(s, sums);
	return status;
}

static int stats_report(struct stats *s, const struct pgw_root_info *roots, pgw_stats_fn *fn,
			void *arg)
{
	struct pgw_stats_root *root = malloc(sizeof(*root));
	int status = -PGW_ENOMEM;
	size_t part = 0;

	s->marks = calloc(s->forest.nr_tables + 1, sizeof(s->marks[0]));
	if (root && s->marks) {
		stats_settle(s);
		status = stats_users(s);
	}
	while (!status && part < s->nr_parts) {
		part = stats_root(s, part, &roots[s->parts[part].root], root);
		status = fn(root, arg);
	}
	free(root);
	return status;
}

int pgw_stats(const struct pgw_image *image, const struct pgw_root_info *roots, size_t nr,
	      uint64_t budget, pgw_stats_fn *fn, void *arg, struct pgw_stats_sums *ret)
{
	struct stats s = { .nr_visits = STATS_VISITS,
			   .forest = { .image = image,
				       .phys = pgw_image_phys(image),
				       .look.nr_all = 2 * (uint64_t)nr,
				       .budget = budget,
				       .item = stats_item,
				       .table = stats_table } };
	uint32_t *tables = calloc(nr + 1, sizeof(*tables));
	struct pgw_stats_sums sums = { 0 };
	int status = -PGW_ENOMEM;

	s.forest.arg = &s;
	if (tables) {
		status = stats_read(&s, roots, nr, tables, &sums);
		if (!status)
			status = parts_make(&s, roots, nr, tables);
		if (!status)
			status = stats_report(&s, roots, fn, arg);
	}
	*ret = sums;
	free(tables);
	free(s.sums);
	free(s.marks);
	for (size_t i = 0; i < s.nr_parts; i++)
		free(s.parts[i].sums);
	free(s.parts);
	forest_fini(&s.forest);
	return status;
}
