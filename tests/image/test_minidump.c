/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's minidumps of amd64 and arm64, by the published layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>
#include <pagewalk/mm.h>
#include <pagewalk/scan.h>

#include "base/bits.h"
#include "image/dumpfile.h"
#include "image/machine.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define PAGE 4096
#define MSGBUF 5000
#define PLACE (UINT64_C(1) << 30) /* where tables that the file has apart are put */

/* The kernel's last 2 GiB, and the 2 MiB that have its image. */
#define KERNBASE UINT64_C(0xffffffff80000000)
#define ARM64_KERNBASE UINT64_C(0xffff000000000000)

static struct machine machine;
static struct pgw_image *core; /* the machine as an ELF core */

static int set_up(void **state)
{
	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, 0x20000);
	machine_cpu(&machine, MACHINE_SWAPPER);
	core = machine_open(&machine);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	machine_fini_image(&machine, core);
	return 0;
}

static uint64_t table_below(uint64_t table, uint64_t va, unsigned level)
{
	uint64_t entry = machine_load(&machine, table + 8 * (va >> (12 + 9 * level) & 511));

	return entry & 1 ? entry & UINT64_C(0xffffffffff000) : 0;
}

/* The table of this level that maps va, as the machine has it; zeroes if it has none. */
static void add_table(struct dumpfile *file, uint64_t va, unsigned level)
{
	uint64_t table = MACHINE_SWAPPER;

	for (unsigned at = 3; at > level && table; at--)
		table = table_below(table, va, at);
	dumpfile_add(file, table ? machine.ram + table : NULL, PAGE);
}

static void round_up(struct dumpfile *file)
{
	dumpfile_fill(file, (file->size + PAGE - 1) / PAGE * PAGE);
}

/* What there is of memory; a gap is no part of dump_avail, but of the bitmap without it. */
static bool is_there(uint64_t page)
{
	return page < 0x60 || (page >= 0x70 && page != 0x78);
}

static void add_pages(struct dumpfile *file)
{
	for (uint64_t page = 0; page < MACHINE_PAGES; page++) {
		if (is_there(page))
			dumpfile_add(file, machine.ram + page * PAGE, PAGE);
	}
}

struct how {
	const char *magic;
	unsigned version;
	bool has_avail;
	bool is_arm64;
	uint64_t kernbase;
	unsigned nr_tables;
};

static void begin(struct dumpfile *file, const struct how *how)
{
	unsigned nr_bits = how->has_avail ? 0x70 : MACHINE_PAGES;
	uint64_t bits;

	dumpfile_add(file, how->magic, strlen(how->magic));
	dumpfile_fill(file, PAGE);
	dumpfile_put(file, 24, 4, how->version);
	dumpfile_put(file, 28, 4, MSGBUF);
	dumpfile_put(file, 32, 4, nr_bits / 8 + 8);
	dumpfile_put(file, 36, 4, how->nr_tables * PAGE);
	dumpfile_put(file, 40, 8, how->kernbase);
	dumpfile_add(file, NULL, MSGBUF);
	round_up(file);
	if (how->has_avail) {
		const uint64_t avail[] = { 0, 0x60000, 0x70000, RAM, 0, 0 };

		dumpfile_put(file, how->is_arm64 ? 72 : 64, 4, sizeof(avail));
		for (size_t i = 0; i < PGW_ARRAY_SIZE(avail); i++)
			dumpfile_add_number(file, 8, avail[i]);
		round_up(file);
	}
	bits = dumpfile_add(file, NULL, nr_bits / 8 + 8);
	for (unsigned bit = 0; bit < nr_bits; bit++) {
		unsigned page = how->has_avail && bit >= 0x60 ? bit + 0x10 : bit;

		if (is_there(page))
			file->bytes[bits + bit / 8] |= (uint8_t)(1 << bit % 8);
	}
	round_up(file);
}

