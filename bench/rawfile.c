/* SPDX-License-Identifier: BSD-2-Clause */
#include "rawfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

/* A machine's memory ends at a hole of this size: above are devices. */
#define LARGE_HOLE (UINT64_C(16) << 20)
#define BLOCK ((size_t)1 << 20)

static uint8_t block[BLOCK];

void rawfile_make(struct rawfile *file, uint64_t size)
{
	const char *folder = getenv("TMPDIR");

	*file = (struct rawfile){ .size = size };
	snprintf(file->path, sizeof(file->path), "%.32s/pagewalk-raw.XXXXXX",
		 folder ? folder : "/tmp");
	file->fd = mkstemp(file->path);
	bench_require(file->fd >= 0 && !ftruncate(file->fd, (off_t)size), "cannot make a file");
}

void rawfile_put(struct rawfile *file, uint64_t offset, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;

	while (size) {
		ssize_t n = pwrite(file->fd, from, size, (off_t)offset);

		bench_require(n > 0, "cannot write a file");
		from += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
}

static void put_range(struct rawfile *file, const struct pgw_phys *phys, uint64_t pa, uint64_t last,
		      uint64_t offset)
{
	while (pa <= last && offset < file->size) {
		size_t size = last - pa < BLOCK - 1 ? (size_t)(last - pa) + 1 : BLOCK;

		if (file->size - offset < size)
			size = (size_t)(file->size - offset);
		bench_require(!pgw_phys_read(phys, pa, block, size), "cannot read an image");
		rawfile_put(file, offset, block, size);
		pa += size;
		offset += size;
	}
}

/* The image's first and last address below a large hole. */
static bool memory_span(const struct pgw_image *image, uint64_t *ret_first, uint64_t *ret_last)
{
	struct pgw_pa_range range = { 0 };
	bool has_any = pgw_image_next_described(image, 0, &range);

	*ret_first = *ret_last = range.first;
	while (has_any) {
		*ret_last = range.last;
		if (!pgw_image_next_described(image, range.last + 1, &range) ||
		    range.first - *ret_last > LARGE_HOLE)
			break;
	}
	return has_any;
}

uint64_t rawfile_memory_size(const struct pgw_image *image)
{
	uint64_t first, last;

	return memory_span(image, &first, &last) ? last - first + 1 : 0;
}

uint64_t rawfile_add(struct rawfile *file, const struct pgw_image *image)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t first, last, pa, run_first, run_last;

	bench_require(memory_span(image, &first, &last), "an image without memory");
	for (pa = first;
	     phys->ops->next_range(phys, pa, &run_first, &run_last) && run_first <= last;
	     pa = run_last + 1) {
		if (run_last > last)
			run_last = last;
		put_range(file, phys, run_first, run_last, file->used + (run_first - first));
	}
	file->used += last - first + 1;
	return last - first + 1;
}

void rawfile_settle(struct rawfile *file)
{
	bench_require(!fsync(file->fd), "cannot write a file");
}

void rawfile_resize(struct rawfile *file, uint64_t size)
{
	bench_require(!ftruncate(file->fd, (off_t)size), "cannot change a file's size");
	file->size = size;
}

void rawfile_remove(struct rawfile *file)
{
	close(file->fd);
	unlink(file->path);
}

uint64_t rawfile_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0)
		size += (uint64_t)n;
	if (fd >= 0)
		close(fd);
	return size;
}
