/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules over tables: which leads to which, from which roots, and what their items are. */
#include "analysis/audit_priv.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "pt/read/iter.h"

/* x86-64, Documentation/arch/x86/x86_64/mm.rst: one page of stacks, many times. */
#define X86_ESPFIX_FIRST UINT64_C(0xffffff0000000000)
#define X86_ESPFIX_LAST UINT64_C(0xffffff7fffffffff)

/* Of a table in the kernel's own root, whoever else has it. */
#define OWNER_KERNEL UINT32_MAX

/* ---- items ---- */

static int table_met(uint32_t table, void *arg)
{
	struct audit *a = (struct audit *)arg;

	if (table >= a->max_tables) {
		uint64_t max = a->max_tables ? a->max_tables * 2 : 256;
		void *grown = reallocarray(a->tables, max, sizeof(a->tables[0]));

		if (!grown)
			return -PGW_ENOMEM;
		a->tables = grown;
		a->max_tables = max;
	}
	a->tables[table] = (struct audit_table){ .trust = AUDIT_STALE };
	return 0;
}

static int item_met(uint32_t table, unsigned slot, uint64_t raw, const struct pgw_entry *entry,
		    void *arg)
{
	struct audit *a = (struct audit *)arg;

	(void)slot;
	(void)raw;
	a->tables[table].has_bad |= entry->kind == PGW_ENTRY_MALFORMED;
	return 0;
}

/*
 * Bits of tables that must be zero and that the MMU ignores: arm64's 50:48, but 49:48 with LPA2,
 * where they are of the address (Arm ARM D8.3.1).
 */
static uint64_t ignored_bits(const struct pgw_format *format)
{
	const char *name = pgw_format_name(format);

	if (strcmp(pgw_format_arch(format), "arm64") != 0)
		return 0;
	return strstr(name, "lpa2") ? BIT(50) : BITS(50, 48);
}

static const struct pgw_format *table_format(const struct audit *a, uint32_t table)
{
	return a->forest.readings[a->forest.tables[table].reading].format;
}

static int link_met(uint32_t table, unsigned slot, uint64_t raw, void *arg)
{
	struct audit *a = (struct audit *)arg;

	(void)slot;
	a->tables[table].has_bad |= (raw & ignored_bits(table_format(a, table))) != 0;
	return 0;
}

/* ---- a root ---- */

struct table_walk {
	struct audit *audit;
	size_t root;
	const struct pgw_region *region;
	bool is_own; /* the region is a process's own part */
};

static struct pgw_audit_finding table_finding(const struct table_walk *w, enum pgw_audit_rule rule,
					      uint32_t table, uint64_t va)
{
	const struct forest *f = &w->audit->forest;
	const struct pgw_geometry *geo = forest_geometry(f, table);
	unsigned level = f->tables[table].level;
	struct pgw_audit_finding finding = audit_finding(w->audit, rule, w->root);

	finding.region = w->region;
	finding.va_first = va;
	finding.va_last = va | low_bits(geo->span_lg2[level] + geo->slots_lg2[level]);
	finding.pa = f->tables[table].pa;
	return finding;
}

/* Stand before some slots of a table. */
static void items_begin(const struct audit *a, struct pt *pt, struct pt_iter *it, uint32_t table,
			struct audit_slots slots)
{
	const struct forest_table *t = &a->forest.tables[table];

	pt_reader_init(pt, a->forest.phys, table_format(a, table),
		       &a->forest.readings[t->reading].control);
	pt_iter_begin(it, pt, t->pa, t->level, slots.first, slots.last - slots.first + 1);
}

static bool is_bad(const struct pt_iter *it, uint64_t ignored)
{
	struct pgw_entry entry;

	if (it->nr_unreadable)
		return false;
	pt_iter_decode(it, &entry);
	return entry.kind == PGW_ENTRY_MALFORMED ||
	       (entry.kind == PGW_ENTRY_TABLE && it->entry & ignored);
}

/* The bad items of a table, or of some slots of it, the first of which is at va. */
static int bad_items_tell(const struct table_walk *w, uint32_t table, uint64_t va,
			  struct audit_slots slots)
{
	struct audit *a = w->audit;
	unsigned lg2 = forest_geometry(&a->forest, table)->span_lg2[a->forest.tables[table].level];
	struct pt_iter it;
	struct pt pt;
	int status = 0;

