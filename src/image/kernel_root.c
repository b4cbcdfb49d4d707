/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include <string.h>

#include "base/bits.h"

void image_tree(const struct pgw_image *image, const struct pgw_root_info *root, struct pt *ret)
{
	*ret = (struct pt){
		.format = root->format,
		.control = pgw_control_assume(root->format, &root->control),
		.root_pa = root->root.pa,
		.budget = IMAGE_TREE_BUDGET,
		.phys = &image->phys,
	};
	pt_prepare(ret);
}

bool image_root_translate(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t va, struct pgw_translation *ret)
{
	enum pgw_half half;
	struct pt tree;

	if (!pt_va_half(root->format, va, &half))
		return false;
	image_tree(image, root, &tree);
	pt_ops(&tree)->translate(&tree, va, ret, NULL);
	return ret->kind == PGW_ENTRY_LEAF;
}

const struct pgw_format *image_format(const struct pgw_image *image, unsigned nr_levels)
{
	const struct pgw_format *format;

	for (size_t i = 0; (format = pgw_format_at(i)); i++) {
		if (image->arch && strcmp(pgw_format_arch(format), image->arch->name) == 0 &&
		    pgw_format_geometry(format)->top_level + 1u == nr_levels)
			return format;
	}
	return NULL;
}

const struct pgw_format *image_format_of(const struct pgw_image *image, unsigned granule_lg2,
					 unsigned va_bits)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);

	for (size_t i = 0; i < nr; i++) {
		const struct pgw_geometry *geo = pgw_format_geometry(formats[i]);

		if (geo->granule_lg2 == granule_lg2 && geo->va_bits == va_bits)
			return formats[i];
	}
	return NULL;
}

static const struct image_arch_ops *arch_ops(const struct pgw_image *image)
{
	return image->arch ? image->arch->ops : NULL;
}

bool image_cpu_loaded(const struct pgw_image *image, size_t index, struct pgw_root_info *ret)
{
	const struct image_arch_ops *ops = arch_ops(image);

	if (!ops || !ops->cpu_root || index >= image->nr_cpus ||
	    !ops->cpu_root(image, &image->cpus[index], ret))
		return false;
	ret->found = PGW_ROOT_FROM_CPU;
	ret->cpus = index < 64 ? BIT(index) : 0;
	return true;
}

void image_root_find_twin(const struct pgw_image *image, struct pgw_root_info *root)
{
	const struct image_arch_ops *ops = arch_ops(image);

	root->has_twin = ops && ops->kpti_twin &&
			 ops->kpti_twin(image, root, &root->twin, &root->is_kpti_user);
}

/* From the root that a CPU has loaded to the one of its KPTI pair that maps the kernel. */
static void root_use_kernel_twin(const struct pgw_image *image, struct pgw_root_info *root)
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

bool image_cpu_first_root(const struct pgw_image *image, struct pgw_root_info *ret)
{
	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (image_cpu_loaded(image, i, ret)) {
			root_use_kernel_twin(image, ret);
			return true;
		}
	}
	return false;
}

enum pgw_root_proof image_root_prove(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     const struct pgw_root_info *root)
{
	struct pgw_translation self;

	if (!swapper || (root->has_user && !root->has_kernel))
		return PGW_PROOF_NONE;
	return image_root_translate(image, root, swapper->va, &self) &&
			       self.pa == swapper->root.root.pa
		       ? PGW_PROOF_PASSED
		       : PGW_PROOF_FAILED;
}

uint32_t image_text_found(const struct pgw_vmcoreinfo *info)
{
	return info->source == PGW_VMCOREINFO_NOTE ? PGW_ROOT_FROM_VMCOREINFO_NOTE
						   : PGW_ROOT_FROM_VMCOREINFO_RAM;
}

void image_root_take_control(const struct pgw_image *image, struct pgw_root_info *root)
{
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (image_cpu_loaded(image, i, &cpu)) {
			root->control = cpu.control;
			return;
		}
	}
}

void image_root_set_halves(struct pgw_root_info *root)
{
	/* Only those of processes are found as the user's. */
	root->has_kernel = !pgw_format_geometry(root->format)->split_root || !root->has_user;
	root->has_user = !pgw_format_geometry(root->format)->split_root || root->has_user;
}

