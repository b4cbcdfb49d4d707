/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "audit_baseline.h"
#include "audit_policy.h"
#include "audit_sarif.h"
#include "command.h"
#include "foreign.h"
#include "names.h"
#include "report/record.h"
#include "report/report.h"
#include "target.h"

/* Distinct tables, and as many visits of them: at 4 KiB, 16 GiB of tables. */
#define AUDIT_TABLES (UINT64_C(1) << 22)
/* Of each rule. */
#define AUDIT_FINDINGS 1000

#define STOP_OUTPUT 1

/* What becomes of findings, and how many there are of each kind. */
struct audit {
	const struct options *opts;
	const struct pgw_symbols *symbols; /* NULL: none */
	struct audit_policy policy;        /* all zero without one */
	struct audit_baseline baseline;
	bool has_policy, has_baseline, is_sarif, has_failed;
	struct record record;
	struct sarif sarif;
	uint64_t nr_levels[_PGW_AUDIT_LEVEL_MAX]; /* of these, none is allowed or known */
	uint64_t nr_unchecked, nr_allowed, nr_known;
};

/* Is the rule asked for? */
static bool is_chosen(const struct audit *audit, enum pgw_audit_rule rule)
{
	if (audit->has_policy && audit->policy.level[rule] == POLICY_OFF)
		return false;
	return !audit->opts->rules || audit->opts->rules >> rule & 1;
}

static int audit_goes_on(const struct audit *audit)
{
	return audit->has_failed || out_failed(audit->record.out) ? STOP_OUTPUT : 0;
}

static int audit_unchecked(enum pgw_audit_rule rule, const char *why, void *arg)
{
	struct audit *audit = (struct audit *)arg;

	if (!is_chosen(audit, rule))
		return 0;
	audit->nr_unchecked++;
	if (audit->is_sarif) {
		sarif_unchecked(&audit->sarif, rule, why);
		return audit_goes_on(audit);
	}
	record_begin(&audit->record, "unchecked");
	record_str(&audit->record, "rule", pgw_audit_rule_info(rule)->id);
	record_str(&audit->record, "why", why);
	record_end(&audit->record);
	return audit_goes_on(audit);
}

/* Whose tables they are, if not the host's own. */
static void finding_foreign(struct record *record, const struct pgw_foreign *foreign)
{
	char id[FOREIGN_ID];

	if (foreign->is_guest)
		record_dec(record, "vm", foreign->id);
	else
		record_str(record, "device", foreign_id(foreign, id));
}

static void finding_record(struct record *record, const struct pgw_audit_finding *finding,
			   const struct sarif_standing *standing)
{
	const struct pgw_audit_rule_info *info = pgw_audit_rule_info(finding->rule);

	record_begin(record, "finding");
	record_str(record, "rule", info->id);
	record_str(record, "level", report_audit_level(standing->level));
	record_bool(record, "known", standing->is_known);
	if (finding->foreign)
		finding_foreign(record, finding->foreign);
	if (finding->foreign && finding->foreign->domain != PGW_DOMAIN_TABLES)
		record_str(record, "root", NULL);
	else
		record_hex(record, "root", finding->root->root.pa);
	record_str(record, "state", report_root_state(finding->root->state));
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
}

static void finding_count(struct audit *audit, const struct sarif_standing *standing)
{
	if (standing->is_allowed)
		audit->nr_allowed++;
	else if (standing->is_known)
		audit->nr_known++;
	else
		audit->nr_levels[standing->level]++;
}

