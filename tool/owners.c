/* SPDX-License-Identifier: BSD-2-Clause */
#include "owners.h"

#include <stdlib.h>
#include <string.h>

/* A process and its root. */
struct owner {
	uint64_t root_pa;
	const struct pgw_task *task;
};

struct owners {
	struct pgw_tasks *tasks;
	struct owner *list; /* by root, of one root by pid */
	size_t nr;
};

static int compare_owners(const void *a, const void *b)
{
	const struct owner *x = (const struct owner *)a, *y = (const struct owner *)b;

	if (x->root_pa != y->root_pa)
		return x->root_pa < y->root_pa ? -1 : 1;
	return (x->task->pid > y->task->pid) - (x->task->pid < y->task->pid);
}

static bool owners_sort(struct owners *owners)
{
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(owners->tasks, &nr);

	owners->list = calloc(nr + 1, sizeof(owners->list[0]));
	if (!owners->list)
		return false;
	for (size_t i = 0; i < nr; i++) {
		struct owner owner = { .task = &list[i] };

		if (!list[i].is_leader || list[i].is_kernel)
			continue;
		owner.root_pa = pgw_tasks_with_mm(owners->tasks, &list[i])->root_pa;
		if (owner.root_pa)
			owners->list[owners->nr++] = owner;
	}
	qsort(owners->list, owners->nr, sizeof(owners->list[0]), compare_owners);
	return true;
}

struct owners *owners_open(struct target *target)
{
	struct owners *owners = calloc(1, sizeof(*owners));
	bool is_there = owners && pgw_tasks_open(target->image, &owners->tasks, NULL) == 0 &&
			owners_sort(owners);

	target_progress_end(target);
	if (is_there)
		return owners;
	owners_close(owners);
	return NULL;
}

void owners_close(struct owners *owners)
{
	if (!owners)
		return;
	pgw_tasks_close(owners->tasks);
	free(owners->list);
	free(owners);
}

struct pgw_tasks *owners_tasks(const struct owners *owners)
{
	return owners ? owners->tasks : NULL;
}

const struct pgw_task *owners_find(const struct owners *owners, const struct pgw_root_info *root,
				   uint64_t *ret_nr)
{
	size_t low = 0, high, end;
	uint64_t pa = root->is_kpti_user && root->has_twin ? root->twin.pa : root->root.pa;

	*ret_nr = 0;
	if (!owners || !root->has_user)
		return NULL;
	for (high = owners->nr; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (owners->list[middle].root_pa < pa)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < owners->nr && owners->list[end].root_pa == pa;)
		end++;
	*ret_nr = end - low;
	return end > low ? owners->list[low].task : NULL;
}

void owners_name(const struct owners *owners, const struct pgw_root_info *root,
		 struct record *record)
{
	uint64_t nr;
	const struct pgw_task *task = owners_find(owners, root, &nr);

	if (!task)
		return;
	record_dec(record, "pid", task->pid);
	record_untrusted(record, "name", task->name, strlen(task->name));
}
