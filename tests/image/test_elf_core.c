/* SPDX-License-Identifier: BSD-2-Clause */
/* What is opened and what is refused: every refusal by status, place and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pagewalk/image.h>

#include "common/arena.h"
#include "image/mkelf.h"

#define BYTES 512 /* of a segment */

static uint8_t bytes[BYTES];

/* Two CPUs, two small segments, the first with more memory than bytes. */
static void make_core(struct mkelf *elf)
{
	struct mkelf_cpu cpu = { .cr0 = 0x80050033,
				 .cr3 = 0x1234000,
				 .cr4 = 0x3506b0,
				 .idt_base = UINT64_C(0xfffffe0000000000),
				 .cs_flags = 0xaf9b00 };
	uint8_t prstatus[336] = { 0 };

	memset(bytes, 0xa5, sizeof(bytes));
	mkelf_init(elf, MKELF_X86_64);
	mkelf_note(elf, "CORE", 1, prstatus, sizeof(prstatus));
	mkelf_note(elf, "CORE", 1, prstatus, sizeof(prstatus));
	mkelf_qemu_cpu(elf, &cpu);
	cpu.cr3 = 0x5678abc;
	mkelf_qemu_cpu(elf, &cpu);
	mkelf_segment(elf, 0x10000, bytes, BYTES, 2 * BYTES);
	mkelf_segment(elf, 0x20000, bytes, BYTES, BYTES);
	mkelf_build(elf);
}

static void test_open__core_tells_what_it_is(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	struct mkelf elf;
	struct pgw_cpu cpu;

	(void)state;
	make_core(&elf);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "elf-core");
	assert_string_equal(info->arch, "x86_64");
	assert_string_equal(info->writer, "QEMU");
	assert_int_equal(info->elf_machine, 62);
	assert_int_equal(info->file_size, elf.size);
	assert_int_equal(info->nr_segments, 2);
	assert_int_equal(info->nr_ranges, 2);
	assert_int_equal(info->readable_bytes, 2 * BYTES);
	assert_int_equal(info->unreadable_bytes, BYTES);
	assert_false(info->truncated);
	assert_int_equal(info->nr_overlaps, 0);
	assert_int_equal(info->nr_cpus, 2);
	assert_int_equal(pgw_image_cpu(image, 1, &cpu), 0);
	assert_int_equal(cpu.known, PGW_CPU_X86_CR);
	assert_int_equal(cpu.cr0, 0x80050033);
	assert_int_equal(cpu.cr3, 0x5678abc);
	assert_int_equal(cpu.cr4, 0x3506b0);
	assert_int_equal(cpu.idt_base, UINT64_C(0xfffffe0000000000));
	assert_int_equal(cpu.cs_flags, 0xaf9b00);
	assert_int_equal(pgw_image_cpu(image, 2, &cpu), -PGW_EINVAL);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

struct poke {
	uint64_t offset;
	unsigned size;
	uint64_t value;
};

struct hostile {
	const char *name;
	struct poke pokes[3]; /* size 0 ends them */
	int status;
	uint64_t offset;
	uint64_t found;
	const char *expected;
};

