/* SPDX-License-Identifier: BSD-2-Clause */
/* Migration streams of QEMU are the image that an ELF core of the same memory is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "common/arena.h"
#include "image/linux.h"
#include "image/machine.h"
#include "image/mkqemu.h"
#include "image/same_image.h"

#define PAGE MKQEMU_PAGE
#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define GIB (UINT64_C(1) << 30)

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

static const struct mkqemu_block q35[] = { { "pc.ram", RAM },
					   { "/rom@etc/acpi/tables", 0x20000 },
					   { "pc.bios", 0x40000 } };

/* What comes before the pages of a machine with the memory of ours. */
static void begin(struct mkqemu *stream)
{
	*stream = (struct mkqemu){ 0 };
	mkqemu_begin(stream, "pc-q35-7.2");
	mkqemu_blocks(stream, q35, PGW_ARRAY_SIZE(q35));
}

/* Some of our memory, page by page in the order of the addresses. */
static void send_pages(struct mkqemu *stream, uint64_t first, uint64_t end)
{
	for (uint64_t pa = first; pa < end; pa += PAGE)
		mkqemu_page(stream, pa == first ? "pc.ram" : NULL, pa, machine.ram + pa);
}

/* All of the memory in one pass, with pages of another block between. */
static void make_stream(struct mkqemu *stream)
{
	begin(stream);
	mkqemu_part(stream, 2);
	mkqemu_fill(stream, "pc.bios", 0x1000, 0xff);
	send_pages(stream, 0, RAM / 2);
	mkqemu_part_end(stream);
	mkqemu_part(stream, 3);
	send_pages(stream, RAM / 2, RAM);
	mkqemu_part_end(stream);
	mkqemu_devices(stream);
}

/* @return what is said of a file that does not open; "" if it does */
static const char *open_said(struct mkqemu *stream, struct pgw_image **ret)
{
	static char text[400];
	struct pgw_error err;

	*ret = NULL;
	*text = 0;
	if (pgw_image_open(mkqemu_save(stream), NULL, ret, &err))
		pgw_error_format(&err, text, sizeof(text));
	return text;
}

static struct pgw_image *must_open(struct mkqemu *stream)
{
	struct pgw_image *image;

	assert_string_equal(open_said(stream, &image), "");
	return image;
}

static void test_qemu__gives_what_a_core_gives(void **state)
{
	const struct pgw_image_info *info;
	struct pgw_image *image;
	struct mkqemu stream;

	(void)state;
	make_stream(&stream);
	image = must_open(&stream);
	info = pgw_image_get_info(image);
	assert_string_equal(info->kind, "qemu-migration");
	assert_string_equal(info->arch, "x86_64");
	assert_string_equal(info->writer, "QEMU");
	/* The kernel is where it should be; of the rest its tables say nothing. */
	assert_int_equal(info->placement, PGW_PLACEMENT_GUESSED);
	assert_int_equal(info->file_size, stream.size);
	assert_int_equal(info->readable_bytes, RAM);
	assert_int_equal(info->unreadable_bytes, 0);
	assert_int_equal(info->other_bytes, 1 + 4 + 6 + 8 + 24 + 5 + 1);
	assert_false(info->truncated);
	same_image(core, image);
	pgw_image_close(image);
	mkqemu_fini(&stream);
}

/* A machine whose kernel maps all of its memory, as an ELF core and as a stream. */
static void check_proved(const char *format, const char *name, const struct mkqemu_block *block)
{
	struct pgw_image *image;
	struct linux_machine m;
	struct mkqemu stream = { 0 };

	linux_init(&m, pgw_format_by_name(format), 0);
	/* By this riscv64 knows the kernel. */
	memcpy(m.ram + LINUX_KERNEL * m.page + 0x30, "RISCV\0\0\0RSC\5", 12);
	linux_process(&m, 0);
	mkqemu_begin(&stream, name);
	mkqemu_blocks(&stream, block, 2);
	mkqemu_part(&stream, 3);
	for (uint64_t pa = 0; pa < block->size; pa += PAGE)
		mkqemu_page(&stream, block->name, pa, m.ram + pa);
	mkqemu_part_end(&stream);
	assert_int_equal(block->size, LINUX_PAGES * m.page);
	image = must_open(&stream);
	assert_int_equal(pgw_image_get_info(image)->placement, PGW_PLACEMENT_PROVED);
	same_image(linux_open(&m), image);
	pgw_image_close(image);
	linux_fini(&m);
	mkqemu_fini(&stream);
}

static void test_qemu__memory_that_the_kernel_maps_is_proved(void **state)
{
	static const struct mkqemu_block arm64[] = { { "mach-virt.ram", 64 * PAGE },
						     { "virt.flash0", 0x4000000 } };
	static const struct mkqemu_block arm64_16k[] = { { "mach-virt.ram", 256 * PAGE },
							 { "virt.flash0", 0x4000000 } };
	static const struct mkqemu_block riscv[] = { { "riscv_virt_board.ram", 64 * PAGE },
						     { "riscv_virt_board.mrom", 0xf000 } };

	(void)state;
	check_proved("arm64-4k-48", "virt-7.2", arm64);
	check_proved("arm64-16k-47", "virt-10.0", arm64_16k);
	check_proved("riscv-sv39", "virt", riscv);
	check_proved("riscv-sv57", "virt", riscv);
}

