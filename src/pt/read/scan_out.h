/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_SCAN_OUT_H
#define PT_SCAN_OUT_H

/*
 * Where a scan's extents go: runs are joined in the pending extent, and complete ones wait in a
 * block until they are handed on together.
 *
 * An extent counts in the caller's stats when it is handed on. Until then what it counts for is
 * kept beside the block, so that nothing is ever taken back when the caller refuses a block: what
 * comes after it did not count yet.
 */

#include "base/bits.h"
#include "pt/pt.h"

#define PT_OUT_BLOCK 32 /* extents that are handed on at once, at most */

struct pt_out {
	const struct pgw_scan_ops *ops;
	void *arg;
	struct pgw_scan_stats *stats;
	/*
	 * The extents of the block before the pending one are complete; that may still grow. If it
	 * is of kind PGW_ENTRY_EMPTY there is none, and it is the block's first. The block
	 * is handed on when nr_wanted are complete. Few are handed on at first, then more: a
	 * caller that wants the first ones does not wait for others.
	 */
	struct pgw_extent *pending;
	unsigned nr_left, nr_wanted; /* left: to be completed until then */
	/* Of the extents in the block, the pending one too: they do not count in stats yet. */
	uint64_t nr_leaves, nr_unreadable, nr_torn;
	/* By level: the bits of an entry that are not its address. */
	uint64_t attr_mask[PGW_MAX_LEVELS];
	struct pgw_extent block[PT_OUT_BLOCK + 1];
};

/** Leaves attr_mask to the caller. */
void pt_out_init(struct pt_out *out, const struct pgw_scan_ops *ops, void *arg,
		 struct pgw_scan_stats *stats);

/** Hand on the extents before the pending one. @return the ops' value; there is no pending extent */
int pt_out_hand_on(struct pt_out *out);

/** For pt_out_hand_on(): seldom anything. */
void pt_out_count_unreadable(struct pt_out *out);

/** Hand on all extents, the pending one too. @return the ops' value */
int pt_out_flush(struct pt_out *out);

/** The ops did not want to begin or end what repeats at va. @return err */
int pt_out_refused(struct pt_out *out, int err, uint64_t va);

/** How many leaves are in an extent of them? */
static PGW_ALWAYS_INLINE uint64_t pt_extent_leaves(const struct pgw_extent *extent)
{
	return (extent->va_last >> extent->leaf_lg2) - (extent->va_first >> extent->leaf_lg2) + 1;
}

/** Count an extent that somebody got. */
static inline void pt_extent_count(const struct pgw_extent *extent, struct pgw_scan_stats *stats)
{
	if (extent->kind == PGW_ENTRY_LEAF)
		stats->nr_leaves += pt_extent_leaves(extent);
	stats->nr_unreadable += extent->kind == PGW_ENTRY_UNREADABLE;
	stats->nr_torn += extent->kind == PGW_ENTRY_TORN;
}

/**
 * Does b follow a so that the two are one run? Asked by scans, and by callers that join what
 * several scans found. What is absent is told one by one.
 * @param attr_mask the bits of an entry of a's level that are not its address
 */
static inline bool pt_extent_follows(uint64_t attr_mask, const struct pgw_extent *a,
				     const struct pgw_extent *b)
{
	if (a->kind != b->kind || a->level != b->level || a->va_last + 1 != b->va_first ||
	    a->kind == PGW_ENTRY_ABSENT)
		return false;
	if (a->kind != PGW_ENTRY_LEAF)
		return true;
	return a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights &&
	       b->pa - a->pa == b->va_first - a->va_first &&
	       ((a->entry ^ b->entry) & attr_mask) == 0;
}

/** Leaves that were met: those that count, and those in the block. */
static inline uint64_t pt_out_leaves(const struct pt_out *out)
{
	return out->stats->nr_leaves + out->nr_leaves;
}

static PGW_ALWAYS_INLINE bool pt_out_has_pending(const struct pt_out *out)
{
	return out->pending->kind != PGW_ENTRY_EMPTY;
}

/** Could leaves join the pending extent? Seldom, so the rest is left to pt_out_add(). */
static PGW_ALWAYS_INLINE bool pt_out_may_join(const struct pgw_extent *pending, uint64_t va_first,
					      uint64_t pa)
{
	return pa - pending->pa == va_first - pending->va_first;
}

