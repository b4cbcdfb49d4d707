/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/walk.h>

#include "mm/mm_priv.h"

/*
 * The entry points: what they check and assert. The walk itself is pt's, which
 * knows no locks. spec: docs/locking.md.
 */

/** One walk's arguments. */
struct walk_args {
	struct pgw_mm *mm;
	uint64_t start, end;
	const struct pgw_mm_walk_ops *ops;
	const struct pgw_root *root;
	void *arg;
};

/* The last address of a half-open range: end = UINT64_MAX means through the last page. */
static uint64_t range_last(uint64_t end)
{
	return end == UINT64_MAX ? end : end - 1;
}

static int walk_check(const struct walk_args *args)
{
	if (!args->mm || !args->ops || args->start >= args->end || args->ops->install_pte)
		return -PGW_EINVAL;
	return 0;
}

static int walk_check_region(const struct walk_args *args)
{
	int err = walk_check(args);
	struct pgw_region region;

	if (err)
		return err;
	region = args->mm->pt.region;
	if (args->root && !mm_region_of_root(&args->mm->pt.format->geometry, *args->root, &region))
		return -PGW_EINVAL;
	return args->start >= region.first && range_last(args->end) <= region.last ? 0
										   : -PGW_EINVAL;
}

static uint64_t walk_root(const struct walk_args *args, const struct pt *pt)
{
	return args->root ? args->root->pa : pt->root_pa;
}

static struct pgw_mm_walk walk_init(const struct walk_args *args)
{
	return (struct pgw_mm_walk){
		.ops = args->ops,
		.mm = args->mm,
		.root = args->root,
		.no_vma = true,
		.arg = args->arg,
	};
}

static int walk_region(const struct walk_args *args)
{
	const struct pt *pt = &args->mm->pt;
	struct pgw_mm_walk walk = walk_init(args);

	return pt_ops(pt)->walk(pt, walk_root(args, pt), args->start, args->end, &walk);
}

int pgw_walk_page_range_novma(struct pgw_mm *mm, uint64_t start, uint64_t end,
			      const struct pgw_mm_walk_ops *ops, const struct pgw_root *root,
			      void *arg)
{
	struct walk_args args = { mm, start, end, ops, root, arg };
	int err = walk_check_region(&args);

	if (!err)
		err = mm_assert_novma(mm, __func__);
	return err ? err : walk_region(&args);
}

int pgw_walk_kernel_page_table_range(struct pgw_mm *kernel_mm, uint64_t start, uint64_t end,
				     const struct pgw_mm_walk_ops *ops, const struct pgw_root *root,
				     void *arg)
{
	struct walk_args args = { kernel_mm, start, end, ops, root, arg };
	int err = walk_check_region(&args);

	if (!err && kernel_mm->pt.region.kind != PGW_REGION_KERNEL)
		err = -PGW_EINVAL;
	if (!err)
		err = mm_assert_locked(kernel_mm, PGW_RULE_NOVMA_KERNEL_READ, __func__);
	return err ? err : walk_region(&args);
}

int pgw_walk_kernel_page_table_range_lockless(struct pgw_mm *kernel_mm, uint64_t start,
					      uint64_t end, const struct pgw_mm_walk_ops *ops,
					      const struct pgw_root *root, void *arg)
{
	struct walk_args args = { kernel_mm, start, end, ops, root, arg };
	int err = walk_check_region(&args);

	if (!err && kernel_mm->pt.region.kind != PGW_REGION_KERNEL)
		err = -PGW_EINVAL;
	return err ? err : walk_region(&args);
}

/*
 * The tree that a debug walk of mm finds the kernel's region in: a root of both
 * regions holds the kernel's too, but an owned user mm's does not, and neither does
 * one of a format that gives each region a root.
 */
static const struct pt *debug_kernel_tree(const struct pgw_mm *mm)
{
	return mm->kind == PGW_MM_OWNED || pgw_format_is_split(mm->pt.format) ? &mm->kernel_mm->pt
									      : &mm->pt;
}

/* The part of the range that lies in a region. A root that was given is that of all regions. */
static int debug_region(const struct walk_args *args, const struct pt *pt,
			const struct pgw_region *region, struct pgw_mm_walk *walk)
{
	uint64_t start = args->start > region->first ? args->start : region->first;
	uint64_t end = args->end;

	if (args->start > region->last || range_last(end) < region->first)
		return 0;
	if (range_last(end) > region->last)
		end = region->last + 1;
	return pt_ops(pt)->walk(pt, walk_root(args, pt), start, end, walk);
}

/* The part of the range that lies between the user's region and the kernel's: no table covers it. */
static int debug_gap(const struct walk_args *args, const struct pgw_region *user,
		     const struct pgw_region *kernel, struct pgw_mm_walk *walk)
{
	uint64_t start = args->start > user->last + 1 ? args->start : user->last + 1;
	uint64_t end = args->end < kernel->first ? args->end : kernel->first;

	return start < end && args->ops->pte_hole ? args->ops->pte_hole(start, end, -1, walk) : 0;
}

/* A user mm with its kernel mm beside it: the one kind that a debug walk can leave by the upper end. */
static bool debug_crosses(const struct pgw_mm *mm)
{
	return mm->kernel_mm && mm->pt.region.last < mm->kernel_mm->pt.region.first;
}

static int debug_both(const struct walk_args *args, struct pgw_mm_walk *walk)
{
	const struct pgw_mm *mm = args->mm;
	const struct pgw_region *kernel = &mm->kernel_mm->pt.region;
	int err = debug_region(args, &mm->pt, &mm->pt.region, walk);

	if (!err)
		err = debug_gap(args, &mm->pt.region, kernel, walk);
	return err ? err : debug_region(args, debug_kernel_tree(mm), kernel, walk);
}

/*
 * Until 7.2 Linux forwarded a debug walk of the kernel's own mm to the walk of kernel tables, and
 * asserted nothing of the kernel's when it walked a user's.
 */
static int debug_assert(const struct pgw_mm *mm, const char *function)
{
	bool is_kernel = mm->pt.region.kind == PGW_REGION_KERNEL;
	int err;

	if (mm->rules == PGW_RULES_LINUX_6_8 && is_kernel)
		return mm_assert_locked(mm, PGW_RULE_NOVMA_KERNEL_READ, function);
	err = mm_assert_write_locked(mm, PGW_RULE_DEBUG_WRITE, function);
	if (err || !mm->kernel_mm || mm->rules == PGW_RULES_LINUX_6_8)
		return err;
	return mm_assert_write_locked(mm->kernel_mm, PGW_RULE_DEBUG_KERNEL_WRITE, function);
}

int pgw_walk_page_range_debug(struct pgw_mm *mm, uint64_t start, uint64_t end,
			      const struct pgw_mm_walk_ops *ops, const struct pgw_root *root,
			      void *arg)
{
	struct walk_args args = { mm, start, end, ops, root, arg };
	struct pgw_mm_walk walk = walk_init(&args);
	bool crosses = mm && debug_crosses(mm);
	int err = crosses ? walk_check(&args) : walk_check_region(&args);

	if (!err)
		err = debug_assert(mm, __func__);
	if (err)
		return err;
	return crosses ? debug_both(&args, &walk)
		       : debug_region(&args, &mm->pt, &mm->pt.region, &walk);
}
