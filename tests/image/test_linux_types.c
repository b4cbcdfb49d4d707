/* SPDX-License-Identifier: BSD-2-Clause */
/* Types by BTF: made by hand after Linux's Documentation/bpf/btf.rst, whole, cut, and with each byte changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/linux/types.h"

#define INT 1
#define PTR 2
#define ARRAY 3
#define STRUCT 4
#define UNION 5
#define TYPEDEF 8
#define CONST 10
#define KIND_FLAG (UINT32_C(1) << 31)

/* BTF that grows. */
struct made {
	uint8_t bytes[4096];
	size_t size; /* header and types */
	char strings[1024];
	size_t nr_strings;
	bool is_big;
};

static void put32(struct made *made, size_t at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		made->bytes[at + i] = (uint8_t)(value >> 8 * (made->is_big ? 3 - i : i));
}

static void add32(struct made *made, uint32_t value)
{
	put32(made, made->size, value);
	made->size += 4;
}

static uint32_t string(struct made *made, const char *text)
{
	size_t at = made->nr_strings;

	if (!*text)
		return 0;
	memcpy(made->strings + at, text, strlen(text) + 1);
	made->nr_strings += strlen(text) + 1;
	return (uint32_t)at;
}

static void type(struct made *made, const char *name, uint32_t info, uint32_t ref)
{
	add32(made, string(made, name));
	add32(made, info);
	add32(made, ref);
}

static void member(struct made *made, const char *name, uint32_t id, uint32_t bit)
{
	add32(made, string(made, name));
	add32(made, id);
	add32(made, bit);
}

static void make_end(struct made *made)
{
	made->bytes[made->is_big ? 0 : 1] = 0xeb;
	made->bytes[made->is_big ? 1 : 0] = 0x9f;
	made->bytes[2] = 1;
	put32(made, 4, 24);
	put32(made, 12, (uint32_t)made->size - 24);
	put32(made, 16, (uint32_t)made->size - 24);
	put32(made, 20, (uint32_t)made->nr_strings);
	memcpy(made->bytes + made->size, made->strings, made->nr_strings);
	made->size += made->nr_strings;
}

/*
 * struct outer { int a; union { const struct { long b; int c[3]; }; unsigned long d; };
 *                unsigned e : 3, f : 5; struct inner *next; struct inner in; };
 */
static void make(struct made *made, bool is_big)
{
	*made = (struct made){ .size = 24, .nr_strings = 1, .is_big = is_big };
	type(made, "int", INT << 24, 4); /* 1 */
	add32(made, 32);
	type(made, "long", INT << 24, 8); /* 2 */
	add32(made, 64);
	type(made, "", ARRAY << 24, 0); /* 3: int[3] */
	add32(made, 1);
	add32(made, 1);
	add32(made, 3);
	type(made, "", STRUCT << 24 | 2, 24); /* 4 */
	member(made, "b", 2, 0);
	member(made, "c", 3, 64);
	type(made, "", CONST << 24, 4);      /* 5 */
	type(made, "", UNION << 24 | 2, 24); /* 6 */
	member(made, "", 5, 0);
	member(made, "d", 2, 0);
	type(made, "inner", STRUCT << 24 | 2, 16); /* 7 */
	member(made, "x", 2, 0);
	member(made, "y", 8, 64);
	type(made, "link", TYPEDEF << 24, 9);                  /* 8 */
	type(made, "", PTR << 24, 7);                          /* 9 */
	type(made, "outer", KIND_FLAG | STRUCT << 24 | 6, 64); /* 10 */
	member(made, "a", 1, 0);
	member(made, "", 6, 64);
	member(made, "e", 1, 3u << 24 | 256);
	member(made, "f", 1, 5u << 24 | 259);
	member(made, "next", 9, 320);
	member(made, "in", 7, 384);
	make_end(made);
}

static struct linux_types *open_made(const struct made *made, const struct linux_types *base)
{
	struct linux_types *types = NULL;
	struct pgw_error err = { 0 };

	assert_int_equal(linux_types_open(made->bytes, made->size, base, &types, &err), 0);
	return types;
}

static struct linux_member find(const struct linux_types *types, const char *path)
{
	struct linux_member at;
	bool is_there = linux_types_member(types, linux_types_struct(types, "outer"), path, &at);

	assert_int_equal(is_there, at.is_there);
	return at;
}

static void check_members(const struct linux_types *types)
{
	static const struct {
		const char *path;
		uint32_t offset, size;
	} known[] = { { "a", 0, 4 },    { "b", 8, 8 },     { "c", 16, 12 },
		      { "d", 8, 8 },    { "next", 40, 8 }, { "in.y", 56, 8 },
		      { "in", 48, 16 }, { "z|d", 8, 8 },   { "in.z|in.x|a", 48, 8 } };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(known); i++) {
		struct linux_member at = find(types, known[i].path);

		assert_true(at.is_there);
		assert_int_equal(at.offset, known[i].offset);
		assert_int_equal(at.size, known[i].size);
		assert_int_equal(at.bits, 0);
	}
	assert_int_equal(find(types, "e").bits, 3);
	assert_int_equal(find(types, "f").bits, 5);
	assert_int_equal(find(types, "f").bit, 3);
	assert_int_equal(find(types, "f").offset, 32);
}

static void test_types__members_are_found_through_anonymous_ones(void **state)
{
	(void)state;
	for (int is_big = 0; is_big < 2; is_big++) {
		struct linux_types *types;
		struct made made;
		uint64_t size;

		make(&made, is_big);
		types = open_made(&made, NULL);
		check_members(types);
		assert_int_equal(linux_types_count(types), 11);
		assert_true(linux_types_size(types, 10, &size));
		assert_int_equal(size, 64);
		linux_types_free(types);
	}
}

