/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/hosted.h>

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *table_alloc(void *ctx, size_t size)
{
	void *table = aligned_alloc(size, size);

	(void)ctx;
	if (table)
		memset(table, 0, size);
	return table;
}

static void table_free(void *ctx, void *table, size_t size)
{
	(void)ctx;
	(void)size;
	free(table);
}

static void *obj_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static void obj_free(void *ctx, void *obj, size_t size)
{
	(void)ctx;
	(void)size;
	free(obj);
}

/* Futexes fail for reasons that do not matter here; a lock leaves errno alone. */

static void park(void *ctx, const uint32_t *word, uint32_t expected)
{
	int saved = errno;

	(void)ctx;
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
	errno = saved;
}

static void wake(void *ctx, const uint32_t *word)
{
	int saved = errno;

	(void)ctx;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

static struct pgw_thread *current(void *ctx)
{
	static _Thread_local struct pgw_thread thread;

	(void)ctx;
	return &thread;
}

static void violation_abort(void *ctx, const struct pgw_violation *violation)
{
	char line[512];

	(void)ctx;
	pgw_violation_format(violation, line, sizeof(line));
	fprintf(stderr, "%s\n", line);
	abort();
}

static const struct pgw_platform hosted_platform = {
	.table_alloc = table_alloc,
	.table_free = table_free,
	.obj_alloc = obj_alloc,
	.obj_free = obj_free,
	.table_offset = 0,
	.park = park,
	.wake = wake,
	.current = current,
	.violation = violation_abort,
};

const struct pgw_platform *pgw_hosted_platform(void)
{
	return &hosted_platform;
}
