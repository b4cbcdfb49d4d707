/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/vma/vma_tree.h"

#include "base/bits.h"
#include "base/epoch.h"
#include "base/step.h"

/*
 * A node of level 0 holds VMAs, one above holds nodes; the key of a slot is the
 * end of the last VMA in it. So the first VMA that ends above an address is found
 * by keys alone, which lie together, and no VMA is touched on the way.
 *
 * Every node but the root has at least NODE_MIN entries; a root that is not the
 * only node has two. A node is split into halves, which have more than
 * NODE_MIN: so making and removing one VMA does not split and join for ever.
 *
 * A change rebuilds, level by level from below, the run of nodes between the
 * edges of the range: what stays to the left of it in its first node, what is
 * put in, what stays to the right of it in its last. The nodes that result are
 * what is put in one level above. A run that would become a node with too few
 * entries takes in a neighbour. So a change costs one path, however many VMAs
 * come or go, beside these themselves.
 */
#define NODE_MAX 16
#define NODE_MIN 5
/* n levels hold at least 2 * NODE_MIN^(n - 1) VMAs: so many would be more than there are pages. */
#define MAX_LEVELS 24

struct vma_node {
	uint64_t key[NODE_MAX]; /* UINT64_MAX where there is no entry */
	void *slot[NODE_MAX];
	uint32_t nr;
	uint32_t level;
	bool is_fresh; /* made for a change that is not committed; of no concern to readers */
	struct vma_node *next, *prev; /* in a change's list; prev of fresh ones only */
	struct pgw_deferred deferred; /* of a whole list, in its first node */
};

static uint64_t node_last_key(const struct vma_node *node)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): middles are VMAs on the lowest level, nodes above */
	return node->key[node->nr - 1];
}

/* ---- finding ---- */

/* How many entries end at or below va, which is less than the last key or UINT64_MAX. */
static PGW_ALWAYS_INLINE unsigned node_rank(const struct vma_node *node, uint64_t va)
{
	const uint64_t *key = node->key;
	unsigned rank = 4u * ((unsigned)(key[3] <= va) + (key[7] <= va) + (key[11] <= va));

	/* Two steps whose loads do not wait for each other, and no branch to be guessed. */
	key += rank;
	return rank + (unsigned)(key[0] <= va) + (key[1] <= va) + (key[2] <= va);
}

struct pgw_vma *vma_tree_find(struct vma_node *root, uint64_t va)
{
	struct vma_node *node = root;

	if (!root || va >= node_last_key(root))
		return NULL;
	for (unsigned level = root->level; level > 0; level--)
		node = node->slot[node_rank(node, va)];
	return node->slot[node_rank(node, va)];
}

/* A place in the tree: an index at each level, of the node below, or in a leaf of the VMA. */
struct path {
	struct vma_node *node[MAX_LEVELS];
	unsigned idx[MAX_LEVELS];
	unsigned nr_levels;
};

/* The first VMA that ends above va, or the place behind the last one. */
static void path_seek(struct path *path, struct vma_node *root, uint64_t va)
{
	bool is_behind = va >= node_last_key(root);
	struct vma_node *node = root;

	path->nr_levels = root->level + 1;
	for (unsigned level = root->level;; level--) {
		path->node[level] = node;
		path->idx[level] = !is_behind ? node_rank(node, va) : node->nr - (level > 0);
		if (level == 0)
			return;
		node = node->slot[path->idx[level]];
	}
}

/* Go to the previous node of a level, behind its last entry. @return false if there is none */
static bool path_step_left(struct path *path, unsigned level)
{
	unsigned above = level + 1;

	while (above < path->nr_levels && path->idx[above] == 0)
		above++;
	if (above >= path->nr_levels)
		return false;
	path->idx[above]--;
	for (; above > level; above--) {
		struct vma_node *node = path->node[above]->slot[path->idx[above]];

		path->node[above - 1] = node;
		path->idx[above - 1] = node->nr - (above - 1 > level);
	}
	return true;
}