static void test_types__what_is_missing_is_no_zero(void **state)
{
	static const char *const paths[] = { "z", "in.z", "next.x", "a.x", "", ".", "in.", "o" };
	struct linux_types *types;
	struct made made;

	(void)state;
	make(&made, false);
	types = open_made(&made, NULL);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(paths); i++)
		assert_false(find(types, paths[i]).is_there);
	assert_int_equal(linux_types_struct(types, "oute"), 0);
	assert_int_equal(linux_types_struct(types, "link"), 0); /* a typedef */
	linux_types_free(types);
}

struct places {
	struct linux_member a, z, size;
};

static void test_types__fill_names_what_is_missing(void **state)
{
	const struct linux_wanted wanted[] = {
		{ "outer", "a", offsetof(struct places, a), false, NULL },
		{ "outer", "z", offsetof(struct places, z), true, NULL },
		{ "inner", NULL, offsetof(struct places, size), false, NULL },
		{ "none", "a", offsetof(struct places, z), false, NULL },
	};
	const struct linux_wanted *missing = NULL;
	struct linux_types *types;
	struct places places;
	struct made made;

	(void)state;
	make(&made, false);
	types = open_made(&made, NULL);
	assert_true(linux_types_fill(types, wanted, 3, &places, &missing));
	assert_true(places.a.is_there && !places.z.is_there);
	assert_int_equal(places.size.size, 16);
	assert_false(linux_types_fill(types, wanted, 4, &places, &missing));
	assert_ptr_equal(missing, &wanted[3]);
	linux_types_free(types);
}

/* A module's: its numbers and its strings go on where the base's end. */
static void test_types__split_goes_on_from_the_base(void **state)
{
	struct linux_types *base, *types;
	struct linux_member at;
	struct made made, split;
	uint32_t outer_name;

	(void)state;
	make(&made, false);
	base = open_made(&made, NULL);
	outer_name = (uint32_t)(strlen("int") + 2); /* "long" in the base's strings */
	split = (struct made){ .size = 24 };
	split.nr_strings = 0;
	add32(&split, (uint32_t)made.nr_strings); /* "own": the first of its own strings */
	add32(&split, STRUCT << 24 | 2);
	add32(&split, 80);
	add32(&split, outer_name);
	add32(&split, 10); /* struct outer */
	add32(&split, 128);
	add32(&split, 0);
	add32(&split, 6); /* the base's union, without a name */
	add32(&split, 640);
	string(&split, "own");
	make_end(&split);
	types = open_made(&split, base);
	assert_int_equal(linux_types_struct(types, "own"), 11);
	assert_int_equal(linux_types_struct(types, "outer"), 10);
	assert_true(linux_types_member(types, 11, "long.in.y", &at));
	assert_int_equal(at.offset, 16 + 56);
	assert_true(linux_types_member(types, 11, "d", &at));
	assert_int_equal(at.offset, 80);
	linux_types_free(types);
	linux_types_free(base);
}

/* Whatever comes out of it, it is an answer. Bytes are in memory of their own, for the sanitizers. */
static void try_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size + !size);
	struct pgw_error err = { 0 };
	struct linux_types *types;
	uint64_t bytes_of;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	if (linux_types_open(copy, size, NULL, &types, &err) == 0) {
		find(types, "in.y");
		find(types, "nothing");
		for (uint32_t id = 0; id <= linux_types_count(types); id++)
			linux_types_size(types, id, &bytes_of);
		linux_types_free(types);
	} else {
		assert_int_equal(err.status, -PGW_ENOEXEC);
		assert_non_null(err.expected);
		assert_in_range(err.offset, 0, sizeof(((struct made *)NULL)->bytes));
	}
	free(copy);
}

static void test_types__cut_or_changed_anywhere_are_an_answer(void **state)
{
	static const uint8_t flips[] = { 0x01, 0x03, 0x80, 0xff };
	struct made made;

	(void)state;
	make(&made, false);
	for (size_t i = 0; i < made.size; i++) {
		try_bytes(made.bytes, i);
		for (size_t j = 0; j < sizeof(flips); j++) {
			made.bytes[i] ^= flips[j];
			try_bytes(made.bytes, made.size);
			made.bytes[i] ^= flips[j];
		}
	}
}

/* Types that lead to themselves, as no compiler writes them. */
static void test_types__loops_end(void **state)
{
	struct made made = { .size = 24, .nr_strings = 1 };
	struct linux_types *types;
	uint64_t size;

	(void)state;
	type(&made, "t", TYPEDEF << 24, 1); /* 1: itself */
	type(&made, "", ARRAY << 24, 0);    /* 2: of itself */
	add32(&made, 2);
	add32(&made, 1);
	add32(&made, 1);
	type(&made, "outer", STRUCT << 24 | 2, 8); /* 3: holds itself, twice */
	member(&made, "", 3, 0);
	member(&made, "", 3, 0);
	make_end(&made);
	types = open_made(&made, NULL);
	assert_false(linux_types_size(types, 1, &size));
	assert_false(linux_types_size(types, 2, &size));
	assert_false(find(types, "a").is_there);
	linux_types_free(types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types__members_are_found_through_anonymous_ones),
		cmocka_unit_test(test_types__what_is_missing_is_no_zero),
		cmocka_unit_test(test_types__fill_names_what_is_missing),
		cmocka_unit_test(test_types__split_goes_on_from_the_base),
		cmocka_unit_test(test_types__cut_or_changed_anywhere_are_an_answer),
		cmocka_unit_test(test_types__loops_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