bool image_swapper_claim(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret)
{
	const struct image_arch_ops *ops = arch_ops(image);

	if (!ops || !ops->swapper(image, info, ret) || !ret->root.format)
		return false;
	image_root_take_control(image, &ret->root);
	ret->root.found = image_text_found(info);
	ret->root.proof = image_root_prove(image, ret, &ret->root);
	return true;
}

/* Does what a CPU runs on map the claimed kernel where it is claimed to be? */
static bool swapper_is_running(const struct pgw_image *image, const struct image_swapper *swapper)
{
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!image_cpu_loaded(image, i, &cpu))
			continue;
		root_use_kernel_twin(image, &cpu);
		if (image_root_prove(image, swapper, &cpu) == PGW_PROOF_PASSED)
			return true;
	}
	return false;
}

/* How much a claim is believed. */
enum swapper_rank {
	RANK_NONE,
	RANK_CLAIMED,
	RANK_PROVED,
	RANK_RUNNING, /* proved, and a CPU runs with the kernel where it is claimed to be */
};

static enum swapper_rank swapper_rank(const struct pgw_image *image,
				      const struct image_swapper *claim)
{
	if (claim->root.proof != PGW_PROOF_PASSED)
		return RANK_CLAIMED;
	return swapper_is_running(image, claim) ? RANK_RUNNING : RANK_PROVED;
}

static enum swapper_rank swapper_find(const struct pgw_image *image, struct image_swapper *ret)
{
	enum swapper_rank best = RANK_NONE;
	struct image_swapper claim;

	for (size_t i = 0; i < image->nr_texts; i++) {
		enum swapper_rank rank;

		if (!image_swapper_claim(image, &image->texts[i], &claim))
			continue;
		rank = swapper_rank(image, &claim);
		if (rank > best) {
			*ret = claim;
			best = rank;
		}
	}
	return best;
}

bool image_swapper_find(const struct pgw_image *image, struct image_swapper *ret)
{
	return swapper_find(image, ret) > RANK_NONE;
}

bool image_swapper_is_settled(const struct pgw_image *image, struct image_swapper *ret)
{
	enum swapper_rank most = RANK_PROVED;
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (image_cpu_loaded(image, i, &cpu))
			most = RANK_RUNNING;
	}
	return swapper_find(image, ret) >= most;
}

struct user_half {
	bool has_leaf;
	bool is_partial; /* some of it could not be looked at */
};

static int user_half_extent(const struct pgw_extent *extent, void *arg)
{
	struct user_half *user = arg;

	if (extent->kind == PGW_ENTRY_LEAF)
		user->has_leaf = true;
	else if (extent->kind == PGW_ENTRY_UNREADABLE)
		user->is_partial = true;
	return extent->kind == PGW_ENTRY_LEAF &&
	       (extent->rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X));
}

/* Stops at the first leaf that user code may use, or when a budget runs out. */
static enum pgw_root_state user_half_state(const struct pgw_image *image,
					   const struct pgw_root_info *root, uint64_t *budget)
{
	struct user_half user = { 0 };
	struct pgw_scan_stats stats = { 0 };
	uint64_t first, last;
	struct pt tree;
	int status;

	image_tree(image, root, &tree);
	if (tree.budget > *budget)
		tree.budget = *budget;
	pgw_format_half_range(root->format, PGW_HALF_USER, &first, &last);
	status = pt_ops(&tree)->scan(&tree, first, last, user_half_extent, &user, &stats);
	*budget -= stats.nr_tables;
	if (status > 0)
		return PGW_ROOT_MAPPED;
	return status || user.has_leaf || user.is_partial ? PGW_ROOT_UNKNOWN : PGW_ROOT_EMPTY;
}

