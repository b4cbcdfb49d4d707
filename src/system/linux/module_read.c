/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/modules.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define MAX_SECTIONS 4096 /* of a module */
#define MAX_SECTION_NAME 256
#define MAX_PART (UINT64_C(1) << 31) /* bytes; modules have some megabytes */

static bool number(struct pgw_modules *modules, uint64_t va, const struct linux_member *member,
		   uint64_t *ret)
{
	return !linux_inside_number(&modules->inside, va, member, ret);
}

static void part_add(struct pgw_modules *modules, struct pgw_module *info, uint64_t base,
		     uint64_t size, enum pgw_module_part_kind kind)
{
	if (!base || !size)
		return;
	if (size > MAX_PART || base > UINT64_MAX - (size - 1) ||
	    info->nr_parts == PGW_MODULE_PARTS) {
		modules->met.nr_torn++;
		return;
	}
	info->parts[info->nr_parts++] =
		(struct pgw_module_part){ .first = base, .last = base + size - 1, .kind = kind };
}

/* Since 6.4: enum mod_mem_type of include/linux/module.h: text, data, rodata, ro after init, and
 * those of init. */
static bool memories_read(struct pgw_modules *modules, struct pgw_module *info)
{
	static const enum pgw_module_part_kind kinds[] = { PGW_MODULE_TEXT, PGW_MODULE_DATA,
							   PGW_MODULE_RODATA,
							   PGW_MODULE_RO_AFTER_INIT };
	const struct module_places *at = &modules->places;
	const uint32_t one = at->memory.size.size;

	for (uint32_t i = 0; one && i < at->module.mem.size / one; i++) {
		uint64_t va = info->va + at->module.mem.offset + (uint64_t)i * one, base, size;

		if (!number(modules, va, &at->memory.base, &base) ||
		    !number(modules, va, &at->memory.bytes, &size))
			return false;
		part_add(modules, info, base, size,
			 i < PGW_ARRAY_SIZE(kinds) ? kinds[i] : PGW_MODULE_INIT);
		info->size += base ? size : 0;
		if (!i)
			info->base = base;
	}
	return true;
}

/* To 6.3: one piece, of which text comes first, then what is read only, then the rest. */
static bool layout_read(struct pgw_modules *modules, struct pgw_module *info)
{
	const struct module_places *at = &modules->places;
	uint64_t base, size, text, ro, after_init, init_base = 0, init_size = 0;

	if (!number(modules, info->va, &at->module.core_base, &base) ||
	    !number(modules, info->va, &at->module.core_size, &size) ||
	    !number(modules, info->va, &at->module.core_text, &text) ||
	    !number(modules, info->va, &at->module.core_ro, &ro) ||
	    !number(modules, info->va, &at->module.core_after_init, &after_init))
		return false;
	info->base = base;
	info->size = size;
	if (text > ro || ro > after_init || after_init > size) {
		modules->met.nr_torn++;
		return true;
	}
	part_add(modules, info, base, text, PGW_MODULE_TEXT);
	part_add(modules, info, base + text, ro - text, PGW_MODULE_RODATA);
	part_add(modules, info, base + ro, after_init - ro, PGW_MODULE_RO_AFTER_INIT);
	part_add(modules, info, base + after_init, size - after_init, PGW_MODULE_DATA);
	if (number(modules, info->va, &at->module.init_base, &init_base) &&
	    number(modules, info->va, &at->module.init_size, &init_size)) {
		part_add(modules, info, init_base, init_size, PGW_MODULE_INIT);
		info->size += init_base ? init_size : 0;
	}
	return true;
}

/* ---- sections ---- */

/** A table of sections, before names are where they stay. */
struct sections {
	struct pgw_modules *modules;
	struct module *module;
	size_t room, names_size, names_room;
};

static int section_add(struct sections *to, uint64_t va, uint64_t name_va)
{
	struct module *module = to->module;
	char name[MAX_SECTION_NAME];
	size_t len;

	if (linux_memory_string(&to->modules->inside.memory, name_va, name, sizeof(name))) {
		to->modules->met.nr_unreadable++;
		return 0;
	}
	len = strlen(name) + 1;
	if (module->info.nr_sections == to->room) {
		size_t room = to->room ? 2 * to->room : 64;
		struct pgw_module_section *grown =
			realloc(module->sections, room * sizeof(*grown));

		if (!grown)
			return -PGW_ENOMEM;
		module->sections = grown;
		to->room = room;
	}
	if (to->names_size + len > to->names_room) {
		size_t room = 2 * to->names_room + sizeof(name);
		char *grown = realloc(module->section_names, room);

		if (!grown)
			return -PGW_ENOMEM;
		module->section_names = grown;
		to->names_room = room;
	}
	memcpy(module->section_names + to->names_size, name, len);
	to->names_size += len;
	module->sections[module->info.nr_sections++].va = va;
	return 0;
}

