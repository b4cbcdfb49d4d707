/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/system_priv.h"

#include <stdlib.h>

#include "base/bits.h"
#include "pt/read/iter.h"
#include "system/machine/page_items.h"
#include "system/roots/root.h"

/* Arm ARM (DDI 0487) D8.3: descriptors. */
#define DESC_VALID BIT(0)
#define DESC_AP_EL0 BIT(6)
#define DESC_NG BIT(11)
#define DESC_ATTRINDX BITS(4, 2)
#define DESC_AF BIT(10)
#define DESC_ADDRESS BITS(47, 16) /* the address bits that are in one place for all granules */
#define DESC_PXN BIT(53)
#define DESC_UXN BIT(54)
#define DESC_PXNTABLE BIT(59)
#define DESC_UXNTABLE BIT(60)

/*
 * Since 5.13 Linux sets PXNTable in every table descriptor of a process, and UXNTable in most of the
 * kernel's. It sets no other attribute, except AF since 6.13.
 */
#define TABLE_MASK ((BITS(63, 61) | BITS(58, 48) | BITS(11, 0)) & ~DESC_AF)
#define TABLE_VALUE UINT64_C(3)
#define TABLE_XN (DESC_PXNTABLE | DESC_UXNTABLE)

/* D24.2, SCTLR_EL1, TCR_EL1. */
#define SCTLR_M BIT(0)
#define SCTLR_WXN BIT(19)
#define TCR_EPD0 BIT(7)
#define TCR_TBI0 BIT(37)
#define TCR_TBI1 BIT(38)
#define TCR_HD BIT(40)
#define TCR_HPD0 BIT(41)
#define TCR_HPD1 BIT(42)
#define TCR_DS BIT(59)

/* The architecture's least alignment of a root of few slots (D8.2, TTBRn). */
#define MIN_ROOT_SIZE 64

static bool is_table(uint64_t entry)
{
	return (entry & TABLE_MASK) == TABLE_VALUE;
}

/* Before 5.13 Linux set neither, so a descriptor does not tell whose it is. */
static bool is_early_table(uint64_t entry)
{
	return is_table(entry) && !(entry & TABLE_XN) && (entry & DESC_ADDRESS);
}

static bool is_user_table(uint64_t entry)
{
	return is_table(entry) && (entry & TABLE_XN) == DESC_PXNTABLE;
}

static bool is_kernel_table(uint64_t entry)
{
	return is_table(entry) && (entry & DESC_UXNTABLE);
}

/*
 * EDK2 (ArmPkg, ArmLib.h and ArmMmuLib) orders the memory types so: device, not cached,
 * write-through, write-back. Its own data has the last.
 */
#define EDK2_MEMORY_TYPES UINT64_C(0xffbb4400)
#define EDK2_WRITE_BACK UINT64_C(3)

static PGW_ALWAYS_INLINE unsigned items_kinds_any(const uint8_t *page)
{
	unsigned kinds = 0;

	if (!page_has_item(page, TABLE_MASK, TABLE_VALUE))
		return 0;
	if (page_has_item(page, TABLE_MASK | DESC_UXNTABLE, TABLE_VALUE | DESC_UXNTABLE))
		kinds |= 1u << IMAGE_PAGE_ROOT;
	if (page_has_item(page, TABLE_MASK | TABLE_XN, TABLE_VALUE | DESC_PXNTABLE))
		kinds |= 1u << IMAGE_PAGE_USER;
	return kinds;
}

PAGE_LOOK_BY_CPU(unsigned, items_kinds)

/*
 * With 64K pages a kernel of 52 bits runs with tables of the same shape where the CPU has only 48.
 * So there VA_BITS counts, and TCR_EL1_T1SZ elsewhere.
 */
static bool arm64_swapper(const struct pgw_image *image, const struct pgw_vmcoreinfo *info,
			  struct image_swapper *ret)
{
	uint64_t page_size, va_bits, t1sz, voffset;

