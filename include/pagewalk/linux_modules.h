/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_LINUX_MODULES_H
#define PAGEWALK_LINUX_MODULES_H

/**
 * @file
 * The modules that a Linux in an image has loaded, as the kernel itself keeps them: where they
 * are, their sections and the names of their addresses. Hosted only.
 *
 * Where members of the kernel's structs are is known from the BTF that it holds of itself, where
 * its list of modules is from its symbols. Lists and lengths are as hostile as all of an image:
 * each is bounded, and what does not hold together is counted. Constant once they are there: any
 * threads may read them.
 */

#include <pagewalk/symbols.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PGW_MODULE_NAME 64 /**< bytes of a module's name, with its NUL */

/** What a part of a module's memory holds. */
enum pgw_module_part_kind {
	PGW_MODULE_TEXT,
	PGW_MODULE_DATA,
	PGW_MODULE_RODATA,
	PGW_MODULE_RO_AFTER_INIT, /**< written until the module has been initialised */
	PGW_MODULE_INIT,          /**< freed when it has been */
	_PGW_MODULE_PART_MAX,
};

/** A range of a module's memory. */
struct pgw_module_part {
	uint64_t first;
	uint64_t last; /**< inclusive */
	enum pgw_module_part_kind kind;
};

/** A section, as /sys/module/NAME/sections has it. Those that were freed are still there. */
struct pgw_module_section {
	uint64_t va;
	const char *name; /**< any bytes */
};

#define PGW_MODULE_PARTS 8

struct pgw_module {
	uint64_t va; /**< of the kernel's struct module */
	char name[PGW_MODULE_NAME];
	uint64_t base;    /**< as /proc/modules has it */
	uint64_t size;    /**< bytes, as /proc/modules has them */
	int64_t refcount; /**< as /proc/modules has it; -1: it is being unloaded */
	struct pgw_module_part parts[PGW_MODULE_PARTS];
	unsigned nr_parts;
	const struct pgw_module_section *sections; /**< in the kernel's order */
	size_t nr_sections;
	const struct pgw_symbol *symbols; /**< as /proc/kallsyms has them */
	size_t nr_symbols;
	const struct pgw_module *const *users; /**< modules that use it, in the kernel's order */
	size_t nr_users;
};

/** What was met when modules were looked for. What should not be there is a finding. */
struct pgw_modules_met {
	uint64_t nr_torn;       /**< links, tables and lengths that do not hold together */
	uint64_t nr_unreadable; /**< modules, or parts of what they lead to, that are not in the image */
	bool truncated;         /**< more modules, sections or symbols than are looked at */
};

struct pgw_modules;

/**
 * Find them.
 * @param image must stay until pgw_modules_close()
 * @param ret   to be closed with pgw_modules_close()
 * @param err   what is missing; may be NULL
 * @return 0; -PGW_ENOENT: no kernel's root, no symbols, no symbol "modules", no BTF, or a member in
 *         it that is needed; -PGW_ENOEXEC: its BTF does not hold together; -PGW_EIO; -PGW_ENOMEM
 */
PGW_API int pgw_modules_open(struct pgw_image *image, struct pgw_modules **ret,
			     struct pgw_error *err);

/** NULL is fine. */
PGW_API void pgw_modules_close(struct pgw_modules *modules);

/** All of them, the last one that was loaded first, as /proc/modules. */
PGW_API const struct pgw_module *pgw_modules_list(const struct pgw_modules *modules,
						  size_t *ret_nr);

PGW_API const struct pgw_modules_met *pgw_modules_get_met(const struct pgw_modules *modules);

/**
 * The module that has an address, and the symbol that the address belongs to: the last one in the
 * same part of the module that does not lie above it; of several, as pgw_symbols_at().
 * @param ret_symbol its name is NULL if the address lies below all symbols of the part
 * @param ret_offset of the address from the symbol's; may be NULL, as ret_symbol
 * @return NULL: no module has it
 */
PGW_API const struct pgw_module *pgw_modules_at(const struct pgw_modules *modules, uint64_t va,
						struct pgw_symbol *ret_symbol,
						uint64_t *ret_offset);

#ifdef __cplusplus
}
#endif

#endif
