/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/library.h"
#include "source/page_cache.h"

/*
 * Kinds of dumps that libkdumpfile reads and nothing here does: loaded when there is such a file, if
 * it is installed. Its interface is that of version 0.5 (kdumpfile.h).
 *
 * Its contexts share what they have with others, and one may be used by one thread at a time: all
 * calls are made under a lock. What was read is in the page cache, so that few calls wait.
 */
#define SONAME "libkdumpfile.so.10"
#define PACKAGE "libkdumpfile10"

/* kdump_status, kdump_addrspace_t, kdump_attr_type_t, kdump_mmap_policy_t */
#define STATUS_OK 0
#define SPACE_MACHINE 1
#define TYPE_NUMBER 2
#define TYPE_STRING 4
#define TYPE_BITMAP 5
#define MMAP_NEVER 0

#define MIN_PAGE_LG2 10
#define MAX_PAGE_LG2 16
#define MAX_PA_LG2 52
#define MAX_RATIO 1032 /* deflate's: more memory than this is in no byte of a file */
#define MAX_TEXT 64

struct attribute {
	int type;
	union {
		uint64_t number;
		const char *string;
		void *bitmap;
	} value;
};

static struct {
	void *(*new)(void);
	void (*free)(void *ctx);
	int (*open)(void *ctx, unsigned nr, const int *fds);
	int (*read)(void *ctx, int space, uint64_t address, void *buf, size_t *size);
	int (*get)(void *ctx, const char *key, struct attribute *ret);
	int (*set)(void *ctx, const char *key, const struct attribute *value);
	int (*find_set)(void *bitmap, uint64_t *bit);
	int (*find_clear)(void *bitmap, uint64_t *bit);
} lib;

static const struct library_symbol symbols[] = {
	{ "kdump_new", &lib.new },
	{ "kdump_free", &lib.free },
	{ "kdump_open_fdset", &lib.open },
	{ "kdump_read", &lib.read },
	{ "kdump_get_attr", &lib.get },
	{ "kdump_set_attr", &lib.set },
	{ "kdump_bmp_find_set", &lib.find_set },
	{ "kdump_bmp_find_clear", &lib.find_clear },
};

static struct library library = {
	.soname = SONAME,
	.symbols = symbols,
	.nr_symbols = PGW_ARRAY_SIZE(symbols),
};

/* How they begin: libkdumpfile's probes; makedumpfile's diskdump_mod.h and sadump_mod.h. */
static const struct kind {
	const char *magic; /* 8 bytes */
	const char *name;
} kinds[] = {
	{ "\xa8\x19\x01\x73\x61\x8f\x23\xfd", "an s390 dump" },
	{ "\xa8\x19\x01\x73\x61\x8f\x23\xed", "an LKCD dump" },
	{ "\xed\x23\x8f\x61\x73\x01\x19\xa8", "an LKCD dump" },
	{ "DISKDUMP", "a diskdump dump" },
	{ "sadump\0\0", "a sadump dump" },
};

struct kdumpfile {
	void *ctx;
	struct page_cache *cache;
	unsigned page_lg2;
	pthread_mutex_t lock; /* of ctx */
};

static const struct kind *kind_of(const struct source_map *map)
{
	char magic[8];

	for (size_t i = 0; i < PGW_ARRAY_SIZE(kinds); i++) {
		if (source_map_read(map, 0, magic, sizeof(magic)) &&
		    memcmp(magic, kinds[i].magic, sizeof(magic)) == 0)
			return &kinds[i];
	}
	return NULL;
}

/* What is in a flattened file cannot be given to it. */
static bool kdumpfile_probe(const struct source_map *file, struct source_guess *ret)
{
	ret->score = SOURCE_SCORE_MAGIC;
	return !file->flat && kind_of(file);
}

static int kdumpfile_load_page(void *arg, uint64_t page, void *buf)
{
	struct kdumpfile *dump = arg;
	size_t size = (size_t)1 << dump->page_lg2;
	int status;

	pthread_mutex_lock(&dump->lock);
	status = lib.read(dump->ctx, SPACE_MACHINE, page << dump->page_lg2, buf, &size);
	pthread_mutex_unlock(&dump->lock);
	return status == STATUS_OK && size == (size_t)1 << dump->page_lg2 ? 0 : -PGW_EIO;
}

