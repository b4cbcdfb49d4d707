/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images of 64 GiB, made of the last one that is given: an ELF core in a sparse file.
 *
 * - mostly a hole: its memory, and 63 GiB above 4 GiB of which the file has nothing;
 * - full: the kernel maps 64 GiB by 16 Mi leaves of 4 KiB more, and there are 1,000 processes.
 *
 * The commands beside a plain read of what they have to look at.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/pagewalk.h>

#include "harness.h"
#include "rawfile.h"
#include "wall.h"

#define PAGE UINT64_C(4096)
#define SLOTS 512
#define GIB (UINT64_C(1) << 30)
#define HOLE_PA (4 * GIB)
#define HOLE_SIZE (63 * GIB)
#define TABLES_PA (HOLE_PA + 64 * GIB)
#define TABLE UINT64_C(0x67) /* present, writable, user, accessed, dirty */
#define KERNEL_LEAF                                                                                \
	UINT64_C(0x8000000000000163) /* the same of the kernel, global, not executable */
#define READ_ONLY_STEP 10000
#define MAX_SEGMENTS 256

#define INFO_GOAL_MS 50
#define ROOTS_GOAL 1.2
#define DUMP_GOAL 1.3
#define PEAK_GOAL_KIB 65536

struct large {
	struct rawfile file;
	Elf64_Ehdr header;
	Elf64_Phdr segment[MAX_SEGMENTS];
	uint64_t end;                      /* of what the image's own file has */
	uint64_t tables_offset, nr_tables; /* in the file, of pages of tables that were added */
	uint64_t kernel_tables;            /* of these, the kernel's: the first ones */
};

/* Pages of zeroes become holes. */
static void copy_sparsely(struct large *large, const char *path)
{
	static uint8_t page[PAGE];
	static const uint8_t zeroes[PAGE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, page, sizeof(page))) > 0) {
		if (memcmp(page, zeroes, (size_t)n) != 0)
			rawfile_put(&large->file, at, page, (size_t)n);
		at += (uint64_t)n;
	}
	close(fd);
	large->end = (at + PAGE - 1) / PAGE * PAGE;
}

static void read_headers(struct large *large)
{
	const Elf64_Ehdr *header = &large->header;
	size_t size;

	bench_require(
		pread(large->file.fd, &large->header, sizeof(*header), 0) == sizeof(*header) &&
			memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
			header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_X86_64 &&
			header->e_phentsize == sizeof(Elf64_Phdr) &&
			header->e_phnum + 2 <= MAX_SEGMENTS,
		"no ELF core of x86-64");
	size = header->e_phnum * sizeof(Elf64_Phdr);
	bench_require(pread(large->file.fd, large->segment, size, (off_t)header->e_phoff) ==
			      (ssize_t)size,
		      "no segments");
}

/* Memory from pa on, at the end of the file, all zero. @return where it is */
static uint64_t add_segment(struct large *large, uint64_t pa, uint64_t size)
{
	uint64_t offset = large->end;

	large->segment[large->header.e_phnum++] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = offset,
		.p_paddr = pa,
		.p_filesz = size,
		.p_memsz = size,
	};
	large->end += size;
	return offset;
}

/* The table of segments goes behind all of them. */
static void write_headers(struct large *large)
{
	large->header.e_phoff = large->end;
	rawfile_resize(&large->file, large->end);
	rawfile_put(&large->file, 0, &large->header, sizeof(large->header));
	rawfile_put(&large->file, large->end, large->segment,
		    large->header.e_phnum * sizeof(Elf64_Phdr));
	rawfile_settle(&large->file);
}

static void large_begin(struct large *large, const char *path)
{
	*large = (struct large){ .end = 0 };
	rawfile_make(&large->file, 0);
	copy_sparsely(large, path);
	read_headers(large);
}

/* ---- mostly a hole ---- */

static uint8_t block[1 << 20];

static uint64_t read_range(int fd, uint64_t at, uint64_t end)
{
	uint64_t nr = 0;

	while (at < end) {
		size_t size = end - at < sizeof(block) ? (size_t)(end - at) : sizeof(block);
		ssize_t n = pread(fd, block, size, (off_t)at);

		bench_require(n > 0, "cannot read a file");
		at += (uint64_t)n;
		nr += (uint64_t)n;
	}
	return nr;
}

