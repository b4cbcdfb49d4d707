/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include "analysis/fold.h"
#include "base/bits.h"

/** What ends a scan because of max_lines. */
#define DUMP_OUT_OF_LINES 1

/*
 * Memory does not grow with the tables: one extent is held back, to see
 * whether the next one continues it.
 */
struct dump {
	const struct pgw_dump_args *args;
	struct pgw_dump_summary *summary;
	uint64_t attr_mask[PGW_MAX_LEVELS];
	struct pgw_extent pending;
	struct pgw_absent absent; /* if the pending extent is */
	bool has_pending;
	bool has_filter;
	struct fold *fold; /* or NULL */
	uint64_t nr_lines; /* that may still be reported */
	bool out_of_lines;
	uint64_t lines_va; /* the first address that was not reported, if out_of_lines */
	/* What fn did not get of the block in which it ended the dump. */
	bool was_refused;
	uint64_t refused_va; /* the first address */
	struct pgw_scan_stats refused;
};

static uint64_t dump_nr_leaves(const struct pgw_extent *extent)
{
	return (extent->va_last >> extent->leaf_lg2) - (extent->va_first >> extent->leaf_lg2) + 1;
}

static inline int dump_emit(struct dump *dump, const struct pgw_extent *extent)
{
	if (extent->kind == PGW_ENTRY_LEAF) {
		struct pgw_dump_summary *summary = dump->summary;
		uint64_t nr_leaves = dump_nr_leaves(extent);

		summary->nr_ranges++;
		summary->nr_lines++;
		summary->nr_leaves += nr_leaves;
		summary->bytes += extent->va_last - extent->va_first + 1;
		summary->level_leaves[extent->level] += nr_leaves;
	} else if (extent->kind == PGW_ENTRY_ABSENT) {
		dump->summary->nr_absent += dump_nr_leaves(extent);
	}
	return dump->args->fn(extent, dump->args->arg);
}

static int dump_end_lines(struct dump *dump, uint64_t va)
{
	dump->out_of_lines = true;
	dump->lines_va = va;
	return DUMP_OUT_OF_LINES;
}

/* More than may be reported: of a run as many leaves as may, of all else nothing. */
static PGW_NOINLINE int dump_emit_some(struct dump *dump, const struct pgw_extent *extent)
{
	struct pgw_extent part = *extent;
	uint64_t end = ((extent->va_first >> extent->leaf_lg2) + dump->nr_lines)
		       << extent->leaf_lg2;
	int err;

	if (!dump->nr_lines)
		return dump_end_lines(dump, extent->va_first);
	dump->nr_lines = 0;
	part.va_last = end - 1;
	err = dump_emit(dump, &part);
	return err ? err : dump_end_lines(dump, end);
}

static inline int dump_report(struct dump *dump, const struct pgw_extent *extent)
{
	uint64_t nr_lines = 1;

	if (dump->fold)
		return fold_add(dump->fold, extent);
	if (dump->args->merge == PGW_DUMP_RUNS && extent->kind == PGW_ENTRY_LEAF)
		nr_lines = dump_nr_leaves(extent);
	if (pgw_unlikely(nr_lines > dump->nr_lines))
		return dump_emit_some(dump, extent);
	dump->nr_lines -= nr_lines;
	return dump_emit(dump, extent);
}

/* What the fold has. */
static int dump_folded(const struct pgw_extent *extent, const struct pgw_repeats *repeats,
		       void *arg)
{
	struct dump *dump = (struct dump *)arg;
	const struct pgw_dump_args *args = dump->args;

	if (!dump->nr_lines)
		return dump_end_lines(dump, extent->va_first);
	dump->nr_lines--;
	dump->summary->nr_lines += extent->kind == PGW_ENTRY_LEAF;
	return repeats->nr ? args->repeated_fn(extent, repeats, args->arg)
			   : args->fn(extent, args->arg);
}

static int dump_flush(struct dump *dump)
{
	if (!dump->has_pending)
		return 0;
	dump->has_pending = false;
	return dump_report(dump, &dump->pending);
}

