/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_VMA_H
#define PAGEWALK_VMA_H

/**
 * @file
 * VMAs of an owned user mm, and the operations that map and unmap by them.
 * What several VMAs, of any mms, show of one file is in mapping.h.
 *
 * A VMA is a range of addresses of one meaning. Ranges of VMAs are half-open
 * (start, end), as in Linux, and aligned to the format's smallest leaf.
 *
 * A VMA in the mm's tree never changes its range, its flags or anything else
 * that a reader looks at: what splits, merges or changes VMAs puts new ones in
 * the place of the old, which are then detached. Pointers to VMAs are good
 * while the mmap lock is held, or the VMA's own lock, or, for looking only,
 * between pgw_reader_enter() and pgw_reader_leave().
 *
 * Functions that take the mmap lock themselves must be called without it;
 * those named _locked need it as they say. docs/locking.md has the whole rule.
 */

#include <pagewalk/edit.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_vma;

enum pgw_vma_flag {
	PGW_VMA_READ = 1 << 0,
	PGW_VMA_WRITE = 1 << 1,
	PGW_VMA_EXEC = 1 << 2,
	PGW_VMA_SHARED = 1 << 3,
	PGW_VMA_PFNMAP = 1 << 4, /**< frames that nobody counts; walkers skip it, see test_walk */
	PGW_VMA_LOCKED = 1 << 5, /**< populated when mapped; never given up by pgw_mm_dontneed() */
	PGW_VMA_GROWSDOWN = 1 << 6, /**< pgw_mm_expand() may move its start down */
	PGW_VMA_HUGETLB =
		1 << 7, /**< leaves of one size only, larger than the smallest: see page_lg2 */
	_PGW_VMA_ALL = 0xff,
};

/** A fault to be resolved: what is wanted, and the owner's answer. */
struct pgw_fault {
	uint64_t va;       /**< in: of the access; PGW_VMA_HUGETLB: of the page */
	uint8_t access;    /**< in: PGW_VMA_READ, _WRITE or _EXEC */
	uint8_t max_level; /**< in: the largest leaf that would fit, by its level */
	uint8_t page_lg2;  /**< in: PGW_VMA_HUGETLB: log2 of the page's size; pa is aligned to it */
	uint64_t pgoff;    /**< in: of the page, as in struct pgw_vma */
	/**
	 * in: a leaf is there that lacks the right, and pa is the page's frame. To
	 * answer with that frame is to give the right, and no frame more.
	 */
	bool is_mapped;

	uint64_t pa; /**< out: the frame, aligned to the leaf */
	uint8_t level; /**< out: of the leaf; at most max_level; 0 unless set. Not for PGW_VMA_HUGETLB */
	uint64_t attrs; /**< out: further bits of the entry, as in struct pgw_leaf */
	bool read_only; /**< out: without the right to write, whatever the VMA says */
};

/** What an entry of a table stands for. */
enum pgw_page_kind {
	PGW_PAGE_NORMAL,    /**< a leaf: a page of the owner's */
	PGW_PAGE_ZERO,      /**< a leaf: a page of zeroes that all share */
	PGW_PAGE_MIGRATING, /**< not valid: a page that is being moved to another frame */
	PGW_PAGE_SPECIAL,   /**< nothing that anybody should look at */
};

/** What backs a VMA. All members are optional. */
struct pgw_vma_ops {
	/**
	 * Supply a frame. Called with the VMA's lock or the mmap lock held for
	 * read, by several threads at once; a frame that lost a race against
	 * another fault is given back by release.
	 * @return 0, or a negative pgw_status, which the access gets; without
	 *         this member -PGW_EFAULT
	 */
	int (*fault)(struct pgw_vma *vma, struct pgw_fault *fault);
	/**
	 * Frames were unmapped, and no TLB knows them any more: they may be
	 * used for something else. Not called for PGW_VMA_PFNMAP.
	 */
	void (*release)(struct pgw_vma *vma, const struct pgw_frames *frames);
	/** There is one more VMA of this kind (a split); may refuse with a negative pgw_status. */
	int (*open)(struct pgw_vma *vma);
	/** There is one less; the last call for this VMA. */
	void (*close)(struct pgw_vma *vma);
	/**
	 * What a leaf, or an entry that is not valid and not empty, is: asked by
	 * pgw_page_walk_start(), with the table's lock held, so it must not call
	 * into the mm. Without this member every leaf is normal (in a PGW_VMA_PFNMAP
	 * VMA, special; it is not asked there) and what is not valid is special.
	 * @param pa in: of the page, 0 if not valid; out: of a page that is being
	 *           moved, if the owner knows it
	 */
	enum pgw_page_kind (*page_kind)(struct pgw_vma *vma, uint64_t entry, unsigned level,
					uint64_t *pa);
};

