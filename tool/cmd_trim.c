/* SPDX-License-Identifier: BSD-2-Clause */
#include <unistd.h>

#include "command.h"
#include "new_file.h"
#include "report/report.h"
#include "target.h"

/* The new file cannot be written, or the user wants to stop; the message is out. */
#define STOP_OUTPUT 1

static int trim_write(const void *bytes, size_t size, void *arg)
{
	return new_file_write((struct new_file *)arg, bytes, size) ? 0 : STOP_OUTPUT;
}

static int trim_failed(const struct target *target, int err)
{
	switch (err) {
	case STOP_OUTPUT:
		break;
	case -PGW_ENOENT:
		message("%s: no root of page tables is found in it, so nothing is written",
			target->file);
		target_explain_unreadable(target);
		return TOOL_FINDING;
	case -PGW_E2BIG:
		message("%s: more than 16777216 tables, so nothing is written", target->file);
		break;
	case -PGW_EOVERFLOW:
		message("%s: the tables lie in more than 1048576 pieces, so nothing is written",
			target->file);
		break;
	default:
		message("%s: %s", target->file, pgw_status_text(err));
	}
	return TOOL_UNREADABLE;
}

/* The new file does not say that the old one is cut short, so the status does. */
static int trim_report(const struct target *target, const struct options *opts,
		       const struct report_trim *trim)
{
	struct report report = {
		.renderer = option_given(opts, OPT_JSON) ? &renderer_json : &renderer_text,
		.is_guess = report_is_guess(target->image),
	};
	struct out out;

	out_init(&out, STDOUT_FILENO, options_color(opts, STDOUT_FILENO));
	report.out = &out;
	report.renderer->trim_summary(&report, trim);
	out_flush(&out);
	if (trim->image->truncated)
		message("%s: the file is cut short, and what is missing is missing now too",
			target->file);
	return target_finish(&out, trim->image->truncated ? TOOL_FINDING : TOOL_DONE);
}

static int trim_to(struct target *target, const struct options *opts, struct new_file *file)
{
	struct report_trim trim = { .image = pgw_image_get_info(target->image) };
	const struct pgw_root_info *list;
	int err;

	/* Shows its progress; the library does not do it again. */
	err = target_roots(target, &list, &trim.summary.nr_roots);
	if (!err)
		err = pgw_trim(target->image, trim_write, file, &trim.summary);
	if (err) {
		new_file_abandon(file);
		return trim_failed(target, err);
	}
	return new_file_commit(file) ? trim_report(target, opts, &trim) : TOOL_UNREADABLE;
}

static bool trim_spares_input(const struct options *opts, const struct new_file *file)
{
	bool spares = new_file_spares(file, opts->args[0]);

	for (size_t i = 1; i < opts->nr_ram && spares; i++)
		spares = new_file_spares(file, opts->ram[i].path);
	for (size_t i = 0; i < opts->nr_parts && spares; i++)
		spares = new_file_spares(file, opts->parts[i]);
	return spares;
}

static int trim_run(const struct options *opts)
{
	struct new_file file;
	struct target target;
	int status;

	if (!new_file_init(&file, opts->args[1], option_given(opts, OPT_FORCE)) ||
	    !trim_spares_input(opts, &file))
		return TOOL_USAGE;
	status = target_open(&target, opts);
	if (status == TOOL_DONE)
		status = trim_to(&target, opts, &file);
	target_close(&target);
	return status;
}

const struct command cmd_trim = {
	.name = "trim",
	.args = "IMAGE NEW",
	.summary = "make an image that holds the page tables and nothing else",
	.description =
		"Writes an ELF core to NEW that holds, of the memory, only the tables of all\n"
		"roots and the pages they are found by: info, roots and dump say of it what they\n"
		"say of IMAGE, and what the machine had in its memory is not in it. IMAGE stays\n"
		"as it is.\n",
	.examples =
		"  pagewalk trim vmcore vmcore.tables\n"
		"  pagewalk trim --force vmcore vmcore.tables  in place of the one that is there\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_FORCE) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) |
		   OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.run = trim_run,
};
