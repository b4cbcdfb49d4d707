/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The walker's contract, no-VMA mode. Each test names the assertion that it
 * shows; the numbers are those of the specification of Linux's walker that
 * this project is built from, listed in docs/testing.md.
 *
 * Every case runs for every format of this machine's word size, on an owned
 * mm and on the same tables attached as foreign ones, pointed at and copied.
 */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define MAX_EVENTS 70000
#define ARENA_SIZE (8u << 20)
#define PA_BITS 40 /* of the machine: what lies above is malformed */
#define HOLE 5     /* event levels beside 0 (pte) to 4 (pgd) */
#define MALFORMED 6
#define UNREADABLE 7

struct event {
	int level;
	int depth; /* holes, malformed, unreadable */
	uint64_t addr, next, entry;
};

struct record {
	struct event event[MAX_EVENTS];
	size_t nr;
	size_t stop_at; /* the event that returns stop_value; 0 = none, counting from 1 */
	int stop_value;
};

enum which { OWNED, MAPPED, COPIED, _WHICH_MAX };

struct fixture {
	struct arena arena;
	struct pgw_phys_ops copy_ops;
	struct pgw_phys copy_phys;
	enum which which;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_mm *kernel, *user;   /* owned */
	struct pgw_mm *akernel, *auser; /* attached, the case's kind; or the owned ones again */
	struct record record;
	uint64_t kernel_first;
};

static int record_event(struct pgw_mm_walk *walk, struct event event)
{
	struct record *record = walk->arg;

	assert_true(record->nr < MAX_EVENTS);
	record->event[record->nr++] = event;
	return record->nr == record->stop_at ? record->stop_value : 0;
}

#define RECORD_ENTRY(name, lvl)                                                                    \
	static int record_##name(uint64_t *item, uint64_t addr, uint64_t next,                     \
				 struct pgw_mm_walk *walk)                                         \
	{                                                                                          \
		return record_event(walk, (struct event){ .level = (lvl),                          \
							  .addr = addr,                            \
							  .next = next,                            \
							  .entry = pgw_item_load(item) });         \
	}
RECORD_ENTRY(pgd, 4)
RECORD_ENTRY(p4d, 3)
RECORD_ENTRY(pud, 2)
RECORD_ENTRY(pmd, 1)
RECORD_ENTRY(pte, 0)

static int record_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	/* 20: no callback ever gets depth 4 */
	assert_in_range(depth, 0, 3);
	return record_event(walk, (struct event){ HOLE, depth, addr, next, 0 });
}

static int record_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			    struct pgw_mm_walk *walk)
{
	return record_event(walk, (struct event){ MALFORMED, depth, addr, next, entry });
}

static int record_unreadable(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	return record_event(walk, (struct event){ UNREADABLE, depth, addr, next, 0 });
}

static const struct pgw_mm_walk_ops all_ops = {
	.pgd_entry = record_pgd,
	.p4d_entry = record_p4d,
	.pud_entry = record_pud,
	.pmd_entry = record_pmd,
	.pte_entry = record_pte,
	.pte_hole = record_hole,
	.malformed = record_malformed,
	.unreadable = record_unreadable,
};

static void attach_all(struct fixture *f)
{
	struct pgw_mm_attach_args args = {
		.platform = &f->arena.platform,
		.format = f->format,
		.phys = f->which == MAPPED ? &f->arena.memory.phys : &f->copy_phys,
		.root = pgw_mm_root(f->kernel),
		.region = PGW_REGION_KERNEL,
		.control.pa_bits = PA_BITS,
	};

	if (f->which == OWNED) {
		f->akernel = f->kernel;
		f->auser = f->user;
		return;
	}
	assert_int_equal(pgw_mm_attach(&args, &f->akernel), 0);
	args.root = pgw_mm_root(f->user);
	args.region = PGW_REGION_USER;
	args.kernel_mm = f->akernel;
	assert_int_equal(pgw_mm_attach(&args, &f->auser), 0);
}

static struct fixture *fixture_new_by(const struct pgw_format *format, enum which which,
				      enum pgw_rules rules)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pgw_mm_new_args args = { .format = format,
					.region = PGW_REGION_KERNEL,
					.control.pa_bits = PA_BITS,
					.rules = rules };
	uint64_t last;

	assert_non_null(f);
	arena_init(&f->arena, ARENA_SIZE);
	f->copy_ops = *f->arena.memory.phys.ops;
	f->copy_ops.map = NULL;
	f->copy_phys = (struct pgw_phys){ &f->copy_ops, &f->arena.memory };
	f->which = which;
	f->format = format;
	f->geo = pgw_format_geometry(format);
	pgw_format_region_range(format, PGW_REGION_KERNEL, &f->kernel_first, &last);
	args.platform = &f->arena.platform;
	assert_int_equal(pgw_mm_new(&args, &f->kernel), 0);
	args.region = PGW_REGION_USER;
	args.kernel_mm = f->kernel;
	assert_int_equal(pgw_mm_new(&args, &f->user), 0);
	attach_all(f);
	/* A debug walk's order: the user mm's lock first. */
	assert_int_equal(pgw_mmap_write_lock(f->user), 0);
	assert_int_equal(pgw_mmap_write_lock(f->kernel), 0);
	return f;
}

static struct fixture *fixture_new(const struct pgw_format *format, enum which which)
{
	return fixture_new_by(format, which, PGW_RULES_LINUX_7_2);
}

static void fixture_free(struct fixture *f)
{
	assert_int_equal(f->arena.nr_violations, 0);
	assert_int_equal(pgw_mmap_write_unlock(f->kernel), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->user), 0);
	if (f->which != OWNED) {
		pgw_mm_free(f->auser);
		pgw_mm_free(f->akernel);
	}
	pgw_mm_free(f->user);
	pgw_mm_free(f->kernel);
	arena_fini(&f->arena);
	free(f);
}

