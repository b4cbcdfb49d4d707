/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_LINUX_H
#define PAGEWALK_LINUX_H

/**
 * @file
 * The Linux kernel's names for what this library has, so that a callback
 * written for the kernel's walker compiles here with few changes. For C only,
 * not part of pagewalk.h: it defines many short names. Include it last.
 *
 * What differs all the same is in docs/linux-differences.md. Most of all: a
 * kernel is built for one format and has one init_mm, here both are values. So
 * a program that uses init_mm, the functions on kernel tables, what asks for
 * bits of an entry (pte_present() and its like) or PAGE_SIZE and its like
 * defines pgw_linux_init_mm and sets it, to an mm of the format that it walks.
 */

#ifdef __cplusplus
#error "linux.h is for C only"
#endif

#include <pagewalk/mapping.h>
#include <pagewalk/vma.h>
#include <pagewalk/walk.h>

_Static_assert(sizeof(unsigned long) == sizeof(uint64_t),
	       "the kernel's addresses are unsigned long");

/* ---- types ---- */

/* All the same word: what a level's entry is, only its level says. */
typedef uint64_t pgd_t;
typedef uint64_t p4d_t;
typedef uint64_t pud_t;
typedef uint64_t pmd_t;
typedef uint64_t pte_t;
typedef uint64_t pgoff_t; /* a page of a file */

#define mm_struct pgw_mm
#define vm_area_struct pgw_vma
#define address_space pgw_mapping
#define mm_walk pgw_mm_walk
#define mm_walk_ops pgw_mm_walk_ops
#define page_walk_action pgw_walk_action
#define page_walk_lock pgw_walk_lock

/* Members of struct mm_walk and struct vm_area_struct. */
#define private arg
#define vm_start start
#define vm_end end
#define vm_flags flags
#define vm_mm mm
#define vm_pgoff pgoff
#define vm_private_data private_data

#define ACTION_SUBTREE PGW_ACTION_SUBTREE
#define ACTION_CONTINUE PGW_ACTION_CONTINUE
#define ACTION_AGAIN PGW_ACTION_AGAIN

#define PGWALK_RDLOCK PGW_WALK_RDLOCK
#define PGWALK_WRLOCK PGW_WALK_WRLOCK
#define PGWALK_WRLOCK_VERIFY PGW_WALK_WRLOCK_VERIFY
#define PGWALK_VMA_RDLOCK_VERIFY PGW_WALK_VMA_RDLOCK_VERIFY

#define VM_READ PGW_VMA_READ
#define VM_WRITE PGW_VMA_WRITE
#define VM_EXEC PGW_VMA_EXEC
#define VM_SHARED PGW_VMA_SHARED
#define VM_PFNMAP PGW_VMA_PFNMAP
#define VM_LOCKED PGW_VMA_LOCKED
#define VM_GROWSDOWN PGW_VMA_GROWSDOWN
#define VM_HUGETLB PGW_VMA_HUGETLB

/* ---- the kernel's address space ---- */

/** The program's to define: init_mm, or any mm of the format that the program walks. */
extern struct pgw_mm *pgw_linux_init_mm;

#define init_mm (*pgw_linux_init_mm)

/* ---- walks; a pgd argument is a struct pgw_root pointer, or NULL ---- */

#define walk_page_range pgw_walk_page_range
#define walk_page_range_vma pgw_walk_page_range_vma
#define walk_page_vma pgw_walk_page_vma
#define walk_page_range_mm_unsafe pgw_walk_page_range_mm_unsafe
#define walk_page_range_vma_unsafe pgw_walk_page_range_vma_unsafe
#define walk_page_mapping pgw_walk_page_mapping
#define walk_page_range_novma pgw_walk_page_range_novma
#define walk_page_range_debug pgw_walk_page_range_debug
/* The kernel's have no mm argument. */
#define walk_kernel_page_table_range(start, end, ops, pgd, arg)                                    \
	pgw_walk_kernel_page_table_range(&init_mm, start, end, ops, pgd, arg)
#define walk_kernel_page_table_range_lockless(start, end, ops, pgd, arg)                           \
	pgw_walk_kernel_page_table_range_lockless(&init_mm, start, end, ops, pgd, arg)

