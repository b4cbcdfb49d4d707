/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "export.h"
#include "names.h"
#include "new_file.h"
#include "new_folder.h"
#include "report/record.h"
#include "write_image.h"

#define MAX_TABLES 16
/* Rows between looks at what signals came, and between pushes to the disk. */
#define ROWS_AT_ONCE 4096
#define ROWS_A_PUSH (16 * ROWS_AT_ONCE)

static const struct export_format *const formats[] = { &export_csv, &export_jsonl, &export_avro,
						       &export_sqlite };

/* What is written, and how it went. */
struct job {
	struct export export;
	struct new_folder folder;
	struct new_file file; /* with is_one_file */
	int fd;               /* of a part */
	bool is_open;         /* a part is */
	uint64_t root;        /* of that part, if they are by root */
	uint64_t nr_parts;    /* of a table */
	uint64_t nr_files;
	uint64_t nr_rows[MAX_TABLES];
	bool is_missing[MAX_TABLES];
};

/* SIGINT and SIGTERM are caught, and SIGHUP waits while there is something to leave behind. */
static bool is_stopped(void)
{
	sigset_t set;

	sigpending(&set);
	return interrupt_signal() || sigismember(&set, SIGHUP) == 1;
}

/* ---- parts of a table ---- */

static bool part_end(struct job *job)
{
	const struct export_format *format = job->export.format;
	bool is_done = true;

	if (job->is_open)
		is_done = format->end(&job->export);
	if (job->fd >= 0)
		is_done = new_folder_close(&job->folder, job->fd) && is_done;
	job->is_open = false;
	job->fd = -1;
	return is_done;
}

/* Hive's names, "ranges/root=0x0000000001234000/part-0.csv", from which engines know what they need not open. */
static bool part_file(struct job *job, const struct sql_table *table)
{
	char folder[80], name[128];

	if (table->is_by_root) {
		snprintf(folder, sizeof(folder), "%s/root=0x%016" PRIx64, table->name, job->root);
		if (!new_folder_add(&job->folder, folder))
			return false;
	} else {
		snprintf(folder, sizeof(folder), "%s", table->name);
	}
	snprintf(name, sizeof(name), "%s/part-%" PRIu64 ".%s", folder, job->nr_parts++,
		 job->export.format->name);
	job->fd = new_folder_open(&job->folder, name);
	job->nr_files += job->fd >= 0;
	return job->fd >= 0;
}

static bool part_begin(struct job *job, const struct sql_table *table)
{
	struct export *export = &job->export;

	for (export->nr_columns = 0; table->columns[export->nr_columns].name;)
		export->nr_columns++;
	if (!job->export.format->is_one_file && !part_file(job, table))
		return false;
	job->is_open = true;
	return job->export.format->begin(&job->export, table, job->fd);
}

/* ---- a table ---- */

static bool table_begin(struct job *job, const struct sql_table *table)
{
	job->nr_parts = 0;
	if (job->export.format->is_one_file)
		return part_begin(job, table);
	return new_folder_add(&job->folder, table->name) &&
	       (table->is_by_root || part_begin(job, table));
}

/* Where roots have files of their own, the one of the row's. */
static bool part_of_row(struct job *job, const struct sql_cursor *cursor)
{
	uint64_t root = job->export.values[0].number;

	if (!cursor->table->is_by_root || job->export.format->is_one_file)
		return true;
	if (job->is_open && root == job->root)
		return true;
	job->root = root;
	return part_end(job) && part_begin(job, cursor->table);
}

static void values_get(struct export *export, struct sql_cursor *cursor)
{
	const struct sql_table *table = cursor->table;
	const void *item = sql_cursor_item(cursor);

	if (table->row) {
		table->row(cursor, item, export->values);
		return;
	}
	for (unsigned i = 0; table->columns[i].name; i++)
		table->value(cursor, item, i, &export->values[i]);
}

