/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "report/record.h"
#include "report/report.h"
#include "target.h"

/* Distinct tables, and as many visits of them: at 4 KiB, 16 GiB of tables. */
#define AUDIT_TABLES (UINT64_C(1) << 22)
/* Of each rule. */
#define AUDIT_FINDINGS 1000

#define STOP_OUTPUT 1

static const char *const level_names[_PGW_AUDIT_LEVEL_MAX] = {
	[PGW_AUDIT_NOTE] = "note",
	[PGW_AUDIT_WARNING] = "warning",
	[PGW_AUDIT_ERROR] = "error",
};

struct audit {
	const struct options *opts;
	struct record record;
	uint64_t nr_levels[_PGW_AUDIT_LEVEL_MAX];
	uint64_t nr_unchecked;
};

static bool is_chosen(const struct audit *audit, enum pgw_audit_rule rule)
{
	return !audit->opts->rules || audit->opts->rules >> rule & 1;
}

static int audit_unchecked(enum pgw_audit_rule rule, const char *why, void *arg)
{
	struct audit *audit = (struct audit *)arg;

	if (!is_chosen(audit, rule))
		return 0;
	audit->nr_unchecked++;
	record_begin(&audit->record, "unchecked");
	record_str(&audit->record, "rule", pgw_audit_rule_info(rule)->id);
	record_str(&audit->record, "why", why);
	record_end(&audit->record);
	return out_failed(audit->record.out) ? STOP_OUTPUT : 0;
}

static int audit_finding(const struct pgw_audit_finding *finding, void *arg)
{
	struct audit *audit = (struct audit *)arg;
	const struct pgw_audit_rule_info *info = pgw_audit_rule_info(finding->rule);
	const struct pgw_root_info *root = finding->root;
	struct record *record = &audit->record;

	if (!is_chosen(audit, finding->rule))
		return 0;
	audit->nr_levels[finding->level]++;
	record_begin(record, "finding");
	record_str(record, "rule", info->id);
	record_str(record, "level", level_names[finding->level]);
	record_hex(record, "root", root->root.pa);
	record_str(record, "state", report_root_state(root->state));
	record_dec(record, "roots", finding->nr_roots);
	if (finding->region) {
		record_str(record, "region", finding->region->name);
		record_hex(record, "first", finding->va_first);
		record_hex(record, "last", finding->va_last);
		record_dec(record, "count", finding->count);
		record_hex(record, "pa", finding->pa);
		record_hex(record, "entry", finding->entry);
	}
	record_bool(record, "suspect", finding->is_suspect);
	record_str(record, "text", info->text);
	if (finding->detail)
		record_str(record, "detail", finding->detail);
	record_end(record);
	return out_failed(record->out) ? STOP_OUTPUT : 0;
}

static void audit_summary(const struct target *target, struct audit *audit,
			  const struct pgw_audit_sums *sums)
{
	struct record *record = &audit->record;

	record_begin_summary(record);
	record_dec(record, "roots", sums->nr_roots);
	record_dec(record, "suspect_roots", sums->nr_suspects);
	record_dec(record, "tables", sums->nr_tables);
	record_dec(record, "errors", audit->nr_levels[PGW_AUDIT_ERROR]);
	record_dec(record, "warnings", audit->nr_levels[PGW_AUDIT_WARNING]);
	record_dec(record, "notes", audit->nr_levels[PGW_AUDIT_NOTE]);
	record_dec(record, "unchecked", audit->nr_unchecked);
	record_bool(record, "placement_guessed", report_is_guess(target->image));
	record_bool(record, "truncated", sums->truncated);
	record_dec(record, "unreadable", sums->nr_unreadable);
	record_end(record);
}

static int audit_report(struct target *target, const struct options *opts, struct out *out)
{
	struct audit audit = { .opts = opts };
	struct pgw_audit_args args = {
		.platform = pgw_hosted_platform(),
		.image = target->image,
		.max_tables = opts->budget ? opts->budget : AUDIT_TABLES,
		.max_findings = AUDIT_FINDINGS,
		.finding = audit_finding,
		.unchecked = audit_unchecked,
		.arg = &audit,
	};
	struct pgw_audit_sums sums = { 0 };
	int err = target_roots(target, &args.roots, &args.nr_roots);

	record_init(&audit.record, out, option_given(opts, OPT_JSON));
	if (!err)
		err = pgw_audit(&args, &sums);
	if (err && err != STOP_OUTPUT) {
		message("%s: %s", target->file, pgw_status_text(err));
		return err == -PGW_EINVAL ? TOOL_USAGE : TOOL_UNREADABLE;
	}
	audit_summary(target, &audit, &sums);
	out_flush(out);
	if (sums.truncated)
		message("%s: cut short: more than %" PRIu64
			" tables or visits (--budget), or %d findings of a rule",
			target->file, args.max_tables, AUDIT_FINDINGS);
	if (sums.nr_unreadable)
		target_explain_unreadable(target);
	else if (!sums.nr_roots)
		target_explain_no_root(target);
	return err || sums.truncated || sums.nr_unreadable || !sums.nr_roots ||
			       audit.nr_levels[PGW_AUDIT_ERROR] ||
			       audit.nr_levels[PGW_AUDIT_WARNING]
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

static int audit_run(const struct options *opts)
{
	struct target target;
	struct out out;
	int status;

	out_init(&out, STDOUT_FILENO, options_color(opts, STDOUT_FILENO));
	status = target_open(&target, opts);
	if (status == TOOL_DONE)
		status = target_hold_if_live(&target, opts);
	if (status == TOOL_DONE)
		status = target_finish(&out, audit_report(&target, opts, &out));
	target_close(&target);
	return status;
}

const struct command cmd_audit = {
	.name = "audit",
	.args = "IMAGE",
	.summary = "what should not be in page tables",
	.description =
		"Checks the tables of all roots against rules: memory that the kernel may write\n"
		"and execute, code that is writable elsewhere, tables that programs see, entries\n"
		"that no MMU takes, and more. First come the rules that the image has too little\n"
		"for, as \"unchecked\"; then what was found. Status 1: an error or a warning was\n"
		"found, or not all could be looked at.\n",
	.examples = "  pagewalk audit vmcore                        all rules\n"
		    "  pagewalk audit --rule kernel-wx,loop vmcore  two of them\n"
		    "  pagewalk audit --json vmcore                 for programs\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_RULE) | OPT_BIT(OPT_BUDGET) |
		   OPT_BIT(OPT_MAX_PAUSE) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) |
		   OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = audit_run,
};
