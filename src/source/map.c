/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* SEEK_DATA, MAP_POPULATE */
#include "source/source_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/flat.h"

#define BYTES_A_BLOCK 512 /* of st_blocks */

/* A file of so many bytes or fewer is brought in at once, holes too: page by page would take longer. */
#define SMALL_FILE ((size_t)1 << 20)

/* What the system said, as one of our statuses. */
static int fail_errno(struct pgw_error *err, const char *expected)
{
	int os_errno = errno;
	int status = os_errno == ENOENT      ? -PGW_ENOENT
		     : os_errno == ENOMEM    ? -PGW_ENOMEM
		     : os_errno == EOVERFLOW ? -PGW_EOVERFLOW
					     : -PGW_EIO;

	source_fail(err, status, expected);
	if (err)
		err->os_errno = os_errno;
	return status;
}

/* Only a regular file that is not empty can be mapped, and has a size that means something. */
static int map_check(int fd, struct source_map *map, struct pgw_error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return fail_errno(err, NULL);
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : 0;
		return fail_errno(err, "a regular file");
	}
	if (st.st_size == 0)
		return source_fail(err, -PGW_ENOEXEC, "a file that is not empty");
	if ((uint64_t)st.st_size > SIZE_MAX / 2)
		return source_fail(err, -PGW_EOVERFLOW, "a file that fits into the address space");
	map->mapped = (size_t)st.st_size;
	/* Of what is packed or not written yet, too: then holes are asked for and not there. */
	map->is_sparse = map->mapped > SMALL_FILE && st.st_blocks < st.st_size / BYTES_A_BLOCK;
	return 0;
}

