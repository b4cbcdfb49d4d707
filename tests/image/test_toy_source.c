/* SPDX-License-Identifier: BSD-2-Clause */
/* A kind of source that is made up here: what the library needs of one is in struct source_ops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "image/find_root.h"
#include "image/machine.h"
#include "source/source_priv.h"
#include "system/system_priv.h"

/* The kind: a magic of 8 bytes, where memory is, how large, a CPU's CR3, the bytes upside down. */
#define TOY_MAGIC "a toy\0\n"
#define TOY_SIZE 8
#define TOY_PA 16
#define TOY_CR3 24
#define TOY_HEADER 32

struct toy {
	uint64_t pa, size;
};

static bool toy_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[sizeof(TOY_MAGIC)];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       memcmp(magic, TOY_MAGIC, sizeof(magic)) == 0;
}

static int toy_open(struct source *source, const struct pgw_image_options *options,
		    struct pgw_error *err)
{
	uint8_t header[TOY_HEADER];
	struct toy *toy;

	(void)options;
	if (!source_read_file(source, 0, header, sizeof(header)))
		return source_fail_at(err, -PGW_ENOEXEC, 0, source->info.file_size,
				      "a header of 32 bytes");
	toy = source->state = malloc(sizeof(*toy));
	if (!toy)
		return source_fail(err, -PGW_ENOMEM, NULL);
	toy->size = load_le64(header + TOY_SIZE);
	toy->pa = load_le64(header + TOY_PA);
	source->cpus = calloc(1, sizeof(*source->cpus));
	if (!source->cpus)
		return source_fail(err, -PGW_ENOMEM, NULL);
	source->nr_cpus = 1;
	source->cpus->known = PGW_CPU_X86_CR;
	source->cpus->cr0 = BIT(31) | BIT(0); /* PG, PE */
	source->cpus->cr3 = load_le64(header + TOY_CR3);
	source->cpus->cr4 = BIT(5); /* PAE */
	source->has_machine = source->has_places = true;
	source->info.elf_machine = MKELF_X86_64;
	source->info.readable_bytes = toy->size;
	return 0;
}

static void toy_close(struct source *source)
{
	free(source->state);
}

static int toy_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	const struct toy *toy = source->state;
	uint8_t *bytes = buf;

	if (pa < toy->pa || pa - toy->pa > toy->size || len > toy->size - (pa - toy->pa) ||
	    !source_read_file(source, TOY_HEADER + (pa - toy->pa), buf, len))
		return -PGW_EIO;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)~bytes[i];
	return 0;
}

static bool toy_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			   struct pgw_pa_range *ret)
{
	const struct toy *toy = source->state;

	(void)extent;
	*ret = (struct pgw_pa_range){ toy->pa, toy->pa + (toy->size - 1) };
	return pa <= ret->last;
}

static const struct source_ops toy_ops = {
	.name = "toy",
	.probe = toy_probe,
	.open = toy_open,
	.close = toy_close,
	.read = toy_read,
	.next_range = toy_next_range,
};

/* What a line in src/source/registry.c would do. */
static struct image_kinds kinds_with_toy(void)
{
	static const struct source_ops *list[32];
	struct image_kinds kinds = { list, source_nr_kinds + 1 };

	assert_true(kinds.nr <= PGW_ARRAY_SIZE(list));
	for (size_t i = 0; i < source_nr_kinds; i++)
		list[i] = source_kinds[i];
	list[source_nr_kinds] = &toy_ops;
	return kinds;
}

