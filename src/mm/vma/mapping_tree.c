/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/vma/mapping_tree.h"

#include "base/bits.h"

/* Children: [0] shows earlier pages, [1] the same first page or later ones. */
#define LEFT 0u
#define RIGHT 1u

static uint32_t height_of(const struct pgw_vma *vma)
{
	return vma ? vma->file_height : 0;
}

/* The largest last page at and below; a subtree that is not there shows nothing. */
static bool shows(const struct pgw_vma *vma, uint64_t first)
{
	return vma && vma->file_max >= first;
}

/* What a VMA says of those below it. */
static void node_sum(const struct pgw_vma *vma, uint32_t *ret_height, uint64_t *ret_max)
{
	*ret_height = 0;
	*ret_max = vma->file_last;
	for (unsigned i = LEFT; i <= RIGHT; i++) {
		const struct pgw_vma *child = vma->file_child[i];

		if (height_of(child) > *ret_height)
			*ret_height = child->file_height;
		if (child && child->file_max > *ret_max)
			*ret_max = child->file_max;
	}
	++*ret_height;
}

static void node_update(struct pgw_vma *vma)
{
	node_sum(vma, &vma->file_height, &vma->file_max);
}

/* Another one, or none, takes the place of a VMA below what is above it. */
static void node_replace(struct pgw_vma **root, const struct pgw_vma *old, struct pgw_vma *with)
{
	struct pgw_vma *up = old->file_up;

	if (up)
		up->file_child[up->file_child[RIGHT] == old] = with;
	else
		*root = with;
	if (with)
		with->file_up = up;
}

static void node_link(struct pgw_vma *up, unsigned side, struct pgw_vma *child)
{
	up->file_child[side] = child;
	if (child)
		child->file_up = up;
}

/* A VMA sinks to this side; the child of the other side, which is there, takes its place. */
static struct pgw_vma *node_rotate(struct pgw_vma **root, struct pgw_vma *vma, unsigned side)
{
	struct pgw_vma *child = vma->file_child[!side];

	node_replace(root, vma, child);
	node_link(vma, !side, child->file_child[side]);
	node_link(child, side, vma);
	node_update(vma);
	node_update(child);
	return child;
}

/* From a VMA whose children are right up to the root: sums, and balance to one. */
static void tree_mend(struct pgw_vma **root, struct pgw_vma *vma)
{
	for (; vma; vma = vma->file_up) {
		uint32_t left = height_of(vma->file_child[LEFT]);
		uint32_t right = height_of(vma->file_child[RIGHT]);
		unsigned heavy = right > left;
		struct pgw_vma *child = vma->file_child[heavy];

		node_update(vma);
		if (left <= right + 1 && right <= left + 1)
			continue;
		if (height_of(child->file_child[!heavy]) > height_of(child->file_child[heavy]))
			node_rotate(root, child, heavy);
		vma = node_rotate(root, vma, !heavy);
	}
}

void mapping_tree_insert(struct pgw_vma **root, struct pgw_vma *vma)
{
	struct pgw_vma *up = NULL, **link = root;

	while (*link) {
		up = *link;
		link = &up->file_child[vma->pgoff >= up->pgoff];
	}
	*link = vma;
	vma->file_up = up;
	vma->file_child[LEFT] = vma->file_child[RIGHT] = NULL;
	tree_mend(root, vma);
}

/* The one with the least first page at and below. */
static struct pgw_vma *leftmost(struct pgw_vma *vma)
{
	while (vma->file_child[LEFT])
		vma = vma->file_child[LEFT];
	return vma;
}

void mapping_tree_remove(struct pgw_vma **root, struct pgw_vma *vma)
{
	struct pgw_vma *left = vma->file_child[LEFT], *right = vma->file_child[RIGHT];
	struct pgw_vma *mend, *next;

	if (!left || !right) {
		mend = vma->file_up;
		node_replace(root, vma, left ? left : right);
		tree_mend(root, mend);
		return;
	}
	/* The next one, which has no left child, goes where this one is. */
	next = leftmost(right);
	mend = next->file_up == vma ? next : next->file_up;
	node_replace(root, next, next->file_child[RIGHT]);
	node_replace(root, vma, next);
	node_link(next, LEFT, left);
	node_link(next, RIGHT, vma->file_child[RIGHT]);
	tree_mend(root, mend);
}

/*
 * If anything to the left reaches first, what is looked for is there or nowhere: what
 * lies to the right of it begins no earlier.
 */
static struct pgw_vma *first_below(struct pgw_vma *vma, uint64_t first, uint64_t last)
{
	while (shows(vma, first)) {
		if (shows(vma->file_child[LEFT], first)) {
			vma = vma->file_child[LEFT];
			continue;
		}
		if (vma->pgoff > last)
			return NULL;
		if (vma->file_last >= first)
			return vma;
		vma = vma->file_child[RIGHT];
	}
	return NULL;
}

struct pgw_vma *mapping_tree_first(struct pgw_vma *root, uint64_t first, uint64_t last)
{
	return first_below(root, first, last);
}

struct pgw_vma *mapping_tree_next(struct pgw_vma *vma, uint64_t first, uint64_t last)
{
	for (;;) {
		struct pgw_vma *from;

		if (shows(vma->file_child[RIGHT], first))
			return first_below(vma->file_child[RIGHT], first, last);
		do {
			from = vma;
			vma = vma->file_up;
			if (!vma)
				return NULL;
		} while (vma->file_child[RIGHT] == from);
		if (vma->pgoff > last)
			return NULL;
		if (vma->file_last >= first)
			return vma;
	}
}

bool mapping_tree_has(const struct pgw_vma *root, const struct pgw_vma *vma)
{
	while (vma->file_up) {
		const struct pgw_vma *up = vma->file_up;

		if (up->file_child[LEFT] != vma && up->file_child[RIGHT] != vma)
			return false;
		vma = up;
	}
	return vma == root;
}

static bool node_is_valid(const struct pgw_vma *vma)
{
	uint32_t left = height_of(vma->file_child[LEFT]);
	uint32_t right = height_of(vma->file_child[RIGHT]), height;
	uint64_t max;

	node_sum(vma, &height, &max);
	for (unsigned i = LEFT; i <= RIGHT; i++) {
		if (vma->file_child[i] && vma->file_child[i]->file_up != vma)
			return false;
	}
	return vma->pgoff <= vma->file_last && vma->file_height == height && vma->file_max == max &&
	       left <= right + 1 && right <= left + 1;
}

bool mapping_tree_validate(struct pgw_vma *root, size_t *ret_nr)
{
	struct pgw_vma *vma = root && !root->file_up ? leftmost(root) : NULL;
	uint64_t pgoff = 0;
	size_t nr = 0;

	if (root && !vma)
		return false;
	for (; vma; vma = mapping_tree_next(vma, 0, UINT64_MAX)) {
		if (vma->pgoff < pgoff || !node_is_valid(vma) || !mapping_tree_has(root, vma))
			return false;
		pgoff = vma->pgoff;
		nr++;
	}
	*ret_nr = nr;
	return true;
}
