/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <string.h>

#include "base/bits.h"
#include "system/machine/page_items.h"
#include "system/roots/root.h"

/* ARM Architecture Reference Manual, ARMv7-A (DDI 0406C) B4.1.130 SCTLR, B4.1.153 TTBCR, TTBR0, TTBR1. */
#define SCTLR_M BIT(0)
#define SCTLR_WXN BIT(19)
#define SCTLR_UWXN BIT(20)
#define SCTLR_TRE BIT(28)
#define SCTLR_AFE BIT(29)
#define TTBCR_EAE BIT(31)
#define TTBCR_N BITS(2, 0)
#define TTBCR_PD0 BIT(4)
#define TTBCR_PD1 BIT(5)
#define TTBCR_EPD0 BIT(7)
#define TTBCR_EPD1 BIT(23)
#define TTBCR_T1SZ_SHIFT 16
#define TTBR_LONG BITS(39, 3)
#define TTBR_SHORT BITS(31, 7)

/* B3.5, B3.6: descriptors. */
#define SHORT_TABLE 1
#define SHORT_TYPE BITS(1, 0)
#define SHORT_SUPER BIT(18)
#define SHORT_DOMAIN BITS(8, 5)
#define SHORT_LEAF BIT(1)
#define LONG_TABLE UINT64_C(3)
#define LONG_BLOCK UINT64_C(1)
#define LONG_ADDRESS BITS(39, 12)

#define SECTION UINT64_C(0x100000)
#define BLOCK UINT64_C(0x200000)
#define SHORT_ROOT_SIZE UINT64_C(0x4000)
#define LONG_ROOT_SIZE UINT64_C(32)

/* Linux (arch/arm/include/asm/pgtable-3level.h), of a process's entry that is swapper_pg_dir's. */
#define L_PGD_SWAPPER BIT(55)

/* Linux: PAGE_OFFSET, by the ways to split the addresses (arch/arm/Kconfig, VMSPLIT_*). */
static const uint64_t page_offsets[] = { 0xc0000000, 0xb0000000, 0x80000000, 0x40000000 };

/* Of what it is built with by default: all that looks know. */
#define PAGE_OFFSET page_offsets[0]
#define KERNEL_QUARTER UINT64_C(0x3000) /* of a root of short descriptors: its items, in bytes */

#define MAX_RANGES 8 /* that memory may begin with */

static const struct pgw_format *short_format(const struct pgw_image *image)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);

	for (size_t i = 0; i < nr; i++) {
		if (pgw_format_geometry(formats[i])->item_lg2 == 2)
			return formats[i];
	}
	return NULL;
}

/* Long descriptors, of addresses that have so many bits. */
static const struct pgw_format *long_format(const struct pgw_image *image, unsigned va_bits)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);

	for (size_t i = 0; i < nr; i++) {
		const struct pgw_geometry *geo = pgw_format_geometry(formats[i]);

		if (geo->item_lg2 == 3 && geo->va_bits == va_bits)
			return formats[i];
	}
	return NULL;
}

/*
 * The quarter of a root of short descriptors that maps the kernel: it begins with sections of
 * memory in a row, of which the first is an even one, and ends with the table of the vectors.
 */
static bool is_short_quarter(const uint8_t *page)
{
	uint32_t first = load_le32(page), second = load_le32(page + 4);
	uint32_t last = load_le32(page + IMAGE_PAGE - 4);

	return (first & (SHORT_LEAF | SHORT_SUPER | SHORT_DOMAIN | SECTION)) == SHORT_LEAF &&
	       (second - SECTION) >> 20 == first >> 20 && (second & SHORT_LEAF) &&
	       (last & SHORT_TYPE) == SHORT_TABLE;
}

/* The same of long ones: a table of 1 GiB, with blocks of 2 MiB. */
static bool is_long_kernel(const uint8_t *page)
{
	uint64_t first = load_le64(page), second = load_le64(page + 8);
	uint64_t last = load_le64(page + IMAGE_PAGE - 8);

	return (first & LONG_TABLE) == LONG_BLOCK && (second & LONG_TABLE) == LONG_BLOCK &&
	       ((second - BLOCK) & LONG_ADDRESS) == (first & LONG_ADDRESS) &&
	       (last & LONG_TABLE) == LONG_TABLE;
}

static bool is_long_table(uint64_t item)
{
	return (item & ~(LONG_ADDRESS | L_PGD_SWAPPER)) == LONG_TABLE;
}

/* Four items that a process's root may be: the last leads to the kernel's table. */
static bool is_long_process(const uint8_t *items)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t item = load_le64(items + (size_t)8 * i);

		if (i == 3 ? !is_long_table(item) || !(item & L_PGD_SWAPPER)
			   : item && !is_long_table(item))
			return false;
	}
	return true;
}

