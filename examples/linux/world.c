/* SPDX-License-Identifier: BSD-2-Clause */
#include "linux/world.h"

#include <stdlib.h>
#include <string.h>

struct mm_struct *pgw_linux_init_mm;

uint64_t world_random(struct world *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % below;
}

/* ---- areas and pages ---- */

struct area *world_area(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->nr_areas; i++) {
		if (!strcmp(w->areas[i].name, name))
			return &w->areas[i];
	}
	return NULL;
}

static struct area *area_at(struct world *w, unsigned long va)
{
	for (size_t i = 0; i < w->nr_areas; i++) {
		if (va >= w->areas[i].start && va < w->areas[i].end)
			return &w->areas[i];
	}
	return NULL;
}

unsigned long area_step(const struct area *area)
{
	return area->kind & AREA_HUGE ? PMD_SIZE : PAGE_SIZE;
}

struct page *area_page(struct area *area, unsigned long va)
{
	return &area->pages[(va - area->start) / area_step(area)];
}

/* ---- frames ---- */

/** The first frames; huge ones are far behind. */
static unsigned long first_pfn(void)
{
	return (1UL << 30) >> PAGE_SHIFT;
}

unsigned char *world_bytes(struct world *w, unsigned long pfn)
{
	return pfn - first_pfn() < w->nr_frames ? w->memory + ((pfn - first_pfn()) << PAGE_SHIFT)
						: NULL;
}

static void put_frame(struct world *w, unsigned long pfn)
{
	if (world_bytes(w, pfn))
		w->refs[pfn - first_pfn()]--;
}

static int new_frame(struct world *w, bool is_huge, unsigned long *ret)
{
	if (is_huge) {
		*ret = (w->nr_huge++ * PMD_SIZE + (1UL << 32)) >> PAGE_SHIFT;
		return 0;
	}
	if (w->nr_frames == WORLD_MAX_FRAMES)
		return -PGW_ENOMEM;
	w->refs[w->nr_frames] = 1;
	*ret = first_pfn() + w->nr_frames++;
	return 0;
}

static bool ksm_is_mergeable(const struct vm_area_struct *vma)
{
	const struct area *area = vma->vm_private_data;

	return area->kind & AREA_MERGEABLE;
}

static const void *ksm_get_page(unsigned long pfn, void *ctx)
{
	struct world *w = ctx;
	const unsigned char *bytes = world_bytes(w, pfn);

	if (bytes)
		w->refs[pfn - first_pfn()]++;
	return bytes;
}

static void ksm_put_page(unsigned long pfn, void *ctx)
{
	put_frame(ctx, pfn);
}

struct ksm_owner world_ksm_owner(struct world *w)
{
	return (struct ksm_owner){ .is_mergeable = ksm_is_mergeable,
				   .get_page = ksm_get_page,
				   .put_page = ksm_put_page,
				   .ctx = w };
}

/* ---- faults: what is read stays read-only, so that the owner sees the first write ---- */

static int area_fault(struct vm_area_struct *vma, struct pgw_fault *fault)
{
	struct area *area = vma->vm_private_data;
	struct page *page = area_page(area, fault->va);
	bool is_huge = area->kind & AREA_HUGE;
	int err = page->present ? 0 : new_frame(area->world, is_huge, &page->pfn);

	if (err)
		return err;
	page->present = true;
	fault->pa = page->pfn << PAGE_SHIFT;
	fault->level = is_huge ? PGW_LINUX_PMD : PGW_LINUX_PTE;
	fault->read_only = !(fault->access & VM_WRITE);
	return 0;
}

/* The truth of what was there goes with the VMA: nobody asks for it any more. */
static void area_release(struct vm_area_struct *vma, const struct pgw_frames *frames)
{
	struct area *area = vma->vm_private_data;

	for (unsigned long at = 0; at < frames->size; at += PAGE_SIZE)
		put_frame(area->world, (frames->pa + at) >> PAGE_SHIFT);
}

static const struct pgw_vma_ops area_ops = { .fault = area_fault, .release = area_release };

/* ---- the MMU ---- */

