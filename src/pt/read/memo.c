/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/memo.h"

#include <pagewalk/platform.h>

#define MEMO_TABLES_LG2 9
#define MEMO_EXTENTS 1024

enum memo_state {
	MEMO_UNUSED,
	MEMO_SEEN,     /* visited once */
	MEMO_RECORDED, /* if of the current generation, else seen */
	MEMO_TOO_LARGE,
};

/** A table that was visited. */
struct memo_table {
	uint64_t table_pa;
	pt_acc_t acc;
	uint64_t va;           /* where it was recorded */
	uint64_t nr_tables;    /* visits that a replay counts as */
	uint64_t nr_leaves;    /* in it, wanted or not */
	uint64_t nr_malformed; /* entries in it */
	uint32_t first, nr;    /* of its extents */
	uint32_t generation;
	uint8_t level;
	uint8_t state;
};

struct pt_memo {
	uint32_t generation; /* changes when the extents are thrown away */
	uint32_t start;      /* of the innermost recording */
	uint32_t nr_extents;
	struct pgw_extent extents[MEMO_EXTENTS];
	struct memo_table tables[1 << MEMO_TABLES_LG2];
};

struct pt_memo *pt_memo_new(const struct pgw_platform *platform)
{
	return platform->obj_alloc(platform->ctx, sizeof(struct pt_memo));
}

void pt_memo_free(const struct pgw_platform *platform, struct pt_memo *memo)
{
	if (memo)
		platform->obj_free(platform->ctx, memo, sizeof(*memo));
}

/*
 * A table has one place; who comes later takes it. Tables of neighbouring levels often
 * follow each other in memory: the level must not bring them to one place.
 */
static struct memo_table *memo_place(struct pt_memo *memo, uint64_t table_pa, unsigned level)
{
	uint64_t hash = (table_pa ^ level) * UINT64_C(0x9e3779b97f4a7c15);

	return &memo->tables[hash >> (64 - MEMO_TABLES_LG2)];
}

/* Throw all extents away, and with them the recordings that are going on. */
static void memo_clear(struct pt_scan *s)
{
	s->memo->generation++;
	s->memo->nr_extents = 0;
	s->memo->start = 0;
	s->is_recording = false;
}

void pt_memo_add(struct pt_scan *s, const struct pgw_extent *extent)
{
	struct pt_memo *memo = s->memo;

	if (s->out.ops->wanted && !s->out.ops->wanted(extent, s->out.arg))
		return;
	if (memo->nr_extents == MEMO_EXTENTS)
		memo_clear(s);
	else
		memo->extents[memo->nr_extents++] = *extent;
}

/* The budget is used up as by a visit; where it does not suffice, the visit has to find out. */
static bool memo_fits(const struct pt_scan *s, const struct memo_table *table)
{
	return table->nr_tables <= s->budget - s->out.stats->nr_tables;
}

/* Where the extent joins the pending one, or is recorded again. */
static PGW_NOINLINE int memo_join(struct pt_scan *s, const struct pgw_extent *extent,
				  uint64_t moved)
{
	struct pgw_extent there = *extent;

	there.va_first += moved;
	there.va_last += moved;
	return pt_scan_add(s, &there);
}

/*
 * Extents of leaves one after the other, up to one that may join the one before: what is recorded
 * was not joined yet.
 * @return the first one that was not replayed
 */
static const struct pgw_extent *memo_replay_leaves(struct pt_scan *s,
						   const struct pgw_extent *extent,
						   const struct pgw_extent *end, uint64_t moved,
						   int *ret_err)
{
	struct pt_out_at to = pt_out_begin(&s->out);
	uint64_t nr_leaves = 0;
	int err = 0;

	for (; extent < end && extent->kind == PGW_ENTRY_LEAF; extent++) {
		if (pgw_unlikely(pt_out_may_join(to.p, extent->va_first + moved, extent->pa)))
			break;
		err = pt_out_next(&s->out, &to, nr_leaves);
		if (pgw_unlikely(err))
			break;
		*to.p = *extent;
		to.p->va_first += moved;
		to.p->va_last += moved;
		nr_leaves += pt_extent_leaves(extent);
	}
	pt_out_commit(&s->out, &to, nr_leaves);
	*ret_err = err;
	return extent;
}

