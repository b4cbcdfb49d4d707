/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memmem() */
#include "system/linux/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/system_priv.h"

/*
 * What the kernel exports to modules: where kallsyms have functions alone, its variables are named
 * here and nowhere else. The table is an array of {value, name, namespace}, each a signed distance
 * of 32 bits from its own place (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS: arm64, x86_64, s390x, riscv64).
 * It is found by the entry of init_task: the only one that leads to that name.
 */

#define BEHIND (UINT64_C(64) << 20)     /* bytes behind the functions that are looked at */
#define MAX_IMAGE (UINT64_C(256) << 20) /* with the functions */
#define ENTRY 12
#define ENTRY_NAME 4
#define MIN_ENTRIES 64 /* kernels have 10,000 */
#define MAX_NAME 256
#define MAX_HITS 1024 /* words that lead to a name */

void linux_image_free(struct linux_image_copy *copy)
{
	free(copy->bytes);
	*copy = (struct linux_image_copy){ 0 };
}

int linux_image_read(struct linux_memory *mem, const struct pgw_symbols *symbols,
		     struct linux_image_copy *ret)
{
	uint64_t first = symbols->image_first & ~(uint64_t)(IMAGE_PAGE - 1), pa;
	uint64_t last = symbols->image_last;

	*ret = (struct linux_image_copy){ 0 };
	last = last > UINT64_MAX - BEHIND ? UINT64_MAX : last + BEHIND;
	if (last <= first || last - first >= MAX_IMAGE)
		return -PGW_ENOENT;
	ret->va = first;
	ret->size = (size_t)(last - first) & ~(size_t)(IMAGE_PAGE - 1);
	ret->bytes = calloc(1, ret->size + 1);
	if (!ret->bytes)
		return -PGW_ENOMEM;
	for (size_t at = 0; at < ret->size; at += IMAGE_PAGE) {
		if (linux_memory_pa(mem, first + at, &pa))
			linux_memory_read(mem, first + at, ret->bytes + at, IMAGE_PAGE);
	}
	return 0;
}

struct exports {
	const struct linux_memory *mem;
	const struct linux_image_copy *image;
};

/* Where a distance leads to, in the image. @return false: out of it */
static bool follow(const struct exports *exports, size_t at, size_t *ret)
{
	const struct linux_image_copy *image = exports->image;
	uint32_t raw;
	int64_t to;

	if (at > image->size - 4)
		return false;
	raw = exports->mem->is_big ? load_be32(image->bytes + at) : load_le32(image->bytes + at);
	to = (int64_t)at + (int32_t)raw;
	if (to < 0 || (uint64_t)to >= image->size)
		return false;
	*ret = (size_t)to;
	return true;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.';
}

/* An entry: its name is of C's letters; it may be the end of a longer one. Its value may be out of the image. */
static bool entry_read(const struct exports *exports, size_t at, const char **ret_name,
		       size_t *ret_len)
{
	const struct linux_image_copy *image = exports->image;
	size_t name, len = 0;

	if (at + ENTRY > image->size || !follow(exports, at + ENTRY_NAME, &name))
		return false;
	while (name + len < image->size && len < MAX_NAME &&
	       is_word((char)image->bytes[name + len]))
		len++;
	if (!len || name + len >= image->size || image->bytes[name + len])
		return false;
	*ret_name = (const char *)image->bytes + name;
	*ret_len = len;
	return true;
}

/* The table around an entry. @return how many entries it has */
static size_t table_around(const struct exports *exports, size_t at, size_t *ret_first)
{
	size_t len, end = at;
	const char *name;

	while (at >= ENTRY && entry_read(exports, at - ENTRY, &name, &len))
		at -= ENTRY;
	while (entry_read(exports, end, &name, &len))
		end += ENTRY;
	*ret_first = at;
	return (end - at) / ENTRY;
}

static int table_take(const struct exports *exports, size_t at, size_t nr,
		      struct pgw_symbols *symbols)
{
	for (; nr; nr--, at += ENTRY) {
		struct linux_symbol symbol = { .letter = 'D' };
		struct pgw_symbol known;
		const char *name;
		size_t value, len;
		int err;

		if (!entry_read(exports, at, &name, &len) || !follow(exports, at, &value) ||
		    pgw_symbols_find(symbols, name, &known))
			continue;
		symbol.va = exports->image->va + value;
		err = linux_symbols_add_name(symbols, name, len, &symbol.name);
		if (!err)
			err = linux_symbols_add(symbols, &symbol);
		if (err)
			return err;
		symbols->info.nr_exported++;
	}
	return 0;
}

/* Entries that lead to a name, with enough others around them. */
static int name_look(const struct exports *exports, size_t name, struct pgw_symbols *symbols)
{
	size_t to, first, nr;
	unsigned nr_hits = 0;

	for (size_t at = ENTRY_NAME; at + 4 <= exports->image->size && nr_hits < MAX_HITS;
	     at += 4) {
		if (!follow(exports, at, &to) || to != name)
			continue;
		nr_hits++;
		nr = table_around(exports, at - ENTRY_NAME, &first);
		if (nr >= MIN_ENTRIES)
			return table_take(exports, first, nr, symbols);
	}
	return -PGW_ENOENT;
}

#define MAX_STRINGS 16 /* that end with "init_task", in an image */

int linux_exports_add(struct linux_memory *mem, struct pgw_symbols *symbols)
{
	static const char wanted[] = "init_task";
	struct linux_image_copy image;
	struct exports exports = { .mem = mem, .image = &image };
	int status = linux_image_read(mem, symbols, &image);
	const uint8_t *at = image.bytes, *end = at ? at + image.size : NULL;

	if (!status)
		status = -PGW_ENOENT;
	for (unsigned i = 0; status == -PGW_ENOENT && at && i < MAX_STRINGS; i++) {
		at = memmem(at, (size_t)(end - at), wanted, sizeof(wanted));
		if (!at)
			break;
		status = name_look(&exports, (size_t)(at - image.bytes), symbols);
		at++;
	}
	linux_image_free(&image);
	return status;
}
