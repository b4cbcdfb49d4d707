/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/scan.h"

#include "base/step.h"
#include "pt/read/loader.h"

int pt_scan_exhausted(struct pt_scan *s, uint64_t va)
{
	s->out.stats->truncated = true;
	s->out.stats->truncated_va = va;
	return -PGW_E2BIG;
}

int pt_scan_add(struct pt_scan *s, const struct pgw_extent *extent)
{
	if (pt_memo_is_recording(s->memo))
		pt_memo_add(s->memo, &s->out, extent);
	return pt_out_add(&s->out, extent);
}

/* Each of the runs differs from the pending extent before it, and becomes the pending one. */
static int scan_spread(struct pt_scan *s, const struct pt_vec_row *row, struct pt_vec_at *at)
{
	const unsigned lg2 = row->granule_lg2;
	uint64_t va =
		row->va + ((uint64_t)at->i << lg2); /* of the first leaf since pt_out_begin() */
	struct pt_out_at to = pt_out_begin(&s->out);

	for (;;) {
		unsigned nr = s->vec->spread(row, at, to.p + 1, to.nr_left);
		const struct pgw_extent *pending;
		int err;

		to.p += nr;
		to.nr_left -= nr;
		if (to.nr_left)
			break;
		/* Behind those that are handed on. All of these were leaves without holes between. */
		pending = to.p;
		pt_out_commit(&s->out, &to, (pending->va_first - va) >> lg2);
		err = pt_out_hand_on_here(&s->out);
		if (pgw_unlikely(err))
			return err;
		va = pending->va_first;
		to = pt_out_begin(&s->out);
		*to.p = *pending;
	}
	pt_out_commit(&s->out, &to, (row->va - va + ((uint64_t)at->i << lg2)) >> lg2);
	return 0;
}

/* @return fn's value */
static int scan_part(struct pt_scan *s, const struct pt_vec_row *row, struct pt_vec_at *at,
		     pt_scan_bursts_fn *bursts)
{
	const unsigned before = at->i;
	int err = 0;

	if (s->vec->spread)
		err = scan_spread(s, row, at);
	if (err || at->i - before >= PT_SCAN_MANY_ITEMS)
		return err;
	return bursts(s, row, at);
}

static int scan_parts(struct pt_scan *s, const struct pt_vec_row *row, struct pt_vec_at *at,
		      pt_scan_bursts_fn *bursts)
{
	unsigned before;
	int err;

	do {
		before = at->i;
		err = scan_part(s, row, at, bursts);
	} while (!err && pt_scan_goes_on(row, at, before));
	return err;
}

/*
 * The owner's items may change between the look at where runs end and the look at what
 * begins them: make rows of copies of 65.
 */
static int scan_copied_parts(struct pt_scan *s, const struct pt_vec_row *row, struct pt_vec_at *at,
			     pt_scan_bursts_fn *bursts)
{
	struct pt_vec_row copies = *row;
	unsigned before;
	int err;

	copies.items = s->copy;
	copies.nr = 65;
	do {
		unsigned from = at->i < row->nr - 65 ? at->i : row->nr - 65;
		struct pt_vec_at at_copies = { .i = at->i - from };

		for (unsigned i = 0; i < 65; i++)
			s->copy[i] = step_load_n(row->items + from + i, __ATOMIC_RELAXED);
		copies.va = row->va + ((uint64_t)from << row->granule_lg2);
		before = at->i;
		err = scan_part(s, &copies, &at_copies, bursts);
		at->i = from + at_copies.i;
	} while (!err && pt_scan_goes_on(row, at, before));
	return err;
}

/* What the row's items have in common with the pending extent. */
static void scan_row_like(const struct pt_scan *s, const struct pgw_extent *pending,
			  struct pt_vec_row *row)
{
	row->granule_lg2 = pending->leaf_lg2;
	row->pa_shift = row->granule_lg2 - (unsigned)__builtin_ctzll(row->step);
	/* Some formats keep the top of an address below its other bits. */
	row->fixed = s->pt->env.kind_mask | (~s->out.attr_mask[0] & (row->step - 1));
	row->known = pending->entry;
	row->pa = (pending->pa & ~low_bits(row->granule_lg2)) - (row->known << row->pa_shift);
	__builtin_memcpy(&row->tail, &pending->kind, sizeof(row->tail));
}

int pt_scan_short_runs(struct pt_scan *s, struct pt_vec_row *row, struct pt_vec_at *at,
		       pt_scan_bursts_fn *bursts)
{
	if (row->nr < 65 || row->nr - at->i < 2)
		return 0;
	scan_row_like(s, s->out.pending, row);
	at->ends = 0;
	return s->pt->phys ? scan_parts(s, row, at, bursts) : scan_copied_parts(s, row, at, bursts);
}

