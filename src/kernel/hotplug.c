/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/kernel_priv.h"

#include "base/step.h"

/*
 * Memory that comes and goes: its part of the linear map, and its descriptors in
 * the vmemmap. Removing frees tables, and nothing but the hotplug lock keeps
 * walkers off them: not the kernel mm's lock.
 */

static bool can_have_rights(const struct pgw_mm *mm, uint8_t rights)
{
	return !(rights & ~_PGW_RIGHT_ALL) && mm->pt.format->edit->can_protect(&mm->pt, rights);
}

int pgw_kernel_new(const struct pgw_kernel_args *args, struct pgw_kernel **ret)
{
	const struct pgw_platform *platform;
	const struct pgw_geometry *geo;
	struct pgw_kernel *kernel;

	if (!args || !ret || !args->kernel_mm || !args->ops || !args->ops->page_alloc ||
	    !args->ops->page_free || !args->ops->page_access ||
	    args->kernel_mm->kind != PGW_MM_OWNED ||
	    args->kernel_mm->pt.region.kind != PGW_REGION_KERNEL)
		return -PGW_EINVAL;
	geo = &args->kernel_mm->pt.format->geometry;
	if (args->desc_lg2 >= geo->granule_lg2 ||
	    ((args->linear_va | args->vmemmap_va) & low_bits(geo->granule_lg2)) ||
	    !(args->desc_rights & PGW_KERNEL_W) || (args->shared_rights & PGW_KERNEL_W) ||
	    !can_have_rights(args->kernel_mm, args->linear_rights) ||
	    !can_have_rights(args->kernel_mm, args->desc_rights) ||
	    !can_have_rights(args->kernel_mm, args->shared_rights))
		return -PGW_EINVAL;
	platform = args->kernel_mm->platform;
	kernel = platform->obj_alloc(platform->ctx, sizeof(*kernel));
	if (!kernel)
		return -PGW_ENOMEM;
	kernel->args = *args;
	*ret = kernel;
	return 0;
}

void pgw_kernel_free(struct pgw_kernel *kernel)
{
	const struct pgw_platform *platform;

	if (!kernel)
		return;
	platform = kernel->args.kernel_mm->platform;
	for (size_t i = 0; i < PGW_ARRAY_SIZE(kernel->shared); i++) {
		if (kernel->shared[i].exists)
			kernel->args.ops->page_free(kernel->args.ctx, kernel->shared[i].pa);
	}
	platform->obj_free(platform->ctx, kernel, sizeof(*kernel));
}

/* The block that holds all of a range, or NULL. */
static struct kernel_block *block_find_locked(struct pgw_kernel *kernel, uint64_t first,
					      uint64_t last)
{
	struct kernel_block *block = kernel->blocks;

	while (block && (first < block->first || last > block->last))
		block = block->next;
	return block;
}

bool kernel_is_self_hosted(struct pgw_kernel *kernel, uint64_t pa)
{
	const struct pgw_platform *platform = kernel->args.kernel_mm->platform;
	const struct kernel_block *block;
	bool ret;

	if (!step_load_n(&kernel->nr_self_hosted, __ATOMIC_RELAXED))
		return false;
	mutex_lock(&kernel->guard, platform);
	block = block_find_locked(kernel, pa, pa);
	/* Its descriptors are at its beginning. */
	ret = block && (block->flags & PGW_HOT_ADD_SELF_HOSTED) &&
	      (pa - block->first) >> kernel->args.desc_lg2 <= (block->last - block->first) >>
		      kernel_geometry(kernel)->granule_lg2;
	mutex_unlock(&kernel->guard, platform);
	return ret;
}

/* ---- huge pages ---- */

/* Change the state of a huge page, all of which must have the old one. */
static int huge_change_locked(struct pgw_kernel *kernel, uint64_t pa, uint8_t size_lg2,
			      uint8_t from, uint8_t to)
{
	struct kernel_block *block = block_find_locked(kernel, pa, pa | low_bits(size_lg2));
	uint64_t nr = BIT(size_lg2 - kernel_unit_lg2(kernel));
	uint8_t *state;

	if (!block)
		return -PGW_EINVAL;
	state = block->huge + ((pa - block->first) >> kernel_unit_lg2(kernel));
	for (uint64_t i = 0; i < nr; i++) {
		if (state[i] != from)
			return -PGW_EBUSY;
	}
	__builtin_memset(state, to, nr);
	block->nr_huge += from == HUGE_PLAIN;
	block->nr_huge -= to == HUGE_PLAIN;
	return 0;
}