/* As a machine that runs has it: each pass has pages that the one before had, too. */
static void test_qemu__the_last_version_of_a_page_counts(void **state)
{
	uint8_t *ram = machine.ram + 0x30000, kept[PAGE];
	struct pgw_image *image;
	struct mkqemu stream;

	(void)state;
	begin(&stream);
	mkqemu_part(&stream, 2);
	memcpy(kept, ram, PAGE);
	memset(ram, 0x5a, PAGE);
	send_pages(&stream, 0, RAM);
	mkqemu_part_end(&stream);
	mkqemu_part(&stream, 2);
	/* Zeroes over bytes, bytes over zeroes, and both once more. */
	mkqemu_fill(&stream, "pc.ram", MACHINE_SWAPPER, 0);
	memset(ram, 0x5b, PAGE);
	mkqemu_page(&stream, NULL, 0x30000, ram);
	mkqemu_page(&stream, NULL, 0x3000, ram);
	mkqemu_part_end(&stream);
	mkqemu_part(&stream, 3);
	memcpy(ram, kept, PAGE);
	mkqemu_page(&stream, "pc.ram", 0x30000, ram);
	mkqemu_page(&stream, NULL, MACHINE_SWAPPER, machine.ram + MACHINE_SWAPPER);
	mkqemu_page(&stream, NULL, 0x3000, machine.ram + 0x3000);
	mkqemu_part_end(&stream);
	mkqemu_devices(&stream);
	image = must_open(&stream);
	same_image(core, image);
	pgw_image_close(image);
	mkqemu_fini(&stream);
}

/* A model: of each page what was sent last. */
struct model {
	uint8_t bytes[MACHINE_PAGES][PAGE];
	bool is_there[MACHINE_PAGES];
	uint64_t nr;
};

static void send_any(struct mkqemu *stream, struct model *model, uint64_t *random)
{
	uint64_t page = test_random(random) % MACHINE_PAGES, run = test_random(random) % 8;

	for (uint64_t i = 0; i <= run && page < MACHINE_PAGES; i++, page++) {
		uint64_t dice = test_random(random);

		memset(model->bytes[page], dice % 3 ? (int)(dice >> 8 & 0xff) : 0, PAGE);
		if (dice % 3 == 1)
			model->bytes[page][dice >> 16 & (PAGE - 1)] ^= 1;
		if (dice % 5 == 0)
			mkqemu_fill(stream, "pc.bios", 0x2000, (uint8_t)dice);
		if (dice % 3 == 2)
			mkqemu_fill(stream, "pc.ram", page * PAGE, model->bytes[page][0]);
		else
			mkqemu_page(stream, i && dice % 5 ? NULL : "pc.ram", page * PAGE,
				    model->bytes[page]);
		model->nr += !model->is_there[page];
		model->is_there[page] = true;
	}
}

static void check_model(struct pgw_image *image, const struct model *model, uint64_t *random)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t first, last, pa = 0, nr = 0;
	uint8_t bytes[2 * PAGE];

	for (uint64_t page = 0; page + 2 < MACHINE_PAGES; page++) {
		uint64_t in_page = test_random(random) % PAGE;
		bool is_there = model->is_there[page] && model->is_there[page + 1];
		int status = pgw_phys_read(phys, page * PAGE + in_page, bytes, PAGE + 1);

		assert_int_equal(status, is_there ? 0 : -PGW_EIO);
		if (is_there)
			assert_memory_equal(bytes,
					    (const uint8_t *)model->bytes + page * PAGE + in_page,
					    PAGE + 1);
	}
	for (; phys->ops->next_range(phys, pa, &first, &last); pa = last + 1) {
		for (uint64_t page = first / PAGE; page <= last / PAGE; page++, nr++)
			assert_true(model->is_there[page]);
		assert_true(last / PAGE == MACHINE_PAGES - 1 || !model->is_there[last / PAGE + 1]);
	}
	assert_int_equal(nr, model->nr);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, nr * PAGE);
	assert_int_equal(pgw_image_get_info(image)->unreadable_bytes, RAM - nr * PAGE);
}

static void test_qemu__random_passes_agree_with_the_model(void **state)
{
	static struct model model;
	uint64_t random = test_seed();

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct pgw_image *image;
		struct mkqemu stream;

		model = (struct model){ .nr = 0 };
		begin(&stream);
		for (unsigned pass = 0; pass < round / 4; pass++) {
			mkqemu_part(&stream, pass + 1 == round / 4 ? 3 : 2);
			for (unsigned i = 0; i < 6; i++)
				send_any(&stream, &model, &random);
			mkqemu_part_end(&stream);
		}
		image = must_open(&stream);
		check_model(image, &model, &random);
		pgw_image_close(image);
		mkqemu_fini(&stream);
	}
}

