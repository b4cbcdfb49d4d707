/* SPDX-License-Identifier: BSD-2-Clause */
#include "sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "tasks.h"

/* Extents, or names, that are handed over at once. */
#define CHUNK 4096
/* Of an audit. */
#define MAX_FINDINGS 100000
#define MAX_TABLES (UINT64_C(1) << 24)
/* What a callback returns that has enough. */
#define ENOUGH 4

static struct sql_value number(enum sql_kind kind, uint64_t value)
{
	return (struct sql_value){ kind, value, NULL };
}

static struct sql_value text(const char *value)
{
	return (struct sql_value){ SQL_TEXT, 0, value };
}

static int roots_get(struct sql *sql)
{
	int err = 0;

	if (!sql->has_roots)
		err = target_roots(sql->target, &sql->roots, &sql->nr_roots);
	sql->has_roots = !err;
	return err;
}

/*
 * Is it the root of a kernel that is known without looking through memory, or without looking through all of
 * it: the one that dump would take?
 */
static bool kernel_root_find(struct sql *sql, uint64_t pa, struct pgw_root_info *ret)
{
	const struct pgw_kernel *kernels = NULL;
	struct pgw_error err;
	size_t nr = 0;
	bool is_all;

	if (sql->opts->kernel ||
	    pgw_image_kernels_known(sql->target->image, &kernels, &nr, &is_all) != 0)
		return false;
	for (size_t i = 0; i < nr; i++) {
		if (kernels[i].root.root.pa != pa)
			continue;
		*ret = kernels[i].root;
		return true;
	}
	return !nr && target_kernel_root(sql->target, ret, &err) >= 0 && ret->root.pa == pa;
}

/* The roots that a cursor goes over. */
static int cursor_roots(struct sql_cursor *cursor)
{
	struct sql *sql = cursor->sql;
	int err;

	if (cursor->roots)
		return 0;
	if (!sql->has_roots && cursor->limits.root_first == cursor->limits.root_last &&
	    kernel_root_find(sql, cursor->limits.root_first, &cursor->kernel_root)) {
		cursor->roots = &cursor->kernel_root;
		cursor->nr_roots = 1;
		return 0;
	}
	err = roots_get(sql);
	cursor->roots = sql->roots;
	cursor->nr_roots = sql->nr_roots;
	return err;
}

/* An item that is a pointer to what stays. @return 0 or -PGW_ENOMEM */
static int item_add(struct sql_cursor *cursor, const void *to)
{
	const void **item = sql_item_new(cursor);

	if (!item)
		return -PGW_ENOMEM;
	*item = to;
	return 0;
}

/* Why a table is not there: what bars processes bars symbols, too. */
static void say_once(struct sql *sql, const struct pgw_error *err)
{
	char said[sizeof(sql->said)];

	pgw_error_format(err, said, sizeof(said));
	if (strcmp(said, sql->said) == 0)
		return;
	strcpy(sql->said, said);
	message("%s: %s", err->file ? err->file : sql->target->file, said);
}

/* ---- roots ---- */

static const struct sql_column root_columns[] = {
	{ "root", "", SQL_LIMIT_NONE, 0 }, { "format", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "state", "TEXT", SQL_LIMIT_NONE, 0 },	 { "proof", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "kpti", "TEXT", SQL_LIMIT_NONE, 0 },	 { "twin", "", SQL_LIMIT_NONE, 0 },
	{ "cpus", "", SQL_LIMIT_NONE, 0 },	 { "missing", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ 0 },
};

static int roots_fill(struct sql_cursor *cursor)
{
	int err = roots_get(cursor->sql);

	for (size_t i = 0; i < cursor->sql->nr_roots && !err; i++)
		err = item_add(cursor, &cursor->sql->roots[i]);
	cursor->is_end = true;
	return err;
}

static void roots_value(struct sql_cursor *cursor, const void *item, unsigned column,
			struct sql_value *ret)
{
	const struct pgw_root_info *root = *(const struct pgw_root_info *const *)item;
	const struct sql_value values[] = {
		number(SQL_HEX, root->root.pa),
		text(pgw_format_name(root->format)),
		text(report_root_state(root->state)),
		text(report_root_proof(root->proof)),
		text(root->is_kpti_user ? "user" : root->has_twin ? "kernel" : NULL),
		root->has_twin ? number(SQL_HEX, root->twin.pa) : text(NULL),
		number(SQL_HEX, root->cpus),
		number(SQL_INT, root->nr_missing),
	};

	(void)cursor;
	*ret = values[column];
}

/* ---- ranges and leaves ---- */

