/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_CURSOR_H
#define PT_TMPL_CURSOR_H

/*
 * Translations that begin where others went through. The cursor has the tables of the two lowest
 * levels that were there last, and which addresses each is for: above them are few tables, which stay
 * in the CPU's caches.
 */

#include "pt/read/tmpl_translate.h"

/* The bits of an address that choose a table of this level. */
static PGW_ALWAYS_INLINE uint64_t cursor_span(uint64_t va, unsigned level)
{
	return va >> PT_SPAN_LG2(level + 1);
}

/* Does va go through the cursor's table of this level? The span of none is no address's. */
static PGW_ALWAYS_INLINE bool cursor_has(const struct pgw_translate_cursor *cursor, uint64_t va,
					 unsigned level)
{
	return cursor->span[level] == cursor_span(va, level);
}

/* The item for va in a table of this level. */
static PGW_ALWAYS_INLINE const uint64_t *cursor_item(const uint64_t *items, uint64_t va,
						     unsigned level)
{
	return items + ((va >> PT_SPAN_LG2(level)) & low_bits(PT_SLOTS_LG2_AT(level)));
}

/* All of a table of this level can be pointed at. */
static PGW_ALWAYS_INLINE bool cursor_is_near(const struct pt *pt, uint64_t table_pa, unsigned level)
{
	return pt_is_near(pt, table_pa, UINT64_C(1) << (PT_SLOTS_LG2_AT(level) + PT_ITEM_LG2));
}

static PGW_ALWAYS_INLINE void cursor_keep(struct pgw_translate_cursor *cursor, uint64_t va,
					  unsigned level, const uint64_t *items, pt_acc_t acc)
{
	if (level >= PGW_CURSOR_LEVELS)
		return;
	cursor->span[level] = cursor_span(va, level);
	cursor->table[level] = items;
	cursor->acc[level] = acc;
}

/* From the cursor's table of level 1, or from the root. */
static PGW_NOINLINE int cursor_descend(const struct pt *pt, struct pgw_translate_cursor *cursor,
				       uint64_t va, struct pgw_translation *ret)
{
	const struct pt_env *env = &pt->env;
	const uint64_t *item;
	uint64_t entry, table_pa;
	pt_acc_t acc;
	unsigned level;

	if (pgw_likely(cursor_has(cursor, va, 1))) {
		item = cursor_item(cursor->table[1], va, 1);
		acc = cursor->acc[1];
		level = 1;
		goto above;
	}
	table_pa = pt->root_pa + ((va >> pt->top_shift) & pt->top_mask);
	if (pgw_unlikely(!translate_is_near(pt, table_pa)))
		goto far;
	item = pt_near_items(pt, table_pa);
	acc = pt_acc_root(env, pt->region.kind);
	for (level = pt->format->geometry.top_level; level; level--) {
	above:
		entry = pt_near_entry(item);
		if (pgw_unlikely(!pt_is_table(env, entry, level)))
			break;
		table_pa = pt_table_pa(env, entry);
		if (pgw_unlikely(!cursor_is_near(pt, table_pa, level - 1)))
			goto far;
		acc = pt_acc_table(env, acc, entry);
		cursor_keep(cursor, va, level - 1, pt_near_items(pt, table_pa), acc);
		item = cursor_item(pt_near_items(pt, table_pa), va, level - 1);
	}
	entry = pt_near_entry(item);
	/* It may be a table of which there is a part. */
	if (pgw_unlikely(pt_is_frozen(pt, entry)) || (PT_HAS_PARTS && level))
		goto far;
	return translate_end(env, va, entry, acc, level, ret);
far:
	return translate_long(pt, va, ret, NULL);
}

/* From the cursor's lowest table, or from higher up. */
static int pt_translate_by(const struct pt *pt, struct pgw_translate_cursor *cursor, uint64_t va,
			   struct pgw_translation *ret)
{
	uint64_t entry;

	if (!cursor_has(cursor, va, 0))
		return cursor_descend(pt, cursor, va, ret);
	entry = pt_near_entry(cursor_item(cursor->table[0], va, 0));
	if (pgw_unlikely(pt_is_frozen(pt, entry)))
		return translate_long(pt, va, ret, NULL);
	return translate_end(&pt->env, va, entry, cursor->acc[0], 0, ret);
}

#endif