/*
 * Cut an extent of leaves down to the leaves that map any of the wanted
 * physical addresses. Addresses stay congruent modulo the leaf size, and the
 * entry's address moves with the first leaf.
 */
static bool dump_clip_pa(const struct dump *dump, struct pgw_extent *extent)
{
	const struct pgw_dump_filter *filter = &dump->args->filter;
	uint64_t in_leaf = low_bits(extent->leaf_lg2);
	uint64_t wanted_first = filter->pa_first & ~in_leaf;
	uint64_t wanted_last = filter->pa_last | in_leaf;
	uint64_t pa_last = extent->pa + (extent->va_last - extent->va_first);

	if (extent->pa > wanted_last || pa_last < wanted_first)
		return false;
	if (pa_last > wanted_last)
		extent->va_last -= pa_last - wanted_last;
	if (extent->pa < wanted_first) {
		extent->entry =
			pgw_entry_advance(pgw_mm_format(dump->args->mm), extent->entry,
					  extent->level, wanted_first - (extent->pa & ~in_leaf));
		extent->va_first += wanted_first - extent->pa;
		extent->pa = wanted_first;
	}
	return true;
}

static bool dump_is_wanted(const struct dump *dump, struct pgw_extent *extent)
{
	const struct pgw_dump_filter *filter = &dump->args->filter;

	if ((filter->levels || filter->sizes) && !(filter->levels & BIT(extent->level)) &&
	    !(filter->sizes & BIT(extent->leaf_lg2)))
		return false;
	if ((extent->rights & filter->rights_all) != filter->rights_all ||
	    (extent->rights & filter->rights_none))
		return false;
	return !filter->has_pa || dump_clip_pa(dump, extent);
}

static int dump_merge(struct dump *dump, const struct pgw_extent *extent)
{
	int err;

	if (dump->has_pending && fold_continues(dump->attr_mask, &dump->pending, extent)) {
		dump->pending.va_last = extent->va_last;
		return 0;
	}
	err = dump_flush(dump);
	if (err)
		return err;
	dump->pending = *extent;
	dump->has_pending = true;
	return 0;
}

static int dump_leaves(struct dump *dump, const struct pgw_extent *run)
{
	struct pgw_extent clipped;

	if (dump->has_filter) {
		clipped = *run;
		if (!dump_is_wanted(dump, &clipped))
			return 0;
		run = &clipped;
	}
	return dump->args->merge == PGW_DUMP_RUNS ? dump_report(dump, run) : dump_merge(dump, run);
}

static bool dump_absent_is_wanted(const struct dump *dump, const struct pgw_extent *extent,
				  const struct pgw_absent *absent)
{
	const struct pgw_dump_filter *filter = &dump->args->filter;
	uint64_t pa_first = absent->pa & ~low_bits(extent->leaf_lg2);

	if ((filter->levels || filter->sizes) && !(filter->levels & BIT(extent->level)) &&
	    !(filter->sizes & BIT(extent->leaf_lg2)))
		return false;
	if (filter->rights_all || filter->rights_none)
		return false;
	return !filter->has_pa ||
	       ((absent->flags & PGW_ABSENT_HAS_PA) && pa_first <= filter->pa_last &&
		(pa_first | low_bits(extent->leaf_lg2)) >= filter->pa_first);
}

static bool dump_absent_continues(const struct dump *dump, const struct pgw_extent *one,
				  const struct pgw_absent *absent)
{
	const struct pgw_extent *pending = &dump->pending;

	return dump->has_pending && pending->kind == PGW_ENTRY_ABSENT &&
	       pending->level == one->level && pending->va_last + 1 == one->va_first &&
	       pgw_absent_continues(pgw_mm_format(dump->args->mm), &dump->absent, absent,
				    one->va_first - pending->va_first);
}

/* Say what one entry means. */
static void dump_decode_absent(const struct dump *dump, struct pgw_extent *one,
			       struct pgw_absent *ret)
{
	const struct pgw_format *format = pgw_mm_format(dump->args->mm);