/* Run a case for every format and every way to reach its tables. */
static void for_each_case(void (*run)(struct fixture *f))
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = test_editable_format(i)) != NULL; i++) {
		for (int which = 0; which < _WHICH_MAX; which++) {
			struct fixture *f = fixture_new(format, (enum which)which);

			run(f);
			fixture_free(f);
		}
	}
}

static uint64_t span(const struct fixture *f, unsigned level)
{
	return UINT64_C(1) << f->geo->span_lg2[level];
}

static uint64_t page(const struct fixture *f)
{
	return span(f, 0);
}

static int try_map(struct fixture *f, struct pgw_mm *mm, uint64_t va, unsigned level)
{
	struct pgw_leaf leaf = { .va = va,
				 .pa = level < 2 ? span(f, level) : 0,
				 .level = (uint8_t)level,
				 .rights = PGW_KERNEL_R | PGW_KERNEL_W };

	if (mm == f->user)
		leaf.rights |= PGW_USER_R | PGW_USER_W;
	return pgw_mm_map_leaf(mm, &leaf);
}

static void map(struct fixture *f, struct pgw_mm *mm, uint64_t va, unsigned level)
{
	assert_int_equal(try_map(f, mm, va, level), 0);
}

/* The format has leaves of level 2 (and a level 2). */
static bool has_level_2_leaf(struct fixture *f)
{
	struct pgw_leaf leaf = { .va = f->kernel_first, .level = 2, .rights = PGW_KERNEL_R };

	if (f->geo->top_level < 2 || pgw_mm_map_leaf(f->kernel, &leaf))
		return false;
	assert_int_equal(pgw_mm_unmap_leaf(f->kernel, leaf.va), 0);
	return true;
}

/* The same entry with its address so many bytes on. */
static uint64_t moved(const struct fixture *f, uint64_t entry, uint64_t bytes)
{
	return pgw_entry_advance(f->format, entry, 0, bytes);
}

/* The host address of the slot of va at a level, whose upper tables exist. */
static uint64_t *slot_at(struct fixture *f, struct pgw_mm *mm, uint64_t va, unsigned level)
{
	struct pgw_translation translation;
	struct pgw_path path;

	assert_int_equal(pgw_translate_path(mm, va, &translation, &path), 0);
	for (unsigned i = 0; i < path.nr_steps; i++) {
		if (path.step[i].level == level)
			return (uint64_t *)(void *)(f->arena.block +
						    (path.step[i].item_pa - ARENA_PA));
	}
	fail_msg("no table of level %u", level);
	return NULL;
}

static int walk_user(struct fixture *f, uint64_t start, uint64_t end,
		     const struct pgw_mm_walk_ops *ops)
{
	f->record.nr = 0;
	return pgw_walk_page_range_novma(f->auser, start, end, ops, NULL, &f->record);
}

static size_t count_level(const struct record *record, int level)
{
	size_t n = 0;

	for (size_t i = 0; i < record->nr; i++)
		n += record->event[i].level == level;
	return n;
}

static const struct event *nth_of_level(const struct record *record, int level, size_t n)
{
	for (size_t i = 0; i < record->nr; i++) {
		if (record->event[i].level == level && n-- == 0)
			return &record->event[i];
	}
	fail_msg("no such event");
	return NULL;
}

/* A word that no format's MMU takes for valid, and that is not zero. */
#define ABSENT_WORD UINT64_C(0x7654000)

/* Linux's depth of the slot that a format's level holds. */
static int depth_of(const struct fixture *f, unsigned level)
{
	return level == f->geo->top_level ? 0 : 4 - (int)level;
}

/* A little of everything, at the bottom of the user half. */
static void map_mixture(struct fixture *f)
{
	map(f, f->user, page(f), 0);
	map(f, f->user, 3 * page(f), 0);
	*slot_at(f, f->user, 4 * page(f), 0) = ABSENT_WORD;
	map(f, f->user, span(f, 1), 1);
	*slot_at(f, f->user, 2 * span(f, 1), 1) = ABSENT_WORD;
	if (has_level_2_leaf(f))
		map(f, f->user, span(f, 2), 2);
}

/* The end of a range that holds the mixture and some holes of each kind. */
static uint64_t mixture_end(const struct fixture *f)
{
	return f->geo->top_level < 2 ? 8 * span(f, 1) : 3 * span(f, 2);
}

/* --- arguments --- */

