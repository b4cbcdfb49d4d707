/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"

static bool has_given_text(const struct pgw_image *image)
{
	return image->options.vmcoreinfo != NULL;
}

const struct image_kernels *image_kernels(struct pgw_image *image)
{
	if (!image->kernels_known) {
		image->kernels = (struct image_kernels){ 0 };
		if (image->arch)
			image_kernels_collect(image, &image->kernels);
		image->kernels_known = true;
	}
	return &image->kernels;
}

bool image_kernel_best(struct pgw_image *image, struct image_swapper *ret)
{
	const struct image_kernels *kernels = image_kernels(image);

	if (kernels->nr)
		*ret = kernels->list[0].swapper;
	return kernels->nr > 0;
}

size_t image_kernels_sound(struct pgw_image *image)
{
	const struct image_kernels *kernels = image_kernels(image);
	size_t nr = 0;

	while (nr < kernels->nr && image_kernel_is_sound(&kernels->list[nr]))
		nr++;
	return nr;
}

static bool has_release(const struct pgw_image *image, const struct image_kernel *kernel,
			const char *release)
{
	const char *value;
	size_t size;

	return kernel->text &&
	       pgw_vmcoreinfo_get(&image->texts[kernel->text - 1], "OSRELEASE", &value, &size) &&
	       size == strlen(release) && memcmp(value, release, size) == 0;
}

/* By its number, or by its release, if that is one's only. @return the number, or 0 */
static unsigned kernel_by_name(struct pgw_image *image, const char *name)
{
	size_t nr = image_kernels_sound(image);
	unsigned found = 0;

	for (unsigned i = 0; i < nr; i++) {
		char number[12];

		snprintf(number, sizeof(number), "%u", i + 1);
		if (strcmp(name, number) == 0)
			return i + 1;
		if (!has_release(image, &image->kernels.list[i], name))
			continue;
		if (found)
			return 0;
		found = i + 1;
	}
	return found;
}

int image_kernel_meant(struct pgw_image *image, unsigned *ret_number, struct pgw_error *err)
{
	const struct image_kernels *kernels = image_kernels(image);
	unsigned number = 1;

	if (image->options.kernel) {
		number = kernel_by_name(image, image->options.kernel);
		if (!number)
			return source_fail(err, -PGW_ENOENT,
					   "a kernel of this number, or of this release and no "
					   "other of the same (roots lists them)");
	} else if (has_given_text(image) &&
		   (!image_kernels_sound(image) || kernels->list[0].text != 1)) {
		return source_fail(err, -PGW_ENOENT,
				   "a kernel that the given VMCOREINFO fits: its swapper_pg_dir is "
				   "no root that maps itself");
	}
	*ret_number = number <= kernels->nr ? number : 0;
	return 0;
}

/* As much of memory is looked through as the kernel that is meant takes. */
static int kernels_look(struct pgw_image *image)
{
	const struct image_kernels *known;
	struct image_kernels settled;
	int status;

	if (image->is_surveyed)
		return 0;
	if (image->options.kernel)
		return image_survey(image);
	known = image_kernels(image);
	if (image_kernels_are_proved(known) &&
	    (!has_given_text(image) || known->list[0].trust == TRUST_GIVEN))
		return 0;
	if (has_given_text(image))
		return image_survey(image);
	status = image_survey_until(image, image_texts_settle, &settled);
	if (status <= 0)
		return status;
	image_kernels_learn_encryption(image, &settled);
	/* The texts in memory are forgotten again. */
	for (size_t i = 0; i < settled.nr; i++)
		settled.list[i].text = 0;
	image->kernels = settled;
	image->kernels_known = true;
	return 0;
}

/* Does the text say what is true of the kernel? */
static bool text_fits(struct pgw_image *image, const struct pgw_vmcoreinfo *info,
		      const struct image_swapper *kernel)
{
	struct image_swapper claim, said = *kernel;

	if (!image->arch->ops->swapper(image, info, &claim))
		return false;
	said.va = claim.va;
	return image_root_prove(image, &said, &kernel->root) == PGW_PROOF_PASSED &&
	       (!claim.root.format || claim.root.root.pa == kernel->root.root.pa ||
		image_kernel_owns_text(image, kernel, info));
}

