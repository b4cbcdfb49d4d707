/* SPDX-License-Identifier: BSD-2-Clause */
#include "mm/quarantine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 4096u
#define NR_ITEMS (TABLE_SIZE / 8)

static void fill(struct quarantine *q, size_t i, uint64_t value)
{
	uint64_t *item = (uint64_t *)(q->block + i * TABLE_SIZE);

	for (size_t k = 0; k < NR_ITEMS; k++)
		__atomic_store_n(&item[k], value, __ATOMIC_RELAXED);
}

static void *table_alloc(void *ctx, size_t size)
{
	struct quarantine *q = ctx;
	size_t i = SIZE_MAX;

	if (size > TABLE_SIZE)
		abort();
	pthread_mutex_lock(&q->lock);
	if (q->nr_fresh < q->nr_tables) {
		i = q->nr_fresh++;
	} else if (q->nr > q->nr_tables / 2) {
		i = q->freed[q->first];
		q->first = (q->first + 1) % q->nr_tables;
		q->nr--;
	}
	q->nr_live += i != SIZE_MAX;
	pthread_mutex_unlock(&q->lock);
	if (i == SIZE_MAX)
		return NULL;
	fill(q, i, 0);
	memset(&q->descs[i], 0, sizeof(q->descs[i]));
	q->descs[i].table = q->block + i * TABLE_SIZE;
	q->descs[i].size_lg2 = (uint8_t)__builtin_ctzl(size);
	return q->descs[i].table;
}

static void table_free(void *ctx, void *table, size_t size)
{
	struct quarantine *q = ctx;
	size_t i = (size_t)((unsigned char *)table - q->block) / TABLE_SIZE;

	(void)size;
	fill(q, i, QUARANTINE_POISON);
	pthread_mutex_lock(&q->lock);
	q->freed[(q->first + q->nr++) % q->nr_tables] = i;
	q->nr_live--;
	q->nr_freed++;
	pthread_mutex_unlock(&q->lock);
}

static struct pgw_ptdesc *table_desc(void *ctx, void *table)
{
	struct quarantine *q = ctx;

	return &q->descs[(size_t)((unsigned char *)table - q->block) / TABLE_SIZE];
}

static void *obj_alloc(void *ctx, size_t size)
{
	struct quarantine *q = ctx;
	void *obj = calloc(1, size);

	if (obj)
		__atomic_fetch_add(&q->nr_objs, 1, __ATOMIC_RELAXED);
	return obj;
}

static void obj_free(void *ctx, void *obj, size_t size)
{
	struct quarantine *q = ctx;

	(void)size;
	__atomic_fetch_sub(&q->nr_objs, 1, __ATOMIC_RELAXED);
	free(obj);
}

void quarantine_init(struct quarantine *q, size_t nr_tables)
{
	memset(q, 0, sizeof(*q));
	q->platform = *pgw_hosted_platform();
	q->platform.ctx = q;
	q->platform.table_alloc = table_alloc;
	q->platform.table_free = table_free;
	q->platform.table_desc = table_desc;
	q->platform.obj_alloc = obj_alloc;
	q->platform.obj_free = obj_free;
	q->nr_tables = nr_tables;
	q->block = aligned_alloc(TABLE_SIZE, nr_tables * TABLE_SIZE);
	q->descs = aligned_alloc(sizeof(*q->descs), nr_tables * sizeof(*q->descs));
	q->freed = calloc(nr_tables, sizeof(*q->freed));
	if (!q->block || !q->descs || !q->freed)
		abort();
	/* A made-up linear map, so that physical addresses fit every format. */
	q->platform.table_offset = (uint64_t)(uintptr_t)q->block - (UINT64_C(1) << 30);
	pthread_mutex_init(&q->lock, NULL);
}

void quarantine_fini(struct quarantine *q)
{
	pgw_reclaim_barrier(&q->platform);
	if (q->nr_live || q->nr_objs) {
		fprintf(stderr, "left behind: %ld tables, %ld objects\n", q->nr_live, q->nr_objs);
		abort();
	}
	pthread_mutex_destroy(&q->lock);
	free(q->block);
	free(q->descs);
	free(q->freed);
}

uint64_t quarantine_look(struct quarantine *q, const uint64_t *item)
{
	uint64_t entry = pgw_item_load(item);

	if (entry == QUARANTINE_POISON)
		__atomic_fetch_add(&q->nr_poison, 1, __ATOMIC_RELAXED);
	return entry;
}

uint64_t quarantine_nr_poison(struct quarantine *q)
{
	return __atomic_load_n(&q->nr_poison, __ATOMIC_RELAXED);
}

static int look(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next;
	quarantine_look(walk->arg, item);
	return 0;
}

const struct pgw_mm_walk_ops quarantine_walk_ops = {
	.pgd_entry = look,
	.p4d_entry = look,
	.pud_entry = look,
	.pmd_entry = look,
	.pte_entry = look,
};
