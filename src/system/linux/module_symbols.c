/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/modules.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * A module's names: a table of ELF symbols, of strings, and (since 5.2) one of their letters, all
 * in the module's own memory and cut down to what /proc/kallsyms shows. A letter is upper case if
 * the module exports name and address.
 */

#define MAX_SYMBOLS (UINT32_C(1) << 17)
#define MAX_NAMES ((size_t)8 << 20) /* bytes of a module's names */
#define MAX_EXPORTS (UINT32_C(1) << 16)

/* Elf64_Sym of the ELF specification. */
#define SYM_SIZE 24
#define SYM_VALUE 8
#define NAMES_CHUNK 4096

/** What a module exports. */
struct export {
	uint64_t va, name_va;
};

struct tables {
	struct pgw_modules *modules;
	uint64_t symtab, nr, strtab, typetab;
	size_t name_room; /* bytes of names that were asked for */
	struct export *exports; /* by va */
	size_t nr_exports;
};

static bool number(struct tables *t, uint64_t va, const struct linux_member *member, uint64_t *ret)
{
	return !linux_inside_number(&t->modules->inside, va, member, ret);
}

static int by_va(const void *a, const void *b)
{
	const struct export *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

/* Where a signed distance of 32 bits leads to from its own place. */
static bool place_relative(struct tables *t, uint64_t va, const struct linux_member *member,
			   uint64_t *ret)
{
	uint64_t distance;

	if (!number(t, va, member, &distance))
		return false;
	*ret = va + member->offset + (uint64_t)(int64_t)(int32_t)(uint32_t)distance;
	return true;
}

static bool export_read(struct tables *t, uint64_t va, struct export *ret)
{
	const struct module_places *at = &t->modules->places;

	if (at->symbol.value_offset.is_there)
		return place_relative(t, va, &at->symbol.value_offset, &ret->va) &&
		       place_relative(t, va, &at->symbol.name_offset, &ret->name_va);
	return number(t, va, &at->symbol.value, &ret->va) &&
	       number(t, va, &at->symbol.name, &ret->name_va);
}

static int exports_read(struct tables *t, const struct pgw_module *info)
{
	const struct module_places *at = &t->modules->places;
	uint64_t syms, nr;

	if (!number(t, info->va, &at->module.syms, &syms) ||
	    !number(t, info->va, &at->module.num_syms, &nr) || !nr)
		return 0;
	if (nr > MAX_EXPORTS) {
		t->modules->met.nr_torn++;
		return 0;
	}
	t->exports = malloc((size_t)nr * sizeof(*t->exports));
	if (!t->exports)
		return -PGW_ENOMEM;
	for (uint64_t i = 0; i < nr; i++) {
		if (!export_read(t, syms + i * at->symbol.size.size,
				 &t->exports[t->nr_exports++])) {
			t->modules->met.nr_unreadable++;
			t->nr_exports--;
			break;
		}
	}
	qsort(t->exports, t->nr_exports, sizeof(*t->exports), by_va);
	return 0;
}

#define MAX_SAME 16 /* names of one address that are compared */

static bool is_exported(struct tables *t, const struct pgw_symbol *symbol)
{
	size_t first = 0, end = t->nr_exports;
	char name[512];

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (t->exports[middle].va < symbol->va)
			first = middle + 1;
		else
			end = middle;
	}
	for (end = first + MAX_SAME;
	     first < t->nr_exports && first < end && t->exports[first].va == symbol->va; first++) {
		if (!linux_memory_string(&t->modules->inside.memory, t->exports[first].name_va,
					 name, sizeof(name)) &&
		    strcmp(name, symbol->name) == 0)
			return true;
	}
	return false;
}

