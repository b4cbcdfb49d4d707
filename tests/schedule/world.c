/* SPDX-License-Identifier: BSD-2-Clause */
#include "schedule/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/vma/mapping_priv.h"

#define MAX_OPS 60000
#define RW ((uint32_t)(PGW_VMA_READ | PGW_VMA_WRITE))
#define KERNEL_RW (PGW_KERNEL_R | PGW_KERNEL_W)

static struct world *world;

static const struct {
	uint64_t start;
	unsigned nr;
} areas[NR_AREAS] = {
	[AREA_ANON] = { WORLD_ANON, WORLD_VMA_PAGES },
	[AREA_FILE] = { WORLD_FILE, WORLD_VMA_PAGES },
	[AREA_RUN] = { WORLD_RUN, WORLD_RUN_PAGES },
	[AREA_MOVED] = { WORLD_MOVED, WORLD_VMA_PAGES },
	[AREA_FRESH] = { WORLD_FRESH, WORLD_VMA_PAGES },
	[AREA_LINEAR] = { WORLD_LINEAR + WORLD_REMOVED, 1 },
	[AREA_DESC] = { WORLD_VMEMMAP + (WORLD_STAYS >> 6), 4 },
	[AREA_DESC_REMOVED] = { WORLD_VMEMMAP + (WORLD_REMOVED >> 6), 2 },
	[AREA_VMAP] = { WORLD_VMAP, 1 },
	[AREA_SMALL] = { WORLD_SMALL, 1 },
};

static uint64_t watched[WORLD_WATCHED];
static unsigned nr_watched, first_watched[NR_AREAS];

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "world: %s\n", what);
	abort();
}

/* ---- what is watched ---- */

static void watch_areas(void)
{
	nr_watched = 0;
	for (unsigned area = 0; area < NR_AREAS; area++) {
		first_watched[area] = nr_watched;
		for (unsigned i = 0; i < areas[area].nr; i++)
			watched[nr_watched++] = areas[area].start + i * WORLD_PAGE;
	}
}

uint64_t world_va(unsigned page)
{
	return watched[page];
}

unsigned world_nr_watched(void)
{
	return nr_watched;
}

unsigned world_first(unsigned area)
{
	return first_watched[area];
}

unsigned world_nr(unsigned area)
{
	return areas[area].nr;
}

/* ---- the user mm ---- */

static void make_vma(struct world *w, enum area area, uint64_t pgoff, unsigned nr_mapped)
{
	const uint64_t start = areas[area].start;
	const struct pgw_mmap_args args = {
		.start = start,
		.end = start + areas[area].nr * WORLD_PAGE,
		.flags = RW,
		.pgoff = pgoff,
		.ops = &world_vma_ops,
		.mapping = area == AREA_FILE || area == AREA_RUN ? w->mapping : NULL,
	};

	must(!pgw_mm_mmap(w->mm, &args), "mmap");
	for (unsigned i = 0; i < areas[area].nr; i++) {
		struct model_page *page = &w->before.page[world_first(area) + i];

		page->vma = (uint8_t)RW;
		page->is_mapped = i < nr_mapped;
		if (page->is_mapped)
			must(!pgw_mm_fault(w->mm, start + i * WORLD_PAGE, PGW_VMA_WRITE), "fault");
	}
}

static void make_user(struct world *w)
{
	const struct pgw_mapping_args mapping = {
		.platform = &world_platform,
		.page_lg2 = 12,
		.nr_pages = WORLD_FILE_PAGES,
	};

	must(!pgw_mapping_new(&mapping, &w->mapping), "the file");
	w->before.file_pages = WORLD_FILE_PAGES;
	/* First, so that its frames are consecutive and aligned. */
	make_vma(w, AREA_RUN, WORLD_RUN_PAGES, WORLD_RUN_PAGES);
	make_vma(w, AREA_ANON, WORLD_ANON / WORLD_PAGE, WORLD_VMA_PAGES - 1);
	make_vma(w, AREA_FILE, 0, WORLD_VMA_PAGES - 1);
	make_vma(w, AREA_FRESH, WORLD_FRESH / WORLD_PAGE, 0);
}

/* ---- the kernel mm ---- */

uint64_t world_own_range(uint64_t first, unsigned thread)
{
	return first + thread % 2 * WORLD_SPAN;
}

static void make_ranges(struct world *w, unsigned thread)
{
	struct pgw_map_args args = {
		.first = world_own_range(WORLD_VMAP, thread),
		.last = world_own_range(WORLD_VMAP, thread) + WORLD_PAGE - 1,
		.pa = WORLD_SPAN,
		.rights = KERNEL_RW,
	};

	must(!pgw_vmap(w->kernel_mm, &args), "vmap");
	must(!pgw_vunmap(w->kernel_mm, args.first, args.last), "vunmap");
	args.first = world_own_range(WORLD_SMALL, thread);
	args.last = args.first + WORLD_SPAN - 1;
	args.sizes = WORLD_PAGE;
	must(!pgw_vmap(w->kernel_mm, &args), "vmap of small leaves");
}