	if (!a->tables[table].has_bad)
		return 0;
	items_begin(a, &pt, &it, table, slots);
	while (!status && pt_iter_next(&it)) {
		struct pgw_audit_finding finding = table_finding(w, PGW_AUDIT_RESERVED, table, va);

		if (!is_bad(&it, ignored_bits(pt.format)))
			continue;
		finding.va_first = va + ((uint64_t)(it.slot - slots.first) << lg2);
		finding.va_last = finding.va_first | low_bits(lg2);
		finding.entry = it.entry;
		status = audit_add(a, &finding);
	}
	return status;
}

/* hugetlb shares tables that have nothing but large leaves, at one address. */
static bool is_hugetlb(const struct audit *a, uint32_t table, uint64_t va)
{
	const struct forest *f = &a->forest;

	return f->tables[table].level > 0 && a->tables[table].owner != OWNER_KERNEL &&
	       forest_edges_end(f, table) == f->tables[table].edge &&
	       a->tables[table].owner_va == va;
}

/* Whose own part the table is in. */
static int owner_check(const struct table_walk *w, uint32_t table, uint64_t va)
{
	struct audit *a = w->audit;
	struct audit_table *of = &a->tables[table];
	uint32_t user = w->is_own ? a->roots[w->root].user : OWNER_KERNEL;
	struct pgw_audit_finding finding;

	if (of->owner == user || (of->owner && !w->is_own))
		return 0;
	if (!of->owner) {
		of->owner = user;
		of->owner_va = va;
		return 0;
	}
	if (is_hugetlb(a, table, va))
		return 0;
	finding = table_finding(w, PGW_AUDIT_TABLE_SHARED, table, va);
	finding.detail =
		of->owner == OWNER_KERNEL ? "with the kernel's own root" : "with another process";
	finding.is_suspect |= of->trust != AUDIT_SURE;
	return audit_add(a, &finding);
}

/* A process's table, which the kernel does not know as one. */
static int mark_check(const struct table_walk *w, uint32_t table, uint64_t va)
{
	struct audit *a = w->audit;
	const struct audit_marks *marks = &a->facts.marks;
	const struct forest_table *t = &a->forest.tables[table];
	struct pgw_audit_finding finding;
	enum audit_mark mark;

	if (!w->is_own || !a->facts.has_kernel || marks->why_not || t->level >= marks->levels)
		return 0;
	mark = audit_mark_of(marks, &a->facts.memory, t->pa);
	if (mark == AUDIT_MARK_TABLE || mark == AUDIT_MARK_UNREADABLE ||
	    (mark == AUDIT_MARK_NO_PAGE && a->sums->nr_unreadable))
		return 0;
	finding = table_finding(w, PGW_AUDIT_TABLE_MARK, table, va);
	if (mark == AUDIT_MARK_NO_PAGE)
		finding.detail = "there is no struct page for it: it is no memory of the kernel's";
	return audit_add(a, &finding);
}

static int table_visit(uint32_t table, uint64_t va, void *arg)
{
	const struct table_walk *w = (const struct table_walk *)arg;
	struct audit *a = w->audit;
	struct audit_table *of = &a->tables[table];
	int status = audit_visit(a);

	if (!status && a->roots[w->root].trust != AUDIT_STALE)
		status = owner_check(w, table, va);
	if (of->trust > a->roots[w->root].trust)
		of->trust = a->roots[w->root].trust;
	if (!status)
		status = mark_check(w, table, va);
	if (!status)
		status = bad_items_tell(w, table, va,
					(struct audit_slots){ a->forest.tables[table].slot_first,
							      a->forest.tables[table].slot_last });
	return status;
}

/*
 * All slots have one and the same item, and nothing can be written there: KASAN's shadow begins as
 * a page of zeroes, by tables that have it, or each other, in all slots.
 */
static bool is_shadow(struct audit *a, uint32_t table)
{
	struct audit_table *of = &a->tables[table];
	const struct forest_table *t = &a->forest.tables[table];
	struct pgw_entry entry = { 0 };
	struct pt_iter it;
	struct pt pt;
	uint64_t first = 0;
	unsigned nr = 0;

	if (of->is_even || of->is_uneven)
		return of->is_even;
	items_begin(a, &pt, &it, table, (struct audit_slots){ t->slot_first, t->slot_last });
	while (pt_iter_next(&it) && !it.nr_unreadable && (!nr || it.entry == first)) {
		first = it.entry;
		nr++;
	}
	if (nr == t->slot_last - t->slot_first + 1u) {
		pt_decode_entry(&pt, first, t->level, &entry);
		of->is_even = entry.kind == PGW_ENTRY_TABLE ||
			      !(entry.rights & (PGW_KERNEL_W | PGW_USER_W));
	}
	of->is_uneven = !of->is_even;
	return of->is_even;
}

