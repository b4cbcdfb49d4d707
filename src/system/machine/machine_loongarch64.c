/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include "base/bits.h"
#include "pt/read/iter.h"
#include "system/roots/root.h"

/*
 * LoongArch Reference Manual, volume 1: "PGDL", "PGDH", "PWCL", "PWCH", "DMW".
 *
 *   PWCL  4:0    PTbase: log2 of the smallest page    PWCH  5:0    Dir3_base
 *         9:5    PTwidth: log2 of a table's items           11:6   Dir3_width
 *         14:10  Dir1_base                                  17:12  Dir4_base
 *         19:15  Dir1_width                                 23:18  Dir4_width
 *         24:20  Dir2_base                                  24     HPTW_En
 *         29:25  Dir2_width
 *
 *   DMW   3:0    PLVs that may use it: bit n for PLV n
 *         5:4    MAT
 *         63:60  VSEG: these are the window's addresses' highest bits; the others are physical
 */
#define PWCH_HPTW BIT(24)
#define MAX_PA_BITS 48
#define DMW_PLV0 BIT(0)
#define DMW_PLV3 BIT(3)
#define DMW_VSEG_SHIFT 60

/* Linux: directories have addresses of the cached window (CSR_DMW1_BASE); boot code sets up these. */
#define LINUX_WINDOW (UINT64_C(9) << DMW_VSEG_SHIFT)
static const uint64_t linux_windows[PGW_LOONGARCH_WINDOWS] = {
	UINT64_C(8) << DMW_VSEG_SHIFT | DMW_PLV0,
	UINT64_C(9) << DMW_VSEG_SHIFT | 1 << 4 | DMW_PLV0,
	UINT64_C(10) << DMW_VSEG_SHIFT | 2 << 4 | DMW_PLV0,
};

/* Bits of what Linux writes into a directory that are no address. */
#define DIRECTORY_FIXED (BITS(63, MAX_PA_BITS) | BITS(11, 0))
#define EMPTY_PAGE_G BIT(6)

/* A page of directories: each item leads on, as what is empty does. */
static unsigned loongarch64_page_kinds(const uint8_t *page)
{
	for (size_t at = 0; at < IMAGE_PAGE; at += 8) {
		if ((load_le64(page + at) & DIRECTORY_FIXED) != LINUX_WINDOW)
			return 0;
	}
	return 1u << IMAGE_PAGE_ROOT;
}

/* The item that most of a table's are, if there is one that more than half are. */
static bool read_majority(struct pt *pt, uint64_t table_pa, unsigned level, uint64_t *ret,
			  unsigned *ret_nr)
{
	unsigned nr_items = 1u << pgw_format_geometry(pt->format)->slots_lg2[level], lead = 0;
	struct pt_iter it;

	*ret = 0;
	for (unsigned pass = 0; pass < 2; pass++) {
		unsigned nr = nr_items; /* zeros are passed over */

		*ret_nr = 0;
		pt_iter_begin(&it, pt, table_pa, level, 0, nr_items);
		while (pt_iter_next(&it)) {
			if (it.nr_unreadable)
				return false;
			nr--;
			if (pass)
				*ret_nr += it.entry == *ret;
			else if (!lead)
				*ret = it.entry, lead = 1;
			else
				lead += it.entry == *ret ? 1 : -1u;
		}
		if (nr == nr_items) /* all are zeros */
			*ret = 0;
		if (!*ret)
			*ret_nr = nr;
	}
	return *ret_nr > nr_items / 2;
}

/*
 * Linux (pagetable_init(), pgd_init()): most of a root's items lead to one table, all of whose items
 * lead to the next, down to a page table that is empty. By it a root's format is known, too, if the
 * largest pages are tried first: of a table, a part looks alike. A directory looks like a root of
 * fewer levels.
 */
static bool has_shared_empties(const struct pgw_image *image, const struct pgw_root_info *root)
{
	const struct pgw_geometry *geo = pgw_format_geometry(root->format);
	uint64_t table_pa = root->root.pa, item;
	struct pt pt;
	unsigned nr;

	if (!image_root_is_aligned(root))
		return false;
	pt_reader_init(&pt, &image->phys, root->format, NULL);
	for (unsigned level = geo->top_level;; level--) {
		if (!read_majority(&pt, table_pa, level, &item, &nr) ||
		    (level != geo->top_level && nr != 1u << geo->slots_lg2[level]))
			return false;
		if (!level)
			return !item || item == EMPTY_PAGE_G;
		if ((item & DIRECTORY_FIXED) != LINUX_WINDOW)
			return false;
		table_pa = item & low_bits(MAX_PA_BITS);
	}
}

