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
#define DIRECT_MAP UINT64_C(0xffff888000000000)

/* Files that a test makes; gone after it. */
static char paths[8][64];
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
	assert_int_equal(info->placement, PGW_PLACEMENT_GIVEN);
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

/*
 * A machine with memory in several pieces, all of which its direct map maps.
 * The first piece begins with machine.c's machine, or the last one does.
 */
struct pieces {
	struct machine machine;
	struct piece {
		uint64_t pa, size;
	} piece[4];
	unsigned nr;
	uint64_t kernel; /* pa of machine.c's machine */
	int fd;
};

static uint64_t *pieces_word(struct pieces *m, uint64_t pa)
{
	return (uint64_t *)(void *)(m->machine.ram + (pa - m->kernel));
}

static uint64_t new_table(struct pieces *m)
{
	uint64_t pa = m->kernel + m->machine.next_table;

	m->machine.next_table += MACHINE_PAGE;
	assert_true(m->machine.next_table <= sizeof(m->machine.ram));
	return pa;
}

/* A leaf of the direct map; level 2 is of 1 GiB. */
static void map_direct_leaf(struct pieces *m, uint64_t pa, unsigned level)
{
	uint64_t table = m->kernel + MACHINE_SWAPPER, va = DIRECT_MAP + pa;

	for (unsigned l = 3;; l--) {
		uint64_t *item = pieces_word(m, table + 8 * (va >> (12 + 9 * l) & 511));

		if (l == level) {
			*item = pa | PTE_P | PTE_W | PTE_NX | (level ? 0x80 : 0);
			return;
		}
		if (!*item)
			*item = new_table(m) | PTE_P | PTE_W;
		table = *item & 0x000ffffffffff000;
	}
}

static void map_direct(struct pieces *m, uint64_t pa, uint64_t size)
{
	while (size) {
		unsigned level = 2;

		while (level &&
		       (pa & ((MACHINE_PAGE << 9 * level) - 1) || size < MACHINE_PAGE << 9 * level))
			level--;
		map_direct_leaf(m, pa, level);
		pa += MACHINE_PAGE << 9 * level;
		size -= MACHINE_PAGE << 9 * level;
	}
}

/* Where in the file; the end of it for the end of memory. */
static uint64_t pieces_offset(const struct pieces *m, uint64_t pa)
{
	uint64_t offset = 0;
	unsigned i = 0;

	for (; i < m->nr && pa - m->piece[i].pa >= m->piece[i].size; i++)
		offset += m->piece[i].size;
	return offset + (i < m->nr ? pa - m->piece[i].pa : 0);
}

static void pieces_put(struct pieces *m, uint64_t pa, const void *bytes, size_t size)
{
	put_at(m->fd, pieces_offset(m, pa), bytes, size);
}

/* Tables know where they are. */
static void move_machine(struct pieces *m, uint64_t by)
{
	struct machine *machine = &m->machine;
	static const char format[] = "OSRELEASE=6.1.0\nSYMBOL(swapper_pg_dir)=%" PRIx64
				     "\nNUMBER(phys_base)=%" PRId64 "\n";
	char text[256];

	snprintf(text, sizeof(text), format, machine_va(MACHINE_SWAPPER),
		 (int64_t)(by + MACHINE_KERNEL_PA - (MACHINE_KERNEL_VA - 0xffffffff80000000)));
	machine_note(machine, MACHINE_VMCOREINFO, text);
	for (uint64_t at = 0; at < sizeof(machine->ram); at += 8) {
		uint64_t word = machine_load(machine, at);

		if (at / MACHINE_PAGE != MACHINE_VMCOREINFO / MACHINE_PAGE && (word & PTE_P))
			machine_store(machine, at, word + by);
	}
	m->kernel = by;
}

