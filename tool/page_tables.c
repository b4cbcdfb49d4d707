/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "page.h"
#include "tasks.h"

/* As in stats and audit: distinct tables, and visits of them. */
#define TABLES_BUDGET (UINT64_C(1) << 22)
/* Of each rule. */
#define MAX_FINDINGS 1000

#define NR(array) (sizeof(array) / sizeof((array)[0]))

void page_note(FILE *to, const char *text, const char *why)
{
	fprintf(to, "<p class=\"notice\">%s", text);
	if (why) {
		fputs(": ", to);
		html_text(to, why, strlen(why));
	}
	fputs(".</p>\n", to);
}

/* A part that fails does not keep the others from being told. @return what ends all of them, or 0 */
static int part_fails(struct page *page, FILE *to, int err)
{
	if (err >= 0 || err == -PGW_ENOMEM)
		return err;
	page->is_cut = true;
	page_note(to, "This could not be looked at, or not all of it", pgw_status_text(err));
	return 0;
}

void page_owner(const struct page *page, const struct pgw_root_info *root, char *ret, size_t size)
{
	struct pgw_root_owner owner;

	if (root->state == PGW_ROOT_KERNEL)
		snprintf(ret, size, root->is_kpti_user ? "kernel, as programs see it" : "kernel");
	else if (!page->tasks || !pgw_tasks_root_owner(page->tasks, root, &owner))
		snprintf(ret, size, "%s root", report_root_state(root->state));
	else if (!owner.task)
		snprintf(ret, size, "%s", owner.symbol ? owner.symbol : "not known");
	else if (owner.nr_others)
		snprintf(ret, size, "%s (%" PRIu32 ") and %" PRIu64 " more", owner.task->name,
			 owner.task->tgid, owner.nr_others);
	else
		snprintf(ret, size, "%s (%" PRIu32 ")", owner.task->name, owner.task->tgid);
}

/* The tables of stats. */
struct stats_tables {
	struct page *page;
	struct html_table mix, levels, regions;
};

/* A colour is of sizes that play the same part, whatever the granule. */
static unsigned size_color(unsigned lg2)
{
	return lg2 < 14 ? 0 : lg2 < 20 ? 1 : lg2 < 25 ? 2 : lg2 < 30 ? 3 : 4;
}

/* How much leaves of each size map, as a bar; tables behind it have the numbers. */
static void mix_bar(FILE *to, const char *owner, const char *region, const uint64_t *leaf_bytes)
{
	double all = 0, x = 0;

	for (unsigned lg2 = 0; lg2 < 64; lg2++)
		all += (double)leaf_bytes[lg2];
	if (all <= 0)
		return;
	fprintf(to, "<li%s><span class=\"who\"><bdi>",
		strcmp(owner, "kernel") == 0 ? " class=\"first\"" : "");
	html_text(to, owner, strlen(owner));
	fprintf(to,
		"</bdi> <small>%s</small></span><svg class=\"mix\" viewBox=\"0 0 1000 20\" "
		"preserveAspectRatio=\"none\" aria-hidden=\"true\">",
		region);
	for (unsigned lg2 = 0; lg2 < 64; lg2++) {
		double width = 1000 * (double)leaf_bytes[lg2] / all;

		if (leaf_bytes[lg2])
			fprintf(to,
				"<rect class=\"size%u\" x=\"%.2f\" width=\"%.2f\" height=\"20\"/>",
				size_color(lg2), x, width);
		x += width;
	}
	fputs("</svg><span class=\"parts\">", to);
	for (unsigned lg2 = 0; lg2 < 64; lg2++) {
		if (!leaf_bytes[lg2])
			continue;
		fprintf(to, "<span><i class=\"key size%u\"></i>", size_color(lg2));
		html_size(to, UINT64_C(1) << lg2);
		fprintf(to, " <b>%.*f&#160;%%</b></span> ",
			(double)leaf_bytes[lg2] < all / 100 ? 2 : 0,
			100 * (double)leaf_bytes[lg2] / all);
	}
	fputs("</span></li>\n", to);
}

