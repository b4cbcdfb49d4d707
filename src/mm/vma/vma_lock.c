/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/vma/vma_lock.h"

#include "base/bits.h"
#include "base/step.h"

/*
 * The word counts readers and is changed by read-modify-writes only, which make
 * one release sequence. Its writer bit stands only while a writer waits; the
 * time of the write lock itself is that in which the two sequence numbers are
 * equal. A reader that adds itself either comes before the writer bit, and is
 * waited for; or finds it, and gives up; or comes after it, and so
 *
 * - sees lock_seq as the writer stored it, and vma_seq not older than that;
 * - if vma_seq is newer, sees (release by vma_lock_end_writes, acquire) what
 *   was done under the write lock, the detached bit too.
 *
 * Hence the order in vma_lock_read_try(): add, look at the numbers, then at the
 * detached bit. The detached bit alone, before adding, is not enough: the VMA can
 * be detached, and the write locks ended, between two steps of the reader.
 *
 * The numbers have 64 bits and start at 0, so that they never come round: were
 * a number to come back, VMAs locked long ago would look locked for write
 * although their readers had never been waited for.
 */

void vma_lock_init(struct pgw_vma *vma)
{
	/* The number that has just passed: it is never the mm's again. */
	step_store_n(&vma->lock_seq, step_load_n(&vma->mm->vma_seq, __ATOMIC_RELAXED) - 1,
		     __ATOMIC_RELAXED);
	step_store_n(&vma->lock, 0, __ATOMIC_RELAXED);
}

bool vma_lock_is_write_locked(const struct pgw_vma *vma)
{
	uint64_t lock_seq = step_load_n(&vma->lock_seq, __ATOMIC_RELAXED);

	return lock_seq == step_load_n(&vma->mm->vma_seq, __ATOMIC_ACQUIRE);
}

bool vma_lock_is_read_locked(const struct pgw_vma *vma)
{
	return step_load_n(&vma->lock, __ATOMIC_RELAXED) & VMA_LOCK_READERS;
}

/* Add a reader, unless there are as many as can be counted, or nobody may. */
static PGW_ALWAYS_INLINE bool reader_add(struct pgw_vma *vma)
{
	uint32_t word = step_load_n(&vma->lock, __ATOMIC_RELAXED);

	do {
		if (word >= VMA_LOCK_READERS)
			return false;
	} while (!step_compare_exchange_n(&vma->lock, &word, word + 1, true, __ATOMIC_ACQUIRE,
					  __ATOMIC_RELAXED));
	return true;
}

bool vma_lock_read_try(struct pgw_vma *vma)
{
	/* Early, so that readers do not disturb each other for nothing. */
	if (vma_lock_is_write_locked(vma) || !reader_add(vma))
		return false;
	if (pgw_likely(!vma_lock_is_write_locked(vma) &&
		       !(step_load_n(&vma->lock, __ATOMIC_RELAXED) & VMA_LOCK_DETACHED)))
		return true;
	vma_lock_read_unlock(vma);
	return false;
}

void vma_lock_read_unlock(struct pgw_vma *vma)
{
	/* Once the reader has left, the VMA may be freed; and wake() gets an address, no more. */
	const struct pgw_platform *platform = vma->mm->platform;
	uint32_t word = step_fetch_sub(&vma->lock, 1, __ATOMIC_RELEASE) - 1;

	if (pgw_unlikely((word & ~VMA_LOCK_DETACHED) == VMA_LOCK_WRITER))
		platform->wake(platform->ctx, &vma->lock);
}

void vma_lock_write(struct pgw_vma *vma)
{
	const struct pgw_platform *platform = vma->mm->platform;
	uint32_t word;

	if (vma_lock_is_write_locked(vma))
		return;
	word = step_or_fetch(&vma->lock, VMA_LOCK_WRITER, __ATOMIC_ACQUIRE);
	while (word & VMA_LOCK_READERS) {
		platform->park(platform->ctx, &vma->lock, word);
		word = step_load_n(&vma->lock, __ATOMIC_ACQUIRE);
	}
	step_store_n(&vma->lock_seq, step_load_n(&vma->mm->vma_seq, __ATOMIC_RELAXED),
		     __ATOMIC_RELAXED);
	step_fetch_and(&vma->lock, ~VMA_LOCK_WRITER, __ATOMIC_RELEASE);
}

void vma_lock_detach(struct pgw_vma *vma)
{
	step_fetch_or(&vma->lock, VMA_LOCK_DETACHED, __ATOMIC_RELAXED);
}
