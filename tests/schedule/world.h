/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SCHEDULE_WORLD_H
#define TESTS_SCHEDULE_WORLD_H

/*
 * What the threads work on: a user mm of arm64 (4 KiB, 39 bits) with four VMAs, two of a file,
 * and its kernel mm with two blocks of memory. All of it lies in memory.c's block. Beside it a
 * make-believe MMU: its TLB learns all that the tables say at any moment of the pages that are
 * watched, and forgets by the flush hook alone.
 */

#include <pagewalk/kernel.h>
#include <pagewalk/mapping.h>
#include <pagewalk/walk.h>

#include "schedule/fifo.h"
#include "schedule/memory.h"
#include "schedule/search.h"

#define WORLD_PAGE UINT64_C(4096)
#define WORLD_SPAN (UINT64_C(1) << 21) /* of a lowest table */

/* User areas: each has (or would have) a lowest table for itself, and they share the one above. */
enum area { AREA_ANON, AREA_FILE, AREA_RUN, AREA_MOVED, AREA_FRESH, NR_USER_AREAS };
/* Kernel areas. */
enum { AREA_LINEAR = NR_USER_AREAS, AREA_DESC, AREA_DESC_REMOVED, AREA_VMAP, AREA_SMALL, NR_AREAS };

#define WORLD_ANON UINT64_C(0x40000000)
#define WORLD_FILE (WORLD_ANON + WORLD_SPAN)
#define WORLD_RUN (WORLD_ANON + 2 * WORLD_SPAN)
#define WORLD_MOVED (WORLD_ANON + 3 * WORLD_SPAN)
#define WORLD_FRESH (WORLD_ANON + 4 * WORLD_SPAN) /* a VMA without a table yet */
#define WORLD_VMA_PAGES 3u
#define WORLD_RUN_PAGES 16u
#define WORLD_FILE_PAGES 32u /* WORLD_RUN shows the second half */

#define WORLD_KERNEL UINT64_C(0xffffff8000000000)
#define WORLD_HUGE_LG2 19 /* a huge page, by two pages of descriptors */
#define WORLD_HUGE (UINT64_C(1) << WORLD_HUGE_LG2)
#define WORLD_STAYS UINT64_C(0x100000)   /* memory of two huge pages; the second is optimised */
#define WORLD_REMOVED UINT64_C(0x200000) /* memory that can be removed */
#define WORLD_LINEAR WORLD_KERNEL
#define WORLD_VMEMMAP (WORLD_KERNEL + 4 * WORLD_SPAN)
/* Ranges of which each of two threads has one, world_own_range(). */
#define WORLD_VMAP (WORLD_KERNEL + 6 * WORLD_SPAN)  /* over an empty lowest table */
#define WORLD_SMALL (WORLD_KERNEL + 8 * WORLD_SPAN) /* small leaves that could be one */

#define WORLD_WATCHED 40u
#define WORLD_USER_WATCHED (4u * WORLD_VMA_PAGES + WORLD_RUN_PAGES)
#define WORLD_FRAMES 80u
#define WORLD_LEVELS 3u

enum frame_state { FRAME_NEVER, FRAME_OUT, FRAME_RELEASED };

/** What the MMU may know of a page: where its tables are, and what it translates to. */
struct tlb_entry {
	uint64_t leaf;                /* 0: not known; with the page's own address in it */
	unsigned since;               /* clock, when the leaf came */
	uint64_t raw;                 /* of mmu_look() only: the last item, whatever it is */
	uint64_t table[WORLD_LEVELS]; /* on the way; 0: not known */
};

/** What a thread did, for the model. */
struct deed {
	unsigned begin, end; /* clocks */
	int result;
	bool met_hole; /* asked for a frame for a page that had none */
};

/** A page of the model: arrays, by address. */
struct model_page {
	uint8_t vma; /* enum pgw_vma_flag; 0: none here */
	bool is_mapped, is_guard;
};

struct model {
	struct model_page page[WORLD_USER_WATCHED];
	uint64_t file_pages;
	bool is_removed;                /* WORLD_REMOVED */
	bool is_optimised, is_restored; /* the two huge pages of WORLD_STAYS */
};

