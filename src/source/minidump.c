/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memfd_create() */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/bitmap_runs.h"

/*
 * FreeBSD's minidumps of amd64 and arm64 (machine/minidump.h, minidump_machdep.c, libkvm):
 * little-endian, each part rounded up to whole pages:
 *
 *   a header: "minidump FreeBSD/amd64" or ".../arm64", version (at 24), sizes of the message
 *       buffer, the bitmap and the tables, the kernel's first address, and where the direct map is
 *   the message buffer
 *   dump_avail, since version 3 of amd64 and 2 of arm64: pairs of addresses, where memory begins
 *       and ends; {0, 0} ends the list. Bits of the bitmap are these pages; before, all from 0 on
 *   the bitmap of the pages that are there
 *   tables of the kernel's addresses, one behind the other. Of amd64's version 1, and of arm64,
 *       they are leaf tables; of amd64 since version 2, those above them, which point to leaf
 *       tables among the pages
 *   the pages whose bits are set
 *
 * The tables above these are not in the file, and neither are the addresses of those that are. So
 * they get addresses behind the machine's memory, and what is above them is made.
 */
#define MAGIC "minidump FreeBSD/"
#define MAGIC_SIZE 24
#define HEADER_SIZE 76
#define HEADER_VERSION 24
#define HEADER_MSGBUF 28
#define HEADER_BITMAP 32
#define HEADER_TABLES 36
#define HEADER_KERNBASE 40

#define PAGE_LG2 12
#define PAGE UINT64_C(4096)
#define ITEMS 512
#define TOP_LEVEL 3
#define MAX_PA_LG2 48
#define PLACE_LG2 30 /* what is added begins where this many bits are zero */

/* Entries that lead to a table: Intel SDM 3A 4.5 (P, W); Arm ARM D8.3. */
#define ENTRY_TABLE UINT64_C(3)

/* Arm ARM D24.2, TCR_EL1: 48 bits of addresses, a granule of 4 KiB. */
#define TCR_4K_48 (UINT64_C(16) << 16 | UINT64_C(2) << 30)

struct machine {
	const char *name;
	uint32_t max_version;
	uint32_t avail_since; /* the version */
	uint16_t avail_at;    /* where the header has the list's size */
	uint16_t flags_at;    /* where its last version has flags; 0: nowhere */
	uint16_t elf_machine;
	uint8_t half_lg2; /* where addresses of the kernel have ones from here on up */
};

static const struct machine machines[] = {
	{ "amd64", 3, 3, 64, 0, 62, 47 },
	{ "arm64", 3, 2, 72, 76, 183, 48 },
};

struct minidump {
	struct source *source;
	const struct source_map *map;
	const struct machine *machine;
	struct pgw_error *err;
	uint8_t header[80];
	uint32_t version;
	uint64_t msgbuf_size, avail_size, bitmap_size, tables_size;
	uint64_t kernbase;
	uint64_t avail, bitmap, tables, pages; /* where they are */
	/* The piece of memory whose bits come next, and how many there are before. */
	uint64_t avail_first, avail_end, avail_bits;
	uint64_t avail_next; /* pair of the list */
	struct source_segment *segments;
	size_t nr;
	uint64_t at;  /* of the next page in the file */
	uint64_t end; /* of memory */
};

static bool minidump_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[sizeof(MAGIC) - 1];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

static int fail_at(const struct minidump *dump, uint64_t at, uint64_t found, const char *expected)
{
	return source_fail_at(dump->err, -PGW_EOVERFLOW, at, found, expected);
}

static const struct machine *machine_of(const uint8_t *header)
{
	const char *name = (const char *)header + sizeof(MAGIC) - 1;

	for (size_t i = 0; i < PGW_ARRAY_SIZE(machines); i++) {
		if (strncmp(name, machines[i].name, MAGIC_SIZE - (sizeof(MAGIC) - 1)) == 0)
			return &machines[i];
	}
	return NULL;
}

