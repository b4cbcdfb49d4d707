/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/mm.h>

#include "base/bits.h"
#include "base/step.h"
#include "mm/mm_priv.h"
#include "pt/read/gather.h"

/* May a user mm of this format point to the kernel mm? Where each has a root, their levels may differ. */
static bool fits_kernel_mm(const struct pgw_format *format, const struct pgw_region *region,
			   const struct pgw_mm *kernel_mm)
{
	const struct pt *pt = &kernel_mm->pt;

	if (region->kind != PGW_REGION_USER || pt->region.kind != PGW_REGION_KERNEL)
		return false;
	if (region->root != pt->region.root)
		return pt->format->decode == format->decode;
	return pt->format == format && region->last < pt->region.first;
}

static struct pgw_mm *mm_alloc(const struct pgw_platform *platform)
{
	void *memory = platform->obj_alloc(platform->ctx, sizeof(struct pgw_mm) + MM_CACHE_LINE);
	size_t before = -(uintptr_t)memory % MM_CACHE_LINE;
	struct pgw_mm *mm;

	if (!memory)
		return NULL;
	mm = (struct pgw_mm *)(void *)((unsigned char *)memory + before);
	mm->memory = memory;
	mm->platform = platform;
	return mm;
}

static void mm_dealloc(struct pgw_mm *mm)
{
	const struct pgw_platform *platform = mm->platform;

	platform->obj_free(platform->ctx, mm->memory, sizeof(*mm) + MM_CACHE_LINE);
}

/* What both kinds of mm are made with; the tree is the caller's to fill in. */
static int mm_create(const struct pgw_platform *platform, const struct pgw_format *format,
		     const struct pgw_region *region, struct pgw_mm *kernel_mm, struct pgw_mm **ret)
{
	struct pgw_mm *mm;

	if (!platform || (kernel_mm && !fits_kernel_mm(format, region, kernel_mm)))
		return -PGW_EINVAL;
	mm = mm_alloc(platform);
	if (!mm)
		return -PGW_ENOMEM;
	mm->kernel_mm = kernel_mm;
	mm->pt.format = format;
	mm->pt.region = *region;
	*ret = mm;
	return 0;
}

static bool root_is_valid(const struct pgw_format *format, struct pgw_root root)
{
	const struct pgw_geometry *geo = &format->geometry;
	uint64_t size = (uint64_t)pt_root_items(geo, root) << geo->item_lg2, last;

	return size <= pt_table_size(geo, geo->top_level) && pt_root_is_aligned(geo, root.pa) &&
	       !add_overflows(root.pa, size - 1, &last) && last <= low_bits(geo->max_pa_bits);
}

bool mm_region_of_root(const struct pgw_geometry *geo, struct pgw_root root,
		       struct pgw_region *region)
{
	uint64_t size = (uint64_t)root.nr_items << geo->span_lg2[geo->top_level];

	if (!root.nr_items || root.nr_items == 1u << geo->slots_lg2[geo->top_level])
		return true;
	if (pt_index(geo, region->first, geo->top_level) != 0)
		return false;
	if (region->last - region->first >= size)
		region->last = region->first + (size - 1);
	return true;
}

/* The region that the format has, as the operating system chose, as far as the root goes. */
static bool attach_region(const struct pgw_mm_attach_args *args, struct pgw_region *ret)
{
	const struct pgw_region *region = pgw_format_region(args->format, args->region);

	if (!region)
		return false;
	*ret = *region;
	if (args->kernel_first && !region->is_chosen)
		return false;
	if (args->kernel_first && region->kind == PGW_REGION_USER)
		ret->last = args->kernel_first - 1;
	else if (args->kernel_first)
		ret->first = args->kernel_first;
	return ret->first <= ret->last &&
	       mm_region_of_root(&args->format->geometry, args->root, ret);
}