/* All that the file has. @return its bytes */
static uint64_t read_allocated(const struct rawfile *file)
{
	uint64_t nr = 0;
	off_t at = 0, end;

	while ((at = lseek(file->fd, at, SEEK_DATA)) >= 0) {
		end = lseek(file->fd, at, SEEK_HOLE);
		bench_require(end > at, "no end of data");
		nr += read_range(file->fd, (uint64_t)at, (uint64_t)end);
		at = end;
	}
	return nr;
}

static void print_set(const struct bench *bench, const char *set, const struct large *large,
		      uint64_t allocated)
{
	if (!bench->is_json)
		printf("%s (%llu MiB, %llu of them allocated; x: times a plain read)\n", set,
		       (unsigned long long)(large->end >> 20),
		       (unsigned long long)(allocated >> 20));
}

static void measure_hole(const struct bench *bench, const char *path)
{
	const char *set = "bench_large__hole";
	struct bench_times plain = { 0 }, info = { 0 }, roots = { 0 };
	struct large large;
	const char *const info_argv[] = { "pagewalk", "info", large.file.path, NULL };
	const char *const roots_argv[] = { "pagewalk", "roots", large.file.path, NULL };
	uint64_t allocated = 0;

	large_begin(&large, path);
	add_segment(&large, HOLE_PA, HOLE_SIZE);
	write_headers(&large);
	read_allocated(&large.file);
	for (unsigned i = 0; i < bench->nr_rounds; i++) {
		bench_times_begin(&plain, i);
		allocated = read_allocated(&large.file);
		bench_times_end(&plain, i);
		bench_times_command(&info, i, info_argv);
		bench_times_command(&roots, i, roots_argv);
	}
	print_set(bench, set, &large, allocated);
	bench_times_print(bench, set, "plain read of what is there", &plain, &plain, 0);
	bench_times_print_ms(bench, set, "info", &info, INFO_GOAL_MS);
	bench_times_print(bench, set, "roots", &roots, &plain, ROOTS_GOAL);
	bench_print_peak(bench, set, "info", info.peak_kib, PEAK_GOAL_KIB);
	bench_print_peak(bench, set, "roots", roots.peak_kib, PEAK_GOAL_KIB);
	rawfile_remove(&large.file);
}

/* ---- full ---- */

/* @return the physical address of a new page of tables */
static uint64_t add_table(struct large *large, const uint64_t *items)
{
	uint64_t nr = large->nr_tables++;

	rawfile_put(&large->file, large->tables_offset + nr * PAGE, items, PAGE);
	return TABLES_PA + nr * PAGE;
}

/* Where the file has a byte of the image's own memory. */
static uint64_t offset_of(const struct large *large, uint64_t pa)
{
	for (unsigned i = 0; i < large->header.e_phnum; i++) {
		const Elf64_Phdr *segment = &large->segment[i];

		if (segment->p_type == PT_LOAD && pa >= segment->p_paddr &&
		    pa - segment->p_paddr < segment->p_filesz)
			return segment->p_offset + (pa - segment->p_paddr);
	}
	bench_require(false, "an address without memory");
	return 0;
}

/* Pages in a row, from the hole's first on; some of them may only be read. */
static uint64_t add_leaves(struct large *large, uint64_t nr)
{
	uint64_t items[SLOTS];

	for (uint64_t i = 0; i < SLOTS; i++) {
		uint64_t page = nr * SLOTS + i;

		items[i] = (HOLE_PA + page * PAGE) | KERNEL_LEAF;
		if (page % READ_ONLY_STEP == READ_ONLY_STEP - 1)
			items[i] &= ~UINT64_C(2);
	}
	return add_table(large, items);
}

/* A table over tables of their own, nr in all. @return its address */
static uint64_t add_middle(struct large *large, uint64_t first, uint64_t nr)
{
	uint64_t items[SLOTS] = { 0 };

	for (uint64_t i = 0; i < nr; i++)
		items[i] = add_leaves(large, first + i) | TABLE;
	return add_table(large, items);
}

static uint64_t add_kernel(struct large *large, uint64_t nr_lowest)
{
	uint64_t items[SLOTS] = { 0 };

	for (uint64_t i = 0; i * SLOTS < nr_lowest; i++)
		items[i] =
			add_middle(large, i * SLOTS,
				   nr_lowest - i * SLOTS < SLOTS ? nr_lowest - i * SLOTS : SLOTS) |
			TABLE;
	return add_table(large, items);
}

