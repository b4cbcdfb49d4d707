/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* O_PATH, syscall */
#include "sandbox.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_filter.h"

/* ---- Landlock: include/uapi/linux/landlock.h of Linux 7.2; that of the build may be older ---- */

#define NR_CREATE_RULESET 444 /* the same on every machine */
#define NR_ADD_RULE 445
#define NR_RESTRICT_SELF 446

#define CREATE_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_WRITE_FILE (1u << 1)
#define FS_READ_FILE (1u << 2)
#define FS_READ_DIR (1u << 3)
#define FS_REMOVE_DIR (1u << 4)
#define FS_REMOVE_FILE (1u << 5)
#define FS_MAKE_DIR (1u << 7)
#define FS_MAKE_REG (1u << 8)
#define FS_REFER (1u << 13)        /* version 2 */
#define FS_TRUNCATE (1u << 14)     /* version 3 */
#define FS_IOCTL_DEV (1u << 15)    /* version 5 */
#define FS_RESOLVE_UNIX (1u << 16) /* sockets by their names, version 9 */
#define FS_V1 ((1u << 13) - 1)

#define NET_TCP 3u   /* bind and connect, version 4 */
#define NET_UDP 12u  /* bind, connect and send, version 10 */
#define SCOPE_ALL 3u /* abstract sockets and signals, version 6 */
#define FS_OF_FILE                                                                                 \
	(FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE) /* what a rule for a file may have */

struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* All that a version can forbid: a kernel refuses what it does not know. */
static struct ruleset ruleset_of(int version)
{
	return (struct ruleset){
		.fs = FS_V1 | (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
		      (version >= 5 ? FS_IOCTL_DEV : 0) | (version >= 9 ? FS_RESOLVE_UNIX : 0),
		.net = (version >= 4 ? NET_TCP : 0) | (version >= 10 ? NET_UDP : 0),
		.scoped = version >= 6 ? SCOPE_ALL : 0,
	};
}

static void rule_add(int ruleset, const struct sandbox_rule *rule, uint64_t handled)
{
	uint64_t allowed = FS_READ_FILE | FS_READ_DIR;
	struct path_beneath what = { .fd = open(rule->path, O_PATH | O_CLOEXEC) };
	struct stat st;

	if (what.fd < 0)
		return;
	if (rule->access != SANDBOX_READ)
		allowed |= FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_REFER | FS_TRUNCATE;
	if (rule->access == SANDBOX_MAKE)
		allowed |= FS_MAKE_DIR | FS_REMOVE_DIR;
	if (fstat(what.fd, &st) == 0 && !S_ISDIR(st.st_mode))
		allowed &= FS_OF_FILE;
	what.allowed = allowed & handled;
	/* One that fails allows nothing. */
	(void)syscall(NR_ADD_RULE, ruleset, RULE_PATH_BENEATH, &what, 0);
	close(what.fd);
}

/* @return the version that is in force, or 0 */
static int landlock_enter(const struct sandbox_rule *rules, size_t nr)
{
	long version = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_VERSION);
	struct ruleset what;
	int ruleset, status;

	if (version < 1)
		return 0;
	what = ruleset_of((int)version);
	/* Kernels take a longer struct than they know if the rest is 0. */
	ruleset = (int)syscall(NR_CREATE_RULESET, &what, sizeof(what), 0);
	if (ruleset < 0)
		return 0;
	for (size_t i = 0; i < nr; i++)
		rule_add(ruleset, &rules[i], what.fs);
	status = (int)syscall(NR_RESTRICT_SELF, ruleset, 0);
	close(ruleset);
	return status ? 0 : (int)version;
}

/* ---- seccomp ---- */

/* Only the numbers of processes are not known when a command is built. */
static bool seccomp_enter(void)
{
	struct sock_filter code[BPF_MAXINSNS];
	struct sock_fprog program = { .len = sandbox_filter_nr, .filter = code };

	if (!sandbox_filter_nr || sandbox_filter_nr > BPF_MAXINSNS)
		return false;
	memcpy(code, sandbox_filter, sandbox_filter_nr * sizeof(*code));
	for (unsigned i = 0; i < sandbox_filter_nr; i++) {
		if (code[i].k == sandbox_filter_own_pid)
			code[i].k = (uint32_t)getpid();
	}
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct sandbox_state sandbox_enter(const struct sandbox_rule *rules, size_t nr)
{
	static bool has_seccomp;
	struct sandbox_state state = { 0 };

	/* Both want it of those who are not root. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return state;
	has_seccomp = has_seccomp || seccomp_enter();
	state.seccomp = has_seccomp;
	state.landlock = landlock_enter(rules, nr);
	return state;
}
