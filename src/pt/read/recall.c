/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/recall.h"

#include "base/step.h"
#include "pt/read/loader.h"

#define END_LEVEL_SHIFT 16
#define END_BLOCK_MASK UINT32_C(0xffff)

/* The number of va's stretch, never 0. */
static uint64_t stretch_of(const struct pt *pt, uint64_t va)
{
	return (va >> pt->recall->stretch_lg2) + 1;
}

/* The items of a stretch. */
static unsigned stretch_items(const struct pt *pt)
{
	return 1u << (pt->recall->stretch_lg2 - pt->recall->item_lg2);
}

static unsigned index_in_stretch(const struct pt *pt, uint64_t va)
{
	return (unsigned)((va & low_bits(pt->recall->stretch_lg2)) >> pt->recall->item_lg2);
}

/* The first slot that a stretch may be in. Neighbours are in different ones. */
static unsigned slot_of(uint64_t stretch)
{
	unsigned hash = (unsigned)(stretch ^ stretch >> 12 ^ stretch >> 24);

	return hash % (RECALL_SLOTS / RECALL_SLOT_WAYS) * RECALL_SLOT_WAYS;
}

static bool begin_fill(uint32_t *seq)
{
	uint32_t old = step_load_n(seq, __ATOMIC_RELAXED);

	return !(old & 1) && step_compare_exchange_n(seq, &old, old + 1, false, __ATOMIC_ACQUIRE,
						     __ATOMIC_RELAXED);
}