/** A VMA. Read by everybody as said above; written by the library only. */
struct pgw_vma {
	uint64_t start; /**< inclusive */
	uint64_t end;   /**< exclusive */
	uint32_t flags; /**< enum pgw_vma_flag */
	/** of start in what backs it, in smallest leaves; neighbours merge only if it goes on */
	uint64_t pgoff;
	const struct pgw_vma_ops *ops; /**< or NULL */
	void *private_data;
	struct pgw_mapping *mapping; /**< of the file that backs it, or NULL; see mapping.h */
	struct pgw_mm *mm;

	/** PGW_VMA_HUGETLB: log2 of the bytes of all its leaves, start and end are aligned to it; else 0 */
	uint8_t page_lg2;

	uint32_t hugetlb_lock; /* see pgw_hugetlb_vma_lock_read() */
	uint64_t lock_seq;     /* equal to the mm's: locked for write; see src/mm/vma/vma_lock.c */
	uint32_t lock;         /* readers, and whether it is detached; see src/mm/vma/vma_lock.c */
	bool paired;           /* in a list, below: another one goes or comes for it */
	struct pgw_deferred deferred;
	struct pgw_vma *next; /* in a list of VMAs that come or go; see src/mm/vma/vma_change.c */
};

/* ---- finding ---- */

/**
 * The first VMA that ends above va, or NULL; va may lie before it.
 * Locking: the mmap lock in any mode, or a reader (pgw_reader_enter()).
 */
PGW_API struct pgw_vma *pgw_vma_find(struct pgw_mm *mm, uint64_t va);
/** The VMA that holds va, or NULL. Locking: as pgw_vma_find(). */
PGW_API struct pgw_vma *pgw_vma_lookup(struct pgw_mm *mm, uint64_t va);
/** The number of VMAs. Locking: the mmap lock in any mode. */
PGW_API size_t pgw_vma_count(struct pgw_mm *mm) PGW_REQUIRES_SHARED(mm);

/* ---- a VMA's own lock ---- */

/**
 * Lock the VMA that holds va for read, without the mmap lock. Never waits.
 * While it is held nobody detaches the VMA.
 * @return the VMA, to be given to pgw_vma_read_unlock(); NULL if there is none
 *         or somebody is changing it: take the mmap lock instead
 */
PGW_API struct pgw_vma *pgw_vma_read_lock(struct pgw_mm *mm, uint64_t va);
PGW_API void pgw_vma_read_unlock(struct pgw_vma *vma);

/**
 * Lock a VMA for write: wait for its readers, and keep new ones out until the
 * mmap lock is unlocked or downgraded. There is no unlock. Again is harmless.
 * Locking: the mmap lock for write.
 * @return 0 or -PGW_EPERM
 */
PGW_API int pgw_vma_write_lock(struct pgw_vma *vma);

/**
 * Assert that the VMA is locked: for write by the mmap lock's holder, or for
 * read. (Whose read lock it is is not known, as in Linux: somebody's.)
 * @return 0, or -PGW_EPERM after a violation whose handler returned
 */
PGW_API int pgw_vma_assert_locked(const struct pgw_vma *vma);
PGW_API int pgw_vma_assert_write_locked(const struct pgw_vma *vma);

/**
 * The second lock of a PGW_VMA_HUGETLB VMA: while it is held for read, no page of
 * the VMA goes. A walk holds it around hugetlb_entry; a callback may release it, and take it
 * again before it returns: the slot may have changed then. pgw_mm_dontneed() takes it for write.
 * (Linux's keeps shared tables, too. Here no mms share them.)
 * Locking: the VMA's own, or the mmap lock. Not recursive.
 */
PGW_API void pgw_hugetlb_vma_lock_read(struct pgw_vma *vma);
PGW_API void pgw_hugetlb_vma_unlock_read(struct pgw_vma *vma);

/* ---- operations; they take the locks that they need ---- */

struct pgw_mmap_args {
	uint64_t start, end;
	uint32_t flags;   /**< enum pgw_vma_flag */
	uint8_t page_lg2; /**< with PGW_VMA_HUGETLB, and only then: a size of leaves or runs (log2) */
	uint64_t pgoff;
	/** borrowed as long as there are VMAs with it; NULL: the mapping's, or none */
	const struct pgw_vma_ops *ops;
	void *private_data;
	/** the VMA shows this file, from page pgoff on; borrowed as long as there are VMAs with it; or NULL */
	struct pgw_mapping *mapping;
};

