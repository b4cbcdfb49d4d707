/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PT_PT_H
#define PT_PT_H

/*
 * The page-table core's interface for the layers above: a tree (struct pt),
 * and operations on it that take no lock and assert nothing.
 *
 * One indirect call an operation, none an entry: each format's inst_*.c
 * compiles the templates and puts the results in a struct pt_ops.
 */

#include <pagewalk/edit.h>
#include <pagewalk/format.h>
#include <pagewalk/phys.h>
#include <pagewalk/platform.h>
#include <pagewalk/scan.h>
#include <pagewalk/walk.h>

#include "pt/pt_defs.h"

struct pt;
struct pt_gather;
struct pt_lanes_ops;
struct pt_recall;

/** Operations of one format, for the reader and the owner. Locks are the caller's. */
struct pt_ops {
	int (*scan)(const struct pt *pt, uint64_t first, uint64_t last, pgw_extent_fn *fn,
		    void *arg, struct pgw_scan_stats *stats);
	/** As pgw_scan_with(). */
	int (*scan_blocks)(const struct pt *pt, uint64_t first, uint64_t last,
			   const struct pgw_scan_ops *ops, void *arg, struct pgw_scan_stats *stats);
	/** The bits of an entry that hold a leaf's address. */
	uint64_t (*addr_mask)(const struct pt_env *env, unsigned level);
	/** va lies in the tree's region; path may be NULL. @return 0 */
	int (*translate)(const struct pt *pt, uint64_t va, struct pgw_translation *ret,
			 struct pgw_path *path);
	/** The same for n addresses. */
	void (*translate_batch)(const struct pt *pt, const uint64_t *va,
				struct pgw_translation *ret, size_t n);
	/** translate() from where the cursor is, without a path; its mm is not looked at. @return 0 */
	int (*translate_by)(const struct pt *pt, struct pgw_translate_cursor *cursor, uint64_t va,
			    struct pgw_translation *ret);
	/** What an entry, which is no table, of a table of this level says of va. @return 0 */
	int (*translate_end)(const struct pt_env *env, uint64_t va, uint64_t entry, pt_acc_t acc,
			     unsigned level, struct pgw_translation *ret);
	/**
	 * [start, end) as in walk.h, inside one region of the format; root_pa is
	 * where to start. walk has everything but action and the counts filled in.
	 */
	int (*walk)(const struct pt *pt, uint64_t root_pa, uint64_t start, uint64_t end,
		    struct pgw_mm_walk *walk);
};

/** What an edit may count on. */
enum pt_policy {
	PT_SINGLE, /* nobody else is at the tree: plain stores, tables are freed at once */
	PT_RANGE,  /* nobody else changes the range: tables are installed by compare-and-swap,
	            * items are single atomic stores and exchanges, counts atomic */
	PT_SHARED, /* others may change leaves of the range too: as PT_RANGE, and items of a
	            * lowest table are looked at and changed with its lock held, after a look
	            * whether it was detached */
};

/** One edit. Made by the caller for each operation. */
struct pt_edit {
	const struct pt *pt;
	enum pt_policy policy;
	struct pt_gather *gather; /* what the edit leaves to be flushed, freed and released */
	/* Asked with the table's lock held before a leaf is put there; NULL: yes. */
	bool (*may_map)(const struct pt_edit *edit);
	void *arg; /* may_map's */
};

/** What an owner's tree knows of smallest pages. */
struct pt_pages {
	/* Leaves that map address 0, by rights; 0: the format cannot say these */
	uint64_t entry[_PGW_RIGHT_ALL + 1];
};

/** Do it by the operation for ranges. */
#define PT_OTHERWISE 1

/** What a leaf is to map instead. */
struct pt_remap {
	uint64_t pa;
	uint8_t rights; /* enum pgw_right */
};

/**
 * Operations that change tables: owner loader only. What they leave in the
 * gather is not flushed, but where break-before-make or a split needs it.
 * All ranges are inclusive, aligned to the granule and inside the tree's region.
 */
struct pt_edit_ops {
	/** The entry of a leaf. @return 0, -PGW_EINVAL or -PGW_EOPNOTSUPP, as pgw_mm_map_leaf() */
	int (*encode)(const struct pt *pt, const struct pgw_leaf *leaf, uint64_t *ret);
	/** @return as pgw_mm_map_leaf() */
	int (*map_leaf)(const struct pt_edit *edit, const struct pgw_leaf *leaf);
	/** Clear the leaf that maps va. @return 0 or -PGW_ENOENT */
	int (*unmap_leaf)(const struct pt_edit *edit, uint64_t va);

	/** @return as pgw_mm_map(); after an error what was mapped is cleared again */
	int (*map)(const struct pt_edit *edit, const struct pgw_map_args *args);
	/**
	 * @return as pgw_mm_unmap(). PGW_UNMAP_WHOLE cannot fail. Frames go to
	 * the gather if it wants them. PT_SHARED, which is for VMAs that stay, leaves guards.
	 */
	int (*unmap)(const struct pt_edit *edit, uint64_t first, uint64_t last,
		     enum pgw_unmap_how how);
	/**
	 * Clear a range that nobody can reach any more, nor changes; no leaf sticks out of it. Tables
	 * that lie in it may go to the gather, too. Frames go to it, which wants them, or are
	 * released once they are flushed, in order. PT_SHARED: as unmap(PGW_UNMAP_WHOLE).
	 */
	void (*zap)(const struct pt_edit *edit, uint64_t first, uint64_t last);
	/**
	 * No leaf crosses va - 1 to va any more: allocates what an unmap or protect
	 * from or up to there would have to split. va == first of the region, or 0, is fine.
	 * @return 0 or -PGW_ENOMEM
	 */
	int (*split_at)(const struct pt_edit *edit, uint64_t va);
	/** Can protect() give a leaf these rights? */
	bool (*can_protect)(const struct pt *pt, uint8_t rights);
	/** Leaves must not stick out of the range: see split_at(). @return 0 or -PGW_EOPNOTSUPP */
	int (*protect)(const struct pt_edit *edit, uint64_t first, uint64_t last, uint8_t rights);

	/** Of a new tree: before the operations on a page. */
	void (*prepare_pages)(const struct pt *pt, struct pt_pages *ret);
	/**
	 * map(), unmap() and protect() of one smallest page, flushed, where its table exists and
	 * nothing else is there than such a page or nothing. No gather is needed.
	 * @return as these, or PT_OTHERWISE: not that simple, or an error that they tell; nothing has changed
	 */
	int (*map_page)(const struct pt_edit *edit, const struct pgw_map_args *args);
	int (*unmap_page)(const struct pt_edit *edit, uint64_t va);
	int (*protect_page)(const struct pt_edit *edit, uint64_t va, uint8_t rights);

	/** @return as pgw_mm_split() */
	int (*split)(const struct pt_edit *edit, uint64_t first, uint64_t last, uint8_t max_lg2);
	/**
	 * Split the leaf or run in the slot of va, in a live table of this level, one
	 * level down; of what is there by now, nothing if that is no leaf. Loses a race
	 * against another split gracefully.
	 * @return 0 or -PGW_ENOMEM
	 */
	int (*split_item)(const struct pt_edit *edit, uint64_t *table, unsigned level, uint64_t va);
	/**
	 * All that can fail of moving what maps first..last to where nothing is mapped, from to on; the
	 * ranges do not overlap. Leaves may be smaller afterwards, and there are new, empty tables.
	 * @return 0, -PGW_ENOMEM, -PGW_EOVERFLOW, or -PGW_EEXIST: something is there
	 */
	int (*move_prepare)(const struct pt_edit *edit, uint64_t first, uint64_t last, uint64_t to);
	/** The move. first..last is empty then, tables of it may be left. */
	void (*move)(const struct pt_edit *edit, uint64_t first, uint64_t last, uint64_t to);
	/** The sizes of leaves and runs that map() can make: bit n for 2^n bytes. */
	uint64_t (*sizes)(const struct pt *pt);
	/**
	 * The item, the first of a run, where a leaf or run of this size would map va.
	 * @return NULL: no table has it
	 */
	uint64_t *(*find_item)(const struct pt *pt, uint64_t va, unsigned size_lg2);
	uint64_t guard; /* what stands in the item of a guarded page, at level 0 */
	/** Empty the items of guarded pages. PT_SHARED only. */
	void (*clear_guards)(const struct pt_edit *edit, uint64_t first, uint64_t last);
	/**
	 * Put a table into the slot of va, in a live table of this level, if it is empty. Others
	 * may do the same.
	 * @return 0, -PGW_ENOMEM or -PGW_EOVERFLOW
	 */
	int (*make_table)(const struct pt_edit *edit, uint64_t *table, unsigned level, uint64_t va);
	/** @return as pgw_mm_collapse() */
	int (*collapse)(const struct pt_edit *edit, uint64_t va, uint8_t size_lg2);
	/** @return 0 or fn's value */
	int (*harvest)(const struct pt_edit *edit, uint64_t first, uint64_t last, uint32_t flags,
		       pgw_harvest_fn *fn, void *arg);

	/**
	 * Another frame and other rights for a live leaf of one item in a lowest
	 * table, that nobody else changes. First freeze: it cannot be used until it is
	 * remapped or put back, where the format wants break-before-make (remap_breaks());
	 * elsewhere that only looks. Then, there after a flush, remap.
	 * @param ret the entry as it was
	 * @return 0, -PGW_ENOENT (no leaf), -PGW_EBUSY (a run), -PGW_EOPNOTSUPP (a leaf cannot say this)
	 */
	int (*freeze_item)(const struct pt_edit *edit, uint64_t *item, uint64_t va,
			   const struct pt_remap *to, uint64_t *ret);
	/** @param old in: freeze_item()'s, of the same arguments; out: what was replaced */
	void (*remap_item)(const struct pt_edit *edit, uint64_t *item, uint64_t va,
			   const struct pt_remap *to, uint64_t *old);
	/** Put an entry back that was frozen or remapped. */
	void (*put_item)(const struct pt_edit *edit, uint64_t *item, uint64_t va, uint64_t entry);
	bool (*remap_breaks)(void);

	/**
	 * Unlink the tables, below the root, that first..last goes through and whose whole span
	 * lies in floor..ceiling (inclusive): Linux's free_pgtables(). The range
	 * holds no leaf, and nobody can reach it. They go to the gather. A table
	 * that is not empty all the same, because of something outside the range, stays.
	 */
	void (*free_range)(const struct pt_edit *edit, uint64_t first, uint64_t last,
			   uint64_t floor, uint64_t ceiling);
	/**
	 * Unlink the lowest table that spans va if it is empty; others may be at
	 * it. PT_SHARED only. Needs the parent's and the table's lock, takes both.
	 */
	void (*trim_table)(const struct pt_edit *edit, uint64_t va);
	/** Fill the root's empty slots of the region with tables. @return 0 or -PGW_ENOMEM */
	int (*fill_root)(const struct pt_edit *edit);
	/** Free every table of the region, and then the root. Nobody may use them. */
	void (*free_tables)(const struct pt *pt);
	/** Count again: every live count is right, no item is frozen. */
	bool (*validate)(const struct pt *pt);

	/**
	 * The best rights of a user leaf that the format can express: what the
	 * user wants (PGW_USER_*), read added where needed, and as much access to data for
	 * the kernel as goes with it, execute only where the format leaves no choice;
	 * never more for the user otherwise.
	 * @return false if there are none
	 */
	bool (*user_rights)(const struct pt *pt, uint8_t wanted, unsigned level, uint8_t *ret);
};

/** A leaf, for what type of memory it is. */
struct pt_typed {
	const struct pgw_format *format;
	const struct pgw_control *control; /* complete */
	uint64_t entry;
};

struct pgw_format {
	const char *name;
	const char *alias; /* a shorter name, or NULL */
	const char *arch;
	struct pgw_geometry geometry;
	const char *const *table_names; /* by level */
	const struct pgw_attr *attrs;
	const struct pgw_later_bits *later_bits;
	const struct pgw_region *regions; /* ended by a NULL name */
	uint64_t attr_mask[PGW_MAX_LEVELS];
	const struct pgw_control_bit *controls; /* ended by a NULL name */
	uint32_t control_bits;                  /* all of those, and enum pgw_control_member */
	uint32_t control_assume;                /* of these, the ones assumed to be set */
	uint64_t assume_memory_types;           /* of struct pgw_control, if not known */
	uint32_t assume_domains;                /* the same of domains */
	uint8_t min_pa_bits;                    /* the least that a CPU of this architecture has */
	uint8_t assume_pa_bits; /* if not known; 0: the most that the format can hold */
	/* The name of a leaf's memory type, or NULL; static. NULL if the format cannot say. */
	const char *(*memory_type)(const struct pgw_control *control, uint64_t entry,
				   unsigned level);
	/*
	 * Of a stage 2: the type of memory that a leaf of stage 1 gives and a leaf here together, as
	 * memory_type() names it; NULL: the two do not go together. NULL if the format cannot say.
	 */
	const char *(*combined_type)(const struct pt_typed *stage1, const struct pt_typed *stage2);
	/* Of a stage 2: who executes is told by whose page it is in stage 1, not by who does. */
	bool is_user_by_page;
	/* The bits of a pointer that are a tag; the bit below them is what they would be without. */
	uint64_t (*tag_bits)(const struct pgw_geometry *geo, const struct pgw_control *control,
			     uint64_t va);
	void (*decode)(const struct pt_env *env, uint64_t entry, unsigned level,
		       struct pgw_entry *ret);
	uint64_t (*advance)(const struct pgw_format *format, uint64_t entry, unsigned level,
			    uint64_t bytes);
	void (*env_init)(const struct pgw_format *format, const struct pgw_control *control,
			 struct pt_env *ret);
	const struct pt_ops *ops;
	const struct pt_edit_ops *edit;
};