/* A process: the kernel's half of its root, and some pages. */
static void add_process(struct large *large, const uint64_t *kernel_root, uint64_t number)
{
	uint64_t items[SLOTS] = { 0 }, below;

	for (uint64_t i = 0; i < 64; i++)
		items[3 * i] = (HOLE_PA + (number * 64 + i) * PAGE) | TABLE;
	below = add_table(large, items);
	for (unsigned level = 1; level < 3; level++) {
		memset(items, 0, sizeof(items));
		items[1] = below | TABLE;
		below = add_table(large, items);
	}
	memcpy(items, kernel_root, sizeof(items));
	memset(items, 0, sizeof(items) / 2);
	items[0] = below | TABLE;
	add_table(large, items);
}

static void find_kernel(const char *path, struct pgw_root_info *ret)
{
	struct pgw_image *image;

	bench_require(!pgw_image_open(path, NULL, &image, NULL) &&
			      !pgw_image_kernel_root(image, ret, NULL),
		      "no kernel");
	pgw_image_close(image);
}

static void make_full(struct large *large, const char *path, uint64_t nr_lowest,
		      uint64_t nr_processes)
{
	uint64_t root[SLOTS], offset, slot = SLOTS / 2, pud;
	struct pgw_root_info kernel;

	find_kernel(path, &kernel);
	large_begin(large, path);
	offset = offset_of(large, kernel.root.pa);
	bench_require(pread(large->file.fd, root, sizeof(root), (off_t)offset) == sizeof(root),
		      "no root");
	while (slot < SLOTS && root[slot])
		slot++;
	bench_require(slot < SLOTS, "no room in the root");
	add_segment(large, HOLE_PA, 64 * GIB);
	large->tables_offset = add_segment(
		large, TABLES_PA, (nr_lowest + nr_lowest / SLOTS + 2 + 4 * nr_processes) * PAGE);
	pud = add_kernel(large, nr_lowest);
	large->kernel_tables = large->nr_tables;
	root[slot] = pud | TABLE;
	rawfile_put(&large->file, offset, root, sizeof(root));
	for (uint64_t i = 0; i < nr_processes; i++)
		add_process(large, root, i);
	write_headers(large);
}

static uint64_t read_tables(const struct large *large, uint64_t nr)
{
	return read_range(large->file.fd, large->tables_offset, large->tables_offset + nr * PAGE);
}

static void measure_full(const struct bench *bench, const char *path)
{
	const char *set = "bench_large__full";
	struct bench_times kernel = { 0 }, all = { 0 }, dump = { 0 }, roots = { 0 };
	struct large large;
	const char *const dump_argv[] = { "pagewalk", "dump",          "--half",
					  "kernel",   large.file.path, NULL };
	const char *const roots_argv[] = { "pagewalk", "roots", large.file.path, NULL };
	uint64_t allocated;

	make_full(&large, path, bench->is_smoke ? 600 : 16 << 20 >> 9, bench->is_smoke ? 10 : 1000);
	allocated = read_allocated(&large.file);
	for (unsigned i = 0; i < bench->nr_rounds; i++) {
		bench_times_begin(&kernel, i);
		read_tables(&large, large.kernel_tables);
		bench_times_end(&kernel, i);
		bench_times_command(&dump, i, dump_argv);
		bench_times_begin(&all, i);
		read_allocated(&large.file);
		bench_times_end(&all, i);
		bench_times_command(&roots, i, roots_argv);
	}
	print_set(bench, set, &large, allocated);
	bench_times_print(bench, set, "plain read of the tables", &kernel, &kernel, 0);
	bench_times_print(bench, set, "dump of the kernel", &dump, &kernel, DUMP_GOAL);
	bench_times_print(bench, set, "plain read of what is there", &all, &all, 0);
	bench_times_print(bench, set, "all roots", &roots, &all, DUMP_GOAL);
	bench_print_peak(bench, set, "dump of the kernel", dump.peak_kib, PEAK_GOAL_KIB);
	bench_print_peak(bench, set, "all roots", roots.peak_kib, PEAK_GOAL_KIB);
	rawfile_remove(&large.file);
}

int main(int argc, char **argv)
{
	cpu_set_t allowed;
	struct bench bench;
	int first;

	bench_require(!sched_getaffinity(0, sizeof(allowed), &allowed), "no CPUs");
	first = bench_init(&bench, argc, argv);
	/* All CPUs are what is measured. */
	bench_require(!sched_setaffinity(0, sizeof(allowed), &allowed), "no CPUs");
	/* The largest image is the first of those whose names have the system in it. */
	if (first < argc) {
		measure_hole(&bench, argv[first + 1 < argc ? first + 1 : first]);
		measure_full(&bench, argv[first + 1 < argc ? first + 1 : first]);
	}
	return bench_done(&bench);
}