int kernel_huge_take_locked(struct pgw_kernel *kernel, uint64_t pa, uint8_t size_lg2, uint8_t state)
{
	return huge_change_locked(kernel, pa, size_lg2, state, HUGE_BUSY);
}

void kernel_huge_give_locked(struct pgw_kernel *kernel, uint64_t pa, uint8_t size_lg2,
			     uint8_t state)
{
	huge_change_locked(kernel, pa, size_lg2, HUGE_BUSY, state);
}

/* Where a block's memory and its descriptors are mapped. */
struct block_ranges {
	uint64_t linear_first, linear_last;
	uint64_t desc_first, desc_last;
};

static int block_ranges(const struct pgw_kernel *kernel, uint64_t first, uint64_t last,
			struct block_ranges *ret)
{
	struct pgw_mm *mm = kernel->args.kernel_mm;
	int err;

	if (first > last || ((first | (last + 1)) & low_bits(kernel_unit_lg2(kernel))))
		return -PGW_EINVAL;
	ret->linear_first = kernel->args.linear_va + first;
	ret->linear_last = kernel->args.linear_va + last;
	ret->desc_first = kernel_desc_va(kernel, first);
	ret->desc_last = kernel_desc_va(kernel, last) | low_bits(kernel->args.desc_lg2);
	err = kernel_check_range(mm, ret->linear_first, ret->linear_last);
	return err ? err : kernel_check_range(mm, ret->desc_first, ret->desc_last);
}

/* ---- descriptors ---- */

/* Frames of descriptors that no TLB knows any more go back, page by page. */
static void release_pages(struct pt_gather *gather, const struct pgw_frames *frames)
{
	const struct pgw_kernel *kernel = gather->arg;

	for (uint64_t i = 0; i < frames->size; i += kernel_page_size(kernel))
		kernel->args.ops->page_free(kernel->args.ctx, frames->pa + i);
}

/* The sizes of leaves for descriptors: none above the pmd, which is as far up as hvo.c splits. */
static uint64_t desc_sizes(const struct pgw_kernel *kernel)
{
	const struct pgw_geometry *geo = kernel_geometry(kernel);

	return geo->leaf_sizes & low_bits(geo->span_lg2[1] + 1u);
}

static int map_desc(struct kernel_edit *edit, const struct pgw_kernel *kernel, uint64_t va,
		    uint64_t size, uint64_t pa)
{
	return edit->ops->map(&edit->pt, &(struct pgw_map_args){
						 .first = va,
						 .last = va + (size - 1),
						 .pa = pa,
						 .rights = kernel->args.desc_rights,
						 .attrs = kernel->args.attrs,
						 .sizes = desc_sizes(kernel),
					 });
}

/* Map descriptors from va on, as many as one piece of memory holds. @return 0 or an error */
static int map_desc_piece(struct kernel_edit *edit, const struct pgw_kernel *kernel, uint64_t va,
			  uint64_t last, uint64_t *ret_size)
{
	const struct pgw_kernel_ops *ops = kernel->args.ops;
	uint64_t set = desc_sizes(kernel), pa;
	int err = -PGW_ENOMEM;

	for (; err && set; set &= ~BIT(63 - __builtin_clzll(set))) {
		uint8_t size_lg2 = (uint8_t)(63 - __builtin_clzll(set));

		if ((va & low_bits(size_lg2)) || low_bits(size_lg2) > last - va)
			continue;
		err = ops->page_alloc(kernel->args.ctx, size_lg2, &pa);
		*ret_size = BIT(size_lg2);
	}
	if (err)
		return err;
	err = map_desc(edit, kernel, va, *ret_size, pa);
	if (!err)
		return 0;
	gather_flush(&edit->gather);
	for (uint64_t i = 0; i < *ret_size; i += kernel_page_size(kernel))
		ops->page_free(kernel->args.ctx, pa + i);
	return err;
}

