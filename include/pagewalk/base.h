/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_BASE_H
#define PAGEWALK_BASE_H

/**
 * @file
 * What every part of the interface shares: error numbers, kinds of entry,
 * rights, halves of the address space, roots.
 *
 * Conventions, everywhere but in the walk_* entry points of walk.h:
 * - Functions return 0 or a negative enum pgw_status. "Not mapped" is an
 *   answer (a kind), never an error.
 * - Ranges are inclusive and named first/last. Sizes are bytes; a suffix _lg2
 *   is the base-two logarithm of a size.
 * - Level 0 is the table of smallest leaves, whatever an architecture calls it.
 * - An output parameter is named ret and is written only on success, unless
 *   its comment says otherwise.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PGW_API __attribute__((visibility("default")))
#else
#define PGW_API
#endif

/** Error numbers, equal to Linux's. Functions return them negated. */
enum pgw_status {
	PGW_OK = 0,
	PGW_EPERM = 1,   /**< a locking rule was broken and the handler returned */
	PGW_ENOENT = 2,  /**< no such file, format, note or root */
	PGW_EINTR = 4,   /**< whoever asked for it wants no more */
	PGW_EIO = 5,     /**< bytes that should be there cannot be read */
	PGW_E2BIG = 7,   /**< the budget of table visits ran out: the result is cut short */
	PGW_ENOEXEC = 8, /**< not a file of a known kind */
	PGW_ENOMEM = 12,
	PGW_EACCES = 13,     /**< an access to a guarded page */
	PGW_EFAULT = 14,     /**< an access that no VMA allows, or that nothing backs */
	PGW_EBUSY = 16,      /**< a trylock found the lock taken */
	PGW_EEXIST = 17,     /**< something is mapped there already */
	PGW_EINVAL = 22,     /**< an argument is wrong */
	PGW_EDEADLK = 35,    /**< a lock was taken twice by one thread and the handler returned */
	PGW_EOVERFLOW = 75,  /**< a number in a file does not fit where it must */
	PGW_EOPNOTSUPP = 95, /**< understood, but not supported */
};

/** What a slot of a table means to the MMU. */
enum pgw_entry_kind {
	PGW_ENTRY_EMPTY,      /**< all zero */
	PGW_ENTRY_ABSENT,     /**< not valid, but not zero: the OS keeps something there */
	PGW_ENTRY_TABLE,      /**< points to a table of the next lower level */
	PGW_ENTRY_LEAF,       /**< maps memory */
	PGW_ENTRY_MALFORMED,  /**< valid, but reserved bits are set: an access would fault */
	PGW_ENTRY_UNREADABLE, /**< the bytes of the table are not in the image */
	PGW_ENTRY_TORN,       /**< live machines: it changed while it was read, time after time */
	PGW_ENTRY_NONCANONICAL, /**< translations only: no region has the address, no entry was read */
	_PGW_ENTRY_MAX,
};

/**
 * Effective rights: what kernel code and user code may do, all levels and
 * control bits combined. Run-time toggles (x86 AC with SMAP, PKRU; arm64 PAN;
 * riscv SUM, MXR) count as permissive; fixed rules (SMEP) always apply.
 */
enum pgw_right {
	PGW_KERNEL_R = 1 << 0,
	PGW_KERNEL_W = 1 << 1,
	PGW_KERNEL_X = 1 << 2,
	PGW_USER_R = 1 << 3,
	PGW_USER_W = 1 << 4,
	PGW_USER_X = 1 << 5,
	_PGW_RIGHT_ALL = 0x3f,
};

/**
 * Whose tables a region's are. It says which locking rule a walk of them obeys
 * (docs/locking.md), and who are the actors of enum pgw_right.
 */
enum pgw_region_kind {
	PGW_REGION_USER,   /**< of processes: they come and go with VMAs */
	PGW_REGION_KERNEL, /**< of the kernel: normally never freed */
	PGW_REGION_FOREIGN, /**< of an owner whose lock cannot be seen: a hypervisor, an IOMMU's driver */
	_PGW_REGION_MAX,
};

/** The top table of a tree. */
struct pgw_root {
	uint64_t pa; /**< physical address, aligned as the format wants, no flag bits */
	/**
	 * Items that the table has, from the first on, where the register says so (the table length of
	 * s390x's ASCE); 0 = as many as the format's. Only of a root whose region begins at its first item.
	 */
	uint32_t nr_items;
};

/** The deepest tree of any format: levels 5 (top) to 0. */
#define PGW_MAX_LEVELS 6

/** Detail about a failure. Plain data; nothing to free. */
struct pgw_error {
	int status;      /**< negative enum pgw_status, as returned */
	int os_errno;    /**< errno of the system call that failed, or 0 */
	bool has_offset; /**< offset is meaningful */
	bool has_found;  /**< found is meaningful */
	uint64_t offset; /**< byte offset in the file */
	uint64_t found;  /**< the value that was there */
	/**
	 * What is there, if it is known and cannot be read: "a LiME dump"; expected
	 * then says what can be done instead. A static string, or NULL.
	 */
	const char *kind;
	const char *expected; /**< what should have been there; static string, or NULL */
	const char *file;     /**< which one of several files; the caller's string, or NULL */
};

/**
 * The name of a status, e.g. "no such file or entry"; a static string.
 * @param status negative or positive enum pgw_status
 */
PGW_API const char *pgw_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif
