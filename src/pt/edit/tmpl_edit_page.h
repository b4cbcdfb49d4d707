/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_TMPL_EDIT_PAGE_H
#define PT_TMPL_EDIT_PAGE_H

/*
 * Changes of one smallest page in a table that is there already: what most calls for a page are.
 * One way down serves the checks and the change: nothing has to be made, nothing can stick out of
 * the page, and what there is to flush is the page. What is not that simple is left as it is
 * (PT_OTHERWISE): the code for ranges does all, and comes to the same.
 */

#include "pt/edit/tmpl_edit.h"
#include "pt/edit/tmpl_edit_map.h"
#include "pt/edit/tmpl_edit_protect.h"

/* A page's slot. All of it stays in registers. */
struct edit_page {
	const struct pt_edit *edit;
	enum pt_policy policy; /* the edit's */
	uint64_t *table, *item;
	struct pgw_ptdesc *desc; /* PT_SHARED: locked */
};

/* A level, a constant: from its item to that of the next lower one. */
#define PAGE_STEP(level)                                                                           \
	do {                                                                                       \
		uint64_t entry_ = pt_owner_item((uint64_t *)(uintptr_t)(item_pa + host_offset));                       \
                                                                                                   \
		if (pgw_unlikely(!pt_is_table(&env, entry_, level)))                           \
			return false;                                                              \
		table_pa = pt_table_pa(&env, entry_);                                          \
		item_pa = translate_item_pa(table_pa, va, (level)-1);                              \
	} while (0)

/* Go straight down to the slot of va in a lowest table. @return false: there is none to be plainly seen */
static PGW_ALWAYS_INLINE bool page_find(const struct pt_edit *edit, uint64_t va,
					struct edit_page *ret)
{
	const struct pt *pt = edit->pt;
	const unsigned top = pt->format->geometry.top_level;
	/* Items are loaded with acquire: what is not in registers would be loaded anew after each. */
	const struct pt_env env = pt->env;
	const uint64_t host_offset = pt->host_offset;
	uint64_t item_pa = pt->root_pa + ((va >> pt->top_shift) & pt->top_mask), table_pa;

	if (PT_MAX_TOP_LEVEL >= 4 && top >= 4)
		PAGE_STEP(4);
	if (PT_MAX_TOP_LEVEL >= 3 && top >= 3)
		PAGE_STEP(3);
	if (top >= 2)
		PAGE_STEP(2);
	PAGE_STEP(1);
	*ret = (struct edit_page){ .edit = edit,
				   .policy = edit->policy,
				   .table = pt_host_table(pt, table_pa),
				   .item = pt_host_table(pt, item_pa) };
	return true;
}

/*
 * The same, with the table locked if others may be at it. @return also false: it is linked no more
 */
static PGW_ALWAYS_INLINE bool page_begin(const struct pt_edit *edit, uint64_t va,
					 struct edit_page *page)
{
	if (pgw_unlikely(!page_find(edit, va, page)))
		return false;
	if (page->policy != PT_SHARED)
		return true;
	page->desc = edit->pt->platform->table_desc(edit->pt->platform->ctx, page->table);
	pt_table_lock(edit->pt, page->desc);
	if (pgw_likely(!page->desc->detached))
		return true;
	pt_table_unlock(edit->pt, page->desc);
	return false;
}

static PGW_ALWAYS_INLINE void page_end(const struct edit_page *page)
{
	if (page->policy == PT_SHARED)
		pt_table_unlock(page->edit->pt, page->desc);
}

/* Fill or empty the slot, which is the other. */
static PGW_ALWAYS_INLINE void page_put(const struct edit_page *page, uint64_t entry, uint32_t nr)
{
	const struct pgw_platform *platform = page->edit->pt->platform;
	struct pgw_ptdesc *desc = page->desc;

	if (page->policy == PT_SINGLE)
		*page->item = entry;
	else
		step_store_n(page->item, entry, __ATOMIC_RELEASE);
	if (page->policy != PT_SHARED)
		desc = platform->table_desc(platform->ctx, page->table);
	if (page->policy == PT_SINGLE)
		desc->nr_live += nr;
	else
		step_fetch_add(&desc->nr_live, nr, __ATOMIC_RELAXED);
}

static PGW_ALWAYS_INLINE bool page_is_leaf(const struct pt_env *env, uint64_t entry)
{
	return pt_entry_kind(env, entry, 0) == PGW_ENTRY_LEAF &&
	       pt_leaf_lg2(env, entry, 0) == PT_GRANULE_LG2;
}

