/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <strings.h>

#include "sql.h"

#ifdef PGW_WITH_SQLITE
/* With it the functions of SQLite are those of a library that is loaded when it is needed. */
#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

/*
 * SQLite hands a table the constraints of a query that compare a column with something, and not those that
 * are a column: "where kernel_w and not kernel_x". But the program that it makes of a statement says what
 * happens to a row (sqlite.org/opcode.html):
 *
 *	VFilter  cursor  end
 *	VColumn  cursor  column  register	the loop begins
 *	IfNot    register  next			as often as there are such constraints; or If
 *	...
 *	VNext    cursor  loop			next
 *
 * A row of which the column is 0 goes on to the next one before anything else is done with it, so it
 * need not be there. What looks different from that is not narrowed.
 */

enum opcode { OP_OTHER, OP_FILTER, OP_COLUMN, OP_IF, OP_IF_NOT, OP_NEXT };

static enum opcode opcode_of(const char *name)
{
	static const char *const names[] = {
		[OP_FILTER] = "VFilter", [OP_COLUMN] = "VColumn", [OP_IF] = "If",
		[OP_IF_NOT] = "IfNot",	 [OP_NEXT] = "VNext",
	};

	for (enum opcode op = OP_FILTER; op <= OP_NEXT; op++) {
		if (name && strcmp(name, names[op]) == 0)
			return op;
	}
	return OP_OTHER;
}

/* Where in the program it is. */
struct loop {
	bool is_in_tests; /* what came since VFilter are tests alone */
	bool has_column;  /* a test's first half */
	int first;        /* address of the first test */
	int cursor, reg, column;
	int next; /* where all tests go on; 0: none does */
	struct sql_truth truth;
	int nr_filters;
	bool is_closed; /* VNext is there, and of this loop */
};

static void loop_test(struct loop *loop, enum opcode op, const int *p)
{
	if (op == OP_COLUMN && p[1] == loop->cursor && !loop->has_column && p[2] < 32) {
		loop->has_column = true;
		loop->column = p[2];
		loop->reg = p[3];
	} else if ((op == OP_IF || op == OP_IF_NOT) && loop->has_column && p[1] == loop->reg &&
		   (!loop->next || loop->next == p[2])) {
		loop->has_column = false;
		loop->next = p[2];
		*(op == OP_IF ? &loop->truth.off : &loop->truth.on) |= UINT32_C(1) << loop->column;
	} else {
		loop->is_in_tests = false;
	}
}

/* @param p the address, and P1 to P3 */
static void loop_opcode(struct loop *loop, enum opcode op, const int *p)
{
	if (op == OP_FILTER) {
		loop->nr_filters++;
		loop->is_in_tests = true;
		loop->cursor = p[1];
		loop->first = p[0] + 1;
	} else if (loop->is_in_tests) {
		loop_test(loop, op, p);
	}
	if (op == OP_NEXT)
		loop->is_closed = p[1] == loop->cursor && p[0] == loop->next && p[2] == loop->first;
}

/* Behind blanks and comments. */
static const char *skip_blank(const char *at)
{
	for (;;) {
		const char *end;

		at += strspn(at, " \t\n\f\r");
		if (strncmp(at, "--", 2) == 0)
			at += strcspn(at, "\n");
		else if (strncmp(at, "/*", 2) == 0 && (end = strstr(at + 2, "*/")))
			at = end + 2;
		else
			return at;
	}
}

/* Behind a word that may be there. */
static const char *skip_word(const char *at, const char *word)
{
	const size_t len = strlen(word);

	return strncasecmp(at, word, len) == 0 ? skip_blank(at + len) : at;
}

/* A statement that is explained is the one whose program is meant. */
static const char *without_explain(const char *statement)
{
	const char *begin = skip_blank(statement), *at = skip_word(begin, "explain");

	return at == begin ? begin : skip_word(skip_word(at, "query"), "plan");
}

struct sql_truth sql_truth_of(struct sqlite3 *db, const char *statement, size_t len)
{
	const char *explained = without_explain(statement);
	struct loop loop = { 0 };
	sqlite3_stmt *program = NULL;
	char *text;

	if (explained > statement + len)
		return loop.truth;
	text = sqlite3_mprintf("explain %.*s", (int)(statement + len - explained), explained);

	if (!text || sqlite3_prepare_v2(db, text, -1, &program, NULL) != SQLITE_OK)
		program = NULL;
	sqlite3_free(text);
	while (program && sqlite3_step(program) == SQLITE_ROW) {
		const int p[] = { sqlite3_column_int(program, 0), sqlite3_column_int(program, 2),
				  sqlite3_column_int(program, 3), sqlite3_column_int(program, 4) };

		loop_opcode(&loop, opcode_of((const char *)sqlite3_column_text(program, 1)), p);
	}
	sqlite3_finalize(program);
	/* Of several loops nothing tells which table's is which. */
	if (loop.nr_filters != 1 || !loop.is_closed)
		return (struct sql_truth){ 0 };
	return loop.truth;
}
#endif
