/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw memory: where it is said to be, and where it is found to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/machine.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define HIGH_SIZE MIB /* of memory above 4 GiB */
#define DIRECT_MAP UINT64_C(0xffff888000000000)
#define ROOT UINT64_C(0x20000)

/* Files that a test makes; gone after it. */
static char paths[4][64];
static unsigned nr_paths;

static int new_file(void)
{
	char *path = paths[nr_paths++];
	int fd;

	snprintf(path, sizeof(paths[0]), "/tmp/pagewalk-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	return fd;
}

static void put_at(int fd, uint64_t offset, const void *bytes, size_t size)
{
	assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
}

static const char *file_of(const void *bytes, size_t size)
{
	int fd = new_file();

	put_at(fd, 0, bytes, size);
	close(fd);
	return paths[nr_paths - 1];
}

static int remove_files(void **state)
{
	(void)state;
	while (nr_paths)
		unlink(paths[--nr_paths]);
	return 0;
}

/* A whole file. */
static struct pgw_image_ram ram_at(uint64_t pa, const char *path)
{
	return (struct pgw_image_ram){ .pa = pa, .path = path };
}

static int open_ram(const struct pgw_image_ram *ram, size_t nr, const char *arch,
		    struct pgw_image **ret, struct pgw_error *err)
{
	const struct pgw_image_options opts = { .ram = ram, .nr_ram = nr, .arch = arch };

	return pgw_image_open(NULL, &opts, ret, err);
}

/* Readable ranges as first, last, first, last. */
static void check_ranges(struct pgw_image *image, const uint64_t *expected, size_t nr)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t pa = 0, first, last;

	assert_int_equal(pgw_image_get_info(image)->nr_ranges, nr);
	for (size_t i = 0; i < nr; i++) {
		assert_true(phys->ops->next_range(phys, pa, &first, &last));
		assert_int_equal(first, expected[2 * i]);
		assert_int_equal(last, expected[2 * i + 1]);
		pa = last + 1;
	}
	assert_false(phys->ops->next_range(phys, pa, &first, &last));
}

static uint8_t byte_at(struct pgw_image *image, uint64_t pa)
{
	uint8_t byte;

	assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, &byte, 1), 0);
	return byte;
}

static void test_ram__files_are_put_side_by_side(void **state)
{
	static const uint64_t ranges[] = { 0x1000, 0x2fff, 0x8000, 0x8fff };
	uint8_t a[4096], b[4096], both[16];
	const struct pgw_image_info *info;
	struct pgw_image_ram ram[3];
	struct pgw_image *image;

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	ram[0] = ram_at(0x8000, file_of(a, sizeof(a)));
	ram[1] = ram_at(0x2000, file_of(b, sizeof(b)));
	ram[2] = ram_at(0x1000, ram[0].path);
	assert_int_equal(open_ram(ram, 3, "x86_64", &image, NULL), 0);
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "raw");
	assert_string_equal(info->arch, "x86_64");
	assert_false(info->is_placed_by_proof);
	assert_int_equal(info->nr_segments, 3);
	assert_int_equal(info->file_size, 3 * 4096);
	assert_int_equal(info->nr_overlaps, 0);
	check_ranges(image, ranges, 2);
	assert_int_equal(byte_at(image, 0x1fff), 'a');
	assert_int_equal(byte_at(image, 0x2000), 'b');
	assert_int_equal(byte_at(image, 0x8fff), 'a');
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x1ff8, both, 16), 0);
	assert_memory_equal(both, "aaaaaaaabbbbbbbb", 16);
	pgw_image_close(image);
}

