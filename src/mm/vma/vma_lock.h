/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MM_VMA_LOCK_H
#define MM_VMA_LOCK_H

/*
 * A VMA's own lock: many readers, which never wait, or the writer, who is the
 * holder of the mmap lock for write and waits for readers to leave.
 *
 * The trick is that nobody unlocks after write: a VMA is locked for write while
 * its lock_seq equals its mm's vma_seq, and unlocking or downgrading the mmap
 * lock changes the mm's, which ends the write locks of all VMAs at once.
 */

#include "base/step.h"
#include "mm/mm_priv.h"

/** Bits of struct pgw_vma's lock. */
#define VMA_LOCK_DETACHED (UINT32_C(1) << 31) /* nobody can lock it any more; never cleared */
#define VMA_LOCK_WRITER (UINT32_C(1) << 30)   /* the writer waits for readers to leave */
#define VMA_LOCK_READERS                                                                           \
	(VMA_LOCK_WRITER - 1) /* how many hold it, or are about to find that they may not */

/** A new VMA: not locked, not detached. vma->mm is set. Before others can find it. */
void vma_lock_init(struct pgw_vma *vma);

/** Try to lock for read; the caller is a reader or holds the mmap lock. Never waits. */
bool vma_lock_read_try(struct pgw_vma *vma);
void vma_lock_read_unlock(struct pgw_vma *vma);

/**
 * Lock for write: waits until readers have left, so the caller must not be one
 * of them. The mmap lock is held for write. Again is harmless.
 */
void vma_lock_write(struct pgw_vma *vma);

/** Nobody can lock it any more, for ever. It is locked for write. */
void vma_lock_detach(struct pgw_vma *vma);

/** By whoever holds the mmap lock for write. */
bool vma_lock_is_write_locked(const struct pgw_vma *vma);
/** By anybody. Also true for the moment in which somebody finds that it may not. */
bool vma_lock_is_read_locked(const struct pgw_vma *vma);

/** All VMAs of the mm are no longer locked for write: before the mmap lock is unlocked or downgraded. */
static inline void vma_lock_end_writes(struct pgw_mm *mm)
{
	/* Nobody else changes it: no read-modify-write is needed. */
	step_store_n(&mm->vma_seq, mm->vma_seq + 1, __ATOMIC_RELEASE);
}

#endif
