/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include <stdlib.h>

#include "base/bits.h"

/*
 * include/linux/maple_tree.h: nodes of 256 bytes at addresses of that alignment. A pointer to one
 * has its type in bits 3 to 6. Leaves hold entries; inner nodes hold pointers to nodes. A node has
 * one pivot less than slots: the last address of each slot but the last, whose is the node's own.
 */
#define NODE_SIZE 256
#define NODE_TYPE(value) ((unsigned)((value) >> 3) & 0xf)
#define TYPE_LEAF 1   /* struct maple_range_64 */
#define TYPE_RANGE 2  /* the same, with nodes */
#define TYPE_ARANGE 3 /* struct maple_arange_64 */
#define ENTRY_MASK 3  /* of the tree's own entries: not 0 */
#define ENTRY_NODE 2
#define MIN_NODE 4096
#define MAX_HEIGHT 31

#define VMA_ROOM 128 /* bytes of memory that each takes at least */
#define MAX_AREAS ((size_t)1 << 24)

struct level {
	uint8_t node[NODE_SIZE];
	uint64_t first, last; /* addresses that the node is for, inclusive */
	uint64_t next;        /* the first address of the slot that comes next */
	unsigned slot, nr_slots;
	uint32_t pivots, slots; /* where they are in the node */
	bool is_leaf;
};

struct walk {
	struct pgw_tasks *tasks;
	struct vmas *vmas;
	size_t max; /* areas, and nodes */
	size_t nr_nodes;
	unsigned height;
	struct level way[MAX_HEIGHT];
};

static uint64_t node_word(const struct pgw_tasks *tasks, const uint8_t *at)
{
	return tasks->inside.memory.is_big ? load_be64(at) : load_le64(at);
}

static size_t vmas_max(const struct pgw_tasks *tasks)
{
	const struct pgw_image_info *info = pgw_image_get_info(tasks->image);
	uint64_t max = (info->readable_bytes - info->zero_bytes) / VMA_ROOM + 64;

	return (size_t)(max < MAX_AREAS ? max : MAX_AREAS);
}

static int vmas_add(struct vmas *vmas, const struct vma *vma)
{
	if (vmas->nr == vmas->size) {
		size_t size = vmas->size ? 2 * vmas->size : 64;
		struct vma *list = realloc(vmas->list, size * sizeof(*list));

		if (!list)
			return -PGW_ENOMEM;
		vmas->list = list;
		vmas->size = size;
	}
	vmas->list[vmas->nr++] = *vma;
	return 0;
}

/* @return 1: it is there; 0: it is not; -PGW_ENOMEM */
static int vma_take(struct pgw_tasks *tasks, uint64_t va, size_t max, struct vmas *vmas)
{
	const struct task_places *at = &tasks->places;
	struct vma vma = { .va = va };

	if (vmas->nr >= max) {
		vmas->met.truncated = true;
		return 0;
	}
	if (task_number(tasks, va, &at->vma.start, &vma.start) ||
	    task_number(tasks, va, &at->vma.end, &vma.end) ||
	    task_number(tasks, va, &at->vma.flags, &vma.flags)) {
		vmas->met.nr_unreadable++;
		return 0;
	}
	/* Ascending and disjoint, or else it is none, or not in its place. */
	if (vma.start >= vma.end || (vmas->nr && vma.start < vmas->list[vmas->nr - 1].end)) {
		vmas->met.nr_torn++;
		return 0;
	}
	return vmas_add(vmas, &vma) ? -PGW_ENOMEM : 1;
}

/* A node for these addresses. Ways are bounded, and so are all nodes together. */
static void node_enter(struct walk *walk, uint64_t pointer, uint64_t first, uint64_t last)
{
	const struct task_places *at = &walk->tasks->places;
	unsigned type = NODE_TYPE(pointer);
	struct level *level = &walk->way[walk->height];
	const struct linux_member *pivot = type == TYPE_ARANGE ? &at->inner.pivot : &at->leaf.pivot;
	const struct linux_member *slot = type == TYPE_ARANGE ? &at->inner.slot : &at->leaf.slot;

	if (walk->nr_nodes >= walk->max) {
		walk->vmas->met.truncated = true;
		return;
	}
	if (walk->height == MAX_HEIGHT || type < TYPE_LEAF || type > TYPE_ARANGE ||
	    slot->size < 16 || (uint64_t)slot->offset + slot->size > NODE_SIZE ||
	    (uint64_t)pivot->offset + slot->size - 8 > NODE_SIZE) {
		walk->vmas->met.nr_torn++;
		return;
	}
	walk->nr_nodes++;
	if (linux_memory_read(&walk->tasks->inside.memory, pointer & ~(uint64_t)(NODE_SIZE - 1),
			      level->node, NODE_SIZE)) {
		walk->vmas->met.nr_unreadable++;
		return;
	}
	level->first = level->next = first;
	level->last = last;
	level->slot = 0;
	level->nr_slots = slot->size / 8;
	level->pivots = pivot->offset;
	level->slots = slot->offset;
	level->is_leaf = type == TYPE_LEAF;
	walk->height++;
}

