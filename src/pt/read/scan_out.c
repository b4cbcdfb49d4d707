/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/scan_out.h"

_Static_assert((PT_OUT_BLOCK & (PT_OUT_BLOCK - 1)) == 0, "blocks grow to it by doubling");

void pt_out_init(struct pt_out *out, const struct pgw_scan_ops *ops, void *arg,
		 struct pgw_scan_stats *stats)
{
	out->ops = ops;
	out->arg = arg;
	out->stats = stats;
	out->nr_leaves = 0;
	out->nr_unreadable = 0;
	out->nr_torn = 0;
	out->pending = out->block;
	out->nr_left = out->nr_wanted = 1;
	out->block[0] = (struct pgw_extent){ .kind = PGW_ENTRY_EMPTY };
}

void pt_out_count_unreadable(struct pt_out *out)
{
	out->stats->nr_unreadable += out->nr_unreadable;
	out->stats->nr_torn += out->nr_torn;
	out->nr_unreadable = 0;
	out->nr_torn = 0;
}

int pt_out_hand_on(struct pt_out *out)
{
	return pt_out_hand_on_here(out);
}

int pt_out_flush(struct pt_out *out)
{
	if (!pt_out_has_pending(out))
		return 0;
	out->pending++;
	out->nr_left--;
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
