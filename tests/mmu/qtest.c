/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "mmu/qtest.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mmu/guest.h"

#define PATIENCE_MS 60000
#define FIRMWARE_SIZE 65536
#define MAX_UNANSWERED 256 /* "OK\n" each: sockets have room for that */

static unsigned nr_unanswered;

/* Firmware that is nothing but the code at the reset vector. */
static void write_firmware(const char *code, char *ret, size_t size)
{
	int fd = memfd_create("firmware", 0);

	if (fd < 0 || ftruncate(fd, FIRMWARE_SIZE) != 0 ||
	    pwrite(fd, code, strlen(code), FIRMWARE_SIZE - 16) < 0)
		_exit(127);
	snprintf(ret, size, "/proc/self/fd/%d", fd);
}

static _Noreturn void child(const struct qtest_args *args, int end, int ram_fd, pid_t parent)
{
	char ram[128], board[128], size[32], firmware[64];
	const char *argv[32 + QTEST_MAX_ARGS] = {
		args->emulator, "-nodefaults", "-no-user-config",
		"-display",     "none",        "-accel",
		"tcg",          "-icount",     "shift=0,sleep=off",
		"-qtest",       "stdio",       "-qtest-log",
		"/dev/null",    "-object",     ram,
		"-machine",     board,         "-m",
		size,           "-cpu",        args->cpu,
	};
	unsigned nr = 21;

	if (args->halt) {
		write_firmware(args->halt, firmware, sizeof(firmware));
		argv[nr++] = "-bios";
		argv[nr++] = firmware;
	}
	for (unsigned i = 0; i < QTEST_MAX_ARGS && args->options[i]; i++)
		argv[nr++] = args->options[i];
	snprintf(size, sizeof(size), "%dM", GUEST_RAM_SIZE >> 20);
	snprintf(ram, sizeof(ram),
		 "memory-backend-file,id=ram,size=%s,mem-path=/proc/self/fd/%d,share=on", size,
		 ram_fd);
	snprintf(board, sizeof(board), "%s,memory-backend=ram", args->board);
	dup2(end, STDIN_FILENO);
	dup2(end, STDOUT_FILENO);
	/* Of each fault it has lines to say. */
	dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		execvp(argv[0], (char *const *)(size_t)argv);
	_exit(127);
}

void qtest_start(struct qemu *qemu, const struct qtest_args *args)
{
	pid_t parent = getpid();
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	nr_unanswered = 0;
	qemu->nr_read = 0;
	qemu->monitor = ends[0];
	qemu->pid = fork();
	assert_true(qemu->pid >= 0);
	if (qemu->pid == 0)
		child(args, ends[1], qemu->ram_fd, parent);
	close(ends[1]);
}

/* The next answer, without its end; valid until the next call. Interrupts are no answers. */
static const char *read_answer(struct qemu *qemu)
{
	static char line[sizeof(qemu->line) + 1];
	struct pollfd poll_fd = { .fd = qemu->monitor, .events = POLLIN };

	do {
		char *end;
		ssize_t nr;

		while (!(end = memchr(qemu->line, '\n', qemu->nr_read))) {
			if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
				fail_msg("QEMU does not answer");
			nr = read(qemu->monitor, qemu->line + qemu->nr_read,
				  sizeof(qemu->line) - qemu->nr_read);
			if (nr <= 0)
				fail_msg("QEMU has ended");
			qemu->nr_read += (size_t)nr;
		}
		nr = end - qemu->line;
		memcpy(line, qemu->line, (size_t)nr);
		line[nr] = '\0';
		qemu->nr_read -= (size_t)nr + 1;
		memmove(qemu->line, end + 1, qemu->nr_read);
	} while (strncmp(line, "IRQ", 3) == 0);
	if (strncmp(line, "OK", 2) != 0)
		fail_msg("QEMU says %s", line);
	return line;
}

void qtest_sync(struct qemu *qemu)
{
	for (; nr_unanswered; nr_unanswered--)
		read_answer(qemu);
}

static void send_text(struct qemu *qemu, const char *text, size_t len)
{
	while (len) {
		ssize_t nr = send(qemu->monitor, text, len, MSG_NOSIGNAL);

		if (nr < 0)
			fail_msg("QEMU has ended");
		text += nr;
		len -= (size_t)nr;
	}
}

void qtest_send(struct qemu *qemu, const char *format, ...)
{
	char text[256];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text) - 1, format, args);
	va_end(args);
	assert_in_range(len, 1, sizeof(text) - 2);
	text[len] = '\n';
	send_text(qemu, text, (size_t)len + 1);
	if (++nr_unanswered == MAX_UNANSWERED)
		qtest_sync(qemu);
}

uint64_t qtest_ask(struct qemu *qemu, const char *command)
{
	const char *answer;

	qtest_sync(qemu);
	send_text(qemu, command, strlen(command));
	send_text(qemu, "\n", 1);
	answer = read_answer(qemu);
	return answer[2] ? strtoull(answer + 3, NULL, 0) : 0;
}
