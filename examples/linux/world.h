/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EXAMPLES_LINUX_WORLD_H
#define EXAMPLES_LINUX_WORLD_H

/*
 * A user mm and a kernel mm for the six users to look at, and what is so in them, written down
 * by who made them: the frames' owner, who knows which page he put where, and the MMU, which
 * is played here and knows what it accessed. None of it is read from the tables.
 */

#include "linux/users.h"

#define WORLD_MAX_AREAS 8
#define WORLD_MAX_FRAMES 1024

enum area_kind {
	AREA_HUGE = 1 << 0,      /**< its pages are leaves of PMD_SIZE */
	AREA_MERGEABLE = 1 << 1, /**< as madvise(MADV_MERGEABLE) says in Linux */
};

/** A page of an area; a huge one is one page. */
struct page {
	bool present, young, dirty, swapped;
	unsigned long pfn;
};

struct area {
	struct world *world;
	const char *name;
	unsigned long start, end;
	uint32_t vm_flags;
	unsigned kind; /**< enum area_kind */
	struct page *pages;
};

struct world {
	struct pgw_platform platform;       /* the hosted one, that notes violations */
	struct mm_struct *mm;               /* its kernel mm is init_mm */
	struct area areas[WORLD_MAX_AREAS]; /* ascending */
	size_t nr_areas;
	uint64_t random;
	/* Frames of small pages have bytes and are counted; those of huge ones are neither. */
	unsigned char *memory;
	unsigned refs[WORLD_MAX_FRAMES];
	unsigned long nr_frames, nr_huge, nr_swapped;
	const char *broken_rule; /**< the last one, or NULL */
};

/** @return 0 or a negative enum pgw_status; the world is to be closed in any case */
int world_open(struct world *w, const struct pgw_format *format, uint64_t seed);
void world_close(struct world *w);

/** All areas, and nothing in them yet. */
int world_map(struct world *w);
/** Pages of all areas, at random: some are read, some written to, some then swapped out. */
int world_use(struct world *w);

/** An access to va, with its fault. */
int world_access(struct world *w, unsigned long va, bool write);
/** Read every page of an area that is not swapped out: nobody swaps in here. */
int world_read_area(struct world *w, struct area *area);
/** Give the frames of an area that are there one of nr_kinds contents each, at random. */
void world_fill(struct world *w, struct area *area, unsigned nr_kinds);
/** Take the small page at va out of memory; it is there. */
int world_swap_out(struct world *w, unsigned long va);

struct area *world_area(struct world *w, const char *name);
/** The bytes that one page of the area has. */
unsigned long area_step(const struct area *area);
struct page *area_page(struct area *area, unsigned long va);
/** A frame's bytes, or NULL. */
unsigned char *world_bytes(struct world *w, unsigned long pfn);
uint64_t world_random(struct world *w, uint64_t below);

/** For ksm_scan(). */
struct ksm_owner world_ksm_owner(struct world *w);

#endif
