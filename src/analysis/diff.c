/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>

#include "analysis/look.h"
#include "base/bits.h"

/* Extents that are read ahead of the comparison, of each side. */
#define SIDE_AHEAD 256
/* Ends a scan whose extents are enough for now. */
#define SIDE_FULL 1

/* Pieces of the comparison. */
#define LOOK_EVERY (1 << 14)

/* One of the two, of which extents are taken one by one. */
struct side {
	struct pgw_mm *mm;
	uint64_t next, last; /* what is still to be scanned, inclusive */
	bool is_done;
	struct pgw_extent ahead[SIDE_AHEAD];
	size_t nr, at;
	struct pgw_extent extent; /* what is left of the first one; if has_extent */
	bool has_extent;
	uint64_t nr_unreadable, nr_malformed;
	uint64_t
		nr_left; /* extents that may still be taken: a scan's own budget begins anew with each */
};

struct diff {
	const struct pgw_diff_args *args;
	struct side before, after;
	uint64_t mask[PGW_MAX_LEVELS];
	struct pgw_change change; /* held back, for the next one to be joined; if what is not 0 */
	struct pgw_extent last_before, last_after; /* its last pieces */
	struct pgw_diff_summary *sums;
};

static int side_extent(const struct pgw_extent *extent, void *arg)
{
	struct side *side = (struct side *)arg;

	side->ahead[side->nr++] = *extent;
	side->nr_unreadable += extent->kind == PGW_ENTRY_UNREADABLE;
	side->nr_malformed += extent->kind == PGW_ENTRY_MALFORMED;
	return side->nr == SIDE_AHEAD ? SIDE_FULL : 0;
}

static int side_fill(struct side *side)
{
	int status;

	side->nr = side->at = 0;
	if (side->is_done)
		return 0;
	if (!side->nr_left)
		return -PGW_E2BIG;
	status = pgw_scan_extents(side->mm, side->next, side->last, side_extent, side);
	if (status < 0)
		return status;
	side->nr_left -= side->nr_left < side->nr ? side->nr_left : side->nr;
	if (status == SIDE_FULL && side->ahead[side->nr - 1].va_last < side->last)
		side->next = side->ahead[side->nr - 1].va_last + 1;
	else
		side->is_done = true;
	return 0;
}

/* See to it that there is an extent, if there are more. */
static int side_look(struct side *side)
{
	int status = 0;

	if (side->has_extent)
		return 0;
	if (side->at == side->nr)
		status = side_fill(side);
	if (!status && side->at < side->nr) {
		side->extent = side->ahead[side->at++];
		side->has_extent = true;
	}
	return status;
}

/* Cut off what comes before va. */
static void side_cut(struct side *side, const struct pgw_format *format, uint64_t va)
{
	struct pgw_extent *extent = &side->extent;
	uint64_t bytes = va - extent->va_first;

	if (extent->va_last < va || !va) {
		side->has_extent = false;
		return;
	}
	extent->va_first = va;
	if (extent->kind != PGW_ENTRY_LEAF)
		return;
	extent->pa += bytes;
	extent->entry = pgw_entry_advance(format, extent->entry, extent->level,
					  bytes & ~low_bits(extent->leaf_lg2));
}

static unsigned compare(const struct diff *d, const struct pgw_extent *a,
			const struct pgw_extent *b)
{
	unsigned what = 0;

	if (a->kind != b->kind)
		return PGW_CHANGE_KIND;
	if (a->kind != PGW_ENTRY_LEAF)
		return 0;
	what |= a->pa != b->pa ? PGW_CHANGE_MOVED : 0;
	what |= a->rights != b->rights ? PGW_CHANGE_RIGHTS : 0;
	what |= a->leaf_lg2 != b->leaf_lg2 ? PGW_CHANGE_SIZE : 0;
	if (a->level == b->level && a->rights == b->rights && a->leaf_lg2 == b->leaf_lg2 &&
	    (a->entry ^ b->entry) & d->mask[a->level])
		what |= PGW_CHANGE_ATTRS;
	return what;
}

static int diff_flush(struct diff *d)
{
	struct pgw_change *change = &d->change;
	uint64_t bytes = change->va_last - change->va_first + 1;
	int status = 0;

	if (!change->what)
		return 0;
	d->sums->nr_changes++;
	for (unsigned i = 0; i < _PGW_CHANGE_NR; i++)
		d->sums->bytes[i] += change->what >> i & 1 ? bytes : 0;
	if (d->args->fn)
		status = d->args->fn(change, d->args->arg);
	change->what = 0;
	return status;
}

