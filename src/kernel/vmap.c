/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/kernel_priv.h"

/*
 * Ranges that their caller owns. Nothing here needs a lock for them: tables are
 * installed by compare-and-swap and nobody else changes the range. What frees
 * tables (promotion, collapse) holds the kernel mm's lock for read meanwhile, so
 * that a walker of ranges that it does not own can keep it out with the write
 * lock. It only tries: whoever maps must not wait for a dump.
 */

int kernel_check_range(const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	if (!mm || mm->kind != PGW_MM_OWNED || mm->pt.region.kind != PGW_REGION_KERNEL ||
	    ((first | (last + 1)) & low_bits(mm->pt.format->geometry.granule_lg2)) ||
	    !mm_covers(mm, first, last))
		return -PGW_EINVAL;
	return mm_root_leaf_is_shared(mm, first, last) ? -PGW_EOPNOTSUPP : 0;
}

/*
 * The part of a mapping where leaves of a higher level than the lowest may fit: all in
 * which the smallest of these that is allowed does.
 * @return false: none
 */
static bool promotable_part(const struct pgw_geometry *geo, const struct pgw_map_args *args,
			    uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t sizes = geo->leaf_sizes & ~low_bits(geo->span_lg2[1]), inside, first;

	if (args->sizes)
		sizes &= args->sizes;
	if (!sizes)
		return false;
	inside = low_bits((unsigned)__builtin_ctzll(sizes));
	if (((args->first ^ args->pa) & inside) || add_overflows(args->first, inside, &first))
		return false;
	*ret_first = first & ~inside;
	*ret_last =
		((args->last + 1) & ~inside) - 1; /* last + 1 may be 0: the end of all addresses */
	return *ret_first < *ret_last;
}

/*
 * Free the empty tables that stand where leaves of a higher level fit. Readers of
 * other ranges are not disturbed; whoever looks at ranges that it does not own has
 * the lock for write, and then nothing is freed.
 */
static void promote(struct pgw_mm *mm, const struct pgw_map_args *args)
{
	struct kernel_edit edit;
	uint64_t first, last;

	if (!promotable_part(&mm->pt.format->geometry, args, &first, &last) ||
	    pgw_mmap_read_trylock(mm))
		return;
	kernel_edit_begin(&edit, mm);
	edit.ops->free_range(&edit.pt, first, last, first, last);
	gather_flush(&edit.gather);
	pgw_mmap_read_unlock(mm);
}

int pgw_vmap(struct pgw_mm *mm, const struct pgw_map_args *args)
{
	struct kernel_edit edit;
	int err;

	if (!mm || !args || (args->rights & ~_PGW_RIGHT_ALL))
		return -PGW_EINVAL;
	err = kernel_check_range(mm, args->first, args->last);
	if (err)
		return err;
	promote(mm, args);
	kernel_edit_begin(&edit, mm);
	err = edit.ops->map(&edit.pt, args);
	gather_flush(&edit.gather);
	return err;
}

int pgw_vunmap(struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	struct kernel_edit edit;
	int err = kernel_check_range(mm, first, last);

	if (err)
		return err;
	kernel_edit_begin(&edit, mm);
	err = edit.ops->unmap(&edit.pt, first, last, PGW_UNMAP_SPLIT);
	gather_flush(&edit.gather);
	return err;
}

PGW_NO_THREAD_SAFETY_ANALYSIS
int pgw_kernel_set_rights(struct pgw_mm *mm, uint64_t first, uint64_t last, uint8_t rights)
{
	int err = kernel_check_range(mm, first, last);

	if (!err)
		err = pgw_mmap_read_lock(mm);
	if (err)
		return err;
	err = pgw_mm_protect(mm, first, last, rights);
	pgw_mmap_read_unlock(mm);
	return err;
}

/* Make one leaf of a size at va, if that can be done now. @return how many tables that freed; -1 not done */
static long collapse_one(struct pgw_mm *mm, uint64_t va, uint8_t size_lg2)
{
	struct kernel_edit edit;
	int err;

	if (pgw_mmap_read_trylock(mm))
		return -1;
	kernel_edit_begin(&edit, mm);
	err = edit.ops->collapse(&edit.pt, va, size_lg2);
	gather_flush(&edit.gather);
	pgw_mmap_read_unlock(mm);
	return err ? -1 : (long)edit.gather.nr_tables;
}

int pgw_kernel_collapse(struct pgw_mm *mm, uint64_t first, uint64_t last, size_t *ret_nr)
{
	int err = kernel_check_range(mm, first, last);
	uint64_t sizes, va = first;
	size_t nr = 0;

	if (err)
		return err;
	sizes = mm->pt.format->geometry.leaf_sizes & ~BIT(mm->pt.format->geometry.granule_lg2);
	for (;;) {
		uint64_t left = last - va, step = low_bits((unsigned)__builtin_ctzll(sizes));

		/* The largest first: what becomes one leaf need not become smaller ones before. */
		for (uint64_t set = sizes; set; set &= ~BIT(63 - __builtin_clzll(set))) {
			uint8_t size_lg2 = (uint8_t)(63 - __builtin_clzll(set));
			long freed = -1;

			if (!(va & low_bits(size_lg2)) && low_bits(size_lg2) <= left)
				freed = collapse_one(mm, va, size_lg2);
			if (freed < 0)
				continue;
			nr += (size_t)freed;
			step = low_bits(size_lg2);
			break;
		}
		step -= va & step;
		if (step >= left)
			break;
		va += step + 1;
	}
	if (ret_nr)
		*ret_nr = nr;
	return 0;
}
