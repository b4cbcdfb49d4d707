/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "names.h"
#include "report/record.h"
#include "report/report.h"
#include "target.h"

#define STOP_OUTPUT 1
/* The budget of lines has run out. */
#define STOP_LINES 2

static const char *const what_names[_PGW_CHANGE_NR] = {
	"appeared", "vanished", "moved", "rights", "size", "attributes", "kind",
};

/* Two images, their roots, and which is which. */
struct diff {
	struct target before, after;
	struct pgw_diff_roots roots_before, roots_after;
	size_t *match;
	bool *has_match; /* of roots_after */
	struct options *opts;
	struct record record;
	struct pgw_diff_summary sums;
	uint64_t nr_done;   /* roots, gone through for the sums and for the changes */
	uint64_t nr_pieces; /* that were compared */
	uint64_t nr_single; /* roots that are in one of the images only */
	bool truncated;
};

/* A pair of roots, and which region of it. */
struct pair {
	struct diff *diff;
	const struct pgw_root_info *before, *after;
	const struct pgw_region *region;
	struct pgw_mm *mm[2];
	uint64_t nr_lines; /* that may still be printed */
	uint64_t nr_told;  /* pieces of this comparison */
};

static void diff_side(struct record *record, const struct pgw_extent *extent, bool is_after)
{
	static const char *const keys[][2] = {
		{ "pa", "new_pa" },     { "leaf", "new_leaf" },   { "kernel", "new_kernel" },
		{ "user", "new_user" }, { "entry", "new_entry" }, { "kind", "new_kind" },
	};

	if (extent->kind == PGW_ENTRY_EMPTY)
		return;
	if (extent->kind != PGW_ENTRY_LEAF) {
		record_str(record, keys[5][is_after], report_kind(extent->kind));
		return;
	}
	record_hex(record, keys[0][is_after], extent->pa);
	record_size(record, keys[1][is_after], UINT64_C(1) << extent->leaf_lg2);
	record_str(record, keys[2][is_after], report_rights(extent->rights));
	record_str(record, keys[3][is_after], report_rights(extent->rights >> 3));
	record_hex(record, keys[4][is_after], extent->entry);
}

/* "moved,rights" */
static const char *change_names(unsigned what, char *text, size_t size)
{
	text[0] = '\0';
	for (unsigned i = 0; i < _PGW_CHANGE_NR; i++) {
		if (!(what >> i & 1))
			continue;
		if (text[0])
			strncat(text, ",", size - strlen(text) - 1);
		strncat(text, what_names[i], size - strlen(text) - 1);
	}
	return text;
}

static int diff_change(const struct pgw_change *change, void *arg)
{
	struct pair *pair = (struct pair *)arg;
	struct record *record = &pair->diff->record;
	char names[96];

	if (!pair->nr_lines--)
		return STOP_LINES;
	record_begin(record, "change");
	record_str(record, "what", change_names(change->what, names, sizeof(names)));
	record_hex(record, "first", change->va_first);
	record_hex(record, "last", change->va_last);
	record_size(record, "bytes", change->va_last - change->va_first + 1);
	diff_side(record, &change->before, false);
	diff_side(record, &change->after, true);
	record_bool(record, "scattered", change->is_scattered);
	record_hex(record, "root", pair->before->root.pa);
	record_end(record);
	return out_failed(record->out) ? STOP_OUTPUT : 0;
}

/* Roots are gone through twice: for the sums and for the changes. */
static int pair_look(void *arg, uint64_t nr_pieces)
{
	struct pair *pair = (struct pair *)arg;
	struct diff *diff = pair->diff;
	struct progress_step step = {
		.what = "comparing",
		.unit = "pieces",
		.done = diff->nr_done,
		.total = 2 * (uint64_t)diff->roots_before.nr,
	};

	diff->nr_pieces += nr_pieces - pair->nr_told;
	pair->nr_told = nr_pieces;
	step.nr = diff->nr_pieces;
	progress_show(&diff->before.progress, &step);
	return interrupt_signal() ? TARGET_STOPPED : 0;
}

