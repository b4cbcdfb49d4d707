/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Equal pages are told, not merged: to put one frame in the place of another it has to be
 * write-protected, flushed and compared once more, and the library has no call that does this to
 * a leaf under a VMA.
 */

#include <stdlib.h>
#include <string.h>

#include "linux/users.h"

struct ksm_item {
	unsigned long addr, pfn;
	const void *bytes; /* the page is ours to look at until put_page() */
	uint64_t checksum;
};

struct ksm_pass {
	const struct ksm_owner *owner;
	struct ksm_item *items;
	size_t nr, max;
};

static int ksm_test_walk(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	const struct ksm_pass *pass = walk->private;

	(void)start, (void)end;
	return pass->owner->is_mergeable(walk->vma) ? 0 : 1; /* 1: not this VMA */
}

/* Only small pages are compared. */
static int ksm_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	(void)addr, (void)next;
	if (pmd_trans_huge(pmdp_get_lockless(pmd)))
		walk->action = ACTION_CONTINUE;
	return 0;
}

/* With the table's lock: take the page, and look at it later. */
static int ksm_pte_entry(pte_t *ptep, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct ksm_pass *pass = walk->private;
	struct ksm_item *item = &pass->items[pass->nr];
	pte_t pte = ptep_get(ptep);

	(void)next;
	if (!pte_present(pte) || pass->nr == pass->max)
		return 0;
	item->addr = addr;
	item->pfn = pte_pfn(pte);
	item->bytes = pass->owner->get_page(item->pfn, pass->owner->ctx);
	pass->nr += item->bytes != NULL;
	return 0;
}

static const struct mm_walk_ops ksm_ops = {
	.test_walk = ksm_test_walk,
	.pmd_entry = ksm_pmd_entry,
	.pte_entry = ksm_pte_entry,
	.walk_lock = PGWALK_RDLOCK,
};

/* Room for all pages that may be found, so that no callback has to ask for memory. */
static int ksm_collect(struct mm_struct *mm, struct ksm_pass *pass) PGW_REQUIRES_SHARED(mm)
{
	unsigned long first = pgw_mm_region(mm)->first, last = pgw_mm_region(mm)->last;
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma)
	{
		if (pass->owner->is_mergeable(vma))
			pass->max += vma_pages(vma);
	}
	pass->items = calloc(pass->max + 1, sizeof(*pass->items));
	if (!pass->items)
		return -PGW_ENOMEM;
	return walk_page_range(mm, first, last == UINT64_MAX ? last : last + 1, &ksm_ops, pass);
}

/* FNV-1a of the page's words. */
static uint64_t checksum(const void *bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325), word;

	for (size_t at = 0; at < PAGE_SIZE; at += sizeof(word)) {
		memcpy(&word, (const unsigned char *)bytes + at, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
	}
	return sum;
}

/* Those that may be equal side by side, and of these the lowest first. */
static int compare_items(const void *left, const void *right)
{
	const struct ksm_item *a = left, *b = right;

	if (a->checksum != b->checksum)
		return a->checksum < b->checksum ? -1 : 1;
	return a->addr < b->addr ? -1 : 1;
}

static int compare_pairs(const void *left, const void *right)
{
	const struct ksm_pair *a = left, *b = right;

	return a->other < b->other ? -1 : 1;
}

/* The lowest page that is equal to an item, among those of its checksum before it; or itself. */
static const struct ksm_item *find_equal(const struct ksm_pass *pass, size_t first, size_t i)
{
	const struct ksm_item *item = &pass->items[i];

	for (size_t n = first; n < i; n++) {
		/* One frame at two addresses is merged already. */
		if (pass->items[n].pfn != item->pfn &&
		    !memcmp(pass->items[n].bytes, item->bytes, PAGE_SIZE))
			return &pass->items[n];
	}
	return item;
}

static size_t ksm_compare(struct ksm_pass *pass, struct ksm_pair *pairs)
{
	size_t first = 0, nr = 0;

	for (size_t i = 0; i < pass->nr; i++)
		pass->items[i].checksum = checksum(pass->items[i].bytes);
	qsort(pass->items, pass->nr, sizeof(*pass->items), compare_items);
	for (size_t i = 0; i < pass->nr; i++) {
		const struct ksm_item *equal;

		if (pass->items[i].checksum != pass->items[first].checksum)
			first = i;
		equal = find_equal(pass, first, i);
		if (equal != &pass->items[i])
			pairs[nr++] = (struct ksm_pair){ equal->addr, pass->items[i].addr };
	}
	qsort(pairs, nr, sizeof(*pairs), compare_pairs);
	return nr;
}

int ksm_scan(struct mm_struct *mm, const struct ksm_owner *owner, struct ksm_pair **ret_pairs,
	     size_t *ret_nr)
{
	struct ksm_pass pass = { .owner = owner };
	struct ksm_pair *pairs = NULL;
	int err;

	mmap_read_lock(mm);
	err = ksm_collect(mm, &pass);
	mmap_read_unlock(mm);
	if (!err) {
		pairs = calloc(pass.nr + 1, sizeof(*pairs));
		err = pairs ? 0 : -PGW_ENOMEM;
	}
	if (!err) {
		*ret_nr = ksm_compare(&pass, pairs);
		*ret_pairs = pairs;
	}
	for (size_t i = 0; i < pass.nr; i++)
		owner->put_page(pass.items[i].pfn, owner->ctx);
	free(pass.items);
	return err;
}