/* Of the largest pages first, of these the deepest. */
static size_t list_formats(const struct pgw_image *image, const struct pgw_format **ret)
{
	size_t nr = image_formats(image, ret);

	for (size_t i = 1; i < nr; i++) {
		const struct pgw_format *format = ret[i];
		size_t at = i;

		for (; at && pgw_format_geometry(ret[at - 1])->granule_lg2 <
				     pgw_format_geometry(format)->granule_lg2;
		     at--)
			ret[at] = ret[at - 1];
		ret[at] = format;
	}
	return nr;
}

static bool find_format(const struct pgw_image *image, struct pgw_root_info *root)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = list_formats(image, formats);

	for (size_t i = 0; i < nr; i++) {
		root->format = formats[i];
		if (has_shared_empties(image, root))
			return true;
	}
	root->format = NULL;
	return false;
}

static int first_leaf(const struct pgw_extent *extent, void *arg)
{
	*(uint8_t *)arg = extent->rights;
	return extent->kind == PGW_ENTRY_LEAF;
}

/*
 * Whose is the first page that a root maps?
 * @param budget table visits that are left; lowered by those made
 * @return false: it maps nothing that was found
 */
static bool first_rights(const struct pgw_image *image, const struct pgw_root_info *root,
			 enum pgw_region_kind kind, uint64_t *budget, uint8_t *ret)
{
	const struct pgw_region *region = pgw_format_region(root->format, kind);
	struct pgw_scan_stats stats = { 0 };
	struct pt tree;
	bool is_found;

	image_tree(image, root, region, &tree);
	if (tree.budget > *budget)
		tree.budget = *budget;
	is_found = pt_ops(&tree)->scan(&tree, region->first, region->last, first_leaf, ret,
				       &stats) == 1;
	*budget -= stats.nr_tables;
	return is_found;
}

/* Nothing maps the kernel's own root but a window, which any number fits: it is known by its tables. */
static bool is_kernels(const struct pgw_image *image, const struct pgw_root_info *root,
		       uint64_t *budget)
{
	uint8_t rights;

	return has_shared_empties(image, root) &&
	       first_rights(image, root, PGW_REGION_KERNEL, budget, &rights) &&
	       !(rights & (PGW_USER_R | PGW_USER_W | PGW_USER_X));
}

static bool loongarch64_proves(const struct pgw_image *image, const struct image_swapper *swapper,
			       const struct pgw_root_info *root)
{
	uint64_t budget = IMAGE_TREE_BUDGET;

	return root->root.pa == swapper->root.root.pa && root->format == swapper->root.format &&
	       is_kernels(image, root, &budget);
}

/* Among pages, as roots of one format. */
static bool search_format(struct pgw_image *image, const struct pgw_format *format,
			  struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(image, IMAGE_PAGE_ROOT);

	for (size_t i = 0; i < pages->nr && image_search_spend(image, 16); i++) {
		struct pgw_root_info root = {
			.root = { .pa = pages->pa[i] },
			.format = format,
			.found = PGW_ROOT_FROM_TABLE_BITS,
		};

		if (!is_kernels(image, &root, &image->search_left))
			continue;
		*ret = (struct image_swapper){ .va = LINUX_WINDOW | root.root.pa, .root = root };
		return true;
	}
	return false;
}

static bool loongarch64_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = list_formats(image, formats);

	for (size_t i = 0; i < nr; i++) {
		if (search_format(image, formats[i], ret))
			return true;
	}
	return false;
}

static bool loongarch64_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
				struct image_swapper *ret)
{
	uint64_t va;

	if (!pgw_vmcoreinfo_symbol(info, "swapper_pg_dir", &va))
		return false;
	*ret = (struct image_swapper){
		.va = va,
		.root = { .root = { .pa = va & low_bits(MAX_PA_BITS) } },
	};
	find_format(image, &ret->root);
	return true;
}

static int loongarch64_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	const struct image_pages *pages = image_pages(roots->image, IMAGE_PAGE_ROOT);
	int status = 0;

	/* Of which format they are is told by the kernel's. */
	if (!swapper)
		return 0;
	for (size_t i = 0; i < pages->nr && !status; i++) {
		struct pgw_root_info root = {
			.root = { .pa = pages->pa[i] },
			.format = swapper->root.format,
			.control = swapper->root.control,
			.found = PGW_ROOT_FROM_TABLE_BITS,
			.has_user = true,
		};
		uint8_t rights;

		if (!image_search_spend(roots->image, 16))
			return -PGW_E2BIG;
		if (root.root.pa == swapper->root.root.pa ||
		    !has_shared_empties(roots->image, &root) ||
		    !first_rights(roots->image, &root, PGW_REGION_USER, &roots->image->search_left,
				  &rights))
			continue;
		status = image_roots_add(roots, &root);
	}
	return status || !pages->is_cut ? status : -PGW_E2BIG;
}