/* The core of make_core() has 3 program headers and 0x20000 as no offset in it. */
static const struct hostile hostiles[] = {
	{ "no magic",
	  { { 0, 4, 0x12345678 } },
	  -PGW_ENOEXEC,
	  0,
	  0x12345678,
	  "an ELF magic number" },
	{ "no class",
	  { { 4, 1, 0 } },
	  -PGW_EOPNOTSUPP,
	  4,
	  0,
	  "a 32-bit or a 64-bit ELF file (1, 2)" },
	{ "no byte order",
	  { { 5, 1, 0 } },
	  -PGW_EOPNOTSUPP,
	  5,
	  0,
	  "a little- or a big-endian ELF file (1, 2)" },
	{ "no type", { { 16, 2, 0 } }, -PGW_EOPNOTSUPP, 16, 0, "a core file (4)" },
	{ "no program headers",
	  { { 56, 2, 0 } },
	  -PGW_EOVERFLOW,
	  56,
	  0,
	  "at least one program header" },
	{ "program headers too small",
	  { { 54, 2, 32 } },
	  -PGW_EOVERFLOW,
	  54,
	  32,
	  "program headers of 56 bytes" },
	{ "program headers too large",
	  { { 54, 2, 0xffff } },
	  -PGW_EOVERFLOW,
	  54,
	  0xffff,
	  "program headers of 56 bytes" },
	{ "program headers outside",
	  { { 32, 8, 0x20000 } },
	  -PGW_EOVERFLOW,
	  32,
	  0x20000,
	  "all program headers inside the file, which may have been cut" },
	{ "program headers wrap",
	  { { 32, 8, UINT64_MAX - 8 } },
	  -PGW_EOVERFLOW,
	  32,
	  UINT64_MAX - 8,
	  "all program headers inside the file, which may have been cut" },
	{ "too many program headers",
	  { { 56, 2, 0xfffe } },
	  -PGW_EOVERFLOW,
	  32,
	  64,
	  "all program headers inside the file, which may have been cut" },
	{ "extended number, no section header",
	  { { 56, 2, 0xffff } },
	  -PGW_EOVERFLOW,
	  40,
	  0,
	  "a section header inside the file" },
	{ "extended number, section header outside",
	  { { 56, 2, 0xffff }, { 40, 8, UINT64_MAX - 3 } },
	  -PGW_EOVERFLOW,
	  40,
	  UINT64_MAX - 3,
	  "a section header inside the file" },
	{ "extended number 0",
	  { { 56, 2, 0xffff }, { 40, 8, 64 }, { 64 + 44, 4, 0 } },
	  -PGW_EOVERFLOW,
	  64 + 44,
	  0,
	  "a number of program headers from 1 to 1048576" },
	{ "extended number absurd",
	  { { 56, 2, 0xffff }, { 40, 8, 64 }, { 64 + 44, 4, UINT32_MAX } },
	  -PGW_EOVERFLOW,
	  64 + 44,
	  UINT32_MAX,
	  "a number of program headers from 1 to 1048576" },
	{ "extended number, headers outside",
	  { { 56, 2, 0xffff }, { 40, 8, 64 }, { 64 + 44, 4, 100000 } },
	  -PGW_EOVERFLOW,
	  32,
	  64,
	  "all program headers inside the file, which may have been cut" },
	{ "segment wraps",
	  { { 64 + 56 + 24, 8, UINT64_MAX - 0x200 } },
	  -PGW_EOVERFLOW,
	  64 + 56 + 40,
	  2 * BYTES,
	  "a segment that ends below 2^64" },
	{ "segment absurd",
	  { { 64 + 112 + 40, 8, UINT64_MAX } },
	  -PGW_EOVERFLOW,
	  64 + 112 + 40,
	  UINT64_MAX,
	  "a segment that ends below 2^64" },
};

static void test_open__hostile_header_is_refused_with_place_and_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostiles) / sizeof(hostiles[0]); i++) {
		const struct hostile *hostile = &hostiles[i];
		struct pgw_image *image = NULL;
		struct pgw_error err;
		struct mkelf elf;

		make_core(&elf);
		for (size_t j = 0; j < 3 && hostile->pokes[j].size; j++)
			mkelf_put(&elf, hostile->pokes[j].offset, hostile->pokes[j].size,
				  hostile->pokes[j].value);
		print_message("%s\n", hostile->name);
		assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, &err),
				 hostile->status);
		assert_null(image);
		assert_int_equal(err.status, hostile->status);
		assert_int_equal(err.os_errno, 0);
		assert_true(err.has_offset && err.has_found);
		assert_int_equal(err.offset, hostile->offset);
		assert_int_equal(err.found, hostile->found);
		assert_string_equal(err.expected, hostile->expected);
		assert_int_equal(pgw_image_open(elf.path, NULL, &image, NULL), hostile->status);
		mkelf_fini(&elf);
	}
}

