/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats_counted.h"

#include <stdlib.h>
#include <string.h>

/* include/linux/mm.h: the area is of hugetlbfs, whose pages have no table aside. */
#define VM_HUGETLB UINT64_C(0x00400000)

struct counted {
	struct target *target;
	const struct owners *owners;
	struct pgw_pages *pages;
	uint64_t *marked; /* pages of tables that have the mark */
	size_t nr, max;
	uint64_t nr_unmarked;
	uint64_t nr_aside;
	/* Of the root that is looked at: areas of hugetlbfs. */
	struct pgw_pa_range *hugetlb; /* of virtual addresses */
	size_t nr_hugetlb, max_hugetlb;
	uint64_t nr_left; /* of the budget: huge pages of all roots together; tables of each */
};

/* Linux, mm/huge_memory.c: pgtable_trans_huge_deposit() for what is of a process alone. */
static bool has_table_aside(const struct counted *counted, uint64_t va, const struct pgw_page *page)
{
	/* Since 6.10 pages of hugetlbfs say so themselves. */
	if (page->mapping != PGW_PAGE_ANON || (page->type && !strcmp(page->type, "hugetlb")))
		return false;
	for (size_t i = 0; i < counted->nr_hugetlb; i++) {
		if (counted->hugetlb[i].first <= va && va <= counted->hugetlb[i].last)
			return false;
	}
	return true;
}

static int table_count(uint64_t pa, unsigned level, const struct pgw_format *format, void *arg)
{
	struct counted *counted = (struct counted *)arg;
	struct pgw_page page;

	(void)level;
	(void)format;
	if (pgw_page_get(counted->pages, pa, &page) || !page.type || strcmp(page.type, "table")) {
		counted->nr_unmarked++;
		return 0;
	}
	if (counted->nr == counted->max) {
		size_t max = counted->max ? 2 * counted->max : 1024;
		void *grown = reallocarray(counted->marked, max, sizeof(*counted->marked));

		if (!grown)
			return -PGW_ENOMEM;
		counted->marked = grown;
		counted->max = max;
	}
	counted->marked[counted->nr++] = page.pa;
	return 0;
}

static int compare_pages(const void *a, const void *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;

	return (*x > *y) - (*x < *y);
}

/* Several tables may lie in one page. */
static size_t pages_count(struct counted *counted)
{
	size_t nr = 0;

	if (counted->nr)
		qsort(counted->marked, counted->nr, sizeof(*counted->marked), compare_pages);
	for (size_t i = 0; i < counted->nr; i++)
		nr += !i || counted->marked[i] != counted->marked[i - 1];
	return nr;
}

static int huge_count(const struct pgw_extent *extent, void *arg)
{
	struct counted *counted = (struct counted *)arg;
	uint64_t size = UINT64_C(1) << extent->leaf_lg2, end = extent->va_last - extent->va_first;
	struct pgw_page page;

	if (interrupt_signal())
		return TARGET_STOPPED;
	if (extent->kind != PGW_ENTRY_LEAF)
		return 0;
	if (counted->nr_left <= end / size)
		return -PGW_E2BIG;
	counted->nr_left -= end / size + 1;
	for (uint64_t at = 0; at < end; at += size)
		counted->nr_aside += !pgw_page_get(counted->pages, extent->pa + at, &page) &&
				     has_table_aside(counted, extent->va_first + at, &page);
	return 0;
}

static int area_keep(const struct pgw_area *area, void *arg)
{
	struct counted *counted = (struct counted *)arg;

	if (!(area->flags & VM_HUGETLB))
		return 0;
	if (counted->nr_hugetlb == counted->max_hugetlb) {
		size_t max = counted->max_hugetlb ? 2 * counted->max_hugetlb : 16;
		void *grown = reallocarray(counted->hugetlb, max, sizeof(*counted->hugetlb));

		if (!grown)
			return -PGW_ENOMEM;
		counted->hugetlb = grown;
		counted->max_hugetlb = max;
	}
	counted->hugetlb[counted->nr_hugetlb++] =
		(struct pgw_pa_range){ area->start, area->end - 1 };
	return 0;
}

/* Which of its areas are of hugetlbfs. */
static int areas_find(struct counted *counted, const struct pgw_root_info *root)
{
	struct pgw_tasks *tasks = owners_tasks(counted->owners);
	uint64_t nr;
	const struct pgw_task *task = owners_find(counted->owners, root, &nr);
	int err;

	counted->nr_hugetlb = 0;
	if (!task)
		return 0;
	err = pgw_task_areas(tasks, pgw_tasks_with_mm(tasks, task), false, area_keep, counted, NULL);
	return err == -PGW_ENOMEM ? err : 0;
}

