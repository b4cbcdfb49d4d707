/* SPDX-License-Identifier: BSD-2-Clause */
/* AVML's files are the image that an ELF core of the same memory is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/dumpfile.h"
#include "image/machine.h"
#include "image/pack.h"
#include "image/same_image.h"
#include "source/crc32c.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define FRAME ((size_t)64 << 10)
#define SECOND 0x20000 /* where the second block's memory begins */

static struct machine machine;
static struct pgw_image *core; /* the machine as an ELF core */

static int set_up(void **state)
{
	(void)state;
	core = machine_init_simple(&machine);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	machine_fini_image(&machine, core);
	return 0;
}

/* Bit by bit, as RFC 3720 defines it. */
static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	while (size--) {
		crc ^= *bytes++;
		for (unsigned i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static void add_chunk(struct dumpfile *file, unsigned type, const void *bytes, size_t size)
{
	dumpfile_add_number(file, 4, type | size << 8);
	dumpfile_add(file, bytes, size);
}

static void add_frame(struct dumpfile *file, const uint8_t *memory, size_t size, bool is_plain)
{
	static uint8_t packed[4 + PACK_MAX];
	uint32_t crc = crc_of(memory, size);
	size_t n = size;

	crc = (crc >> 15 | crc << 17) + 0xa282ead8;
	for (unsigned i = 0; i < 4; i++)
		packed[i] = (uint8_t)(crc >> (8 * i));
	if (is_plain)
		memcpy(packed + 4, memory, size);
	else
		n = pack(PACKING_SNAPPY, memory, size, packed + 4);
	add_chunk(file, is_plain, packed, 4 + n);
}

/* The first frame of each block has a page only; of the last, bytes are not packed. */
static void add_block(struct dumpfile *file, uint64_t first, uint64_t last)
{
	uint64_t header = dumpfile_add(file, "AVML\2\0\0\0", 8), start;
	size_t n = 4096;

	dumpfile_add_number(file, 8, first);
	dumpfile_add_number(file, 8, last);
	dumpfile_add(file, NULL, 8);
	start = file->size;
	add_chunk(file, 0xff, "sNaPpY", 6);
	for (uint64_t pa = first; pa <= last; pa += n, n = FRAME) {
		if (n > last - pa + 1)
			n = (size_t)(last - pa + 1);
		add_frame(file, machine.ram + pa, n, pa + n > last && first);
		add_chunk(file, 0xfe, NULL, 3);
	}
	/* A writer ends with the last frame. */
	file->size -= 7;
	dumpfile_add_number(file, 8, file->size - start);
	assert_int_equal(start, header + 32);
}

static void make_file(struct dumpfile *file)
{
	add_block(file, 0, SECOND - 1);
	add_block(file, 0x60000, RAM - 1);
	add_block(file, SECOND, 0x5fffe);
	/* What AVML does not write: a range in two, the second of one byte. */
	add_block(file, 0x5ffff, 0x5ffff);
}

static void test_crc32c__has_the_values_of_rfc_3720(void **state)
{
	struct crc32c crc;
	uint8_t bytes[32];

	(void)state;
	crc32c_init(&crc);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(crc32c_of(&crc, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c_of(&crc, bytes, sizeof(bytes)), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(crc32c_of(&crc, bytes, sizeof(bytes)), 0x46dd794e);
	assert_int_equal(crc32c_of(&crc, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_of(&crc, "", 0), 0);
}

static void test_avml__gives_what_a_core_gives(void **state)
{
	struct dumpfile file = { .size = 0 };
	const struct pgw_image_info *info;
	struct pgw_image *image;

	(void)state;
	make_file(&file);
	assert_string_equal(dumpfile_open(&file, &image), "");
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "avml");
	assert_string_equal(info->arch, "x86_64");
	assert_int_equal(info->nr_segments, 4);
	assert_int_equal(info->readable_bytes, RAM);
	assert_int_equal(info->said_size, file.size);
	assert_false(info->truncated);
	assert_true(info->lacks_zeroes);
	same_image(core, image);
	pgw_image_close(image);
	dumpfile_fini(&file);
}

/* Where chunks, and what is around them, begin and end, and a byte to each side. */
static size_t find_cuts(const struct dumpfile *file, uint64_t *ret)
{
	uint64_t at = 0;
	size_t nr = 0;

	while (at < file->size) {
		bool is_header = memcmp(file->bytes + at, "AVML", 4) == 0;
		uint64_t size = is_header ? 32 : 4 + (load_le32(file->bytes + at) >> 8);

		for (uint64_t cut = at ? at - 1 : 0; cut <= at + 1; cut++)
			ret[nr++] = cut;
		at += size;
		/* The block's last chunk is followed by how many bytes there were. */
		if (at + 8 == file->size || memcmp(file->bytes + at + 8, "AVML", 4) == 0)
			at += 8;
	}
	return nr;
}

static void test_avml__a_cut_file_has_what_it_has(void **state)
{
	struct dumpfile file = { .size = 0 };
	uint64_t cuts[400];
	size_t nr;

	(void)state;
	make_file(&file);
	nr = find_cuts(&file, cuts);
	assert_in_range(nr, 60, 390);
	dumpfile_check_cuts(&file, cuts + 3, nr - 3, 32, machine.ram, RAM);
	dumpfile_fini(&file);
}

#define NO_HEADER "expected the header of an AVML block, found "
#define NO_FRAMES "expected snappy frames that come to all bytes of the block, found "

static const struct dumpfile_row rows[] = {
	{ "version", 4, 4, 3, "offset 0x4: expected an AVML block of version 2, found 0x3" },
	{ "end before start", 16, 8, UINT64_MAX,
	  "offset 0x10: expected the end of a block, behind its start, below 2^64, found "
	  "0xffffffffffffffff" },
	{ "more than can be in it", 16, 8, UINT64_MAX / 2,
	  "offset 0x10: expected a block of at most 32 times its bytes, found "
	  "0x7fffffffffffffff" },
	/* Found when the block is read. */
	{ "no stream", 36, 1, 's', "" },
	{ "an unknown chunk", 32 + 10, 1, 0x42, "" },
	{ "a chunk that is too long", 32 + 10 + 2, 2, 0xffff, "" },
	{ "a chunk with no data", 32 + 10, 4, 0x400, "" },
	{ "a checksum", 32 + 10 + 4, 1, 0x99, "" },
	{ "it unpacks to nothing", 32 + 10 + 8, 1, 0, "" },
	{ "it unpacks to too much", 32 + 10 + 8, 4, 0xffffffff, "" },
	{ "it unpacks to less", 32 + 10 + 8, 1, 1, "" },
	{ "it does not unpack", 32 + 10 + 11, 4, 0xffffffff, "" },
};

static void test_avml__hostile_headers_are_refused_by_a_line(void **state)
{
	(void)state;
	dumpfile_check_rows(make_file, rows, PGW_ARRAY_SIZE(rows));
}

/* The file's end tells where blocks are; if it does not, they are found from its start. */
static void test_avml__what_is_not_sound_at_its_end_is_read_from_the_start(void **state)
{
	static const struct {
		size_t back; /* from the end, a byte that is changed */
		const char *text;
	} bad[] = {
		{ 10, "expected how many bytes the block's frames have, found " },
		{ 8 + 1 + 4 + 4, NO_FRAMES },
		{ 8 + 9 + 10 + 32, NO_HEADER },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(bad); i++) {
		struct dumpfile file = { .size = 0 };
		struct pgw_image *image;
		const char *said;

		make_file(&file);
		file.bytes[file.size - 1] ^= 0x20;
		file.bytes[file.size - bad[i].back] ^= 0x20;
		said = dumpfile_open(&file, &image);
		assert_non_null(strstr(said, bad[i].text));
		dumpfile_fini(&file);
	}
}

/* What a frame's checksum speaks against cannot be read, and the others can. */
static void test_avml__a_frame_is_read_only_if_its_checksum_agrees(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;
	const struct pgw_phys *phys;
	uint8_t byte;

	(void)state;
	make_file(&file);
	file.bytes[32 + 10 + 4] ^= 1;
	assert_string_equal(dumpfile_open(&file, &image), "");
	phys = pgw_image_phys(image);
	assert_int_equal(pgw_phys_read(phys, 0, &byte, 1), -PGW_EIO);
	assert_int_equal(pgw_phys_read(phys, 0xfff, &byte, 1), -PGW_EIO);
	assert_int_equal(pgw_phys_read(phys, 0x1000, &byte, 1), 0);
	assert_int_equal(byte, machine.ram[0x1000]);
	pgw_image_close(image);
	dumpfile_fini(&file);
}

/* Blocks of one kind of zeroes are left out: that is a gap, and said. */
static void test_avml__memory_that_is_left_out_is_not_there(void **state)
{
	struct dumpfile file = { .size = 0 };
	struct pgw_image *image;
	uint8_t byte;

	(void)state;
	add_block(&file, 0, 0x3ffff);
	add_block(&file, 0x50000, RAM - 1);
	assert_string_equal(dumpfile_open(&file, &image), "");
	assert_int_equal(pgw_image_get_info(image)->nr_ranges, 2);
	assert_int_equal(pgw_phys_read(pgw_image_phys(image), 0x40000, &byte, 1), -PGW_EIO);
	assert_true(pgw_image_get_info(image)->lacks_zeroes);
	pgw_image_close(image);
	dumpfile_fini(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c__has_the_values_of_rfc_3720),
		cmocka_unit_test(test_avml__gives_what_a_core_gives),
		cmocka_unit_test(test_avml__a_cut_file_has_what_it_has),
		cmocka_unit_test(test_avml__hostile_headers_are_refused_by_a_line),
		cmocka_unit_test(test_avml__what_is_not_sound_at_its_end_is_read_from_the_start),
		cmocka_unit_test(test_avml__a_frame_is_read_only_if_its_checksum_agrees),
		cmocka_unit_test(test_avml__memory_that_is_left_out_is_not_there),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