/* unmapped: bytes at the end of memory that the kernel does not map. */
static void pieces_init(struct pieces *m, const struct piece *piece, unsigned nr, uint64_t unmapped)
{
	memset(m, 0, sizeof(*m));
	machine_init(&m->machine, 4);
	memcpy(m->piece, piece, nr * sizeof(*piece));
	m->nr = nr;
	/* The page that machine.c maps is one of the memory's. */
	machine_store(&m->machine, MACHINE_SWAPPER + 8 * (DIRECT_MAP >> 39 & 511), 0);
	for (unsigned i = 0; i < nr; i++)
		map_direct(m, piece[i].pa, piece[i].size - (i == nr - 1 ? unmapped : 0));
	m->fd = new_file();
}

/* A process whose root, tables and page lie side by side. */
static void put_process(struct pieces *m, uint64_t pa)
{
	uint64_t pages[5][512] = { 0 };

	memcpy(&pages[0][256], pieces_word(m, m->kernel + MACHINE_SWAPPER + 2048), 2048);
	pages[0][0] = (pa + 1 * MACHINE_PAGE) | PTE_P | PTE_W | PTE_U;
	pages[1][0] = (pa + 2 * MACHINE_PAGE) | PTE_P | PTE_W | PTE_U;
	pages[2][2] = (pa + 3 * MACHINE_PAGE) | PTE_P | PTE_W | PTE_U;
	pages[3][0] = (pa + 4 * MACHINE_PAGE) | PTE_P | PTE_U;
	pieces_put(m, pa, pages, sizeof(pages));
}

static int pieces_open(struct pieces *m, struct pgw_image **ret, struct pgw_error *err)
{
	const struct piece *last = &m->piece[m->nr - 1];

	pieces_put(m, m->kernel, m->machine.ram, sizeof(m->machine.ram));
	if (lseek(m->fd, 0, SEEK_END) < (off_t)pieces_offset(m, last->pa + last->size))
		assert_int_equal(ftruncate(m->fd, (off_t)pieces_offset(m, last->pa + last->size)),
				 0);
	close(m->fd);
	machine_fini(&m->machine);
	return pgw_image_open(paths[nr_paths - 1], NULL, ret, err);
}

static void check_pieces(struct pieces *m, enum pgw_image_placement placement,
			 struct pgw_image **ret)
{
	uint64_t ranges[8];

	assert_int_equal(pieces_open(m, ret, NULL), 0);
	for (unsigned i = 0; i < m->nr; i++) {
		ranges[2 * i] = m->piece[i].pa;
		ranges[2 * i + 1] = m->piece[i].pa + m->piece[i].size - 1;
	}
	check_ranges(*ret, ranges, m->nr);
	assert_int_equal(pgw_image_get_info(*ret)->placement, placement);
}

