/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>

#include "command.h"
#include "names.h"
#include "report/record.h"
#include "report/report.h"
#include "spaces.h"
#include "stats_counted.h"
#include "stats_split.h"
#include "stats_tasks.h"
#include "target.h"

/* Distinct tables: at 4 KiB, 16 GiB of them. */
#define STATS_BUDGET (UINT64_C(1) << 22)

#define STOP_OUTPUT 1

struct stats_report {
	struct record record;
	struct spaces spaces;
	struct stats_tasks *tasks;
	bool has_root; /* report on this root alone */
	uint64_t root;
};

static void stats_tables(struct record *record, const struct pgw_format *format,
			 const struct pgw_stats_region *region)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);

	record_list(record, "tables");
	for (unsigned level = geo->top_level + 1u; level-- > 0;) {
		unsigned size_lg2 = geo->slots_lg2[level] + geo->item_lg2;

		if (!region->nr_tables[level])
			continue;
		record_item(record);
		record_dec(record, "level", level);
		record_str(record, "name", report_level_name(format, level));
		record_dec(record, "tables", region->nr_tables[level]);
		record_size(record, "bytes", region->nr_tables[level] << size_lg2);
		record_dec(record, "private", region->nr_private[level]);
		record_size(record, "private_bytes", region->nr_private[level] << size_lg2);
		record_item_end(record);
	}
	record_list_end(record);
}

static void stats_leaves(struct record *record, const uint64_t *leaf_bytes)
{
	record_list(record, "leaves");
	for (unsigned lg2 = 0; lg2 < 64; lg2++) {
		if (!leaf_bytes[lg2])
			continue;
		record_item(record);
		record_size(record, "size", UINT64_C(1) << lg2);
		record_dec(record, "leaves", leaf_bytes[lg2] >> lg2);
		record_size(record, "bytes", leaf_bytes[lg2]);
		record_item_end(record);
	}
	record_list_end(record);
}

static void stats_huge(struct record *record, const struct pgw_geometry *geo,
		       const struct pgw_stats_region *region)
{
	record_list(record, "huge");
	for (unsigned level = 0; level < geo->top_level; level++)
		stats_bars(record, UINT64_C(1) << (geo->span_lg2[level] + geo->slots_lg2[level]),
			   region->bar[level]);
	record_list_end(record);
}

static void stats_sparsest(struct record *record, const struct pgw_format *format,
			   const struct pgw_stats_region *region)
{
	record_list(record, "sparsest");
	for (unsigned i = 0; i < region->nr_sparsest; i++) {
		const struct pgw_stats_table *table = &region->sparsest[i];

		record_item(record);
		record_hex(record, "pa", table->pa);
		record_hex(record, "va", table->va);
		record_str(record, "name", report_level_name(format, table->level));
		record_dec(record, "used", table->nr_used);
		record_item_end(record);
	}
	record_list_end(record);
}

/* What others have too is told once: of the kernel's own root, or of the one that is asked for. */
static bool is_told_elsewhere(const struct stats_report *report, const struct pgw_stats_root *root,
			      const struct pgw_stats_region *region)
{
	return region->is_shared && !report->has_root && root->info->state != PGW_ROOT_KERNEL;
}

static void stats_region(struct stats_report *report, const struct pgw_stats_root *root,
			 const struct pgw_region *of)
{
	struct record *record = &report->record;
	const struct pgw_stats_region *region = &root->region[of->kind];
	const struct pgw_format *format = root->info->format;

	record_begin(record, "root");
	record_hex(record, "root", root->info->root.pa);
	record_str(record, "format", pgw_format_name(format));
	if (spaces_whose(&report->spaces, (size_t)(root->info - report->spaces.roots)))
		spaces_record(&report->spaces, (size_t)(root->info - report->spaces.roots), record);
	else
		record_str(record, "state", report_root_state(root->info->state));
	record_str(record, "region", of->name);
	if (of->kind == PGW_REGION_USER)
		stats_tasks_name(report->tasks, root->info, record);
	record_size(record, "bytes", region->bytes);
	if (root->knows_accessed)
		record_size(record, "accessed", region->accessed_bytes);
	if (root->knows_dirty)
		record_size(record, "dirty", region->dirty_bytes);
	record_size(record, "contiguous", region->contiguous_bytes);
	record_dec(record, "sparse", region->nr_sparse);
	record_dec(record, "absent", region->nr_absent);
	record_dec(record, "malformed", region->nr_malformed);
	record_dec(record, "unreadable", region->nr_unreadable);
	record_bool(record, "shared", region->is_shared);
	if (is_told_elsewhere(report, root, region)) {
		record_end(record);
		return;
	}
	stats_tables(record, format, region);
	stats_leaves(record, region->leaf_bytes);
	stats_huge(record, pgw_format_geometry(format), region);
	stats_sparsest(record, format, region);
	record_end(record);
}

