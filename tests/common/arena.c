/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static bool arena_fails(struct arena *arena)
{
	return arena->fail_after >= 0 && arena->fail_after-- == 0;
}

static void **arena_free_list(struct arena *arena, size_t size)
{
	return &arena->free_list[__builtin_ctzl(size)];
}

static struct pgw_ptdesc *table_desc(void *ctx, void *table)
{
	struct arena *arena = ctx;

	return &arena->descs[(size_t)((unsigned char *)table - arena->block) / ARENA_TABLE_MIN];
}

static void *table_alloc(void *ctx, size_t size)
{
	struct arena *arena = ctx;
	void **free_list = arena_free_list(arena, size);
	size_t space = size < ARENA_TABLE_MIN ? ARENA_TABLE_MIN : size;
	size_t start = (arena->used + space - 1) & ~(space - 1);
	void *table = *free_list;

	if (arena_fails(arena) || (!table && (start > arena->size || arena->size - start < space)))
		return NULL;
	if (table) {
		memcpy(free_list, table, sizeof(table));
	} else {
		table = arena->block + start;
		arena->used = start + space;
	}
	memset(table, 0, size);
	*table_desc(arena, table) = (struct pgw_ptdesc){
		.table = table,
		.size_lg2 = (uint8_t)__builtin_ctzl(size),
	};
	arena->nr_tables++;
	return table;
}

static void table_free(void *ctx, void *table, size_t size)
{
	struct arena *arena = ctx;
	void **free_list = arena_free_list(arena, size);

	memset(table_desc(arena, table), 0xee, sizeof(struct pgw_ptdesc));
	memset(table, 0xee, size);
	memcpy(table, free_list, sizeof(table));
	*free_list = table;
	arena->nr_tables--;
}

static void *obj_alloc(void *ctx, size_t size)
{
	struct arena *arena = ctx;
	void *obj = arena_fails(arena) ? NULL : calloc(1, size);

	arena->nr_objs += obj != NULL;
	return obj;
}

static void obj_free(void *ctx, void *obj, size_t size)
{
	struct arena *arena = ctx;

	(void)size;
	arena->nr_objs--;
	free(obj);
}

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	struct arena *arena = ctx;

	(void)mm;
	arena->nr_flushes++;
	arena->flush_first = first;
	arena->flush_last = last;
}

/* One thread never has to wait. */
static void park(void *ctx, const uint32_t *word, uint32_t expected)
{
	(void)ctx, (void)word, (void)expected;
	fprintf(stderr, "a test of one thread waits for a lock\n");
	abort();
}

static void wake(void *ctx, const uint32_t *word)
{
	(void)ctx, (void)word;
}

static struct pgw_thread *current(void *ctx)
{
	return &((struct arena *)ctx)->thread;
}

static void violation(void *ctx, const struct pgw_violation *v)
{
	struct arena *arena = ctx;

	arena->nr_violations++;
	arena->violation = *v;
}

/*
 * The block is of zeroes that take memory and time only where they are used, aligned as the
 * largest table, with an edge on either side that nobody may touch.
 */
#define ALIGNMENT ((size_t)65536)

static size_t mapping_size(const struct arena *arena)
{
	return arena->size + 3 * ALIGNMENT;
}

static void block_map(struct arena *arena)
{
	arena->mapping =
		mmap(NULL, mapping_size(arena), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena->mapping == MAP_FAILED)
		abort();
	arena->block = arena->mapping + ALIGNMENT + (-(uintptr_t)arena->mapping & (ALIGNMENT - 1));
	if (mprotect(arena->block, arena->size, PROT_READ | PROT_WRITE))
		abort();
}

void arena_init(struct arena *arena, size_t size)
{
	*arena = (struct arena){
		.platform = {
			.ctx = arena,
			.table_alloc = table_alloc,
			.table_free = table_free,
			.table_desc = table_desc,
			.obj_alloc = obj_alloc,
			.obj_free = obj_free,
			.tlb_flush = tlb_flush,
			.park = park,
			.wake = wake,
			.current = current,
			.epoch = &arena->epoch,
			.violation = violation,
		},
		.size = size,
		.fail_after = -1,
	};
	block_map(arena);
	arena->descs = aligned_alloc(sizeof(struct pgw_ptdesc),
				     size / ARENA_TABLE_MIN * sizeof(struct pgw_ptdesc));
	if (!arena->descs || pgw_phys_memory_init(&arena->memory, ARENA_PA, arena->block, size))
		abort();
	arena->platform.table_offset = (uint64_t)(uintptr_t)arena->block - ARENA_PA;
}

void arena_fini(struct arena *arena)
{
	pgw_reclaim_barrier(&arena->platform);
	if (arena->nr_tables || arena->nr_objs || arena->thread.held) {
		fprintf(stderr, "left behind: %ld tables, %ld objects, locks: %llx\n",
			arena->nr_tables, arena->nr_objs, (unsigned long long)arena->thread.held);
		abort();
	}
	munmap(arena->mapping, mapping_size(arena));
	free(arena->descs);
}

/* splitmix64 */
uint64_t test_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t test_seed(void)
{
	const char *text = getenv("PGW_TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text ? strtoull(text, NULL, 0)
		    : (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)now.tv_sec;
	printf("# PGW_TEST_SEED=%#llx\n", (unsigned long long)seed);
	return seed;
}

uint32_t test_vector_features(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("avx2") ? PGW_CPU_AVX2 : 0;
#elif defined(__aarch64__)
	return PGW_CPU_NEON;
#else
	return 0;
#endif
}

const struct pgw_format *test_editable_format(size_t index)
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		if (pgw_format_is_editable(format) && pgw_format_region(format, PGW_REGION_USER) &&
		    index-- == 0)
			return format;
	}
	return NULL;
}

uint8_t test_region_rights(const struct pgw_region *region, uint8_t rights)
{
	if (region->kind == PGW_REGION_USER || region->actor[1])
		return rights;
	return rights & (PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X);
}

const struct pgw_region *test_owned_region(size_t index, const struct pgw_format **ret_format)
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		const struct pgw_region *region = pgw_format_regions(format);

		for (; pgw_format_is_editable(format) && region->name; region++) {
			*ret_format = format;
			if (index-- == 0)
				return region;
		}
	}
	return NULL;
}
