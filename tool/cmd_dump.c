/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <unistd.h>

#include "areas.h"
#include "command.h"
#include "markers.h"
#include "names.h"
#include "process.h"
#include "regions.h"
#include "report/ptdump_style.h"
#include "report/report.h"
#include "target.h"

/* The output has failed; its reason comes with target_finish(). */
#define STOP_OUTPUT 1
/* The budget of lines has run out, in the kernel's way of dumping. */
#define STOP_LINES 2

/* Options that choose ranges, which a dump in the kernel's way does not have. */
#define RANGES_ONLY                                                                                \
	(OPT_BIT(OPT_RANGE) | OPT_BIT(OPT_PERM) | OPT_BIT(OPT_LEVEL) | OPT_BIT(OPT_PA) |           \
	 OPT_BIT(OPT_LEAVES) | OPT_BIT(OPT_ABSENT) | OPT_BIT(OPT_NO_FOLD) | OPT_BIT(OPT_SYMBOLS) | \
	 OPT_BIT(OPT_REGIONS) | OPT_BIT(OPT_REGION) | OPT_BIT(OPT_PAGE_STRUCTS) |                  \
	 OPT_BIT(OPT_JSON))

static bool dump_check_options(const struct options *opts)
{
	if (opts->style == STYLE_PTDUMP && (opts->given & RANGES_ONLY)) {
		message("dump: --style ptdump goes with none of --range, --perm, --level, --pa, "
			"--leaves, --absent, --no-fold, --symbols, --regions, --region, --pages, "
			"--json");
		return false;
	}
	if (option_given(opts, OPT_PID) &&
	    (opts->style == STYLE_PTDUMP ||
	     (opts->given &
	      (OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_DEVICE) | OPT_BIT(OPT_HALF))))) {
		message("dump: --pid goes with none of --root, --device, --half, --style ptdump");
		return false;
	}
	if (option_given(opts, OPT_PID) && option_given(opts, OPT_REGION)) {
		message("dump: --pid does not go with --region, which is of the kernel's half");
		return false;
	}
	if (opts->style != STYLE_PTDUMP && option_given(opts, OPT_MARKERS)) {
		message("dump: --markers goes with --style ptdump only");
		return false;
	}
	return true;
}

/*
 * What is dumped of a root that holds both halves. Of the kernel's own, the
 * kernel half; but nothing is known of the halves of a root that is not proved
 * to be Linux's.
 */
static unsigned dump_halves(const struct target *target, const struct options *opts)
{
	if (opts->root != ROOT_KERNEL || opts->style == STYLE_PTDUMP ||
	    option_given(opts, OPT_RANGE) || !report_is_kernels(&target->root))
		return ALL_REGIONS;
	return REGION_BIT(PGW_REGION_KERNEL);
}

/* What --level says, of this format. */
static bool dump_levels(const struct parse_levels *wanted, const struct pgw_format *format,
			struct pgw_dump_filter *filter)
{
	const struct pgw_geometry *geo = pgw_format_geometry(format);
	uint64_t unknown = wanted->sizes & ~geo->leaf_sizes;

	if (unknown) {
		message("dump: --level: %s has no leaves of %" PRIu64 "K", pgw_format_name(format),
			(unknown & -unknown) >> 10);
		return false;
	}
	filter->levels = (uint8_t)(wanted->levels | (wanted->top ? 1u << geo->top_level : 0));
	filter->sizes = wanted->sizes;
	return true;
}

/* A root without halves has the rights of one. */
static bool dump_rights(const struct pgw_dump_filter *filter, const struct pgw_format *format)
{
	const uint8_t users = PGW_USER_R | PGW_USER_W | PGW_USER_X;

	if (!pgw_format_region(format, PGW_REGION_FOREIGN) ||
	    !((filter->rights_all | filter->rights_none) & users))
		return true;
	message("--perm u: a root of format %s is no program's; its rights are those of k:",
		pgw_format_name(format));
	return false;
}

static bool dump_filter(const struct options *opts, const struct pgw_format *format,
			struct pgw_dump_filter *ret)
{
	*ret = (struct pgw_dump_filter){
		.rights_all = opts->rights.all,
		.rights_none = opts->rights.none,
		.has_pa = option_given(opts, OPT_PA),
		.pa_first = opts->pa_first,
		.pa_last = opts->pa_last,
	};
	return dump_rights(ret, format) && dump_levels(&opts->levels, format, ret);
}

