/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_SCAN_H
#define PT_TMPL_SCAN_H

/*
 * The extents algorithm. One function a level, so that the level is a constant
 * in each; runs are found item by item inside a table, and joined across
 * tables in one pending extent. Memory does not grow with what is found.
 */

#include "pt/loader.h"

struct pt_scan {
	const struct pt *pt;
	struct pt_env env;
	pgw_extent_fn *fn;
	void *arg;
	struct pgw_scan_stats *stats;
	uint64_t budget;
	bool has_pending;
	struct pgw_extent pending;
};

/** A table on the way: what scan_table() needs to know of it. */
struct pt_scan_at {
	uint64_t table_pa;
	uint64_t va;          /* of item 0 */
	uint64_t first, last; /* the part of the range that lies in this table, inclusive */
	pt_acc_t acc;
};

typedef int pt_scan_fn(struct pt_scan *s, const struct pt_scan_at *at);

static int scan_flush(struct pt_scan *s)
{
	const struct pgw_extent *p = &s->pending;
	int err;

	if (!s->has_pending)
		return 0;
	s->has_pending = false;
	if (p->kind == PGW_ENTRY_LEAF)
		s->stats->nr_leaves += (p->va_last >> p->leaf_lg2) - (p->va_first >> p->leaf_lg2) + 1;
	else if (p->kind == PGW_ENTRY_UNREADABLE)
		s->stats->nr_unreadable++;
	err = s->fn(p, s->arg);
	if (err) {
		s->stats->truncated = true;
		s->stats->truncated_va = p->va_last + 1;
	}
	return err;
}

/* Does b follow a so that the two are one run? */
static PGW_ALWAYS_INLINE bool scan_follows(const struct pt_scan *s, const struct pgw_extent *a,
					   const struct pgw_extent *b)
{
	if (a->kind != b->kind || a->level != b->level || a->va_last + 1 != b->va_first)
		return false;
	if (a->kind != PGW_ENTRY_LEAF)
		return true;
	return a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights &&
	       b->pa - a->pa == b->va_first - a->va_first &&
	       ((a->entry ^ b->entry) & ~pt_addr_mask(&s->env, a->level)) == 0;
}

static PGW_ALWAYS_INLINE int scan_add(struct pt_scan *s, const struct pgw_extent *extent)
{
	int err;

	if (s->has_pending && scan_follows(s, &s->pending, extent)) {
		s->pending.va_last = extent->va_last;
		return 0;
	}
	err = scan_flush(s);
	if (err)
		return err;
	s->pending = *extent;
	s->has_pending = true;
	return 0;
}

/* Items index to index + nr - 1 of a table: the addresses they span, clipped to the range. */
static PGW_ALWAYS_INLINE void scan_clip(const struct pt_scan_at *at, unsigned span_lg2,
					unsigned index, unsigned nr, struct pgw_extent *ret)
{
	uint64_t va_first = at->va + ((uint64_t)index << span_lg2);
	uint64_t va_last = va_first + (((uint64_t)nr << span_lg2) - 1);

	ret->va_first = va_first < at->first ? at->first : va_first;
	ret->va_last = va_last > at->last ? at->last : va_last;
}

static PGW_NOINLINE int scan_odd(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
				 unsigned index, unsigned nr, uint64_t entry)
{
	struct pgw_extent extent = { .level = (uint8_t)level };

	scan_clip(at, s->pt->format->geometry.span_lg2[level], index, nr, &extent);
	if (entry) {
		extent.kind = PGW_ENTRY_MALFORMED;
		extent.entry = entry;
		s->stats->nr_malformed++;
	} else {
		extent.kind = PGW_ENTRY_UNREADABLE;
		extent.entry = at->table_pa;
	}
	return scan_add(s, &extent);
}

/* nr leaves from index on, whose entries differ in nothing but the address. */
static PGW_ALWAYS_INLINE int scan_leaves(struct pt_scan *s, const struct pt_scan_at *at,
					 unsigned level, unsigned index, unsigned nr, uint64_t entry)
{
	unsigned span_lg2 = s->pt->format->geometry.span_lg2[level];
	struct pgw_extent extent = {
		.entry = entry,
		.kind = PGW_ENTRY_LEAF,
		.level = (uint8_t)level,
		.leaf_lg2 = (uint8_t)pt_leaf_lg2(&s->env, entry, level),
		.rights = pt_rights(&s->env, at->acc, entry, level),
	};

	scan_clip(at, span_lg2, index, nr, &extent);
	extent.pa = pt_leaf_pa(&s->env, entry, level, extent.va_first);
	return scan_add(s, &extent);
}

static PGW_ALWAYS_INLINE int scan_below(struct pt_scan *s, const struct pt_scan_at *at,
					unsigned level, unsigned index, uint64_t entry,
					pt_scan_fn *below)
{
	unsigned span_lg2 = s->pt->format->geometry.span_lg2[level];
	uint64_t va = at->va + ((uint64_t)index << span_lg2);
	struct pgw_extent clipped;

	scan_clip(at, span_lg2, index, 1, &clipped);
	return below(s, &(struct pt_scan_at){
				.table_pa = pt_table_pa(&s->env, entry),
				.va = va,
				.first = clipped.va_first,
				.last = clipped.va_last,
				.acc = pt_acc_table(&s->env, at->acc, entry),
			});
}

/* How many of the nr items from i on are leaves that run on from the one at i. */
static PGW_ALWAYS_INLINE unsigned scan_run(bool owner, const void *items, unsigned i, unsigned nr,
					   uint64_t entry, uint64_t step)
{
	unsigned n = 1;

	while (i + n < nr && pt_window_item(owner, items, i + n) == entry + n * step)
		n++;
	return n;
}

