/* SPDX-License-Identifier: BSD-2-Clause */
#include "sql.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#ifdef PGW_WITH_SQLITE
/* With it the functions of SQLite are those of a library that is loaded when it is needed. */
#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT1

/* ---- the library ---- */

static int take_functions(sqlite3 *db, char **err, const sqlite3_api_routines *api)
{
	(void)db;
	(void)err;
	SQLITE_EXTENSION_INIT2(api);
	return SQLITE_OK;
}

/* Its functions come by the way that extensions have: a database that is opened hands them over. */
bool sql_library_open(const char *path, sqlite3 **ret)
{
	int (*open)(const char *name, sqlite3 **db, int flags, const char *vfs) = NULL;
	int (*extend)(void (*entry)(void)) = NULL;
	void *library = dlopen(PGW_WITH_SQLITE, RTLD_NOW | RTLD_LOCAL), *symbol;

	symbol = library ? dlsym(library, "sqlite3_open_v2") : NULL;
	memcpy(&open, &symbol, sizeof(symbol));
	symbol = library ? dlsym(library, "sqlite3_auto_extension") : NULL;
	memcpy(&extend, &symbol, sizeof(symbol));
	return open && extend && extend((void (*)(void))take_functions) == SQLITE_OK &&
	       open(path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) ==
		       SQLITE_OK &&
	       sqlite3_api;
}

/* ---- constraints ---- */

struct vtab {
	sqlite3_vtab base;
	struct sql *sql;
	const struct sql_table *table;
};

/*
 * How a plan has them: "root=,first>=,(pa=),kernel_w" between best_index and filter, and for who has it
 * explained. Those in brackets are compared here, and narrow nothing. Behind those that compare come columns
 * that stand alone, of which SQLite tells a table nothing (sql_truth.c). No column is NULL that is not an
 * address, so IS is as =.
 */
static const struct {
	int op;
	const char *text;
} ops[] = {
	{ SQLITE_INDEX_CONSTRAINT_EQ, "=" },  { SQLITE_INDEX_CONSTRAINT_GE, ">=" },
	{ SQLITE_INDEX_CONSTRAINT_GT, ">" },  { SQLITE_INDEX_CONSTRAINT_LE, "<=" },
	{ SQLITE_INDEX_CONSTRAINT_LT, "<" },  { SQLITE_INDEX_CONSTRAINT_NE, "!=" },
	{ SQLITE_INDEX_CONSTRAINT_IS, "=" },  { SQLITE_INDEX_CONSTRAINT_ISNOT, "!=" },
};

static const char *op_text(int op)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (ops[i].op == op)
			return ops[i].text;
	}
	return "?";
}

#define OP_LETTERS "!=<>"

/* The next constraint of a plan. */
static const char *plan_next(const char *plan, const struct sql_table *table,
			     const struct sql_column **ret_column, int *ret_op)
{
	size_t name, op;

	plan += *plan == '(';
	name = strcspn(plan, OP_LETTERS);
	op = strspn(plan + name, OP_LETTERS);
	*ret_column = table->columns;
	while ((*ret_column)->name && (strlen((*ret_column)->name) != name ||
				       strncmp((*ret_column)->name, plan, name) != 0))
		++*ret_column;
	for (size_t i = sizeof(ops) / sizeof(ops[0]); i-- > 0;) {
		if (strlen(ops[i].text) == op && strncmp(ops[i].text, plan + name, op) == 0)
			*ret_op = ops[i].op;
	}
	return plan + name + op + strspn(plan + name + op, "),");
}

static bool narrows(const struct sql_column *column, int op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
		return column->limit != SQL_LIMIT_NONE;
	case SQLITE_INDEX_CONSTRAINT_LE:
	case SQLITE_INDEX_CONSTRAINT_LT:
		return column->limit != SQL_LIMIT_NONE;
	case SQLITE_INDEX_CONSTRAINT_GE:
	case SQLITE_INDEX_CONSTRAINT_GT:
		return column->limit != SQL_LIMIT_NONE && column->limit != SQL_LIMIT_LAST;
	case SQLITE_INDEX_CONSTRAINT_IS:
		return column->limit != SQL_LIMIT_NONE && !sql_is_address(column);
	case SQLITE_INDEX_CONSTRAINT_NE:
	case SQLITE_INDEX_CONSTRAINT_ISNOT:
		return column->limit == SQL_LIMIT_RIGHT;
	default:
		return false;
	}
}

