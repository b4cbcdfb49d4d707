/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ORACLE_WORDS_H
#define TESTS_ORACLE_WORDS_H

#include "oracle_world.h"

/** An entry to be made: what, and for a slot of which table. */
struct word_at {
	uint64_t va;
	unsigned level;
	enum word_kind word;
	unsigned variant;
};

/** The entry points to a table, or would if it were right. */
bool word_has_table(enum word_kind word);

/** @return false: the format has nothing like that at this level */
bool word_encode(struct world *w, const struct word_at *at, uint64_t table_pa, uint64_t *ret);

#endif