static void arguments(struct fixture *f)
{
	uint64_t k = f->kernel_first;

	for (int i = 0; i < 2; i++) {
		uint64_t end = i ? 0x1000 : 0x2000; /* start == end, start > end */

		assert_int_equal(walk_user(f, 0x2000, end, &all_ops), -PGW_EINVAL);
		assert_int_equal(pgw_walk_page_range_debug(f->auser, 0x2000, end, &all_ops, NULL,
							   &f->record),
				 -PGW_EINVAL);
		end += k;
		assert_int_equal(pgw_walk_kernel_page_table_range(f->akernel, k + 0x2000, end,
								  &all_ops, NULL, &f->record),
				 -PGW_EINVAL);
		assert_int_equal(pgw_walk_kernel_page_table_range_lockless(
					 f->akernel, k + 0x2000, end, &all_ops, NULL, &f->record),
				 -PGW_EINVAL);
	}
	assert_int_equal(pgw_walk_page_range_novma(NULL, 0, 0x1000, &all_ops, NULL, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_debug(NULL, 0, 0x1000, &all_ops, NULL, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(
		pgw_walk_kernel_page_table_range(NULL, k, k + 1, &all_ops, NULL, &f->record),
		-PGW_EINVAL);
	assert_int_equal(pgw_walk_kernel_page_table_range_lockless(NULL, k, k + 1, &all_ops, NULL,
								   &f->record),
			 -PGW_EINVAL);
	assert_int_equal(walk_user(f, 0, 0x1000, NULL), -PGW_EINVAL);
	/* The other half, across the end of the half, a user mm as a kernel mm. */
	assert_int_equal(walk_user(f, k, k + 1, &all_ops), -PGW_EINVAL);
	assert_int_equal(walk_user(f, 0, UINT64_MAX, &all_ops), -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_novma(f->akernel, 0, 1, &all_ops, NULL, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(pgw_walk_page_range_debug(f->akernel, 0, 1, &all_ops, NULL, &f->record),
			 -PGW_EINVAL);
	assert_int_equal(
		pgw_walk_kernel_page_table_range(f->auser, 0, 1, &all_ops, NULL, &f->record),
		-PGW_EINVAL);
	assert_int_equal(f->record.nr, 0);
}

static void test_walk__1_2_wrong_arguments_give_einval(void **state)
{
	(void)state;
	for_each_case(arguments);
}

/* --- order --- */

static void order(struct fixture *f)
{
	uint64_t seen[5] = { 0 }; /* where each level has got to */

	map_mixture(f);
	assert_int_equal(walk_user(f, 0, mixture_end(f), &all_ops), 0);
	for (size_t i = 0; i < f->record.nr; i++) {
		const struct event *e = &f->record.event[i];

		if (e->level > 4)
			continue;
		assert_true(e->next > e->addr);
		assert_true(e->addr >= seen[e->level]); /* ascending, no byte twice */
		seen[e->level] = e->next;
		for (int up = e->level + 1; up <= 4; up++)
			assert_true(seen[up] >= e->next); /* parents came first */
	}
	assert_true(count_level(&f->record, 0) > 0);
}

static void test_walk__6_ascending_and_parents_first(void **state)
{
	(void)state;
	for_each_case(order);
}

static void first_and_last(struct fixture *f)
{
	uint64_t start = page(f) + 0x123, end = span(f, 1) - 0x321;
	size_t n;

	map_mixture(f);
	assert_int_equal(walk_user(f, start, end, &all_ops), 0);
	for (int level = 1; level <= 4; level++) {
		assert_int_equal(nth_of_level(&f->record, level, 0)->addr, start);
		n = count_level(&f->record, level);
		assert_int_equal(nth_of_level(&f->record, level, n - 1)->next, end);
	}
	for (n = 0; n < count_level(&f->record, 0); n++) {
		const struct event *e = nth_of_level(&f->record, 0, n);

		assert_int_equal(e->next, e->addr + page(f));
	}
}

static void test_walk__7_first_addr_is_start_and_last_next_is_end(void **state)
{
	(void)state;
	for_each_case(first_and_last);
}

static void pte_slots(struct fixture *f)
{
	map_mixture(f);
	assert_int_equal(walk_user(f, 0, 5 * page(f), &all_ops), 0);
	assert_int_equal(count_level(&f->record, 0), 5);
	for (size_t i = 0; i < 5; i++) {
		const struct event *e = nth_of_level(&f->record, 0, i);

		assert_int_equal(e->addr, i * page(f));
		if (i == 4)
			assert_int_equal(e->entry, ABSENT_WORD);
		else
			assert_int_equal(e->entry != 0, i == 1 || i == 3);
	}
	assert_int_equal(count_level(&f->record, HOLE), 0);
}

static void test_walk__8_pte_entry_sees_every_slot(void **state)
{
	(void)state;
	for_each_case(pte_slots);
}

static void holes_only(struct fixture *f)
{
	static const struct pgw_mm_walk_ops ops = { .pte_hole = record_hole };

	map_mixture(f);
	assert_int_equal(walk_user(f, 0, 2 * span(f, f->geo->top_level), &ops), 0);
	/* The first slot of the top table is in use: nothing below it is looked at. */
	if (f->geo->top_level == 4) {
		assert_int_equal(f->record.nr, 1);
		assert_int_equal(f->record.event[0].addr, span(f, 4));
	} else {
		/* Folded: the pgd step does not ask, and nothing wants what is below. */
		assert_int_equal(f->record.nr, 0);
	}
}

static void test_walk__9_holes_alone_stay_at_the_top(void **state)
{
	(void)state;
	for_each_case(holes_only);
}

static void leaves_stay(struct fixture *f)
{
	uint64_t leaf1, leaf2;

	map_mixture(f);
	leaf1 = *slot_at(f, f->user, span(f, 1), 1);
	assert_int_equal(walk_user(f, span(f, 1), 2 * span(f, 1), &all_ops), 0);
	assert_int_equal(count_level(&f->record, 1), 1);
	assert_int_equal(nth_of_level(&f->record, 1, 0)->entry, leaf1);
	assert_int_equal(count_level(&f->record, 0), 0);
	assert_int_equal(count_level(&f->record, HOLE), 0);
	/* An absent entry likewise. */
	assert_int_equal(walk_user(f, 2 * span(f, 1), 3 * span(f, 1), &all_ops), 0);
	assert_int_equal(nth_of_level(&f->record, 1, 0)->entry, ABSENT_WORD);
	assert_int_equal(count_level(&f->record, 0), 0);
	assert_int_equal(count_level(&f->record, HOLE), 0);
	assert_int_equal(*slot_at(f, f->user, span(f, 1), 1), leaf1);
	if (!has_level_2_leaf(f))
		return;
	leaf2 = *slot_at(f, f->user, span(f, 2), 2);
	assert_int_equal(walk_user(f, span(f, 2), 2 * span(f, 2), &all_ops), 0);
	assert_int_equal(count_level(&f->record, 2), 1);
	assert_int_equal(count_level(&f->record, 1), 0);
	assert_int_equal(count_level(&f->record, HOLE), 0);
	assert_int_equal(*slot_at(f, f->user, span(f, 2), 2), leaf2);
}

static void test_walk__12_leaves_are_neither_split_nor_holes(void **state)
{
	(void)state;
	for_each_case(leaves_stay);
}

/* --- holes --- */

static void hole_depths(struct fixture *f)
{
	unsigned top = f->geo->top_level;

	map(f, f->user, 0, 0);
	for (unsigned level = 1; level <= top; level++) {
		assert_int_equal(walk_user(f, span(f, level), 2 * span(f, level), &all_ops), 0);
		assert_int_equal(count_level(&f->record, HOLE), 1);
		assert_int_equal(nth_of_level(&f->record, HOLE, 0)->depth, depth_of(f, level));
	}
	/* Folded levels: the pgd callback sees the empty slot too, the levels between do not. */
	assert_int_equal(count_level(&f->record, 4), top == 4 ? 0 : 1);
	assert_int_equal(count_level(&f->record, 3), top >= 3 ? 0 : 1);
}

static void test_walk__14_20_holes_have_the_real_depth(void **state)
{
	(void)state;
	for_each_case(hole_depths);
}

static void holes_apart(struct fixture *f)
{
	map(f, f->user, 0, 0);
	assert_int_equal(walk_user(f, span(f, 1) + 0x10, 4 * span(f, 1) - 0x10, &all_ops), 0);
	assert_int_equal(count_level(&f->record, HOLE), 3);
	for (size_t i = 0; i < 3; i++) {
		const struct event *e = nth_of_level(&f->record, HOLE, i);
		uint64_t slot = (i + 1) * span(f, 1);

		assert_int_equal(e->addr, i == 0 ? slot + 0x10 : slot);
		assert_int_equal(e->next, i == 2 ? slot + span(f, 1) - 0x10 : slot + span(f, 1));
	}
}

static void test_walk__15_neighbouring_holes_are_not_merged(void **state)
{
	(void)state;
	for_each_case(holes_apart);
}

/* --- return values and actions --- */

/* Of either sign, the ends of the type, and small ones, which the walker has words of its own for. */
static void return_values(struct fixture *f)
{
	static const int values[] = { 7, -77, 1, 2, 3, -1, INT_MAX, INT_MIN };
	size_t all;

	map_mixture(f);
	assert_int_equal(walk_user(f, 0, mixture_end(f), &all_ops), 0);
	all = f->record.nr;
	for (size_t i = 1; i <= all; i += i < 20 ? 1 : 1 + all / 20) {
		f->record.stop_at = i;
		f->record.stop_value = values[i % (sizeof(values) / sizeof(values[0]))];
		assert_int_equal(walk_user(f, 0, mixture_end(f), &all_ops), f->record.stop_value);
		assert_int_equal(f->record.nr, i);
	}
	f->record.stop_at = 0;
}

static void test_walk__21_first_nonzero_value_ends_the_walk(void **state)
{
	(void)state;
	for_each_case(return_values);
}

static uint64_t *again_slot;
static unsigned again_count;

static int pmd_again_twice(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	if (again_count < 2) {
		again_count++;
		walk->action = PGW_ACTION_AGAIN;
	}
	return record_pmd(item, addr, next, walk);
}

static int pmd_again_after_clearing(uint64_t *item, uint64_t addr, uint64_t next,
				    struct pgw_mm_walk *walk)
{
	*again_slot = 0;
	walk->action = PGW_ACTION_AGAIN;
	return record_pmd(item, addr, next, walk);
}

static void again(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;

	map_mixture(f);
	again_count = 0;
	ops.pmd_entry = pmd_again_twice;
	assert_int_equal(walk_user(f, 0, span(f, 1), &ops), 0);
	assert_int_equal(count_level(&f->record, 1), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(nth_of_level(&f->record, 1, i)->addr, 0);
	assert_int_equal(count_level(&f->record, 0), UINT64_C(1) << f->geo->slots_lg2[0]);

	/* It became empty meanwhile: the hole callback runs, and the walk moves on. */
	ops.pmd_entry = pmd_again_after_clearing;
	again_slot = slot_at(f, f->user, span(f, 1), 1);
	assert_int_equal(walk_user(f, span(f, 1), 2 * span(f, 1), &ops), 0);
	assert_int_equal(count_level(&f->record, 1), 1);
	assert_int_equal(count_level(&f->record, HOLE), 1);
	assert_int_equal(f->record.event[f->record.nr - 1].level, HOLE);
}

static void test_walk__24_again_looks_at_the_same_entry(void **state)
{
	(void)state;
	for_each_case(again);
}

static int pte_leaves_again_behind(uint64_t *item, uint64_t addr, uint64_t next,
				   struct pgw_mm_walk *walk)
{
	walk->action = PGW_ACTION_AGAIN;
	return record_pte(item, addr, next, walk);
}

static void stale_action(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;

	map(f, f->user, 0, 0);
	ops.pte_entry = pte_leaves_again_behind;
	assert_int_equal(walk_user(f, 0, span(f, 1), &ops), 0);
	assert_int_equal(count_level(&f->record, 2), 1);
	assert_int_equal(count_level(&f->record, 1), 1);
}

static void test_walk__stale_action_repeats_nothing(void **state)
{
	(void)state;
	for_each_case(stale_action);
}

#define CONTINUE_AT(name)                                                                          \
	static int continue_##name(uint64_t *item, uint64_t addr, uint64_t next,                   \
				   struct pgw_mm_walk *walk)                                       \
	{                                                                                          \
		walk->action = PGW_ACTION_CONTINUE;                                                \
		return record_##name(item, addr, next, walk);                                      \
	}
CONTINUE_AT(pgd)
CONTINUE_AT(p4d)
CONTINUE_AT(pud)
CONTINUE_AT(pmd)

static void actions(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = all_ops;

	map(f, f->user, 0, 0);
	ops.pgd_entry = continue_pgd;
	ops.p4d_entry = continue_p4d;
	assert_int_equal(walk_user(f, 0, span(f, 1), &ops), 0);
	assert_true(count_level(&f->record, 0) > 0);
	ops.pmd_entry = continue_pmd;
	assert_int_equal(walk_user(f, 0, span(f, 1), &ops), 0);
	assert_int_equal(count_level(&f->record, 1), 1);
	assert_int_equal(count_level(&f->record, 0), 0);
	ops.pud_entry = continue_pud;
	assert_int_equal(walk_user(f, 0, span(f, 1), &ops), 0);
	assert_int_equal(count_level(&f->record, 2), 1);
	assert_int_equal(count_level(&f->record, 1), 0);
}

static void test_walk__26_continue_works_at_pud_and_pmd_only(void **state)
{
	(void)state;
	for_each_case(actions);
}

/* --- ends of ranges --- */

static void top_of_space(struct fixture *f)
{
	uint64_t last_page = UINT64_MAX - (page(f) - 1);
	static const uint64_t back[] = { 0, 1, 0x1234, 0x200001 };

	map(f, f->kernel, last_page, 0);
	for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
		const struct event *e;
		uint64_t start = last_page - back[i];
		size_t n;

		f->record.nr = 0;
		assert_int_equal(pgw_walk_page_range_novma(f->akernel, start, UINT64_MAX, &all_ops,
							   NULL, &f->record),
				 0);
		n = count_level(&f->record, 0);
		assert_true(n >= 1);
		e = nth_of_level(&f->record, 0, n - 1);
		assert_int_equal(e->addr & ~(page(f) - 1), last_page);
		assert_int_not_equal(e->entry, 0);
		if (n > 1)
			assert_true(nth_of_level(&f->record, 0, n - 2)->addr < last_page);
	}
}

static void test_walk__29_the_last_page_is_visited_once(void **state)
{
	(void)state;
	for_each_case(top_of_space);
}

static void inside_pages(struct fixture *f)
{
	uint64_t p = page(f);

	map_mixture(f);
	assert_int_equal(walk_user(f, 0, p + 1, &all_ops), 0);
	assert_int_equal(count_level(&f->record, 0), 2);
	assert_int_equal(walk_user(f, 0, 1, &all_ops), 0);
	assert_int_equal(count_level(&f->record, 0), 1);
	assert_int_equal(walk_user(f, p - 1, p, &all_ops), 0);
	assert_int_equal(count_level(&f->record, 0), 1);
	assert_int_equal(walk_user(f, 3 * p + 5, 3 * p + 6, &all_ops), 0);
	assert_int_equal(count_level(&f->record, 0), 1);
	/* Every page that the range touches, also when neither end is aligned. */
	assert_int_equal(walk_user(f, p - 8, p + 8, &all_ops), 0);
	assert_int_equal(count_level(&f->record, 0), 2);
}

static void test_walk__30_a_page_touched_is_a_page_visited(void **state)
{
	(void)state;
	for_each_case(inside_pages);
}

/* --- what foreign tables may hold --- */

static void malformed(struct fixture *f)
{
	uint64_t *slot, word, old;

	map(f, f->user, 0, 0);
	slot = slot_at(f, f->user, 0, 1);
	word = *slot = moved(f, *slot, UINT64_C(1) << (PA_BITS + 1));
	assert_int_equal(walk_user(f, 0, span(f, 1), &all_ops), 0);
	assert_int_equal(count_level(&f->record, 1), 1);
	assert_int_equal(count_level(&f->record, MALFORMED), 1);
	assert_int_equal(nth_of_level(&f->record, MALFORMED, 0)->entry, word);
	assert_int_equal(f->record.event[f->record.nr - 1].level, HOLE);
	assert_int_equal(count_level(&f->record, 0), 0);
	/* Evidence is never changed; neither is a pmd that is ours. */
	assert_int_equal(*slot, word);
	*slot = moved(f, word, -(UINT64_C(1) << (PA_BITS + 1)));

	if (f->geo->top_level < 3)
		return; /* the slot would be a pud's or pmd's, which are left alone */
	/* At the top: reported, then a hole; cleared only if it is ours. */
	map(f, f->user, span(f, f->geo->top_level), 0);
	slot = slot_at(f, f->user, span(f, f->geo->top_level), f->geo->top_level);
	old = *slot;
	word = *slot = moved(f, old, UINT64_C(1) << (PA_BITS + 1));
	assert_int_equal(walk_user(f, span(f, f->geo->top_level),
				   span(f, f->geo->top_level) + page(f), &all_ops),
			 0);
	assert_int_equal(count_level(&f->record, MALFORMED), 1);
	assert_int_equal(nth_of_level(&f->record, HOLE, 0)->depth, 0);
	assert_int_equal(count_level(&f->record, 0), 0);
	assert_int_equal(*slot, f->which == OWNED ? 0 : word);
	*slot = old;
}

static void test_walk__malformed_is_reported_and_then_a_hole(void **state)
{
	(void)state;
	for_each_case(malformed);
}

static void unreadable(struct fixture *f)
{
	const struct event *e;
	uint64_t *slot;

	if (f->which == OWNED)
		return;
	map(f, f->user, 0, 0);
	map(f, f->user, span(f, 1), 0);
	slot = slot_at(f, f->user, 0, 1);
	slot[0] = moved(f, slot[0], UINT64_C(1) << 38); /* the first table is moved out of memory */
	assert_int_equal(walk_user(f, 0, 2 * span(f, 1), &all_ops), 0);
	assert_int_equal(count_level(&f->record, UNREADABLE), 1);
	e = nth_of_level(&f->record, UNREADABLE, 0);
	assert_int_equal(e->addr, 0);
	assert_int_equal(e->next, span(f, 1));
	assert_int_equal(e->depth, 4);
	assert_int_equal(count_level(&f->record, 0), UINT64_C(1) << f->geo->slots_lg2[0]);
	slot[0] = moved(f, slot[0], -(UINT64_C(1) << 38));
}

static void test_walk__missing_tables_are_unreadable_not_holes(void **state)
{
	(void)state;
	for_each_case(unreadable);
}

static int pte_quiet(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)item, (void)addr, (void)next, (void)walk;
	return 0;
}

/* Every slot leads back to the root: without a budget the walk would hardly end. */
static void budget(struct fixture *f)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = pte_quiet };
	struct pgw_mm_attach_args args = {
		.platform = &f->arena.platform,
		.format = f->format,
		.phys = &f->arena.memory.phys,
		.budget = 1000,
		.root = { .pa = ARENA_PA + ARENA_SIZE / 2 }, /* beyond what the cases use */
	};
	uint64_t *root = (uint64_t *)(void *)(f->arena.block + ARENA_SIZE / 2);
	uint64_t first, last, table;
	struct pgw_entry entry;
	struct pgw_mm *mm;

	pgw_format_region_range(f->format, PGW_REGION_USER, &first, &last);
	map(f, f->user, 0, 0);
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	table = *slot_at(f, f->user, 0, f->geo->top_level);
	pgw_entry_decode(f->format, pgw_mm_control(mm), table, f->geo->top_level, &entry);
	for (size_t i = 0; i < page(f) / sizeof(*root); i++)
		root[i] = moved(f, table, args.root.pa - entry.pa);
	assert_int_equal(pgw_walk_page_range_novma(mm, 0, last + 1, &ops, NULL, NULL), -PGW_E2BIG);
	pgw_mm_free(mm);
}

static void test_walk__tables_that_loop_end_with_the_budget(void **state)
{
	(void)state;
	for_each_case(budget);
}

/* --- locks --- */

/* How a lock is held when a function is called. */
static void lock_as(struct pgw_mm *mm, enum pgw_lock_mode mode)
{
	if (mode == PGW_LOCK_READ)
		assert_int_equal(pgw_mmap_read_lock(mm), 0);
	else if (mode != PGW_LOCK_NONE)
		assert_int_equal(pgw_mmap_write_lock(mm), 0);
	if (mode == PGW_LOCK_DOWNGRADED)
		assert_int_equal(pgw_mmap_write_downgrade(mm), 0);
}

static void unlock_as(struct pgw_mm *mm, enum pgw_lock_mode mode)
{
	if (mode == PGW_LOCK_WRITE)
		assert_int_equal(pgw_mmap_write_unlock(mm), 0);
	else if (mode != PGW_LOCK_NONE)
		assert_int_equal(pgw_mmap_read_unlock(mm), 0);
}

enum call {
	NOVMA_USER,
	NOVMA_KERNEL,
	KERNEL_RANGE,
	LOCKLESS,
	DEBUG_USER,
	DEBUG_KERNEL,
	SCAN_USER,
	SCAN_KERNEL,
	TRANSLATE_USER,
	TRANSLATE_KERNEL
};

static int extent_quiet(const struct pgw_extent *extent, void *arg)
{
	(void)extent, (void)arg;
	return 0;
}

static int make_call(struct fixture *f, enum call call)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = record_pte };
	uint64_t k = f->kernel_first;
	struct pgw_translation translation;
	struct record *r = &f->record;

	r->nr = 0;
	switch (call) {
	case NOVMA_USER:
		return pgw_walk_page_range_novma(f->auser, 0, 1, &ops, NULL, r);
	case NOVMA_KERNEL:
		return pgw_walk_page_range_novma(f->akernel, k, k + 1, &ops, NULL, r);
	case KERNEL_RANGE:
		return pgw_walk_kernel_page_table_range(f->akernel, k, k + 1, &ops, NULL, r);
	case LOCKLESS:
		return pgw_walk_kernel_page_table_range_lockless(f->akernel, k, k + 1, &ops, NULL,
								 r);
	case DEBUG_USER:
		return pgw_walk_page_range_debug(f->auser, 0, 1, &ops, NULL, r);
	case DEBUG_KERNEL:
		return pgw_walk_page_range_debug(f->akernel, k, k + 1, &ops, NULL, r);
	case SCAN_USER:
		return pgw_scan_extents(f->auser, 0, 1, extent_quiet, NULL);
	case SCAN_KERNEL:
		return pgw_scan_extents(f->akernel, k, k + 1, extent_quiet, NULL);
	case TRANSLATE_USER:
		return pgw_translate(f->auser, 0, &translation);
	case TRANSLATE_KERNEL:
		return pgw_translate(f->akernel, k, &translation);
	}
	return -PGW_EINVAL;
}

