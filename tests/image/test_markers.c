/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's table of markers, found and mistaken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "image/machine.h"

/*
 * The array lies across a page boundary of the kernel's image. The names lie
 * behind it, the first across another boundary, where what follows in virtual
 * memory lies elsewhere in physical memory.
 */
#define ARRAY (MACHINE_KERNEL_PA + UINT64_C(0x7fe8))
#define NAMES (MACHINE_KERNEL_PA + UINT64_C(0xa000))
#define NAMES_PA UINT64_C(0x60000)
#define KERNEL_SPACE (UINT64_C(1) << 63)

static void put_marker(struct machine *machine, unsigned index, uint64_t start, const char *name,
		       uint64_t max_lines)
{
	uint64_t at = ARRAY + 24 * (uint64_t)index, name_pa = NAMES + 80 * (uint64_t)index - 8;

	machine_store(machine, at, start);
	machine_store(machine, at + 8, name ? machine_va(name_pa) : 0);
	machine_store(machine, at + 16, max_lines);
	for (size_t i = 0; name && i <= strlen(name); i++, name_pa++)
		machine->ram[name_pa < NAMES ? name_pa : name_pa - NAMES + NAMES_PA] =
			(uint8_t)name[i];
}

static void make_markers(struct machine *machine)
{
	machine_init(machine, 4);
	for (uint64_t i = 0; i < 2 * MACHINE_PAGE; i += MACHINE_PAGE)
		machine_map(machine, MACHINE_SWAPPER, machine_va(NAMES + i), NAMES_PA + i,
			    PTE_P | PTE_W);
	put_marker(machine, 0, 0, "User Space", 0);
	put_marker(machine, 1, KERNEL_SPACE, "Kernel Space", 0);
	put_marker(machine, 2, UINT64_C(0xffff888000000000), "Low Kernel Mapping", 0);
	put_marker(machine, 3, UINT64_C(0xffff000000000000), "Out of order", 16);
	put_marker(machine, 4, UINT64_MAX, NULL, 0);
}

/* What is found after a change of 8 bytes. */
static size_t find_markers(struct machine *machine, const struct pgw_marker **ret)
{
	struct pgw_image *image = machine_open(machine);
	struct pgw_root_info root;
	size_t nr;

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(pgw_image_markers(image, &root, ret, &nr), 0);
	return nr;
}

static void test_markers__are_found_in_the_kernels_order(void **state)
{
	const struct pgw_marker *list, *again;
	struct machine machine;
	struct pgw_root_info root;
	size_t nr;

	(void)state;
	make_markers(&machine);
	assert_int_equal(find_markers(&machine, &list), 4);
	assert_string_equal(list[0].name, "User Space");
	assert_int_equal(list[0].va, 0);
	assert_string_equal(list[1].name, "Kernel Space");
	assert_int_equal(list[1].va, KERNEL_SPACE);
	assert_int_equal(list[2].max_lines, 0);
	assert_string_equal(list[3].name, "Out of order");
	assert_int_equal(list[3].va, UINT64_C(0xffff000000000000));
	assert_int_equal(list[3].max_lines, 16);
	assert_int_equal(pgw_image_kernel_root(machine.image, &root, NULL), 0);
	assert_int_equal(pgw_image_markers(machine.image, &root, &again, &nr), 0);
	assert_ptr_equal(again, list);
	machine_fini(&machine);
}

static void test_markers__what_is_not_quite_a_table_is_not_taken(void **state)
{
	static const struct {
		uint64_t at;
		uint64_t value;
	} bends[] = {
		{ ARRAY, 1 },                                 /* first start */
		{ ARRAY + 24, KERNEL_SPACE + 1 },             /* second start */
		{ ARRAY + 8, 0 },                             /* no name */
		{ ARRAY + 32, UINT64_C(0xffffffff80000000) }, /* unmapped name */
		{ ARRAY + 32, UINT64_C(0x0000800000000000) }, /* in no half */
		{ ARRAY + 56, UINT64_C(0xffffffff81002000) }, /* a table for a name */
		{ NAMES - 8, 0x20726553554e4958 },            /* another first name */
		{ NAMES_PA + 80 - 8, 0 },                     /* an empty second name */
		{ NAMES_PA + 160 - 8, 0x000000000a4c4f57 },   /* a control character */
		{ ARRAY + 24 * 4, UINT64_MAX - 1 },           /* no end marker */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]); i++) {
		const struct pgw_marker *list;
		struct machine machine;

		make_markers(&machine);
		machine_store(&machine, bends[i].at, bends[i].value);
		assert_int_equal(find_markers(&machine, &list), 0);
		machine_fini(&machine);
	}
}

/* A copy that is no table does not hide the table. */
static void test_markers__search_goes_on_after_a_false_start(void **state)
{
	const struct pgw_marker *list;
	struct machine machine;

	(void)state;
	make_markers(&machine);
	memcpy(machine.ram + 0x8000, machine.ram + ARRAY, 48);
	assert_int_equal(find_markers(&machine, &list), 4);
	machine_fini(&machine);
}

