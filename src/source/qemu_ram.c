/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/qemu.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* Does this page, whose number is the next one, come in the same way as those before it? */
static bool goes_on(const struct qemu_ram *ram, const struct qemu_sent *how)
{
	const struct qemu_sent *last = ram->nr_sent ? &ram->sent[ram->nr_sent - 1] : NULL;

	if (!last || last->step != how->step)
		return false;
	return how->step ? how->at == last->at + (ram->nr_pages - last->first) * last->step
			 : how->fill == last->fill;
}

int qemu_ram_add(struct qemu_ram *ram, const struct qemu_block *block, uint64_t offset,
		 const struct qemu_sent *how)
{
	struct flat_piece *last = ram->nr_stretches ? &ram->stretches[ram->nr_stretches - 1] : NULL;
	uint64_t page = (block->first + offset) >> ram->page_lg2;

	if (block->first == QEMU_NO_PLACE)
		return 0;
	if (!goes_on(ram, how)) {
		if (source_array_grow((void **)&ram->sent, ram->nr_sent, sizeof(*how)))
			return -PGW_ENOMEM;
		ram->sent[ram->nr_sent] = *how;
		ram->sent[ram->nr_sent++].first = ram->nr_pages;
	}
	if (last && last->end == page) {
		last->end++;
	} else {
		if (source_array_grow((void **)&ram->stretches, ram->nr_stretches, sizeof(*last)))
			return -PGW_ENOMEM;
		ram->stretches[ram->nr_stretches++] =
			(struct flat_piece){ page, page + 1, ram->nr_pages };
	}
	ram->nr_pages++;
	return 0;
}

/* How the page with this number came, and those behind it. Pre: there is one. */
static const struct qemu_sent *find_sent(const struct qemu_ram *ram, uint64_t number)
{
	size_t low = 0, high = ram->nr_sent;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (ram->sent[middle].first <= number)
			low = middle;
		else
			high = middle;
	}
	return &ram->sent[low];
}

/* The number that follows those of these pages. */
static uint64_t sent_end(const struct qemu_ram *ram, const struct qemu_sent *sent)
{
	return sent + 1 < ram->sent + ram->nr_sent ? sent[1].first : ram->nr_pages;
}

/* Append pages to ascending runs of bytes, joining neighbours. */
static int run_add(struct source_run **runs, size_t *nr, uint64_t first, uint64_t last)
{
	if (*nr && (*runs)[*nr - 1].last + 1 == first) {
		(*runs)[*nr - 1].last = last;
		return 0;
	}
	if (source_array_grow((void **)runs, *nr, sizeof(**runs)))
		return -PGW_ENOMEM;
	(*runs)[(*nr)++] = (struct source_run){ first, last };
	return 0;
}

/* Runs of a piece, whose pages may have come in several ways. */
static int add_runs(struct qemu_ram *ram, const struct flat_piece *piece)
{
	uint64_t page = piece->first;
	int status = 0;

	while (page < piece->end && !status) {
		uint64_t number = piece->at + (page - piece->first);
		const struct qemu_sent *sent = find_sent(ram, number);
		uint64_t nr = sent_end(ram, sent) - number, first = page << ram->page_lg2, last;

		if (nr > piece->end - page)
			nr = piece->end - page;
		last = ((page + nr) << ram->page_lg2) - 1;
		status = run_add(&ram->readable, &ram->nr_readable, first, last);
		if (!status && (sent->step || sent->fill))
			status = run_add(&ram->held, &ram->nr_held, first, last);
		page += nr;
	}
	return status;
}

int qemu_ram_finish(struct qemu_ram *ram)
{
	int status = source_flat_sort(&ram->last, ram->stretches, ram->nr_stretches);

	ram->stretches = NULL;
	ram->nr_stretches = 0;
	for (size_t i = 0; i < ram->last.nr_pieces && !status; i++)
		status = add_runs(ram, &ram->last.pieces[i]);
	return status;
}

bool qemu_ram_read(const struct qemu_ram *ram, const struct source_map *map, uint64_t offset,
		   uint8_t *buf, size_t len)
{
	uint64_t size = BIT(ram->page_lg2);

	while (len) {
		uint64_t page = offset >> ram->page_lg2, in_page = offset & (size - 1), number;
		const struct flat_piece *piece = source_flat_find(&ram->last, page);
		size_t n = size - in_page < len ? (size_t)(size - in_page) : len;
		const struct qemu_sent *sent;

		if (!piece || piece->first > page)
			return false;
		number = piece->at + (page - piece->first);
		sent = find_sent(ram, number);
		if (!sent->step)
			memset(buf, sent->fill, n);
		else if (!source_map_read(map,
					  sent->at + (number - sent->first) * sent->step + in_page,
					  buf, n))
			return false;
		buf += n;
		offset += n;
		len -= n;
	}
	return true;
}

const struct source_run *qemu_ram_next(const struct qemu_ram *ram, enum source_extent extent,
				       uint64_t offset)
{
	const struct source_run *runs = extent == SOURCE_HELD ? ram->held : ram->readable;
	size_t low = 0, nr = extent == SOURCE_HELD ? ram->nr_held : ram->nr_readable, high = nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (runs[middle].last < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nr ? &runs[low] : NULL;
}

void qemu_ram_free(struct qemu_ram *ram)
{
	if (!ram)
		return;
	free(ram->blocks);
	free(ram->sent);
	free(ram->stretches);
	free(ram->last.pieces);
	free(ram->held);
	free(ram->readable);
	free(ram);
}
