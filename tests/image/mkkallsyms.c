/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/mkkallsyms.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIRST_PAGE 7 /* of RAM: the kernel's image has three free ones from here on */
#define NR_PERCPU 20
#define LONG_NAME 300

static bool has_percpu(enum mkkallsyms_layout layout)
{
	return layout == MKKALLSYMS_PERCPU_SEQS || layout == MKKALLSYMS_PERCPU_LATE;
}

char mkkallsyms_symbol(const struct linux_machine *m, enum mkkallsyms_layout layout, unsigned i,
		       char *name, uint64_t *ret_va)
{
	*ret_va = m->kernel_va + 16 * i;
	if (has_percpu(layout) && i < NR_PERCPU) {
		*ret_va = 8 * i;
		sprintf(name, "percpu_%u", i);
		return 'A';
	}
	if (i == NR_PERCPU) {
		strcpy(name, "_stext");
		return 'T';
	}
	if (i == LONG_NAME) {
		memset(name, 'q', 200);
		name[200] = '\0';
		return 't';
	}
	if (i == MKKALLSYMS_NR - 1) {
		strcpy(name, "swapper_pg_dir");
		*ret_va = linux_swapper_va(m);
		return 'D';
	}
	sprintf(name, i % 7 ? "fn_%u_ops" : "same", i);
	return i % 3 ? 't' : 'T';
}

/* Where in memory an address of the image is. */
static uint8_t *at(const struct linux_machine *m, uint64_t va)
{
	return m->ram + LINUX_KERNEL * m->page + (va - m->kernel_va);
}

static void put(const struct linux_machine *m, uint64_t va, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at(m, va)[i] = (uint8_t)(value >> 8 * i);
}

/* Each printable character is a token of its own; 1 and 2 are longer ones; the others are not used. */
static const char *token(unsigned code, char *one)
{
	one[0] = code >= ' ' && code < 127 ? (char)code : '\0';
	one[1] = '\0';
	return code == 1 ? "fn_" : code == 2 ? "_ops" : one;
}

static unsigned encode(const char *name, uint8_t *to)
{
	unsigned nr = 0;

	while (*name) {
		unsigned code = strncmp(name, "fn_", 3) == 0    ? 1
				: strncmp(name, "_ops", 4) == 0 ? 2
								: (unsigned char)*name;

		to[nr++] = (uint8_t)code;
		name += code == 1 ? 3 : code == 2 ? 4 : 1;
	}
	return nr;
}

static uint64_t put_names(struct linux_machine *m, struct mkkallsyms *k, uint32_t *markers)
{
	uint64_t va = k->names, ignored;
	char name[256 + 1];
	uint8_t coded[256];

	for (unsigned i = 0; i < MKKALLSYMS_NR; i++) {
		unsigned nr;

		if (i % 256 == 0)
			markers[i / 256] = (uint32_t)(va - k->names);
		name[0] = mkkallsyms_symbol(m, k->layout, i, name + 1, &ignored);
		nr = encode(name, coded);
		put(m, va++, nr < 128 ? nr : (nr & 127) | 128, 1);
		if (nr >= 128)
			put(m, va++, nr >> 7, 1);
		memcpy(at(m, va), coded, nr);
		va += nr;
	}
	return va;
}

static uint64_t put_tokens(struct linux_machine *m, struct mkkallsyms *k, unsigned align)
{
	uint64_t va = k->token_table;
	uint16_t index[256];
	char one[2];

	for (unsigned code = 0; code < 256; code++) {
		const char *text = token(code, one);

		index[code] = (uint16_t)(va - k->token_table);
		strcpy((char *)at(m, va), text);
		va += strlen(text) + 1;
	}
	k->token_index = (va + align - 1) & ~(uint64_t)(align - 1);
	for (unsigned code = 0; code < 256; code++)
		put(m, k->token_index + 2 * code, index[code], 2);
	return k->token_index + 512;
}

