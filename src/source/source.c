/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "source/flat.h"

/* The kind whose scheme the name begins with, or NULL: it is a path. */
static const struct source_ops *find_scheme(const struct source_ops *const *kinds, size_t nr,
					    const char *name)
{
	for (size_t i = 0; i < nr; i++) {
		size_t n = kinds[i]->scheme ? strlen(kinds[i]->scheme) : 0;

		if (n && strncmp(name, kinds[i]->scheme, n) == 0 && name[n] == ':')
			return kinds[i];
	}
	return NULL;
}

/* The kind that is surest of the file; of those that are as sure, the first. NULL if none is. */
static const struct source_ops *find_kind(const struct source_ops *const *kinds, size_t nr,
					  const struct source_map *file, struct source_guess *ret)
{
	const struct source_ops *best = NULL;

	for (size_t i = 0; i < nr; i++) {
		struct source_guess guess = { 0 };

		if (!kinds[i]->probe || !kinds[i]->probe(file, &guess) ||
		    (best && guess.score <= ret->score))
			continue;
		best = kinds[i];
		*ret = guess;
	}
	return best;
}

/* Then some of what is in it cannot be read, wherever it is. */
static bool source_is_cut_flat(const struct source *source)
{
	return source->files[0].flat && source->files[0].flat->is_cut;
}

static int open_file(struct source *source, const char *path,
		     const struct pgw_image_options *options, struct pgw_error *err)
{
	int status;

	source->files = malloc(sizeof(*source->files));
	if (!source->files)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = source_input_open(path, options, source->files, err);
	if (status)
		return status;
	source->nr_files = 1;
	status = source_flat_open(source->files, err);
	if (status)
		return status;
	source->info.flattened = source->files[0].flat;
	source->info.truncated = source->is_packed = source_is_cut_flat(source);
	source->info.file_size = source->files[0].size;
	source_take_unpacked(source, &source->files[0]);
	return 0;
}

/* Pre: the file is mapped. It is of no kind that is known, or cannot be read any more. */
static int fail_unknown(const struct source *source, struct pgw_error *err)
{
	uint8_t start[4] = { 0 };
	size_t n = source->files[0].size < sizeof(start) ? source->files[0].size : sizeof(start);

	if (!source_read_file(source, 0, start, n))
		return source_fail_read(err, 0);
	return source_fail_at(err, -PGW_ENOEXEC, 0, load_le32(start), "an ELF magic number");
}

static int open_kind(struct source *source, const struct source_ops *kind, const char *name,
		     const struct pgw_image_options *options, struct pgw_error *err)
{
	int status;

	source_set_kind(source, kind);
	source->info.kind = kind->name;
	source->path = name;
	status = kind->open(source, options, err);
	source->path = NULL;
	if (!status && source_pauses_init(source))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	source->info.is_live = source->is_live;
	return status;
}

int source_open(const struct source_ops *const *kinds, size_t nr_kinds, const char *path,
		const struct pgw_image_options *options, struct source *ret, struct pgw_error *err)
{
	struct source_guess guess = { 0 };
	const struct source_ops *kind;
	int status;

	*ret = (struct source){ .info = { .writer = "unknown" } };
	if (options->nr_ram)
		return open_kind(ret, &source_raw_ops, path, options, err);
	kind = find_scheme(kinds, nr_kinds, path);
	if (kind)
		return open_kind(ret, kind, strchr(path, ':') + 1, options, err);
	status = open_file(ret, path, options, err);
	if (status)
		return status;
	ret->files->path = path;
	kind = find_kind(kinds, nr_kinds, ret->files, &guess);
	ret->files->path = NULL;
	if (!kind)
		return fail_unknown(ret, err);
	if (!kind->open)
		return source_fail_kind(err, guess.offset, guess.kind, guess.advice);
	return open_kind(ret, kind, path, options, err);
}

void source_close(struct source *source)
{
	source_hold_drop(source);
	source_pauses_fini(source);
	if (source->ops && source->ops->close)
		source->ops->close(source);
	source_memory_fini(&source->memory);
	free(source->notes);
	free(source->cpus);
	for (unsigned i = 0; i < source->nr_files; i++)
		source_map_close(&source->files[i]);
	free(source->files);
	*source = (struct source){ 0 };
}

bool source_has(const struct source *source, enum source_extent extent, uint64_t pa)
{
	struct pgw_pa_range range;

	return source_next_range(source, extent, pa, &range) && range.first <= pa;
}

uint64_t source_last(const struct source *source)
{
	struct pgw_pa_range range;
	uint64_t last = 0;

	/* The highest address from which on there still is some, bit by bit. */
	for (unsigned bit = 64; bit--;) {
		if (source_next_range(source, SOURCE_DESCRIBED, last | BIT(bit), &range))
			last |= BIT(bit);
	}
	return last;
}

int source_add_cpu(struct source *source, const struct pgw_cpu *cpu)
{
	if (source_array_grow((void **)&source->cpus, source->nr_cpus, sizeof(*cpu)))
		return -PGW_ENOMEM;
	source->cpus[source->nr_cpus++] = *cpu;
	return 0;
}

bool source_read_file(const struct source *source, uint64_t offset, void *buf, size_t len)
{
	return source->nr_files && source_map_read(&source->files[0], offset, buf, len);
}

bool source_map_is_file(const struct source_map *map, uint64_t device, uint64_t inode)
{
	struct stat st;

	return fstat(map->fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

bool source_reads_file(const struct source *source, uint64_t device, uint64_t inode)
{
	for (unsigned i = 0; i < source->nr_files; i++) {
		if (source_map_is_file(&source->files[i], device, inode))
			return true;
	}
	return false;
}
