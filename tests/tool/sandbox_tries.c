/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* process_vm_readv */

/*
 * To be preloaded into the command: when that has done its work, and ends, tries what it should not be able to
 * do any more, and says on standard error what came of each: "done", or the number of the error.
 * PGW_TRY_OTHER: a folder that the command line does not name. PGW_TRY_OUT: that of the output. PGW_TRY_IMAGE:
 * the image, which is open, and was to be opened once.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *in(const char *variable, const char *name)
{
	static char path[4096];
	const char *folder = getenv(variable);

	snprintf(path, sizeof(path), "%s%s", folder ? folder : "", name);
	return path;
}

static void tell(const char *what, long result)
{
	int error = errno;

	if (result >= 0)
		fprintf(stderr, "try: %s: done\n", what);
	else
		fprintf(stderr, "try: %s: error %d\n", what, error);
}

static void try_files(void)
{
	tell("write to the folder of the output",
	     open(in("PGW_TRY_OUT", "/more"), O_WRONLY | O_CREAT, 0600));
	tell("read a file of the system", open("/etc/passwd", O_RDONLY));
	tell("read another file", open(in("PGW_TRY_OTHER", "/file"), O_RDONLY));
	tell("open the image again", open(in("PGW_TRY_IMAGE", ""), O_RDONLY));
	tell("write to the image", open(in("PGW_TRY_IMAGE", ""), O_WRONLY));
	tell("make a file elsewhere", open(in("PGW_TRY_OTHER", "/new"), O_WRONLY | O_CREAT, 0600));
	tell("cut a file", truncate(in("PGW_TRY_OTHER", "/file"), 0));
	tell("remove a file", unlink(in("PGW_TRY_OTHER", "/file")));
}

/* Those that would do harm if they were allowed are asked for so that they fail then in another way. */
static void try_others(void)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)&to, 1 };
	pid_t child;

	tell("make a socket", socket(AF_INET, SOCK_STREAM, 0));
	tell("make a local socket", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("run a program", execl("/nonexistent", "nonexistent", (char *)NULL));
	tell("trace a process", ptrace(PTRACE_PEEKDATA, getppid(), NULL, NULL));
	tell("read a process", process_vm_readv(getppid(), &to, 1, &from, 1, 0));
	tell("send a signal", kill(getppid(), 0));
	child = fork();
	if (child == 0)
		_exit(0);
	tell("make a process", child);
	/* Of what is no terminal, another error. */
	tell("type into a terminal", ioctl(1, TIOCSTI, ""));
	tell("give a file away", chown(in("PGW_TRY_OTHER", "/file"), (uid_t)-1, (gid_t)-1));
	tell("make memory for others", shmget(IPC_PRIVATE, 0, 0));
}

__attribute__((destructor)) static void try_all(void)
{
	if (!getenv("PGW_TRY_OTHER"))
		return;
	try_files();
	try_others();
}