	*ret = (struct image_swapper){ 0 };
	if (!pgw_vmcoreinfo_symbol(info, "swapper_pg_dir", &ret->va) || !ret->va)
		return false;
	if (!image_vmcoreinfo_dec(info, "PAGESIZE", &page_size) ||
	    !pgw_vmcoreinfo_number(info, "VA_BITS", &va_bits) ||
	    !pgw_vmcoreinfo_number(info, "kimage_voffset", &voffset))
		return true;
	if (page_size < 65536 && pgw_vmcoreinfo_number(info, "TCR_EL1_T1SZ", &t1sz) && t1sz < 64)
		va_bits = 64 - t1sz;
	if (!page_size || (page_size & (page_size - 1)) || va_bits > 64)
		return true;
	ret->root.root.pa = ret->va - voffset;
	ret->root.format =
		image_format_of(image, (unsigned)__builtin_ctzll(page_size), (unsigned)va_bits);
	if (ret->root.format && !image_root_is_aligned(&ret->root))
		ret->root.format = NULL;
	return true;
}

/* What entries of one owner's tables look like. */
struct owner {
	bool (*is_table)(uint64_t raw);
	uint64_t leaf_bits; /* every leaf has all of these */
	bool whole;         /* every table must fit; else those on one way down to a page */
};

static const struct owner kernel_owner = { is_table, DESC_AF | DESC_UXN, true };
static const struct owner user_owner = { is_user_table, DESC_NG | DESC_PXN, false };
/*
 * The kernel's own leaves can be nG, too, so leaves must let users read. This misses processes
 * whose first page can only be executed.
 */
static const struct owner early_user_owner = { is_early_table, DESC_NG | DESC_PXN | DESC_AP_EL0,
					       false };

/* The search for an owner's trees of one format. */
struct search {
	struct pgw_image *image;
	const struct owner *owner;
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pt pt; /* no tree: how items are read */
};

/* Does a table or an entry fit into the owner's tables? */
enum fit {
	FIT_NOT,
	FIT_EMPTY, /* yes, but it leads to no page */
	FIT_PAGE,  /* yes, and it leads to one */
};

static void search_init(struct search *search, struct pgw_image *image, const struct owner *owner,
			const struct pgw_root_info *like)
{
	struct pgw_control control;

	search->image = image;
	search->owner = owner;
	search->format = like->format;
	search->geo = pgw_format_geometry(like->format);
	control = pgw_control_assume(like->format, &like->control);
	pt_reader_init(&search->pt, &image->phys, like->format, &control);
}

/* Before the first slot of a whole table. */
static void table_begin(const struct search *search, uint64_t pa, unsigned level,
			struct pt_iter *ret)
{
	pt_iter_begin(ret, &search->pt, pa, level, 0, 1u << search->geo->slots_lg2[level]);
}

static enum fit table_fit(struct search *search, uint64_t pa, unsigned level);

/* Looks at the entry alone, so a table's answer is FIT_EMPTY. */
static enum fit entry_fit(const struct search *search, uint64_t raw, unsigned level,
			  struct pgw_entry *ret)
{
	uint64_t leaf_bits = search->owner->leaf_bits;

	pt_decode_entry(&search->pt, raw, level, ret);
	switch (ret->kind) {
	case PGW_ENTRY_EMPTY:
		return FIT_EMPTY;
	case PGW_ENTRY_ABSENT: /* swapped out or migrating, which a root's entry never is */
		return level < search->geo->top_level ? FIT_EMPTY : FIT_NOT;
	case PGW_ENTRY_TABLE:
		return search->owner->is_table(raw) ? FIT_EMPTY : FIT_NOT;
	case PGW_ENTRY_LEAF:
		if ((raw & leaf_bits) != leaf_bits ||
		    (raw & DESC_ADDRESS & low_bits(search->geo->span_lg2[level])))
			return FIT_NOT;
		return raw & DESC_AF ? FIT_PAGE : FIT_EMPTY;
	default:
		return FIT_NOT;
	}
}

/* Stops at a table that does not fit; at the first page, unless the whole must fit. */
static enum fit table_descend(struct search *search, uint64_t pa, unsigned level)
{
	enum fit fit = FIT_EMPTY, best = FIT_EMPTY;
	uint64_t before = 0;
	struct pgw_entry entry;
	struct pt_iter it;

