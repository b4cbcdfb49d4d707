/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/edit.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/vma_lock.h"
#include "pt/read/gather.h"

/* Changes to the tables of owned mms: arguments, then the lock, then pt does it. */

/* One change: what pt wants to know. */
struct edit {
	struct pt_gather gather;
	struct pt_edit pt;
};

static const struct pt_edit *edit_begin(struct edit *edit, const struct pgw_mm *mm,
					enum pt_policy policy)
{
	gather_init(&edit->gather, &mm->pt, policy);
	edit->pt = (struct pt_edit){ .pt = &mm->pt, .policy = policy, .gather = &edit->gather };
	return &edit->pt;
}

static int edit_end(struct edit *edit, int err)
{
	gather_flush(&edit->gather);
	return err;
}

static PGW_NOINLINE int edit_violation(const struct pgw_mm *mm, const char *function)
{
	return mm_violation(mm,
			    mm->pt.region.kind == PGW_REGION_USER ? PGW_RULE_MMAP_WRITE_LOCKED
								  : PGW_RULE_MMAP_LOCKED,
			    function);
}

/* What every edit needs: an owned mm; a user mm's lock for write, any other's for read. */
static PGW_ALWAYS_INLINE int edit_check(const struct pgw_mm *mm, uint64_t first, uint64_t last,
					const char *function)
{
	enum pgw_lock_mode mode;

	if (pgw_unlikely(!mm || !mm_covers(mm, first, last)))
		return -PGW_EINVAL;
	if (pgw_unlikely(mm->kind != PGW_MM_OWNED))
		return -PGW_EOPNOTSUPP;
	mode = mmap_lock_mode(&mm->lock, mm->platform);
	if (pgw_likely(mode == PGW_LOCK_WRITE ||
		       (mode != PGW_LOCK_NONE && mm->pt.region.kind != PGW_REGION_USER)))
		return 0;
	return edit_violation(mm, function);
}

/* The same for a range, which must be aligned. */
static PGW_ALWAYS_INLINE int edit_check_range(const struct pgw_mm *mm, uint64_t first,
					      uint64_t last, const char *function)
{
	if (pgw_unlikely(!mm || ((first | (last + 1)) & mm->pt.page_mask)))
		return -PGW_EINVAL;
	return edit_check(mm, first, last, function);
}

/* What is there may be a leaf in the root. */
static int edit_check_root(const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	return mm->pt.region.kind == PGW_REGION_KERNEL && mm_root_leaf_is_shared(mm, first, last)
		       ? -PGW_EBUSY
		       : 0;
}

int pgw_mm_leaf_encode(const struct pgw_mm *mm, const struct pgw_leaf *leaf, uint64_t *ret)
{
	if (!mm || !leaf || !ret || leaf->level > mm->pt.format->geometry.top_level)
		return -PGW_EINVAL;
	if (mm->kind != PGW_MM_OWNED)
		return -PGW_EOPNOTSUPP;
	return mm->pt.format->edit->encode(&mm->pt, leaf, ret);
}

int pgw_mm_map_leaf(struct pgw_mm *mm, const struct pgw_leaf *leaf)
{
	struct edit edit;
	uint64_t span;
	int err;

	if (!mm || !leaf || leaf->level > mm->pt.format->geometry.top_level)
		return -PGW_EINVAL;
	span = low_bits(mm->pt.format->geometry.span_lg2[leaf->level]);
	if ((leaf->va & span) || (leaf->pa & span))
		return -PGW_EINVAL;
	err = edit_check(mm, leaf->va, leaf->va | span, __func__);
	if (err)
		return err;
	edit_begin(&edit, mm, mm_policy(mm));
	return edit_end(&edit, mm->pt.format->edit->map_leaf(&edit.pt, leaf));
}

int pgw_mm_unmap_leaf(struct pgw_mm *mm, uint64_t va)
{
	struct edit edit;
	int err = edit_check(mm, va, va, __func__);

	if (!err)
		err = edit_check_root(mm, va, va);
	if (err)
		return err;
	edit_begin(&edit, mm, mm_policy(mm));
	return edit_end(&edit, mm->pt.format->edit->unmap_leaf(&edit.pt, va));
}

/* The operations for ranges; those for a page, which have less to do, do not pay for their gather. */

static PGW_NOINLINE int map_range(const struct pgw_mm *mm, const struct pgw_map_args *args)
{
	struct edit edit;

	edit_begin(&edit, mm, mm_policy(mm));
	return edit_end(&edit, mm->pt.format->edit->map(&edit.pt, args));
}

static PGW_NOINLINE int unmap_range(const struct pgw_mm *mm, uint64_t first, uint64_t last,
				    enum pgw_unmap_how how)
{
	struct edit edit;
	int err = edit_check_root(mm, first, last);

	if (err)
		return err;
	edit_begin(&edit, mm, mm_policy(mm));
	return edit_end(&edit, mm->pt.format->edit->unmap(&edit.pt, first, last, how));
}

/* What sticks out of the range is split. */
static PGW_NOINLINE int protect_range(const struct pgw_mm *mm, uint64_t first, uint64_t last,
				      uint8_t rights)
{
	const struct pt_edit_ops *ops = mm->pt.format->edit;
	const struct pt_edit *pt;
	struct edit edit;
	int err = edit_check_root(mm, first, last);

	if (err)
		return err;
	pt = edit_begin(&edit, mm, mm_policy(mm));
	if (!ops->can_protect(&mm->pt, rights))
		err = -PGW_EOPNOTSUPP;
	if (!err)
		err = ops->split_at(pt, first);
	if (!err)
		err = ops->split_at(pt, last + 1);
	if (!err)
		err = ops->protect(pt, first, last, rights);
	return edit_end(&edit, err);
}

