/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* mkdtemp, process_vm_readv, renameat */

/*
 * What the command gives up by each version of Landlock. First a kernel of the test's own, which knows what
 * Linux says that the version knows, and refuses all else as Linux does. Then the kernel that is here, which is
 * said to be older than it is: of each thing that Linux forbids from some version on it is tried that it works
 * before that, and is refused from then on.
 *
 * Source: Linux 7.2, include/uapi/linux/landlock.h, Documentation/userspace-api/landlock.rst ("Previous
 * limitations").
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sandbox.h"

#define NEWEST 10

#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446

/* ---- what Linux says ---- */

static const struct abi {
	uint64_t fs, net, scoped; /* what may be handled */
	size_t size;              /* of struct landlock_ruleset_attr */
} abis[NEWEST + 1] = {
	[1] = { 0x1fff, 0, 0, 8 },     [2] = { 0x3fff, 0, 0, 8 }, /* FS_REFER */
	[3] = { 0x7fff, 0, 0, 8 },                                /* FS_TRUNCATE */
	[4] = { 0x7fff, 3, 0, 16 },    /* NET_BIND_TCP, NET_CONNECT_TCP */
	[5] = { 0xffff, 3, 0, 16 },    /* FS_IOCTL_DEV */
	[6] = { 0xffff, 3, 3, 24 },    /* SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL */
	[7] = { 0xffff, 3, 3, 24 },    /* of logs only */
	[8] = { 0xffff, 3, 3, 24 },    /* all threads at once, if a flag says so */
	[9] = { 0x1ffff, 3, 3, 24 },   /* FS_RESOLVE_UNIX */
	[10] = { 0x1ffff, 15, 3, 48 }, /* NET_BIND_UDP, NET_CONNECT_SEND_UDP; what is not logged */
};

/* What a rule for a file that is no folder may have: execute, write, read, truncate, ioctl, resolve. */
#define RIGHTS_OF_FILES UINT64_C(0x1c007)

/* ---- a kernel ---- */

static struct {
	int version;  /* that is told; 0: none */
	int error;    /* ... and why there is none */
	bool is_real; /* what is asked for is the real kernel's to do */
	unsigned nr_rulesets, nr_rules, nr_in_force;
	uint64_t handled[3];
	uint64_t allowed; /* by any rule */
} kernel;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static long fails(int error)
{
	errno = error;
	return -1;
}

static long make_ruleset(const uint64_t *attr, size_t size)
{
	const struct abi *abi = &abis[kernel.version < NEWEST ? kernel.version : NEWEST];

	assert_true(kernel.version > 0);
	for (size_t i = abi->size; i < size; i++) {
		if (((const unsigned char *)attr)[i])
			return fails(E2BIG);
	}
	memset(kernel.handled, 0, sizeof(kernel.handled));
	memcpy(kernel.handled, attr, size < abi->size ? size : abi->size < 24 ? abi->size : 24);
	if ((kernel.handled[0] & ~abi->fs) || (kernel.handled[1] & ~abi->net) ||
	    (kernel.handled[2] & ~abi->scoped))
		return fails(EINVAL);
	kernel.nr_rulesets++;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static long add_rule(int type, const void *attr)
{
	uint64_t allowed;
	struct stat st;
	int fd;

	memcpy(&allowed, attr, 8);
	memcpy(&fd, (const char *)attr + 8, 4);
	if (type != 1 || fstat(fd, &st) || (allowed & ~kernel.handled[0]) ||
	    (!S_ISDIR(st.st_mode) && (allowed & ~RIGHTS_OF_FILES)))
		return fails(EINVAL);
	if (!allowed)
		return fails(ENOMSG);
	kernel.nr_rules++;
	kernel.allowed |= allowed;
	return 0;
}

/* Narrower arguments leave the upper half of a register as it was. */
long __wrap_syscall(long number, ...)
{
	long a[4];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == CREATE_RULESET && (uint32_t)a[2] == 1)
		return kernel.version ? kernel.version : fails(kernel.error);
	if (kernel.is_real)
		return __real_syscall(number, a[0], a[1], a[2], a[3]);
	assert_int_equal((uint32_t)a[number == RESTRICT_SELF ? 1 : number == ADD_RULE ? 3 : 2], 0);
	switch (number) {
	case CREATE_RULESET:
		return make_ruleset((const uint64_t *)a[0], (uint32_t)a[1]);
	case ADD_RULE:
		return add_rule((int)a[1], (const void *)a[2]);
	case RESTRICT_SELF:
		kernel.nr_in_force++;
		return 0;
	default:
		return fails(ENOSYS);
	}
}