/* Is there an item that may be the last of such a root? In most pages there is none. */
static PGW_ALWAYS_INLINE bool has_long_last_any(const uint8_t *page)
{
	const page_items last = { 0, 0, 0, UINT64_MAX, 0, 0, 0, UINT64_MAX };

	return page_has_item_in(page, ~LONG_ADDRESS, LONG_TABLE | L_PGD_SWAPPER, &last);
}

PAGE_LOOK_BY_CPU(bool, has_long_last)

static unsigned arm_page_kinds(const uint8_t *page)
{
	unsigned kinds = 0;

	if (is_short_quarter(page) || is_long_kernel(page))
		kinds |= 1u << IMAGE_PAGE_ROOT;
	if (has_long_last(page))
		kinds |= 1u << IMAGE_PAGE_USER;
	return kinds;
}

/* A root that maps itself where memory is mapped, if all of that comes in a row. */
static bool maps_itself(struct pgw_image *image, const struct pgw_root_info *root, uint64_t *ret_va)
{
	return image_root_find_va(image, root, root->root.pa, PAGE_OFFSET, ret_va);
}

/*
 * Of short descriptors, the kernel's own root has the least below the kernel's part, which is modules
 * that all have, and all of that part, of which others copy what they meet; of what is alike, the
 * first one.
 */
static bool short_search(struct pgw_image *image, struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);
	struct pgw_root_info root = { .format = short_format(image) };
	unsigned slots[_PGW_REGION_MAX], best[_PGW_REGION_MAX] = { UINT32_MAX, 0 };
	uint64_t va;

	for (size_t i = 0; root.format && i < pages->nr && image_search_spend(image, 4); i++) {
		root.root.pa = pages->pa[i] - KERNEL_QUARTER;
		if ((root.root.pa & (SHORT_ROOT_SIZE - 1)) ||
		    !image_root_count_slots(image, &root, slots) ||
		    slots[PGW_REGION_USER] > best[PGW_REGION_USER] ||
		    (slots[PGW_REGION_USER] == best[PGW_REGION_USER] &&
		     slots[PGW_REGION_KERNEL] <= best[PGW_REGION_KERNEL]) ||
		    !maps_itself(image, &root, &va))
			continue;
		memcpy(best, slots, sizeof(best));
		*ret = (struct image_swapper){ .va = va, .root = root };
	}
	return best[PGW_REGION_KERNEL] > 0;
}

/* Of long ones, a table of the kernel's 1 GiB that maps itself: there is one for all. */
static bool long_search(struct pgw_image *image, struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);
	struct pgw_root_info root = { .format = long_format(image, 30) };

	for (size_t i = 0; root.format && i < pages->nr && image_search_spend(image, 1); i++) {
		root.root.pa = pages->pa[i];
		*ret = (struct image_swapper){ .root = root };
		if (maps_itself(image, &root, &ret->va))
			return true;
	}
	return false;
}

static bool arm_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	if (!long_search(image, ret) && !short_search(image, ret))
		return false;
	ret->root.found = PGW_ROOT_FROM_TABLE_BITS;
	return true;
}

static struct pgw_control arm_control(const struct pgw_cpu *cpu)
{
	struct pgw_control control = { .known = 0 };

	if (cpu->known & PGW_CPU_ARM_SCTLR) {
		control.known |=
			PGW_CTL_ARM_WXN | PGW_CTL_ARM_UWXN | PGW_CTL_ARM_AFE | PGW_CTL_ARM_TRE;
		control.set |= (cpu->sctlr & SCTLR_WXN ? PGW_CTL_ARM_WXN : 0u) |
			       (cpu->sctlr & SCTLR_UWXN ? PGW_CTL_ARM_UWXN : 0u) |
			       (cpu->sctlr & SCTLR_AFE ? PGW_CTL_ARM_AFE : 0u) |
			       (cpu->sctlr & SCTLR_TRE ? PGW_CTL_ARM_TRE : 0u);
	}
	if (cpu->known & PGW_CPU_ARM_DACR) {
		control.known |= PGW_CTL_ARM_DOMAINS;
		control.domains = (uint32_t)cpu->dacr;
	}
	if (cpu->known & PGW_CPU_ARM_MAIR) {
		control.known |= PGW_CTL_MEMORY_TYPES;
		control.memory_types = (cpu->mair & UINT32_MAX) | cpu->mair1 << 32;
	}
	return control;
}

/* Pre: EAE. T0SZ or T1SZ: an address of the half has so many bits less than 32. */
static unsigned long_size(const struct pgw_cpu *cpu, enum pgw_region_kind half)
{
	return (unsigned)(cpu->tcr >> (half == PGW_REGION_KERNEL ? TTBCR_T1SZ_SHIFT : 0) & 7);
}