/* ---- locks; where the kernel's return nothing, these return a status ---- */

#define mmap_read_lock pgw_mmap_read_lock
/* Nothing kills a program that waits here. */
#define mmap_read_lock_killable pgw_mmap_read_lock
#define mmap_write_lock_killable pgw_mmap_write_lock
/* The library knows by itself that init_mm's lock comes after another mm's. */
#define SINGLE_DEPTH_NESTING 1
#define mmap_write_lock_nested(mm, subclass) pgw_mmap_write_lock(mm)
#define mmap_read_unlock pgw_mmap_read_unlock
#define mmap_write_lock pgw_mmap_write_lock
#define mmap_write_unlock pgw_mmap_write_unlock
#define mmap_write_downgrade pgw_mmap_write_downgrade
#define mmap_assert_locked pgw_mmap_assert_locked
#define mmap_assert_write_locked pgw_mmap_assert_write_locked

/** @return whether the lock was taken */
static inline bool mmap_read_trylock(struct mm_struct *mm)
{
	return !pgw_mmap_read_trylock(mm);
}

/** @return whether the lock was taken */
static inline bool mmap_write_trylock(struct mm_struct *mm)
{
	return !pgw_mmap_write_trylock(mm);
}

#define lock_vma_under_rcu pgw_vma_read_lock
#define vma_end_read pgw_vma_read_unlock
#define vma_start_write pgw_vma_write_lock
#define vma_assert_locked pgw_vma_assert_locked
#define vma_assert_write_locked pgw_vma_assert_write_locked
#define hugetlb_vma_lock_read pgw_hugetlb_vma_lock_read
#define hugetlb_vma_unlock_read pgw_hugetlb_vma_unlock_read

#define i_mmap_lock_read pgw_mapping_read_lock
#define i_mmap_unlock_read pgw_mapping_read_unlock
#define i_mmap_lock_write pgw_mapping_write_lock
#define i_mmap_unlock_write pgw_mapping_write_unlock
#define i_mmap_assert_locked pgw_mapping_assert_locked

/** @return whether the lock was taken */
static inline bool i_mmap_trylock_read(struct address_space *mapping)
{
	return !pgw_mapping_read_trylock(mapping);
}

/** @return whether the lock was taken */
static inline bool i_mmap_trylock_write(struct address_space *mapping)
{
	return !pgw_mapping_write_trylock(mapping);
}

/* ---- VMAs ---- */

#define find_vma pgw_vma_find
#define vma_lookup pgw_vma_lookup

static inline bool is_vm_hugetlb_page(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_HUGETLB;
}

struct vma_iterator {
	struct mm_struct *mm;
	uint64_t next;
};

#define VMA_ITERATOR(name, mm, addr) struct vma_iterator name = { mm, addr }

/** The first VMA that ends above where the iterator is, which then is at its end. Or NULL. */
static inline struct vm_area_struct *vma_next(struct vma_iterator *vmi)
{
	struct vm_area_struct *vma = pgw_vma_find(vmi->mm, vmi->next);

	if (vma)
		vmi->next = vma->vm_end;
	return vma;
}

/** The same, of those that begin below max. */
static inline struct vm_area_struct *vma_find(struct vma_iterator *vmi, unsigned long max)
{
	struct vm_area_struct *vma = pgw_vma_find(vmi->mm, vmi->next);

	if (!vma || vma->vm_start >= max)
		return NULL;
	vmi->next = vma->vm_end;
	return vma;
}

#define for_each_vma(vmi, vma) while (((vma) = vma_next(&(vmi))) != NULL)
#define for_each_vma_range(vmi, vma, end) while (((vma) = vma_find(&(vmi), end)) != NULL)

/** No page is private to a VMA here: whatever even_cows is, all go. */
static inline int unmap_mapping_pages(struct address_space *mapping, pgoff_t start, pgoff_t nr,
				      bool even_cows)
{
	(void)even_cows;
	return pgw_mapping_unmap(mapping, start, nr);
}

/* ---- one page ---- */

typedef uint32_t folio_walk_flags_t;

