/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_PLATFORM_H
#define PAGEWALK_PLATFORM_H

/**
 * @file
 * What the core needs from the program, kernel or firmware around it. The
 * core has no libc, no static data and no thread-local data. For ordinary
 * programs, hosted.h provides a platform.
 */

#include <pagewalk/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pgw_mm;
struct pgw_mapping;
struct pgw_mmap_lock;
struct pgw_platform;
struct pgw_epoch;

/** How a thread holds a lock. */
enum pgw_lock_mode {
	PGW_LOCK_NONE,
	PGW_LOCK_READ,       /**< shared */
	PGW_LOCK_WRITE,      /**< exclusive */
	PGW_LOCK_DOWNGRADED, /**< was exclusive, now shared */
	_PGW_LOCK_MODE_MAX,
};

/** The most locks that one thread may hold at once. */
#define PGW_MAX_HELD 8

/** Threads that read are told apart by so many classes: who wants to write looks at some of them. */
#define PGW_THREAD_CLASSES 31

/**
 * What the library knows about a thread: the locks it holds, and whether it is
 * a reader of what may be freed. One for each thread, all zero at first, owned
 * by the embedder; private to the library. Its memory must stay until
 * pgw_thread_exit() has returned. Best aligned to a cache line (64 bytes), and
 * in lines that no other thread writes.
 */
struct pgw_thread {
	/**
	 * The locks it holds: their addresses, and how in the lowest two bits. By this a reader announces
	 * itself, so that it need not write to the lock. Others look at it, and may change the bits
	 */
	uintptr_t slot[PGW_MAX_HELD];
	/** 8 bits for each slot, the lowest for the first: 0: free; else how the lock is held, and its rank */
	uint64_t held;
	uint32_t class_bit;    /**< of the locks' state, while the thread is known; else 0 */
	uint32_t until_sample; /**< reads that nobody counts, until one is taken for many */
	uint32_t nr_readers;   /**< pgw_reader_enter() calls that have not been left */
	/** bit n: others have counted slot n, which does not say so; another: they are looking */
	uint32_t counted;
	uint64_t reserved;
	/** 0: not a reader; else the epoch that it entered. Others look at it */
	uint64_t reader_epoch;
	struct pgw_epoch *epoch;                 /**< where the thread is known, or NULL */
	struct pgw_thread *next, *next_of_class; /**< in the epoch's lists; guarded by its guard */
};

/** Something to be done once all who are readers now have left. Part of the object concerned. */
struct pgw_deferred {
	struct pgw_deferred *next;
	void (*fn)(const struct pgw_platform *platform, struct pgw_deferred *deferred);
};

/**
 * The state of reclamation, shared by all mms and threads of a platform. All
 * zero at first; owned by the embedder; private to the library.
 */
struct pgw_epoch {
	uint64_t now;                /* from 1; changed with the guard */
	uint32_t guard;              /* of all; a sleeping lock */
	uint32_t nr_emptying;        /* bags taken whose deferred calls are not done */
	struct pgw_thread *threads;  /* all that are known */
	struct pgw_deferred *bag[2]; /* by epoch */
	struct pgw_thread *of_class[PGW_THREAD_CLASSES]; /* the same threads, by their class_bit */
	uint32_t nr_joined; /* threads that have become known: the next one's class */
	uint32_t reserved;
};

/**
 * What the library keeps about a table: Linux's ptdesc. The platform's memory,
 * one for each table that table_alloc() handed out, all zero then; it must
 * stay until the table is freed. As large as a cache line and aligned to one,
 * so that locks do not share any.
 */
struct pgw_ptdesc {
	uint32_t lock;     /* of the table's items (Linux: ptl); a sleeping lock */
	uint32_t nr_live;  /* items that are not empty; see docs/locking.md */
	uint32_t detached; /* 1: no entry points here any more; guarded by lock */
	uint8_t level;     /* of the table */
	uint8_t size_lg2;  /* of the table */
	uint16_t reserved;
	void *table;
	struct pgw_ptdesc *next;      /* in the list of a gather */
	struct pgw_deferred deferred; /* of a whole list, in its first table */
	uint64_t unused[2];
};

