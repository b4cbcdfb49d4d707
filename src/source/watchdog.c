/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* close_range, MSG_NOSIGNAL */
#include "source/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pagewalk/base.h>

/* How long what is sent may wait, and for how long the answers are read that may be in its way. */
#define PATIENCE_MS 2000
#define DRAIN_SECONDS 30

/* What both processes see. */
struct shared {
	_Atomic(const char *) message; /* NULL: it is not armed */
};

struct watchdog {
	pid_t pid;
	struct shared *shared;
};

/* From here to its end: a child of a process with threads, so no malloc and no locks. */

static bool send_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		struct pollfd out = { .fd = fd, .events = POLLOUT };
		ssize_t n;

		if (poll(&out, 1, PATIENCE_MS) != 1)
			return false;
		n = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/*
 * Who answers may wait for its answers to be read before it reads on, and may be busy: it drops
 * what was asked if we hang up before. Once it answers it is not busy. Nobody else gets to a monitor
 * while we hold it.
 */
static void drain(int fd)
{
	struct timespec start, now;
	int patience = PATIENCE_MS * 5;
	struct pollfd in = { .fd = fd, .events = POLLIN };
	char bytes[4096];

	clock_gettime(CLOCK_MONOTONIC, &start);
	now = start;
	while (now.tv_sec - start.tv_sec < DRAIN_SECONDS && poll(&in, 1, patience) == 1) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		patience = PATIENCE_MS / 4;
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
}

static void close_others(int keep, int keep_too)
{
	unsigned low = (unsigned)(keep < keep_too ? keep : keep_too);
	unsigned high = (unsigned)(keep < keep_too ? keep_too : keep);

	if (low)
		close_range(0, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0u, 0);
}

static _Noreturn void run(const struct shared *shared, int parent, int fd)
{
	struct pollfd end = { .fd = parent, .events = POLLIN };
	const char *message;

	/* What a terminal sends is for the group of those that it runs; all signals are blocked. */
	setsid();
	close_others(parent, fd);
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	message = atomic_load(&shared->message);
	if (message && send_all(fd, message, strlen(message)))
		drain(fd);
	_exit(0);
}

int watchdog_start(int fd, struct watchdog **ret)
{
	struct watchdog *dog = malloc(sizeof(*dog));
	int parent = (int)syscall(SYS_pidfd_open, getpid(), 0);
	void *shared = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigset_t all, before;
	int status = !dog || shared == MAP_FAILED ? -PGW_ENOMEM : parent < 0 ? -PGW_EOPNOTSUPP : 0;

	if (!status) {
		*dog = (struct watchdog){ .shared = shared };
		/* From its first instruction on: what ends us must not end it. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		dog->pid = fork();
		if (dog->pid == 0)
			run(shared, parent, fd);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		status = dog->pid < 0 ? -PGW_ENOMEM : 0;
	}
	if (parent >= 0)
		close(parent);
	if (status) {
		free(dog);
		if (shared != MAP_FAILED)
			munmap(shared, sizeof(struct shared));
		return status;
	}
	*ret = dog;
	return 0;
}

void watchdog_arm(struct watchdog *dog, const char *message)
{
	/* The other process has what is constant at the same address. */
	atomic_store(&dog->shared->message, message);
}

void watchdog_end(struct watchdog *dog)
{
	if (!dog)
		return;
	/* One that is armed has something to do when we end, and not before. */
	if (!atomic_load(&dog->shared->message)) {
		kill(dog->pid, SIGKILL);
		while (waitpid(dog->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	munmap(dog->shared, sizeof(struct shared));
	free(dog);
}
