/* SPDX-License-Identifier: BSD-2-Clause */
/* What asks of a task's memory: the areas of its mm, and the kernel's counters. */
#include "system/linux/tasks.h"

#include <string.h>

#include "base/bits.h"

/* A signed number of 4 bytes. */
static bool part_read(struct pgw_tasks *tasks, uint64_t va, int64_t *ret)
{
	uint64_t value;

	if (linux_memory_number(&tasks->inside.memory, va, 4, &value))
		return false;
	*ret = (int32_t)(uint32_t)value;
	return true;
}

/* Until 6.1: the mm has one sum, and each task that uses it the part that it has not handed over. */
static bool counters_of_tasks(struct pgw_tasks *tasks, uint64_t mm_va, struct pgw_task_memory *ret)
{
	const struct task_places *at = &tasks->places;

	for (unsigned i = 0; i < _PGW_RSS_MAX; i++) {
		uint64_t value;

		if (at->mm.rss_count.size / 8 <= i ||
		    linux_memory_word(&tasks->inside.memory,
				      mm_va + at->mm.rss_count.offset + 8 * i, &value))
			return false;
		ret->counter[i] = ret->counted[i] = (int64_t)value;
	}
	/* All tasks are looked at. */
	if (tasks->inside.memory.reads_left < tasks->nr / 16)
		return false;
	tasks->inside.memory.reads_left -= tasks->nr / 16;
	for (size_t i = 0; i < tasks->nr; i++) {
		for (unsigned j = 0;
		     tasks->list[i].mm_va == mm_va && j < at->task.rss.size / 4 && j < _PGW_RSS_MAX;
		     j++) {
			int64_t part;

			if (!part_read(tasks, tasks->list[i].va + at->task.rss.offset + 4 * j,
				       &part))
				return false;
			ret->counted[j] = (int64_t)((uint64_t)ret->counted[j] + (uint64_t)part);
		}
	}
	return true;
}

/* Since 6.2: struct percpu_counter: a sum, and for each CPU a part. */
static bool percpu_read(struct pgw_tasks *tasks, uint64_t va, int64_t *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t sum, counters, offset;

	if (task_number(tasks, va, &at->percpu.count, &sum) ||
	    task_number(tasks, va, &at->percpu.counters, &counters))
		return false;
	for (unsigned cpu = 0; counters && cpu < tasks->nr_cpus; cpu++) {
		int64_t part;

		if (linux_memory_word(&tasks->inside.memory,
				      tasks->per_cpu_offset + 8 * (uint64_t)cpu, &offset) ||
		    !part_read(tasks, counters + offset, &part))
			return false;
		sum += (uint64_t)part;
	}
	*ret = (int64_t)sum;
	return true;
}

static bool counters_of_cpus(struct pgw_tasks *tasks, uint64_t mm_va, struct pgw_task_memory *ret)
{
	const struct task_places *at = &tasks->places;

	if (!at->mm.rss.is_there || !at->percpu.size.size || !tasks->per_cpu_offset)
		return false;
	for (unsigned i = 0; i < _PGW_RSS_MAX; i++) {
		uint64_t offset = (uint64_t)i * at->percpu.size.size;

		if (at->mm.rss.size < offset + at->percpu.size.size ||
		    !percpu_read(tasks, mm_va + at->mm.rss.offset + offset, &ret->counted[i]))
			return false;
		ret->counter[i] = ret->counted[i];
	}
	return true;
}

/* The kernel counts pages. */
static void counters_read(struct pgw_tasks *tasks, uint64_t mm_va, struct pgw_task_memory *ret)
{
	const struct pgw_geometry *geo = pgw_format_geometry(tasks->inside.memory.root.format);
	bool is_read = tasks->places.mm.rss_count.is_there ? counters_of_tasks(tasks, mm_va, ret)
							   : counters_of_cpus(tasks, mm_va, ret);

	for (unsigned i = 0; i < _PGW_RSS_MAX; i++) {
		ret->counted[i] =
			is_read ? (int64_t)((uint64_t)ret->counted[i] << geo->granule_lg2) : 0;
		ret->counter[i] =
			is_read ? (int64_t)((uint64_t)ret->counter[i] << geo->granule_lg2) : 0;
	}
	ret->has_counters = is_read;
	if (task_number(tasks, mm_va, &tasks->places.mm.pgtables, &ret->tables_counted))
		ret->tables_counted = 0;
}

static int memory_read(struct pgw_tasks *tasks, const struct pgw_task *task,
		       struct pgw_task_memory *ret)
{
	struct vmas vmas;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = vmas_read(tasks, task->mm_va, &vmas);
	if (!err) {
		ret->nr_areas = vmas.nr;
		ret->nr_torn = vmas.met.nr_torn;
		ret->nr_unreadable = vmas.met.nr_unreadable;
		ret->truncated = vmas.met.truncated;
		vmas_look(tasks, task, &vmas, ret);
		counters_read(tasks, task->mm_va, ret);
	}
	vmas_fini(&vmas);
	return err;
}