static char folder[] = "/tmp/pagewalk.XXXXXX";
static char in[64], out[64], other[64], name_of_socket[64];

static void test_landlock__all_that_a_version_knows_is_given_up(void **state)
{
	const struct sandbox_rule rules[] = { { in, SANDBOX_READ },
					      { out, SANDBOX_MAKE },
					      { "/dev/null", SANDBOX_WRITE },
					      { "/not/there", SANDBOX_READ } };

	(void)state;
	for (int version = 1; version <= NEWEST + 2; version++) {
		const struct abi *abi = &abis[version < NEWEST ? version : NEWEST];

		memset(&kernel, 0, sizeof(kernel));
		kernel.version = version;
		assert_int_equal(sandbox_enter(rules, 4).landlock, version);
		assert_int_equal(kernel.nr_rulesets, 1);
		assert_int_equal(kernel.nr_rules, 3);
		assert_int_equal(kernel.nr_in_force, 1);
		assert_int_equal(kernel.handled[0], abi->fs);
		assert_int_equal(kernel.handled[1], abi->net);
		assert_int_equal(kernel.handled[2], abi->scoped);
		/* Execute, devices, sockets, pipes, symbolic links, ioctl, and sockets by name: never. */
		assert_int_equal(kernel.allowed & 0x19e41, 0);
	}
}

static void test_landlock__without_it_nothing_is_in_force(void **state)
{
	const int errors[] = { ENOSYS, EOPNOTSUPP };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		memset(&kernel, 0, sizeof(kernel));
		kernel.error = errors[i];
		assert_int_equal(sandbox_enter(NULL, 0).landlock, 0);
		assert_int_equal(kernel.nr_rulesets + kernel.nr_in_force, 0);
	}
}

/* ---- this kernel ---- */

/* A try's result: 0, or errno. */
static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static const char *path_in(const char *dir, const char *name)
{
	static char path[2][128];
	static unsigned at;

	at = !at;
	snprintf(path[at], sizeof(path[at]), "%s/%s", dir, name);
	return path[at];
}

static int try_read(void)
{
	return error_of(open(path_in(other, "file"), O_RDONLY));
}

static int try_create(void)
{
	return error_of(open(path_in(other, "new"), O_WRONLY | O_CREAT, 0600));
}

static int try_remove(void)
{
	return error_of(unlink(path_in(other, "new")));
}

static int try_make_folder(void)
{
	return error_of(mkdir(path_in(other, "folder"), 0700));
}

static int try_trace(void)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { folder, 1 };

	return error_of(process_vm_readv(getppid(), &to, 1, &from, 1, 0));
}

static int try_cut(void)
{
	return error_of(truncate(path_in(in, "file"), 0));
}

static struct sockaddr_in local(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr = { htonl(INADDR_LOOPBACK) },
				     .sin_port = htons(9) };
}

static int try_bind(int type)
{
	const struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, type, 0);

	return fd < 0 ? 0 : error_of(bind(fd, (const struct sockaddr *)&any, sizeof(any)));
}

static int try_tcp_bind(void)
{
	return try_bind(SOCK_STREAM);
}

static int try_udp_bind(void)
{
	return try_bind(SOCK_DGRAM);
}

static int try_tcp_connect(void)
{
	const struct sockaddr_in to = local();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return error_of(connect(fd, (const struct sockaddr *)&to, sizeof(to)));
}

static int try_udp_send(void)
{
	const struct sockaddr_in to = local();
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return error_of(sendto(fd, "", 1, 0, (const struct sockaddr *)&to, sizeof(to)));
}

static int try_device(void)
{
	int fd = open("/dev/null", O_RDONLY);
	struct winsize size;

	return error_of(ioctl(fd, TIOCGWINSZ, &size));
}

static int try_signal(void)
{
	return error_of(kill(getppid(), 0));
}

/* @return its size. Abstract: its name begins with a zero. */
static socklen_t unix_address(struct sockaddr_un *ret, bool is_abstract)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	snprintf(ret->sun_path + is_abstract, sizeof(ret->sun_path) - 1, "%s", name_of_socket);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name_of_socket) + 1);
}

static int try_unix(bool is_abstract)
{
	struct sockaddr_un to;
	socklen_t size = unix_address(&to, is_abstract);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return error_of(connect(fd, (const struct sockaddr *)&to, size));
}

