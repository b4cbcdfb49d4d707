/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

/*
 * A fault brings in its neighbours too: on Linux 64 KiB (fault_around_bytes) or
 * as much as the page cache has in one piece. So how much is resident is asked
 * for now and then, when some more chunks of 64 KiB have been touched. Which
 * ones were is kept in a small hashed set of bits: chunks that share one are
 * counted as one, so that the count is a little low at worst.
 */
#define CHUNKS_TO_ASK 8
#define CHUNKS_IF_UNKNOWN 64
#define MAX_RESIDENT ((size_t)6 << 20)
#define SET_LG2 12
#define HASH UINT64_C(0x9e3779b97f4a7c15)

struct source_resident {
	_Atomic(uint64_t) set[(1 << SET_LG2) / 64];
	atomic_uint nr;
	int fd;       /* of what says how much is resident of this process; -1: nothing does */
	size_t other; /* what was resident of files before, or 0 */
};

/* Bytes of files that are mapped and resident, the program's own too; 0 if that is not known. */
static size_t resident_bytes(int fd, size_t page_size)
{
	char text[128], *at = text;
	size_t shared = 0;
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* Pages: of the program, resident, and of these the files'. */
	for (unsigned i = 0; i < 3; i++) {
		for (shared = 0; *at >= '0' && *at <= '9'; at++)
			shared = shared * 10 + (size_t)(*at - '0');
		if (*at++ != ' ')
			return 0;
	}
	return shared * page_size;
}

struct source_resident *source_resident_new(size_t page_size)
{
	struct source_resident *resident = calloc(1, sizeof(*resident));

	if (!resident)
		return NULL;
	/* Opened once: to open it each time costs three times what reading it does. */
	resident->fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	resident->other = resident_bytes(resident->fd, page_size);
	return resident;
}

void source_resident_free(struct source_resident *resident)
{
	if (resident && resident->fd >= 0)
		close(resident->fd);
	free(resident);
}

/* The system is asked seldom: each time reads a file. */
static bool resident_is_too_much(const struct source_resident *resident, unsigned nr_chunks,
				 size_t page_size)
{
	size_t bytes;

	if (nr_chunks % CHUNKS_TO_ASK)
		return false;
	bytes = resident_bytes(resident->fd, page_size);
	return bytes ? bytes > resident->other && bytes - resident->other > MAX_RESIDENT
		     : nr_chunks > CHUNKS_IF_UNKNOWN;
}

/* Only the mapping's page tables forget: the file's pages stay in the page cache. */
static void resident_drop(const struct source_map *map)
{
	struct source_resident *resident = map->resident;

	for (size_t i = 0; i < PGW_ARRAY_SIZE(resident->set); i++)
		atomic_store_explicit(&resident->set[i], 0, memory_order_relaxed);
	atomic_store_explicit(&resident->nr, 0, memory_order_relaxed);
	madvise((void *)(uintptr_t)map->bytes, map->mapped, MADV_DONTNEED);
}

/* Most reads are of chunks that are in the set: those cost one load and no write. @return it was in */
static bool resident_add(const struct source_map *map, uintptr_t chunk)
{
	struct source_resident *resident = map->resident;
	unsigned hash = (unsigned)(((uint64_t)chunk * HASH) >> (64 - SET_LG2));
	_Atomic(uint64_t) *word = &resident->set[hash / 64];
	unsigned nr;

	if (pgw_likely(atomic_load_explicit(word, memory_order_relaxed) & BIT(hash % 64)))
		return true;
	atomic_fetch_or_explicit(word, BIT(hash % 64), memory_order_relaxed);
	nr = atomic_fetch_add_explicit(&resident->nr, 1, memory_order_relaxed) + 1;
	if (resident_is_too_much(resident, nr, map->page_size))
		resident_drop(map);
	return false;
}

bool source_resident_touch(const struct source_map *map, const uint8_t *bytes, size_t len)
{
	uintptr_t chunk = (uintptr_t)bytes >> SOURCE_CHUNK_LG2;
	uintptr_t last = (uintptr_t)(bytes + len - 1) >> SOURCE_CHUNK_LG2;
	bool is_there = true;

	for (; chunk <= last; chunk++)
		is_there &= resident_add(map, chunk);
	return is_there;
}