static const struct how amd64_v1 = {
	"minidump FreeBSD/amd64", 1, false, false, MACHINE_KERNEL_VA, 1
};
static const struct how amd64_v2 = { "minidump FreeBSD/amd64", 2, false, false, KERNBASE, 2 };
static const struct how amd64_v3 = { "minidump FreeBSD/amd64", 3, true, false, KERNBASE, 2 };
static const struct how arm64_v1 = { "minidump FreeBSD/arm64", 1, false, true, ARM64_KERNBASE, 2 };
static const struct how arm64_v2 = { "minidump FreeBSD/arm64", 2, true, true, ARM64_KERNBASE, 2 };
static const struct how arm64_v3 = { "minidump FreeBSD/arm64", 3, true, true, ARM64_KERNBASE, 2 };

static void make(struct dumpfile *file, const struct how *how)
{
	begin(file, how);
	for (unsigned i = 0; i < how->nr_tables && !how->is_arm64; i++)
		add_table(file, how->kernbase + ((uint64_t)i << 30), how->version == 1 ? 0 : 1);
	if (how->is_arm64) {
		uint64_t at = dumpfile_add(file, NULL, (size_t)2 * PAGE);

		/* Pages of normal memory, accessed: three one after another, and the last. */
		for (unsigned i = 0; i < 3; i++)
			dumpfile_put(file, at + 8 * (4 + i), 8, (0x10000 + i * PAGE) | 0x403);
		dumpfile_put(file, at + 2 * PAGE - 8, 8, 0x7f000 | 0x403);
	}
	add_pages(file);
}

static void make_amd64_v3(struct dumpfile *file)
{
	make(file, &amd64_v3);
}

static void make_arm64_v3(struct dumpfile *file)
{
	make(file, &arm64_v3);
}

struct leaves {
	struct pgw_extent list[64];
	size_t nr;
};

static int add_leaf(const struct pgw_extent *extent, void *arg)
{
	struct leaves *leaves = arg;

	if (extent->kind != PGW_ENTRY_LEAF)
		return 0;
	assert_in_range(leaves->nr, 0, 63);
	leaves->list[leaves->nr++] = *extent;
	return 0;
}

static void scan(struct pgw_image *image, const struct pgw_root_info *root, uint64_t first,
		 struct leaves *ret)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(image),
		.root = root->root,
		.region = PGW_REGION_KERNEL,
		.control = root->control,
	};
	struct pgw_mm *mm;

	ret->nr = 0;
	assert_int_equal(pgw_mm_attach(&args, &mm), 0);
	assert_int_equal(pgw_scan_extents(mm, first, UINT64_MAX, add_leaf, ret), 0);
	pgw_mm_free(mm);
}

static void check_memory(struct pgw_image *image)
{
	const struct pgw_phys *phys = pgw_image_phys(image);

	for (uint64_t page = 0; page < MACHINE_PAGES + 8; page++) {
		uint8_t bytes[PAGE];
		int status = pgw_phys_read(phys, page * PAGE, bytes, PAGE);

		assert_int_equal(status, page < MACHINE_PAGES && is_there(page) ? 0 : -PGW_EIO);
		if (!status)
			assert_memory_equal(bytes, machine.ram + page * PAGE, PAGE);
	}
}

static struct pgw_image *open_dump(const struct how *how, struct dumpfile *file,
				   struct pgw_root_info *root)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;

	make(file, how);
	assert_string_equal(dumpfile_open(file, &image), "");
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "freebsd-minidump");
	assert_string_equal(info->arch, how->is_arm64 ? "arm64" : "x86_64");
	assert_int_equal(info->said_size, file->size);
	assert_false(info->truncated);
	check_memory(image);
	assert_int_equal(pgw_image_cpu_root(image, 0, root), 0);
	assert_int_equal(root->found, PGW_ROOT_FROM_FILE);
	assert_int_equal(root->state, PGW_ROOT_KERNEL);
	assert_int_equal(root->cpus, 0);
	assert_true(root->root.pa > PLACE);
	return image;
}