	table_begin(search, pa, level, &it);
	while (fit != FIT_NOT && pt_iter_next(&it)) {
		/* Many entries in a row may share a table, on many levels. */
		if (it.nr_unreadable || it.entry == before)
			continue;
		before = it.entry;
		fit = entry_fit(search, it.entry, level, &entry);
		if (entry.kind == PGW_ENTRY_TABLE)
			fit = table_fit(search, entry.pa, level - 1);
		if (fit == FIT_PAGE)
			best = FIT_PAGE;
		if (best == FIT_PAGE && !search->owner->whole)
			return FIT_PAGE;
	}
	return fit == FIT_NOT ? FIT_NOT : best;
}

/* Every entry must fit, then a way down must lead to a page. */
static enum fit table_fit(struct search *search, uint64_t pa, unsigned level)
{
	size_t size = pt_table_size(search->geo, level);
	struct pgw_entry entry;
	struct pt_iter it;

	if (!image_search_spend(search->image, 1 + size / IMAGE_PAGE))
		return FIT_NOT;
	table_begin(search, pa, level, &it);
	while (pt_iter_next(&it)) {
		/* A table that is missing says nothing of those above it. */
		if (it.nr_unreadable)
			return FIT_EMPTY;
		if (entry_fit(search, it.entry, level, &entry) == FIT_NOT)
			return FIT_NOT;
	}
	return table_descend(search, pa, level);
}

/*
 * Does a page hold a kernel's top table, and nothing else? The linear map is at the lower end of the
 * kernel's addresses and much else at the upper end, so a top table has several entries, some of
 * them in its upper half. This keeps a table of a narrower format from passing for a wider one's.
 * @return how many entries there are, or 0
 */
static unsigned kernel_top(const struct search *search, uint64_t pa, uint64_t *page)
{
	size_t nr_slots = (size_t)1 << search->geo->slots_lg2[search->geo->top_level];
	size_t nr_words = ((size_t)1 << search->geo->granule_lg2) / 8;
	unsigned nr = 0, nr_upper = 0, nr_sure = 0;
	struct pgw_entry entry;

	if (pgw_phys_read(&search->image->phys, pa, page, nr_words * 8))
		return 0;
	for (size_t i = 0; i < nr_words; i++) {
		uint64_t raw = load_le64(&page[i]);

		if (!raw)
			continue;
		if (i >= nr_slots ||
		    entry_fit(search, raw, search->geo->top_level, &entry) == FIT_NOT)
			return 0;
		nr++;
		nr_upper += i >= nr_slots / 2;
		nr_sure += is_kernel_table(raw);
	}
	return nr_upper && nr_sure && nr > 1 ? nr : 0;
}

/*
 * Of the trees that map their own root and fit the kernel in every table, choose the one whose root
 * has the most entries.
 */
static bool kernel_search_format(struct search *search, uint64_t *page, struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(search->image, IMAGE_PAGE_ROOT);
	uint64_t page_size = BIT(search->geo->granule_lg2);
	unsigned best = 0;

	for (size_t i = 0; i < pages->nr; i++) {
		uint64_t pa = pages->pa[i] & ~(page_size - 1);
		struct image_swapper claim = {
			.root = { .root = { .pa = pa }, .format = search->format },
		};
		unsigned nr;

		if (i && pages->pa[i - 1] >= pa)
			continue;
		if (!image_search_spend(search->image, page_size / IMAGE_PAGE))
			break;
		nr = kernel_top(search, pa, page);
		if (nr <= best ||
		    !image_root_find_va(search->image, &claim.root, pa, 0, &claim.va) ||
		    table_fit(search, pa, search->geo->top_level) != FIT_PAGE)
			continue;
		best = nr;
		*ret = claim;
	}
	return best > 0;
}

/* A kernel's tree that lacks tables. */
struct partial {
	uint64_t score; /* what speaks for it */
	uint64_t nr_malformed;
	uint64_t va; /* the first address whose table is missing */
	bool is_missing;
};

/*
 * Counts leaves that continue the one before. A single page says nothing, because any number may
 * pass for one; if the granule is wrong, no two pages follow each other.
 */
