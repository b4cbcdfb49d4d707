/* SPDX-License-Identifier: BSD-2-Clause */

/* What a thread may do, on pages that others work on too; and what it does to the model. */

#include "schedule/world.h"

#include <stddef.h>

#include "base/mutex.h"
#include "schedule/race.h"

#define BITS_OF(first, nr) (((UINT64_C(1) << (nr)) - 1) << (first))
#define ANON_PAGES BITS_OF(0, WORLD_VMA_PAGES)
#define FILE_PAGES BITS_OF(WORLD_VMA_PAGES, WORLD_VMA_PAGES)
#define RUN_PAGES BITS_OF(2 * WORLD_VMA_PAGES, WORLD_RUN_PAGES)
/* The kernel's, as AREA_LINEAR and those after it say. */
#define LINEAR_PAGES BITS_OF(WORLD_USER_WATCHED, 1)
#define DESC_PAGES(huge) BITS_OF(WORLD_USER_WATCHED + 1 + 2 * (huge), 2)
#define VMA_SIZE (WORLD_VMA_PAGES * WORLD_PAGE)
#define TRUNCATED 1u /* pages that are left of the file */

static struct model_page *pages(struct model *m, enum area area)
{
	return &m->page[world_first(area)];
}

/* ---- walks ---- */

static int see(uint64_t *item, uint64_t addr, uint64_t next, struct pgw_mm_walk *walk)
{
	(void)addr, (void)next, (void)walk;
	pgw_item_load(item);
	return 0;
}

static const struct pgw_mm_walk_ops see_ops = { .pmd_entry = see, .pte_entry = see };

static int walk_vma(struct world *w, unsigned thread)
{
	int err = pgw_mmap_read_lock(w->mm);

	(void)thread;
	if (err)
		return err;
	err = pgw_walk_page_range(w->mm, WORLD_ANON, WORLD_FILE + VMA_SIZE, &see_ops, w);
	pgw_mmap_read_unlock(w->mm);
	return err;
}

static int walk_novma(struct world *w, unsigned thread)
{
	int err = pgw_mmap_write_lock(w->mm);

	(void)thread;
	if (err)
		return err;
	err = pgw_walk_page_range_novma(w->mm, WORLD_ANON, WORLD_ANON + VMA_SIZE, &see_ops, NULL,
					w);
	if (!err)
		err = pgw_walk_page_range_novma(w->mm, WORLD_FILE, WORLD_FILE + VMA_SIZE, &see_ops,
						NULL, w);
	pgw_mmap_write_unlock(w->mm);
	return err;
}

/* One page, kept for a moment, in which it must stay. */
static int walk_folio(struct world *w, unsigned thread)
{
	struct pgw_page_walk page;
	struct pgw_vma *vma;
	int err = pgw_mmap_read_lock(w->mm);

	(void)thread;
	if (err)
		return err;
	vma = pgw_vma_lookup(w->mm, WORLD_FILE + WORLD_PAGE);
	if (vma && !pgw_page_walk_start(vma, WORLD_FILE + WORLD_PAGE, 0, &page)) {
		schedule_touch(page.item, sizeof(*page.item), false);
		if (w->frame[(page.pa - WORLD_FRAME_PA) / WORLD_PAGE] != FRAME_OUT)
			schedule_fail("the page that a walk keeps is released");
		pgw_page_walk_end(&page, vma);
	}
	pgw_mmap_read_unlock(w->mm);
	return 0;
}

static int walk_mapping(struct world *w, unsigned thread)
{
	int err = pgw_mapping_read_lock(w->mapping);

	(void)thread;
	if (err)
		return err;
	err = pgw_walk_page_mapping(w->mapping, 0, WORLD_VMA_PAGES, &see_ops, w);
	pgw_mapping_read_unlock(w->mapping);
	return err;
}

/* ---- the lock alone ---- */

#define ROUNDS 3u

/* With the lock: what it guards is this thread's to look at, or to change. */
static void look_at_guarded(struct world *w, bool is_write)
{
	if (w->is_written || (is_write && w->nr_inside))
		schedule_fail("a thread has the mmap lock beside a writer");
	w->nr_inside++;
	w->is_written = is_write;
	schedule_touch(&w->guarded, sizeof(w->guarded), is_write);
	race_plain(&w->guarded, sizeof(w->guarded), is_write);
	w->nr_inside--;
	w->is_written = false;
}

static int read_often(struct world *w, unsigned thread)
{
	int err = 0;

	(void)thread;
	for (unsigned i = 0; !err && i < ROUNDS; i++) {
		err = pgw_mmap_read_lock(w->mm);
		look_at_guarded(w, false);
		err |= pgw_mmap_read_unlock(w->mm);
	}
	return err;
}

