/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"
#include "tasks.h"

/* Addresses of ranges are counted in these: no format has smaller leaves. */
#define UNIT_LG2 12
#define STOP_MEMORY 1
#define NR_BUCKETS 1024

/* What a range lets be done, by any actor; as the map's colours have it. */
enum use { USE_NONE, USE_READ, USE_WRITE, USE_EXECUTE, USE_BOTH, _USE_MAX };

/* Ranges that differ in nothing but addresses. */
struct range_class {
	enum pgw_entry_kind kind;
	uint8_t level, leaf_lg2, rights;
	char *attrs;
	uint32_t next; /* in its bucket, plus 1 */
};

/* Of what the kernel uses addresses for, all that has one name. */
struct use_sums {
	const char *name;
	uint64_t first, last; /* of the first range in it, to the last */
	uint64_t nr_ranges;
	uint64_t bytes[_USE_MAX];
};

/*
 * Ranges as the page has them: of each, as numbers of seven bits with the last marked by its clear
 * eighth: from where the one before ended to its first page (signed: bit 0 is the sign); its pages
 * less 1; its class; and if that is of leaves, from where the physical pages of the leaves before
 * ended to its first one (signed).
 */
struct space {
	struct page *page;
	struct report report;
	uint8_t *bytes;
	size_t size, room;
	struct range_class *classes;
	size_t nr_classes, max_classes;
	uint32_t bucket[NR_BUCKETS]; /* the first class of each, plus 1 */
	uint32_t last_class;
	uint64_t next_va, next_pa; /* where the one before ended, plus 1, in units */
	uint64_t nr_rows;
	struct html repeats; /* [[row,"last",[[count,step],...]],...] */
	bool has_repeats;
	uint64_t use_bytes[_USE_MAX];
	struct use_sums *sums;
	size_t nr_sums;
	struct html_table *shown; /* NULL: another space's ranges are */
};

static enum use use_of(unsigned rights)
{
	const unsigned any = (rights | rights >> 3) & 7, wx = PGW_KERNEL_W | PGW_KERNEL_X;

	if ((rights & wx) == wx || (rights >> 3 & wx) == wx)
		return USE_BOTH;
	return any & PGW_KERNEL_X   ? USE_EXECUTE
	       : any & PGW_KERNEL_W ? USE_WRITE
	       : any & PGW_KERNEL_R ? USE_READ
				    : USE_NONE;
}

static bool put_number(struct space *space, uint64_t value)
{
	if (space->room - space->size < 10) {
		size_t room = space->room ? 2 * space->room : 65536;
		uint8_t *bytes = realloc(space->bytes, room);

		if (!bytes)
			return false;
		space->bytes = bytes;
		space->room = room;
	}
	for (; value > 0x7f; value >>= 7)
		space->bytes[space->size++] = (uint8_t)(value | 0x80);
	space->bytes[space->size++] = (uint8_t)value;
	return true;
}

static bool put_signed(struct space *space, uint64_t value)
{
	return put_number(space, value >> 63 ? ~value << 1 | 1 : value << 1);
}

static bool is_class(const struct range_class *a, const struct range_class *b)
{
	return a->kind == b->kind && a->level == b->level && a->leaf_lg2 == b->leaf_lg2 &&
	       a->rights == b->rights && strcmp(a->attrs, b->attrs) == 0;
}

