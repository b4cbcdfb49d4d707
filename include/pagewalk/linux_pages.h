/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_LINUX_PAGES_H
#define PAGEWALK_LINUX_PAGES_H

/**
 * @file
 * What a Linux in an image keeps of each frame of memory: its struct page. Hosted only.
 *
 * Where it is for a frame is read from the kernel's sections (mem_section), so that nothing need be
 * known of the architecture; its members, the names of flags and types are those of the kernel's
 * BTF. Not for several threads at once.
 */

#include <pagewalk/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a page's memory is of. */
enum pgw_page_mapping {
	PGW_PAGE_NONE,    /**< none that is told: free, or the kernel's */
	PGW_PAGE_FILE,    /**< of a file, or of shared memory */
	PGW_PAGE_ANON,    /**< of a process alone */
	PGW_PAGE_KSM,     /**< of several that were found to be equal */
	PGW_PAGE_MOVABLE, /**< of a driver that can move it */
	_PGW_PAGE_MAPPING_MAX,
};

/** A frame's struct page. */
struct pgw_page {
	uint64_t pa; /**< of the frame */
	uint64_t va; /**< of its struct page */
	uint64_t
		flags; /**< the kernel's word: pgw_page_flag() names bits; zone and node are in it */
	int32_t refcount; /**< of a tail 0 */
	int32_t mapcount; /**< how often it is mapped, as the kernel counts; 0 if it has a type */
	/**
	 * What it is used for, as the kernel marks it: "buddy" (free), "table" (a page table),
	 * "slab", "hugetlb", "offline", "guard", ...; NULL: it has no mark. A page table may have
	 * none: to 6.1 those of processes alone have it, and none that were made at boot. Valid as
	 * long as pages are.
	 */
	const char *type;
	bool is_head;     /**< the first of a compound page */
	bool is_tail;     /**< another one of it */
	uint64_t head_pa; /**< of the compound page, or pa */
	enum pgw_page_mapping mapping;
	uint64_t mapping_va; /**< of its struct address_space, struct anon_vma, ...; 0: none */
};

struct pgw_pages;

/**
 * @param image must stay until pgw_pages_close()
 * @param ret   to be closed with pgw_pages_close()
 * @param err   what is missing; may be NULL
 * @return 0; -PGW_ENOENT: no kernel's root, no symbols, no BTF, no member in it that is needed, no
 *         mem_section in VMCOREINFO (it is looked for in all memory) or among the symbols;
 *         -PGW_ENOEXEC: its BTF does not hold together; -PGW_EIO; -PGW_ENOMEM
 */
PGW_API int pgw_pages_open(struct pgw_image *image, struct pgw_pages **ret, struct pgw_error *err);

/** NULL is fine. */
PGW_API void pgw_pages_close(struct pgw_pages *pages);

/** Bytes of a frame. */
PGW_API uint64_t pgw_pages_size(const struct pgw_pages *pages);

/**
 * The page of the frame that holds a physical address.
 * @return 0; -PGW_ENOENT: the kernel has none for it; -PGW_EIO: it is not in the image
 */
PGW_API int pgw_page_get(struct pgw_pages *pages, uint64_t pa, struct pgw_page *ret);

/** The name of a bit of pgw_page.flags, as "dirty". @return NULL: it has none */
PGW_API const char *pgw_page_flag(const struct pgw_pages *pages, unsigned bit);

#ifdef __cplusplus
}
#endif

#endif
