/* SPDX-License-Identifier: BSD-2-Clause */
/* From a file's name to its roots: open, find, close. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/image.h>

#include "harness.h"

struct file {
	const char *path;
	uint64_t size;
};

static uint64_t find_roots(void *arg)
{
	const struct file *file = arg;
	const struct pgw_root_info *roots;
	struct pgw_image *image;
	size_t nr;

	if (pgw_image_open(file->path, NULL, &image, NULL))
		return 0;
	if (pgw_image_roots(image, &roots, &nr))
		nr = 0;
	pgw_image_close(image);
	return nr ? file->size : 0;
}

static uint64_t find_kernel_root(void *arg)
{
	const struct file *file = arg;
	struct pgw_root_info root;
	struct pgw_image *image;
	int status;

	if (pgw_image_open(file->path, NULL, &image, NULL))
		return 0;
	status = pgw_image_kernel_root(image, &root, NULL);
	pgw_image_close(image);
	return status ? 0 : file->size;
}

static uint64_t plain_read(void *arg)
{
	static uint64_t words[131072];
	const struct file *file = arg;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0, sum = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, words, sizeof(words))) > 0) {
		for (size_t i = 0; i < (size_t)n / 8; i++)
			sum += words[i];
		size += (size_t)n;
	}
	*(volatile uint64_t *)&sum = sum;
	if (fd >= 0)
		close(fd);
	return size;
}

int main(int argc, char **argv)
{
	struct bench bench;

	for (int i = bench_init(&bench, argc, argv); i < argc; i++) {
		const char *slash = strrchr(argv[i], '/');
		struct file file = { .path = argv[i] };
		char name[128];
		struct bench_set set = {
			.name = name,
			.unit = "byte",
			.nr_cases = 3,
			.cases = {
				{ "plain read of the file", plain_read, &file },
				{ "roots", find_roots, &file },
				{ "the kernel's root", find_kernel_root, &file },
			},
		};

		snprintf(name, sizeof(name), "bench_roots__%s", slash ? slash + 1 : argv[i]);
		file.size = plain_read(&file);
		bench_run(&bench, &set);
	}
	return bench_done(&bench);
}