/* The kernel's leaves are those that the machine's own tables have. */
static void test_minidump__amd64_gives_the_leaves_that_the_machine_has(void **state)
{
	const struct how *const hows[] = { &amd64_v1, &amd64_v2, &amd64_v3 };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(hows); i++) {
		uint64_t first = hows[i]->kernbase;
		struct dumpfile file = { .size = 0 };
		struct pgw_root_info root, kernel;
		struct leaves of_core, of_dump;
		struct pgw_image *image = open_dump(hows[i], &file, &root);

		assert_int_equal(pgw_image_kernel_root(core, &kernel, NULL), 0);
		kernel.control = root.control;
		scan(core, &kernel, first, &of_core);
		scan(image, &root, first, &of_dump);
		assert_in_range(of_core.nr, 1, 60);
		assert_int_equal(of_dump.nr, of_core.nr);
		for (size_t j = 0; j < of_core.nr; j++) {
			assert_int_equal(of_dump.list[j].va_first, of_core.list[j].va_first);
			assert_int_equal(of_dump.list[j].va_last, of_core.list[j].va_last);
			assert_int_equal(of_dump.list[j].pa, of_core.list[j].pa);
		}
		pgw_image_close(image);
		dumpfile_fini(&file);
	}
}

static void test_minidump__arm64_gives_the_leaves_that_it_has(void **state)
{
	const struct how *const hows[] = { &arm64_v1, &arm64_v2, &arm64_v3 };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(hows); i++) {
		struct dumpfile file = { .size = 0 };
		struct pgw_root_info root;
		struct leaves leaves;
		struct pgw_image *image = open_dump(hows[i], &file, &root);

		scan(image, &root, ARM64_KERNBASE, &leaves);
		assert_int_equal(leaves.nr, 2);
		assert_int_equal(leaves.list[0].va_first, ARM64_KERNBASE + 4 * PAGE);
		assert_int_equal(leaves.list[0].va_last, ARM64_KERNBASE + 7 * PAGE - 1);
		assert_int_equal(leaves.list[0].pa, 0x10000);
		assert_int_equal(leaves.list[1].va_first, ARM64_KERNBASE + 0x3ff000);
		assert_int_equal(leaves.list[1].pa, 0x7f000);
		pgw_image_close(image);
		dumpfile_fini(&file);
	}
}

/* Tables that lie in several of those above them. */
static void test_minidump__tables_cross_those_above_them(void **state)
{
	static const struct how how = { "minidump FreeBSD/arm64",     3, true, true,
					UINT64_C(0xffffff7fffe00000), 2 };
	struct dumpfile file = { .size = 0 };
	struct pgw_root_info root;
	struct leaves leaves;
	struct pgw_image *image = open_dump(&how, &file, &root);

	(void)state;
	scan(image, &root, how.kernbase, &leaves);
	assert_int_equal(leaves.nr, 2);
	assert_int_equal(leaves.list[0].va_first, how.kernbase + 4 * PAGE);
	assert_int_equal(leaves.list[1].va_first, how.kernbase + 0x3ff000);
	pgw_image_close(image);
	dumpfile_fini(&file);
}

/* The bytes that are there of memory; the tables apart are there, or the file is refused. */
static void check_cut(struct dumpfile *file, uint64_t size, uint64_t pages)
{
	const struct pgw_image_info *info;
	uint64_t nr = 0, tables = 0;
	struct pgw_image *image;
	uint8_t byte;

	file->size = (size_t)size;
	if (size < pages) {
		assert_string_not_equal(dumpfile_open(file, &image), "");
		return;
	}
	assert_string_equal(dumpfile_open(file, &image), "");
	info = pgw_image_get_info(image);
	assert_true(info->truncated && info->said_size > info->file_size);
	for (uint64_t pa = 0; pa < RAM; pa++) {
		if (pgw_phys_read(pgw_image_phys(image), pa, &byte, 1))
			continue;
		assert_int_equal(byte, machine.ram[pa]);
		nr++;
	}
	while (pgw_phys_read(pgw_image_phys(image), PLACE + tables, &byte, 1) == 0)
		tables++;
	assert_int_equal(nr, size - pages);
	assert_int_equal(nr + tables, info->readable_bytes);
	pgw_image_close(image);
}

