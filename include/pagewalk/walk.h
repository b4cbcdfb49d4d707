/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_WALK_H
#define PAGEWALK_WALK_H

/**
 * @file
 * The walker with callbacks, shaped like Linux's, and its locking contract.
 *
 * Ranges here are half-open: start to end, where end = UINT64_MAX means
 * through the last page. Neither needs to be aligned. Arguments are checked
 * before locks are asserted: start >= end, a NULL mm or NULL ops, a range
 * that is not inside the mm's region, and install_pte where it is not allowed
 * give -PGW_EINVAL and no callback runs.
 *
 * The levels go by Linux's names: pgd, p4d, pud, pmd, pte. A format with fewer
 * levels folds the ones between: a folded level has one slot, which is the
 * slot of the level above, and callbacks are made for it all the same.
 */

#include <pagewalk/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_mm_walk;
struct pgw_vma;
struct pgw_mapping;
struct pgw_ptdesc;

/** What a pud_entry or pmd_entry callback may ask for through walk->action. */
enum pgw_walk_action {
	PGW_ACTION_SUBTREE, /**< go on below this entry; the default, restored for each evaluation */
	PGW_ACTION_CONTINUE, /**< skip what is below */
	PGW_ACTION_AGAIN,    /**< look at this entry again */
};

/** The lock that a walk through VMAs counts on, and asserts. */
enum pgw_walk_lock {
	PGW_WALK_RDLOCK, /**< the mmap lock, in any mode */
	PGW_WALK_WRLOCK, /**< the mmap lock for write; each VMA is locked for write before it is walked */
	PGW_WALK_WRLOCK_VERIFY, /**< the mmap lock for write; each VMA must be locked for write already */
	PGW_WALK_VMA_RDLOCK_VERIFY, /**< the VMA's own lock; the mmap lock is not looked at. One VMA only */
};

/**
 * The callbacks; each is optional. One that returns something other than 0
 * ends the walk, which returns that value.
 *
 * An entry callback gets a pointer to the slot: the live one on owned tables
 * (read it with pgw_item_load()), the walker's copy on foreign ones, in the
 * host's byte order too. addr is the address that the walk is at, next the end
 * of the entry or of the range; for pte_entry always addr plus a page, which
 * wraps to 0 at the top.
 *
 * depth in holes is 0 for pgd to 3 for pmd, where the slot really is; -1 where
 * no table covers the addresses.
 */
