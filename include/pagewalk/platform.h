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
struct pgw_mmap_lock;

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

/**
 * What the library knows about a thread: the locks it holds. One for each
 * thread, all zero at first, owned by the embedder; only its thread uses it.
 */
struct pgw_thread {
	struct {
		const struct pgw_mmap_lock *lock;
		enum pgw_lock_mode mode;
	} held[PGW_MAX_HELD];
	uint32_t nr_held;
};

/** Whose tables an mm walks, and so what its lock is. */
enum pgw_mm_kind {
	PGW_MM_OWNED,    /**< this process's: the lock is real */
	PGW_MM_SNAPSHOT, /**< a dump's: nothing can change, every lock counts as held */
	_PGW_MM_KIND_MAX,
};

/** The rules whose breach is reported. */
enum pgw_rule {
	PGW_RULE_NOVMA_USER_WRITE,     /**< a user mm walked without VMAs needs its mmap lock for write */
	PGW_RULE_NOVMA_KERNEL_READ,    /**< a kernel mm walked needs its mmap lock at least for read */
	PGW_RULE_DEBUG_WRITE,          /**< a debug walk needs the mm's mmap lock for write */
	PGW_RULE_DEBUG_KERNEL_WRITE,   /**< ... and its kernel mm's for write */
	PGW_RULE_MMAP_LOCKED,          /**< the caller must hold the mmap lock */
	PGW_RULE_MMAP_WRITE_LOCKED,    /**< the caller must hold the mmap lock for write */
	PGW_RULE_MMAP_RECURSION,       /**< a thread may take an mmap lock only once */
	PGW_RULE_MMAP_NOT_HELD,        /**< unlock or downgrade of a lock that the thread does not hold so */
	PGW_RULE_MMAP_TOO_MANY,        /**< a thread may hold at most PGW_MAX_HELD locks */
	_PGW_RULE_MAX,
};

/** One breach of a rule. Valid during the call of the handler only. */
struct pgw_violation {
	enum pgw_rule rule;
	const char *rule_name;    /**< e.g. "novma-user-write" */
	const char *rule_text;    /**< one sentence */
	const char *function;     /**< the function that was called wrongly */
	const struct pgw_mm *mm;
	enum pgw_mm_kind kind;
	enum pgw_half half;
	enum pgw_lock_mode mode;  /**< how the calling thread holds the lock */
	bool lock_taken;          /**< somebody holds it */
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
	/** Zeroed memory for an object, aligned for any type; NULL if there is none. */
	void *(*obj_alloc)(void *ctx, size_t size);
	void (*obj_free)(void *ctx, void *obj, size_t size);

	/**
	 * Tables' virtual address minus their physical address, modulo 2^64: a
	 * linear map. 0 where they are the same.
	 */
	uint64_t table_offset;

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

	/** The calling thread's struct pgw_thread; never NULL. */
	struct pgw_thread *(*current)(void *ctx);

	/**
	 * A locking rule was broken. If it returns, the function that was
	 * called wrongly does nothing and returns -PGW_EPERM (-PGW_EDEADLK for
	 * recursion).
	 */
	void (*violation)(void *ctx, const struct pgw_violation *violation);
};

/** The name of a lock mode, e.g. "read"; static. */
PGW_API const char *pgw_lock_mode_name(enum pgw_lock_mode mode);

#ifdef __cplusplus
}
#endif

#endif
