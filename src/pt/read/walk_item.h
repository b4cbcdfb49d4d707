/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_WALK_ITEM_H
#define PT_WALK_ITEM_H

/*
 * A walk with callbacks, and of what it does that which is the same for all formats:
 * rare enough to be called, it is compiled once, and keeps the templates small.
 */

#include "pt/edit/table_lock.h"
#include "pt/read/live.h"

#define WALK_PGD 4u
#define WALK_P4D 3u
#define WALK_PTE 0u

typedef int pt_walk_entry_fn(uint64_t *item, uint64_t addr, uint64_t next,
			     struct pgw_mm_walk *walk);

struct pt_walk {
	const struct pt *pt;
	struct pgw_mm_walk *walk;
	pt_walk_entry_fn *entry[PGW_MAX_LEVELS]; /* by name */
	bool wants_below
		[PGW_MAX_LEVELS]; /* some callback of a lower name is there, or install_pte */
	bool has_vma;
	bool showed_absent; /* what the last callback was called for is not valid */
	int value;          /* what the walk returns: WALK_STOP's reason, or 0 */
};

/** A place: a part of what a table spans; with its item, one that begins in this slot. */
struct walk_at {
	unsigned level; /* of the table */
	uint64_t table_pa;
	struct pt_parent parent; /* reader: what led to the table */
	uint64_t addr, next;     /* not empty; next may have wrapped to 0 */
	uint64_t *item;          /* the owner's slot, or the copy of the reader's */
	uint64_t item_pa;        /* reader: where the slot is, to read it again */
};

/** What a step came to: where the walk goes on. */
enum walk_outcome {
	WALK_ON,    /* behind the place */
	WALK_STOP,  /* nowhere: struct pt_walk has the value of a callback, or an error */
	WALK_BELOW, /* below the slot: at its next name, or in the table that it points to */
	WALK_AGAIN, /* at the same slot: it is not what its callback was shown, or is to be shown again */
};

static PGW_ALWAYS_INLINE enum walk_outcome walk_stop_if(struct pt_walk *w, int value)
{
	w->value = value;
	return value ? WALK_STOP : WALK_ON;
}

/* The first and the last name of slots in a table of this level. Linux has none above pgd. */
static inline unsigned walk_first_name(const struct pt_walk *w, unsigned level)
{
	return level == w->pt->format->geometry.top_level ? WALK_PGD : level;
}

static inline unsigned walk_last_name(unsigned level)
{
	return level < WALK_PGD ? level : WALK_PGD;
}

/* Linux's depth: 0 for pgd; for the names of one slot it is the same. */
static inline int walk_depth(const struct pt_walk *w, unsigned level)
{
	return (int)(WALK_PGD - walk_first_name(w, level));
}

/* min(boundary, end) where the boundary may wrap to 0. */
static inline uint64_t walk_boundary(uint64_t addr, uint64_t end, unsigned span_lg2)
{
	uint64_t boundary = (addr | low_bits(span_lg2)) + 1;

	return boundary - 1 < end - 1 ? boundary : end;
}

/** Addresses without a table or leaf; with install_pte they get a table, and are looked at again. */
enum walk_outcome pt_walk_hole(struct pt_walk *w, const struct walk_at *at);

/** An entry that the MMU would refuse, and then its hole. */
enum walk_outcome pt_walk_malformed(struct pt_walk *w, const struct walk_at *at, uint64_t entry);

/** Slots that cannot be read, or that change whenever they are. */
enum walk_outcome pt_walk_unreadable(struct pt_walk *w, const struct walk_at *at, bool is_torn);

/**
 * A malformed entry in a slot of this table becomes empty, by compare-and-swap.
 * @return false: the slot holds something else by now
 */
bool pt_walk_clear(const struct pt *pt, uint64_t table_pa, uint64_t *item, uint64_t seen);

/**
 * Split the leaf or run in a place's slot one level down, if that is what it still holds.
 * @return WALK_BELOW: look at the slot again; WALK_ON: nobody wants it split; WALK_STOP: -PGW_ENOMEM
 */
enum walk_outcome pt_walk_split(struct pt_walk *w, const struct walk_at *at);

/** Slots of a lowest table, from the place's item on, with install_pte. Its lock is held. */
enum walk_outcome pt_walk_install(struct pt_walk *w, const struct walk_at *at);

/** pt_map_lock(), called. */
struct pgw_ptdesc *pt_walk_lock(const struct pt *pt, const uint64_t *item, uint64_t seen,
				uint64_t table_pa);

#endif
