/* SPDX-License-Identifier: BSD-2-Clause */
#include "hosted/tables.h"

#include "base/bits.h"
#include "base/mutex.h"
#include "hosted/futex.h"

#include <string.h>
#include <sys/mman.h>

/*
 * Tables of one size lie side by side in chunks, which are as large as they are
 * aligned. So a table's address tells its chunk, and its place there its
 * ptdesc. A chunk has its header, then the ptdescs, then the tables; pages that
 * no table has used are never touched.
 */
#define CHUNK_SIZE ((size_t)2 << 20)
#define MIN_LG2 6  /* smaller tables are given as much */
#define MAX_LG2 20 /* arm64's stage 2 of 64K: a root of 16 tables */
#define NR_CLASSES (MAX_LG2 - MIN_LG2 + 1)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#endif
#if defined(HAS_ASAN) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#endif

struct chunk {
	/* Constant while the chunk exists; read without the lock. */
	unsigned char *first_table;
	unsigned lg2;
	uint32_t nr_tables;

	/* Guarded by the class's lock. */
	_Alignas(64) struct chunk *next; /* in the class's list, if it has room */
	struct chunk **link;             /* what points to it there */
	struct pgw_ptdesc *free;         /* of tables that were used before, linked by next */
	uint32_t nr_fresh; /* tables below this were used before, the others are zero */
	uint32_t nr_used;

	_Alignas(64) struct pgw_ptdesc descs[];
};
_Static_assert(sizeof(struct pgw_ptdesc) == 64, "a ptdesc is a cache line");

/** Tables of one size. */
struct size_class {
	_Alignas(64) uint32_t lock;
	struct chunk *chunks; /* those with room */
	size_t nr_empty;      /* of them, without a single table */
	size_t nr_chunks, nr_tables;
};

static struct size_class classes[NR_CLASSES];

/* What a mutex wants of a platform. The whole one has these tables in it. */
static const struct pgw_platform lock_platform = { .park = futex_park, .wake = futex_wake };

static unsigned size_lg2(size_t size)
{
	return size ? (unsigned)__builtin_ctzl(size) : 0;
}

static struct size_class *class_of(unsigned lg2)
{
	return &classes[lg2 < MIN_LG2 ? 0 : lg2 - MIN_LG2];
}

static struct chunk *chunk_of(const void *table)
{
	return (struct chunk *)((uintptr_t)table & ~(uintptr_t)(CHUNK_SIZE - 1));
}

static struct pgw_ptdesc *chunk_desc(struct chunk *chunk, const void *table)
{
	return &chunk->descs[((uintptr_t)table - (uintptr_t)chunk->first_table) >> chunk->lg2];
}

/* ---- chunks ---- */

