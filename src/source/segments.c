/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>

/*
 * A sweep over ascending addresses. Each segment is cut in pieces: what the
 * file holds, what reads as zeroes, and what it only claims. Pieces that hold the
 * current address are in a heap, best rank on top; so every address goes to the best piece, and
 * n pieces take n log n steps however they overlap.
 */

/* Better ones first. */
enum piece_class {
	PIECE_HELD,
	PIECE_ZERO,
	PIECE_MISSING,
	_PIECE_CLASS_MAX,
};

struct piece {
	uint64_t first;
	uint64_t last;   /* inclusive */
	uint64_t offset; /* in the file, of a piece that it holds */
	unsigned file;
	uint32_t rank; /* lower wins: class times the number of segments, and the segment */
};

struct sweep {
	struct piece *pieces; /* ascending by first */
	size_t nr_pieces;
	size_t next; /* pieces before this one have been in the heap */
	uint32_t *heap;
	size_t nr_heap;
	uint64_t *won; /* by segment: how many addresses it got */
	size_t nr_segments;
	struct source_memory *memory;
	struct pgw_image_info *info;
};

static int piece_compare(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Mostly they are in order already, and few. */
static void pieces_sort(struct piece *pieces, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		if (piece_compare(&pieces[i - 1], &pieces[i]) > 0) {
			qsort(pieces, nr, sizeof(*pieces), piece_compare);
			return;
		}
	}
}

/* Is the piece at i in the heap better than that at j? */
static bool heap_before(const struct sweep *s, size_t i, size_t j)
{
	return s->pieces[s->heap[i]].rank < s->pieces[s->heap[j]].rank;
}

static void heap_swap(struct sweep *s, size_t i, size_t j)
{
	uint32_t t = s->heap[i];

	s->heap[i] = s->heap[j];
	s->heap[j] = t;
}

static void heap_push(struct sweep *s, size_t piece)
{
	size_t i = s->nr_heap++;

	s->heap[i] = (uint32_t)piece;
	for (; i && heap_before(s, i, (i - 1) / 2); i = (i - 1) / 2)
		heap_swap(s, i, (i - 1) / 2);
}

static void heap_pop(struct sweep *s)
{
	size_t i = 0;

	s->heap[0] = s->heap[--s->nr_heap];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < s->nr_heap && heap_before(s, child + 1, child))
			child++;
		if (child >= s->nr_heap || heap_before(s, i, child))
			return;
		heap_swap(s, i, child);
		i = child;
	}
}

/* Append to ascending runs, joining neighbours. */
static int run_add(struct source_run **runs, size_t *nr, uint64_t first, uint64_t last)
{
	int status;

	if (*nr && (*runs)[*nr - 1].last + 1 == first) {
		(*runs)[*nr - 1].last = last;
		return 0;
	}
	status = source_array_grow((void **)runs, *nr, sizeof(**runs));
	if (!status)
		(*runs)[(*nr)++] = (struct source_run){ first, last };
	return status;
}

/* The addresses first to last go to this piece. */
static int sweep_give(struct sweep *s, const struct piece *piece, uint64_t first, uint64_t last)
{
	struct source_memory *memory = s->memory;
	enum piece_class class = piece->rank / s->nr_segments;
	struct source_range range = { first, last, piece->offset + (first - piece->first),
				      piece->file };
	struct source_range *before;
	int status = run_add(&memory->described, &memory->nr_described, first, last);

	if (status)
		return status;
	s->won[piece->rank % s->nr_segments] += last - first + 1;
	if (class == PIECE_MISSING) {
		s->info->unreadable_bytes += last - first + 1;
		return 0;
	}
	s->info->readable_bytes += last - first + 1;
	if (class == PIECE_ZERO)
		s->info->zero_bytes += last - first + 1;
	before = memory->nr_ranges ? &memory->ranges[memory->nr_ranges - 1] : NULL;
	if (before && before->file == range.file && before->last + 1 == first &&
	    before->offset + (first - before->first) == range.offset) {
		before->last = last;
		return 0;
	}
	status = source_array_grow((void **)&memory->ranges, memory->nr_ranges, sizeof(range));
	if (!status)
		memory->ranges[memory->nr_ranges++] = range;
	return status;
}

/*
 * Each turn takes a piece into the heap or one out of it, or gives addresses
 * up to where one of the two happens. No piece reaches UINT64_MAX; no piece
 * that is not yet in the heap begins before the current address.
 */
