/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/memory.h"

#include <string.h>

#define SETUP_TABLES 32u
#define THREAD_TABLES 12u
#define SETUP_OBJS (64u << 10)
#define THREAD_OBJS (24u << 10)
#define NR_OWNERS (MEMORY_THREADS + 1)
#define NR_TABLES (SETUP_TABLES + MEMORY_THREADS * THREAD_TABLES)
#define TABLES_SIZE (NR_TABLES * MEMORY_TABLE)
#define SIZE (TABLES_SIZE + SETUP_OBJS + MEMORY_THREADS * THREAD_OBJS)
#define NR_GRAINS (SIZE / MEMORY_GRAIN)
#define NR_REGIONS (2 * NR_OWNERS)
#define OBJ_ALIGN 16u

/* A part of the block that fills up from its start. */
struct region {
	uint32_t start, size, used, kept;
};

static _Alignas(MEMORY_TABLE) unsigned char block[SIZE], kept_block[SIZE];
static uint8_t state[NR_GRAINS], kept_state[NR_GRAINS];
static struct region region[NR_REGIONS]; /* tables by owner, then objects by owner */
static size_t nr_tables, nr_objs, kept_tables, kept_objs;

static void region_init(struct region *r, uint32_t *at, uint32_t size)
{
	*r = (struct region){ .start = *at, .size = size };
	*at += size;
}

void memory_init(void)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < MEMORY_THREADS; i++)
		region_init(&region[i], &at, THREAD_TABLES * MEMORY_TABLE);
	region_init(&region[MEMORY_SETUP], &at, SETUP_TABLES * MEMORY_TABLE);
	for (unsigned i = 0; i < MEMORY_THREADS; i++)
		region_init(&region[NR_OWNERS + i], &at, THREAD_OBJS);
	region_init(&region[NR_OWNERS + MEMORY_SETUP], &at, SETUP_OBJS);
	memset(block, 0, sizeof(block));
	memset(state, MEMORY_FRESH, sizeof(state));
	nr_tables = nr_objs = 0;
}

void memory_keep(void)
{
	for (unsigned i = 0; i < NR_REGIONS; i++) {
		struct region *r = &region[i];

		r->kept = r->used;
		memcpy(kept_block + r->start, block + r->start, r->used);
		memcpy(kept_state + r->start / MEMORY_GRAIN, state + r->start / MEMORY_GRAIN,
		       r->used / MEMORY_GRAIN);
	}
	kept_tables = nr_tables;
	kept_objs = nr_objs;
}

void memory_restore(void)
{
	for (unsigned i = 0; i < NR_REGIONS; i++) {
		struct region *r = &region[i];
		uint32_t grain = r->start / MEMORY_GRAIN;

		memcpy(block + r->start, kept_block + r->start, r->kept);
		memset(block + r->start + r->kept, 0, r->used - r->kept);
		memcpy(state + grain, kept_state + grain, r->kept / MEMORY_GRAIN);
		memset(state + grain + r->kept / MEMORY_GRAIN, MEMORY_FRESH,
		       (r->used - r->kept) / MEMORY_GRAIN);
		r->used = r->kept;
	}
	nr_tables = kept_tables;
	nr_objs = kept_objs;
}

static void *region_alloc(struct region *r, size_t size)
{
	uint32_t at = r->start + r->used;

	size = (size + OBJ_ALIGN - 1) & ~(size_t)(OBJ_ALIGN - 1);
	if (size > r->size - r->used)
		return NULL;
	r->used += (uint32_t)size;
	memset(state + at / MEMORY_GRAIN, MEMORY_LIVE, size / MEMORY_GRAIN);
	return block + at;
}

void *memory_alloc_table(unsigned owner)
{
	void *table = region_alloc(&region[owner], MEMORY_TABLE);

	nr_tables += table != NULL;
	return table;
}

void *memory_alloc_obj(unsigned owner, size_t size)
{
	void *obj = region_alloc(&region[NR_OWNERS + owner], size);

	nr_objs += obj != NULL;
	return obj;
}

void memory_free(void *at, size_t size)
{
	size = (size + OBJ_ALIGN - 1) & ~(size_t)(OBJ_ALIGN - 1);
	memset(state + memory_grain(at), MEMORY_FREED, size / MEMORY_GRAIN);
	if (memory_is_table(at))
		nr_tables--;
	else
		nr_objs--;
}

void memory_mark(const void *at, size_t size, enum memory_state mark)
{
	memset(state + memory_grain(at), (int)mark, size / MEMORY_GRAIN);
}

size_t memory_nr_tables(void)
{
	return nr_tables;
}

size_t memory_nr_objs(void)
{
	return nr_objs;
}

bool memory_has(const volatile void *at)
{
	return (uintptr_t)at - (uintptr_t)block < SIZE;
}

bool memory_is_table(const volatile void *at)
{
	return (uintptr_t)at - (uintptr_t)block < TABLES_SIZE;
}

size_t memory_table_index(const volatile void *at)
{
	return ((uintptr_t)at - (uintptr_t)block) / MEMORY_TABLE;
}

size_t memory_max_tables(void)
{
	return NR_TABLES;
}

uint32_t memory_grain(const volatile void *at)
{
	return (uint32_t)(((uintptr_t)at - (uintptr_t)block) / MEMORY_GRAIN);
}

uint32_t memory_nr_grains(void)
{
	return NR_GRAINS;
}

enum memory_state memory_state(const volatile void *at)
{
	return (enum memory_state)state[memory_grain(at)];
}

uintptr_t memory_block(void)
{
	return (uintptr_t)block;
}
