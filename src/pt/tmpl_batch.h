/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_BATCH_H
#define PT_TMPL_BATCH_H

/*
 * Many translations. A group of them goes down the levels side by side, so that
 * their cache misses overlap, and begins at the lowest table that all of them
 * share with the last address of the group before.
 */

#include "pt/tmpl_translate.h"

#define BATCH_GROUP 16

/** The way to an address: the tables that it went through, from the top to level. */
struct batch_way {
	uint64_t va;
	unsigned level;
	uint64_t table_pa[PGW_MAX_LEVELS];
	pt_acc_t acc[PGW_MAX_LEVELS];
};

/** A group on its way down: each address's next item, and the rights so far. */
struct batch_group {
	const uint64_t *va;
	struct pgw_translation *ret;
	unsigned nr;
	uint32_t live; /* bit i: address i has not met its last entry */
	uint64_t item_pa[BATCH_GROUP];
	pt_acc_t acc[BATCH_GROUP];
};

/* An item that cannot be pointed at. */
static PGW_ONE_COPY bool batch_load_far(const struct pt *pt, uint64_t item_pa, uint64_t *ret)
{
	*ret = 0;
	return pt_load_item(pt, item_pa, 0, ret);
}

static PGW_ALWAYS_INLINE bool batch_load(const struct pt *pt, uint64_t item_pa, uint64_t *ret)
{
	if (pgw_unlikely(!translate_is_near(pt, item_pa)))
		return batch_load_far(pt, item_pa, ret);
	*ret = pt_near_entry(pt_near_items(pt, item_pa));
	return true;
}

/* Address i ends above the lowest level, or at an item that cannot be read. */
static PGW_ONE_COPY void batch_end(const struct pt *pt, struct batch_group *group, unsigned i,
				   unsigned level, uint64_t entry, bool is_readable)
{
	struct pt_found found = { .entry = entry, .acc = group->acc[i], .level = level };

	group->live &= ~(UINT32_C(1) << i);
	if (pgw_unlikely(pt_is_frozen(pt, entry))) {
		translate_long(pt, group->va[i], &group->ret[i], NULL);
		return;
	}
	translate_end(&pt->env, group->va[i], found, is_readable, &group->ret[i]);
}

/* All addresses of a group one level down; the last one leaves its way. */
static PGW_ALWAYS_INLINE void batch_step(const struct pt *pt, struct batch_group *group,
					 unsigned level, struct batch_way *way)
{
	const struct pt_env *env = &pt->env;

	for (unsigned i = 0; i < group->nr; i++) {
		uint64_t entry, table_pa;
		bool is_readable;

		if (pgw_unlikely(!(group->live >> i & 1)))
			continue;
		is_readable = batch_load(pt, group->item_pa[i], &entry);
		if (pgw_unlikely((entry & env->table_mask) != env->table_value)) {
			batch_end(pt, group, i, level, entry, is_readable);
			continue;
		}
		table_pa = pt_table_pa(env, entry);
		group->acc[i] = pt_acc_table(env, group->acc[i], entry);
		group->item_pa[i] = translate_item_pa(table_pa, group->va[i], level - 1);
		/* Where the item is not near this is no address of ours, which does no harm. */
		__builtin_prefetch(pt_near_items(pt, group->item_pa[i]));
		if (i == group->nr - 1) {
			way->level = level - 1;
			way->table_pa[level - 1] = table_pa;
			way->acc[level - 1] = group->acc[i];
		}
	}
}

static PGW_ALWAYS_INLINE void batch_lowest(const struct pt *pt, struct batch_group *group)
{
	const struct pt_env *env = &pt->env;

	for (unsigned i = 0; i < group->nr; i++) {
		struct pt_found found = { .acc = group->acc[i] };
		enum pgw_entry_kind kind;
		bool is_readable;

		if (pgw_unlikely(!(group->live >> i & 1)))
			continue;
		is_readable = batch_load(pt, group->item_pa[i], &found.entry);
		kind = pt_entry_kind(env, found.entry, 0);
		if (pgw_unlikely(kind != PGW_ENTRY_LEAF))
			batch_end(pt, group, i, 0, found.entry, is_readable);
		else
			translate_result(env, group->va[i], &found, 0, kind, &group->ret[i]);
	}
}

/* The lowest table on the way that all addresses lie in. */
static PGW_ALWAYS_INLINE unsigned batch_start(const struct pt *pt, const struct batch_group *group,
					      const struct batch_way *way)
{
	unsigned level = pt->format->geometry.top_level;
	uint64_t differ = 0;

	for (unsigned i = 0; i < group->nr; i++)
		differ |= group->va[i] ^ way->va;
	while (level > way->level && differ >> PT_SPAN_LG2(level) == 0)
		level--;
	return level;
}

static void pt_translate_batch(const struct pt *pt, const uint64_t *va, struct pgw_translation *ret,
			       size_t n)
{
	const unsigned top = pt->format->geometry.top_level;
	struct batch_way way;
	struct batch_group group;

	if (!n)
		return;
	way.va = va[0];
	way.level = top;
	way.table_pa[top] = pt->root_pa;
	way.acc[top] = pt_acc_root(&pt->env, pt_half_of(va[0]));
	for (; n; n -= group.nr, va += group.nr, ret += group.nr) {
		unsigned level;

		group.va = va;
		group.ret = ret;
		group.nr = n < BATCH_GROUP ? (unsigned)n : BATCH_GROUP;
		group.live = UINT32_MAX;
		level = batch_start(pt, &group, &way);
		for (unsigned i = 0; i < group.nr; i++) {
			group.item_pa[i] =
				way.table_pa[level] +
				(uint64_t)pt_index(&pt->format->geometry, va[i], level) * 8;
			group.acc[i] = way.acc[level];
		}
		way.va = va[group.nr - 1];
		way.level = level;
		for (; level; level--)
			batch_step(pt, &group, level, &way);
		batch_lowest(pt, &group);
	}
}

#endif
