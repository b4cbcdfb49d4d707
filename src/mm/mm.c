/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/mm.h>

#include "base/bits.h"
#include "mm/mm_priv.h"

/* What both kinds of mm are made with; the tree is the caller's to fill in. */
static int mm_create(const struct pgw_platform *platform, const struct pgw_format *format,
		     enum pgw_half half, struct pgw_mm *kernel_mm, struct pgw_mm **ret)
{
	struct pgw_mm *mm;

	if (!platform || !format || (half != PGW_HALF_USER && half != PGW_HALF_KERNEL))
		return -PGW_EINVAL;
	if (kernel_mm && (half == PGW_HALF_KERNEL || kernel_mm->half != PGW_HALF_KERNEL ||
			  kernel_mm->pt.format != format))
		return -PGW_EINVAL;
	mm = platform->obj_alloc(platform->ctx, sizeof(*mm));
	if (!mm)
		return -PGW_ENOMEM;
	mm->platform = platform;
	mm->half = half;
	mm->kernel_mm = kernel_mm;
	mm->pt.format = format;
	*ret = mm;
	return 0;
}

static bool root_is_valid(const struct pgw_format *format, struct pgw_root root)
{
	const struct pgw_geometry *geo = &format->geometry;
	uint64_t last;

	return !(root.pa & (pt_table_size(geo, geo->top_level) - 1)) &&
	       !add_overflows(root.pa, pt_table_size(geo, geo->top_level) - 1, &last) &&
	       last <= low_bits(geo->max_pa_bits);
}

int pgw_mm_attach(const struct pgw_mm_attach_args *args, struct pgw_mm **ret)
{
	struct pgw_mm *mm;
	int err;

	if (!args || !ret || !args->phys || !args->format || !root_is_valid(args->format, args->root))
		return -PGW_EINVAL;
	err = mm_create(args->platform, args->format, args->half, args->kernel_mm, &mm);
	if (err)
		return err;
	mm->kind = PGW_MM_SNAPSHOT;
	mm->pt.control = pgw_control_assume(args->format, &args->control);
	mm->pt.root_pa = args->root.pa;
	mm->pt.budget = args->budget ? args->budget : PGW_BUDGET_DEFAULT;
	mm->pt.phys = args->phys;
	*ret = mm;
	return 0;
}

int pgw_mm_new(const struct pgw_mm_new_args *args, struct pgw_mm **ret)
{
	const struct pgw_geometry *geo;
	struct pgw_mm *mm;
	void *table;
	int err;

	if (!args || !ret)
		return -PGW_EINVAL;
	err = mm_create(args->platform, args->format, args->half, args->kernel_mm, &mm);
	if (err)
		return err;
	geo = &args->format->geometry;
	table = args->platform->table_alloc(args->platform->ctx, pt_table_size(geo, geo->top_level));
	if (!table) {
		args->platform->obj_free(args->platform->ctx, mm, sizeof(*mm));
		return -PGW_ENOMEM;
	}
	mm->kind = PGW_MM_OWNED;
	mm->pt.control = pgw_control_assume(args->format, &args->control);
	mm->pt.budget = UINT64_MAX;
	mm->pt.host_offset = args->platform->table_offset;
	mm->pt.root_pa = (uint64_t)(uintptr_t)table - mm->pt.host_offset;
	*ret = mm;
	return 0;
}

void pgw_mm_free(struct pgw_mm *mm)
{
	if (!mm)
		return;
	if (mm->kind == PGW_MM_OWNED)
		mm->pt.format->edit->free_tables(&mm->pt, mm->platform);
	mm->platform->obj_free(mm->platform->ctx, mm, sizeof(*mm));
}

const struct pgw_format *pgw_mm_format(const struct pgw_mm *mm)
{
	return mm->pt.format;
}

enum pgw_half pgw_mm_half(const struct pgw_mm *mm)
{
	return mm->half;
}

enum pgw_mm_kind pgw_mm_get_kind(const struct pgw_mm *mm)
{
	return mm->kind;
}

struct pgw_root pgw_mm_root(const struct pgw_mm *mm)
{
	return (struct pgw_root){ .pa = mm->pt.root_pa };
}

struct pgw_mm *pgw_mm_kernel_mm(const struct pgw_mm *mm)
{
	return mm->kernel_mm;
}

const struct pgw_control *pgw_mm_control(const struct pgw_mm *mm)
{
	return &mm->pt.control;
}

bool mm_covers(const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	uint64_t half_first, half_last;

	pgw_format_half_range(mm->pt.format, mm->half, &half_first, &half_last);
	return first <= last && first >= half_first && last <= half_last;
}

int mm_assert_novma(const struct pgw_mm *mm, const char *function)
{
	if (mm->half == PGW_HALF_USER)
		return mm_assert_write_locked(mm, PGW_RULE_NOVMA_USER_WRITE, function);
	return mm_assert_locked(mm, PGW_RULE_NOVMA_KERNEL_READ, function);
}

/* What edits of one leaf need: a user mm's lock for write, a kernel mm's for read. */
static int edit_check(const struct pgw_mm *mm, uint64_t first, uint64_t last, const char *function)
{
	if (!mm || !mm_covers(mm, first, last))
		return -PGW_EINVAL;
	if (mm->kind != PGW_MM_OWNED)
		return -PGW_EOPNOTSUPP;
	if (mm->half == PGW_HALF_USER)
		return mm_assert_write_locked(mm, PGW_RULE_MMAP_WRITE_LOCKED, function);
	return mm_assert_locked(mm, PGW_RULE_MMAP_LOCKED, function);
}

int pgw_mm_map_leaf(struct pgw_mm *mm, const struct pgw_leaf *leaf)
{
	uint64_t span;
	int err;

	if (!mm || !leaf || leaf->level > mm->pt.format->geometry.top_level)
		return -PGW_EINVAL;
	span = low_bits(mm->pt.format->geometry.span_lg2[leaf->level]);
	if ((leaf->va & span) || (leaf->pa & span))
		return -PGW_EINVAL;
	err = edit_check(mm, leaf->va, leaf->va | span, __func__);
	return err ? err : mm->pt.format->edit->map_leaf(&mm->pt, mm->platform, leaf);
}

int pgw_mm_unmap_leaf(struct pgw_mm *mm, uint64_t va)
{
	uint8_t size_lg2;
	int err;

	err = edit_check(mm, va, va, __func__);
	if (!err)
		err = mm->pt.format->edit->unmap_leaf(&mm->pt, va, &size_lg2);
	if (!err && mm->platform->tlb_flush)
		mm->platform->tlb_flush(mm->platform->ctx, mm, va & ~low_bits(size_lg2),
					va | low_bits(size_lg2));
	return err;
}