enum pgw_root_state image_root_state(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     const struct pgw_root_info *root, bool is_running,
				     uint64_t *budget)
{
	bool has_kernel = swapper && swapper->root.proof == PGW_PROOF_PASSED;
	const struct image_arch_ops *ops = arch_ops(image);
	enum pgw_root_state state;

	if (has_kernel && root->root.pa == swapper->root.root.pa)
		return PGW_ROOT_KERNEL;
	/* A half that is not the user's, and is not the kernel's own either. */
	if (!root->has_user)
		return PGW_ROOT_UNKNOWN;
	if (ops && ops->is_trampoline && ops->is_trampoline(image, root))
		return PGW_ROOT_TRAMPOLINE;
	state = user_half_state(image, root, budget);
	if (is_running)
		return has_kernel || state == PGW_ROOT_MAPPED ? PGW_ROOT_RUNNING : PGW_ROOT_UNKNOWN;
	return root->proof == PGW_PROOF_FAILED ? PGW_ROOT_UNKNOWN : state;
}

/* Who runs on the root or its twin. */
static void root_mark_cpus(const struct pgw_image *image, struct pgw_root_info *root)
{
	struct pgw_root_info cpu;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (!image_cpu_loaded(image, i, &cpu))
			continue;
		if (cpu.root.pa == root->root.pa)
			root->found |= PGW_ROOT_FROM_CPU;
		else if (!root->has_twin || cpu.root.pa != root->twin.pa)
			continue;
		root->cpus |= cpu.cpus;
	}
}

static void root_describe(const struct pgw_image *image, const struct image_swapper *swapper,
			  struct pgw_root_info *root)
{
	uint64_t budget = IMAGE_TREE_BUDGET;
	bool is_running;

	image_root_set_halves(root);
	root_mark_cpus(image, root);
	is_running = root->cpus || (root->found & (PGW_ROOT_FROM_CPU | PGW_ROOT_FROM_KPTI));
	root->proof = image_root_prove(image, swapper, root);
	if (root->proof == PGW_PROOF_PASSED)
		root->found |= PGW_ROOT_FROM_SELF_MAP;
	root->state = image_root_state(image, swapper, root, is_running, &budget);
}

int pgw_image_cpu_root(struct pgw_image *image, unsigned index, struct pgw_root_info *ret)
{
	struct image_swapper swapper;
	struct pgw_root_info root;
	bool has_swapper;

	if (index >= image->info.nr_cpus)
		return -PGW_EINVAL;
	if (!image_cpu_loaded(image, index, &root))
		return -PGW_ENOENT;
	root_use_kernel_twin(image, &root);
	/* Notes only: what else was found must not change the answer. */
	has_swapper = image->nr_note_texts && image_swapper_find(image, &swapper);
	root_describe(image, has_swapper ? &swapper : NULL, &root);
	*ret = root;
	return 0;
}

static int fail_unknown_machine(const struct pgw_image *image, struct pgw_error *err)
{
	if (image->is_raw)
		return image_fail(err, -PGW_ENOENT,
				  "memory of a machine whose kernel's root proves itself");
	return image_fail_at(err, -PGW_ENOENT, IMAGE_ELF_MACHINE, image->info.elf_machine,
			     "a machine whose roots can be found: x86_64 (62), arm64 (183), "
			     "riscv64 (243)");
}

int pgw_image_kernel_root(struct pgw_image *image, struct pgw_root_info *ret, struct pgw_error *err)
{
	struct image_swapper swapper;
	struct pgw_root_info root;
	bool has_swapper;
	int status;

	if (!arch_ops(image))
		return fail_unknown_machine(image, err);
	has_swapper = image_kernel_find_soon(image, &swapper);
	if (!has_swapper) {
		status = image_survey_for_kernel(image);
		if (status)
			return image_fail(err, status, NULL);
		has_swapper = image_kernel_find(image, &swapper);
	}
	if (has_swapper && swapper.root.proof == PGW_PROOF_PASSED) {
		root = swapper.root;
		image_root_find_twin(image, &root);
	} else if (!image_cpu_first_root(image, &root)) {
		return image_fail(err, -PGW_ENOENT,
				  has_swapper ? "a VMCOREINFO whose swapper_pg_dir maps itself"
					      : arch_ops(image)->sought);
	}
	root_describe(image, has_swapper ? &swapper : NULL, &root);
	*ret = root;
	return 0;
}
