/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_EPOCH_H
#define BASE_EPOCH_H

/*
 * Reclamation: what was unlinked is freed when all who might still look at it
 * have left. Small epochs over the platform's current(); or the embedder's own.
 * Readers are pgw_reader_enter() and pgw_reader_leave().
 */

#include <pagewalk/platform.h>

/**
 * Call fn(platform, deferred) when all who are readers now have left; perhaps
 * from this call, perhaps from a later one of any thread. Never waits and never allocates.
 */
void epoch_defer(const struct pgw_platform *platform, struct pgw_deferred *deferred,
		 void (*fn)(const struct pgw_platform *platform, struct pgw_deferred *deferred));

/** Put the calling thread, which is not known, into the platform's lists. */
void epoch_join(const struct pgw_platform *platform, struct pgw_thread *thread);

/** Is the calling thread a reader? Always true under an embedder's own RCU. */
bool epoch_is_reader(const struct pgw_platform *platform);

#endif
