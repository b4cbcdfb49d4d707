/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/modules.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/source.h"
#include "system/system_priv.h"

#define MAX_MODULES 65536
#define MAX_STEPS (UINT64_C(1) << 18)
#define MAX_READS (UINT64_C(1) << 26)
/* Of all modules: a machine with hundreds of them has some 10^5, and 10 MiB of names. */
#define MAX_ALL_SYMBOLS (UINT64_C(1) << 22)
#define MAX_ALL_NAMES ((size_t)128 << 20)

#define AT(member) offsetof(struct module_places, member)
#define NEED(type, path, member)                                                                   \
	{                                                                                          \
		type, path, AT(member), false,                                                     \
			"struct " type "'s member " path " in the kernel's BTF"                    \
	}
#define MAY(type, path, member)                                                                    \
	{                                                                                          \
		type, path, AT(member), true, NULL                                                 \
	}

/* By the names of 5.10 to 7.2; those of one struct stand together. */
static const struct linux_wanted wanted[] = {
	NEED("module", "list", module.list),
	NEED("module", "name", module.name),
	NEED("module", "kallsyms", module.kallsyms),
	MAY("module", "sect_attrs", module.sect_attrs),
	MAY("module", "refcnt.counter", module.refcnt),
	MAY("module", "source_list", module.source_list),
	MAY("module", "syms", module.syms),
	MAY("module", "num_syms", module.num_syms),
	MAY("module", "mem", module.mem),
	MAY("module", "core_layout.base", module.core_base),
	MAY("module", "core_layout.size", module.core_size),
	MAY("module", "core_layout.text_size", module.core_text),
	MAY("module", "core_layout.ro_size", module.core_ro),
	MAY("module", "core_layout.ro_after_init_size", module.core_after_init),
	MAY("module", "init_layout.base", module.init_base),
	MAY("module", "init_layout.size", module.init_size),
	MAY("module_memory", NULL, memory.size),
	MAY("module_memory", "base", memory.base),
	MAY("module_memory", "size", memory.bytes),
	NEED("mod_kallsyms", "symtab", kallsyms.symtab),
	NEED("mod_kallsyms", "num_symtab", kallsyms.num_symtab),
	NEED("mod_kallsyms", "strtab", kallsyms.strtab),
	MAY("mod_kallsyms", "typetab", kallsyms.typetab),
	MAY("module_sect_attrs", "nsections", sections.nr),
	MAY("module_sect_attrs", "attrs", sections.attrs),
	MAY("module_sect_attrs", "grp.bin_attrs", sections.list),
	MAY("module_sect_attr", NULL, sections.attr),
	MAY("module_sect_attr", "battr.attr.name", sections.name),
	MAY("module_sect_attr", "address", sections.va),
	MAY("bin_attribute", "attr.name", sections.bin_name),
	MAY("bin_attribute", "private", sections.bin_va),
	MAY("module_use", "source_list", use.source_list),
	MAY("module_use", "source", use.source),
	MAY("kernel_symbol", NULL, symbol.size),
	MAY("kernel_symbol", "value", symbol.value),
	MAY("kernel_symbol", "name", symbol.name),
	MAY("kernel_symbol", "value_offset", symbol.value_offset),
	MAY("kernel_symbol", "name_offset", symbol.name_offset),
};

static int module_node(void *arg, uint64_t node)
{
	struct pgw_modules *modules = arg;
	struct module *grown;

	if (modules->nr == MAX_MODULES) {
		modules->met.truncated = true;
		return 0;
	}
	if (modules->nr == modules->size) {
		size_t size = modules->size ? 2 * modules->size : 64;

		grown = realloc(modules->list, size * sizeof(*grown));
		if (!grown)
			return -PGW_ENOMEM;
		modules->list = grown;
		modules->size = size;
	}
	return module_read(modules, node - modules->places.module.list.offset,
			   &modules->list[modules->nr++]);
}

static void list_met(struct pgw_modules *modules, enum linux_list_end end)
{
	modules->met.nr_torn += end == LINUX_LIST_TORN;
	modules->met.nr_unreadable += end == LINUX_LIST_UNREADABLE;
	modules->met.truncated |= end == LINUX_LIST_CUT;
}

