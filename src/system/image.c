/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/symbols.h"
#include "system/linux/types.h"
#include "system/place/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

static const struct image_arch *arch_find(const struct pgw_image *image, unsigned elf_machine)
{
	for (unsigned id = 0; id < _IMAGE_ARCH_MAX; id++) {
		const struct image_arch *arch = &image->archs[id];

		if (arch->elf_machine == elf_machine &&
		    (!arch->elf_bits || (arch->elf_bits == 32) == image->source.is_32))
			return arch;
	}
	return NULL;
}

/* An ELF file says which machine it is of; formats for it may be missing. */
static void image_set_arch(struct pgw_image *image)
{
	const struct image_arch *arch = arch_find(image, image->info.elf_machine);
	const struct pgw_format *format;

	if (!arch)
		return;
	for (size_t i = 0; !image->arch && (format = pgw_format_at(i)); i++) {
		if (strcmp(pgw_format_arch(format), arch->name) == 0)
			image->arch = arch;
	}
	if (image->arch)
		image->info.arch = arch->name;
}

int image_take_source(struct pgw_image *image, struct pgw_error *err)
{
	int status;

	image->phys = image->source.phys;
	image->info = image->source.info;
	if (image->source.is_guess)
		image->info.placement = PGW_PLACEMENT_GUESSED;
	if (image->source.has_machine)
		image_set_arch(image);
	status = image_notes_take(image, err);
	if (status || image->source.has_machine)
		return status;
	if (!image_arch_exists(image))
		return source_fail(err, -PGW_EINVAL, "an architecture that is known");
	return image->source.has_places ? image_ram_find(image, err) : image_raw_find(image, err);
}

static int image_load(struct pgw_image *image, const struct image_kinds *kinds, const char *path,
		      struct pgw_error *err)
{
	bool has_ram = image->options.nr_ram;
	int status;

	status = image_vmcoreinfo_add_given(image);
	if (status)
		return source_fail(err, status, NULL);
	if (has_ram && !image_arch_exists(image))
		return source_fail(err, -PGW_EINVAL, "an architecture that is known");
	status = source_open(kinds->list, kinds->nr, path, &image->options, &image->source, err);
	return status ? status : image_take_source(image, err);
}

struct pgw_image *image_new(const struct pgw_image_options *opts)
{
	struct pgw_image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->archs = image_archs;
	image->search_left = IMAGE_SEARCH_BUDGET;
	if (opts)
		image->options = *opts;
	return image;
}

int image_open(const struct image_kinds *kinds, const char *path,
	       const struct pgw_image_options *opts, struct pgw_image **ret, struct pgw_error *err)
{
	struct pgw_image *image = image_new(opts);
	int status;

	if (!image)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = image_load(image, kinds, path, err);
	if (status) {
		pgw_image_close(image);
		return status;
	}
	/* By what the notes say: a CPU's root is found without looking for a kernel's. */
	image_encryption_learn(image);
	*ret = image;
	return 0;
}

static int open_phys(struct pgw_image *image, const struct pgw_phys *phys, bool is_live,
		     struct pgw_error *err)
{
	int status = source_open_lent(&image->source, phys, is_live);

	if (!status)
		status = image_vmcoreinfo_add_given(image);
	if (status)
		return source_fail(err, status, NULL);
	status = image_take_source(image, err);
	if (!status)
		image_encryption_learn(image);
	return status;
}

int pgw_image_open_phys(const struct pgw_phys *phys, bool is_live,
			const struct pgw_image_options *opts, struct pgw_image **ret,
			struct pgw_error *err)
{
	struct pgw_image *image;
	int status;

	if (!phys || !ret)
		return source_fail(err, -PGW_EINVAL, "memory to read");
	image = image_new(opts);
	if (!image)
		return source_fail(err, -PGW_ENOMEM, NULL);
	status = open_phys(image, phys, is_live, err);
	if (status) {
		pgw_image_close(image);
		return status;
	}
	*ret = image;
	return 0;
}

int pgw_image_open(const char *source, const struct pgw_image_options *opts, struct pgw_image **ret,
		   struct pgw_error *err)
{
	const struct image_kinds kinds = { source_kinds, source_nr_kinds };

	return image_open(&kinds, source, opts, ret, err);
}

void pgw_image_close(struct pgw_image *image)
{
	if (!image)
		return;
	for (size_t i = 0; i < image->nr_texts; i++)
		free((char *)(uintptr_t)image->texts[i].text);
	for (size_t i = 0; i < image->nr_markers; i++)
		free((char *)(uintptr_t)image->markers[i].name);
	free(image->markers);
	free(image->efi_map);
	linux_symbols_free(image->symbols);
	linux_types_free(image->types);
	free(image->btf);
	free(image->roots);
	free(image->foreign);
	free(image->kernel_list[false]);
	free(image->kernel_list[true]);
	free(image->cpus);
	image_survey_forget(image);
	source_close(&image->source);
	free(image);
}

void image_forget(struct pgw_image *image)
{
	image_survey_undo(image);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(image->kernel_list); i++) {
		free(image->kernel_list[i]);
		image->kernel_list[i] = NULL;
	}
	for (size_t i = 0; i < image->nr_markers; i++)
		free((char *)(uintptr_t)image->markers[i].name);
	free(image->markers);
	free(image->roots);
	free(image->efi_map);
	image->efi_map = NULL;
	image->markers = NULL;
	image->roots = NULL;
	image->nr_markers = image->nr_roots = 0;
	image->roots_searched = image->firmware_searched = image->has_efi = false;
	image->search_left = IMAGE_SEARCH_BUDGET;
}

const struct pgw_phys *pgw_image_phys(const struct pgw_image *image)
{
	return &image->phys;
}

const struct pgw_image_info *pgw_image_get_info(const struct pgw_image *image)
{
	return &image->info;
}

bool pgw_image_next_described(const struct pgw_image *image, uint64_t pa, struct pgw_pa_range *ret)
{
	return source_next_range(&image->source, SOURCE_DESCRIBED, pa, ret);
}

bool pgw_image_window(const struct pgw_image *image, size_t index, struct pgw_window *ret)
{
	const struct image_arch_ops *ops = image->arch ? image->arch->ops : NULL;

	return ops && ops->window && ops->window(image, index, ret);
}

int pgw_image_cpu(const struct pgw_image *image, unsigned index, struct pgw_cpu *ret)
{
	if (index >= image->info.nr_cpus)
		return -PGW_EINVAL;
	*ret = index < image->nr_cpus ? image->cpus[index] : (struct pgw_cpu){ 0 };
	return 0;
}
