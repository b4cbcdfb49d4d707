/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_ORACLE_WORLD_H
#define TESTS_ORACLE_WORLD_H

/*
 * A case in memory: tables in an arena, mms that own or read them, VMAs, locks;
 * and the walk that runs, whichever: its trace and the effects of its moments.
 */

#include <stdlib.h>

#include "common/arena.h"
#include "oracle_case.h"

#define NR_WORLD_FORMATS 8
extern const char *const world_formats[NR_WORLD_FORMATS];

#define MAX_EVENTS 3000
/** What a callback returns when the trace is full. */
#define TRACE_FULL 4444

/** What came of a walk. */
struct outcome {
	int ret;
	size_t nr_events;
	struct oracle_event events[MAX_EVENTS];
	enum oracle_lock vma_held[MAX_CASE_VMAS];
	uint32_t differed;   /* switches that were asked for: bits */
	unsigned long ticks; /* Linux's steps */
};

struct world {
	struct arena arena;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct oracle_shape shape;
	const struct oracle_case *c;
	struct pgw_mm *mm[2]; /* owned: the user's, the kernel's; or NULL */
	struct pgw_mm *snapshot;
	struct pgw_mm *second; /* a user mm, or NULL */
	struct pgw_mapping *mapping;
	uint64_t other_pa;
	uint64_t effect_tables[MAX_EFFECTS]; /* physical addresses; or 0 */
	struct pgw_vma *vmas[MAX_CASE_VMAS];
	uint64_t *zeroes; /* a table that is nowhere */

	/* The tables and what is known of them, put aside. */
	unsigned char *saved;
	struct pgw_ptdesc *saved_descs;
	size_t saved_used;

	/* The walk that runs. */
	uint32_t switches;       /* that are on */
	unsigned long max_ticks; /* of Linux's walk */
	struct outcome *outcome;
	uint32_t nr_moments[_AT_MAX];
	uint32_t nr_callbacks;
};

void world_init(struct world *w);
void world_fini(struct world *w);

/** Make a case's tables, mms, VMAs and locks. @return false: it cannot be, another one is to be tried */
bool world_make(struct world *w, const struct oracle_case *c);
void world_unmake(struct world *w);

/** Put the tables aside, and back. */
void world_save(struct world *w);
void world_restore(struct world *w);
/** Begin a walk whose events go to an outcome. */
void world_begin(struct world *w, struct outcome *outcome);

/* For the walks. */
int world_callback(struct world *w, struct oracle_event *event, unsigned *action);
void world_note(struct world *w, const struct oracle_event *event);
void world_moment(struct world *w, enum oracle_moment moment, uint64_t *slot);
enum oracle_kind world_kind(struct world *w, uint64_t entry, unsigned level);
uint64_t *world_host(struct world *w, uint64_t pa);
uint64_t world_physical(struct world *w, const uint64_t *slot);
/** The physical address of the table that an entry points to. */
uint64_t world_table_pa(struct world *w, uint64_t entry, unsigned level);

/** Do the tables' descs count what is in them? */
bool world_counts_are_right(const struct world *w);

/** What Linux's side may ask. */
struct oracle_host host_of_world(struct world *w);
/** Our walk of the case. @return ours */
int ours_walk(struct world *w);
/** Linux's. */
int linux_walk(struct world *w, const struct oracle_kernel *kernel);

#endif