/* A name as long as it is. @return 0, -PGW_EIO, -PGW_ENOMEM */
static int name_read(struct tables *t, struct module *module, uint64_t va, size_t *at)
{
	if (t->name_room - *at < LINUX_SYMBOL_NAME_MAX + 1) {
		size_t more = 2 * t->name_room + NAMES_CHUNK;
		bool has_room = more <= MAX_NAMES && more <= t->modules->names_left;
		char *grown = has_room ? realloc(module->symbol_names, more) : NULL;

		t->modules->met.truncated |= !has_room;
		if (!grown)
			return has_room ? -PGW_ENOMEM : -PGW_EIO;
		module->symbol_names = grown;
		t->name_room = more;
	}
	if (linux_memory_string(&t->modules->inside.memory, va, module->symbol_names + *at,
				LINUX_SYMBOL_NAME_MAX + 1))
		return -PGW_EIO;
	return 0;
}

static char letter_read(struct tables *t, uint64_t index)
{
	char letter = '?';

	if (t->typetab &&
	    (linux_memory_read(&t->modules->inside.memory, t->typetab + index, &letter, 1) ||
	     letter <= ' ' || letter > '~'))
		letter = '?';
	return letter;
}

/* Those without a name are not shown; the first one of each table is such. */
static int table_read(struct tables *t, struct module *module)
{
	size_t at = 0;

	for (uint64_t i = 0; i < t->nr; i++) {
		uint64_t va = t->symtab + i * SYM_SIZE, name, value;
		struct linux_memory *mem = &t->modules->inside.memory;
		int err;

		if (linux_memory_number(mem, va, 4, &name) ||
		    linux_memory_number(mem, va + SYM_VALUE, 8, &value)) {
			t->modules->met.nr_unreadable++;
			return 0;
		}
		err = name_read(t, module, t->strtab + name, &at);
		if (err == -PGW_ENOMEM)
			return err;
		if (err) {
			t->modules->met.nr_unreadable++;
			continue;
		}
		if (!module->symbol_names[at])
			continue;
		module->symbols[module->info.nr_symbols++] =
			(struct pgw_symbol){ .va = value, .letter = letter_read(t, i) };
		at += strlen(module->symbol_names + at) + 1;
	}
	return 0;
}

/* Names do not move any more. */
static void symbols_finish(struct tables *t, struct module *module)
{
	const char *name = module->symbol_names;

	for (size_t i = 0; i < module->info.nr_symbols; i++) {
		struct pgw_symbol *symbol = &module->symbols[i];

		symbol->name = name;
		name += strlen(name) + 1;
		if (symbol->letter >= 'a' && symbol->letter <= 'z' && is_exported(t, symbol))
			symbol->letter = (char)(symbol->letter - 'a' + 'A');
	}
	module->info.symbols = module->symbols;
}

int module_symbols_read(struct pgw_modules *modules, struct module *module)
{
	const struct module_places *at = &modules->places;
	struct tables t = { .modules = modules };
	uint64_t kallsyms, max;
	int err;

	if (!number(&t, module->info.va, &at->module.kallsyms, &kallsyms) ||
	    !number(&t, kallsyms, &at->kallsyms.symtab, &t.symtab) ||
	    !number(&t, kallsyms, &at->kallsyms.num_symtab, &t.nr) ||
	    !number(&t, kallsyms, &at->kallsyms.strtab, &t.strtab)) {
		modules->met.nr_unreadable++;
		return 0;
	}
	if (!number(&t, kallsyms, &at->kallsyms.typetab, &t.typetab))
		t.typetab = 0;
	max = modules->symbols_left < MAX_SYMBOLS ? modules->symbols_left : MAX_SYMBOLS;
	modules->met.truncated |= t.nr > max;
	t.nr = t.nr > max ? max : t.nr;
	modules->symbols_left -= t.nr;
	module->symbols = malloc(((size_t)t.nr + 1) * sizeof(*module->symbols));
	err = module->symbols ? exports_read(&t, &module->info) : -PGW_ENOMEM;
	if (!err)
		err = table_read(&t, module);
	modules->names_left -= t.name_room;
	if (!err)
		symbols_finish(&t, module);
	free(t.exports);
	return err;
}