enum extent_column {
	COLUMN_ROOT,
	COLUMN_REGION,
	COLUMN_FIRST,
	COLUMN_LAST,
	COLUMN_PA,
	COLUMN_BYTES,
	COLUMN_SIZE,
	COLUMN_LEVEL,
	COLUMN_ENTRY,
	COLUMN_RIGHTS, /* and five more */
	NR_EXTENT_COLUMNS = COLUMN_RIGHTS + 6,
};

static const uint8_t rights[] = { PGW_KERNEL_R, PGW_KERNEL_W, PGW_KERNEL_X,
				  PGW_USER_R,	PGW_USER_W,   PGW_USER_X };

static const struct sql_column extent_columns[] = {
	[COLUMN_ROOT] = { "root", "", SQL_LIMIT_ROOT, 0 },
	[COLUMN_REGION] = { "region", "TEXT", SQL_LIMIT_NONE, 0 },
	[COLUMN_FIRST] = { "first", "", SQL_LIMIT_FIRST, 0 },
	[COLUMN_LAST] = { "last", "", SQL_LIMIT_LAST, 0 },
	[COLUMN_PA] = { "pa", "", SQL_LIMIT_NONE, 0 },
	[COLUMN_BYTES] = { "bytes", "INTEGER", SQL_LIMIT_NONE, 0 },
	[COLUMN_SIZE] = { "size", "INTEGER", SQL_LIMIT_NONE, 0 },
	[COLUMN_LEVEL] = { "level", "INTEGER", SQL_LIMIT_LEVEL, 0 },
	[COLUMN_ENTRY] = { "entry", "", SQL_LIMIT_NONE, 0 },
	[COLUMN_RIGHTS] = { "kernel_r", "INTEGER", SQL_LIMIT_RIGHT, PGW_KERNEL_R },
	{ "kernel_w", "INTEGER", SQL_LIMIT_RIGHT, PGW_KERNEL_W },
	{ "kernel_x", "INTEGER", SQL_LIMIT_RIGHT, PGW_KERNEL_X },
	{ "user_r", "INTEGER", SQL_LIMIT_RIGHT, PGW_USER_R },
	{ "user_w", "INTEGER", SQL_LIMIT_RIGHT, PGW_USER_W },
	{ "user_x", "INTEGER", SQL_LIMIT_RIGHT, PGW_USER_X },
	{ 0 },
};

static int extent_met(const struct pgw_extent *extent, void *arg)
{
	struct sql_cursor *cursor = arg;
	struct pgw_extent *item;

	if (interrupt_signal())
		return TARGET_STOPPED;
	if (extent->kind != PGW_ENTRY_LEAF)
		return 0;
	item = sql_item_new(cursor);
	if (!item)
		return -PGW_ENOMEM;
	*item = *extent;
	cursor->next_va = extent->va_last;
	return cursor->nr >= CHUNK || cursor->is_at_edge ? ENOUGH : 0;
}

static int extents_attach(struct sql_cursor *cursor, const struct pgw_root_info *root,
			  enum pgw_region_kind kind)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(cursor->sql->target->image),
		.root = root->root,
		.region = kind,
		.control = root->control,
		.budget = cursor->sql->opts->budget,
	};
	const struct pgw_region *region;
	int err = pgw_mm_attach(&args, &cursor->mm);

	if (!err)
		err = pgw_mmap_read_lock(cursor->mm);
	if (err) {
		pgw_mm_free(cursor->mm);
		cursor->mm = NULL;
		return err;
	}
	region = pgw_mm_region(cursor->mm);
	cursor->is_at_edge = false;
	/* One before, so that what begins there is told from what goes on there. */
	cursor->next_va = cursor->limits.va_first > region->first ? cursor->limits.va_first - 1
								   : region->first;
	return 0;
}

/* The next half of a root that is asked for: cursor->half is its kind, plus 1. @return NULL: there is none left */
static const struct pgw_root_info *next_half(struct sql_cursor *cursor)
{
	const struct sql_limits *limits = &cursor->limits;

	for (; cursor->next < cursor->nr_roots; cursor->next++, cursor->half = 0) {
		const struct pgw_root_info *root = &cursor->roots[cursor->next];

		/* A guest's is an address in the guest's memory. */
		if (root->root.pa < limits->root_first || root->root.pa > limits->root_last ||
		    root->state == PGW_ROOT_GUEST)
			continue;
		while (cursor->half < _PGW_REGION_MAX) {
			bool has = cursor->half++ == PGW_REGION_USER ? root->has_user
								     : root->has_kernel;

			if (has && pgw_format_region(root->format,
						     (enum pgw_region_kind)(cursor->half - 1)))
				return root;
		}
	}
	return NULL;
}

