/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "sql.h"

void *sql_item_new(struct sql_cursor *cursor)
{
	size_t size = cursor->table->item_size;
	void *item;

	if (cursor->nr == cursor->capacity) {
		size_t capacity = cursor->capacity ? 2 * cursor->capacity : 64;
		void *grown = realloc(cursor->items, capacity * size);

		if (!grown)
			return NULL;
		cursor->items = grown;
		cursor->capacity = capacity;
	}
	item = (char *)cursor->items + cursor->nr++ * size;
	return item;
}

static void items_drop(struct sql_cursor *cursor)
{
	for (size_t i = 0; i < cursor->nr && cursor->table->release; i++)
		cursor->table->release((char *)cursor->items + i * cursor->table->item_size);
	cursor->nr = cursor->at = 0;
}

static void walk_drop(struct sql_cursor *cursor)
{
	pgw_tables_close(cursor->walk);
	cursor->walk = NULL;
	if (cursor->mm)
		pgw_mmap_read_unlock(cursor->mm);
	pgw_mm_free(cursor->mm);
	cursor->mm = NULL;
}

void sql_cursor_begin(struct sql_cursor *cursor)
{
	const uint64_t max = UINT64_MAX;

	items_drop(cursor);
	walk_drop(cursor);
	cursor->limits = (struct sql_limits){ 0, max, 0, max, 0, max, 0, max, 0, 0 };
	cursor->is_end = cursor->has_limits = false;
	cursor->rowid = cursor->next = cursor->half = 0;
	cursor->next_va = 0;
	cursor->roots = NULL;
	for (unsigned i = 0; i < SQL_MAX_COLUMNS; i++) {
		cursor->asked[i].first = 0;
		cursor->asked[i].last = max;
	}
}

/* What a table hands over may lie outside of what is asked for. */
static bool is_within(struct sql_cursor *cursor)
{
	const void *item = sql_cursor_item(cursor);
	const struct sql_column *columns = cursor->table->columns;

	for (unsigned i = 0; columns[i].name; i++) {
		const uint64_t first = cursor->asked[i].first, last = cursor->asked[i].last;
		struct sql_value value = { 0 };

		if (!sql_is_address(&columns[i]) || (first == 0 && last == UINT64_MAX))
			continue;
		cursor->table->value(cursor, item, i, &value);
		if (value.kind != SQL_HEX || value.number < first || value.number > last)
			return false;
	}
	return true;
}

static void step(struct sql_cursor *cursor)
{
	if (!cursor->table->step || !cursor->table->step(cursor, sql_cursor_item(cursor)))
		cursor->at++;
}

int sql_cursor_fill(struct sql_cursor *cursor)
{
	int status;

	for (;;) {
		while (cursor->at < cursor->nr && cursor->has_limits && !is_within(cursor))
			step(cursor);
		if (cursor->at < cursor->nr || cursor->is_end)
			return 0;
		items_drop(cursor);
		status = cursor->table->fill(cursor);
		if (status)
			return status;
	}
}

int sql_cursor_next(struct sql_cursor *cursor)
{
	step(cursor);
	cursor->rowid++;
	return sql_cursor_fill(cursor);
}

void sql_cursor_close(struct sql_cursor *cursor)
{
	items_drop(cursor);
	walk_drop(cursor);
	free(cursor->items);
	cursor->items = NULL;
}
