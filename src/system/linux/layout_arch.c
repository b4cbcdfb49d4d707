/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/layout.h"

#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"
#include "system/system_priv.h"

/*
 * x86_64: Documentation/arch/x86/x86_64/mm.rst of Linux; with KASLR three of the bases are
 * variables. arm64, riscv64: what arch_crash_save_vmcoreinfo() of each says.
 */

#define PAGE_LG2 12
#define KERNEL_MAP UINT64_C(0xffffffff80000000)
#define KERNEL_MAP_SIZE (UINT64_C(1) << 30)

struct fixed {
	uint64_t first, last;
	const char *name;
	const char *symbol; /* it is there if this symbol is; NULL: always */
};

static const struct fixed x86_64[] = {
	{ 0xfffffe0000000000, 0xfffffe7fffffffff, "cpu-entry-area", NULL },
	{ 0xffffff0000000000, 0xffffff7fffffffff, "espfix", NULL },
	{ 0xffffffef00000000, 0xfffffffeffffffff, "efi", NULL },
	{ 0xffffffffff000000, 0xffffffffff5fffff, "fixmap", NULL },
	{ 0xffffffffff600000, 0xffffffffff600fff, "vsyscall", NULL },
};

static const struct fixed x86_64_la48[] = {
	{ 0xffff800000000000, 0xffff87ffffffffff, "hypervisor", NULL },
	{ 0xffff880000000000, 0xffff887fffffffff, "ldt", NULL },
	{ 0xffffec0000000000, 0xfffffbffffffffff, "kasan", "kasan_early_shadow_page" },
};

static const struct fixed x86_64_la57[] = {
	{ 0xff00000000000000, 0xff0fffffffffffff, "hypervisor", NULL },
	{ 0xff10000000000000, 0xff10ffffffffffff, "ldt", NULL },
	{ 0xffdf000000000000, 0xfffffbffffffffff, "kasan", "kasan_early_shadow_page" },
};

/** The kernel that is meant. */
struct arch {
	struct pgw_layout *layout;
	struct linux_inside *inside;
	const struct pgw_vmcoreinfo *text; /* or NULL */
};

static int fixed_add(const struct arch *arch, const struct fixed *list, size_t nr)
{
	int err = 0;

	for (size_t i = 0; i < nr && !err; i++) {
		if (list[i].symbol &&
		    (!arch->inside->symbols || !linux_inside_symbol(arch->inside, list[i].symbol)))
			continue;
		err = layout_add(arch->layout, list[i].first, list[i].last, list[i].name, "",
				 PGW_LAYOUT_DOCUMENTED);
	}
	return err;
}

/* What a variable of the kernel's holds. */
static bool variable(const struct arch *arch, const char *name, uint64_t *ret)
{
	uint64_t va = arch->inside->symbols ? linux_inside_symbol(arch->inside, name) : 0;

	return va && linux_memory_word(&arch->inside->memory, va, ret) == 0;
}

/* From a base that is a variable, so many bytes. */
static int based_add(const struct arch *arch, const char *base_name, uint64_t size,
		     const char *name)
{
	uint64_t base;

	if (!size || !variable(arch, base_name, &base) || base > UINT64_MAX - (size - 1))
		return 0;
	return layout_add(arch->layout, base, base + size - 1, name, "", PGW_LAYOUT_SYMBOLS);
}

/* Bytes of struct page for a page of memory; 64 in all kernels but those that are debugged. */
static uint64_t page_struct_size(const struct arch *arch)
{
	struct linux_member size = { 0 };
	uint64_t bytes;

	if (arch->inside->types &&
	    linux_types_size(arch->inside->types, linux_types_struct(arch->inside->types, "page"),
			     &bytes) &&
	    bytes <= 4096)
		size.size = (uint32_t)bytes;
	return size.size ? size.size : 64;
}

static int x86_64_bases(const struct arch *arch, bool is_la57)
{
	const uint64_t tib = UINT64_C(1) << 40;
	uint64_t max_pfn = 0;
	int err;

	if (!variable(arch, "max_pfn", &max_pfn) || max_pfn >= UINT64_C(1) << 40)
		max_pfn = 0;
	err = based_add(arch, "page_offset_base", max_pfn << PAGE_LG2, "direct-map");
	if (!err)
		err = based_add(arch, "vmalloc_base", (is_la57 ? 12800 : 32) * tib, "vmalloc");
	if (!err)
		err = based_add(arch, "vmemmap_base", max_pfn * page_struct_size(arch), "vmemmap");
	return err;
}

