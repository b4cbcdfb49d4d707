/* SPDX-License-Identifier: BSD-2-Clause */

/* The mmap lock of an mm: lock.c, with breaches reported and snapshots exempt. */

#include "mm/mm_priv.h"

#include "base/bits.h"
#include "mm/lock_slots.h"
#include "mm/vma/vma_lock.h"

/* What the analysis of locks takes for granted. */
#define PRIMITIVE PGW_NO_THREAD_SAFETY_ANALYSIS

/** A snapshot cannot change: its lock is held for write, by everybody, always. */
static bool is_snapshot(const struct pgw_mm *mm)
{
	return mm->kind == PGW_MM_SNAPSHOT;
}

static PGW_ALWAYS_INLINE unsigned mm_rank(const struct pgw_mm *mm)
{
	return mm->pt.region.kind == PGW_REGION_KERNEL ? LOCK_RANK_KERNEL_MM : LOCK_RANK_USER_MM;
}

/** VMAs are locked for write no longer than the mmap lock: end that while it still is. */
static void end_vma_writes(struct pgw_mm *mm)
{
	if (mm->pt.region.kind == PGW_REGION_USER && pgw_mmap_lock_mode(mm) == PGW_LOCK_WRITE)
		vma_lock_end_writes(mm);
}

PGW_NOINLINE int mm_lock_refused(const struct pgw_mm *mm, int status, const char *function)
{
	switch (status) {
	case -PGW_EDEADLK:
		return mm_violation(mm, PGW_RULE_MMAP_RECURSION, function);
	case -PGW_EINVAL:
		return mm_violation(mm, PGW_RULE_MMAP_ORDER, function);
	case -PGW_E2BIG:
		return mm_violation(mm, PGW_RULE_MMAP_TOO_MANY, function);
	case -PGW_EPERM:
		return mm_violation(mm, PGW_RULE_MMAP_NOT_HELD, function);
	default:
		return status; /* busy: an answer, no breach */
	}
}

static PGW_ALWAYS_INLINE int outcome(const struct pgw_mm *mm, int status, const char *function)
{
	return pgw_likely(!status) ? 0 : mm_lock_refused(mm, status, function);
}

/*
 * The write lock of a live mm stops the machine. It is taken first, so that those who wait for it
 * do not keep the machine waiting, and given back last.
 */
static int pause_machine(const struct pgw_mm *mm)
{
	const struct pgw_phys *phys = mm->pt.phys;

	if (mm->kind != PGW_MM_LIVE)
		return 0;
	return phys->ops->pause ? phys->ops->pause(phys) : -PGW_EOPNOTSUPP;
}

static void resume_machine(const struct pgw_mm *mm)
{
	if (mm->kind == PGW_MM_LIVE && pgw_mmap_lock_mode(mm) == PGW_LOCK_WRITE)
		mm->pt.phys->ops->resume(mm->pt.phys);
}

/* The lock was just taken for write: what is left to do. */
PRIMITIVE static int write_locked(struct pgw_mm *mm)
{
	int err = pause_machine(mm);

	if (err)
		mmap_lock_write_unlock(&mm->lock, mm->platform);
	return err;
}

/*
 * To lock for read and to unlock, in short, for a thread that holds no other lock and is not
 * counted. What most calls do not need is apart, so that they need not save registers for it.
 */
static PGW_NOINLINE int read_lock(struct pgw_mm *mm, struct pgw_thread *thread)
{
	return outcome(mm, mmap_lock_read_by(&mm->lock, mm->platform, thread, mm_rank(mm)),
		       "pgw_mmap_read_lock");
}

static PGW_NOINLINE int read_lock_late(struct pgw_mm *mm, struct pgw_thread *thread)
{
	if (!slot_withdraw(&mm->lock, mm->platform, thread, 0))
		return read_lock(mm, thread);
	thread->held = HELD(mm_rank(mm), PGW_LOCK_READ);
	return 0;
}

static PGW_NOINLINE int read_lock_sample(struct pgw_mm *mm, struct pgw_thread *thread)
{
	thread->held = HELD(mm_rank(mm), PGW_LOCK_READ);
	slot_sample(&mm->lock, mm->platform, thread);
	return 0;
}

PRIMITIVE int pgw_mmap_read_lock(struct pgw_mm *mm)
{
	struct pgw_thread *thread;
	enum slot_outcome outcome;

	if (is_snapshot(mm))
		return 0;
	thread = mm->platform->current(mm->platform->ctx);
	if (thread->held)
		return read_lock(mm, thread);
	outcome = slot_announce(&mm->lock, mm->platform, thread, 0);
	if (outcome == SLOT_REFUSED)
		return read_lock(mm, thread);
	if (outcome == SLOT_LATE)
		return read_lock_late(mm, thread);
	if (outcome == SLOT_SAMPLE)
		return read_lock_sample(mm, thread);
	thread->held = HELD(mm_rank(mm), PGW_LOCK_READ);
	return 0;
}

