/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include <stdlib.h>
#include <string.h>

#include <pagewalk/symbols.h>

#include "base/bits.h"
#include "system/system_priv.h"

#define TASK_ROOM 1024 /* bytes of memory that each task takes at least: none is smaller */
#define MAX_TASKS (UINT32_C(1) << 22) /* PID_MAX_LIMIT */

static int fail(struct pgw_error *err, int status, const char *expected)
{
	if (err)
		*err = (struct pgw_error){ .status = status, .expected = expected };
	return status;
}

/* ---- what is needed ---- */

static void cpus_find(struct pgw_tasks *tasks)
{
	uint64_t at = linux_inside_symbol(&tasks->inside, "nr_cpu_ids"), nr;

	tasks->per_cpu_offset = linux_inside_symbol(&tasks->inside, "__per_cpu_offset");
	if (!at || linux_memory_number(&tasks->inside.memory, at, 4, &nr) || nr > TASKS_MAX_CPUS)
		nr = tasks->image->info.nr_cpus;
	tasks->nr_cpus = nr > TASKS_MAX_CPUS ? TASKS_MAX_CPUS : (unsigned)nr;
}

static int symbols_find(struct pgw_tasks *tasks, struct pgw_error *err)
{
	static const char *const dnames[_DNAME_MAX] = { [DNAME_SIMPLE] = "simple_dname",
							[DNAME_ANON] = "anon_inodefs_dname",
							[DNAME_PIPE] = "pipefs_dname",
							[DNAME_SOCKET] = "sockfs_dname" };

	tasks->init_task = linux_inside_symbol(&tasks->inside, "init_task");
	tasks->init_pid_ns = linux_inside_symbol(&tasks->inside, "init_pid_ns");
	if (!tasks->init_task || !tasks->init_pid_ns)
		return fail(err, -PGW_ENOENT, "the symbols init_task and init_pid_ns");
	for (unsigned i = DNAME_NONE + 1; i < _DNAME_MAX; i++)
		tasks->dname[i] = linux_inside_symbol(&tasks->inside, dnames[i]);
	cpus_find(tasks);
	return 0;
}

static int tasks_prepare(struct pgw_tasks *tasks, struct pgw_error *err)
{
	int status = linux_inside_open(&tasks->inside, tasks->image, err);

	if (!status)
		status = pgw_image_linux(tasks->image, &tasks->kernel);
	if (!status)
		status = symbols_find(tasks, err);
	if (!status)
		status = task_places_find(tasks->inside.types, &tasks->places, err);
	return status;
}

/* ---- the list ---- */

static int tasks_grow(struct pgw_tasks *tasks)
{
	size_t size = tasks->size ? 2 * tasks->size : 128;
	struct pgw_task *list = realloc(tasks->list, size * sizeof(*list));

	if (!list)
		return -PGW_ENOMEM;
	tasks->list = list;
	tasks->size = size;
	return 0;
}

/* @return 1: it is new; 0: it is left out; -PGW_ENOMEM */
static int task_add(struct pgw_tasks *tasks, uint64_t va, uint32_t found)
{
	struct pgw_task task;
	int err;

	if (tasks->nr == tasks->max) {
		tasks->met.truncated = true;
		return 0;
	}
	if (task_read(tasks, va, &task)) {
		tasks->met.nr_unreadable++;
		return 0;
	}
	if (!task.pid)
		return 0;
	task.found = found;
	err = tasks->nr == tasks->size ? tasks_grow(tasks) : 0;
	if (err)
		return err;
	tasks->list[tasks->nr++] = task;
	return 1;
}

static int list_each(struct pgw_tasks *tasks, uint64_t head, int (*fn)(void *arg, uint64_t node))
{
	enum linux_list_end end;
	int err = linux_list_each(&tasks->inside.memory, head, &tasks->list_steps, fn, tasks, &end);

	if (err)
		return err;
	tasks->met.nr_torn += end == LINUX_LIST_TORN;
	tasks->met.nr_unreadable += end == LINUX_LIST_UNREADABLE;
	tasks->met.truncated |= end == LINUX_LIST_CUT;
	return 0;
}

static int thread_node(void *arg, uint64_t node)
{
	struct pgw_tasks *tasks = arg;
	int ret = task_add(tasks, node - tasks->places.task.thread_node.offset, PGW_TASK_IN_LIST);

	return ret < 0 ? ret : 0;
}

/* The process's threads, the first one among them. */
static int process_node(void *arg, uint64_t node)
{
	struct pgw_tasks *tasks = arg;
	uint64_t task = node - tasks->places.task.tasks.offset, signal;

	if (task_number(tasks, task, &tasks->places.task.signal, &signal)) {
		tasks->met.nr_unreadable++;
		return 0;
	}
	return list_each(tasks, signal + tasks->places.thread_head.offset, thread_node);
}

static int by_pid(const void *a, const void *b)
{
	const struct pgw_task *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->va < y->va ? -1 : x->va > y->va;
}

/* Torn lists may lead to a task twice. */
static void tasks_sort(struct pgw_tasks *tasks)
{
	size_t nr = 0;

	if (tasks->nr)
		qsort(tasks->list, tasks->nr, sizeof(*tasks->list), by_pid);
	for (size_t i = 0; i < tasks->nr; i++) {
		if (nr && tasks->list[nr - 1].va == tasks->list[i].va) {
			tasks->list[nr - 1].found |= tasks->list[i].found;
			tasks->met.nr_torn += tasks->list[i].found == PGW_TASK_IN_LIST;
			continue;
		}
		tasks->list[nr++] = tasks->list[i];
	}
	tasks->nr = nr;
}

