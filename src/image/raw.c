/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* Where a PC's memory goes on that had to make room for devices below. */
#define ABOVE_HOLE (UINT64_C(4) << 30)

#define NOT_PLACED                                                                                 \
	"an ELF core, or raw memory whose kernel's root proves where it begins (--ram "            \
	"PA=FILE[@OFFSET[+SIZE]] says where)"

/* The layout that a place makes of a file; false if it does not fit there. */
static bool place_lay_out(const struct image_place *place, uint64_t size, struct image_layout *ret)
{
	uint64_t low = place->hole ? place->hole : size, end;

	if (place->hole ? size <= place->hole : add_overflows(place->base, size, &end))
		return false;
	*ret = (struct image_layout){
		.piece = { { .pa = place->base, .size = low },
			   { .pa = ABOVE_HOLE, .offset = low, .size = size - low } },
		.nr = place->hole ? 2 : 1,
	};
	return true;
}

static void raw_set_arch(struct pgw_image *image, const struct image_arch *arch)
{
	image->arch = arch;
	image->info.arch = arch ? arch->name : NULL;
	image->info.elf_machine = arch ? arch->elf_machine : 0;
	image->kernels_known = false;
}

/* Does the kernel map the last page of memory where the layout has it, and none above? */
static bool end_is_mapped(struct pgw_image *view, const struct pgw_root_info *kernel)
{
	const struct image_run *last = &view->memory.runs[view->memory.nr_runs - 1];
	uint64_t page = last->last & ~(uint64_t)(IMAGE_PAGE - 1), va;

	return image_root_find_va(view, kernel, page, 0, &va) &&
	       !image_root_find_va(view, kernel, page + IMAGE_PAGE, 0, &va);
}

static bool proves_itself(struct pgw_image *image, struct image_swapper *ret)
{
	return image_kernel_best(image, ret) && ret->root.proof == PGW_PROOF_PASSED;
}

/* @return 1 if the file is laid out so, 0 if that is not proved, or negative */
static int raw_try_layout(struct pgw_image *image, const struct image_arch *arch,
			  const struct image_layout *layout)
{
	struct image_swapper kernel;
	struct pgw_image view;
	int status = image_view_init(&view, image, arch, layout);

	if (status)
		return status;
	if (!proves_itself(&view, &kernel) ||
	    (layout->nr > 1 && !end_is_mapped(&view, &kernel.root))) {
		image_view_fini(&view);
		return 0;
	}
	image_view_commit(&view, image);
	raw_set_arch(image, arch);
	return 1;
}

/* @return as raw_try_layout() */
static int raw_try_arch(struct pgw_image *image, const struct image_arch *arch)
{
	struct image_layout layout;
	int status = 0;

	for (size_t i = 0; i < arch->ops->nr_places && !status; i++) {
		if (place_lay_out(&arch->ops->places[i], image->map.size, &layout))
			status = raw_try_layout(image, arch, &layout);
	}
	return status;
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
			status = raw_try_arch(image, image_arch_at(id));
	}
	if (status < 0)
		return image_fail(err, status, NULL);
	if (!status)
		return image_fail(err, -PGW_ENOEXEC, NOT_PLACED);
	image->info.is_placed_by_proof = true;
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