static int table_again(uint32_t table, uint64_t va, void *arg)
{
	const struct table_walk *w = (const struct table_walk *)arg;
	struct audit *a = w->audit;
	struct pgw_audit_finding finding;
	int status = audit_visit(a);

	if (status)
		return status;
	if (a->list[w->root].state == PGW_ROOT_TRAMPOLINE || is_shadow(a, table) ||
	    (a->facts.arch == AUDIT_X86_64 && va >= X86_ESPFIX_FIRST && va <= X86_ESPFIX_LAST))
		return 0;
	finding = table_finding(w, PGW_AUDIT_TABLE_TWICE, table, va);
	return audit_add(a, &finding);
}

/* The root's own table. */
static int root_table(const struct table_walk *w)
{
	struct audit *a = w->audit;
	uint32_t table = a->roots[w->root].table;
	const struct audit_slots slots =
		audit_region_slots(forest_geometry(&a->forest, table), w->region);
	struct audit_table *of = &a->tables[table];

	if (of->trust > a->roots[w->root].trust)
		of->trust = a->roots[w->root].trust;
	return bad_items_tell(w, table, w->region->first, slots);
}

/* A process's own part is the user's region; what the kernel uses itself has none. */
static bool is_process(const struct pgw_root_info *root)
{
	return root->state == PGW_ROOT_RUNNING || root->state == PGW_ROOT_MAPPED ||
	       root->state == PGW_ROOT_EMPTY;
}

static int root_visit(struct audit *a, size_t index)
{
	const struct pgw_root_info *root = &a->list[index];
	struct table_walk w = { .audit = a, .root = index };
	struct forest_walk walk = {
		.forest = &a->forest,
		.root = a->roots[index].table,
		.marks = a->marks,
		.mark = ++a->mark,
		.fn = table_visit,
		.again = table_again,
		.arg = &w,
	};
	int status = 0;

	for (w.region = pgw_format_regions(root->format); w.region->name && !status; w.region++) {
		if (!forest_root_has(root, w.region) ||
		    (w.region->kind == PGW_REGION_KERNEL && a->roots[index].shares_kernel))
			continue;
		w.is_own = w.region->kind == PGW_REGION_USER && is_process(root) &&
			   !a->roots[index].is_efi;
		walk.region = w.region;
		status = root_table(&w);
		if (!status)
			status = forest_visit(&walk);
	}
	return status;
}

/* ---- does a root have the kernel's own root's kernel region? ---- */

/* What an item says, whatever was accessed. */
static bool items_are_alike(const struct pt_iter *x, const struct pt_iter *y)
{
	struct pgw_entry a, b;

	if (x->slot != y->slot || x->nr_unreadable || y->nr_unreadable)
		return false;
	pt_iter_decode(x, &a);
	pt_iter_decode(y, &b);
	return a.kind == b.kind && a.pa == b.pa && a.rights == b.rights && a.size_lg2 == b.size_lg2;
}

static bool has_same_kernel(const struct audit *a, uint32_t table, uint32_t kernel,
			    const struct pgw_region *region)
{
	const struct audit_slots slots =
		audit_region_slots(forest_geometry(&a->forest, table), region);
	struct pt pt[2];
	struct pt_iter it[2];

	if (a->forest.tables[table].reading != a->forest.tables[kernel].reading)
		return false;
	items_begin(a, &pt[0], &it[0], table, slots);
	items_begin(a, &pt[1], &it[1], kernel, slots);
	for (;;) {
		bool has[2] = { pt_iter_next(&it[0]), pt_iter_next(&it[1]) };

		if (!has[0] || !has[1])
			return has[0] == has[1];
		if (!items_are_alike(&it[0], &it[1]))
			return false;
	}
}

/* The index of the kernel's own root in the list; nr_roots: it is not in it. */
static size_t kernel_index(const struct audit *a)
{
	size_t i = 0;

	while (i < a->nr_list && (a->roots[i].is_out || !a->facts.has_kernel ||
				  a->list[i].root.pa != a->facts.kernel.root.pa))
		i++;
	return i;
}

static void shared_kernels_find(struct audit *a, size_t kernel)
{
	const struct pgw_region *region;

	if (kernel == a->nr_list)
		return;
	region = pgw_format_region(a->list[kernel].format, PGW_REGION_KERNEL);
	for (size_t i = 0; region && i < a->nr_list; i++) {
		const struct pgw_root_info *root = &a->list[i];

		if (i != kernel && !a->roots[i].is_out && root->has_kernel &&
		    !pgw_format_is_split(root->format))
			a->roots[i].shares_kernel = has_same_kernel(a, a->roots[i].table,
								    a->roots[kernel].table, region);
	}
}

