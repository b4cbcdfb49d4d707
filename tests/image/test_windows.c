/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows' crash dumps of whole machines, by the published layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/dumpfile.h"
#include "image/machine.h"
#include "image/same_image.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define ROOT 0x20000

static struct machine machine;
static struct pgw_image *core; /* the machine as an ELF core with a CPU */

static int set_up(void **state)
{
	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, ROOT);
	machine_map(&machine, ROOT, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	machine_cpu(&machine, ROOT);
	core = machine_open(&machine);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	machine_fini_image(&machine, core);
	return 0;
}

/* The runs of memory: in two pieces, one behind the other; the last is empty. */
static const uint64_t runs[3][2] = { { 0, 0x30 }, { 0x30, 0x50 }, { 0x200, 0 } };

static void add_header_64(struct dumpfile *file, unsigned type)
{
	dumpfile_add(file, "PAGEDU64", 8);
	dumpfile_fill(file, 0x2000);
	dumpfile_put(file, 0x10, 8, ROOT);
	dumpfile_put(file, 0x30, 4, 0x8664);
	dumpfile_put(file, 0x34, 4, 2);
	dumpfile_put(file, 0x88, 4, 3);
	dumpfile_put(file, 0x90, 8, MACHINE_PAGES);
	for (unsigned i = 0; i < 3; i++) {
		dumpfile_put(file, 0x98 + 16 * i, 8, runs[i][0]);
		dumpfile_put(file, 0xa0 + 16 * i, 8, runs[i][1]);
	}
	dumpfile_put(file, 0xf98, 4, type);
}

static void make_complete(struct dumpfile *file)
{
	add_header_64(file, 1);
	dumpfile_add(file, machine.ram, RAM);
}

/* Every page of which the test has is in the dump; one bit more than there is memory for. */
static bool is_left_out(uint64_t page)
{
	return page == 0x70 || page == 0x71 || page == 0x75;
}

static void add_bitmap(struct dumpfile *file, bool is_all)
{
	uint64_t at = dumpfile_add(file, NULL, 56), bits;

	memcpy(file->bytes + at, is_all ? "FDMPDUMP" : "SDMPDUMP", 8);
	dumpfile_put(file, at + 32, 8, 0x3000);
	dumpfile_put(file, at + 40, 8, is_all ? MACHINE_PAGES : MACHINE_PAGES - 3);
	dumpfile_put(file, at + 48, 8, MACHINE_PAGES + 64);
	bits = dumpfile_add(file, NULL, MACHINE_PAGES / 8 + 8);
	dumpfile_fill(file, 0x3000);
	for (uint64_t page = 0; page < MACHINE_PAGES; page++) {
		if (!is_all && is_left_out(page))
			continue;
		file->bytes[bits + page / 8] |= (uint8_t)(1 << page % 8);
		dumpfile_add(file, machine.ram + page * MACHINE_PAGE, MACHINE_PAGE);
	}
}

static void make_active(struct dumpfile *file)
{
	add_header_64(file, 5);
	add_bitmap(file, true);
}

static void make_kernel(struct dumpfile *file)
{
	add_header_64(file, 6);
	add_bitmap(file, false);
}

static void check_cpu(struct pgw_image *image)
{
	struct pgw_root_info root;
	struct pgw_cpu cpu;

	assert_int_equal(pgw_image_get_info(image)->nr_cpus, 1);
	assert_int_equal(pgw_image_cpu(image, 0, &cpu), 0);
	assert_int_equal(cpu.known, PGW_CPU_X86_CR3);
	assert_int_equal(cpu.cr3, ROOT);
	assert_int_equal(pgw_image_cpu_root(image, 0, &root), 0);
	assert_int_equal(root.root.pa, ROOT);
	assert_int_equal(root.control.known, 0);
}

static void test_windows__gives_what_a_core_gives(void **state)
{
	void (*const makes[])(struct dumpfile *) = { make_complete, make_active };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(makes); i++) {
		struct dumpfile file = { .size = 0 };
		const struct pgw_image_info *info;
		struct pgw_image *image;

		makes[i](&file);
		assert_string_equal(dumpfile_open(&file, &image), "");
		info = pgw_image_get_info(image);
		assert_string_equal(info->kind, "windows");
		assert_string_equal(info->arch, "x86_64");
		assert_int_equal(info->readable_bytes, RAM);
		assert_int_equal(info->said_size, file.size);
		assert_int_equal(info->excluded_bytes, 0);
		assert_int_equal(info->nr_overlaps, 0);
		assert_false(info->truncated);
		check_cpu(image);
		same_image(core, image);
		pgw_image_close(image);
		dumpfile_fini(&file);
	}
}

