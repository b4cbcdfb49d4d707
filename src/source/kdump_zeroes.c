/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * Pages of zeroes: both makers write such a page once, and let the descriptors
 * of all others lead there. A machine has many; who looks through memory for
 * anything need not look there.
 */

/* Bytes that several pages share are looked at so many times: a file may have any number. */
#define MAX_LOOKS 16

struct search {
	const struct kdump *kdump;
	uint64_t rank;     /* of the next page, in the whole dump */
	uint64_t previous; /* where the last page's bytes are; 0: nowhere */
	uint64_t zeroes;   /* where bytes are that are known to be zeroes, in part; 0: nowhere */
	const struct kdump_part *part;
	unsigned nr_looks;
	struct kdump_block block;
};

static bool is_zeroes(const struct search *search, const struct kdump_part *part,
		      const struct kdump_descriptor *descriptor)
{
	size_t size = (size_t)1 << search->kdump->header.block_lg2;
	uint8_t *page = malloc(size);
	bool ret = page && kdump_descriptor_is_sound(search->kdump, part, descriptor) &&
		   kdump_unpack(search->kdump, part, descriptor, page) == 0 && !page[0] &&
		   memcmp(page, page + 1, size - 1) == 0;

	free(page);
	return ret;
}

/* The first page that has them may be sought: those that have the same bytes follow it. */
static bool is_one(void *arg, uint64_t page)
{
	struct search *search = arg;
	const struct kdump_part *part = kdump_part_find(search->kdump, page);
	uint64_t rank = search->rank++, previous = search->previous;
	struct kdump_descriptor descriptor;

	search->previous = 0;
	if (!part || !kdump_block_read(&search->block, search->kdump, part, rank - part->first_rank,
				       &descriptor))
		return false;
	search->previous = descriptor.offset;
	if (part == search->part && search->zeroes && descriptor.offset == search->zeroes)
		return true;
	if (!previous || descriptor.offset != previous || search->nr_looks == MAX_LOOKS)
		return false;
	search->nr_looks++;
	if (!is_zeroes(search, part, &descriptor))
		return false;
	search->part = part;
	search->zeroes = descriptor.offset;
	return true;
}

void kdump_zeroes_find(struct kdump *kdump)
{
	struct search *search;
	uint8_t *map = NULL;

	pthread_mutex_lock(&kdump->lock);
	search = kdump->zeroes_are_known ? NULL : malloc(sizeof(*search));
	if (search) {
		*search = (struct search){ .kdump = kdump };
		if (kdump_pages_mark(&kdump->pages, &map, is_one, search) == 0)
			kdump->pages.zeroes = map;
		else
			free(map);
	}
	free(search);
	kdump->zeroes_are_known = true;
	pthread_mutex_unlock(&kdump->lock);
}
