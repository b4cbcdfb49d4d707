/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_AUDIT_MARKS_H
#define ANALYSIS_AUDIT_MARKS_H

/* What the kernel says of a page in its struct page: whether it is a table, or free. */

#include <pagewalk/image.h>

#include "system/linux/kernel_memory.h"

struct audit_marks {
	const char *why_not;  /* NULL: they can be read; else a static text */
	uint64_t page0;       /* where the struct page of physical address 0 is, or would be */
	uint64_t page_size;   /* of a struct page */
	uint64_t offset;      /* of its type in it, 32 bits */
	uint32_t mask, table; /* the type of a table's page is this */
	uint32_t buddy;       /* of the first page of a free block */
	uint64_t order;       /* where that page has the block's size, 64 bits; 0: not known */
	uint64_t lru;         /* of the link of the list that a page is in; 0: not known */
	uint8_t granule_lg2;
	uint8_t levels; /* tables below this level have the mark, from 0 on */
};

/*
 * @param memory the kernel's
 * @param vmemmap_base the value of that variable of x86-64; 0: not known, or another architecture
 */
void audit_marks_find(struct audit_marks *marks, const struct pgw_vmcoreinfo *info,
		      struct linux_memory *memory, uint64_t vmemmap_base);

enum audit_mark {
	AUDIT_MARK_TABLE,
	AUDIT_MARK_OTHER,
	AUDIT_MARK_NO_PAGE, /* the kernel's root has none there, or the tables that would tell are missing */
	AUDIT_MARK_UNREADABLE,
};

/* Pre: they can be read. */
enum audit_mark audit_mark_of(const struct audit_marks *marks, struct linux_memory *memory,
			      uint64_t pa);

/* Where a page's struct page is. Pre: they can be read. */
uint64_t audit_marks_page(const struct audit_marks *marks, uint64_t pa);

/* Whose struct page is at an address. @return false: there can be none */
bool audit_marks_frame(const struct audit_marks *marks, uint64_t va, uint64_t *ret_pa);

/* Is this type a table's? */
static inline bool audit_marks_is_table(const struct audit_marks *marks, uint32_t type)
{
	return (type & marks->mask) == marks->table;
}

/* Is it known which pages are free? */
static inline bool audit_marks_tell_free(const struct audit_marks *marks)
{
	return !marks->why_not && marks->order;
}

/*
 * How many bytes from a page on are of one free block. Pages that wait to be free again on a CPU's own
 * list are not marked.
 * Pre: audit_marks_tell_free()
 * @param pa        a page's
 * @param is_inside no block that begins before it has it
 * @return 0: it is not free, or cannot be read
 */
uint64_t audit_mark_free(const struct audit_marks *marks, struct linux_memory *memory, uint64_t pa,
			 bool is_inside);

#endif
