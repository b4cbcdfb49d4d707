/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_WAYS_H
#define TESTS_WAYS_H

/* All ways to translate an address beside the one that remembers nothing. */

#include <pagewalk/scan.h>

static inline bool ways_same(const struct pgw_translation *a, const struct pgw_translation *b)
{
	return a->kind == b->kind && a->level == b->level && a->leaf_lg2 == b->leaf_lg2 &&
	       a->rights == b->rights && a->pa == b->pa && a->entry == b->entry &&
	       a->va_first == b->va_first && a->va_last == b->va_last;
}

/**
 * Does each of them say what pgw_translate_path() says?
 * @param cursor of the mm, with whatever it remembers of earlier addresses
 * @param ret    what that is
 */
static inline bool ways_agree(struct pgw_mm *mm, struct pgw_translate_cursor *cursor, uint64_t va,
			      struct pgw_translation *ret)
{
	struct pgw_translation one, first, again, batch;
	struct pgw_path path;

	return pgw_translate_path(mm, va, ret, &path) == 0 && pgw_translate(mm, va, &one) == 0 &&
	       pgw_translate_by(cursor, va, &first) == 0 &&
	       pgw_translate_by(cursor, va, &again) == 0 &&
	       pgw_translate_batch(mm, &va, &batch, 1) == 1 && ways_same(&one, ret) &&
	       ways_same(&first, ret) && ways_same(&again, ret) && ways_same(&batch, ret);
}

#endif
