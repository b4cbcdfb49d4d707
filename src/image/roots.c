/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>

#include "base/bits.h"

/* Table visits that may be made to tell what all the roots are for. */
#define ROOTS_BUDGET (UINT64_C(1) << 24)

struct roots {
	struct pgw_image *image;
	struct pgw_root_info *items;
	size_t nr;
};

static int roots_add(struct roots *roots, const struct pgw_root_info *root)
{
	if (image_array_grow((void **)&roots->items, roots->nr, sizeof(*root)))
		return -PGW_ENOMEM;
	roots->items[roots->nr++] = *root;
	return 0;
}

static int root_compare(const void *a, const void *b)
{
	const struct pgw_root_info *x = a, *y = b;

	return (x->root.pa > y->root.pa) - (x->root.pa < y->root.pa);
}

/* Sort, and make one of those that were found in several ways. */
static void roots_merge(struct roots *roots)
{
	size_t nr = 0;

	if (roots->nr)
		qsort(roots->items, roots->nr, sizeof(roots->items[0]), root_compare);
	for (size_t i = 0; i < roots->nr; i++) {
		const struct pgw_root_info *from = &roots->items[i];
		struct pgw_root_info *to = nr ? &roots->items[nr - 1] : NULL;

		if (!to || to->root.pa != from->root.pa) {
			roots->items[nr++] = *from;
			continue;
		}
		to->found |= from->found;
		to->cpus |= from->cpus;
		if (from->has_twin) {
			to->has_twin = true;
			to->twin = from->twin;
			to->is_kpti_user = from->is_kpti_user;
		}
	}
	roots->nr = nr;
}

static int roots_add_claims(struct roots *roots)
{
	const struct pgw_image *image = roots->image;
	struct image_swapper claim;
	struct pgw_root_info root;
	int status = 0;

	for (size_t i = 0; i < image->nr_cpus && !status; i++) {
		if (image_cpu_loaded(image, i, &root))
			status = roots_add(roots, &root);
	}
	for (size_t i = 0; i < image->nr_texts && !status; i++) {
		if (image_swapper_claim(image, &image->texts[i], &claim))
			status = roots_add(roots, &claim.root);
	}
	return status;
}

/* The search for pages that share the kernel's part of the tree. */
struct self_map {
	struct roots *roots;
	const struct image_swapper *swapper;
	struct pgw_control control; /* complete */
	size_t item_offset;         /* in a top table, of the slot for swapper_pg_dir */
	size_t table_size;
	uint64_t below; /* the table that this slot points to */
};

static bool self_map_slot(const struct self_map *search, uint64_t raw, uint64_t *ret_below)
{
	const struct pgw_format *format = search->swapper->root.format;
	struct pgw_entry entry;

	pgw_entry_decode(format, &search->control, raw, pgw_format_geometry(format)->top_level,
			 &entry);
	*ret_below = entry.pa;
	return entry.kind == PGW_ENTRY_TABLE;
}

static int self_map_window(const struct image_window *window, void *arg)
{
	const struct self_map *search = arg;
	struct pgw_root_info root = search->swapper->root;
	uint64_t below;
	int status = 0;

	root.found = PGW_ROOT_FROM_SELF_MAP;
	for (size_t i = image_window_first_page(window);
	     i + search->table_size <= window->size && !status; i += IMAGE_PAGE) {
		uint64_t raw = load_le64(window->bytes + i + search->item_offset);

		if (!self_map_slot(search, raw, &below) || below != search->below)
			continue;
		root.root.pa = window->pa + i;
		if (image_root_prove(search->roots->image, search->swapper, &root) ==
		    PGW_PROOF_PASSED)
			status = roots_add(search->roots, &root);
	}
	return status;
}

/* Pre: swapper proved itself. */
static int roots_add_self_mapped(struct roots *roots, const struct image_swapper *swapper)
{
	const struct pgw_geometry *geo = pgw_format_geometry(swapper->root.format);
	unsigned top = geo->top_level;
	uint64_t index = (swapper->va >> geo->span_lg2[top]) & low_bits(geo->slots_lg2[top]);
	struct self_map search = {
		.roots = roots,
		.swapper = swapper,
		.control = pgw_control_assume(swapper->root.format, &swapper->root.control),
		.item_offset = (size_t)index * 8,
		.table_size = pt_table_size(geo, top),
	};
	uint64_t raw;

	if (pgw_phys_read(&roots->image->phys, swapper->root.root.pa + search.item_offset, &raw,
			  sizeof(raw)))
		return -PGW_EIO;
	if (!self_map_slot(&search, load_le64(&raw), &search.below))
		return 0;
	return image_ram_scan(roots->image, self_map_window, &search);
}

static int roots_add_twins(struct roots *roots)
{
	size_t nr = roots->nr;
	int status = 0;

	for (size_t i = 0; i < nr && !status; i++) {
		struct pgw_root_info *root = &roots->items[i], twin;

		image_root_find_twin(roots->image, root);
		if (!root->has_twin)
			continue;
		twin = *root;
		twin.root = root->twin;
		twin.twin = root->root;
		twin.is_kpti_user = !root->is_kpti_user;
		twin.found = PGW_ROOT_FROM_KPTI;
		status = roots_add(roots, &twin);
	}
	roots_merge(roots);
	return status;
}

static void roots_describe(struct roots *roots, const struct image_swapper *swapper)
{
	uint64_t budget = ROOTS_BUDGET;

	/* Ascending, and a pair's kernel root has the lower address: it comes right before its
	 * twin. */
	for (size_t i = 0; i < roots->nr; i++) {
		struct pgw_root_info *root = &roots->items[i];
		uint32_t pair_found = root->found;

		if (root->is_kpti_user) {
			root->proof = PGW_PROOF_NONE;
			root->state = root[-1].state;
			root->cpus = root[-1].cpus;
			continue;
		}
		if (root->has_twin) {
			pair_found |= root[1].found;
			root->cpus |= root[1].cpus;
		}
		root->proof = image_root_prove(roots->image, swapper, root);
		if (root->proof == PGW_PROOF_PASSED)
			root->found |= PGW_ROOT_FROM_SELF_MAP;
		root->state = image_root_state(roots->image, swapper, root,
					       pair_found & PGW_ROOT_FROM_CPU, &budget);
	}
}

static int roots_find(struct roots *roots)
{
	const struct pgw_vmcoreinfo *texts;
	struct image_swapper swapper;
	bool has_swapper;
	size_t nr_texts;
	int status = pgw_image_vmcoreinfo(roots->image, &texts, &nr_texts);

	if (status)
		return status;
	status = roots_add_claims(roots);
	has_swapper = image_swapper_find(roots->image, &swapper);
	if (!status && has_swapper && swapper.root.proof == PGW_PROOF_PASSED)
		status = roots_add_self_mapped(roots, &swapper);
	roots_merge(roots);
	if (!status)
		status = roots_add_twins(roots);
	if (!status)
		roots_describe(roots, has_swapper ? &swapper : NULL);
	return status;
}

int pgw_image_roots(struct pgw_image *image, const struct pgw_root_info **ret_list, size_t *ret_nr)
{
	if (!image->roots_searched) {
		struct roots roots = { .image = image };
		int status = roots_find(&roots);

		if (status) {
			free(roots.items);
			return status;
		}
		image->roots = roots.items;
		image->nr_roots = roots.nr;
		image->roots_searched = true;
	}
	*ret_list = image->roots;
	*ret_nr = image->nr_roots;
	return 0;
}