static int audit_finding(const struct pgw_audit_finding *finding, void *arg)
{
	struct audit *audit = (struct audit *)arg;
	const struct policy_allow *allow = NULL;
	struct sarif_standing standing = { .level = finding->level,
					   .has_baseline = audit->has_baseline };
	char key[BASELINE_KEY];

	if (!is_chosen(audit, finding->rule))
		return 0;
	if (audit->has_policy) {
		standing.level = (enum pgw_audit_level)audit_policy_level(&audit->policy, finding);
		allow = audit_policy_allows(&audit->policy, audit->symbols, finding);
	}
	standing.is_allowed = allow != NULL;
	standing.reason = allow ? allow->reason : NULL;
	audit_baseline_key(audit->symbols, finding, key);
	standing.key = key;
	standing.is_known = audit->has_baseline && audit_baseline_has(&audit->baseline, key);
	finding_count(audit, &standing);
	if (audit->baseline.writes && !standing.is_allowed)
		audit->has_failed |= !audit_baseline_add(&audit->baseline, key);
	if (audit->is_sarif)
		sarif_finding(&audit->sarif, finding, &standing);
	else if (!standing.is_allowed)
		finding_record(&audit->record, finding, &standing);
	return audit_goes_on(audit);
}

/* Of the rules that are asked for, those of which not all is told; if it counts, of errors and warnings alone. */
static bool has_full_rule(const struct audit *audit, const struct pgw_audit_sums *sums,
			  bool counts)
{
	for (int rule = 0; rule < _PGW_AUDIT_RULE_MAX; rule++) {
		int level = audit->has_policy ? audit->policy.level[rule] : POLICY_AS_IT_IS;

		if (!(sums->full_rules >> rule & 1) ||
		    !is_chosen(audit, (enum pgw_audit_rule)rule))
			continue;
		if (level == POLICY_AS_IT_IS)
			level = (int)pgw_audit_rule_info((enum pgw_audit_rule)rule)->level;
		if (!counts || level != PGW_AUDIT_NOTE)
			return true;
	}
	return false;
}

static void audit_summary(const struct target *target, struct audit *audit,
			  const struct pgw_audit_sums *sums)
{
	struct record *record = &audit->record;
	bool is_cut = sums->truncated || has_full_rule(audit, sums, false);

	if (audit->is_sarif) {
		sarif_end(&audit->sarif, !is_cut && !sums->nr_unreadable);
		return;
	}
	record_begin_summary(record);
	record_dec(record, "roots", sums->nr_roots);
	record_dec(record, "suspect_roots", sums->nr_suspects);
	record_dec(record, "tables", sums->nr_tables);
	record_dec(record, "errors", audit->nr_levels[PGW_AUDIT_ERROR]);
	record_dec(record, "warnings", audit->nr_levels[PGW_AUDIT_WARNING]);
	record_dec(record, "notes", audit->nr_levels[PGW_AUDIT_NOTE]);
	record_dec(record, "allowed", audit->nr_allowed);
	record_dec(record, "known", audit->nr_known);
	record_dec(record, "unchecked", audit->nr_unchecked);
	record_dec(record, "foreign", sums->nr_foreign);
	record_bool(record, "placement_guessed", report_is_guess(target->image));
	record_bool(record, "truncated", is_cut);
	record_dec(record, "unreadable", sums->nr_unreadable);
	record_end(record);
}

/* What could not be looked at. @return could all be? */
static bool audit_explain(const struct target *target, const struct audit *audit,
			  const struct pgw_audit_args *args, const struct pgw_audit_sums *sums)
{
	if (sums->truncated && !interrupt_signal())
		message("%s: cut short: more than %" PRIu64 " tables or visits (--budget)",
			target->file, args->max_tables);
	if (has_full_rule(audit, sums, false))
		message("%s: of a rule that found more than %d, there is more than is told",
			target->file, AUDIT_FINDINGS);
	if (sums->nr_unreadable)
		target_explain_unreadable(target);
	else if (!sums->nr_roots && !interrupt_signal())
		target_explain_no_root(target);
	return !sums->truncated && !has_full_rule(audit, sums, true) && !sums->nr_unreadable &&
	       sums->nr_roots;
}