/* @return 0 with no mm: there is none left that is asked for */
static int extents_next_half(struct sql_cursor *cursor)
{
	const struct sql_limits *limits = &cursor->limits;
	const struct pgw_root_info *root;

	while ((root = next_half(cursor))) {
		const struct pgw_region *region = pgw_format_region(
			root->format, (enum pgw_region_kind)(cursor->half - 1));

		if (region->last >= limits->va_first && region->first <= limits->va_last)
			return extents_attach(cursor, root, region->kind);
	}
	return 0;
}

/* Which extents are met; false: none. */
static bool extents_filter(const struct sql_cursor *cursor, struct pgw_dump_filter *ret)
{
	const struct sql_limits *limits = &cursor->limits;

	*ret = (struct pgw_dump_filter){ .rights_all = limits->rights_on,
					 .rights_none = limits->rights_off };
	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++) {
		if (level >= limits->level_first && level <= limits->level_last)
			ret->levels |= (uint8_t)(1 << level);
	}
	return ret->levels != 0;
}

/* Does the last one go on where the addresses end that are asked for? It is looked at again then, as a whole. */
static bool extents_are_cut(struct sql_cursor *cursor, uint64_t last)
{
	const struct pgw_extent *items = cursor->items;

	if (cursor->is_at_edge || !cursor->nr || items[cursor->nr - 1].va_last != last ||
	    last == pgw_mm_region(cursor->mm)->last)
		return false;
	cursor->next_va = items[--cursor->nr].va_first;
	cursor->is_at_edge = true;
	return true;
}

/* All that an mm has within the limits, or CHUNK extents of it. */
static int extents_scan(struct sql_cursor *cursor)
{
	const uint64_t end = pgw_mm_region(cursor->mm)->last;
	struct pgw_dump_args args = {
		.mm = cursor->mm,
		.first = cursor->next_va,
		.last = cursor->is_at_edge || cursor->limits.va_last > end ? end
									    : cursor->limits.va_last,
		/* Only of equal entries those that follow can be told. */
		.merge = cursor->table->step ? PGW_DUMP_RUNS : PGW_DUMP_RANGES,
		.fn = extent_met,
		.arg = cursor,
	};
	struct pgw_dump_summary sums = { 0 };
	int err = 0;

	if (extents_filter(cursor, &args.filter))
		err = pgw_dump(&args, &sums);
	cursor->sql->nr_tables += sums.scan.nr_tables;
	cursor->sql->is_cut |= err == -PGW_E2BIG || sums.scan.nr_unreadable;
	if (err && err != -PGW_E2BIG && err != ENOUGH)
		return err;
	if (err != -PGW_E2BIG && extents_are_cut(cursor, args.last))
		return 0;
	if (err == ENOUGH && !cursor->is_at_edge && cursor->next_va < args.last) {
		cursor->next_va++;
		return 0;
	}
	pgw_mmap_read_unlock(cursor->mm);
	pgw_mm_free(cursor->mm);
	cursor->mm = NULL;
	return 0;
}

static int extents_fill(struct sql_cursor *cursor)
{
	int err = cursor_roots(cursor);

	if (!err && !cursor->mm)
		err = extents_next_half(cursor);
	/* No tables can be where it says: no other root is worse for that. */
	if (err == -PGW_EINVAL) {
		cursor->sql->is_cut = true;
		return 0;
	}
	if (err)
		return err;
	cursor->is_end = !cursor->mm;
	return cursor->mm ? extents_scan(cursor) : 0;
}

static uint64_t leaf_last(const struct pgw_extent *extent)
{
	uint64_t last = extent->va_first | ((UINT64_C(1) << extent->leaf_lg2) - 1);

	return last < extent->va_last ? last : extent->va_last;
}

/* A run of leaves loses its first. */
static bool leaves_step(struct sql_cursor *cursor, void *item)
{
	const struct pgw_root_info *root = &cursor->roots[cursor->next];
	struct pgw_extent *extent = item;
	uint64_t last = leaf_last(extent);

	if (last == extent->va_last)
		return false;
	extent->pa += last - extent->va_first + 1;
	extent->va_first = last + 1;
	extent->entry = pgw_entry_advance(root->format, extent->entry, extent->level,
					  UINT64_C(1) << extent->leaf_lg2);
	return true;
}

