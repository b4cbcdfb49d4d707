/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"
#include "system/system_priv.h"

/*
 * The kernel's own table of names (CONFIG_KALLSYMS), as scripts/kallsyms.c of Linux 5.10 to 7.2
 * makes it. A name is coded: a length, 1 byte or 2 (7 bits each, the low ones first; bit 7 of the
 * first byte says so), then as many bytes, each the number of a token. The first letter of what
 * the tokens come to is the symbol's type.
 */

#define NR_TOKENS 256
#define TOKENS_MAX 4096 /* bytes of token_table; kernels have about 1,000 */
#define TOKEN_COPY 16   /* bytes that are copied at once: most tokens have fewer */
#define READ_AHEAD ((size_t)64 << 10)
#define MAX_CODED 0x3fff
#define MAX_SAMPLES 64 /* functions that are looked at */
#define MIN_SYMBOLS 16

struct kallsyms {
	struct linux_memory *mem;
	const struct linux_kallsyms *tables;
	struct pgw_symbols *symbols;
	uint32_t nr;
	char tokens[TOKENS_MAX + 1 + TOKEN_COPY]; /* ended by NUL in any case */
	uint16_t token[NR_TOKENS];                /* where it begins */
	uint8_t token_len[NR_TOKENS];
	uint8_t *coded; /* names */
	size_t coded_size, coded_room;
	uint32_t *offsets;
	uint64_t *addresses;
	uint64_t base;
	bool has_base;
};

static uint32_t load32(const struct kallsyms *k, const uint8_t *at)
{
	return k->mem->is_big ? load_be32(at) : load_le32(at);
}

static bool tokens_read(struct kallsyms *k)
{
	const uint64_t at = k->tables->token_table;
	uint8_t index[NR_TOKENS * 2];
	size_t last, len;

	if (linux_memory_read(k->mem, k->tables->token_index, index, sizeof(index)))
		return false;
	for (unsigned i = 0; i < NR_TOKENS; i++) {
		uint16_t value = load_le16(index + i * sizeof(value));

		k->token[i] = k->mem->is_big ? __builtin_bswap16(value) : value;
		if (k->token[i] >= TOKENS_MAX || (i && k->token[i] <= k->token[i - 1]))
			return false;
	}
	/* What is behind the last token may be the end of what is mapped. */
	last = k->token[NR_TOKENS - 1];
	if (k->token[0] || linux_memory_read(k->mem, at, k->tokens, last))
		return false;
	for (len = last; len < TOKENS_MAX && (len == last || k->tokens[len - 1]); len++) {
		if (linux_memory_read(k->mem, at + len, k->tokens + len, 1))
			return false;
	}
	for (unsigned i = 0; i < NR_TOKENS; i++) {
		size_t n = strlen(k->tokens + k->token[i]);

		if (n > UINT8_MAX || (i + 1 < NR_TOKENS && k->token[i] + n + 1 != k->token[i + 1]))
			return false;
		k->token_len[i] = (uint8_t)n;
	}
	return true;
}

/* Let there be so many bytes of coded names. @return 0, -PGW_EIO or -PGW_ENOMEM */
static int coded_need(struct kallsyms *k, size_t size)
{
	while (k->coded_size < size) {
		size_t n = READ_AHEAD;
		int err;

		if (k->coded_size + n > k->coded_room) {
			size_t room = k->coded_room ? 2 * k->coded_room : 4 * READ_AHEAD;
			uint8_t *grown =
				room > LINUX_NAME_BYTES_MAX ? NULL : realloc(k->coded, room);

			if (!grown)
				return room > LINUX_NAME_BYTES_MAX ? -PGW_EIO : -PGW_ENOMEM;
			k->coded = grown;
			k->coded_room = room;
		}
		/* What follows the names need not be mapped: then by the page, then by what is needed. */
		while ((err = linux_memory_read(k->mem, k->tables->names + k->coded_size,
						k->coded + k->coded_size, n)) &&
		       n > 1)
			n = n > IMAGE_PAGE ? IMAGE_PAGE : n / 2;
		if (err)
			return err;
		k->coded_size += n;
	}
	return 0;
}

