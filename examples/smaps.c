/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * smaps: what each VMA of an address space has in memory, in the style of Linux's
 * /proc/PID/smaps. The address space is the program's own: it maps a few ranges, and
 * plays the MMU that uses some of their pages.
 *
 * The accounting is written as for Linux's walker, with its names.
 */

#include <pagewalk/pagewalk.h>

#include <pagewalk/linux.h>

#include <stdio.h>

struct mm_struct *pgw_linux_init_mm; /* of the format; this program walks no kernel tables */

/* ---- the accounting ---- */

struct mem_size_stats {
	unsigned long resident, referenced, dirty, huge; /* bytes */
};

static void smaps_account(struct mem_size_stats *mss, unsigned long size, bool young, bool dirty)
{
	mss->resident += size;
	if (young)
		mss->referenced += size;
	if (dirty)
		mss->dirty += size;
}

static int smaps_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct mem_size_stats *mss = walk->private;
	pmd_t entry = pmdp_get(pmd);

	if (!pmd_trans_huge(entry))
		return 0;
	smaps_account(mss, next - addr, pmd_young(entry), pmd_dirty(entry));
	mss->huge += next - addr;
	walk->action = ACTION_CONTINUE; /* else it would be split */
	return 0;
}

static int smaps_pte_entry(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	pte_t entry = ptep_get(pte);

	if (pte_present(entry))
		smaps_account(walk->private, next - addr, pte_young(entry), pte_dirty(entry));
	return 0;
}

static const struct mm_walk_ops smaps_walk_ops = {
	.pmd_entry = smaps_pmd_entry,
	.pte_entry = smaps_pte_entry,
	.walk_lock = PGWALK_RDLOCK,
};

static void show_line(const char *name, unsigned long bytes)
{
	printf("%-15s%8lu kB\n", name, bytes >> 10);
}

static int show_smap(struct vm_area_struct *vma, unsigned long *total)
{
	struct mem_size_stats mss = { 0 };
	int err = walk_page_vma(vma, &smaps_walk_ops, &mss);

	if (err)
		return err;
	printf("%08lx-%08lx %c%c%c%c\n", vma->vm_start, vma->vm_end,
	       vma->vm_flags & VM_READ ? 'r' : '-', vma->vm_flags & VM_WRITE ? 'w' : '-',
	       vma->vm_flags & VM_EXEC ? 'x' : '-', vma->vm_flags & VM_SHARED ? 's' : 'p');
	show_line("Size:", vma->vm_end - vma->vm_start);
	show_line("Rss:", mss.resident);
	show_line("Referenced:", mss.referenced);
	show_line("Dirty:", mss.dirty);
	show_line("AnonHugePages:", mss.huge);
	*total += mss.resident;
	return 0;
}

static int show_smaps(struct mm_struct *mm)
{
	unsigned long total = 0;
	struct vm_area_struct *vma;
	int err = 0;
	VMA_ITERATOR(vmi, mm, 0);

	mmap_read_lock(mm);
	for_each_vma(vmi, vma)
	{
		err = show_smap(vma, &total);
		if (err)
			break;
	}
	mmap_read_unlock(mm);
	printf("total\n");
	show_line("Rss:", total);
	return err;
}

/* ---- what there is to account ---- */

/** Frames that nobody has, one after the other. */
static uint64_t next_frame = UINT64_C(1) << 30;

/* A huge frame where one fits. */
static int supply_frame(struct vm_area_struct *vma, struct pgw_fault *fault)
{
	uint64_t size = fault->max_level ? PMD_SIZE : PAGE_SIZE;

	(void)vma;
	next_frame = (next_frame + size - 1) & ~(size - 1);
	fault->pa = next_frame;
	fault->level = fault->max_level ? PGW_LINUX_PMD : PGW_LINUX_PTE;
	next_frame += size;
	return 0;
}

static const struct pgw_vma_ops memory = { .fault = supply_frame };

/* The MMU notes that an entry was used; others may be changing it. */
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

static uint64_t attr_bits(const struct pgw_format *format, const char *name)
{
	const struct pgw_attr *attr = pgw_format_attrs(format);

	while (attr->name && !pgw_linux_same_name(attr->name, name))
		attr++;
	return attr->mask;
}

/* An access: a fault if need be, and the bits that it leaves. */
static int use_page(struct mm_struct *mm, uint64_t va, uint32_t access)
{
	uint64_t bits = attr_bits(pgw_mm_format(mm), "a");
	int err = pgw_mm_fault(mm, va, access);

	if (err)
		return err;
	if (access == VM_WRITE)
		bits |= attr_bits(pgw_mm_format(mm), "d");
	mmap_read_lock(mm);
	err = walk_page_range(mm, va, va + 1, &mmu_ops, &bits);
	mmap_read_unlock(mm);
	return err;
}

static const struct pgw_mmap_args areas[] = {
	{ .start = 0x400000, .end = 0x500000, .flags = VM_READ | VM_EXEC, .ops = &memory },
	{ .start = 0x600000, .end = 0x700000, .flags = VM_READ | VM_WRITE, .ops = &memory },
	{ .start = 0x40000000, .end = 0x40800000, .flags = VM_READ | VM_WRITE, .ops = &memory },
	{ .start = 0x7ffe0000,
	  .end = 0x80000000,
	  .flags = VM_READ | VM_WRITE | VM_LOCKED,
	  .ops = &memory },
};

static const struct {
	uint64_t first, last;
	uint32_t access;
} uses[] = {
	{ 0x400000, 0x40ffff, VM_EXEC },
	{ 0x600000, 0x607fff, VM_WRITE },
	{ 0x608000, 0x60bfff, VM_READ },
	{ 0x40000000, 0x40000fff, VM_WRITE }, /* a huge page each */
	{ 0x40200000, 0x40200fff, VM_READ },
	{ 0x7fffc000, 0x7fffffff, VM_WRITE },
};

static int set_up(struct mm_struct *mm)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]) && !err; i++)
		err = pgw_mm_mmap(mm, &areas[i]);
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]) && !err; i++)
		for (uint64_t va = uses[i].first; va <= uses[i].last && !err; va += PAGE_SIZE)
			err = use_page(mm, va, uses[i].access);
	return err;
}

int main(void)
{
	struct pgw_mm_new_args args = { .platform = pgw_hosted_platform(),
					.format = pgw_format_by_name("x86_64-la48"),
					.region = PGW_REGION_KERNEL };
	struct mm_struct *mm;
	int err = pgw_mm_new(&args, &pgw_linux_init_mm);

	if (err)
		return 1;
	args.region = PGW_REGION_USER;
	args.kernel_mm = &init_mm;
	err = pgw_mm_new(&args, &mm);
	if (!err) {
		err = set_up(mm);
		if (!err)
			err = show_smaps(mm);
		pgw_mm_free(mm);
	}
	pgw_mm_free(&init_mm);
	if (err)
		fprintf(stderr, "smaps: %s\n", pgw_status_text(err));
	return err ? 1 : 0;
}