/* Memory aligned to its size: map twice as much and give back what sticks out. */
static void *map_aligned(void)
{
	unsigned char *start = mmap(NULL, 2 * CHUNK_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (start == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)start & (CHUNK_SIZE - 1);
	if (before)
		munmap(start, before);
	munmap(start + before + CHUNK_SIZE, CHUNK_SIZE - before);
	return start + before;
}

static struct chunk *chunk_new(unsigned lg2)
{
	size_t size = (size_t)1 << lg2;
	size_t nr = (CHUNK_SIZE - sizeof(struct chunk)) / (size + sizeof(struct pgw_ptdesc));
	size_t start = (sizeof(struct chunk) + nr * sizeof(struct pgw_ptdesc) + size - 1) & -size;
	struct chunk *chunk = map_aligned();

	if (!chunk)
		return NULL;
	chunk->first_table = (unsigned char *)chunk + start;
	chunk->lg2 = lg2;
	chunk->nr_tables = (uint32_t)((CHUNK_SIZE - start) / size);
	if (chunk->nr_tables > nr)
		chunk->nr_tables = (uint32_t)nr;
	return chunk;
}

static void chunk_list(struct size_class *class, struct chunk *chunk)
{
	chunk->next = class->chunks;
	chunk->link = &class->chunks;
	if (chunk->next)
		chunk->next->link = &chunk->next;
	class->chunks = chunk;
}

static void chunk_unlist(struct chunk *chunk)
{
	*chunk->link = chunk->next;
	if (chunk->next)
		chunk->next->link = chunk->link;
}

/* ---- tables; with the class's lock held ---- */

static struct pgw_ptdesc *chunk_take(struct size_class *class, struct chunk *chunk)
{
	struct pgw_ptdesc *desc = chunk->free;

	class->nr_empty -= chunk->nr_used == 0;
	if (desc) {
		ASAN_UNPOISON_MEMORY_REGION(desc, sizeof(*desc));
		chunk->free = desc->next;
	} else {
		desc = &chunk->descs[chunk->nr_fresh++];
	}
	class->nr_tables++;
	if (++chunk->nr_used == chunk->nr_tables)
		chunk_unlist(chunk);
	return desc;
}

/* @return whether the chunk is to be given back: it is empty, and so is another */
static bool chunk_put(struct size_class *class, struct chunk *chunk, struct pgw_ptdesc *desc)
{
	desc->next = chunk->free;
	chunk->free = desc;
	ASAN_POISON_MEMORY_REGION(desc, sizeof(*desc));
	class->nr_tables--;
	if (chunk->nr_used-- == chunk->nr_tables)
		chunk_list(class, chunk);
	if (chunk->nr_used)
		return false;
	if (!class->nr_empty) {
		class->nr_empty++;
		return false;
	}
	chunk_unlist(chunk);
	class->nr_chunks--;
	return true;
}

/* ---- the hooks ---- */

void *tables_alloc(void *ctx, size_t size)
{
	unsigned lg2 = size_lg2(size);
	struct size_class *class = class_of(lg2);
	struct pgw_ptdesc *desc = NULL;
	struct chunk *chunk;
	bool fresh = false;
	void *table;

	(void)ctx;
	mutex_lock(&class->lock, &lock_platform);
	chunk = class->chunks;
	if (!chunk) {
		chunk = chunk_new(lg2 < MIN_LG2 ? MIN_LG2 : lg2);
		if (chunk) {
			chunk_list(class, chunk);
			class->nr_empty++;
			class->nr_chunks++;
		}
	}
	if (chunk) {
		fresh = !chunk->free;
		desc = chunk_take(class, chunk);
	}
	mutex_unlock(&class->lock, &lock_platform);
	if (!desc)
		return NULL;
	table = chunk->first_table + ((size_t)(desc - chunk->descs) << chunk->lg2);
	if (!fresh) {
		ASAN_UNPOISON_MEMORY_REGION(table, (size_t)1 << chunk->lg2);
		memset(table, 0, size);
		memset(desc, 0, sizeof(*desc));
	}
	desc->table = table;
	desc->size_lg2 = (uint8_t)lg2;
	return table;
}

void tables_free(void *ctx, void *table, size_t size)
{
	struct size_class *class = class_of(size_lg2(size));
	struct chunk *chunk = chunk_of(table);
	bool is_surplus;

	(void)ctx;
	ASAN_POISON_MEMORY_REGION(table, (size_t)1 << chunk->lg2);
	mutex_lock(&class->lock, &lock_platform);
	is_surplus = chunk_put(class, chunk, chunk_desc(chunk, table));
	mutex_unlock(&class->lock, &lock_platform);
	if (is_surplus) {
		ASAN_UNPOISON_MEMORY_REGION(chunk, CHUNK_SIZE);
		munmap(chunk, CHUNK_SIZE);
	}
}

struct pgw_ptdesc *tables_desc(void *ctx, void *table)
{
	(void)ctx;
	return chunk_desc(chunk_of(table), table);
}

void tables_count(size_t *ret_tables, size_t *ret_chunks)
{
	*ret_tables = 0;
	*ret_chunks = 0;
	for (unsigned i = 0; i < NR_CLASSES; i++) {
		mutex_lock(&classes[i].lock, &lock_platform);
		*ret_tables += classes[i].nr_tables;
		*ret_chunks += classes[i].nr_chunks;
		mutex_unlock(&classes[i].lock, &lock_platform);
	}
}