/* Only what was sent to the end may be there. */
static void check_cut(struct mkqemu *stream, uint64_t nr_pages)
{
	const struct pgw_image_info *info;
	struct pgw_image *image = must_open(stream);
	uint64_t nr = 0;

	info = pgw_image_get_info(image);
	assert_true(info->truncated);
	assert_true(info->said_size > info->file_size);
	assert_int_equal(info->other_bytes, 0);
	assert_int_equal(info->placement, PGW_PLACEMENT_USUAL);
	for (uint64_t pa = 0; pa < RAM; pa += PAGE) {
		uint8_t bytes[PAGE];

		if (pgw_phys_read(pgw_image_phys(image), pa, bytes, PAGE))
			continue;
		assert_memory_equal(bytes, machine.ram + pa, PAGE);
		nr++;
	}
	assert_int_equal(nr, nr_pages);
	assert_int_equal(nr * PAGE, info->readable_bytes);
	pgw_image_close(image);
}

static void test_qemu__a_cut_stream_has_what_it_has(void **state)
{
	struct mkqemu stream;
	size_t size, head;

	(void)state;
	begin(&stream);
	head = stream.size;
	mkqemu_part(&stream, 2);
	send_pages(&stream, 0, 4 * PAGE);
	size = stream.size;
	for (size_t n = 1; n < head; n++) {
		struct pgw_image *image;

		stream.size = n;
		/* All of the blocks are known from before the end of their section. */
		if (n >= head - 13)
			check_cut(&stream, 0);
		else
			assert_string_not_equal(open_said(&stream, &image), "");
	}
	for (size_t n = size - 2 * 4104; n < size; n += 7) {
		uint64_t nr = 0;

		stream.size = n;
		for (size_t at = head + 5; nr < 4; nr++) {
			size_t begins = at + 8 + (nr ? 0 : 7);

			at = begins + (stream.file[begins - (nr ? 1 : 8)] & 8 ? PAGE : 1);
			if (at > n)
				break;
		}
		check_cut(&stream, nr);
	}
	mkqemu_fini(&stream);
}

/* Of these only the end is known, which what is in them may look like. */
static void test_qemu__other_sections_are_passed_over(void **state)
{
	static const uint8_t like_an_end[] = { 0x7e, 0, 0, 0, 5, 9, 0x7e, 0, 0, 0, 5,
					       1,    0, 0, 0, 0, 0, 3,    0, 0, 0, 0 };
	struct pgw_image *image;
	struct mkqemu stream = { 0 };

	(void)state;
	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_section(&stream, 1, 5, "dirty-bitmap", 1);
	mkqemu_bytes(&stream, like_an_end, sizeof(like_an_end));
	mkqemu_footer(&stream, 5);
	mkqemu_blocks(&stream, q35, PGW_ARRAY_SIZE(q35));
	mkqemu_part(&stream, 3);
	stream.file[stream.size - 5] = 2;
	mkqemu_put(&stream, stream.size - 4, 4, 5);
	/* Across the window in which the end is looked for. */
	for (unsigned i = 0; i < 70000; i++)
		mkqemu_number(&stream, 1, 0x7e);
	mkqemu_footer(&stream, 5);
	mkqemu_section(&stream, 4, 6, "early", 1);
	mkqemu_footer(&stream, 6);
	/* A command that says nothing of the memory. */
	mkqemu_number(&stream, 1, 8);
	mkqemu_number(&stream, 2, 2);
	mkqemu_number(&stream, 2, 4);
	mkqemu_number(&stream, 4, 0);
	mkqemu_part(&stream, 3);
	send_pages(&stream, 0, RAM);
	mkqemu_part_end(&stream);
	mkqemu_devices(&stream);
	image = must_open(&stream);
	same_image(core, image);
	pgw_image_close(image);
	mkqemu_fini(&stream);
}