static void test_markers__number_and_names_are_bounded(void **state)
{
	char name[65];

	(void)state;
	for (unsigned nr = 62; nr <= 66; nr++) {
		const struct pgw_marker *list;
		struct machine machine;

		make_markers(&machine);
		for (unsigned i = 4; i < nr; i++)
			put_marker(&machine, i, UINT64_C(0xffff888000000000) + i, "More", 0);
		put_marker(&machine, nr, UINT64_MAX, NULL, 0);
		assert_int_equal(find_markers(&machine, &list), nr < 64 ? nr : 0);
		machine_fini(&machine);
	}
	for (size_t len = 62; len <= 64; len++) {
		const struct pgw_marker *list;
		struct machine machine;

		memset(name, 'x', sizeof(name));
		name[len] = 0;
		make_markers(&machine);
		put_marker(&machine, 3, UINT64_C(0xffffffff80000000), name, 0);
		assert_int_equal(find_markers(&machine, &list), len < 64 ? 4 : 0);
		if (len < 64)
			assert_string_equal(list[3].name, name);
		machine_fini(&machine);
	}
}

/* Memory that is nothing but beginnings of tables. */
static void test_markers__hostile_memory_ends_in_time(void **state)
{
	const struct pgw_marker *list;
	struct machine machine;

	(void)state;
	make_markers(&machine);
	machine_store(&machine, ARRAY, 1);
	for (uint64_t pa = 0x50000; pa + 24 <= sizeof(machine.ram); pa += 24) {
		machine_store(&machine, pa, pa / 24 % 2 ? 0 : KERNEL_SPACE);
		machine_store(&machine, pa + 8, machine_va(NAMES + (pa / 24 % 2 ? 0 : 80) - 8));
		machine_store(&machine, pa + 16, 0);
	}
	assert_int_equal(find_markers(&machine, &list), 0);
	machine_fini(&machine);
}

#define ARM64_TABLES UINT64_C(0x50000)
#define ARM64_VA UINT64_C(0xffff000000000000)
#define ARM64_ARRAY UINT64_C(0x58ff8)
#define ARM64_NAMES UINT64_C(0x5a000)

static void put_arm64_marker(struct machine *machine, unsigned index, uint64_t start,
			     const char *name)
{
	uint64_t at = ARM64_ARRAY + 16 * (uint64_t)index,
		 name_pa = ARM64_NAMES + 32 * (uint64_t)index;

	machine_store(machine, at, start);
	machine_store(machine, at + 8, name ? ARM64_VA + name_pa : 0);
	if (name)
		memcpy(machine->ram + name_pa, name, strlen(name) + 1);
}

/* Its elements have no limit of lines. Tables that map a GiB from 0 on; an array below a name. */
static void make_arm64_markers(struct machine *machine, struct pgw_root_info *root)
{
	machine_init(machine, 4);
	machine_store(machine, ARM64_TABLES, (ARM64_TABLES + MACHINE_PAGE) | 3);
	machine_store(machine, ARM64_TABLES + MACHINE_PAGE, 1 | 1 << 10);
	put_arm64_marker(machine, 0, ARM64_VA, "Linear Mapping start");
	put_arm64_marker(machine, 1, UINT64_C(0xffff800000000000), "Linear Mapping end");
	put_arm64_marker(machine, 2, UINT64_C(0xfffffbfffdbfd123), "Third");
	put_arm64_marker(machine, 3, UINT64_MAX, NULL);
	*root = (struct pgw_root_info){
		.root.pa = ARM64_TABLES,
		.format = pgw_format_by_name("arm64-4k-48"),
	};
}

static void test_markers__arm64_has_its_own_layout(void **state)
{
	static const struct {
		uint64_t at;
		uint64_t value;
	} bends[] = {
		{ ARM64_ARRAY, ARM64_VA + 8 },            /* first start is no page */
		{ ARM64_ARRAY + 16, 0x1000 },             /* second is in the user half */
		{ ARM64_NAMES, 0x20726553554e4958 },      /* another first name */
		{ ARM64_NAMES + 32, 0x20726553554e4958 }, /* another second name */
		{ ARM64_ARRAY + 56, ARM64_VA },           /* no end marker */
	};
	const struct pgw_marker *list;
	struct pgw_root_info root;
	struct machine machine;
	size_t nr;

	(void)state;
	make_arm64_markers(&machine, &root);
	assert_int_equal(pgw_image_markers(machine_open(&machine), &root, &list, &nr), 0);
	assert_int_equal(nr, 3);
	assert_string_equal(list[0].name, "Linear Mapping start");
	assert_int_equal(list[1].va, UINT64_C(0xffff800000000000));
	assert_int_equal(list[2].va, UINT64_C(0xfffffbfffdbfd123));
	assert_string_equal(list[2].name, "Third");
	assert_int_equal(list[2].max_lines, 0);
	machine_fini(&machine);
	for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]); i++) {
		make_arm64_markers(&machine, &root);
		machine_store(&machine, bends[i].at, bends[i].value);
		assert_int_equal(pgw_image_markers(machine_open(&machine), &root, &list, &nr), 0);
		assert_int_equal(nr, 0);
		machine_fini(&machine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_markers__are_found_in_the_kernels_order),
		cmocka_unit_test(test_markers__what_is_not_quite_a_table_is_not_taken),
		cmocka_unit_test(test_markers__search_goes_on_after_a_false_start),
		cmocka_unit_test(test_markers__number_and_names_are_bounded),
		cmocka_unit_test(test_markers__arm64_has_its_own_layout),
		cmocka_unit_test(test_markers__hostile_memory_ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
