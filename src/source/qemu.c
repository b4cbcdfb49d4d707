/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/qemu.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* What a stream has at least that goes on: for each page a record, and the end of a section. */
#define RECORD_MIN 9
#define SECTION_END_SIZE 13

static bool qemu_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[4];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       memcmp(magic, "QEVM", sizeof(magic)) == 0;
}

int source_qemu_lay_out(struct source *source, const struct source_segment *segments, size_t nr)
{
	static const enum source_extent extents[] = { SOURCE_HELD, SOURCE_READABLE,
						      SOURCE_DESCRIBED };
	uint64_t bytes[PGW_ARRAY_SIZE(extents)] = { 0 };
	struct pgw_pa_range range;
	int status = source_lay_out(source, segments, nr);

	source->info.nr_ranges = 0;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(extents) && !status; i++) {
		for (uint64_t pa = 0; source_qemu_next_range(source, extents[i], pa, &range);
		     pa = range.last + 1) {
			bytes[i] += range.last - range.first + 1;
			source->info.nr_ranges += extents[i] == SOURCE_READABLE;
		}
	}
	source->info.readable_bytes = bytes[1];
	source->info.unreadable_bytes = bytes[2] - bytes[1];
	return status;
}

/* What came is in the source's state. Until it is known where it is, offsets are addresses. */
static int place(struct source *source, const struct qemu_stream *stream, struct pgw_error *err)
{
	struct qemu_ram *ram = source->state;
	struct pgw_image_info *info = &source->info;
	const struct source_segment all = { .size = ram->size, .file_size = ram->size };

	source->nr_usual = qemu_board_places(stream->machine, ram, source->usual);
	if (qemu_ram_finish(ram) || source_qemu_lay_out(source, &all, 1))
		return source_fail(err, -PGW_ENOMEM, NULL);
	info->truncated = !stream->is_whole;
	if (stream->is_whole)
		info->other_bytes = info->file_size - stream->at;
	else
		info->said_size = info->file_size + SECTION_END_SIZE +
				  RECORD_MIN * (info->unreadable_bytes >> ram->page_lg2);
	return 0;
}

int source_qemu_open_at(struct source *source, uint64_t offset, struct pgw_error *err)
{
	struct qemu_ram *ram = calloc(1, sizeof(*ram));
	struct qemu_stream stream = { .map = source->files, .err = err, .at = offset, .ram = ram };
	int status;

	if (!ram)
		return source_fail(err, -PGW_ENOMEM, NULL);
	source->state = ram;
	source->info.writer = "QEMU";
	status = qemu_stream_read(&stream);
	if (status == QEMU_CUT && !ram->size)
		return source_fail_at(err, -PGW_EOVERFLOW, source->files[0].size,
				      source->files[0].size,
				      "more of a QEMU migration stream: its memory comes later");
	return status < 0 ? status : place(source, &stream, err);
}

void source_qemu_close(struct source *source)
{
	qemu_ram_free(source->state);
}

/* Piece by piece of the places; what did not come cannot be read. */
int source_qemu_read(const struct source *source, uint64_t pa, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		const struct source_range *range = source_memory_find(&source->memory, pa);
		size_t n = len;

		if (!range)
			return -PGW_EIO;
		if (range->last - pa < n - 1)
			n = (size_t)(range->last - pa) + 1;
		if (!qemu_ram_read(source->state, source->files,
				   range->offset + (pa - range->first), to, n))
			return -PGW_EIO;
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

/* Of a range, the first run that ends at or above pa. */
static bool next_in_range(const struct source *source, enum source_extent extent,
			  const struct source_range *range, uint64_t pa, struct pgw_pa_range *ret)
{
	uint64_t from = pa > range->first ? range->offset + (pa - range->first) : range->offset;
	uint64_t last = range->offset + (range->last - range->first);
	const struct source_run *run = qemu_ram_next(source->state, extent, from);

	if (!run || run->first > last)
		return false;
	ret->first = range->first + (run->first > range->offset ? run->first - range->offset : 0);
	ret->last = range->first + ((run->last < last ? run->last : last) - range->offset);
	return true;
}

bool source_qemu_next_range(const struct source *source, enum source_extent extent, uint64_t pa,
			    struct pgw_pa_range *ret)
{
	const struct source_memory *memory = &source->memory;

	if (extent == SOURCE_DESCRIBED)
		return source_file_next_range(source, extent, pa, ret);
	for (size_t i = 0; i < memory->nr_ranges; i++) {
		if (memory->ranges[i].last >= pa &&
		    next_in_range(source, extent, &memory->ranges[i], pa, ret))
			return true;
	}
	return false;
}

/* Of which machine it is shows in the memory. */
static int qemu_open(struct source *source, const struct pgw_image_options *options,
		     struct pgw_error *err)
{
	(void)options;
	return source_qemu_open_at(source, 0, err);
}

const struct source_ops source_qemu_ops = {
	.name = "qemu-migration",
	.probe = qemu_probe,
	.open = qemu_open,
	.close = source_qemu_close,
	.read = source_qemu_read,
	.next_range = source_qemu_next_range,
	.lay_out = source_qemu_lay_out,
};