static int pair_attach(struct pair *pair)
{
	struct target *target[2] = { &pair->diff->before, &pair->diff->after };
	const struct pgw_root_info *root[2] = { pair->before, pair->after };

	for (int i = 0; i < 2; i++) {
		const struct pgw_mm_attach_args args = {
			.platform = pgw_hosted_platform(),
			.format = root[i]->format,
			.phys = pgw_image_phys(target[i]->image),
			.root = root[i]->root,
			.region = pair->region->kind,
			.control = root[i]->control,
			.budget = pair->diff->opts->budget,
		};
		int err = pgw_mm_attach(&args, &pair->mm[i]);

		if (err)
			return err;
	}
	return 0;
}

static void pair_record(const struct pair *pair, const struct pgw_diff_summary *sums)
{
	struct record *record = &pair->diff->record;

	record_begin(record, "root");
	record_hex(record, "root", pair->before->root.pa);
	record_hex(record, "new_root", pair->after->root.pa);
	record_str(record, "format", pgw_format_name(pair->before->format));
	record_str(record, "state", report_root_state(pair->before->state));
	record_str(record, "new_state", report_root_state(pair->after->state));
	record_str(record, "region", pair->region->name);
	record_dec(record, "changes", sums->nr_changes);
	record_size(record, "same", sums->same_bytes);
	for (unsigned i = 0; i < _PGW_CHANGE_NR; i++)
		record_size(record, what_names[i], sums->bytes[i]);
	record_end(record);
}

static bool pair_clip(const struct pair *pair, struct pgw_diff_args *args)
{
	const struct options *opts = pair->diff->opts;

	pgw_format_region_range(pair->before->format, pair->region->kind, &args->first,
				&args->last);
	if (args->first < opts->first)
		args->first = opts->first;
	if (args->last > opts->last)
		args->last = opts->last;
	return args->first <= args->last;
}

/* The sums come first, so what differs is looked for twice. */
static int pair_diff(struct pair *pair, bool has_changes)
{
	struct pgw_diff_args args = { .arg = pair };
	struct pgw_diff_summary sums = { 0 };
	struct diff *diff = pair->diff;
	int err = 0;

	if (!pair_clip(pair, &args))
		return 0;
	err = pair_attach(pair);
	args.before = pair->mm[0];
	args.after = pair->mm[1];
	args.fn = has_changes ? diff_change : NULL;
	args.look = pair_look;
	pair->nr_told = 0;
	if (!err) {
		pair->nr_lines = pgw_mm_budget(pair->mm[0]);
		err = pgw_diff(&args, &sums);
	}
	pgw_mm_free(pair->mm[0]);
	pgw_mm_free(pair->mm[1]);
	pair->mm[0] = pair->mm[1] = NULL;
	if (err == -PGW_E2BIG || err == STOP_LINES) {
		diff->truncated = true;
		err = 0;
	}
	if (err || has_changes)
		return err;
	diff->sums.nr_changes += sums.nr_changes;
	diff->sums.nr_malformed += sums.nr_malformed;
	diff->sums.nr_unreadable += sums.nr_unreadable;
	diff->sums.same_bytes += sums.same_bytes;
	pair_record(pair, &sums);
	return 0;
}

/*
 * Is this region told of this root? Of Linux's kernel half the kernel's own root tells all; the
 * user half of a KPTI pair is the same tables in both.
 */
static bool is_compared(const struct pgw_root_info *root, const struct pgw_region *region)
{
	bool is_process = root->state == PGW_ROOT_RUNNING || root->state == PGW_ROOT_MAPPED ||
			  root->state == PGW_ROOT_EMPTY;

	if (region->kind == PGW_REGION_USER)
		return root->has_user && !root->is_kpti_user;
	return root->has_kernel && !is_process;
}