/**
 * Make a VMA. It merges with neighbours of the same flags, ops, private_data
 * and mapping whose pgoff goes on; open and close are called as VMAs come and
 * go. With PGW_VMA_LOCKED its pages are faulted in, best effort.
 *
 * Nothing is unmapped: what is in the way is an error.
 * A PGW_VMA_HUGETLB VMA has pages of one size: faults map no other, whatever splits or changes a
 * part of one is -PGW_EINVAL, and walks go through it by hugetlb_entry. It is neither
 * PGW_VMA_PFNMAP nor _GROWSDOWN, and shows no file.
 *
 * @return 0, -PGW_EINVAL (range not aligned, empty or outside the region; unknown
 *         flags, or such that do not go together; no such page size; a mapping of another platform
 *         or page size), -PGW_EEXIST (a VMA is in the way), -PGW_ENOMEM,
 *         -PGW_EOPNOTSUPP (not an owned user mm), -PGW_EDEADLK, or what open returned
 */
PGW_API int pgw_mm_mmap(struct pgw_mm *mm, const struct pgw_mmap_args *args) PGW_EXCLUDES(mm);

/**
 * Tell a snapshot of a VMA that whoever had the address space had there: walks through VMAs
 * (pgw_walk_page_range()) go by it. Nothing is mapped. VMAs may be told in any order; neighbours
 * merge as those of pgw_mm_mmap() do, so not if their private_data differ.
 *
 * Nobody may use the mm meanwhile. @param args no page_lg2, ops, mapping, nor PGW_VMA_HUGETLB
 * @return 0, -PGW_EINVAL (as pgw_mm_mmap(), or such args), -PGW_EEXIST, -PGW_ENOMEM,
 *         -PGW_EOPNOTSUPP (not a snapshot of a user mm)
 */
PGW_API int pgw_mm_give_vma(struct pgw_mm *mm, const struct pgw_mmap_args *args);

/**
 * Unmap a range: VMAs, leaves, and the tables that nobody needs any more.
 * Holes in it are fine. The mmap lock is held for write only until the VMAs
 * are detached, then downgraded. Nothing has changed if it fails.
 * @return 0, -PGW_EINVAL, -PGW_ENOMEM, -PGW_EOPNOTSUPP, -PGW_EDEADLK, or what open (of a split) returned
 */
PGW_API int pgw_mm_munmap(struct pgw_mm *mm, uint64_t start, uint64_t end) PGW_EXCLUDES(mm);
/** The same by a holder of the mmap lock for write, who keeps it; no downgrade. */
PGW_API int pgw_mm_munmap_locked(struct pgw_mm *mm, uint64_t start, uint64_t end) PGW_REQUIRES(mm);

/**
 * Give all VMAs of a range these of PGW_VMA_READ, _WRITE, _EXEC; split and
 * merge them; change the leaves that exist (write is taken away at once, and
 * given by the next fault).
 * @return 0, -PGW_EINVAL, -PGW_ENOENT (a hole in the range), -PGW_ENOMEM,
 *         -PGW_EOPNOTSUPP, -PGW_EDEADLK, or what open returned; nothing has changed then
 */
PGW_API int pgw_mm_mprotect(struct pgw_mm *mm, uint64_t start, uint64_t end, uint32_t flags)
	PGW_EXCLUDES(mm);

/** What pgw_mm_mremap() needs. */
struct pgw_mremap_args {
	uint64_t start, end; /**< a part of one VMA, or all of it */
	uint64_t new_start,
		new_end; /**< from the same start, or elsewhere: apart from the old range */
};

/**
 * Let a range be elsewhere, or larger or smaller: what is mapped goes along, page by page as far as
 * both ranges go, with its accessed and dirty bits, its guards, and its place in what backs the
 * VMA. What lies behind is unmapped. Whole tables are moved where both ranges are aligned to what
 * they span; leaves are split where they are not. In place a range grows at the end of its VMA.
 * open is called for the VMA at the new place, close for the old one, if nothing is left of it.
 *
 * Nothing is unmapped at the new place: what is in the way is an error. Under the mmap lock for
 * write. Nothing has changed if it fails, but leaves may have become smaller ones.
 * @return 0, -PGW_EINVAL (ranges not aligned, empty or outside the region, or that overlap; of more
 *         than one VMA; a PGW_VMA_PFNMAP or _HUGETLB VMA that would grow; a part of a large page;
 *         growth in place from inside a VMA), -PGW_ENOENT (no VMA there), -PGW_EEXIST, -PGW_ENOMEM,
 *         -PGW_EOVERFLOW (of a table), -PGW_EOPNOTSUPP, -PGW_EDEADLK, or what open returned
 */
PGW_API int pgw_mm_mremap(struct pgw_mm *mm, const struct pgw_mremap_args *args) PGW_EXCLUDES(mm);

