/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

#include <stdlib.h>

#include <pagewalk/scan.h>

#include "base/bits.h"

/* Guest memory that lies in one piece in the host's. */
struct nested_run {
	uint64_t first, last; /* guest physical, inclusive; ascending, without overlap */
	uint64_t host;        /* where the first byte is */
};

struct pgw_nested {
	struct pgw_phys phys;
	const struct pgw_phys *host;
	struct nested_run *runs;
	size_t nr, capacity;
	uint64_t missing; /* bytes that are mapped and that the host has no memory for */
};

static int add_run(struct pgw_nested *nested, const struct nested_run *run)
{
	struct nested_run *before = nested->nr ? &nested->runs[nested->nr - 1] : NULL;

	if (before && before->last + 1 == run->first &&
	    before->host + (run->first - before->first) == run->host) {
		before->last = run->last;
		return 0;
	}
	if (nested->nr == PGW_NESTED_MAX_RUNS)
		return -PGW_E2BIG;
	if (nested->nr == nested->capacity) {
		size_t capacity = nested->capacity ? 2 * nested->capacity : 64;
		void *grown = reallocarray(nested->runs, capacity, sizeof(*run));

		if (!grown)
			return -PGW_ENOMEM;
		nested->runs = grown;
		nested->capacity = capacity;
	}
	nested->runs[nested->nr++] = *run;
	return 0;
}

/* The part of a run that the host has from a place on. @return false: there is none */
static bool held_part(const struct pgw_nested *nested, const struct nested_run *run, uint64_t from,
		      struct nested_run *ret)
{
	const struct pgw_phys *host = nested->host;
	uint64_t end = run->host + (run->last - run->first), first, last;

	*ret = (struct nested_run){ from, run->last, run->host + (from - run->first) };
	if (!host->ops->next_range)
		return true;
	if (!host->ops->next_range(host, ret->host, &first, &last) || first > end)
		return false;
	if (first > ret->host) {
		ret->first += first - ret->host;
		ret->host = first;
	}
	if (last < end)
		ret->last = ret->first + (last - ret->host);
	return true;
}

static int take_extent(const struct pgw_extent *extent, void *arg)
{
	const struct nested_run run = { extent->va_first, extent->va_last, extent->pa };
	struct pgw_nested *nested = arg;
	struct nested_run part;
	uint64_t from = run.first;
	int status;

	if (extent->kind != PGW_ENTRY_LEAF || !(extent->rights & (PGW_KERNEL_R | PGW_USER_R)))
		return 0;
	while (held_part(nested, &run, from, &part)) {
		nested->missing += part.first - from;
		status = add_run(nested, &part);
		if (status || part.last == run.last)
			return status;
		from = part.last + 1;
	}
	nested->missing += run.last - from + 1;
	return 0;
}

/* The first run that ends at or above an address; NULL: there is none. */
static const struct nested_run *find_run(const struct pgw_nested *nested, uint64_t pa)
{
	size_t low = 0, high = nested->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (nested->runs[middle].last < pa)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nested->nr ? &nested->runs[low] : NULL;
}

static int nested_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct pgw_nested *nested = phys->ctx;
	uint8_t *to = buf;

	while (len) {
		const struct nested_run *run = find_run(nested, pa);
		uint64_t beyond;
		size_t part;

		if (!run || run->first > pa)
			return -PGW_EIO;
		beyond = run->last - pa; /* bytes after the first one */
		part = beyond < len - 1 ? (size_t)beyond + 1 : len;
		if (pgw_phys_read(nested->host, run->host + (pa - run->first), to, part))
			return -PGW_EIO;
		to += part;
		len -= part;
		pa += part;
		if (len && !pa)
			return -PGW_EIO;
	}
	return 0;
}

/* Neighbouring runs are one range. */
static bool nested_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			      uint64_t *ret_last)
{
	const struct pgw_nested *nested = phys->ctx;
	const struct nested_run *run = find_run(nested, pa), *end = nested->runs + nested->nr;

	if (!run)
		return false;
	*ret_first = run->first;
	while (run + 1 < end && run->last + 1 == run[1].first)
		run++;
	*ret_last = run->last;
	return true;
}

static const struct pgw_phys_ops nested_ops = {
	.read = nested_read,
	.next_range = nested_next_range,
};

int pgw_nested_new(struct pgw_mm *stage2, const struct pgw_phys *host, struct pgw_nested **ret)
{
	struct pgw_scan_stats stats = { 0 };
	const struct pgw_region *region;
	struct pgw_nested *nested;
	int status;

	if (!stage2 || !host || !ret)
		return -PGW_EINVAL;
	nested = calloc(1, sizeof(*nested));
	if (!nested)
		return -PGW_ENOMEM;
	nested->phys = (struct pgw_phys){ &nested_ops, nested };
	nested->host = host;
	region = pgw_mm_region(stage2);
	status = pgw_scan(stage2, region->first, region->last, take_extent, nested, &stats);
	if (status) {
		pgw_nested_free(nested);
		return status;
	}
	*ret = nested;
	return 0;
}

void pgw_nested_free(struct pgw_nested *nested)
{
	if (nested)
		free(nested->runs);
	free(nested);
}

uint64_t nested_missing(const struct pgw_nested *nested)
{
	return nested->missing;
}

const struct pgw_phys *pgw_nested_phys(const struct pgw_nested *nested)
{
	return &nested->phys;
}