/* Go to the next node of a level, before its first entry. @return false if there is none */
static bool path_step_right(struct path *path, unsigned level)
{
	unsigned above = level + 1;

	while (above < path->nr_levels && path->idx[above] + 1 == path->node[above]->nr)
		above++;
	if (above >= path->nr_levels)
		return false;
	path->idx[above]++;
	for (; above > level; above--) {
		path->node[above - 1] = path->node[above]->slot[path->idx[above]];
		path->idx[above - 1] = 0;
	}
	return true;
}

struct pgw_vma *vma_tree_find_before(struct vma_node *root, uint64_t va)
{
	struct path path;
	struct pgw_vma *vma;

	if (!root)
		return NULL;
	/* The first that ends above va, if it starts below; or the one before it. */
	path_seek(&path, root, va);
	if (path.idx[0] < path.node[0]->nr) {
		vma = path.node[0]->slot[path.idx[0]];
		if (vma->start < va)
			return vma;
	}
	if (path.idx[0] == 0 && !path_step_left(&path, 0))
		return NULL;
	return path.node[0]->slot[path.idx[0] - 1];
}

/* ---- nodes of a change ---- */

static struct vma_node *node_new(struct vma_tree_change *change, unsigned level)
{
	const struct pgw_platform *platform = change->platform;
	struct vma_node *node = change->spare;

	if (node)
		change->spare = node->next;
	else
		node = platform->obj_alloc(platform->ctx, sizeof(*node));
	if (!node)
		return NULL;
	*node = (struct vma_node){ .level = level, .is_fresh = true };
	for (unsigned i = 0; i < NODE_MAX; i++)
		node->key[i] = UINT64_MAX;
	node->prev = change->fresh ? change->fresh_last : NULL;
	*(node->prev ? &node->prev->next : &change->fresh) = node;
	change->fresh_last = node;
	return node;
}

/* The new tree does without a node: an old one is stale, a fresh one can be used again. */
static void node_drop(struct vma_tree_change *change, struct vma_node *node)
{
	if (!node->is_fresh) {
		node->next = change->stale;
		change->stale = node;
		return;
	}
	*(node->prev ? &node->prev->next : &change->fresh) = node->next;
	*(node->next ? &node->next->prev : &change->fresh_last) = node->prev;
	node->next = change->spare;
	change->spare = node;
}

static void list_free(const struct pgw_platform *platform, struct vma_node *node)
{
	while (node) {
		struct vma_node *next = node->next;

		platform->obj_free(platform->ctx, node, sizeof(*node));
		node = next;
	}
}

/* ---- building a row ---- */

/* Fresh nodes of one level that follow each other; or a single node that is there already. */
struct row {
	struct vma_node *first;
	size_t nr;
};

/* Entries of a node, in order. */
struct part {
	const struct vma_node *node;
	unsigned first, nr;
};

/* What a row is made of: parts of the old tree's nodes with, between left and right, what is put in. */
struct source {
	struct part left[2], right[2];
	struct pgw_vma *const *vma; /* level 0 */
	struct row below;           /* the levels above */
	size_t nr_middle;
};

/* Where a row's entries go next. */
struct filler {
	struct vma_node *node;
	unsigned room;               /* left in it */
	size_t nr_entries, nr_nodes; /* still to come, and nodes for them after this one */
	bool is_append, is_prepend;
};

static size_t source_count(const struct source *source)
{
	return source->left[0].nr + source->left[1].nr + source->nr_middle + source->right[0].nr +
	       source->right[1].nr;
}

/*
 * How many of nr entries the next of nr_nodes takes: an equal share. Where VMAs
 * are made in order, up or down, all others go where no more come.
 */
static size_t fair_share(const struct filler *filler, size_t nr, size_t nr_nodes)
{
	size_t rest = (nr_nodes - 1) * NODE_MIN, most = nr_nodes * NODE_MAX - NODE_MAX;

	if (filler->is_append)
		return nr - rest < NODE_MAX ? nr - rest : NODE_MAX;
	if (filler->is_prepend)
		return nr > most + NODE_MIN ? nr - most : NODE_MIN;
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): entries still to come have nodes */
	return (nr + nr_nodes - 1) / nr_nodes;
}

