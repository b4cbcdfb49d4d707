/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_PROCESS_H
#define PAGEWALK_PROCESS_H

/**
 * @file
 * Processes of this machine, by what Linux says of them in /proc: their areas (proc_pid_maps(5)), and
 * of each page what it is (proc_pid_pagemap(5), PAGEMAP_SCAN). Their page tables themselves cannot be
 * seen. A process that runs changes meanwhile: each page is as it was at some moment.
 *
 * A struct pgw_process is for one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_process;

/**
 * @param pid its number; 0: this process
 * @return 0, -PGW_ENOENT (there is none), -PGW_EACCES (it is another user's, or may not be looked at), -PGW_EIO,
 *         -PGW_ENOMEM
 */
PGW_API int pgw_process_open(uint32_t pid, struct pgw_process **ret);
/** NULL is fine. */
PGW_API void pgw_process_close(struct pgw_process *process);

/** What may be known, by who asks and which kernel this is. */
struct pgw_process_access {
	bool has_frames; /**< frames of pages: CAP_SYS_ADMIN */
	bool has_scan;   /**< PAGEMAP_SCAN, which tells huge pages and the zero page: Linux 6.7 */
	bool has_counts; /**< pgw_process_frame(): CAP_SYS_ADMIN, and files that only root reads */
	bool has_swap;   /**< something may be in swap: there is a swap device */
};

PGW_API struct pgw_process_access pgw_process_get_access(const struct pgw_process *process);

/** An area, as /proc/PID/maps has it. */
struct pgw_process_area {
	uint64_t first, last;
	char rights[5];   /**< "rw-p": p = private, s = shared */
	const char *name; /**< a file, [heap], or empty; the process's */
};

/** What a page of an area is. */
enum pgw_process_page_kind {
	PGW_PROCESS_PAGE_NONE, /**< nothing is there: untouched; or shared and in swap, which does not show */
	PGW_PROCESS_PAGE_PRESENT, /**< also if its area, or mprotect(), allows no access any more */
	PGW_PROCESS_PAGE_ZERO,    /**< present: the page of zeroes, or the huge one */
	PGW_PROCESS_PAGE_SWAP,    /**< in swap */
	/** In swap, or what Linux keeps in its place: who asks may not tell which. */
	PGW_PROCESS_PAGE_SWAP_OR_MARKER,
	PGW_PROCESS_PAGE_GUARD,   /**< MADV_GUARD_INSTALL */
	PGW_PROCESS_PAGE_MARKER,  /**< none: a mark of userfaultfd, or that its contents are lost */
	PGW_PROCESS_PAGE_SPECIAL, /**< not to be reached: poisoned, or being migrated */
	PGW_PROCESS_PAGE_UNKNOWN, /**< the kernel does not say it of this area (vsyscall) */
	_PGW_PROCESS_PAGE_KIND_MAX,
};

/** What else is said of it. */
enum pgw_process_page_flag {
	PGW_PROCESS_PAGE_FILE = 1 << 0,      /**< a file's, or shared memory */
	PGW_PROCESS_PAGE_EXCLUSIVE = 1 << 1, /**< mapped once */
	PGW_PROCESS_PAGE_SOFT_DIRTY =
		1 << 2, /**< written since clear_refs, where the kernel keeps that */
	PGW_PROCESS_PAGE_UFFD_WP = 1 << 3, /**< userfaultfd protects it from being written */
	PGW_PROCESS_PAGE_HUGE =
		1 << 4, /**< mapped by a leaf that is larger than a page; with has_scan */
};

/** Pages in a row of one kind and with the same flags. */
struct pgw_process_pages {
	uint64_t first, last; /**< addresses */
	enum pgw_process_page_kind kind;
	uint32_t flags; /**< enum pgw_process_page_flag */
	uint64_t frame; /**< of the first, if they are asked for one by one; 0: not known */
};

/** Not 0 ends it, which returns the value. */
typedef int pgw_process_pages_fn(const struct pgw_process_area *area,
				 const struct pgw_process_pages *pages, void *arg);

/**
 * All pages of all areas between two addresses, ascending. The areas are those that there are when this
 * begins.
 * @param is_each present pages come one by one, each with its frame
 * @return 0, fn's value, -PGW_ENOENT (it has ended meanwhile), -PGW_EACCES, -PGW_EIO, -PGW_ENOMEM
 */
PGW_API int pgw_process_pages(struct pgw_process *process, uint64_t first, uint64_t last,
			      bool is_each, pgw_process_pages_fn *fn, void *arg);

/**
 * What the kernel knows of a frame (Documentation/admin-guide/mm/pagemap.rst).
 * @param ret_flags /proc/kpageflags
 * @param ret_count /proc/kpagecount: how often it is mapped
 * @return false if that may not be known
 */
PGW_API bool pgw_process_frame(const struct pgw_process *process, uint64_t frame,
			       uint64_t *ret_flags, uint64_t *ret_count);

#ifdef __cplusplus
}
#endif

#endif
