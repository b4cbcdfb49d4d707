/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_SCAN_H
#define PT_TMPL_SCAN_H

/*
 * The extents algorithm. One function is for lowest tables: its level is a
 * constant, and its loop calls only the vector unit, scan.c for many short runs in a row,
 * and the receiver of the extents. One is for all levels above, where there is little to do. The
 * owner's tables and a reader's that can be pointed at are looked at where they are, others in copies.
 */

#include "pt/read/loader.h"
#include "pt/read/scan.h"

/* How many of the nr leaves from items on run on from the first, all of one kind? */
static PGW_ONE_COPY unsigned scan_long_run(const struct pt_scan *s, const uint64_t *items,
					   unsigned nr, uint64_t entry, uint64_t step)
{
	unsigned n = 1 + s->vec->run(items + 1, nr - 1, entry + step, step);

	/* An address may carry into other bits, or become too wide. */
	while (((entry + (n - 1) * step) ^ entry) & s->pt->env.kind_mask)
		n--;
	return n;
}

/*
 * Entries that are no tables, of any level; also the entries that the level-0 fast path hands over.
 * @param nr how many items there are, then how many were done
 */
/* NOLINTNEXTLINE(readability-function-size): the entry apart from items is the one look at it */
static PGW_ONE_COPY int scan_entry(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
				   const uint64_t *items, unsigned index, unsigned *nr,
				   uint64_t entry)
{
	const struct pt_env *env = &s->pt->env;
	const uint64_t step = pt_item_step(PT_SPAN_LG2(level));
	enum pgw_entry_kind kind = pt_kind_at(env, entry, level);
	unsigned n = *nr;
	struct pgw_extent extent;

	*nr = 1;
	if (kind == PGW_ENTRY_MALFORMED)
		return pt_scan_malformed(s, at, level, index, entry);
	if (kind == PGW_ENTRY_ABSENT && s->out.ops->absent)
		return pt_scan_absent(s, at, level, index, entry);
	if (kind != PGW_ENTRY_LEAF)
		return 0;
	extent = (struct pgw_extent){
		.entry = entry,
		.kind = PGW_ENTRY_LEAF,
		.level = (uint8_t)level,
		.leaf_lg2 = (uint8_t)pt_leaf_lg2(env, entry, level),
		.rights = pt_rights_at(env, at->acc, entry, level),
	};
	/* In some formats a leaf's size is in the address: then the next item is of another size. */
	if (!(PT_RUN_OF_COPIES && extent.leaf_lg2 > PT_SPAN_LG2(level)) &&
	    pt_kind_at(env, entry + step, level) == PGW_ENTRY_LEAF &&
	    pt_leaf_lg2(env, entry + step, level) == extent.leaf_lg2)
		*nr = scan_long_run(s, items, n, entry, step);
	pt_scan_clip(at, PT_SPAN_LG2(level), index, *nr, &extent);
	extent.pa = pt_leaf_pa(env, entry, level, extent.va_first);
	return pt_scan_add(s, &extent);
}

/* How many of nr items are empty, from the first on? */
static PGW_ALWAYS_INLINE unsigned scan_empty(const struct pt_scan *s, const uint64_t *items,
					     unsigned nr, unsigned level)
{
	return pt_empty(level) ? s->vec->run(items, nr, pt_empty(level), 0)
			       : s->vec->zeros(items, nr);
}

/* Items of a table of any level: the plain way, where a fast one would gain little. */
static PGW_ONE_COPY int scan_entries(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
				     const uint64_t *items, unsigned first, unsigned nr)
{
	unsigned n;
	int err = 0;

	for (unsigned i = 0; i < nr && !err; i += n) {
		uint64_t entry = pt_near_item(items + i);

		n = nr - i;
		if (pgw_unlikely(pt_is_frozen(s->pt, entry)))
			n = 0;
		else if (entry != pt_empty(level))
			err = scan_entry(s, at, level, items + i, first + i, &n, entry);
		else
			n = scan_empty(s, items + i, n, level);
	}
	return err;
}

/*
 * What the fast path knows of a leaf: everything but its addresses. Entries
 * that differ in these alone have the same; it is worked out when they do not.
 */