/* FNV-1a. */
static uint32_t class_bucket(const struct range_class *class)
{
	uint32_t hash = 2166136261u ^ (unsigned)class->kind ^ (uint32_t) class->level << 8 ^
			(uint32_t) class->leaf_lg2 << 16 ^ (uint32_t) class->rights << 24;

	for (const char *c = class->attrs; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	return (hash ^ hash >> 16) % NR_BUCKETS;
}

static bool class_add(struct space *space, const struct range_class *class, uint32_t bucket)
{
	if (space->nr_classes == space->max_classes) {
		size_t max = space->max_classes ? 2 * space->max_classes : 64;
		struct range_class *classes = realloc(space->classes, max * sizeof(classes[0]));

		if (!classes)
			return false;
		space->classes = classes;
		space->max_classes = max;
	}
	space->classes[space->nr_classes] = *class;
	space->classes[space->nr_classes].attrs = strdup(class->attrs);
	if (!space->classes[space->nr_classes].attrs)
		return false;
	space->classes[space->nr_classes].next = space->bucket[bucket];
	space->bucket[bucket] = (uint32_t)++space->nr_classes;
	return true;
}

/* @return its number plus 1; 0: there is no memory */
static uint32_t class_of(struct space *space, const struct pgw_extent *extent)
{
	static char none[] = "";
	struct range_class class = { .kind = extent->kind, .level = extent->level, .attrs = none };
	uint32_t bucket, found;

	if (extent->kind == PGW_ENTRY_LEAF) {
		class.leaf_lg2 = extent->leaf_lg2;
		class.rights = extent->rights;
		class.attrs = (char *)(uintptr_t)report_attr_names(&space->report, extent->entry,
								   extent->level, "", " ");
	}
	if (space->last_class && is_class(&space->classes[space->last_class - 1], &class))
		return space->last_class;
	bucket = class_bucket(&class);
	for (found = space->bucket[bucket]; found; found = space->classes[found - 1].next)
		if (is_class(&space->classes[found - 1], &class))
			return space->last_class = found;
	if (!class_add(space, &class, bucket))
		return 0;
	return space->last_class = (uint32_t)space->nr_classes;
}

/* Names are static strings, and there are few. */
static struct use_sums *sums_of(struct space *space, uint64_t va)
{
	const struct pgw_layout *layout = space->page->target->layout;
	const struct pgw_layout_range *range = layout ? pgw_layout_at(layout, va) : NULL;
	const char *name = range ? range->name : NULL;
	struct use_sums *sums;

	for (size_t i = 0; i < space->nr_sums; i++)
		if (space->sums[i].name == name ||
		    (name && space->sums[i].name && strcmp(space->sums[i].name, name) == 0))
			return &space->sums[i];
	sums = realloc(space->sums, (space->nr_sums + 1) * sizeof(sums[0]));
	if (!sums)
		return NULL;
	space->sums = sums;
	sums[space->nr_sums] = (struct use_sums){ .name = name, .first = va };
	return &sums[space->nr_sums++];
}

static bool space_count(struct space *space, const struct pgw_extent *extent, uint64_t times,
			uint64_t last)
{
	uint64_t bytes = times * (extent->va_last - extent->va_first + 1);
	enum use use = use_of(extent->rights);
	struct use_sums *sums;

	if (extent->kind != PGW_ENTRY_LEAF)
		return true;
	space->use_bytes[use] += bytes;
	if (!space->page->target->layout)
		return true;
	sums = sums_of(space, extent->va_first);
	if (!sums)
		return false;
	sums->nr_ranges += times;
	sums->bytes[use] += bytes;
	sums->last = last;
	return true;
}

static bool space_put(struct space *space, const struct pgw_extent *extent)
{
	uint64_t va = extent->va_first >> UNIT_LG2, last = extent->va_last >> UNIT_LG2;
	uint64_t pa = extent->pa >> UNIT_LG2;
	uint32_t class = class_of(space, extent);

	if (!class || !put_signed(space, va - space->next_va) || !put_number(space, last - va) ||
	    !put_number(space, class - 1))
		return false;
	space->next_va = last + 1;
	if (extent->kind != PGW_ENTRY_LEAF)
		return true;
	if (!put_signed(space, pa - space->next_pa))
		return false;
	space->next_pa = pa + (last - va) + 1;
	return true;
}

static void space_show(struct space *space, const struct pgw_extent *extent, uint64_t last)
{
	const struct pgw_layout *layout = space->page->target->layout;
	const struct pgw_layout_range *range =
		layout ? pgw_layout_at(layout, extent->va_first) : NULL;
	bool is_leaf = extent->kind == PGW_ENTRY_LEAF;
	struct html_table *table = space->shown;
	char rights[16];

	html_row(table);
	html_cell(table, extent->va_first);
	html_cell(table, last);
	if (is_leaf)
		html_cell(table, extent->pa);
	else
		html_cell_none(table);
	html_cell(table, extent->va_last - extent->va_first + 1);
	if (is_leaf)
		html_cell(table, UINT64_C(1) << extent->leaf_lg2);
	else
		html_cell_none(table);
	snprintf(rights, sizeof(rights), "%s/%s", report_rights(extent->rights),
		 report_actor(space->report.format, 1) ? report_rights(extent->rights >> 3) : "");
	html_cell_text(table, is_leaf ? rights : report_kind(extent->kind));
	html_cell_text(table, is_leaf ? report_attr_names(&space->report, extent->entry,
							  extent->level, "", " ")
				      : NULL);
	html_cell_text(table, range ? range->name : NULL);
	html_row_end(table);
}

static int space_go_on(struct space *space, bool is_put)
{
	if (!is_put)
		return STOP_MEMORY;
	space->nr_rows++;
	return interrupt_signal() ? TARGET_STOPPED : 0;
}

static int space_extent(const struct pgw_extent *extent, void *arg)
{
	struct space *space = arg;

	if (space->shown && space->shown->nr_rows < PAGE_SHOWN)
		space_show(space, extent, extent->va_last);
	return space_go_on(space, space_put(space, extent) &&
					  space_count(space, extent, 1, extent->va_last));
}

static int space_repeated(const struct pgw_extent *extent, const struct pgw_repeats *repeats,
			  void *arg)
{
	struct space *space = arg;
	FILE *to = space->repeats.to;
	uint64_t times = 1;

	if (space->shown && space->shown->nr_rows < PAGE_SHOWN)
		space_show(space, extent, repeats->va_last);
	fprintf(to, "%s[%" PRIu64 ",\"0x%016" PRIx64 "\",[", space->has_repeats ? "," : "",
		space->nr_rows, repeats->va_last);
	space->has_repeats = true;
	for (unsigned i = 0; i < repeats->nr; i++) {
		times *= repeats->by[i].nr;
		fprintf(to, "%s[%" PRIu64 ",\"0x%" PRIx64 "\"]", i ? "," : "", repeats->by[i].nr,
			repeats->by[i].step);
	}
	fputs("]]", to);
	return space_go_on(space, space_put(space, extent) &&
					  space_count(space, extent, times, repeats->va_last));
}

/* An area of a process, or what the kernel uses a range for: [first,last,name,detail]. */
static void use_put(FILE *to, bool *is_more, uint64_t first, uint64_t last, const char *name,
		    const char *detail)
{
	fprintf(to, "%s[\"0x%016" PRIx64 "\",\"0x%016" PRIx64 "\",", *is_more ? ",\n" : "\n", first,
		last);
	*is_more = true;
	html_string(to, name, strlen(name));
	fputc(',', to);
	html_string(to, detail, strlen(detail));
	fputc(']', to);
}

struct area_puts {
	FILE *to;
	bool is_more;
};

static int area_put(const struct pgw_area *area, void *arg)
{
	struct area_puts *puts = arg;

	if (tasks_area_is_kernels(area))
		return 0;
	use_put(puts->to, &puts->is_more, area->start, area->end - 1,
		*area->name ? area->name : "[anonymous]", "");
	return 0;
}

static void space_uses(const struct space *space, const struct pgw_region *region, FILE *to)
{
	const struct pgw_layout *layout = space->page->target->layout;
	struct area_puts puts = { .to = to };
	struct pgw_root_owner owner;
	struct pgw_areas_met met;
	size_t nr = 0;

	if (region->kind == PGW_REGION_KERNEL && layout) {
		const struct pgw_layout_range *list = pgw_layout_list(layout, &nr);

		for (size_t i = 0; i < nr; i++)
			use_put(to, &puts.is_more, list[i].first, list[i].last, list[i].name,
				list[i].detail);
	}
	/* What its owner lacks is told where processes are. */
	if (region->kind == PGW_REGION_USER && space->page->tasks &&
	    pgw_tasks_root_owner(space->page->tasks, &space->page->target->root, &owner) &&
	    owner.task)
		pgw_task_areas(space->page->tasks, owner.task, false, area_put, &puts, &met);
}

static void classes_put(const struct space *space, FILE *to)
{
	for (size_t i = 0; i < space->nr_classes; i++) {
		const struct range_class *class = &space->classes[i];
		bool is_leaf = class->kind == PGW_ENTRY_LEAF;

		fprintf(to, "%s[\"%s\",%u,%u,\"%s\",\"%s\",", i ? "," : "",
			is_leaf ? "leaf" : report_kind(class->kind), class->level, class->leaf_lg2,
			is_leaf ? report_rights(class->rights) : "",
			is_leaf && report_actor(space->report.format, 1)
				? report_rights(class->rights >> 3)
				: "");
		html_string(to, class->attrs, strlen(class->attrs));
		fprintf(to, ",%d]", (int)use_of(class->rights));
	}
}

/* What the script reads: two elements, of which the second is the ranges' bytes. */
static void space_data(struct space *space, const struct pgw_region *region, const char *name,
		       const struct pgw_dump_summary *sums)
{
	const struct pgw_format *format = space->report.format;
	FILE *to = space->page->part[PAGE_DATA].to;

	fprintf(to, "<script type=\"application/json\" class=\"space\">{\"name\":");
	html_string(to, name, strlen(name));
	fprintf(to,
		",\"root\":\"0x%016" PRIx64 "\",\"format\":\"%s\",\"region\":\"%s\","
		"\"first\":\"0x%016" PRIx64 "\",\"last\":\"0x%016" PRIx64
		"\",\"actors\":[\"%s\",\"%s\"]",
		space->report.root_pa, pgw_format_name(format), region->name, region->first,
		region->last, report_actor(format, 0),
		report_actor(format, 1) ? report_actor(format, 1) : "");
	fprintf(to,
		",\"rows\":%" PRIu64 ",\"lines\":%" PRIu64 ",\"ranges\":%" PRIu64
		",\"leaves\":%" PRIu64 ",\"bytes\":\"%" PRIu64 "\",\"malformed\":%" PRIu64
		",\"unreadable\":%" PRIu64 ",\"truncated\":%s,\"classes\":[",
		space->nr_rows, sums->nr_lines, sums->nr_ranges, sums->nr_leaves, sums->bytes,
		sums->scan.nr_malformed, sums->scan.nr_unreadable,
		sums->scan.truncated ? "true" : "false");
	classes_put(space, to);
	fprintf(to, "],\"repeats\":[%s],\"uses\":[", space->repeats.bytes);
	space_uses(space, region, to);
	fputs("]}</script>\n<script type=\"text/plain\" class=\"ranges\">", to);
	html_base64(to, space->bytes, space->size);
	fputs("</script>\n", to);
}

static void space_row(struct html_table *table, const struct space *space,
		      const struct pgw_region *region, const char *name,
		      const struct pgw_dump_summary *sums)
{
	html_row(table);
	html_cell_text(table, name);
	html_cell(table, space->report.root_pa);
	html_cell_text(table, region->name);
	html_cell(table, sums->nr_ranges);
	html_cell(table, sums->nr_lines);
	html_cell(table, sums->bytes);
	for (enum use use = USE_READ; use < _USE_MAX; use++)
		html_cell(table, space->use_bytes[use]);
	html_cell(table, sums->scan.nr_malformed);
	html_cell(table, sums->scan.nr_unreadable);
	html_cell_text(table, sums->scan.truncated       ? "cut short"
			      : sums->scan.nr_unreadable ? "tables missing"
							 : "whole");
	html_row_end(table);
}

static bool uses_table(const struct space *space, FILE *to)
{
	static const struct html_about columns = {
		.id = "uses",
		.caption = "What the kernel uses its addresses for",
		.max_shown = UINT64_MAX,
		.columns = {
		{ "use", "Used for", HTML_WORD },   { "first", "First", HTML_ADDRESS },
		{ "last", "Last", HTML_ADDRESS },   { "ranges", "Ranges", HTML_COUNT },
		{ "r", "Read only", HTML_BYTES },   { "rw", "Writable", HTML_BYTES },
		{ "rx", "Executable", HTML_BYTES }, { "wx", "W+X", HTML_BYTES },
		},
	};
	struct html_table table;

	if (!html_table_begin(&table, to, &columns))
		return false;
	for (size_t i = 0; i < space->nr_sums; i++) {
		const struct use_sums *sums = &space->sums[i];

		html_row(&table);
		html_cell_text(&table, sums->name ? sums->name : "not known");
		html_cell(&table, sums->first);
		html_cell(&table, sums->last);
		html_cell(&table, sums->nr_ranges);
		for (enum use use = USE_READ; use < _USE_MAX; use++)
			html_cell(&table, sums->bytes[use]);
		html_row_end(&table);
	}
	return html_table_end(&table);
}

static void space_free(struct space *space)
{
	for (size_t i = 0; i < space->nr_classes; i++)
		free(space->classes[i].attrs);
	free(space->classes);
	free(space->bytes);
	free(space->sums);
	html_free(&space->repeats);
	free(space);
}

/* All spaces. */
struct spaces {
	struct page *page;
	struct html_table table, ranges;
	struct html uses; /* of the first one, if that is the kernel's */
	uint64_t nr_unreadable, nr_malformed, nr_truncated;
};

static int space_dump(struct space *space, const struct pgw_region *region,
		      struct pgw_dump_summary *sums)
{
	struct page *page = space->page;
	struct pgw_mm *mm = page->target->mm[region->kind];
	struct pgw_dump_args args = {
		.mm = mm,
		.first = pgw_mm_region(mm)->first,
		.last = pgw_mm_region(mm)->last,
		.merge = PGW_DUMP_RANGES,
		.fn = space_extent,
		.repeated_fn = space_repeated,
		.arg = space,
	};
	uint64_t left = PAGE_MAX_RANGES - page->nr_lines;

	args.max_lines = pgw_mm_budget(mm) < left ? pgw_mm_budget(mm) : left;
	if (!left) {
		sums->scan.truncated = true;
		return 0;
	}
	return pgw_dump(&args, sums);
}

/* A root without ranges in this region is no address space that anybody has. */
static int space_add(struct spaces *spaces, const struct pgw_region *region, bool is_kernels)
{
	struct page *page = spaces->page;
	struct pgw_dump_summary sums = { 0 };
	struct space *space = calloc(1, sizeof(*space));
	char name[160];
	int err = -PGW_ENOMEM;

	if (!space)
		return err;
	space->page = page;
	space->report = target_report(page->target, page->opts, NULL);
	space->shown = page->nr_spaces ? NULL : &spaces->ranges;
	if (html_begin(&space->repeats))
		err = space_dump(space, region, &sums);
	if (err == STOP_MEMORY || !html_done(&space->repeats))
		err = -PGW_ENOMEM;
	if (err < 0 && err != -PGW_ENOMEM) {
		sums.scan.truncated = true;
		err = 0;
	}
	if (!err && (space->nr_rows || is_kernels || sums.scan.truncated)) {
		page_owner(page, &page->target->root, name, sizeof(name));
		space_row(&spaces->table, space, region, name, &sums);
		space_data(space, region, name, &sums);
		if (is_kernels && !spaces->uses.to && space->nr_sums &&
		    (!html_begin(&spaces->uses) || !uses_table(space, spaces->uses.to)))
			err = -PGW_ENOMEM;
		page->mapped_bytes = page->nr_spaces++ ? page->mapped_bytes : sums.bytes;
		page->nr_ranges += sums.nr_ranges;
		page->nr_lines += space->nr_rows;
		spaces->nr_unreadable += sums.scan.nr_unreadable;
		spaces->nr_malformed += sums.scan.nr_malformed;
		spaces->nr_truncated += sums.scan.truncated;
	}
	space_free(space);
	return err;
}

static bool has_region(const struct page *page, const struct pgw_root_info *root,
		       const struct pgw_region *region, bool has_kernel)
{
	(void)page;
	if (root->state == PGW_ROOT_GUEST)
		return false;
	/* All roots have the kernel's half in common with its own. */
	if (region->kind == PGW_REGION_KERNEL)
		return root->has_kernel && (root->state == PGW_ROOT_KERNEL || !has_kernel);
	/* So have the two of a KPTI pair that of programs. */
	return region->kind == PGW_REGION_USER && root->has_user && !root->is_kpti_user &&
	       root->state != PGW_ROOT_EMPTY;
}

static int spaces_of_root(struct spaces *spaces, const struct pgw_root_info *root, bool has_kernel)
{
	struct page *page = spaces->page;
	struct target *target = page->target;
	int err = 0;

	for (const struct pgw_region *region = pgw_format_regions(root->format);
	     region->name && !err; region++) {
		bool is_kernels =
			root->state == PGW_ROOT_KERNEL && region->kind == PGW_REGION_KERNEL;

		if (!has_region(page, root, region, has_kernel))
			continue;
		target->root = *root;
		if (target_attach(target, page->opts, REGION_BIT(region->kind)) == TOOL_DONE)
			err = space_add(spaces, region, is_kernels);
		else
			page->is_cut = true;
		target_detach(target);
	}
	return err;
}

/* The kernel's own first. */
static int spaces_all(struct spaces *spaces)
{
	struct page *page = spaces->page;
	bool has_kernel = false;
	int err = 0;

	for (size_t i = 0; i < page->nr_roots; i++)
		has_kernel |= page->roots[i].state == PGW_ROOT_KERNEL && page->roots[i].has_kernel;
	for (int others = 0; others < 2; others++) {
		for (size_t i = 0; i < page->nr_roots && !err; i++) {
			if ((page->roots[i].state != PGW_ROOT_KERNEL) == others)
				err = spaces_of_root(spaces, &page->roots[i], has_kernel);
		}
	}
	return err;
}

static bool spaces_begin(struct spaces *spaces)
{
	static const struct html_about columns = {
		.id = "spaces",
		.caption = "Address spaces",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "space", "Address space", HTML_NAME }, { "root", "Root", HTML_ADDRESS },
		{ "region", "Region", HTML_WORD },       { "ranges", "Ranges", HTML_COUNT },
		{ "lines", "Lines", HTML_COUNT },        { "bytes", "Mapped", HTML_BYTES },
		{ "r", "Read only", HTML_BYTES },        { "rw", "Writable", HTML_BYTES },
		{ "rx", "Executable", HTML_BYTES },      { "wx", "W+X", HTML_BYTES },
		{ "malformed", "Bad", HTML_COUNT },      { "unreadable", "Missing", HTML_COUNT },
		{ "whole", "Looked at", HTML_WORD },
		},
	};
	static const struct html_about range_columns = {
		.id = "first-ranges",
		.caption = "The first ranges of the first address space",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "first", "First", HTML_ADDRESS },   { "last", "Last", HTML_ADDRESS },
		{ "pa", "Physical", HTML_ADDRESS },   { "size", "Size", HTML_BYTES },
		{ "leaf", "Page", HTML_BYTES },       { "rights", "Rights", HTML_WORD },
		{ "attrs", "Attributes", HTML_WORD }, { "use", "Used for", HTML_WORD },
		},
	};
	struct html *part = spaces->page->part;

	if (!html_table_begin(&spaces->table, part[PAGE_MAP].to, &columns))
		return false;
	if (html_table_begin(&spaces->ranges, part[PAGE_RANGES].to, &range_columns))
		return true;
	html_table_end(&spaces->table);
	return false;
}

