/* SPDX-License-Identifier: BSD-2-Clause */
#include "sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "names.h"
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

/* An item that is a pointer to what stays. @return 0 or -PGW_ENOMEM */
static int item_add(struct sql_cursor *cursor, const void *to)
{
	const void **item = sql_item_new(cursor);

	if (!item)
		return -PGW_ENOMEM;
	*item = to;
	return 0;
}

/* ---- roots ---- */

static const struct sql_column root_columns[] = {
	{ "root", "", SQL_LIMIT_ROOT, 0 }, { "format", "TEXT", SQL_LIMIT_NONE, 0 },
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
};

static const uint8_t rights[] = { PGW_KERNEL_R, PGW_KERNEL_W, PGW_KERNEL_X,
				  PGW_USER_R,	PGW_USER_W,   PGW_USER_X };

static const struct sql_column extent_columns[] = {
	[COLUMN_ROOT] = { "root", "", SQL_LIMIT_ROOT, 0 },
	[COLUMN_REGION] = { "region", "TEXT", SQL_LIMIT_NONE, 0 },
	[COLUMN_FIRST] = { "first", "", SQL_LIMIT_FIRST, 0 },
	[COLUMN_LAST] = { "last", "", SQL_LIMIT_NONE, 0 },
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

static bool extent_wanted(const struct pgw_extent *extent, void *arg)
{
	const struct sql_limits *limits = &((struct sql_cursor *)arg)->limits;

	return extent->kind == PGW_ENTRY_LEAF && extent->level >= limits->level_first &&
	       extent->level <= limits->level_last &&
	       (extent->rights & limits->rights_on) == limits->rights_on &&
	       !(extent->rights & limits->rights_off);
}

static int extents_met(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct sql_cursor *cursor = arg;

	for (size_t i = 0; i < nr; i++) {
		struct pgw_extent *item;

		if (!extent_wanted(&extents[i], cursor))
			continue;
		item = sql_item_new(cursor);
		if (!item)
			return -PGW_ENOMEM;
		*item = extents[i];
	}
	cursor->next_va = extents[nr - 1].va_last;
	if (interrupt_signal())
		return TARGET_STOPPED;
	return cursor->nr >= CHUNK || cursor->next_va >= cursor->limits.va_last ? ENOUGH : 0;
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
	/* One before, so that what begins there is told from what goes on there. */
	cursor->next_va = cursor->limits.va_first > region->first ? cursor->limits.va_first - 1
								   : region->first;
	return 0;
}

/* The next half of a root that is asked for. @return 0 with no mm: there is none left */
static int extents_next_half(struct sql_cursor *cursor)
{
	struct sql *sql = cursor->sql;
	const struct sql_limits *limits = &cursor->limits;

	for (; cursor->next < sql->nr_roots; cursor->next++, cursor->half = 0) {
		const struct pgw_root_info *root = &sql->roots[cursor->next];

		/* A guest's is an address in the guest's memory. */
		if (root->root.pa < limits->root_first || root->root.pa > limits->root_last ||
		    root->state == PGW_ROOT_GUEST)
			continue;
		while (cursor->half < _PGW_REGION_MAX) {
			const struct pgw_region *region =
				pgw_format_region(root->format, (enum pgw_region_kind)cursor->half);
			bool has = cursor->half++ == PGW_REGION_USER ? root->has_user
								     : root->has_kernel;

			if (!region || !has || region->last < limits->va_first ||
			    region->first > limits->va_last)
				continue;
			return extents_attach(cursor, root, region->kind);
		}
	}
	return 0;
}

static void extents_done(struct sql_cursor *cursor)
{
	pgw_mmap_read_unlock(cursor->mm);
	pgw_mm_free(cursor->mm);
	cursor->mm = NULL;
}

/* All that an mm has within the limits, or CHUNK extents of it. */
static int extents_scan(struct sql_cursor *cursor)
{
	const struct pgw_scan_ops ops = { .extents = extents_met, .wanted = extent_wanted };
	const uint64_t last = pgw_mm_region(cursor->mm)->last;
	struct pgw_scan_stats stats = { 0 };
	int err;

	err = pgw_scan_with(cursor->mm, cursor->next_va, last, &ops, cursor, &stats);
	cursor->sql->nr_tables += stats.nr_tables;
	cursor->sql->is_cut |= err == -PGW_E2BIG || stats.nr_unreadable;
	if (err == ENOUGH && cursor->next_va < cursor->limits.va_last && cursor->next_va != last) {
		cursor->next_va++;
		return 0;
	}
	if (err && err != -PGW_E2BIG && err != ENOUGH)
		return err;
	extents_done(cursor);
	return 0;
}

static int extents_fill(struct sql_cursor *cursor)
{
	int err = roots_get(cursor->sql);

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
	const struct pgw_root_info *root = &cursor->sql->roots[cursor->next];
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

static void extent_value(struct sql_cursor *cursor, const struct pgw_extent *extent, uint64_t last,
			 unsigned column, struct sql_value *ret)
{
	const struct pgw_root_info *root = &cursor->sql->roots[cursor->next];

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

/* ---- processes and their areas ---- */

static const struct sql_column process_columns[] = {
	{ "pid", "INTEGER", SQL_LIMIT_PID, 0 },	    { "ppid", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ "uid", "INTEGER", SQL_LIMIT_NONE, 0 },    { "name", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "state", "TEXT", SQL_LIMIT_NONE, 0 },	    { "kernel", "INTEGER", SQL_LIMIT_NONE, 0 },
	{ "threads", "INTEGER", SQL_LIMIT_NONE, 0 }, { "root", "", SQL_LIMIT_ROOT, 0 },
	{ "task", "", SQL_LIMIT_NONE, 0 },	    { 0 },
};

static int tasks_get(struct sql *sql)
{
	if (sql->has_tasks)
		return 0;
	if (tasks_open(sql->target, &sql->tasks) != TOOL_DONE)
		return -PGW_ENOENT;
	sql->has_tasks = true;
	return 0;
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
	{ "pid", "INTEGER", SQL_LIMIT_PID, 0 },	  { "first", "", SQL_LIMIT_FIRST, 0 },
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
	{ "va", "", SQL_LIMIT_FIRST, 0 },
	{ "letter", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "name", "TEXT", SQL_LIMIT_NONE, 0 },
	{ 0 },
};

static int symbols_fill(struct sql_cursor *cursor)
{
	const struct pgw_symbols *symbols;
	struct pgw_symbol symbol;

	if (names_get(cursor->sql->target, &symbols) != TOOL_DONE) {
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
	{ "root", "", SQL_LIMIT_ROOT, 0 },	{ "format", "TEXT", SQL_LIMIT_NONE, 0 },
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
};

static const struct sql_column finding_columns[] = {
	{ "rule", "TEXT", SQL_LIMIT_NONE, 0 },	  { "level", "TEXT", SQL_LIMIT_NONE, 0 },
	{ "root", "", SQL_LIMIT_ROOT, 0 },	  { "first", "", SQL_LIMIT_FIRST, 0 },
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
		number(SQL_HEX, of->root),
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
	{ "roots", root_columns, sizeof(void *), roots_fill, roots_value, NULL, NULL },
	{ "ranges", extent_columns, sizeof(struct pgw_extent), extents_fill, ranges_value, NULL, NULL },
	{ "leaves", extent_columns, sizeof(struct pgw_extent), extents_fill, leaves_value, leaves_step,
	  NULL },
	{ "processes", process_columns, sizeof(void *), processes_fill, processes_value, NULL, NULL },
	{ "vmas", area_columns, sizeof(struct area_item), areas_fill, areas_value, NULL, area_release },
	{ "symbols", symbol_columns, sizeof(struct pgw_symbol), symbols_fill, symbols_value, NULL, NULL },
	{ "devices", device_columns, sizeof(void *), devices_fill, devices_value, NULL, NULL },
	{ "findings", finding_columns, sizeof(struct sql_finding), findings_fill, findings_value, NULL,
	  NULL },
	{ 0 },
};

void sql_tables_close(struct sql *sql)
{
	pgw_tasks_close(sql->tasks);
}