/* What ends at va_last was told: is there to be more? */
static int dump_go_on(struct report *report, uint64_t va_last)
{
	report->next_va = va_last + 1;
	if (out_failed(report->out))
		return STOP_OUTPUT;
	return interrupt_signal() ? TARGET_STOPPED : 0;
}

static int dump_extent(const struct pgw_extent *extent, void *arg)
{
	struct report *report = (struct report *)arg;

	report->renderer->extent(report, extent);
	return dump_go_on(report, extent->va_last);
}

static int dump_repeated(const struct pgw_extent *extent, const struct pgw_repeats *repeats,
			 void *arg)
{
	struct report *report = (struct report *)arg;

	report->renderer->repeated(report, extent, repeats);
	return dump_go_on(report, repeats->va_last);
}

static int dump_leaves(const struct pgw_extent *extent, void *arg)
{
	struct report *report = (struct report *)arg;

	report_leaves(report, extent);
	return dump_go_on(report, extent->va_last);
}

/* The part of a half that --range asks for; false if there is none. */
static bool dump_clip(const struct options *opts, const struct pgw_mm *mm,
		      struct pgw_dump_args *args)
{
	args->first = pgw_mm_region(mm)->first;
	args->last = pgw_mm_region(mm)->last;
	if (args->first < opts->first)
		args->first = opts->first;
	if (args->last > opts->last)
		args->last = opts->last;
	return args->first <= args->last;
}

/* A process is dumped by its areas. */
struct by_areas {
	const struct areas *areas; /* NULL: --pid is not given */
	const struct report *report;
	struct areas_met met;
};

/* A half whose budget ran out does not keep the other from being dumped. */
static int dump_each_half(struct target *target, const struct options *opts,
			  struct pgw_dump_args *args, struct pgw_dump_summary *summary,
			  struct by_areas *by, const struct regions *regions)
{
	int err = 0;

	for (int half = 0; half < _PGW_REGION_MAX && (!err || err == -PGW_E2BIG); half++) {
		int ret;

		args->mm = target->mm[half];
		if (!args->mm || !dump_clip(opts, args->mm, args))
			continue;
		args->max_lines = pgw_mm_budget(args->mm);
		ret = by->areas      ? areas_dump(by->areas, by->report, args, summary, &by->met)
		      : opts->region ? regions_dump(regions, args, summary)
				     : pgw_dump(args, summary);
		if (ret)
			err = ret;
	}
	return err;
}

static void dump_warn(const struct target *target, const struct pgw_scan_stats *scan,
		      bool out_of_lines)
{
	if (scan->truncated && !interrupt_signal())
		message("%s: cut short at 0x%016" PRIx64 ": the budget of %s ran out", target->file,
			scan->truncated_va, out_of_lines ? "lines" : "table visits");
	if (scan->nr_torn)
		message("%s: %" PRIu64 " range%s changed each time %s read: the machine runs; "
			"--consistent stops it for as long as it takes",
			target->file, scan->nr_torn, scan->nr_torn == 1 ? "" : "s",
			scan->nr_torn == 1 ? "it was" : "they were");
	if (scan->nr_malformed)
		message("%s: %" PRIu64 " malformed entries", target->file, scan->nr_malformed);
	if (scan->nr_unreadable && target->host) {
		message("%s: %" PRIu64 " range%s unreadable: the virtual machine has no memory "
			"where their tables are (translate shows where its tables end)",
			target->file, scan->nr_unreadable, scan->nr_unreadable == 1 ? "" : "s");
	} else if (scan->nr_unreadable) {
		struct report_missing missing = target_missing_tables(target);

		message("%s: %" PRIu64 " range%s unreadable: %" PRIu64
			"%s that the root leads to %s not in the image",
			target->file, scan->nr_unreadable, scan->nr_unreadable == 1 ? "" : "s",
			missing.nr,
			missing.is_cut    ? "+ tables"
			: missing.nr == 1 ? " table"
					  : " tables",
			missing.nr == 1 && !missing.is_cut ? "is" : "are");
		target_explain_unreadable(target);
	}
}

