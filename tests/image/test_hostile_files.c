/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile files, each with all that is said about it: the message, or what the
 * image then holds. All of it in bounded time and memory: see main().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "image/mkelf.h"

#define MIB (UINT64_C(1) << 20)
#define BYTES UINT64_C(512) /* that the file has of each segment */
#define TEXT 400

/* Where the base core has what. */
#define PH_NOTE 64
#define PH_A 120
#define PH_B 176
#define NOTE_CPU 232
#define NOTE_QEMU 588
#define NOTE_TEXT 1048
#define DATA_A 1088
#define DATA_B 1600
#define END 2112

static uint8_t bytes[BYTES];
static struct sigaction sigbus; /* the library's handler */

/* Two segments, the first claims twice the memory that it has; a note of each kind. */
static void make_base(struct mkelf *elf)
{
	struct mkelf_cpu cpu = { .cr0 = 0x80050033, .cr3 = 0x1234000, .cr4 = 0x3506b0 };
	uint8_t prstatus[336] = { 0 };

	memset(bytes, 0xa5, sizeof(bytes));
	mkelf_init(elf, MKELF_X86_64);
	mkelf_note(elf, "CORE", 1, prstatus, sizeof(prstatus));
	mkelf_qemu_cpu(elf, &cpu);
	mkelf_note(elf, "VMCOREINFO", 0, "OSRELEASE=6.1\n", 14);
	mkelf_segment(elf, 0x10000, bytes, BYTES, 2 * BYTES);
	mkelf_segment(elf, 0x20000, bytes, BYTES, BYTES);
	mkelf_build(elf);
	assert_int_equal(mkelf_notes_offset(elf), NOTE_CPU);
	assert_int_equal(elf->size, END);
}

/* Every way into an image that opened; they must not fail, whatever they find. */
static void use(struct pgw_image *image)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	const struct pgw_vmcoreinfo *texts;
	const struct pgw_root_info *roots;
	uint64_t pa = 0, first, last;
	struct pgw_root_info root;
	uint8_t byte;
	size_t nr;

	while (phys->ops->next_range(phys, pa, &first, &last)) {
		assert_true(first <= last && last >= pa && last < UINT64_MAX);
		assert_int_equal(pgw_phys_read(phys, first, &byte, 1), 0);
		assert_int_equal(pgw_phys_read(phys, last, &byte, 1), 0);
		assert_int_equal(pgw_phys_read(phys, last + 1, &byte, 1), -PGW_EIO);
		pa = last + 1;
	}
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(pgw_image_roots(image, &roots, &nr), 0);
	pgw_image_kernel_root(image, &root, NULL);
}

/* What can be said of a file, as one line. */
static void describe(const char *path, char *text)
{
	const struct pgw_vmcoreinfo *texts;
	const struct pgw_image_info *info;
	struct pgw_image *image = NULL;
	struct pgw_error err;
	size_t nr_texts;

	if (pgw_image_open(path, NULL, &image, &err)) {
		assert_null(image);
		pgw_error_format(&err, text, TEXT);
		return;
	}
	use(image);
	info = pgw_image_get_info(image);
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr_texts), 0);
	snprintf(text, TEXT,
		 "%s%" PRIu64 " segments, %" PRIu64 " ranges, %" PRIu64 " + %" PRIu64
		 " bytes, %" PRIu64 " overlaps, %u CPUs, %zu texts",
		 info->truncated ? "truncated: " : "", info->nr_segments, info->nr_ranges,
		 info->readable_bytes, info->unreadable_bytes, info->nr_overlaps, info->nr_cpus,
		 nr_texts);
	pgw_image_close(image);
}

#define SEGMENTS "2 segments, 2 ranges, 1024 + 512 bytes, 0 overlaps, "
#define WHOLE SEGMENTS "1 CPUs, 1 texts" /* the base core as it is */
#define NO_TEXT SEGMENTS "1 CPUs, 0 texts"
#define NO_NOTES SEGMENTS "0 CPUs, 0 texts"

/* What an image says whose file may have changed, as one line. */
static void describe_open(struct pgw_image *image, char *text)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	const struct pgw_vmcoreinfo *texts;
	const struct pgw_root_info *roots;
	struct pgw_root_info root;
	struct pgw_error err;
	uint8_t first, last;
	size_t nr;

	snprintf(text, TEXT, "first byte: %s, last: %s, texts: %s, roots: %s, kernel: %s",
		 pgw_status_text(pgw_phys_read(phys, 0, &first, 1)),
		 pgw_status_text(pgw_phys_read(phys, 0x3ffff, &last, 1)),
		 pgw_status_text(pgw_image_vmcoreinfo(image, &texts, &nr)),
		 pgw_status_text(pgw_image_roots(image, &roots, &nr)),
		 pgw_status_text(pgw_image_kernel_root(image, &root, &err)));
}

struct poke {
	uint64_t offset;
	unsigned size; /* 0 ends a list */
	uint64_t value;
};

struct row {
	const char *name;
	uint64_t size;        /* that the file is cut or stretched to; 0 = as it is */
	struct poke pokes[8]; /* the last one is none */
	const char *text;
};

/* So that one run shows all that differ. */
static bool is_text(const char *name, const char *text, const char *expected)
{
	bool is = strcmp(text, expected) == 0;

	if (!is)
		print_error("%s:\n  %s, not\n  %s\n", name, text, expected);
	return is;
}

