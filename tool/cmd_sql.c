/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "report/json_put.h"
#include "sql.h"
#include "sql_prompt.h"

#ifdef PGW_WITH_SQLITE
#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

#define LINE_MAX_BYTES ((size_t)1 << 20) /* of a statement that is read */

struct query {
	struct sql sql;
	struct out *out;
	bool is_json;
	bool is_over; /* no more is wanted */
	uint64_t nr_rows;
};

/* Where statements come from, if not from the command line. */
enum input { INPUT_FILE, INPUT_TERMINAL, INPUT_EDITED };

/* A name that a statement gives a column is its writer's; only what ends it in JSON has to go. */
static void column_name(sqlite3_stmt *statement, int column, char *ret, size_t size)
{
	snprintf(ret, size, "%s", sqlite3_column_name(statement, column));
	for (char *c = ret; *c; c++) {
		if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '_';
	}
}

static void put_text(struct out *out, sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	if (column)
		out_char(out, '\t');
	if (text)
		out_untrusted(out, text, (size_t)sqlite3_column_bytes(statement, column));
}

static void put_json(struct json *json, sqlite3_stmt *statement, int column)
{
	const char *text;
	char name[128];

	column_name(statement, column, name, sizeof(name));
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		json_int(json, name, sqlite3_column_int64(statement, column));
		break;
	case SQLITE_NULL:
		json_null(json, name);
		break;
	case SQLITE_FLOAT:
		/* As SQLite prints it; infinity is none of JSON's. */
		text = (const char *)sqlite3_column_text(statement, column);
		json_raw(json, name, text && !strpbrk(text, "Ii") ? text : "null");
		break;
	default:
		text = (const char *)sqlite3_column_text(statement, column);
		json_untrusted(json, name, text ? text : "",
			       (size_t)sqlite3_column_bytes(statement, column));
	}
}

static void put_row(struct query *query, sqlite3_stmt *statement)
{
	struct json json = { .out = query->out };
	int nr = sqlite3_column_count(statement);

	query->nr_rows++;
	if (query->is_json)
		json_open(&json, NULL, '{');
	for (int i = 0; i < nr; i++) {
		if (query->is_json)
			put_json(&json, statement, i);
		else
			put_text(query->out, statement, i);
	}
	if (query->is_json)
		json_end(&json);
	else
		out_char(query->out, '\n');
}

static void put_header(const struct query *query, sqlite3_stmt *statement)
{
	char name[128];

	for (int i = 0; i < sqlite3_column_count(statement) && !query->is_json; i++) {
		column_name(statement, i, name, sizeof(name));
		out_str(query->out, i ? "\t" : "");
		out_str(query->out, name);
	}
	if (!query->is_json)
		out_char(query->out, '\n');
}

/* What a table could not give was said, or is said here. */
static int fail(struct query *query, int status)
{
	const struct sql *sql = &query->sql;

	out_flush(query->out);
	if (status == SQLITE_INTERRUPT)
		return TOOL_FINDING;
	if (sql->status == -PGW_ENOENT)
		return TOOL_UNREADABLE;
	if (sql->status)
		return target_fail(sql->target, sql->status);
	message("sql: %s", sqlite3_errmsg(sql->db));
	return TOOL_USAGE;
}

/*
 * What its program asks of rows is in its plan, too; so it is made once more if that is something. Nothing
 * else of the program changes: the plan's costs are the same.
 */
static int prepare(struct query *query, const char *text, sqlite3_stmt **ret, const char **ret_rest)
{
	struct sql *sql = &query->sql;
	int status;

	sql->truth = (struct sql_truth){ 0 };
	status = sqlite3_prepare_v2(sql->db, text, -1, ret, ret_rest);
	if (status != SQLITE_OK || !*ret)
		return status;
	sql->truth = sql_truth_of(sql->db, text, (size_t)(*ret_rest - text));
	if (!sql->truth.on && !sql->truth.off)
		return SQLITE_OK;
	sqlite3_finalize(*ret);
	return sqlite3_prepare_v2(sql->db, text, -1, ret, ret_rest);
}