/* A coded name. @param at moves behind it @return 0, -PGW_ENOENT (it is none), or as coded_need() */
static int coded_next(struct kallsyms *k, size_t *at, const uint8_t **ret, size_t *ret_len)
{
	size_t head = 1, len;
	int err = coded_need(k, *at + 1);

	if (err)
		return err;
	len = k->coded[*at];
	if (len & 0x80) {
		err = coded_need(k, *at + 2);
		if (err)
			return err;
		len = (len & 0x7f) | (size_t)k->coded[*at + 1] << 7;
		head = 2;
	}
	if (!len || len > LINUX_SYMBOL_NAME_MAX)
		return -PGW_ENOENT;
	err = coded_need(k, *at + head + len);
	if (err)
		return err;
	*ret = k->coded + *at + head;
	*ret_len = len;
	*at += head + len;
	return 0;
}

/* @param to has TOKEN_COPY bytes more than a name @return bytes of the name, 0: it is none */
static size_t name_decode(const struct kallsyms *k, const uint8_t *coded, size_t len, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const char *token = k->tokens + k->token[coded[i]];
		size_t size = k->token_len[coded[i]];

		if (n + size > LINUX_SYMBOL_NAME_MAX)
			return 0;
		if (size <= TOKEN_COPY)
			memcpy(to + n, token, TOKEN_COPY);
		else
			memcpy(to + n, token, size);
		n += size;
	}
	return n;
}

/* A symbol's type is a letter, and behind it there is something. */
static bool is_name(const char *name, size_t len)
{
	unsigned char letter = (unsigned char)name[0] | 0x20;

	return len > 1 && ((letter >= 'a' && letter <= 'z') || name[0] == '?');
}

static int names_read(struct kallsyms *k)
{
	char name[LINUX_SYMBOL_NAME_MAX + 1 + TOKEN_COPY];
	const uint8_t *coded;
	size_t at = 0, len;

	for (uint32_t i = 0; i < k->nr; i++) {
		struct linux_symbol symbol = { 0 };
		int err = coded_next(k, &at, &coded, &len);

		if (err)
			return err;
		len = name_decode(k, coded, len, name);
		if (!is_name(name, len))
			return -PGW_ENOENT;
		symbol.letter = name[0];
		err = linux_symbols_add_name(k->symbols, name + 1, len - 1, &symbol.name);
		if (!err)
			err = linux_symbols_add(k->symbols, &symbol);
		if (err)
			return err == -PGW_EOVERFLOW ? -PGW_ENOENT : err;
	}
	return 0;
}

static int addresses_read(struct kallsyms *k)
{
	const struct linux_kallsyms *tables = k->tables;
	size_t nr = k->nr;

	if (tables->addresses) {
		k->addresses = malloc(nr * sizeof(*k->addresses));
		if (!k->addresses)
			return -PGW_ENOMEM;
		if (linux_memory_read(k->mem, tables->addresses, k->addresses,
				      nr * sizeof(*k->addresses)))
			return -PGW_EIO;
		for (size_t i = 0; i < nr; i++)
			k->addresses[i] = k->mem->is_big ? load_be64(&k->addresses[i])
							 : load_le64(&k->addresses[i]);
		return 0;
	}
	k->offsets = malloc(nr * sizeof(*k->offsets));
	if (!k->offsets)
		return -PGW_ENOMEM;
	if (linux_memory_read(k->mem, tables->offsets, k->offsets, nr * sizeof(*k->offsets)))
		return -PGW_EIO;
	for (size_t i = 0; i < nr; i++)
		k->offsets[i] = load32(k, (const uint8_t *)&k->offsets[i]);
	k->has_base = tables->relative_base &&
		      linux_memory_word(k->mem, tables->relative_base, &k->base) == 0;
	return 0;
}

static uint64_t sign_extend(uint32_t value)
{
	return (uint64_t)(int64_t)(int32_t)value;
}

static bool is_percpu_offset(const struct kallsyms *k, enum pgw_symbols_layout layout, size_t i)
{
	return layout == PGW_SYMBOLS_BASE_PERCPU && !(k->offsets[i] & BIT(31));
}

static uint64_t address(const struct kallsyms *k, enum pgw_symbols_layout layout, size_t i)
{
	switch (layout) {
	case PGW_SYMBOLS_BASE_RELATIVE:
		return k->base + k->offsets[i];
	case PGW_SYMBOLS_BASE_PERCPU:
		return is_percpu_offset(k, layout, i) ? k->offsets[i]
						      : k->base - 1 - sign_extend(k->offsets[i]);
	case PGW_SYMBOLS_PLACE_RELATIVE:
		return k->tables->offsets + i * sizeof(*k->offsets) + sign_extend(k->offsets[i]);
	default:
		return k->addresses[i];
	}
}