static bool is_chosen(const struct diff *diff, const struct pgw_root_info *root)
{
	return root->state != PGW_ROOT_GUEST &&
	       (!option_given(diff->opts, OPT_ROOT) || root->root.pa == diff->before.root.root.pa);
}

static int diff_pairs(struct diff *diff, bool has_changes)
{
	int err = 0;

	for (size_t i = 0; i < diff->roots_before.nr && !err; i++) {
		struct pair pair = { .diff = diff, .before = &diff->roots_before.list[i] };

		diff->nr_done++;
		if (diff->match[i] == PGW_DIFF_NO_MATCH || !is_chosen(diff, pair.before))
			continue;
		pair.after = &diff->roots_after.list[diff->match[i]];
		pair.region = pgw_format_regions(pair.before->format);
		for (; pair.region->name && !err; pair.region++) {
			if (is_compared(pair.before, pair.region) &&
			    is_compared(pair.after, pair.region))
				err = pair_diff(&pair, has_changes);
		}
	}
	return err;
}

/* A root that one of the images has alone; freed ones come and go. */
static void diff_single(struct diff *diff, const struct pgw_root_info *root, const char *where)
{
	if (root->state == PGW_ROOT_EMPTY || root->state == PGW_ROOT_GUEST ||
	    !is_chosen(diff, root))
		return;
	diff->nr_single++;
	record_begin(&diff->record, "root");
	record_hex(&diff->record, "root", root->root.pa);
	record_str(&diff->record, "format", pgw_format_name(root->format));
	record_str(&diff->record, "state", report_root_state(root->state));
	record_str(&diff->record, "only", where);
	record_end(&diff->record);
}

static void diff_singles(struct diff *diff)
{
	for (size_t i = 0; i < diff->roots_before.nr; i++) {
		if (diff->match[i] == PGW_DIFF_NO_MATCH)
			diff_single(diff, &diff->roots_before.list[i], "before");
		else
			diff->has_match[diff->match[i]] = true;
	}
	for (size_t i = 0; i < diff->roots_after.nr; i++) {
		if (!diff->has_match[i])
			diff_single(diff, &diff->roots_after.list[i], "after");
	}
}

static int diff_match(struct diff *diff)
{
	struct target *targets[2] = { &diff->before, &diff->after };
	struct pgw_diff_roots *roots[2] = { &diff->roots_before, &diff->roots_after };

	for (int i = 0; i < 2; i++) {
		int err = target_roots(targets[i], &roots[i]->list, &roots[i]->nr);

		if (err) {
			message("%s: %s", targets[i]->file, pgw_status_text(err));
			return TOOL_UNREADABLE;
		}
		roots[i]->image = targets[i]->image;
		if (!roots[i]->nr) {
			message("%s: no page-table root was found in it", targets[i]->file);
			return TOOL_UNREADABLE;
		}
	}
	diff->match = calloc(roots[0]->nr + 1, sizeof(*diff->match));
	diff->has_match = calloc(roots[1]->nr + 1, sizeof(*diff->has_match));
	if (!diff->match || !diff->has_match ||
	    pgw_diff_match(roots[0], roots[1], diff->match) < 0) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	return TOOL_DONE;
}

static bool is_root_listed(const struct diff *diff)
{
	for (size_t i = 0; i < diff->roots_before.nr; i++) {
		if (diff->roots_before.list[i].root.pa == diff->before.root.root.pa)
			return true;
	}
	message("%s: 0x%" PRIx64 " is none of its roots", diff->before.file,
		diff->before.root.root.pa);
	return false;
}