static int kdumpfile_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	struct kdumpfile *dump = source->state;
	uint64_t at = pa;
	int status;

	/* The library has pages outside of memory that are nothing but zeroes. */
	for (size_t left = len; left;) {
		const struct source_range *range = source_memory_find(&source->memory, at);
		uint64_t n = range ? range->last - at + 1 : 0;

		if (!range)
			return -PGW_EIO;
		at += n;
		left -= n < left ? (size_t)n : left;
	}
	status = page_cache_read(dump->cache, pa, buf, len);
	return status && status != -PGW_ENOMEM ? -PGW_EIO : status;
}

static bool get_number(const struct kdumpfile *dump, const char *key, uint64_t *ret)
{
	struct attribute attribute = { .type = TYPE_NUMBER };

	if (lib.get(dump->ctx, key, &attribute) != STATUS_OK || attribute.type != TYPE_NUMBER)
		return false;
	*ret = attribute.value.number;
	return true;
}

static void set_machine(struct source *source)
{
	static const struct {
		const char *name;
		uint16_t machine;
	} names[] = {
		{ "x86_64", 62 }, { "aarch64", 183 }, { "riscv64", 243 },  { "s390x", 22 },
		{ "ia32", 3 },    { "arm", 40 },      { "ppc", 20 },       { "ppc64", 21 },
		{ "ia64", 50 },   { "mips", 8 },      { "alpha", 0x9026 },
	};
	const struct kdumpfile *dump = source->state;
	struct attribute name = { .type = TYPE_STRING };

	if (lib.get(dump->ctx, "arch.name", &name) != STATUS_OK || name.type != TYPE_STRING ||
	    !name.value.string)
		return;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(names); i++) {
		if (strncmp(names[i].name, name.value.string, MAX_TEXT) == 0)
			source->info.elf_machine = names[i].machine;
	}
	source->has_machine = source->info.elf_machine;
	source->info.machine = source_machine_name(source->info.elf_machine);
}

/* What could not be opened, kept where checkers of leaks find it. */
struct abandoned {
	void *ctx;
	struct abandoned *next;
};

static _Atomic(struct abandoned *) all_abandoned;

/* libkdumpfile 0.5.1 may use memory that it never filled in when it frees what it could not open. */
static void abandon(struct kdumpfile *dump)
{
	struct abandoned *one = malloc(sizeof(*one));

	if (one) {
		one->ctx = dump->ctx;
		one->next = atomic_load(&all_abandoned);
		while (!atomic_compare_exchange_weak(&all_abandoned, &one->next, one))
			;
	}
	dump->ctx = NULL;
}

static int fail_unread(const struct source *source, struct pgw_error *err)
{
	const struct kind *kind = kind_of(&source->files[0]);

	return source_fail_kind(err, 0, kind ? kind->name : "a dump",
				"libkdumpfile does not read it; dump again with kdump, as an ELF "
				"core (makedumpfile -E)");
}

static int open_context(struct source *source, struct kdumpfile *dump, struct pgw_error *err)
{
	/* A file that shrinks while it is mapped would end the program. */
	const struct attribute never = { .type = TYPE_NUMBER, .value = { .number = MMAP_NEVER } };
	const struct kind *kind = kind_of(&source->files[0]);
	uint64_t size;

	if (!library_load(&library))
		return source_fail_kind(
			err, 0, kind ? kind->name : "a dump",
			"libkdumpfile reads it if it is installed (Debian's package " PACKAGE
			"), and it cannot be loaded");
	dump->ctx = lib.new();
	if (!dump->ctx)
		return source_fail(err, -PGW_ENOMEM, NULL);
	if (lib.set(dump->ctx, "file.mmap_policy", &never) != STATUS_OK)
		return fail_unread(source, err);
	if (lib.open(dump->ctx, 1, &source->files[0].fd) != STATUS_OK) {
		abandon(dump);
		return fail_unread(source, err);
	}
	if (!get_number(dump, "arch.page_size", &size))
		return fail_unread(source, err);
	while (dump->page_lg2 < MAX_PAGE_LG2 && BIT(dump->page_lg2) < size)
		dump->page_lg2++;
	if (size != BIT(dump->page_lg2) || dump->page_lg2 < MIN_PAGE_LG2)
		return fail_unread(source, err);
	return 0;
}