static inline void extent_value(struct sql_cursor *cursor, const struct pgw_extent *extent, uint64_t last,
			 unsigned column, struct sql_value *ret)
{
	const struct pgw_root_info *root = &cursor->roots[cursor->next];

	switch (column) {
	case COLUMN_ROOT:
		*ret = number(SQL_HEX, root->root.pa);
		break;
	case COLUMN_REGION:
		*ret = text(pgw_format_region(root->format,
					      (enum pgw_region_kind)(cursor->half - 1))
				    ->name);
		break;
	case COLUMN_FIRST:
		*ret = number(SQL_HEX, extent->va_first);
		break;
	case COLUMN_LAST:
		*ret = number(SQL_HEX, last);
		break;
	case COLUMN_PA:
		*ret = number(SQL_HEX, extent->pa);
		break;
	case COLUMN_BYTES:
		*ret = number(SQL_INT, last - extent->va_first + 1);
		break;
	case COLUMN_SIZE:
		*ret = number(SQL_INT, UINT64_C(1) << extent->leaf_lg2);
		break;
	case COLUMN_LEVEL:
		*ret = number(SQL_INT, extent->level);
		break;
	case COLUMN_ENTRY:
		*ret = number(SQL_HEX, extent->entry);
		break;
	default:
		*ret = number(SQL_INT, (extent->rights & rights[column - COLUMN_RIGHTS]) != 0);
	}
}

static void ranges_value(struct sql_cursor *cursor, const void *item, unsigned column,
			 struct sql_value *ret)
{
	const struct pgw_extent *extent = item;

	extent_value(cursor, extent, extent->va_last, column, ret);
}

static void leaves_value(struct sql_cursor *cursor, const void *item, unsigned column,
			 struct sql_value *ret)
{
	extent_value(cursor, item, leaf_last(item), column, ret);
}

/* Each column's case is known when this is compiled. */
static inline void extent_row(struct sql_cursor *cursor, const struct pgw_extent *extent,
			      uint64_t last, struct sql_value *ret)
{
#pragma GCC unroll 16
	for (unsigned column = 0; column < NR_EXTENT_COLUMNS; column++)
		extent_value(cursor, extent, last, column, &ret[column]);
}

static void ranges_row(struct sql_cursor *cursor, const void *item, struct sql_value *ret)
{
	const struct pgw_extent *extent = item;

	extent_row(cursor, extent, extent->va_last, ret);
}

static void leaves_row(struct sql_cursor *cursor, const void *item, struct sql_value *ret)
{
	extent_row(cursor, item, leaf_last(item), ret);
}

/* ---- page tables ---- */

struct table_item {
	const struct pgw_root_info *root;
	const char *region;
	struct pgw_table table;
};

enum table_column {
	TABLE_ROOT,
	TABLE_REGION,
	TABLE_LEVEL,
	TABLE_NAME,
	TABLE_PA,
	TABLE_FIRST,
	TABLE_LAST,
	TABLE_SLOTS,
	TABLE_TABLES,
	TABLE_LEAVES,
	TABLE_ABSENT,
	TABLE_MALFORMED,
	TABLE_UNREADABLE,
	TABLE_PARENT,
	TABLE_ENTRY,
	TABLE_TIMES,
	TABLE_ROOTS,
};

static const struct sql_column table_columns[] = {
	[TABLE_ROOT] = { "root", "", SQL_LIMIT_ROOT, 0 },
	[TABLE_REGION] = { "region", "TEXT", SQL_LIMIT_NONE, 0 },
	[TABLE_LEVEL] = { "level", "INTEGER", SQL_LIMIT_LEVEL, 0 },
	[TABLE_NAME] = { "name", "TEXT", SQL_LIMIT_NONE, 0 },
	[TABLE_PA] = { "pa", "", SQL_LIMIT_NONE, 0 },
	[TABLE_FIRST] = { "first", "", SQL_LIMIT_FIRST, 0 },
	[TABLE_LAST] = { "last", "", SQL_LIMIT_END, 0 },
	[TABLE_SLOTS] = { "slots", "INTEGER", SQL_LIMIT_NONE, 0 },
	[TABLE_TABLES] = { "tables", "INTEGER", SQL_LIMIT_NONE, 0 },
	[TABLE_LEAVES] = { "leaves", "INTEGER", SQL_LIMIT_NONE, 0 },
	[TABLE_ABSENT] = { "absent", "INTEGER", SQL_LIMIT_NONE, 0 },
	[TABLE_MALFORMED] = { "malformed", "INTEGER", SQL_LIMIT_NONE, 0 },
	[TABLE_UNREADABLE] = { "unreadable", "INTEGER", SQL_LIMIT_NONE, 0 },
	[TABLE_PARENT] = { "parent", "", SQL_LIMIT_NONE, 0 },
	[TABLE_ENTRY] = { "entry", "", SQL_LIMIT_NONE, 0 },
	[TABLE_TIMES] = { "times", "INTEGER", SQL_LIMIT_NONE, 0 },
	[TABLE_ROOTS] = { "roots", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ 0 },
};

