/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"
#include "pt/read/iter.h"
#include "system/roots/root.h"

/* Intel SDM volume 3, 2.5 (control registers) and 4.5 (CR3, entries). */
#define CR0_WP BIT(16)
#define CR0_PG BIT(31)
#define CR3_ROOT BITS(51, 12) /* below: PCID or cache bits */
#define CR3_LAM_U57 BIT(61)
#define CR3_LAM_U48 BIT(62)
#define CR4_PAE BIT(5)
#define EFER_NXE BIT(11)
#define CR4_LA57 BIT(12)
#define CR4_SMEP BIT(20)
#define CR4_PKE BIT(22)
#define CR4_LAM_SUP BIT(28)
#define ENTRY_P BIT(0)
#define ENTRY_ADDRESS BITS(51, 12)

/* Linux: where the kernel's image is linked, and what tells a KPTI pair's roots apart. */
#define LINUX_KPTI_USER BIT(12)
#define LINUX_TRAMPOLINE_END BIT(20)
/* The CPU entry area's first page, at every number of levels, is the IDT's read-only alias. */
#define LINUX_IDT UINT64_C(0xfffffe0000000000)

/*
 * Linux's entries that point to tables of the kernel: present, writable, no
 * large page, nothing in the software bits. level3_kernel_pgt, which is linked
 * into the kernel, has two and no others, both accessed: the kernel's image and
 * the fixmap.
 */
#define LINUX_TABLE_MASK (BITS(63, 52) | BITS(11, 7) | BITS(1, 0))
#define LINUX_TABLE_VALUE UINT64_C(3)
#define LINUX_LEVEL3_MASK (LINUX_TABLE_MASK | BITS(11, 0))
#define LINUX_LEVEL3_VALUE UINT64_C(0x63)
#define ENTRY_US BIT(2)

/*
 * AMD APM volume 2, appendix B: offsets in a VMCB, which is one page, and what
 * KVM puts there. The state save area begins at 0x400.
 */
#define VMCB_IO_PERMISSIONS 0x40
#define VMCB_MSR_PERMISSIONS 0x48
#define VMCB_ASID 0x58
#define VMCB_NESTED 0x90
#define VMCB_NESTED_NP BIT(0)
#define VMCB_NESTED_ROOT 0xb0
#define VMCB_SAVED_EFER 0x4d0
#define VMCB_SAVED_CR3 0x550
#define EFER_SVME BIT(12)
#define MAX_VMCBS 1024 /* that are looked at */

/*
 * Xen gives each root of a PV guest, once it has checked it, an entry that leads back to the
 * root itself (asm-x86/config.h: LINEAR_PT_VIRT_START). The copies that a CPU runs guests on
 * where Xen keeps itself apart (XPTI) have none, nor have roots of other systems.
 */
#define XEN_LINEAR_ITEM 258
#define XEN_GUEST_FIRST UINT64_C(0xffff880000000000) /* behind Xen's own slots */

#define TABLE_ITEMS 512
#define HALF_ITEMS 256
#define KERNEL_ITEM 510 /* of level3_kernel_pgt: the kernel's image */
#define LAST_ITEM 511

static bool is_level3(const uint8_t *page)
{
	for (unsigned i = KERNEL_ITEM; i < TABLE_ITEMS; i++) {
		if ((load_le64(page + (size_t)8 * i) & LINUX_LEVEL3_MASK & ~ENTRY_US) !=
		    LINUX_LEVEL3_VALUE)
			return false;
	}
	for (unsigned i = 0; i < KERNEL_ITEM; i++) {
		if (load_le64(page + (size_t)8 * i))
			return false;
	}
	return true;
}

static bool vmcb_points(uint64_t pa)
{
	return pa && !(pa & ~ENTRY_ADDRESS);
}

/* Are these words' bits what a VMCB of a guest has, with tables of its own? */
static bool is_vmcb(const uint8_t *page)
{
	return load_le32(page + VMCB_ASID) && (page[VMCB_NESTED] & VMCB_NESTED_NP) &&
	       (load_le64(page + VMCB_SAVED_EFER) & EFER_SVME) &&
	       vmcb_points(load_le64(page + VMCB_NESTED_ROOT)) &&
	       vmcb_points(load_le64(page + VMCB_IO_PERMISSIONS)) &&
	       vmcb_points(load_le64(page + VMCB_MSR_PERMISSIONS));
}

