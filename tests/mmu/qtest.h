/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_QTEST_H
#define TESTS_QTEST_H

/*
 * A QEMU whose CPU is halted for ever, by its qtest protocol: the test is the machine's driver. The
 * guest's time goes on to the next timer at once. Its RAM is this process's memory. Whatever goes
 * wrong ends the test case.
 */

#include "mmu/qemu.h"

#define QTEST_MAX_ARGS 40

struct qtest_args {
	const char *emulator;
	const char *board; /* of -machine */
	const char *cpu;
	const char *halt;                    /* x86: what it finds where it starts; NULL: nothing */
	const char *options[QTEST_MAX_ARGS]; /* more of them, ended by NULL */
};

/** Start QEMU. Of qemu, by qemu_init(), the RAM is used. */
void qtest_start(struct qemu *qemu, const struct qtest_args *args);

/** One command; its answer is awaited by qtest_sync(). */
void qtest_send(struct qemu *qemu, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** All commands are done. */
void qtest_sync(struct qemu *qemu);
/** A command that answers with a number. */
uint64_t qtest_ask(struct qemu *qemu, const char *command);

#endif