static PGW_ALWAYS_INLINE void page_flush(const struct pt_edit *edit, uint64_t va)
{
	pt_flush(edit->pt, va, va | low_bits(PT_GRANULE_LG2));
}

/* The leaf of a page. @return false: the format has none, or it belongs to a contiguous run */
static PGW_ONE_COPY bool page_encode(const struct pt *pt, uint64_t pa, uint8_t rights,
				     uint64_t attrs, uint64_t *ret)
{
	const struct pgw_leaf leaf = { .pa = pa, .rights = rights, .attrs = attrs };

	return edit_can_have_rights(pt, rights) && pt_leaf_encode(&pt->env, &leaf, ret) &&
	       pt_leaf_lg2(&pt->env, *ret, 0) == PT_GRANULE_LG2;
}

static void pt_prepare_pages(const struct pt *pt, struct pt_pages *ret)
{
	for (unsigned rights = 0; rights < PGW_ARRAY_SIZE(ret->entry); rights++) {
		if (!page_encode(pt, 0, (uint8_t)rights, 0, &ret->entry[rights]))
			ret->entry[rights] = 0;
	}
}

/* The same, by what is known of those without attributes. */
static PGW_ALWAYS_INLINE bool page_leaf(const struct pt *pt, const struct pgw_map_args *args,
					uint64_t *ret)
{
	uint64_t entry = pt->pages->entry[args->rights];

	if (pgw_unlikely(args->attrs != 0))
		return page_encode(pt, args->pa, args->rights, args->attrs, ret);
	*ret = pt_entry_advance(&pt->env, entry, 0, args->pa);
	/* An address that is too long comes out different. */
	return entry && pt_leaf_pa(&pt->env, *ret, 0, 0) == args->pa &&
	       page_is_leaf(&pt->env, *ret);
}

static int pt_map_page(const struct pt_edit *edit, const struct pgw_map_args *args)
{
	struct edit_page page;
	uint64_t entry;
	int err = -PGW_EEXIST;

	if (pgw_unlikely((args->sizes && !(args->sizes & BIT(PT_GRANULE_LG2))) ||
			 !page_leaf(edit->pt, args, &entry) ||
			 !page_begin(edit, args->first, &page)))
		return PT_OTHERWISE;
	if (!step_load_n(page.item, __ATOMIC_RELAXED) && edit_may_map(edit)) {
		page_put(&page, entry, 1);
		err = 0;
	}
	page_end(&page);
	return err;
}

static int pt_unmap_page(const struct pt_edit *edit, uint64_t va)
{
	struct edit_page page;
	uint64_t entry;
	bool is_leaf;

	if (pgw_unlikely(!page_begin(edit, va, &page)))
		return PT_OTHERWISE;
	entry = pt_owner_item(page.item);
	is_leaf = page_is_leaf(&edit->pt->env, entry);
	if (pgw_likely(is_leaf))
		page_put(&page, 0, (uint32_t)-1);
	page_end(&page);
	if (pgw_likely(is_leaf))
		page_flush(edit, va);
	return is_leaf || !entry ? 0 : PT_OTHERWISE;
}

/* Hardware may set states of the item meanwhile; they are kept. */
static PGW_ALWAYS_INLINE bool page_replace(const struct edit_page *page, uint64_t *seen,
					   uint64_t entry)
{
	if (page->policy != PT_SINGLE)
		return step_compare_exchange_n(page->item, seen, entry, false, __ATOMIC_ACQ_REL,
					       __ATOMIC_ACQUIRE);
	*page->item = entry;
	return true;
}

static int pt_protect_page(const struct pt_edit *edit, uint64_t va, uint8_t rights)
{
	const struct pt_env *env = &edit->pt->env;
	uint64_t bits = edit->pt->pages->entry[rights], seen, new;
	struct edit_page page;
	bool is_simple;

	if (pgw_unlikely(!bits || !page_begin(edit, va, &page)))
		return PT_OTHERWISE;
	seen = pt_owner_item(page.item);
	do {
		new = pt_leaf_protect(env, seen, bits & pt_rights_mask());
		is_simple = page_is_leaf(env, seen) && !pt_needs_break(env, seen, new);
	} while (is_simple && new != seen && !page_replace(&page, &seen, new));
	page_end(&page);
	if (is_simple && new != seen)
		page_flush(edit, va);
	return is_simple ? 0 : PT_OTHERWISE;
}

#endif