/* Unmap descriptors, in whatever state they are, and unless they are self-hosted give them back. */
static void unmap_desc(struct pgw_kernel *kernel, uint64_t first, uint64_t last, uint32_t flags)
{
	struct kernel_edit edit;

	kernel_edit_begin(&edit, kernel->args.kernel_mm);
	if (!(flags & PGW_HOT_ADD_SELF_HOSTED)) {
		edit.gather.release = release_pages;
		edit.gather.arg = kernel;
	}
	edit.ops->unmap(&edit.pt, first, last, PGW_UNMAP_WHOLE);
	gather_flush(&edit.gather);
}

static int map_all_desc(struct kernel_edit *edit, struct pgw_kernel *kernel,
			const struct block_ranges *ranges)
{
	uint64_t va = ranges->desc_first, size = 0;

	for (;;) {
		int err = map_desc_piece(edit, kernel, va, ranges->desc_last, &size);

		if (err && va != ranges->desc_first)
			unmap_desc(kernel, ranges->desc_first, va - 1, 0);
		if (err || size - 1 == ranges->desc_last - va)
			return err;
		va += size;
	}
}

/* ---- blocks ---- */

static void unmap_linear(struct kernel_edit *edit, const struct block_ranges *r)
{
	edit->ops->unmap(&edit->pt, r->linear_first, r->linear_last, PGW_UNMAP_WHOLE);
}

/* Free the tables that a block has to itself; its ranges are empty. */
static void free_block_tables(struct kernel_edit *edit, const struct block_ranges *r)
{
	edit->ops->free_range(&edit->pt, r->linear_first, r->linear_last, r->linear_first,
			      r->linear_last);
	edit->ops->free_range(&edit->pt, r->desc_first, r->desc_last, r->desc_first, r->desc_last);
}

static int block_map(struct pgw_kernel *kernel, const struct block_ranges *ranges,
		     const struct kernel_block *block)
{
	struct kernel_edit edit;
	int err;

	kernel_edit_begin(&edit, kernel->args.kernel_mm);
	err = edit.ops->map(&edit.pt, &(struct pgw_map_args){
					      .first = ranges->linear_first,
					      .last = ranges->linear_last,
					      .pa = block->first,
					      .rights = kernel->args.linear_rights,
					      .attrs = kernel->args.attrs,
				      });
	if (!err) {
		if (block->flags & PGW_HOT_ADD_SELF_HOSTED)
			err = map_desc(&edit, kernel, ranges->desc_first,
				       ranges->desc_last - ranges->desc_first + 1, block->first);
		else
			err = map_all_desc(&edit, kernel, ranges);
		if (err)
			unmap_linear(&edit, ranges);
	}
	if (err)
		free_block_tables(&edit, ranges);
	gather_flush(&edit.gather);
	return err;
}

static size_t block_size(const struct pgw_kernel *kernel, uint64_t first, uint64_t last)
{
	return sizeof(struct kernel_block) + (size_t)((last - first) >> kernel_unit_lg2(kernel)) +
	       1;
}

/* @return NULL: there is no memory */
static struct kernel_block *block_new(const struct pgw_kernel *kernel, uint64_t first,
				      uint64_t last, uint32_t flags)
{
	const struct pgw_platform *platform = kernel->args.kernel_mm->platform;
	struct kernel_block *block;

	block = platform->obj_alloc(platform->ctx, block_size(kernel, first, last));
	if (!block)
		return NULL;
	block->first = first;
	block->last = last;
	block->flags = flags;
	return block;
}

static void block_free(const struct pgw_kernel *kernel, struct kernel_block *block)
{
	const struct pgw_platform *platform = kernel->args.kernel_mm->platform;

	platform->obj_free(platform->ctx, block, block_size(kernel, block->first, block->last));
}

/* A block comes or goes. Needs the guard. */
static void count_block_locked(struct pgw_kernel *kernel, const struct kernel_block *block,
			       uint32_t by)
{
	if (block->flags & PGW_HOT_ADD_SELF_HOSTED)
		step_fetch_add(&kernel->nr_self_hosted, by, __ATOMIC_RELAXED);
}