static unsigned x86_64_page_kinds(const uint8_t *page)
{
	unsigned kinds = is_vmcb(page) ? 1u << IMAGE_PAGE_GUEST : 0;

	if ((load_le64(page + UINT64_C(8) * LAST_ITEM) & LINUX_TABLE_MASK) != LINUX_TABLE_VALUE)
		return kinds;
	return kinds | 1u << IMAGE_PAGE_ROOT | (is_level3(page) ? 1u << IMAGE_PAGE_ANCHOR : 0);
}

/* Where the last slots of the levels above lead to: level3_kernel_pgt, if it is the kernel's. */
static bool x86_64_find_level3(const struct pgw_image *image, const struct pgw_root_info *root,
			       uint64_t *ret)
{
	uint64_t table = root->root.pa;
	struct pt_iter it;
	struct pt pt;

	pt_reader_init(&pt, &image->phys, root->format, NULL);
	for (unsigned level = pgw_format_geometry(root->format)->top_level; level > 2; level--) {
		pt_iter_begin(&it, &pt, table, level, LAST_ITEM, 1);
		if (!pt_iter_next(&it) || it.nr_unreadable ||
		    (it.entry & LINUX_TABLE_MASK) != LINUX_TABLE_VALUE)
			return false;
		table = it.entry & ENTRY_ADDRESS & ~image_encryption_mask(image);
	}
	*ret = table;
	return true;
}

static bool x86_64_holds_level3(const struct pgw_image *image, const struct pgw_root_info *root,
				uint64_t level3)
{
	uint64_t found;

	return x86_64_find_level3(image, root, &found) && found == level3;
}

static bool x86_64_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	if (!image_shared_kernel_search(image, x86_64_holds_level3, ret))
		return false;
	ret->root.found = PGW_ROOT_FROM_LEVEL3;
	return true;
}

/* All tables that head_64.S has are linked together, the kernel's root too. */
static bool x86_64_kernel_by_cpu(struct pgw_image *image, const struct pgw_root_info *cpu,
				 struct image_swapper *ret)
{
	uint8_t page[IMAGE_PAGE];
	uint64_t level3;

	if (!x86_64_find_level3(image, cpu, &level3) ||
	    pgw_phys_read(&image->phys, level3, page, sizeof(page)) || !is_level3(page) ||
	    !image_shared_kernel_beside(image, cpu->format, x86_64_holds_level3, level3, ret))
		return false;
	ret->root.found = PGW_ROOT_FROM_LEVEL3;
	return true;
}

/* EFER, and with it NXE, is in few dumps. */
static struct pgw_control x86_64_cpu_control(const struct pgw_cpu *cpu)
{
	const struct {
		uint64_t is_set;
		uint32_t bit;
	} bits[] = {
		{ cpu->cr0 & CR0_WP, PGW_CTL_X86_WP },
		{ cpu->cr4 & CR4_SMEP, PGW_CTL_X86_SMEP },
		{ cpu->cr4 & CR4_PKE, PGW_CTL_X86_PKE },
		{ cpu->cr4 & CR4_LAM_SUP, PGW_CTL_X86_LAM_SUP },
		{ cpu->cr3 & CR3_LAM_U57, PGW_CTL_X86_LAM_U57 },
		{ cpu->cr3 & CR3_LAM_U48, PGW_CTL_X86_LAM_U48 },
	};
	struct pgw_control control = { 0 };

	for (size_t i = 0; i < PGW_ARRAY_SIZE(bits) && (cpu->known & PGW_CPU_X86_CR); i++) {
		control.known |= bits[i].bit;
		control.set |= bits[i].is_set ? bits[i].bit : 0;
	}
	if (cpu->known & PGW_CPU_X86_EFER) {
		control.known |= PGW_CTL_X86_NXE;
		control.set |= cpu->efer & EFER_NXE ? PGW_CTL_X86_NXE : 0;
	}
	return control;
}

