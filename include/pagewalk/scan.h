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
	uint64_t va_last; /**< inclusive */
	uint64_t pa;      /**< leaves: where va_first maps to; else 0 */
	/** leaves, malformed, absent: the first raw entry; unreadable, torn: the table's physical address */
	uint64_t entry;
	/** PGW_ENTRY_LEAF, _MALFORMED, _UNREADABLE or _TORN; _ABSENT if these are asked for */
	enum pgw_entry_kind kind;
	uint8_t level;    /**< of the table that holds, or would hold, the slots */
	uint8_t leaf_lg2; /**< leaves: size of one */
	uint8_t rights;   /**< leaves: effective, enum pgw_right */
};

/** Not 0 ends the scan, which returns the value. */
typedef int pgw_extent_fn(const struct pgw_extent *extent, void *arg);

/** The same for nr extents, at least 1, in ascending order, which are there during the call. */
typedef int pgw_extents_fn(const struct pgw_extent *extents, size_t nr, void *arg);

/** What a scan met. */
struct pgw_scan_stats {
	uint64_t nr_tables; /**< table visits; a table reached twice counts twice */
	uint64_t nr_leaves;
	uint64_t nr_malformed;  /**< malformed entries */
	uint64_t nr_unreadable; /**< runs of slots that could not be read */
	uint64_t nr_torn;       /**< live mms: runs of slots that changed while they were read */
	bool truncated;         /**< the budget ran out, or fn ended the scan */
	uint64_t truncated_va;  /**< the first address that was not looked at, if truncated */
};

/**
 * Report every extent of a range, in ascending order. A subtree that several
 * entries share is reported at each of its addresses; if the mm is attached, it
 * may come from a memo: some 100 KiB from the platform's obj_alloc, which may
 * refuse. The scan itself takes less than 10 KiB of stack.
 *
 * The scan may be up to 32 extents ahead of fn; stats->nr_tables and nr_malformed
 * count what it met, nr_leaves and nr_unreadable what fn got.
 *
 * @param first,last inclusive, inside the mm's region; leaves are clipped to it
 * @param stats      filled in always, also on failure; may be NULL
 * @return 0, fn's value, -PGW_EINVAL, -PGW_EPERM, or -PGW_E2BIG: the budget of
 *         table visits ran out, everything below stats->truncated_va was reported
 */
PGW_API int pgw_scan(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
		     struct pgw_scan_stats *stats) PGW_REQUIRES_SHARED(mm);

/**
 * The same by blocks of extents: where runs are short, a call for each costs more
 * than to find it. Blocks begin small and grow to 32; how many extents are in
 * one means nothing.
 */
PGW_API int pgw_scan_blocks(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extents_fn *fn,
			    void *arg, struct pgw_scan_stats *stats) PGW_REQUIRES_SHARED(mm);

/** What pgw_scan_with() is to find, and the functions that get it. */
struct pgw_scan_ops {
	pgw_extents_fn *extents; /**< as pgw_scan_blocks()' fn */
	/**
	 * NULL: nothing is folded. Else a subtree to which neighbouring slots of a table lead by the
	 * same entry is reported once: the extents from here to end() are there nr times, 2 at
	 * least, step bytes further on each time. One pair may be inside another. An extent
	 * inside joins none outside, nor in the next copy. Not 0 ends the scan, which returns the value.
	 */
	int (*begin)(uint64_t nr, uint64_t step, void *arg);
	/** If there is begin. Also called if the budget ran out in between; not after a refusal. */
	int (*end)(void *arg);
	/**
	 * NULL: every extent is. Else false says that nobody misses the extent, nor any part of it, at
	 * whatever address it is: of a subtree that is met again it need not be reported again.
	 * The first times it is, so extents() still has to choose.
	 */
	bool (*wanted)(const struct pgw_extent *extent, void *arg);
	/**
	 * Also report an extent of kind PGW_ENTRY_ABSENT for each entry that is not valid and not
	 * zero: what the system keeps there is its own business. Takes longer.
	 */
	bool absent;
};

/**
 * pgw_scan_blocks(), and more. Folded, time goes by slots that differ, and not by what is below
 * those that do not; with wanted(), by tables that differ and by what is wanted.
 * Slots that the range cuts are looked at apart.
 *
 * stats->nr_tables counts what was visited, all else what is there; but folded, each copy's unreadable runs
 * count alone. With wanted(), a subtree that is known from before counts as one visit.
 */