static void mix_rows(struct stats_tables *tables, uint64_t root, const char *owner,
		     const char *region, const uint64_t *leaf_bytes)
{
	mix_bar(tables->page->part[PAGE_SIZES].to, owner, region, leaf_bytes);
	for (unsigned lg2 = 0; lg2 < 64; lg2++) {
		if (!leaf_bytes[lg2])
			continue;
		html_row(&tables->mix);
		html_cell(&tables->mix, root);
		html_cell_text(&tables->mix, owner);
		html_cell_text(&tables->mix, region);
		html_cell(&tables->mix, UINT64_C(1) << lg2);
		html_cell(&tables->mix, leaf_bytes[lg2] >> lg2);
		html_cell(&tables->mix, leaf_bytes[lg2]);
		html_row_end(&tables->mix);
	}
}

static void level_rows(struct html_table *table, const struct pgw_stats_root *root,
		       const struct pgw_region *of)
{
	const struct pgw_stats_region *region = &root->region[of->kind];
	const struct pgw_geometry *geo = pgw_format_geometry(root->info->format);

	for (unsigned level = geo->top_level + 1u; level-- > 0;) {
		unsigned size_lg2 = geo->slots_lg2[level] + geo->item_lg2;

		if (!region->nr_tables[level])
			continue;
		html_row(table);
		html_cell(table, root->info->root.pa);
		html_cell_text(table, of->name);
		html_cell_text(table, report_level_name(root->info->format, level));
		html_cell(table, region->nr_tables[level]);
		html_cell(table, region->nr_tables[level] << size_lg2);
		html_cell(table, region->nr_private[level]);
		html_row_end(table);
	}
}

static void cell_if(struct html_table *table, bool is_known, uint64_t value)
{
	if (is_known)
		html_cell(table, value);
	else
		html_cell_none(table);
}

static void region_row(struct html_table *table, const struct pgw_stats_root *root,
		       const struct pgw_region *of, const char *owner)
{
	const struct pgw_stats_region *region = &root->region[of->kind];

	html_row(table);
	html_cell(table, root->info->root.pa);
	html_cell_text(table, owner);
	html_cell_text(table, of->name);
	html_cell(table, region->bytes);
	cell_if(table, root->knows_accessed, region->accessed_bytes);
	cell_if(table, root->knows_dirty, region->dirty_bytes);
	html_cell(table, region->nr_sparse);
	html_cell(table, region->nr_absent);
	html_cell(table, region->nr_malformed);
	html_cell(table, region->nr_unreadable);
	html_cell_text(table, region->is_shared ? "yes" : "no");
	html_row_end(table);
}

/* What others have too is told once, of the kernel's own root. */
static int stats_root(const struct pgw_stats_root *root, void *arg)
{
	struct stats_tables *tables = arg;
	char owner[160];

	if (interrupt_signal())
		return TARGET_STOPPED;
	page_owner(tables->page, root->info, owner, sizeof(owner));
	for (const struct pgw_region *of = pgw_format_regions(root->info->format); of->name; of++) {
		const struct pgw_stats_region *region = &root->region[of->kind];

		if (!region->is_there)
			continue;
		region_row(&tables->regions, root, of, owner);
		if (region->is_shared && root->info->state != PGW_ROOT_KERNEL)
			continue;
		level_rows(&tables->levels, root, of);
		mix_rows(tables, root->info->root.pa, owner, of->name, region->leaf_bytes);
	}
	return 0;
}