static bool layout_is_possible(const struct kallsyms *k, enum pgw_symbols_layout layout)
{
	switch (layout) {
	case PGW_SYMBOLS_ABSOLUTE:
		return k->addresses != NULL;
	case PGW_SYMBOLS_BASE_RELATIVE:
	case PGW_SYMBOLS_BASE_PERCPU:
		return k->offsets && k->has_base;
	case PGW_SYMBOLS_PLACE_RELATIVE:
		return k->offsets != NULL;
	default:
		return false;
	}
}

/* Symbols whose address is known, and where they are in the list. */
#define MAX_KNOWN 24
struct proof {
	struct {
		const char *name;
		uint64_t va;
		size_t index;
		bool is_there;
		bool is_weak; /* another address would do, too */
	} known[MAX_KNOWN];
	unsigned nr_known;
	size_t samples[MAX_SAMPLES]; /* functions between _stext and _etext */
	unsigned nr_samples;
};

static void proof_add(struct proof *proof, const char *name, uint64_t va)
{
	if (va && proof->nr_known < MAX_KNOWN) {
		proof->known[proof->nr_known].name = name;
		proof->known[proof->nr_known++].va = va;
	}
}

/*
 * Of VMCOREINFO, those whose SYMBOL() is an address in all kernels: mem_section's is a value.
 * swapper_pg_dir has another name on x86.
 */
unsigned linux_known_symbols(const struct linux_known *known, struct linux_known_symbol *ret)
{
	static const char *const names[] = { "_stext", "init_uts_ns", "swapper_pg_dir",
					     "prb",    "clear_idx",   "init_task" };
	unsigned nr = 0;
	uint64_t va;

	_Static_assert(PGW_ARRAY_SIZE(names) + 2 <= LINUX_KNOWN_MAX, "room for all");
	for (size_t i = 0; known->vmcoreinfo && i < PGW_ARRAY_SIZE(names); i++) {
		if (pgw_vmcoreinfo_symbol(known->vmcoreinfo, names[i], &va) && va)
			ret[nr++] = (struct linux_known_symbol){ names[i], va, false };
	}
	/* Where the root maps itself, which may be in the direct map. */
	for (unsigned i = 0; i < 2 && known->swapper_va; i++)
		ret[nr++] = (struct linux_known_symbol){ i ? "swapper_pg_dir" : "init_top_pgt",
							 known->swapper_va, true };
	return nr;
}

static void proof_collect(const struct linux_kallsyms *tables, const struct linux_known *known,
			  struct proof *proof)
{
	struct linux_known_symbol list[LINUX_KNOWN_MAX];
	unsigned nr = linux_known_symbols(known, list);

	for (unsigned i = 0; i < nr; i++) {
		proof->known[proof->nr_known].is_weak = list[i].is_weak;
		proof_add(proof, list[i].name, list[i].va);
	}
	proof_add(proof, "kallsyms_names", tables->names);
	proof_add(proof, "kallsyms_num_syms", tables->num_syms);
	proof_add(proof, "kallsyms_token_table", tables->token_table);
	proof_add(proof, "kallsyms_token_index", tables->token_index);
	proof_add(proof, "kallsyms_offsets", tables->offsets);
	proof_add(proof, "kallsyms_relative_base", tables->relative_base);
	proof_add(proof, "kallsyms_addresses", tables->addresses);
}

/* Known symbols that the list has once; functions of the kernel's text, some from all of it. */
static void proof_find(const struct pgw_symbols *symbols, struct proof *proof)
{
	size_t first = symbols->nr, last = 0;

	for (size_t i = 0; i < symbols->nr; i++) {
		const char *name = symbols->names + symbols->list[i].name;

		if (name[0] == '_' && strcmp(name, "_stext") == 0)
			first = i;
		else if (name[0] == '_' && strcmp(name, "_etext") == 0)
			last = i;
		for (unsigned j = 0; j < proof->nr_known; j++) {
			/* Names begin alike: the first letters tell most apart. */
			if (name[0] != proof->known[j].name[0] ||
			    strcmp(name, proof->known[j].name) != 0)
				continue;
			proof->known[j].index = i;
			proof->known[j].is_there = true;
		}
	}
	for (size_t i = 0; first < last && i < MAX_SAMPLES; i++) {
		size_t at = first + (last - first) / MAX_SAMPLES * i;

		if ((symbols->list[at].letter | 0x20) == 't')
			proof->samples[proof->nr_samples++] = at;
	}
}

