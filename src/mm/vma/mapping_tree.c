/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/vma/mapping_tree.h"

#include "base/bits.h"

/* Children: [0] shows earlier pages, [1] the same first page or later ones. */
#define LEFT 0u
#define RIGHT 1u

static uint32_t height_of(const struct file_vma *node)
{
	return node ? node->height : 0;
}

/* The largest last page at and below; a subtree that is not there shows nothing. */
static bool shows(const struct file_vma *node, uint64_t first)
{
	return node && node->max >= first;
}

/* What a VMA says of those below it. */
static void node_sum(const struct file_vma *node, uint32_t *ret_height, uint64_t *ret_max)
{
	*ret_height = 0;
	*ret_max = node->last;
	for (unsigned i = LEFT; i <= RIGHT; i++) {
		const struct file_vma *child = node->child[i];

		if (height_of(child) > *ret_height)
			*ret_height = child->height;
		if (child && child->max > *ret_max)
			*ret_max = child->max;
	}
	++*ret_height;
}

static void node_update(struct file_vma *node)
{
	node_sum(node, &node->height, &node->max);
}

/* Another one, or none, takes the place of a VMA below what is above it. */
static void node_replace(struct file_vma **root, const struct file_vma *old, struct file_vma *with)
{
	struct file_vma *up = old->up;

	if (up)
		up->child[up->child[RIGHT] == old] = with;
	else
		*root = with;
	if (with)
		with->up = up;
}

static void node_link(struct file_vma *up, unsigned side, struct file_vma *child)
{
	up->child[side] = child;
	if (child)
		child->up = up;
}

/* A VMA sinks to this side; the child of the other side, which is there, takes its place. */
static struct file_vma *node_rotate(struct file_vma **root, struct file_vma *node, unsigned side)
{
	struct file_vma *child = node->child[!side];

	node_replace(root, node, child);
	node_link(node, !side, child->child[side]);
	node_link(child, side, node);
	node_update(node);
	node_update(child);
	return child;
}

/* From a VMA whose children are right up to the root: sums, and balance to one. */
static void tree_mend(struct file_vma **root, struct file_vma *node)
{
	for (; node; node = node->up) {
		uint32_t left = height_of(node->child[LEFT]);
		uint32_t right = height_of(node->child[RIGHT]);
		unsigned heavy = right > left;
		struct file_vma *child = node->child[heavy];

		node_update(node);
		if (left <= right + 1 && right <= left + 1)
			continue;
		if (height_of(child->child[!heavy]) > height_of(child->child[heavy]))
			node_rotate(root, child, heavy);
		node = node_rotate(root, node, !heavy);
	}
}

void mapping_tree_insert(struct file_vma **root, struct file_vma *node)
{
	struct file_vma *up = NULL, **link = root;

	while (*link) {
		up = *link;
		link = &up->child[node->first >= up->first];
	}
	*link = node;
	node->up = up;
	node->child[LEFT] = node->child[RIGHT] = NULL;
	tree_mend(root, node);
}

/* The one with the least first page at and below. */
static struct file_vma *leftmost(struct file_vma *node)
{
	while (node->child[LEFT])
		node = node->child[LEFT];
	return node;
}

void mapping_tree_remove(struct file_vma **root, struct file_vma *node)
{
	struct file_vma *left = node->child[LEFT], *right = node->child[RIGHT];
	struct file_vma *mend, *next;

	if (!left || !right) {
		mend = node->up;
		node_replace(root, node, left ? left : right);
		tree_mend(root, mend);
		return;
	}
	/* The next one, which has no left child, goes where this one is. */
	next = leftmost(right);
	mend = next->up == node ? next : next->up;
	node_replace(root, next, next->child[RIGHT]);
	node_replace(root, node, next);
	node_link(next, LEFT, left);
	node_link(next, RIGHT, node->child[RIGHT]);
	tree_mend(root, mend);
}

/*
 * If anything to the left reaches first, what is looked for is there or nowhere: what
 * lies to the right of it begins no earlier.
 */
static struct file_vma *first_below(struct file_vma *node, uint64_t first, uint64_t last)
{
	while (shows(node, first)) {
		if (shows(node->child[LEFT], first)) {
			node = node->child[LEFT];
			continue;
		}
		if (node->first > last)
			return NULL;
		if (node->last >= first)
			return node;
		node = node->child[RIGHT];
	}
	return NULL;
}

struct file_vma *mapping_tree_first(struct file_vma *root, uint64_t first, uint64_t last)
{
	return first_below(root, first, last);
}

struct file_vma *mapping_tree_next(struct file_vma *node, uint64_t first, uint64_t last)
{
	for (;;) {
		struct file_vma *from;

		if (shows(node->child[RIGHT], first))
			return first_below(node->child[RIGHT], first, last);
		do {
			from = node;
			node = node->up;
			if (!node)
				return NULL;
		} while (node->child[RIGHT] == from);
		if (node->first > last)
			return NULL;
		if (node->last >= first)
			return node;
	}
}

bool mapping_tree_has(const struct file_vma *root, const struct file_vma *node)
{
	while (node->up) {
		const struct file_vma *up = node->up;

		if (up->child[LEFT] != node && up->child[RIGHT] != node)
			return false;
		node = up;
	}
	return node == root;
}

static bool node_is_valid(const struct file_vma *node)
{
	uint32_t left = height_of(node->child[LEFT]);
	uint32_t right = height_of(node->child[RIGHT]), height;
	uint64_t max;

	node_sum(node, &height, &max);
	for (unsigned i = LEFT; i <= RIGHT; i++) {
		if (node->child[i] && node->child[i]->up != node)
			return false;
	}
	return node->first <= node->last && node->height == height && node->max == max &&
	       left <= right + 1 && right <= left + 1;
}

bool mapping_tree_validate(struct file_vma *root, size_t *ret_nr)
{
	struct file_vma *node = root && !root->up ? leftmost(root) : NULL;
	uint64_t first = 0;
	size_t nr = 0;

	if (root && !node)
		return false;
	for (; node; node = mapping_tree_next(node, 0, UINT64_MAX)) {
		if (node->first < first || !node_is_valid(node) || !mapping_tree_has(root, node))
			return false;
		first = node->first;
		nr++;
	}
	*ret_nr = nr;
	return true;
}