static int stats_direct(struct stats_tables *tables)
{
	struct target *target = tables->page->target;
	struct pgw_stats_direct *direct;
	int err;

	if (target_kernel_root(target, &target->root, NULL) < 0 || !target->root.has_kernel ||
	    target_attach(target, tables->page->opts, REGION_BIT(PGW_REGION_KERNEL)) != TOOL_DONE)
		return 0;
	direct = malloc(sizeof(*direct));
	err = direct ? pgw_stats_direct(target->image, target->mm[PGW_REGION_KERNEL], direct)
		     : -PGW_ENOMEM;
	if (!err && direct->is_found)
		mix_rows(tables, target->root.root.pa, "kernel", "direct map", direct->leaf_bytes);
	free(direct);
	target_detach(target);
	return err;
}

static bool stats_begin(struct stats_tables *tables, struct html parts[2])
{
	static const struct html_about mix = {
		.id = "sizes-table",
		.caption = "What pages of each size map",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "root", "Root", HTML_ADDRESS },  { "owner", "Whose", HTML_NAME },
		{ "region", "Region", HTML_WORD }, { "size", "Page size", HTML_BYTES },
		{ "leaves", "Pages", HTML_COUNT }, { "bytes", "Mapped", HTML_BYTES },
		},
	};
	static const struct html_about levels = {
		.id = "levels",
		.caption = "Tables by level",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "root", "Root", HTML_ADDRESS },  { "region", "Region", HTML_WORD },
		{ "at", "Level", HTML_WORD },      { "tables", "Tables", HTML_COUNT },
		{ "bytes", "Memory", HTML_BYTES }, { "private", "Private", HTML_COUNT },
		},
	};
	static const struct html_about regions = {
		.id = "regions",
		.caption = "What roots map",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "root", "Root", HTML_ADDRESS },
		{ "owner", "Whose", HTML_NAME },
		{ "region", "Region", HTML_WORD },
		{ "bytes", "Mapped", HTML_BYTES },
		{ "accessed", "Accessed", HTML_BYTES },
		{ "dirty", "Dirty", HTML_BYTES },
		{ "sparse", "Sparse", HTML_COUNT },
		{ "absent", "Absent", HTML_COUNT },
		{ "malformed", "Malformed", HTML_COUNT },
		{ "unreadable", "Unreadable", HTML_COUNT },
		{ "shared", "Shared", HTML_WORD },
		},
	};
	bool has_mix, has_levels, has_regions;

	if (!html_begin(&parts[0]) || !html_begin(&parts[1]))
		return false;
	has_mix = html_table_begin(&tables->mix, parts[0].to, &mix);
	has_levels = html_table_begin(&tables->levels, parts[1].to, &levels);
	has_regions =
		html_table_begin(&tables->regions, tables->page->part[PAGE_ROOTS].to, &regions);
	return has_mix && has_levels && has_regions;
}

static void roots_table(const struct page *page, struct html_table *table)
{
	for (size_t i = 0; i < page->nr_roots; i++) {
		const struct pgw_root_info *root = &page->roots[i];
		char owner[160];

		page_owner(page, root, owner, sizeof(owner));
		html_row(table);
		html_cell(table, root->root.pa);
		html_cell_text(table, pgw_format_name(root->format));
		html_cell_text(table, report_root_state(root->state));
		html_cell_text(table, owner);
		html_cell_text(table, report_root_proof(root->proof));
		html_cell(table, (uint64_t)__builtin_popcountll(root->cpus));
		cell_if(table, root->has_twin, root->twin.pa);
		html_cell(table, root->nr_missing);
		html_row_end(table);
	}
}

static bool page_roots(struct page *page)
{
	static const struct html_about columns = {
		.id = "roots-table",
		.caption = "Roots",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "root", "Root", HTML_ADDRESS },      { "format", "Format", HTML_WORD },
		{ "state", "State", HTML_WORD },       { "owner", "Whose", HTML_NAME },
		{ "proof", "Self-map", HTML_WORD },    { "cpus", "CPUs", HTML_COUNT },
		{ "twin", "KPTI twin", HTML_ADDRESS }, { "missing", "Missing", HTML_COUNT },
		},
	};
	struct html_table table;

	if (!html_table_begin(&table, page->part[PAGE_ROOTS].to, &columns))
		return false;
	roots_table(page, &table);
	return html_table_end(&table);
}