/* What is not there, or not as it should be. */
static void spaces_met(const struct spaces *spaces)
{
	struct page *page = spaces->page;
	FILE *to = page->part[PAGE_MAP].to;

	page->is_cut |= spaces->nr_truncated || spaces->nr_unreadable || spaces->nr_malformed;
	if (spaces->nr_unreadable)
		fprintf(to,
			"<p class=\"notice\">The tables of %" PRIu64
			" ranges are not in the image.</p>\n",
			spaces->nr_unreadable);
	if (spaces->nr_malformed)
		fprintf(to, "<p class=\"notice\">%" PRIu64 " entries are malformed.</p>\n",
			spaces->nr_malformed);
	if (spaces->nr_truncated)
		fprintf(to,
			"<p class=\"notice\">Of %" PRIu64
			" address spaces not all is here: a budget ran out, or a root cannot be "
			"where it is said.</p>\n",
			spaces->nr_truncated);
}

int page_spaces(struct page *page)
{
	struct spaces spaces = { .page = page };
	bool is_whole;
	int err;

	if (!spaces_begin(&spaces))
		return -PGW_ENOMEM;
	err = spaces_all(&spaces);
	is_whole = html_table_end(&spaces.table);
	spaces_met(&spaces);
	is_whole &= html_table_end(&spaces.ranges);
	if (spaces.uses.to && html_done(&spaces.uses))
		fwrite(spaces.uses.bytes, 1, spaces.uses.size, page->part[PAGE_MAP].to);
	html_free(&spaces.uses);
	return err ? err : is_whole ? 0 : -PGW_ENOMEM;
}
