/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* O_PATH, syscall */
#include "sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef PGW_WITH_SECCOMP
#include <seccomp.h>
#endif

/* ---- Landlock: include/uapi/linux/landlock.h of Linux 7.2; that of the build may be older ---- */

#define NR_CREATE_RULESET 444 /* the same on every machine */
#define NR_ADD_RULE 445
#define NR_RESTRICT_SELF 446

#define CREATE_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_WRITE_FILE (1u << 1)
#define FS_READ_FILE (1u << 2)
#define FS_READ_DIR (1u << 3)
#define FS_REMOVE_FILE (1u << 5)
#define FS_MAKE_REG (1u << 8)
#define FS_REFER (1u << 13)    /* version 2 */
#define FS_TRUNCATE (1u << 14) /* version 3 */
#define FS_V1 ((1u << 13) - 1)

#define NET_TCP 3u      /* bind and connect, version 4 */
#define SCOPE_ALL 3u    /* abstract sockets and signals, version 6 */
#define FS_OF_FILE (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE) /* what a rule for a file may have */

struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static struct ruleset ruleset_of(int version)
{
	return (struct ruleset){
		.fs = FS_V1 | (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0),
		.net = version >= 4 ? NET_TCP : 0,
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
	if (rule->access == SANDBOX_WRITE)
		allowed |= FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_REFER | FS_TRUNCATE;
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

#ifdef PGW_WITH_SECCOMP
/* What is used of the library, which is loaded if it is there. */
static struct {
	scmp_filter_ctx (*init)(uint32_t action);
	int (*add)(scmp_filter_ctx filter, uint32_t action, int call, unsigned nr, ...);
	int (*load)(const scmp_filter_ctx filter);
	void (*release)(scmp_filter_ctx filter);
} lib;

static bool library_load(void)
{
	const struct {
		const char *name;
		void *to;
	} symbols[] = {
		{ "seccomp_init", &lib.init },
		{ "seccomp_rule_add", &lib.add },
		{ "seccomp_load", &lib.load },
		{ "seccomp_release", &lib.release },
	};
	void *library = dlopen(PGW_WITH_SECCOMP, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return false;
		memcpy(symbols[i].to, &symbol, sizeof(symbol));
	}
	return library;
}

/* No command makes these. What opens, reads and maps files is Landlock's to decide. */
static const int refused[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
};

static bool filter_fill(scmp_filter_ctx filter)
{
	const uint32_t eperm = SCMP_ACT_ERRNO(EPERM);
	const struct scmp_arg_cmp of_others = { 0, SCMP_CMP_NE, (scmp_datum_t)getpid(), 0 };
	const struct scmp_arg_cmp of_process = { 0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0 };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (lib.add(filter, eperm, refused[i], 0))
			return false;
	}
	/* Signals to itself alone; threads, but no processes. What cannot be looked into is not there: libc
	 * goes on without clone3. */
	return !lib.add(filter, eperm, SCMP_SYS(kill), 1, of_others) &&
	       !lib.add(filter, eperm, SCMP_SYS(clone), 1, of_process) &&
	       !lib.add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static bool seccomp_enter(void)
{
	scmp_filter_ctx filter = library_load() ? lib.init(SCMP_ACT_ALLOW) : NULL;
	bool is_in_force;

	if (!filter)
		return false;
	is_in_force = filter_fill(filter) && lib.load(filter) == 0;
	lib.release(filter);
	return is_in_force;
}
#else
static bool seccomp_enter(void)
{
	return false;
}
#endif

struct sandbox_state sandbox_enter(const struct sandbox_rule *rules, size_t nr)
{
	static bool has_seccomp;
	struct sandbox_state state = { 0 };

	/* Both want it of those who are not root. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return state;
	/* First, as its library is a file. */
	has_seccomp = has_seccomp || seccomp_enter();
	state.seccomp = has_seccomp;
	state.landlock = landlock_enter(rules, nr);
	return state;
}