static void make_memory(struct world *w)
{
	const struct pgw_kernel_args args = {
		.kernel_mm = w->kernel_mm,
		.ops = &world_kernel_ops,
		.linear_va = WORLD_LINEAR,
		.vmemmap_va = WORLD_VMEMMAP,
		.desc_lg2 = 6,
		.linear_rights = KERNEL_RW,
		.desc_rights = KERNEL_RW,
		.shared_rights = PGW_KERNEL_R,
	};
	struct pgw_hvo_stats stats;

	must(!pgw_kernel_new(&args, &w->kernel), "the kernel");
	must(!pgw_kernel_hot_add(w->kernel, WORLD_STAYS, WORLD_STAYS + 2 * WORLD_HUGE - 1, 0),
	     "hot add");
	must(!pgw_kernel_hot_add(w->kernel, WORLD_REMOVED, WORLD_REMOVED + WORLD_HUGE - 1, 0),
	     "hot add");
	for (unsigned i = 0; i <= SCHEDULE_THREADS; i++)
		w->huge[i] = (struct pgw_huge_page){ WORLD_STAYS + WORLD_HUGE, WORLD_HUGE_LG2,
						     false, 0 };
	must(!pgw_hvo_optimise(w->kernel, &w->huge[SCHEDULE_THREADS], 1, &stats), "optimise");
}

static void make_mms(struct world *w)
{
	struct pgw_mm_new_args args = {
		.platform = &world_platform,
		.format = pgw_format_by_name("arm64-4k-39"),
		.region = PGW_REGION_KERNEL,
	};

	must(!pgw_mm_new(&args, &w->kernel_mm), "the kernel mm");
	args.region = PGW_REGION_USER;
	args.kernel_mm = w->kernel_mm;
	must(!pgw_mm_new(&args, &w->mm), "the user mm");
}

static void watch_locks(struct world *w)
{
	fifo_add(&w->fifo, &w->mm->lock, &w->epoch.guard, "the mmap lock");
	fifo_add(&w->fifo, &w->kernel_mm->lock, &w->epoch.guard, "the kernel's mmap lock");
	fifo_add(&w->fifo, &w->kernel_mm->hotplug, &w->epoch.guard, "the hotplug lock");
	fifo_add(&w->fifo, &w->mapping->lock, &w->epoch.guard, "the i_mmap lock");
}

struct world *world_make(const struct operation *const *operation, unsigned nr_threads)
{
	bool has_kernel = false, has_barrier = false;
	struct world *w;

	memory_init();
	schedule_forget_places();
	watch_areas();
	w = memory_alloc_obj(MEMORY_SETUP, sizeof(*w));
	must(w != NULL, "memory");
	world = w;
	for (unsigned i = 0; i < nr_threads; i++)
		has_barrier |= operation[i]->has_barrier;
	world_use(w, has_barrier);
	w->descs = memory_alloc_obj(MEMORY_SETUP, memory_max_tables() * sizeof(*w->descs));
	must(w->descs != NULL, "memory");
	make_mms(w);
	make_user(w);
	w->nr_threads = nr_threads;
	for (unsigned i = 0; i < nr_threads; i++) {
		w->operation[i] = operation[i];
		has_kernel |= operation[i]->is_kernel;
	}
	if (has_kernel) {
		make_ranges(w, 0);
		make_ranges(w, 1);
		make_memory(w);
	}
	watch_locks(w);
	pgw_reclaim_barrier(&world_platform);
	memory_keep();
	return w;
}

/* ---- running it ---- */

static void run_thread(void *arg, unsigned thread)
{
	struct world *w = arg;
	const struct operation *operation = w->operation[thread];
	struct deed *deed = &w->deed[thread];

	deed->begin = schedule_clock();
	deed->result = operation->run(w, thread);
	deed->end = schedule_clock();
	if (!deed->result && (!operation->fills || deed->met_hole))
		mmu_check_pages(w, operation->flushed, deed->begin, operation->name);
	if (operation->frees)
		pgw_reclaim_barrier(&world_platform);
	if (w->thread[thread].held || w->thread[thread].nr_readers)
		schedule_fail("%s has kept a lock", operation->name);
}

static void before_write(void *arg, const volatile void *at, uint64_t value)
{
	struct world *w = arg;

	mmu_before_write(w, at);
	fifo_before_write(&w->fifo, at, value);
}

static void restore(void *arg)
{
	(void)arg;
	memory_restore();
}

static void check(void *arg)
{
	oracle_check(arg);
}

const struct search_world *world_search(void)
{
	static struct search_world search;

	search = (struct search_world){
		.restore = restore,
		.check = check,
		.program = {
			.nr_threads = world->nr_threads,
			.run = run_thread,
			.before_write = before_write,
			.arg = world,
			.max_ops = MAX_OPS,
		},
	};
	return &search;
}
