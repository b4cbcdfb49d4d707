/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/kernel_priv.h"

#include <pagewalk/walk.h>

#include "base/step.h"

/*
 * vmemmap optimisation (Linux: HVO). The descriptors of a huge page fill some
 * pages; all but the first of these, the tail pages, hold the same, so that one
 * shared read-only page can stand for them.
 *
 * Everything here goes through the walker, on the kernel mm under its lock for
 * read: the caller owns the huge pages, so nobody else changes the leaves of their
 * descriptors. What two huge pages have in common is a leaf of the level above
 * that both want to split: one thread wins, the other frees its table.
 *
 * A list is done in two passes: split, flush; remap, flush. A format that wants
 * break-before-make has the second flush in the middle of its pass: all leaves
 * are frozen, flushed, remapped. The lock is held across that, because who walks
 * there waits for frozen leaves.
 *
 * Frames that become free are given back when no TLB knows them.
 *
 * A huge page in a list is taken from all others, so that a second one of the same memory,
 * in this list or another thread's, is refused: it would wait for what the first has frozen.
 */

struct hvo;
struct hvo_item;

/* What is done to the i-th tail page of a huge page, through its live leaf. */
typedef int hvo_leaf_fn(struct hvo *hvo, struct hvo_item *item, uint64_t *pte, uint64_t va,
			size_t i);

/** One huge page of a list. */
struct hvo_item {
	struct pgw_huge_page *page;
	uint64_t first; /* where its tail descriptors are mapped */
	uint64_t shared_pa;
	size_t nr;       /* tail pages */
	size_t nr_done;  /* of these, what a pass has done; what an undo has to undo */
	bool is_taken;   /* from others */
	bool is_split;   /* its tail pages have leaves of their own */
	uint64_t *old;   /* by tail page: the entry before; 0: it was left alone */
	uint64_t *fresh; /* restore: by tail page, the frame for it; else NULL */
};

/** One list. */
struct hvo {
	struct pgw_kernel *kernel;
	struct pgw_mm *mm;
	struct kernel_edit edit;
	struct pgw_hvo_stats *stats;
	struct hvo_item *items;
	size_t nr;
	bool restores;
};

/** One walk. */
struct hvo_visit {
	struct hvo *hvo;
	struct hvo_item *item;
	hvo_leaf_fn *leaf;
};

static const struct pgw_platform *hvo_platform(const struct hvo *hvo)
{
	return hvo->mm->platform;
}

static uint64_t hvo_frame(const struct hvo *hvo, uint64_t entry, unsigned level)
{
	struct pgw_entry decoded;

	pt_decode_entry(&hvo->mm->pt, entry, level, &decoded);
	return decoded.pa;
}

static void *hvo_access(const struct hvo *hvo, uint64_t pa)
{
	return hvo->kernel->args.ops->page_access(hvo->kernel->args.ctx, pa);
}

static void hvo_free_page(struct hvo *hvo, uint64_t pa)
{
	hvo->kernel->args.ops->page_free(hvo->kernel->args.ctx, pa);
	hvo->stats->nr_pages_freed++;
}

static int hvo_alloc_page(struct hvo *hvo, uint64_t *ret_pa)
{
	const struct pgw_kernel_args *args = &hvo->kernel->args;
	int err =
		args->ops->page_alloc(args->ctx, kernel_geometry(hvo->kernel)->granule_lg2, ret_pa);

	hvo->stats->nr_pages_taken += !err;
	return err;
}

/* Which lock it is depends: the analysis of locks looks away, here and where it is needed. */
PGW_NO_THREAD_SAFETY_ANALYSIS static int hvo_lock(struct hvo *hvo)
{
	return hvo->kernel->args.write_lock ? pgw_mmap_write_lock(hvo->mm)
					    : pgw_mmap_read_lock(hvo->mm);
}

PGW_NO_THREAD_SAFETY_ANALYSIS static void hvo_unlock(struct hvo *hvo)
{
	if (hvo->kernel->args.write_lock)
		pgw_mmap_write_unlock(hvo->mm);
	else
		pgw_mmap_read_unlock(hvo->mm);
}

/* ---- walking ---- */

/*
 * Descriptors that lie in the memory that they describe go away with it, and so
 * cannot be given back on their own. The frame of the first tells.
 */
static int hvo_check_hosting(struct hvo *hvo, uint64_t entry, unsigned level)
{
	return kernel_is_self_hosted(hvo->kernel, hvo_frame(hvo, entry, level)) ? -PGW_EOPNOTSUPP
										: 0;
}