struct scan_leaf {
	/* as the end of struct pgw_extent, so that it is copied at once */
	enum pgw_entry_kind kind;
	uint8_t level, leaf_lg2, rights;
};

_Static_assert(sizeof(struct scan_leaf) == 8 &&
		       offsetof(struct pgw_extent, kind) + 8 == sizeof(struct pgw_extent) &&
		       offsetof(struct scan_leaf, rights) + offsetof(struct pgw_extent, kind) ==
			       offsetof(struct pgw_extent, rights),
	       "the end of an extent");

/* @return of kind leaf or absent; malformed stands for all entries that take the long way */
static PGW_ONE_COPY struct scan_leaf scan_learn(const struct pt_env *env, pt_acc_t acc,
						uint64_t entry)
{
	struct scan_leaf leaf = {
		.kind = pt_entry_kind(env, entry, 0),
		.leaf_lg2 = (uint8_t)pt_leaf_lg2(env, entry, 0),
		.rights = pt_rights(env, acc, entry, 0),
	};

	/* Whether the next item continues a leaf of several depends on the address. */
	if (leaf.kind == PGW_ENTRY_LEAF && leaf.leaf_lg2 != PT_GRANULE_LG2)
		leaf.kind = PGW_ENTRY_MALFORMED;
	return leaf;
}

/* A run that may join the pending extent. */
static PGW_ONE_COPY int scan_add_run(struct pt_scan *s, const struct pt_scan_at *at, unsigned index,
				     unsigned nr, uint64_t entry, struct scan_leaf leaf)
{
	struct pgw_extent extent = { .entry = entry };

	pt_scan_clip(at, PT_GRANULE_LG2, index, nr, &extent);
	extent.pa = pt_leaf_pa(&s->pt->env, entry, 0, extent.va_first);
	__builtin_memcpy(&extent.kind, &leaf, sizeof(leaf));
	return pt_scan_add(s, &extent);
}

/* A run of fewer items than this is called short. Short runs come together. */
#define SCAN_SHORT_RUN 4

/* What the fast path has in hand: the items, how far it came, and of what kind the last leaf was. */
struct scan_row {
	struct pt_vec_row v;
	struct pt_vec_at at;
	uint64_t known;        /* an entry of the kind that leaf is about */
	struct scan_leaf leaf; /* kind absent: of no kind that the fast path takes */
};

#define SCAN_STEP pt_item_step(PT_GRANULE_LG2)
#define SCAN_PA_SHIFT (PT_GRANULE_LG2 - (unsigned)__builtin_ctzll(SCAN_STEP))

/*
 * The runs that end in 64 items: each differs from the pending extent before it, so that it
 * becomes an extent without further questions. Stops at an entry of another kind.
 * @param ends bit n: item from + n ends a run; none before item at->i does
 */
static PGW_ALWAYS_INLINE int scan_burst(struct pt_scan *s, const struct pt_vec_row *row,
					struct pt_vec_at *at, unsigned from, uint64_t ends)
{
	const uint64_t known = row->known, fixed = row->fixed, pa = row->pa, tail = row->tail;
	const uint64_t *items = row->items;
	const uint64_t va = row->va;
	struct pt_out_at to = pt_out_begin(&s->out);
	unsigned i = at->i, first_leaf = i; /* without the zeroes between, i - first_leaf leaves */
	uint64_t va_first = va + ((uint64_t)i << PT_GRANULE_LG2);
	int err = 0;

	for (; ends; ends &= ends - 1) {
		unsigned end = from + (unsigned)__builtin_ctzll(ends) + 1;
		uint64_t va_next = va + ((uint64_t)end << PT_GRANULE_LG2);
		uint64_t entry = pt_near_item(items + i);

		if (pgw_unlikely((entry ^ known) & fixed)) {
			if (entry)
				break;
			first_leaf += end - i;
		} else {
			err = pt_out_next(&s->out, &to, i - first_leaf);
			if (pgw_unlikely(err))
				break;
			to.p->va_first = va_first;
			to.p->va_last = va_next - 1;
			to.p->pa = pa + (entry << SCAN_PA_SHIFT);
			to.p->entry = entry;
			__builtin_memcpy(&to.p->kind, &tail, sizeof(tail));
		}
		va_first = va_next;
		i = end;
	}
	pt_out_commit(&s->out, &to, i - first_leaf);
	at->i = i;
	return err;
}