/* Addresses are compared here alone, in ways that are of an order: SQLite has them as text. */
static bool is_compared(const struct sql_column *column, int op)
{
	return sql_is_address(column) &&
	       (op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_GE ||
		op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_LE ||
		op == SQLITE_INDEX_CONSTRAINT_LT);
}

/* Columns that narrow by being true or false. */
static void plan_truths(const struct vtab *vtab, sqlite3_str *plan)
{
	const struct sql_truth *truth = &vtab->sql->truth;
	const struct sql_column *columns = vtab->table->columns;

	for (unsigned i = 0; columns[i].name; i++) {
		if (columns[i].limit != SQL_LIMIT_RIGHT || !((truth->on | truth->off) >> i & 1))
			continue;
		sqlite3_str_appendf(plan, "%s%s%s", sqlite3_str_length(plan) ? "," : "",
				    truth->off >> i & 1 ? "not " : "", columns[i].name);
	}
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	const struct vtab *vtab = (struct vtab *)base;
	double cost = 1e9;
	int nr = 0;
	sqlite3_str *plan = sqlite3_str_new(vtab->sql->db);

	for (int i = 0; i < info->nConstraint; i++) {
		const int op = info->aConstraint[i].op;
		const struct sql_column *column;
		bool is_narrow;

		if (!info->aConstraint[i].usable || info->aConstraint[i].iColumn < 0)
			continue;
		column = &vtab->table->columns[info->aConstraint[i].iColumn];
		is_narrow = narrows(column, op);
		if (!is_narrow && !is_compared(column, op))
			continue;
		info->aConstraintUsage[i].argvIndex = ++nr;
		info->aConstraintUsage[i].omit = sql_is_address(column);
		sqlite3_str_appendf(plan, "%s%s%s%s%s", nr > 1 ? "," : "", is_narrow ? "" : "(",
				    column->name, op_text(op), is_narrow ? "" : ")");
		cost /= !is_narrow ? 2 : op == SQLITE_INDEX_CONSTRAINT_EQ ? 100 : 10;
	}
	plan_truths(vtab, plan);
	info->idxNum = nr;
	info->idxStr = sqlite3_str_finish(plan);
	info->needToFreeIdxStr = 1;
	info->estimatedCost = cost;
	return SQLITE_OK;
}

/* A number, or of an address text. @return false: neither, which no address is equal to */
static bool number_of(const struct sql_column *column, sqlite3_value *value, uint64_t *ret)
{
	const char *text;

	if (sqlite3_value_type(value) == SQLITE_INTEGER) {
		*ret = (uint64_t)sqlite3_value_int64(value);
		return sql_is_address(column) || sqlite3_value_int64(value) >= 0;
	}
	if (!sql_is_address(column))
		return false;
	text = (const char *)sqlite3_value_text(value);
	return sqlite3_value_type(value) == SQLITE_TEXT && text && parse_hex(text, ret);
}

static void narrow(uint64_t *first, uint64_t *last, int op, uint64_t value)
{
	bool is_upper = op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT ||
			op == SQLITE_INDEX_CONSTRAINT_EQ;
	bool is_lower = op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT ||
			op == SQLITE_INDEX_CONSTRAINT_EQ;

	if ((op == SQLITE_INDEX_CONSTRAINT_GT && value++ == UINT64_MAX) ||
	    (op == SQLITE_INDEX_CONSTRAINT_LT && value-- == 0)) {
		*first = UINT64_MAX;
		*last = 0;
		return;
	}
	if (is_lower && value > *first)
		*first = value;
	if (is_upper && value < *last)
		*last = value;
}

/* A right is 0 or 1; where it can be neither, nothing has it and has it not. */
static void right_take(struct sql_limits *limits, uint8_t right, int op, uint64_t value)
{
	uint64_t first = 0, last = 1;

	if (op != SQLITE_INDEX_CONSTRAINT_NE)
		narrow(&first, &last, op, value);
	else if (value == 0)
		first = 1;
	else if (value == 1)
		last = 0;
	limits->rights_on |= first > 0 ? right : 0;
	limits->rights_off |= last < 1 ? right : 0;
}