static int stats_root(const struct pgw_stats_root *root, void *arg)
{
	struct stats_report *report = (struct stats_report *)arg;

	if (report->has_root && report->root != root->info->root.pa)
		return 0;
	if (interrupt_signal())
		return TARGET_STOPPED;
	for (const struct pgw_region *region = pgw_format_regions(root->info->format); region->name;
	     region++) {
		if (root->region[region->kind].is_there)
			stats_region(report, root, region);
	}
	stats_tasks_record(report->tasks, root, &report->record);
	return out_failed(report->record.out) ? STOP_OUTPUT : 0;
}

static int stats_direct_record(struct target *target, struct record *record,
			       const struct pgw_root_info *root,
			       const struct pgw_stats_direct *direct)
{
	int err;

	record_begin(record, "direct_map");
	record_hex(record, "root", root->root.pa);
	record_hex(record, "first", direct->va_first);
	record_hex(record, "last", direct->va_last);
	record_hex(record, "distance", direct->distance);
	record_size(record, "bytes", direct->bytes);
	record_dec(record, "pieces", direct->nr_runs);
	stats_leaves(record, direct->leaf_bytes);
	record_list(record, "rights");
	for (unsigned rights = 0; rights < 8; rights++) {
		if (!direct->rights_bytes[rights])
			continue;
		record_item(record);
		record_str(record, "kernel", report_rights(rights));
		record_size(record, "bytes", direct->rights_bytes[rights]);
		record_item_end(record);
	}
	record_list_end(record);
	record_list(record, "split");
	stats_bars(record, UINT64_C(1) << pgw_format_geometry(root->format)->span_lg2[1],
		   direct->bar);
	record_list_end(record);
	err = stats_split(target, target->mm[PGW_REGION_KERNEL], root, direct, record);
	record_end(record);
	return err;
}

/* How the kernel's own root maps memory one to one, if there is such a root and it does. */
static int stats_direct(struct target *target, const struct options *opts, struct record *record)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.phys = pgw_image_phys(target->image),
		.region = PGW_REGION_KERNEL,
		.budget = opts->budget,
	};
	struct pgw_stats_direct *direct;
	struct pgw_root_info root;
	int err;

	if (target_kernel_root(target, &root, NULL) < 0 || !root.has_kernel)
		return 0;
	args.format = root.format;
	args.root = root.root;
	args.control = root.control;
	if (pgw_mm_attach(&args, &target->mm[PGW_REGION_KERNEL]))
		return 0;
	direct = malloc(sizeof(*direct));
	if (!direct)
		return -PGW_ENOMEM;
	err = pgw_stats_direct(target->image, target->mm[PGW_REGION_KERNEL], direct);
	if (!err && direct->is_found)
		err = stats_direct_record(target, record, &root, direct);
	free(direct);
	return err;
}

static void stats_summary(const struct target *target, struct record *record,
			  const struct pgw_stats_sums *sums, bool truncated)
{
	uint64_t nr_tables = 0;

	for (unsigned level = 0; level < PGW_MAX_LEVELS; level++)
		nr_tables += sums->nr_tables[level];
	record_begin_summary(record);
	record_dec(record, "roots", sums->nr_roots);
	record_dec(record, "tables", nr_tables);
	record_size(record, "table_bytes", sums->table_bytes);
	record_bool(record, "placement_guessed", report_is_guess(target->image));
	record_bool(record, "truncated", truncated);
	record_dec(record, "malformed", sums->nr_malformed);
	record_dec(record, "unreadable", sums->nr_unreadable);
	record_end(record);
}

/* All roots; or those of the image, and the one that is asked for, if it is not among them. @return 0 or
 * negative */
