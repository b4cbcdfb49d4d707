/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/loader.h"

bool pt_copy_partly(const struct pt *pt, uint64_t pa, unsigned wanted, uint64_t *copy, unsigned *nr)
{
	uint64_t first, last;

	if (!pt->phys->ops->next_range(pt->phys, pa, &first, &last)) {
		*nr = wanted;
	} else if (first > pa) {
		*nr = first - pa >= (uint64_t)wanted * 8 ? wanted
							 : (unsigned)((first - pa + 7) / 8);
	} else if (last - pa < 7) {
		*nr = 1; /* memory ends inside the item */
	} else if (last - pa < (uint64_t)*nr * 8 - 1) {
		*nr = (unsigned)((last - pa + 1) / 8);
		return pgw_phys_read(pt->phys, pa, copy, (size_t)*nr * 8) == 0;
	}
	/* Else the source has these bytes and cannot give them. */
	return false;
}

void pt_window_load(const struct pt *pt, bool private_copy, uint64_t table_pa, unsigned index,
		    unsigned nr, struct pt_window *win)
{
	uint64_t pa = table_pa + (uint64_t)index * 8;

	win->first = index;
	win->readable = true;
	if (!private_copy && pt->phys->ops->map) {
		win->nr = nr;
		win->items = pt->phys->ops->map(pt->phys, pa, (size_t)nr * 8);
		if (pgw_likely(win->items != NULL))
			return;
	}
	win->items = win->copy;
	win->readable = pt_copy_items(pt, pa, nr, win->copy, PT_WINDOW_ITEMS, &win->nr);
}
