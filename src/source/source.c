/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "source/flat.h"

static int phys_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct source *source = phys->ctx;

	return source->ops->read(source, pa, buf, len);
}

static const void *phys_map(const struct pgw_phys *phys, uint64_t pa, size_t len)
{
	const struct source *source = phys->ctx;

	return source->ops->map(source, pa, len);
}

static bool phys_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			    uint64_t *ret_last)
{
	struct pgw_pa_range range;

	if (!source_next_range(phys->ctx, SOURCE_READABLE, pa, &range))
		return false;
	*ret_first = range.first;
	*ret_last = range.last;
	return true;
}

static const struct pgw_phys_ops phys_ops = { .read = phys_read, .next_range = phys_next_range };
/* Whether a source can be pointed at shows in the table that it has. */
static const struct pgw_phys_ops phys_ops_map = {
	.read = phys_read,
	.map = phys_map,
	.next_range = phys_next_range,
};

static void source_set_kind(struct source *source, const struct source_ops *ops)
{
	source->ops = ops;
	source->phys = (struct pgw_phys){
		.ops = ops->map ? &phys_ops_map : &phys_ops,
		.ctx = source,
	};
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

int source_open(const struct source_ops *const *kinds, size_t nr_kinds, const char *path,
		const struct pgw_image_options *options, struct source *ret, struct pgw_error *err)
{
	struct source_guess guess = { 0 };
	const struct source_ops *kind = &source_raw_ops;
	int status = 0;

	*ret = (struct source){ .info = { .writer = "unknown" } };
	if (!options->nr_ram) {
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
	}
	source_set_kind(ret, kind);
	ret->info.kind = kind->name;
	ret->path = path;
	status = kind->open(ret, options, err);
	ret->path = NULL;
	return status;
}

void source_close(struct source *source)
{
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

bool source_reads_file(const struct source *source, uint64_t device, uint64_t inode)
{
	for (unsigned i = 0; i < source->nr_files; i++) {
		struct stat st;

		if (fstat(source->files[i].fd, &st) == 0 && st.st_dev == device &&
		    st.st_ino == inode)
			return true;
	}
	return false;
}
