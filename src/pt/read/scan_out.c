/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/scan_out.h"

/* The block is empty, and is to be handed on when it has so many extents. */
static void out_empty(struct pt_out *out, size_t nr_wanted)
{
	out->nr_leaves = 0;
	out->nr_unreadable = 0;
	out->nr_torn = 0;
	out->pending = out->block;
	out->pending->kind = PGW_ENTRY_EMPTY;
	out->full = out->block + nr_wanted;
}

void pt_out_init(struct pt_out *out, const struct pgw_scan_ops *ops, void *arg,
		 struct pgw_scan_stats *stats)
{
	out->ops = ops;
	out->arg = arg;
	out->stats = stats;
	out->block[0] = (struct pgw_extent){ 0 };
	out_empty(out, 1);
}

int pt_out_hand_on(struct pt_out *out)
{
	struct pgw_scan_stats *stats = out->stats;
	const size_t nr = (size_t)(out->pending - out->block);
	const size_t nr_wanted = (size_t)(out->full - out->block);
	const uint64_t va_last = out->pending[-1].va_last;
	int err = out->ops->extents(out->block, nr, out->arg);

	stats->nr_leaves += out->nr_leaves;
	stats->nr_unreadable += out->nr_unreadable;
	stats->nr_torn += out->nr_torn;
	out_empty(out, nr_wanted < PT_OUT_BLOCK ? 2 * nr_wanted : PT_OUT_BLOCK);
	return pt_out_refused(out, err, va_last + 1);
}

int pt_out_flush(struct pt_out *out)
{
	if (!pt_out_has_pending(out))
		return 0;
	out->pending++;
	return pt_out_hand_on(out);
}

int pt_out_refused(struct pt_out *out, int err, uint64_t va)
{
	if (pgw_unlikely(err)) {
		out->stats->truncated = true;
		out->stats->truncated_va = va;
	}
	return err;
}