static void filler_add(struct filler *filler, uint64_t key, void *slot)
{
	struct vma_node *node;

	if (filler->room == 0) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as many were made as are needed */
		filler->node = filler->node->next;
		filler->room = (unsigned)fair_share(filler, filler->nr_entries, filler->nr_nodes);
		filler->nr_nodes--;
	}
	node = filler->node;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as above */
	node->key[node->nr] = key;
	node->slot[node->nr] = slot;
	node->nr++;
	filler->room--;
	filler->nr_entries--;
}

static void filler_add_part(struct filler *filler, const struct part *part)
{
	for (unsigned i = part->first; i < part->first + part->nr; i++)
		filler_add(filler, part->node->key[i], part->node->slot[i]);
}

static void filler_add_middle(struct filler *filler, const struct source *source)
{
	struct vma_node *node = source->below.first;

	for (size_t i = 0; i < source->nr_middle; i++) {
		if (source->vma) {
			filler_add(filler, source->vma[i]->end, source->vma[i]);
			continue;
		}
		filler_add(filler, node_last_key(node), node);
		node = node->next;
	}
}

static int row_build(struct vma_tree_change *change, unsigned level, const struct source *source,
		     struct row *ret)
{
	size_t nr = source_count(source);
	struct row row = { NULL, (nr + NODE_MAX - 1) / NODE_MAX };
	struct filler filler = {
		.nr_entries = nr,
		.nr_nodes = row.nr,
		.is_append = !source->left[0].nr && !source->right[0].nr && !source->right[1].nr,
		.is_prepend = !source->left[0].nr && !source->left[1].nr && !source->right[1].nr,
	};

	for (size_t i = 0; i < row.nr; i++) {
		struct vma_node *node = node_new(change, level);

		if (!node)
			return -PGW_ENOMEM;
		if (!row.first)
			row.first = node;
	}
	if (nr > 0) {
		filler.node = row.first;
		filler.room = (unsigned)fair_share(&filler, nr, filler.nr_nodes);
		filler.nr_nodes--;
	}
	filler_add_part(&filler, &source->left[0]);
	filler_add_part(&filler, &source->left[1]);
	filler_add_middle(&filler, source);
	filler_add_part(&filler, &source->right[0]);
	filler_add_part(&filler, &source->right[1]);
	*ret = row;
	return 0;
}

/* ---- a change ---- */

/* The nodes that a change rebuilds, from left to right; at each level, a run. */
struct run {
	struct path left, right; /* what is before, and what is not before, these places stays */
};

static void run_find(struct run *run, struct vma_node *root, uint64_t start, uint64_t end)
{
	unsigned *idx = &run->right.idx[0];
	const struct pgw_vma *vma;

	path_seek(&run->left, root, start);
	/* The first VMA that ends at the end or above goes too if it starts before it. */
	path_seek(&run->right, root, end - 1);
	if (*idx == run->right.node[0]->nr)
		return;
	vma = run->right.node[0]->slot[*idx];
	if (vma->start < end)
		(*idx)++;
}

/* What stays of the run's nodes at a level, and a neighbour if that would be too little. */
static void run_read(struct run *run, unsigned level, struct source *source)
{
	unsigned before = run->left.idx[level], after = run->right.idx[level] + (level > 0);
	size_t nr;

	source->left[1] = (struct part){ run->left.node[level], 0, before };
	source->right[0] =
		(struct part){ run->right.node[level], after, run->right.node[level]->nr - after };
	nr = source_count(source);
	if (nr == 0 || nr >= NODE_MIN)
		return;
	if (path_step_left(&run->left, level))
		source->left[0] = (struct part){ run->left.node[level], 0, run->left.idx[level] };
	else if (path_step_right(&run->right, level))
		source->right[1] =
			(struct part){ run->right.node[level], 0, run->right.node[level]->nr };
}

/* All nodes of the run at a level have been copied. */
static void run_drop(struct vma_tree_change *change, const struct run *run, unsigned level)
{
	struct path at = run->left;

	for (;;) {
		struct vma_node *node = at.node[level];
		bool is_last = node == run->right.node[level];

		/* First step, then drop: what is dropped may be linked elsewhere. */
		if (!is_last)
			path_step_right(&at, level);
		node_drop(change, node);
		if (is_last)
			return;
	}
}

void vma_tree_begin(struct vma_tree_change *change, const struct pgw_platform *platform,
		    struct vma_node *root)
{
	*change = (struct vma_tree_change){ .platform = platform, .root = root };
}