/** What an access leaves in a leaf, by the manuals; arm64's dirty state is its right to write. */
static const struct mmu {
	const char *arch;
	uint64_t accessed, dirty;
} mmus[] = {
	{ "x86_64", UINT64_C(1) << 5, UINT64_C(1) << 6 },
	{ "arm64", UINT64_C(1) << 10, 0 },
	{ "riscv64", UINT64_C(1) << 6, UINT64_C(1) << 7 },
};

static int mmu_pte_entry(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	const uint64_t *bits = walk->private;

	(void)addr, (void)next;
	__atomic_fetch_or(pte, *bits, __ATOMIC_RELAXED);
	return 0;
}

static int mmu_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	if (!pmd_leaf(pmdp_get(pmd)))
		return 0;
	walk->action = ACTION_CONTINUE;
	return mmu_pte_entry(pmd, addr, next, walk);
}

static const struct mm_walk_ops mmu_ops = {
	.pmd_entry = mmu_pmd_entry,
	.pte_entry = mmu_pte_entry,
};

static uint64_t mmu_bits(bool write)
{
	const char *arch = pgw_format_arch(pgw_mm_format(&init_mm));
	const struct mmu *mmu = mmus;

	while (strcmp(mmu->arch, arch))
		mmu++;
	return mmu->accessed | (write ? mmu->dirty : 0);
}

int world_access(struct world *w, unsigned long va, bool write)
{
	struct page *page = area_page(area_at(w, va), va);
	uint64_t bits = mmu_bits(write);
	int err = pgw_mm_fault(w->mm, va, write ? VM_WRITE : VM_READ);

	if (err)
		return err;
	page->young = true;
	page->dirty |= write;
	mmap_read_lock(w->mm);
	err = walk_page_range(w->mm, va, va + 1, &mmu_ops, &bits);
	mmap_read_unlock(w->mm);
	return err;
}

int world_read_area(struct world *w, struct area *area)
{
	int err = 0;

	for (unsigned long va = area->start; va != area->end && !err; va += area_step(area)) {
		if (!area_page(area, va)->swapped)
			err = world_access(w, va, false);
	}
	return err;
}

/* Kinds differ in one word only, at an end of the page. */
void world_fill(struct world *w, struct area *area, unsigned nr_kinds)
{
	for (unsigned long va = area->start; va != area->end; va += area_step(area)) {
		const struct page *page = area_page(area, va);
		uint64_t kind = world_random(w, nr_kinds);

		if (!page->present)
			continue;
		memset(world_bytes(w, page->pfn), 0x5a, PAGE_SIZE);
		memcpy(world_bytes(w, page->pfn) + (kind % 2 ? PAGE_SIZE - sizeof(kind) : 0), &kind,
		       sizeof(kind));
	}
}

/* ---- swap: a word of the owner's own, which no format takes for valid ---- */

static int swap_pte_entry(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	(void)addr, (void)next;
	/* One word that is not empty for another: the library counts those of a table. */
	__atomic_store_n(pte, *(const uint64_t *)walk->private, __ATOMIC_RELAXED);
	return 0;
}

static const struct mm_walk_ops swap_ops = {
	.pte_entry = swap_pte_entry,
	.walk_lock = PGWALK_WRLOCK,
};

int world_swap_out(struct world *w, unsigned long va)
{
	struct page *page = area_page(area_at(w, va), va);
	uint64_t word = ++w->nr_swapped << 16;
	int err;

	mmap_write_lock(w->mm);
	err = walk_page_range(w->mm, va, va + 1, &swap_ops, &word);
	mmap_write_unlock(w->mm);
	if (err)
		return err;
	put_frame(w, page->pfn);
	*page = (struct page){ .swapped = true };
	return 0;
}

/* ---- making and using it ---- */

static void add_area(struct world *w, const char *name, unsigned long start, unsigned long nr,
		     struct area like)
{
	struct area *area = &w->areas[w->nr_areas++];

	*area = like;
	area->world = w;
	area->name = name;
	area->start = start;
	area->end = start + nr * area_step(area);
}