/* The kernel's root and a process's, of put_process(). */
static void check_process(struct pgw_image *image, uint64_t kernel, uint64_t process)
{
	const struct pgw_root_info *list;
	uint64_t entry, table = process;
	size_t nr;

	assert_int_equal(pgw_image_roots(image, &list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(list[process < kernel].root.pa, kernel);
	assert_int_equal(list[process < kernel].state, PGW_ROOT_KERNEL);
	assert_int_equal(list[process > kernel].root.pa, process);
	assert_int_equal(list[process > kernel].state, PGW_ROOT_MAPPED);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(
			pgw_phys_read(pgw_image_phys(image), table + (i == 2 ? 16 : 0), &entry, 8),
			0);
		table = entry & 0x000ffffffffff000;
	}
	assert_int_equal(table, process + 4 * MACHINE_PAGE);
}

static void check_hole(uint64_t hole, uint64_t unmapped, bool has_process,
		       enum pgw_image_placement placement)
{
	const struct piece piece[] = { { 0, hole }, { 4 * GIB, 16 * MIB } };
	struct pgw_image *image;
	struct pieces m;

	pieces_init(&m, piece, 2, unmapped);
	if (has_process)
		put_process(&m, 4 * GIB + MIB);
	check_pieces(&m, placement, &image);
	if (has_process)
		check_process(image, MACHINE_SWAPPER, 4 * GIB + MIB);
	pgw_image_close(image);
}

static void test_raw__memory_goes_on_above_the_hole(void **state)
{
	(void)state;
	check_hole(0xd0000000, 0, true, PGW_PLACEMENT_PROVED);
	check_hole(0x7ff00000, 0, true, PGW_PLACEMENT_PROVED);
	check_hole(0x0b000000, 0, true, PGW_PLACEMENT_PROVED);
	check_hole(0x0c000000, 0, false, PGW_PLACEMENT_PROVED);
	check_hole(0x07f00000, 0, false, PGW_PLACEMENT_PROVED);
}

/* The end of the file is not in the direct map: tables there tell where it is; nothing else does. */
static void test_raw__an_end_that_is_not_mapped_has_its_place(void **state)
{
	(void)state;
	check_hole(0x0c000000, 2 * MIB, true, PGW_PLACEMENT_PROVED);
	check_hole(0x0d000000, 2 * MIB, true, PGW_PLACEMENT_PROVED);
	check_hole(0x07f00000, 2 * MIB, true, PGW_PLACEMENT_PROVED);
	check_hole(0x0c000000, 2 * MIB, false, PGW_PLACEMENT_GUESSED);
}

/* ACPI tables below the hole are not mapped. */
static void test_raw__the_end_below_the_hole_need_not_be_mapped(void **state)
{
	static const uint64_t holes[] = { 0x0c000000, 0x0d000000, 0x07f00000 };
	struct pgw_image *image;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct piece piece[] = { { 0, holes[i / 2] - 0x21000 }, { 4 * GIB, 16 * MIB } };
		struct pieces m;

		pieces_init(&m, piece, 2, 0);
		m.piece[0].size = holes[i / 2];
		if (i % 2)
			put_process(&m, 4 * GIB + MIB);
		/* A hole that begins at no round place may as well begin elsewhere. */
		check_pieces(&m, i == 4 ? PGW_PLACEMENT_GUESSED : PGW_PLACEMENT_PROVED, &image);
		pgw_image_close(image);
	}
}

static void test_raw__there_may_be_several_holes(void **state)
{
	static const struct piece piece[] = { { 0, 0x7ff00000 },
					      { 4 * GIB, 0x30000000 },
					      { 1024 * GIB, 16 * MIB } };
	struct pgw_image *image;
	struct pieces m;

	(void)state;
	pieces_init(&m, piece, 3, 0);
	put_process(&m, 1024 * GIB);
	check_pieces(&m, PGW_PLACEMENT_PROVED, &image);
	check_process(image, MACHINE_SWAPPER, 1024 * GIB);
	pgw_image_close(image);
}

/* Physical KASLR: the file's beginning cannot be read as memory at 0 with the kernel in it. */
static void test_raw__the_kernel_may_be_above_the_hole(void **state)
{
	static const struct piece piece[] = { { 0, 0x0d000000 }, { 4 * GIB, 16 * MIB } };
	struct pgw_image *image;
	struct pieces m;

	(void)state;
	memset(&m, 0, sizeof(m));
	machine_init(&m.machine, 4);
	memcpy(m.piece, piece, sizeof(piece));
	m.nr = 2;
	machine_store(&m.machine, MACHINE_SWAPPER + 8 * (DIRECT_MAP >> 39 & 511), 0);
	move_machine(&m, 4 * GIB + 2 * MIB);
	for (unsigned i = 0; i < 2; i++)
		map_direct(&m, piece[i].pa, piece[i].size);
	m.fd = new_file();
	put_process(&m, 64 * MIB);
	check_pieces(&m, PGW_PLACEMENT_PROVED, &image);
	check_process(image, m.kernel + MACHINE_SWAPPER, 64 * MIB);
	pgw_image_close(image);
}

