/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_PROTECT_H
#define PT_TMPL_EDIT_PROTECT_H

/* Other rights for leaves that exist, and which rights there are. */

#include "pt/edit/tmpl_edit.h"

struct edit_protect {
	struct edit_cursor c;
	uint64_t bits; /* of pt_rights_mask() */
};

/* Hardware may set states of the item meanwhile; they are kept. @return it was changed */
static bool protect_item(const struct edit_protect *p, uint64_t *item)
{
	uint64_t seen = pt_owner_item(item), new;

	do {
		new = pt_leaf_protect(p->c.env, seen, p->bits);
		if (new == seen)
			return false;
	} while (!edit_replace(&p->c, item, &seen, new));
	return true;
}

/* Hardware may not see items of the run that differ: all are broken, then made. */
static void protect_run(struct edit_protect *p, uint64_t *items, unsigned nr, uint64_t va)
{
	struct edit_cursor *c = &p->c;
	unsigned span_lg2 = c->geo->span_lg2[c->level];
	uint64_t entry = pt_owner_item(items), new;

	while (!edit_break(c, items, nr, va, &entry))
		; /* its accessed or dirty state has changed */
	new = pt_leaf_protect(c->env, entry, p->bits);
	for (unsigned i = 0; i < nr; i++)
		edit_store(c, &items[i],
			   pt_entry_advance(c->env, new, c->level, (uint64_t)i << span_lg2));
}

static enum edit_outcome protect_items(struct edit_cursor *c, struct edit_row *row)
{
	struct edit_protect *p = pgw_container_of(c, struct edit_protect, c);
	const struct pt_env *env = c->env;
	unsigned level = c->level, span_lg2 = c->geo->span_lg2[level], i, n;
	uint64_t *items = c->table[level] + row->index, first = UINT64_MAX, last = 0;

	for (i = 0; i < row->nr; i += n) {
		uint64_t entry = pt_owner_item(&items[i]);
		uint64_t item_va = row->va + ((uint64_t)i << span_lg2);
		enum pgw_entry_kind kind = pt_entry_kind(env, entry, level);
		uint64_t new = pt_leaf_protect(env, entry, p->bits);

		n = 1;
		if (kind == PGW_ENTRY_TABLE)
			break;
		if (kind != PGW_ENTRY_LEAF || new == entry)
			continue;
		if (pt_needs_break(env, entry, new)) {
			n = edit_nr_items(c, entry, level);
			protect_run(p, &items[i], n, item_va);
		} else if (protect_item(p, &items[i])) {
			first = item_va < first ? item_va : first;
			last = item_va | low_bits(span_lg2);
		}
	}
	if (first <= last)
		gather_range(c->edit->gather, first, last);
	row->nr = i;
	return EDIT_DONE;
}

/* Leaves of all levels say rights alike, and each of them on its own. */
static bool protect_bits(const struct pt *pt, const struct pt_env *env, uint8_t rights,
			 uint64_t *ret)
{
	struct pgw_leaf leaf = { .rights = rights };
	uint64_t entry;

	if ((pt->region.kind == PGW_REGION_KERNEL &&
	     (rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X))) ||
	    !pt_leaf_encode(env, &leaf, &entry))
		return false;
	*ret = entry & pt_rights_mask();
	return true;
}

static bool pt_can_protect(const struct pt *pt, uint8_t rights)
{
	uint64_t bits;

	return protect_bits(pt, &pt->env, rights, &bits);
}

static int pt_protect(const struct pt_edit *edit, uint64_t first, uint64_t last, uint8_t rights)
{
	struct edit_protect p;

	cursor_init(&p.c, edit, first);
	if (!protect_bits(edit->pt, p.c.env, rights, &p.bits))
		return -PGW_EOPNOTSUPP;
	edit_each(&p.c, first, last, protect_items);
	return 0;
}

/*
 * For the user exactly what is wanted, or that and read. For the kernel, in this
 * order: all data access that there is; execute only where it cannot be left out.
 */
static bool pt_user_rights(const struct pt *pt, uint8_t wanted, unsigned level, uint8_t *ret)
{
	static const uint8_t kernel[] = {
		PGW_KERNEL_R | PGW_KERNEL_W,
		PGW_KERNEL_R,
		PGW_KERNEL_W,
		0,
		PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X,
		PGW_KERNEL_R | PGW_KERNEL_X,
		PGW_KERNEL_W | PGW_KERNEL_X,
		PGW_KERNEL_X,
	};
	const uint8_t user[] = { wanted, wanted | PGW_USER_R };
	struct pgw_leaf leaf = { .level = (uint8_t)level };
	uint64_t entry;

	for (size_t i = 0; i < PGW_ARRAY_SIZE(user) * PGW_ARRAY_SIZE(kernel); i++) {
		leaf.rights = user[i / PGW_ARRAY_SIZE(kernel)] | kernel[i % PGW_ARRAY_SIZE(kernel)];
		if (pt_leaf_encode(&pt->env, &leaf, &entry)) {
			*ret = leaf.rights;
			return true;
		}
	}
	return false;
}

#endif
