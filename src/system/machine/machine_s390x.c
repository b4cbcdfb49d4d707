/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"
#include "system/roots/root.h"

/*
 * z/Architecture Principles of Operation, chapter 3: "Control Registers" (CR0), "Address-Space-
 * Control Element", "Region-Table Entries", "Segment-Table Entries".
 */
#define CR0_EDAT BIT(63 - 40)
#define CR0_IEP BIT(63 - 43)
#define ASCE_ROOT BITS(63, 12)
#define ASCE_P BIT(8)
#define ASCE_R BIT(5)
#define ASCE_DT_SHIFT 2
#define ASCE_TL 3
#define ENTRY_I BIT(5)
#define ENTRY_TT BITS(3, 2)
#define ENTRY_TL 3

#define ITEMS_OF_UNIT 512 /* of ASCE_TL */
#define TABLE_SIZE 16384u
#define PAGES_OF_TABLE (TABLE_SIZE / IMAGE_PAGE)

/* Linux's roots have 3 levels, until a process asks for more; then 4, or 5. */
static const struct pgw_format *format_of(const struct pgw_image *image, unsigned designation)
{
	return image_format(image, designation + 2);
}

/* An item of a table of regions as Linux writes it: empty, or a whole table. @return does it lead on? */
static bool is_region(uint64_t item, bool *ret_is_table)
{
	uint64_t low = item & ~ASCE_ROOT;

	*ret_is_table = !(item & ENTRY_I);
	if (!*ret_is_table)
		return item == (ENTRY_I | (item & ENTRY_TT)) && (item & ENTRY_TT);
	return (item & ENTRY_TT) && low == ((item & ENTRY_TT) | ENTRY_TL);
}

/* A page of a table of regions: of one type, empty or not. */
static unsigned s390x_page_kinds(const uint8_t *page)
{
	uint64_t type = load_be64(page) & ENTRY_TT;

	for (size_t at = 0; at < IMAGE_PAGE; at += 8) {
		uint64_t item = load_be64(page + at);
		bool is_table;

		if ((item & ENTRY_TT) != type || !is_region(item, &is_table))
			return 0;
	}
	return 1u << IMAGE_PAGE_ROOT;
}

/* Of which format is the table, by the type of its items? NULL: it is none that leads anywhere. */
static const struct pgw_format *format_at(const struct pgw_image *image, uint64_t pa)
{
	uint8_t page[IMAGE_PAGE];
	uint64_t type = 0;
	bool has_table = false;

	/* Linux: its tables are aligned to their size. */
	if (pa & (TABLE_SIZE - 1))
		return NULL;

	for (unsigned i = 0; i < PAGES_OF_TABLE; i++) {
		if (pgw_phys_read(&image->phys, pa + (uint64_t)i * IMAGE_PAGE, page,
				  sizeof(page)) ||
		    !s390x_page_kinds(page) || (i && (load_be64(page) & ENTRY_TT) != type))
			return NULL;
		type = load_be64(page) & ENTRY_TT;
		for (size_t at = 0; at < IMAGE_PAGE; at += 8)
			has_table |= !(load_be64(page + at) & ENTRY_I);
	}
	return has_table ? format_of(image, (unsigned)(type >> ASCE_DT_SHIFT)) : NULL;
}

/* The kernel maps memory where it is, its root too. Processes' roots do not. */
static bool maps_itself(const struct pgw_image *image, const struct pgw_root_info *root)
{
	struct pgw_translation self;

	return image_root_translate(image, root, root->root.pa, &self) && self.pa == root->root.pa;
}

static bool s390x_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);

	for (size_t i = 0; i < pages->nr && image_search_spend(image, PAGES_OF_TABLE); i++) {
		struct pgw_root_info root = {
			.root = { .pa = pages->pa[i] },
			.format = format_at(image, pages->pa[i]),
			.found = PGW_ROOT_FROM_TABLE_BITS,
		};

		if (!root.format || !maps_itself(image, &root))
			continue;
		*ret = (struct image_swapper){ .va = root.root.pa, .root = root };
		return true;
	}
	return false;
}

static struct pgw_control s390x_control(const struct pgw_cpu *cpu, uint64_t asce)
{
	struct pgw_control control = {
		/* Whether there is EDAT-2 is not said: it comes with EDAT-1. */
		.known = PGW_CTL_S390X_EDAT1 | PGW_CTL_S390X_IEP | PGW_CTL_S390X_PRIVATE,
	};