/** Places at which struct pgw_platform's step hook is called. */
enum pgw_step_point {
	PGW_STEP_MUNMAP_DETACHED, /**< munmap: the VMAs are gone from the tree, the lock is held for write */
	PGW_STEP_MUNMAP_DOWNGRADED, /**< ... and now for read; nothing is zapped yet */
	PGW_STEP_TABLE_UNLINKED,    /**< a table was unlinked; neither flushed nor freed */
	PGW_STEP_GATHER_FLUSHED, /**< a gather has flushed; its tables are about to be freed or deferred */
	PGW_STEP_MUNMAP_FREED, /**< munmap: the tables are freed or deferred, the lock is still held */
	PGW_STEP_WALK_TABLE, /**< a walk has read a table entry and is about to go to the table */
	PGW_STEP_WALK_SPLIT, /**< a VMA walk has split a leaf (or found it split) and not looked again */
	PGW_STEP_PTE_MAPPED,  /**< map-and-lock has its snapshot, and has not locked */
	PGW_STEP_PTE_LOCKED,  /**< map-and-lock has the table's lock, and has not looked again */
	PGW_STEP_FAULT_FOUND, /**< a fault has found its VMA by the epoch alone, and not locked it */
	PGW_STEP_SPLIT_READY, /**< a leaf's split has its table filled, and has not installed it */
	PGW_STEP_LEAF_FROZEN, /**< break-before-make: the old leaf is gone, the new entries are not there */
	PGW_STEP_MREMAP_COMMITTED, /**< mremap: the VMAs are at their new places, what is mapped is not yet */
	_PGW_STEP_MAX,
};

/** Whose tables an mm walks, and so what its lock is. */
enum pgw_mm_kind {
	PGW_MM_OWNED,    /**< this process's: the lock is real */
	PGW_MM_SNAPSHOT, /**< a dump's: nothing can change, every lock counts as held */
	/**
	 * A running machine's. The lock is real: for write it stops the machine. For read it promises
	 * nothing: tables are read and checked, and what changes meanwhile is reported as torn.
	 */
	PGW_MM_LIVE,
	_PGW_MM_KIND_MAX,
};

/** The rules whose breach is reported. */
enum pgw_rule {
	PGW_RULE_NOVMA_USER_WRITE, /**< a user mm walked without VMAs needs its mmap lock for write */
	PGW_RULE_NOVMA_KERNEL_READ, /**< a kernel mm walked needs its mmap lock at least for read */
	PGW_RULE_DEBUG_WRITE,       /**< a debug walk needs the mm's mmap lock for write */
	PGW_RULE_DEBUG_KERNEL_WRITE, /**< ... and its kernel mm's for write */
	PGW_RULE_MMAP_LOCKED,        /**< the caller must hold the mmap lock */
	PGW_RULE_MMAP_WRITE_LOCKED,  /**< the caller must hold the mmap lock for write */
	PGW_RULE_MMAP_RECURSION,     /**< a thread may take an mmap lock only once */
	PGW_RULE_MMAP_NOT_HELD, /**< unlock or downgrade of a lock that the thread does not hold so */
	PGW_RULE_MMAP_TOO_MANY, /**< a thread may hold at most PGW_MAX_HELD locks */
	/** a user mm's mmap lock is taken before any kernel mm's, and both before any i_mmap lock */
	PGW_RULE_MMAP_ORDER,
	PGW_RULE_VMA_LOCKED,       /**< the VMA must be locked, for read or for write */
	PGW_RULE_VMA_WRITE_LOCKED, /**< the VMA must be locked for write */
	PGW_RULE_HOTPLUG_ORDER,    /**< the hotplug lock is taken before any mmap lock */
	PGW_RULE_I_MMAP_LOCKED,    /**< the caller must hold the mapping's i_mmap lock */
	PGW_RULE_I_MMAP_RECURSION, /**< a thread may take an i_mmap lock only once */
	PGW_RULE_I_MMAP_NOT_HELD,  /**< unlock of an i_mmap lock that the thread does not hold so */
	_PGW_RULE_MAX,
};

/**
 * Whose rule an mm keeps for walks that do not follow VMAs: Linux's, of a release and those after
 * it. The newest is the default. They differ in debug walks (pgw_walk_page_range_debug()); other
 * walks have kept the same rule since 6.8. docs/locking.md has the history.
 */
enum pgw_rules {
	PGW_RULES_LINUX_7_2, /**< a debug walk: write, of a user mm and of its kernel mm */
	/**
	 * A debug walk of a user mm: write, and nothing of its kernel mm, whose tables may thus
	 * be freed under it; of a kernel mm: read.
	 */
	PGW_RULES_LINUX_6_8,
	_PGW_RULES_MAX,
};

/** One breach of a rule. Valid during the call of the handler only. */
struct pgw_violation {
	enum pgw_rule rule;
	const char *rule_name;   /**< e.g. "novma-user-write" */
	const char *rule_text;   /**< one sentence */
	const char *function;    /**< the function that was called wrongly */
	const struct pgw_mm *mm; /**< whose lock it is; or NULL, then: */
	const struct pgw_mapping *mapping;
	enum pgw_mm_kind kind;       /**< of the mm */
	enum pgw_region_kind region; /**< of the mm */
	enum pgw_lock_mode mode;     /**< how the calling thread holds the lock */
	bool lock_taken;             /**< somebody holds it */
};

/**
 * Registers that the library may use to read tables faster. Not free
 * everywhere: a kernel has to save them first, so it is the embedder who says.
 */