/* The kernel allocates them from the end of memory: without the layout they cannot be read. */
static void check_tables_above(uint64_t hole, bool has_e820, enum pgw_image_placement placement)
{
	static const uint64_t firmware[][3] = {
		{ 0, 0x9fc00, 1 }, { 0x9fc00, 0x400, 2 },    { 0xf0000, 0x10000, 2 },
		{ MIB, 0, 1 },     { 4 * GIB, 16 * MIB, 1 },
	};
	const struct piece piece[] = { { 0, hole }, { 4 * GIB, 16 * MIB } };
	uint64_t pmd = 4 * GIB + 8 * MIB, *pud;
	uint8_t e820[4 + 5 * 20] = { 5 };
	struct pgw_image *image;
	struct pieces m;

	pieces_init(&m, piece, 2, 0);
	/* The table of the first GiB, and the table above it. */
	pud = pieces_word(&m, *pieces_word(&m, MACHINE_SWAPPER + 8 * (DIRECT_MAP >> 39 & 511)) &
				      0x000ffffffffff000);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t size = firmware[i][1] ? firmware[i][1] : hole - MIB;

		memcpy(e820 + 4 + 20 * i, &firmware[i][0], 8);
		memcpy(e820 + 12 + 20 * i, &size, 8);
		memcpy(e820 + 20 + 20 * i, &firmware[i][2], 4);
	}
	for (unsigned gib = 0; gib < 5; gib++) {
		uint64_t items[512] = { 0 };

		if (!pud[gib] || gib == 3)
			continue;
		for (uint64_t i = 0; i < 512 && (gib < 4 || i < 8); i++)
			items[i] = (gib * GIB + i * 2 * MIB) | PTE_P | PTE_W | PTE_NX | 0x80;
		if (gib == hole / GIB)
			continue;
		pieces_put(&m, pmd + gib * MACHINE_PAGE, items, sizeof(items));
		pud[gib] = (pmd + gib * MACHINE_PAGE) | PTE_P | PTE_W;
	}
	if (has_e820)
		pieces_put(&m, 32 * MIB, e820, sizeof(e820));
	check_pieces(&m, placement, &image);
	pgw_image_close(image);
}

static void test_raw__tables_of_the_direct_map_may_be_above_the_hole(void **state)
{
	(void)state;
	check_tables_above(0x44000000, false, PGW_PLACEMENT_PROVED);
	check_tables_above(0x41700000, true, PGW_PLACEMENT_PROVED);
}

/* As large, but the file has the hole in it too: the kernel maps memory to the file's end. */
static void test_raw__without_a_hole_it_stays_in_one_piece(void **state)
{
	static const struct piece piece = { 0, 256 * MIB + 17 * MIB };
	struct pgw_image *image;
	struct pieces m;

	(void)state;
	pieces_init(&m, &piece, 1, 0);
	put_process(&m, 256 * MIB);
	check_pieces(&m, PGW_PLACEMENT_PROVED, &image);
	check_process(image, MACHINE_SWAPPER, 256 * MIB);
	pgw_image_close(image);
}

/* It has one, but the file has bytes for it: what lies behind is where the file has it. */
static void test_raw__a_hole_that_is_in_the_file_is_none(void **state)
{
	static const struct piece piece[] = { { 0, 0x0c000000 }, { 256 * MIB, 16 * MIB } };
	static const uint64_t ranges[] = { 0, 256 * MIB + 16 * MIB - 1 };
	struct pgw_image *image;
	struct pieces m;

	(void)state;
	pieces_init(&m, piece, 2, 0);
	m.piece[0].size = 256 * MIB;
	put_process(&m, 256 * MIB + MIB);
	assert_int_equal(pieces_open(&m, &image, NULL), 0);
	check_ranges(image, ranges, 1);
	assert_int_equal(pgw_image_get_info(image)->placement, PGW_PLACEMENT_PROVED);
	check_process(image, MACHINE_SWAPPER, 256 * MIB + MIB);
	pgw_image_close(image);
}

