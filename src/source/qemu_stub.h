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
 * Let source->cpus be the registers that the machine's gdb stub has. If there is no stub, one is opened on a
 * socket that nobody else gets to, and closed again. Pre: the machine stands.
 * @param folder for temporary files, or NULL
 * @return 0, -PGW_EBUSY (another debugger has the stub), -PGW_EIO, -PGW_EOPNOTSUPP, -PGW_ENOMEM; after a
 *         failure source->cpus is what it was
 */
int qemu_stub_registers(struct source *source, struct qmp *qmp, const char *folder);

#endif
