/* SPDX-License-Identifier: BSD-2-Clause */

/* Trims of a made-up machine: what they keep, and what becomes of reads that go wrong. */

#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/analysis.h>

#include "system/system_priv.h"
#include "image/machine.h"

#define USER_ROOT UINT64_C(0x30000)
#define STOPPED 7

static void make_machine(struct machine *machine, unsigned nr_levels)
{
	machine_init(machine, nr_levels);
	machine_process(machine, USER_ROOT);
	machine_map(machine, USER_ROOT, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	memcpy(machine->ram + MACHINE_USER_PAGE, "a secret", 8);
	machine_cpu(machine, USER_ROOT);
}

/* Bytes written, or refused after so many calls. */
struct sink {
	unsigned char bytes[MACHINE_PAGES * 4096 + 65536];
	size_t size;
	long refuse_after; /* -1 = never */
	long nr_calls;
};

static int sink_write(const void *bytes, size_t size, void *arg)
{
	struct sink *sink = arg;

	if (sink->nr_calls++ == sink->refuse_after)
		return STOPPED;
	assert_true(size <= sizeof(sink->bytes) - sink->size);
	memcpy(sink->bytes + sink->size, bytes, size);
	sink->size += size;
	return 0;
}

static bool sink_has(const struct sink *sink, const char *text)
{
	return memmem(sink->bytes, sink->size, text, strlen(text)) != NULL;
}

/* The trimmed image, opened. */
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

static void check_roots(struct pgw_image *a, struct pgw_image *b)
{
	const struct pgw_root_info *x, *y;
	size_t nr_x, nr_y;

	assert_int_equal(pgw_image_roots(a, &x, &nr_x), 0);
	assert_int_equal(pgw_image_roots(b, &y, &nr_y), 0);
	assert_int_equal(nr_x, nr_y);
	assert_true(nr_x >= 2);
	for (size_t i = 0; i < nr_x; i++) {
		struct pgw_integrity met_x, met_y;

		assert_int_equal(x[i].root.pa, y[i].root.pa);
		assert_int_equal(x[i].state, y[i].state);
		assert_int_equal(x[i].proof, y[i].proof);
		assert_int_equal(x[i].found, y[i].found);
		assert_int_equal(pgw_integrity(a, &x[i], 1000, &met_x), 0);
		assert_int_equal(pgw_integrity(b, &y[i], 1000, &met_y), 0);
		assert_int_equal(met_x.nr_tables, met_y.nr_tables);
		assert_int_equal(met_x.nr_outside, met_y.nr_outside);
		assert_int_equal(met_y.nr_unreadable, 0);
	}
}

static void test_trim__roots_and_tables_are_kept_and_pages_are_not(void **state)
{
	static struct machine machine;
	static struct sink sink;

	(void)state;
	for (unsigned nr_levels = 4; nr_levels <= 5; nr_levels++) {
		struct pgw_trim_summary summary;
		struct pgw_image *image, *trimmed;
		struct mkelf elf;

		make_machine(&machine, nr_levels);
		image = machine_open(&machine);
		sink = (struct sink){ .refuse_after = -1 };
		assert_int_equal(pgw_trim(image, sink_write, &sink, &summary), 0);
		assert_true(sink_has(&sink, "VMCOREINFO"));
		assert_false(sink_has(&sink, "a secret"));
		trimmed = reopen(&elf, &sink);
		check_roots(image, trimmed);
		assert_int_equal(pgw_image_get_info(trimmed)->readable_bytes, summary.kept_bytes);
		pgw_image_close(trimmed);
		mkelf_fini(&elf);
		machine_fini(&machine);
	}
}

static void test_trim__a_sink_that_refuses_ends_it(void **state)
{
	static struct machine machine;
	static struct sink sink;
	struct pgw_trim_summary summary = { .nr_tables = 12345 };
	struct pgw_image *image;
	int status = STOPPED;

	(void)state;
	make_machine(&machine, 4);
	image = machine_open(&machine);
	for (long n = 0; status == STOPPED; n++) {
		sink = (struct sink){ .refuse_after = n };
		assert_int_equal(summary.nr_tables, 12345);
		status = pgw_trim(image, sink_write, &sink, &summary);
	}
	assert_int_equal(status, 0);
	machine_fini(&machine);
}

/* One read after the other goes wrong, until there is none left that could. */
static void check_faults(enum pgw_phys_fault_kind kind)
{
	static struct machine machine;
	static struct sink sink;
	uint64_t nth = 0, most = 0, least = UINT64_MAX; /* tables */
	bool was_hit;

	do {
		struct pgw_trim_summary summary = { 0 };
		struct pgw_phys_fault fault;
		struct pgw_image *image;
		struct pgw_phys inner;
		int status;

		make_machine(&machine, 4);
		image = machine_open(&machine);
		inner = image->phys;
		pgw_phys_fault_init(&fault, &inner, kind, nth++);
		image->phys = fault.phys;
		sink = (struct sink){ .refuse_after = -1 };
		status = pgw_trim(image, sink_write, &sink, &summary);
		was_hit = fault.nr_reads >= nth;
		if (status && status != -PGW_EIO)
			assert_int_equal(status, -PGW_ENOENT);
		assert_true(!status || was_hit);
		most = summary.nr_tables > most ? summary.nr_tables : most;
		least = summary.nr_tables < least ? summary.nr_tables : least;
		image->phys = inner;
		machine_fini(&machine);
	} while (was_hit);
	assert_true(nth > 10);
	/* A table that cannot be read has none below it. */
	assert_true(kind != PGW_FAULT_FAIL || least < most);
}

static void test_trim__reads_that_fail_are_errors_or_missing_tables(void **state)
{
	(void)state;
	check_faults(PGW_FAULT_FAIL);
}

static void test_trim__reads_that_lie_end(void **state)
{
	(void)state;
	check_faults(PGW_FAULT_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trim__roots_and_tables_are_kept_and_pages_are_not),
		cmocka_unit_test(test_trim__a_sink_that_refuses_ends_it),
		cmocka_unit_test(test_trim__reads_that_fail_are_errors_or_missing_tables),
		cmocka_unit_test(test_trim__reads_that_lie_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
