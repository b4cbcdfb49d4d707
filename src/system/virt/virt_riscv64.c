/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/virt/virt_priv.h"

#include "base/bits.h"
#include "system/machine/page_items.h"

/*
 * Linux's struct kvm_arch (6.12, 7.2) has, one after the other, a VMID, the virtual and the physical
 * address of the root, which is 16 KiB; then 7.2 has the number of levels. Before, all virtual
 * machines have the same number.
 */
#define ROOT_SIZE UINT64_C(0x4000)
#define MAX_VMID BITS(13, 0)
#define MIN_LEVELS 3
#define MAX_LEVELS 5

/* Privileged manual, "Guest Physical Address Translation". */
#define PTE_V BIT(0)
#define PTE_RWX BITS(3, 1)
#define PTE_U BIT(4)
#define PTE_PPN BITS(53, 10)
#define PTE_PPN_SHIFT 2

static bool is_root_pair(uint64_t vmid, uint64_t va, uint64_t pa)
{
	return vmid && vmid <= MAX_VMID && va >> 63 && !(va & (ROOT_SIZE - 1)) && pa &&
	       !(pa & (ROOT_SIZE - 1)) && !(pa >> 56);
}

/* Does any word look like the root's virtual address? Few pages have one. */
static PGW_ALWAYS_INLINE bool has_va_any(const uint8_t *page)
{
	return page_has_item(page, BIT(63) | (ROOT_SIZE - 1), BIT(63));
}

PAGE_LOOK_BY_CPU(bool, has_va)

unsigned virt_riscv64_look(const uint8_t *page)
{
	if (!has_va(page))
		return 0;
	for (size_t at = 0; at + 24 <= IMAGE_PAGE; at += 8) {
		if (is_root_pair(load_le64(page + at), load_le64(page + at + 8),
				 load_le64(page + at + 16)))
			return 1u << VIRT_PAGE_HGATP;
	}
	return 0;
}

/* What is below a table: how many levels of tables, and whether all of it can be a guest's. */
struct below {
	unsigned depth;
	bool is_odd;
	unsigned budget; /* tables to look at */
};

/* Depth is bounded by MAX_LEVELS, work by the budget. */
static void look_below(struct virt *virt, uint64_t pa, unsigned depth, struct below *below)
{
	uint64_t words[512];

	if (!below->budget || depth > MAX_LEVELS || !virt_page_read(virt, pa, words)) {
		below->is_odd |= depth > MAX_LEVELS || below->budget;
		return;
	}
	below->budget--;
	if (depth > below->depth)
		below->depth = depth;
	for (unsigned i = 0; i < 512 && !below->is_odd; i++) {
		uint64_t next = (words[i] & PTE_PPN) << PTE_PPN_SHIFT;

		if (!(words[i] & PTE_V))
			below->is_odd = words[i] != 0;
		else if (!(words[i] & PTE_RWX))
			look_below(virt, next, depth + 1, below);
		else
			below->is_odd = !(words[i] & PTE_U);
	}
}

/* How many levels of tables there are, or at least so many as are used; 0: it is no root. */
static unsigned count_levels(struct virt *virt, uint64_t root)
{
	struct below below = { .budget = 256 };

	for (uint64_t at = 0; at < ROOT_SIZE && !below.is_odd; at += IMAGE_PAGE)
		look_below(virt, root + at, 1, &below);
	return below.is_odd || below.depth > MAX_LEVELS ? 0 : below.depth;
}

static const struct pgw_format *format_of(unsigned nr_levels)
{
	static const char *const names[] = { "riscv-sv39x4", "riscv-sv48x4", "riscv-sv57x4" };

	return pgw_format_by_name(names[nr_levels - MIN_LEVELS]);
}

/** Of the virtual machines that were found. */
struct levels {
	unsigned max;    /* that one of them uses */
	bool are_stored; /* the kernel keeps each one's number */
};

static int add_kvm(struct virt *virt, uint64_t page, const uint64_t words[512], unsigned at,
		   struct levels *levels)
{
	struct pgw_foreign found = {
		.source = PGW_FOREIGN_KVM_RISCV64,
		.domain = PGW_DOMAIN_TABLES,
		.is_guest = true,
		.domain_id = (uint32_t)words[at],
		.evidence = page + 8 * (uint64_t)(at + 2),
		.root.pa = words[at + 2],
	};
	uint64_t stored = at + 3 < 512 ? words[at + 3] : 0;
	unsigned used = count_levels(virt, found.root.pa), nr_levels = used;

	/* Without pages of 4 KiB not all levels have tables. */
	if (stored >= MIN_LEVELS && stored <= MAX_LEVELS && used > 1 && used <= stored) {
		levels->are_stored = true;
		nr_levels = (unsigned)stored;
	}
	if (nr_levels < MIN_LEVELS)
		return 0;
	if (nr_levels > levels->max)
		levels->max = nr_levels;
	found.format = format_of(nr_levels);
	return virt_add(virt, &found);
}

int virt_riscv64_collect(struct virt *virt)
{
	const struct image_pages *pages = &virt->pages[VIRT_PAGE_HGATP];
	struct levels levels = { 0 };
	uint64_t words[512];
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!virt_page_read(virt, pages->pa[i], words))
			continue;
		for (unsigned at = 0; at + 3 <= 512 && !status; at++) {
			if (is_root_pair(words[at], words[at + 1], words[at + 2]))
				status = add_kvm(virt, pages->pa[i], words, at, &levels);
		}
	}
	for (size_t i = 0; i < virt->nr && !levels.are_stored; i++)
		virt->found[i].format = format_of(levels.max);
	return status;
}
