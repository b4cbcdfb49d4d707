/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_GATHER_H
#define PT_GATHER_H

/*
 * What an edit leaves behind, on the caller's stack: addresses to flush, tables
 * that were unlinked, frames that were unmapped. One flush for many changes; and
 * the order that keeps others safe: first the TLBs forget, then frames are
 * released, and tables are freed once all readers have left.
 */

#include "pt/pt.h"

#define PT_GATHER_FRAMES 32

struct pt_gather {
	const struct pt *pt;
	enum pt_policy policy;
	uint64_t first, last;      /* to be flushed; first > last: nothing */
	struct pgw_ptdesc *tables; /* unlinked, each with its desc's next */
	/* Who wants the frames, or NULL; called after the flush. */
	void (*release)(struct pt_gather *gather, const struct pgw_frames *frames);
	void *arg; /* release's */
	unsigned nr_frames;
	struct pgw_frames frames[PT_GATHER_FRAMES]; /* runs; flushed when full */
	uint64_t nr_flushes, nr_tables, nr_splits; /* so far; splits that others did not do first */
};

void gather_init(struct pt_gather *gather, const struct pt *pt, enum pt_policy policy);

/** These addresses' translations have changed. */
void gather_range(struct pt_gather *gather, uint64_t first, uint64_t last);

/** These frames were unmapped; their addresses need a flush too. Flushes before if it is full. */
void gather_frames(struct pt_gather *gather, const struct pgw_frames *frames);

/** Tables were unlinked, or linked elsewhere: who remembers the ways to them has to look again. */
void gather_forget_ways(const struct pt_gather *gather);

/** A table was unlinked, that spans these addresses. */
void gather_table(struct pt_gather *gather, struct pgw_ptdesc *desc, uint64_t first, uint64_t last);

/** The same, and the TLBs have forgotten them already. */
void gather_table_flushed(struct pt_gather *gather, struct pgw_ptdesc *desc);

/**
 * Flush, release, free: at once (PT_SINGLE) or when readers have left, as one
 * deferred call for all tables. The gather is empty then and can be used again.
 */
void gather_flush(struct pt_gather *gather);

/** Let all TLBs forget these addresses. */
static inline void pt_flush(const struct pt *pt, uint64_t first, uint64_t last)
{
	const struct pgw_platform *platform = pt->platform;

	if (platform->tlb_flush)
		platform->tlb_flush(platform->ctx, pt->mm, first, last);
}

/** Flush these addresses and nothing else, at once: for break-before-make. Locks may be held. */
void gather_flush_now(struct pt_gather *gather, uint64_t first, uint64_t last);

#endif