enum pgw_vmcoreinfo_fit pgw_image_vmcoreinfo_fit(struct pgw_image *image,
						 const struct pgw_vmcoreinfo *info)
{
	const struct image_kernels *kernels = image_kernels(image);
	struct image_swapper claim;

	if (!image_kernels_are_proved(kernels) || !image->arch->ops->swapper(image, info, &claim))
		return PGW_FIT_UNKNOWN;
	for (size_t i = 0; i < kernels->nr; i++) {
		if (text_fits(image, info, &kernels->list[i].swapper))
			return PGW_FIT_YES;
	}
	return PGW_FIT_NO;
}

/* The text of a kernel that was found without one. */
static size_t kernel_text(struct pgw_image *image, const struct image_kernel *kernel)
{
	for (size_t i = 0; i < image->nr_texts && !kernel->text; i++) {
		if (text_fits(image, &image->texts[i], &kernel->swapper))
			return i + 1;
	}
	return kernel->text;
}

static void kernel_describe(struct pgw_image *image, unsigned number, struct pgw_root_info *ret)
{
	const struct image_swapper *swapper = &image->kernels.list[number - 1].swapper;

	*ret = swapper->root;
	image_root_find_twin(image, ret);
	image_root_describe(image, swapper, ret);
	ret->kernel = number;
}

/* As the public has them. @return NULL if there is no memory */
static struct pgw_kernel *kernels_describe(struct pgw_image *image, size_t nr)
{
	struct pgw_kernel *list = calloc(nr, sizeof(*list));

	for (unsigned i = 0; i < nr && list; i++) {
		struct image_kernel *kernel = &image->kernels.list[i];

		kernel_describe(image, i + 1, &list[i].root);
		list[i].swapper_va = kernel->swapper.va;
		kernel->text = kernel_text(image, kernel);
		if (kernel->text)
			list[i].vmcoreinfo = &image->texts[kernel->text - 1];
	}
	return list;
}

int pgw_image_kernels_known(struct pgw_image *image, const struct pgw_kernel **ret_list,
			    size_t *ret_nr, bool *ret_is_all)
{
	size_t nr = image_kernels_sound(image);
	struct pgw_kernel **list = &image->kernel_list[image->is_surveyed];

	/* What is known does not change but by a survey. */
	if (nr && !*list) {
		*list = kernels_describe(image, nr);
		if (!*list)
			return -PGW_ENOMEM;
	}
	*ret_list = *list;
	*ret_nr = nr;
	*ret_is_all = image->is_surveyed;
	return 0;
}

int pgw_image_kernels(struct pgw_image *image, const struct pgw_kernel **ret_list, size_t *ret_nr)
{
	int status = image_survey(image);
	bool is_all;

	return status ? status : pgw_image_kernels_known(image, ret_list, ret_nr, &is_all);
}

/* The one that the root maps, else the best; NULL if there is none. */
static const struct image_swapper *kernel_of(const struct pgw_image *image,
					     const struct image_kernels *kernels,
					     const struct pgw_root_info *root)
{
	for (size_t i = 0; i < kernels->nr; i++) {
		const struct image_swapper *kernel = &kernels->list[i].swapper;

		if (image_kernel_is_sound(&kernels->list[i]) &&
		    image_root_prove(image, kernel, root) == PGW_PROOF_PASSED)
			return kernel;
	}
	return kernels->nr ? &kernels->list[0].swapper : NULL;
}

int pgw_image_cpu_root(struct pgw_image *image, unsigned index, struct pgw_root_info *ret)
{
	const struct image_swapper *kernel;
	struct image_kernels kernels;
	struct pgw_root_info root;
	int status = 0;

	if (index >= image->info.nr_cpus)
		return -PGW_EINVAL;
	if (!image_cpu_kernel_root(image, index, &root))
		return -PGW_ENOENT;
	image_kernels_without_a_look(image, &kernels);
	kernel = kernel_of(image, &kernels, &root);
	/* A machine that waits for us is not looked through for a root that is known. */
	if (!image_kernels_are_proved(&kernels))
		status = image->info.stands_while_read ? 0 : image_firmware_look(image);
	else if (image_root_prove(image, kernel, &root) == PGW_PROOF_FAILED)
		status = image->info.stands_while_read
				 ? 0
				 : image_survey(image); /* for what tells of guests */
	if (status)
		return status;
	image_root_describe(image, kernel, &root);
	*ret = root;
	return 0;
}

