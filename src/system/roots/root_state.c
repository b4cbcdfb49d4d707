/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"
#include "system/roots/root.h"
#include "system/roots/tree_tables.h"

static const struct image_arch_ops *arch_ops(const struct pgw_image *image)
{
	return image->arch ? image->arch->ops : NULL;
}

/* Where the way from a root to an address ends. */
struct way_end {
	struct pgw_translation at;
	uint64_t lacks; /* as image_root_lacks() */
	bool has_root;  /* the root's own slot can be read */
};

static bool way_follow(const struct pgw_image *image, const struct pgw_root_info *root, uint64_t va,
		       struct way_end *ret)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	struct pgw_path path = { 0 };
	const struct pgw_region *region = pgw_format_region_of(root->format, va);
	struct pt tree;

	*ret = (struct way_end){ 0 };
	if (!region)
		return false;
	image_tree(image, root, region, &tree);
	pt_ops(&tree)->translate(&tree, va, &ret->at, &path);
	ret->has_root = ret->at.kind != PGW_ENTRY_UNREADABLE || ret->at.level < geo->top_level;
	if (ret->at.kind == PGW_ENTRY_UNREADABLE && ret->has_root)
		ret->lacks = (path.step[path.nr_steps - 1].item_pa &
			      ~(pt_table_size(geo, ret->at.level) - 1)) |
			     ret->at.level;
	return true;
}

uint64_t image_root_lacks(const struct pgw_image *image, const struct pgw_root_info *root,
			  uint64_t va)
{
	struct way_end end;

	way_follow(image, root, va, &end);
	return end.lacks;
}

static int count_leaf(const struct pgw_entry *entry, void *arg)
{
	struct image_count *count = arg;

	(void)entry;
	count->nr_leaves++;
	return 0;
}

/* Of one tree. */
struct counting {
	struct image_count count; /* first: for count_leaf() */
	const struct pgw_image *image;
};

static int count_table(uint64_t pa, uint64_t size, void *arg)
{
	struct counting *counting = arg;
	struct pgw_pa_range range;

	if (!source_next_range(&counting->image->source, SOURCE_DESCRIBED, pa, &range) ||
	    range.first > pa || range.last - pa < size - 1)
		counting->count.nr_outside++;
	return 0;
}

int image_root_count(const struct pgw_image *image, const struct pgw_root_info *root,
		     unsigned halves, uint64_t *budget, struct image_count *ret)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	struct counting counting = { .image = image };
	struct image_count *count = &counting.count;
	struct tables tables = {
		.phys = &image->phys,
		.format = root->format,
		.control = pgw_control_assume(root->format, &root->control),
		.budget = *budget < IMAGE_COUNT_BUDGET ? *budget : IMAGE_COUNT_BUDGET,
		.table = count_table,
		.leaf = count_leaf,
		.arg = &counting,
	};
	int status;

	if (!pgw_format_is_split(root->format) && halves != IMAGE_ALL_REGIONS) {
		bool is_user = halves == IMAGE_REGION(PGW_REGION_USER);
		const struct pgw_region *skipped = pgw_format_region(
			root->format, is_user ? PGW_REGION_KERNEL : PGW_REGION_USER);

		tables.skip_first = pt_region_slots(geo, skipped, &tables.nr_skip);
	}
	status = tables_visit(&tables, root->root);
	*budget -= tables.met.nr_tables;
	count->nr_malformed = tables.met.nr_malformed;
	count->nr_missing = tables.met.nr_unreadable;
	tables_fini(&tables);
	*ret = *count;
	return status;
}

int pgw_image_missing_tables(const struct pgw_image *image, const struct pgw_root_info *root,
			     unsigned halves, uint64_t *ret_nr)
{
	uint64_t budget = IMAGE_COUNT_BUDGET;
	struct image_count count;
	int status;

	if (pgw_format_region(root->format, PGW_REGION_FOREIGN))
		halves = IMAGE_ALL_REGIONS; /* it has but that one */
	if (!halves || halves > IMAGE_ALL_REGIONS)
		return -PGW_EINVAL;
	status = image_root_count(image, root, halves, &budget, &count);

	if (!status || status == -PGW_E2BIG)
		*ret_nr = count.nr_missing;
	return status;
}

enum pgw_root_proof image_root_prove(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     const struct pgw_root_info *root)
{
	struct way_end end;

	if (!swapper || (root->has_user && !root->has_kernel))
		return PGW_PROOF_NONE;
	if (arch_ops(image)->proves)
		return arch_ops(image)->proves(image, swapper, root) ? PGW_PROOF_PASSED
		       : image_root_is_missing(image, root)          ? PGW_PROOF_NONE
								     : PGW_PROOF_FAILED;
	if (!way_follow(image, root, swapper->va, &end))
		return PGW_PROOF_FAILED;
	if (!end.has_root && image_root_is_missing(image, root))
		return PGW_PROOF_NONE;
	if (swapper->lacks)
		return end.lacks == swapper->lacks ? PGW_PROOF_PARTIAL : PGW_PROOF_FAILED;
	return end.at.kind == PGW_ENTRY_LEAF && end.at.pa == swapper->root.root.pa
		       ? PGW_PROOF_PASSED
		       : PGW_PROOF_FAILED;
}