static int write_often(struct world *w, unsigned thread)
{
	int err = 0;

	(void)thread;
	for (unsigned i = 0; !err && i < ROUNDS; i++) {
		err = pgw_mmap_write_lock(w->mm);
		look_at_guarded(w, true);
		err |= pgw_mmap_write_unlock(w->mm);
	}
	return err;
}

static int write_then_read(struct world *w, unsigned thread)
{
	int err = pgw_mmap_write_lock(w->mm);

	(void)thread;
	look_at_guarded(w, true);
	err |= pgw_mmap_write_downgrade(w->mm);
	look_at_guarded(w, false);
	return err | pgw_mmap_read_unlock(w->mm);
}

static int try_both(struct world *w, unsigned thread)
{
	(void)thread;
	if (!pgw_mmap_write_trylock(w->mm)) {
		look_at_guarded(w, true);
		pgw_mmap_write_unlock(w->mm);
	}
	if (!pgw_mmap_read_trylock(w->mm)) {
		look_at_guarded(w, false);
		pgw_mmap_read_unlock(w->mm);
	}
	return 0;
}

/* Readers that the first look has counted are there at the second. */
static int try_then_write(struct world *w, unsigned thread)
{
	int err = pgw_mmap_write_trylock(w->mm);

	(void)thread;
	if (err)
		err = pgw_mmap_write_lock(w->mm);
	look_at_guarded(w, true);
	return err | pgw_mmap_write_unlock(w->mm);
}

/* ---- faults ---- */

static int fault_model(struct model_page *page)
{
	if (!(page->vma & PGW_VMA_WRITE))
		return -PGW_EFAULT;
	if (page->is_guard)
		return -PGW_EACCES;
	page->is_mapped = true;
	return 0;
}

static int fault_file(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_mm_fault(w->mm, WORLD_FILE + 2 * WORLD_PAGE, PGW_VMA_WRITE);
}

static int fault_file_model(struct model *m, unsigned thread)
{
	(void)thread;
	if (m->file_pages <= 2)
		return -PGW_EFAULT;
	return fault_model(&pages(m, AREA_FILE)[2]);
}

static int fault_anon(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_mm_fault(w->mm, WORLD_ANON + 2 * WORLD_PAGE, PGW_VMA_WRITE);
}

static int fault_anon_model(struct model *m, unsigned thread)
{
	(void)thread;
	return fault_model(&pages(m, AREA_ANON)[2]);
}

/* Each thread another page; whoever is first makes the table. */
static int fault_fresh(struct world *w, unsigned thread)
{
	return pgw_mm_fault(w->mm, WORLD_FRESH + thread % WORLD_VMA_PAGES * WORLD_PAGE,
			    PGW_VMA_READ);
}

static int fault_fresh_model(struct model *m, unsigned thread)
{
	return fault_model(&pages(m, AREA_FRESH)[thread % WORLD_VMA_PAGES]);
}

/* Where mremap moves the file's VMA to. */
static int fault_moved(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_mm_fault(w->mm, WORLD_MOVED + WORLD_PAGE, PGW_VMA_WRITE);
}

static int fault_moved_model(struct model *m, unsigned thread)
{
	(void)thread;
	if (m->file_pages <= 1)
		return -PGW_EFAULT;
	return fault_model(&pages(m, AREA_MOVED)[1]);
}

/* ---- changes of VMAs ---- */

static int munmap_both(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_mm_munmap(w->mm, WORLD_ANON, WORLD_FILE + VMA_SIZE);
}

static int munmap_model(struct model *m, unsigned thread)
{
	(void)thread;
	for (unsigned i = 0; i < WORLD_VMA_PAGES; i++)
		pages(m, AREA_ANON)[i] = pages(m, AREA_FILE)[i] = (struct model_page){ 0 };
	return 0;
}

static int mremap_file(struct world *w, unsigned thread)
{
	const struct pgw_mremap_args args = { WORLD_FILE, WORLD_FILE + VMA_SIZE, WORLD_MOVED,
					      WORLD_MOVED + VMA_SIZE };

	(void)thread;
	return pgw_mm_mremap(w->mm, &args);
}

static int mremap_model(struct model *m, unsigned thread)
{
	(void)thread;
	if (!pages(m, AREA_FILE)->vma)
		return -PGW_ENOENT;
	for (unsigned i = 0; i < WORLD_VMA_PAGES; i++) {
		pages(m, AREA_MOVED)[i] = pages(m, AREA_FILE)[i];
		pages(m, AREA_FILE)[i] = (struct model_page){ 0 };
	}
	return 0;
}

static int protect_anon(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_mm_mprotect(w->mm, WORLD_ANON, WORLD_ANON + 2 * WORLD_PAGE, PGW_VMA_READ);
}