/* If the vector unit has spread(), it is asked again after each 64 items. */
static int scan_bursts(struct pt_scan *s, const struct pt_vec_row *row, struct pt_vec_at *at)
{
	unsigned before;
	int err;

	do {
		unsigned from = at->i < row->nr - 65 ? at->i : row->nr - 65;
		uint64_t ends = s->vec->breaks(row->items + from, SCAN_STEP, row->fixed);

		before = at->i;
		err = scan_burst(s, row, at, from, ends & ~low_bits(at->i - from));
	} while (!err && !s->vec->spread && pt_scan_goes_on(row, at, before));
	return err;
}

/* The next run, of any kind. @param n its items, then those that were done; 0: look at the item again */
static PGW_ALWAYS_INLINE int scan_one_run(struct pt_scan *s, const struct pt_scan_at *at,
					  struct scan_row *row, unsigned first, uint64_t entry,
					  unsigned *n)
{
	const struct pt_env *env = &s->pt->env;

	if ((entry ^ row->known) & env->kind_mask)
		row->leaf = scan_learn(env, at->acc, entry);
	row->known = entry;
	if (pgw_likely(row->leaf.kind == PGW_ENTRY_LEAF))
		return scan_add_run(s, at, first + row->at.i, *n, entry, row->leaf);
	if (pt_is_frozen(s->pt, entry))
		*n = 0;
	if (row->leaf.kind != PGW_ENTRY_MALFORMED)
		return 0;
	row->known = pt_empty(0);
	row->leaf.kind = PGW_ENTRY_ABSENT;
	return scan_entries(s, at, 0, row->v.items + row->at.i, first + row->at.i, *n);
}

/* Items of a lowest table that lies whole in the range. */
static PGW_ALWAYS_INLINE int scan_lowest_items(struct pt_scan *s, const struct pt_scan_at *at,
					       const uint64_t *items, unsigned first, unsigned nr)
{
	const uint64_t step = pt_item_step(PT_GRANULE_LG2);
	struct scan_row row = {
		.v = { .items = items,
		       .nr = nr,
		       .va = at->va + ((uint64_t)first << PT_GRANULE_LG2),
		       .step = SCAN_STEP },
		.known = pt_empty(0), /* 0 may be a leaf */
		.leaf = { .kind = PGW_ENTRY_ABSENT },
	};
	int err = 0;

	while (row.at.i < nr && !err) {
		uint64_t entry = pt_near_item(items + row.at.i);
		unsigned n;

		if (entry == pt_empty(0)) {
			row.at.i += 1 + scan_empty(s, items + row.at.i + 1, nr - row.at.i - 1, 0);
			continue;
		}
		n = scan_long_run(s, items + row.at.i, nr - row.at.i, entry, step);
		err = scan_one_run(s, at, &row, first, entry, &n);
		row.at.i += n;
		/* Where an empty item is not 0, the burst would take a leaf of zeroes for a hole. */
		if (!pt_empty(0) && n < SCAN_SHORT_RUN && !err && row.leaf.kind == PGW_ENTRY_LEAF)
			err = pt_scan_short_runs(s, &row.v, &row.at, scan_bursts);
	}
	return err;
}

/*
 * Items of a table from index on: *ret_nr of nr.
 * @return where they are, or NULL: these *ret_nr cannot be read
 */
/* NOLINTNEXTLINE(readability-function-size): inlined, so nothing is passed */
static PGW_ALWAYS_INLINE const uint64_t *scan_load(struct pt_scan *s, const struct pt_scan_at *at,
						   unsigned index, unsigned nr, uint64_t *copy,
						   unsigned max_copy, unsigned *ret_nr)
{
	uint64_t pa = at->table_pa + ((uint64_t)index << PT_ITEM_LG2);

	*ret_nr = nr;
	if (pgw_likely(pt_is_near(s->pt, pa, (uint64_t)nr << PT_ITEM_LG2)))
		return pt_near_items(s->pt, pa);
	/*
	 * Most that is copied is tables above the lowest, in small windows. A call less for each
	 * window is a twentieth of the time to scan an image.
	 */
	if (PT_ITEM_LG2 == 3 && max_copy == PT_WINDOW_ITEMS && pt_is_read_plainly(s->pt)) {
		*ret_nr = nr < max_copy ? nr : max_copy;
		if (pgw_likely(!pgw_phys_read(s->pt->phys, pa, copy, (size_t)*ret_nr * 8)))
			return copy;
		return pt_copy_partly(s->pt, pa, nr, copy, ret_nr) ? copy : NULL;
	}
	return pt_scan_copy(s, at, index, copy, max_copy, ret_nr) ? copy : NULL;
}