int pt_scan_malformed(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
		      unsigned index, uint64_t entry)
{
	struct pgw_extent extent = { .entry = entry,
				     .kind = PGW_ENTRY_MALFORMED,
				     .level = (uint8_t)level };

	pt_scan_clip(at, s->pt->format->geometry.span_lg2[level], index, 1, &extent);
	s->out.stats->nr_malformed++;
	return pt_scan_add(s, &extent);
}

int pt_scan_unreadable(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
		       unsigned index, unsigned nr)
{
	struct pgw_extent extent = { .entry = at->table_pa,
				     .kind = s->is_torn ? PGW_ENTRY_TORN : PGW_ENTRY_UNREADABLE,
				     .level = (uint8_t)level };

	pt_scan_clip(at, s->pt->format->geometry.span_lg2[level], index, nr, &extent);
	if (s->memo)
		pt_memo_note_unreadable(s->memo);
	return pt_scan_add(s, &extent);
}

bool pt_scan_copy(struct pt_scan *s, const struct pt_scan_at *at, unsigned index, uint64_t *copy,
		  unsigned max, unsigned *nr)
{
	uint64_t pa = pt_item_pa(&s->pt->format->geometry, at->table_pa, index);
	enum pt_copied copied;

	if (pgw_likely(!s->pt->is_live))
		return pt_copy_items(s->pt, pa, *nr, copy, max, nr);
	copied = pt_copy_live(s->pt, pa, *nr < max ? *nr : max, copy, &at->parent, nr);
	s->is_torn = copied == PT_COPIED_TORN;
	return copied == PT_COPIED;
}

int pt_scan_absent(struct pt_scan *s, const struct pt_scan_at *at, unsigned level, unsigned index,
		   uint64_t entry)
{
	struct pgw_extent extent = { .entry = entry,
				     .kind = PGW_ENTRY_ABSENT,
				     .level = (uint8_t)level };

	pt_scan_clip(at, s->pt->format->geometry.span_lg2[level], index, 1, &extent);
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
	if (!s->memo_allowed || (!s->has_shared && s->out.stats->nr_tables < PT_MEMO_MIN_TABLES))
		return;
	s->memo_allowed = false;
	s->memo = pt_memo_new(s->pt->platform);
}

/* The range covers the table whole. Apart, so that visits without a memo need no stack. */
static PGW_NOINLINE int scan_visit_remembered(struct pt_scan *s, const struct pt_scan_at *at,
					      unsigned level, pt_scan_table_fn *scan_table)
{
	const struct pt_memo_visit visit = { at->table_pa, at->acc, at->va, level };
	enum pt_memo_answer answer;
	int err;

	answer = pt_memo_begin(s->memo, &s->out, &visit, s->budget, &err);
	if (answer == PT_MEMO_REPLAYED)
		return err;
	err = scan_table(s, at, level);
	if (answer == PT_MEMO_RECORD)
		pt_memo_end(s->memo, &s->out, err);
	return err;
}

int pt_scan_visit(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
		  pt_scan_table_fn *scan_table)
{
	if (!s->memo)
		scan_want_memo(s);
	if (s->memo && scan_is_whole(s, at, level))
		return scan_visit_remembered(s, at, level, scan_table);
	return scan_table(s, at, level);
}

/* Of nr items from index on, how many are the entry, from the first on? */
static unsigned scan_equal_items(struct pt_scan *s, uint64_t table_pa, unsigned index, unsigned nr,
				 uint64_t entry)
{
	const struct pgw_geometry *geo = &s->pt->format->geometry;
	unsigned n = 0, got, equal;

	while (n < nr) {
		uint64_t pa = pt_item_pa(geo, table_pa, index + n);
		const uint64_t *items = s->copy;

		got = nr - n;
		if (pt_is_near(s->pt, pa, pt_items_size(geo, got)))
			items = pt_near_items(s->pt, pa);
		else if (!pt_copy_items(s->pt, pa, got, s->copy, PT_SCAN_COPY, &got))
			break;
		equal = s->vec->run(items, got, entry, 0);
		n += equal;
		if (equal < got)
			break;
	}
	return n;
}

unsigned pt_scan_copies(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
			unsigned index, uint64_t entry)
{
	const struct pgw_geometry *geo = &s->pt->format->geometry;
	uint64_t va = at->va + ((uint64_t)index << geo->span_lg2[level]);
	/* Slots that end in the range; at->last may be the last of all addresses. */
	uint64_t nr = (at->last - va + 1) >> geo->span_lg2[level];

	if (va < at->first || nr < 2)
		return 1;
	return 1 + scan_equal_items(s, at->table_pa, index + 1, (unsigned)nr - 1, entry);
}