struct lock_row {
	enum call call;
	int assertion;
	unsigned user_ok;   /* bit n: passes with enum pgw_lock_mode n on the user mm */
	unsigned kernel_ok; /* ... on the kernel mm */
	enum pgw_rule user_rule, kernel_rule;
};

/* The rule, both ways: for each call, the modes of the two locks with which it passes. */
#define ANY 0xfu
#define HELD (1u << PGW_LOCK_READ | 1u << PGW_LOCK_WRITE | 1u << PGW_LOCK_DOWNGRADED)
#define WRITE (1u << PGW_LOCK_WRITE)
static const struct lock_row lock_table[] = {
	{ NOVMA_USER, 34, WRITE, ANY, PGW_RULE_NOVMA_USER_WRITE, _PGW_RULE_MAX },
	{ NOVMA_KERNEL, 31, ANY, HELD, _PGW_RULE_MAX, PGW_RULE_NOVMA_KERNEL_READ },
	{ KERNEL_RANGE, 35, ANY, HELD, _PGW_RULE_MAX, PGW_RULE_NOVMA_KERNEL_READ },
	{ LOCKLESS, 35, ANY, ANY, _PGW_RULE_MAX, _PGW_RULE_MAX },
	{ DEBUG_USER, 34, WRITE, WRITE, PGW_RULE_DEBUG_WRITE, PGW_RULE_DEBUG_KERNEL_WRITE },
	{ DEBUG_KERNEL, 34, ANY, WRITE, _PGW_RULE_MAX, PGW_RULE_DEBUG_WRITE },
	{ SCAN_USER, 34, WRITE, ANY, PGW_RULE_NOVMA_USER_WRITE, _PGW_RULE_MAX },
	{ SCAN_KERNEL, 31, ANY, HELD, _PGW_RULE_MAX, PGW_RULE_NOVMA_KERNEL_READ },
	{ TRANSLATE_USER, 34, WRITE, ANY, PGW_RULE_NOVMA_USER_WRITE, _PGW_RULE_MAX },
	{ TRANSLATE_KERNEL, 31, ANY, HELD, _PGW_RULE_MAX, PGW_RULE_NOVMA_KERNEL_READ },
};

