/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"
#include "system/roots/root.h"

/*
 * Power ISA 3.0B, Book III, "Radix Tree Translation": "Partition Table", "Process Table". PTCR leads to
 * the partition table, whose entry 0 is the machine's own; its second dword leads to the process
 * table, which has a root for each process: 0 is the kernel, PIDR chooses the one that runs. A guest
 * has neither PTCR nor a partition table: it tells its process table to the hypervisor.
 *
 *   partition table entry, second dword    process table entry, first dword
 *   59:12  process table                   63     0: nothing
 *   4:0    its size: 2^(12 + n) bytes      62:61, 7:5  RTS: bits of addresses, less 31
 *                                          59:8   root directory
 *                                          4:0    RPDS: log2 of its items
 */
#define PTCR_TABLE BITS(59, 12)
#define PARTITION_PROCESS_TABLE BITS(59, 12)
#define PROCESS_TABLE_SIZE_LG2(dword) (12 + ((dword)&31))
#define ENTRY_SIZE 16u
/* Linux: radix_init_pgtable(), CPUs support nothing else: 52 bits, 2^13 items. */
#define ENTRY_ROOT BITS(59, 16)
#define ENTRY_LINUX (BIT(62) | 5 << 5 | 13)
/* Linux: PRTB_SIZE_SHIFT, at most; tables are aligned to their size, at least 64 KiB. */
#define PROCESS_TABLE_MAX (UINT64_C(1) << 24)
#define PROCESS_TABLE_ALIGN (UINT64_C(1) << 16)

#define ROOT_SIZE (UINT64_C(8) << 13)

#define IAMR_KUEP BIT(62) /* key 0: no execution */
/* Linux: PAGE_OFFSET, where memory is mapped. */
#define LINUX_LINEAR_MAP BITS(63, 62)
/* Tables of a tree that are looked at to tell its format. */
#define FORMAT_BUDGET (UINT64_C(1) << 12)
/* Pages that may be a process table's first, tried for a CPU. */
#define MAX_TABLES_TRIED 16

/* A process table's entry as Linux writes it. @return does it lead to a root? */
static bool is_entry(const uint8_t *entry, bool *ret_has_root)
{
	uint64_t dword = load_be64(entry);

	*ret_has_root = dword & ENTRY_ROOT;
	return !load_be64(entry + 8) &&
	       (!dword || (*ret_has_root && (dword & ~ENTRY_ROOT) == ENTRY_LINUX));
}

/* A page of a process table. */
static unsigned ppc64_page_kinds(const uint8_t *page)
{
	bool has_root, has_any = false;

	for (size_t at = 0; at < IMAGE_PAGE; at += ENTRY_SIZE) {
		if (!is_entry(page + at, &has_root))
			return 0;
		has_any |= has_root;
	}
	return has_any ? 1u << IMAGE_PAGE_ROOT : 0;
}

static bool read_dword(const struct pgw_image *image, uint64_t pa, uint64_t *ret)
{
	uint8_t bytes[8];

	if (pgw_phys_read(&image->phys, pa, bytes, sizeof(bytes)))
		return false;
	*ret = load_be64(bytes);
	return true;
}

/* The root in a process table's entry, as a kernel's or a user's. @return false: there is none */
static bool read_entry(const struct pgw_image *image, uint64_t pa, struct pgw_root_info *ret)
{
	uint8_t entry[ENTRY_SIZE];
	bool has_root;

	if (pgw_phys_read(&image->phys, pa, entry, sizeof(entry)) || !is_entry(entry, &has_root) ||
	    !has_root)
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = load_be64(entry) & ENTRY_ROOT },
		.found = PGW_ROOT_FROM_PROCESS_TABLE,
		.evidence = pa,
	};
	return true;
}

/* Pages of 64 KiB or of 4 KiB: the lowest tables' size is wrong in the other format. */
static const struct pgw_format *format_of(const struct pgw_image *image, uint64_t root_pa)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS], *best = NULL;
	size_t nr = image_formats(image, formats);
	uint64_t fewest = UINT64_MAX;

	for (size_t i = 0; i < nr; i++) {
		struct pgw_root_info root = { .root = { .pa = root_pa }, .format = formats[i] };
		uint64_t budget = FORMAT_BUDGET;
		struct image_count count;
		int status = image_root_count(image, &root, IMAGE_ALL_REGIONS, &budget, &count);

		if ((!status || status == -PGW_E2BIG) && count.nr_malformed < fewest) {
			fewest = count.nr_malformed;
			best = formats[i];
		}
	}
	return best;
}

