/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_QEMU_FIND_H
#define SOURCE_QEMU_FIND_H

/* QEMU's processes and their monitors, each by the other. */

#include <sys/types.h>

#include <pagewalk/base.h>

/**
 * The socket of the monitor (QMP) of a process, by its command line: -qmp unix:PATH, or -mon of
 * mode=control with a -chardev socket that has a path.
 * @return 0, -PGW_ENOENT (no such process, or it has none), -PGW_EACCES, -PGW_EINVAL (the path is too long)
 */
int qemu_find_monitor(pid_t pid, char *ret, size_t size);

/**
 * The process that has the other end of a Unix socket open and runs QEMU: who made the socket that
 * it listens on may have been another one, as libvirt.
 * @return 0: none that we may look at
 */
pid_t qemu_find_peer(int fd);

/** Does this process, and no other that is seen, listen on the Unix socket of this name? */
bool qemu_find_listens(pid_t pid, const char *path);

#endif