static void stats_sums(struct page *page, const struct pgw_stats_sums *sums, int err)
{
	FILE *to = page->part[PAGE_SIZES].to;

	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		page->nr_tables += sums->nr_tables[level];
	page->table_bytes = sums->table_bytes;
	page->has_stats = true;
	page->is_cut |= err != 0 || sums->nr_unreadable;
	if (err == -PGW_E2BIG)
		page_note(to,
			  "There are more tables than the budget: nothing is said of single roots",
			  NULL);
	if (sums->nr_unreadable)
		fprintf(to,
			"<p class=\"notice\">Of %" PRIu64 " tables the image lacks bytes.</p>\n",
			sums->nr_unreadable);
}

int page_stats(struct page *page)
{
	struct stats_tables tables = { .page = page };
	const uint64_t asked = page->opts->budget;
	const uint64_t budget = asked && asked < TABLES_BUDGET ? asked : TABLES_BUDGET;
	struct html parts[2] = { 0 };
	struct pgw_stats_sums sums = { 0 };
	FILE *to = page->part[PAGE_SIZES].to;
	int err = -PGW_ENOMEM, direct_err;
	bool is_done;

	if (page_roots(page) && stats_begin(&tables, parts)) {
		fputs("<ul class=\"mixes\">\n", to);
		err = pgw_stats(page->target->image, page->roots, page->nr_roots, budget,
				stats_root, &tables, &sums);
		direct_err = err <= 0 ? stats_direct(&tables) : 0;
		fputs("</ul>\n", to);
		stats_sums(page, &sums, err);
		err = part_fails(page, to, err == -PGW_E2BIG ? 0 : err);
		if (!err)
			err = part_fails(page, to, direct_err);
	}
	/* All of them end, whatever becomes of one. */
	is_done = html_table_end(&tables.mix);
	is_done = html_table_end(&tables.levels) && is_done;
	is_done = html_table_end(&tables.regions) && is_done;
	if (!is_done && !err)
		err = -PGW_ENOMEM;
	for (size_t i = 0; i < NR(parts); i++) {
		if (html_done(&parts[i]) && !err)
			fwrite(parts[i].bytes, 1, parts[i].size, to);
		html_free(&parts[i]);
	}
	return err;
}

struct audit_tables {
	struct page *page;
	struct html_table findings, unchecked;
	uint32_t rules; /* bits of those that found something */
};

static int audit_unchecked(enum pgw_audit_rule rule, const char *why, void *arg)
{
	struct audit_tables *tables = arg;

	tables->page->nr_unchecked++;
	html_row(&tables->unchecked);
	html_cell_text(&tables->unchecked, pgw_audit_rule_info(rule)->id);
	html_cell_text(&tables->unchecked, why);
	html_row_end(&tables->unchecked);
	return 0;
}

static int audit_finding(const struct pgw_audit_finding *finding, void *arg)
{
	const struct pgw_audit_rule_info *info = pgw_audit_rule_info(finding->rule);
	bool has_place = finding->region != NULL;
	struct audit_tables *tables = arg;
	struct html_table *table = &tables->findings;
	char id[FOREIGN_ID], whose[FOREIGN_ID + 8];

	tables->page->nr_levels[finding->level]++;
	tables->rules |= UINT32_C(1) << finding->rule;
	html_row(table);
	html_cell_text(table, report_audit_level(finding->level));
	html_cell_text(table, info->id);
	html_cell_text(table, info->text);
	cell_if(table, !finding->foreign || finding->foreign->domain == PGW_DOMAIN_TABLES,
		finding->root->root.pa);
	if (finding->foreign)
		snprintf(whose, sizeof(whose), "%s %s", finding->foreign->is_guest ? "vm" : "device",
			 foreign_whose(finding->foreign, id));
	html_cell_text(table, finding->foreign ? whose : has_place ? finding->region->name : NULL);
	cell_if(table, has_place, finding->va_first);
	cell_if(table, has_place, finding->va_last);
	cell_if(table, has_place, finding->count);
	cell_if(table, has_place, finding->pa);
	cell_if(table, has_place, finding->entry);
	html_cell(table, finding->nr_roots);
	html_cell_text(table, finding->is_suspect ? "yes" : "no");
	html_cell_text(table, finding->detail);
	html_row_end(table);
	return 0;
}