enum pgw_cpu_feature {
	PGW_CPU_AVX2 = 1 << 0, /**< x86_64 */
	PGW_CPU_NEON = 1 << 1, /**< arm64 */
};

/**
 * The hooks. Constant while any mm uses it; each hook may be called from any
 * thread. All are required but where their comment says otherwise.
 */
struct pgw_platform {
	void *ctx; /**< passed to every hook */

	/** A zeroed table of size bytes, aligned to size (a power of two); NULL if there is none. */
	void *(*table_alloc)(void *ctx, size_t size);
	void (*table_free)(void *ctx, void *table, size_t size);
	/** The ptdesc of a table that table_alloc() returned; called often. */
	struct pgw_ptdesc *(*table_desc)(void *ctx, void *table);
	/** Zeroed memory for an object, aligned for any type; NULL if there is none. */
	void *(*obj_alloc)(void *ctx, size_t size);
	void (*obj_free)(void *ctx, void *obj, size_t size);

	/**
	 * Tables' virtual address minus their physical address, modulo 2^64: a
	 * linear map. 0 where they are the same.
	 */
	uint64_t table_offset;

	/** What this CPU has and its registers may be used for: enum pgw_cpu_feature; 0 = plain C. */
	uint32_t cpu_features;
	/** For tests: scans and translations look at every table anew and remember nothing of them. */
	bool no_memo;

	/** Forget translations of first..last (inclusive) of mm. Optional: NULL where there is no TLB. */
	void (*tlb_flush)(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last);

	/**
	 * Sleep while *word == expected; may return early for no reason. The
	 * word is an atomic that others change and then wake: no wake that
	 * comes after the look at it may be lost. Spinning once will do.
	 */
	void (*park)(void *ctx, const uint32_t *word, uint32_t expected);
	/**
	 * Wake the threads that sleep on word. It is an address, no more: the
	 * word may be gone already, its memory unmapped or in other use, so it
	 * must not be read. Whoever sleeps there by now just returns early.
	 */
	void (*wake)(void *ctx, const uint32_t *word);

	/**
	 * A full memory barrier in every thread of the program (Linux: membarrier()): what each had
	 * stored before some moment of this call is visible to the caller when it returns, and what
	 * each loads after that moment is what the caller stored before the call. With it readers of the
	 * mmap lock need no barrier of their own, and who wants to write calls it, if the lock has been
	 * read for long. It must not fail, and may be called with the library's locks held. Optional.
	 */
	void (*cpu_barrier)(void *ctx);

	/** The calling thread's struct pgw_thread; never NULL. */
	struct pgw_thread *(*current)(void *ctx);

	/**
	 * The list of all threads that current() knows, and reclamation's state. With an RCU of the
	 * embedder's own (below) it may be NULL; then readers of the mmap lock share its word.
	 */
	struct pgw_epoch *epoch;
	/**
	 * An embedder's own RCU in place of the library's epochs: all four or
	 * none. reader_enter nests; defer calls deferred->fn(platform, deferred)
	 * once everybody who was a reader has left; barrier waits until that
	 * has been done for all that was deferred. Optional.
	 */
	void (*reader_enter)(void *ctx);
	void (*reader_leave)(void *ctx);
	void (*defer)(void *ctx, const struct pgw_platform *platform,
		      struct pgw_deferred *deferred);
	void (*barrier)(void *ctx);

	/**
	 * For tests and tracing: called at the places of enum pgw_step_point, with
	 * whatever locks are held there, which it must not touch. Optional.
	 */
	void (*step)(void *ctx, enum pgw_step_point step, const struct pgw_mm *mm);

	/**
	 * A locking rule was broken. If it returns, the function that was
	 * called wrongly does nothing and returns -PGW_EPERM (-PGW_EDEADLK for
	 * recursion and wrong order).
	 */
	void (*violation)(void *ctx, const struct pgw_violation *violation);
};

/**
 * Become a reader: what is freed after being unlinked (tables, VMAs) stays
 * until all who were readers then have left. Nests; cheap; a reader may sleep,
 * but delays every free. The library does it itself where it needs it.
 */
PGW_API void pgw_reader_enter(const struct pgw_platform *platform);
PGW_API void pgw_reader_leave(const struct pgw_platform *platform);

/**
 * Wait until everything that was deferred before the call is freed. The caller
 * must not be a reader, nor hold a lock that a reader may wait for.
 */
PGW_API void pgw_reclaim_barrier(const struct pgw_platform *platform);

/**
 * The calling thread will not use the library again: forget its struct
 * pgw_thread. It must hold no lock and not be a reader. The hosted platform
 * does this itself when a thread ends.
 */
PGW_API void pgw_thread_exit(const struct pgw_platform *platform);

/** The name of a lock mode, e.g. "read"; static. */
PGW_API const char *pgw_lock_mode_name(enum pgw_lock_mode mode);

#ifdef __cplusplus
}
#endif

#endif
