/* SPDX-License-Identifier: BSD-2-Clause */
/* VMware's saved states, with their memory in them or beside them, by the published layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/dumpfile.h"
#include "image/machine.h"
#include "image/same_image.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define ROOT 0x20000
#define CPU0_CR3 MACHINE_SWAPPER

/* Where a state has what. */
#define GROUPS 12
#define GROUP_SIZE 80
#define TAGS (GROUPS + 3 * GROUP_SIZE)

static struct machine machine;
static struct pgw_image *core; /* the machine as an ELF core with its two CPUs */

static int set_up(void **state)
{
	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, ROOT);
	machine_map(&machine, ROOT, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	machine_cpu(&machine, CPU0_CR3);
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

static void add_name(struct dumpfile *file, unsigned flags, const char *name)
{
	dumpfile_add_number(file, 1, flags);
	dumpfile_add_number(file, 1, strlen(name));
	dumpfile_add(file, name, strlen(name));
}

static void add_number(struct dumpfile *file, const char *name, int index, unsigned size,
		       uint64_t value)
{
	add_name(file, (index < 0 ? 0 : 1u << 6) | size, name);
	if (index >= 0)
		dumpfile_add_number(file, 4, (unsigned)index);
	dumpfile_add_number(file, size, value);
}

static void add_block(struct dumpfile *file, const char *name, const unsigned *indices, unsigned nr,
		      const void *bytes, size_t size)
{
	unsigned padding = nr ? 0 : 5;

	add_name(file, nr << 6 | 63, name);
	for (unsigned i = 0; i < nr; i++)
		dumpfile_add_number(file, 4, indices[i]);
	dumpfile_add_number(file, 8, size);
	dumpfile_add_number(file, 8, size);
	dumpfile_add_number(file, 2, padding);
	dumpfile_add(file, NULL, padding);
	dumpfile_add(file, bytes, size);
}

static void add_group(struct dumpfile *file, unsigned number, const char *name)
{
	uint64_t at = GROUPS + number * GROUP_SIZE;

	strcpy((char *)file->bytes + at, name);
	dumpfile_put(file, at + 64, 8, file->size);
}

/* Its first CPU's registers are a block, the second's are numbers. */
static void add_cpus(struct dumpfile *file)
{
	static const unsigned cpu[] = { 0, 0 };
	uint8_t bytes[72] = { 0 };
	const uint64_t crs[] = { 0x80050033, 0, 0, CPU0_CR3, 0x3506f0 };

	for (unsigned i = 0; i < 5; i++) {
		for (unsigned j = 0; j < 8; j++)
			bytes[8 * i + j] = (uint8_t)(crs[i] >> (8 * j));
	}
	add_group(file, 1, "cpu");
	add_number(file, "cpu:numVCPUs", -1, 4, 2);
	add_block(file, "CR64", cpu, 1, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 5; i++) {
		add_name(file, 2 << 6 | 8, "CR64");
		dumpfile_add_number(file, 4, 1);
		dumpfile_add_number(file, 4, i);
		dumpfile_add_number(file, 8, i == 3 ? ROOT : crs[i]);
	}
	memset(bytes, 0, sizeof(bytes));
	for (unsigned j = 0; j < 8; j++)
		bytes[2 + j] = (uint8_t)(MACHINE_IDT_VA >> (8 * j));
	add_block(file, "IDTR", cpu, 1, bytes, 10);
	dumpfile_add(file, NULL, 2);
}

static void begin(struct dumpfile *file)
{
	dumpfile_add_number(file, 4, 0xbed2bed2);
	dumpfile_add_number(file, 4, 8);
	dumpfile_add_number(file, 4, 3);
	dumpfile_fill(file, TAGS);
	add_group(file, 0, "Checkpoint");
	add_number(file, "version", -1, 4, 1);
	add_number(file, "three", -1, 3, 0x030201);
	dumpfile_add(file, NULL, 2);
}

/* The second region is at the higher address, and earlier in the file. */
static void add_regions(struct dumpfile *file)
{
	static const unsigned regions[2][3] = { { 0, 0x40, 0x30 }, { 0x30, 0, 0x40 } };

	add_number(file, "regionsCount", -1, 4, 3);
	for (int i = 0; i < 2; i++) {
		add_number(file, "regionPPN", i, 4, regions[i][0]);
		add_number(file, "regionPageNum", i, 4, regions[i][1]);
		add_number(file, "regionSize", i, 4, regions[i][2]);
	}
	add_number(file, "regionPPN", 2, 8, 0x70);
	add_number(file, "regionPageNum", 2, 8, 0x70);
	add_number(file, "regionSize", 2, 8, 0x10);
}

static void add_memory(struct dumpfile *file)
{
	dumpfile_add(file, machine.ram + 0x30000, 0x40000);
	dumpfile_add(file, machine.ram, 0x30000);
	dumpfile_add(file, machine.ram + 0x70000, 0x10000);
}

/* A state without its memory. */
static void make_state(struct dumpfile *file)
{
	begin(file);
	add_cpus(file);
	add_group(file, 2, "memory");
	add_regions(file);
	dumpfile_add(file, NULL, 2);
}

/* A state with its memory, which is in one piece. */
static void make_whole(struct dumpfile *file)
{
	begin(file);
	add_cpus(file);
	add_group(file, 2, "memory");
	add_number(file, "regionsCount", -1, 4, 0);
	add_block(file, "Memory", NULL, 0, machine.ram, RAM);
	dumpfile_add(file, NULL, 2);
}

static void check_image(struct pgw_image *image, uint64_t file_size)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	struct pgw_cpu cpu;

	assert_string_equal(info->kind, "vmware");
	assert_string_equal(info->arch, "x86_64");
	assert_string_equal(info->writer, "VMware");
	assert_int_equal(info->readable_bytes, RAM);
	assert_int_equal(info->file_size, file_size);
	assert_int_equal(info->said_size, file_size);
	assert_false(info->truncated);
	assert_int_equal(info->nr_cpus, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pgw_image_cpu(image, i, &cpu), 0);
		assert_int_equal(cpu.known, PGW_CPU_X86_CR);
		assert_int_equal(cpu.cr0, 0x80050033);
		assert_int_equal(cpu.cr3, i ? ROOT : CPU0_CR3);
		assert_int_equal(cpu.cr4, 0x3506f0);
		assert_int_equal(cpu.idt_base, i ? 0 : MACHINE_IDT_VA);
	}
	same_image(core, image);
	pgw_image_close(image);
}

