/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "source/peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

int64_t peer_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* @return is it ready before the deadline? */
static bool wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd wait = { .fd = fd, .events = events };
	int64_t left;
	int n;

	do {
		left = deadline - peer_now_ms();
		n = left > 0 ? poll(&wait, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

bool peer_send(int fd, const void *bytes, size_t size, int64_t deadline)
{
	const char *from = bytes;

	while (size) {
		ssize_t n;

		if (!wait_for(fd, POLLOUT, deadline))
			return false;
		n = send(fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		from += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

ssize_t peer_receive(int fd, void *buf, size_t size, int64_t deadline)
{
	while (wait_for(fd, POLLIN, deadline)) {
		ssize_t n = recv(fd, buf, size, MSG_DONTWAIT);

		if (n > 0)
			return n;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return -1;
}

int peer_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int peer_unix_connect(int fd, const char *path, int64_t deadline)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int failed;

	if (strlen(path) >= sizeof(address.sun_path))
		return -PGW_EINVAL;
	memcpy(address.sun_path, path, strlen(path) + 1);
	/*
	 * A connection of this kind is there at once, or not: nobody has to answer. EAGAIN: another
	 * client is served, and one more waits already.
	 */
	while ((failed = connect(fd, (struct sockaddr *)&address, sizeof(address))) &&
	       errno == EAGAIN && peer_now_ms() < deadline)
		poll(NULL, 0, 20);
	return !failed ? 0 : errno == ENOENT ? -PGW_ENOENT : -PGW_EIO;
}