/* Since 6.14: pointers to struct bin_attribute, ended by 0. */
static int section_pointers(struct sections *to, uint64_t attrs)
{
	struct pgw_modules *modules = to->modules;
	const struct module_places *at = &modules->places;
	uint64_t list, attribute, name, va;
	int err = 0;

	if (!number(modules, attrs, &at->sections.list, &list)) {
		modules->met.nr_unreadable++;
		return 0;
	}
	for (unsigned i = 0; i < MAX_SECTIONS && !err; i++) {
		if (linux_memory_word(&modules->inside.memory, list + UINT64_C(8) * i,
				      &attribute) ||
		    (attribute && (!number(modules, attribute, &at->sections.bin_name, &name) ||
				   !number(modules, attribute, &at->sections.bin_va, &va)))) {
			modules->met.nr_unreadable++;
			return 0;
		}
		if (!attribute)
			return 0;
		err = section_add(to, va, name);
	}
	modules->met.truncated |= !err;
	return err;
}

/* To 6.13: an array of struct module_sect_attr. */
static int section_array(struct sections *to, uint64_t attrs)
{
	struct pgw_modules *modules = to->modules;
	const struct module_places *at = &modules->places;
	uint64_t nr, name, va;
	int err = 0;

	if (!number(modules, attrs, &at->sections.nr, &nr)) {
		modules->met.nr_unreadable++;
		return 0;
	}
	modules->met.truncated |= nr > MAX_SECTIONS;
	for (uint64_t i = 0; i < nr && i < MAX_SECTIONS && !err; i++) {
		uint64_t one = attrs + at->sections.attrs.offset + i * at->sections.attr.size;

		if (!number(modules, one, &at->sections.name, &name) ||
		    !number(modules, one, &at->sections.va, &va)) {
			modules->met.nr_unreadable++;
			return 0;
		}
		err = section_add(to, va, name);
	}
	return err;
}

static int sections_read(struct pgw_modules *modules, struct module *module)
{
	struct sections to = { .modules = modules, .module = module };
	const struct module_places *at = &modules->places;
	const char *name;
	uint64_t attrs;
	int err;

	if (!at->module.sect_attrs.is_there ||
	    !number(modules, module->info.va, &at->module.sect_attrs, &attrs) || !attrs)
		return 0;
	err = at->sections.nr.is_there ? section_array(&to, attrs) : section_pointers(&to, attrs);
	/* Names do not move any more. */
	name = module->section_names;
	for (size_t i = 0; i < module->info.nr_sections; i++) {
		module->sections[i].name = name;
		name += strlen(name) + 1;
	}
	module->info.sections = module->sections;
	return err;
}

/* ---- all of it ---- */

static void use_read(struct pgw_modules *modules, struct module *module)
{
	const struct module_places *at = &modules->places;
	uint64_t refcnt;

	/* The kernel's own count begins with one (MODULE_REF_BASE). */
	if (number(modules, module->info.va, &at->module.refcnt, &refcnt))
		module->info.refcount = (int64_t)(int32_t)(uint32_t)refcnt - 1;
	if (at->module.source_list.is_there)
		module->source_list = module->info.va + at->module.source_list.offset;
}

int module_read(struct pgw_modules *modules, uint64_t va, struct module *ret)
{
	const struct module_places *at = &modules->places;
	struct pgw_module *info = &ret->info;
	int err;

	*ret = (struct module){ .info.va = va };
	if (linux_memory_string(&modules->inside.memory, va + at->module.name.offset, info->name,
				sizeof(info->name))) {
		info->name[0] = '\0';
		modules->met.nr_unreadable++;
	}
	info->name[sizeof(info->name) - 1] = '\0';
	if (!(at->module.mem.is_there ? memories_read(modules, info) : layout_read(modules, info)))
		modules->met.nr_unreadable++;
	use_read(modules, ret);
	err = sections_read(modules, ret);
	return err ? err : module_symbols_read(modules, ret);
}

void module_fini(struct module *module)
{
	free(module->sections);
	free(module->symbols);
	free((void *)module->by_va);
	free((void *)module->users);
	free(module->section_names);
	free(module->symbol_names);
}