/* Pages that are not in the bitmap are excluded, if the machine had them. */
static void test_windows__a_kernel_dump_says_what_it_left_out(void **state)
{
	struct dumpfile file = { .size = 0 };
	const struct pgw_image_info *info;
	struct pgw_pa_range range;
	struct pgw_image *image;

	(void)state;
	make_kernel(&file);
	assert_string_equal(dumpfile_open(&file, &image), "");
	info = pgw_image_get_info(image);
	assert_int_equal(info->readable_bytes, RAM - 3 * MACHINE_PAGE);
	assert_int_equal(info->unreadable_bytes, 3 * MACHINE_PAGE);
	assert_int_equal(info->excluded_bytes, 3 * MACHINE_PAGE);
	assert_int_equal(info->nr_overlaps, 0);
	assert_true(pgw_image_next_described(image, 0, &range));
	assert_int_equal(range.last, RAM - 1);
	for (uint64_t page = 0; page < MACHINE_PAGES; page++) {
		uint8_t bytes[4096];
		int status = pgw_phys_read(pgw_image_phys(image), page * MACHINE_PAGE, bytes,
					   sizeof(bytes));

		assert_int_equal(status, is_left_out(page) ? -PGW_EIO : 0);
		if (!status)
			assert_memory_equal(bytes, machine.ram + page * MACHINE_PAGE, 4096);
	}
	check_cpu(image);
	pgw_image_close(image);
	dumpfile_fini(&file);
}

static void test_windows__a_cut_file_has_what_it_has(void **state)
{
	static const uint64_t complete[] = { 8,       0xf9b,   0xfff,           0x1000,
					     0x1fff,  0x2000,  0x2001,          0x31fff,
					     0x32000, 0x32001, 0x2000 + RAM - 1 };
	static const uint64_t kernel[] = {
		0x1000,      0x2000, 0x2037, 0x2038, 0x2038 + 23,
		0x2038 + 24, 0x2fff, 0x3000, 0x3001, 0x3000 + RAM - 4 * 4096 + 1
	};
	struct dumpfile file = { .size = 0 };

	(void)state;
	make_complete(&file);
	dumpfile_check_cuts(&file, complete, PGW_ARRAY_SIZE(complete), 0x1000, machine.ram, RAM);
	dumpfile_fini(&file);
	make_kernel(&file);
	dumpfile_check_cuts(&file, kernel, PGW_ARRAY_SIZE(kernel), 0x2038 + 24, machine.ram, RAM);
	dumpfile_fini(&file);
}

#define RUN "expected a run of fewer than 2^40 pages, below 2^52, found "
#define BITMAP "expected the header of a bitmap of pages (SDMP, FDMP), found "
#define SMALL                                                                                      \
	"offset 0xf98: a small memory dump of Windows: it holds no page tables: have the machine " \
	"write a complete, an active or a kernel dump"

