/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/memory_write.h"

#include <stdlib.h>
#include <string.h>

static bool keep_ascends(const struct pgw_pa_range *keep, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (keep[i].first > keep[i].last || (i && keep[i - 1].last >= keep[i].first))
			return false;
	}
	return true;
}

int memory_write_init(struct memory_write *write, const struct source *source,
		      const struct source_writing *what)
{
	*write = (struct memory_write){
		.source = source,
		.keep = what->keep,
		.nr_keep = what->nr_keep,
		.fn = what->fn,
		.arg = what->arg,
	};
	if (!keep_ascends(what->keep, what->nr_keep))
		return -PGW_EINVAL;
	write->block = malloc(WRITE_BLOCK);
	return write->block ? 0 : -PGW_ENOMEM;
}

void memory_write_fini(struct memory_write *write)
{
	free(write->block);
	*write = (struct memory_write){ 0 };
}

/* The first of the ranges to keep that ends at or above pa. */
static const struct pgw_pa_range *keep_next(const struct memory_write *write, uint64_t pa)
{
	size_t low = 0, high = write->nr_keep;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (write->keep[middle].last < pa)
			low = middle + 1;
		else
			high = middle;
	}
	return low < write->nr_keep ? &write->keep[low] : NULL;
}

bool memory_write_next(const struct memory_write *write, uint64_t pa, struct pgw_pa_range *ret)
{
	const struct pgw_pa_range *keep;

	while ((keep = keep_next(write, pa))) {
		struct pgw_pa_range run;

		if (pa < keep->first)
			pa = keep->first;
		if (!source_next_range(write->source, SOURCE_READABLE, pa, &run))
			return false;
		if (pa < run.first)
			pa = run.first;
		if (pa > keep->last)
			continue;
		*ret = (struct pgw_pa_range){
			.first = pa,
			.last = keep->last < run.last ? keep->last : run.last,
		};
		return true;
	}
	return false;
}

static size_t block_of(uint64_t left)
{
	return left < WRITE_BLOCK ? (size_t)left : WRITE_BLOCK;
}

int memory_write_range(const struct memory_write *write, uint64_t pa, uint64_t size)
{
	int status = 0;

	for (uint64_t done = 0; done < size && !status;) {
		size_t n = block_of(size - done);

		status = pgw_phys_read(&write->source->phys, pa + done, write->block, n);
		if (!status)
			status = write->fn(write->block, n, write->arg);
		done += n;
	}
	return status;
}

int memory_write_file(const struct memory_write *write, uint64_t offset, uint64_t size)
{
	int status = 0;

	for (uint64_t done = 0; done < size && !status;) {
		size_t n = block_of(size - done);

		if (!source_read_file(write->source, offset + done, write->block, n))
			return -PGW_EIO;
		status = write->fn(write->block, n, write->arg);
		done += n;
	}
	return status;
}

int memory_write_zeroes(const struct memory_write *write, size_t size)
{
	if (!size)
		return 0;
	memset(write->block, 0, size);
	return write->fn(write->block, size, write->arg);
}