/* The kernel maps memory, its own root too. */
static bool maps_itself(const struct pgw_image *image, const struct pgw_root_info *root)
{
	struct pgw_translation self;

	return image_root_translate(image, root, LINUX_LINEAR_MAP | root->root.pa, &self) &&
	       self.pa == root->root.pa;
}

/* Entry 0 of a process table: a kernel that maps itself. */
static bool kernel_of(const struct pgw_image *image, uint64_t table, struct pgw_root_info *ret)
{
	if ((table & (PROCESS_TABLE_ALIGN - 1)) || !read_entry(image, table, ret))
		return false;
	ret->format = format_of(image, ret->root.pa);
	return ret->format && maps_itself(image, ret);
}

static bool ppc64_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);

	for (size_t i = 0; i < pages->nr && image_search_spend(image, 2 * FORMAT_BUDGET); i++) {
		struct pgw_root_info root;

		if (!kernel_of(image, pages->pa[i], &root))
			continue;
		*ret = (struct image_swapper){
			.va = LINUX_LINEAR_MAP | root.root.pa,
			.root = root,
		};
		return true;
	}
	return false;
}

/*
 * With hash page tables Linux keeps trees for itself, whose tables have addresses of the kernel's in
 * them (__pgtable_ptr_val()); a CPU that walks radix trees has no leaf in a root.
 */
static bool is_hash_tree(const struct pgw_image *image, uint64_t root_pa)
{
	uint64_t dword;

	for (uint64_t at = 0; at < ROOT_SIZE; at += 8) {
		if (!read_dword(image, root_pa + at, &dword))
			return false;
		if (dword)
			return (dword & ~BITS(55, 0)) == LINUX_LINEAR_MAP;
	}
	return false;
}

/* Memory is mapped from LINUX_LINEAR_MAP on, the kernel's image with it, wherever that is. */
static bool ppc64_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			  struct image_swapper *ret)
{
	uint64_t va, page_size;

	if (!pgw_vmcoreinfo_symbol(info, "swapper_pg_dir", &va))
		return false;
	*ret = (struct image_swapper){
		.va = va,
		.root = { .root = { .pa = va & ~LINUX_LINEAR_MAP } },
	};
	if (!image_vmcoreinfo_dec(info, "PAGESIZE", &page_size) || !page_size ||
	    (va & LINUX_LINEAR_MAP) != LINUX_LINEAR_MAP)
		return true;
	ret->root.format = image_format_of(image, (unsigned)__builtin_ctzll(page_size), 52);
	if (ret->root.format &&
	    (!image_root_is_aligned(&ret->root) || is_hash_tree(image, ret->root.root.pa)))
		ret->root.format = NULL;
	return true;
}

/* The process table whose entry 0 is the kernel's root, among pages. @return false: none is */
static bool table_of(const struct pgw_image *image, const struct image_pages *pages,
		     uint64_t root_pa, uint64_t *ret)
{
	struct pgw_root_info root;

	for (size_t i = 0; i < pages->nr; i++) {
		if (read_entry(image, pages->pa[i], &root) && root.root.pa == root_pa) {
			*ret = pages->pa[i];
			return true;
		}
	}
	return false;
}

/* The entries of a page of a process table, as roots like this one. */
static int add_page(struct image_roots *roots, uint64_t pa, const struct pgw_root_info *kernel,
		    uint64_t table)
{
	int status = 0;

	for (unsigned at = 0; at < IMAGE_PAGE && !status; at += ENTRY_SIZE) {
		struct pgw_root_info root;

		if (!read_entry(roots->image, pa + at, &root))
			continue;
		root.format = kernel->format;
		root.control = kernel->control;
		root.has_user = root.root.pa != kernel->root.pa;
		root.has_pidr = pa + at - table < PROCESS_TABLE_MAX;
		root.pidr = root.has_pidr ? (uint32_t)((pa + at - table) / ENTRY_SIZE) : 0;
		status = image_roots_add(roots, &root);
	}
	return status;
}

static int ppc64_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	const struct image_pages *pages = image_pages(roots->image, IMAGE_PAGE_ROOT);
	uint64_t table = UINT64_MAX;
	int status = 0;

	/* How large pages are is told by the kernel's tables. */
	if (!swapper)
		return 0;
	table_of(roots->image, pages, swapper->root.root.pa, &table);
	for (size_t i = 0; i < pages->nr && !status; i++) {
		if (!image_search_spend(roots->image, 1))
			return -PGW_E2BIG;
		status = add_page(roots, pages->pa[i], &swapper->root, table);
	}
	return status || !pages->is_cut ? status : -PGW_E2BIG;
}

