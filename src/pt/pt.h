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

#include <pagewalk/format.h>
#include <pagewalk/phys.h>
#include <pagewalk/scan.h>
#include <pagewalk/walk.h>

struct pt;

/** Operations of one format and one loader. Locks are the caller's. */
struct pt_ops {
	int (*scan)(const struct pt *pt, uint64_t first, uint64_t last, pgw_extent_fn *fn, void *arg,
	            struct pgw_scan_stats *stats);
	/** va lies in a half of the format; path may be NULL. */
	void (*translate)(const struct pt *pt, uint64_t va, struct pgw_translation *ret,
	                  struct pgw_path *path);
	/**
	 * [start, end) as in walk.h, inside one half of the format; root_pa is
	 * where to start. walk has everything but action and the counts filled in.
	 */
	int (*walk)(const struct pt *pt, uint64_t root_pa, uint64_t start, uint64_t end,
	            struct pgw_mm_walk *walk);
};

/** Operations that change tables: owner loader only. */
struct pt_edit_ops {
	/** @return as pgw_mm_map_leaf() */
	int (*map_leaf)(const struct pt *pt, const struct pgw_platform *platform,
	                const struct pgw_leaf *leaf);
	/** @return 0 or -PGW_ENOENT; *ret_lg2 is the leaf's size */
	int (*unmap_leaf)(const struct pt *pt, uint64_t va, uint8_t *ret_lg2);
	/** Free every table, the root included. Nobody may use them. */
	void (*free_tables)(const struct pt *pt, const struct pgw_platform *platform);
};

struct pgw_format {
	const char *name;
	const char *alias; /* a shorter name, or NULL */
	const char *arch;
	struct pgw_geometry geometry;
	const char *const *table_names; /* by level */
	const struct pgw_attr *attrs;
	uint64_t attr_mask[PGW_MAX_LEVELS];
	uint32_t control_bits;   /* enum pgw_control_bit that the format has */
	uint32_t control_assume; /* of these, the ones assumed to be set */
	uint64_t assume_memory_types; /* of struct pgw_control, if not known */
	uint8_t min_pa_bits;     /* the least that a CPU of this architecture has */
	/* The name of a leaf's memory type, or NULL; static. NULL if the format cannot say. */
	const char *(*memory_type)(const struct pgw_control *control, uint64_t entry);
	void (*decode)(const struct pgw_format *format, const struct pgw_control *control,
	               uint64_t entry, unsigned level, struct pgw_entry *ret);
	uint64_t (*advance)(const struct pgw_format *format, uint64_t entry, unsigned level,
			    uint64_t bytes);
	const struct pt_ops *reader;
	const struct pt_ops *owner;
	const struct pt_edit_ops *edit;
};

/** A tree. Constant during an operation. */
struct pt {
	const struct pgw_format *format;
	struct pgw_control control; /* complete */
	uint64_t root_pa;
	uint64_t budget;             /* reader: table visits an operation may make */
	const struct pgw_phys *phys; /* reader: where the bytes are; NULL = owner */
	uint64_t host_offset;        /* owner: host address minus physical address */
};

static inline const struct pt_ops *pt_ops(const struct pt *pt)
{
	return pt->phys ? pt->format->reader : pt->format->owner;
}

/** The span of addresses that a whole root covers, per half or not: log2. */
static inline unsigned pt_root_span_lg2(const struct pgw_geometry *geo)
{
	return (unsigned)geo->span_lg2[geo->top_level] + geo->slots_lg2[geo->top_level];
}

/** Bytes of a table at a level; all items are 8 bytes. */
static inline size_t pt_table_size(const struct pgw_geometry *geo, unsigned level)
{
	return (size_t)8 << geo->slots_lg2[level];
}

/** Is va in one of the format's halves? Which one? */
static inline bool pt_va_half(const struct pgw_format *format, uint64_t va, enum pgw_half *ret)
{
	for (int half = 0; half < _PGW_HALF_MAX; half++) {
		uint64_t first, last;

		pgw_format_half_range(format, (enum pgw_half)half, &first, &last);
		if (va >= first && va <= last) {
			*ret = (enum pgw_half)half;
			return true;
		}
	}
	return false;
}

#endif