static void test_vmware__a_state_with_memory_gives_what_a_core_gives(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	make_whole(&file);
	assert_string_equal(dumpfile_open(&file, &image), "");
	check_image(image, file.size);
	dumpfile_fini(&file);
}

/* Whichever of the two files is given, and whatever the state's name ends with. */
static void test_vmware__the_other_file_is_found_beside_it(void **state)
{
	static const char *const names[] = { "my.vmss", "my.vmsn" };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		struct dumpfile file = { .size = 0 }, memory = { .size = 0 };
		struct pgw_image *image;
		char path[160];

		make_state(&file);
		add_memory(&memory);
		dumpfile_save(&file, names[i]);
		dumpfile_save_beside(&file, &memory, "my.vmem");
		assert_string_equal(dumpfile_open(&file, &image), "");
		assert_int_equal(pgw_image_get_info(image)->nr_segments, 3);
		check_image(image, file.size + memory.size);
		strcpy(path, file.path);
		strcpy(path + strlen(path) - 4, "vmem");
		assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
		check_image(image, file.size + memory.size);
		dumpfile_fini(&file);
		dumpfile_fini(&memory);
	}
}

static void test_vmware__a_state_without_memory_is_named(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	make_state(&file);
	for (unsigned i = 0; i < 2; i++) {
		dumpfile_save(&file, i ? "some.vmss" : "some");
		assert_string_equal(dumpfile_open(&file, &image),
				    "offset 0x0: a VMware saved state without its memory: put the "
				    ".vmem file beside it that has the same name");
	}
	dumpfile_fini(&file);
}

