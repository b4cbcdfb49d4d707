/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_PEER_H
#define SOURCE_PEER_H

/* Sockets whose other end is not trusted: nothing waits for it beyond a deadline. */

#include <sys/types.h>

#include <pagewalk/base.h>

/** Of CLOCK_MONOTONIC, in milliseconds: what deadlines are in. */
int64_t peer_now_ms(void);

/** All of it, or false. */
bool peer_send(int fd, const void *bytes, size_t size, int64_t deadline);
/** @return how many bytes came, at least one; -1: none before the deadline, or it hung up */
ssize_t peer_receive(int fd, void *buf, size_t size, int64_t deadline);

/** A Unix socket that does not block, to be connected. @return it, or -1, as the system's errno says */
int peer_unix_socket(void);
/**
 * Connect it, waiting for its turn if others are before.
 * @return 0, -PGW_EINVAL (the path is too long), -PGW_ENOENT, -PGW_EIO; errno is set for the last two
 */
int peer_unix_connect(int fd, const char *path, int64_t deadline);

#endif
