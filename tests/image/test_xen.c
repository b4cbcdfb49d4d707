/* SPDX-License-Identifier: BSD-2-Clause */
/* What xl dump-core writes is the image that an ELF core of the same memory is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "base/bits.h"
#include "image/find_root.h"
#include "image/machine.h"
#include "image/mkxen.h"
#include "image/same_image.h"

#define RAM (MACHINE_PAGES * MACHINE_PAGE)
#define PROCESS UINT64_C(0x20000)
#define USER_ROOT UINT64_C(0x21000) /* of the same process, without the kernel */
#define CR0 UINT64_C(0x80050033)
#define CR4 UINT64_C(0x3506b0)

static struct machine machine;
static struct mkxen_page pages[MACHINE_PAGES];
static const struct mkxen_cpu cpu = { CR0, USER_ROOT, PROCESS, CR4 };

static int set_up(void **state)
{
	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, PROCESS);
	machine_map(&machine, PROCESS, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	machine_fini(&machine);
	return 0;
}

/* A PV guest's: in the order of its own frames, which are other numbers than the machine's. */
static void shuffle(void)
{
	for (uint64_t i = 0; i < MACHINE_PAGES; i++) {
		uint64_t frame = i * 37 % MACHINE_PAGES;

		pages[i] = (struct mkxen_page){ i, frame, machine.ram + frame * MACHINE_PAGE };
	}
}

static void make_pv(struct mkxen *xen)
{
	shuffle();
	*xen = (struct mkxen){
		.is_pv = true, .pages = pages, .nr_pages = MACHINE_PAGES, .cpus = &cpu, .nr_cpus = 1
	};
	mkxen_build(xen);
}

/* Another guest's: frames are its own, in two pieces that are out of order. */
static void make_hvm(struct mkxen *xen)
{
	for (uint64_t i = 0; i < MACHINE_PAGES; i++) {
		uint64_t frame = (i + 48) % MACHINE_PAGES;

		pages[i] = (struct mkxen_page){ frame, 0, machine.ram + frame * MACHINE_PAGE };
	}
	*xen = (struct mkxen){
		.pages = pages, .nr_pages = MACHINE_PAGES, .cpus = &cpu, .nr_cpus = 1
	};
	mkxen_build(xen);
}

/* @return what is said of a file that does not open; "" if it does */
static const char *open_said(struct mkxen *xen, struct pgw_image **ret)
{
	static char text[400];
	struct pgw_error err;

	*ret = NULL;
	*text = 0;
	if (pgw_image_open(mkxen_save(xen), NULL, ret, &err))
		pgw_error_format(&err, text, sizeof(text));
	return text;
}

static void check_info(const struct pgw_image *image, const struct mkxen *xen)
{
	const struct pgw_image_info *info = pgw_image_get_info(image);
	struct pgw_cpu found;

	assert_string_equal(info->kind, "xen");
	assert_string_equal(info->writer, "Xen");
	assert_string_equal(info->arch, "x86_64");
	assert_int_equal(info->readable_bytes, RAM);
	assert_int_equal(info->xen_pv, xen->is_pv);
	assert_false(info->truncated);
	assert_int_equal(info->nr_cpus, 1);
	assert_int_equal(pgw_image_cpu(image, 0, &found), 0);
	assert_int_equal(found.cr0, CR0);
	assert_int_equal(found.cr3, PROCESS);
	assert_int_equal(found.cr4, CR4);
	assert_int_equal(found.known, PGW_CPU_X86_CR | (xen->is_pv ? PGW_CPU_XEN_PV : 0));
	assert_int_equal(found.cr1, xen->is_pv ? USER_ROOT : 0);
}

static void test_xen__an_hvm_guest_gives_what_a_core_gives(void **state)
{
	struct pgw_image *image, *core;
	struct mkxen xen;

	(void)state;
	machine_cpu(&machine, PROCESS);
	core = machine_open(&machine);
	make_hvm(&xen);
	assert_string_equal(open_said(&xen, &image), "");
	check_info(image, &xen);
	assert_int_equal(pgw_image_get_info(image)->nr_segments, 2);
	same_image(core, image);
	pgw_image_close(image);
	mkxen_fini(&xen);
}

/* The process's root for user mode, which has what the other has of user memory, is one more. */
static void test_xen__a_pv_guest_is_found_by_machine_frames(void **state)
{
	const struct pgw_root_info *root, *user;
	struct pgw_image *image, *core;
	struct mkxen xen;

	(void)state;
	memcpy(machine.ram + USER_ROOT, machine.ram + PROCESS, 2048);
	machine_cpu(&machine, PROCESS);
	machine_cpu(&machine, USER_ROOT);
	core = machine_open(&machine);
	make_pv(&xen);
	assert_string_equal(open_said(&xen, &image), "");
	check_info(image, &xen);
	same_image(core, image);
	root = find_root(image, PROCESS);
	assert_int_equal(root->state, PGW_ROOT_RUNNING);
	assert_int_equal(root->cpus, 1);
	user = find_root(image, USER_ROOT);
	assert_int_equal(user->cpus, 1);
	assert_int_equal(leaves_of(image, user).nr, 1);
	pgw_image_close(image);
	mkxen_fini(&xen);
}