struct world;

#define RESULT_ANY 1 /* of a model that does not know */

struct operation {
	const char *name;
	/** @return what the library said */
	int (*run)(struct world *w, unsigned thread);
	/** What it does to the model. @return what the library has to say. NULL: nothing, and 0 */
	int (*model)(struct model *m, unsigned thread);
	/** Pages of which the MMU may know nothing old afterwards: bit n, page n */
	uint64_t flushed;
	/** It works on the kernel's ranges and memory. */
	bool is_kernel;
	/** It frees tables or VMAs: the thread then waits until they are gone. */
	bool frees;
	/** It flushes only if it met a hole: it takes nothing away. */
	bool fills;
	/** It only locks and unlocks: tried with others that do. */
	bool is_lock;
	/** The platform can run a barrier on all CPUs. */
	bool has_barrier;
};

struct world {
	struct pgw_epoch epoch;
	struct pgw_thread thread[SCHEDULE_THREADS + 1];
	struct pgw_ptdesc *descs;
	struct pgw_mm *mm, *kernel_mm;
	struct pgw_mapping *mapping;
	uint32_t size_lock;        /* of the file's owner */
	uint64_t guarded;          /* by the mmap lock, and nothing else */
	unsigned nr_inside;        /* threads that have it */
	bool is_written;           /* by one of them */
	struct pgw_kernel *kernel; /* NULL: no operation needs it */
	struct tlb_entry tlb[WORLD_WATCHED];
	/* The leaf of each page at the last write on its way, and when it came; when that was. */
	uint64_t last_leaf[WORLD_WATCHED];
	unsigned since[WORLD_WATCHED], last_write[NR_AREAS];
	uint8_t frame[WORLD_FRAMES]; /* enum frame_state */
	uint8_t nr_frames[SCHEDULE_THREADS + 1];
	unsigned nr_pages; /* of descriptors that are out */
	struct pgw_huge_page huge[SCHEDULE_THREADS + 1];
	struct fifo fifo;
	struct model before;
	unsigned nr_threads;
	const struct operation *operation[SCHEDULE_THREADS];
	struct deed deed[SCHEDULE_THREADS];
};

/** The operations; the last one's name is NULL. */
extern const struct operation operations[];

/** Make the world in which these run. It stays until the next one. */
struct world *world_make(const struct operation *const *operation, unsigned nr_threads);
/** What all search functions need to know of it. */
const struct search_world *world_search(void);

uint64_t world_own_range(uint64_t first, unsigned thread);

/** The pages that are watched: by area, ascending. */
uint64_t world_va(unsigned page);
unsigned world_nr_watched(void);
unsigned world_first(unsigned area);
unsigned world_nr(unsigned area);

/* ---- platform.c ---- */

extern struct pgw_platform world_platform;
extern const struct pgw_vma_ops world_vma_ops;
extern const struct pgw_kernel_ops world_kernel_ops;
void world_use(struct world *w, bool has_barrier);
#define WORLD_FRAME_PA (UINT64_C(1) << 33)

/* ---- mmu.c ---- */

/** What is at a page now, as the MMU would see it. */
struct tlb_entry mmu_look(const struct world *w, unsigned page);
/** An item is about to change. */
void mmu_before_write(struct world *w, const volatile void *at);
void mmu_flush(struct world *w, const struct pgw_mm *mm, uint64_t first, uint64_t last);
/** A frame, a table is free: does the MMU know it? */
void mmu_check_frame(struct world *w, uint64_t pa);
void mmu_check_table(struct world *w, uint64_t pa);
/** Nothing is known of these pages that came before a time and is gone. */
void mmu_check_pages(struct world *w, uint64_t pages, unsigned before, const char *what);
uint64_t mmu_pa(uint64_t leaf);
/** The tables from this one down, itself among them. */
unsigned mmu_nr_tables(uint64_t table_pa, unsigned level);

/* ---- oracles.c, linear.c ---- */

/** All has ended: is everything as it must be? */
void oracle_check(struct world *w);
/** Is there an order of the operations in which the model says the same? */
void oracle_linear(struct world *w);

#endif