static bool audit_begin(struct audit_tables *tables, struct html *unchecked)
{
	static const struct html_about findings = {
		.id = "findings-table",
		.caption = "Findings",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "level", "Level", HTML_WORD },     { "rule", "Rule", HTML_WORD },
		{ "text", "What", HTML_TEXT },       { "root", "Root", HTML_ADDRESS },
		{ "region", "Region", HTML_WORD },   { "first", "First", HTML_ADDRESS },
		{ "last", "Last", HTML_ADDRESS },    { "count", "Entries", HTML_COUNT },
		{ "pa", "Physical", HTML_ADDRESS },  { "entry", "Entry", HTML_ADDRESS },
		{ "roots", "In roots", HTML_COUNT }, { "suspect", "Suspect root", HTML_WORD },
		{ "detail", "Detail", HTML_WORD },
		},
	};
	static const struct html_about not_checked = {
		.id = "unchecked",
		.caption = "Rules that were not checked, or not for all",
		.max_shown = UINT64_MAX,
		.columns = {
		{ "rule", "Rule", HTML_WORD },
		{ "why", "Why it was not checked", HTML_TEXT },
		},
	};

	return html_table_begin(&tables->findings, tables->page->part[PAGE_AUDIT].to, &findings) &&
	       html_begin(unchecked) &&
	       html_table_begin(&tables->unchecked, unchecked->to, &not_checked);
}

/* Why the rules that found something matter, and what is normal. */
static void audit_rules(FILE *to, uint32_t rules)
{
	if (!rules)
		return;
	fputs("<dl class=\"rules\">", to);
	for (int rule = 0; rule < _PGW_AUDIT_RULE_MAX; rule++) {
		const struct pgw_audit_rule_info *info =
			pgw_audit_rule_info((enum pgw_audit_rule)rule);

		if (rules >> rule & 1)
			fprintf(to, "<div><dt>%s</dt><dd>%s %s</dd></div>", info->id, info->why,
				info->normal);
	}
	fputs("</dl>\n", to);
}

static void audit_met(struct page *page, const struct pgw_audit_sums *sums)
{
	FILE *to = page->part[PAGE_AUDIT].to;

	if (sums->truncated)
		page_note(to, "Cut short: there are more tables than the budget", NULL);
	if (sums->full_rules)
		page_note(to, "A rule found more than are kept: there is more than this", NULL);
	if (sums->nr_unreadable)
		fprintf(to,
			"<p class=\"notice\">Of %" PRIu64 " tables the image lacks bytes.</p>\n",
			sums->nr_unreadable);
	page->is_cut |= sums->truncated || sums->full_rules || sums->nr_unreadable;
}

int page_audit(struct page *page)
{
	struct audit_tables tables = { .page = page };
	struct pgw_audit_args args = {
		.platform = pgw_hosted_platform(),
		.image = page->target->image,
		.roots = page->roots,
		.nr_roots = page->nr_roots,
		.max_tables = page->opts->budget ? page->opts->budget : TABLES_BUDGET,
		.max_findings = MAX_FINDINGS,
		.finding = audit_finding,
		.unchecked = audit_unchecked,
		.arg = &tables,
	};
	struct pgw_audit_sums sums = { 0 };
	FILE *to = page->part[PAGE_AUDIT].to;
	struct html unchecked = { 0 };
	int err = -PGW_ENOMEM;
	bool is_done;

	if (audit_begin(&tables, &unchecked))
		err = pgw_audit(&args, &sums);
	is_done = html_table_end(&tables.findings);
	is_done = html_table_end(&tables.unchecked) && is_done;
	if (!is_done && !err)
		err = -PGW_ENOMEM;
	err = part_fails(page, to, err);
	if (!err) {
		audit_rules(to, tables.rules);
		audit_met(page, &sums);
	}
	if (html_done(&unchecked) && !err && page->nr_unchecked)
		fwrite(unchecked.bytes, 1, unchecked.size, to);
	html_free(&unchecked);
	return err;
}

