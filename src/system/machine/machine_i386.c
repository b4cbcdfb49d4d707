/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <string.h>

#include "base/bits.h"
#include "system/machine/page_items.h"
#include "system/roots/root.h"

/* Intel SDM volume 3, 2.5 (control registers), 4.3 and 4.4 (CR3, entries). */
#define CR0_WP BIT(16)
#define CR0_PG BIT(31)
#define CR3_ROOT BITS(31, 12)
#define CR3_PAE_ROOT BITS(31, 5)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_SMEP BIT(20)
#define ENTRY_P BIT(0)
#define ENTRY_US BIT(2)
#define ENTRY_A BIT(5)
#define ENTRY_PS BIT(7)

/*
 * What a PDPTE may have but its address, which needs 36 bits at most on what ran 32-bit
 * Linux; QEMU's TCG sets A, which is reserved.
 */
#define PDPTE_OTHER (BITS(63, 36) | BITS(11, 6) | BITS(4, 1))
#define PDPTES 4
#define PAE_ROOT_SIZE 32u
#define PD_ITEMS 1024
#define KERNEL_PDE 768

/*
 * Linux: where memory is mapped from, by the ways to split the addresses that it can be built with
 * (arch/x86/Kconfig, VMSPLIT_*); most are built with the first.
 */
static const uint64_t page_offsets[] = { 0xc0000000, 0xb0000000, 0x80000000, 0x78000000,
					 0x40000000 };

static const struct pgw_format *format_of(const struct pgw_image *image, bool is_pae)
{
	return image_format(image, is_pae ? 3 : 2);
}

static bool is_pae(const struct pgw_format *format)
{
	return pgw_format_geometry(format)->top_level == 2;
}

/* Four entries that a root of PAE may be: the last, the kernel's, is there. */
static bool is_pae_root(const uint8_t *items)
{
	for (unsigned i = 0; i < PDPTES; i++) {
		uint64_t item = load_le64(items + (size_t)8 * i);

		if ((item & PDPTE_OTHER) || (item && !(item & ENTRY_P)) ||
		    (!item && i == PDPTES - 1))
			return false;
	}
	return true;
}

/*
 * A page directory whose part of the kernel begins with memory, or a table of it, and ends with a
 * table, of fixed mappings: none of it is users'.
 */
static bool is_directory(const uint8_t *page)
{
	uint32_t first = load_le32(page + (size_t)4 * KERNEL_PDE);
	uint32_t last = load_le32(page + (size_t)4 * (PD_ITEMS - 1));

	return (first & ENTRY_P) && !(first & ENTRY_US) && (last & ENTRY_P) &&
	       !(last & (ENTRY_PS | ENTRY_US));
}

/* Is there an item that may be the last of a root of PAE? In most pages there is none. */
static PGW_ALWAYS_INLINE bool has_last_pdpte_any(const uint8_t *page)
{
	const page_items last = { 0, 0, 0, UINT64_MAX, 0, 0, 0, UINT64_MAX };

	return page_has_item_in(page, PDPTE_OTHER | ENTRY_P, ENTRY_P, &last);
}

PAGE_LOOK_BY_CPU(bool, has_last_pdpte)

static unsigned i386_page_kinds(const uint8_t *page)
{
	bool is_root = is_directory(page);

	if (!is_root && !has_last_pdpte(page))
		return 0;
	for (size_t at = 0; at < IMAGE_PAGE && !is_root; at += PAE_ROOT_SIZE)
		is_root = is_pae_root(page + at);
	return is_root ? 1u << IMAGE_PAGE_ROOT : 0;
}

/* Not 0 ends the look, which returns the value. */
typedef int candidate_fn(struct pgw_image *image, struct pgw_root_info *root, void *arg);

/* All roots of a format that pages may be, or hold. */
static int each_candidate(struct pgw_image *image, struct pgw_root_info *root, candidate_fn *fn,
			  void *arg)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);
	uint64_t step = is_pae(root->format) ? PAE_ROOT_SIZE : IMAGE_PAGE;
	uint8_t page[IMAGE_PAGE];
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!image_search_spend(image, 1) ||
		    pgw_phys_read(&image->phys, pages->pa[i], page, sizeof(page)))
			continue;
		for (size_t at = 0; at < IMAGE_PAGE && !status; at += step) {
			if (!(is_pae(root->format) ? is_pae_root(page + at) : is_directory(page)))
				continue;
			root->root.pa = pages->pa[i] + at;
			status = fn(image, root, arg);
		}
	}
	return status;
}

struct looks {
	struct image_swapper best;
	unsigned best_slots;
};

/*
 * The kernel's own root maps itself where memory is mapped, and no user. It has all of the kernel's
 * part, of which others copy what they meet; of what is alike, the first one.
 */
