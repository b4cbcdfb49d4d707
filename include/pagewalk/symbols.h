/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_SYMBOLS_H
#define PAGEWALK_SYMBOLS_H

/**
 * @file
 * Names of addresses: those that a Linux kernel keeps of itself (kallsyms), or that a file has
 * (pgw_image_options.symbols). Hosted only.
 *
 * Names are constant once they are there: any threads may read them.
 */

#include <pagewalk/image.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_symbols;

/** How the names were found. */
enum pgw_symbols_source {
	PGW_SYMBOLS_VMCOREINFO, /**< its kallsyms, whose tables VMCOREINFO names (Linux since 6.0) */
	PGW_SYMBOLS_MEMORY,     /**< its kallsyms, found in its memory by what they look like */
	PGW_SYMBOLS_SYSTEM_MAP, /**< a file of text, as System.map */
	PGW_SYMBOLS_ELF,        /**< the table of symbols of an ELF file, as vmlinux */
	_PGW_SYMBOLS_SOURCE_MAX,
};

/** How kallsyms keep addresses. Which it is was proved by symbols whose address is known. */
enum pgw_symbols_layout {
	PGW_SYMBOLS_LAYOUT_NONE,    /**< none was proved, or they are from a file */
	PGW_SYMBOLS_ABSOLUTE,       /**< as they are */
	PGW_SYMBOLS_BASE_RELATIVE,  /**< by their distance from a base */
	PGW_SYMBOLS_BASE_PERCPU,    /**< the same, but per-CPU variables by their offset */
	PGW_SYMBOLS_PLACE_RELATIVE, /**< by their distance from where the distance is (Linux 7) */
	_PGW_SYMBOLS_LAYOUT_MAX,
};

/** What is known of the names as a whole. */
struct pgw_symbols_info {
	enum pgw_symbols_source source;
	enum pgw_symbols_layout layout;
	uint64_t table_va; /**< where the coded names are; 0: they are from a file */
	/** Of a file: what was added to its addresses, modulo 2^64, as the kernel runs elsewhere. */
	uint64_t slide;
	size_t nr_symbols;
	bool lacks_data; /**< they are of functions alone (CONFIG_KALLSYMS_ALL is off) */
	/**
	 * Of functions alone: how many names of data the kernel's table of exports has besides.
	 * pgw_symbols_find() knows them; pgw_symbols_at() does not, as most data has no name there.
	 */
	size_t nr_exported;
};

/** A name and its address. */
struct pgw_symbol {
	uint64_t va;
	const char *name; /**< valid as long as the names are */
	char letter;      /**< as /proc/kallsyms has it: 'T', 'd', ... */
	/** va is an offset in a CPU's area, and no address: pgw_symbols_percpu() has that. */
	bool is_offset;
};

/**
 * The names of the kernel that is meant (pgw_image_options.kernel). Looked for on the first call,
 * which must not be made from two threads at once. Those of a file have to be where the image says
 * that some are, all moved by the same distance.
 *
 * @param ret the image's
 * @param err what was looked for; may be NULL
 * @return 0, -PGW_ENOENT (no Linux kernel, none of its names, or none that prove themselves),
 *         -PGW_EIO (they are not in the image, or the file cannot be read), -PGW_ENOEXEC (the file
 *         has no names, or those of another kernel), -PGW_EOPNOTSUPP (an ELF file, and libelf is not
 *         there), -PGW_ENOMEM
 */
PGW_API int pgw_image_symbols(struct pgw_image *image, const struct pgw_symbols **ret,
			      struct pgw_error *err);

/**
 * Where the kernel that is meant maps an address of its own, by its root.
 * @param ret_pa physical
 * @return 0, -PGW_ENOENT (it does not, or its tables are not in the image); as
 *         pgw_image_kernel_root()
 */
PGW_API int pgw_image_kernel_pa(struct pgw_image *image, uint64_t va, uint64_t *ret_pa);

PGW_API const struct pgw_symbols_info *pgw_symbols_get_info(const struct pgw_symbols *symbols);

/** The symbol number index, in the order of /proc/kallsyms. @return false behind the last */
PGW_API bool pgw_symbols_get(const struct pgw_symbols *symbols, size_t index,
			     struct pgw_symbol *ret);

/**
 * By name. Of several symbols with a name the first is taken, in the order of /proc/kallsyms.
 * @return false if there is none
 */
PGW_API bool pgw_symbols_find(const struct pgw_symbols *symbols, const char *name,
			      struct pgw_symbol *ret);

/**
 * The symbol that an address belongs to: the last one that does not lie above it. Of several at
 * the same address it is the first, as in Linux; but one that others can use (an upper case
 * letter) is taken before one that they cannot, and a local label ("$x", ".L0 ") last.
 *
 * @param ret_offset of the address from the symbol's
 * @return false if the address is outside of the kernel's image
 */
PGW_API bool pgw_symbols_at(const struct pgw_symbols *symbols, uint64_t va, struct pgw_symbol *ret,
			    uint64_t *ret_offset);

/**
 * Where a CPU has its own copy of a per-CPU variable.
 * @param image whose names these are
 * @return 0, -PGW_EINVAL (the symbol is no per-CPU variable), -PGW_ENOENT (there is no such CPU, or
 *         nothing says where its area is), -PGW_EIO
 */
PGW_API int pgw_symbols_percpu(struct pgw_image *image, const struct pgw_symbol *symbol,
			       unsigned cpu, uint64_t *ret_va);

#ifdef __cplusplus
}
#endif

#endif