static PGW_ALWAYS_INLINE int scan_items(struct pt_scan *s, const struct pt_scan_at *at,
					const struct pt_window *win, bool owner, unsigned level,
					pt_scan_fn *below)
{
	uint64_t step = pt_item_step(s->pt->format->geometry.span_lg2[level]);
	unsigned n;
	int err = 0;

	for (unsigned i = 0; i < win->nr && !err; i += n) {
		uint64_t entry = pt_window_item(owner, win->items, i);

		n = 1;
		if (!entry)
			continue;
		switch (pt_entry_kind(&s->env, entry, level)) {
		case PGW_ENTRY_LEAF:
			n = scan_run(owner, win->items, i, win->nr, entry, step);
			err = scan_leaves(s, at, level, win->first + i, n, entry);
			break;
		case PGW_ENTRY_TABLE:
			err = scan_below(s, at, level, win->first + i, entry, below);
			break;
		case PGW_ENTRY_MALFORMED:
			err = scan_odd(s, at, level, win->first + i, 1, entry);
			break;
		default:
			break;
		}
	}
	return err;
}

/*
 * Scan one table of a constant level.
 * Stops when the part of the range in it is done, fn says so, or the budget of
 * table visits is used up. Depth is bounded by the levels: at level 0 no entry
 * is a table, and each level calls only the next lower one.
 */
static PGW_ALWAYS_INLINE int scan_table(struct pt_scan *s, const struct pt_scan_at *at, bool owner,
					unsigned level, pt_scan_fn *below)
{
	const struct pgw_geometry *geo = &s->pt->format->geometry;
	unsigned index = pt_index(geo, at->first, level);
	unsigned end = pt_index(geo, at->last, level) + 1;
	struct pt_window win;
	int err = 0;

	if (s->stats->nr_tables == s->budget) {
		s->stats->truncated = true;
		s->stats->truncated_va = at->first;
		return -PGW_E2BIG;
	}
	s->stats->nr_tables++;
	for (; index < end && !err; index = win.first + win.nr) {
		if (owner) {
			win.first = index;
			win.nr = end - index;
			win.readable = true;
			win.items = pt_host_table(s->pt, at->table_pa) + index;
		} else {
			pt_window_load(s->pt, false, at->table_pa, index, end - index, &win);
		}
		if (pgw_likely(win.readable))
			err = scan_items(s, at, &win, owner, level, below);
		else
			err = scan_odd(s, at, level, win.first, win.nr, 0);
	}
	return err;
}

#define PT_SCAN_LEVEL(loader, is_owner, level, below)                                              \
	static PGW_NOINLINE int scan_##loader##_##level(struct pt_scan *s,                         \
							const struct pt_scan_at *at)               \
	{                                                                                          \
		return scan_table(s, at, is_owner, level, below);                                  \
	}

PT_SCAN_LEVEL(reader, false, 0, NULL)
PT_SCAN_LEVEL(reader, false, 1, scan_reader_0)
PT_SCAN_LEVEL(reader, false, 2, scan_reader_1)
PT_SCAN_LEVEL(reader, false, 3, scan_reader_2)
PT_SCAN_LEVEL(reader, false, 4, scan_reader_3)
PT_SCAN_LEVEL(owner, true, 0, NULL)
PT_SCAN_LEVEL(owner, true, 1, scan_owner_0)
PT_SCAN_LEVEL(owner, true, 2, scan_owner_1)
PT_SCAN_LEVEL(owner, true, 3, scan_owner_2)
PT_SCAN_LEVEL(owner, true, 4, scan_owner_3)
#undef PT_SCAN_LEVEL

static int scan_root(struct pt_scan *s, uint64_t first, uint64_t last, pt_scan_fn *top)
{
	struct pt_scan_at at = {
		.table_pa = s->pt->root_pa,
		.va = first & ~low_bits(pt_root_span_lg2(&s->pt->format->geometry)),
		.first = first,
		.last = last,
		.acc = pt_acc_root(&s->env, pt_half_of(first)),
	};
	int err, flush_err;

	err = top(s, &at);
	/* What is pending lies before the point where a budget ran out; after fn's refusal nothing is. */
	flush_err = scan_flush(s);
	return err && err != -PGW_E2BIG ? err : flush_err ? flush_err : err;
}

static int pt_scan_reader(const struct pt *pt, uint64_t first, uint64_t last, pgw_extent_fn *fn,
			  void *arg, struct pgw_scan_stats *stats)
{
	static pt_scan_fn *const top[PGW_MAX_LEVELS] = { scan_reader_0, scan_reader_1, scan_reader_2,
							 scan_reader_3, scan_reader_4 };
	struct pt_scan s = { .pt = pt, .env = pt_env_init(pt->format, &pt->control), .fn = fn, .arg = arg,
			     .stats = stats, .budget = pt->budget };

	return scan_root(&s, first, last, top[pt->format->geometry.top_level]);
}

static int pt_scan_owner(const struct pt *pt, uint64_t first, uint64_t last, pgw_extent_fn *fn,
			 void *arg, struct pgw_scan_stats *stats)
{
	static pt_scan_fn *const top[PGW_MAX_LEVELS] = { scan_owner_0, scan_owner_1, scan_owner_2,
							 scan_owner_3, scan_owner_4 };
	struct pt_scan s = { .pt = pt, .env = pt_env_init(pt->format, &pt->control), .fn = fn, .arg = arg,
			     .stats = stats, .budget = UINT64_MAX };

	return scan_root(&s, first, last, top[pt->format->geometry.top_level]);
}

#endif