/* Huge pages of a process. */
static int root_count(struct counted *counted, const struct pgw_root_info *root)
{
	const struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = root->format,
		.phys = pgw_image_phys(counted->target->image),
		.root = root->root,
		.region = PGW_REGION_USER,
		.control = root->control,
		.budget = counted->nr_left ? counted->nr_left : 1,
	};
	struct pgw_dump_args dump = { .first = 0,
				      .merge = PGW_DUMP_RUNS,
				      .filter.sizes = UINT64_C(1)
						      << pgw_format_geometry(root->format)->span_lg2[1],
				      .fn = huge_count,
				      .arg = counted };
	struct pgw_dump_summary sums = { 0 };
	int err = areas_find(counted, root);

	if (!err)
		err = pgw_mm_attach(&args, &dump.mm);
	if (err)
		return err;
	dump.last = pgw_mm_region(dump.mm)->last;
	err = pgw_dump(&dump, &sums);
	pgw_mm_free(dump.mm);
	return !err && sums.scan.truncated ? -PGW_E2BIG : err;
}

/* @return 0, or negative: as pgw_dump() */
static int roots_count(struct counted *counted, const struct spaces *spaces)
{
	int err = 0;

	for (size_t i = 0; i < spaces->nr_own && !err; i++) {
		const struct pgw_root_info *root = &spaces->roots[i];

		if (!root->has_user || root->is_kpti_user ||
		    (root->state != PGW_ROOT_RUNNING && root->state != PGW_ROOT_MAPPED))
			continue;
		err = root_count(counted, root);
	}
	return err;
}

static void counted_record(struct counted *counted, struct record *record)
{
	uint64_t page = pgw_pages_size(counted->pages), nr = pages_count(counted);

	record_begin(record, "page_tables");
	record_size(record, "counted", (nr + counted->nr_aside) * page);
	record_size(record, "marked", nr * page);
	record_size(record, "aside", counted->nr_aside * page);
	record_dec(record, "unmarked_tables", counted->nr_unmarked);
	record_end(record);
}

/*
 * All roots, and one that nothing shows but its symbol: arm64's for the way from programs into the kernel,
 * whose tables are counted. @return their number; 0: there is no memory
 */
static size_t roots_list(struct target *target, const struct spaces *spaces,
			 struct pgw_root_info **ret)
{
	struct pgw_mm_attach_args args = { .platform = pgw_hosted_platform(),
					   .phys = pgw_image_phys(target->image),
					   .region = PGW_REGION_KERNEL };
	struct pgw_root_info *list = calloc(spaces->nr_own + 1, sizeof(*list)), kernel;
	const struct pgw_symbols *symbols;
	struct pgw_translation to = { .kind = PGW_ENTRY_EMPTY };
	struct pgw_symbol symbol;
	struct pgw_mm *mm;
	size_t nr = 0;

	*ret = list;
	for (; list && nr < spaces->nr_own; nr++)
		list[nr] = spaces->roots[nr];
	if (!list || pgw_image_symbols(target->image, &symbols, NULL) ||
	    !pgw_symbols_find(symbols, "tramp_pg_dir", &symbol) ||
	    pgw_image_kernel_root(target->image, &kernel, NULL))
		return nr;
	args.format = kernel.format;
	args.root = kernel.root;
	args.control = kernel.control;
	if (pgw_mm_attach(&args, &mm))
		return nr;
	if (!pgw_translate(mm, symbol.va, &to) && to.kind == PGW_ENTRY_LEAF)
		list[nr++] = (struct pgw_root_info){ .root.pa = to.pa,
						     .format = kernel.format,
						     .control = kernel.control,
						     .has_kernel = true,
						     .state = PGW_ROOT_UNKNOWN };
	pgw_mm_free(mm);
	return nr;
}

int stats_counted(struct target *target, const struct spaces *spaces, const struct owners *owners,
		  uint64_t budget, struct record *record)
{
	struct counted counted = { .target = target, .owners = owners, .nr_left = budget };
	struct pgw_root_info *roots = NULL;
	size_t nr;
	struct pgw_table_users *users = NULL;
	int err = pgw_pages_open(target->image, &counted.pages, NULL);

	target_progress_end(target);
	if (err)
		return err == -PGW_ENOMEM || err == -PGW_EINTR ? err : 0;
	nr = roots_list(target, spaces, &roots);
	err = roots ? pgw_table_users_new(target->image, roots, nr, budget, &users) : -PGW_ENOMEM;
	if (!err)
		err = pgw_table_users_each(users, table_count, &counted);
	if (!err)
		err = roots_count(&counted, spaces);
	target_progress_end(target);
	if (!err)
		counted_record(&counted, record);
	pgw_table_users_free(users);
	pgw_pages_close(counted.pages);
	free(counted.marked);
	free(counted.hugetlb);
	free(roots);
	return err;
}
