/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "linux/users.h"

struct mincore {
	unsigned long start; /* of the first byte's page */
	unsigned char *vec;
};

static void tell(struct mm_walk *walk, unsigned long addr, unsigned long next, bool present)
{
	struct mincore *mincore = walk->private;

	memset(mincore->vec + ((addr - mincore->start) >> PAGE_SHIFT), present,
	       (next - addr) >> PAGE_SHIFT);
}

/* Holes of any kind, which need no callback. Not before the walk: it may be refused. */
static int mincore_pre_vma(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	tell(walk, start, end, false);
	return 0;
}

static int mincore_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next,
			     struct mm_walk *walk)
{
	if (pmd_trans_huge(pmdp_get_lockless(pmd))) {
		tell(walk, addr, next, true);
		walk->action = ACTION_CONTINUE;
	}
	return 0;
}

static int mincore_pte_entry(pte_t *pte, unsigned long addr, unsigned long next,
			     struct mm_walk *walk)
{
	tell(walk, addr, next, pte_present(ptep_get(pte)));
	return 0;
}

/* One VMA only, so its own lock is enough. */
static const struct mm_walk_ops mincore_ops = {
	.pre_vma = mincore_pre_vma,
	.pmd_entry = mincore_pmd_entry,
	.pte_entry = mincore_pte_entry,
	.walk_lock = PGWALK_VMA_RDLOCK_VERIFY,
};

int mincore_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end,
		unsigned char *vec)
{
	struct mincore mincore = { start, vec };

	if ((start | end) & ~PAGE_MASK)
		return -PGW_EINVAL;
	return walk_page_range_vma(vma, start, end, &mincore_ops, &mincore);
}
