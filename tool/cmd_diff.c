/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "diff_watch.h"
#include "names.h"
#include "owners.h"
#include "report/record.h"
#include "report/report.h"
#include "spaces.h"
#include "target.h"

#define STOP_OUTPUT 1
/* The budget of lines has run out. */
#define STOP_LINES 2

static const char *const what_names[_PGW_CHANGE_NR] = {
	"appeared", "vanished", "moved", "rights", "size", "attributes", "kind",
};

/* An image and its roots. */
struct diff_side {
	struct target target;
	struct spaces spaces; /* of virtual machines and devices, too */
	struct owners *owners;
	bool *has_match; /* of the second one: by root */
};

/* Two images, their roots, and which is which. */
struct diff {
	struct diff_side before, after;
	size_t *match; /* of before's roots: after's */
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
	size_t index[2]; /* in the two lists */
	const struct pgw_root_info *before, *after;
	const struct pgw_region *region;
	struct pgw_mm *mm[2];
	uint64_t nr_lines; /* that may still be printed */
	uint64_t nr_told;  /* pieces of this comparison */
};

static void change_side(struct record *record, const struct pgw_extent *extent, bool is_after)
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
	change_side(record, &change->before, false);
	change_side(record, &change->after, true);
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
		.total = 2 * (uint64_t)diff->before.spaces.nr,
	};

	diff->nr_pieces += nr_pieces - pair->nr_told;
	pair->nr_told = nr_pieces;
	step.nr = diff->nr_pieces;
	progress_show(&diff->before.target.progress, &step);
	return interrupt_signal() ? TARGET_STOPPED : 0;
}

