/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memmem() */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/linux/symbols.h"
#include "system/roots/root.h"
#include "system/system_priv.h"

/*
 * Where kallsyms are that nobody names: in kernels before 6.0, and where VMCOREINFO is missing.
 *
 * Every digit is in some symbol's name, and each is a token of its own: so token_table has the
 * strings "0" to "9" one after the other, at tokens 0x30 to 0x39. token_index, behind it, proves
 * that and says where it begins. Before it, in all kernels, lie num_syms, names and markers, where
 * each name of number 256 * n begins; with these, what is before and behind follows:
 *
 *   to 6.3:   offsets, relative_base (or addresses), num_syms, names, markers, seqs_of_names
 *             (since 6.2), token_table, token_index
 *   from 6.4: num_syms, names, markers, token_table, token_index, offsets, relative_base (to 6.x)
 */

#define DIGITS 20 /* bytes of ten strings */
#define DIGIT_TOKEN 0x30
#define NR_TOKENS 256
#define TOKENS_BEFORE 4096            /* bytes of token_table before the digits, at most */
#define PER_MARKER 256                /* names */
#define MAX_BEFORE ((size_t)32 << 20) /* bytes of what lies before token_table */
#define MIN_MARKERS 2
#define MAX_PER_MARKER (PER_MARKER * 130u) /* bytes of names between markers; kernels: to 16,000 */
#define AROUND (UINT64_C(512) << 20)
#define CHUNK ((size_t)64 << 10)
#define MAX_HITS 64 /* that look like a token_table */
#define MAX_MARKERS_TRIED 64
/* What one search may look at, whatever memory looks like, in names; a kernel takes 2^26. */
#define MAX_STEPS (UINT64_C(1) << 30)
#define STEPS_PER_READ 16 /* of a byte of the kernel's memory */
#define STEPS_PER_NAME 32 /* that search.fn reads */

struct search {
	struct linux_memory *mem;
	int (*fn)(const struct linux_kallsyms *tables, void *arg);
	void *arg;
	uint8_t *chunk; /* CHUNK bytes, and DIGITS of what was before */
	uint64_t next;  /* address behind what is in chunk */
	size_t carried;
	unsigned nr_hits;
	uint64_t *steps_left;
	/* What lies before a token_table that was found. */
	uint8_t *before;
	size_t before_size;
	uint64_t before_va;
};

bool linux_kallsyms_of_text(const struct pgw_vmcoreinfo *info, struct linux_kallsyms *ret)
{
	struct linux_kallsyms tables = { 0 };

	if (!pgw_vmcoreinfo_symbol(info, "kallsyms_names", &tables.names) ||
	    !pgw_vmcoreinfo_symbol(info, "kallsyms_num_syms", &tables.num_syms) ||
	    !pgw_vmcoreinfo_symbol(info, "kallsyms_token_table", &tables.token_table) ||
	    !pgw_vmcoreinfo_symbol(info, "kallsyms_token_index", &tables.token_index))
		return false;
	pgw_vmcoreinfo_symbol(info, "kallsyms_relative_base", &tables.relative_base);
	if (!pgw_vmcoreinfo_symbol(info, "kallsyms_offsets", &tables.offsets) &&
	    !pgw_vmcoreinfo_symbol(info, "kallsyms_addresses", &tables.addresses))
		return false;
	*ret = tables;
	return true;
}

static uint32_t load32(const struct search *search, const uint8_t *at)
{
	return search->mem->is_big ? load_be32(at) : load_le32(at);
}

/* @return is there so much left? If not, the search ends. */
static bool spend(const struct search *search, uint64_t steps)
{
	if (steps > *search->steps_left) {
		*search->steps_left = 0;
		return false;
	}
	*search->steps_left -= steps;
	return true;
}

static uint64_t align(uint64_t value, unsigned to)
{
	return (value + to - 1) & ~(uint64_t)(to - 1);
}

/* Does an index at va fit a table whose digits are at a place? @return where the table begins, or 0 */
static uint64_t index_fits(const struct search *search, uint64_t digits, uint64_t va)
{
	uint8_t index[NR_TOKENS * 2];
	uint16_t token[NR_TOKENS];

	if (linux_memory_read(search->mem, va, index, sizeof(index)))
		return 0;
	for (unsigned i = 0; i < NR_TOKENS; i++) {
		uint16_t value = load_le16(index + i * sizeof(value));

		token[i] = search->mem->is_big ? __builtin_bswap16(value) : value;
		if (i ? token[i] <= token[i - 1] : token[i])
			return 0;
	}
	for (unsigned i = 1; i < 10; i++) {
		if (token[DIGIT_TOKEN + i] != token[DIGIT_TOKEN] + 2 * i)
			return 0;
	}
	return digits - token[DIGIT_TOKEN];
}