/* @return false after a message, or if a signal came */
static bool rows_export(struct job *job, struct sql_cursor *cursor, uint64_t *ret_nr,
			int *ret_status)
{
	while (!*ret_status && !sql_cursor_at_end(cursor)) {
		values_get(&job->export, cursor);
		if (!part_of_row(job, cursor) || !job->export.format->row(&job->export))
			return false;
		if (++*ret_nr % ROWS_AT_ONCE == 0 && is_stopped())
			return false;
		if (*ret_nr % ROWS_A_PUSH == 0 && job->fd >= 0)
			new_folder_push(job->fd);
		*ret_status = sql_cursor_next(cursor);
	}
	return true;
}

/* @return enum tool_status; a table that is missing is none of them */
static int table_export(struct job *job, size_t index)
{
	const struct sql_table *table = &sql_tables[index];
	struct sql_cursor *cursor = calloc(1, sizeof(*cursor));
	int status, result = TOOL_DONE;

	if (!cursor)
		return target_fail(job->export.sql.target, -PGW_ENOMEM);
	cursor->sql = &job->export.sql;
	cursor->table = table;
	sql_cursor_begin(cursor);
	status = sql_cursor_fill(cursor);
	job->is_missing[index] = status == -PGW_ENOENT;
	if (!status &&
	    (!table_begin(job, table) || !rows_export(job, cursor, &job->nr_rows[index], &status)))
		result = TOOL_UNREADABLE;
	if (!part_end(job))
		result = TOOL_UNREADABLE;
	if (status > 0) /* a signal came, which is told at the end */
		result = TOOL_FINDING;
	else if (status && !job->is_missing[index])
		result = target_fail(job->export.sql.target, status);
	sql_cursor_close(cursor);
	free(cursor);
	return result;
}

/* ---- all of them ---- */

static bool is_wanted(const struct options *opts, size_t index)
{
	/* What ranges have in fewer rows is written if it is asked for. */
	return opts->tables ? opts->tables >> index & 1
			    : strcmp(sql_tables[index].name, "leaves") != 0;
}

static void summary(const struct job *job, struct out *out)
{
	const struct export *export = &job->export;
	bool is_cut = export->sql.is_cut;
	struct record record;

	record_init(&record, out, option_given(export->opts, OPT_JSON));
	record_begin_summary(&record);
	record_untrusted(&record, EXPORT_MACHINE, export->machine, export->machine_len);
	for (size_t i = 0; sql_tables[i].name; i++) {
		if (!is_wanted(export->opts, i))
			continue;
		if (job->is_missing[i])
			record_str(&record, sql_tables[i].name, NULL);
		else
			record_dec(&record, sql_tables[i].name, job->nr_rows[i]);
	}
	record_dec(&record, "files", job->nr_files);
	record_bool(&record, "placement_guessed", report_is_guess(export->sql.target->image));
	record_bool(&record, "truncated", is_cut);
	record_end(&record);
}

/* @return enum tool_status; without a table there is nothing to keep */
static int tables_export(struct job *job)
{
	int status = TOOL_DONE;
	bool has_any = false;

	for (size_t i = 0; sql_tables[i].name && status == TOOL_DONE; i++) {
		if (!is_wanted(job->export.opts, i))
			continue;
		status = table_export(job, i);
		has_any |= !job->is_missing[i];
		if (status == TOOL_DONE && is_stopped())
			status = TOOL_FINDING;
	}
	target_progress_end(job->export.sql.target);
	return status == TOOL_DONE && !has_any ? TOOL_UNREADABLE : status;
}

/* The temporary file or folder. */
static bool output_begin(struct job *job)
{
	const struct export_format *format = job->export.format;
	sigset_t caught;

	if (!format->is_one_file)
		return !format->open || format->open(&job->export, NULL);
	if (!new_file_write(&job->file, "", 0))
		return false;
	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &caught, NULL);
	job->nr_files = 1;
	return format->open(&job->export, job->file.temp);
}

static bool output_end(struct job *job, bool is_whole)
{
	const struct export_format *format = job->export.format;

	if (format->close && !format->close(&job->export, is_whole))
		is_whole = false;
	if (is_whole)
		return format->is_one_file ? new_file_commit(&job->file)
					   : new_folder_commit(&job->folder);
	if (format->is_one_file)
		new_file_abandon(&job->file);
	else
		new_folder_abandon(&job->folder);
	return false;
}