static int look_for_kernel(struct pgw_image *image, struct pgw_root_info *root, void *arg)
{
	struct looks *looks = arg;
	unsigned slots[_PGW_REGION_MAX];
	uint64_t va;

	if (!image_root_count_slots(image, root, slots) || slots[PGW_REGION_USER] ||
	    slots[PGW_REGION_KERNEL] <= looks->best_slots ||
	    !image_root_find_va(image, root, root->root.pa, page_offsets[0], &va))
		return 0;
	looks->best_slots = slots[PGW_REGION_KERNEL];
	looks->best = (struct image_swapper){ .va = va, .root = *root };
	return 0;
}

static bool i386_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	/* Deepest first: a page directory of PAE may pass for one without. */
	for (int pae = 1; pae >= 0; pae--) {
		struct pgw_root_info root = { .format = format_of(image, pae) };
		struct looks looks = { .best_slots = 0 };

		if (!root.format)
			continue;
		each_candidate(image, &root, look_for_kernel, &looks);
		if (!looks.best_slots)
			continue;
		*ret = looks.best;
		ret->root.found = PGW_ROOT_FROM_TABLE_BITS;
		return true;
	}
	return false;
}

/* EFER, and with it NXE, is in no note. */
static struct pgw_control i386_cpu_control(const struct pgw_cpu *cpu)
{
	struct pgw_control control = {
		.known = PGW_CTL_X86_WP | PGW_CTL_X86_SMEP | PGW_CTL_X86_PSE,
	};

	if (cpu->cr0 & CR0_WP)
		control.set |= PGW_CTL_X86_WP;
	if (cpu->cr4 & CR4_SMEP)
		control.set |= PGW_CTL_X86_SMEP;
	if (cpu->cr4 & CR4_PSE)
		control.set |= PGW_CTL_X86_PSE;
	return control;
}

static bool i386_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			  struct pgw_root_info *ret)
{
	bool is_cr3_alone = cpu->known & PGW_CPU_X86_CR3;
	bool pae = is_cr3_alone || (cpu->cr4 & CR4_PAE);
	const struct pgw_format *format = format_of(image, pae);

	if (!is_cr3_alone && (!(cpu->known & PGW_CPU_X86_CR) || !(cpu->cr0 & CR0_PG)))
		return false;
	if (!format)
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = cpu->cr3 & (pae ? CR3_PAE_ROOT : CR3_ROOT) },
		.format = format,
	};
	if (!is_cr3_alone)
		ret->control = i386_cpu_control(cpu);
	return true;
}

static bool i386_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			 struct image_swapper *ret)
{
	const char *value;
	size_t size, i = 0;
	bool pae = pgw_vmcoreinfo_get(info, "CONFIG_X86_PAE", &value, &size);
	uint64_t va;

	if (!pgw_vmcoreinfo_symbol(info, "swapper_pg_dir", &va) || va > UINT32_MAX)
		return false;
	while (i < PGW_ARRAY_SIZE(page_offsets) && page_offsets[i] > va)
		i++;
	if (i == PGW_ARRAY_SIZE(page_offsets) || !format_of(image, pae))
		return false;
	*ret = (struct image_swapper){
		.va = va,
		.root = { .root = { .pa = va - page_offsets[i] }, .format = format_of(image, pae) },
	};
	return image_root_is_aligned(&ret->root);
}

struct processes {
	struct image_roots *roots;
	const struct image_swapper *swapper;
};

static int add_process(struct pgw_image *image, struct pgw_root_info *root, void *arg)
{
	const struct processes *processes = arg;
	enum pgw_root_proof proof = image_root_prove(image, processes->swapper, root);

	return proof == PGW_PROOF_PASSED || proof == PGW_PROOF_PARTIAL
		       ? image_roots_add(processes->roots, root)
		       : 0;
}

/* What a process's root has in common with the kernel's is all that it is known by. */
static int i386_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	struct processes processes = { roots, swapper };
	struct pgw_root_info root;
	int status;

	if (!swapper)
		return 0;
	root = swapper->root;
	root.found = PGW_ROOT_FROM_SELF_MAP;
	root.cpus = 0;
	status = each_candidate(roots->image, &root, add_process, &processes);
	return status || !image_pages(roots->image, IMAGE_PAGE_ROOT)->is_cut ? status : -PGW_E2BIG;
}

static const uint64_t bases[] = { 0 };

static const struct image_register registers[] = {
	IMAGE_REGISTER("CR0", cr0, PGW_CPU_X86_CR, NULL),
	IMAGE_REGISTER("CR3", cr3, PGW_CPU_X86_CR, NULL),
	IMAGE_REGISTER("CR4", cr4, PGW_CPU_X86_CR, NULL),
	{ .name = NULL },
};

const struct image_arch_ops image_i386_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.hole_end = UINT64_C(4) << 30,
	.has_e820 = true,
	.sought = "a VMCOREINFO in a note or in memory, a CPU's CR3, or a root like Linux's that "
		  "maps "
		  "itself",
	.page_kinds = i386_page_kinds,
	.kernel_search = i386_kernel_search,
	.process_roots = i386_process_roots,
	.cpu_root = i386_cpu_root,
	.swapper = i386_swapper,
};