static void process_row(struct html_table *table, const struct tasks_row *row)
{
	const struct pgw_task *task = row->task;
	const struct pgw_task_memory *memory = &row->memory;
	const char state[] = { task->state, '\0' };
	int64_t counted = memory->has_counters ? tasks_counted_rss(memory) : -1;

	html_row(table);
	html_cell(table, task->tgid);
	html_cell_text(table, task->name);
	html_cell(table, task->nr_threads);
	html_cell(table, task->ppid);
	html_cell(table, task->uid);
	html_cell_text(table, state);
	cell_if(table, row->with_mm->root_pa != 0, row->with_mm->root_pa);
	cell_if(table, row->has_memory, memory->rss);
	cell_if(table, counted >= 0, (uint64_t)counted);
	cell_if(table, row->has_memory, memory->swap);
	cell_if(table, row->has_memory, memory->tables);
	html_cell_text(table, tasks_row_odd(row));
	html_row_end(table);
}

static int process_rows(struct page *page, struct html_table *table)
{
	size_t nr;
	const struct pgw_task *list = pgw_tasks_list(page->tasks, &nr);

	for (size_t i = 0; i < nr; i++) {
		struct tasks_row row;
		int err;

		if (!list[i].is_leader)
			continue;
		if (interrupt_signal())
			return TARGET_STOPPED;
		err = tasks_row_get(page->tasks, &list[i], &row);
		if (err)
			return err;
		page->is_cut |= tasks_row_odd(&row) != NULL;
		process_row(table, &row);
	}
	return 0;
}

static void processes_met(struct page *page)
{
	const struct pgw_tasks_met *met = pgw_tasks_get_met(page->tasks);

	page->nr_processes = met->nr_processes;
	page->nr_threads = met->nr_threads;
	if (!met->nr_list_only && !met->nr_pids_only && !met->nr_torn && !met->nr_unreadable &&
	    !met->truncated)
		return;
	page->is_cut = true;
	fprintf(page->part[PAGE_PROCESSES].to,
		"<p class=\"notice\">%" PRIu64 " that no pid leads to, %" PRIu64
		" in no list of tasks, %" PRIu64 " torn links, %" PRIu64 " unreadable%s.</p>\n",
		met->nr_list_only, met->nr_pids_only, met->nr_torn, met->nr_unreadable,
		met->truncated ? "; cut short" : "");
}

int page_processes(struct page *page)
{
	static const struct html_about columns = {
		.id = "processes-table",
		.caption = "Processes",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "pid", "PID", HTML_COUNT },         { "name", "Name", HTML_NAME },
		{ "threads", "Threads", HTML_COUNT }, { "ppid", "Parent", HTML_COUNT },
		{ "uid", "User", HTML_COUNT },        { "state", "State", HTML_WORD },
		{ "root", "Root", HTML_ADDRESS },     { "rss", "RSS", HTML_BYTES },
		{ "counted", "Counted", HTML_BYTES }, { "swap", "Swap", HTML_BYTES },
		{ "tables", "Tables", HTML_BYTES },   { "odd", "Odd", HTML_TEXT },
		},
	};
	FILE *to = page->part[PAGE_PROCESSES].to;
	struct html_table table;
	int err;

	if (!page->tasks) {
		page_note(to, "Processes are not known", page->no_tasks);
		return 0;
	}
	if (!html_table_begin(&table, to, &columns))
		return -PGW_ENOMEM;
	err = process_rows(page, &table);
	if (!html_table_end(&table) && !err)
		err = -PGW_ENOMEM;
	processes_met(page);
	return part_fails(page, to, err);
}