/* The end of a table whose digits are at a place: so many tokens later. @return 0: it has none */
static uint64_t tokens_end(const struct search *search, uint64_t digits)
{
	unsigned left = NR_TOKENS - DIGIT_TOKEN;

	for (uint64_t va = digits; va - digits < TOKENS_BEFORE; va++) {
		char c;

		if (!spend(search, STEPS_PER_READ) || linux_memory_read(search->mem, va, &c, 1))
			return 0;
		if (c == '\0' && --left == 0)
			return va + 1;
	}
	return 0;
}

/* Names between two places, where markers say that they are? @return where they end, or 0 */
static size_t names_fit(const struct search *search, size_t names, uint32_t nr, size_t markers)
{
	size_t at = names;

	for (uint32_t i = 0; i < nr; i++) {
		size_t len;

		if (!spend(search, 1))
			return 0;
		if (i % PER_MARKER == 0 &&
		    load32(search, search->before + markers + i / PER_MARKER * 4) != at - names)
			return 0;
		if (at + 2 > markers)
			return 0;
		len = search->before[at++];
		if (len & 0x80)
			len = (len & 0x7f) | (size_t)search->before[at++] << 7;
		if (!len || len > markers - at)
			return 0;
		at += len;
	}
	return at;
}

/* The layouts that there can be around num_syms and behind token_index. */
static int tables_try(const struct search *search, struct linux_kallsyms *tables, uint32_t nr)
{
	const uint64_t behind = tables->token_index + 2 * NR_TOKENS;
	const struct linux_kallsyms found = *tables;
	int status = -PGW_ENOENT;

	for (unsigned i = 0; i < 4 && (status == -PGW_ENOENT || status == -PGW_EIO); i++) {
		*tables = found;
		if (i == 0) {
			tables->relative_base = tables->num_syms - 8;
			tables->offsets = tables->relative_base - align(UINT64_C(4) * nr, 8);
		} else if (i == 1) {
			tables->addresses = tables->num_syms - UINT64_C(8) * nr;
		} else {
			tables->offsets = align(behind, i == 2 ? 8 : 4);
			tables->relative_base =
				i == 2 ? align(tables->offsets + UINT64_C(4) * nr, 8) : 0;
		}
		if (!spend(search, (uint64_t)STEPS_PER_NAME * nr))
			return -PGW_ENOENT;
		status = search->fn(tables, search->arg);
	}
	return status;
}

/* Markers at a place before token_table, and how many: where are the names that they speak of? */
static int markers_try(const struct search *search, size_t markers, uint32_t nr_markers,
		       struct linux_kallsyms *tables)
{
	uint32_t last = load32(search, search->before + markers + 4 * (nr_markers - 1));
	size_t end = markers > last ? markers - last : 0;
	size_t begin = end > MAX_PER_MARKER ? end - MAX_PER_MARKER : 0;

	for (size_t at = begin & ~(size_t)3; at + 12 <= end && *search->steps_left; at += 4) {
		uint32_t nr = load32(search, search->before + at);

		if ((nr + PER_MARKER - 1) / PER_MARKER != nr_markers || nr > LINUX_SYMBOLS_MAX)
			continue;
		for (unsigned gap = 4; gap <= 8; gap += 4) {
			size_t names_end = names_fit(search, at + gap, nr, markers);
			int status;

			if (!names_end || markers - names_end >= 8)
				continue;
			tables->num_syms = search->before_va + at;
			tables->names = search->before_va + at + gap;
			status = tables_try(search, tables, nr);
			if (status != -PGW_ENOENT && status != -PGW_EIO)
				return status;
		}
	}
	return -PGW_ENOENT;
}

/* How many numbers ascend as markers do, from a zero on? */
static uint32_t markers_count(const struct search *search, size_t at)
{
	const uint32_t max = LINUX_SYMBOLS_MAX / PER_MARKER + 3;
	uint32_t nr = 1, value = 0;

	for (at += 4; at + 4 <= search->before_size && nr < max; at += 4, nr++) {
		uint32_t next = load32(search, search->before + at);

		if (next < value + 2 * PER_MARKER || next - value > MAX_PER_MARKER)
			break;
		value = next;
	}
	return nr;
}

/* The last marker has fewer names behind it, and what comes next may look like one more. */
static int markers_search(const struct search *search, struct linux_kallsyms *tables)
{
	unsigned nr_tried = 0;

	for (size_t at = search->before_size & ~(size_t)3;
	     at >= 8 && nr_tried < MAX_MARKERS_TRIED && *search->steps_left; at -= 4) {
		uint32_t nr;

		if (load32(search, search->before + at - 4) != 0)
			continue;
		nr = markers_count(search, at - 4);
		if (nr < MIN_MARKERS)
			continue;
		nr_tried++;
		for (unsigned less = 0; less < 3 && nr - less >= MIN_MARKERS; less++) {
			int status = markers_try(search, at - 4, nr - less, tables);

			if (status != -PGW_ENOENT && status != -PGW_EIO)
				return status;
		}
	}
	return -PGW_ENOENT;
}

