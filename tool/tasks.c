/* SPDX-License-Identifier: BSD-2-Clause */
#include "tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/json_put.h"

/* Where the kernel lets a name begin. */
#define NAME_COLUMN 73

int tasks_open(struct target *target, struct pgw_tasks **ret)
{
	struct pgw_error err = { 0 };
	int status = pgw_tasks_open(target->image, ret, &err);

	target_progress_end(target);
	return status ? message_error(target->file, &err) : TOOL_DONE;
}

const struct pgw_task *tasks_choose(const struct target *target, const struct pgw_tasks *tasks,
				    uint32_t pid)
{
	const struct pgw_task *task = pgw_tasks_find(tasks, pid);

	if (!task)
		message("%s: there is no process %" PRIu32
			"; ps --threads lists all that there are",
			target->file, pid);
	return task;
}

int tasks_row_get(struct pgw_tasks *tasks, const struct pgw_task *task, struct tasks_row *ret)
{
	struct tasks_row row = {
		.task = task,
		.with_mm = task->is_leader ? pgw_tasks_with_mm(tasks, task) : task,
	};
	int err = row.with_mm->mm_va ? pgw_task_get_memory(tasks, row.with_mm, &row.memory)
				     : -PGW_ENOENT;

	if (err && err != -PGW_ENOENT)
		return err;
	row.has_memory = !err;
	*ret = row;
	return 0;
}

const char *tasks_row_odd(const struct tasks_row *row)
{
	if (row->task->found == PGW_TASK_IN_LIST)
		return "no pid leads to it";
	if (row->task->found == PGW_TASK_IN_PIDS)
		return "in no list of tasks";
	if (row->memory.nr_torn)
		return "its areas do not hold together";
	if (row->memory.nr_unreadable)
		return "not all of its memory's tables and areas are in the image";
	if (row->memory.truncated)
		return "too many areas or tables to look at all";
	if (row->with_mm->mm_va && !row->with_mm->root_pa)
		return "its root is not in the image";
	return NULL;
}

int64_t tasks_counted_rss(const struct pgw_task_memory *memory)
{
	return (int64_t)((uint64_t)memory->counted[PGW_RSS_FILE] +
			 (uint64_t)memory->counted[PGW_RSS_ANON] +
			 (uint64_t)memory->counted[PGW_RSS_SHMEM]);
}

/* Bytes of a control character: C0, DEL, or C1, which is 0x80 to 0x9f alone or behind 0xc2. */
static bool is_control(unsigned char c, unsigned char before)
{
	if (c < 0x20 || c == 0x7f)
		return c != '\t';
	return c >= 0x80 && c < 0xa0 && (before == 0xc2 || before < 0x80);
}

/* A tab is as it is, as the kernel has it; bytes of UTF-8 are, too. */
void tasks_text(struct out *out, const char *text)
{
	unsigned char before = 0;

	for (; *text; before = (unsigned char)*text++) {
		unsigned char c = (unsigned char)*text;
		char octal[4] = { '\\', (char)('0' + (c >> 6)), (char)('0' + (c >> 3 & 7)),
				  (char)('0' + (c & 7)) };

		if (is_control(c, before))
			out_bytes(out, octal, sizeof(octal));
		else
			out_char(out, *text);
	}
}

static void area_rights(const struct pgw_area *area, char ret[5])
{
	ret[0] = area->flags & VM_READ ? 'r' : '-';
	ret[1] = area->flags & VM_WRITE ? 'w' : '-';
	ret[2] = area->flags & VM_EXEC ? 'x' : '-';
	ret[3] = area->flags & VM_MAYSHARE ? 's' : 'p';
	ret[4] = '\0';
}

/*
 * VmFlags of /proc/PID/smaps, by bit, as Documentation/filesystems/proc.rst of Linux calls them.
 * Those of protection keys and of architectures alone have no letters.
 */
static const char vm_flags[64][3] = {
	[0] = "rd",  [1] = "wr",  [2] = "ex",  [3] = "sh",  [4] = "mr",  [5] = "mw",  [6] = "me",
	[7] = "ms",  [8] = "gd",  [9] = "um",  [10] = "pf", [11] = "gu", [12] = "uw", [13] = "lo",
	[14] = "io", [15] = "sr", [16] = "rr", [17] = "dc", [18] = "de", [20] = "ac", [21] = "nr",
	[22] = "ht", [23] = "sf", [24] = "ar", [25] = "wf", [26] = "dd", [27] = "sd", [28] = "mm",
	[29] = "hg", [30] = "nh", [31] = "mg", [40] = "dp", [42] = "sl", [63] = "sl",
};

/* Each with a blank behind it, as the kernel prints them. */
static void text_vm_flags(struct out *out, uint64_t flags)
{
	out_str(out, "VmFlags: ");
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(flags >> bit & 1) || !vm_flags[bit][0])
			continue;
		out_str(out, vm_flags[bit]);
		out_char(out, ' ');
	}
	out_char(out, '\n');
}

static void text_rss(struct out *out, const struct pgw_area *area)
{
	char text[160];

	snprintf(text, sizeof(text),
		 "Size:           %8" PRIu64 " kB\nRss:            %8" PRIu64
		 " kB\nSwap:           %8" PRIu64 " kB\n",
		 (area->end - area->start) >> 10, area->rss >> 10, area->swap >> 10);
	out_str(out, text);
	text_vm_flags(out, area->flags);
}

void tasks_area_text(struct out *out, const struct pgw_area *area, bool has_rss)
{
	char text[160], rights[5];
	int len;

	area_rights(area, rights);
	len = snprintf(text, sizeof(text),
		       "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %02" PRIx32 ":%02" PRIx32
		       " %" PRIu64 " ",
		       area->start, area->end, rights, area->offset, area->dev_major,
		       area->dev_minor, area->inode);
	out_str(out, text);
	if (*area->name || area->name_is_broken)
		out_spaces(out, len < NAME_COLUMN ? (size_t)(NAME_COLUMN - len) : 0);
	tasks_text(out, area->name);
	if (area->name_is_broken)
		out_str(out, "! its name is not in the image, or does not hold together");
	out_char(out, '\n');
	if (has_rss)
		text_rss(out, area);
}

void tasks_area_json(struct out *out, uint32_t pid, const struct pgw_area *area, bool has_rss)
{
	struct json json = { .out = out };
	char rights[5];

	area_rights(area, rights);
	json_open(&json, NULL, '{');
	json_str(&json, "type", "area");
	json_dec(&json, "pid", pid);
	json_hex(&json, "va_first", area->start);
	json_hex(&json, "va_last", area->end - 1);
	json_str(&json, "rights", rights);
	json_hex(&json, "flags", area->flags);
	json_hex(&json, "area", area->va);
	if (area->has_file) {
		json_hex(&json, "offset", area->offset);
		json_dec(&json, "dev_major", area->dev_major);
		json_dec(&json, "dev_minor", area->dev_minor);
		json_dec(&json, "inode", area->inode);
	}
	if (*area->name)
		json_untrusted(&json, "name", area->name, strlen(area->name));
	json_bool(&json, "name_is_broken", area->name_is_broken);
	if (has_rss) {
		json_dec(&json, "rss", area->rss);
		json_dec(&json, "swap", area->swap);
	}
	json_end(&json);
}
