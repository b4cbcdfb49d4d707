/* SPDX-License-Identifier: BSD-2-Clause */
#include "linux/users.h"

/** A walk in progress: the series that the last entry belongs to. */
struct ptdump_state {
	struct ptdump *ptdump;
	const struct ptdump_marker *next_marker; /* or NULL */
	const char *marker;
	struct ptdump_series series; /* without rights: nothing is mapped */
};

/* Neither kernel nor user may both write and execute it. */
static bool is_wx(unsigned rights)
{
	const unsigned kernel = PGW_KERNEL_W | PGW_KERNEL_X, user = PGW_USER_W | PGW_USER_X;

	return (rights & kernel) == kernel || (rights & user) == user;
}

/* end wraps to 0 where the series ends at the top of the addresses. */
static void end_series(struct ptdump_state *st, unsigned long end)
{
	struct ptdump_series *series = &st->series;

	series->last = end - 1;
	if (!series->rights)
		return;
	if (is_wx(series->rights))
		st->ptdump->nr_wx += ((series->last - series->first) >> PAGE_SHIFT) + 1;
	st->ptdump->show(series, st->ptdump->arg);
}

/* A hole may have jumped over several markers. */
static bool pass_markers(struct ptdump_state *st, unsigned long addr)
{
	bool passed = false;

	while (st->next_marker && st->next_marker->name && addr >= st->next_marker->start) {
		st->marker = st->next_marker->name;
		st->next_marker++;
		passed = true;
	}
	return passed;
}

/* What is at addr is of this kind, until the next note says otherwise. */
static int note_page(struct mm_walk *walk, unsigned long addr, int level, unsigned rights)
{
	struct ptdump_state *st = walk->private;
	bool passed = pass_markers(st, addr);

	if (!passed && st->series.level == level && st->series.rights == rights)
		return 0;
	end_series(st, addr);
	st->series = (struct ptdump_series){
		.first = addr, .level = level, .rights = rights, .marker = st->marker
	};
	return 0;
}

/*
 * Upper entries may take away what a leaf gives, and architectures have rules of their own on
 * top: the library combines them, where the kernel has effective_prot() of each level.
 */
static int note_leaf(struct mm_walk *walk, unsigned long addr, int level)
{
	struct mm_struct *mm = walk->mm;
	struct pgw_translation t;
	int err;

	if (addr < pgw_mm_region(mm)->first || addr > pgw_mm_region(mm)->last)
		mm = pgw_mm_kernel_mm(mm);
	pgw_mmap_assert_write_locked(mm); /* as said of ptdump_walk_locked(); for the compiler */
	err = pgw_translate(mm, addr, &t);
	return err ? err : note_page(walk, addr, level, t.rights);
}

static int ptdump_pgd_entry(pgd_t *pgd, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	(void)next;
	return pgd_leaf(pgdp_get(pgd)) ? note_leaf(walk, addr, PGW_LINUX_PGD) : 0;
}

static int ptdump_p4d_entry(p4d_t *p4d, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	(void)next;
	return p4d_leaf(p4dp_get(p4d)) ? note_leaf(walk, addr, PGW_LINUX_P4D) : 0;
}

static int ptdump_pud_entry(pud_t *pud, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	(void)next;
	if (!pud_leaf(pudp_get(pud)))
		return 0;
	walk->action = ACTION_CONTINUE;
	return note_leaf(walk, addr, PGW_LINUX_PUD);
}

static int ptdump_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	(void)next;
	if (!pmd_leaf(pmdp_get(pmd)))
		return 0;
	walk->action = ACTION_CONTINUE;
	return note_leaf(walk, addr, PGW_LINUX_PMD);
}

static int ptdump_pte_entry(pte_t *pte, unsigned long addr, unsigned long next,
			    struct mm_walk *walk)
{
	(void)next;
	if (!pte_present(ptep_get(pte)))
		return note_page(walk, addr, PGW_LINUX_PTE, 0);
	return note_leaf(walk, addr, PGW_LINUX_PTE);
}

/* Also what lies between the halves, which the kernel's ptdump is not told of. */
static int ptdump_hole(unsigned long addr, unsigned long next, int depth, struct mm_walk *walk)
{
	(void)next, (void)depth;
	return note_page(walk, addr, PGW_LINUX_PTE, 0);
}

/* An entry above the lowest level that is neither a table nor a leaf, and not empty. */
static int ptdump_malformed(uint64_t entry, uint64_t addr, uint64_t next, int depth,
			    struct mm_walk *walk)
{
	(void)entry;
	return ptdump_hole(addr, next, depth, walk);
}

static int ptdump_unreadable(uint64_t addr, uint64_t next, int depth, struct mm_walk *walk)
{
	return ptdump_hole(addr, next, depth, walk);
}

static const struct mm_walk_ops ptdump_ops = {
	.pgd_entry = ptdump_pgd_entry,
	.p4d_entry = ptdump_p4d_entry,
	.pud_entry = ptdump_pud_entry,
	.pmd_entry = ptdump_pmd_entry,
	.pte_entry = ptdump_pte_entry,
	.pte_hole = ptdump_hole,
	.malformed = ptdump_malformed,
	.unreadable = ptdump_unreadable,
	.torn = ptdump_unreadable,
};

int ptdump_walk_locked(struct mm_struct *mm, unsigned long first, unsigned long last,
		       struct ptdump *ptdump)
{
	struct ptdump_state st = { .ptdump = ptdump, .next_marker = ptdump->markers };
	int err;

	ptdump->nr_wx = 0;
	/* The one end that a half-open range cannot have is said by the last address itself. */
	err = walk_page_range_debug(mm, first, last == UINT64_MAX ? last : last + 1, &ptdump_ops,
				    NULL, &st);
	if (!err)
		end_series(&st, last + 1);
	return err;
}

/*
 * Ranges that others own: only the write lock keeps those away who free tables, those of the
 * kernel by its own lock. The compiler cannot know that a kernel mm has no kernel mm.
 */
PGW_NO_THREAD_SAFETY_ANALYSIS int ptdump_walk(struct mm_struct *mm, unsigned long first,
					      unsigned long last, struct ptdump *ptdump)
{
	struct mm_struct *kernel_mm = pgw_mm_kernel_mm(mm);
	int err;

	mmap_write_lock(mm);
	if (kernel_mm)
		mmap_write_lock_nested(kernel_mm, SINGLE_DEPTH_NESTING);
	err = ptdump_walk_locked(mm, first, last, ptdump);
	if (kernel_mm)
		mmap_write_unlock(kernel_mm);
	mmap_write_unlock(mm);
	return err;
}
