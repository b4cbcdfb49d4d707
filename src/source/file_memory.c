/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <string.h>

/* Pre: the range holds pa and the len bytes from there on. */
static bool range_read(const struct source *source, const struct source_range *range, uint64_t pa,
		       void *buf, size_t len)
{
	if (range->file == SOURCE_NO_FILE) {
		memset(buf, 0, len);
		return true;
	}
	return source_map_read(&source->files[range->file], range->offset + (pa - range->first),
			       buf, len);
}

/*
 * Pre: none. Copies piece by piece, as the pieces lie in the file.
 * Stops at the first byte that no range holds or the file has lost.
 */
int source_file_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		const struct source_range *range = source_memory_find(&source->memory, pa);
		size_t n = len;

		if (!range)
			return -PGW_EIO;
		if (range->last - pa < n - 1)
			n = (size_t)(range->last - pa) + 1;
		if (!range_read(source, range, pa, to, n))
			return -PGW_EIO;
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

/* Bytes that the file has of a range, from pa on; the rest of a hole is not there. */
static bool range_next_data(const struct source *source, const struct source_range *range,
			    uint64_t pa, struct pgw_pa_range *ret)
{
	uint64_t offset = range->offset + (pa - range->first), first, end;

	/* It is in no file: all of it is there. */
	if (range->file >= source->nr_files) {
		*ret = (struct pgw_pa_range){ pa, range->last };
		return true;
	}
	if (!source_map_next_data(&source->files[range->file], offset, &first, &end) ||
	    first - offset > range->last - pa)
		return false;
	ret->first = pa + (first - offset);
	ret->last = end - offset - 1 < range->last - pa ? pa + (end - offset - 1) : range->last;
	return true;
}

static bool has_holes(const struct source *source)
{
	bool has_any = false;

	for (unsigned i = 0; i < source->nr_files; i++)
		has_any |= source->files[i].is_sparse;
	return has_any;
}

/*
 * What is held, without holes of the file, which are known to be zeroes. Whole pages of memory, as
 * far as the run has them: a hole may begin and end anywhere in one.
 */
static bool next_data(const struct source *source, uint64_t pa, struct pgw_pa_range *ret)
{
	const struct source_memory *memory = &source->memory;
	const struct source_run *run;

	while ((run = source_memory_next(memory, SOURCE_HELD, pa))) {
		uint64_t from = pa > run->first ? pa : run->first, in_page = SOURCE_PAGE - 1;
		const struct source_range *range = source_memory_find(memory, from);

		/* A run is made of such ranges. */
		if (!range_next_data(source, range, from, ret)) {
			pa = range->last + 1;
			continue;
		}
		ret->first = (ret->first & ~in_page) > from ? ret->first & ~in_page : from;
		ret->last = (ret->last | in_page) < run->last ? ret->last | in_page : run->last;
		return true;
	}
	return false;
}

bool source_file_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			    struct pgw_pa_range *ret)
{
	const struct source_memory *memory = &source->memory;
	const struct source_run *run = source_memory_next(memory, extent, pa);

	if (!run)
		return false;
	if (extent == SOURCE_HELD && has_holes(source))
		return next_data(source, pa, ret);
	*ret = (struct pgw_pa_range){ run->first, run->last };
	return true;
}

int source_lay_out(struct source *source, const struct source_segment *segments, size_t nr)
{
	struct pgw_image_info *info = &source->info;

	source_memory_fini(&source->memory);
	info->nr_segments = nr;
	info->nr_ranges = info->nr_overlaps = 0;
	info->readable_bytes = info->zero_bytes = info->unreadable_bytes = 0;
	return source_segments_build(segments, nr, &source->memory, info);
}

int source_place(struct source *source, const struct source_segment *segments, size_t nr)
{
	return source->ops->lay_out ? source->ops->lay_out(source, segments, nr)
				    : source_lay_out(source, segments, nr);
}

void source_move(struct source *source, uint64_t pa)
{
	struct source_memory *memory = &source->memory;
	uint64_t last = pa + (memory->ranges[0].last - memory->ranges[0].first);

	memory->ranges[0].first = pa;
	memory->ranges[0].last = last;
	memory->runs[0] = memory->readable[0] = memory->described[0] =
		(struct source_run){ pa, last };
}

void source_view_init(struct source *view, const struct source *source)
{
	*view = *source;
	view->phys.ctx = view;
	view->memory = (struct source_memory){ 0 };
}

void source_view_fini(struct source *view)
{
	source_memory_fini(&view->memory);
	*view = (struct source){ 0 };
}

void source_view_commit(struct source *view, struct source *source)
{
	source_memory_fini(&source->memory);
	source->memory = view->memory;
	source->info = view->info;
	*view = (struct source){ 0 };
}
