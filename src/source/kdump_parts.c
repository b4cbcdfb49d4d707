/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/kdump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "source/flat.h"

/*
 * Split dumps: makedumpfile --split writes several files, each with all of the
 * bitmaps and the pages of its own range. The others are named by the options,
 * or have the same name but for its last number.
 */

/* So many numbers are tried that no file has, before and behind those that some has. */
#define MAX_TRIES 32
#define MAX_PARTS 1024

/* What parts of one dump have in common at their start: all of it but the status. */
#define COMMON_SIZE 412

struct collecting {
	struct source *source;
	const struct pgw_image_options *options;
	const struct kdump_header *header; /* of the file that was given first */
	struct kdump_parts *parts;
	uint8_t common[COMMON_SIZE];
	struct pgw_error *err;
};

static bool is_of_dump(const struct collecting *collecting, const struct source_map *map,
		       const struct kdump_header *header)
{
	const struct kdump_header *first = collecting->header;
	uint8_t common[COMMON_SIZE];

	return header->is_split && header->nr_pages == first->nr_pages &&
	       header->block_lg2 == first->block_lg2 && header->form.is_32 == first->form.is_32 &&
	       header->machine_map == first->machine_map && header->dump_map == first->dump_map &&
	       header->descriptors == first->descriptors &&
	       source_map_read(map, 0, common, sizeof(common)) &&
	       memcmp(common, collecting->common, sizeof(common)) == 0;
}

/* Is there a part with some of these pages? */
static bool is_there(const struct kdump_parts *parts, const struct kdump_header *header)
{
	for (size_t i = 0; i < parts->nr; i++) {
		if (header->first_page < parts->list[i].end_page &&
		    header->end_page > parts->list[i].first_page)
			return true;
	}
	return false;
}

static int part_add(struct kdump_parts *parts, unsigned file, const struct kdump_header *header)
{
	if (source_array_grow((void **)&parts->list, parts->nr, sizeof(*parts->list)))
		return -PGW_ENOMEM;
	parts->list[parts->nr++] = (struct kdump_part){
		.file = file,
		.first_page = header->first_page,
		.end_page = header->end_page,
		.descriptors = header->descriptors,
		.status = header->status,
	};
	return 0;
}

/* The source gets the file; it is closed with the others. */
static int take_file(struct collecting *collecting, struct source_map *map,
		     const struct kdump_header *header)
{
	struct source *source = collecting->source;

	if (source_array_grow((void **)&source->files, source->nr_files, sizeof(*source->files))) {
		source_map_close(map);
		return source_fail(collecting->err, -PGW_ENOMEM, NULL);
	}
	source->files[source->nr_files++] = *map;
	source->info.file_size += map->size;
	source_take_unpacked(source, map);
	return part_add(collecting->parts, source->nr_files - 1, header)
		       ? source_fail(collecting->err, -PGW_ENOMEM, NULL)
		       : 0;
}

static int open_part(const struct collecting *collecting, const char *path, struct source_map *map,
		     struct kdump_header *ret, struct pgw_error *err)
{
	char magic[8];
	int status = source_input_open(path, collecting->options, map, err);

	if (!status)
		status = source_flat_open(map, err);
	if (!status && (!source_map_read(map, 0, magic, sizeof(magic)) ||
			memcmp(magic, KDUMP_MAGIC, sizeof(magic)) != 0))
		status = source_fail_at(err, -PGW_ENOEXEC, 0, 0,
					"a part of a kdump-compressed dump");
	return status ? status : kdump_header_load(map, ret, err);
}

/* One that the options name. The file that was given first may be among them. */
static int take_named(struct collecting *collecting, const char *path)
{
	struct source_map map = { .fd = -1 };
	struct kdump_header header;
	struct pgw_error *err = collecting->err;
	int status = open_part(collecting, path, &map, &header, err);

	if (!status && !is_of_dump(collecting, &map, &header))
		status = source_fail(err, -PGW_EINVAL, "a part of the same split dump");
	if (!status && is_there(collecting->parts, &header)) {
		source_map_close(&map);
		return 0;
	}
	if (!status)
		return take_file(collecting, &map, &header);
	source_map_close(&map);
	if (err)
		err->file = path;
	return status;
}

/* A name with a number in it. */
struct numbered {
	const char *path;
	int prefix;     /* how much of the path comes before the number */
	int width;      /* of the number */
	bool is_padded; /* numbers are known to have zeroes in front, if they are shorter */
	const char *suffix;
	unsigned long number;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The last number of the last component; of a packed file's, what is behind the last dot has none. */
static bool find_number(const char *path, bool is_packed, struct numbered *ret)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = is_packed ? strrchr(name, '.') : NULL;
	const char *end = dot && !is_digit(dot[1]) ? dot : path + strlen(path), *start;

	while (end > name && !is_digit(end[-1]))
		end--;
	for (start = end; start > name && is_digit(start[-1]);)
		start--;
	if (start == end || end - start > 6 || start - path > INT_MAX)
		return false;
	*ret = (struct numbered){
		.path = path,
		.prefix = (int)(start - path),
		.width = (int)(end - start),
		.is_padded = *start == '0' && end - start > 1,
		.suffix = end,
		.number = strtoul(start, NULL, 10),
	};
	return true;
}

/* NULL if there is no memory. */
static char *name_of(const struct numbered *numbered, unsigned long number, bool is_padded)
{
	size_t size = strlen(numbered->path) + 32;
	char *name = malloc(size);

	if (name)
		snprintf(name, size, "%.*s%0*lu%s", numbered->prefix, numbered->path,
			 is_padded ? numbered->width : 1, number, numbered->suffix);
	return name;
}

