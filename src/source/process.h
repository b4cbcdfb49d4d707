/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_PROCESS_H
#define SOURCE_PROCESS_H

/* The memory of another process: the files that it maps, and where. */

#include <sys/types.h>

#include <pagewalk/base.h>

/** Memory of a process, as /proc/PID/maps has it. */
struct process_area {
	uint64_t first, last;
	uint64_t offset; /* in the file */
	dev_t device;
	ino_t inode;    /* 0: it maps no file */
	bool is_shared; /* what is written to it is in the file */
};

/** The area that has the address. @return 0, -PGW_ENOENT, -PGW_EACCES, -PGW_ENOMEM */
int process_area_at(pid_t pid, uint64_t address, struct process_area *ret);

/**
 * Open a file for reading that the process has open, by what stat() says of it.
 * @return a descriptor or -1
 */
int process_open_file(pid_t pid, dev_t device, ino_t inode);

/** Does it run a program with qemu in its name? That of others is no guest's memory. */
bool process_is_qemu(pid_t pid);

/** Open its memory; reads at an address give its bytes. @return a descriptor or -1 */
int process_open_memory(pid_t pid);

/** All len bytes, or false. */
bool process_read(int memory, uint64_t address, void *buf, size_t len);

#endif
