/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps that libkdumpfile reads, with it and without. An s390 dump is by the published layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/dumpfile.h"

#define PAGE ((size_t)4096)
#define NR_PAGES 33
#define RAM (NR_PAGES * PAGE)

static uint8_t ram[RAM];

static void put_be(struct dumpfile *file, uint64_t at, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		file->bytes[at + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

/* A header of a page, memory from 0 on, an end mark (s390-tools, zdump's dfi_s390.h). */
static void make_s390(struct dumpfile *file)
{
	dumpfile_fill(file, PAGE);
	put_be(file, 0, 8, 0xa8190173618f23fd);
	put_be(file, 8, 4, 5);
	put_be(file, 12, 4, PAGE);
	put_be(file, 16, 4, 4);
	put_be(file, 20, 4, PAGE);
	put_be(file, 24, 8, RAM);
	put_be(file, 40, 8, RAM);
	put_be(file, 48, 4, NR_PAGES);
	put_be(file, 56, 8, 1);
	put_be(file, 72, 4, 2);
	put_be(file, 80, 4, 2);
	put_be(file, 84, 8, RAM);
	for (size_t i = 0; i < RAM; i++)
		ram[i] = (uint8_t)(i * 2654435761u >> 13);
	dumpfile_add(file, ram, RAM);
	dumpfile_add(file, "DUMP_END", 8);
	dumpfile_add(file, NULL, 8);
	put_be(file, file->size - 8, 8, 2);
}

static bool is_installed(void)
{
	void *handle = dlopen("libkdumpfile.so.10", RTLD_NOW | RTLD_LOCAL);

	if (handle)
		dlclose(handle);
	return handle;
}

/* In a folder that has nothing but the dump for its root, no library is found. */
static void say_without_library(const struct dumpfile *file, int out)
{
	struct pgw_image *image;
	struct pgw_error err;
	char text[400];

	if (chroot(file->folder)) {
		dprintf(out, "no root");
		return;
	}
	if (pgw_image_open(strrchr(file->path, '/'), NULL, &image, &err) == 0) {
		dprintf(out, "it opens");
		return;
	}
	pgw_error_format(&err, text, sizeof(text));
	dprintf(out, "%s", text);
}

static void test_kdumpfile__without_the_library_the_kind_is_named(void **state)
{
	struct dumpfile file = { .size = 0 };
	char text[500] = "";
	int ends[2];
	ssize_t n;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_s390(&file);
	dumpfile_save(&file, "dump");
	assert_int_equal(pipe(ends), 0);
	if (fork() == 0) {
		say_without_library(&file, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	close(ends[0]);
	assert_true(wait(NULL) > 0);
	if (strcmp(text, "no root") != 0)
		assert_string_equal(text,
				    "offset 0x0: an s390 dump: libkdumpfile reads it if it is "
				    "installed (Debian's package libkdumpfile10), and it cannot "
				    "be loaded");
	dumpfile_fini(&file);
}

static void test_kdumpfile__gives_the_memory(void **state)
{
	struct dumpfile file = { .size = 0 };
	const struct pgw_image_info *info;
	const struct pgw_phys *phys;
	uint8_t bytes[2 * PAGE];
	struct pgw_image *image;

	(void)state;
	if (!is_installed())
		skip();
	make_s390(&file);
	assert_string_equal(dumpfile_open(&file, &image), "");
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "other");
	assert_string_equal(info->reader, "libkdumpfile");
	assert_string_equal(info->arch, "s390x");
	assert_int_equal(info->readable_bytes, RAM);
	assert_int_equal(info->nr_ranges, 1);
	phys = pgw_image_phys(image);
	for (uint64_t pa = 0; pa + sizeof(bytes) <= RAM; pa += 777) {
		assert_int_equal(pgw_phys_read(phys, pa, bytes, sizeof(bytes)), 0);
		assert_memory_equal(bytes, ram + pa, sizeof(bytes));
	}
	assert_int_equal(pgw_phys_read(phys, RAM - 1, bytes, 1), 0);
	assert_int_equal(pgw_phys_read(phys, RAM - 1, bytes, 2), -PGW_EIO);
	assert_int_equal(pgw_phys_read(phys, RAM, bytes, 1), -PGW_EIO);
	pgw_image_close(image);
	dumpfile_fini(&file);
}

/* What it does not open is refused by the name that it has here. */
static void test_kdumpfile__what_the_library_refuses_is_named(void **state)
{
	static const uint64_t sizes[] = { 8, 100, PAGE, PAGE + 1, PAGE + RAM, PAGE + RAM + 15 };
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	if (!is_installed())
		skip();
	make_s390(&file);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(sizes); i++) {
		file.size = (size_t)sizes[i];
		assert_string_equal(dumpfile_open(&file, &image),
				    "offset 0x0: an s390 dump: libkdumpfile does not read it; dump "
				    "again with kdump, as an ELF core (makedumpfile -E)");
	}
	dumpfile_fini(&file);
}

/* Pages that the file cannot have are not believed, whatever its header says. */
static void test_kdumpfile__memory_is_bounded_by_the_file(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;

	(void)state;
	if (!is_installed())
		skip();
	make_s390(&file);
	put_be(&file, 48, 4, UINT32_MAX);
	assert_string_equal(dumpfile_open(&file, &image),
			    "expected memory below 2^52, of at most 1032 times the bytes of the "
			    "file");
	dumpfile_fini(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kdumpfile__without_the_library_the_kind_is_named),
		cmocka_unit_test(test_kdumpfile__gives_the_memory),
		cmocka_unit_test(test_kdumpfile__what_the_library_refuses_is_named),
		cmocka_unit_test(test_kdumpfile__memory_is_bounded_by_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