/* ---- who uses a module ---- */

struct users {
	struct pgw_modules *modules;
	struct module *of;
	size_t room;
};

static int user_node(void *arg, uint64_t node)
{
	struct users *users = arg;
	struct pgw_modules *modules = users->modules;
	struct module *of = users->of;
	uint64_t use = node - modules->places.use.source_list.offset, source;
	const struct pgw_module *user = NULL;

	if (linux_inside_number(&modules->inside, use, &modules->places.use.source, &source)) {
		modules->met.nr_unreadable++;
		return 0;
	}
	for (size_t i = 0; i < modules->nr && !user; i++)
		user = modules->infos[i].va == source ? &modules->infos[i] : NULL;
	if (!user || of->info.nr_users == modules->nr) {
		modules->met.nr_torn++;
		return 0;
	}
	if (of->info.nr_users == users->room) {
		size_t room = users->room ? 2 * users->room : 4;
		const struct pgw_module **grown =
			realloc((void *)of->users, room * sizeof(*of->users));

		if (!grown)
			return -PGW_ENOMEM;
		of->users = grown;
		users->room = room;
	}
	of->users[of->info.nr_users++] = user;
	return 0;
}

static int users_read(struct pgw_modules *modules)
{
	int err = 0;

	for (size_t i = 0; i < modules->nr && !err; i++) {
		struct module *module = &modules->list[i];
		struct users users = { .modules = modules, .of = module };
		enum linux_list_end end;

		if (!module->source_list || !modules->places.use.source.is_there)
			continue;
		err = linux_list_each(&modules->inside.memory, module->source_list,
				      &modules->steps_left, user_node, &users, &end);
		if (!err)
			list_met(modules, end);
		modules->infos[i].users = module->users;
		modules->infos[i].nr_users = module->info.nr_users;
	}
	return err;
}

/* As others see them; where they are does not change any more. */
static int infos_make(struct pgw_modules *modules)
{
	modules->infos = calloc(modules->nr + 1, sizeof(*modules->infos));
	if (!modules->infos)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < modules->nr; i++)
		modules->infos[i] = modules->list[i].info;
	return 0;
}

/* The lower, the rather a symbol names its address: as pgw_symbols_at(). */
static unsigned rank(const struct pgw_symbol *symbol)
{
	if (symbol->name[0] == '$' || symbol->name[0] == '.')
		return 2;
	return symbol->letter >= 'A' && symbol->letter <= 'Z' ? 0 : 1;
}

/* Of two alike, the first one of the module's table comes last. */
static int symbol_compare(const void *a, const void *b)
{
	const struct pgw_symbol *x = *(const struct pgw_symbol *const *)a;
	const struct pgw_symbol *y = *(const struct pgw_symbol *const *)b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	if (rank(x) != rank(y))
		return rank(x) > rank(y) ? -1 : 1;
	return (x < y) - (x > y);
}

static int symbols_sort(struct module *module)
{
	size_t nr = module->info.nr_symbols;

	module->by_va = calloc(nr + 1, sizeof(*module->by_va));
	if (!module->by_va)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < nr; i++)
		module->by_va[i] = &module->symbols[i];
	qsort(module->by_va, nr, sizeof(*module->by_va), symbol_compare);
	return 0;
}

static int range_compare(const void *a, const void *b)
{
	const struct module_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* So that looking for an address takes no longer the more there are. */
static int modules_sort(struct pgw_modules *modules)
{
	size_t nr = 0;
	int status = 0;

	for (size_t i = 0; i < modules->nr && !status; i++) {
		status = symbols_sort(&modules->list[i]);
		nr += modules->infos[i].nr_parts;
	}
	modules->ranges = status ? NULL : calloc(nr + 1, sizeof(*modules->ranges));
	if (!modules->ranges)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < modules->nr; i++) {
		const struct pgw_module *module = &modules->infos[i];

		for (unsigned j = 0; j < module->nr_parts; j++)
			modules->ranges[modules->nr_ranges++] = (struct module_range){
				module->parts[j].first, module->parts[j].last, i
			};
	}
	qsort(modules->ranges, modules->nr_ranges, sizeof(*modules->ranges), range_compare);
	return 0;
}

