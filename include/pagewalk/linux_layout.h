/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_LINUX_LAYOUT_H
#define PAGEWALK_LINUX_LAYOUT_H

/**
 * @file
 * What Linux uses the addresses of its half for: the direct map, vmalloc areas and who asked for
 * them, modules, the kernel's own image, and so on. Hosted only.
 *
 * All is read from the image, or is what Linux documents for the architecture; each range says
 * which. Ranges lie in each other, as a module's text in "modules"; some overlap at their ends. Constant once it
 * is there: any threads may read it.
 */

#include <pagewalk/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/** From where a range is known. */
enum pgw_layout_source {
	PGW_LAYOUT_DOCUMENTED, /**< from Linux's documents and headers; the same in all kernels */
	PGW_LAYOUT_VMCOREINFO, /**< from the kernel's VMCOREINFO */
	PGW_LAYOUT_SYMBOLS,    /**< from where its symbols are, and what its variables hold */
	PGW_LAYOUT_VMALLOC,    /**< from its list of vmalloc areas */
	PGW_LAYOUT_MODULES,    /**< from its list of modules */
	_PGW_LAYOUT_SOURCE_MAX,
};

/** Addresses that have a use. */
struct pgw_layout_range {
	uint64_t first;
	uint64_t last; /**< inclusive */
	/**
	 * One of: "direct-map", "vmalloc", "vmemmap", "modules", "kernel-map" (where the kernel's
	 * image can be), "kernel" (its image), and in that "text", "rodata", "data", "bss", "init",
	 * "brk"; "vmalloc-area" and "ioremap" (areas in use), "bpf" (such that BPF asked for),
	 * "lazy" (one that is unmapped and not yet used again), "module" (a part or a section of
	 * one); "percpu", "fixmap", "kasan", "espfix", "cpu-entry-area", "efi", "ldt", "hypervisor",
	 * "vsyscall". A static string.
	 */
	const char *name;
	const char *detail; /**< which one: "dummy .text", "load_module+0x1d", "cpu1"; "" = none */
	enum pgw_layout_source source;
	unsigned depth; /**< in how many others it lies */
};

/** What was met when it was read. What should not be there is a finding. */
struct pgw_layout_met {
	uint64_t nr_torn;       /**< areas and links that do not hold together */
	uint64_t nr_unreadable; /**< areas, or lists of them, that are not in the image */
	bool truncated;         /**< more areas than are looked at */
	/** What could not be had and why, as a static string each; NULL: it could. */
	const char *no_vmalloc;
	const char *no_modules;
	const char *no_symbols;
};

struct pgw_layout;

/**
 * Read it, as far as the image tells it: without symbols or BTF there are fewer ranges, see
 * pgw_layout_get_met().
 * @param image must stay until pgw_layout_close()
 * @param ret   to be closed with pgw_layout_close()
 * @return 0; -PGW_ENOENT: no kernel's root, or nothing is known of its architecture; -PGW_ENOMEM
 */
PGW_API int pgw_layout_open(struct pgw_image *image, struct pgw_layout **ret,
			    struct pgw_error *err);

/** NULL is fine. */
PGW_API void pgw_layout_close(struct pgw_layout *layout);

/** All ranges: ascending by first; of those that begin alike the one that holds the other first. */
PGW_API const struct pgw_layout_range *pgw_layout_list(const struct pgw_layout *layout,
						       size_t *ret_nr);

PGW_API const struct pgw_layout_met *pgw_layout_get_met(const struct pgw_layout *layout);

/** The innermost range that has an address. @return NULL: none has */
PGW_API const struct pgw_layout_range *pgw_layout_at(const struct pgw_layout *layout, uint64_t va);

/** The range that holds another one and is the innermost that does. @return NULL: none does */
PGW_API const struct pgw_layout_range *pgw_layout_outer(const struct pgw_layout *layout,
							const struct pgw_layout_range *range);

#ifdef __cplusplus
}
#endif

#endif