static void put_offsets(struct linux_machine *m, const struct mkkallsyms *k)
{
	const uint64_t base = m->kernel_va;
	char name[256];
	uint64_t va;

	for (unsigned i = 0; i < MKKALLSYMS_NR; i++) {
		char letter = mkkallsyms_symbol(m, k->layout, i, name, &va);

		if (k->layout == MKKALLSYMS_ABSOLUTE)
			put(m, k->addresses + 8 * i, va, 8);
		else if (k->layout == MKKALLSYMS_PLACE)
			put(m, k->offsets + 4 * i, va - (k->offsets + 4 * i), 4);
		else if (has_percpu(k->layout))
			put(m, k->offsets + 4 * i, letter == 'A' ? va : base - 1 - va, 4);
		else
			put(m, k->offsets + 4 * i, va - base, 4);
	}
	if (k->base)
		put(m, k->base, base, 8);
}

static uint64_t align_to(uint64_t va, unsigned to)
{
	return (va + to - 1) & ~(uint64_t)(to - 1);
}

void mkkallsyms_put(struct linux_machine *m, enum mkkallsyms_layout layout, struct mkkallsyms *ret)
{
	bool is_late = layout >= MKKALLSYMS_PERCPU_LATE;
	unsigned align = layout == MKKALLSYMS_PLACE ? 4 : 8;
	struct mkkallsyms k = { .layout = layout };
	uint32_t markers[4] = { 0 };
	uint64_t va = m->kernel_va + (FIRST_PAGE - LINUX_KERNEL) * m->page + 64;

	k.first = va;
	if (layout == MKKALLSYMS_ABSOLUTE) {
		k.addresses = va;
		va += 8 * MKKALLSYMS_NR;
	} else if (!is_late) {
		k.offsets = va;
		k.base = align_to(va + 4 * MKKALLSYMS_NR, 8);
		va = k.base + 8;
	}
	k.num_syms = va;
	put(m, k.num_syms, MKKALLSYMS_NR, 4);
	k.names = va + align;
	k.markers = align_to(put_names(m, &k, markers), align);
	for (unsigned i = 0; i < (MKKALLSYMS_NR + 255) / 256; i++)
		put(m, k.markers + 4 * i, markers[i], 4);
	va = k.markers + 4 * ((MKKALLSYMS_NR + 255) / 256);
	if (layout == MKKALLSYMS_PERCPU_SEQS)
		va += 3 * MKKALLSYMS_NR;
	k.token_table = align_to(va, align);
	va = put_tokens(m, &k, align);
	if (is_late) {
		k.offsets = align_to(va, align);
		va = k.offsets + 4 * MKKALLSYMS_NR;
		k.base = layout == MKKALLSYMS_PLACE ? 0 : align_to(va, 8);
	}
	put_offsets(m, &k);
	k.end = k.base > va ? k.base + 8 : va;
	*ret = k;
}

void mkkallsyms_text(const struct linux_machine *m, const struct mkkallsyms *k, char *text)
{
	text += sprintf(text,
			"OSRELEASE=6.1.0\nPAGESIZE=%" PRIu64 "\nSYMBOL(_stext)=%" PRIx64
			"\nSYMBOL(swapper_pg_dir)=%" PRIx64 "\nSYMBOL(kallsyms_names)=%" PRIx64
			"\nSYMBOL(kallsyms_num_syms)=%" PRIx64
			"\nSYMBOL(kallsyms_token_table)=%" PRIx64
			"\nSYMBOL(kallsyms_token_index)=%" PRIx64 "\n",
			m->page, m->kernel_va + 16 * NR_PERCPU, linux_swapper_va(m), k->names,
			k->num_syms, k->token_table, k->token_index);
	if (k->addresses)
		text += sprintf(text, "SYMBOL(kallsyms_addresses)=%" PRIx64 "\n", k->addresses);
	else
		text += sprintf(text, "SYMBOL(kallsyms_offsets)=%" PRIx64 "\n", k->offsets);
	if (k->base)
		sprintf(text, "SYMBOL(kallsyms_relative_base)=%" PRIx64 "\n", k->base);
}