/**
 * The pending extent in the hands of a loop that takes many, each complete when the next one comes:
 * pt_out_begin(), then for each extent pt_out_next() and fill *at.p, then pt_out_commit(). The loop
 * says how many leaves were in those that it took since pt_out_begin(), as it knows best how
 * to count them.
 */
struct pt_out_at {
	struct pgw_extent *p; /* the pending one */
	unsigned nr_left;     /* as out's */
	uint64_t nr_counted;  /* leaves that out knows of */
};

/** Pre: there is a pending extent. */
static PGW_ALWAYS_INLINE struct pt_out_at pt_out_begin(const struct pt_out *out)
{
	return (struct pt_out_at){ .p = out->pending, .nr_left = out->nr_left };
}

/** @param nr_leaves in the extents since pt_out_begin(), that at->p is the last of */
static PGW_ALWAYS_INLINE void pt_out_commit(struct pt_out *out, const struct pt_out_at *at,
					    uint64_t nr_leaves)
{
	out->pending = at->p;
	out->nr_left = at->nr_left;
	out->nr_leaves += nr_leaves - at->nr_counted;
}

/** All before at->p are complete, and as many as are handed on at once. @return the ops' value */
static PGW_ALWAYS_INLINE int pt_out_is_full(struct pt_out *out, struct pt_out_at *at,
					    uint64_t nr_leaves)
{
	int err;

	pt_out_commit(out, at, nr_leaves);
	err = pt_out_hand_on(out);
	*at = (struct pt_out_at){ out->block, out->nr_wanted, nr_leaves };
	return err;
}

/** pt_out_hand_on(), where to find a block's extents takes so little that the call would show. */
static PGW_ALWAYS_INLINE int pt_out_hand_on_here(struct pt_out *out)
{
	int err = out->ops->extents(out->block, out->nr_wanted - out->nr_left, out->arg);

	if (pgw_unlikely(err))
		pt_out_refused(out, err, out->pending[-1].va_last + 1);
	out->stats->nr_leaves += out->nr_leaves;
	out->nr_leaves = 0;
	if (pgw_unlikely(out->nr_unreadable | out->nr_torn))
		pt_out_count_unreadable(out);
	if (pgw_unlikely(out->nr_wanted < PT_OUT_BLOCK))
		out->nr_wanted *= 2;
	out->nr_left = out->nr_wanted;
	out->pending = out->block;
	out->pending->kind = PGW_ENTRY_EMPTY;
	return err;
}

/**
 * Extent *at->p, of which there is one, is complete; at->p is where the next one goes.
 * @return the ops' value; not 0: pt_out_commit() the same nr_leaves, or nothing
 */
static PGW_ALWAYS_INLINE int pt_out_next(struct pt_out *out, struct pt_out_at *at,
					 uint64_t nr_leaves)
{
	at->p++;
	if (pgw_likely(--at->nr_left))
		return 0;
	return pt_out_is_full(out, at, nr_leaves);
}

/** Join an extent to the pending one; or that is complete, and this one is the pending one. */
static inline int pt_out_add(struct pt_out *out, const struct pgw_extent *extent)
{
	struct pt_out_at at = pt_out_begin(out);
	struct pgw_extent *pending = at.p;
	int err;

	if (pt_extent_follows(out->attr_mask[pending->level], pending, extent)) {
		if (extent->kind == PGW_ENTRY_LEAF)
			out->nr_leaves += (extent->va_last >> extent->leaf_lg2) -
					  (pending->va_last >> extent->leaf_lg2);
		pending->va_last = extent->va_last;
		return 0;
	}
	err = pending->kind == PGW_ENTRY_EMPTY ? 0 : pt_out_next(out, &at, 0);
	if (err)
		return err;
	*at.p = *extent;
	pt_out_commit(out, &at, extent->kind == PGW_ENTRY_LEAF ? pt_extent_leaves(extent) : 0);
	out->nr_unreadable += extent->kind == PGW_ENTRY_UNREADABLE;
	out->nr_torn += extent->kind == PGW_ENTRY_TORN;
	return 0;
}

#endif
