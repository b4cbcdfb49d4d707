/* SPDX-License-Identifier: BSD-2-Clause */
/* O_TMPFILE, mkostemp() */
#define _GNU_SOURCE
#include "source/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/source_priv.h"

#define FOLDER "/var/tmp"
#define MAX_SIZE (UINT64_C(1) << 40)
#define PAGE ((size_t)4096)
/* Others write to the same disk: how much is free is asked for anew after so many bytes. */
#define LOOK_EVERY (UINT64_C(64) << 20)

static int fail_space(struct spool *spool, struct pgw_error *err)
{
	source_fail_at(err, -PGW_EIO, spool->size, spool->disk_size,
		       "more free space in the folder for temporary files (TMPDIR)");
	if (err)
		err->os_errno = ENOSPC;
	return -PGW_EIO;
}

static int fail_errno(struct pgw_error *err, const char *expected)
{
	int os_errno = errno;
	int status = os_errno == ENOENT ? -PGW_ENOENT : -PGW_EIO;

	source_fail(err, status, expected);
	if (err)
		err->os_errno = os_errno;
	return status;
}

/* A sixteenth of what is free stays so. */
static bool ask_space(struct spool *spool)
{
	struct statvfs fs;
	uint64_t free_bytes;

	if (fstatvfs(spool->fd, &fs))
		return false;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	spool->max_disk_size = spool->disk_size + (free_bytes - free_bytes / 16);
	spool->next_look = spool->disk_size + LOOK_EVERY;
	return true;
}

/* Not every file system can make a file without a name. */
static int open_unlinked(const char *folder)
{
	char path[PATH_MAX];
	int n, fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	n = snprintf(path, sizeof(path), "%s/pagewalk.XXXXXX", folder);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int spool_open(struct spool *spool, const char *folder, uint64_t max_size, struct pgw_error *err)
{
	*spool = (struct spool){
		.folder = folder ? folder : FOLDER,
		.max_size = max_size ? max_size : MAX_SIZE,
	};
	spool->fd = open_unlinked(spool->folder);
	if (spool->fd < 0 || !ask_space(spool))
		return fail_errno(err,
				  "a folder for temporary files that can be written to (TMPDIR)");
	return 0;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static int write_run(struct spool *spool, const uint8_t *bytes, size_t size, struct pgw_error *err)
{
	if (spool->disk_size >= spool->next_look && !ask_space(spool))
		return fail_errno(err, NULL);
	if (size > spool->max_disk_size - spool->disk_size)
		return fail_space(spool, err);
	spool->disk_size += size;
	while (size) {
		ssize_t n = pwrite(spool->fd, bytes, size, (off_t)spool->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
			return fail_space(spool, err);
		if (n <= 0)
			return fail_errno(err, NULL);
		bytes += n;
		size -= (size_t)n;
		spool->size += (size_t)n;
	}
	return 0;
}

int spool_write(struct spool *spool, const uint8_t *bytes, size_t size, struct pgw_error *err)
{
	if (size > spool->max_size - spool->size)
		return source_fail_at(err, -PGW_EOVERFLOW, spool->size, spool->max_size,
				      "no more unpacked bytes than are allowed (--unpack-max)");
	while (size) {
		size_t n = size < PAGE ? size : PAGE, run;
		int status;

		if (is_zero(bytes, n)) {
			spool->size += n;
			bytes += n;
			size -= n;
			continue;
		}
		for (run = n;
		     run < size && !is_zero(bytes + run, size - run < PAGE ? size - run : PAGE);)
			run += size - run < PAGE ? size - run : PAGE;
		status = write_run(spool, bytes, run, err);
		if (status)
			return status;
		bytes += run;
		size -= run;
	}
	return 0;
}

int spool_finish(struct spool *spool, struct pgw_error *err)
{
	return ftruncate(spool->fd, (off_t)spool->size) ? fail_errno(err, NULL) : 0;
}