/* The hotplug lock is held exclusively. */
static int hot_add_locked(struct pgw_kernel *kernel, uint64_t first, uint64_t last, uint32_t flags,
			  const struct block_ranges *ranges)
{
	const struct pgw_platform *platform = kernel->args.kernel_mm->platform;
	struct kernel_block *block;
	int err;

	block = block_new(kernel, first, last, flags);
	if (!block)
		return -PGW_ENOMEM;
	err = block_map(kernel, ranges, block);
	if (err) {
		block_free(kernel, block);
		return err;
	}
	mutex_lock(&kernel->guard, platform);
	block->next = kernel->blocks;
	kernel->blocks = block;
	count_block_locked(kernel, block, 1);
	mutex_unlock(&kernel->guard, platform);
	return 0;
}

int pgw_kernel_hot_add(struct pgw_kernel *kernel, uint64_t first, uint64_t last, uint32_t flags)
{
	struct block_ranges ranges;
	int err;

	if (!kernel || (flags & ~(uint32_t)PGW_HOT_ADD_SELF_HOSTED))
		return -PGW_EINVAL;
	err = block_ranges(kernel, first, last, &ranges);
	if (!err)
		err = pgw_hotplug_write_lock(kernel->args.kernel_mm);
	if (err)
		return err;
	err = hot_add_locked(kernel, first, last, flags, &ranges);
	pgw_hotplug_write_unlock(kernel->args.kernel_mm);
	return err;
}

/* May a block go? Then, unless ret is NULL, take it out of the list. */
static int block_take(struct pgw_kernel *kernel, uint64_t first, uint64_t last,
		      struct kernel_block **ret)
{
	const struct pgw_platform *platform = kernel->args.kernel_mm->platform;
	struct kernel_block **at = &kernel->blocks;
	int err = 0;

	mutex_lock(&kernel->guard, platform);
	while (*at && ((*at)->first != first || (*at)->last != last))
		at = &(*at)->next;
	if (!*at) {
		err = -PGW_ENOENT;
	} else if ((*at)->nr_huge) {
		err = -PGW_EBUSY;
	} else if (ret) {
		*ret = *at;
		*at = (*at)->next;
		count_block_locked(kernel, *ret, UINT32_MAX);
	}
	mutex_unlock(&kernel->guard, platform);
	return err;
}

/* Collapsing may have made leaves that are the neighbours' too: let none cross the bounds. */
static int split_bounds(struct pgw_kernel *kernel, const struct block_ranges *r)
{
	const uint64_t bounds[] = { r->linear_first, r->linear_last + 1, r->desc_first,
				    r->desc_last + 1 };
	struct kernel_edit edit;
	int err = 0;

	kernel_edit_begin(&edit, kernel->args.kernel_mm);
	for (size_t i = 0; i < PGW_ARRAY_SIZE(bounds) && !err; i++)
		err = edit.ops->split_at(&edit.pt, bounds[i]);
	gather_flush(&edit.gather);
	return err;
}

/* The hotplug lock is held exclusively. Nobody finds the block any more. */
static void hot_remove_locked(struct pgw_kernel *kernel, const struct kernel_block *block,
			      const struct block_ranges *ranges)
{
	struct kernel_edit edit;

	kernel_edit_begin(&edit, kernel->args.kernel_mm);
	unmap_linear(&edit, ranges);
	unmap_desc(kernel, ranges->desc_first, ranges->desc_last, block->flags);
	free_block_tables(&edit, ranges);
	gather_flush(&edit.gather);
}

int pgw_kernel_hot_remove(struct pgw_kernel *kernel, uint64_t first, uint64_t last)
{
	struct block_ranges ranges;
	struct kernel_block *block;
	int err;

	if (!kernel)
		return -PGW_EINVAL;
	err = block_ranges(kernel, first, last, &ranges);
	if (!err)
		err = pgw_hotplug_write_lock(kernel->args.kernel_mm);
	if (err)
		return err;
	err = block_take(kernel, first, last, NULL);
	if (!err)
		err = split_bounds(kernel, &ranges);
	if (!err)
		err = block_take(kernel, first, last, &block);
	if (!err) {
		hot_remove_locked(kernel, block, &ranges);
		block_free(kernel, block);
	}
	pgw_hotplug_write_unlock(kernel->args.kernel_mm);
	return err;
}