/** A tree: filled in, then completed by pt_prepare(); constant during an operation. */
struct pt {
	const struct pgw_format *format;
	struct pgw_control control; /* complete */
	uint64_t root_pa;
	struct pgw_region region;            /* what operations are asked about */
	uint64_t budget;                     /* reader: table visits an operation may make */
	const struct pgw_phys *phys;         /* reader: where the bytes are; NULL = owner */
	bool is_live;                        /* reader: they change; see read/live.h */
	uint64_t host_offset;                /* owner: host address minus physical address */
	const struct pgw_platform *platform; /* reader: where a scan's memo comes from, or NULL */
	struct pt_recall *recall;            /* reader: where translations ended, or NULL */
	const struct pgw_mm *mm;             /* owner: whose tree it is, for the platform's hooks */
	const struct pt_pages *pages;        /* owner: by pt_edit_ops' prepare_pages() */
	uint64_t *nr_unlinked; /* owner: tables that are not where they were; atomic */

	/* Made by pt_prepare(). */
	uint64_t page_mask; /* the bits of an address inside a smallest page */
	bool is_native;     /* an item is a word of the host, and an entry as it is */
	struct pt_env env;
	const struct pt_ops *ops;
	/* The byte of the root that an address's item begins at: va >> top_shift & top_mask. */
	uint64_t top_mask;
	unsigned top_shift;
	/* Tables in near_size bytes from near_first on are at near_offset + their physical address. */
	uint64_t near_first, near_size;
	uint64_t near_offset;
	const struct pt_lanes_ops *lanes; /* translations side by side, or NULL */
};

/**
 * A tree with no root yet, for looking at items of any table.
 * @param control complete; NULL: nothing is known
 */
void pt_reader_init(struct pt *pt, const struct pgw_phys *phys, const struct pgw_format *format,
		    const struct pgw_control *control);

/**
 * Complete a tree. Asks a reader's source for the memory around the root that it
 * can point at, but reads nothing.
 */
void pt_prepare(struct pt *pt);

/** An entry on its own. Pre: pt_prepare() or pt_reader_init(); pgw_entry_decode() makes an env for each. */
static inline void pt_decode_entry(const struct pt *pt, uint64_t entry, unsigned level,
				   struct pgw_entry *ret)
{
	pt->format->decode(&pt->env, entry, level, ret);
}

static inline const struct pt_ops *pt_ops(const struct pt *pt)
{
	return pt->ops;
}

/** The span of addresses that a whole root covers: log2. */
static inline unsigned pt_root_span_lg2(const struct pgw_geometry *geo)
{
	return (unsigned)geo->span_lg2[geo->top_level] + geo->slots_lg2[geo->top_level];
}

/** The index of va in a table of this level. */
static PGW_ALWAYS_INLINE unsigned pt_index(const struct pgw_geometry *geo, uint64_t va,
					   unsigned level)
{
	return (unsigned)((va >> geo->span_lg2[level]) & low_bits(geo->slots_lg2[level]));
}

/** The items of its root that a region has: @return the first; *ret_nr of them. */
static inline unsigned pt_region_slots(const struct pgw_geometry *geo,
				       const struct pgw_region *region, unsigned *ret_nr)
{
	unsigned first = pt_index(geo, region->first, geo->top_level);

	*ret_nr = pt_index(geo, region->last, geo->top_level) - first + 1;
	return first;
}

/** Bytes of a table at a level. */
static inline size_t pt_table_size(const struct pgw_geometry *geo, unsigned level)
{
	return (size_t)1 << (geo->slots_lg2[level] + geo->item_lg2);
}

/** Bytes of an owner's root. */
static inline size_t pt_root_size(const struct pt *pt)
{
	const struct pgw_geometry *geo = &pt->format->geometry;
	size_t size = pt_table_size(geo, geo->top_level);
	unsigned nr;

	if (!geo->is_root_concatenated)
		return size;
	pt_region_slots(geo, &pt->region, &nr);
	size = (size_t)nr << geo->item_lg2;
	return size < BIT(geo->root_align_lg2) ? BIT(geo->root_align_lg2) : size;
}

/** Items of a root. */
static inline unsigned pt_root_items(const struct pgw_geometry *geo, struct pgw_root root)
{
	return root.nr_items ? root.nr_items : 1u << geo->slots_lg2[geo->top_level];
}

/** Can a root be at this address, by its alignment? */
static inline bool pt_root_is_aligned(const struct pgw_geometry *geo, uint64_t pa)
{
	uint64_t align =
		geo->root_align_lg2 ? BIT(geo->root_align_lg2) : pt_table_size(geo, geo->top_level);

	return !(pa & (align - 1));
}

#endif
