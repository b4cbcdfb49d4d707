/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_RWLOCK_H
#define BASE_RWLOCK_H

/*
 * A lock for readers together or one writer, in four bytes, that sleeps through the
 * platform's park and wake. Zero is free. A writer that waits keeps new readers out, so
 * a reader must not take it twice. Known to nobody: who holds it is its user's business.
 */

#include "base/bits.h"

#include <pagewalk/platform.h>

#define RWLOCK_WRITER (UINT32_C(1) << 31)
#define RWLOCK_WAITS (UINT32_C(1) << 30) /* a writer waits for readers to leave */
#define RWLOCK_READERS (RWLOCK_WAITS - 1)

void rwlock_read_lock(uint32_t *word, const struct pgw_platform *platform);
void rwlock_read_unlock(uint32_t *word, const struct pgw_platform *platform);
void rwlock_write_lock(uint32_t *word, const struct pgw_platform *platform);
void rwlock_write_unlock(uint32_t *word, const struct pgw_platform *platform);

#endif