/* What is mapped although the areas say otherwise, or which of them do not hold together. */
static bool dump_warn_areas(const struct target *target, const struct by_areas *by)
{
	if (!by->areas)
		return false;
	if (by->met.nr_outside)
		message("%s: %" PRIu64 " ranges are mapped where the process has no area",
			target->file, by->met.nr_outside);
	if (by->met.nr_beyond)
		message("%s: %" PRIu64 " ranges may be written or executed, but their area may not",
			target->file, by->met.nr_beyond);
	if (by->areas->is_odd)
		message("%s: not all areas are there or hold together; maps --pid tells more",
			target->file);
	return by->met.nr_outside || by->met.nr_beyond || by->areas->is_odd;
}

/* Each page is its own: what is beside a leaf is of no other. */
static bool dump_has_leaves(const struct options *opts)
{
	return opts->given & (OPT_BIT(OPT_LEAVES) | OPT_BIT(OPT_PAGE_STRUCTS));
}

/* What stands beside the columns of a line. */
static int dump_labels(struct target *target, const struct options *opts, struct report *report)
{
	struct pgw_error err = { 0 };
	int status = option_given(opts, OPT_SYMBOLS) ? names_for_report(target, report) : TOOL_DONE;

	if (status != TOOL_DONE || !option_given(opts, OPT_PAGE_STRUCTS))
		return status;
	if (pgw_pages_open(target->image, &report->leaf_pages, &err) < 0)
		return message_error(target->file, &err);
	report->pages = report->leaf_pages;
	return TOOL_DONE;
}