/* The next region of a root that is asked for. @return 0 with no walk: there is none left */
static int tables_next_half(struct sql_cursor *cursor)
{
	const struct sql_limits *limits = &cursor->limits;
	const struct pgw_root_info *root = next_half(cursor);
	const uint8_t level_last = PGW_MAX_LEVELS - 1;
	struct pgw_tables_args args = {
		.image = cursor->sql->target->image,
		.root = root,
		.region = (enum pgw_region_kind)(cursor->half - 1),
		.first = limits->va_first,
		.last = limits->va_last,
		.level_last = level_last,
		.budget = cursor->sql->opts->budget,
	};

	if (!root || limits->level_first > level_last)
		return 0;
	args.level_first = (uint8_t)limits->level_first;
	if (limits->level_last < level_last)
		args.level_last = (uint8_t)limits->level_last;
	return pgw_tables_open(&args, &cursor->walk);
}

/* Some of the tables of a region. */
static int tables_walk(struct sql_cursor *cursor)
{
	const struct pgw_root_info *root = &cursor->roots[cursor->next];
	const enum pgw_region_kind kind = (enum pgw_region_kind)(cursor->half - 1);
	struct table_item item = { .root = root, .region = pgw_format_region(root->format, kind)->name };
	const uint64_t before = pgw_tables_visited(cursor->walk);
	bool is_end = false;
	int err = 0;

	while (!err && !is_end && cursor->nr < CHUNK) {
		struct table_item *to;

		err = pgw_tables_next(cursor->walk, &item.table, &is_end);
		if (is_end)
			continue;
		to = sql_item_new(cursor);
		if (!to)
			return -PGW_ENOMEM;
		*to = item;
		cursor->sql->is_cut |= item.table.nr_unreadable != 0;
	}
	cursor->sql->nr_tables += pgw_tables_visited(cursor->walk) - before;
	cursor->sql->is_cut |= err == -PGW_E2BIG;
	if (is_end) {
		pgw_tables_close(cursor->walk);
		cursor->walk = NULL;
	}
	return err == -PGW_E2BIG ? 0 : err;
}

static int tables_fill(struct sql_cursor *cursor)
{
	int err = cursor_roots(cursor);

	if (!err && !cursor->walk)
		err = tables_next_half(cursor);
	/* No tables can be where it says: no other root is worse for that. */
	if (err == -PGW_EINVAL) {
		cursor->sql->is_cut = true;
		return 0;
	}
	if (err)
		return err;
	cursor->is_end = !cursor->walk;
	return cursor->walk ? tables_walk(cursor) : 0;
}

/* How many roots lead to it; all tables are read for that, once. */
static struct sql_value table_roots(struct sql *sql, const struct table_item *item)
{
	uint64_t budget = sql->opts->budget ? sql->opts->budget : MAX_TABLES;

	if (!sql->users && !sql->has_no_users) {
		sql->has_no_users = roots_get(sql) != 0 ||
				    pgw_table_users_new(sql->target->image, sql->roots, sql->nr_roots,
							budget, &sql->users) != 0;
		sql->is_cut |= sql->has_no_users;
	}
	if (!sql->users)
		return text(NULL);
	return number(SQL_INT, pgw_table_users_of(sql->users, item->root, &item->table));
}

static void tables_value(struct sql_cursor *cursor, const void *of, unsigned column,
			 struct sql_value *ret)
{
	const struct table_item *item = of;
	const struct pgw_table *table = &item->table;
	const bool is_root = table->parent == 0 && table->pa == item->root->root.pa;
	const struct sql_value values[] = {
		[TABLE_ROOT] = number(SQL_HEX, item->root->root.pa),
		[TABLE_REGION] = text(item->region),
		[TABLE_LEVEL] = number(SQL_INT, table->level),
		[TABLE_NAME] = text(pgw_format_table_name(item->root->format, table->level)),
		[TABLE_PA] = number(SQL_HEX, table->pa),
		[TABLE_FIRST] = number(SQL_HEX, table->va_first),
		[TABLE_LAST] = number(SQL_HEX, table->va_last),
		[TABLE_SLOTS] = number(SQL_INT, table->slot_last - table->slot_first + UINT64_C(1)),
		[TABLE_TABLES] = number(SQL_INT, table->nr_tables),
		[TABLE_LEAVES] = number(SQL_INT, table->nr_leaves),
		[TABLE_ABSENT] = number(SQL_INT, table->nr_absent),
		[TABLE_MALFORMED] = number(SQL_INT, table->nr_malformed),
		[TABLE_UNREADABLE] = number(SQL_INT, table->nr_unreadable),
		[TABLE_PARENT] = is_root ? text(NULL) : number(SQL_HEX, table->parent),
		[TABLE_ENTRY] = is_root ? text(NULL) : number(SQL_HEX, table->entry),
		[TABLE_TIMES] = number(SQL_INT, table->nr_times),
	};