static void test_ram__the_first_of_two_has_an_address(void **state)
{
	static const uint64_t ranges[] = { 0x1000, 0x27ff };
	uint8_t a[4096], b[4096];
	struct pgw_image_ram ram[2];
	struct pgw_image *image;

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	ram[0] = ram_at(0x1800, file_of(a, sizeof(a)));
	ram[1] = ram_at(0x1000, file_of(b, sizeof(b)));
	assert_int_equal(open_ram(ram, 2, NULL, &image, NULL), 0);
	assert_null(pgw_image_get_info(image)->arch);
	assert_int_equal(pgw_image_get_info(image)->nr_overlaps, 1);
	check_ranges(image, ranges, 1);
	assert_int_equal(byte_at(image, 0x17ff), 'b');
	assert_int_equal(byte_at(image, 0x1800), 'a');
	assert_int_equal(byte_at(image, 0x27ff), 'a');
	pgw_image_close(image);
}

static void test_ram__parts_of_one_file(void **state)
{
	static const uint64_t ranges[] = { 0x1000, 0x1fff, 0x5000, 0x57ff, 0x8000, 0x80ff };
	uint8_t bytes[0x3000];
	struct pgw_image_ram ram[3];
	struct pgw_image *image;

	(void)state;
	memset(bytes, 'a', 0x1000);
	memset(bytes + 0x1000, 'b', 0x1000);
	memset(bytes + 0x2000, 'c', 0x1000);
	ram[0] = (struct pgw_image_ram){ 0x5000, file_of(bytes, sizeof(bytes)), 0x2800, 0 };
	ram[1] = (struct pgw_image_ram){ 0x1000, ram[0].path, 0xfff, 0x1000 };
	ram[2] = (struct pgw_image_ram){ 0x8000, ram[0].path, 0x2f00, 0x100 };
	assert_int_equal(open_ram(ram, 3, "x86_64", &image, NULL), 0);
	assert_int_equal(pgw_image_get_info(image)->file_size, 0x800 + 0x1000 + 0x100);
	check_ranges(image, ranges, 3);
	assert_int_equal(byte_at(image, 0x5000), 'c');
	assert_int_equal(byte_at(image, 0x1000), 'a');
	assert_int_equal(byte_at(image, 0x1001), 'b');
	assert_int_equal(byte_at(image, 0x80ff), 'c');
	pgw_image_close(image);
}

static void test_ram__a_part_outside_the_file_is_refused(void **state)
{
	static const uint64_t wrong[][2] = {
		{ 16, 0 }, { 17, 0 }, { 0, 17 }, { 15, 2 }, { 8, UINT64_MAX }, { UINT64_MAX, 0 },
	};
	uint8_t bytes[16] = { 1 };
	struct pgw_image_ram ram[2];
	struct pgw_image *image = NULL;
	struct pgw_error err;

	(void)state;
	ram[0] = (struct pgw_image_ram){ 0, file_of(bytes, sizeof(bytes)), 0, 16 };
	ram[1].path = file_of(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ram[1].offset = wrong[i][0];
		ram[1].size = wrong[i][1];
		assert_int_equal(open_ram(ram, 2, NULL, &image, &err), -PGW_EOVERFLOW);
		assert_string_equal(err.expected, "a part that ends no later than the file");
		assert_ptr_equal(err.file, ram[1].path);
	}
	assert_null(image);
}

static void test_ram__wrong_use_is_refused(void **state)
{
	uint8_t bytes[16] = { 1 };
	struct pgw_image_ram ram[2];
	struct pgw_image *image = NULL;
	struct pgw_error err;

	(void)state;
	ram[0] = ram_at(UINT64_MAX - 14, file_of(bytes, sizeof(bytes)));
	assert_int_equal(open_ram(ram, 1, NULL, &image, &err), -PGW_EOVERFLOW);
	assert_string_equal(err.expected, "memory that ends below 2^64");
	ram[0].pa = 0;
	ram[1] = ram_at(0, "/nonexistent/pagewalk");
	assert_int_equal(open_ram(ram, 2, NULL, &image, &err), -PGW_ENOENT);
	assert_int_equal(open_ram(ram, 1, "vax", &image, &err), -PGW_EINVAL);
	assert_int_equal(err.status, -PGW_EINVAL);
	ram[1].path = file_of(bytes, 0);
	assert_int_equal(open_ram(ram, 2, NULL, &image, &err), -PGW_ENOEXEC);
	assert_null(image);
}