static int load_header(struct minidump *dump)
{
	const uint8_t *header = dump->header;
	const struct machine *machine;

	if (!source_map_read(dump->map, 0, dump->header, sizeof(dump->header)))
		return fail_at(dump, 0, dump->map->size, "the header of a minidump, of 80 bytes");
	machine = dump->machine = machine_of(header);
	if (!machine)
		return source_fail_kind(
			dump->err, sizeof(MAGIC) - 1,
			"a FreeBSD minidump of another machine than amd64 and arm64",
			"only FreeBSD's tools read it (kgdb, libkvm)");
	dump->version = load_le32(header + HEADER_VERSION);
	if (!dump->version || dump->version > machine->max_version)
		return source_fail_at(dump->err, -PGW_EOPNOTSUPP, HEADER_VERSION, dump->version,
				      "a minidump of version 1 to 3");
	if (machine->flags_at && dump->version == machine->max_version &&
	    load_le32(header + machine->flags_at))
		return source_fail_at(dump->err, -PGW_EOPNOTSUPP, machine->flags_at,
				      load_le32(header + machine->flags_at),
				      "a minidump with pages of 4 KiB (flags 0)");
	dump->msgbuf_size = load_le32(header + HEADER_MSGBUF);
	dump->bitmap_size = load_le32(header + HEADER_BITMAP);
	dump->tables_size = load_le32(header + HEADER_TABLES);
	dump->kernbase = load_le64(header + HEADER_KERNBASE);
	if (dump->version >= machine->avail_since)
		dump->avail_size = load_le32(header + machine->avail_at);
	return 0;
}

static uint64_t round_page(uint64_t size)
{
	return (size + PAGE - 1) & ~(PAGE - 1);
}

/* How many bits of an address a table among those in the file is of. */
static unsigned span_lg2(const struct minidump *dump)
{
	bool are_above = dump->machine->elf_machine == 62 && dump->version > 1;

	return PAGE_LG2 + 9 * (are_above ? 2 : 1);
}

/* All before the pages has to be there. */
static int find_parts(struct minidump *dump)
{
	uint64_t span = BIT(span_lg2(dump)), nr = dump->tables_size >> PAGE_LG2, end;

	dump->avail = PAGE + round_page(dump->msgbuf_size);
	dump->bitmap = dump->avail + round_page(dump->avail_size);
	dump->tables = dump->bitmap + round_page(dump->bitmap_size);
	dump->pages = dump->at = dump->tables + dump->tables_size;
	if (dump->tables_size % PAGE || !nr)
		return fail_at(dump, HEADER_TABLES, dump->tables_size, "whole pages of tables");
	if (dump->kernbase % span || dump->kernbase < BITS(63, dump->machine->half_lg2) ||
	    (add_overflows(dump->kernbase, nr * span - 1, &end)))
		return fail_at(dump, HEADER_KERNBASE, dump->kernbase,
			       "an address of the kernel's half, at which a table begins");
	if (dump->pages > dump->map->size)
		return fail_at(dump, HEADER_TABLES, dump->tables_size,
			       "tables inside the file, which may have been cut");
	return 0;
}

/* The next piece of memory that the bitmap is of. @return false if there is no more */
static bool next_avail(struct minidump *dump, int *status)
{
	uint64_t at = dump->avail + 16 * dump->avail_next++, nr;
	uint8_t pair[16];

	dump->avail_bits += (dump->avail_end - dump->avail_first) >> PAGE_LG2;
	dump->avail_first = dump->avail_end = 0;
	if (!dump->avail_size) {
		nr = dump->bitmap_size * 8;
		dump->avail_end = dump->avail_next == 1 ? nr << PAGE_LG2 : 0;
		return dump->avail_end;
	}
	if (16 * dump->avail_next > dump->avail_size)
		return false;
	if (!source_map_read(dump->map, at, pair, sizeof(pair))) {
		*status = source_fail(dump->err, -PGW_EIO, NULL);
		return false;
	}
	dump->avail_first = load_le64(pair) & ~(PAGE - 1);
	dump->avail_end = load_le64(pair + 8);
	if (!dump->avail_end)
		return false;
	if (dump->avail_end <= dump->avail_first || dump->avail_end >> MAX_PA_LG2) {
		*status = fail_at(dump, at + 8, dump->avail_end,
				  "the end of a piece of memory, behind its start, below 2^48");
		return false;
	}
	dump->avail_end = round_page(dump->avail_end);
	return true;
}

