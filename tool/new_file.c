/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* renameat2 */
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

/* A hole is no smaller. */
#define PAGE 4096

#define TEMP_NAME ".pagewalk-XXXXXX"

/* Signals that end a program. */
static const int ending[] = { SIGHUP, SIGINT, SIGTERM };
#define NR_ENDING (sizeof(ending) / sizeof(ending[0]))

static bool file_failed(const struct new_file *file, int os_errno)
{
	message("%s: %s", file->path, strerror(os_errno));
	return false;
}

static bool input_refused(const struct new_file *file)
{
	message("%s: this is the input itself, which is never changed", file->path);
	return false;
}

bool new_file_spares(const struct new_file *file, const char *input)
{
	struct stat old, in;

	if (lstat(file->path, &old) < 0 || stat(input, &in) < 0 || in.st_dev != old.st_dev ||
	    in.st_ino != old.st_ino)
		return true;
	return input_refused(file);
}

bool new_file_spares_image(const struct new_file *file, const struct pgw_image *image)
{
	struct stat old;

	if (lstat(file->path, &old) < 0 || !pgw_image_reads_file(image, old.st_dev, old.st_ino))
		return true;
	return input_refused(file);
}

bool new_file_init(struct new_file *file, const char *path, bool replaces)
{
	struct stat old;

	file->path = path;
	file->replaces = replaces;
	file->is_open = file->is_sparse = false;
	file->temp = NULL;
	if (lstat(path, &old) < 0)
		return errno == ENOENT || file_failed(file, errno);
	if (!replaces) {
		message("%s: there is such a file already; --force replaces it", path);
		return false;
	}
	if (!S_ISREG(old.st_mode)) {
		message("%s: not a regular file, which is all that --force replaces", path);
		return false;
	}
	return true;
}

/* They wait until there is nothing to leave behind. */
static void signals_block(struct new_file *file)
{
	struct sigaction action;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < NR_ENDING; i++) {
		/* One that is ignored would wait all the same. */
		if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, ending[i]);
	}
	sigprocmask(SIG_BLOCK, &set, &file->unblocked);
	signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is seen as EFBIG */
}

static bool signals_wait(const struct new_file *file)
{
	sigset_t set;

	sigpending(&set);
	for (size_t i = 0; i < NR_ENDING; i++)
		if (sigismember(&set, ending[i]) && !sigismember(&file->unblocked, ending[i]))
			return true;
	return false;
}

static void file_forget(struct new_file *file)
{
	free(file->temp);
	file->temp = NULL;
	file->is_open = false;
	sigprocmask(SIG_SETMASK, &file->unblocked, NULL);
}

static bool file_open(struct new_file *file)
{
	const char *slash = strrchr(file->path, '/');
	size_t folder = slash ? (size_t)(slash - file->path) + 1 : 0;
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	file->temp = malloc(folder + sizeof(TEMP_NAME));
	if (!file->temp)
		return file_failed(file, ENOMEM);
	memcpy(file->temp, file->path, folder);
	memcpy(file->temp + folder, TEMP_NAME, sizeof(TEMP_NAME));
	signals_block(file);
	fd = mkstemp(file->temp);
	if (fd < 0) {
		file_failed(file, errno);
		file_forget(file);
		return false;
	}
	file->is_open = true;
	file->size = file->hole = 0;
	out_init(&file->out, fd, false);
	return fchmod(fd, 0666 & ~mask) == 0 || file_failed(file, errno);
}

static bool is_zero(const char *bytes, size_t size)
{
	return !bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* The zeroes that are due become a hole. */
static void file_skip(struct new_file *file)
{
	out_flush(&file->out);
	if (!out_failed(&file->out) && lseek(file->out.fd, (off_t)file->hole, SEEK_CUR) < 0)
		file->out.os_errno = errno;
	file->hole = 0;
}

static void write_sparse(struct new_file *file, const char *bytes, size_t size)
{
	while (size) {
		size_t n = PAGE - file->size % PAGE;

		if (n > size)
			n = size;
		/* Less than a page is not worth a hole of its own. */
		if ((n == PAGE || file->hole) && is_zero(bytes, n)) {
			file->hole += n;
		} else {
			if (file->hole)
				file_skip(file);
			out_bytes(&file->out, bytes, n);
		}
		file->size += n;
		bytes += n;
		size -= n;
	}
}

bool new_file_write(struct new_file *file, const void *bytes, size_t size)
{
	if (!file->is_open && !file_open(file))
		return false;
	if (file->is_sparse)
		write_sparse(file, (const char *)bytes, size);
	else
		out_bytes(&file->out, (const char *)bytes, size);
	if (out_failed(&file->out))
		return file_failed(file, file->out.os_errno);
	return !signals_wait(file);
}

/* What may not be replaced is not, also if it came only now. */
static int file_rename(const struct new_file *file)
{
	if (file->replaces)
		return rename(file->temp, file->path);
	if (renameat2(AT_FDCWD, file->temp, AT_FDCWD, file->path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system that cannot: a link never replaces anything. */
	return link(file->temp, file->path) < 0 ? -1 : unlink(file->temp);
}

bool new_file_finish(struct new_file *file)
{
	struct out *out = &file->out;
	int fd = out->fd;

	out_flush(out);
	if (!out_failed(out) &&
	    ((file->hole && ftruncate(fd, (off_t)file->size) < 0) || fsync(fd) < 0))
		out->os_errno = errno;
	if (out_failed(out))
		return file_failed(file, out->os_errno);
	out->fd = -1;
	return close(fd) == 0 || file_failed(file, errno);
}

bool new_file_commit(struct new_file *file)
{
	if ((file->out.fd >= 0 && !new_file_finish(file)) ||
	    (file_rename(file) < 0 && !file_failed(file, errno))) {
		new_file_abandon(file);
		return false;
	}
	file_forget(file);
	return true;
}

void new_file_abandon(struct new_file *file)
{
	if (!file->is_open)
		return;
	if (file->out.fd >= 0)
		close(file->out.fd);
	unlink(file->temp);
	file_forget(file);
}