PRIMITIVE int pgw_mmap_read_trylock(struct pgw_mm *mm)
{
	if (is_snapshot(mm))
		return 0;
	return outcome(mm, mmap_lock_read_try(&mm->lock, mm->platform, mm_rank(mm)), __func__);
}

static PGW_NOINLINE int read_unlock(struct pgw_mm *mm, struct pgw_thread *thread)
{
	return outcome(mm, mmap_lock_read_unlock_by(&mm->lock, mm->platform, thread),
		       "pgw_mmap_read_unlock");
}

static PGW_NOINLINE int read_left(struct pgw_mm *mm, struct pgw_thread *thread, uintptr_t how)
{
	mmap_lock_read_left(&mm->lock, mm->platform, thread, 0, how);
	return 0;
}

PRIMITIVE int pgw_mmap_read_unlock(struct pgw_mm *mm)
{
	struct pgw_thread *thread;
	uintptr_t how;

	if (is_snapshot(mm))
		return 0;
	thread = mm->platform->current(mm->platform->ctx);
	how = step_load_n(&thread->slot[0], __ATOMIC_RELAXED) ^ (uintptr_t)&mm->lock;
	if ((how != SLOT_PLAIN && how != SLOT_ANNOUNCED) || thread->held > HELD_MASK)
		return read_unlock(mm, thread);
	thread->held = 0;
	return pgw_likely(slot_leave(thread, 0, how)) ? 0 : read_left(mm, thread, how);
}

PRIMITIVE int pgw_mmap_write_lock(struct pgw_mm *mm)
{
	int err;

	if (is_snapshot(mm))
		return 0;
	err = outcome(mm, mmap_lock_write(&mm->lock, mm->platform, mm_rank(mm)), __func__);
	return err ? err : write_locked(mm);
}

PRIMITIVE int pgw_mmap_write_trylock(struct pgw_mm *mm)
{
	int err;

	if (is_snapshot(mm))
		return 0;
	err = outcome(mm, mmap_lock_write_try(&mm->lock, mm->platform, mm_rank(mm)), __func__);
	return err ? err : write_locked(mm);
}

PRIMITIVE int pgw_mmap_write_unlock(struct pgw_mm *mm)
{
	if (is_snapshot(mm))
		return 0;
	end_vma_writes(mm);
	resume_machine(mm);
	return outcome(mm, mmap_lock_write_unlock(&mm->lock, mm->platform), __func__);
}

PRIMITIVE int pgw_mmap_write_downgrade(struct pgw_mm *mm)
{
	if (is_snapshot(mm))
		return 0;
	end_vma_writes(mm);
	resume_machine(mm);
	return outcome(mm, mmap_lock_downgrade(&mm->lock, mm->platform), __func__);
}

enum pgw_lock_mode pgw_mmap_lock_mode(const struct pgw_mm *mm)
{
	return is_snapshot(mm) ? PGW_LOCK_WRITE : mmap_lock_mode(&mm->lock, mm->platform);
}

int mm_assert_locked(const struct pgw_mm *mm, enum pgw_rule rule, const char *function)
{
	if (pgw_mmap_lock_mode(mm) != PGW_LOCK_NONE)
		return 0;
	return mm_violation(mm, rule, function);
}

int mm_assert_write_locked(const struct pgw_mm *mm, enum pgw_rule rule, const char *function)
{
	if (pgw_mmap_lock_mode(mm) == PGW_LOCK_WRITE)
		return 0;
	return mm_violation(mm, rule, function);
}

int mm_assert_novma(const struct pgw_mm *mm, const char *function)
{
	if (mm->pt.region.kind == PGW_REGION_KERNEL)
		return mm_assert_locked(mm, PGW_RULE_NOVMA_KERNEL_READ, function);
	if (mm->pt.region.kind == PGW_REGION_FOREIGN && mm->kind == PGW_MM_OWNED)
		return mm_assert_locked(mm, PGW_RULE_MMAP_LOCKED, function);
	return mm_assert_write_locked(mm, PGW_RULE_NOVMA_USER_WRITE, function);
}

PRIMITIVE int pgw_mmap_assert_locked(const struct pgw_mm *mm)
{
	return mm_assert_locked(mm, PGW_RULE_MMAP_LOCKED, __func__);
}

PRIMITIVE int pgw_mmap_assert_write_locked(const struct pgw_mm *mm)
{
	return mm_assert_write_locked(mm, PGW_RULE_MMAP_WRITE_LOCKED, __func__);
}
