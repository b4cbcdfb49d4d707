/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/scan.h>

#include "mm/lock_slots.h"
#include "mm/mm_priv.h"
#include "pt/read/live.h"

/* What all scans of a range ask first; *stats is where to count. */
static int scan_check(struct pgw_mm *mm, uint64_t first, uint64_t last, bool has_fn,
		      struct pgw_scan_stats *stats, const char *function)
{
	*stats = (struct pgw_scan_stats){ 0 };
	if (!mm || !has_fn || !mm_covers(mm, first, last))
		return -PGW_EINVAL;
	return mm_assert_novma(mm, function);
}

int pgw_scan(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
	     struct pgw_scan_stats *stats)
{
	struct pgw_scan_stats unwanted;
	int err;

	if (!stats)
		stats = &unwanted;
	err = scan_check(mm, first, last, fn, stats, __func__);
	return err ? err : pt_ops(&mm->pt)->scan(&mm->pt, first, last, fn, arg, stats);
}

int pgw_scan_blocks(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extents_fn *fn, void *arg,
		    struct pgw_scan_stats *stats)
{
	struct pgw_scan_stats unwanted;
	int err;

	if (!stats)
		stats = &unwanted;
	err = scan_check(mm, first, last, fn, stats, __func__);
	return err ? err
		   : pt_ops(&mm->pt)->scan_blocks(&mm->pt, first, last,
						  &(struct pgw_scan_ops){ .extents = fn }, arg,
						  stats);
}

int pgw_scan_with(struct pgw_mm *mm, uint64_t first, uint64_t last, const struct pgw_scan_ops *ops,
		  void *arg, struct pgw_scan_stats *stats)
{
	struct pgw_scan_stats unwanted;
	int err;

	if (!stats)
		stats = &unwanted;
	err = scan_check(mm, first, last, ops && ops->extents && !ops->begin == !ops->end, stats,
			 __func__);
	return err ? err : pt_ops(&mm->pt)->scan_blocks(&mm->pt, first, last, ops, arg, stats);
}

int pgw_scan_extents(struct pgw_mm *mm, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg)
{
	return pgw_scan(mm, first, last, fn, arg, NULL);
}

/*
 * What of a region of the format is the mm's: all, but for its own, of which a root with few items has
 * less. (Where the operating system chooses, what its own lacks is the other one's.)
 */
static const struct pgw_region *region_here(const struct pgw_mm *mm,
					    const struct pgw_region *region)
{
	return region->kind == mm->pt.region.kind && !region->is_chosen ? &mm->pt.region : region;
}

/* Between the regions no table is looked at: nothing is mapped there. */
static void translate_outside(const struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret,
			      struct pgw_path *path)
{
	*ret = (struct pgw_translation){
		.kind = PGW_ENTRY_NONCANONICAL,
		.level = mm->pt.format->geometry.top_level,
		.va_last = UINT64_MAX,
	};
	for (const struct pgw_region *each = mm->pt.format->regions; each->name; each++) {
		const struct pgw_region *region = region_here(mm, each);

		if (region->last < va && region->last >= ret->va_first)
			ret->va_first = region->last + 1;
		if (region->first > va && region->first <= ret->va_last)
			ret->va_last = region->first - 1;
	}
	if (path)
		path->nr_steps = 0;
}

/* An address that is not in the mm's region. */
static PGW_NOINLINE int translate_foreign(const struct pgw_mm *mm, uint64_t va,
					  struct pgw_translation *ret, struct pgw_path *path,
					  const char *function)
{
	const struct pgw_region *region = pgw_format_region_of(mm->pt.format, va);
	int err;

	if (region && region_here(mm, region) == region)
		return -PGW_EINVAL;
	err = mm_assert_novma(mm, function);
	if (!err)
		translate_outside(mm, va, ret, path);
	return err;
}

/* An address space whose tables change. */
static PGW_NOINLINE int translate_locked(struct pgw_mm *mm, uint64_t va,
					 struct pgw_translation *ret, struct pgw_path *path,
					 const char *function)
{
	int err = mm_assert_novma(mm, function);

	if (err)
		return err;
	return mm->kind == PGW_MM_LIVE ? pt_translate_live(&mm->pt, va, ret, path)
				       : pt_ops(&mm->pt)->translate(&mm->pt, va, ret, path);
}

