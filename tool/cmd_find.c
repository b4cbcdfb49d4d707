/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "command.h"
#include "report/record.h"
#include "report/report.h"
#include "target.h"

/* Distinct tables: at 4 KiB, 16 GiB of them. */
#define FIND_TABLES (UINT64_C(1) << 22)

#define STOP_OUTPUT 1

struct find {
	const struct pgw_root_info *roots;
	struct record record;
};

static int find_found(const struct pgw_found *found, void *arg)
{
	struct find *find = (struct find *)arg;
	const struct pgw_root_info *root = &find->roots[found->root];
	struct record *record = &find->record;

	record_begin(record, "mapping");
	record_hex(record, "first", found->va_first);
	record_hex(record, "last", found->va_last);
	record_size(record, "bytes", found->va_last - found->va_first + 1);
	record_hex(record, "pa", found->pa);
	record_size(record, "leaf", UINT64_C(1) << found->leaf_lg2);
	record_str(record, "kernel", report_rights(found->rights));
	record_str(record, "user", report_rights(found->rights >> 3));
	record_hex(record, "entry", found->entry);
	record_hex(record, "root", root->root.pa);
	record_str(record, "state", report_root_state(root->state));
	record_str(record, "region", found->region->name);
	record_end(record);
	return out_failed(record->out) ? STOP_OUTPUT : 0;
}

static void find_summary(const struct target *target, struct record *record,
			 const struct pgw_find_sums *sums, bool truncated)
{
	record_begin_summary(record);
	record_dec(record, "roots", sums->nr_roots);
	record_dec(record, "tables", sums->nr_tables);
	record_dec(record, "mappings", sums->nr_found);
	record_size(record, "bytes", sums->bytes);
	record_bool(record, "placement_guessed", report_is_guess(target->image));
	record_bool(record, "truncated", truncated);
	record_dec(record, "unreadable", sums->nr_unreadable);
	record_end(record);
}

/* PA, FIRST-LAST or FIRST+SIZE */
static bool find_range(const char *text, struct pgw_find_args *args)
{
	if (parse_hex(text, &args->pa_first)) {
		args->pa_last = args->pa_first;
		return true;
	}
	if (parse_range(text, &args->pa_first, &args->pa_last))
		return true;
	message("find: '%s' is not a hexadecimal address, FIRST-LAST or FIRST+SIZE", text);
	return false;
}

static int find_report(struct target *target, const struct options *opts, struct out *out,
		       void *arg)
{
	struct pgw_find_args *args = (struct pgw_find_args *)arg;
	struct pgw_find_sums sums = { 0 };
	struct find find = { 0 };
	int err = 0;

	args->roots = &target->root;
	args->nr_roots = 1;
	if (!option_given(opts, OPT_ROOT))
		err = target_roots(target, &args->roots, &args->nr_roots);
	if (err)
		return target_fail(target, err);
	find.roots = args->roots;
	record_init(&find.record, out, option_given(opts, OPT_JSON));
	args->image = target->image;
	args->arg = &find;
	err = pgw_find(args, &sums);
	if (err && err != STOP_OUTPUT && err != -PGW_E2BIG)
		return target_fail(target, err);
	find_summary(target, &find.record, &sums, err == -PGW_E2BIG);
	out_flush(out);
	if (err == -PGW_E2BIG)
		message("%s: cut short: more than %" PRIu64 " tables, or %" PRIu64
			" mappings (--budget)",
			target->file, FIND_TABLES, args->max_found);
	if (sums.nr_unreadable) {
		message("%s: %" PRIu64 " tables are not in the image: there may be more mappings",
			target->file, sums.nr_unreadable);
		target_explain_unreadable(target);
	} else if (!sums.nr_roots) {
		target_explain_no_root(target);
	}
	return err || sums.nr_unreadable || !sums.nr_found ? TOOL_FINDING : TOOL_DONE;
}

static int find_run(const struct options *opts)
{
	struct pgw_find_args args = {
		.platform = pgw_hosted_platform(),
		.max_tables = FIND_TABLES,
		.max_found = opts->budget ? opts->budget : PGW_BUDGET_DEFAULT,
		.fn = find_found,
	};
	const struct target_job job = {
		.holding = HOLD_IF_LIVE, .has_root = true, .report = find_report, .arg = &args
	};

	return find_range(opts->args[1], &args) ? target_run(opts, &job) : TOOL_USAGE;
}

const struct command cmd_find = {
	.name = "find",
	.args = "IMAGE PA",
	.summary = "which addresses of which roots map some memory",
	.description =
		"Prints every virtual address of every root that maps a physical one, or some of\n"
		"a range: with its rights, the size of the leaf and the entry. PA is hexadecimal:\n"
		"an address, FIRST-LAST (inclusive) or FIRST+SIZE (SIZE also as 64K, 2M, 1G).\n"
		"Status 1: nothing maps it, or there may be more.\n",
	.examples = "  pagewalk find vmcore 1000                  who maps this address\n"
		    "  pagewalk find vmcore 0+1M                   ... or any of this memory\n"
		    "  pagewalk find --root cpu0 vmcore 100000+4K  in one root\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_FORMAT) | OPT_BIT(OPT_BUDGET) |
		   OPT_BIT(OPT_MAX_PAUSE) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) |
		   OPT_BIT(OPT_HELP),
	.min_args = 2,
	.max_args = 2,
	.run = find_run,
};