/* Where Linux 6.8 had another one. */
static const struct lock_row lock_table_6_8[] = {
	{ NOVMA_USER, 34, WRITE, ANY, PGW_RULE_NOVMA_USER_WRITE, _PGW_RULE_MAX },
	{ NOVMA_KERNEL, 31, ANY, HELD, _PGW_RULE_MAX, PGW_RULE_NOVMA_KERNEL_READ },
	{ DEBUG_USER, 34, WRITE, ANY, PGW_RULE_DEBUG_WRITE, _PGW_RULE_MAX },
	{ DEBUG_KERNEL, 34, ANY, HELD, _PGW_RULE_MAX, PGW_RULE_NOVMA_KERNEL_READ },
};
#undef ANY
#undef HELD
#undef WRITE

static void check_lock_row(struct fixture *f, const struct lock_row *row, enum pgw_lock_mode user,
			   enum pgw_lock_mode kernel)
{
	bool user_ok = row->user_ok & (1u << user), kernel_ok = row->kernel_ok & (1u << kernel);
	const struct pgw_violation *v = &f->arena.violation;
	int err;

	lock_as(f->user, user);
	lock_as(f->kernel, kernel);
	f->arena.nr_violations = 0;
	err = make_call(f, row->call);
	if (f->which != OWNED || (user_ok && kernel_ok)) {
		/* A snapshot's lock is always held: nothing trips. */
		assert_int_equal(err, 0);
		assert_int_equal(f->arena.nr_violations, 0);
	} else {
		assert_int_equal(err, -PGW_EPERM);
		assert_int_equal(f->arena.nr_violations, 1);
		assert_int_equal(f->record.nr, 0); /* nothing was walked */
		assert_int_equal(v->rule, user_ok ? row->kernel_rule : row->user_rule);
		assert_int_equal(v->mode, user_ok ? kernel : user);
		assert_ptr_equal(v->mm, user_ok ? f->kernel : f->user);
		assert_non_null(strstr(v->function, "pgw_"));
	}
	unlock_as(f->kernel, kernel);
	unlock_as(f->user, user);
}

