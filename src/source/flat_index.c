/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/flat.h"

#include <stdlib.h>
#include <string.h>

#include "source/source.h"

/* Records that hold the place where the sweep is, as a heap: the latest of the file first. */
struct sweep {
	struct source_flat *flat;
	struct flat_piece *heap;
	size_t nr_heap;
};

static void heap_push(struct sweep *sweep, const struct flat_piece *record)
{
	struct flat_piece *heap = sweep->heap;
	size_t i = sweep->nr_heap++;

	for (; i && heap[(i - 1) / 2].at < record->at; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = *record;
}

static void heap_pop(struct sweep *sweep)
{
	struct flat_piece *heap = sweep->heap;
	struct flat_piece last = heap[--sweep->nr_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < sweep->nr_heap) {
		if (child + 1 < sweep->nr_heap && heap[child + 1].at > heap[child].at)
			child++;
		if (heap[child].at <= last.at)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
}

/* Pre: no bytes from pos on are placed yet. */
static int place(struct source_flat *flat, const struct flat_piece *record, uint64_t pos,
		 uint64_t end)
{
	struct flat_piece piece = { pos, end, record->at + (pos - record->first) };
	struct flat_piece *last = flat->nr_pieces ? &flat->pieces[flat->nr_pieces - 1] : NULL;

	if (last && last->end == pos && last->at + (pos - last->first) == piece.at) {
		last->end = end;
		return 0;
	}
	if (source_array_grow((void **)&flat->pieces, flat->nr_pieces, sizeof(piece)))
		return -PGW_ENOMEM;
	flat->pieces[flat->nr_pieces++] = piece;
	return 0;
}

static int compare_records(const void *a, const void *b)
{
	const struct flat_piece *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

/* Each round takes a record in, or lets one go, or both. */
static int sweep_run(struct sweep *sweep, const struct flat_piece *records, size_t nr)
{
	uint64_t pos = 0;
	size_t i = 0;
	int status = 0;

	while (!status && (i < nr || sweep->nr_heap)) {
		uint64_t end;

		if (!sweep->nr_heap && records[i].first > pos)
			pos = records[i].first;
		while (i < nr && records[i].first <= pos)
			heap_push(sweep, &records[i++]);
		while (sweep->nr_heap && sweep->heap[0].end <= pos)
			heap_pop(sweep);
		if (!sweep->nr_heap)
			continue;
		end = sweep->heap[0].end;
		if (i < nr && records[i].first < end)
			end = records[i].first;
		status = place(sweep->flat, &sweep->heap[0], pos, end);
		pos = end;
	}
	return status;
}

int source_flat_sort(struct source_flat *flat, struct flat_piece *records, size_t nr)
{
	struct sweep sweep = { .flat = flat, .heap = calloc(nr + 1, sizeof(*sweep.heap)) };
	int status = -PGW_ENOMEM;

	if (sweep.heap) {
		if (nr)
			qsort(records, nr, sizeof(*records), compare_records);
		status = sweep_run(&sweep, records, nr);
	}
	free(sweep.heap);
	free(records);
	return status;
}

const struct flat_piece *source_flat_find(const struct source_flat *flat, uint64_t offset)
{
	size_t low = 0, high = flat->nr_pieces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (flat->pieces[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < flat->nr_pieces ? &flat->pieces[low] : NULL;
}

void source_flat_free(struct source_flat *flat)
{
	if (flat)
		free(flat->pieces);
	free(flat);
}
