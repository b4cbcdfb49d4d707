/* SPDX-License-Identifier: BSD-2-Clause */
#include "export.h"

#include <stdlib.h>

#ifdef PGW_WITH_SQLITE
#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

struct state {
	sqlite3 *db;
	sqlite3_stmt *insert;
};

static bool sqlite_failed(const struct export *export)
{
	const struct state *state = export->state;

	message("%s: %s", export->path, sqlite3_errmsg(state->db));
	return false;
}

static bool run(const struct export *export, const char *sql)
{
	const struct state *state = export->state;

	return sqlite3_exec(state->db, sql, NULL, NULL, NULL) == SQLITE_OK || sqlite_failed(export);
}

/* One transaction of a file that nobody knows yet: if it fails, so does the file, and no journal is needed. */
static bool sqlite_open(struct export *export, const char *path)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return false;
	}
	export->state = state;
	if (!sql_library_open(path, &state->db)) {
		if (state->db && sqlite3_api)
			return sqlite_failed(export);
		message("export: the SQLite library (libsqlite3) is not there, or not in this "
			"build");
		return false;
	}
	return run(export, "pragma journal_mode = off; pragma synchronous = off;"
			   "pragma locking_mode = exclusive; pragma temp_store = memory; begin");
}

/* "create table "roots" ("machine" TEXT not null, ...)", or "insert into "roots" values (?, ...)" */
static char *statement(sqlite3 *db, const struct sql_table *table, bool is_insert)
{
	sqlite3_str *text = sqlite3_str_new(db);

	sqlite3_str_appendf(text,
			    is_insert ? "insert into \"%w\" values (?"
				      : "create table \"%w\" (\"" EXPORT_MACHINE "\" TEXT not null",
			    table->name);
	for (const struct sql_column *column = table->columns; column->name; column++) {
		if (is_insert)
			sqlite3_str_appendall(text, ", ?");
		else
			sqlite3_str_appendf(text, ", \"%w\" %s", column->name,
					    column->type[0] ? column->type : "TEXT");
	}
	sqlite3_str_appendall(text, ")");
	return sqlite3_str_finish(text);
}

static bool sqlite_begin(struct export *export, const struct sql_table *table, int fd)
{
	struct state *state = export->state;
	char *create = statement(state->db, table, false),
	     *insert = statement(state->db, table, true);
	bool is_done = create && insert && run(export, create);

	(void)fd;
	if (!create || !insert)
		message("%s", pgw_status_text(-PGW_ENOMEM));
	if (is_done && sqlite3_prepare_v2(state->db, insert, -1, &state->insert, NULL) != SQLITE_OK)
		is_done = sqlite_failed(export);
	sqlite3_free(create);
	sqlite3_free(insert);
	/* It is the same in all rows. */
	if (is_done && sqlite3_bind_text(state->insert, 1, export->machine,
					 (int)export->machine_len, SQLITE_STATIC) != SQLITE_OK)
		is_done = sqlite_failed(export);
	return is_done;
}

static int bind(struct export *export, int at, const struct sql_value *value)
{
	const struct state *state = export->state;
	char hex[OUT_HEX];
	const char *text;
	size_t len;

	if (value->kind == SQL_HEX) {
		out_hex_at(hex, value->number);
		return sqlite3_bind_text(state->insert, at, hex, sizeof(hex), SQLITE_TRANSIENT);
	}
	if (value->kind == SQL_INT)
		return sqlite3_bind_int64(state->insert, at, (sqlite3_int64)value->number);
	if (!value->text)
		return sqlite3_bind_null(state->insert, at);
	text = export_text(export, value->text, &len);
	return text ? sqlite3_bind_text(state->insert, at, text, (int)len, SQLITE_TRANSIENT)
		    : SQLITE_NOMEM;
}

static bool sqlite_row(struct export *export)
{
	struct state *state = export->state;

	for (unsigned i = 0; i < export->nr_columns; i++) {
		if (bind(export, (int)i + 2, &export->values[i]) != SQLITE_OK)
			return sqlite_failed(export);
	}
	if (sqlite3_step(state->insert) != SQLITE_DONE)
		return sqlite_failed(export);
	return sqlite3_reset(state->insert) == SQLITE_OK || sqlite_failed(export);
}

static bool sqlite_end(struct export *export)
{
	struct state *state = export->state;

	sqlite3_finalize(state->insert);
	state->insert = NULL;
	return true;
}

static bool sqlite_close(struct export *export, bool is_wanted)
{
	struct state *state = export->state;
	bool is_whole = true;

	if (is_wanted)
		is_whole = run(export, "commit");
	if (state && state->db && sqlite3_api)
		sqlite3_close_v2(state->db);
	free(state);
	export->state = NULL;
	return is_whole;
}

#else

static bool sqlite_open(struct export *export, const char *path)
{
	(void)export;
	(void)path;
	message("export: the SQLite library (libsqlite3) is not in this build");
	return false;
}

#define sqlite_begin NULL
#define sqlite_row NULL
#define sqlite_close NULL
#define sqlite_end NULL

#endif

const struct export_format export_sqlite = {
	.name = "sqlite",
	.is_one_file = true,
	.open = sqlite_open,
	.begin = sqlite_begin,
	.row = sqlite_row,
	.end = sqlite_end,
	.close = sqlite_close,
};