static void check_lock_rows(struct fixture *f, const struct lock_row *rows, size_t nr)
{
	map(f, f->user, 0, 0);
	map(f, f->kernel, f->kernel_first, 0);
	assert_int_equal(pgw_mmap_write_unlock(f->kernel), 0);
	assert_int_equal(pgw_mmap_write_unlock(f->user), 0);
	for (size_t i = 0; i < nr; i++) {
		for (int user = 0; user < _PGW_LOCK_MODE_MAX; user++) {
			for (int kernel = 0; kernel < _PGW_LOCK_MODE_MAX; kernel++)
				check_lock_row(f, &rows[i], (enum pgw_lock_mode)user,
					       (enum pgw_lock_mode)kernel);
		}
	}
	f->arena.nr_violations = 0;
	assert_int_equal(pgw_mmap_write_lock(f->user), 0);
	assert_int_equal(pgw_mmap_write_lock(f->kernel), 0);
}

static void locks(struct fixture *f)
{
	check_lock_rows(f, lock_table, sizeof(lock_table) / sizeof(lock_table[0]));
}

static void test_walk__31_34_35_every_call_wants_its_locks(void **state)
{
	(void)state;
	for_each_case(locks);
}

static void test_walk__31_34_an_mm_may_keep_the_rule_of_linux_6_8(void **state)
{
	struct pgw_mm_new_args args = { .region = PGW_REGION_KERNEL, .rules = _PGW_RULES_MAX };
	struct fixture *f = fixture_new_by(test_editable_format(0), OWNED, PGW_RULES_LINUX_6_8);
	struct pgw_mm *mm;

	(void)state;
	check_lock_rows(f, lock_table_6_8, sizeof(lock_table_6_8) / sizeof(lock_table_6_8[0]));
	args.platform = &f->arena.platform;
	args.format = f->format;
	assert_int_equal(pgw_mm_new(&args, &mm), -PGW_EINVAL);
	fixture_free(f);
}

