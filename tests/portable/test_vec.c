/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is asked of many items at once, in plain C and with vector registers:
 * for rows of every length and alignment, with the item that ends the answer at
 * every place, and items beside the row that must not matter. The rows end
 * where their memory ends, so that a sanitizer notices who looks beyond.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "common/arena.h"
#include "common/tap.h"
#include "pt/simd/vec.h"

#define MAX_ALIGN 4 /* words: the widest vector */
#define MAX_NR 50   /* items: three rounds of four vectors, and a rest of every length */
#define NR_PAIRS 64

static void for_each_vec(void (*fn)(const struct pt_vec *vec, uint64_t *random))
{
	uint64_t random = test_seed();

	fn(pt_vec_choose(0), &random);
	fn(pt_vec_choose(test_vector_features()), &random);
}

static void test_vec__the_vectors_of_the_machine_are_used(void)
{
	const struct pt_vec *plain = pt_vec_choose(0);

	CHECK((pt_vec_choose(test_vector_features()) != plain) == (test_vector_features() != 0));
	CHECK(pt_vec_choose(UINT32_MAX ^ (PGW_CPU_AVX2 | PGW_CPU_NEON)) == plain);
}

/** A row that begins align words after a vector would, at the very end of its memory. */
struct row {
	uint64_t *memory, *items;
	unsigned nr;
};

static struct row row_new(unsigned align, unsigned nr)
{
	struct row row = { .nr = nr };
	void *memory;

	CHECK(posix_memalign(&memory, MAX_ALIGN * 8, (align + nr) * sizeof(uint64_t)) == 0);
	row.memory = memory;
	row.items = row.memory + align;
	memset(row.memory, 0xff, align * sizeof(uint64_t));
	return row;
}

static void for_each_row(const struct pt_vec *vec, uint64_t *random,
			 void (*fn)(const struct pt_vec *vec, const struct row *row,
				    uint64_t *random))
{
	for (unsigned align = 0; align < MAX_ALIGN; align++) {
		for (unsigned nr = 1; nr <= MAX_NR; nr++) {
			struct row row = row_new(align, nr);

			fn(vec, &row, random);
			free(row.memory);
		}
	}
}

/* Another word: now one bit differs, now any. */
static uint64_t spoil(uint64_t item, uint64_t *random)
{
	uint64_t other = test_random(random);

	return other & 1 ? item ^ BIT(other >> 58) : item ^ (other | BIT(63));
}

/* What ends a row's answer at place, whatever comes then. */
static void spoil_from(const struct row *row, unsigned place, uint64_t *random)
{
	for (unsigned i = place; i < row->nr; i++) {
		if (i == place || test_random(random) & 1)
			row->items[i] = spoil(row->items[i], random);
	}
}

static void check_zeros(const struct pt_vec *vec, const struct row *row, uint64_t *random)
{
	for (unsigned place = 0; place <= row->nr; place++) {
		memset(row->items, 0, row->nr * sizeof(uint64_t));
		spoil_from(row, place, random);
		CHECK_EQUAL(vec->zeros(row->items, row->nr), place);
		CHECK_EQUAL(vec->zeros(row->items, 0), 0);
		CHECK_EQUAL(vec->zeros(row->items, row->nr / 2),
			    place < row->nr / 2 ? place : row->nr / 2);
	}
}

static void all_zeros(const struct pt_vec *vec, uint64_t *random)
{
	for_each_row(vec, random, check_zeros);
}

static void test_vec__zeros_end_at_the_first_other_item(void)
{
	for_each_vec(all_zeros);
}

static void check_run(const struct pt_vec *vec, const struct row *row, uint64_t *random)
{
	const uint64_t steps[] = { 0, 0x400, 0x1000, 0x10000, test_random(random) };

	for (unsigned place = 0; place <= row->nr; place++) {
		uint64_t step = steps[test_random(random) % PGW_ARRAY_SIZE(steps)];
		uint64_t entry = test_random(random);

		if (place & 1) /* carries through all bits on the way */
			entry = -(step * (test_random(random) % row->nr));
		for (unsigned i = 0; i < row->nr; i++)
			row->items[i] = entry + i * step;
		spoil_from(row, place, random);
		CHECK_EQUAL(vec->run(row->items, row->nr, entry, step), place);
		CHECK_EQUAL(vec->run(row->items, 0, entry, step), 0);
		CHECK_EQUAL(vec->run(row->items, row->nr / 2, entry, step),
			    place < row->nr / 2 ? place : row->nr / 2);
	}
}

static void all_runs(const struct pt_vec *vec, uint64_t *random)
{
	for_each_row(vec, random, check_run);
}