/* log2 of a leaf's size; 0: no leaf. Frozen by others, it is being split, and so is none. */
static uint8_t hvo_leaf_lg2(const struct hvo *hvo, uint64_t entry, unsigned level)
{
	struct pgw_entry decoded;

	pt_decode_entry(&hvo->mm->pt, entry, level, &decoded);
	return decoded.kind == PGW_ENTRY_LEAF ? decoded.size_lg2 : 0;
}

/*
 * Let va's page of descriptors have a leaf of its own. All of a larger leaf becomes such
 * pages, by one thread; one that comes too late frees its table, or waits until a run is split.
 */
static int hvo_split(struct hvo *hvo, uint64_t va)
{
	return hvo->edit.ops->split(&hvo->edit.pt, va, va + (kernel_page_size(hvo->kernel) - 1),
				    kernel_geometry(hvo->kernel)->granule_lg2);
}

/* The walker then goes into the table. */
static int hvo_pmd_entry(uint64_t *pmd, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	struct hvo_visit *w = walk->arg;
	uint64_t entry = pgw_item_load(pmd);
	int err;

	(void)next;
	if (!hvo_leaf_lg2(w->hvo, entry, 1))
		return 0;
	err = hvo_check_hosting(w->hvo, entry, 1);
	return err ? err : hvo_split(w->hvo, va);
}

static int hvo_pte_entry(uint64_t *pte, uint64_t va, uint64_t next, struct pgw_mm_walk *walk)
{
	struct hvo_visit *w = walk->arg;

	return w->leaf(w->hvo, w->item, pte, va, (va - w->item->first) / (next - va));
}

/* A leaf above the pmd would hide what is below it. */
static int hvo_hole(uint64_t va, uint64_t next, int depth, struct pgw_mm_walk *walk)
{
	(void)va, (void)next, (void)depth, (void)walk;
	return -PGW_ENOENT;
}

static int leaf_split(struct hvo *hvo, struct hvo_item *item, uint64_t *pte, uint64_t va, size_t i)
{
	uint64_t entry = pgw_item_load(pte);
	uint8_t size_lg2 = hvo_leaf_lg2(hvo, entry, 0);
	int err = size_lg2 && !i ? hvo_check_hosting(hvo, entry, 0) : 0;

	(void)item;
	if (err || size_lg2 <= kernel_geometry(hvo->kernel)->granule_lg2)
		return err;
	return hvo_split(hvo, va);
}

/* Visit the leaves of nr tail pages of a huge page. The lock is held. */
PGW_NO_THREAD_SAFETY_ANALYSIS
static int hvo_walk(struct hvo *hvo, struct hvo_item *item, size_t nr, hvo_leaf_fn *leaf)
{
	static const struct pgw_mm_walk_ops ops = {
		.pmd_entry = hvo_pmd_entry,
		.pte_entry = hvo_pte_entry,
		.pte_hole = hvo_hole,
	};
	struct hvo_visit w = { .hvo = hvo, .item = item, .leaf = leaf };
	uint64_t end = item->first + nr * kernel_page_size(hvo->kernel);

	if (!nr)
		return 0;
	return pgw_walk_page_range_novma(hvo->mm, item->first, end ? end : UINT64_MAX, &ops, NULL,
					 &w);
}

/* ---- what is done to a leaf ---- */

/* What the i-th tail page is to map. */
static struct pt_remap hvo_target(const struct hvo *hvo, const struct hvo_item *item, size_t i)
{
	const struct pgw_kernel_args *args = &hvo->kernel->args;

	if (hvo->restores)
		return (struct pt_remap){ .pa = item->fresh[i], .rights = args->desc_rights };
	return (struct pt_remap){ .pa = item->shared_pa, .rights = args->shared_rights };
}

/* May the tail page with this entry be changed? Restoring leaves alone what is not shared. */
static int hvo_wants(struct hvo *hvo, struct hvo_item *item, size_t i, uint64_t old, bool *ret)
{
	uint64_t pa = hvo_frame(hvo, old, 0), size = kernel_page_size(hvo->kernel);
	const void *shared = hvo_access(hvo, item->shared_pa);

	*ret = !hvo->restores || pa == item->shared_pa;
	if (hvo->restores) {
		if (*ret)
			__builtin_memcpy(hvo_access(hvo, item->fresh[i]), shared, size);
		return 0;
	}
	if (!i && hvo_check_hosting(hvo, old, 0))
		return -PGW_EOPNOTSUPP;
	if (pa == item->shared_pa || __builtin_memcmp(hvo_access(hvo, pa), shared, size) != 0)
		return -PGW_EBUSY;
	return 0;
}