static void diff_summary(struct diff *diff)
{
	struct record *record = &diff->record;

	record_begin_summary(record);
	record_dec(record, "roots_before", diff->roots_before.nr);
	record_dec(record, "roots_after", diff->roots_after.nr);
	record_dec(record, "single_roots", diff->nr_single);
	record_dec(record, "changes", diff->sums.nr_changes);
	record_size(record, "same", diff->sums.same_bytes);
	record_bool(record, "placement_guessed",
		    report_is_guess(diff->before.image) || report_is_guess(diff->after.image));
	record_bool(record, "truncated", diff->truncated);
	record_dec(record, "malformed", diff->sums.nr_malformed);
	record_dec(record, "unreadable", diff->sums.nr_unreadable);
	record_end(record);
}

static int diff_report(struct diff *diff)
{
	int status = diff_match(diff), err;

	if (status == TOOL_DONE && option_given(diff->opts, OPT_ROOT) && !is_root_listed(diff))
		status = TOOL_USAGE;
	if (status != TOOL_DONE)
		return status;
	interrupt_catch();
	err = diff_pairs(diff, false);
	if (!err) {
		diff_singles(diff);
		err = diff_pairs(diff, true);
	}
	progress_end(&diff->before.progress);
	diff->truncated |= err == TARGET_STOPPED;
	if (err < 0) {
		message("%s: %s", diff->before.file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	diff_summary(diff);
	out_flush(diff->record.out);
	if (diff->truncated && err != TARGET_STOPPED)
		message("cut short: the budget of table visits or lines ran out (--budget)");
	if (diff->sums.nr_unreadable)
		message("%" PRIu64 " tables are not in the images: what they map is not compared",
			diff->sums.nr_unreadable);
	return diff->sums.nr_changes || diff->nr_single || diff->truncated ||
			       diff->sums.nr_unreadable
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

/* What says where memory is, is of the first image; what says how to read it, of both. */
static struct options *options_of_second(const struct options *opts)
{
	struct options *second = malloc(sizeof(*second));

	if (!second)
		return NULL;
	*second = *opts;
	second->args++;
	second->nr_args--;
	second->nr_ram = second->nr_parts = 0;
	return second;
}

static int diff_open(struct diff *diff)
{
	struct options *second = options_of_second(diff->opts);
	int status;

	if (!second) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	status = target_open(&diff->before, diff->opts);
	if (status == TOOL_DONE)
		status = names_range(&diff->before, diff->opts);
	if (status == TOOL_DONE)
		status = target_hold_if_live(&diff->before, diff->opts);
	if (status == TOOL_DONE && option_given(diff->opts, OPT_ROOT))
		status = target_choose_root(&diff->before, diff->opts);
	if (status == TOOL_DONE)
		status = target_open(&diff->after, second);
	if (status == TOOL_DONE)
		status = target_hold_if_live(&diff->after, second);
	free(second);
	return status;
}

static int diff_run(const struct options *given)
{
	struct options opts = *given;
	struct diff diff = { .opts = &opts };
	struct out out;
	int status = names_check(given);

	if (status != TOOL_DONE)
		return status;
	out_init(&out, STDOUT_FILENO, options_color(&opts, STDOUT_FILENO));
	record_init(&diff.record, &out, option_given(&opts, OPT_JSON));
	status = diff_open(&diff);
	if (status == TOOL_DONE)
		status = target_finish(&out, diff_report(&diff));
	free(diff.match);
	free(diff.has_match);
	target_close(&diff.after);
	target_close(&diff.before);
	return status;
}

const struct command cmd_diff = {
	.name = "diff",
	.args = "IMAGE NEW",
	.summary = "what one image maps and another of the same machine does not",
	.description =
		"Compares the roots of two images of one machine. First a record for each root\n"
		"and region says how much is the same, appeared, vanished, moved to other\n"
		"memory, or changed rights, size of leaves or attributes; then a record for\n"
		"each range that did. Status 0: all is the same; 1: something differs.\n",
	.examples = "  pagewalk diff vmcore vmcore                 all is the same\n"
		    "  pagewalk diff --range 0+1G vmcore vmcore    ... of these addresses\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_RANGE) | OPT_BIT(OPT_BUDGET) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.nr_more_images = 1,
	.run = diff_run,
};