static int add_segment(struct minidump *dump, const struct source_segment *segment)
{
	if (dump->nr == SOURCE_MAX_SEGMENTS)
		return source_fail(dump->err, -PGW_EOVERFLOW, "at most 1048576 runs of pages");
	if (source_array_grow((void **)&dump->segments, dump->nr, sizeof(*segment)))
		return source_fail(dump->err, -PGW_ENOMEM, NULL);
	dump->segments[dump->nr++] = *segment;
	if (dump->end < segment->pa + segment->size)
		dump->end = segment->pa + segment->size;
	return 0;
}

static int add_pages(struct minidump *dump, uint64_t pa, uint64_t nr)
{
	uint64_t size = dump->map->size, left = dump->at < size ? size - dump->at : 0;
	struct source_segment segment = {
		.pa = pa,
		.size = nr << PAGE_LG2,
		.offset = dump->at,
	};

	segment.file_size = segment.size < left ? segment.size : left;
	dump->at += segment.size;
	return add_segment(dump, &segment);
}

/* Bits that are set, each of a page of the pieces of memory, one behind the other. */
static int add_bits(uint64_t first, uint64_t nr, void *arg)
{
	struct minidump *dump = arg;
	int status = 0;

	while (nr && !status) {
		uint64_t piece = (dump->avail_end - dump->avail_first) >> PAGE_LG2;
		uint64_t in_piece = first - dump->avail_bits, n = nr;

		if (in_piece >= piece) {
			if (!next_avail(dump, &status))
				break;
			continue;
		}
		if (n > piece - in_piece)
			n = piece - in_piece;
		status = add_pages(dump, dump->avail_first + (in_piece << PAGE_LG2), n);
		first += n;
		nr -= n;
	}
	if (nr && !status)
		return fail_at(dump, dump->bitmap, first, "a bitmap of the memory that there is");
	return status;
}

static void put_le64(uint8_t *bytes, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}

/* Tables of one level that lead to those of the one below. */
struct level {
	uint64_t first; /* number of the first table, were all there from address 0 on */
	uint64_t nr;
	uint64_t pa; /* of the first */
};

/*
 * The tables above: for each level one for all that lie in it. They begin at the buffer's end, and
 * the last is the root.
 */
static int make_above(struct minidump *dump, uint64_t pa, uint8_t **ret_bytes, size_t *ret_size)
{
	unsigned lg2 = span_lg2(dump);
	uint64_t kernbase = dump->kernbase & (BIT(MAX_PA_LG2) - 1);
	struct level below = { kernbase >> lg2, dump->tables_size >> PAGE_LG2, pa };
	uint8_t *bytes = NULL;
	size_t size = 0;

	pa += dump->tables_size;
	for (; lg2 < MAX_PA_LG2; lg2 += 9) {
		uint64_t last = (below.first + below.nr - 1) / ITEMS;
		struct level level = { below.first / ITEMS, 0, pa + size };
		uint8_t *grown;

		level.nr = last - level.first + 1;
		grown = realloc(bytes, size + level.nr * PAGE);
		if (!grown) {
			free(bytes);
			return source_fail(dump->err, -PGW_ENOMEM, NULL);
		}
		bytes = grown;
		memset(bytes + size, 0, level.nr * PAGE);
		for (uint64_t i = 0; i < below.nr; i++)
			put_le64(bytes + size + 8 * (below.first + i - level.first * ITEMS),
				 (below.pa + (i << PAGE_LG2)) | ENTRY_TABLE);
		size += level.nr * PAGE;
		below = level;
	}
	*ret_bytes = bytes;
	*ret_size = size;
	return 0;
}

