/* SPDX-License-Identifier: BSD-2-Clause */
/* Files with holes: a look through memory leaves them out, and nothing else. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "image/mkelf.h"
#include "source/source.h"

#define PAGE UINT64_C(4096)
#define NR_PAGES 1600 /* a small file is not asked for holes */
#define NR_HOLES 80
#define NR_SEGMENTS 5

/* Segments of odd sizes that touch each other or do not, and then the same file with holes. */
static void make(struct mkelf *elf, uint8_t *bytes, uint64_t *seed)
{
	uint64_t pa = test_random(seed) % 3 * 1000, at = 0;

	memset(bytes, 0x5a, NR_PAGES * PAGE);
	mkelf_init(elf, MKELF_X86_64);
	for (unsigned i = 0; i < NR_SEGMENTS; i++) {
		uint64_t size = test_random(seed) % (NR_PAGES / NR_SEGMENTS * PAGE) + 1;

		mkelf_segment(elf, pa, bytes + at, size, size);
		pa += size + (test_random(seed) % 2 ? 0 : test_random(seed) % 10000);
		at += size;
	}
	mkelf_save(elf);
	for (unsigned i = 0; i < NR_HOLES; i++) {
		uint64_t first = 1 + test_random(seed) % (elf->size / PAGE);
		uint64_t nr = 1 + test_random(seed) % 20;

		assert_int_equal(fallocate(elf->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					   (off_t)(first * PAGE), (off_t)(nr * PAGE)),
				 0);
	}
}

static bool is_zero(const struct source *source, uint64_t first, uint64_t last)
{
	static uint8_t bytes[PAGE];

	for (uint64_t size; first <= last; first += size) {
		size = last - first < PAGE ? last - first + 1 : PAGE;
		assert_int_equal(pgw_phys_read(&source->phys, first, bytes, (size_t)size), 0);
		for (uint64_t i = 0; i < size; i++) {
			if (bytes[i])
				return false;
		}
	}
	return true;
}

/* In a run of what can be read: what is not looked at is zero, and pages are whole or not at all. */
static uint64_t check_run(const struct source *source, const struct pgw_pa_range *run)
{
	struct pgw_pa_range held;
	uint64_t pa = run->first, nr = 0;

	while (pa <= run->last && source_next_range(source, SOURCE_HELD, pa, &held) &&
	       held.first <= run->last) {
		assert_true(held.first >= pa && held.first <= held.last);
		assert_true(held.last <= run->last);
		assert_true(held.first % PAGE == 0 || held.first == run->first);
		assert_true((held.last + 1) % PAGE == 0 || held.last == run->last);
		assert_true(held.first == pa || is_zero(source, pa, held.first - 1));
		nr += held.last - held.first + 1;
		pa = held.last + 1;
	}
	assert_true(pa > run->last || is_zero(source, pa, run->last));
	return nr;
}

static void test_holes__are_left_out(void **state)
{
	const struct pgw_image_options opts = { .nr_ram = 0 };
	uint64_t seed = test_seed(), nr_held = 0, nr_readable = 0;
	uint8_t *bytes = malloc(NR_PAGES * PAGE);

	(void)state;
	assert_non_null(bytes);
	for (unsigned round = 0; round < 30; round++) {
		struct pgw_pa_range run = { 0 };
		struct source source;
		struct mkelf elf;
		uint64_t pa = 0;

		make(&elf, bytes, &seed);
		assert_int_equal(
			source_open(source_kinds, source_nr_kinds, elf.path, &opts, &source, NULL),
			0);
		for (; source_next_range(&source, SOURCE_READABLE, pa, &run); pa = run.last + 1) {
			nr_held += check_run(&source, &run);
			nr_readable += run.last - run.first + 1;
		}
		assert_false(source_next_range(&source, SOURCE_HELD, pa, &run));
		source_close(&source);
		mkelf_fini(&elf);
	}
	/* A good part are holes, each but for a page at each end. */
	assert_true(nr_held && nr_held < nr_readable * 3 / 4);
	free(bytes);
}

/* Much more than could be read in the time that a test has. */
static void test_holes__a_large_file_is_short_work(void **state)
{
	const struct pgw_image_options opts = { .nr_ram = 0 };
	struct pgw_pa_range held;
	struct source source;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0, "first", 5, UINT64_C(1) << 40);
	mkelf_save(&elf);
	mkelf_put(&elf, mkelf_ph(1) + 32, 8, UINT64_C(1) << 40);
	mkelf_save(&elf);
	assert_int_equal(ftruncate(elf.fd, (off_t)1 << 41), 0);
	assert_int_equal(pwrite(elf.fd, "last", 4, (off_t)1 << 39), 4);
	assert_int_equal(source_open(source_kinds, source_nr_kinds, elf.path, &opts, &source, NULL),
			 0);
	assert_true(source_next_range(&source, SOURCE_HELD, 0, &held));
	assert_int_equal(held.first, 0);
	assert_true(held.last < 3 * PAGE);
	assert_true(source_next_range(&source, SOURCE_HELD, held.last + 1, &held));
	assert_true(held.first < UINT64_C(1) << 39 && (UINT64_C(1) << 39) - held.first < 2 * PAGE);
	assert_false(source_next_range(&source, SOURCE_HELD, held.last + 1, &held));
	source_close(&source);
	mkelf_fini(&elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holes__are_left_out),
		cmocka_unit_test(test_holes__a_large_file_is_short_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
