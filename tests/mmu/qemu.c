/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* memfd_create */
#include "mmu/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mmu/guest.h"

#define PATIENCE_MS 60000 /* for anything that takes milliseconds on an idle machine */
#define BATCH 32          /* questions on their way at once */

void qemu_init(struct qemu *qemu)
{
	*qemu = (struct qemu){ .ram_fd = memfd_create("guest", 0) };
	assert_true(qemu->ram_fd >= 0);
	assert_int_equal(ftruncate(qemu->ram_fd, GUEST_RAM_SIZE), 0);
	qemu->ram = mmap(NULL, GUEST_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, qemu->ram_fd, 0);
	assert_true(qemu->ram != MAP_FAILED);
}

void qemu_fini(struct qemu *qemu)
{
	qemu_stop(qemu);
	munmap(qemu->ram, GUEST_RAM_SIZE);
	close(qemu->ram_fd);
}

bool qemu_is_installed(const char *emulator)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	while (path && *path) {
		size_t len = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, emulator);
		if (access(file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

static _Noreturn void child(const struct qemu_args *args, int monitor, int ram_fd, pid_t parent)
{
	const char *id = args->ram ? args->ram : "ram";
	char ram[128], board[128], size[32];
	char *const argv[] = {
		(char *)(size_t)args->emulator,
		"-nodefaults",
		"-no-user-config",
		"-S",
		"-display",
		"none",
		"-accel",
		"tcg",
		"-qmp",
		"stdio",
		"-object",
		ram,
		"-machine",
		board,
		"-m",
		size,
		"-cpu",
		(char *)(size_t)args->cpu,
		(char *)(size_t)args->stub_option,
		(char *)(size_t)args->stub,
		NULL,
	};

	snprintf(size, sizeof(size), "%dM", GUEST_RAM_SIZE >> 20);
	snprintf(ram, sizeof(ram),
		 "memory-backend-file,id=%s,size=%s,mem-path=/proc/self/fd/%d,share=on", id, size,
		 ram_fd);
	snprintf(board, sizeof(board), "%s,memory-backend=%s", args->board, id);
	dup2(monitor, STDIN_FILENO);
	dup2(monitor, STDOUT_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		execvp(argv[0], argv);
	_exit(127);
}

/* The next line from the monitor, without its end; valid until the next call. */
static const char *monitor_read_line(struct qemu *qemu)
{
	static char line[sizeof(qemu->line) + 1];
	struct pollfd poll_fd = { .fd = qemu->monitor, .events = POLLIN };
	char *end;
	ssize_t nr;

	while (!(end = memchr(qemu->line, '\n', qemu->nr_read))) {
		if (qemu->nr_read == sizeof(qemu->line) || poll(&poll_fd, 1, PATIENCE_MS) != 1)
			fail_msg("QEMU's monitor does not answer");
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
	return line;
}

static void monitor_send(struct qemu *qemu, const char *text, size_t len)
{
	while (len) {
		ssize_t nr = send(qemu->monitor, text, len, MSG_NOSIGNAL);

		if (nr < 0)
			fail_msg("QEMU has ended");
		text += nr;
		len -= (size_t)nr;
	}
}

/* The answer to one command; events are skipped. */
static const char *monitor_answer(struct qemu *qemu)
{
	const char *line;

	do
		line = monitor_read_line(qemu);
	while (!strstr(line, "\"return\"") && !strstr(line, "\"error\""));
	if (strstr(line, "\"error\""))
		fail_msg("QEMU's monitor says %s", line);
	return line;
}

const char *qemu_ask(struct qemu *qemu, const char *command)
{
	monitor_send(qemu, command, strlen(command));
	monitor_send(qemu, "\n", 1);
	return monitor_answer(qemu);
}

static void monitor_command(struct qemu *qemu, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"execute\":\"%s\"}", name);
	qemu_ask(qemu, text);
}

void qemu_start(struct qemu *qemu, const struct qemu_args *args)
{
	pid_t parent = getpid();
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	qemu->nr_read = 0;
	qemu->monitor = ends[0];
	qemu->pid = fork();
	assert_true(qemu->pid >= 0);
	if (qemu->pid == 0)
		child(args, ends[1], qemu->ram_fd, parent);
	close(ends[1]);
	monitor_read_line(qemu); /* the greeting */
	monitor_command(qemu, "qmp_capabilities");
}

void qemu_stop(struct qemu *qemu)
{
	if (qemu->pid <= 0)
		return;
	kill(qemu->pid, SIGKILL);
	waitpid(qemu->pid, NULL, 0);
	close(qemu->monitor);
	qemu->pid = 0;
}

void qemu_run(struct qemu *qemu)
{
	uint64_t *done = (uint64_t *)(void *)(qemu->ram + GUEST_PARAMS + PARAM_DONE);
	const struct timespec nap = { .tv_nsec = 100000 };

	__atomic_store_n(done, 0, __ATOMIC_SEQ_CST);
	monitor_command(qemu, "system_reset");
	monitor_command(qemu, "cont");
	for (unsigned i = 0; !__atomic_load_n(done, __ATOMIC_ACQUIRE); i++) {
		if (i == PATIENCE_MS * 10)
			fail_msg("the guest does not come to an end");
		nanosleep(&nap, NULL);
	}
}

static struct qemu_gpa parse_gpa(const char *answer)
{
	const char *gpa = strstr(answer, "gpa: ");

	if (!gpa && !strstr(answer, "Unmapped"))
		fail_msg("QEMU's monitor says %s", answer);
	return gpa ? (struct qemu_gpa){ true, strtoull(gpa + strlen("gpa: "), NULL, 0) }
		   : (struct qemu_gpa){ false, 0 };
}

void qemu_gva2gpa(struct qemu *qemu, const uint64_t *va, struct qemu_gpa *ret, size_t n)
{
	char text[BATCH * 128];

	for (size_t done = 0; done < n;) {
		size_t batch = n - done < BATCH ? n - done : BATCH, len = 0;

		for (size_t i = 0; i < batch; i++)
			len += (size_t)snprintf(
				text + len, sizeof(text) - len,
				"{\"execute\":\"human-monitor-command\",\"arguments\":"
				"{\"command-line\":\"gva2gpa 0x%llx\"}}\n",
				(unsigned long long)va[done + i]);
		monitor_send(qemu, text, len);
		for (size_t i = 0; i < batch; i++)
			ret[done + i] = parse_gpa(monitor_answer(qemu));
		done += batch;
	}
}