/* They are read as if they were in a file, as all else. */
static int add_file(struct minidump *dump, const uint8_t *bytes, size_t size)
{
	struct source *source = dump->source;
	struct source_map map = { .fd = -1 };
	int fd = memfd_create("pagewalk-tables", MFD_CLOEXEC), status;

	if (fd < 0)
		return source_fail(dump->err, -PGW_ENOMEM, NULL);
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, bytes + done, size - done);

		if (n <= 0) {
			close(fd);
			return source_fail(dump->err, -PGW_ENOMEM, NULL);
		}
		done += (size_t)n;
	}
	status = source_map_take(fd, &map, dump->err);
	if (!status && source_array_grow((void **)&source->files, source->nr_files, sizeof(map))) {
		source_map_close(&map);
		status = source_fail(dump->err, -PGW_ENOMEM, NULL);
	}
	if (status)
		return status;
	source->files[source->nr_files++] = map;
	dump->map = &source->files[0];
	return 0;
}

/* The root is the last table that was made. */
static int add_root(struct minidump *dump, uint64_t pa)
{
	bool is_arm64 = dump->machine->elf_machine == 183;
	const struct pgw_cpu cpu = {
		.known = PGW_CPU_IN_FILE | (is_arm64 ? PGW_CPU_ARM64_TTBR1 : PGW_CPU_X86_CR3),
		.cr3 = is_arm64 ? 0 : pa,
		.ttbr1 = is_arm64 ? pa : 0,
		.tcr = is_arm64 ? TCR_4K_48 : 0,
	};

	return source_add_cpu(dump->source, &cpu) ? source_fail(dump->err, -PGW_ENOMEM, NULL) : 0;
}

static int add_tables(struct minidump *dump)
{
	uint64_t pa = ((dump->end >> PLACE_LG2) + 1) << PLACE_LG2;
	const struct source_segment given = {
		.pa = pa,
		.size = dump->tables_size,
		.file_size = dump->tables_size,
		.offset = dump->tables,
	};
	struct source_segment made = { .file = 1, .pa = pa + dump->tables_size };
	uint8_t *bytes = NULL;
	size_t size = 0;
	int status = make_above(dump, pa, &bytes, &size);

	if (status)
		return status;
	status = add_file(dump, bytes, size);
	free(bytes);
	made.size = made.file_size = size;
	if (!status)
		status = add_segment(dump, &given);
	if (!status)
		status = add_segment(dump, &made);
	return status ? status : add_root(dump, made.pa + size - PAGE);
}

static int load(struct minidump *dump)
{
	struct source *source = dump->source;
	int status = load_header(dump);

	if (!status)
		status = find_parts(dump);
	if (status)
		return status;
	source->has_machine = true;
	source->info.elf_machine = dump->machine->elf_machine;
	source->info.machine = source_machine_name(dump->machine->elf_machine);
	status = source_bitmap_runs(dump->map, dump->bitmap, dump->bitmap_size * 8, add_bits, dump);
	if (!status)
		status = add_tables(dump);
	if (!status && source_lay_out(source, dump->segments, dump->nr))
		status = source_fail(dump->err, -PGW_ENOMEM, NULL);
	source->info.said_size = dump->at;
	source->info.truncated = dump->at > dump->map->size;
	return status;
}

static int minidump_open(struct source *source, const struct pgw_image_options *options,
			 struct pgw_error *err)
{
	struct minidump *dump = calloc(1, sizeof(*dump));
	int status;

	(void)options;
	if (!dump)
		return source_fail(err, -PGW_ENOMEM, NULL);
	dump->source = source;
	dump->map = &source->files[0];
	dump->err = err;
	source->has_places = true;
	source->info.writer = "FreeBSD";
	status = load(dump);
	free(dump->segments);
	free(dump);
	return status;
}

const struct source_ops source_minidump_ops = {
	.name = "freebsd-minidump",
	.probe = minidump_probe,
	.open = minidump_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
