/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/mutex.h"

#include "base/step.h"

/* About as long as the locks here are held by who runs: a microsecond or two. */
#define MAX_SPINS STEP_SPINS(100)

/* To sleep and be woken takes longer than the lock is held, and makes who unlocks slow. */
static bool mutex_spin(uint32_t *word)
{
	for (unsigned i = 0; i < MAX_SPINS; i++) {
		uint32_t expected = MUTEX_FREE;

		if (!mutex_is_taken(word) &&
		    step_compare_exchange_n(word, &expected, MUTEX_TAKEN, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED))
			return true;
		spin_pause();
	}
	return false;
}

void mutex_lock_slow(uint32_t *word, const struct pgw_platform *platform)
{
	if (mutex_spin(word))
		return;
	/* Whoever slept cannot know that it was the last: it takes the lock as contended. */
	while (step_exchange_n(word, MUTEX_CONTENDED, __ATOMIC_ACQUIRE) != MUTEX_FREE)
		platform->park(platform->ctx, word, MUTEX_CONTENDED);
}
