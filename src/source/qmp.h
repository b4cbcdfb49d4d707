/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_QMP_H
#define SOURCE_QMP_H

/*
 * A client of QEMU's monitor (QMP: JSON over a socket, docs/interop/qmp-spec). What the other end
 * says is not trusted: each answer has a bound in bytes and in time.
 */

#include <sys/types.h>

#include <pagewalk/base.h>

struct qmp;

/** What lets a machine run, also in the middle of a command: the first byte ends what was begun. */
#define QMP_RUN "\xff\n{\"execute\":\"cont\"}\n"

/**
 * Connect to a Unix socket, and have the monitor take commands.
 * @return 0, -PGW_ENOENT, -PGW_EIO, -PGW_EOPNOTSUPP (no library that reads JSON), -PGW_ENOMEM
 */
int qmp_open(const char *path, struct qmp **ret, struct pgw_error *err);
/** NULL is fine. */
void qmp_close(struct qmp *qmp);

/** Say that the machine is to run, also to a monitor that did not answer before; no answer is read. */
void qmp_run(struct qmp *qmp);
int qmp_fd(const struct qmp *qmp);
/** The process at the other end, as far as the kernel knows: it made the socket. 0: not known */
pid_t qmp_peer(const struct qmp *qmp);

/* From any threads. @return 0, -PGW_EIO (it says no, nothing that makes sense, or nothing at all), -PGW_ENOMEM */

/** A command without arguments, of whose answer nothing is wanted. */
int qmp_do(struct qmp *qmp, const char *command);
/** The same, of whose answer a member is wanted, a text. */
int qmp_text(struct qmp *qmp, const char *command, const char *member, char *ret, size_t size);
/** The same, of whose answer a member is wanted, true or false. */
int qmp_bool(struct qmp *qmp, const char *command, const char *member, bool *ret);
/** A command of the monitor for people, without quotes in it. @param ret the caller's to free() */
int qmp_monitor(struct qmp *qmp, const char *line, char **ret);
/** Let QEMU write memory into a file. @param path without quotes and backslashes */
int qmp_save(struct qmp *qmp, uint64_t pa, uint64_t size, const char *path);

#endif