static void test_open__too_many_notes_are_refused(void **state)
{
	struct pgw_image *image;
	struct pgw_error err;
	struct mkelf elf;

	(void)state;
	make_core(&elf);
	mkelf_put(&elf, mkelf_ph(0) + 32, 8, (UINT64_C(64) << 20) + 1);
	mkelf_save(&elf);
	assert_int_equal(ftruncate(elf.fd, 80 << 20), 0);
	assert_int_equal(pgw_image_open(elf.path, NULL, &image, &err), -PGW_EOVERFLOW);
	assert_int_equal(err.offset, mkelf_ph(0) + 32);
	assert_int_equal(err.found, (64 << 20) + 1);
	assert_string_equal(err.expected, "at most 64 MiB of notes");
	mkelf_fini(&elf);

	/* All note segments together. */
	make_core(&elf);
	mkelf_put(&elf, mkelf_ph(0) + 32, 8, UINT64_C(40) << 20);
	mkelf_put(&elf, mkelf_ph(2), 4, 4);
	mkelf_put(&elf, mkelf_ph(2) + 32, 8, UINT64_C(40) << 20);
	mkelf_save(&elf);
	assert_int_equal(ftruncate(elf.fd, 80 << 20), 0);
	assert_int_equal(pgw_image_open(elf.path, NULL, &image, &err), -PGW_EOVERFLOW);
	assert_int_equal(err.offset, mkelf_ph(2) + 32);
	assert_int_equal(err.found, 40 << 20);
	mkelf_fini(&elf);
}

static void test_open__too_many_cpus_are_refused(void **state)
{
	struct mkelf_cpu cpu = { 0 };
	struct pgw_image *image;
	struct pgw_error err;
	struct mkelf elf;

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	for (unsigned i = 0; i < 8193; i++)
		mkelf_qemu_cpu(&elf, &cpu);
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, &err), -PGW_EOVERFLOW);
	assert_int_equal(err.offset, mkelf_notes_offset(&elf) + 8192 * (12 + 8 + 440));
	assert_int_equal(err.found, 8192);
	assert_string_equal(err.expected, "at most 8192 CPU states in notes");
	mkelf_fini(&elf);
}

/* Cut at every length: within headers it does not open, after them it does and says so. */
static void test_open__truncated_file_opens_if_headers_are_whole(void **state)
{
	uint64_t headers = mkelf_ph(3);
	struct mkelf elf;

	(void)state;
	make_core(&elf);
	mkelf_save(&elf);
	for (size_t size = elf.size + 1; size-- > 0;) {
		int expected = size == 0        ? -PGW_ENOEXEC
			       : size < 64      ? -PGW_ENOEXEC
			       : size < headers ? -PGW_EOVERFLOW
						: 0;
		const struct pgw_image_info *info;
		struct pgw_image *image = NULL;
		struct pgw_error err;

		assert_int_equal(ftruncate(elf.fd, (off_t)size), 0);
		assert_int_equal(pgw_image_open(elf.path, NULL, &image, &err), expected);
		if (expected) {
			assert_non_null(err.expected);
			continue;
		}
		info = pgw_image_get_info(image);
		assert_int_equal(info->truncated, size < elf.size);
		assert_int_equal(info->said_size, elf.size);
		assert_int_equal(info->readable_bytes + info->unreadable_bytes, 3 * BYTES);
		assert_int_equal(info->readable_bytes,
				 size > elf.size - 2 * BYTES ? size - (elf.size - 2 * BYTES) : 0);
		pgw_image_close(image);
	}
	mkelf_fini(&elf);
}

static void test_open__truncated_header_says_how_much_is_there(void **state)
{
	struct pgw_image *image;
	struct pgw_error err;
	struct mkelf elf;

	(void)state;
	make_core(&elf);
	mkelf_save(&elf);
	assert_int_equal(ftruncate(elf.fd, 63), 0);
	assert_int_equal(pgw_image_open(elf.path, NULL, &image, &err), -PGW_ENOEXEC);
	assert_int_equal(err.found, 63);
	assert_string_equal(err.expected, "an ELF header of 64 bytes");
	assert_int_equal(ftruncate(elf.fd, 0), 0);
	assert_int_equal(pgw_image_open(elf.path, NULL, &image, &err), -PGW_ENOEXEC);
	assert_string_equal(err.expected, "a file that is not empty");
	mkelf_fini(&elf);
}

/* Offsets of fields by class, 64-bit first: System V ABI, chapters 4 and 5. */
struct shape {
	unsigned eh_size, phoff, phentsize, phnum, ph_size;
	unsigned ph_offset, ph_paddr, ph_filesz, ph_memsz, word;
};

static const struct shape shapes[2] = { { 64, 32, 54, 56, 56, 8, 24, 32, 40, 8 },
					{ 52, 28, 42, 44, 32, 4, 12, 16, 20, 4 } };