static bool is_code(const struct kallsyms *k, uint64_t va)
{
	struct pgw_translation at;

	return image_root_translate(k->mem->image, &k->mem->root, va, &at) &&
	       (at.rights & PGW_KERNEL_X);
}

/*
 * Does the layout put all that is known where it is? Where nothing is, functions have to be code:
 * of those that were taken from all of it, every one.
 */
static bool proof_holds(const struct kallsyms *k, const struct proof *proof,
			enum pgw_symbols_layout layout)
{
	unsigned nr_right = 0;

	for (unsigned i = 0; i < proof->nr_known; i++) {
		if (!proof->known[i].is_there)
			continue;
		if (address(k, layout, proof->known[i].index) == proof->known[i].va)
			nr_right++;
		else if (!proof->known[i].is_weak)
			return false;
	}
	if (nr_right)
		return true;
	for (unsigned i = 0; i < proof->nr_samples; i++) {
		if (!is_code(k, address(k, layout, proof->samples[i])))
			return false;
	}
	return proof->nr_samples > MAX_SAMPLES / 8;
}

static enum pgw_symbols_layout layout_prove(const struct kallsyms *k,
					    const struct linux_known *known)
{
	enum pgw_symbols_layout found = PGW_SYMBOLS_LAYOUT_NONE;
	struct proof proof = { 0 };

	proof_collect(k->tables, known, &proof);
	proof_find(k->symbols, &proof);
	for (unsigned i = PGW_SYMBOLS_ABSOLUTE; i < _PGW_SYMBOLS_LAYOUT_MAX; i++) {
		enum pgw_symbols_layout layout = (enum pgw_symbols_layout)i;

		if (!layout_is_possible(k, layout) || !proof_holds(k, &proof, layout))
			continue;
		if (found != PGW_SYMBOLS_LAYOUT_NONE)
			return PGW_SYMBOLS_LAYOUT_NONE;
		found = layout;
	}
	return found;
}

static void addresses_set(const struct kallsyms *k, enum pgw_symbols_layout layout)
{
	struct pgw_symbols *symbols = k->symbols;
	bool has_data = false;

	for (size_t i = 0; i < symbols->nr; i++) {
		struct linux_symbol *symbol = &symbols->list[i];

		symbol->va = address(k, layout, i);
		symbol->is_offset = is_percpu_offset(k, layout, i);
		has_data |= (symbol->letter | 0x20) == 'b';
	}
	symbols->info.layout = layout;
	symbols->info.lacks_data = !has_data;
	symbols->info.table_va = k->tables->names;
}

static int kallsyms_take(struct kallsyms *k, const struct linux_known *known, struct pgw_error *err)
{
	enum pgw_symbols_layout layout;
	uint64_t nr;
	int status;

	if (linux_memory_number(k->mem, k->tables->num_syms, sizeof(uint32_t), &nr))
		return source_fail(err, -PGW_EIO, "kallsyms_num_syms in the image");
	if (nr < MIN_SYMBOLS || nr > LINUX_SYMBOLS_MAX)
		return source_fail(err, -PGW_ENOENT,
				   "kallsyms_num_syms of 16 to 4,194,304 symbols");
	k->nr = (uint32_t)nr;
	if (!tokens_read(k))
		return source_fail(err, -PGW_ENOENT,
				   "kallsyms_token_table and _index that fit each other");
	status = names_read(k);
	if (status)
		return source_fail(err, status, "as many kallsyms_names as kallsyms_num_syms says");
	status = addresses_read(k);
	if (status)
		return source_fail(err, status, "kallsyms_offsets in the image");
	layout = layout_prove(k, known);
	if (layout == PGW_SYMBOLS_LAYOUT_NONE)
		return source_fail(err, -PGW_ENOENT,
				   "kallsyms that have one layout which puts known symbols where "
				   "they are");
	addresses_set(k, layout);
	return 0;
}

int linux_kallsyms_read(struct linux_memory *mem, const struct linux_kallsyms *tables,
			const struct linux_known *known, struct pgw_symbols *symbols,
			struct pgw_error *err)
{
	struct kallsyms *k = calloc(1, sizeof(*k));
	int status;

	if (!k)
		return source_fail(err, -PGW_ENOMEM, NULL);
	k->mem = mem;
	k->tables = tables;
	k->symbols = symbols;
	status = kallsyms_take(k, known, err);
	free(k->coded);
	free(k->offsets);
	free(k->addresses);
	free(k);
	return status;
}
