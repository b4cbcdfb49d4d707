/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_REMAP_H
#define PT_TMPL_EDIT_REMAP_H

/*
 * Another frame for a live leaf of the lowest level. Where the format wants
 * break-before-make that is two steps with a flush between, so that many leaves
 * share one: freeze, flush, remap. Elsewhere freezing only looks.
 */

#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_protect.h"

/* The bits of a leaf of the lowest level that a remap sets. */
struct edit_remap {
	uint64_t rights;
	uint64_t target, mask; /* the address */
};

static bool remap_encode(const struct edit_cursor *c, uint64_t va, const struct pt_remap *to,
			 struct edit_remap *ret)
{
	struct pgw_leaf leaf = { .va = va, .pa = to->pa, .rights = to->rights };
	uint64_t entry;

	if (!protect_bits(c->pt, c->env, to->rights, &ret->rights) ||
	    !pt_leaf_encode(c->env, &leaf, &entry))
		return false;
	ret->mask = pt_addr_mask(c->env, 0);
	ret->target = entry & ret->mask;
	return true;
}

static int pt_freeze_item(const struct pt_edit *edit, uint64_t *item, uint64_t va,
			  const struct pt_remap *to, uint64_t *ret)
{
	struct edit_remap remap;
	struct edit_cursor c;
	uint64_t seen;

	cursor_init(&c, edit, va);
	if (!remap_encode(&c, va, to, &remap))
		return -PGW_EOPNOTSUPP;
	do {
		seen = pt_owner_item(item); /* waits for whoever has frozen it */
		if (pt_entry_kind(c.env, seen, 0) != PGW_ENTRY_LEAF)
			return -PGW_ENOENT;
		if (pt_leaf_lg2(c.env, seen, 0) != c.geo->granule_lg2)
			return -PGW_EBUSY;
	} while (pt_frozen() && !edit_replace(&c, item, &seen, pt_frozen()));
	if (pt_frozen())
		gather_range(edit->gather, va, va | low_bits(c.geo->granule_lg2));
	*ret = seen;
	return 0;
}

static void pt_put_item(const struct pt_edit *edit, uint64_t *item, uint64_t va, uint64_t entry)
{
	struct edit_cursor c;

	cursor_init(&c, edit, va);
	edit_store(&c, item, entry);
	gather_range(edit->gather, va, va | low_bits(c.geo->granule_lg2));
}

static void pt_remap_item(const struct pt_edit *edit, uint64_t *item, uint64_t va,
			  const struct pt_remap *to, uint64_t *old)
{
	struct edit_remap remap;
	struct edit_cursor c;
	uint64_t new;

	cursor_init(&c, edit, va);
	if (!remap_encode(&c, va, to, &remap))
		return; /* freezing has refused it */
	do {
		new = pt_leaf_protect(c.env, *old, remap.rights);
		new = (new & ~remap.mask) | remap.target;
		if (pt_frozen()) {
			edit_store(&c, item, new);
			return;
		}
	} while (!edit_replace(&c, item, old, new));
	gather_range(edit->gather, va, va | low_bits(c.geo->granule_lg2));
}

static bool pt_remap_breaks(void)
{
	return pt_frozen() != 0;
}

#endif
