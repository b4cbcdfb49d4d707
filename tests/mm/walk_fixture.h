/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_WALK_FIXTURE_H
#define TESTS_WALK_FIXTURE_H

/*
 * For tests of walks through VMAs: an owned user mm of a format, callbacks that record
 * every call, steps that are counted and handed to the case. One thread.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/vma.h>

#include "common/arena.h"

#define MAX_EVENTS 140000
#define ARENA_SIZE (8u << 20)
#define PA_BITS 40 /* of the machine: what lies above is malformed */
#define HOLE 5     /* event levels beside 0 (pte) to 4 (pgd) */
#define MALFORMED 6
#define TEST 7
#define PRE 8
#define POST 9

struct event {
	int level;
	int depth; /* holes, malformed */
	uint64_t addr, next, entry;
	const struct pgw_vma *vma;
};

struct record {
	struct event event[MAX_EVENTS];
	size_t nr;
	size_t stop_at; /* the event that returns stop_value; 0 = none, counting from 1 */
	int stop_value;
};

struct fixture {
	struct arena arena;
	void (*obj_free)(void *ctx, void *obj, size_t size); /* the arena's */
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_mm *mm;
	struct record record;
	unsigned nr_steps[_PGW_STEP_MAX];
	void (*on_step)(struct fixture *f, enum pgw_step_point step); /* or NULL */
	/* Of the cases, for their callbacks and steps. */
	uint64_t *slot; /* in a table of level */
	unsigned level;
	uint64_t word;
	struct pgw_ptdesc *desc[2];
	enum pgw_step_point swap_at;
	unsigned times;
};

/** Run a case for every format. No lock is held. */
void for_each_format(void (*run)(struct fixture *f));

/** Callbacks: add an event to the record that is walk->arg. */
int record_event(struct pgw_mm_walk *walk, struct event event);
int record_pud(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
int record_pmd(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
int record_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk);
int record_test(uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
int record_pre(uint64_t start, uint64_t end, struct pgw_mm_walk *walk);
void record_post(struct pgw_mm_walk *walk);
/** All of them but test_walk, which replaces a default. */
extern const struct pgw_mm_walk_ops all_ops;

size_t count_level(const struct fixture *f, int level);
const struct event *nth_of_level(const struct fixture *f, int level, size_t n);

uint64_t span(const struct fixture *f, unsigned level);
uint64_t page(const struct fixture *f);
size_t nr_slots(const struct fixture *f, unsigned level);

/** A VMA to read and write, with these flags too. */
void make_vma(struct fixture *f, uint64_t start, uint64_t end, uint32_t flags);
/** The VMA that holds va. Nobody changes it here, so it may be looked at later. */
struct pgw_vma *vma_at(struct fixture *f, uint64_t va);
/** Map a leaf; its frame is outside of the tables' memory. */
void map(struct fixture *f, uint64_t va, unsigned level);
bool has_leaf(const struct fixture *f, unsigned level);
/** Where va is mapped to. */
uint64_t pa_of(struct fixture *f, uint64_t va);

/** The slot of va at a level, whose upper tables exist. */
uint64_t *slot_at(struct fixture *f, uint64_t va, unsigned level);
enum pgw_entry_kind kind_of(const struct fixture *f, uint64_t entry, unsigned level);
/** The desc of the table of this level that a slot is in. */
struct pgw_ptdesc *desc_of(struct fixture *f, const uint64_t *item, unsigned level);
/** The desc of the table that an entry of this level points to. */
struct pgw_ptdesc *desc_below(struct fixture *f, uint64_t entry, unsigned level);

/** Forget what was recorded. */
void begin(struct fixture *f);
/** Walk with the read lock. */
int walk(struct fixture *f, uint64_t start, uint64_t end, const struct pgw_mm_walk_ops *ops);

#endif