static int partial_extent(const struct pgw_extent *extent, void *arg)
{
	struct partial *partial = arg;

	if (extent->kind == PGW_ENTRY_LEAF) {
		partial->score += (extent->va_last - extent->va_first) >> extent->leaf_lg2;
		partial->score += extent->level > 0;
	} else if (extent->kind == PGW_ENTRY_MALFORMED) {
		partial->nr_malformed++;
	} else if (!partial->is_missing) {
		partial->is_missing = true;
		partial->va = extent->va_first;
	}
	return 0;
}

/* @return how much speaks for it; 0: nothing, or not for sure */
static uint64_t partial_weigh(const struct pgw_image *image, struct image_swapper *claim)
{
	struct pgw_scan_stats stats = { 0 };
	struct partial partial = { 0 };
	const struct pgw_region *region = pgw_format_region(claim->root.format, PGW_REGION_KERNEL);
	struct pt tree;

	image_tree(image, &claim->root, region, &tree);
	pt_ops(&tree)->scan(&tree, region->first, region->last, partial_extent, &partial, &stats);
	if (!claim->va)
		claim->va = partial.va;
	claim->lacks = image_root_lacks(image, &claim->root, claim->va);
	claim->root.nr_agree = 1;
	return partial.is_missing && claim->lacks && partial.score > partial.nr_malformed
		       ? partial.score - partial.nr_malformed
		       : 0;
}

/* Of the format's trees that fit the kernel as far as they can be read, choose the best by score. */
static uint64_t partial_by_looks(struct search *search, uint64_t *page, uint64_t best,
				 struct image_swapper *ret)
{
	const struct image_pages *pages = image_pages(search->image, IMAGE_PAGE_ROOT);
	uint64_t page_size = BIT(search->geo->granule_lg2);

	for (size_t i = 0; i < pages->nr; i++) {
		uint64_t pa = pages->pa[i] & ~(page_size - 1), score;
		struct image_swapper claim = {
			.root = { .root = { .pa = pa }, .format = search->format },
		};

		if (i && pages->pa[i - 1] >= pa)
			continue;
		if (!image_search_spend(search->image, page_size / IMAGE_PAGE))
			break;
		if (!kernel_top(search, pa, page) ||
		    table_fit(search, pa, search->geo->top_level) != FIT_PAGE)
			continue;
		score = partial_weigh(search->image, &claim);
		if (score <= best)
			continue;
		best = score;
		*ret = claim;
	}
	return best;
}

static bool arm64_kernel_partial(struct pgw_image *image, const struct image_swapper *hint,
				 struct image_swapper *ret)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);
	uint64_t *page, best = 0;

	if (hint->root.format) {
		*ret = *hint;
		return partial_weigh(image, ret) > 0;
	}
	page = malloc(IMAGE_MAX_TABLE);
	for (size_t i = 0; page && i < nr; i++) {
		const struct pgw_root_info like = { .format = formats[i] };
		struct search search;

		search_init(&search, image, &kernel_owner, &like);
		best = partial_by_looks(&search, page, best, ret);
	}
	free(page);
	if (best)
		ret->root.found = PGW_ROOT_FROM_TABLE_BITS;
	return best > 0;
}

static bool arm64_kernel_search(struct pgw_image *image, struct image_swapper *ret)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(image, formats);
	uint64_t *page = malloc(IMAGE_MAX_TABLE);
	bool is_found = false;

	for (size_t i = 0; page && i < nr && !is_found; i++) {
		const struct pgw_root_info like = { .format = formats[i] };
		struct search search;

		search_init(&search, image, &kernel_owner, &like);
		is_found = kernel_search_format(&search, page, ret);
	}
	free(page);
	if (is_found)
		ret->root.found = PGW_ROOT_FROM_TABLE_BITS;
	return is_found;
}

/* Mark the roots that lie in the table that an entry points to. Pre: list ascends. */
static void user_mark_inner(const struct pt_iter *it, const struct pgw_root_info *list, size_t nr,
			    bool *is_inner)
{
	uint64_t last;
	struct pgw_entry entry;
	size_t low = 0, high = nr;

	pt_iter_decode(it, &entry);
	if (entry.kind != PGW_ENTRY_TABLE)
		return;
	last = entry.pa + low_bits(pgw_format_geometry(it->pt->format)->granule_lg2);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list[middle].root.pa < entry.pa)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < nr && list[low].root.pa <= last; low++)
		is_inner[low] = true;
}

