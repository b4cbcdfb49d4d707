/* SPDX-License-Identifier: BSD-2-Clause */
#include "linux/users.h"

/** What is asked of one page. */
struct sample {
	bool clear; /* its accessed bit, too */
	bool young; /* the answer */
};

/* A huge page has one bit for all of it. */
static int sample_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	struct sample *sample = walk->private;

	(void)addr, (void)next;
	if (!pmd_trans_huge(pmdp_get_lockless(pmd)))
		return 0;
	sample->young = sample->clear ? pmdp_test_and_clear_young(walk->vma, addr, pmd)
				      : pmd_young(pmdp_get_lockless(pmd));
	walk->action = ACTION_CONTINUE;
	return 0;
}

static int sample_pte_entry(pte_t *pte, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	struct sample *sample = walk->private;

	(void)addr, (void)next;
	sample->young = sample->clear ? ptep_test_and_clear_young(walk->vma, addr, pte)
				      : pte_present(ptep_get(pte)) && pte_young(ptep_get(pte));
	return 0;
}

static const struct mm_walk_ops sample_ops = {
	.pmd_entry = sample_pmd_entry,
	.pte_entry = sample_pte_entry,
	.walk_lock = PGWALK_RDLOCK,
};

/* The page that holds addr, of one byte's length: the walker visits it whole. */
static int sample_page(struct mm_struct *mm, unsigned long addr, struct sample *sample)
	PGW_REQUIRES_SHARED(mm)
{
	return walk_page_range(mm, addr, addr + 1, &sample_ops, sample);
}

static uint64_t next_random(struct damon *damon)
{
	damon->random ^= damon->random << 13;
	damon->random ^= damon->random >> 7;
	damon->random ^= damon->random << 17;
	return damon->random;
}

/*
 * No TLB is flushed, as in the kernel: a translation that is cached may keep the MMU from setting
 * the bit again for a while, and a sample may be lost. pgw_mm_harvest() flushes.
 */
int damon_prepare(struct damon *damon)
{
	int err = 0;

	mmap_read_lock(damon->mm);
	for (size_t i = 0; i < damon->nr_regions && !err; i++) {
		struct damon_region *region = &damon->regions[i];
		unsigned long nr = (region->end - region->start) >> PAGE_SHIFT;
		struct sample sample = { .clear = true };

		region->sampling_addr = region->start + ((next_random(damon) % nr) << PAGE_SHIFT);
		err = sample_page(damon->mm, region->sampling_addr, &sample);
	}
	mmap_read_unlock(damon->mm);
	return err;
}

int damon_check(struct damon *damon)
{
	int err = 0;

	mmap_read_lock(damon->mm);
	for (size_t i = 0; i < damon->nr_regions && !err; i++) {
		struct sample sample = { .clear = false };

		err = sample_page(damon->mm, damon->regions[i].sampling_addr, &sample);
		damon->regions[i].nr_accesses += sample.young;
	}
	mmap_read_unlock(damon->mm);
	return err;
}

static unsigned differ(unsigned a, unsigned b)
{
	return a > b ? a - b : b - a;
}

void damon_merge(struct damon *damon, unsigned threshold)
{
	size_t kept = 0;

	for (size_t i = 1; i < damon->nr_regions; i++) {
		struct damon_region *last = &damon->regions[kept], *region = &damon->regions[i];

		if (last->end == region->start &&
		    differ(last->nr_accesses, region->nr_accesses) <= threshold)
			last->end = region->end;
		else
			damon->regions[++kept] = *region;
	}
	if (damon->nr_regions)
		damon->nr_regions = kept + 1;
}