/** Move the start of a PGW_VMA_GROWSDOWN VMA down to va's page. @return 0, -PGW_ENOENT, -PGW_ENOMEM, -PGW_EEXIST … */
PGW_API int pgw_mm_expand(struct pgw_mm *mm, uint64_t va) PGW_EXCLUDES(mm);

/**
 * Resolve a fault: under the VMA's lock if it can be had, else the mmap lock
 * for read. A leaf that is there already and allows the access is fine.
 * @param access PGW_VMA_READ, _WRITE or _EXEC
 * @return 0, -PGW_EFAULT (no VMA, or it does not allow the access, or nothing
 *         supplies a frame, or the file has no such page), -PGW_EACCES (a guarded page), -PGW_ENOMEM,
 *         -PGW_EINVAL, -PGW_EDEADLK, or what the VMA's fault returned
 */
PGW_API int pgw_mm_fault(struct pgw_mm *mm, uint64_t va, uint32_t access) PGW_EXCLUDES(mm);

/**
 * Fault in every page of a range that is not mapped, under the mmap lock for read.
 * @return 0; -PGW_ENOENT (a hole; what lies before it is done); or as pgw_mm_fault()
 */
PGW_API int pgw_mm_populate(struct pgw_mm *mm, uint64_t start, uint64_t end) PGW_EXCLUDES(mm);

/**
 * Drop the leaves of a range, but keep the VMAs: the next access faults. Guards stay. Lowest
 * tables that become empty are freed, under the VMAs that use them: walkers
 * have to expect that. Under the mmap lock for read. A range that ends inside a page of a
 * PGW_VMA_HUGETLB VMA ends before it.
 * @return 0, -PGW_EINVAL (also: a PGW_VMA_LOCKED VMA; a start inside such a page),
 *         -PGW_ENOENT (a hole; the rest is done),
 *         -PGW_ENOMEM (a leaf that sticks out could not be split; nothing is dropped, unless
 *         others faulted it in meanwhile), -PGW_EOPNOTSUPP, -PGW_EDEADLK
 */
PGW_API int pgw_mm_dontneed(struct pgw_mm *mm, uint64_t start, uint64_t end) PGW_EXCLUDES(mm);

/**
 * Guard the pages of a range (Linux: MADV_GUARD_INSTALL): what is mapped there is dropped as by
 * pgw_mm_dontneed(), and each access gives -PGW_EACCES, until the guards are removed or
 * unmapped. They cost no VMA, only an entry that is not valid in each slot; pgw_mm_dontneed(),
 * pgw_mm_mprotect() and a split of the VMA leave them. Guarding what is guarded is fine. Under the
 * mmap lock for read; for write if others keep faulting pages in meanwhile.
 * @return 0, -PGW_EINVAL (also: a VMA with PGW_VMA_PFNMAP, _LOCKED or _HUGETLB; nothing is done),
 *         -PGW_ENOENT (a hole; the rest is done), -PGW_ENOMEM or -PGW_EOVERFLOW (of a table;
 *         a part is done), -PGW_EOPNOTSUPP, -PGW_EDEADLK
 */
PGW_API int pgw_mm_guard_install(struct pgw_mm *mm, uint64_t start, uint64_t end) PGW_EXCLUDES(mm);
/**
 * Take the guards of a range away: the next access faults. What else is there stays.
 * @return as pgw_mm_guard_install(), but PGW_VMA_LOCKED is fine
 */
PGW_API int pgw_mm_guard_remove(struct pgw_mm *mm, uint64_t start, uint64_t end) PGW_EXCLUDES(mm);
/** What stands in the slot of a guarded page, at the lowest level: for callbacks of walks. */
PGW_API uint64_t pgw_mm_guard_entry(const struct pgw_mm *mm);

/**
 * Report the leaves of a range whose accessed or dirty bits are set, and clear
 * these if asked to, as one atomic step each; the flush comes before the return.
 * Under the mmap lock for read. fn must not call into the mm.
 * @return 0, fn's value, -PGW_EINVAL, -PGW_EOPNOTSUPP, -PGW_EDEADLK
 */
PGW_API int pgw_mm_harvest(struct pgw_mm *mm, uint64_t start, uint64_t end, uint32_t flags,
			   pgw_harvest_fn *fn, void *arg) PGW_EXCLUDES(mm);

/**
 * Check everything that can be checked: the VMA tree's order and shape, the
 * counts, no leaf outside a VMA or with more rights than it, no table that
 * should have been freed, live counts. For tests; slow.
 * Locking: the mmap lock for write.
 * @param ret_what if not NULL: what is wrong, a static string
 * @return 0, -PGW_EPERM, or -PGW_EIO: something is wrong
 */
PGW_API int pgw_mm_validate(struct pgw_mm *mm, const char **ret_what) PGW_REQUIRES(mm);

#ifdef __cplusplus
}
#endif

#endif
