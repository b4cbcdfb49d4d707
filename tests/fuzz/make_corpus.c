/* SPDX-License-Identifier: BSD-2-Clause */
/* make_corpus FOLDER: write inputs for every fuzz target to begin with. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <pagewalk/pagewalk.h>

#include "common/arena.h"
#include "image/machine.h"
#include "image/mkkdump.h"
#include "image/mkqemu.h"
#include "image/mkxen.h"
#include "source/crc32c.h"

static const char *folder;

static void save(const char *target, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void make_vmcoreinfo(void)
{
	static const char *const texts[] = {
		"x\nOSRELEASE=6.1\nSYMBOL(x)=ffffffff81000000\nNUMBER(x)=-42\n",
		"phys_base\nNUMBER(phys_base)=0x1fF\nSYMBOL(phys_base)=0x12\nphys_base=1=2\n",
		"n\nNUMBER(n)=18446744073709551615\nNUMBER(n)=1\nSYMBOL(n)=fffffffffffffffff",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char name[16];

		snprintf(name, sizeof(name), "text%zu", i);
		save("vmcoreinfo", name, texts[i], strlen(texts[i]));
	}
}

/* The notes of a core, behind the machine. */
static void make_notes(void)
{
	struct mkelf_cpu cpu = { .cr0 = 0x80050033, .cr3 = 0x1000, .cr4 = 0x3506b0 };
	uint8_t prstatus[336] = { 0 }, input[2048] = { MKELF_X86_64 };
	struct mkelf elf;

	mkelf_init(&elf, MKELF_X86_64);
	mkelf_note(&elf, "CORE", 1, prstatus, sizeof(prstatus));
	mkelf_qemu_cpu(&elf, &cpu);
	mkelf_note(&elf, "VMCOREINFO", 0, "OSRELEASE=6.1\nSYMBOL(swapper_pg_dir)=f\n", 39);
	assert(elf.notes_size <= sizeof(input) - 2);
	memcpy(input + 2, elf.notes, elf.notes_size);
	save("notes", "x86_64", input, 2 + elf.notes_size);
	input[0] = MKELF_AARCH64;
	save("notes", "arm64", input, 2 + elf.notes_size);
	mkelf_note(&elf, "CORE", 6, prstatus, 16);
	memcpy(input + 2, elf.notes, elf.notes_size);
	save("notes", "process", input, 2 + elf.notes_size);
	mkelf_fini(&elf);
}

/*
 * A core that is small in the file: what is zero in memory is one page of the file
 * wherever it is.
 */

#define NR_ZEROES 4096

static size_t run_length(const uint8_t *bytes, size_t size)
{
	size_t n = 0;

	while (n < size && n < NR_ZEROES && !bytes[n] == !bytes[0])
		n++;
	/* Short gaps are not worth a program header. */
	while (bytes[0] && n < size) {
		size_t gap = run_length(bytes + n, size - n < 65 ? size - n : 65);

		if (gap > 64)
			break;
		n += gap;
		while (n < size && bytes[n])
			n++;
	}
	return n;
}

static void add_memory(struct mkelf *elf, uint64_t pa, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0, n; i < size; i += n) {
		n = run_length(bytes + i, size - i);
		mkelf_segment(elf, pa + i, bytes + i, bytes[i] ? n : 0, n);
	}
}

static void point_at_zeroes(struct mkelf *elf)
{
	uint64_t zeroes = elf->size;

	elf->file = realloc(elf->file, elf->size + NR_ZEROES);
	assert(elf->file);
	memset(elf->file + elf->size, 0, NR_ZEROES);
	elf->size += NR_ZEROES;
	for (size_t i = 0; i < elf->nr_segments; i++) {
		if (elf->segments[i].file_size)
			continue;
		mkelf_put(elf, mkelf_ph(i + 1) + 8, 8, zeroes);
		mkelf_put(elf, mkelf_ph(i + 1) + 32, 8, elf->segments[i].mem_size);
	}
}

static void save_machine(struct machine *machine, const char *name)
{
	struct mkelf *elf = &machine->elf;

	for (uint64_t pa = 0x12000; pa < machine->next_table; pa += 4096) {
		if (pa < 0x16000 || pa >= 0x3e000)
			add_memory(elf, pa, machine->ram + pa, 4096);
	}
	mkelf_build(elf);
	point_at_zeroes(elf);
	save("elf_core", name, elf->file, elf->size);
	machine_fini(machine);
}

