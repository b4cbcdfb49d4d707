/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_SCAN_H
#define PAGEWALK_SCAN_H

/**
 * @file
 * The bulk path, and single translations.
 *
 * Locking, all functions here: as pgw_walk_page_range_novma(), whose
 * violations they report in the same way.
 */

#include <pagewalk/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A run of neighbouring entries of one kind.
 *
 * A run of leaves is maximal: they are of one size and level, follow each
 * other in va and pa, have the same effective rights, and their entries differ
 * in nothing but the address. So the entries of all its leaves follow from the
 * first. Malformed and unreadable runs cover what the slots span.
 */
struct pgw_extent {
	uint64_t va_first;
	uint64_t va_last;  /**< inclusive */
	uint64_t pa;       /**< leaves: where va_first maps to; else 0 */
	uint64_t entry;    /**< leaves, malformed: the first raw entry; unreadable: the table's physical address */
	enum pgw_entry_kind kind; /**< PGW_ENTRY_LEAF, _MALFORMED or _UNREADABLE */
	uint8_t level;     /**< of the table that holds, or would hold, the slots */
	uint8_t leaf_lg2;  /**< leaves: size of one */
	uint8_t rights;    /**< leaves: effective, enum pgw_right */
};

/** Not 0 ends the scan, which returns the value. */
typedef int pgw_extent_fn(const struct pgw_extent *extent, void *arg);

/** What a scan met. */
struct pgw_scan_stats {
	uint64_t nr_tables;     /**< table visits; a table reached twice counts twice */
	uint64_t nr_leaves;
	uint64_t nr_malformed;  /**< malformed entries */
	uint64_t nr_unreadable; /**< runs of slots that could not be read */
	bool truncated;         /**< the budget ran out, or fn ended the scan */
	uint64_t truncated_va;  /**< the first address that was not looked at, if truncated */
};

/**
 * Report every extent of a range, in ascending order. A subtree that several
 * entries share is reported at each of its addresses.
 *
 * @param first,last inclusive, inside the mm's half; leaves are clipped to it
 * @param stats      filled in always, also on failure; may be NULL
 * @return 0, fn's value, -PGW_EINVAL, -PGW_EPERM, or -PGW_E2BIG: the budget of
 *         table visits ran out, everything below stats->truncated_va was reported
 */
PGW_API int pgw_scan(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
                     struct pgw_scan_stats *stats);

/** The same without stats. */
PGW_API int pgw_scan_extents(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn,
                             void *arg);

/** What one address means. */
struct pgw_translation {
	enum pgw_entry_kind kind; /**< of the last entry that was looked at; never PGW_ENTRY_TABLE */
	uint8_t level;     /**< of the table that holds it */
	uint8_t leaf_lg2;  /**< leaf: its size */
	uint8_t rights;    /**< leaf: effective */
	uint64_t pa;       /**< leaf: where va maps to; else 0 */
	uint64_t entry;    /**< raw; 0 if unreadable */
	uint64_t va_first; /**< what the entry spans, inclusive: the leaf, or the hole's slot */
	uint64_t va_last;
};

/** One step of a translation, top first. */
struct pgw_step {
	uint64_t item_pa;  /**< physical address of the slot */
	uint64_t entry;    /**< raw; 0 if unreadable */
	enum pgw_entry_kind kind;
	uint8_t level;
};

/** Every step of a translation. */
struct pgw_path {
	struct pgw_step step[PGW_MAX_LEVELS];
	unsigned nr_steps;
};

/**
 * Translate one address. Reads at most one slot a level.
 *
 * @param va any value; one outside both halves is empty, at the top level
 * @return 0, or -PGW_EPERM, or -PGW_EINVAL (va is in the other half)
 */
PGW_API int pgw_translate(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret);

/** The same with every level's entry. */
PGW_API int pgw_translate_path(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret,
                               struct pgw_path *ret_path);

/**
 * Translate n addresses.
 * @param ret n results
 * @return how many were done: n, or fewer if one was in the other half or a rule was broken
 */
PGW_API size_t pgw_translate_batch(struct pgw_mm *mm, const uint64_t *va,
                                   struct pgw_translation *ret, size_t n);

#ifdef __cplusplus
}
#endif

#endif