	one->leaf_lg2 = pgw_format_geometry(format)->span_lg2[one->level];
	pgw_linux_absent(dump->args->absent, format, pgw_mm_region(dump->args->mm)->kind,
			 one->level, one->entry, ret);
	if (ret->flags & PGW_ABSENT_HAS_PA)
		one->pa = ret->pa |= one->va_first & low_bits(one->leaf_lg2);
}

/* One entry, which may continue the pending run. */
static int dump_absent(struct dump *dump, const struct pgw_extent *extent)
{
	struct pgw_extent one = *extent;
	struct pgw_absent absent;
	int err;

	dump_decode_absent(dump, &one, &absent);
	if (!dump_absent_is_wanted(dump, &one, &absent))
		return 0;
	if (dump->args->merge == PGW_DUMP_RUNS)
		return dump_report(dump, &one);
	if (dump_absent_continues(dump, &one, &absent)) {
		dump->pending.va_last = one.va_last;
		return 0;
	}
	err = dump_flush(dump);
	if (err)
		return err;
	dump->pending = one;
	dump->absent = absent;
	dump->has_pending = true;
	return 0;
}

static int dump_odd(struct dump *dump, const struct pgw_extent *extent)
{
	int err = dump_flush(dump);

	return err ? err : dump_report(dump, extent);
}

/* After extents[0] nothing is looked at. The scan has counted the whole block. */
static void dump_refuse(struct dump *dump, const struct pgw_extent *extents, size_t nr)
{
	dump->was_refused = true;
	dump->refused_va = extents[0].va_last + 1;
	for (size_t i = 1; i < nr; i++) {
		if (extents[i].kind == PGW_ENTRY_LEAF)
			dump->refused.nr_leaves += dump_nr_leaves(&extents[i]);
		dump->refused.nr_unreadable += extents[i].kind == PGW_ENTRY_UNREADABLE;
	}
}

static int dump_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct dump *dump = (struct dump *)arg;

	for (size_t i = 0; i < nr; i++) {
		int err = extents[i].kind == PGW_ENTRY_LEAF     ? dump_leaves(dump, &extents[i])
			  : extents[i].kind == PGW_ENTRY_ABSENT ? dump_absent(dump, &extents[i])
								: dump_odd(dump, &extents[i]);

		if (err) {
			dump_refuse(dump, &extents[i], nr - i);
			return err;
		}
	}
	return 0;
}

/* What the filter says of an extent does not depend on where it is. */
static bool dump_wants(const struct pgw_extent *extent, void *arg)
{
	const struct dump *dump = (const struct dump *)arg;
	struct pgw_extent copy = *extent;
	struct pgw_absent absent;

	if (extent->kind == PGW_ENTRY_LEAF)
		return dump_is_wanted(dump, &copy);
	if (extent->kind != PGW_ENTRY_ABSENT)
		return true;
	dump_decode_absent(dump, &copy, &absent);
	return dump_absent_is_wanted(dump, &copy, &absent);
}

static int dump_begin(uint64_t nr, uint64_t step, void *arg)
{
	struct dump *dump = (struct dump *)arg;
	int err = dump_flush(dump);

	return err ? err : fold_begin(dump->fold, nr, step);
}

static int dump_end(void *arg)
{
	struct dump *dump = (struct dump *)arg;
	int err = dump_flush(dump);

	return err ? err : fold_end(dump->fold);
}

static int dump_scan(struct dump *dump, struct pgw_scan_stats *stats)
{
	const struct pgw_dump_args *args = dump->args;
	const struct pgw_scan_ops ops = {
		.extents = dump_extents,
		.begin = dump->fold ? dump_begin : NULL,
		.end = dump->fold ? dump_end : NULL,
		.wanted = dump->has_filter ? dump_wants : NULL,
		.absent = args->absent != NULL,
	};
	int err;

	if (ops.begin || ops.wanted || ops.absent)
		err = pgw_scan_with(args->mm, args->first, args->last, &ops, dump, stats);
	else
		err = pgw_scan_parallel(args->mm, args->first, args->last, args->workers,
					dump_extents, dump, stats);
	if (dump->was_refused) {
		stats->truncated_va = dump->refused_va;
		stats->nr_leaves -= dump->refused.nr_leaves;
		stats->nr_unreadable -= dump->refused.nr_unreadable;
	}
	return err;
}