/* Where machines have their RAM: QEMU's monitor (info mtree, pmemsave) says so, too. */
static void test_qemu__memory_is_where_the_machine_usually_has_it(void **state)
{
	static const struct {
		const char *machine;
		struct mkqemu_block block[3]; /* of a name or the end */
		struct pgw_pa_range range[2];
	} rows[] = {
		{ "pc-q35-7.2", { { "pc.ram", 0x7000000 } }, { { 0, 0x6ffffff } } },
		{ "pc-q35-7.2", { { "pc.ram", UINT64_C(2815) << 20 } }, { { 0, 0xafefffff } } },
		{ "pc-q35-7.2",
		  { { "pc.ram", UINT64_C(2816) << 20 } },
		  { { 0, 0x7fffffff }, { 4 * GIB, 4 * GIB + 0x2fffffff } } },
		{ "pc-q35-10.0",
		  { { "pc.ram", 16 * GIB } },
		  { { 0, 2 * GIB - 1 }, { 4 * GIB, 18 * GIB - 1 } } },
		{ "pc-i440fx-7.2", { { "pc.ram", UINT64_C(3583) << 20 } }, { { 0, 0xdfefffff } } },
		{ "pc-i440fx-7.2",
		  { { "pc.ram", UINT64_C(3584) << 20 } },
		  { { 0, 3 * GIB - 1 }, { 4 * GIB, 4 * GIB + 0x1fffffff } } },
		{ "virt-7.2",
		  { { "mach-virt.ram", 8 * GIB }, { "virt.flash0", 0x4000000 } },
		  { { GIB, 9 * GIB - 1 } } },
		{ "virt",
		  { { "riscv_virt_board.ram", 4 * GIB }, { "virt.flash0", 0x2000000 } },
		  { { 2 * GIB, 6 * GIB - 1 } } },
		{ "s390-ccw-virtio-7.2", { { "s390.ram", 4 * GIB } }, { { 0, 4 * GIB - 1 } } },
		/* What was plugged in is somewhere else. */
		{ "pc-q35-7.2", { { "dimm1", GIB }, { "pc.ram", GIB } }, { { 0, GIB - 1 } } },
		/* Memory of NUMA nodes is the machine's, in their order. */
		{ "pc-q35-7.2",
		  { { "ram-node10", GIB }, { "ram-node9", 2 * GIB }, { "pc.bios", 0x40000 } },
		  { { 0, 2 * GIB - 1 }, { 4 * GIB, 5 * GIB - 1 } } },
		{ "virt",
		  { { "mem", GIB }, { "riscv_virt_board.mrom", 0xf000 } },
		  { { 2 * GIB, 3 * GIB - 1 } } },
		{ "virt-7.2",
		  { { "mem", GIB }, { "virt.flash0", 0x4000000 } },
		  { { GIB, 2 * GIB - 1 } } },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		struct pgw_pa_range range = { 0, 0 };
		struct mkqemu stream = { 0 };
		struct pgw_image *image;
		size_t nr = 0;

		while (nr < 3 && rows[i].block[nr].name)
			nr++;
		mkqemu_begin(&stream, rows[i].machine);
		mkqemu_blocks(&stream, rows[i].block, nr);
		image = must_open(&stream);
		for (size_t j = 0; j < 2 && rows[i].range[j].last; j++) {
			assert_true(pgw_image_next_described(image, range.last + !!j, &range));
			assert_int_equal(range.first, rows[i].range[j].first);
			assert_int_equal(range.last, rows[i].range[j].last);
		}
		assert_false(pgw_image_next_described(image, range.last + 1, &range));
		assert_int_equal(pgw_image_get_info(image)->placement, PGW_PLACEMENT_USUAL);
		pgw_image_close(image);
		mkqemu_fini(&stream);
	}
}

/* The nodes' bytes, too, are in the nodes' order, whichever comes first. */
static void test_qemu__memory_of_nodes_is_in_their_order(void **state)
{
	static const struct mkqemu_block nodes[] = { { "ram-node10", RAM - 0x20000 },
						     { "ram-node9", 0x20000 } };
	struct pgw_image *image;
	struct mkqemu stream = { 0 };

	(void)state;
	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_blocks(&stream, nodes, 2);
	mkqemu_part(&stream, 3);
	for (uint64_t pa = 0x20000; pa < RAM; pa += PAGE)
		mkqemu_page(&stream, "ram-node10", pa - 0x20000, machine.ram + pa);
	for (uint64_t pa = 0; pa < 0x20000; pa += PAGE)
		mkqemu_page(&stream, "ram-node9", pa, machine.ram + pa);
	mkqemu_part_end(&stream);
	image = must_open(&stream);
	same_image(core, image);
	pgw_image_close(image);
	mkqemu_fini(&stream);
}

/* What the machine is called need not be so, and a machine may be unknown: the kernel's root tells. */
static void test_qemu__a_root_proves_more_than_a_name(void **state)
{
	static const char *const machines[] = { "microvm", "virt-7.2", "" };
	static const struct mkqemu_block blocks[] = { { "mem", RAM }, { "virt.flash0", 0x1000 } };

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(machines); i++) {
		struct pgw_image *image;
		struct mkqemu stream = { 0 };

		mkqemu_begin(&stream, machines[i]);
		mkqemu_blocks(&stream, blocks, 2);
		mkqemu_part(&stream, 3);
		for (uint64_t pa = 0; pa < RAM; pa += PAGE)
			mkqemu_page(&stream, "mem", pa, machine.ram + pa);
		mkqemu_part_end(&stream);
		image = must_open(&stream);
		assert_int_equal(pgw_image_get_info(image)->placement, PGW_PLACEMENT_GUESSED);
		same_image(core, image);
		pgw_image_close(image);
		mkqemu_fini(&stream);
	}
}