static void make_elf_cores(void)
{
	static struct machine machine;
	uint8_t memory[64] = { 1 };
	struct mkelf elf;

	machine_init(&machine, 4);
	save_machine(&machine, "text-in-memory");
	machine_init(&machine, 5);
	machine_cpu(&machine, MACHINE_SWAPPER);
	save_machine(&machine, "five-levels");
	machine_init(&machine, 4);
	machine_process(&machine, 0x3e000);
	machine_map(&machine, 0x3e000, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	machine_kpti(&machine, 0x3e000, 0x3f000);
	machine_cpu(&machine, 0x3f000);
	save_machine(&machine, "kpti");

	mkelf_init(&elf, MKELF_AARCH64);
	mkelf_segment(&elf, 0x40000000, memory, sizeof(memory), 4096);
	mkelf_segment(&elf, 0x40000020, memory, sizeof(memory), sizeof(memory));
	mkelf_build(&elf);
	save("elf_core", "overlap", elf.file, elf.size);
	save("elf_core", "cut", elf.file, elf.size - 70);
	mkelf_fini(&elf);
}

/* A machine of a few pages, as dumps have it that are packed page by page. */
static void make_kdumps(void)
{
	static const struct {
		const char *name;
		struct mkkdump_how how;
	} rows[] = {
		{ "plain", { .version = 6 } },
		{ "zlib-8k", { .version = 6, .block_lg2 = 13, .is_packed = true } },
		{ "lzo-32",
		  { .version = 4, .is_32 = true, .is_packed = true, .packing = PACKING_LZO } },
		{ "snappy-split",
		  { .version = 6,
		    .is_packed = true,
		    .packing = PACKING_SNAPPY,
		    .is_split = true,
		    .first_page = 0x13,
		    .end_page = 0x18 } },
		{ "zstd-padded",
		  { .version = 5,
		    .is_32 = true,
		    .is_padded = true,
		    .is_packed = true,
		    .packing = PACKING_ZSTD } },
		{ "big-endian", { .version = 6, .is_big_endian = true, .is_packed = true } },
	};
	static struct machine machine;

	machine_init(&machine, 4);
	machine_cpu(&machine, MACHINE_SWAPPER);
	mkelf_segment(&machine.elf, 0x10000, machine.ram + 0x10000, 0x10000, 0x10000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mkkdump kdump;

		mkkdump_build(&kdump, &machine.elf, &rows[i].how);
		save("kdump", rows[i].name, kdump.file, kdump.size);
		if (i < 2) {
			mkkdump_flatten(&kdump, (uint32_t)i);
			save("flat", rows[i].name, kdump.file, kdump.size);
		}
		mkkdump_fini(&kdump);
	}
	machine_fini(&machine);
}

/* Two ranges of its memory, the higher one first. */
static void make_lime(void)
{
	static uint8_t file[2 * (32 + 0x6000)];
	static struct machine machine;
	uint64_t pa = 0x18000;

	machine_init(&machine, 4);
	for (uint8_t *at = file; at < file + sizeof(file); at += 32 + 0x6000, pa -= 0x6000) {
		uint64_t last = pa + 0x5fff;

		memcpy(at, "EMiL\1", 5);
		memcpy(at + 8, &pa, sizeof(pa));
		memcpy(at + 16, &last, sizeof(last));
		memcpy(at + 32, machine.ram + pa, 0x6000);
	}
	save("lime", "two-ranges", file, sizeof(file));
	machine_fini(&machine);
}

/* Some of its memory twice, with another section between, and what libvirt puts before it. */
static void make_qemu(void)
{
	static const struct mkqemu_block blocks[] = { { "pc.ram", MACHINE_PAGES * MACHINE_PAGE },
						      { "pc.bios", 0x20000 } };
	static struct machine machine;
	struct mkqemu stream = { 0 }, saved = { 0 };
	uint8_t header[92] = "LibvirtQemudSave\2\0\0\0\4";

	machine_init(&machine, 4);
	mkqemu_begin(&stream, "pc-q35-7.2");
	mkqemu_blocks(&stream, blocks, 2);
	mkqemu_section(&stream, 1, 5, "other", 1);
	mkqemu_footer(&stream, 5);
	mkqemu_part(&stream, 2);
	for (uint64_t pa = 0x12000; pa < 0x18000; pa += 4096)
		mkqemu_page(&stream, pa == 0x12000 ? "pc.ram" : NULL, pa, machine.ram + pa);
	mkqemu_fill(&stream, "pc.bios", 0, 0xff);
	mkqemu_part_end(&stream);
	mkqemu_part(&stream, 3);
	mkqemu_page(&stream, "pc.ram", 0x13000, machine.ram + 0x13000);
	mkqemu_fill(&stream, NULL, 0x1000, 0);
	mkqemu_part_end(&stream);
	mkqemu_devices(&stream);
	save("qemu", "two-passes", stream.file, stream.size);
	mkqemu_bytes(&saved, header, sizeof(header));
	mkqemu_bytes(&saved, "text", 4);
	mkqemu_bytes(&saved, stream.file, stream.size);
	save("libvirt", "two-passes", saved.file, saved.size);
	mkqemu_fini(&saved);
	mkqemu_fini(&stream);
	machine_fini(&machine);
}

/* A map names the file that it is itself in, or the fuzzer's other one. */
static void make_raw_map(void)
{
	for (unsigned fd = 3; fd < 8; fd++) {
		char map[200], name[16];
		int n = snprintf(map, sizeof(map),
				 "# pagewalk memory map 1\n# machine 62\n# placement guessed\n"
				 "0x1000=%u@0x0+0x10\n0x0=%u@0x10+0x1000\n# end\n",
				 fd, fd);

		snprintf(name, sizeof(name), "file%u", fd);
		save("raw_map", name, map, (size_t)n);
	}
}

/* What the kernel's root leads to, and its text: of a PV guest in another order. */
static void make_xen(void)
{
	static const struct mkxen_cpu cpu = { 0x80050033, 0, MACHINE_SWAPPER, 0x660 };
	static struct machine machine;
	struct mkxen_page pages[16];
	struct mkxen xen = { .pages = pages, .cpus = &cpu, .nr_cpus = 1 };

	machine_init(&machine, 4);
	for (uint64_t pa = MACHINE_SWAPPER; pa < machine.next_table; pa += MACHINE_PAGE) {
		if (pa != MACHINE_SWAPPER && pa != MACHINE_VMCOREINFO && pa < 0x40000)
			continue;
		assert(xen.nr_pages < 16);
		pages[xen.nr_pages++] =
			(struct mkxen_page){ pa / MACHINE_PAGE, 0, machine.ram + pa };
	}
	mkxen_build(&xen);
	save("xen", "hvm", xen.file, xen.size);
	free(xen.file);
	for (size_t i = 0; i < xen.nr_pages; i++) {
		pages[i].gmfn = pages[i].pfn;
		pages[i].pfn = i * 7 % xen.nr_pages;
	}
	xen.is_pv = true;
	mkxen_build(&xen);
	save("xen", "pv", xen.file, xen.size);
	free(xen.file);
	machine_fini(&machine);
}

static void put(uint8_t **at, unsigned nr_bytes, uint64_t value)
{
	while (nr_bytes--) {
		*(*at)++ = (uint8_t)value;
		value >>= 8;
	}
}

static void put_frame(uint8_t **at, const struct crc32c *crc, const uint8_t *memory, size_t size)
{
	static uint8_t packed[PACK_MAX];
	size_t n = pack(PACKING_SNAPPY, memory, size, packed);
	uint32_t sum = crc32c_of(crc, memory, size);

	put(at, 4, (n + 4) << 8);
	put(at, 4, (sum >> 15 | sum << 17) + UINT32_C(0xa282ead8));
	memcpy(*at, packed, n);
	*at += n;
}

/* Two blocks, of a frame and of two. */
static void make_avml(void)
{
	static uint8_t file[PACK_MAX];
	static struct machine machine;
	struct crc32c crc;
	uint8_t *at = file;

	crc32c_init(&crc);
	machine_init(&machine, 4);
	for (uint64_t pa = 0x10000; pa < 0x30000; pa += 0x10000) {
		uint8_t *stream;

		put(&at, 8, UINT64_C(0x24c4d5641));
		put(&at, 8, pa);
		put(&at, 8, pa + 0xffff);
		put(&at, 8, 0);
		stream = at;
		put(&at, 4, 0x6ff);
		memcpy(at, "sNaPpY", 6);
		at += 6;
		if (pa > 0x10000)
			put_frame(&at, &crc, machine.ram + pa, 0x1000);
		put_frame(&at, &crc, machine.ram + pa + (pa > 0x10000 ? 0x1000 : 0),
			  pa > 0x10000 ? 0xf000 : 0x10000);
		put(&at, 8, (uint64_t)(at - stream));
	}
	save("avml", "two-blocks", file, (size_t)(at - file));
	save("avml", "cut", file, (size_t)(at - file) - 20);
	machine_fini(&machine);
}

static void put_tag(uint8_t **at, const char *name, unsigned index, uint64_t value)
{
	put(at, 1, 1 << 6 | 8);
	put(at, 1, strlen(name));
	memcpy(*at, name, strlen(name));
	*at += strlen(name);
	put(at, 4, index);
	put(at, 8, value);
}

/* A saved state with two regions, a CPU, and memory in a block. */
static void make_vmware(void)
{
	static uint8_t file[0x6000 + 1024];
	static struct machine machine;
	uint8_t *at = file;

	machine_init(&machine, 4);
	put(&at, 4, 0xbed2bed2);
	put(&at, 4, 8);
	put(&at, 4, 2);
	memcpy(at, "memory", 6);
	at += 64;
	put(&at, 8, 12 + 2 * 80);
	put(&at, 8, 0);
	memcpy(at, "cpu", 3);
	at += 64;
	put(&at, 8, 900);
	put(&at, 8, 0);
	put(&at, 1, 4);
	put(&at, 1, 12);
	memcpy(at, "regionsCount", 12);
	at += 12;
	put(&at, 4, 2);
	for (unsigned i = 0; i < 2; i++) {
		put_tag(&at, "regionPPN", i, i ? 0x16 : 0x12);
		put_tag(&at, "regionPageNum", i, i ? 0 : 2);
		put_tag(&at, "regionSize", i, i ? 2 : 4);
	}
	put(&at, 1, 63);
	put(&at, 1, 6);
	memcpy(at, "Memory", 6);
	at += 6;
	put(&at, 8, 0x6000);
	put(&at, 8, 0x6000);
	/* The CPU's tags are in the padding. */
	put(&at, 2, (uint64_t)(file + 1022 - at - 2));
	at = file + 900;
	for (unsigned i = 0; i < 5; i++) {
		static const uint64_t crs[] = { 0x80050033, 0, 0, MACHINE_SWAPPER, 0x3506b0 };

		put(&at, 1, 2 << 6 | 8);
		put(&at, 1, 4);
		memcpy(at, "CR64", 4);
		at += 4;
		put(&at, 4, 0);
		put(&at, 4, i);
		put(&at, 8, crs[i]);
	}
	at = file + 1022;
	memcpy(at, machine.ram + 0x16000, 0x2000);
	memcpy(at + 0x2000, machine.ram + 0x12000, 0x4000);
	save("vmware", "regions", file, sizeof(file));
	save("vmware", "cut", file, sizeof(file) - 0x1800);
	machine_fini(&machine);
}

/* A header with two runs; a header with a bitmap. */
static void make_windows(void)
{
	static uint8_t file[0x3000 + 0x6000];
	static struct machine machine;
	uint8_t *at;

	machine_init(&machine, 4);
	for (unsigned type = 1; type < 6; type += 4) {
		memset(file, 0, sizeof(file));
		memcpy(file, "PAGEDU64", 8);
		at = file + 0x10;
		put(&at, 8, MACHINE_SWAPPER);
		at = file + 0x30;
		put(&at, 4, 0x8664);
		at = file + 0x88;
		put(&at, 8, 2);
		put(&at, 8, 6);
		put(&at, 8, 0x12);
		put(&at, 8, 4);
		put(&at, 8, 0x16);
		put(&at, 8, 2);
		at = file + 0xf98;
		put(&at, 4, type);
		memcpy(file + (type == 1 ? 0x2000 : 0x3000), machine.ram + 0x12000, 0x6000);
		if (type == 5) {
			memcpy(file + 0x2000, "FDMPDUMP", 8);
			at = file + 0x2020;
			put(&at, 8, 0x3000);
			put(&at, 8, 6);
			put(&at, 8, 0x20);
			put(&at, 4, 0xfc0000);
		}
		save("windows", type == 1 ? "complete" : "bitmap", file,
		     sizeof(file) - (type == 1 ? 0x1000 : 0));
	}
	machine_fini(&machine);
}

/* One with a list of memory and a table; one of arm64. */
static void make_minidump(void)
{
	static uint8_t file[0x4000 + 0x6000];
	static struct machine machine;

	machine_init(&machine, 4);
	for (unsigned version = 1; version < 4; version += 2) {
		unsigned tables = version == 1 ? 0x2000 : 0x3000;
		uint8_t *at = file + 24;

		memset(file, 0, sizeof(file));
		strcpy((char *)file,
		       version == 1 ? "minidump FreeBSD/arm64" : "minidump FreeBSD/amd64");
		put(&at, 4, version);
		put(&at, 4, 0);
		put(&at, 4, 8);
		put(&at, 4, 0x1000);
		put(&at, 8, version == 1 ? 0xffff000000000000 : 0xffffffff80000000);
		at = file + 64;
		put(&at, 4, version == 1 ? 0 : 32);
		if (version == 3) {
			at = file + 0x1000;
			put(&at, 8, 0x10000);
			put(&at, 8, 0x20000);
		}
		at = file + tables - 0x1000;
		put(&at, 4, version == 1 ? 0xfc0000 : 0xfc);
		at = file + tables;
		put(&at, 8, version == 1 ? 0x12403 : 0x15003);
		memcpy(file + tables + 0x1000, machine.ram + 0x12000, 0x6000);
		save("minidump", version == 1 ? "arm64" : "amd64", file, tables + 0x7000);
	}
	machine_fini(&machine);
}

/* Entries of each format: a table's, and leaves'; see take_choices() in fuzz_tables.c. */

static size_t put_entries(struct pgw_mm *mm, enum pgw_region_kind half, uint8_t *at)
{
	const struct pgw_format *format = pgw_mm_format(mm);
	const struct pgw_geometry *geo = pgw_format_geometry(format);
	const uint8_t *start = at;
	uint64_t first, last;

	pgw_format_region_range(format, half, &first, &last);
	for (uint8_t level = 0; level < 2; level++) {
		uint64_t size = UINT64_C(1) << geo->span_lg2[level];
		struct pgw_leaf leaf = { .va = first + UINT64_C(2) * level * size,
					 .pa = 4 * size,
					 .level = level,
					 .rights = PGW_KERNEL_R | PGW_KERNEL_W };
		struct pgw_translation translation;
		struct pgw_path path;

		if (half == PGW_REGION_USER)
			leaf.rights = PGW_USER_R | PGW_USER_W | PGW_KERNEL_R | PGW_KERNEL_W;
		if (pgw_mm_map_leaf(mm, &leaf) ||
		    pgw_translate_path(mm, leaf.va, &translation, &path))
			continue;
		put(&at, 8, path.step[0].entry);
		put(&at, 8, translation.entry);
		put(&at, 8, pgw_entry_advance(format, translation.entry, level, size));
	}
	put(&at, 8, 2);
	return (size_t)(at - start);
}

static void make_tables_of(size_t index, const struct pgw_format *format, enum pgw_region_kind half)
{
	struct pgw_mm_new_args args = { .format = format, .region = half };
	uint8_t input[256], *at = input;
	struct arena arena;
	struct pgw_mm *mm;
	char name[64];

	arena_init(&arena, 4 << 20);
	args.platform = &arena.platform;
	if (pgw_mm_new(&args, &mm))
		abort();
	pgw_mmap_write_lock(mm);
	put(&at, 1, index);
	put(&at, 1, (uint64_t)half | index % 4 << 1 | 8);
	put(&at, 1, index % 10);
	put(&at, 1, 3);
	put(&at, 8, UINT64_MAX);
	put(&at, 1, 0);
	put(&at, 8 + 8 + 16, 0);
	at += put_entries(mm, half, at);
	pgw_mmap_write_unlock(mm);
	pgw_mm_free(mm);
	arena_fini(&arena);
	snprintf(name, sizeof(name), "%s-%s", pgw_format_name(format),
		 half == PGW_REGION_USER ? "user" : "kernel");
	save("tables", name, input, (size_t)(at - input));
}

static void make_tables(void)
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = test_editable_format(i)); i++) {
		make_tables_of(i, format, PGW_REGION_USER);
		make_tables_of(i, format, PGW_REGION_KERNEL);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	mkdir(folder, 0777);
	make_vmcoreinfo();
	make_notes();
	make_elf_cores();
	make_kdumps();
	make_lime();
	make_qemu();
	make_xen();
	make_raw_map();
	make_avml();
	make_vmware();
	make_windows();
	make_minidump();
	make_tables();
	return 0;
}