/* ---- the pids ---- */

/* struct pid.tasks[PIDTYPE_PID] is a hlist_head: its first node is the task's pid_links[PIDTYPE_PID]. */
static int pid_take(struct pgw_tasks *tasks, uint64_t pid_va, uint64_t number)
{
	const struct task_places *at = &tasks->places;
	uint64_t first;
	int ret;

	(void)number;
	if (linux_memory_word(&tasks->inside.memory, pid_va + at->pid.tasks.offset, &first)) {
		tasks->met.nr_unreadable++;
		return 0;
	}
	if (!first)
		return 0;
	ret = task_add(tasks, first - at->task.pid_links.offset, PGW_TASK_IN_PIDS);
	return ret < 0 ? ret : 0;
}

static void tasks_count(struct pgw_tasks *tasks)
{
	struct pgw_tasks_met *met = &tasks->met;

	met->nr_threads = tasks->nr;
	for (size_t i = 0; i < tasks->nr; i++) {
		const struct pgw_task *task = &tasks->list[i];

		met->nr_processes += task->is_leader;
		met->nr_kernel_threads += task->is_kernel;
		met->nr_list_only += task->found == PGW_TASK_IN_LIST;
		met->nr_pids_only += task->found == PGW_TASK_IN_PIDS;
	}
}

static int by_group(const void *a, const void *b)
{
	const struct task_group *x = a, *y = b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int groups_sort(struct pgw_tasks *tasks)
{
	tasks->groups = malloc((tasks->nr + 1) * sizeof(*tasks->groups));
	if (!tasks->groups)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < tasks->nr; i++) {
		if (tasks->list[i].mm_va)
			tasks->groups[tasks->nr_groups++] =
				(struct task_group){ tasks->list[i].tgid, (uint32_t)i };
	}
	qsort(tasks->groups, tasks->nr_groups, sizeof(*tasks->groups), by_group);
	return 0;
}

/*
 * One page of an image may be mapped at many addresses, so that what is bounded for one task is
 * not for all of them: reads and tables are counted for all together. An area with its path takes
 * some 60 reads.
 */
static void budgets_set(struct pgw_tasks *tasks)
{
	uint64_t bytes = tasks->image->info.readable_bytes - tasks->image->info.zero_bytes;
	uint64_t room = bytes / TASK_ROOM + 64;

	/* Each may be met twice, by the list and by its pid. */
	tasks->max = 2 * (size_t)(room < MAX_TASKS ? room : MAX_TASKS);
	tasks->list_steps = 2 * (uint64_t)tasks->max;
	tasks->inside.memory.reads_left = (UINT64_C(1) << 28) + bytes / 64;
	tasks->tables_left = (UINT64_C(1) << 20) + bytes / 1024;
}

static int tasks_collect(struct pgw_tasks *tasks)
{
	int err;

	budgets_set(tasks);
	err = list_each(tasks, tasks->init_task + tasks->places.task.tasks.offset, process_node);
	tasks_sort(tasks);
	if (!err)
		err = pids_each(tasks, pid_take);
	if (err)
		return err;
	tasks->met.truncated |= !tasks->inside.memory.reads_left;
	tasks_sort(tasks);
	tasks_count(tasks);
	return groups_sort(tasks);
}

int pgw_tasks_open(struct pgw_image *image, struct pgw_tasks **ret, struct pgw_error *err)
{
	struct pgw_tasks *tasks = calloc(1, sizeof(*tasks));
	int status;

	if (err)
		*err = (struct pgw_error){ 0 };
	if (!tasks)
		return fail(err, -PGW_ENOMEM, NULL);
	tasks->image = image;
	status = tasks_prepare(tasks, err);
	if (!status)
		status = tasks_collect(tasks);
	if (status) {
		pgw_tasks_close(tasks);
		if (err && err->status != status)
			*err = (struct pgw_error){ .status = status };
		return status;
	}
	*ret = tasks;
	return 0;
}

void pgw_tasks_close(struct pgw_tasks *tasks)
{
	if (!tasks)
		return;
	free(tasks->list);
	free(tasks->groups);
	free(tasks);
}

const struct pgw_task *pgw_tasks_list(const struct pgw_tasks *tasks, size_t *ret_nr)
{
	*ret_nr = tasks->nr;
	return tasks->list;
}

const struct pgw_tasks_met *pgw_tasks_get_met(const struct pgw_tasks *tasks)
{
	return &tasks->met;
}

const struct pgw_task *pgw_tasks_find(const struct pgw_tasks *tasks, uint32_t pid)
{
	size_t first = 0, end = tasks->nr;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (tasks->list[middle].pid < pid)
			first = middle + 1;
		else
			end = middle;
	}
	return first < tasks->nr && tasks->list[first].pid == pid ? &tasks->list[first] : NULL;
}

const struct pgw_task *pgw_tasks_with_mm(const struct pgw_tasks *tasks, const struct pgw_task *task)
{
	size_t first = 0, end = tasks->nr_groups;

	if (task->mm_va)
		return task;
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (tasks->groups[middle].tgid < task->tgid)
			first = middle + 1;
		else
			end = middle;
	}
	return first < tasks->nr_groups && tasks->groups[first].tgid == task->tgid
		       ? &tasks->list[tasks->groups[first].index]
		       : task;
}