static void dump_add_stats(struct pgw_scan_stats *sum, const struct pgw_scan_stats *stats)
{
	sum->nr_tables += stats->nr_tables;
	sum->nr_leaves += stats->nr_leaves;
	sum->nr_malformed += stats->nr_malformed;
	sum->nr_unreadable += stats->nr_unreadable;
	sum->nr_torn += stats->nr_torn;
	if (stats->truncated && !sum->truncated) {
		sum->truncated = true;
		sum->truncated_va = stats->truncated_va;
	}
}

/* What was held back of the last addresses. */
static int dump_finish(struct dump *dump, struct pgw_scan_stats *stats)
{
	uint64_t end = dump->has_pending ? dump->pending.va_last + 1 : stats->truncated_va;
	int err = dump_flush(dump);

	if (!err && dump->fold)
		err = fold_flush(dump->fold);
	if (err) {
		stats->truncated = true;
		stats->truncated_va = end;
	}
	return err;
}

/* The sums of what was folded: the scan has counted parts of one range as several. */
static void dump_add_folded(struct dump *dump, struct pgw_scan_stats *stats)
{
	const struct fold_sum *sum = fold_finish(dump->fold);
	struct pgw_dump_summary *summary = dump->summary;

	summary->nr_ranges += sum->nr_ranges;
	summary->nr_leaves += sum->nr_leaves;
	summary->bytes += sum->bytes;
	summary->nr_absent += sum->nr_absent;
	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		summary->level_leaves[level] += sum->level_leaves[level];
	stats->nr_unreadable = sum->nr_unreadable;
}

static bool filter_is_set(const struct pgw_dump_filter *filter)
{
	return filter->rights_all || filter->rights_none || filter->levels || filter->sizes ||
	       filter->has_pa;
}

static bool dump_args_ok(const struct pgw_dump_args *args)
{
	return args && args->mm && args->fn &&
	       (args->merge == PGW_DUMP_RANGES || args->merge == PGW_DUMP_RUNS) &&
	       (!args->filter.has_pa || args->filter.pa_first <= args->filter.pa_last);
}

/*
 * Stops when the range is done, fn says so, or the budget is used up; in the
 * last case what is held back was seen whole and is still reported.
 */
int pgw_dump(const struct pgw_dump_args *args, struct pgw_dump_summary *ret)
{
	struct dump dump = { .args = args, .summary = ret };
	struct pgw_scan_stats stats = { 0 };
	const struct pgw_format *format;
	struct fold fold = { .attr_mask = dump.attr_mask, .fn = dump_folded, .arg = &dump };
	int err, flush_err;

	if (!dump_args_ok(args) || !ret)
		return -PGW_EINVAL;
	format = pgw_mm_format(args->mm);
	for (unsigned level = 0; level <= pgw_format_geometry(format)->top_level; level++)
		dump.attr_mask[level] =
			pgw_format_attr_mask_with(format, pgw_mm_control(args->mm), level);

	dump.has_filter = filter_is_set(&args->filter);
	dump.nr_lines = args->max_lines ? args->max_lines : UINT64_MAX;
	if (args->repeated_fn && args->merge == PGW_DUMP_RANGES)
		dump.fold = &fold;
	err = dump_scan(&dump, &stats);
	if (err == 0 || err == -PGW_E2BIG) {
		flush_err = dump_finish(&dump, &stats);
		err = flush_err ? flush_err : err;
	}
	if (dump.fold)
		dump_add_folded(&dump, &stats);
	if (dump.out_of_lines) {
		ret->out_of_lines = true;
		stats.truncated_va = dump.lines_va;
		err = -PGW_E2BIG;
	}
	dump_add_stats(&ret->scan, &stats);
	return err;
}
