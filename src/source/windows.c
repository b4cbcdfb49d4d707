/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/bitmap_runs.h"

/*
 * Windows' crash dumps of a whole machine (DUMP_HEADER64, DUMP_HEADER32 of the debuggers' headers;
 * Volatility's crash.py): a header, and behind it
 *
 *   1  complete            the pages of all runs of memory, one after another
 *   5  active memory       a bitmap of pages: "FDMP" or "SDMP", "DUMP", where the first page is,
 *   6  kernel, automatic   how many there are and how many bits; then the pages whose bits are set
 *
 * Of types 5 and 6 the header's runs say which memory the machine had.
 */
#define MAGIC_64 "PAGEDU64"
#define MAGIC_32 "PAGEDUMP"

#define TYPE_COMPLETE 1
#define TYPE_KERNEL 2 /* of Windows 7 and before */
#define TYPE_HEADER 3
#define TYPE_TRIAGE 4
#define TYPE_ACTIVE 5
#define TYPE_BITMAP 6

#define RUNS_MAX_BYTES 700 /* that the header has for runs and their numbers */
#define BITMAP_HEADER 56
#define BITMAP_DATA 32 /* where it says where the first page is, ... */
#define BITMAP_BITS 48 /* ... and how many bits there are */
#define PAGE_LG2 12
#define MAX_PAGE_LG2 40

/* Where things are in the two headers. */
struct layout {
	const char *magic;
	uint16_t size;
	uint16_t root, machine, pae; /* pae: 0 if there is no such field */
	uint16_t runs;               /* their number; that of pages; the runs */
	uint16_t type;
	uint8_t word;      /* of an address, and a number of pages */
	uint8_t runs_skip; /* from runs to the first run */
};

static const struct layout layouts[] = {
	{ MAGIC_64, 0x2000, 0x10, 0x30, 0, 0x88, 0xf98, 8, 16 },
	{ MAGIC_32, 0x1000, 0x10, 0x20, 0x5c, 0x64, 0xf88, 4, 8 },
};

struct windows {
	struct source *source;
	const struct layout *layout;
	uint8_t header[0x1000];
	uint32_t type;
	uint64_t at; /* of the next page in the file */
	struct source_segment *segments;
	size_t nr;
	uint64_t nr_held; /* pages that the dump says to have */
	struct pgw_error *err;
};

static const struct layout *layout_of(const struct source_map *map)
{
	char magic[8];

	for (size_t i = 0; i < PGW_ARRAY_SIZE(layouts); i++) {
		if (source_map_read(map, 0, magic, sizeof(magic)) &&
		    memcmp(magic, layouts[i].magic, sizeof(magic)) == 0)
			return &layouts[i];
	}
	return NULL;
}

static bool windows_probe(const struct source_map *file, struct source_guess *ret)
{
	ret->score = SOURCE_SCORE_MAGIC;
	return layout_of(file);
}

static uint64_t get(const struct windows *windows, unsigned at)
{
	const uint8_t *bytes = windows->header + at;

	return windows->layout->word == 8 ? load_le64(bytes) : load_le32(bytes);
}

/* Pages that come next in the file, or, if they are not held, that the machine had. */
static int add_pages(struct windows *windows, uint64_t first, uint64_t nr, bool is_held)
{
	uint64_t size = windows->source->files[0].size, at = windows->at;
	uint64_t left = at < size ? size - at : 0;
	struct source_segment segment = {
		.pa = first << PAGE_LG2,
		.size = nr << PAGE_LG2,
		.offset = at,
	};

	if (windows->nr == SOURCE_MAX_SEGMENTS)
		return source_fail(windows->err, -PGW_EOVERFLOW, "at most 1048576 runs of pages");
	if (source_array_grow((void **)&windows->segments, windows->nr, sizeof(segment)))
		return source_fail(windows->err, -PGW_ENOMEM, NULL);
	if (is_held) {
		segment.file_size = segment.size < left ? segment.size : left;
		windows->at += segment.size;
		windows->nr_held += nr;
	}
	windows->segments[windows->nr++] = segment;
	return 0;
}

/* The runs of memory that the header has. */
static int add_runs(struct windows *windows, bool are_held)
{
	const struct layout *layout = windows->layout;
	unsigned at = layout->runs, word = layout->word;
	uint32_t nr = load_le32(windows->header + at), i;
	int status = 0;

	if (nr > (RUNS_MAX_BYTES - layout->runs_skip) / (2u * word))
		return source_fail_at(windows->err, -PGW_EOVERFLOW, at, nr,
				      "as many runs of memory as the header has room for");
	at += layout->runs_skip;
	for (i = 0; i < nr && !status; i++, at += 2 * word) {
		uint64_t first = get(windows, at), pages = get(windows, at + word);

		if ((first | pages) >> MAX_PAGE_LG2)
			return source_fail_at(windows->err, -PGW_EOVERFLOW, at, first,
					      "a run of fewer than 2^40 pages, below 2^52");
		status = add_pages(windows, first, pages, are_held);
	}
	return status;
}

static int add_run(uint64_t first, uint64_t nr, void *arg)
{
	return add_pages(arg, first, nr, true);
}

