/* SPDX-License-Identifier: BSD-2-Clause */

/* What must be true when all threads have ended, whatever the schedule was. */

#include "schedule/world.h"

#include "kernel/kernel_priv.h"
#include "mm/lock_slots.h"
#include "mm/vma/mapping_priv.h"

/* Each frame that is out is mapped, once. */
static void check_frames(struct world *w)
{
	uint8_t mapped[WORLD_FRAMES] = { 0 };

	for (unsigned i = 0; i < WORLD_USER_WATCHED; i++) {
		uint64_t leaf = mmu_look(w, i).leaf;
		uint64_t frame = (mmu_pa(leaf) - WORLD_FRAME_PA) / WORLD_PAGE;

		if (!leaf)
			continue;
		if (frame >= WORLD_FRAMES || w->frame[frame] != FRAME_OUT) {
			schedule_fail("page %u maps a frame that is not out", i);
			return;
		}
		mapped[frame]++;
	}
	for (unsigned i = 0; i < WORLD_FRAMES; i++) {
		if (w->frame[i] == FRAME_OUT && mapped[i] != 1)
			schedule_fail("frame %u is out, and mapped %u times", i, mapped[i]);
	}
}

/* Each page of descriptors that is out is mapped, or is the one that huge pages share. */
static void check_descriptors(struct world *w)
{
	uint64_t shared =
		w->kernel->shared[WORLD_HUGE_LG2].exists ? w->kernel->shared[WORLD_HUGE_LG2].pa : 0;
	unsigned nr = shared != 0, first = world_first(AREA_DESC);
	unsigned end = world_first(AREA_DESC_REMOVED) + world_nr(AREA_DESC_REMOVED);

	for (unsigned i = first; i < end; i++) {
		uint64_t leaf = mmu_look(w, i).leaf;

		if (!leaf && i < first + world_nr(AREA_DESC))
			schedule_fail("descriptors that are not mapped: page %u", i);
		nr += leaf && mmu_pa(leaf) != shared;
	}
	if (nr != w->nr_pages)
		schedule_fail("%u pages of descriptors are out, and %u in use", w->nr_pages, nr);
}

static void check_tables(struct world *w)
{
	unsigned nr;

	pgw_reclaim_barrier(&world_platform);
	nr = mmu_nr_tables(pgw_mm_root(w->mm).pa, WORLD_LEVELS - 1) +
	     mmu_nr_tables(pgw_mm_root(w->kernel_mm).pa, WORLD_LEVELS - 1) + w->nr_pages;
	if (!schedule_failure() && nr != memory_nr_tables())
		schedule_fail("%zu tables and pages are there, and %u are linked",
			      memory_nr_tables(), nr);
}

static void check_mm(struct pgw_mm *mm)
{
	const char *what = "";

	if (pgw_mmap_write_lock(mm))
		return;
	if (pgw_mm_validate(mm, &what))
		schedule_fail("validate: %s", what);
	pgw_mmap_write_unlock(mm);
}

static void check_lock(const struct pgw_mmap_lock *lock, const char *name)
{
	if ((lock->state & ~MMAP_LOCK_UNCOUNTED) || lock->guard || lock->head)
		schedule_fail("%s is not free at the end", name);
}

void oracle_check(struct world *w)
{
	check_lock(&w->mm->lock, "the mmap lock");
	check_lock(&w->kernel_mm->lock, "the kernel's mmap lock");
	check_lock(&w->kernel_mm->hotplug, "the hotplug lock");
	check_lock(&w->mapping->lock, "the i_mmap lock");
	if (w->size_lock)
		schedule_fail("the file's size is locked at the end");
	if (w->mm->nr_unflushed)
		schedule_fail("operations that have not flushed: %u", w->mm->nr_unflushed);
	if (schedule_failure())
		return;
	check_frames(w);
	if (w->kernel)
		check_descriptors(w);
	check_tables(w);
	if (!schedule_failure())
		check_mm(w->mm);
	if (!schedule_failure())
		oracle_linear(w);
}
