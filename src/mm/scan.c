/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/scan.h>

#include "mm/mm_priv.h"

int pgw_scan(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
	     struct pgw_scan_stats *stats)
{
	struct pgw_scan_stats unwanted;
	int err;

	if (!stats)
		stats = &unwanted;
	*stats = (struct pgw_scan_stats){ 0 };
	if (!mm || !fn || !mm_covers(mm, first, last))
		return -PGW_EINVAL;
	err = mm_assert_novma(mm, __func__);
	return err ? err : pt_ops(&mm->pt)->scan(&mm->pt, first, last, fn, arg, stats);
}

int pgw_scan_extents(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg)
{
	return pgw_scan(mm, first, last, fn, arg, NULL);
}

/* Between the halves no table is looked at: nothing is mapped there. */
static void translate_outside(const struct pgw_mm *mm, struct pgw_translation *ret,
			      struct pgw_path *path)
{
	uint64_t first, last;

	pgw_format_half_range(mm->pt.format, PGW_HALF_USER, &first, &last);
	*ret = (struct pgw_translation){
		.kind = PGW_ENTRY_EMPTY,
		.level = mm->pt.format->geometry.top_level,
		.va_first = last + 1,
	};
	pgw_format_half_range(mm->pt.format, PGW_HALF_KERNEL, &first, &last);
	ret->va_last = first - 1;
	if (path)
		path->nr_steps = 0;
}

static int translate(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret,
		     struct pgw_path *path, const char *function)
{
	enum pgw_half half;
	bool outside;
	int err;

	if (!mm || !ret)
		return -PGW_EINVAL;
	outside = !pt_va_half(mm->pt.format, va, &half);
	if (!outside && half != mm->half)
		return -PGW_EINVAL;
	err = mm_assert_novma(mm, function);
	if (err)
		return err;
	if (outside)
		translate_outside(mm, ret, path);
	else
		pt_ops(&mm->pt)->translate(&mm->pt, va, ret, path);
	return 0;
}

int pgw_translate(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret)
{
	return translate(mm, va, ret, NULL, __func__);
}

int pgw_translate_path(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret,
		       struct pgw_path *ret_path)
{
	return translate(mm, va, ret, ret_path, __func__);
}

size_t pgw_translate_batch(struct pgw_mm *mm, const uint64_t *va, struct pgw_translation *ret,
			   size_t n)
{
	size_t done = 0;

	while (done < n && !translate(mm, va[done], &ret[done], NULL, __func__))
		done++;
	return done;
}
