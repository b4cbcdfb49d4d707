/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* unshare, process_vm_readv, mkdtemp */

/* Each forbidden thing is tried in a process of its own that went into the sandbox, and is refused. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sandbox.h"

/* What a try comes to: it worked, or errno; NOT_BOUND: there is no such sandbox here. */
#define NOT_BOUND 250

static char folder[] = "/tmp/pagewalk.XXXXXX";
static char in[64], out[64], other[64];

static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static int open_error(const char *path, int flags)
{
	int fd = open(path, flags, 0600), err = error_of(fd);

	if (fd >= 0)
		close(fd);
	return err;
}

static int path_in(char *path, const char *dir, const char *name, int flags)
{
	snprintf(path, 128, "%s/%s", dir, name);
	return open_error(path, flags);
}

static int try_read_named(void)
{
	char path[128];

	return path_in(path, in, "file", O_RDONLY);
}

static int try_read_other(void)
{
	char path[128];

	return path_in(path, other, "file", O_RDONLY);
}

static int try_write_input(void)
{
	char path[128];

	return path_in(path, in, "file", O_WRONLY);
}

static int try_create_output(void)
{
	char path[128], to[128];

	snprintf(to, sizeof(to), "%s/renamed", out);
	return path_in(path, out, "new", O_WRONLY | O_CREAT) || rename(path, to) ? errno : 0;
}

static int try_create_elsewhere(void)
{
	char path[128];

	return path_in(path, other, "new", O_WRONLY | O_CREAT);
}

static int try_unlink_elsewhere(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", other);
	return error_of(unlink(path));
}

static int try_passwd(void)
{
	return open_error("/etc/passwd", O_RDONLY);
}

static int try_exec(void)
{
	char *const args[] = { (char *)(uintptr_t) "true", NULL };

	execv("/bin/true", args);
	return errno;
}

static int try_socket(void)
{
	return error_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_unix_socket(void)
{
	return error_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_ptrace(void)
{
	return error_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int try_read_process(void)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { folder, 1 };

	return error_of(process_vm_readv(getppid(), &to, 1, &from, 1, 0));
}

static int try_kill(void)
{
	return error_of(kill(getppid(), 0));
}

static int try_cut_input(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", in);
	return error_of(truncate(path, 0));
}

static int try_kill_thread(void)
{
	return error_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_raise(void)
{
	return raise(SIGCONT);
}

static int try_kill_self(void)
{
	return error_of(kill(getpid(), 0));
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return error_of(pid);
}

static int try_unshare(void)
{
	return error_of(unshare(CLONE_NEWUTS));
}

static int try_bpf(void)
{
	return error_of(syscall(SYS_bpf, 0, NULL, 0));
}

static void *thread(void *arg)
{
	return arg;
}

static int try_thread(void)
{
	pthread_t id;
	int err = pthread_create(&id, NULL, thread, NULL);

	return err ? err : pthread_join(id, NULL);
}

static const struct attempt {
	const char *name;
	int (*run)(void);
	bool is_allowed;
	bool needs_seccomp; /* to be refused */
} attempts[] = {
	{ "read a file below a folder that was named", try_read_named, true, false },
	{ "write a new file to the folder of an output", try_create_output, true, false },
	{ "make a thread", try_thread, true, false },
	{ "send itself a signal", try_kill_self, true, false },
	{ "send its own thread a signal", try_raise, true, false },
	{ "read another file", try_read_other, false, false },
	{ "read a file of the system", try_passwd, false, false },
	{ "write to an input", try_write_input, false, false },
	{ "write a new file elsewhere", try_create_elsewhere, false, false },
	{ "remove a file elsewhere", try_unlink_elsewhere, false, false },
	{ "run a program", try_exec, false, false },
	{ "trace another process", try_ptrace, false, false },
	{ "read another process", try_read_process, false, false },
	{ "make a socket", try_socket, false, true },
	{ "make a local socket", try_unix_socket, false, true },
	{ "cut an input", try_cut_input, false, true },
	{ "send another process a signal", try_kill, false, true },
	{ "send another process's thread a signal", try_kill_thread, false, true },
	{ "make a process", try_fork, false, true },
	{ "make namespaces", try_unshare, false, true },
	{ "load a BPF program", try_bpf, false, true },
};

/* @return its status: 0 or an errno */
static int in_sandbox(const struct attempt *attempt, bool is_twice)
{
	const struct sandbox_rule first[] = { { in, SANDBOX_READ },
					      { out, SANDBOX_WRITE },
					      { other, SANDBOX_READ },
					      { "/usr/lib", SANDBOX_READ },
					      { "/lib", SANDBOX_READ } };
	const struct sandbox_rule second[] = { { in, SANDBOX_READ },
					       { out, SANDBOX_WRITE },
					       { "/not/there", SANDBOX_READ } };
	pid_t pid;
	int status;

	pid = fork();
	if (pid == 0) {
		struct sandbox_state state =
			sandbox_enter(is_twice ? first : second, is_twice ? 5 : 3);

		if (is_twice)
			state = sandbox_enter(second, 3);
		if (!state.landlock || (attempt->needs_seccomp && !state.seccomp))
			_exit(NOT_BOUND);
		_exit(attempt->run());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void try_all(bool is_twice)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		int err = in_sandbox(&attempts[i], is_twice);

		if (err == NOT_BOUND) {
			print_message("# not here: %s\n", attempts[i].name);
			continue;
		}
		if (attempts[i].is_allowed ? err != 0 : err != EACCES && err != EPERM)
			fail_msg("%s: errno %d (%s)", attempts[i].name, err, strerror(err));
	}
}

static void test_sandbox__refuses_what_was_not_named(void **state)
{
	(void)state;
	try_all(false);
}

/* What the second call does not name is gone, though the first one did. */
static void test_sandbox__entered_twice_allows_what_both_do(void **state)
{
	(void)state;
	try_all(true);
}

/* Without any, each of these works: else to be refused shows nothing. */
static void test_sandbox__without_it_files_and_sockets_can_be_had(void **state)
{
	(void)state;
	assert_int_equal(try_read_named(), 0);
	assert_int_equal(try_read_other(), 0);
	assert_int_equal(try_passwd(), 0);
	assert_int_equal(try_socket(), 0);
	assert_int_equal(try_cut_input(), 0);
	assert_int_equal(try_kill(), 0);
	assert_int_equal(try_kill_thread(), 0);
	assert_int_equal(try_fork(), 0);
}

static void make_file(const char *dir)
{
	char path[128];

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(path_in(path, dir, "file", O_WRONLY | O_CREAT), 0);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(in, sizeof(in), "%s/in", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	make_file(in);
	make_file(out);
	make_file(other);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "file", "new", "renamed" };
	const char *dirs[] = { in, out, other };
	char path[128];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t n = 0; n < 3; n++) {
			snprintf(path, sizeof(path), "%s/%s", dirs[i], names[n]);
			unlink(path);
		}
		rmdir(dirs[i]);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sandbox__without_it_files_and_sockets_can_be_had),
		cmocka_unit_test(test_sandbox__refuses_what_was_not_named),
		cmocka_unit_test(test_sandbox__entered_twice_allows_what_both_do),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
