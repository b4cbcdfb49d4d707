/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/*
 * Pages of a machine that stands still, copied one by one as they are read. The copies are its
 * memory when it runs again: what is asked of them is answered as of that one moment.
 */
#define PAGE_LG2 12
#define PAGE ((size_t)1 << PAGE_LG2)
#define CHUNK 256 /* pages that are allocated together */
#define MAX_PAGES ((size_t)1 << 20)
#define NO_PAGE UINT64_MAX

struct source_hold {
	const struct source_ops *ops; /* the kind's own */
	bool was_live;
	uint64_t readable_bytes; /* that it had */
	uint8_t **chunks;        /* MAX_PAGES / CHUNK of them; NULL: not needed yet */
	uint64_t *
		pages; /* numbers of the pages, in the order of the copies; sorted copies: sorted */
	size_t nr, capacity;
	uint64_t *slots; /* a hash table of 2^slots_lg2 page numbers, and where the copies are */
	uint32_t *places;
	unsigned slots_lg2;
	struct source_run *runs; /* of held memory, ascending; after source_hold_end() */
	size_t nr_runs;
};

/* Where the page is in the hash table, or would be. Never full. */
static size_t find_slot(const struct source_hold *hold, uint64_t page)
{
	size_t mask = ((size_t)1 << hold->slots_lg2) - 1;
	size_t i = (size_t)((page * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - hold->slots_lg2));

	while (hold->slots[i] != NO_PAGE && hold->slots[i] != page)
		i = (i + 1) & mask;
	return i;
}

/* At least half of the slots stay empty. */
static int grow(struct source_hold *hold, size_t capacity)
{
	unsigned lg2 = 10;
	uint64_t *slots, *pages;
	uint32_t *places;

	while ((size_t)1 << lg2 < capacity * 2)
		lg2++;
	pages = reallocarray(hold->pages, capacity, sizeof(*pages));
	if (!pages)
		return -PGW_ENOMEM;
	hold->pages = pages;
	slots = malloc(sizeof(*slots) << lg2);
	places = malloc(sizeof(*places) << lg2);
	if (!slots || !places) {
		free(slots);
		free(places);
		return -PGW_ENOMEM;
	}
	memset(slots, 0xff, sizeof(*slots) << lg2);
	free(hold->slots);
	free(hold->places);
	hold->slots = slots;
	hold->places = places;
	hold->slots_lg2 = lg2;
	hold->capacity = capacity;
	for (size_t i = 0; i < hold->nr; i++) {
		size_t slot = find_slot(hold, hold->pages[i]);

		hold->slots[slot] = hold->pages[i];
		hold->places[slot] = (uint32_t)i;
	}
	return 0;
}

static uint8_t *copy_of(const struct source_hold *hold, size_t i)
{
	return hold->chunks[i / CHUNK] + i % CHUNK * PAGE;
}

static int make_room(struct source_hold *hold)
{
	uint8_t **chunk = &hold->chunks[hold->nr / CHUNK];

	if (hold->nr == MAX_PAGES)
		return -PGW_E2BIG;
	if (!*chunk) {
		*chunk = malloc(CHUNK * PAGE);
		if (!*chunk)
			return -PGW_ENOMEM;
	}
	return hold->nr == hold->capacity ? grow(hold, hold->capacity * 2) : 0;
}

/* @param ret the page's copy, made now if there is none */
static int hold_page(const struct source *source, uint64_t page, const uint8_t **ret)
{
	struct source_hold *hold = source->hold;
	size_t slot = find_slot(hold, page);
	int status;

	if (hold->slots[slot] == NO_PAGE) {
		status = make_room(hold);
		if (!status)
			status = hold->ops->read(source, page << PAGE_LG2, copy_of(hold, hold->nr),
						 PAGE);
		if (status)
			return status;
		slot = find_slot(hold, page);
		hold->slots[slot] = page;
		hold->places[slot] = (uint32_t)hold->nr;
		hold->pages[hold->nr++] = page;
	}
	*ret = copy_of(hold, hold->places[slot]);
	return 0;
}

static int held_page(const struct source *source, uint64_t page, const uint8_t **ret)
{
	const struct source_hold *hold = source->hold;
	size_t slot = find_slot(hold, page);

	if (hold->slots[slot] == NO_PAGE)
		return -PGW_EIO;
	*ret = copy_of(hold, hold->places[slot]);
	return 0;
}

typedef int get_page_fn(const struct source *source, uint64_t page, const uint8_t **ret);

static int read_pages(const struct source *source, uint64_t pa, void *buf, size_t len,
		      get_page_fn *get)
{
	uint8_t *to = buf;

	while (len) {
		size_t offset = (size_t)(pa & (PAGE - 1)), n = PAGE - offset;
		const uint8_t *bytes;
		int status = get(source, pa >> PAGE_LG2, &bytes);

		if (status)
			return status;
		n = n < len ? n : len;
		memcpy(to, bytes + offset, n);
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

static int keeping_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	return read_pages(source, pa, buf, len, hold_page);
}

static bool keeping_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			       struct pgw_pa_range *ret)
{
	return source->hold->ops->next_range(source, extent, pa, ret);
}

