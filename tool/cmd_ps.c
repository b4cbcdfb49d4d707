/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "names.h"
#include "report/json_put.h"
#include "tasks.h"

/** One run of the command. */
struct ps {
	struct pgw_tasks *tasks;
	struct out *out;
	bool is_json, has_threads;
	uint64_t nr_odd; /* tasks of which something should not be there */
};

static void text_kib(struct out *out, bool has, uint64_t bytes)
{
	if (has)
		out_dec_padded(out, bytes >> 10, 9);
	else
		out_str(out, "        -");
}

static void text_head(const struct ps *ps)
{
	out_str(ps->out, ps->has_threads ? "#   PID     TID" : "#   PID THREADS");
	out_str(ps->out,
		"    PPID     UID S ROOT                     RSS   COUNTED    TABLES NAME\n");
}

static void text_row(const struct ps *ps, const struct tasks_row *row)
{
	const struct pgw_task *task = row->task;
	const struct pgw_task_memory *memory = &row->memory;
	const char *odd = tasks_row_odd(row);
	struct out *out = ps->out;
	const char state[] = { ' ', task->state, ' ', '\0' };
	int64_t counted = tasks_counted_rss(memory);

	out_dec_padded(out, task->tgid, 7);
	out_dec_padded(out, ps->has_threads ? task->pid : task->nr_threads, 8);
	out_dec_padded(out, task->ppid, 8);
	out_dec_padded(out, task->uid, 8);
	out_str(out, state);
	if (row->with_mm->root_pa)
		out_hex(out, row->with_mm->root_pa);
	else
		out_str_padded(out, row->with_mm->mm_va ? "?" : "-", 18);
	text_kib(out, row->has_memory, memory->rss);
	text_kib(out, memory->has_counters && counted >= 0, (uint64_t)counted);
	text_kib(out, row->has_memory, memory->tables);
	out_char(out, ' ');
	tasks_text(out, task->name);
	if (row->with_mm != task) {
		out_str(out, "  (has exited; memory of its thread ");
		out_dec(out, row->with_mm->pid);
		out_char(out, ')');
	}
	if (odd) {
		out_str(out, "  ! ");
		out_str(out, odd);
	}
	out_char(out, '\n');
}

static void json_memory(struct json *json, const struct pgw_task_memory *memory)
{
	json_dec(json, "rss", memory->rss);
	json_dec(json, "swap", memory->swap);
	json_dec(json, "outside_areas", memory->outside);
	json_dec(json, "tables", memory->tables);
	json_dec(json, "tables_counted", memory->tables_counted);
	json_dec(json, "areas", memory->nr_areas);
	if (!memory->has_counters)
		return;
	json_int(json, "counted_file", memory->counted[PGW_RSS_FILE]);
	json_int(json, "counted_anon", memory->counted[PGW_RSS_ANON]);
	json_int(json, "counted_swap", memory->counted[PGW_RSS_SWAP]);
	json_int(json, "counted_shmem", memory->counted[PGW_RSS_SHMEM]);
}

static void json_row(const struct ps *ps, const struct tasks_row *row)
{
	const struct pgw_task *task = row->task;
	struct json json = { .out = ps->out };
	const char state[] = { task->state, '\0' };

	json_open(&json, NULL, '{');
	json_str(&json, "type", "task");
	json_dec(&json, "pid", task->tgid);
	json_dec(&json, "tid", task->pid);
	json_dec(&json, "ppid", task->ppid);
	json_dec(&json, "uid", task->uid);
	json_dec(&json, "gid", task->gid);
	json_dec(&json, "euid", task->euid);
	json_str(&json, "state", state);
	json_untrusted(&json, "name", task->name, strlen(task->name));
	json_bool(&json, "kernel", task->is_kernel);
	json_dec(&json, "threads", task->nr_threads);
	json_int(&json, "nice", task->nice);
	json_dec(&json, "start_ns", task->start_ns);
	json_open(&json, "ns_pids", '[');
	for (unsigned i = 0; i < task->nr_ns_pids; i++)
		json_dec(&json, NULL, task->ns_pid[i]);
	json_close(&json, ']');
	json_hex(&json, "task", task->va);
	if (row->with_mm->mm_va)
		json_hex(&json, "mm", row->with_mm->mm_va);
	if (row->with_mm != task)
		json_dec(&json, "mm_of", row->with_mm->pid);
	if (row->with_mm->root_pa)
		json_hex(&json, "root", row->with_mm->root_pa);
	if (row->has_memory)
		json_memory(&json, &row->memory);
	json_str(&json, "odd", tasks_row_odd(row));
	json_end(&json);
}