static void put_number(uint8_t *to, unsigned size, uint64_t value, bool is_big)
{
	for (unsigned i = 0; i < size; i++, value >>= 8)
		to[is_big ? size - 1 - i : i] = (uint8_t)value;
}

static void put_program(uint8_t *ph, const struct shape *shape, bool is_big, uint32_t type,
			const uint64_t fields[4])
{
	put_number(ph, 4, type, is_big);
	put_number(ph + shape->ph_offset, shape->word, fields[0], is_big);
	put_number(ph + shape->ph_paddr, shape->word, fields[1], is_big);
	put_number(ph + shape->ph_filesz, shape->word, fields[2], is_big);
	put_number(ph + shape->ph_memsz, shape->word, fields[3], is_big);
}

/*
 * A core with a VMCOREINFO note, memory at 0x1000, some that is not in the file at its end,
 * and some that only has a virtual address. @return its size
 */
static size_t make_form(uint8_t *file, bool is_32, bool is_big)
{
	static const char note[] = "VMCOREINFO\0\0OSRELEASE=1.2\n";
	const struct shape *shape = &shapes[is_32];
	uint64_t notes = shape->eh_size + 3 * (uint64_t)shape->ph_size;
	uint64_t memory = notes + 12 + sizeof(note) - 1 + 2;
	uint8_t *ph = file + shape->eh_size;

	memcpy(file, "\177ELF", 4);
	file[4] = is_32 ? 1 : 2;
	file[5] = is_big ? 2 : 1;
	put_number(file + 16, 2, 4, is_big);
	put_number(file + 18, 2, 22, is_big);
	put_number(file + shape->phoff, shape->word, shape->eh_size, is_big);
	put_number(file + shape->phentsize, 2, shape->ph_size, is_big);
	put_number(file + shape->phnum, 2, 3, is_big);
	put_program(ph, shape, is_big, 4, (const uint64_t[]){ notes, 0, memory - notes, 0 });
	put_program(ph + shape->ph_size, shape, is_big, 1,
		    (const uint64_t[]){ memory, 0x1000, 16, 24 });
	put_program(ph + (size_t)2 * shape->ph_size, shape, is_big, 1,
		    (const uint64_t[]){ memory, UINT64_MAX, 16, 16 });
	put_number(file + notes, 4, 11, is_big);
	put_number(file + notes + 4, 4, sizeof(note) - 1 - 12, is_big);
	memcpy(file + notes + 12, note, sizeof(note) - 1);
	memcpy(file + memory, "0123456789abcdef", 16);
	return memory + 16;
}

static const char *save_form(const uint8_t *file, size_t size)
{
	static char path[] = "/tmp/pagewalk-form-XXXXXX";
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, size), (ssize_t)size);
	close(fd);
	return path;
}

static void check_form(struct pgw_image *image, size_t size)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	const struct pgw_vmcoreinfo *texts;
	const char *value;
	char memory[16];
	size_t nr;

	assert_int_equal(info->elf_machine, 22);
	assert_string_equal(info->machine, "IBM S/390");
	assert_int_equal(info->file_size, size);
	assert_int_equal(info->nr_segments, 1);
	assert_int_equal(info->nr_unplaced, 1);
	assert_int_equal(info->readable_bytes, 16);
	assert_int_equal(info->unreadable_bytes, 8);
	assert_false(info->truncated);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x1000, memory, 16), 0);
	assert_memory_equal(memory, "0123456789abcdef", 16);
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(nr, 1);
	assert_true(pgw_vmcoreinfo_get(&texts[0], "OSRELEASE", &value, &nr));
	assert_int_equal(nr, 3);
	assert_memory_equal(value, "1.2", 3);
}

static void test_open__files_of_both_classes_and_byte_orders(void **state)
{
	(void)state;
	for (unsigned form = 0; form < 4; form++) {
		uint8_t file[512] = { 0 };
		size_t size = make_form(file, form & 1, form & 2);
		const char *path = save_form(file, size);
		struct pgw_image *image;

		assert_int_equal(pgw_image_open(path, NULL, &image, NULL), 0);
		check_form(image, size);
		pgw_image_close(image);
		unlink(path);
	}
}

