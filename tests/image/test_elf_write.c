/* SPDX-License-Identifier: BSD-2-Clause */
/* Cores that are written: what is kept reads the same, the rest is described and unreadable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <pagewalk/image.h>

#include "common/arena.h"
#include "image/mkelf.h"

#define STOPPED 7

/* What was written, in memory; and after how many pieces the writing is refused. */
struct sink {
	uint8_t *bytes;
	size_t size;
	long refuse_after; /* -1 = never */
	unsigned nr_calls;
};

static int sink_write(const void *bytes, size_t size, void *arg)
{
	struct sink *sink = arg;

	if (sink->refuse_after >= 0 && sink->nr_calls == (unsigned)sink->refuse_after)
		return STOPPED;
	sink->nr_calls++;
	sink->bytes = realloc(sink->bytes, sink->size + size);
	assert_non_null(sink->bytes);
	memcpy(sink->bytes + sink->size, bytes, size);
	sink->size += size;
	return 0;
}

/* 64 bytes at 0x1000 of which the file lacks the last 16, 32 beside them, 16 far away. */
static struct pgw_image *open_source(struct mkelf *elf)
{
	static uint8_t bytes[96];
	struct pgw_image *image;

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i + 1);
	mkelf_init(elf, MKELF_X86_64);
	mkelf_note(elf, "VMCOREINFO", 0, "OSRELEASE=5\n", 12);
	mkelf_qemu_cpu(elf, &(struct mkelf_cpu){ .cr3 = 0x1000 });
	mkelf_segment(elf, 0x1000, bytes, 48, 64);
	mkelf_segment(elf, 0x1040, bytes + 48, 32, 32);
	mkelf_segment(elf, 0x9000, bytes + 80, 16, 16);
	assert_int_equal(pgw_image_open(mkelf_save(elf), NULL, &image, NULL), 0);
	return image;
}

/* The image of what was written. */
static struct pgw_image *reopen(struct mkelf *elf, const struct sink *sink)
{
	struct pgw_image *image;

	mkelf_init(elf, 0);
	mkelf_build(elf);
	elf->file = realloc(elf->file, sink->size);
	assert_non_null(elf->file);
	memcpy(elf->file, sink->bytes, sink->size);
	elf->size = sink->size;
	assert_int_equal(pgw_image_open(mkelf_save(elf), NULL, &image, NULL), 0);
	return image;
}

static bool is_kept(uint64_t pa, const struct pgw_pa_range *keep, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (pa >= keep[i].first && pa <= keep[i].last)
			return true;
	}
	return false;
}

static void check_bytes(const struct pgw_image *from, const struct pgw_image *to,
			const struct pgw_pa_range *keep, size_t nr)
{
	for (uint64_t pa = 0xff0; pa < 0x9020; pa++) {
		uint8_t expected, byte;
		bool is_there = pgw_phys_read(pgw_image_phys(from), pa, &expected, 1) == 0;
		int err = pgw_phys_read(pgw_image_phys(to), pa, &byte, 1);

		assert_int_equal(err, is_there && is_kept(pa, keep, nr) ? 0 : -PGW_EIO);
		if (!err)
			assert_int_equal(byte, expected);
	}
}

static void check_described(const struct pgw_image *image)
{
	struct pgw_pa_range range;

	assert_true(pgw_image_next_described(image, 0, &range));
	assert_int_equal(range.first, 0x1000);
	assert_int_equal(range.last, 0x105f);
	assert_true(pgw_image_next_described(image, 0x1060, &range));
	assert_int_equal(range.first, 0x9000);
	assert_int_equal(range.last, 0x900f);
	assert_false(pgw_image_next_described(image, 0x9010, &range));
}

static void check_notes(struct pgw_image *image)
{
	const struct pgw_vmcoreinfo *list;
	struct pgw_cpu cpu;
	size_t nr;

	assert_int_equal(pgw_image_get_info(image)->elf_machine, MKELF_X86_64);
	assert_int_equal(pgw_image_cpu(image, 0, &cpu), 0);
	assert_int_equal(cpu.cr3, 0x1000);
	assert_int_equal(pgw_image_vmcoreinfo(image, &list, &nr), 0);
	assert_int_equal(nr, 1);
	assert_memory_equal(list[0].text, "OSRELEASE=5\n", 12);
}

/* Keep this, and hold what comes of it against the source. */
static void check_keep(const struct pgw_pa_range *keep, size_t nr)
{
	struct sink sink = { .refuse_after = -1 };
	struct mkelf from_elf, to_elf;
	struct pgw_image *from = open_source(&from_elf), *to;

	assert_int_equal(pgw_image_write_core(from, keep, nr, sink_write, &sink), 0);
	to = reopen(&to_elf, &sink);
	assert_false(pgw_image_get_info(to)->truncated);
	assert_int_equal(pgw_image_get_info(to)->nr_overlaps, 0);
	check_bytes(from, to, keep, nr);
	check_described(from);
	check_described(to);
	check_notes(to);
	pgw_image_close(to);
	mkelf_fini(&to_elf);
	pgw_image_close(from);
	mkelf_fini(&from_elf);
	free(sink.bytes);
}