static int audit_report(struct target *target, const struct options *opts, struct out *out,
			void *arg)
{
	struct audit *audit = (struct audit *)arg;
	struct pgw_audit_args args = {
		.platform = pgw_hosted_platform(),
		.image = target->image,
		.max_tables = opts->budget ? opts->budget : AUDIT_TABLES,
		.max_findings = AUDIT_FINDINGS,
		.finding = audit_finding,
		.unchecked = audit_unchecked,
		.arg = audit,
	};
	struct pgw_audit_sums sums = { 0 };
	int err;
	bool is_whole;

	if (audit->baseline.writes && !new_file_spares_image(&audit->baseline.new, target->image))
		return TOOL_UNREADABLE;
	interrupt_catch();
	err = target_roots(target, &args.roots, &args.nr_roots);
	if (err && err != -PGW_EINTR)
		return target_fail(target, err);
	if (err || pgw_image_symbols(target->image, &audit->symbols, NULL))
		audit->symbols = NULL;
	record_init(&audit->record, out, option_given(opts, OPT_JSON));
	audit->is_sarif = option_given(opts, OPT_SARIF);
	if (audit->is_sarif)
		sarif_begin(&audit->sarif, out, target->file);
	if (!err)
		err = pgw_audit(&args, &sums);
	target_progress_end(target);
	if (audit->has_failed)
		return TOOL_UNREADABLE;
	if (err < 0 && err != -PGW_EINTR)
		return target_fail(target, err);
	sums.truncated |= err == -PGW_EINTR;
	audit_summary(target, audit, &sums);
	out_flush(out);
	is_whole = audit_explain(target, audit, &args, &sums);
	if (audit->baseline.writes && !err && !audit_baseline_commit(&audit->baseline))
		return TOOL_UNREADABLE;
	return err || !is_whole || audit->nr_levels[PGW_AUDIT_ERROR] ||
			       audit->nr_levels[PGW_AUDIT_WARNING]
		       ? TOOL_FINDING
		       : TOOL_DONE;
}

/* The files of the options, before the image is opened, which may take long. */
static int audit_open(struct audit *audit)
{
	const struct options *opts = audit->opts;
	int status = TOOL_DONE;

	if (option_given(opts, OPT_SARIF) && option_given(opts, OPT_JSON)) {
		message("audit: --json and --sarif exclude each other");
		return TOOL_USAGE;
	}
	audit->has_policy = opts->policy != NULL;
	audit->has_baseline = opts->baseline != NULL;
	if (opts->policy)
		status = audit_policy_open(&audit->policy, opts->policy);
	if (status == TOOL_DONE && opts->baseline)
		status = audit_baseline_open(&audit->baseline, opts->baseline);
	if (status == TOOL_DONE && opts->write_baseline &&
	    !audit_baseline_create(&audit->baseline, opts->write_baseline,
				   option_given(opts, OPT_FORCE)))
		status = TOOL_UNREADABLE;
	return status;
}

static int audit_run(const struct options *opts)
{
	struct audit audit = { .opts = opts };
	const struct target_job job = { .holding = HOLD_IF_LIVE,
					.report = audit_report,
					.arg = &audit };
	int status = names_check(opts);

	if (status != TOOL_DONE)
		return status;
	status = audit_open(&audit);
	if (status == TOOL_DONE)
		status = target_run(opts, &job);
	audit_policy_close(&audit.policy);
	audit_baseline_close(&audit.baseline);
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
		    "  pagewalk audit --json vmcore                 for programs\n"
		    "  pagewalk audit --sarif vmcore                for what shows findings\n",
	.options = OPTIONS_IMAGE | OPT_BIT(OPT_SYMBOLS) | OPT_BIT(OPT_RULE) | OPT_BIT(OPT_POLICY) |
		   OPT_BIT(OPT_BASELINE) | OPT_BIT(OPT_WRITE_BASELINE) | OPT_BIT(OPT_SARIF) |
		   OPT_BIT(OPT_FORCE) | OPT_BIT(OPT_BUDGET) | OPT_BIT(OPT_MAX_PAUSE) |
		   OPT_BIT(OPT_JSON) | OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP),
	.min_args = 1,
	.max_args = 1,
	.run = audit_run,
};