/* ---- loops ---- */

/* Is a table of this address below it, and by which entry? */
struct loop_search {
	struct audit *audit;
	uint64_t pa;
	bool is_found;
	uint64_t offset; /* where the entry is, from where the table begins */
	uint8_t level;   /* of the table that has the entry */
};

/* A table, for sorting by address, the highest level first. */
struct place {
	uint64_t pa;
	uint32_t table;
	uint8_t level;
};

static int place_compare(const void *x, const void *y)
{
	const struct place *s = x, *t = y;

	if (s->pa != t->pa)
		return s->pa < t->pa ? -1 : 1;
	return (s->level < t->level) - (s->level > t->level);
}

/* A step down, and what is still to be gone along. */
struct loop_step {
	uint64_t edge, end, offset;
};

static struct loop_step loop_step(const struct forest *f, uint32_t table, uint64_t offset)
{
	return (struct loop_step){ f->tables[table].edge, forest_edges_end(f, table), offset };
}

/* Below a table, without recursion: the way down, a level each. */
static int loop_search(struct loop_search *s, uint32_t top)
{
	struct audit *a = s->audit;
	const struct forest *f = &a->forest;
	const struct pgw_geometry *geo = forest_geometry(f, top);
	struct loop_step steps[PGW_MAX_LEVELS];
	unsigned top_level = f->tables[top].level, level = top_level;

	a->mark++;
	steps[level] = loop_step(f, top, 0);
	while (level <= top_level) {
		struct loop_step *step = &steps[level];
		const struct forest_edge *edge;
		int status;

		if (step->edge == step->end) {
			level++;
			continue;
		}
		edge = &f->edges[step->edge++];
		if (a->marks[edge->table] == a->mark)
			continue;
		status = audit_visit(a);
		if (status)
			return status;
		a->marks[edge->table] = a->mark;
		s->offset = step->offset + ((uint64_t)edge->slot << geo->span_lg2[level]);
		s->level = (uint8_t)level;
		s->is_found = f->tables[edge->table].pa == s->pa;
		if (s->is_found)
			return 0;
		level = f->tables[edge->table].level;
		steps[level] = loop_step(f, edge->table, s->offset);
	}
	return 0;
}

/* The first root that leads to the table, and where. */
struct place_search {
	struct audit *audit;
	uint32_t table;
	uint64_t va;
};

/* Above all that ends an audit. */
#define PLACE_FOUND INT_MAX

static int place_visit(uint32_t table, uint64_t va, void *arg)
{
	struct place_search *s = (struct place_search *)arg;

	int status = audit_visit(s->audit);

	s->va = va;
	return status ? status : table == s->table ? PLACE_FOUND : 0;
}

/* Where a region of a root has the table. @return PLACE_FOUND, 0 (nowhere), or what ends the audit */
static int loop_place(struct audit *a, const struct table_walk *w, const struct loop_search *s,
		       uint32_t table, uint64_t *ret)
{
	const struct pgw_geometry *geo = forest_geometry(&a->forest, table);
	struct place_search search = { .audit = a, .table = table };
	const struct forest_walk walk = {
		.forest = &a->forest,
		.root = a->roots[w->root].table,
		.region = w->region,
		.marks = a->marks,
		.mark = ++a->mark,
		.fn = place_visit,
		.arg = &search,
	};
	uint64_t in_root = low_bits(geo->span_lg2[geo->top_level] + geo->slots_lg2[geo->top_level]);
	int status;

	if (a->roots[w->root].table == table) {
		*ret = w->region->first & ~in_root;
		return s->offset >= (w->region->first & in_root) &&
				       s->offset <= (w->region->last & in_root)
			       ? PLACE_FOUND
			       : 0;
	}
	status = forest_visit(&walk);
	*ret = search.va;
	return status;
}

static int loop_tell(const struct loop_search *s, uint32_t table)
{
	struct audit *a = s->audit;
	struct table_walk w = { .audit = a };
	struct pgw_audit_finding finding;
	uint64_t va;
	int status;

	for (w.root = 0; w.root < a->nr_list; w.root++) {
		const struct pgw_root_info *root = &a->list[w.root];

		w.region = pgw_format_regions(root->format);
		for (; w.region->name && !a->roots[w.root].is_out; w.region++) {
			status = forest_root_has(root, w.region)
					 ? loop_place(a, &w, s, table, &va)
					 : 0;
			if (!status)
				continue;
			if (status != PLACE_FOUND)
				return status;
			finding = table_finding(&w, PGW_AUDIT_LOOP, table, va);
			finding.va_first = va + s->offset;
			finding.va_last =
				finding.va_first |
				low_bits(forest_geometry(&a->forest, table)->span_lg2[s->level]);
			return audit_add(a, &finding);
		}
	}
	return 0;
}