static int pair_attach(struct pair *pair)
{
	struct target *target[2] = { &pair->diff->before.target, &pair->diff->after.target };
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

/* Whose a root is: a virtual machine's or a device's; or its state, and the process that has it. */
static void root_whose(struct record *record, const struct diff_side *side, size_t index)
{
	const struct pgw_root_info *root = &side->spaces.roots[index];

	record_str(record, "format", pgw_format_name(root->format));
	if (spaces_whose(&side->spaces, index)) {
		spaces_record(&side->spaces, index, record);
		return;
	}
	record_str(record, "state", report_root_state(root->state));
	owners_name(side->owners, root, record);
}

static void pair_record(const struct pair *pair, const struct pgw_diff_summary *sums)
{
	struct record *record = &pair->diff->record;

	record_begin(record, "root");
	record_hex(record, "root", pair->before->root.pa);
	record_hex(record, "new_root", pair->after->root.pa);
	root_whose(record, &pair->diff->before, pair->index[0]);
	if (!spaces_whose(&pair->diff->before.spaces, pair->index[0]))
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
	/* A root of several tables side by side may have fewer than its format. */
	for (int i = 0; i < 2 && !err; i++) {
		const struct pgw_region *region = pgw_mm_region(pair->mm[i]);

		if (args.last > region->last)
			args.last = region->last;
	}
	args.fn = has_changes ? diff_change : NULL;
	args.look = pair_look;
	pair->nr_told = 0;
	/* Behind its end is nothing to compare. */
	if (!err && args.first <= args.last) {
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
static bool is_compared(const struct diff_side *side, size_t index, const struct pgw_region *region)
{
	const struct pgw_root_info *root = &side->spaces.roots[index];
	bool is_process = root->state == PGW_ROOT_RUNNING || root->state == PGW_ROOT_MAPPED ||
			  root->state == PGW_ROOT_EMPTY;

	if (spaces_whose(&side->spaces, index))
		return !pgw_format_is_split(root->format) || region->kind == PGW_REGION_USER;
	if (region->kind == PGW_REGION_USER)
		return root->has_user && !root->is_kpti_user;
	return root->has_kernel && !is_process;
}

static bool is_chosen(const struct diff *diff, const struct pgw_root_info *root)
{
	return root->state != PGW_ROOT_GUEST &&
	       (!option_given(diff->opts, OPT_ROOT) ||
		root->root.pa == diff->before.target.root.root.pa);
}

static int diff_pairs(struct diff *diff, bool has_changes)
{
	int err = 0;

	for (size_t i = 0; i < diff->before.spaces.nr && !err; i++) {
		size_t j = diff->match[i];
		struct pair pair = { .diff = diff,
				     .index = { i, j },
				     .before = &diff->before.spaces.roots[i] };

		diff->nr_done++;
		if (j == PGW_DIFF_NO_MATCH || !is_chosen(diff, pair.before))
			continue;
		pair.after = &diff->after.spaces.roots[j];
		pair.region = pgw_format_regions(pair.before->format);
		for (; pair.region->name && !err; pair.region++) {
			if (is_compared(&diff->before, i, pair.region) &&
			    is_compared(&diff->after, j, pair.region))
				err = pair_diff(&pair, has_changes);
		}
	}
	return err;
}

/* A root that one of the images has alone; freed ones come and go. */
static void diff_single(struct diff *diff, const struct diff_side *side, size_t index,
			const char *where)
{
	const struct pgw_root_info *root = &side->spaces.roots[index];

	if (root->state == PGW_ROOT_EMPTY || root->state == PGW_ROOT_GUEST ||
	    !is_chosen(diff, root))
		return;
	diff->nr_single++;
	record_begin(&diff->record, "root");
	record_hex(&diff->record, "root", root->root.pa);
	root_whose(&diff->record, side, index);
	record_str(&diff->record, "only", where);
	record_end(&diff->record);
}

static void diff_singles(struct diff *diff)
{
	for (size_t i = 0; i < diff->before.spaces.nr; i++) {
		if (diff->match[i] == PGW_DIFF_NO_MATCH)
			diff_single(diff, &diff->before, i, "before");
		else
			diff->after.has_match[diff->match[i]] = true;
	}
	for (size_t i = 0; i < diff->after.spaces.nr; i++) {
		if (!diff->after.has_match[i])
			diff_single(diff, &diff->after, i, "after");
	}
}

/* The roots of a side. @return as command.run */
static int side_look(struct diff_side *side, const struct options *opts)
{
	int err = spaces_open(&side->target, !option_given(opts, OPT_ROOT), &side->spaces);

	if (err)
		return target_fail(&side->target, err);
	if (!side->spaces.nr) {
		message("%s: no page-table root was found in it", side->target.file);
		return TOOL_UNREADABLE;
	}
	side->owners = owners_open(&side->target);
	side->has_match = calloc(side->spaces.nr + 1, sizeof(*side->has_match));
	return side->has_match ? TOOL_DONE : target_fail(&side->target, -PGW_ENOMEM);
}

/* Which of its virtual machines and devices have roots, in a list of their own. To be freed. */
static struct pgw_foreign *side_foreign(const struct diff_side *side, size_t *ret_nr)
{
	struct pgw_foreign *list;

	*ret_nr = side->spaces.nr - side->spaces.nr_own;
	list = calloc(*ret_nr + 1, sizeof(*list));
	for (size_t i = 0; list && i < *ret_nr; i++)
		list[i] = *side->spaces.whose[i];
	return list;
}

/* @return 0 or -PGW_ENOMEM */
static int diff_match_foreign(struct diff *diff)
{
	size_t nr[2], first = diff->before.spaces.nr_own;
	struct pgw_foreign *before = side_foreign(&diff->before, &nr[0]);
	struct pgw_foreign *after = side_foreign(&diff->after, &nr[1]);
	int err = -PGW_ENOMEM;

	if (before && after)
		err = pgw_diff_match_foreign(before, nr[0], after, nr[1], diff->match + first);
	for (size_t i = first; !err && i < diff->before.spaces.nr; i++) {
		if (diff->match[i] != PGW_DIFF_NO_MATCH)
			diff->match[i] += diff->after.spaces.nr_own;
	}
	free(before);
	free(after);
	return err;
}

static int diff_match(struct diff *diff)
{
	struct diff_side *sides[2] = { &diff->before, &diff->after };
	struct pgw_diff_roots roots[2];
	int err = -PGW_ENOMEM;

	for (int i = 0; i < 2; i++) {
		int status = side_look(sides[i], diff->opts);

		if (status != TOOL_DONE)
			return status;
		roots[i] = (struct pgw_diff_roots){
			.image = sides[i]->target.image,
			.list = sides[i]->spaces.roots,
			.nr = sides[i]->spaces.nr_own,
			.tasks = owners_tasks(sides[i]->owners),
		};
	}
	diff->match = calloc(diff->before.spaces.nr + 1, sizeof(*diff->match));
	if (diff->match)
		err = pgw_diff_match(&roots[0], &roots[1], diff->match);
	if (!err)
		err = diff_match_foreign(diff);
	return err ? target_fail(&diff->before.target, err) : TOOL_DONE;
}

static bool is_root_listed(const struct diff *diff)
{
	const struct spaces *spaces = &diff->before.spaces;

	for (size_t i = 0; i < spaces->nr; i++) {
		if (spaces->roots[i].root.pa == diff->before.target.root.root.pa)
			return true;
	}
	message("%s: 0x%" PRIx64 " is none of its roots", diff->before.target.file,
		diff->before.target.root.root.pa);
	return false;
}

static void diff_summary(struct diff *diff)
{
	struct record *record = &diff->record;

	record_begin_summary(record);
	record_dec(record, "roots_before", diff->before.spaces.nr);
	record_dec(record, "roots_after", diff->after.spaces.nr);
	record_dec(record, "single_roots", diff->nr_single);
	record_dec(record, "changes", diff->sums.nr_changes);
	record_size(record, "same", diff->sums.same_bytes);
	record_bool(record, "placement_guessed",
		    report_is_guess(diff->before.target.image) ||
			    report_is_guess(diff->after.target.image));
	record_bool(record, "truncated", diff->truncated);
	record_dec(record, "malformed", diff->sums.nr_malformed);
	record_dec(record, "unreadable", diff->sums.nr_unreadable);
	record_end(record);
}

/* What keeps it from saying all. */
static void diff_explain(const struct diff *diff)
{
	if (diff->truncated && !interrupt_signal())
		message("cut short: the budget of table visits or lines ran out (--budget)");
	if (diff->sums.nr_unreadable)
		message("%" PRIu64 " tables are not in the images: what they map is not compared",
			diff->sums.nr_unreadable);
}

static int diff_report(struct diff *diff)
{
	int status, err = 0;
	bool is_incomplete;

	interrupt_catch();
	status = diff_match(diff);
	if (status == TOOL_DONE && option_given(diff->opts, OPT_ROOT) && !is_root_listed(diff))
		status = TOOL_USAGE;
	if (status != TOOL_DONE && !interrupt_signal())
		return status;
	if (status == TOOL_DONE)
		err = diff_pairs(diff, false);
	if (status == TOOL_DONE && !err) {
		diff_singles(diff);
		err = diff_pairs(diff, true);
	}
	progress_end(&diff->before.target.progress);
	diff->truncated |= err == TARGET_STOPPED || interrupt_signal();
	is_incomplete = diff->before.spaces.is_incomplete || diff->after.spaces.is_incomplete;
	if (err < 0)
		return target_fail(&diff->before.target, err);
	diff_summary(diff);
	out_flush(diff->record.out);
	diff_explain(diff);
	return is_incomplete || diff->sums.nr_changes || diff->nr_single || diff->truncated ||
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

static int side_open(struct diff_side *side, const struct options *opts)
{
	int status = target_open(&side->target, opts);

	return status == TOOL_DONE ? target_hold_if_live(&side->target, opts) : status;
}

static void side_close(struct diff_side *side)
{
	owners_close(side->owners);
	spaces_close(&side->spaces);
	free(side->has_match);
	target_close(&side->target);
}

static int diff_open(struct diff *diff)
{
	struct options *second = options_of_second(diff->opts);
	int status;

	if (!second) {
		message("%s", pgw_status_text(-PGW_ENOMEM));
		return TOOL_UNREADABLE;
	}
	status = side_open(&diff->before, diff->opts);
	if (status == TOOL_DONE)
		status = names_range(&diff->before.target, diff->opts);
	if (status == TOOL_DONE && option_given(diff->opts, OPT_ROOT))
		status = target_choose_root(&diff->before.target, diff->opts);
	if (status == TOOL_DONE)
		status = side_open(&diff->after, second);
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
	if (given->nr_args != (option_given(given, OPT_WATCH) ? 1 : 2)) {
		message(option_given(given, OPT_WATCH)
				? "diff: --watch compares one machine that runs with itself"
				: "diff: an argument is missing: the other image");
		return TOOL_USAGE;
	}
	if (option_given(given, OPT_WATCH))
		return diff_watch(given);
	out_init(&out, STDOUT_FILENO, options_color(&opts, STDOUT_FILENO));
	record_init(&diff.record, &out, option_given(&opts, OPT_JSON));
	status = diff_open(&diff);
	if (status == TOOL_DONE)
		status = target_finish(&out, diff_report(&diff));
	free(diff.match);
	side_close(&diff.after);
	side_close(&diff.before);
	return status;
}

const struct command cmd_diff = {
	.name = "diff",
	.args = "IMAGE [NEW]",
	.summary = "what one image maps and another of the same machine does not",
	.description =
		"Compares the roots of two images of one machine, and what its virtual machines\n"
		"and devices go by: those of one process, where processes are known; else those\n"
		"at one address, or of one content. First a record for each root\n"
		"and region says how much is the same, appeared, vanished, moved to other\n"
		"memory, or changed rights, size of leaves or attributes; then a record for\n"
		"each range that did. Status 0: all is the same; 1: something differs.\n"
		"With --watch a machine that runs is compared with itself, that much later.\n",
	.examples = "  pagewalk diff vmcore vmcore                 all is the same\n"
		    "  pagewalk diff --range 0+1G vmcore vmcore    ... of these addresses\n",
	.options = OPTIONS_IMAGE | OPTIONS_WATCH | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_RANGE) | OPT_BIT(OPT_BUDGET) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 2,
	.nr_more_images = 1,
	.run = diff_run,
};
