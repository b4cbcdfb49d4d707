/* SPDX-License-Identifier: BSD-2-Clause */
#include "linux/users.h"

/* A page or a leaf of several, whole or as much of it as is in the range. */
static void account(struct smaps *smaps, unsigned long size, bool young, bool dirty)
{
	smaps->rss += size;
	smaps->referenced += young ? size : 0;
	smaps->dirty += dirty ? size : 0;
}

/* Only what is decided on one load of the entry holds: no lock keeps a pmd. */
static int smaps_pmd_entry(pmd_t *pmdp, unsigned long addr, unsigned long next,
			   struct mm_walk *walk)
{
	struct smaps *smaps = walk->private;
	pmd_t pmd = pmdp_get_lockless(pmdp);

	if (is_swap_pmd(pmd))
		smaps->swap += next - addr;
	if (!pmd_trans_huge(pmd))
		return 0;
	account(smaps, next - addr, pmd_young(pmd), pmd_dirty(pmd));
	smaps->huge += next - addr;
	walk->action = ACTION_CONTINUE; /* else it would be split, because there is a pte_entry */
	return 0;
}

static int smaps_pte_entry(pte_t *ptep, unsigned long addr, unsigned long next,
			   struct mm_walk *walk)
{
	struct smaps *smaps = walk->private;
	pte_t pte = ptep_get(ptep);

	if (pte_present(pte))
		account(smaps, next - addr, pte_young(pte), pte_dirty(pte));
	else if (is_swap_pte(pte))
		smaps->swap += next - addr;
	return 0;
}

static const struct mm_walk_ops smaps_ops = {
	.pmd_entry = smaps_pmd_entry,
	.pte_entry = smaps_pte_entry,
	.walk_lock = PGWALK_RDLOCK,
};

int smaps_vma(struct vm_area_struct *vma, struct smaps *ret)
{
	struct smaps smaps = { 0 };
	int err = walk_page_vma(vma, &smaps_ops, &smaps);

	if (!err)
		*ret = smaps;
	return err;
}
