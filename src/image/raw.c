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

static const struct image_layout flat = { 0, 0 };

static uint64_t layout_pa(const struct image_layout *layout, uint64_t offset)
{
	return layout->hole && offset >= layout->hole ? offset - layout->hole + ABOVE_HOLE
						      : offset + layout->base;
}

static uint64_t layout_offset(const struct image_layout *layout, uint64_t pa)
{
	return layout->hole && pa >= ABOVE_HOLE ? pa - ABOVE_HOLE + layout->hole
						: pa - layout->base;
}

/* Does a file of this size fit, and reach past the hole if there is one? */
static bool layout_fits(const struct image_layout *layout, uint64_t size)
{
	uint64_t end;

	return layout->hole ? size > layout->hole : !add_overflows(layout->base, size, &end);
}

static int raw_map(struct pgw_image *image, const struct image_layout *layout)
{
	uint64_t size = image->map.size, low = layout->hole ? layout->hole : size;
	const struct image_segment segments[] = {
		{ .pa = layout->base, .size = low, .file_size = low },
		{ .pa = ABOVE_HOLE, .size = size - low, .file_size = size - low, .offset = low },
	};

	image_memory_fini(&image->memory);
	image->info.nr_segments = layout->hole ? 2 : 1;
	image->info.readable_bytes = 0;
	return image_segments_build(segments, image->info.nr_segments, &image->memory,
				    &image->info);
}

/* What was found in the memory is where the memory is. */
static void raw_move_found(struct pgw_image *image, const struct image_layout *from,
			   const struct image_layout *to)
{
	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++) {
		for (unsigned kind = 0; kind < _IMAGE_PAGE_KIND_MAX; kind++) {
			struct image_pages *pages = &image->surveys[id].pages[kind];

			for (size_t i = 0; i < pages->nr; i++)
				pages->pa[i] = layout_pa(to, layout_offset(from, pages->pa[i]));
		}
	}
	for (size_t i = image->nr_note_texts; i < image->nr_texts; i++)
		image->texts[i].pa = layout_pa(to, layout_offset(from, image->texts[i].pa));
}

static int raw_move(struct pgw_image *image, const struct image_layout *from,
		    const struct image_layout *to)
{
	raw_move_found(image, from, to);
	return raw_map(image, to);
}

static void raw_set_arch(struct pgw_image *image, const struct image_arch *arch)
{
	image->arch = arch;
	image->info.arch = arch ? arch->name : NULL;
	image->info.elf_machine = arch ? arch->elf_machine : 0;
	image->kernels_known = false;
}

/* Does the kernel map the last page of memory where the layout has it, and none above? */
static bool end_is_mapped(struct pgw_image *image, const struct pgw_root_info *kernel)
{
	const struct image_run *last = &image->memory.runs[image->memory.nr_runs - 1];
	uint64_t page = last->last & ~(uint64_t)(IMAGE_PAGE - 1), va;

	return image_root_find_va(image, kernel, page, 0, &va) &&
	       !image_root_find_va(image, kernel, page + IMAGE_PAGE, 0, &va);
}

static bool raw_proves_itself(struct pgw_image *image, const struct image_layout *layout)
{
	struct image_swapper kernel;

	image->kernels_known = false;
	return image_kernel_best(image, &kernel) && kernel.root.proof == PGW_PROOF_PASSED &&
	       (!layout->hole || end_is_mapped(image, &kernel.root));
}

/* Pre: the memory lies flat. @return 1 if one of the machine's layouts is proved, 0 or negative */
static int raw_try_arch(struct pgw_image *image, const struct image_arch *arch)
{
	int status = 0;

	raw_set_arch(image, arch);
	for (size_t i = 0; i < arch->ops->nr_layouts && !status; i++) {
		const struct image_layout *layout = &arch->ops->layouts[i];

		if (!layout_fits(layout, image->map.size))
			continue;
		status = raw_move(image, &flat, layout);
		if (!status && raw_proves_itself(image, layout))
			return 1;
		if (!status)
			status = raw_move(image, layout, &flat);
	}
	raw_set_arch(image, NULL);
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
	int status;

	if (!options_arch_exists(image))
		return image_fail(err, -PGW_EINVAL, "an architecture that is known");
	image->is_raw = true;
	image->info.kind = "raw";
	status = raw_map(image, &flat);
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

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && !status; id++) {
		raw_set_arch(image, image_arch_at(id));
		if (raw_proves_itself(image, &flat))
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
