/* SPDX-License-Identifier: BSD-2-Clause */

/* Make a case that fails small: take things away as long as it still does. */

#include <string.h>

#include "base/bits.h"
#include "oracle_world.h"

#define MAX_ROUNDS 50 /* few are needed; a change may undo another */

struct shrink {
	struct oracle_case *c;
	bool (*fails)(void *ctx, const struct oracle_case *c);
	void *ctx;
	bool progress;
};

/* Keep a change if the case still fails with it. */
static bool try_case(struct shrink *s, const struct oracle_case *changed)
{
	if (memcmp(changed, s->c, sizeof(*changed)) == 0 || !s->fails(s->ctx, changed))
		return false;
	*s->c = *changed;
	s->progress = true;
	return true;
}

#define REMOVE(array, nr, i)                                                                       \
	memmove(&(array)[i], &(array)[(i) + 1], (--(nr) - (i)) * sizeof((array)[0]))

static void remove_items(struct shrink *s)
{
	for (size_t i = s->c->nr_effects; i--;) {
		struct oracle_case changed = *s->c;

		REMOVE(changed.effects, changed.nr_effects, i);
		try_case(s, &changed);
	}
	for (size_t i = s->c->nr_puts; i--;) {
		struct oracle_case changed = *s->c;

		REMOVE(changed.puts, changed.nr_puts, i);
		try_case(s, &changed);
	}
	for (size_t i = s->c->nr_vmas; i--;) {
		struct oracle_case changed = *s->c;

		REMOVE(changed.vmas, changed.nr_vmas, i);
		if (changed.vma > i)
			changed.vma--;
		try_case(s, &changed);
	}
	for (int i = 0; i < _EV_CALLBACKS; i++) {
		struct oracle_case changed = *s->c;

		changed.ops &= ~(1u << i);
		try_case(s, &changed);
	}
}

static void simplify_words(struct shrink *s)
{
	for (size_t i = 0; i < s->c->nr_puts; i++) {
		struct oracle_case changed = *s->c;

		changed.puts[i].variant = 0;
		try_case(s, &changed);
		changed = *s->c;
		if (changed.puts[i].level <= 2)
			changed.puts[i].word = WORD_LEAF;
		try_case(s, &changed);
	}
	for (size_t i = 0; i < s->c->nr_effects; i++) {
		struct oracle_case changed = *s->c;

		changed.effects[i].put.variant = 0;
		try_case(s, &changed);
		changed = *s->c;
		changed.effects[i].put.word = WORD_NONE;
		try_case(s, &changed);
		/* Callbacks that are gone are not counted any more. */
		for (uint32_t nth = 1; nth < s->c->effects[i].nth; nth++) {
			changed = *s->c;
			changed.effects[i].nth = nth;
			if (try_case(s, &changed))
				break;
		}
	}
}

/* Of a file fewer pages, and later ones; and VMAs that show earlier ones. */
static void shorten_file(struct shrink *s)
{
	for (unsigned lg2 = 63; lg2--;) {
		struct oracle_case changed = *s->c;

		if (changed.end > BIT(lg2)) {
			changed.end -= BIT(lg2);
			try_case(s, &changed);
		}
		changed = *s->c;
		if (changed.start < BIT(lg2))
			continue;
		changed.start -= BIT(lg2);
		for (size_t i = 0; i < changed.nr_vmas; i++)
			changed.vmas[i].pgoff -= BIT(lg2) < changed.vmas[i].pgoff ? BIT(lg2) : 0;
		try_case(s, &changed);
	}
}

/* Shorter ranges: the end by halves, then page by page; the start likewise. */
static void shorten(struct shrink *s)
{
	if (s->c->entry_point == CALL_MAPPING) {
		shorten_file(s);
		return;
	}
	if (s->c->start >= s->c->end)
		return;
	for (unsigned lg2 = 56; lg2 >= 12; lg2--) {
		struct oracle_case changed = *s->c;

		if (s->c->end - s->c->start <= BIT(lg2))
			continue;
		changed.end = s->c->start + BIT(lg2);
		try_case(s, &changed);
		changed = *s->c;
		changed.end -= BIT(lg2);
		try_case(s, &changed);
		changed = *s->c;
		changed.start += BIT(lg2);
		try_case(s, &changed);
	}
}

static void simplify_locks(struct shrink *s)
{
	struct oracle_case changed = *s->c;

	changed.start &= ~low_bits(12);
	try_case(s, &changed);
	changed = *s->c;
	changed.walk_lock = 0;
	try_case(s, &changed);
	changed = *s->c;
	changed.held[0] = changed.held[1] = HELD_WRITE;
	try_case(s, &changed);
	changed = *s->c;
	changed.has_other = false;
	try_case(s, &changed);
	changed = *s->c;
	changed.is_snapshot = false;
	try_case(s, &changed);
	for (size_t i = 0; i < s->c->nr_vmas; i++) {
		changed = *s->c;
		changed.vmas[i].held = HELD_NOT;
		try_case(s, &changed);
		changed = *s->c;
		changed.vmas[i].is_of_file = false;
		changed.vmas[i].pgoff = 0;
		try_case(s, &changed);
		changed = *s->c;
		changed.vmas[i].kind = VMA_ANON;
		changed.vmas[i].page_lg2 = 0;
		try_case(s, &changed);
	}
}

void case_shrink(struct oracle_case *c, bool (*fails)(void *ctx, const struct oracle_case *c),
		 void *ctx)
{
	struct shrink s = { .c = c, .fails = fails, .ctx = ctx, .progress = true };

	for (int i = 0; i < MAX_ROUNDS && s.progress; i++) {
		s.progress = false;
		remove_items(&s);
		shorten(&s);
		simplify_words(&s);
		simplify_locks(&s);
	}
}
