/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_TREE_TABLES_H
#define SYSTEM_TREE_TABLES_H

/*
 * Every table of some trees, each once. The walks of the layers below visit a
 * table as often as entries lead to it, which in a hostile tree is without end;
 * here a set remembers what was seen. A table that is reached at two levels, or
 * of which entries mean different slots (s390x), counts as two.
 */

#include <pagewalk/format.h>
#include <pagewalk/phys.h>

/** What was met in them. */
struct tables_met {
	uint64_t nr_tables;
	uint64_t nr_malformed;  /* entries */
	uint64_t nr_shared;     /* tables that several entries point to */
	uint64_t nr_loops;      /* entries that lead back to a table above them */
	uint64_t nr_unreadable; /* tables of which bytes are missing */
	bool truncated;         /* the budget ran out */
};

/** A table that was seen. */
struct table_seen {
	uint64_t key;         /* address, level, and whether it was reached again */
	uint32_t first, last; /* slots that are meant */
};

/** What trees have in common, what to do with their tables, and what was met. */
struct tables {
	const struct pgw_phys *phys;
	const struct pgw_format *format;
	struct pgw_control control; /* complete */
	uint64_t budget;            /* tables that may be looked at */
	unsigned skip_first;        /* slots of roots that are not looked at: from here on */
	unsigned nr_skip;           /* so many */
	bool are_lowest_passed;     /* what is in the lowest tables is not looked at */
	/* Not 0 ends the visit, which returns the value. May be NULL. */
	int (*table)(uint64_t pa, uint64_t size, void *arg);
	int (*leaf)(const struct pgw_entry *entry, void *arg);
	void *arg;

	struct tables_met met;
	struct table_seen *seen; /* a hash set */
	unsigned seen_lg2;
};

/**
 * Look at the tables below a root that were not seen before.
 * @return 0, a callback's value, -PGW_EINVAL (no root can be there), -PGW_E2BIG
 *         (the budget ran out), -PGW_ENOMEM
 */
int tables_visit(struct tables *tables, struct pgw_root root);
void tables_fini(struct tables *tables);

#endif
