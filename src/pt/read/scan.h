/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_SCAN_H
#define PT_SCAN_H

/*
 * What a scan has in hand, whatever the format: extents that wait to be handed
 * on, what was met, and a memo of subtrees that several entries share.
 *
 * Runs are found inside a table by the format's template (tmpl_scan.h), and
 * joined across tables in the pending extent. Memory does not grow with what
 * is found.
 */

#include "base/bits.h"
#include "pt/pt.h"
#include "pt/read/live.h"
#include "pt/read/memo.h"
#include "pt/read/scan_out.h"
#include "pt/simd/vec.h"

#define PT_SCAN_COPY 512 /* items of a lowest table that are copied at once */

struct pt_scan {
	const struct pt *pt;
	const struct pt_vec *vec;
	struct pt_memo *memo; /* or NULL */
	uint64_t budget;
	bool memo_allowed; /* to be allocated when it pays */
	bool is_torn;      /* what could not be read changes each time that it is */
	bool has_shared;   /* two neighbours were seen to point to one table */
	struct pt_out out;
	uint64_t copy[PT_SCAN_COPY]; /* items of the lowest table that is looked at */
};

/** A table that is to be scanned. */
struct pt_scan_at {
	uint64_t table_pa;
	uint64_t va;          /* of item 0 */
	uint64_t first, last; /* the part of the range that lies in this table, inclusive */
	pt_acc_t acc;
	struct pt_parent parent; /* for live machines */
};

typedef int pt_scan_table_fn(struct pt_scan *s, const struct pt_scan_at *at, unsigned level);

/** scan_blocks of struct pt_ops, from the root's table on. */
int pt_scan_root(const struct pt *pt, const struct pt_scan_at *at, pt_scan_table_fn *scan_table,
		 const struct pgw_scan_ops *ops, void *arg, struct pgw_scan_stats *stats);

/**
 * Copy items from index on, at most max.
 * @param nr in: how many are wanted; out: how many were copied, or cannot be read
 */
bool pt_scan_copy(struct pt_scan *s, const struct pt_scan_at *at, unsigned index, uint64_t *copy,
		  unsigned max, unsigned *nr);

/** Visit a table: from the memo, or by scan_table. */
int pt_scan_visit(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
		  pt_scan_table_fn *scan_table);

/**
 * How many slots from index on lead to one subtree: have the same entry, and lie
 * whole in the range? 1 also if the range cuts the first. Pre: the scan folds; s->copy is free.
 */
unsigned pt_scan_copies(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
			unsigned index, uint64_t entry);

/** Visit a table that lies whole in the range and is there nr times. */
int pt_scan_repeat(struct pt_scan *s, const struct pt_scan_at *at, unsigned level, unsigned nr,
		   pt_scan_table_fn *scan_table);

/** scan of struct pt_ops, for any format: by the format's scan_blocks. */
int pt_scan_each(const struct pt *pt, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
		 struct pgw_scan_stats *stats);

/** pt_out_add(), and to the memo if it is recording. */
int pt_scan_add(struct pt_scan *s, const struct pgw_extent *extent);

/** Item index of a table is malformed. */
int pt_scan_malformed(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
		      unsigned index, uint64_t entry);

/** Items index to index + nr - 1 of a table cannot be read, or not twice the same (s->is_torn). */
int pt_scan_unreadable(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
		       unsigned index, unsigned nr);

/** Item index of a table is absent, and wanted. */
int pt_scan_absent(struct pt_scan *s, const struct pt_scan_at *at, unsigned level, unsigned index,
		   uint64_t entry);

/** The budget has run out before va: note that. @return -PGW_E2BIG */
int pt_scan_exhausted(struct pt_scan *s, uint64_t va);

/** Short runs that end in 64 items, or in as many as the format finds worth it. */
typedef int pt_scan_bursts_fn(struct pt_scan *s, const struct pt_vec_row *row,
			      struct pt_vec_at *at);

/* Below this many items the short-run path does not pay: a long run, or another kind, follows soon. */
#define PT_SCAN_MANY_ITEMS 32

/** Short runs were looked for from item before on: is it worth it to go on? */
static PGW_ALWAYS_INLINE bool pt_scan_goes_on(const struct pt_vec_row *row,
					      const struct pt_vec_at *at, unsigned before)
{
	return at->i - before >= PT_SCAN_MANY_ITEMS && row->nr - at->i > 1;
}

/**
 * Many short runs: find out for 64 items at once where runs end. Stops at an
 * entry of another kind, in the last run, and where runs are long.
 * Pre: the row has its items, nr, va and step; all else is filled in here, from the pending extent. That
 * ends before item at->i with leaves of one item. Item at->i does not continue it, unless by bits of
 * the address that are out of line.
 */
int pt_scan_short_runs(struct pt_scan *s, struct pt_vec_row *row, struct pt_vec_at *at,
		       pt_scan_bursts_fn *bursts);

/** Items index to index + nr - 1 of a table: the addresses they span, clipped to the range. */
static PGW_ALWAYS_INLINE void pt_scan_clip(const struct pt_scan_at *at, unsigned span_lg2,
					   unsigned index, unsigned nr, struct pgw_extent *ret)
{
	uint64_t va_first = at->va + ((uint64_t)index << span_lg2);
	uint64_t va_last = va_first + (((uint64_t)nr << span_lg2) - 1);

	ret->va_first = va_first < at->first ? at->first : va_first;
	ret->va_last = va_last > at->last ? at->last : va_last;
}

#endif