static int x86_64_add(const struct arch *arch)
{
	const bool is_la57 =
		strcmp(pgw_format_name(arch->inside->memory.root.format), "x86_64-la57") == 0;
	uint64_t image_size;
	int err = fixed_add(arch, x86_64, PGW_ARRAY_SIZE(x86_64));

	if (!err)
		err = is_la57 ? fixed_add(arch, x86_64_la57, PGW_ARRAY_SIZE(x86_64_la57))
			      : fixed_add(arch, x86_64_la48, PGW_ARRAY_SIZE(x86_64_la48));
	if (!err)
		err = x86_64_bases(arch, is_la57);
	/* Modules follow the kernel's image, which has 1 GiB with KASLR, else half of that. */
	if (!arch->text || !pgw_vmcoreinfo_number(arch->text, "KERNEL_IMAGE_SIZE", &image_size) ||
	    image_size > KERNEL_MAP_SIZE || !image_size)
		image_size = KERNEL_MAP_SIZE;
	if (!err)
		err = layout_add(arch->layout, KERNEL_MAP, KERNEL_MAP + image_size - 1,
				 "kernel-map", "", PGW_LAYOUT_DOCUMENTED);
	if (!err)
		err = layout_add(arch->layout, KERNEL_MAP + image_size,
				 UINT64_C(0xfffffffffeffffff), "modules", "",
				 PGW_LAYOUT_DOCUMENTED);
	return err;
}

/*
 * NUMBER(first) to NUMBER(end), which is exclusive. What a kernel was built for may be more than it
 * has on this CPU (arm64, 52 bits): VMEMMAP_START lies below VMALLOC_END then, behind which it begins.
 */
static int numbers_add(const struct arch *arch, const char *first_key, const char *end_key,
		       const char *after_key, const char *name)
{
	uint64_t first, end, after;

	if (!pgw_vmcoreinfo_number(arch->text, first_key, &first) ||
	    !pgw_vmcoreinfo_number(arch->text, end_key, &end) || end <= first)
		return 0;
	if (after_key && pgw_vmcoreinfo_number(arch->text, after_key, &after) && after > first &&
	    after < end)
		first = after;
	/* Some releases give the last address. */
	end -= (end & 1) ? 0 : 1;
	return layout_add(arch->layout, first, end, name, "", PGW_LAYOUT_VMCOREINFO);
}

static int told_add(const struct arch *arch)
{
	int err = numbers_add(arch, "MODULES_VADDR", "MODULES_END", NULL, "modules");

	if (!err)
		err = numbers_add(arch, "VMALLOC_START", "VMALLOC_END", NULL, "vmalloc");
	if (!err)
		err = numbers_add(arch, "VMEMMAP_START", "VMEMMAP_END", "VMALLOC_END", "vmemmap");
	return err ? err
		   : numbers_add(arch, "KASAN_SHADOW_START", "KASAN_SHADOW_END", NULL, "kasan");
}

/* The lower half of the kernel's addresses is the linear map. */
static int arm64_add(const struct arch *arch)
{
	uint64_t va_bits, t1sz;
	int err = told_add(arch);

	if (err || !pgw_vmcoreinfo_number(arch->text, "VA_BITS", &va_bits) || va_bits < 36 ||
	    va_bits > 52)
		return err;
	/* What the CPU can do may be less than what the kernel was built for. */
	if (pgw_vmcoreinfo_number(arch->text, "TCR_EL1_T1SZ", &t1sz) && t1sz >= 12 && t1sz <= 28 &&
	    64 - t1sz < va_bits)
		va_bits = 64 - t1sz;
	return layout_add(arch->layout, -(UINT64_C(1) << va_bits),
			  -(UINT64_C(1) << (va_bits - 1)) - 1, "direct-map", "",
			  PGW_LAYOUT_VMCOREINFO);
}

/* The linear map begins at PAGE_OFFSET, and is as long as memory reaches. */
static int riscv64_add(const struct arch *arch)
{
	const struct pgw_phys *phys = &arch->inside->image->phys;
	uint64_t offset, base = 0, first, last, end = 0;
	int err = told_add(arch);

	if (err || !pgw_vmcoreinfo_number(arch->text, "PAGE_OFFSET", &offset))
		return err;
	pgw_vmcoreinfo_number(arch->text, "phys_ram_base", &base);
	for (uint64_t pa = base; phys->ops->next_range(phys, pa, &first, &last); pa = last + 1) {
		end = last;
		if (last == UINT64_MAX)
			break;
	}
	if (end <= base || offset > UINT64_MAX - (end - base))
		return 0;
	return layout_add(arch->layout, offset, offset + (end - base), "direct-map", "",
			  PGW_LAYOUT_VMCOREINFO);
}

int layout_of_arch(struct pgw_layout *layout, struct linux_inside *inside)
{
	const char *name = pgw_format_arch(inside->memory.root.format);
	struct arch arch = { .layout = layout, .inside = inside };
	int err = linux_inside_vmcoreinfo(inside, &arch.text);

	if (err)
		return err;
	if (strcmp(name, "x86_64") == 0)
		return x86_64_add(&arch);
	if (!arch.text)
		return 0;
	if (strcmp(name, "arm64") == 0)
		return arm64_add(&arch);
	return strcmp(name, "riscv64") == 0 ? riscv64_add(&arch) : 0;
}
