/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_TASKS_H
#define TOOL_TASKS_H

/* The processes of an image, for those commands that ask for them. */

#include "target.h"

/** Find them. @return enum tool_status; after a message, if it is not TOOL_DONE */
int tasks_open(struct target *target, struct pgw_tasks **ret);

/** The process with this number. @return NULL after a message: there is none */
const struct pgw_task *tasks_choose(const struct target *target, const struct pgw_tasks *tasks,
				    uint32_t pid);

/** What is told of one task. */
struct tasks_row {
	const struct pgw_task *task;
	const struct pgw_task *with_mm; /**< the thread whose mm it is; task itself if it has one */
	bool has_memory;
	struct pgw_task_memory memory; /**< all zero without */
};

/** @return 0, or negative: as pgw_task_get_memory() fails, but for there being none */
int tasks_row_get(struct pgw_tasks *tasks, const struct pgw_task *task, struct tasks_row *ret);
/** What should not be so, in a few words; or NULL. */
const char *tasks_row_odd(const struct tasks_row *row);
/** What VmRSS is, in bytes, by the kernel's counters. Pre: memory->has_counters */
int64_t tasks_counted_rss(const struct pgw_task_memory *memory);

/* Bits of pgw_area.flags. */
#define VM_READ 0x1
#define VM_WRITE 0x2
#define VM_EXEC 0x4
#define VM_MAYSHARE 0x80

/** Is it no memory of the process's, but in the kernel's half: [vsyscall] of x86_64? */
static inline bool tasks_area_is_kernels(const struct pgw_area *area)
{
	return area->start >> 63;
}

/** A line of /proc/PID/maps, as fs/proc/task_mmu.c of Linux prints it; those of smaps behind it. */
void tasks_area_text(struct out *out, const struct pgw_area *area, bool has_rss);
/** The same as a JSON record. */
void tasks_area_json(struct out *out, uint32_t pid, const struct pgw_area *area, bool has_rss);

/** Text as the kernel prints it: newlines and what a terminal takes for commands in octal. */
void tasks_text(struct out *out, const char *text);

#endif
