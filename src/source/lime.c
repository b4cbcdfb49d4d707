/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/lime.h"

static bool lime_probe(const struct source_map *file, struct source_guess *ret)
{
	char magic[4];

	ret->score = SOURCE_SCORE_MAGIC;
	return source_map_read(file, 0, magic, sizeof(magic)) &&
	       memcmp(magic, LIME_MAGIC, sizeof(magic)) == 0;
}

/* Ranges of a file that is being opened. */
struct ranges {
	struct source *source;
	struct source_segment *list;
	size_t nr;
	uint64_t at; /* of the next header */
	struct pgw_error *err;
};

static int add_range(struct ranges *ranges, const uint8_t *header)
{
	uint64_t first = load_le64(header + LIME_FIRST_AT), last = load_le64(header + LIME_LAST_AT);
	uint64_t offset = ranges->at + LIME_HEADER_SIZE,
		 left = ranges->source->files[0].size - offset;
	struct source_segment range = { .pa = first, .size = last - first + 1, .offset = offset };

	if (first > last || last == UINT64_MAX)
		return source_fail_at(ranges->err, -PGW_EOVERFLOW, ranges->at + LIME_LAST_AT, last,
				      "the end of a range, behind its start, below 2^64");
	if (ranges->nr == SOURCE_MAX_SEGMENTS)
		return source_fail_at(ranges->err, -PGW_EOVERFLOW, ranges->at, ranges->nr,
				      "at most 1048576 ranges");
	range.file_size = range.size < left ? range.size : left;
	if (source_array_grow((void **)&ranges->list, ranges->nr, sizeof(range)))
		return source_fail(ranges->err, -PGW_ENOMEM, NULL);
	ranges->list[ranges->nr++] = range;
	/* What is behind the end of the file is not looked for there. */
	if (add_overflows(offset, range.size, &ranges->at))
		ranges->at = UINT64_MAX;
	return 0;
}

static int read_ranges(struct ranges *ranges)
{
	struct source *source = ranges->source;
	uint64_t size = source->files[0].size;
	int status = 0;

	while (ranges->at < size && !status) {
		uint8_t header[LIME_HEADER_SIZE];

		if (size - ranges->at < LIME_HEADER_SIZE && ranges->at) {
			source->info.said_size = ranges->at + LIME_HEADER_SIZE;
			source->info.truncated = true;
			return 0;
		}
		if (!source_read_file(source, ranges->at, header, sizeof(header)))
			return source_fail_at(ranges->err, -PGW_EOVERFLOW, ranges->at, size,
					      "the header of a LiME range, of 32 bytes");
		if (memcmp(header, LIME_MAGIC, 4) != 0)
			return source_fail_at(ranges->err, -PGW_EOVERFLOW, ranges->at,
					      load_le32(header), "the header of a LiME range");
		if (load_le32(header + LIME_VERSION_AT) != LIME_VERSION)
			return source_fail_at(
				ranges->err, -PGW_EOPNOTSUPP, ranges->at + LIME_VERSION_AT,
				load_le32(header + LIME_VERSION_AT), "a LiME range of version 1");
		status = add_range(ranges, header);
	}
	source->info.said_size = ranges->at;
	source->info.truncated |= ranges->at > size;
	return status;
}

/* Of which machine it is shows in the memory. */
static int lime_open(struct source *source, const struct pgw_image_options *options,
		     struct pgw_error *err)
{
	struct ranges ranges = { .source = source, .err = err };
	int status = read_ranges(&ranges);

	(void)options;
	source->has_places = true;
	if (!status && source_lay_out(source, ranges.list, ranges.nr))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	free(ranges.list);
	return status;
}

const struct source_ops source_lime_ops = {
	.name = "lime",
	.probe = lime_probe,
	.open = lime_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
