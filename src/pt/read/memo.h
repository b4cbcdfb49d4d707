/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_MEMO_H
#define PT_MEMO_H

/*
 * A memo of subtrees. What lies below a table depends on the table, its level
 * and the rights that the levels above leave; so the extents of one that is
 * met again are the same, moved to another address. They are recorded at
 * the second visit, because most tables have only one, and replayed from
 * the third on. What nobody wants is counted and not recorded: a subtree in which nothing is
 * wanted takes no room, and its replay no time.
 *
 * Only foreign tables, which cannot change, and only whole tables: a
 * range's first and last may cut through one. Its size is fixed: what does
 * not fit is scanned again.
 */

#include "pt/read/scan.h"

/** Table visits before a memo is worth its memory, if no neighbours were seen to share a table. */
#define PT_MEMO_MIN_TABLES 1024

/** The recording of one table, kept by its visit. */
struct pt_memo_mark {
	struct pt_scan_at at;
	unsigned level;
	uint32_t start;       /* the first extent */
	uint32_t generation;  /* of the memo when the recording began */
	uint32_t outer_start; /* of the recording around this one */
	bool has_outer;
	/* Of the scan, at the beginning. */
	uint64_t nr_tables, nr_leaves, nr_malformed, nr_unreadable, nr_repeats;
};

enum pt_memo_answer {
	PT_MEMO_SCAN,     /* look at the table */
	PT_MEMO_RECORD,   /* look at the table, then pt_memo_end() */
	PT_MEMO_REPLAYED, /* done; *ret_err says how it went */
};

/** Pre: s->memo; the range covers the table whole. */
enum pt_memo_answer pt_memo_begin(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
				  struct pt_memo_mark *mark, int *ret_err);
void pt_memo_end(struct pt_scan *s, const struct pt_memo_mark *mark, int err);

/** An extent of the table that is being recorded, which is, if anybody wants it. */
void pt_memo_add(struct pt_scan *s, const struct pgw_extent *extent);

/** NULL if there is no memory. */
struct pt_memo *pt_memo_new(const struct pgw_platform *platform);
void pt_memo_free(const struct pgw_platform *platform, struct pt_memo *memo);

#endif