static int scan_lowest(struct pt_scan *s, const struct pt_scan_at *at, unsigned level)
{
	const struct pgw_geometry *geo = &s->pt->format->geometry;
	unsigned index = pt_index(geo, at->first, 0);
	unsigned end = pt_index(geo, at->last, 0) + 1;
	bool is_whole = !pt_memo_is_recording(s->memo) && !s->out.ops->absent &&
			at->first == at->va &&
			at->last - at->va == low_bits(PT_GRANULE_LG2 + geo->slots_lg2[0]);
	unsigned nr;
	int err = 0;

	(void)level;
	for (; index < end && !err; index += nr) {
		const uint64_t *items =
			scan_load(s, at, index, end - index, s->copy, PT_SCAN_COPY, &nr);

		if (pgw_unlikely(!items))
			err = pt_scan_unreadable(s, at, 0, index, nr);
		else if (is_whole)
			err = scan_lowest_items(s, at, items, index, nr);
		else
			err = scan_entries(s, at, 0, items, index, nr);
	}
	return err;
}

static int scan_table(struct pt_scan *s, const struct pt_scan_at *at, unsigned level);

/*
 * Fetch the next table while this one is scanned: a CPU's own prefetcher stops at a page's end. The
 * loop is unrolled, as a short one takes a tenth more of a dense scan where it crosses a cache line.
 */
static PGW_ALWAYS_INLINE void scan_prefetch(const struct pt_scan *s, uint64_t entry, unsigned level)
{
	const struct pt_env *env = &s->pt->env;
	uint64_t pa = pt_table_pa(env, entry);

	if (!pt_is_table(env, entry, level) ||
	    !pt_is_near(s->pt, pa, UINT64_C(1) << (PT_SLOTS_LG2 + PT_ITEM_LG2)))
		return;
#pragma GCC unroll 4
	for (unsigned item = 0; item < 512; item += 8)
		__builtin_prefetch(pt_near_items(s->pt, pa) + item);
}

/* The table that item index leads to, and the part of the range in it. */
static struct pt_scan_at scan_below(const struct pt_scan *s, const struct pt_scan_at *at,
				    unsigned level, unsigned index, uint64_t entry)
{
	struct pgw_extent part;

	pt_scan_clip(at, PT_SPAN_LG2(level), index, 1, &part);
	return (struct pt_scan_at){
		.table_pa = pt_table_pa(&s->pt->env, entry),
		.va = at->va + ((uint64_t)index << PT_SPAN_LG2(level)),
		.first = part.va_first,
		.last = part.va_last,
		.acc = pt_acc_table(&s->pt->env, at->acc, entry),
		.parent = { at->table_pa + ((uint64_t)index << PT_ITEM_LG2), entry },
	};
}

/* A table that has some of the addresses only that an entry of this level spans. */
static int scan_part(struct pt_scan *s, const struct pt_scan_at *at, unsigned level, unsigned index,
		     uint64_t entry)
{
	struct pt_scan_at below = scan_below(s, at, level, index, entry);
	unsigned below_level = pt_table_level(&s->pt->env, entry, level), first, last;
	unsigned span_lg2 = PT_SPAN_LG2(below_level);
	uint64_t from, to;

	pt_table_slots(&s->pt->env, entry, level, &first, &last);
	from = below.va + ((uint64_t)first << span_lg2);
	to = below.va + ((uint64_t)last << span_lg2) + low_bits(span_lg2);
	if (first > last || below.last < from || below.first > to)
		return 0;
	below.first = below.first < from ? from : below.first;
	below.last = below.last > to ? to : below.last;
	return pt_scan_visit(s, &below, below_level, scan_table);
}

