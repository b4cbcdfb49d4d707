/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/live.h"

#include "pt/read/loader.h"

#define LIVE_CHUNK PT_WINDOW_ITEMS
#define LIVE_TRIES 4 /* of something that may be torn */

static bool item_is(const struct pt *pt, uint64_t item_pa, uint64_t entry)
{
	uint64_t now;

	return pt_load_item(pt, item_pa, &now) && now == entry;
}

/* Are the items still these? Looked at in chunks: the stack is small. */
static bool items_are(const struct pt *pt, uint64_t pa, const uint64_t *copy, unsigned nr)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	uint64_t now[LIVE_CHUNK];
	unsigned got;

	for (unsigned i = 0; i < nr; i += got) {
		if (!pt_copy_items(pt, pt_item_pa(geo, pa, i), nr - i, now, LIVE_CHUNK, &got))
			return false;
		for (unsigned k = 0; k < got; k++) {
			if (now[k] != copy[i + k])
				return false;
		}
	}
	return true;
}

enum pt_copied pt_copy_live(const struct pt *pt, uint64_t pa, unsigned nr, uint64_t *copy,
			    const struct pt_parent *parent, unsigned *ret_nr)
{
	const struct pgw_phys_ops *ops = pt->phys->ops;

	for (unsigned i = 0; i < LIVE_TRIES; i++) {
		uint64_t generation = ops->generation ? ops->generation(pt->phys) : 0;

		if (!pt_copy_items(pt, pa, nr, copy, nr, ret_nr))
			return PT_COPIED_NOT;
		if ((!parent || !parent->entry || item_is(pt, parent->item_pa, parent->entry)) &&
		    ((ops->generation && ops->generation(pt->phys) == generation) ||
		     items_are(pt, pa, copy, *ret_nr)))
			return PT_COPIED;
	}
	return PT_COPIED_TORN;
}

/* Do all items of a path still say what they said? */
static bool path_holds(const struct pt *pt, const struct pgw_path *path)
{
	for (unsigned i = 0; i < path->nr_steps; i++) {
		const struct pgw_step *step = &path->step[i];

		if (step->kind != PGW_ENTRY_UNREADABLE && !item_is(pt, step->item_pa, step->entry))
			return false;
	}
	return true;
}

int pt_translate_live(const struct pt *pt, uint64_t va, struct pgw_translation *ret,
		      struct pgw_path *path)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct pgw_path own;
	uint64_t span;

	path = path ? path : &own;
	for (unsigned i = 0; i < LIVE_TRIES; i++) {
		pt_ops(pt)->translate(pt, va, ret, path);
		if (path_holds(pt, path))
			return 0;
	}
	span = low_bits(geo->span_lg2[ret->level]);
	*ret = (struct pgw_translation){
		.kind = PGW_ENTRY_TORN,
		.level = ret->level,
		.va_first = va & ~span,
		.va_last = va | span,
	};
	return 0;
}
