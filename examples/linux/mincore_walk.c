/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "linux/users.h"

/* The bytes of [addr, next) come next in the vector: the walk leaves out nothing of the range. */
static void tell(struct mm_walk *walk, unsigned long addr, unsigned long next, bool present)
{
	unsigned char **vec = walk->private;
	unsigned long nr = (next - addr) >> PAGE_SHIFT;

	memset(*vec, present, nr);
	*vec += nr;
}

static int mincore_pmd_entry(pmd_t *pmdp, unsigned long addr, unsigned long next,
			     struct mm_walk *walk)
{
	pmd_t pmd = pmdp_get_lockless(pmdp);

	/* Of what is not valid, and no table, nothing below is shown: it is here or never. */
	if (pmd_trans_huge(pmd) || is_swap_pmd(pmd)) {
		tell(walk, addr, next, pmd_trans_huge(pmd));
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

static int mincore_hole(unsigned long addr, unsigned long next, int depth, struct mm_walk *walk)
{
	(void)depth;
	tell(walk, addr, next, false);
	return 0;
}

/* One VMA only, so its own lock is enough. */
static const struct mm_walk_ops mincore_ops = {
	.pmd_entry = mincore_pmd_entry,
	.pte_entry = mincore_pte_entry,
	.pte_hole = mincore_hole,
	.walk_lock = PGWALK_VMA_RDLOCK_VERIFY,
};

int mincore_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end,
		unsigned char *vec)
{
	if ((start | end) & ~PAGE_MASK)
		return -PGW_EINVAL;
	return walk_page_range_vma(vma, start, end, &mincore_ops, &vec);
}