/*
 * Freeze a leaf, or, where nothing needs a break, remap it at once. A page's
 * contents are written before the entry that publishes it: a release store.
 */
static int leaf_take(struct hvo *hvo, struct hvo_item *item, uint64_t *pte, uint64_t va, size_t i)
{
	const struct pt_remap to = hvo_target(hvo, item, i);
	const struct pt_edit_ops *ops = hvo->edit.ops;
	uint64_t old;
	bool wanted;
	int err = ops->freeze_item(&hvo->edit.pt, pte, va, &to, &old);

	if (err)
		return err;
	err = hvo_wants(hvo, item, i, old, &wanted);
	if (!err && wanted && !ops->remap_breaks())
		ops->remap_item(&hvo->edit.pt, pte, va, &to, &old);
	if ((err || !wanted) && ops->remap_breaks())
		ops->put_item(&hvo->edit.pt, pte, va, old);
	item->old[i] = !err && wanted ? old : 0;
	if (!err)
		item->nr_done = i + 1;
	return err;
}

static int leaf_make(struct hvo *hvo, struct hvo_item *item, uint64_t *pte, uint64_t va, size_t i)
{
	const struct pt_remap to = hvo_target(hvo, item, i);

	if (item->old[i])
		hvo->edit.ops->remap_item(&hvo->edit.pt, pte, va, &to, &item->old[i]);
	return 0;
}

static int leaf_undo(struct hvo *hvo, struct hvo_item *item, uint64_t *pte, uint64_t va, size_t i)
{
	if (item->old[i])
		hvo->edit.ops->put_item(&hvo->edit.pt, pte, va, item->old[i]);
	item->old[i] = 0;
	return 0;
}

/* ---- the items of a list ---- */

/* All tail pages hold what the first holds, whose frame becomes item->shared_pa. */
static int leaf_compare(struct hvo *hvo, struct hvo_item *item, uint64_t *pte, uint64_t va,
			size_t i)
{
	uint64_t entry = pgw_item_load(pte), pa = hvo_frame(hvo, entry, 0);

	(void)va;
	if (!hvo_leaf_lg2(hvo, entry, 0))
		return -PGW_ENOENT;
	if (!i)
		item->shared_pa = pa;
	return __builtin_memcmp(hvo_access(hvo, pa), hvo_access(hvo, item->shared_pa),
				kernel_page_size(hvo->kernel)) == 0
		       ? 0
		       : -PGW_EBUSY;
}

/*
 * The page that stands for the tails of huge pages of this size. It is made of the first
 * one's, if these are alike: one that is refused must not say what the others' are to be.
 */
static int hvo_shared_page(struct hvo *hvo, struct hvo_item *item)
{
	struct pgw_kernel *kernel = hvo->kernel;
	uint8_t size_lg2 = item->page->size_lg2;
	uint64_t pa;
	int err;

	/* It stays, once it is there. */
	if (step_load_n(&kernel->shared[size_lg2].exists, __ATOMIC_ACQUIRE)) {
		item->shared_pa = kernel->shared[size_lg2].pa;
		return 0;
	}
	err = hvo_walk(hvo, item, item->nr, leaf_compare);
	if (err)
		return err;
	mutex_lock(&kernel->guard, hvo_platform(hvo));
	if (!kernel->shared[size_lg2].exists) {
		err = hvo_alloc_page(hvo, &pa);
		if (!err) {
			__builtin_memcpy(hvo_access(hvo, pa), hvo_access(hvo, item->shared_pa),
					 kernel_page_size(kernel));
			kernel->shared[size_lg2].pa = pa;
			step_store_n(&kernel->shared[size_lg2].exists, 1, __ATOMIC_RELEASE);
		}
	}
	item->shared_pa = kernel->shared[size_lg2].pa;
	mutex_unlock(&kernel->guard, hvo_platform(hvo));
	return err;
}

static void item_fini(struct hvo *hvo, struct hvo_item *item)
{
	const struct pgw_platform *platform = hvo_platform(hvo);

	if (item->old)
		platform->obj_free(platform->ctx, item->old, item->nr * sizeof(*item->old));
	if (item->fresh)
		platform->obj_free(platform->ctx, item->fresh, item->nr * sizeof(*item->fresh));
	item->old = NULL;
	item->fresh = NULL;
}