/*
 * A table below a root may pass for a root too, if the tables below it hold nothing but blocks.
 * Drop the roots that another root points to. Pre: list ascends.
 */
static int user_drop_inner(struct search *search, struct pgw_root_info *list, size_t *nr)
{
	size_t kept = 0;
	bool *is_inner = calloc(*nr + 1, sizeof(*is_inner));
	struct pt_iter it;

	if (!is_inner)
		return -PGW_ENOMEM;
	for (size_t i = 0; i < *nr; i++) {
		table_begin(search, list[i].root.pa, search->geo->top_level, &it);
		while (pt_iter_next(&it) && !it.nr_unreadable)
			user_mark_inner(&it, list, *nr, is_inner);
	}
	for (size_t i = 0; i < *nr; i++) {
		if (!is_inner[i])
			list[kept++] = list[i];
	}
	*nr = kept;
	free(is_inner);
	return 0;
}

/* Roots smaller than a page lie side by side, aligned to their size. */
static int user_search_run(struct search *search, const struct image_pages *pages,
			   const struct pgw_control *control, struct image_roots *roots)
{
	uint64_t size = pt_table_size(search->geo, search->geo->top_level), next = 0;
	size_t first = roots->nr, nr;
	struct pgw_root_info root = {
		.format = search->format,
		.control = *control,
		.found = PGW_ROOT_FROM_TABLE_BITS,
		.has_user = true,
	};
	int status = 0;

	if (size < MIN_ROOT_SIZE)
		size = MIN_ROOT_SIZE;
	for (size_t i = 0; i < pages->nr && !status; i++) {
		uint64_t pa = pages->pa[i] & ~(size - 1), last = pages->pa[i] + IMAGE_PAGE - 1;

		if (pa < next)
			pa = next;
		for (; pa <= last && !status; pa += size) {
			root.root.pa = pa;
			if (table_fit(search, pa, search->geo->top_level) == FIT_PAGE)
				status = image_roots_add(roots, &root);
		}
		next = pa;
	}
	nr = roots->nr - first;
	if (!status && nr)
		status = user_drop_inner(search, &roots->items[first], &nr);
	roots->nr = first + nr;
	return status || (search->image->search_left && !pages->is_cut) ? status : -PGW_E2BIG;
}

/* Has a kernel's root table descriptors without attributes, as before 5.13? */
static bool has_early_tables(const struct search *search, uint64_t root_pa)
{
	bool has_table = false;
	struct pt_iter it;

	table_begin(search, root_pa, search->geo->top_level, &it);
	while (pt_iter_next(&it)) {
		if (it.nr_unreadable || (is_table(it.entry) && (it.entry & TABLE_XN)))
			return false;
		has_table |= is_early_table(it.entry);
	}
	return has_table;
}

/** Pages that may be, or hold, an early process's root. */
struct early {
	const struct pgw_image *image;
	struct image_pages pages;
	bool is_whole; /* a root is a page or more: it holds nothing else */
};

static bool early_page(const struct early *early, const uint8_t *page)
{
	bool has_table = false;

	for (size_t at = 0; at < IMAGE_PAGE; at += 8) {
		uint64_t raw = load_le64(page + at);

		if (!raw)
			continue;
		if (is_early_table(raw) &&
		    source_has(&early->image->source, SOURCE_READABLE, raw & DESC_ADDRESS))
			has_table = true;
		else if (early->is_whole)
			return false;
	}
	return has_table;
}

static int early_look(const struct image_window *window, void *arg)
{
	struct early *early = arg;
	int status = 0;

	for (size_t i = image_window_first_page(window); i + IMAGE_PAGE <= window->size && !status;
	     i += IMAGE_PAGE) {
		if (early_page(early, window->bytes + i))
			status = image_pages_add(&early->pages, window->pa + i);
	}
	return status;
}

static int early_search_run(struct search *search, const struct pgw_control *control,
			    struct image_roots *roots)
{
	struct early early = {
		.image = search->image,
		.is_whole = pt_table_size(search->geo, search->geo->top_level) >= IMAGE_PAGE,
	};
	int status = image_ram_scan(search->image, early_look, &early);

