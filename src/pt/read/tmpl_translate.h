/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_TRANSLATE_H
#define PT_TMPL_TRANSLATE_H

/*
 * Translations. How many of them a CPU works at side by side, and so how many cache
 * misses overlap, depends on how few instructions one takes: so there is a
 * short way for tables that can be pointed at, and a long one for all else.
 */

#include "pt/read/loader.h"
#include "pt/read/recall.h"

static PGW_ALWAYS_INLINE void translate_result(const struct pt_env *env, uint64_t va,
					       const struct pt_found *found, unsigned level,
					       enum pgw_entry_kind kind,
					       struct pgw_translation *ret)
{
	/* Stored at once: what is stored one by one might be what is loaded next, to the compiler. */
	struct pgw_translation result = { .kind = kind, .level = (uint8_t)level };
	unsigned span_lg2 = PT_SPAN_LG2(level);

	result.entry = found->entry;
	if (pgw_likely(kind == PGW_ENTRY_LEAF)) {
		span_lg2 = pt_leaf_lg2(env, found->entry, level);
		result.leaf_lg2 = (uint8_t)span_lg2;
		result.rights = pt_rights(env, found->acc, found->entry, level);
		result.pa = pt_leaf_pa(env, found->entry, level, va);
	}
	result.va_first = va & ~low_bits(span_lg2);
	result.va_last = va | low_bits(span_lg2);
	*ret = result;
}

/* The same where the level is not known to be 0. @return 0: the short way ends by it */
static PGW_ONE_COPY int translate_end(const struct pt_env *env, uint64_t va, uint64_t entry,
				      pt_acc_t acc, unsigned level, struct pgw_translation *ret)
{
	struct pt_found found = { .entry = entry, .acc = acc, .level = level };

	translate_result(env, va, &found, level, pt_kind_at(env, entry, level), ret);
	return 0;
}

/* The same where the item cannot be read. */
static PGW_ONE_COPY void translate_unreadable(const struct pt_env *env, uint64_t va, unsigned level,
					      struct pgw_translation *ret)
{
	struct pt_found found = { .level = level };

	translate_result(env, va, &found, level, PGW_ENTRY_UNREADABLE, ret);
}

/* Has the table that the entry points to, of this level, a slot for va? One that it lacks is as an empty one. */
static bool translate_has_slot(const struct pt *pt, uint64_t va, const struct pt_found *found,
			       unsigned level)
{
	unsigned index = pt_index(&pt->format->geometry, va, level), first, last;

	pt_table_slots(&pt->env, found->entry, found->level, &first, &last);
	/* Addresses of levels that are skipped must be 0. */
	return index >= first && index <= last &&
	       !((va & low_bits(PT_SPAN_LG2(found->level))) >> PT_SPAN_LG2(level + 1));
}

/*
 * Pre: va lies in the tree's region.
 * Stops at the first entry that is not a table; at level 0 at the latest,
 * where no entry is one.
 * @return 0
 */
