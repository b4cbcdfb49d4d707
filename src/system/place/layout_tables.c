/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

#include <stdlib.h>

#include "base/bits.h"
#include "pt/read/loader.h"

/* Of tables, in all; and how many entries are read at once. */
#define MAX_TABLES (1u << 14)

struct look {
	const struct pgw_image *view;
	const struct image_layout *layout;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_control control; /* complete */
	const struct image_piece *known;
	unsigned left; /* tables that may still be looked at */
	struct image_table_count *ret;
};

/* What a table holds. */
struct content {
	unsigned nr_leaves;
	unsigned nr_elsewhere; /* of them, to what is not memory */
	unsigned nr_malformed;
};

static const struct image_piece *piece_of(const struct image_layout *layout, uint64_t pa)
{
	for (unsigned i = 0; i < layout->nr; i++) {
		if (pa - layout->piece[i].pa < layout->piece[i].size)
			return &layout->piece[i];
	}
	return NULL;
}

static void look_at_table(struct look *look, uint64_t pa, unsigned level, size_t first, size_t nr);

static void look_at_entry(struct look *look, uint64_t raw, unsigned level, struct content *content)
{
	struct pgw_entry entry;

	pgw_entry_decode(look->format, &look->control, raw, level, &entry);
	if (entry.kind == PGW_ENTRY_TABLE && !piece_of(look->layout, entry.pa))
		look->ret->nr_bad++;
	else if (entry.kind == PGW_ENTRY_TABLE)
		look_at_table(look, entry.pa, level - 1, 0,
			      (size_t)1 << look->geo->slots_lg2[level - 1]);
	content->nr_malformed += entry.kind == PGW_ENTRY_MALFORMED;
	content->nr_leaves += entry.kind == PGW_ENTRY_TABLE || entry.kind == PGW_ENTRY_LEAF;
	content->nr_elsewhere += entry.kind == PGW_ENTRY_LEAF && !piece_of(look->layout, entry.pa);
}

/*
 * Tables say something of the piece that they are read from, if it is not the
 * kernel's, of which its root is the proof. Empty ones say nothing.
 */
static void content_count(struct look *look, uint64_t pa, const struct content *content)
{
	const struct image_piece *piece = piece_of(look->layout, pa);

	if (!piece || piece == look->known)
		return;
	if (content->nr_malformed || content->nr_elsewhere > content->nr_leaves / 2)
		look->ret->nr_bad++;
	else if (content->nr_leaves)
		look->ret->nr_good[piece - look->layout->piece]++;
}

static void look_at_table(struct look *look, uint64_t pa, unsigned level, size_t first, size_t nr)
{
	struct content content = { 0 };
	uint64_t before = 0;
	struct pt_window win;
	struct pt pt;

	if (!look->left)
		return;
	look->left--;
	pt_reader_init(&pt, &look->view->phys, look->format);
	for (size_t i = first; i < first + nr; i = win.first + win.nr) {
		pt_window_load(&pt, pa, NULL, (unsigned)i, (unsigned)(first + nr - i), &win);
		if (!win.readable)
			return;
		for (unsigned k = 0; k < win.nr; k++) {
			/* Entries in a row may share a table. */
			if (win.copy[k] && win.copy[k] != before)
				look_at_entry(look, win.copy[k], level, &content);
			before = win.copy[k];
		}
	}
	/* A root is a root wherever it is. */
	if (level < look->geo->top_level)
		content_count(look, pa, &content);
}

static void look_at_root(struct look *look, const struct pgw_root_info *root, bool is_kernel)
{
	const struct pgw_region *region =
		pgw_format_region(root->format, is_kernel ? PGW_REGION_KERNEL : PGW_REGION_USER);
	unsigned nr, first = pt_region_slots(look->geo, region, &nr);

	look_at_table(look, root->root.pa, look->geo->top_level, first, nr);
}

int image_layout_look_at_tables(struct pgw_image *view, const struct image_layout *layout,
				const struct image_swapper *kernel, struct image_table_count *ret)
{
	struct image_roots roots = { .image = view };
	struct look look = {
		.view = view,
		.layout = layout,
		.format = kernel->root.format,
		.geo = pgw_format_geometry(kernel->root.format),
		.control = pgw_control_assume(kernel->root.format, &kernel->root.control),
		.known = piece_of(layout, kernel->root.root.pa),
		.left = MAX_TABLES,
		.ret = ret,
	};
	int status = view->arch->ops->process_roots(&roots, kernel);

	*ret = (struct image_table_count){ 0 };
	look_at_root(&look, &kernel->root, true);
	for (size_t i = 0; i < roots.nr && look.left; i++)
		look_at_root(&look, &roots.items[i], false);
	free(roots.items);
	return status == -PGW_E2BIG ? 0 : status;
}