/* Whatever the form: a file that is cut opens if its headers are whole. */
static void test_open__files_of_every_form_cut_at_every_length(void **state)
{
	(void)state;
	for (unsigned form = 0; form < 4; form++) {
		const struct shape *shape = &shapes[form & 1];
		uint8_t file[512] = { 0 };

		for (size_t size = make_form(file, form & 1, form & 2); --size > 0;) {
			const char *path = save_form(file, size);
			int expected = size < shape->eh_size                        ? -PGW_ENOEXEC
				       : size < shape->eh_size + 3 * shape->ph_size ? -PGW_EOVERFLOW
										    : 0;
			struct pgw_image *image = NULL;
			struct pgw_error err;

			assert_int_equal(pgw_image_open(path, NULL, &image, &err), expected);
			if (image) {
				/* One cut looks like notes that are shorter than they say. */
				assert_true(pgw_image_get_info(image)->truncated ||
					    pgw_image_get_info(image)->shift);
			} else {
				assert_non_null(err.expected);
			}
			pgw_image_close(image);
			unlink(path);
		}
	}
}

static void check_refused(const char *path, int status, int os_errno, const char *expected)
{
	struct pgw_image *image = NULL;
	struct pgw_error err;

	assert_int_equal(pgw_image_open(path, NULL, &image, &err), status);
	assert_null(image);
	assert_int_equal(err.status, status);
	assert_int_equal(err.os_errno, os_errno);
	assert_false(err.has_offset);
	if (expected)
		assert_string_equal(err.expected, expected);
	else
		assert_null(err.expected);
}

static void test_open__what_is_no_file_is_refused(void **state)
{
	char folder[] = "/tmp/pgw-test-XXXXXX", path[sizeof(folder) + 8];

	(void)state;
	assert_non_null(mkdtemp(folder));
	check_refused(folder, -PGW_EIO, EISDIR, "a regular file");
	snprintf(path, sizeof(path), "%s/none", folder);
	check_refused(path, -PGW_ENOENT, ENOENT, NULL);
	assert_int_equal(rmdir(folder), 0);
	check_refused("/dev/zero", -PGW_EIO, 0, "a regular file");
	check_refused("/dev/null/nothing", -PGW_EIO, ENOTDIR, NULL);
}

static void test_open__unreadable_file_is_refused(void **state)
{
	uid_t user = geteuid();
	struct mkelf elf;

	(void)state;
	make_core(&elf);
	mkelf_save(&elf);
	assert_int_equal(fchmod(elf.fd, 0), 0);
	/* Root may read everything. */
	if (user == 0)
		assert_int_equal(seteuid(65534), 0);
	check_refused(elf.path, -PGW_EIO, EACCES, NULL);
	assert_int_equal(seteuid(user), 0);
	mkelf_fini(&elf);
}

/* A note whose sizes are absurd ends the notes, nothing else. */
static void test_notes__absurd_sizes_end_the_notes(void **state)
{
	static const uint32_t absurd[] = { 0x7fffffff, 0xfffffffc, 0xffffffff };
	uint64_t second = 12 + 8 + 336;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (unsigned field = 0; field < 8; field += 4) {
			struct pgw_image *image;
			struct mkelf elf;

			make_core(&elf);
			mkelf_put(&elf, mkelf_notes_offset(&elf) + second + field, 4, absurd[i]);
			assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
			assert_true(pgw_image_get_info(image)->truncated);
			assert_int_equal(pgw_image_get_info(image)->nr_cpus, 1);
			assert_int_equal(pgw_image_get_info(image)->readable_bytes, 2 * BYTES);
			pgw_image_close(image);
			mkelf_fini(&elf);
		}
	}
}

