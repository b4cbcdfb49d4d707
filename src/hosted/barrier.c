/* SPDX-License-Identifier: BSD-2-Clause */
#include "hosted/barrier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(SYS_membarrier) && __has_include(<linux/membarrier.h>)
#include <linux/membarrier.h>

static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

bool barrier_register(void)
{
	int saved = errno;
	int err = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);

	errno = saved;
	return !err;
}

/* It was registered: a filter of system calls that came later can refuse it, and nothing else. */
void barrier_run(void *ctx)
{
	(void)ctx;
	if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		return;
	fprintf(stderr, "pagewalk: membarrier: %s; a sandbox has to allow it\n", strerror(errno));
	abort();
}
#else
bool barrier_register(void)
{
	return false;
}

void barrier_run(void *ctx)
{
	(void)ctx;
	abort();
}
#endif