/* Frames for all tail pages, or none. */
static int item_take_frames(struct hvo *hvo, struct hvo_item *item)
{
	for (size_t i = 0; i < item->nr; i++) {
		int err = hvo_alloc_page(hvo, &item->fresh[i]);

		if (!err)
			continue;
		while (i--)
			hvo_free_page(hvo, item->fresh[i]);
		return err;
	}
	return 0;
}

/* All memory that an item needs. */
static int item_init(struct hvo *hvo, struct hvo_item *item)
{
	const struct pgw_platform *platform = hvo_platform(hvo);
	int err = -PGW_ENOMEM;

	item->nr_done = 0;
	item->old = platform->obj_alloc(platform->ctx, item->nr * sizeof(*item->old));
	if (item->old && hvo->restores)
		item->fresh = platform->obj_alloc(platform->ctx, item->nr * sizeof(*item->fresh));
	if (item->old && (item->fresh || !hvo->restores))
		err = hvo_shared_page(hvo, item);
	if (!err && hvo->restores)
		err = item_take_frames(hvo, item);
	if (err)
		item_fini(hvo, item);
	return err;
}

/* Give back what the item does not need any more: no TLB knows these frames. */
static void item_release(struct hvo *hvo, struct hvo_item *item)
{
	for (size_t i = 0; i < item->nr; i++) {
		if (!hvo->restores && item->old[i])
			hvo_free_page(hvo, hvo_frame(hvo, item->old[i], 0));
		else if (hvo->restores && !item->old[i])
			hvo_free_page(hvo, item->fresh[i]);
	}
	item_fini(hvo, item);
}

/*
 * Freeze, or remap, all tail pages of an item; after a failure what was done is
 * undone, and what it needed is given back after the flush.
 */
static int item_take(struct hvo *hvo, struct hvo_item *item)
{
	int err = 0;

	if (!item->is_split)
		err = hvo_walk(hvo, item, item->nr, leaf_split);
	if (!err)
		err = item_init(hvo, item);
	if (err)
		return err;
	err = hvo_walk(hvo, item, item->nr, leaf_take);
	if (!err && item->nr_done != item->nr)
		err = -PGW_ENOENT; /* a leaf above the pmd */
	if (err)
		hvo_walk(hvo, item, item->nr_done, leaf_undo);
	return err;
}

/* ---- passes ---- */

/* The lock was refused: that is the result of the huge pages from one on; what is done is done. */
static void refuse_items(struct hvo *hvo, size_t from, int err)
{
	for (size_t i = from; i < hvo->nr; i++)
		hvo->items[i].page->status = err;
}

static int pass_split(struct hvo *hvo)
{
	int err = hvo_lock(hvo);

	if (err)
		return err;
	for (size_t i = 0; i < hvo->nr; i++) {
		struct hvo_item *item = &hvo->items[i];

		if (item->page->status)
			continue;
		item->page->status = hvo_walk(hvo, item, item->nr, leaf_split);
		item->is_split = !item->page->status;
		/* Memory may be there when the remapping has freed some: that splits what is left. */
		if (item->page->status == -PGW_ENOMEM) {
			item->page->status = 0;
			break;
		}
	}
	hvo_unlock(hvo);
	gather_flush(&hvo->edit.gather);
	return 0;
}

/*
 * Remap items from one on, until memory runs out when some are done. All that
 * is frozen is thawed before the lock is released.
 * @return the item to go on with
 */
static size_t pass_remap_locked(struct hvo *hvo, size_t from)
{
	size_t end, nr_taken = 0;

	for (end = from; end < hvo->nr; end++) {
		struct hvo_item *item = &hvo->items[end];
		int err;

		if (item->page->status)
			continue;
		err = item_take(hvo, item);
		if (err == -PGW_ENOMEM && nr_taken)
			break;
		item->page->status = err;
		nr_taken += !err;
	}
	if (!hvo->edit.ops->remap_breaks())
		return end;
	gather_flush(&hvo->edit.gather);
	for (size_t i = from; i < end; i++) {
		if (hvo->items[i].old && !hvo->items[i].page->status)
			hvo_walk(hvo, &hvo->items[i], hvo->items[i].nr, leaf_make);
	}
	return end;
}

static void pass_remap(struct hvo *hvo)
{
	size_t from = 0;

	while (from < hvo->nr) {
		int err = hvo_lock(hvo);
		size_t end;

		if (err) {
			refuse_items(hvo, from, err);
			return;
		}
		end = pass_remap_locked(hvo, from);
		hvo_unlock(hvo);
		gather_flush(&hvo->edit.gather);
		for (size_t i = from; i < end; i++) {
			if (hvo->items[i].old)
				item_release(hvo, &hvo->items[i]);
		}
		from = end;
	}
}

