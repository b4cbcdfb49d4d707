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
	modules->inside.memory.reads_left = MAX_READS;
	status = linux_list_each(&modules->inside.memory, head, &modules->steps_left, module_node,
				 modules, &end);
	if (!status)
		list_met(modules, end);
	if (!status)
		status = infos_make(modules);
	if (!status)
		status = users_read(modules);
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

/* The lower, the rather a symbol names its address: as pgw_symbols_at(). */
static unsigned rank(const struct pgw_symbol *symbol)
{
	if (symbol->name[0] == '$' || symbol->name[0] == '.')
		return 2;
	return symbol->letter >= 'A' && symbol->letter <= 'Z' ? 0 : 1;
}

static const struct pgw_symbol *symbol_at(const struct pgw_module *module, uint64_t first,
					  uint64_t va)
{
	const struct pgw_symbol *best = NULL;

	for (size_t i = 0; i < module->nr_symbols; i++) {
		const struct pgw_symbol *symbol = &module->symbols[i];

		if (symbol->va < first || symbol->va > va)
			continue;
		if (!best || symbol->va > best->va ||
		    (symbol->va == best->va && rank(symbol) < rank(best)))
			best = symbol;
	}
	return best;
}

const struct pgw_module *pgw_modules_at(const struct pgw_modules *modules, uint64_t va,
					struct pgw_symbol *ret_symbol, uint64_t *ret_offset)
{
	for (size_t i = 0; i < modules->nr; i++) {
		const struct pgw_module *module = &modules->infos[i];

		for (unsigned j = 0; j < module->nr_parts; j++) {
			const struct pgw_module_part *part = &module->parts[j];
			const struct pgw_symbol *symbol;

			if (va < part->first || va > part->last)
				continue;
			symbol = symbol_at(module, part->first, va);
			if (ret_symbol)
				*ret_symbol = symbol ? *symbol : (struct pgw_symbol){ 0 };
			if (ret_offset)
				*ret_offset = symbol ? va - symbol->va : 0;
			return module;
		}
	}
	return NULL;
}