/*
 * The last address of a slot. Behind the last slot that is used pivots are 0, and the pivot of the
 * last one is the node's last address, if there is room for one.
 */
static uint64_t slot_last(const struct walk *walk, const struct level *level)
{
	uint64_t pivot;

	if (level->slot == level->nr_slots - 1)
		return level->last;
	pivot = node_word(walk->tasks, level->node + level->pivots + 8 * level->slot);
	return !pivot && level->slot ? level->last : pivot;
}

static bool is_node(uint64_t entry)
{
	return (entry & ENTRY_MASK) == ENTRY_NODE && entry > MIN_NODE;
}

/* @return 0 or -PGW_ENOMEM */
static int entry_take(struct walk *walk, uint64_t entry, uint64_t first, uint64_t last)
{
	struct vmas *vmas = walk->vmas;
	int ret;

	if (!entry || (entry & ENTRY_MASK))
		return 0;
	ret = vma_take(walk->tasks, entry, walk->max, vmas);
	if (ret <= 0)
		return ret;
	/* It is told all the same: the tree says one thing, the area another. */
	if (vmas->list[vmas->nr - 1].start != first || vmas->list[vmas->nr - 1].end - 1 != last)
		vmas->met.nr_torn++;
	return 0;
}

static int slot_take(struct walk *walk)
{
	struct level *level = &walk->way[walk->height - 1];
	uint64_t first = level->next, last = slot_last(walk, level);
	uint64_t entry = node_word(walk->tasks, level->node + level->slots + 8 * level->slot);

	level->slot++;
	if (last < first || last > level->last) {
		walk->vmas->met.nr_torn++;
		walk->height--;
		return 0;
	}
	level->next = last + 1;
	if (last == level->last)
		level->slot = level->nr_slots;
	if (level->is_leaf)
		return entry_take(walk, entry, first, last);
	if (entry)
		node_enter(walk, entry, first, last);
	return 0;
}

static int tree_read(struct pgw_tasks *tasks, uint64_t mm_va, struct vmas *vmas)
{
	uint64_t at = mm_va + tasks->places.mm.tree.offset + tasks->places.ma_root.offset, root;
	struct walk walk = { .tasks = tasks, .vmas = vmas, .max = vmas_max(tasks) };
	int err = 0;

	if (linux_memory_word(&tasks->inside.memory, at, &root)) {
		vmas->met.nr_unreadable++;
		return 0;
	}
	if (is_node(root))
		node_enter(&walk, root, 0, UINT64_MAX);
	else if (root)
		vmas->met.nr_torn++;
	while (walk.height && !err) {
		const struct level *level = &walk.way[walk.height - 1];

		if (level->slot == level->nr_slots)
			walk.height--;
		else
			err = slot_take(&walk);
	}
	return err;
}

/* Until 6.0: a list, which leads back, too. Areas ascend, so it ends. */
static int list_read(struct pgw_tasks *tasks, uint64_t mm_va, struct vmas *vmas)
{
	const struct task_places *at = &tasks->places;
	size_t max = vmas_max(tasks);
	uint64_t va, back, before = 0;

	if (task_number(tasks, mm_va, &at->mm.list, &va)) {
		vmas->met.nr_unreadable++;
		return 0;
	}
	while (va) {
		int ret = vma_take(tasks, va, max, vmas);

		if (ret <= 0)
			return ret;
		if (at->vma.prev.is_there &&
		    (task_number(tasks, va, &at->vma.prev, &back) || back != before))
			vmas->met.nr_torn++;
		before = va;
		if (task_number(tasks, va, &at->vma.next, &va)) {
			vmas->met.nr_unreadable++;
			return 0;
		}
	}
	return 0;
}

int vmas_read(struct pgw_tasks *tasks, uint64_t mm_va, struct vmas *ret)
{
	int err;

	*ret = (struct vmas){ 0 };
	err = tasks->places.mm.tree.is_there ? tree_read(tasks, mm_va, ret)
					     : list_read(tasks, mm_va, ret);
	ret->met.nr_areas = ret->nr;
	return err;
}

void vmas_fini(struct vmas *vmas)
{
	free(vmas->list);
	vmas->list = NULL;
}
