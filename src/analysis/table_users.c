/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/analysis.h>

#include <stdlib.h>

#include "analysis/forest.h"
#include "system/tell.h"

/* A table is visited once for each root that has it. */
#define MAX_VISITS (UINT64_C(1) << 28)
#define TELL_EVERY (UINT64_C(1) << 16)

struct pgw_table_users {
	struct forest forest;
	uint32_t *nr; /* of each of its tables */
	/* While they are counted. */
	uint32_t *marks; /* the last user, of each */
	uint64_t nr_visits;
};

/* A root, or the two of a pair one behind the other. */
struct user {
	uint32_t user;
	uint32_t root; /* index in the list */
};

static int user_compare(const void *a, const void *b)
{
	const struct user *x = (const struct user *)a, *y = (const struct user *)b;

	if (x->user != y->user)
		return x->user < y->user ? -1 : 1;
	return x->root < y->root ? -1 : x->root > y->root;
}

static int table_used(uint32_t table, uint64_t va, void *arg)
{
	struct pgw_table_users *users = (struct pgw_table_users *)arg;

	(void)va;
	users->nr[table]++;
	if (++users->nr_visits == MAX_VISITS)
		return -PGW_E2BIG;
	return users->nr_visits % TELL_EVERY ? 0
					     : image_tell_look(users->forest.image,
							       &users->forest.look);
}

/* Tables that have the user's mark were counted for it: by the other half, or by the other of a pair. */
static int user_count(struct pgw_table_users *users, const struct pgw_root_info *root,
		      uint32_t table, uint32_t user)
{
	const struct pgw_region *region = pgw_format_regions(root->format);
	int status = 0;

	if (users->marks[table] != user)
		status = table_used(table, 0, users);
	users->marks[table] = user;
	for (; region->name && !status; region++) {
		const struct forest_walk walk = {
			.forest = &users->forest,
			.root = table,
			.region = region,
			.marks = users->marks,
			.mark = user,
			.fn = table_used,
			.arg = users,
		};

		if (forest_root_has(root, region))
			status = forest_visit(&walk);
	}
	return status;
}

/* Read all tables. @return with the list in order of users, and tables: the root's own of each */
static int users_read(struct pgw_table_users *users, const struct pgw_root_info *roots, size_t nr,
		      struct user *list, uint32_t *tables)
{
	int status = 0;

	for (size_t i = 0; i < nr && !status; i++) {
		list[i] = (struct user){ forest_root_user(roots, nr, i), (uint32_t)i };
		if (roots[i].state != PGW_ROOT_GUEST)
			status = forest_add(&users->forest, &roots[i], &tables[i]);
	}
	if (!status)
		qsort(list, nr, sizeof(*list), user_compare);
	return status;
}

static int users_fill(struct pgw_table_users *users, const struct pgw_root_info *roots, size_t nr)
{
	struct user *list = calloc(nr + 1, sizeof(*list));
	uint32_t *tables = calloc(nr + 1, sizeof(*tables));
	int status = list && tables ? users_read(users, roots, nr, list, tables) : -PGW_ENOMEM;

	if (!status) {
		users->nr = calloc(users->forest.nr_tables + 1, sizeof(*users->nr));
		users->marks = calloc(users->forest.nr_tables + 1, sizeof(*users->marks));
		status = users->nr && users->marks ? 0 : -PGW_ENOMEM;
	}
	for (size_t i = 0; i < nr && !status; i++) {
		const uint32_t root = list[i].root;

		if (roots[root].state != PGW_ROOT_GUEST)
			status = user_count(users, &roots[root], tables[root], list[i].user);
	}
	free(list);
	free(tables);
	free(users->marks);
	users->marks = NULL;
	return status;
}

int pgw_table_users_new(const struct pgw_image *image, const struct pgw_root_info *roots, size_t nr,
			uint64_t budget, struct pgw_table_users **ret)
{
	struct pgw_table_users *users = calloc(1, sizeof(*users));
	int status;

	if (!users)
		return -PGW_ENOMEM;
	users->forest = (struct forest){ .image = image,
					 .phys = pgw_image_phys(image),
					 .budget = budget,
					 .look.nr_all = nr };
	status = users_fill(users, roots, nr);
	if (!status)
		*ret = users;
	else
		pgw_table_users_free(users);
	return status;
}

/*
 * Roots that are not read alike (of a CPU whose registers say what others' are assumed to) have the same
 * tables, each in a reading of its own. No root is read in two ways, so none counts twice.
 */
uint32_t pgw_table_users_of(const struct pgw_table_users *users, const struct pgw_root_info *root,
			    const struct pgw_table *table)
{
	const struct forest *forest = &users->forest;
	struct forest_table sought = { .pa = table->pa,
				       .level = table->level,
				       .slot_first = table->slot_first,
				       .slot_last = table->slot_last };
	uint32_t nr = 0;

	for (unsigned i = 0; i < forest->nr_readings; i++) {
		int64_t found;

		sought.reading = (uint8_t)i;
		found = forest->readings[i].format == root->format ? forest_find(forest, &sought) : -1;
		nr += found < 0 ? 0 : users->nr[found];
	}
	return nr;
}

int pgw_table_users_each(const struct pgw_table_users *users, pgw_distinct_table_fn *fn, void *arg)
{
	const struct forest *f = &users->forest;
	int status = 0;

	for (uint64_t i = 0; i < f->nr_tables && !status; i++)
		status = fn(f->tables[i].pa, f->tables[i].level,
			    f->readings[f->tables[i].reading].format, arg);
	return status;
}

void pgw_table_users_free(struct pgw_table_users *users)
{
	if (!users)
		return;
	forest_fini(&users->forest);
	free(users->nr);
	free(users);
}