	*ret = column == TABLE_ROOTS ? table_roots(cursor->sql, item) : values[column];
}

/* ---- processes and their areas ---- */

static const struct sql_column process_columns[] = {
	{ "pid", "INTEGER", SQL_LIMIT_PID, 0 },	    { "ppid", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ "uid", "INTEGER", SQL_LIMIT_NONE, 0 },    { "name", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "state", "TEXT", SQL_LIMIT_NONE, 0 },	    { "kernel", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ "threads", "INTEGER", SQL_LIMIT_NONE, 0 }, { "root", "", SQL_LIMIT_NONE, 0 },
	{ "task", "", SQL_LIMIT_NONE, 0 },	    { 0 },
};

static int tasks_get(struct sql *sql)
{
	if (sql->has_tasks)
		return 0;
	if (!sql->has_no_tasks) {
		struct pgw_error err = { 0 };

		sql->has_no_tasks = pgw_tasks_open(sql->target->image, &sql->tasks, &err) != 0;
		target_progress_end(sql->target);
		if (sql->has_no_tasks)
			say_once(sql, &err);
	}
	sql->has_tasks = !sql->has_no_tasks;
	return sql->has_tasks ? 0 : -PGW_ENOENT;
}

static const struct pgw_task *task_with_mm(const struct sql *sql, const struct pgw_task *task)
{
	const struct pgw_task *with_mm = pgw_tasks_with_mm(sql->tasks, task);

	return with_mm ? with_mm : task;
}

static int processes_fill(struct sql_cursor *cursor)
{
	int err = tasks_get(cursor->sql);
	const struct pgw_task *list;
	size_t nr = 0;

	cursor->is_end = true;
	if (err)
		return err;
	list = pgw_tasks_list(cursor->sql->tasks, &nr);
	for (size_t i = 0; i < nr && !err; i++) {
		if (list[i].is_leader && list[i].pid >= cursor->limits.pid_first &&
		    list[i].pid <= cursor->limits.pid_last)
			err = item_add(cursor, &list[i]);
	}
	return err;
}

static void processes_value(struct sql_cursor *cursor, const void *item, unsigned column,
			    struct sql_value *ret)
{
	const struct pgw_task *task = *(const struct pgw_task *const *)item;
	uint64_t root = task_with_mm(cursor->sql, task)->root_pa;
	const struct sql_value values[] = {
		number(SQL_INT, task->pid),
		number(SQL_INT, task->ppid),
		number(SQL_INT, task->uid),
		text(task->name),
		text(cursor->text),
		number(SQL_INT, task->is_kernel),
		number(SQL_INT, task->nr_threads),
		root ? number(SQL_HEX, root) : text(NULL),
		number(SQL_HEX, task->va),
	};

	cursor->text[0] = task->state;
	cursor->text[1] = '\0';
	*ret = values[column];
}

static const struct sql_column area_columns[] = {
	{ "pid", "INTEGER", SQL_LIMIT_PID, 0 },	  { "first", "", SQL_LIMIT_NONE, 0 },
	{ "last", "", SQL_LIMIT_NONE, 0 },	  { "perms", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "offset", "INTEGER", SQL_LIMIT_NONE, 0 }, { "inode", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ "name", "TEXT", SQL_LIMIT_NONE, 0 },	  { 0 },
};

struct area_item {
	struct pgw_area area;
	uint32_t pid;
	char *name;
};

struct area_list {
	struct sql_cursor *cursor;
	uint32_t pid;
};

static int area_met(const struct pgw_area *area, void *arg)
{
	const struct area_list *list = arg;
	struct area_item *item = sql_item_new(list->cursor);
	char *name = item ? strdup(area->name) : NULL;

	if (!name) {
		if (item)
			list->cursor->nr--;
		return -PGW_ENOMEM;
	}
	*item = (struct area_item){ *area, list->pid, name };
	return interrupt_signal() ? TARGET_STOPPED : 0;
}

/* Those of one process at a time. */
static int areas_fill(struct sql_cursor *cursor)
{
	struct sql *sql = cursor->sql;
	struct pgw_areas_met met = { 0 };
	const struct pgw_task *list, *task;
	size_t nr = 0;
	int err = tasks_get(sql);

	if (err) {
		cursor->is_end = true;
		return err;
	}
	list = pgw_tasks_list(sql->tasks, &nr);
	while (cursor->next < nr && (!list[cursor->next].is_leader ||
				     list[cursor->next].pid < cursor->limits.pid_first ||
				     list[cursor->next].pid > cursor->limits.pid_last))
		cursor->next++;
	cursor->is_end = cursor->next >= nr;
	if (cursor->is_end)
		return 0;
	task = &list[cursor->next++];
	if (!task_with_mm(sql, task)->mm_va)
		return 0;
	struct area_list areas = { cursor, task->pid };

	err = pgw_task_areas(sql->tasks, task_with_mm(sql, task), false, area_met, &areas, &met);
	sql->is_cut |= met.nr_torn || met.nr_unreadable || met.truncated;
	/* One without areas that can be read is no reason not to go on. */
	return err == -PGW_ENOMEM || err > 0 ? err : 0;
}

