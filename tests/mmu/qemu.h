/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_QEMU_H
#define TESTS_QEMU_H

/*
 * A QEMU whose guest's RAM is this process's memory, and that dies with this
 * process. Whatever goes wrong ends the test case (cmocka's fail()), but for
 * a QEMU that is not installed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct qemu {
	unsigned char *ram; /* GUEST_RAM_SIZE bytes */
	int ram_fd;
	pid_t pid; /* 0 = not running */
	int monitor;
	size_t nr_read;   /* bytes in line */
	char line[65536]; /* from the monitor, not yet looked at */
};

struct qemu_args {
	const char *emulator; /* looked for in PATH */
	const char *board;    /* of -machine */
	const char *cpu;
	const char *stub_option; /* -bios or -device */
	const char *stub;        /* its value */
	const char *ram;         /* the name of its RAM; NULL: "ram" */
};

/** Make the RAM. */
void qemu_init(struct qemu *qemu);
/** Kill QEMU if it runs; unmap the RAM. */
void qemu_fini(struct qemu *qemu);

/** Is the emulator in PATH? */
bool qemu_is_installed(const char *emulator);

/** Start QEMU; the guest does not run yet. */
void qemu_start(struct qemu *qemu, const struct qemu_args *args);
/** Kill QEMU if it runs. */
void qemu_stop(struct qemu *qemu);

/** Let the monitor execute this (JSON, in one line). @return the answer, valid until the next call */
const char *qemu_ask(struct qemu *qemu, const char *command);

/** Reset the machine and let it run until the stub says that it is done. */
void qemu_run(struct qemu *qemu);

/** The answer to one gva2gpa. */
struct qemu_gpa {
	bool mapped;
	uint64_t pa;
};

/** Ask the MMU of the halted CPU where n addresses lie. */
void qemu_gva2gpa(struct qemu *qemu, const uint64_t *va, struct qemu_gpa *ret, size_t n);

#endif