static int modules_read(struct pgw_modules *modules, struct pgw_error *err)
{
	uint64_t head = linux_inside_symbol(&modules->inside, "modules");
	const struct linux_wanted *missing;
	enum linux_list_end end;
	int status;

	if (!linux_types_fill(modules->inside.types, wanted, PGW_ARRAY_SIZE(wanted),
			      &modules->places, &missing))
		return source_fail(err, -PGW_ENOENT, missing->what);
	if (!head)
		return source_fail(err, -PGW_ENOENT, "the symbol modules");
	modules->steps_left = MAX_STEPS;
	modules->symbols_left = MAX_ALL_SYMBOLS;
	modules->names_left = MAX_ALL_NAMES;
	modules->inside.memory.reads_left = MAX_READS;
	status = linux_list_each(&modules->inside.memory, head, &modules->steps_left, module_node,
				 modules, &end);
	if (!status)
		list_met(modules, end);
	if (!status)
		status = infos_make(modules);
	if (!status)
		status = users_read(modules);
	if (!status)
		status = modules_sort(modules);
	modules->met.truncated |= !modules->inside.memory.reads_left;
	return status ? source_fail(err, status, NULL) : 0;
}

int pgw_modules_open(struct pgw_image *image, struct pgw_modules **ret, struct pgw_error *err)
{
	struct pgw_modules *modules = calloc(1, sizeof(*modules));
	int status;

	if (err)
		*err = (struct pgw_error){ 0 };
	if (!modules)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = linux_inside_open(&modules->inside, image, err);
	if (!status)
		status = modules_read(modules, err);
	if (status) {
		pgw_modules_close(modules);
		return status;
	}
	*ret = modules;
	return 0;
}

void pgw_modules_close(struct pgw_modules *modules)
{
	if (!modules)
		return;
	for (size_t i = 0; i < modules->nr; i++)
		module_fini(&modules->list[i]);
	free(modules->list);
	free(modules->infos);
	free(modules->ranges);
	free(modules);
}

const struct pgw_module *pgw_modules_list(const struct pgw_modules *modules, size_t *ret_nr)
{
	*ret_nr = modules->nr;
	return modules->infos;
}

const struct pgw_modules_met *pgw_modules_get_met(const struct pgw_modules *modules)
{
	return &modules->met;
}

/* The last one at or before an address. @return NULL: there is none from first on */
static const struct pgw_symbol *symbol_at(const struct module *module, uint64_t first, uint64_t va)
{
	size_t low = 0, high = module->info.nr_symbols;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (module->by_va[middle]->va <= va)
			low = middle + 1;
		else
			high = middle;
	}
	return low && module->by_va[low - 1]->va >= first ? module->by_va[low - 1] : NULL;
}

/* The last range that begins at or before an address; ranges of modules do not overlap. */
static const struct module_range *range_at(const struct pgw_modules *modules, uint64_t va)
{
	size_t low = 0, high = modules->nr_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (modules->ranges[middle].first <= va)
			low = middle + 1;
		else
			high = middle;
	}
	return low && modules->ranges[low - 1].last >= va ? &modules->ranges[low - 1] : NULL;
}

const struct pgw_module *pgw_modules_at(const struct pgw_modules *modules, uint64_t va,
					struct pgw_symbol *ret_symbol, uint64_t *ret_offset)
{
	const struct module_range *range = range_at(modules, va);
	const struct pgw_symbol *symbol;

	if (!range)
		return NULL;
	symbol = symbol_at(&modules->list[range->module], range->first, va);
	if (ret_symbol)
		*ret_symbol = symbol ? *symbol : (struct pgw_symbol){ 0 };
	if (ret_offset)
		*ret_offset = symbol ? va - symbol->va : 0;
	return &modules->infos[range->module];
}
