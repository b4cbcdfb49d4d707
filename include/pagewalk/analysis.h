/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_ANALYSIS_H
#define PAGEWALK_ANALYSIS_H

/**
 * @file
 * Questions asked of whole trees. These functions return data through
 * callbacks and print nothing. Hosted only.
 */

#include <pagewalk/image.h>
#include <pagewalk/linux_absent.h>
#include <pagewalk/linux_tasks.h>
#include <pagewalk/scan.h>
#include <pagewalk/virt.h>
#include <pagewalk/walk.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which ranges pgw_dump() reports. All zero: every one. */
struct pgw_dump_filter {
	uint8_t rights_all;  /**< enum pgw_right: leaves that have all of these */
	uint8_t rights_none; /**< and none of these */
	/** Leaves of a level or of a size that is in one of these; both 0: all. */
	uint8_t levels; /**< bit n: level n */
	uint64_t sizes; /**< bit n: 2^n bytes, a contiguous run of slots counting as one leaf */
	bool has_pa; /**< only leaves that map pa_first to pa_last, clipped to it at leaf boundaries */
	uint64_t pa_first;
	uint64_t pa_last; /**< inclusive */
};

/** How pgw_dump() joins leaves. */
enum pgw_dump_merge {
	PGW_DUMP_RANGES, /**< neighbours whose visible attributes, rights and leaf size are equal */
	PGW_DUMP_RUNS, /**< runs as pgw_scan() gives them: all leaves' raw entries follow from the first */
};

/** The same again: nr times in all, step bytes further on each time. */
struct pgw_repeat {
	uint64_t nr;
	uint64_t step;
};

/**
 * How an extent repeats: by[0] is how it does, by[1] how all that does, and so on. So it is at
 * va_first + i * by[0].step + j * by[1].step for every i below by[0].nr and j below by[1].nr.
 */
struct pgw_repeats {
	unsigned nr; /**< of by; at least 1 */
	struct pgw_repeat by[PGW_MAX_LEVELS];
	uint64_t va_last; /**< of the last one, inclusive */
};

/** Not 0 ends the dump, which returns the value. */
typedef int pgw_repeated_fn(const struct pgw_extent *extent, const struct pgw_repeats *repeats,
			    void *arg);

/** What to dump. */
struct pgw_dump_args {
	struct pgw_mm *mm;
	uint64_t first;
	uint64_t last; /**< inclusive */
	enum pgw_dump_merge merge;
	struct pgw_dump_filter filter;
	/**
	 * Not NULL: also report what is absent, and tell it as this Linux would. One extent of kind
	 * PGW_ENTRY_ABSENT is a run as pgw_absent_continues() has it (PGW_DUMP_RUNS: one entry),
	 * with the entry of its first; pa is that of its page, or 0 if none is known; leaf_lg2
	 * is what one entry spans. The filter's levels, sizes and pa hold for it, too; it has no
	 * rights: a filter that asks for any leaves it out.
	 */
	const struct pgw_linux *absent;
	/**
	 * Who scans, see pgw_scan_parallel(); NULL: the caller alone. fn is called in any of them, one call at
	 * a time. What folds, filters or looks at what is absent is done by the caller alone.
	 */
	const struct pgw_scan_workers *workers;
	/** gets leaves (and what is absent) that pass the filter, malformed and unreadable runs always */
	pgw_extent_fn *fn;
	/**
	 * Gets what repeats, once, at its first address, and what is between its copies before the
	 * next one: what subtrees hold that neighbouring slots share, see pgw_scan_with(), and leaves and
	 * absent entries that are there 8 times or more at equal distances. NULL: nothing is folded, fn gets
	 * each. Only with PGW_DUMP_RANGES.
	 */
	pgw_repeated_fn *repeated_fn;
	/**
	 * How much may be reported: each call counts 1, with PGW_DUMP_RUNS each leaf. A run is cut to it. If there
	 * is more, the dump is truncated. 0: no limit.
	 */
	uint64_t max_lines;
	void *arg;
};