static int protect_model(struct model *m, unsigned thread)
{
	(void)thread;
	if (!pages(m, AREA_ANON)->vma)
		return -PGW_ENOENT;
	pages(m, AREA_ANON)[0].vma = pages(m, AREA_ANON)[1].vma = PGW_VMA_READ;
	return 0;
}

/* ---- changes of pages ---- */

/* Who changes a file's size does so for one at a time. */
static int truncate_file(struct world *w, unsigned thread)
{
	int err;

	(void)thread;
	mutex_lock(&w->size_lock, &world_platform);
	err = pgw_mapping_truncate(w->mapping, TRUNCATED);
	mutex_unlock(&w->size_lock, &world_platform);
	return err;
}

static int truncate_model(struct model *m, unsigned thread)
{
	(void)thread;
	m->file_pages = TRUNCATED;
	for (unsigned i = TRUNCATED; i < WORLD_VMA_PAGES; i++)
		pages(m, AREA_FILE)[i].is_mapped = pages(m, AREA_MOVED)[i].is_mapped = false;
	for (unsigned i = 0; i < WORLD_RUN_PAGES; i++)
		pages(m, AREA_RUN)[i].is_mapped = false;
	return 0;
}

static int guard_anon(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_mm_guard_install(w->mm, WORLD_ANON + WORLD_PAGE, WORLD_ANON + VMA_SIZE);
}

static int guard_model(struct model *m, unsigned thread)
{
	(void)thread;
	if (!pages(m, AREA_ANON)->vma)
		return -PGW_ENOENT;
	for (unsigned i = 1; i < WORLD_VMA_PAGES; i++) {
		pages(m, AREA_ANON)[i].is_mapped = false;
		pages(m, AREA_ANON)[i].is_guard = true;
	}
	return 0;
}

static int dontneed_anon(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_mm_dontneed(w->mm, WORLD_ANON, WORLD_ANON + VMA_SIZE);
}

static int dontneed_model(struct model *m, unsigned thread)
{
	(void)thread;
	if (!pages(m, AREA_ANON)->vma)
		return -PGW_ENOENT;
	for (unsigned i = 0; i < WORLD_VMA_PAGES; i++)
		pages(m, AREA_ANON)[i].is_mapped = false;
	return 0;
}

static int collapse_run(struct world *w, unsigned thread)
{
	int err = pgw_mmap_write_lock(w->mm);

	(void)thread;
	if (err)
		return err;
	err = pgw_mm_collapse(w->mm, WORLD_RUN, 16);
	pgw_mmap_write_unlock(w->mm);
	return err;
}

/* ---- the kernel ---- */

static int any(struct model *m, unsigned thread)
{
	(void)thread;
	(void)m;
	return RESULT_ANY;
}

/* Each thread has a range of its own. */
static int vmap_promote(struct world *w, unsigned thread)
{
	const struct pgw_map_args args = {
		.first = world_own_range(WORLD_VMAP, thread),
		.last = world_own_range(WORLD_VMAP, thread) + WORLD_SPAN - 1,
		.pa = WORLD_SPAN,
		.rights = PGW_KERNEL_R | PGW_KERNEL_W,
	};

	return pgw_vmap(w->kernel_mm, &args);
}

static int collapse_kernel(struct world *w, unsigned thread)
{
	uint64_t first = world_own_range(WORLD_SMALL, thread);

	return pgw_kernel_collapse(w->kernel_mm, first, first + WORLD_SPAN - 1, NULL);
}

static int optimise(struct world *w, unsigned thread)
{
	struct pgw_hvo_stats stats;

	w->huge[thread] = (struct pgw_huge_page){ WORLD_STAYS, WORLD_HUGE_LG2, false, 0 };
	return pgw_hvo_optimise(w->kernel, &w->huge[thread], 1, &stats);
}

static int restore(struct world *w, unsigned thread)
{
	struct pgw_hvo_stats stats;

	w->huge[thread] =
		(struct pgw_huge_page){ WORLD_STAYS + WORLD_HUGE, WORLD_HUGE_LG2, true, 0 };
	return pgw_hvo_restore(w->kernel, &w->huge[thread], 1, &stats);
}

/* A huge page is done once; a second list with it is refused, also while the first one is at it. */
static int optimise_model(struct model *m, unsigned thread)
{
	bool was = m->is_optimised;

	(void)thread;
	m->is_optimised = true;
	return was ? -PGW_EBUSY : 0;
}

static int restore_model(struct model *m, unsigned thread)
{
	bool was = m->is_restored;

	(void)thread;
	m->is_restored = true;
	return was ? -PGW_EBUSY : 0;
}

static int hot_remove(struct world *w, unsigned thread)
{
	(void)thread;
	return pgw_kernel_hot_remove(w->kernel, WORLD_REMOVED, WORLD_REMOVED + WORLD_HUGE - 1);
}

static int hot_remove_model(struct model *m, unsigned thread)
{
	(void)thread;
	if (m->is_removed)
		return -PGW_ENOENT;
	m->is_removed = true;
	return 0;
}

