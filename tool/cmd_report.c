/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "command.h"
#include "names.h"
#include "new_file.h"
#include "page.h"
#include "report/record.h"
#include "write_image.h"

/* The new file cannot be written, or the user wants to stop; the message is out. */
#define STOP_OUTPUT 1

/* Processes are of those systems alone whose types are known; the page says so of others. */
static void open_tasks(struct page *page)
{
	struct pgw_error err = { 0 };

	if (pgw_tasks_open(page->target->image, &page->tasks, &err) < 0) {
		page->tasks = NULL;
		pgw_error_format(&err, page->no_tasks, sizeof(page->no_tasks));
	}
	target_progress_end(page->target);
}

static void open_layout(struct page *page)
{
	struct target *target = page->target;

	if (!target->layout && pgw_layout_open(target->image, &target->layout, NULL) < 0)
		target->layout = NULL;
	target_progress_end(target);
}

static int page_make(struct page *page)
{
	int err = target_roots(page->target, &page->roots, &page->nr_roots);

	for (int part = 0; part < _PAGE_PART_MAX && !err; part++)
		err = html_begin(&page->part[part]) ? 0 : -PGW_ENOMEM;
	if (err)
		return err;
	open_tasks(page);
	open_layout(page);
	interrupt_catch();
	err = page_spaces(page);
	if (!err)
		err = page_stats(page);
	if (!err)
		err = page_audit(page);
	if (!err)
		err = page_processes(page);
	if (!err)
		err = page_devices(page);
	target_progress_end(page->target);
	for (int part = 0; part < _PAGE_PART_MAX && !err; part++)
		err = html_done(&page->part[part]) ? 0 : -PGW_ENOMEM;
	return err;
}

static int write_bytes(const void *bytes, size_t size, void *arg)
{
	return new_file_write(arg, bytes, size) ? 0 : STOP_OUTPUT;
}

static void summary(const struct page *page, struct out *out)
{
	struct record record;

	record_init(&record, out, option_given(page->opts, OPT_JSON));
	record_begin_summary(&record);
	record_dec(&record, "spaces", page->nr_spaces);
	record_dec(&record, "ranges", page->nr_ranges);
	record_dec(&record, "rows", page->nr_lines);
	record_dec(&record, "roots", page->nr_roots);
	record_dec(&record, "errors", page->nr_levels[PGW_AUDIT_ERROR]);
	record_dec(&record, "warnings", page->nr_levels[PGW_AUDIT_WARNING]);
	record_dec(&record, "notes", page->nr_levels[PGW_AUDIT_NOTE]);
	record_dec(&record, "processes", page->nr_processes);
	record_dec(&record, "vms", page->nr_vms);
	record_dec(&record, "devices", page->nr_devices);
	record_bool(&record, "placement_guessed", report_is_guess(page->target->image));
	record_bool(&record, "truncated", page->is_cut);
	record_end(&record);
}

static int page_put(struct page *page, struct new_file *file, struct out *out)
{
	struct target *target = page->target;
	int err = page_make(page);

	if (err > 0) /* a signal came, which is told at the end */
		return TOOL_FINDING;
	if (err)
		return target_fail(target, err);
	err = page_write(page, write_bytes, file);
	if (err) {
		new_file_abandon(file);
		return err == STOP_OUTPUT ? TOOL_UNREADABLE : target_fail(target, err);
	}
	if (!new_file_commit(file))
		return TOOL_UNREADABLE;
	summary(page, out);
	out_flush(out);
	if (!page->nr_roots)
		target_explain_no_root(target);
	else if (page->is_cut || pgw_image_get_info(target->image)->truncated)
		message("%s: some of it could not be looked at; the page says what", target->file);
	return page->is_cut || !page->nr_roots || pgw_image_get_info(target->image)->truncated
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

static int page_report(struct target *target, const struct options *opts, struct out *out,
		       void *arg)
{
	struct page *page = calloc(1, sizeof(*page));
	struct new_file *file = arg;
	int status = TOOL_USAGE;

	if (!page)
		return target_fail(target, -PGW_ENOMEM);
	page->target = target;
	page->opts = opts;
	if (write_spares_input(target, opts, file))
		status = page_put(page, file, out);
	for (int part = 0; part < _PAGE_PART_MAX; part++)
		html_free(&page->part[part]);
	pgw_tasks_close(page->tasks);
	free(page);
	return status;
}

static int report_run(const struct options *opts)
{
	struct new_file *file;
	struct target_job job = { .holding = HOLD_IF_LIVE, .report = page_report };
	int status = names_check(opts);

	if (status != TOOL_DONE)
		return status;
	if (!option_given(opts, OPT_OUTPUT)) {
		message("report: --output says where the page goes");
		return TOOL_USAGE;
	}
	file = calloc(1, sizeof(*file));
	if (!file) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	job.arg = file;
	status = new_file_init(file, opts->output, option_given(opts, OPT_FORCE))
			 ? target_run(opts, &job)
			 : TOOL_USAGE;
	free(file);
	return status;
}

const struct command cmd_report = {
	.name = "report",
	.args = "IMAGE",
	.summary = "an image as one page for a browser",
	.description =
		"Writes one page of HTML that has all in it: the address spaces as a map to zoom\n"
		"into, with what addresses are used for, rights, page sizes and findings; what\n"
		"dump, stats, audit, ps, devices and roots tell, to be searched and sorted. It\n"
		"asks nothing of any network, works by the keyboard alone, and is readable\n"
		"without its script. Status 1: not all could be looked at, which the page says.\n",
	.examples =
		"  pagewalk report vmcore -o vmcore.html\n"
		"  pagewalk report --force vmcore -o vmcore.html   in place of one that is there\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_BUDGET) | OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_FORCE) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = report_run,
};
