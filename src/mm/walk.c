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
	if (!args->mm || !args->ops || args->start >= args->end)
		return -PGW_EINVAL;
	return 0;
}

static int walk_check_half(const struct walk_args *args)
{
	int err = walk_check(args);

	if (!err && !mm_covers(args->mm, args->start, range_last(args->end)))
		err = -PGW_EINVAL;
	return err;
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

static int walk_half(const struct walk_args *args)
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
	int err = walk_check_half(&args);

	if (!err)
		err = mm_assert_novma(mm, __func__);
	return err ? err : walk_half(&args);
}

int pgw_walk_kernel_page_table_range(struct pgw_mm *kernel_mm, uint64_t start, uint64_t end,
				     const struct pgw_mm_walk_ops *ops, const struct pgw_root *root,
				     void *arg)
{
	struct walk_args args = { kernel_mm, start, end, ops, root, arg };
	int err = walk_check_half(&args);

	if (!err && kernel_mm->half != PGW_HALF_KERNEL)
		err = -PGW_EINVAL;
	if (!err)
		err = mm_assert_locked(kernel_mm, PGW_RULE_NOVMA_KERNEL_READ, __func__);
	return err ? err : walk_half(&args);
}

int pgw_walk_kernel_page_table_range_lockless(struct pgw_mm *kernel_mm, uint64_t start,
					      uint64_t end, const struct pgw_mm_walk_ops *ops,
					      const struct pgw_root *root, void *arg)
{
	struct walk_args args = { kernel_mm, start, end, ops, root, arg };
	int err = walk_check_half(&args);

	if (!err && kernel_mm->half != PGW_HALF_KERNEL)
		err = -PGW_EINVAL;
	return err ? err : walk_half(&args);
}

/*
 * The tree that a debug walk of mm finds a half in: a root of both halves
 * holds the kernel's too, but an owned user mm's does not, and neither does
 * one of a format that gives each half a root.
 */
static const struct pt *debug_tree(const struct walk_args *args, enum pgw_half half)
{
	const struct pgw_mm *mm = args->mm;

	if (half == mm->half || !mm->kernel_mm)
		return &mm->pt;
	if (mm->kind == PGW_MM_OWNED || mm->pt.format->geometry.split_root)
		return &mm->kernel_mm->pt;
	return &mm->pt;
}

/* The part of the range that lies in one half. */
static int debug_half(const struct walk_args *args, enum pgw_half half, struct pgw_mm_walk *walk)
{
	const struct pt *pt = debug_tree(args, half);
	uint64_t first, last, end = args->end;

	pgw_format_half_range(pt->format, half, &first, &last);
	if (args->start > last || range_last(end) < first)
		return 0;
	if (half == PGW_HALF_USER && end > last)
		end = last + 1;
	return pt_ops(pt)->walk(pt, pt == &args->mm->pt ? walk_root(args, pt) : pt->root_pa,
				args->start > first ? args->start : first, end, walk);
}

/* The part of the range that lies between the halves: no table covers it. */
static int debug_gap(const struct walk_args *args, struct pgw_mm_walk *walk)
{
	uint64_t first, last, gap_start, gap_end;

	pgw_format_half_range(args->mm->pt.format, PGW_HALF_USER, &first, &last);
	gap_start = args->start > last + 1 ? args->start : last + 1;
	pgw_format_half_range(args->mm->pt.format, PGW_HALF_KERNEL, &first, &last);
	gap_end = args->end < first ? args->end : first;
	if (gap_start >= gap_end || !args->ops->pte_hole)
		return 0;
	return args->ops->pte_hole(gap_start, gap_end, -1, walk);
}

static int debug_check(const struct walk_args *args)
{
	/* Only a user mm with its kernel mm beside it has both halves. */
	if (args->mm && args->mm->half == PGW_HALF_USER && args->mm->kernel_mm)
		return walk_check(args);
	return walk_check_half(args);
}

int pgw_walk_page_range_debug(struct pgw_mm *mm, uint64_t start, uint64_t end,
			      const struct pgw_mm_walk_ops *ops, const struct pgw_root *root,
			      void *arg)
{
	struct walk_args args = { mm, start, end, ops, root, arg };
	struct pgw_mm_walk walk = walk_init(&args);
	int err = debug_check(&args);

	if (!err)
		err = mm_assert_write_locked(mm, PGW_RULE_DEBUG_WRITE, __func__);
	if (!err && mm->kernel_mm)
		err = mm_assert_write_locked(mm->kernel_mm, PGW_RULE_DEBUG_KERNEL_WRITE, __func__);
	if (!err)
		err = debug_half(&args, PGW_HALF_USER, &walk);
	if (!err)
		err = debug_gap(&args, &walk);
	if (!err)
		err = debug_half(&args, PGW_HALF_KERNEL, &walk);
	return err;
}
