/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHIM_PTDUMP_H
#define SHIM_PTDUMP_H

/*
 * What Linux's mm/ptdump.c and an architecture's front end of it find beside shim.h:
 * constants of the architecture's entries by its manual, names of regions whose
 * values the case chooses, and a file that is a buffer. SHIM_ARCH_* says which.
 */

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shim.h"

typedef uint64_t u64;

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define READ_ONCE(x) (x)
#define ptep_get_lockless(p) (*(p))
#define WARN_ONCE(condition, ...) ((void)(condition))
#define __init
#define __ro_after_init
#define pr_info(...) ((void)0)
#define pr_warn(...) ((void)0)
#define printk(...) ((void)0)
#define strscpy(to, from) snprintf(to, sizeof(to), "%s", from)

#define device_initcall(fn)                                                                        \
	static void (*const shim_init_##fn)(void) __attribute__((unused)) = (void (*)(void))(fn)
#define __initcall(fn) device_initcall(fn)
#define DEFINE_SHOW_ATTRIBUTE(name)                                                                \
	static int (*const name##_fops)(struct seq_file *, void *) __attribute__((unused)) =       \
		name##_show
#define debugfs_create_file(name, mode, parent, data, fops) ((void)(data), (void)(fops))

/* ---- files ---- */

struct seq_file {
	struct oracle_text *out;
	void *private;
};

__attribute__((format(printf, 2, 3))) static inline void seq_printf(struct seq_file *m,
								    const char *format, ...)
{
	struct oracle_text *out = m->out;
	size_t room = out->len < out->size ? out->size - out->len : 0;
	va_list args;

	va_start(args, format);
	out->len += (size_t)vsnprintf(out->text + out->size - room, room, format, args);
	va_end(args);
}

#define seq_puts(m, text) seq_printf(m, "%s", text)

/* ---- entries, locks ---- */

#define pgd_val(pgd) ((pgd).word)
#define p4d_val(p4d) ((p4d).word)
#define pud_val(pud) ((pud).word)
#define pmd_val(pmd) ((pmd).word)
#define pte_val(pte) ((pte).word)
#define __pte(value) ((pte_t){ value })
#define pgd_leaf(pgd) shim_leaf((pgd).word, SHIM_PGD)
#define p4d_leaf(p4d) shim_leaf((p4d).word, SHIM_P4D)

#define SINGLE_DEPTH_NESTING 1
#define get_online_mems() ((void)0)
#define put_online_mems() ((void)0)
#define mmap_write_lock(mm) ((void)(shim.call->held[(mm)->who] = HELD_WRITE))
#define mmap_write_lock_nested(mm, depth) mmap_write_lock(mm)
#define mmap_write_unlock(mm) ((void)(shim.call->held[(mm)->who] = HELD_NOT))

/* ---- regions: the glue puts the case's markers in their places ---- */

#undef PAGE_OFFSET
#define PAGE_OFFSET 0
#define PAGE_END 0
#define VMALLOC_START 0
#define VMALLOC_END 0
#define VMEMMAP_START 0
#define VMEMMAP_END 0
#define MODULES_VADDR 0
#define MODULES_END 0
#define FIXADDR_START 0
#define FIXADDR_TOP 0
#define FIXADDR_TOT_START 0
#define PCI_IO_START 0
#define PCI_IO_END 0

#ifdef SHIM_ARCH_x86_64
/* Intel SDM vol. 3A, tables 4-14 to 4-20. */
#define CONFIG_X86_64 1
#define _PAGE_PRESENT 0x1ul
#define _PAGE_RW 0x2ul
#define _PAGE_USER 0x4ul
#define _PAGE_PWT 0x8ul
#define _PAGE_PCD 0x10ul
#define _PAGE_PSE 0x80ul
#define _PAGE_PAT 0x80ul
#define _PAGE_GLOBAL 0x100ul
#define _PAGE_PAT_LARGE 0x1000ul
#define _PAGE_NX (1ul << 63)
#define PTE_FLAGS_MASK 0xfff0000000000ffful
#define CPU_ENTRY_AREA_BASE 0
#define __START_KERNEL_map 0
#define __supported_pte_mask (~0ul)
/* The sixteen slots behind the gap are a hypervisor's. */
#define GUARD_HOLE_END_ADDR (-(PTRS_PER_PGD / 2 - 16) * shim_span(SHIM_PGD))
typedef unsigned long pgprotval_t;
extern pgd_t init_top_pgt[];
#endif

#ifdef SHIM_ARCH_arm64
/* Arm ARM D8.3; the order of memory types is Linux's since 5.14. */
#define PTE_VALID (1ul << 0)
#define PTE_TABLE_BIT (1ul << 1)
#define PMD_TYPE_MASK 3ul
#define PMD_TYPE_SECT 1ul
#define PTE_ATTRINDX_MASK (7ul << 2)
#define PTE_ATTRINDX(type) ((unsigned long)(type) << 2)
#define PTE_USER (1ul << 6)
#define PTE_RDONLY (1ul << 7)
#define PTE_SHARED (3ul << 8)
#define PTE_AF (1ul << 10)
#define PTE_NG (1ul << 11)
#define PTE_GP (1ul << 50)
#define PTE_CONT (1ul << 52)
#define PTE_PXN (1ul << 53)
#define PTE_UXN (1ul << 54)
enum { MT_NORMAL, MT_NORMAL_TAGGED, MT_NORMAL_NC, MT_DEVICE_nGnRnE, MT_DEVICE_nGnRE };
typedef u64 pteval_t;
typedef u64 ptval_t;

#define vabits_actual 48
#define _PAGE_OFFSET(bits) (-(1ul << (bits)))
#define TASK_SIZE_64 TASK_SIZE
#define virt_to_page(address) (address)
/* Of three levels or fewer, by the kernel that has more. */
#define mm_p4d_folded(mm) ((void)(mm), shim_folded(SHIM_P4D))
#define mm_pud_folded(mm) ((void)(mm), shim_folded(SHIM_PUD))

#include <linux/ptdump.h>

struct addr_marker {
	unsigned long start_address;
	char *name;
};

struct ptdump_info {
	struct mm_struct *mm;
	const struct addr_marker *markers;
	unsigned long base_addr;
};

struct ptdump_prot_bits {
	ptval_t mask, val;
	const char *set, *clear;
};

struct ptdump_pg_level {
	const struct ptdump_prot_bits *bits;
	char name[4];
	int num;
	ptval_t mask;
};

struct ptdump_pg_state {
	struct ptdump_state ptdump;
	struct ptdump_pg_level *pg_level;
	struct seq_file *seq;
	const struct addr_marker *marker;
	const struct mm_struct *mm;
	unsigned long start_address, end_address;
	int level;
	ptval_t current_prot;
	bool check_wx;
	unsigned long wx_pages, uxn_pages;
};

#define ptdump_debugfs_register(info, name) ((void)(info))
#endif

#ifdef SHIM_ARCH_riscv64
/* RISC-V privileged architecture 4.3 to 4.6. */
#define CONFIG_64BIT 1
#define CONFIG_PGTABLE_LEVELS 5
#define _PAGE_PRESENT (1ul << 0)
#define _PAGE_READ (1ul << 1)
#define _PAGE_WRITE (1ul << 2)
#define _PAGE_EXEC (1ul << 3)
#define _PAGE_USER (1ul << 4)
#define _PAGE_GLOBAL (1ul << 5)
#define _PAGE_ACCESSED (1ul << 6)
#define _PAGE_DIRTY (1ul << 7)
#define _PAGE_SOFT (3ul << 8)
#define _PAGE_NOCACHE_SVPBMT (1ul << 61)
#define _PAGE_IO_SVPBMT (2ul << 61)
#define _PAGE_MTMASK_SVPBMT (3ul << 61)
#define _PAGE_NAPOT (1ul << 63)
#undef pte_pfn
#define pte_pfn(pte) ((pte).word >> 10 & ((1ul << 44) - 1))
#define PFN_PHYS(pfn) ((u64)(pfn) << 12)
#define KERN_VIRT_START 0
#define pgtable_l5_enabled (!shim_folded(SHIM_P4D))
#define pgtable_l4_enabled (!shim_folded(SHIM_PUD))

static const struct {
	unsigned long virt_addr;
} kernel_map;
#endif

#endif