/* Cut in the first piece, and behind it. */
static void test_raw__a_file_that_ends_early_is_said_to(void **state)
{
	static const uint64_t sizes[] = { 128 * MIB, 0x0d000000 + 8 * MIB };
	static const struct piece piece[] = { { 0, 0x0d000000 }, { 4 * GIB, 16 * MIB } };
	struct pgw_image *image;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pieces m;

		pieces_init(&m, piece, 2, 0);
		m.nr = 1 + i;
		m.piece[i].size = i ? 8 * MIB : 128 * MIB;
		if (i)
			put_process(&m, 4 * GIB + MIB);
		check_pieces(&m, PGW_PLACEMENT_PROVED, &image);
		assert_true(pgw_image_get_info(image)->truncated);
		assert_int_equal(pgw_image_get_info(image)->readable_bytes, sizes[i]);
		pgw_image_close(image);
	}
}

/* With the end of the file, a table of the direct map is gone: what is there can be read. */
static void test_raw__tables_may_be_cut_off(void **state)
{
	static const struct piece piece = { 0, 256 * MIB };
	struct pgw_image *image;
	struct pieces m;
	uint64_t *pud;

	(void)state;
	pieces_init(&m, &piece, 1, 0);
	pud = pieces_word(&m, *pieces_word(&m, MACHINE_SWAPPER + 8 * (DIRECT_MAP >> 39 & 511)) &
				      0x000ffffffffff000);
	pud[0] = (255 * MIB) | PTE_P | PTE_W;
	m.piece[0].size = 128 * MIB;
	put_process(&m, MIB);
	check_pieces(&m, PGW_PLACEMENT_GUESSED, &image);
	check_process(image, MACHINE_SWAPPER, MIB);
	pgw_image_close(image);
}

/* All is as it should be, but what the process's root leads to is none of its tables. */
static void test_raw__memory_that_contradicts_itself_is_refused(void **state)
{
	static const struct piece piece[] = { { 0, 0x0d000000 }, { 4 * GIB, 16 * MIB } };
	uint64_t junk[3 * 512];
	struct pgw_image *image = NULL;
	struct pgw_error err;
	struct pieces m;

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		junk[i] = i * UINT64_C(0x9e3779b97f4a7c15) | PTE_P;
	pieces_init(&m, piece, 2, 0);
	put_process(&m, 4 * GIB + MIB);
	pieces_put(&m, 4 * GIB + MIB + MACHINE_PAGE, junk, sizeof(junk));
	assert_int_equal(pieces_open(&m, &image, &err), -PGW_ENOEXEC);
	assert_null(image);
	assert_non_null(strstr(err.expected, "agree"));
	assert_non_null(strstr(err.expected, "--ram PA=FILE[@OFFSET[+SIZE]]"));
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
		cmocka_unit_test_teardown(test_raw__an_end_that_is_not_mapped_has_its_place,
					  remove_files),
		cmocka_unit_test_teardown(test_raw__the_end_below_the_hole_need_not_be_mapped,
					  remove_files),
		cmocka_unit_test_teardown(test_raw__there_may_be_several_holes, remove_files),
		cmocka_unit_test_teardown(test_raw__the_kernel_may_be_above_the_hole, remove_files),
		cmocka_unit_test_teardown(test_raw__tables_of_the_direct_map_may_be_above_the_hole,
					  remove_files),
		cmocka_unit_test_teardown(test_raw__a_hole_that_is_in_the_file_is_none,
					  remove_files),
		cmocka_unit_test_teardown(test_raw__a_file_that_ends_early_is_said_to,
					  remove_files),
		cmocka_unit_test_teardown(test_raw__tables_may_be_cut_off, remove_files),
		cmocka_unit_test_teardown(test_raw__memory_that_contradicts_itself_is_refused,
					  remove_files),
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