static void limits_take(struct sql_limits *limits, const struct sql_column *column, int op,
			uint64_t value)
{
	uint64_t none = 0;

	switch (column->limit) {
	case SQL_LIMIT_ROOT:
		narrow(&limits->root_first, &limits->root_last, op, value);
		break;
	case SQL_LIMIT_FIRST:
	case SQL_LIMIT_END:
		narrow(&limits->va_first, &limits->va_last, op, value);
		break;
	case SQL_LIMIT_LAST:
		narrow(&none, &limits->va_last, op, value);
		break;
	case SQL_LIMIT_LEVEL:
		narrow(&limits->level_first, &limits->level_last, op, value);
		break;
	case SQL_LIMIT_PID:
		narrow(&limits->pid_first, &limits->pid_last, op, value);
		break;
	case SQL_LIMIT_RIGHT:
		right_take(limits, column->right, op, value);
		break;
	case SQL_LIMIT_NONE:
	default:
		break;
	}
}

static void truths_take(struct sql_cursor *cursor)
{
	const struct sql_truth *truth = &cursor->sql->truth;
	const struct sql_column *columns = cursor->table->columns;

	for (unsigned i = 0; columns[i].name; i++) {
		if (columns[i].limit != SQL_LIMIT_RIGHT)
			continue;
		cursor->limits.rights_on |= truth->on >> i & 1 ? columns[i].right : 0;
		cursor->limits.rights_off |= truth->off >> i & 1 ? columns[i].right : 0;
	}
}

/* ---- a cursor ---- */

struct vtab_cursor {
	sqlite3_vtab_cursor base;
	struct sql_cursor rows;
};

static struct sql_cursor *rows_of(sqlite3_vtab_cursor *base)
{
	return &((struct vtab_cursor *)base)->rows;
}

/* What a step of a cursor returned. @return of SQLite */
static int status_of(const struct sql_cursor *cursor, int status)
{
	if (!status)
		return SQLITE_OK;
	cursor->sql->status = status;
	return status > 0 ? SQLITE_INTERRUPT : status == -PGW_ENOMEM ? SQLITE_NOMEM : SQLITE_ERROR;
}

static int cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
	const struct vtab *vtab = (struct vtab *)base;
	struct vtab_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return SQLITE_NOMEM;
	cursor->rows.sql = vtab->sql;
	cursor->rows.table = vtab->table;
	*ret = &cursor->base;
	return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *base)
{
	sql_cursor_close(rows_of(base));
	free((struct vtab_cursor *)base);
	return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int nr, const char *plan, int argc,
		  sqlite3_value **argv)
{
	struct sql_cursor *cursor = rows_of(base);

	(void)nr;
	sql_cursor_begin(cursor);
	cursor->has_limits = argc > 0;
	truths_take(cursor);
	for (int i = 0; i < argc; i++) {
		const struct sql_column *column;
		uint64_t value;
		int op = 0;

		plan = plan_next(plan, cursor->table, &column, &op);
		if (!number_of(column, argv[i], &value)) {
			cursor->is_end |= sql_is_address(column);
			continue;
		}
		limits_take(&cursor->limits, column, op, value);
		if (sql_is_address(column))
			narrow(&cursor->asked[column - cursor->table->columns].first,
			       &cursor->asked[column - cursor->table->columns].last, op, value);
	}
	return status_of(cursor, sql_cursor_fill(cursor));
}

static int next(sqlite3_vtab_cursor *base)
{
	struct sql_cursor *cursor = rows_of(base);

	return status_of(cursor, sql_cursor_next(cursor));
}

static int eof(sqlite3_vtab_cursor *base)
{
	return sql_cursor_at_end(rows_of(base));
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int index)
{
	struct sql_cursor *cursor = rows_of(base);
	struct sql_value value = { 0 };

	cursor->table->value(cursor, sql_cursor_item(cursor), (unsigned)index, &value);
	if (value.kind == SQL_HEX) {
		snprintf(cursor->text, sizeof(cursor->text), "0x%016llx",
			 (unsigned long long)value.number);
		sqlite3_result_text(context, cursor->text, -1, SQLITE_TRANSIENT);
	} else if (value.kind == SQL_INT) {
		sqlite3_result_int64(context, (sqlite3_int64)value.number);
	} else if (value.kind == SQL_TEXT && value.text) {
		sqlite3_result_text(context, value.text, -1, SQLITE_TRANSIENT);
	}
	return SQLITE_OK;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)rows_of(base)->rowid;
	return SQLITE_OK;
}

