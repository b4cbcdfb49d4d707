/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_MOVE_H
#define PT_TMPL_EDIT_MOVE_H

/*
 * Move what maps a range to another range: whole tables where both sides allow it, else entry
 * by entry. First all that can fail: leaves are split until each may stand at its new
 * place, and the tables that the entries go to are made. Then the move, which only clears
 * slots and fills others. Nobody else changes either range (PT_RANGE).
 */

#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_split.h"

struct edit_move {
	struct edit_cursor from, to;
	uint64_t first, last; /* of what is moved */
	uint64_t delta;       /* modulo 2^64 */
};

static void move_init(struct edit_move *m, const struct pt_edit *edit, uint64_t first,
		      uint64_t last, uint64_t to)
{
	m->first = first;
	m->last = last;
	m->delta = to - first;
	cursor_init(&m->from, edit, first);
	cursor_init(&m->to, edit, to);
}

/* The slot of va lies in the range, and has a counterpart of its own at the other place. */
static bool move_is_whole(const struct edit_move *m, uint64_t va, unsigned level)
{
	uint64_t span = low_bits(m->from.geo->span_lg2[level]);

	return !(m->delta & span) && (va & ~span) >= m->first && (va | span) <= m->last;
}

/* Go to va's item that is moved as one: of a whole table, or no table. @return the entry */
static uint64_t move_find(struct edit_move *m, uint64_t va)
{
	unsigned level = m->from.geo->top_level;

	for (;;) {
		uint64_t entry;

		cursor_find(&m->from, va, level);
		level = m->from.level;
		entry = pt_owner_item(cursor_item(&m->from));
		if (pt_entry_kind(m->from.env, entry, level) != PGW_ENTRY_TABLE ||
		    move_is_whole(m, va, level))
			return entry;
		level--;
	}
}

/* Make the table that the item goes to. @return 0, as cursor_make(), or -PGW_EEXIST: it is taken */
static int move_make_room(struct edit_move *m, uint64_t va)
{
	int err = cursor_make(&m->to, va + m->delta, m->from.level);

	return !err && pt_owner_item(cursor_item(&m->to)) ? -PGW_EEXIST : err;
}

/* Hardware may set states of the old entry until it is taken. No TLB may know the old place afterwards. */
static void move_one(struct edit_move *m, uint64_t va)
{
	struct edit_cursor *from = &m->from, *to = &m->to;
	uint64_t span = low_bits(from->geo->span_lg2[from->level]);

	cursor_find(to, va + m->delta, from->level);
	edit_store(to, cursor_item(to), edit_exchange(from, cursor_item(from), 0));
	cursor_count(from, from->level, -1);
	cursor_count(to, to->level, 1);
	gather_range(from->edit->gather, va & ~span, va | span);
}

/* For each item that is moved as one: make room for it, or move it. */
static int move_each(struct edit_move *m, bool is_dry)
{
	uint64_t va = m->first;

	for (;;) {
		int err = 0;

		if (move_find(m, va)) {
			if (is_dry)
				err = move_make_room(m, va);
			else
				move_one(m, va);
		}
		va |= low_bits(m->from.geo->span_lg2[m->from.level]);
		if (err || va >= m->last)
			return err;
		va++;
	}
}

static int pt_move_prepare(const struct pt_edit *edit, uint64_t first, uint64_t last, uint64_t to)
{
	struct edit_move m;
	int err;

	move_init(&m, edit, first, last, to);
	err = edit_split_at(&m.from, first);
	if (!err)
		err = edit_split_at(&m.from, last + 1);
	if (!err)
		err = pt_split(edit, first, last, (uint8_t)__builtin_ctzll(m.delta));
	return err ? err : move_each(&m, true);
}

static void pt_move(const struct pt_edit *edit, uint64_t first, uint64_t last, uint64_t to)
{
	struct edit_move m;

	move_init(&m, edit, first, last, to);
	move_each(&m, false);
	gather_forget_ways(edit->gather);
}

#endif
