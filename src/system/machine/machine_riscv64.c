/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <string.h>

#include "base/bits.h"
#include "system/roots/root.h"

/* RISC-V ISA volume II, 4.3.1: a pointer to a table has V, and perhaps G. */
#define ENTRY_V BIT(0)
#define ENTRY_G BIT(5)
#define ENTRY_PPN BITS(53, 10)

/* Linux: the kernel's Image header (Documentation/riscv/boot-image-header). */
#define HEADER_MAGIC 0x30
#define HEADER_MAGIC2 0x38

/* The slot that spans the last 2 GiB; in an Sv39 root it is two, of 1 GiB each. */
#define LAST_SLOT 511

static bool riscv64_is_table(const uint8_t *item)
{
	return (load_le64(item) & ~(ENTRY_PPN | ENTRY_G)) == ENTRY_V;
}

static unsigned riscv64_page_kinds(const uint8_t *page)
{
	unsigned kinds = 0;

	if (riscv64_is_table(page + LAST_SLOT * UINT64_C(8)) ||
	    riscv64_is_table(page + (LAST_SLOT - 1) * UINT64_C(8)))
		kinds |= 1u << IMAGE_PAGE_ROOT;
	if (memcmp(page + HEADER_MAGIC, "RISCV\0\0\0", 8) == 0 &&
	    memcmp(page + HEADER_MAGIC2, "RSC\x05", 4) == 0)
		kinds |= 1u << IMAGE_PAGE_ANCHOR;
	return kinds;
}

/* Linux before 6.4 says nothing of its addresses but the symbol. */
static bool riscv64_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			    struct image_swapper *ret)
{
	uint64_t offset, va_bits;

	*ret = (struct image_swapper){ 0 };
	if (!pgw_vmcoreinfo_symbol(info, "swapper_pg_dir", &ret->va) || !ret->va)
		return false;
	if (!pgw_vmcoreinfo_number(info, "va_kernel_pa_offset", &offset) ||
	    !pgw_vmcoreinfo_number(info, "VA_BITS", &va_bits))
		return true;
	ret->root.root.pa = ret->va - offset;
	ret->root.format = image_format_of(image, 12, (unsigned)va_bits);
	if (ret->root.format && !image_root_is_aligned(&ret->root))
		ret->root.format = NULL;
	return true;
}

static bool riscv64_maps_header(const struct pgw_image *image, const struct pgw_root_info *root,
				uint64_t header)
{
	struct pgw_translation at;

	return image_root_translate(image, root, LINUX_KERNEL_MAP, &at) && at.pa == header;
}

static bool riscv64_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	if (!image_shared_kernel_search(image, riscv64_maps_header, ret))
		return false;
	ret->root.found = PGW_ROOT_FROM_IMAGE_HEADER;
	return true;
}

/* RISC-V ISA volume II, 4.1.11 satp: MODE, PPN. */
static bool riscv64_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			     struct pgw_root_info *ret)
{
	static const uint8_t va_bits[16] = { [8] = 39, [9] = 48, [10] = 57 };
	const struct pgw_format *format = image_format_of(image, 12, va_bits[cpu->satp >> 60]);

	if (!(cpu->known & PGW_CPU_RISCV_SATP) || !format)
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = (cpu->satp & BITS(43, 0)) << 12 },
		.format = format,
	};
	return true;
}

/* 4.1.11 satp, of 32 bits: MODE, ASID, PPN. */
static bool riscv32_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			     struct pgw_root_info *ret)
{
	if (!(cpu->known & PGW_CPU_RISCV_SATP) || !(cpu->satp & BIT(31)))
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = (cpu->satp & BITS(21, 0)) << 12 },
		.format = image_format_of(image, 12, 32),
	};
	return ret->format != NULL;
}

/* Nothing is known by its looks. */
static unsigned riscv32_page_kinds(const uint8_t *page)
{
	(void)page;
	return 0;
}

static bool riscv32_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	(void)image, (void)ret;
	return false;
}

static const uint64_t bases[] = { UINT64_C(0x80000000), UINT64_C(0x40000000), 0 };

static const struct image_register registers[] = {
	IMAGE_REGISTER("satp", satp, PGW_CPU_RISCV_SATP, IMAGE_WHERE_GDB),
	{ .name = NULL },
};

const struct image_arch_ops image_riscv64_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.sought = "a VMCOREINFO in a note or in memory, or the kernel's Image header",
	.page_kinds = riscv64_page_kinds,
	.swapper = riscv64_swapper,
	.kernel_search = riscv64_kernel_search,
	.kernel_partial = image_shared_kernel_partial,
	.process_roots = image_shared_process_roots,
	.cpu_root = riscv64_cpu_root,
};

const struct image_arch_ops image_riscv32_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.sought = "a VMCOREINFO in a note or in memory, or a CPU's satp (--register)",
	.page_kinds = riscv32_page_kinds,
	.swapper = riscv64_swapper,
	.kernel_search = riscv32_kernel_search,
	.process_roots = image_shared_process_roots,
	.cpu_root = riscv32_cpu_root,
};