/* ---- a table ---- */

struct binding {
	struct sql *sql;
	const struct sql_table *table;
};

static int declare(sqlite3 *db, const struct sql_table *table)
{
	sqlite3_str *text = sqlite3_str_new(db);
	char *sql;
	int status;

	sqlite3_str_appendall(text, "create table x(");
	for (const struct sql_column *c = table->columns; c->name; c++)
		sqlite3_str_appendf(text, "%s\"%w\" %s", c == table->columns ? "" : ", ", c->name,
				    c->type);
	sqlite3_str_appendall(text, ")");
	sql = sqlite3_str_finish(text);
	if (!sql)
		return SQLITE_NOMEM;
	status = sqlite3_declare_vtab(db, sql);
	sqlite3_free(sql);
	return status;
}

static int connect(sqlite3 *db, void *arg, int argc, const char *const *argv, sqlite3_vtab **ret,
		   char **err)
{
	const struct binding *binding = arg;
	struct vtab *vtab = calloc(1, sizeof(*vtab));
	int status = vtab ? declare(db, binding->table) : SQLITE_NOMEM;

	(void)argc;
	(void)argv;
	(void)err;
	if (status != SQLITE_OK) {
		free(vtab);
		return status;
	}
	vtab->sql = binding->sql;
	vtab->table = binding->table;
	*ret = &vtab->base;
	return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *base)
{
	free((struct vtab *)base);
	return SQLITE_OK;
}

/* Without xCreate: the tables are there, and no others can be made of them. */
static const sqlite3_module module = {
	.iVersion = 1,
	.xConnect = connect,
	.xBestIndex = best_index,
	.xDisconnect = disconnect,
	.xOpen = cursor_open,
	.xClose = cursor_close,
	.xFilter = filter,
	.xNext = next,
	.xEof = eof,
	.xColumn = column,
	.xRowid = rowid,
};

/* ---- the database ---- */

/* Statements read: no file is opened by one, and no table is made. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
		     const char *d)
{
	(void)arg;
	(void)a;
	(void)c;
	(void)d;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return b && strcmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

static int stop_if_asked(void *arg)
{
	(void)arg;
	return interrupt_signal() != 0;
}

/* Its columns are declared by a statement that makes a table, which is not allowed any more after this. */
static bool table_connect(struct sql *sql, const struct sql_table *table)
{
	char *text = sqlite3_mprintf("select * from %s limit 0", table->name);
	sqlite3_stmt *statement = NULL;
	bool is_done;

	is_done = text && sqlite3_prepare_v2(sql->db, text, -1, &statement, NULL) == SQLITE_OK;
	sqlite3_finalize(statement);
	sqlite3_free(text);
	return is_done;
}

int sql_open(struct sql *sql, struct target *target, const struct options *opts)
{
	*sql = (struct sql){ .target = target, .opts = opts };
	if (!sql_library_open(":memory:", &sql->db)) {
		message("sql: the SQLite library (libsqlite3) is not there, or not in this build");
		return TOOL_UNREADABLE;
	}
	for (const struct sql_table *table = sql_tables; table->name; table++) {
		struct binding *binding = malloc(sizeof(*binding));

		if (!binding) {
			message("%s", pgw_status_text(-PGW_ENOMEM));
			return TOOL_UNREADABLE;
		}
		*binding = (struct binding){ sql, table };
		if (sqlite3_create_module_v2(sql->db, table->name, &module, binding, free) !=
			    SQLITE_OK ||
		    !table_connect(sql, table)) {
			message("sql: %s", sqlite3_errmsg(sql->db));
			return TOOL_UNREADABLE;
		}
	}
	/* What is sorted stays in memory: files cannot be made any more. */
	sqlite3_exec(sql->db, "pragma temp_store = memory", NULL, NULL, NULL);
	sqlite3_set_authorizer(sql->db, authorize, NULL);
	sqlite3_progress_handler(sql->db, 10000, stop_if_asked, NULL);
	return TOOL_DONE;
}

void sql_close(struct sql *sql)
{
	if (sql->db && sqlite3_api)
		sqlite3_close_v2(sql->db);
	sql_tables_close(sql);
}
#endif