/* As much as there is in one piece before an address, page by page. @return 0 or -PGW_ENOMEM */
static int before_read(struct search *search, uint64_t va)
{
	uint64_t first = va & ~(uint64_t)7, pa;

	while (va - first < MAX_BEFORE && first >= IMAGE_PAGE) {
		uint64_t page = (first - 1) & ~(uint64_t)(IMAGE_PAGE - 1);

		if (!linux_memory_pa(search->mem, page, &pa) ||
		    !source_has(&search->mem->image->source, SOURCE_READABLE, pa))
			break;
		first = page;
	}
	free(search->before);
	search->before_va = first;
	search->before_size = (size_t)(va - first);
	search->before = malloc(search->before_size + 8);
	if (!search->before)
		return -PGW_ENOMEM;
	return linux_memory_read(search->mem, first, search->before, search->before_size)
		       ? -PGW_ENOENT
		       : 0;
}

/* Ten digits at an address. */
static int hit(struct search *search, uint64_t digits)
{
	uint64_t end = tokens_end(search, digits), table = 0;
	struct linux_kallsyms tables = { 0 };
	int err;

	for (unsigned to = 2; end && !table && to <= 8; to *= 2) {
		tables.token_index = align(end, to);
		table = index_fits(search, digits, tables.token_index);
	}
	if (!table || ++search->nr_hits > MAX_HITS)
		return -PGW_ENOENT;
	tables.token_table = table;
	err = before_read(search, table);
	return err ? err : markers_search(search, &tables);
}

/* @return positive: end the scan, search->found says why */
static int chunk_look(struct search *search, uint64_t va, size_t size)
{
	static const char digits[DIGITS] = "0\0"
					   "1\0"
					   "2\0"
					   "3\0"
					   "4\0"
					   "5\0"
					   "6\0"
					   "7\0"
					   "8\0"
					   "9";
	const uint8_t *at = search->chunk;
	const uint8_t *end = search->chunk + size;

	while ((at = memmem(at, (size_t)(end - at), digits, DIGITS))) {
		int status = hit(search, va + (uint64_t)(at - search->chunk));

		if (status != -PGW_ENOENT && status != -PGW_EIO)
			return status;
		at++;
	}
	return -PGW_ENOENT;
}

struct scan {
	struct search search;
	int status;
};

static int extent_look(const struct pgw_extent *extent, void *arg)
{
	struct scan *scan = arg;
	struct search *search = &scan->search;
	uint64_t size = extent->va_last - extent->va_first + 1;

	if (!*search->steps_left)
		return 1;
	if (extent->kind != PGW_ENTRY_LEAF || !(extent->rights & PGW_KERNEL_R))
		return 0;
	if (extent->va_first != search->next)
		search->carried = 0;
	for (uint64_t at = 0; at < size;) {
		size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;

		search->next = extent->va_first + at + n;
		if (pgw_phys_read(&search->mem->image->phys, extent->pa + at,
				  search->chunk + search->carried, n)) {
			search->carried = 0;
			at += n;
			continue;
		}
		n += search->carried;
		scan->status = chunk_look(search, search->next - n, n);
		if (scan->status != -PGW_ENOENT)
			return 1;
		at += n - search->carried;
		search->carried = n < DIGITS - 1 ? n : DIGITS - 1;
		memmove(search->chunk, search->chunk + n - search->carried, search->carried);
	}
	return 0;
}

int linux_kallsyms_search(struct linux_memory *mem, uint64_t va,
			  int (*fn)(const struct linux_kallsyms *tables, void *arg), void *arg)
{
	const struct pgw_region *region = pgw_format_region_of(mem->root.format, va);
	uint64_t steps_left = MAX_STEPS;
	struct scan scan = {
		.search = { .mem = mem, .fn = fn, .arg = arg, .steps_left = &steps_left },
		.status = -PGW_ENOENT
	};
	struct pgw_scan_stats stats = { 0 };
	uint64_t first, last;
	struct pt tree;

	if (!region)
		return -PGW_ENOENT;
	scan.search.chunk = malloc(CHUNK + DIGITS);
	if (!scan.search.chunk)
		return -PGW_ENOMEM;
	first = va - region->first > AROUND ? va - AROUND : region->first;
	last = region->last - va > AROUND ? va + AROUND : region->last;
	image_tree(mem->image, &mem->root, region, &tree);
	pt_ops(&tree)->scan(&tree, first & ~(uint64_t)(IMAGE_PAGE - 1), last | (IMAGE_PAGE - 1),
			    extent_look, &scan, &stats);
	free(scan.search.chunk);
	free(scan.search.before);
	return scan.status == -PGW_ENOENT && !steps_left ? -PGW_E2BIG : scan.status;
}
