/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_MODULES_H
#define SYSTEM_LINUX_MODULES_H

/* Modules: inside of struct pgw_modules. */

#include <pagewalk/linux_modules.h>

#include "system/linux/inside.h"

/** Where what is needed lies in the kernel's structs. */
struct module_places {
	struct {
		struct linux_member list, name, kallsyms, sect_attrs, refcnt, source_list;
		struct linux_member syms, num_syms;
		struct linux_member mem;                       /* since 6.4: of each kind of memory */
		struct linux_member core_base, core_size;      /* to 6.3 */
		struct linux_member core_text, core_ro, core_after_init;
		struct linux_member init_base, init_size;
	} module;
	struct {
		struct linux_member size, base, bytes;
	} memory; /* struct module_memory */
	struct {
		struct linux_member symtab, num_symtab, strtab, typetab;
	} kallsyms;
	struct {
		struct linux_member nr, attrs;        /* to 6.13 */
		struct linux_member attr, name, va;   /* attr: the size of one */
		struct linux_member list;             /* since 6.14: of pointers, ended by 0 */
		struct linux_member bin_name, bin_va; /* of what these lead to */
	} sections;
	struct {
		struct linux_member source_list, source;
	} use;
	struct {
		struct linux_member size, value, name, value_offset, name_offset;
	} symbol; /* struct kernel_symbol */
};

/** A module, and what belongs to it. */
struct module {
	struct pgw_module info;
	struct pgw_module_section *sections;
	struct pgw_symbol *symbols;
	const struct pgw_symbol **by_va; /* the same; of those at one address the one that names it is last */
	const struct pgw_module **users;
	char *section_names; /* each ended by NUL */
	char *symbol_names;
	uint64_t source_list; /* the address of its list */
};

/** Addresses of a module, inclusive. */
struct module_range {
	uint64_t first, last;
	size_t module;
};

struct pgw_modules {
	struct linux_inside inside;
	struct module_places places;
	struct module *list;
	struct pgw_module *infos; /* the same, as others see them */
	size_t nr, size;
	struct module_range *ranges; /* of all, by address */
	size_t nr_ranges;
	uint64_t steps_left;   /* of all lists, that may be looked at */
	uint64_t symbols_left; /* that may be kept, of all modules */
	size_t names_left;     /* bytes of their names */
	struct pgw_modules_met met;
};

/* module_read.c */

/** All of a module but its users. @return 0 or -PGW_ENOMEM; to be freed in any case */
int module_read(struct pgw_modules *modules, uint64_t va, struct module *ret);
void module_fini(struct module *module);

/* module_symbols.c */

/** Names of its addresses, as far as there is room. @return 0 or -PGW_ENOMEM */
int module_symbols_read(struct pgw_modules *modules, struct module *module);

#endif