PGW_API int pgw_scan_with(struct pgw_mm *mm, uint64_t first, uint64_t last,
			  const struct pgw_scan_ops *ops, void *arg, struct pgw_scan_stats *stats)
	PGW_REQUIRES_SHARED(mm);

/** pgw_scan() without stats. */
PGW_API int pgw_scan_extents(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn,
			     void *arg) PGW_REQUIRES_SHARED(mm);

/**
 * Does b continue a, so that the two are one run? For callers that join the extents of
 * neighbouring scans.
 */
PGW_API bool pgw_extent_follows(const struct pgw_mm *mm, const struct pgw_extent *a,
				const struct pgw_extent *b);

/** A part of a scan, which may be done beside others. */
struct pgw_scan_part {
	uint64_t first, last; /**< inclusive */
	uint64_t nr_again;    /**< tables that the part before visits too, and which count there */
};

/**
 * Divide a scan into parts of about as many tables each, for several threads.
 * Their extents, one part after the other, are those of the whole scan, but for runs that
 * go over a cut: pgw_extent_follows() finds them. Reads no lowest table.
 *
 * @param max      parts wanted at most, at least 1
 * @param ret_nr   how many it are, at least 1
 * @return 0, -PGW_EINVAL, or -PGW_EPERM
 */
PGW_API int pgw_scan_split(struct pgw_mm *mm, uint64_t first, uint64_t last,
			   struct pgw_scan_part *ret, size_t max, size_t *ret_nr)
	PGW_REQUIRES_SHARED(mm);

/**
 * Scan one part. The lock as for the whole, in each thread: only a snapshot's is
 * held by all.
 * @param budget of table visits, or UINT64_MAX: the mm's
 * @return as pgw_scan()
 */
PGW_API int pgw_scan_part(struct pgw_mm *mm, const struct pgw_scan_part *part, uint64_t budget,
			  pgw_extent_fn *fn, void *arg, struct pgw_scan_stats *stats);

/** Threads that do several things at once: pgw_hosted_workers(), for example. */
struct pgw_scan_workers {
	unsigned n; /**< things at once; more than 64 are not wanted */
	/** Call job with 0 to n - 1, each once, at once or in turn; return when all are done. */
	void (*run)(void *ctx, unsigned n, void (*job)(void *arg, unsigned index), void *arg);
	void *ctx;
	bool even_few; /**< also for so few tables that they do not pay: for tests */
};

/**
 * pgw_scan_blocks() by several workers: the same extents in the same order, the
 * same stats, but that blocks may be of any size. fn is called in any of the workers, one call at a
 * time, each after the one before. Takes 700 KiB for each worker from the
 * platform's obj_alloc. Where workers do not pay, are refused their memory or cannot be: for few
 * tables, and mms that are no snapshots, it is pgw_scan_blocks().
 *
 * @param workers NULL: none
 * @return as pgw_scan()
 */
PGW_API int pgw_scan_parallel(struct pgw_mm *mm, uint64_t first, uint64_t last,
			      const struct pgw_scan_workers *workers, pgw_extents_fn *fn, void *arg,
			      struct pgw_scan_stats *stats) PGW_REQUIRES_SHARED(mm);

/** As pgw_extents_fn; worker is below the number of workers, and has one call at a time. */
typedef int pgw_worker_extents_fn(unsigned worker, const struct pgw_extent *extents, size_t nr,
				  void *arg);

/**
 * The same in no order, for sums and the like: workers call fn at the same time,
 * each in ascending order. A run that goes over a cut between parts (pgw_scan_split()) is
 * two extents. stats->truncated_va: all below was reported, some above, too.
 * The budget may be exceeded by what workers are at when it runs out.
 */
PGW_API int pgw_scan_unordered(struct pgw_mm *mm, uint64_t first, uint64_t last,
			       const struct pgw_scan_workers *workers, pgw_worker_extents_fn *fn,
			       void *arg, struct pgw_scan_stats *stats) PGW_REQUIRES_SHARED(mm);

/** Table visits that an operation on the mm may make; UINT64_MAX: any number. */
PGW_API uint64_t pgw_mm_budget(const struct pgw_mm *mm);

