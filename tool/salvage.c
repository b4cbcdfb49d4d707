/* SPDX-License-Identifier: BSD-2-Clause */
#include "salvage.h"

#include <stdlib.h>

/* Memory is read in blocks, and page by page where one cannot be read. */
#define BLOCK UINT64_C(65536)
#define PAGE UINT64_C(4096)

struct salvaging {
	const struct pgw_phys *phys;
	uint8_t *block; /* BLOCK bytes */
	struct pgw_pa_range *list;
	size_t nr, capacity;
	uint64_t lost;
};

static int add(struct salvaging *to, uint64_t first, uint64_t last)
{
	if (to->nr && to->list[to->nr - 1].last + 1 == first) {
		to->list[to->nr - 1].last = last;
		return 0;
	}
	if (to->nr == to->capacity) {
		size_t capacity = to->capacity ? to->capacity * 2 : 64;
		void *grown = reallocarray(to->list, capacity, sizeof(*to->list));

		if (!grown)
			return -PGW_ENOMEM;
		to->list = grown;
		to->capacity = capacity;
	}
	to->list[to->nr++] = (struct pgw_pa_range){ first, last };
	return 0;
}

/* From pa on, up to the next multiple of size, but not beyond last. */
static uint64_t piece_last(uint64_t pa, uint64_t size, uint64_t last)
{
	uint64_t end = pa | (size - 1);

	return end < last ? end : last;
}

static int salvage_pages(struct salvaging *to, uint64_t first, uint64_t last)
{
	int status = 0;

	for (uint64_t pa = first, end; !status; pa = end + 1) {
		end = piece_last(pa, PAGE, last);
		if (pgw_phys_read(to->phys, pa, to->block, (size_t)(end - pa) + 1) == 0)
			status = add(to, pa, end);
		else
			to->lost += end - pa + 1;
		if (end == last)
			break;
	}
	return status;
}

static int salvage_range(struct salvaging *to, uint64_t first, uint64_t last)
{
	int status = 0;

	for (uint64_t pa = first, end; !status; pa = end + 1) {
		end = piece_last(pa, BLOCK, last);
		if (pgw_phys_read(to->phys, pa, to->block, (size_t)(end - pa) + 1) == 0)
			status = add(to, pa, end);
		else
			status = salvage_pages(to, pa, end);
		if (end == last)
			break;
	}
	return status;
}

/* What of the memory is to be kept. */
static int salvage_kept(struct salvaging *to, const struct pgw_pa_range *keep)
{
	uint64_t pa = keep->first, first, last;
	int status = 0;

	/* No range reaches UINT64_MAX. */
	while (!status && pa <= keep->last &&
	       to->phys->ops->next_range(to->phys, pa, &first, &last) && first <= keep->last) {
		if (first < pa)
			first = pa;
		if (last > keep->last)
			last = keep->last;
		status = salvage_range(to, first, last);
		pa = last + 1;
	}
	return status;
}

int salvage(const struct pgw_phys *phys, const struct pgw_pa_range *keep, size_t nr_keep,
	    struct pgw_pa_range **ret_list, size_t *ret_nr, uint64_t *ret_lost)
{
	static const struct pgw_pa_range all = { 0, UINT64_MAX };
	struct salvaging to = { .phys = phys, .block = malloc(BLOCK) };
	int status = to.block ? 0 : -PGW_ENOMEM;

	if (!keep) {
		keep = &all;
		nr_keep = 1;
	}
	for (size_t i = 0; i < nr_keep && !status; i++)
		status = salvage_kept(&to, &keep[i]);
	free(to.block);
	if (status) {
		free(to.list);
		return status;
	}
	*ret_list = to.list;
	*ret_nr = to.nr;
	*ret_lost = to.lost;
	return 0;
}
