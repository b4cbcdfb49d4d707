/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>

#include "base/bits.h"

/* Raw memory: bytes of files that say nothing of themselves. */

static bool raw_probe(const struct source_map *file, struct source_guess *ret)
{
	ret->score = SOURCE_SCORE_RAW;
	/* Who writes a flattened file has a format for what is in it. */
	return file->size >= SOURCE_MIN_RAW && !file->flat;
}

/* Until it is known where they are, bytes have their offsets for addresses. */
static int raw_load(struct source *source, struct pgw_error *err)
{
	const struct source_segment all = {
		.size = source->files[0].size,
		.file_size = source->files[0].size,
	};

	return source_lay_out(source, &all, 1) ? source_fail(err, -PGW_ENOMEM, NULL) : 0;
}

/* A part of a file, at the address that --ram gives. */
static int ram_load_file(struct source *source, const struct pgw_image_options *options,
			 unsigned file, struct source_segment *ret, struct pgw_error *err)
{
	const struct pgw_image_ram *ram = &options->ram[file];
	struct source_map *map = &source->files[file];
	uint64_t size = ram->size, end;
	int status = source_input_open(ram->path, options, map, err);

	if (status)
		return status;
	source->nr_files = file + 1;
	source_take_unpacked(source, map);
	if (ram->offset >= map->size || size > map->size - ram->offset)
		return source_fail_at(err, -PGW_EOVERFLOW, ram->offset, map->size,
				      "a part that ends no later than the file");
	if (!size)
		size = map->size - ram->offset;
	source->info.file_size += size;
	*ret = (struct source_segment){
		.file = file,
		.pa = ram->pa,
		.size = size,
		.file_size = size,
		.offset = ram->offset,
	};
	return add_overflows(ram->pa, size, &end)
		       ? source_fail(err, -PGW_EOVERFLOW, "memory that ends below 2^64")
		       : 0;
}

static int ram_load_files(struct source *source, const struct pgw_image_options *options,
			  struct source_segment *segments, struct pgw_error *err)
{
	size_t nr = options->nr_ram;
	int status = 0;

	for (unsigned file = 0; file < nr && !status; file++) {
		status = ram_load_file(source, options, file, &segments[file], err);
		if (status && err)
			err->file = options->ram[file].path;
	}
	if (status)
		return status;
	return source_lay_out(source, segments, nr) ? source_fail(err, -PGW_ENOMEM, NULL) : 0;
}

static int ram_load(struct source *source, const struct pgw_image_options *options,
		    struct pgw_error *err)
{
	size_t nr = options->nr_ram;
	struct source_segment *segments;
	int status;

	if (nr > SOURCE_MAX_SEGMENTS)
		return source_fail(err, -PGW_EINVAL, "few files");
	source->has_places = true;
	segments = calloc(nr, sizeof(*segments));
	source->files = calloc(nr, sizeof(*source->files));
	status = segments && source->files ? ram_load_files(source, options, segments, err)
					   : source_fail(err, -PGW_ENOMEM, NULL);
	free(segments);
	return status;
}

static int raw_open(struct source *source, const struct pgw_image_options *options,
		    struct pgw_error *err)
{
	return options->nr_ram ? ram_load(source, options, err) : raw_load(source, err);
}

const struct source_ops source_raw_ops = {
	.name = "raw",
	.probe = raw_probe,
	.open = raw_open,
	.read = source_file_read,
	.next_range = source_file_next_range,
};