/* Version, own size, size of the note: each must fit, or the registers are not known. */
static void test_notes__qemu_state_is_checked(void **state)
{
	static const struct {
		uint32_t version, size;
		size_t desc_size;
		uint32_t known;
		unsigned nr_cpus;
	} cases[] = {
		{ 1, 440, 440, PGW_CPU_X86_CR, 1 },
		{ 1, 432, 432, PGW_CPU_X86_CR, 1 },
		{ 1, 432, 440, PGW_CPU_X86_CR, 1 },
		{ 1, 512, 512, PGW_CPU_X86_CR, 1 },
		{ 2, 440, 440, 0, 1 },
		{ 0, 440, 440, 0, 1 },
		{ 1, 431, 440, 0, 1 },
		{ 1, 441, 440, 0, 1 },
		{ 1, UINT32_MAX, 440, 0, 1 },
		{ 1, 440, 431, 0, 0 },
		{ 1, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t desc[512] = { 0 };
		struct pgw_image *image;
		struct mkelf elf;
		struct pgw_cpu cpu;

		memcpy(desc, &cases[i].version, 4);
		memcpy(desc + 4, &cases[i].size, 4);
		desc[416 + 1] = 0x70;
		mkelf_init(&elf, MKELF_X86_64);
		mkelf_note(&elf, "QEMU", 0, desc, cases[i].desc_size);
		assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
		assert_int_equal(pgw_image_get_info(image)->nr_cpus, cases[i].nr_cpus);
		assert_string_equal(pgw_image_get_info(image)->writer,
				    cases[i].nr_cpus ? "QEMU" : "unknown");
		if (cases[i].nr_cpus) {
			assert_int_equal(pgw_image_cpu(image, 0, &cpu), 0);
			assert_int_equal(cpu.known, cases[i].known);
			assert_int_equal(cpu.cr3, cases[i].known ? 0x7000 : 0);
		}
		pgw_image_close(image);
		mkelf_fini(&elf);
	}
}

static void put_le(uint8_t *at, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* VirtualBox's CPUs: by the published layout, of versions that have it, if EFER makes sense. */
static void test_notes__virtualbox_state_is_checked(void **state)
{
	static const struct {
		uint32_t magic, version;
		size_t desc_size;
		uint64_t cr0, efer;
		bool is_known;
	} cases[] = {
		{ 0xc01ac0de, 0x10005, 1024, 0x80050033, 0xd01, true },
		{ 0xc01ac0de, 0x10006, 1024, 0x80050033, 0xd01, true },
		{ 0xc01ac0de, 0x10001, 496, 0x80050033, 0x500, true },
		{ 0xc01ac0de, 0x10000, 1024, 0x80050033, 0xd01, false },
		{ 0xc01ac0df, 0x10005, 1024, 0x80050033, 0xd01, false },
		{ 0xc01ac0de, 0x10005, 495, 0x80050033, 0xd01, false },
		{ 0xc01ac0de, 0x10005, 1024, UINT64_C(0x180050033), 0xd01, false },
		{ 0xc01ac0de, 0x10005, 1024, 0x80050033, 0x2, false },
	};
	const uint32_t known = PGW_CPU_X86_CR | PGW_CPU_X86_EFER;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t desc[1024] = { 0 }, core[24] = { 0 };
		struct pgw_root_info root;
		struct pgw_image *image;
		struct mkelf elf;
		struct pgw_cpu cpu;

		put_le(core, 4, cases[i].magic);
		put_le(core + 4, 4, cases[i].version);
		put_le(desc + 156, 4, 0xa09b);
		put_le(desc + 288, 8, cases[i].cr0);
		put_le(desc + 304, 8, 0x5678000);
		put_le(desc + 312, 8, 0x3506f0);
		put_le(desc + 400, 8, UINT64_C(0xfffffe0000000000));
		put_le(desc + 488, 8, cases[i].efer);
		mkelf_init(&elf, MKELF_X86_64);
		mkelf_note(&elf, "VBCORE", 0xb00, core, sizeof(core));
		mkelf_note(&elf, "VBCPU", 0xb01, desc, cases[i].desc_size);
		assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
		assert_int_equal(pgw_image_get_info(image)->nr_cpus, 1);
		assert_string_equal(pgw_image_get_info(image)->writer,
				    cases[i].magic == 0xc01ac0de ? "VirtualBox" : "unknown");
		assert_int_equal(pgw_image_cpu(image, 0, &cpu), 0);
		assert_int_equal(cpu.known, cases[i].is_known ? known : 0);
		if (cases[i].is_known) {
			assert_int_equal(cpu.cr0, cases[i].cr0);
			assert_int_equal(cpu.cr3, 0x5678000);
			assert_int_equal(cpu.cr4, 0x3506f0);
			assert_int_equal(cpu.idt_base, UINT64_C(0xfffffe0000000000));
			assert_int_equal(cpu.cs_flags, 0xa09b00);
			assert_int_equal(cpu.efer, cases[i].efer);
			assert_int_equal(pgw_image_cpu_root(image, 0, &root), 0);
			assert_int_equal(root.root.pa, 0x5678000);
			assert_true(root.control.known & PGW_CTL_X86_NXE);
			assert_int_equal(!(root.control.set & PGW_CTL_X86_NXE),
					 !(cases[i].efer & 0x800));
		}
		pgw_image_close(image);
		mkelf_fini(&elf);
	}
}

static void test_open__unknown_machine_has_no_arch(void **state)
{
	static const uint16_t machines[] = { 0, 8, 43, 0xffff };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct pgw_image *image;
		struct pgw_root_info root;
		struct pgw_error err;
		struct mkelf elf;

		make_core(&elf);
		mkelf_put(&elf, 18, 2, machines[i]);
		assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
		assert_null(pgw_image_get_info(image)->arch);
		assert_int_equal(pgw_image_get_info(image)->elf_machine, machines[i]);
		assert_int_equal(pgw_image_cpu_root(image, 0, &root), -PGW_ENOENT);
		assert_int_equal(pgw_image_kernel_root(image, &root, &err), -PGW_ENOENT);
		assert_int_equal(err.offset, 18);
		if (machines[i] == 8)
			assert_string_equal(err.kind, "MIPS");
		else if (machines[i] == 43)
			assert_string_equal(err.kind, "SPARC v9");
		else
			assert_int_equal(err.found, machines[i]);
		pgw_image_close(image);
		mkelf_fini(&elf);
	}
}