/* An entry above the lowest level that is not plainly a whole table. @param nr as scan_entry() */
static int scan_upper_entry(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
			    const uint64_t *items, unsigned index, unsigned *nr)
{
	uint64_t entry = pt_near_item(items);

	if (!PT_HAS_PARTS || pt_kind_at(&s->pt->env, entry, level) != PGW_ENTRY_TABLE)
		return scan_entry(s, at, level, items, index, nr, entry);
	*nr = 1;
	return scan_part(s, at, level, index, entry);
}

/* @param nr how many items there are, then how many were done, which may be more */
static int scan_upper_items(struct pt_scan *s, const struct pt_scan_at *at, unsigned level,
			    const uint64_t *items, unsigned first, unsigned *nr_items)
{
	const struct pt_env *env = &s->pt->env;
	const unsigned nr = *nr_items;
	unsigned i, n;
	int err = 0;

	for (i = 0; i < nr && !err; i += n) {
		uint64_t entry = pt_near_entry(items + i), next;
		struct pt_scan_at below;

		n = 1;
		if (entry == pt_empty(level)) {
			n += scan_empty(s, items + i + 1, nr - i - 1, level);
			continue;
		}
		if (pgw_unlikely(pt_is_frozen(s->pt, entry))) {
			n = 0;
			continue;
		}
		if (!pt_is_table(env, entry, level)) {
			n = nr - i;
			err = PT_HAS_PARTS
				      ? scan_upper_entry(s, at, level, items + i, first + i, &n)
				      : scan_entry(s, at, level, items + i, first + i, &n, entry);
			continue;
		}
		next = i + 1 < nr ? pt_near_item(items + i + 1) : 0;
		if (next != entry)
			scan_prefetch(s, next, level);
		else if (!s->out.ops->begin)
			s->has_shared = true;
		if (pgw_unlikely(s->out.ops->begin != NULL) && (next == entry || i + 1 == nr))
			n = pt_scan_copies(s, at, level, first + i, entry);
		below = scan_below(s, at, level, first + i, entry);
		if (pgw_likely(n == 1))
			err = pt_scan_visit(s, &below, level - 1, scan_table);
		else
			err = pt_scan_repeat(s, &below, level - 1, n, scan_table);
	}
	*nr_items = i;
	return err;
}

static int scan_upper(struct pt_scan *s, const struct pt_scan_at *at, unsigned level)
{
	const struct pgw_geometry *geo = &s->pt->format->geometry;
	unsigned index = pt_index(geo, at->first, level);
	unsigned end = pt_index(geo, at->last, level) + 1;
	uint64_t copy[PT_WINDOW_ITEMS];
	unsigned nr;
	int err = 0;

	for (; index < end && !err; index += nr) {
		const uint64_t *items =
			scan_load(s, at, index, end - index, copy, PT_WINDOW_ITEMS, &nr);

		if (pgw_likely(items != NULL))
			err = scan_upper_items(s, at, level, items, index, &nr);
		else
			err = pt_scan_unreadable(s, at, level, index, nr);
	}
	return err;
}

/*
 * Scan one table.
 * Stops when the part of the range in it is done, fn says so, or the budget of
 * table visits is used up. Depth is bounded by the levels: at level 0 no entry
 * is a table, and each level goes only to the next lower one.
 */
static int scan_table(struct pt_scan *s, const struct pt_scan_at *at, unsigned level)
{
	if (pgw_unlikely(s->out.stats->nr_tables == s->budget))
		return pt_scan_exhausted(s, at->first);
	s->out.stats->nr_tables++;
	return level ? scan_upper(s, at, level) : scan_lowest(s, at, level);
}

static int pt_scan(const struct pt *pt, uint64_t first, uint64_t last,
		   const struct pgw_scan_ops *ops, void *arg, struct pgw_scan_stats *stats)
{
	struct pt_scan_at at = {
		.table_pa = pt->root_pa,
		.va = first & ~low_bits(pt_root_span_lg2(&pt->format->geometry)),
		.first = first,
		.last = last,
		.acc = pt_acc_root(&pt->env, pt->region.kind),
	};

	return pt_scan_root(pt, &at, scan_table, ops, arg, stats);
}

#endif