int source_map_open(const char *path, struct source_map *ret, struct pgw_error *err)
{
	/* Without O_NONBLOCK, opening a FIFO waits for somebody to write to it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? fail_errno(err, NULL) : source_map_take(fd, ret, err);
}

/* Pages of such a file cannot be replaced one by one if it shrinks, and a map takes huge pages. */
static bool is_of_huge_pages(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;
}

int source_map_take(int fd, struct source_map *ret, struct pgw_error *err)
{
	struct source_map map = { .fd = fd, .page_size = (size_t)getpagesize() };
	bool is_small;
	void *bytes;
	int status;

	status = map_check(map.fd, &map, err);
	if (status)
		goto fail;
	map.size = map.mapped;
	if (is_of_huge_pages(fd)) {
		*ret = map;
		return 0;
	}
	is_small = map.mapped <= SMALL_FILE;
	bytes = mmap(NULL, map.mapped, PROT_READ, MAP_PRIVATE | (is_small ? MAP_POPULATE : 0),
		     map.fd, 0);
	if (bytes == MAP_FAILED && errno == ENOMEM) {
		*ret = map;
		return 0;
	}
	if (bytes == MAP_FAILED) {
		status = fail_errno(err, NULL);
		goto fail;
	}
	map.bytes = bytes;
	map.guard = source_guard_new(bytes, map.mapped);
	map.resident = is_small ? NULL : source_resident_new(map.page_size);
	if (!map.guard || (!is_small && !map.resident)) {
		status = source_fail(err, -PGW_ENOMEM, NULL);
		goto fail;
	}
	*ret = map;
	return 0;
fail:
	source_map_close(&map);
	return status;
}

void source_map_close(struct source_map *map)
{
	source_guard_free(map->guard);
	source_resident_free(map->resident);
	source_flat_free(map->flat);
	free(map->unpacked);
	if (map->bytes)
		munmap((void *)(uintptr_t)map->bytes, map->mapped);
	if (map->fd >= 0)
		close(map->fd);
	*map = (struct source_map){ .fd = -1 };
}

/* Note what the file has lost since it was opened; if that cannot be asked, all of it. */
static void map_ask_size(const struct source_map *map)
{
	struct stat st;

	if (!map->bytes)
		return;
	if (fstat(map->fd, &st))
		source_guard_lower(map->guard, 0);
	else if ((uint64_t)st.st_size < map->mapped)
		source_guard_lower(map->guard, (size_t)st.st_size);
}

/* Is there no page fault if these bytes are read? It is guessed: they were read before. */
static bool map_is_resident(const struct source_map *map, size_t offset, size_t len)
{
	return !map->resident || source_resident_touch(map, map->bytes + offset, len);
}

/*
 * The bytes before end were copied from the mapping without a fault, but may
 * be what follows the end of a file that has shrunk within its last page:
 * zeroes, up to the end of the page. The page after that is gone then. To bring it in for this
 * costs more than to ask how large the file is.
 */
static void map_check_zeroes(const struct source_map *map, size_t end)
{
	size_t next = (end + map->page_size - 1) & ~(map->page_size - 1);
	bool is_same_chunk = ((uintptr_t)map->bytes + next) % (1u << SOURCE_CHUNK_LG2);

	if (next < map->mapped && (is_same_chunk || map_is_resident(map, next, 1)))
		(void)*(const volatile uint8_t *)(map->bytes + next);
	else
		map_ask_size(map);
}

/* All len bytes, or false: what pread() can give may be less, and the file may have shrunk. */
static bool map_pread(const struct source_map *map, size_t offset, uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = pread(map->fd, buf, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			map_ask_size(map);
			return false;
		}
		buf += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return true;
}

/*
 * Bytes as the file has them that is mapped. Every read of an image that is a file comes here.
 * So many bytes and more are not read through the mapping; neither is what was not read before: a
 * page fault costs several times what pread() does, and much of a large file is read once.
 */
static PGW_ALWAYS_INLINE bool map_read(const struct source_map *map, uint64_t offset, void *buf,
				       size_t len, size_t pread_min)
{
	size_t end;

	if (offset > map->mapped || len > map->mapped - offset)
		return false;
	if (len == 0)
		return true;
	end = (size_t)offset + len;
	if (pgw_unlikely(!map->bytes))
		return map_pread(map, (size_t)offset, buf, len);
	if (len >= pread_min || !map_is_resident(map, (size_t)offset, len)) {
		if (!map_pread(map, (size_t)offset, buf, len))
			return false;
	} else {
		memcpy(buf, map->bytes + offset, len);
		if (((const uint8_t *)buf)[len - 1] == 0)
			map_check_zeroes(map, end);
	}
	if (pgw_unlikely(source_guard_limit(map->guard) < map->mapped))
		map_ask_size(map);
	return source_guard_limit(map->guard) >= end;
}

bool source_map_has(const struct source_map *map, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len;

	if (offset > map->size || len > map->size - offset)
		return false;
	while (map->flat && map->flat->is_cut && offset < end) {
		const struct flat_piece *piece = source_flat_find(map->flat, offset);

		if (!piece || piece->first > offset)
			return false;
		offset = piece->end;
	}
	return true;
}

bool source_map_next_data(const struct source_map *map, uint64_t offset, uint64_t *ret_first,
			  uint64_t *ret_end)
{
	off_t first, end;

	if (offset >= map->size)
		return false;
	*ret_first = offset;
	*ret_end = map->size;
	if (!map->is_sparse || map->flat)
		return true;
	first = lseek(map->fd, (off_t)offset, SEEK_DATA);
	if (first < 0 && errno == ENXIO)
		return false;
	end = first < 0 ? -1 : lseek(map->fd, first, SEEK_HOLE);
	if (end <= first)
		return true;
	if ((uint64_t)first >= map->size)
		return false;
	*ret_first = (uint64_t)first;
	*ret_end = (uint64_t)end < map->size ? (uint64_t)end : map->size;
	return true;
}

/* Piece by piece; between them are zeroes, as source_map_has() knows. */
static PGW_NOINLINE bool map_read_flat(const struct source_map *map, uint64_t offset, uint8_t *buf,
				       size_t len, size_t pread_min)
{
	if (!source_map_has(map, offset, len))
		return false;
	while (len) {
		const struct flat_piece *piece = source_flat_find(map->flat, offset);
		bool is_there = piece && piece->first <= offset;
		uint64_t left = !piece ? len : (is_there ? piece->end : piece->first) - offset;
		size_t n = left < len ? (size_t)left : len;

		if (!is_there)
			memset(buf, 0, n);
		else if (!map_read(map, piece->at + (offset - piece->first), buf, n, pread_min))
			return false;
		buf += n;
		offset += n;
		len -= n;
	}
	return true;
}

bool source_map_read(const struct source_map *map, uint64_t offset, void *buf, size_t len)
{
	if (pgw_unlikely(map->flat))
		return map_read_flat(map, offset, buf, len, SOURCE_PREAD_MIN);
	return map_read(map, offset, buf, len, SOURCE_PREAD_MIN);
}

bool source_map_pread(const struct source_map *map, uint64_t offset, void *buf, size_t len)
{
	if (map->flat)
		return map_read_flat(map, offset, buf, len, SOURCE_PREAD_SMALL);
	return map_read(map, offset, buf, len, SOURCE_PREAD_SMALL);
}