/* Where the process table is, and how many bytes it has: by PTCR, or by looks. */
static bool cpu_table(const struct pgw_image *image, const struct pgw_cpu *cpu, uint64_t *ret,
		      uint64_t *ret_size)
{
	const struct image_pages *pages;
	struct pgw_root_info kernel;
	uint64_t dword;

	if ((cpu->known & PGW_CPU_PPC64_PTCR) && cpu->ptcr) {
		if (!read_dword(image, (cpu->ptcr & PTCR_TABLE) + 8, &dword) || !dword)
			return false;
		*ret = dword & PARTITION_PROCESS_TABLE;
		*ret_size = BIT(PROCESS_TABLE_SIZE_LG2(dword));
		return true;
	}
	/* This looks through all memory. */
	pages = image_pages(image, IMAGE_PAGE_ROOT);
	*ret_size = PROCESS_TABLE_MAX;
	for (size_t i = 0, nr_tried = 0; i < pages->nr && nr_tried < MAX_TABLES_TRIED; i++) {
		nr_tried += !(pages->pa[i] & (PROCESS_TABLE_ALIGN - 1));
		if (!kernel_of(image, pages->pa[i], &kernel))
			continue;
		*ret = pages->pa[i];
		return true;
	}
	return false;
}

static struct pgw_control ppc64_control(const struct pgw_cpu *cpu)
{
	if (!(cpu->known & PGW_CPU_PPC64_IAMR))
		return (struct pgw_control){ 0 };
	return (struct pgw_control){
		.known = PGW_CTL_PPC64_KUEP,
		.set = cpu->iamr & IAMR_KUEP ? PGW_CTL_PPC64_KUEP : 0,
	};
}

static bool ppc64_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			   struct pgw_root_info *ret)
{
	uint64_t table, size;

	if (!(cpu->known & (PGW_CPU_PPC64_PTCR | PGW_CPU_PPC64_PIDR)) ||
	    !cpu_table(image, cpu, &table, &size) || !kernel_of(image, table, ret))
		return false;
	ret->control = ppc64_control(cpu);
	ret->has_pidr = true;
	return true;
}

static bool ppc64_cpu_user_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
				struct pgw_root_info *ret)
{
	struct pgw_root_info kernel;
	uint64_t table, size;

	if (!(cpu->known & PGW_CPU_PPC64_PIDR) || !cpu->pidr ||
	    !cpu_table(image, cpu, &table, &size) || cpu->pidr >= size / ENTRY_SIZE ||
	    !kernel_of(image, table, &kernel) ||
	    !read_entry(image, table + cpu->pidr * ENTRY_SIZE, ret))
		return false;
	ret->format = kernel.format;
	ret->control = ppc64_control(cpu);
	ret->has_user = ret->has_pidr = true;
	ret->pidr = (uint32_t)cpu->pidr;
	return true;
}

static const char *ppc64_sought_instead(const struct pgw_image *image)
{
	uint64_t va;

	for (size_t i = 0; i < image->nr_texts; i++) {
		if (pgw_vmcoreinfo_symbol(&image->texts[i], "swapper_pg_dir", &va) &&
		    is_hash_tree(image, va & ~LINUX_LINEAR_MAP))
			return "radix trees: this kernel has hash page tables, which are not read";
	}
	return NULL;
}

static const uint64_t bases[] = { 0 };

static const struct image_register registers[] = {
	IMAGE_REGISTER("PID", pidr, PGW_CPU_PPC64_PIDR, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("PTCR", ptcr, PGW_CPU_PPC64_PTCR, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("IAMR", iamr, PGW_CPU_PPC64_IAMR, IMAGE_WHERE_GDB),
	{ .name = NULL },
};

const struct image_arch_ops image_ppc64_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.sought = "a VMCOREINFO in a note or in memory, or a process table of radix trees",
	.sought_instead = ppc64_sought_instead,
	.page_kinds = ppc64_page_kinds,
	.swapper = ppc64_swapper,
	.kernel_search = ppc64_kernel_search,
	.process_roots = ppc64_process_roots,
	.cpu_root = ppc64_cpu_root,
	.cpu_user_root = ppc64_cpu_user_root,
};