/* The only entry of a source above level 0. */
static struct vma_node *source_single(const struct source *source)
{
	const struct part *part = source->left[1].nr ? &source->left[1] : &source->right[0];

	return source->nr_middle ? source->below.first : part->node->slot[part->first];
}

/* A level's new row. A root with one entry is none: that entry is the root. */
static int level_build(struct vma_tree_change *change, unsigned level, const struct source *source,
		       struct row *ret)
{
	if (level == 0 || source_count(source) != 1)
		return row_build(change, level, source, ret);
	*ret = (struct row){ source_single(source), 1 };
	return 0;
}

int vma_tree_replace(struct vma_tree_change *change, uint64_t start, uint64_t end,
		     struct pgw_vma *const *vma, size_t nr)
{
	struct source source = { .vma = vma, .nr_middle = nr };
	unsigned nr_levels = change->root ? change->root->level + 1 : 0;
	struct row row = { NULL, nr };
	struct run run;

	if (change->root)
		run_find(&run, change->root, start, end);
	/* Above the old levels until one node is left. */
	for (unsigned level = 0; level < nr_levels || row.nr > (level > 0); level++) {
		int err;

		if (level < nr_levels)
			run_read(&run, level, &source);
		err = level_build(change, level, &source, &row);
		if (err)
			return err;
		if (level < nr_levels)
			run_drop(change, &run, level);
		source = (struct source){ .below = row, .nr_middle = row.nr };
	}
	change->root = row.first;
	return 0;
}

static void stale_free(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	list_free(platform, pgw_container_of(deferred, struct vma_node, deferred));
}

void vma_tree_commit(struct vma_tree_change *change, struct vma_node **root)
{
	for (struct vma_node *node = change->fresh; node; node = node->next)
		node->is_fresh = false;
	step_store_n(root, change->root, __ATOMIC_RELEASE);
	list_free(change->platform, change->spare);
	if (change->stale)
		epoch_defer(change->platform, &change->stale->deferred, stale_free);
}

void vma_tree_abort(struct vma_tree_change *change)
{
	list_free(change->platform, change->fresh);
	list_free(change->platform, change->spare);
}

void vma_tree_free(const struct pgw_platform *platform, struct vma_node *root)
{
	struct vma_node *list = root;

	if (root)
		root->next = NULL;
	while (list) {
		struct vma_node *node = list;

		list = node->next;
		for (unsigned i = 0; node->level > 0 && i < node->nr; i++) {
			struct vma_node *child = node->slot[i];

			child->next = list;
			list = child;
		}
		platform->obj_free(platform->ctx, node, sizeof(*node));
	}
}

/* ---- validation ---- */

struct check {
	uint64_t end; /* of the last VMA so far */
	size_t nr;
};

static bool leaf_is_valid(const struct vma_node *node, struct check *check)
{
	for (unsigned i = 0; i < node->nr; i++) {
		const struct pgw_vma *vma = node->slot[i];

		if (vma->start < check->end || vma->end <= vma->start || vma->end != node->key[i])
			return false;
		check->end = vma->end;
		check->nr++;
	}
	return true;
}

static bool node_is_valid(const struct vma_node *node, unsigned level, unsigned least,
			  struct check *check)
{
	if (node->level != level || node->nr < least || node->nr > NODE_MAX || node->is_fresh)
		return false;
	for (unsigned i = node->nr; i < NODE_MAX; i++) {
		if (node->key[i] != UINT64_MAX || node->slot[i])
			return false;
	}
	if (level == 0)
		return leaf_is_valid(node, check);
	for (unsigned i = 0; i < node->nr; i++) {
		if (!node_is_valid(node->slot[i], level - 1, NODE_MIN, check) ||
		    check->end != node->key[i])
			return false;
	}
	return true;
}

bool vma_tree_validate(struct vma_node *root, size_t *ret_nr)
{
	struct check check = { 0, 0 };

	if (root && (root->level >= MAX_LEVELS ||
		     !node_is_valid(root, root->level, root->level > 0 ? 2 : 1, &check)))
		return false;
	*ret_nr = check.nr;
	return true;
}
