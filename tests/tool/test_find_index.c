/* SPDX-License-Identifier: BSD-2-Clause */

/* The index of pgw_find(): what it finds is what is found without it, and one that lies finds less. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <pagewalk/analysis.h>
#include <pagewalk/hosted.h>

#include "common/shared_images.h"

#define MAX_FOUND 20000

static const struct pgw_find_index_of of = { 123456, 1700000000123456789 };

/* A file in memory, of words in our byte order. */
struct bytes {
	unsigned char *bytes;
	size_t size;
};

struct found {
	struct pgw_found list[MAX_FOUND];
	size_t nr;
};

struct fixture {
	struct pgw_image *image;
	struct pgw_find_args args;
	struct bytes index;
	char path[64];
	struct found with, without;
	uint64_t random;
};

static int take_bytes(const void *bytes, size_t size, void *arg)
{
	struct bytes *to = (struct bytes *)arg;

	to->bytes = realloc(to->bytes, to->size + size);
	assert_non_null(to->bytes);
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
	return 0;
}

static int take_found(const struct pgw_found *found, void *arg)
{
	struct found *to = (struct found *)arg;

	if (to->nr == MAX_FOUND)
		return 1;
	to->list[to->nr++] = *found;
	return 0;
}

static uint64_t next_random(struct fixture *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	return f->random ^= f->random << 17;
}

static struct fixture *fixture_open(const char *path)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *seed = getenv("PGW_TEST_SEED");

	assert_non_null(f);
	f->random = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	print_message("# seed %llu\n", (unsigned long long)f->random);
	f->random = f->random * 0x9e3779b97f4a7c15 + 1;
	assert_int_equal(pgw_image_open(path, NULL, &f->image, NULL), 0);
	f->args = (struct pgw_find_args){ .platform = pgw_hosted_platform(),
					  .image = f->image,
					  .max_tables = 1 << 20,
					  .fn = take_found };
	assert_int_equal(pgw_image_roots(f->image, &f->args.roots, &f->args.nr_roots), 0);
	assert_int_equal(pgw_find_index_write(&f->args, &of, take_bytes, &f->index), 0);
	snprintf(f->path, sizeof(f->path), "/tmp/test_find_index.XXXXXX");
	assert_return_code(close(mkstemp(f->path)), 0);
	return f;
}

static void fixture_close(struct fixture *f)
{
	unlink(f->path);
	free(f->index.bytes);
	pgw_image_close(f->image);
	free(f);
}

