/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_SQL_H
#define TOOL_SQL_H

/*
 * An image as tables. Their rows are made while somebody asks for them: a table fills a cursor with some rows
 * at a time, within limits. Tables of SQLite are made of them (sql.c), where the limits are what a query's
 * constraints come to, and files (export.h).
 *
 * Addresses are text of sixteen digits after 0x, which is in order as they are; a number of SQLite's has a
 * sign, and the kernel's half would come before the user's. Where a constraint is on an address, a number
 * is taken for one, too.
 */

#include "target.h"

enum sql_kind {
	SQL_NULL,
	SQL_INT,  /**< number, which has no sign */
	SQL_HEX,  /**< number, an address */
	SQL_TEXT, /**< text, which lasts as long as the item; NULL: as SQL_NULL. May be any bytes */
};

struct sql_value {
	enum sql_kind kind;
	uint64_t number;
	const char *text;
};

/** What a column's constraints narrow. */
enum sql_limit {
	SQL_LIMIT_NONE,
	SQL_LIMIT_ROOT,
	SQL_LIMIT_FIRST, /**< addresses: of the first of an item */
	SQL_LIMIT_LAST,  /**< of the last of one: only what it is at most narrows */
	SQL_LIMIT_END,   /**< of the last of one that is met by any of its addresses */
	SQL_LIMIT_LEVEL,
	SQL_LIMIT_PID,
	SQL_LIMIT_RIGHT, /**< 0 or 1; the right is the column's */
};

struct sql_column {
	const char *name;
	const char *type; /**< of SQL; "": none, for addresses */
	enum sql_limit limit;
	uint8_t right; /**< enum pgw_right */
};

/** What is asked for: items outside of it may be left out, and need not. Ends are inclusive. */
struct sql_limits {
	uint64_t root_first, root_last;
	uint64_t va_first, va_last;
	uint64_t level_first, level_last;
	uint64_t pid_first, pid_last;
	uint8_t rights_on, rights_off;
};

struct sql;

#define SQL_MAX_COLUMNS 20

struct sql_cursor {
	struct sql *sql;
	const struct sql_table *table;
	struct sql_limits limits;
	/** Of columns of addresses: what is asked for; SQLite, to which they are text, does not compare them. */
	struct {
		uint64_t first, last;
	} asked[SQL_MAX_COLUMNS];
	bool has_limits;
	/* Items that are there now; the table's kind. */
	void *items;
	size_t nr, at, capacity;
	uint64_t rowid;
	bool is_end; /**< nothing comes after these */
	const struct pgw_root_info *roots; /**< of them, those that may be asked for */
	size_t nr_roots;
	struct pgw_root_info kernel_root; /**< that one, if it is the only one */
	/* Where the table is. */
	size_t next;      /* root, process */
	unsigned half;    /* of a root */
	struct pgw_mm *mm; /* locked for read */
	uint64_t next_va; /* of it */
	bool is_at_edge;  /* what is there goes on beyond what is asked for */
	struct pgw_tables *walk;
	char text[32];    /* of a value, until the next is asked for */
};

struct sql_table {
	const char *name;
	const struct sql_column *columns; /**< one without a name ends them */
	size_t item_size;
	/**
	 * Add the next items, at least one, or set is_end.
	 * @return 0, positive if a signal ended it, or negative: the library's
	 */
	int (*fill)(struct sql_cursor *cursor);
	void (*value)(struct sql_cursor *cursor, const void *item, unsigned column,
		      struct sql_value *ret);
	/** Of a run of items in one: let it begin with the next. @return false: it was the last. May be NULL */
	bool (*step)(struct sql_cursor *cursor, void *item);
	void (*release)(void *item); /**< what an item holds; may be NULL */
	bool is_by_root; /**< the first column is the root, and rows of one follow each other */
	/** All values of a row at once, where that is quicker than one by one; may be NULL. */
	void (*row)(struct sql_cursor *cursor, const void *item, struct sql_value *ret);
};

/** All of them; one without a name ends them. */
extern const struct sql_table sql_tables[];

/** Columns that a row has to be true in, or false, else nothing is done with it: bits. */
struct sql_truth {
	uint32_t on, off;
};

/** An image, and what its tables have found. */
struct sql {
	struct target *target;
	const struct options *opts;
	struct sqlite3 *db; /**< after sql_open() */
	const struct pgw_root_info *roots;
	size_t nr_roots;
	struct pgw_tasks *tasks;
	bool has_roots, has_tasks;
	struct pgw_table_users *users; /**< NULL: not asked for yet, or has_no_users */
	bool has_no_users;
	struct sql_truth truth; /**< of the statement that runs */
	bool has_no_tasks;  /**< a message said why, and is not repeated */
	char said[512];     /**< what kept the last table from being there: of several, one is told */
	uint64_t nr_tables; /**< visits of page tables by scans */
	bool is_cut;        /**< something could not be looked at, or not all; a message said it */
	int status;         /**< of a table that failed, as fill returned it; else 0 */
};

/** Room for one more item, of which nothing is set. @return NULL: no memory */
void *sql_item_new(struct sql_cursor *cursor);

/** Before the first row, without limits. Pre: sql and table are set, and all else is 0 or was used */
void sql_cursor_begin(struct sql_cursor *cursor);
/** Go on to a row within the limits, if this is none, or to the end. @return as sql_table.fill */
int sql_cursor_fill(struct sql_cursor *cursor);
/** The same for the row after this one. */
int sql_cursor_next(struct sql_cursor *cursor);
void sql_cursor_close(struct sql_cursor *cursor);

static inline bool sql_cursor_at_end(const struct sql_cursor *cursor)
{
	return cursor->at == cursor->nr && cursor->is_end;
}

/** The row's item. Pre: it is not at the end */
static inline void *sql_cursor_item(const struct sql_cursor *cursor)
{
	return (char *)cursor->items + cursor->at * cursor->table->item_size;
}

/** Is it a column of addresses? */
static inline bool sql_is_address(const struct sql_column *column)
{
	return column->type[0] == '\0';
}

/** What is so of a statement over one table; of others, and where it cannot be told, nothing. */
struct sql_truth sql_truth_of(struct sqlite3 *db, const char *statement, size_t len);

/** Open a database by SQLite's library. @return false: there is none, or it cannot */
bool sql_library_open(const char *path, struct sqlite3 **ret);
/** A database in memory with the tables of an image. @return enum tool_status; to be closed either way */
int sql_open(struct sql *sql, struct target *target, const struct options *opts);
void sql_close(struct sql *sql);
/** What tables have found. */
void sql_tables_close(struct sql *sql);

#endif
