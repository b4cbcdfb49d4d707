/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_BATCH_H
#define PT_TMPL_BATCH_H

/*
 * Many translations. A group of them goes down the levels side by side, so that
 * their cache misses overlap, and begins at the lowest table that all of them
 * share with the last address of the group before.
 */

#include "pt/simd/lanes.h"
#include "pt/read/tmpl_translate.h"

/** A group on its way down. */
struct batch_group {
	const uint64_t *va;
	struct pgw_translation *ret;
	unsigned nr;
	uint32_t live;         /* bit i: address i has not met its last entry */
	struct pt_lanes lanes; /* each address's next item, and the rights so far */
	/* The item that was copied last: neighbours share upper ones. -1: none */
	uint64_t copied_pa, copied;
};

/* An item that cannot be pointed at. What cannot be read must look like nothing: 0 may be a table. */
static PGW_ONE_COPY bool batch_load_far(const struct pt *pt, struct batch_group *group,
					uint64_t item_pa, unsigned level)
{
	if (item_pa == group->copied_pa)
		return true;
	group->copied_pa = UINT64_MAX;
	if (!pt_load_foreign(pt, item_pa, &group->copied)) {
		group->copied = pt_empty(level);
		return false;
	}
	group->copied_pa = item_pa;
	return true;
}

static PGW_ALWAYS_INLINE bool batch_load(const struct pt *pt, struct batch_group *group,
					 uint64_t item_pa, unsigned level, uint64_t *ret)
{
	if (pgw_unlikely(!translate_is_near(pt, item_pa))) {
		bool is_readable = batch_load_far(pt, group, item_pa, level);

		*ret = group->copied;
		return is_readable;
	}
	*ret = pt_near_entry(pt_near_items(pt, item_pa));
	return true;
}

/* Address i ends above the lowest level, or at an item that is no leaf. */
static PGW_ONE_COPY void batch_end(const struct pt *pt, struct batch_group *group, unsigned i,
				   unsigned level, uint64_t entry, bool is_readable)
{
	group->live &= ~(UINT32_C(1) << i);
	if (pgw_unlikely(!is_readable))
		translate_unreadable(&pt->env, group->va[i], level, &group->ret[i]);
	else if (pgw_unlikely(pt_is_frozen(pt, entry)) ||
		 (PT_HAS_PARTS && pt_kind_at(&pt->env, entry, level) == PGW_ENTRY_TABLE))
		translate_long(pt, group->va[i], &group->ret[i], NULL);
	else
		translate_end(&pt->env, group->va[i], entry, group->lanes.acc[i], level,
			      &group->ret[i]);
}

/* All addresses of a group one level down; the last one leaves its way. */
static PGW_ALWAYS_INLINE void batch_step(const struct pt *pt, struct batch_group *group,
					 unsigned level, struct pt_way *way)
{
	const struct pt_env *env = &pt->env;

	for (unsigned i = 0; i < group->nr; i++) {
		uint64_t entry, table_pa;
		bool is_readable;

		if (pgw_unlikely(!(group->live >> i & 1)))
			continue;
		is_readable = batch_load(pt, group, group->lanes.item_pa[i], level, &entry);
		if (pgw_unlikely(!pt_is_table(env, entry, level))) {
			batch_end(pt, group, i, level, entry, is_readable);
			continue;
		}
		table_pa = pt_table_pa(env, entry);
		group->lanes.acc[i] = pt_acc_table(env, group->lanes.acc[i], entry);
		group->lanes.item_pa[i] = translate_item_pa(table_pa, group->va[i], level - 1);
		/* Where the item is not near this is no address of ours, which does no harm. */
		__builtin_prefetch(pt_near_items(pt, group->lanes.item_pa[i]));
		if (i == group->nr - 1) {
			way->level = level - 1;
			way->table_pa[level - 1] = table_pa;
			way->acc[level - 1] = group->lanes.acc[i];
		}
	}
}