/* Of a machine that is not known, whose memory proves nothing, nothing is shown. */
static void test_qemu__an_unknown_machine_needs_a_proof(void **state)
{
	static const struct mkqemu_block block = { "mem", RAM };
	struct pgw_image *image;
	struct mkqemu stream = { 0 };

	(void)state;
	mkqemu_begin(&stream, "microvm");
	mkqemu_blocks(&stream, &block, 1);
	assert_string_equal(
		open_said(&stream, &image),
		"expected an ELF core, or raw memory whose kernel's root proves where it "
		"begins (--ram PA=FILE[@OFFSET[+SIZE]] says where)");
	mkqemu_fini(&stream);
}

/* Fields of a stream whose parts are of known sizes. */
#define CONFIGURATION 8
#define MACHINE_AT (CONFIGURATION + 5)
#define SECTION (MACHINE_AT + 10)
#define SIZE_AT (SECTION + 5 + 4 + 8)
#define BLOCK_AT (SIZE_AT + 8)
#define BLOCK_SIZE_AT (BLOCK_AT + 7)
#define BLOCKS_END (BLOCK_AT + 15 + 29 + 16)
#define PART (BLOCKS_END + 13)
#define RECORD (PART + 5)
#define NAME (RECORD + 8)
#define RECORD2 (NAME + 8 + 1) /* the first is one of the firmware's, filled */

struct row {
	const char *name;
	uint64_t offset;
	unsigned size;
	uint64_t value;
	const char *text;
};

#define STREAM "a QEMU migration stream"
#define WITHOUT " (with migrate-set-capabilities), or use dump-guest-memory"

static const struct row rows[] = {
	{ "version", 4, 4, 2, "offset 0x4: expected " STREAM " of version 3, found 0x2" },
	{ "machine's type too long", 9, 4, 256,
	  "offset 0x9: expected a machine's type, of at most 255 bytes, found 0x100" },
	{ "machine's type longer", 9, 4, 255,
	  "offset 0x10c: expected a section before the end of the memory, found 0x0" },
	{ "the end", SECTION, 1, 0,
	  "offset 0x17: expected a section before the end of the memory, found 0x0" },
	{ "a footer", SECTION, 1, 0x7e,
	  "offset 0x17: expected a section before the end of the memory, found 0x7e" },
	{ "version of the memory", SIZE_AT - 4, 4, 3,
	  "offset 0x24: expected memory in version 4, found 0x3" },
	{ "no sizes", SIZE_AT, 8, 0x10,
	  "offset 0x28: expected the size of the memory, below 2^63, found 0x10" },
	{ "all sizes 0", SIZE_AT, 8, 4,
	  "offset 0x28: expected the size of the memory, below 2^63, found 0x4" },
	{ "all sizes huge", SIZE_AT, 8, 0x8000000000000004,
	  "offset 0x28: expected the size of the memory, below 2^63, found 0x8000000000000004" },
	{ "all sizes smaller", SIZE_AT, 8, 0x1004,
	  "offset 0x37: expected the size of a block of memory, in pages, within that of all, "
	  "found 0x80000" },
	{ "a block without a name", BLOCK_AT, 1, 0, "offset 0x30: expected a name, found 0x0" },
	{ "a block's name with a zero", BLOCK_AT + 2, 1, 0,
	  "offset 0x30: expected a name, found 0x6" },
	{ "a block of no pages", BLOCK_SIZE_AT, 8, 0,
	  "offset 0x37: expected the size of a block of memory, in pages, within that of all, "
	  "found 0x0" },
	{ "a block of half a page", BLOCK_SIZE_AT, 8, 0x800,
	  "offset 0x37: expected the size of a block of memory, in pages, within that of all, "
	  "found 0x800" },
	{ "no end of the blocks", BLOCKS_END + 8, 1, 0x7f,
	  "offset 0x74: expected the end of a section of the memory, found 0x7f00000002" },
	{ "another's end", BLOCKS_END + 9, 4, 3,
	  "offset 0x74: expected the end of a section of the memory, found 0x7e00000003" },
	{ "the same block without one before", RECORD, 8, 0x1022,
	  "offset 0x7e: expected the name of the first block, found 0x20" },
	{ "a page of no block", NAME + 1, 1, 'q',
	  "offset 0x86: expected the name of a block of memory that was listed, found 0x7" },
	{ "a page behind the block's end", RECORD, 8, 0x40002,
	  "offset 0x7e: expected a page inside its block of memory, found 0x40000" },
	{ "no flags", RECORD, 8, 0x1000,
	  "offset 0x7e: expected a page of memory, or the end of a section, found 0x1000" },
	{ "two kinds of page", RECORD, 8, 0x100a,
	  "offset 0x7e: expected a page of memory, or the end of a section, found 0x100a" },
	{ "the end, with a page", RECORD, 8, 0x1010,
	  "offset 0x7e: expected a page of memory, or the end of a section, found 0x1010" },
	{ "xbzrle", RECORD2, 8, 0x40,
	  "offset 0x8f: " STREAM " with xbzrle: migrate again with xbzrle off" WITHOUT },
	{ "compress", RECORD2, 8, 0x120,
	  "offset 0x8f: " STREAM " with compress: migrate again with compress off" WITHOUT },
	{ "multifd", RECORD2, 8, 0x200,
	  "offset 0x8f: " STREAM " with multifd, whose pages are in other streams: migrate again "
	  "with multifd off" WITHOUT },
	{ "rdma", RECORD2, 8, 0x80,
	  "offset 0x8f: " STREAM " over RDMA: migrate again to a file, or use dump-guest-memory" },
};

