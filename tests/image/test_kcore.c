/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies of /proc/kcore: program headers and notes in front, then segments in no order, at offsets
 * that are made of virtual addresses, up to 2^47; those of vmalloc, modules and vmemmap have no
 * physical address. What a copy does not have of them is holes.
 */
#define _GNU_SOURCE /* memfd_create */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/machine.h"
#include "image/same_image.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define NO_PA UINT64_MAX
#define HEADER 0x3000 /* what Linux adds to each offset */
#define SIZE UINT64_C(0x7fffff003000)
#define IMAGE_PAGES 16

struct segment {
	uint64_t va, pa, size;
};

/* As Linux 6.1 has them, with less memory; the kernel's image is a part of it, too. */
static const struct segment segments[] = {
	{ MACHINE_KERNEL_VA, MACHINE_KERNEL_PA, IMAGE_PAGES *MACHINE_PAGE },
	{ 0xffffa30000000000, NO_PA, 0x1fffffffffff },
	{ 0xffffffffc0000000, NO_PA, 0x3f000000 },
	{ 0xffff888000001000, 0x1000, 0x1f000 },
	{ 0xffffea0000000000, NO_PA, 0x1000 },
	{ 0xffff888000020000, 0x20000, RAM - 0x20000 },
};

static struct machine machine;
static struct pgw_image *core;

static int set_up(void **state)
{
	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, 0x20000);
	machine_map(&machine, 0x20000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	/* The first page is no memory that Linux shows. */
	mkelf_segment(&machine.elf, 0x1000, machine.ram + 0x1000, RAM - 0x1000, RAM - 0x1000);
	assert_int_equal(pgw_image_open(mkelf_save(&machine.elf), NULL, &core, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pgw_image_close(core);
	machine_fini(&machine);
	return 0;
}

static uint64_t offset_of(const struct segment *segment)
{
	return (segment->va & 0x7fffffffffff) + HEADER;
}

static void put(int fd, uint64_t at, const void *bytes, size_t size)
{
	assert_int_equal(pwrite(fd, bytes, size, (off_t)at), size);
}

static void put_header(int fd, size_t index, uint32_t type, uint64_t offset,
		       const struct segment *segment)
{
	uint8_t header[MKELF_PH] = { (uint8_t)type, 0, 0, 0, 7 };
	const uint64_t words[] = { offset,        segment->va,   segment->pa,
				   segment->size, segment->size, 0x1000 };

	memcpy(header + 8, words, sizeof(words));
	put(fd, MKELF_HEADER + index * MKELF_PH, header, sizeof(header));
}

/* @return its path; nothing of the segments without a physical address is in it */
static const char *make_copy(int *ret_fd)
{
	static char path[64];
	uint8_t header[MKELF_HEADER] = "\x7f"
				       "ELF\2\1\1";
	const struct segment notes = { 0, 0, 0x100 };
	int fd = memfd_create("kcore", MFD_CLOEXEC);
	size_t nr = PGW_ARRAY_SIZE(segments);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)SIZE), 0);
	header[16] = 4; /* ET_CORE */
	header[18] = MKELF_X86_64;
	header[20] = 1;
	header[32] = MKELF_HEADER;
	header[52] = MKELF_HEADER;
	header[54] = MKELF_PH;
	header[56] = (uint8_t)(nr + 1);
	put(fd, 0, header, sizeof(header));
	put_header(fd, 0, 4, 0x200, &notes);
	for (size_t i = 0; i < nr; i++) {
		put_header(fd, i + 1, 1, offset_of(&segments[i]), &segments[i]);
		if (segments[i].pa != NO_PA)
			put(fd, offset_of(&segments[i]), machine.ram + segments[i].pa,
			    (size_t)segments[i].size);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_fd = fd;
	return path;
}

static void test_kcore__a_copy_with_holes_is_read(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	int fd;

	(void)state;
	assert_int_equal(pgw_image_open(make_copy(&fd), NULL, &image, NULL), 0);
	info = pgw_image_get_info(image);
	assert_int_equal(info->file_size, SIZE);
	assert_int_equal(info->nr_unplaced, 3);
	assert_int_equal(info->readable_bytes, RAM - 0x1000);
	assert_false(info->truncated);
	same_image(core, image);
	pgw_image_close(image);
	close(fd);
}

/* dd with a count: what is at low offsets. That is no memory, and some is at none of them. */
static void test_kcore__the_beginning_of_one_says_that_it_was_cut(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	const char *path;
	int fd;

	(void)state;
	path = make_copy(&fd);
	/* Up to the middle of the last RAM. */
	assert_int_equal(ftruncate(fd, (off_t)offset_of(&segments[5]) + 0x20000), 0);
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	info = pgw_image_get_info(image);
	assert_true(info->truncated);
	assert_int_equal(info->readable_bytes, 0x3f000);
	assert_int_equal(info->unreadable_bytes, RAM - 0x40000);
	pgw_image_close(image);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
	assert_true(pgw_image_get_info(image)->truncated);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, 0);
	pgw_image_close(image);
	close(fd);
}

/* One that could not be mapped shrinks: then it has no more what it has lost. */
static void test_kcore__a_copy_that_shrinks_has_unreadable_memory(void **state)
{
	struct pgw_image *image;
	uint8_t bytes[16];
	int fd;

	(void)state;
	assert_int_equal(pgw_image_open(make_copy(&fd), NULL, &image, NULL), 0);
	assert_int_equal(ftruncate(fd, (off_t)offset_of(&segments[5]) + 0x1000), 0);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x20ff0, bytes, 16), 0);
	assert_memory_equal(bytes, machine.ram + 0x20ff0, 16);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x20ff1, bytes, 16), -PGW_EIO);
	pgw_image_close(image);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kcore__a_copy_with_holes_is_read),
		cmocka_unit_test(test_kcore__the_beginning_of_one_says_that_it_was_cut),
		cmocka_unit_test(test_kcore__a_copy_that_shrinks_has_unreadable_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
