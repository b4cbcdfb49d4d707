/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/linux/tasks.h"

#include <string.h>

#include "base/bits.h"
#include "pt/pt.h"
#include "system/roots/root.h"
#include "system/system_priv.h"

#define VM_HUGETLB 0x400000 /* include/linux/mm.h: its pages are counted apart */

/*
 * The bit that Linux sets in an entry whose page nobody counts: the zero page, memory of devices.
 * _PAGE_BIT_SPECIAL and its like in arch/<arch>/include/asm/pgtable*.h.
 */
static const struct {
	const char *arch;
	uint64_t bit;
} specials[] = {
	{ "x86_64", BIT(9) },
	{ "arm64", BIT(56) },
	{ "riscv64", BIT(8) },
};

struct look {
	struct pgw_tasks *tasks;
	const struct pgw_format *format;
	uint64_t special;
	struct vmas *vmas;
	size_t next; /* the first area that ends above what was looked at */
	struct pgw_task_memory *ret;
};

static uint64_t special_bit(const struct pgw_format *format)
{
	const char *arch = pgw_format_arch(format);

	for (size_t i = 0; i < PGW_ARRAY_SIZE(specials); i++)
		if (strcmp(specials[i].arch, arch) == 0)
			return specials[i].bit;
	return 0;
}

enum counts_as {
	COUNTS_NOT,
	COUNTS_RSS,
	COUNTS_SWAP,
};

/* As the kernel does it for smaps: pages that are on their way, or that nobody may use, count. */
static enum counts_as absent_counts(const struct look *look, const struct pgw_extent *extent)
{
	struct pgw_absent absent;

	pgw_linux_absent(&look->tasks->kernel, look->format, PGW_REGION_USER, extent->level,
			 extent->entry, &absent);
	switch (absent.kind) {
	case PGW_ABSENT_PROT_NONE:
	case PGW_ABSENT_INVALID:
		return extent->entry & look->special ? COUNTS_NOT : COUNTS_RSS;
	case PGW_ABSENT_MIGRATION:
	case PGW_ABSENT_DEVICE_PRIVATE:
	case PGW_ABSENT_DEVICE_EXCLUSIVE:
		return COUNTS_RSS;
	case PGW_ABSENT_SWAP:
		return COUNTS_SWAP;
	default:
		return COUNTS_NOT;
	}
}

static enum counts_as extent_counts(struct look *look, const struct pgw_extent *extent)
{
	switch (extent->kind) {
	case PGW_ENTRY_LEAF:
		return extent->entry & look->special ? COUNTS_NOT : COUNTS_RSS;
	case PGW_ENTRY_ABSENT:
		return absent_counts(look, extent);
	default:
		return COUNTS_NOT;
	}
}

static void area_count(struct look *look, struct vma *vma, uint64_t bytes, enum counts_as as)
{
	if (vma->flags & VM_HUGETLB)
		return;
	if (as == COUNTS_RSS) {
		vma->rss += bytes;
		look->ret->rss += bytes;
	} else {
		vma->swap += bytes;
		look->ret->swap += bytes;
	}
}

/* Both ascend: each extent begins where the one before has ended, or later. */
static void extent_count(struct look *look, const struct pgw_extent *extent, enum counts_as as)
{
	uint64_t va = extent->va_first, last = extent->va_last;

	while (look->next < look->vmas->nr && look->vmas->list[look->next].end <= va)
		look->next++;
	for (size_t i = look->next; va <= last; i++) {
		struct vma *vma = i < look->vmas->nr ? &look->vmas->list[i] : NULL;
		uint64_t until = vma && vma->end - 1 < last ? vma->end - 1 : last;

		if (!vma || vma->start > last) {
			look->ret->outside += last - va + 1;
			return;
		}
		if (vma->start > va) {
			look->ret->outside += vma->start - va;
			va = vma->start;
		}
		area_count(look, vma, until - va + 1, as);
		if (until == last)
			return;
		va = until + 1;
	}
}

static int look_extents(const struct pgw_extent *extents, size_t nr, void *arg)
{
	struct look *look = arg;

	for (size_t i = 0; i < nr; i++) {
		enum counts_as as = extent_counts(look, &extents[i]);

		if (as != COUNTS_NOT)
			extent_count(look, &extents[i], as);
	}
	return 0;
}

void vmas_look(struct pgw_tasks *tasks, const struct pgw_task *task, struct vmas *vmas,
	       struct pgw_task_memory *ret)
{
	struct pgw_root_info root = tasks->inside.memory.root;
	const struct pgw_region *region = pgw_format_region(root.format, PGW_REGION_USER);
	const struct pgw_geometry *geo = pgw_format_geometry(root.format);
	struct look look = {
		.tasks = tasks,
		.format = root.format,
		.special = special_bit(root.format),
		.vmas = vmas,
		.ret = ret,
	};
	const struct pgw_scan_ops ops = { .extents = look_extents, .absent = true };
	struct pgw_scan_stats stats = { 0 };
	uint64_t first, last;
	struct pt tree;

	if (!task->root_pa || !region) {
		ret->nr_unreadable++;
		return;
	}
	root.root.pa = task->root_pa;
	image_tree(tasks->image, &root, region, &tree);
	if (tree.budget > tasks->tables_left)
		tree.budget = tasks->tables_left;
	pgw_format_region_range(root.format, PGW_REGION_USER, &first, &last);
	pt_ops(&tree)->scan_blocks(&tree, first, last, &ops, &look, &stats);
	tasks->tables_left -=
		stats.nr_tables < tasks->tables_left ? stats.nr_tables : tasks->tables_left;
	ret->tables = stats.nr_tables * pt_table_size(geo, 0);
	ret->nr_malformed += stats.nr_malformed;
	ret->nr_unreadable += stats.nr_unreadable;
	ret->truncated |= stats.truncated;
}