uint32_t image_root_proved_by(const struct pgw_image *image)
{
	return arch_ops(image)->proves ? PGW_ROOT_FROM_TABLE_BITS : PGW_ROOT_FROM_SELF_MAP;
}

void image_root_set_halves(struct pgw_root_info *root)
{
	/* Only those of processes are found as the user's. */
	root->has_kernel = !pgw_format_is_split(root->format) || !root->has_user;
	root->has_user = !pgw_format_is_split(root->format) || root->has_user;
}

struct user_part {
	bool has_leaf;
	bool is_partial; /* some of it could not be looked at */
};

static int user_part_extent(const struct pgw_extent *extent, void *arg)
{
	struct user_part *user = arg;

	if (extent->kind == PGW_ENTRY_LEAF)
		user->has_leaf = true;
	else if (extent->kind == PGW_ENTRY_UNREADABLE)
		user->is_partial = true;
	return extent->kind == PGW_ENTRY_LEAF &&
	       (extent->rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X));
}

/* Stops at the first leaf that user code may use, or when a budget runs out. */
static enum pgw_root_state user_part_state(const struct pgw_image *image,
					   const struct pgw_root_info *root, uint64_t *budget)
{
	struct user_part user = { 0 };
	struct pgw_scan_stats stats = { 0 };
	const struct pgw_region *region = pgw_format_region(root->format, PGW_REGION_USER);
	struct pt tree;
	int status;

	image_tree(image, root, region, &tree);
	if (tree.budget > *budget)
		tree.budget = *budget;
	status = pt_ops(&tree)->scan(&tree, region->first, region->last, user_part_extent, &user,
				     &stats);
	*budget -= stats.nr_tables;
	if (status > 0)
		return PGW_ROOT_MAPPED;
	return status || user.has_leaf || user.is_partial ? PGW_ROOT_UNKNOWN : PGW_ROOT_EMPTY;
}

enum pgw_root_state image_root_state(const struct pgw_image *image,
				     const struct image_swapper *swapper,
				     struct pgw_root_info *root, bool is_running, uint64_t *budget)
{
	bool has_kernel = swapper && (swapper->root.proof == PGW_PROOF_PASSED ||
				      swapper->root.proof == PGW_PROOF_PARTIAL);
	const struct image_arch_ops *ops = arch_ops(image);
	enum pgw_root_state state;

	if (image_root_is_missing(image, root))
		return PGW_ROOT_UNKNOWN;
	if (has_kernel && root->root.pa == swapper->root.root.pa && !swapper->is_other)
		return PGW_ROOT_KERNEL;
	if (!has_kernel && image_root_is_firmwares(image, root, budget))
		return PGW_ROOT_FIRMWARE;
	/* Of what system is not known, so what its halves are for is not either. */
	if (root->found & PGW_ROOT_FROM_FILE)
		return PGW_ROOT_KERNEL;
	if (root->found & PGW_ROOT_FROM_IDENTITY_MAP)
		return PGW_ROOT_UNKNOWN;
	if (has_kernel && is_running && root->proof == PGW_PROOF_FAILED)
		return ops->is_guests && ops->is_guests(image, root, &root->evidence)
			       ? PGW_ROOT_GUEST
			       : PGW_ROOT_UNKNOWN;
	/* A half that is not the user's, and is not the kernel's own either. */
	if (!root->has_user)
		return PGW_ROOT_UNKNOWN;
	if (ops && ops->is_trampoline && ops->is_trampoline(image, root))
		return PGW_ROOT_TRAMPOLINE;
	state = user_part_state(image, root, budget);
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
			root->found |= cpu.found;
		else if (!root->has_twin || cpu.root.pa != root->twin.pa)
			continue;
		root->cpus |= cpu.cpus;
	}
}

void image_root_describe(const struct pgw_image *image, const struct image_swapper *swapper,
			 struct pgw_root_info *root)
{
	uint64_t budget = IMAGE_TREE_BUDGET;
	bool is_running;

	image_root_set_halves(root);
	root_mark_cpus(image, root);
	is_running = root->cpus || (root->found & (PGW_ROOT_FROM_CPU | PGW_ROOT_FROM_KPTI));
	root->proof = image_root_prove(image, swapper, root);
	if (root->proof == PGW_PROOF_PASSED)
		root->found |= image_root_proved_by(image);
	if (root->proof == PGW_PROOF_PARTIAL)
		root->nr_agree = swapper->root.nr_agree;
	root->state = image_root_state(image, swapper, root, is_running, &budget);
}