/* Next to each other and apart, over the end of a table, and at the end of all addresses. */
static void lay_out(struct world *w)
{
	const struct area text = { .vm_flags = VM_READ | VM_EXEC },
			  data = { .vm_flags = VM_READ | VM_WRITE },
			  huge = { .vm_flags = VM_READ | VM_WRITE, .kind = AREA_HUGE },
			  twins = { .vm_flags = VM_READ | VM_WRITE, .kind = AREA_MERGEABLE };
	unsigned long base = 16 * PMD_SIZE, top = pgw_mm_region(w->mm)->last + 1;

	add_area(w, "text", base, 40, text);
	add_area(w, "data", base + 48 * PAGE_SIZE, 64, data);
	add_area(w, "heap", base + 112 * PAGE_SIZE, 24, data);
	add_area(w, "huge", base + 16 * PMD_SIZE, 4, huge);
	add_area(w, "twins", base + 32 * PMD_SIZE - 24 * PAGE_SIZE, 48, twins);
	add_area(w, "sparse", base + 40 * PMD_SIZE, 3 * PTRS_PER_PTE, data);
	add_area(w, "empty", base + 64 * PMD_SIZE + 3 * PUD_SIZE, 16, data);
	add_area(w, "stack", top - 32 * PAGE_SIZE, 32, data);
}

int world_map(struct world *w)
{
	int err = 0;

	lay_out(w);
	for (size_t i = 0; i < w->nr_areas && !err; i++) {
		struct area *area = &w->areas[i];
		const struct pgw_mmap_args args = { .start = area->start,
						    .end = area->end,
						    .flags = area->vm_flags,
						    .ops = &area_ops,
						    .private_data = area };

		area->pages =
			calloc((area->end - area->start) / area_step(area), sizeof(*area->pages));
		err = area->pages ? pgw_mm_mmap(w->mm, &args) : -PGW_ENOMEM;
	}
	return err;
}

/* Nothing, a read, a write, or a page that was there. */
static int use_page(struct world *w, struct area *area, unsigned long va)
{
	bool write = area->vm_flags & VM_WRITE;
	int err = 0;

	switch (world_random(w, 5)) {
	case 0:
		return 0;
	case 1:
		write = false;
		break;
	case 2:
		err = world_access(w, va, false);
		break;
	case 3:
		err = world_access(w, va, write);
		if (err || (area->kind & AREA_HUGE))
			return err;
		return world_swap_out(w, va);
	default:
		break;
	}
	return err ? err : world_access(w, va, write);
}

/* So that there are tables with little in them, and some that are missing. */
static bool is_left_out(struct world *w, const struct area *area, unsigned long va)
{
	if (!strcmp(area->name, "empty"))
		return true;
	if (strcmp(area->name, "sparse"))
		return false;
	return (va - area->start) / PMD_SIZE == 1 || world_random(w, 64);
}

int world_use(struct world *w)
{
	int err = 0;

	for (size_t i = 0; i < w->nr_areas && !err; i++) {
		struct area *area = &w->areas[i];

		for (unsigned long va = area->start; va != area->end && !err;
		     va += area_step(area)) {
			if (!is_left_out(w, area, va))
				err = use_page(w, area, va);
		}
	}
	return err;
}

static void note_violation(void *ctx, const struct pgw_violation *violation)
{
	struct world *w = ctx;

	w->broken_rule = violation->rule_name;
}

int world_open(struct world *w, const struct pgw_format *format, uint64_t seed)
{
	struct pgw_mm_new_args args = { .format = format, .region = PGW_REGION_KERNEL };
	int err;

	memset(w, 0, sizeof(*w));
	pgw_linux_init_mm = NULL;
	w->platform = *pgw_hosted_platform();
	w->platform.ctx = w;
	w->platform.violation = note_violation;
	w->random = seed;
	args.platform = &w->platform;
	err = pgw_mm_new(&args, &pgw_linux_init_mm);
	if (err)
		return err;
	args.region = PGW_REGION_USER;
	args.kernel_mm = &init_mm;
	err = pgw_mm_new(&args, &w->mm);
	if (err)
		return err;
	w->memory = calloc(WORLD_MAX_FRAMES, PAGE_SIZE);
	return w->memory ? 0 : -PGW_ENOMEM;
}

void world_close(struct world *w)
{
	pgw_mm_free(w->mm);
	pgw_mm_free(pgw_linux_init_mm);
	pgw_linux_init_mm = NULL;
	for (size_t i = 0; i < w->nr_areas; i++)
		free(w->areas[i].pages);
	free(w->memory);
}