/* What was met since before is there nr times. */
static void scan_multiply(struct pgw_scan_stats *stats, const struct pgw_scan_stats *before,
			  uint64_t nr)
{
	stats->nr_leaves += (nr - 1) * (stats->nr_leaves - before->nr_leaves);
	stats->nr_malformed += (nr - 1) * (stats->nr_malformed - before->nr_malformed);
	stats->nr_unreadable += (nr - 1) * (stats->nr_unreadable - before->nr_unreadable);
	stats->nr_torn += (nr - 1) * (stats->nr_torn - before->nr_torn);
}

int pt_scan_repeat(struct pt_scan *s, const struct pt_scan_at *at, unsigned level, unsigned nr,
		   pt_scan_table_fn *scan_table)
{
	struct pgw_scan_stats before;
	int err = pt_out_flush(&s->out), end_err;

	if (s->memo)
		pt_memo_note_repeat(s->memo);
	if (!err)
		err = pt_out_refused(
			&s->out, s->out.ops->begin(nr, at->last - at->va + 1, s->out.arg), at->va);
	if (err)
		return err;
	before = *s->out.stats;
	err = pt_scan_visit(s, at, level, scan_table);
	end_err = err && err != -PGW_E2BIG ? err : pt_out_flush(&s->out);
	if (end_err)
		return end_err;
	scan_multiply(s->out.stats, &before, nr);
	end_err = s->out.ops->end(s->out.arg);
	return end_err ? pt_out_refused(&s->out, end_err, at->last + 1) : err;
}

/* Not an initializer: the buffers need no zeroes. */
static void scan_init(struct pt_scan *s, const struct pt *pt)
{
	const struct pgw_platform *platform = pt->platform;

	s->pt = pt;
	s->vec = pt_vec_choose(platform ? platform->cpu_features : 0);
	s->budget = pt->phys ? pt->budget : UINT64_MAX;
	s->memo_allowed = pt->phys && !pt->is_live && platform && !platform->no_memo;
	s->memo = NULL;
	s->has_shared = false;
	s->is_torn = false;
	for (unsigned level = 0; level <= pt->format->geometry.top_level; level++)
		s->out.attr_mask[level] = ~pt_ops(pt)->addr_mask(&pt->env, level);
}

int pt_scan_root(const struct pt *pt, const struct pt_scan_at *at, pt_scan_table_fn *scan_table,
		 const struct pgw_scan_ops *ops, void *arg, struct pgw_scan_stats *stats)
{
	struct pt_scan s;
	int err, flush_err;

	scan_init(&s, pt);
	pt_out_init(&s.out, ops, arg, stats);
	err = scan_table(&s, at, pt->format->geometry.top_level);
	/* What is left lies before the point where a budget ran out; after fn's refusal nothing is. */
	flush_err = pt_out_flush(&s.out);
	pt_memo_free(pt->platform, s.memo);
	return err && err != -PGW_E2BIG ? err : flush_err ? flush_err : err;
}

/** Hands extents on one by one. */
struct scan_each {
	pgw_extent_fn *fn;
	void *arg;
	const struct pgw_scan_stats *stats; /* the scan's: all blocks before this one */
	struct pgw_scan_stats refused;      /* truncated: fn refused, and this is what it got */
};

/* fn refused the last of nr extents of a block. Apart, so that the loop stays small. */
static PGW_NOINLINE void scan_each_refused(struct scan_each *each, const struct pgw_extent *extents,
					   size_t nr)
{
	each->refused = *each->stats;
	for (size_t i = 0; i < nr; i++)
		pt_extent_count(&extents[i], &each->refused);
	each->refused.truncated = true;
	each->refused.truncated_va = extents[nr - 1].va_last + 1;
}

static int scan_each_block(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct scan_each *each = arg;

	for (size_t i = 0; i < nr; i++) {
		int err = each->fn(&extents[i], each->arg);

		if (pgw_likely(!err))
			continue;
		scan_each_refused(each, extents, i + 1);
		return err;
	}
	return 0;
}

int pt_scan_each(const struct pt *pt, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
		 struct pgw_scan_stats *stats)
{
	struct scan_each each = { .fn = fn, .arg = arg, .stats = stats };
	const struct pgw_scan_ops ops = { .extents = scan_each_block };
	int err = pt_ops(pt)->scan_blocks(pt, first, last, &ops, &each, stats);

	if (each.refused.truncated)
		*stats = each.refused;
	return err;
}
