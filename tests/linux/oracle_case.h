/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ORACLE_CASE_H
#define TESTS_ORACLE_CASE_H

/*
 * A case: a tree, VMAs, locks, one walk, and what happens meanwhile. Plain data
 * with a text of its own, one line an item, so that it can be printed, replayed
 * and made smaller line by line.
 */

#include <stdio.h>

#include "oracle.h"

#define MAX_PUTS 24
#define MAX_CASE_VMAS 6
#define MAX_EFFECTS 6

/** What to put into a slot. */
enum word_kind {
	WORD_NONE,
	WORD_LEAF,
	WORD_TABLE,
	WORD_ABSENT,
	WORD_AD,        /* A and D bits, and no other: x86 */
	WORD_RO_TABLE,  /* a table that nobody may write below: x86 */
	WORD_NX_TABLE,  /* ... execute: x86 */
	WORD_RESERVED,  /* a table, but for a reserved bit */
	WORD_MISPLACED, /* a leaf, but for its level or alignment */
	WORD_FULL,      /* a table whose every slot is a leaf or, one below the lowest, a page */
	_WORD_MAX,
};

struct case_put {
	uint64_t va;
	uint8_t level; /* of the table, as the format counts */
	uint8_t word;  /* enum word_kind */
	uint8_t variant;
	bool in_other; /* in the tree of the other root */
};

struct case_vma {
	uint64_t start, end;
	enum oracle_vma_kind kind;
	enum oracle_lock held;
	uint8_t page_lg2; /* of a hugetlb VMA */
	bool is_of_file;  /* it shows the file, from page pgoff on */
	bool in_second;   /* mm: with CALL_MAPPING, where the other root is a second mm's */
	uint64_t pgoff;
};

enum effect_what {
	DO_RETURN,
	DO_ACTION,
	DO_PUT,
	DO_PUT_SELF,
	DO_FAIL_ALLOC,
	DO_INSTALL,
	_DO_MAX,
};

/** Something that happens at the nth moment of a kind, from 1. */
struct case_effect {
	enum oracle_moment moment;
	uint32_t nth;
	enum effect_what what;
	int value; /* what is returned; the action */
	/*
	 * DO_PUT_SELF: at the slot that the moment is about, va and level unused. DO_INSTALL: what
	 * install_pte leaves, likewise.
	 */
	struct case_put put;
};

struct oracle_case {
	unsigned format; /* index of world_formats */
	enum oracle_entry_point entry_point;
	bool of_kernel, is_snapshot, has_other, has_kernel;
	uint64_t start, end; /* CALL_MAPPING: the first page, and how many */
	uint32_t ops;
	unsigned walk_lock;
	enum oracle_lock held[2]; /* CALL_MAPPING: the second is the i_mmap lock */
	unsigned vma;
	struct case_vma vmas[MAX_CASE_VMAS];
	size_t nr_vmas;
	struct case_put puts[MAX_PUTS];
	size_t nr_puts;
	struct case_effect effects[MAX_EFFECTS];
	size_t nr_effects;
};

/** What a kernel offers, for the generator. */
struct case_limits {
	uint32_t entry_points, callbacks;
	unsigned nr_walk_locks;
};

void case_generate(struct oracle_case *c, uint64_t seed, const struct case_limits *limits);

void case_print(FILE *file, const struct oracle_case *c);
/** @return false: a line is not understood, which is printed */
bool case_parse(FILE *file, struct oracle_case *c);

/** fails() says whether a case still fails. Makes it as small as it can. */
void case_shrink(struct oracle_case *c, bool (*fails)(void *ctx, const struct oracle_case *c),
		 void *ctx);

extern const char *const oracle_what_names[_EV_MAX];
extern const char *const oracle_call_names[_CALL_MAX];

#endif