	search->owner = &early_user_owner;
	if (!status)
		status = user_search_run(search, &early.pages, control, roots);
	free(early.pages.pa);
	return status;
}

/* Is the kernel older than 5.13? Its root tells; if that is missing, its release. */
static bool is_early(const struct search *search, const struct pgw_root_info *kernel)
{
	struct pgw_linux release;

	if (!image_root_is_lost(search->image, kernel))
		return has_early_tables(search, kernel->root.pa);
	image_linux_release(search->image, NULL, &release);
	return release.is_known &&
	       (release.major < 5 || (release.major == 5 && release.minor < 13));
}

/* Processes' roots have the format of the kernel's. */
static int process_roots_like(struct image_roots *roots, const struct pgw_root_info *kernel,
			      bool may_be_early)
{
	struct search search;

	search_init(&search, roots->image, &user_owner, kernel);
	return may_be_early && is_early(&search, kernel)
		       ? early_search_run(&search, &kernel->control, roots)
		       : user_search_run(&search, image_pages(roots->image, IMAGE_PAGE_USER),
					 &kernel->control, roots);
}

/*
 * The order in which formats are tried if no kernel tells. Deepest first, because inner tables of a
 * deep tree pass for roots of a shallow one. Then the largest granule, whose tables are aligned
 * most; then the widest addresses.
 */
static int compare_formats(const void *a, const void *b)
{
	const struct pgw_geometry *x = pgw_format_geometry(*(const struct pgw_format *const *)a);
	const struct pgw_geometry *y = pgw_format_geometry(*(const struct pgw_format *const *)b);

	if (x->top_level != y->top_level)
		return x->top_level < y->top_level ? 1 : -1;
	if (x->granule_lg2 != y->granule_lg2)
		return x->granule_lg2 < y->granule_lg2 ? 1 : -1;
	return (x->va_bits < y->va_bits) - (x->va_bits > y->va_bits);
}

/* No kernel was found: take the first format in which there are processes. */
static int process_roots_alone(struct image_roots *roots)
{
	const struct pgw_format *formats[IMAGE_MAX_FORMATS];
	size_t nr = image_formats(roots->image, formats), before = roots->nr;
	int status = 0;

	qsort(formats, nr, sizeof(formats[0]), compare_formats);
	for (size_t i = 0; i < nr && !status && roots->nr == before; i++)
		status = process_roots_like(roots, &(struct pgw_root_info){ .format = formats[i] },
					    false);
	return status;
}

static int arm64_process_roots(struct image_roots *roots, const struct image_swapper *swapper)
{
	return swapper ? process_roots_like(roots, &swapper->root, true)
		       : process_roots_alone(roots);
}

static void arm64_learn_control(const struct pgw_linux *kernel, uint64_t leaf,
				struct pgw_control *control)
{
	uint64_t mair;

	if (!image_arm64_memory_types(kernel, leaf, &mair))
		return;
	control->known |= PGW_CTL_MEMORY_TYPES;
	control->memory_types = mair;
}

static const uint64_t bases[] = { UINT64_C(0x40000000), 0, UINT64_C(0x80000000) };

static void arm64_firmware_control(uint64_t leaf, struct pgw_control *control)
{
	if ((leaf & DESC_ATTRINDX) >> 2 != EDK2_WRITE_BACK)
		return;
	control->known |= PGW_CTL_MEMORY_TYPES;
	control->memory_types = EDK2_MEMORY_TYPES;
}

/* Arm ARM D24.2, TCR_EL1: T0SZ, TG0, T1SZ, TG1, DS. */
static const struct pgw_format *cpu_format(const struct pgw_image *image, uint64_t tcr,
					   bool is_upper)
{
	static const uint8_t granules_lg2[2][4] = { { 12, 16, 14, 0 }, { 0, 14, 12, 16 } };
	unsigned half = (unsigned)(tcr >> (is_upper ? 16 : 0));
	unsigned granule_lg2 = granules_lg2[is_upper][half >> 14 & 3];
	const struct pgw_format *format = image_format_of(image, granule_lg2, 64 - (half & 63));

	/*
	 * With DS entries of 4 and 16 KiB tables have address bits 51:50 where they have the
	 * shareability else, however many bits addresses have: they are not of a format that has not.
	 */
	if (format && (tcr & TCR_DS) && granule_lg2 < 16 &&
	    pgw_format_geometry(format)->max_pa_bits < 52)
		return NULL;
	return format;
}

