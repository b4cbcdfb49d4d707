/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox_filter CPU: a program of the build. Writes, as C, the filter of system calls by which the
 * command gives up what it does not need, made by libseccomp for CPU (a name of meson's); an empty one
 * for a CPU that the library does not know. Made here and not by each process, of whose start it was a
 * third.
 */
#define _GNU_SOURCE /* CLONE_THREAD */
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Stands for the process's own number, which sandbox.c puts into its place. No process has it: they
 * end at 2^22. */
#define OWN_PID 0x7ee1e55e

/*
 * No command makes these. What opens, reads and maps files is Landlock's to decide, but before its version 3
 * it lets files be cut, and before 6 signals be sent.
 */
static const char *const refused[] = {
	"execve",
	"execveat",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"pidfd_open",
	"pidfd_getfd",
	"pidfd_send_signal",
	"socket",
	"connect",
	"bind",
	"listen",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"setns",
	"unshare",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"io_uring_setup",
	"open_by_handle_at",
	"keyctl",
	"add_key",
	"request_key",
	"init_module",
	"finit_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"fork",
	"vfork",
	"truncate",
	"tkill",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	"chown",
	"lchown",
	"fchownat",
	"setxattr",
	"lsetxattr",
	"removexattr",
	"lremovexattr",
	"shmget",
	"msgget",
	"semget",
};

static int refuse(scmp_filter_ctx filter, int error, const char *name)
{
	int call = seccomp_syscall_resolve_name(name);

	/* One that the library is too old to know is left out. */
	return call == __NR_SCMP_ERROR ? 0
				       : seccomp_rule_add(filter, SCMP_ACT_ERRNO(error), call, 0);
}

/* @return 0, or what the library says of it */
static int fill(scmp_filter_ctx filter, uint32_t arch)
{
	/* clone(2): on s390 the flags come second. */
	unsigned flags = arch == SCMP_ARCH_S390 || arch == SCMP_ARCH_S390X;
	const struct scmp_arg_cmp of_others = { 0, SCMP_CMP_NE, OWN_PID, 0 };
	/* Descriptors that were open before are no matter of Landlock's; what is typed so, a shell reads. */
	const struct scmp_arg_cmp typing[] = { { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI },
					       { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCLINUX } };
	const struct scmp_arg_cmp of_process = { flags, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0 };
	int status = 0;

	for (size_t i = 0; !status && i < sizeof(refused) / sizeof(refused[0]); i++)
		status = refuse(filter, EPERM, refused[i]);
	/* Signals to itself alone; threads, but no processes. What cannot be looked into is not there:
	 * libc goes on without clone3. */
	if (!status)
		status = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1,
						&of_others);
	if (!status)
		status = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
						&of_others);
	if (!status)
		status = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
						&of_process);
	for (size_t i = 0; !status && i < sizeof(typing) / sizeof(typing[0]); i++)
		status = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
						&typing[i]);
	return status ? status : refuse(filter, ENOSYS, "clone3");
}

/* ppc64 in meson is of either byte order: that of the build, then, or none. */
static uint32_t arch_of(const char *cpu)
{
	uint32_t native = seccomp_arch_native();

	if (strcmp(cpu, "ppc64") == 0)
		return native == SCMP_ARCH_PPC64 || native == SCMP_ARCH_PPC64LE ? native : 0;
	return seccomp_arch_resolve_name(cpu);
}

static scmp_filter_ctx filter_for(uint32_t arch)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (!filter || arch == seccomp_arch_native())
		return filter;
	/* In this order, as one filter is of one byte order. */
	if (seccomp_arch_remove(filter, seccomp_arch_native()) || seccomp_arch_add(filter, arch)) {
		seccomp_release(filter);
		return NULL;
	}
	return filter;
}

/* Elements of the array, and how many of them are the filter. */
static void print(const struct sock_filter *code, size_t elements, size_t nr)
{
	printf("/* Made by sandbox_filter.c. */\n#include \"sandbox_filter.h\"\n\n"
	       "const struct sock_filter sandbox_filter[] = {\n");
	for (size_t i = 0; i < elements; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt, code[i].jf,
		       code[i].k);
	printf("};\nconst unsigned short sandbox_filter_nr = %zu;\n", nr);
	printf("const unsigned sandbox_filter_own_pid = 0x%x;\n", OWN_PID);
}

/* The library writes to files only. */
static size_t export(scmp_filter_ctx filter, struct sock_filter *code, size_t max)
{
	FILE *file = tmpfile();
	size_t nr = 0;

	if (file && seccomp_export_bpf(filter, fileno(file)) == 0) {
		rewind(file);
		nr = fread(code, sizeof(*code), max, file);
	}
	if (file)
		fclose(file);
	return nr;
}

int main(int argc, char **argv)
{
	uint32_t arch = argc == 2 ? arch_of(argv[1]) : 0;
	static struct sock_filter code[BPF_MAXINSNS];
	scmp_filter_ctx filter;
	size_t nr = 0;

	if (!arch) {
		/* As a C array has at least one element. */
		print(code, 1, 0);
		return EXIT_SUCCESS;
	}
	filter = filter_for(arch);
	if (filter && fill(filter, arch) == 0)
		nr = export(filter, code, BPF_MAXINSNS);
	seccomp_release(filter);
	if (!nr) {
		fprintf(stderr, "sandbox_filter: libseccomp makes no filter for %s\n", argv[1]);
		return EXIT_FAILURE;
	}
	print(code, nr, nr);
	return EXIT_SUCCESS;
}