static void check_rows(const struct row *rows, size_t nr)
{
	bool is_right = true;

	for (size_t i = 0; i < nr; i++) {
		struct mkelf elf;
		char text[TEXT];

		make_base(&elf);
		for (const struct poke *poke = rows[i].pokes; poke->size; poke++)
			mkelf_put(&elf, poke->offset, poke->size, poke->value);
		mkelf_save(&elf);
		if (rows[i].size)
			assert_int_equal(ftruncate(elf.fd, (off_t)rows[i].size), 0);
		describe(elf.path, text);
		is_right &= is_text(rows[i].name, text, rows[i].text);
		mkelf_fini(&elf);
	}
	assert_true(is_right);
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static const struct row cuts[] = {
	{ "nothing is cut", 0, { { 0 } }, WHOLE },
	{ "in the magic", 1, { { 0 } }, "offset 0x0: expected an ELF magic number, found 0x7f" },
	{ "before the magic's last byte",
	  3,
	  { { 0 } },
	  "offset 0x0: expected an ELF magic number, found 0x4c457f" },
	{ "after the magic",
	  4,
	  { { 0 } },
	  "offset 0x0: expected an ELF header of 64 bytes, found 0x4" },
	{ "after the identification",
	  16,
	  { { 0 } },
	  "offset 0x0: expected an ELF header of 64 bytes, found 0x10" },
	{ "in the last field of the header",
	  63,
	  { { 0 } },
	  "offset 0x0: expected an ELF header of 64 bytes, found 0x3f" },
	{ "after the header",
	  64,
	  { { 0 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x40" },
	{ "after the first program header",
	  PH_A,
	  { { 0 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x40" },
	{ "in the last program header",
	  NOTE_CPU - 1,
	  { { 0 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x40" },
	{ "after the program headers",
	  NOTE_CPU,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "in a note's header",
	  NOTE_CPU + 11,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "after a note's header",
	  NOTE_CPU + 12,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "after a note's name",
	  NOTE_CPU + 20,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "in a note's description",
	  NOTE_QEMU - 1,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "after the first note",
	  NOTE_QEMU,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 1 CPUs, 0 texts" },
	{ "in the second note",
	  NOTE_TEXT - 1,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 1 CPUs, 0 texts" },
	{ "after the second note",
	  NOTE_TEXT,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 1 CPUs, 0 texts" },
	{ "in the text",
	  DATA_A - 3,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 1 CPUs, 0 texts" },
	{ "in the text's padding",
	  DATA_A - 1,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "after the notes",
	  DATA_A,
	  { { 0 } },
	  "truncated: 2 segments, 0 ranges, 0 + 1536 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "after a byte of memory",
	  DATA_A + 1,
	  { { 0 } },
	  "truncated: 2 segments, 1 ranges, 1 + 1535 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "between the segments",
	  DATA_B,
	  { { 0 } },
	  "truncated: 2 segments, 1 ranges, 512 + 1024 bytes, 0 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "before the last byte",
	  END - 1,
	  { { 0 } },
	  "truncated: 2 segments, 2 ranges, 1023 + 513 bytes, 0 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "one byte more", END + 1, { { 0 } }, WHOLE },
};

static void test_file__cut_at_every_structure_says_so(void **state)
{
	(void)state;
	CHECK_ROWS(cuts);
}

static const struct row headers[] = {
	{ "class 0",
	  0,
	  { { 4, 1, 0 } },
	  "offset 0x4: expected a 32-bit or a 64-bit ELF file (1, 2), found 0x0" },
	{ "class 32 bit",
	  0,
	  { { 4, 1, 1 } },
	  "offset 0x2c: expected at least one program header, found 0x0" },
	{ "class 255",
	  0,
	  { { 4, 1, 255 } },
	  "offset 0x4: expected a 32-bit or a 64-bit ELF file (1, 2), found 0xff" },
	{ "no byte order",
	  0,
	  { { 5, 1, 0 } },
	  "offset 0x5: expected a little- or a big-endian ELF file (1, 2), found 0x0" },
	{ "big-endian", 0, { { 5, 1, 2 } }, "offset 0x10: expected a core file (4), found 0x400" },
	{ "all of it big-endian",
	  0,
	  { { 5, 1, 2 }, { 16, 2, 0x0400 }, { 54, 2, 0x3800 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x4000000000000000" },
	{ "32-bit and big-endian",
	  0,
	  { { 4, 1, 1 }, { 5, 1, 2 } },
	  "offset 0x10: expected a core file (4), found 0x400" },
	{ "no type", 0, { { 16, 2, 0 } }, "offset 0x10: expected a core file (4), found 0x0" },
	{ "type 65535",
	  0,
	  { { 16, 2, 0xffff } },
	  "offset 0x10: expected a core file (4), found 0xffff" },
	{ "machine 0", 0, { { 18, 2, 0 } }, WHOLE },
	{ "machine 65535", 0, { { 18, 2, 0xffff } }, WHOLE },
	{ "program headers at 0",
	  0,
	  { { 32, 8, 0 } },
	  "0 segments, 0 ranges, 0 + 0 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "program headers at an odd place",
	  0,
	  { { 32, 8, 65 } },
	  "0 segments, 0 ranges, 0 + 0 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "program headers end with the file",
	  0,
	  { { 32, 8, END - 168 } },
	  "0 segments, 0 ranges, 0 + 0 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "program headers end a byte later",
	  0,
	  { { 32, 8, END - 167 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x799" },
	{ "program headers at the end",
	  0,
	  { { 32, 8, END } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x840" },
	{ "program headers at 2^63",
	  0,
	  { { 32, 8, UINT64_C(1) << 63 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found "
	  "0x8000000000000000" },
	{ "program headers at 2^64 - 1",
	  0,
	  { { 32, 8, UINT64_MAX } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found "
	  "0xffffffffffffffff" },
	{ "size of a program header 0",
	  0,
	  { { 54, 2, 0 } },
	  "offset 0x36: expected program headers of 56 bytes, found 0x0" },
	{ "size of a program header 55",
	  0,
	  { { 54, 2, 55 } },
	  "offset 0x36: expected program headers of 56 bytes, found 0x37" },
	{ "size of a program header 57",
	  0,
	  { { 54, 2, 57 } },
	  "offset 0x36: expected program headers of 56 bytes, found 0x39" },
	{ "size of a program header 65535",
	  0,
	  { { 54, 2, 0xffff } },
	  "offset 0x36: expected program headers of 56 bytes, found 0xffff" },
	{ "one program header",
	  0,
	  { { 56, 2, 1 } },
	  "0 segments, 0 ranges, 0 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "no program header",
	  0,
	  { { 56, 2, 0 } },
	  "offset 0x38: expected at least one program header, found 0x0" },
	{ "more program headers than there are",
	  0,
	  { { 56, 2, 37 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x40" },
	{ "65534 program headers",
	  0,
	  { { 56, 2, 0xfffe } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x40" },
	{ "number in no section",
	  0,
	  { { 56, 2, 0xffff } },
	  "offset 0x28: expected a section header inside the file, found 0x0" },
	{ "number in a section inside the header",
	  0,
	  { { 56, 2, 0xffff }, { 40, 8, 63 } },
	  "offset 0x28: expected a section header inside the file, found 0x3f" },
	{ "number in the last section",
	  0,
	  { { 56, 2, 0xffff }, { 40, 8, END - 64 } },
	  "offset 0x82c: expected a number of program headers from 1 to 1048576, found "
	  "0xa5a5a5a5" },
	{ "number in a section cut off",
	  0,
	  { { 56, 2, 0xffff }, { 40, 8, END - 63 } },
	  "offset 0x28: expected a section header inside the file, found 0x801" },
	{ "number in a section at 2^64 - 1",
	  0,
	  { { 56, 2, 0xffff }, { 40, 8, UINT64_MAX } },
	  "offset 0x28: expected a section header inside the file, found "
	  "0xffffffffffffffff" },
	{ "number 2^20 in a section",
	  0,
	  { { 56, 2, 0xffff }, { 40, 8, DATA_A }, { DATA_A + 44, 4, 1 << 20 } },
	  "offset 0x20: expected all program headers inside the file, which may have been cut, "
	  "found 0x40" },
	{ "number 2^20 + 1 in a section",
	  0,
	  { { 56, 2, 0xffff }, { 40, 8, DATA_A }, { DATA_A + 44, 4, (1 << 20) + 1 } },
	  "offset 0x46c: expected a number of program headers from 1 to 1048576, found "
	  "0x100001" },
	{ "number 3 in a section",
	  0,
	  { { 56, 2, 0xffff }, { 40, 8, DATA_A }, { DATA_A + 44, 4, 3 } },
	  WHOLE },
};

static void test_header__extreme_fields_are_refused_or_harmless(void **state)
{
	(void)state;
	CHECK_ROWS(headers);
}

static const struct row segments[] = {
	{ "type 0",
	  0,
	  { { PH_A, 4, 0 } },
	  "1 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "type 2^32 - 1",
	  0,
	  { { PH_A, 4, UINT32_MAX } },
	  "1 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "notes and segments exchanged",
	  0,
	  { { PH_NOTE, 4, 1 }, { PH_A, 4, 4 } },
	  "truncated: 2 segments, 2 ranges, 1368 + 0 bytes, 0 overlaps, 0 CPUs, 0 texts" },
	{ "offset 0: the headers are memory", 0, { { PH_A + 8, 8, 0 } }, WHOLE },
	{ "odd offset", 0, { { PH_A + 8, 8, DATA_A + 1 } }, WHOLE },
	{ "offset of the last byte",
	  0,
	  { { PH_A + 8, 8, END - 1 } },
	  "truncated: 2 segments, 2 ranges, 513 + 1023 bytes, 0 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "offset of the end",
	  0,
	  { { PH_A + 8, 8, END } },
	  "truncated: 2 segments, 1 ranges, 512 + 1024 bytes, 0 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "offset 2^63",
	  0,
	  { { PH_A + 8, 8, UINT64_C(1) << 63 } },
	  "truncated: 2 segments, 1 ranges, 512 + 1024 bytes, 0 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "offset + size wraps",
	  0,
	  { { PH_A + 8, 8, UINT64_MAX - 100 } },
	  "truncated: 2 segments, 1 ranges, 512 + 1024 bytes, 0 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "file size 0",
	  0,
	  { { PH_A + 32, 8, 0 } },
	  "2 segments, 1 ranges, 512 + 1024 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "file size 1",
	  0,
	  { { PH_A + 32, 8, 1 } },
	  "2 segments, 2 ranges, 513 + 1023 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "file size larger than memory size",
	  0,
	  { { PH_A + 32, 8, 2 * BYTES + 1 } },
	  "2 segments, 2 ranges, 1536 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "file size 2^63",
	  0,
	  { { PH_A + 32, 8, UINT64_C(1) << 63 } },
	  "2 segments, 2 ranges, 1536 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "file size 2^64 - 1",
	  0,
	  { { PH_A + 32, 8, UINT64_MAX } },
	  "2 segments, 2 ranges, 1536 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "memory size 0",
	  0,
	  { { PH_A + 40, 8, 0 } },
	  "2 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "memory size 1",
	  0,
	  { { PH_A + 40, 8, 1 } },
	  "2 segments, 2 ranges, 513 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "memory up to 2^64 - 2",
	  0,
	  { { PH_A + 40, 8, UINT64_MAX - 0x10000 } },
	  "2 segments, 2 ranges, 1024 + 18446744073709485055 bytes, 1 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "memory up to 2^64 - 1",
	  0,
	  { { PH_A + 40, 8, UINT64_MAX - 0xffff } },
	  "offset 0xa0: expected a segment that ends below 2^64, found "
	  "0xffffffffffff0000" },
	{ "memory size 2^64 - 1",
	  0,
	  { { PH_A + 40, 8, UINT64_MAX } },
	  "offset 0xa0: expected a segment that ends below 2^64, found "
	  "0xffffffffffffffff" },
	{ "memory size 2^64 - 1 at 0",
	  0,
	  { { PH_A + 24, 8, 0 }, { PH_A + 40, 8, UINT64_MAX } },
	  "2 segments, 2 ranges, 1024 + 18446744073709550591 bytes, 1 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "both sizes 2^64 - 1 at 0",
	  0,
	  { { PH_A + 24, 8, 0 }, { PH_A + 32, 8, UINT64_MAX }, { PH_A + 40, 8, UINT64_MAX } },
	  "truncated: 2 segments, 2 ranges, 1536 + 18446744073709550079 bytes, 1 overlaps, "
	  "1 CPUs, 1 texts" },
	{ "odd address", 0, { { PH_A + 24, 8, 0x10001 } }, WHOLE },
	{ "address so that the end is 2^64 - 1",
	  0,
	  { { PH_A + 24, 8, UINT64_MAX - 1024 } },
	  WHOLE },
	{ "address so that the end is 2^64",
	  0,
	  { { PH_A + 24, 8, UINT64_MAX - 1023 } },
	  "offset 0xa0: expected a segment that ends below 2^64, found 0x400" },
	{ "address 2^64 - 1: none",
	  0,
	  { { PH_A + 24, 8, UINT64_MAX } },
	  "1 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "address 2^64 - 1, far past the end of the file",
	  0,
	  { { PH_A + 24, 8, UINT64_MAX },
	    { PH_A + 8, 8, UINT64_C(1) << 62 },
	    { PH_A + 32, 8, UINT64_MAX },
	    { PH_A + 40, 8, UINT64_MAX } },
	  "1 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "address 2^64 - 1, no memory",
	  0,
	  { { PH_A + 24, 8, UINT64_MAX }, { PH_A + 40, 8, 0 } },
	  "1 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 1 CPUs, 1 texts" },
	{ "all at 0, at one virtual address",
	  0,
	  { { PH_A + 24, 8, 0 }, { PH_B + 24, 8, 0 }, { PH_A + 16, 8, 7 }, { PH_B + 16, 8, 7 } },
	  "2 segments, 1 ranges, 512 + 512 bytes, 1 overlaps, 1 CPUs, 1 texts" },
	{ "all at 0, at different virtual addresses",
	  0,
	  { { PH_A + 24, 8, 0 }, { PH_B + 24, 8, 0 }, { PH_A + 16, 8, 7 }, { PH_B + 16, 8, 8 } },
	  "offset 0xc8: a core without physical addresses: all its segments are at 0 (the core of "
	  "a "
	  "process, or /proc/kcore before Linux 4.11); if it is a machine's, say with --ram "
	  "PA=FILE@OFFSET+SIZE where each belongs" },
	{ "one at 0, at different virtual addresses",
	  0,
	  { { PH_A + 24, 8, 0 }, { PH_A + 16, 8, 7 }, { PH_B + 16, 8, 8 } },
	  WHOLE },
};

static void test_segment__extreme_fields_are_refused_or_harmless(void **state)
{
	(void)state;
	CHECK_ROWS(segments);
}

/* Segment A has 512 bytes at 0x10000 and claims 512 more. */
static const struct row overlaps[] = {
	{ "the same address",
	  0,
	  { { PH_B + 24, 8, 0x10000 } },
	  "2 segments, 1 ranges, 512 + 512 bytes, 1 overlaps, 1 CPUs, 1 texts" },
	{ "the same address and bytes",
	  0,
	  { { PH_B + 24, 8, 0x10000 }, { PH_B + 8, 8, DATA_A } },
	  "2 segments, 1 ranges, 512 + 512 bytes, 1 overlaps, 1 CPUs, 1 texts" },
	{ "the same bytes elsewhere", 0, { { PH_B + 8, 8, DATA_A } }, WHOLE },
	{ "the second half of what is there",
	  0,
	  { { PH_B + 24, 8, 0x10100 } },
	  "2 segments, 1 ranges, 768 + 256 bytes, 2 overlaps, 1 CPUs, 1 texts" },
	{ "what is missing",
	  0,
	  { { PH_B + 24, 8, 0x10200 } },
	  "2 segments, 1 ranges, 1024 + 0 bytes, 1 overlaps, 1 CPUs, 1 texts" },
	{ "half of what is missing",
	  0,
	  { { PH_B + 24, 8, 0x10300 } },
	  "2 segments, 2 ranges, 1024 + 256 bytes, 1 overlaps, 1 CPUs, 1 texts" },
	{ "neighbours", 0, { { PH_B + 24, 8, 0x10400 } }, WHOLE },
	{ "the last byte before",
	  0,
	  { { PH_B + 24, 8, 0x0fe01 } },
	  "2 segments, 1 ranges, 1023 + 512 bytes, 1 overlaps, 1 CPUs, 1 texts" },
	{ "one inside the other",
	  0,
	  { { PH_A + 24, 8, 0x10010 }, { PH_A + 40, 8, 16 }, { PH_B + 24, 8, 0x10000 } },
	  "2 segments, 1 ranges, 512 + 0 bytes, 1 overlaps, 1 CPUs, 1 texts" },
	{ "one claims all memory",
	  0,
	  { { PH_B + 24, 8, 0 }, { PH_B + 40, 8, UINT64_MAX } },
	  "2 segments, 2 ranges, 1024 + 18446744073709550591 bytes, 1 overlaps, 1 CPUs, 1 "
	  "texts" },
	{ "both claim all memory",
	  0,
	  { { PH_A + 24, 8, 0 },
	    { PH_A + 40, 8, UINT64_MAX },
	    { PH_B + 24, 8, 0 },
	    { PH_B + 40, 8, UINT64_MAX } },
	  "2 segments, 1 ranges, 512 + 18446744073709551103 bytes, 1 overlaps, 1 CPUs, 1 "
	  "texts" },
};

static void test_segment__overlaps_are_counted_and_sorted_out(void **state)
{
	(void)state;
	CHECK_ROWS(overlaps);
}

static const struct row notes[] = {
	{ "offset 0: the header as notes", 0, { { PH_NOTE + 8, 8, 0 } }, "truncated: " NO_NOTES },
	{ "odd offset", 0, { { PH_NOTE + 8, 8, NOTE_CPU + 1 } }, "truncated: " NO_NOTES },
	{ "offset of the end", 0, { { PH_NOTE + 8, 8, END } }, "truncated: " NO_NOTES },
	{ "offset 2^64 - 1", 0, { { PH_NOTE + 8, 8, UINT64_MAX } }, "truncated: " NO_NOTES },
	{ "size 0", 0, { { PH_NOTE + 32, 8, 0 } }, NO_NOTES },
	{ "size of half a header", 0, { { PH_NOTE + 32, 8, 11 } }, NO_NOTES },
	{ "size of a header", 0, { { PH_NOTE + 32, 8, 12 } }, "truncated: " NO_NOTES },
	{ "size of the first note", 0, { { PH_NOTE + 32, 8, NOTE_QEMU - NOTE_CPU } }, NO_TEXT },
	{ "size without the last padding",
	  0,
	  { { PH_NOTE + 32, 8, DATA_A - 2 - NOTE_CPU } },
	  WHOLE },
	{ "size up to the end", 0, { { PH_NOTE + 32, 8, END - NOTE_CPU } }, "truncated: " WHOLE },
	{ "size 2^64 - 1", 0, { { PH_NOTE + 32, 8, UINT64_MAX } }, "truncated: " WHOLE },
	{ "size 2^64 - 1 in a large file",
	  80 * MIB,
	  { { PH_NOTE + 32, 8, UINT64_MAX } },
	  "offset 0x60: expected at most 64 MiB of notes, found 0xffffffffffffffff" },
	{ "size 64 MiB in a large file",
	  80 * MIB,
	  { { PH_NOTE + 32, 8, 64 * MIB } },
	  "truncated: " WHOLE },
	{ "size 64 MiB + 1 in a large file",
	  80 * MIB,
	  { { PH_NOTE + 32, 8, 64 * MIB + 1 } },
	  "offset 0x60: expected at most 64 MiB of notes, found 0x4000001" },
	{ "a segment's bytes are notes too",
	  0,
	  { { PH_A, 4, 4 }, { PH_A + 8, 8, NOTE_CPU }, { PH_A + 32, 8, 816 } },
	  "1 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 2 CPUs, 1 texts" },
	{ "name size 0", 0, { { NOTE_QEMU, 4, 0 } }, NO_TEXT },
	{ "name size 1", 0, { { NOTE_QEMU, 4, 1 } }, NO_TEXT },
	{ "name size 4: without its NUL", 0, { { NOTE_QEMU, 4, 4 } }, NO_TEXT },
	{ "name size 17: too long to mean anything",
	  0,
	  { { NOTE_QEMU, 4, 17 } },
	  "truncated: " NO_TEXT },
	{ "name up to the end",
	  0,
	  { { NOTE_QEMU, 4, DATA_A - NOTE_QEMU - 12 }, { NOTE_QEMU + 4, 4, 0 } },
	  NO_TEXT },
	{ "name a byte longer",
	  0,
	  { { NOTE_QEMU, 4, DATA_A - NOTE_QEMU - 11 }, { NOTE_QEMU + 4, 4, 0 } },
	  "truncated: " NO_TEXT },
	{ "name size 2^32 - 1", 0, { { NOTE_QEMU, 4, UINT32_MAX } }, "truncated: " NO_TEXT },
	{ "name and description of 2^32 - 1",
	  0,
	  { { NOTE_QEMU, 8, UINT64_MAX } },
	  "truncated: " NO_TEXT },
	{ "description size 0", 0, { { NOTE_QEMU + 4, 4, 0 } }, "truncated: " NO_TEXT },
	{ "description up to the end",
	  0,
	  { { NOTE_QEMU + 4, 4, DATA_A - NOTE_QEMU - 20 } },
	  NO_TEXT },
	{ "description a byte longer",
	  0,
	  { { NOTE_QEMU + 4, 4, DATA_A - NOTE_QEMU - 19 } },
	  "truncated: " NO_TEXT },
	{ "description size 2^31",
	  0,
	  { { NOTE_QEMU + 4, 4, UINT64_C(1) << 31 } },
	  "truncated: " NO_TEXT },
	{ "description size 2^32 - 1",
	  0,
	  { { NOTE_QEMU + 4, 4, UINT32_MAX } },
	  "truncated: " NO_TEXT },
	{ "empty text", 0, { { NOTE_TEXT + 4, 4, 0 } }, "truncated: " NO_TEXT },
	{ "text of 128 KiB",
	  MIB,
	  { { PH_NOTE + 32, 8, MIB }, { NOTE_TEXT + 4, 4, 128 << 10 } },
	  "truncated: " WHOLE },
	{ "text of 128 KiB + 1",
	  MIB,
	  { { PH_NOTE + 32, 8, MIB }, { NOTE_TEXT + 4, 4, (128 << 10) + 1 } },
	  "truncated: " NO_TEXT },
	{ "registers as text", 0, { { NOTE_QEMU + 8, 4, 1 } }, WHOLE },
};

static void test_notes__extreme_fields_are_refused_or_end_the_notes(void **state)
{
	(void)state;
	CHECK_ROWS(notes);
}

/* Files that are large, or many, in every respect. */

static void fill_zeroes(struct mkelf *elf, size_t size)
{
	mkelf_build(elf);
	elf->file = realloc(elf->file, elf->size + size);
	assert_non_null(elf->file);
	memset(elf->file + elf->size, 0, size);
	elf->size += size;
}

static void make_segments(struct mkelf *elf, size_t nr, uint64_t pa_step, uint64_t size)
{
	for (size_t i = 0; i < nr; i++)
		mkelf_segment(elf, i * pa_step, bytes, 16, size);
}

static void make_separate(struct mkelf *elf)
{
	make_segments(elf, 60000, 0x1000, 16);
}

static void make_separate_extended(struct mkelf *elf)
{
	make_segments(elf, 70000, 0x1000, 0x800);
}

/* Each begins 16 bytes after the one before and claims to go on to the end of all. */
static void make_nested(struct mkelf *elf)
{
	for (size_t i = 0; i < 60000; i++)
		mkelf_segment(elf, i * 16, bytes, 8, (60000 - i) * 16);
}

static void make_identical(struct mkelf *elf)
{
	make_segments(elf, 60000, 0, 16);
}

static void make_at_limit(struct mkelf *elf)
{
	for (size_t i = 0; i < (1 << 20) - 1; i++)
		mkelf_segment(elf, i * 32, bytes, 1, 1);
}

static void make_over_limit(struct mkelf *elf)
{
	for (size_t i = 0; i < 1 << 20; i++)
		mkelf_segment(elf, i * 32, bytes, 1, 1);
}

/* Every segment is the whole file: memory grows with the square of the file's size. */
static void make_aliases(struct mkelf *elf)
{
	for (size_t i = 0; i < 60000; i++)
		mkelf_segment(elf, i << 32, NULL, 0, UINT64_C(1) << 32);
	mkelf_build(elf);
	for (size_t i = 0; i < 60000; i++) {
		mkelf_put(elf, mkelf_ph(i + 1) + 8, 8, 0);
		mkelf_put(elf, mkelf_ph(i + 1) + 32, 8, elf->size);
	}
}

/* The same notes once and again. */
static void make_repeated_notes(struct mkelf *elf)
{
	struct mkelf_cpu cpu = { 0 };

	for (size_t i = 0; i < 140; i++)
		mkelf_qemu_cpu(elf, &cpu);
	for (size_t i = 0; i < 50; i++)
		mkelf_segment(elf, i << 32, NULL, 0, 0);
	mkelf_build(elf);
	for (size_t i = 0; i < 50; i++) {
		mkelf_put(elf, mkelf_ph(i + 1), 4, 4);
		mkelf_put(elf, mkelf_ph(i + 1) + 8, 8, mkelf_notes_offset(elf));
		mkelf_put(elf, mkelf_ph(i + 1) + 32, 8, elf->notes_size);
	}
}

/* 64 MiB of the smallest notes that do not end the notes. */
static void make_tiny_notes(struct mkelf *elf)
{
	uint64_t at;

	mkelf_segment(elf, 0, bytes, BYTES, BYTES);
	fill_zeroes(elf, 64 * MIB);
	at = elf->size - 64 * MIB;
	mkelf_put(elf, mkelf_ph(0) + 8, 8, at);
	mkelf_put(elf, mkelf_ph(0) + 32, 8, 64 * MIB);
	for (; at < elf->size; at += 16)
		mkelf_put(elf, at, 4, 1);
}

static void make_texts(struct mkelf *elf)
{
	static char text[128 << 10];

	memset(text, 'K', sizeof(text));
	for (size_t i = 0; i < 40; i++)
		mkelf_note(elf, "VMCOREINFO", 0, text, sizeof(text));
}

static void test_file__large_in_every_respect_is_bounded(void **state)
{
	static const struct {
		const char *name;
		void (*make)(struct mkelf *elf);
		const char *text;
	} cases[] = {
		{ "60000 segments", make_separate,
		  "60000 segments, 60000 ranges, 960000 + 0 bytes, 0 overlaps, 0 CPUs, 0 texts" },
		{ "70000 segments, the number in a section", make_separate_extended,
		  "70000 segments, 70000 ranges, 1120000 + 142240000 bytes, 0 overlaps, 0 CPUs, 0 "
		  "texts" },
		{ "60000 segments, one in the other", make_nested,
		  "60000 segments, 60000 ranges, 480000 + 480000 bytes, 60000 overlaps, 0 CPUs, 0 "
		  "texts" },
		{ "60000 times the same segment", make_identical,
		  "60000 segments, 1 ranges, 16 + 0 bytes, 59999 overlaps, 0 CPUs, 0 texts" },
		{ "2^20 program headers", make_at_limit,
		  "1048575 segments, 1048575 ranges, 1048575 + 0 bytes, 0 overlaps, 0 CPUs, 0 "
		  "texts" },
		{ "2^20 + 1 program headers", make_over_limit,
		  "offset 0x39000a4: expected a number of program headers from 1 to 1048576, found "
		  "0x100001" },
		{ "60000 segments, each the whole file", make_aliases,
		  "expected segments that hold at most 16 times the bytes of the file" },
		{ "51 times the same 140 CPUs", make_repeated_notes,
		  "0 segments, 0 ranges, 0 + 0 bytes, 0 overlaps, 7140 CPUs, 0 texts" },
		{ "4194304 notes", make_tiny_notes,
		  "1 segments, 1 ranges, 512 + 0 bytes, 0 overlaps, 0 CPUs, 0 texts" },
		{ "40 texts", make_texts,
		  "0 segments, 0 ranges, 0 + 0 bytes, 0 overlaps, 0 CPUs, 16 texts" },
	};
	bool is_right = true;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mkelf elf;
		char text[TEXT];

		mkelf_init(&elf, MKELF_X86_64);
		cases[i].make(&elf);
		describe(mkelf_save(&elf), text);
		is_right &= is_text(cases[i].name, text, cases[i].text);
		mkelf_fini(&elf);
	}
	assert_true(is_right);
}

/* As large as a hole in a file can make it; the address space that we have need not be. */
static void test_file__larger_than_the_address_space_is_read(void **state)
{
	struct mkelf elf;
	char text[TEXT];

	(void)state;
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_segment(&elf, 0, bytes, 16, 16);
	mkelf_save(&elf);
	assert_int_equal(ftruncate(elf.fd, (off_t)(UINT64_C(1) << 39)), 0);
	describe(elf.path, text);
	assert_string_equal(text,
			    "1 segments, 1 ranges, 16 + 0 bytes, 0 overlaps, 0 CPUs, 0 texts");
	mkelf_fini(&elf);
}

/* What opened with zero_fill holds: segment A claims 512 bytes more than it has. */
static struct pgw_image *open_zero_fill(struct mkelf *elf)
{
	const struct pgw_image_options opts = { .zero_fill = true };
	struct pgw_image *image = NULL;

	assert_int_equal(pgw_image_open(mkelf_save(elf), &opts, &image, NULL), 0);
	return image;
}

static void test_zero_fill__reads_what_is_claimed_and_not_held(void **state)
{
	const struct pgw_image_info *info;
	const struct pgw_phys *phys;
	struct pgw_image *image;
	uint8_t read[2 * BYTES];
	uint64_t first, last;
	struct mkelf elf;

	(void)state;
	make_base(&elf);
	image = open_zero_fill(&elf);
	info = pgw_image_get_info(image);
	phys = pgw_image_phys(image);
	assert_int_equal(info->readable_bytes, 3 * BYTES);
	assert_int_equal(info->zero_bytes, BYTES);
	assert_int_equal(info->unreadable_bytes, 0);
	assert_int_equal(info->nr_gaps, 1);
	assert_int_equal(info->nr_ranges, 2);
	assert_true(phys->ops->next_range(phys, 0, &first, &last));
	assert_int_equal(first, 0x10000);
	assert_int_equal(last, 0x10000 + 2 * BYTES - 1);
	assert_int_equal(pgw_phys_read(phys, 0x10000, read, sizeof(read)), 0);
	assert_memory_equal(read, bytes, BYTES);
	for (size_t i = BYTES; i < sizeof(read); i++)
		assert_int_equal(read[i], 0);
	assert_int_equal(pgw_phys_read(phys, 0x10001, read, sizeof(read)), -PGW_EIO);
	use(image);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

/* Bytes win over zeroes, and zeroes over what is only claimed, in whatever order. */
static void test_zero_fill__bytes_win_over_zeroes(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;
	uint8_t byte;

	(void)state;
	make_base(&elf);
	mkelf_put(&elf, PH_B + 24, 8, 0x10000 + BYTES + 16);
	image = open_zero_fill(&elf);
	assert_int_equal(pgw_image_get_info(image)->zero_bytes, 16);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x10000 + BYTES + 15, &byte, 1), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x10000 + BYTES + 16, &byte, 1), 0);
	assert_int_equal(byte, 0xa5);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

static void test_zero_fill__what_a_file_has_lost_is_not_zeroes(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	struct mkelf elf;
	uint8_t byte;

	(void)state;
	make_base(&elf);
	/* All of B, and of A what is behind its first byte. */
	elf.size = DATA_A + 1;
	image = open_zero_fill(&elf);
	info = pgw_image_get_info(image);
	assert_true(info->truncated);
	assert_int_equal(info->readable_bytes, 1 + BYTES);
	assert_int_equal(info->zero_bytes, BYTES);
	assert_int_equal(info->unreadable_bytes, 2 * BYTES - 1);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x10001, &byte, 1), -PGW_EIO);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x10000 + BYTES, &byte, 1), 0);
	assert_int_equal(byte, 0);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

/* No search looks at zeroes, so their number costs nothing. */
static void test_zero_fill__any_number_of_zeroes_takes_no_time(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	make_base(&elf);
	mkelf_put(&elf, PH_A + 40, 8, UINT64_MAX - 0x10000);
	image = open_zero_fill(&elf);
	info = pgw_image_get_info(image);
	assert_int_equal(info->zero_bytes, UINT64_MAX - 0x10000 - 2 * BYTES);
	assert_int_equal(info->readable_bytes, UINT64_MAX - 0x10000);
	use(image);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

/* The headers say that the notes take by more bytes than they do. */
static void test_shift__is_by_what_notes_and_file_agree_on(void **state)
{
	static const int64_t by[] = { 1632, 4, -40, -4 };

	(void)state;
	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		uint64_t more = (uint64_t)by[i];
		struct pgw_image *image;
		uint8_t read[BYTES];
		struct mkelf elf;
		char text[TEXT];

		make_base(&elf);
		mkelf_put(&elf, PH_NOTE + 32, 8, DATA_A - NOTE_CPU + more);
		mkelf_put(&elf, PH_A + 8, 8, DATA_A + more);
		mkelf_put(&elf, PH_B + 8, 8, DATA_B + more);
		describe(mkelf_save(&elf), text);
		assert_string_equal(text, WHOLE);
		assert_int_equal(pgw_image_open(elf.path, NULL, &image, NULL), 0);
		assert_int_equal(pgw_image_get_info(image)->shift, -by[i]);
		assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x20000, read, sizeof(read)),
				 0);
		assert_memory_equal(read, bytes, BYTES);
		pgw_image_close(image);
		/* A byte less of the file, and nobody knows. */
		assert_int_equal(ftruncate(elf.fd, END - 1), 0);
		assert_int_equal(pgw_image_open(elf.path, NULL, &image, NULL), 0);
		assert_int_equal(pgw_image_get_info(image)->shift, 0);
		pgw_image_close(image);
		mkelf_fini(&elf);
	}
}

/* QEMU writes the names of sections behind memory. */
static void test_shift__counts_the_names_of_sections(void **state)
{
	struct pgw_image *image;
	struct mkelf elf;

	(void)state;
	make_base(&elf);
	/* The section headers take the place of a note's description. */
	mkelf_put(&elf, 40, 8, NOTE_CPU + 32);
	mkelf_put(&elf, 58, 2, 64);
	mkelf_put(&elf, 60, 2, 2);
	mkelf_put(&elf, 62, 2, 1);
	mkelf_put(&elf, NOTE_CPU + 32 + 64 + 24, 8, END + 100);
	mkelf_put(&elf, NOTE_CPU + 32 + 64 + 32, 8, 11);
	mkelf_put(&elf, PH_NOTE + 32, 8, DATA_A - NOTE_CPU + 100);
	mkelf_put(&elf, PH_A + 8, 8, DATA_A + 100);
	mkelf_put(&elf, PH_B + 8, 8, DATA_B + 100);
	mkelf_save(&elf);
	assert_int_equal(ftruncate(elf.fd, END + 11), 0);
	assert_int_equal(pgw_image_open(elf.path, NULL, &image, NULL), 0);
	assert_int_equal(pgw_image_get_info(image)->shift, -100);
	assert_false(pgw_image_get_info(image)->truncated);
	pgw_image_close(image);
	mkelf_fini(&elf);
}

struct shrunk {
	const char *name;
	uint64_t size;
	const char *text;
};

static const struct shrunk shrunk[] = {
	{ "not cut", 992 + 64 * 4096,
	  "first byte: success, last: success, texts: success, roots: success, kernel: no such "
	  "file or entry" },
	{ "by a byte", 991 + 64 * 4096,
	  "first byte: success, last: cannot be read, texts: cannot be read, roots: cannot "
	  "be read, kernel: cannot be read" },
	{ "inside the memory", 992 + 30 * 4096,
	  "first byte: success, last: cannot be read, texts: cannot be read, roots: cannot "
	  "be read, kernel: cannot be read" },
	{ "after a byte of memory", 993,
	  "first byte: success, last: cannot be read, texts: cannot be read, roots: cannot "
	  "be read, kernel: cannot be read" },
	{ "after the headers", 176,
	  "first byte: cannot be read, last: cannot be read, texts: cannot be read, roots: "
	  "cannot be read, kernel: cannot be read" },
	{ "inside the header", 20,
	  "first byte: cannot be read, last: cannot be read, texts: cannot be read, roots: "
	  "cannot be read, kernel: cannot be read" },
	{ "to nothing", 0,
	  "first byte: cannot be read, last: cannot be read, texts: cannot be read, roots: "
	  "cannot be read, kernel: cannot be read" },
};

static bool check_shrunk(const struct shrunk *row)
{
	static uint8_t memory[64 * 4096];
	struct mkelf_cpu cpu = { 0 };
	uint8_t prstatus[336] = { 0 };
	struct pgw_image *image;
	struct mkelf elf;
	char text[TEXT];

	memset(memory, 0x5a, sizeof(memory));
	mkelf_init(&elf, MKELF_X86_64);
	mkelf_note(&elf, "CORE", 1, prstatus, sizeof(prstatus));
	mkelf_qemu_cpu(&elf, &cpu);
	mkelf_segment(&elf, 0, memory, sizeof(memory), sizeof(memory));
	assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, NULL), 0);
	assert_int_equal(ftruncate(elf.fd, (off_t)row->size), 0);
	describe_open(image, text);
	pgw_image_close(image);
	mkelf_fini(&elf);
	return is_text(row->name, text, row->text);
}

/* Opened whole, then cut: what memory, the search for texts and the one for roots say. */
static void test_file__that_shrinks_once_open_cannot_be_read(void **state)
{
	bool is_right = true;

	(void)state;
	sigaction(SIGBUS, &sigbus, NULL);
	for (size_t i = 0; i < sizeof(shrunk) / sizeof(shrunk[0]); i++)
		is_right &= check_shrunk(&shrunk[i]);
	assert_true(is_right);
}

/* A child cuts and restores the file all the time. */
static void test_file__that_shrinks_while_it_is_opened_does_no_harm(void **state)
{
	struct mkelf elf;
	pid_t child;

	(void)state;
	sigaction(SIGBUS, &sigbus, NULL);
	make_base(&elf);
	mkelf_save(&elf);
	child = fork();
	while (child == 0) {
		static const off_t sizes[] = { 0, 63, 100, NOTE_QEMU + 3, DATA_B };

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			if (ftruncate(elf.fd, sizes[i]) ||
			    pwrite(elf.fd, elf.file, elf.size, 0) != (ssize_t)elf.size)
				_exit(1);
		}
	}
	assert_true(child > 0);
	for (unsigned i = 0; i < 3000; i++) {
		struct pgw_image *image;
		struct pgw_error err;
		char text[TEXT];
		int status = pgw_image_open(elf.path, NULL, &image, &err);

		if (status) {
			assert_true(status == -PGW_EIO || status == -PGW_ENOEXEC ||
				    status == -PGW_EOVERFLOW || status == -PGW_EOPNOTSUPP);
			assert_true(pgw_error_format(&err, text, sizeof(text)) > 0);
			continue;
		}
		describe_open(image, text);
		pgw_image_close(image);
	}
	/* It must not have ended by itself. */
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	mkelf_fini(&elf);
}

/* Sanitizers reserve more address space than there is memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

/* All the tests together have a minute of CPU and a GiB, files included. */
static void limit(void)
{
	struct rlimit cpu = { 60, 60 }, space = { 1024 * MIB, 1024 * MIB };

#ifdef HAS_SANITIZER
	cpu.rlim_cur = cpu.rlim_max = 600;
#else
	if (setrlimit(RLIMIT_AS, &space))
		abort();
#endif
	(void)space;
	if (setrlimit(RLIMIT_CPU, &cpu))
		abort();
}

/* cmocka takes SIGBUS for itself at the start of each test: keep the library's handler. */
static void keep_sigbus(void)
{
	struct pgw_image *image;

	pgw_image_open("/proc/self/exe", NULL, &image, NULL);
	sigaction(SIGBUS, NULL, &sigbus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file__cut_at_every_structure_says_so),
		cmocka_unit_test(test_header__extreme_fields_are_refused_or_harmless),
		cmocka_unit_test(test_segment__extreme_fields_are_refused_or_harmless),
		cmocka_unit_test(test_segment__overlaps_are_counted_and_sorted_out),
		cmocka_unit_test(test_notes__extreme_fields_are_refused_or_end_the_notes),
		cmocka_unit_test(test_file__large_in_every_respect_is_bounded),
		cmocka_unit_test(test_file__larger_than_the_address_space_is_read),
		cmocka_unit_test(test_file__that_shrinks_once_open_cannot_be_read),
		cmocka_unit_test(test_file__that_shrinks_while_it_is_opened_does_no_harm),
		cmocka_unit_test(test_zero_fill__reads_what_is_claimed_and_not_held),
		cmocka_unit_test(test_zero_fill__bytes_win_over_zeroes),
		cmocka_unit_test(test_zero_fill__what_a_file_has_lost_is_not_zeroes),
		cmocka_unit_test(test_zero_fill__any_number_of_zeroes_takes_no_time),
		cmocka_unit_test(test_shift__is_by_what_notes_and_file_agree_on),
		cmocka_unit_test(test_shift__counts_the_names_of_sections),
	};

	limit();
	keep_sigbus();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
