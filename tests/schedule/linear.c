/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Linearizability: whatever the threads did at the same time, some order of their operations, in
 * which none comes before one that had ended when it began, gives the same results and the
 * same pages, each operation being one step on sorted arrays.
 */

#include "schedule/world.h"

static bool is_same(struct world *w, const struct model *m)
{
	for (unsigned i = 0; i < WORLD_USER_WATCHED; i++) {
		const struct model_page *page = &m->page[i];
		struct pgw_vma *vma = pgw_vma_lookup(w->mm, world_va(i));
		struct tlb_entry now = mmu_look(w, i);

		if (page->vma != (vma ? vma->flags : 0) || page->is_mapped != (now.leaf != 0) ||
		    page->is_guard != (now.table[0] && now.raw == pgw_mm_guard_entry(w->mm)))
			return false;
	}
	return pgw_mapping_nr_pages(w->mapping) == m->file_pages;
}

/* May thread i be the next, of those whose bit in left is set? */
static bool may_be_next(const struct world *w, unsigned left, unsigned i)
{
	for (unsigned k = 0; k < w->nr_threads; k++) {
		if (k != i && (left >> k & 1) && w->deed[k].end < w->deed[i].begin)
			return false;
	}
	return true;
}

/* At most four levels deep. */
static bool some_order(struct world *w, const struct model *m, unsigned left)
{
	if (!left)
		return is_same(w, m);
	for (unsigned i = 0; i < w->nr_threads; i++) {
		struct model next = *m;
		int result = 0;

		if (!(left >> i & 1) || !may_be_next(w, left, i))
			continue;
		if (w->operation[i]->model)
			result = w->operation[i]->model(&next, i);
		if ((result == RESULT_ANY || result == w->deed[i].result) &&
		    some_order(w, &next, left & ~(1U << i)))
			return true;
	}
	return false;
}

void oracle_linear(struct world *w)
{
	pgw_mmap_read_lock(w->mm);
	if (!some_order(w, &w->before, (1U << w->nr_threads) - 1))
		schedule_fail("no order of the operations gives these results (%d, %d) and pages",
			      w->deed[0].result, w->deed[1].result);
	pgw_mmap_read_unlock(w->mm);
}
