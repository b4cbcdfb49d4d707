/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_QEMU_STUB_H
#define SOURCE_QEMU_STUB_H

/* QEMU's gdb stub, asked for by its monitor: it has registers that no monitor prints. */

#include "source/qmp.h"
#include "source/source.h"

/** What a watchdog says to a monitor that was told to open a stub: close it. */
#define QMP_CLOSE_STUB                                                                             \
	"\xff\n{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":"            \
	"\"gdbserver none\"}}\n"

/**
 * Let source->cpus be the registers that the machine's gdb stub has. Pre: the machine stands.
 * @param pid the machine's process; 0: not known
 * @return 0, -PGW_ENOENT (there is no stub), -PGW_EBUSY (another debugger has it), -PGW_EIO, -PGW_EOPNOTSUPP (it
 *         is none of this process's that we can tell, or no library reads XML), -PGW_ENOMEM; after a failure
 *         source->cpus is what it was
 */
int qemu_stub_registers(struct source *source, struct qmp *qmp, pid_t pid);
/**
 * The same by a stub that is opened, on a socket that nobody else gets to, and closed again. Pre: there is none,
 * and the watchdog closes it if we end.
 * @param folder for temporary files, or NULL
 */
int qemu_stub_open_registers(struct source *source, struct qmp *qmp, const char *folder);

#endif