static const struct dumpfile_row rows[] = {
	{ "kernel dump, old", 0xf98, 4, 2,
	  "offset 0xf98: a kernel dump of Windows 7 or before: have the machine write a complete "
	  "dump (CrashDumpEnabled 1)" },
	{ "header", 0xf98, 4, 3, SMALL },
	{ "triage", 0xf98, 4, 4, SMALL },
	{ "another type", 0xf98, 4, 7,
	  "offset 0xf98: expected a complete dump (1), or one with a bitmap (5, 6), found 0x7" },
	{ "a complete one's type", 0xf98, 4, 1, "" },
	{ "too many runs", 0x88, 4, 43,
	  "offset 0x88: expected as many runs of memory as the header has room for, found 0x2b" },
	{ "a run's start", 0xa8, 8, UINT64_C(1) << 40, "offset 0xa8: " RUN "0x10000000000" },
	{ "a run's size", 0xa0, 8, UINT64_MAX, "offset 0x98: " RUN "0x0" },
	{ "the largest run", 0xa0, 8, (UINT64_C(1) << 40) - 1, "" },
	{ "no bitmap", 0x2000, 4, 0, "offset 0x2000: " BITMAP "0x0" },
	{ "half a bitmap", 0x2004, 4, 0, "offset 0x2000: " BITMAP "0x504d4453" },
	{ "too many bits", 0x2030, 8, UINT64_C(1) << 40,
	  "offset 0x2030: expected fewer than 2^40 pages, found 0x10000000000" },
	{ "more bits than room", 0x2030, 8, 0x8000,
	  "offset 0x2020: expected pages that begin behind their bitmap, found 0x3000" },
	{ "pages in the bitmap", 0x2020, 8, 0x2000,
	  "offset 0x2020: expected pages that begin behind their bitmap, found 0x2000" },
	{ "pages nowhere", 0x2020, 8, UINT64_MAX,
	  "offset 0x2020: expected pages that begin behind their bitmap, found "
	  "0xffffffffffffffff" },
	{ "pages behind the end", 0x2020, 8, UINT64_C(1) << 50, "" },
	{ "a machine that is not known", 0x30, 4, 0x1234, "" },
	{ "arm64", 0x30, 4, 0xaa64, "" },
};

static void test_windows__hostile_fields_are_refused_by_a_line(void **state)
{
	(void)state;
	dumpfile_check_rows(make_kernel, rows, PGW_ARRAY_SIZE(rows));
}

/* The largest bitmap that is said to be there has to be in the file. */
static void test_windows__a_bitmap_behind_the_end_is_refused(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	make_kernel(&file);
	dumpfile_put(&file, 0x2020, 8, UINT64_C(1) << 50);
	dumpfile_put(&file, 0x2030, 8, (UINT64_C(1) << 40) - 1);
	assert_string_equal(dumpfile_open(&file, &image),
			    "offset 0x2030: expected a bitmap inside the file, which may have been "
			    "cut, found 0xffffffffff");
	dumpfile_fini(&file);
}

/* A 32-bit machine's: with PAE the root is known, without it is not. */
static void test_windows__of_a_32_bit_machine(void **state)
{
	(void)state;
	for (unsigned pae = 0; pae < 2; pae++) {
		struct dumpfile file = { .size = 0 };
		struct pgw_image *image;
		struct pgw_cpu cpu;
		uint8_t byte;

		dumpfile_add(&file, "PAGEDUMP", 8);
		dumpfile_fill(&file, 0x1000);
		dumpfile_put(&file, 0x10, 4, ROOT);
		dumpfile_put(&file, 0x20, 4, 0x14c);
		dumpfile_put(&file, 0x5c, 1, pae);
		dumpfile_put(&file, 0x64, 4, 2);
		dumpfile_put(&file, 0x6c, 4, 0x10);
		dumpfile_put(&file, 0x70, 4, 0x10);
		dumpfile_put(&file, 0x74, 4, 0);
		dumpfile_put(&file, 0x78, 4, 0x10);
		dumpfile_put(&file, 0xf88, 4, 1);
		dumpfile_add(&file, machine.ram + 0x10000, 0x10000);
		dumpfile_add(&file, machine.ram, 0x10000);
		assert_string_equal(dumpfile_open(&file, &image), "");
		assert_string_equal(pgw_image_get_info(image)->arch, "i386");
		assert_int_equal(pgw_image_get_info(image)->readable_bytes, 0x20000);
		assert_int_equal(pgw_image_cpu(image, 0, &cpu), 0);
		assert_int_equal(cpu.known, pae ? PGW_CPU_X86_CR3 : 0);
		for (uint64_t pa = 0; pa < 0x20000; pa += 0xfff) {
			assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, &byte, 1), 0);
			assert_int_equal(byte, machine.ram[pa]);
		}
		pgw_image_close(image);
		dumpfile_fini(&file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows__gives_what_a_core_gives),
		cmocka_unit_test(test_windows__a_kernel_dump_says_what_it_left_out),
		cmocka_unit_test(test_windows__a_cut_file_has_what_it_has),
		cmocka_unit_test(test_windows__hostile_fields_are_refused_by_a_line),
		cmocka_unit_test(test_windows__a_bitmap_behind_the_end_is_refused),
		cmocka_unit_test(test_windows__of_a_32_bit_machine),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