static void test_vec__runs_end_at_the_first_other_item(void)
{
	for_each_vec(all_runs);
}

/* As the header says it, pair by pair. */
static uint64_t breaks_by_pairs(const uint64_t *items, uint64_t step, uint64_t mask)
{
	uint64_t breaks = 0;

	for (unsigned i = 0; i < NR_PAIRS; i++) {
		bool follows = items[i + 1] == items[i] + step &&
			       (items[i + 1] & mask) == (items[i] & mask);

		if (!follows && (items[i] || items[i + 1]))
			breaks |= BIT(i);
	}
	return breaks;
}

static void fill_pairs(uint64_t *items, uint64_t step, uint64_t mask, uint64_t *random)
{
	unsigned longest = 1u << (test_random(random) % 7);
	uint64_t item = test_random(random);

	for (unsigned i = 0, left = 0; i <= NR_PAIRS; i++, left--, item += step) {
		if (!left) {
			left = 1 + (unsigned)(test_random(random) % longest);
			item = test_random(random) % 4 ? test_random(random) & ~mask : -step;
		}
		items[i] = test_random(random) % 8 ? item : 0;
		if (test_random(random) % 16 == 0)
			items[i] = spoil(item, random);
	}
}

static void all_breaks(const struct pt_vec *vec, uint64_t *random)
{
	static const uint64_t masks[] = { 0, 0xfff, 0xfff0000000000fff, UINT64_MAX << 40,
					  UINT64_MAX };

	for (unsigned round = 0; round < 4000; round++) {
		struct row row = row_new(round % MAX_ALIGN, NR_PAIRS + 1);
		uint64_t mask = masks[test_random(random) % PGW_ARRAY_SIZE(masks)];
		uint64_t step = BIT(test_random(random) % 20);

		fill_pairs(row.items, step, mask, random);
		CHECK_EQUAL(vec->breaks(row.items, step, mask),
			    breaks_by_pairs(row.items, step, mask));
		memset(row.items, 0, (NR_PAIRS + 1) * sizeof(uint64_t));
		row.items[round % (NR_PAIRS + 1)] = BIT(test_random(random) % 64);
		CHECK_EQUAL(vec->breaks(row.items, step, mask),
			    breaks_by_pairs(row.items, step, mask));
		free(row.memory);
	}
}

static void test_vec__breaks_are_those_of_each_pair(void)
{
	for_each_vec(all_breaks);
}

/* ---- spread ---- */

#define GRANULE_LG2 12
#define MAX_ROW 300

/** A row of short runs, now and then of a longer one, and of a few items of another kind. */
static void fill_runs(struct row *row, const struct pt_vec_row *v, uint64_t *random)
{
	unsigned longest = 1 + (unsigned)(test_random(random) % (test_random(random) % 4 ? 4 : 90));
	uint64_t item = 0;

	for (unsigned i = 0, left = 0; i < row->nr; i++, left--, item += v->step) {
		if (!left) {
			left = 1 + (unsigned)(test_random(random) % longest);
			item = (test_random(random) & ~v->fixed) | (v->known & v->fixed);
		}
		row->items[i] = item;
		if (test_random(random) % 150 == 0)
			row->items[i] = test_random(random) % 2 ? 0 : item ^ 1;
	}
}

static bool is_end(const struct pt_vec_row *v, unsigned i)
{
	return v->items[i + 1] - v->items[i] != v->step;
}

/* Has the row 64 items, from at->i or before, with a run that ends, and the one after them, all like known? */
static bool has_more(const struct pt_vec_row *v, const struct pt_vec_at *at)
{
	unsigned from = at->i < v->nr - 65 ? at->i : v->nr - 65;
	bool has_end = false;

	for (unsigned i = from; i < from + 65; i++) {
		if ((v->items[i] ^ v->known) & v->fixed)
			return false;
		has_end |= i >= at->i && i < from + 64 && is_end(v, i);
	}
	return has_end;
}

/* The run from item i on. @return the item after it */
static unsigned check_extent(const struct pt_vec_row *v, const struct pgw_extent *extent,
			     unsigned i)
{
	unsigned end = i;
	uint64_t tail;

	while (!is_end(v, end))
		end++;
	memcpy(&tail, &extent->kind, sizeof(tail));
	CHECK_EQUAL(extent->va_first, v->va + ((uint64_t)i << GRANULE_LG2));
	CHECK_EQUAL(extent->va_last, v->va + ((end + UINT64_C(1)) << GRANULE_LG2) - 1);
	CHECK_EQUAL(extent->entry, v->items[i]);
	CHECK_EQUAL(extent->pa, v->pa + (v->items[i] << v->pa_shift));
	CHECK_EQUAL(tail, v->tail);
	return end + 1;
}