static int sweep_run(struct sweep *s)
{
	const struct piece *pieces = s->pieces;
	uint64_t at = 0;
	int status = 0;

	while (!status && (s->nr_heap || s->next < s->nr_pieces)) {
		const struct piece *next = s->next < s->nr_pieces ? &pieces[s->next] : NULL;
		const struct piece *top;
		uint64_t last;

		if (next && (next->first == at || !s->nr_heap)) {
			at = next->first;
			heap_push(s, s->next++);
			continue;
		}
		top = &pieces[s->heap[0]];
		if (top->last < at) {
			heap_pop(s);
			continue;
		}
		last = next && next->first <= top->last ? next->first - 1 : top->last;
		status = sweep_give(s, top, at, last);
		at = last + 1;
	}
	return status;
}

/* A piece from first on; where a file has it says like. */
static void sweep_add_piece(struct sweep *s, enum piece_class class, size_t segment, uint64_t size,
			    struct piece like)
{
	if (!size)
		return;
	like.last = like.first + (size - 1);
	like.rank = (uint32_t)(class * s->nr_segments + segment);
	s->pieces[s->nr_pieces++] = like;
}

static void sweep_add(struct sweep *s, const struct source_segment *segment, size_t index)
{
	uint64_t zero = segment->size - segment->zero_size; /* from where on, in the segment */

	sweep_add_piece(s, PIECE_HELD, index, segment->file_size,
			(struct piece){ .first = segment->pa,
					.offset = segment->offset,
					.file = segment->file });
	sweep_add_piece(s, PIECE_MISSING, index, zero - segment->file_size,
			(struct piece){ .first = segment->pa + segment->file_size });
	/* An offset that is an address, so that neighbours join. */
	sweep_add_piece(s, PIECE_ZERO, index, segment->zero_size,
			(struct piece){ .first = segment->pa + zero,
					.offset = segment->pa + zero,
					.file = SOURCE_NO_FILE });
}

static int memory_join(struct source_memory *memory)
{
	int status = 0;

	for (size_t i = 0; i < memory->nr_ranges && !status; i++) {
		const struct source_range *range = &memory->ranges[i];

		status =
			run_add(&memory->readable, &memory->nr_readable, range->first, range->last);
		if (!status && range->file != SOURCE_NO_FILE)
			status =
				run_add(&memory->runs, &memory->nr_runs, range->first, range->last);
	}
	return status;
}

int source_segments_build(const struct source_segment *segments, size_t nr,
			  struct source_memory *ret, struct pgw_image_info *info)
{
	struct sweep s = { .nr_segments = nr, .memory = ret, .info = info };
	int status = -PGW_ENOMEM;

	if (!nr)
		return 0;
	s.pieces = calloc(nr * _PIECE_CLASS_MAX, sizeof(*s.pieces));
	s.heap = calloc(nr * _PIECE_CLASS_MAX, sizeof(*s.heap));
	s.won = calloc(nr, sizeof(*s.won));
	if (s.pieces && s.heap && s.won) {
		for (size_t i = 0; i < nr; i++)
			sweep_add(&s, &segments[i], i);
		pieces_sort(s.pieces, s.nr_pieces);
		status = sweep_run(&s);
		for (size_t i = 0; i < nr; i++)
			info->nr_overlaps += s.won[i] < segments[i].size;
	}
	free(s.pieces);
	free(s.heap);
	free(s.won);
	if (!status)
		status = memory_join(ret);
	info->nr_ranges = ret->nr_readable;
	return status;
}

void source_memory_fini(struct source_memory *memory)
{
	free(memory->ranges);
	free(memory->runs);
	free(memory->readable);
	free(memory->described);
	*memory = (struct source_memory){ 0 };
}

const struct source_range *source_memory_find(const struct source_memory *memory, uint64_t pa)
{
	size_t low = 0, high = memory->nr_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct source_range *range = &memory->ranges[middle];

		if (pa >= range->first && pa <= range->last)
			return range;
		if (range->last < pa)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct source_run *run_next(const struct source_run *runs, size_t nr, uint64_t pa)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (runs[middle].last < pa)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nr ? &runs[low] : NULL;
}

const struct source_run *source_memory_next(const struct source_memory *memory,
					    enum source_extent extent, uint64_t pa)
{
	switch (extent) {
	case SOURCE_HELD:
		return run_next(memory->runs, memory->nr_runs, pa);
	case SOURCE_READABLE:
		return run_next(memory->readable, memory->nr_readable, pa);
	case SOURCE_DESCRIBED:
		return run_next(memory->described, memory->nr_described, pa);
	}
	return NULL;
}