/* Nothing in it proves itself: it can be read all the same, and has no roots. */
static void test_ram__of_no_known_machine_can_be_read(void **state)
{
	static uint8_t zeroes[64 << 10];
	const struct pgw_root_info *list;
	struct pgw_root_info root;
	struct pgw_image_ram ram = ram_at(0x10000, NULL);
	struct pgw_image *image;
	struct pgw_error err;
	size_t nr;

	(void)state;
	ram.path = file_of(zeroes, sizeof(zeroes));
	assert_int_equal(open_ram(&ram, 1, NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_get_info(image)->elf_machine, 0);
	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	assert_int_equal(nr, 0);
	assert_int_equal(pgw_image_kernel_root(image, &root, &err), -PGW_ENOENT);
	assert_non_null(err.expected);
	pgw_image_close(image);
}

/* The direct map of the last page of memory, and the root of a process in it. */
static uint64_t map_high(struct machine *machine, uint8_t *high, uint64_t last)
{
	uint64_t root = last - 4 * MACHINE_PAGE + 1;

	machine_map(machine, MACHINE_SWAPPER, DIRECT_MAP + (last & ~(MACHINE_PAGE - 1)),
		    last & ~(MACHINE_PAGE - 1), PTE_P | PTE_W);
	machine_map(machine, MACHINE_SWAPPER, DIRECT_MAP + (last & ~(MACHINE_PAGE - 1)) - 4096,
		    (last & ~(MACHINE_PAGE - 1)) - 4096, PTE_P | PTE_W);
	memcpy(high + HIGH_SIZE - 4 * MACHINE_PAGE + 2048, machine->ram + MACHINE_SWAPPER + 2048,
	       2048);
	return root;
}

/*
 * A machine whose memory ends at hole and goes on at 4 GiB, or goes on without
 * a hole if it is 0, in a file that has all its memory in one piece.
 */
static void check_hole(uint64_t low_size, uint64_t hole)
{
	uint64_t high_pa = hole ? 4 * GIB : low_size, last = high_pa + HIGH_SIZE - 1, root_pa;
	const uint64_t flat[] = { 0, last }, split[] = { 0, hole - 1, 4 * GIB, last };
	const struct pgw_root_info *list;
	static uint8_t high[HIGH_SIZE];
	struct machine machine;
	struct pgw_image *image;
	size_t nr;
	int fd = new_file();

	memset(high, 0, sizeof(high));
	machine_init(&machine, 4);
	root_pa = map_high(&machine, high, last);
	put_at(fd, 0, machine.ram, sizeof(machine.ram));
	put_at(fd, low_size, high, sizeof(high));
	close(fd);
	assert_int_equal(pgw_image_open(paths[nr_paths - 1], NULL, &image, NULL), 0);
	assert_true(pgw_image_get_info(image)->is_placed_by_proof);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, low_size + HIGH_SIZE);
	check_ranges(image, hole ? split : flat, hole ? 2 : 1);
	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(list[0].root.pa, MACHINE_SWAPPER);
	assert_int_equal(list[0].state, PGW_ROOT_KERNEL);
	assert_int_equal(list[1].root.pa, root_pa);
	pgw_image_close(image);
	machine_fini(&machine);
}

static void test_raw__memory_goes_on_above_the_hole(void **state)
{
	(void)state;
	check_hole(2 * GIB, 2 * GIB);
}

/* As large, but the file has the hole in it too: the kernel maps memory to the file's end. */
static void test_raw__without_a_hole_it_stays_in_one_piece(void **state)
{
	(void)state;
	check_hole(2 * GIB + 16 * MIB, 0);
}

