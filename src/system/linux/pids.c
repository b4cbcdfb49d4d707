/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include "base/bits.h"

/* include/linux/xarray.h: nodes of 64 slots, a pointer to one has bit 1 set. */
#define SLOTS_LG2 6
#define NR_SLOTS 64
#define MAX_SHIFT 60
#define MAX_DEPTH (MAX_SHIFT / SLOTS_LG2 + 1)
#define ENTRY_MASK 3
#define ENTRY_NODE 2
#define MIN_NODE 4096 /* below, with bit 1 set, are special entries */

struct level {
	uint64_t node;
	uint64_t first; /* number of its first slot */
	unsigned shift, slot;
};

struct walk {
	struct pgw_tasks *tasks;
	struct level way[MAX_DEPTH];
	unsigned depth;
	uint64_t budget; /* nodes that may be looked at */
};

static bool is_node(uint64_t entry)
{
	return (entry & ENTRY_MASK) == ENTRY_NODE && entry > MIN_NODE;
}

/* A node below one of shift above has a smaller one, so that no way is longer than the levels. */
static bool node_enter(struct walk *walk, uint64_t entry, uint64_t first, unsigned above)
{
	struct pgw_tasks *tasks = walk->tasks;
	uint64_t node = entry - ENTRY_NODE, shift;

	if (!walk->budget || walk->depth == MAX_DEPTH) {
		tasks->met.truncated |= !walk->budget;
		return false;
	}
	walk->budget--;
	if (task_number(tasks, node, &tasks->places.xa_node.shift, &shift)) {
		tasks->met.nr_unreadable++;
		return false;
	}
	if (shift > MAX_SHIFT || shift % SLOTS_LG2 || shift >= above) {
		tasks->met.nr_torn++;
		return false;
	}
	walk->way[walk->depth++] =
		(struct level){ .node = node, .first = first, .shift = (unsigned)shift };
	return true;
}

static int slot_take(struct walk *walk, struct level *level, pid_fn *fn)
{
	struct pgw_tasks *tasks = walk->tasks;
	uint64_t number = level->first + ((uint64_t)level->slot << level->shift);
	uint64_t at = level->node + tasks->places.xa_node.slots.offset + 8 * level->slot, entry;

	level->slot++;
	if (linux_memory_word(&tasks->inside.memory, at, &entry)) {
		tasks->met.nr_unreadable++;
		return 0;
	}
	if (is_node(entry)) {
		node_enter(walk, entry, number, level->shift);
		return 0;
	}
	return entry && !(entry & ENTRY_MASK) ? fn(tasks, entry, number) : 0;
}

int pids_each(struct pgw_tasks *tasks, pid_fn *fn)
{
	struct walk walk = { .tasks = tasks, .budget = tasks->max };
	uint64_t head;
	int err = 0;

	if (linux_memory_word(&tasks->inside.memory, tasks->init_pid_ns + tasks->places.xa_head.offset,
			      &head)) {
		tasks->met.nr_unreadable++;
		return 0;
	}
	if (!is_node(head))
		return head && !(head & ENTRY_MASK) ? fn(tasks, head, 0) : 0;
	node_enter(&walk, head, 0, MAX_SHIFT + 1);
	while (walk.depth && !err) {
		struct level *level = &walk.way[walk.depth - 1];

		if (level->slot == NR_SLOTS)
			walk.depth--;
		else
			err = slot_take(&walk, level, fn);
	}
	return err;
}
