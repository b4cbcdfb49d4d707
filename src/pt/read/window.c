/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/live.h"
#include "pt/read/loader.h"

void pt_window_load(const struct pt *pt, uint64_t table_pa, const struct pt_parent *parent,
		    unsigned index, unsigned nr, struct pt_window *win)
{
	uint64_t pa = pt_item_pa(&pt->format->geometry, table_pa, index);
	enum pt_copied copied;

	win->first = index;
	win->torn = false;
	if (pgw_unlikely(pt->is_live)) {
		nr = nr < PT_WINDOW_ITEMS ? nr : PT_WINDOW_ITEMS;
		copied = pt_copy_live(pt, pa, nr, win->copy, parent, &win->nr);
		win->readable = copied == PT_COPIED;
		win->torn = copied == PT_COPIED_TORN;
		return;
	}
	win->readable = pt_copy_items(pt, pa, nr, win->copy, PT_WINDOW_ITEMS, &win->nr);
}
