/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

static const struct image_arch archs[_IMAGE_ARCH_MAX] = {
	{ IMAGE_ARCH_X86_64, 62, "x86_64", &image_x86_64_ops },     /* EM_X86_64 */
	{ IMAGE_ARCH_ARM64, 183, "arm64", &image_arm64_ops },       /* EM_AARCH64 */
	{ IMAGE_ARCH_RISCV64, 243, "riscv64", &image_riscv64_ops }, /* EM_RISCV */
};

const struct image_arch *image_arch_at(unsigned id)
{
	return &archs[id];
}

const struct image_arch *image_arch_find(unsigned elf_machine)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(archs); i++) {
		if (archs[i].elf_machine == elf_machine)
			return &archs[i];
	}
	return NULL;
}

int image_fail(struct pgw_error *err, int status, const char *expected)
{
	if (err)
		*err = (struct pgw_error){ .status = status, .expected = expected };
	return status;
}

int image_fail_at(struct pgw_error *err, int status, uint64_t offset, uint64_t found,
		  const char *expected)
{
	if (err)
		*err = (struct pgw_error){
			.status = status,
			.has_offset = true,
			.has_found = true,
			.offset = offset,
			.found = found,
			.expected = expected,
		};
	return status;
}

int image_fail_kind(struct pgw_error *err, uint64_t offset, const char *kind, const char *advice)
{
	if (err)
		*err = (struct pgw_error){
			.status = -PGW_EOPNOTSUPP,
			.has_offset = true,
			.offset = offset,
			.kind = kind,
			.expected = advice,
		};
	return -PGW_EOPNOTSUPP;
}

int image_array_grow(void **array, size_t nr, size_t size)
{
	void *grown;

	/* Full when the number is a power of two, or 0. */
	if (nr & (nr - 1))
		return 0;
	grown = reallocarray(*array, nr ? nr * 2 : 1, size);
	if (!grown)
		return -PGW_ENOMEM;
	*array = grown;
	return 0;
}

static const struct image_map *image_file(const struct pgw_image *image, unsigned file)
{
	return file ? &image->more_maps[file - 1] : &image->map;
}

/* Pre: the range holds pa and the len bytes from there on. */
static bool range_read(const struct pgw_image *image, const struct image_range *range, uint64_t pa,
		       void *buf, size_t len)
{
	if (range->file == IMAGE_NO_FILE) {
		memset(buf, 0, len);
		return true;
	}
	return image_map_read(image_file(image, range->file), range->offset + (pa - range->first),
			      buf, len);
}

/*
 * Pre: none. Copies piece by piece, as the pieces lie in the file.
 * Stops at the first byte that no range holds or the file has lost.
 */
static int phys_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct pgw_image *image = phys->ctx;
	uint8_t *to = buf;

	while (len) {
		const struct image_range *range = image_memory_find(&image->memory, pa);
		size_t n = len;

		if (!range)
			return -PGW_EIO;
		if (range->last - pa < n - 1)
			n = (size_t)(range->last - pa) + 1;
		if (!range_read(image, range, pa, to, n))
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
	const struct pgw_image *image = phys->ctx;
	const struct image_run *run = image_memory_next(&image->memory, pa);

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

static int image_load(struct pgw_image *image, const char *source, struct pgw_error *err)
{
	int status;

	status = image_vmcoreinfo_add_given(image);
	if (status)
		return image_fail(err, status, NULL);
	if (image->options.nr_ram)
		return image_ram_load(image, err);
	status = image_map_open(source, &image->map, err);
	if (!status)
		status = image_elf_load(image, err);
	/* Less than a page is no memory of a machine, but may be what is left of a header. */
	return status == -PGW_ENOEXEC && image->map.size >= IMAGE_PAGE ? image_raw_load(image, err)
								       : status;
}

int pgw_image_open(const char *source, const struct pgw_image_options *opts, struct pgw_image **ret,
		   struct pgw_error *err)
{
	struct pgw_image *image = calloc(1, sizeof(*image));
	int status;

	if (!image)
		return image_fail(err, -PGW_ENOMEM, NULL);
	image->map.fd = -1;
	image->search_left = IMAGE_SEARCH_BUDGET;
	image->phys = (struct pgw_phys){ .ops = &phys_ops, .ctx = image };
	if (opts)
		image->options = *opts;
	status = image_load(image, source, err);
	if (status) {
		pgw_image_close(image);
		return status;
	}
	/* By what the notes say: a CPU's root is found without looking for a kernel's. */
	image_encryption_learn(image);
	*ret = image;
	return 0;
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
	free(image->roots);
	free(image->kernel_list[false]);
	free(image->kernel_list[true]);
	free(image->cpus);
	free(image->notes);
	image_survey_forget(image);
	image_memory_fini(&image->memory);
	for (size_t i = 0; i < image->nr_more_maps; i++)
		image_map_close(&image->more_maps[i]);
	free(image->more_maps);
	image_map_close(&image->map);
	free(image);
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
	const struct image_run *run = image_memory_next_described(&image->memory, pa);

	if (!run)
		return false;
	*ret = (struct pgw_pa_range){ run->first, run->last };
	return true;
}

int pgw_image_cpu(const struct pgw_image *image, unsigned index, struct pgw_cpu *ret)
{
	if (index >= image->info.nr_cpus)
		return -PGW_EINVAL;
	*ret = index < image->nr_cpus ? image->cpus[index] : (struct pgw_cpu){ 0 };
	return 0;
}