/* The kernel's root has to prove itself then, and does. */
static void test_vmware__memory_alone_is_raw_memory(void **state)
{
	struct dumpfile memory = { .size = 0 }, other = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	dumpfile_add(&memory, machine.ram, RAM);
	dumpfile_add(&other, "no state", 8);
	for (unsigned i = 0; i < 2; i++) {
		dumpfile_save(&memory, "my.vmem");
		assert_string_equal(dumpfile_open(&memory, &image), "");
		assert_string_equal(pgw_image_get_info(image)->kind, "raw");
		pgw_image_close(image);
		dumpfile_save_beside(&memory, &other, "my.vmss");
	}
	dumpfile_fini(&memory);
	dumpfile_fini(&other);
}

static void test_vmware__a_cut_file_has_what_it_has(void **state)
{
	struct dumpfile file = { .size = 0 };
	uint64_t cuts[] = { 4, 11, 12, 13, GROUPS + GROUP_SIZE - 1, TAGS - 1, TAGS, TAGS + 1, 0, 0,
			    0, 0,  0,  0 };
	size_t nr = PGW_ARRAY_SIZE(cuts);
	uint64_t memory_at;

	(void)state;
	make_whole(&file);
	memory_at = file.size - 2 - RAM;
	cuts[nr - 7] = file.size - 1;
	cuts[nr - 5] = memory_at - 1;
	cuts[nr - 4] = memory_at + 1;
	cuts[nr - 3] = memory_at + 0x1234;
	cuts[nr - 2] = file.size - 3;
	cuts[nr - 6] = memory_at - 24;
	/* A block's place is known once its header is there; behind it may be more that says where. */
	dumpfile_check_cuts(&file, cuts + nr - 5, 4, 0, machine.ram, RAM);
	for (size_t i = 0; i + 5 < nr; i++) {
		struct pgw_image *image;

		file.size = (size_t)cuts[i];
		assert_string_not_equal(dumpfile_open(&file, &image), "");
	}
	dumpfile_fini(&file);
}

static void test_vmware__cut_memory_beside_it_is_said(void **state)
{
	static const uint64_t sizes[] = { 1, 0x3ffff, 0x40000, 0x40001, RAM - 1 };
	struct dumpfile file = { .size = 0 }, memory = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	make_state(&file);
	dumpfile_save(&file, "my.vmss");
	add_memory(&memory);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(sizes); i++) {
		memory.size = (size_t)sizes[i];
		dumpfile_save_beside(&file, &memory, "my.vmem");
		assert_string_equal(dumpfile_open(&file, &image), "");
		assert_int_equal(pgw_image_get_info(image)->said_size, file.size + RAM);
		assert_int_equal(pgw_image_get_info(image)->readable_bytes, sizes[i]);
		dumpfile_check_part(image, machine.ram, RAM);
		pgw_image_close(image);
	}
	dumpfile_fini(&file);
	dumpfile_fini(&memory);
}

/* Of make_whole(): behind two groups' tags, the regions' number and the memory's block. */
#define CPU_TAGS (TAGS + 2 + 7 + 4 + 2 + 5 + 3 + 2)
#define CPU_INDEX (CPU_TAGS + 2 + 12 + 4 + 2 + 4)

static const struct dumpfile_row rows[] = {
	{ "too many groups", 8, 4, 4097,
	  "offset 0x8: expected at most 4096 groups of the saved state, found 0x1001" },
	{ "a group behind the end", GROUPS + 2 * GROUP_SIZE + 64, 8, UINT64_MAX - 1,
	  "offset 0xfffffffffffffffe: expected a tag of the saved state inside the file, which may "
	  "have been cut, found 0x80254" },
	{ "tags that are none", GROUPS + GROUP_SIZE + 64, 8, 4, "" },
	{ "a CPU's number", CPU_INDEX, 4, 8192,
	  "offset 0x127: expected a CPU whose number is below 8192, found 0x2000" },
	{ "the highest CPU's number", CPU_INDEX, 4, 8191, "" },
	{ "a block with a size that wraps", CPU_INDEX + 4, 8, UINT64_MAX,
	  "offset 0x127: expected a tag of the saved state inside the file, which may have been "
	  "cut, found 0x80254" },
};

