/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"

static const struct image_arch_ops *arch_ops(const struct pgw_image *image)
{
	return image->arch ? image->arch->ops : NULL;
}

/* Whose it is. CPUs past 63 are not told apart. */
static void set_found(const struct pgw_image *image, size_t index, struct pgw_root_info *ret)
{
	bool is_in_file = image->cpus[index].known & PGW_CPU_IN_FILE;

	ret->found = is_in_file ? PGW_ROOT_FROM_FILE : PGW_ROOT_FROM_CPU;
	ret->cpus = index < 64 && !is_in_file ? BIT(index) : 0;
}

bool image_cpu_loaded(const struct pgw_image *image, size_t index, struct pgw_root_info *ret)
{
	const struct image_arch_ops *ops = arch_ops(image);

	if (!ops || !ops->cpu_root || index >= image->nr_cpus ||
	    !ops->cpu_root(image, &image->cpus[index], ret))
		return false;
	set_found(image, index, ret);
	return true;
}

bool image_cpu_user_loaded(const struct pgw_image *image, size_t index, struct pgw_root_info *ret)
{
	const struct image_arch_ops *ops = arch_ops(image);

	if (!ops || !ops->cpu_user_root || index >= image->nr_cpus ||
	    !ops->cpu_user_root(image, &image->cpus[index], ret))
		return false;
	set_found(image, index, ret);
	return true;
}

void image_root_find_twin(const struct pgw_image *image, struct pgw_root_info *root)
{
	const struct image_arch_ops *ops = arch_ops(image);

	root->has_twin = ops && ops->kpti_twin &&
			 ops->kpti_twin(image, root, &root->twin, &root->is_kpti_user);
}

void image_root_use_kernel_twin(const struct pgw_image *image, struct pgw_root_info *root)
{
	image_root_find_twin(image, root);
	if (root->has_twin && root->is_kpti_user) {
		struct pgw_root user = root->root;

		root->root = root->twin;
		root->twin = user;
		root->is_kpti_user = false;
		root->found = PGW_ROOT_FROM_KPTI;
	}
}

bool image_cpu_kernel_root(const struct pgw_image *image, size_t index, struct pgw_root_info *ret)
{
	if (!image_cpu_loaded(image, index, ret))
		return false;
	image_root_use_kernel_twin(image, ret);
	return true;
}

bool image_cpu_first_root(const struct pgw_image *image, struct pgw_root_info *ret)
{
	const struct image_arch_ops *ops = arch_ops(image);
	struct pgw_root_info cpu;
	bool is_found = false;
	uint64_t vmcb;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		bool is_guests;

		if (!image_cpu_kernel_root(image, i, &cpu))
			continue;
		is_guests = ops->is_guests && ops->is_guests(image, &cpu, &vmcb);
		if (!is_found || !is_guests)
			*ret = cpu;
		is_found = true;
		if (!is_guests)
			break;
	}
	return is_found;
}
