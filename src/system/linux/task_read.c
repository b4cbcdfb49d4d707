/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"

/* PF_* of include/linux/sched.h: the same from 5.10 to 7.2. */
#define PF_WQ_WORKER 0x20
#define PF_KTHREAD 0x200000

/* TASK_* of include/linux/sched.h. */
#define STATE_REPORT 0x7f
#define STATE_IDLE 0x402
#define EXIT_REPORT 0x30

#define NICE_0 120
#define MAX_LEVEL 32 /* of pid namespaces in each other */
#define WORKER_DESC 32

int task_number(struct pgw_tasks *tasks, uint64_t va, const struct linux_member *member,
		uint64_t *ret)
{
	return linux_inside_number(&tasks->inside, va, member, ret);
}

static int number32(struct pgw_tasks *tasks, uint64_t va, const struct linux_member *member,
		    uint32_t *ret)
{
	uint64_t value;
	int err = task_number(tasks, va, member, &value);

	if (!err)
		*ret = (uint32_t)value;
	return err;
}

/* The lowest of the bits that are told decides, as in the kernel's own array of letters. */
static char state_letter(uint64_t state, uint64_t exit_state)
{
	static const char letters[] = "RSDTtXZP";
	uint64_t told = (state | (exit_state & EXIT_REPORT)) & STATE_REPORT;

	if ((state & STATE_IDLE) == STATE_IDLE)
		return 'I';
	return letters[told ? 64 - __builtin_clzll(told) : 0];
}

static int state_read(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t state, exit_state;
	int err = task_number(tasks, va, &at->task.state, &state);

	if (!err)
		err = task_number(tasks, va, &at->task.exit_state, &exit_state);
	if (!err)
		ret->state = state_letter(state, exit_state);
	return err;
}

/* A string that may be longer than there is room for, or not there at all. */
static void string_copy(struct pgw_tasks *tasks, uint64_t va, char *buf, size_t size)
{
	int err = linux_memory_string(&tasks->inside.memory, va, buf, size);

	if (err && err != -PGW_E2BIG)
		buf[0] = '\0';
	buf[size - 1] = '\0';
}

/* A worker says for which queue it works, or did last. */
static void worker_name(struct pgw_tasks *tasks, uint64_t kthread, struct pgw_task *ret)
{
	const struct task_places *at = &tasks->places;
	size_t len = strlen(ret->name);
	char desc[WORKER_DESC];
	uint64_t worker, pool, work;

	if (task_number(tasks, kthread, &at->kthread.data, &worker) || !worker ||
	    task_number(tasks, worker, &at->worker.pool, &pool) || !pool ||
	    task_number(tasks, worker, &at->worker.current_work, &work) ||
	    !at->worker.desc.is_there)
		return;
	string_copy(tasks, worker + at->worker.desc.offset, desc, sizeof(desc));
	if (desc[0])
		snprintf(ret->name + len, sizeof(ret->name) - len, "%c%s", work ? '+' : '-', desc);
}

/*
 * Names of kernel threads may be longer than a task has room for, which fs/proc/array.c shows; but
 * not those of queues' rescuers, until these were called kworker/R-QUEUE (6.9).
 */
static bool has_full_name(const struct pgw_task *task, const char *full_name)
{
	return full_name[0] &&
	       (!(task->flags & PF_WQ_WORKER) || strncmp(full_name, "kworker/", 8) == 0);
}

static void kthread_name(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret)
{
	const struct task_places *at = &tasks->places;
	char name[sizeof(ret->name)];
	uint64_t kthread, full_name;

	if (task_number(tasks, va, &at->task.worker, &kthread) || !kthread)
		return;
	if (!task_number(tasks, kthread, &at->kthread.full_name, &full_name) && full_name) {
		string_copy(tasks, full_name, name, sizeof(name));
		if (has_full_name(ret, name))
			memcpy(ret->name, name, sizeof(name));
	}
	if (ret->flags & PF_WQ_WORKER)
		worker_name(tasks, kthread, ret);
}

