/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/scan.h"

#include "pt/memo.h"

int pt_scan_exhausted(struct pt_scan *s, uint64_t va)
{
	s->stats->truncated = true;
	s->stats->truncated_va = va;
	return -PGW_E2BIG;
}

int pt_scan_hand_on(struct pt_scan *s)
{
	unsigned nr = s->nr;
	int err = s->fn(s->block, nr, s->arg);

	if (pgw_unlikely(err)) {
		s->stats->truncated = true;
		s->stats->truncated_va = s->block[nr - 1].va_last + 1;
	}
	s->nr = 0;
	s->nr_wanted = s->nr_wanted < PT_SCAN_BLOCK ? 2 * s->nr_wanted : PT_SCAN_BLOCK;
	s->block[0].kind = PGW_ENTRY_EMPTY;
	return err;
}

/* Does b follow a so that the two are one run? */
static bool scan_follows(const struct pt_scan *s, const struct pgw_extent *a,
			 const struct pgw_extent *b)
{
	if (a->kind != b->kind || a->level != b->level || a->va_last + 1 != b->va_first)
		return false;
	if (a->kind != PGW_ENTRY_LEAF)
		return true;
	return a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights &&
	       b->pa - a->pa == b->va_first - a->va_first &&
	       ((a->entry ^ b->entry) & s->attr_mask[a->level]) == 0;
}

int pt_scan_add(struct pt_scan *s, const struct pgw_extent *extent)
{
	struct pgw_extent *pending = pt_scan_pending(s);
	int err;

	if (s->is_recording)
		pt_memo_add(s, extent);
	if (scan_follows(s, pending, extent)) {
		if (extent->kind == PGW_ENTRY_LEAF)
			s->stats->nr_leaves += (extent->va_last >> extent->leaf_lg2) -
					       (pending->va_last >> extent->leaf_lg2);
		pending->va_last = extent->va_last;
		return 0;
	}
	err = pending->kind == PGW_ENTRY_EMPTY ? 0 : pt_scan_next(s);
	if (err)
		return err;
	*pt_scan_pending(s) = *extent;
	if (extent->kind == PGW_ENTRY_LEAF)
		s->stats->nr_leaves += pt_extent_leaves(extent);
	s->stats->nr_unreadable += extent->kind == PGW_ENTRY_UNREADABLE;
	return 0;
}

/* The last extents. */
static int scan_flush(struct pt_scan *s)
{
	if (pt_scan_pending(s)->kind == PGW_ENTRY_EMPTY)
		return 0;
	s->nr++;
	return pt_scan_hand_on(s);
}

int pt_scan_odd(struct pt_scan *s, const struct pt_scan_at *at, unsigned level, unsigned index,
		unsigned nr, uint64_t entry)
{
	struct pgw_extent extent = { .level = (uint8_t)level };

	pt_scan_clip(at, s->pt->format->geometry.span_lg2[level], index, nr, &extent);
	if (entry) {
		extent.kind = PGW_ENTRY_MALFORMED;
		extent.entry = entry;
		s->stats->nr_malformed++;
	} else {
		extent.kind = PGW_ENTRY_UNREADABLE;
		extent.entry = at->table_pa;
		s->nr_unreadable++;
	}
	return pt_scan_add(s, &extent);
}

/* The range covers the table whole. */
static bool scan_is_whole(const struct pt_scan *s, const struct pt_scan_at *at, unsigned level)
{
	const struct pgw_geometry *geo = &s->pt->format->geometry;

	return at->first == at->va &&
	       at->last - at->va == low_bits(geo->span_lg2[level] + geo->slots_lg2[level]);
}

static void scan_want_memo(struct pt_scan *s)
{
	if (!s->memo_allowed || (!s->has_shared && s->stats->nr_tables < PT_MEMO_MIN_TABLES))
		return;
	s->memo_allowed = false;
	s->memo = pt_memo_new(s->pt->platform);
}

int pt_scan_visit(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
		  pt_scan_table_fn *scan_table)
{
	struct pt_memo_mark mark;
	int err = 0;

	if (!s->memo)
		scan_want_memo(s);
	if (!s->memo || !scan_is_whole(s, at, level))
		return scan_table(s, at, level);
	switch (pt_memo_begin(s, at, level, &mark, &err)) {
	case PT_MEMO_REPLAYED:
		return err;
	case PT_MEMO_RECORD:
		err = scan_table(s, at, level);
		pt_memo_end(s, &mark, err);
		return err;
	default:
		return scan_table(s, at, level);
	}
}

int pt_scan_root(struct pt_scan *s, const struct pt_scan_at *at, pt_scan_table_fn *scan_table)
{
	const struct pgw_platform *platform = s->pt->platform;
	int err, flush_err;

	s->vec = pt_vec_choose(platform ? platform->cpu_features : 0);
	s->budget = s->pt->phys ? s->pt->budget : UINT64_MAX;
	s->memo_allowed = s->pt->phys && platform && !platform->no_memo;
	s->memo = NULL;
	s->has_shared = false;
	s->is_recording = false;
	s->nr_unreadable = 0;
	s->nr = 0;
	s->nr_wanted = 1;
	s->block[0] = (struct pgw_extent){ .kind = PGW_ENTRY_EMPTY };
	err = scan_table(s, at, s->pt->format->geometry.top_level);
	/* What is left lies before the point where a budget ran out; after fn's refusal nothing is. */
	flush_err = scan_flush(s);
	pt_memo_free(platform, s->memo);
	return err && err != -PGW_E2BIG ? err : flush_err ? flush_err : err;
}

/** Hands extents on one by one. */
struct scan_each {
	pgw_extent_fn *fn;
	void *arg;
	struct pgw_scan_stats *stats;
	bool was_refused;
	uint64_t refused_va; /* the first address that fn did not see */
};

static int scan_each_block(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct scan_each *each = arg;

	for (size_t i = 0; i < nr; i++) {
		int err = each->fn(&extents[i], each->arg);

		if (pgw_likely(!err))
			continue;
		each->was_refused = true;
		each->refused_va = extents[i].va_last + 1;
		while (++i < nr) {
			if (extents[i].kind == PGW_ENTRY_LEAF)
				each->stats->nr_leaves -= pt_extent_leaves(&extents[i]);
			each->stats->nr_unreadable -= extents[i].kind == PGW_ENTRY_UNREADABLE;
		}
		return err;
	}
	return 0;
}

int pt_scan_each(const struct pt *pt, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
		 struct pgw_scan_stats *stats)
{
	struct scan_each each = { .fn = fn, .arg = arg, .stats = stats };
	int err = pt_ops(pt)->scan_blocks(pt, first, last, scan_each_block, &each, stats);

	if (each.was_refused)
		stats->truncated_va = each.refused_va;
	return err;
}