static int run_statement(struct query *query, const char *text, const char **ret_rest)
{
	sqlite3_stmt *statement = NULL;
	int status = prepare(query, text, &statement, ret_rest);

	if (status != SQLITE_OK)
		return fail(query, status);
	if (!statement) /* a comment, or nothing */
		return TOOL_DONE;
	query->nr_rows = 0;
	query->sql.status = 0;
	query->sql.has_no_tasks = false;
	query->sql.said[0] = '\0';
	put_header(query, statement);
	while ((status = sqlite3_step(statement)) == SQLITE_ROW && !out_failed(query->out))
		put_row(query, statement);
	status = status == SQLITE_DONE || out_failed(query->out) ? TOOL_DONE : fail(query, status);
	sqlite3_finalize(statement);
	return status;
}

/* @return that of the first statement that failed */
static int run_text(struct query *query, const char *text)
{
	int status = TOOL_DONE;

	while (*text && status == TOOL_DONE)
		status = run_statement(query, text, &text);
	return status;
}

/* What is asked of the tables themselves. */
static void put_schema(struct query *query, const struct sql_table *table)
{
	struct json json = { .out = query->out };

	if (query->is_json) {
		json_open(&json, NULL, '{');
		json_str(&json, "table", table->name);
		json_open(&json, "columns", '[');
		for (const struct sql_column *c = table->columns; c->name; c++)
			json_str(&json, NULL, c->name);
		json_close(&json, ']');
		json_end(&json);
		return;
	}
	out_str(query->out, "create table ");
	out_str(query->out, table->name);
	for (const struct sql_column *c = table->columns; c->name; c++) {
		out_str(query->out, c == table->columns ? "(" : ", ");
		out_str(query->out, c->name);
		out_str(query->out, c->type[0] ? " " : "");
		out_str(query->out, c->type);
	}
	out_str(query->out, ");\n");
}

static const char help[] =
	"A statement ends with a semicolon, and may have several lines. Addresses are text:\n"
	"0x and sixteen digits.\n"
	"  .tables         the names of the tables\n"
	"  .schema [TABLE] the columns of all tables, or of one\n"
	"  .help           this\n"
	"  .quit           end, as Ctrl-D does\n";

/* Is it the command, alone or with one word, which *ret_word is then? */
static bool is_dot(const char *text, const char *command, char *ret_word, size_t size)
{
	size_t len = strlen(command), end;

	if (strncmp(text, command, len) != 0 || !strchr(" \t\r\n;", text[len]))
		return false;
	text += len + strspn(text + len, " \t");
	end = strcspn(text, " \t\r\n;");
	if (end >= size || text[end + strspn(text + end, " \t\r\n;")])
		return false;
	memcpy(ret_word, text, end);
	ret_word[end] = '\0';
	return true;
}

/* A line that begins with a dot is none of SQL's. */
static int run_dot(struct query *query, const char *line)
{
	char word[64] = "";
	bool is_found = false;

	if (is_dot(line, ".quit", word, 1) || is_dot(line, ".exit", word, 1)) {
		query->is_over = true;
	} else if (is_dot(line, ".help", word, 1)) {
		out_str(query->out, query->is_json ? "" : help);
	} else if (is_dot(line, ".tables", word, 1)) {
		for (const struct sql_table *table = sql_tables; table->name; table++) {
			if (query->is_json) {
				put_schema(query, table);
				continue;
			}
			out_str(query->out, table->name);
			out_char(query->out, '\n');
		}
	} else if (is_dot(line, ".schema", word, sizeof(word))) {
		for (const struct sql_table *table = sql_tables; table->name; table++) {
			if (word[0] && strcmp(word, table->name) != 0)
				continue;
			is_found = true;
			put_schema(query, table);
		}
		if (!is_found)
			message("sql: no such table: %s", word);
		return is_found ? TOOL_DONE : TOOL_USAGE;
	} else {
		message("sql: only .help, .quit, .schema and .tables are known");
		return TOOL_USAGE;
	}
	return TOOL_DONE;
}

/* The next line, with its newline. @return to be freed; NULL: there is none */
static char *read_line(enum input input, bool is_first)
{
	const char *prompt = is_first ? "pagewalk> " : "     ...> ";
	char *line = NULL;
	size_t size = 0;

	if (input == INPUT_EDITED)
		return sql_prompt_read(prompt);
	if (input == INPUT_TERMINAL)
		fputs(prompt, stderr);
	if (getline(&line, &size, stdin) < 0) {
		free(line);
		return NULL;
	}
	return line;
}