static void read_everything(struct pgw_image *image)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	const struct pgw_vmcoreinfo *texts;
	const struct pgw_root_info *roots;
	uint64_t pa = 0, first, last, before = 0;
	size_t nr;
	uint8_t byte;

	for (unsigned i = 0; i < 8 && phys->ops->next_range(phys, pa, &first, &last); i++) {
		assert_true(first <= last && last >= pa && (i == 0 || first > before));
		assert_int_equal(pgw_phys_read(phys, first, &byte, 1), 0);
		assert_int_equal(pgw_phys_read(phys, last, &byte, 1), 0);
		assert_int_equal(pgw_phys_read(phys, last + 1, &byte, 1), -PGW_EIO);
		before = last;
		pa = last + 1;
	}
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(pgw_image_roots(image, &roots, &nr), 0);
}

/* Whatever the headers say: a clean refusal, or an image that can be read. */
static void test_open__random_headers_do_no_harm(void **state)
{
	uint64_t random = test_seed();
	unsigned nr_opened = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t n = 1 + test_random(&random) % 4;
		struct pgw_image *image;
		struct pgw_error err;
		struct mkelf elf;
		int status;

		make_core(&elf);
		while (n--) {
			uint64_t offset = test_random(&random) % (mkelf_notes_offset(&elf) + 400);
			unsigned size = 1u << test_random(&random) % 4;
			uint64_t value = test_random(&random) >> test_random(&random) % 64;

			mkelf_put(&elf, offset, size, value);
		}
		status = pgw_image_open(mkelf_save(&elf), NULL, &image, &err);
		if (status) {
			assert_true(status == err.status && err.expected);
		} else {
			nr_opened++;
			read_everything(image);
			pgw_image_close(image);
		}
		mkelf_fini(&elf);
	}
	assert_true(nr_opened > 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open__core_tells_what_it_is),
		cmocka_unit_test(test_open__hostile_header_is_refused_with_place_and_reason),
		cmocka_unit_test(test_open__files_of_both_classes_and_byte_orders),
		cmocka_unit_test(test_open__files_of_every_form_cut_at_every_length),
		cmocka_unit_test(test_open__too_many_notes_are_refused),
		cmocka_unit_test(test_open__too_many_cpus_are_refused),
		cmocka_unit_test(test_open__truncated_file_opens_if_headers_are_whole),
		cmocka_unit_test(test_open__truncated_header_says_how_much_is_there),
		cmocka_unit_test(test_open__what_is_no_file_is_refused),
		cmocka_unit_test(test_open__unreadable_file_is_refused),
		cmocka_unit_test(test_notes__absurd_sizes_end_the_notes),
		cmocka_unit_test(test_notes__qemu_state_is_checked),
		cmocka_unit_test(test_notes__virtualbox_state_is_checked),
		cmocka_unit_test(test_open__unknown_machine_has_no_arch),
		cmocka_unit_test(test_open__random_headers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
