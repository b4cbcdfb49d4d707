/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* renameat2, nftw, sync_file_range */
#include "new_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

#define TEMP_NAME ".pagewalk-XXXXXX"
/* Of folders that are open at a time while all is removed. */
#define MAX_OPEN 8

static bool folder_failed(const struct new_folder *folder, int os_errno)
{
	message("%s: %s", folder->path, strerror(os_errno));
	return false;
}

bool new_folder_init(struct new_folder *folder, const char *path)
{
	struct stat old;

	*folder = (struct new_folder){ .path = path };
	if (lstat(path, &old) < 0)
		return errno == ENOENT || folder_failed(folder, errno);
	message("%s: it is there already, and a folder takes nothing's place", path);
	return false;
}

/* SIGHUP ends a program without a word; SIGINT and SIGTERM are caught. */
static void signals_block(struct new_folder *folder)
{
	struct sigaction action;
	sigset_t set;

	sigemptyset(&set);
	if (sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &folder->unblocked);
	signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is seen as EFBIG */
}

static void folder_forget(struct new_folder *folder)
{
	free(folder->temp);
	folder->temp = NULL;
	sigprocmask(SIG_SETMASK, &folder->unblocked, NULL);
}

/* "a/b/" is the folder "b". */
static size_t parent_of(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len && path[len - 1] != '/')
		len--;
	return len;
}

static bool folder_make(struct new_folder *folder)
{
	size_t parent = parent_of(folder->path);
	mode_t mask = umask(0);
	int os_errno;

	umask(mask);
	folder->temp = malloc(parent + sizeof(TEMP_NAME));
	if (!folder->temp)
		return folder_failed(folder, ENOMEM);
	memcpy(folder->temp, folder->path, parent);
	memcpy(folder->temp + parent, TEMP_NAME, sizeof(TEMP_NAME));
	signals_block(folder);
	if (mkdtemp(folder->temp))
		return chmod(folder->temp, 0777 & ~mask) == 0 || folder_failed(folder, errno);
	os_errno = errno;
	folder_forget(folder);
	return folder_failed(folder, os_errno);
}

/* @return NULL after a message */
static char *path_in(const struct new_folder *folder, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", folder->temp, name) < 0) {
		folder_failed(folder, ENOMEM);
		return NULL;
	}
	return path;
}

bool new_folder_add(struct new_folder *folder, const char *name)
{
	char *path;
	bool is_made;

	if (!folder->temp && !folder_make(folder))
		return false;
	path = path_in(folder, name);
	if (!path)
		return false;
	is_made = mkdir(path, 0777) == 0 || errno == EEXIST || folder_failed(folder, errno);
	free(path);
	return is_made;
}

int new_folder_open(struct new_folder *folder, const char *name)
{
	char *path = path_in(folder, name);
	int fd;

	if (!path)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		folder_failed(folder, errno);
	free(path);
	return fd;
}

void new_folder_push(int fd)
{
	/* Of a file system that cannot, new_folder_close() waits for all. */
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

bool new_folder_close(const struct new_folder *folder, int fd)
{
	int os_errno = fsync(fd) < 0 ? errno : 0;

	if (close(fd) < 0 && !os_errno)
		os_errno = errno;
	return !os_errno || folder_failed(folder, os_errno);
}

bool new_folder_commit(struct new_folder *folder)
{
	int status = renameat2(AT_FDCWD, folder->temp, AT_FDCWD, folder->path, RENAME_NOREPLACE);

	/* A file system that cannot: rename() takes the place of no folder but an empty one. */
	if (status < 0 && (errno == EINVAL || errno == ENOSYS))
		status = rename(folder->temp, folder->path);
	if (status < 0) {
		folder_failed(folder, errno);
		new_folder_abandon(folder);
		return false;
	}
	folder_forget(folder);
	return true;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)at;
	return kind == FTW_DP ? rmdir(path) : unlink(path);
}

void new_folder_abandon(struct new_folder *folder)
{
	if (!folder->temp)
		return;
	nftw(folder->temp, remove_one, MAX_OPEN, FTW_DEPTH | FTW_PHYS);
	folder_forget(folder);
}
