/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

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

bool image_arch_exists(const struct pgw_image *image)
{
	bool exists = false;

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++)
		exists |= is_asked_for(image, &image->archs[id]);
	return exists;
}

/* Which machine's the memory is; none if no kernel's root proves itself. */
static int ram_find_arch(struct pgw_image *image)
{
	int status = image_survey(image);
	struct image_swapper kernel;

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && !status; id++) {
		raw_set_arch(image, &image->archs[id]);
		if (proves_itself(image, &kernel))
			break;
		raw_set_arch(image, NULL);
	}
	image->search_left = IMAGE_SEARCH_BUDGET;
	return status;
}

int image_ram_find(struct pgw_image *image, struct pgw_error *err)
{
	int status = 0;

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && image->options.arch; id++) {
		if (is_asked_for(image, &image->archs[id]))
			raw_set_arch(image, &image->archs[id]);
	}
	if (!image->arch)
		status = ram_find_arch(image);
	return status ? source_fail(err, status, NULL) : 0;
}

/* Nothing proves where memory is: let it be where machines of the kind that the file names have it. */
static int take_usual(struct pgw_image *image, struct pgw_error *err)
{
	if (source_place(&image->source, image->source.usual, image->source.nr_usual))
		return source_fail(err, -PGW_ENOMEM, NULL);
	image->info = image->source.info;
	image->info.placement = PGW_PLACEMENT_USUAL;
	image_survey_undo(image);
	return image_ram_find(image, err);
}

int image_raw_find(struct pgw_image *image, struct pgw_error *err)
{
	int status = image_survey(image);

	for (unsigned id = 0; id < _IMAGE_ARCH_MAX && !status; id++) {
		if (is_asked_for(image, &image->archs[id]))
			status = image_raw_place(image, &image->archs[id]);
	}
	if ((!status || status == -PGW_ENOEXEC) && image->source.nr_usual)
		return take_usual(image, err);
	if (status == -PGW_ENOEXEC)
		return source_fail(err, status, CONTRADICTED);
	if (status < 0)
		return source_fail(err, status, NULL);
	if (!status)
		return source_fail(err, -PGW_ENOEXEC, NOT_PLACED);
	raw_set_arch(image, image->arch);
	image->search_left = IMAGE_SEARCH_BUDGET;
	return 0;
}