/* Registers of EL1 that are known, if any is. */
static struct pgw_control cpu_control(const struct pgw_cpu *cpu)
{
	const struct {
		uint64_t is_set;
		uint32_t bit;
	} bits[] = {
		{ cpu->sctlr & SCTLR_WXN, PGW_CTL_ARM64_WXN },
		{ cpu->tcr & TCR_HPD0, PGW_CTL_ARM64_HPD0 },
		{ cpu->tcr & TCR_HPD1, PGW_CTL_ARM64_HPD1 },
		{ cpu->tcr & TCR_HD, PGW_CTL_ARM64_HD },
		{ cpu->tcr & TCR_TBI0, PGW_CTL_ARM64_TBI0 },
		{ cpu->tcr & TCR_TBI1, PGW_CTL_ARM64_TBI1 },
	};
	struct pgw_control control = { 0 };

	if (!(cpu->known & PGW_CPU_ARM64_EL1))
		return control;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(bits); i++) {
		control.known |= bits[i].bit;
		control.set |= bits[i].is_set ? bits[i].bit : 0;
	}
	control.known |= PGW_CTL_MEMORY_TYPES;
	control.memory_types = cpu->mair;
	return control;
}

static bool arm64_cpu_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
			   struct pgw_root_info *ret)
{
	const struct pgw_format *format = cpu_format(image, cpu->tcr, true);

	if (!(cpu->known & PGW_CPU_ARM64_TTBR1) || !format ||
	    ((cpu->known & PGW_CPU_ARM64_EL1) && !(cpu->sctlr & SCTLR_M)))
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = cpu->ttbr1 & BITS(47, 6) },
		.format = format,
		.control = cpu_control(cpu),
		.has_kernel = true,
	};
	return true;
}

static bool arm64_cpu_user_root(const struct pgw_image *image, const struct pgw_cpu *cpu,
				struct pgw_root_info *ret)
{
	const struct pgw_format *format = cpu_format(image, cpu->tcr, false);

	if (!(cpu->known & PGW_CPU_ARM64_EL1) || !format || !(cpu->sctlr & SCTLR_M) ||
	    (cpu->tcr & TCR_EPD0))
		return false;
	*ret = (struct pgw_root_info){
		.root = { .pa = cpu->ttbr0 & BITS(47, 6) },
		.format = format,
		.control = cpu_control(cpu),
		.has_user = true,
	};
	return true;
}

static const struct image_register registers[] = {
	IMAGE_REGISTER("TTBR1_EL1", ttbr1, PGW_CPU_ARM64_TTBR1, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("TCR_EL1", tcr, PGW_CPU_ARM64_TTBR1, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("TTBR0_EL1", ttbr0, PGW_CPU_ARM64_EL1, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("MAIR_EL1", mair, PGW_CPU_ARM64_EL1, IMAGE_WHERE_GDB),
	IMAGE_REGISTER("SCTLR_EL1", sctlr, PGW_CPU_ARM64_EL1, IMAGE_WHERE_GDB),
	{ .name = NULL },
};

const struct image_arch_ops image_arm64_ops = {
	.registers = registers,
	.bases = bases,
	.nr_bases = PGW_ARRAY_SIZE(bases),
	.sought = "a VMCOREINFO in a note or in memory, or a table like Linux's that maps itself",
	.page_kinds = items_kinds,
	.swapper = arm64_swapper,
	.is_table = is_table,
	.kernel_search = arm64_kernel_search,
	.kernel_partial = arm64_kernel_partial,
	.process_roots = arm64_process_roots,
	.cpu_root = arm64_cpu_root,
	.cpu_user_root = arm64_cpu_user_root,
	.learn_control = arm64_learn_control,
	.firmware_control = arm64_firmware_control,
};
