/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: this is not so: %s\n", file, line, condition);
	abort();
}

uint64_t fuzz_take(struct fuzz_input *input, unsigned nr_bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < nr_bytes && input->size; i++) {
		value |= (uint64_t)*input->data++ << (8 * i);
		input->size--;
	}
	return value;
}

const char *fuzz_file(unsigned slot, const void *bytes, size_t size)
{
	static struct file {
		int fd; /* 0: not open */
		char path[32];
	} files[2];
	struct file *file = &files[slot];
	size_t done = 0;

	if (!file->fd) {
		file->fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
	}
	FUZZ_CHECK(file->fd > 0 && ftruncate(file->fd, 0) == 0);
	while (done < size) {
		ssize_t n =
			pwrite(file->fd, (const uint8_t *)bytes + done, size - done, (off_t)done);

		FUZZ_CHECK(n > 0);
		done += (size_t)n;
	}
	return file->path;
}