#define FW_ZEROPAGE PGW_PAGE_WALK_ZERO
#define FW_MIGRATION PGW_PAGE_WALK_MIGRATION

enum folio_walk_level { FW_LEVEL_PTE, FW_LEVEL_PMD, FW_LEVEL_PUD, FW_LEVEL_P4D, FW_LEVEL_PGD };

/** There are none: a pointer to one says that something was found. */
struct folio;

struct folio_walk {
	/** where the kernel has a struct page: its physical address, 0 where the kernel has none */
	uint64_t page;
	enum folio_walk_level level;
	union {
		pte_t *ptep;
		pmd_t *pmdp;
		pud_t *pudp;
	};
	union {
		pte_t pte;
		pmd_t pmd;
		pud_t pud;
	};
	struct vm_area_struct *vma;
	struct pgw_ptdesc *ptl; /* of the table whose lock is held */
	struct pgw_page_walk walk;
};

/** @return not NULL: found, and a lock is held until folio_walk_end() */
static inline struct folio *folio_walk_start(struct folio_walk *fw, struct vm_area_struct *vma,
					     unsigned long addr, folio_walk_flags_t flags)
{
	if (pgw_page_walk_start(vma, addr, flags, &fw->walk))
		return NULL;
	fw->page = fw->walk.kind == PGW_PAGE_NORMAL ? fw->walk.pa : 0;
	fw->level = (enum folio_walk_level)fw->walk.level;
	fw->ptep = fw->walk.item;
	fw->pte = fw->walk.entry;
	fw->vma = vma;
	fw->ptl = fw->walk.desc;
	return (struct folio *)fw;
}

static inline void folio_walk_end(const struct folio_walk *fw, struct vm_area_struct *vma)
{
	pgw_page_walk_end(&fw->walk, vma);
}

#define madvise_guard_install pgw_mm_guard_install
#define madvise_guard_remove pgw_mm_guard_remove

/** mremap() with MREMAP_FIXED, but nothing is unmapped at the new place; or in place. @return a status */
static inline int do_mremap(struct mm_struct *mm, unsigned long addr, unsigned long old_len,
			    unsigned long new_len, unsigned long new_addr)
{
	const struct pgw_mremap_args args = { addr, addr + old_len, new_addr, new_addr + new_len };

	return pgw_mm_mremap(mm, &args);
}

/* ---- entries: loads ---- */

#define pgdp_get pgw_item_load
#define p4dp_get pgw_item_load
#define pudp_get pgw_item_load
#define pmdp_get pgw_item_load
#define ptep_get pgw_item_load
#define pmdp_get_lockless pgw_item_load
#define ptep_get_lockless pgw_item_load

/* ---- entries: what they are, in init_mm's format ---- */

/** Linux's names for levels, as pagewalk counts them. */
enum { PGW_LINUX_PTE, PGW_LINUX_PMD, PGW_LINUX_PUD, PGW_LINUX_P4D, PGW_LINUX_PGD };

/** The level of the table that holds a slot: a folded level's is the top one's. */
static inline unsigned pgw_linux_level(unsigned level)
{
	unsigned top = pgw_format_geometry(pgw_mm_format(pgw_linux_init_mm))->top_level;

	return level < top ? level : top;
}

static inline struct pgw_entry pgw_linux_entry(uint64_t entry, unsigned level)
{
	struct pgw_entry ret;

	pgw_entry_decode(pgw_mm_format(pgw_linux_init_mm), pgw_mm_control(pgw_linux_init_mm), entry,
			 pgw_linux_level(level), &ret);
	return ret;
}