static PGW_ALWAYS_INLINE int translate(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret,
				       struct pgw_path *path, const char *function)
{
	if (pgw_unlikely(!mm || !ret))
		return -PGW_EINVAL;
	if (pgw_unlikely(va - mm->pt.region.first > mm->pt.region.last - mm->pt.region.first))
		return translate_foreign(mm, va, ret, path, function);
	/* A snapshot's lock is always held. */
	if (pgw_unlikely(mm->kind != PGW_MM_SNAPSHOT))
		return translate_locked(mm, va, ret, path, function);
	if (mm->pt.recall && !path)
		return pt_recall_translate(&mm->pt, va, ret);
	return pt_ops(&mm->pt)->translate(&mm->pt, va, ret, path);
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

/* Holds no lock. */
static const struct pgw_thread nobody;

static void cursor_forget(struct pgw_translate_cursor *cursor)
{
	for (unsigned level = 0; level < PGW_CURSOR_LEVELS; level++)
		cursor->span[level] = UINT64_MAX;
}

int pgw_translate_cursor_init(struct pgw_translate_cursor *cursor, struct pgw_mm *mm)
{
	if (!cursor || !mm)
		return -PGW_EINVAL;
	*cursor = (struct pgw_translate_cursor){ .mm = mm, .thread = &nobody };
	cursor_forget(cursor);
	return 0;
}

/* Does the thread still hold the lock where it was found last, in a mode that will do? */
static PGW_ALWAYS_INLINE bool cursor_is_locked(const struct pgw_translate_cursor *cursor,
					       const struct pgw_mm *mm)
{
	const struct pgw_thread *thread = cursor->thread;

	return slot_holds(thread, cursor->held_slot, &mm->lock) &&
	       (mm->pt.region.kind == PGW_REGION_KERNEL ||
		slot_mode(thread, cursor->held_slot) == PGW_LOCK_WRITE);
}

/* Nothing has to be asked or found out before the next translation. */
static PGW_ALWAYS_INLINE bool cursor_is_ready(const struct pgw_translate_cursor *cursor,
					      const struct pgw_mm *mm, uint64_t va)
{
	const struct pgw_region *region = &mm->pt.region;

	return va - region->first <= region->last - region->first &&
	       (mm->kind == PGW_MM_SNAPSHOT ||
		(mm->kind == PGW_MM_OWNED && cursor_is_locked(cursor, mm) &&
		 cursor->nr_unlinked == step_load_n(&mm->nr_unlinked, __ATOMIC_RELAXED)));
}

static PGW_ALWAYS_INLINE int cursor_translate(struct pgw_translate_cursor *cursor, uint64_t va,
					      struct pgw_translation *ret)
{
	const struct pt *pt = &cursor->mm->pt;

	return pt->recall ? pt_recall_translate_by(pt, &cursor->end, va, ret)
			  : pt_ops(pt)->translate_by(pt, cursor, va, ret);
}

/* An address in no region of the mm, a live mm, or a lock and tables that may not be what they were. */
static PGW_NOINLINE int cursor_translate_slowly(struct pgw_translate_cursor *cursor, uint64_t va,
						struct pgw_translation *ret, const char *function)
{
	struct pgw_mm *mm = cursor->mm;
	int err;

	if (mm->kind != PGW_MM_OWNED || !mm_covers(mm, va, va))
		return translate(mm, va, ret, NULL, function);
	err = mm_assert_novma(mm, function);
	if (err)
		return err;
	cursor->thread = mm->platform->current(mm->platform->ctx);
	cursor->held_slot = mmap_lock_held_slot(&mm->lock, cursor->thread);
	/* It does not hold it, which was told and let pass: it is asked each time. */
	if (cursor->held_slot == PGW_MAX_HELD) {
		cursor->thread = &nobody;
		cursor->held_slot = 0;
	}
	cursor->nr_unlinked = step_load_n(&mm->nr_unlinked, __ATOMIC_RELAXED);
	cursor_forget(cursor);
	return cursor_translate(cursor, va, ret);
}

int pgw_translate_by(struct pgw_translate_cursor *cursor, uint64_t va, struct pgw_translation *ret)
{
	if (pgw_unlikely(!cursor || !ret))
		return -PGW_EINVAL;
	if (pgw_unlikely(!cursor_is_ready(cursor, cursor->mm, va)))
		return cursor_translate_slowly(cursor, va, ret, __func__);
	return cursor_translate(cursor, va, ret);
}

/* How many of the addresses, from the first on, are in the mm's region? */
static size_t translate_inside(const struct pgw_mm *mm, const uint64_t *va, size_t n)
{
	const uint64_t first = mm->pt.region.first, span = mm->pt.region.last - mm->pt.region.first;
	uint64_t beyond = 0;
	size_t nr = 0;

	/* Seldom not all of them. Exact, as most regions have 2^n addresses; else the loop tells. */
	for (size_t i = 0; i < n; i++)
		beyond |= va[i] - first;
	if (pgw_likely(beyond <= span))
		return n;
	while (nr < n && va[nr] - first <= span)
		nr++;
	return nr;
}

size_t pgw_translate_batch(struct pgw_mm *mm, const uint64_t *va, struct pgw_translation *ret,
			   size_t n)
{
	size_t done = 0;

	if (!mm || !va || !ret || (mm->kind != PGW_MM_SNAPSHOT && mm_assert_novma(mm, __func__)))
		return 0;
	while (done < n && mm->kind == PGW_MM_LIVE) {
		if (translate(mm, va[done], &ret[done], NULL, __func__))
			return done;
		done++;
	}
	while (done < n) {
		size_t nr = translate_inside(mm, va + done, n - done);

		if (mm->pt.recall)
			pt_recall_translate_batch(&mm->pt, va + done, ret + done, nr);
		else
			pt_ops(&mm->pt)->translate_batch(&mm->pt, va + done, ret + done, nr);
		done += nr;
		if (done == n || translate_foreign(mm, va[done], &ret[done], NULL, __func__))
			break;
		done++;
	}
	return done;
}