struct part_name {
	const struct numbered *numbered;
	unsigned long number;
	bool is_padded;
};

/* Nobody waits for a pipe that happens to have such a name. */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* What has a name of this kind and is no part is passed over. @return is it one? */
static bool take_spelled(struct collecting *collecting, const struct part_name *wanted, int *status)
{
	struct source_map map = { .fd = -1 };
	struct kdump_header header;
	char *name = name_of(wanted->numbered, wanted->number, wanted->is_padded);
	bool is_part;

	if (!name) {
		*status = source_fail(collecting->err, -PGW_ENOMEM, NULL);
		return false;
	}
	is_part = is_file(name) && open_part(collecting, name, &map, &header, NULL) == 0 &&
		  is_of_dump(collecting, &map, &header) && !is_there(collecting->parts, &header);
	free(name);
	if (!is_part) {
		source_map_close(&map);
		return false;
	}
	*status = take_file(collecting, &map, &header);
	if (!*status)
		collecting->parts->list[collecting->parts->nr - 1].number = wanted->number;
	return true;
}

/* Before x10 there may be x9 or x09. */
static bool take_beside(struct collecting *collecting, struct numbered *numbered,
			unsigned long number, int *status)
{
	struct part_name wanted = { numbered, number, true };
	unsigned long limit = 1;

	for (int i = 1; i < numbered->width; i++)
		limit *= 10;
	if (take_spelled(collecting, &wanted, status)) {
		numbered->is_padded |= number < limit;
		return true;
	}
	wanted.is_padded = false;
	return !*status && number < limit && !numbered->is_padded &&
	       take_spelled(collecting, &wanted, status);
}

/* Files beside this one, below and above its number. */
static int take_all_beside(struct collecting *collecting, struct numbered *numbered)
{
	unsigned long number = numbered->number;
	unsigned misses = 0;
	int status = 0;

	while (number-- && misses < MAX_TRIES && !status)
		misses += !take_beside(collecting, numbered, number, &status);
	misses = 0;
	for (number = numbered->number + 1;
	     misses < MAX_TRIES && !status && collecting->parts->nr < MAX_PARTS; number++)
		misses = take_beside(collecting, numbered, number, &status) ? 0 : misses + 1;
	return status;
}

static int compare_parts(const void *a, const void *b)
{
	const struct kdump_part *left = a, *right = b;

	/* One may be empty: it comes before another that begins there. */
	if (left->first_page == right->first_page)
		return left->end_page < right->end_page ? -1 : left->end_page > right->end_page;
	return left->first_page < right->first_page ? -1 : 1;
}

/* The first pages that no part has. @return false: there are none */
static bool find_gap(const struct kdump_parts *parts, uint64_t nr_pages, size_t *ret_after,
		     struct pgw_pa_range *ret)
{
	uint64_t next = 0;
	size_t i;

	for (i = 0; i < parts->nr && parts->list[i].first_page <= next; i++)
		next = parts->list[i].end_page > next ? parts->list[i].end_page : next;
	if (next >= nr_pages)
		return false;
	*ret_after = i;
	*ret = (struct pgw_pa_range){ next,
				      (i < parts->nr ? parts->list[i].first_page : nr_pages) - 1 };
	return true;
}

/* By its neighbour's number: makedumpfile's parts are in order, and so will their names be. */
static void name_missing(struct collecting *collecting, const struct numbered *numbered)
{
	struct kdump_parts *parts = collecting->parts;
	struct pgw_image_info *info = &collecting->source->info;
	unsigned lg2 = collecting->header->block_lg2;
	struct pgw_pa_range gap;
	size_t after;

	if (!find_gap(parts, collecting->header->nr_pages, &after, &gap))
		return;
	info->missing_part_first = gap.first << lg2;
	info->missing_part_last = ((gap.last + 1) << lg2) - 1;
	info->lacks_part = true;
	if (numbered && (after || parts->list[0].number))
		parts->missing = name_of(numbered,
					 after ? parts->list[after - 1].number + 1
					       : parts->list[0].number - 1,
					 numbered->is_padded);
	info->missing_part = parts->missing;
}

int kdump_parts_collect(struct source *source, const struct pgw_image_options *options,
			const struct kdump_header *header, struct kdump_parts *ret,
			struct pgw_error *err)
{
	struct collecting collecting = {
		.source = source, .options = options, .header = header, .parts = ret, .err = err
	};
	struct numbered numbered;
	bool is_numbered = !options->nr_parts && source->path &&
			   find_number(source->path, source->files[0].unpacked, &numbered);
	int status = 0;

	if (part_add(ret, 0, header))
		return source_fail(err, -PGW_ENOMEM, NULL);
	if (!header->is_split)
		return options->nr_parts ? source_fail(err, -PGW_EINVAL, "a part of a split dump")
					 : 0;
	if (!source_read_file(source, 0, collecting.common, sizeof(collecting.common)))
		return source_fail_read(err, 0);
	if (is_numbered) {
		ret->list[0].number = numbered.number;
		status = take_all_beside(&collecting, &numbered);
	}
	for (size_t i = 0; i < options->nr_parts && !status; i++)
		status = take_named(&collecting, options->parts[i]);
	if (status)
		return status;
	qsort(ret->list, ret->nr, sizeof(*ret->list), compare_parts);
	source->info.nr_parts = (unsigned)ret->nr;
	name_missing(&collecting, is_numbered ? &numbered : NULL);
	return 0;
}

void kdump_parts_fini(struct kdump_parts *parts)
{
	free(parts->list);
	free(parts->missing);
	*parts = (struct kdump_parts){ 0 };
}