/** The sums of a dump. */
struct pgw_dump_summary {
	/** of everything in the range, before the filter; a subtree that is folded, or in which the
	 * filter finds nothing, is visited once or a few times */
	struct pgw_scan_stats scan;
	/** extents of leaves that were reported; of what is folded, what would be without that */
	uint64_t nr_ranges;
	uint64_t nr_lines;                     /**< reports of leaves: each repeat is one */
	uint64_t nr_leaves;                    /**< leaves in nr_ranges */
	uint64_t bytes;                        /**< that they map */
	uint64_t level_leaves[PGW_MAX_LEVELS]; /**< of nr_leaves */
	uint64_t nr_absent;                    /**< absent entries that were reported */
	bool out_of_lines; /**< what ended a dump is max_lines: scan.truncated is set, too */
};

/**
 * Report what a range maps, merged and filtered, in ascending order.
 * @param ret added to, so that the halves of a root can share one; set also on failure
 * @return as pgw_scan(); -PGW_E2BIG also if there is more than max_lines
 */
PGW_API int pgw_dump(const struct pgw_dump_args *args, struct pgw_dump_summary *ret);

/** The lines of a kernel's page-table dump, and two that a kernel does not need. */
enum pgw_ptdump_kind {
	PGW_PTDUMP_BANNER,
	PGW_PTDUMP_SERIES,
	PGW_PTDUMP_SKIPPED,
	PGW_PTDUMP_MALFORMED, /**< a series of entries above the lowest level that the MMU would refuse */
	PGW_PTDUMP_UNREADABLE, /**< a series of slots whose bytes are not in the image */
};

/** One line of the kernel's own page-table dump. */
struct pgw_ptdump_line {
	enum pgw_ptdump_kind kind;
	const char *name; /**< banner: the marker's */
	uint64_t start;   /**< series */
	uint64_t end;     /**< series, exclusive: 0 means 2^64 */
	int depth;        /**< series: 0 = pgd to 4 = pte */
	/** series: the entries' attribute bits as the kernel masks them; 0 = nothing mapped */
	uint64_t prot;
	uint64_t entry;      /**< series: the first raw entry; 0 = a hole */
	uint64_t nr_skipped; /**< skipped: lines left out because of the marker's max_lines */
};

typedef int pgw_ptdump_fn(const struct pgw_ptdump_line *line, void *arg);