static int stats_roots(struct target *target, const struct options *opts, struct spaces *spaces)
{
	bool has_root = option_given(opts, OPT_ROOT);
	int err = spaces_open(target, !has_root, spaces);
	size_t i = 0;

	if (err || !has_root)
		return err;
	while (i < spaces->nr && spaces->roots[i].root.pa != target->root.root.pa)
		i++;
	if (i == spaces->nr)
		spaces->roots[spaces->nr++] = target->root;
	spaces->nr_own = spaces->nr;
	return 0;
}

static int stats_report(struct target *target, const struct options *opts, struct out *out,
			void *arg)
{
	struct stats_report report = { .has_root = option_given(opts, OPT_ROOT),
				       .root = target->root.root.pa };
	const uint64_t budget =
		opts->budget && opts->budget < STATS_BUDGET ? opts->budget : STATS_BUDGET;
	struct pgw_stats_sums sums = { 0 };
	int err, direct_err = 0;
	bool is_cut, is_incomplete;

	(void)arg;
	interrupt_catch();
	record_init(&report.record, out, option_given(opts, OPT_JSON));
	err = stats_roots(target, opts, &report.spaces);
	if (err) {
		if (err == -PGW_EINTR)
			stats_summary(target, &report.record, &sums, true);
		spaces_close(&report.spaces);
		return target_fail(target, err);
	}
	report.tasks = stats_tasks_open(target, budget);
	err = pgw_stats(target->image, report.spaces.roots, report.spaces.nr, budget, stats_root,
			&report, &sums);
	target_progress_end(target);
	is_cut = stats_tasks_cut(report.tasks);
	if (!err && !report.has_root)
		err = stats_counted(target, &report.spaces, stats_tasks_owners(report.tasks),
				    budget, &report.record);
	stats_tasks_close(report.tasks);
	if (err == -PGW_EINTR)
		err = TARGET_STOPPED;
	is_incomplete = report.spaces.is_incomplete;
	spaces_close(&report.spaces);
	if (!err && !report.has_root) {
		direct_err = stats_direct(target, opts, &report.record);
		err = direct_err == -PGW_E2BIG || direct_err == STATS_SPLIT_CUT ? 0 : direct_err;
	}
	if (err < 0 && err != -PGW_E2BIG)
		return target_fail(target, err);
	stats_summary(target, &report.record, &sums,
		      err == -PGW_E2BIG || err == TARGET_STOPPED || direct_err || is_cut);
	if (err == -PGW_E2BIG)
		message("%s: more than %" PRIu64
			" tables: nothing is said of single roots (--budget)",
			target->file, budget);
	else if (direct_err == -PGW_E2BIG)
		message("%s: the budget of table visits ran out in the kernel's half: nothing is "
			"said of its direct map (--budget)",
			target->file);
	else if (is_cut)
		message("%s: the budget of table visits ran out in processes' areas (--budget)",
			target->file);
	out_flush(out);
	if (sums.nr_unreadable)
		target_explain_unreadable(target);
	else if (!sums.nr_roots && !interrupt_signal())
		target_explain_no_root(target);
	return err || direct_err || is_cut || is_incomplete || !sums.nr_roots || sums.nr_malformed || sums.nr_unreadable
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

static int stats_run(const struct options *opts)
{
	const struct target_job job = { .holding = HOLD_IF_LIVE,
					.has_root = true,
					.report = stats_report };
	int status = names_check(opts);

	return status == TOOL_DONE ? target_run(opts, &job) : status;
}

const struct command cmd_stats = {
	.name = "stats",
	.args = "IMAGE",
	.summary = "what roots' tables are made of, and what they cost",
	.description =
		"Prints of each root, by region: its tables by level, and how many of them no\n"
		"other root has; what leaves of each size map, what was accessed and written;\n"
		"what larger leaves could map and what is in the way; the tables that hold least.\n"
		"Then the kernel's direct map: its leaves, rights, and what splits it.\n",
	.examples = "  pagewalk stats vmcore\n"
		    "  pagewalk stats --root cpu0 vmcore         of one root\n"
		    "  pagewalk stats --json vmcore              for programs\n",
	.options = OPTIONS_IMAGE | OPTIONS_WATCH | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_FORMAT) | OPT_BIT(OPT_BUDGET) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = stats_run,
};
