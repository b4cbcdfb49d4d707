/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>

#include "base/bits.h"

#define MAX_PIECES (UINT64_C(1) << 20)

/* A part of the direct map, and which of its pages were told. */
struct piece {
	uint64_t va_first, va_last;
	uint64_t page; /* the number of its first, of those of all pieces */
	uint8_t rights;
};

struct pieces {
	const struct pgw_stats_direct *direct;
	unsigned page_lg2;
	uint8_t usual;      /* rights of most of the direct map */
	struct piece *list; /* ascending */
	size_t nr, max;
	uint64_t nr_pages;
	uint8_t *told; /* a bit for each page */
	pgw_stats_piece_fn *fn;
	void *arg;
};

static uint8_t usual_rights(const struct pgw_stats_direct *direct)
{
	uint8_t usual = 0;

	for (uint8_t rights = 1; rights < 8; rights++) {
		if (direct->rights_bytes[rights] > direct->rights_bytes[usual])
			usual = rights;
	}
	return usual;
}

static int pieces_grow(struct pieces *p)
{
	size_t max = p->max ? 2 * p->max : 256;
	void *grown;

	if (p->nr < p->max)
		return 0;
	if (p->nr == MAX_PIECES)
		return -PGW_E2BIG;
	grown = reallocarray(p->list, max, sizeof(p->list[0]));
	if (!grown)
		return -PGW_ENOMEM;
	p->list = grown;
	p->max = max;
	return 0;
}

static int piece_gather(const struct pgw_extent *extent, void *arg)
{
	struct pieces *p = (struct pieces *)arg;
	uint64_t size = extent->va_last - extent->va_first + 1;
	int status;

	if (extent->kind != PGW_ENTRY_LEAF || extent->level != 0 ||
	    extent->va_first - extent->pa != p->direct->distance ||
	    (extent->rights & 7) == p->usual)
		return 0;
	status = pieces_grow(p);
	if (status)
		return status;
	p->list[p->nr++] = (struct piece){ .va_first = extent->va_first,
					   .va_last = extent->va_last,
					   .page = p->nr_pages,
					   .rights = extent->rights };
	p->nr_pages += size >> p->page_lg2;
	return 0;
}

static bool take_page(struct pieces *p, const struct piece *piece, uint64_t va)
{
	uint64_t page = piece->page + ((va - piece->va_first) >> p->page_lg2);
	uint8_t bit = (uint8_t)(1 << page % 8);
	bool is_new = !(p->told[page / 8] & bit);

	p->told[page / 8] |= bit;
	return is_new;
}

/* Tell the pages from va to last that were not told yet, in runs. */
static int piece_tell(struct pieces *p, const struct piece *piece, uint64_t va, uint64_t last,
		      const struct pgw_extent *other)
{
	uint64_t nr = ((last - va) >> p->page_lg2) + 1, i = 0;
	int status = 0;

	while (i < nr && !status) {
		uint64_t from = va + (i << p->page_lg2), begin = i;
		struct pgw_stats_piece told = { .va_first = from, .rights = piece->rights };

		while (i < nr && take_page(p, piece, va + (i << p->page_lg2)))
			i++;
		if (i == begin) {
			i++;
			continue;
		}
		told.va_last = from + ((i - begin) << p->page_lg2) - 1;
		if (other) {
			told.has_other = true;
			told.other_va = other->va_first + (from - p->direct->distance - other->pa);
			told.other_rights = other->rights;
		}
		status = p->fn(&told, p->arg);
	}
	return status;
}

/* The first piece that ends at va or behind it. */
static size_t piece_at(const struct pieces *p, uint64_t va)
{
	size_t low = 0, high = p->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->list[middle].va_last < va)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int piece_match(const struct pgw_extent *extent, void *arg)
{
	struct pieces *p = (struct pieces *)arg;
	uint64_t first = extent->pa + p->direct->distance;
	uint64_t last = first + (extent->va_last - extent->va_first);
	int status = 0;

	if (extent->kind != PGW_ENTRY_LEAF || first == extent->va_first || last < first)
		return 0;
	for (size_t i = piece_at(p, first); i < p->nr && p->list[i].va_first <= last && !status;
	     i++) {
		const struct piece *piece = &p->list[i];

		status = piece_tell(p, piece, piece->va_first > first ? piece->va_first : first,
				    piece->va_last < last ? piece->va_last : last, extent);
	}
	return status;
}

int pgw_stats_direct_pieces(struct pgw_mm *mm, const struct pgw_stats_direct *direct,
			    pgw_stats_piece_fn *fn, void *arg)
{
	const struct pgw_format *format = pgw_mm_format(mm);
	struct pieces p = { .direct = direct,
			    .page_lg2 = pgw_format_geometry(format)->granule_lg2,
			    .usual = usual_rights(direct),
			    .fn = fn,
			    .arg = arg };
	uint64_t first, last;
	int status = 0;

	pgw_format_region_range(format, pgw_mm_region(mm)->kind, &first, &last);
	if (direct->is_found)
		status = pgw_scan_extents(mm, direct->va_first, direct->va_last, piece_gather, &p);
	if (!status && p.nr) {
		p.told = calloc(p.nr_pages / 8 + 1, 1);
		status = p.told ? pgw_scan_extents(mm, first, last, piece_match, &p) : -PGW_ENOMEM;
	}
	for (size_t i = 0; i < p.nr && !status; i++)
		status = piece_tell(&p, &p.list[i], p.list[i].va_first, p.list[i].va_last, NULL);
	free(p.told);
	free(p.list);
	return status;
}