static PGW_ONE_COPY int translate_long(const struct pt *pt, uint64_t va,
				       struct pgw_translation *ret, struct pgw_path *path)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	const struct pt_env *env = &pt->env;
	struct pt_found found = { .acc = pt_acc_root(env, pt->region.kind),
				  .level = geo->top_level };
	uint64_t table_pa = pt->root_pa;
	uint64_t item_pa;
	unsigned nr_steps = 0;
	bool is_readable;

	for (;;) {
		enum pgw_entry_kind kind = PGW_ENTRY_UNREADABLE;
		unsigned below;

		item_pa = table_pa + ((uint64_t)pt_index(geo, va, found.level) << PT_ITEM_LG2);
		found.entry = 0;
		is_readable = pt_load_item(pt, item_pa, &found.entry);
		if (pgw_likely(is_readable))
			kind = pt_kind_at(env, found.entry, found.level);
		if (path) {
			path->step[nr_steps++] = (struct pgw_step){
				.item_pa = item_pa,
				.entry = found.entry,
				.kind = kind,
				.level = (uint8_t)found.level,
			};
		}
		if (kind != PGW_ENTRY_TABLE)
			break;
		below = pt_table_level(env, found.entry, found.level);
		if (PT_HAS_PARTS && !translate_has_slot(pt, va, &found, below)) {
			/* The largest slot of the levels that are skipped that has va, and not the table. */
			while (--found.level > below + 1 && !pt_index(geo, va, found.level))
				;
			found.entry = pt_empty(found.level);
			break;
		}
		found.acc = pt_acc_table(env, found.acc, found.entry);
		table_pa = pt_table_pa(env, found.entry);
		found.level = below;
	}
	if (path)
		path->nr_steps = nr_steps;
	if (pgw_unlikely(!is_readable)) {
		translate_unreadable(env, va, found.level, ret);
		return 0;
	}
	/* Lowest tables have no parts, so a slot that is missing is missing for a whole stretch. */
	if (pt->recall && !path)
		pt_recall_keep(pt, va, item_pa, &found);
	return translate_end(env, va, found.entry, found.acc, found.level, ret);
}

static PGW_ALWAYS_INLINE bool translate_is_near(const struct pt *pt, uint64_t item_pa)
{
	/* Both ends are whole items. */
	return item_pa - pt->near_first < pt->near_size;
}

/* A level of the short way, a constant: from its item to that of the next lower one. */
#define TRANSLATE_STEP(lvl)                                                                        \
	do {                                                                                       \
		level = (lvl);                                                                     \
		if (pgw_unlikely(!translate_is_near(pt, item_pa)))                                 \
			goto far;                                                                  \
		entry = pt_near_entry(pt_near_items(pt, item_pa));                                 \
		if (pgw_unlikely(!pt_is_table(env, entry, lvl)))                                   \
			goto end;                                                                  \
		acc = pt_acc_table(env, acc, entry);                                               \
		item_pa = translate_item_pa(pt_table_pa(env, entry), va, (lvl)-1);                 \
	} while (0)

static int pt_translate(const struct pt *pt, uint64_t va, struct pgw_translation *ret,
			struct pgw_path *path)
{
	const struct pt_env *env = &pt->env;
	uint64_t item_pa = pt->root_pa + ((va >> pt->top_shift) & pt->top_mask);
	pt_acc_t acc = pt_acc_root(env, pt->region.kind);
	const unsigned top = pt->format->geometry.top_level;
	struct pt_found leaf;
	uint64_t entry;
	unsigned level;

	/* Where levels are skipped, there are also more or fewer of them than the short way has. */
	if (pgw_unlikely(path != NULL) || (PT_HAS_PARTS && (!top || top > PT_MAX_TOP_LEVEL)))
		goto far;
	if (PT_MAX_TOP_LEVEL >= 4 && top >= 4)
		TRANSLATE_STEP(4);
	if (PT_MAX_TOP_LEVEL >= 3 && top >= 3)
		TRANSLATE_STEP(3);
	if (top >= 2)
		TRANSLATE_STEP(2);
	TRANSLATE_STEP(1);
	level = 0;
	if (pgw_unlikely(!translate_is_near(pt, item_pa)))
		goto far;
	entry = pt_near_entry(pt_near_items(pt, item_pa));
	if (pgw_unlikely(pt_entry_kind(env, entry, 0) != PGW_ENTRY_LEAF))
		goto end;
	leaf = (struct pt_found){ .entry = entry, .acc = acc };
	translate_result(env, va, &leaf, 0, PGW_ENTRY_LEAF, ret);
	return 0;
end:
	/* It may be a table of which there is a part. */
	if (pgw_unlikely(pt_is_frozen(pt, entry)) || (PT_HAS_PARTS && level))
		goto far;
	return translate_end(env, va, entry, acc, level, ret);
far:
	return translate_long(pt, va, ret, path);
}

#endif
