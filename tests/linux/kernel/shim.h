/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHIM_H
#define SHIM_H

/*
 * What Linux's mm/pagewalk.c finds in the place of the kernel's headers: an
 * architecture whose page tables are words in memory, of a shape and an encoding
 * that the case chooses. The names are the kernel's, what they do is ours: a word
 * is none, present, a leaf or bad; a slot is found in a table. See ../README.md.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oracle.h"

/* ---- the compiler ---- */

#define __bitwise
#define __force
#define BIT(n) (1ul << (n))
#define likely(x) (x)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define IS_ENABLED(x) 0
#define WARN_ON_ONCE(x) (x)
#define VM_WARN_ON_ONCE(x) ((void)(x))
#define EXPORT_SYMBOL_GPL(name)
#define CONFIG_PER_VMA_LOCK 1
#define CONFIG_HUGETLB_PAGE 1

/* ---- the walk that runs ---- */

struct shim {
	struct oracle_call *call;
	const struct oracle_host *host;
	const struct oracle_shape *shape;
	jmp_buf out;
	bool has_vma;
	unsigned long mute_first,
		mute_last; /* of a leaf that has no table below it: nothing is heard from there */
	bool enomem;       /* a split has failed, and the walk is to end */
	uint64_t table_lock;
	int nr_second_locks; /* of hugetlb VMAs */
};
extern struct shim shim;

/** A walk that makes no callbacks has an end too. */
static inline void shim_tick(void)
{
	if (++shim.call->ticks > shim.call->max_ticks)
		longjmp(shim.out, 1);
}

static inline bool shim_wants(enum oracle_what what)
{
	return shim.call->ops & (1u << what);
}

/* The entry point refuses this. */
static inline bool shim_refuses_ops(void)
{
	return shim_wants(EV_INSTALL) && !oracle_may_install(shim.call->entry_point);
}

static inline bool shim_is_mute(unsigned long addr)
{
	return shim.mute_last && addr >= shim.mute_first && addr <= shim.mute_last;
}

static inline bool shim_differs(enum oracle_switch sw)
{
	return shim.host->differs(shim.host->ctx, sw);
}

/* ---- levels: pte 0 to pgd 4, as Linux sees them; folded ones share a table ---- */

enum { SHIM_PTE, SHIM_PMD, SHIM_PUD, SHIM_P4D, SHIM_PGD };

static inline unsigned shim_table_level(unsigned level)
{
	return level < shim.shape->top_level ? level : shim.shape->top_level;
}

/* The level has no table of its own. */
static inline bool shim_folded(unsigned level)
{
	return level < SHIM_PGD && level >= shim.shape->top_level;
}

/* Of the levels that share a slot it is the lowest that says what is in it. */
static inline bool shim_real(unsigned level)
{
	return !shim_folded(level - 1);
}

static inline int shim_depth(unsigned level)
{
	while (shim_folded(level))
		level++;
	return (int)(SHIM_PGD - level);
}

static inline unsigned long shim_span(unsigned level)
{
	return 1ul << shim.shape->span_lg2[shim_table_level(level)];
}

static inline unsigned long shim_slots(unsigned level)
{
	return shim_folded(level) ? 1 : 1ul << shim.shape->slots_lg2[shim_table_level(level)];
}

static inline unsigned long shim_index(unsigned long addr, unsigned level)
{
	unsigned at = shim_table_level(level);

	return addr >> shim.shape->span_lg2[at] & ((1ul << shim.shape->slots_lg2[at]) - 1);
}

static inline unsigned long shim_addr_end(unsigned long addr, unsigned long end, unsigned level)
{
	unsigned long last = addr | (shim_span(level) - 1);

	return last < end - 1 ? last + 1 : end;
}

#define PAGE_SHIFT (shim.shape->page_lg2)
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PMD_SIZE shim_span(SHIM_PMD)
#define PUD_SIZE shim_span(SHIM_PUD)
#define TASK_SIZE (shim.shape->task_size)
#define PTRS_PER_PGD shim_slots(SHIM_PGD)
#define PTRS_PER_P4D shim_slots(SHIM_P4D)
#define PTRS_PER_PUD shim_slots(SHIM_PUD)
#define PTRS_PER_PMD shim_slots(SHIM_PMD)
#define PTRS_PER_PTE shim_slots(SHIM_PTE)

#define pgd_addr_end(addr, end) shim_addr_end(addr, end, SHIM_PGD)
#define p4d_addr_end(addr, end) shim_addr_end(addr, end, SHIM_P4D)
#define pud_addr_end(addr, end) shim_addr_end(addr, end, SHIM_PUD)
#define pmd_addr_end(addr, end) shim_addr_end(addr, end, SHIM_PMD)

/* ---- entries ---- */

