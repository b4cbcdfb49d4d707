/* SPDX-License-Identifier: BSD-2-Clause */
#include "image/image_priv.h"

#include "base/bits.h"

/* Intel SDM volume 3, 2.5 (control registers) and 4.5 (CR3, entries). */
#define CR0_WP BIT(16)
#define CR0_PG BIT(31)
#define CR3_ROOT BITS(51, 12) /* below: PCID or cache bits */
#define CR4_PAE BIT(5)
#define CR4_LA57 BIT(12)
#define CR4_SMEP BIT(20)
#define CR4_PKE BIT(22)
#define ENTRY_P BIT(0)
#define ENTRY_ADDRESS BITS(51, 12)

/* Linux: where the kernel's image is linked, and what tells a KPTI pair's roots apart. */
#define LINUX_KERNEL_MAP UINT64_C(0xffffffff80000000)
#define LINUX_KPTI_USER BIT(12)
#define LINUX_TRAMPOLINE_END BIT(20)

#define TABLE_ITEMS 512
#define HALF_ITEMS 256

static bool x86_64_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			    struct pgw_root_info *ret)
{
	const struct pgw_format *format = image_format(image, cpu->cr4 & CR4_LA57 ? 5 : 4);

	if (!(cpu->known & PGW_CPU_X86_CR) || !(cpu->cr0 & CR0_PG) || !(cpu->cr4 & CR4_PAE) ||
	    !format)
		return false;
	*ret = (struct pgw_root_info){
		.root = { cpu->cr3 & CR3_ROOT },
		.format = format,
		.control = { .known = PGW_CTL_X86_WP | PGW_CTL_X86_SMEP | PGW_CTL_X86_PKE },
	};
	if (cpu->cr0 & CR0_WP)
		ret->control.set |= PGW_CTL_X86_WP;
	if (cpu->cr4 & CR4_SMEP)
		ret->control.set |= PGW_CTL_X86_SMEP;
	if (cpu->cr4 & CR4_PKE)
		ret->control.set |= PGW_CTL_X86_PKE;
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
	pa = va - LINUX_KERNEL_MAP + phys_base;
	if (pa & ~ENTRY_ADDRESS)
		return false;
	*ret = (struct image_swapper){ .va = va, .root = { .root = { pa }, .format = format } };
	return true;
}

/* The IDT's address, as the first CPU that runs with paging has it. */
static bool x86_64_idt(const struct pgw_image *image, uint64_t *ret)
{
	struct pgw_root_info root;

	for (size_t i = 0; i < image->nr_cpus; i++) {
		if (x86_64_cpu_root(image, &image->cpus[i], &root)) {
			*ret = image->cpus[i].idt_base;
			return true;
		}
	}
	return false;
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
	uint64_t idt;

	kernel.root.pa &= ~LINUX_KPTI_USER;
	user.root.pa |= LINUX_KPTI_USER;
	if (!x86_64_idt(image, &idt) || !image_root_translate(image, &kernel, idt, &kernel_idt) ||
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

const struct image_arch_ops image_x86_64_ops = {
	.cpu_root = x86_64_cpu_root,
	.swapper = x86_64_swapper,
	.kpti_twin = x86_64_kpti_twin,
	.is_trampoline = x86_64_is_trampoline,
};