/* Of a report that has its labels. */
static int dump_with(struct target *target, const struct options *opts, struct report *report,
		     const struct areas *areas)
{
	/* One, but for tests: the time goes into the lines, which are written one after the other. */
	const struct pgw_scan_workers workers = pgw_hosted_workers(1);
	struct pgw_dump_args args = {
		.workers = &workers,
		.merge = dump_has_leaves(opts) ? PGW_DUMP_RUNS : PGW_DUMP_RANGES,
		.fn = dump_has_leaves(opts) ? dump_leaves : dump_extent,
		.arg = report,
	};
	struct pgw_dump_summary summary = { 0 };
	struct by_areas by = { .areas = areas, .report = report };
	bool is_odd;
	struct regions regions = { 0 };
	int err = TOOL_DONE;

	if (!dump_has_leaves(opts) && !option_given(opts, OPT_NO_FOLD))
		args.repeated_fn = dump_repeated;
	report->has_absent = option_given(opts, OPT_ABSENT);
	if (report->has_absent) {
		int status = target_linux(target, &report->kernel);

		if (status != TOOL_DONE)
			return status;
		args.absent = &report->kernel;
	}
	if (!dump_filter(opts, target->root.format, &args.filter))
		return TOOL_USAGE;
	if (opts->given & (OPT_BIT(OPT_REGIONS) | OPT_BIT(OPT_REGION)))
		err = regions_get(target, opts, report, &regions);
	if (err != TOOL_DONE) {
		regions_free(&regions);
		return err;
	}
	interrupt_catch();
	err = dump_each_half(target, opts, &args, &summary, &by, &regions);
	regions_free(&regions);
	if (err == STOP_OUTPUT)
		return TOOL_DONE;
	if (err < 0 && err != -PGW_E2BIG)
		return target_fail(target, err);
	if (err == TARGET_STOPPED) {
		summary.scan.truncated = true;
		summary.scan.truncated_va = report->next_va;
	}
	if (summary.scan.nr_unreadable)
		report->missing = target_missing_tables(target);
	report->renderer->dump_summary(report, &summary);
	out_flush(report->out);
	dump_warn(target, &summary.scan, summary.out_of_lines);
	is_odd = dump_warn_areas(target, &by);
	return is_odd || summary.scan.truncated || summary.scan.nr_malformed ||
			       summary.scan.nr_unreadable || summary.scan.nr_torn
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

static int dump_ranges(struct target *target, const struct options *opts, struct out *out,
		       const struct areas *areas)
{
	struct report report = target_report(target, opts, out);
	int status = dump_labels(target, opts, &report);

	if (status == TOOL_DONE)
		status = dump_with(target, opts, &report, areas);
	pgw_pages_close(report.leaf_pages);
	return status;
}

/** A dump in the kernel's way, and what it met that a kernel would not. */
struct kernel_dump {
	struct out *out;
	const struct pgw_format *format;
	uint64_t nr_lines; /* that may still be printed */
	struct pgw_scan_stats met;
};

static int kernel_line(const struct pgw_ptdump_line *line, void *arg)
{
	struct kernel_dump *dump = (struct kernel_dump *)arg;

	if (!dump->nr_lines)
		return STOP_LINES;
	dump->nr_lines--;
	dump->met.nr_malformed += line->kind == PGW_PTDUMP_MALFORMED;
	dump->met.nr_unreadable += line->kind == PGW_PTDUMP_UNREADABLE;
	if (line->kind == PGW_PTDUMP_SERIES)
		dump->met.truncated_va = line->end;
	ptdump_style_line(dump->out, dump->format, line);
	return out_failed(dump->out) ? STOP_OUTPUT : 0;
}

/* The kernel's table of markers is reached through the kernel's own root; else through this one. */
static int kernel_markers(struct target *target, const struct options *opts, struct markers *file,
			  struct pgw_ptdump_args *args)
{
	struct pgw_root_info root;

	if (option_given(opts, OPT_MARKERS)) {
		int status = markers_read(opts->markers, file);

		args->markers = file->list;
		args->nr_markers = file->nr;
		return status;
	}
	if (target_kernel_root(target, &root, NULL) < 0)
		root = target->root;
	if (pgw_image_markers(target->image, &root, &args->markers, &args->nr_markers) < 0)
		args->nr_markers = 0;
	return TOOL_DONE;
}

static int kernel_dump_run(struct target *target, const struct pgw_ptdump_args *args)
{
	struct kernel_dump *dump = (struct kernel_dump *)args->arg;
	int err = pgw_ptdump(args);

	if (err == STOP_OUTPUT)
		return TOOL_DONE;
	if (err == -PGW_EOPNOTSUPP) {
		message("dump: how Linux dumps tables of format %s is not known",
			pgw_format_name(dump->format));
		return TOOL_USAGE;
	}
	if (err && err != -PGW_E2BIG && err != STOP_LINES) {
		message("%s: %s", target->file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	out_flush(dump->out);
	if (report_is_guess(target->image))
		message("%s: where some of the memory is, is a guess%s", target->file,
			pgw_image_get_info(target->image)->placement == PGW_PLACEMENT_GUESSED
				? "; --ram says it"
				: "");
	dump->met.truncated = err != 0;
	dump_warn(target, &dump->met, err == STOP_LINES);
	return err || dump->met.nr_malformed || dump->met.nr_unreadable ? TOOL_FINDING : TOOL_DONE;
}

static int dump_as_kernel(struct target *target, const struct options *opts, struct out *out)
{
	struct kernel_dump dump = { .out = out, .format = target->root.format };
	struct pgw_ptdump_args args = { .fn = kernel_line, .arg = &dump };
	struct markers markers = { 0 };
	int status;

	args.mm = target->mm[PGW_REGION_USER] ? target->mm[PGW_REGION_USER]
					      : target->mm[PGW_REGION_KERNEL];
	if (!args.mm)
		args.mm = target->mm[PGW_REGION_FOREIGN];
	dump.nr_lines = pgw_mm_budget(args.mm);
	status = kernel_markers(target, opts, &markers, &args);
	if (status == TOOL_DONE)
		status = kernel_dump_run(target, &args);
	if (!out_failed(out) && status <= TOOL_FINDING && !args.nr_markers &&
	    !option_given(opts, OPT_MARKERS))
		message("%s: the kernel's table of markers is not there; --markers can give one",
			target->file);
	markers_free(&markers);
	return status;
}

/* What is chosen by the options; of a process also its areas. */
static int dump_prepare(struct target *target, struct options *opts, struct areas *areas)
{
	unsigned halves = 0;
	int status = names_range(target, opts);

	if (status == TOOL_DONE && option_given(opts, OPT_PID))
		status = areas_open(areas, target, opts);
	if (status == TOOL_DONE)
		status = target_choose_root(target, opts);
	if (status == TOOL_DONE)
		status = target_choose_halves(target, opts, dump_halves(target, opts), &halves);
	if (status == TOOL_DONE)
		status = target_hold_halves(target, opts, halves);
	if (status == TOOL_DONE)
		status = target_attach(target, opts, halves);
	if (status == TOOL_DONE && areas_give(areas, target) < 0) {
		message("%s: the process's areas cannot be walked by", target->file);
		status = TOOL_UNREADABLE;
	}
	return status;
}

static int dump_run(const struct options *given)
{
	struct options opts = *given;
	struct areas areas = { 0 };
	struct target target;
	struct out out;
	int status;

	if (process_is_named(opts.args[0]))
		return process_dump(given);
	if (!dump_check_options(&opts))
		return TOOL_USAGE;
	out_init(&out, STDOUT_FILENO, options_color(&opts, STDOUT_FILENO));
	status = target_open(&target, &opts);
	if (status == TOOL_DONE)
		status = dump_prepare(&target, &opts, &areas);
	if (status == TOOL_DONE) {
		status = opts.style == STYLE_PTDUMP
				 ? dump_as_kernel(&target, &opts, &out)
				 : dump_ranges(&target, &opts, &out, areas.nr ? &areas : NULL);
		status = target_finish(&out, status);
	}
	target_close(&target);
	areas_close(&areas);
	return status;
}

const struct command cmd_dump = {
	.name = "dump",
	.args = "IMAGE",
	.summary = "what every virtual address maps to, with which rights",
	.description =
		"Prints what a root maps, one range of equal neighbours a line: virtual range\n"
		"(inclusive), physical address, size, size of a leaf, rights of the kernel and of\n"
		"users, attributes. What is there several times, because slots share tables, is\n"
		"printed once, with how often: x512 every 2M through its last address. What is\n"
		"malformed or not in the image has lines of its own, with ! before the reason.\n"
		"The last line, after #, sums up.\n",
	.examples =
		"  pagewalk dump vmcore                      the kernel's mappings\n"
		"  pagewalk dump --root cpu0 vmcore          all that CPU 0 could see\n"
		"  pagewalk dump --pid 812 vmcore            a process, by its areas\n"
		"  pagewalk dump --perm k:wx vmcore          what the kernel may write and run\n"
		"  pagewalk dump --pa 0x1000+4K vmcore       where a page is mapped\n"
		"  pagewalk dump --absent --root cpu0 vmcore  PROT_NONE, swap, ... too\n"
		"  pagewalk dump --range @_stext-@_etext --symbols vmcore  the kernel's code\n"
		"  pagewalk dump --regions --perm k:x vmcore  what executable memory is for\n"
		"  pagewalk dump --region modules vmcore     where modules are\n"
		"  pagewalk dump --pages --pid 812 vmcore    each page, and what it is\n"
		"  pagewalk dump --style ptdump vmcore       as the kernel's own dump\n"
		"  pagewalk dump --leaves --json vmcore      one leaf a record\n",
	.options = OPTIONS_LIVE | OPTIONS_WATCH | OPT_BIT(OPT_ROOT) |
		   OPT_BIT(OPT_DEVICE) | OPT_BIT(OPT_PID) | OPT_BIT(OPT_HALF) |
		   OPT_BIT(OPT_FORMAT) | OPT_BIT(OPT_MAIR) | OPT_BIT(OPT_RANGE) |
		   OPT_BIT(OPT_PERM) | OPT_BIT(OPT_LEVEL) | OPT_BIT(OPT_PA) | OPT_BIT(OPT_LEAVES) |
		   OPT_BIT(OPT_ABSENT) | OPT_BIT(OPT_NO_FOLD) | OPT_BIT(OPT_STYLE) |
		   OPT_BIT(OPT_MARKERS) | OPT_BIT(OPT_BUDGET) | OPT_BIT(OPT_SYMBOLS) |
		   OPT_BIT(OPT_REGIONS) | OPT_BIT(OPT_REGION) | OPT_BIT(OPT_PAGE_STRUCTS) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = dump_run,
};