struct pgw_mm_walk_ops {
	int (*pgd_entry)(uint64_t *pgd, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
	int (*p4d_entry)(uint64_t *p4d, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
	int (*pud_entry)(uint64_t *pud, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
	int (*pmd_entry)(uint64_t *pmd, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
	/** For every slot of the lowest level, empty ones too. */
	int (*pte_entry)(uint64_t *pte, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
	/**
	 * For every page of a PGW_VMA_HUGETLB VMA: its slot (the first, of a run), which may be empty;
	 * hmask has the bits of addresses above the page. addr and next are clipped to the range. Where
	 * no table has the slot, pte_hole with depth -1. No other callback for entries is called
	 * for such a VMA, and without this one nothing. The VMA's second lock is held for read, no
	 * table's lock is: see pgw_hugetlb_vma_lock_read() (vma.h).
	 */
	int (*hugetlb_entry)(uint64_t *pte, uint64_t hmask, uint64_t addr, uint64_t next,
			     struct pgw_mm_walk *walk);
	/** For every empty slot above the lowest level, clipped to the range; neighbours are not merged. */
	int (*pte_hole)(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk);

	/**
	 * Not in Linux: an entry above the lowest level that the MMU would
	 * refuse. On foreign tables, and from another root, it is left as it
	 * is; on owned pgd and p4d tables, and in all under a VMA, it is
	 * cleared. Either way pte_hole follows.
	 */
	int (*malformed)(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			 struct pgw_mm_walk *walk);
	/** Not in Linux: slots whose bytes the source does not have; depth 0 to 4. No pte_hole follows. */
	int (*unreadable)(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk);
	/**
	 * Not in Linux: slots of a live machine's table that changed each time they were read, or
	 * of one that the slot above no longer leads to; depth 0 to 4. No pte_hole follows.
	 */
	int (*torn)(uint64_t addr, uint64_t next, int depth, struct pgw_mm_walk *walk);

	/*
	 * Walks through VMAs only. In these, pte_entry runs with the lock of
	 * its table held and must not sleep for long nor call into the mm;
	 * pgd_entry to pmd_entry run without any table's lock.
	 */

	/**
	 * Once for each VMA of pgw_walk_page_range(), first: shall it be walked?
	 * 0 yes; negative ends the walk with that value; positive skips this VMA.
	 * Without it, a PGW_VMA_PFNMAP VMA is skipped after one pte_hole of
	 * depth -1, whose positive value is swallowed.
	 */
	int (*test_walk)(uint64_t addr, uint64_t next, struct pgw_mm_walk *walk);
	/**
	 * For every slot of the lowest level that is empty: what is to be there? The walk
	 * puts *ret there, an entry of the format's lowest level (a leaf, or what is not
	 * valid; 0: it stays empty), after it has made the tables on the way, in the place of
	 * their pte_hole. pte_entry is for slots that are not empty; without any callback for
	 * entries below a leaf, that is left whole. The frame of a leaf is given to the VMA's
	 * release when it is unmapped. Only for the functions named _unsafe, and not in
	 * PGW_VMA_HUGETLB VMAs: -PGW_EINVAL, before pre_vma. next is as for pte_entry.
	 */
	int (*install_pte)(uint64_t addr, uint64_t next, uint64_t *ret, struct pgw_mm_walk *walk);
	/** Before the tables of a VMA; not 0 ends the walk, without post_vma. */
	int (*pre_vma)(uint64_t start, uint64_t end, struct pgw_mm_walk *walk);
	/**
	 * After them, also if the walk of the VMA failed. A holder of the
	 * mmap lock for write may unmap the VMA here.
	 */
	void (*post_vma)(struct pgw_mm_walk *walk);
	enum pgw_walk_lock walk_lock;
};

/** One walk. Callbacks may read all of it and write action. */
struct pgw_mm_walk {
	const struct pgw_mm_walk_ops *ops;
	struct pgw_mm *mm;
	struct pgw_vma *vma; /**< the VMA that is walked; NULL in gaps and in walks without VMAs */
	const struct pgw_root *root; /**< the alternative root, or NULL */
	enum pgw_walk_action action;
	bool no_vma;
	void *arg;              /**< the caller's (Linux: private) */
	uint64_t nr_tables;     /**< tables visited so far */
	uint64_t nr_malformed;  /**< malformed entries met above the lowest level */
	uint64_t nr_unreadable; /**< ranges of slots that could not be read */
	uint64_t nr_torn;       /**< live mms: ranges of slots that changed while they were read */
};

/**
 * Walk the tables of a range without looking at VMAs.
 *
 * The rule: on a user mm the mmap lock must be held for write, because munmap
 * frees tables under a downgraded lock; on a kernel mm holding it for read is
 * enough, because kernel tables are normally not freed. What frees them all
 * the same is the caller's to exclude.
 *
 * @param root another root to start from, or NULL for the mm's
 * @param arg  for the callbacks, as walk->arg
 * @return 0, a callback's value, -PGW_EINVAL, -PGW_EPERM (the rule was broken
 *         and the violation handler returned), -PGW_E2BIG (the budget of table
 *         visits ran out; foreign tables only)
 */
PGW_API int pgw_walk_page_range_novma(struct pgw_mm *mm, uint64_t start, uint64_t end,
				      const struct pgw_mm_walk_ops *ops,
				      const struct pgw_root *root, void *arg)
	PGW_REQUIRES_SHARED(mm);

/**
 * Walk a range of a kernel mm that the caller owns, so that nobody frees its
 * tables. Needs the kernel mm's mmap lock at least for read.
 * @param kernel_mm a user mm gives -PGW_EINVAL
 * @return as pgw_walk_page_range_novma()
 */
PGW_API int pgw_walk_kernel_page_table_range(struct pgw_mm *kernel_mm, uint64_t start, uint64_t end,
					     const struct pgw_mm_walk_ops *ops,
					     const struct pgw_root *root, void *arg)
	PGW_REQUIRES_SHARED(kernel_mm);

/** The same for a caller whom nobody can disturb: no lock is looked at. */
PGW_API int pgw_walk_kernel_page_table_range_lockless(struct pgw_mm *kernel_mm, uint64_t start,
						      uint64_t end,
						      const struct pgw_mm_walk_ops *ops,
						      const struct pgw_root *root, void *arg);

/**
 * Walk ranges that the caller does not own, as a dump does. Needs the mm's
 * mmap lock for write and, on a user mm, its kernel mm's for write as well; of an mm that keeps
 * the rule of Linux 6.8 (enum pgw_rules) the kernel mm's own for read, and with a user mm none.
 *
 * The range may cross from the user's region into the kernel's if the mm has a
 * kernel mm; the addresses between the halves are one hole of depth -1.
 * @return as pgw_walk_page_range_novma()
 */
PGW_API int pgw_walk_page_range_debug(struct pgw_mm *mm, uint64_t start, uint64_t end,
				      const struct pgw_mm_walk_ops *ops,
				      const struct pgw_root *root, void *arg)
	PGW_REQUIRES(mm, pgw_mm_kernel_mm(mm));

/**
 * Walk a range of an owned user mm, or of a snapshot that was given VMAs (pgw_mm_give_vma()),
 * through its VMAs: the lock keeps each VMA
 * and with it the VMA's tables. What lies between VMAs is one pte_hole of depth
 * -1 for each gap, answered from the VMAs alone: tables there may be about to
 * be freed, and are not looked at.
 *
 * With pte_entry (or pmd_entry, for what is above), leaves are split on the
 * way down, unless a callback says PGW_ACTION_CONTINUE. Lowest tables may be
 * freed under the VMA by others (pgw_mm_dontneed()): their entry is evaluated
 * again then. A snapshot's tables are never changed: leaves are not split, pte_entry is not
 * called for large ones, and what is malformed stays; its VMAs count as locked, and
 * hugetlb_entry is not called.
 *
 * Locking: ops->walk_lock; PGW_WALK_VMA_RDLOCK_VERIFY is refused, as it does not keep the next VMA.
 * @return 0, a callback's value, -PGW_EINVAL (also: not a user mm that has VMAs;
 *         install_pte for a snapshot),
 *         -PGW_EPERM, -PGW_ENOMEM (a leaf could not be split)
 */
PGW_API int pgw_walk_page_range(struct pgw_mm *mm, uint64_t start, uint64_t end,
				const struct pgw_mm_walk_ops *ops, void *arg)
	PGW_REQUIRES_SHARED(mm);

/**
 * The same for a part of one VMA; no test_walk.
 * @return as pgw_walk_page_range(); -PGW_EINVAL if the range is not inside the VMA
 */
PGW_API int pgw_walk_page_range_vma(struct pgw_vma *vma, uint64_t start, uint64_t end,
				    const struct pgw_mm_walk_ops *ops, void *arg);

/** The same for the whole of one VMA; no test_walk. */
PGW_API int pgw_walk_page_vma(struct pgw_vma *vma, const struct pgw_mm_walk_ops *ops, void *arg);

/**
 * pgw_walk_page_range() and pgw_walk_page_range_vma() with install_pte, for
 * those who know what they put into others' tables: nothing here asks whether
 * the VMA allows it.
 * @return also -PGW_ENOMEM, -PGW_EOVERFLOW (of a table; what was installed stays)
 */
PGW_API int pgw_walk_page_range_mm_unsafe(struct pgw_mm *mm, uint64_t start, uint64_t end,
					  const struct pgw_mm_walk_ops *ops, void *arg)
	PGW_REQUIRES_SHARED(mm);
PGW_API int pgw_walk_page_range_vma_unsafe(struct pgw_vma *vma, uint64_t start, uint64_t end,
					   const struct pgw_mm_walk_ops *ops, void *arg);

/**
 * Walk pages of a file in all VMAs, of any mms, that show them: nr pages from
 * first on, each VMA's part of them as pgw_walk_page_range_vma(), in the order of
 * the VMAs' first pages. walk->mm changes with walk->vma.
 *
 * The i_mmap lock keeps the VMAs and their tables, so no mmap lock is needed,
 * and ops->walk_lock is not looked at. Leaves may be split on the way, come and go
 * meanwhile. Callbacks may not call into an mm nor change VMAs.
 *
 * test_walk gets all addresses of a VMA, not only those that are going to be walked. A
 * positive value ends the whole walk, which returns 0; so does a
 * PGW_VMA_PFNMAP VMA without test_walk, after its pte_hole.
 *
 * Locking: the mapping's i_mmap lock in any mode.
 * @return 0, a callback's value, -PGW_EINVAL, -PGW_EPERM, -PGW_ENOMEM (a leaf could not be split)
 */
PGW_API int pgw_walk_page_mapping(struct pgw_mapping *mapping, uint64_t first, uint64_t nr,
				  const struct pgw_mm_walk_ops *ops, void *arg)
	PGW_REQUIRES_SHARED(mapping);

/* ---- one page ---- */

/** What pgw_page_walk_start() shall find beside ordinary pages. */
enum pgw_page_walk_flag {
	PGW_PAGE_WALK_ZERO = 1 << 0,      /**< pages of zeroes that all share */
	PGW_PAGE_WALK_MIGRATION = 1 << 1, /**< entries of pages that are being moved */
};

/** A page, and the slot that says so, which cannot change. */
struct pgw_page_walk {
	uint64_t pa; /**< of the page, not of the leaf; of one being moved, what its owner says */
	uint64_t entry; /**< in the slot; hardware may add to its accessed and dirty states */
	uint64_t *item; /**< the slot of va; of a contiguous run, one of several */
	uint8_t level; /**< of the table that the slot is in: 0, as Linux's pte, 1 pmd, 2 pud, 3 p4d */
	uint8_t size_lg2; /**< of the leaf or run; of an entry that is not valid, what the slot spans */
	uint8_t kind;     /**< enum pgw_page_kind */
	struct pgw_ptdesc *desc; /* of the table, whose lock is held */
};

/**
 * Find the page that a VMA maps at an address (Linux: folio_walk_start()), and keep
 * it: the lock of the table that the slot is in is held until pgw_page_walk_end(), so
 * nobody unmaps, splits or changes it. No reference is taken. Meanwhile the thread
 * must not wait for long nor call into the mm.
 *
 * What is no ordinary page is for the VMA's owner to say (page_kind of struct
 * pgw_vma_ops), and is not found unless a flag asks for it.
 *
 * Locking: the mmap lock of the VMA's mm, in any mode.
 * @param flags enum pgw_page_walk_flag
 * @return 0; or with no lock held and *ret as it was: -PGW_ENOENT (nothing there, or nothing of
 *         these kinds), -PGW_EINVAL (va is not in the VMA), -PGW_EPERM
 */
PGW_API int pgw_page_walk_start(struct pgw_vma *vma, uint64_t va, uint32_t flags,
				struct pgw_page_walk *ret);
/** Give back what pgw_page_walk_start() found: once, by the same thread. */
PGW_API void pgw_page_walk_end(const struct pgw_page_walk *walk, struct pgw_vma *vma);

/** Read a slot that others may be changing: one atomic load. */
PGW_API uint64_t pgw_item_load(const uint64_t *item);

#ifdef __cplusplus
}
#endif

#endif
