/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis/audit_marks.h"

#include <string.h>

#include "base/bits.h"

/*
 * The type of a page (include/linux/page-flags.h). Until 6.10 a type is a bit that is clear in
 * 0xffffffff, a table's bit 9; from 6.12 on it is the highest byte, a table's 0xf2. Which it is,
 * VMCOREINFO tells by the type of a free page. Upper levels do not have it in every version.
 */
#define OLD_BUDDY UINT64_C(0xffffffffffffff7f) /* -129 */
#define OLD_TABLE UINT32_C(0xfffffdff)
#define NEW_BUDDY UINT64_C(0xfffffffff0000000)
#define NEW_TABLE UINT32_C(0xf2000000)
#define NEW_MASK UINT32_C(0xff000000)

/* Blocks of free pages have 2^order of them; no machine has larger ones (64 KiB pages: 13). */
#define MAX_ORDER 13u

/* OFFSET(name), SIZE(name): decimal. */
static bool number_of(const struct pgw_vmcoreinfo *info, const char *key, uint64_t *ret)
{
	const char *text;
	size_t size;

	if (!info || !pgw_vmcoreinfo_get(info, key, &text, &size) || !size || size > 9)
		return false;
	*ret = 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*ret = *ret * 10 + (uint64_t)(text[i] - '0');
	}
	return true;
}

/* The scheme of types. */
static bool scheme_find(struct audit_marks *marks, const struct pgw_vmcoreinfo *info,
			const struct pgw_geometry *geo)
{
	uint64_t buddy;

	if (!pgw_vmcoreinfo_number(info, "PAGE_BUDDY_MAPCOUNT_VALUE", &buddy))
		return false;
	if (buddy == OLD_BUDDY) {
		marks->mask = UINT32_MAX;
		marks->table = OLD_TABLE;
		marks->levels = 2;
	} else if (buddy == NEW_BUDDY) {
		marks->mask = NEW_MASK;
		marks->table = NEW_TABLE;
		marks->levels = 3;
	} else {
		return false;
	}
	marks->buddy = (uint32_t)buddy;
	if (marks->levels > geo->top_level)
		marks->levels = geo->top_level;
	return true;
}

/* A shift that keeps the sign: arm64 has memory begin below 0, too. */
static uint64_t shift_right(uint64_t number, unsigned bits)
{
	return number >> bits | (number >> 63 ? ~(UINT64_MAX >> bits) : 0);
}

/*
 * Where struct pages are (vmemmap in arch/<arch>/include/asm/pgtable.h): arm64 counts them from the
 * first memory on; so does riscv64 up to 6.12, and 7.2 from address 0, which shows: nothing is mapped
 * where they begin.
 */
static bool place_find(struct audit_marks *marks, const struct pgw_vmcoreinfo *info,
		       struct linux_memory *memory, uint64_t vmemmap_base)
{
	bool is_arm64 = strcmp(pgw_format_arch(memory->root.format), "arm64") == 0;
	uint64_t start, first, pa;

	if (vmemmap_base) {
		marks->page0 = vmemmap_base;
		return true;
	}
	if (!pgw_vmcoreinfo_number(info, "VMEMMAP_START", &start) ||
	    !pgw_vmcoreinfo_number(info, is_arm64 ? "PHYS_OFFSET" : "phys_ram_base", &first))
		return false;
	if (!is_arm64 && !linux_memory_pa(memory, start, &pa))
		first = 0;
	marks->page0 = start - shift_right(first, marks->granule_lg2) * marks->page_size;
	return true;
}

void audit_marks_find(struct audit_marks *marks, const struct pgw_vmcoreinfo *info,
		      struct linux_memory *memory, uint64_t vmemmap_base)
{
	const struct pgw_geometry *geo = pgw_format_geometry(memory->root.format);

	*marks = (struct audit_marks){ .granule_lg2 = geo->granule_lg2 };
	if (!info)
		marks->why_not = "there is no VMCOREINFO, which says how struct page looks";
	else if (!number_of(info, "SIZE(page)", &marks->page_size) ||
		 !number_of(info, "OFFSET(page._mapcount)", &marks->offset) ||
		 !scheme_find(marks, info, geo))
		marks->why_not = "how struct page says that it is a table's is not known";
	else if (!place_find(marks, info, memory, vmemmap_base))
		marks->why_not = "nothing says where struct pages are";
	if (!marks->why_not && (!number_of(info, "OFFSET(page.private)", &marks->order) ||
				marks->order >= marks->page_size))
		marks->order = 0;
	if (!marks->why_not && (!number_of(info, "OFFSET(page.lru)", &marks->lru) ||
				marks->lru + 16 > marks->page_size))
		marks->lru = 0;
}

uint64_t audit_marks_page(const struct audit_marks *marks, uint64_t pa)
{
	return marks->page0 + (pa >> marks->granule_lg2) * marks->page_size;
}

bool audit_marks_frame(const struct audit_marks *marks, uint64_t va, uint64_t *ret_pa)
{
	uint64_t at = va - marks->page0, frame = at / marks->page_size;

	*ret_pa = frame << marks->granule_lg2;
	return at % marks->page_size == 0 && *ret_pa >> marks->granule_lg2 == frame;
}

enum audit_mark audit_mark_of(const struct audit_marks *marks, struct linux_memory *memory,
			      uint64_t pa)
{
	uint64_t va = audit_marks_page(marks, pa) + marks->offset;
	uint64_t type;

	if (!linux_memory_pa(memory, va, &type))
		return AUDIT_MARK_NO_PAGE;
	if (linux_memory_number(memory, va, 4, &type))
		return AUDIT_MARK_UNREADABLE;
	return audit_marks_is_table(marks, (uint32_t)type) ? AUDIT_MARK_TABLE : AUDIT_MARK_OTHER;
}

/* Bytes of the free block that begins with a page; 0: none does. */
static uint64_t block_size(const struct audit_marks *marks, struct linux_memory *memory,
			   uint64_t pa)
{
	uint64_t va = audit_marks_page(marks, pa), type, order;

	if (linux_memory_number(memory, va + marks->offset, 4, &type) ||
	    ((uint32_t)type & marks->mask) != marks->buddy ||
	    linux_memory_number(memory, va + marks->order, 8, &order) || order > MAX_ORDER)
		return 0;
	return UINT64_C(1) << (marks->granule_lg2 + order);
}

uint64_t audit_mark_free(const struct audit_marks *marks, struct linux_memory *memory, uint64_t pa,
			 bool is_inside)
{
	uint64_t head_before = pa + 1;

	for (unsigned order = 0; order <= (is_inside ? 0 : MAX_ORDER); order++) {
		uint64_t head = pa & ~low_bits(marks->granule_lg2 + order);
		uint64_t size = head == head_before ? 0 : block_size(marks, memory, head);

		if (size > pa - head)
			return size - (pa - head);
		head_before = head;
	}
	return 0;
}