int pgw_mm_map(struct pgw_mm *mm, const struct pgw_map_args *args)
{
	int err;

	if (pgw_unlikely(!mm || !args || (args->rights & ~_PGW_RIGHT_ALL) ||
			 (args->pa & mm->pt.page_mask)))
		return -PGW_EINVAL;
	err = edit_check_range(mm, args->first, args->last, __func__);
	if (!err && args->last - args->first == mm->pt.page_mask)
		err = mm->pt.format->edit->map_page(&mm->page_edit, args);
	else if (!err)
		err = PT_OTHERWISE;
	return err == PT_OTHERWISE ? map_range(mm, args) : err;
}

int pgw_mm_unmap(struct pgw_mm *mm, uint64_t first, uint64_t last, enum pgw_unmap_how how)
{
	int err;

	if (how != PGW_UNMAP_EXACT && how != PGW_UNMAP_SPLIT && how != PGW_UNMAP_WHOLE)
		return -PGW_EINVAL;
	err = edit_check_range(mm, first, last, __func__);
	if (!err && last - first == mm->pt.page_mask)
		err = mm->pt.format->edit->unmap_page(&mm->page_edit, first);
	else if (!err)
		err = PT_OTHERWISE;
	return err == PT_OTHERWISE ? unmap_range(mm, first, last, how) : err;
}

int pgw_mm_protect(struct pgw_mm *mm, uint64_t first, uint64_t last, uint8_t rights)
{
	int err;

	if (rights & ~_PGW_RIGHT_ALL)
		return -PGW_EINVAL;
	err = edit_check_range(mm, first, last, __func__);
	if (!err && last - first == mm->pt.page_mask)
		err = mm->pt.format->edit->protect_page(&mm->page_edit, first, rights);
	else if (!err)
		err = PT_OTHERWISE;
	return err == PT_OTHERWISE ? protect_range(mm, first, last, rights) : err;
}

int pgw_mm_split(struct pgw_mm *mm, uint64_t first, uint64_t last, uint8_t max_lg2)
{
	struct edit edit;
	int err = edit_check_range(mm, first, last, __func__);

	if (!err)
		err = edit_check_root(mm, first, last);
	if (err)
		return err;
	edit_begin(&edit, mm, mm_policy(mm));
	return edit_end(&edit, mm->pt.format->edit->split(&edit.pt, first, last, max_lg2));
}

/*
 * Who holds a VMA's lock may be at the tables without the mmap lock, and is a
 * reader only at the lowest ones: such VMAs are locked for write first. So may who found
 * a VMA by its file, whose i_mmap lock is locked for write: of one file at most. Other
 * changes of leaves that are under way elsewhere in the tables are why this
 * edit is PT_SHARED all the same.
 */
static int collapse_lock(struct pgw_mm *mm, uint64_t first, uint64_t last, struct pgw_mapping **ret)
{
	struct pgw_mapping *mapping = NULL;

	for (struct pgw_vma *vma = pgw_vma_find(mm, first); vma && vma->start <= last;
	     vma = pgw_vma_find(mm, vma->end)) {
		if (vma->mapping && (vma->start > first || vma->end <= last))
			return -PGW_EBUSY;
		mapping = vma->mapping;
		vma_lock_write(vma);
	}
	*ret = mapping;
	return mapping ? pgw_mapping_write_lock(mapping) : 0;
}

/* The tables change under others, who keep the rule. */
PGW_NO_THREAD_SAFETY_ANALYSIS static int
collapse_shared(struct pgw_mm *mm, const struct pt_edit *pt, uint64_t va, uint8_t size_lg2)
{
	struct pgw_mapping *mapping;
	int err = collapse_lock(mm, va & ~low_bits(size_lg2), va | low_bits(size_lg2), &mapping);

	if (err)
		return err;
	pgw_reader_enter(mm->platform);
	err = mm->pt.format->edit->collapse(pt, va, size_lg2);
	pgw_reader_leave(mm->platform);
	if (mapping)
		pgw_mapping_write_unlock(mapping);
	return err;
}

int pgw_mm_collapse(struct pgw_mm *mm, uint64_t va, uint8_t size_lg2)
{
	enum pt_policy policy;
	struct edit edit;
	int err = size_lg2 > 63 ? -PGW_EINVAL : edit_check(mm, va, va, __func__);

	/* Who walks the tables that it frees holds the lock for read, and is no reader. */
	if (!err && mm->pt.region.kind == PGW_REGION_FOREIGN)
		err = mm_assert_write_locked(mm, PGW_RULE_MMAP_WRITE_LOCKED, __func__);
	if (err)
		return err;
	policy = mm->policy == PGW_POLICY_SINGLE ? PT_SINGLE : PT_SHARED;
	if (mm->pt.region.kind == PGW_REGION_KERNEL && policy != PT_SINGLE)
		return -PGW_EOPNOTSUPP;
	edit_begin(&edit, mm, policy);
	if (policy == PT_SHARED)
		err = collapse_shared(mm, &edit.pt, va, size_lg2);
	else
		err = mm->pt.format->edit->collapse(&edit.pt, va, size_lg2);
	return edit_end(&edit, err);
}
