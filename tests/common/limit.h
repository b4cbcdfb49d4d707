/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_LIMIT_H
#define TESTS_LIMIT_H

/*
 * Limits for tests of races. When a race goes wrong, some thread waits for what
 * never comes: the test fails with a message then, instead of hanging until the
 * runner loses patience. Include after cmocka.h.
 */

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Much longer than any step takes on a busy machine, under a sanitizer too. */
#define LIMIT_GATE_S 30
#define LIMIT_TEST_S 90

static inline void limit_wait_at(sem_t *sem, const char *what, const char *file, int line)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LIMIT_GATE_S;
	while (sem_timedwait(sem, &end)) {
		if (errno == EINTR)
			continue;
		fprintf(stderr, "%s:%d: nobody posted %s within %d s: the race went wrong\n", file,
			line, what, LIMIT_GATE_S);
		abort();
	}
}

/** sem_wait(), but the program ends with a message after LIMIT_GATE_S. */
#define limit_wait(sem) limit_wait_at(sem, #sem, __FILE__, __LINE__)

static char limit_text[256];

static inline void limit_expired(int number)
{
	ssize_t ignored = write(STDERR_FILENO, limit_text, strlen(limit_text));

	(void)number, (void)ignored;
	abort();
}

/* Joins, locks and loops have no limit of their own: the whole test has. */
static inline int limit_start(void **state)
{
	snprintf(limit_text, sizeof(limit_text),
		 "%s: not done within %d s: a thread waits for what does not come\n",
		 (const char *)*state, LIMIT_TEST_S);
	signal(SIGALRM, limit_expired);
	alarm(LIMIT_TEST_S);
	return 0;
}

static inline int limit_stop(void **state)
{
	(void)state;
	alarm(0);
	return 0;
}

/** As cmocka_unit_test(), of a test that ends within LIMIT_TEST_S or fails. */
#define limited_unit_test(fn)                                                                      \
	{                                                                                          \
#fn, fn, limit_start, limit_stop, (void *)(uintptr_t) #fn                          \
	}

#endif
