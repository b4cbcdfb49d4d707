/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_KERNEL_WORLD_H
#define TESTS_KERNEL_WORLD_H

/*
 * A make-believe kernel for one format: an mm, frames, a linear map and a
 * vmemmap; and an MMU, which reads the same tables as a foreign source, so that a
 * frozen entry is to it what it is to hardware. Its TLB learns whatever is watched each time
 * that the library calls out, forgets by the flush hook alone, and aborts if a
 * page becomes free that it knows.
 */

#include "common/arena.h"
#include "kernel/frames.h"

#define WORLD_DESC_LG2 6
/** Pages of descriptors of a huge page as large as a leaf of level 1. */
#define WORLD_DESC_PAGES 8u

struct world_tlb_entry {
	uint64_t va;              /* of a page */
	struct pgw_translation t; /* kind PGW_ENTRY_EMPTY: not known */
};

struct world {
	struct arena arena; /* first: the platform's ctx. Not used on another platform */
	const struct pgw_platform *platform;
	struct frames frames;
	struct pgw_thread *thread; /* who acts */
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_mm *mm;
	struct pgw_mm *mmu; /* what hardware sees */
	struct pgw_kernel *kernel;
	struct pgw_kernel_args args;
	uint8_t page_lg2, unit_lg2, huge_lg2;
	uint64_t page, huge;
	uint64_t block_size; /* its descriptors fill one leaf of level 1 */
	bool breaks;         /* the format wants break-before-make */

	struct world_tlb_entry tlb[1024];
	size_t nr_watched;
	bool same_pa; /* nothing that is watched may go elsewhere, nor, without a break, away */
	bool splits_first; /* large leaves must be forgotten before a part of them moves */
	unsigned nr_looks; /* of the MMU while that is asked */
};

/** Every format's name; NULL ends it. */
extern const char *const world_formats[];
#define for_each_world_format(name) for (const char *const *name = world_formats; *name; name++)

void world_init(struct world *w, const char *format);
/** Asserts that pages, tables and objects are all back and nothing was violated. */
void world_fini(struct world *w);

/** The same on a platform of threads, whose tables are in tables; no TLB. */
void world_init_on(struct world *w, const char *format, const struct pgw_platform *platform,
		   const struct pgw_phys *tables);
void world_fini_on(struct world *w);

/** All that follows is done by another thread, as far as locks are concerned; NULL: by the first again. */
void world_become(struct world *w, struct pgw_thread *thread);

/** Physical address of the i-th block; block_size each. */
uint64_t world_block(const struct world *w, size_t i);
int world_hot_add(struct world *w, size_t block, uint32_t flags);
int world_hot_remove(struct world *w, size_t block);

/** Where the k-th page of descriptors of the memory at pa is mapped. */
uint64_t world_desc_va(const struct world *w, uint64_t pa, size_t k);
/** What hardware makes of an address. */
struct pgw_translation world_see(const struct world *w, uint64_t va);
/** The bytes of the page that an address of the vmemmap is mapped to. */
unsigned char *world_bytes(struct world *w, uint64_t va);

/** Give a huge page descriptors: tails alike for huge pages of its size, the head its own. */
void world_fill(struct world *w, const struct pgw_huge_page *page);
/** They read as world_fill() left them. */
bool world_is_filled(struct world *w, const struct pgw_huge_page *page);
/** All tail pages share one read-only page, the head is writable and its own. */
bool world_is_shared(struct world *w, const struct pgw_huge_page *page);
/** All pages are writable, and no two are one. */
bool world_is_private(struct world *w, const struct pgw_huge_page *page);

/** Let the MMU use these addresses from now on: nr pages from va on. */
void world_watch(struct world *w, uint64_t va, size_t nr);
void world_unwatch(struct world *w);
/** What the TLB knows is what the tables say now. */
bool world_tlb_is_right(const struct world *w);

/** Tables and frames that are out. */
struct world_count {
	long tables, objs, pages;
};
struct world_count world_count(const struct world *w);
bool world_count_equal(struct world_count a, struct world_count b);

#endif
