/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_PAGE_H
#define TOOL_PAGE_H

/*
 * What `pagewalk report` writes: an image as one page of HTML. Its parts are made first, as the
 * summary at its top counts what is in them.
 */

#include "report/html.h"
#include "target.h"

/** Rows of ranges that a page holds, of all address spaces together. */
#define PAGE_MAX_RANGES (UINT64_C(1) << 21)
/** Rows of a table that are there without its script. */
#define PAGE_SHOWN 40

/** The parts, in the order in which they come. */
enum page_part {
	PAGE_MAP,   /**< address spaces, what the kernel's addresses are for */
	PAGE_SIZES, /**< what maps how much: stats */
	PAGE_AUDIT,
	PAGE_RANGES, /**< dump */
	PAGE_PROCESSES,
	PAGE_DEVICES,
	PAGE_ROOTS,
	PAGE_DATA, /**< what only the script reads */
	_PAGE_PART_MAX,
};

struct page {
	struct target *target;
	const struct options *opts;
	const struct pgw_root_info *roots;
	size_t nr_roots;
	struct pgw_tasks *tasks; /**< NULL: none are known */
	char no_tasks[256];      /**< why */
	struct html part[_PAGE_PART_MAX];
	/** Something could not be looked at, or not all of it; the page says what. */
	bool is_cut;
	/* What the summary counts. */
	uint64_t nr_spaces;
	uint64_t nr_ranges;    /**< as dump counts them, in all spaces */
	uint64_t nr_lines;     /**< rows of them: what repeats is one */
	uint64_t mapped_bytes; /**< by the kernel: of the first space */
	uint64_t nr_tables, table_bytes;
	bool has_stats;
	uint64_t nr_levels[_PGW_AUDIT_LEVEL_MAX]; /**< findings */
	uint64_t nr_unchecked;
	uint64_t nr_processes, nr_threads;
	uint64_t nr_vms, nr_devices;
	bool has_devices; /**< they were looked for */
};

/*
 * Make a part or two each. @return 0, positive if a signal ended it, or negative: the library's; what is missing
 * in the image is no failure.
 */
int page_spaces(struct page *page); /**< PAGE_MAP, PAGE_RANGES */
int page_stats(struct page *page);  /**< PAGE_SIZES, PAGE_ROOTS */
int page_audit(struct page *page);
int page_processes(struct page *page);
int page_devices(struct page *page);

/** Who has a root, for people: "bash (812)"; as the image has it, so not to be trusted. */
void page_owner(const struct page *page, const struct pgw_root_info *root, char *ret, size_t size);
/** A paragraph that says that something is missing, of ours but for the reason. */
void page_note(FILE *to, const char *text, const char *why);

/** The page, whole, from its parts. @param put gets its bytes; @return what put does, if not 0 */
int page_write(const struct page *page, int (*put)(const void *bytes, size_t size, void *arg),
	       void *arg);

#endif
