/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_WATCHDOG_H
#define SOURCE_WATCHDOG_H

/*
 * A process that lets a machine run again which we stopped, if we end before we do so ourselves: by a
 * bug, a signal, a kill. It says one message on the socket that it shares with us, and ends.
 */

struct watchdog;

/**
 * Start one, which does nothing until it is armed.
 * @param fd a socket, which may be connected later
 * @return 0, -PGW_EOPNOTSUPP (the system cannot wait for the end of a process), -PGW_ENOMEM
 */
int watchdog_start(int fd, struct watchdog **ret);
/**
 * To be called before the machine is stopped; and again, if it is to say something else then, and when
 * it runs again.
 * @param message a constant; what lets the machine run, also in the middle of another message; NULL: nothing
 */
void watchdog_arm(struct watchdog *dog, const char *message);
/** End it, or if it is armed, leave it to wait for our end. NULL is fine. */
void watchdog_end(struct watchdog *dog);

#endif