static void write_file(char *path, const void *header, size_t header_size, const uint8_t *bytes,
		       size_t size)
{
	FILE *file;
	int fd;

	strcpy(path, "/tmp/pagewalk-toy-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	file = fdopen(fd, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(header, 1, header_size, file), header_size);
	for (size_t i = 0; i < size; i++)
		assert_int_not_equal(putc((uint8_t)~bytes[i], file), EOF);
	assert_int_equal(fclose(file), 0);
}

static void write_toy(char *path, const struct machine *machine, uint64_t cr3)
{
	uint8_t header[TOY_HEADER] = TOY_MAGIC;
	uint64_t size = sizeof(machine->ram), pa = 0;

	memcpy(header + TOY_SIZE, &size, sizeof(size));
	memcpy(header + TOY_PA, &pa, sizeof(pa));
	memcpy(header + TOY_CR3, &cr3, sizeof(cr3));
	write_file(path, header, sizeof(header), machine->ram, sizeof(machine->ram));
}

static void test_toy__is_an_image_as_any_other(void **state)
{
	struct image_kinds kinds = kinds_with_toy();
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;
	struct pgw_cpu cpu;
	char path[64];

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, 0x20000);
	machine_map(&machine, 0x20000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	write_toy(path, &machine, 0x20000);
	assert_int_equal(image_open(&kinds, path, NULL, &image, NULL), 0);

	assert_string_equal(pgw_image_get_info(image)->kind, "toy");
	assert_string_equal(pgw_image_get_info(image)->arch, "x86_64");
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	assert_int_equal(nr_roots(image), 2);
	assert_int_equal(find_root(image, 0x20000)->state, PGW_ROOT_RUNNING);
	assert_int_equal(pgw_image_get_info(image)->nr_cpus, 1);
	assert_int_equal(pgw_image_cpu(image, 0, &cpu), 0);
	assert_int_equal(cpu.cr3, 0x20000);
	pgw_image_close(image);
	assert_int_equal(unlink(path), 0);
	machine_fini(&machine);
}

static int append(const void *bytes, size_t size, void *arg)
{
	return fwrite(bytes, 1, size, arg) == size ? 0 : -PGW_EIO;
}

/* What is written of it is an ELF core, which any program opens. */
static void test_toy__is_written_as_a_core(void **state)
{
	const struct pgw_pa_range all = { 0, sizeof(((struct machine *)0)->ram) - 1 };
	struct image_kinds kinds = kinds_with_toy();
	char path[64], core[] = "/tmp/pagewalk-toy-core-XXXXXX";
	struct machine machine;
	struct pgw_image *image;
	struct pgw_root_info root;
	FILE *file;
	int fd;

	(void)state;
	machine_init(&machine, 4);
	write_toy(path, &machine, MACHINE_SWAPPER);
	assert_int_equal(image_open(&kinds, path, NULL, &image, NULL), 0);
	fd = mkstemp(core);
	assert_true(fd >= 0);
	file = fdopen(fd, "wb");
	assert_non_null(file);
	assert_int_equal(pgw_image_write_core(image, &all, 1, append, file), 0);
	assert_int_equal(fclose(file), 0);
	pgw_image_close(image);

	assert_int_equal(pgw_image_open(core, NULL, &image, NULL), 0);
	assert_string_equal(pgw_image_get_info(image)->kind, "elf-core");
	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	pgw_image_close(image);
	assert_int_equal(unlink(path) | unlink(core), 0);
	machine_fini(&machine);
}

/* The library's own table does not have it: its bytes are raw memory, and of no known machine. */
static void test_toy__without_its_line_is_raw_memory(void **state)
{
	struct machine machine;
	struct pgw_image *image;
	struct pgw_error err;
	char path[64];

	(void)state;
	machine_init(&machine, 4);
	write_toy(path, &machine, MACHINE_SWAPPER);
	assert_int_equal(pgw_image_open(path, NULL, &image, &err), -PGW_ENOEXEC);
	assert_non_null(strstr(err.expected, "raw memory whose kernel's root proves"));
	assert_int_equal(unlink(path), 0);
	machine_fini(&machine);
}

static void test_toy__errors_of_its_own_reach_the_caller(void **state)
{
	struct image_kinds kinds = kinds_with_toy();
	struct pgw_image *image;
	struct pgw_error err;
	char path[64];

	(void)state;
	write_file(path, TOY_MAGIC, sizeof(TOY_MAGIC), NULL, 0);
	assert_int_equal(image_open(&kinds, path, NULL, &image, &err), -PGW_ENOEXEC);
	assert_string_equal(err.expected, "a header of 32 bytes");
	assert_int_equal(err.found, sizeof(TOY_MAGIC));
	assert_int_equal(unlink(path), 0);
}

static bool sure_probe(const struct source_map *file, struct source_guess *ret)
{
	(void)file;
	*ret = (struct source_guess){
		.score = SOURCE_SCORE_MAGIC + 1,
		.kind = "a kind that is surer",
		.advice = "no advice",
		.offset = 5,
	};
	return true;
}

/* The surest wins wherever it stands; a kind that cannot be opened says what it is. */
static void test_probe__the_surest_names_the_file(void **state)
{
	static const struct source_ops sure_ops = { .name = "sure", .probe = sure_probe };
	const struct source_ops *lists[][2] = { { &toy_ops, &sure_ops }, { &sure_ops, &toy_ops } };
	char path[64];

	(void)state;
	write_file(path, TOY_MAGIC, sizeof(TOY_MAGIC), NULL, 0);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(lists); i++) {
		struct image_kinds kinds = { lists[i], 2 };
		struct pgw_image *image;
		struct pgw_error err;

		assert_int_equal(image_open(&kinds, path, NULL, &image, &err), -PGW_EOPNOTSUPP);
		assert_string_equal(err.kind, "a kind that is surer");
		assert_string_equal(err.expected, "no advice");
		assert_int_equal(err.offset, 5);
	}
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toy__is_an_image_as_any_other),
		cmocka_unit_test(test_toy__is_written_as_a_core),
		cmocka_unit_test(test_toy__without_its_line_is_raw_memory),
		cmocka_unit_test(test_toy__errors_of_its_own_reach_the_caller),
		cmocka_unit_test(test_probe__the_surest_names_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
