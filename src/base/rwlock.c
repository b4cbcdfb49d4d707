/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/rwlock.h"

#include "base/step.h"

void rwlock_read_lock(uint32_t *word, const struct pgw_platform *platform)
{
	uint32_t seen = step_load_n(word, __ATOMIC_RELAXED);

	for (;;) {
		if (seen & (RWLOCK_WRITER | RWLOCK_WAITS)) {
			platform->park(platform->ctx, word, seen);
			seen = step_load_n(word, __ATOMIC_RELAXED);
		} else if (step_compare_exchange_n(word, &seen, seen + 1, true, __ATOMIC_ACQUIRE,
						   __ATOMIC_RELAXED)) {
			return;
		}
	}
}

void rwlock_read_unlock(uint32_t *word, const struct pgw_platform *platform)
{
	/* The last one lets the writer in; readers that have come after it wait for its unlock. */
	if (step_sub_fetch(word, 1, __ATOMIC_RELEASE) == RWLOCK_WAITS)
		platform->wake(platform->ctx, word);
}

void rwlock_write_lock(uint32_t *word, const struct pgw_platform *platform)
{
	uint32_t seen = step_load_n(word, __ATOMIC_RELAXED);

	for (;;) {
		if (!(seen & (RWLOCK_WRITER | RWLOCK_READERS))) {
			if (step_compare_exchange_n(word, &seen, RWLOCK_WRITER, true,
						    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
				return;
		} else if (!(seen & RWLOCK_WAITS)) {
			if (step_compare_exchange_n(word, &seen, seen | RWLOCK_WAITS, true,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
				seen |= RWLOCK_WAITS;
		} else {
			platform->park(platform->ctx, word, seen);
			seen = step_load_n(word, __ATOMIC_RELAXED);
		}
	}
}

void rwlock_write_unlock(uint32_t *word, const struct pgw_platform *platform)
{
	/* Writers that wait say so again. */
	step_store_n(word, 0, __ATOMIC_RELEASE);
	platform->wake(platform->ctx, word);
}
