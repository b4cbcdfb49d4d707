/* SPDX-License-Identifier: BSD-2-Clause */
#include "mmu/encode.h"

#include <string.h>

#include "base/bits.h"
#include "common/arena.h"

static unsigned char *item_at(const struct space *space, uint64_t item_pa)
{
	return space->ram + (item_pa - space->machine->ram_pa);
}

uint64_t item_get(const struct space *space, uint64_t item_pa)
{
	const unsigned char *at = item_at(space, item_pa);
	size_t size = (size_t)1 << space->geo->item_lg2;
	uint64_t entry = 0;

	for (size_t i = 0; i < size; i++)
		entry = entry << 8 | at[space->geo->is_big_endian ? i : size - 1 - i];
	return entry;
}

void item_set(const struct space *space, uint64_t item_pa, uint64_t entry)
{
	unsigned char *at = item_at(space, item_pa);
	size_t size = (size_t)1 << space->geo->item_lg2;

	for (size_t i = 0; i < size; i++, entry >>= 8)
		at[space->geo->is_big_endian ? size - 1 - i : i] = (unsigned char)entry;
}

uint64_t item_pa_of(const struct space *space, uint64_t table_pa, uint64_t va, unsigned level)
{
	uint64_t slot = va >> space->geo->span_lg2[level] & low_bits(space->geo->slots_lg2[level]);

	return table_pa + (slot << space->geo->item_lg2);
}

/* A table may be aligned to less than its size, which is worth a try. */
static uint64_t table_align(const struct space *space, unsigned level, uint64_t size)
{
	const struct pgw_geometry *geo = space->geo;

	if (level == geo->top_level && geo->root_align_lg2 && !space->machine->has_whole_roots)
		return BIT(geo->root_align_lg2);
	if (level == geo->top_level && space->machine->has_whole_roots)
		return size;
	return size < BIT(geo->granule_lg2) ? size : BIT(geo->granule_lg2);
}

uint64_t encode_table(struct space *space, unsigned level)
{
	uint64_t nr = BIT(space->geo->slots_lg2[level]), size = nr << space->geo->item_lg2;
	uint64_t align = table_align(space, level, size);
	uint64_t gap = test_random(space->random) % 4 * align;
	uint64_t start = (space->used + gap + align - 1) & ~(align - 1);

	if (start > GUEST_RAM_SIZE || GUEST_RAM_SIZE - start < size)
		return 0;
	space->used = start + size;
	start += space->machine->ram_pa;
	for (uint64_t slot = 0; slot < nr; slot++)
		item_set(space, start + (slot << space->geo->item_lg2),
			 space->encoder->empty(level));
	return start;
}

/* The table below an item, made where there is none. @return its address; 0: no room */
static uint64_t table_below(struct space *space, uint64_t item_pa, unsigned level)
{
	uint64_t table_pa = encode_table(space, level - 1);

	if (table_pa)
		item_set(space, item_pa, space->encoder->table(level, table_pa));
	return table_pa;
}

/* The table of the leaf's level, made where there is none. @return as encode_leaf() */
static int leaf_table(struct space *space, uint64_t root_pa, const struct pgw_leaf *leaf,
		      uint64_t *ret)
{
	const struct encoder *encoder = space->encoder;
	uint64_t table_pa = root_pa;

	for (unsigned level = space->geo->top_level; level > leaf->level; level--) {
		uint64_t item_pa = item_pa_of(space, table_pa, leaf->va, level);
		uint64_t found = item_get(space, item_pa);

		if (found == encoder->empty(level))
			table_pa = table_below(space, item_pa, level);
		else if (!encoder->leads_to(&space->setting, level, found, &table_pa))
			return -PGW_EEXIST;
		if (!table_pa)
			return -PGW_ENOMEM;
	}
	*ret = table_pa;
	return 0;
}

/* The items that make a leaf: those of a run, if it is one. */
static unsigned leaf_items(const struct space *space, const struct pgw_leaf *leaf)
{
	const struct machine *machine = space->machine;
	uint64_t run_bit = machine->run_bit_of ? machine->run_bit_of(&space->setting) : 0;

	if (!(leaf->attrs & run_bit))
		return 1;
	return 1u << (machine->run_lg2(&space->setting, leaf->level) -
		      space->geo->span_lg2[leaf->level]);
}

int encode_leaf(struct space *space, uint64_t root_pa, const struct pgw_leaf *leaf, uint64_t bits)
{
	const struct encoder *encoder = space->encoder;
	unsigned nr = leaf_items(space, leaf), level = leaf->level;
	uint64_t span = BIT(space->geo->span_lg2[level]), table_pa, entry;
	int err = leaf_table(space, root_pa, leaf, &table_pa);

	for (unsigned i = 0; i < nr && !err; i++) {
		if (!encoder->leaf(&space->setting, level, leaf->pa + i * span, leaf->attrs | bits,
				   &entry))
			err = -PGW_EOPNOTSUPP;
		else if (item_get(space, item_pa_of(space, table_pa, leaf->va + i * span, level)) !=
			 encoder->empty(level))
			err = -PGW_EEXIST;
	}
	for (unsigned i = 0; i < nr && !err; i++) {
		encoder->leaf(&space->setting, level, leaf->pa + i * span, leaf->attrs | bits,
			      &entry);
		item_set(space, item_pa_of(space, table_pa, leaf->va + i * span, level), entry);
	}
	return err;
}