/* What a dump looks at: a part of each of the kernel's ranges. */
static int dump_kernel(struct world *w)
{
	static const struct {
		uint64_t first, nr;
	} parts[] = {
		{ WORLD_LINEAR + WORLD_REMOVED, 1 },
		{ WORLD_VMEMMAP + (WORLD_STAYS >> 6), 4 },
		{ WORLD_VMEMMAP + (WORLD_REMOVED >> 6), 2 },
		{ WORLD_VMAP, 1 },
		{ WORLD_SMALL, 1 },
	};
	int err = 0;

	for (unsigned i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++)
		err = pgw_walk_page_range_debug(w->kernel_mm, parts[i].first,
						parts[i].first + parts[i].nr * WORLD_PAGE, &see_ops,
						NULL, w);
	return err;
}

static int dump(struct world *w, unsigned thread)
{
	int err;

	(void)thread;
	pgw_hotplug_read_lock(w->kernel_mm);
	pgw_mmap_write_lock(w->mm);
	pgw_mmap_write_lock(w->kernel_mm);
	err = pgw_walk_page_range_debug(w->mm, WORLD_FILE, WORLD_FILE + VMA_SIZE, &see_ops, NULL,
					w);
	if (!err)
		err = dump_kernel(w);
	pgw_mmap_write_unlock(w->kernel_mm);
	pgw_mmap_write_unlock(w->mm);
	pgw_hotplug_read_unlock(w->kernel_mm);
	return err;
}

#define TRUNCATED_PAGES(first, nr) BITS_OF((first) + TRUNCATED, (nr)-TRUNCATED)

const struct operation operations[] = {
	{ "walk", walk_vma, NULL, 0, false, false, false, false, false },
	{ "novma", walk_novma, NULL, 0, false, false, false, false, false },
	{ "folio", walk_folio, NULL, 0, false, false, false, false, false },
	{ "mapping", walk_mapping, NULL, 0, false, false, false, false, false },
	{ "fault", fault_file, fault_file_model, UINT64_C(1) << (WORLD_VMA_PAGES + 2), false, false,
	  true, false, false },
	{ "fault-anon", fault_anon, fault_anon_model, UINT64_C(1) << 2, false, false, true, false,
	  false },
	{ "fault-moved", fault_moved, fault_moved_model,
	  UINT64_C(1) << (2 * WORLD_VMA_PAGES + WORLD_RUN_PAGES + 1), false, false, true, false,
	  false },
	{ "fault-fresh", fault_fresh, fault_fresh_model, 0, false, false, true, false, false },
	{ "munmap", munmap_both, munmap_model, ANON_PAGES | FILE_PAGES, false, true, false, false,
	  false },
	{ "mremap", mremap_file, mremap_model, FILE_PAGES, false, true, false, false, false },
	{ "truncate", truncate_file, truncate_model,
	  RUN_PAGES | TRUNCATED_PAGES(WORLD_VMA_PAGES, WORLD_VMA_PAGES) |
		  TRUNCATED_PAGES(2 * WORLD_VMA_PAGES + WORLD_RUN_PAGES, WORLD_VMA_PAGES),
	  false, false, false, false, false },
	{ "guard", guard_anon, guard_model, ANON_PAGES & ~UINT64_C(1), false, false, false, false,
	  false },
	{ "dontneed", dontneed_anon, dontneed_model, ANON_PAGES, false, true, false, false, false },
	{ "protect", protect_anon, protect_model, ANON_PAGES &UINT64_C(3), false, true, false,
	  false, false },
	{ "collapse", collapse_run, any, 0, false, true, false, false, false },
	{ "vmap", vmap_promote, any, 0, true, true, false, false, false },
	{ "kernel-collapse", collapse_kernel, any, 0, true, true, false, false, false },
	{ "optimise", optimise, optimise_model, DESC_PAGES(0), true, false, false, false, false },
	{ "restore", restore, restore_model, DESC_PAGES(1), true, false, false, false, false },
	{ "hot-remove", hot_remove, hot_remove_model, LINEAR_PAGES | DESC_PAGES(2), true, true,
	  false, false, false },
	{ "dump", dump, NULL, 0, true, false, false, false, false },
	{ "read-often", read_often, NULL, 0, false, false, false, true, false },
	{ "read-plain", read_often, NULL, 0, false, false, false, true, true },
	{ "write-often", write_often, NULL, 0, false, false, false, true, false },
	{ "write-then-read", write_then_read, NULL, 0, false, false, false, true, false },
	{ "try", try_both, NULL, 0, false, false, false, true, false },
	{ "try-then-write", try_then_write, NULL, 0, false, false, false, true, false },
	{ NULL, NULL, NULL, 0, false, false, false, false, false },
};