/* Does it run with paging, in long mode or about to be? */
static bool x86_64_cpu_pages(const struct pgw_cpu *cpu)
{
	if (cpu->known & PGW_CPU_X86_CR3)
		return true;
	return (cpu->known & PGW_CPU_X86_CR) && (cpu->cr0 & CR0_PG) && (cpu->cr4 & CR4_PAE);
}

static bool x86_64_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			    struct pgw_root_info *ret)
{
	const struct pgw_format *format = image_format(image, cpu->cr4 & CR4_LA57 ? 5 : 4);

	if (!x86_64_cpu_pages(cpu) || !format)
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = cpu->cr3 & CR3_ROOT & ~image_encryption_mask(image) },
		.format = format,
		.control = x86_64_cpu_control(cpu),
	};
	image_encryption_control(image, &ret->control);
	return true;
}

/* Of Xen's PV guests alone: without the kernel, whose root is in CR3 in either mode. */
static bool x86_64_cpu_user_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
				 struct pgw_root_info *ret)
{
	if (!(cpu->known & PGW_CPU_XEN_PV) || !(cpu->cr1 & CR3_ROOT) ||
	    !x86_64_cpu_root(image, cpu, ret))
		return false;
	ret->root.pa = cpu->cr1 & CR3_ROOT;
	ret->has_user = true;
	return true;
}

static bool x86_64_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			   struct image_swapper *ret)
{
	/* The same table under its names of different years. */
	static const char *const names[] = { "swapper_pg_dir", "init_top_pgt", "init_level4_pgt" };
	uint64_t va = 0, phys_base, la57 = 0, pa;
	const struct pgw_format *format;

	for (size_t i = 0; i < PGW_ARRAY_SIZE(names) && !va; i++)
		pgw_vmcoreinfo_symbol(info, names[i], &va);
	pgw_vmcoreinfo_number(info, "pgtable_l5_enabled", &la57);
	format = image_format(image, la57 ? 5 : 4);
	if (!va || !pgw_vmcoreinfo_number(info, "phys_base", &phys_base) || !format)
		return false;
	*ret = (struct image_swapper){ .va = va };
	if (image->info.xen_pv) /* these addresses are the guest's own */
		return true;
	pa = va - LINUX_KERNEL_MAP + phys_base;
	if (pa & ~ENTRY_ADDRESS)
		return false;
	*ret = (struct image_swapper){ .va = va,
				       .root = { .root = { .pa = pa }, .format = format } };
	return true;
}

/*
 * The IDT's address, as the first CPU has it that runs with paging and with an
 * IDT in the kernel half (others may run a guest's code); or where Linux keeps it.
 */
static uint64_t x86_64_idt(const struct pgw_image *image)
{
	return image->idt_base ? image->idt_base : LINUX_IDT;
}

static bool load_table(const struct pgw_image *image, uint64_t pa, uint64_t *ret)
{
	if (pgw_phys_read(&image->phys, pa, ret, TABLE_ITEMS * sizeof(*ret)))
		return false;
	for (unsigned i = 0; i < TABLE_ITEMS; i++)
		ret[i] = load_le64(&ret[i]);
	return true;
}

/*
 * Linux gives the user's table the process's own user tables (the kernel's
 * copy only forbids to execute them) and of the kernel little more than the
 * way in.
 */
static bool tables_are_pair(const struct pgw_image *image, uint64_t kernel_pa, uint64_t user_pa)
{
	uint64_t kernel[TABLE_ITEMS], user[TABLE_ITEMS];
	unsigned nr_kernel = 0, nr_user = 0, i;

	if (!load_table(image, kernel_pa, kernel) || !load_table(image, user_pa, user))
		return false;
	for (i = 0; i < HALF_ITEMS; i++) {
		if ((kernel[i] ^ user[i]) & (ENTRY_ADDRESS | ENTRY_P))
			return false;
	}
	for (; i < TABLE_ITEMS; i++) {
		nr_kernel += kernel[i] != 0;
		nr_user += user[i] != 0;
	}
	return nr_user < nr_kernel;
}

static bool x86_64_kpti_twin(const struct pgw_image *image, const struct pgw_root_info *root,
			     struct pgw_root *ret_twin, bool *ret_is_user)
{
	struct pgw_root_info kernel = *root, user = *root;
	struct pgw_translation kernel_idt, user_idt;
	uint64_t idt = x86_64_idt(image);