static int device_row(struct page *page, struct html_table *table, const struct pgw_foreign *found)
{
	struct pgw_foreign known = *found;
	struct foreign_reach reach;
	char id[FOREIGN_ID];
	int err = foreign_reach(page->target, page->opts, &known, &reach);
	bool has_tables = known.domain == PGW_DOMAIN_TABLES;

	if (err)
		return err;
	page->is_cut |= reach.is_cut;
	if (known.is_guest)
		snprintf(id, sizeof(id), "vm %" PRIu32, known.id);
	else
		foreign_id(&known, id);
	html_row(table);
	html_cell_text(table, known.is_guest ? "virtual machine" : "device");
	html_cell_text(table, id);
	html_cell_text(table, known.is_guest ? foreign_domain(known.domain)
					     : foreign_through(&known, &reach));
	html_cell(table, known.domain_id);
	cell_if(table, has_tables, known.root.pa);
	html_cell_text(table, has_tables ? pgw_format_name(known.format) : NULL);
	cell_if(table, has_tables, reach.readable);
	cell_if(table, has_tables, reach.writable);
	html_cell_text(table, foreign_source(known.source));
	html_cell(table, known.evidence);
	html_cell_text(table, reach.is_cut ? "cut short" : "whole");
	html_row_end(table);
	return 0;
}

static int device_rows(struct page *page, const struct pgw_foreign *list, size_t nr)
{
	static const struct html_about columns = {
		.id = "devices-table",
		.caption = "Virtual machines, and devices behind an IOMMU",
		.max_shown = PAGE_SHOWN,
		.columns = {
		{ "kind", "Kind", HTML_WORD },
		{ "id", "Which", HTML_WORD },
		{ "through", "Goes through", HTML_WORD },
		{ "domain", "Domain", HTML_COUNT },
		{ "root", "Root", HTML_ADDRESS },
		{ "format", "Format", HTML_WORD },
		{ "readable", "Can read", HTML_BYTES },
		{ "writable", "Can write", HTML_BYTES },
		{ "found", "Found by", HTML_WORD },
		{ "evidence", "At", HTML_ADDRESS },
		{ "whole", "Looked at", HTML_WORD },
		},
	};
	struct html_table table;
	int err = 0;

	if (!html_table_begin(&table, page->part[PAGE_DEVICES].to, &columns))
		return -PGW_ENOMEM;
	for (size_t i = 0; i < nr && !err; i++) {
		page->nr_vms += list[i].is_guest;
		page->nr_devices += !list[i].is_guest;
		err = device_row(page, &table, &list[i]);
	}
	if (!html_table_end(&table) && !err)
		err = -PGW_ENOMEM;
	return err;
}

int page_devices(struct page *page)
{
	FILE *to = page->part[PAGE_DEVICES].to;
	const struct pgw_foreign *list;
	uint64_t nr_blocked;
	size_t nr;
	int err = pgw_image_foreign(page->target->image, &list, &nr, &nr_blocked);

	target_progress_end(page->target);
	if (err == -PGW_EOPNOTSUPP) {
		page_note(to,
			  "Virtual machines and devices are not looked for while a machine runs",
			  NULL);
		return 0;
	}
	if (err)
		return part_fails(page, to, err);
	page->has_devices = true;
	if (!nr)
		page_note(to,
			  "No tables of an IOMMU and no virtual machine were found by their looks",
			  NULL);
	if (nr_blocked)
		fprintf(to,
			"<p class=\"notice\">Of %" PRIu64
			" devices all accesses are refused.</p>\n",
			nr_blocked);
	return nr ? part_fails(page, to, device_rows(page, list, nr)) : 0;
}