/* A line more of a statement, which is run if it is complete. */
static int run_line(struct query *query, const char *line, char *text, size_t *len)
{
	const size_t got = strlen(line);
	int status;

	if (!*len && line[0] == '.')
		return run_dot(query, line);
	if (got > LINE_MAX_BYTES - *len) {
		message("sql: a statement is longer than 1 MiB");
		query->is_over = true;
		return TOOL_USAGE;
	}
	memcpy(text + *len, line, got + 1);
	*len += got;
	if (!sqlite3_complete(text))
		return TOOL_DONE;
	status = run_text(query, text);
	*len = 0;
	return status;
}

/* Statements come in lines, and end with a semicolon; one that fails is no reason not to go on. */
static int run_lines(struct query *query)
{
	const enum input input = !isatty(STDIN_FILENO) ? INPUT_FILE
				 : sql_prompt_open()   ? INPUT_EDITED
						       : INPUT_TERMINAL;
	char *text = calloc(1, LINE_MAX_BYTES + 1), *line;
	int first = TOOL_DONE;
	size_t len = 0;

	if (input != INPUT_FILE)
		fputs("Statements end with a semicolon; .help says more.\n", stderr);
	while (text && !interrupt_signal() && !out_failed(query->out) && !query->is_over) {
		int status;

		out_flush(query->out);
		line = read_line(input, !len);
		if (!line)
			break;
		status = run_line(query, line, text, &len);
		free(line);
		first = first == TOOL_DONE ? status : first;
	}
	/* A person who ends the input does not want what was not finished. */
	if (text && len && first == TOOL_DONE && input == INPUT_FILE && !query->is_over)
		first = run_text(query, text);
	if (input != INPUT_FILE && !query->is_over)
		fputs("\n", stderr);
	free(text);
	return first;
}

static void summary(struct query *query)
{
	struct json json = { .out = query->out };

	if (!query->is_json)
		return;
	json_open(&json, NULL, '{');
	json_open(&json, "summary", '{');
	json_dec(&json, "rows", query->nr_rows);
	json_dec(&json, "tables", query->sql.nr_tables);
	json_bool(&json, "truncated", query->sql.is_cut);
	json_close(&json, '}');
	json_end(&json);
}

static int sql_report(struct target *target, const struct options *opts, struct out *out, void *arg)
{
	struct query query = { .out = out, .is_json = option_given(opts, OPT_JSON) };
	int status = sql_open(&query.sql, target, opts);

	(void)arg;
	interrupt_catch();
	if (status == TOOL_DONE)
		status = opts->nr_args > 1 && strcmp(opts->args[1], "-") != 0
				 ? opts->args[1][0] == '.' ? run_dot(&query, opts->args[1])
							   : run_text(&query, opts->args[1])
				 : run_lines(&query);
	summary(&query);
	out_flush(out);
	if (query.sql.is_cut)
		message("%s: not all could be looked at: tables are missing or broken in the image, "
			"or a budget ran out",
			target->file);
	if (status == TOOL_DONE && query.sql.is_cut)
		status = TOOL_FINDING;
	sql_close(&query.sql);
	return status;
}

static int sql_run(const struct options *opts)
{
	const struct target_job job = { .holding = HOLD_IF_LIVE, .report = sql_report };

	return target_run(opts, &job);
}

#else

static int sql_run(const struct options *opts)
{
	(void)opts;
	message("sql: the SQLite library (libsqlite3) is not in this build");
	return TOOL_UNREADABLE;
}

#endif

const struct command cmd_sql = {
	.name = "sql",
	.args = "IMAGE [STATEMENT]",
	.summary = "ask an image by SQL",
	.description =
		"Runs STATEMENT, in SQLite's language, or the statements of standard input, over\n"
		"tables that are made of IMAGE while they are asked: roots, ranges, leaves,\n"
		"tables (page tables), processes, vmas, symbols, devices, findings. Addresses are\n"
		"text, 0x and sixteen digits, and in order as they are. Nothing but reading is\n"
		"allowed. The STATEMENT .schema lists the tables' columns; at a terminal, lines\n"
		"can be changed and completed.\n",
	.examples =
		"  pagewalk sql vmcore 'select * from roots'\n"
		"  pagewalk sql vmcore \"select first from ranges where kernel_w and kernel_x\"\n"
		"  pagewalk sql vmcore \"select p.pid, p.name, sum(r.bytes) from processes p\n"
		"      join ranges r on r.root = p.root where r.region = 'user' group by p.pid\"\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_BUDGET) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 2,
	.run = sql_run,
};