/*
 * B3.6.6: a register that has all addresses is the whole root. What has less than 30 bits is a root
 * of fewer items; of the highest addresses such a one is not read.
 */
static bool long_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
		      enum pgw_region_kind half, struct pgw_root_info *ret)
{
	unsigned size = long_size(cpu, half), bits = size > 2 ? 30 : 32 - size;
	bool is_kernel = half == PGW_REGION_KERNEL;

	if ((is_kernel && size > 2) || (cpu->tcr & (is_kernel ? TTBCR_EPD1 : TTBCR_EPD0)))
		return false;
	ret->root.pa = (is_kernel ? cpu->ttbr1 : cpu->ttbr0) & TTBR_LONG;
	ret->root.nr_items = size > 2 ? 512u >> (size - 2) : 0;
	ret->format = long_format(image, bits);
	return ret->format != NULL;
}

/* B3.5.4: TTBR1 has a whole table, whatever N. */
static bool short_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
		       enum pgw_region_kind half, struct pgw_root_info *ret)
{
	unsigned n = (unsigned)(cpu->tcr & TTBCR_N);
	bool is_kernel = half == PGW_REGION_KERNEL;
	uint64_t size = is_kernel ? SHORT_ROOT_SIZE : SHORT_ROOT_SIZE >> n;

	if (cpu->tcr & (is_kernel ? TTBCR_PD1 : TTBCR_PD0))
		return false;
	ret->root.pa = (is_kernel ? cpu->ttbr1 : cpu->ttbr0) & TTBR_SHORT & ~(size - 1);
	ret->root.nr_items = n && !is_kernel ? 4096u >> n : 0;
	ret->format = short_format(image);
	return ret->format != NULL;
}

/* Does TTBR0 have all addresses? */
static bool is_one_root(const struct pgw_cpu *cpu)
{
	if (!(cpu->tcr & TTBCR_EAE))
		return !(cpu->tcr & TTBCR_N);
	return !long_size(cpu, PGW_REGION_USER) && !long_size(cpu, PGW_REGION_KERNEL);
}

static bool root_of(const struct pgw_image *image, const struct pgw_cpu *cpu,
		    enum pgw_region_kind half, struct pgw_root_info *ret)
{
	if (!(cpu->known & PGW_CPU_ARM_TTBR0) ||
	    (half == PGW_REGION_KERNEL && !(cpu->known & PGW_CPU_ARM_TTBR1)) ||
	    ((cpu->known & PGW_CPU_ARM_SCTLR) && !(cpu->sctlr & SCTLR_M)))
		return false;
	*ret = (struct pgw_root_info){ .control = arm_control(cpu) };
	return cpu->tcr & TTBCR_EAE ? long_root(image, cpu, half, ret)
				    : short_root(image, cpu, half, ret);
}

static bool arm_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			 struct pgw_root_info *ret)
{
	return root_of(image, cpu, is_one_root(cpu) ? PGW_REGION_USER : PGW_REGION_KERNEL, ret);
}

static bool arm_cpu_user_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			      struct pgw_root_info *ret)
{
	if (is_one_root(cpu) || !root_of(image, cpu, PGW_REGION_USER, ret))
		return false;
	ret->has_user = true;
	return true;
}

/*
 * The kernel's root by where its level 1 is: with long descriptors that is the table, or the two
 * items, that TTBR1 has (arch/arm/mm/proc-v7-3level.S).
 */
static bool long_swapper(const struct pgw_image *image, uint64_t page_offset,
			 struct image_swapper *ret)
{
	uint64_t at = ret->root.root.pa, shift = ret->va - at;
	uint8_t item[8];

	if (page_offset == 0x80000000) {
		ret->root.root.pa = at + LONG_ROOT_SIZE / 2;
		ret->root.format = long_format(image, 31);
	} else if (page_offset == 0xc0000000) {
		if (pgw_phys_read(&image->phys, at + LONG_ROOT_SIZE - 8, item, sizeof(item)) ||
		    !is_long_table(load_le64(item)))
			return false;
		ret->root.root.pa = load_le64(item) & LONG_ADDRESS;
		ret->root.format = long_format(image, 30);
	} else {
		ret->root.format = long_format(image, 32);
	}
	ret->va = ret->root.root.pa + shift;
	return ret->root.format && image_root_is_aligned(&ret->root);
}

