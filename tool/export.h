/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_EXPORT_H
#define TOOL_EXPORT_H

/*
 * The tables of an image as files for other programs. A format writes the rows of one table after another; all
 * but SQLite's, whose file has all tables, are given a file for each part of a table.
 *
 * Text from the image goes through export_text(), whatever the format: no byte of it ends a value, turns text
 * round or is read as another character.
 */

#include "sql.h"

/** The column that stands before a table's own. */
#define EXPORT_MACHINE "machine"

struct export_format;

/** The longest name of a machine, and what a row of lines begins with then: five bytes for each, and a key. */
#define EXPORT_MAX_MACHINE 255
#define EXPORT_ROW (5 * EXPORT_MAX_MACHINE + 32)

/** What stands before a value in a line. */
struct export_before {
	char text[OUT_COPY];
	size_t len;
};

struct export
{
	struct sql sql;
	const struct options *opts;
	const struct export_format *format;
	const char *path; /**< what is written, as the user has it, for messages */
	char *machine;    /**< whose image it is, after export_text() */
	size_t machine_len;
	struct sql_value values[SQL_MAX_COLUMNS];
	unsigned nr_columns;
	/* Room that export_text() fills. */
	char *text;
	size_t text_size;
	/* Of formats that are lines. */
	struct out out;
	struct export_before before[SQL_MAX_COLUMNS];
	char row[EXPORT_ROW];
	size_t row_len;
	void *state; /**< the format's */
};

/** Functions have written their message if they return false. */
struct export_format {
	const char *name; /**< of --format, and what files' names end with */
	bool is_one_file;
	/** Load what it needs; with is_one_file, begin the file with this path. May be NULL. */
	bool (*open)(struct export *export, const char *path);
	/** Begin a part of a table. @param fd of its file, which stays the caller's; -1 with is_one_file */
	bool (*begin)(struct export *export, const struct sql_table *table, int fd);
	/** A row of it: the export's values, of its first nr_columns columns. */
	bool (*row)(struct export *export);
	/** All of the part is written. Also after a failure. */
	bool (*end)(struct export *export);
	/**
	 * Also if open() failed. May be NULL.
	 * @param is_wanted false: it is thrown away; else the file, with is_one_file, is whole after it
	 */
	bool (*close)(struct export *export, bool is_wanted);
};

extern const struct export_format export_csv, export_jsonl, export_avro, export_sqlite;

/**
 * Text from anywhere as UTF-8: bytes that are none, controls, what turns the direction of text or is
 * invisible, and the backslash come out as \xNN a byte.
 * @return it, until the next call; NULL after a message: there is no memory
 */
const char *export_text(struct export *export, const char *text, size_t *ret_len);

#endif