static void test_qemu__hostile_streams_are_refused_by_a_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		struct pgw_image *image;
		struct mkqemu stream;

		make_stream(&stream);
		mkqemu_put(&stream, rows[i].offset, rows[i].size, rows[i].value);
		assert_string_equal(open_said(&stream, &image), rows[i].text);
		mkqemu_fini(&stream);
	}
}

/* With a subsection of the configuration before the memory. */
static const char *said_with(const char *name, const char *capability, uint64_t number)
{
	struct pgw_image *image;
	struct mkqemu stream = { 0 };
	const char *said;

	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_number(&stream, 1, 5);
	mkqemu_name(&stream, name);
	mkqemu_number(&stream, 4, 1);
	mkqemu_number(&stream, 4, number);
	if (capability)
		mkqemu_name(&stream, capability);
	else if (strcmp(name, "configuration/uuid") == 0)
		mkqemu_bytes(&stream, "0123456789ab", 12);
	mkqemu_blocks(&stream, q35, PGW_ARRAY_SIZE(q35));
	mkqemu_part(&stream, 3);
	send_pages(&stream, 0, RAM);
	mkqemu_part_end(&stream);
	said = open_said(&stream, &image);
	if (image)
		same_image(core, image);
	pgw_image_close(image);
	mkqemu_fini(&stream);
	return said;
}

static void test_qemu__what_is_configured_is_known_or_refused(void **state)
{
	static const char bits[] = "configuration/target-page-bits";
	static const char capabilities[] = "configuration/capabilities";

	(void)state;
	assert_string_equal(said_with(bits, NULL, 12), "");
	assert_string_equal(said_with(bits, NULL, 9),
			    "offset 0x3b: expected pages of 2^10 to 2^16 bytes, found 0x9");
	assert_string_equal(said_with(bits, NULL, 17),
			    "offset 0x3b: expected pages of 2^10 to 2^16 bytes, found 0x11");
	assert_string_equal(said_with("configuration/uuid", NULL, 1), "");
	assert_string_equal(said_with(capabilities, "xbzrle", 1), "");
	assert_string_equal(said_with(capabilities, "x-ignore-shared", 1),
			    "offset 0x3b: " STREAM " without its shared memory (x-ignore-shared): "
			    "the file behind that memory (mem-path=) is raw memory (--ram "
			    "PA=FILE[@OFFSET[+SIZE]])");
	assert_string_equal(said_with("configuration/new", NULL, 1),
			    "offset 0x18: expected a part of the configuration that is known, "
			    "found 0x11");
}

/* As QEMU writes it with mapped-ram: a bit and a place in the file for each page. */
#define MAPPED_RAM 0x1000 /* where our stream has pages; the bits are before the first */
#define MAPPED_BLOCK 0x6f /* and what it says of the block */

static void make_mapped(struct mkqemu *stream)
{
	static const uint8_t zeroes[MKQEMU_PAGE];
	uint8_t bits[MACHINE_PAGES / 8] = { 0 };

	*stream = (struct mkqemu){ 0 };
	mkqemu_begin(stream, "pc-q35-11.1");
	mkqemu_number(stream, 1, 5);
	mkqemu_name(stream, "configuration/capabilities");
	mkqemu_number(stream, 4, 1);
	mkqemu_number(stream, 4, 1);
	mkqemu_name(stream, "mapped-ram");
	mkqemu_section(stream, 1, 2, "ram", 4);
	mkqemu_number(stream, 8, RAM | 4);
	mkqemu_name(stream, "pc.ram");
	mkqemu_number(stream, 8, RAM);
	assert_int_equal(stream->size, MAPPED_BLOCK);
	mkqemu_number(stream, 4, 1);
	mkqemu_number(stream, 8, PAGE);
	mkqemu_number(stream, 8, MAPPED_BLOCK + 28);
	mkqemu_number(stream, 8, MAPPED_RAM);
	for (unsigned i = 0; i < MACHINE_PAGES; i++) {
		if (memcmp(machine.ram + i * PAGE, zeroes, PAGE) != 0)
			bits[i / 8] |= (uint8_t)(1 << i % 8);
	}
	mkqemu_bytes(stream, bits, sizeof(bits));
	while (stream->size < MAPPED_RAM)
		mkqemu_number(stream, 1, 0x55);
	mkqemu_bytes(stream, machine.ram, RAM);
	mkqemu_part_end(stream);
	mkqemu_part(stream, 3);
	mkqemu_part_end(stream);
	mkqemu_devices(stream);
}