/* Recording a table around this one may throw the extents away: their memory stays as it is. */
static int memo_replay(struct pt_scan *s, const struct memo_table *table, uint64_t va)
{
	const struct pgw_extent *extent = s->memo->extents + table->first;
	const struct pgw_extent *end = extent + table->nr;
	const uint64_t moved = va - table->va;
	const uint64_t before = pt_out_leaves(&s->out);
	int err = 0;

	s->out.stats->nr_tables += table->nr_tables;
	s->out.stats->nr_malformed += table->nr_malformed;
	while (extent < end && !err) {
		if (pgw_unlikely(
			    s->is_recording || extent->kind != PGW_ENTRY_LEAF ||
			    !pt_out_has_pending(&s->out) ||
			    pt_out_may_join(s->out.pending, extent->va_first + moved, extent->pa)))
			err = memo_join(s, extent++, moved);
		else
			extent = memo_replay_leaves(s, extent, end, moved, &err);
	}
	/* Those that nobody wants are there, too, and wait for nothing. */
	if (!err)
		s->out.stats->nr_leaves += table->nr_leaves - (pt_out_leaves(&s->out) - before);
	return err;
}

enum pt_memo_answer pt_memo_begin(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
				  struct pt_memo_mark *mark, int *ret_err)
{
	struct pt_memo *memo = s->memo;
	struct memo_table *table = memo_place(memo, at->table_pa, level);

	if (table->state == MEMO_UNUSED || table->table_pa != at->table_pa ||
	    table->acc != at->acc || table->level != level) {
		*table = (struct memo_table){ .table_pa = at->table_pa,
					      .acc = at->acc,
					      .level = (uint8_t)level,
					      .state = MEMO_SEEN };
		return PT_MEMO_SCAN;
	}
	if (table->state == MEMO_TOO_LARGE)
		return PT_MEMO_SCAN;
	if (table->state == MEMO_RECORDED && table->generation == memo->generation) {
		if (!memo_fits(s, table))
			return PT_MEMO_SCAN;
		*ret_err = memo_replay(s, table, at->va);
		return PT_MEMO_REPLAYED;
	}
	if (!s->is_recording && memo->nr_extents > MEMO_EXTENTS / 2)
		memo_clear(s);
	*mark = (struct pt_memo_mark){
		.at = *at,
		.level = level,
		.start = memo->nr_extents,
		.generation = memo->generation,
		.outer_start = memo->start,
		.has_outer = s->is_recording,
		.nr_tables = s->out.stats->nr_tables,
		.nr_leaves = pt_out_leaves(&s->out),
		.nr_malformed = s->out.stats->nr_malformed,
		.nr_unreadable = s->nr_unreadable,
		.nr_repeats = s->nr_repeats,
	};
	memo->start = mark->start;
	s->is_recording = true;
	return PT_MEMO_RECORD;
}

void pt_memo_end(struct pt_scan *s, const struct pt_memo_mark *mark, int err)
{
	struct pt_memo *memo = s->memo;
	struct memo_table *table = memo_place(memo, mark->at.table_pa, mark->level);
	struct memo_table now = {
		.table_pa = mark->at.table_pa,
		.acc = mark->at.acc,
		.va = mark->at.va,
		.nr_tables = s->out.ops->wanted ? 1 : s->out.stats->nr_tables - mark->nr_tables,
		.nr_leaves = pt_out_leaves(&s->out) - mark->nr_leaves,
		.nr_malformed = s->out.stats->nr_malformed - mark->nr_malformed,
		.first = mark->start,
		.nr = memo->nr_extents - mark->start,
		.generation = mark->generation,
		.level = (uint8_t)mark->level,
		.state = MEMO_RECORDED,
	};

	if (mark->generation != memo->generation) {
		/* The extents were thrown away: for want of room, if it had all of it. */
		s->is_recording = false;
		now.state = mark->start ? MEMO_SEEN : MEMO_TOO_LARGE;
	} else {
		memo->start = mark->outer_start;
		s->is_recording = mark->has_outer;
		/* A read that failed may succeed the next time; what repeats is more than its extents. */
		if (mark->nr_unreadable != s->nr_unreadable ||
		    (now.nr && mark->nr_repeats != s->nr_repeats))
			now.state = MEMO_SEEN;
	}
	if (!err)
		*table = now;
}
