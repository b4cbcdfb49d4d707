/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/scan.h>

#include "mm/mm_priv.h"
#include "pt/read/iter.h"
#include "pt/read/scan.h"

/* Entries for each part that are wanted to choose the cuts from. */
#define SPLIT_CHOICE 8
/* Fewer lowest tables are not worth a part. */
#define SPLIT_MIN_TABLES 32

/** Goes over the tables above a level, and counts the table entries in those of that level. */
struct split {
	const struct pt *pt;
	uint64_t first, last; /* of the scan */
	unsigned level;       /* of the entries that are counted */
	uint64_t nr;          /* that were met */
	uint64_t budget;      /* of tables */
	/* When cutting: a part every so many entries. */
	uint64_t stride;
	struct pgw_scan_part *parts;
	size_t nr_parts;
};

/* Cut before the entry at va. Each level down to the entry's table that does not begin here is visited again. */
static void split_cut(struct split *split, uint64_t va)
{
	const struct pgw_geometry *geo = &split->pt->format->geometry;
	struct pgw_scan_part *part = &split->parts[split->nr_parts++];

	part[-1].last = va - 1;
	*part = (struct pgw_scan_part){ .first = va, .last = split->last, .nr_again = 1 };
	/* The root's table holds all. */
	for (unsigned level = split->level; level < geo->top_level; level++)
		part->nr_again += (va & low_bits(geo->span_lg2[level + 1])) != 0;
}

static void split_entry(struct split *split, uint64_t va)
{
	if (split->stride && split->nr && split->nr % split->stride == 0 && va > split->first)
		split_cut(split, va);
	split->nr++;
}

/* The slots of a table that hold addresses of the scan. va: of slot 0 */
static unsigned split_slots(const struct split *split, unsigned level, uint64_t va,
			    unsigned *ret_nr)
{
	const struct pgw_geometry *geo = &split->pt->format->geometry;
	uint64_t last = va + low_bits(geo->span_lg2[level] + geo->slots_lg2[level]);
	unsigned first = split->first > va ? pt_index(geo, split->first, level) : 0;

	*ret_nr = pt_index(geo, split->last < last ? split->last : last, level) - first + 1;
	return first;
}

/* Depth is bounded by the levels. */
static void split_table(struct split *split, uint64_t table_pa, unsigned level, uint64_t va)
{
	const unsigned span_lg2 = split->pt->format->geometry.span_lg2[level];
	unsigned nr, first = split_slots(split, level, va, &nr), below_level;
	struct pt_iter it;
	uint64_t below;

	if (!split->budget)
		return;
	split->budget--;
	pt_iter_begin(&it, split->pt, table_pa, level, first, nr);
	while (pt_iter_next(&it)) {
		uint64_t at = va + ((uint64_t)it.slot << span_lg2);

		if (it.nr_unreadable || !pt_iter_table(&it, &below, &below_level))
			continue;
		if (level == split->level || below_level < split->level)
			split_entry(split, at);
		else
			split_table(split, below, below_level, at);
	}
}

static void split_run(struct split *split)
{
	const struct pgw_geometry *geo = &split->pt->format->geometry;

	split->nr = 0;
	split->budget = split->pt->budget;
	split_table(split, split->pt->root_pa, geo->top_level,
		    split->first & ~low_bits(pt_root_span_lg2(geo)));
}

int pgw_scan_split(struct pgw_mm *mm, uint64_t first, uint64_t last, struct pgw_scan_part *ret,
		   size_t max, size_t *ret_nr)
{
	struct split split = { .first = first, .last = last, .parts = ret, .nr_parts = 1 };
	int err;

	if (!mm || !ret || !ret_nr || !max || !mm_covers(mm, first, last))
		return -PGW_EINVAL;
	err = mm_assert_novma(mm, __func__);
	if (err)
		return err;
	split.pt = &mm->pt;
	ret[0] = (struct pgw_scan_part){ .first = first, .last = last };
	/* The highest level that has enough entries; those of level 1 are the lowest tables. */
	for (split.level = mm->pt.format->geometry.top_level;; split.level--) {
		split_run(&split);
		if (split.nr >= SPLIT_CHOICE * max || split.level == 1)
			break;
	}
	split.stride = (split.nr + max - 1) / max;
	if (split.level == 1 && split.stride < SPLIT_MIN_TABLES)
		split.stride = SPLIT_MIN_TABLES;
	if (max > 1 && split.stride)
		split_run(&split);
	*ret_nr = split.nr_parts;
	return 0;
}

/* @return 0 and the tree with the part's budget, or as pgw_scan() */
static int part_begin(struct pgw_mm *mm, const struct pgw_scan_part *part, uint64_t budget,
		      struct pgw_scan_stats *stats, struct pt *ret)
{
	int err;

	if (!mm || !part || !stats || !mm_covers(mm, part->first, part->last))
		return -PGW_EINVAL;
	*stats = (struct pgw_scan_stats){ 0 };
	err = mm_assert_novma(mm, "pgw_scan_part");
	if (err)
		return err;
	*ret = mm->pt;
	if (budget < ret->budget)
		ret->budget = budget;
	if (add_overflows(ret->budget, part->nr_again, &ret->budget))
		ret->budget = UINT64_MAX;
	return 0;
}

static void part_end(const struct pgw_scan_part *part, struct pgw_scan_stats *stats)
{
	stats->nr_tables -= stats->nr_tables < part->nr_again ? stats->nr_tables : part->nr_again;
}

int mm_scan_part(struct pgw_mm *mm, const struct pgw_scan_part *part, uint64_t budget,
		 pgw_extents_fn *fn, void *arg, struct pgw_scan_stats *stats)
{
	struct pt pt;
	int err = part_begin(mm, part, budget, stats, &pt);

	if (err)
		return err;
	err = pt_ops(&pt)->scan_blocks(&pt, part->first, part->last,
				       &(struct pgw_scan_ops){ .extents = fn }, arg, stats);
	part_end(part, stats);
	return err;
}

int pgw_scan_part(struct pgw_mm *mm, const struct pgw_scan_part *part, uint64_t budget,
		  pgw_extent_fn *fn, void *arg, struct pgw_scan_stats *stats)
{
	struct pt pt;
	int err = fn ? part_begin(mm, part, budget, stats, &pt) : -PGW_EINVAL;

	if (err)
		return err;
	err = pt_ops(&pt)->scan(&pt, part->first, part->last, fn, arg, stats);
	part_end(part, stats);
	return err;
}

uint64_t pgw_mm_budget(const struct pgw_mm *mm)
{
	return mm->pt.budget;
}

bool pgw_extent_follows(const struct pgw_mm *mm, const struct pgw_extent *a,
			const struct pgw_extent *b)
{
	return pt_extent_follows(~pt_ops(&mm->pt)->addr_mask(&mm->pt.env, a->level), a, b);
}