static inline bool pgw_linux_same_name(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/**
 * Is the level folded into the next lower one? Then, as in the kernel, an entry of it
 * is never none, always present, and no leaf: what it is is asked below.
 */
static inline bool pgw_linux_folded(unsigned level)
{
	return pgw_linux_level(level) != level;
}

static inline bool pgw_linux_none(uint64_t entry, unsigned level)
{
	return entry == 0 && !pgw_linux_folded(level);
}

static inline bool pgw_linux_leaf(uint64_t entry, unsigned level)
{
	return !pgw_linux_folded(level) && pgw_linux_entry(entry, level).kind == PGW_ENTRY_LEAF;
}

/** A leaf or a table. */
static inline bool pgw_linux_present(uint64_t entry, unsigned level)
{
	enum pgw_entry_kind kind = pgw_linux_entry(entry, level).kind;

	return pgw_linux_folded(level) || kind == PGW_ENTRY_LEAF || kind == PGW_ENTRY_TABLE;
}

/** No table: what the kernel would not go below. */
static inline bool pgw_linux_bad(uint64_t entry, unsigned level)
{
	return !pgw_linux_folded(level) && pgw_linux_entry(entry, level).kind != PGW_ENTRY_TABLE;
}

static inline bool pgw_linux_write(uint64_t entry, unsigned level)
{
	return pgw_linux_entry(entry, level).rights & (PGW_KERNEL_W | PGW_USER_W);
}

static inline bool pgw_linux_exec(uint64_t entry, unsigned level)
{
	return pgw_linux_entry(entry, level).rights & (PGW_KERNEL_X | PGW_USER_X);
}

/** May user code do anything with it? */
static inline bool pgw_linux_user(uint64_t entry, unsigned level)
{
	return pgw_linux_entry(entry, level).rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X);
}

/** The bits of an attribute at a level; 0 if the format has none of this name there. */
static inline uint64_t pgw_linux_mask(const char *name, unsigned level)
{
	const struct pgw_attr *attr = pgw_format_attrs(pgw_mm_format(pgw_linux_init_mm));

	level = pgw_linux_level(level);
	for (; attr->name; attr++) {
		if (level >= attr->level_first && level <= attr->level_last &&
		    pgw_linux_same_name(attr->name, name))
			return attr->mask;
	}
	return 0;
}

/** The accessed bit: x86 and riscv call it A, arm64 AF. */
static inline uint64_t pgw_linux_young_bit(unsigned level)
{
	uint64_t bit = pgw_linux_mask("a", level);

	return bit ? bit : pgw_linux_mask("af", level);
}

static inline bool pgw_linux_young(uint64_t entry, unsigned level)
{
	return entry & pgw_linux_young_bit(level);
}

/** Bit 55 of arm64's entries: dirty when it was made read-only. It is the library's, and Linux's. */
#define PGW_LINUX_ARM64_DIRTY (UINT64_C(1) << 55)

/**
 * arm64, the format that has DBM, has no dirty bit: a leaf is dirty if AP[2] lets it be
 * written, which with TCR_EL1.HD it does from the first write on.
 */
static inline bool pgw_linux_dirty(uint64_t entry, unsigned level)
{
	struct pgw_control control = *pgw_mm_control(pgw_linux_init_mm);
	struct pgw_entry leaf;

	if (!pgw_linux_mask("dbm", level))
		return entry & pgw_linux_mask("d", level);
	control.set &= ~(uint32_t)PGW_CTL_ARM64_HD; /* else a clean leaf counts as writable */
	pgw_entry_decode(pgw_mm_format(pgw_linux_init_mm), &control, entry, pgw_linux_level(level),
			 &leaf);
	return (leaf.rights & PGW_KERNEL_W) || (entry & PGW_LINUX_ARM64_DIRTY);
}

/**
 * Clear a leaf's accessed bit, whatever the MMU and others do to it meanwhile. No TLB is flushed.
 * @return whether it was set
 */
