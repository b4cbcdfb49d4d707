/* SPDX-License-Identifier: BSD-2-Clause */

/* Is everything about an mm as it should be? For tests; nothing here is fast. */

#include <pagewalk/vma.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "mm/vma/mapping_priv.h"
#include "mm/vma/mapping_tree.h"
#include "mm/vma/vma_tree.h"

#define USER_RIGHTS (PGW_USER_R | PGW_USER_W | PGW_USER_X)

static bool file_knows(const struct pgw_vma *vma)
{
	const struct file_vma *f = file_vma_of(vma);
	struct pgw_mapping *mapping = vma->mapping;
	bool is_known;

	if (pgw_mapping_read_lock(mapping))
		return false;
	is_known = mapping_tree_has(mapping->root, f) && f->first == vma->pgoff &&
		   f->last - vma->pgoff == (vma->end - vma->start - 1) >> mapping->page_lg2;
	pgw_mapping_read_unlock(mapping);
	return is_known;
}

/* Each checks one thing and returns what is wrong, or NULL. */

static const char *check_vma(const struct pgw_mm *mm, const struct pgw_vma *vma)
{
	uint64_t align = low_bits(mm->pt.format->geometry.granule_lg2);

	if (vma->mm != mm)
		return "a VMA of another mm";
	if (vma->start >= vma->end || ((vma->start | vma->end) & align))
		return "a VMA's range is empty or not aligned";
	if (!mm_covers(mm, vma->start, vma->end - 1))
		return "a VMA outside the region";
	if (vma->flags & ~(uint32_t)_PGW_VMA_ALL)
		return "a VMA with unknown flags";
	if (!(vma->flags & PGW_VMA_HUGETLB) != !vma->page_lg2)
		return "a VMA's page size without its flag, or the flag without the size";
	if ((vma->start | vma->end) & low_bits(vma->page_lg2))
		return "a hugetlb VMA that is not made of whole pages";
	if (vma->mapping && !file_knows(vma))
		return "a VMA that its file does not know";
	return NULL;
}

static const char *check_vmas(const struct pgw_mm *mm)
{
	const char *what = NULL;
	uint64_t at = 0;
	size_t nr = 0;

	if (!vma_tree_validate(mm->vma_root, &nr))
		return "the VMA tree's shape or order is wrong";
	if (nr != mm->nr_vmas)
		return "the count of VMAs is wrong";
	for (const struct pgw_vma *vma; !what && (vma = vma_tree_find(mm->vma_root, at));
	     at = vma->end) {
		if (vma->start < at)
			return "two VMAs overlap";
		what = check_vma(mm, vma);
	}
	return what;
}

struct leaves {
	const struct pgw_mm *mm;
	const char *what;
};

/* A run of leaves: each within one VMA, and with no more rights than it gives. */
static int check_leaves(const struct pgw_extent *extent, void *arg)
{
	struct leaves *leaves = arg;
	uint64_t leaf = low_bits(extent->leaf_lg2);
	uint64_t at = extent->va_first;

	if (extent->kind != PGW_ENTRY_LEAF) {
		leaves->what = "a malformed entry";
		return 1;
	}
	for (;;) {
		const struct pgw_vma *vma = vma_tree_find(leaves->mm->vma_root, at);
		uint8_t rights;

		if (!vma || vma->start > at)
			leaves->what = "a leaf outside every VMA";
		else if (!mm_vma_rights(leaves->mm, vma->flags, &rights) ||
			 (extent->rights & USER_RIGHTS & ~rights))
			leaves->what = "a leaf with more rights than its VMA";
		else if (vma->page_lg2 && vma->page_lg2 != extent->leaf_lg2)
			leaves->what = "a leaf of another size than its hugetlb VMA's";
		else if (vma->end > extent->va_last)
			return 0;
		else if (vma->end & leaf)
			leaves->what = "a leaf that sticks out of its VMA";
		if (leaves->what)
			return 1;
		at = vma->end;
	}
}

