/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_ANALYSIS_H
#define PAGEWALK_ANALYSIS_H

/**
 * @file
 * Questions asked of whole trees. These functions return data through
 * callbacks and print nothing. Hosted only.
 */

#include <pagewalk/image.h>
#include <pagewalk/scan.h>
#include <pagewalk/walk.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which ranges pgw_dump() reports. All zero: every one. */
struct pgw_dump_filter {
	uint8_t rights_all;  /**< enum pgw_right: leaves that have all of these */
	uint8_t rights_none; /**< and none of these */
	uint8_t levels;      /**< bit n: leaves of level n; 0 = all */
	bool has_pa;         /**< only leaves that map pa_first to pa_last, clipped to it at leaf boundaries */
	uint64_t pa_first;
	uint64_t pa_last;    /**< inclusive */
};

/** How pgw_dump() joins leaves. */
enum pgw_dump_merge {
	PGW_DUMP_RANGES, /**< neighbours whose visible attributes, rights and leaf size are equal */
	PGW_DUMP_RUNS,   /**< runs as pgw_scan() gives them: all leaves' raw entries follow from the first */
};

/** What to dump. */
struct pgw_dump_args {
	struct pgw_mm *mm;
	uint64_t first;
	uint64_t last; /**< inclusive */
	enum pgw_dump_merge merge;
	struct pgw_dump_filter filter;
	pgw_extent_fn *fn; /**< gets leaves that pass the filter, and malformed and unreadable runs always */
	void *arg;
};

/** The sums of a dump. */
struct pgw_dump_summary {
	struct pgw_scan_stats scan;      /**< of everything in the range, before the filter */
	uint64_t nr_ranges;              /**< extents of leaves that were reported */
	uint64_t nr_leaves;              /**< leaves in them */
	uint64_t bytes;                  /**< that they map */
	uint64_t level_leaves[PGW_MAX_LEVELS]; /**< of nr_leaves */
};

/**
 * Report what a range maps, merged and filtered, in ascending order.
 * @param ret added to, so that the halves of a root can share one; set also on failure
 * @return as pgw_scan()
 */
PGW_API int pgw_dump(const struct pgw_dump_args *args, struct pgw_dump_summary *ret);

/** The lines of a kernel's page-table dump, and two that a kernel does not need. */
enum pgw_ptdump_kind {
	PGW_PTDUMP_BANNER,
	PGW_PTDUMP_SERIES,
	PGW_PTDUMP_SKIPPED,
	PGW_PTDUMP_MALFORMED,  /**< a series of entries above the lowest level that the MMU would refuse */
	PGW_PTDUMP_UNREADABLE, /**< a series of slots whose bytes are not in the image */
};

/** One line of the kernel's own page-table dump. */
struct pgw_ptdump_line {
	enum pgw_ptdump_kind kind;
	const char *name;    /**< banner: the marker's */
	uint64_t start;      /**< series */
	uint64_t end;        /**< series, exclusive: 0 means 2^64 */
	int depth;           /**< series: 0 = pgd to 4 = pte */
	uint64_t prot;       /**< series: the entries' attribute bits as the kernel masks them; 0 = nothing mapped */
	uint64_t nr_skipped; /**< skipped: lines left out because of the marker's max_lines */
};

typedef int pgw_ptdump_fn(const struct pgw_ptdump_line *line, void *arg);

/** What to dump in the kernel's way. */
struct pgw_ptdump_args {
	struct pgw_mm *mm; /**< a user mm with its kernel mm, for both halves; locks as pgw_walk_page_range_debug() */
	const struct pgw_marker *markers; /**< ascending */
	size_t nr_markers;
	pgw_ptdump_fn *fn;
	void *arg;
};

/**
 * Walk and merge as Linux's page-table dump of the mm's architecture does.
 * @return 0, fn's value, or as pgw_walk_page_range_debug(); -PGW_EOPNOTSUPP if
 *         Linux's way is not known for the format
 */
PGW_API int pgw_ptdump(const struct pgw_ptdump_args *args);

#ifdef __cplusplus
}
#endif

#endif