/* What the kernel says of physical addresses is true of its own frames alone. */
static void mislead(void)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "OSRELEASE=6.1.0-pv\nSYMBOL(swapper_pg_dir)=%" PRIx64
		 "\nNUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\n",
		 machine_va(MACHINE_SWAPPER));
	machine_note(&machine, MACHINE_VMCOREINFO, text);
}

static void check_pv_kernel(struct pgw_image *image)
{
	const struct pgw_vmcoreinfo *texts;
	struct pgw_root_info root;
	size_t nr;

	assert_int_equal(pgw_image_kernel_root(image, &root, NULL), 0);
	assert_int_equal(root.root.pa, MACHINE_SWAPPER);
	assert_int_equal(root.proof, PGW_PROOF_PASSED);
	assert_int_equal(root.found & PGW_ROOT_FROM_VMCOREINFO_RAM, PGW_ROOT_FROM_VMCOREINFO_RAM);
	assert_int_equal(pgw_image_vmcoreinfo(image, &texts, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(pgw_image_vmcoreinfo_fit(image, texts), PGW_FIT_YES);
	/* Nothing is made of the address that the text names. */
	assert_int_equal(nr_roots(image), 2);
}

static void test_xen__a_pv_kernels_text_says_nothing_of_addresses(void **state)
{
	struct pgw_image *image;
	struct mkxen xen;

	(void)state;
	mislead();
	make_pv(&xen);
	mkxen_put(&xen, mkxen_offset(&xen, MKXEN_CPUS) + 4992, 8, 0); /* no root for user mode */
	assert_string_equal(open_said(&xen, &image), "");
	check_pv_kernel(image);
	pgw_image_close(image);
	mkxen_fini(&xen);
}

/* A cut file has what it has; behind the names nothing is. */
static void test_xen__a_cut_file_is_refused_by_a_line(void **state)
{
	struct pgw_image *image;
	struct mkxen xen;
	size_t size;

	(void)state;
	make_pv(&xen);
	size = xen.size;
	for (unsigned i = 0; i < _MKXEN_SECTION_MAX; i++) {
		uint64_t at = i ? mkxen_offset(&xen, i) : 64;

		for (uint64_t cut = at - 1; cut <= at + 9; cut++) {
			xen.size = cut;
			assert_string_not_equal(open_said(&xen, &image), "");
		}
	}
	xen.size = size - 1;
	assert_string_equal(
		open_said(&xen, &image),
		"offset 0x98: expected the names of sections inside the file, behind which Xen "
		"writes nothing: it was cut, found 0x83800");
	xen.size = size;
	assert_string_equal(open_said(&xen, &image), "");
	pgw_image_close(image);
	mkxen_fini(&xen);
}

struct row {
	const char *name;
	enum mkxen_section section;
	bool in_header;
	unsigned offset; /* in the section, or in its header */
	unsigned size;
	uint64_t value;
	const char *text; /* or what follows counts */
	bool is_truncated;
	uint64_t readable, nr_unplaced;
};

#define PAGE_SIZE_TEXT "a page size of 4096 to 65536 bytes, a power of two, found "

static const struct row rows[] = {
	{ "page size 0", MKXEN_NOTES, false, 56, 8, 0,
	  "offset 0x238: expected " PAGE_SIZE_TEXT "0x0", 0, 0, 0 },
	{ "page size", MKXEN_NOTES, false, 56, 8, 4097,
	  "offset 0x238: expected " PAGE_SIZE_TEXT "0x1001", 0, 0, 0 },
	{ "large page size", MKXEN_NOTES, false, 56, 8, 131072,
	  "offset 0x238: expected " PAGE_SIZE_TEXT "0x20000", 0, 0, 0 },
	{ "guest", MKXEN_NOTES, false, 32, 8, 1,
	  "offset 0x220: expected a PV (0xf00febed) or an HVM guest (0xf00febee), found 0x1", 0, 0,
	  0 },
	{ "version", MKXEN_NOTES, false, 0x560, 8, 2,
	  "offset 0x760: expected a Xen core of version 1, found 0x2", 0, 0, 0 },
	{ "no header", MKXEN_NOTES, false, 24, 4, 0x2000007,
	  "offset 0x200: expected a Xen note of type 0x2000001 with 32 bytes, found 0x568", 0, 0,
	  0 },
	{ "short header", MKXEN_NOTES, false, 20, 4, 24,
	  "offset 0x200: expected a Xen note of type 0x2000001 with 32 bytes, found 0x568", 0, 0,
	  0 },
	{ "notes outside", MKXEN_NOTES, true, 24, 8, 1 << 30,
	  "offset 0xc0: expected a section .note.Xen inside the file, of 64 MiB at most, found "
	  "0x568",
	  0, 0, 0 },
	{ "notes without a name", MKXEN_NOTES, true, 0, 4, 0,
	  "offset 0x28: expected a section .note.Xen inside the file, of 64 MiB at most, found 0x0",
	  0, 0, 0 },
	{ "pages without a name", MKXEN_PAGES, true, 0, 4, 0,
	  "offset 0x3c: expected sections .xen_pages and .xen_p2m or .xen_pfn, found 0x7", 0, 0,
	  0 },
	{ "table without a name", MKXEN_TABLE, true, 0, 4, 0,
	  "offset 0x3c: expected sections .xen_pages and .xen_p2m or .xen_pfn, found 0x7", 0, 0,
	  0 },
	{ "entries of the table", MKXEN_TABLE, true, 56, 8, 8,
	  "offset 0x1f8: expected entries of .xen_p2m of 16 bytes, found 0x8", 0, 0, 0 },
	{ "size of the table", MKXEN_TABLE, true, 32, 8, UINT64_MAX,
	  "offset 0x1e0: expected a section that ends below 2^64, found 0xffffffffffffffff", 0, 0,
	  0 },
	{ "size of pages", MKXEN_PAGES, true, 32, 8, UINT64_MAX - 0x2fff,
	  "offset 0x1a0: expected a section that ends below 2^64, found 0xffffffffffffd000", 0, 0,
	  0 },
	{ "names", MKXEN_NAMES, true, 24, 8, UINT64_MAX,
	  "offset 0x98: expected the names of sections inside the file, behind which Xen writes "
	  "nothing: it was cut, found 0xffffffffffffffff",
	  0, 0, 0 },
	{ "table outside", MKXEN_TABLE, true, 24, 8, 1 << 30, NULL, true, 0, 0 },
	{ "pages outside", MKXEN_PAGES, true, 24, 8, 1 << 30, NULL, true, 0, 0 },
	{ "pages at odd bytes", MKXEN_PAGES, true, 24, 8, 0x2fff, NULL, false, RAM, 0 },
	{ "fewer pages than entries", MKXEN_PAGES, true, 32, 8, 5 * MACHINE_PAGE + 1, NULL, false,
	  5 * MACHINE_PAGE, 0 },
	{ "fewer entries than pages", MKXEN_TABLE, true, 32, 8, 7 * 16 + 15, NULL, false,
	  7 * MACHINE_PAGE, 0 },
	{ "a page that was given back", MKXEN_TABLE, false, 8, 8, UINT64_MAX, NULL, false,
	  RAM - MACHINE_PAGE, 0 },
	{ "a frame above all memory", MKXEN_TABLE, false, 8, 8, UINT64_C(1) << 40, NULL, false,
	  RAM - MACHINE_PAGE, 1 },
	{ "the last frame there can be", MKXEN_TABLE, false, 8, 8, (UINT64_C(1) << 40) - 1, NULL,
	  false, RAM, 0 },
	{ "a frame twice", MKXEN_TABLE, false, 24, 8, 0, NULL, false, RAM - MACHINE_PAGE, 0 },
	{ "registers of another size", MKXEN_CPUS, true, 56, 8, 2800, NULL, false, RAM, 0 },
	{ "registers outside", MKXEN_CPUS, true, 24, 8, 1 << 30, NULL, true, RAM, 0 },
	{ "many registers", MKXEN_CPUS, true, 32, 8, UINT64_MAX / 2, NULL, true, RAM, 0 },
};

static void check_row(const struct row *row, const char *said, const struct pgw_image *image)
{
	const struct pgw_image_info *info;

	if (strcmp(said, row->text ? row->text : "") != 0)
		fail_msg("%s: %s", row->name, said);
	if (row->text)
		return;
	info = pgw_image_get_info(image);
	if (info->truncated != row->is_truncated || info->readable_bytes != row->readable ||
	    info->nr_unplaced != row->nr_unplaced)
		fail_msg("%s: truncated %d, %" PRIu64 " bytes, %" PRIu64 " unplaced", row->name,
			 info->truncated, info->readable_bytes, info->nr_unplaced);
}

static void test_xen__hostile_sections_are_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct pgw_image *image;
		const char *said;
		struct mkxen xen;
		uint64_t at;

		make_pv(&xen);
		at = row->in_header ? mkxen_header(row->section) : mkxen_offset(&xen, row->section);
		mkxen_put(&xen, at + row->offset, row->size, row->value);
		said = open_said(&xen, &image);
		check_row(row, said, image);
		pgw_image_close(image);
		mkxen_fini(&xen);
	}
}

/* Numbers of the file header: a file that is Xen's no more, or is refused, or is read. */
static void test_xen__any_file_header_ends_well(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 64; at++) {
		for (unsigned value = 0; value < 256; value += 51) {
			struct pgw_image *image;
			struct mkxen xen;

			make_pv(&xen);
			mkxen_put(&xen, at, 1, value);
			open_said(&xen, &image);
			pgw_image_close(image);
			mkxen_fini(&xen);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_xen__an_hvm_guest_gives_what_a_core_gives),
		TEST(test_xen__a_pv_guest_is_found_by_machine_frames),
		TEST(test_xen__a_pv_kernels_text_says_nothing_of_addresses),
		TEST(test_xen__a_cut_file_is_refused_by_a_line),
		TEST(test_xen__hostile_sections_are_bounded),
		TEST(test_xen__any_file_header_ends_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
