/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/memo.h"

#include <pagewalk/platform.h>

enum memo_state {
	MEMO_UNUSED,
	MEMO_SEEN,     /* visited once */
	MEMO_RECORDED, /* if of the current generation, else seen */
	MEMO_TOO_LARGE,
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
 * Direct-mapped: a newer table evicts the older. Tables of neighbouring levels often
 * follow each other in memory, so the level is part of the hash.
 */
static struct pt_memo_table *memo_place(struct pt_memo *memo, const struct pt_memo_visit *visit)
{
	uint64_t hash = (visit->table_pa ^ visit->level) * UINT64_C(0x9e3779b97f4a7c15);

	return &memo->tables[hash >> (64 - PT_MEMO_TABLES_LG2)];
}

/* Remember no more than that there is such a table. */
static void memo_set(struct pt_memo *memo, const struct pt_memo_visit *visit, enum memo_state state)
{
	*memo_place(memo, visit) = (struct pt_memo_table){
		.table_pa = visit->table_pa,
		.acc = visit->acc,
		.level = (uint8_t)visit->level,
		.state = (uint8_t)state,
	};
}

/*
 * Throw all extents away, and with them the recordings that are going on. One that had all the
 * room will not fit the next time either.
 */
static void memo_clear(struct pt_memo *memo)
{
	while (memo->nr_recordings) {
		const struct pt_memo_recording *recording = &memo->recording[--memo->nr_recordings];

		memo_set(memo, &recording->visit, recording->first ? MEMO_SEEN : MEMO_TOO_LARGE);
	}
	memo->generation++;
	memo->nr_extents = 0;
}

void pt_memo_add(struct pt_memo *memo, const struct pt_out *out, const struct pgw_extent *extent)
{
	if (out->ops->wanted && !out->ops->wanted(extent, out->arg))
		return;
	if (memo->nr_extents == PT_MEMO_EXTENTS)
		memo_clear(memo);
	else
		memo->extents[memo->nr_extents++] = *extent;
}

void pt_memo_note_unreadable(struct pt_memo *memo)
{
	for (unsigned i = 0; i < memo->nr_recordings; i++)
		memo->recording[i].has_unreadable = true;
}

void pt_memo_note_repeat(struct pt_memo *memo)
{
	for (unsigned i = 0; i < memo->nr_recordings; i++)
		memo->recording[i].has_repeats = true;
}

/* Where the extent joins the pending one, or is recorded again. */
static PGW_NOINLINE int memo_join(struct pt_memo *memo, struct pt_out *out,
				  const struct pgw_extent *extent, uint64_t moved)
{
	struct pgw_extent there = *extent;

	there.va_first += moved;
	there.va_last += moved;
	if (pt_memo_is_recording(memo))
		pt_memo_add(memo, out, &there);
	return pt_out_add(out, &there);
}

/* A leaf extent that does not join the pending one, of which there is one. */
static PGW_ALWAYS_INLINE bool memo_is_apart(const struct pt_out *out,
					    const struct pgw_extent *extent, uint64_t moved)
{
	return extent->kind == PGW_ENTRY_LEAF && pt_out_has_pending(out) &&
	       !pt_out_may_join(out->pending, extent->va_first + moved, extent->pa);
}

/*
 * Extents of leaves one after the other, up to one that may join the one before: what is recorded
 * was not joined yet.
 * @return the first one that was not replayed
 */
static const struct pgw_extent *memo_replay_leaves(struct pt_out *out,
						   const struct pgw_extent *extent,
						   const struct pgw_extent *end, uint64_t moved,
						   int *ret_err)
{
	struct pt_out_at to = pt_out_begin(out);
	uint64_t nr_leaves = 0;
	int err = 0;

	for (; extent < end && extent->kind == PGW_ENTRY_LEAF; extent++) {
		if (pgw_unlikely(pt_out_may_join(to.p, extent->va_first + moved, extent->pa)))
			break;
		err = pt_out_next(out, &to, nr_leaves);
		if (pgw_unlikely(err))
			break;
		*to.p = *extent;
		to.p->va_first += moved;
		to.p->va_last += moved;
		nr_leaves += pt_extent_leaves(extent);
	}
	pt_out_commit(out, &to, nr_leaves);
	*ret_err = err;
	return extent;
}

/* If a table around this one is recorded, that may throw the extents away: their memory stays as it is. */
static int memo_replay(struct pt_memo *memo, struct pt_out *out, const struct pt_memo_table *table,
		       uint64_t va)
{
	const struct pgw_extent *extent = memo->extents + table->first;
	const struct pgw_extent *end = extent + table->nr;
	const uint64_t nr_leaves = table->nr_leaves, before = pt_out_leaves(out);
	const uint64_t moved = va - table->va;
	int err = 0;

	out->stats->nr_tables += table->nr_tables;
	out->stats->nr_malformed += table->nr_malformed;
	while (extent < end && !err) {
		if (pgw_likely(!memo->nr_recordings && memo_is_apart(out, extent, moved)))
			extent = memo_replay_leaves(out, extent, end, moved, &err);
		else
			err = memo_join(memo, out, extent++, moved);
	}
	/* Those that nobody wants are there, too, and wait for nothing. */
	if (!err)
		out->stats->nr_leaves += nr_leaves - (pt_out_leaves(out) - before);
	return err;
}

static void memo_push(struct pt_memo *memo, const struct pt_out *out,
		      const struct pt_memo_visit *visit)
{
	memo->recording[memo->nr_recordings++] = (struct pt_memo_recording){
		.visit = *visit,
		.first = memo->nr_extents,
		.nr_tables = out->stats->nr_tables,
		.nr_leaves = pt_out_leaves(out),
		.nr_malformed = out->stats->nr_malformed,
	};
}

/* @return the innermost recording, or NULL */
static const struct pt_memo_recording *memo_top(const struct pt_memo *memo)
{
	return memo->nr_recordings ? &memo->recording[memo->nr_recordings - 1] : NULL;
}

/* The budget is used up as by a visit; where it does not suffice, the visit has to find out. */
static bool memo_fits(const struct pt_out *out, const struct pt_memo_table *table, uint64_t budget)
{
	return table->nr_tables <= budget - out->stats->nr_tables;
}

enum pt_memo_answer pt_memo_begin(struct pt_memo *memo, struct pt_out *out,
				  const struct pt_memo_visit *visit, uint64_t budget, int *ret_err)
{
	const struct pt_memo_table *table = memo_place(memo, visit);

	if (table->state == MEMO_UNUSED || table->table_pa != visit->table_pa ||
	    table->acc != visit->acc || table->level != visit->level) {
		memo_set(memo, visit, MEMO_SEEN);
		return PT_MEMO_SCAN;
	}
	if (table->state == MEMO_TOO_LARGE)
		return PT_MEMO_SCAN;
	if (table->state == MEMO_RECORDED && table->generation == memo->generation) {
		if (!memo_fits(out, table, budget))
			return PT_MEMO_SCAN;
		*ret_err = memo_replay(memo, out, table, visit->va);
		return PT_MEMO_REPLAYED;
	}
	if (!memo->nr_recordings && memo->nr_extents > PT_MEMO_EXTENTS / 2)
		memo_clear(memo);
	memo_push(memo, out, visit);
	return PT_MEMO_RECORD;
}

/* What repeats is more than its extents; but if there are none, nobody wants it. */
static bool memo_is_good(const struct pt_memo *memo, const struct pt_memo_recording *recording)
{
	bool has_extents = memo->nr_extents != recording->first;

	return !recording->has_unreadable && !(recording->has_repeats && has_extents);
}

void pt_memo_end(struct pt_memo *memo, const struct pt_out *out, int err)
{
	const struct pt_memo_recording *recording = memo_top(memo);
	const struct pt_memo_visit *visit;

	/* Thrown away, with all around it; those inside it have ended. */
	if (!recording)
		return;
	visit = &recording->visit;
	memo->nr_recordings--;
	if (err)
		return;
	memo_set(memo, visit, MEMO_SEEN);
	if (!memo_is_good(memo, recording))
		return;
	*memo_place(memo, visit) = (struct pt_memo_table){
		.table_pa = visit->table_pa,
		.acc = visit->acc,
		.va = visit->va,
		.nr_tables = out->ops->wanted ? 1 : out->stats->nr_tables - recording->nr_tables,
		.nr_leaves = pt_out_leaves(out) - recording->nr_leaves,
		.nr_malformed = out->stats->nr_malformed - recording->nr_malformed,
		.first = recording->first,
		.nr = memo->nr_extents - recording->first,
		.generation = memo->generation,
		.level = (uint8_t)visit->level,
		.state = MEMO_RECORDED,
	};
}
