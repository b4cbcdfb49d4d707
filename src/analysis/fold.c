/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/fold.h"

/* A leaf or absent entry that is there fewer times, and not by a table that repeats, has a line each time. */
#define FOLD_MIN_LEAVES 8

bool fold_continues(const uint64_t *attr_mask, const struct pgw_extent *a,
		    const struct pgw_extent *b)
{
	return a->kind == b->kind && a->level == b->level && a->leaf_lg2 == b->leaf_lg2 &&
	       a->rights == b->rights && a->va_last + 1 == b->va_first &&
	       b->pa - a->pa == b->va_first - a->va_first &&
	       ((a->entry ^ b->entry) & attr_mask[a->level]) == 0;
}

static bool fold_is_odd(const struct pgw_extent *extent)
{
	return extent->kind == PGW_ENTRY_MALFORMED || extent->kind == PGW_ENTRY_UNREADABLE ||
	       extent->kind == PGW_ENTRY_TORN;
}

/* ---- sums ---- */

/* Are the two one range, if nothing is folded? */
static bool fold_joins(const struct fold *fold, const struct pgw_extent *a,
		       const struct pgw_extent *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == PGW_ENTRY_LEAF)
		return fold_continues(fold->attr_mask, a, b);
	return a->level == b->level && a->va_last + 1 == b->va_first;
}

static struct pgw_extent fold_moved(const struct pgw_extent *extent, uint64_t bytes)
{
	struct pgw_extent ret = *extent;

	ret.va_first += bytes;
	ret.va_last += bytes;
	return ret;
}

/* nr times, a and then b were counted as two, and are one. */
static void fold_count_joined(struct fold_sum *sum, enum pgw_entry_kind kind, uint64_t nr)
{
	if (kind == PGW_ENTRY_LEAF)
		sum->nr_ranges -= nr;
	else if (kind == PGW_ENTRY_UNREADABLE)
		sum->nr_unreadable -= nr;
}

static struct fold_sum fold_sum_of(const struct pgw_extent *extent)
{
	struct fold_sum ret = { .has_any = true, .first = *extent, .last = *extent };
	uint64_t nr =
		(extent->va_last >> extent->leaf_lg2) - (extent->va_first >> extent->leaf_lg2) + 1;

	if (extent->kind == PGW_ENTRY_LEAF) {
		ret.nr_ranges = 1;
		ret.bytes = extent->va_last - extent->va_first + 1;
		ret.nr_leaves = nr;
		ret.level_leaves[extent->level] = nr;
	}
	if (extent->kind == PGW_ENTRY_ABSENT)
		ret.nr_absent = nr;
	ret.nr_unreadable = extent->kind == PGW_ENTRY_UNREADABLE;
	return ret;
}

static void fold_sum_add(const struct fold *fold, struct fold_sum *sum, const struct fold_sum *more)
{
	if (!more->has_any)
		return;
	if (!sum->has_any)
		sum->first = more->first;
	else if (fold_joins(fold, &sum->last, &more->first))
		fold_count_joined(sum, more->first.kind, 1);
	sum->nr_ranges += more->nr_ranges;
	sum->nr_leaves += more->nr_leaves;
	sum->bytes += more->bytes;
	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		sum->level_leaves[level] += more->level_leaves[level];
	sum->nr_unreadable += more->nr_unreadable;
	sum->nr_absent += more->nr_absent;
	sum->last = more->last;
	sum->has_any = true;
}

static void fold_sum_repeat(const struct fold *fold, struct fold_sum *sum,
			    const struct pgw_repeat *by)
{
	struct pgw_extent next = fold_moved(&sum->first, by->step);

	sum->nr_ranges *= by->nr;
	sum->nr_leaves *= by->nr;
	sum->bytes *= by->nr;
	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		sum->level_leaves[level] *= by->nr;
	sum->nr_unreadable *= by->nr;
	sum->nr_absent *= by->nr;
	if (sum->has_any && fold_joins(fold, &sum->last, &next))
		fold_count_joined(sum, next.kind, by->nr - 1);
	sum->last = fold_moved(&sum->last, (by->nr - 1) * by->step);
}

/* ---- ranges ---- */