static PGW_ALWAYS_INLINE void batch_lowest(const struct pt *pt, struct batch_group *group)
{
	const struct pt_env *env = &pt->env;

	for (unsigned i = 0; i < group->nr; i++) {
		struct pt_found found = { .acc = group->lanes.acc[i] };
		enum pgw_entry_kind kind;
		bool is_readable;

		if (pgw_unlikely(!(group->live >> i & 1)))
			continue;
		is_readable = batch_load(pt, group, group->lanes.item_pa[i], 0, &found.entry);
		kind = pt_entry_kind(env, found.entry, 0);
		if (pgw_unlikely(kind != PGW_ENTRY_LEAF))
			batch_end(pt, group, i, 0, found.entry, is_readable);
		else
			translate_result(env, group->va[i], &found, 0, kind, &group->ret[i]);
	}
}

/* Each address's item in the lowest table on the way that all of them lie in. */
static PGW_ALWAYS_INLINE void batch_begin(const struct pt *pt, struct batch_group *group,
					  struct pt_way *way)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	uint64_t differ = 0;
	unsigned level;

	for (unsigned i = 0; i < group->nr; i++)
		differ |= group->va[i] ^ way->va;
	pt_way_shorten(pt, way, differ);
	level = way->level;
	for (unsigned i = 0; i < group->nr; i++) {
		group->lanes.item_pa[i] =
			way->table_pa[level] +
			((uint64_t)pt_index(geo, group->va[i], level) << PT_ITEM_LG2);
		group->lanes.acc[i] = way->acc[level];
	}
	group->lanes.level = level;
	way->va = group->va[group->nr - 1];
}

/* What all results begin with: leaves of one item, with rights. */
static PGW_ALWAYS_INLINE uint64_t batch_head(const struct pt_env *env, uint64_t entry, pt_acc_t acc)
{
	const struct pgw_translation leaf = {
		.kind = PGW_ENTRY_LEAF,
		.leaf_lg2 = PT_GRANULE_LG2,
		.rights = pt_rights(env, acc, entry, 0),
	};
	uint64_t head;

	__builtin_memcpy(&head, &leaf, sizeof(head));
	return head;
}

/* A whole group in vectors. @return false: not all of the way; the group goes on from there */
static PGW_ALWAYS_INLINE bool batch_lanes(const struct pt *pt, struct batch_group *group,
					  struct pt_way *way)
{
	struct pt_lanes *lanes = &group->lanes;
	uint64_t head[PT_LANES];

	pt->lanes->descend(pt, group->va, way, lanes);
	if (pgw_unlikely(!lanes->is_done))
		return false;
	for (unsigned i = 0; i < (lanes->same_rights ? 1 : PT_LANES); i++)
		head[i] = batch_head(&pt->env, lanes->entry[i], lanes->acc[i]);
	pt->lanes->store(pt, group->va, lanes, head, group->ret);
	return true;
}

static void pt_translate_batch(const struct pt *pt, const uint64_t *va, struct pgw_translation *ret,
			       size_t n)
{
	const unsigned top = pt->format->geometry.top_level;
	struct pt_way way;
	struct batch_group group;

	if (!n)
		return;
	way.va = va[0];
	way.level = top;
	way.table_pa[top] = pt->root_pa;
	way.acc[top] = pt_acc_root(&pt->env, pt->region.kind);
	way.acc_keep = pt_acc_keep(way.acc[top]);
	group.copied_pa = UINT64_MAX;
	for (; n; n -= group.nr, va += group.nr, ret += group.nr) {
		group.va = va;
		group.ret = ret;
		group.nr = n < PT_LANES ? (unsigned)n : PT_LANES;
		group.live = UINT32_MAX;
		if (group.nr < PT_LANES || !pt->lanes)
			batch_begin(pt, &group, &way);
		else if (pgw_likely(batch_lanes(pt, &group, &way)))
			continue;
		for (unsigned level = group.lanes.level; level; level--)
			batch_step(pt, &group, level, &way);
		batch_lowest(pt, &group);
	}
}

#endif