static void ps_summary(const struct ps *ps)
{
	const struct pgw_tasks_met *met = pgw_tasks_get_met(ps->tasks);
	struct json json = { .out = ps->out };
	const struct {
		const char *key, *text;
		uint64_t value;
		bool is_always;
	} sums[] = {
		{ "threads", " threads", met->nr_threads, true },
		{ "processes", " processes", met->nr_processes, true },
		{ "kernel_threads", " threads of the kernel", met->nr_kernel_threads, true },
		{ "list_only", " that no pid leads to", met->nr_list_only, false },
		{ "pids_only", " in no list of tasks", met->nr_pids_only, false },
		{ "torn", " torn links", met->nr_torn, false },
		{ "unreadable", " unreadable", met->nr_unreadable, false },
	};

	if (ps->is_json) {
		json_open(&json, NULL, '{');
		json_str(&json, "type", "summary");
		for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
			json_dec(&json, sums[i].key, sums[i].value);
		json_bool(&json, "truncated", met->truncated);
		json_end(&json);
		return;
	}
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		if (!sums[i].value && !sums[i].is_always)
			continue;
		out_str(ps->out, i ? ", " : "# ");
		out_dec(ps->out, sums[i].value);
		out_str(ps->out, sums[i].text);
	}
	out_str(ps->out, met->truncated ? ", cut short\n" : "\n");
}

static int ps_row(struct ps *ps, const struct pgw_task *task)
{
	struct tasks_row row;
	int err = tasks_row_get(ps->tasks, task, &row);

	if (err)
		return err;
	ps->nr_odd += tasks_row_odd(&row) != NULL;
	if (ps->is_json)
		json_row(ps, &row);
	else
		text_row(ps, &row);
	return 0;
}

static int ps_list(struct target *target, struct ps *ps)
{
	const struct pgw_tasks_met *met = pgw_tasks_get_met(ps->tasks);
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(ps->tasks, &nr);

	if (!ps->is_json)
		text_head(ps);
	for (size_t i = 0; i < nr && !out_failed(ps->out); i++) {
		int err = list[i].is_leader || ps->has_threads ? ps_row(ps, &list[i]) : 0;

		if (err)
			return target_fail(target, err);
	}
	ps_summary(ps);
	return ps->nr_odd || met->nr_torn || met->nr_unreadable || met->nr_list_only ||
			       met->nr_pids_only || met->truncated
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

static int ps_report(struct target *target, const struct options *opts, struct out *out, void *arg)
{
	struct ps ps = {
		.out = out,
		.is_json = option_given(opts, OPT_JSON),
		.has_threads = option_given(opts, OPT_THREADS),
	};
	int status = names_check(opts);

	(void)arg;
	if (status == TOOL_DONE)
		status = tasks_open(target, &ps.tasks);
	if (status == TOOL_DONE)
		status = ps_list(target, &ps);
	pgw_tasks_close(ps.tasks);
	return status;
}

static int ps_run(const struct options *opts)
{
	const struct target_job job = { .report = ps_report };

	return target_run(opts, &job);
}

const struct command cmd_ps = {
	.name = "ps",
	.args = "IMAGE",
	.summary = "the processes of the Linux in an image",
	.description =
		"Prints one process a line, or with --threads one thread: numbers, user, state,\n"
		"root, and in KiB what it has mapped by its tables (RSS), by the kernel's own\n"
		"counters (COUNTED), and its tables themselves. All is from the image: from the\n"
		"kernel's own symbols and types. Lists and pids check each other; what is in one\n"
		"of them alone, or does not hold together, is marked with ! and the reason.\n",
	.examples = "  pagewalk ps vmcore\n"
		    "  pagewalk ps --threads --json vmcore\n"
		    "  pagewalk maps --pid 812 vmcore            what one of them has mapped\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_THREADS) | OPT_BIT(OPT_JSON) |
		   OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = ps_run,
};