/** What to dump in the kernel's way. */
struct pgw_ptdump_args {
	/** a user mm with its kernel mm, for both halves; locks as pgw_walk_page_range_debug() */
	struct pgw_mm *mm;
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

/** How sound a tree is. Each table counts once, however many entries lead to it. */
struct pgw_integrity {
	uint64_t nr_tables;    /**< that were looked at */
	uint64_t nr_malformed; /**< entries that are valid but have reserved bits set */
	/** leaves that map nothing of the memory described: devices, or nonsense */
	uint64_t nr_outside;
	uint64_t nr_shared;     /**< tables that several entries point to */
	uint64_t nr_loops;      /**< entries that lead back to a table above them */
	uint64_t nr_unreadable; /**< tables of which the image lacks bytes */
	bool truncated;         /**< the budget ran out: there may be more of everything */
};

/**
 * Look at every table of a root once, both halves if it holds both.
 *
 * @param budget tables that may be looked at; memory and time are bounded by it
 * @param ret    set also if the budget ran out
 * @return 0, -PGW_E2BIG (the budget ran out), -PGW_EINVAL (no table of the
 *         format can be at the root's address), -PGW_ENOMEM
 */
PGW_API int pgw_integrity(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t budget, struct pgw_integrity *ret);

/** What keeps the leaves of a table from being one leaf of the level above. */
enum pgw_huge_bar {
	PGW_HUGE_POSSIBLE,  /**< nothing: they are one piece, with the same rights and attributes */
	PGW_HUGE_HOLES,     /**< not every slot is a leaf */
	PGW_HUGE_RIGHTS,    /**< rights or attributes differ */
	PGW_HUGE_SCATTERED, /**< physical addresses do not follow each other */
	PGW_HUGE_ALIGNMENT, /**< they do, but do not begin where the larger leaf would have to */
	PGW_HUGE_AREA, /**< what the owner maps as one ends in it: pgw_stats_areas() alone knows that */
	_PGW_HUGE_BAR_MAX,
};

/** Tables of a root's region that have leaves, by what is in the way of a larger leaf. */
struct pgw_stats_bar {
	uint64_t nr_tables;
	uint64_t bytes; /**< that their leaves map */
};

/** A table that holds little. */
struct pgw_stats_table {
	uint64_t pa;
	uint64_t va;      /**< the first address that it translates */
	uint32_t nr_used; /**< of its slots: those that are not empty */
	uint8_t level;
};

/** The most struct pgw_stats_region's sparsest has. */
#define PGW_STATS_NR_SPARSEST 4

/**
 * One region of a root. Each table counts once, however many entries lead to it, and so do
 * its leaves; the root's own table is in the first region that the root has.
 */
struct pgw_stats_region {
	bool is_there;  /**< the root has the region; else all is 0 */
	bool is_shared; /**< others lead to all of the tables too, but for the root's own */
	uint64_t nr_tables[PGW_MAX_LEVELS];
	/** Of these, tables to which no other root leads. The two of a KPTI pair count as one. */
	uint64_t nr_private[PGW_MAX_LEVELS];
	uint64_t nr_unreadable; /**< of nr_tables, those of which the image lacks bytes */
	uint64_t nr_malformed;  /**< entries */
	uint64_t nr_absent;     /**< entries that are not valid and not empty */
	uint64_t leaf_bytes
		[64];   /**< index n: mapped by leaves of 2^n bytes, a contiguous run being one */
	uint64_t bytes; /**< of all leaves */
	uint64_t contiguous_bytes; /**< by leaves that are runs of slots */
	uint64_t accessed_bytes;   /**< by leaves that are marked as accessed */
	uint64_t dirty_bytes;      /**< ... as dirty */
	/**
	 * By the table's level and enum pgw_huge_bar; only levels above which the format has leaves of
	 * what a table spans.
	 */
	struct pgw_stats_bar bar[PGW_MAX_LEVELS][_PGW_HUGE_BAR_MAX];
	uint64_t nr_sparse; /**< tables of which at most one slot in sixteen is used */
	/** Those with the fewest used slots, the fewest first. */
	struct pgw_stats_table sparsest[PGW_STATS_NR_SPARSEST];
	unsigned nr_sparsest;
};

/** What a root's tables are made of. */
struct pgw_stats_root {
	const struct pgw_root_info *info;
	bool knows_accessed; /**< entries of the format say it; else accessed_bytes is 0 */
	bool knows_dirty;
	struct pgw_stats_region region[_PGW_REGION_MAX]; /**< by enum pgw_region_kind */
};

/** Not 0 ends the call, which returns the value. */
typedef int pgw_stats_fn(const struct pgw_stats_root *root, void *arg);

/** All of the roots together. */
struct pgw_stats_sums {
	uint64_t nr_roots;                  /**< that were looked at */
	uint64_t nr_tables[PGW_MAX_LEVELS]; /**< each once */
	uint64_t table_bytes;               /**< that they take */
	uint64_t nr_unreadable;             /**< of the tables */
	uint64_t nr_malformed;              /**< entries, each table's once */
};

/**
 * Count what the tables of some roots are and map, by root. Each distinct table is read once. A
 * guest's root (PGW_ROOT_GUEST) is passed over: its tables are not in this memory.
 *
 * @param budget distinct tables that may be looked at, at most 2^31
 * @param fn     called for each root, in order, when all tables were read
 * @param ret    set also if the budget ran out or look() ended it, of what was read until then; fn is
 *               not called then
 * @return 0, fn's value or that of the image's look(), -PGW_E2BIG (the budget ran out), -PGW_EINVAL (no root can be there),
 *         -PGW_ENOMEM
 */
PGW_API int pgw_stats(const struct pgw_image *image, const struct pgw_root_info *roots, size_t nr,
		      uint64_t budget, pgw_stats_fn *fn, void *arg, struct pgw_stats_sums *ret);

/** How a kernel maps its memory one to one. */
struct pgw_stats_direct {
	bool is_found;     /**< some memory is mapped at one and the same distance */
	uint64_t distance; /**< virtual minus physical address, modulo 2^64, that most memory has */
	uint64_t va_first; /**< of the first and last leaf at that distance */
	uint64_t va_last;  /**< inclusive */
	uint64_t bytes;
	uint64_t leaf_bytes[64];  /**< as in struct pgw_stats_region */
	uint64_t rights_bytes[8]; /**< by the kernel's rights: PGW_KERNEL_R to PGW_KERNEL_X */
	uint64_t nr_runs;         /**< pieces of equal rights, without holes */
	/**
	 * What a leaf of the second smallest size would span and smaller leaves map: by what splits it.
	 * PGW_HUGE_HOLES: some of it is not mapped so. Never _SCATTERED, nor _ALIGNMENT.
	 */
	struct pgw_stats_bar bar[_PGW_HUGE_BAR_MAX];
};

/**
 * Find the direct map of a kernel's root, and what it is made of.
 * @param mm    a kernel mm
 * @param image says what is memory
 * @return as pgw_scan(); also -PGW_ENOMEM
 */
PGW_API int pgw_stats_direct(const struct pgw_image *image, struct pgw_mm *mm,
			     struct pgw_stats_direct *ret) PGW_REQUIRES_SHARED(mm);

/** A part of the direct map whose rights are others than most of it has, in the smallest leaves. */
struct pgw_stats_piece {
	uint64_t va_first;
	uint64_t va_last; /**< inclusive */
	uint8_t rights;
	bool has_other;    /**< the kernel maps this memory somewhere else, too */
	uint64_t other_va; /**< where va_first is mapped there */
	uint8_t other_rights;
};

/** Not 0 ends the call, which returns the value. */
typedef int pgw_stats_piece_fn(const struct pgw_stats_piece *piece, void *arg);

/**
 * Find for whom the direct map was split: where else that memory is mapped of which the direct map
 * has other rights than of most. Each page is told once, with the lowest other address; those that
 * are mapped nowhere else come last.
 *
 * @param mm     a kernel mm
 * @param direct what pgw_stats_direct() said of it
 * @return 0, fn's value, as pgw_scan() (-PGW_E2BIG also: more than 2^20 parts), -PGW_ENOMEM
 */
PGW_API int pgw_stats_direct_pieces(struct pgw_mm *mm, const struct pgw_stats_direct *direct,
				    pgw_stats_piece_fn *fn, void *arg) PGW_REQUIRES_SHARED(mm);

/** Addresses that their owner maps as one: a VMA. */
struct pgw_stats_area {
	uint64_t start;
	uint64_t end;    /**< exclusive */
	bool has_file;   /**< it shows a file, whose pages are where that has them */
	uint64_t offset; /**< of start in the file, in bytes */
};

/** What is mapped in some areas, and what could be by huge leaves: the second smallest ones. */
struct pgw_stats_areas {
	uint64_t bytes;        /**< of the areas */
	uint64_t mapped_bytes; /**< of these, by leaves */
	uint64_t huge_size;    /**< 0: the format has no such leaves */
	uint64_t huge_bytes;   /**< of the mapped ones, by huge leaves or larger ones */
	/**
	 * What a huge leaf would span and smaller leaves map, by what is in the way; if areas meet there
	 * it counts once for each. Of several the first of: _AREA, _ALIGNMENT of the file's offset,
	 * _HOLES, _RIGHTS, _SCATTERED, _ALIGNMENT.
	 */
	struct pgw_stats_bar bar[_PGW_HUGE_BAR_MAX];
	uint64_t nr_visits; /**< of tables */
};

/**
 * Count what is mapped in some areas. The mm's budget is that of all of them together.
 * @param mm    whose they are
 * @param areas in any order; of an mm of Linux, those of pgw_task_areas()
 * @param ret   set also on failure
 * @return as pgw_scan(); -PGW_EINVAL: an area ends before it begins
 */
PGW_API int pgw_stats_areas(struct pgw_mm *mm, const struct pgw_stats_area *areas, size_t nr,
			    struct pgw_stats_areas *ret) PGW_REQUIRES_SHARED(mm);

/** What is not the same in two trees; several may be true of what both map. */
enum pgw_change_what {
	PGW_CHANGE_APPEARED = 1 << 0, /**< only the second one maps it */
	PGW_CHANGE_VANISHED = 1 << 1, /**< only the first one */
	PGW_CHANGE_MOVED = 1 << 2,    /**< to other memory */
	PGW_CHANGE_RIGHTS = 1 << 3,   /**< effective ones */
	PGW_CHANGE_SIZE = 1 << 4,     /**< of leaves */
	/**
	 * Of what has the same rights and size: attributes, or rights that the entry gives and upper
	 * levels do not. That it was accessed or written is no change.
	 */
	PGW_CHANGE_ATTRS = 1 << 5,
	PGW_CHANGE_KIND =
		1 << 6, /**< one is malformed or unreadable, the other is not, or otherwise so */
	_PGW_CHANGE_NR = 7,
};

/** A range in which two trees differ in the same way. */
struct pgw_change {
	unsigned what; /**< enum pgw_change_what, at least one */
	uint64_t va_first;
	uint64_t va_last; /**< inclusive */
	/** The first piece on either side, from va_first on. Of kind PGW_ENTRY_EMPTY: there is none. */
	struct pgw_extent before, after;
	bool is_scattered; /**< the memory of one side does not go on from there in one piece */
};

/** Not 0 ends the comparison, which returns the value. */
typedef int pgw_change_fn(const struct pgw_change *change, void *arg);

/** What to compare. */
struct pgw_diff_args {
	struct pgw_mm *before, *after; /**< of one format and region */
	uint64_t first;
	uint64_t last;     /**< inclusive */
	pgw_change_fn *fn; /**< or NULL: sums alone */
	/**
	 * Called now and then, with how many pieces were compared; not 0 ends the comparison, which
	 * returns the value. May be NULL.
	 */
	int (*look)(void *arg, uint64_t nr_pieces);
	void *arg;
};

/** The sums of a comparison. */
struct pgw_diff_summary {
	uint64_t nr_changes;
	uint64_t bytes[_PGW_CHANGE_NR]; /**< index n: of virtual addresses that changed in 1 << n */
	uint64_t same_bytes;            /**< that both map in the same way */
	uint64_t nr_malformed;          /**< runs, of both */
	uint64_t nr_unreadable;
};

/**
 * Compare what two mms map, in two scans side by side, in ascending order. Neighbours that differ
 * in the same way and look the same are one change. Needs some 100 KiB, whatever there is.
 *
 * Locks: both as pgw_scan(). The second one may be a live one at another time.
 * An mm's budget bounds also how many extents are taken of it, in all.
 * @param ret added to
 * @return 0, fn's or look's value, as pgw_scan() (-PGW_E2BIG: everything before was reported),
 *         -PGW_EINVAL also if they are not of one format and region
 */
PGW_API int pgw_diff(const struct pgw_diff_args *args, struct pgw_diff_summary *ret);

/** Roots of an image, for pgw_diff_match(). */
struct pgw_diff_roots {
	const struct pgw_image *image;
	const struct pgw_root_info
		*list; /**< ascending by address, each once: see pgw_image_roots() */
	size_t nr;
	struct pgw_tasks *tasks; /**< of the image: whose roots are; NULL: not known */
};

/** Of a root that has no other. */
#define PGW_DIFF_NO_MATCH SIZE_MAX

/**
 * Find which roots of two images of one machine are the same one: the kernels' own; if both say
 * which processes there are, those of one process, by its number and when it was started; those at
 * one address; of what is left, those whose user regions begin with the same entries (not if there are
 * more than 512 roots). Where processes are known, the roots of two of them are not the same one,
 * nor is one that a process has and one that none has.
 *
 * @param ret_match before->nr indices in after's list, or PGW_DIFF_NO_MATCH
 * @return 0, -PGW_ENOMEM
 */
PGW_API int pgw_diff_match(const struct pgw_diff_roots *before, const struct pgw_diff_roots *after,
			   size_t *ret_match);

/**
 * Find which virtual machines and devices of two images of one machine are the same one: devices by
 * their number; virtual machines by their root, and the last one that is left on either side.
 * Those without tables that are read have none.
 *
 * @param before of pgw_image_foreign(), as after
 * @param ret_match nr_before indices in after, or PGW_DIFF_NO_MATCH
 * @return 0, -PGW_ENOMEM
 */
PGW_API int pgw_diff_match_foreign(const struct pgw_foreign *before, size_t nr_before,
				   const struct pgw_foreign *after, size_t nr_after,
				   size_t *ret_match);

/** Where memory is mapped. */
struct pgw_found {
	size_t root; /**< index in the list of roots */
	const struct pgw_region *region;
	uint64_t va_first;
	uint64_t va_last; /**< inclusive */
	uint64_t pa;      /**< where va_first maps to */
	uint64_t entry;   /**< of the first leaf */
	uint8_t level;
	uint8_t leaf_lg2;
	uint8_t rights; /**< effective, enum pgw_right */
};

/** Not 0 ends the search, which returns the value. */
typedef int pgw_found_fn(const struct pgw_found *found, void *arg);

struct pgw_find_index;

/** What to look for, and where. */
struct pgw_find_args {
	const struct pgw_platform *platform;
	const struct pgw_image *image;
	const struct pgw_root_info *roots;
	size_t nr_roots;
	uint64_t pa_first;
	uint64_t pa_last;    /**< inclusive */
	uint64_t max_tables; /**< distinct ones that may be looked at, at most 2^31 */
	uint64_t max_found;  /**< mappings that may be found; 0: any number */
	pgw_found_fn *fn;
	void *arg;
	/** Of these roots of this image: then no table is read but those on the way to what is found. */
	const struct pgw_find_index *index; /**< or NULL */
};

/** What a search met. */
struct pgw_find_sums {
	uint64_t nr_roots;      /**< that were looked at */
	uint64_t nr_tables;     /**< distinct ones */
	uint64_t nr_found;      /**< calls of fn */
	uint64_t bytes;         /**< of virtual addresses, of all of them */
	uint64_t nr_unreadable; /**< tables of which the image lacks bytes: there may be more */
};

/**
 * Find every address of some roots that maps some of a range of memory: by root, in ascending
 * order, runs that look the same and follow each other in va and pa as one. Each distinct table is
 * read once, and only those that lead to the memory are gone through again. A guest's root
 * (PGW_ROOT_GUEST) is passed over.
 *
 * @param ret set also on failure
 * @return 0, fn's value or that of the image's look(), -PGW_E2BIG (more tables, or more is found, than may be: what was found
 *         before was reported), -PGW_EINVAL (no root can be there), -PGW_ENOMEM
 */
PGW_API int pgw_find(const struct pgw_find_args *args, struct pgw_find_sums *ret);

/** The state of an image's files: an index of another state is none of the image. */
struct pgw_find_index_of {
	uint64_t size;     /**< bytes, of all of them */
	uint64_t mtime_ns; /**< of the one that was changed last: nanoseconds since 1970 */
};

/**
 * Write what pgw_find() has to know of the tables of some roots, for pgw_find_index_open(). All
 * distinct tables are read once; beside what is kept of each, memory for 2^21 leaves is needed,
 * however many there are. The image must not change meanwhile.
 *
 * @param args image, roots and max_tables; the rest is not looked at
 * @param fn   gets the file's bytes, in order; nothing is called complete before it returned for all
 * @return 0, fn's value or that of the image's look(), -PGW_E2BIG (more tables than may be), -PGW_EINVAL (no root can be there),
 *         -PGW_ENOMEM, or as pgw_image_vmcoreinfo()
 */
PGW_API int pgw_find_index_write(const struct pgw_find_args *args,
				 const struct pgw_find_index_of *of, pgw_write_fn *fn, void *arg);

/**
 * Read an index, all of it, and check that it is whole and of these roots of this image. It may be
 * hostile: what it says is in the tables is looked up there. What it leaves out is not found.
 * Constant then; any threads may use it.
 *
 * @param path of a regular file
 * @param args image and roots
 * @param ret  to be closed with pgw_find_index_close(); the image and the list must stay until then
 * @param err  what is wrong with it; may be NULL
 * @return 0; -PGW_ENOENT: there is no such file; -PGW_ENOEXEC: it is no index, or not a whole one;
 *         -PGW_EINVAL: it is one of another image, or of another state of it; -PGW_EIO; -PGW_ENOMEM;
 *         or as pgw_image_vmcoreinfo()
 */
PGW_API int pgw_find_index_open(const char *path, const struct pgw_find_args *args,
				const struct pgw_find_index_of *of, struct pgw_find_index **ret,
				struct pgw_error *err);
/** NULL is fine. */
PGW_API void pgw_find_index_close(struct pgw_find_index *index);

/**
 * A page table, at an address where its root has it. Where neighbouring slots of a table lead to it by the same
 * entry it is one with the addresses of them all, and what is below it is told at those of the first.
 */
struct pgw_table {
	uint64_t pa;
	uint64_t parent; /**< the table that leads to it; 0: it is the root's own */
	uint64_t entry;  /**< ... by this raw entry */
	/** What it translates there; of the root's own, all of the root's regions. Inclusive. */
	uint64_t va_first, va_last;
	uint32_t slot_first, slot_last; /**< its slots that there are, inclusive */
	uint32_t nr_times; /**< neighbouring slots that lead to it; of the root's own 1 */
	/* Of its slots, those that are not empty. */
	uint32_t nr_tables; /**< lead to tables */
	uint32_t nr_leaves; /**< a contiguous run is as many as it has slots */
	uint32_t nr_absent;
	uint32_t nr_malformed;
	uint32_t nr_unreadable; /**< the image lacks their bytes */
	uint8_t level;
};

/** Which tables to list. */
struct pgw_tables_args {
	const struct pgw_image *image;
	const struct pgw_root_info *root; /**< not a guest's; stays, as the image does */
	enum pgw_region_kind region;
	/** Tables that translate some of these addresses, inclusive; the root's own is always looked at. */
	uint64_t first, last;
	uint8_t level_first, level_last; /**< of these levels, inclusive; none below is looked at */
	uint64_t budget;                 /**< table visits; 0: PGW_BUDGET_DEFAULT */
};

struct pgw_tables;

/**
 * List the tables of a region of a root, by address, each before those that it leads to: one to which
 * entries lead that are not neighbours is there several times. The root's own is in the first region that it has.
 * Takes some KiB, however many there are. Of one thread at a time.
 *
 * @param ret to be closed with pgw_tables_close()
 * @return 0, -PGW_EINVAL (no root can be there, or it has no such region), -PGW_ENOMEM
 */
PGW_API int pgw_tables_open(const struct pgw_tables_args *args, struct pgw_tables **ret);
/**
 * The next one.
 * @param ret_is_end there is none: *ret is as it was. Set also on failure, after which there are no more
 * @return 0, the value of the image's look(), -PGW_E2BIG: the budget ran out
 */
PGW_API int pgw_tables_next(struct pgw_tables *tables, struct pgw_table *ret, bool *ret_is_end);
/** Visits of tables until now. */
PGW_API uint64_t pgw_tables_visited(const struct pgw_tables *tables);
/** NULL is fine. */
PGW_API void pgw_tables_close(struct pgw_tables *tables);

struct pgw_table_users;

/**
 * Find out how many roots lead to each table. Each distinct table is read once. Constant then; any
 * threads may use it.
 *
 * @param budget distinct tables that may be looked at, at most 2^31
 * @param ret    to be freed with pgw_table_users_free(); the image and the list must stay until then
 * @return as pgw_stats()
 */
PGW_API int pgw_table_users_new(const struct pgw_image *image, const struct pgw_root_info *roots,
				size_t nr, uint64_t budget, struct pgw_table_users **ret);
/**
 * How many do, of which the two of a KPTI pair count as one. 0: none of them has it.
 * @param root one that has the table, of the list
 */
PGW_API uint32_t pgw_table_users_of(const struct pgw_table_users *users,
				    const struct pgw_root_info *root,
				    const struct pgw_table *table);
/** Not 0 ends the list, which returns the value. */
typedef int pgw_distinct_table_fn(uint64_t pa, unsigned level, const struct pgw_format *format,
				  void *arg);
/** All of the tables, each once (of one level, and read in one way). @return 0 or fn's value */
PGW_API int pgw_table_users_each(const struct pgw_table_users *users, pgw_distinct_table_fn *fn,
				 void *arg);
/** NULL is fine. */
PGW_API void pgw_table_users_free(struct pgw_table_users *users);

/** What a trim kept. */
struct pgw_trim_summary {
	size_t nr_roots;
	uint64_t nr_tables;  /**< of all roots, each once */
	uint64_t kept_bytes; /**< of memory */
};

/**
 * Write an ELF core with nothing of the memory but what the tables are and
 * what they are found by: the tables of all roots, the VMCOREINFO pages, the
 * page with the Image header of a riscv kernel. See pgw_image_write_core().
 *
 * @param fn  gets the file's bytes; it is called only when all that is to be
 *            kept is known
 * @param ret may be NULL
 * @return as pgw_image_write_core(); also -PGW_ENOENT (there is no root),
 *         -PGW_E2BIG (more than 2^24 tables)
 */
PGW_API int pgw_trim(struct pgw_image *image, pgw_write_fn *fn, void *arg,
		     struct pgw_trim_summary *ret);

/**
 * What pgw_trim() keeps of the memory, for pgw_image_write().
 *
 * @param ret_list ascending, without overlap; to be freed with free()
 * @param ret      may be NULL
 * @return as pgw_trim()
 */
PGW_API int pgw_trim_ranges(struct pgw_image *image, struct pgw_pa_range **ret_list, size_t *ret_nr,
			    struct pgw_trim_summary *ret);

/** Which tables pgw_hold_tables() copies. */
struct pgw_hold_what {
	bool is_all; /**< those of all roots that are found before the machine stands, and of all CPUs */
	const struct pgw_root_info *root; /**< those of this root; or NULL */
	bool has_cpus;                    /**< those of the roots that CPUs have loaded then */
	/** Of a machine that stands while it is read: how root is read is known, so that no kernel is looked for */
	bool is_root_enough;
	uint64_t max_pause_ns;            /**< as struct pgw_hold_args has it */
};

/**
 * pgw_image_hold(), which copies also what of the memory tells which roots there are: the kernel's
 * tables, a VMCOREINFO. Of the copy pgw_image_kernel_root() and its like say what they say of the machine.
 * What takes long, to look through memory, is done before the machine is stopped.
 * @return as pgw_image_hold(), pgw_image_roots()
 */
PGW_API int pgw_hold_tables(struct pgw_image *image, const struct pgw_hold_what *what);

#ifdef __cplusplus
}
#endif

#endif