static void spread_row(const struct pt_vec *vec, const struct pt_vec_row *v, uint64_t *random)
{
	enum { MAX = 40 };
	struct pt_vec_at at = { .i = (unsigned)(test_random(random) % v->nr) };
	struct pgw_extent extents[MAX + 1];
	unsigned max, nr;

	do {
		unsigned i = at.i;

		max = 1 + (unsigned)(test_random(random) % MAX);
		memset(extents, 0xee, sizeof(extents));
		nr = vec->spread(v, &at, extents, max);
		CHECK(nr <= max);
		for (unsigned n = 0; n < nr; n++)
			i = check_extent(v, &extents[n], i);
		CHECK_EQUAL(at.i, i);
		CHECK_EQUAL(extents[nr].va_first, UINT64_C(0xeeeeeeeeeeeeeeee));
	} while (nr == max);
	CHECK(v->nr - at.i < 2 || !has_more(v, &at));
}

static void all_spreads(const struct pt_vec *vec, uint64_t *random)
{
	static const unsigned shifts[] = { 0, 2 };

	for (unsigned round = 0; vec->spread && round < 4000; round++) {
		struct row row = row_new(round % MAX_ALIGN,
					 65 + (unsigned)(test_random(random) % (MAX_ROW - 65)));
		unsigned shift = shifts[test_random(random) % 2];
		struct pt_vec_row v = {
			.items = row.items,
			.nr = row.nr,
			.va = test_random(random) << GRANULE_LG2,
			.granule_lg2 = GRANULE_LG2,
			.pa_shift = shift,
			.step = BIT(GRANULE_LG2 - shift),
			.known = test_random(random) | 1,
			.fixed = BITS(63, 54) | low_bits(GRANULE_LG2 - shift),
			.pa = test_random(random),
			.tail = test_random(random),
		};

		fill_runs(&row, &v, random);
		spread_row(vec, &v, random);
		free(row.memory);
	}
}

static void test_vec__spread_makes_an_extent_of_each_run(void)
{
	for_each_vec(all_spreads);
}

/* The example of struct pt_vec_row. */
static void spread_example(const struct pt_vec *vec, uint64_t *random)
{
	uint64_t items[66] = { 0x200040cf, 0x200044cf, 0x200000cf, 0x20000ccf };
	static const struct pgw_extent want[] = {
		{ .va_first = 0x40000000, .va_last = 0x40001fff, .pa = 0x80010000 },
		{ .va_first = 0x40002000, .va_last = 0x40002fff, .pa = 0x80000000 },
		{ .va_first = 0x40003000, .va_last = 0x40004fff, .pa = 0x80003000 },
	};
	const struct pt_vec_row row = {
		.items = items,
		.nr = PGW_ARRAY_SIZE(items),
		.granule_lg2 = 12,
		.pa_shift = 2,
		.va = 0x40000000,
		.step = 0x400,
		.known = 0x200040cf,
		.fixed = BITS(63, 54) | low_bits(10),
		.pa = (uint64_t)-0x33c,
		.tail = 7,
	};
	struct pt_vec_at at = { .i = 0 };
	struct pgw_extent got[4];

	(void)random;
	for (size_t i = 4; i < PGW_ARRAY_SIZE(items); i++)
		items[i] = 0x200010cf + (i > 4 ? i * 0x800 : 0);
	if (!vec->spread)
		return;
	CHECK_EQUAL(vec->spread(&row, &at, got, 3), 3);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(want); i++) {
		CHECK_EQUAL(got[i].va_first, want[i].va_first);
		CHECK_EQUAL(got[i].va_last, want[i].va_last);
		CHECK_EQUAL(got[i].pa, want[i].pa);
	}
	CHECK_EQUAL(got[2].entry, 0x20000ccf);
	CHECK_EQUAL(at.i, 5);
}

static void test_vec__spread_does_the_example_of_its_comment(void)
{
	for_each_vec(spread_example);
}

int main(void)
{
	static const struct tap_case cases[] = {
		TAP_CASE(test_vec__the_vectors_of_the_machine_are_used),
		TAP_CASE(test_vec__zeros_end_at_the_first_other_item),
		TAP_CASE(test_vec__runs_end_at_the_first_other_item),
		TAP_CASE(test_vec__breaks_are_those_of_each_pair),
		TAP_CASE(test_vec__spread_makes_an_extent_of_each_run),
		TAP_CASE(test_vec__spread_does_the_example_of_its_comment),
	};

	return tap_run(cases, PGW_ARRAY_SIZE(cases));
}
