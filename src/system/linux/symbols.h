/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_LINUX_SYMBOLS_H
#define SYSTEM_LINUX_SYMBOLS_H

/*
 * Names of a Linux kernel's addresses. pagewalk/symbols.h has what others ask:
 * pgw_image_symbols(), pgw_symbols_find(), pgw_symbols_at(). Here is how they are made.
 */

#include <pagewalk/symbols.h>

#include "system/linux/kernel_memory.h"

/* Bounds on what memory, or a file, can make us do. */
#define LINUX_SYMBOLS_MAX (UINT32_C(1) << 22)      /* symbols; kernels have 0.2 million */
#define LINUX_SYMBOL_NAME_MAX 1024                 /* of one name: Linux has 512 */
#define LINUX_SYMBOL_BYTES_MAX (UINT32_C(1) << 28) /* of all names */
#define LINUX_NAME_BYTES_MAX (UINT32_C(1) << 26)   /* of coded names */

struct linux_symbol {
	uint64_t va;
	uint32_t name; /* in names */
	char letter;
	bool is_offset;
};

/** Symbols of per-CPU variables: found once, as a search may be long in a list that is made for it. */
enum linux_percpu {
	LINUX_PERCPU_START,
	LINUX_PERCPU_END,
	LINUX_PERCPU_OFFSET, /* an array */
	LINUX_PERCPU_LOAD,
	LINUX_PERCPU_NR_CPUS,
	_LINUX_PERCPU_MAX,
};

struct pgw_symbols {
	struct pgw_symbols_info info;
	struct linux_symbol *list; /* as /proc/kallsyms has them; then info.nr_exported others */
	size_t nr, room;
	char *names; /* each ended by NUL; the first is empty */
	size_t names_size, names_room;
	uint64_t image_first, image_last; /* the kernel's image, inclusive */
	uint32_t *by_va;                  /* what is an address, ascending; equal ones as in list */
	size_t nr_by_va;
	uint32_t *by_name; /* a hash table of index + 1 */
	unsigned by_name_lg2;
	uint64_t percpu[_LINUX_PERCPU_MAX]; /* 0: it is not there */
	bool has_percpu[_LINUX_PERCPU_MAX];
};

/* symbols.c: a list of names */

struct pgw_symbols *linux_symbols_new(void);
void linux_symbols_free(struct pgw_symbols *symbols);
/** @return 0, -PGW_EOVERFLOW (too many bytes), -PGW_ENOMEM */
int linux_symbols_add_name(struct pgw_symbols *symbols, const char *name, size_t len,
			   uint32_t *ret);
/** @return 0, -PGW_EOVERFLOW (too many), -PGW_ENOMEM */
int linux_symbols_add(struct pgw_symbols *symbols, const struct linux_symbol *symbol);
/** After the last one was added: what finds them. @return 0 or -PGW_ENOMEM */
int linux_symbols_finish(struct pgw_symbols *symbols);

/* kallsyms.c: the kernel's own */

/** Where its tables are; 0 = there is none. */
struct linux_kallsyms {
	uint64_t num_syms;
	uint64_t names;
	uint64_t token_table;
	uint64_t token_index;
	uint64_t offsets; /* of 4 bytes */
	uint64_t relative_base;
	uint64_t addresses; /* of 8 bytes */
};

/** What is known beside them, to prove how they are laid out. */
struct linux_known {
	const struct pgw_vmcoreinfo *vmcoreinfo; /* or NULL */
	uint64_t swapper_va;
};

/**
 * Read them.
 * @param symbols empty
 * @return 0, -PGW_ENOENT: what is there holds no names, or no layout, or more than one, puts what
 *         is known where it is; -PGW_EIO: not all of it is there; -PGW_ENOMEM
 */
int linux_kallsyms_read(struct linux_memory *mem, const struct linux_kallsyms *tables,
			const struct linux_known *known, struct pgw_symbols *symbols,
			struct pgw_error *err);

/** A symbol whose address is known without names. */
struct linux_known_symbol {
	const char *name;
	uint64_t va;
	bool is_weak; /* the name may be of another address */
};

#define LINUX_KNOWN_MAX 16

/** @param ret LINUX_KNOWN_MAX of them @return how many there are */
unsigned linux_known_symbols(const struct linux_known *known, struct linux_known_symbol *ret);

/* symbols_file.c */

/**
 * The names that a file has, where the kernel in the image has them.
 * @param symbols empty
 * @return as pgw_image_symbols()
 */
int linux_symbols_of_file(struct linux_memory *mem, const char *path,
			  const struct linux_known *known, struct pgw_symbols *symbols,
			  struct pgw_error *err);

/* symbols_elf.c */

/** All of an ELF file's symbols, as they are there. @return as pgw_image_symbols() */
int linux_symbols_of_elf(int fd, struct pgw_symbols *symbols, struct pgw_error *err);

/* kallsyms_find.c */

/** Where VMCOREINFO has them. @return false: it does not say */
bool linux_kallsyms_of_text(const struct pgw_vmcoreinfo *info, struct linux_kallsyms *ret);

/**
 * Look for them in memory around an address of the kernel's image.
 * @param fn called for each place where they may be, and each way to read what is there; 0 and what
 *           is negative end the search, but for -PGW_ENOENT and -PGW_EIO: they are not there
 * @return 0, fn's value, -PGW_ENOENT, -PGW_ENOMEM
 */
int linux_kallsyms_search(struct linux_memory *mem, uint64_t va,
			  int (*fn)(const struct linux_kallsyms *tables, void *arg), void *arg);

/* exports.c */

/** The kernel's image and what is behind it; zeroes are where nothing is mapped or readable. */
struct linux_image_copy {
	uint64_t va;
	size_t size;
	uint8_t *bytes; /* one more than size, and it is 0 */
};

/** @return 0, -PGW_ENOENT: the symbols do not say where it is; -PGW_ENOMEM; to be freed in any case */
int linux_image_read(struct linux_memory *mem, const struct pgw_symbols *symbols,
		     struct linux_image_copy *ret);
void linux_image_free(struct linux_image_copy *copy);

/**
 * Add names of what the kernel exports and has no name for: its variables, if kallsyms have
 * functions alone. Pre: linux_symbols_finish(), which has to be called again.
 * @return 0, -PGW_ENOENT: no such table was found; -PGW_EOVERFLOW, -PGW_ENOMEM
 */
int linux_exports_add(struct linux_memory *mem, struct pgw_symbols *symbols);

/* percpu.c */

/** Is it a per-CPU variable of the kernel's own? */
bool linux_symbol_is_percpu(const struct pgw_symbols *symbols, const struct pgw_symbol *symbol);
/**
 * What is added to a per-CPU variable's address for a CPU, modulo 2^64.
 * @return 0, -PGW_ENOENT (no such CPU; no __per_cpu_offset), -PGW_EIO
 */
int linux_percpu_offset(struct linux_memory *mem, const struct pgw_symbols *symbols, unsigned cpu,
			uint64_t *ret);

#endif
