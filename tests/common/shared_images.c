/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/shared_images.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *folder(const char *variable, const char *otherwise)
{
	const char *value = getenv(variable);

	return value && *value ? value : otherwise;
}

static bool is_newer(const char *path, const struct stat *source)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_mtime >= source->st_mtime;
}

static bool decompress(const char *from, const char *to)
{
	char *argv[] = { "zstd",
			 "-q",
			 "-d",
			 "-f",
			 "--sparse",
			 "-o",
			 (char *)(size_t)to,
			 (char *)(size_t)from,
			 NULL };
	int status;
	pid_t pid;

	errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (errno) {
		perror("zstd");
		return false;
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* The lock makes others wait for the first; the rename makes the file appear whole. */
static bool fill_cache(const char *from, const char *to, const struct stat *source)
{
	char temporary[PATH_MAX + 16], lock_path[PATH_MAX + 16];
	bool done;
	int lock;

	snprintf(temporary, sizeof(temporary), "%s.%ld", to, (long)getpid());
	snprintf(lock_path, sizeof(lock_path), "%s.lock", to);
	lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (lock < 0) {
		perror(lock_path);
		return false;
	}
	while (flock(lock, LOCK_EX) && errno == EINTR)
		;
	done = is_newer(to, source) || (decompress(from, temporary) && rename(temporary, to) == 0);
	if (!done)
		unlink(temporary);
	close(lock);
	return done;
}

/* All folders above a file. */
static bool make_folders(const char *path)
{
	char folder[PATH_MAX];

	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
		if (mkdir(folder, 0777) && errno != EEXIST) {
			perror(folder);
			return false;
		}
	}
	return true;
}

/* A file of root/below, decompressed into a folder of the cache that has the same name. */
static const char *find_image(const char *root, const char *below, const char *in_cache,
			      const char *name)
{
	static char path[PATH_MAX];
	const char *cache = folder("PGW_IMAGE_CACHE", "image-cache");
	char compressed[PATH_MAX + 4];
	struct stat source;

	snprintf(path, sizeof(path), "%s/%s/%s", root, below, name);
	if (access(path, R_OK) == 0)
		return path;
	snprintf(compressed, sizeof(compressed), "%s.zst", path);
	if (stat(compressed, &source)) {
		fprintf(stderr, "%s: not there\n", compressed);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/%s%s", cache, in_cache, name);
	if (!make_folders(path))
		return NULL;
	if (is_newer(path, &source))
		return path;
	return fill_cache(compressed, path, &source) ? path : NULL;
}

const char *shared_image(const char *name)
{
	return find_image(folder("PGW_SHARED", "../shared"), "images", "", name);
}

const char *data_image(const char *name)
{
	return find_image(folder("PGW_SOURCE_ROOT", "."), "tests/data", "data/", name);
}