static void test_minidump__a_cut_file_has_what_it_has(void **state)
{
	struct dumpfile file = { .size = 0 };
	size_t whole;
	uint64_t pages;

	(void)state;
	make_amd64_v3(&file);
	whole = file.size;
	pages = whole - (MACHINE_PAGES - 0x11) * PAGE;
	for (uint64_t cut = PAGE; cut < pages; cut += PAGE) {
		check_cut(&file, cut - 1, pages);
		check_cut(&file, cut, pages);
	}
	check_cut(&file, 20, pages);
	check_cut(&file, pages - 1, pages);
	check_cut(&file, pages, pages);
	check_cut(&file, pages + 1, pages);
	check_cut(&file, whole - PAGE, pages);
	check_cut(&file, whole - 1, pages);
	file.size = whole;
	dumpfile_fini(&file);
}

#define AVAIL (3 * PAGE)
#define KERNEL_HALF                                                                                \
	"offset 0x28: expected an address of the kernel's half, at which a table begins, found "

static const struct dumpfile_row rows[] = {
	{ "another machine", 17, 4, 0x36383369,
	  "offset 0x11: a FreeBSD minidump of another machine than amd64 and arm64: only FreeBSD's "
	  "tools read it (kgdb, libkvm)" },
	{ "version 0", 24, 4, 0, "offset 0x18: expected a minidump of version 1 to 3, found 0x0" },
	{ "version 4", 24, 4, 4, "offset 0x18: expected a minidump of version 1 to 3, found 0x4" },
	{ "a message buffer as large as can be", 28, 4, UINT32_MAX,
	  "offset 0x24: expected tables inside the file, which may have been cut, found 0x2000" },
	{ "a bitmap as large as can be", 32, 4, UINT32_MAX,
	  "offset 0x24: expected tables inside the file, which may have been cut, found 0x2000" },
	{ "no tables", 36, 4, 0, "offset 0x24: expected whole pages of tables, found 0x0" },
	{ "tables that are no pages", 36, 4, 0x2008,
	  "offset 0x24: expected whole pages of tables, found 0x2008" },
	{ "more tables than are there", 36, 4, 0xfffff000, KERNEL_HALF "0xffffffff80000000" },
	{ "the kernel in the user's half", 40, 8, UINT64_C(1) << 39, KERNEL_HALF "0x8000000000" },
	{ "the kernel between tables", 40, 8, KERNBASE + PAGE, KERNEL_HALF "0xffffffff80001000" },
	{ "the kernel at the end", 40, 8, KERNBASE + (UINT64_C(1) << 30),
	  KERNEL_HALF "0xffffffffc0000000" },
	{ "memory that ends before it begins", AVAIL + 24, 8, 0x70000,
	  "offset 0x3018: expected the end of a piece of memory, behind its start, below 2^48, "
	  "found "
	  "0x70000" },
	{ "memory above all", AVAIL + 24, 8, UINT64_C(1) << 48,
	  "offset 0x3018: expected the end of a piece of memory, behind its start, below 2^48, "
	  "found "
	  "0x1000000000000" },
	{ "less memory than bits", AVAIL + 24, 8, 0x71000,
	  "offset 0x4000: expected a bitmap of the memory that there is, found 0x61" },
	{ "memory that begins later", AVAIL, 8, 0x20000,
	  "offset 0x4000: expected a bitmap of the memory that "
	  "there is, found 0x50" },
};

static void test_minidump__hostile_fields_are_refused_by_a_line(void **state)
{
	(void)state;
	dumpfile_check_rows(make_amd64_v3, rows, PGW_ARRAY_SIZE(rows));
}

static void test_minidump__pages_of_another_size_are_refused(void **state)
{
	static const struct dumpfile_row flags = {
		"16 KiB", 76, 4, 1,
		"offset 0x4c: expected a minidump with pages of 4 KiB (flags 0), found 0x1"
	};

	(void)state;
	dumpfile_check_rows(make_arm64_v3, &flags, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minidump__amd64_gives_the_leaves_that_the_machine_has),
		cmocka_unit_test(test_minidump__arm64_gives_the_leaves_that_it_has),
		cmocka_unit_test(test_minidump__tables_cross_those_above_them),
		cmocka_unit_test(test_minidump__a_cut_file_has_what_it_has),
		cmocka_unit_test(test_minidump__hostile_fields_are_refused_by_a_line),
		cmocka_unit_test(test_minidump__pages_of_another_size_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