static void test_vmware__hostile_fields_are_refused_by_a_line(void **state)
{
	(void)state;
	dumpfile_check_rows(make_whole, rows, PGW_ARRAY_SIZE(rows));
}

static void check_region(const char *name, int index, uint64_t value, const char *text)
{
	struct dumpfile file = { .size = 0 }, memory = { .size = 0 };
	struct pgw_image *image;

	begin(&file);
	add_group(&file, 2, "memory");
	add_regions(&file);
	add_number(&file, name, index, 8, value);
	dumpfile_add(&file, NULL, 2);
	add_memory(&memory);
	dumpfile_save(&file, "my.vmsn");
	dumpfile_save_beside(&file, &memory, "my.vmem");
	if (*text)
		assert_non_null(strstr(dumpfile_open(&file, &image), text));
	else
		assert_string_equal(dumpfile_open(&file, &image), "");
	pgw_image_close(image);
	dumpfile_fini(&file);
	dumpfile_fini(&memory);
}

static void test_vmware__hostile_regions_are_refused_by_a_line(void **state)
{
	static const char *const bounds = "regions of fewer than 2^40 pages of memory, below 2^52";

	(void)state;
	check_region("regionsCount", -1, 17, "at most 16 regions of memory, found 0x11");
	check_region("regionPPN", 1, UINT64_C(1) << 40, bounds);
	check_region("regionPageNum", 1, UINT64_MAX, bounds);
	check_region("regionSize", 0, UINT64_C(1) << 63, bounds);
	check_region("regionSize", 16, UINT64_C(1) << 63, "");
	check_region("regionPPN", 1, 0, "");
}

static void test_vmware__compressed_memory_is_named(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	make_whole(&file);
	file.bytes[file.size - 2 - RAM - 5 - 18 - 6 - 2] = 62;
	assert_non_null(strstr(dumpfile_open(&file, &image),
			       ": a VMware saved state with compressed memory: "));
	dumpfile_fini(&file);
}

/* With PAE, a root has four entries in which bits are reserved that long mode's tables use. */
static void test_vmware__of_a_32_bit_machine(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;
	uint64_t ram;

	(void)state;
	make_whole(&file);
	ram = file.size - 2 - RAM;
	dumpfile_put(&file, ram + CPU0_CR3, 8, 0x30001);
	for (unsigned i = 1; i < 4; i++)
		dumpfile_put(&file, ram + CPU0_CR3 + 8 * i, 8, 0);
	assert_string_equal(dumpfile_open(&file, &image), "");
	assert_string_equal(pgw_image_get_info(image)->arch, "i386");
	pgw_image_close(image);
	dumpfile_put(&file, ram + CPU0_CR3, 8, 0x30003);
	assert_string_equal(dumpfile_open(&file, &image), "");
	assert_string_equal(pgw_image_get_info(image)->arch, "x86_64");
	pgw_image_close(image);
	dumpfile_fini(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmware__a_state_with_memory_gives_what_a_core_gives),
		cmocka_unit_test(test_vmware__the_other_file_is_found_beside_it),
		cmocka_unit_test(test_vmware__a_state_without_memory_is_named),
		cmocka_unit_test(test_vmware__memory_alone_is_raw_memory),
		cmocka_unit_test(test_vmware__a_cut_file_has_what_it_has),
		cmocka_unit_test(test_vmware__cut_memory_beside_it_is_said),
		cmocka_unit_test(test_vmware__hostile_fields_are_refused_by_a_line),
		cmocka_unit_test(test_vmware__hostile_regions_are_refused_by_a_line),
		cmocka_unit_test(test_vmware__compressed_memory_is_named),
		cmocka_unit_test(test_vmware__of_a_32_bit_machine),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
