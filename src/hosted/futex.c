/* SPDX-License-Identifier: BSD-2-Clause */
#include "hosted/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Futexes fail for reasons that do not matter here; a lock leaves errno alone. */

void futex_park(void *ctx, const uint32_t *word, uint32_t expected)
{
	int saved = errno;

	(void)ctx;
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
	errno = saved;
}

void futex_wake(void *ctx, const uint32_t *word)
{
	int saved = errno;

	(void)ctx;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}
