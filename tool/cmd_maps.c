/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "report/json_put.h"
#include "tasks.h"

#define VM_READ 0x1
#define VM_WRITE 0x2
#define VM_EXEC 0x4
#define VM_MAYSHARE 0x80

/* Where the kernel lets a name begin. */
#define NAME_COLUMN 73

/* The output has failed; its reason comes with target_finish(). Positive, and done. */
#define STOP_OUTPUT 100

struct maps {
	struct out *out;
	bool is_json, has_rss;
	struct pgw_tasks *tasks;
	struct pgw_areas_met met; /* of all processes */
	uint32_t pid;             /* whose areas are printed */
};

static void area_rights(const struct pgw_area *area, char ret[5])
{
	ret[0] = area->flags & VM_READ ? 'r' : '-';
	ret[1] = area->flags & VM_WRITE ? 'w' : '-';
	ret[2] = area->flags & VM_EXEC ? 'x' : '-';
	ret[3] = area->flags & VM_MAYSHARE ? 's' : 'p';
	ret[4] = '\0';
}

static void text_rss(struct out *out, const struct pgw_area *area)
{
	char text[160];

	snprintf(text, sizeof(text),
		 "Size:           %8" PRIu64 " kB\nRss:            %8" PRIu64
		 " kB\nSwap:           %8" PRIu64 " kB\n",
		 (area->end - area->start) >> 10, area->rss >> 10, area->swap >> 10);
	out_str(out, text);
}

/* As fs/proc/task_mmu.c of Linux prints it. */
static void text_area(const struct maps *maps, const struct pgw_area *area)
{
	char text[160], rights[5];
	int len;

	area_rights(area, rights);
	len = snprintf(text, sizeof(text),
		       "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %02" PRIx32 ":%02" PRIx32
		       " %" PRIu64 " ",
		       area->start, area->end, rights, area->offset, area->dev_major,
		       area->dev_minor, area->inode);
	out_str(maps->out, text);
	if (*area->name || area->name_is_broken)
		out_spaces(maps->out, len < NAME_COLUMN ? (size_t)(NAME_COLUMN - len) : 0);
	tasks_text(maps->out, area->name);
	if (area->name_is_broken)
		out_str(maps->out, "! its name is not in the image, or does not hold together");
	out_char(maps->out, '\n');
	if (maps->has_rss)
		text_rss(maps->out, area);
}

static void json_area(const struct maps *maps, const struct pgw_area *area)
{
	struct json json = { .out = maps->out };
	char rights[5];

	area_rights(area, rights);
	json_open(&json, NULL, '{');
	json_str(&json, "type", "area");
	json_dec(&json, "pid", maps->pid);
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
	if (maps->has_rss) {
		json_dec(&json, "rss", area->rss);
		json_dec(&json, "swap", area->swap);
	}
	json_end(&json);
}

static int maps_area(const struct pgw_area *area, void *arg)
{
	const struct maps *maps = (const struct maps *)arg;

	if (maps->is_json)
		json_area(maps, area);
	else
		text_area(maps, area);
	return out_failed(maps->out) ? STOP_OUTPUT : 0;
}

static void maps_json_summary(const struct maps *maps)
{
	struct json json = { .out = maps->out };

	json_open(&json, NULL, '{');
	json_str(&json, "type", "summary");
	json_dec(&json, "areas", maps->met.nr_areas);
	json_dec(&json, "torn", maps->met.nr_torn);
	json_dec(&json, "unreadable", maps->met.nr_unreadable);
	json_bool(&json, "truncated", maps->met.truncated);
	json_end(&json);
}

/* The text is the kernel's, so what is odd goes to standard error. */
static int maps_met(const struct target *target, const struct maps *maps)
{
	const struct pgw_areas_met *met = &maps->met;

	if (maps->is_json)
		maps_json_summary(maps);
	if (!met->nr_torn && !met->nr_unreadable && !met->truncated)
		return TOOL_DONE;
	out_flush(maps->out);
	message("%s: %" PRIu64 " areas; %" PRIu64 " nodes or areas do not hold together, %" PRIu64
		" or their names are not in the image%s",
		target->file, met->nr_areas, met->nr_torn, met->nr_unreadable,
		met->truncated ? "; cut short" : "");
	return TOOL_FINDING;
}

