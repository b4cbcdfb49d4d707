/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The make-believe MMU. At any moment it may look up any page that is watched, and remember the
 * tables on the way and the leaf until they are flushed. Of what it remembers the oldest counts:
 * a page is looked up when something on its way changes, and what is known already stays.
 */

#include "schedule/world.h"

#include <string.h>

#include "mm/mm_priv.h"

#define ENTRY_VALID UINT64_C(1)
#define ENTRY_TABLE UINT64_C(2)
#define ENTRY_PA UINT64_C(0x0000fffffffff000)
#define ENTRY_READ_ONLY (UINT64_C(1) << 7)
#define SLOTS 512u

uint64_t mmu_pa(uint64_t leaf)
{
	return leaf & ENTRY_PA;
}

static const uint64_t *table_at(uint64_t table_pa)
{
	const uint64_t *table = (const uint64_t *)(memory_block() + (table_pa - MEMORY_PA));

	if (memory_is_table(table) && memory_state(table) == MEMORY_LIVE)
		return table;
	schedule_fail("the tables lead to a freed table");
	return NULL;
}

static bool is_kernel(uint64_t va)
{
	return va >> 63;
}

struct tlb_entry mmu_look(const struct world *w, unsigned page)
{
	struct tlb_entry seen = { 0 };
	uint64_t va = world_va(page);
	uint64_t table_pa = pgw_mm_root(is_kernel(va) ? w->kernel_mm : w->mm).pa;

	for (unsigned level = WORLD_LEVELS; level-- > 0;) {
		const uint64_t *table = table_at(table_pa);
		uint64_t entry;

		if (!table)
			return seen;
		entry = __atomic_load_n(&table[(va >> (12 + 9 * level)) % SLOTS], __ATOMIC_RELAXED);
		seen.table[level] = table_pa;
		seen.raw = entry;
		if (!(entry & ENTRY_VALID))
			return seen;
		if (!level || !(entry & ENTRY_TABLE)) {
			seen.leaf = entry + (level ? va & ((WORLD_PAGE << 9 * level) - 1) : 0);
			return seen;
		}
		table_pa = entry & ENTRY_PA;
	}
	return seen;
}

unsigned mmu_nr_tables(uint64_t table_pa, unsigned level)
{
	const uint64_t *table = table_at(table_pa);
	unsigned nr = 1;

	for (unsigned i = 0; table && level && i < SLOTS; i++) {
		if ((table[i] & (ENTRY_VALID | ENTRY_TABLE)) == (ENTRY_VALID | ENTRY_TABLE))
			nr += mmu_nr_tables(table[i] & ENTRY_PA, level - 1);
	}
	return nr;
}

static uint64_t table_of(const volatile void *at)
{
	return MEMORY_PA + memory_table_index(at) * MEMORY_TABLE;
}

static bool leads_through(const struct tlb_entry *e, uint64_t table_pa)
{
	for (unsigned level = 0; level < WORLD_LEVELS; level++) {
		if (e->table[level] == table_pa)
			return true;
	}
	return false;
}

static void learn(struct tlb_entry *known, const struct tlb_entry *now)
{
	for (unsigned level = 0; level < WORLD_LEVELS; level++) {
		if (!known->table[level])
			known->table[level] = now->table[level];
	}
	if (!known->leaf) {
		known->leaf = now->leaf;
		known->since = now->since;
	}
}

/*
 * Break before make: what a TLB knows has been flushed when another frame comes. But for a hole
 * that one made and has not flushed yet, where a fault may come and flush (M6 of docs/locking.md).
 */
static void check_break(const struct world *w, unsigned page, uint64_t now)
{
	uint64_t old = w->tlb[page].leaf;

	if (old && now && mmu_pa(now) != mmu_pa(old) && !w->mm->nr_unflushed)
		schedule_fail("another frame without a break and a flush, at page %u", page);
}

/* The pages of an area have their tables in common. What is new came by the write before. */
static void learn_area(struct world *w, unsigned area)
{
	for (unsigned i = world_first(area); i < world_first(area) + world_nr(area); i++) {
		struct tlb_entry now = mmu_look(w, i);

		if (now.leaf != w->last_leaf[i])
			w->since[i] = w->last_write[area];
		w->last_leaf[i] = now.leaf;
		now.since = w->since[i];
		check_break(w, i, now.leaf);
		learn(&w->tlb[i], &now);
	}
	w->last_write[area] = schedule_clock();
}

void mmu_before_write(struct world *w, const volatile void *at)
{
	if (!memory_is_table(at))
		return;
	for (unsigned area = 0; area < (w->kernel ? NR_AREAS : NR_USER_AREAS); area++) {
		struct tlb_entry now = mmu_look(w, world_first(area));

		if (leads_through(&now, table_of(at)))
			learn_area(w, area);
	}
}

void mmu_flush(struct world *w, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < world_nr_watched(); i++) {
		uint64_t va = world_va(i);

		if (is_kernel(va) != (mm == w->kernel_mm) || va + (WORLD_PAGE - 1) < first ||
		    va > last)
			continue;
		check_break(w, i, mmu_look(w, i).leaf);
		memset(&w->tlb[i], 0, sizeof(w->tlb[i]));
	}
}

void mmu_check_frame(struct world *w, uint64_t pa)
{
	for (unsigned i = 0; i < world_nr_watched(); i++) {
		if (w->tlb[i].leaf && mmu_pa(w->tlb[i].leaf) == pa)
			schedule_fail("a frame is free that a TLB knows, of page %u", i);
		if (mmu_pa(mmu_look(w, i).leaf) == pa)
			schedule_fail("a frame is free that is mapped, by page %u", i);
	}
}

void mmu_check_table(struct world *w, uint64_t pa)
{
	for (unsigned i = 0; i < world_nr_watched(); i++) {
		struct tlb_entry now = mmu_look(w, i);

		if (leads_through(&now, pa))
			schedule_fail("a table is free that is still linked, of page %u", i);
		if (leads_through(&w->tlb[i], pa))
			schedule_fail("a table is free that the MMU knows, of page %u", i);
	}
}

void mmu_check_pages(struct world *w, uint64_t pages, unsigned before, const char *what)
{
	for (unsigned i = 0; i < world_nr_watched(); i++) {
		uint64_t old = w->tlb[i].leaf, now;

		if (!(pages >> i & 1) || !old || w->tlb[i].since > before)
			continue;
		now = mmu_look(w, i).leaf;
		if (!now || mmu_pa(now) != mmu_pa(old) || (now & ~old & ENTRY_READ_ONLY))
			schedule_fail("after %s a TLB still knows page %u as it was", what, i);
	}
}
