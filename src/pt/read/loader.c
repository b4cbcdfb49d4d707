/* SPDX-License-Identifier: BSD-2-Clause */
#include "pt/read/loader.h"

static uint64_t item_to_entry(const struct pgw_geometry *geo, const void *item)
{
	if (geo->item_lg2 == 2)
		return geo->is_big_endian ? load_be32(item) : load_le32(item);
	return geo->is_big_endian ? load_be64(item) : load_le64(item);
}

/* Items that were copied as they are. From the last to the first: an entry is never smaller than its item, nor before it. */
static void items_to_entries(const struct pgw_geometry *geo, uint64_t *copy, unsigned nr)
{
	const unsigned char *items = (const unsigned char *)copy;

	for (unsigned i = nr; i-- > 0;)
		copy[i] = item_to_entry(geo, items + pt_items_size(geo, i));
}

/*
 * Ask the source where it has memory, and cut the items to what can be read or to all that
 * cannot, so that a missing table costs one step and not one an item.
 */
bool pt_copy_partly(const struct pt *pt, uint64_t pa, unsigned wanted, uint64_t *copy, unsigned *nr)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	const uint64_t beyond = low_bits(geo->item_lg2); /* bytes of an item after its first */
	uint64_t first, last;

	if (!pt->phys->ops->next_range(pt->phys, pa, &first, &last)) {
		*nr = wanted;
	} else if (first > pa) {
		*nr = first - pa >= pt_items_size(geo, wanted)
			      ? wanted
			      : (unsigned)((first - pa + beyond) >> geo->item_lg2);
	} else if (last - pa < beyond) {
		*nr = 1; /* memory ends inside the item */
	} else if (last - pa < pt_items_size(geo, *nr) - 1) {
		*nr = (unsigned)((last - pa + 1) >> geo->item_lg2);
		return pgw_phys_read(pt->phys, pa, copy, pt_items_size(geo, *nr)) == 0;
	}
	/* Else the source has these bytes and cannot give them. */
	return false;
}

bool pt_copy_items(const struct pt *pt, uint64_t pa, unsigned nr, uint64_t *copy, unsigned max,
		   unsigned *ret_nr)
{
	const struct pgw_geometry *geo = &pt->format->geometry;

	*ret_nr = nr < max ? nr : max;
	if (pgw_unlikely(pgw_phys_read(pt->phys, pa, copy, pt_items_size(geo, *ret_nr)) != 0) &&
	    !pt_copy_partly(pt, pa, nr, copy, ret_nr))
		return false;
	if (!pt->is_native)
		items_to_entries(geo, copy, *ret_nr);
	return true;
}

bool pt_load_far(const struct pt *pt, uint64_t item_pa, uint64_t *ret)
{
	if (pgw_phys_read(pt->phys, item_pa, ret, pt_items_size(&pt->format->geometry, 1)))
		return false;
	if (!pt->is_native)
		items_to_entries(&pt->format->geometry, ret, 1);
	return true;
}