static const char *check_scan(const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	struct leaves leaves = { .mm = mm };
	struct pgw_scan_stats stats = { 0 };

	pt_ops(&mm->pt)->scan(&mm->pt, first, last, check_leaves, &leaves, &stats);
	if (!leaves.what && stats.nr_malformed)
		return "a malformed entry";
	return leaves.what;
}

/* A table spans a part of some VMA, or it should have been freed with the last one that needed it. */
static const char *check_table(const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	const struct pgw_vma *vma = vma_tree_find(mm->vma_root, first);

	return vma && vma->start <= last ? NULL : "a table without a VMA that needs it";
}

/* The slots of a lowest table: each guard has a VMA, which other entries show by their leaves. */
static const char *check_guards(const struct pgw_mm *mm, uint64_t table_pa, uint64_t first)
{
	const struct pgw_geometry *geo = &mm->pt.format->geometry;
	const uint64_t *table = (const uint64_t *)(uintptr_t)(table_pa + mm->pt.host_offset);

	for (uint64_t i = 0; i < BIT(geo->slots_lg2[0]); i++) {
		uint64_t va = first + (i << geo->granule_lg2);
		const struct pgw_vma *vma;

		if (pgw_item_load(&table[i]) != mm->pt.format->edit->guard)
			continue;
		vma = vma_tree_find(mm->vma_root, va);
		if (!vma || vma->start > va)
			return "a guard outside every VMA";
	}
	return NULL;
}

static const char *check_tables_of(const struct pgw_mm *mm, uint64_t table_pa, unsigned level,
				   uint64_t first);

/* The tables below an item that maps from va on. */
static const char *check_item(const struct pgw_mm *mm, uint64_t raw, unsigned level, uint64_t va)
{
	const struct pgw_format *format = mm->pt.format;
	const char *what;
	struct pgw_entry entry;

	pt_decode_entry(&mm->pt, raw, level, &entry);
	if (entry.kind != PGW_ENTRY_TABLE)
		return NULL;
	what = check_table(mm, va, va | low_bits(format->geometry.span_lg2[level]));
	if (!what)
		what = level == 1 ? check_guards(mm, entry.pa, va)
				  : check_tables_of(mm, entry.pa, level - 1, va);
	return what;
}

/* Recursion ends at level 1: four deep at most. */
static const char *check_tables_of(const struct pgw_mm *mm, uint64_t table_pa, unsigned level,
				   uint64_t first)
{
	const struct pgw_geometry *geo = &mm->pt.format->geometry;
	const uint64_t *table = (const uint64_t *)(uintptr_t)(table_pa + mm->pt.host_offset);
	const char *what = NULL;

	for (uint64_t i = 0; !what && i < BIT(geo->slots_lg2[level]); i++) {
		uint64_t va = first + (i << geo->span_lg2[level]);

		if (mm_covers(mm, va, va))
			what = check_item(mm, pgw_item_load(&table[i]), level, va);
	}
	return what;
}

static const char *check_user(const struct pgw_mm *mm)
{
	unsigned top_level = mm->pt.format->geometry.top_level;
	const char *what = check_vmas(mm);

	if (!what)
		what = check_scan(mm, mm->pt.region.first, mm->pt.region.last);
	if (!what && top_level)
		what = check_tables_of(mm, mm->pt.root_pa, top_level, 0);
	return what;
}

int pgw_mm_validate(struct pgw_mm *mm, const char **ret_what)
{
	const char *what = NULL;
	int err;

	if (!mm || mm->kind != PGW_MM_OWNED)
		return -PGW_EINVAL;
	err = mm_assert_write_locked(mm, PGW_RULE_MMAP_WRITE_LOCKED, __func__);
	if (err)
		return err;
	/* Without VMAs, its leaves are the caller's own. */
	if (mm->pt.region.kind == PGW_REGION_USER && mm->policy != PGW_POLICY_SINGLE)
		what = check_user(mm);
	if (!what && !mm->pt.format->edit->validate(&mm->pt))
		what = "a live count is wrong, or an entry is frozen";
	if (!what)
		return 0;
	if (ret_what)
		*ret_what = what;
	return -PGW_EIO;
}