/* --- debug walks --- */

static int any_hole(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	return record_event(walk, (struct event){ HOLE, depth, addr, next, 0 });
}

static void debug_crosses(struct fixture *f)
{
	struct pgw_mm_walk_ops ops = { .pte_entry = record_pte, .pte_hole = any_hole };
	uint64_t user_first, user_last;
	size_t i;

	pgw_format_region_range(f->format, PGW_REGION_USER, &user_first, &user_last);
	map(f, f->user, user_last & ~(page(f) - 1), 0);
	map(f, f->kernel, f->kernel_first, 0);
	f->record.nr = 0;
	assert_int_equal(pgw_walk_page_range_debug(f->auser, user_last - page(f) + 1,
						   f->kernel_first + page(f), &ops, NULL,
						   &f->record),
			 0);
	assert_int_equal(f->record.event[0].addr, user_last & ~(page(f) - 1));
	for (i = 0; i < f->record.nr && f->record.event[i].depth != -1; i++)
		;
	assert_int_equal(i, 1);
	assert_int_equal(f->record.event[i].addr, user_last + 1);
	assert_int_equal(f->record.event[i].next, f->kernel_first);
	if (f->which == OWNED) {
		assert_int_equal(f->record.nr, 3);
		assert_int_equal(f->record.event[2].level, 0);
		assert_int_equal(f->record.event[2].addr, f->kernel_first);
		assert_int_not_equal(f->record.event[2].entry, 0);
	}
}