/* Segments of memory that is being laid out. Offsets are addresses, so that neighbours are joined. */
struct layout {
	struct source_segment *list;
	size_t nr;
	uint64_t pages;
};

/* @return 0, -PGW_ENOMEM or -PGW_EOVERFLOW (more than there can be) */
static int add_run(struct layout *layout, unsigned page_lg2, uint64_t first, uint64_t end)
{
	struct source_segment segment = {
		.pa = first << page_lg2,
		.size = (end - first) << page_lg2,
		.file_size = (end - first) << page_lg2,
		.offset = first << page_lg2,
	};

	if (layout->nr == SOURCE_MAX_SEGMENTS || end <= first || end >> (MAX_PA_LG2 - page_lg2))
		return -PGW_EOVERFLOW;
	if (source_array_grow((void **)&layout->list, layout->nr, sizeof(segment)))
		return -PGW_ENOMEM;
	layout->list[layout->nr++] = segment;
	layout->pages += end - first;
	return 0;
}

/* The pages that the file has, if the library knows; else all up to the last that it knows of. */
static int find_memory(const struct kdumpfile *dump, struct layout *layout)
{
	struct attribute map = { .type = TYPE_BITMAP };
	uint64_t first = 0, end;
	int status = 0;

	if (lib.get(dump->ctx, "file.pagemap", &map) != STATUS_OK || map.type != TYPE_BITMAP) {
		if (!get_number(dump, "max_pfn", &end))
			return -PGW_EOVERFLOW;
		return add_run(layout, dump->page_lg2, 0, end);
	}
	while (!status && lib.find_set(map.value.bitmap, &first) == STATUS_OK) {
		end = first;
		if (lib.find_clear(map.value.bitmap, &end) != STATUS_OK)
			return -PGW_EOVERFLOW;
		status = add_run(layout, dump->page_lg2, first, end);
		first = end;
	}
	return status;
}

static int lay_out(struct source *source, struct kdumpfile *dump, struct pgw_error *err)
{
	struct layout layout = { .nr = 0 };
	int status = find_memory(dump, &layout);

	if (!status &&
	    layout.pages << dump->page_lg2 >> 1 > source->files[0].size * (MAX_RATIO / 2))
		status = -PGW_EOVERFLOW;
	if (status == -PGW_EOVERFLOW)
		source_fail(err, status,
			    "memory below 2^52, of at most 1032 times the bytes of the file");
	else if (!status && source_lay_out(source, layout.list, layout.nr))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	free(layout.list);
	return status;
}

static int kdumpfile_open(struct source *source, const struct pgw_image_options *options,
			  struct pgw_error *err)
{
	struct kdumpfile *dump = source->state = calloc(1, sizeof(*dump));
	int status;

	(void)options;
	if (!dump)
		return source_fail(err, -PGW_ENOMEM, NULL);
	pthread_mutex_init(&dump->lock, NULL);
	source->has_places = source->is_packed = true;
	source->info.reader = "libkdumpfile";
	status = open_context(source, dump, err);
	if (status)
		return status;
	dump->cache = page_cache_new((size_t)1 << dump->page_lg2, PAGE_CACHE_BYTES,
				     kdumpfile_load_page, dump);
	if (!dump->cache)
		return source_fail(err, -PGW_ENOMEM, NULL);
	set_machine(source);
	return lay_out(source, dump, err);
}

static void kdumpfile_close(struct source *source)
{
	struct kdumpfile *dump = source->state;

	if (!dump)
		return;
	page_cache_free(dump->cache);
	if (dump->ctx)
		lib.free(dump->ctx);
	pthread_mutex_destroy(&dump->lock);
	free(dump);
}

const struct source_ops source_kdumpfile_ops = {
	.name = "other",
	.probe = kdumpfile_probe,
	.open = kdumpfile_open,
	.close = kdumpfile_close,
	.read = kdumpfile_read,
	.next_range = source_file_next_range,
};