static int name_read(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret)
{
	const struct linux_member *comm = &tasks->places.task.comm;
	size_t size = comm->size < sizeof(ret->name) ? comm->size : sizeof(ret->name);
	int err = linux_memory_read(&tasks->inside.memory, va + comm->offset, ret->name, size);

	if (err || !size)
		return -PGW_EIO;
	ret->name[size - 1] = '\0';
	if (ret->is_kernel)
		kthread_name(tasks, va, ret);
	return 0;
}

static int cred_read(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t cred;
	int err = task_number(tasks, va, &at->task.real_cred, &cred);

	if (!err)
		err = number32(tasks, cred, &at->cred.uid, &ret->uid);
	if (!err)
		err = number32(tasks, cred, &at->cred.gid, &ret->gid);
	if (!err)
		err = number32(tasks, cred, &at->cred.euid, &ret->euid);
	return err;
}

/* A task that is being taken down has no struct pid any more. */
static int ns_pids_read(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t pid, level;
	int err = task_number(tasks, va, &at->task.thread_pid, &pid);

	ret->ns_pid[0] = ret->pid;
	ret->nr_ns_pids = 1;
	if (err || !pid)
		return err;
	err = task_number(tasks, pid, &at->pid.level, &level);
	if (err || level > MAX_LEVEL)
		return -PGW_EIO;
	for (unsigned i = 1; i <= level && i < PGW_TASK_NAMESPACES; i++) {
		err = number32(tasks,
			       pid + at->pid.numbers.offset + (uint64_t)i * at->pid.upid.size,
			       &at->pid.upid_nr, &ret->ns_pid[i]);
		if (err)
			return err;
		ret->nr_ns_pids = i + 1;
	}
	return 0;
}

static void mm_read(struct pgw_tasks *tasks, struct pgw_task *ret)
{
	uint64_t pgd, pa;

	if (ret->mm_va && !task_number(tasks, ret->mm_va, &tasks->places.mm.pgd, &pgd) &&
	    linux_memory_pa(&tasks->inside.memory, pgd, &pa))
		ret->root_pa = pa;
}

static int numbers_read(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret)
{
	const struct task_places *at = &tasks->places;
	uint64_t parent, signal, number = 0;
	int err = number32(tasks, va, &at->task.pid, &ret->pid);

	if (!err)
		err = number32(tasks, va, &at->task.tgid, &ret->tgid);
	if (!err)
		err = number32(tasks, va, &at->task.flags, &ret->flags);
	if (!err)
		err = task_number(tasks, va, &at->task.mm, &ret->mm_va);
	if (!err)
		err = task_number(tasks, va, &at->task.real_parent, &parent);
	if (!err)
		err = number32(tasks, parent, &at->task.tgid, &ret->ppid);
	if (!err)
		err = task_number(tasks, va, &at->task.signal, &signal);
	if (!err)
		err = number32(tasks, signal, &at->nr_threads, &ret->nr_threads);
	if (!err && !task_number(tasks, va, &at->task.static_prio, &number))
		ret->nice = (int)((uint32_t)number - NICE_0);
	if (!err)
		task_number(tasks, va, &at->task.start_time, &ret->start_ns);
	return err;
}

int task_read(struct pgw_tasks *tasks, uint64_t va, struct pgw_task *ret)
{
	int err;

	*ret = (struct pgw_task){ .va = va };
	err = numbers_read(tasks, va, ret);
	ret->is_leader = ret->pid == ret->tgid;
	ret->is_kernel = ret->flags & PF_KTHREAD;
	if (!err)
		err = state_read(tasks, va, ret);
	if (!err)
		err = name_read(tasks, va, ret);
	if (!err)
		err = cred_read(tasks, va, ret);
	if (!err)
		err = ns_pids_read(tasks, va, ret);
	if (!err)
		mm_read(tasks, ret);
	return err;
}
