/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ANALYSIS_FOREST_H
#define ANALYSIS_FOREST_H

/*
 * The distinct tables below many roots, each read once, and which leads to which: what processes
 * share is there once, whatever their number. A table is known by its address, its level, which of
 * its slots are meant (entries of s390x say that) and how it is read. Time and memory are bounded
 * by the budget, whatever the tables say: they are read in the order in which they are met, without
 * recursion.
 */

#include <pagewalk/image.h>

struct pt;

enum forest_flag {
	FOREST_UNREADABLE = 1 << 0, /* bytes of it are missing */
};

struct forest_table {
	uint64_t pa;
	uint64_t edge; /* its first; those of the next table begin where its end */
	uint32_t slot_first, slot_last; /* inclusive; a root can have 2^17 slots */
	uint8_t level;
	uint8_t reading;
	uint8_t flags; /* enum forest_flag */
};

/* An entry that leads to a table. */
struct forest_edge {
	uint32_t table;
	uint32_t slot;
};

/* One item that is no table: a leaf, malformed, or absent. Not 0 ends the reading. */
typedef int forest_item_fn(uint32_t table, unsigned slot, uint64_t raw,
			   const struct pgw_entry *entry, void *arg);

/* One item that leads to a table, raw. Not 0 ends the reading. */
typedef int forest_link_fn(uint32_t table, unsigned slot, uint64_t raw, void *arg);

/* How roots are read that are read alike. */
struct forest_reading {
	const struct pgw_format *format;
	struct pgw_control control; /* complete */
};

struct forest {
	const struct pgw_image *image; /* NULL: nobody is asked whether to go on */
	const struct pgw_phys *phys;   /* its */
	uint64_t budget;               /* tables; at most 2^31 */
	forest_item_fn *item;          /* NULL: none is looked at */
	forest_link_fn *link;          /* NULL: those are not looked at */
	/* A table was met, before its items are: room for what the caller keeps of it. May be NULL. */
	int (*table)(uint32_t table, void *arg);
	void *arg;
	struct pgw_look
		look; /* nr_all is the caller's; a root that was added is one that is done */

	struct forest_table *tables;
	uint64_t nr_tables, max_tables;
	struct forest_edge *edges;
	uint64_t nr_edges, max_edges;
	struct forest_reading *readings;
	unsigned nr_readings;
	uint32_t *seen; /* a hash set of indices + 1 */
	unsigned seen_lg2;
};

/*
 * Read the tables below a root that were not read before.
 * @param ret_table the root's own
 * @return 0, what a callback or whoever opened the image returned, -PGW_EINVAL (no root can be there), -PGW_E2BIG (the budget
 *         ran out), -PGW_ENOMEM
 */
int forest_add(struct forest *forest, const struct pgw_root_info *root, uint32_t *ret_table);
/* A table that was met, as it is read then: its number, or negative. Of what is given flags are not looked at. */
int64_t forest_find(const struct forest *forest, const struct forest_table *table);
void forest_fini(struct forest *forest);

static inline uint64_t forest_edges_end(const struct forest *forest, uint32_t table)
{
	return table + UINT64_C(1) < forest->nr_tables ? forest->tables[table + 1].edge
						       : forest->nr_edges;
}

static inline const struct pgw_geometry *forest_geometry(const struct forest *forest,
							 uint32_t table)
{
	return pgw_format_geometry(forest->readings[forest->tables[table].reading].format);
}

/* Bytes that a table takes. */
static inline uint64_t forest_table_size(const struct pgw_geometry *geo, unsigned level)
{
	return UINT64_C(1) << (geo->slots_lg2[level] + geo->item_lg2);
}

/* Some of a table's edges. */
struct forest_edges {
	const struct forest_edge *first;
	uint64_t nr;
};

/* Those of a root's table that are of a region. */
struct forest_edges forest_root_edges(const struct forest *forest, uint32_t root,
				      const struct pgw_region *region);

/* What a walk below a root meets: a table, at the first address where it is. */
typedef int forest_visit_fn(uint32_t table, uint64_t va, void *arg);

/* A walk of one region of a root; marks tell which tables were met. */
struct forest_walk {
	const struct forest *forest;
	uint32_t root;
	const struct pgw_region *region;
	uint32_t *marks; /* one for each table */
	uint32_t mark;   /* of this walk; those that have it are passed over */
	forest_visit_fn *fn;
	forest_visit_fn *again; /* what was met before in this walk is met again; may be NULL */
	void *arg;
};

/* The root's table is not reported. @return 0 or what fn returned, not 0 */
int forest_visit(const struct forest_walk *walk);

/* Does the root hold tables of the region? */
bool forest_root_has(const struct pgw_root_info *root, const struct pgw_region *region);

/* The number of a root, or of the first one of its pair, in a list, from 1 on. */
uint32_t forest_root_user(const struct pgw_root_info *roots, size_t nr, size_t index);

#endif