/* Are two pieces of one side, one behind the other, told as one? */
static bool is_same(const struct diff *d, const struct pgw_extent *a, const struct pgw_extent *b)
{
	return a->kind == b->kind && a->rights == b->rights && a->leaf_lg2 == b->leaf_lg2 &&
	       a->level == b->level &&
	       (a->kind != PGW_ENTRY_LEAF || ((a->entry ^ b->entry) & d->mask[a->level]) == 0);
}

static bool follows(const struct pgw_extent *a, const struct pgw_extent *b)
{
	return a->kind != PGW_ENTRY_LEAF || a->pa + (b->va_first - a->va_first) == b->pa;
}

/* A piece that differs; before or after may be of kind PGW_ENTRY_EMPTY. */
static int diff_piece(struct diff *d, unsigned what, const struct pgw_extent *before,
		      const struct pgw_extent *after)
{
	struct pgw_change *change = &d->change;
	int status;

	if (change->what == what && change->va_last + 1 == before->va_first &&
	    is_same(d, &d->last_before, before) && is_same(d, &d->last_after, after)) {
		change->is_scattered |=
			!follows(&d->last_before, before) || !follows(&d->last_after, after);
		change->va_last = before->va_last;
	} else {
		status = diff_flush(d);
		if (status)
			return status;
		*change = (struct pgw_change){ .what = what,
					       .va_first = before->va_first,
					       .va_last = before->va_last,
					       .before = *before,
					       .after = *after };
	}
	d->last_before = *before;
	d->last_after = *after;
	return 0;
}

/* What is nowhere on the one side. */
static struct pgw_extent nothing(const struct pgw_extent *extent)
{
	return (struct pgw_extent){
		.va_first = extent->va_first,
		.va_last = extent->va_last,
		.kind = PGW_ENTRY_EMPTY,
	};
}

/* The next piece in which neither side changes; there is an extent on one side at least. */
static int diff_step(struct diff *d)
{
	struct side *a = &d->before, *b = &d->after;
	const struct pgw_format *format = pgw_mm_format(a->mm);
	bool only_a = a->has_extent && (!b->has_extent || a->extent.va_first < b->extent.va_first);
	bool only_b = b->has_extent && (!a->has_extent || b->extent.va_first < a->extent.va_first);
	struct pgw_extent before = a->extent, after = b->extent;
	unsigned what = PGW_CHANGE_VANISHED;
	int status;

	if (only_a) {
		if (b->has_extent && before.va_last >= after.va_first)
			before.va_last = after.va_first - 1;
		after = nothing(&before);
	} else if (only_b) {
		what = PGW_CHANGE_APPEARED;
		if (a->has_extent && after.va_last >= before.va_first)
			after.va_last = before.va_first - 1;
		before = nothing(&after);
	} else {
		what = compare(d, &before, &after);
		if (before.va_last > after.va_last)
			before.va_last = after.va_last;
		after.va_last = before.va_last;
	}
	status = what ? diff_piece(d, what, &before, &after) : 0;
	if (!what && before.kind == PGW_ENTRY_LEAF)
		d->sums->same_bytes += before.va_last - before.va_first + 1;
	if (!only_b)
		side_cut(a, format, before.va_last + 1);
	if (!only_a)
		side_cut(b, format, before.va_last + 1);
	return status;
}

static int diff_run(struct diff *d)
{
	bool is_ended = false;
	uint64_t nr = 0;
	int status = 0;

	while (!status) {
		status = side_look(&d->before);
		if (!status)
			status = side_look(&d->after);
		if (status || (!d->before.has_extent && !d->after.has_extent))
			break;
		status = diff_step(d);
		if (!status && d->args->look && ++nr % LOOK_EVERY == 0) {
			status = d->args->look(d->args->arg, nr);
			is_ended = status != 0;
		}
	}
	if (status == -PGW_E2BIG || is_ended) {
		int stop = diff_flush(d);

		return stop ? stop : status;
	}
	return status ? status : diff_flush(d);
}

int pgw_diff(const struct pgw_diff_args *args, struct pgw_diff_summary *ret)
{
	struct diff *d;
	int status;

	if (pgw_mm_format(args->before) != pgw_mm_format(args->after) ||
	    pgw_mm_region(args->before)->kind != pgw_mm_region(args->after)->kind)
		return -PGW_EINVAL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -PGW_ENOMEM;
	d->args = args;
	d->sums = ret;
	d->before.mm = args->before;
	d->after.mm = args->after;
	d->before.next = d->after.next = args->first;
	d->before.last = d->after.last = args->last;
	d->before.nr_left = pgw_mm_budget(args->before);
	d->after.nr_left = pgw_mm_budget(args->after);
	look_masks(pgw_mm_format(args->before), d->mask);
	status = diff_run(d);
	ret->nr_malformed += d->before.nr_malformed + d->after.nr_malformed;
	ret->nr_unreadable += d->before.nr_unreadable + d->after.nr_unreadable;
	free(d);
	return status;
}
