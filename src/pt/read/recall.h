/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_RECALL_H
#define PT_RECALL_H

/*
 * Where earlier translations ended. Addresses that one lowest table spans share
 * the whole way there, so the next of them needs one item of that table and none above it.
 *
 * Only foreign tables that cannot change and cannot be pointed at: in others a way is
 * either not to be remembered or not worth it.
 *
 *   slot    what a stretch of addresses leads to: the entry that ends the way above the
 *           lowest level, or the place of the stretch's items in a lowest table
 *   stretch the addresses of 512 lowest items, or of a lowest table if that has fewer
 *   block   a copy of a stretch's items, shared by all slots that lead to it
 *
 * Any number of threads use it without a lock. Each slot and block has a number that is odd while
 * somebody fills it in: a reader that meets an odd number, or another one after it has read than
 * before, has read nothing (a seqlock). Who cannot fill one in at once leaves it.
 * Loads are acquire, so that the number is read again after all else; stores are release, so that
 * it is odd before anything changes.
 *
 * Memory: RECALL_SLOTS slots and at most RECALL_BLOCKS blocks for each mm, 128 KiB and 2 MiB,
 * not before RECALL_MIN_WAYS addresses were translated the long way.
 */

#include "pt/pt.h"

#define RECALL_ITEMS_LG2 9
#define RECALL_ITEMS (1u << RECALL_ITEMS_LG2)
#define RECALL_SLOTS 4096u
#define RECALL_SLOT_WAYS 2u
#define RECALL_BLOCKS 512u
#define RECALL_BLOCK_WAYS 4u
#define RECALL_MIN_WAYS 32u
/* Where blocks are short, one in so many that are wanted takes the place of another. */
#define RECALL_REPLACE_ONE_IN 8u

struct recall_slot {
	uint32_t seq;
	uint32_t end;     /* level of the entry << 16 | number of the block, from 1 on; 0: none */
	uint64_t stretch; /* number of the stretch + 1; 0: the slot is empty */
	uint64_t acc;     /* rights that the tables of the way leave */
	uint64_t value;   /* level 0: physical address of the stretch's items; else the entry */
};

struct recall_block {
	uint32_t seq;
	uint64_t pa; /* of the first item, + 1; 0: nothing is in it */
	uint64_t item[RECALL_ITEMS];
};

struct recall_memory {
	uint32_t nr_refused; /* blocks that were wanted and not taken in */
	struct recall_block *block[RECALL_BLOCKS];
	struct recall_slot slot[RECALL_SLOTS];
};

/** Part of an mm. */
struct pt_recall {
	struct recall_memory *memory;  /* NULL: not yet, or there is none */
	uint32_t nr_ways;              /* that were gone the long way, until there is memory */
	uint8_t item_lg2, stretch_lg2; /* what a lowest item, and a stretch, spans */
};

/** For a tree of this geometry. */
void pt_recall_init(struct pt_recall *recall, const struct pgw_geometry *geo);

/** Where a translation ends: an entry that is not a table. */
struct pt_found {
	uint64_t entry;
	pt_acc_t acc;
	unsigned level;
};

/** translate() of struct pt_ops, without a path. Pre: pt->recall */
int pt_recall_translate(const struct pt *pt, uint64_t va, struct pgw_translation *ret);
/**
 * The same after another address.
 * @param seen the slot of that one, as it was at one moment; with a stretch of 0: nothing
 */
int pt_recall_translate_by(const struct pt *pt, struct pgw_translate_end *seen, uint64_t va,
			   struct pgw_translation *ret);
/** translate_batch() of struct pt_ops. Pre: pt->recall */
void pt_recall_translate_batch(const struct pt *pt, const uint64_t *va, struct pgw_translation *ret,
			       size_t n);

/**
 * Keep the end of va's way; all addresses of its stretch lead there.
 * @param item_pa of the entry, which could be read
 */
void pt_recall_keep(const struct pt *pt, uint64_t va, uint64_t item_pa,
		    const struct pt_found *found);

/** Nobody uses it any more. One that is all zero is fine. */
void pt_recall_fini(const struct pgw_platform *platform, struct pt_recall *recall);

#endif
