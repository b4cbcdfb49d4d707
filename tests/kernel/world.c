/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const world_formats[] = { "x86_64-la48", "x86_64-la57",  "riscv-sv39",   "riscv-sv48",
				      "arm64-4k-48", "arm64-16k-47", "arm64-64k-48", NULL };

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "world: %s\n", what);
	abort();
}

/* ---- the MMU and its TLB ---- */

struct pgw_translation world_see(const struct world *w, uint64_t va)
{
	struct pgw_translation t;

	must(!pgw_translate(w->mmu, va, &t), "translate");
	return t;
}

/*
 * May the tables say this while the TLB says that? Where there is break-before-make,
 * no other frame and no other size.
 */
static void tlb_check_change(const struct world *w, const struct pgw_translation *known,
			     const struct pgw_translation *now)
{
	bool moved = known->pa != now->pa, resized = known->leaf_lg2 != now->leaf_lg2;

	if (known->kind != PGW_ENTRY_LEAF || now->kind != PGW_ENTRY_LEAF)
		return;
	must(!w->same_pa || !moved, "a translation has changed");
	must(!w->breaks || !(moved || resized), "no break before make");
	must(!w->splits_first || !(moved && known->leaf_lg2 > w->page_lg2),
	     "a page of a large leaf that a TLB knows has moved");
}

/* The MMU uses all that is watched; what it knows it does not look up. */
static void tlb_fill(void *arg)
{
	struct world *w = arg;

	for (size_t i = 0; i < w->nr_watched; i++) {
		struct world_tlb_entry *entry = &w->tlb[i];
		struct pgw_translation t = world_see(w, entry->va);

		w->nr_looks++;
		must(!w->same_pa || t.kind == PGW_ENTRY_LEAF || w->breaks, "a translation is gone");
		tlb_check_change(w, &entry->t, &t);
		if (entry->t.kind != PGW_ENTRY_LEAF && t.kind == PGW_ENTRY_LEAF)
			entry->t = t;
	}
}

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	struct world *w = ctx;

	(void)mm;
	tlb_fill(w);
	w->arena.nr_flushes++;
	for (size_t i = 0; i < w->nr_watched; i++) {
		if (w->tlb[i].va <= last && w->tlb[i].va + (w->page - 1) >= first)
			w->tlb[i].t.kind = PGW_ENTRY_EMPTY;
	}
}

static void tlb_check_free(void *arg, uint64_t pa)
{
	const struct world *w = arg;

	for (size_t i = 0; i < w->nr_watched; i++)
		must(w->tlb[i].t.kind != PGW_ENTRY_LEAF || w->tlb[i].t.pa != pa,
		     "a page is free that a TLB knows");
}

static void step(void *ctx, enum pgw_step_point point, const struct pgw_mm *mm)
{
	(void)point, (void)mm;
	tlb_fill(ctx);
}

void world_watch(struct world *w, uint64_t va, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		must(w->nr_watched < sizeof(w->tlb) / sizeof(w->tlb[0]), "too much to watch");
		w->tlb[w->nr_watched++] = (struct world_tlb_entry){
			.va = va + (i << w->page_lg2),
			.t = world_see(w, va + (i << w->page_lg2)),
		};
	}
}

void world_unwatch(struct world *w)
{
	w->nr_watched = 0;
}

bool world_tlb_is_right(const struct world *w)
{
	for (size_t i = 0; i < w->nr_watched; i++) {
		const struct pgw_translation *old = &w->tlb[i].t;
		struct pgw_translation now = world_see(w, w->tlb[i].va);

		if (old->kind == PGW_ENTRY_LEAF &&
		    (now.kind != PGW_ENTRY_LEAF || now.pa != old->pa || now.rights != old->rights))
			return false;
	}
	return true;
}

/* ---- the kernel ---- */

static struct pgw_thread *current(void *ctx)
{
	return ((struct world *)ctx)->thread;
}

void world_become(struct world *w, struct pgw_thread *thread)
{
	w->thread = thread ? thread : &w->arena.thread;
}

static void geometry_init(struct world *w, const char *format)
{
	w->format = pgw_format_by_name(format);
	must(w->format != NULL, format);
	w->geo = pgw_format_geometry(w->format);
	w->page_lg2 = w->geo->granule_lg2;
	w->unit_lg2 = (uint8_t)(2 * w->page_lg2 - WORLD_DESC_LG2);
	w->huge_lg2 = (uint8_t)(w->unit_lg2 + 3);
	w->page = UINT64_C(1) << w->page_lg2;
	w->huge = UINT64_C(1) << w->huge_lg2;
	w->block_size = UINT64_C(1) << (w->unit_lg2 + w->geo->span_lg2[1] - w->page_lg2);
	w->breaks = !strncmp(format, "arm64", 5);
}

void world_init_on(struct world *w, const char *format, const struct pgw_platform *platform,
		   const struct pgw_phys *tables)
{
	struct pgw_mm_new_args args = { .platform = platform, .region = PGW_REGION_KERNEL };
	struct pgw_mm_attach_args mmu = { .platform = platform,
					  .region = PGW_REGION_KERNEL,
					  .phys = tables };
	uint64_t first, last;

	w->platform = platform;
	geometry_init(w, format);
	frames_init(&w->frames, w->page_lg2, (size_t)4 << (w->geo->span_lg2[1] - w->page_lg2));
	args.format = w->format;
	must(!pgw_mm_new(&args, &w->mm), "mm_new");
	mmu.format = w->format;
	mmu.root = pgw_mm_root(w->mm);
	must(!pgw_mm_attach(&mmu, &w->mmu), "mm_attach");
	pgw_format_region_range(w->format, PGW_REGION_KERNEL, &first, &last);
	w->args = (struct pgw_kernel_args){
		.kernel_mm = w->mm,
		.ops = &frames_ops,
		.ctx = &w->frames,
		.linear_va = first + (last - first + 1) / 4,
		.vmemmap_va = first + (last - first + 1) / 2,
		.desc_lg2 = WORLD_DESC_LG2,
		.linear_rights = PGW_KERNEL_R | PGW_KERNEL_W,
		.desc_rights = PGW_KERNEL_R | PGW_KERNEL_W,
		.shared_rights = PGW_KERNEL_R,
	};
	must(!pgw_kernel_new(&w->args, &w->kernel), "kernel_new");
}