static void areas_value(struct sql_cursor *cursor, const void *item, unsigned column,
			struct sql_value *ret)
{
	const struct area_item *area = item;
	const uint64_t flags = area->area.flags;
	const struct sql_value values[] = {
		number(SQL_INT, area->pid),
		number(SQL_HEX, area->area.start),
		number(SQL_HEX, area->area.end - 1),
		text(cursor->text),
		number(SQL_INT, area->area.offset),
		number(SQL_INT, area->area.inode),
		text(area->name),
	};

	cursor->text[0] = flags & VM_READ ? 'r' : '-';
	cursor->text[1] = flags & VM_WRITE ? 'w' : '-';
	cursor->text[2] = flags & VM_EXEC ? 'x' : '-';
	cursor->text[3] = flags & VM_MAYSHARE ? 's' : 'p';
	cursor->text[4] = '\0';
	*ret = values[column];
}

static void area_release(void *item)
{
	free(((struct area_item *)item)->name);
}

/* ---- symbols ---- */

static const struct sql_column symbol_columns[] = {
	{ "va", "", SQL_LIMIT_NONE, 0 },
	{ "letter", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "name", "TEXT", SQL_LIMIT_NONE, 0 },
	{ 0 },
};

static int symbols_fill(struct sql_cursor *cursor)
{
	const struct pgw_symbols *symbols;
	struct pgw_error err = { 0 };
	struct pgw_symbol symbol;

	if (pgw_image_symbols(cursor->sql->target->image, &symbols, &err) != 0) {
		say_once(cursor->sql, &err);
		cursor->is_end = true;
		return -PGW_ENOENT;
	}
	for (unsigned i = 0; i < CHUNK; i++) {
		struct pgw_symbol *item;

		if (!pgw_symbols_get(symbols, cursor->next, &symbol)) {
			cursor->is_end = true;
			return 0;
		}
		item = sql_item_new(cursor);
		if (!item)
			return -PGW_ENOMEM;
		*item = symbol;
		cursor->next++;
	}
	return 0;
}

static void symbols_value(struct sql_cursor *cursor, const void *item, unsigned column,
			  struct sql_value *ret)
{
	const struct pgw_symbol *symbol = item;
	const struct sql_value values[] = { number(SQL_HEX, symbol->va), text(cursor->text),
					    text(symbol->name) };

	cursor->text[0] = symbol->letter;
	cursor->text[1] = '\0';
	*ret = values[column];
}

/* ---- virtual machines and devices ---- */

static const struct sql_column device_columns[] = {
	{ "kind", "TEXT", SQL_LIMIT_NONE, 0 },	{ "id", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "through", "TEXT", SQL_LIMIT_NONE, 0 }, { "domain", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ "root", "", SQL_LIMIT_NONE, 0 },	{ "format", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "found", "TEXT", SQL_LIMIT_NONE, 0 }, { "evidence", "", SQL_LIMIT_NONE, 0 },
	{ 0 },
};

static int devices_fill(struct sql_cursor *cursor)
{
	const struct pgw_foreign *list = NULL;
	uint64_t nr_blocked;
	size_t nr = 0;
	int err = 0;

	cursor->is_end = true;
	if (foreign_list(cursor->sql->target, &list, &nr, &nr_blocked) != TOOL_DONE)
		return -PGW_ENOENT;
	for (size_t i = 0; i < nr && !err; i++)
		err = item_add(cursor, &list[i]);
	return err;
}

static void devices_value(struct sql_cursor *cursor, const void *item, unsigned column,
			  struct sql_value *ret)
{
	const struct pgw_foreign *found = *(const struct pgw_foreign *const *)item;
	bool has_tables = found->domain == PGW_DOMAIN_TABLES;
	const struct sql_value values[] = {
		text(found->is_guest ? "vm" : "device"),
		text(found->is_guest ? cursor->text : foreign_id(found, cursor->text)),
		text(foreign_domain(found->domain)),
		number(SQL_INT, found->domain_id),
		has_tables ? number(SQL_HEX, found->root.pa) : text(NULL),
		text(has_tables ? pgw_format_name(found->format) : NULL),
		text(foreign_source(found->source)),
		number(SQL_HEX, found->evidence),
	};

	if (found->is_guest)
		snprintf(cursor->text, sizeof(cursor->text), "%u", (unsigned)found->id);
	*ret = values[column];
}