/* Memory is mapped from where it begins, which no text says: the claim has to map itself. */
static bool arm_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			struct image_swapper *ret)
{
	struct pgw_pa_range range = { .last = 0 };
	struct pgw_translation self;
	const char *value;
	size_t size, i = 0;
	bool is_long = pgw_vmcoreinfo_get(info, "CONFIG_ARM_LPAE", &value, &size);
	uint64_t va;

	*ret = (struct image_swapper){ 0 };
	if (!pgw_vmcoreinfo_symbol(info, "swapper_pg_dir", &va) || va > UINT32_MAX)
		return false;
	while (i < PGW_ARRAY_SIZE(page_offsets) && page_offsets[i] > va)
		i++;
	for (unsigned n = 0; i < PGW_ARRAY_SIZE(page_offsets) && n < MAX_RANGES; n++) {
		if (!source_next_range(&image->source, SOURCE_DESCRIBED, n ? range.last + 1 : 0,
				       &range))
			break;
		*ret = (struct image_swapper){
			.va = va,
			.root = { .root = { .pa = va - page_offsets[i] + range.first },
				  .format = short_format(image) },
		};
		if ((is_long ? long_swapper(image, page_offsets[i], ret)
			     : ret->root.format && image_root_is_aligned(&ret->root)) &&
		    image_root_translate(image, &ret->root, ret->va, &self) &&
		    self.pa == ret->root.root.pa)
			return true;
		if (range.last == UINT64_MAX)
			break;
	}
	*ret = (struct image_swapper){ .va = va };
	return true;
}

/* A process's root has the kernel's part: copied, or by its last item. */
static int add_if_proved(struct image_roots *roots, const struct image_swapper *swapper,
			 const struct pgw_root_info *root)
{
	enum pgw_root_proof proof = image_root_prove(roots->image, swapper, root);

	return proof == PGW_PROOF_PASSED || proof == PGW_PROOF_PARTIAL
		       ? image_roots_add(roots, root)
		       : 0;
}

static int long_process_roots(struct image_roots *roots, const struct image_swapper *swapper,
			      struct pgw_root_info *root)
{
	const struct image_pages *pages = image_pages(roots->image, IMAGE_PAGE_USER);
	uint8_t page[IMAGE_PAGE];
	int status = 0;

	root->format = long_format(roots->image, 32);
	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!image_search_spend(roots->image, 1) ||
		    pgw_phys_read(&roots->image->phys, pages->pa[i], page, sizeof(page)))
			continue;
		for (size_t at = 0; at < IMAGE_PAGE && !status; at += LONG_ROOT_SIZE) {
			if (!is_long_process(page + at))
				continue;
			root->root.pa = pages->pa[i] + at;
			status = add_if_proved(roots, swapper, root);
		}
	}
	return status || !pages->is_cut ? status : -PGW_E2BIG;
}

static int short_process_roots(struct image_roots *roots, const struct image_swapper *swapper,
			       struct pgw_root_info *root)
{
	const struct image_pages *pages = image_pages(roots->image, IMAGE_PAGE_ROOT);
	int status = 0;

	for (size_t i = 0; i < pages->nr && !status; i++) {
		root->root.pa = pages->pa[i] - KERNEL_QUARTER;
		if (image_search_spend(roots->image, 1) && !(root->root.pa & (SHORT_ROOT_SIZE - 1)))
			status = add_if_proved(roots, swapper, root);
	}
	return status || !pages->is_cut ? status : -PGW_E2BIG;
}

static int arm_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	struct pgw_root_info root;

	if (!swapper)
		return 0;
	root = (struct pgw_root_info){
		.format = swapper->root.format,
		.control = swapper->root.control,
		.found = PGW_ROOT_FROM_SELF_MAP,
	};
	return pgw_format_geometry(root.format)->item_lg2 == 3
		       ? long_process_roots(roots, swapper, &root)
		       : short_process_roots(roots, swapper, &root);
}

static const uint64_t bases[] = { UINT64_C(0x40000000), UINT64_C(0x80000000), 0 };

static const struct image_register registers[] = {
	IMAGE_REGISTER("TTBCR", tcr, PGW_CPU_ARM_TTBR0, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("TTBR0", ttbr0, PGW_CPU_ARM_TTBR0, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("TTBR1", ttbr1, PGW_CPU_ARM_TTBR1, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("SCTLR", sctlr, PGW_CPU_ARM_SCTLR, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("DACR", dacr, PGW_CPU_ARM_DACR, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("MAIR0", mair, PGW_CPU_ARM_MAIR, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("MAIR1", mair1, PGW_CPU_ARM_MAIR, IMAGE_WHERE_GDB),
	{ .name = NULL },
};

const struct image_arch_ops image_arm_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.sought = "a VMCOREINFO in a note or in memory, a CPU's TTBRs (--register), or a root like "
		  "Linux's that maps itself",
	.page_kinds = arm_page_kinds,
	.kernel_search = arm_kernel_search,
	.process_roots = arm_process_roots,
	.cpu_root = arm_cpu_root,
	.cpu_user_root = arm_cpu_user_root,
	.swapper = arm_swapper,
};