int pgw_image_cpu_user_root(struct pgw_image *image, unsigned index, struct pgw_root_info *ret)
{
	struct image_kernels kernels;
	struct pgw_root_info root;

	if (index >= image->info.nr_cpus)
		return -PGW_EINVAL;
	if (!image_cpu_user_loaded(image, index, &root))
		return -PGW_ENOENT;
	image_kernels_without_a_look(image, &kernels);
	image_root_describe(image, kernel_of(image, &kernels, &root), &root);
	*ret = root;
	return 0;
}

/* CR0, Intel SDM 3A 2.5: without PG there are no tables that count. */
static bool cpus_are_unpaged(const struct pgw_image *image)
{
	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!(image->cpus[i].known & PGW_CPU_X86_CR) || (image->cpus[i].cr0 & BIT(31)))
			return false;
	}
	return image->nr_cpus;
}

static int fail_unpaged(struct pgw_error *err)
{
	return source_fail(err, -PGW_ENOENT,
			   "a CPU that uses page tables: on all of them paging is off (CR0.PG; "
			   "firmware or a boot loader runs)");
}

static int fail_unknown_machine(const struct pgw_image *image, struct pgw_error *err)
{
	if (!image->source.has_machine)
		return source_fail(err, -PGW_ENOENT,
				   "memory of a machine whose kernel's root proves itself");
	if (cpus_are_unpaged(image))
		return fail_unpaged(err);
	if (image->info.machine) {
		source_fail_kind(err, SOURCE_ELF_MACHINE, image->info.machine,
				 "the roots of x86_64, i386, arm64, arm, riscv, s390x, ppc64 and "
				 "loongarch64 machines can be found");
		if (err)
			err->status = -PGW_ENOENT;
		return -PGW_ENOENT;
	}
	return source_fail_at(err, -PGW_ENOENT, SOURCE_ELF_MACHINE, image->info.elf_machine,
			      "a machine whose roots can be found: x86_64 (62), i386 (3), arm64 "
			      "(183), arm (40), riscv (243), s390x (22), ppc64 (21), loongarch64 "
			      "(258)");
}

static const char *sought(struct pgw_image *image)
{
	const struct image_kernels *kernels = image_kernels(image);
	const struct pgw_root_info *root = &kernels->list[0].swapper.root;
	const struct image_arch_ops *ops = image->arch->ops;
	const char *instead = ops->sought_instead ? ops->sought_instead(image) : NULL;

	if (instead)
		return instead;
	if (!kernels->nr)
		return image->nr_texts ? "a root that maps swapper_pg_dir where VMCOREINFO has it"
				       : image->arch->ops->sought;
	if (image_root_is_missing(image, root))
		return "the table that VMCOREINFO says is swapper_pg_dir: the image lacks it";
	if (image_root_is_lost(image, root))
		return "the table that VMCOREINFO says is swapper_pg_dir: the image has zeroes "
		       "there";
	return "a VMCOREINFO whose swapper_pg_dir maps itself";
}

int image_other_root(struct pgw_image *image, struct pgw_root_info *ret)
{
	int status = image_firmware_look(image);

	if (status || image_cpu_first_root(image, ret))
		return status;
	/* Linux was here, though its root was not found. */
	if (image->nr_texts)
		return -PGW_ENOENT;
	return image_identity_search(image, ret);
}

int pgw_image_kernel_root(struct pgw_image *image, struct pgw_root_info *ret, struct pgw_error *err)
{
	struct pgw_root_info root;
	unsigned number;
	int status;

	if (!image->arch)
		return fail_unknown_machine(image, err);
	status = kernels_look(image);
	if (status)
		return source_fail(err, status, NULL);
	status = image_kernel_meant(image, &number, err);
	if (status)
		return status;
	if (number && image_kernel_is_sound(&image->kernels.list[number - 1])) {
		kernel_describe(image, number, ret);
		return 0;
	}
	if (!number && cpus_are_unpaged(image))
		return fail_unpaged(err);
	status = image_other_root(image, &root);
	if (status)
		return source_fail(err, status, sought(image));
	image_root_describe(image, number ? &image->kernels.list[number - 1].swapper : NULL, &root);
	*ret = root;
	return 0;
}