static void test_write_core__what_is_kept_reads_the_same_and_nothing_else(void **state)
{
	static const struct {
		struct pgw_pa_range keep[3];
		size_t nr;
	} cases[] = {
		{ .nr = 0 },
		{ { { 0, UINT64_MAX } }, 1 },
		{ { { 0, 0xfff } }, 1 },
		{ { { 0x1000, 0x1000 } }, 1 },
		{ { { 0x1001, 0x1001 }, { 0x1003, 0x1003 } }, 2 },
		{ { { 0x1001, 0x1002 }, { 0x1003, 0x1004 } }, 2 },
		/* Over the bytes that are missing, in, before and behind. */
		{ { { 0x102f, 0x1040 } }, 1 },
		{ { { 0x1020, 0x1035 }, { 0x1038, 0x103f } }, 2 },
		{ { { 0x1030, 0x103f } }, 1 },
		{ { { 0x103f, 0x1040 } }, 1 },
		/* Over the ends of memory. */
		{ { { 0x105f, 0x2000 }, { 0x8fff, 0x9000 }, { 0x900f, 0x900f } }, 3 },
		{ { { 0x1050, 0x9007 }, { 0x9009, UINT64_MAX } }, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_keep(cases[i].keep, cases[i].nr);
}

static void test_write_core__random_ranges_are_kept(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct pgw_pa_range keep[8];
		uint64_t pa = 0xff8;
		size_t nr = 0;

		while (nr < 8 && pa < 0x1070) {
			keep[nr].first = pa + test_random(&seed) % 16;
			keep[nr].last = keep[nr].first + test_random(&seed) % 24;
			pa = keep[nr++].last + 1;
		}
		check_keep(keep, nr);
	}
}

static void test_write_core__a_sink_that_refuses_ends_it_with_its_value(void **state)
{
	static const struct pgw_pa_range keep = { 0x1000, 0x9010 };
	struct mkelf elf;
	struct pgw_image *image = open_source(&elf);
	int status = STOPPED;
	long n;

	(void)state;
	for (n = 0; status == STOPPED; n++) {
		struct sink sink = { .refuse_after = n };

		status = pgw_image_write_core(image, &keep, 1, sink_write, &sink);
		assert_true(status == 0 || sink.nr_calls == (unsigned)n);
		free(sink.bytes);
	}
	assert_int_equal(status, 0);
	/* The header, a header each for notes and three pieces, and their bytes. */
	assert_int_equal(n - 1, 1 + 4 + 4);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_write_core__ranges_out_of_order_are_refused(void **state)
{
	static const struct pgw_pa_range bad[][2] = {
		{ { 0x1010, 0x101f }, { 0x1000, 0x100f } },
		{ { 0x1000, 0x100f }, { 0x100f, 0x101f } },
		{ { 0x1001, 0x1000 }, { 0x2000, 0x2000 } },
	};
	struct sink sink = { .refuse_after = -1 };
	struct mkelf elf;
	struct pgw_image *image = open_source(&elf);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pgw_image_write_core(image, bad[i], 2, sink_write, &sink),
				 -PGW_EINVAL);
	assert_int_equal(sink.nr_calls, 0);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_write_core__an_image_that_holds_nothing_is_refused(void **state)
{
	struct sink sink = { .refuse_after = -1 };
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0x1000, NULL, 0, 0);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_write_core(image, NULL, 0, sink_write, &sink), -PGW_ENOENT);
	assert_int_equal(sink.nr_calls, 0);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

/* As many pieces as a header can count, and more; the last notes' header counts too. */
static void test_write_core__the_most_pieces_are_2_to_the_20(void **state)
{
	enum { MOST = 1 << 20 };
	struct pgw_pa_range *keep = calloc(MOST, sizeof(*keep));
	struct sink sink = { .refuse_after = 0 };
	uint8_t *bytes = calloc(MOST, 2);
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	assert_non_null(keep);
	assert_non_null(bytes);
	for (size_t i = 0; i < MOST; i++)
		keep[i].first = keep[i].last = 2 * i;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0, bytes, 2 * MOST, 2 * MOST);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	/* It gets as far as the first byte. */
	assert_int_equal(pgw_image_write_core(image, keep, MOST, sink_write, &sink), STOPPED);
	pgw_image_close(image);
	mkelf_fini(&elf);

	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0, bytes, 2 * MOST, 2 * MOST);
	mkelf_segment(&elf, 4 * MOST, bytes, 1, 1);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_write_core(image, keep, MOST, sink_write, &sink),
			 -PGW_EOVERFLOW);
	pgw_image_close(image);
	mkelf_fini(&elf);
	free(keep);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_core__what_is_kept_reads_the_same_and_nothing_else),
		cmocka_unit_test(test_write_core__random_ranges_are_kept),
		cmocka_unit_test(test_write_core__a_sink_that_refuses_ends_it_with_its_value),
		cmocka_unit_test(test_write_core__ranges_out_of_order_are_refused),
		cmocka_unit_test(test_write_core__an_image_that_holds_nothing_is_refused),
		cmocka_unit_test(test_write_core__the_most_pieces_are_2_to_the_20),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