static int held_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	return read_pages(source, pa, buf, len, held_page);
}

static bool held_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			    struct pgw_pa_range *ret)
{
	const struct source_hold *hold = source->hold;
	size_t low = 0, high = hold->nr_runs;

	if (extent == SOURCE_DESCRIBED)
		return hold->ops->next_range(source, extent, pa, ret);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (hold->runs[middle].last < pa)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == hold->nr_runs)
		return false;
	*ret = (struct pgw_pa_range){ hold->runs[low].first, hold->runs[low].last };
	return true;
}

/* While pages are copied. The machine stands still: others do not stop it, nor let it run. */
static const struct source_ops keeping_ops = {
	.name = "pages that are being copied",
	.read = keeping_read,
	.next_range = keeping_next_range,
};

static const struct source_ops held_ops = {
	.name = "pages that were copied",
	.read = held_read,
	.next_range = held_next_range,
};

int source_hold_begin(struct source *source, size_t nr_pages)
{
	struct source_hold *hold = calloc(1, sizeof(*hold));
	size_t nr_chunks;

	if (!hold)
		return -PGW_ENOMEM;
	nr_pages = nr_pages < MAX_PAGES ? nr_pages : MAX_PAGES;
	nr_chunks = (nr_pages + CHUNK - 1) / CHUNK;
	hold->ops = source->ops;
	hold->was_live = source->is_live;
	hold->readable_bytes = source->info.readable_bytes;
	hold->chunks = calloc(MAX_PAGES / CHUNK + 1, sizeof(*hold->chunks));
	source->hold = hold;
	source_set_kind(source, &keeping_ops);
	if (!hold->chunks || grow(hold, (nr_chunks + 1) * CHUNK)) {
		source_hold_drop(source);
		return -PGW_ENOMEM;
	}
	/* Written to now, so that nothing waits for memory while the machine stands still. */
	for (size_t i = 0; i < nr_chunks; i++) {
		hold->chunks[i] = malloc(CHUNK * PAGE);
		if (hold->chunks[i])
			memset(hold->chunks[i], 1, CHUNK * PAGE);
	}
	return 0;
}

int source_hold_range(const struct source *source, uint64_t first, uint64_t last)
{
	const uint8_t *bytes;
	int status = 0;

	/* Of a table of several pages, those that are there. */
	for (uint64_t page = first >> PAGE_LG2; page <= last >> PAGE_LG2; page++) {
		int err = hold_page(source, page, &bytes);

		if (err && err != -PGW_EIO)
			return err;
		status = err ? err : status;
	}
	return status;
}

static int page_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The hash table knows the order of the copies, so that the list may be sorted. */
static int find_runs(struct source_hold *hold)
{
	size_t nr = 0;

	hold->runs = calloc(hold->nr + 1, sizeof(*hold->runs));
	if (!hold->runs)
		return -PGW_ENOMEM;
	qsort(hold->pages, hold->nr, sizeof(*hold->pages), page_compare);
	for (size_t i = 0; i < hold->nr; i++) {
		uint64_t first = hold->pages[i] << PAGE_LG2;

		if (!nr || hold->runs[nr - 1].last + 1 != first)
			hold->runs[nr++].first = first;
		hold->runs[nr - 1].last = first + (PAGE - 1);
	}
	hold->nr_runs = nr;
	return 0;
}

/* Where memory is may not have been known: then none was said to be readable. */
static uint64_t bytes_not_copied(const struct source_hold *hold)
{
	uint64_t copied = (uint64_t)hold->nr << PAGE_LG2;

	return hold->readable_bytes > copied ? hold->readable_bytes - copied : 0;
}

int source_hold_end(struct source *source)
{
	struct source_hold *hold = source->hold;

	if (find_runs(hold))
		return -PGW_ENOMEM;
	source_set_kind(source, &held_ops);
	source->is_live = source->info.is_live = false;
	source->info.readable_bytes = (uint64_t)hold->nr << PAGE_LG2;
	source->info.unreadable_bytes += bytes_not_copied(hold);
	source->info.nr_ranges = hold->nr_runs;
	return 0;
}

void source_hold_drop(struct source *source)
{
	struct source_hold *hold = source->hold;

	if (!hold)
		return;
	source_set_kind(source, hold->ops);
	if (!source->is_live && hold->was_live)
		source->info.unreadable_bytes -= bytes_not_copied(hold);
	source->is_live = source->info.is_live = hold->was_live;
	source->info.readable_bytes = hold->readable_bytes;
	for (size_t i = 0; hold->chunks && i <= MAX_PAGES / CHUNK; i++)
		free(hold->chunks[i]);
	free(hold->chunks);
	free(hold->pages);
	free(hold->slots);
	free(hold->places);
	free(hold->runs);
	free(hold);
	source->hold = NULL;
}