static int add_bitmap(struct windows *windows)
{
	const struct source_map *map = &windows->source->files[0];
	uint64_t at = windows->layout->size, nr_bits;
	uint8_t header[BITMAP_HEADER];
	int status;

	if (!source_map_read(map, at, header, sizeof(header)))
		return source_fail_at(
			windows->err, -PGW_EOVERFLOW, at, map->size,
			"the header of a bitmap inside the file, which may have been cut");
	if ((memcmp(header, "FDMP", 4) != 0 && memcmp(header, "SDMP", 4) != 0) ||
	    memcmp(header + 4, "DUMP", 4) != 0)
		return source_fail_at(windows->err, -PGW_EOVERFLOW, at, load_le32(header),
				      "the header of a bitmap of pages (SDMP, FDMP)");
	nr_bits = load_le64(header + BITMAP_BITS);
	windows->at = load_le64(header + BITMAP_DATA);
	if (nr_bits >> MAX_PAGE_LG2)
		return source_fail_at(windows->err, -PGW_EOVERFLOW, at + BITMAP_BITS, nr_bits,
				      "fewer than 2^40 pages");
	if (windows->at < at + sizeof(header) + (nr_bits + 7) / 8 || windows->at >> 62)
		return source_fail_at(windows->err, -PGW_EOVERFLOW, at + BITMAP_DATA, windows->at,
				      "pages that begin behind their bitmap");
	if (!source_map_has(map, at + sizeof(header), (nr_bits + 7) / 8))
		return source_fail_at(windows->err, -PGW_EOVERFLOW, at + BITMAP_BITS, nr_bits,
				      "a bitmap inside the file, which may have been cut");
	status = source_bitmap_runs(map, at + sizeof(header), nr_bits, add_run, windows);
	if (status == -PGW_EIO)
		return source_fail(windows->err, status, NULL);
	return status ? status : add_runs(windows, false);
}

static int fail_type(const struct windows *windows)
{
	if (windows->type == TYPE_KERNEL)
		return source_fail_kind(
			windows->err, windows->layout->type, "a kernel dump of Windows 7 or before",
			"have the machine write a complete dump (CrashDumpEnabled 1)");
	if (windows->type == TYPE_HEADER || windows->type == TYPE_TRIAGE)
		return source_fail_kind(
			windows->err, windows->layout->type, "a small memory dump of Windows",
			"it holds no page tables: have the machine write a complete, an "
			"active or a kernel dump");
	return source_fail_at(windows->err, -PGW_EOPNOTSUPP, windows->layout->type, windows->type,
			      "a complete dump (1), or one with a bitmap (5, 6)");
}

static int add_memory(struct windows *windows)
{
	windows->type = load_le32(windows->header + windows->layout->type);
	windows->at = windows->layout->size;
	if (windows->type == TYPE_COMPLETE)
		return add_runs(windows, true);
	if (windows->type == TYPE_ACTIVE || windows->type == TYPE_BITMAP)
		return add_bitmap(windows);
	return fail_type(windows);
}

/* Of the machine's memory, what no bit is set of was left out when the dump was made. */
static void count_excluded(struct windows *windows)
{
	struct pgw_image_info *info = &windows->source->info;
	uint64_t held = windows->nr_held << PAGE_LG2, all;

	info->said_size = windows->at;
	info->truncated = windows->at > windows->source->files[0].size;
	if (windows->type == TYPE_COMPLETE)
		return;
	all = info->readable_bytes + info->unreadable_bytes;
	info->excluded_bytes = all > held ? all - held : 0;
	info->nr_overlaps = 0; /* the runs that say what the machine had */
}

/* IMAGE_FILE_MACHINE_ of Windows' image format, as ELF calls them. */
static unsigned elf_machine(uint32_t machine)
{
	return machine == 0x8664 ? 62 : machine == 0xaa64 ? 183 : machine == 0x14c ? 3 : 0;
}

/* The process's that ran on the CPU that made the dump. Without PAE i386's root is not known. */
static int add_cpu(struct windows *windows)
{
	const struct layout *layout = windows->layout;
	struct source *source = windows->source;
	struct pgw_cpu cpu = { .known = PGW_CPU_X86_CR3, .cr3 = get(windows, layout->root) };

	source->info.elf_machine = elf_machine(load_le32(windows->header + layout->machine));
	source->info.machine = source_machine_name(source->info.elf_machine);
	source->has_machine = source->info.elf_machine;
	if (source->info.elf_machine == 183 || (layout->pae && windows->header[layout->pae] != 1))
		cpu = (struct pgw_cpu){ .known = 0 };
	return source_add_cpu(source, &cpu) ? source_fail(windows->err, -PGW_ENOMEM, NULL) : 0;
}

static int load(struct windows *windows)
{
	struct source *source = windows->source;
	const struct source_map *map = &source->files[0];
	int status;

	windows->layout = layout_of(map);
	if (!windows->layout)
		return source_fail(windows->err, -PGW_EIO, NULL);
	if (!source_map_read(map, 0, windows->header, sizeof(windows->header)))
		return source_fail_at(windows->err, -PGW_EOVERFLOW, 0, map->size,
				      "the header of a Windows dump, of 4096 bytes");
	status = add_memory(windows);
	if (!status && source_lay_out(source, windows->segments, windows->nr))
		status = source_fail(windows->err, -PGW_ENOMEM, NULL);
	if (status)
		return status;
	count_excluded(windows);
	return add_cpu(windows);
}

static int windows_open(struct source *source, const struct pgw_image_options *options,
			struct pgw_error *err)
{
	struct windows *windows = calloc(1, sizeof(*windows));
	int status;

	(void)options;
	if (!windows)
		return source_fail(err, -PGW_ENOMEM, NULL);
	windows->source = source;
	windows->err = err;
	source->has_places = true;
	source->info.writer = "Windows";
	status = load(windows);
	free(windows->segments);
	free(windows);
	return status;
}

const struct source_ops source_windows_ops = {
	.name = "windows",
	.probe = windows_probe,
	.open = windows_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