static bool has_missing(const struct job *job)
{
	bool has = false;

	for (size_t i = 0; sql_tables[i].name; i++)
		has |= job->is_missing[i];
	return has;
}

static int job_run(struct job *job, struct out *out)
{
	struct target *target = job->export.sql.target;
	int status = output_begin(job) ? tables_export(job) : TOOL_UNREADABLE;

	if (!output_end(job, status == TOOL_DONE))
		return status == TOOL_DONE ? TOOL_UNREADABLE : status;
	summary(job, out);
	out_flush(out);
	if (job->export.sql.is_cut)
		message("%s: not all could be looked at: tables are missing or broken in the "
			"image, "
			"or a budget ran out",
			target->file);
	return job->export.sql.is_cut || has_missing(job) ? TOOL_FINDING : TOOL_DONE;
}

/* The name of a file, unless the user gives the machine one. */
static bool name_machine(struct export *export)
{
	const char *name = export->opts->machine ? export->opts->machine : export->sql.target->file;
	const char *slash = export->opts->machine ? NULL : strrchr(name, '/');
	const char *text;

	name = slash ? slash + 1 : name;
	if (strlen(name) > EXPORT_MAX_MACHINE) {
		message("export: the machine's name is longer than %d bytes", EXPORT_MAX_MACHINE);
		return false;
	}
	text = export_text(export, name, &export->machine_len);
	export->machine = text ? strdup(text) : NULL;
	if (text && !export->machine)
		message("%s", pgw_status_text(-PGW_ENOMEM));
	return export->machine;
}

static int export_report(struct target *target, const struct options *opts, struct out *out,
			 void *arg)
{
	struct job *job = arg;
	struct export *export = &job->export;
	int status = TOOL_UNREADABLE;

	export->sql.target = target;
	export->sql.opts = opts;
	interrupt_catch();
	if (export->format->is_one_file && !write_spares_input(target, opts, &job->file))
		status = TOOL_USAGE;
	else if (!name_machine(export))
		status = TOOL_USAGE;
	else
		status = job_run(job, out);
	sql_tables_close(&export->sql);
	free(export->machine);
	free(export->text);
	return status;
}

static bool output_init(struct job *job, const struct options *opts)
{
	if (job->export.format->is_one_file)
		return new_file_init(&job->file, opts->output, option_given(opts, OPT_FORCE));
	return new_folder_init(&job->folder, opts->output);
}

static int export_run(const struct options *opts)
{
	struct target_job target_job = { .holding = HOLD_IF_LIVE, .report = export_report };
	struct job *job;
	int status = names_check(opts);

	if (status != TOOL_DONE)
		return status;
	if (!option_given(opts, OPT_OUTPUT) || !option_given(opts, OPT_EXPORT_FORMAT)) {
		message("export: --format says in which form, --output where it goes");
		return TOOL_USAGE;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	job->fd = -1;
	job->export.opts = opts;
	job->export.path = opts->output;
	job->export.format = formats[opts->export_format];
	target_job.arg = job;
	status = output_init(job, opts) ? target_run(opts, &target_job) : TOOL_USAGE;
	free(job);
	return status;
}

const struct command cmd_export = {
	.name = "export",
	.args = "IMAGE",
	.summary = "an image as tables, for databases and their like",
	.description =
		"Writes the tables that sql asks, as csv, jsonl (JSON Lines) or avro into a new\n"
		"folder, with a file for each table or each root, or as one sqlite file. Each row\n"
		"says by its column 'machine' whose it is, so that many images go into one table.\n"
		"Addresses are text, 0x and sixteen digits. Status 1: not all could be looked at,\n"
		"or a table is missing, which is said.\n",
	.examples = "  pagewalk export --format sqlite -o vmcore.db vmcore\n"
		    "  pagewalk export --format csv -o vmcore.tables vmcore\n"
		    "  pagewalk export --format jsonl --machine web7 -o vmcore.web7 vmcore\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_BUDGET) | OPT_BIT(OPT_EXPORT_FORMAT) | OPT_BIT(OPT_TABLE) |
		   OPT_BIT(OPT_MACHINE) | OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_FORCE) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.makes_folders = true,
	.min_args = 1,
	.max_args = 1,
	.run = export_run,
};