typedef struct {
	uint64_t word;
} pgd_t;
typedef struct {
	uint64_t word;
} p4d_t;
typedef struct {
	uint64_t word;
} pud_t;
typedef struct {
	uint64_t word;
} pmd_t;
typedef struct {
	uint64_t word;
} pte_t;

static inline enum oracle_kind shim_kind(uint64_t word, unsigned level)
{
	return shim.host->kind(shim.host->ctx, word, shim_table_level(level));
}

bool shim_none(uint64_t word, unsigned level);
bool shim_present(uint64_t word, unsigned level);
bool shim_leaf(uint64_t word, unsigned level);
/** Report an entry that is bad, and clear it. */
void shim_clear_bad(uint64_t *slot, unsigned level);
bool shim_none_or_clear_bad(uint64_t *slot, unsigned level);

#define pgd_none_or_clear_bad(pgd) shim_none_or_clear_bad(&(pgd)->word, SHIM_PGD)
#define p4d_none_or_clear_bad(p4d) shim_none_or_clear_bad(&(p4d)->word, SHIM_P4D)
#define pud_none(pud) shim_none((pud).word, SHIM_PUD)
#define pmd_none(pmd) shim_none((pmd).word, SHIM_PMD)
#define pte_none(pte) shim_none((pte).word, SHIM_PTE)
#define pud_present(pud) shim_present((pud).word, SHIM_PUD)
#define pmd_present(pmd) shim_present((pmd).word, SHIM_PMD)
#define pte_present(pte) ((pte).word & 1)
#define pud_leaf(pud) shim_leaf((pud).word, SHIM_PUD)
#define pmd_leaf(pmd) shim_leaf((pmd).word, SHIM_PMD)
#define pud_trans_huge(pud) pud_leaf(pud)
#define pmd_trans_huge(pmd) pmd_leaf(pmd)
#define pgdp_get(p) (*(p))
#define p4dp_get(p) (*(p))
#define pudp_get(p) (*(p))
#define pmdp_get(p) (*(p))
#define pmdp_get_lockless(p) (*(p))
#define ptep_get(p) (*(p))

/* ---- address spaces ---- */

typedef struct {
	uint64_t *word;
} spinlock_t;
struct rw_semaphore {
	int none;
};
typedef unsigned long pgoff_t;

struct mm_struct {
	enum oracle_lock_of who;
	pgd_t *pgd;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct oracle_vma *vma;
};

#define VM_PFNMAP 1ul

extern struct mm_struct shim_user_mm, shim_second_mm, init_mm;

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);

#define vma_pages(vma) (((vma)->vm_end - (vma)->vm_start) >> PAGE_SHIFT)
#define is_vm_hugetlb_page(vma) shim_is_hugetlb(vma)

static inline bool shim_is_hugetlb(const struct vm_area_struct *vma)
{
	return vma->vma->kind == VMA_HUGETLB;
}

/* ---- pages of a hugetlb VMA: of one size ---- */

struct hstate {
	unsigned page_lg2;
};

static inline struct hstate *hstate_vma(const struct vm_area_struct *vma)
{
	static struct hstate h;

	h.page_lg2 = vma->vma->page_lg2;
	return &h;
}

#define huge_page_size(h) (1ul << (h)->page_lg2)
#define huge_page_mask(h) (~(huge_page_size(h) - 1))

/* ---- locks ---- */

void mmap_assert_locked(struct mm_struct *mm);
void mmap_assert_write_locked(struct mm_struct *mm);
void vma_start_write(struct vm_area_struct *vma);
void vma_assert_write_locked(struct vm_area_struct *vma);
void vma_assert_locked(struct vm_area_struct *vma);

#define hugetlb_vma_lock_read(vma) ((void)(vma), shim.nr_second_locks++)
#define hugetlb_vma_unlock_read(vma) ((void)(vma), shim.nr_second_locks--)
#define vma_pgtable_walk_begin(vma) ((void)(vma))
#define vma_pgtable_walk_end(vma) ((void)(vma))
/* The only lock that this is asked of. */
void shim_assert_i_mmap(void);
#define lockdep_assert_held(lock) ((void)(lock), shim_assert_i_mmap())
#define spin_unlock(lock) ((void)(lock))

/* ---- tables ---- */

/** The slot of addr in the table that a slot of this level points to; or that slot again. */
uint64_t *shim_below(uint64_t *slot, unsigned long addr, unsigned level);

#define pgd_index(addr) shim_index(addr, SHIM_PGD)
#define pgd_offset(mm, addr) ((mm)->pgd + pgd_index(addr))
#define p4d_offset(pgd, addr) ((p4d_t *)shim_below(&(pgd)->word, addr, SHIM_PGD))
#define pud_offset(p4d, addr) ((pud_t *)shim_below(&(p4d)->word, addr, SHIM_P4D))
#define pmd_offset(pud, addr) ((pmd_t *)shim_below(&(pud)->word, addr, SHIM_PUD))
#define pte_offset_kernel(pmd, addr) ((pte_t *)shim_below(&(pmd)->word, addr, SHIM_PMD))