static struct place *places_sorted(const struct forest *f)
{
	struct place *places = malloc((f->nr_tables + 1) * sizeof(*places));

	for (uint64_t i = 0; places && i < f->nr_tables; i++)
		places[i] = (struct place){ f->tables[i].pa, (uint32_t)i, f->tables[i].level };
	if (places && f->nr_tables)
		qsort(places, f->nr_tables, sizeof(*places), place_compare);
	return places;
}

/* Those that are met at several levels may lead to themselves. */
static int loops_find(struct audit *a)
{
	struct place *places = places_sorted(&a->forest);
	int status = places ? 0 : -PGW_ENOMEM;

	for (uint64_t i = 0; i + 1 < a->forest.nr_tables && !status; i++) {
		struct loop_search search = { .audit = a, .pa = places[i].pa };

		if (places[i + 1].pa != places[i].pa || places[i + 1].level == places[i].level ||
		    a->nr_of_rule[PGW_AUDIT_LOOP] >= a->args->max_findings)
			continue;
		status = loop_search(&search, places[i].table);
		if (!status && search.is_found)
			status = loop_tell(&search, places[i].table);
	}
	free(places);
	return status;
}

/* ---- all of it ---- */

static int tables_read(struct audit *a)
{
	int status = 0;

	for (size_t i = 0; i < a->nr_list && !status; i++) {
		if (a->roots[i].is_out)
			continue;
		status = forest_add(&a->forest, &a->list[i], &a->roots[i].table);
		a->sums->nr_roots += !status;
		a->sums->nr_suspects += !status && a->roots[i].trust != AUDIT_SURE;
		/* What was not reached is not looked at. */
		a->roots[i].is_out = status != 0;
		if (status == -PGW_E2BIG) {
			a->sums->truncated = true;
			status = 0;
		}
		/* A task whose root is no address of a table: damage, and no reason to see nothing. */
		if (status == -PGW_EINVAL) {
			a->sums->nr_unreadable++;
			status = 0;
		}
	}
	a->sums->nr_tables = a->forest.nr_tables;
	for (uint64_t i = 0; i < a->forest.nr_tables; i++)
		a->sums->nr_unreadable += a->forest.tables[i].flags & FOREST_UNREADABLE ? 1 : 0;
	return status;
}

/* Frames of tables, for the rules over leaves. */
static int frames_find(struct audit *a)
{
	int status = 0;

	for (uint64_t i = 0; i < a->forest.nr_tables && !status; i++) {
		const struct forest_table *t = &a->forest.tables[i];
		uint64_t size =
			forest_table_size(forest_geometry(&a->forest, (uint32_t)i), t->level);

		if (a->tables[i].trust == AUDIT_SURE)
			status = ranges_add(&a->sure_tables, t->pa, t->pa + size - 1);
		else if (a->tables[i].trust == AUDIT_LOOKS)
			status = ranges_add(&a->looks_tables, t->pa, t->pa + size - 1);
	}
	ranges_sort(&a->sure_tables);
	ranges_sort(&a->looks_tables);
	return status;
}

int audit_tables(struct audit *a)
{
	int status;
	size_t kernel;

	a->forest.image = a->args->image;
	a->forest.phys = pgw_image_phys(a->args->image);
	a->forest.look.nr_all = 2 * (uint64_t)a->nr_list;
	a->forest.budget = a->args->max_tables;
	a->forest.item = item_met;
	a->forest.link = link_met;
	a->forest.table = table_met;
	a->forest.arg = a;
	status = tables_read(a);
	a->marks = status ? NULL : calloc(a->forest.nr_tables + 1, sizeof(a->marks[0]));
	if (!status && !a->marks)
		status = -PGW_ENOMEM;
	if (status)
		return status;
	kernel = kernel_index(a);
	shared_kernels_find(a, kernel);
	/* The kernel's comes first, so that what it has is its own. */
	if (kernel < a->nr_list)
		status = root_visit(a, kernel);
	for (size_t i = 0; i < a->nr_list && !status; i++) {
		if (i != kernel && !a->roots[i].is_out)
			status = root_visit(a, i);
	}
	if (!status)
		status = loops_find(a);
	if (status == -PGW_E2BIG) {
		a->sums->truncated = true;
		status = 0;
	}
	return status ? status : frames_find(a);
}
