/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One page, found and kept: down from the root by single looks, and at what is no
 * table a second look with the lock of the table that it is in. Upper tables are
 * kept by the VMA, a lowest one by being a reader until its lock is held.
 */

#include <pagewalk/walk.h>

#include "base/bits.h"
#include "mm/mm_priv.h"
#include "pt/edit/table_lock.h"

struct lookup {
	const struct pt *pt;
	struct pgw_vma *vma;
	uint64_t va;
	uint32_t flags;
	struct pgw_page_walk found; /* with the lock of desc held, what is in the slot */
};

static void lookup_read(struct lookup *l, struct pgw_entry *ret)
{
	struct pgw_page_walk *found = &l->found;

	found->entry = pgw_item_load(found->item);
	pt_decode_entry(l->pt, found->entry, found->level, ret);
}

/* What is in the slot, which is no table; the owner says, where there is more than one answer. */
static enum pgw_page_kind page_kind(struct lookup *l, bool is_leaf)
{
	const struct pgw_vma_ops *ops = l->vma->ops;

	if (l->vma->flags & PGW_VMA_PFNMAP)
		return PGW_PAGE_SPECIAL;
	if (ops && ops->page_kind)
		return ops->page_kind(l->vma, l->found.entry, l->found.level, &l->found.pa);
	return is_leaf ? PGW_PAGE_NORMAL : PGW_PAGE_SPECIAL;
}

/* Is it one that was asked for? Its table is locked. */
static bool lookup_accept(struct lookup *l, const struct pgw_entry *entry)
{
	const struct pgw_geometry *geo = &l->pt->format->geometry;
	struct pgw_page_walk *found = &l->found;
	bool is_leaf = entry->kind == PGW_ENTRY_LEAF;
	enum pgw_page_kind kind;

	if (!is_leaf && entry->kind != PGW_ENTRY_ABSENT)
		return false;
	/* A guard is the library's own, and no page: the owner is not asked. */
	if (!found->level && found->entry == l->pt->format->edit->guard)
		return false;
	found->size_lg2 = is_leaf ? entry->size_lg2 : geo->span_lg2[found->level];
	found->pa = 0;
	if (is_leaf)
		found->pa = entry->pa +
			    (l->va & low_bits(entry->size_lg2) & ~low_bits(geo->granule_lg2));
	kind = page_kind(l, is_leaf);
	found->kind = (uint8_t)kind;
	switch (kind) {
	case PGW_PAGE_NORMAL:
		return is_leaf;
	case PGW_PAGE_ZERO:
		return is_leaf && (l->flags & PGW_PAGE_WALK_ZERO);
	case PGW_PAGE_MIGRATING:
		return !is_leaf && (l->flags & PGW_PAGE_WALK_MIGRATION);
	case PGW_PAGE_SPECIAL:
		break;
	}
	return false;
}

/* The slot of va in a table. */
static void lookup_enter(struct lookup *l, uint64_t table_pa, unsigned level)
{
	l->found.level = (uint8_t)level;
	l->found.item =
		pt_host_table(l->pt, table_pa) + pt_index(&l->pt->format->geometry, l->va, level);
}

/*
 * Go down to what is no table, and lock the table that it is in. As a reader.
 * @return false: it is empty, and nothing is locked
 */
static bool lookup_descend(struct lookup *l, struct pgw_entry *ret)
{
	const struct pt *pt = l->pt;
	uint64_t table_pa = pt->root_pa;
	struct pgw_ptdesc *desc;

	lookup_enter(l, table_pa, pt->format->geometry.top_level);
	for (;;) {
		lookup_read(l, ret);
		if (ret->kind == PGW_ENTRY_EMPTY)
			return false;
		if (ret->kind != PGW_ENTRY_TABLE) {
			/* A break before make is over when the lock is had. */
			desc = pt_table_desc(pt, table_pa);
			pt_table_lock(pt, desc);
			lookup_read(l, ret);
			if (ret->kind != PGW_ENTRY_TABLE)
				break;
			pt_table_unlock(pt, desc);
		} else if (l->found.level > 1) {
			table_pa = ret->pa;
			lookup_enter(l, table_pa, l->found.level - 1u);
		} else {
			desc = pt_map_lock(pt, l->found.item, l->found.entry, ret->pa);
			if (!desc)
				continue; /* another table, or none, by now */
			lookup_enter(l, ret->pa, 0);
			lookup_read(l, ret);
			break;
		}
	}
	l->found.desc = desc;
	return true;
}

int pgw_page_walk_start(struct pgw_vma *vma, uint64_t va, uint32_t flags, struct pgw_page_walk *ret)
{
	const uint32_t all = PGW_PAGE_WALK_ZERO | PGW_PAGE_WALK_MIGRATION;
	struct pgw_entry entry;
	struct lookup l;
	bool is_there;
	int err;

	if (!vma || !ret || (flags & ~all) || va < vma->start || va >= vma->end)
		return -PGW_EINVAL;
	err = mm_assert_locked(vma->mm, PGW_RULE_MMAP_LOCKED, __func__);
	if (err)
		return err;
	l = (struct lookup){ .pt = &vma->mm->pt, .vma = vma, .va = va, .flags = flags };
	pgw_reader_enter(vma->mm->platform);
	is_there = lookup_descend(&l, &entry);
	pgw_reader_leave(vma->mm->platform);
	if (!is_there)
		return -PGW_ENOENT;
	if (!lookup_accept(&l, &entry)) {
		pt_table_unlock(l.pt, l.found.desc);
		return -PGW_ENOENT;
	}
	*ret = l.found;
	return 0;
}

void pgw_page_walk_end(const struct pgw_page_walk *walk, struct pgw_vma *vma)
{
	pt_table_unlock(&vma->mm->pt, walk->desc);
}