static int try_abstract(void)
{
	return try_unix(true);
}

static int try_named(void)
{
	return try_unix(false);
}

static const struct attempt {
	const char *name;
	int (*run)(void);
	int since;      /* the version from which on it is refused */
	int else_error; /* what comes of it before: 0, or an errno that is no refusal, or -1: any such */
} attempts[] = {
	{ "read a file", try_read, 1, 0 },
	{ "make a file", try_create, 1, 0 },
	{ "remove a file", try_remove, 1, 0 },
	{ "make a folder", try_make_folder, 1, 0 },
	{ "read another process", try_trace, 1, 0 },
	{ "cut an input", try_cut, 3, 0 },
	{ "bind TCP", try_tcp_bind, 4, 0 },
	{ "connect by TCP", try_tcp_connect, 4, -1 },
	{ "control a device", try_device, 5, ENOTTY },
	{ "send a signal", try_signal, 6, 0 },
	{ "connect to an abstract socket", try_abstract, 6, 0 },
	{ "connect to a socket by its name", try_named, 9, 0 },
	{ "bind UDP", try_udp_bind, 10, 0 },
	{ "send by UDP", try_udp_send, 10, -1 },
};

static bool is_refusal(int error)
{
	return error == EACCES || error == EPERM;
}

/* @return 0 or an errno; 255: it could not be bound. Version 0: it is not bound at all. */
static int in_sandbox(const struct attempt *attempt, int version)
{
	const struct sandbox_rule rules[] = { { in, SANDBOX_READ },
					      { out, SANDBOX_WRITE },
					      { "/dev/null", SANDBOX_READ } };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		kernel.version = version;
		kernel.is_real = true;
		if (version && sandbox_enter(rules, 3).landlock != version)
			_exit(255);
		_exit(attempt->run());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int listen_at(bool is_abstract)
{
	struct sockaddr_un at;
	socklen_t size = unix_address(&at, is_abstract);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(fd, 100), 0);
	return fd;
}

static void tidy(void)
{
	unlink(path_in(other, "new"));
	rmdir(path_in(other, "folder"));
}

/* Without a sandbox Yama may keep a process from another one. */
static bool is_refused_always(const struct attempt *attempt)
{
	return attempt->run == try_trace && is_refusal(in_sandbox(attempt, 0));
}

static void try_each(int version)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		const struct attempt *attempt = &attempts[i];
		bool is_refused = version >= attempt->since;
		int error, fd = -1;

		if (is_refused_always(attempt))
			continue;
		if (attempt->run == try_remove)
			fd = open(path_in(other, "new"), O_WRONLY | O_CREAT, 0600);
		error = in_sandbox(attempt, version);
		if (fd >= 0)
			close(fd);
		tidy();
		if (is_refused ? !is_refusal(error)
			       : is_refusal(error) ||
					 (attempt->else_error >= 0 && error != attempt->else_error))
			fail_msg("version %d: %s: errno %d (%s)", version, attempt->name, error,
				 strerror(error));
	}
}

/* Version 0 is no sandbox: there everything works. */
static void test_landlock__this_kernel_refuses_what_each_version_does(void **state)
{
	long here = __real_syscall(CREATE_RULESET, NULL, (size_t)0, 1);
	int listeners[] = { listen_at(false), listen_at(true) };

	(void)state;
	print_message("# Landlock of this kernel: version %ld\n", here > 0 ? here : 0);
	for (int version = 0; version <= here && version <= NEWEST; version++)
		try_each(version);
	close(listeners[0]);
	close(listeners[1]);
	unlink(name_of_socket);
}

static void make_file(const char *dir)
{
	int fd;

	assert_int_equal(mkdir(dir, 0700), 0);
	fd = open(path_in(dir, "file"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(in, sizeof(in), "%s/in", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(name_of_socket, sizeof(name_of_socket), "%s/socket", folder);
	make_file(in);
	make_file(out);
	make_file(other);
	return 0;
}

static int teardown(void **state)
{
	const char *dirs[] = { in, out, other };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		unlink(path_in(dirs[i], "file"));
		rmdir(dirs[i]);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_landlock__all_that_a_version_knows_is_given_up),
		cmocka_unit_test(test_landlock__without_it_nothing_is_in_force),
		cmocka_unit_test(test_landlock__this_kernel_refuses_what_each_version_does),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
