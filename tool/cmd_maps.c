/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <unistd.h>

#include "command.h"
#include "names.h"
#include "report/json_put.h"
#include "tasks.h"

/* The output has failed; its reason comes with target_finish(). Positive, and done. */
#define STOP_OUTPUT 100

struct maps {
	struct out *out;
	bool is_json, has_rss;
	struct pgw_tasks *tasks;
	struct pgw_areas_met met; /* of all processes */
	uint32_t pid;             /* whose areas are printed */
};

static int maps_area(const struct pgw_area *area, void *arg)
{
	const struct maps *maps = (const struct maps *)arg;

	if (maps->is_json)
		tasks_area_json(maps->out, maps->pid, area, maps->has_rss);
	else
		tasks_area_text(maps->out, area, maps->has_rss);
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
	const struct pgw_task *task = tasks_choose(target, maps->tasks, opts->pid);
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

static int maps_list(const struct target *target, const struct options *opts, struct maps *maps)
{
	int err = option_given(opts, OPT_PID) ? maps_one(target, opts, maps) : maps_all(maps);

	if (err < 0)
		return target_fail(target, err);
	if (err == STOP_OUTPUT)
		return TOOL_DONE;
	return err ? err : maps_met(target, maps);
}

static int maps_report(struct target *target, const struct options *opts, struct out *out,
		       void *arg)
{
	struct maps maps = {
		.out = out,
		.is_json = option_given(opts, OPT_JSON),
		.has_rss = option_given(opts, OPT_SMAPS),
	};
	int status = names_check(opts);

	(void)arg;
	if (status == TOOL_DONE)
		status = tasks_open(target, &maps.tasks);
	if (status == TOOL_DONE)
		status = maps_list(target, opts, &maps);
	pgw_tasks_close(maps.tasks);
	return status;
}

static int maps_run(const struct options *opts)
{
	const struct target_job job = { .report = maps_report };

	return target_run(opts, &job);
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
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_PID) | OPT_BIT(OPT_SMAPS) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = maps_run,
};
