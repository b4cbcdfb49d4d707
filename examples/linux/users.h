/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EXAMPLES_LINUX_USERS_H
#define EXAMPLES_LINUX_USERS_H

/*
 * Six uses of the walker as Linux has them, written with Linux's names. Each is a file of its
 * own, knows nothing of who made the tables, and goes by the format of init_mm.
 *
 * Functions return 0 or a negative enum pgw_status.
 */

#include <pagewalk/pagewalk.h>

#include <pagewalk/linux.h>

/* ---- smaps_walk.c: what a VMA has in memory, as /proc/PID/smaps ---- */

/** Bytes. Which pages others map too is for the owner of the frames to know, so there is no Pss. */
struct smaps {
	unsigned long rss, referenced, dirty;
	unsigned long huge; /**< of rss: in leaves above the lowest level */
	unsigned long swap; /**< pages of which an entry that is not valid says something */
};

/** Locking: the VMA's mmap lock, in any mode. */
int smaps_vma(struct vm_area_struct *vma, struct smaps *ret);

/* ---- ptdump_walk.c: all tables as series of equal level and rights, as the kernel's ptdump ---- */

/** A name for the addresses from start on. An array of them is ascending and ends with NULL. */
struct ptdump_marker {
	unsigned long start;
	const char *name;
};

struct ptdump_series {
	unsigned long first, last; /**< inclusive */
	int level;                 /**< PGW_LINUX_PTE and so on */
	unsigned rights;           /**< enum pgw_right, effective ones */
	const char *marker;        /**< of first; NULL before the first marker */
};

struct ptdump {
	const struct ptdump_marker *markers; /**< or NULL */
	void (*show)(const struct ptdump_series *series, void *arg);
	void *arg;
	unsigned long nr_wx; /**< out: pages that one and the same actor may write and execute */
};

/** Show what is mapped from first to last, an address of a user mm or of its kernel mm. */
int ptdump_walk(struct mm_struct *mm, unsigned long first, unsigned long last,
		struct ptdump *ptdump);
/** Locking: the mm's mmap lock for write, and its kernel mm's. */
int ptdump_walk_locked(struct mm_struct *mm, unsigned long first, unsigned long last,
		       struct ptdump *ptdump) PGW_REQUIRES(mm, pgw_mm_kernel_mm(mm));

/* ---- pagemap_scan.c: ranges of pages of some kind, as the PAGEMAP_SCAN ioctl ---- */

enum scan_category {
	SCAN_PRESENT = 1 << 0,
	SCAN_HUGE = 1 << 1,
	SCAN_WRITABLE =
		1 << 2, /**< by its entry: a clean page may be read-only until it is written to */
	SCAN_YOUNG = 1 << 3,
	SCAN_DIRTY = 1 << 4,
	SCAN_SWAPPED = 1 << 5,
	SCAN_HOLE = 1 << 6, /**< in a VMA, and nothing is there */
	SCAN_GAP = 1 << 7,  /**< no VMA */
};

struct scan_range {
	unsigned long start, end;
	unsigned categories;
};

struct pagemap_scan {
	unsigned long start, end;
	unsigned all;  /**< of these categories a page has to have each */
	unsigned any;  /**< ... and of these at least one; 0: it may have none */
	unsigned show; /**< what is told of it; pages that do not differ in these are one range */
	unsigned long max_pages; /**< 0 = no limit */
	struct scan_range *ranges;
	size_t max_ranges;

	size_t nr_ranges;       /**< out */
	unsigned long nr_pages; /**< out: in the ranges */
	unsigned long walk_end; /**< out: where to go on; end if nothing is left */
};

/** Takes the mmap lock for read. */
int pagemap_scan(struct mm_struct *mm, struct pagemap_scan *scan);

/* ---- mincore_walk.c: which pages are in memory, a byte a page ---- */

/**
 * @param vec a byte for each page of the range, which gets 0 or 1
 * Locking: the VMA's own, for read or for write; not the mmap lock.
 */
int mincore_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end,
		unsigned char *vec);

/* ---- damon_walk.c: how often parts of an address space are used, as DAMON ---- */

struct damon_region {
	unsigned long start, end;    /**< aligned to pages */
	unsigned long sampling_addr; /**< the page that stands for the region this time */
	unsigned nr_accesses;        /**< samples that were found used */
};

struct damon {
	struct mm_struct *mm;
	struct damon_region *regions; /**< ascending */
	size_t nr_regions;
	uint64_t random; /**< any value but 0 */
};

/** Choose a page of each region and clear its accessed bit. Takes the mmap lock for read. */
int damon_prepare(struct damon *damon);
/** Count those that were used since. Takes the mmap lock for read. */
int damon_check(struct damon *damon);
/** Join neighbours that differ by no more than threshold accesses. */
void damon_merge(struct damon *damon, unsigned threshold);

/* ---- ksm_walk.c: pages of equal contents, as KSM ---- */

/** What the owner of the VMAs and frames knows. */
struct ksm_owner {
	bool (*is_mergeable)(const struct vm_area_struct *vma);
	/** The bytes of a frame, which stays until put_page(). May be called with a table's lock held. */
	const void *(*get_page)(unsigned long pfn, void *ctx);
	void (*put_page)(unsigned long pfn, void *ctx);
	void *ctx;
};

/** Two pages that are equal: the lowest one of its kind, and another. */
struct ksm_pair {
	unsigned long addr, other;
};

/**
 * Takes the mmap lock for read.
 * @param ret_pairs to be freed with free(), ascending by the other
 */
int ksm_scan(struct mm_struct *mm, const struct ksm_owner *owner, struct ksm_pair **ret_pairs,
	     size_t *ret_nr);

#endif