static inline bool pgw_linux_clear_young(uint64_t *item, unsigned level)
{
	uint64_t entry = pgw_item_load(item);

	/* Only of a leaf: other words that are not valid may have the bit for another purpose. */
	while (pgw_linux_leaf(entry, level) && pgw_linux_young(entry, level)) {
		if (__atomic_compare_exchange_n(item, &entry, entry & ~pgw_linux_young_bit(level),
						false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static inline unsigned long pgw_linux_pfn(uint64_t entry, unsigned level)
{
	return pgw_linux_entry(entry, level).pa >>
	       pgw_format_geometry(pgw_mm_format(pgw_linux_init_mm))->granule_lg2;
}

#define pgd_none(pgd) pgw_linux_none(pgd, PGW_LINUX_PGD)
#define p4d_none(p4d) pgw_linux_none(p4d, PGW_LINUX_P4D)
#define pud_none(pud) pgw_linux_none(pud, PGW_LINUX_PUD)
#define pmd_none(pmd) pgw_linux_none(pmd, PGW_LINUX_PMD)
#define pte_none(pte) ((pte) == 0)

#define pgd_present(pgd) pgw_linux_present(pgd, PGW_LINUX_PGD)
#define p4d_present(p4d) pgw_linux_present(p4d, PGW_LINUX_P4D)
#define pud_present(pud) pgw_linux_present(pud, PGW_LINUX_PUD)
#define pmd_present(pmd) pgw_linux_present(pmd, PGW_LINUX_PMD)
#define pte_present(pte) pgw_linux_leaf(pte, PGW_LINUX_PTE)

#define pgd_leaf(pgd) pgw_linux_leaf(pgd, PGW_LINUX_PGD)
#define p4d_leaf(p4d) pgw_linux_leaf(p4d, PGW_LINUX_P4D)
#define pud_leaf(pud) pgw_linux_leaf(pud, PGW_LINUX_PUD)
#define pmd_leaf(pmd) pgw_linux_leaf(pmd, PGW_LINUX_PMD)
#define pud_trans_huge pud_leaf
#define pmd_trans_huge pmd_leaf

#define pgd_bad(pgd) pgw_linux_bad(pgd, PGW_LINUX_PGD)
#define p4d_bad(p4d) pgw_linux_bad(p4d, PGW_LINUX_P4D)
#define pud_bad(pud) pgw_linux_bad(pud, PGW_LINUX_PUD)
#define pmd_bad(pmd) pgw_linux_bad(pmd, PGW_LINUX_PMD)

/** Not valid and not none: what the kernel keeps in place of a page. */
static inline bool pgw_linux_swap(uint64_t entry, unsigned level)
{
	return pgw_linux_entry(entry, level).kind == PGW_ENTRY_ABSENT;
}

#define is_swap_pmd(pmd) pgw_linux_swap(pmd, PGW_LINUX_PMD)
#define is_swap_pte(pte) pgw_linux_swap(pte, PGW_LINUX_PTE)
#define pte_same(a, b) ((a) == (b))
#define pmd_same(a, b) ((a) == (b))

/* The kernel's take the VMA and the address first, for architectures that need these. */
#define pudp_test_and_clear_young(vma, addr, pud) pgw_linux_clear_young(pud, PGW_LINUX_PUD)
#define pmdp_test_and_clear_young(vma, addr, pmd) pgw_linux_clear_young(pmd, PGW_LINUX_PMD)
#define ptep_test_and_clear_young(vma, addr, pte) pgw_linux_clear_young(pte, PGW_LINUX_PTE)

#define pud_young(pud) pgw_linux_young(pud, PGW_LINUX_PUD)
#define pmd_young(pmd) pgw_linux_young(pmd, PGW_LINUX_PMD)
#define pte_young(pte) pgw_linux_young(pte, PGW_LINUX_PTE)
#define pud_dirty(pud) pgw_linux_dirty(pud, PGW_LINUX_PUD)
#define pmd_dirty(pmd) pgw_linux_dirty(pmd, PGW_LINUX_PMD)
#define pte_dirty(pte) pgw_linux_dirty(pte, PGW_LINUX_PTE)
#define pud_write(pud) pgw_linux_write(pud, PGW_LINUX_PUD)
#define pmd_write(pmd) pgw_linux_write(pmd, PGW_LINUX_PMD)
#define pte_write(pte) pgw_linux_write(pte, PGW_LINUX_PTE)
#define pud_exec(pud) pgw_linux_exec(pud, PGW_LINUX_PUD)
#define pmd_exec(pmd) pgw_linux_exec(pmd, PGW_LINUX_PMD)
#define pte_exec(pte) pgw_linux_exec(pte, PGW_LINUX_PTE)
#define pud_user(pud) pgw_linux_user(pud, PGW_LINUX_PUD)
#define pmd_user(pmd) pgw_linux_user(pmd, PGW_LINUX_PMD)
#define pte_user(pte) pgw_linux_user(pte, PGW_LINUX_PTE)
#define pud_pfn(pud) pgw_linux_pfn(pud, PGW_LINUX_PUD)
#define pmd_pfn(pmd) pgw_linux_pfn(pmd, PGW_LINUX_PMD)
#define pte_pfn(pte) pgw_linux_pfn(pte, PGW_LINUX_PTE)

#define pgd_val(pgd) (pgd)
#define p4d_val(p4d) (p4d)
#define pud_val(pud) (pud)
#define pmd_val(pmd) (pmd)
#define pte_val(pte) (pte)

#define is_guard_pte_marker(pte) ((pte) == pgw_mm_guard_entry(pgw_linux_init_mm))

/* ---- sizes, in init_mm's format ---- */

/** The size of a VMA's pages. */
static inline unsigned long vma_kernel_pagesize(const struct vm_area_struct *vma)
{
	return 1UL << (is_vm_hugetlb_page(vma)
			       ? vma->page_lg2
			       : pgw_format_geometry(pgw_mm_format(vma->vm_mm))->granule_lg2);
}

/** log2 of what a slot of this level spans. */
static inline unsigned pgw_linux_shift(unsigned level)
{
	return pgw_format_geometry(pgw_mm_format(pgw_linux_init_mm))
		->span_lg2[pgw_linux_level(level)];
}

#define PAGE_SHIFT pgw_linux_shift(PGW_LINUX_PTE)
#define PMD_SHIFT pgw_linux_shift(PGW_LINUX_PMD)
#define PUD_SHIFT pgw_linux_shift(PGW_LINUX_PUD)
#define P4D_SHIFT pgw_linux_shift(PGW_LINUX_P4D)
#define PGDIR_SHIFT pgw_linux_shift(PGW_LINUX_PGD)
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PMD_SIZE (1UL << PMD_SHIFT)
#define PUD_SIZE (1UL << PUD_SHIFT)
#define P4D_SIZE (1UL << P4D_SHIFT)
#define PGDIR_SIZE (1UL << PGDIR_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PMD_MASK (~(PMD_SIZE - 1))
#define PUD_MASK (~(PUD_SIZE - 1))
#define P4D_MASK (~(P4D_SIZE - 1))
#define PGDIR_MASK (~(PGDIR_SIZE - 1))
#define PAGE_ALIGN(addr) (((addr) + PAGE_SIZE - 1) & PAGE_MASK)

/** Slots of a table: one where the level is folded. */
static inline unsigned long pgw_linux_slots(unsigned level)
{
	const struct pgw_geometry *geo = pgw_format_geometry(pgw_mm_format(pgw_linux_init_mm));

	return level > geo->top_level ? 1 : 1UL << geo->slots_lg2[level];
}

#define PTRS_PER_PTE pgw_linux_slots(PGW_LINUX_PTE)
#define PTRS_PER_PMD pgw_linux_slots(PGW_LINUX_PMD)
#define PTRS_PER_PUD pgw_linux_slots(PGW_LINUX_PUD)
#define PTRS_PER_P4D pgw_linux_slots(PGW_LINUX_P4D)

/** Where an entry's span ends, or the range. A span that ends at the top ends at 0. */
static inline unsigned long pgw_linux_addr_end(unsigned long addr, unsigned long end,
					       unsigned level)
{
	unsigned long size = 1UL << pgw_linux_shift(level);
	unsigned long next = (addr & ~(size - 1)) + size;

	return next - 1 < end - 1 ? next : end;
}

#define pgd_addr_end(addr, end) pgw_linux_addr_end(addr, end, PGW_LINUX_PGD)
#define p4d_addr_end(addr, end) pgw_linux_addr_end(addr, end, PGW_LINUX_P4D)
#define pud_addr_end(addr, end) pgw_linux_addr_end(addr, end, PGW_LINUX_PUD)
#define pmd_addr_end(addr, end) pgw_linux_addr_end(addr, end, PGW_LINUX_PMD)

static inline unsigned long vma_pages(const struct vm_area_struct *vma)
{
	return (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
}

#endif
