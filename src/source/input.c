/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/packed.h"
#include "source/spool.h"

/*
 * What the user names, as a file that can be mapped: itself, or if it is packed
 * or comes through a pipe, a temporary file.
 */

/* A zip archive of a compressed file, say. More is somebody who wants us to be busy. */
#define MAX_DEPTH 3

struct input {
	const struct pgw_image_options *options;
	struct pgw_error *err;
	int fd;
	struct stat st;                   /* of fd */
	bool is_stream;                   /* has to be read to be had */
	struct source_unpacked *unpacked; /* NULL: nothing was done to it */
};

static int fail_errno(struct pgw_error *err, const char *expected)
{
	int os_errno = errno;
	int status = os_errno == ENOENT ? -PGW_ENOENT : -PGW_EIO;

	source_fail(err, status, expected);
	if (err)
		err->os_errno = os_errno;
	return status;
}

/* The descriptor is ours to close. */
static int open_path(struct input *input, const char *path)
{
	bool is_path = strcmp(path, "-") != 0;
	int fd;

	/* A device may wait for ever, or do something when it is opened. */
	input->fd = is_path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
			    : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (input->fd < 0 || fstat(input->fd, &input->st))
		return fail_errno(input->err, NULL);
	if (!is_path || !S_ISFIFO(input->st.st_mode))
		return 0;
	/* Now wait for somebody to write to it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fail_errno(input->err, NULL);
	close(input->fd);
	input->fd = fd;
	return 0;
}

/* What is neither a file nor a stream is for who maps it to refuse. */
static bool is_stream(const struct input *input, const char *path)
{
	mode_t mode = input->st.st_mode;

	if (!S_ISREG(mode))
		return S_ISFIFO(mode) || S_ISSOCK(mode);
	/* Files of /proc do not say how large they are; standard input may be read in part. */
	return !input->st.st_size || (strcmp(path, "-") == 0 && lseek(input->fd, 0, SEEK_CUR) > 0);
}

static void report_progress(void *arg, uint64_t nr_read, const struct spool *spool)
{
	const struct input *input = arg;
	struct pgw_unpacking *said = &input->unpacked->said;

	said->nr_read = nr_read;
	said->size = spool->size;
	said->disk_size = spool->disk_size;
	if (input->options->unpacking)
		input->options->unpacking(input->options->progress_arg, said);
}

static int add_name(struct input *input, const struct packed_ops *ops)
{
	char *names = input->unpacked->names;
	size_t n = strlen(names);

	if (!ops)
		return 0;
	if (input->unpacked->depth++ == MAX_DEPTH)
		return source_fail(input->err, -PGW_EOPNOTSUPP,
				   "a file that is packed three times at most");
	snprintf(names + n, sizeof(input->unpacked->names) - n, "%s%s", n ? ", " : "", ops->name);
	input->unpacked->said.packing = names;
	return 0;
}

/* Once: what is behind fd goes into a temporary file, and this is in its place then. */
static int unpack_once(struct input *input, struct packed_input *bytes,
		       const struct packed_ops *ops)
{
	struct pgw_unpacking *said = &input->unpacked->said;
	struct spool spool;
	struct packed_work work = {
		.ops = ops,
		.input = bytes,
		.spool = &spool,
		.said = said,
		.progress = report_progress,
		.progress_arg = input,
	};
	struct stat st;
	int status = add_name(input, ops);

	if (status)
		return status;
	/* What was unpacked before is another file. */
	said->total = input->is_stream || fstat(input->fd, &st) ? 0 : (uint64_t)st.st_size;
	status = spool_open(&spool, input->options->temporary_folder, input->options->unpack_max,
			    input->err);
	said->folder = spool.folder;
	if (!status)
		status = packed_unpack(&work, input->err);
	if (status) {
		if (spool.fd >= 0)
			close(spool.fd);
		return status;
	}
	if (!input->unpacked->file_size)
		input->unpacked->file_size = bytes->nr_read;
	close(input->fd);
	input->fd = spool.fd;
	input->is_stream = false;
	return 0;
}

static int prepare(struct input *input, const char *path)
{
	size_t size = strlen(path) + 1;

	if (input->unpacked)
		return 0;
	input->unpacked = calloc(1, sizeof(*input->unpacked) + size);
	if (!input->unpacked)
		return source_fail(input->err, -PGW_ENOMEM, NULL);
	memcpy(input->unpacked->path, path, size);
	input->unpacked->said.path = input->unpacked->path;
	return 0;
}

/* Of a file that can be read again, so that most cost no buffer. What cannot be read is told later. */
static bool is_packed(const struct input *input)
{
	uint8_t start[PACKED_PROBE] = { 0 };

	return pread(input->fd, start, sizeof(start), 0) > 0 && packed_find(start);
}

/* @param ret_goes_on something was unpacked, which may be packed again */
static int unpack_layer(struct input *input, const char *path, bool *ret_goes_on)
{
	struct packed_input bytes;
	uint8_t start[PACKED_PROBE] = { 0 };
	const struct packed_ops *ops;
	int status;

	*ret_goes_on = false;
	if (!input->is_stream && !is_packed(input))
		return 0;
	if (!packed_input_init(&bytes, input->fd))
		return source_fail(input->err, -PGW_ENOMEM, NULL);
	status = packed_input_fill(&bytes, PACKED_PROBE) ? fail_errno(input->err, NULL) : 0;
	if (!status) {
		memcpy(start, bytes.bytes, bytes.nr < PACKED_PROBE ? bytes.nr : PACKED_PROBE);
		ops = packed_find(start);
		*ret_goes_on = ops;
		if (ops || input->is_stream)
			status = prepare(input, path);
		if (!status && (ops || input->is_stream))
			status = unpack_once(input, &bytes, ops);
	}
	packed_input_fini(&bytes);
	return status;
}

static int unpack_all(struct input *input, const char *path)
{
	bool goes_on = S_ISREG(input->st.st_mode) || input->is_stream;
	int status = 0;

	while (!status && goes_on)
		status = unpack_layer(input, path, &goes_on);
	if (status || !input->unpacked)
		return status;
	input->unpacked->said.is_done = true;
	input->unpacked->said.nr_read = input->unpacked->file_size;
	if (input->options->unpacking)
		input->options->unpacking(input->options->progress_arg, &input->unpacked->said);
	return 0;
}

int source_input_open(const char *path, const struct pgw_image_options *options,
		      struct source_map *ret, struct pgw_error *err)
{
	struct input input = { .options = options, .err = err, .fd = -1 };
	int status = open_path(&input, path);

	if (!status) {
		input.is_stream = is_stream(&input, path);
		status = unpack_all(&input, path);
	}
	if (status) {
		if (input.fd >= 0)
			close(input.fd);
		free(input.unpacked);
		return status;
	}
	status = source_map_take(input.fd, ret, err);
	if (status)
		free(input.unpacked);
	else
		ret->unpacked = input.unpacked;
	return status;
}

/* Of several files, info is about the first that was unpacked. */
void source_take_unpacked(struct source *source, const struct source_map *file)
{
	if (!file->unpacked)
		return;
	if (!source->info.unpacked)
		source->info.unpacked = &file->unpacked->said;
	if (file->unpacked->said.damage != PGW_DAMAGE_NONE)
		source->info.truncated = true;
}

const char *source_temporary(const char *folder)
{
	return folder && folder[0] == '/' && !strpbrk(folder, "\"\\") ? folder : "/var/tmp";
}