/* Threads have an mm together: it is looked at once, but for those that share a place here. */
int pgw_task_get_memory(struct pgw_tasks *tasks, const struct pgw_task *task,
			struct pgw_task_memory *ret)
{
	struct task_memory *known;
	int err;

	if (!task->mm_va) {
		memset(ret, 0, sizeof(*ret));
		return -PGW_ENOENT;
	}
	known = &tasks->known[task->mm_va / TASKS_MM_ALIGN % TASKS_KNOWN];
	if (known->mm_va == task->mm_va && known->root_pa == task->root_pa) {
		*ret = known->memory;
		return 0;
	}
	err = memory_read(tasks, task, ret);
	if (!err)
		*known = (struct task_memory){ task->mm_va, task->root_pa, *ret };
	return err;
}

static int areas_tell(struct pgw_tasks *tasks, const struct pgw_task *task, struct vmas *vmas,
		      pgw_area_fn *fn, void *arg)
{
	char name[VMA_MAX_NAME];
	int err = 0;

	for (size_t i = 0; i < vmas->nr && !err; i++) {
		struct pgw_area area;

		vma_describe(tasks, task->mm_va, &vmas->list[i], name, &area);
		area.rss = vmas->list[i].rss;
		area.swap = vmas->list[i].swap;
		vmas->met.nr_unreadable += area.name_is_broken;
		err = fn(&area, arg);
	}
	return err;
}

/* arch/x86/entry/vsyscall/vsyscall_64.c; and a bit of mm_context_t's flags (asm/mmu.h). */
enum vsyscall_mode { VSYSCALL_EMULATE, VSYSCALL_XONLY, VSYSCALL_NONE };
#define MM_CONTEXT_HAS_VSYSCALL BIT(1)

/* Processes of 64 bits have the page. */
static bool has_gate(struct pgw_tasks *tasks, uint64_t mm_va)
{
	const struct task_places *at = &tasks->places;
	uint64_t value;

	if (at->mm.ia32_compat.is_there) /* to 5.17 */
		return !task_number(tasks, mm_va, &at->mm.ia32_compat, &value) && !value;
	return at->mm.context_flags.is_there &&
	       !task_number(tasks, mm_va, &at->mm.context_flags, &value) &&
	       (value & MM_CONTEXT_HAS_VSYSCALL);
}

/* The page of old system calls of x86_64, which is in no tree: gate_vma, as the kernel calls it. */
static int gate_tell(struct pgw_tasks *tasks, uint64_t mm_va, struct vmas *vmas, pgw_area_fn *fn,
		     void *arg)
{
	const struct task_places *at = &tasks->places;
	uint64_t mode_va = linux_inside_symbol(&tasks->inside, "vsyscall_mode"), mode;
	struct pgw_area area = { .va = linux_inside_symbol(&tasks->inside, "gate_vma"),
				 .name = "[vsyscall]" };

	if (!mode_va || !area.va ||
	    linux_memory_number(&tasks->inside.memory, mode_va, 4, &mode) ||
	    mode >= VSYSCALL_NONE || !has_gate(tasks, mm_va))
		return 0;
	if (task_number(tasks, area.va, &at->vma.start, &area.start) ||
	    task_number(tasks, area.va, &at->vma.end, &area.end) ||
	    task_number(tasks, area.va, &at->vma.flags, &area.flags)) {
		vmas->met.nr_unreadable++;
		return 0;
	}
	if (area.start >= area.end) {
		vmas->met.nr_torn++;
		return 0;
	}
	vmas->met.nr_areas++;
	return fn(&area, arg);
}

int pgw_task_areas(struct pgw_tasks *tasks, const struct pgw_task *task, bool with_rss,
		   pgw_area_fn *fn, void *arg, struct pgw_areas_met *met)
{
	struct pgw_task_memory memory = { 0 };
	struct vmas vmas = { 0 };
	int err = -PGW_ENOENT;

	if (task->mm_va) {
		err = vmas_read(tasks, task->mm_va, &vmas);
		if (!err && with_rss) {
			vmas_look(tasks, task, &vmas, &memory);
			vmas.met.nr_unreadable += memory.nr_unreadable;
			vmas.met.truncated |= memory.truncated;
		}
		if (!err)
			err = areas_tell(tasks, task, &vmas, fn, arg);
		if (!err)
			err = gate_tell(tasks, task->mm_va, &vmas, fn, arg);
		vmas.met.truncated |= !tasks->inside.memory.reads_left;
	}
	if (met)
		*met = vmas.met;
	vmas_fini(&vmas);
	return err;
}
