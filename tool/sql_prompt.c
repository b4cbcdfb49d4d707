/* SPDX-License-Identifier: BSD-2-Clause */
#include "sql_prompt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "sql.h"

/* Where a word begins that is to be completed: after one of these. */
#define WORD_BREAKS " \t\n\"'`(),;=<>!|&+-*/%"

typedef char *entry_fn(const char *text, int state);
typedef char **attempt_fn(const char *text, int start, int end);

/* What libedit has of readline. */
static struct {
	char *(*readline)(const char *prompt);
	int (*add_history)(const char *line);
	char **(*completion_matches)(const char *text, entry_fn *fn);
	int *attempted_completion_over;
} edit;

static const char *const words[] = {
	"and",	   "as",     "asc",   "between", "by",	   "case",   "count(", "cross",	 "desc",
	"distinct", "else",  "end",   "exists",	 "explain", "from",  "glob",   "group",	 "having",
	"in",	   "is",     "join",  "left",	 "like",   "limit",  "max(",   "min(",	 "not",
	"null",	   "offset", "on",    "or",	 "order",  "query plan", "select", "sum(", "then",
	"union",   "values", "when",  "where",	 "with",   ".help",  ".quit",  ".schema", ".tables",
};

/* A column that an earlier table has, too. */
static bool is_known(const struct sql_table *of, const char *column)
{
	for (const struct sql_table *table = sql_tables; table < of; table++) {
		for (const struct sql_column *c = table->columns; c->name; c++) {
			if (strcmp(c->name, column) == 0)
				return true;
		}
	}
	return false;
}

/* The names that a word may become, one by one. @return NULL: there are no more */
static const char *name_at(size_t index)
{
	const size_t nr_words = sizeof(words) / sizeof(words[0]);

	if (index < nr_words)
		return words[index];
	index -= nr_words;
	for (const struct sql_table *table = sql_tables; table->name; table++) {
		if (!index--)
			return table->name;
		for (const struct sql_column *c = table->columns; c->name; c++) {
			if (!is_known(table, c->name) && !index--)
				return c->name;
		}
	}
	return NULL;
}

/* After a dot that is not the first, "r.fi": what follows it is a column. */
static char *complete(const char *text, int state)
{
	static size_t next;
	const char *dot = strrchr(text, '.'), *name;
	size_t before = dot && dot > text ? (size_t)(dot - text) + 1 : 0;
	char *full;

	if (!state)
		next = 0;
	while ((name = name_at(next++))) {
		if (strncasecmp(name, text + before, strlen(text + before)) != 0)
			continue;
		full = malloc(before + strlen(name) + 1);
		if (!full)
			return NULL;
		memcpy(full, text, before);
		strcpy(full + before, name);
		return full;
	}
	return NULL;
}

/* Never names of files. */
static char **attempt(const char *text, int start, int end)
{
	(void)start;
	(void)end;
	*edit.attempted_completion_over = 1;
	return edit.completion_matches(text, complete);
}

/* A signal ends the line: libedit would read on. */
static int get_byte(FILE *file)
{
	unsigned char byte;

	return read(fileno(file), &byte, 1) == 1 ? byte : EOF;
}

#ifdef PGW_WITH_LIBEDIT
static bool take(void *library, const char *name, void *ret)
{
	void *symbol = dlsym(library, name);

	memcpy(ret, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static bool library_open(void)
{
	void *library = dlopen(PGW_WITH_LIBEDIT, RTLD_NOW | RTLD_LOCAL);
	attempt_fn **attempted_completion_function;
	int (**getc_function)(FILE *file);
	const char **breaks;
	FILE **outstream;
	int *catch_signals;

	if (!library || !take(library, "readline", &edit.readline) ||
	    !take(library, "add_history", &edit.add_history) ||
	    !take(library, "rl_completion_matches", &edit.completion_matches) ||
	    !take(library, "rl_attempted_completion_over", &edit.attempted_completion_over) ||
	    !take(library, "rl_attempted_completion_function", &attempted_completion_function) ||
	    !take(library, "rl_basic_word_break_characters", &breaks) ||
	    !take(library, "rl_outstream", &outstream) ||
	    !take(library, "rl_getc_function", &getc_function) ||
	    !take(library, "rl_catch_signals", &catch_signals))
		return false;
	*attempted_completion_function = attempt;
	*breaks = WORD_BREAKS;
	*outstream = stderr;
	*getc_function = get_byte;
	*catch_signals = 0;
	return true;
}
#else
static bool library_open(void)
{
	(void)attempt;
	(void)get_byte;
	return false;
}
#endif

bool sql_prompt_open(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && library_open();
}

char *sql_prompt_read(const char *prompt)
{
	char *line = edit.readline(prompt), *grown;
	size_t len;

	if (!line)
		return NULL;
	len = strlen(line);
	if (len)
		edit.add_history(line);
	grown = realloc(line, len + 2);
	if (!grown) {
		free(line);
		return NULL;
	}
	strcpy(grown + len, "\n");
	return grown;
}
