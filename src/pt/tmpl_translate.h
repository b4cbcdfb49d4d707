/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_TRANSLATE_H
#define PT_TMPL_TRANSLATE_H

#include "pt/loader.h"

/*
 * Pre: va lies in one of the format's halves.
 * Stops at the first entry that is not a table; at level 0 at the latest,
 * where no entry is one.
 */
static PGW_ALWAYS_INLINE void pt_translate_any(const struct pt *pt, bool owner, uint64_t va,
					       struct pgw_translation *ret, struct pgw_path *path)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pt_env env = pt_env_init(pt->format, &pt->control);
	pt_acc_t acc = pt_acc_root(&env, pt_half_of(va));
	uint64_t table_pa = pt->root_pa, entry = 0, span;
	unsigned level = geo->top_level, nr_steps = 0;
	enum pgw_entry_kind kind;

	for (;; level--) {
		unsigned index = pt_index(geo, va, level);

		kind = PGW_ENTRY_UNREADABLE;
		entry = 0;
		if (pgw_likely(pt_load_item(pt, owner, table_pa, index, &entry)))
			kind = pt_entry_kind(&env, entry, level);
		if (path) {
			path->step[nr_steps++] = (struct pgw_step){
				.item_pa = table_pa + (uint64_t)index * 8,
				.entry = entry,
				.kind = kind,
				.level = (uint8_t)level,
			};
		}
		if (kind != PGW_ENTRY_TABLE)
			break;
		acc = pt_acc_table(&env, acc, entry);
		table_pa = pt_table_pa(&env, entry);
	}
	if (path)
		path->nr_steps = nr_steps;
	*ret = (struct pgw_translation){ .kind = kind, .level = (uint8_t)level, .entry = entry };
	span = low_bits(geo->span_lg2[level]);
	if (kind == PGW_ENTRY_LEAF) {
		ret->leaf_lg2 = (uint8_t)pt_leaf_lg2(&env, entry, level);
		span = low_bits(ret->leaf_lg2);
		ret->pa = pt_leaf_pa(&env, entry, level, va);
		ret->rights = pt_rights(&env, acc, entry, level);
	}
	ret->va_first = va & ~span;
	ret->va_last = va | span;
}

static void pt_translate_reader(const struct pt *pt, uint64_t va, struct pgw_translation *ret,
				struct pgw_path *path)
{
	pt_translate_any(pt, false, va, ret, path);
}

static void pt_translate_owner(const struct pt *pt, uint64_t va, struct pgw_translation *ret,
			       struct pgw_path *path)
{
	pt_translate_any(pt, true, va, ret, path);
}

#endif