static void end_fill(uint32_t *seq)
{
	step_store_n(seq, step_load_n(seq, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}

static struct recall_memory *memory_of(const struct pt *pt)
{
	return step_load_n(&pt->recall->memory, __ATOMIC_ACQUIRE);
}

/* @return false: the slot is another stretch's, or being filled in */
static PGW_ALWAYS_INLINE bool slot_read(struct recall_slot *slot, uint64_t stretch,
					struct pgw_translate_end *ret)
{
	uint32_t seq = step_load_n(&slot->seq, __ATOMIC_ACQUIRE);

	ret->stretch = step_load_n(&slot->stretch, __ATOMIC_ACQUIRE);
	if (ret->stretch != stretch || (seq & 1))
		return false;
	ret->end = step_load_n(&slot->end, __ATOMIC_ACQUIRE);
	ret->acc = step_load_n(&slot->acc, __ATOMIC_ACQUIRE);
	ret->value = step_load_n(&slot->value, __ATOMIC_ACQUIRE);
	ret->slot = slot;
	return step_load_n(&slot->seq, __ATOMIC_RELAXED) == seq;
}

static PGW_ALWAYS_INLINE bool slot_find(struct recall_memory *memory, uint64_t stretch,
					struct pgw_translate_end *ret)
{
	struct recall_slot *slot = &memory->slot[slot_of(stretch)];

	for (unsigned i = 0; i < RECALL_SLOT_WAYS; i++) {
		if (slot_read(&slot[i], stretch, ret))
			return true;
	}
	return false;
}

/* @return false: other items are in the block by now, or it is being filled in */
static PGW_ALWAYS_INLINE bool block_read(struct recall_block *block, uint64_t pa, unsigned index,
					 uint64_t *ret)
{
	uint32_t seq = step_load_n(&block->seq, __ATOMIC_ACQUIRE);

	if (step_load_n(&block->pa, __ATOMIC_ACQUIRE) != pa + 1 || (seq & 1))
		return false;
	*ret = step_load_n(&block->item[index], __ATOMIC_ACQUIRE);
	return step_load_n(&block->seq, __ATOMIC_RELAXED) == seq;
}

/* Copy the items in. @return false: not all of them can be read; nothing is in the block then */
static bool block_fill(const struct pt *pt, struct recall_block *block, uint64_t pa)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	unsigned nr = stretch_items(pt), done = 0, got;
	uint64_t copy[PT_WINDOW_ITEMS];

	step_store_n(&block->pa, 0, __ATOMIC_RELEASE);
	for (; done < nr; done += got) {
		if (!pt_copy_items(pt, pt_item_pa(geo, pa, done), nr - done, copy, PT_WINDOW_ITEMS,
				   &got))
			return false;
		for (unsigned i = 0; i < got; i++)
			step_store_n(&block->item[done + i], copy[i], __ATOMIC_RELEASE);
	}
	step_store_n(&block->pa, pa + 1, __ATOMIC_RELEASE);
	return true;
}

/* The block at place nr, made if it is not there. NULL if there is no memory. */
static struct recall_block *block_at(const struct pt *pt, struct recall_memory *memory, unsigned nr)
{
	const struct pgw_platform *platform = pt->platform;
	struct recall_block *block = step_load_n(&memory->block[nr], __ATOMIC_ACQUIRE), *none;

	if (block)
		return block;
	block = platform->obj_alloc(platform->ctx, sizeof(*block));
	none = NULL;
	if (block && !step_compare_exchange_n(&memory->block[nr], &none, block, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		platform->obj_free(platform->ctx, block, sizeof(*block));
		block = none;
	}
	return block;
}

/* The number of a block for these items, and whether they are in it. 0: there is no place now */
static unsigned block_choose(struct recall_memory *memory, uint64_t pa, bool *ret_is_there)
{
	unsigned set = (unsigned)(pa >> 12 ^ pa >> 21) % (RECALL_BLOCKS / RECALL_BLOCK_WAYS) *
		       RECALL_BLOCK_WAYS;
	unsigned empty = 0;
	uint32_t refused;

	*ret_is_there = false;
	for (unsigned i = set; i < set + RECALL_BLOCK_WAYS; i++) {
		struct recall_block *block = step_load_n(&memory->block[i], __ATOMIC_ACQUIRE);
		uint64_t held = block ? step_load_n(&block->pa, __ATOMIC_ACQUIRE) : 0;

		if (held == pa + 1) {
			*ret_is_there = true;
			return i + 1;
		}
		if (!held && !empty)
			empty = i + 1;
	}
	if (empty)
		return empty;
	refused = step_fetch_add(&memory->nr_refused, 1, __ATOMIC_RELAXED);
	if (refused % RECALL_REPLACE_ONE_IN)
		return 0;
	return set + refused / RECALL_REPLACE_ONE_IN % RECALL_BLOCK_WAYS + 1;
}

/* Get the items of a slot that is in use into a block, unless there is no place now. */
static void block_want(const struct pt *pt, struct recall_memory *memory,
		       struct pgw_translate_end *seen)
{
	struct recall_slot *slot = seen->slot;
	bool is_there;
	unsigned nr = block_choose(memory, seen->value, &is_there);
	struct recall_block *block = nr ? block_at(pt, memory, nr - 1) : NULL;

	if (!block)
		return;
	if (!is_there) {
		if (!begin_fill(&block->seq))
			return;
		is_there = block_fill(pt, block, seen->value);
		end_fill(&block->seq);
	}
	if (!is_there)
		return;
	seen->end = nr;
	if (!begin_fill(&slot->seq))
		return;
	/* It may be another stretch's by now. */
	if (step_load_n(&slot->stretch, __ATOMIC_RELAXED) == seen->stretch)
		step_store_n(&slot->end, nr, __ATOMIC_RELEASE);
	end_fill(&slot->seq);
}

/* The entry that va leads to, by a slot of its stretch. @return false: it cannot be read */
static PGW_ALWAYS_INLINE bool entry_by(const struct pt *pt, struct recall_memory *memory,
				       struct pgw_translate_end *seen, uint64_t va, uint64_t *ret)
{
	struct recall_block *block;
	unsigned nr = seen->end & END_BLOCK_MASK, index;

	*ret = seen->value;
	if (seen->end >> END_LEVEL_SHIFT)
		return true;
	index = index_in_stretch(pt, va);
	if (pgw_likely(nr != 0)) {
		block = step_load_n(&memory->block[nr - 1], __ATOMIC_ACQUIRE);
		if (pgw_likely(block_read(block, seen->value, index, ret)))
			return true;
	}
	block_want(pt, memory, seen);
	return pt_load_foreign(pt, pt_item_pa(&pt->format->geometry, seen->value, index), ret);
}

/* @param seen of an address before, or nothing; of this one then */
static PGW_ALWAYS_INLINE void translate_by(const struct pt *pt, struct pgw_translate_end *seen,
					   uint64_t va, struct pgw_translation *ret)
{
	struct recall_memory *memory = memory_of(pt);
	uint64_t stretch = stretch_of(pt, va), entry;

	if (pgw_likely(memory != NULL) &&
	    pgw_likely(stretch == seen->stretch || slot_find(memory, stretch, seen)) &&
	    pgw_likely(entry_by(pt, memory, seen, va, &entry))) {
		pt_ops(pt)->translate_end(&pt->env, va, entry, seen->acc,
					  seen->end >> END_LEVEL_SHIFT, ret);
		return;
	}
	seen->stretch = 0;
	pt_ops(pt)->translate(pt, va, ret, NULL);
}

int pt_recall_translate_by(const struct pt *pt, struct pgw_translate_end *seen, uint64_t va,
			   struct pgw_translation *ret)
{
	translate_by(pt, seen, va, ret);
	return 0;
}

int pt_recall_translate(const struct pt *pt, uint64_t va, struct pgw_translation *ret)
{
	struct pgw_translate_end seen = { .stretch = 0 };

	translate_by(pt, &seen, va, ret);
	return 0;
}

void pt_recall_translate_batch(const struct pt *pt, const uint64_t *va, struct pgw_translation *ret,
			       size_t n)
{
	struct pgw_translate_end seen = { .stretch = 0 };

	for (size_t i = 0; i < n; i++)
		translate_by(pt, &seen, va[i], &ret[i]);
}

/* Memory for what is to be kept, once it pays. NULL: none */
static struct recall_memory *memory_for(const struct pt *pt)
{
	const struct pgw_platform *platform = pt->platform;
	struct recall_memory *memory = memory_of(pt);

	/* One thread, the one that counts this number, makes it. */
	if (memory || step_load_n(&pt->recall->nr_ways, __ATOMIC_RELAXED) >= RECALL_MIN_WAYS ||
	    step_fetch_add(&pt->recall->nr_ways, 1, __ATOMIC_RELAXED) != RECALL_MIN_WAYS - 1)
		return memory;
	memory = platform->obj_alloc(platform->ctx, sizeof(*memory));
	step_store_n(&pt->recall->memory, memory, __ATOMIC_RELEASE);
	return memory;
}

void pt_recall_keep(const struct pt *pt, uint64_t va, uint64_t item_pa,
		    const struct pt_found *found)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	struct recall_memory *memory = memory_for(pt);
	struct recall_slot *slot, *victim;
	uint64_t stretch, value;

	if (!memory)
		return;
	stretch = stretch_of(pt, va);
	slot = &memory->slot[slot_of(stretch)];
	/* The one that has this stretch, an empty one, or either. */
	victim = slot + index_in_stretch(pt, va) % RECALL_SLOT_WAYS;
	for (unsigned i = RECALL_SLOT_WAYS; i-- > 0;) {
		uint64_t held = step_load_n(&slot[i].stretch, __ATOMIC_RELAXED);

		if (!held || held == stretch)
			victim = &slot[i];
		if (held == stretch)
			break;
	}
	value = found->level ? found->entry
			     : item_pa - pt_items_size(geo, index_in_stretch(pt, va));
	if (!begin_fill(&victim->seq))
		return;
	step_store_n(&victim->stretch, stretch, __ATOMIC_RELEASE);
	step_store_n(&victim->end, found->level << END_LEVEL_SHIFT, __ATOMIC_RELEASE);
	step_store_n(&victim->acc, found->acc, __ATOMIC_RELEASE);
	step_store_n(&victim->value, value, __ATOMIC_RELEASE);
	end_fill(&victim->seq);
}

void pt_recall_init(struct pt_recall *recall, const struct pgw_geometry *geo)
{
	unsigned items_lg2 =
		geo->slots_lg2[0] < RECALL_ITEMS_LG2 ? geo->slots_lg2[0] : RECALL_ITEMS_LG2;

	recall->item_lg2 = geo->span_lg2[0];
	recall->stretch_lg2 = (uint8_t)(geo->span_lg2[0] + items_lg2);
}

void pt_recall_fini(const struct pgw_platform *platform, struct pt_recall *recall)
{
	struct recall_memory *memory = recall->memory;

	if (!memory)
		return;
	for (unsigned i = 0; i < RECALL_BLOCKS; i++) {
		if (memory->block[i])
			platform->obj_free(platform->ctx, memory->block[i],
					   sizeof(*memory->block[i]));
	}
	platform->obj_free(platform->ctx, memory, sizeof(*memory));
	recall->memory = NULL;
}