int pgw_mm_attach(const struct pgw_mm_attach_args *args, struct pgw_mm **ret)
{
	struct pgw_region region;
	struct pgw_mm *mm;
	int err;

	if (!args || !ret || !args->phys || !args->format || args->rules >= _PGW_RULES_MAX ||
	    !root_is_valid(args->format, args->root) || !attach_region(args, &region))
		return -PGW_EINVAL;
	err = mm_create(args->platform, args->format, &region, args->kernel_mm, &mm);
	if (err)
		return err;
	mm->rules = args->rules;
	mm->kind = args->is_live ? PGW_MM_LIVE : PGW_MM_SNAPSHOT;
	mm->pt.is_live = args->is_live;
	mm->pt.control = pgw_control_assume(args->format, &args->control);
	mm->pt.root_pa = args->root.pa;
	mm->pt.budget = args->budget ? args->budget : PGW_BUDGET_DEFAULT;
	mm->pt.phys = args->phys;
	mm->pt.platform = args->platform;
	if (!args->is_live && !args->platform->no_memo) {
		pt_recall_init(&mm->recall, &args->format->geometry);
		mm->pt.recall = &mm->recall;
	}
	pt_prepare(&mm->pt);
	*ret = mm;
	return 0;
}

static uint64_t *host_root(const struct pgw_mm *mm)
{
	return (uint64_t *)(uintptr_t)(mm->pt.root_pa + mm->pt.host_offset);
}

/*
 * The kernel's region in the root of a new user mm: the kernel mm's root entries. They stay what
 * they are from then on, because every one points to a table (or is a leaf, see
 * mm_root_leaf_is_shared()).
 */
static int share_kernel_region(struct pgw_mm *mm)
{
	const struct pgw_geometry *geo = &mm->pt.format->geometry;
	struct pgw_mm *kernel_mm = mm->kernel_mm;
	unsigned first, nr;
	int err;

	if (!kernel_mm || pgw_format_is_split(mm->pt.format))
		return 0;
	err = kernel_mm->pt.format->edit->fill_root(
		&(struct pt_edit){ .pt = &kernel_mm->pt, .policy = mm_policy(kernel_mm) });
	if (err)
		return err;
	step_fetch_add(&kernel_mm->nr_root_users, 1, __ATOMIC_RELAXED);
	first = pt_region_slots(geo, &kernel_mm->pt.region, &nr);
	for (unsigned i = first; i < first + nr; i++)
		host_root(mm)[i] = step_load_n(&host_root(kernel_mm)[i], __ATOMIC_ACQUIRE);
	return 0;
}

bool mm_root_leaf_is_shared(const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	const struct pgw_format *format = mm->pt.format;
	const struct pgw_geometry *geo = &format->geometry;
	unsigned shift = geo->span_lg2[geo->top_level];
	uint64_t mask = low_bits(geo->slots_lg2[geo->top_level]);

	if (!step_load_n(&mm->nr_root_users, __ATOMIC_RELAXED))
		return false;
	for (uint64_t i = (first >> shift) & mask; i <= ((last >> shift) & mask); i++) {
		struct pgw_entry entry;

		pt_decode_entry(&mm->pt, pgw_item_load(&host_root(mm)[i]), geo->top_level, &entry);
		if (entry.kind == PGW_ENTRY_LEAF)
			return true;
	}
	return false;
}

static bool root_can_have(const struct pgw_geometry *geo, uint32_t nr_items)
{
	return !nr_items || (geo->is_root_concatenated && !(nr_items & (nr_items - 1)) &&
			     nr_items <= BIT(geo->slots_lg2[geo->top_level]));
}

static int check_new(const struct pgw_mm_new_args *args)
{
	const struct pgw_mm *kernel_mm = args->kernel_mm;

	if (!args->format || !pgw_format_region(args->format, args->region))
		return -PGW_EINVAL;
	if (!args->format->edit)
		return -PGW_EOPNOTSUPP;
	if (!root_can_have(&args->format->geometry, args->nr_root_items))
		return -PGW_EINVAL;
	if ((args->policy != PGW_POLICY_RANGE && args->policy != PGW_POLICY_SINGLE) ||
	    args->rules >= _PGW_RULES_MAX)
		return -PGW_EINVAL;
	/* Nothing here encrypts: what pt makes would lead to memory in clear. */
	if ((args->control.known & PGW_CTL_X86_ENCRYPTION) && args->control.encryption_bit)
		return -PGW_EOPNOTSUPP;
	/* Entries of one root are to mean the same in the other. */
	if (kernel_mm && args->platform &&
	    (kernel_mm->kind != PGW_MM_OWNED ||
	     kernel_mm->pt.host_offset != args->platform->table_offset))
		return -PGW_EINVAL;
	return 0;
}