static void test_qemu__mapped_ram_is_read_where_it_is(void **state)
{
	struct pgw_image *image;
	struct mkqemu stream;

	(void)state;
	make_mapped(&stream);
	image = must_open(&stream);
	same_image(core, image);
	pgw_image_close(image);
	/* Which pages are zeroes is known at the end only. */
	stream.size -= 49 + 13;
	image = must_open(&stream);
	assert_true(pgw_image_get_info(image)->truncated);
	assert_int_equal(pgw_image_get_info(image)->readable_bytes, 0);
	assert_int_equal(pgw_image_get_info(image)->unreadable_bytes, RAM);
	pgw_image_close(image);
	mkqemu_fini(&stream);
}

static void test_qemu__hostile_mapped_ram_is_refused_by_a_line(void **state)
{
	static const struct row mapped[] = {
		{ "version", MAPPED_BLOCK, 4, 2,
		  "offset 0x6f: expected mapped-ram of version 1, found 0x2" },
		{ "page size", MAPPED_BLOCK + 4, 8, 8192,
		  "offset 0x73: expected mapped-ram with the machine's pages, found 0x2000" },
		{ "bitmap before", MAPPED_BLOCK + 12, 8, MAPPED_BLOCK + 27,
		  "offset 0x7b: expected a bitmap and pages behind what says where they are, found "
		  "0x1000" },
		{ "bitmap at the end of all", MAPPED_BLOCK + 12, 8, UINT64_MAX,
		  "offset 0x7b: expected a bitmap and pages behind what says where they are, found "
		  "0x1000" },
		{ "pages in the bitmap", MAPPED_BLOCK + 20, 8, MAPPED_BLOCK + 28 + 15,
		  "offset 0x7b: expected a bitmap and pages behind what says where they are, found "
		  "0x9a" },
		{ "pages at the end of all", MAPPED_BLOCK + 20, 8, UINT64_MAX - RAM + 1,
		  "offset 0x7b: expected a bitmap and pages behind what says where they are, found "
		  "0xfffffffffff80000" },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(mapped); i++) {
		struct pgw_image *image;
		struct mkqemu stream;

		make_mapped(&stream);
		mkqemu_put(&stream, mapped[i].offset, mapped[i].size, mapped[i].value);
		assert_string_equal(open_said(&stream, &image), mapped[i].text);
		mkqemu_fini(&stream);
	}
}

static void test_qemu__postcopy_is_refused(void **state)
{
	struct pgw_image *image;
	struct mkqemu stream = { 0 };

	(void)state;
	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_number(&stream, 1, 8);
	mkqemu_number(&stream, 2, 3);
	mkqemu_number(&stream, 2, 16);
	assert_string_equal(open_said(&stream, &image),
			    "offset 0x18: " STREAM " for postcopy: migrate again without "
			    "postcopy-ram: some of the memory need not be in it");
	mkqemu_fini(&stream);
}

static void test_qemu__blocks_have_names_of_their_own_and_are_bounded(void **state)
{
	static const struct mkqemu_block twice[] = { { "a", 4096 }, { "b", 4096 }, { "a", 4096 } };
	static struct mkqemu_block many[4097];
	static char name[4097][8];
	struct pgw_image *image;
	struct mkqemu stream = { 0 };

	(void)state;
	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_blocks(&stream, twice, 3);
	assert_string_equal(open_said(&stream, &image),
			    "offset 0x28: expected blocks of memory with names of their own, "
			    "found 0x1");
	mkqemu_fini(&stream);
	for (unsigned i = 0; i < 4097; i++) {
		snprintf(name[i], sizeof(name[i]), "%x", i);
		many[i] = (struct mkqemu_block){ name[i], 4096 };
	}
	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_blocks(&stream, many, 4097);
	assert_string_equal(open_said(&stream, &image),
			    "offset 0xbf20: expected at most 4096 blocks of memory, found 0x1000");
	mkqemu_fini(&stream);
}

static void test_qemu__blocks_of_devices_are_no_memory(void **state)
{
	static const struct mkqemu_block block = { "pc.bios", 0x40000 };
	struct pgw_image *image;
	struct mkqemu stream = { 0 };

	(void)state;
	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_blocks(&stream, &block, 1);
	assert_string_equal(open_said(&stream, &image),
			    "offset 0x28: expected a block of memory that is the machine's RAM, "
			    "found 0x1");
	mkqemu_fini(&stream);
}

