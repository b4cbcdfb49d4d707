/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
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
static int phys_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct source *source = phys->ctx;
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

static bool phys_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			    uint64_t *ret_last)
{
	const struct source *source = phys->ctx;
	const struct source_run *run = source_memory_next(&source->memory, pa);

	if (!run)
		return false;
	*ret_first = run->first;
	*ret_last = run->last;
	return true;
}

static const struct pgw_phys_ops phys_ops = {
	.read = phys_read,
	.next_range = phys_next_range,
};

static int source_open_path(struct source *source, const char *path,
			    const struct pgw_image_options *options, struct pgw_error *err)
{
	int status;

	source->files = malloc(sizeof(*source->files));
	if (!source->files)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = source_map_open(path, source->files, err);
	if (status)
		return status;
	source->nr_files = 1;
	source->info.file_size = source->files[0].size;
	status = source_elf_load(source, options, err);
	return status == -PGW_ENOEXEC && source->files[0].size >= SOURCE_MIN_RAW
		       ? source_raw_load(source, err)
		       : status;
}

int source_open(const char *path, const struct pgw_image_options *options, struct source *ret,
		struct pgw_error *err)
{
	*ret = (struct source){ .phys = { .ops = &phys_ops, .ctx = ret } };
	ret->info.writer = "unknown";
	return options->nr_ram ? source_ram_load(ret, options, err)
			       : source_open_path(ret, path, options, err);
}

void source_close(struct source *source)
{
	source_memory_fini(&source->memory);
	free(source->notes);
	for (unsigned i = 0; i < source->nr_files; i++)
		source_map_close(&source->files[i]);
	free(source->files);
	*source = (struct source){ 0 };
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

bool source_read_file(const struct source *source, uint64_t offset, void *buf, size_t len)
{
	return source->nr_files && source_map_read(&source->files[0], offset, buf, len);
}