int pgw_mm_new(const struct pgw_mm_new_args *args, struct pgw_mm **ret)
{
	struct pgw_region region;
	struct pgw_mm *mm;
	void *table;
	int err;

	if (!args || !ret)
		return -PGW_EINVAL;
	err = check_new(args);
	if (err)
		return err;
	region = *pgw_format_region(args->format, args->region);
	mm_region_of_root(&args->format->geometry,
			  (struct pgw_root){ .nr_items = args->nr_root_items }, &region);
	err = mm_create(args->platform, args->format, &region, args->kernel_mm, &mm);
	if (err)
		return err;
	table = args->platform->table_alloc(args->platform->ctx, pt_root_size(&mm->pt));
	if (!table) {
		mm_dealloc(mm);
		return -PGW_ENOMEM;
	}
	mm->kind = PGW_MM_OWNED;
	mm->policy = args->policy;
	mm->rules = args->rules;
	mm->pt.control = pgw_control_assume(args->format, &args->control);
	mm->pt.budget = UINT64_MAX;
	mm->pt.host_offset = args->platform->table_offset;
	mm->pt.platform = args->platform;
	mm->pt.mm = mm;
	mm->pt.nr_unlinked = &mm->nr_unlinked;
	mm->pt.root_pa = (uint64_t)(uintptr_t)table - mm->pt.host_offset;
	pt_prepare(&mm->pt);
	mm->pt.pages = &mm->pages;
	args->format->edit->prepare_pages(&mm->pt, &mm->pages);
	mm_prepare_vma_rights(mm);
	mm->page_edit = (struct pt_edit){ .pt = &mm->pt, .policy = mm_policy(mm) };
	err = share_kernel_region(mm);
	if (err) {
		args->platform->table_free(args->platform->ctx, table, pt_root_size(&mm->pt));
		mm_dealloc(mm);
		return err;
	}
	*ret = mm;
	return 0;
}

void pgw_mm_free(struct pgw_mm *mm)
{
	if (!mm)
		return;
	if (mm->kind == PGW_MM_OWNED) {
		mm_free_vmas(mm);
		if (mm->kernel_mm && !pgw_format_is_split(mm->pt.format))
			step_fetch_sub(&mm->kernel_mm->nr_root_users, 1, __ATOMIC_RELAXED);
		mm->pt.format->edit->free_tables(&mm->pt);
	} else {
		mm_forget_vmas(mm);
	}
	pt_recall_fini(mm->platform, &mm->recall);
	mm_dealloc(mm);
}

const struct pgw_format *pgw_mm_format(const struct pgw_mm *mm)
{
	return mm->pt.format;
}

const struct pgw_region *pgw_mm_region(const struct pgw_mm *mm)
{
	return &mm->pt.region;
}

enum pgw_mm_kind pgw_mm_get_kind(const struct pgw_mm *mm)
{
	return mm->kind;
}

struct pgw_root pgw_mm_root(const struct pgw_mm *mm)
{
	const struct pgw_geometry *geo = &mm->pt.format->geometry;
	struct pgw_root root = { .pa = mm->pt.root_pa };
	unsigned nr;

	pt_region_slots(geo, &mm->pt.region, &nr);
	if (geo->is_root_concatenated && nr != 1u << geo->slots_lg2[geo->top_level])
		root.nr_items = nr;
	return root;
}

struct pgw_mm *pgw_mm_kernel_mm(const struct pgw_mm *mm)
{
	return mm->kernel_mm;
}

const struct pgw_control *pgw_mm_control(const struct pgw_mm *mm)
{
	return &mm->pt.control;
}
