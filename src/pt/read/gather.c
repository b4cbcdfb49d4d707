/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/gather.h"

#include "base/bits.h"
#include "base/epoch.h"
#include "base/step.h"

void gather_init(struct pt_gather *gather, const struct pt *pt, enum pt_policy policy)
{
	gather->pt = pt;
	gather->policy = policy;
	gather->first = UINT64_MAX;
	gather->last = 0;
	gather->tables = NULL;
	gather->release = NULL;
	gather->arg = NULL;
	gather->nr_frames = 0;
	gather->nr_flushes = 0;
	gather->nr_tables = 0;
	gather->nr_splits = 0;
}

void gather_range(struct pt_gather *gather, uint64_t first, uint64_t last)
{
	if (first < gather->first)
		gather->first = first;
	if (last > gather->last)
		gather->last = last;
}

void gather_frames(struct pt_gather *gather, const struct pgw_frames *frames)
{
	if (gather->release && gather->nr_frames == PT_GATHER_FRAMES)
		gather_flush(gather);
	gather_range(gather, frames->va, frames->va + (frames->size - 1));
	if (gather->release)
		gather->frames[gather->nr_frames++] = *frames;
}

void gather_forget_ways(const struct pt_gather *gather)
{
	/* The lock that is held orders it: who could be on such a way takes that lock later. */
	step_fetch_add(gather->pt->nr_unlinked, 1, __ATOMIC_RELAXED);
}

void gather_table(struct pt_gather *gather, struct pgw_ptdesc *desc, uint64_t first, uint64_t last)
{
	gather_forget_ways(gather);
	gather_range(gather, first, last);
	gather_table_flushed(gather, desc);
}

void gather_table_flushed(struct pt_gather *gather, struct pgw_ptdesc *desc)
{
	desc->next = gather->tables;
	gather->tables = desc;
	gather->nr_tables++;
}

static void free_list(const struct pgw_platform *platform, struct pgw_ptdesc *desc)
{
	while (desc) {
		struct pgw_ptdesc *next = desc->next;

		platform->table_free(platform->ctx, desc->table, (size_t)1 << desc->size_lg2);
		desc = next;
	}
}

static void free_deferred(const struct pgw_platform *platform, struct pgw_deferred *deferred)
{
	free_list(platform, pgw_container_of(deferred, struct pgw_ptdesc, deferred));
}

void gather_flush_now(struct pt_gather *gather, uint64_t first, uint64_t last)
{
	pt_flush(gather->pt, first, last);
	gather->nr_flushes++;
}

void gather_flush(struct pt_gather *gather)
{
	const struct pgw_platform *platform = gather->pt->platform;
	struct pgw_ptdesc *tables = gather->tables;
	unsigned nr_frames = gather->nr_frames;

	if (gather->first <= gather->last)
		gather_flush_now(gather, gather->first, gather->last);
	gather->first = UINT64_MAX;
	gather->last = 0;
	gather->nr_frames = 0;
	gather->tables = NULL;
	if (tables && platform->step)
		platform->step(platform->ctx, PGW_STEP_GATHER_FLUSHED, gather->pt->mm);
	for (unsigned i = 0; i < nr_frames; i++)
		gather->release(gather, &gather->frames[i]);
	if (!tables)
		return;
	/* Readers may stand on these tables until they leave. */
	if (gather->policy == PT_SINGLE)
		free_list(platform, tables);
	else
		epoch_defer(platform, &tables->deferred, free_deferred);
}