static void test_walk__debug_walk_crosses_the_halves(void **state)
{
	(void)state;
	for_each_case(debug_crosses);
}

static void alternative_root(struct fixture *f)
{
	static const struct pgw_mm_walk_ops ops = { .pte_entry = record_pte };
	struct pgw_mm_new_args args = { .platform = &f->arena.platform, .format = f->format };
	struct pgw_root root;
	struct pgw_mm *other;

	/* Indexed by the address from another root: one without a kernel half, for kernel addresses. */
	assert_int_equal(pgw_mm_new(&args, &other), 0);
	root = pgw_mm_root(other);
	map(f, f->kernel, f->kernel_first, 0);
	f->record.nr = 0;
	assert_int_equal(pgw_walk_page_range_novma(f->akernel, f->kernel_first, f->kernel_first + 1,
						   &ops, &root, &f->record),
			 0);
	assert_int_equal(f->record.nr, 0);
	assert_int_equal(pgw_walk_page_range_novma(f->akernel, f->kernel_first, f->kernel_first + 1,
						   &ops, NULL, &f->record),
			 0);
	assert_int_equal(f->record.nr, 1);
	pgw_mm_free(other);
}

static void test_walk__alternative_root_is_used(void **state)
{
	(void)state;
	for_each_case(alternative_root);
}

/* Nobody knows whose another root is: what is bad in it is reported, and left alone. */
static void bad_alternative_root(struct fixture *f)
{
	struct pgw_root root = { .pa = ARENA_PA + ARENA_SIZE / 2 }; /* beyond what the cases use */
	uint64_t word, *table = (uint64_t *)(void *)(f->arena.block + ARENA_SIZE / 2);
	unsigned top = f->geo->top_level;

	if (top < 3)
		return; /* the slot would be a pud's or pmd's, which are left alone */
	map(f, f->user, 0, 0);
	word = moved(f, *slot_at(f, f->user, 0, top), UINT64_C(1) << (PA_BITS + 1));
	table[0] = word;
	f->record.nr = 0;
	assert_int_equal(pgw_walk_page_range_novma(f->auser, 0, 1, &all_ops, &root, &f->record), 0);
	assert_int_equal(count_level(&f->record, MALFORMED), 1);
	assert_int_equal(table[0], word);
}

static void test_walk__an_alternative_root_is_never_changed(void **state)
{
	(void)state;
	for_each_case(bad_alternative_root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk__1_2_wrong_arguments_give_einval),
		cmocka_unit_test(test_walk__6_ascending_and_parents_first),
		cmocka_unit_test(test_walk__7_first_addr_is_start_and_last_next_is_end),
		cmocka_unit_test(test_walk__8_pte_entry_sees_every_slot),
		cmocka_unit_test(test_walk__9_holes_alone_stay_at_the_top),
		cmocka_unit_test(test_walk__12_leaves_are_neither_split_nor_holes),
		cmocka_unit_test(test_walk__14_20_holes_have_the_real_depth),
		cmocka_unit_test(test_walk__15_neighbouring_holes_are_not_merged),
		cmocka_unit_test(test_walk__21_first_nonzero_value_ends_the_walk),
		cmocka_unit_test(test_walk__24_again_looks_at_the_same_entry),
		cmocka_unit_test(test_walk__stale_action_repeats_nothing),
		cmocka_unit_test(test_walk__26_continue_works_at_pud_and_pmd_only),
		cmocka_unit_test(test_walk__29_the_last_page_is_visited_once),
		cmocka_unit_test(test_walk__30_a_page_touched_is_a_page_visited),
		cmocka_unit_test(test_walk__malformed_is_reported_and_then_a_hole),
		cmocka_unit_test(test_walk__missing_tables_are_unreadable_not_holes),
		cmocka_unit_test(test_walk__tables_that_loop_end_with_the_budget),
		cmocka_unit_test(test_walk__31_34_35_every_call_wants_its_locks),
		cmocka_unit_test(test_walk__31_34_an_mm_may_keep_the_rule_of_linux_6_8),
		cmocka_unit_test(test_walk__debug_walk_crosses_the_halves),
		cmocka_unit_test(test_walk__alternative_root_is_used),
		cmocka_unit_test(test_walk__an_alternative_root_is_never_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