/* One more repeat around those that there are; it may be that they go on in it. */
static void fold_repeats_add(struct pgw_repeats *repeats, const struct pgw_repeat *by)
{
	struct pgw_repeat *next = &repeats->by[repeats->nr];

	if (by->nr < 2)
		return;
	repeats->va_last += (by->nr - 1) * by->step;
	if (repeats->nr && by->step == next[-1].nr * next[-1].step) {
		next[-1].nr *= by->nr;
		return;
	}
	*next = *by;
	repeats->nr++;
}

static int fold_report(struct fold *fold, struct pgw_extent extent, const struct pgw_repeat *by)
{
	struct pgw_repeats repeats = { .va_last = extent.va_last };
	struct fold_sum sum = fold_sum_of(&extent);
	int err;

	fold_sum_repeat(fold, &sum, by);
	fold_repeats_add(&repeats, by);
	for (unsigned i = fold->depth; i > 0; i--)
		fold_repeats_add(&repeats, &fold->open[i].by);
	/* Runs of what is odd have no address that would be another each time. */
	if (fold_is_odd(&extent) && repeats.nr &&
	    repeats.by[0].step == extent.va_last - extent.va_first + 1) {
		extent.va_last += (repeats.by[0].nr - 1) * repeats.by[0].step;
		repeats.nr--;
		for (unsigned i = 0; i < repeats.nr; i++)
			repeats.by[i] = repeats.by[i + 1];
	}
	err = fold->fn(&extent, &repeats, fold->arg);
	if (!err)
		fold_sum_add(fold, &fold->open[fold->depth].sum, &sum);
	return err;
}

int fold_flush(struct fold *fold)
{
	const struct pgw_repeat by = fold->held_by, once = { .nr = 1 };
	int err = 0;

	fold->held_by.nr = 0;
	if (by.nr >= FOLD_MIN_LEAVES)
		return fold_report(fold, fold->held, &by);
	for (uint64_t i = 0; i < by.nr && !err; i++)
		err = fold_report(fold, fold_moved(&fold->held, i * by.step), &once);
	return err;
}

/* The same leaves, or absent entries, at another address. */
static bool fold_is_copy(const struct fold *fold, const struct pgw_extent *a,
			 const struct pgw_extent *b)
{
	uint64_t mask = a->kind == PGW_ENTRY_LEAF ? fold->attr_mask[a->level] : UINT64_MAX;

	return a->kind == b->kind && !fold_is_odd(a) && a->level == b->level &&
	       a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights && a->pa == b->pa &&
	       a->va_last - a->va_first == b->va_last - b->va_first &&
	       ((a->entry ^ b->entry) & mask) == 0;
}

int fold_add(struct fold *fold, const struct pgw_extent *extent)
{
	struct pgw_repeat *by = &fold->held_by;
	uint64_t distance = extent->va_first - fold->held.va_first;
	int err = 0;

	if (by->nr && fold_is_copy(fold, &fold->held, extent)) {
		if (by->nr == 1)
			by->step = distance;
		if (distance == by->nr * by->step) {
			by->nr++;
			return 0;
		}
		/* Two may be at any distance: the second may be the first of more. */
		if (by->nr == 2) {
			struct pgw_extent second = fold_moved(&fold->held, by->step);

			by->nr = 1;
			err = fold_flush(fold);
			fold->held = second;
			*by = (struct pgw_repeat){ .nr = 2, .step = distance - by->step };
			return err;
		}
	}
	err = fold_flush(fold);
	fold->held = *extent;
	by->nr = 1;
	return err;
}

int fold_begin(struct fold *fold, uint64_t nr, uint64_t step)
{
	int err = fold_flush(fold);

	fold->open[++fold->depth] = (struct fold_open){ .by = { .nr = nr, .step = step } };
	return err;
}

/* Count what is open as often as it is there. */
static void fold_close(struct fold *fold)
{
	struct fold_open *open = &fold->open[fold->depth--];

	fold_sum_repeat(fold, &open->sum, &open->by);
	fold_sum_add(fold, &fold->open[fold->depth].sum, &open->sum);
}

int fold_end(struct fold *fold)
{
	int err = fold_flush(fold);

	fold_close(fold);
	return err;
}

const struct fold_sum *fold_finish(struct fold *fold)
{
	while (fold->depth)
		fold_close(fold);
	return &fold->open[0].sum;
}
