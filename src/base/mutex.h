/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_MUTEX_H
#define BASE_MUTEX_H

/*
 * A lock in four bytes that sleeps through the platform's park and wake: the
 * mmap lock's queue, a table's items, reclamation. Zero is free. Not fair, not
 * recursive, known to nobody: who holds it is its user's business.
 */

#include "base/bits.h"
#include "base/step.h"

#include <pagewalk/platform.h>

enum { MUTEX_FREE, MUTEX_TAKEN, MUTEX_CONTENDED };

/** Let the CPU wait a moment: between two looks at what another one is about to change. */
static PGW_ALWAYS_INLINE void spin_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void mutex_lock_slow(uint32_t *word, const struct pgw_platform *platform);

static PGW_ALWAYS_INLINE void mutex_lock(uint32_t *word, const struct pgw_platform *platform)
{
	uint32_t expected = MUTEX_FREE;

	if (pgw_unlikely(!step_compare_exchange_n(word, &expected, MUTEX_TAKEN, false,
						  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		mutex_lock_slow(word, platform);
}

static PGW_ALWAYS_INLINE void mutex_unlock(uint32_t *word, const struct pgw_platform *platform)
{
	if (pgw_unlikely(step_exchange_n(word, MUTEX_FREE, __ATOMIC_RELEASE) == MUTEX_CONTENDED))
		platform->wake(platform->ctx, word);
}

static PGW_ALWAYS_INLINE bool mutex_is_taken(const uint32_t *word)
{
	return step_load_n(word, __ATOMIC_RELAXED) != MUTEX_FREE;
}

#endif