/* ---- the interface ---- */

/* Take a huge page from all others. Needs the kernel's guard. @return 0 or why not */
static int item_begin_locked(struct hvo *hvo, struct hvo_item *item)
{
	const struct pgw_huge_page *page = item->page;
	struct pgw_kernel *kernel = hvo->kernel;
	unsigned page_lg2 = kernel_geometry(kernel)->granule_lg2;
	int err;

	if (page->size_lg2 <= kernel_unit_lg2(kernel) ||
	    page->size_lg2 >= PGW_ARRAY_SIZE(kernel->shared) ||
	    (page->pa & low_bits(page->size_lg2)) || page->is_optimised != hvo->restores)
		return -PGW_EINVAL;
	err = kernel_huge_take_locked(kernel, page->pa, page->size_lg2,
				      hvo->restores ? page->size_lg2 : HUGE_PLAIN);
	if (err)
		return err;
	item->is_taken = true;
	item->nr = (size_t)BIT(page->size_lg2 - kernel_unit_lg2(kernel)) - 1;
	item->first = kernel_desc_va(kernel, page->pa) + BIT(page_lg2);
	return 0;
}

static void item_end_locked(struct hvo *hvo, struct hvo_item *item)
{
	struct pgw_huge_page *page = item->page;

	if (!item->is_taken)
		return;
	if (!page->status)
		page->is_optimised = !hvo->restores;
	kernel_huge_give_locked(hvo->kernel, page->pa, page->size_lg2,
				page->is_optimised ? page->size_lg2 : HUGE_PLAIN);
}

/* Both passes. */
static void hvo_run_items(struct hvo *hvo, struct pgw_huge_page *pages)
{
	uint32_t *guard = &hvo->kernel->guard;
	int err;

	kernel_edit_begin(&hvo->edit, hvo->mm);
	mutex_lock(guard, hvo_platform(hvo));
	for (size_t i = 0; i < hvo->nr; i++) {
		hvo->items[i].page = &pages[i];
		pages[i].status = item_begin_locked(hvo, &hvo->items[i]);
	}
	mutex_unlock(guard, hvo_platform(hvo));
	err = pass_split(hvo);
	if (err)
		refuse_items(hvo, 0, err);
	else
		pass_remap(hvo);
	mutex_lock(guard, hvo_platform(hvo));
	for (size_t i = 0; i < hvo->nr; i++)
		item_end_locked(hvo, &hvo->items[i]);
	mutex_unlock(guard, hvo_platform(hvo));
	hvo->stats->nr_flushes = hvo->edit.gather.nr_flushes;
	hvo->stats->nr_splits = hvo->edit.gather.nr_splits;
}

static int hvo_run(struct pgw_kernel *kernel, struct pgw_huge_page *pages, size_t nr,
		   struct pgw_hvo_stats *stats, bool restores)
{
	struct pgw_hvo_stats own = { .nr_flushes = 0 };
	struct hvo hvo = { .kernel = kernel, .nr = nr, .restores = restores };
	const struct pgw_platform *platform;
	uint64_t size;

	if (!kernel || !pages || !nr || mul_overflows(nr, sizeof(*hvo.items), &size))
		return -PGW_EINVAL;
	hvo.mm = kernel->args.kernel_mm;
	hvo.stats = stats ? stats : &own;
	*hvo.stats = own;
	platform = hvo_platform(&hvo);
	hvo.items = platform->obj_alloc(platform->ctx, (size_t)size);
	for (size_t i = 0; i < nr && !hvo.items; i++)
		pages[i].status = -PGW_ENOMEM;
	if (!hvo.items)
		return -PGW_ENOMEM;
	hvo_run_items(&hvo, pages);
	platform->obj_free(platform->ctx, hvo.items, (size_t)size);
	for (size_t i = 0; i < nr; i++) {
		if (pages[i].status)
			return pages[i].status;
	}
	return 0;
}

int pgw_hvo_optimise(struct pgw_kernel *kernel, struct pgw_huge_page *pages, size_t nr,
		     struct pgw_hvo_stats *stats)
{
	return hvo_run(kernel, pages, nr, stats, false);
}

int pgw_hvo_restore(struct pgw_kernel *kernel, struct pgw_huge_page *pages, size_t nr,
		    struct pgw_hvo_stats *stats)
{
	return hvo_run(kernel, pages, nr, stats, true);
}