/* ---- findings of an audit ---- */

struct sql_finding {
	struct pgw_audit_finding finding; /* without its root */
	uint64_t root;
	bool has_root; /* a device whose addresses are physical ones has none */
};

static const struct sql_column finding_columns[] = {
	{ "rule", "TEXT", SQL_LIMIT_NONE, 0 },	  { "level", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "root", "", SQL_LIMIT_NONE, 0 },	  { "first", "", SQL_LIMIT_NONE, 0 },
	{ "last", "", SQL_LIMIT_NONE, 0 },	  { "count", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ "pa", "", SQL_LIMIT_NONE, 0 },	  { "entry", "", SQL_LIMIT_NONE, 0 },
	{ "roots", "INTEGER", SQL_LIMIT_NONE, 0 }, { "detail", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "suspect", "INTEGER", SQL_LIMIT_NONE, 0 }, { 0 },
};

static int finding_met(const struct pgw_audit_finding *finding, void *arg)
{
	struct sql_cursor *cursor = arg;
	struct sql_finding *item = sql_item_new(cursor);

	if (!item)
		return -PGW_ENOMEM;
	item->finding = *finding;
	item->root = finding->root->root.pa;
	item->has_root = !finding->foreign || finding->foreign->domain == PGW_DOMAIN_TABLES;
	return 0;
}

static int findings_fill(struct sql_cursor *cursor)
{
	struct sql *sql = cursor->sql;
	struct pgw_audit_args args = {
		.platform = pgw_hosted_platform(),
		.image = sql->target->image,
		.max_tables = sql->opts->budget ? sql->opts->budget : MAX_TABLES,
		.max_findings = MAX_FINDINGS,
		.finding = finding_met,
		.arg = cursor,
	};
	struct pgw_audit_sums sums = { 0 };
	int err = roots_get(sql);

	cursor->is_end = true;
	args.roots = sql->roots;
	args.nr_roots = sql->nr_roots;
	if (!err)
		err = pgw_audit(&args, &sums);
	target_progress_end(sql->target);
	sql->is_cut |= sums.truncated || sums.full_rules || sums.nr_unreadable;
	return err;
}

static void findings_value(struct sql_cursor *cursor, const void *item, unsigned column,
			   struct sql_value *ret)
{
	const struct sql_finding *of = item;
	const struct pgw_audit_finding *finding = &of->finding;
	bool has_range = finding->region != NULL;
	const struct sql_value values[] = {
		text(pgw_audit_rule_info(finding->rule)->id),
		text(report_audit_level(finding->level)),
		of->has_root ? number(SQL_HEX, of->root) : text(NULL),
		has_range ? number(SQL_HEX, finding->va_first) : text(NULL),
		has_range ? number(SQL_HEX, finding->va_last) : text(NULL),
		has_range ? number(SQL_INT, finding->count) : text(NULL),
		has_range ? number(SQL_HEX, finding->pa) : text(NULL),
		has_range ? number(SQL_HEX, finding->entry) : text(NULL),
		number(SQL_INT, finding->nr_roots),
		text(finding->detail),
		number(SQL_INT, finding->is_suspect),
	};

	(void)cursor;
	*ret = values[column];
}

/* ---- all of them ---- */

const struct sql_table sql_tables[] = {
	{ "roots", root_columns, sizeof(void *), roots_fill, roots_value, NULL, NULL, false, NULL },
	{ "ranges", extent_columns, sizeof(struct pgw_extent), extents_fill, ranges_value, NULL, NULL,
	  true, ranges_row },
	{ "leaves", extent_columns, sizeof(struct pgw_extent), extents_fill, leaves_value, leaves_step,
	  NULL, true, leaves_row },
	{ "tables", table_columns, sizeof(struct table_item), tables_fill, tables_value, NULL, NULL,
	  true, NULL },
	{ "processes", process_columns, sizeof(void *), processes_fill, processes_value, NULL, NULL,
	  false, NULL },
	{ "vmas", area_columns, sizeof(struct area_item), areas_fill, areas_value, NULL, area_release,
	  false, NULL },
	{ "symbols", symbol_columns, sizeof(struct pgw_symbol), symbols_fill, symbols_value, NULL, NULL,
	  false, NULL },
	{ "devices", device_columns, sizeof(void *), devices_fill, devices_value, NULL, NULL,
	  false, NULL },
	{ "findings", finding_columns, sizeof(struct sql_finding), findings_fill, findings_value, NULL,
	  NULL, false, NULL },
	{ 0 },
};

void sql_tables_close(struct sql *sql)
{
	pgw_tasks_close(sql->tasks);
	pgw_table_users_free(sql->users);
}
