/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/scan.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "pt/read/loader.h"
#include "pt/simd/vec.h"

/*
 * Roots share a subtree if their top tables have the same entry in the same slot.
 * For each slot we keep the last few entries that were scanned, and the mm in which they were.
 * A few, because kinds of roots may take turns: with PTI each process has two.
 */
#define MANY_WAYS 4

struct many_way {
	uint64_t entry; /* a table entry, or 0 */
	size_t index;   /* of the mm */
};

struct many {
	const struct pgw_scan_many_ops *ops;
	void *arg;
	struct pgw_mm *const *mms;
	size_t index;       /* of the mm that is scanned */
	uint64_t nr_tables; /* that it cost so far */
	struct pgw_scan_stats *stats;
	unsigned first_slot, nr_slots; /* of the region, in the top table */
	size_t size;
	const struct pt_vec *vec;
	bool is_readable; /* all of the mm's slots; else a 0 in entries may be a slot that was not read */
	uint64_t *entries;      /* the mm's entries by slot; 0 if unreadable */
	struct many_way ways[]; /* MANY_WAYS for each slot, then the entries */
};

/* What is to be done with a slot of the mm: scan it, or say that it is shared. */
struct many_slot {
	bool is_shared;
	size_t same; /* the mm that it is shared with */
};

static int many_extent(const struct pgw_extent *extent, void *arg)
{
	const struct many *many = arg;

	return many->ops->extent(many->index, extent, many->arg);
}

static uint64_t many_va(const struct many *many, unsigned slot)
{
	const struct pgw_geometry *geo = &many->mms[0]->pt.format->geometry;

	return many->mms[0]->pt.region.first + ((uint64_t)slot << geo->span_lg2[geo->top_level]);
}

/* Read the slots of the region. */
static void many_load(struct many *many)
{
	const struct pt *pt = &many->mms[many->index]->pt;
	uint64_t pa = pt_item_pa(&pt->format->geometry, pt->root_pa, many->first_slot);
	unsigned nr;

	many->is_readable =
		pt_copy_items(pt, pa, many->nr_slots, many->entries, many->nr_slots, &nr) &&
		nr == many->nr_slots;
	if (many->is_readable)
		return;
	for (unsigned slot = 0; slot < many->nr_slots; slot++) {
		uint64_t *entry = &many->entries[slot];

		if (!pt_load_item(pt, pt_item_pa(&pt->format->geometry, pa, slot), entry))
			*entry = 0;
	}
}

static bool many_is_table(const struct many *many, uint64_t entry)
{
	const struct pt *pt = &many->mms[many->index]->pt;
	struct pgw_entry decoded;

	pt_decode_entry(pt, entry, pt->format->geometry.top_level, &decoded);
	return decoded.kind == PGW_ENTRY_TABLE;
}

static struct many_slot many_look(const struct many *many, unsigned slot)
{
	const struct many_way *way = many->ways + (size_t)slot * MANY_WAYS;
	uint64_t entry = many->entries[slot];

	for (unsigned i = 0; i < MANY_WAYS && entry; i++) {
		if (way[i].entry == entry)
			return (struct many_slot){ true, way[i].index };
	}
	return (struct many_slot){ false, many->index };
}

/* Remember a slot that was scanned, in the place of the oldest. */
static void many_remember(struct many *many, unsigned slot)
{
	struct many_way *way = many->ways + (size_t)slot * MANY_WAYS;
	uint64_t entry = many->entries[slot];

	if (!entry || !many_is_table(many, entry))
		return;
	__builtin_memmove(way + 1, way, (MANY_WAYS - 1) * sizeof(*way));
	way[0] = (struct many_way){ entry, many->index };
}

/* How many slots from this one on are empty? */
static unsigned many_empty(const struct many *many, unsigned slot)
{
	return many->is_readable ? many->vec->zeros(many->entries + slot, many->nr_slots - slot)
				 : 0;
}