	kernel.root.pa &= ~LINUX_KPTI_USER;
	user.root.pa |= LINUX_KPTI_USER;
	if (!image_root_translate(image, &kernel, idt, &kernel_idt) ||
	    !image_root_translate(image, &user, idt, &user_idt) || kernel_idt.pa != user_idt.pa ||
	    !tables_are_pair(image, kernel.root.pa, user.root.pa))
		return false;
	*ret_is_user = root->root.pa & LINUX_KPTI_USER;
	*ret_twin = *ret_is_user ? kernel.root : user.root;
	return true;
}

static bool x86_64_is_trampoline(const struct pgw_image *image, const struct pgw_root_info *root)
{
	struct pgw_translation self;

	return root->root.pa < LINUX_TRAMPOLINE_END &&
	       image_root_translate(image, root, root->root.pa, &self) &&
	       self.pa == root->root.pa && !(self.rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X));
}

static bool x86_64_is_paravirtual(const struct pgw_image *image, const struct pgw_root_info *root,
				  uint64_t *ret_first)
{
	uint64_t item;

	*ret_first = XEN_GUEST_FIRST;
	return pgw_format_geometry(root->format)->top_level == 3 &&
	       !pgw_phys_read(&image->phys, root->root.pa + UINT64_C(8) * XEN_LINEAR_ITEM, &item,
			      sizeof(item)) &&
	       (load_le64(&item) & ENTRY_P) && (load_le64(&item) & ENTRY_ADDRESS) == root->root.pa;
}

static bool is_described(const struct pgw_image *image, uint64_t pa)
{
	return source_has(&image->source, SOURCE_DESCRIBED, pa);
}

static bool x86_64_is_guests(const struct pgw_image *image, const struct pgw_root_info *root,
			     uint64_t *ret_vmcb)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_GUEST);
	uint8_t vmcb[IMAGE_PAGE];
	uint64_t cr3;

	for (size_t i = 0; i < pages->nr && i < MAX_VMCBS; i++) {
		if (pgw_phys_read(&image->phys, pages->pa[i] + VMCB_SAVED_CR3, &cr3, sizeof(cr3)) ||
		    (load_le64(&cr3) & CR3_ROOT) != root->root.pa ||
		    pgw_phys_read(&image->phys, pages->pa[i], vmcb, sizeof(vmcb)) ||
		    !is_described(image, load_le64(vmcb + VMCB_NESTED_ROOT)) ||
		    !is_described(image, load_le64(vmcb + VMCB_IO_PERMISSIONS)) ||
		    !is_described(image, load_le64(vmcb + VMCB_MSR_PERMISSIONS)))
			continue;
		*ret_vmcb = pages->pa[i];
		return true;
	}
	return false;
}

static const uint64_t bases[] = { 0 };

static const struct image_register registers[] = {
	IMAGE_REGISTER("CR0", cr0, PGW_CPU_X86_CR, NULL),
	IMAGE_REGISTER("CR3", cr3, PGW_CPU_X86_CR, NULL),
	IMAGE_REGISTER("CR4", cr4, PGW_CPU_X86_CR, NULL),
	IMAGE_REGISTER("EFER", efer, PGW_CPU_X86_EFER, NULL),
	{ .name = NULL },
};

const struct image_arch_ops image_x86_64_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.hole_end = UINT64_C(4) << 30,
	.has_e820 = true,
	.sought = "a VMCOREINFO in a note or in memory, or a CPU's CR3",
	.page_kinds = x86_64_page_kinds,
	.kernel_search = x86_64_kernel_search,
	.kernel_by_cpu = x86_64_kernel_by_cpu,
	.kernel_partial = image_shared_kernel_partial,
	.process_roots = image_shared_process_roots,
	.cpu_root = x86_64_cpu_root,
	.cpu_user_root = x86_64_cpu_user_root,
	.swapper = x86_64_swapper,
	.kpti_twin = x86_64_kpti_twin,
	.is_trampoline = x86_64_is_trampoline,
	.is_guests = x86_64_is_guests,
	.is_paravirtual = x86_64_is_paravirtual,
};