/* Write so many bytes of the index to its file, and open that. */
static int index_open(const struct fixture *f, size_t size, struct pgw_find_index **ret)
{
	FILE *file = fopen(f->path, "w");
	struct pgw_error err;

	assert_non_null(file);
	assert_int_equal(fwrite(f->index.bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return pgw_find_index_open(f->path, &f->args, &of, ret, &err);
}

static int look(struct fixture *f, const struct pgw_find_index *index, struct found *found,
		struct pgw_find_sums *sums)
{
	f->args.index = index;
	f->args.arg = found;
	found->nr = 0;
	return pgw_find(&f->args, sums);
}

static bool is_equal(const struct pgw_found *a, const struct pgw_found *b)
{
	return a->root == b->root && a->region == b->region && a->va_first == b->va_first &&
	       a->va_last == b->va_last && a->pa == b->pa && a->entry == b->entry &&
	       a->level == b->level && a->leaf_lg2 == b->leaf_lg2 && a->rights == b->rights;
}

/* Some memory, or a root's table. */
static void choose(struct fixture *f)
{
	static const uint64_t sizes[] = { 1, 1, 1, 0x1000, 0x3456, 2 << 20 };
	struct pgw_pa_range range;
	uint64_t pa = next_random(f) % (UINT64_C(8) << 30);

	if (next_random(f) % 4 == 0)
		f->args.pa_first = f->args.roots[next_random(f) % f->args.nr_roots].root.pa;
	else if (pgw_image_next_described(f->image, pa, &range) ||
		 pgw_image_next_described(f->image, 0, &range))
		f->args.pa_first = range.first + next_random(f) % (range.last - range.first + 1);
	f->args.pa_last = f->args.pa_first + sizes[next_random(f) % 6] - 1;
}

static void compare(struct fixture *f, const struct pgw_find_index *index)
{
	struct pgw_find_sums with, without;

	assert_int_equal(look(f, NULL, &f->without, &without), look(f, index, &f->with, &with));
	assert_int_equal(f->with.nr, f->without.nr);
	for (size_t i = 0; i < f->with.nr; i++)
		assert_true(is_equal(&f->with.list[i], &f->without.list[i]));
	assert_memory_equal(&with, &without, sizeof(with));
}

static void compare_many(const char *path, unsigned nr)
{
	struct fixture *f = fixture_open(path);
	struct pgw_find_index *index;
	size_t total = 0;

	assert_int_equal(index_open(f, f->index.size, &index), 0);
	for (unsigned i = 0; i < nr; i++) {
		choose(f);
		compare(f, index);
		total += f->with.nr;
	}
	/* There is nothing without a root, and each has at least what maps the kernel. */
	assert_true(!f->args.nr_roots || total);
	pgw_find_index_close(index);
	fixture_close(f);
}

static const char *small(char *path, size_t size)
{
	const char *tree = getenv("PGW_SOURCE_ROOT");

	snprintf(path, size, "%s/tests/data/x86_64-la48-pti.small.elf", tree ? tree : ".");
	return path;
}

static void test_find_index__finds_what_is_found_without_it(void **state)
{
	char path[512];

	(void)state;
	compare_many(small(path, sizeof(path)), 200);
}

static void test_find_index__finds_the_same_in_real_images(void **state)
{
	static const char *const names[] = {
		"x86_64-la48-pti.elf",       "x86_64-la57-pti.elf", "x86_64-la48-debian.elf",
		"arm64-4k-48-debian.elf",    "arm64-16k-47.elf",    "arm64-16k-52-lpa2-debian.elf",
		"riscv64-sv57.elf",          "arch/i386-pae.elf",   "arch/i386-nopae.elf",
		"arch/riscv-72max.elf",      "arch/s390x-61.elf",   "linux/linux-6.1-amd64.elf",
		"linux/linux-7.2-arm64.elf",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *path = shared_image(names[i]);

		if (!path)
			skip();
		print_message("# %s\n", names[i]);
		compare_many(path, 25);
	}
}

static void test_find_index__another_state_of_the_image_is_refused(void **state)
{
	struct pgw_find_index_of other = of;
	struct pgw_find_index *index = NULL;
	struct pgw_root_info *roots;
	struct pgw_error err;
	struct fixture *f;
	char path[512];

	(void)state;
	f = fixture_open(small(path, sizeof(path)));
	assert_int_equal(index_open(f, f->index.size, &index), 0);
	pgw_find_index_close(index);
	other.size++;
	assert_int_equal(pgw_find_index_open(f->path, &f->args, &other, &index, &err), -PGW_EINVAL);
	other = of;
	other.mtime_ns++;
	assert_int_equal(pgw_find_index_open(f->path, &f->args, &other, &index, &err), -PGW_EINVAL);
	roots = calloc(f->args.nr_roots, sizeof(*roots));
	assert_non_null(roots);
	memcpy(roots, f->args.roots, f->args.nr_roots * sizeof(*roots));
	f->args.roots = roots;
	roots[0].root.pa += 0x1000;
	assert_int_equal(pgw_find_index_open(f->path, &f->args, &of, &index, &err), -PGW_EINVAL);
	roots[0].root.pa -= 0x1000;
	roots[0].control.set ^= 1;
	assert_int_equal(pgw_find_index_open(f->path, &f->args, &of, &index, &err), -PGW_EINVAL);
	roots[0].control.set ^= 1;
	f->args.nr_roots--;
	assert_int_equal(pgw_find_index_open(f->path, &f->args, &of, &index, &err), -PGW_EINVAL);
	unlink(f->path);
	assert_int_equal(pgw_find_index_open(f->path, &f->args, &of, &index, &err), -PGW_ENOENT);
	free(roots);
	fixture_close(f);
}

static void test_find_index__one_that_is_cut_or_changed_is_refused(void **state)
{
	struct pgw_find_index *index = NULL;
	struct fixture *f;
	char path[512];

	(void)state;
	f = fixture_open(small(path, sizeof(path)));
	for (size_t size = 0; size < f->index.size; size += size < 200 ? 1 : 97)
		assert_int_equal(index_open(f, size, &index), -PGW_ENOEXEC);
	for (size_t at = 0; at < f->index.size; at += 61) {
		f->index.bytes[at] ^= 0x10;
		assert_int_equal(index_open(f, f->index.size, &index), -PGW_ENOEXEC);
		f->index.bytes[at] ^= 0x10;
	}
	fixture_close(f);
}

static uint64_t load(const struct fixture *f, size_t word)
{
	uint64_t value = 0;

	for (unsigned i = 8; i-- > 0;)
		value = value << 8 | f->index.bytes[8 * word + i];
	return value;
}

static void store(const struct fixture *f, size_t word, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		f->index.bytes[8 * word + i] = (unsigned char)(value >> (8 * i));
}

/* docs/find-index.md: FNV-1a over the words before. */
static void sign(const struct fixture *f)
{
	uint64_t checksum = 0xcbf29ce484222325;

	for (size_t word = 0; word + 1 < f->index.size / 8; word++)
		checksum = (checksum ^ load(f, word)) * 0x100000001b3;
	store(f, f->index.size / 8 - 1, checksum);
}

/* All that a lying index finds is there. */
static void find_less(struct fixture *f, const struct pgw_find_index *index)
{
	struct pgw_find_sums sums;
	size_t at = 0;

	choose(f);
	look(f, NULL, &f->without, &sums);
	look(f, index, &f->with, &sums);
	for (size_t i = 0; i < f->with.nr; i++) {
		const struct pgw_found *found = &f->with.list[i];

		for (at = 0; at < f->without.nr; at++) {
			const struct pgw_found *real = &f->without.list[at];

			if (real->root == found->root && real->region == found->region &&
			    real->va_first <= found->va_first && real->va_last >= found->va_last)
				break;
		}
		assert_true(at < f->without.nr);
	}
}

static void test_find_index__one_that_lies_finds_nothing_that_is_not_there(void **state)
{
	struct pgw_find_index *index = NULL;
	unsigned nr_open = 0;
	struct fixture *f;
	char path[512];

	(void)state;
	f = fixture_open(small(path, sizeof(path)));
	for (unsigned i = 0; i < 1500; i++) {
		size_t word = 8 + next_random(f) % (f->index.size / 8 - 9);
		uint64_t value = load(f, word);
		const uint64_t lies[] = {
			0,         UINT64_MAX,     value + 1,
			value - 1, next_random(f), value ^ UINT64_C(1) << next_random(f) % 64
		};

		store(f, word, lies[next_random(f) % 6]);
		sign(f);
		if (index_open(f, f->index.size, &index) == 0) {
			find_less(f, index);
			pgw_find_index_close(index);
			nr_open++;
		}
		store(f, word, value);
	}
	assert_true(nr_open);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_index__finds_what_is_found_without_it),
		cmocka_unit_test(test_find_index__finds_the_same_in_real_images),
		cmocka_unit_test(test_find_index__another_state_of_the_image_is_refused),
		cmocka_unit_test(test_find_index__one_that_is_cut_or_changed_is_refused),
		cmocka_unit_test(test_find_index__one_that_lies_finds_nothing_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