/** The slot of a page of this size, or the first one of a run; NULL: no table has it. */
uint64_t *shim_hugetlb_slot(struct mm_struct *mm, unsigned long addr, unsigned long size);

#define hugetlb_walk(vma, addr, size) ((pte_t *)shim_hugetlb_slot((vma)->vm_mm, addr, size))

pte_t *pte_offset_map(pmd_t *pmd, unsigned long addr);
pte_t *pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ret);
#define pte_unmap(pte) ((void)(pte))
#define pte_unmap_unlock(pte, ptl) ((void)(pte), (void)(ptl))

/** Split a leaf; whatever else is in the slot stays. */
void shim_split(uint64_t *slot, unsigned level, unsigned long addr);

#define split_huge_pud(vma, pud, addr) shim_split(&(pud)->word, SHIM_PUD, addr)
#define split_huge_pmd(vma, pmd, addr) shim_split(&(pmd)->word, SHIM_PMD, addr)

/* ---- install_pte ---- */

/** An empty slot of this level gets a table. @return 0 or -ENOMEM */
int shim_make_table(uint64_t *slot, unsigned level);

/* Ours writes no entry of zeroes: it shows if the callback put something there itself. */
static inline void shim_set_pte(pte_t *ptep, pte_t pte)
{
	if (pte.word || !ptep->word || !shim_differs(SW_INSTALL_NOTHING))
		*ptep = pte;
}

#define __p4d_alloc(mm, pgd, addr) shim_make_table(&(pgd)->word, SHIM_PGD)
#define __pud_alloc(mm, p4d, addr) shim_make_table(&(p4d)->word, SHIM_P4D)
#define __pmd_alloc(mm, pud, addr) shim_make_table(&(pud)->word, SHIM_PUD)
#define __pte_alloc(mm, pmd) shim_make_table(&(pmd)->word, SHIM_PMD)
#define set_pte_at(mm, addr, ptep, pte) shim_set_pte(ptep, pte)
#define update_mmu_cache(vma, addr, ptep) ((void)(vma), (void)(addr), (void)(ptep))

/* ---- the file's mapping ---- */

struct address_space {
	struct rw_semaphore i_mmap_rwsem;
	int i_mmap;
};

/** Of the file's VMAs that show one of these pages the one behind prev, or the first one. */
struct vm_area_struct *shim_file_vma(const struct vm_area_struct *prev, unsigned long first,
				     unsigned long last);

#define vma_interval_tree_foreach(vma, root, first, last)                                          \
	for ((vma) = ((void)(root), shim_file_vma(NULL, first, last)); (vma);                      \
	     (vma) = shim_file_vma(vma, first, last))

/* ---- folio_walk: hook, no pages yet ---- */

struct folio {
	int none;
};
struct page {
	struct folio folio;
};
typedef struct {
	unsigned long val;
} swp_entry_t;

static inline struct page *shim_page(void)
{
	return NULL;
}

#define page_folio(page) (&(page)->folio)
#define pfn_to_page(pfn) ((void)(pfn), shim_page())
#define nth_page(page, n) ((page) + (n))
#define pud_page(pud) ((void)(pud), shim_page())
#define vm_normal_page(vma, addr, pte) ((void)(vma), (void)(pte), shim_page())
#define vm_normal_page_pmd(vma, addr, pmd) ((void)(vma), (void)(pmd), shim_page())
#define vm_normal_page_pud(vma, addr, pud) ((void)(vma), (void)(pud), shim_page())
#define is_huge_zero_pmd(pmd) ((void)(pmd), false)
#define is_zero_pfn(pfn) ((void)(pfn), false)
#define pmd_pfn(pmd) ((pmd).word >> PAGE_SHIFT)
#define pte_pfn(pte) ((pte).word >> PAGE_SHIFT)
#define pud_devmap(pud) ((void)(pud), false)
#define pud_special(pud) ((void)(pud), false)
#define is_pmd_migration_entry(pmd) ((void)(pmd), false)
#define is_migration_entry(entry) ((void)(entry), false)
#define pmd_to_swp_entry(pmd) ((swp_entry_t){ (pmd).word })
#define pte_to_swp_entry(pte) ((swp_entry_t){ (pte).word })
#define pfn_swap_entry_to_page(entry) ((void)(entry), shim_page())

static inline spinlock_t *shim_lock(void)
{
	static spinlock_t lock;

	return &lock;
}

#define pud_lock(mm, pud) ((void)(mm), (void)(pud), shim_lock())
#define pmd_lock(mm, pmd) ((void)(mm), (void)(pmd), shim_lock())

#endif