/* @return as pgw_task_areas() */
static int maps_task(struct maps *maps, const struct pgw_task *task)
{
	struct pgw_areas_met met;
	int err;

	maps->pid = task->tgid;
	task = pgw_tasks_with_mm(maps->tasks, task);
	err = pgw_task_areas(maps->tasks, task, maps->has_rss, maps_area, maps, &met);
	maps->met.nr_areas += met.nr_areas;
	maps->met.nr_torn += met.nr_torn;
	maps->met.nr_unreadable += met.nr_unreadable;
	maps->met.truncated |= met.truncated;
	return err;
}

static int maps_one(const struct target *target, const struct options *opts, struct maps *maps)
{
	const struct pgw_task *task = tasks_choose(target, maps->tasks, opts);
	int err = task ? maps_task(maps, task) : 0;

	if (!task)
		return TOOL_USAGE;
	if (err != -PGW_ENOENT)
		return err;
	message("%s: process %" PRIu32 " has no memory of its own: %s", target->file, opts->pid,
		task->is_kernel ? "it is a thread of the kernel" : "it has exited");
	return TOOL_FINDING;
}

/* A line before each in text says whose areas follow. */
static int maps_all(struct maps *maps)
{
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(maps->tasks, &nr);
	int err = 0;

	for (size_t i = 0; i < nr && (!err || err == -PGW_ENOENT); i++) {
		if (!list[i].is_leader || !pgw_tasks_with_mm(maps->tasks, &list[i])->mm_va)
			continue;
		if (!maps->is_json) {
			out_str(maps->out, "# ");
			out_dec(maps->out, list[i].pid);
			out_char(maps->out, ' ');
			tasks_text(maps->out, list[i].name);
			out_char(maps->out, '\n');
		}
		err = maps_task(maps, &list[i]);
	}
	return err == -PGW_ENOENT ? 0 : err;
}

static int maps_report(const struct target *target, const struct options *opts, struct maps *maps)
{
	int err = option_given(opts, OPT_PID) ? maps_one(target, opts, maps) : maps_all(maps);

	if (err < 0) {
		message("%s: %s", target->file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	if (err == STOP_OUTPUT)
		return TOOL_DONE;
	return err ? err : maps_met(target, maps);
}

static int maps_run(const struct options *opts)
{
	struct target target;
	struct out out;
	struct maps maps = {
		.out = &out,
		.is_json = option_given(opts, OPT_JSON),
		.has_rss = option_given(opts, OPT_SMAPS),
	};
	int status;

	out_init(&out, STDOUT_FILENO, options_color(opts, STDOUT_FILENO));
	status = target_open(&target, opts);
	if (status == TOOL_DONE)
		status = tasks_open(&target, &maps.tasks);
	if (status == TOOL_DONE)
		status = target_finish(&out, maps_report(&target, opts, &maps));
	pgw_tasks_close(maps.tasks);
	target_close(&target);
	return status;
}

const struct command cmd_maps = {
	.name = "maps",
	.args = "IMAGE",
	.summary = "the areas of memory of processes",
	.description =
		"Prints the areas (VMAs) that the kernel has for a process, as the kernel itself\n"
		"prints them in /proc/PID/maps: addresses, rights, offset, device, inode, name.\n"
		"Without --pid those of all processes, each after a line # PID NAME. Of a process\n"
		"whose first thread has exited, those of its other threads are printed.\n",
	.examples = "  pagewalk maps --pid 1 vmcore\n"
		    "  pagewalk maps --pid 1 --smaps vmcore      with what is mapped of each\n"
		    "  pagewalk ps vmcore                        which processes there are\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_PID) | OPT_BIT(OPT_SMAPS) | OPT_BIT(OPT_JSON) |
		   OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = maps_run,
};
