/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

#include <stdlib.h>

#include "base/bits.h"
#include "pt/read/iter.h"

/* Tables that are looked at, at most. */
#define MAX_TABLES (1u << 14)

struct look {
	struct pt pt; /* no tree: how items are read */
	const struct image_layout *layout;
	const struct pgw_geometry *geo;
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

static void look_at_table(struct look *look, uint64_t pa, unsigned level, unsigned first,
			  unsigned nr);

static void look_at_entry(struct look *look, const struct pt_iter *it, struct content *content)
{
	const unsigned below = it->level - 1;
	struct pgw_entry entry;

	pt_iter_decode(it, &entry);
	if (entry.kind == PGW_ENTRY_TABLE && !piece_of(look->layout, entry.pa))
		look->ret->nr_bad++;
	else if (entry.kind == PGW_ENTRY_TABLE)
		look_at_table(look, entry.pa, below, 0, 1u << look->geo->slots_lg2[below]);
	content->nr_malformed += entry.kind == PGW_ENTRY_MALFORMED;
	content->nr_leaves += entry.kind == PGW_ENTRY_TABLE || entry.kind == PGW_ENTRY_LEAF;
	content->nr_elsewhere += entry.kind == PGW_ENTRY_LEAF && !piece_of(look->layout, entry.pa);
}

/*
 * A good table speaks for the piece that it was read from. The kernel's piece needs none, because
 * its root is the proof; and an empty table says nothing.
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

static void look_at_table(struct look *look, uint64_t pa, unsigned level, unsigned first,
			  unsigned nr)
{
	struct content content = { 0 };
	uint64_t before = 0;
	struct pt_iter it;

	if (!look->left)
		return;
	look->left--;
	pt_iter_begin(&it, &look->pt, pa, level, first, nr);
	while (pt_iter_next(&it)) {
		if (it.nr_unreadable)
			return;
		/* Entries in a row may share a table. */
		if (it.entry != before)
			look_at_entry(look, &it, &content);
		before = it.entry;
	}
	/* A root was found by what it holds, so it says nothing of where it belongs. */
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
		.layout = layout,
		.geo = pgw_format_geometry(kernel->root.format),
		.known = piece_of(layout, kernel->root.root.pa),
		.left = MAX_TABLES,
		.ret = ret,
	};
	struct pgw_control control;
	int status = view->arch->ops->process_roots(&roots, kernel);

	control = pgw_control_assume(kernel->root.format, &kernel->root.control);
	pt_reader_init(&look.pt, &view->phys, kernel->root.format, &control);
	*ret = (struct image_table_count){ 0 };
	look_at_root(&look, &kernel->root, true);
	for (size_t i = 0; i < roots.nr && look.left; i++)
		look_at_root(&look, &roots.items[i], false);
	free(roots.items);
	return status == -PGW_E2BIG ? 0 : status;
}