/* Tables are pages: PTbase says how large one is, and the highest directory how many levels there are. */
static const struct pgw_format *format_of_registers(const struct pgw_image *image,
						    const struct pgw_cpu *cpu)
{
	unsigned page_lg2 = cpu->pwcl & 31, top = page_lg2 + (cpu->pwcl >> 5 & 31);
	unsigned dirs[][2] = {
		{ cpu->pwcl >> 10 & 31, cpu->pwcl >> 15 & 31 },
		{ cpu->pwcl >> 20 & 31, cpu->pwcl >> 25 & 31 },
		{ cpu->pwch & 63, cpu->pwch >> 6 & 63 },
		{ cpu->pwch >> 12 & 63, cpu->pwch >> 18 & 63 },
	};

	for (size_t i = 0; i < PGW_ARRAY_SIZE(dirs); i++) {
		if (dirs[i][1] && dirs[i][0] != top)
			return NULL;
		top += dirs[i][1];
	}
	return image_format_of(image, page_lg2, top);
}

static bool cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu, uint64_t pgd,
		     struct pgw_root_info *ret)
{
	if (!(cpu->known & PGW_CPU_LOONGARCH_PGD))
		return false;
	*ret = (struct pgw_root_info){ .root = { .pa = pgd & low_bits(MAX_PA_BITS) } };
	if (!(cpu->known & PGW_CPU_LOONGARCH_PWC))
		return find_format(image, ret);
	ret->format = format_of_registers(image, cpu);
	ret->control.known = PGW_CTL_LOONGARCH_PTW;
	if (cpu->pwch & PWCH_HPTW)
		ret->control.set = PGW_CTL_LOONGARCH_PTW;
	return ret->format;
}

static bool loongarch64_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
				 struct pgw_root_info *ret)
{
	return cpu_root(image, cpu, cpu->pgdh, ret);
}

static bool loongarch64_cpu_user_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
				      struct pgw_root_info *ret)
{
	if (!cpu_root(image, cpu, cpu->pgdl, ret))
		return false;
	ret->has_user = true;
	return true;
}

/* A window: DMW0 to DMW3, as the first CPU has them, or Linux. */
static bool loongarch64_window(const struct pgw_image *image, size_t index, struct pgw_window *ret)
{
	static const char *const names[] = { "DMW0", "DMW1", "DMW2", "DMW3" };
	static const char *const types[] = { "suc", NULL, "wuc", "reserved" };
	bool is_known = image->nr_cpus && (image->cpus[0].known & PGW_CPU_LOONGARCH_DMW);
	uint64_t dmw;

	if (index >= PGW_LOONGARCH_WINDOWS)
		return false;
	dmw = is_known ? image->cpus[0].dmw[index] : linux_windows[index];
	*ret = (struct pgw_window){
		.name = names[index],
		.first = dmw & BITS(63, DMW_VSEG_SHIFT),
		.last = dmw | low_bits(MAX_PA_BITS) | BITS(59, MAX_PA_BITS),
		.pa_mask = low_bits(MAX_PA_BITS),
		.memory_type = types[dmw >> 4 & 3],
		.is_assumed = !is_known,
	};
	if (dmw & DMW_PLV0)
		ret->rights |= PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X;
	if (dmw & DMW_PLV3)
		ret->rights |= PGW_USER_R | PGW_USER_W | PGW_USER_X;
	return true;
}

static const uint64_t bases[] = { 0 };

#define DMW(n)                                                                                     \
	{                                                                                          \
		"DMW" #n, offsetof(struct pgw_cpu, dmw[n]), PGW_CPU_LOONGARCH_DMW, WHERE           \
	}
#define WHERE "QEMU's monitor prints them: info registers"

static const struct image_register registers[] = {
	IMAGE_REGISTER("PGDL", pgdl, PGW_CPU_LOONGARCH_PGD, WHERE),
	IMAGE_REGISTER("PGDH", pgdh, PGW_CPU_LOONGARCH_PGD, WHERE),
	IMAGE_REGISTER("PWCL", pwcl, PGW_CPU_LOONGARCH_PWC, WHERE),
	IMAGE_REGISTER("PWCH", pwch, PGW_CPU_LOONGARCH_PWC, WHERE),
	DMW(0),
	DMW(1),
	DMW(2),
	DMW(3),
	{ .name = NULL },
};

const struct image_arch_ops image_loongarch64_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.sought =
		"a VMCOREINFO in a note or in memory, or a table whose empty slots share tables as "
		"Linux's do",
	.page_kinds = loongarch64_page_kinds,
	.swapper = loongarch64_swapper,
	.kernel_search = loongarch64_kernel_search,
	.process_roots = loongarch64_process_roots,
	.cpu_root = loongarch64_cpu_root,
	.cpu_user_root = loongarch64_cpu_user_root,
	.proves = loongarch64_proves,
	.window = loongarch64_window,
};
