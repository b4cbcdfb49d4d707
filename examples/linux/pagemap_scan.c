/* SPDX-License-Identifier: BSD-2-Clause */
#include "linux/users.h"

/* What a callback returns to end the walk: a limit is reached, and that is no error. */
#define SCAN_FULL 1

static bool is_wanted(const struct pagemap_scan *scan, unsigned categories)
{
	return (categories & scan->all) == scan->all && (!scan->any || (categories & scan->any));
}

/* Put [start, end) behind the ranges that are found. @return false: there is no room */
static bool append(struct pagemap_scan *scan, unsigned long start, unsigned long end,
		   unsigned categories)
{
	struct scan_range *last = scan->nr_ranges ? &scan->ranges[scan->nr_ranges - 1] : NULL;

	if (last && last->end == start && last->categories == categories) {
		last->end = end;
		return true;
	}
	if (scan->nr_ranges == scan->max_ranges)
		return false;
	scan->ranges[scan->nr_ranges++] = (struct scan_range){ start, end, categories };
	return true;
}

/* Pages from start to end, which are all of these categories. */
static int scan_output(struct pagemap_scan *scan, unsigned long start, unsigned long end,
		       unsigned categories)
{
	unsigned long nr = (end - start) >> PAGE_SHIFT, left = scan->max_pages - scan->nr_pages;
	bool is_cut = scan->max_pages && nr > left;

	if (!is_wanted(scan, categories)) {
		scan->walk_end = end;
		return 0;
	}
	if (is_cut)
		nr = left;
	if (!nr || !append(scan, start, start + (nr << PAGE_SHIFT), categories & scan->show))
		return SCAN_FULL;
	scan->nr_pages += nr;
	scan->walk_end = start + (nr << PAGE_SHIFT);
	return is_cut ? SCAN_FULL : 0;
}

static int scan_pmd_entry(pmd_t *pmdp, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	pmd_t pmd = pmdp_get_lockless(pmdp);
	unsigned categories = SCAN_PRESENT | SCAN_HUGE;

	if (!pmd_trans_huge(pmd))
		return is_swap_pmd(pmd)
			       ? scan_output(walk->private, addr, next, SCAN_SWAPPED | SCAN_HUGE)
			       : 0;
	categories |= pmd_write(pmd) ? SCAN_WRITABLE : 0;
	categories |= pmd_young(pmd) ? SCAN_YOUNG : 0;
	categories |= pmd_dirty(pmd) ? SCAN_DIRTY : 0;
	walk->action = ACTION_CONTINUE;
	return scan_output(walk->private, addr, next, categories);
}

static int scan_pte_entry(pte_t *ptep, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	pte_t pte = ptep_get(ptep);
	unsigned categories = SCAN_HOLE;

	if (pte_present(pte)) {
		categories = SCAN_PRESENT;
		categories |= pte_write(pte) ? SCAN_WRITABLE : 0;
		categories |= pte_young(pte) ? SCAN_YOUNG : 0;
		categories |= pte_dirty(pte) ? SCAN_DIRTY : 0;
	} else if (is_swap_pte(pte)) {
		categories = SCAN_SWAPPED;
	}
	return scan_output(walk->private, addr, next, categories);
}

/* No table, or no VMA: walk->vma says which. */
static int scan_hole(unsigned long addr, unsigned long next, int depth, struct mm_walk *walk)
{
	(void)depth;
	return scan_output(walk->private, addr, next, walk->vma ? SCAN_HOLE : SCAN_GAP);
}

static const struct mm_walk_ops scan_ops = {
	.pmd_entry = scan_pmd_entry,
	.pte_entry = scan_pte_entry,
	.pte_hole = scan_hole,
	.walk_lock = PGWALK_RDLOCK,
};

int pagemap_scan(struct mm_struct *mm, struct pagemap_scan *scan)
{
	int err;

	scan->nr_ranges = 0;
	scan->nr_pages = 0;
	scan->walk_end = scan->start;
	if ((scan->start | scan->end) & ~PAGE_MASK)
		return -PGW_EINVAL;
	mmap_read_lock(mm);
	err = walk_page_range(mm, scan->start, scan->end, &scan_ops, scan);
	mmap_read_unlock(mm);
	return err == SCAN_FULL ? 0 : err;
}
