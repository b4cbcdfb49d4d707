/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PATH_SIZE 64

/* "7f9e6bfff000-7f9e6ffff000 rw-s 00000000 00:01 19138     /memfd:ram (deleted)" */
static bool read_area(const char *line, struct process_area *ret)
{
	unsigned major, minor;
	uint64_t end, inode;
	char rights[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &ret->first,
		   &end, rights, &ret->offset, &major, &minor, &inode) != 7 ||
	    end <= ret->first)
		return false;
	ret->last = end - 1;
	ret->device = makedev(major, minor);
	ret->inode = inode;
	ret->is_shared = rights[3] == 's';
	return true;
}

int process_area_at(pid_t pid, uint64_t address, struct process_area *ret)
{
	char path[PATH_SIZE], *line = NULL;
	int status = -PGW_ENOENT;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -PGW_ENOENT : -PGW_EACCES;
	while (status && getline(&line, &size, maps) > 0) {
		if (read_area(line, ret) && ret->first <= address && address <= ret->last)
			status = 0;
	}
	free(line);
	fclose(maps);
	return status;
}

/* Of a file only that is regular: another may do something when it is opened. */
static int open_if_same(int folder, const char *name, dev_t device, ino_t inode)
{
	struct stat st;
	int fd;

	if (fstatat(folder, name, &st, 0) || st.st_dev != device || st.st_ino != inode ||
	    !S_ISREG(st.st_mode))
		return -1;
	fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && (fstat(fd, &st) || st.st_dev != device || st.st_ino != inode)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int process_open_file(pid_t pid, dev_t device, ino_t inode)
{
	const struct dirent *entry;
	char path[PATH_SIZE];
	int fd = -1;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	if (!folder)
		return -1;
	while (fd < 0 && (entry = readdir(folder)))
		fd = open_if_same(dirfd(folder), entry->d_name, device, inode);
	closedir(folder);
	return fd;
}

bool process_is_qemu(pid_t pid)
{
	char path[PATH_SIZE], program[PATH_MAX];
	const char *name;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	len = readlink(path, program, sizeof(program) - 1);
	if (len < 0)
		return false;
	program[len] = '\0';
	name = strrchr(program, '/');
	return name && strstr(name, "qemu");
}

int process_open_memory(pid_t pid)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool process_read(int memory, uint64_t address, void *buf, size_t len)
{
	char *to = buf;

	while (len) {
		ssize_t n = pread(memory, to, len, (off_t)address);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		address += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}