/* Scan slots first to end - 1. The root's table counts once for each mm of which anything is scanned. */
static int many_scan(struct many *many, unsigned first, unsigned end)
{
	struct pgw_scan_stats *sum = many->stats, stats = { 0 };
	struct pgw_scan_part part = {
		.first = many_va(many, first),
		.last = many_va(many, end) - 1,
		.nr_again = many->nr_tables ? 1 : 0,
	};
	struct pgw_mm *mm = many->mms[many->index];
	int err = pgw_scan_part(mm, &part, mm->pt.budget - many->nr_tables, many_extent, many,
				&stats);

	many->nr_tables += stats.nr_tables;
	sum->nr_tables += stats.nr_tables;
	sum->nr_leaves += stats.nr_leaves;
	sum->nr_malformed += stats.nr_malformed;
	sum->nr_unreadable += stats.nr_unreadable;
	sum->truncated = stats.truncated;
	sum->truncated_va = stats.truncated_va;
	for (unsigned slot = first; slot < end && !err; slot++)
		many_remember(many, slot);
	return err;
}

/* The same is to be done with all slots first to end - 1. */
static int many_slots(struct many *many, unsigned first, unsigned end, struct many_slot how)
{
	int err;

	if (!how.is_shared)
		return many_scan(many, first, end);
	err = many->ops->shared(many->index, many_va(many, first), many_va(many, end) - 1, how.same,
				many->arg);
	if (err) {
		many->stats->truncated = true;
		many->stats->truncated_va = many_va(many, end);
	}
	return err;
}

/* Slots in runs with which the same is to be done. Empty slots end a run, and nothing is done with them. */
static int many_mm(struct many *many)
{
	unsigned first, end;
	int err = 0;

	many->nr_tables = 0;
	if (!many->ops->shared)
		return many_scan(many, 0, many->nr_slots);
	many_load(many);
	for (first = many_empty(many, 0); first < many->nr_slots && !err;
	     first = end + many_empty(many, end)) {
		struct many_slot how = many_look(many, first);

		for (end = first + 1; end < many->nr_slots; end++) {
			struct many_slot next = many_look(many, end);

			if (next.is_shared != how.is_shared || next.same != how.same ||
			    (many->is_readable && !many->entries[end]))
				break;
		}
		err = many_slots(many, first, end, how);
	}
	return err;
}

static bool many_is_alike(const struct pgw_mm *a, const struct pgw_mm *b)
{
	const struct pgw_control *x = &a->pt.control, *y = &b->pt.control;

	return a->pt.phys && a->pt.phys == b->pt.phys && a->pt.format == b->pt.format &&
	       a->pt.region.kind == b->pt.region.kind && x->set == y->set &&
	       x->pa_bits == y->pa_bits && x->memory_types == y->memory_types &&
	       x->encryption_bit == y->encryption_bit;
}

static struct many *many_new(const struct pgw_mm *mm)
{
	const struct pgw_geometry *geo = &mm->pt.format->geometry;
	const unsigned span_lg2 = geo->span_lg2[geo->top_level];
	unsigned nr_slots = (unsigned)((mm->pt.region.last - mm->pt.region.first) >> span_lg2) + 1;
	size_t nr_ways = (size_t)nr_slots * MANY_WAYS;
	size_t size = sizeof(struct many) + nr_ways * sizeof(struct many_way) +
		      nr_slots * sizeof(uint64_t);
	struct many *many = mm->platform->obj_alloc(mm->platform->ctx, size);

	if (many) {
		many->size = size;
		many->nr_slots = nr_slots;
		many->vec = pt_vec_choose(mm->platform->cpu_features);
		many->entries = (uint64_t *)(many->ways + nr_ways);
		many->first_slot = pt_index(geo, mm->pt.region.first, geo->top_level);
	}
	return many;
}

int pgw_scan_many(struct pgw_mm *const *mms, size_t n, const struct pgw_scan_many_ops *ops,
		  void *arg, struct pgw_scan_stats *stats)
{
	struct pgw_scan_stats unwanted;
	const struct pgw_platform *platform;
	struct many *many;
	int err = 0;

	if (!stats)
		stats = &unwanted;
	*stats = (struct pgw_scan_stats){ 0 };
	if (!mms || !n || !ops || !ops->extent)
		return -PGW_EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!mms[i] || !many_is_alike(mms[0], mms[i]))
			return -PGW_EINVAL;
	}
	many = many_new(mms[0]);
	if (!many)
		return -PGW_ENOMEM;
	many->ops = ops;
	many->arg = arg;
	many->mms = mms;
	many->stats = stats;
	for (; many->index < n && !err; many->index++)
		err = many_mm(many);
	platform = mms[0]->platform;
	platform->obj_free(platform->ctx, many, many->size);
	return err;
}