static void test_raw__is_not_read_where_the_options_forbid(void **state)
{
	struct pgw_image_options opts = { .arch = "arm64" };
	struct machine machine;
	struct pgw_image *image = NULL;
	struct pgw_error err;
	const char *path;

	(void)state;
	machine_init(&machine, 4);
	path = file_of(machine.ram, sizeof(machine.ram));
	assert_int_equal(pgw_image_open(path, &opts, &image, &err), -PGW_ENOEXEC);
	opts.arch = "vax";
	assert_int_equal(pgw_image_open(path, &opts, &image, &err), -PGW_EINVAL);
	opts.arch = "x86_64";
	assert_int_equal(pgw_image_open(path, &opts, &image, &err), 0);
	pgw_image_close(image);
	machine_fini(&machine);
}

/* Every page may be a root, and none is: refused in bounded time and memory. */
static void test_raw__pages_without_end_that_look_like_roots_are_refused(void **state)
{
	uint64_t *pages = malloc(64 * MIB);
	struct pgw_image *image = NULL;
	struct pgw_error err;
	const char *path;

	(void)state;
	assert_non_null(pages);
	for (size_t i = 0; i < 64 * MIB / 8; i++)
		pages[i] = i % 512 == 511 ? (i * 8 & (64 * MIB - 4096)) | 0x63
					  : (i * 8 * 7 & (64 * MIB - 4096)) |
						    (i % 2 ? UINT64_C(0x0800000000000003)
							   : UINT64_C(0x1000000000000003));
	path = file_of(pages, 64 * MIB);
	free(pages);
	assert_int_equal(pgw_image_open(path, NULL, &image, &err), -PGW_ENOEXEC);
	assert_null(image);
}

/* More pages than can be looked at again: what would be an incomplete list is none. */
static void test_roots__too_many_to_list_is_said(void **state)
{
	enum { PIECE = 4 * MIB, NR = 257 };
	static struct pgw_image_ram ram[NR];
	static uint64_t pages[PIECE / 8];
	const struct pgw_root_info *list;
	struct pgw_root_info root;
	struct machine machine;
	struct pgw_image *image;
	size_t nr;

	(void)state;
	machine_init(&machine, 4);
	for (size_t i = 511; i < PIECE / 8; i += 512)
		pages[i] = 0x63;
	ram[0] = ram_at(0, file_of(machine.ram, sizeof(machine.ram)));
	ram[1] = ram_at(4 * GIB, file_of(pages, PIECE));
	for (size_t i = 2; i < NR; i++)
		ram[i] = ram_at(ram[i - 1].pa + PIECE, ram[1].path);
	assert_int_equal(open_ram(ram, NR, NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(pgw_image_roots(image, &list, &nr), -PGW_E2BIG);
	pgw_image_close(image);
	/* A few less, and they are looked at. */
	assert_int_equal(open_ram(ram, NR - 2, NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	assert_int_equal(nr, 1);
	pgw_image_close(image);
	machine_fini(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_ram__files_are_put_side_by_side, remove_files),
		cmocka_unit_test_teardown(test_ram__the_first_of_two_has_an_address, remove_files),
		cmocka_unit_test_teardown(test_ram__parts_of_one_file, remove_files),
		cmocka_unit_test_teardown(test_ram__a_part_outside_the_file_is_refused,
					  remove_files),
		cmocka_unit_test_teardown(test_ram__wrong_use_is_refused, remove_files),
		cmocka_unit_test_teardown(test_ram__of_no_known_machine_can_be_read, remove_files),
		cmocka_unit_test_teardown(test_raw__memory_goes_on_above_the_hole, remove_files),
		cmocka_unit_test_teardown(test_raw__without_a_hole_it_stays_in_one_piece,
					  remove_files),
		cmocka_unit_test_teardown(test_raw__is_not_read_where_the_options_forbid,
					  remove_files),
		cmocka_unit_test_teardown(
			test_raw__pages_without_end_that_look_like_roots_are_refused, remove_files),
		cmocka_unit_test_teardown(test_roots__too_many_to_list_is_said, remove_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
