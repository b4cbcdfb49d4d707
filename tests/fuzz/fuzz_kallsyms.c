/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel's table of names: the input is memory, from address 0 on, physical and virtual, and its
 * first page is the root by which code is looked for. It begins with where the table's arrays are,
 * a word each, as struct linux_kallsyms.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "fuzz/fuzz.h"
#include "system/linux/symbols.h"
#include "system/system_priv.h"

#define NR_ARRAYS 7

static void look(const struct pgw_symbols *symbols)
{
	struct pgw_symbol symbol, found;
	uint64_t offset;

	for (size_t i = 0; pgw_symbols_get(symbols, i, &symbol); i++) {
		FUZZ_CHECK(symbol.name[0] && strlen(symbol.name) <= LINUX_SYMBOL_NAME_MAX);
		FUZZ_CHECK(pgw_symbols_find(symbols, symbol.name, &found));
		FUZZ_CHECK(strcmp(found.name, symbol.name) == 0);
		if (pgw_symbols_at(symbols, symbol.va, &found, &offset))
			FUZZ_CHECK(found.va + offset == symbol.va);
	}
}

static void read_names(struct linux_memory *mem, const uint8_t *bytes)
{
	const struct linux_kallsyms tables = {
		.num_syms = load_le64(bytes),
		.names = load_le64(bytes + 8),
		.token_table = load_le64(bytes + 16),
		.token_index = load_le64(bytes + 24),
		.offsets = load_le64(bytes + 32),
		.relative_base = load_le64(bytes + 40),
		.addresses = load_le64(bytes + 48),
	};
	const struct linux_known known = { 0 };
	struct pgw_symbols *symbols = linux_symbols_new();

	if (symbols && linux_kallsyms_read(mem, &tables, &known, symbols, NULL) == 0 &&
	    linux_symbols_finish(symbols) == 0)
		look(symbols);
	linux_symbols_free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pgw_image *image = calloc(1, sizeof(*image));
	struct linux_memory *mem = calloc(1, sizeof(*mem));
	struct pgw_root_info root = { .format = pgw_format_by_name("x86_64-la48") };
	struct pgw_phys_memory memory;

	if (image && mem && size >= 8 * NR_ARRAYS) {
		FUZZ_CHECK(pgw_phys_memory_init(&memory, 0, bytes, size) == 0);
		image->phys = memory.phys;
		image->info.readable_bytes = size;
		linux_memory_init(mem, image, &root);
		for (unsigned i = 0; i < LINUX_SPANS; i++)
			mem->spans[i] = (struct linux_span){ .last = size - 1 };
		read_names(mem, bytes);
	}
	free(mem);
	free(image);
	return 0;
}