/** What a scan of many roots calls. */
struct pgw_scan_many_ops {
	/** An extent of mms[index]. Not 0 ends the scan. */
	int (*extent)(size_t index, const struct pgw_extent *extent, void *arg);
	/**
	 * In first..last (inclusive) mms[index] has the very tables that mms[same] has
	 * there, which were reported: same < index. NULL: they are scanned
	 * and reported again.
	 */
	int (*shared)(size_t index, uint64_t first, uint64_t last, size_t same, void *arg);
};

/**
 * Scan whole halves of many mms of one source: the first one, then the second
 * one, ..., each in ascending order. What roots have in common, as processes
 * have the kernel, is walked once. An extent ends where the common part begins or ends.
 *
 * @param mms   n attached ones with the same phys, format, region and control
 * @param stats of all together, filled in always; may be NULL. A root whose region is
 *              empty or shared as a whole counts no visit. The budget is each mm's own
 * @return as pgw_scan(); also -PGW_ENOMEM
 */
PGW_API int pgw_scan_many(struct pgw_mm *const *mms, size_t n, const struct pgw_scan_many_ops *ops,
			  void *arg, struct pgw_scan_stats *stats);

/** What one address means. */
struct pgw_translation {
	enum pgw_entry_kind
		kind;      /**< of the last entry that was looked at; never PGW_ENTRY_TABLE */
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
	uint64_t item_pa; /**< physical address of the slot */
	uint64_t entry;   /**< raw; 0 if unreadable */
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
 * @param va any value; one outside both halves is PGW_ENTRY_NONCANONICAL, at the
 *           top level, and so is one behind what a root of few items has. For a pointer that may have a tag: pgw_address_untag() of it
 * @return 0, or -PGW_EPERM, or -PGW_EINVAL (va is in another region)
 */
PGW_API int pgw_translate(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret)
	PGW_REQUIRES_SHARED(mm);

/** The same with every level's entry. */
PGW_API int pgw_translate_path(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret,
			       struct pgw_path *ret_path) PGW_REQUIRES_SHARED(mm);

/**
 * Translate n addresses. Faster than one by one: several are looked up side by
 * side, and neighbours share the upper levels.
 * @param ret n results
 * @return how many were done: n, or fewer if one was in another region or a rule was broken
 */
PGW_API size_t pgw_translate_batch(struct pgw_mm *mm, const uint64_t *va,
				   struct pgw_translation *ret, size_t n) PGW_REQUIRES_SHARED(mm);

/** What an address means by two stages: a guest's own tables, and behind them its host's for the guest. */
struct pgw_nested_translation {
	/**
	 * PGW_ENTRY_LEAF: both stages map it. Else of the last entry that was looked at; of stage 2 that
	 * may be PGW_ENTRY_UNREADABLE, too, where it maps a table of stage 1 and does not let it be read
	 */
	enum pgw_entry_kind kind;
	uint8_t stage;    /**< whose tables the last entry is in: 1, or 2; of a leaf 2 */
	uint8_t level;    /**< of the table that holds it, in that stage */
	uint8_t leaf_lg2; /**< leaf: the smaller of the two, which both map in one piece */
	/** leaf: what both stages allow, for the actors of stage 1, enum pgw_right */
	uint8_t rights;
	/**
	 * What that stage was asked for: va of stage 1; of stage 2 the guest's physical address that stage
	 * 1 led to, or that of an item of stage 1 that stage 2 has nowhere
	 */
	uint64_t address;
	uint64_t pa; /**< leaf: where va maps to in the host's memory; else 0 */
};

/** One address by stage 2. */
struct pgw_nested_step {
	uint64_t gpa; /**< what was asked for: physical to the guest */
	struct pgw_translation result;
	struct pgw_path path;
};

/** Every step of both stages. */
struct pgw_nested_path {
	struct pgw_translation stage1;
	struct pgw_path path; /**< of stage 1, whose items are at the guest's physical addresses */
	/** nr_steps: where stage 2 has each item of the path, and then what stage 1 led to, if it did */
	struct pgw_nested_step step[PGW_MAX_LEVELS + 1];
	unsigned nr_steps;
};

/**
 * Translate one address by both stages. Rights are those that both give: where stage 2 knows one actor,
 * to each of stage 1's as to that one; of EPT with mode-based execution, to execute a page that is a
 * user's as to the user, whoever does (SDM 29.3.3.2); else each as to the same.
 *
 * Walks of stage 1's tables are asked of stage 2 in what stage1 reads, which is best pgw_nested_phys().
 * @param stage1   the guest's tables: their items are at its physical addresses
 * @param stage2   its host's for it, another mm
 * @param ret_path each step of both; may be NULL
 * @return 0, or as pgw_translate() of stage1
 */
PGW_API int pgw_translate_nested(struct pgw_mm *stage1, struct pgw_mm *stage2, uint64_t va,
				 struct pgw_nested_translation *ret,
				 struct pgw_nested_path *ret_path)
	PGW_REQUIRES_SHARED(stage1, stage2);

/**
 * Translate n addresses by both stages. Faster than one by one, as pgw_translate_batch().
 * @param ret n results
 * @return how many were done: n, or fewer if one was in another region of stage1 or a rule was broken
 */
PGW_API size_t pgw_translate_nested_batch(struct pgw_mm *stage1, struct pgw_mm *stage2,
					  const uint64_t *va, struct pgw_nested_translation *ret,
					  size_t n) PGW_REQUIRES_SHARED(stage1, stage2);

/**
 * The memory type that accesses have by both stages (arm64: Arm ARM D8.6 "Combining stage 1 and stage 2
 * memory type attributes", by HCR_EL2.FWB of stage2's control bits); static, named as
 * pgw_format_memory_type() does. Needs no lock.
 * @return NULL: the formats do not say, or an address that both stages map is not there
 */
PGW_API const char *pgw_nested_memory_type(const struct pgw_mm *stage1, const struct pgw_mm *stage2,
					   const struct pgw_nested_path *path);

/** Levels whose tables a struct pgw_translate_cursor remembers. */
#define PGW_CURSOR_LEVELS 2

/** Where a translation ended; private to the library. */
struct pgw_translate_end {
	uint64_t stretch;
	uint64_t acc, value;
	uint32_t end;
	uint32_t reserved;
	void *slot;
};

/**
 * The way to an address, for translating others after it, in any order: the next address in the same
 * lowest table needs one item, one in the same table above that two, and others begin at the root.
 *
 * The caller's memory. It owns nothing, and may be dropped at any time while the mm lives. It is one
 * thread's: whoever hands it on prepares it anew. Any number of them may be at one mm.
 *
 * What it remembers are tables, never leaves or holes: each call reads the last item anew.
 * - Snapshots: nothing changes. Of memory that changes all the same (map of struct pgw_phys_ops) a
 *   table that was replaced is noticed after pgw_translate_cursor_init().
 * - Owned tables: once the mm has unlinked or moved any table, under whatever lock and by whomever,
 *   the next call begins at the root. So a cursor outlives the lock and edits, its owner's and
 *   others'. Who changes an item above the lowest level by other means than this library's calls has
 *   to call pgw_translate_cursor_init().
 * - Live mms: nothing is remembered.
 */
struct pgw_translate_cursor {
	struct pgw_mm *mm;
	/* All else is private to the library. By level: a table, what it is for, rights on the way. */
	uint64_t span[PGW_CURSOR_LEVELS]; /* the upper bits of addresses; UINT64_MAX: no table */
	const void *table[PGW_CURSOR_LEVELS];
	uint64_t acc[PGW_CURSOR_LEVELS];
	uint64_t nr_unlinked;            /* tables of the mm, when these were found */
	const struct pgw_thread *thread; /* who had the mm's lock when it was looked for */
	uint32_t held_slot;              /* where */
	uint32_t reserved;
	struct pgw_translate_end end;
};

/**
 * Prepare a cursor, or let it forget what it knows. Needs no lock and reads nothing.
 * @param mm borrowed until the cursor's last use
 * @return 0, or -PGW_EINVAL: an argument is NULL
 */
PGW_API int pgw_translate_cursor_init(struct pgw_translate_cursor *cursor, struct pgw_mm *mm);

/**
 * Translate one address of the cursor's mm: says what pgw_translate() would say, and
 * asserts what it would. Of an owned mm, by the thread that holds its lock, in each call.
 * @return as pgw_translate()
 */
PGW_API int pgw_translate_by(struct pgw_translate_cursor *cursor, uint64_t va,
			     struct pgw_translation *ret);

#ifdef __cplusplus
}
#endif

#endif