/* What virsh save writes: a header in the host's byte order, a text, a stream. */
static void begin_libvirt(struct mkqemu *file, uint32_t version, uint32_t format, bool is_big)
{
	uint8_t header[92] = "LibvirtQemudSave";
	uint32_t words[] = { version, 5000, 1, format, 0 };

	for (unsigned i = 0; i < 5; i++) {
		for (unsigned j = 0; j < 4; j++)
			header[16 + 4 * i + j] = (uint8_t)(words[i] >> 8 * (is_big ? 3 - j : j));
	}
	*file = (struct mkqemu){ 0 };
	mkqemu_bytes(file, header, sizeof(header));
	for (unsigned i = 0; i < 5000; i++)
		mkqemu_bytes(file, "x", 1);
}

static void test_libvirt__gives_what_a_core_gives(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct mkqemu file, stream;
		struct pgw_image *image;

		begin_libvirt(&file, i & 1 ? 2 : 1, 0, i & 2);
		if (i == 3)
			memcpy(file.file + 12, "Part", 4);
		make_stream(&stream);
		mkqemu_bytes(&file, stream.file, stream.size);
		image = must_open(&file);
		assert_string_equal(pgw_image_get_info(image)->kind, "libvirt-save");
		same_image(core, image);
		pgw_image_close(image);
		mkqemu_fini(&stream);
		mkqemu_fini(&file);
	}
}

static void test_libvirt__what_is_compressed_is_named(void **state)
{
	static const char *const programs[] = { "gzip", "bzip2", "xz", "lzop", "zstd" };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct pgw_image *image;
		struct mkqemu file;
		char text[400];

		begin_libvirt(&file, 2, i + 1, false);
		snprintf(text, sizeof(text),
			 "offset 0x13e4: a virtual machine saved by libvirt, from here on "
			 "%s-compressed: tail -c +$((OFFSET + 1)) FILE | %s -d makes a QEMU "
			 "migration "
			 "stream of it, which can be read",
			 programs[i], programs[i]);
		assert_string_equal(open_said(&file, &image), text);
		mkqemu_fini(&file);
	}
}

static void test_libvirt__hostile_headers_are_refused_by_a_line(void **state)
{
	static const struct {
		uint32_t version, format;
		size_t size;
		const char *text;
	} cases[] = {
		{ 0, 0, 5092,
		  "offset 0x10: expected a virtual machine saved by libvirt, of version 1 to "
		  "3, found 0x0" },
		{ 4, 0, 5092,
		  "offset 0x10: expected a virtual machine saved by libvirt, of version 1 to "
		  "3, found 0x4000000" },
		{ 2, 6, 5092,
		  "offset 0x1c: expected raw memory (0), or one of libvirt's compressions (1 to "
		  "5), "
		  "found 0x6" },
		{ 2, 0, 91, "offset 0x0: expected libvirt's header of 92 bytes, found 0x5b" },
		{ 2, 0, 92,
		  "offset 0x5c: expected more of a QEMU migration stream: its memory comes later, "
		  "found 0x5c" },
		{ 2, 0, 5092,
		  "offset 0x13e4: expected more of a QEMU migration stream: its memory comes "
		  "later, "
		  "found 0x13e4" },
	};

	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(cases); i++) {
		struct pgw_image *image;
		struct mkqemu file;

		begin_libvirt(&file, cases[i].version, cases[i].format, false);
		file.size = cases[i].size;
		assert_string_equal(open_said(&file, &image), cases[i].text);
		mkqemu_fini(&file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu__gives_what_a_core_gives),
		cmocka_unit_test(test_qemu__memory_that_the_kernel_maps_is_proved),
		cmocka_unit_test(test_qemu__the_last_version_of_a_page_counts),
		cmocka_unit_test(test_qemu__random_passes_agree_with_the_model),
		cmocka_unit_test(test_qemu__a_cut_stream_has_what_it_has),
		cmocka_unit_test(test_qemu__other_sections_are_passed_over),
		cmocka_unit_test(test_qemu__memory_is_where_the_machine_usually_has_it),
		cmocka_unit_test(test_qemu__memory_of_nodes_is_in_their_order),
		cmocka_unit_test(test_qemu__a_root_proves_more_than_a_name),
		cmocka_unit_test(test_qemu__an_unknown_machine_needs_a_proof),
		cmocka_unit_test(test_qemu__hostile_streams_are_refused_by_a_line),
		cmocka_unit_test(test_qemu__what_is_configured_is_known_or_refused),
		cmocka_unit_test(test_qemu__mapped_ram_is_read_where_it_is),
		cmocka_unit_test(test_qemu__hostile_mapped_ram_is_refused_by_a_line),
		cmocka_unit_test(test_qemu__postcopy_is_refused),
		cmocka_unit_test(test_qemu__blocks_have_names_of_their_own_and_are_bounded),
		cmocka_unit_test(test_qemu__blocks_of_devices_are_no_memory),
		cmocka_unit_test(test_libvirt__gives_what_a_core_gives),
		cmocka_unit_test(test_libvirt__what_is_compressed_is_named),
		cmocka_unit_test(test_libvirt__hostile_headers_are_refused_by_a_line),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
