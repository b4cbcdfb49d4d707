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
 * Recordings are a stack, because a table can be recorded inside another. All share one
 * array of extents. When that is full, it is emptied and all recordings end: those tables are scanned.
 *
 * Only foreign tables, which cannot change, and only whole tables: a
 * range's first and last may cut through one. Its size is fixed: what does
 * not fit is scanned again.
 */

#include "pt/read/scan_out.h"

/** Table visits before a memo is worth its memory, if no neighbours were seen to share a table. */
#define PT_MEMO_MIN_TABLES 1024

#define PT_MEMO_TABLES_LG2 9
#define PT_MEMO_EXTENTS 1024

/** A visit of a table that the scan's range covers whole. */
struct pt_memo_visit {
	uint64_t table_pa;
	pt_acc_t acc;
	uint64_t va; /* of item 0 */
	unsigned level;
};

/** A table that was visited. */
struct pt_memo_table {
	uint64_t table_pa;
	pt_acc_t acc;
	uint64_t va;           /* where it was recorded */
	uint64_t nr_tables;    /* visits that a replay counts as */
	uint64_t nr_leaves;    /* in it, wanted or not */
	uint64_t nr_malformed; /* entries in it */
	uint32_t first, nr;    /* of its extents */
	uint32_t generation;   /* of the extents */
	uint8_t level;
	uint8_t state;
};

/** A table that is being recorded. */
struct pt_memo_recording {
	struct pt_memo_visit visit;
	uint32_t first;      /* of its extents */
	bool has_unreadable; /* a read failed, which may succeed the next time */
	bool has_repeats;    /* something was told once that is there several times */
	/* Met before it. */
	uint64_t nr_tables, nr_leaves, nr_malformed;
};

struct pt_memo {
	unsigned nr_recordings; /* that are going on, the innermost one last */
	struct pt_memo_recording recording[PGW_MAX_LEVELS];
	uint32_t generation; /* changes when the extents are thrown away */
	uint32_t nr_extents;
	struct pgw_extent extents[PT_MEMO_EXTENTS];
	struct pt_memo_table tables[1 << PT_MEMO_TABLES_LG2];
};

enum pt_memo_answer {
	PT_MEMO_SCAN,     /* look at the table */
	PT_MEMO_RECORD,   /* look at the table, then pt_memo_end() */
	PT_MEMO_REPLAYED, /* done; *ret_err is the ops' value */
};

/** NULL if there is no memory. */
struct pt_memo *pt_memo_new(const struct pgw_platform *platform);
void pt_memo_free(const struct pgw_platform *platform, struct pt_memo *memo);

/** Every extent has to be told to pt_memo_add(). */
static PGW_ALWAYS_INLINE bool pt_memo_is_recording(const struct pt_memo *memo)
{
	return memo && memo->nr_recordings;
}

/** @param budget the most table visits that may be counted in out */
enum pt_memo_answer pt_memo_begin(struct pt_memo *memo, struct pt_out *out,
				  const struct pt_memo_visit *visit, uint64_t budget, int *ret_err);

/** The table was looked at. @param err of that; not 0: not to its end */
void pt_memo_end(struct pt_memo *memo, const struct pt_out *out, int err);

/** An extent of the tables that are being recorded; kept if anybody wants it. */
void pt_memo_add(struct pt_memo *memo, const struct pt_out *out, const struct pgw_extent *extent);

/** Something in the tables that are being recorded could not be read. */
void pt_memo_note_unreadable(struct pt_memo *memo);

/** Something in the tables that are being recorded was told once, but is there several times. */
void pt_memo_note_repeat(struct pt_memo *memo);

#endif