	if (cpu->cr0 & CR0_EDAT)
		control.set |= PGW_CTL_S390X_EDAT1;
	if (cpu->cr0 & CR0_IEP)
		control.set |= PGW_CTL_S390X_IEP;
	if (asce & ASCE_P)
		control.set |= PGW_CTL_S390X_PRIVATE;
	return control;
}

/* A root that is whole says nothing. */
static uint32_t root_items(uint64_t asce)
{
	return (asce & ASCE_TL) == ASCE_TL ? 0 : (uint32_t)((asce & ASCE_TL) + 1) * ITEMS_OF_UNIT;
}

/* A space whose addresses are real ones (R) has no tables. */
static bool asce_root(const struct pgw_image *image, const struct pgw_cpu *cpu, uint64_t asce,
		      struct pgw_root_info *ret)
{
	const struct pgw_format *format = format_of(image, asce >> ASCE_DT_SHIFT & 3);

	if (!(cpu->known & PGW_CPU_S390X_CR) || (asce & ASCE_R) || !format)
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = asce & ASCE_ROOT, .nr_items = root_items(asce) },
		.format = format,
		.control = s390x_control(cpu, asce),
	};
	return true;
}

/* Linux: the kernel's space is the home space, and stays while processes change. */
static bool s390x_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			   struct pgw_root_info *ret)
{
	return asce_root(image, cpu, cpu->cr13, ret);
}

/* The process's is the secondary space; in the kernel the primary one may be the kernel's own. */
static bool s390x_cpu_user_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
				struct pgw_root_info *ret)
{
	if ((cpu->cr7 & ASCE_ROOT) == (cpu->cr13 & ASCE_ROOT) ||
	    !asce_root(image, cpu, cpu->cr7, ret))
		return false;
	ret->has_user = true;
	return true;
}

/*
 * Where the kernel's image is: since 6.10 its addresses are not physical ones, and the text says by
 * how much.
 */
static bool s390x_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			  struct image_swapper *ret)
{
	uint64_t va, pa, offset, phys;

	if (!pgw_vmcoreinfo_symbol(info, "swapper_pg_dir", &va))
		return false;
	pa = va;
	if (image_vmcoreinfo_hex(info, "KERNELOFFPHYS", &phys) &&
	    image_vmcoreinfo_hex(info, "KERNELOFFSET", &offset))
		pa = va - offset + phys;
	*ret = (struct image_swapper){
		.va = va,
		.root = { .root = { .pa = pa }, .format = format_at(image, pa) },
	};
	return true;
}

static int s390x_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	const struct image_pages *pages = image_pages(roots->image, IMAGE_PAGE_ROOT);
	struct pgw_root_info root = { .found = PGW_ROOT_FROM_TABLE_BITS, .has_user = true };
	int status = 0;

	if (swapper)
		root.control = swapper->root.control;
	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!image_search_spend(roots->image, PAGES_OF_TABLE))
			return -PGW_E2BIG;
		root.root.pa = pages->pa[i];
		root.format = format_at(roots->image, pages->pa[i]);
		if (root.format && !maps_itself(roots->image, &root))
			status = image_roots_add(roots, &root);
	}
	return status || !pages->is_cut ? status : -PGW_E2BIG;
}

static const uint64_t bases[] = { 0 };

static const struct image_register registers[] = {
	IMAGE_REGISTER("CR0", cr0, PGW_CPU_S390X_CR, NULL),
	IMAGE_REGISTER("CR1", cr1, PGW_CPU_S390X_CR, NULL),
	IMAGE_REGISTER("CR7", cr7, PGW_CPU_S390X_CR, NULL),
	IMAGE_REGISTER("CR13", cr13, PGW_CPU_S390X_CR, NULL),
	{ .name = NULL },
};

const struct image_arch_ops image_s390x_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.sought = "a VMCOREINFO in a note or in memory, a CPU's CR13, or a region table that maps "
		  "itself",
	.page_kinds = s390x_page_kinds,
	.kernel_search = s390x_kernel_search,
	.process_roots = s390x_process_roots,
	.cpu_root = s390x_cpu_root,
	.cpu_user_root = s390x_cpu_user_root,
	.swapper = s390x_swapper,
};