void world_fini_on(struct world *w)
{
	pgw_kernel_free(w->kernel);
	pgw_mm_free(w->mmu);
	pgw_mm_free(w->mm);
	frames_fini(&w->frames);
}

void world_init(struct world *w, const char *format)
{
	memset(w, 0, sizeof(*w));
	arena_init(&w->arena, (size_t)8 << 20);
	w->arena.platform.tlb_flush = tlb_flush;
	w->arena.platform.step = step;
	w->arena.platform.current = current;
	w->thread = &w->arena.thread;
	world_init_on(w, format, &w->arena.platform, &w->arena.memory.phys);
	w->frames.on_access = tlb_fill;
	w->frames.on_free = tlb_check_free;
	w->frames.arg = w;
}

void world_fini(struct world *w)
{
	must(!w->arena.nr_violations, "a rule was broken");
	world_fini_on(w);
	arena_fini(&w->arena);
}

uint64_t world_block(const struct world *w, size_t i)
{
	return (i + 1) * w->block_size;
}

int world_hot_add(struct world *w, size_t block, uint32_t flags)
{
	uint64_t first = world_block(w, block);

	return pgw_kernel_hot_add(w->kernel, first, first + (w->block_size - 1), flags);
}

int world_hot_remove(struct world *w, size_t block)
{
	uint64_t first = world_block(w, block);

	return pgw_kernel_hot_remove(w->kernel, first, first + (w->block_size - 1));
}

uint64_t world_desc_va(const struct world *w, uint64_t pa, size_t k)
{
	return w->args.vmemmap_va + ((pa >> w->page_lg2) << WORLD_DESC_LG2) +
	       ((uint64_t)k << w->page_lg2);
}

unsigned char *world_bytes(struct world *w, uint64_t va)
{
	struct pgw_translation t = world_see(w, va);

	must(t.kind == PGW_ENTRY_LEAF, "no descriptor");
	return frames_page(&w->frames, t.pa & ~(w->page - 1));
}

/* ---- descriptors ---- */

static size_t nr_desc_pages(const struct world *w, const struct pgw_huge_page *page)
{
	return (size_t)1 << (page->size_lg2 - w->unit_lg2);
}

/* What the k-th page of descriptors holds. */
static uint64_t word_of(const struct world *w, const struct pgw_huge_page *page, size_t k,
			uint64_t i)
{
	uint64_t tail = UINT64_C(0x7a11) << 32 | (uint64_t)page->size_lg2 << 16 | (i & 0x3ff);

	return k ? tail : page->pa ^ (i * w->page);
}

void world_fill(struct world *w, const struct pgw_huge_page *page)
{
	for (size_t k = 0; k < nr_desc_pages(w, page); k++) {
		uint64_t *word = (uint64_t *)world_bytes(w, world_desc_va(w, page->pa, k));

		for (uint64_t i = 0; i < w->page / 8; i++)
			word[i] = word_of(w, page, k, i);
	}
}

bool world_is_filled(struct world *w, const struct pgw_huge_page *page)
{
	for (size_t k = 0; k < nr_desc_pages(w, page); k++) {
		const uint64_t *word =
			(const uint64_t *)world_bytes(w, world_desc_va(w, page->pa, k));

		for (uint64_t i = 0; i < w->page / 8; i++) {
			if (word[i] != word_of(w, page, k, i))
				return false;
		}
	}
	return true;
}

bool world_is_shared(struct world *w, const struct pgw_huge_page *page)
{
	struct pgw_translation head = world_see(w, world_desc_va(w, page->pa, 0));
	struct pgw_translation first = world_see(w, world_desc_va(w, page->pa, 1));

	if (head.kind != PGW_ENTRY_LEAF || head.rights != w->args.desc_rights ||
	    head.pa == first.pa)
		return false;
	for (size_t k = 1; k < nr_desc_pages(w, page); k++) {
		struct pgw_translation t = world_see(w, world_desc_va(w, page->pa, k));

		if (t.kind != PGW_ENTRY_LEAF || t.pa != first.pa || t.leaf_lg2 != w->page_lg2 ||
		    t.rights != w->args.shared_rights)
			return false;
	}
	return true;
}

bool world_is_private(struct world *w, const struct pgw_huge_page *page)
{
	for (size_t k = 0; k < nr_desc_pages(w, page); k++) {
		struct pgw_translation t = world_see(w, world_desc_va(w, page->pa, k));

		if (t.kind != PGW_ENTRY_LEAF || t.rights != w->args.desc_rights)
			return false;
		for (size_t j = 0; j < k; j++) {
			if (world_see(w, world_desc_va(w, page->pa, j)).pa == t.pa)
				return false;
		}
	}
	return true;
}

struct world_count world_count(const struct world *w)
{
	pgw_reclaim_barrier(&w->arena.platform);
	return (struct world_count){ w->arena.nr_tables, w->arena.nr_objs, w->frames.nr_taken };
}

bool world_count_equal(struct world_count a, struct world_count b)
{
	return a.tables == b.tables && a.objs == b.objs && a.pages == b.pages;
}
