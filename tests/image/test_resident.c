/* SPDX-License-Identifier: BSD-2-Clause */
/* However much of an image is read, little of it is resident at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/image.h>

#define PAGE ((size_t)4096)
#define SIZE ((size_t)128 << 20)
#define MOST ((size_t)24 << 20)

/* Bytes of files that are mapped and resident; 0 if the system does not tell. */
static size_t resident_files(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long size, resident, shared = 0;

	if (file && fscanf(file, "%lu %lu %lu", &size, &resident, &shared) != 3)
		shared = 0;
	if (file)
		fclose(file);
	return shared * (size_t)sysconf(_SC_PAGESIZE);
}

static void make_file(char *path, size_t size)
{
	static uint64_t block[(1 << 20) / 8];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	for (size_t at = 0; at < size; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block) / 8; i++)
			block[i] = at + i * 8 + 1;
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	}
	close(fd);
}

static void test_resident__reads_all_over_an_image_do_not_add_up(void **state)
{
	char path[] = "/tmp/pagewalk-resident.XXXXXX";
	struct pgw_image_ram ram = { .pa = 0, .path = path };
	struct pgw_image_options options = { .ram = &ram, .nr_ram = 1, .arch = "x86_64" };
	size_t before, most = 0;
	struct pgw_image *image;
	uint64_t page[PAGE / 8];

	(void)state;
	before = resident_files();
	if (!before)
		skip();
	make_file(path, SIZE);
	assert_int_equal(pgw_image_open(path, &options, &image, NULL), 0);
	for (int round = 0; round < 2; round++) {
		for (size_t pa = 0; pa < SIZE; pa += 4 * PAGE) {
			size_t now;

			assert_int_equal(pgw_phys_read(pgw_image_phys(image), pa, page, PAGE), 0);
			assert_int_equal(page[0], pa + 1);
			assert_int_equal(page[PAGE / 8 - 1], pa + PAGE - 8 + 1);
			now = resident_files();
			if (now > most)
				most = now;
		}
	}
	assert_true(most - before < MOST);
	pgw_image_close(image);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resident__reads_all_over_an_image_do_not_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
