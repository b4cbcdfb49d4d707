/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define NOT_PLACED                                                                                 \
	"an ELF core, or raw memory whose kernel's root proves where it begins (--ram "            \
	"PA=FILE[@OFFSET[+SIZE]] says where)"

#define CONTRADICTED                                                                               \
	"memory whose tables agree with each other: no place for it does that (--ram "             \
	"PA=FILE[@OFFSET[+SIZE]] says where)"

static void raw_set_arch(struct pgw_image *image, const struct image_arch *arch)
{
	image->arch = arch;
	image->info.arch = arch ? arch->name : NULL;
	image->info.elf_machine = arch ? arch->elf_machine : 0;
	image->kernels_known = false;
}

/* Does the kernel's root, if it is of the machine that the image has? */
static bool proves_itself(struct pgw_image *image, struct image_swapper *ret)
{
	return image_kernel_best(image, ret) && ret->root.proof == PGW_PROOF_PASSED;
}

/* Is this the architecture that the options ask for, if they do? */
static bool is_asked_for(const struct pgw_image *image, const struct image_arch *arch)
{
	return !image->options.arch || strcmp(image->options.arch, arch->name) == 0;
}

static bool options_arch_exists(const struct pgw_image *image)
{
	bool exists = false;

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++)
		exists |= is_asked_for(image, image_arch_at(id));
	return exists;
}

int image_raw_load(struct pgw_image *image, struct pgw_error *err)
{
	/* Until it is known where they are, bytes have their offsets for addresses. */
	const struct image_layout offsets = { .piece = { { .size = image->map.size } }, .nr = 1 };
	int status;

	if (!options_arch_exists(image))
		return image_fail(err, -PGW_EINVAL, "an architecture that is known");
	image->is_raw = true;
	image->info.kind = "raw";
	status = image_layout_map(&offsets, &image->memory, &image->info);
	if (!status)
		status = image_survey(image);
	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && !status; id++) {
		if (is_asked_for(image, image_arch_at(id)))
			status = image_raw_place(image, image_arch_at(id));
	}
	if (status == -PGW_ENOEXEC)
		return image_fail(err, status, CONTRADICTED);
	if (status < 0)
		return image_fail(err, status, NULL);
	if (!status)
		return image_fail(err, -PGW_ENOEXEC, NOT_PLACED);
	raw_set_arch(image, image->arch);
	image->search_left = IMAGE_SEARCH_BUDGET;
	return 0;
}

/* Which machine's the memory is; none if no kernel's root proves itself. */
static int ram_find_arch(struct pgw_image *image)
{
	int status = image_survey(image);
	struct image_swapper kernel;

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && !status; id++) {
		raw_set_arch(image, image_arch_at(id));
		if (proves_itself(image, &kernel))
			break;
		raw_set_arch(image, NULL);
	}
	image->search_left = IMAGE_SEARCH_BUDGET;
	return status;
}

static int ram_load_file(struct pgw_image *image, unsigned file, struct image_segment *ret,
			 struct pgw_error *err)
{
	const struct pgw_image_ram *ram = &image->options.ram[file];
	struct image_map *map = file ? &image->more_maps[file - 1] : &image->map;
	uint64_t size = ram->size, end;
	int status = image_map_open(ram->path, map, err);

	if (status)
		return status;
	image->nr_more_maps = file;
	if (ram->offset >= map->size || size > map->size - ram->offset)
		return image_fail_at(err, -PGW_EOVERFLOW, ram->offset, map->size,
				     "a part that ends no later than the file");
	if (!size)
		size = map->size - ram->offset;
	image->info.file_size += size;
	*ret = (struct image_segment){
		.file = file,
		.pa = ram->pa,
		.size = size,
		.file_size = size,
		.offset = ram->offset,
	};
	return add_overflows(ram->pa, size, &end)
		       ? image_fail(err, -PGW_EOVERFLOW, "memory that ends below 2^64")
		       : 0;
}

static int ram_load_files(struct pgw_image *image, struct image_segment *segments,
			  struct pgw_error *err)
{
	size_t nr = image->options.nr_ram;
	int status = 0;

	for (unsigned file = 0; file < nr && !status; file++) {
		status = ram_load_file(image, file, &segments[file], err);
		if (status && err)
			err->file = image->options.ram[file].path;
	}
	if (status)
		return status;
	image->info.nr_segments = nr;
	return image_segments_build(segments, nr, &image->memory, &image->info)
		       ? image_fail(err, -PGW_ENOMEM, NULL)
		       : 0;
}

int image_ram_load(struct pgw_image *image, struct pgw_error *err)
{
	size_t nr = image->options.nr_ram;
	struct image_segment *segments;
	int status;

	if (!options_arch_exists(image) || nr > IMAGE_MAX_SEGMENTS)
		return image_fail(err, -PGW_EINVAL, "an architecture that is known, and few files");
	image->is_raw = true;
	image->info.kind = "raw";
	image->info.writer = "unknown";
	segments = calloc(nr, sizeof(*segments));
	image->more_maps = calloc(nr, sizeof(*image->more_maps));
	status = segments && image->more_maps ? ram_load_files(image, segments, err)
					      : image_fail(err, -PGW_ENOMEM, NULL);
	free(segments);
	if (status)
		return status;
	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && image->options.arch; id++) {
		if (is_asked_for(image, image_arch_at(id)))
			raw_set_arch(image, image_arch_at(id));
	}
	if (!image->arch)
		status = ram_find_arch(image);
	return status ? image_fail(err, status, NULL) : 0;
}
